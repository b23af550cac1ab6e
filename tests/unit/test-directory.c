/* SPDX-License-Identifier: Apache-2.0
 * The directory: what is installed, what is refused and why, what is looked up. One good directory, then one change.
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

#include <tmx/directory.h>
#include <tmx/seal.h>

#include "envelope.pb-c.h"

#define PB(literal) ((ProtobufCBinaryData){ .len = sizeof(literal) - 1, .data = (uint8_t *)(uintptr_t)"" literal })

#define FEDERATION "tmx.test/"

/* Keys by number: 0..99 Ed25519 and X25519 of the same seed. Tests only. */
static uint8_t ed_public[100][32], ed_secret[100][64], x_public[100][32];
static struct tmx_arena arena;

static ProtobufCBinaryData ed(unsigned i)
{
    return (ProtobufCBinaryData){ .len = 32, .data = ed_public[i] };
}

static ProtobufCBinaryData x(unsigned i)
{
    return (ProtobufCBinaryData){ .len = 32, .data = x_public[i] };
}

static int setup(void **state)
{
    if (sodium_init() < 0) {
        return 1;
    }
    for (unsigned i = 0; i < 100; i++) {
        uint8_t seed[32] = { 0x5e, (uint8_t)i };
        crypto_sign_seed_keypair(ed_public[i], ed_secret[i], seed);
        assert_int_equal(crypto_scalarmult_base(x_public[i], seed), 0);
    }
    return tmx_arena_init(&arena, 8 << 20) < 0 ? 1 : 0;
}

static int teardown(void **state)
{
    tmx_arena_deinit(&arena);
    return 0;
}

/* A directory of two members, with everything in it to change. */
struct document {
    Tmx__Directory d;
    Tmx__Member member[2];
    Tmx__Member *members[2];
    Tmx__MemberKey signing[2][2];
    Tmx__MemberKey *signings[2][2];
    Tmx__MemberKey curve[2];
    Tmx__MemberKey *curves[2][1];
    Tmx__MemberKey witness[2];
    Tmx__MemberKey *witnesses[2][1];
    Tmx__LogIndex since;
    ProtobufCBinaryData types[2];
    Tmx__LogOrigin log[2];
    Tmx__LogOrigin *logs[2];
    Tmx__Gate gate[2];
    Tmx__Gate *gates[2];
    Tmx__AuthorityKey authority[4];
    Tmx__AuthorityKey *authorities[4];
};

static void document_member(struct document *t, unsigned i, ProtobufCBinaryData code)
{
    t->member[i] = (Tmx__Member)TMX__MEMBER__INIT;
    t->members[i] = &t->member[i];
    t->member[i].code = code;
    t->member[i].name = PB("Administration");
    t->member[i].status = TMX__MEMBER_STATUS__MEMBER_ACTIVE;
    t->member[i].from_ms = 1;
    for (unsigned j = 0; j < 2; j++) {
        t->signing[i][j] = (Tmx__MemberKey)TMX__MEMBER_KEY__INIT;
        t->signing[i][j].key = ed(10 + 2 * i + j);
        t->signings[i][j] = &t->signing[i][j];
    }
    t->curve[i] = (Tmx__MemberKey)TMX__MEMBER_KEY__INIT;
    t->curve[i].key = x(20 + i);
    t->curves[i][0] = &t->curve[i];
    t->witness[i] = (Tmx__MemberKey)TMX__MEMBER_KEY__INIT;
    t->witness[i].key = ed(30 + i);
    t->witnesses[i][0] = &t->witness[i];
    t->member[i].n_signing_keys = 2;
    t->member[i].signing_keys = t->signings[i];
    t->member[i].n_curve_keys = 1;
    t->member[i].curve_keys = t->curves[i];
    t->member[i].n_witness_keys = 1;
    t->member[i].witness_keys = t->witnesses[i];
    t->member[i].last_resort_key = x(40 + i);
}

