/* SPDX-License-Identifier: Apache-2.0
 * Submissions of the node: what is refused, numbers, order, seals, and what the leaves about them change.
 */
#include <sodium.h>
#include <stdio.h>

#include "fake_broker.h"

static ProtobufCBinaryData text(const char *s)
{
    return tmx_to_pb(tmx_bytes_str(s));
}

/* NODE-2, APP-2, CAT-1, CAT-2, CAT-3, ID-1 */
static void test_refused(void **state)
{
    struct world *w = *state;
    static const struct {
        unsigned code;
        const char *reference, *to, *type, *mrn, *lrn, *correlation, *payload;
        uint32_t priority;
        int64_t expires;
    } cases[] = {
        { TMX_CODE_BAD_REFERENCE, "", "CH", "CD001C", "", "", "", "x", 0, 0 },
        { TMX_CODE_BAD_REFERENCE, "with space", "CH", "CD001C", "", "", "", "x", 0, 0 },
        { TMX_CODE_EMPTY_PAYLOAD, "r", "CH", "CD001C", "", "", "", "", 0, 0 },
        { TMX_CODE_SELF, "r", "DE", "CD001C", "", "", "", "x", 0, 0 },
        { TMX_CODE_UNKNOWN_RECIPIENT, "r", "XX", "CD001C", "", "", "", "x", 0, 0 },
        { TMX_CODE_UNKNOWN_RECIPIENT, "r", "TOOLONGCODE", "CD001C", "", "", "", "x", 0, 0 },
        { TMX_CODE_UNKNOWN_TYPE, "r", "CH", "CD999C", "", "", "", "x", 0, 0 },
        { TMX_CODE_BAD_MRN, "r", "CH", "CD001C", "26DE1234567890ABJ5", "", "", "x", 0, 0 },
        { TMX_CODE_MRN_REQUIRED, "r", "CH", "CD003C", "", "", "b", "x", 0, 0 },
        { TMX_CODE_CORRELATION_REQUIRED, "r", "CH", "CD003C", MRN, "", "", "x", 0, 0 },
        { TMX_CODE_BAD_LRN, "r", "CH", "CD001C", "", " x", "", "x", 0, 0 },
        { TMX_CODE_MALFORMED, "r", "CH", "CD001C", "", "", "", "x", 10, 0 },
        { TMX_CODE_EXPIRED_ON_ARRIVAL, "r", "CH", "CD001C", "", "", "", "x", 0, -1000 },
        { TMX_CODE_EXPIRY_TOO_FAR, "r", "CH", "CD001C", "", "", "", "x", 0, (int64_t)(31 * DAY_MS) },
    };
    for (size_t i = 0; i < TMX_N(cases); i++) {
        Tmx__SubmitRequest s = submission(cases[i].reference, cases[i].to);
        s.message_type = text(cases[i].type);
        s.mrn = text(cases[i].mrn);
        s.lrn = text(cases[i].lrn);
        s.business_correlation = text(cases[i].correlation);
        s.priority = cases[i].priority;
        s.expires_ms = cases[i].expires == 0 ? 0 : (uint64_t)((int64_t)w->wall_ms + cases[i].expires);
        if (submit(w, &s, cases[i].payload) != cases[i].code) {
            fail_msg("case %zu: %u instead of %u", i, w->response->code, cases[i].code);
        }
        assert_true(w->response->text.len > 0);
    }
    assert_int_equal(state_of(w).submitted, 0);
    assert_int_equal(w->n_submits, 0);
}

