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

static struct tmx_broker_link_view link_of(struct world *w, struct fake_node *n)
{
    struct tmx_broker_link_view v;
    assert_int_equal(tmx_broker_link(w->broker, tmx_bytes_str(n->me->code), &v), 0);
    return v;
}

static bool ages_known(struct world *w, struct fake_node *n)
{
    struct tmx_ages_view v;
    return tmx_broker_ages(w->broker, tmx_bytes_str(n->me->code), &v);
}

static struct tmx_ages_view ages_of(struct world *w, struct fake_node *n)
{
    struct tmx_ages_view v;
    assert_true(tmx_broker_ages(w->broker, tmx_bytes_str(n->me->code), &v));
    return v;
}

static void submit_several(struct world *w, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        compose(w, DE, IT);
        submit(w, DE);
    }
}

static void gate_down(struct world *w, const char *member)
{
    struct tmx_broker_event down = event_of(w, TMX_BROKER_GATE_DOWN);
    down.member = tmx_bytes_str(member);
    turn(w, &down, 1);
}

/* By the acceptance, in this process and after a restart; what has arrived waits no more. */
static void test_ages(void **state)
{
    struct world *w = *state;
    submit_several(w, 3);
    tick(w, 6 * 60000);
    join(w, DE);
    submit_several(w, 2);
    tick(w, 1);
    for (unsigned i = 0; i < 2; i++) {
        struct tmx_ages_view v = ages_of(w, IT);
        assert_int_equal(v.buckets[0], 2);
        assert_int_equal(v.buckets[2], 3);
        assert_int_equal(v.late, 3);
        if (i == 0) {
            restart(w);
            tick(w, 1);
        }
    }
    join(w, IT);
    report(w, IT, &IT->received[0], TMX__OUTCOME__OUTCOME_COA, 0);
    struct tmx_ages_view v = ages_of(w, IT);
    assert_int_equal(v.buckets[2], 2);
    assert_int_equal(v.late, 2);
    assert_int_equal(ages_of(w, CH).late, 0);
}

/* What was queued when the process began is read in the background, while some of it leaves already: of those that were read, or
 * of the others. */
static void test_ages_are_read_in_slices(void **state)
{
    struct world *w = *state;
    gate_down(w, "CH");
    gate_down(w, "EC");
    for (unsigned i = 0; i < 200; i++) {
        fake_compose(DE, (struct fake_node *[]){ CH, EC, IT }, 3, "CD001C", w->wall_ms, 100, &message);
        submit(w, DE);
    }
    tick(w, 60000);
    size_t n = IT->n_received;
    assert_int_equal(n, 200);
    for (uint64_t left = 1; left <= 2; left++) {
        restart(w);
        assert_false(ages_known(w, IT));
        assert_int_equal(tmx_broker_ages_percent(w->broker), 0);
        hello(w, IT);
        assert_false(ages_known(w, IT));   /* 512 rows of 600 are */
        assert_int_equal(tmx_broker_ages_percent(w->broker), 85);
        report(w, IT, &IT->received[left == 1 ? 0 : n - 1], TMX__OUTCOME__OUTCOME_COA, 0);
        assert_int_equal(ages_of(w, IT).buckets[1], 200 - left);
        assert_int_equal(ages_of(w, CH).buckets[1], 200);
        assert_int_equal(tmx_broker_ages_percent(w->broker), 100);
    }
    restart(w);   /* what comes meanwhile is not counted again when the reading comes to it */
    hello(w, DE);
    assert_false(ages_known(w, CH));
    compose(w, DE, CH);
    submit(w, DE);
    last_leaf(DE, TMX__ENTRY_KIND__ENTRY_ACCEPTANCE);
    assert_int_equal(ages_of(w, CH).buckets[0], 1);
    assert_int_equal(ages_of(w, CH).buckets[1], 200);
}

static void test_next_retry_and_prekeys(void **state)
{
    struct world *w = *state;
    submit_several(w, 1);
    assert_in_range(link_of(w, IT).next_retry_ms, TMX_RETRY_MIN_MS, TMX_RETRY_MIN_MS * 5 / 4);
    assert_int_equal(link_of(w, CH).next_retry_ms, 0);
    assert_true(tmx_broker_prekeys_until(w->broker, TMX_LIT("IT")) > w->wall_ms + 24 * HOUR_MS);
    gate_down(w, "IT");
    assert_int_equal(link_of(w, IT).next_retry_ms, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_latencies, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused_is_not_delivered, setup, teardown),
        cmocka_unit_test_setup_teardown(test_latencies_after_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(test_flow, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ages, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ages_are_read_in_slices, setup, teardown),
        cmocka_unit_test_setup_teardown(test_next_retry_and_prekeys, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
