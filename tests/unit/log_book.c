/* SPDX-License-Identifier: Apache-2.0
 * See log_book.h.
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
#include <tmx/operator.h>

#include "log_book.h"

#define DAY_MS 86400000ull

struct book *book;
static uint64_t numbers[8][8]; /* last number of each pair */

ProtobufCBinaryData book_bin(const void *data, size_t size)
{
    return tmx_to_pb(TMX_BYTES(data, size));
}

ProtobufCBinaryData book_str(const char *text)
{
    return tmx_to_pb(tmx_bytes_str(text));
}

void book_keep_directory(struct book *b)
{
    const struct tmx_bytes file = federation_file(&b->federation);
    const size_t at = b->federation.serial - 1;

    assert_true(at < TMX_N(b->directories));
    b->directory_files[at] = malloc(file.size);
    memcpy(b->directory_files[at], file.data, file.size);
    b->directory_sizes[at] = file.size;
    assert_int_equal(tmx_directory_load(file, &b->federation.authority, NULL, &b->directories[at]), 0);
}

void book_put_raw(struct tmx_bytes bytes)
{
    struct tmx_bytes copy;
    struct tmx_hash leaf;
    struct book *b = book;

    assert_true(b->n < ENTRIES_MAX);
    assert_true(tmx_arena_copy(&b->arena, bytes, &copy));
    b->entries[b->n] = copy;
    leaf = tmx_merkle_leaf(copy);
    tmx_frontier_append(&b->frontier, &leaf, NULL, NULL);
    b->roots[++b->n] = tmx_frontier_root(&b->frontier);
}

uint64_t book_put(Tmx__LogEntry *e)
{
    struct tmx_bytes packed;
    struct book *b = book;

    if (e->time_ms == 0) {
        e->time_ms = b->now_ms;
    }
    if (e->directory_serial == 0) {
        e->directory_serial = b->serial;
    }
    assert_int_equal(tmx_codec_pack(e, &b->arena, &packed), TMX_CODEC_OK);
    book_put_raw(packed);
    b->now_ms += 10;
    return b->n - 1;
}

/* Signs a body into an entry. */
void book_sign(Tmx__LogEntry *e, const char *code, const void *body_message)
{
    struct federation_member *m = federation_find(&book->federation, code);
    struct tmx_signature signature;
    struct tmx_bytes body;

    assert_int_equal(tmx_codec_pack(body_message, &book->arena, &body), TMX_CODEC_OK);
    tmx_batch_sign(&body, 1, ++book->batch_no, &m->key, m->sign_secret, &signature);
    e->member = book_str(m->code);
    e->body = tmx_to_pb(body);
    e->signature = tmx_signature_to_pb(&signature, &book->arena);
}

Tmx__LogEntry book_entry(Tmx__EntryKind kind)
{
    Tmx__LogEntry e = TMX__LOG_ENTRY__INIT;

    e.kind = kind;
    return e;
}

Tmx__LogRef book_ref(uint64_t index)
{
    Tmx__LogRef ref = TMX__LOG_REF__INIT;

    ref.shard = book_str(book->federation.shard);
    ref.index = index;
    return ref;
}

uint64_t *book_number(const char *from, const char *to)
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
void book_compose(struct mail *m, const char *from, const char *to, const char *to2)
{
    const char *const names[] = { to, to2 };

    *m = (struct mail){ .header = TMX__HEADER__INIT };
    tmx_message_id(book->now_ms, (const uint8_t *)"0123456789", m->id);
    m->id[15] = (uint8_t)++book->ids;
    m->id[14] = (uint8_t)(book->ids >> 8);
    memset(m->container_digest, (int)book->ids, sizeof m->container_digest);
    m->header.kind = TMX__KIND__KIND_HEADER;
    m->header.directory_serial = book->serial;
    m->header.message_id = book_bin(m->id, sizeof m->id);
    m->header.sender = book_str(from);
    m->header.message_type = book_str("CD001C");
    m->header.priority = 5;
    m->header.sent_ms = book->now_ms;
    m->header.expires_ms = book->now_ms + DAY_MS;
    m->header.container_bytes = 1000;
    m->header.container_digest = book_bin(m->container_digest, sizeof m->container_digest);
    m->header.recipients = m->recipients;
    for (size_t i = 0; i < 2 && names[i] != NULL; i++) {
        m->recipient[i] = (Tmx__Recipient)TMX__RECIPIENT__INIT;
        m->recipient[i].member = book_str(names[i]);
        m->recipient[i].seq = ++*book_number(from, names[i]);
        m->recipients[i] = &m->recipient[i];
        m->header.n_recipients++;
    }
}

