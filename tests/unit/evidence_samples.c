/* SPDX-License-Identifier: Apache-2.0
 * The samples: one for every end that a message can take, and for what else a bundle can hold.
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

#include "evidence_fixture.h"

/* What most samples share: DE sends to FR, and to CH if there are two. */
static struct parcel parcel;
static struct bundle bundle;

static void send(const char *to2)
{
    sample_log();
    sample_compose(&parcel, "DE", "FR", to2, false);
    book_accept(&parcel.mail);
}

static void coa(size_t i)
{
    book_report(&parcel.mail, i, TMX__OUTCOME__OUTCOME_COA, 0);
}

/* Everything from the acceptance on under one head, with the prekeys of CH and FR before. */
static void pack_all(void)
{
    uint32_t head;

    sample_begin(&bundle, &parcel);
    sample_directories(&bundle, 1, book->serial);
    head = sample_head(&bundle, 0);
    sample_leaf(&bundle, 2, head);
    sample_leaf(&bundle, 4, head);
    for (uint64_t i = parcel.mail.index; i < book->n; i++) {
        sample_leaf(&bundle, i, head);
    }
}

/* One recipient: the prekeys of CH have no place. */
static void pack_one(void)
{
    pack_all();
    memmove(&bundle.leaves[0], &bundle.leaves[1], --bundle.pb.n_leaves * sizeof bundle.leaves[0]);
}

static void enclose(bool key)
{
    bundle.pb.container = book_bin(parcel.container, parcel.container_size);
    if (key) {
        bundle.pb.content_key = book_bin(parcel.content_key, 32);
    }
}

static void disclosed(void)
{
    send(NULL);
    coa(0);
    book_report(&parcel.mail, 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);
    pack_one();
    enclose(true);
}

/* Each leaf at the head of its time, as a node gets them. */
static void delivered(void)
{
    static uint8_t earlier[TMX_ID_SIZE] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };

    sample_log();
    sample_compose(&parcel, "DE", "FR", NULL, false);
    sample_begin(&bundle, &parcel);
    sample_directories(&bundle, 1, 1);
    parcel.mail.header.replaces = book_bin(earlier, TMX_ID_SIZE);
    book_accept(&parcel.mail);
    sample_leaf(&bundle, parcel.mail.index, sample_head(&bundle, 0));
    coa(0);
    sample_leaf(&bundle, parcel.mail.index + 1, sample_head(&bundle, 0));
    book_report(&parcel.mail, 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);
    sample_leaf(&bundle, parcel.mail.index + 2, sample_head(&bundle, 0));
}

static void refused(void)
{
    uint8_t digest[32];
    struct tmx_bytes attachment;
    Tmx__Report r;

    send(NULL);
    coa(0);
    attachment = sample_attachment(&parcel, digest);
    r = book_report_on(&parcel.mail, 0, TMX__OUTCOME__OUTCOME_COD_NEGATIVE, TMX_CODE_REFUSED);
    r.attachment_digest = book_bin(digest, sizeof digest);
    book_put_report("FR", &r);
    pack_one();
    bundle.leaves[bundle.pb.n_leaves - 1]->attachment = tmx_to_pb(attachment);
    enclose(false);
}

static void expired(void)
{
    Tmx__LogEntry e;

    send(NULL);
    book->now_ms = parcel.mail.header.expires_ms;
    e = book_ended(&parcel.mail, 0, TMX__ENTRY_KIND__ENTRY_EXPIRED, 0);
    e.number = parcel.mail.recipient[0].seq;
    book_put(&e);
    pack_one();
}

static void expired_there(void)
{
    send(NULL);
    coa(0);
    book->now_ms = parcel.mail.header.expires_ms + 5;
    book_report(&parcel.mail, 0, TMX__OUTCOME__OUTCOME_EXPIRED, TMX_CODE_EXPIRED);
    pack_one();
}

static void cannot_open(void)
{
    send(NULL);
    book_report(&parcel.mail, 0, TMX__OUTCOME__OUTCOME_COE, TMX_CODE_CANNOT_OPEN);
    pack_one();
    enclose(true);
}

static void revoked(void)
{
    Tmx__LogEntry e;

    send(NULL);
    book_change_directory("FR", TMX__MEMBER_STATUS__MEMBER_REVOKED);
    e = book_ended(&parcel.mail, 0, TMX__ENTRY_KIND__ENTRY_EXCEPTION, TMX_CODE_RECIPIENT_REVOKED);
    book_put(&e);
    pack_one();
    bundle.pb.n_leaves--; /* that of the directory has no place */
    bundle.leaves[bundle.pb.n_leaves - 1] = &bundle.leaf[bundle.pb.n_leaves + 1];
}

static void rejected(void)
{
    sample_log();
    sample_compose(&parcel, "DE", "FR", "CH", false);
    book_put_header(&parcel.mail, TMX__ENTRY_KIND__ENTRY_REFUSAL, TMX_CODE_TYPE_NOT_ALLOWED, 1);
    pack_all();
}

