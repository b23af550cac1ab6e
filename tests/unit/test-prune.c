/* SPDX-License-Identifier: Apache-2.0
 * Exports without their oldest bundles: made, continued, checked and bent. LOG-10
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tmx/code.h>

#include "../../broker/audit/check.h"
#include "../../broker/audit/compare.h"
#include "../../broker/audit/export_dir.h"
#include "../../broker/audit/gaps.h"
#include "../../broker/audit/prove.h"
#include "../../broker/audit/pruned.h"
#include "../../broker/audit/report.h"
#include "export_broker.h"

#define CLASS(name) (1u << AUDIT_##name)

static struct tmx_prune_result result;

/* --- a log whose deliveries end ------------------------------------------------------------------------------- */

static void deliver(struct mail *m)
{
    book_report(m, 0, TMX__OUTCOME__OUTCOME_COA, 0);
    book_report(m, 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);
}

/* The honest log without anything open. */
static void begin(void)
{
    book_honest();
    deliver(&book_second);
    book_report(&book_third, 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);
}

/* Messages with their outcomes; each has seen a head from far back. */
static void grow(size_t size)
{
    Tmx__Head seen = TMX__HEAD__INIT;
    struct mail m;

    seen.shard = book_str(book->federation.shard);
    while (book->n < size) {
        book_compose(&m, "DE", "FR", NULL);
        seen.size = book->n / 2 + 1;
        seen.root = book_bin(book->roots[seen.size].b, TMX_HASH_SIZE);
        m.header.seen = &seen;
        book_accept(&m);
        deliver(&m);
    }
}

/* The head of the book, and an export of it from a broker. */
static void export_now(void)
{
    write_checkpoint(book->n, &book->roots[book->n], book->federation.log_secret);
    assert_int_equal(export_from(HONEST), 0);
}

static void export_first(void)
{
    export_book(book->n, SIZE_MAX);
    assert_int_equal(export_from(HONEST), 0);
}

static void make(size_t size)
{
    begin();
    grow(size);
    export_first();
}

static int prune_before(uint64_t index)
{
    return prune_with(&(struct tmx_prune_order){ .before_index = index }, &result);
}

/* The classes that have a fault in the target. */
static unsigned faults(void)
{
    struct tmx_check *c;
    const char *what;
    unsigned classes = 0;

    assert_int_equal(tmx_check_export(target, authority_file, 2, NULL, &c, &what), 0);
    book_print_faults(tmx_check_audit(c));
    for (unsigned i = 0; i < AUDIT_N_CLASSES; i++) {
        classes |= tmx_audit_result(tmx_check_audit(c))->faults[i].count > 0 ? 1u << i : 0;
    }
    tmx_check_free(c);
    return classes;
}

/* --- how far -------------------------------------------------------------------------------------------------- */

static void expect_kept_from(uint64_t index)
{
    char command[160];

    assert_int_equal(result.index, index);
    snprintf(command, sizeof command, "test $(cat min-index) = %u && test $(ls tile/entries | head -n 1) = %03u && test -e tile/0/000",
             (unsigned)index, (unsigned)(index / 256));
    assert_true(run_in_target(command));
    assert_true(sums_hold());
    assert_true(check_target());
}

static void test_by_index(void **state)
{
    make(1100);
    assert_int_equal(prune_before(255), 0);
    assert_int_equal(result.index, 0);
    assert_false(target_has("min-index"));
    assert_int_equal(prune_before(256), 0);
    expect_kept_from(256);
    assert_int_equal(prune_before(767), 0);
    assert_int_equal(result.before, 256);
    expect_kept_from(512);
    assert_int_equal(prune_before(300), 0); /* nothing comes back */
    expect_kept_from(512);
    assert_int_equal(prune_before(UINT64_MAX), 0); /* the last full bundle stays */
    expect_kept_from(768);
    assert_false(result.held);
}

static void test_by_time(void **state)
{
    struct tmx_prune_order order = { .before_ms = START_MS + 255 * 10 };

    make(1100);
    assert_int_equal(prune_with(&order, &result), 0); /* the last entry of the first bundle is of that time */
    assert_int_equal(result.index, 0);
    order.before_ms++;
    assert_int_equal(prune_with(&order, &result), 0);
    expect_kept_from(256);
    order.before_ms = START_MS + 700 * 10;
    assert_int_equal(prune_with(&order, &result), 0);
    expect_kept_from(512);
    order.before_ms = START_MS + 86400000;
    assert_int_equal(prune_with(&order, &result), 0);
    expect_kept_from(768);
}

