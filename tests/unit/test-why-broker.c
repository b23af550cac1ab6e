/* SPDX-License-Identifier: Apache-2.0
 * `why` at the broker, over the state of a real core: the causes that tests/integration/why.sh and disk-full.sh do not make.
 */
#include "../../broker/why/why.h"

#include <tmx/clock.h>

#include "broker_world.h"

static struct daemon d;

static struct tmx_control_request request_of(const char *word)
{
    return (struct tmx_control_request){ .n_words = 2, .words = { "why", word } };
}

static json_t *ask(struct world *w, const char *word)
{
    struct tmx_arena arena;
    struct tmx_control_request r = request_of(word);
    assert_int_equal(tmx_arena_init(&arena, 1u << 20), 0);
    d.spool = w->spool;
    d.broker = w->broker;
    d.settings.path = "tmx-broker.conf";
    d.settings.gate_program = "/bin/false";
    d.settings.gate_memory_bytes = 64u << 20;
    json_t *answer = control_why(&d, &r, &arena);
    tmx_arena_deinit(&arena);
    assert_non_null(answer);
    return answer;
}

/* The cause of that code; NULL: it is not among them. Borrowed from `answer`. */
static json_t *cause_of(const json_t *answer, const char *code)
{
    size_t i;
    json_t *c;
    json_array_foreach(json_object_get(answer, "causes"), i, c)
    {
        if (strcmp(json_string_value(json_object_get(c, "code")), code) == 0) {
            return c;
        }
    }
    return NULL;
}

static void expect(struct world *w, const char *word, const char *code, const char *severity)
{
    json_t *answer = ask(w, word);
    const json_t *c = cause_of(answer, code);
    if (c == NULL) {
        fail_msg("why %s is not %s: %s", word, code, json_dumps(answer, JSON_COMPACT));
    }
    assert_string_equal(json_string_value(json_object_get(c, "severity")), severity);
    assert_true(strlen(json_string_value(json_object_get(c, "evidence"))) > 0 && strlen(json_string_value(json_object_get(c, "fix"))) > 0);
    json_decref(answer);
}

static void expect_not(struct world *w, const char *word, const char *code)
{
    json_t *answer = ask(w, word);
    assert_null(cause_of(answer, code));
    json_decref(answer);
}

/* It is not in the way, and that is what was seen. */
static void seen(struct world *w, const char *word, const char *evidence)
{
    json_t *answer = ask(w, word);
    char *text = json_dumps(answer, JSON_COMPACT);
    if (strstr(text, evidence) == NULL) {
        fail_msg("why %s does not say '%s': %s", word, evidence, text);
    }
    free(text);
    json_decref(answer);
}

static const char *id_of(const struct fake_message *m)
{
    static char text[TMX_ID_TEXT_SIZE];
    tmx_id_text(m->id, text);
    return text;
}

/* A node holds a head beyond this log: nothing matters more. */
static void test_halted(void **state)
{
    struct world *w = *state;
    expect_not(w, "IT", "halted");
    DE->head.size += 5;
    hello(w, DE);
    json_t *answer = ask(w, "IT");
    const json_t *first = json_array_get(json_object_get(answer, "causes"), 0);
    assert_string_equal(json_string_value(json_object_get(first, "code")), "halted");
    assert_string_equal(json_string_value(json_object_get(answer, "health")), "critical");
    json_decref(answer);
}

/* The wall clock jumps against the monotonic one, and nobody agrees with it. */
static void test_clock(void **state)
{
    struct world *w = *state;
    expect_not(w, "IT", "clock");
    w->wall_ms += HOUR_MS;
    tick(w, 1000);
    expect(w, "IT", "clock", "critical");
}

static void test_disk_full(void **state)
{
    struct world *w = *state;
    struct tmx_broker_event ev = event_of(w, TMX_BROKER_DISK);
    ev.disk_full = true;
    expect_not(w, "IT", "disk-full");
    turn(w, &ev, 1);
    expect(w, "IT", "disk-full", "critical");
}

static void status_set(struct world *w, const char *member, Tmx__MemberStatus status)
{
    struct tmx_broker_event ev = event_of(w, TMX_BROKER_DIRECTORY);
    federation_find(&w->federation, member)->status = status;
    w->federation.serial++;
    federation_sign(&w->federation);
    ev.file = federation_file(&w->federation);
    turn(w, &ev, 1);
    assert_int_equal(w->directory_result, TMX_DIRECTORY_OK);
}

