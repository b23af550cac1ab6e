/* SPDX-License-Identifier: Apache-2.0
 * An evil broker that drops, alters, reorders or back-dates what it had logged, withholds it, replays an old head, or forges:
 * who notices, how soon, that nothing false is handed out, and what is left to convince others. LINK-6, LINK-7, LOG-6, LOG-8,
 * WIT-3, WIT-4, REP-4, NODE-4, LINK-11, QUE-12
 */
#include <stdio.h>

#include <sodium.h>

#include <tmx/envelope.h>
#include <tmx/witness.h>

#include "evil.h"

/* The entry that is tampered with: the acceptance of the message "before". */
static uint64_t target;
static enum change change;
static bool armed;

static void find_target(struct world *w)
{
    struct history h;
    history_make(w, FIRST, tmx_broker_log_size(w->broker[FIRST].broker), NOTHING, 0, &h);
    target = 0;
    for (size_t i = 0; i < h.n && target == 0; i++) {
        Tmx__LogEntry *e;
        assert_int_equal(tmx_entry_parse(h.entries[i], &h.arena, &e), 0);
        target = e->kind == TMX__ENTRY_KIND__ENTRY_ACCEPTANCE ? i : 0;
    }
    assert_true(target > 0);
    history_free(&h);
}

static Tmx__HeadUpdate *update_of(Tmx__Link *link)
{
    switch ((int)link->body_case) {
    case TMX__LINK__BODY_WELCOME:
        return link->welcome->head;
    case TMX__LINK__BODY_FEED:
        return link->feed->head;
    case TMX__LINK__BODY_DELIVER:
        return link->deliver->head;
    case TMX__LINK__BODY_COSIGNED:
        return link->cosigned->head;
    default:
        return NULL;
    }
}

/* Four ways in which a changed history reaches the victim. */

static bool by_head(struct world *w, unsigned node, Tmx__Link *link, struct tmx_bytes *payload, size_t *n)
{
    Tmx__HeadUpdate *u = node == w->victim ? update_of(link) : NULL;
    struct history h;
    if (u != NULL && armed) {
        uint64_t size = tmx_broker_log_size(w->broker[FIRST].broker);
        history_make(w, FIRST, size, change, target, &h);
        u->checkpoint = tmx_to_pb(history_head(w, &h, size));
        u->consistency = tmx_to_pb(history_proof(w, &h, u->from, size));
        u->root = tmx_to_pb(history_root(w, &h, u->from));
        history_free(&h);
    }
    return true;
}

static bool by_witness(struct world *w, unsigned node, Tmx__Link *link, struct tmx_bytes *payload, size_t *n)
{
    struct tmx_witness_request rq;
    struct tmx_bytes text = TMX_BYTES_NULL, lines;
    struct tmx_checkpoint c = { .size = 0 };
    struct history h;
    if (node != w->victim || !armed || link->body_case != TMX__LINK__BODY_WITNESS) {
        return true;
    }
    assert_true(tmx_witness_request_parse(payload[0], &rq) && tmx_note_split(rq.checkpoint, &text, &lines) &&
                tmx_checkpoint_parse(text, &c));
    history_make(w, FIRST, c.size, change, target, &h);
    struct tmx_bytes proof = history_proof(w, &h, rq.old, c.size);
    link->witness->root = tmx_to_pb(history_root(w, &h, rq.old));
    rq.checkpoint = history_head(w, &h, c.size);
    rq.proof.n = proof.size / TMX_HASH_SIZE;
    memcpy(rq.proof.hash, proof.data, proof.size);
    history_free(&h);
    uint8_t *body = tmx_arena_alloc(&w->arena, TMX_WITNESS_REQUEST_MAX);
    struct tmx_writer out = tmx_writer_init(body, TMX_WITNESS_REQUEST_MAX);
    tmx_witness_request_write(&rq, &out);
    payload[0] = tmx_written(&out);
    return true;
}

static bool by_cosigned(struct world *w, unsigned node, Tmx__Link *link, struct tmx_bytes *payload, size_t *n)
{
    struct tmx_bytes text = TMX_BYTES_NULL, lines;
    struct tmx_checkpoint c = { .size = 0 };
    struct history h;
    if (node == w->victim && armed && link->body_case == TMX__LINK__BODY_COSIGNED) {
        assert_true(tmx_note_split(payload[0], &text, &lines) && tmx_checkpoint_parse(text, &c));
        history_make(w, FIRST, c.size, change, target, &h);
        payload[0] = history_head(w, &h, c.size);
        history_free(&h);
    }
    return true;
}

