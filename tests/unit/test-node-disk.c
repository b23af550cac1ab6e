/* SPDX-License-Identifier: Apache-2.0
 * A node whose spool is full (NODE-12): what it still takes in, what it leaves where it is, and that it asks for that
 * again when there is room.
 */
#include <stdio.h>

#include "fake_broker.h"

static void room(struct world *w, uint64_t submit_bytes, uint64_t arrive_bytes)
{
    struct tmx_node_event ev = world_event(w, TMX_NODE_DISK);
    ev.submit_bytes = submit_bytes;
    ev.arrive_bytes = arrive_bytes;
    ev.turn_bytes = UINT64_MAX;
    turn(w, &ev, 1);
}

/* NODE-12: what waits is sealed beside its payload: a turn does no more of that than it is told, and what it needs for
 * the largest is promised until nothing waits. */
static void test_turn(void **state)
{
    struct world *w = *state;
    struct tmx_node_event ev = world_event(w, TMX_NODE_DISK);
    char reference[8];
    static char payload[1001];
    ev.submit_bytes = ev.arrive_bytes = UINT64_MAX;
    ev.turn_bytes = 1500;
    turn(w, &ev, 1);
    memset(payload, 'x', 1000);
    tick(w, 30000);   /* the link is silent: everything waits */
    assert_false(state_of(w).linked);
    for (int i = 0; i < 5; i++) {
        snprintf(reference, sizeof(reference), "r%d", i);
        Tmx__SubmitRequest s = submission(reference, "CH");
        s.expires_ms = w->wall_ms + DAY_MS;
        assert_int_equal(submit(w, &s, i == 0 ? "small" : payload), TMX_CODE_OK);
    }
    assert_int_equal(state_of(w).waiting, 5);
    assert_int_equal(state_of(w).moving_bytes, 2000);
    node_restart(w);
    assert_int_equal(state_of(w).moving_bytes, 2000);
    ev.turn_bytes = 1500;
    turn(w, &ev, 1);
    link_up(w);
    uint64_t before = state_of(w).waiting;
    assert_in_range(before, 1, 4);
    for (int i = 0; i < 5 && state_of(w).waiting > 0; i++) {
        tick(w, 1);
        assert_true(before - state_of(w).waiting <= 2);
        before = state_of(w).waiting;
    }
    assert_int_equal(state_of(w).waiting, 0);
    assert_int_equal(state_of(w).moving_bytes, 0);
}

/* NODE-12 */
static void test_submission(void **state)
{
    struct world *w = *state;
    Tmx__SubmitRequest s = submission("full", "CH");
    room(w, 0, UINT64_MAX);
    assert_int_equal(submit(w, &s, "payload"), TMX_CODE_DISK_FULL);
    assert_true(w->response->text.len > 0);
    assert_int_equal(state_of(w).submitted, 0);
    assert_int_equal(w->n_submits, 0);
    room(w, 2 * 7 + TMX_EVIDENCE_ROOM, UINT64_MAX);
    assert_int_equal(submit(w, &s, "payload"), TMX_CODE_OK);   /* nothing of it was kept: not a contradiction, not a repetition */
    assert_int_equal(w->n_submits, 1);
    Tmx__SubmitRequest next = submission("next", "CH");
    assert_int_equal(submit(w, &next, "payload"), TMX_CODE_DISK_FULL);   /* the first took the room, until told otherwise */
    assert_int_equal(submit(w, &s, "payload"), TMX_CODE_OK);   /* the same again needs none (NODE-1) */
    room(w, UINT64_MAX, UINT64_MAX);
    assert_int_equal(submit(w, &next, "payload"), TMX_CODE_OK);
}

