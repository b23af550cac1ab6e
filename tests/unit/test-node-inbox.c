/* SPDX-License-Identifier: Apache-2.0
 * Deliveries to the node: what is confirmed and what is not, leases, outcomes, order within a movement, expiry, large
 * containers.
 */
#include <sodium.h>

#include "fake_broker.h"

/* NODE-4, NODE-6, REP-1, ENV-6 */
static void test_arrival(void **state)
{
    struct world *w = *state;
    struct fake_message *m = compose(w, false, 0);
    uint64_t index = deliver_message(w, m);
    assert_int_equal(w->n_reports, 1);
    Tmx__Report *r = last_report(w);
    assert_int_equal(r->outcome, TMX__OUTCOME__OUTCOME_COA);
    assert_int_equal(r->acceptance->index, index);
    assert_int_equal(r->seq, 1);
    assert_memory_equal(r->container_digest.data, m->digest, 32);
    assert_null(lease(w, 0, 0));   /* not before its CoA is in the log */
    deliver(w, index, TMX_BYTES(m->container, m->container_size));   /* a duplicate: the same bytes */
    assert_int_equal(w->n_reports, 2);
    assert_true(tmx_bytes_eq(w->reports[0].item, w->reports[1].item));
    tick(w, 10000);   /* FEED-3 */
    assert_int_equal(w->n_reports, 3);
    assert_true(tmx_bytes_eq(w->reports[0].item, w->reports[2].item));
    log_report(w, index);
    tick(w, 10000);
    assert_int_equal(w->n_reports, 3);
    node_restart(w);
    const Tmx__Leased *l = lease(w, 0, 0);
    assert_non_null(l);
    assert_int_equal(w->payload[0].size, 300);
    assert_false(l->redelivered);
    uint8_t payload[300];
    uint8_t seed[32] = { 1 };
    seed[31] = w->ch.route;
    randombytes_buf_deterministic(payload, sizeof(payload), seed);
    assert_memory_equal(w->payload[0].data, payload, sizeof(payload));   /* CON-3 */
    assert_null(lease(w, 0, 0));   /* exclusive */
    assert_int_equal(ack(w, l), TMX_CODE_OK);
    link_up(w);
    deliver(w, index, TMX_BYTES(m->container, m->container_size));   /* now both are said again */
    assert_true(w->n_reports >= 5);
}

/* CH has seen this head, or one that differs in the root. */
static void ch_sees(struct world *w, bool other)
{
    w->ch.head.size = tmx_tree_size(w->tree);
    w->ch.head.root = tmx_tree_root(w->tree);
    w->ch.head.root.b[0] ^= other ? 1 : 0;
}

/* NODE-13: a number that never comes is missed after a while, one that the log explains is not. */
static void test_missing_number(void **state)
{
    struct world *w = *state;
    struct fake_message *explained = compose(w, false, 0), *withheld = compose(w, false, 0);
    deliver_message(w, compose(w, false, 0));
    pass(w, 300);
    struct tmx_bytes item = fake_sign(&w->ch, &explained->header);
    feed_one(w, leaf_body(w, TMX__ENTRY_KIND__ENTRY_REFUSAL, item, "CH", TMX_CODE_EXPIRED, 1, 0));
    pass(w, 540);
    assert_false(noticed(w, "delivery.missing"));   /* of 2 it has not been long enough since 1 was explained */
    node_restart(w);
    link_up(w);
    pass(w, 720);
    assert_true(noticed(w, "delivery.missing"));
    assert_int_equal(state_of(w).alarm_rows, 1);
    pass(w, 1800);
    assert_int_equal(state_of(w).alarm_rows, 1);   /* once */
    deliver_message(w, withheld);
    assert_int_equal(last_report(w)->seq, 2);      /* late, but taken */
}

/* NODE-13: in the shard after a lost one a resubmitted message says where its numbers go on. */
static void test_missing_pardoned(void **state)
{
    struct world *w = *state;
    compose(w, false, 0);
    struct fake_message *m = compose(w, false, 0);
    struct tmx_bytes item = fake_sign(&w->ch, &m->header);
    uint64_t index = leaf_body(w, TMX__ENTRY_KIND__ENTRY_RESUBMISSION, item, "CH", 0, 0, 0);
    deliver(w, index, TMX_BYTES(m->container, m->container_size));
    pass(w, 1800);
    assert_false(noticed(w, "delivery.missing"));
    compose(w, false, 0);
    deliver_message(w, compose(w, false, 0));
    pass(w, 1800);
    assert_true(noticed(w, "delivery.missing"));
}

