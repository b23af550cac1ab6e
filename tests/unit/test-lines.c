/* SPDX-License-Identifier: Apache-2.0
 * The log to be read: its lines, the numbers of its pairs, what two members sent each other. LOG-6
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tmx/code.h>
#include <tmx/text.h>

#include "../../broker/audit/gaps.h"
#include "../../broker/audit/readable.h"
#include "../../broker/audit/reconcile.h"
#include "export_fixture.h"

static char why[HISTORY_WHY_MAX];

/* The book as an export, opened. */
static struct tmx_history exported(void)
{
    struct tmx_history h;

    export_book(book->n, SIZE_MAX);
    assert_int_equal(tmx_history_open(folder, &book->federation.authority, &h, why), 0);
    assert_int_equal(tmx_history_verify_head(&h, h.directories, why), 0);
    return h;
}

/* What is written of the book, malloc'ed. */
static char *readable(const struct tmx_audit_filter *filter, enum tmx_readable_format format)
{
    struct tmx_history h = exported();
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(out);
    assert_int_equal(tmx_readable(&h, filter, format, out, why), 0);
    fclose(out);
    tmx_history_close(&h);
    close(folder_fd);
    remove_folder(folder);
    return text;
}

static size_t count_lines(const char *text)
{
    size_t n = 0;

    for (; *text != '\0'; text++) {
        n += *text == '\n';
    }
    return n;
}

static void expect_line(const char *text, const char *line)
{
    if (strstr(text, line) == NULL) {
        print_error("no line %s in\n%s", line, text);
        fail();
    }
}

/* An entry for two recipients is two lines; what an outcome leaves unsaid is that of the acceptance. */
static void test_csv(void **state)
{
    static const struct tmx_audit_filter all = { .from_ms = 0 };
    char id[TMX_ID_TEXT_SIZE];
    char digest[2 * TMX_HASH_SIZE + 1];
    char line[512];
    char *text;

    book_honest();
    text = readable(&all, READABLE_CSV);
    assert_int_equal(count_lines(text), 1 + 13 + 1);
    tmx_id_text(book_first.id, id);
    tmx_hex(TMX_BYTES_OF(book_first.container_digest), digest);
    expect_line(text, "index,time,kind,member,sender,recipient,seq,message,type,outcome,code,acceptance,accepted,expires,"
                      "bytes,digest,replaces\n0,2026-09-21T14:13:20.000Z,shard-start,,,,,,,,,,,,,,\n");
    snprintf(line, sizeof line, "\n3,2026-09-21T14:13:20.030Z,acceptance,DE,DE,CH,1,%s,CD001C,accepted,,,,"
                                "2026-09-22T14:13:20.030Z,1000,%s,\n", id, digest);
    expect_line(text, line);
    snprintf(line, sizeof line, "\n5,2026-09-21T14:13:20.050Z,report,FR,DE,FR,1,%s,CD001C,delivered,,3,"
                                "2026-09-21T14:13:20.030Z,2026-09-22T14:13:20.030Z,1000,%s,\n", id, digest);
    expect_line(text, line);
    snprintf(line, sizeof line, ",report,CH,DE,CH,1,%s,CD001C,exception,cannot-open,3,", id);
    expect_line(text, line);
    expect_line(text, ",refusal,DE,DE,FR,2,");
    expect_line(text, ",CD001C,rejected,type-not-allowed,,,");
    expect_line(text, "\n11,2026-09-21T14:13:20.110Z,refusal,FR,,,,,,,outcome-exists,,,,,,\n");
    free(text);
}

/* LOG-9: an anchor is about no message. */
static void test_anchor(void **state)
{
    static const struct tmx_audit_filter all = { .from_ms = 0 };
    Tmx__LogEntry e = book_entry(TMX__ENTRY_KIND__ENTRY_ANCHOR);
    char *text;

    book_honest();
    e.number = 12;
    e.digest = book_bin(book->roots[1].b, TMX_HASH_SIZE);
    book_put(&e);
    text = readable(&all, READABLE_CSV);
    expect_line(text, "\n13,2026-09-21T14:13:20.130Z,anchor,,,,,,,,,,,,,,\n");
    free(text);
    text = readable(&all, READABLE_JSONL);
    expect_line(text, "{\"index\":13,\"time\":\"2026-09-21T14:13:20.130Z\",\"kind\":\"anchor\"}\n");
    free(text);
}

