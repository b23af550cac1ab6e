/* SPDX-License-Identifier: Apache-2.0
 * `slots ID` at the broker: which keys a container is sealed to, as its slots name them, while it is kept.
 */
#include <string.h>

#include <tmx/seal.h>
#include <tmx/text.h>

#include "../daemon.h"

json_t *control_slots(struct daemon *d, const char *word)
{
    uint8_t key[TMX_ID_SIZE + 4] = { 0 };   /* the first of its rows */
    struct tmx_bytes value;
    if (!tmx_parse_id(tmx_bytes_str(word), key)) {
        return tmx_answer_refusal("malformed", "not a message id: 32 hexadecimal digits");
    }
    if (tmx_spool_get(d->spool, TMX_T_CONTAINER, TMX_BYTES_OF(key), &value) != 0) {
        return tmx_answer_slots(word, TMX_BYTES_NULL);
    }
    return tmx_answer_slots(word, value);
}
