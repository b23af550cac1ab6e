/* SPDX-License-Identifier: Apache-2.0
 * What an operator asks (OPS-n): judged, done and logged in one transaction, all of it or nothing. The leaves say what was
 * done to what; who asked, and why, is in the request, whose digest they bind and which is kept here (OPERATION). It holds 32
 * bytes that nobody can guess, so that the log tells nothing of it to whom it was not shown.
 */
#include <string.h>

#include "core.h"

/* OPS-4: once, for ever: a clock that was ahead for a while must not make an old request good again. */
static bool asked_before(struct tmx_broker *b, const struct tmx_operation *op)
{
    struct tmx_bytes value;
    return row_get(b, TMX_T_NONCE, TMX_BYTES_OF(op->nonce), &value);
}

/* It was accepted in an earlier shard, and its recipient may have it (QUE-7). */
static bool resubmitted(struct tmx_broker *b, const struct tmx_row_delivery *d)
{
    struct key k = key_u64(d->index);
    struct tmx_bytes value;
    Tmx__LogEntry *entry;
    if (!b->successor || !row_get(b, TMX_T_LOG, key_bytes(&k), &value)) {
        return false;
    }
    tmx_arena_reset(&b->scratch);
    return tmx_entry_parse(value, &b->scratch, &entry) == TMX_CODE_OK && entry->kind == TMX__ENTRY_KIND__ENTRY_RESUBMISSION;
}

/* The state in which a delivery must be, or, for `retry`, in flight. */
bool tmx_broker_action_fits(struct tmx_broker *b, const struct tmx_operation_delivery *t, enum tmx_action action)
{
    uint8_t member[TMX_MEMBER_KEY];
    struct tmx_row_delivery d;
    tmx_member_key(tmx_bytes_str(t->recipient), member);
    if (!delivery_read(b, t->id, member, &d)) {
        return false;
    }
    struct peer *p = peer_find(b, member);
    switch ((unsigned)action) {
    case TMX_ACTION_HOLD:
        return d.state == TMX_DELIVERY_QUEUED && !held(b, t->id, member);
    case TMX_ACTION_RELEASE:
        return held(b, t->id, member);
    case TMX_ACTION_RETRY:
        return p != NULL && flight_find(p, d.index) != NULL;
    case TMX_ACTION_LOSE:
        return d.state == TMX_DELIVERY_ARRIVED;
    case TMX_ACTION_EXPIRE:
        return d.state == TMX_DELIVERY_QUEUED && !resubmitted(b, &d);
    default:
        return false;
    }
}

static enum tmx_operation_result judge_targets(struct tmx_broker *b, const struct tmx_operation *op, enum tmx_action action)
{
    for (size_t i = 0; i < op->n_targets; i++) {
        if (!tmx_broker_action_fits(b, &op->targets[i], action)) {
            b->operation.target = op->targets[i];
            return TMX_OPERATION_E_DELIVERY;
        }
    }
    return TMX_OPERATION_OK;
}

/* What is named must be there, and something must change. */
static enum tmx_operation_result judge_member(struct tmx_broker *b, const struct tmx_operation *op)
{
    uint8_t member[TMX_MEMBER_KEY];
    tmx_member_key(tmx_bytes_str(op->member), member);
    const struct peer *p = peer_find(b, member);
    if (op->member[0] != '\0' && p == NULL) {
        return TMX_OPERATION_E_MEMBER;
    }
    bool changes = true;
    switch ((unsigned)op->action) {
    case TMX_ACTION_PAUSE:
    case TMX_ACTION_RESUME:
        changes = stopped(b, member) == (op->action == TMX_ACTION_RESUME);
        break;
    case TMX_ACTION_DRAIN:
    case TMX_ACTION_ADMIT:
        changes = stopped(b, NULL) == (op->action == TMX_ACTION_ADMIT);
        break;
    case TMX_ACTION_RETRY:
        changes = p == NULL || p->n_flights > 0;
        break;
    case TMX_ACTION_DISCONNECT:
        changes = p != NULL && p->up;
        break;
    default:
        break;
    }
    return changes ? TMX_OPERATION_OK : TMX_OPERATION_E_NOTHING;
}

