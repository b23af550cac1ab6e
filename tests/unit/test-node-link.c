/* SPDX-License-Identifier: Apache-2.0
 * The node's session with a broker: numbering, time-outs, heads, directory, prekeys, resends.
 */
#include "fake_broker.h"

/* LINK-2 */
static void test_hello(void **state)
{
    struct world *w = *state;
    tick(w, 0);
    assert_int_equal(w->n_hellos, 1);
    assert_false(state_of(w).linked);
    w->nonce[0] ^= 1;   /* an answer to another hello */
    welcome(w);
    assert_false(state_of(w).linked);
    w->nonce[0] ^= 1;
    w->head_sent = 0;
    welcome(w);
    assert_true(state_of(w).linked);
    assert_int_equal(state_of(w).head_size, 3);
    tick(w, 6000);
    bye(w, TMX_CODE_BAD_SESSION);
    assert_false(state_of(w).linked);
    tick(w, 0);
    assert_int_equal(w->n_hellos, 2);
}

/* LINK-3 */
static void test_numbers(void **state)
{
    struct world *w = *state;
    uint64_t size = state_of(w).head_size;
    uint64_t index = leaf_body(w, TMX__ENTRY_KIND__ENTRY_PREKEYS, w->prekeys, "DE", 0, 0, 0);
    w->out_number--;   /* a number already seen */
    feed_one(w, index);
    assert_int_equal(state_of(w).head_size, size);
    assert_true(state_of(w).linked);
    tick(w, 6000);
    w->out_number++;   /* a gap */
    pong(w);
    assert_false(state_of(w).linked);
    tick(w, 0);
    assert_int_equal(w->n_hellos, 1);
}

/* LINK-4 */
static void test_silence(void **state)
{
    struct world *w = *state;
    size_t pings = w->n_pings;
    tick(w, 5000);
    assert_int_equal(w->n_pings, pings + 1);
    pong(w);
    for (unsigned i = 0; i < 14; i++) {
        tick(w, 1000);
    }
    assert_true(state_of(w).linked);
    tick(w, 1000);
    assert_false(state_of(w).linked);
    /* back-off doubles: no flood of hellos */
    for (unsigned i = 0; i < 600; i++) {
        tick(w, 1000);
    }
    assert_in_range(w->n_hellos, 8, 30);
    assert_int_equal(w->mono_ms - state_of(w).last_frame_ms, 615 * SECOND);   /* what status says of a link that is down */
    w->n_hellos = 0;
    link_up(w);
    assert_true(state_of(w).linked);
}

/* LINK-4: behind another connection there may be another broker: it is asked at once. Without a session there is nothing to ask. */
static void test_anew(void **state)
{
    struct world *w = *state;
    const size_t pings = w->n_pings;
    struct tmx_node_event ev = world_event(w, TMX_NODE_LINK_ANEW);
    turn(w, &ev, 1);
    assert_int_equal(w->n_pings, pings + 1);
    pong(w);
    assert_true(state_of(w).linked);
    for (unsigned i = 0; i < 15; i++) {
        tick(w, 1000);
    }
    assert_false(state_of(w).linked);
    w->n_pings = 0;
    ev = world_event(w, TMX_NODE_LINK_ANEW);
    turn(w, &ev, 1);
    assert_int_equal(w->n_pings, 0);
}

