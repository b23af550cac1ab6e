/* SPDX-License-Identifier: Apache-2.0
 * The report of a log: who sent what, what became of it, how long it took. LOG-6
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tmx/code.h>

#include "../../broker/audit/html.h"
#include "../../broker/audit/report.h"
#include "export_fixture.h"

#define MINUTE_MS 60000ull

static char why[HISTORY_WHY_MAX];

/* The report of the book, or NULL and why there is none. */
static struct tmx_report *report_or_not(const struct tmx_report_choice *choice, int *ret_error)
{
    struct tmx_report *r = NULL;
    struct tmx_history h;

    export_book(book->n, SIZE_MAX);
    assert_int_equal(tmx_history_open(folder, &book->federation.authority, &h, why), 0);
    assert_int_equal(tmx_history_verify_head(&h, h.directories, why), 0);
    *ret_error = tmx_report(&h, choice, &r, why);
    tmx_history_close(&h);
    close(folder_fd);
    remove_folder(folder);
    return r;
}

static struct tmx_report *report(const struct tmx_report_choice *choice)
{
    struct tmx_report *r;
    int error;

    r = report_or_not(choice, &error);
    assert_int_equal(error, 0);
    return r;
}

static const struct tmx_report_choice whole = { .late_ms = 20 * MINUTE_MS };

static const struct tmx_report_member *member(const struct tmx_report *r, const char *code)
{
    for (size_t i = 0; i < r->n_members; i++) {
        if (strcmp(r->members[i]->sent.name, code) == 0) {
            return r->members[i];
        }
    }
    fail_msg("no member %s", code);
    return NULL;
}

static void expect_reason(const struct tmx_report *r, enum tmx_report_event event, const char *code_of, unsigned code,
                          uint64_t first_index)
{
    for (size_t i = 0; i < r->n_reasons; i++) {
        const struct tmx_report_reason *reason = &r->reasons[i];

        if (reason->event == event && strcmp(reason->member, code_of) == 0 && reason->code == code) {
            assert_true(reason->count == 1 && reason->first_index == first_index);
            return;
        }
    }
    fail_msg("no reason %s of %s", tmx_code_name(code), code_of);
}

static void test_honest(void **state)
{
    const struct tmx_report_row *row;
    struct tmx_report *r;

    book_honest();
    r = report(&whole);
    row = &r->all;
    assert_true(row->messages == 3 && row->accepted == 4 && row->arrived == 2 && row->queued == 1 && row->rejected == 1);
    assert_true(row->fates[FATE_DELIVERED] == 1 && row->fates[FATE_EXCEPTION] == 1 && row->fates[FATE_OPEN] == 2);
    assert_true(row->late == 0 && row->overdue == 0 && row->oldest_index == 7 && row->oldest_ms == START_MS + 70);
    assert_int_equal(r->n_members, 3);
    row = &member(r, "DE")->sent;
    assert_true(row->messages == 2 && row->accepted == 3 && row->rejected == 1 && row->fates[FATE_OPEN] == 1);
    assert_true(row->outcome.n == 2 && row->outcome.max_ms == 30 && row->arrival.n == 2 && row->arrival.max_ms == 10);
    row = &member(r, "FR")->received;
    assert_true(row->messages == 2 && row->fates[FATE_DELIVERED] == 1 && row->queued == 0 && row->oldest_index == 9);
    assert_true(member(r, "CH")->received.fates[FATE_EXCEPTION] == 1 && member(r, "CH")->sent.accepted == 0);
    assert_true(r->n_types == 1 && r->types[0]->accepted == 4 && r->types[0]->rejected == 1);
    assert_int_equal(r->n_reasons, 3);
    expect_reason(r, REPORT_REJECTED, "DE", TMX_CODE_TYPE_NOT_ALLOWED, 8);
    expect_reason(r, REPORT_STATEMENT, "FR", TMX_CODE_OUTCOME_EXISTS, 11);
    expect_reason(r, REPORT_EXCEPTION, "CH", TMX_CODE_CANNOT_OPEN, 6);
    assert_true(r->n_open == 2 && r->open[0].index == 7 && !r->open[0].arrived && r->open[1].index == 9);
    assert_true(r->open[1].arrived && r->open[1].arrived_ms == START_MS + 100 && r->open[1].seq == 3);
    assert_string_equal(r->open[1].recipient, "FR");
    assert_true(r->first_ms == START_MS && r->last_ms == START_MS + 120 && r->unmatched == 0 && r->resubmitted == 0);
    tmx_report_free(r);
}

