/* SPDX-License-Identifier: Apache-2.0
 * Deliveries that begin before the first entry of the audit, and those that do not end with the last.
 */
#include <stdlib.h>
#include <string.h>

#include "deliveries.h"

bool tmx_audit_is_before(const struct tmx_audit *a, const Tmx__LogRef *ref)
{
    const bool here = tmx_bytes_eq(tmx_pb(ref->shard), TMX_BYTES(a->shard, a->shard_size));

    return a->begin > 0 && (!here || ref->index < a->begin);
}

int tmx_audit_assume_message(const struct tmx_audit_step *s, const Tmx__LogRef *ref, ProtobufCBinaryData id,
                             ProtobufCBinaryData header_digest, struct tmx_audit_message **ret_message)
{
    struct tmx_audit_message *m = calloc(1, sizeof *m + TMX_RECIPIENTS_MAX * sizeof m->deliveries[0]);
    int r = m == NULL ? -ENOMEM : tmx_audit_put_place(s->a, tmx_pb(ref->shard), ref->index, m);

    if (r < 0) {
        free(m);
        return r;
    }
    memcpy(m->id, id.data, sizeof m->id);
    memcpy(m->header_digest, header_digest.data, sizeof m->header_digest);
    m->assumed = true;
    m->index = s->index;
    m->next = s->a->unplaced;
    s->a->unplaced = m;
    *ret_message = m;
    return 0;
}

static bool is_open(const struct tmx_audit_message *m)
{
    for (size_t i = 0; i < m->n; i++) {
        if (m->deliveries[i].state != AUDIT_ENDED) {
            return true;
        }
    }
    return false;
}

bool tmx_audit_first_open(const struct tmx_audit *a, uint64_t *ret_index, uint8_t ret_id[TMX_ID_SIZE])
{
    const struct tmx_audit_message *first = NULL;
    const struct tmx_audit_key *key;
    uint64_t index = UINT64_MAX;
    size_t at = 0;
    void *value;

    while (tmx_audit_table_next(&a->ids, &at, &key, &value)) {
        const struct tmx_audit_known *known = value;

        if (known->message != NULL && known->index < index && is_open(known->message)) {
            first = known->message;
            index = known->index;
        }
    }
    for (const struct tmx_audit_message *m = a->unplaced; m != NULL; m = m->next) {
        if (m->index < index && is_open(m)) {
            first = m;
            index = m->index;
        }
    }
    if (first == NULL) {
        return false;
    }
    *ret_index = index;
    memcpy(ret_id, first->id, sizeof first->id);
    return true;
}