/* NODE-1 */
static void test_idempotent(void **state)
{
    struct world *w = *state;
    uint8_t id[TMX_ID_SIZE];
    submit_ok(w, "a", MRN, 0, id);
    assert_false(w->response->submit->duplicate);
    for (unsigned i = 0; i < 2; i++) {
        submit_ok(w, "a", MRN, 0, NULL);
        assert_true(w->response->submit->duplicate);
        assert_memory_equal(w->response->submit->message_id.data, id, sizeof(id));
        node_restart(w);
    }
    Tmx__SubmitRequest s = submission("a", "CH");
    s.mrn = text(MRN);
    s.expires_ms = w->wall_ms + DAY_MS;   /* counted from now, each time it is sent: the first stands */
    s.file_name = text("another name");
    assert_int_equal(submit(w, &s, "payload"), TMX_CODE_OK);
    assert_memory_equal(w->response->submit->message_id.data, id, sizeof(id));
    assert_int_equal(submit(w, &s, "other payload"), TMX_CODE_REFERENCE_REUSED);
    s.priority = 5;
    assert_int_equal(submit(w, &s, "payload"), TMX_CODE_REFERENCE_REUSED);
    assert_int_equal(state_of(w).submitted, 0);   /* since the restart */
}

/* What was sealed is what was handed in (SEAL-1, SEAL-2, CON-2, CON-3). */
static void test_sealed(void **state)
{
    struct world *w = *state;
    uint8_t id[TMX_ID_SIZE], ps[32], plaintext[4096], key[32], digest[32];
    submit_ok(w, "a", MRN, 7, id);
    Tmx__Header *h = header_of(w, w->submits[0].item);
    struct tmx_bytes container = w->submits[0].container;
    assert_memory_equal(h->message_id.data, id, sizeof(id));
    assert_int_equal(h->priority, 7);
    assert_int_equal(h->movement_label.len, TMX_LABEL_SIZE);
    assert_int_equal(h->seen->size, w->n_entries);
    assert_int_equal(h->expires_ms, h->sent_ms + 7 * DAY_MS);
    tmx_digest(container, digest);
    assert_memory_equal(digest, h->container_digest.data, 32);
    struct tmx_seal_outside outside;
    struct tmx_bytes to = TMX_LIT("CH");
    size_t size, payload_size;
    uint8_t *payload;
    Tmx__Content *content;
    assert_true(tmx_seal_parse(container, &outside));
    assert_true(tmx_seal_pair_receive(outside.epk, w->ch.prekey_secret, w->ch.prekey, TMX_LIT("DE"), to, ps));
    struct tmx_seal_context ctx = { .message_id = id, .sender = TMX_LIT("DE"), .n_recipients = 1, .recipients = &to };
    assert_true(tmx_seal_open(container, &ctx, 0, ps, plaintext, &size, key));
    assert_int_equal(tmx_content_unpack(TMX_BYTES(plaintext, size), &w->arena, &content, &payload, &payload_size), 0);
    assert_true(tmx_bytes_eq(TMX_BYTES(payload, payload_size), TMX_LIT("payload")));
    assert_true(tmx_bytes_eq(tmx_pb(content->mrn), TMX_LIT(MRN)));
    free(payload);
}

/* NODE-3, LINK-9, ENV-5: numbers are taken while they are granted, and chained within a movement. */
static void test_numbers(void **state)
{
    struct world *w = *state;
    limits(w, 0);
    w->max_seq = 2;
    node_restart(w);
    link_up(w);
    submit_ok(w, "a", MRN, 0, NULL);
    submit_ok(w, "b", "", 0, NULL);
    submit_ok(w, "c", MRN, 0, NULL);
    assert_int_equal(w->n_submits, 2);
    assert_int_equal(state_of(w).waiting, 1);
    limits(w, 5);
    assert_int_equal(w->n_submits, 3);
    static const uint64_t seq[] = { 1, 2, 3 }, prev[] = { 0, 0, 1 };
    for (size_t i = 0; i < 3; i++) {
        Tmx__Header *h = header_of(w, w->submits[i].item);
        assert_int_equal(h->recipients[0]->seq, seq[i]);
        assert_int_equal(h->recipients[0]->prev, prev[i]);
    }
    assert_int_equal(header_of(w, w->submits[1].item)->movement_label.len, 0);
}