/* Late is what took longer than that, not as long. */
static void test_late(void **state)
{
    static const struct tmx_report_choice choice = { .late_ms = MINUTE_MS };
    static const uint64_t delays[] = { MINUTE_MS, MINUTE_MS + 1, 5 * MINUTE_MS };
    struct tmx_report *r;
    struct mail m[TMX_N(delays)];
    Tmx__LogEntry e = book_entry(TMX__ENTRY_KIND__ENTRY_START);

    book_honest();
    for (size_t i = 0; i < TMX_N(delays); i++) {
        book_compose(&m[i], "FR", "CH", NULL);
        book_accept(&m[i]);
        book_report(&m[i], 0, TMX__OUTCOME__OUTCOME_COA, 0);
        book->now_ms += delays[i] - 20;
        book_report(&m[i], 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);
    }
    r = report(&choice);
    assert_true(r->all.late == 2 && member(r, "FR")->sent.late == 2 && member(r, "CH")->received.late == 2);
    assert_true(r->all.overdue == 2 && member(r, "CH")->received.overdue == 0);
    assert_true(member(r, "CH")->received.outcome.max_ms == 5 * MINUTE_MS);
    tmx_report_free(r);
    book_compose(&m[0], "CH", "DE", NULL);
    book_accept(&m[0]);
    book->now_ms += MINUTE_MS - 10;
    book_put(&e); /* as long as that: not overdue yet */
    r = report(&choice);
    assert_int_equal(member(r, "CH")->sent.overdue, 0);
    assert_int_equal(tmx_report_age(r, r->open[2].accepted_ms), MINUTE_MS);
    tmx_report_free(r);
}

/* A delivery belongs to the time of its acceptance, whenever it ends. */
static void test_choice(void **state)
{
    static const struct {
        struct tmx_report_choice choice;
        uint64_t accepted, delivered, open, rejected;
    } cases[] = {
        { { .from_ms = START_MS + 30, .to_ms = START_MS + 40 }, 2, 1, 0, 0 },
        { { .from_ms = START_MS + 31 }, 2, 0, 2, 1 },
        { { .to_ms = START_MS + 80 }, 3, 1, 1, 0 },
        { { .member = "CH" }, 1, 0, 0, 0 },
        { { .member = "FR" }, 3, 1, 2, 0 },
        { { .member = "DE", .from_ms = START_MS + 70 }, 2, 0, 2, 1 },
        { { .member = "IT" }, 0, 0, 0, 0 },
    };

    book_honest();
    for (size_t i = 0; i < TMX_N(cases); i++) {
        struct tmx_report *r = report(&cases[i].choice);

        print_message("# case %zu\n", i);
        assert_int_equal(r->all.accepted, cases[i].accepted);
        assert_int_equal(r->all.fates[FATE_DELIVERED], cases[i].delivered);
        assert_int_equal(r->all.fates[FATE_OPEN], cases[i].open);
        assert_int_equal(r->n_open, cases[i].open);
        assert_int_equal(r->all.rejected, cases[i].rejected);
        assert_int_equal(r->unmatched, 0);
        tmx_report_free(r);
    }
}

/* Whatever the outcome, it ends a delivery once. */
static void test_outcomes(void **state)
{
    static const Tmx__Outcome outcomes[] = { TMX__OUTCOME__OUTCOME_COD_NEGATIVE, TMX__OUTCOME__OUTCOME_EXPIRED };
    static const unsigned codes[] = { TMX_CODE_REFUSED, TMX_CODE_EXPIRED };
    struct tmx_report *r;
    Tmx__LogEntry e;
    struct mail m;

    book_honest();
    for (size_t i = 0; i < TMX_N(outcomes); i++) {
        book_compose(&m, "FR", "CH", "DE");
        book_accept(&m);
        book_report(&m, 0, TMX__OUTCOME__OUTCOME_COA, 0);
        book_report(&m, 0, TMX__OUTCOME__OUTCOME_COA, 0);
        book_report(&m, 0, outcomes[i], codes[i]);
        book_report(&m, 0, outcomes[i], codes[i]);
        e = book_ended(&m, 1, i == 0 ? TMX__ENTRY_KIND__ENTRY_EXPIRED : TMX__ENTRY_KIND__ENTRY_EXCEPTION,
                       i == 0 ? 0 : TMX_CODE_RECIPIENT_REVOKED);
        book_put(&e);
    }
    r = report(&whole);
    assert_int_equal(r->unmatched, 4);
    assert_true(r->all.accepted == 8 && r->all.fates[FATE_REFUSED] == 1 && r->all.fates[FATE_EXPIRED] == 2 &&
                r->all.fates[FATE_EXCEPTION] == 2 && r->all.fates[FATE_OPEN] == 2 && r->all.queued == 1);
    assert_int_equal(r->all.arrived, 4);
    expect_reason(r, REPORT_REFUSED, "CH", TMX_CODE_REFUSED, m.index - 3);
    expect_reason(r, REPORT_EXCEPTION, "DE", TMX_CODE_RECIPIENT_REVOKED, m.index + 5);
    tmx_report_free(r);
}