static void document_init(struct document *t)
{
    static const ProtobufCBinaryData shards[2] = { { 5, (uint8_t *)(uintptr_t)"2026a" },
                                                   { 5, (uint8_t *)(uintptr_t)"2026b" } };
    static const char *const names[4] = { FEDERATION "authority/1", FEDERATION "authority/2", FEDERATION "authority/3",
                                          FEDERATION "authority/4" };
    memset(t, 0, sizeof(*t));
    t->d = (Tmx__Directory)TMX__DIRECTORY__INIT;
    t->d.kind = TMX__KIND__KIND_DIRECTORY;
    t->d.federation = PB("test");
    t->d.serial = 5;
    t->d.issued_ms = 1000;
    t->d.expires_ms = 2000;
    document_member(t, 0, PB("DE"));
    document_member(t, 1, PB("FR"));
    t->d.n_members = 2;
    t->d.members = t->members;
    for (unsigned i = 0; i < 2; i++) {
        t->log[i] = (Tmx__LogOrigin)TMX__LOG_ORIGIN__INIT;
        t->log[i].shard = shards[i];
        t->log[i].key = ed(50 + i);
        t->logs[i] = &t->log[i];
        t->gate[i] = (Tmx__Gate)TMX__GATE__INIT;
        t->gate[i].member = t->member[i].code;
        t->gate[i].endpoint = PB("tcp://broker.example:7100");
        t->gate[i].curve_key = x(60 + i);
        t->gates[i] = &t->gate[i];
    }
    t->d.n_logs = 2;
    t->d.logs = t->logs;
    t->d.n_gates = 2;
    t->d.gates = t->gates;
    t->d.threshold = 2;
    for (unsigned i = 0; i < 4; i++) {
        t->authority[i] = (Tmx__AuthorityKey)TMX__AUTHORITY_KEY__INIT;
        t->authority[i].name = (ProtobufCBinaryData){ strlen(names[i]), (uint8_t *)(uintptr_t)names[i] };
        t->authority[i].key = ed(i);
        t->authorities[i] = &t->authority[i];
    }
    t->d.n_authority_keys = 3;
    t->d.authority_keys = t->authorities;
    t->since = (Tmx__LogIndex)TMX__LOG_INDEX__INIT;
    t->since.shard = PB("2026a");
    t->since.index = 7;
}

static void pinned_init(struct tmx_authority *a)
{
    memset(a, 0, sizeof(*a));
    a->threshold = 2;
    a->n = 3;
    for (unsigned i = 0; i < 3; i++) {
        char name[64];
        snprintf(name, sizeof(name), FEDERATION "authority/%u", i + 1);
        assert_true(tmx_verify_key_init(tmx_bytes_str(name), TMX_NOTE_ED25519, ed_public[i], &a->keys[i]));
    }
}

/* Signs with the keys whose numbers are given (as digits) and packs the file; the result is malloc'ed. */
static struct tmx_bytes sign(const struct document *t, const char *signers)
{
    Tmx__SignedDirectory s = TMX__SIGNED_DIRECTORY__INIT;
    Tmx__AuthoritySignature signature[8];
    Tmx__AuthoritySignature *signatures[8];
    uint8_t bytes[8][64];
    char text[256], name[64];
    struct tmx_bytes body, file;
    tmx_arena_reset(&arena);
    assert_int_equal(tmx_codec_pack(&t->d, &arena, &body), TMX_CODEC_OK);
    struct tmx_writer w = TMX_WRITER_OF(text);
    tmx_directory_text(tmx_pb(t->d.federation), t->d.serial, body, &w);
    s.directory = tmx_to_pb(body);
    s.signatures = signatures;
    for (; *signers != 0; signers++) {
        unsigned key = (unsigned)(*signers - '0');
        struct tmx_verify_key v;
        snprintf(name, sizeof(name), FEDERATION "authority/%u", key + 1);
        assert_true(tmx_verify_key_init(tmx_bytes_str(name), TMX_NOTE_ED25519, ed_public[key], &v));
        size_t i = s.n_signatures++;
        crypto_sign_detached(bytes[i], NULL, tmx_written(&w).data, tmx_written(&w).size, ed_secret[key]);
        signature[i] = (Tmx__AuthoritySignature)TMX__AUTHORITY_SIGNATURE__INIT;
        signature[i].key_id = v.id;
        signature[i].signature = (ProtobufCBinaryData){ .len = 64, .data = bytes[i] };
        signatures[i] = &signature[i];
    }
    assert_int_equal(tmx_codec_pack(&s, &arena, &file), TMX_CODEC_OK);
    uint8_t *copy = malloc(file.size);
    assert_non_null(copy);
    memcpy(copy, file.data, file.size);
    return TMX_BYTES(copy, file.size);
}