/* Priority acts before numbers are taken, and a movement never overtakes itself. */
static void test_priority(void **state)
{
    struct world *w = *state;
    static const char *const order[] = { "m1", "m2", "high", "low" };
    submit_ok(w, "low", "", 1, NULL);
    submit_ok(w, "m1", MRN, 1, NULL);
    submit_ok(w, "high", "", 8, NULL);
    submit_ok(w, "m2", MRN, 9, NULL);   /* lifts m1 */
    assert_int_equal(w->n_submits, 0);
    link_up(w);
    assert_int_equal(w->n_submits, 0);   /* no prekey yet: the feed is not read */
    feed_all(w);
    assert_int_equal(w->n_submits, 4);
    for (size_t i = 0; i < 4; i++) {
        Tmx__MessageRequest body = TMX__MESSAGE_REQUEST__INIT;
        Tmx__Request request = TMX__REQUEST__INIT;
        body.reference = text(order[i]);
        request.body_case = TMX__REQUEST__BODY_MESSAGE;
        request.message = &body;
        ask(w, &request, NULL);
        const Tmx__MessageState *m = w->response->messages->messages[0];
        Tmx__Header *h = header_of(w, w->submits[i].item);
        assert_true(tmx_bytes_eq(tmx_pb(h->message_id), tmx_pb(m->message_id)));
    }
}

/* A recipient without credit holds up only what goes to it. */
static void test_several_recipients(void **state)
{
    struct world *w = *state;
    w->max_seq = 0;
    w->n_hellos = 0;
    node_restart(w);
    link_up(w);
    ProtobufCBinaryData both[2] = { text("CH"), text("IT") };
    Tmx__SubmitRequest s = submission("both", "CH");
    s.n_recipients = 2;
    s.recipients = both;
    s.mrn = text(MRN);
    assert_int_equal(submit(w, &s, "x"), TMX_CODE_OK);
    s = submission("it", "IT");
    assert_int_equal(submit(w, &s, "x"), TMX_CODE_OK);
    submit_ok(w, "later", MRN, 0, NULL);   /* of the movement: behind the one for both */
    submit_ok(w, "ch", "", 0, NULL);
    limits(w, 100);
    assert_int_equal(w->n_submits, 1);     /* only "ch" */
    assert_int_equal(header_of(w, w->submits[0].item)->movement_label.len, 0);
    w->max_seq = 100;
    bye(w, TMX_CODE_BAD_SESSION);
    w->n_hellos = 0;
    link_up(w);
    tick(w, 0);
    assert_int_equal(state_of(w).waiting, 0);
    size_t n = w->n_submits;
    Tmx__Header *h = header_of(w, w->submits[n - 1].item);
    assert_int_equal(h->recipients[0]->prev, 2);
    bool found = false;
    for (size_t i = 0; i < n; i++) {
        h = header_of(w, w->submits[i].item);
        found = found || (h->n_recipients == 2 && h->recipients[0]->seq == 2 && h->recipients[1]->seq == 1);
    }
    assert_true(found);
}

/* BAT-1, BAT-3: what is pending is signed together. */
static void test_batch(void **state)
{
    struct world *w = *state;
    char reference[8];
    for (unsigned i = 0; i < 70; i++) {
        snprintf(reference, sizeof(reference), "r%u", i);
        submit_ok(w, reference, "", 0, NULL);
    }
    link_up(w);
    feed_all(w);
    assert_int_equal(w->n_submits, 70);
    uint64_t numbers[2] = { 0 };
    unsigned counts[2] = { 0 };
    for (size_t i = 0; i < w->n_submits; i++) {
        Tmx__Signed *s;
        struct tmx_signature signature;
        assert_int_equal(tmx_signed_parse(w->submits[i].item, &w->arena, &s, &signature), TMX_CODE_OK);
        header_of(w, w->submits[i].item);
        unsigned k = numbers[0] == 0 || numbers[0] == signature.batch_no ? 0 : 1;
        numbers[k] = signature.batch_no;
        counts[k]++;
    }
    assert_int_equal(counts[0], 64);
    assert_int_equal(counts[1], 6);
    assert_true(numbers[1] > numbers[0]);
}

