/* SPDX-License-Identifier: Apache-2.0
 * `evidence ID` at a node: the leaves about a message with their proofs, for tmxctl to verify; as `tmx evidence` has them, without
 * the container.
 */
#include <stdlib.h>
#include <string.h>

#include <tmx/code.h>
#include <tmx/text.h>

#include "../daemon.h"

#define ROOM 4096u    /* of the answer, for what is beside the payload */

bool control_evidence(struct daemon *d, const struct tmx_control_request *r)
{
    uint8_t id[TMX_ID_SIZE], *file = NULL;
    size_t size = 0;
    if (r->n_words != 2 || strcmp(r->words[0], "evidence") != 0) {
        return false;
    }
    if (!tmx_parse_id(tmx_bytes_str(r->words[1]), id)) {
        tmx_control_refuse(d->control, r->client, "malformed", "not a message id: 32 hexadecimal digits");
        return true;
    }
    int code = tmx_node_evidence(d->node, id, &file, &size);
    if (code < 0) {
        tmx_control_refuse(d->control, r->client, "spool", "the spool cannot be read: %s", strerror(-code));
    } else if (code != TMX_CODE_OK) {
        tmx_control_refuse(d->control, r->client, tmx_code_name((unsigned)code), "no evidence of it: %s", tmx_code_meaning((unsigned)code));
    } else if (size > TMX_CONTROL_REPLY_MAX - ROOM) {
        tmx_control_refuse(d->control, r->client, "too-large", "its evidence is larger than an answer: tmx evidence writes it into a file");
    } else {
        tmx_control_reply_with(d->control, r->client, json_pack("{ss}", "authority", d->settings.authority), TMX_BYTES(file, size));
    }
    free(file);
    return true;
}