static void drop(struct tmx_bytes file)
{
    free((void *)(uintptr_t)file.data);
}

static int load(const struct document *t, const char *signers, const struct tmx_directory *in_force,
                struct tmx_directory **ret_directory)
{
    struct tmx_authority pinned;
    pinned_init(&pinned);
    struct tmx_bytes file = sign(t, signers);
    int r = tmx_directory_load(file, &pinned, in_force, ret_directory);
    drop(file);
    return r;
}

#define LOADS(change, signers, want)                                    \
    do {                                                                \
        struct tmx_directory *loaded = NULL;                            \
        document_init(&t);                                              \
        change;                                                         \
        assert_int_equal(load(&t, signers, NULL, &loaded), (want));     \
        assert_true((loaded != NULL) == ((want) == TMX_DIRECTORY_OK));  \
        tmx_directory_free(loaded);                                     \
    } while (0)

/* DIR-2, DIR-3 */
static void test_signatures(void **state)
{
    struct document t;
    LOADS((void)0, "01", TMX_DIRECTORY_OK);
    LOADS((void)0, "20", TMX_DIRECTORY_OK);
    LOADS((void)0, "012", TMX_DIRECTORY_OK);
    LOADS((void)0, "901", TMX_DIRECTORY_OK);   /* a stranger's signature does no harm */
    LOADS((void)0, "", TMX_DIRECTORY_E_SIGNATURES);
    LOADS((void)0, "1", TMX_DIRECTORY_E_SIGNATURES);
    LOADS((void)0, "11", TMX_DIRECTORY_E_SIGNATURES);   /* the same key twice is one */
    LOADS((void)0, "19", TMX_DIRECTORY_E_SIGNATURES);
    LOADS(t.d.threshold = 1, "1", TMX_DIRECTORY_E_SIGNATURES);   /* what it says of itself does not count */
}

/* DIR-1, DIR-2: any bit of the file changed, and it does not load. */
static void test_bad_signature(void **state)
{
    struct document t;
    struct tmx_authority pinned;
    struct tmx_directory *got = NULL;
    document_init(&t);
    pinned_init(&pinned);
    struct tmx_bytes file = sign(&t, "01");
    uint8_t *bytes = (uint8_t *)(uintptr_t)file.data;
    for (size_t i = 0; i < file.size; i++) {
        bytes[i] ^= (uint8_t)(1u << i % 8);
        assert_int_not_equal(tmx_directory_load(file, &pinned, NULL, &got), TMX_DIRECTORY_OK);
        bytes[i] ^= (uint8_t)(1u << i % 8);
    }
    for (size_t cut = 0; cut < file.size; cut++) {
        assert_int_not_equal(tmx_directory_load(TMX_BYTES(bytes, cut), &pinned, NULL, &got), TMX_DIRECTORY_OK);
    }
    assert_null(got);
    assert_int_equal(tmx_directory_load(file, &pinned, NULL, &got), TMX_DIRECTORY_OK);
    tmx_directory_free(got);
    drop(file);
}

