/* SPDX-License-Identifier: Apache-2.0
 * Batch signatures: every batch size, every position, everything that must be refused. BAT-1, BAT-3, BAT-4
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <string.h>

#include <tmx/batch.h>
#include <tmx/text.h>

static uint8_t secret[64];
static struct tmx_verify_key key;
static uint8_t contents[TMX_BATCH_MAX][40];
static struct tmx_bytes bodies[TMX_BATCH_MAX];
static struct tmx_signature signatures[TMX_BATCH_MAX];
static struct tmx_batch_cache cache;

static void make_key(const char *name, uint8_t seed_byte, struct tmx_verify_key *ret_key, uint8_t ret_secret[64])
{
    uint8_t seed[32];
    uint8_t public[32];

    memset(seed, seed_byte, sizeof seed);
    crypto_sign_seed_keypair(public, ret_secret, seed);
    assert_true(tmx_verify_key_init(tmx_bytes_str(name), TMX_NOTE_ED25519, public, ret_key));
}

static int setup(void **state)
{
    if (sodium_init() < 0) {
        return 1;
    }
    make_key("tmx.test/node/CH", 0x21, &key, secret);
    for (unsigned i = 0; i < TMX_BATCH_MAX; i++) {
        memset(contents[i], (int)i, sizeof contents[i]);
        bodies[i] = TMX_BYTES(contents[i], i % sizeof contents[i]);
    }
    return 0;
}

static int clear_cache(void **state)
{
    memset(&cache, 0, sizeof cache);
    return 0;
}

/* The signature is a plain signed note over the text of the specification. */
static void test_is_a_note(void **state)
{
    static const char text[] = "tmx.test/node/CH/batch/418\n1\nbjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=\n";
    uint8_t buffer[512];
    struct tmx_writer w = TMX_WRITER_OF(buffer);
    uint8_t line[4 + 64];
    struct tmx_writer l = TMX_WRITER_OF(line);
    char base64[TMX_BASE64_SIZE(sizeof line)];
    struct tmx_bytes got;

    tmx_batch_sign(&TMX_BYTES_NULL, 1, 418, &key, secret, signatures);
    assert_int_equal(signatures[0].path_n, 0);
    tmx_write_u32(&l, signatures[0].key_id);
    tmx_write_bytes(&l, TMX_BYTES_OF(signatures[0].sig));
    tmx_base64(TMX_BYTES_OF(line), base64);
    tmx_write_fmt(&w, "%s\n\xe2\x80\x94 %s %s\n", text, key.name, base64);
    assert_true(tmx_note_verify(tmx_written(&w), &key, &got));
    assert_true(tmx_bytes_eq(got, tmx_bytes_str(text)));
}

static void test_every_size(void **state)
{
    for (size_t n = 1; n <= TMX_BATCH_MAX; n++) {
        tmx_batch_sign(bodies, n, n * 1000, &key, secret, signatures);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(signatures[i].size, n);
            assert_int_equal(signatures[i].index, i);
            assert_true(i % 7 != 0 || tmx_batch_verify(bodies[i], &signatures[i], &key, NULL));
            assert_true(tmx_batch_verify(bodies[i], &signatures[i], &key, &cache));
        }
    }
}

static void expect_bad(struct tmx_bytes body, const struct tmx_signature *s, const struct tmx_verify_key *k)
{
    assert_false(tmx_batch_verify(body, s, k, NULL));
    assert_false(tmx_batch_verify(body, s, k, &cache));
}

/* Everything bent, with the good batch in the cache. */
static void bend(size_t n, size_t i)
{
    const struct tmx_signature good = signatures[i];
    struct tmx_signature s = good;

    expect_bad(bodies[(i + 1) % TMX_BATCH_MAX], &good, &key);
    s.key_id ^= 1;
    expect_bad(bodies[i], &s, &key);
    s = good;
    s.batch_no++;
    expect_bad(bodies[i], &s, &key);
    s = good;
    s.sig[i % 64] ^= 0x10;
    expect_bad(bodies[i], &s, &key);
    for (uint32_t size = 0; size <= TMX_BATCH_MAX + 1; size++) {
        s = good;
        s.size = size;
        if (size != n) {
            expect_bad(bodies[i], &s, &key);
        }
    }
    for (uint32_t index = 0; index <= n; index++) {
        s = good;
        s.index = index;
        if (index != i) {
            expect_bad(bodies[i], &s, &key);
        }
    }
    for (uint32_t path_n = 0; path_n <= TMX_BATCH_PATH_MAX + 2; path_n++) {
        s = good;
        s.path_n = path_n;
        if (path_n != good.path_n) {
            expect_bad(bodies[i], &s, &key);
        }
    }
    for (uint32_t h = 0; h < good.path_n; h++) {
        s = good;
        s.path[h].b[h] ^= 2;
        expect_bad(bodies[i], &s, &key);
    }
}