/* What a suspended member submits is refused, and the leaf says why. */
static void test_refused(void **state)
{
    struct world *w = *state;
    status_set(w, "DE", TMX__MEMBER_STATUS__MEMBER_SUSPENDED);
    compose(w, DE, IT);
    submit(w, DE);
    expect(w, id_of(&message), "refused", "warning");
    expect(w, "DE", "member-suspended", "critical");
    status_set(w, "DE", TMX__MEMBER_STATUS__MEMBER_REVOKED);
    expect(w, "DE", "member-revoked", "critical");
    json_t *answer = ask(w, "00000000000000000000000000000000");
    assert_string_equal(json_string_value(json_object_get(answer, "code")), "unknown-message");
    json_decref(answer);
}

/* A message with its outcome waits for nothing, whatever else is wrong. */
static void test_has_outcome(void **state)
{
    struct world *w = *state;
    compose(w, DE, IT);
    submit(w, DE);
    assert_int_equal(IT->n_received, 1);
    expect_not(w, id_of(&message), "has-outcome");
    report(w, IT, &IT->received[0], TMX__OUTCOME__OUTCOME_COA, 0);
    report(w, IT, &IT->received[0], TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);
    assert_int_equal(state_of(w, message.id, IT), TMX_DELIVERY_DELIVERED);
    expect(w, id_of(&message), "has-outcome", "note");
    json_t *answer = ask(w, id_of(&message));
    assert_int_equal(json_array_size(json_object_get(answer, "causes")), 1);
    assert_string_equal(json_string_value(json_object_get(answer, "health")), "ok");
    json_decref(answer);
}

static struct gate *gate_new(const char *member)
{
    static struct tmx_gate_config config = { .endpoint = "tcp://127.0.0.1:1" };
    struct gate *g = &d.gates.gate[d.gates.n++];
    *g = (struct gate){ .endpoint = "tcp://127.0.0.1:1" };
    memcpy(g->member, member, strlen(member));
    assert_int_equal(tmx_gate_link_new("/bin/false", &config, 64u << 20, &g->link), 0);
    return g;
}

static void gate_end(struct gate *g)
{
    tmx_gate_link_free(g->link);
    d.gates.n = 0;
}

/* What is queued for a linked node does not leave the queue for over 10 s; and what arrived does not get its outcome. */
static void test_stuck(void **state)
{
    struct world *w = *state;
    struct gate *g = gate_new("IT");
    compose(w, DE, IT);
    submit(w, DE);
    json_decref(ask(w, "IT"));
    uint64_t now = tmx_clock_mono_ms();
    why_watch(&d, now - WHY_LATE_MS - 1000);
    expect(w, "IT", "not-arriving", "warning");
    tick(w, 7 * 60000);   /* now it is late */
    hello(w, IT);
    expect(w, "IT", "not-arriving", "critical");
    report(w, IT, &IT->received[0], TMX__OUTCOME__OUTCOME_COA, 0);
    why_watch(&d, now - WHY_LATE_MS - 500);
    expect_not(w, "IT", "not-arriving");
    seen(w, "IT", "nothing is queued for it");
    expect(w, "IT", "slow-consumer", "warning");
    report(w, IT, &IT->received[0], TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);
    why_watch(&d, now);
    expect_not(w, "IT", "slow-consumer");
    seen(w, "IT", "nothing has arrived that is not taken");
    gate_end(g);
}

/* A gate whose program ends at once; and none at all. */
static void test_gates(void **state)
{
    struct world *w = *state;
    expect(w, "IT", "no-gate", "warning");
    struct gate *g = gate_new("IT");
    uint64_t end = tmx_clock_mono_ms() + 10000;
    while (tmx_gate_link_status(g->link)->failed[0] == '\0' && tmx_clock_mono_ms() < end) {
        tmx_gate_link_step(g->link, tmx_clock_mono_ms());
    }
    expect(w, "IT", "gate-down", "warning");
    expect_not(w, "IT", "gate-memory");
    gate_end(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_halted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_clock, setup, teardown),
        cmocka_unit_test_setup_teardown(test_disk_full, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_has_outcome, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stuck, setup, teardown),
        cmocka_unit_test_setup_teardown(test_gates, setup, teardown),
    };
    return cmocka_run_group_tests_name("why-broker", tests, NULL, NULL);
}
