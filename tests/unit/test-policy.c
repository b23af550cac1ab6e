/* SPDX-License-Identifier: Apache-2.0
 * Cosignatures (cosignature/v1) and witness policies (c2sp.org/tlog-policy). WIT-1
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include <tmx/policy.h>
#include <tmx/text.h>

#define N 5

static struct tmx_verify_key log_key;
static uint8_t log_secret[64];
static struct tmx_verify_key keys[N];
static uint8_t secrets[N][64];
static char vkeys[N][256];
static char log_vkey[256];
static struct tmx_checkpoint head = { .origin = "tmx.test/log/2026a", .size = 7 };
static struct tmx_policy policy;

static void make_key(const char *name, uint8_t type, uint8_t seed_byte, struct tmx_verify_key *ret_key,
                     uint8_t ret_secret[64], char ret_vkey[256])
{
    uint8_t seed[32], public[32];
    struct tmx_writer w = tmx_writer_init(ret_vkey, 255);

    memset(seed, seed_byte, sizeof seed);
    crypto_sign_seed_keypair(public, ret_secret, seed);
    assert_true(tmx_verify_key_init(tmx_bytes_str(name), type, public, ret_key));
    tmx_verify_key_format(ret_key, &w);
    ret_vkey[tmx_written(&w).size] = '\0';
}

static int setup(void **state)
{
    if (sodium_init() < 0) {
        return 1;
    }
    make_key(head.origin, TMX_NOTE_ED25519, 0x11, &log_key, log_secret, log_vkey);
    for (unsigned i = 0; i < N; i++) {
        char name[64];

        snprintf(name, sizeof name, "tmx.test/witness/W%u", i);
        make_key(name, TMX_NOTE_COSIGNATURE, (uint8_t)(0x20 + i), &keys[i], secrets[i], vkeys[i]);
    }
    memset(head.root.b, 0x33, sizeof head.root.b);
    return 0;
}

/* The log's checkpoint with a cosignature of each witness whose time is not 0. */
static struct tmx_bytes cosigned(const uint64_t times[N], uint8_t *buffer, size_t size)
{
    struct tmx_writer w = tmx_writer_init(buffer, size);
    uint8_t text[TMX_CHECKPOINT_MAX];
    struct tmx_writer t = TMX_WRITER_OF(text);

    tmx_checkpoint_text(&head, &t);
    tmx_checkpoint_sign(&head, &log_key, log_secret, &w);
    for (unsigned i = 0; i < N; i++) {
        if (times[i] != 0) {
            tmx_cosignature_add_line(&w, tmx_written(&t), times[i], &keys[i], secrets[i]);
        }
    }
    return tmx_written(&w);
}

static void test_cosignature(void **state)
{
    static const uint64_t times[N] = { 1700000000, 0, 1700000005 };
    uint8_t buffer[4096];
    struct tmx_bytes note = cosigned(times, buffer, sizeof buffer);
    struct tmx_checkpoint c;
    uint64_t at = 0;

    assert_true(tmx_checkpoint_verify(note, &log_key, &c)); /* the log's line still counts */
    assert_int_equal(tmx_cosignature_verify(note, &keys[0], &at), TMX_COSIGNATURE_OK);
    assert_int_equal(at, 1700000000);
    assert_int_equal(tmx_cosignature_verify(note, &keys[1], &at), TMX_COSIGNATURE_NONE);
    assert_int_equal(tmx_cosignature_verify(note, &keys[2], &at), TMX_COSIGNATURE_OK);
    assert_int_equal(at, 1700000005);
    assert_int_equal(tmx_cosignature_verify(note, &log_key, &at), TMX_COSIGNATURE_BAD); /* not a witness's key */
}

