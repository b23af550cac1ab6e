/* SPDX-License-Identifier: Apache-2.0
 * Signed notes and checkpoints: known answers of c2sp.org/signed-note, and everything that must be refused. LOG-1
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include <tmx/note.h>
#include <tmx/text.h>

#define EXAMPLE_VKEY "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
#define DASH "\xe2\x80\x94 "

static uint8_t secret[64];
static uint8_t other_secret[64];
static struct tmx_verify_key key;
static struct tmx_verify_key other;

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
    make_key("tmx.test/log/2026a", 0x11, &key, secret);
    make_key("tmx.test/log/2026b", 0x12, &other, other_secret);
    return 0;
}

static void assert_text(struct tmx_bytes got, const char *want)
{
    assert_true(tmx_bytes_eq(got, tmx_bytes_str(want)));
}

static void test_vkey(void **state)
{
    static const char *const bad[] = {
        "",
        "example.com/foo",
        "example.com/foo+530d903a",
        "example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", /* id of another key */
        "example.com/fo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2kAA==",
        "example.com/foo+530d903a+BekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", /* type 5 */
        "+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        EXAMPLE_VKEY "\n",
        EXAMPLE_VKEY " ",
    };
    struct tmx_verify_key k;
    uint8_t buffer[256];
    struct tmx_writer w = TMX_WRITER_OF(buffer);

    assert_true(tmx_verify_key_parse(TMX_LIT(EXAMPLE_VKEY), &k));
    assert_string_equal(k.name, "example.com/foo");
    assert_int_equal(k.type, TMX_NOTE_ED25519);
    assert_int_equal(k.id, 0x530d903a);
    tmx_verify_key_format(&k, &w);
    assert_text(tmx_written(&w), EXAMPLE_VKEY);
    for (size_t i = 0; i < TMX_N(bad); i++) {
        assert_false(tmx_verify_key_parse(tmx_bytes_str(bad[i]), &k));
    }
}

static void test_key_names(void **state)
{
    static const char *const bad[] = { "", "a b", "a+b", "a\n", "a\x7f", "\x01", "a\xc2\xa0", " " };
    char longest[TMX_KEYNAME_MAX + 2];
    struct tmx_verify_key k;

    for (size_t i = 0; i < TMX_N(bad); i++) {
        assert_false(tmx_verify_key_init(tmx_bytes_str(bad[i]), TMX_NOTE_ED25519, key.key, &k));
    }
    memset(longest, 'n', sizeof longest);
    assert_false(tmx_verify_key_init(TMX_BYTES(longest, TMX_KEYNAME_MAX + 1), TMX_NOTE_ED25519, key.key, &k));
    assert_true(tmx_verify_key_init(TMX_BYTES(longest, TMX_KEYNAME_MAX), TMX_NOTE_ED25519, key.key, &k));
    assert_int_equal(strlen(k.name), TMX_KEYNAME_MAX);
}

/* The eight points of small order, non-canonical encodings of them, and points off the curve or the main
 * subgroup: libsodium refuses signatures under them where OpenSSL and Go accept any message. BAT-4, DIR-1 */
static void test_bad_points(void **state)
{
    static const char *const bad[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "0200000000000000000000000000000000000000000000000000000000000000",
    };
    struct tmx_verify_key k = { .id = 5 };

    for (size_t i = 0; i < TMX_N(bad); i++) {
        uint8_t point[32];

        assert_true(tmx_unhex(tmx_bytes_str(bad[i]), point, 32));
        assert_false(tmx_verify_key_init(TMX_LIT("tmx.test/node/XX"), TMX_NOTE_ED25519, point, &k));
        assert_int_equal(k.id, 5);
    }
}

static void test_known_note(void **state)
{
    static const char note[] =
        "If you think cryptography is the answer to your problem,\n"
        "then you don't know what your problem is.\n"
        "\n" DASH "PeterNeumann "
        "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
    struct tmx_verify_key k;
    struct tmx_bytes text;

    /* The example of golang.org/x/mod/sumdb/note. */
    assert_true(
        tmx_verify_key_parse(TMX_LIT("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"), &k));
    assert_true(tmx_note_verify(tmx_bytes_str(note), &k, &text));
    assert_text(text, "If you think cryptography is the answer to your problem,\n"
                      "then you don't know what your problem is.\n");
}

static struct tmx_bytes sign_two(const char *text, uint8_t *buffer, size_t size)
{
    struct tmx_writer w = tmx_writer_init(buffer, size);

    tmx_note_sign(&w, tmx_bytes_str(text), &key, secret);
    tmx_note_add_line(&w, tmx_bytes_str(text), &other, other_secret);
    return tmx_written(&w);
}