uint64_t book_put_header(struct mail *m, Tmx__EntryKind kind, unsigned code, uint64_t number)
{
    Tmx__LogEntry e = book_entry(kind);
    char sender[TMX_MEMBER_MAX + 1] = { 0 };

    memcpy(sender, m->header.sender.data, m->header.sender.len);
    book_sign(&e, sender, &m->header);
    crypto_generichash(m->header_digest, sizeof m->header_digest, e.body.data, e.body.len, NULL, 0);
    e.code = code;
    e.number = number;
    m->index = book_put(&e);
    return m->index;
}

uint64_t book_accept(struct mail *m)
{
    return book_put_header(m, TMX__ENTRY_KIND__ENTRY_ACCEPTANCE, 0, 0);
}

/* The report of the i-th recipient, to be bent and put. */
Tmx__LogRef book_acceptance;
Tmx__Report book_report_on(struct mail *m, size_t i, Tmx__Outcome outcome, unsigned code)
{
    Tmx__Report r = TMX__REPORT__INIT;

    book_acceptance = book_ref(m->index);
    r.kind = TMX__KIND__KIND_REPORT;
    r.directory_serial = book->serial;
    r.message_id = book_bin(m->id, sizeof m->id);
    r.header_digest = book_bin(m->header_digest, sizeof m->header_digest);
    r.container_digest = book_bin(m->container_digest, sizeof m->container_digest);
    r.recipient = m->recipient[i].member;
    r.seq = m->recipient[i].seq;
    r.acceptance = &book_acceptance;
    r.outcome = outcome;
    r.code = code;
    r.time_ms = book->now_ms;
    return r;
}

uint64_t book_put_report(const char *signer, const Tmx__Report *r)
{
    Tmx__LogEntry e = book_entry(TMX__ENTRY_KIND__ENTRY_REPORT);
    Tmx__LogRef ref = *r->acceptance;

    book_sign(&e, signer, r);
    e.reference = &ref;
    return book_put(&e);
}

uint64_t book_report(struct mail *m, size_t i, Tmx__Outcome outcome, unsigned code)
{
    const Tmx__Report r = book_report_on(m, i, outcome, code);
    char signer[TMX_MEMBER_MAX + 1] = { 0 };

    memcpy(signer, r.recipient.data, r.recipient.len);
    return book_put_report(signer, &r);
}

/* EXPIRED and EXCEPTION by the broker. */
Tmx__LogEntry book_ended(struct mail *m, size_t i, Tmx__EntryKind kind, unsigned code)
{
    Tmx__LogEntry e = book_entry(kind);

    book_acceptance = book_ref(m->index);
    e.member = m->header.sender;
    e.message_id = book_bin(m->id, sizeof m->id);
    e.header_digest = book_bin(m->header_digest, sizeof m->header_digest);
    e.recipient = m->recipient[i].member;
    e.reference = &book_acceptance;
    e.code = code;
    return e;
}

uint64_t book_put_directory(void)
{
    Tmx__LogEntry e = book_entry(TMX__ENTRY_KIND__ENTRY_DIRECTORY);
    uint8_t digest[TMX_HASH_SIZE];
    const struct tmx_bytes file = federation_file(&book->federation);

    crypto_generichash(digest, sizeof digest, file.data, file.size, NULL, 0);
    book->serial = book->federation.serial;
    e.number = book->serial;
    e.digest = book_bin(digest, sizeof digest);
    return book_put(&e);
}

