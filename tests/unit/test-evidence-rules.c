/* SPDX-License-Identifier: Apache-2.0
 * Each rule for the parts of an evidence bundle broken once, by somebody who can sign: the fault must be found under
 * its number. EVI-1 … EVI-5
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tmx/code.h>

#include "evidence_case.h"

#define DAY_MS 86400000ull

/* --- EVI-1, EVI-2 ----------------------------------------------------------------------------------------------- */

static void bad_version(void)
{
    case_arrived();
    case_pack();
    case_bundle.pb.version = 2;
    case_expect(1, "another version than 1");
}

static void bad_key_size(void)
{
    case_arrived();
    case_pack();
    case_bundle.pb.content_key = book_bin(case_parcel.content_key, 31);
    case_expect(1, "a content key of a wrong size");
}

static void bad_checkpoint_number(void)
{
    case_arrived();
    case_pack();
    case_bundle.leaves[1]->checkpoint = 1;
    case_expect(1, "of no checkpoint");
}

static void bad_path_size(void)
{
    case_arrived();
    case_pack();
    case_bundle.leaves[1]->path.len--;
    case_expect(1, "no whole hashes");
}

static void too_many_leaves(void)
{
    static Tmx__EvidenceLeaf *leaves[TMX_EVIDENCE_LEAVES_MAX + 1];

    case_arrived();
    case_pack();
    for (size_t i = 0; i < TMX_N(leaves); i++) {
        leaves[i] = case_bundle.leaves[0];
    }
    case_bundle.leaves[0]->entry.len = 1;
    case_bundle.pb.leaves = leaves;
    case_bundle.pb.n_leaves = TMX_N(leaves);
    case_expect(1, "above its limit: the number of");
}

static void too_large(void)
{
    uint8_t *file = calloc(1, TMX_EVIDENCE_MAX + 1u);
    struct tmx_evidence *v;

    memcpy(file, "\x08\x01\x12\x10", 4);
    assert_int_equal(tmx_evidence_check(TMX_BYTES(file, TMX_EVIDENCE_MAX + 1u), &case_pinned, case_beside, &v), 0);
    assert_int_equal(v->rule, 1);
    assert_non_null(strstr(v->fault, "above its limit: the file"));
    tmx_evidence_free(v);
    free(file);
}

/* A part above its limit: nothing of it is looked at. */
static void part_too_large(ProtobufCBinaryData *part, size_t size, const char *text)
{
    const ProtobufCBinaryData kept = *part;
    uint8_t *data = calloc(1, size);

    *part = book_bin(data, size);
    case_expect(1, text);
    *part = kept;
    free(data);
}

static void parts_too_large(void)
{
    case_arrived();
    case_pack();
    part_too_large(&case_bundle.leaves[0]->entry, TMX_ENTRY_MAX + 1, "above its limit: an entry");
    part_too_large(&case_bundle.leaves[0]->attachment, TMX_ATTACHMENT_MAX + 1, "above its limit: an entry");
    part_too_large(&case_bundle.leaves[0]->path, (TMX_TREE_DEPTH_MAX + 1) * TMX_HASH_SIZE, "above its limit: an entry");
    part_too_large(&case_bundle.directories[0], TMX_DIRECTORY_MAX + 1, "above its limit: a directory");
    part_too_large(&case_bundle.checkpoints[0], TMX_NOTE_MAX + 1, "above its limit: a checkpoint");
    part_too_large(&case_bundle.pb.container, TMX_CONTAINER_MAX + 1, "above its limit: the container");
}

static void another_federation(void)
{
    case_arrived();
    case_pack();
    assert_true(tmx_verify_key_init(TMX_LIT("tmx.other/authority/1"), TMX_NOTE_ED25519,
                                    book->federation.authority_public, &case_pinned.keys[0]));
    case_expect(2, "the directory of another federation");
}

static void another_authority(void)
{
    case_arrived();
    case_pack();
    assert_true(tmx_verify_key_init(TMX_LIT("tmx.test/authority/1"), TMX_NOTE_ED25519, book->federation.log_public,
                                    &case_pinned.keys[0]));
    case_expect(2, "too few valid signatures of the authority (under the keys of --authority)");
}

static void directory_missing(void)
{
    case_accepted();
    book_change_directory("CH", TMX__MEMBER_STATUS__MEMBER_SUSPENDED);
    book_report(&case_parcel.mail, 0, TMX__OUTCOME__OUTCOME_COA, 0);
    case_pack();
    case_bundle.leaves[1] = case_bundle.leaves[2];
    case_bundle.pb.n_leaves = 2;
    case_expect_state("arrived", false);
    case_bundle.pb.n_directories = 1;
    case_expect(2, "directory 2 was in force, and is not in the bundle");
}

