/* SPDX-License-Identifier: Apache-2.0
 * The message catalogue: the file that is shipped, the rules of its types, and files that are wrong.
 * CAT-1, CAT-2, CAT-3 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <tmx/catalogue.h>
#include <tmx/code.h>
#include <tmx/text.h>

static struct tmx_catalogue *shipped;
static uint64_t some_day;

static int parse(struct tmx_bytes text, struct tmx_catalogue **ret_catalogue, unsigned *line, char *reason,
                 size_t capacity)
{
    /* an exact heap copy: a sanitizer sees a read past the end */
    uint8_t *copy = malloc(text.size + (text.size == 0));
    if (text.size > 0) {
        memcpy(copy, text.data, text.size);
    }
    int r = tmx_catalogue_parse(TMX_BYTES(copy, text.size), ret_catalogue, line, reason, capacity);
    free(copy);
    return r;
}

static int open_shipped(void **state)
{
    static char text[TMX_CATALOGUE_MAX];
    char path[512], reason[128] = "";
    unsigned line = 0;

    snprintf(path, sizeof(path), "%s/../../proto/catalogue-ncts-p5.conf", getenv("TMX_VECTORS"));
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    size_t size = fread(text, 1, sizeof(text), f);
    fclose(f);
    int r = parse(TMX_BYTES(text, size), &shipped, &line, reason, sizeof(reason));
    if (r < 0) {
        print_error("line %u: %s\n", line, reason);
        return r;
    }
    return tmx_parse_time(TMX_LIT("2026-03-01"), &some_day) ? 0 : -1;
}

static int close_shipped(void **state)
{
    shipped = tmx_catalogue_free(shipped);
    return 0;
}

static void the_shipped_file_is_complete(void **state)
{
    assert_int_equal(tmx_catalogue_count(shipped), 48);
    assert_string_equal(tmx_catalogue_version(shipped), "2023120100");
    for (size_t i = 0; i < 48; i++) {
        const struct tmx_message_type *t = tmx_catalogue_at(shipped, i);
        assert_ptr_equal(tmx_catalogue_find(shipped, tmx_bytes_str(t->code), some_day), t);
        assert_true(strlen(t->code) == 6 && t->name[0] != '\0' && strncmp(t->acronym, "C_", 2) == 0);
    }
    const struct tmx_message_type *t = tmx_catalogue_find(shipped, TMX_LIT("CD142C"), some_day);
    assert_string_equal(t->name, "Enquiry Request");
    assert_string_equal(t->acronym, "C_ENQ_REQ");
    assert_string_equal(t->responses[0], "CD143C");
    assert_string_equal(t->responses[2], "CD018C");
    assert_string_equal(t->responses[3], "");
    t = tmx_catalogue_find(shipped, TMX_LIT("CD063C"), some_day);
    assert_string_equal(t->from, "REC");
    assert_string_equal(t->to, "DES TRA EXT INC");
}

/* CAT-3: the lists of condition C0511, type by type */
static void correlation_follows_c0511(void **state)
{
    static const char required[] = "CD003C CD038C CD059C CD095C CD115C CD143C CD151C CD152C CD165C CD181C CD201C "
                                   "CD205C CD903D CD906C CD917C";
    static const char forbidden[] = "CD070C CD071C CD411D CD971C";
    unsigned n_required = 0, n_forbidden = 0;

    for (size_t i = 0; i < tmx_catalogue_count(shipped); i++) {
        const struct tmx_message_type *t = tmx_catalogue_at(shipped, i);
        struct tmx_bytes mrn = t->mrn == TMX_RULE_ABSENT ? TMX_BYTES_NULL : TMX_LIT("25DE002101A1B2C3J9");
        struct tmx_bytes type = tmx_bytes_str(t->code);
        bool must = strstr(required, t->code) != NULL, must_not = strstr(forbidden, t->code) != NULL;

        n_required += must;
        n_forbidden += must_not;
        assert_int_equal(tmx_catalogue_check(shipped, some_day, type, mrn, TMX_BYTES_NULL, TMX_BYTES_NULL),
                         must ? TMX_CODE_CORRELATION_REQUIRED : TMX_CODE_OK);
        assert_int_equal(tmx_catalogue_check(shipped, some_day, type, mrn, TMX_BYTES_NULL, TMX_LIT("DE1")),
                         must_not ? TMX_CODE_CORRELATION_FORBIDDEN : TMX_CODE_OK);
    }
    assert_int_equal(n_required, 15);
    assert_int_equal(n_forbidden, 4);
}