/* NODE-12 */
static void test_delivery(void **state)
{
    struct world *w = *state;
    struct fake_message *small = compose(w, false, 0);
    room(w, 0, small->container_size + TMX_EVIDENCE_ROOM - 1);
    uint64_t index = deliver_message(w, small);
    assert_int_equal(w->n_reports, 0);
    assert_true(noticed(w, "delivery.no-room"));
    assert_int_equal(state_of(w).open, 0);
    size_t hellos = w->n_hellos;
    room(w, 0, 10);
    tick(w, 1000);
    assert_int_equal(w->n_hellos, hellos);   /* no more room than before: the link stays as it is */
    room(w, 0, small->container_size + TMX_EVIDENCE_ROOM);
    tick(w, 1000);
    assert_true(w->n_hellos > hellos);
    link_up(w);
    deliver(w, index, TMX_BYTES(small->container, small->container_size));
    assert_int_equal(w->n_reports, 1);
    assert_int_equal(state_of(w).open, 1);
    room(w, 0, 0);
    log_report(w, index);                    /* its evidence passes, and so does its outcome */
    const Tmx__Leased *l = lease(w, 0, 0);
    assert_non_null(l);
    assert_int_equal(ack(w, l), TMX_CODE_OK);
    assert_int_equal(w->n_reports, 2);
    log_report(w, index);
    assert_int_equal(state_of(w).open, 0);
    hellos = w->n_hellos;
    room(w, 0, UINT64_MAX);
    tick(w, 1000);
    assert_int_equal(w->n_hellos, hellos);   /* nothing was left at the broker */
}

/* NODE-12, LINK-10: one in chunks is asked for room when its pull begins, and not again. */
static void test_large_delivery(void **state)
{
    struct world *w = *state;
    struct fake_message *m = tmx_arena_alloc(&w->arena, sizeof(*m));
    struct fake_node *to[1] = { &w->de };
    assert_non_null(m);
    fake_compose(&w->ch, to, 1, "CD001C", w->wall_ms, 300000, m);
    uint64_t index = leaf_body(w, TMX__ENTRY_KIND__ENTRY_ACCEPTANCE, fake_sign(&w->ch, &m->header), "CH", 0, 0, 0);
    room(w, 0, m->container_size);           /* it is there twice when it is complete */
    deliver(w, index, TMX_BYTES_NULL);
    assert_int_equal(w->n_requests, 0);
    room(w, 0, 2 * m->container_size + TMX_EVIDENCE_ROOM);
    link_up(w);
    deliver(w, index, TMX_BYTES_NULL);
    assert_int_equal(w->n_requests, 2);
    chunk(w, m, 0, TMX_CHUNK_SIZE);
    room(w, 0, 0);
    link_up(w);
    deliver(w, index, TMX_BYTES_NULL);
    chunk(w, m, TMX_CHUNK_SIZE, m->container_size - TMX_CHUNK_SIZE);
    assert_int_equal(w->n_reports, 1);
    assert_int_equal(last_report(w)->outcome, TMX__OUTCOME__OUTCOME_COA);
}

/* What is open is counted over restarts: the shell reserves room for its outcomes. */
static void test_open(void **state)
{
    struct world *w = *state;
    submit_ok(w, "a", MRN, 0, NULL);
    ProtobufCBinaryData both[] = { tmx_to_pb(TMX_LIT("CH")), tmx_to_pb(TMX_LIT("IT")) };
    Tmx__SubmitRequest s = submission("b", "CH");
    s.recipients = both;
    s.n_recipients = 2;
    s.expires_ms = w->wall_ms + DAY_MS;
    room(w, 2 * 7 + TMX_EVIDENCE_ROOM, 0);
    assert_int_equal(submit(w, &s, "payload"), TMX_CODE_DISK_FULL);   /* each delivery brings evidence */
    room(w, 2 * 7 + 2 * TMX_EVIDENCE_ROOM, UINT64_MAX);
    assert_int_equal(submit(w, &s, "payload"), TMX_CODE_OK);
    room(w, UINT64_MAX, UINT64_MAX);
    deliver_message(w, compose(w, false, 0));
    assert_int_equal(state_of(w).open, 4);
    node_restart(w);
    assert_int_equal(state_of(w).open, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_submission, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_delivery, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_large_delivery, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_open, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_turn, world_setup, world_teardown),
    };
    return cmocka_run_group_tests_name("node-disk", tests, NULL, NULL);
}