/* What an earlier shard had accepted counts from its resubmission on, and otherwise not at all. */
static void test_earlier_shard(void **state)
{
    Tmx__LogEntry e = book_entry(TMX__ENTRY_KIND__ENTRY_SHARD_START);
    Tmx__LogRef ref = book_ref(5);
    struct tmx_report *r;
    Tmx__Report body;
    struct mail m;

    book_put(&e);
    ref.shard = book_str("2025a");
    book_compose(&m, "DE", "FR", NULL);
    m.index = 5;
    body = book_report_on(&m, 0, TMX__OUTCOME__OUTCOME_COA, 0);
    body.acceptance = &ref;
    memset(m.header_digest, 1, sizeof m.header_digest);
    book_put_report("FR", &body);
    book_compose(&m, "FR", "DE", NULL);
    book_put_header(&m, TMX__ENTRY_KIND__ENTRY_RESUBMISSION, 0, 0);
    book_report(&m, 0, TMX__OUTCOME__OUTCOME_COA, 0);
    r = report(&whole);
    assert_true(r->all.accepted == 1 && r->resubmitted == 1 && r->unmatched == 1 && r->all.arrived == 1);
    tmx_report_free(r);
}

/* The list is bounded; what counts is not. */
static void test_many_open(void **state)
{
    const uint64_t many = 2 * REPORT_OPEN_MAX + 345;
    struct tmx_report *r;
    struct mail m;

    book_honest();
    for (size_t i = 0; i < many; i++) {
        book_compose(&m, "FR", "CH", NULL);
        book_accept(&m);
    }
    r = report(&whole);
    assert_int_equal(r->all.fates[FATE_OPEN], many + 2);
    assert_int_equal(r->n_open, REPORT_OPEN_MAX);
    assert_true(r->open[0].index == 7 && r->open[1].index == 9);
    for (size_t i = 2; i < r->n_open; i++) {
        assert_int_equal(r->open[i].index, 13 + i - 2);
    }
    assert_int_equal(member(r, "CH")->received.oldest_index, 13);
    tmx_report_free(r);
}

/* Names are chosen by the audited: there are so many and no more. */
static void test_too_many_members(void **state)
{
    char name[REPORT_MEMBERS_MAX + 1][TMX_MEMBER_MAX + 1];
    Tmx__LogEntry e = book_entry(TMX__ENTRY_KIND__ENTRY_REFUSAL);
    struct tmx_report *r;
    struct mail m;
    int error;

    book_honest();
    book_compose(&m, "DE", "FR", NULL);
    book_sign(&e, "DE", &m.header);
    e.code = TMX_CODE_QUOTA;
    for (size_t i = 0; i < TMX_N(name); i++) {
        snprintf(name[i], sizeof name[i], "M%06zu", i);
        e.member = book_str(name[i]);
        e.time_ms = 0;
        if (i == REPORT_MEMBERS_MAX - 3) {
            r = report(&whole);
            assert_int_equal(r->n_members, REPORT_MEMBERS_MAX);
            tmx_report_free(r);
        }
        book_put(&e);
    }
    r = report_or_not(&whole, &error);
    assert_null(r);
    assert_int_equal(error, -E2BIG);
    assert_non_null(strstr(why, "name more than 1024 members"));
}

/* --- the page ------------------------------------------------------------------------------------------------- */

static char *text_of(const char *text)
{
    char *html;
    size_t size;
    FILE *out = open_memstream(&html, &size);

    assert_non_null(out);
    html_text(out, text);
    fclose(out);
    return html;
}

/* No text becomes markup or leaves an attribute. */
static void test_escaped(void **state)
{
    static const struct {
        const char *text;
        const char *html;
    } cases[] = {
        { "<script>alert(\"1\")</script>", "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;" },
        { "a & b &amp; 'c'", "a &amp; b &amp;amp; &#39;c&#39;" },
        { "\x01\n\x7f", "\\x01\\x0a\\x7f" },
        { "Zürich", "Zürich" },
        { "\xff\xc3(", "\\xff\\xc3(" },
        { "", "" },
    };
    char longest[400];
    char *html;

    for (size_t i = 0; i < TMX_N(cases); i++) {
        html = text_of(cases[i].text);
        assert_string_equal(html, cases[i].html);
        free(html);
    }
    memset(longest, '<', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    html = text_of(longest);
    assert_null(strchr(html, '<'));
    assert_true(strlen(html) < 4 * sizeof longest);
    free(html);
}

static void test_groups(void **state)
{
    static const struct {
        uint64_t n;
        const char *html;
    } cases[] = { { 0, "0" }, { 999, "999" }, { 1000, "1\u202f000" }, { 12345678, "12\u202f345\u202f678" } };

    for (size_t i = 0; i < TMX_N(cases); i++) {
        char *html;
        size_t size;
        FILE *out = open_memstream(&html, &size);

        html_count(out, cases[i].n);
        fclose(out);
        assert_string_equal(html, cases[i].html);
        free(html);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_honest, book_setup, book_teardown),
        cmocka_unit_test_setup_teardown(test_late, book_setup, book_teardown),
        cmocka_unit_test_setup_teardown(test_choice, book_setup, book_teardown),
        cmocka_unit_test_setup_teardown(test_outcomes, book_setup, book_teardown),
        cmocka_unit_test_setup_teardown(test_earlier_shard, book_setup, book_teardown),
        cmocka_unit_test_setup_teardown(test_many_open, book_setup, book_teardown),
        cmocka_unit_test_setup_teardown(test_too_many_members, book_setup, book_teardown),
        cmocka_unit_test(test_escaped),
        cmocka_unit_test(test_groups),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
