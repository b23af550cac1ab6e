/* SPDX-License-Identifier: Apache-2.0
 * The broker's core towards its members: sessions, credit, windows, retries, large containers.
 */
#include "broker_world.h"

/* QUE-5: again without an answer; at once in a new session. */
static void test_redelivery(void **state)
{
    struct world *w = *state;
    compose(w, DE, IT);
    submit(w, DE);
    assert_int_equal(IT->n_received, 1);
    tick(w, 900);
    assert_int_equal(IT->n_received, 1);
    tick(w, 400);
    assert_int_equal(IT->n_received, 2);
    assert_true(IT->redelivery);
    hello(w, IT);
    struct fake_frames f;
    fake_credit(IT, 10, 1u << 20, &f);
    say(w, IT, &f);
    assert_int_equal(IT->n_received, 3);
}

/* LINK-8: nothing beyond the credit; the feed needs none. */
static void test_credit(void **state)
{
    struct world *w = *state;
    hello(w, IT);
    for (int i = 0; i < 3; i++) {
        compose(w, DE, IT);
        submit(w, DE);
    }
    assert_int_equal(IT->n_received, 0);
    struct fake_frames f;
    fake_credit(IT, 2, 1u << 20, &f);
    say(w, IT, &f);
    assert_int_equal(IT->n_received, 2);
    fake_credit(IT, 3, message.container_size * 2, &f);   /* messages, but not the bytes */
    say(w, IT, &f);
    assert_int_equal(IT->n_received, 2);
    fake_credit(IT, 3, 1u << 20, &f);
    say(w, IT, &f);
    assert_int_equal(IT->n_received, 3);
}

/* QUE-9, LINK-9: the window grows with what was used, and does not while the destination is over its quota. */
static void test_send_window(void **state)
{
    struct world *w = *state;
    assert_int_equal(DE->max_seq[3], TMX_SEND_WINDOW);
    compose(w, DE, IT);
    submit(w, DE);
    hello(w, DE);
    assert_int_equal(DE->max_seq[3], 1 + TMX_SEND_WINDOW);
    tmx_broker_free(w->broker);
    w->queue_max = 1;   /* one is queued already */
    broker_start(w);
    hello(w, DE);
    assert_int_equal(DE->max_seq[3], 1);
    compose(w, DE, IT);
    submit(w, DE);
    assert_int_equal(DE->deferred_code, TMX_CODE_NO_CREDIT);
}

/* LINK-10, NODE-16: a sender that has lost a chunk says so with an empty one: refused, its number used, and nothing of it left. */
static void test_lost_container(void **state)
{
    struct world *w = *state;
    struct fake_frames f;
    struct tmx_spool_stat stat;
    fake_compose(DE, &(struct fake_node *){ IT }, 1, "CD001C", w->wall_ms, 300000, &message);
    submit(w, DE);
    Tmx__Chunk chunk = TMX__CHUNK__INIT;
    Tmx__Link link = TMX__LINK__INIT;
    chunk.message_id = message.header.message_id;
    link.body_case = TMX__LINK__BODY_CHUNK;
    link.chunk = &chunk;
    struct tmx_bytes data = TMX_BYTES(message.container, TMX_CHUNK_SIZE);
    fake_link(DE, &link, &data, 1, &f);
    say(w, DE, &f);
    chunk.offset = TMX_CHUNK_SIZE;
    data = TMX_BYTES_NULL;
    link.session = link.number = 0;
    fake_link(DE, &link, &data, 1, &f);
    say(w, DE, &f);
    const struct fake_leaf *e = last_leaf(DE, TMX__ENTRY_KIND__ENTRY_REFUSAL);
    assert_int_equal(e->code, TMX_CODE_CONTAINER_MISMATCH);
    assert_int_equal(e->number, 1);
    assert_int_equal(tmx_spool_stat(w->spool, &stat), 0);
    assert_int_equal(stat.rows[TMX_T_STAGE] + stat.rows[TMX_T_CONTAINER], 0);
    compose(w, DE, IT);
    submit(w, DE);
    last_leaf(DE, TMX__ENTRY_KIND__ENTRY_ACCEPTANCE);
}

