/* SPDX-License-Identifier: Apache-2.0
 * See evidence_case.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evidence_case.h"

struct parcel case_parcel;
struct bundle case_bundle;
struct tmx_bytes case_beside;
struct tmx_authority case_pinned;

void case_accepted(void)
{
    sample_log();
    sample_compose(&case_parcel, "DE", "FR", NULL, false);
    book_accept(&case_parcel.mail);
}

void case_arrived(void)
{
    case_accepted();
    book_report(&case_parcel.mail, 0, TMX__OUTCOME__OUTCOME_COA, 0);
}

void case_take_back(void)
{
    book->n--;
    book->frontier = (struct tmx_frontier){ .size = 0 };
    for (size_t i = 0; i < book->n; i++) {
        const struct tmx_hash leaf = tmx_merkle_leaf(book->entries[i]);

        tmx_frontier_append(&book->frontier, &leaf, NULL, NULL);
    }
}

void case_pack_from(uint64_t first)
{
    sample_begin(&case_bundle, &case_parcel);
    sample_directories(&case_bundle, 1, book->serial);
    sample_head(&case_bundle, 0);
    for (uint64_t i = first; i < book->n; i++) {
        sample_leaf(&case_bundle, i, 0);
    }
}

void case_pack(void)
{
    case_pack_from(case_parcel.mail.index);
}

static void write_part(const char *folder, unsigned number, const char *ending, struct tmx_bytes data)
{
    char path[256];
    FILE *out;

    snprintf(path, sizeof path, "%s/case-%s-%u.%s", folder, program_invocation_short_name, number, ending);
    out = fopen(path, "w");
    assert_non_null(out);
    assert_int_equal(fwrite(data.data, 1, data.size, out), data.size);
    assert_int_equal(fclose(out), 0);
}

/* For the second verifier. */
static void write_case(struct tmx_bytes file)
{
    static unsigned number;
    const char *folder = getenv("TMX_EVIDENCE_OUT");
    uint8_t text[1024];
    struct tmx_writer w = TMX_WRITER_OF(text);

    if (folder == NULL) {
        return;
    }
    tmx_authority_format(&case_pinned, &w);
    write_part(folder, ++number, "evidence", file);
    write_part(folder, number, "authority", tmx_written(&w));
    if (case_beside.data != NULL) {
        write_part(folder, number, "container", case_beside);
    }
}

struct tmx_evidence *case_check(void)
{
    const struct tmx_bytes file = sample_pack(&case_bundle.pb);
    struct tmx_evidence *v;

    write_case(file);
    assert_int_equal(tmx_evidence_check(file, &case_pinned, case_beside, &v), 0);
    free((void *)(uintptr_t)file.data);
    return v;
}

void case_expect(unsigned rule, const char *text)
{
    struct tmx_evidence *v = case_check();

    if (v->rule != rule || strstr(v->fault, text) == NULL) {
        print_message("# EVI-%u: %s: %s\n# wanted EVI-%u: %s\n", v->rule, v->part, v->fault, rule, text);
        fail();
    }
    tmx_evidence_free(v);
}

void case_expect_state(const char *state, bool disputed)
{
    struct tmx_evidence *v = case_check();

    if (v->rule != 0) {
        print_message("# EVI-%u: %s: %s\n", v->rule, v->part, v->fault);
    }
    assert_int_equal(v->rule, 0);
    assert_string_equal(tmx_evidence_state(v, &v->deliveries[0]), state);
    assert_int_equal(v->deliveries[0].disputed, disputed);
    tmx_evidence_free(v);
}

int case_setup(void **state)
{
    case_beside = TMX_BYTES_NULL;
    if (book_setup(state) < 0) {
        return -1;
    }
    case_pinned = book->federation.authority;
    return 0;
}

int case_teardown(void **state)
{
    sample_parcel_free(&case_parcel);
    return book_teardown(state);
}

void case_run(book_case_fn *const *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(case_setup(NULL), 0);
        print_message("# case %zu\n", i);
        cases[i]();
        case_teardown(NULL);
    }
}
