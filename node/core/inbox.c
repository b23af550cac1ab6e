/* SPDX-License-Identifier: Apache-2.0
 * The queue of what has arrived (NODE-5, NODE-6): offered to applications in the order of its movement, until it ends.
 */
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "core.h"

/* The identifier makes it unique: after the loss of a log two messages may have the same index, each in its own shard. */
struct node_key node_in_ready_key(const struct tmx_row_in *row, const uint8_t id[TMX_ID_SIZE])
{
    struct node_key k;
    struct tmx_writer w = TMX_WRITER_OF(k.data);
    tmx_write_bytes(&w, TMX_BYTES_OF(row->type));
    tmx_write_u8(&w, (uint8_t)(TMX_PRIORITY_MAX - row->priority));
    tmx_write_u64(&w, row->index);
    tmx_write_bytes(&w, TMX_BYTES(id, TMX_ID_SIZE));
    k.size = w.used;
    return k;
}

static struct node_key wait_key(const struct tmx_row_in *row, const uint8_t id[TMX_ID_SIZE])
{
    struct node_key k;
    struct tmx_writer w = TMX_WRITER_OF(k.data);
    tmx_write_bytes(&w, TMX_BYTES_OF(row->sender));
    tmx_write_u64(&w, row->waits_for);
    tmx_write_bytes(&w, node_id(id));
    k.size = w.used;
    return k;
}

static struct node_key lane_key(const struct tmx_row_in *row, uint64_t seq)
{
    struct node_key k;
    struct tmx_writer w = TMX_WRITER_OF(k.data);
    tmx_write_bytes(&w, TMX_BYTES_OF(row->sender));
    tmx_write_bytes(&w, TMX_BYTES_OF(row->label));
    tmx_write_u64(&w, seq);
    k.size = w.used;
    return k;
}

static bool has_label(const struct tmx_row_in *row)
{
    return !sodium_is_zero(row->label, sizeof(row->label));
}

static void seq_write(struct tmx_node *n, const uint8_t sender[TMX_MEMBER_MAX], uint64_t seq, enum tmx_seq_state state)
{
    struct node_key k = node_key_member_u64(sender, seq);
    uint8_t value = (uint8_t)state;
    node_put(n, TMX_NT_IN_SEQ, node_kb(&k), TMX_BYTES(&value, 1));
}

static bool seq_is_resolved(struct tmx_node *n, const uint8_t sender[TMX_MEMBER_MAX], uint64_t seq)
{
    struct node_key k = node_key_member_u64(sender, seq);
    struct tmx_bytes value;
    return node_get(n, TMX_NT_IN_SEQ, node_kb(&k), &value) && value.size == 1 && value.data[0] == TMX_SEQ_RESOLVED;
}

static bool seq_is_known(struct tmx_node *n, const uint8_t sender[TMX_MEMBER_MAX], uint64_t seq)
{
    struct node_key k = node_key_member_u64(sender, seq);
    struct tmx_bytes value;
    return node_get(n, TMX_NT_IN_SEQ, node_kb(&k), &value);
}

void node_in_offer(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], struct tmx_row_in *row)
{
    row->state = TMX_IN_READY;
    node_in_write(n, id, row);
    struct node_key k = node_in_ready_key(row, id);
    node_put(n, TMX_NT_IN_READY, node_kb(&k), node_id(id));
    n->offers_changed = true;
}

/* What must have its outcome before this message is handed over: the number before it in its movement, and whatever of
 * the movement arrived earlier and is open, for the number before may have ended at the broker with others behind it.
 * 0 = nothing. */
static uint64_t blocker(struct tmx_node *n, const struct tmx_row_in *row)
{
    /* After the loss of a log what became of a number in it can no longer be proved; what is left of the movement comes in
     * order all the same, for a lane of the broker opens only behind a CoA or an outcome. */
    bool provable = n->state.resubmit == 0 || seq_is_known(n, row->sender, row->prev);
    if (row->prev != 0 && provable && !seq_is_resolved(n, row->sender, row->prev)) {
        return row->prev;
    }
    struct node_key from = lane_key(row, 0);
    struct tmx_bytes key, value;
    if (!has_label(row) || !node_seek(n, TMX_NT_IN_LANE, node_kb(&from), from.size - 8, &key, &value)) {
        return 0;
    }
    uint64_t first = node_u64(tmx_bytes_slice(key, key.size - 8, 8));
    return first < row->seq ? first : 0;
}

static void offer_or_block(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], struct tmx_row_in *row)
{
    row->waits_for = blocker(n, row);
    if (row->waits_for == 0) {
        node_in_offer(n, id, row);
        return;
    }
    row->state = TMX_IN_BLOCKED;
    node_in_write(n, id, row);
    struct node_key k = wait_key(row, id);
    node_put(n, TMX_NT_IN_WAIT, node_kb(&k), TMX_BYTES_NULL);
}

void node_in_arrived(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], struct tmx_row_in *row)
{
    if (row->state != TMX_IN_ARRIVED) {
        node_in_write(n, id, row);
        return;
    }
    if (seq_is_resolved(n, row->sender, row->seq)) {
        /* A log that is lost had ended it here, and what came behind it may have been handed over since: so it stays. */
        node_in_expired(n, id, row);
        return;
    }
    if (node_probe_is(row)) {
        node_probe_answer(n, id, row);
        return;
    }
    offer_or_block(n, id, row);
    if (row->expires_ms <= n->wall_ms) {   /* its time came while the CoA was on its way */
        node_due_add(n, row->expires_ms, TMX_DUE_IN_EXPIRY, id);
    }
}