/* What belongs to a delivery without outcome stays, from its first entry on: queued, or arrived. */
static void test_open_delivery(void **state)
{
    struct mail open;

    begin();
    grow(400);
    book_compose(&open, "FR", "CH", NULL);
    book_accept(&open);
    grow(800);
    export_first();
    assert_int_equal(prune_before(512), 0);
    assert_true(result.held);
    assert_int_equal(result.held_index, open.index);
    assert_memory_equal(result.held_id, open.id, sizeof open.id);
    expect_kept_from(256);
    book_report(&open, 0, TMX__OUTCOME__OUTCOME_COA, 0);
    grow(900);
    export_now();
    assert_int_equal(prune_before(512), 0);
    assert_true(result.held);
    book_report(&open, 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);
    export_now();
    assert_int_equal(prune_before(512), 0);
    assert_false(result.held);
    expect_kept_from(512); /* with a report of what is pruned */
}

/* Nothing is taken from an export that has a fault, or that is signed and no key named. */
static void test_refused(void **state)
{
    struct tmx_signify_key key = { .name = "archive.pub" };

    make(800);
    assert_true(run_in(folder, "cp -r out kept"));
    assert_true(run_in_target("sed -i '0,/CD001C/s//CD002C/' tile/entries/001"));
    assert_int_equal(prune_before(512), -EBADMSG);
    assert_non_null(strstr(why, "does not verify"));
    assert_false(target_has("min-index"));
    assert_true(run_in(folder, "rm -rf out && cp -r kept out"));
    assert_true(run_in_target("rm tile/0/000"));
    assert_int_equal(prune_before(512), -EBADMSG);
    assert_true(target_has("tile/entries/000"));
    assert_true(run_in(folder, "rm -rf out && cp -r kept out"));
    assert_int_equal(crypto_sign_keypair(key.public.key, key.secret), 0);
    assert_int_equal(export_with(HONEST, &(struct tmx_export_order){ .key = &key }), 0);
    assert_int_equal(prune_before(512), -EPERM);
    assert_true(target_has("tile/entries/000"));
    assert_int_equal(prune_with(&(struct tmx_prune_order){ .before_index = 512, .key = &key }, &result), 0);
    expect_kept_from(512);
    assert_true(check_signed_target(&key.public));
    /* Without the key nobody takes more away unseen. */
    assert_true(run_in_target("echo 256 >min-index"));
    assert_false(check_signed_target(&key.public));
}

/* --- broken off, continued ------------------------------------------------------------------------------------ */

/* Whatever the moment, the next pruning finishes it, and so does the next export. */
static void test_crash_anywhere(void **state)
{
    const struct tmx_prune_order order = { .before_index = 512 };
    unsigned n = 1;

    make(800);
    assert_true(run_in(folder, "cp -r out whole"));
    assert_int_equal(prune_before(512), 0);
    assert_true(run_in(folder, "mv out pruned && cp -r whole out"));
    for (; prune_crashing(n, &order) != 0; n++) {
        assert_int_equal(faults() & ~(CLASS(SUMS) | CLASS(PRUNED)), 0);
        assert_true(run_in(folder, "rm -rf broken && cp -r out broken"));
        assert_int_equal(prune_before(512), 0);
        assert_true(run_in(folder, "diff -r out pruned && rm -rf out && cp -r broken out"));
        assert_int_equal(export_from(HONEST), 0);
        assert_true(n < 3 || run_in(folder, "diff -r out pruned"));
        assert_true(run_in(folder, "rm -rf out && cp -r whole out"));
    }
    assert_true(n >= 5);
}