/* Every byte of a cosigned checkpoint: bent, it is never a cosignature of another text or time. */
static void test_bent(void **state)
{
    static const uint64_t times[N] = { 1700000000 };
    uint8_t buffer[4096];
    struct tmx_bytes note = cosigned(times, buffer, sizeof buffer);

    for (size_t i = 0; i < note.size; i++) {
        uint64_t at = 0;

        buffer[i] ^= 1;
        struct tmx_checkpoint c;
        const bool log_ok = tmx_checkpoint_verify(note, &log_key, &c);
        const enum tmx_cosignature found = tmx_cosignature_verify(note, &keys[0], &at);

        assert_false(log_ok && found == TMX_COSIGNATURE_OK);
        buffer[i] ^= 1;
    }
}

/* Two lines of one witness: the earliest time counts. */
static void test_twice(void **state)
{
    uint8_t buffer[4096], text[TMX_CHECKPOINT_MAX];
    struct tmx_writer w = TMX_WRITER_OF(buffer), t = TMX_WRITER_OF(text);
    uint64_t at;

    tmx_checkpoint_text(&head, &t);
    tmx_checkpoint_sign(&head, &log_key, log_secret, &w);
    tmx_cosignature_add_line(&w, tmx_written(&t), 90, &keys[0], secrets[0]);
    tmx_cosignature_add_line(&w, tmx_written(&t), 80, &keys[0], secrets[0]);
    assert_int_equal(tmx_cosignature_verify(tmx_written(&w), &keys[0], &at), TMX_COSIGNATURE_OK);
    assert_int_equal(at, 80);
}

static void parse_ok(const char *text)
{
    const char *reason = NULL;
    const unsigned line = tmx_policy_parse(tmx_bytes_str(text), &policy, &reason);

    if (line != 0) {
        fail_msg("line %u: %s", line, reason);
    }
}

static struct tmx_quorum check(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
    const uint64_t times[N] = { a, b, c, d, e };
    uint8_t buffer[4096];
    struct tmx_quorum q;

    assert_true(tmx_policy_check(&policy, cosigned(times, buffer, sizeof buffer), &q));
    return q;
}

static void test_groups(void **state)
{
    char text[4096];
    struct tmx_quorum q;

    snprintf(text, sizeof text,
             "# two of three, and any of two\n\n"
             "log %s https://log.example/\n"
             "  witness X0 %s\n\twitness X1 %s https://w.example/\nwitness X2 %s\n"
             "group X 2 X0 X1 X2\nwitness Y3 %s\nwitness Y4 %s\ngroup Y any Y3 Y4\ngroup both all X Y\nquorum both\n",
             log_vkey, vkeys[0], vkeys[1], vkeys[2], vkeys[3], vkeys[4]);
    parse_ok(text);
    assert_int_equal(policy.n_witnesses, 5);
    assert_int_equal(policy.n_groups, 3);
    assert_ptr_equal(tmx_policy_log(&policy, head.origin), &policy.logs[0]);
    assert_null(tmx_policy_log(&policy, "tmx.test/log/2026b"));
    assert_false(check(0, 0, 0, 0, 0).reached);
    assert_false(check(1, 1, 1, 0, 0).reached);
    assert_false(check(1, 0, 0, 1, 1).reached);
    q = check(100, 300, 200, 0, 150);
    assert_true(q.reached);
    assert_int_equal(q.witnesses, 4);
    assert_int_equal(q.reached_s, 200); /* X with the second of its three, Y at 150 */
    assert_int_equal(q.latest_s, 300);
    q = check(100, 0, 100, 0, 400); /* equal times count both */
    assert_true(q.reached);
    assert_int_equal(q.reached_s, 400);
}

static void test_single_and_none(void **state)
{
    char text[1024];

    snprintf(text, sizeof text, "witness W %s\nquorum W\n", vkeys[1]);
    parse_ok(text);
    assert_false(check(5, 0, 5, 5, 5).reached);
    assert_int_equal(check(0, 7, 0, 0, 0).reached_s, 7);
    parse_ok("quorum none\n");
    assert_true(check(0, 0, 0, 0, 0).reached);
    assert_int_equal(check(1, 1, 0, 0, 0).witnesses, 0);
}

