/* SPDX-License-Identifier: Apache-2.0
 * What an evidence bundle says of deliveries, and its container: each rule broken once, and what is only missing is no
 * fault. EVI-7 … EVI-12
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <string.h>

#include <tmx/code.h>
#include <tmx/seal.h>

#include "evidence_case.h"

#define DAY_MS 86400000ull

/* A report that is bent before FR signs it. */
static Tmx__Report bent;

/* --- EVI-7, EVI-8 ----------------------------------------------------------------------------------------------- */

static void accepted_twice(void)
{
    case_arrived();
    book_accept(&case_parcel.mail);
    case_pack_from(5);
    case_expect(7, "accepted or refused for good before, at entry 5");
}

static void refused_and_accepted(void)
{
    sample_log();
    sample_compose(&case_parcel, "DE", "FR", NULL, false);
    book_put_header(&case_parcel.mail, TMX__ENTRY_KIND__ENTRY_REFUSAL, TMX_CODE_TYPE_NOT_ALLOWED, 1);
    book_accept(&case_parcel.mail);
    case_pack_from(5);
    case_expect(7, "accepted or refused for good before, at entry 5");
}

/* What consumed nothing may come again. */
static void put_off_and_accepted(void)
{
    sample_log();
    sample_compose(&case_parcel, "DE", "FR", NULL, false);
    book_put_header(&case_parcel.mail, TMX__ENTRY_KIND__ENTRY_REFUSAL, TMX_CODE_UNKNOWN_RECIPIENT, 0);
    book_accept(&case_parcel.mail);
    case_pack_from(5);
    case_expect_state("accepted", false);
}

static void report_names_another(void)
{
    Tmx__LogEntry e = book_entry(TMX__ENTRY_KIND__ENTRY_REPORT);

    case_accepted();
    bent = book_report_on(&case_parcel.mail, 0, TMX__OUTCOME__OUTCOME_COA, 0);
    book_acceptance.index = 4;
    book_sign(&e, "FR", &bent);
    e.reference = &book_acceptance;
    book_put(&e);
    case_pack();
    case_expect(7, "it names entry 4 of 2026a, which is not the acceptance");
}

static void signer_names_another(void)
{
    Tmx__LogEntry e = book_entry(TMX__ENTRY_KIND__ENTRY_REPORT);
    Tmx__LogRef right;

    case_accepted();
    bent = book_report_on(&case_parcel.mail, 0, TMX__OUTCOME__OUTCOME_COA, 0);
    right = book_acceptance;
    book_acceptance.index = 4;
    book_sign(&e, "FR", &bent);
    e.reference = &right;
    book_put(&e);
    case_pack();
    case_expect(7, "its signer names entry 4 of 2026a as the acceptance");
}

/* A report of an earlier shard counts only where the message was not accepted anew. */
static void signer_names_another_shard(void)
{
    Tmx__LogEntry e = book_entry(TMX__ENTRY_KIND__ENTRY_REPORT);
    Tmx__LogRef right;

    case_accepted();
    bent = book_report_on(&case_parcel.mail, 0, TMX__OUTCOME__OUTCOME_COA, 0);
    right = book_acceptance;
    book_acceptance.shard = book_str("2025z");
    book_sign(&e, "FR", &bent);
    e.reference = &right;
    book_put(&e);
    case_pack();
    case_expect(7, "its signer names entry 5 of 2025z as the acceptance");
}

/* In the shard that follows; `index` of the acceptance in the one before. */
static void report_there(uint64_t index, uint64_t right)
{
    Tmx__LogEntry e = book_entry(TMX__ENTRY_KIND__ENTRY_REPORT);
    Tmx__LogRef here;

    case_accepted();
    sample_begin(&case_bundle, &case_parcel);
    sample_leaf(&case_bundle, case_parcel.mail.index, sample_head(&case_bundle, 0));
    sample_new_shard();
    book_put_header(&case_parcel.mail, TMX__ENTRY_KIND__ENTRY_RESUBMISSION, 0, 0);
    bent = book_report_on(&case_parcel.mail, 0, TMX__OUTCOME__OUTCOME_COA, 0);
    here = book_ref(right);
    book_acceptance.shard = book_str("2026a");
    book_acceptance.index = index;
    book_sign(&e, "FR", &bent);
    e.reference = &here;
    book_put(&e);
    sample_directories(&case_bundle, 1, 2);
    sample_head(&case_bundle, 0);
    sample_leaf(&case_bundle, case_parcel.mail.index, 1);
    sample_leaf(&case_bundle, case_parcel.mail.index + 1, 1);
}

