/* SPDX-License-Identifier: Apache-2.0
 * The plaintext of a container: what goes in comes out, and nothing that lies about its size is inflated.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include <tmx/code.h>
#include <tmx/envelope.h>

static struct tmx_arena arena;
static struct tmx_compressor *compressor;   /* used again and again, as a node does */
static uint8_t id[16] = { 1, 0x90, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 1 };

#define PB(literal) ((ProtobufCBinaryData){ .len = sizeof(literal) - 1, .data = (uint8_t *)(uintptr_t)"" literal })

static int setup(void **state)
{
    compressor = tmx_compressor_new();
    return compressor == NULL || sodium_init() < 0 || tmx_arena_init(&arena, 1 << 20) < 0 ? 1 : 0;
}

static int teardown(void **state)
{
    tmx_arena_deinit(&arena);
    compressor = tmx_compressor_free(compressor);
    return 0;
}

static void content_init(Tmx__Content *c)
{
    *c = (Tmx__Content)TMX__CONTENT__INIT;
    c->message_id = (ProtobufCBinaryData){ .len = 16, .data = id };
    c->message_type = PB("CD001C");
    c->mrn = PB("26DE123456789012J0");
    c->file_name = PB("declaration.xml");
}

static int unpack(struct tmx_bytes plaintext)
{
    Tmx__Content *c = NULL;
    uint8_t *payload = NULL;
    size_t size = 0;
    tmx_arena_reset(&arena);
    int r = tmx_content_unpack(plaintext, &arena, &c, &payload, &size);
    assert_true((r == TMX_CODE_OK) == (payload != NULL && c != NULL));
    free(payload);
    return r;
}

/* CON-3, CON-1 */
static void round_trip(struct tmx_bytes payload, bool compressible)
{
    Tmx__Content in, *out = NULL;
    uint8_t *plaintext = NULL, *got = NULL;
    size_t size = 0, got_size = 1;
    content_init(&in);
    assert_int_equal(tmx_content_pack(compressor, &in, payload, &plaintext, &size), 0);
    uint8_t *once = NULL;
    size_t once_size = 0;
    assert_int_equal(tmx_content_pack(NULL, &in, payload, &once, &once_size), 0);
    assert_true(tmx_bytes_eq(TMX_BYTES(once, once_size), TMX_BYTES(plaintext, size)));
    free(once);
    assert_int_equal(size % TMX_PADDING, 0);
    assert_int_equal(in.payload_bytes, payload.size);
    assert_int_equal(in.compression, compressible);
    assert_true(compressible ? in.stored_bytes < payload.size : in.stored_bytes == payload.size);
    assert_true(size < in.stored_bytes + 256 + TMX_PADDING);
    tmx_arena_reset(&arena);
    assert_int_equal(tmx_content_unpack(TMX_BYTES(plaintext, size), &arena, &out, &got, &got_size), TMX_CODE_OK);
    assert_true(tmx_bytes_eq(TMX_BYTES(got, got_size), payload));
    assert_true(tmx_bytes_eq(tmx_pb(out->message_id), tmx_pb(in.message_id)));
    assert_true(tmx_bytes_eq(tmx_pb(out->mrn), tmx_pb(in.mrn)));
    assert_true(tmx_bytes_eq(tmx_pb(out->file_name), tmx_pb(in.file_name)));
    free(plaintext);
    free(got);
}

static void test_round_trip(void **state)
{
    static const size_t sizes[] = { 0, 1, 2, 100, 255, 256, 257, 4096, 100000, 1 << 20 };
    static const uint8_t seed[32] = { 5 };
    uint8_t *data = malloc(TMX_PAYLOAD_MAX + 1);
    assert_non_null(data);
    for (size_t i = 0; i < TMX_N(sizes); i++) {
        memset(data, 'x', sizes[i]);
        round_trip(TMX_BYTES(data, sizes[i]), sizes[i] >= 100);
        randombytes_buf_deterministic(data, sizes[i], seed);
        round_trip(TMX_BYTES(data, sizes[i]), false);
    }
    /* every fill of the padding */
    for (size_t size = 300; size < 300 + 2 * TMX_PADDING; size++) {
        randombytes_buf_deterministic(data, size, seed);
        round_trip(TMX_BYTES(data, size), false);
    }
    memset(data, 0, TMX_PAYLOAD_MAX + 1);
    round_trip(TMX_BYTES(data, TMX_PAYLOAD_MAX), true);
    Tmx__Content c;
    uint8_t *plaintext = NULL;
    size_t size;
    content_init(&c);
    assert_int_equal(tmx_content_pack(NULL, &c, TMX_BYTES(data, TMX_PAYLOAD_MAX + 1), &plaintext, &size), -EMSGSIZE);
    c.file_name = (ProtobufCBinaryData){ .len = TMX_CONTENT_MAX, .data = data };
    assert_int_equal(tmx_content_pack(NULL, &c, TMX_LIT("x"), &plaintext, &size), -EMSGSIZE);
    assert_null(plaintext);
    free(data);
}