/* LINK-5, LINK-6, LINK-7: a head or a leaf that does not prove itself ends the trust in this broker. */
static void test_distrust(void **state)
{
    static const enum bend bends[] = { BEND_SIGNATURE, BEND_CONSISTENCY, BEND_PATH };
    static const char *const events[] = { "log.head-wrong", "log.head-wrong", "log.inclusion-wrong" };
    static const int verdicts[] = { TMX_VERDICT_UNSIGNED, TMX_VERDICT_UNPROVED, TMX_VERDICT_UNPROVED };
    for (size_t i = 0; i < TMX_N(bends); i++) {
        void *fresh;
        world_setup(&fresh);
        struct world *w = fresh;
        uint64_t size = state_of(w).head_size;
        uint64_t index = leaf_body(w, TMX__ENTRY_KIND__ENTRY_PREKEYS, w->prekeys, "DE", 0, 0, 0);
        w->bend = bends[i];
        feed_one(w, index);
        assert_true(noticed(w, events[i]));
        assert_true(state_of(w).distrust);
        assert_int_equal(state_of(w).alarm_rows, 1);
        assert_true(state_of(w).head_size == size || bends[i] == BEND_PATH);
        for (unsigned k = 0; k < 100; k++) {
            tick(w, 1000);
        }
        assert_int_equal(w->n_hellos, 0);
        assert_int_equal(verdict_of(w), verdicts[i]);
        node_restart(w);
        assert_int_equal(verdict_of(w), verdicts[i]);
        tick(w, 100000);
        assert_int_equal(w->n_hellos, 0);   /* until an operator acted */
        assert_int_equal(operate(w, 0, TMX_ACTION_TRUST, NULL), TMX_OPERATION_OK);
        assert_int_equal(w->n_hellos, 1);
        world_teardown(&fresh);
    }
    (void)state;
}

/* LINK-6: a head that does not lead from ours opens a new session. */
static void test_stale_head(void **state)
{
    struct world *w = *state;
    leaf_body(w, TMX__ENTRY_KIND__ENTRY_PREKEYS, w->prekeys, "DE", 0, 0, 0);
    uint64_t index = leaf_body(w, TMX__ENTRY_KIND__ENTRY_PREKEYS, w->prekeys, "DE", 0, 0, 0);
    w->head_sent--;
    feed_one(w, index);
    assert_false(state_of(w).linked);
    assert_false(state_of(w).distrust);
}

/* FEED-2 */
static void test_feed_ack(void **state)
{
    struct world *w = *state;
    assert_int_equal(w->acked, w->n_entries);
    node_restart(w);
    w->n_hellos = 0;
    tick(w, 0);
    assert_int_equal(w->hello_feed_next, w->n_entries);
}

/* FEED-6: a broker that would begin the feed behind what this node has read is not listened to. */
static void test_feed_gap(void **state)
{
    struct world *w = *state;
    bye(w, TMX_CODE_BAD_SESSION);
    for (unsigned i = 0; w->n_hellos == 0 && i < 200; i++) {
        tick(w, 500);
    }
    w->feed_next = w->hello_feed_next + 1;
    w->n_hellos = 0;
    welcome(w);
    assert_true(noticed(w, "link.feed-gap"));
    assert_false(state_of(w).linked);
    link_up(w);
    assert_true(state_of(w).linked);
}

/* DIR-4, DIR-6, DIR-8 */
static void test_directory(void **state)
{
    struct world *w = *state;
    submit_ok(w, "a", "", 0, NULL);
    assert_int_equal(w->n_submits, 1);
    w->federation.serial = 2;
    federation_sign(&w->federation);
    pong(w);   /* it tells of serial 2 */
    assert_true(noticed(w, "directory.behind"));
    assert_true(state_of(w).directory_behind);
    submit_ok(w, "b", "", 0, NULL);
    deliver_message(w, compose(w, false, 0));
    tick(w, 11000);
    pong(w);
    assert_int_equal(w->n_submits, 1);   /* nothing is released, not even again */
    assert_int_equal(w->n_reports, 0);
    directory_push(w);
    assert_false(state_of(w).directory_behind);
    assert_true(w->n_submits >= 3);
    assert_int_equal(header_of(w, w->submits[w->n_submits - 1].item)->directory_serial, 2);
    w->federation.serial = 1;
    federation_sign(&w->federation);
    directory_push(w);
    assert_int_equal(state_of(w).directory_serial, 2);
    node_restart(w);
    assert_int_equal(state_of(w).directory_serial, 2);
}