static void report_of_earlier_shard(void)
{
    report_there(5, 2);
    case_expect_state("arrived", false);
}

static void report_of_another_place_there(void)
{
    report_there(4, 2);
    case_expect(7, "it names entry 4 of 2026a, where the message was accepted at entry 5");
}

static void report_of_another_place_here(void)
{
    report_there(5, 1);
    case_expect(7, "it names entry 1 of 2026b, which is not the acceptance");
}

/* A resubmission that says what it was: that place stands for it, too. */
static void resubmission_of(uint64_t named, uint64_t referred, bool report_first)
{
    Tmx__LogEntry again = book_entry(TMX__ENTRY_KIND__ENTRY_RESUBMISSION);
    Tmx__LogEntry e = book_entry(TMX__ENTRY_KIND__ENTRY_REPORT);
    Tmx__LogRef there;
    Tmx__LogRef reference;

    case_accepted();
    sample_begin(&case_bundle, &case_parcel);
    sample_leaf(&case_bundle, case_parcel.mail.index, sample_head(&case_bundle, 0));
    sample_new_shard();
    book_sign(&again, "DE", &case_parcel.mail.header);
    there = book_ref(named);
    there.shard = book_str("2026a");
    again.reference = &there;
    bent = book_report_on(&case_parcel.mail, 0, TMX__OUTCOME__OUTCOME_COA, 0);
    book_acceptance.shard = book_str("2026a");
    book_sign(&e, "FR", &bent);
    reference = book_ref(referred);
    reference.shard = book_str("2026a");
    e.reference = &reference;
    book_put(report_first ? &e : &again);
    book_put(report_first ? &again : &e);
    sample_directories(&case_bundle, 1, 2);
    sample_head(&case_bundle, 0);
    sample_leaf(&case_bundle, 2, 1);
    sample_leaf(&case_bundle, 3, 1);
}

static void resubmission_with_reference(void)
{
    resubmission_of(5, 5, false);
    case_expect_state("arrived", false);
}

static void resubmission_of_another_place(void)
{
    resubmission_of(4, 5, false);
    case_expect(7, "it names entry 4 of 2026a, where the message was accepted at entry 5");
}

static void report_beside_its_resubmission(void)
{
    resubmission_of(5, 4, false);
    case_expect(7, "it names entry 4 of 2026a, which is not the acceptance");
}

/* Carried from `from`, reported on as carried from `named`. */
static void report_on_carried(uint64_t from, uint64_t named)
{
    Tmx__LogEntry e;

    case_accepted();
    sample_begin(&case_bundle, &case_parcel);
    sample_leaf(&case_bundle, case_parcel.mail.index, sample_head(&case_bundle, 0));
    sample_new_shard();
    e = book_ended(&case_parcel.mail, 0, TMX__ENTRY_KIND__ENTRY_CARRY_DELIVERY, 0);
    book_acceptance.shard = book_str("2026a");
    book_acceptance.index = from;
    book_put(&e);
    bent = book_report_on(&case_parcel.mail, 0, TMX__OUTCOME__OUTCOME_COA, 0);
    book_acceptance.shard = book_str("2026a");
    book_acceptance.index = named;
    book_put_report("FR", &bent);
    sample_directories(&case_bundle, 1, 2);
    sample_head(&case_bundle, 0);
    sample_leaf(&case_bundle, 2, 1);
    sample_leaf(&case_bundle, 3, 1);
}

static void report_on_carried_right(void)
{
    report_on_carried(5, 5);
    case_expect_state("arrived", false);
}

static void report_on_carried_elsewhere(void)
{
    report_on_carried(5, 4);
    case_expect(7, "it names entry 4 of 2026a, which is not the acceptance");
}

static void carried_from_another_place(void)
{
    report_on_carried(4, 4);
    case_expect(7, "it names entry 4 of 2026a, where the message was accepted at entry 5");
}

