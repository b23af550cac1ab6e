/* SPDX-License-Identifier: Apache-2.0
 * That every leaf of an evidence bundle is about its message: each kind of leaf about another one, once. EVI-6
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include <tmx/code.h>

#include "evidence_case.h"

static void no_header(void)
{
    case_arrived();
    case_pack_from(case_parcel.mail.index + 1);
    case_expect(6, "there is no header");
}

static void another_id(void)
{
    case_arrived();
    case_pack();
    case_parcel.mail.id[15] ^= 1;
    case_expect(6, "another message id than the bundle");
}

/* A report that is bent before FR signs it. */
static Tmx__Report bent;
static void put_bent(const char *signer)
{
    book_put_report(signer, &bent);
    case_pack();
}

/* In the shard that follows, another header under the same id is taken for the message. */
static void two_headers(void)
{
    case_arrived();
    sample_begin(&case_bundle, &case_parcel);
    sample_leaf(&case_bundle, case_parcel.mail.index, sample_head(&case_bundle, 0));
    sample_new_shard();
    case_parcel.mail.header.priority = 1;
    book_put_header(&case_parcel.mail, TMX__ENTRY_KIND__ENTRY_RESUBMISSION, 0, 0);
    sample_directories(&case_bundle, 1, 2);
    sample_leaf(&case_bundle, case_parcel.mail.index, sample_head(&case_bundle, 0));
    case_expect(6, "one message has one header");
}

static void report_on_another(void)
{
    static uint8_t digest[32];

    case_accepted();
    bent = book_report_on(&case_parcel.mail, 0, TMX__OUTCOME__OUTCOME_COA, 0);
    bent.header_digest = book_bin(digest, sizeof digest);
    put_bent("FR");
    case_expect(6, "the report is about another message");
}

static void report_on_another_container(void)
{
    static uint8_t digest[32];

    case_accepted();
    bent = book_report_on(&case_parcel.mail, 0, TMX__OUTCOME__OUTCOME_COA, 0);
    bent.container_digest = book_bin(digest, sizeof digest);
    put_bent("FR");
    case_expect(6, "another container digest");
}

static void report_of_another_number(void)
{
    case_accepted();
    bent = book_report_on(&case_parcel.mail, 0, TMX__OUTCOME__OUTCOME_COA, 0);
    bent.seq++;
    put_bent("FR");
    case_expect(6, "FR is no recipient of the message under number 2");
}

static void report_of_a_stranger(void)
{
    case_accepted();
    bent = book_report_on(&case_parcel.mail, 0, TMX__OUTCOME__OUTCOME_COA, 0);
    bent.recipient = book_str("CH");
    put_bent("CH");
    case_expect(6, "CH is no recipient");
}

static void prekeys_of_a_stranger(void)
{
    case_arrived();
    book_put_prekeys("CH", "CH", 2);
    case_pack();
    case_expect(6, "prekeys of CH");
}

static void expiry_of_another(void)
{
    Tmx__LogEntry e;
    static uint8_t digest[32];

    case_accepted();
    book->now_ms = case_parcel.mail.header.expires_ms;
    e = book_ended(&case_parcel.mail, 0, TMX__ENTRY_KIND__ENTRY_EXPIRED, 0);
    e.header_digest = book_bin(digest, sizeof digest);
    book_put(&e);
    case_pack();
    case_expect(6, "it is about another message");
}

static void expiry_of_another_number(void)
{
    Tmx__LogEntry e;

    case_accepted();
    book->now_ms = case_parcel.mail.header.expires_ms;
    e = book_ended(&case_parcel.mail, 0, TMX__ENTRY_KIND__ENTRY_EXPIRED, 0);
    e.number = 7;
    book_put(&e);
    case_pack();
    case_expect(6, "FR is no recipient of the message under number 7");
}

static void carried_with_another_container(void)
{
    static uint8_t digest[32];
    Tmx__LogEntry e;

    case_accepted();
    e = book_ended(&case_parcel.mail, 0, TMX__ENTRY_KIND__ENTRY_CARRY_DELIVERY, 1);
    e.digest = book_bin(digest, sizeof digest);
    book_put(&e);
    case_pack();
    case_expect(6, "it has another container digest");
}

static void carried_from_here(void)
{
    Tmx__LogEntry e;

    case_accepted();
    e = book_ended(&case_parcel.mail, 0, TMX__ENTRY_KIND__ENTRY_CARRY_DELIVERY, 1);
    book_put(&e);
    case_pack();
    case_expect(6, "from its own shard");
}

static void refusal_of_another(void)
{
    struct parcel other;

    case_arrived();
    sample_compose(&other, "DE", "FR", NULL, false);
    book_put_header(&other.mail, TMX__ENTRY_KIND__ENTRY_REFUSAL, TMX_CODE_TYPE_NOT_ALLOWED, 1);
    sample_parcel_free(&other);
    case_pack();
    case_expect(6, "what was refused is not this message");
}

/* The id is DE's, the header FR's. */
static void refusal_of_another_sender(void)
{
    struct parcel other;

    case_arrived();
    sample_compose(&other, "FR", "DE", NULL, false);
    memcpy(other.mail.id, case_parcel.mail.id, sizeof other.mail.id);
    book_put_header(&other.mail, TMX__ENTRY_KIND__ENTRY_REFUSAL, TMX_CODE_TYPE_NOT_ALLOWED, 1);
    sample_parcel_free(&other);
    case_pack();
    case_expect(6, "what was refused is not this message");
}