/* DIR-5 */
static void test_directory_expired(void **state)
{
    struct world *w = *state;
    struct fake_message *m = compose(w, false, 0);
    w->federation.serial = 2;
    w->federation.expires_ms = w->wall_ms + 1000;
    federation_sign(&w->federation);
    directory_push(w);
    tick(w, 2000);
    submit_ok(w, "a", "", 0, NULL);
    assert_int_equal(w->n_submits, 0);
    deliver_message(w, m);   /* deliveries and reports go on */
    assert_int_equal(w->n_reports, 1);
}

/* DIR-7 */
static void test_suspended(void **state)
{
    struct world *w = *state;
    federation_find(&w->federation, "DE")->status = TMX__MEMBER_STATUS__MEMBER_SUSPENDED;
    w->federation.serial = 2;
    federation_sign(&w->federation);
    directory_push(w);
    Tmx__SubmitRequest s = submission("a", "CH");
    assert_int_equal(submit(w, &s, "x"), TMX_CODE_MEMBER_SUSPENDED);
    uint64_t index = deliver_message(w, compose(w, false, 0));
    assert_int_equal(w->n_reports, 1);
    log_report(w, index);
    assert_non_null(lease(w, 0, 0));
}

/* KEY-1, KEY-5, BAT-2 */
static void test_prekeys(void **state)
{
    struct world *w = *state;
    Tmx__Signed *s;
    Tmx__PrekeySet *set;
    struct tmx_signature first, second;
    assert_int_equal(tmx_signed_parse(w->prekeys, &w->arena, &s, &first), TMX_CODE_OK);
    assert_int_equal(tmx_prekeys_parse(tmx_pb(s->body), &w->arena, &set), TMX_CODE_OK);
    assert_int_equal(set->set_serial, 1);
    assert_int_equal(set->n_keys, 30);
    assert_in_range(first.batch_no, START_MS * 1000, START_MS * 1000 + 1000);
    for (unsigned i = 0; i < 14; i++) {
        w->wall_ms += DAY_MS;
        w->mono_ms += DAY_MS;
        link_up(w);
    }
    assert_int_equal(w->n_publishes, 1);
    w->wall_ms += 2 * DAY_MS;
    w->mono_ms += 2 * DAY_MS;
    link_up(w);
    assert_int_equal(w->n_publishes, 2);
    assert_int_equal(tmx_signed_parse(w->prekeys, &w->arena, &s, &second), TMX_CODE_OK);
    assert_int_equal(tmx_prekeys_parse(tmx_pb(s->body), &w->arena, &set), TMX_CODE_OK);
    assert_int_equal(set->set_serial, 2);
    assert_in_range(set->n_keys, 30, 62);
    assert_true(set->keys[set->n_keys - 1]->until_ms >= w->wall_ms + 29 * DAY_MS);
    assert_true(second.batch_no > first.batch_no);
    tick(w, 10000);
    assert_int_equal(w->n_publishes, 3);   /* until its leaf is verified */
    leaf_body(w, TMX__ENTRY_KIND__ENTRY_PREKEYS, w->prekeys, "DE", 0, 0, 0);
    feed_all(w);
    tick(w, 10000);
    assert_int_equal(w->n_publishes, 3);
    /* a message to a key of the first set, its day over, is opened */
    assert_true(w->n_reports == 0);
    deliver_message(w, compose(w, false, 0));
    assert_int_equal(w->n_reports, 1);
    w->wall_ms += 70 * DAY_MS;
    w->mono_ms += 70 * DAY_MS;
    link_up(w);
    deliver_message(w, compose(w, false, 0));
    assert_true(noticed(w, "message.key-gone"));
}