/* Without the acceptance of a shard, its reports have to name the same one. */
static void places_differ(void)
{
    case_arrived();
    bent = book_report_on(&case_parcel.mail, 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);
    book_acceptance.index = 4;
    book_put_report("FR", &bent);
    sample_begin(&case_bundle, &case_parcel);
    sample_head(&case_bundle, 0);
    sample_leaf(&case_bundle, 6, 0);
    sample_leaf(&case_bundle, 7, 0);
    sample_new_shard();
    book_put_header(&case_parcel.mail, TMX__ENTRY_KIND__ENTRY_RESUBMISSION, 0, 0);
    sample_directories(&case_bundle, 1, 2);
    sample_leaf(&case_bundle, case_parcel.mail.index, sample_head(&case_bundle, 0));
    case_expect(7, "it names entry 4 of 2026a, which is not the acceptance");
}

/* A report that counts from an old place, in the new shard before the message was there. */
static void report_before_its_resubmission(void)
{
    resubmission_of(5, 5, true);
    case_expect(7, "it comes before the acceptance at entry 3");
}

static void bad_move(Tmx__Outcome outcome, unsigned code, const char *text)
{
    book_report(&case_parcel.mail, 0, outcome, code);
    case_pack();
    case_expect(8, text);
}

static void outcome_twice(void)
{
    case_arrived();
    book_report(&case_parcel.mail, 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);
    bad_move(TMX__OUTCOME__OUTCOME_COD_NEGATIVE, TMX_CODE_REFUSED, "\"refused\" of a delivery that is terminal");
}

static void coa_twice(void)
{
    case_arrived();
    bad_move(TMX__OUTCOME__OUTCOME_COA, 0, "\"arrived\" of a delivery that is arrived");
}

static void coe_after_coa(void)
{
    case_arrived();
    bad_move(TMX__OUTCOME__OUTCOME_COE, TMX_CODE_CANNOT_OPEN, "\"exception\" of a delivery that is arrived");
}

static void coa_after_outcome(void)
{
    case_accepted();
    book_report(&case_parcel.mail, 0, TMX__OUTCOME__OUTCOME_COE, TMX_CODE_CANNOT_OPEN);
    bad_move(TMX__OUTCOME__OUTCOME_COA, 0, "\"arrived\" of a delivery that is terminal");
}

/* A CoA that is only missing. */
static void cod_alone(void)
{
    case_arrived();
    book_report(&case_parcel.mail, 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);
    case_pack();
    case_bundle.leaves[1] = case_bundle.leaves[2];
    case_bundle.pb.n_leaves = 2;
    case_expect_state("delivered", false);
}

static void ended(uint64_t at_ms, Tmx__EntryKind kind, unsigned code)
{
    Tmx__LogEntry e;

    book->now_ms = at_ms;
    e = book_ended(&case_parcel.mail, 0, kind, code);
    book_put(&e);
    case_pack();
}

static void expired_early(void)
{
    case_accepted();
    ended(case_parcel.mail.header.expires_ms - 1, TMX__ENTRY_KIND__ENTRY_EXPIRED, 0);
    case_expect(8, "expired before its expiry");
}

static void expired_after_coa(void)
{
    case_arrived();
    ended(case_parcel.mail.header.expires_ms, TMX__ENTRY_KIND__ENTRY_EXPIRED, 0);
    case_expect(8, "\"expired\" of a delivery that is arrived, not queued");
}

static void exception_with_another_code(void)
{
    case_accepted();
    ended(book->now_ms, TMX__ENTRY_KIND__ENTRY_EXCEPTION, TMX_CODE_CANNOT_OPEN);
    case_expect(8, "the broker may end no delivery (cannot-open)");
}

static void exception_of_active(void)
{
    case_accepted();
    ended(book->now_ms, TMX__ENTRY_KIND__ENTRY_EXCEPTION, TMX_CODE_RECIPIENT_REVOKED);
    case_expect(8, "ended as revoked, but the recipient is not");
}

static void lost(void)
{
    case_arrived();
    ended(book->now_ms, TMX__ENTRY_KIND__ENTRY_EXCEPTION, TMX_CODE_RECIPIENT_LOST);
    case_expect_state("exception", false);
}

