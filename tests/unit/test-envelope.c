/* SPDX-License-Identifier: Apache-2.0
 * Headers, reports, prekey sets, log entries and signed frames: tables of what is refused, each one change away from
 * a good one.
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
#include <tmx/envelope.h>

static struct tmx_arena arena;
static uint8_t id[16] = { 1, 0x90, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 1 };
static uint8_t id4[16] = { 1, 0x90, 0, 0, 0, 0, 0x40, 0, 0x80, 0, 0, 0, 0, 0, 0, 1 };
static uint8_t id_variant[16] = { 1, 0x90, 0, 0, 0, 0, 0x70, 0, 0xc0, 0, 0, 0, 0, 0, 0, 1 };
static uint8_t hash[33] = { 7 };
static uint8_t label[16] = { 9 };
static uint8_t zeros[16];

#define PB(literal) ((ProtobufCBinaryData){ .len = sizeof(literal) - 1, .data = (uint8_t *)(uintptr_t)"" literal })
#define PBN(array, n) ((ProtobufCBinaryData){ .len = (n), .data = (array) })

static int setup(void **state)
{
    return sodium_init() < 0 || tmx_arena_init(&arena, 1 << 20) < 0 ? 1 : 0;
}

static int teardown(void **state)
{
    tmx_arena_deinit(&arena);
    return 0;
}

/* Packs outside the arena, so that parsing starts from an empty one. */
static struct tmx_bytes packed(const void *message, uint8_t *buffer, size_t capacity)
{
    struct tmx_bytes b;
    tmx_arena_reset(&arena);
    assert_int_equal(tmx_codec_pack(message, &arena, &b), TMX_CODEC_OK);
    assert_true(b.size <= capacity);
    memcpy(buffer, b.data, b.size);
    tmx_arena_reset(&arena);
    return TMX_BYTES(buffer, b.size);
}

/* A good header with room to change everything. */
struct header {
    Tmx__Header h;
    Tmx__Head seen;
    Tmx__Recipient recipient[65];
    Tmx__Recipient *recipients[65];
    char names[65][4];
};

static void header_init(struct header *t)
{
    t->h = (Tmx__Header)TMX__HEADER__INIT;
    t->seen = (Tmx__Head)TMX__HEAD__INIT;
    t->seen.shard = PB("2026a");
    t->seen.size = 1;
    t->seen.root = PBN(hash, 32);
    for (unsigned i = 0; i < 65; i++) {
        t->recipient[i] = (Tmx__Recipient)TMX__RECIPIENT__INIT;
        t->names[i][0] = 'R';
        t->names[i][1] = (char)('A' + i / 26);
        t->names[i][2] = (char)('A' + i % 26);
        t->recipient[i].member = PBN((uint8_t *)t->names[i], 3);
        t->recipient[i].seq = i + 2;
        t->recipient[i].prev = 1;
        t->recipients[i] = &t->recipient[i];
    }
    t->h.kind = TMX__KIND__KIND_HEADER;
    t->h.directory_serial = 1;
    t->h.message_id = PBN(id, 16);
    t->h.sender = PB("DE");
    t->h.n_recipients = 2;
    t->h.recipients = t->recipients;
    t->h.message_type = PB("CD001C");
    t->h.movement_label = PBN(label, 16);
    t->h.priority = 4;
    t->h.sent_ms = 1000;
    t->h.expires_ms = 2000;
    t->h.container_bytes = 500;
    t->h.container_digest = PBN(hash, 32);
    t->h.seen = &t->seen;
}

static unsigned parse_header(struct header *t)
{
    static uint8_t buffer[TMX_HEADER_MAX];
    Tmx__Header *got = NULL;
    unsigned code = tmx_header_parse(packed(&t->h, buffer, sizeof(buffer)), &arena, &got);
    assert_true((code == TMX_CODE_OK) == (got != NULL));
    return code;
}

#define GOOD(change)                                     \
    do {                                                 \
        header_init(&t);                                 \
        change;                                          \
        assert_int_equal(parse_header(&t), TMX_CODE_OK); \
    } while (0)