/* KEY-3 */
static void test_last_resort(void **state)
{
    struct world *w = *state;
    uint8_t id[8];
    struct tmx_seal_outside outside;
    submit_ok(w, "a", "", 0, NULL);
    w->wall_ms += 31 * DAY_MS;   /* CH's key has ended */
    w->mono_ms += 31 * DAY_MS;
    link_up(w);
    submit_ok(w, "b", "", 0, NULL);
    assert_true(w->n_submits >= 2);
    assert_true(tmx_seal_parse(w->submits[0].container, &outside));
    tmx_seal_key_id(w->ch.prekey, id);
    assert_memory_equal(outside.slots, id, 8);
    assert_true(tmx_seal_parse(w->submits[w->n_submits - 1].container, &outside));
    tmx_seal_key_id(federation_find(&w->federation, "CH")->last_resort_public, id);
    assert_memory_equal(outside.slots, id, 8);
    /* and who receives one under it is told */
    memcpy(w->de.prekey, federation_find(&w->federation, "DE")->last_resort_public, 32);
    deliver_message(w, compose(w, false, 0));
    assert_true(noticed(w, "prekeys.last-resort-used"));
    assert_int_equal(w->n_reports, 1);
}

/* A set that CH did not sign is not used. */
static void test_false_prekeys(void **state)
{
    struct world *w = *state;
    struct fake_frames f;
    struct tmx_seal_outside outside;
    uint8_t id[8];
    memcpy(w->it.me->code, "CH", 3);   /* IT signs as CH */
    w->it.set_serial = 7;
    fake_publish(&w->it, w->wall_ms, &f);
    memcpy(w->it.me->code, "IT", 3);
    feed_one(w, leaf_body(w, TMX__ENTRY_KIND__ENTRY_PREKEYS, f.frame[1], "CH", 0, 0, 0));
    assert_true(noticed(w, "prekeys.unusable"));
    submit_ok(w, "a", "", 0, NULL);
    assert_true(tmx_seal_parse(w->submits[0].container, &outside));
    tmx_seal_key_id(w->ch.prekey, id);
    assert_memory_equal(outside.slots, id, 8);
}

/* LINK-11 */
static void test_resend(void **state)
{
    struct world *w = *state;
    submit_ok(w, "a", "", 0, NULL);
    assert_int_equal(w->n_submits, 1);
    tick(w, 9000);
    pong(w);
    assert_int_equal(w->n_submits, 1);
    tick(w, 1000);
    assert_int_equal(w->n_submits, 2);
    assert_true(tmx_bytes_eq(w->submits[0].item, w->submits[1].item));   /* SEAL-3, ENV-3 */
    assert_true(tmx_bytes_eq(w->submits[0].container, w->submits[1].container));
    tick(w, 6000);
    bye(w, TMX_CODE_BAD_SESSION);
    tick(w, 0);
    link_up(w);
    assert_int_equal(w->n_submits, 3);
    node_restart(w);
    link_up(w);
    assert_int_equal(w->n_submits, 4);
    assert_true(tmx_bytes_eq(w->submits[0].item, w->submits[3].item));
    accept_submit(w, 0);
    tick(w, 10000);
    assert_int_equal(w->n_submits, 4);
}

static void test_deferred(void **state)
{
    struct world *w = *state;
    uint8_t id[TMX_ID_SIZE];
    submit_ok(w, "a", "", 0, id);
    Tmx__Deferred body = TMX__DEFERRED__INIT;
    Tmx__Link link = TMX__LINK__INIT;
    body.message_id = tmx_to_pb(TMX_BYTES_OF(id));
    body.code = TMX_CODE_DISK_FULL;
    body.retry_ms = 3000;
    link.body_case = TMX__LINK__BODY_DEFERRED;
    link.deferred = &body;
    say(w, &link, NULL, 0);
    tick(w, 2000);
    assert_int_equal(w->n_submits, 1);
    tick(w, 1000);
    assert_int_equal(w->n_submits, 2);
    assert_true(tmx_bytes_eq(w->submits[0].item, w->submits[1].item));
}