static void directory_twice(void)
{
    case_arrived();
    case_pack();
    sample_directories(&case_bundle, 1, 1);
    case_expect(2, "serial 1 comes twice");
}

static void directories_descend(void)
{
    case_arrived();
    book_change_directory("CH", TMX__MEMBER_STATUS__MEMBER_SUSPENDED);
    case_pack();
    case_bundle.pb.n_leaves = 2;
    case_bundle.directories[0] = case_bundle.directories[1];
    case_bundle.pb.n_directories = 1;
    sample_directories(&case_bundle, 1, 1);
    case_expect(2, "its serial is lower");
}

/* EVI-1, EVI-2 */
static void test_form(void **state)
{
    static book_case_fn *const cases[] = { bad_version,       bad_key_size,    bad_checkpoint_number, bad_path_size,
                                           parts_too_large,   too_many_leaves,   too_large,       another_federation,    another_authority,
                                           directory_missing, directory_twice, directories_descend };

    case_run(cases, TMX_N(cases));
}

/* --- EVI-3, EVI-4 ----------------------------------------------------------------------------------------------- */

static void head_not_signed(void)
{
    uint8_t secret[64];

    case_arrived();
    memcpy(secret, book->federation.log_secret, sizeof secret);
    memcpy(book->federation.log_secret, federation_find(&book->federation, "DE")->sign_secret, sizeof secret);
    case_pack();
    case_expect(3, "the log did not sign it");
}

static void head_of_unknown_log(void)
{
    case_arrived();
    snprintf(book->federation.shard, sizeof book->federation.shard, "2026c");
    case_pack();
    case_expect(3, "no directory of the bundle lists its log");
}

static void head_unused(void)
{
    case_arrived();
    case_pack();
    book_put_prekeys("FR", "FR", 2);
    sample_head(&case_bundle, 0);
    case_expect(3, "no leaf leads to it");
}

static void head_twice(void)
{
    case_arrived();
    case_pack();
    case_bundle.leaves[1]->checkpoint = sample_head(&case_bundle, 0);
    case_expect(3, "the same as one before it");
}

/* The log signs another history of the same size for somebody else. */
static void head_forked(void)
{
    case_arrived();
    case_pack();
    case_take_back();
    book_report(&case_parcel.mail, 0, TMX__OUTCOME__OUTCOME_COE, TMX_CODE_CANNOT_OPEN);
    case_bundle.pb.n_leaves = 1;
    sample_leaf(&case_bundle, case_parcel.mail.index + 1, sample_head(&case_bundle, 0));
    case_expect(3, "it is forked");
}

static const char *quorum;
static void set_policy(Tmx__Directory *d)
{
    static uint8_t text[256];
    struct tmx_writer w = TMX_WRITER_OF(text);
    struct tmx_verify_key key;

    assert_true(tmx_verify_key_init(TMX_LIT("tmx.test/witness/CH"), TMX_NOTE_COSIGNATURE,
                                    federation_find(&book->federation, "CH")->witness_public, &key));
    tmx_write_fmt(&w, "witness CH ");
    tmx_verify_key_format(&key, &w);
    tmx_write_fmt(&w, "\nquorum %s\n", quorum);
    d->witness_policy = tmx_to_pb(tmx_written(&w));
}

static void with_policy(const char *asked)
{
    quorum = asked;
    sample_log();
    sample_change_directory(set_policy, NULL);
    book_put_directory();
    sample_compose(&case_parcel, "DE", "FR", NULL, false);
    book_accept(&case_parcel.mail);
    sample_begin(&case_bundle, &case_parcel);
    sample_directories(&case_bundle, 2, 2);
    sample_leaf(&case_bundle, case_parcel.mail.index, sample_head(&case_bundle, 1));
}

/* A policy that asks for nobody makes no head witnessed. */
static void nobody_asked(void)
{
    struct tmx_evidence *v;

    with_policy("none");
    v = case_check();
    assert_int_equal(v->rule, 0);
    assert_int_equal(v->heads[0].n_witnesses, 0);
    assert_false(v->heads[0].quorum.reached);
    tmx_evidence_free(v);
}

static void bad_cosignature(void)
{
    with_policy("CH");
    case_expect_state("accepted", false);
    federation_find(&book->federation, "CH")->witness_secret[0] ^= 1;
    case_bundle.pb.n_checkpoints = case_bundle.pb.n_leaves = 0;
    sample_leaf(&case_bundle, case_parcel.mail.index, sample_head(&case_bundle, 1));
    case_expect(3, "a cosignature of a witness of the policy does not verify");
}