static void carried_twice(void)
{
    Tmx__LogEntry e;

    case_accepted();
    sample_begin(&case_bundle, &case_parcel);
    sample_leaf(&case_bundle, case_parcel.mail.index, sample_head(&case_bundle, 0));
    sample_new_shard();
    e = book_ended(&case_parcel.mail, 0, TMX__ENTRY_KIND__ENTRY_CARRY_DELIVERY, 1);
    book_acceptance.shard = book_str("2026a");
    book_put(&e);
    book_put(&e);
    sample_directories(&case_bundle, 1, 2);
    sample_head(&case_bundle, 0);
    sample_leaf(&case_bundle, 2, 1);
    case_expect_state("arrived", false);
    sample_leaf(&case_bundle, 3, 1);
    case_expect(8, "something was said of it before");
}

static void carried_after_a_report(void)
{
    Tmx__LogEntry e;

    case_accepted();
    sample_begin(&case_bundle, &case_parcel);
    sample_leaf(&case_bundle, case_parcel.mail.index, sample_head(&case_bundle, 0));
    sample_new_shard();
    bent = book_report_on(&case_parcel.mail, 0, TMX__OUTCOME__OUTCOME_COA, 0);
    book_acceptance.shard = book_str("2026a");
    book_put_report("FR", &bent);
    e = book_ended(&case_parcel.mail, 0, TMX__ENTRY_KIND__ENTRY_CARRY_DELIVERY, 1);
    book_acceptance.shard = book_str("2026a");
    book_put(&e);
    sample_directories(&case_bundle, 1, 2);
    sample_head(&case_bundle, 0);
    sample_leaf(&case_bundle, 2, 1);
    sample_leaf(&case_bundle, 3, 1);
    case_expect(8, "something was said of it before");
}

/* A node keeps one acceptance, that of the last shard: what it has of the one before stands alone. */
static void report_without_acceptance(void)
{
    case_arrived();
    sample_begin(&case_bundle, &case_parcel);
    sample_leaf(&case_bundle, case_parcel.mail.index + 1, sample_head(&case_bundle, 0));
    sample_new_shard();
    book_put_header(&case_parcel.mail, TMX__ENTRY_KIND__ENTRY_RESUBMISSION, 0, 0);
    sample_directories(&case_bundle, 1, 2);
    sample_leaf(&case_bundle, case_parcel.mail.index, sample_head(&case_bundle, 0));
    case_expect_state("arrived", false);
}

/* Two shards, one after the other, with different ends: nobody can say which holds. */
static void disputed_end(void)
{
    case_arrived();
    book_report(&case_parcel.mail, 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);
    sample_begin(&case_bundle, &case_parcel);
    sample_head(&case_bundle, 0);
    sample_leaf(&case_bundle, 5, 0);
    sample_leaf(&case_bundle, 7, 0);
    sample_new_shard();
    book_put_header(&case_parcel.mail, TMX__ENTRY_KIND__ENTRY_RESUBMISSION, 0, 0);
    book_report(&case_parcel.mail, 0, TMX__OUTCOME__OUTCOME_COA, 0);
    book_report(&case_parcel.mail, 0, TMX__OUTCOME__OUTCOME_EXPIRED, TMX_CODE_EXPIRED);
    sample_directories(&case_bundle, 1, 2);
    sample_head(&case_bundle, 0);
    sample_leaf(&case_bundle, 2, 1);
    sample_leaf(&case_bundle, 3, 1);
    case_expect_state("delivered", false);
    sample_leaf(&case_bundle, 4, 1);
    case_expect_state("expired", true);
}

/* EVI-7, EVI-8 */
static void test_references_and_states(void **state)
{
    static book_case_fn *const cases[] = { accepted_twice,
                                           refused_and_accepted,
                                           put_off_and_accepted,
                                           report_names_another,
                                           signer_names_another,
                                           signer_names_another_shard,
                                           report_of_earlier_shard,
                                           report_of_another_place_there,
                                           report_of_another_place_here,
                                           resubmission_with_reference,
                                           resubmission_of_another_place,
                                           report_beside_its_resubmission,
                                           report_before_its_resubmission,
                                           report_on_carried_right,
                                           report_on_carried_elsewhere,
                                           carried_from_another_place,
                                           places_differ,
                                           outcome_twice,
                                           coa_twice,
                                           coe_after_coa,
                                           coa_after_outcome,
                                           cod_alone,
                                           expired_early,
                                           expired_after_coa,
                                           exception_with_another_code,
                                           exception_of_active,
                                           lost,
                                           carried_twice,
                                           carried_after_a_report,
                                           report_without_acceptance,
                                           disputed_end };

    case_run(cases, TMX_N(cases));
}

