/* SPDX-License-Identifier: Apache-2.0
 * What the node's core tells operators: how long what it sent took until it had verified each step.
 */
#include "fake_broker.h"

static void test_latencies(void **state)
{
    struct world *w = *state;
    uint8_t id[TMX_ID_SIZE];
    const struct tmx_node_latencies *l = tmx_node_latencies(w->node);
    submit_ok(w, "a", MRN, 0, id);
    struct tmx_bytes item = w->submits[0].item;
    tick(w, 100);
    uint64_t index = accept_submit(w, 0);
    assert_int_equal(l->accepted.sum_ms, 100);
    tick(w, 300);
    struct tmx_bytes coa = report_make(w, &w->ch, item, index, TMX__OUTCOME__OUTCOME_COA, 0, NULL);
    uint64_t leaf_index = leaf_body(w, TMX__ENTRY_KIND__ENTRY_REPORT, coa, "CH", 0, 0, index);
    feed_one(w, leaf_index);
    feed_one(w, leaf_index);   /* again: it took as long as it took */
    assert_int_equal(l->arrived.count, 1);
    assert_int_equal(l->arrived.sum_ms, 400);
    tick(w, 600);
    struct tmx_bytes end = report_make(w, &w->ch, item, index, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0, NULL);
    feed_one(w, leaf_body(w, TMX__ENTRY_KIND__ENTRY_REPORT, end, "CH", 0, 0, index));
    assert_int_equal(l->delivered.count, 1);
    assert_int_equal(l->delivered.sum_ms, 1000);
    assert_int_equal(l->accepted.count, 1);
    struct tmx_node_state_view v = state_of(w);
    assert_int_equal(v.accepted, 1);
    assert_int_equal(v.arrived, 1);
    assert_int_equal(v.delivered, 1);
    assert_int_equal(v.ended, 0);
}

static void test_ended(void **state)
{
    struct world *w = *state;
    uint64_t index = deliver_message(w, compose(w, false, 0));
    (void)log_report(w, index);
    const Tmx__Leased *leased = lease(w, 0, 0);
    assert_non_null(leased);
    assert_int_equal(state_of(w).ended, 0);
    assert_int_equal(ack(w, leased), TMX_CODE_OK);
    assert_int_equal(state_of(w).ended, 1);
    assert_int_equal(state_of(w).received, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_latencies, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_ended, world_setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