static void refusal_of_a_report_on_another(void)
{
    Tmx__LogEntry e = book_entry(TMX__ENTRY_KIND__ENTRY_REFUSAL);
    static uint8_t id[16];

    case_arrived();
    bent = book_report_on(&case_parcel.mail, 0, TMX__OUTCOME__OUTCOME_COA, 0);
    memcpy(id, case_parcel.mail.id, sizeof id);
    id[15] ^= 1;
    bent.message_id = book_bin(id, sizeof id);
    book_sign(&e, "FR", &bent);
    e.code = TMX_CODE_BAD_REPORT;
    book_put(&e);
    case_pack();
    case_expect(6, "what was refused is not this message");
}

/* What was refused may claim any head and serial: that may be why. */
static void refused_for_its_claims(void)
{
    Tmx__LogEntry e = book_entry(TMX__ENTRY_KIND__ENTRY_REFUSAL);
    Tmx__Head seen = TMX__HEAD__INIT;

    case_arrived();
    bent = book_report_on(&case_parcel.mail, 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);
    seen.shard = book_str(book->federation.shard);
    seen.size = book->n + 100;
    seen.root = book_bin(book->roots[1].b, TMX_HASH_SIZE);
    bent.seen = &seen;
    bent.directory_serial = 9;
    book_sign(&e, "FR", &bent);
    e.code = TMX_CODE_BAD_HEAD;
    book_put(&e);
    case_pack();
    case_expect_state("arrived", false);
}

static void refusal_of_prekeys(void)
{
    Tmx__LogEntry e = book_entry(TMX__ENTRY_KIND__ENTRY_REFUSAL);
    Tmx__LogEntry *published;

    case_arrived();
    assert_int_equal(tmx_entry_parse(book->entries[4], &book->arena, &published), TMX_CODE_OK);
    e.member = published->member;
    e.body = published->body;
    e.signature = published->signature;
    e.code = TMX_CODE_BAD_PREKEYS;
    book_put(&e);
    case_pack();
    case_expect(6, "what was refused is not this message");
}

static void expiry_of_another_sender(void)
{
    Tmx__LogEntry e;

    case_accepted();
    book->now_ms = case_parcel.mail.header.expires_ms;
    e = book_ended(&case_parcel.mail, 0, TMX__ENTRY_KIND__ENTRY_EXPIRED, 0);
    e.member = book_str("CH");
    book_put(&e);
    case_pack();
    case_expect(6, "it is about another message");
}

static void accepted_of_suspended(void)
{
    sample_log();
    book_change_directory("DE", TMX__MEMBER_STATUS__MEMBER_SUSPENDED);
    sample_compose(&case_parcel, "DE", "FR", NULL, false);
    book_accept(&case_parcel.mail);
    case_pack();
    case_expect(6, "accepted, but by directory 2 the sender DE is not active");
}

static void erased_another(void)
{
    Tmx__LogEntry e = book_entry(TMX__ENTRY_KIND__ENTRY_ERASED);
    static uint8_t id[16];

    case_arrived();
    e.message_id = book_bin(id, sizeof id);
    book_put(&e);
    case_pack();
    case_expect(6, "the container of another message was erased");
}

/* Its id is right, what else it says is of another. */
static void erased_another_container(void)
{
    Tmx__LogEntry e = book_entry(TMX__ENTRY_KIND__ENTRY_ERASED);
    static uint8_t digest[32];

    case_arrived();
    e.message_id = book_bin(case_parcel.mail.id, TMX_ID_SIZE);
    e.header_digest = book_bin(case_parcel.mail.header_digest, sizeof digest);
    e.digest = book_bin(case_parcel.mail.container_digest, sizeof digest);
    book_put(&e);
    case_pack();
    case_expect_state("arrived", false);
    e.digest = book_bin(digest, sizeof digest);
    book_put(&e);
    case_pack();
    case_expect(6, "the container of another message was erased");
    case_take_back();
    e.digest = book_str("");
    e.header_digest = book_bin(digest, sizeof digest);
    book_put(&e);
    case_pack();
    case_expect(6, "the container of another message was erased");
}

/* EVI-6 */
static void test_about_the_message(void **state)
{
    static book_case_fn *const cases[] = { no_header,
                                           another_id,
                                           two_headers,
                                           report_on_another,
                                           report_on_another_container,
                                           report_of_another_number,
                                           report_of_a_stranger,
                                           prekeys_of_a_stranger,
                                           expiry_of_another,
                                           expiry_of_another_number,
                                           carried_with_another_container,
                                           carried_from_here,
                                           refusal_of_another,
                                           accepted_of_suspended,
                                           refusal_of_another_sender,
                                           refusal_of_a_report_on_another,
                                           refused_for_its_claims,
                                           refusal_of_prekeys,
                                           expiry_of_another_sender,
                                           erased_another,
                                           erased_another_container };

    case_run(cases, TMX_N(cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_about_the_message),
    };

    return cmocka_run_group_tests_name("evidence-message", tests, NULL, NULL);
}
