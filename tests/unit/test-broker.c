/* SPDX-License-Identifier: Apache-2.0
 * The broker's core on a RAM spool, with small nodes that build frames by the specification (harness/fake_member.h).
 */
#include "broker_world.h"

/* QUE-1, QUE-2, LINK-2, LINK-3, LINK-6, LINK-7, FEED-1, LOG-1, LOG-2, KEY-1, REP-1, REP-2 */
static void test_life_of_a_message(void **state)
{
    struct world *w = *state;
    compose(w, DE, IT);
    submit(w, DE);
    const struct fake_leaf *accepted = last_leaf(DE, TMX__ENTRY_KIND__ENTRY_ACCEPTANCE);
    assert_int_equal(IT->n_received, 1);
    const struct fake_received *r = &IT->received[0];
    assert_int_equal(r->index, accepted->index);
    assert_memory_equal(r->container, message.container, message.container_size);
    assert_int_equal(state_of(w, message.id, IT), TMX_DELIVERY_QUEUED);

    report(w, IT, r, TMX__OUTCOME__OUTCOME_COA, 0);
    assert_int_equal(state_of(w, message.id, IT), TMX_DELIVERY_ARRIVED);
    last_leaf(IT, TMX__ENTRY_KIND__ENTRY_REPORT);
    last_leaf(DE, TMX__ENTRY_KIND__ENTRY_REPORT);
    uint8_t key[TMX_ID_SIZE + 4] = { 0 };
    memcpy(key, message.id, TMX_ID_SIZE);
    struct tmx_bytes value;   /* QUE-8 */
    assert_int_equal(tmx_spool_get(w->spool, TMX_T_CONTAINER, TMX_BYTES_OF(key), &value), TMX_SPOOL_OK);

    report(w, IT, r, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);
    assert_int_equal(state_of(w, message.id, IT), TMX_DELIVERY_DELIVERED);
    assert_int_equal(DE->leaves[DE->n_leaves - 1].kind, TMX__ENTRY_KIND__ENTRY_REPORT);
    assert_int_equal(tmx_spool_get(w->spool, TMX_T_CONTAINER, TMX_BYTES_OF(key), &value), TMX_SPOOL_E_NONE);
}

/* Table of the section Reports: every report in every state. REP-1, REP-3 */
static void test_report_table(void **state)
{
    struct world *w = *state;
    static const struct {
        Tmx__Outcome first, then;
        unsigned code;                     /* refusal of `then`; 0 = accepted */
        enum tmx_delivery_state after;
    } rows[] = {
        { 0, TMX__OUTCOME__OUTCOME_COA, 0, TMX_DELIVERY_ARRIVED },
        { 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, TMX_CODE_BAD_REPORT, TMX_DELIVERY_QUEUED },
        { 0, TMX__OUTCOME__OUTCOME_COD_NEGATIVE, TMX_CODE_BAD_REPORT, TMX_DELIVERY_QUEUED },
        { 0, TMX__OUTCOME__OUTCOME_EXPIRED, TMX_CODE_BAD_REPORT, TMX_DELIVERY_QUEUED },
        { 0, TMX__OUTCOME__OUTCOME_COE, 0, TMX_DELIVERY_EXCEPTION },
        { TMX__OUTCOME__OUTCOME_COA, TMX__OUTCOME__OUTCOME_COA, TMX_CODE_BAD_REPORT, TMX_DELIVERY_ARRIVED },
        { TMX__OUTCOME__OUTCOME_COA, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0, TMX_DELIVERY_DELIVERED },
        { TMX__OUTCOME__OUTCOME_COA, TMX__OUTCOME__OUTCOME_COD_NEGATIVE, 0, TMX_DELIVERY_REFUSED },
        { TMX__OUTCOME__OUTCOME_COA, TMX__OUTCOME__OUTCOME_EXPIRED, 0, TMX_DELIVERY_EXPIRED },
        { TMX__OUTCOME__OUTCOME_COA, TMX__OUTCOME__OUTCOME_COE, TMX_CODE_BAD_REPORT, TMX_DELIVERY_ARRIVED },
        { TMX__OUTCOME__OUTCOME_COE, TMX__OUTCOME__OUTCOME_COA, TMX_CODE_OUTCOME_EXISTS, TMX_DELIVERY_EXCEPTION },
        { TMX__OUTCOME__OUTCOME_COE, TMX__OUTCOME__OUTCOME_COE, TMX_CODE_OUTCOME_EXISTS, TMX_DELIVERY_EXCEPTION },
    };
    for (size_t i = 0; i < TMX_N(rows); i++) {
        compose(w, DE, IT);
        submit(w, DE);
        const struct fake_received *r = &IT->received[IT->n_received - 1];
        if (rows[i].first != 0) {
            report(w, IT, r, rows[i].first, rows[i].first == TMX__OUTCOME__OUTCOME_COE ? TMX_CODE_CONTENT_INVALID : 0);
        }
        w->wall_ms += 7;   /* another report, not the same bytes */
        bool plain = rows[i].then == TMX__OUTCOME__OUTCOME_COA || rows[i].then == TMX__OUTCOME__OUTCOME_COD_POSITIVE;
        report(w, IT, r, rows[i].then, plain ? 0 : TMX_CODE_CONTENT_INVALID);
        if (rows[i].code != 0) {
            assert_int_equal(last_leaf(IT, TMX__ENTRY_KIND__ENTRY_REFUSAL)->code, rows[i].code);
        } else {
            last_leaf(IT, TMX__ENTRY_KIND__ENTRY_REPORT);
        }
        assert_int_equal(state_of(w, message.id, IT), rows[i].after);
    }
}