/* An export goes on, and brings nothing back; what is missing of the hashes is asked for. */
static void test_continued(void **state)
{
    size_t before;

    make(800);
    before = book->n;
    assert_int_equal(prune_before(512), 0);
    grow(1400);
    export_now();
    assert_int_equal(asked->entries, book->n - before);
    assert_int_equal(asked->first, before);
    expect_kept_from(512);
    assert_true(run_in_target("rm tile/0/001"));
    export_now();
    expect_kept_from(512);
    assert_true(asked->first == 256 && asked->entries >= 256);
    assert_true(run_in_target("cp tile/0/000 aside && cp tile/0/001 tile/0/000"));
    assert_true(export_from(HONEST) < 0);
    assert_non_null(strstr(why, "damaged"));
    assert_true(run_in_target("mv aside tile/0/000 && truncate -s 100 tile/0/001"));
    assert_int_equal(export_from(HONEST), -EBADMSG);
}

/* What is new since a pruned export is laid over it. */
static void test_since_pruned(void **state)
{
    char dir[96];
    struct tmx_export_order since = { .dir = dir, .since = target };

    make(800);
    assert_int_equal(prune_before(512), 0);
    grow(1400);
    write_checkpoint(book->n, &book->roots[book->n], book->federation.log_secret);
    snprintf(dir, sizeof dir, "%s/new", folder);
    assert_int_equal(export_with(HONEST, &since), 0);
    assert_true(run_in(folder, "test ! -e new/min-index && cp -r new/. out"));
    assert_true(check_target());
    export_now();
    expect_kept_from(512);
}

/* --- bent ----------------------------------------------------------------------------------------------------- */

static void test_bent(void **state)
{
    static const struct {
        const char *command;
        unsigned classes;
    } cases[] = {
        { "printf x | dd of=tile/0/000 bs=1 seek=77 conv=notrunc 2>/dev/null", CLASS(SUMS) | CLASS(TILE) | CLASS(ROOT) | CLASS(SEEN) },
        { "truncate -s 8000 tile/0/001", CLASS(SUMS) | CLASS(TILE) | CLASS(ROOT) },
        { "rm tile/0/001", CLASS(SUMS) | CLASS(TILE) | CLASS(ROOT) },
        { "printf x | dd of=tile/1/000.p/4 bs=1 seek=7 conv=notrunc 2>/dev/null", CLASS(SUMS) | CLASS(TILE) },
        { "rm tile/entries/002", CLASS(SUMS) | CLASS(ENTRIES) | CLASS(ROOT) },
        { "rm min-index", CLASS(SUMS) | CLASS(ENTRIES) | CLASS(ROOT) },
        { "echo 0 >min-index", CLASS(SUMS) | CLASS(ENTRIES) | CLASS(ROOT) },
        { "echo 256 >min-index", CLASS(SUMS) | CLASS(ENTRIES) | CLASS(ROOT) },
        { "echo 513 >min-index", CLASS(SUMS) | CLASS(ENTRIES) | CLASS(ROOT) },
        { "echo 1024 >min-index", CLASS(SUMS) | CLASS(ENTRIES) | CLASS(ROOT) },
        { "echo 25600 >min-index", CLASS(SUMS) | CLASS(ENTRIES) | CLASS(ROOT) },
        { "echo 0512 >min-index", CLASS(SUMS) | CLASS(ENTRIES) | CLASS(ROOT) },
        { "printf 512 >min-index", CLASS(SUMS) | CLASS(ENTRIES) | CLASS(ROOT) },
        { "echo 512x >min-index", CLASS(SUMS) | CLASS(ENTRIES) | CLASS(ROOT) },
        { "printf '512\\n\\n' >min-index", CLASS(SUMS) | CLASS(ENTRIES) | CLASS(ROOT) },
        { ": >min-index", CLASS(SUMS) | CLASS(ENTRIES) | CLASS(ROOT) },
        { "yes 512 | head -n 20 >min-index", CLASS(SUMS) | CLASS(ENTRIES) | CLASS(ROOT) },
        { "echo 768 >min-index", CLASS(SUMS) | CLASS(PRUNED) },
        { "echo 768 >min-index; rm tile/entries/002", CLASS(SUMS) },
        { "cp tile/entries/002 tile/entries/000", CLASS(PRUNED) },
        { "mkdir tile/entries/001.p; cp tile/entries/002 tile/entries/001.p/7", CLASS(PRUNED) },
        { "cp tile/0/000 tile/0/009", CLASS(SUMS) | CLASS(TILE) },
    };

    make(1100);
    assert_int_equal(prune_before(512), 0);
    assert_true(run_in(folder, "cp -r out kept"));
    for (size_t i = 0; i < TMX_N(cases); i++) {
        print_message("# %s\n", cases[i].command);
        assert_true(run_in_target(cases[i].command));
        /* Tiles that the entries do not give any more may differ, too, and old heads. */
        assert_int_equal(faults() & ~(CLASS(TILE) | CLASS(SEEN)), cases[i].classes & ~(CLASS(TILE) | CLASS(SEEN)));
        assert_true((faults() & cases[i].classes & CLASS(TILE)) == (cases[i].classes & CLASS(TILE)));
        assert_true(run_in(folder, "rm -rf out && cp -r kept out"));
    }
    assert_int_equal(faults(), 0);
}