/* The entry alone: what is fed and delivered from now on is of the changed history, head and path are the true ones. */
static bool by_entry(struct world *w, unsigned node, Tmx__Link *link, struct tmx_bytes *payload, size_t *n)
{
    struct history h;
    Tmx__FeedItem *item;
    if (node != w->victim || !armed || *n == 0 ||
        (link->body_case != TMX__LINK__BODY_FEED && link->body_case != TMX__LINK__BODY_DELIVER)) {
        return true;
    }
    assert_int_equal(tmx_codec_unpack(&tmx__feed_item__descriptor, payload[0], TMX_FRAME_MAX, &w->arena, &item), TMX_CODEC_OK);
    uint64_t size = tmx_broker_log_size(w->broker[FIRST].broker), at = item->index + 1 < size ? item->index : item->index - 1;
    history_make(w, FIRST, size, change, at, &h);
    item->entry = tmx_to_pb(h.entries[item->index]);
    if (change == DROP && at != item->index) {
        item->entry.len--;   /* the last one: nothing is behind it that could take its place */
    }
    assert_int_equal(tmx_codec_pack(item, &w->arena, &payload[0]), TMX_CODEC_OK);
    history_free(&h);
    return true;
}

static const struct way {
    const char *name;
    tamper_fn *tamper;
    uint64_t within_ms;   /* of the next entry of the log */
    int verdict;
} ways[] = {
    { "head", by_head, 50, TMX_VERDICT_FORK },
    { "witness", by_witness, 2100, TMX_VERDICT_FORK },        /* the next round */
    { "cosigned", by_cosigned, 2200, TMX_VERDICT_FORK },
    { "entry", by_entry, 50, TMX_VERDICT_UNPROVED },
};

/* A victim on its own notices, and uses nothing more; the others go on, and are still a quorum. */
static void attack(const struct way *way, enum change what)
{
    void *state;
    char name[64];
    world_setup(&state);
    struct world *w = state;
    find_target(w);
    change = what;
    armed = true;
    w->victim = IT;
    w->tamper = way->tamper;
    uint64_t start_ms = w->now_ms, size = state_of(w, IT).cosigned_size;
    const uint8_t *to_it = submit(w, DE, IT, "to the victim"), *to_ch = submit(w, DE, CH, "to another");
    run(w, 3000);
    assert_true(w->node[IT].distrusted_ms > 0);
    assert_in_range(w->node[IT].distrusted_ms - start_ms, 0, way->within_ms);
    assert_true(noticed(w, IT, way->tamper == by_entry ? "log.inclusion-wrong" : "log.head-wrong"));
    assert_int_equal(verdict_of(w, IT), way->verdict);
    const size_t taken = handed(w, IT, "to the victim");   /* it may have been, before the victim was shown anything else */
    assert_true(taken == 0 || (taken == 1 && (way->tamper == by_witness || way->tamper == by_cosigned)));
    assert_true(taken == 1 ? state_is(w, DE, to_it, "arrived") || state_is(w, DE, to_it, "delivered")
                           : state_is(w, DE, to_it, "accepted"));
    run(w, 8000);
    assert_int_equal(handed(w, CH, "to another"), 1);
    assert_true(state_is(w, DE, to_ch, "delivered"));
    assert_true(cosigned_by(w, FIRST) > size);
    assert_int_equal(w->n_handed, 3 + taken);
    assert_int_equal(w->node[CH].distrusted_ms + w->node[DE].distrusted_ms, 0);
    snprintf(name, sizeof(name), "%s-by-%s", change_names[what], way->name);
    leave_proof(w, IT, name);
    world_teardown(&state);
}

static void test_changed_histories(void **state)
{
    for (size_t i = 0; i < TMX_N(ways); i++) {
        for (unsigned what = DROP; what < CHANGES; what++) {
            attack(&ways[i], (enum change)what);
        }
    }
}

/* Who never was linked sees it in the exports: the auditor's rules name the fault, and two exports are a fork. */
static void test_exports(void **state)
{
    struct world *w = *state;
    char name[64];
    struct history h;
    find_target(w);
    for (unsigned what = NOTHING; what < CHANGES; what++) {
        history_make(w, FIRST, tmx_broker_log_size(w->broker[FIRST].broker), (enum change)what, target, &h);
        snprintf(name, sizeof(name), "export-%s", change_names[what]);
        leave_export(w, &h, name, what == NOTHING ? "ok" : "faulty");
        history_free(&h);
    }
}

/* An old head, which the log did sign, is no proof of two histories; it is not used all the same. */
static struct tmx_bytes old_head;

