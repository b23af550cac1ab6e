/* SPDX-License-Identifier: Apache-2.0
 * What a submission is sent instead of (NODE-15): checked as far as this node remembers it.
 */
#include "core.h"

/* An application is told of messages of its own types only; and a probe is none of any. */
static bool of_application(struct tmx_node *n, const struct node_request *rq, const uint8_t id[TMX_ID_SIZE])
{
    struct tmx_bytes value;
    Tmx__SubmitRequest *info;
    size_t used = n->scratch.used;
    bool own = node_get(n, TMX_NT_OUT_INFO, node_id(id), &value) &&
               tmx_codec_unpack(&tmx__submit_request__descriptor, value, value.size, &n->scratch, &info) == TMX_CODEC_OK &&
               !tmx_bytes_eq(tmx_pb(info->message_type), TMX_LIT(TMX_TYPE_PROBE)) &&
               node_type_permitted(rq->rights, tmx_pb(info->message_type));
    tmx_arena_rewind(&n->scratch, used);
    return own;
}

/* NULL: it was not sent to this member. */
static const struct tmx_row_out_delivery *delivery_to(const struct tmx_row_out *row, struct tmx_bytes member)
{
    for (size_t i = 0; i < row->n; i++) {
        if (tmx_bytes_eq(node_member_code(row->deliveries[i].member), member)) {
            return &row->deliveries[i];
        }
    }
    return NULL;
}

unsigned node_replaces_check(struct tmx_node *n, const struct node_request *rq, const Tmx__SubmitRequest *s,
                             const char **ret_text)
{
    struct tmx_row_out row;
    struct tmx_row_in received;
    if (s->replaces.len == 0) {
        return TMX_CODE_OK;
    }
    if (s->replaces.len != TMX_ID_SIZE) {
        *ret_text = "what a message replaces is named by its message id, 16 bytes";
        return TMX_CODE_MALFORMED;
    }
    if (!node_out_read(n, s->replaces.data, &row)) {   /* what is older than retention nobody here knows */
        return node_in_read(n, s->replaces.data, &received) ? TMX_CODE_REPLACES_OTHER : TMX_CODE_OK;
    }
    if (!of_application(n, rq, s->replaces.data)) {
        return TMX_CODE_REPLACES_OTHER;
    }
    for (size_t i = 0; i < s->n_recipients; i++) {
        const struct tmx_row_out_delivery *d = delivery_to(&row, tmx_pb(s->recipients[i]));
        if (d == NULL) {
            return TMX_CODE_REPLACES_OTHER;
        }
        if (d->state < TMX_OUT_DELIVERY_DELIVERED) {
            return TMX_CODE_REPLACES_OPEN;
        }
    }
    return TMX_CODE_OK;
}
