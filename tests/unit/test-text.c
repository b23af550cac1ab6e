/* SPDX-License-Identifier: Apache-2.0
 * Text codecs: strict in, canonical out. And the table of reason codes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <tmx/code.h>
#include <tmx/text.h>

static void hex(void **state)
{
    static const char *const bad[] = { "", "0", "00ff1", "00ff1g", "00ff1 ", "00ff1023", "0x00ff" };
    uint8_t data[3] = { 7, 7, 7 };
    char text[7];

    tmx_hex(TMX_LIT("\x00\xff\x1a"), text);
    assert_string_equal(text, "00ff1a");
    for (size_t i = 0; i < TMX_N(bad); i++) {
        assert_false(tmx_unhex(tmx_bytes_str(bad[i]), data, sizeof(data)));
        assert_memory_equal(data, "\x07\x07\x07", 3);
    }
    assert_true(tmx_unhex(TMX_LIT("00FF1a"), data, sizeof(data)));
    assert_memory_equal(data, "\x00\xff\x1a", 3);
    assert_true(tmx_unhex(TMX_LIT(""), data, 0));
}

static void base64(void **state)
{
    /* RFC 4648 section 10 */
    static const char *const good[][2] = { { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" },
                                           { "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" },
                                           { "\xfb\xff\xbf", "+/+/" } };
    static const char *const bad[] = { "Z", "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "====", "Z===", "Zm9v\n", "Zm 9v",
                                       "Zg==Zg==", "-_-_", "=Zg=", "Zm9vZm9vZm9v" };
    uint8_t data[6];
    size_t size;

    for (size_t i = 0; i < TMX_N(good); i++) {
        char text[TMX_BASE64_SIZE(6)];
        struct tmx_bytes plain = tmx_bytes_str(good[i][0]);

        tmx_base64(plain, text);
        assert_string_equal(text, good[i][1]);
        assert_true(strlen(text) + 1 <= TMX_BASE64_SIZE(plain.size));
        assert_true(tmx_unbase64(tmx_bytes_str(text), data, sizeof(data), &size));
        assert_true(tmx_bytes_eq(TMX_BYTES(data, size), plain));
    }
    for (size_t i = 0; i < TMX_N(bad); i++) {
        memset(data, 7, sizeof(data));
        size = 77;
        assert_false(tmx_unbase64(tmx_bytes_str(bad[i]), data, sizeof(data), &size));
        assert_int_equal(size, 77);
        assert_memory_equal(data, "\7\7\7\7\7\7", 6);
    }
    assert_true(tmx_unbase64(TMX_LIT("Zg=="), data, 1, &size));
    assert_false(tmx_unbase64(TMX_LIT("Zm8="), data, 1, &size));
}

static void numbers(void **state)
{
    static const char *const bad[] = { "", "00", "01", "-1", "+1", " 1", "1 ", "1a", "0x1", "18446744073709551616",
                                       "99999999999999999999", "100000000000000000000" };
    uint64_t v = 77;

    for (size_t i = 0; i < TMX_N(bad); i++) {
        assert_false(tmx_parse_u64(tmx_bytes_str(bad[i]), UINT64_MAX, &v));
        assert_int_equal(v, 77);
    }
    assert_true(tmx_parse_u64(TMX_LIT("0"), 0, &v));
    assert_int_equal(v, 0);
    assert_true(tmx_parse_u64(TMX_LIT("18446744073709551615"), UINT64_MAX, &v));
    assert_true(v == UINT64_MAX);
    assert_true(tmx_parse_u64(TMX_LIT("100"), 100, &v));
    assert_false(tmx_parse_u64(TMX_LIT("101"), 100, &v));
}