/* DIR-1 */
static void test_form(void **state)
{
    struct document t;
    LOADS(t.d.n_logs = 0; t.d.n_gates = 0, "01", TMX_DIRECTORY_OK);
    LOADS(t.d.n_members = 0; t.d.n_gates = 0, "01", TMX_DIRECTORY_OK);
    LOADS(t.d.kind = TMX__KIND__KIND_HEADER, "01", TMX_DIRECTORY_E_MALFORMED);
    LOADS(t.d.serial = 0, "01", TMX_DIRECTORY_E_MALFORMED);
    LOADS(t.d.expires_ms = 1000, "01", TMX_DIRECTORY_E_MALFORMED);
    LOADS(t.members[0] = &t.member[1]; t.members[1] = &t.member[0], "01", TMX_DIRECTORY_E_MALFORMED);
    LOADS(t.member[1].code = PB("DE"); t.d.n_gates = 1, "01", TMX_DIRECTORY_E_MALFORMED);
    LOADS(t.member[1].code = PB("fr"); t.d.n_gates = 1, "01", TMX_DIRECTORY_E_MALFORMED);
    LOADS(t.member[1].status = 0, "01", TMX_DIRECTORY_E_MALFORMED);
    LOADS(t.member[1].status = 4, "01", TMX_DIRECTORY_E_MALFORMED);
    LOADS(t.member[1].until_ms = 1, "01", TMX_DIRECTORY_E_MALFORMED);
    LOADS(t.member[1].until_ms = 2, "01", TMX_DIRECTORY_OK);
    LOADS(t.member[1].n_signing_keys = 0, "01", TMX_DIRECTORY_E_MALFORMED);
    LOADS(t.signing[1][0].compromised_since = &t.since, "01", TMX_DIRECTORY_E_MALFORMED);
    LOADS(t.signing[1][0].compromised_since = &t.since; t.signing[1][0].revoked = true, "01", TMX_DIRECTORY_OK);
    LOADS(t.member[1].n_message_types = 1; t.member[1].message_types = t.types; t.types[0] = PB("cd"), "01",
          TMX_DIRECTORY_E_MALFORMED);
    LOADS(t.log[1].shard = t.log[0].shard, "01", TMX_DIRECTORY_E_MALFORMED);
    LOADS(t.log[1].shard = PB("A"), "01", TMX_DIRECTORY_E_MALFORMED);
    LOADS(t.gate[1].member = PB("IT"), "01", TMX_DIRECTORY_E_MALFORMED);
    LOADS(t.gate[1].member = PB("DE"), "01", TMX_DIRECTORY_E_MALFORMED);
    LOADS(t.gate[1].endpoint = PB("ipc:///tmp/x:1"), "01", TMX_DIRECTORY_E_MALFORMED);
    LOADS(t.gate[1].endpoint = PB("tcp://host"), "01", TMX_DIRECTORY_E_MALFORMED);
    LOADS(t.d.threshold = 0, "012", TMX_DIRECTORY_E_MALFORMED);
    LOADS(t.d.threshold = 4, "012", TMX_DIRECTORY_E_MALFORMED);
    LOADS(t.authority[0].name = PB(FEDERATION "authority/x"), "012", TMX_DIRECTORY_E_MALFORMED);
    LOADS(t.authority[0].name = PB("tmx.other/authority/1"), "012", TMX_DIRECTORY_E_MALFORMED);
    LOADS(t.authority[0].name = PB(FEDERATION "authority/2"), "012", TMX_DIRECTORY_E_MALFORMED);
    LOADS(t.d.catalogue_version = PB("5.15"), "01", TMX_DIRECTORY_E_MALFORMED);
    LOADS(t.d.catalogue_version = PB("5.15"); t.d.catalogue_digest = ed(1), "01", TMX_DIRECTORY_OK);
    LOADS(t.d.catalogue_version = PB("5.15"); t.d.catalogue_digest = PB("short"), "01", TMX_DIRECTORY_E_MALFORMED);
}

