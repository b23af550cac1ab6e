/* SPDX-License-Identifier: Apache-2.0
 * The auditor's rules (LOG-6), each broken once: the fault must be found at its entry, in its class, and alone; and
 * whole exports on disk, intact and bent (LOG-1, LOG-5).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tmx/code.h>

#include "../../broker/audit/check.h"
#include "../../broker/audit/export_dir.h"
#include "../../broker/audit/writer.h"
#include "federation.h"

#define START_MS 1790000000000ull
#define ENTRIES_MAX 5000u
#define DAY_MS 86400000ull

/* A log as a broker would write it, entry by entry. */
struct book {
    struct federation federation;
    struct tmx_directory *directories[4]; /* by serial - 1 */
    uint8_t *directory_files[4];
    size_t directory_sizes[4];
    struct tmx_arena arena;
    uint64_t now_ms;
    uint64_t serial;
    uint64_t batch_no;
    uint64_t ids;
    struct tmx_frontier frontier;
    struct tmx_hash roots[ENTRIES_MAX + 1];
    size_t n;
    struct tmx_bytes entries[ENTRIES_MAX];
};

/* A message and what its reports name. */
struct mail {
    Tmx__Header header;
    Tmx__Recipient recipient[3];
    Tmx__Recipient *recipients[3];
    uint8_t id[TMX_ID_SIZE];
    uint8_t container_digest[TMX_HASH_SIZE];
    uint8_t header_digest[TMX_HASH_SIZE];
    uint64_t index;
};

static struct book *book;
static uint64_t numbers[8][8]; /* last number of each pair */

static ProtobufCBinaryData bin(const void *data, size_t size)
{
    return tmx_to_pb(TMX_BYTES(data, size));
}

static ProtobufCBinaryData str(const char *text)
{
    return tmx_to_pb(tmx_bytes_str(text));
}

static void keep_directory(struct book *b)
{
    const struct tmx_bytes file = federation_file(&b->federation);
    const size_t at = b->federation.serial - 1;

    assert_true(at < TMX_N(b->directories));
    b->directory_files[at] = malloc(file.size);
    memcpy(b->directory_files[at], file.data, file.size);
    b->directory_sizes[at] = file.size;
    assert_int_equal(tmx_directory_load(file, &b->federation.authority, NULL, &b->directories[at]), 0);
}

static uint64_t put(Tmx__LogEntry *e)
{
    struct tmx_bytes packed;
    struct tmx_bytes copy;
    struct tmx_hash leaf;
    struct book *b = book;

    if (e->time_ms == 0) {
        e->time_ms = b->now_ms;
    }
    if (e->directory_serial == 0) {
        e->directory_serial = b->serial;
    }
    assert_true(b->n < ENTRIES_MAX);
    assert_int_equal(tmx_codec_pack(e, &b->arena, &packed), TMX_CODEC_OK);
    assert_true(tmx_arena_copy(&b->arena, packed, &copy));
    b->entries[b->n] = copy;
    leaf = tmx_merkle_leaf(copy);
    tmx_frontier_append(&b->frontier, &leaf, NULL, NULL);
    b->roots[++b->n] = tmx_frontier_root(&b->frontier);
    b->now_ms += 10;
    return b->n - 1;
}

/* Signs a body into an entry. */
static void sign(Tmx__LogEntry *e, const char *code, const void *body_message)
{
    struct federation_member *m = federation_find(&book->federation, code);
    struct tmx_signature signature;
    struct tmx_bytes body;

    assert_int_equal(tmx_codec_pack(body_message, &book->arena, &body), TMX_CODEC_OK);
    tmx_batch_sign(&body, 1, ++book->batch_no, &m->key, m->sign_secret, &signature);
    e->member = str(m->code);
    e->body = tmx_to_pb(body);
    e->signature = tmx_signature_to_pb(&signature, &book->arena);
}

static Tmx__LogEntry entry_of(Tmx__EntryKind kind)
{
    Tmx__LogEntry e = TMX__LOG_ENTRY__INIT;

    e.kind = kind;
    return e;
}

static Tmx__LogRef ref_to(uint64_t index)
{
    Tmx__LogRef ref = TMX__LOG_REF__INIT;

    ref.shard = str(book->federation.shard);
    ref.index = index;
    return ref;
}

static uint64_t *number_of(const char *from, const char *to)
{
    const struct federation *f = &book->federation;
    size_t i = 0;
    size_t j = 0;

    while (strcmp(f->members[i].code, from) != 0) {
        i++;
    }
    while (strcmp(f->members[j].code, to) != 0) {
        j++;
    }
    return &numbers[i][j];
}

/* A message with the next number of each pair; `to2` may be NULL. */
static void compose(struct mail *m, const char *from, const char *to, const char *to2)
{
    const char *const names[] = { to, to2 };

    *m = (struct mail){ .header = TMX__HEADER__INIT };
    tmx_message_id(book->now_ms, (const uint8_t *)"0123456789", m->id);
    m->id[15] = (uint8_t)++book->ids;
    m->id[14] = (uint8_t)(book->ids >> 8);
    memset(m->container_digest, (int)book->ids, sizeof m->container_digest);
    m->header.kind = TMX__KIND__KIND_HEADER;
    m->header.directory_serial = book->serial;
    m->header.message_id = bin(m->id, sizeof m->id);
    m->header.sender = str(from);
    m->header.message_type = str("CD001C");
    m->header.priority = 5;
    m->header.sent_ms = book->now_ms;
    m->header.expires_ms = book->now_ms + DAY_MS;
    m->header.container_bytes = 1000;
    m->header.container_digest = bin(m->container_digest, sizeof m->container_digest);
    m->header.recipients = m->recipients;
    for (size_t i = 0; i < 2 && names[i] != NULL; i++) {
        m->recipient[i] = (Tmx__Recipient)TMX__RECIPIENT__INIT;
        m->recipient[i].member = str(names[i]);
        m->recipient[i].seq = ++*number_of(from, names[i]);
        m->recipients[i] = &m->recipient[i];
        m->header.n_recipients++;
    }
}

static uint64_t put_header(struct mail *m, Tmx__EntryKind kind, unsigned code, uint64_t number)
{
    Tmx__LogEntry e = entry_of(kind);
    char sender[TMX_MEMBER_MAX + 1] = { 0 };

    memcpy(sender, m->header.sender.data, m->header.sender.len);
    sign(&e, sender, &m->header);
    crypto_generichash(m->header_digest, sizeof m->header_digest, e.body.data, e.body.len, NULL, 0);
    e.code = code;
    e.number = number;
    m->index = put(&e);
    return m->index;
}

