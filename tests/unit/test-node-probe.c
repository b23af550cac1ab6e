/* SPDX-License-Identifier: Apache-2.0
 * Probes at a node (NODE-14): sent when an operator wants one, answered without an application.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <tmx/code.h>

#include "fake_broker.h"

static unsigned probe(struct world *w, const char *member)
{
    struct tmx_node_event ev = world_event(w, TMX_NODE_PROBE);
    ev.member = tmx_bytes_str(member);
    turn(w, &ev, 1);
    return w->out.probe_code;
}

/* NODE-14 */
static void test_sent(void **state)
{
    struct world *w = *state;
    assert_int_equal(probe(w, "CH"), TMX_CODE_OK);
    assert_int_equal(w->n_submits, 1);
    Tmx__Header *h = header_of(w, w->submits[0].item);
    assert_true(tmx_bytes_eq(tmx_pb(h->message_type), TMX_LIT(TMX_TYPE_PROBE)));
    assert_memory_equal(h->message_id.data, w->out.probe_id, TMX_ID_SIZE);
    assert_true(h->movement_label.len == 0 && h->n_recipients == 1 && h->recipients[0]->seq == 1);
    accept_submit(w, 0);
    assert_int_equal(probe(w, "DE"), TMX_CODE_SELF);
    assert_int_equal(probe(w, "XX"), TMX_CODE_UNKNOWN_RECIPIENT);
    assert_int_equal(w->n_submits, 1);
}

/* NODE-14: no application submits one. */
static void test_not_submitted(void **state)
{
    struct world *w = *state;
    Tmx__SubmitRequest s = submission("a", "CH");
    s.message_type = tmx_to_pb(TMX_LIT(TMX_TYPE_PROBE));
    assert_int_equal(submit(w, &s, "x"), TMX_CODE_UNKNOWN_TYPE);
}

/* NODE-14: the CoD comes once the CoA is verified, and nobody is offered anything. */
static void test_answered(void **state)
{
    struct world *w = *state;
    struct fake_node *to[1] = { &w->de };
    struct fake_message *m = calloc(1, sizeof(*m));
    assert_non_null(m);
    fake_compose(&w->ch, to, 1, TMX_TYPE_PROBE, w->wall_ms, 5, m);
    uint64_t index = deliver_message(w, m);
    assert_int_equal(w->n_reports, 1);
    assert_int_equal(last_report(w)->outcome, TMX__OUTCOME__OUTCOME_COA);
    assert_null(lease(w, 0, 0));
    log_report(w, index);
    assert_int_equal(w->n_reports, 2);
    assert_int_equal(last_report(w)->outcome, TMX__OUTCOME__OUTCOME_COD_POSITIVE);
    assert_true(noticed(w, "probe.answered"));
    assert_null(lease(w, 0, 0));
    log_report(w, index);
    assert_int_equal(state_of(w).offered, 0);
    free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sent, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_not_submitted, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_answered, world_setup, world_teardown),
    };
    return cmocka_run_group_tests_name("node-probe", tests, NULL, NULL);
}