/* DIR-1 */
static void test_keys(void **state)
{
    static uint8_t small_order[32] = { 1 };
    static uint8_t zero[32];
    /* a base point plus a point of order 8: on the curve, in no subgroup of prime order */
    static uint8_t mixed[32];
    static uint8_t order8[32] = { 0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4,
                                  0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6,
                                  0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05 };
    struct document t;
    ProtobufCBinaryData bad[] = { { 32, small_order }, { 32, zero }, { 32, order8 }, { 32, mixed }, { 31, ed_public[9] },
                                  { 0, NULL } };
    assert_int_equal(crypto_core_ed25519_add(mixed, ed_public[90], order8), 0);
    for (size_t i = 0; i < TMX_N(bad); i++) {
        LOADS(t.signing[1][1].key = bad[i], "01", TMX_DIRECTORY_E_KEYS);
        LOADS(t.witness[1].key = bad[i], "01", TMX_DIRECTORY_E_KEYS);
        LOADS(t.log[1].key = bad[i], "01", TMX_DIRECTORY_E_KEYS);
        LOADS(t.authority[2].key = bad[i], "01", TMX_DIRECTORY_E_KEYS);
        if (bad[i].len != 32 || bad[i].data == zero || bad[i].data == small_order) {
            LOADS(t.member[1].last_resort_key = bad[i], "01", TMX_DIRECTORY_E_KEYS);
            LOADS(t.curve[1].key = bad[i], "01", TMX_DIRECTORY_E_KEYS);
            LOADS(t.gate[1].curve_key = bad[i], "01", TMX_DIRECTORY_E_KEYS);
        }
    }
    /* no key appears twice, whatever for */
    LOADS(t.signing[1][1].key = t.signing[1][0].key, "01", TMX_DIRECTORY_E_KEYS);
    LOADS(t.signing[1][1].key = t.signing[0][0].key, "01", TMX_DIRECTORY_E_KEYS);
    LOADS(t.witness[1].key = t.signing[1][0].key, "01", TMX_DIRECTORY_E_KEYS);
    LOADS(t.log[1].key = t.log[0].key, "01", TMX_DIRECTORY_E_KEYS);
    LOADS(t.log[1].key = t.authority[0].key, "01", TMX_DIRECTORY_E_KEYS);
    LOADS(t.curve[1].key = t.member[0].last_resort_key, "01", TMX_DIRECTORY_E_KEYS);
    LOADS(t.gate[1].curve_key = t.curve[0].key, "01", TMX_DIRECTORY_E_KEYS);
}

/* DIR-1: two keys of one name whose ids collide, found by trying some 2^17 seeds. */
static void test_key_id_collision(void **state)
{
    static const uint32_t seeds[2] = { 95515, 177391 };
    static uint8_t public[2][32];
    struct document t;
    struct tmx_verify_key key[2];
    for (unsigned i = 0; i < 2; i++) {
        uint8_t secret[64];
        uint8_t seed[32] = { 0xc0, (uint8_t)seeds[i], (uint8_t)(seeds[i] >> 8), (uint8_t)(seeds[i] >> 16) };
        crypto_sign_seed_keypair(public[i], secret, seed);
        assert_true(tmx_verify_key_init(TMX_LIT(FEDERATION "node/FR"), TMX_NOTE_ED25519, public[i], &key[i]));
    }
    assert_int_equal(key[0].id, key[1].id);
    LOADS(t.signing[1][0].key.data = public[0], "01", TMX_DIRECTORY_OK);
    LOADS(t.signing[1][0].key.data = public[0]; t.signing[1][1].key.data = public[1], "01", TMX_DIRECTORY_E_KEYS);
}

