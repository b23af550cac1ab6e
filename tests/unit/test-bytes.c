/* SPDX-License-Identifier: Apache-2.0
 * Views, cursors and the arena: a step past the end never reads or writes, and is never forgotten. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <tmx/bytes.h>

static void views_compare_by_content(void **state)
{
    assert_true(tmx_bytes_eq(TMX_LIT("abc"), TMX_LIT("abc")));
    assert_false(tmx_bytes_eq(TMX_LIT("abc"), TMX_LIT("abd")));
    assert_false(tmx_bytes_eq(TMX_LIT("abc"), TMX_LIT("ab")));
    assert_true(tmx_bytes_eq(TMX_BYTES_NULL, TMX_LIT("")));
    assert_true(tmx_bytes_eq(tmx_bytes_str(NULL), tmx_bytes_str("")));
    assert_int_equal(tmx_bytes_str("abc").size, 3);

    assert_int_equal(tmx_bytes_cmp(TMX_LIT("abc"), TMX_LIT("abc")), 0);
    assert_int_equal(tmx_bytes_cmp(TMX_BYTES_NULL, TMX_BYTES_NULL), 0);
    assert_true(tmx_bytes_cmp(TMX_LIT("ab"), TMX_LIT("abc")) < 0);
    assert_true(tmx_bytes_cmp(TMX_LIT("abc"), TMX_LIT("ab")) > 0);
    assert_true(tmx_bytes_cmp(TMX_LIT("b"), TMX_LIT("abc")) > 0);
    assert_true(tmx_bytes_cmp(TMX_LIT("\x01"), TMX_LIT("\xff")) < 0);
    assert_true(tmx_bytes_cmp(TMX_BYTES_NULL, TMX_LIT("a")) < 0);
}

static void slices_stay_inside(void **state)
{
    struct tmx_bytes b = TMX_LIT("abcdef");

    assert_true(tmx_bytes_eq(tmx_bytes_slice(b, 2, 3), TMX_LIT("cde")));
    assert_int_equal(tmx_bytes_slice(b, 6, 0).size, 0);
    assert_int_equal(tmx_bytes_slice(TMX_BYTES_NULL, 0, 0).size, 0);
}

static void integers_are_big_endian_both_ways(void **state)
{
    static const uint8_t wire[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 'x', 'y' };
    uint8_t out[sizeof(wire)];
    struct tmx_reader r = tmx_reader_init(TMX_BYTES_OF(wire));
    struct tmx_writer w = TMX_WRITER_OF(out);

    tmx_write_u8(&w, tmx_read_u8(&r));
    uint16_t v16 = tmx_read_u16(&r);
    uint32_t v32 = tmx_read_u32(&r);
    uint64_t v64 = tmx_read_u64(&r);
    assert_int_equal(v16, 0x0203);
    assert_int_equal(v32, 0x04050607);
    assert_true(v64 == 0x08090a0b0c0d0e0full);
    assert_false(tmx_reader_done(&r));
    struct tmx_bytes rest = tmx_read_bytes(&r, 2);
    assert_true(tmx_bytes_eq(rest, TMX_LIT("xy")));
    assert_true(tmx_reader_done(&r));

    tmx_write_u16(&w, v16);
    tmx_write_u32(&w, v32);
    tmx_write_u64(&w, v64);
    tmx_write_bytes(&w, rest);
    tmx_write_bytes(&w, TMX_BYTES_NULL);
    assert_true(tmx_bytes_eq(tmx_written(&w), TMX_BYTES_OF(wire)));
}

static void a_read_past_the_end_fails_for_good(void **state)
{
    uint8_t into[4] = { 9, 9, 9, 9 };
    /* an exact heap copy: a sanitizer sees the first byte too far */
    uint8_t *three = malloc(3);
    memcpy(three, "\x01\x02\x03", 3);
    struct tmx_reader r = tmx_reader_init(TMX_BYTES(three, 3));

    assert_int_equal(tmx_read_u32(&r), 0);
    assert_false(tmx_reader_ok(&r));
    assert_int_equal(tmx_read_u8(&r), 0);   /* although three bytes are left */
    tmx_read_into(&r, into, sizeof(into));
    assert_memory_equal(into, "\0\0\0\0", 4);
    assert_null(tmx_read_bytes(&r, 1).data);
    assert_false(tmx_reader_done(&r));

    r = tmx_reader_init(TMX_BYTES(three, 3));
    assert_int_equal(tmx_read_bytes(&r, SIZE_MAX).size, 0);
    assert_false(tmx_reader_ok(&r));
    r = tmx_reader_init(TMX_BYTES(three, 3));
    tmx_read_into(&r, into, 3);
    assert_memory_equal(into, "\x01\x02\x03", 3);
    assert_true(tmx_reader_done(&r));
    free(three);

    r = tmx_reader_init(TMX_BYTES_NULL);
    assert_true(tmx_reader_done(&r));
    assert_int_equal(tmx_read_bytes(&r, 0).size, 0);
    tmx_read_into(&r, into, 0);
    assert_true(tmx_reader_done(&r));
}

