/* SPDX-License-Identifier: Apache-2.0
 * The auditor's rules for every entry (LOG-6), each broken once: the fault must be found at its entry, in its
 * class, and alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include <tmx/code.h>

#include "log_book.h"

static void test_honest(void **state)
{
    struct tmx_audit *a;
    const struct tmx_audit_summary *s;
    const char *code;
    uint64_t bodies;
    size_t at = 0;

    book_honest();
    book_expect_ok();
    a = book_audit();
    s = tmx_audit_result(a);
    assert_int_equal(s->entries, 13);
    assert_int_equal(s->kinds[TMX__ENTRY_KIND__ENTRY_ACCEPTANCE], 3);
    assert_int_equal(s->kinds[TMX__ENTRY_KIND__ENTRY_REPORT], 4);
    assert_int_equal(s->deliveries, 4);
    assert_int_equal(s->queued, 1);
    assert_int_equal(s->arrived, 1);
    assert_int_equal(s->outcomes[TMX__OUTCOME__OUTCOME_COD_POSITIVE], 1);
    assert_int_equal(s->outcomes[TMX__OUTCOME__OUTCOME_COE], 1);
    assert_int_equal(s->first_ms, START_MS);
    assert_int_equal(s->last_ms, START_MS + 120);
    assert_true(tmx_audit_next_member(a, &at, &code, &bodies));
    assert_string_equal(code, "CH");
    assert_int_equal(bodies, 1);
    assert_true(tmx_audit_next_member(a, &at, &code, &bodies));
    assert_string_equal(code, "DE");
    assert_true(tmx_audit_next_member(a, &at, &code, &bodies));
    assert_false(tmx_audit_next_member(a, &at, &code, &bodies));
    tmx_audit_free(a);
}

static void bad_format(void)
{
    struct tmx_bytes *last = &book->entries[book->n - 1];
    uint8_t *bent = malloc(last->size + 2);

    memcpy(bent, last->data, last->size);
    memcpy(bent + last->size, "\xf8\x01", 2);
    assert_true(tmx_arena_copy(&book->arena, TMX_BYTES(bent, last->size + 2), last));
    free(bent);
    book_expect_fault(AUDIT_FORMAT, book->n - 1);
}

static void bad_time(void)
{
    Tmx__LogEntry e = book_entry(TMX__ENTRY_KIND__ENTRY_START);

    e.time_ms = book->now_ms - 11;
    book_expect_fault(AUDIT_TIME, book_put(&e));
}

static void bad_second_start(void)
{
    Tmx__LogEntry e = book_entry(TMX__ENTRY_KIND__ENTRY_SHARD_START);

    book_expect_fault(AUDIT_SHARD, book_put(&e));
}

static uint64_t put_anchor(uint64_t size)
{
    Tmx__LogEntry e = book_entry(TMX__ENTRY_KIND__ENTRY_ANCHOR);

    e.number = size;
    e.digest = book_bin(book->roots[1].b, TMX_HASH_SIZE);
    return book_put(&e);
}

/* LOG-9: a head that was not there yet, and heads out of their order. */
static void bad_anchor_ahead(void)
{
    put_anchor(book->n);
    book_expect_fault(AUDIT_ANCHOR, put_anchor(book->n + 1));
}

static void bad_anchor_again(void)
{
    put_anchor(9);
    book_expect_fault(AUDIT_ANCHOR, put_anchor(9));
}

static void bad_anchor_earlier(void)
{
    put_anchor(9);
    book_expect_fault(AUDIT_ANCHOR, put_anchor(8));
}

static void bad_carry(void)
{
    Tmx__LogEntry e = book_entry(TMX__ENTRY_KIND__ENTRY_CARRY_PAIR);

    e.member = book_str("CH");
    e.recipient = book_str("DE");
    e.number = 4;
    book_expect_fault(AUDIT_SHARD, book_put(&e));
}

static void bad_resubmission(void)
{
    struct mail m;

    book_compose(&m, "DE", "FR", NULL);
    book_expect_fault(AUDIT_SHARD, book_put_header(&m, TMX__ENTRY_KIND__ENTRY_RESUBMISSION, 0, 0));
}

static void bad_serial(void)
{
    Tmx__LogEntry e = book_entry(TMX__ENTRY_KIND__ENTRY_START);

    e.directory_serial = 2;
    book_put(&e);
    book_expect_fault(AUDIT_DIRECTORY, book->n - 1);
}