void book_change_directory(const char *code, Tmx__MemberStatus status)
{
    federation_find(&book->federation, code)->status = status;
    book->federation.serial++;
    federation_sign(&book->federation);
    book_keep_directory(book);
    book_put_directory();
}

uint64_t book_put_prekeys(const char *signer, const char *member, uint64_t set_serial)
{
    Tmx__LogEntry e = book_entry(TMX__ENTRY_KIND__ENTRY_PREKEYS);
    Tmx__PrekeySet set = TMX__PREKEY_SET__INIT;
    Tmx__Prekey key = TMX__PREKEY__INIT;
    Tmx__Prekey *keys[1] = { &key };

    key.key = book_bin(federation_find(&book->federation, member)->curve_public, 32);
    key.from_ms = START_MS;
    key.until_ms = START_MS + DAY_MS;
    set.kind = TMX__KIND__KIND_PREKEY_SET;
    set.directory_serial = book->serial;
    set.member = book_str(member);
    set.set_serial = set_serial;
    set.n_keys = 1;
    set.keys = keys;
    book_sign(&e, signer, &set);
    return book_put(&e);
}

static Tmx__LogEntry operator_entry(unsigned action, unsigned record)
{
    static uint8_t digest[TMX_HASH_SIZE];
    Tmx__LogEntry e = book_entry(TMX__ENTRY_KIND__ENTRY_OPERATOR);

    digest[0] = (uint8_t)record;
    e.code = action;
    e.digest = book_bin(digest, sizeof digest);
    return e;
}

uint64_t book_put_operator(unsigned action, uint64_t number, const Tmx__LogRef *ref, unsigned record)
{
    Tmx__LogEntry e = operator_entry(action, record);
    Tmx__LogRef named;

    e.number = number;
    if (ref != NULL) {
        named = *ref;
        e.reference = &named;
    }
    return book_put(&e);
}

uint64_t book_put_pause(const char *member, unsigned record)
{
    Tmx__LogEntry e = operator_entry(TMX_ACTION_PAUSE, record);

    e.recipient = book_str(member);
    return book_put(&e);
}

uint64_t book_put_hold(struct mail *m, size_t i, unsigned action, unsigned record)
{
    Tmx__LogEntry e = operator_entry(action, record);
    Tmx__LogRef ref = book_ref(m->index);

    e.member = m->header.sender;
    e.message_id = book_bin(m->id, sizeof m->id);
    e.recipient = m->recipient[i].member;
    e.reference = &ref;
    e.number = m->recipient[i].seq;
    return book_put(&e);
}

void book_put_decision(unsigned action)
{
    const Tmx__LogRef ref = book_ref(book_put_operator(TMX_ACTION_PROPOSE, action, NULL, 101));

    book_put_operator(TMX_ACTION_APPROVE, action, &ref, 102);
}

struct mail book_first;
struct mail book_second;
struct mail book_third;

