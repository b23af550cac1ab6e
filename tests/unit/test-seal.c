/* SPDX-License-Identifier: Apache-2.0
 * The sealed container: the published vector, round trips, and that nothing but the very bytes, names and keys opens.
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

#include <tmx/seal.h>
#include <tmx/text.h>

/* Everybody of one sealing. Secrets are made from their index: tests only. */
struct party {
    size_t n;
    uint8_t message_id[TMX_ID_SIZE];
    char names[TMX_RECIPIENTS_MAX][TMX_MEMBER_MAX + 1];
    struct tmx_bytes recipients[TMX_RECIPIENTS_MAX];
    uint8_t prekey_secret[TMX_RECIPIENTS_MAX][32];
    uint8_t prekey[TMX_RECIPIENTS_MAX][32];
    struct tmx_seal_sender sender;
    struct tmx_seal_context ctx;
    struct tmx_seal_slot slots[TMX_RECIPIENTS_MAX];
    uint8_t random[56];
};

static void party_init(struct party *p, size_t n)
{
    uint8_t seed[32];
    memset(p, 0, sizeof(*p));
    p->n = n;
    memset(p->message_id, 0x42, sizeof(p->message_id));
    memset(seed, 0x77, sizeof(seed));
    tmx_seal_sender_init(seed, &p->sender);
    for (size_t i = 0; i < sizeof(p->random); i++) {
        p->random[i] = (uint8_t)i;
    }
    p->ctx = (struct tmx_seal_context){
        .message_id = p->message_id, .sender = TMX_LIT("DE"), .n_recipients = n, .recipients = p->recipients
    };
    for (size_t i = 0; i < n; i++) {
        snprintf(p->names[i], sizeof(p->names[i]), "R%zu", i);
        p->recipients[i] = tmx_bytes_str(p->names[i]);
        memset(p->prekey_secret[i], (int)(0x80 + i), 32);
        assert_int_equal(crypto_scalarmult_base(p->prekey[i], p->prekey_secret[i]), 0);
        tmx_seal_key_id(p->prekey[i], p->slots[i].key_id);
        assert_true(tmx_seal_pair_send(&p->sender, p->prekey[i], p->ctx.sender, p->recipients[i], p->slots[i].ps));
    }
}

static struct tmx_bytes seal(const struct party *p, struct tmx_bytes plaintext, uint8_t *buffer, size_t size,
                             uint8_t ret_key[32])
{
    struct tmx_writer w = tmx_writer_init(buffer, size);
    tmx_seal(&w, plaintext, &p->ctx, &p->sender, p->slots, p->random, ret_key);
    return tmx_written(&w);
}

/* SEAL-1 */
static void test_round_trip(void **state)
{
    static const size_t counts[] = { 1, 2, 64 };
    static const size_t sizes[] = { 0, 1, 256, 5000 };
    static uint8_t plaintext[5000], buffer[16384], opened[16384];
    struct party p;
    memset(plaintext, 0xa5, sizeof(plaintext));
    for (size_t c = 0; c < TMX_N(counts); c++) {
        party_init(&p, counts[c]);
        for (size_t s = 0; s < TMX_N(sizes); s++) {
            uint8_t key[32], key_again[32], ps[32];
            struct tmx_seal_outside outside;
            struct tmx_bytes b = seal(&p, TMX_BYTES(plaintext, sizes[s]), buffer, sizeof(buffer), key);
            assert_int_equal(b.size, TMX_SEAL_OVERHEAD(counts[c]) + sizes[s]);
            assert_true(tmx_seal_parse(b, &outside));
            assert_int_equal(outside.n_slots, counts[c]);
            for (unsigned i = 0; i < counts[c]; i++) {
                size_t size = 1;
                assert_memory_equal(outside.slots + i * TMX_SEAL_SLOT, p.slots[i].key_id, 8);
                assert_true(tmx_seal_pair_receive(outside.epk, p.prekey_secret[i], p.prekey[i], p.ctx.sender,
                                                  p.recipients[i], ps));
                assert_memory_equal(ps, p.slots[i].ps, 32);
                assert_true(tmx_seal_open(b, &p.ctx, i, ps, opened, &size, key_again));
                assert_int_equal(size, sizes[s]);
                assert_memory_equal(opened, plaintext, size);
                assert_memory_equal(key, key_again, 32);
            }
        }
    }
}

