/* SPDX-License-Identifier: Apache-2.0
 * The protobuf codec: one encoding per message, no amplification. ENV-2, ENV-3 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <directory.pb-c.h>
#include <envelope.pb-c.h>
#include <link.pb-c.h>
#include <tmx/codec.h>
#include <tmx/limits.h>

#define ARENA_SIZE (1u << 20)

static struct tmx_arena arena;

static int open_arena(void **state)
{
    return tmx_arena_init(&arena, ARENA_SIZE);
}

static int close_arena(void **state)
{
    tmx_arena_deinit(&arena);
    return 0;
}

static int unpack(const ProtobufCMessageDescriptor *type, struct tmx_bytes input, void *ret_message)
{
    tmx_arena_reset(&arena);
    /* an exact heap copy: a sanitizer sees a read past the end */
    uint8_t *copy = malloc(input.size + (input.size == 0));
    if (input.size > 0) {
        memcpy(copy, input.data, input.size);
    }
    int verdict = tmx_codec_unpack(type, TMX_BYTES(copy, input.size), ARENA_SIZE, &arena, ret_message);
    free(copy);
    return verdict;
}

static Tmx__Header full_header(void)
{
    static Tmx__Recipient recipients[2] = { TMX__RECIPIENT__INIT, TMX__RECIPIENT__INIT };
    static Tmx__Recipient *list[] = { &recipients[0], &recipients[1] };
    static Tmx__Head seen = TMX__HEAD__INIT;
    Tmx__Header h = TMX__HEADER__INIT;

    recipients[0].member = tmx_to_pb(TMX_LIT("IT"));
    recipients[0].seq = 300;
    recipients[0].prev = 17;
    recipients[1].member = tmx_to_pb(TMX_LIT("F\0R"));   /* a NUL is a byte like any other */
    recipients[1].seq = 1;
    seen.shard = tmx_to_pb(TMX_LIT("2026a"));
    seen.size = UINT64_MAX;
    h.kind = TMX__KIND__KIND_HEADER;
    h.sender = tmx_to_pb(TMX_LIT("DE"));
    h.n_recipients = 2;
    h.recipients = list;
    h.message_id = tmx_to_pb(TMX_LIT("0123456789abcdef"));
    h.priority = 4;
    h.seen = &seen;
    return h;
}

static void what_is_packed_comes_back(void **state)
{
    Tmx__Header h = full_header();
    Tmx__Header *back;
    struct tmx_bytes bytes, again;

    tmx_arena_reset(&arena);
    assert_int_equal(tmx_codec_pack(&h, &arena, &bytes), TMX_CODEC_OK);
    assert_int_equal(tmx_codec_unpack(&tmx__header__descriptor, bytes, TMX_HEADER_MAX, &arena, &back), TMX_CODEC_OK);
    assert_int_equal(back->n_recipients, 2);
    assert_int_equal(back->recipients[0]->seq, 300);
    assert_true(tmx_bytes_eq(tmx_pb(back->recipients[1]->member), TMX_LIT("F\0R")));
    assert_true(back->seen->size == UINT64_MAX);
    assert_null(back->movement_label.data);
    assert_int_equal(tmx_codec_pack(back, &arena, &again), TMX_CODEC_OK);
    assert_true(tmx_bytes_eq(bytes, again));

    /* every prefix is a shorter message or malformed, and none is read past its end */
    uint8_t copy[256];
    struct tmx_writer w = TMX_WRITER_OF(copy);
    tmx_write_bytes(&w, bytes);
    for (size_t n = 0; n < bytes.size; n++) {
        int verdict = unpack(&tmx__header__descriptor, tmx_bytes_slice(tmx_written(&w), 0, n), &back);
        assert_true(verdict == TMX_CODEC_OK || verdict == TMX_CODEC_E_MALFORMED);
    }
}