/* REP-1, LOG-6: a head that never was would make the log fail its audit; the delivery waits for a report that is true. */
static void test_report_of_false_head(void **state)
{
    struct world *w = *state;
    compose(w, DE, IT);
    submit(w, DE);
    const struct fake_received *r = &IT->received[0];
    IT->false_seen = true;
    report(w, IT, r, TMX__OUTCOME__OUTCOME_COA, 0);
    assert_int_equal(last_leaf(IT, TMX__ENTRY_KIND__ENTRY_REFUSAL)->code, TMX_CODE_BAD_HEAD);
    assert_int_equal(state_of(w, message.id, IT), TMX_DELIVERY_QUEUED);
    IT->false_seen = false;
    report(w, IT, r, TMX__OUTCOME__OUTCOME_COA, 0);
    assert_int_equal(state_of(w, message.id, IT), TMX_DELIVERY_ARRIVED);
}

/* QUE-4: the same bytes get the original acceptance, in this process and after a restart. */
static void test_duplicate(void **state)
{
    struct world *w = *state;
    compose(w, DE, IT);
    submit(w, DE);
    uint64_t index = last_leaf(DE, TMX__ENTRY_KIND__ENTRY_ACCEPTANCE)->index;
    uint64_t size = tmx_broker_log_size(w->broker);
    submit(w, DE);
    assert_int_equal(last_leaf(DE, TMX__ENTRY_KIND__ENTRY_ACCEPTANCE)->index, index);
    assert_int_equal(tmx_broker_log_size(w->broker), size);
    assert_int_equal(IT->n_received, 1);
    restart(w);
    hello(w, DE);
    submit(w, DE);
    assert_int_equal(last_leaf(DE, TMX__ENTRY_KIND__ENTRY_ACCEPTANCE)->index, index);
    assert_int_equal(tmx_broker_log_size(w->broker), size + 1);   /* the START leaf */
}

/* Rows of the admission table that refuse, and whether they consume the number. QUE-3, ENV-1, KEY-4 */
static void refused(struct world *w, unsigned code, bool consumed)
{
    uint64_t size = tmx_broker_log_size(w->broker);
    submit(w, DE);
    const struct fake_leaf *l = last_leaf(DE, TMX__ENTRY_KIND__ENTRY_REFUSAL);
    assert_int_equal(l->code, code);
    assert_int_equal(l->number, consumed ? 1 : 0);
    assert_int_equal(tmx_broker_log_size(w->broker), size + 1);
    if (!consumed) {
        DE->seq[3]--;
    }
    submit(w, DE);   /* the same refusal again, not another leaf */
    assert_int_equal(last_leaf(DE, TMX__ENTRY_KIND__ENTRY_REFUSAL)->index, l->index);
    assert_int_equal(tmx_broker_log_size(w->broker), size + 1);
}