static void submissions_are_checked(void **state)
{
    static const struct {
        const char *type, *mrn, *lrn, *correlation;
        unsigned code;
    } cases[] = {
        { "CD001C", "25DE002101A1B2C3J9", "", "", TMX_CODE_OK },                  /* CAT-1 */
        { "CD001C", "25DE002101A1B2C3J9", "DE/1", "", TMX_CODE_OK },
        { "CD001X", "25DE002101A1B2C3J9", "", "", TMX_CODE_UNKNOWN_TYPE },
        { "CD001", "25DE002101A1B2C3J9", "", "", TMX_CODE_UNKNOWN_TYPE },
        { "", "25DE002101A1B2C3J9", "", "", TMX_CODE_UNKNOWN_TYPE },
        { "CD001C", "", "", "", TMX_CODE_MRN_REQUIRED },                          /* CAT-2 */
        { "CD001C", "25DE002101A1B2C3J8", "", "", TMX_CODE_BAD_MRN },
        { "CD070C", "25DE002101A1B2C3J9", "", "", TMX_CODE_MRN_FORBIDDEN },
        { "CD070C", "", "", "", TMX_CODE_OK },
        { "CD974C", "", "", "", TMX_CODE_OK },
        { "CD974C", "25DE002101A1B2C3J9", "", "", TMX_CODE_OK },
        { "CD974C", "25DE002101A1B2C3J8", "", "", TMX_CODE_BAD_MRN },
        { "CD903D", "", "", "DE1", TMX_CODE_OK },
        { "CD001C", "25DE002101A1B2C3J9", " DE/1", "", TMX_CODE_BAD_LRN },
        { "CD003C", "25DE002101A1B2C3J9", "", "", TMX_CODE_CORRELATION_REQUIRED },   /* CAT-3 */
        { "CD003C", "25DE002101A1B2C3J9", "", "IT1", TMX_CODE_OK },
        { "CD071C", "", "", "EC1", TMX_CODE_CORRELATION_FORBIDDEN },
    };

    for (size_t i = 0; i < TMX_N(cases); i++) {
        unsigned code = tmx_catalogue_check(shipped, some_day, tmx_bytes_str(cases[i].type),
                                            tmx_bytes_str(cases[i].mrn), tmx_bytes_str(cases[i].lrn),
                                            tmx_bytes_str(cases[i].correlation));
        if (code != cases[i].code) {
            fail_msg("case %zu: %s", i, tmx_code_name(code));
        }
    }
}

#define ONE "version = 7\n[A]\nname = Some Name\nacronym = C_A\nfrom = DEP\nto = DES TRA\nmrn = required\n" \
            "correlation = optional\nvalid_from = 2025-01-01\n"

/* CAT-1: a type is unknown before its first day and from its last on */
static void types_are_dated(void **state)
{
    struct tmx_catalogue *c;
    char reason[128];
    unsigned line;
    uint64_t from = 1735689600000, until = 1738368000000;

    assert_int_equal(parse(TMX_LIT(ONE "valid_until = 2025-02-01"), &c, &line, reason, sizeof(reason)), 0);
    assert_null(tmx_catalogue_find(c, TMX_LIT("A"), from - 1));
    assert_non_null(tmx_catalogue_find(c, TMX_LIT("A"), from));
    assert_non_null(tmx_catalogue_find(c, TMX_LIT("A"), until - 1));
    assert_null(tmx_catalogue_find(c, TMX_LIT("A"), until));
    tmx_catalogue_free(c);

    assert_int_equal(parse(TMX_LIT(ONE), &c, &line, reason, sizeof(reason)), 0);
    assert_non_null(tmx_catalogue_find(c, TMX_LIT("A"), UINT64_MAX));
    tmx_catalogue_free(c);
    assert_int_equal(parse(TMX_LIT("# comment\n\n  " ONE "  \n  # another\nresponses = A\n"), &c, &line, reason,
                           sizeof(reason)), 0);
    tmx_catalogue_free(c);
    assert_null(tmx_catalogue_free(NULL));
}