static void test_sign_and_verify(void **state)
{
    uint8_t buffer[1024];
    const struct tmx_bytes note = sign_two("a\n\nb\n", buffer, sizeof buffer);
    struct tmx_bytes text = TMX_BYTES_NULL;
    struct tmx_bytes lines;
    struct tmx_verify_key stranger = key;

    /* The text ends at the last blank line, not the first. */
    assert_true(tmx_note_split(note, &text, &lines));
    assert_text(text, "a\n\nb\n");
    assert_true(tmx_note_verify(note, &key, &text));
    assert_true(tmx_note_verify(note, &other, &text));
    assert_text(text, "a\n\nb\n");
    /* Same name, other id; same id, other name: not lines of that key. */
    stranger.id ^= 1;
    assert_false(tmx_note_verify(note, &stranger, &text));
    stranger = key;
    stranger.name[0] = 'T';
    assert_false(tmx_note_verify(note, &stranger, &text));
    stranger = key;
    stranger.type = TMX_NOTE_COSIGNATURE;
    assert_false(tmx_note_verify(note, &stranger, &text));
}

/* No byte of a note can change without one of the two keys noticing. */
static void test_flipped_bytes(void **state)
{
    uint8_t buffer[1024];
    const struct tmx_bytes note = sign_two("tmx.test/log/2026a\n12\nabc\n", buffer, sizeof buffer);
    struct tmx_bytes text;

    for (size_t i = 0; i < note.size; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            buffer[i] ^= (uint8_t)(1u << bit);
            assert_false(tmx_note_verify(note, &key, &text) && tmx_note_verify(note, &other, &text));
            buffer[i] ^= (uint8_t)(1u << bit);
        }
    }
    for (size_t size = 0; size < note.size; size++) {
        assert_false(tmx_note_verify(TMX_BYTES(buffer, size), &key, &text) &&
                     tmx_note_verify(TMX_BYTES(buffer, size), &other, &text));
    }
}

static void test_not_a_note(void **state)
{
    static const char *const bad[] = {
        "",
        "\n",
        "\n\n",
        "text\n",
        "text\n\n",
        "text\n\nsignature\n",
        "text\n\n" DASH "\n",
        "text\n\n" DASH "name\n",
        "text\n\n" DASH "name \n",
        "text\n\n" DASH "name AAAA\n",     /* no key id and no signature */
        "text\n\n" DASH "name AAAAAA==\n", /* key id only */
        "text\n\n" DASH " AAAAAAA=\n",
        "text\n\n" DASH "na+me AAAAAAA=\n",
        "text\n\n" DASH "name AAAAAAA=", /* no newline */
        "text\n\n" DASH "name AAAAAAA\n",
        "text\n\n" DASH "name AAAAAAA= \n",
        "text\n\n" DASH "name  AAAAAAA=\n",
        "text\n\n- name AAAAAAA=\n",
        "te\txt\n\n" DASH "name AAAAAAA=\n",
        "te\rxt\n\n" DASH "name AAAAAAA=\n",
        "te\x80xt\n\n" DASH "name AAAAAAA=\n", /* not UTF-8, in five ways */
        "te\xc0\x80xt\n\n" DASH "name AAAAAAA=\n",
        "te\xe0\x80\x80xt\n\n" DASH "name AAAAAAA=\n",
        "te\xed\xa0\x80xt\n\n" DASH "name AAAAAAA=\n",
        "te\xf4\x90\x80\x80xt\n\n" DASH "name AAAAAAA=\n",
        "text\n" DASH "name AAAAAAA=\n",
    };
    static const char *const good[] = {
        "text\n\n" DASH "name AAAAAAA=\n",
        "te\xc3\xa9xt \xf0\x9f\x94\x92\n\n" DASH "name AAAAAAA=\n",
        "\n\n" DASH "name AAAAAAA=\n",
        "text\n\n" DASH "name AAAAAAA=\n" DASH "name AAAAAAA=\n",
    };
    struct tmx_bytes text = TMX_BYTES_NULL;
    struct tmx_bytes lines = TMX_BYTES_NULL;

    for (size_t i = 0; i < TMX_N(bad); i++) {
        assert_false(tmx_note_split(tmx_bytes_str(bad[i]), &text, &lines));
        assert_null(text.data);
        assert_null(lines.data);
    }
    for (size_t i = 0; i < TMX_N(good); i++) {
        assert_true(tmx_note_split(tmx_bytes_str(good[i]), &text, &lines));
    }
}

/* A line of a known key that does not verify fails the note, even beside one that does. */
static void test_bad_line_beside_a_good_one(void **state)
{
    uint8_t buffer[2048];
    struct tmx_writer w = TMX_WRITER_OF(buffer);
    struct tmx_bytes text;

    tmx_note_sign(&w, TMX_LIT("text\n"), &key, secret);
    assert_true(tmx_note_verify(tmx_written(&w), &key, &text));
    tmx_note_add_line(&w, TMX_LIT("other\n"), &key, secret);
    assert_false(tmx_note_verify(tmx_written(&w), &key, &text));
}