/* ENV-7: of acceptance and outcome. */
static void test_replaces(void **state)
{
    static const struct tmx_audit_filter accepted = { .outcome = "accepted", .member = "CH" };
    static const struct tmx_audit_filter delivered = { .outcome = "delivered" };
    struct mail again;
    char id[TMX_ID_TEXT_SIZE], line[128], *text;

    book_honest();
    book_compose(&again, "FR", "CH", NULL);
    again.header.replaces = book_bin(book_second.id, TMX_ID_SIZE);
    book_accept(&again);
    book_report(&again, 0, TMX__OUTCOME__OUTCOME_COA, 0);
    book_report(&again, 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);
    tmx_id_text(book_second.id, id);
    text = readable(&accepted, READABLE_CSV);
    snprintf(line, sizeof line, ",%s\n", id);
    expect_line(text, line);
    free(text);
    text = readable(&delivered, READABLE_JSONL);
    snprintf(line, sizeof line, "\"replaces\":\"%s\"}\n", id);
    expect_line(text, line);
    free(text);
}

static void test_json_lines(void **state)
{
    static const struct tmx_audit_filter all = { .from_ms = 0 };
    size_t n = 0;
    char *text;

    book_honest();
    text = readable(&all, READABLE_JSONL);
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"), n++) {
        json_t *o = json_loads(line, JSON_REJECT_DUPLICATES, NULL);

        assert_non_null(o);
        if (n == 6) { /* the delivery to FR: entry 5, and one line more for two recipients */
            assert_int_equal(json_integer_value(json_object_get(o, "index")), 5);
            assert_string_equal(json_string_value(json_object_get(o, "outcome")), "delivered");
            assert_int_equal(json_integer_value(json_object_get(o, "acceptance")), 3);
            assert_null(json_object_get(o, "code")); /* what is not said is not there */
        }
        json_decref(o);
    }
    assert_int_equal(n, 14);
    free(text);
}

static void test_filter(void **state)
{
    static const struct {
        struct tmx_audit_filter filter;
        size_t lines;
    } cases[] = {
        { { .outcome = "accepted" }, 4 },
        { { .outcome = "rejected" }, 1 },
        { { .outcome = "arrived", .member = "DE" }, 2 },
        { { .member = "CH" }, 2 },
        { { .member = "IT" }, 0 },
        { { .message_type = "CD001C", .outcome = "exception" }, 1 },
        { { .message_type = "CD002C" }, 0 },
        { { .from_ms = START_MS + 90 }, 4 },
        { { .to_ms = START_MS + 30 }, 3 },
        { { .from_ms = START_MS + 30, .to_ms = START_MS + 40 }, 2 },
    };

    book_honest();
    for (size_t i = 0; i < TMX_N(cases); i++) {
        char *text = readable(&cases[i].filter, READABLE_JSONL);

        assert_int_equal(count_lines(text), cases[i].lines);
        free(text);
    }
}

static int ignore(void *ctx, const struct tmx_audit_line *l)
{
    (*(size_t *)ctx)++;
    return 0;
}

/* Lines count only when they are of the log that was signed. */
static void test_other_entries(void **state)
{
    struct tmx_history h;
    size_t n = 0;

    book_honest();
    export_book(book->n, SIZE_MAX);
    write_checkpoint(book->n, &book->roots[book->n - 1], book->federation.log_secret);
    assert_int_equal(tmx_history_open(folder, &book->federation.authority, &h, why), 0);
    assert_int_equal(tmx_audit_lines(&h, ignore, &n, why), -EBADMSG);
    assert_int_equal(n, 14);
    assert_non_null(strstr(why, "do not give the signed root"));
    tmx_history_close(&h);
    bend_file("tile/entries/000.p/13", 2, 0xff);
    assert_int_equal(tmx_history_open(folder, &book->federation.authority, &h, why), 0);
    assert_int_equal(tmx_audit_lines(&h, ignore, &n, why), -EBADMSG);
    assert_non_null(strstr(why, "entry 0: malformed"));
    tmx_history_close(&h);
    remove_folder(folder);
}