/* OPS-3 … OPS-8 in this order; the first that does not hold ends it. */
static enum tmx_operation_result judge(struct tmx_broker *b, const struct tmx_broker_event *ev, struct tmx_operation *op,
                                       struct tmx_operation *proposed)
{
    const struct tmx_operator *who;
    enum tmx_operation_result r = tmx_operation_judge(ev->operators, ev->file, b->wall_ms, op, &who);
    if (r != TMX_OPERATION_OK) {
        return r;
    }
    b->operation.action = op->action;
    const bool about_proposal = tmx_action_target(op->action) == TMX_TARGET_PROPOSAL;
    if (asked_before(b, op)) {
        return TMX_OPERATION_E_REPEATED;
    }
    if (!tmx_action_at_broker(op->action)) {
        return TMX_OPERATION_E_HERE;
    }
    if (b->halted) {
        return TMX_OPERATION_E_HALTED;
    }
    if (tmx_action_by_two(op->action)) {
        return TMX_OPERATION_E_ALONE;
    }
    if (about_proposal || op->action == TMX_ACTION_PROPOSE) {
        r = proposal_judge(b, ev, who, op, proposed);
        if (r != TMX_OPERATION_OK || op->action == TMX_ACTION_WITHDRAW) {
            return r;
        }
        return about_proposal ? judge_targets(b, proposed, proposed->of) : judge_targets(b, op, op->of);
    }
    r = judge_member(b, op);
    return r != TMX_OPERATION_OK ? r : judge_targets(b, op, op->action);
}

uint64_t operation_leaf(struct tmx_broker *b, Tmx__LogEntry *entry, enum tmx_action action, const uint8_t digest[TMX_HASH_SIZE])
{
    entry->kind = TMX__ENTRY_KIND__ENTRY_OPERATOR;
    entry->code = action;
    entry->digest = tmx_to_pb(TMX_BYTES(digest, TMX_HASH_SIZE));
    tmx_arena_reset(&b->scratch);
    return ledger_append(b, entry);
}

/* A leaf about one delivery. */
static uint64_t delivery_leaf(struct tmx_broker *b, enum tmx_action action, const struct tmx_operation_delivery *t,
                              const struct tmx_row_delivery *d, const uint8_t digest[TMX_HASH_SIZE])
{
    Tmx__LogRef ref = TMX__LOG_REF__INIT;
    Tmx__LogEntry entry = TMX__LOG_ENTRY__INIT;
    ref.shard = tmx_to_pb(tmx_bytes_str(b->shard));
    ref.index = d->index;
    entry.member = tmx_to_pb(tmx_member_code(d->sender));
    entry.message_id = tmx_to_pb(TMX_BYTES_OF(t->id));
    entry.recipient = tmx_to_pb(tmx_bytes_str(t->recipient));
    entry.reference = &ref;
    entry.number = d->seq;
    return operation_leaf(b, &entry, action, digest);
}

static void retry_now(struct tmx_broker *b, struct peer *p, struct flight *f)
{
    f->retry_ms = b->now_ms;
    p->next_retry_ms = b->now_ms;
}

static void change_delivery(struct tmx_broker *b, enum tmx_action action, const struct tmx_operation_delivery *t,
                            const uint8_t digest[TMX_HASH_SIZE])
{
    uint8_t member[TMX_MEMBER_KEY];
    struct tmx_row_delivery d;
    tmx_member_key(tmx_bytes_str(t->recipient), member);
    if (!delivery_read(b, t->id, member, &d)) {
        return;   /* a fault of the spool: it was there */
    }
    const uint64_t index = delivery_leaf(b, action, t, &d, digest);
    struct peer *p = peer_find(b, member);
    if (action == TMX_ACTION_HOLD) {
        held_set(b, t->id, member, index);
        queue_hold(b, t->id, member, &d);
        notice(b, "delivery.held", false, member, t->id, TMX_CODE_OK, index);
    } else if (action == TMX_ACTION_RELEASE) {
        held_clear(b, t->id, member);
        queue_release(b, t->id, member, &d);
        notice(b, "delivery.released", false, member, t->id, TMX_CODE_OK, index);
    } else if (p != NULL && flight_find(p, d.index) != NULL) {
        retry_now(b, p, flight_find(p, d.index));
    }
}

/* What concerns a member, or the broker as a whole. */
static void change_member(struct tmx_broker *b, const struct tmx_operation *op, uint64_t index)
{
    uint8_t member[TMX_MEMBER_KEY];
    tmx_member_key(tmx_bytes_str(op->member), member);
    struct peer *p = op->member[0] != '\0' ? peer_find(b, member) : NULL;
    bool changed = true;
    switch ((unsigned)op->action) {
    case TMX_ACTION_PAUSE:
    case TMX_ACTION_DRAIN:
        changed = stop_set(b, op->member[0] != '\0' ? member : NULL, index);
        break;
    case TMX_ACTION_RESUME:
    case TMX_ACTION_ADMIT:
        changed = stop_clear(b, op->member[0] != '\0' ? member : NULL);
        break;
    case TMX_ACTION_RETRY:
        for (size_t i = 0; p != NULL && p->flights != NULL && i < TMX_FLIGHT_SLOTS; i++) {
            if (p->flights[i].used) {
                retry_now(b, p, &p->flights[i]);
            }
        }
        break;
    case TMX_ACTION_DISCONNECT:
        send_bye(b, p, TMX_BYTES(p->route, p->route_size), TMX_CODE_BAD_SESSION, p->session);
        link_down(b, p, "link.disconnected");
        break;
    default:
        break;
    }
    assert(changed);
}