#define BAD(change)                                              \
    do {                                                         \
        header_init(&t);                                         \
        change;                                                  \
        assert_int_equal(parse_header(&t), TMX_CODE_BAD_HEADER); \
    } while (0)

/* ENV-5, ENV-7 */
static void test_header_good(void **state)
{
    struct header t;
    GOOD((void)0);
    GOOD(t.h.seen = NULL);
    GOOD(t.h.n_recipients = 1);
    GOOD(t.h.n_recipients = 64);
    GOOD(t.recipient[0].prev = 0);
    GOOD(t.h.movement_label.len = 0; t.recipient[0].prev = 0; t.recipient[1].prev = 0);
    GOOD(t.h.correlation_id = PBN(id, 16));
    GOOD(t.h.replaces = PBN(id4, 16));
    GOOD(t.h.priority = 0);
    GOOD(t.h.priority = 9);
    GOOD(t.h.expires_ms = 1000 + TMX_EXPIRY_MAX_MS);
    GOOD(t.h.sent_ms = UINT64_MAX - 1; t.h.expires_ms = UINT64_MAX);
    GOOD(t.h.container_bytes = TMX_CONTAINER_MAX);
    GOOD(t.h.sender = PB("ABCD1234"));
    GOOD(t.h.message_type = PB("A"));
    GOOD(t.h.message_type = PB("ABCDEFGH12345678"));
}

/* ENV-5, ENV-7 */
static void test_header_bad(void **state)
{
    struct header t;
    BAD(t.h.message_id.len = 15);
    BAD(t.h.message_id.len = 0);
    BAD(t.h.message_id = PBN(id4, 16));
    BAD(t.h.message_id = PBN(id_variant, 16));
    BAD(t.h.sender = PB("D"));
    BAD(t.h.sender = PB("de"));
    BAD(t.h.sender = PB("ABCD12345"));
    BAD(t.h.sender.len = 0);
    BAD(t.h.n_recipients = 0);
    BAD(t.h.n_recipients = 65);
    BAD(t.recipient[1].member = t.recipient[0].member);
    BAD(t.recipient[1].member = t.h.sender);
    BAD(t.recipient[1].member = PB("R-"));
    BAD(t.h.n_recipients = 64; t.recipient[63].member = t.recipient[0].member);
    BAD(t.recipient[0].seq = 0; t.recipient[0].prev = 0);
    BAD(t.recipient[0].prev = t.recipient[0].seq);
    BAD(t.recipient[0].prev = t.recipient[0].seq + 1);
    BAD(t.h.message_type.len = 0);
    BAD(t.h.message_type = PB("cd001c"));
    BAD(t.h.message_type = PB("ABCDEFGH123456789"));
    BAD(t.h.movement_label.len = 15);
    BAD(t.h.movement_label = PBN(zeros, 16));
    BAD(t.h.movement_label.len = 0);   /* prev without a movement */
    BAD(t.h.correlation_id = PBN(id, 15));
    BAD(t.h.priority = 10);
    BAD(t.h.expires_ms = 1000);
    BAD(t.h.expires_ms = 999);
    BAD(t.h.expires_ms = 1001 + TMX_EXPIRY_MAX_MS);
    BAD(t.h.container_bytes = TMX_CONTAINER_MAX + 1);
    BAD(t.h.container_digest.len = 31);
    BAD(t.h.container_digest.len = 33);
    BAD(t.h.container_digest.len = 0);
    BAD(t.seen.size = 0);
    BAD(t.seen.shard.len = 0);
    BAD(t.seen.shard = PB("2026 a"));
    BAD(t.seen.root.len = 31);
    BAD(t.h.replaces = PBN(id4, 15));
    BAD(t.h.replaces = PBN(hash, 17));
    BAD(t.h.replaces = t.h.message_id);   /* itself */
}