static void several(void)
{
    send("CH");
    coa(0);
    book_report(&parcel.mail, 1, TMX__OUTCOME__OUTCOME_COE, TMX_CODE_CONTENT_INVALID);
    book_report(&parcel.mail, 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);
    pack_all();
    enclose(true);
}

static void no_outcome(void)
{
    send("CH");
    coa(1);
    pack_all();
    enclose(false);
}

/* A report that came too late is in the log, too. */
static void late_report(void)
{
    Tmx__LogEntry refusal = book_entry(TMX__ENTRY_KIND__ENTRY_REFUSAL);
    Tmx__LogEntry erased = book_entry(TMX__ENTRY_KIND__ENTRY_ERASED);
    Tmx__Report r;

    disclosed();
    r = book_report_on(&parcel.mail, 0, TMX__OUTCOME__OUTCOME_COD_NEGATIVE, TMX_CODE_REFUSED);
    book_sign(&refusal, "FR", &r);
    refusal.code = TMX_CODE_OUTCOME_EXISTS;
    book_acceptance = book_ref(parcel.mail.index + 2);
    refusal.reference = &book_acceptance;
    book_put(&refusal);
    erased.message_id = book_bin(parcel.mail.id, TMX_ID_SIZE);
    book_put(&erased);
    pack_one();
}

static void last_resort(void)
{
    sample_log();
    sample_compose(&parcel, "DE", "FR", NULL, true);
    book_accept(&parcel.mail);
    coa(0);
    pack_one();
    enclose(false);
}

/* The broker's disk is lost after the CoA; what was made under the old shard is logged again in the new one. */
static void resubmitted(void)
{
    Tmx__LogEntry again = book_entry(TMX__ENTRY_KIND__ENTRY_REPORT);
    Tmx__LogRef here;
    Tmx__Report r;
    uint32_t head;

    send(NULL);
    coa(0);
    r = book_report_on(&parcel.mail, 0, TMX__OUTCOME__OUTCOME_COA, 0);
    book_acceptance.shard = book_str("2026a");
    sample_begin(&bundle, &parcel);
    head = sample_head(&bundle, 0);
    sample_leaf(&bundle, 4, head);
    sample_leaf(&bundle, parcel.mail.index, head);
    sample_leaf(&bundle, parcel.mail.index + 1, head);
    sample_new_shard();
    book_put_header(&parcel.mail, TMX__ENTRY_KIND__ENTRY_RESUBMISSION, 0, 0);
    book_sign(&again, "FR", &r);
    here = book_ref(parcel.mail.index);
    again.reference = &here;
    book_put(&again);
    book_report(&parcel.mail, 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);
    sample_directories(&bundle, 1, 2);
    head = sample_head(&bundle, 0);
    for (uint64_t i = parcel.mail.index; i < book->n; i++) {
        sample_leaf(&bundle, i, head);
    }
    enclose(true);
}

/* A new shard carries the open delivery. */
static void carried(void)
{
    Tmx__LogEntry carry;
    Tmx__Report r;
    uint32_t head;
    char old[] = "2026a";

    send(NULL);
    sample_begin(&bundle, &parcel);
    sample_leaf(&bundle, parcel.mail.index, sample_head(&bundle, 0));
    sample_new_shard();
    carry = book_ended(&parcel.mail, 0, TMX__ENTRY_KIND__ENTRY_CARRY_DELIVERY, 1);
    book_acceptance.shard = book_str(old);
    carry.number = parcel.mail.recipient[0].seq;
    carry.digest = book_bin(parcel.mail.container_digest, TMX_HASH_SIZE);
    book_put(&carry);
    r = book_report_on(&parcel.mail, 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);
    book_acceptance.shard = book_str(old);
    book_put_report("FR", &r);
    sample_directories(&bundle, 1, 2);
    head = sample_head(&bundle, 0);
    sample_leaf(&bundle, 2, head);
    sample_leaf(&bundle, 3, head);
}

/* --- the directory has changed ---------------------------------------------------------------------------------- */

static uint8_t next_public[32];

static void change_authority(Tmx__Directory *d)
{
    d->authority_keys[0]->key = book_bin(next_public, 32);
}

/* The authority's keys changed before the message: both directories are needed. */
static void new_authority(void)
{
    static const uint8_t seed[32] = { 9 };
    uint8_t secret[64];

    sample_log();
    crypto_sign_seed_keypair(next_public, secret, seed);
    sample_change_directory(change_authority, secret);
    book_put_directory();
    sample_compose(&parcel, "DE", "FR", NULL, false);
    book_accept(&parcel.mail);
    coa(0);
    sample_begin(&bundle, &parcel);
    sample_directories(&bundle, 1, 2);
    sample_leaf(&bundle, parcel.mail.index, sample_head(&bundle, 0));
    sample_leaf(&bundle, parcel.mail.index + 1, 0);
}