static bool replays(struct world *w, unsigned node, Tmx__Link *link, struct tmx_bytes *payload, size_t *n)
{
    Tmx__HeadUpdate *u = node == w->victim ? update_of(link) : NULL;
    if (u != NULL) {
        u->checkpoint = tmx_to_pb(old_head);
    }
    return true;
}

static void test_old_head(void **state)
{
    struct world *w = *state;
    static uint8_t note[TMX_CHECKPOINT_MAX];
    struct history h;
    history_make(w, FIRST, tmx_broker_log_size(w->broker[FIRST].broker), NOTHING, 0, &h);
    tmx_arena_reset(&w->arena);
    old_head = history_head(w, &h, h.n - 3);
    memcpy(note, old_head.data, old_head.size);
    old_head.data = note;
    history_free(&h);
    w->victim = IT;
    w->tamper = replays;
    uint64_t start_ms = w->now_ms;
    submit(w, DE, IT, "to the victim");
    run(w, 1000);
    assert_in_range(w->node[IT].distrusted_ms, start_ms, start_ms + 50);
    assert_int_equal(verdict_of(w, IT), TMX_VERDICT_UNPROVED);
    assert_int_equal(handed(w, IT, "to the victim"), 0);
    leave_proof(w, IT, "old-head");
}

/* Withheld: the feed passes over what it should hold. Nothing shows it at once; nothing false is believed either. */
static Tmx__EntryKind withheld;

static bool withholds(struct world *w, unsigned node, Tmx__Link *link, struct tmx_bytes *payload, size_t *n)
{
    size_t kept = 0;
    if (node != w->victim || link->body_case != TMX__LINK__BODY_FEED) {
        return true;
    }
    for (size_t i = 0; i < *n; i++) {
        Tmx__FeedItem *item;
        Tmx__LogEntry *e;
        assert_int_equal(tmx_codec_unpack(&tmx__feed_item__descriptor, payload[i], TMX_FRAME_MAX, &w->arena, &item), TMX_CODEC_OK);
        assert_int_equal(tmx_entry_parse(tmx_pb(item->entry), &w->arena, &e), 0);
        if (e->kind != withheld) {
            payload[kept++] = payload[i];
        }
    }
    *n = kept;
    link->feed->items = (uint32_t)kept;
    return true;
}

static void test_withheld_report(void **state)
{
    struct world *w = *state;
    withheld = TMX__ENTRY_KIND__ENTRY_REPORT;
    w->victim = DE;
    w->tamper = withholds;
    const uint8_t *id = submit(w, DE, IT, "unconfirmed");
    run(w, 60000);
    assert_int_equal(handed(w, IT, "unconfirmed"), 1);
    assert_true(state_is(w, DE, id, "accepted"));          /* no outcome is believed that was not shown … */
    assert_int_equal(state_of(w, DE).open, 1);             /* … and the copy is kept: it stands in the list of open ones */
    struct history h;
    history_make(w, FIRST, tmx_broker_log_size(w->broker[FIRST].broker), NOTHING, 0, &h);
    leave_export(w, &h, "export-withheld", "delivered");   /* an export says what the sender was not shown */
    history_free(&h);
}

static void test_withheld_acceptance(void **state)
{
    struct world *w = *state;
    withheld = TMX__ENTRY_KIND__ENTRY_ACCEPTANCE;
    w->victim = DE;
    w->tamper = withholds;
    const uint8_t *id = submit(w, DE, IT, "unanswered");
    run(w, 1000);
    assert_true(noticed(w, DE, "log.report-state"));       /* a report on what was not accepted: the first one tells */
    run(w, 4000);
    assert_int_equal(state_of(w, DE).unanswered, 1);
    w->tamper = NULL;
    run(w, 7000);                                          /* asked again after 10 s, and answered (LINK-11) */
    assert_int_equal(state_of(w, DE).unanswered, 0);
    assert_true(state_is(w, DE, id, "accepted"));
    assert_int_equal(state_of(w, DE).open, 1);             /* its reports went by unbelieved: the copy is kept */
    assert_int_equal(handed(w, IT, "unanswered"), 1);
}

/* Back-dated: a clock an hour behind from the start. Nodes that know the time say so at their next look, and nothing expires by
 * it; what is admitted before and after is bounded by the cosignatures, whose times are the witnesses' own. */
static void test_clock(void **state)
{
    struct world *w = *state;
    broker_stop(w, FIRST);
    w->broker[FIRST].clock_ms = -3600000;
    broker_start(w, FIRST);
    const uint8_t *id = submit(w, DE, IT, "back-dated");
    run(w, 20000);
    assert_true(state_of(w, DE).clock_doubt && state_of(w, IT).clock_doubt && state_of(w, CH).clock_doubt);
    assert_true(state_is(w, DE, id, "queued"));            /* an honest core does not admit while most members disagree */
    assert_int_equal(handed(w, IT, "back-dated"), 0);
}