static void test_refusals(void **state)
{
    struct world *w = *state;
    compose(w, DE, IT);
    submit(w, DE);
    uint8_t id[TMX_ID_SIZE];
    memcpy(id, message.id, sizeof(id));

    compose(w, DE, IT);
    memcpy(message.id, id, sizeof(id));
    uint64_t size = tmx_broker_log_size(w->broker);
    struct tmx_broker_event disk = event_of(w, TMX_BROKER_DISK);
    disk.disk_full = true;
    turn(w, &disk, 1);
    submit(w, DE);
    assert_int_equal(DE->deferred_code, TMX_CODE_DISK_FULL);   /* a refusal takes room, too */
    assert_int_equal(tmx_broker_log_size(w->broker), size);
    disk.disk_full = false;
    turn(w, &disk, 1);
    refused(w, TMX_CODE_SAME_ID_OTHER_BYTES, false);

    compose(w, DE, IT);
    message.recipient[0].seq = 1;
    refused(w, TMX_CODE_SEQUENCE_REUSED, false);

    compose(w, DE, IT);
    message.recipient[0].member = tmx_to_pb(TMX_LIT("FR"));
    refused(w, TMX_CODE_UNKNOWN_RECIPIENT, false);

    compose(w, DE, IT);
    message.container[message.container_size - 1] ^= 1;
    refused(w, TMX_CODE_CONTAINER_MISMATCH, true);

    compose(w, DE, IT);
    message.header.container_bytes--;
    refused(w, TMX_CODE_CONTAINER_MISMATCH, true);

    compose(w, DE, CH);   /* sealed to CH, addressed to IT */
    DE->seq[0]--;
    message.recipient[0].member = tmx_to_pb(TMX_LIT("IT"));
    message.recipient[0].seq = ++DE->seq[3];
    refused(w, TMX_CODE_BAD_SLOT, true);

    compose(w, DE, IT);
    message.header.sent_ms = w->wall_ms - 2 * HOUR_MS;
    message.header.expires_ms = w->wall_ms;
    refused(w, TMX_CODE_EXPIRED_ON_ARRIVAL, true);

    compose(w, DE, IT);
    message.header.sent_ms = w->wall_ms + HOUR_MS;
    message.header.expires_ms = w->wall_ms + HOUR_MS + TMX_EXPIRY_MAX_MS;
    refused(w, TMX_CODE_EXPIRY_TOO_FAR, true);

    compose(w, DE, IT);
    uint8_t root[32] = { 1 };
    message.seen.root = tmx_to_pb(TMX_BYTES_OF(root));
    refused(w, TMX_CODE_BAD_HEAD, true);

    compose(w, DE, IT);   /* and the next in order is accepted */
    submit(w, DE);
    last_leaf(DE, TMX__ENTRY_KIND__ENTRY_ACCEPTANCE);
}

/* Rows 1 and 2: counted, nothing logged. ENV-2, ENV-5, BAT-4, TRA-3 */
static void test_garbage_is_counted(void **state)
{
    struct world *w = *state;
    uint64_t size = tmx_broker_log_size(w->broker);
    struct tmx_broker_state_view before, after;
    tmx_broker_state(w->broker, &before);
    struct fake_frames f;

    compose(w, DE, IT);
    message.header.sender = tmx_to_pb(TMX_LIT("CH"));   /* forged sender */
    submit(w, DE);
    compose(w, DE, IT);
    DE->me->sign_secret[5] ^= 1;                        /* bad signature */
    submit(w, DE);
    DE->me->sign_secret[5] ^= 1;
    compose(w, DE, IT);
    message.header.priority = 10;                       /* breaks ENV-5 */
    submit(w, DE);

    compose(w, DE, IT);
    fake_submit(DE, &message, &f);
    uint8_t bent[4096];
    memcpy(bent, f.frame[1].data, f.frame[1].size);
    memcpy(bent + f.frame[1].size, "\xf8\x07\x01", 3);  /* an unknown field */
    f.frame[1] = TMX_BYTES(bent, f.frame[1].size + 3);
    say(w, DE, &f);
    fake_submit(DE, &message, &f);
    f.n = 2;                                            /* a frame is missing */
    say(w, DE, &f);
    fake_submit(DE, &message, &f);
    f.frame[0] = TMX_LIT("garbage");
    say(w, DE, &f);

    tmx_broker_state(w->broker, &after);
    assert_int_equal(after.malformed - before.malformed, 6);
    assert_int_equal(tmx_broker_log_size(w->broker), size);
}

