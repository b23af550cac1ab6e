/* SPDX-License-Identifier: Apache-2.0
 * Operators who do whatever comes to their minds, alone and by two, rightly and not; and after the chaos they put everything right
 * again, so that it can drain. OPS-5 … OPS-8, OPS-10
 */
#include <string.h>

#include <tmx/seal.h>

#include "sim.h"

static bool seek(struct sim *s, enum tmx_broker_table table, struct tmx_bytes from, struct tmx_bytes *ret_key, struct tmx_bytes *ret_value)
{
    return tmx_spool_seek(s->broker_process.spool.inner, (uint8_t)table, from, ret_key, ret_value) == 0;
}

static void ask(struct sim *s, struct process *p, unsigned who, const struct tmx_operation *op)
{
    uint8_t note[TMX_OPERATION_MAX];
    struct tmx_bytes file = operating_sign(&s->operating, who, op, note);
    struct sim_event *ev = event_new(&file, 1);
    ev->kind = SIM_OPERATION;
    process_queue(s, p, ev);
}

static struct tmx_operation new_request(struct sim *s, enum tmx_action action)
{
    return operating_ask(&s->operating, action, process_wall_ms(s, &s->broker_process));
}

/* Some delivery the broker has a row of; false: there is none. */
static bool any_delivery(struct sim *s, struct tmx_operation *op)
{
    uint8_t from[TMX_ID_SIZE];
    struct tmx_bytes key, value;
    for (size_t i = 0; i < sizeof(from); i++) {
        from[i] = (uint8_t)rng_below(&s->slow_rng, 256);
    }
    if (rng_chance(&s->slow_rng, 700) && s->checker != NULL) {
        check_any_id(s, rng_next(&s->slow_rng), from);
    }
    if (!seek(s, TMX_T_DELIVERY, TMX_BYTES_OF(from), &key, &value) || key.size != TMX_ID_SIZE + TMX_MEMBER_KEY) {
        return false;
    }
    char member[TMX_MEMBER_MAX + 1] = "";
    memcpy(member, key.data + TMX_ID_SIZE, TMX_MEMBER_KEY);
    operating_target(op, key.data, member);
    return true;
}

/* The first proposal that is open, as its approval names it; mostly right. */
static bool any_proposal(struct sim *s, struct tmx_operation *op)
{
    static const uint8_t lowest[1];
    struct tmx_bytes key, value;
    if (!seek(s, TMX_T_PROPOSAL, TMX_BYTES_OF(lowest), &key, &value)) {
        return false;
    }
    struct tmx_reader r = tmx_reader_init(key);
    op->proposal = tmx_read_u64(&r);
    memcpy(op->proposal_digest, value.data + 9, TMX_HASH_SIZE);
    op->proposal_digest[0] ^= rng_chance(&s->slow_rng, 50) ? 1 : 0;
    return true;
}

static void one_action(struct sim *s)
{
    static const enum tmx_action actions[] = { TMX_ACTION_PAUSE,   TMX_ACTION_RESUME,     TMX_ACTION_DRAIN,   TMX_ACTION_ADMIT,
                                               TMX_ACTION_HOLD,    TMX_ACTION_HOLD,       TMX_ACTION_RELEASE, TMX_ACTION_RETRY,
                                               TMX_ACTION_RETRY,   TMX_ACTION_DISCONNECT, TMX_ACTION_PROPOSE, TMX_ACTION_APPROVE,
                                               TMX_ACTION_APPROVE, TMX_ACTION_APPROVE,    TMX_ACTION_WITHDRAW, TMX_ACTION_EXPIRE };
    struct tmx_operation op = new_request(s, actions[rng_below(&s->slow_rng, TMX_N(actions))]);
    bool meant = true;
    switch (tmx_action_target(op.action)) {
    case TMX_TARGET_MEMBER:
    case TMX_TARGET_EITHER:
        memcpy(op.member, s->federation.members[rng_below(&s->slow_rng, s->n_nodes)].code, sizeof(op.member));
        break;
    case TMX_TARGET_ACTION:
        op.of = rng_chance(&s->slow_rng, 700) ? TMX_ACTION_EXPIRE : TMX_ACTION_LOSE;
        meant = any_delivery(s, &op);
        break;
    case TMX_TARGET_DELIVERIES:
        meant = any_delivery(s, &op);
        break;
    case TMX_TARGET_PROPOSAL:
        meant = any_proposal(s, &op);
        break;
    case TMX_TARGET_NONE:
        break;
    }
    if (meant) {
        op.time_ms -= rng_chance(&s->slow_rng, 20) ? 2 * TMX_OPERATION_FRESH_MS : 0;
        ask(s, &s->broker_process, (unsigned)rng_below(&s->slow_rng, OPERATING_N), &op);
    }
}

