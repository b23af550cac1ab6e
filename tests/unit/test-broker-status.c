/* SPDX-License-Identifier: Apache-2.0
 * What the broker's core tells operators: how long deliveries took, how many there are.
 */
#include "broker_world.h"

static void took(const struct tmx_histogram *h, uint64_t count, uint64_t sum_ms)
{
    assert_int_equal(h->count, count);
    assert_int_equal(h->sum_ms, sum_ms);
}

/* From leaf to leaf: what a report says of itself does not count, nor does one that comes twice. */
static void test_latencies(void **state)
{
    struct world *w = *state;
    const struct tmx_broker_latencies *l = tmx_broker_latencies(w->broker);
    compose(w, DE, IT);
    submit(w, DE);
    const struct fake_received *r = &IT->received[0];
    tick(w, 250);
    report(w, IT, r, TMX__OUTCOME__OUTCOME_COA, 0);
    took(&l->arrived, 1, 250);
    took(&l->delivered, 0, 0);
    tick(w, 1000);
    report(w, IT, r, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);
    report(w, IT, r, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);
    took(&l->arrived, 1, 250);
    took(&l->delivered, 1, 1250);
    struct tmx_broker_state_view v;
    tmx_broker_state(w->broker, &v);
    assert_int_equal(v.accepted, 1);
    assert_int_equal(v.accepted_bytes, message.container_size);
    assert_int_equal(v.arrived, 1);
    assert_int_equal(v.delivered, 1);
}

/* A refusal is an outcome, and no delivery. */
static void test_refused_is_not_delivered(void **state)
{
    struct world *w = *state;
    compose(w, DE, IT);
    submit(w, DE);
    const struct fake_received *r = &IT->received[0];
    report(w, IT, r, TMX__OUTCOME__OUTCOME_COA, 0);
    report(w, IT, r, TMX__OUTCOME__OUTCOME_COD_NEGATIVE, TMX_CODE_CONTENT_INVALID);
    took(&tmx_broker_latencies(w->broker)->arrived, 1, 0);
    took(&tmx_broker_latencies(w->broker)->delivered, 0, 0);
}

/* What was accepted before the start took as long as it did. */
static void test_latencies_after_restart(void **state)
{
    struct world *w = *state;
    compose(w, DE, IT);
    submit(w, DE);
    tick(w, 5000);
    restart(w);
    join(w, IT);
    report(w, IT, &IT->received[0], TMX__OUTCOME__OUTCOME_COA, 0);
    took(&tmx_broker_latencies(w->broker)->arrived, 1, 5000);
}

static void test_flow(void **state)
{
    struct world *w = *state;
    struct tmx_broker_flow_view v;
    compose(w, DE, IT);
    submit(w, DE);
    compose(w, DE, CH);
    submit(w, DE);
    tmx_broker_flow(w->broker, &v);
    assert_int_equal(v.queued, 2);
    assert_int_equal(v.in_flight, 2);
    report(w, IT, &IT->received[0], TMX__OUTCOME__OUTCOME_COA, 0);
    tmx_broker_flow(w->broker, &v);
    assert_int_equal(v.queued, 1);
    assert_int_equal(v.arrived, 1);
    assert_int_equal(v.in_flight, 1);
    assert_int_equal(tmx_broker_open(w->broker), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_latencies, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused_is_not_delivered, setup, teardown),
        cmocka_unit_test_setup_teardown(test_latencies_after_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(test_flow, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
