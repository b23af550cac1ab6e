/* SPDX-License-Identifier: Apache-2.0
 * Time: the clock and its doubts, and what is due by it. Rows of DUE name what may have to happen; the message's own
 * row decides.
 */
#include <sodium.h>
#include <string.h>

#include "core.h"

#define DUE_BUDGET 256u   /* rows of one turn */

/* In doubt while the wall clock jumped against the monotonic one, or differs from the broker's: then nothing expires.
 * A broker that agrees with the new time settles it. */
void node_clock(struct tmx_node *n, uint64_t mono_ms, uint64_t wall_us)
{
    n->now_ms = mono_ms > n->now_ms ? mono_ms : n->now_ms;
    n->wall_us = wall_us;
    n->wall_ms = wall_us / 1000;
    uint64_t base = n->wall_ms - n->now_ms;
    bool jumped = tmx_apart(base, n->clock_base_ms) > NODE_CLOCK_DOUBT_MS;
    bool linked = n->session.state == NODE_UP && n->session.clock_known;
    /* The offset was taken at the base of that time: a jump since then counts on top. */
    uint64_t since = base - n->session.clock_base_ms;
    bool doubt = linked ? tmx_apart(n->session.clock_offset_ms, since) > NODE_CLOCK_DOUBT_MS : jumped;
    if (linked && !doubt) {
        n->clock_base_ms = base;
    }
    if (doubt != n->clock_doubt) {
        n->clock_doubt = doubt;
        n->leases_look = n->leases_look || !doubt;
        node_notice(n, doubt ? "clock.doubt" : "clock.trusted", doubt, NULL, NULL, TMX_CODE_CLOCK, 0);
    }
}

static void due_run(struct tmx_node *n, enum tmx_due_kind kind, const uint8_t id[TMX_ID_SIZE])
{
    struct tmx_row_out out;
    tmx_arena_reset(&n->scratch);
    switch (kind) {
    case TMX_DUE_LEASE:
        node_lease_lapsed(n, id);
        break;
    case TMX_DUE_IN_EXPIRY:
        node_in_expire(n, id);
        break;
    case TMX_DUE_OUT_EXPIRY:
        if (node_out_read(n, id, &out) && out.state == TMX_OUT_WAITING) {
            node_out_cancel(n, id, &out, TMX_CODE_EXPIRED);
        }
        break;
    case TMX_DUE_IN_RETENTION:
        node_in_drop(n, id);
        break;
    case TMX_DUE_OUT_RETENTION:
        node_out_drop(n, id);
        break;
    }
}

/* Takes the first row of a kind out of the table; false: there is none, or it is due later than `until_ms`. */
static bool due_take(struct tmx_node *n, enum tmx_due_kind kind, uint64_t from_ms, uint64_t until_ms,
                     uint8_t ret_id[TMX_ID_SIZE], uint64_t *ret_due_ms)
{
    static const uint8_t first[TMX_ID_SIZE];
    struct node_key k = node_key_due(from_ms, kind, first);
    struct tmx_bytes key, value;
    *ret_due_ms = UINT64_MAX;
    if (!node_seek(n, TMX_NT_DUE, node_kb(&k), 1, &key, &value)) {
        return false;
    }
    assert(key.size == 1 + 8 + TMX_ID_SIZE);
    memcpy(k.data, key.data, key.size);
    k.size = key.size;
    *ret_due_ms = node_u64(tmx_bytes_slice(key, 1, 8));
    if (*ret_due_ms > until_ms) {
        return false;
    }
    memcpy(ret_id, k.data + 9, TMX_ID_SIZE);
    struct tmx_row_in row;
    (void)(kind == TMX_DUE_LEASE && node_in_read(n, ret_id, &row));   /* while this row still says that it is leased (NODE-16) */
    node_delete(n, TMX_NT_DUE, node_kb(&k));
    return true;
}

/* Leases given while the clock was ahead would hold their messages until that time comes: what ends later than a lease
 * can ends now. Looked for at start and when a jump of the clock was settled. */
static void leases_look(struct tmx_node *n)
{
    uint8_t id[TMX_ID_SIZE];
    uint64_t due;
    while (due_take(n, TMX_DUE_LEASE, n->wall_ms + TMX_LEASE_MAX_MS + 1, UINT64_MAX - 1, id, &due)) {
        node_lease_void(n, id);
    }
    n->leases_look = false;
}

void node_timers_run(struct tmx_node *n)
{
    uint8_t id[TMX_ID_SIZE];
    bool dated = n->session.state == NODE_UP && n->session.clock_known;
    if (n->leases_look && dated && !n->clock_doubt && !n->state.rebuild) {
        leases_look(n);
    }
    if (n->clock_doubt || n->state.rebuild || n->wall_ms < n->next_due_ms) {
        return;
    }
    unsigned done = 0;
    n->next_due_ms = UINT64_MAX;
    for (unsigned kind = TMX_DUE_LEASE; kind <= TMX_DUE_KIND_MAX; kind++) {
        uint64_t due = UINT64_MAX;
        while (done < DUE_BUDGET && due_take(n, (enum tmx_due_kind)kind, 0, n->wall_ms, id, &due)) {
            due_run(n, (enum tmx_due_kind)kind, id);
            done++;
        }
        n->next_due_ms = due < n->next_due_ms ? due : n->next_due_ms;
    }
    n->more = n->more || done == DUE_BUDGET;
}

static uint64_t mono_at(const struct tmx_node *n, uint64_t wall_ms)
{
    return wall_ms <= n->wall_ms ? n->now_ms : n->now_ms + (wall_ms - n->wall_ms);
}

uint64_t node_timers_deadline(const struct tmx_node *n)
{
    uint64_t at = UINT64_MAX;
    if (!n->clock_doubt && !n->state.rebuild && n->next_due_ms != UINT64_MAX) {
        at = mono_at(n, n->next_due_ms);
    }
    if (n->session.state == NODE_UP && !n->state.rebuild && !node_directory_behind(n)) {
        at = !n->busy && n->submits.due_ms < at ? n->submits.due_ms : at;
        at = !n->busy && n->reports.due_ms < at ? n->reports.due_ms : at;
        if (!n->state.prekeys_logged && n->session.publish_ms > n->now_ms && n->session.publish_ms < at) {
            at = n->session.publish_ms;
        }
        bool pulling = !sodium_is_zero(n->stage, sizeof(n->stage));
        at = pulling && n->stage_due_ms < at ? n->stage_due_ms : at;
        at = !n->busy && !n->state.carry && n->upgrade_wanted && n->upgrade_due_ms < at ? n->upgrade_due_ms : at;
        at = n->stage_retry_ms != 0 && n->stage_retry_ms < at ? n->stage_retry_ms : at;
    }
    return at;
}