/* QUE-8: the disk spoils a chunk before all of it is here: it is pulled once more, and the broker goes on. */
static void test_spoilt_chunk(void **state)
{
    struct world *w = *state;
    struct fake_frames f;
    uint8_t key[TMX_ID_SIZE + 4] = { 0 };
    Tmx__Chunk chunk = TMX__CHUNK__INIT;
    Tmx__Link link = TMX__LINK__INIT;
    fake_compose(DE, &(struct fake_node *){ IT }, 1, "CD001C", w->wall_ms, 300000, &message);
    chunk.message_id = message.header.message_id;
    link.body_case = TMX__LINK__BODY_CHUNK;
    link.chunk = &chunk;
    memcpy(key, message.id, TMX_ID_SIZE);
    for (unsigned round = 0; round < 2; round++) {
        submit(w, DE);
        for (uint64_t at = 0; at < message.container_size; at += TMX_CHUNK_SIZE) {
            size_t left = message.container_size - at;
            struct tmx_bytes data = TMX_BYTES(message.container + at, left < TMX_CHUNK_SIZE ? left : TMX_CHUNK_SIZE);
            chunk.offset = at;
            link.session = link.number = 0;
            fake_link(DE, &link, &data, 1, &f);
            say(w, DE, &f);
            if (round == 0 && at == 0) {
                tmx_spool_ram_damage(w->spool, TMX_T_CONTAINER, TMX_BYTES_OF(key));
            }
        }
        assert_true(DE->n_leaves == 0 || round == 1 || DE->leaves[DE->n_leaves - 1].kind != TMX__ENTRY_KIND__ENTRY_ACCEPTANCE);
    }
    last_leaf(DE, TMX__ENTRY_KIND__ENTRY_ACCEPTANCE);
}

/* LINK-10: pulled chunk by chunk, accepted when complete, pulled again by the recipient; goes on after a restart. */
static void test_large_container(void **state)
{
    struct world *w = *state;
    struct fake_frames f;
    fake_compose(DE, &(struct fake_node *){ IT }, 1, "CD001C", w->wall_ms, 300000, &message);
    submit(w, DE);
    assert_int_equal(DE->n_requests, 2);
    assert_int_equal(DE->requests[0], 0);
    assert_int_equal(DE->requests[1], TMX_CHUNK_SIZE);
    Tmx__Chunk chunk = TMX__CHUNK__INIT;
    chunk.message_id = message.header.message_id;
    Tmx__Link link = TMX__LINK__INIT;
    link.body_case = TMX__LINK__BODY_CHUNK;
    link.chunk = &chunk;
    struct tmx_bytes data = TMX_BYTES(message.container, TMX_CHUNK_SIZE);
    fake_link(DE, &link, &data, 1, &f);
    say(w, DE, &f);

    restart(w);
    hello(w, DE);
    hello(w, IT);
    DE->n_requests = 0;
    submit(w, DE);
    assert_int_equal(DE->n_requests, 1);
    assert_int_equal(DE->requests[0], TMX_CHUNK_SIZE);   /* where it stopped */
    chunk.offset = TMX_CHUNK_SIZE;
    data = TMX_BYTES(message.container + TMX_CHUNK_SIZE, message.container_size - TMX_CHUNK_SIZE);
    link.session = link.number = 0;
    fake_link(DE, &link, &data, 1, &f);
    say(w, DE, &f);
    last_leaf(DE, TMX__ENTRY_KIND__ENTRY_ACCEPTANCE);

    fake_credit(IT, 10, 1u << 20, &f);
    say(w, IT, &f);
    assert_int_equal(IT->n_received, 1);
    assert_int_equal(IT->received[0].container_size, 0);
    Tmx__ChunkRequest request = TMX__CHUNK_REQUEST__INIT;
    request.message_id = message.header.message_id;
    request.offset = TMX_CHUNK_SIZE;
    Tmx__Link ask = TMX__LINK__INIT;
    ask.body_case = TMX__LINK__BODY_CHUNK_REQUEST;
    ask.chunk_request = &request;
    fake_link(IT, &ask, NULL, 0, &f);
    say(w, IT, &f);
    assert_int_equal(IT->chunk_size, message.container_size - TMX_CHUNK_SIZE);
    assert_memory_equal(IT->chunk, message.container + TMX_CHUNK_SIZE, IT->chunk_size);
    ask.session = ask.number = 0;
    fake_link(CH, &ask, NULL, 0, &f);   /* not its message */
    hello(w, CH);
    ask.session = ask.number = 0;
    fake_link(CH, &ask, NULL, 0, &f);
    say(w, CH, &f);
    assert_int_equal(CH->chunk_size, 0);
}