/* DIR-2: the federation is in the names of the pinned keys. */
static void test_federation(void **state)
{
    struct document t;
    struct tmx_directory *in_force = NULL, *got = NULL;
    LOADS(t.d.federation = PB("other"), "01", TMX_DIRECTORY_E_FEDERATION);
    LOADS(t.d.federation = PB("tes"), "01", TMX_DIRECTORY_E_FEDERATION);
    LOADS(t.d.federation = PB("Test"), "01", TMX_DIRECTORY_E_MALFORMED);
    document_init(&t);
    assert_int_equal(load(&t, "01", NULL, &in_force), TMX_DIRECTORY_OK);
    t.d.federation = PB("other");
    t.d.serial = 6;
    assert_int_equal(load(&t, "01", in_force, &got), TMX_DIRECTORY_E_FEDERATION);
    tmx_directory_free(in_force);
}

/* DIR-4 */
static void test_serial(void **state)
{
    struct document t;
    struct tmx_directory *in_force = NULL, *got = NULL;
    document_init(&t);
    assert_int_equal(load(&t, "01", NULL, &in_force), TMX_DIRECTORY_OK);
    /* the same again, other signatures included */
    assert_int_equal(load(&t, "01", in_force, &got), TMX_DIRECTORY_OK);
    got = tmx_directory_free(got);
    assert_int_equal(load(&t, "12", in_force, &got), TMX_DIRECTORY_OK);
    got = tmx_directory_free(got);
    t.d.expires_ms++;
    assert_int_equal(load(&t, "01", in_force, &got), TMX_DIRECTORY_E_SERIAL);
    t.d.serial = 4;
    assert_int_equal(load(&t, "01", in_force, &got), TMX_DIRECTORY_E_SERIAL);
    t.d.serial = 6;
    assert_int_equal(load(&t, "01", in_force, &got), TMX_DIRECTORY_OK);
    assert_int_equal(tmx_directory_serial(got), 6);
    tmx_directory_free(got);
    tmx_directory_free(in_force);
}

/* DIR-3: a change of the authority keys is signed by k of the old and k of the new. */
static void test_authority_change(void **state)
{
    static const struct {
        const char *signers;
        int want;
    } cases[] = {
        { "01", TMX_DIRECTORY_E_SIGNATURES },   /* the old alone */
        { "013", TMX_DIRECTORY_OK },            /* key 1 is old and new */
        { "03", TMX_DIRECTORY_E_SIGNATURES },   /* one of the old, one of the new */
        { "13", TMX_DIRECTORY_E_SIGNATURES },   /* two of the new, one of them old */
        { "12", TMX_DIRECTORY_OK },             /* both are old and new */
        { "23", TMX_DIRECTORY_E_SIGNATURES },
    };
    struct document t;
    struct tmx_directory *old = NULL, *next = NULL, *after = NULL;
    document_init(&t);
    assert_int_equal(load(&t, "01", NULL, &old), TMX_DIRECTORY_OK);
    t.d.serial = 6;
    t.d.authority_keys = t.authorities + 1;   /* 1, 2, 3 instead of 0, 1, 2 */
    for (size_t i = 0; i < TMX_N(cases); i++) {
        struct tmx_directory *got = NULL;
        assert_int_equal(load(&t, cases[i].signers, old, &got), cases[i].want);
        tmx_directory_free(got);
        got = NULL;
        assert_int_equal(load(&t, cases[i].signers, NULL, &got), cases[i].want);   /* and when it is the first */
        tmx_directory_free(got);
    }
    assert_int_equal(load(&t, "012", old, &next), TMX_DIRECTORY_OK);
    assert_int_equal(tmx_directory_authority(next)->n, 3);

    /* from now on the new keys sign, whatever was pinned first */
    t.d.serial = 7;
    assert_int_equal(load(&t, "03", next, &after), TMX_DIRECTORY_E_SIGNATURES);
    assert_int_equal(load(&t, "13", next, &after), TMX_DIRECTORY_OK);
    tmx_directory_free(after);
    after = NULL;

    /* the threshold alone is a change too */
    t.d.threshold = 3;
    assert_int_equal(load(&t, "13", next, &after), TMX_DIRECTORY_E_SIGNATURES);
    assert_int_equal(load(&t, "123", next, &after), TMX_DIRECTORY_OK);
    tmx_directory_free(after);
    tmx_directory_free(next);
    tmx_directory_free(old);
}