/* A delivery of CH's, which has seen a head of a power of two of leaves, or of another size. */
static struct world *seen_world(void **ret_fresh, bool power)
{
    world_setup(ret_fresh);
    struct world *w = *ret_fresh;
    while (((tmx_tree_size(w->tree) & (tmx_tree_size(w->tree) - 1)) == 0) != power) {
        deliver_message(w, compose(w, false, 0));
    }
    ch_sees(w, false);
    deliver_message(w, compose(w, false, 0));
    w->n_reports = 0;
    return w;
}

/* LINK-12: the sender was shown another log than this node, or the broker cannot prove that it was not. What CH signed that it
 * has seen goes into a file, which proves that the log took it in, if what came shows what the log has instead. */
static void test_seen_head(void **state)
{
    static const struct {
        bool other, same_size;   /* another root than the log has; for the size that the delivery before it has proved */
        enum bend bend;
        int verdict;
    } cases[] = {
        { false, false, BEND_NOT, -1 },
        { false, true, BEND_SEEN, -1 },              /* the same head needs no proof again */
        { false, true, BEND_SEEN_LEFT_OUT, -1 },
        { false, false, BEND_SEEN, TMX_VERDICT_UNPROVED },
        { false, false, BEND_SEEN_LEFT_OUT, TMX_VERDICT_UNPROVED },
        { true, false, BEND_NOT, TMX_VERDICT_FORK_SEEN },
        { true, false, BEND_SEEN, TMX_VERDICT_UNPROVED },
        { true, true, BEND_NOT, TMX_VERDICT_FORK_SEEN },
    };
    for (unsigned i = 0; i < 2 * TMX_N(cases); i++) {
        void *fresh;
        struct world *w = seen_world(&fresh, i % 2 == 1);
        struct fake_message *m;
        if (!cases[i / 2].same_size) {
            ch_sees(w, cases[i / 2].other);
        } else {
            w->ch.head.root.b[0] ^= cases[i / 2].other ? 1 : 0;
        }
        w->bend = cases[i / 2].bend;
        m = compose(w, false, 0);
        w->ch.head.size = 0;
        deliver_message(w, m);
        assert_int_equal(verdict_of(w), cases[i / 2].verdict);
        assert_true(noticed(w, "log.seen-wrong") == (cases[i / 2].verdict >= 0));
        assert_true(state_of(w).distrust == (cases[i / 2].verdict >= 0));
        assert_int_equal(state_of(w).alarm_rows, cases[i / 2].verdict >= 0 ? 1 : 0);
        assert_int_equal(w->n_reports, cases[i / 2].verdict >= 0 ? 0 : 1);
        assert_true((message(w, m->id) == NULL) == (cases[i / 2].verdict >= 0));
        world_teardown(&fresh);
    }
    (void)state;
}

/* LINK-12: what the broker says that CH has seen, without CH's signature, is worth nothing; it is not taken either. */
static void test_seen_by_nobody(void **state)
{
    void *fresh;
    for (unsigned i = 0; i < 2; i++) {
        struct world *w = seen_world(&fresh, false);
        struct fake_message *m;
        uint8_t item[2048];
        ch_sees(w, true);
        m = compose(w, false, 0);
        w->ch.head.size = 0;
        const struct tmx_bytes made = fake_sign(i == 0 ? &w->it : &w->ch, &m->header);
        assert_true(made.size <= sizeof(item));
        memcpy(item, made.data, made.size);
        item[made.size - 1] ^= i == 0 ? 0 : 1;   /* the end of the signature */
        deliver(w, leaf_body(w, TMX__ENTRY_KIND__ENTRY_ACCEPTANCE, TMX_BYTES(item, made.size), "CH", 0, 0, 0),
                TMX_BYTES(m->container, m->container_size));
        assert_true(state_of(w).distrust);
        assert_null(message(w, m->id));
        assert_int_equal(verdict_of(w), TMX_VERDICT_UNPROVED);
        world_teardown(&fresh);
    }
    (void)state;
}