/* The life of a delivery, as its sender learns it (REP-2, REP-4, ENV-6); the copy goes with the last outcome. */
static void test_outcomes(void **state)
{
    static const struct {
        Tmx__Outcome outcome;
        unsigned code;
        bool after_coa;
        const char *state, *step;
    } cases[] = {
        { TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0, true, "delivered", "CoD" },
        { TMX__OUTCOME__OUTCOME_COD_NEGATIVE, 601, true, "refused", "refused" },
        { TMX__OUTCOME__OUTCOME_EXPIRED, TMX_CODE_EXPIRED, true, "expired", "expired" },
        { TMX__OUTCOME__OUTCOME_COE, TMX_CODE_CONTENT_INVALID, false, "exception", "CoE" },
    };
    for (size_t i = 0; i < TMX_N(cases); i++) {
        void *fresh;
        world_setup(&fresh);
        struct world *w = fresh;
        uint8_t id[TMX_ID_SIZE];
        submit_ok(w, "a", MRN, 0, id);
        struct tmx_bytes item = w->submits[0].item;
        uint64_t index = accept_submit(w, 0);
        assert_true(tmx_bytes_eq(tmx_pb(message(w, id)->deliveries[0]->state), tmx_bytes_str("accepted")));
        if (cases[i].after_coa) {
            struct tmx_bytes coa = report_make(w, &w->ch, item, index, TMX__OUTCOME__OUTCOME_COA, 0, NULL);
            feed_one(w, leaf_body(w, TMX__ENTRY_KIND__ENTRY_REPORT, coa, "CH", 0, 0, index));
            assert_true(tmx_bytes_eq(tmx_pb(message(w, id)->deliveries[0]->state), tmx_bytes_str("arrived")));
        }
        struct tmx_spool_stat stat;
        assert_int_equal(tmx_spool_stat(w->spool, &stat), 0);
        assert_int_equal(stat.rows[TMX_NT_OUT_CONTAINER], 1);
        assert_int_equal(stat.rows[TMX_NT_OUT_PAYLOAD], 0);
        struct tmx_bytes end = report_make(w, &w->ch, item, index, cases[i].outcome, cases[i].code, NULL);
        uint64_t leaf_index = leaf_body(w, TMX__ENTRY_KIND__ENTRY_REPORT, end, "CH", 0, 0, index);
        feed_one(w, leaf_index);
        feed_one(w, leaf_index);   /* again: nothing changes */
        const Tmx__MessageState *m = message(w, id);
        assert_true(tmx_bytes_eq(tmx_pb(m->deliveries[0]->state), tmx_bytes_str(cases[i].state)));
        assert_int_equal(m->n_steps, cases[i].after_coa ? 5 : 4);   /* submitted signed accepted (CoA) outcome */
        const Tmx__Step *s = step_of(m, cases[i].step);
        assert_non_null(s);
        assert_true(s->verified);
        assert_int_equal(s->index, leaf_index);
        assert_int_equal(tmx_spool_stat(w->spool, &stat), 0);
        assert_int_equal(stat.rows[TMX_NT_OUT_CONTAINER], 0);
        assert_int_equal(stat.rows[TMX_NT_ARCHIVE], 0);
        assert_int_equal(stat.rows[TMX_NT_EVIDENCE], cases[i].after_coa ? 3 : 2);
        assert_int_equal(stat.rows[TMX_NT_ALARM], 0);
        world_teardown(&fresh);
    }
    (void)state;
}