/* LINK-5: shown its own signature on a head beyond its tree, the broker stops signing, for good. */
static void test_fork_shown(void **state)
{
    struct world *w = *state;
    hello(w, CH);
    compose(w, CH, IT);
    submit(w, CH);
    DE->head.size += 5;
    hello(w, DE);
    assert_true(noticed(w, "log.fork-shown"));
    struct tmx_broker_state_view v;
    restart(w);
    tmx_broker_state(w->broker, &v);
    assert_true(v.halted);
    hello(w, CH);
    uint64_t size = tmx_broker_log_size(w->broker);
    compose(w, CH, IT);
    submit(w, CH);
    assert_int_equal(CH->deferred_code, TMX_CODE_NOT_READY);
    CH->deferred_code = 0;
    message.recipient[0].seq = 1;   /* what would be refused is not signed either */
    submit(w, CH);
    assert_int_equal(CH->deferred_code, TMX_CODE_NOT_READY);
    tick(w, 1000);
    assert_int_equal(tmx_broker_log_size(w->broker), size);
}

/* LINK-2, LINK-3, LINK-4 */
static void test_sessions(void **state)
{
    struct world *w = *state;
    struct fake_frames f;
    uint64_t old = DE->session;
    hello(w, DE);
    assert_true(DE->session > old);
    Tmx__Ping ping = TMX__PING__INIT;
    Tmx__Link link = TMX__LINK__INIT;
    link.body_case = TMX__LINK__BODY_PING;
    link.ping = &ping;
    link.session = old;
    link.number = 7;
    fake_link(DE, &link, NULL, 0, &f);
    say(w, DE, &f);
    assert_int_equal(DE->bye_code, TMX_CODE_BAD_SESSION);

    DE->out_number += 3;   /* frames were lost */
    fake_ping(DE, w->wall_ms, &f);
    say(w, DE, &f);
    assert_int_equal(DE->bye_code, TMX_CODE_BAD_FRAME);
    assert_true(noticed(w, "link.gap"));

    hello(w, DE);
    tick(w, 20000);
    struct tmx_broker_link_view v;
    assert_int_equal(tmx_broker_link(w->broker, TMX_LIT("DE"), &v), 0);
    assert_true(v.up);
    tick(w, 1001);
    assert_int_equal(tmx_broker_link(w->broker, TMX_LIT("DE"), &v), 0);
    assert_false(v.up);
}

/* LINK-2: a node of another version is told so where it asked from, once a second; what is up stays up. */
static void test_other_version(void **state)
{
    struct world *w = *state;
    struct tmx_broker_link_view v;
    struct fake_frames f;
    uint8_t route = DE->route;
    uint64_t out_number = DE->out_number, in_number = DE->in_number;
    DE->version = 2;
    DE->route = 99;
    hello(w, DE);
    assert_int_equal(DE->bye_code, TMX_CODE_BAD_VERSION);
    assert_int_equal(DE->bye_version, TMX_LINK_VERSION);
    assert_true(noticed(w, "link.version"));
    assert_int_equal(tmx_broker_link(w->broker, TMX_LIT("DE"), &v), 0);
    assert_true(v.up);
    DE->bye_code = 0;
    hello(w, DE);
    assert_int_equal(DE->bye_code, 0);
    tick(w, 1000);
    hello(w, DE);
    assert_int_equal(DE->bye_code, TMX_CODE_BAD_VERSION);
    DE->route = route;
    DE->out_number = out_number;
    DE->in_number = in_number;
    fake_ping(DE, w->wall_ms, &f);
    say(w, DE, &f);
    tick(w, 19999);
    assert_int_equal(tmx_broker_link(w->broker, TMX_LIT("DE"), &v), 0);
    assert_true(v.up);
}