static void bad_directory_digest(void)
{
    Tmx__LogEntry e = book_entry(TMX__ENTRY_KIND__ENTRY_DIRECTORY);

    book->federation.serial = 2;
    federation_sign(&book->federation);
    book_keep_directory(book);
    book->serial = 2;
    e.number = 2;
    e.digest = book_bin(book->roots[2].b, TMX_HASH_SIZE);
    book_expect_fault(AUDIT_DIRECTORY, book_put(&e));
}

static void bad_directory_again(void)
{
    book_expect_fault(AUDIT_DIRECTORY, book_put_directory());
}

static void bad_directory_absent(void)
{
    Tmx__LogEntry e = book_entry(TMX__ENTRY_KIND__ENTRY_DIRECTORY);

    e.number = 3;
    e.digest = book_bin(book->roots[2].b, TMX_HASH_SIZE);
    book_expect_fault(AUDIT_DIRECTORY, book_put(&e));
}

static void bad_body_serial(void)
{
    struct mail m;

    book_compose(&m, "DE", "FR", NULL);
    m.header.directory_serial = 2;
    book_expect_fault(AUDIT_DIRECTORY, book_accept(&m));
}

/* The signature is of another body. */
static void bad_signature(void)
{
    Tmx__LogEntry e = book_entry(TMX__ENTRY_KIND__ENTRY_REPORT);
    Tmx__Report r = book_report_on(&book_third, 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);
    Tmx__Report other = book_report_on(&book_third, 0, TMX__OUTCOME__OUTCOME_COD_NEGATIVE, TMX_CODE_REFUSED);
    Tmx__LogRef ref = book_acceptance;
    ProtobufCBinaryData body;

    book_sign(&e, "FR", &r);
    body = e.body;
    book_sign(&e, "FR", &other);
    e.body = body;
    e.reference = &ref;
    book_expect_fault(AUDIT_SIGNATURE, book_put(&e));
}

/* FR's report under the signature of CH. */
static void bad_signer(void)
{
    const Tmx__Report r = book_report_on(&book_third, 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);
    Tmx__LogEntry e = book_entry(TMX__ENTRY_KIND__ENTRY_REPORT);
    Tmx__LogRef ref = book_acceptance;

    book_sign(&e, "CH", &r);
    e.member = book_str("FR");
    e.reference = &ref;
    book_expect_fault(AUDIT_SIGNATURE, book_put(&e));
}

static void bad_revoked_signer(void)
{
    book_change_directory("FR", TMX__MEMBER_STATUS__MEMBER_REVOKED);
    book_expect_fault(AUDIT_SIGNATURE, book_report(&book_third, 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0));
}

static void bad_batch(void)
{
    struct mail m;

    book->batch_no = 100;
    book_compose(&m, "DE", "FR", NULL);
    book_expect_fault(AUDIT_BATCH, book_accept(&m));
}

static void bad_message_id(void)
{
    struct mail m;

    book_compose(&m, "DE", "FR", NULL);
    memcpy(m.id, book_first.id, sizeof m.id);
    book_expect_fault(AUDIT_IDENTITY, book_accept(&m));
}

/* DE signs a header whose sender is CH. */
static void bad_sender(void)
{
    Tmx__LogEntry e = book_entry(TMX__ENTRY_KIND__ENTRY_ACCEPTANCE);
    struct mail m;

    book_compose(&m, "CH", "FR", NULL);
    book_sign(&e, "DE", &m.header);
    book_expect_fault(AUDIT_IDENTITY, book_put(&e));
}

static void bad_prekey_member(void)
{
    book_expect_fault(AUDIT_IDENTITY, book_put_prekeys("FR", "CH", 1));
}

static void bad_prekey_serial(void)
{
    book_expect_fault(AUDIT_SEQUENCE, book_put_prekeys("DE", "DE", 1));
}

static void bad_suspended_sender(void)
{
    struct mail m;

    book_change_directory("DE", TMX__MEMBER_STATUS__MEMBER_SUSPENDED);
    book_compose(&m, "DE", "FR", NULL);
    book_expect_fault(AUDIT_ADMISSION, book_accept(&m));
}

static void bad_revoked_recipient(void)
{
    struct mail m;

    book_change_directory("CH", TMX__MEMBER_STATUS__MEMBER_REVOKED);
    book_compose(&m, "DE", "CH", NULL);
    book_expect_fault(AUDIT_ADMISSION, book_accept(&m));
}