/* LINK-12: two deliveries in one frame have seen heads of one size: the second has no proof of its own, and the first one's shows
 * what the log has. */
static void test_seen_heads_of_one_frame(void **state)
{
    void *fresh;
    for (unsigned power = 0; power < 2; power++) {
        struct world *w = seen_world(&fresh, power == 1);
        struct fake_message *m[2];
        struct tmx_bytes containers[2];
        uint64_t indexes[2];
        ch_sees(w, false);
        m[0] = compose(w, false, 0);
        w->ch.head.root.b[0] ^= 1;
        m[1] = compose(w, false, 0);
        w->ch.head.size = 0;
        for (unsigned i = 0; i < 2; i++) {
            indexes[i] = leaf_body(w, TMX__ENTRY_KIND__ENTRY_ACCEPTANCE, fake_sign(&w->ch, &m[i]->header), "CH", 0, 0, 0);
            containers[i] = TMX_BYTES(m[i]->container, m[i]->container_size);
        }
        deliver_both(w, indexes, containers, 2);
        assert_non_null(message(w, m[0]->id));
        assert_null(message(w, m[1]->id));
        assert_int_equal(verdict_of(w), TMX_VERDICT_FORK_SEEN);
        world_teardown(&fresh);
    }
    (void)state;
}

/* REP-1, FEED-3: a report of its own that was refused is an alarm, and is not sent for ever; nothing is offered without its
 * CoA. */
static void test_refused_report(void **state)
{
    struct world *w = *state;
    deliver_message(w, compose(w, false, 0));
    feed_one(w, leaf_body(w, TMX__ENTRY_KIND__ENTRY_REFUSAL, w->reports[0].item, "DE", TMX_CODE_BAD_HEAD, 0, 0));
    assert_true(noticed(w, "report.refused"));
    assert_int_equal(state_of(w).alarms, 1);
    tick(w, 10000);
    assert_int_equal(w->n_reports, 1);
    assert_null(lease(w, 0, 0));
}

enum spoil {
    SPOIL_RECIPIENT, SPOIL_SENDER, SPOIL_SIGNATURE, SPOIL_SLOT, SPOIL_SEAL, SPOIL_CONTAINER, SPOIL_SIZE, SPOIL_TYPE,
    SPOIL_ID, SPOIL_PADDING,
};

/* A container like compose's, of a plaintext the test chose. */
static void seal_again(struct world *w, struct fake_message *m, const uint8_t *id, const char *type, bool padding)
{
    Tmx__Content content = TMX__CONTENT__INIT;
    uint8_t *plaintext, random[56] = { 9 }, key[32];
    size_t size;
    struct tmx_seal_sender sender;
    struct tmx_seal_slot slot;
    struct tmx_bytes to = TMX_LIT("DE");
    content.message_id = tmx_to_pb(TMX_BYTES(id, TMX_ID_SIZE));
    content.message_type = tmx_to_pb(tmx_bytes_str(type));
    assert_int_equal(tmx_content_pack(NULL, &content, TMX_LIT("x"), &plaintext, &size), 0);
    plaintext[size - 1] = padding ? 1 : 0;
    tmx_seal_sender_init(random, &sender);
    tmx_seal_key_id(w->de.prekey, slot.key_id);
    assert_true(tmx_seal_pair_send(&sender, w->de.prekey, TMX_LIT("CH"), to, slot.ps));
    struct tmx_seal_context ctx = { .message_id = m->id, .sender = TMX_LIT("CH"), .n_recipients = 1, .recipients = &to };
    struct tmx_writer wr = TMX_WRITER_OF(m->container);
    tmx_seal(&wr, TMX_BYTES(plaintext, size), &ctx, &sender, &slot, random, key);
    free(plaintext);
    m->container_size = tmx_written(&wr).size;
}