/* --- EVI-9 … EVI-11 --------------------------------------------------------------------------------------------- */

static void attachment_unnamed(void)
{
    uint8_t digest[32];

    case_arrived();
    book_report(&case_parcel.mail, 0, TMX__OUTCOME__OUTCOME_COD_NEGATIVE, TMX_CODE_REFUSED);
    case_pack();
    case_bundle.leaves[2]->attachment = tmx_to_pb(sample_attachment(&case_parcel, digest));
    case_expect(9, "an attachment that its report does not name");
    case_bundle.leaves[0]->attachment = case_bundle.leaves[2]->attachment;
    case_bundle.leaves[2]->attachment = book_str("");
    case_expect(9, "an attachment that its report does not name");
}

static void container_of_another_size(void)
{
    case_arrived();
    case_pack();
    case_bundle.pb.container = book_bin(case_parcel.container, case_parcel.container_size - 1);
    case_expect(10, "423 bytes; that of the header has 424");
}

static void container_changed(void)
{
    case_arrived();
    case_pack();
    case_parcel.container[200] ^= 1;
    case_bundle.pb.container = book_bin(case_parcel.container, case_parcel.container_size);
    case_expect(10, "is not the one in the header");
}

static void container_beside(void)
{
    struct tmx_evidence *v;

    case_arrived();
    case_pack();
    case_bundle.pb.content_key = book_bin(case_parcel.content_key, 32);
    v = case_check();
    assert_int_equal(v->rule, 0);
    assert_int_equal(v->content_state, EVIDENCE_NO_CONTAINER);
    tmx_evidence_free(v);
    case_beside = TMX_BYTES(case_parcel.container, case_parcel.container_size);
    v = case_check();
    assert_int_equal(v->rule, 0);
    assert_int_equal(v->content_state, EVIDENCE_OPENED);
    assert_int_equal(v->deliveries[0].slot, EVIDENCE_SLOT_UNKNOWN); /* its prekeys are not here */
    tmx_evidence_free(v);
    case_beside = TMX_BYTES(case_parcel.container, 0);
    case_expect(10, "0 bytes; that of the header has 424");
}

static void container_of_no_suite(void)
{
    sample_log();
    sample_compose(&case_parcel, "DE", "FR", NULL, false);
    case_parcel.container[0] = 'X';
    tmx_digest(TMX_BYTES(case_parcel.container, case_parcel.container_size), case_parcel.mail.container_digest);
    book_accept(&case_parcel.mail);
    case_pack();
    case_bundle.pb.container = book_bin(case_parcel.container, case_parcel.container_size);
    case_expect(10, "not a container of suite 1");
}

/* A key published after the message, by another, or long past, is none the message can have been sealed with. */
static void slots(void)
{
    struct tmx_evidence *v;

    sample_log();
    book->now_ms = START_MS + 2 * DAY_MS; /* the published keys end after a day; a day more they are taken */
    sample_compose(&case_parcel, "DE", "FR", NULL, false);
    book_accept(&case_parcel.mail);
    case_pack_from(4);
    case_bundle.pb.container = book_bin(case_parcel.container, case_parcel.container_size);
    v = case_check();
    assert_int_equal(v->rule, 0);
    assert_int_equal(v->deliveries[0].slot, EVIDENCE_SLOT_UNKNOWN);
    tmx_evidence_free(v);
    case_teardown(NULL);
    assert_int_equal(case_setup(NULL), 0);
    sample_log();
    book->now_ms = START_MS + 2 * DAY_MS - 1;
    sample_compose(&case_parcel, "DE", "FR", NULL, false);
    book_accept(&case_parcel.mail);
    book_put_prekeys("FR", "FR", 2);
    case_pack_from(4);
    case_bundle.pb.container = book_bin(case_parcel.container, case_parcel.container_size);
    v = case_check();
    assert_int_equal(v->deliveries[0].slot, EVIDENCE_SLOT_PUBLISHED);
    tmx_evidence_free(v);
    memmove(&case_bundle.leaves[0], &case_bundle.leaves[1], --case_bundle.pb.n_leaves * sizeof case_bundle.leaves[0]);
    v = case_check();
    assert_int_equal(v->rule, 0);
    assert_int_equal(v->deliveries[0].slot, EVIDENCE_SLOT_UNKNOWN);
    tmx_evidence_free(v);
}