static void times(void **state)
{
    static const struct {
        uint64_t ms;
        const char *text;
    } good[] = {
        { 0, "1970-01-01T00:00:00.000Z" },
        { 951782400000, "2000-02-29T00:00:00.000Z" },
        { 951868799999, "2000-02-29T23:59:59.999Z" },
        { 951868800000, "2000-03-01T00:00:00.000Z" },
        { 1709164800000, "2024-02-29T00:00:00.000Z" },
        { 1735689599999, "2024-12-31T23:59:59.999Z" },
        { 1772359200123, "2026-03-01T10:00:00.123Z" },
        { 4107542400000, "2100-03-01T00:00:00.000Z" },
        { 253402300799999, "9999-12-31T23:59:59.999Z" },
    };
    static const char *const bad[] = { "", "2026", "2026-03-01 10:00:00Z", "2026-03-01T10:00:00", "2026-13-01",
                                       "2026-00-01", "2026-01-00", "2026-02-29", "2100-02-29", "1969-12-31",
                                       "2026-03-01T24:00:00Z", "2026-03-01T10:60:00Z", "2026-03-01T10:00:60Z",
                                       "2026-03-01T10:00:00.00Z", "2026-03-01T10:00:00+0100", "2026-3-001",
                                       "2026-03-01T10:00:00,000Z", "2026-03-01T10:00:00.000z" };
    char text[TMX_TIME_TEXT_SIZE];
    uint64_t ms = 77;

    for (size_t i = 0; i < TMX_N(good); i++) {
        tmx_time_text(good[i].ms, text);
        assert_string_equal(text, good[i].text);
        assert_true(tmx_parse_time(tmx_bytes_str(text), &ms));
        assert_true(ms == good[i].ms);
    }
    for (uint64_t day = 0; day < 200 * 366; day++) {
        tmx_time_text(day * 86400000, text);
        assert_true(tmx_parse_time(TMX_BYTES(text, 10), &ms) && ms == day * 86400000);
    }
    ms = 77;
    for (size_t i = 0; i < TMX_N(bad); i++) {
        assert_false(tmx_parse_time(tmx_bytes_str(bad[i]), &ms));
        assert_int_equal(ms, 77);
    }
    assert_true(tmx_parse_time(TMX_LIT("2026-03-01T10:00:00Z"), &ms) && ms == 1772359200000);
    assert_true(tmx_parse_time(TMX_LIT("2026-03-01"), &ms) && ms == 1772323200000);
    tmx_time_text(UINT64_MAX, text);
    assert_string_equal(text, "9999-12-31T23:59:59.999Z");
}

static void message_ids(void **state)
{
    static const char *const bad[] = { "", "0195a1b2c3d47e8f90123456789abcd", "0195a1b2-c3d4-7e8f-9012-3456789abcdex",
                                       "0195a1b2c-3d4-7e8f-9012-3456789abcde", "0195a1b2+c3d4+7e8f+9012+3456789abcde",
                                       "0195a1b2-c3d4-7e8f-9012-3456789abcdg", "0195a1b2c3d4-7e8f-9012-3456789abcde" };
    uint8_t id[16], again[16] = { 0 };
    char text[TMX_ID_TEXT_SIZE];

    assert_true(tmx_parse_id(TMX_LIT("0195a1b2c3d47e8f90123456789abcde"), id));
    tmx_id_text(id, text);
    assert_string_equal(text, "0195a1b2-c3d4-7e8f-9012-3456789abcde");
    assert_true(tmx_parse_id(tmx_bytes_str(text), again));
    assert_memory_equal(id, again, 16);
    for (size_t i = 0; i < TMX_N(bad); i++) {
        assert_false(tmx_parse_id(tmx_bytes_str(bad[i]), again));
    }
    assert_memory_equal(id, again, 16);
}