/* DIR-5: expiry does not keep it from loading, it is asked for. */
static void test_expiry(void **state)
{
    struct document t;
    struct tmx_directory *d = NULL;
    document_init(&t);
    assert_int_equal(load(&t, "01", NULL, &d), TMX_DIRECTORY_OK);
    assert_false(tmx_directory_expired(d, 1999));
    assert_true(tmx_directory_expired(d, 2000));
    tmx_directory_free(d);
}

/* BAT-4, DIR-7 */
static void test_lookup(void **state)
{
    struct document t;
    struct tmx_directory *d = NULL;
    struct tmx_verify_key key[2][2];
    uint8_t digest[32], want[32];
    document_init(&t);
    t.signing[0][1].revoked = true;
    t.member[1].status = TMX__MEMBER_STATUS__MEMBER_SUSPENDED;
    t.types[0] = PB("CD001C");
    t.types[1] = PB("CD003C");
    t.member[1].n_message_types = 2;
    t.member[1].message_types = t.types;
    assert_int_equal(load(&t, "01", NULL, &d), TMX_DIRECTORY_OK);
    for (unsigned i = 0; i < 2; i++) {
        for (unsigned j = 0; j < 2; j++) {
            char name[64];
            struct tmx_writer w = TMX_WRITER_OF(name);
            tmx_node_key_name("test", tmx_pb(t.member[i].code), &w);
            assert_true(tmx_verify_key_init(tmx_written(&w), TMX_NOTE_ED25519, t.signing[i][j].key.data, &key[i][j]));
        }
    }
    const struct tmx_verify_key *got = tmx_directory_signing_key(d, TMX_LIT("DE"), key[0][0].id);
    assert_non_null(got);
    assert_string_equal(got->name, "tmx.test/node/DE");
    assert_memory_equal(got->key, key[0][0].key, 32);
    assert_null(tmx_directory_signing_key(d, TMX_LIT("DE"), key[0][1].id));   /* a revoked key */
    assert_null(tmx_directory_signing_key(d, TMX_LIT("FR"), key[0][0].id));   /* another member's */
    assert_null(tmx_directory_signing_key(d, TMX_LIT("IT"), key[0][0].id));
    assert_non_null(tmx_directory_signing_key(d, TMX_LIT("FR"), key[1][1].id));   /* suspended: may report */

    assert_int_equal(tmx_directory_member_index(d, TMX_LIT("DE")), 0);
    assert_int_equal(tmx_directory_member_index(d, TMX_LIT("FR")), 1);
    assert_int_equal(tmx_directory_member_index(d, TMX_LIT("")), -1);
    assert_int_equal(tmx_directory_member_index(d, TMX_LIT("EE")), -1);
    assert_int_equal(tmx_directory_member_index(d, TMX_LIT("FRA")), -1);
    assert_null(tmx_directory_member(d, TMX_LIT("ZZ")));

    const Tmx__Member *de = tmx_directory_member(d, TMX_LIT("DE"));
    const Tmx__Member *fr = tmx_directory_member(d, TMX_LIT("FR"));
    assert_true(tmx_member_may_submit(de) && tmx_member_may_collect(de));
    assert_true(!tmx_member_may_submit(fr) && tmx_member_may_collect(fr));
    assert_true(!tmx_member_may_submit(NULL) && !tmx_member_may_collect(NULL));
    assert_true(tmx_directory_type_allowed(de, TMX_LIT("CD906C")));
    assert_true(tmx_directory_type_allowed(fr, TMX_LIT("CD003C")));
    assert_false(tmx_directory_type_allowed(fr, TMX_LIT("CD906C")));

    assert_string_equal(tmx_directory_log_key(d, TMX_LIT("2026b"))->name, "tmx.test/log/2026b");
    assert_null(tmx_directory_log_key(d, TMX_LIT("2026c")));
    assert_string_equal(tmx_directory_federation(d), "test");
    tmx_directory_digest(d, digest);
    tmx_digest(tmx_directory_file(d), want);
    assert_memory_equal(digest, want, 32);
    tmx_directory_free(d);

    /* a revoked member has no key that counts */
    t.member[1].status = TMX__MEMBER_STATUS__MEMBER_REVOKED;
    assert_int_equal(load(&t, "01", NULL, &d), TMX_DIRECTORY_OK);
    assert_null(tmx_directory_signing_key(d, TMX_LIT("FR"), key[1][1].id));
    assert_false(tmx_member_may_collect(tmx_directory_member(d, TMX_LIT("FR"))));
    tmx_directory_free(d);
}

