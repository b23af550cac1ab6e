/* SPDX-License-Identifier: Apache-2.0
 * Containers that are kept after the last outcome, and how they go. QUE-8, FEED-1
 */
#include "broker_world.h"

static bool kept(struct world *w, const uint8_t id[TMX_ID_SIZE])
{
    uint8_t key[TMX_ID_SIZE + 4] = { 0 };
    struct tmx_bytes value;
    memcpy(key, id, TMX_ID_SIZE);
    return tmx_spool_get(w->spool, TMX_T_CONTAINER, TMX_BYTES_OF(key), &value) == TMX_SPOOL_OK;
}

static uint64_t kept_rows(struct world *w)
{
    struct tmx_spool_stat stat;
    assert_int_equal(tmx_spool_stat(w->spool, &stat), 0);
    return stat.rows[TMX_T_ERASE];
}

/* A broker that keeps them for an hour. */
static struct world *an_hour(void **state)
{
    struct world *w = *state;
    w->retention_ms = HOUR_MS;
    restart(w);
    for (size_t i = 0; i < 4; i++) {
        join(w, &w->node[i]);
    }
    return w;
}

/* A message from DE to IT with its outcome. */
static void deliver(struct world *w)
{
    compose(w, DE, IT);
    submit(w, DE);
    const struct fake_received *r = &IT->received[IT->n_received - 1];
    report(w, IT, r, TMX__OUTCOME__OUTCOME_COA, 0);
    report(w, IT, r, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);
    assert_int_equal(state_of(w, message.id, IT), TMX_DELIVERY_DELIVERED);
}

/* Until then the recipient may have it again; then one leaf says so to those the message was about, and to nobody else. */
static void test_erased_when_due(void **state)
{
    struct world *w = an_hour(state);
    struct fake_frames f;
    deliver(w);
    assert_true(kept(w, message.id));
    tick(w, HOUR_MS - 1);
    assert_true(kept(w, message.id));
    Tmx__ChunkRequest request = TMX__CHUNK_REQUEST__INIT;
    request.message_id = message.header.message_id;
    Tmx__Link ask = TMX__LINK__INIT;
    ask.body_case = TMX__LINK__BODY_CHUNK_REQUEST;
    ask.chunk_request = &request;
    hello(w, IT);
    hello(w, DE);
    hello(w, CH);
    fake_link(IT, &ask, NULL, 0, &f);
    say(w, IT, &f);
    assert_int_equal(IT->chunk_size, message.container_size);
    assert_memory_equal(IT->chunk, message.container, message.container_size);

    size_t elsewhere = CH->n_leaves;
    uint64_t size = tmx_broker_log_size(w->broker);
    tick(w, 1);
    assert_false(kept(w, message.id));
    assert_true(noticed(w, "container.erased"));
    assert_int_equal(tmx_broker_log_size(w->broker), size + 1);
    assert_int_equal(last_leaf(IT, TMX__ENTRY_KIND__ENTRY_ERASED)->code, 0);
    last_leaf(DE, TMX__ENTRY_KIND__ENTRY_ERASED);
    assert_int_equal(CH->n_leaves, elsewhere);
    assert_int_equal(kept_rows(w), 0);
    tick(w, HOUR_MS);
    assert_int_equal(tmx_broker_log_size(w->broker), size + 1);
    ask.session = ask.number = 0;
    hello(w, IT);
    fake_link(IT, &ask, NULL, 0, &f);
    say(w, IT, &f);
    assert_int_equal(IT->chunk_size, 0);
}

/* Nothing counts from an outcome while another delivery of the message is open. */
static void test_after_the_last_outcome(void **state)
{
    struct world *w = an_hour(state);
    struct fake_node *to[] = { IT, EC };
    fake_compose(DE, to, 2, "CD001C", w->wall_ms, 500, &message);
    submit(w, DE);
    report(w, IT, &IT->received[IT->n_received - 1], TMX__OUTCOME__OUTCOME_COE, TMX_CODE_CONTENT_INVALID);
    tick(w, 2 * HOUR_MS);
    assert_true(kept(w, message.id));
    assert_int_equal(kept_rows(w), 0);
    hello(w, EC);   /* its link had fallen silent */
    report(w, EC, &EC->received[EC->n_received - 1], TMX__OUTCOME__OUTCOME_COE, TMX_CODE_CONTENT_INVALID);
    tick(w, HOUR_MS - 1);
    assert_true(kept(w, message.id));
    hello(w, IT);
    hello(w, EC);
    tick(w, 1);
    assert_false(kept(w, message.id));
    last_leaf(IT, TMX__ENTRY_KIND__ENTRY_ERASED);
    last_leaf(EC, TMX__ENTRY_KIND__ENTRY_ERASED);
}

