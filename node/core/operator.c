/* SPDX-License-Identifier: Apache-2.0
 * What an operator asks of the node (OPS-10): judged, done and kept in one transaction. A node has no log: the record is the request
 * itself, as it was signed.
 */
#include <string.h>

#include "core.h"

/* A record is kept by its time and nonce: so none is carried out twice. */
static struct node_key record_key(uint64_t time_ms, const uint8_t nonce[TMX_OPERATION_NONCE])
{
    struct node_key k;
    struct tmx_writer w = TMX_WRITER_OF(k.data);
    tmx_write_u64(&w, time_ms);
    tmx_write_bytes(&w, TMX_BYTES(nonce, TMX_OPERATION_NONCE));
    assert(!w.failed);
    k.size = w.used;
    return k;
}

/* A message for this node, in that state: held to be released, ready to be held. */
bool tmx_node_action_fits(struct tmx_node *n, const struct tmx_operation_delivery *t, enum tmx_action action)
{
    struct tmx_row_in row;
    if (action == TMX_ACTION_RETRY || action == TMX_ACTION_REPLAY) {
        return action == TMX_ACTION_RETRY ? node_retry_fits(n, t) : node_replay_fits(n, t);
    }
    return (action == TMX_ACTION_HOLD || action == TMX_ACTION_RELEASE) && tmx_bytes_eq(tmx_bytes_str(t->recipient), n->config.member) && node_in_read(n, t->id, &row) &&
           row.state == (action == TMX_ACTION_RELEASE ? TMX_IN_HELD : TMX_IN_READY);
}

/* Of no delivery. */
static enum tmx_operation_result judge_member(struct tmx_node *n, const struct tmx_operation *op)
{
    const struct tmx_bytes member = tmx_bytes_str(op->member);
    if (op->member[0] != '\0' && tmx_directory_member(n->directory, member) == NULL) {
        return TMX_OPERATION_E_MEMBER;
    }
    const bool changes = (op->action != TMX_ACTION_TRUST || n->state.distrust) &&
                         (op->action != TMX_ACTION_RETRY || node_retry_member(n, member, false) > 0);
    return changes ? TMX_OPERATION_OK : TMX_OPERATION_E_NOTHING;
}

static enum tmx_operation_result judge(struct tmx_node *n, const struct tmx_node_event *ev, struct tmx_operation *op)
{
    const struct tmx_operator *who;
    struct tmx_bytes value;
    enum tmx_operation_result r = tmx_operation_judge(ev->operators, ev->file, n->wall_ms, op, &who);
    if (r != TMX_OPERATION_OK) {
        return r;
    }
    struct node_key k = record_key(op->time_ms, op->nonce);
    n->operation.action = op->action;
    if (node_get(n, TMX_NT_OPERATION, node_kb(&k), &value)) {
        return TMX_OPERATION_E_REPEATED;
    }
    if (!tmx_action_at_node(op->action)) {
        return TMX_OPERATION_E_HERE;
    }
    if (op->n_targets == 0) {
        return judge_member(n, op);
    }
    for (size_t i = 0; i < op->n_targets; i++) {
        if (!tmx_node_action_fits(n, &op->targets[i], op->action)) {
            n->operation.target = op->targets[i];
            return TMX_OPERATION_E_DELIVERY;
        }
    }
    return TMX_OPERATION_OK;
}

static void change_delivery(struct tmx_node *n, enum tmx_action action, const struct tmx_operation_delivery *t)
{
    switch ((unsigned)action) {
    case TMX_ACTION_HOLD:
        node_hold(n, t->id);
        break;
    case TMX_ACTION_RELEASE:
        node_release(n, t->id);
        break;
    case TMX_ACTION_REPLAY:
        node_replay(n, t->id);
        break;
    default:
        node_retry(n, t);
        break;
    }
}

static void carry_out(struct tmx_node *n, const struct tmx_operation *op)
{
    if (op->action == TMX_ACTION_TRUST) {
        n->state.distrust = false;
        n->state_dirty = true;
        node_notice(n, "log.trusted", false, NULL, NULL, TMX_CODE_OK, n->state.head.size);
    } else if (op->action == TMX_ACTION_RETRY && op->n_targets == 0) {
        node_retry_member(n, tmx_bytes_str(op->member), true);
    }
    for (size_t i = 0; i < op->n_targets; i++) {
        change_delivery(n, op->action, &op->targets[i]);
    }
    n->operation.n = op->n_targets;
}

/* A probe that cannot be sent is an operation that was not done. */
static enum tmx_operation_result probe(struct tmx_node *n, const struct tmx_operation *op)
{
    if (op->action != TMX_ACTION_PING) {
        return TMX_OPERATION_OK;
    }
    memcpy(n->operation.member, op->member, sizeof(op->member));
    n->operation.probe_code = node_probe(n, tmx_bytes_str(op->member), n->operation.probe_id);
    return n->operation.probe_code == TMX_CODE_OK ? TMX_OPERATION_OK : TMX_OPERATION_E_PROBE;
}

void node_operation(struct tmx_node *n, const struct tmx_node_event *ev)
{
    struct tmx_operation op;
    n->operation.result = judge(n, ev, &op);
    if (n->operation.result == TMX_OPERATION_OK) {
        n->operation.result = probe(n, &op);
    }
    if (n->operation.result != TMX_OPERATION_OK) {
        node_notice(n, "operator.refused", true, NULL, NULL, TMX_CODE_FORBIDDEN, n->operation.result);
        return;
    }
    struct node_key k = record_key(op.time_ms, op.nonce);
    node_insert(n, TMX_NT_OPERATION, node_kb(&k), ev->file);
    carry_out(n, &op);
    node_notice(n, "operator.done", false, NULL, NULL, TMX_CODE_OK, op.action);
}