static void spoil(struct world *w, struct fake_message *m, enum spoil how)
{
    static const uint8_t other[TMX_ID_SIZE] = { 1, 2, 3, 4, 5, 6, 0x70, 8, 0x80 };
    switch (how) {
    case SPOIL_RECIPIENT:
        m->recipient[0].member = tmx_to_pb(TMX_LIT("IT"));
        return;
    case SPOIL_SENDER:
        m->header.sender = tmx_to_pb(TMX_LIT("IT"));
        return;
    case SPOIL_SLOT:
        m->container[TMX_SEAL_HEAD] ^= 1;
        break;
    case SPOIL_SEAL:
        m->container[m->container_size - 1] ^= 1;
        break;
    case SPOIL_TYPE:
        seal_again(w, m, m->id, "CD003C", false);
        break;
    case SPOIL_ID:
        seal_again(w, m, other, "CD001C", false);
        break;
    case SPOIL_PADDING:
        seal_again(w, m, m->id, "CD001C", true);
        break;
    case SPOIL_SIGNATURE:
    case SPOIL_CONTAINER:
    case SPOIL_SIZE:
        return;
    }
    m->header.container_bytes = m->container_size;
    tmx_digest(TMX_BYTES(m->container, m->container_size), m->digest);
}

/* NODE-4, NODE-5, SEAL-1, SEAL-2, CON-1, CON-2, BAT-4: no CoA for what is not right; CoE for what never will be. */
static void test_bad_deliveries(void **state)
{
    static const struct {
        enum spoil how;
        unsigned coe;
        const char *notice;
    } cases[] = {
        { SPOIL_RECIPIENT, 0, "delivery.misrouted" },
        { SPOIL_SENDER, 0, "delivery.misrouted" },
        { SPOIL_SIGNATURE, 0, "delivery.bad-signature" },
        { SPOIL_SLOT, 0, "message.key-gone" },
        { SPOIL_SEAL, TMX_CODE_CANNOT_OPEN, "message.exception" },
        { SPOIL_CONTAINER, 0, "delivery.container-mismatch" },
        { SPOIL_SIZE, 0, "delivery.container-mismatch" },
        { SPOIL_TYPE, TMX_CODE_CONTENT_MISMATCH, "message.exception" },
        { SPOIL_ID, TMX_CODE_CONTENT_MISMATCH, "message.exception" },
        { SPOIL_PADDING, TMX_CODE_CONTENT_INVALID, "message.exception" },
    };
    for (size_t i = 0; i < TMX_N(cases); i++) {
        void *fresh;
        world_setup(&fresh);
        struct world *w = fresh;
        struct fake_message *m = compose(w, false, 0);
        spoil(w, m, cases[i].how);
        struct fake_node *signer = cases[i].how == SPOIL_SIGNATURE ? &w->it : &w->ch;
        uint64_t index =
            leaf_body(w, TMX__ENTRY_KIND__ENTRY_ACCEPTANCE, fake_sign(signer, &m->header), "CH", 0, 0, 0);
        if (cases[i].how == SPOIL_CONTAINER) {
            m->container[200] ^= 1;
        }
        deliver(w, index, TMX_BYTES(m->container, m->container_size - (cases[i].how == SPOIL_SIZE ? 1 : 0)));
        if (!noticed(w, cases[i].notice)) {
            fail_msg("case %zu: no %s", i, cases[i].notice);
        }
        assert_int_equal(w->n_reports, cases[i].coe == 0 ? 0 : 1);
        if (cases[i].coe != 0) {
            Tmx__Report *r = last_report(w);
            assert_int_equal(r->outcome, TMX__OUTCOME__OUTCOME_COE);
            assert_int_equal(r->code, cases[i].coe);
            log_report(w, index);
            deliver(w, index, TMX_BYTES(m->container, m->container_size));   /* the same CoE again */
            assert_int_equal(w->n_reports, 2);
            assert_true(tmx_bytes_eq(w->reports[0].item, w->reports[1].item));
        }
        assert_null(lease(w, 0, 0));
        assert_true(state_of(w).linked);
        world_teardown(&fresh);
    }
    (void)state;
}

/* One message, offered. */
static uint64_t offer(struct world *w, bool label, uint64_t prev)
{
    uint64_t index = deliver_message(w, compose(w, label, prev));
    log_report(w, index);
    return index;
}

/* REP-1: a recipient sees where the log holds its own report, once that is verified. */
static void test_place_in_the_log(void **state)
{
    struct world *w = *state;
    struct fake_message *m = compose(w, false, 0);
    uint64_t acceptance = deliver_message(w, m);
    assert_false(step_of(message(w, m->id), "CoA")->verified);
    uint64_t index = log_report(w, acceptance);
    const Tmx__Step *s = step_of(message(w, m->id), "CoA");
    assert_true(s->verified);
    assert_int_equal(s->index, index);
}