/* --- rules ---------------------------------------------------------------------------------------------------- */

/* Bends what is kept, exports it, and takes the first two bundles away whatever they hold. */
typedef void kept_fn(void);
static void check_kept(kept_fn *fn, unsigned classes)
{
    assert_int_equal(book_setup(NULL), 0);
    begin();
    grow(500);
    fn();
    grow(900);
    export_first();
    assert_true(run_in_target("rm tile/entries/000 tile/entries/001 SHA256 && echo 512 >min-index"));
    assert_int_equal(faults(), classes);
    assert_int_equal(remove_export(NULL), 0);
}

static void put_early(struct mail *m, const char *from, const char *to)
{
    book_compose(m, from, to, NULL);
    book_accept(m);
    grow(520);
}

static void report_after(void)
{
    struct mail m;

    put_early(&m, "FR", "CH");
    deliver(&m);
}

static void two_outcomes(void)
{
    struct mail m;

    put_early(&m, "FR", "CH");
    deliver(&m);
    book_report(&m, 0, TMX__OUTCOME__OUTCOME_COD_NEGATIVE, TMX_CODE_REFUSED);
}

static void outcome_only(void)
{
    struct mail m;

    book_compose(&m, "FR", "CH", NULL);
    book_accept(&m);
    book_report(&m, 0, TMX__OUTCOME__OUTCOME_COA, 0);
    grow(520);
    book_report(&m, 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);
}

static void arrives_twice(void)
{
    struct mail m;

    put_early(&m, "FR", "CH");
    book_report(&m, 0, TMX__OUTCOME__OUTCOME_COA, 0);
    book_report(&m, 0, TMX__OUTCOME__OUTCOME_COA, 0);
}

static void other_digest(void)
{
    struct mail m;

    put_early(&m, "FR", "CH");
    book_report(&m, 0, TMX__OUTCOME__OUTCOME_COA, 0);
    m.header_digest[0] ^= 1;
    book_report(&m, 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);
}

static void other_container(void)
{
    struct mail m;

    put_early(&m, "FR", "CH");
    book_report(&m, 0, TMX__OUTCOME__OUTCOME_COA, 0);
    m.container_digest[0] ^= 1;
    book_report(&m, 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);
}

static void other_number(void)
{
    struct mail m;

    put_early(&m, "FR", "CH");
    book_report(&m, 0, TMX__OUTCOME__OUTCOME_COA, 0);
    m.recipient[0].seq++;
    book_report(&m, 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);
}

static void no_acceptance(void)
{
    struct mail m;

    put_early(&m, "FR", "CH");
    m.index = book->n - 3; /* not before the first entry: it is known that there is none */
    deliver(&m);
}

/* The first number here is as it is; the next follows it. */
static void first_number(void)
{
    struct mail m;

    grow(520);
    *book_number("FR", "CH") += 7;
    book_compose(&m, "FR", "CH", NULL);
    book_accept(&m);
    deliver(&m);
}

static void next_number(void)
{
    struct mail m;

    first_number();
    *book_number("FR", "CH") += 1;
    book_compose(&m, "FR", "CH", NULL);
    book_accept(&m);
    deliver(&m);
}

static void other_serial(void)
{
    Tmx__LogEntry e = book_entry(TMX__ENTRY_KIND__ENTRY_START);

    grow(520);
    e.directory_serial = 2;
    book_put(&e);
}