static uint64_t accept(struct mail *m)
{
    return put_header(m, TMX__ENTRY_KIND__ENTRY_ACCEPTANCE, 0, 0);
}

/* The report of the i-th recipient, to be bent and put. */
static Tmx__LogRef acceptance_ref;
static Tmx__Report report_on(struct mail *m, size_t i, Tmx__Outcome outcome, unsigned code)
{
    Tmx__Report r = TMX__REPORT__INIT;

    acceptance_ref = ref_to(m->index);
    r.kind = TMX__KIND__KIND_REPORT;
    r.directory_serial = book->serial;
    r.message_id = bin(m->id, sizeof m->id);
    r.header_digest = bin(m->header_digest, sizeof m->header_digest);
    r.container_digest = bin(m->container_digest, sizeof m->container_digest);
    r.recipient = m->recipient[i].member;
    r.seq = m->recipient[i].seq;
    r.acceptance = &acceptance_ref;
    r.outcome = outcome;
    r.code = code;
    r.time_ms = book->now_ms;
    return r;
}

static uint64_t put_report(const char *signer, const Tmx__Report *r)
{
    Tmx__LogEntry e = entry_of(TMX__ENTRY_KIND__ENTRY_REPORT);
    Tmx__LogRef ref = *r->acceptance;

    sign(&e, signer, r);
    e.reference = &ref;
    return put(&e);
}

static uint64_t report(struct mail *m, size_t i, Tmx__Outcome outcome, unsigned code)
{
    const Tmx__Report r = report_on(m, i, outcome, code);
    char signer[TMX_MEMBER_MAX + 1] = { 0 };

    memcpy(signer, r.recipient.data, r.recipient.len);
    return put_report(signer, &r);
}

/* EXPIRED and EXCEPTION by the broker. */
static Tmx__LogEntry ended_by_broker(struct mail *m, size_t i, Tmx__EntryKind kind, unsigned code)
{
    Tmx__LogEntry e = entry_of(kind);

    acceptance_ref = ref_to(m->index);
    e.member = m->header.sender;
    e.message_id = bin(m->id, sizeof m->id);
    e.header_digest = bin(m->header_digest, sizeof m->header_digest);
    e.recipient = m->recipient[i].member;
    e.reference = &acceptance_ref;
    e.code = code;
    return e;
}

static uint64_t put_directory(void)
{
    Tmx__LogEntry e = entry_of(TMX__ENTRY_KIND__ENTRY_DIRECTORY);
    uint8_t digest[TMX_HASH_SIZE];
    const struct tmx_bytes file = federation_file(&book->federation);

    crypto_generichash(digest, sizeof digest, file.data, file.size, NULL, 0);
    book->serial = book->federation.serial;
    e.number = book->serial;
    e.digest = bin(digest, sizeof digest);
    return put(&e);
}

static void change_directory(const char *code, Tmx__MemberStatus status)
{
    federation_find(&book->federation, code)->status = status;
    book->federation.serial++;
    federation_sign(&book->federation);
    keep_directory(book);
    put_directory();
}

static uint64_t put_prekeys(const char *signer, const char *member, uint64_t set_serial)
{
    Tmx__LogEntry e = entry_of(TMX__ENTRY_KIND__ENTRY_PREKEYS);
    Tmx__PrekeySet set = TMX__PREKEY_SET__INIT;
    Tmx__Prekey key = TMX__PREKEY__INIT;
    Tmx__Prekey *keys[1] = { &key };

    key.key = bin(federation_find(&book->federation, member)->curve_public, 32);
    key.from_ms = START_MS;
    key.until_ms = START_MS + DAY_MS;
    set.kind = TMX__KIND__KIND_PREKEY_SET;
    set.directory_serial = book->serial;
    set.member = str(member);
    set.set_serial = set_serial;
    set.n_keys = 1;
    set.keys = keys;
    sign(&e, signer, &set);
    return put(&e);
}

static struct mail first;  /* DE to FR and CH: FR took it, CH could not open it */
static struct mail second; /* FR to DE: queued */
static struct mail third;  /* DE to FR: arrived */

/* Thirteen entries of an honest log. */
static void honest_log(void)
{
    Tmx__LogEntry start = entry_of(TMX__ENTRY_KIND__ENTRY_SHARD_START);
    Tmx__LogEntry action = entry_of(TMX__ENTRY_KIND__ENTRY_OPERATOR);
    Tmx__Head seen = TMX__HEAD__INIT;
    Tmx__LogEntry refusal = entry_of(TMX__ENTRY_KIND__ENTRY_REFUSAL);
    struct mail refused;
    Tmx__Report r;

    start.number = 1;
    put(&start);
    put_directory();
    put_prekeys("DE", "DE", 1);
    compose(&first, "DE", "FR", "CH");
    accept(&first);
    report(&first, 0, TMX__OUTCOME__OUTCOME_COA, 0);
    report(&first, 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);
    report(&first, 1, TMX__OUTCOME__OUTCOME_COE, TMX_CODE_CANNOT_OPEN);
    compose(&second, "FR", "DE", NULL);
    seen.shard = str(book->federation.shard);
    seen.size = 4;
    seen.root = bin(book->roots[4].b, TMX_HASH_SIZE);
    second.header.seen = &seen;
    accept(&second);
    compose(&refused, "DE", "FR", NULL);
    put_header(&refused, TMX__ENTRY_KIND__ENTRY_REFUSAL, TMX_CODE_TYPE_NOT_ALLOWED, 1);
    compose(&third, "DE", "FR", NULL);
    accept(&third);
    r = report_on(&third, 0, TMX__OUTCOME__OUTCOME_COA, 0);
    seen.size = book->n;
    seen.root = bin(book->roots[book->n].b, TMX_HASH_SIZE);
    r.seen = &seen;
    put_report("FR", &r);
    r = report_on(&first, 0, TMX__OUTCOME__OUTCOME_COD_NEGATIVE, TMX_CODE_REFUSED);
    sign(&refusal, "FR", &r);
    refusal.code = TMX_CODE_OUTCOME_EXISTS;
    acceptance_ref = ref_to(5);
    refusal.reference = &acceptance_ref;
    put(&refusal);
    action.code = 1;
    action.digest = bin(book->roots[1].b, TMX_HASH_SIZE);
    put(&action);
    assert_int_equal(book->n, 13);
}

static int setup(void **state)
{
    static const char *const codes[] = { "CH", "DE", "FR" };

    book = calloc(1, sizeof *book);
    memset(numbers, 0, sizeof numbers);
    book->now_ms = START_MS;
    book->batch_no = 100;
    book->serial = 1;
    federation_init(&book->federation, codes, TMX_N(codes), START_MS - 1000);
    keep_directory(book);
    return tmx_arena_init(&book->arena, 16u << 20);
}