static void wrong_files_are_explained(void **state)
{
    static const struct {
        const char *text;
        unsigned line;
        const char *reason;
    } cases[] = {
        { "", 1, "no message types" },
        { "version = 7\n", 1, "no message types" },
        { "version = 7\nversion = 7\n" ONE, 2, "key 'version' twice" },
        { "versoin = 7\n" ONE, 1, "unknown key before the first type 'versoin': did you mean 'version'?" },
        { "version = 5.15.2\n" ONE, 1, "version '5.15.2' is not a decimal number" },
        { "[A]\nname = x\nacronym = x\nfrom = DEP\nto = DES\nmrn = absent\ncorrelation = absent\n"
          "valid_from = 2025-01-01\n", 1, "missing key 'version'" },
        { ONE "nmae = x\n", 10, "unknown key 'nmae': did you mean 'name'?" },
        { ONE "colour = x\n", 10, "unknown key 'colour'" },
        { ONE "mrn = absent\n", 10, "A: key 'mrn' twice" },
        { ONE "[B]\nname = x\n", 10, "B: missing key 'acronym'" },
        { ONE "[B]\nname = x\n[C]\nname = x\n", 10, "B: missing key 'acronym'" },
        { ONE "[A]\n", 10, "A was defined in line 2" },
        { ONE "[cd001c]\n", 10, "'cd001c' is not a message type: 1 to 16 characters A-Z 0-9" },
        { ONE "[ABCDEFGHIJKLMNOPQ]\n", 10, "'ABCDEFGHIJKLMNOPQ' is not a message type: 1 to 16 characters A-Z 0-9" },
        { ONE "[]\n", 10, "'' is not a message type: 1 to 16 characters A-Z 0-9" },
        { ONE "[B\n", 10, "'[B' is neither '[TYPE]' nor 'key = value'" },
        { ONE "= x\n", 10, "'= x' is neither '[TYPE]' nor 'key = value'" },
        { ONE "responses =\n", 10, "key 'responses' without a value" },
        { ONE "responses = A B\n", 2, "A: response 'B' is not in the catalogue" },
        { ONE "responses = A A A A A\n", 10, "more than 4 responses" },
        { ONE "responses = ABCDEFGHIJKLMNOPQ\n", 10, "longer than 16 characters" },
        { ONE "valid_until = 2025-01-01\n", 2, "A: valid_until is not after valid_from" },
        { ONE "valid_until = 2025-02-30\n", 10, "'2025-02-30' is not a date like 2025-01-31" },
        { ONE "valid_until = 2025-02-01T00:00:00Z\n", 10, "'2025-02-01T00:00:00Z' is not a date like 2025-01-31" },
        { ONE "[B]\nmrn = requird\n", 11, "unknown rule 'requird': did you mean 'required'?" },
        { ONE "[B]\nfrom = DEP XYZ\n", 11, "unknown role 'XYZ'" },
        { ONE "[B]\nto = DEPP\n", 11, "unknown role 'DEPP': did you mean 'DEP'?" },
        { ONE "[B]\nacronym = 0123456789012345\n", 11, "longer than 15 characters" },
        { ONE "[B]\nname = tab\there\n", 11, "byte 0x09: only printable ASCII is allowed" },
        { ONE "[B]\r\nname = x\n", 10, "byte 0x0d: only printable ASCII is allowed" },
        { ONE "[B]\nname = \xc3\xa4\n", 11, "byte 0xc3: only printable ASCII is allowed" },
    };

    for (size_t i = 0; i < TMX_N(cases); i++) {
        struct tmx_catalogue *c = NULL;
        char reason[128] = "";
        unsigned line = 0;

        assert_int_equal(parse(tmx_bytes_str(cases[i].text), &c, &line, reason, sizeof(reason)), -EINVAL);
        assert_null(c);
        assert_string_equal(reason, cases[i].reason);
        if (line != cases[i].line) {
            fail_msg("'%s' in line %u instead of %u", reason, line, cases[i].line);
        }
    }
}

static void sizes_are_bounded(void **state)
{
    static char text[TMX_CATALOGUE_MAX + 1];
    struct tmx_catalogue *c;
    char reason[8];
    unsigned line;

    memset(text, '\n', sizeof(text));
    assert_int_equal(parse(TMX_BYTES_OF(text), &c, &line, reason, sizeof(reason)), -EINVAL);
    assert_string_equal(reason, "larger ");   /* cut at its capacity */

    struct tmx_writer w = TMX_WRITER_OF(text);
    tmx_write_fmt(&w, "version = 1\n");
    for (unsigned i = 0; i <= TMX_CATALOGUE_TYPES_MAX; i++) {
        tmx_write_fmt(&w, "[T%u]\nname = x\nacronym = x\nfrom = DEP\nto = DES\nmrn = absent\ncorrelation = absent\n"
                          "valid_from = 2025-01-01\n", i);
        struct tmx_bytes so_far = tmx_written(&w);
        if (i + 1 == TMX_CATALOGUE_TYPES_MAX) {
            assert_int_equal(parse(so_far, &c, &line, reason, sizeof(reason)), 0);
            tmx_catalogue_free(c);
        }
    }
    assert_int_equal(parse(tmx_written(&w), &c, &line, reason, sizeof(reason)), -EINVAL);
    assert_int_equal(line, 2 + 8 * TMX_CATALOGUE_TYPES_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_shipped_file_is_complete),
        cmocka_unit_test(correlation_follows_c0511),
        cmocka_unit_test(submissions_are_checked),
        cmocka_unit_test(types_are_dated),
        cmocka_unit_test(wrong_files_are_explained),
        cmocka_unit_test(sizes_are_bounded),
    };
    return cmocka_run_group_tests_name("catalogue", tests, open_shipped, close_shipped);
}
