/* SPDX-License-Identifier: Apache-2.0
 * Views of the node for its operators: read between turns, change nothing.
 */
#include <string.h>

#include "core.h"

int tmx_node_state(struct tmx_node *n, struct tmx_node_state_view *ret_view)
{
    struct tmx_spool_stat stat;
    int r = tmx_spool_stat(n->spool, &stat);
    if (r < 0) {
        return r;
    }
    struct tmx_node_state_view v = n->counters;
    v.linked = n->session.state == NODE_UP;
    v.distrust = n->state.distrust;
    v.rebuilding = n->state.rebuild;
    v.directory_behind = node_directory_behind(n);
    v.directory_expired = tmx_directory_expired(n->directory, n->wall_ms);
    v.clock_doubt = n->clock_doubt;
    memcpy(v.shard, n->state.head.shard, sizeof(v.shard));
    v.session = n->session.number_session;
    v.head_size = n->state.head.size;
    v.feed_next = n->state.feed_next;
    v.directory_serial = tmx_directory_serial(n->directory);
    v.directory_heard = n->state.directory_heard;
    v.last_frame_ms = n->session.last_in_ms;
    v.witness = n->config.witness_secret != NULL;
    v.cosigned_size = n->cosigned.size;
    v.cosigned = n->cosigned_quorum;
    v.upgrading = n->upgrade_wanted;
    v.waiting = stat.rows[TMX_NT_OUT_WAIT];
    v.unanswered = stat.rows[TMX_NT_OUT_OPEN];
    v.reports_open = stat.rows[TMX_NT_REPORT_OPEN];
    v.offered = stat.rows[TMX_NT_IN_READY];
    v.leased = n->state.leased;
    v.open = n->state.open;
    v.moving_bytes = node_disk_moving(n);
    v.held = n->state.held;
    v.blocked = stat.rows[TMX_NT_IN_WAIT];
    v.alarm_rows = stat.rows[TMX_NT_ALARM];
    v.prekeys_until_ms = n->state.prekeys_until_ms;
    *ret_view = v;
    return 0;
}

const struct tmx_node_latencies *tmx_node_latencies(const struct tmx_node *n)
{
    return &n->latencies;
}

int tmx_node_peer(struct tmx_node *n, struct tmx_bytes member, struct tmx_node_peer_view *ret_view)
{
    struct tmx_node_peer_view v = { 0 };
    uint8_t key[TMX_MEMBER_MAX];
    if (member.size > TMX_MEMBER_MAX) {
        *ret_view = v;
        return 0;
    }
    node_member_key(member, key);
    struct node_destination *d = node_destination(n, key);
    struct node_key k = node_key_member(key);
    struct tmx_bytes value, copy;
    Tmx__PrekeySet *set;
    if (d != NULL) {
        v.max_seq = d->max_seq;
        v.waiting = d->waiting;
    }
    v.last_seq = node_get(n, TMX_NT_OUT_PAIR, node_kb(&k), &value) ? node_u64(value) : 0;
    tmx_arena_reset(&n->scratch);
    if (node_get(n, TMX_NT_PREKEYS, node_kb(&k), &value) && tmx_arena_copy(&n->scratch, value, &copy) &&
        tmx_prekeys_read(tmx_bytes_slice(copy, 8, copy.size - 8), &n->scratch, &set) == TMX_CODE_OK) {
        v.prekeys_serial = set->set_serial;
        for (size_t i = 0; i < set->n_keys; i++) {
            const Tmx__Prekey *p = set->keys[i];
            v.prekeys_until_ms = p->until_ms > v.prekeys_until_ms ? p->until_ms : v.prekeys_until_ms;
            v.prekey_now = v.prekey_now || (p->from_ms <= n->wall_ms && n->wall_ms < p->until_ms);
        }
    }
    *ret_view = v;
    return n->fault;
}

size_t tmx_node_queue(struct tmx_node *n, struct tmx_bytes member, uint8_t (*ret_ids)[TMX_ID_SIZE], size_t max)
{
    uint8_t m[TMX_MEMBER_MAX];
    size_t count = 0;
    if (member.size > TMX_MEMBER_MAX) {
        return 0;
    }
    node_member_key(member, m);
    struct node_key at = node_key_member(m);
    struct tmx_bytes key, value;
    while (count < max && node_seek(n, TMX_NT_OUT_WAIT, node_kb(&at), TMX_MEMBER_MAX, &key, &value)) {
        at = node_key_after(key);
        memcpy(ret_ids[count++], value.data, TMX_ID_SIZE);
    }
    return count;
}
