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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_hold, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_refused, world_setup, world_teardown),
    };
    return cmocka_run_group_tests_name("node-operator", tests, NULL, NULL);
}
