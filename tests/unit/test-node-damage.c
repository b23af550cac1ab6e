/* SPDX-License-Identifier: Apache-2.0
 * Records that the disk damaged, at a node (NODE-16): it goes on, nothing else is touched, and what there is to do is done. Tables that
 * are not here are in the simulator's swarm, which damages rows of every one.
 */
#include <stdio.h>

#include "fake_broker.h"

/* The n-th row of the table is damaged; its key. */
static struct tmx_bytes damage(struct world *w, uint8_t table, unsigned n)
{
    static uint8_t key[TMX_KEY_MAX + 1];
    struct tmx_bytes found, value;
    size_t size = 1;
    key[0] = 0;
    for (unsigned i = 0; i <= n; i++) {
        assert_true(tmx_spool_seek(w->spool, table, TMX_BYTES(key, size), &found, &value) <= 0);   /* it may be damaged */
        memcpy(key, found.data, found.size);
        size = found.size;
        key[size++] = 0;
    }
    tmx_spool_ram_damage(w->spool, table, TMX_BYTES(key, size - 1));
    return TMX_BYTES(key, size - 1);
}

static uint64_t rows(struct world *w, uint8_t table)
{
    struct tmx_spool_stat stat;
    assert_int_equal(tmx_spool_stat(w->spool, &stat), 0);
    return stat.rows[table];
}

static struct tmx_node_damage_view damage_of(struct world *w)
{
    struct tmx_node_damage_view v;
    tmx_node_damage(w->node, &v);
    return v;
}

/* What is offered and cannot be opened any more is asked for again, and the one behind it is not kept waiting. */
static void offered(void **state, uint8_t table)
{
    struct world *w = *state;
    struct fake_message *m = compose(w, false, 0), *other = compose(w, false, 0);
    for (unsigned i = 0; i < 2; i++) {
        log_report(w, deliver_message(w, i == 0 ? m : other));
    }
    bool first = memcmp(m->id, other->id, TMX_ID_SIZE) < 0;
    damage(w, table, first ? 0 : 1);
    const Tmx__Leased *l = lease(w, 0, 0);
    assert_true(is(l, other));
    assert_true(noticed(w, "record.damaged"));
    assert_true(noticed(w, "message.spoilt"));
    assert_int_equal(damage_of(w).kept, 1);
    assert_true(damage_of(w).of_message);
    assert_memory_equal(damage_of(w).id, m->id, TMX_ID_SIZE);
    assert_int_equal(ack(w, l), TMX_CODE_OK);
    assert_null(lease(w, 0, 0));
    tick(w, 0);
    assert_int_equal(w->n_requests, 1);   /* of the broker, which has it until the outcome: QUE-8 */
    chunk(w, m, 0, m->container_size);
    assert_true(noticed(w, "message.recovered"));
    l = lease(w, 0, 0);
    assert_true(is(l, m));
    assert_int_equal(ack(w, l), TMX_CODE_OK);
    assert_int_equal(last_report(w)->outcome, TMX__OUTCOME__OUTCOME_COD_POSITIVE);
    assert_null(lease(w, 0, 0));
}

static void test_container_received(void **state) { offered(state, TMX_NT_IN_CONTAINER); }
static void test_info_received(void **state) { offered(state, TMX_NT_IN_INFO); }

/* The container is here and its key can be had from it: it comes with the container. */
static void test_content_key(void **state)
{
    struct world *w = *state;
    struct fake_message *m = compose(w, false, 0);
    log_report(w, deliver_message(w, m));
    damage(w, TMX_NT_ARCHIVE, 0);
    assert_null(lease(w, 0, 0));
    chunk(w, m, 0, m->container_size);
    assert_true(is(lease(w, 0, 0), m));
}