static int teardown(void **state)
{
    for (size_t i = 0; i < TMX_N(book->directories); i++) {
        tmx_directory_free(book->directories[i]);
        free(book->directory_files[i]);
    }
    federation_deinit(&book->federation);
    tmx_arena_deinit(&book->arena);
    free(book);
    return 0;
}

/* --- the rules, in memory ------------------------------------------------------------------------------------- */

static const struct tmx_directory *find_directory(void *ctx, uint64_t serial)
{
    return serial >= 1 && serial <= TMX_N(book->directories) ? book->directories[serial - 1] : NULL;
}

static size_t audited; /* entries before the one being checked */

static bool root_at(void *ctx, uint64_t size, struct tmx_hash *ret_root)
{
    assert_true(size <= audited);
    *ret_root = book->roots[size];
    return true;
}

static struct tmx_audit *audit_book(void)
{
    static const uint8_t hash_key[16] = { 1 };
    struct tmx_audit *a;

    assert_int_equal(tmx_audit_new(tmx_bytes_str(book->federation.shard), hash_key, find_directory, root_at, NULL, &a),
                     0);
    for (size_t i = 0; i < book->n; i++) {
        audited = i;
        assert_int_equal(tmx_audit_entry(a, book->entries[i]), 0);
    }
    return a;
}

static void print_faults(const struct tmx_audit *a)
{
    for (enum tmx_audit_class c = 0; c < AUDIT_N_CLASSES; c++) {
        const struct tmx_audit_fault *f = &tmx_audit_result(a)->faults[c];

        if (f->count > 0) {
            print_message("# %s at %lld: %s\n", tmx_audit_class_name(c), (long long)f->index, f->text);
        }
    }
}

/* One fault, of this class, at this entry, and no other. */
static void expect_fault(enum tmx_audit_class class, uint64_t index)
{
    struct tmx_audit *a = audit_book();

    for (enum tmx_audit_class c = 0; c < AUDIT_N_CLASSES; c++) {
        const struct tmx_audit_fault *f = &tmx_audit_result(a)->faults[c];

        if (f->count != (c == class) || (f->count > 0 && f->index != index)) {
            print_message("# wanted %s at %lld\n", tmx_audit_class_name(class), (long long)index);
            print_faults(a);
            fail();
        }
    }
    assert_false(tmx_audit_ok(a));
    tmx_audit_free(a);
}

static void expect_ok(void)
{
    struct tmx_audit *a = audit_book();

    print_faults(a);
    assert_true(tmx_audit_ok(a));
    tmx_audit_free(a);
}

static void test_honest(void **state)
{
    struct tmx_audit *a;
    const struct tmx_audit_summary *s;
    const char *code;
    uint64_t bodies;
    size_t at = 0;

    honest_log();
    expect_ok();
    a = audit_book();
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
    expect_fault(AUDIT_FORMAT, book->n - 1);
}

static void bad_time(void)
{
    Tmx__LogEntry e = entry_of(TMX__ENTRY_KIND__ENTRY_START);

    e.time_ms = book->now_ms - 11;
    expect_fault(AUDIT_TIME, put(&e));
}

static void bad_second_start(void)
{
    Tmx__LogEntry e = entry_of(TMX__ENTRY_KIND__ENTRY_SHARD_START);

    expect_fault(AUDIT_SHARD, put(&e));
}

static void bad_carry(void)
{
    Tmx__LogEntry e = entry_of(TMX__ENTRY_KIND__ENTRY_CARRY_PAIR);

    e.member = str("CH");
    e.recipient = str("DE");
    e.number = 4;
    expect_fault(AUDIT_SHARD, put(&e));
}

static void bad_resubmission(void)
{
    struct mail m;

    compose(&m, "DE", "FR", NULL);
    expect_fault(AUDIT_SHARD, put_header(&m, TMX__ENTRY_KIND__ENTRY_RESUBMISSION, 0, 0));
}

static void bad_serial(void)
{
    Tmx__LogEntry e = entry_of(TMX__ENTRY_KIND__ENTRY_START);

    e.directory_serial = 2;
    put(&e);
    expect_fault(AUDIT_DIRECTORY, book->n - 1);
}

static void bad_directory_digest(void)
{
    Tmx__LogEntry e = entry_of(TMX__ENTRY_KIND__ENTRY_DIRECTORY);

    book->federation.serial = 2;
    federation_sign(&book->federation);
    keep_directory(book);
    book->serial = 2;
    e.number = 2;
    e.digest = bin(book->roots[2].b, TMX_HASH_SIZE);
    expect_fault(AUDIT_DIRECTORY, put(&e));
}

static void bad_directory_again(void)
{
    expect_fault(AUDIT_DIRECTORY, put_directory());
}

static void bad_directory_absent(void)
{
    Tmx__LogEntry e = entry_of(TMX__ENTRY_KIND__ENTRY_DIRECTORY);

    e.number = 3;
    e.digest = bin(book->roots[2].b, TMX_HASH_SIZE);
    expect_fault(AUDIT_DIRECTORY, put(&e));
}

static void bad_body_serial(void)
{
    struct mail m;

    compose(&m, "DE", "FR", NULL);
    m.header.directory_serial = 2;
    expect_fault(AUDIT_DIRECTORY, accept(&m));
}

/* The signature is of another body. */
static void bad_signature(void)
{
    Tmx__LogEntry e = entry_of(TMX__ENTRY_KIND__ENTRY_REPORT);
    Tmx__Report r = report_on(&third, 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);
    Tmx__Report other = report_on(&third, 0, TMX__OUTCOME__OUTCOME_COD_NEGATIVE, TMX_CODE_REFUSED);
    Tmx__LogRef ref = acceptance_ref;
    ProtobufCBinaryData body;

    sign(&e, "FR", &r);
    body = e.body;
    sign(&e, "FR", &other);
    e.body = body;
    e.reference = &ref;
    expect_fault(AUDIT_SIGNATURE, put(&e));
}

/* FR's report under the signature of CH. */
static void bad_signer(void)
{
    const Tmx__Report r = report_on(&third, 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);
    Tmx__LogEntry e = entry_of(TMX__ENTRY_KIND__ENTRY_REPORT);
    Tmx__LogRef ref = acceptance_ref;

    sign(&e, "CH", &r);
    e.member = str("FR");
    e.reference = &ref;
    expect_fault(AUDIT_SIGNATURE, put(&e));
}