/* That the broker's copy is gone is evidence, too; gone before the last outcome it is an alarm (QUE-8, FEED-1). */
static void test_erased(void **state)
{
    struct world *w = *state;
    struct tmx_spool_stat stat;
    submit_ok(w, "a", MRN, 0, NULL);
    struct tmx_bytes item = w->submits[0].item;
    uint64_t index = accept_submit(w, 0);
    Tmx__Header *h = header_of(w, item);
    feed_one(w, leaf_erased(w, h, index));
    assert_true(noticed(w, "log.erased-wrong"));
    assert_int_equal(state_of(w).alarm_rows, 1);
    struct tmx_bytes end = report_make(w, &w->ch, item, index, TMX__OUTCOME__OUTCOME_COE, TMX_CODE_CONTENT_INVALID, NULL);
    feed_one(w, leaf_body(w, TMX__ENTRY_KIND__ENTRY_REPORT, end, "CH", 0, 0, index));
    uint64_t erased = leaf_erased(w, h, index);
    feed_one(w, erased);
    feed_one(w, erased);   /* again: nothing changes */
    assert_int_equal(tmx_spool_stat(w->spool, &stat), 0);
    assert_int_equal(stat.rows[TMX_NT_EVIDENCE], 3);
    assert_int_equal(state_of(w).alarm_rows, 1);
}

/* Reports that prove nothing raise an alarm and change nothing (REP-1, REP-4). */
static void test_false_reports(void **state)
{
    struct world *w = *state;
    uint8_t id[TMX_ID_SIZE];
    submit_ok(w, "a", "", 0, id);
    struct tmx_bytes item = w->submits[0].item;
    uint64_t index = accept_submit(w, 0);
    struct tmx_bytes coa = report_make(w, &w->ch, item, index, TMX__OUTCOME__OUTCOME_COA, 0, NULL);
    struct tmx_bytes forged = report_make(w, &w->it, item, index, TMX__OUTCOME__OUTCOME_COA, 0, NULL);
    struct tmx_bytes elsewhere = report_make(w, &w->ch, item, index + 7, TMX__OUTCOME__OUTCOME_COA, 0, NULL);
    struct tmx_bytes early = report_make(w, &w->ch, item, index, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0, NULL);
    memcpy(w->it.me->code, "CH", 3);   /* IT signs as CH */
    struct tmx_bytes stolen = report_make(w, &w->it, item, index, TMX__OUTCOME__OUTCOME_COA, 0, NULL);
    memcpy(w->it.me->code, "IT", 3);
    const struct {
        struct tmx_bytes item;
        const char *member, *event;
    } cases[] = {
        { forged, "IT", "log.report-wrong" },  { stolen, "CH", "log.report-wrong" }, { coa, "IT", "log.report-wrong" },
        { elsewhere, "CH", "log.report-wrong" }, { early, "CH", "log.report-state" },
    };
    for (size_t i = 0; i < TMX_N(cases); i++) {
        w->n_notices = 0;
        feed_one(w, leaf_body(w, TMX__ENTRY_KIND__ENTRY_REPORT, cases[i].item, cases[i].member, 0, 0, index));
        if (!noticed(w, cases[i].event)) {
            fail_msg("case %zu raised no alarm", i);
        }
        assert_true(tmx_bytes_eq(tmx_pb(message(w, id)->deliveries[0]->state), TMX_LIT("accepted")));
    }
    assert_int_equal(state_of(w).alarm_rows, TMX_N(cases));
}