/* NODE-9, REP-2 */
static void test_acknowledge(void **state)
{
    struct world *w = *state;
    uint64_t index = offer(w, false, 0);
    const Tmx__Leased *l = lease(w, 0, 0);
    Tmx__Leased wrong = *l;
    uint8_t token[16] = { 7 };
    wrong.token = tmx_to_pb(TMX_BYTES_OF(token));
    assert_int_equal(ack(w, &wrong), TMX_CODE_NOT_LEASED);
    assert_int_equal(refuse(w, l, 599, ""), TMX_CODE_MALFORMED);
    assert_int_equal(ack(w, l), TMX_CODE_OK);
    assert_int_equal(w->n_reports, 2);
    assert_int_equal(last_report(w)->outcome, TMX__OUTCOME__OUTCOME_COD_POSITIVE);
    assert_int_equal(ack(w, l), TMX_CODE_OK);   /* idempotent for its token */
    assert_int_equal(refuse(w, l, 601, ""), TMX_CODE_HAS_OUTCOME);
    assert_int_equal(ack(w, &wrong), TMX_CODE_HAS_OUTCOME);
    assert_int_equal(w->n_reports, 2);
    struct tmx_spool_stat stat;
    assert_int_equal(tmx_spool_stat(w->spool, &stat), 0);
    assert_int_equal(stat.rows[TMX_NT_IN_CONTAINER], 1);
    log_report(w, index);
    assert_int_equal(tmx_spool_stat(w->spool, &stat), 0);
    assert_int_equal(stat.rows[TMX_NT_IN_CONTAINER], 0);
    assert_int_equal(stat.rows[TMX_NT_REPORT_OPEN], 0);
    assert_int_equal(stat.rows[TMX_NT_ALARM], 0);
    wrong.message_id = tmx_to_pb(TMX_BYTES_OF(token));
    assert_int_equal(ack(w, &wrong), TMX_CODE_UNKNOWN_MESSAGE);
}

/* NODE-9: the text travels sealed to the sender. */
static void test_refuse(void **state)
{
    struct world *w = *state;
    uint8_t ps[32], plaintext[TMX_ATTACHMENT_MAX], key[32], digest[32], *payload;
    char longest[TMX_REASON_MAX + 2];
    struct tmx_bytes to = TMX_LIT("CH");
    struct tmx_seal_outside outside;
    size_t size, payload_size;
    Tmx__Content *content;
    Tmx__Signed *s;
    struct tmx_signature signature;
    offer(w, false, 0);
    const Tmx__Leased *l = lease(w, 0, 0);
    memset(longest, 'x', sizeof(longest));
    longest[TMX_REASON_MAX + 1] = '\0';
    assert_int_equal(refuse(w, l, 601, longest), TMX_CODE_MALFORMED);
    randombytes_buf_deterministic(longest, TMX_REASON_MAX, (const uint8_t *)"01234567890123456789012345678901");
    for (size_t i = 0; i < TMX_REASON_MAX; i++) {
        longest[i] = (char)('a' + (uint8_t)longest[i] % 26);
    }
    longest[TMX_REASON_MAX] = '\0';
    assert_int_equal(refuse(w, l, 604, longest), TMX_CODE_OK);
    Tmx__Report *r = last_report(w);
    assert_int_equal(r->outcome, TMX__OUTCOME__OUTCOME_COD_NEGATIVE);
    assert_int_equal(r->code, 604);
    assert_int_equal(tmx_signed_parse(w->reports[w->n_reports - 1].item, &w->arena, &s, &signature), TMX_CODE_OK);
    tmx_digest(tmx_pb(s->attachment), digest);
    assert_memory_equal(digest, r->attachment_digest.data, 32);
    assert_true(tmx_seal_parse(tmx_pb(s->attachment), &outside));
    assert_true(tmx_seal_pair_receive(outside.epk, w->ch.prekey_secret, w->ch.prekey, TMX_LIT("DE"), to, ps));
    struct tmx_seal_context ctx = {
        .message_id = l->message_id.data, .sender = TMX_LIT("DE"), .n_recipients = 1, .recipients = &to
    };
    assert_true(tmx_seal_open(tmx_pb(s->attachment), &ctx, 0, ps, plaintext, &size, key));
    assert_int_equal(tmx_content_unpack(TMX_BYTES(plaintext, size), &w->arena, &content, &payload, &payload_size), 0);
    assert_true(tmx_bytes_eq(TMX_BYTES(payload, payload_size), tmx_bytes_str(longest)));
    free(payload);
    assert_int_equal(refuse(w, l, 604, longest), TMX_CODE_OK);
    assert_int_equal(ack(w, l), TMX_CODE_HAS_OUTCOME);
    assert_int_equal(w->n_reports, 2);
}