/* A plaintext as an evil sender would write it: these sizes, this stored payload, this padding. */
static int crafted(uint64_t payload_bytes, uint32_t compression, uint64_t stored_bytes, struct tmx_bytes stored,
                   const char *padding, size_t padding_size)
{
    Tmx__Content c;
    struct tmx_bytes message;
    content_init(&c);
    c.payload_bytes = payload_bytes;
    c.compression = compression;
    c.stored_bytes = stored_bytes;
    tmx_arena_reset(&arena);
    assert_int_equal(tmx_codec_pack(&c, &arena, &message), TMX_CODEC_OK);
    size_t capacity = message.size + stored.size + padding_size + 3 * TMX_PADDING;
    uint8_t *data = calloc(1, capacity);
    assert_non_null(data);
    struct tmx_writer w = tmx_writer_init(data, capacity);
    tmx_write_u32(&w, (uint32_t)message.size);
    tmx_write_bytes(&w, message);
    tmx_write_bytes(&w, stored);
    tmx_write_bytes(&w, TMX_BYTES(padding, padding_size));
    size_t size = (w.used + TMX_PADDING - 1) / TMX_PADDING * TMX_PADDING;
    int r = unpack(TMX_BYTES(data, size));
    free(data);
    return r;
}

/* CON-1 */
static void test_sizes_and_padding(void **state)
{
    static const char zeros[TMX_PADDING];
    struct tmx_bytes four = TMX_LIT("four");
    assert_int_equal(crafted(4, 0, 4, four, "", 0), TMX_CODE_OK);
    assert_int_equal(crafted(4, 0, 4, four, "\1", 1), TMX_CODE_CONTENT_INVALID);
    assert_int_equal(crafted(4, 0, 4, four, "\0\0\1", 3), TMX_CODE_CONTENT_INVALID);
    assert_int_equal(crafted(4, 0, 4, four, zeros, sizeof(zeros)), TMX_CODE_CONTENT_INVALID);
    /* a payload that ends on the boundary takes no padding, and no whole block of it */
    static uint8_t data[2 * TMX_PADDING];
    size_t full = 0;
    for (size_t size = 100; size < 100 + TMX_PADDING; size++) {
        if (crafted(size, 0, size, TMX_BYTES(data, size), zeros, sizeof(zeros)) == TMX_CODE_OK) {
            fail();
        }
        full += crafted(size, 0, size, TMX_BYTES(data, size), zeros, sizeof(zeros) - 1) == TMX_CODE_OK;
    }
    assert_int_equal(full, 1);   /* the one size that leaves 255 */
    assert_int_equal(crafted(3, 0, 3, four, "", 0), TMX_CODE_CONTENT_INVALID);
    assert_int_equal(crafted(5, 0, 4, four, "", 0), TMX_CODE_CONTENT_INVALID);
    assert_int_equal(crafted(4, 0, 5, four, "", 0), TMX_CODE_CONTENT_INVALID);
    assert_int_equal(crafted(4, 2, 4, four, "", 0), TMX_CODE_CONTENT_INVALID);
    assert_int_equal(crafted(1000, 0, 1000, four, "", 0), TMX_CODE_CONTENT_INVALID);
    assert_int_equal(crafted(0, 0, 0, TMX_BYTES_NULL, "", 0), TMX_CODE_OK);
    assert_int_equal(crafted(UINT64_MAX, 0, UINT64_MAX, four, "", 0), TMX_CODE_CONTENT_INVALID);
}

static struct tmx_bytes compressed(const uint8_t *data, size_t size, uint8_t *buffer, size_t capacity)
{
    size_t n = ZSTD_compress(buffer, capacity, data, size, 3);
    assert_false(ZSTD_isError(n));
    return TMX_BYTES(buffer, n);
}