/* DIR-3: what everybody pins. */
static void test_authority_text(void **state)
{
    struct tmx_authority a, got;
    char text[2048], other[2048];
    struct tmx_writer w = TMX_WRITER_OF(text);
    pinned_init(&a);
    tmx_authority_format(&a, &w);
    struct tmx_bytes good = tmx_written(&w);
    assert_true(tmx_authority_parse(good, &got));
    assert_int_equal(got.threshold, 2);
    assert_int_equal(got.n, 3);
    assert_memory_equal(got.keys, a.keys, 3 * sizeof(a.keys[0]));

    for (size_t cut = 0; cut < good.size; cut++) {
        struct tmx_bytes part = tmx_bytes_slice(good, 0, cut);
        bool whole = cut > 0 && text[cut - 1] == '\n';
        /* "threshold 2" and at least two whole lines */
        unsigned lines = 0;
        for (size_t i = 0; i < cut; i++) {
            lines += text[i] == '\n';
        }
        assert_int_equal(tmx_authority_parse(part, &got), whole && lines >= 3);
    }
    a.threshold = 0;
    w = TMX_WRITER_OF(other);
    tmx_authority_format(&a, &w);
    assert_false(tmx_authority_parse(tmx_written(&w), &got));
    a.threshold = 4;
    w = TMX_WRITER_OF(other);
    tmx_authority_format(&a, &w);
    assert_false(tmx_authority_parse(tmx_written(&w), &got));
    pinned_init(&a);
    a.keys[2] = a.keys[1];
    w = TMX_WRITER_OF(other);
    tmx_authority_format(&a, &w);
    assert_false(tmx_authority_parse(tmx_written(&w), &got));
    pinned_init(&a);
    assert_true(tmx_verify_key_init(TMX_LIT("tmx.other/authority/3"), TMX_NOTE_ED25519, ed_public[2], &a.keys[2]));
    w = TMX_WRITER_OF(other);
    tmx_authority_format(&a, &w);
    assert_false(tmx_authority_parse(tmx_written(&w), &got));
    assert_true(tmx_verify_key_init(TMX_LIT("tmx.test/node/DE"), TMX_NOTE_ED25519, ed_public[2], &a.keys[2]));
    w = TMX_WRITER_OF(other);
    tmx_authority_format(&a, &w);
    assert_false(tmx_authority_parse(tmx_written(&w), &got));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signatures),
        cmocka_unit_test(test_bad_signature),
        cmocka_unit_test(test_form),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_key_id_collision),
        cmocka_unit_test(test_federation),
        cmocka_unit_test(test_serial),
        cmocka_unit_test(test_authority_change),
        cmocka_unit_test(test_expiry),
        cmocka_unit_test(test_lookup),
        cmocka_unit_test(test_authority_text),
    };
    return cmocka_run_group_tests_name("directory", tests, setup, teardown);
}