/* ENV-4, ENV-2 */
static void test_header_malformed(void **state)
{
    struct header t;
    uint8_t buffer[1024];
    Tmx__Header *got = NULL;
    header_init(&t);
    t.h.kind = TMX__KIND__KIND_REPORT;
    assert_int_equal(parse_header(&t), TMX_CODE_MALFORMED);
    t.h.kind = 0;
    assert_int_equal(parse_header(&t), TMX_CODE_MALFORMED);

    header_init(&t);
    struct tmx_bytes b = packed(&t.h, buffer, sizeof(buffer) - 2);
    buffer[b.size] = 0x50;   /* priority once more, after field 15 */
    buffer[b.size + 1] = 0x04;
    assert_int_equal(tmx_header_parse(TMX_BYTES(buffer, b.size + 2), &arena, &got), TMX_CODE_MALFORMED);
    assert_int_equal(tmx_header_parse(TMX_BYTES(buffer, b.size - 1), &arena, &got), TMX_CODE_MALFORMED);
    assert_int_equal(tmx_header_parse(TMX_BYTES_NULL, &arena, &got), TMX_CODE_MALFORMED);
    static uint8_t large[TMX_HEADER_MAX + 1];
    assert_int_equal(tmx_header_parse(TMX_BYTES_OF(large), &arena, &got), TMX_CODE_TOO_LARGE);
    assert_null(got);
}

static void report_init(Tmx__Report *r, Tmx__LogRef *acceptance)
{
    *acceptance = (Tmx__LogRef)TMX__LOG_REF__INIT;
    acceptance->shard = PB("2026a");
    *r = (Tmx__Report)TMX__REPORT__INIT;
    r->kind = TMX__KIND__KIND_REPORT;
    r->directory_serial = 1;
    r->message_id = PBN(id, 16);
    r->header_digest = PBN(hash, 32);
    r->container_digest = PBN(hash, 32);
    r->recipient = PB("FR");
    r->seq = 1;
    r->acceptance = acceptance;
    r->outcome = TMX__OUTCOME__OUTCOME_COA;
    r->time_ms = 5;
}

#define REPORT(want, change)                                                                              \
    do {                                                                                                  \
        uint8_t buffer[512];                                                                              \
        Tmx__Report *got = NULL;                                                                          \
        report_init(&r, &acceptance);                                                                     \
        change;                                                                                           \
        assert_int_equal(tmx_report_parse(packed(&r, buffer, sizeof(buffer)), &arena, &got), (want));     \
        assert_true((got != NULL) == ((want) == TMX_CODE_OK));                                            \
    } while (0)

/* ENV-6, ENV-4 */
static void test_report(void **state)
{
    Tmx__Report r;
    Tmx__LogRef acceptance;
    Tmx__Head seen = TMX__HEAD__INIT;
    seen.shard = PB("2026a");
    seen.size = 3;
    seen.root = PBN(hash, 32);
    REPORT(TMX_CODE_OK, (void)0);
    REPORT(TMX_CODE_OK, acceptance.index = 77);
    REPORT(TMX_CODE_OK, r.seen = &seen);
    REPORT(TMX_CODE_OK, r.outcome = 2);
    REPORT(TMX_CODE_OK, r.outcome = 3; r.code = TMX_CODE_REFUSED);
    REPORT(TMX_CODE_OK, r.outcome = 3; r.code = TMX_CODE_REFUSED; r.attachment_digest = PBN(hash, 32));
    REPORT(TMX_CODE_OK, r.outcome = 4; r.code = TMX_CODE_EXPIRED);
    REPORT(TMX_CODE_OK, r.outcome = 5; r.code = TMX_CODE_CANNOT_OPEN);

    REPORT(TMX_CODE_MALFORMED, r.kind = TMX__KIND__KIND_HEADER);
    REPORT(TMX_CODE_BAD_REPORT, r.message_id.len = 15);
    REPORT(TMX_CODE_BAD_REPORT, r.header_digest.len = 0);
    REPORT(TMX_CODE_BAD_REPORT, r.container_digest.len = 33);
    REPORT(TMX_CODE_BAD_REPORT, r.recipient = PB("F"));
    REPORT(TMX_CODE_BAD_REPORT, r.seq = 0);
    REPORT(TMX_CODE_BAD_REPORT, r.acceptance = NULL);
    REPORT(TMX_CODE_BAD_REPORT, acceptance.shard.len = 0);
    REPORT(TMX_CODE_BAD_REPORT, r.outcome = 0);
    REPORT(TMX_CODE_BAD_REPORT, r.outcome = 6; r.code = 1);
    REPORT(TMX_CODE_BAD_REPORT, r.code = TMX_CODE_REFUSED);
    REPORT(TMX_CODE_BAD_REPORT, r.outcome = 2; r.code = TMX_CODE_REFUSED);
    REPORT(TMX_CODE_BAD_REPORT, r.outcome = 3);
    REPORT(TMX_CODE_BAD_REPORT, r.outcome = 4);
    REPORT(TMX_CODE_BAD_REPORT, r.outcome = 5);
    REPORT(TMX_CODE_BAD_REPORT, r.attachment_digest = PBN(hash, 32));
    REPORT(TMX_CODE_BAD_REPORT, r.outcome = 4; r.code = 511; r.attachment_digest = PBN(hash, 32));
    REPORT(TMX_CODE_BAD_REPORT, r.outcome = 3; r.code = 601; r.attachment_digest = PBN(hash, 31));
    REPORT(TMX_CODE_BAD_REPORT, r.seen = &seen; seen.size = 0);
}