/* NODE-7 */
static void test_lapse(void **state)
{
    struct world *w = *state;
    offer(w, false, 0);
    uint8_t id[TMX_ID_SIZE] = { 0 };
    for (unsigned i = 0; i < TMX_LEASES_LAPSED_MAX; i++) {
        const Tmx__Leased *l = lease(w, 5000, 0);
        assert_non_null(l);
        assert_int_equal(l->redelivered, i > 0);
        memcpy(id, l->message_id.data, sizeof(id));
        tick(w, 4999);
        assert_null(lease(w, 5000, 0));
        w->mono_ms++;
        w->wall_ms++;
        assert_int_equal(ack(w, l), TMX_CODE_LEASE_LAPSED);   /* before any tick said so */
        assert_int_equal(ack(w, l), TMX_CODE_LEASE_LAPSED);
    }
    assert_null(lease(w, 5000, 0));
    assert_int_equal(state_of(w).held, 1);
    assert_true(noticed(w, "message.held"));
    assert_int_equal(operate(w, 0, TMX_ACTION_RELEASE, id), TMX_OPERATION_OK);
    assert_int_equal(state_of(w).held, 0);
    const Tmx__Leased *l = lease(w, 5000, 0);
    assert_non_null(l);
    assert_int_equal(state_of(w).leased, 1);
    for (unsigned i = 0; i < TMX_LEASE_RENEWALS_MAX; i++) {
        tick(w, 4000);
        assert_int_equal(renew(w, l, 5000), TMX_CODE_OK);
    }
    assert_int_equal(renew(w, l, 5000), TMX_CODE_FORBIDDEN);
    tick(w, 5000);
    assert_int_equal(renew(w, l, 5000), TMX_CODE_LEASE_LAPSED);
    assert_int_equal(state_of(w).leased, 0);
}

/* NODE-8 */
static void test_expiry(void **state)
{
    struct world *w = *state;
    struct fake_message *a = compose(w, false, 0), *b = compose(w, false, 0);
    a->header.expires_ms = b->header.expires_ms = w->wall_ms + 60000;
    uint64_t ia = deliver_message(w, a);
    log_report(w, ia);
    const Tmx__Leased *l = lease(w, 3600000, 0);
    uint64_t ib = deliver_message(w, b);
    log_report(w, ib);
    tick(w, 61000);
    link_up(w);
    assert_int_equal(w->n_reports, 3);   /* b, unleased */
    assert_int_equal(last_report(w)->outcome, TMX__OUTCOME__OUTCOME_EXPIRED);
    assert_memory_equal(last_report(w)->message_id.data, b->id, TMX_ID_SIZE);
    tick(w, 600000);
    link_up(w);
    assert_int_equal(ack(w, l), TMX_CODE_OK);   /* a leased one does not expire */
    assert_int_equal(last_report(w)->outcome, TMX__OUTCOME__OUTCOME_COD_POSITIVE);
    /* one whose lease lapses after its expiry does, and an acknowledgement comes too late */
    struct fake_message *c = compose(w, false, 0);
    c->header.expires_ms = w->wall_ms + 60000;
    uint64_t ic = deliver_message(w, c);
    log_report(w, ic);
    l = lease(w, 120000, 0);
    tick(w, 120001);
    link_up(w);
    assert_int_equal(last_report(w)->outcome, TMX__OUTCOME__OUTCOME_EXPIRED);
    assert_int_equal(ack(w, l), TMX_CODE_EXPIRED);
}