/* A frame without its size in the header: only inflating shows how much there is. */
static struct tmx_bytes compressed_blind(const uint8_t *data, size_t size, uint8_t *buffer, size_t capacity)
{
    ZSTD_CCtx *z = ZSTD_createCCtx();
    assert_non_null(z);
    assert_false(ZSTD_isError(ZSTD_CCtx_setParameter(z, ZSTD_c_contentSizeFlag, 0)));
    size_t n = ZSTD_compress2(z, buffer, capacity, data, size);
    assert_false(ZSTD_isError(n));
    ZSTD_freeCCtx(z);
    return TMX_BYTES(buffer, n);
}

/* CON-1: one frame of exactly the declared size, bounded before it is inflated. */
static void test_bombs(void **state)
{
    const size_t large = TMX_PAYLOAD_MAX + 1;
    uint8_t *zeros = calloc(1, large);
    static uint8_t buffer[65536];
    assert_non_null(zeros);

    struct tmx_bytes honest = compressed(zeros, 10000, buffer, sizeof(buffer));
    assert_int_equal(crafted(10000, 1, honest.size, honest, "", 0), TMX_CODE_OK);
    assert_int_equal(crafted(9999, 1, honest.size, honest, "", 0), TMX_CODE_CONTENT_INVALID);
    assert_int_equal(crafted(10001, 1, honest.size, honest, "", 0), TMX_CODE_CONTENT_INVALID);
    assert_int_equal(crafted(0, 1, honest.size, honest, "", 0), TMX_CODE_CONTENT_INVALID);
    assert_int_equal(crafted(10000, 1, honest.size - 1, tmx_bytes_slice(honest, 0, honest.size - 1), "", 0),
                     TMX_CODE_CONTENT_INVALID);
    assert_int_equal(crafted(10000, 0, honest.size, honest, "", 0), TMX_CODE_CONTENT_INVALID);

    /* more than the limit, honestly and not */
    struct tmx_bytes bomb = compressed(zeros, large, buffer, sizeof(buffer));
    assert_int_equal(crafted(large, 1, bomb.size, bomb, "", 0), TMX_CODE_CONTENT_INVALID);
    assert_int_equal(crafted(TMX_PAYLOAD_MAX, 1, bomb.size, bomb, "", 0), TMX_CODE_CONTENT_INVALID);
    assert_int_equal(crafted(100, 1, bomb.size, bomb, "", 0), TMX_CODE_CONTENT_INVALID);

    bomb = compressed_blind(zeros, large, buffer, sizeof(buffer));
    assert_int_equal(crafted(TMX_PAYLOAD_MAX, 1, bomb.size, bomb, "", 0), TMX_CODE_CONTENT_INVALID);
    assert_int_equal(crafted(100, 1, bomb.size, bomb, "", 0), TMX_CODE_CONTENT_INVALID);
    bomb = compressed_blind(zeros, TMX_PAYLOAD_MAX, buffer, sizeof(buffer));
    assert_int_equal(crafted(TMX_PAYLOAD_MAX, 1, bomb.size, bomb, "", 0), TMX_CODE_OK);
    assert_int_equal(crafted(TMX_PAYLOAD_MAX - 1, 1, bomb.size, bomb, "", 0), TMX_CODE_CONTENT_INVALID);
    bomb = compressed_blind(zeros, 10000, buffer, sizeof(buffer));
    assert_int_equal(crafted(10000, 1, bomb.size, bomb, "", 0), TMX_CODE_OK);
    assert_int_equal(crafted(10001, 1, bomb.size, bomb, "", 0), TMX_CODE_CONTENT_INVALID);
    free(zeros);
}