static void test_bent(void **state)
{
    static const size_t cases[] = { 1, 2, 3, 5, 8, 33, 63, 64 };

    for (size_t c = 0; c < TMX_N(cases); c++) {
        const size_t n = cases[c];

        tmx_batch_sign(bodies, n, 77, &key, secret, signatures);
        assert_true(tmx_batch_verify(bodies[0], &signatures[0], &key, &cache));
        bend(n, 0);
        bend(n, n / 2);
        bend(n, n - 1);
    }
}

/* A hit must be the very same signature by the very same key under the very same name. */
static void test_cache_is_exact(void **state)
{
    struct tmx_verify_key other;
    struct tmx_verify_key renamed;
    uint8_t other_secret[64];

    make_key("tmx.test/node/CH", 0x22, &other, other_secret);
    assert_true(tmx_verify_key_init(TMX_LIT("tmx.test/node/FR"), TMX_NOTE_ED25519, key.key, &renamed));
    tmx_batch_sign(bodies, 4, 5, &key, secret, signatures);
    for (unsigned i = 0; i < 4; i++) {
        assert_true(tmx_batch_verify(bodies[i], &signatures[i], &key, &cache));
    }
    other.id = key.id;
    expect_bad(bodies[1], &signatures[1], &other);
    renamed.id = key.id;
    expect_bad(bodies[1], &signatures[1], &renamed);
    other = key;
    other.type = TMX_NOTE_COSIGNATURE;
    expect_bad(bodies[1], &signatures[1], &other);
    /* Another number in the same slot. */
    for (uint64_t no = 6; no < 6 + 8 * TMX_BATCH_CACHE; no++) {
        struct tmx_signature s = signatures[1];

        s.batch_no = no;
        assert_false(tmx_batch_verify(bodies[1], &s, &key, &cache));
    }
}

/* A path length whose size in bytes wraps around to the right one. */
static void test_path_length_wraps(void **state)
{
    struct tmx_signature s;

    tmx_batch_sign(bodies, 1, 8, &key, secret, signatures);
    s = signatures[0];
    s.path_n = 1u << 27;
    expect_bad(bodies[0], &s, &key);
}

/* What failed is not remembered, and a remembered batch survives failures beside it. */
static void test_cache_keeps_only_verified(void **state)
{
    struct tmx_signature forged;

    tmx_batch_sign(bodies, 1, 6, &key, secret, signatures);
    forged = signatures[0];
    forged.sig[40] ^= 1;
    assert_false(tmx_batch_verify(bodies[0], &forged, &key, &cache));
    assert_false(tmx_batch_verify(bodies[0], &forged, &key, &cache));
    assert_true(tmx_batch_verify(bodies[0], &signatures[0], &key, &cache));
    assert_false(tmx_batch_verify(bodies[0], &forged, &key, &cache));
    assert_true(tmx_batch_verify(bodies[0], &signatures[0], &key, &cache));
}

/* More batches than slots: still right. */
static void test_cache_overflow(void **state)
{
    for (unsigned round = 0; round < 3; round++) {
        for (uint64_t no = 1; no <= 2 * TMX_BATCH_CACHE; no++) {
            tmx_batch_sign(bodies, 2, no, &key, secret, signatures);
            assert_true(tmx_batch_verify(bodies[1], &signatures[1], &key, &cache));
            assert_false(tmx_batch_verify(bodies[0], &signatures[1], &key, &cache));
        }
    }
}

/* S + L verifies under the equation but is not canonical; an R of small order is refused too. BAT-4 */
static void test_strict_ed25519(void **state)
{
    static const uint8_t order[32] = { 0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7,
                                       0xa2, 0xde, 0xf9, 0xde, 0x14, 0,    0,    0,    0,    0,    0,
                                       0,    0,    0,    0,    0,    0,    0,    0,    0,    0x10 };
    unsigned carry = 0;
    struct tmx_signature s;

    tmx_batch_sign(bodies, 1, 9, &key, secret, signatures);
    s = signatures[0];
    for (unsigned i = 0; i < 32; i++) {
        carry += (unsigned)s.sig[32 + i] + order[i];
        s.sig[32 + i] = (uint8_t)carry;
        carry >>= 8;
    }
    expect_bad(bodies[0], &s, &key);
    s = signatures[0];
    memset(s.sig, 0, 32);
    s.sig[0] = 1;
    expect_bad(bodies[0], &s, &key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_is_a_note, clear_cache),
        cmocka_unit_test_setup(test_every_size, clear_cache),
        cmocka_unit_test_setup(test_bent, clear_cache),
        cmocka_unit_test_setup(test_cache_is_exact, clear_cache),
        cmocka_unit_test_setup(test_path_length_wraps, clear_cache),
        cmocka_unit_test_setup(test_cache_keeps_only_verified, clear_cache),
        cmocka_unit_test_setup(test_cache_overflow, clear_cache),
        cmocka_unit_test_setup(test_strict_ed25519, clear_cache),
    };

    return cmocka_run_group_tests_name("batch", tests, setup, NULL);
}