/* A directory in which CH may send nothing but CD002C. */
static void restrict_types(void)
{
    struct federation *f = &book->federation;
    ProtobufCBinaryData types[1] = { book_str("CD002C") };
    Tmx__SignedDirectory *file;
    Tmx__Directory *d;
    struct tmx_bytes body;
    struct tmx_bytes packed;
    uint8_t text[512];
    struct tmx_writer w = TMX_WRITER_OF(text);
    uint8_t signature[64];

    assert_int_equal(tmx_codec_unpack(&tmx__signed_directory__descriptor, federation_file(f), TMX_DIRECTORY_MAX,
                                      &book->arena, &file),
                     TMX_CODEC_OK);
    assert_int_equal(
        tmx_codec_unpack(&tmx__directory__descriptor, tmx_pb(file->directory), TMX_DIRECTORY_MAX, &book->arena, &d),
        TMX_CODEC_OK);
    d->serial = ++f->serial;
    d->members[0]->n_message_types = 1;
    d->members[0]->message_types = types;
    assert_int_equal(tmx_codec_pack(d, &book->arena, &body), TMX_CODEC_OK);
    tmx_directory_text(tmx_bytes_str(f->name), f->serial, body, &w);
    crypto_sign_detached(signature, NULL, tmx_written(&w).data, tmx_written(&w).size, f->authority_secret);
    file->directory = tmx_to_pb(body);
    file->signatures[0]->signature = book_bin(signature, sizeof signature);
    assert_int_equal(tmx_codec_pack(file, &book->arena, &packed), TMX_CODEC_OK);
    free(f->file);
    f->file = malloc(packed.size);
    memcpy(f->file, packed.data, packed.size);
    f->file_size = packed.size;
    book_keep_directory(book);
    book_put_directory();
}

static void bad_type(void)
{
    struct mail m;

    restrict_types();
    book_compose(&m, "CH", "FR", NULL);
    m.header.message_type = book_str("CD002C");
    book_accept(&m);
    book_compose(&m, "CH", "FR", NULL);
    book_expect_fault(AUDIT_ADMISSION, book_accept(&m));
}

static void bad_gap(void)
{
    struct mail m;

    book_compose(&m, "DE", "FR", NULL);
    book_compose(&m, "DE", "FR", NULL);
    book_expect_fault(AUDIT_SEQUENCE, book_accept(&m));
}

static void bad_repeated_number(void)
{
    struct mail m;

    *book_number("DE", "FR") -= 2;
    book_compose(&m, "DE", "FR", NULL);
    book_accept(&m);
    /* The pair goes on where it was. */
    ++*book_number("DE", "FR");
    book_compose(&m, "DE", "FR", NULL);
    book_accept(&m);
    book_expect_fault(AUDIT_SEQUENCE, book->n - 2);
}

/* A refusal that consumed nothing leaves the number to the next message; one that did does not. */
static void bad_refused_gap(void)
{
    struct mail m;

    book_compose(&m, "DE", "FR", NULL);
    book_put_header(&m, TMX__ENTRY_KIND__ENTRY_REFUSAL, TMX_CODE_UNKNOWN_RECIPIENT, 0);
    book_compose(&m, "DE", "FR", NULL);
    book_expect_fault(AUDIT_SEQUENCE, book_accept(&m));
}

static void bad_consumed_by_report(void)
{
    Tmx__LogEntry e = book_entry(TMX__ENTRY_KIND__ENTRY_REFUSAL);
    const Tmx__Report r = book_report_on(&book_third, 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);

    book_sign(&e, "FR", &r);
    e.code = TMX_CODE_BAD_REPORT;
    e.number = 1;
    book_expect_fault(AUDIT_SEQUENCE, book_put(&e));
}

static void put_seen(uint64_t size, const struct tmx_hash *root)
{
    Tmx__Head seen = TMX__HEAD__INIT;
    struct mail m;

    book_compose(&m, "DE", "FR", NULL);
    seen.shard = book_str(book->federation.shard);
    seen.size = size;
    seen.root = book_bin(root->b, TMX_HASH_SIZE);
    m.header.seen = &seen;
    book_accept(&m);
}

static void bad_seen_root(void)
{
    put_seen(9, &book->roots[8]);
    book_expect_fault(AUDIT_SEEN, book->n - 1);
}

static void bad_seen_ahead(void)
{
    put_seen(book->n + 1, &book->roots[8]);
    book_expect_fault(AUDIT_SEEN, book->n - 1);
}