/* A line of a known witness that does not verify is no quorum without it: the note is refused. */
static void test_bad_line(void **state)
{
    static const uint64_t times[N] = { 10, 11, 12, 13, 14 };
    uint8_t buffer[4096], text[TMX_CHECKPOINT_MAX];
    struct tmx_writer w = TMX_WRITER_OF(buffer), t = TMX_WRITER_OF(text);
    struct tmx_quorum q;
    char policy_text[1024];

    snprintf(policy_text, sizeof policy_text, "witness A %s\nwitness B %s\ngroup g any A B\nquorum g\n", vkeys[0], vkeys[1]);
    parse_ok(policy_text);
    tmx_checkpoint_text(&head, &t);
    tmx_checkpoint_sign(&head, &log_key, log_secret, &w);
    tmx_cosignature_add_line(&w, tmx_written(&t), times[0], &keys[0], secrets[0]);
    tmx_cosignature_add_line(&w, TMX_LIT("another text\n"), times[1], &keys[1], secrets[1]);
    assert_false(tmx_policy_check(&policy, tmx_written(&w), &q));
}

static void test_refused(void **state)
{
    char witness[600], text[2400];
    const char *reason;

    snprintf(witness, sizeof witness, "witness A %s\nwitness B %s\n", vkeys[0], vkeys[1]);
    const struct {
        const char *text; /* behind the two witnesses */
        unsigned line;
    } bad[] = {
        { "", 2 },                                     /* no quorum */
        { "quorum C\n", 3 },
        { "quorum A\nquorum B\n", 4 },
        { "quorum A B\n", 3 },
        { "quorum A", 3 },                             /* no end of line */
        { "group A any B\nquorum A\n", 3 },            /* name taken */
        { "group none any B\nquorum A\n", 3 },
        { "group g 0 A B\nquorum g\n", 3 },
        { "group g 3 A B\nquorum g\n", 3 },
        { "group g 01 A B\nquorum g\n", 3 },
        { "group g some A B\nquorum g\n", 3 },
        { "group g any\nquorum g\n", 3 },
        { "group g any none\nquorum g\n", 3 },
        { "group g any A A\nquorum g\n", 3 },
        { "group g any A\ngroup h any A\nquorum h\n", 4 },
        { "group g any h\ngroup h any A\nquorum g\n", 3 },
        { "quorum A\r\n", 3 },
        { "witness A x\nquorum A\n", 3 },
        { "limits A\nquorum A\n", 3 },
    };

    for (size_t i = 0; i < TMX_N(bad); i++) {
        snprintf(text, sizeof text, "%s%s", witness, bad[i].text);
        reason = NULL;
        assert_int_equal(tmx_policy_parse(tmx_bytes_str(text), &policy, &reason), bad[i].line);
        assert_non_null(reason);
    }
    snprintf(text, sizeof text, "%switness C %s\nquorum A\n", witness, vkeys[1]);   /* a key twice */
    assert_int_equal(tmx_policy_parse(tmx_bytes_str(text), &policy, &reason), 3);
    snprintf(text, sizeof text, "witness A %s\nquorum A\n", log_vkey);              /* a log's key */
    assert_int_equal(tmx_policy_parse(tmx_bytes_str(text), &policy, &reason), 1);
    snprintf(text, sizeof text, "log %s\nquorum none\n", vkeys[0]);
    assert_int_equal(tmx_policy_parse(tmx_bytes_str(text), &policy, &reason), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cosignature), cmocka_unit_test(test_bent),   cmocka_unit_test(test_twice),
        cmocka_unit_test(test_groups),      cmocka_unit_test(test_single_and_none),
        cmocka_unit_test(test_bad_line),    cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests_name("policy", tests, setup, NULL);
}