static void test_rules(void **state)
{
    check_kept(report_after, 0);
    check_kept(outcome_only, 0);
    check_kept(first_number, 0);
    check_kept(two_outcomes, CLASS(STATE));
    check_kept(arrives_twice, CLASS(STATE));
    check_kept(other_digest, CLASS(REFERENCE));
    check_kept(other_container, CLASS(REFERENCE));
    check_kept(other_number, CLASS(REFERENCE));
    check_kept(no_acceptance, CLASS(REFERENCE));
    check_kept(next_number, CLASS(SEQUENCE));
    check_kept(other_serial, CLASS(DIRECTORY));
}

/* --- the other commands --------------------------------------------------------------------------------------- */

static uint64_t first_line;

static int on_line(void *ctx, const struct tmx_audit_line *l)
{
    first_line = first_line == 0 ? l->index : first_line;
    return 0;
}

static void test_readers(void **state)
{
    const struct tmx_report_choice choice = { .late_ms = 1000 };
    static uint8_t text[PROOF_MAX];
    struct tmx_writer w = TMX_WRITER_OF(text);
    char why_not[HISTORY_WHY_MAX];
    char path[96];
    struct tmx_history whole;
    struct tmx_history h;
    struct tmx_comparison comparison;
    struct tmx_report *report;
    struct tmx_gaps gaps;

    make(1100);
    assert_true(run_in(folder, "cp -r out whole"));
    snprintf(path, sizeof path, "%s/whole", folder);
    assert_int_equal(prune_before(512), 0);
    assert_int_equal(tmx_history_open(target, &book->federation.authority, &h, why_not), 0);
    assert_int_equal(h.pruned, 512);
    assert_int_equal(h.kept_ms, START_MS + 512 * 10);
    assert_int_equal(tmx_audit_lines(&h, on_line, NULL, why_not), 0);
    assert_int_equal(first_line, 512);
    assert_int_equal(tmx_gaps(&h, &gaps, why_not), 0);
    assert_int_equal(gaps.missing + gaps.repeated, 0);
    assert_true(gaps.n == 1 && gaps.pairs[0].first > 1);
    tmx_gaps_free(&gaps);
    assert_int_equal(tmx_report(&h, &choice, &report, why_not), 0);
    assert_int_equal(report->first_ms, START_MS + 512 * 10);
    tmx_report_free(report);
    assert_int_equal(tmx_prove(&h, 600, &w, why_not), 0);
    assert_non_null(memmem(text, w.used, "\nextra ", 7));
    w.used = 0;
    assert_int_equal(tmx_prove(&h, 3, &w, why_not), 0);
    assert_memory_equal(text, "c2sp.org/tlog-proof@v1\nindex 3\n", 31);
    assert_int_equal(tmx_history_open(path, &book->federation.authority, &whole, why_not), 0);
    assert_int_equal(tmx_compare(&h, &whole, &comparison, why_not), 0);
    assert_false(comparison.fork);
    tmx_history_close(&whole);
    tmx_history_close(&h);
    assert_true(run_in_target("printf x | dd of=tile/0/000 bs=1 seek=77 conv=notrunc 2>/dev/null"));
    assert_int_equal(tmx_history_open(target, &book->federation.authority, &h, why_not), 0);
    assert_int_equal(tmx_audit_lines(&h, on_line, NULL, why_not), -EBADMSG);
    assert_int_equal(tmx_prove(&h, 2, &w, why_not), -EBADMSG);
    tmx_history_close(&h);
    assert_true(run_in_target("echo 5 >min-index"));
    assert_int_equal(tmx_history_open(target, &book->federation.authority, &h, why_not), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_by_index, book_setup, remove_export),
        cmocka_unit_test_setup_teardown(test_by_time, book_setup, remove_export),
        cmocka_unit_test_setup_teardown(test_open_delivery, book_setup, remove_export),
        cmocka_unit_test_setup_teardown(test_refused, book_setup, remove_export),
        cmocka_unit_test_setup_teardown(test_crash_anywhere, book_setup, remove_export),
        cmocka_unit_test_setup_teardown(test_continued, book_setup, remove_export),
        cmocka_unit_test_setup_teardown(test_since_pruned, book_setup, remove_export),
        cmocka_unit_test_setup_teardown(test_bent, book_setup, remove_export),
        cmocka_unit_test(test_rules),
        cmocka_unit_test_setup_teardown(test_readers, book_setup, remove_export),
    };

    return cmocka_run_group_tests_name("prune", tests, NULL, NULL);
}
