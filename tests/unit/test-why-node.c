/* SPDX-License-Identifier: Apache-2.0
 * `why` at a node, over the state of a real core: the causes that tests/integration/why.sh and disk-full.sh do not make.
 */
#include "../../node/why/why.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_broker.h"

static struct daemon d;

static json_t *why(struct world *w, const char *word)
{
    d.node = w->node;
    d.spool = w->spool;
    d.settings.member = "DE";
    d.settings.run = "/run/tmx-node/DE";
    d.settings.path = "tmx-node.conf";
    d.settings.keys = "keys";
    d.settings.endpoint = "ipc:///x";
    d.ever_linked = true;
    json_t *answer = control_why(&d, word);
    assert_non_null(answer);
    return answer;
}

static bool names(struct world *w, const char *word, const char *code)
{
    size_t i;
    json_t *c, *answer = why(w, word);
    bool found = false;
    json_array_foreach(json_object_get(answer, "causes"), i, c)
    {
        found = found || strcmp(json_string_value(json_object_get(c, "code")), code) == 0;
    }
    json_decref(answer);
    return found;
}

static const char *text_of_id(const uint8_t id[TMX_ID_SIZE])
{
    static char text[TMX_ID_TEXT_SIZE];
    tmx_id_text(id, text);
    return text;
}

/* LINK-6: two heads that do not fit. */
static void test_distrust(void **state)
{
    struct world *w = *state;
    assert_false(names(w, "CH", "distrust"));
    w->bend = BEND_CONSISTENCY;
    deliver_message(w, compose(w, false, 0));
    assert_true(state_of(w).distrust);
    assert_true(names(w, "CH", "distrust"));
    assert_false(names(w, "CH", "link-down"));   /* it does not want one */
}

/* DIR-6: the broker says a higher serial than the one that is here. */
static void test_directory_behind(void **state)
{
    struct world *w = *state;
    assert_false(names(w, "CH", "directory-behind"));
    w->federation.serial++;
    pong(w);
    assert_true(state_of(w).directory_behind);
    assert_true(names(w, "CH", "directory-behind"));
}

/* LINK-9: the broker grants two numbers and no more. */
static void test_no_credit(void **state)
{
    struct world *w = *state;
    uint8_t ids[4][TMX_ID_SIZE];
    limits(w, 0);
    w->max_seq = 2;
    node_restart(w);
    link_up(w);
    for (unsigned i = 0; i < TMX_N(ids); i++) {
        char reference[16];
        snprintf(reference, sizeof(reference), "r%u", i);
        submit_ok(w, reference, "", 0, ids[i]);
    }
    assert_true(names(w, "CH", "no-credit"));
    assert_false(names(w, "IT", "no-credit"));
    for (unsigned i = 0; i < TMX_N(ids); i++) {
        assert_true(names(w, text_of_id(ids[i]), "under-way"));
    }
}

/* NODE-10: put back to an earlier state. */
static void test_rebuilding(void **state)
{
    struct world *w = *state;
    assert_false(names(w, "DE", "rebuilding"));
    w->rebuild = true;
    node_restart(w);
    assert_true(state_of(w).rebuilding);
    assert_true(names(w, "DE", "rebuilding"));
}

/* NODE-6: what came behind one that has not come is offered when that has its outcome. */
static void test_lane_closed(void **state)
{
    struct world *w = *state;
    (void)compose(w, true, 0);
    struct fake_message *m = compose(w, true, 1);   /* its number 1 does not come */
    uint64_t index = deliver_message(w, m);
    uint8_t id[TMX_ID_SIZE];
    memcpy(id, m->id, sizeof(id));
    log_report(w, index);
    assert_int_equal(state_of(w).blocked, 1);
    assert_true(names(w, "DE", "lane-closed"));
    assert_true(names(w, text_of_id(id), "lane-closed"));
    assert_false(names(w, text_of_id(id), "slow-consumer"));
    json_t *answer = why(w, "00000000000000000000000000000000");
    assert_string_equal(json_string_value(json_object_get(answer, "code")), "unknown-message");
    json_decref(answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_distrust, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_directory_behind, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_no_credit, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_rebuilding, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_lane_closed, world_setup, world_teardown),
    };
    return cmocka_run_group_tests_name("why-node", tests, NULL, NULL);
}