/* The seal covers every bit of a container: each one changed, none opens, by slot or by a disclosed key. */
static void test_tamper(void **state)
{
    struct party p;
    uint8_t buffer[512], opened[512], key[32], ret_key[32];
    size_t size = 0;
    party_init(&p, 2);
    struct tmx_bytes b = seal(&p, TMX_LIT("small"), buffer, sizeof(buffer), key);
    for (size_t at = 0; at < b.size; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            buffer[at] ^= (uint8_t)(1u << bit);
            /* slot 0's reader does not look into slot 1, but the commitment covers it */
            assert_false(tmx_seal_open(b, &p.ctx, 0, p.slots[0].ps, opened, &size, ret_key));
            assert_false(tmx_seal_open_disclosed(b, &p.ctx, key, opened, &size));
            buffer[at] ^= (uint8_t)(1u << bit);
        }
    }
    for (size_t cut = 0; cut < b.size; cut++) {
        assert_false(tmx_seal_open(TMX_BYTES(b.data, cut), &p.ctx, 0, p.slots[0].ps, opened, &size, ret_key));
    }
    assert_int_equal(size, 0);
    assert_true(tmx_seal_open(b, &p.ctx, 0, p.slots[0].ps, opened, &size, ret_key));
}

/* Names, order and number of recipients and the message id are bound in. */
static void test_wrong_context(void **state)
{
    struct party p;
    uint8_t buffer[512], opened[512], key[32], ret_key[32], ps[32];
    size_t size = 0;
    party_init(&p, 2);
    struct tmx_bytes b = seal(&p, TMX_LIT("small"), buffer, sizeof(buffer), key);
    uint8_t other_id[TMX_ID_SIZE] = { 1 };
    struct tmx_bytes swapped[2] = { p.recipients[1], p.recipients[0] };
    struct tmx_bytes longer[3] = { p.recipients[0], p.recipients[1], TMX_LIT("XX") };
    struct tmx_seal_context wrong[] = { p.ctx, p.ctx, p.ctx, p.ctx, p.ctx };
    wrong[0].message_id = other_id;
    wrong[1].sender = TMX_LIT("FR");
    wrong[2].recipients = swapped;
    wrong[3].recipients = longer;
    wrong[3].n_recipients = 3;
    wrong[4].n_recipients = 1;
    for (size_t i = 0; i < TMX_N(wrong); i++) {
        assert_false(tmx_seal_open(b, &wrong[i], 0, p.slots[0].ps, opened, &size, ret_key));
        assert_false(tmx_seal_open_disclosed(b, &wrong[i], key, opened, &size));
    }
    /* SEAL-1: the wrong slot, and a slot that is not there */
    assert_false(tmx_seal_open(b, &p.ctx, 1, p.slots[0].ps, opened, &size, ret_key));
    assert_false(tmx_seal_open(b, &p.ctx, 2, p.slots[0].ps, opened, &size, ret_key));
    assert_false(tmx_seal_open(b, &p.ctx, 1u << 30, p.slots[0].ps, opened, &size, ret_key));
    /* the pair key holds the names: another sender's or another recipient's pair is another key */
    assert_true(tmx_seal_pair_receive(p.sender.public, p.prekey_secret[0], p.prekey[0], TMX_LIT("FR"),
                                      p.recipients[0], ps));
    assert_false(tmx_seal_open(b, &p.ctx, 0, ps, opened, &size, ret_key));
    assert_true(tmx_seal_pair_receive(p.sender.public, p.prekey_secret[0], p.prekey[0], p.ctx.sender,
                                      p.recipients[1], ps));
    assert_false(tmx_seal_open(b, &p.ctx, 0, ps, opened, &size, ret_key));
}

/* A repeated random value meets a second plaintext under another key. */
static void test_content_key_depends_on_content(void **state)
{
    struct party p;
    uint8_t a[512], b[512], key_a[32], key_b[32];
    party_init(&p, 1);
    seal(&p, TMX_LIT("one"), a, sizeof(a), key_a);
    seal(&p, TMX_LIT("two"), b, sizeof(b), key_b);
    assert_memory_not_equal(key_a, key_b, 32);
    p.message_id[0] ^= 1;
    seal(&p, TMX_LIT("one"), b, sizeof(b), key_b);
    assert_memory_not_equal(key_a, key_b, 32);
}

static void test_disclosed_key(void **state)
{
    struct party p;
    uint8_t buffer[512], opened[512], key[32];
    size_t size = 0;
    party_init(&p, 2);
    struct tmx_bytes b = seal(&p, TMX_LIT("small"), buffer, sizeof(buffer), key);
    assert_true(tmx_seal_open_disclosed(b, &p.ctx, key, opened, &size));
    assert_int_equal(size, 5);
    assert_memory_equal(opened, "small", 5);
    key[31] ^= 1;
    assert_false(tmx_seal_open_disclosed(b, &p.ctx, key, opened, &size));
}

