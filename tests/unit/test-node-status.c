/* SPDX-License-Identifier: Apache-2.0
 * What the node's core tells operators: how long what it sent took until it had verified each step.
 */
#include <stdio.h>

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

static struct tmx_ages_view ages_of(struct world *w, const char *member)
{
    struct tmx_ages_view v;
    assert_true(tmx_node_ages(w->node, tmx_bytes_str(member), &v));
    return v;
}

/* From the submission until the CoA is verified, in this process and after a restart. */
static void test_ages(void **state)
{
    struct world *w = *state;
    submit_ok(w, "a", MRN, 0, NULL);
    struct tmx_bytes item = w->submits[0].item;
    tick(w, 10 * 60000);
    submit_ok(w, "b", NULL, 0, NULL);
    tick(w, 1);
    for (unsigned i = 0; i < 2; i++) {
        struct tmx_ages_view v = ages_of(w, "CH");
        assert_int_equal(v.buckets[0], 1);
        assert_int_equal(v.buckets[2], 1);
        assert_int_equal(v.late, 1);
        assert_in_range(v.oldest_ms, 585000, 615000);
        assert_int_equal(ages_of(w, "IT").oldest_ms, 0);
        if (i == 0) {
            node_restart(w);
            tick(w, 1);
            link_up(w);
        }
    }
    uint64_t index = accept_submit(w, 0);
    assert_int_equal(ages_of(w, "CH").late, 1);   /* accepted is not arrived */
    struct tmx_bytes coa = report_make(w, &w->ch, item, index, TMX__OUTCOME__OUTCOME_COA, 0, NULL);
    feed_one(w, leaf_body(w, TMX__ENTRY_KIND__ENTRY_REPORT, coa, "CH", 0, 0, index));
    assert_int_equal(ages_of(w, "CH").late, 0);
    assert_int_equal(ages_of(w, "CH").buckets[0], 1);
    struct tmx_bytes end = report_make(w, &w->ch, item, index, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0, NULL);
    feed_one(w, leaf_body(w, TMX__ENTRY_KIND__ENTRY_REPORT, end, "CH", 0, 0, index));
    assert_int_equal(ages_of(w, "CH").buckets[0], 1);
}

/* What is read after a start leaves already, some of it before it was read. */
static void test_ages_are_read_in_slices(void **state)
{
    struct world *w = *state;
    char reference[16];
    for (unsigned i = 0; i < 300; i++) {
        snprintf(reference, sizeof(reference), "m%u", i);
        submit_ok(w, reference, NULL, 0, NULL);
    }
    assert_int_equal(ages_of(w, "CH").buckets[0], 300);
    node_restart(w);
    struct tmx_ages_view v;
    assert_false(tmx_node_ages(w->node, TMX_LIT("CH"), &v));
    assert_int_equal(tmx_node_ages_percent(w->node), 0);
    tick(w, 7 * 86400000ull + 1000);   /* all of them expire while 256 are read */
    for (unsigned i = 0; i < 8; i++) {
        tick(w, 1);
    }
    assert_int_equal(ages_of(w, "CH").buckets[0] + ages_of(w, "CH").late, 0);
    assert_int_equal(tmx_node_ages_percent(w->node), 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_latencies, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_ended, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_ages, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_ages_are_read_in_slices, world_setup_offline, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
