/* SPDX-License-Identifier: Apache-2.0
 * The broker's core before members that do what no honest one does, and when things meet in one turn. Most of this
 * was found by fuzzing (tests/fuzz/fuzz-broker.c).
 */
#include "broker_world.h"

/* A clock that a member claims counts for what it is, also as far away as a number can be. QUE-12 */
static void test_clock_of_a_member(void **state)
{
    struct world *w = *state;
    struct fake_frames f;
    w->wall_ms += HOUR_MS;
    EC->wall_ms = 1ull << 63;
    fake_hello(EC, &f);
    say(w, EC, &f);
    for (size_t i = 0; i < 3; i++) {
        fake_ping(&w->node[i], w->wall_ms + (1ull << 63), &f);
        say(w, &w->node[i], &f);
    }
    compose(w, IT, DE);
    submit(w, IT);
    assert_int_equal(IT->deferred_code, TMX_CODE_CLOCK);
    for (size_t i = 0; i < 3; i++) {
        fake_ping(&w->node[i], w->wall_ms, &f);
        say(w, &w->node[i], &f);
    }
    submit(w, IT);
    last_leaf(IT, TMX__ENTRY_KIND__ENTRY_ACCEPTANCE);
}

/* A directory that is installed in the turn of a hello comes after the welcome, which is the broker's number 1. LINK-3 */
static void test_directory_with_hello(void **state)
{
    struct world *w = *state;
    struct fake_frames f;
    fake_hello(IT, &f);
    struct tmx_broker_event events[2] = { event_of(w, TMX_BROKER_MESSAGE), event_of(w, TMX_BROKER_DIRECTORY) };
    events[0].member = TMX_LIT("IT");
    events[0].route = TMX_BYTES(&IT->route, 1);
    events[0].n_frames = f.n;
    events[0].frames = f.frame;
    w->federation.serial = 2;
    federation_sign(&w->federation);
    events[1].file = federation_file(&w->federation);
    uint64_t old = IT->session;
    turn(w, events, 2);
    assert_true(IT->session > old);
    assert_int_equal(IT->n_directories, 1);
    assert_int_equal(DE->n_directories, 1);
}

/* Large containers: what was pulled belongs to a header, and an id is decided once (LINK-10, ENV-1). */

static void chunk_say(struct world *w, struct fake_node *n, uint64_t offset)
{
    struct fake_frames f;
    Tmx__Chunk chunk = TMX__CHUNK__INIT;
    Tmx__Link link = TMX__LINK__INIT;
    size_t left = message.container_size - offset;
    struct tmx_bytes data = TMX_BYTES(message.container + offset, left < TMX_CHUNK_SIZE ? left : TMX_CHUNK_SIZE);
    chunk.message_id = message.header.message_id;
    chunk.offset = offset;
    link.body_case = TMX__LINK__BODY_CHUNK;
    link.chunk = &chunk;
    fake_link(n, &link, &data, 1, &f);
    say(w, n, &f);
}

static void compose_large(struct world *w, struct fake_node *from)
{
    fake_compose(from, &(struct fake_node *){ IT }, 1, "CD001C", w->wall_ms, 300000, &message);
}

static uint64_t rows(struct world *w, enum tmx_broker_table table)
{
    struct tmx_spool_stat stat;
    assert_int_equal(tmx_spool_stat(w->spool, &stat), 0);
    return stat.rows[table];
}

/* While a container is pulled, a small message comes under the same id: it is decided, and what was pulled is gone. */
static void test_small_under_an_id_being_pulled(void **state)
{
    struct world *w = *state;
    uint8_t id[TMX_ID_SIZE];
    compose_large(w, DE);
    submit(w, DE);
    chunk_say(w, DE, 0);
    assert_int_equal(rows(w, TMX_T_STAGE), 2);
    memcpy(id, message.id, sizeof(id));
    DE->seq[3] = 0;
    compose(w, DE, IT);
    memcpy(message.id, id, sizeof(id));
    submit(w, DE);
    last_leaf(DE, TMX__ENTRY_KIND__ENTRY_ACCEPTANCE);
    assert_int_equal(rows(w, TMX_T_STAGE), 0);
    assert_int_equal(rows(w, TMX_T_CONTAINER), 1);
    compose_large(w, DE);
    memcpy(message.id, id, sizeof(id));
    chunk_say(w, DE, TMX_CHUNK_SIZE);   /* late, of what was given up */
    assert_int_equal(rows(w, TMX_T_CONTAINER), 1);
}