static void an_empty_message_is_canonical(void **state)
{
    Tmx__Publish *p;
    struct tmx_bytes bytes;

    assert_int_equal(unpack(&tmx__publish__descriptor, TMX_BYTES_NULL, &p), TMX_CODEC_OK);
    assert_int_equal(tmx_codec_pack(p, &arena, &bytes), TMX_CODEC_OK);
    assert_int_equal(bytes.size, 0);
}

/* ENV-2: each of these is a way to write a message twice, or no message at all */
static void only_the_canonical_encoding_is_taken(void **state)
{
    static const struct {
        const char *what;
        struct tmx_bytes bytes;
        int verdict;
    } cases[] = {
        { "canonical", { (const uint8_t *)"\x08\x81\x02\x10\x01\x2a\x04\x0a\x02IT", 11 }, TMX_CODEC_OK },
        { "long varint", { (const uint8_t *)"\x08\x81\x82\x00", 4 }, TMX_CODEC_E_MALFORMED },
        { "long tag", { (const uint8_t *)"\x88\x00\x01", 3 }, TMX_CODEC_E_MALFORMED },
        { "long length", { (const uint8_t *)"\x2a\x84\x00\x0a\x02IT", 7 }, TMX_CODEC_E_MALFORMED },
        { "varint of eleven bytes", { (const uint8_t *)"\x10\x81\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", 12 },
          TMX_CODEC_E_MALFORMED },
        { "varint beyond 64 bits", { (const uint8_t *)"\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 11 },
          TMX_CODEC_E_MALFORMED },
        { "uint32 beyond 32 bits", { (const uint8_t *)"\x08\x81\x80\x80\x80\x10", 6 }, TMX_CODEC_E_MALFORMED },
        { "varint without end", { (const uint8_t *)"\x08\x81", 2 }, TMX_CODEC_E_MALFORMED },
        { "explicit default", { (const uint8_t *)"\x08\x81\x02\x10\x00", 5 }, TMX_CODEC_E_MALFORMED },
        { "explicit empty bytes", { (const uint8_t *)"\x08\x81\x02\x22\x00", 5 }, TMX_CODEC_E_MALFORMED },
        { "explicit default, nested", { (const uint8_t *)"\x2a\x06\x0a\x02IT\x10\x00", 8 }, TMX_CODEC_E_MALFORMED },
        { "wrong order", { (const uint8_t *)"\x10\x01\x08\x81\x02", 5 }, TMX_CODEC_E_MALFORMED },
        { "wrong order, nested", { (const uint8_t *)"\x2a\x06\x10\x01\x0a\x02IT", 8 }, TMX_CODEC_E_MALFORMED },
        { "scalar twice", { (const uint8_t *)"\x08\x81\x02\x08\x81\x02", 6 }, TMX_CODEC_E_MALFORMED },
        { "message twice", { (const uint8_t *)"\x7a\x02\x10\x01\x7a\x02\x10\x01", 8 }, TMX_CODEC_E_MALFORMED },
        { "unknown varint", { (const uint8_t *)"\x08\x81\x02\xf8\x01\x01", 6 }, TMX_CODEC_E_MALFORMED },
        { "unknown bytes, nested", { (const uint8_t *)"\x2a\x07\x0a\x02IT\xfa\x01\x00", 9 }, TMX_CODEC_E_MALFORMED },
        { "field number 0", { (const uint8_t *)"\x00\x01", 2 }, TMX_CODEC_E_MALFORMED },
        { "tag beyond 32 bits", { (const uint8_t *)"\x88\x80\x80\x80\x80\x01\x01", 7 }, TMX_CODEC_E_MALFORMED },
        { "wrong wire type", { (const uint8_t *)"\x0a\x01x", 3 }, TMX_CODEC_E_MALFORMED },
        { "64 bits for a varint", { (const uint8_t *)"\x09\1\2\3\4\5\6\7\x08", 9 }, TMX_CODEC_E_MALFORMED },
        { "group", { (const uint8_t *)"\x0b\x0c", 2 }, TMX_CODEC_E_MALFORMED },
        { "wire type 7", { (const uint8_t *)"\x0f", 1 }, TMX_CODEC_E_MALFORMED },
        { "length beyond the end", { (const uint8_t *)"\x22\x03" "DE", 4 }, TMX_CODEC_E_MALFORMED },
        { "length of 2^64 - 1", { (const uint8_t *)"\x22\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11 },
          TMX_CODEC_E_MALFORMED },
        { "nested beyond the outer", { (const uint8_t *)"\x2a\x03\x0a\x02IT", 6 }, TMX_CODEC_E_MALFORMED },
    };

    for (size_t i = 0; i < TMX_N(cases); i++) {
        Tmx__Header *h = NULL;
        int verdict = unpack(&tmx__header__descriptor, cases[i].bytes, &h);
        if (verdict != cases[i].verdict) {
            fail_msg("%s: verdict %d", cases[i].what, verdict);
        }
        assert_true((h != NULL) == (verdict == TMX_CODEC_OK));
    }
}

static void other_types_of_field(void **state)
{
    static const struct {
        const char *what;
        const ProtobufCMessageDescriptor *type;
        struct tmx_bytes bytes;
        int verdict;
    } cases[] = {
        { "fixed32", &tmx__batch_signature__descriptor, { (const uint8_t *)"\x0d\1\2\3\4", 5 }, TMX_CODEC_OK },
        { "fixed32 cut", &tmx__batch_signature__descriptor, { (const uint8_t *)"\x0d\1\2\3", 4 },
          TMX_CODEC_E_MALFORMED },
        { "fixed32 default", &tmx__batch_signature__descriptor, { (const uint8_t *)"\x0d\0\0\0\0", 5 },
          TMX_CODEC_E_MALFORMED },
        { "true", &tmx__hello__descriptor, { (const uint8_t *)"\x30\x01", 2 }, TMX_CODEC_OK },
        { "true as 2", &tmx__hello__descriptor, { (const uint8_t *)"\x30\x02", 2 }, TMX_CODEC_E_MALFORMED },
        { "unknown enum value", &tmx__report__descriptor, { (const uint8_t *)"\x48\x63", 2 }, TMX_CODEC_OK },
        { "oneof, empty body", &tmx__link__descriptor, { (const uint8_t *)"\x2a\x00", 2 }, TMX_CODEC_OK },
        { "oneof twice", &tmx__link__descriptor, { (const uint8_t *)"\x2a\x00\x32\x00", 4 }, TMX_CODEC_E_MALFORMED },
    };

    for (size_t i = 0; i < TMX_N(cases); i++) {
        ProtobufCMessage *m;
        int verdict = unpack(cases[i].type, cases[i].bytes, &m);
        if (verdict != cases[i].verdict) {
            fail_msg("%s: verdict %d", cases[i].what, verdict);
        }
    }
}

/* 1 MiB of `unit`, over and over */
static struct tmx_bytes flood(struct tmx_bytes unit)
{
    size_t n = (1u << 20) / unit.size;
    uint8_t *all = malloc(n * unit.size);

    for (size_t i = 0; i < n; i++) {
        memcpy(all + i * unit.size, unit.data, unit.size);
    }
    return TMX_BYTES(all, n * unit.size);
}

/* ENV-2: without bounds, 1 MiB of these becomes 32 to 64 MiB in small blocks */
static void nothing_amplifies(void **state)
{
    static const struct {
        const char *what;
        const ProtobufCMessageDescriptor *type;
        struct tmx_bytes unit;
    } cases[] = {
        { "empty byte strings", &tmx__member__descriptor, { (const uint8_t *)"\x32\x00", 2 } },
        { "empty sub-messages", &tmx__header__descriptor, { (const uint8_t *)"\x2a\x00", 2 } },
        { "long sub-messages", &tmx__header__descriptor,
          { (const uint8_t *)"\x2a\x20\x0a\x1exxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 34 } },
        { "one scalar over and over", &tmx__header__descriptor, { (const uint8_t *)"\x08\x01", 2 } },
        { "unknown varints", &tmx__header__descriptor, { (const uint8_t *)"\x78\x01", 2 } },
    };

    for (size_t i = 0; i < TMX_N(cases); i++) {
        struct tmx_bytes all = flood(cases[i].unit);
        ProtobufCMessage *m;

        tmx_arena_reset(&arena);
        int verdict = tmx_codec_unpack(cases[i].type, all, 1u << 20, &arena, &m);
        if (verdict == TMX_CODEC_OK || arena.used != 0) {
            fail_msg("%s: verdict %d, %zu bytes kept", cases[i].what, verdict, arena.used);
        }
        free((void *)(uintptr_t)all.data);
    }
}

static void sizes_are_bounded(void **state)
{
    static const uint8_t header[] = "\x08\x81\x02\x10\x01\x2a\x04\x0a\x02IT";
    struct tmx_bytes input = TMX_BYTES(header, sizeof(header) - 1);
    struct tmx_arena small;
    struct tmx_bytes bytes;
    Tmx__Header *h;

    tmx_arena_reset(&arena);
    assert_int_equal(tmx_codec_unpack(&tmx__header__descriptor, input, input.size, &arena, &h), TMX_CODEC_OK);
    assert_int_equal(tmx_codec_unpack(&tmx__header__descriptor, input, input.size - 1, &arena, &h),
                     TMX_CODEC_E_TOO_LARGE);

    /* whatever the arena's size: a message, or too large with nothing kept */
    bool fitted = false;
    for (size_t size = 16; size <= 1024; size += 16) {
        assert_int_equal(tmx_arena_init(&small, size), 0);
        int verdict = tmx_codec_unpack(&tmx__header__descriptor, input, input.size, &small, &h);
        if (verdict == TMX_CODEC_OK) {
            fitted = true;
        } else {
            assert_int_equal(verdict, TMX_CODEC_E_TOO_LARGE);
            assert_false(fitted);
            assert_int_equal(small.used, 0);
        }
        tmx_arena_deinit(&small);
    }
    assert_true(fitted);

    Tmx__Header full = full_header();
    assert_int_equal(tmx_arena_init(&small, 32), 0);
    assert_int_equal(tmx_codec_pack(&full, &small, &bytes), TMX_CODEC_E_TOO_LARGE);
    tmx_arena_deinit(&small);
}

/* ENV-2: the work of one message is bounded even where memory would allow more */
static void fields_are_counted(void **state)
{
    struct tmx_bytes all = flood(TMX_LIT("\x2a\x00"));   /* recipients without content: canonical */
    struct tmx_arena large;
    Tmx__Header *h;

    assert_int_equal(tmx_arena_init(&large, 64u << 20), 0);
    struct tmx_bytes most = tmx_bytes_slice(all, 0, 2 * TMX_CODEC_FIELDS_MAX);
    assert_int_equal(tmx_codec_unpack(&tmx__header__descriptor, most, all.size, &large, &h), TMX_CODEC_OK);
    assert_int_equal(h->n_recipients, TMX_CODEC_FIELDS_MAX);
    tmx_arena_reset(&large);
    most = tmx_bytes_slice(all, 0, 2 * TMX_CODEC_FIELDS_MAX + 2);
    assert_int_equal(tmx_codec_unpack(&tmx__header__descriptor, most, all.size, &large, &h), TMX_CODEC_E_TOO_LARGE);
    tmx_arena_deinit(&large);
    free((void *)(uintptr_t)all.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_packed_comes_back),
        cmocka_unit_test(an_empty_message_is_canonical),
        cmocka_unit_test(only_the_canonical_encoding_is_taken),
        cmocka_unit_test(other_types_of_field),
        cmocka_unit_test(nothing_amplifies),
        cmocka_unit_test(sizes_are_bounded),
        cmocka_unit_test(fields_are_counted),
    };
    return cmocka_run_group_tests_name("codec", tests, open_arena, close_arena);
}
