/* SPDX-License-Identifier: Apache-2.0
 * What operators ask of a node. OPS-10
 */
#include "fake_broker.h"

/* A message from CH that waits to be leased. */
static void offer(struct world *w, uint8_t ret_id[TMX_ID_SIZE])
{
    struct fake_message *m = compose(w, false, 0);
    log_report(w, deliver_message(w, m));
    memcpy(ret_id, m->id, TMX_ID_SIZE);
}

static uint64_t records(struct world *w)
{
    struct tmx_spool_stat stat;
    assert_int_equal(tmx_spool_stat(w->spool, &stat), 0);
    return stat.rows[TMX_NT_OPERATION];
}

/* What is held is offered to nobody, also after a restart, until it is released. */
static void test_hold(void **state)
{
    struct world *w = *state;
    uint8_t id[TMX_ID_SIZE];
    offer(w, id);
    assert_int_equal(operate(w, 0, TMX_ACTION_RELEASE, id), TMX_OPERATION_E_DELIVERY);
    assert_int_equal(operate(w, 0, TMX_ACTION_HOLD, id), TMX_OPERATION_OK);
    assert_int_equal(w->out.operation.n, 1);
    assert_int_equal(state_of(w).held, 1);
    assert_null(lease(w, 5000, 0));
    node_restart(w);
    assert_null(lease(w, 5000, 0));
    assert_int_equal(operate(w, 0, TMX_ACTION_HOLD, id), TMX_OPERATION_E_DELIVERY);
    assert_int_equal(operate(w, 0, TMX_ACTION_RELEASE, id), TMX_OPERATION_OK);
    assert_int_equal(state_of(w).held, 0);
    assert_non_null(lease(w, 5000, 0));
    assert_int_equal(operate(w, 0, TMX_ACTION_HOLD, id), TMX_OPERATION_E_DELIVERY);   /* leased: an application has it */
    assert_int_equal(records(w), 2);
}

/* Not by whom it is not for, not twice, not what only a broker does. */
static void test_refused(void **state)
{
    struct world *w = *state;
    uint8_t id[TMX_ID_SIZE], kept[TMX_OPERATION_MAX];
    offer(w, id);
    assert_int_equal(operate(w, 2, TMX_ACTION_HOLD, id), TMX_OPERATION_E_RIGHT);
    assert_int_equal(operate(w, 0, TMX_ACTION_DRAIN, NULL), TMX_OPERATION_E_HERE);
    assert_int_equal(operate(w, 0, TMX_ACTION_TRUST, NULL), TMX_OPERATION_E_NOTHING);
    struct tmx_operation op = operating_ask(&w->operating, TMX_ACTION_HOLD, w->wall_ms);
    operating_target(&op, id, "IT");
    assert_int_equal(operate_note(w, operating_sign(&w->operating, 0, &op, kept)), TMX_OPERATION_E_DELIVERY);
    op.targets[0] = (struct tmx_operation_delivery){ .recipient = "DE" };
    assert_int_equal(operate_note(w, operating_sign(&w->operating, 0, &op, kept)), TMX_OPERATION_E_DELIVERY);
    assert_int_equal(records(w), 0);
    assert_true(noticed(w, "operator.refused"));
    memcpy(op.targets[0].id, id, TMX_ID_SIZE);
    struct tmx_bytes note = operating_sign(&w->operating, 0, &op, kept);
    assert_int_equal(operate_note(w, note), TMX_OPERATION_OK);
    assert_int_equal(operate(w, 1, TMX_ACTION_RELEASE, id), TMX_OPERATION_OK);
    assert_int_equal(operate_note(w, note), TMX_OPERATION_E_REPEATED);
    node_restart(w);
    assert_int_equal(operate_note(w, note), TMX_OPERATION_E_REPEATED);
    tick(w, TMX_OPERATION_FRESH_MS + 1);
    assert_int_equal(operate_note(w, note), TMX_OPERATION_E_TIME);
    assert_int_equal(state_of(w).held, 0);
}