/* REP-5 and the closed list of the broker's exceptions. */
static void test_ended_by_broker(void **state)
{
    static const struct {
        Tmx__EntryKind kind;
        unsigned code;
        bool arrived, late, before;   /* CoA logged; expiry passed; a leaf older than the acceptance */
        const char *state;
    } cases[] = {
        { TMX__ENTRY_KIND__ENTRY_EXPIRED, 0, false, true, false, "expired" },
        { TMX__ENTRY_KIND__ENTRY_EXPIRED, 0, false, false, false, "accepted" },
        { TMX__ENTRY_KIND__ENTRY_EXPIRED, 0, true, true, false, "arrived" },
        { TMX__ENTRY_KIND__ENTRY_EXCEPTION, TMX_CODE_RECIPIENT_REVOKED, false, false, false, "exception" },
        { TMX__ENTRY_KIND__ENTRY_EXCEPTION, TMX_CODE_RECIPIENT_REVOKED, true, false, false, "arrived" },
        { TMX__ENTRY_KIND__ENTRY_EXCEPTION, TMX_CODE_RECIPIENT_LOST, true, false, false, "exception" },
        { TMX__ENTRY_KIND__ENTRY_EXCEPTION, TMX_CODE_RECIPIENT_LOST, false, false, false, "accepted" },
        { TMX__ENTRY_KIND__ENTRY_EXCEPTION, TMX_CODE_CANNOT_OPEN, false, false, false, "accepted" },
    };
    for (size_t i = 0; i < TMX_N(cases); i++) {
        void *fresh;
        world_setup(&fresh);
        struct world *w = fresh;
        uint8_t id[TMX_ID_SIZE];
        submit_ok(w, "a", "", 0, id);
        struct tmx_bytes item = w->submits[0].item;
        uint64_t index = accept_submit(w, 0);
        if (cases[i].arrived) {
            struct tmx_bytes coa = report_make(w, &w->ch, item, index, TMX__OUTCOME__OUTCOME_COA, 0, NULL);
            feed_one(w, leaf_body(w, TMX__ENTRY_KIND__ENTRY_REPORT, coa, "CH", 0, 0, index));
        }
        w->wall_ms += cases[i].late ? 8 * DAY_MS : 0;
        w->mono_ms += cases[i].late ? 8 * DAY_MS : 0;
        w->n_hellos = 0;
        if (cases[i].late) {
            tick(w, 0);
            link_up(w);
        }
        uint64_t end = leaf_end(w, cases[i].kind, header_of(w, item), "CH", cases[i].code, 1, index);
        feed_one(w, end);
        if (!tmx_bytes_eq(tmx_pb(message(w, id)->deliveries[0]->state), tmx_bytes_str(cases[i].state))) {
            fail_msg("case %zu: %s", i, (const char *)message(w, id)->deliveries[0]->state.data);
        }
        bool alarm = strcmp(cases[i].state, "accepted") == 0 || strcmp(cases[i].state, "arrived") == 0;
        assert_int_equal(state_of(w).alarm_rows, alarm ? 1 : 0);
        world_teardown(&fresh);
    }
    (void)state;
}

/* QUE-3: a refusal is final; what consumed nothing gives its numbers back. */
static void test_refusal(void **state)
{
    struct world *w = *state;
    uint8_t id[TMX_ID_SIZE];
    submit_ok(w, "a", MRN, 0, id);
    feed_one(w, leaf_body(w, TMX__ENTRY_KIND__ENTRY_REFUSAL, w->submits[0].item, "DE", TMX_CODE_QUOTA, 1, 0));
    const Tmx__MessageState *m = message(w, id);
    assert_true(tmx_bytes_eq(tmx_pb(m->deliveries[0]->state), TMX_LIT("rejected")));
    assert_int_equal(step_of(m, "rejected")->code, TMX_CODE_QUOTA);
    tick(w, 10000);
    assert_int_equal(w->n_submits, 1);
    submit_ok(w, "b", MRN, 0, NULL);
    assert_int_equal(header_of(w, w->submits[1].item)->recipients[0]->seq, 2);
    assert_int_equal(header_of(w, w->submits[1].item)->recipients[0]->prev, 1);
    feed_one(w, leaf_body(w, TMX__ENTRY_KIND__ENTRY_REFUSAL, w->submits[1].item, "DE", TMX_CODE_UNKNOWN_RECIPIENT, 0, 0));
    submit_ok(w, "c", MRN, 0, NULL);
    assert_int_equal(header_of(w, w->submits[2].item)->recipients[0]->seq, 2);
    assert_int_equal(header_of(w, w->submits[2].item)->recipients[0]->prev, 1);
}