/* Forged: the broker believes a directory of its own, in which it holds the keys of a member. */
static struct federation false_directory;
static struct fake_node puppet, recipient;
static struct fake_message false_message;

static struct world *forger_new(unsigned member, const char *code)
{
    static const char *const all[] = { "CH", "DE", "IT" };
    const uint8_t seed[32] = { 66 };
    struct fake_frames f;
    struct world *w = world_new();
    federation_init(&false_directory, all, NODES, START_MS - 1000);
    struct federation_member *m = federation_find(&false_directory, code);
    char name[TMX_KEYNAME_MAX + 1];
    memcpy(name, m->key.name, sizeof(name));
    crypto_sign_seed_keypair(m->sign_public, m->sign_secret, seed);
    assert_true(tmx_verify_key_init(tmx_bytes_str(name), TMX_NOTE_ED25519, m->sign_public, &m->key));
    federation_sign(&false_directory);
    w->broker[FIRST].believes = &false_directory;
    w->puppet = &puppet;
    link_to(w, member, BROKERS);
    broker_start(w, FIRST);
    fake_init(&puppet, &false_directory, code);
    fake_init(&recipient, &false_directory, "IT");
    memcpy(recipient.prekey, recipient.me->last_resort_public, 32);
    puppet.wall_ms = START_MS + w->now_ms;
    fake_hello(&puppet, &f);
    puppet_says(w, member, &f);
    fake_publish(&puppet, START_MS + w->now_ms, &f);
    puppet_says(w, member, &f);
    fake_credit(&puppet, 100, 1u << 20, &f);
    puppet_says(w, member, &f);
    return w;
}

static void forger_end(struct world *w, const char *name)
{
    void *state = w;
    struct history h;
    history_make(w, FIRST, tmx_broker_log_size(w->broker[FIRST].broker), NOTHING, 0, &h);
    leave_export(w, &h, name, "faulty");
    history_free(&h);
    world_teardown(&state);
    fake_deinit(&puppet);
    fake_deinit(&recipient);
    federation_deinit(&false_directory);
}

/* A message that DE never sent: in the log and proved to be there, but not signed by DE. IT's node takes nothing of it. */
static void test_forged_message(void **state)
{
    struct world *w = forger_new(DE, "DE");
    struct fake_frames f;
    struct fake_node *to = &recipient;
    run(w, 2000);
    fake_compose(&puppet, &to, 1, "CD001C", START_MS + w->now_ms, 100, &false_message);
    fake_submit(&puppet, &false_message, &f);
    uint64_t size = tmx_broker_log_size(w->broker[FIRST].broker), start_ms = w->now_ms;
    puppet_says(w, DE, &f);
    assert_int_equal(tmx_broker_log_size(w->broker[FIRST].broker), size + 1);   /* the forger has accepted it */
    run(w, 2000);
    assert_true(noticed(w, IT, "delivery.bad-signature"));
    assert_true(start_ms > 0);
    assert_int_equal(w->n_handed, 0);
    assert_true(state_of(w, IT).alarms > 0);
    forger_end(w, "export-forged-message");
}

/* A CoA that IT never gave: the sender's node believes no arrival, and keeps its copy. REP-4 */
static void test_forged_report(void **state)
{
    struct world *w = forger_new(IT, "IT");
    struct fake_frames f;
    const uint8_t *id = submit(w, DE, IT, "not arrived");
    run(w, 3000);
    assert_true(puppet.n_received > 0);
    fake_report(&puppet, &puppet.received[0], TMX__OUTCOME__OUTCOME_COA, 0, START_MS + w->now_ms, &f);
    uint64_t size = tmx_broker_log_size(w->broker[FIRST].broker);
    puppet_says(w, IT, &f);
    assert_int_equal(tmx_broker_log_size(w->broker[FIRST].broker), size + 1);
    run(w, 1000);
    assert_true(noticed(w, DE, "log.report-wrong"));
    assert_true(state_is(w, DE, id, "accepted"));
    assert_int_equal(state_of(w, DE).open, 1);
    forger_end(w, "export-forged-report");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_changed_histories),
        cmocka_unit_test_setup_teardown(test_exports, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_old_head, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_withheld_report, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_withheld_acceptance, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_clock, world_setup, world_teardown),
        cmocka_unit_test(test_forged_message),
        cmocka_unit_test(test_forged_report),
    };
    return cmocka_run_group_tests_name("histories", tests, NULL, NULL);
}