/* The same container is pulled and then comes whole, in one frame. */
static void test_whole_while_being_pulled(void **state)
{
    struct world *w = *state;
    compose_large(w, DE);
    submit(w, DE);
    chunk_say(w, DE, 0);
    struct fake_frames f;
    struct tmx_bytes payload[2] = { fake_sign(DE, &message.header), TMX_BYTES(message.container, message.container_size) };
    Tmx__Submit body = TMX__SUBMIT__INIT;
    Tmx__Link link = TMX__LINK__INIT;
    body.items = 1;
    link.body_case = TMX__LINK__BODY_SUBMIT;
    link.submit = &body;
    fake_link(DE, &link, payload, 2, &f);
    say(w, DE, &f);
    last_leaf(DE, TMX__ENTRY_KIND__ENTRY_ACCEPTANCE);
    assert_int_equal(rows(w, TMX_T_STAGE), 0);
    assert_int_equal(rows(w, TMX_T_CONTAINER), 2);
}

/* Somebody else's message under that id waits: what is pulled for the first is not lost to it. QUE-10 */
static void test_id_being_pulled_from_another(void **state)
{
    struct world *w = *state;
    uint8_t id[TMX_ID_SIZE];
    compose_large(w, DE);
    submit(w, DE);
    chunk_say(w, DE, 0);
    memcpy(id, message.id, sizeof(id));
    compose(w, CH, IT);
    memcpy(message.id, id, sizeof(id));
    submit(w, CH);
    assert_int_equal(CH->deferred_code, TMX_CODE_BUSY);
    assert_int_equal(rows(w, TMX_T_STAGE), 2);
    assert_int_equal(rows(w, TMX_T_CONTAINER), 1);
}

/* What was pulled before a restart and is never asked for again does not stay for ever. */
static void test_given_up_across_a_restart(void **state)
{
    struct world *w = *state;
    compose_large(w, DE);
    submit(w, DE);
    chunk_say(w, DE, 0);
    restart(w);
    hello(w, DE);
    tick(w, 61000);
    hello(w, DE);
    DE->seq[3] = 0;
    compose_large(w, DE);
    submit(w, DE);
    assert_int_equal(rows(w, TMX_T_STAGE), 2);
    assert_int_equal(rows(w, TMX_T_CONTAINER), 0);
    chunk_say(w, DE, 0);
    chunk_say(w, DE, TMX_CHUNK_SIZE);
    last_leaf(DE, TMX__ENTRY_KIND__ENTRY_ACCEPTANCE);
    assert_int_equal(rows(w, TMX_T_STAGE), 0);
}

/* In a shard that follows another a member claims for a message, sent as resubmission, a head this log never had: it is
 * refused, or the leaf would speak against the broker. DESIGN 7, LOG-6 */
