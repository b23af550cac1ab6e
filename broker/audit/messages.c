/* SPDX-License-Identifier: Apache-2.0
 * The messages that the audit keeps, by the place of their acceptance, and their deliveries.
 */
#include <stdlib.h>
#include <string.h>

#include "deliveries.h"

void tmx_audit_pad_member(struct tmx_bytes code, uint8_t ret_member[TMX_MEMBER_MAX])
{
    assert(code.size <= TMX_MEMBER_MAX);
    memset(ret_member, 0, TMX_MEMBER_MAX);
    memcpy(ret_member, code.data, code.size);
}

struct tmx_audit_delivery *tmx_audit_delivery(struct tmx_audit_message *m, struct tmx_bytes member)
{
    uint8_t padded[TMX_MEMBER_MAX];

    tmx_audit_pad_member(member, padded);
    for (size_t i = 0; i < m->n; i++) {
        if (memcmp(m->deliveries[i].member, padded, sizeof padded) == 0) {
            return &m->deliveries[i];
        }
    }
    return NULL;
}

int tmx_audit_add_delivery(const struct tmx_audit_step *s, struct tmx_audit_message *m, struct tmx_bytes member,
                           uint64_t seq, bool arrived)
{
    struct tmx_audit_delivery *d = &m->deliveries[m->n++];

    tmx_audit_pad_member(member, d->member);
    d->seq = seq;
    d->state = arrived ? AUDIT_ARRIVED : AUDIT_QUEUED;
    d->said = arrived ? TMX__OUTCOME__OUTCOME_COA : TMX__OUTCOME__OUTCOME_NONE;
    s->a->summary.deliveries++;
    *(arrived ? &s->a->summary.arrived : &s->a->summary.queued) += 1;
    return tmx_audit_count(s, m, d);
}

void tmx_audit_messages_free(struct tmx_audit *a)
{
    const struct tmx_audit_key *key;
    size_t at = 0;
    void *value;

    while (tmx_audit_table_next(&a->ids, &at, &key, &value)) {
        free(((struct tmx_audit_known *)value)->message);
    }
    while (a->unplaced != NULL) {
        struct tmx_audit_message *next = a->unplaced->next;

        free(a->unplaced);
        a->unplaced = next;
    }
}

static struct tmx_audit_key place_key(struct tmx_bytes shard, uint64_t index)
{
    uint8_t number[8];
    struct tmx_writer w = TMX_WRITER_OF(number);

    tmx_write_u64(&w, index);
    return tmx_audit_key_of(shard, TMX_BYTES_OF(number));
}

int tmx_audit_put_place(struct tmx_audit *a, struct tmx_bytes shard, uint64_t index, struct tmx_audit_message *m)
{
    const struct tmx_audit_key key = place_key(shard, index);
    void *value;
    bool new;
    int r = tmx_audit_table_put(&a->places, &key, &value, &new);

    if (r == 0) {
        *(struct tmx_audit_message **)value = m;
    }
    return r;
}

struct tmx_audit_message *tmx_audit_message_at(const struct tmx_audit *a, struct tmx_bytes shard, uint64_t index)
{
    const struct tmx_audit_key key = place_key(shard, index);
    struct tmx_audit_message **found = tmx_audit_table_get(&a->places, &key);

    return found == NULL ? NULL : *found;
}