/* Of a node: what its application has is offered again, and what waits for the broker is tried now. OPS-12, OPS-13 */
static void one_node_action(struct sim *s)
{
    const unsigned i = (unsigned)rng_below(&s->slow_rng, s->n_nodes);
    const struct lease *l = &s->nodes[i].app.leases[rng_below(&s->slow_rng, SIM_LEASES_MAX)];
    const char *any = s->federation.members[rng_below(&s->slow_rng, s->n_nodes)].code;
    uint8_t id[TMX_ID_SIZE] = { 0 };
    struct process *p = &s->nodes[i].p;
    struct tmx_operation op = operating_ask(&s->operating, l->used ? TMX_ACTION_REPLAY : TMX_ACTION_RETRY, process_wall_ms(s, p));
    if (l->used) {
        operating_target(&op, l->id, s->federation.members[i].code);
    } else if (rng_chance(&s->slow_rng, 500) && s->checker != NULL) {
        check_any_id(s, rng_next(&s->slow_rng), id);
        operating_target(&op, id, any);
    } else {
        memcpy(op.member, any, sizeof(op.member));
    }
    if (p->up) {
        ask(s, p, 0, &op);
    }
}

/* Nothing stays stopped or held. */
static void put_right(struct sim *s)
{
    static const uint8_t lowest[1];
    struct tmx_bytes key, value;
    struct tmx_operation op;
    if (s->broker_process.n_pending > 0) {
        return;
    }
    if (seek(s, TMX_T_STOP, TMX_BYTES_OF(lowest), &key, &value)) {
        op = new_request(s, key.data[0] == 0 ? TMX_ACTION_ADMIT : TMX_ACTION_RESUME);
        memcpy(op.member, key.data, TMX_MEMBER_KEY);
        ask(s, &s->broker_process, 0, &op);
    } else if (seek(s, TMX_T_HELD, TMX_BYTES_OF(lowest), &key, &value)) {
        char member[TMX_MEMBER_MAX + 1] = "";
        op = new_request(s, TMX_ACTION_RELEASE);
        memcpy(member, key.data, TMX_MEMBER_KEY);
        operating_target(&op, key.data + TMX_MEMBER_KEY, member);
        ask(s, &s->broker_process, 0, &op);
    }
}

void operators_step(struct sim *s)
{
    bool with_operators = s->seed % 16 == 5 || s->seed % 16 == 6 || s->seed % 16 == 11 || s->seed % 16 == 12;
    bool with_node_operators = s->seed % 16 == 8 || s->seed % 16 == 12;
    if (with_node_operators && !s->healed && rng_chance(&s->slow_rng, 200)) {
        one_node_action(s);
    }
    if (!with_operators || !s->broker_process.up) {
        return;
    }
    if (s->healed) {
        put_right(s);
    } else if (rng_chance(&s->slow_rng, 60)) {
        one_action(s);
    }
}

/* An operator of a node looks after what it may hold. */
void operators_release(struct sim *s, unsigned i, const uint8_t id[TMX_ID_SIZE])
{
    struct tmx_operation op = operating_ask(&s->operating, TMX_ACTION_RELEASE, process_wall_ms(s, &s->nodes[i].p));
    operating_target(&op, id, s->federation.members[i].code);
    ask(s, &s->nodes[i].p, 0, &op);
}