static void test_line_bound(void **state)
{
    static uint8_t buffer[TMX_NOTE_MAX];
    struct tmx_writer w = TMX_WRITER_OF(buffer);
    struct tmx_bytes text;

    tmx_note_sign(&w, TMX_LIT("text\n"), &key, secret);
    for (unsigned i = 1; i < 100; i++) {
        tmx_note_add_line(&w, TMX_LIT("text\n"), &other, other_secret);
    }
    assert_true(tmx_note_verify(tmx_written(&w), &key, &text));
    tmx_note_add_line(&w, TMX_LIT("text\n"), &other, other_secret);
    assert_false(tmx_note_verify(tmx_written(&w), &key, &text));
}

#define ROOT "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="

static void test_checkpoint_text(void **state)
{
    static const char *const bad[] = {
        "",
        "o\n",
        "o\n1\n",
        "o\n1\n" ROOT,
        "o\n1\n" ROOT "\n\n",
        "o\n1\n" ROOT "\nextension\n",
        "\n1\n" ROOT "\n",
        "o\n0\n" ROOT "\n", /* size 0 is never published */
        "o\n01\n" ROOT "\n",
        "o\n+1\n" ROOT "\n",
        "o\n-1\n" ROOT "\n",
        "o\n1 \n" ROOT "\n",
        "o\n\n" ROOT "\n",
        "o\n18446744073709551616\n" ROOT "\n",
        "o\n281474976710656\n" ROOT "\n", /* 2^48 */
        "o\n1\n\n",
        "o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I\n",
        "o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J=\n", /* not the canonical last character */
        "o\n1\nAAAA\n",
        "o\r\n1\n" ROOT "\n",
    };
    struct tmx_checkpoint c;
    uint8_t buffer[256];
    struct tmx_writer w = TMX_WRITER_OF(buffer);

    for (size_t i = 0; i < TMX_N(bad); i++) {
        assert_false(tmx_checkpoint_parse(tmx_bytes_str(bad[i]), &c));
    }
    assert_true(tmx_checkpoint_parse(TMX_LIT("tmx.test/log/2026a\n281474976710655\n" ROOT "\n"), &c));
    assert_string_equal(c.origin, "tmx.test/log/2026a");
    assert_int_equal(c.size, 281474976710655);
    tmx_checkpoint_text(&c, &w);
    assert_text(tmx_written(&w), "tmx.test/log/2026a\n281474976710655\n" ROOT "\n");
}

static void test_checkpoint_sign(void **state)
{
    struct tmx_checkpoint c = { .origin = "tmx.test/log/2026a", .size = 418, .root = { { 7, 7 } } };
    struct tmx_checkpoint got;
    uint8_t buffer[TMX_CHECKPOINT_MAX];
    struct tmx_writer w = TMX_WRITER_OF(buffer);

    tmx_checkpoint_sign(&c, &key, secret, &w);
    assert_true(tmx_checkpoint_verify(tmx_written(&w), &key, &got));
    assert_string_equal(got.origin, c.origin);
    assert_int_equal(got.size, 418);
    assert_true(tmx_hash_eq(&got.root, &c.root));
    assert_false(tmx_checkpoint_verify(tmx_written(&w), &other, &got));

    /* Signed by the log's key, of another origin, or no checkpoint at all. */
    w = TMX_WRITER_OF(buffer);
    tmx_note_sign(&w, TMX_LIT("tmx.test/log/2026b\n1\n" ROOT "\n"), &key, secret);
    assert_false(tmx_checkpoint_verify(tmx_written(&w), &key, &got));
    w = TMX_WRITER_OF(buffer);
    tmx_note_sign(&w, TMX_LIT("tmx.test/log/2026a\n1\n" ROOT "\nmore\n"), &key, secret);
    assert_false(tmx_checkpoint_verify(tmx_written(&w), &key, &got));
    assert_int_equal(got.size, 418);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vkey),
        cmocka_unit_test(test_key_names),
        cmocka_unit_test(test_bad_points),
        cmocka_unit_test(test_known_note),
        cmocka_unit_test(test_sign_and_verify),
        cmocka_unit_test(test_flipped_bytes),
        cmocka_unit_test(test_not_a_note),
        cmocka_unit_test(test_bad_line_beside_a_good_one),
        cmocka_unit_test(test_line_bound),
        cmocka_unit_test(test_checkpoint_text),
        cmocka_unit_test(test_checkpoint_sign),
    };

    return cmocka_run_group_tests_name("note", tests, setup, NULL);
}
