/* SPDX-License-Identifier: Apache-2.0
 * Identifiers of the transit domain, by the vectors in tests/vectors/identifiers.txt. ID-1, ID-2, ENV-5 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <tmx/identifier.h>

static bool shard_name(struct tmx_bytes name)
{
    return tmx_name_valid(name, 16);
}

static const struct {
    const char *kind;
    bool (*valid)(struct tmx_bytes text);
} kinds[] = {
    { "mrn", tmx_mrn_valid },       { "grn", tmx_grn_valid },   { "lrn", tmx_lrn_valid },
    { "office", tmx_office_valid }, { "member", tmx_member_valid }, { "name", shard_name },
    { "business", tmx_business_id_valid },
};

/* One line of the file: what was expected, and of which text. */
static void check(const char *kind, const char *verdict, struct tmx_bytes text, unsigned line)
{
    if (strcmp(kind, "digit") == 0) {
        char expected = strcmp(verdict, "none") == 0 ? '\0' : verdict[0];
        if (tmx_check_digit(text) != expected) {
            fail_msg("line %u: digit of '%.*s' is not %s", line, (int)text.size, text.data, verdict);
        }
        return;
    }
    for (size_t i = 0; i < TMX_N(kinds); i++) {
        if (strcmp(kind, kinds[i].kind) == 0) {
            if (kinds[i].valid(text) != (strcmp(verdict, "valid") == 0)) {
                fail_msg("line %u: %s '%.*s' is not %s", line, kind, (int)text.size, text.data, verdict);
            }
            return;
        }
    }
    fail_msg("line %u: unknown kind %s", line, kind);
}

static void the_vectors_hold(void **state)
{
    char path[512], line[256], kind[16], verdict[16];
    unsigned n = 0, checked = 0;

    snprintf(path, sizeof(path), "%s/identifiers.txt", getenv("TMX_VECTORS"));
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof(line), f) != NULL) {
        int at = 0;

        n++;
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '\0' || line[0] == '#') {
            continue;
        }
        if (sscanf(line, "%15s %15s %n", kind, verdict, &at) != 2) {
            fail_msg("line %u: not a vector", n);
        }
        struct tmx_bytes text = tmx_bytes_str(line + at);
        if (text.size >= 2 && text.data[0] == '"') {
            text = tmx_bytes_slice(text, 1, text.size - 2);
        }
        /* an exact heap copy: a sanitizer sees a read past the end */
        uint8_t *copy = malloc(text.size + (text.size == 0));
        memcpy(copy, text.data, text.size);
        check(kind, verdict, TMX_BYTES(copy, text.size), n);
        free(copy);
        checked++;
    }
    fclose(f);
    assert_true(checked >= 100);
}

/* What a line of text cannot hold. */
static void controls_and_foreign_bytes_are_refused(void **state)
{
    assert_false(tmx_lrn_valid(TMX_LIT("AB\0CD")));
    assert_false(tmx_lrn_valid(TMX_LIT("AB\nCD")));
    assert_false(tmx_lrn_valid(TMX_LIT("AB\x7f" "CD")));
    assert_false(tmx_lrn_valid(TMX_LIT("AB\xc3\xa4")));
    assert_false(tmx_business_id_valid(TMX_LIT("AB\tCD")));
    assert_false(tmx_member_valid(TMX_LIT("FR\0EVIL")));
    assert_false(tmx_mrn_valid(TMX_LIT("25DE002101A1B2C3J\0")));
    assert_false(tmx_name_valid(TMX_LIT("a\0b"), 16));
    assert_false(tmx_name_valid(TMX_LIT("abc"), 2));
    assert_true(tmx_name_valid(TMX_LIT("abc"), 3));
    assert_false(tmx_mrn_valid(TMX_BYTES_NULL));
    assert_int_equal(tmx_check_digit(TMX_BYTES_NULL), 0);
}

/* ID-1: whichever single character of an MRN is replaced by another, the check digit or the pattern tells in most
 * cases; 9 of 10 at least, since the remainder 10 shares its digit with 0. */
static void a_wrong_character_is_mostly_found(void **state)
{
    static const char good[] = "25DE002101A1B2C3J9";
    static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    unsigned tried = 0, passed = 0;

    for (size_t i = 0; i < TMX_MRN_SIZE; i++) {
        for (size_t c = 0; c < sizeof(alphabet) - 1; c++) {
            char text[TMX_MRN_SIZE + 1];

            strcpy(text, good);
            if (text[i] == alphabet[c]) {
                continue;
            }
            text[i] = alphabet[c];
            tried++;
            passed += tmx_mrn_valid(tmx_bytes_str(text)) ? 1 : 0;
        }
    }
    assert_true(tmx_mrn_valid(tmx_bytes_str(good)));
    assert_int_equal(tried, 18 * 35);
    assert_true(passed * 10 < tried);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_hold),
        cmocka_unit_test(controls_and_foreign_bytes_are_refused),
        cmocka_unit_test(a_wrong_character_is_mostly_found),
    };
    return cmocka_run_group_tests_name("identifier", tests, NULL, NULL);
}
