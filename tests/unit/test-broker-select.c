/* SPDX-License-Identifier: Apache-2.0
 * `select` at the broker: whatever an operator asks for, one answer looks at so much of the queue and no more, and the answers
 * together are all there is.
 */
#include <jansson.h>

#include <tmx/text.h>

#include "../../broker/daemon.h"
#include "broker_world.h"

#define QUEUED 600u
#define READ_MAX (TMX_SELECT_ROWS / TMX_SELECT_READ)   /* headers read for one answer */

static struct daemon d;

static void queue_for_two(struct world *w)
{
    struct tmx_broker_event down[2] = { event_of(w, TMX_BROKER_GATE_DOWN), event_of(w, TMX_BROKER_GATE_DOWN) };
    down[0].member = TMX_LIT("CH");
    down[1].member = TMX_LIT("IT");
    turn(w, down, 2);
    for (unsigned i = 0; i < QUEUED / 2; i++) {
        fake_compose(DE, (struct fake_node *[]){ CH, IT }, 2, "CD001C", w->wall_ms, 100, &message);
        submit(w, DE);
    }
    d.spool = w->spool;
    d.broker = w->broker;
}

/* How many deliveries all answers hold, and how many answers it takes. */
static size_t select_all(const char *member, const char *type, unsigned *ret_answers)
{
    char next[160] = "";
    size_t n = 0;
    *ret_answers = 0;
    do {
        struct tmx_control_request r = { .n_words = next[0] != '\0' ? 6 : 5, .words = { "select", "hold", member, "0", type, next } };
        json_t *reply = control_select(&d, &r);
        const json_t *more = json_object_get(reply, "next");
        size_t rows = json_array_size(json_object_get(reply, "deliveries"));
        assert_null(json_object_get(reply, "error"));
        assert_true(rows <= TMX_OPERATION_TARGETS_MAX);
        n += rows;
        (*ret_answers)++;
        assert_true(*ret_answers < 100);
        (void)snprintf(next, sizeof(next), "%s", more != NULL ? json_string_value(more) : "");
        json_decref(reply);
    } while (next[0] != '\0');
    return n;
}

static void test_every_answer_is_bounded(void **state)
{
    struct world *w = *state;
    unsigned answers;
    queue_for_two(w);
    assert_int_equal(select_all("-", "-", &answers), QUEUED);
    assert_int_equal(answers, (QUEUED + TMX_OPERATION_TARGETS_MAX - 1) / TMX_OPERATION_TARGETS_MAX);
    assert_int_equal(select_all("CH", "CD001C", &answers), QUEUED / 2);
    assert_int_equal(select_all("-", "CD002C", &answers), 0);   /* none passes, and each has to be read */
    assert_int_equal(answers, QUEUED / READ_MAX + 1);
    assert_int_equal(select_all("EC", "CD001C", &answers), 0);   /* by their keys alone */
    assert_int_equal(answers, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_answer_is_bounded, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