/* What an earlier shard accepted was sealed in its time, however late it is accepted again. */
static void slot_of_resubmission(void)
{
    struct tmx_evidence *v;

    case_accepted();
    sample_begin(&case_bundle, &case_parcel);
    sample_leaf(&case_bundle, 4, sample_head(&case_bundle, 0));
    book->now_ms += 20 * DAY_MS;
    sample_new_shard();
    book_put_header(&case_parcel.mail, TMX__ENTRY_KIND__ENTRY_RESUBMISSION, 0, 0);
    sample_directories(&case_bundle, 1, 2);
    sample_leaf(&case_bundle, 2, sample_head(&case_bundle, 0));
    case_bundle.pb.container = book_bin(case_parcel.container, case_parcel.container_size);
    v = case_check();
    assert_int_equal(v->rule, 0);
    assert_int_equal(v->deliveries[0].slot, EVIDENCE_SLOT_PUBLISHED);
    tmx_evidence_free(v);
}

/* The slots of two recipients name each other's keys: both published, neither theirs. */
static void slots_swapped(void)
{
    struct tmx_evidence *v;
    uint8_t id[8];

    sample_log();
    sample_compose(&case_parcel, "DE", "FR", "CH", false);
    memcpy(id, case_parcel.container + TMX_SEAL_HEAD, sizeof id);
    memcpy(case_parcel.container + TMX_SEAL_HEAD, case_parcel.container + TMX_SEAL_HEAD + TMX_SEAL_SLOT, sizeof id);
    memcpy(case_parcel.container + TMX_SEAL_HEAD + TMX_SEAL_SLOT, id, sizeof id);
    tmx_digest(TMX_BYTES(case_parcel.container, case_parcel.container_size), case_parcel.mail.container_digest);
    book_accept(&case_parcel.mail);
    sample_begin(&case_bundle, &case_parcel);
    sample_directories(&case_bundle, 1, 1);
    sample_head(&case_bundle, 0);
    sample_leaf(&case_bundle, 2, 0);
    sample_leaf(&case_bundle, 4, 0);
    sample_leaf(&case_bundle, case_parcel.mail.index, 0);
    case_bundle.pb.container = book_bin(case_parcel.container, case_parcel.container_size);
    v = case_check();
    assert_int_equal(v->rule, 0);
    assert_int_equal(v->deliveries[0].slot, EVIDENCE_SLOT_UNKNOWN);
    assert_int_equal(v->deliveries[1].slot, EVIDENCE_SLOT_UNKNOWN);
    tmx_evidence_free(v);
}

/* What opens, and is no content. */
static void content_malformed(void)
{
    static const uint8_t random[56] = { 3 };
    static const uint8_t plaintext[TMX_PADDING];
    const struct tmx_bytes to = TMX_LIT("FR");
    struct tmx_seal_slot slot = { .key_id = { 1 } };
    struct tmx_seal_sender sender;
    struct tmx_seal_context ctx = { .sender = TMX_LIT("DE"), .n_recipients = 1, .recipients = &to };
    struct tmx_writer w;

    sample_log();
    sample_compose(&case_parcel, "DE", "FR", NULL, false);
    ctx.message_id = case_parcel.mail.id;
    tmx_seal_sender_init(random, &sender);
    w = tmx_writer_init(case_parcel.container, case_parcel.container_size);
    tmx_seal(&w, TMX_BYTES_OF(plaintext), &ctx, &sender, &slot, random, case_parcel.content_key);
    case_parcel.container_size = tmx_written(&w).size;
    case_parcel.mail.header.container_bytes = case_parcel.container_size;
    tmx_digest(tmx_written(&w), case_parcel.mail.container_digest);
    book_accept(&case_parcel.mail);
    case_pack();
    case_bundle.pb.container = book_bin(case_parcel.container, case_parcel.container_size);
    case_bundle.pb.content_key = book_bin(case_parcel.content_key, 32);
    case_expect(11, "the sealed content is malformed");
}