struct prekeys {
    Tmx__PrekeySet s;
    Tmx__Prekey key[63];
    Tmx__Prekey *keys[63];
    uint8_t bytes[63][32];
};

static void prekeys_init(struct prekeys *t)
{
    t->s = (Tmx__PrekeySet)TMX__PREKEY_SET__INIT;
    for (unsigned i = 0; i < 63; i++) {
        uint8_t secret[32] = { 0, (uint8_t)(i + 1) };   /* the low bits of byte 0 are clamped away */
        assert_int_equal(crypto_scalarmult_base(t->bytes[i], secret), 0);
        t->key[i] = (Tmx__Prekey)TMX__PREKEY__INIT;
        t->key[i].key = PBN(t->bytes[i], 32);
        t->key[i].from_ms = 100 * i;
        t->key[i].until_ms = 100 * i + 100;
        t->keys[i] = &t->key[i];
    }
    t->s.kind = TMX__KIND__KIND_PREKEY_SET;
    t->s.member = PB("DE");
    t->s.set_serial = 1;
    t->s.n_keys = 3;
    t->s.keys = t->keys;
}

#define PREKEYS(want, change)                                                                               \
    do {                                                                                                    \
        static uint8_t buffer[8192];                                                                        \
        Tmx__PrekeySet *got = NULL;                                                                         \
        prekeys_init(&t);                                                                                   \
        change;                                                                                             \
        assert_int_equal(tmx_prekeys_parse(packed(&t.s, buffer, sizeof(buffer)), &arena, &got), (want));    \
        assert_true((got != NULL) == ((want) == TMX_CODE_OK));                                              \
    } while (0)