/* The race of expiry and CoA is decided by the log (REP-3). */
static void test_expiry_race(void **state)
{
    struct world *w = *state;
    struct fake_message *m = compose(w, false, 0);
    uint64_t index = deliver_message(w, m);
    struct tmx_bytes coa = w->reports[0].item;
    uint64_t end = leaf_end(w, TMX__ENTRY_KIND__ENTRY_EXPIRED, &m->header, "DE", 0, 1, index);
    feed_one(w, end);
    assert_null(lease(w, 0, 0));
    assert_true(tmx_bytes_eq(tmx_pb(message(w, m->id)->deliveries[0]->state), TMX_LIT("expired")));
    feed_one(w, leaf_body(w, TMX__ENTRY_KIND__ENTRY_REFUSAL, coa, "DE", TMX_CODE_OUTCOME_EXISTS, 0, end));
    tick(w, 10000);
    assert_int_equal(w->n_reports, 1);
    assert_int_equal(state_of(w).alarm_rows, 0);
    /* and the other way round it is the broker that is wrong */
    m = compose(w, false, 0);
    index = deliver_message(w, m);
    log_report(w, index);
    feed_one(w, leaf_end(w, TMX__ENTRY_KIND__ENTRY_EXPIRED, &m->header, "DE", 0, 2, index));
    assert_true(noticed(w, "log.expired-after-arrival"));
    assert_non_null(lease(w, 0, 0));
}

/* That the broker's copy of what came is gone is kept as evidence; while a message is open it is an alarm. QUE-8 */
static void test_erased(void **state)
{
    struct world *w = *state;
    struct tmx_spool_stat stat;
    struct fake_message *m = compose(w, false, 0);
    uint64_t index = deliver_message(w, m);
    log_report(w, index);
    feed_one(w, leaf_erased(w, &m->header, index));
    assert_true(noticed(w, "log.erased-wrong"));
    assert_int_equal(ack(w, lease(w, 0, 0)), TMX_CODE_OK);
    log_report(w, index);
    assert_int_equal(tmx_spool_stat(w->spool, &stat), 0);
    uint64_t before = stat.rows[TMX_NT_EVIDENCE];
    feed_one(w, leaf_erased(w, &m->header, index));
    assert_int_equal(tmx_spool_stat(w->spool, &stat), 0);
    assert_int_equal(stat.rows[TMX_NT_EVIDENCE], before + 1);
    assert_int_equal(state_of(w).alarm_rows, 1);
}

/* NODE-6: order within a movement, across gaps that the log explains. */
static void test_order(void **state)
{
    struct world *w = *state;
    struct fake_message *m1 = compose(w, true, 0), *m2 = compose(w, true, 1), *m3 = compose(w, true, 2);
    struct fake_message *free_one = compose(w, false, 0);
    uint64_t i3 = deliver_message(w, m3);
    log_report(w, i3);
    assert_null(lease(w, 0, 0));
    uint64_t i4 = deliver_message(w, free_one);
    log_report(w, i4);
    assert_true(is(lease(w, 0, 0), free_one));
    uint64_t i1 = deliver_message(w, m1);
    log_report(w, i1);
    const Tmx__Leased *l = lease(w, 0, 0);
    assert_true(is(l, m1));
    /* 2 is refused without consuming its number: it may still come */
    struct tmx_bytes item = fake_sign(&w->ch, &m2->header);
    feed_one(w, leaf_body(w, TMX__ENTRY_KIND__ENTRY_REFUSAL, item, "CH", TMX_CODE_UNKNOWN_RECIPIENT, 0, 0));
    assert_int_equal(ack(w, l), TMX_CODE_OK);
    assert_null(lease(w, 0, 0));
    assert_int_equal(state_of(w).blocked, 1);
    feed_one(w, leaf_body(w, TMX__ENTRY_KIND__ENTRY_REFUSAL, item, "CH", TMX_CODE_QUOTA, 1, 0));
    assert_true(is(lease(w, 0, 0), m3));
}

/* NODE-6: a number the broker ended before this node ever saw its message. */
static void test_order_expired(void **state)
{
    struct world *w = *state;
    struct fake_message *m1 = compose(w, true, 0), *m2 = compose(w, true, 1);
    uint64_t i2 = deliver_message(w, m2);
    log_report(w, i2);
    assert_null(lease(w, 0, 0));
    feed_one(w, leaf_end(w, TMX__ENTRY_KIND__ENTRY_EXPIRED, &m1->header, "DE", 0, 1, 3));
    assert_true(is(lease(w, 0, 0), m2));
}