/* Row 6 and 8: deferred, nothing consumed. DIR-5, QUE-12, LINK-9, LINK-11 */
static void test_deferred(void **state)
{
    struct world *w = *state;
    compose(w, DE, IT);
    message.recipient[0].seq = 2;
    submit(w, DE);
    assert_int_equal(DE->deferred_code, TMX_CODE_OUT_OF_ORDER);

    message.recipient[0].seq = 1;
    struct tmx_broker_event disk = event_of(w, TMX_BROKER_DISK);
    disk.disk_full = true;
    turn(w, &disk, 1);
    submit(w, DE);
    assert_int_equal(DE->deferred_code, TMX_CODE_DISK_FULL);
    assert_int_equal(DE->deferred_retry_ms, TMX_RETRY_STOPPED_MS);
    message.recipient[0].seq = 3;
    submit(w, DE);
    assert_int_equal(DE->deferred_code, TMX_CODE_OUT_OF_ORDER);   /* what is behind it need not come any sooner */
    assert_int_equal(DE->deferred_retry_ms, TMX_RETRY_STOPPED_MS);
    message.recipient[0].seq = 1;
    disk.disk_full = false;
    turn(w, &disk, 1);

    w->wall_ms += HOUR_MS;   /* the wall clock jumps, the monotonic one does not, and no member agrees */
    submit(w, DE);
    assert_int_equal(DE->deferred_code, TMX_CODE_CLOCK);
    w->wall_ms -= HOUR_MS;

    compose(w, DE, IT);
    DE->seq[3] = 1;
    message.recipient[0].seq = 1;
    message.header.directory_serial = 9;
    submit(w, DE);
    assert_int_equal(DE->deferred_code, TMX_CODE_DIRECTORY_BEHIND);

    message.header.directory_serial = 1;
    submit(w, DE);
    last_leaf(DE, TMX__ENTRY_KIND__ENTRY_ACCEPTANCE);
}

/* DIR-6, LINK-11: of a prekey set, too, the log holds no later serial than its own; the member says it again. */
static void test_prekeys_ahead(void **state)
{
    struct world *w = *state;
    struct fake_frames f;
    uint64_t size = tmx_broker_log_size(w->broker), serial = w->federation.serial;
    w->federation.serial = serial + 1;   /* the members have it; the broker does not */
    fake_publish(DE, w->wall_ms, &f);
    say(w, DE, &f);
    assert_int_equal(DE->deferred_code, TMX_CODE_DIRECTORY_BEHIND);
    assert_int_equal(tmx_broker_log_size(w->broker), size);

    w->federation.serial = serial;
    fake_publish(DE, w->wall_ms, &f);
    say(w, DE, &f);
    last_leaf(DE, TMX__ENTRY_KIND__ENTRY_PREKEYS);
    assert_int_equal(tmx_broker_log_size(w->broker), size + 1);
}

/* QUE-7, REP-3: the broker ends what nobody took; the CoA that comes later is answered with that leaf. */
static void test_expiry(void **state)
{
    struct world *w = *state;
    compose(w, DE, IT);
    message.header.expires_ms = w->wall_ms + 2000;
    submit(w, DE);
    tick(w, 1999);
    assert_int_equal(state_of(w, message.id, IT), TMX_DELIVERY_QUEUED);
    tick(w, 1);
    assert_int_equal(state_of(w, message.id, IT), TMX_DELIVERY_EXPIRED);
    last_leaf(DE, TMX__ENTRY_KIND__ENTRY_EXPIRED);
    uint64_t index = last_leaf(IT, TMX__ENTRY_KIND__ENTRY_EXPIRED)->index;
    report(w, IT, &IT->received[0], TMX__OUTCOME__OUTCOME_COA, 0);
    const struct fake_leaf *l = last_leaf(IT, TMX__ENTRY_KIND__ENTRY_REFUSAL);
    assert_int_equal(l->code, TMX_CODE_OUTCOME_EXISTS);
    Tmx__LogEntry *e;
    assert_int_equal(tmx_entry_parse(TMX_BYTES(l->entry, l->entry_size), &IT->arena, &e), TMX_CODE_OK);
    assert_int_equal(e->reference->index, index);
}