/* Told from its leaves and its place in the inbox, at every step of its life. */
static void test_row_received(void **state)
{
    struct world *w = *state;
    struct fake_message *m = compose(w, true, 0), *behind = compose(w, true, 1);
    uint64_t index = deliver_message(w, m);
    damage(w, TMX_NT_IN, 0);
    log_report(w, index);
    uint64_t later = deliver_message(w, behind);
    log_report(w, later);
    damage(w, TMX_NT_IN, memcmp(m->id, behind->id, TMX_ID_SIZE) < 0 ? 1 : 0);   /* it waits for the other one */
    const Tmx__Leased *l = lease(w, 60000, 0);
    assert_true(is(l, m));
    assert_null(lease(w, 0, 0));
    damage(w, TMX_NT_IN, memcmp(m->id, behind->id, TMX_ID_SIZE) < 0 ? 0 : 1);   /* its lease is here, not the lease's token */
    assert_int_equal(ack(w, l), TMX_CODE_NOT_LEASED);
    tick(w, 61000);
    link_up(w);
    l = lease(w, 0, 0);
    assert_true(is(l, m));
    assert_true(l->redelivered);
    assert_int_equal(ack(w, l), TMX_CODE_OK);
    log_report(w, index);
    damage(w, TMX_NT_IN, memcmp(m->id, behind->id, TMX_ID_SIZE) < 0 ? 0 : 1);
    assert_true(tmx_bytes_eq(tmx_pb(message(w, m->id)->deliveries[0]->state), TMX_LIT("delivered")));
    deliver(w, index, TMX_BYTES(m->container, m->container_size));   /* it is known, and not taken again */
    assert_true(is(lease(w, 0, 0), behind));
    assert_null(lease(w, 0, 0));
}

/* Without its acceptance, too, nothing could tell that it was here, and it would be taken twice: that stops the node. */
static void test_two_that_tell_each_other(void **state)
{
    struct world *w = *state;
    uint64_t index = deliver_message(w, compose(w, false, 0));
    damage(w, TMX_NT_IN, 0);
    damage(w, TMX_NT_EVIDENCE, 0);
    struct tmx_node_event ev = world_event(w, TMX_NODE_TICK);
    struct tmx_node_output out;
    (void)index;
    struct tmx_node_look look;
    uint8_t id[TMX_ID_SIZE];
    memcpy(id, damage(w, TMX_NT_IN, 0).data, sizeof(id));
    assert_false(tmx_node_look(w->node, id, &look));   /* a look writes nothing, and stops nothing */
    assert_int_equal(tmx_node_turn(w->node, &ev, 1, &out), -EBADMSG);
}

/* Its acceptance alone: it is read again from the log. */
static void test_acceptance(void **state)
{
    struct world *w = *state;
    struct fake_message *m = compose(w, false, 0);
    log_report(w, deliver_message(w, m));
    damage(w, TMX_NT_EVIDENCE, 0);
    assert_null(lease(w, 0, 0));
    assert_true(noticed(w, "rebuild.started"));
    w->welcome_acked = w->n_entries;
    link_up(w);
    assert_true(w->hello_complete);
    feed_all(w);
    assert_true(noticed(w, "rebuild.done"));
    const Tmx__Leased *l = lease(w, 0, 0);
    assert_true(is(l, m));
    assert_int_equal(ack(w, l), TMX_CODE_OK);
}

static const char *state_of_sent(struct world *w, const uint8_t *id)
{
    static char text[32];
    struct tmx_bytes b = tmx_pb(message(w, id)->deliveries[0]->state);
    snprintf(text, sizeof(text), "%.*s", (int)b.size, (const char *)b.data);
    return text;
}

/* Before it is sealed: it ends, its application is told, and the one behind it goes. */
static void waiting(void **state, uint8_t table)
{
    struct world *w = *state;
    uint8_t id[TMX_ID_SIZE], next[TMX_ID_SIZE];
    limits(w, 0);
    w->max_seq = 0;
    tick(w, 20 * SECOND);   /* no link: it waits */
    submit_ok(w, "a", "", 0, id);
    submit_ok(w, "b", "", 0, next);
    damage(w, table, memcmp(id, next, sizeof(id)) < 0 ? 0 : 1);
    w->max_seq = 10;
    link_up(w);
    tick(w, 0);
    assert_string_equal(state_of_sent(w, id), "rejected");
    assert_int_equal(step_of(message(w, id), "rejected")->code, TMX_CODE_RECORD_DAMAGED);
    assert_int_equal(w->n_submits, 1);
    Tmx__Header *h = header_of(w, w->submits[0].item);
    assert_memory_equal(h->message_id.data, next, sizeof(next));
    assert_int_equal(h->recipients[0]->seq, 1);
    assert_int_equal(rows(w, TMX_NT_OUT_WAIT) + rows(w, TMX_NT_OUT_PAYLOAD), 0);
}