/* SEAL-1: the commitment alone. A container whose ciphertext is right in every other way, made with its key, opens
 * for nobody when it commits to another one. */
static void test_commitment(void **state)
{
    static const uint8_t nonce[24];
    struct party p;
    uint8_t buffer[512], opened[512], key[32], ret_key[32], k[64], input[512], ad[512];
    size_t size = 0;
    party_init(&p, 1);
    struct tmx_bytes b = seal(&p, TMX_LIT("small"), buffer, sizeof(buffer), key);
    size_t commit = TMX_SEAL_HEAD + TMX_SEAL_SLOT;
    size_t front = commit + TMX_SEAL_COMMIT;
    struct tmx_bytes context = TMX_LIT("\x42\x42\x42\x42\x42\x42\x42\x42\x42\x42\x42\x42\x42\x42\x42\x42"
                                       "\2" "DE" "\1" "\2" "R0");
    struct tmx_writer w = TMX_WRITER_OF(input);
    tmx_write_bytes(&w, TMX_LIT("TMX1 cek\0"));
    tmx_write_bytes(&w, tmx_bytes_slice(b, 0, commit));
    tmx_write_bytes(&w, context);
    crypto_generichash(k, 64, input, w.used, key, 32);
    assert_memory_equal(k + 32, buffer + commit, 32);
    for (unsigned wrong = 0; wrong < 2; wrong++) {
        buffer[commit] ^= (uint8_t)wrong;
        w = TMX_WRITER_OF(ad);
        tmx_write_bytes(&w, tmx_bytes_slice(b, 0, front));
        tmx_write_bytes(&w, context);
        crypto_aead_xchacha20poly1305_ietf_encrypt(buffer + front, NULL, (const uint8_t *)"small", 5, ad, w.used, NULL,
                                                   nonce, k);
        assert_int_equal(tmx_seal_open(b, &p.ctx, 0, p.slots[0].ps, opened, &size, ret_key), wrong == 0);
    }
}

static void test_small_order(void **state)
{
    static const uint8_t bad[][32] = {
        { 0 },
        { 1 },
        { 0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a,
          0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00 },
    };
    struct party p;
    uint8_t ps[32];
    party_init(&p, 1);
    for (size_t i = 0; i < TMX_N(bad); i++) {
        assert_false(tmx_seal_pair_send(&p.sender, bad[i], p.ctx.sender, p.recipients[0], ps));
        assert_false(tmx_seal_pair_receive(bad[i], p.prekey_secret[0], p.prekey[0], p.ctx.sender, p.recipients[0],
                                           ps));
    }
}

static void test_outside(void **state)
{
    static const struct {
        size_t at;
        uint8_t value;
    } bad[] = { { 0, 'C' }, { 4, 0 }, { 4, 2 }, { 5, 0 }, { 5, 65 }, { 5, 3 }, { 6, 1 }, { 7, 1 } };
    struct party p;
    struct tmx_seal_outside outside;
    uint8_t buffer[512], key[32];
    party_init(&p, 2);
    struct tmx_bytes b = seal(&p, TMX_LIT("small"), buffer, sizeof(buffer), key);
    for (size_t i = 0; i < TMX_N(bad); i++) {
        uint8_t kept = buffer[bad[i].at];
        buffer[bad[i].at] = bad[i].value;
        assert_false(tmx_seal_parse(b, &outside));
        buffer[bad[i].at] = kept;
    }
    assert_true(tmx_seal_parse(b, &outside));
    assert_true(tmx_seal_parse(TMX_BYTES(b.data, TMX_SEAL_OVERHEAD(2)), &outside));
    assert_false(tmx_seal_parse(TMX_BYTES(b.data, TMX_SEAL_OVERHEAD(2) - 1), &outside));
    assert_false(tmx_seal_parse(TMX_BYTES(b.data, TMX_CONTAINER_MAX + 1), &outside));
}

static void test_no_room(void **state)
{
    struct party p;
    uint8_t buffer[512], key[32];
    party_init(&p, 1);
    for (size_t size = 0; size < TMX_SEAL_OVERHEAD(1) + 5; size++) {
        struct tmx_writer w = tmx_writer_init(buffer, size);
        tmx_seal(&w, TMX_LIT("small"), &p.ctx, &p.sender, p.slots, p.random, key);
        assert_true(w.failed);
        assert_int_equal(w.used, 0);
    }
}

