/* SPDX-License-Identifier: Apache-2.0
 * Who has a container sees which keys it is sealed to: its slots name them.
 */
#include <jansson.h>
#include <string.h>

#include <tmx/control.h>
#include <tmx/text.h>

#include "compromise.h"

#define ASK_TIMEOUT_MS 10000u

int tmx_compromise_ask(void *ctx, const uint8_t message_id[TMX_ID_SIZE], const char *key_id)
{
    char id[TMX_ID_TEXT_SIZE];
    const char *words[] = { "slots", id };
    json_t *reply = NULL, *key;
    size_t i;
    int r;

    tmx_id_text(message_id, id);
    r = tmx_control_call(ctx, words, TMX_N(words), TMX_BYTES_NULL, ASK_TIMEOUT_MS, &reply);
    if (r < 0) {
        return r == -ENOENT ? -ENOTCONN : r;
    }
    r = json_is_array(json_object_get(reply, "keys")) ? 0 : -ENOENT;
    json_array_foreach(json_object_get(reply, "keys"), i, key)
    {
        r = json_is_string(key) && strcmp(json_string_value(key), key_id) == 0 ? 1 : r;
    }
    json_decref(reply);
    return r;
}