/* The clock: nothing is signed and nothing expires while it is in doubt. */
static void test_clock(void **state)
{
    struct world *w = *state;
    uint64_t index = deliver_message(w, compose(w, false, 0));
    log_report(w, index);
    w->wall_ms += 2 * DAY_MS;   /* it jumps past the message's expiry; the broker's does not */
    w->clock_ms = -(int64_t)(2 * DAY_MS);
    tick(w, 1000);
    assert_true(state_of(w).clock_doubt);
    assert_int_equal(w->n_reports, 1);
    submit_ok(w, "a", "", 0, NULL);
    assert_int_equal(w->n_submits, 0);
    w->wall_ms -= 2 * DAY_MS;
    w->clock_ms = 0;
    tick(w, 1000);
    assert_false(state_of(w).clock_doubt);
    /* across a restart: in doubt until the broker says the same */
    w->wall_ms += 2 * DAY_MS;
    node_restart(w);
    tick(w, 0);
    assert_true(state_of(w).clock_doubt);
    assert_int_equal(w->n_reports, 1);
    link_up(w);
    tick(w, 0);
    assert_false(state_of(w).clock_doubt);
    assert_int_equal(report_of(w, w->reports[w->n_reports - 1].item)->outcome, TMX__OUTCOME__OUTCOME_EXPIRED);
    /* as far away as a number can be */
    w->clock_ms = INT64_MIN;
    link_up(w);
    tick(w, 0);
    assert_true(state_of(w).clock_doubt);
}

/* LINK-2: a broker of another version says so: an alarm that says what is wrong, and no flood of hellos. */
static void test_other_version(void **state)
{
    struct world *w = *state;
    size_t hellos = w->n_hellos;
    struct tmx_node_event tick_event = world_event(w, TMX_NODE_TICK);
    turn(w, &tick_event, 1);
    assert_int_equal(w->n_hellos, hellos + 1);
    w->session = 0;
    bye(w, TMX_CODE_BAD_VERSION);
    assert_true(noticed(w, "link.version"));
    assert_int_equal(w->out.notices[0].number, 2);
    assert_true(w->out.notices[0].alarm);
    assert_false(state_of(w).linked);
    tick(w, 700);   /* the shortest back-off is 750 ms */
    assert_int_equal(w->n_hellos, hellos + 1);
    tick(w, 800);
    assert_int_equal(w->n_hellos, hellos + 2);
}

/* LINK-2: a node that stops says so last, and opens no session any more; what waits here waits for the next start. */
static void test_stop(void **state)
{
    struct world *w = *state;
    uint8_t id[TMX_ID_SIZE];
    submit_ok(w, "a", "", 0, id);
    assert_int_equal(w->n_submits, 1);
    size_t hellos = w->n_hellos;
    struct tmx_node_event events[] = { world_event(w, TMX_NODE_TICK), world_event(w, TMX_NODE_STOP) };
    turn(w, events, TMX_N(events));
    assert_int_equal(w->n_byes, 1);
    assert_false(state_of(w).linked);
    assert_int_equal(w->out.n_notices, 0);   /* nothing was lost */
    w->mono_ms += 3600 * SECOND;
    turn(w, &events[1], 1);   /* there is no session any more to say it in */
    tick(w, 3600 * SECOND);
    assert_int_equal(w->n_byes, 1);
    assert_int_equal(w->n_hellos, hellos);
    node_restart(w);
    link_up(w);
    assert_int_equal(w->n_submits, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_hello, world_setup_offline, world_teardown),
        cmocka_unit_test_setup_teardown(test_numbers, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_silence, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_anew, world_setup, world_teardown),
        cmocka_unit_test(test_distrust),
        cmocka_unit_test_setup_teardown(test_stale_head, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_feed_ack, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_feed_gap, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_directory, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_directory_expired, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_suspended, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_prekeys, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_last_resort, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_false_prekeys, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_resend, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_deferred, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_clock, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_other_version, world_setup_offline, world_teardown),
        cmocka_unit_test_setup_teardown(test_stop, world_setup, world_teardown),
    };
    return cmocka_run_group_tests_name("node-link", tests, NULL, NULL);
}