/* After CoA the broker never ends a delivery: QUE-7 */
static void test_no_expiry_after_coa(void **state)
{
    struct world *w = *state;
    compose(w, DE, IT);
    message.header.expires_ms = w->wall_ms + 2000;
    submit(w, DE);
    report(w, IT, &IT->received[0], TMX__OUTCOME__OUTCOME_COA, 0);
    tick(w, 5000);
    tick(w, 5000);
    assert_int_equal(state_of(w, message.id, IT), TMX_DELIVERY_ARRIVED);
}

static void label(uint8_t value)
{
    static uint8_t bytes[TMX_LABEL_SIZE];
    memset(bytes, value, sizeof(bytes));
    message.header.movement_label = tmx_to_pb(TMX_BYTES_OF(bytes));
}

/* QUE-6: one of a lane at a time, in order, at the lane's highest priority; lanes do not wait for each other. */
static void test_lanes(void **state)
{
    struct world *w = *state;
    hello(w, IT);
    uint8_t ids[4][TMX_ID_SIZE];
    static const struct {
        uint8_t lane, priority;
    } rows[4] = { { 1, 4 }, { 1, 9 }, { 2, 5 }, { 1, 0 } };
    for (int i = 0; i < 4; i++) {
        compose(w, DE, IT);
        label(rows[i].lane);
        message.header.priority = rows[i].priority;
        memcpy(ids[i], message.id, TMX_ID_SIZE);
        submit(w, DE);
    }
    struct fake_frames f;
    fake_credit(IT, 100, 1u << 20, &f);
    say(w, IT, &f);
    /* lane 1 runs at 9, lifted by its second message; then lane 2 */
    assert_int_equal(IT->n_received, 2);
    assert_memory_equal(IT->received[0].message_id, ids[0], TMX_ID_SIZE);
    assert_memory_equal(IT->received[1].message_id, ids[2], TMX_ID_SIZE);
    report(w, IT, &IT->received[0], TMX__OUTCOME__OUTCOME_COA, 0);
    assert_int_equal(IT->n_received, 3);
    assert_memory_equal(IT->received[2].message_id, ids[1], TMX_ID_SIZE);
    report(w, IT, &IT->received[2], TMX__OUTCOME__OUTCOME_COA, 0);
    assert_int_equal(IT->n_received, 4);
    assert_memory_equal(IT->received[3].message_id, ids[3], TMX_ID_SIZE);
}

/* QUE-1: several recipients, each with its own outcome; one bad recipient refuses all. */
static void test_several_recipients(void **state)
{
    struct world *w = *state;
    struct fake_node *to[3] = { CH, DE, IT };
    fake_compose(EC, to, 3, "CD071C", w->wall_ms, 300, &message);
    submit(w, EC);
    assert_int_equal(CH->n_received, 1);
    assert_int_equal(DE->n_received, 1);
    assert_int_equal(IT->n_received, 1);
    report(w, CH, &CH->received[0], TMX__OUTCOME__OUTCOME_COA, 0);
    report(w, DE, &DE->received[0], TMX__OUTCOME__OUTCOME_COE, TMX_CODE_CONTENT_INVALID);
    assert_int_equal(state_of(w, message.id, CH), TMX_DELIVERY_ARRIVED);
    assert_int_equal(state_of(w, message.id, DE), TMX_DELIVERY_EXCEPTION);
    assert_int_equal(state_of(w, message.id, IT), TMX_DELIVERY_QUEUED);

    fake_compose(EC, to, 3, "CD071C", w->wall_ms, 300, &message);
    message.recipient[1].member = tmx_to_pb(TMX_LIT("FR"));
    submit(w, EC);
    assert_int_equal(last_leaf(EC, TMX__ENTRY_KIND__ENTRY_REFUSAL)->code, TMX_CODE_UNKNOWN_RECIPIENT);
    assert_int_equal(CH->n_received, 1);
}