/* An acceptance of other bytes than this node signed. */
static void test_false_acceptance(void **state)
{
    struct world *w = *state;
    uint8_t id[TMX_ID_SIZE];
    submit_ok(w, "a", "", 0, id);
    w->de.batch_no = 1;
    struct tmx_bytes other = fake_sign(&w->de, header_of(w, w->submits[0].item));   /* another signature */
    feed_one(w, leaf_body(w, TMX__ENTRY_KIND__ENTRY_ACCEPTANCE, other, "DE", 0, 0, 0));
    assert_true(noticed(w, "log.acceptance-unknown"));
    assert_true(tmx_bytes_eq(tmx_pb(message(w, id)->deliveries[0]->state), TMX_LIT("queued")));
}

/* The reason of a refusal travels sealed beside its report. */
static void test_reason(void **state)
{
    struct world *w = *state;
    uint8_t id[TMX_ID_SIZE], key[32], random[56] = { 3 }, digest[32], *plaintext, buffer[TMX_ATTACHMENT_MAX];
    size_t size;
    submit_ok(w, "a", "", 0, id);
    struct tmx_bytes item = w->submits[0].item;
    uint64_t index = accept_submit(w, 0);
    struct tmx_bytes coa = report_make(w, &w->ch, item, index, TMX__OUTCOME__OUTCOME_COA, 0, NULL);
    feed_one(w, leaf_body(w, TMX__ENTRY_KIND__ENTRY_REPORT, coa, "CH", 0, 0, index));
    Tmx__Content content = TMX__CONTENT__INIT;
    content.message_id = tmx_to_pb(TMX_BYTES_OF(id));
    content.message_type = text("CD001C");
    assert_int_equal(tmx_content_pack(NULL, &content, TMX_LIT("goods not presented"), &plaintext, &size), 0);
    struct tmx_seal_sender sender;
    struct tmx_seal_slot slot;
    struct tmx_bytes to = TMX_LIT("DE");
    tmx_seal_sender_init(random, &sender);
    tmx_seal_key_id(w->de.prekey, slot.key_id);
    assert_true(tmx_seal_pair_send(&sender, w->de.prekey, TMX_LIT("CH"), to, slot.ps));
    struct tmx_seal_context ctx = { .message_id = id, .sender = TMX_LIT("CH"), .n_recipients = 1, .recipients = &to };
    struct tmx_writer wr = TMX_WRITER_OF(buffer);
    tmx_seal(&wr, TMX_BYTES(plaintext, size), &ctx, &sender, &slot, random, key);
    free(plaintext);
    tmx_digest(tmx_written(&wr), digest);
    struct tmx_bytes no = report_make(w, &w->ch, item, index, TMX__OUTCOME__OUTCOME_COD_NEGATIVE, 601, digest);
    uint64_t end = leaf_body(w, TMX__ENTRY_KIND__ENTRY_REPORT, no, "CH", 0, 0, index);
    feed(w, &end, 1, tmx_written(&wr));
    const Tmx__Step *s = step_of(message(w, id), "refused");
    assert_non_null(s);
    assert_true(tmx_bytes_eq(tmx_pb(s->text), TMX_LIT("goods not presented")));
}