static void test_payload(void **state) { waiting(state, TMX_NT_OUT_PAYLOAD); }
static void test_description(void **state) { waiting(state, TMX_NT_OUT_INFO); }

/* After it is sealed: it is submitted without its container, and the broker's refusal is its outcome. */
static void test_container_sent(void **state)
{
    struct world *w = *state;
    uint8_t id[TMX_ID_SIZE];
    submit_ok(w, "a", "", 0, id);
    damage(w, TMX_NT_OUT_CONTAINER, 0);
    tick(w, 11 * SECOND);   /* LINK-11: again */
    assert_int_equal(w->n_submits, 2);
    assert_int_equal(w->submits[1].container.size, 0);
    assert_true(tmx_bytes_eq(w->submits[0].item, w->submits[1].item));
    feed_one(w, leaf_body(w, TMX__ENTRY_KIND__ENTRY_REFUSAL, w->submits[1].item, "DE", TMX_CODE_CONTAINER_MISMATCH, 1, 0));
    assert_string_equal(state_of_sent(w, id), "rejected");
    submit_ok(w, "b", "", 0, NULL);
    assert_int_equal(header_of(w, w->submits[2].item)->recipients[0]->seq, 2);
}

/* A header that the broker may have: not before the log of a new session is read it is signed anew, the same but for that. */
static void test_header(void **state)
{
    struct world *w = *state;
    uint8_t id[TMX_ID_SIZE];
    submit_ok(w, "a", MRN, 0, id);
    damage(w, TMX_NT_OUT_SIGNED, 0);
    uint64_t index = accept_submit(w, 0);   /* it had it: from the leaf */
    assert_string_equal(state_of_sent(w, id), "accepted");
    damage(w, TMX_NT_OUT_SIGNED, 0);
    feed_one(w, index);                      /* again, and again from the leaf that is kept */
    assert_int_equal(rows(w, TMX_NT_OUT_SIGNED), 1);

    submit_ok(w, "b", MRN, 0, id);
    struct tmx_bytes key = TMX_BYTES(id, sizeof(id));
    tmx_spool_ram_damage(w->spool, TMX_NT_OUT_SIGNED, key);
    size_t before = w->n_submits;
    tick(w, 20 * SECOND);
    link_up(w);
    tick(w, 0);
    assert_true(noticed(w, "message.signed-again"));
    assert_int_equal(w->n_submits, before + 1);
    Tmx__Header *old = header_of(w, w->submits[before - 1].item), *h = header_of(w, w->submits[before].item);
    assert_memory_equal(h->message_id.data, id, sizeof(id));
    assert_int_equal(h->recipients[0]->seq, old->recipients[0]->seq);
    assert_int_equal(h->recipients[0]->prev, 1);
    assert_true(tmx_bytes_eq(tmx_pb(h->container_digest), tmx_pb(old->container_digest)));
    assert_true(w->submits[before].container.size == h->container_bytes);
    accept_submit(w, before);
    assert_string_equal(state_of_sent(w, id), "accepted");
}

