/* SPDX-License-Identifier: Apache-2.0
 * What a node's status says of its alarms and of held messages, over the state of a real core: alarms for a day, what is held for
 * as long as it is.
 */
#include "../../node/daemon.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "fake_broker.h"

static struct daemon d;

/* The problems: their number, and whether there is one with that text and see. */
static size_t problems(struct world *w, const char *text, const char *see)
{
    struct tmx_node_state_view v = state_of(w);
    json_t *list = json_array(), *p;
    size_t i, n = json_array_size(list);
    bool found = text == NULL;
    d.node = w->node;
    control_alarm_problems(&d, &v, "journalctl", list);
    json_array_foreach(list, i, p)
    {
        n++;
        assert_string_equal(json_string_value(json_object_get(p, "severity")), "warning");
        found = found || (strcmp(json_string_value(json_object_get(p, "text")), text) == 0 &&
                          strncmp(json_string_value(json_object_get(p, "see")), see, strlen(see)) == 0);
    }
    if (!found) {
        fail_msg("not \"%s\": %s", text, json_dumps(list, JSON_COMPACT));
    }
    json_decref(list);
    return n;
}

/* A message whose copy is said to be gone before its outcome. */
static void alarm_raise(struct world *w, const char *reference)
{
    submit_ok(w, reference, MRN, 0, NULL);
    size_t i = w->n_submits - 1;
    uint64_t index = accept_submit(w, i);
    feed_one(w, leaf_erased(w, header_of(w, w->submits[i].item), index));
    assert_true(noticed(w, "log.erased-wrong"));
}

static void test_alarms(void **state)
{
    struct world *w = *state;
    assert_int_equal(problems(w, NULL, NULL), 0);
    alarm_raise(w, "a");
    tick(w, 5 * 60 * SECOND);
    assert_int_equal(problems(w, "1 alarm in the last 24 h, the last log.erased-wrong 5 min ago", "journalctl"), 1);
    link_up(w);
    alarm_raise(w, "b");
    node_restart(w);
    tick(w, 20 * SECOND);
    assert_int_equal(problems(w, "2 alarms in the last 24 h, the last log.erased-wrong 20 s ago", "journalctl"), 1);
    tick(w, DAY_MS - 60 * SECOND);
    assert_int_equal(problems(w, "1 alarm in the last 24 h, the last log.erased-wrong 23 h ago", "journalctl"), 1);
    tick(w, 60 * SECOND);
    assert_int_equal(problems(w, NULL, NULL), 0);
    assert_int_equal(state_of(w).alarm_rows, 2);   /* kept all the same */
}

static void test_held(void **state)
{
    struct world *w = *state;
    struct fake_message *m = compose(w, false, 0);
    m->header.expires_ms += DAY_MS;
    uint64_t index = deliver_message(w, m);
    (void)log_report(w, index);
    uint8_t id[TMX_ID_SIZE] = { 0 };
    for (unsigned i = 0; i < TMX_LEASES_LAPSED_MAX; i++) {
        const Tmx__Leased *l = lease(w, 5000, 0);
        assert_non_null(l);
        memcpy(id, l->message_id.data, sizeof(id));
        tick(w, 5000);
    }
    assert_null(lease(w, 5000, 0));
    char text[TMX_ID_TEXT_SIZE], see[64];
    tmx_id_text(id, text);
    snprintf(see, sizeof(see), "tmxctl why %s", text);
    assert_int_equal(problems(w, "1 held: no application is offered it until an operator releases it", see), 2);
    tick(w, DAY_MS + SECOND);
    assert_int_equal(problems(w, "1 held: no application is offered it until an operator releases it", see), 1);
    assert_int_equal(operate(w, 0, TMX_ACTION_RELEASE, id), TMX_OPERATION_OK);
    assert_int_equal(problems(w, NULL, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_alarms, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_held, world_setup, world_teardown),
    };
    return cmocka_run_group_tests_name("node-alarms", tests, NULL, NULL);
}