/* LINK-2: a node that stops says so, and is away at once; no Bye is answered. */
static void test_stopped(void **state)
{
    struct world *w = *state;
    struct tmx_broker_link_view v;
    struct fake_frames f;
    Tmx__Bye bye = TMX__BYE__INIT;
    Tmx__Link link = TMX__LINK__INIT;
    link.body_case = TMX__LINK__BODY_BYE;
    link.bye = &bye;
    uint64_t old = DE->session;
    hello(w, DE);
    link.session = old;
    fake_link(DE, &link, NULL, 0, &f);
    say(w, DE, &f);
    assert_int_equal(tmx_broker_link(w->broker, TMX_LIT("DE"), &v), 0);
    assert_true(v.up);   /* it was about the session before */
    link.session = DE->session;
    fake_link(DE, &link, NULL, 0, &f);
    say(w, DE, &f);
    assert_true(noticed(w, "link.bye"));
    assert_int_equal(tmx_broker_link(w->broker, TMX_LIT("DE"), &v), 0);
    assert_false(v.up);
    tick(w, 2000);
    say(w, DE, &f);
    assert_int_equal(DE->bye_code, 0);
    hello(w, DE);
    assert_int_equal(tmx_broker_link(w->broker, TMX_LIT("DE"), &v), 0);
    assert_true(v.up);
}

/* A key in two places: sessions that push each other out raise an alarm. */
static void test_cloned_key(void **state)
{
    struct world *w = *state;
    bool alarmed = false;
    for (int i = 0; i < 6; i++) {
        DE->route = (uint8_t)(100 + i % 2);
        hello(w, DE);
        alarmed = alarmed || noticed(w, "link.cloned-key");
    }
    assert_true(alarmed);
}

/* QUE-10, LINK-3: to a member whose gate is busy nothing more is sent than it asked for, and others go on; then all of it. */
static void test_busy_gate(void **state)
{
    struct world *w = *state;
    struct tmx_broker_event ev = event_of(w, TMX_BROKER_GATE_BUSY);
    ev.member = tmx_bytes_str(IT->me->code);
    ev.busy = true;
    turn(w, &ev, 1);
    size_t before = IT->n_received;
    for (size_t i = 0; i < 3; i++) {
        compose(w, DE, IT);
        submit(w, DE);
        last_leaf(DE, TMX__ENTRY_KIND__ENTRY_ACCEPTANCE);
    }
    compose(w, DE, CH);
    submit(w, DE);
    assert_int_equal(CH->n_received, 1);
    tick(w, 10000);
    assert_int_equal(IT->n_received, before);
    ev = event_of(w, TMX_BROKER_GATE_BUSY);
    ev.member = tmx_bytes_str(IT->me->code);
    turn(w, &ev, 1);
    assert_int_equal(IT->n_received, before + 3);
}

/* FEED-6 */
static void test_feed_begins(void **state)
{
    struct world *w = *state;
    DE->feed_next = 1;
    hello(w, DE);
    assert_int_equal(DE->welcome_feed_next, 1);
    assert_int_equal(DE->feed_next, DE->head.size);
}

/* FEED-5: a node is told how far its feed leads to the head it is shown, also when nothing in between is for it. */
static void test_feed_without_items(void **state)
{
    struct world *w = *state;
    assert_int_equal(DE->feed_next, DE->head.size);
    size_t leaves = DE->n_leaves;
    restart(w);   /* its leaf is in nobody's feed */
    hello(w, DE);
    assert_int_equal(DE->head.size, tmx_broker_log_size(w->broker));
    assert_int_equal(DE->feed_next, DE->head.size);
    assert_int_equal(DE->n_leaves, leaves);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_redelivery, setup, teardown),
        cmocka_unit_test_setup_teardown(test_credit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_send_window, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lost_container, setup, teardown),
        cmocka_unit_test_setup_teardown(test_spoilt_chunk, setup, teardown),
        cmocka_unit_test_setup_teardown(test_large_container, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fork_shown, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sessions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_version, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stopped, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cloned_key, setup, teardown),
        cmocka_unit_test_setup_teardown(test_busy_gate, setup, teardown),
        cmocka_unit_test_setup_teardown(test_feed_begins, setup, teardown),
        cmocka_unit_test_setup_teardown(test_feed_without_items, setup, teardown),
    };
    return cmocka_run_group_tests_name("broker-link", tests, NULL, NULL);
}