/* What two operators have decided. */
static void end_deliveries(struct tmx_broker *b, const struct tmx_operation *op)
{
    const unsigned code = op->of == TMX_ACTION_LOSE ? TMX_CODE_RECIPIENT_LOST : TMX_CODE_ENDED_BY_OPERATORS;
    for (size_t i = 0; i < op->n_targets; i++) {
        uint8_t member[TMX_MEMBER_KEY];
        tmx_member_key(tmx_bytes_str(op->targets[i].recipient), member);
        queue_end(b, op->targets[i].id, member, TMX_DELIVERY_EXCEPTION, code);
    }
}

/* One leaf for the operation; where it changes deliveries but ends none, one for each of them. */
static uint64_t carry_out(struct tmx_broker *b, const struct tmx_operation *op, const struct tmx_operation *proposed,
                          const uint8_t digest[TMX_HASH_SIZE])
{
    const uint64_t first = tmx_tree_size(b->tree);
    const bool about_proposal = tmx_action_target(op->action) == TMX_TARGET_PROPOSAL;
    if (op->n_targets > 0 && op->action != TMX_ACTION_PROPOSE) {
        for (size_t i = 0; i < op->n_targets; i++) {
            change_delivery(b, op->action, &op->targets[i], digest);
        }
        b->operation.n = op->n_targets;
        return first;
    }
    Tmx__LogRef ref = TMX__LOG_REF__INIT;
    Tmx__LogEntry entry = TMX__LOG_ENTRY__INIT;
    ref.shard = tmx_to_pb(tmx_bytes_str(b->shard));
    ref.index = op->proposal;
    entry.recipient = tmx_to_pb(tmx_bytes_str(op->member));
    entry.reference = about_proposal ? &ref : NULL;
    entry.number = about_proposal ? proposed->of : op->of;
    operation_leaf(b, &entry, op->action, digest);
    if (op->action == TMX_ACTION_PROPOSE) {
        proposal_open(b, op, first, digest);
    } else if (about_proposal) {
        proposal_close(b, op->proposal);
        if (op->action == TMX_ACTION_APPROVE) {
            end_deliveries(b, proposed);
            b->operation.n = proposed->n_targets;
        }
    } else {
        change_member(b, op, first);
    }
    return first;
}

void operation_run(struct tmx_broker *b, const struct tmx_broker_event *ev)
{
    struct tmx_operation op, proposed = { .action = TMX_ACTION_NONE };
    uint8_t digest[TMX_HASH_SIZE], member[TMX_MEMBER_KEY];
    b->operation.result = judge(b, ev, &op, &proposed);
    if (b->operation.result != TMX_OPERATION_OK || b->fault != 0) {
        notice(b, "operator.refused", true, NULL, NULL, TMX_CODE_FORBIDDEN, b->operation.result);
        return;
    }
    tmx_digest(ev->file, digest);
    b->operation.index = carry_out(b, &op, &proposed, digest);
    struct key k = key_u64(b->operation.index);
    row_insert(b, TMX_T_OPERATION, key_bytes(&k), ev->file);
    row_insert(b, TMX_T_NONCE, TMX_BYTES_OF(op.nonce), key_bytes(&k));
    tmx_member_key(tmx_bytes_str(op.member), member);
    notice(b, "operator.done", false, member, NULL, TMX_CODE_OK, b->operation.index);
}

bool operation_read(struct tmx_broker *b, uint64_t index, struct tmx_operation *ret_operation, uint8_t ret_digest[TMX_HASH_SIZE],
                    uint8_t *note, size_t *ret_note_size)
{
    struct key k = key_u64(index);
    struct tmx_bytes value, text, lines;
    if (!row_get(b, TMX_T_OPERATION, key_bytes(&k), &value) || value.size > TMX_OPERATION_MAX) {
        return false;
    }
    memcpy(note, value.data, value.size);
    *ret_note_size = value.size;
    tmx_digest(TMX_BYTES(note, value.size), ret_digest);
    return tmx_note_split(TMX_BYTES(note, *ret_note_size), &text, &lines) && tmx_operation_parse(text, ret_operation);
}