/* The record of a message sent, at each step; and what says what it is under. */
static void test_row_sent(void **state)
{
    struct world *w = *state;
    uint8_t id[TMX_ID_SIZE], other[TMX_ID_SIZE];
    submit_ok(w, "a", MRN, 3, id);
    damage(w, TMX_NT_OUT, 0);
    uint64_t index = accept_submit(w, 0);
    damage(w, TMX_NT_OUT, 0);
    struct tmx_bytes coa = report_make(w, &w->ch, w->submits[0].item, index, TMX__OUTCOME__OUTCOME_COA, 0, NULL);
    feed_one(w, leaf_body(w, TMX__ENTRY_KIND__ENTRY_REPORT, coa, "CH", 0, 0, index));
    damage(w, TMX_NT_OUT, 0);
    assert_string_equal(state_of_sent(w, id), "arrived");
    damage(w, TMX_NT_OUT_PAIR, 0);
    damage(w, TMX_NT_OUT_MOVEMENT, 0);
    submit_ok(w, "b", MRN, 0, other);
    assert_int_equal(header_of(w, w->submits[1].item)->recipients[0]->seq, 2);
    assert_int_equal(header_of(w, w->submits[1].item)->recipients[0]->prev, 1);
    damage(w, TMX_NT_OUT_REFERENCE, 0);
    Tmx__SubmitRequest again = submission("a", "CH");
    assert_int_equal(submit(w, &again, "payload"), TMX_CODE_REFERENCE_REUSED);   /* nothing is sent twice */
    assert_int_equal(w->n_submits, 2);
}

/* A report that is gone: from its leaf, or made anew once the log of a new session is read. */
static void test_report(void **state)
{
    struct world *w = *state;
    struct fake_message *m = compose(w, false, 0);
    uint64_t index = deliver_message(w, m);
    damage(w, TMX_NT_REPORT, 0);
    tick(w, 11 * SECOND);
    size_t before = w->n_reports;
    tick(w, 20 * SECOND);
    link_up(w);
    tick(w, 0);
    tick(w, 0);
    assert_true(noticed(w, "report.signed-again"));
    assert_true(w->n_reports > before);
    log_report(w, index);
    damage(w, TMX_NT_REPORT, 0);
    deliver(w, index, TMX_BYTES(m->container, m->container_size));   /* it is sent again as it is in the log */
    assert_int_equal(rows(w, TMX_NT_REPORT), 1);
    assert_true(is(lease(w, 0, 0), m));
    assert_int_equal(state_of(w).alarm_rows, 2);   /* the two records */
}

/* What stops a node: without it it would be another one. */
static void test_vital(void **state)
{
    struct world *w = *state;
    static const char *const names[] = { "authority", "directory", "state" };
    for (size_t i = 0; i < TMX_N(names); i++) {
        struct tmx_spool *whole = w->spool, *copy;
        tmx_node_free(w->node);
        assert_int_equal(tmx_spool_ram_clone(whole, &copy), 0);
        tmx_spool_ram_damage(copy, TMX_NT_META, tmx_bytes_str(names[i]));
        struct tmx_node_config c = { .member = TMX_LIT("DE"), .authority = w->federation.authority };
        static const uint8_t key[64];
        c.signing_secret = c.last_resort_secret = c.archive_key = c.label_key = key;
        c.catalogue = w->catalogue;
        assert_int_equal(tmx_node_new(copy, &c, w->mono_ms, w->wall_ms * 1000, key, &w->node), -EBADMSG);
        w->node = NULL;
        tmx_spool_close(copy);
        w->spool = whole;
        node_start(w);
    }
    tmx_node_free(w->node);
    tmx_spool_ram_damage(w->spool, TMX_NT_META, TMX_LIT("prekeys"));
    node_start(w);
    link_up(w);
    assert_true(state_of(w).linked);
}

int main(void)
{
#define WORLD_TEST(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_container_received), WORLD_TEST(test_info_received), WORLD_TEST(test_content_key), WORLD_TEST(test_row_received),
        WORLD_TEST(test_two_that_tell_each_other), WORLD_TEST(test_acceptance), WORLD_TEST(test_payload), WORLD_TEST(test_description),
        WORLD_TEST(test_container_sent), WORLD_TEST(test_header), WORLD_TEST(test_row_sent), WORLD_TEST(test_report), WORLD_TEST(test_vital),
    };
    return cmocka_run_group_tests_name("node-damage", tests, NULL, NULL);
}