/* A request about another than this node: a delivery to `member`, or, without an id, the member. */
static enum tmx_operation_result operate_for(struct world *w, enum tmx_action action, const char *member, const uint8_t *id)
{
    uint8_t note[TMX_OPERATION_MAX];
    struct tmx_operation op = operating_ask(&w->operating, action, w->wall_ms);
    if (id != NULL) {
        operating_target(&op, id, member);
    } else {
        memcpy(op.member, member, strlen(member) + 1);
    }
    return operate_note(w, operating_sign(&w->operating, 0, &op, note));
}

static void ready(struct world *w)
{
    uint64_t nonce = w->operating.nonce;
    operating_init(&w->operating);
    w->operating.nonce = nonce;
}

/* OPS-12: what the broker has not answered is sent again now, by its recipient or by its id; never what is accepted. */
static void test_retry_sent(void **state)
{
    struct world *w = *state;
    uint8_t id[TMX_ID_SIZE];
    ready(w);
    assert_int_equal(operate_for(w, TMX_ACTION_RETRY, "CH", NULL), TMX_OPERATION_E_NOTHING);
    submit_ok(w, "a", "", 0, id);
    assert_int_equal(w->n_submits, 1);
    tick(w, SECOND);
    assert_int_equal(w->n_submits, 1);
    assert_int_equal(operate_for(w, TMX_ACTION_RETRY, "CH", id), TMX_OPERATION_OK);
    assert_int_equal(w->n_submits, 2);
    assert_true(tmx_bytes_eq(w->submits[0].item, w->submits[1].item));   /* byte for byte */
    assert_int_equal(operate_for(w, TMX_ACTION_RETRY, "CH", NULL), TMX_OPERATION_OK);
    assert_int_equal(w->n_submits, 3);
    assert_int_equal(operate_for(w, TMX_ACTION_RETRY, "IT", id), TMX_OPERATION_E_DELIVERY);
    assert_int_equal(operate_for(w, TMX_ACTION_RETRY, "IT", NULL), TMX_OPERATION_E_NOTHING);
    assert_int_equal(operate_for(w, TMX_ACTION_RETRY, "XX", NULL), TMX_OPERATION_E_MEMBER);
    accept_submit(w, 0);
    assert_int_equal(operate_for(w, TMX_ACTION_RETRY, "CH", id), TMX_OPERATION_E_DELIVERY);
    assert_int_equal(operate_for(w, TMX_ACTION_RETRY, "CH", NULL), TMX_OPERATION_E_NOTHING);
    assert_int_equal(w->n_submits, 3);
}

/* OPS-12: by this node's own code, its reports. */
static void test_retry_reports(void **state)
{
    struct world *w = *state;
    ready(w);
    assert_int_equal(operate_for(w, TMX_ACTION_RETRY, "DE", NULL), TMX_OPERATION_E_NOTHING);
    struct fake_message *m = compose(w, false, 0);
    uint64_t index = deliver_message(w, m);
    assert_int_equal(w->n_reports, 1);
    assert_int_equal(operate_for(w, TMX_ACTION_RETRY, "DE", NULL), TMX_OPERATION_OK);
    assert_int_equal(operate_for(w, TMX_ACTION_RETRY, "DE", m->id), TMX_OPERATION_OK);
    assert_int_equal(w->n_reports, 3);
    assert_true(tmx_bytes_eq(w->reports[0].item, w->reports[2].item));
    log_report(w, index);
    assert_int_equal(operate_for(w, TMX_ACTION_RETRY, "DE", m->id), TMX_OPERATION_E_DELIVERY);
}

/* OPS-12: without a link a session is opened now, not when the back-off is over. */
static void test_retry_link(void **state)
{
    struct world *w = *state;
    ready(w);
    bye(w, TMX_CODE_BAD_SESSION);
    enum tmx_operation_result r = TMX_OPERATION_E_NOTHING;
    size_t hellos = 0;
    for (unsigned i = 0; i < 600 && r == TMX_OPERATION_E_NOTHING; i++) {   /* nobody welcomes it, until it waits for its next try */
        tick(w, SECOND / 10);
        hellos = w->n_hellos;
        r = operate_for(w, TMX_ACTION_RETRY, "CH", NULL);
    }
    assert_int_equal(r, TMX_OPERATION_OK);
    assert_int_equal(w->n_hellos, hellos + 1);
}