static void printable_copies(void **state)
{
    static const char *const cases[][2] = {
        { "", "" },
        { "plain text ~", "plain text ~" },
        { "Zoll Österreich €", "Zoll Österreich €" },
        { "\xf0\x9f\x9a\x9a", "\xf0\x9f\x9a\x9a" },
        { "a\nb\tc\x7f\x1b[0m", "a\\x0ab\\x09c\\x7f\\x1b[0m" },
        { "\xff\xc3", "\\xff\\xc3" },                       /* not UTF-8, cut short */
        { "\xc0\xaf\xe0\x80\xaf", "\\xc0\\xaf\\xe0\\x80\\xaf" },   /* overlong */
        { "\xed\xa0\x80", "\\xed\\xa0\\x80" },              /* surrogate */
        { "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" },     /* beyond U+10FFFF */
        { "\xc2\x9b", "\\xc2\\x9b" },                       /* C1 control */
        { "\xe2\x80\xae", "\\xe2\\x80\\xae" },              /* right-to-left override */
        { "\xef\xbb\xbf", "\\xef\\xbb\\xbf" },              /* byte order mark */
    };
    char text[64];

    for (size_t i = 0; i < TMX_N(cases); i++) {
        tmx_printable(tmx_bytes_str(cases[i][0]), text, sizeof(text));
        assert_string_equal(text, cases[i][1]);
    }
    tmx_printable(TMX_LIT("a\0b"), text, sizeof(text));
    assert_string_equal(text, "a\\x00b");
}

static void printable_copies_are_cut_with_a_mark(void **state)
{
    static const struct {
        const char *in, *out;
        size_t capacity;
    } cases[] = {
        { "abcdef", "abcdef", 7 }, { "abcdefg", "abc…", 7 }, { "abcdef", "ab…", 6 }, { "abcdef", "…", 4 },
        { "abcdef", "ab", 3 },     { "abcdef", "", 1 },      { "ab\n", "ab…", 6 },   { "€€€", "€…", 9 },
    };

    for (size_t i = 0; i < TMX_N(cases); i++) {
        char *text = malloc(cases[i].capacity);
        tmx_printable(tmx_bytes_str(cases[i].in), text, cases[i].capacity);
        assert_string_equal(text, cases[i].out);
        free(text);
    }
}

static void nearest_names(void **state)
{
    static const char *const names[] = { "endpoint", "member", "retention", "log", "mrn" };
    char longer[200];

    assert_string_equal(tmx_nearest("endpont", names, 5), "endpoint");
    assert_string_equal(tmx_nearest("edpoint", names, 5), "endpoint");
    assert_string_equal(tmx_nearest("MEMBER", names, 5), "member");
    assert_string_equal(tmx_nearest("members", names, 5), "member");
    assert_null(tmx_nearest("mnr", names, 3));
    assert_string_equal(tmx_nearest("mr", names, 5), "mrn");
    assert_null(tmx_nearest("color", names, 5));
    assert_null(tmx_nearest("x", names, 5));
    assert_null(tmx_nearest("x", (const char *const[]){ "y" }, 1));   /* nothing in common */
    assert_null(tmx_nearest("", names, 5));
    assert_null(tmx_nearest("member", names, 0));
    memset(longer, 'm', sizeof(longer));
    longer[199] = '\0';
    assert_null(tmx_nearest(longer, names, 5));
}

static void codes_have_names(void **state)
{
    unsigned n = 0;

    assert_string_equal(tmx_code_name(TMX_CODE_OK), "ok");
    assert_string_equal(tmx_code_name(TMX_CODE_BAD_SIGNATURE), "bad-signature");
    assert_string_equal(tmx_code_name(1), "unknown");
    assert_true(strlen(tmx_code_meaning(1)) > 0);
#define X(number, name, text, meaning)                                                                                 \
    assert_string_equal(tmx_code_name(number), text);                                                                  \
    assert_string_equal(tmx_code_meaning(number), meaning);                                                            \
    n++;
    TMX_CODES(X)
#undef X
    assert_true(n > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hex),
        cmocka_unit_test(base64),
        cmocka_unit_test(numbers),
        cmocka_unit_test(times),
        cmocka_unit_test(message_ids),
        cmocka_unit_test(printable_copies),
        cmocka_unit_test(printable_copies_are_cut_with_a_mark),
        cmocka_unit_test(nearest_names),
        cmocka_unit_test(codes_have_names),
    };
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