/* An outcome far behind its acceptance: the bundle has to be read again. */
static void test_long_after(void **state)
{
    static const struct tmx_audit_filter expired = { .outcome = "expired" };
    Tmx__LogEntry e;
    struct mail m;
    char *text;

    book_honest();
    while (book->n < ENTRIES_MAX - 10) {
        book_compose(&m, "FR", "CH", NULL);
        book_accept(&m);
    }
    book->now_ms += 100000000;
    e = book_ended(&book_second, 0, TMX__ENTRY_KIND__ENTRY_EXPIRED, 0);
    book_put(&e);
    text = readable(&expired, READABLE_CSV);
    assert_int_equal(count_lines(text), 2);
    expect_line(text, ",expired,,FR,DE,1,");
    expect_line(text, ",CD001C,expired,,7,2026-09-21T14:13:20.070Z,");
    free(text);
}

/* --- gaps ----------------------------------------------------------------------------------------------------- */

static const struct tmx_gap_pair *find_gap_pair(const struct tmx_gaps *g, const char *sender, const char *recipient)
{
    for (size_t i = 0; i < g->n; i++) {
        if (strcmp(g->pairs[i].sender, sender) == 0 && strcmp(g->pairs[i].recipient, recipient) == 0) {
            return &g->pairs[i];
        }
    }
    fail_msg("no pair %s to %s", sender, recipient);
    return NULL;
}

static struct tmx_gaps gaps(void)
{
    struct tmx_history h = exported();
    struct tmx_gaps g;

    assert_int_equal(tmx_gaps(&h, &g, why), 0);
    tmx_history_close(&h);
    close(folder_fd);
    remove_folder(folder);
    return g;
}

static void test_no_gaps(void **state)
{
    const struct tmx_gap_pair *p;
    struct tmx_gaps g;

    book_honest();
    g = gaps();
    assert_int_equal(g.n, 3);
    assert_int_equal(g.missing + g.repeated, 0);
    p = find_gap_pair(&g, "DE", "FR");
    assert_true(p->first == 1 && p->last == 3 && p->accepted == 2 && p->rejected == 1);
    assert_string_equal(g.pairs[0].recipient, "CH");
    assert_string_equal(g.pairs[2].sender, "FR");
    tmx_gaps_free(&g);
}

static void test_gaps(void **state)
{
    const struct tmx_gap_pair *p;
    struct tmx_gaps g;
    struct mail m;
    uint64_t fault;

    book_honest();
    *book_number("FR", "DE") += 2;
    book_compose(&m, "FR", "DE", NULL);
    fault = book_accept(&m);
    *book_number("FR", "DE") -= 3; /* comes in the end what was missing */
    book_compose(&m, "FR", "DE", NULL);
    book_accept(&m);
    g = gaps();
    assert_int_equal(g.missing, 2);
    assert_int_equal(g.repeated, 1);
    p = find_gap_pair(&g, "FR", "DE");
    assert_true(p->missing == 2 && p->repeated == 1 && p->first_fault == fault && p->last == 4);
    assert_int_equal(find_gap_pair(&g, "DE", "FR")->missing, 0);
    tmx_gaps_free(&g);
}

/* A shard that follows another goes on where the carried pairs say. */
static void test_carried_numbers(void **state)
{
    Tmx__LogEntry e = book_entry(TMX__ENTRY_KIND__ENTRY_SHARD_START);
    struct tmx_gaps g;
    struct mail m;

    book_put(&e);
    e = book_entry(TMX__ENTRY_KIND__ENTRY_CARRY_PAIR);
    e.member = book_str("DE");
    e.recipient = book_str("FR");
    e.number = 41;
    book_put(&e);
    *book_number("DE", "FR") = 41;
    book_compose(&m, "DE", "FR", NULL);
    book_accept(&m);
    *book_number("FR", "DE") = 7;
    book_compose(&m, "FR", "DE", NULL);
    book_put_header(&m, TMX__ENTRY_KIND__ENTRY_RESUBMISSION, 0, 0);
    g = gaps();
    assert_int_equal(g.missing + g.repeated, 0);
    assert_int_equal(find_gap_pair(&g, "DE", "FR")->first, 42);
    assert_int_equal(find_gap_pair(&g, "FR", "DE")->last, 8);
    tmx_gaps_free(&g);
}

/* --- reconcile ------------------------------------------------------------------------------------------------ */