/* NODE-6: a gap that the log explains does not let the one behind it pass the one before it. */
static void test_order_gap(void **state)
{
    struct world *w = *state;
    struct fake_message *m1 = compose(w, true, 0), *m2 = compose(w, true, 1), *m3 = compose(w, true, 2);
    log_report(w, deliver_message(w, m1));
    const Tmx__Leased *l = lease(w, 0, 0);
    assert_true(is(l, m1));
    feed_one(w, leaf_end(w, TMX__ENTRY_KIND__ENTRY_EXPIRED, &m2->header, "DE", 0, 2, 3));
    log_report(w, deliver_message(w, m3));
    assert_null(lease(w, 0, 0));
    assert_int_equal(ack(w, l), TMX_CODE_OK);
    assert_true(is(lease(w, 0, 0), m3));
}

/* Priority first, then acceptance; only the types asked for. */
static void test_lease_choice(void **state)
{
    struct world *w = *state;
    struct fake_message *m[3];
    for (unsigned i = 0; i < 3; i++) {
        m[i] = compose(w, false, 0);
        m[i]->header.priority = i == 2 ? 9 : 4;
    }
    for (unsigned i = 0; i < 3; i++) {
        log_report(w, deliver_message(w, m[i]));
    }
    Tmx__LeaseRequest body = TMX__LEASE_REQUEST__INIT;
    Tmx__Request request = TMX__REQUEST__INIT;
    ProtobufCBinaryData type = tmx_to_pb(TMX_LIT("CD003C"));
    body.max = 64;
    body.n_message_types = 1;
    body.message_types = &type;
    request.body_case = TMX__REQUEST__BODY_LEASE;
    request.lease = &body;
    ask(w, &request, NULL);
    assert_int_equal(w->response->lease->n_messages, 0);
    body.n_message_types = 0;
    ask(w, &request, NULL);
    assert_int_equal(w->response->lease->n_messages, 3);
    assert_int_equal(w->n_payload, 3);
    assert_true(is(w->response->lease->messages[0], m[2]));
    assert_true(is(w->response->lease->messages[1], m[0]));
    assert_true(is(w->response->lease->messages[2], m[1]));
}

/* LINK-10 */
static void test_large(void **state)
{
    struct world *w = *state;
    struct fake_message *m = tmx_arena_alloc(&w->arena, sizeof(*m));
    struct fake_node *to[1] = { &w->de };
    assert_non_null(m);
    fake_compose(&w->ch, to, 1, "CD001C", w->wall_ms, 300000, m);
    uint64_t index =
        leaf_body(w, TMX__ENTRY_KIND__ENTRY_ACCEPTANCE, fake_sign(&w->ch, &m->header), "CH", 0, 0, 0);
    deliver(w, index, TMX_BYTES_NULL);
    assert_int_equal(w->n_requests, 2);
    assert_int_equal(w->offsets[0], 0);
    assert_int_equal(w->offsets[1], TMX_CHUNK_SIZE);
    chunk(w, m, 0, TMX_CHUNK_SIZE);
    node_restart(w);
    w->n_requests = 0;
    link_up(w);
    assert_int_equal(w->n_requests, 1);   /* it goes on where it stopped */
    assert_int_equal(w->offsets[0], TMX_CHUNK_SIZE);
    chunk(w, m, TMX_CHUNK_SIZE, m->container_size - TMX_CHUNK_SIZE);
    assert_int_equal(w->n_reports, 1);
    assert_int_equal(last_report(w)->outcome, TMX__OUTCOME__OUTCOME_COA);
    log_report(w, index);
    assert_non_null(lease(w, 0, 0));
    assert_int_equal(w->payload[0].size, 300000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_arrival, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_refused_report, world_setup, world_teardown),
        cmocka_unit_test(test_seen_head),
        cmocka_unit_test(test_seen_by_nobody),
        cmocka_unit_test(test_seen_heads_of_one_frame),
        cmocka_unit_test_setup_teardown(test_missing_number, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_missing_pardoned, world_setup, world_teardown),
        cmocka_unit_test(test_bad_deliveries),
        cmocka_unit_test_setup_teardown(test_acknowledge, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_place_in_the_log, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_refuse, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_lapse, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_expiry, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_erased, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_expiry_race, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_order, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_order_expired, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_order_gap, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_lease_choice, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_large, world_setup, world_teardown),
    };
    return cmocka_run_group_tests_name("node-inbox", tests, NULL, NULL);
}
