/* SPDX-License-Identifier: Apache-2.0
 * Time anchors, as operators (tmx-anchor) ask for them: which head to stamp, and a token to be logged (LOG-9).
 */
#include <stdlib.h>
#include <string.h>

#include <tmx/text.h>

#include "../daemon.h"

#define SIZE_MAX_ASKED (1ull << TMX_TREE_DEPTH_MAX)

static json_t *head_to_stamp(const struct daemon *d)
{
    struct tmx_bytes text = tmx_broker_anchor_head(d->broker);
    struct tmx_checkpoint head;
    if (text.size == 0 || !tmx_checkpoint_parse(text, &head)) {
        return tmx_answer_refusal("not-ready", "no quorum of witnesses has cosigned a head of the log yet");
    }
    return json_pack("{sI so}", "size", (json_int_t)head.size, "text", json_stringn((const char *)text.data, text.size));
}

/* Kept for the next turn, which answers. */
static void wish(struct daemon *d, const struct tmx_control_request *r)
{
    uint64_t size;
    uint8_t *copy;
    if (!tmx_parse_u64(tmx_bytes_str(r->words[2]), SIZE_MAX_ASKED, &size)) {
        tmx_control_refuse(d->control, r->client, "malformed", "anchor install SIZE: the second line of what anchor show printed");
        return;
    }
    if (r->attachment.size == 0 || r->attachment.size > TMX_ANCHOR_TOKEN_MAX) {
        tmx_control_refuse(d->control, r->client, "refused", "%s", tmx_broker_anchor_text(TMX_ANCHOR_E_TOKEN));
        return;
    }
    copy = d->anchor.token.size > 0 ? NULL : malloc(r->attachment.size);
    if (copy == NULL) {
        tmx_control_refuse(d->control, r->client, "busy", "another token is being installed: try again");
        return;
    }
    memcpy(copy, r->attachment.data, r->attachment.size);
    d->anchor = (struct anchor_wish){ .token = TMX_BYTES(copy, r->attachment.size), .size = size, .client = r->client };
}

bool control_anchor(struct daemon *d, const struct tmx_control_request *r)
{
    if (r->n_words == 2 && strcmp(r->words[0], "anchor") == 0 && strcmp(r->words[1], "show") == 0) {
        tmx_control_reply(d->control, r->client, head_to_stamp(d));
        return true;
    }
    if (r->n_words == 3 && strcmp(r->words[0], "anchor") == 0 && strcmp(r->words[1], "install") == 0) {
        wish(d, r);
        return true;
    }
    return false;
}

void control_anchored(struct daemon *d, enum tmx_broker_anchor result)
{
    if (d->anchor.token.size == 0) {
        return;
    }
    if (result == TMX_ANCHOR_OK) {
        tmx_control_reply(d->control, d->anchor.client, json_pack("{sI}", "anchored", (json_int_t)d->anchor.size));
    } else {
        tmx_control_refuse(d->control, d->anchor.client, "refused", "not anchored: %s", tmx_broker_anchor_text(result));
    }
    free((void *)(uintptr_t)d->anchor.token.data);
    d->anchor = (struct anchor_wish){ .size = 0 };
}