/* The nth value of `field` in a vector file; names are text, the rest is hex. */
static size_t vector(const char *file, const char *field, size_t nth, uint8_t *ret_data, size_t capacity)
{
    char line[2048], prefix[32];
    size_t size = 0;
    bool found = false;
    FILE *f = fopen(file, "r");
    assert_non_null(f);
    size_t length = (size_t)snprintf(prefix, sizeof(prefix), "%s = ", field);
    while (!found && fgets(line, sizeof(line), f) != NULL) {
        if (strncmp(line, prefix, length) != 0 || nth-- != 0) {
            continue;
        }
        line[strcspn(line, "\n")] = 0;
        struct tmx_bytes value = tmx_bytes_str(line + length);
        found = true;
        if (strcmp(field, "sender") == 0 || strcmp(field, "recipient") == 0) {
            size = value.size;
            assert_true(size <= capacity);
            memcpy(ret_data, value.data, size);
        } else {
            size = value.size / 2;
            assert_true(size <= capacity && tmx_unhex(value, ret_data, size));
        }
    }
    fclose(f);
    assert_true(found);
    return size;
}

/* SEAL-2 (digest), and the container bytes: the answers were computed by independent code. */
static void test_vector(void **state)
{
    const char *folder = getenv("TMX_VECTORS");
    char file[1024];
    struct party p;
    uint8_t esk[32], plaintext[512], expected[1024], buffer[1024], key[32], digest[32], sender[8], names[2][8];
    assert_non_null(folder);
    snprintf(file, sizeof(file), "%s/container.txt", folder);

    memset(&p, 0, sizeof(p));
    assert_int_equal(vector(file, "message_id", 0, p.message_id, 16), 16);
    assert_int_equal(vector(file, "esk", 0, esk, 32), 32);
    assert_int_equal(vector(file, "salt", 0, p.random, 24), 24);
    assert_int_equal(vector(file, "random", 0, p.random + 24, 32), 32);
    size_t size = vector(file, "plaintext", 0, plaintext, sizeof(plaintext));
    p.ctx = (struct tmx_seal_context){ .message_id = p.message_id,
                                       .sender = TMX_BYTES(sender, vector(file, "sender", 0, sender, 8)),
                                       .n_recipients = 2,
                                       .recipients = p.recipients };
    tmx_seal_sender_init(esk, &p.sender);
    assert_int_equal(vector(file, "epk", 0, expected, 32), 32);
    assert_memory_equal(p.sender.public, expected, 32);
    for (size_t i = 0; i < 2; i++) {
        p.recipients[i] = TMX_BYTES(names[i], vector(file, "recipient", i, names[i], 8));
        assert_int_equal(vector(file, "prekey_secret", i, p.prekey_secret[i], 32), 32);
        assert_int_equal(vector(file, "prekey", i, p.prekey[i], 32), 32);
        assert_true(tmx_seal_pair_send(&p.sender, p.prekey[i], p.ctx.sender, p.recipients[i], p.slots[i].ps));
        assert_int_equal(vector(file, "ps", i, expected, 32), 32);
        assert_memory_equal(p.slots[i].ps, expected, 32);
        tmx_seal_key_id(p.prekey[i], p.slots[i].key_id);
    }
    struct tmx_bytes b = seal(&p, TMX_BYTES(plaintext, size), buffer, sizeof(buffer), key);
    assert_int_equal(vector(file, "content_key", 0, expected, 32), 32);
    assert_memory_equal(key, expected, 32);
    assert_int_equal(vector(file, "container", 0, expected, sizeof(expected)), b.size);
    assert_memory_equal(b.data, expected, b.size);
    tmx_digest(b, digest);
    assert_int_equal(vector(file, "container_digest", 0, expected, 32), 32);
    assert_memory_equal(digest, expected, 32);
}

static int setup(void **state)
{
    return sodium_init() < 0 ? 1 : 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vector),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_tamper),
        cmocka_unit_test(test_wrong_context),
        cmocka_unit_test(test_content_key_depends_on_content),
        cmocka_unit_test(test_disclosed_key),
        cmocka_unit_test(test_commitment),
        cmocka_unit_test(test_small_order),
        cmocka_unit_test(test_outside),
        cmocka_unit_test(test_no_room),
    };
    return cmocka_run_group_tests_name("seal", tests, setup, NULL);
}