/* Retention never stops admission: for want of room the oldest go first, as many as are needed, and the leaf says why. */
static void test_makes_room(void **state)
{
    struct world *w = an_hour(state);
    uint8_t ids[3][TMX_ID_SIZE];
    for (size_t i = 0; i < 3; i++) {
        deliver(w);
        memcpy(ids[i], message.id, TMX_ID_SIZE);
        tick(w, 10);
    }
    struct tmx_broker_event ev = event_of(w, TMX_BROKER_DISK);
    ev.erase_bytes = message.container_size + 1;
    turn(w, &ev, 1);
    assert_false(kept(w, ids[0]));
    assert_false(kept(w, ids[1]));
    assert_true(kept(w, ids[2]));
    assert_int_equal(last_leaf(IT, TMX__ENTRY_KIND__ENTRY_ERASED)->code, TMX_CODE_DISK_FULL);
    tick(w, 10);
    assert_true(kept(w, ids[2]));
    ev = event_of(w, TMX_BROKER_DISK);
    ev.erase_bytes = 1u << 30;
    turn(w, &ev, 1);
    assert_false(kept(w, ids[2]));
    deliver(w);   /* what was lacking is forgotten once there is nothing left to erase */
    assert_true(kept(w, message.id));
}

/* When it is due was said by the outcome: a restart, and another setting then, change nothing of it. */
static void test_survives_a_restart(void **state)
{
    struct world *w = an_hour(state);
    deliver(w);
    w->retention_ms = 0;
    restart(w);
    hello(w, DE);   /* and so the clock counts */
    tick(w, HOUR_MS - 1);
    assert_true(kept(w, message.id));
    uint64_t size = tmx_broker_log_size(w->broker);
    tick(w, 1);
    assert_false(kept(w, message.id));
    assert_int_equal(tmx_broker_log_size(w->broker), size + 1);
}

/* A clock in doubt ends nothing that time ends. */
static void test_waits_for_the_clock(void **state)
{
    struct world *w = an_hour(state);
    deliver(w);
    w->wall_ms += 2 * HOUR_MS;   /* a jump against the monotonic clock */
    tick(w, 1);
    assert_true(kept(w, message.id));
    w->wall_ms -= 2 * HOUR_MS;
    tick(w, 1);
    assert_true(kept(w, message.id));
    tick(w, HOUR_MS);
    assert_false(kept(w, message.id));
}

/* However many are due at once, a turn ends: it takes so many, and the next one comes at once. */
static void test_bounded_turns(void **state)
{
    struct world *w = an_hour(state);
    for (size_t i = 0; i < 300; i++) {
        IT->n_received = IT->n_leaves = DE->n_leaves = 0;
        deliver(w);
    }
    assert_int_equal(kept_rows(w), 300);
    w->mono_ms += HOUR_MS;
    w->wall_ms += HOUR_MS;
    struct tmx_broker_event ev = event_of(w, TMX_BROKER_TICK);
    struct tmx_broker_output out;
    assert_int_equal(tmx_broker_turn(w->broker, &ev, 1, &out), 0);
    assert_int_equal(kept_rows(w), 300 - 256);
    assert_int_equal(out.deadline_ms, 0);
    assert_int_equal(tmx_broker_turn(w->broker, &ev, 1, &out), 0);
    assert_int_equal(kept_rows(w), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_erased_when_due, setup, teardown),
        cmocka_unit_test_setup_teardown(test_after_the_last_outcome, setup, teardown),
        cmocka_unit_test_setup_teardown(test_makes_room, setup, teardown),
        cmocka_unit_test_setup_teardown(test_survives_a_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(test_waits_for_the_clock, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bounded_turns, setup, teardown),
    };
    return cmocka_run_group_tests_name("broker-retention", tests, NULL, NULL);
}