static void leaf_of_no_message(void)
{
    case_arrived();
    case_pack_from(1);
    case_expect(4, "about no message");
}

static void leaf_elsewhere(void)
{
    case_arrived();
    case_pack();
    case_bundle.leaves[1]->index = 4;
    case_expect(4, "does not lead to the root");
}

static void leaves_descend(void)
{
    Tmx__EvidenceLeaf *first;

    case_arrived();
    case_pack();
    first = case_bundle.leaves[0];
    case_bundle.leaves[0] = case_bundle.leaves[1];
    case_bundle.leaves[1] = first;
    case_expect(4, "have to ascend");
}

static void leaf_twice(void)
{
    case_arrived();
    case_pack();
    case_bundle.leaves[case_bundle.pb.n_leaves++] = case_bundle.leaves[1];
    case_expect(4, "have to ascend");
}

static void time_falls(void)
{
    case_accepted();
    book->now_ms -= 11;
    book_report(&case_parcel.mail, 0, TMX__OUTCOME__OUTCOME_COA, 0);
    case_pack();
    case_expect(4, "time or directory serial is lower");
}

static void serial_falls(void)
{
    sample_log();
    book_change_directory("CH", TMX__MEMBER_STATUS__MEMBER_SUSPENDED);
    sample_compose(&case_parcel, "DE", "FR", NULL, false);
    book_accept(&case_parcel.mail);
    book->serial = 1;
    book_report(&case_parcel.mail, 0, TMX__OUTCOME__OUTCOME_COA, 0);
    book->serial = 2;
    case_pack();
    case_expect(4, "time or directory serial is lower");
}

static void refers_ahead(void)
{
    Tmx__LogEntry e;

    case_accepted();
    book->now_ms = case_parcel.mail.header.expires_ms;
    e = book_ended(&case_parcel.mail, 0, TMX__ENTRY_KIND__ENTRY_EXPIRED, 0);
    book_acceptance.index = book->n;
    book_put(&e);
    case_pack();
    case_expect(4, "which is not before it");
}

/* A shard comes, another, and the first again. */
static void shards_alternate(void)
{
    Tmx__EvidenceLeaf *last;

    case_arrived();
    sample_begin(&case_bundle, &case_parcel);
    sample_head(&case_bundle, 0);
    sample_leaf(&case_bundle, case_parcel.mail.index, 0);
    sample_leaf(&case_bundle, case_parcel.mail.index + 1, 0);
    sample_new_shard();
    book_put_header(&case_parcel.mail, TMX__ENTRY_KIND__ENTRY_RESUBMISSION, 0, 0);
    sample_directories(&case_bundle, 1, 2);
    sample_leaf(&case_bundle, case_parcel.mail.index, sample_head(&case_bundle, 0));
    case_expect_state("arrived", false);
    last = case_bundle.leaves[2];
    case_bundle.leaves[2] = case_bundle.leaves[1];
    case_bundle.leaves[1] = last;
    case_expect(4, "do not stand together");
}

/* EVI-3, EVI-4 */
static void test_heads_and_leaves(void **state)
{
    static book_case_fn *const cases[] = { head_not_signed, head_of_unknown_log, head_unused,        head_twice,
                                           head_forked,     bad_cosignature,     nobody_asked,
                                           leaf_of_no_message, leaf_elsewhere,
                                           leaves_descend,  leaf_twice,          time_falls,         serial_falls,
                                           refers_ahead,    shards_alternate };

    case_run(cases, TMX_N(cases));
}

/* --- EVI-5 ------------------------------------------------------------------------------------------------------ */

static void signature_of_another_body(void)
{
    Tmx__LogEntry e = book_entry(TMX__ENTRY_KIND__ENTRY_REPORT);
    Tmx__LogEntry other = book_entry(TMX__ENTRY_KIND__ENTRY_REPORT);
    Tmx__Report r;

    case_accepted();
    r = book_report_on(&case_parcel.mail, 0, TMX__OUTCOME__OUTCOME_COE, TMX_CODE_CANNOT_OPEN);
    book_sign(&e, "FR", &r);
    r = book_report_on(&case_parcel.mail, 0, TMX__OUTCOME__OUTCOME_COA, 0);
    book_sign(&other, "FR", &r);
    e.body = other.body;
    e.reference = &book_acceptance;
    book_put(&e);
    case_pack();
    case_expect(5, "the signature of FR does not verify");
}