/* OPS-13: what an application has taken is offered again, redelivered; its lease is void, and it is no lapse. */
static void test_replay(void **state)
{
    struct world *w = *state;
    uint8_t id[TMX_ID_SIZE];
    ready(w);
    offer(w, id);
    assert_int_equal(operate(w, 0, TMX_ACTION_REPLAY, id), TMX_OPERATION_E_DELIVERY);   /* it is on offer */
    const Tmx__Leased *first = lease(w, 60000, 0);
    assert_non_null(first);
    assert_false(first->redelivered);
    assert_null(lease(w, 60000, 0));
    for (unsigned i = 0; i < TMX_LEASES_LAPSED_MAX + 1; i++) {
        assert_int_equal(operate(w, 0, TMX_ACTION_REPLAY, id), TMX_OPERATION_OK);
        assert_true(noticed(w, "message.replayed"));
        assert_int_equal(ack(w, first), TMX_CODE_NOT_LEASED);
        const Tmx__Leased *again = lease(w, 60000, 0);
        assert_non_null(again);
        assert_true(again->redelivered);
        first = again;
    }
    assert_int_equal(ack(w, first), TMX_CODE_OK);
    assert_int_equal(operate(w, 0, TMX_ACTION_REPLAY, id), TMX_OPERATION_E_DELIVERY);   /* never after an outcome */
    assert_null(lease(w, 60000, 0));
}

/* OPS-13: beyond its time a leased message expires when the lease ends (NODE-8), and by nothing else. */
static void test_replay_late(void **state)
{
    struct world *w = *state;
    struct fake_message *m = compose(w, false, 0);
    ready(w);
    m->header.expires_ms = w->wall_ms + 120 * SECOND;
    log_report(w, deliver_message(w, m));
    const Tmx__Leased *l = lease(w, TMX_LEASE_MAX_MS, 0);
    assert_non_null(l);
    tick(w, 60 * SECOND);
    assert_int_equal(operate(w, 0, TMX_ACTION_REPLAY, m->id), TMX_OPERATION_OK);
    l = lease(w, TMX_LEASE_MAX_MS, 0);
    assert_non_null(l);
    tick(w, 61 * SECOND);
    assert_int_equal(operate(w, 0, TMX_ACTION_REPLAY, m->id), TMX_OPERATION_E_DELIVERY);
    assert_int_equal(ack(w, l), TMX_CODE_OK);
}

/* OPS-14: a probe as an operator's action: recorded when it is sent, and only then. */
static void test_ping(void **state)
{
    struct world *w = *state;
    ready(w);
    assert_int_equal(operate_for(w, TMX_ACTION_PING, "DE", NULL), TMX_OPERATION_E_PROBE);
    assert_int_equal(w->out.operation.probe_code, TMX_CODE_SELF);
    assert_int_equal(operate_for(w, TMX_ACTION_PING, "XX", NULL), TMX_OPERATION_E_MEMBER);
    assert_int_equal(records(w), 0);
    assert_int_equal(w->n_submits, 0);
    assert_int_equal(operate_for(w, TMX_ACTION_PING, "CH", NULL), TMX_OPERATION_OK);
    assert_int_equal(records(w), 1);
    assert_int_equal(w->n_submits, 1);
    assert_string_equal(w->out.operation.member, "CH");
    assert_memory_equal(header_of(w, w->submits[0].item)->message_id.data, w->out.operation.probe_id, TMX_ID_SIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_hold, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_refused, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_retry_sent, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_retry_reports, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_retry_link, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_replay, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_replay_late, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_ping, world_setup, world_teardown),
    };
    return cmocka_run_group_tests_name("node-operator", tests, NULL, NULL);
}