static void test_bad_entries(void **state)
{
    static book_case_fn *const cases[] = { bad_format,
                                           bad_time,
                                           bad_second_start,
                                           bad_anchor_ahead,
                                           bad_anchor_again,
                                           bad_anchor_earlier,
                                           bad_carry,
                                           bad_resubmission,
                                           bad_serial,
                                           bad_directory_digest,
                                           bad_directory_again,
                                           bad_directory_absent,
                                           bad_body_serial,
                                           bad_signature,
                                           bad_signer,
                                           bad_revoked_signer,
                                           bad_batch,
                                           bad_message_id,
                                           bad_sender,
                                           bad_prekey_member,
                                           bad_prekey_serial,
                                           bad_suspended_sender,
                                           bad_revoked_recipient,
                                           bad_type,
                                           bad_gap,
                                           bad_repeated_number,
                                           bad_refused_gap,
                                           bad_consumed_by_report,
                                           bad_seen_root,
                                           bad_seen_ahead };

    book_run_cases(cases, TMX_N(cases));
}

/* A delivery of entry 7 of the shard before. */
static void carry(struct mail *m, size_t i, unsigned code)
{
    Tmx__LogEntry e = book_ended(m, i, TMX__ENTRY_KIND__ENTRY_CARRY_DELIVERY, code);

    book_acceptance.shard = book_str("2026a");
    book_put(&e);
}

/* A shard that follows another: carried deliveries and pairs, then a resubmission. LOG-4 */
static void follow_shard(const uint8_t log_secret[64])
{
    Tmx__LogEntry e = book_entry(TMX__ENTRY_KIND__ENTRY_SHARD_START);
    struct tmx_checkpoint old = { .origin = "tmx.test/log/2026a", .size = 40, .root = { { 4 } } };
    uint8_t note[TMX_CHECKPOINT_MAX];
    struct tmx_writer w = TMX_WRITER_OF(note);
    struct tmx_verify_key key;
    struct mail m;
    Tmx__Report r;

    assert_true(tmx_verify_key_init(tmx_bytes_str(old.origin), TMX_NOTE_ED25519, book->federation.log_public, &key));
    tmx_checkpoint_sign(&old, &key, log_secret, &w);
    federation_new_shard(&book->federation, "2026b");
    book_keep_directory(book);
    book->serial = 2;
    e.text = tmx_to_pb(tmx_written(&w));
    book_put(&e);
    book_put_directory();
    book_compose(&m, "DE", "FR", "CH");
    memset(m.header_digest, 9, sizeof m.header_digest);
    m.index = 7;
    carry(&m, 0, 1);
    carry(&m, 1, 0);
    e = book_entry(TMX__ENTRY_KIND__ENTRY_CARRY_PAIR);
    e.member = book_str("DE");
    e.recipient = book_str("FR");
    e.number = 12;
    book_put(&e);
    *book_number("DE", "FR") = 14;
    book_compose(&book_second, "DE", "FR", NULL);
    book_put_header(&book_second, TMX__ENTRY_KIND__ENTRY_RESUBMISSION, 0, 0);
    book_compose(&book_third, "DE", "FR", NULL);
    book_accept(&book_third);
    r = book_report_on(&m, 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);
    book_acceptance.shard = book_str("2026a");
    book_put_report("FR", &r);
    r = book_report_on(&m, 1, TMX__OUTCOME__OUTCOME_COA, 0);
    book_acceptance.shard = book_str("2026a");
    book_put_report("CH", &r);
    book_report(&book_second, 0, TMX__OUTCOME__OUTCOME_COA, 0);
}

static void test_next_shard(void **state)
{
    struct tmx_audit *a;

    follow_shard(book->federation.log_secret);
    book_expect_ok();
    a = book_audit();
    assert_int_equal(tmx_audit_result(a)->deliveries, 4);
    assert_int_equal(tmx_audit_result(a)->arrived, 2);
    assert_string_equal(tmx_audit_result(a)->follows.origin, "tmx.test/log/2026a");
    assert_int_equal(tmx_audit_result(a)->follows.size, 40);
    tmx_audit_free(a);
}