static void signed_by_another(void)
{
    Tmx__Report r;

    case_accepted();
    r = book_report_on(&case_parcel.mail, 0, TMX__OUTCOME__OUTCOME_COA, 0);
    book_put_report("CH", &r);
    case_pack();
    case_expect(5, "it is signed by CH, and says FR");
}

static void signed_with_anothers_key(void)
{
    Tmx__LogEntry e = book_entry(TMX__ENTRY_KIND__ENTRY_REPORT);
    Tmx__Report r;

    case_accepted();
    r = book_report_on(&case_parcel.mail, 0, TMX__OUTCOME__OUTCOME_COA, 0);
    book_sign(&e, "CH", &r);
    e.member = book_str("FR");
    e.reference = &book_acceptance;
    book_put(&e);
    case_pack();
    case_expect(5, "FR has no active key");
}

static void signed_by_revoked(void)
{
    case_accepted();
    book_change_directory("FR", TMX__MEMBER_STATUS__MEMBER_REVOKED);
    book_report(&case_parcel.mail, 0, TMX__OUTCOME__OUTCOME_COA, 0);
    case_pack();
    case_bundle.leaves[1] = case_bundle.leaves[2];
    case_bundle.pb.n_leaves = 2;
    case_expect(5, "FR has no active key");
}

static void body_breaks_rules(void)
{
    sample_log();
    sample_compose(&case_parcel, "DE", "FR", NULL, false);
    case_parcel.mail.header.expires_ms = case_parcel.mail.header.sent_ms + 31 * DAY_MS;
    book_accept(&case_parcel.mail);
    case_pack();
    case_expect(5, "breaks the rules of its kind (bad-header)");
}

static void batch_of_two_roots(void)
{
    case_accepted();
    book_report(&case_parcel.mail, 0, TMX__OUTCOME__OUTCOME_COA, 0);
    book->batch_no--;
    book_report(&case_parcel.mail, 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);
    case_pack();
    case_expect(5, "over another root at entry 6");
}

static void serial_of_body(void)
{
    Tmx__Report r;

    case_accepted();
    r = book_report_on(&case_parcel.mail, 0, TMX__OUTCOME__OUTCOME_COA, 0);
    r.directory_serial = 2;
    book_put_report("FR", &r);
    case_pack();
    case_expect(5, "its signer knew directory 2, the log only 1");
}

static void report_with_head(uint64_t size, uint8_t bits)
{
    Tmx__Head seen = TMX__HEAD__INIT;
    struct tmx_hash root = book->roots[book->n];
    Tmx__Report r = book_report_on(&case_parcel.mail, 0, TMX__OUTCOME__OUTCOME_COA, 0);

    root.b[0] ^= bits;
    seen.shard = book_str(book->federation.shard);
    seen.size = size;
    seen.root = book_bin(root.b, TMX_HASH_SIZE);
    r.seen = &seen;
    book_put_report("FR", &r);
}

static void seen_too_large(void)
{
    case_accepted();
    report_with_head(book->n + 1, 0);
    case_pack();
    case_expect(5, "shown a head of 7 entries before it was one of them");
}

static void seen_of_a_fork(void)
{
    case_accepted();
    sample_begin(&case_bundle, &case_parcel);
    sample_directories(&case_bundle, 1, 1);
    sample_leaf(&case_bundle, case_parcel.mail.index, sample_head(&case_bundle, 0));
    report_with_head(book->n, 1);
    sample_leaf(&case_bundle, case_parcel.mail.index + 1, sample_head(&case_bundle, 0));
    case_expect(5, "another root at 6 entries than checkpoint 0 has");
}

static void seen_right(void)
{
    case_accepted();
    sample_begin(&case_bundle, &case_parcel);
    sample_directories(&case_bundle, 1, 1);
    sample_leaf(&case_bundle, case_parcel.mail.index, sample_head(&case_bundle, 0));
    report_with_head(book->n, 0);
    sample_leaf(&case_bundle, case_parcel.mail.index + 1, sample_head(&case_bundle, 0));
    case_expect_state("arrived", false);
}

/* EVI-5 */
static void test_signatures(void **state)
{
    static book_case_fn *const cases[] = {
        signature_of_another_body, signed_by_another, signed_with_anothers_key, signed_by_revoked, body_breaks_rules,
        batch_of_two_roots,        serial_of_body,    seen_too_large,           seen_of_a_fork,    seen_right
    };

    case_run(cases, TMX_N(cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_form),
        cmocka_unit_test(test_heads_and_leaves),
        cmocka_unit_test(test_signatures),
    };

    return cmocka_run_group_tests_name("evidence-rules", tests, NULL, NULL);
}