static void bad_revoked_signer(void)
{
    change_directory("FR", TMX__MEMBER_STATUS__MEMBER_REVOKED);
    expect_fault(AUDIT_SIGNATURE, report(&third, 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0));
}

static void bad_batch(void)
{
    struct mail m;

    book->batch_no = 100;
    compose(&m, "DE", "FR", NULL);
    expect_fault(AUDIT_BATCH, accept(&m));
}

static void bad_message_id(void)
{
    struct mail m;

    compose(&m, "DE", "FR", NULL);
    memcpy(m.id, first.id, sizeof m.id);
    expect_fault(AUDIT_IDENTITY, accept(&m));
}

/* DE signs a header whose sender is CH. */
static void bad_sender(void)
{
    Tmx__LogEntry e = entry_of(TMX__ENTRY_KIND__ENTRY_ACCEPTANCE);
    struct mail m;

    compose(&m, "CH", "FR", NULL);
    sign(&e, "DE", &m.header);
    expect_fault(AUDIT_IDENTITY, put(&e));
}

static void bad_prekey_member(void)
{
    expect_fault(AUDIT_IDENTITY, put_prekeys("FR", "CH", 1));
}

static void bad_prekey_serial(void)
{
    expect_fault(AUDIT_SEQUENCE, put_prekeys("DE", "DE", 1));
}

static void bad_suspended_sender(void)
{
    struct mail m;

    change_directory("DE", TMX__MEMBER_STATUS__MEMBER_SUSPENDED);
    compose(&m, "DE", "FR", NULL);
    expect_fault(AUDIT_ADMISSION, accept(&m));
}

static void bad_revoked_recipient(void)
{
    struct mail m;

    change_directory("CH", TMX__MEMBER_STATUS__MEMBER_REVOKED);
    compose(&m, "DE", "CH", NULL);
    expect_fault(AUDIT_ADMISSION, accept(&m));
}

/* A directory in which CH may send nothing but CD002C. */
static void restrict_types(void)
{
    struct federation *f = &book->federation;
    ProtobufCBinaryData types[1] = { str("CD002C") };
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
    file->signatures[0]->signature = bin(signature, sizeof signature);
    assert_int_equal(tmx_codec_pack(file, &book->arena, &packed), TMX_CODEC_OK);
    free(f->file);
    f->file = malloc(packed.size);
    memcpy(f->file, packed.data, packed.size);
    f->file_size = packed.size;
    keep_directory(book);
    put_directory();
}

static void bad_type(void)
{
    struct mail m;

    restrict_types();
    compose(&m, "CH", "FR", NULL);
    m.header.message_type = str("CD002C");
    accept(&m);
    compose(&m, "CH", "FR", NULL);
    expect_fault(AUDIT_ADMISSION, accept(&m));
}

static void bad_gap(void)
{
    struct mail m;

    compose(&m, "DE", "FR", NULL);
    compose(&m, "DE", "FR", NULL);
    expect_fault(AUDIT_SEQUENCE, accept(&m));
}

static void bad_repeated_number(void)
{
    struct mail m;

    *number_of("DE", "FR") -= 2;
    compose(&m, "DE", "FR", NULL);
    accept(&m);
    /* The pair goes on where it was. */
    ++*number_of("DE", "FR");
    compose(&m, "DE", "FR", NULL);
    accept(&m);
    expect_fault(AUDIT_SEQUENCE, book->n - 2);
}

/* A refusal that consumed nothing leaves the number to the next message; one that did does not. */
static void bad_refused_gap(void)
{
    struct mail m;

    compose(&m, "DE", "FR", NULL);
    put_header(&m, TMX__ENTRY_KIND__ENTRY_REFUSAL, TMX_CODE_UNKNOWN_RECIPIENT, 0);
    compose(&m, "DE", "FR", NULL);
    expect_fault(AUDIT_SEQUENCE, accept(&m));
}

static void bad_consumed_by_report(void)
{
    Tmx__LogEntry e = entry_of(TMX__ENTRY_KIND__ENTRY_REFUSAL);
    const Tmx__Report r = report_on(&third, 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);

    sign(&e, "FR", &r);
    e.code = TMX_CODE_BAD_REPORT;
    e.number = 1;
    expect_fault(AUDIT_SEQUENCE, put(&e));
}

static void bad_reference(void)
{
    Tmx__Report r = report_on(&third, 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);

    acceptance_ref.index = 4;
    expect_fault(AUDIT_REFERENCE, put_report("FR", &r));
}

static void bad_reference_of_entry(void)
{
    Tmx__LogEntry e = entry_of(TMX__ENTRY_KIND__ENTRY_REPORT);
    const Tmx__Report r = report_on(&third, 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);
    Tmx__LogRef ref = acceptance_ref;

    sign(&e, "FR", &r);
    ref.index = first.index;
    e.reference = &ref;
    expect_fault(AUDIT_REFERENCE, put(&e));
}

static void bad_reference_ahead(void)
{
    Tmx__LogEntry e = entry_of(TMX__ENTRY_KIND__ENTRY_OPERATOR);
    Tmx__LogRef ref = ref_to(book->n);

    e.code = 1;
    e.digest = bin(book->roots[1].b, TMX_HASH_SIZE);
    e.reference = &ref;
    expect_fault(AUDIT_REFERENCE, put(&e));
}

static void bad_report_of_other_message(void)
{
    Tmx__Report r = report_on(&third, 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);

    r.message_id = bin(first.id, sizeof first.id);
    expect_fault(AUDIT_REFERENCE, put_report("FR", &r));
}

static void bad_report_header_digest(void)
{
    Tmx__Report r = report_on(&third, 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);

    r.header_digest = bin(first.header_digest, sizeof first.header_digest);
    expect_fault(AUDIT_REFERENCE, put_report("FR", &r));
}

static void bad_report_container_digest(void)
{
    Tmx__Report r = report_on(&third, 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);

    r.container_digest = bin(first.container_digest, sizeof first.container_digest);
    expect_fault(AUDIT_REFERENCE, put_report("FR", &r));
}

static void bad_report_number(void)
{
    Tmx__Report r = report_on(&third, 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);

    r.seq++;
    expect_fault(AUDIT_REFERENCE, put_report("FR", &r));
}

static void bad_report_of_stranger(void)
{
    Tmx__Report r = report_on(&third, 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);

    r.recipient = str("CH");
    expect_fault(AUDIT_REFERENCE, put_report("CH", &r));
}

/* The state table: what no state allows. */
static void bad_states(struct mail *m, size_t i, Tmx__Outcome outcome, unsigned code)
{
    expect_fault(AUDIT_STATE, report(m, i, outcome, code));
}