/* DIR-4, DIR-7, DIR-8, QUE-11, TRA-3 */
static void test_directory(void **state)
{
    struct world *w = *state;
    compose(w, DE, IT);
    submit(w, DE);
    struct tmx_broker_event ev = event_of(w, TMX_BROKER_DIRECTORY);
    federation_find(&w->federation, "DE")->status = TMX__MEMBER_STATUS__MEMBER_SUSPENDED;
    w->federation.serial = 2;
    federation_sign(&w->federation);
    ev.file = federation_file(&w->federation);
    turn(w, &ev, 1);
    assert_int_equal(w->directory_result, TMX_DIRECTORY_OK);
    assert_int_equal(IT->n_directories, 1);
    last_leaf(CH, TMX__ENTRY_KIND__ENTRY_DIRECTORY);
    compose(w, DE, IT);
    submit(w, DE);
    assert_int_equal(last_leaf(DE, TMX__ENTRY_KIND__ENTRY_REFUSAL)->code, TMX_CODE_MEMBER_SUSPENDED);
    compose(w, CH, DE);
    submit(w, CH);
    last_leaf(CH, TMX__ENTRY_KIND__ENTRY_ACCEPTANCE);
    assert_int_equal(DE->n_received, 0);

    federation_find(&w->federation, "IT")->status = TMX__MEMBER_STATUS__MEMBER_REVOKED;
    w->federation.serial = 3;
    federation_sign(&w->federation);
    ev.file = federation_file(&w->federation);
    turn(w, &ev, 1);
    assert_true(noticed(w, "link.revoked"));
    assert_int_equal(DE->leaves[DE->n_leaves - 1].code, TMX_CODE_RECIPIENT_REVOKED);
    size_t leaves = IT->n_leaves;
    struct fake_frames f;
    fake_ping(IT, w->wall_ms, &f);
    say(w, IT, &f);
    hello(w, IT);
    assert_int_equal(IT->n_leaves, leaves);

    w->federation.serial = 2;
    federation_sign(&w->federation);
    ev.file = federation_file(&w->federation);
    turn(w, &ev, 1);
    assert_int_equal(w->directory_result, TMX_DIRECTORY_E_SERIAL);
}

/* KEY-2: a key another member published. */
static void test_prekey_of_another(void **state)
{
    struct world *w = *state;
    struct fake_frames f;
    memcpy(CH->prekey, DE->prekey, sizeof(CH->prekey));
    fake_publish(CH, w->wall_ms, &f);
    say(w, CH, &f);
    assert_int_equal(last_leaf(CH, TMX__ENTRY_KIND__ENTRY_REFUSAL)->code, TMX_CODE_BAD_PREKEYS);
}

/* I9 and recovery: the counters of a destination survive a restart and add up. */
static void test_conservation(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 5; i++) {
        compose(w, DE, IT);
        submit(w, DE);
    }
    report(w, IT, &IT->received[0], TMX__OUTCOME__OUTCOME_COA, 0);
    report(w, IT, &IT->received[1], TMX__OUTCOME__OUTCOME_COA, 0);
    report(w, IT, &IT->received[1], TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);
    restart(w);
    struct tmx_broker_link_view v;
    assert_int_equal(tmx_broker_link(w->broker, TMX_LIT("IT"), &v), 0);
    assert_int_equal(v.destination.accepted, 5);
    assert_int_equal(v.destination.queued, 3);
    assert_int_equal(v.destination.arrived, 1);
    assert_int_equal(v.destination.terminal, 1);
    assert_int_equal(v.destination.queued_bytes, 3 * message.container_size);
    assert_true(v.oldest_ms >= START_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_life_of_a_message, setup, teardown),
        cmocka_unit_test_setup_teardown(test_report_table, setup, teardown),
        cmocka_unit_test_setup_teardown(test_report_of_false_head, setup, teardown),
        cmocka_unit_test_setup_teardown(test_duplicate, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
        cmocka_unit_test_setup_teardown(test_garbage_is_counted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_deferred, setup, teardown),
        cmocka_unit_test_setup_teardown(test_prekeys_ahead, setup, teardown),
        cmocka_unit_test_setup_teardown(test_expiry, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_expiry_after_coa, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lanes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_several_recipients, setup, teardown),
        cmocka_unit_test_setup_teardown(test_directory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_prekey_of_another, setup, teardown),
        cmocka_unit_test_setup_teardown(test_conservation, setup, teardown),
    };
    return cmocka_run_group_tests_name("broker", tests, NULL, NULL);
}