/* No log goes on after a head of its own. */
static void test_shard_follows_itself(void **state)
{
    Tmx__LogEntry e = book_entry(TMX__ENTRY_KIND__ENTRY_SHARD_START);
    struct tmx_checkpoint own = { .origin = "tmx.test/log/2026a", .size = 40, .root = { { 4 } } };
    uint8_t note[TMX_CHECKPOINT_MAX];
    struct tmx_writer w = TMX_WRITER_OF(note);
    struct tmx_verify_key key;

    assert_true(tmx_verify_key_init(tmx_bytes_str(own.origin), TMX_NOTE_ED25519, book->federation.log_public, &key));
    tmx_checkpoint_sign(&own, &key, book->federation.log_secret, &w);
    e.text = tmx_to_pb(tmx_written(&w));
    book_expect_fault(AUDIT_SHARD, book_put(&e));
}

/* What was refused may have been a resubmission, whose numbers another shard gave. */
static void test_refused_in_the_next_shard(void **state)
{
    struct mail m;

    follow_shard(book->federation.log_secret);
    *book_number("DE", "FR") = 2;
    book_compose(&m, "DE", "FR", NULL);
    book_put_header(&m, TMX__ENTRY_KIND__ENTRY_REFUSAL, TMX_CODE_CONTAINER_MISMATCH, 1);
    book_expect_ok();
}

static void test_next_shard_after_forged_head(void **state)
{
    follow_shard(federation_find(&book->federation, "DE")->sign_secret);
    book_expect_fault(AUDIT_SHARD, 0);
}

static void test_carried_late(void **state)
{
    follow_shard(book->federation.log_secret);
    book_compose(&book_second, "FR", "DE", NULL);
    book_second.index = 8;
    carry(&book_second, 0, 0);
    book_expect_fault(AUDIT_SHARD, book->n - 1);
}

static void test_carried_twice(void **state)
{
    struct mail m;
    Tmx__LogEntry e = book_entry(TMX__ENTRY_KIND__ENTRY_SHARD_START);

    /* Only what must be there to carry anything; the head of the old shard has its own test. */
    follow_shard(book->federation.log_secret);
    book->n = 2;
    book_compose(&m, "DE", "FR", NULL);
    m.index = 7;
    carry(&m, 0, 1);
    carry(&m, 0, 1);
    book_expect_fault(AUDIT_IDENTITY, 3);
    e = book_entry(TMX__ENTRY_KIND__ENTRY_CARRY_PAIR);
    book->n = 2;
    e.member = book_str("DE");
    e.recipient = book_str("FR");
    e.number = 12;
    book_put(&e);
    e.time_ms = 0;
    book_put(&e);
    book_expect_fault(AUDIT_SEQUENCE, 3);
}

/* Nothing can be carried into a first shard. */
static void test_carried_from_nowhere(void **state)
{
    Tmx__LogEntry e = book_entry(TMX__ENTRY_KIND__ENTRY_SHARD_START);

    book_put(&e);
    e = book_entry(TMX__ENTRY_KIND__ENTRY_CARRY_PAIR);
    e.member = book_str("DE");
    e.recipient = book_str("FR");
    e.number = 12;
    book_expect_fault(AUDIT_SHARD, book_put(&e));
}

/* Before the log names a directory, too, the serial never falls. */
static void test_serial_falls(void **state)
{
    Tmx__LogEntry e = book_entry(TMX__ENTRY_KIND__ENTRY_SHARD_START);

    e.directory_serial = 2;
    book_put(&e);
    e = book_entry(TMX__ENTRY_KIND__ENTRY_START);
    e.directory_serial = 1;
    book_expect_fault(AUDIT_DIRECTORY, book_put(&e));
}

static void test_no_start(void **state)
{
    book_put_directory();
    book_expect_fault(AUDIT_SHARD, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_honest, book_setup, book_teardown),
        cmocka_unit_test(test_bad_entries),
        cmocka_unit_test_setup_teardown(test_next_shard, book_setup, book_teardown),
        cmocka_unit_test_setup_teardown(test_shard_follows_itself, book_setup, book_teardown),
        cmocka_unit_test_setup_teardown(test_refused_in_the_next_shard, book_setup, book_teardown),
        cmocka_unit_test_setup_teardown(test_next_shard_after_forged_head, book_setup, book_teardown),
        cmocka_unit_test_setup_teardown(test_carried_late, book_setup, book_teardown),
        cmocka_unit_test_setup_teardown(test_carried_twice, book_setup, book_teardown),
        cmocka_unit_test_setup_teardown(test_carried_from_nowhere, book_setup, book_teardown),
        cmocka_unit_test_setup_teardown(test_serial_falls, book_setup, book_teardown),
        cmocka_unit_test_setup_teardown(test_no_start, book_setup, book_teardown),
    };

    return cmocka_run_group_tests_name("audit", tests, NULL, NULL);
}