static void test_false_head_in_a_resubmission(void **state)
{
    struct world *w = *state;
    struct fake_frames f;
    uint8_t before[TMX_CHECKPOINT_MAX];
    struct tmx_bytes head = tmx_broker_checkpoint(w->broker);
    memcpy(before, head.data, head.size);
    w->broker = tmx_broker_free(w->broker);
    tmx_spool_close(w->spool);
    assert_int_equal(tmx_spool_ram_new(&w->spool), 0);
    federation_new_shard(&w->federation, "2026b");
    struct tmx_broker_config c = { .shard = w->federation.shard,
                                   .log_secret = w->federation.log_secret,
                                   .authority = w->federation.authority,
                                   .generation = 2,
                                   .queue_max = 100,
                                   .directory = federation_file(&w->federation),
                                   .previous_checkpoint = TMX_BYTES(before, head.size) };
    memcpy(c.log_public, w->federation.log_public, sizeof(c.log_public));
    assert_int_equal(tmx_broker_new(w->spool, &c, w->mono_ms, w->wall_ms * 1000, &w->broker), 0);
    for (size_t i = 0; i < 4; i++) {
        w->node[i].head = (struct tmx_checkpoint){ .size = 0 };
        w->node[i].feed_next = 0;
        join(w, &w->node[i]);
    }
    Tmx__Submit body = TMX__SUBMIT__INIT;
    Tmx__Link link = TMX__LINK__INIT;
    body.items = 1;
    body.resubmission = true;
    link.body_case = TMX__LINK__BODY_SUBMIT;
    link.submit = &body;
    for (unsigned i = 0; i < 2; i++) {
        compose(w, DE, IT);
        message.seen_root.b[0] ^= i == 0 ? 1 : 0;
        struct tmx_bytes payload[2] = { fake_sign(DE, &message.header),
                                        TMX_BYTES(message.container, message.container_size) };
        link.session = link.number = 0;
        fake_link(DE, &link, payload, 2, &f);
        say(w, DE, &f);
        if (i == 0) {
            assert_int_equal(last_leaf(DE, TMX__ENTRY_KIND__ENTRY_REFUSAL)->code, TMX_CODE_BAD_HEAD);
        }
    }
    last_leaf(DE, TMX__ENTRY_KIND__ENTRY_RESUBMISSION);
}

/* An id whose numbers a refusal consumed is known: no other header is accepted or refused under it again, or the log
 * would hold two verdicts on one message. ENV-1, LOG-6 */
static void test_id_of_a_refused_message(void **state)
{
    struct world *w = *state;
    uint8_t id[TMX_ID_SIZE];
    compose(w, DE, IT);
    memcpy(id, message.id, sizeof(id));
    message.header.container_bytes++;
    submit(w, DE);
    const struct fake_leaf *refusal = last_leaf(DE, TMX__ENTRY_KIND__ENTRY_REFUSAL);
    assert_int_equal(refusal->code, TMX_CODE_CONTAINER_MISMATCH);
    assert_int_equal(refusal->number, 1);
    compose(w, DE, IT);
    memcpy(message.id, id, sizeof(id));
    submit(w, DE);
    refusal = last_leaf(DE, TMX__ENTRY_KIND__ENTRY_REFUSAL);
    assert_int_equal(refusal->code, TMX_CODE_SAME_ID_OTHER_BYTES);
    assert_int_equal(refusal->number, 0);
    compose(w, CH, IT);   /* another sender's message is another message */
    memcpy(message.id, id, sizeof(id));
    submit(w, CH);
    last_leaf(CH, TMX__ENTRY_KIND__ENTRY_ACCEPTANCE);
}

/* The same for a container that was being pulled when the other header under its id was refused. */
static void test_id_refused_while_being_pulled(void **state)
{
    struct world *w = *state;
    static uint8_t container[400000];
    uint8_t id[TMX_ID_SIZE];
    compose_large(w, DE);
    memcpy(id, message.id, sizeof(id));
    submit(w, DE);
    chunk_say(w, DE, 0);
    size_t size = message.container_size;
    memcpy(container, message.container, size);
    compose(w, DE, CH);
    memcpy(message.id, id, sizeof(id));
    message.header.container_bytes++;
    submit(w, DE);
    assert_int_equal(last_leaf(DE, TMX__ENTRY_KIND__ENTRY_REFUSAL)->code, TMX_CODE_CONTAINER_MISMATCH);
    message.container_size = size;
    memcpy(message.container, container, size);
    chunk_say(w, DE, TMX_CHUNK_SIZE);
    assert_int_equal(last_leaf(DE, TMX__ENTRY_KIND__ENTRY_REFUSAL)->code, TMX_CODE_SAME_ID_OTHER_BYTES);
    assert_int_equal(rows(w, TMX_T_STAGE), 0);
    assert_int_equal(rows(w, TMX_T_CONTAINER), 0);
}