static void bad_cod_of_queued(void)
{
    bad_states(&second, 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);
}

static void bad_node_expiry_of_queued(void)
{
    bad_states(&second, 0, TMX__OUTCOME__OUTCOME_EXPIRED, TMX_CODE_EXPIRED);
}

static void bad_second_coa(void)
{
    bad_states(&third, 0, TMX__OUTCOME__OUTCOME_COA, 0);
}

static void bad_coe_of_arrived(void)
{
    bad_states(&third, 0, TMX__OUTCOME__OUTCOME_COE, TMX_CODE_CANNOT_OPEN);
}

static void bad_second_outcome(void)
{
    bad_states(&first, 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);
}

static void bad_outcome_after_coe(void)
{
    bad_states(&first, 1, TMX__OUTCOME__OUTCOME_COA, 0);
}

static void bad_early_expiry(void)
{
    Tmx__LogEntry e = ended_by_broker(&second, 0, TMX__ENTRY_KIND__ENTRY_EXPIRED, 0);

    e.time_ms = second.header.expires_ms - 1;
    expect_fault(AUDIT_STATE, put(&e));
}

static void bad_expiry_after_coa(void)
{
    Tmx__LogEntry e = ended_by_broker(&third, 0, TMX__ENTRY_KIND__ENTRY_EXPIRED, 0);

    e.time_ms = third.header.expires_ms;
    expect_fault(AUDIT_STATE, put(&e));
}

static void bad_exception_code(void)
{
    Tmx__LogEntry e = ended_by_broker(&second, 0, TMX__ENTRY_KIND__ENTRY_EXCEPTION, TMX_CODE_CANNOT_OPEN);

    expect_fault(AUDIT_STATE, put(&e));
}

static void bad_exception_of_active(void)
{
    Tmx__LogEntry e = ended_by_broker(&second, 0, TMX__ENTRY_KIND__ENTRY_EXCEPTION, TMX_CODE_RECIPIENT_REVOKED);

    expect_fault(AUDIT_STATE, put(&e));
}

static void bad_lost_before_arrival(void)
{
    Tmx__LogEntry e = ended_by_broker(&second, 0, TMX__ENTRY_KIND__ENTRY_EXCEPTION, TMX_CODE_RECIPIENT_LOST);

    expect_fault(AUDIT_STATE, put(&e));
}

static void bad_erasure(void)
{
    Tmx__LogEntry e = entry_of(TMX__ENTRY_KIND__ENTRY_ERASED);
    Tmx__LogRef ref = ref_to(second.index);

    e.message_id = bin(second.id, sizeof second.id);
    e.reference = &ref;
    expect_fault(AUDIT_STATE, put(&e));
}

static void put_seen(uint64_t size, const struct tmx_hash *root)
{
    Tmx__Head seen = TMX__HEAD__INIT;
    struct mail m;

    compose(&m, "DE", "FR", NULL);
    seen.shard = str(book->federation.shard);
    seen.size = size;
    seen.root = bin(root->b, TMX_HASH_SIZE);
    m.header.seen = &seen;
    accept(&m);
}

static void bad_seen_root(void)
{
    put_seen(9, &book->roots[8]);
    expect_fault(AUDIT_SEEN, book->n - 1);
}

static void bad_seen_ahead(void)
{
    put_seen(book->n + 1, &book->roots[8]);
    expect_fault(AUDIT_SEEN, book->n - 1);
}

typedef void case_fn(void);
static void run_cases(case_fn *const *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(setup(NULL), 0);
        print_message("# case %zu\n", i);
        honest_log();
        cases[i]();
        teardown(NULL);
    }
}