/* KEY-1, ENV-4 */
static void test_prekeys(void **state)
{
    struct prekeys t;
    PREKEYS(TMX_CODE_OK, (void)0);
    PREKEYS(TMX_CODE_OK, t.s.n_keys = 1);
    PREKEYS(TMX_CODE_OK, t.s.n_keys = 62);
    PREKEYS(TMX_CODE_OK, t.key[0].until_ms = 150);   /* overlap: rotation */
    PREKEYS(TMX_CODE_MALFORMED, t.s.kind = TMX__KIND__KIND_HEADER);
    PREKEYS(TMX_CODE_BAD_PREKEYS, t.s.n_keys = 0);
    PREKEYS(TMX_CODE_BAD_PREKEYS, t.s.n_keys = 63);
    PREKEYS(TMX_CODE_BAD_PREKEYS, t.s.set_serial = 0);
    PREKEYS(TMX_CODE_BAD_PREKEYS, t.s.member = PB("x"));
    PREKEYS(TMX_CODE_BAD_PREKEYS, t.key[1].key.len = 31);
    PREKEYS(TMX_CODE_BAD_PREKEYS, memset(t.bytes[1], 0, 32));
    PREKEYS(TMX_CODE_BAD_PREKEYS, memset(t.bytes[2], 0, 32); t.bytes[2][0] = 1);
    PREKEYS(TMX_CODE_BAD_PREKEYS, memcpy(t.bytes[2], t.bytes[0], 32));
    PREKEYS(TMX_CODE_BAD_PREKEYS, t.key[1].from_ms = 0);
    PREKEYS(TMX_CODE_BAD_PREKEYS, t.key[2].from_ms = 50; t.key[2].until_ms = 400);
    PREKEYS(TMX_CODE_BAD_PREKEYS, t.key[1].until_ms = t.key[1].from_ms);
    /* Of one that was kept the keys are not tried again. */
    static uint8_t buffer[8192];
    Tmx__PrekeySet *kept = NULL;
    prekeys_init(&t);
    memset(t.bytes[1], 0, 32);
    assert_int_equal(tmx_prekeys_read(packed(&t.s, buffer, sizeof(buffer)), &arena, &kept), TMX_CODE_OK);
    assert_int_equal(kept->n_keys, 3);
    t.s.kind = TMX__KIND__KIND_HEADER;
    assert_int_equal(tmx_prekeys_read(packed(&t.s, buffer, sizeof(buffer)), &arena, &kept), TMX_CODE_MALFORMED);
}

struct entry {
    Tmx__LogEntry e;
    Tmx__BatchSignature signature;
    Tmx__LogRef reference;
};

static uint8_t sig[64] = { 1 };
#define HEADER_BODY "\x08\x81\x02"
#define REPORT_BODY "\x08\x82\x02"
#define PREKEY_BODY "\x08\x83\x02"

static void entry_init(struct entry *t, Tmx__EntryKind kind)
{
    t->e = (Tmx__LogEntry)TMX__LOG_ENTRY__INIT;
    t->signature = (Tmx__BatchSignature)TMX__BATCH_SIGNATURE__INIT;
    t->signature.key_id = 1;
    t->signature.batch_no = 1;
    t->signature.size = 1;
    t->signature.signature = PBN(sig, 64);
    t->reference = (Tmx__LogRef)TMX__LOG_REF__INIT;
    t->reference.shard = PB("2026a");
    t->e.kind = kind;
    t->e.time_ms = 1;
    t->e.directory_serial = 1;
}

static void entry_sign(struct entry *t, ProtobufCBinaryData body)
{
    t->e.member = PB("DE");
    t->e.body = body;
    t->e.signature = &t->signature;
}

static void entry_delivery(struct entry *t)
{
    t->e.member = PB("DE");
    t->e.message_id = PBN(id, 16);
    t->e.header_digest = PBN(hash, 32);
    t->e.recipient = PB("FR");
    t->e.reference = &t->reference;
}

static unsigned parse_entry(struct entry *t)
{
    uint8_t buffer[2048];
    Tmx__LogEntry *got = NULL;
    unsigned code = tmx_entry_parse(packed(&t->e, buffer, sizeof(buffer)), &arena, &got);
    assert_true((code == TMX_CODE_OK) == (got != NULL));
    return code;
}