static void set_policy(Tmx__Directory *d)
{
    static uint8_t text[1024];
    struct tmx_writer w = TMX_WRITER_OF(text);

    for (size_t i = 0; i < 3; i++) {
        const struct federation_member *m = &book->federation.members[i];
        char name[TMX_KEYNAME_MAX];
        const int n = snprintf(name, sizeof name, "tmx.test/witness/%s", m->code);
        struct tmx_verify_key key;

        assert_true(tmx_verify_key_init(TMX_BYTES(name, (size_t)n), TMX_NOTE_COSIGNATURE, m->witness_public, &key));
        tmx_write_fmt(&w, "witness %s ", m->code);
        tmx_verify_key_format(&key, &w);
        tmx_write_fmt(&w, "\n");
    }
    tmx_write_fmt(&w, "group most 2 CH DE FR\nquorum most\n");
    d->witness_policy = tmx_to_pb(tmx_written(&w));
}

static void with_witnesses(unsigned n)
{
    sample_log();
    sample_change_directory(set_policy, NULL);
    book_put_directory();
    sample_compose(&parcel, "DE", "FR", NULL, false);
    book_accept(&parcel.mail);
    coa(0);
    book_report(&parcel.mail, 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);
    sample_begin(&bundle, &parcel);
    sample_directories(&bundle, 2, 2);
    sample_head(&bundle, n);
    for (uint64_t i = parcel.mail.index; i < book->n; i++) {
        sample_leaf(&bundle, i, 0);
    }
}

static void witnessed(void)
{
    with_witnesses(3);
}

static void witnessed_by_few(void)
{
    with_witnesses(1);
}

/* The later head is witnessed by one alone: what leads to it is not witnessed. */
static void witnessed_in_part(void)
{
    with_witnesses(3);
    book_put_prekeys("FR", "FR", 2);
    sample_leaf(&bundle, book->n - 1, sample_head(&bundle, 1));
}

static const char *compromised_member;
static void compromise(Tmx__Directory *d)
{
    static Tmx__LogIndex since;

    since = (Tmx__LogIndex)TMX__LOG_INDEX__INIT;
    since.shard = book_str("2026a");
    since.index = parcel.mail.index;
    for (size_t i = 0; i < d->n_members; i++) {
        if (tmx_bytes_eq(tmx_pb(d->members[i]->code), tmx_bytes_str(compromised_member))) {
            d->members[i]->signing_keys[0]->revoked = true;
            d->members[i]->signing_keys[0]->compromised_since = &since;
        }
    }
}

/* A key is called compromised in a directory that came after. */
static void compromise_later(const char *member)
{
    disclosed();
    compromised_member = member;
    sample_change_directory(compromise, NULL);
    sample_directories(&bundle, 2, 2);
}

static void compromised(void)
{
    compromise_later("FR");
}

static void sender_compromised(void)
{
    compromise_later("DE");
}

/* --- all of them ------------------------------------------------------------------------------------------------ */

static const struct {
    struct sample sample;
    void (*make)(void);
} table[] = {
    { { .name = "disclosed", .states = { "delivered" }, .opened = true }, disclosed },
    { { .name = "delivered", .states = { "delivered" } }, delivered },
    { { .name = "refused", .states = { "refused" } }, refused },
    { { .name = "expired", .states = { "expired" } }, expired },
    { { .name = "expired-there", .states = { "expired" } }, expired_there },
    { { .name = "cannot-open", .states = { "exception" }, .opened = true }, cannot_open },
    { { .name = "revoked", .states = { "exception" } }, revoked },
    { { .name = "rejected", .states = { "rejected", "rejected" } }, rejected },
    { { .name = "several", .states = { "delivered", "exception" }, .opened = true }, several },
    { { .name = "no-outcome", .states = { "accepted", "arrived" } }, no_outcome },
    { { .name = "late-report", .states = { "delivered" } }, late_report },
    { { .name = "last-resort", .states = { "arrived" } }, last_resort },
    { { .name = "resubmitted", .states = { "delivered" }, .opened = true }, resubmitted },
    { { .name = "carried", .states = { "delivered" } }, carried },
    { { .name = "new-authority", .states = { "arrived" } }, new_authority },
    { { .name = "witnessed", .states = { "delivered" }, .witnesses = 3 }, witnessed },
    { { .name = "witnessed-by-few", .states = { "delivered" }, .witnesses = 1 }, witnessed_by_few },
    { { .name = "compromised", .states = { "delivered" }, .opened = true, .doubtful = true }, compromised },
    { { .name = "sender-compromised", .states = { "delivered" }, .opened = true, .doubtful = true }, sender_compromised },
    { { .name = "witnessed-in-part", .states = { "delivered" }, .witnesses = 1 }, witnessed_in_part },
};

size_t samples_make(struct sample **ret_samples, struct tmx_authority *ret_authority)
{
    struct sample *samples = calloc(TMX_N(table), sizeof *samples);

    for (size_t i = 0; i < TMX_N(table); i++) {
        assert_int_equal(book_setup(NULL), 0);
        book->ids = 10 * i; /* no two have one message */
        *ret_authority = book->federation.authority;
        table[i].make();
        samples[i] = table[i].sample;
        samples[i].file = sample_pack(&bundle.pb);
        sample_parcel_free(&parcel);
        book_teardown(NULL);
    }
    *ret_samples = samples;
    return TMX_N(table);
}

void samples_free(struct sample *samples, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free((void *)(uintptr_t)samples[i].file.data);
    }
    free(samples);
}