static void another_content_key(void)
{
    case_arrived();
    case_pack();
    case_bundle.pb.container = book_bin(case_parcel.container, case_parcel.container_size);
    case_bundle.pb.content_key =
        book_bin(case_parcel.container_size > 0 ? case_parcel.mail.container_digest : NULL, 32);
    case_expect(11, "the container does not open with it");
}

/* Sealed as one type, sent as another. */
static void content_of_another_type(void)
{
    sample_log();
    sample_compose(&case_parcel, "DE", "FR", NULL, false);
    case_parcel.mail.header.message_type = book_str("CD002C");
    book_accept(&case_parcel.mail);
    case_pack();
    case_bundle.pb.container = book_bin(case_parcel.container, case_parcel.container_size);
    case_bundle.pb.content_key = book_bin(case_parcel.content_key, 32);
    case_expect(11, "its message id or type is not that of the header");
}

/* EVI-9, EVI-10, EVI-11 */
static void test_container(void **state)
{
    static book_case_fn *const cases[] = { attachment_unnamed,
                                           container_of_another_size,
                                           container_changed,
                                           container_beside,
                                           container_of_no_suite,
                                           slots,
                                           slot_of_resubmission,
                                           slots_swapped,
                                           content_malformed,
                                           another_content_key,
                                           content_of_another_type };

    case_run(cases, TMX_N(cases));
}

/* --- EVI-12: keys called compromised --------------------------------------------------------------------------- */

static struct {
    const char *shard;
    uint64_t index;
    uint64_t log_from_ms; /* of that shard, when it is not the only one */
} since;

static void compromise_fr(Tmx__Directory *d)
{
    static Tmx__LogIndex place;
    static Tmx__LogOrigin other;
    static Tmx__LogOrigin *logs[2];
    static uint8_t key[32];

    place = (Tmx__LogIndex)TMX__LOG_INDEX__INIT;
    place.shard = book_str(since.shard);
    place.index = since.index;
    for (size_t i = 0; i < d->n_members; i++) {
        if (tmx_bytes_eq(tmx_pb(d->members[i]->code), TMX_LIT("FR"))) {
            d->members[i]->signing_keys[0]->revoked = true;
            d->members[i]->signing_keys[0]->compromised_since = &place;
        }
    }
    if (since.log_from_ms != 0) {
        other = (Tmx__LogOrigin)TMX__LOG_ORIGIN__INIT;
        other.shard = book_str(since.shard);
        other.key = book_bin(key, sizeof key);
        crypto_scalarmult_ed25519_base(key, federation_find(&book->federation, "CH")->archive);
        other.from_ms = since.log_from_ms;
        logs[0] = d->logs[0];
        logs[1] = &other;
        d->logs = logs;
        d->n_logs = 2;
    }
}

static void expect_doubt(const char *shard, uint64_t index, uint64_t from_ms, bool doubtful)
{
    struct tmx_evidence *v;

    since.shard = shard;
    since.index = index;
    since.log_from_ms = from_ms;
    assert_int_equal(case_setup(NULL), 0);
    case_arrived();
    case_pack();
    sample_change_directory(compromise_fr, NULL);
    sample_directories(&case_bundle, 2, 2);
    v = case_check();
    assert_int_equal(v->rule, 0);
    assert_int_equal(v->leaves[1].doubtful, doubtful);
    assert_false(v->leaves[0].doubtful);
    tmx_evidence_free(v);
    case_teardown(NULL);
}

/* Entry 6 is what FR signed; its shard began a second before the book. */
static void test_doubts(void **state)
{
    expect_doubt("2026a", 5, 0, true);
    expect_doubt("2026a", 6, 0, true);
    expect_doubt("2026a", 7, 0, false);
    expect_doubt("2025a", 0, START_MS - 2000, true);
    expect_doubt("2026b", 0, START_MS + 2000, false);
    expect_doubt("2027a", 0, 0, false); /* nobody knows when that began */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_references_and_states),
        cmocka_unit_test(test_container),
        cmocka_unit_test(test_doubts),
    };

    return cmocka_run_group_tests_name("evidence-states", tests, NULL, NULL);
}