void node_seq_resolved(struct tmx_node *n, const uint8_t sender[TMX_MEMBER_MAX], uint64_t seq)
{
    if (!seq_is_resolved(n, sender, seq)) {
        seq_write(n, sender, seq, TMX_SEQ_RESOLVED);
        node_seq_wake(n, sender, seq);
    }
}

void node_seq_wake(struct tmx_node *n, const uint8_t sender[TMX_MEMBER_MAX], uint64_t seq)
{
    struct node_key prefix = node_key_member_u64(sender, seq);
    struct tmx_bytes key, value;
    while (node_seek(n, TMX_NT_IN_WAIT, node_kb(&prefix), prefix.size, &key, &value)) {
        assert(key.size == prefix.size + TMX_ID_SIZE);
        struct node_key k = { .size = key.size };
        memcpy(k.data, key.data, key.size);
        const uint8_t *id = k.data + prefix.size;
        struct tmx_row_in row;
        bool waits = node_in_read(n, id, &row) && row.state == TMX_IN_BLOCKED;   /* while its place still says so (NODE-16) */
        node_delete(n, TMX_NT_IN_WAIT, node_kb(&k));
        if (waits) {
            offer_or_block(n, id, &row);
        }
    }
}

void node_in_unoffer(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], const struct tmx_row_in *row)
{
    struct node_key k;
    switch (row->state) {
    case TMX_IN_READY:
        k = node_in_ready_key(row, id);
        node_drop(n, TMX_NT_IN_READY, node_kb(&k));
        break;
    case TMX_IN_BLOCKED:
        k = wait_key(row, id);
        node_drop(n, TMX_NT_IN_WAIT, node_kb(&k));
        break;
    case TMX_IN_LEASED:
        node_due_drop(n, row->lease_until_ms, TMX_DUE_LEASE, id);
        n->state.leased -= n->state.leased > 0 ? 1 : 0;
        n->state_dirty = true;
        break;
    case TMX_IN_HELD:
        n->state.held -= n->state.held > 0 ? 1 : 0;
        n->state_dirty = true;
        break;
    case TMX_IN_LOST:
        node_stage_drop(n, id);
        break;
    default:
        break;
    }
}

void node_in_end(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], struct tmx_row_in *row, enum tmx_in_state state,
                 unsigned code)
{
    node_in_unoffer(n, id, row);
    node_due_drop(n, row->expires_ms, TMX_DUE_IN_EXPIRY, id);
    row->state = (uint8_t)state;
    row->code = code;
    node_in_write(n, id, row);
    n->counters.ended++;
    node_index_close(n, TMX_DIRECTION_RECEIVED, id, 1);
    if (has_label(row)) {
        struct node_key k = lane_key(row, row->seq);
        node_drop(n, TMX_NT_IN_LANE, node_kb(&k));
    }
    node_seq_resolved(n, row->sender, row->seq);
}

void node_in_drop(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE])
{
    struct tmx_row_in row;
    if (node_in_read(n, id, &row)) {
        struct node_key k = node_key_u8_id(TMX_DIRECTION_RECEIVED, id);
        node_container_drop(n, TMX_NT_IN_CONTAINER, id, row.container_bytes);
        node_drop(n, TMX_NT_ARCHIVE, node_kb(&k));
    }
}

void node_in_ended_by_broker(struct tmx_node *n, const Tmx__FeedItem *item, const Tmx__LogEntry *entry)
{
    const uint8_t *id = entry->message_id.data;
    bool expired = entry->kind == TMX__ENTRY_KIND__ENTRY_EXPIRED;
    struct tmx_row_in row;
    node_stage_drop(n, id);
    if (!node_in_read(n, id, &row)) {
        if (entry->number != 0) {   /* the pair's sequence number of a message that never came */
            uint8_t sender[TMX_MEMBER_MAX];
            node_member_key(tmx_pb(entry->member), sender);
            node_seq_resolved(n, sender, entry->number);
        }
        return;
    }
    if (row.state >= TMX_IN_DELIVERED) {
        return;
    }
    if (expired && row.coa_verified) {
        node_alarm(n, "log.expired-after-arrival", row.sender, id, TMX_CODE_EXPIRED, tmx_pb(item->entry));
        return;
    }
    node_in_end(n, id, &row, expired ? TMX_IN_EXPIRED : TMX_IN_EXCEPTION, expired ? TMX_CODE_EXPIRED : entry->code);
    struct node_step step = { .what = expired ? "expired" : "CoE",
                              .who = TMX_LIT("broker"),
                              .recipient = n->config.member,
                              .code = entry->code,
                              .time_ms = entry->time_ms,
                              .shard = n->state.head.shard,
                              .index = item->index,
                              .verified = true };
    node_step_add(n, TMX_DIRECTION_RECEIVED, id, &step);
    node_evidence_keep(n, id, TMX_EVIDENCE_OUTCOME, n->member, item);
    node_in_drop(n, id);
}

void node_in_enter(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], const struct tmx_row_in *row)
{
    if (!seq_is_resolved(n, row->sender, row->seq)) {
        seq_write(n, row->sender, row->seq, TMX_SEQ_ARRIVED);
    }
    if (has_label(row)) {
        struct node_key k = lane_key(row, row->seq);
        node_put(n, TMX_NT_IN_LANE, node_kb(&k), TMX_BYTES_NULL);
    }
    node_due_add(n, row->expires_ms, TMX_DUE_IN_EXPIRY, id);
    node_in_write(n, id, row);
}