/* Thirteen entries of an honest log. */
void book_honest(void)
{
    Tmx__LogEntry start = book_entry(TMX__ENTRY_KIND__ENTRY_SHARD_START);
    Tmx__LogEntry action = book_entry(TMX__ENTRY_KIND__ENTRY_OPERATOR);
    Tmx__Head seen = TMX__HEAD__INIT;
    Tmx__LogEntry refusal = book_entry(TMX__ENTRY_KIND__ENTRY_REFUSAL);
    struct mail refused;
    Tmx__Report r;

    start.number = 1;
    book_put(&start);
    book_put_directory();
    book_put_prekeys("DE", "DE", 1);
    book_compose(&book_first, "DE", "FR", "CH");
    book_accept(&book_first);
    book_report(&book_first, 0, TMX__OUTCOME__OUTCOME_COA, 0);
    book_report(&book_first, 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);
    book_report(&book_first, 1, TMX__OUTCOME__OUTCOME_COE, TMX_CODE_CANNOT_OPEN);
    book_compose(&book_second, "FR", "DE", NULL);
    seen.shard = book_str(book->federation.shard);
    seen.size = 4;
    seen.root = book_bin(book->roots[4].b, TMX_HASH_SIZE);
    book_second.header.seen = &seen;
    book_accept(&book_second);
    book_compose(&refused, "DE", "FR", NULL);
    book_put_header(&refused, TMX__ENTRY_KIND__ENTRY_REFUSAL, TMX_CODE_TYPE_NOT_ALLOWED, 1);
    book_compose(&book_third, "DE", "FR", NULL);
    book_accept(&book_third);
    r = book_report_on(&book_third, 0, TMX__OUTCOME__OUTCOME_COA, 0);
    seen.size = book->n;
    seen.root = book_bin(book->roots[book->n].b, TMX_HASH_SIZE);
    r.seen = &seen;
    book_put_report("FR", &r);
    r = book_report_on(&book_first, 0, TMX__OUTCOME__OUTCOME_COD_NEGATIVE, TMX_CODE_REFUSED);
    book_sign(&refusal, "FR", &r);
    refusal.code = TMX_CODE_OUTCOME_EXISTS;
    book_acceptance = book_ref(5);
    refusal.reference = &book_acceptance;
    book_put(&refusal);
    action.code = TMX_ACTION_RELOAD;
    action.digest = book_bin(book->roots[1].b, TMX_HASH_SIZE);
    book_put(&action);
    assert_int_equal(book->n, 13);
}

int book_begin(const char *const *codes, size_t n)
{
    book = calloc(1, sizeof *book);
    memset(numbers, 0, sizeof numbers);
    book->now_ms = START_MS;
    book->batch_no = 100;
    book->serial = 1;
    assert_true(n <= TMX_N(numbers));
    federation_init(&book->federation, codes, n, START_MS - 1000);
    book_keep_directory(book);
    return tmx_arena_init(&book->arena, 16u << 20);
}

int book_setup(void **state)
{
    static const char *const codes[] = { "CH", "DE", "FR" };

    return book_begin(codes, TMX_N(codes));
}

int book_teardown(void **state)
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

struct tmx_audit *book_audit_of(size_t n)
{
    static const uint8_t hash_key[16] = { 1 };
    struct tmx_audit *a;

    assert_int_equal(tmx_audit_new(tmx_bytes_str(book->federation.shard), hash_key, find_directory, root_at, NULL, &a),
                     0);
    for (size_t i = 0; i < n; i++) {
        audited = i;
        assert_int_equal(tmx_audit_entry(a, book->entries[i]), 0);
    }
    return a;
}

struct tmx_audit *book_audit(void)
{
    return book_audit_of(book->n);
}

void book_print_faults(const struct tmx_audit *a)
{
    for (enum tmx_audit_class c = 0; c < AUDIT_N_CLASSES; c++) {
        const struct tmx_audit_fault *f = &tmx_audit_result(a)->faults[c];

        if (f->count > 0) {
            print_message("# %s at %lld: %s\n", tmx_audit_class_name(c), (long long)f->index, f->text);
        }
    }
}

/* One fault, of this class, at this entry, and no other. */
void book_expect_fault(enum tmx_audit_class class, uint64_t index)
{
    struct tmx_audit *a = book_audit();

    for (enum tmx_audit_class c = 0; c < AUDIT_N_CLASSES; c++) {
        const struct tmx_audit_fault *f = &tmx_audit_result(a)->faults[c];

        if (f->count != (c == class) || (f->count > 0 && f->index != index)) {
            print_message("# wanted %s at %lld\n", tmx_audit_class_name(class), (long long)index);
            book_print_faults(a);
            fail();
        }
    }
    assert_false(tmx_audit_ok(a));
    tmx_audit_free(a);
}

void book_expect_ok(void)
{
    struct tmx_audit *a = book_audit();

    book_print_faults(a);
    assert_true(tmx_audit_ok(a));
    tmx_audit_free(a);
}

void book_run_cases(book_case_fn *const *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(book_setup(NULL), 0);
        print_message("# case %zu\n", i);
        book_honest();
        cases[i]();
        book_teardown(NULL);
    }
}