struct told {
    size_t n;
    enum tmx_fate fates[8];
    uint64_t indexes[8];
};

static int tell(void *ctx, enum tmx_fate fate, const struct tmx_audit_line *l)
{
    struct told *t = ctx;

    assert_true(t->n < TMX_N(t->fates));
    t->fates[t->n] = fate;
    t->indexes[t->n++] = l->index;
    return 0;
}

static struct tmx_reconciliation reconcile(const char *a, const char *b, uint64_t from_ms, uint64_t to_ms,
                                           struct told *ret_told)
{
    struct tmx_history h = exported();
    struct tmx_reconciliation r;

    *ret_told = (struct told){ .n = 0 };
    assert_int_equal(tmx_reconcile(&h, a, b, from_ms, to_ms, tell, ret_told, &r, why), 0);
    tmx_history_close(&h);
    close(folder_fd);
    remove_folder(folder);
    return r;
}

static void test_reconcile(void **state)
{
    struct tmx_reconciliation r;
    struct told told;

    book_honest();
    r = reconcile("FR", "DE", 0, 0, &told);
    assert_int_equal(r.n, 2);
    assert_string_equal(r.rows[0].sender, "DE");
    assert_string_equal(r.rows[0].message_type, "CD001C");
    assert_true(r.rows[0].accepted == 2 && r.rows[0].fates[FATE_DELIVERED] == 1 && r.rows[0].fates[FATE_OPEN] == 1 &&
                r.rows[0].arrived == 1);
    assert_true(r.rows[1].accepted == 1 && r.rows[1].fates[FATE_OPEN] == 1 && r.rows[1].arrived == 0);
    assert_int_equal(told.n, 3); /* the outcome first, then what is open */
    assert_true(told.fates[0] == FATE_DELIVERED && told.indexes[0] == 5);
    assert_true(told.fates[1] == FATE_OPEN && told.indexes[1] == 7);
    assert_true(told.fates[2] == FATE_OPEN && told.indexes[2] == 9);
    tmx_reconciliation_free(&r);
    r = reconcile("DE", "CH", 0, 0, &told);
    assert_true(r.n == 1 && r.rows[0].fates[FATE_EXCEPTION] == 1 && r.rows[0].fates[FATE_OPEN] == 0);
    tmx_reconciliation_free(&r);
}

/* A delivery belongs to the time of its acceptance, whenever it ends. */
static void test_reconcile_time(void **state)
{
    struct tmx_reconciliation r;
    struct told told;

    book_honest();
    r = reconcile("DE", "FR", START_MS + 30, START_MS + 40, &told);
    assert_true(r.n == 1 && r.rows[0].accepted == 1 && r.rows[0].fates[FATE_DELIVERED] == 1);
    assert_int_equal(told.n, 1);
    tmx_reconciliation_free(&r);
    r = reconcile("DE", "FR", START_MS + 40, START_MS + 70, &told);
    assert_int_equal(r.n, 0);
    assert_int_equal(told.n, 0);
    tmx_reconciliation_free(&r);
    r = reconcile("DE", "FR", START_MS + 90, 0, &told);
    assert_true(r.n == 1 && r.rows[0].accepted == 1 && r.rows[0].arrived == 1);
    tmx_reconciliation_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_csv, book_setup, book_teardown),
        cmocka_unit_test_setup_teardown(test_anchor, book_setup, book_teardown),
        cmocka_unit_test_setup_teardown(test_replaces, book_setup, book_teardown),
        cmocka_unit_test_setup_teardown(test_json_lines, book_setup, book_teardown),
        cmocka_unit_test_setup_teardown(test_filter, book_setup, book_teardown),
        cmocka_unit_test_setup_teardown(test_other_entries, book_setup, book_teardown),
        cmocka_unit_test_setup_teardown(test_long_after, book_setup, book_teardown),
        cmocka_unit_test_setup_teardown(test_no_gaps, book_setup, book_teardown),
        cmocka_unit_test_setup_teardown(test_gaps, book_setup, book_teardown),
        cmocka_unit_test_setup_teardown(test_carried_numbers, book_setup, book_teardown),
        cmocka_unit_test_setup_teardown(test_reconcile, book_setup, book_teardown),
        cmocka_unit_test_setup_teardown(test_reconcile_time, book_setup, book_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