/* A shard without predecessor knows no acceptance of another shard: a report that names one does not count. REP-1 */
static void test_report_of_another_shard(void **state)
{
    struct world *w = *state;
    compose(w, DE, IT);
    submit(w, DE);
    char shard[sizeof(w->federation.shard)];
    memcpy(shard, w->federation.shard, sizeof(shard));
    memcpy(w->federation.shard, "2025z", 6);
    struct fake_frames f;
    fake_report(IT, &IT->received[0], TMX__OUTCOME__OUTCOME_COA, 0, w->wall_ms, &f);
    memcpy(w->federation.shard, shard, sizeof(shard));
    say(w, IT, &f);
    assert_int_equal(last_leaf(IT, TMX__ENTRY_KIND__ENTRY_REFUSAL)->code, TMX_CODE_BAD_REPORT);
    report(w, IT, &IT->received[0], TMX__OUTCOME__OUTCOME_COA, 0);
    last_leaf(IT, TMX__ENTRY_KIND__ENTRY_REPORT);
}

/* What one member has refused fills the log only so fast, and none of it is lost. QUE-3 */
static void test_many_refusals(void **state)
{
    struct world *w = *state;
    compose(w, DE, IT);
    submit(w, DE);
    uint8_t id[TMX_ID_SIZE];
    memcpy(id, message.id, sizeof(id));
    uint64_t size = tmx_broker_log_size(w->broker);
    for (unsigned i = 0; i < TMX_REFUSALS_BURST; i++) {
        compose(w, DE, IT);
        DE->seq[3]--;
        memcpy(message.id, id, sizeof(id));
        submit(w, DE);
        struct fake_frames f;
        fake_feed_ack(DE, &f);
        say(w, DE, &f);
        DE->n_leaves = 0;
    }
    assert_int_equal(tmx_broker_log_size(w->broker), size + TMX_REFUSALS_BURST);
    compose(w, DE, IT);
    DE->seq[3]--;
    memcpy(message.id, id, sizeof(id));
    submit(w, DE);
    assert_int_equal(tmx_broker_log_size(w->broker), size + TMX_REFUSALS_BURST);
    assert_int_equal(DE->deferred_code, TMX_CODE_BUSY);
    tick(w, 1000);
    submit(w, DE);
    assert_int_equal(last_leaf(DE, TMX__ENTRY_KIND__ENTRY_REFUSAL)->code, TMX_CODE_SAME_ID_OTHER_BYTES);
    assert_int_equal(tmx_broker_log_size(w->broker), size + TMX_REFUSALS_BURST + 1);
    compose(w, CH, IT);   /* nobody else notices */
    submit(w, CH);
    last_leaf(CH, TMX__ENTRY_KIND__ENTRY_ACCEPTANCE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_clock_of_a_member, setup, teardown),
        cmocka_unit_test_setup_teardown(test_directory_with_hello, setup, teardown),
        cmocka_unit_test_setup_teardown(test_small_under_an_id_being_pulled, setup, teardown),
        cmocka_unit_test_setup_teardown(test_whole_while_being_pulled, setup, teardown),
        cmocka_unit_test_setup_teardown(test_id_being_pulled_from_another, setup, teardown),
        cmocka_unit_test_setup_teardown(test_given_up_across_a_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(test_false_head_in_a_resubmission, setup, teardown),
        cmocka_unit_test_setup_teardown(test_id_of_a_refused_message, setup, teardown),
        cmocka_unit_test_setup_teardown(test_id_refused_while_being_pulled, setup, teardown),
        cmocka_unit_test_setup_teardown(test_report_of_another_shard, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_refusals, setup, teardown),
    };
    return cmocka_run_group_tests_name("broker-hostile", tests, NULL, NULL);
}