static void test_bad_entries(void **state)
{
    static case_fn *const cases[] = { bad_format,
                                      bad_time,
                                      bad_second_start,
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

    run_cases(cases, TMX_N(cases));
}

/* REP-1, REP-2, REP-5, QUE-7, QUE-8 */
static void test_bad_deliveries(void **state)
{
    static case_fn *const cases[] = { bad_reference,
                                      bad_reference_of_entry,
                                      bad_reference_ahead,
                                      bad_report_of_other_message,
                                      bad_report_header_digest,
                                      bad_report_container_digest,
                                      bad_report_number,
                                      bad_report_of_stranger,
                                      bad_cod_of_queued,
                                      bad_node_expiry_of_queued,
                                      bad_second_coa,
                                      bad_coe_of_arrived,
                                      bad_second_outcome,
                                      bad_outcome_after_coe,
                                      bad_early_expiry,
                                      bad_expiry_after_coa,
                                      bad_exception_code,
                                      bad_exception_of_active,
                                      bad_lost_before_arrival,
                                      bad_erasure };

    run_cases(cases, TMX_N(cases));
}

/* Every step the state table allows, the broker's own included. */
static void test_good_steps(void **state)
{
    Tmx__LogEntry e;
    Tmx__LogRef ref;
    struct mail m;

    honest_log();
    report(&third, 0, TMX__OUTCOME__OUTCOME_EXPIRED, TMX_CODE_EXPIRED);
    e = entry_of(TMX__ENTRY_KIND__ENTRY_ERASED);
    ref = ref_to(third.index);
    e.message_id = bin(third.id, sizeof third.id);
    e.reference = &ref;
    put(&e);
    compose(&m, "FR", "CH", "DE");
    accept(&m);
    report(&m, 1, TMX__OUTCOME__OUTCOME_COA, 0);
    put_prekeys("DE", "DE", 7);
    change_directory("CH", TMX__MEMBER_STATUS__MEMBER_REVOKED);
    e = ended_by_broker(&m, 0, TMX__ENTRY_KIND__ENTRY_EXCEPTION, TMX_CODE_RECIPIENT_REVOKED);
    put(&e);
    e = ended_by_broker(&m, 1, TMX__ENTRY_KIND__ENTRY_EXCEPTION, TMX_CODE_RECIPIENT_LOST);
    put(&e);
    book->now_ms = second.header.expires_ms;
    e = ended_by_broker(&second, 0, TMX__ENTRY_KIND__ENTRY_EXPIRED, 0);
    put(&e);
    expect_ok();
}

/* A suspended member collects and reports. DIR-7 */
static void test_suspended_reports(void **state)
{
    honest_log();
    change_directory("FR", TMX__MEMBER_STATUS__MEMBER_SUSPENDED);
    report(&third, 0, TMX__OUTCOME__OUTCOME_COD_NEGATIVE, TMX_CODE_REFUSED);
    expect_ok();
}

/* A delivery of entry 7 of the shard before. */
static void carry(struct mail *m, size_t i, unsigned code)
{
    Tmx__LogEntry e = ended_by_broker(m, i, TMX__ENTRY_KIND__ENTRY_CARRY_DELIVERY, code);

    acceptance_ref.shard = str("2026a");
    put(&e);
}

/* A shard that follows another: carried deliveries and pairs, then a resubmission. LOG-4 */
static void follow_shard(const uint8_t log_secret[64])
{
    Tmx__LogEntry e = entry_of(TMX__ENTRY_KIND__ENTRY_SHARD_START);
    struct tmx_checkpoint old = { .origin = "tmx.test/log/2026a", .size = 40, .root = { { 4 } } };
    uint8_t note[TMX_CHECKPOINT_MAX];
    struct tmx_writer w = TMX_WRITER_OF(note);
    struct tmx_verify_key key;
    struct mail m;
    Tmx__Report r;

    assert_true(tmx_verify_key_init(tmx_bytes_str(old.origin), TMX_NOTE_ED25519, book->federation.log_public, &key));
    tmx_checkpoint_sign(&old, &key, log_secret, &w);
    federation_new_shard(&book->federation, "2026b");
    keep_directory(book);
    book->serial = 2;
    e.text = tmx_to_pb(tmx_written(&w));
    put(&e);
    put_directory();
    compose(&m, "DE", "FR", "CH");
    memset(m.header_digest, 9, sizeof m.header_digest);
    m.index = 7;
    carry(&m, 0, 1);
    carry(&m, 1, 0);
    e = entry_of(TMX__ENTRY_KIND__ENTRY_CARRY_PAIR);
    e.member = str("DE");
    e.recipient = str("FR");
    e.number = 12;
    put(&e);
    *number_of("DE", "FR") = 14;
    compose(&second, "DE", "FR", NULL);
    put_header(&second, TMX__ENTRY_KIND__ENTRY_RESUBMISSION, 0, 0);
    compose(&third, "DE", "FR", NULL);
    accept(&third);
    r = report_on(&m, 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);
    acceptance_ref.shard = str("2026a");
    put_report("FR", &r);
    r = report_on(&m, 1, TMX__OUTCOME__OUTCOME_COA, 0);
    acceptance_ref.shard = str("2026a");
    put_report("CH", &r);
    report(&second, 0, TMX__OUTCOME__OUTCOME_COA, 0);
}

static void test_next_shard(void **state)
{
    struct tmx_audit *a;

    follow_shard(book->federation.log_secret);
    expect_ok();
    a = audit_book();
    assert_int_equal(tmx_audit_result(a)->deliveries, 4);
    assert_int_equal(tmx_audit_result(a)->arrived, 2);
    tmx_audit_free(a);
}

static void test_next_shard_after_forged_head(void **state)
{
    follow_shard(federation_find(&book->federation, "DE")->sign_secret);
    expect_fault(AUDIT_SHARD, 0);
}

static void test_carried_late(void **state)
{
    follow_shard(book->federation.log_secret);
    compose(&second, "FR", "DE", NULL);
    second.index = 8;
    carry(&second, 0, 0);
    expect_fault(AUDIT_SHARD, book->n - 1);
}

static void test_carried_twice(void **state)
{
    struct mail m;
    Tmx__LogEntry e = entry_of(TMX__ENTRY_KIND__ENTRY_SHARD_START);

    /* Only what must be there to carry anything; the head of the old shard has its own test. */
    follow_shard(book->federation.log_secret);
    book->n = 2;
    compose(&m, "DE", "FR", NULL);
    m.index = 7;
    carry(&m, 0, 1);
    carry(&m, 0, 1);
    expect_fault(AUDIT_IDENTITY, 3);
    e = entry_of(TMX__ENTRY_KIND__ENTRY_CARRY_PAIR);
    book->n = 2;
    e.member = str("DE");
    e.recipient = str("FR");
    e.number = 12;
    put(&e);
    e.time_ms = 0;
    put(&e);
    expect_fault(AUDIT_SEQUENCE, 3);
}

/* Nothing can be carried into a first shard. */
static void test_carried_from_nowhere(void **state)
{
    Tmx__LogEntry e = entry_of(TMX__ENTRY_KIND__ENTRY_SHARD_START);

    put(&e);
    e = entry_of(TMX__ENTRY_KIND__ENTRY_CARRY_PAIR);
    e.member = str("DE");
    e.recipient = str("FR");
    e.number = 12;
    expect_fault(AUDIT_SHARD, put(&e));
}

/* Before the log names a directory, too, the serial never falls. */
static void test_serial_falls(void **state)
{
    Tmx__LogEntry e = entry_of(TMX__ENTRY_KIND__ENTRY_SHARD_START);

    e.directory_serial = 2;
    put(&e);
    e = entry_of(TMX__ENTRY_KIND__ENTRY_START);
    e.directory_serial = 1;
    expect_fault(AUDIT_DIRECTORY, put(&e));
}

static void test_no_start(void **state)
{
    put_directory();
    expect_fault(AUDIT_SHARD, 0);
}

/* --- exports on disk ------------------------------------------------------------------------------------------ */

static char folder[] = "/tmp/tmx-test-audit-XXXXXX";
static char authority_file[64];
static int folder_fd;

static int remove_path(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

static void write_checkpoint(uint64_t size, const struct tmx_hash *root, const uint8_t secret[64])
{
    struct tmx_checkpoint head = { .size = size, .root = *root };
    struct tmx_writer origin = tmx_writer_init(head.origin, sizeof head.origin - 1);
    uint8_t note[TMX_CHECKPOINT_MAX];
    struct tmx_writer w = TMX_WRITER_OF(note);
    struct tmx_verify_key key;

    tmx_log_origin(book->federation.name, tmx_bytes_str(book->federation.shard), &origin);
    assert_true(tmx_verify_key_init(tmx_written(&origin), TMX_NOTE_ED25519, book->federation.log_public, &key));
    tmx_checkpoint_sign(&head, &key, secret, &w);
    assert_int_equal(tmx_export_write(folder_fd, "checkpoint", tmx_written(&w)), 0);
}

static void write_authority(const struct tmx_authority *authority)
{
    uint8_t text[1024];
    struct tmx_writer w = TMX_WRITER_OF(text);

    tmx_authority_format(authority, &w);
    assert_int_equal(tmx_export_write(folder_fd, "authority", tmx_written(&w)), 0);
}

/* The honest log and messages up to `size` entries, exported. */
static void make_export(size_t size)
{
    struct tmx_export_writer *w;
    Tmx__Head seen = TMX__HEAD__INIT;
    struct tmx_hash root;
    struct mail m;

    honest_log();
    seen.shard = str(book->federation.shard);
    while (book->n < size) {
        compose(&m, "FR", "CH", NULL);
        /* New heads, and in the last entry an old one, whose tiles nobody has in memory any more. */
        seen.size = book->n + 1 < size ? book->n : 100;
        seen.root = bin(book->roots[seen.size].b, TMX_HASH_SIZE);
        m.header.seen = book->n > 100 ? &seen : NULL;
        accept(&m);
    }
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    assert_non_null(mkdtemp(folder));
    folder_fd = open(folder, O_RDONLY | O_DIRECTORY);
    assert_true(folder_fd >= 0);
    assert_int_equal(tmx_export_writer_new(folder_fd, &w), 0);
    for (size_t i = 0; i < book->n; i++) {
        assert_int_equal(tmx_export_add(w, book->entries[i]), 0);
    }
    assert_int_equal(tmx_export_finish(w, &root), 0);
    tmx_export_writer_free(w);
    assert_true(tmx_hash_eq(&root, &book->roots[book->n]));
    assert_int_equal(
        tmx_export_write(folder_fd, "directories/1", TMX_BYTES(book->directory_files[0], book->directory_sizes[0])), 0);
    write_authority(&book->federation.authority);
    write_checkpoint(book->n, &root, book->federation.log_secret);
    snprintf(authority_file, sizeof authority_file, "%s/authority", folder);
}

static int remove_export(void **state)
{
    close(folder_fd);
    return nftw(folder, remove_path, 8, FTW_DEPTH | FTW_PHYS) == 0 && teardown(state) == 0 ? 0 : -1;
}

/* Bit c set: class c has a fault. */
static unsigned check_folder(void)
{
    struct tmx_check *c;
    const char *what;
    unsigned classes = 0;

    assert_int_equal(tmx_check_export(folder, authority_file, &c, &what), 0);
    print_faults(tmx_check_audit(c));
    for (unsigned i = 0; i < AUDIT_N_CLASSES; i++) {
        classes |= tmx_audit_result(tmx_check_audit(c))->faults[i].count > 0 ? 1u << i : 0;
    }
    assert_int_equal(classes == 0, tmx_audit_ok(tmx_check_audit(c)));
    tmx_check_free(c);
    return classes;
}

static void bend_file(const char *path, size_t at, uint8_t bits)
{
    uint8_t *data;
    size_t size;

    assert_int_equal(tmx_export_read(folder_fd, path, EXPORT_BUNDLE_MAX, &data, &size), 0);
    assert_true(at < size);
    data[at] ^= bits;
    assert_int_equal(tmx_export_write(folder_fd, path, TMX_BYTES(data, size)), 0);
    free(data);
}

/* The first `size` bytes of a file under another name. */
static void copy_part(const char *from, const char *to, size_t size)
{
    uint8_t *data;
    size_t all;

    assert_int_equal(tmx_export_read(folder_fd, from, EXPORT_BUNDLE_MAX, &data, &all), 0);
    assert_int_equal(tmx_export_write(folder_fd, to, TMX_BYTES(data, size < all ? size : all)), 0);
    free(data);
}

static void test_export_sizes(void **state)
{
    static const size_t sizes[] = { 13, 255, 256, 257, 512, 600 };

    for (size_t i = 0; i < TMX_N(sizes); i++) {
        assert_int_equal(setup(NULL), 0);
        make_export(sizes[i]);
        assert_int_equal(check_folder(), 0);
        assert_int_equal(remove_export(NULL), 0);
    }
}

static void test_bent_tiles(void **state)
{
    static const char *const tiles[] = { "tile/0/000", "tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2" };

    make_export(600);
    for (size_t i = 0; i < TMX_N(tiles); i++) {
        bend_file(tiles[i], 33, 1);
        assert_int_equal(check_folder(), 1u << AUDIT_TILE);
        bend_file(tiles[i], 33, 1);
        copy_part(tiles[i], "kept", SIZE_MAX);
        assert_int_equal(unlinkat(folder_fd, tiles[i], 0), 0);
        assert_int_equal(check_folder(), 1u << AUDIT_TILE);
        copy_part("kept", tiles[i], SIZE_MAX);
    }
    assert_int_equal(check_folder(), 0);
}

/* A bad tile is a fault of its own: an old head that needs it is still checked against the entries. */
static void test_old_head_under_bent_tile(void **state)
{
    make_export(ENTRIES_MAX - 1);
    bend_file("tile/0/000", 33, 1);
    assert_int_equal(check_folder(), 1u << AUDIT_TILE);
}

static void test_stray_files(void **state)
{
    static const char *const strays[] = { "tile/0/003",      "tile/0/002",       "tile/0/002.p/89",  "tile/2/000.p/1",
                                          "tile/0/0",        "tile/0/x000/001",  "tile/00/000",      "tile/0/000.p/0",
                                          "tile/readme",     "tile/entries/003", "tile/0/000.p/256", "tile/9/000",
                                          "tile/0/001.p/7/1" };

    make_export(600);
    for (size_t i = 0; i < TMX_N(strays); i++) {
        copy_part("tile/0/000", strays[i], SIZE_MAX);
        assert_int_equal(check_folder(), 1u << AUDIT_TILE);
        assert_int_equal(unlinkat(folder_fd, strays[i], 0), 0);
    }
    assert_int_equal(check_folder(), 0);
}

/* What an earlier export of the same log left is fine as long as it is the beginning of what is there now. */
static void test_older_partials(void **state)
{
    make_export(600);
    copy_part("tile/0/000", "tile/0/000.p/44", 44 * TMX_HASH_SIZE);
    copy_part("tile/0/002.p/88", "tile/0/002.p/5", 5 * TMX_HASH_SIZE);
    assert_int_equal(check_folder(), 0);
    bend_file("tile/0/000.p/44", 40, 1);
    assert_int_equal(check_folder(), 1u << AUDIT_TILE);
    bend_file("tile/0/000.p/44", 40, 1);
    copy_part("tile/0/000", "tile/0/000.p/44", 43 * TMX_HASH_SIZE);
    assert_int_equal(check_folder(), 1u << AUDIT_TILE);
}

static void test_bent_entries(void **state)
{
    make_export(300);
    /* One byte in the last hash of an entry of the first bundle, and a bundle cut short. */
    bend_file("tile/entries/000", 2 + book->entries[0].size + 2 + book->entries[1].size - 1, 1);
    assert_true(check_folder() & 1u << AUDIT_ROOT);
    assert_true(check_folder() & 1u << AUDIT_TILE);
    bend_file("tile/entries/000", 2 + book->entries[0].size + 2 + book->entries[1].size - 1, 1);
    assert_int_equal(check_folder(), 0);
    copy_part("tile/entries/001.p/44", "kept", SIZE_MAX);
    copy_part("kept", "tile/entries/001.p/44", 1000);
    assert_int_equal(check_folder() & ~(1u << AUDIT_TILE), 1u << AUDIT_ENTRIES | 1u << AUDIT_ROOT);
    copy_part("kept", "tile/entries/001.p/44", SIZE_MAX);
    assert_int_equal(check_folder(), 0);
    assert_int_equal(unlinkat(folder_fd, "tile/entries/000", 0), 0);
    assert_int_equal(check_folder() & ~(1u << AUDIT_TILE), 1u << AUDIT_ENTRIES | 1u << AUDIT_ROOT);
}

static void test_bent_checkpoint(void **state)
{
    const struct federation_member *de;

    make_export(20);
    de = federation_find(&book->federation, "DE");
    write_checkpoint(book->n, &book->roots[book->n], de->sign_secret);
    assert_int_equal(check_folder(), 1u << AUDIT_CHECKPOINT);
    write_checkpoint(book->n, &book->roots[book->n - 1], book->federation.log_secret);
    assert_int_equal(check_folder(), 1u << AUDIT_ROOT);
    write_checkpoint(book->n, &book->roots[book->n], book->federation.log_secret);
    assert_int_equal(check_folder(), 0);
    snprintf(book->federation.shard, sizeof book->federation.shard, "2026c");
    write_checkpoint(book->n, &book->roots[book->n], book->federation.log_secret);
    assert_true(check_folder() & 1u << AUDIT_CHECKPOINT);
}

/* An export cannot vouch for its own keys. DIR-2, DIR-3 */
static void test_wrong_authority(void **state)
{
    struct tmx_authority other;
    struct tmx_check *c;
    const char *what;

    make_export(20);
    other = book->federation.authority;
    assert_true(tmx_verify_key_init(TMX_LIT("tmx.test/authority/1"), TMX_NOTE_ED25519,
                                    federation_find(&book->federation, "DE")->sign_public, &other.keys[0]));
    write_authority(&other);
    assert_true(check_folder() & 1u << AUDIT_DIRECTORY);
    assert_true(check_folder() & 1u << AUDIT_CHECKPOINT);
    write_authority(&book->federation.authority);
    bend_file("directories/1", 200, 1);
    assert_true(check_folder() & 1u << AUDIT_DIRECTORY);
    bend_file("directories/1", 200, 1);
    assert_int_equal(check_folder(), 0);
    assert_int_equal(tmx_export_write(folder_fd, "authority", TMX_LIT("threshold 1\n")), 0);
    assert_int_equal(tmx_check_export(folder, authority_file, &c, &what), -EINVAL);
    assert_int_equal(tmx_check_export(folder, "/nowhere/authority", &c, &what), -ENOENT);
    write_authority(&book->federation.authority);
    assert_int_equal(tmx_export_write(folder_fd, "checkpoint", TMX_LIT("nothing\n")), 0);
    assert_int_equal(tmx_check_export(folder, authority_file, &c, &what), -EINVAL);
    assert_int_equal(tmx_check_export("/nowhere", authority_file, &c, &what), -ENOENT);
}

/* A directory the log does not know of, under a later serial: known, but not in force. */
static void test_directory_file_missing(void **state)
{
    make_export(20);
    assert_int_equal(unlinkat(folder_fd, "directories/1", 0), 0);
    assert_true(check_folder() & 1u << AUDIT_DIRECTORY);
    assert_int_equal(
        tmx_export_write(folder_fd, "directories/2", TMX_BYTES(book->directory_files[0], book->directory_sizes[0])), 0);
    assert_true(check_folder() & 1u << AUDIT_DIRECTORY);
}

static void test_paths(void **state)
{
    static const struct {
        struct tmx_export_name name;
        const char *path;
    } cases[] = {
        { { false, 0, 0, 256 }, "tile/0/000" },
        { { false, 1, 999, 256 }, "tile/1/999" },
        { { false, 0, 1000, 256 }, "tile/0/x001/000" },
        { { false, 2, 1234067, 256 }, "tile/2/x001/x234/067" },
        { { true, 0, 1234067, 17 }, "tile/entries/x001/x234/067.p/17" },
        { { true, 0, 0, 255 }, "tile/entries/000.p/255" },
    };

    for (size_t i = 0; i < TMX_N(cases); i++) {
        char path[EXPORT_PATH_MAX];
        struct tmx_export_name name;

        tmx_export_path(&cases[i].name, path);
        assert_string_equal(path, cases[i].path);
        assert_true(tmx_export_parse_path(path, &name));
        assert_int_equal(name.entries, cases[i].name.entries);
        assert_int_equal(name.level, cases[i].name.level);
        assert_int_equal(name.n, cases[i].name.n);
        assert_int_equal(name.width, cases[i].name.width);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_honest, setup, teardown),
        cmocka_unit_test(test_bad_entries),
        cmocka_unit_test(test_bad_deliveries),
        cmocka_unit_test_setup_teardown(test_good_steps, setup, teardown),
        cmocka_unit_test_setup_teardown(test_suspended_reports, setup, teardown),
        cmocka_unit_test_setup_teardown(test_next_shard, setup, teardown),
        cmocka_unit_test_setup_teardown(test_next_shard_after_forged_head, setup, teardown),
        cmocka_unit_test_setup_teardown(test_carried_late, setup, teardown),
        cmocka_unit_test_setup_teardown(test_carried_twice, setup, teardown),
        cmocka_unit_test_setup_teardown(test_carried_from_nowhere, setup, teardown),
        cmocka_unit_test_setup_teardown(test_serial_falls, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_start, setup, teardown),
        cmocka_unit_test(test_export_sizes),
        cmocka_unit_test_setup_teardown(test_bent_tiles, setup, remove_export),
        cmocka_unit_test_setup_teardown(test_old_head_under_bent_tile, setup, remove_export),
        cmocka_unit_test_setup_teardown(test_stray_files, setup, remove_export),
        cmocka_unit_test_setup_teardown(test_older_partials, setup, remove_export),
        cmocka_unit_test_setup_teardown(test_bent_entries, setup, remove_export),
        cmocka_unit_test_setup_teardown(test_bent_checkpoint, setup, remove_export),
        cmocka_unit_test_setup_teardown(test_wrong_authority, setup, remove_export),
        cmocka_unit_test_setup_teardown(test_directory_file_missing, setup, remove_export),
        cmocka_unit_test(test_paths),
    };

    return cmocka_run_group_tests_name("audit", tests, NULL, NULL);
}