/* LINK-10: a large container is handed out in chunks. */
static void test_large(void **state)
{
    struct world *w = *state;
    uint8_t *big = malloc(700000);
    assert_non_null(big);
    static const uint8_t seed[32] = { 5 };
    randombytes_buf_deterministic(big, 700000, seed);
    Tmx__SubmitRequest s = submission("big", "CH");
    Tmx__Request request = TMX__REQUEST__INIT;
    struct tmx_bytes payload = TMX_BYTES(big, 700000);
    request.body_case = TMX__REQUEST__BODY_SUBMIT;
    request.submit = &s;
    ask(w, &request, &payload);
    free(big);
    assert_int_equal(w->response->code, TMX_CODE_OK);
    Tmx__Header *h = header_of(w, w->submits[0].item);
    assert_int_equal(w->submits[0].container.size, 0);
    for (uint64_t offset = 0; offset <= h->container_bytes; offset += TMX_CHUNK_SIZE) {
        Tmx__ChunkRequest body = TMX__CHUNK_REQUEST__INIT;
        Tmx__Link link = TMX__LINK__INIT;
        body.message_id = h->message_id;
        body.offset = offset;
        link.body_case = TMX__LINK__BODY_CHUNK_REQUEST;
        link.chunk_request = &body;
        say(w, &link, NULL, 0);
    }
    assert_int_equal(w->chunk_bytes, h->container_bytes);
}

/* A submission that could not be signed in time. */
static void test_expires_unsigned(void **state)
{
    struct world *w = *state;
    uint8_t id[TMX_ID_SIZE];
    Tmx__SubmitRequest s = submission("a", "CH");
    s.expires_ms = w->wall_ms + 5000;
    assert_int_equal(submit(w, &s, "x"), TMX_CODE_OK);
    memcpy(id, w->response->submit->message_id.data, sizeof(id));
    tick(w, 6000);
    assert_true(tmx_bytes_eq(tmx_pb(message(w, id)->deliveries[0]->state), TMX_LIT("expired")));
    link_up(w);
    feed_all(w);
    assert_int_equal(w->n_submits, 0);
}

/* NODE-11 */
static void test_correlation(void **state)
{
    struct world *w = *state;
    uint8_t id[TMX_ID_SIZE];
    Tmx__SubmitRequest s = submission("question", "CH");
    s.business_id = text("B-17");
    assert_int_equal(submit(w, &s, "x"), TMX_CODE_OK);
    memcpy(id, w->response->submit->message_id.data, sizeof(id));
    s = submission("answer", "CH");
    s.business_correlation = text("B-17");
    assert_int_equal(submit(w, &s, "x"), TMX_CODE_OK);
    Tmx__Header *h = header_of(w, w->submits[1].item);
    assert_true(tmx_bytes_eq(tmx_pb(h->correlation_id), TMX_BYTES_OF(id)));
}

/* LINK-3: while the link is busy nothing is said that rows keep, and a time-out does not make it worse. */
static void test_busy_link(void **state)
{
    struct world *w = *state;
    struct tmx_node_event ev = world_event(w, TMX_NODE_LINK_BUSY);
    ev.busy = true;
    turn(w, &ev, 1);
    Tmx__SubmitRequest s = submission("busy", "CH");
    assert_int_equal(submit(w, &s, "x"), TMX_CODE_OK);
    assert_int_equal(w->n_submits, 0);
    assert_true(w->out.deadline_ms > w->mono_ms);
    ev = world_event(w, TMX_NODE_LINK_BUSY);
    turn(w, &ev, 1);
    assert_int_equal(w->n_submits, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_refused, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_idempotent, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_sealed, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_numbers, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_priority, world_setup_offline, world_teardown),
        cmocka_unit_test_setup_teardown(test_several_recipients, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_batch, world_setup_offline, world_teardown),
        cmocka_unit_test(test_outcomes),
        cmocka_unit_test_setup_teardown(test_erased, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_false_reports, world_setup, world_teardown),
        cmocka_unit_test(test_ended_by_broker),
        cmocka_unit_test_setup_teardown(test_refusal, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_false_acceptance, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_reason, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_large, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_expires_unsigned, world_setup_offline, world_teardown),
        cmocka_unit_test_setup_teardown(test_correlation, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_busy_link, world_setup, world_teardown),
    };
    return cmocka_run_group_tests_name("node-sending", tests, NULL, NULL);
}
