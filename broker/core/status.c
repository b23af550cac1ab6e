/* SPDX-License-Identifier: Apache-2.0
 * Views of the broker's state for operators; nothing here changes anything.
 */
#include <string.h>

#include "core.h"

const struct tmx_directory *tmx_broker_directory(const struct tmx_broker *b)
{
    return b->directory;
}

struct tmx_bytes tmx_broker_checkpoint(const struct tmx_broker *b)
{
    return TMX_BYTES(b->checkpoint, b->checkpoint_size);
}

void tmx_broker_cosigned(const struct tmx_broker *b, struct tmx_broker_cosigned_view *ret_view)
{
    const struct tmx_policy *policy = tmx_directory_policy(b->directory);
    *ret_view = (struct tmx_broker_cosigned_view){ .witnesses = policy == NULL ? 0 : (unsigned)policy->n_witnesses,
                                                   .size = b->cosigned.head.size,
                                                   .quorum = b->cosigned.quorum,
                                                   .waiting_ms = b->uncosigned_ms == 0 ? 0 : b->now_ms - b->uncosigned_ms,
                                                   .checkpoint = TMX_BYTES(b->cosigned.note, b->cosigned.note_size) };
}

uint64_t tmx_broker_log_size(const struct tmx_broker *b)
{
    return tmx_tree_size(b->tree);
}

void tmx_broker_flow(struct tmx_broker *b, struct tmx_broker_flow_view *ret_view)
{
    struct tmx_broker_flow_view v = { 0 };
    for (size_t i = 0; i < b->n_peers; i++) {
        struct tmx_row_destination d;
        destination_read(b, b->peers[i].key, &d);
        v.queued += d.queued;
        v.arrived += d.arrived;
        v.in_flight += b->peers[i].n_flights;
    }
    *ret_view = v;
}

uint64_t tmx_broker_open(struct tmx_broker *b)
{
    struct tmx_broker_flow_view v;
    tmx_broker_flow(b, &v);
    return v.queued + v.arrived;
}

void tmx_broker_state(const struct tmx_broker *b, struct tmx_broker_state_view *ret_view)
{
    *ret_view = b->counters;
    ret_view->halted = b->halted;
    ret_view->disk_full = b->disk_full;
    ret_view->clock_doubt = b->clock_doubt && b->clock_confirmed;   /* before, it is merely not known yet */
    ret_view->directory_expired = tmx_directory_expired(b->directory, b->wall_ms);
}

const struct tmx_broker_latencies *tmx_broker_latencies(const struct tmx_broker *b)
{
    return &b->latencies;
}

/* Acceptance time of the oldest READY row: the first of each priority. */
static uint64_t oldest_ms(struct tmx_broker *b, const uint8_t member[TMX_MEMBER_KEY])
{
    uint64_t oldest = UINT64_MAX;
    for (uint8_t priority = 0; priority <= TMX_PRIORITY_MAX; priority++) {
        struct key k = key_ready(member, priority, 0);
        struct tmx_bytes key, value;
        if (row_seek(b, TMX_T_READY, key_bytes(&k), TMX_MEMBER_KEY + 1, &key, &value)) {
            uint64_t index = value_u64(tmx_bytes_slice(key, TMX_MEMBER_KEY + 1, 8));
            oldest = index < oldest ? index : oldest;
        }
    }
    return oldest == UINT64_MAX ? 0 : ledger_time(b, oldest);
}

/* NULL: not a member. */
static const struct peer *peer_of(const struct tmx_broker *b, struct tmx_bytes member)
{
    uint8_t key[TMX_MEMBER_KEY];
    if (member.size > TMX_MEMBER_MAX) {
        return NULL;
    }
    tmx_member_key(member, key);
    for (size_t i = 0; i < b->n_peers; i++) {
        if (memcmp(b->peers[i].key, key, sizeof(key)) == 0) {
            return &b->peers[i];
        }
    }
    return NULL;
}

bool tmx_broker_ages(const struct tmx_broker *b, struct tmx_bytes member, struct tmx_ages_view *ret_view)
{
    const struct peer *p = peer_of(b, member);
    return p != NULL && ages_look(b, p, ret_view);
}

uint64_t tmx_broker_prekeys_until(struct tmx_broker *b, struct tmx_bytes member)
{
    const struct peer *p = peer_of(b, member);
    struct tmx_bytes value;
    Tmx__LogEntry *e;
    Tmx__PrekeySet *set;
    if (p == NULL) {
        return 0;
    }
    struct key k = key_member(p->key);
    if (!row_get(b, TMX_T_PREKEY_SET, key_bytes(&k), &value)) {
        return 0;
    }
    k = key_u64(value_u64(tmx_bytes_slice(value, 8, 8)));
    tmx_arena_reset(&b->scratch);
    if (!row_get(b, TMX_T_LOG, key_bytes(&k), &value) || tmx_entry_parse(value, &b->scratch, &e) != TMX_CODE_OK ||
        tmx_prekeys_read(tmx_pb(e->body), &b->scratch, &set) != TMX_CODE_OK || set->n_keys == 0) {
        return 0;
    }
    return set->keys[set->n_keys - 1]->until_ms;   /* they ascend (KEY-1) */
}

int tmx_broker_link(struct tmx_broker *b, struct tmx_bytes member, struct tmx_broker_link_view *ret_view)
{
    struct tmx_broker_link_view v = { 0 };
    uint8_t key[TMX_MEMBER_KEY];
    if (member.size <= TMX_MEMBER_MAX) {
        tmx_member_key(member, key);
        const struct peer *p = peer_find(b, key);
        if (p != NULL) {
            v.ever = p->ever;
            v.up = p->up;
            v.session = p->session;
            v.last_frame_ms = p->last_frame_ms;
            v.in_flight = p->n_flights;
            v.feed_next = p->feed_next;
            v.feed_acked = p->feed_acked;
            v.last_code = p->last_code;
            destination_read(b, key, &v.destination);
            v.oldest_ms = oldest_ms(b, key);
            v.held = p->n_held;
            bool flying = p->up && p->n_flights > 0 && p->next_retry_ms != UINT64_MAX;
            v.next_retry_ms = !flying ? 0 : p->next_retry_ms > b->now_ms ? p->next_retry_ms - b->now_ms : 1;
        }
    }
    if (b->fault != 0) {
        return b->fault;
    }
    *ret_view = v;
    return 0;
}