#define ENTRY(name, want, change)                                \
    do {                                                         \
        entry_init(&t, TMX__ENTRY_KIND__ENTRY_##name);           \
        change;                                                  \
        assert_int_equal(parse_entry(&t), TMX_CODE_##want);      \
    } while (0)

/* LOG-2, ENV-4: an entry of each kind holds what its kind says. */
static void test_entry(void **state)
{
    struct entry t;
    ENTRY(SHARD_START, OK, (void)0);
    ENTRY(SHARD_START, OK, t.e.number = 3; t.e.text = PB("checkpoint"));
    ENTRY(SHARD_START, MALFORMED, t.e.member = PB("DE"));
    ENTRY(DIRECTORY, OK, t.e.number = 1; t.e.digest = PBN(hash, 32));
    ENTRY(DIRECTORY, MALFORMED, t.e.number = 1);
    ENTRY(DIRECTORY, MALFORMED, t.e.number = 1; t.e.digest = PBN(hash, 31));
    ENTRY(PREKEYS, OK, entry_sign(&t, PB(PREKEY_BODY)));
    ENTRY(PREKEYS, MALFORMED, entry_sign(&t, PB(HEADER_BODY)));
    ENTRY(ACCEPTANCE, OK, entry_sign(&t, PB(HEADER_BODY)));
    ENTRY(ACCEPTANCE, MALFORMED, (void)0);
    ENTRY(ACCEPTANCE, MALFORMED, entry_sign(&t, PB(REPORT_BODY)));
    ENTRY(ACCEPTANCE, MALFORMED, entry_sign(&t, PB(HEADER_BODY)); t.e.signature = NULL);
    ENTRY(ACCEPTANCE, MALFORMED, entry_sign(&t, PB("")));
    ENTRY(ACCEPTANCE, MALFORMED, entry_sign(&t, PB(HEADER_BODY)); t.e.member = PB("d"));
    ENTRY(ACCEPTANCE, MALFORMED, entry_sign(&t, PB(HEADER_BODY)); t.e.code = 1);
    ENTRY(ACCEPTANCE, MALFORMED, entry_sign(&t, PB(HEADER_BODY)); t.signature.signature.len = 63);
    ENTRY(REPORT, OK, entry_sign(&t, PB(REPORT_BODY)); t.e.reference = &t.reference);
    ENTRY(REPORT, MALFORMED, entry_sign(&t, PB(REPORT_BODY)));
    ENTRY(REPORT, MALFORMED, entry_sign(&t, PB(REPORT_BODY)); t.e.reference = &t.reference; t.reference.shard.len = 0);
    ENTRY(EXPIRED, OK, entry_delivery(&t); t.e.code = TMX_CODE_EXPIRED);
    ENTRY(EXPIRED, MALFORMED, entry_delivery(&t); t.e.header_digest.len = 0);
    ENTRY(EXPIRED, MALFORMED, entry_delivery(&t); t.e.message_id.len = 15);
    ENTRY(EXCEPTION, OK, entry_delivery(&t); t.e.code = TMX_CODE_RECIPIENT_LOST);
    ENTRY(EXCEPTION, MALFORMED, entry_delivery(&t));
    ENTRY(REFUSAL, OK, entry_sign(&t, PB(HEADER_BODY)); t.e.code = TMX_CODE_BAD_SLOT; t.e.number = 1);
    ENTRY(REFUSAL, OK, entry_sign(&t, PB(REPORT_BODY)); t.e.code = 217; t.e.reference = &t.reference);
    ENTRY(REFUSAL, MALFORMED, entry_sign(&t, PB(HEADER_BODY)));
    ENTRY(REFUSAL, MALFORMED, entry_sign(&t, PB(HEADER_BODY)); t.e.code = 212; t.e.number = 2);
    ENTRY(REFUSAL, MALFORMED, entry_sign(&t, PB("\x08\x84\x02")); t.e.code = 212);
    ENTRY(START, OK, t.e.number = 2);
    ENTRY(OPERATOR, OK, t.e.code = 1; t.e.digest = PBN(hash, 32));
    ENTRY(OPERATOR, MALFORMED, t.e.code = 1);
    ENTRY(OPERATOR, MALFORMED, t.e.code = 1; t.e.digest = PBN(hash, 32); t.e.text = PB("a name"));
    ENTRY(CARRY_DELIVERY, OK, entry_delivery(&t); t.e.code = 1);
    ENTRY(CARRY_DELIVERY, MALFORMED, entry_delivery(&t); t.e.recipient.len = 0);
    ENTRY(CARRY_PAIR, OK, t.e.member = PB("DE"); t.e.recipient = PB("FR"); t.e.number = 9);
    ENTRY(CARRY_PAIR, MALFORMED, t.e.member = PB("DE"); t.e.recipient = PB("FR"));
    ENTRY(RESUBMISSION, OK, entry_sign(&t, PB(HEADER_BODY)); t.e.reference = &t.reference);
    ENTRY(ERASED, OK, t.e.message_id = PBN(id, 16));
    ENTRY(ERASED, MALFORMED, (void)0);
    ENTRY(ANCHOR, OK, t.e.number = 9; t.e.digest = PBN(hash, 32));
    ENTRY(ANCHOR, MALFORMED, t.e.digest = PBN(hash, 32));
    ENTRY(ANCHOR, MALFORMED, t.e.number = 9);
    ENTRY(ANCHOR, MALFORMED, t.e.number = 9; t.e.digest = PBN(hash, 32); t.e.member = PB("DE"));
    ENTRY(NONE, MALFORMED, (void)0);
    ENTRY(START, MALFORMED, t.e.kind = 16);
    ENTRY(START, MALFORMED, t.e.kind = (Tmx__EntryKind)-1);
}

static void signature_fill(struct tmx_signature *s)
{
    memset(s, 0, sizeof(*s));
    s->key_id = 0xdeadbeef;
    s->batch_no = UINT64_MAX;
    s->size = 64;
    s->index = 63;
    s->path_n = 6;
    for (unsigned i = 0; i < 6; i++) {
        memset(s->path[i].b, (int)i + 1, 32);
    }
    memset(s->sig, 0xee, 64);
}

#define SIGNED(want, change)                                                                                       \
    do {                                                                                                           \
        static uint8_t buffer[TMX_ENTRY_MAX];                                                                      \
        Tmx__Signed *got_signed = NULL;                                                                            \
        struct tmx_signature got_signature;                                                                        \
        s = (Tmx__Signed)TMX__SIGNED__INIT;                                                                        \
        b = good;                                                                                                  \
        s.body = PB(HEADER_BODY);                                                                                  \
        s.signature = &b;                                                                                          \
        change;                                                                                                    \
        assert_int_equal(tmx_signed_parse(packed(&s, buffer, sizeof(buffer)), &arena, &got_signed, &got_signature), \
                         (want));                                                                                  \
        assert_true((got_signed != NULL) == ((want) == TMX_CODE_OK));                                              \
    } while (0)

/* BAT-1 as far as one frame shows it; the path's exact length is for batch verification. */
static void test_signed(void **state)
{
    static uint8_t path[7 * 32], large[TMX_HEADER_MAX + 1];
    struct tmx_signature in, out;
    Tmx__Signed s;
    Tmx__BatchSignature b, good;
    signature_fill(&in);
    tmx_arena_reset(&arena);
    Tmx__BatchSignature *pb = tmx_signature_to_pb(&in, &arena);
    assert_non_null(pb);
    assert_true(tmx_signature_from_pb(pb, &out));
    assert_memory_equal(&in, &out, sizeof(in));
    struct tmx_arena small = { 0 };
    assert_int_equal(tmx_arena_init(&small, 64), 0);
    assert_null(tmx_signature_to_pb(&in, &small));
    tmx_arena_deinit(&small);

    good = (Tmx__BatchSignature)TMX__BATCH_SIGNATURE__INIT;
    good.key_id = 1;
    good.batch_no = 1;
    good.size = 1;
    good.signature = PBN(sig, 64);
    SIGNED(TMX_CODE_OK, (void)0);
    SIGNED(TMX_CODE_OK, b.size = 64; b.index = 63; b.path = PBN(path, 192));
    SIGNED(TMX_CODE_OK, s.attachment = PBN(large, TMX_ATTACHMENT_MAX));
    SIGNED(TMX_CODE_MALFORMED, s.signature = NULL);
    SIGNED(TMX_CODE_MALFORMED, s.body.len = 0);
    SIGNED(TMX_CODE_MALFORMED, b.size = 0);
    SIGNED(TMX_CODE_MALFORMED, b.size = 65);
    SIGNED(TMX_CODE_MALFORMED, b.index = 1);
    SIGNED(TMX_CODE_MALFORMED, b.size = 64; b.path = PBN(path, 224));
    SIGNED(TMX_CODE_MALFORMED, b.size = 2; b.path = PBN(path, 31));
    SIGNED(TMX_CODE_MALFORMED, b.signature.len = 63);
    SIGNED(TMX_CODE_TOO_LARGE, s.body = PBN(large, TMX_HEADER_MAX + 1));
    SIGNED(TMX_CODE_TOO_LARGE, s.attachment = PBN(large, TMX_ATTACHMENT_MAX + 1));
}

/* ENV-4 */
static void test_body_kind(void **state)
{
    assert_int_equal(tmx_body_kind(TMX_LIT(HEADER_BODY)), TMX__KIND__KIND_HEADER);
    assert_int_equal(tmx_body_kind(TMX_LIT(REPORT_BODY "\x10\x01")), TMX__KIND__KIND_REPORT);
    assert_int_equal(tmx_body_kind(TMX_LIT(PREKEY_BODY)), TMX__KIND__KIND_PREKEY_SET);
    assert_int_equal(tmx_body_kind(TMX_LIT("\x08\x84\x02")), TMX__KIND__KIND_DIRECTORY);
    assert_int_equal(tmx_body_kind(TMX_LIT("\x08\x80\x02")), 0);
    assert_int_equal(tmx_body_kind(TMX_LIT("\x08\x85\x02")), 0);
    assert_int_equal(tmx_body_kind(TMX_LIT("\x08\x01\x02")), 0);
    assert_int_equal(tmx_body_kind(TMX_LIT("\x08\x81\x82\x00")), 0);
    assert_int_equal(tmx_body_kind(TMX_LIT("\x10\x81\x02")), 0);
    assert_int_equal(tmx_body_kind(TMX_LIT("\x08\x81")), 0);
    assert_int_equal(tmx_body_kind(TMX_BYTES_NULL), 0);
}

static void test_entry_time(void **state)
{
    assert_int_equal(tmx_entry_time(TMX_LIT("\x08\x01\x10\x80\xbc\xf4\xd7\xa7\x33\x18\x01")), 1763000000000);
    assert_int_equal(tmx_entry_time(TMX_LIT("\x08\x81\x02\x10\x05")), 5);
    assert_int_equal(tmx_entry_time(TMX_LIT("\x08\x01\x18\x05")), 0);
    assert_int_equal(tmx_entry_time(TMX_LIT("\x10\x05")), 0);
    assert_int_equal(tmx_entry_time(TMX_LIT("\x08\x01\x10\x85")), 0);
    assert_int_equal(tmx_entry_time(TMX_BYTES_NULL), 0);
}

static void test_identifiers_made(void **state)
{
    static const uint8_t random[10] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
    static const uint8_t want[16] = { 0x01, 0x90, 0xb6, 0xa3, 0xe1, 0xc0, 0x7f, 0xff,
                                      0xbf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
    uint8_t got[16], first[16], second[16], secret[32] = { 1 }, other[32] = { 2 };
    tmx_message_id(0x0190b6a3e1c0, random, got);
    assert_memory_equal(got, want, 16);

    /* the same movement has the same label for one sender and another for the next */
    tmx_movement_label(TMX_LIT("26DE123456789012J0"), secret, first);
    tmx_movement_label(TMX_LIT("26DE123456789012J0"), secret, second);
    assert_memory_equal(first, second, 16);
    tmx_movement_label(TMX_LIT("26DE123456789012J1"), secret, second);
    assert_memory_not_equal(first, second, 16);
    tmx_movement_label(TMX_LIT("26DE123456789012J0"), other, second);
    assert_memory_not_equal(first, second, 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header_good), cmocka_unit_test(test_header_bad), cmocka_unit_test(test_header_malformed),
        cmocka_unit_test(test_report),      cmocka_unit_test(test_prekeys),    cmocka_unit_test(test_entry),
        cmocka_unit_test(test_signed),      cmocka_unit_test(test_body_kind),  cmocka_unit_test(test_identifiers_made),
        cmocka_unit_test(test_entry_time),
    };
    return cmocka_run_group_tests_name("envelope", tests, setup, teardown);
}