/* CON-1: nothing but one frame. */
static void test_frames(void **state)
{
    static uint8_t buffer[4096];
    static const uint8_t data[500] = { 1 };
    struct tmx_bytes one = compressed(data, sizeof(data), buffer, 2048);
    size_t n = one.size;
    memcpy(buffer + n, buffer, n);
    assert_int_equal(crafted(500, 1, n, one, "", 0), TMX_CODE_OK);
    assert_int_equal(crafted(1000, 1, 2 * n, TMX_BYTES(buffer, 2 * n), "", 0), TMX_CODE_CONTENT_INVALID);
    assert_int_equal(crafted(500, 1, 2 * n, TMX_BYTES(buffer, 2 * n), "", 0), TMX_CODE_CONTENT_INVALID);
    /* trailing garbage within the stored bytes; a skippable frame before, after and alone */
    memcpy(buffer + n, "gar", 3);
    assert_int_equal(crafted(500, 1, n + 3, TMX_BYTES(buffer, n + 3), "", 0), TMX_CODE_CONTENT_INVALID);
    memcpy(buffer + n, "\x50\x2a\x4d\x18\x00\x00\x00\x00", 8);
    assert_int_equal(crafted(500, 1, n + 8, TMX_BYTES(buffer, n + 8), "", 0), TMX_CODE_CONTENT_INVALID);
    memmove(buffer + 8, buffer, n);
    memcpy(buffer, "\x50\x2a\x4d\x18\x00\x00\x00\x00", 8);
    assert_int_equal(crafted(500, 1, n + 8, TMX_BYTES(buffer, n + 8), "", 0), TMX_CODE_CONTENT_INVALID);
    assert_int_equal(crafted(0, 1, 8, TMX_BYTES(buffer, 8), "", 0), TMX_CODE_CONTENT_INVALID);
    assert_int_equal(crafted(1, 1, 8, TMX_BYTES(buffer, 8), "", 0), TMX_CODE_CONTENT_INVALID);
    /* "four" in the format of zstd 0.7, which the library still reads */
    struct tmx_bytes legacy = TMX_LIT("\x27\xb5\x2f\xfd\x20\x04\x40\x00\x04" "four" "\xc0\x00\x00");
    assert_int_equal(ZSTD_decompress(buffer, sizeof(buffer), legacy.data, legacy.size), 4);
    assert_int_equal(crafted(4, 1, legacy.size, legacy, "", 0), TMX_CODE_CONTENT_INVALID);
    /* a frame of nothing is a frame */
    struct tmx_bytes empty = compressed(data, 0, buffer, sizeof(buffer));
    assert_int_equal(crafted(0, 1, empty.size, empty, "", 0), TMX_CODE_OK);
    assert_int_equal(crafted(1, 1, empty.size, empty, "", 0), TMX_CODE_CONTENT_INVALID);
}

/* CON-2's fields are there to compare; the whole plaintext is canonical. */
static void test_malformed(void **state)
{
    Tmx__Content c;
    uint8_t *plaintext = NULL;
    size_t size = 0;
    content_init(&c);
    assert_int_equal(tmx_content_pack(NULL, &c, TMX_LIT("payload"), &plaintext, &size), 0);
    assert_int_equal(size, TMX_PADDING);
    assert_int_equal(unpack(TMX_BYTES(plaintext, size)), TMX_CODE_OK);
    for (size_t cut = 0; cut < size; cut++) {
        assert_int_equal(unpack(TMX_BYTES(plaintext, cut)), TMX_CODE_CONTENT_INVALID);
    }
    plaintext[0] = 0xff;   /* a Content longer than everything */
    assert_int_equal(unpack(TMX_BYTES(plaintext, size)), TMX_CODE_CONTENT_INVALID);
    plaintext[0] = 0;
    plaintext[4] = 0x08;   /* field 1 as a varint */
    assert_int_equal(unpack(TMX_BYTES(plaintext, size)), TMX_CODE_CONTENT_INVALID);
    free(plaintext);

    content_init(&c);
    c.message_id.len = 15;
    assert_int_equal(tmx_content_pack(NULL, &c, TMX_LIT("payload"), &plaintext, &size), 0);
    assert_int_equal(unpack(TMX_BYTES(plaintext, size)), TMX_CODE_CONTENT_INVALID);
    free(plaintext);
    content_init(&c);
    c.message_type = PB("cd");
    assert_int_equal(tmx_content_pack(NULL, &c, TMX_LIT("payload"), &plaintext, &size), 0);
    assert_int_equal(unpack(TMX_BYTES(plaintext, size)), TMX_CODE_CONTENT_INVALID);
    free(plaintext);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_sizes_and_padding), cmocka_unit_test(test_bombs),
        cmocka_unit_test(test_frames),     cmocka_unit_test(test_malformed),
    };
    return cmocka_run_group_tests_name("content", tests, setup, teardown);
}