static void a_write_past_the_end_fails_for_good(void **state)
{
    uint8_t *out = calloc(1, 3);
    struct tmx_writer w = tmx_writer_init(out, 3);

    tmx_write_u16(&w, 0x0102);
    tmx_write_u16(&w, 0x0304);
    assert_true(w.failed);
    tmx_write_u8(&w, 5);   /* would fit; what follows a hole is not written */
    assert_int_equal(w.used, 2);
    assert_memory_equal(out, "\x01\x02\0", 3);

    w = tmx_writer_init(out, 3);
    tmx_write_bytes(&w, TMX_LIT("abcd"));
    assert_true(w.failed);
    free(out);
}

static void formatted_text_may_fill_the_array(void **state)
{
    char *out = malloc(5);
    struct tmx_writer w = tmx_writer_init(out, 5);

    tmx_write_fmt(&w, "%d-%s", 12, "ab");   /* no NUL needed */
    assert_true(tmx_bytes_eq(tmx_written(&w), TMX_LIT("12-ab")));
    tmx_write_fmt(&w, "%s", "");
    assert_false(w.failed);
    tmx_write_fmt(&w, "x");
    assert_true(w.failed);
    free(out);
}

static void the_arena_is_capped_aligned_and_zeroed(void **state)
{
    struct tmx_arena a;
    struct tmx_bytes copy;

    assert_int_equal(tmx_arena_init(&a, 64), 0);
    uint8_t *first = tmx_arena_alloc(&a, 1);
    uint8_t *second = tmx_arena_alloc(&a, 32);
    assert_non_null(first);
    assert_non_null(second);
    assert_int_equal((uintptr_t)first % 16, 0);
    assert_int_equal(second - first, 16);
    memset(first, 0xff, 1);
    memset(second, 0xff, 32);
    assert_null(tmx_arena_alloc(&a, 17));
    assert_null(tmx_arena_alloc(&a, SIZE_MAX));
    assert_false(tmx_arena_copy(&a, TMX_LIT("more than sixteen"), &copy));
    assert_non_null(tmx_arena_alloc(&a, 16));
    assert_non_null(tmx_arena_alloc(&a, 0));
    assert_null(tmx_arena_alloc(&a, 1));

    tmx_arena_reset(&a);
    uint8_t *again = tmx_arena_alloc(&a, 64);
    assert_ptr_equal(again, first);
    for (size_t i = 0; i < 64; i++) {
        assert_int_equal(again[i], 0);
    }
    tmx_arena_reset(&a);
    assert_true(tmx_arena_copy(&a, TMX_LIT("copy"), &copy));
    assert_true(tmx_bytes_eq(copy, TMX_LIT("copy")));
    assert_true(tmx_arena_copy(&a, TMX_BYTES_NULL, &copy));
    assert_int_equal(copy.size, 0);
    tmx_arena_deinit(&a);
    tmx_arena_deinit(&a);
}

static void clocks_are_as_far_apart_as_the_shorter_way(void **state)
{
    assert_int_equal(tmx_apart(7, 7), 0);
    assert_int_equal(tmx_apart(7, 10), 3);
    assert_int_equal(tmx_apart(10, 7), 3);
    assert_int_equal(tmx_apart(UINT64_MAX, 2), 3);
    assert_true(tmx_apart(0, 1ull << 63) == 1ull << 63);
    assert_true(tmx_apart(1ull << 63, 0) == 1ull << 63);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views_compare_by_content),
        cmocka_unit_test(slices_stay_inside),
        cmocka_unit_test(integers_are_big_endian_both_ways),
        cmocka_unit_test(a_read_past_the_end_fails_for_good),
        cmocka_unit_test(a_write_past_the_end_fails_for_good),
        cmocka_unit_test(formatted_text_may_fill_the_array),
        cmocka_unit_test(clocks_are_as_far_apart_as_the_shorter_way),
        cmocka_unit_test(the_arena_is_capped_aligned_and_zeroed),
    };
    return cmocka_run_group_tests_name("bytes", tests, NULL, NULL);
}
