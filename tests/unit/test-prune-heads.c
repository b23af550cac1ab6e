/* SPDX-License-Identifier: Apache-2.0
 * A pruned export says of earlier heads what it said before: checkpoints of hours are judged by the directory that was in force,
 * time-stamp tokens by their entries, which stay in `kept`. Without that file they are not judged, and no fault. LOG-9, LOG-10
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tmx/text.h>

#include "../../broker/audit/check.h"
#include "../../broker/audit/prune.h"
#include "export_broker.h"

#define CLASS(name) (1u << AUDIT_##name)

static void deliver(struct mail *m)
{
    book_report(m, 0, TMX__OUTCOME__OUTCOME_COA, 0);
    book_report(m, 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);
}

static void grow(size_t size)
{
    struct mail m;

    while (book->n < size) {
        book_compose(&m, "DE", "FR", NULL);
        book_accept(&m);
        deliver(&m);
    }
}

/* Two directories, the second with a witness policy; hours under both; tokens before and behind entry 512. */
static void make(void)
{
    heads_forget();
    book_honest();
    deliver(&book_second);
    book_report(&book_third, 0, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);
    grow(200);
    heads_hour(480000, 150, 0);
    (void)heads_anchor(160);
    book->federation.witnesses = true;
    book_change_directory("CH", TMX__MEMBER_STATUS__MEMBER_ACTIVE);
    grow(300);
    heads_hour(480001, 260, 1);
    heads_hour(480002, 290, 2);
    (void)heads_anchor(295);
    grow(600);
    heads_hour(480003, 590, 3);
    (void)heads_anchor(595);
    grow(1100);
    heads_hour(480004, 1000, 2);
    heads_hour(480005, 1100, 3);   /* still changes */
    export_book(book->n, SIZE_MAX);
    assert_int_equal(export_from(HONEST), 0);
}

static bool stamp(void *ctx, struct tmx_bytes text, struct tmx_bytes token, uint64_t *ret_time_ms, const char **ret_why)
{
    struct tmx_checkpoint head;
    char wanted[64];

    assert_true(tmx_checkpoint_parse(text, &head));
    assert_true(tmx_hash_eq(&head.root, &book->roots[head.size]));
    *ret_time_ms = head.size;
    *ret_why = "of another head";
    snprintf(wanted, sizeof wanted, "token of %llu", (unsigned long long)head.size);
    return strcmp((const char *)token.data, wanted) == 0;
}

/* The classes that have a fault in the target, tokens verified; what it holds of earlier heads. */
static unsigned faults(struct tmx_check_heads *ret_heads)
{
    struct tmx_check *c;
    const char *what;
    unsigned classes = 0;

    assert_int_equal(tmx_check_export(target, authority_file, 1, NULL, &c, &what), 0);
    tmx_check_stamps(c, stamp, NULL);
    book_print_faults(tmx_check_audit(c));
    for (unsigned i = 0; i < AUDIT_N_CLASSES; i++) {
        classes |= tmx_audit_result(tmx_check_audit(c))->faults[i].count > 0 ? 1u << i : 0;
    }
    if (ret_heads != NULL) {
        *ret_heads = *tmx_check_heads(c);
    }
    tmx_check_free(c);
    return classes;
}

static void prune_before(uint64_t index)
{
    struct tmx_prune_result result;

    assert_int_equal(prune_with(&(struct tmx_prune_order){ .before_index = index }, &result), 0);
    assert_int_equal(result.index, index);
}

static void expect_same(const struct tmx_check_heads *a)
{
    struct tmx_check_heads b;

    assert_int_equal(faults(&b), 0);
    assert_int_equal(b.hourly, a->hourly);
    assert_int_equal(b.unjudged, 0);
    assert_int_equal(b.quorum, a->quorum);
    assert_int_equal(b.least, a->least);
    assert_int_equal(b.most, a->most);
    assert_int_equal(b.anchors, a->anchors);
    assert_int_equal(b.loose, 0);
    assert_int_equal(b.stamped, a->stamped);
}

/* Pruned once or in two steps, and continued. */
static void test_same_as_before(void **state)
{
    struct tmx_check_heads before;

    make();
    assert_int_equal(faults(&before), 0);
    assert_int_equal(before.hourly, 5);
    assert_int_equal(before.quorum, 3);
    assert_int_equal(before.least, 0);
    assert_int_equal(before.most, 3);
    assert_int_equal(before.stamped, 3);
    assert_true(run_in(folder, "cp -r out whole"));
    prune_before(256);
    expect_same(&before);
    prune_before(768);
    expect_same(&before);
    assert_true(sums_hold());
    assert_true(run_in(folder, "mv out steps && mv whole out"));
    prune_before(768);
    assert_true(run_in(folder, "diff -r out steps"));
    (void)heads_anchor(1100);
    grow(1300);
    heads_hour(480007, 1300, 3);
    write_checkpoint(book->n, &book->roots[book->n], book->federation.log_secret);
    assert_int_equal(export_from(HONEST), 0);
    before.hourly++;
    before.quorum++;
    before.anchors++;
    before.stamped++;
    expect_same(&before);
}

/* Without the entries that say by what an hour is to be judged it is counted and not judged, and a token is what it verifies
 * as by itself. */
static void test_without_kept(void **state)
{
    struct tmx_check_heads h;

    make();
    prune_before(512);
    assert_true(run_in_target("rm kept SHA256"));
    assert_int_equal(faults(&h), 0);
    assert_int_equal(h.hourly, 5);
    assert_int_equal(h.unjudged, 3);
    assert_int_equal(h.quorum, 2);   /* which one is in force where the export begins its first entry says */
    assert_int_equal(h.least, 2);
    assert_int_equal(h.most, 3);
    assert_int_equal(h.anchors, 3);
    assert_int_equal(h.loose, 2);
    assert_int_equal(h.stamped, 3);
    assert_true(run_in_target("cp anchors/160.tst anchors/161.tst"));
    assert_int_equal(faults(&h), CLASS(ANCHOR));   /* a token of another head */
    assert_true(run_in_target("rm anchors/161.tst && cp anchors/595.tst anchors/596.tst"));
    assert_int_equal(faults(&h), CLASS(ANCHOR));   /* behind one that has its entry */
    assert_true(run_in_target("rm anchors/596.tst && : >anchors/295.tst"));
    assert_int_equal(faults(&h), CLASS(ANCHOR));
}

static void write_kept(uint64_t index, uint64_t claimed)
{
    char path[128];
    uint8_t head[10];
    struct tmx_writer w = TMX_WRITER_OF(head);
    FILE *file;

    snprintf(path, sizeof path, "%s/kept", target);
    file = fopen(path, "ae");
    assert_non_null(file);
    tmx_write_u64(&w, claimed);
    tmx_write_u16(&w, (uint16_t)book->entries[index].size);
    fwrite(head, sizeof head, 1, file);
    fwrite(book->entries[index].data, book->entries[index].size, 1, file);
    assert_int_equal(fclose(file), 0);
}

static void test_bent(void **state)
{
    static const struct {
        const char *command;
        unsigned classes;
    } cases[] = {
        { "printf x | dd of=kept bs=1 seek=20 conv=notrunc 2>/dev/null", CLASS(ENTRIES) },
        { "truncate -s -1 kept", CLASS(ENTRIES) },
        { "truncate -s 9 kept", CLASS(ENTRIES) },
        { "cat kept kept >x && mv x kept", CLASS(ENTRIES) },
        { "cp anchors/160.tst anchors/161.tst", CLASS(ANCHOR) },
        { "rm anchors/160.tst", CLASS(ANCHOR) },
        { "cp anchors/295.tst anchors/160.tst", CLASS(ANCHOR) },
        { "cp checkpoints/260 checkpoints/150", CLASS(CHECKPOINT) },
        { "rm directories/2", CLASS(DIRECTORY) },
    };

    make();
    prune_before(512);
    assert_true(run_in_target("rm SHA256"));
    assert_int_equal(faults(NULL), 0);
    assert_true(run_in(folder, "cp -r out good"));
    for (size_t i = 0; i < TMX_N(cases); i++) {
        print_message("# %s\n", cases[i].command);
        assert_true(run_in_target(cases[i].command));
        assert_true((faults(NULL) & cases[i].classes) == cases[i].classes);
        assert_true(run_in(folder, "rm -rf out && cp -r good out"));
    }
    assert_true(run_in_target("rm kept"));
    write_kept(20, 20);   /* in the log, and tells nothing of that */
    assert_int_equal(faults(NULL), CLASS(FORMAT));
    assert_true(run_in_target("rm kept"));
    write_kept(20, 21);
    assert_int_equal(faults(NULL), CLASS(ENTRIES));
    assert_true(run_in_target("rm kept"));
    write_kept(1, 1);      /* the first directory, and not the one in force since */
    assert_int_equal(faults(NULL), CLASS(DIRECTORY));
    assert_true(run_in_target("rm kept"));
    write_kept(20, 600);   /* of what is not pruned it counts for nothing */
    assert_int_equal(faults(NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_same_as_before, book_setup, remove_export),
        cmocka_unit_test_setup_teardown(test_without_kept, book_setup, remove_export),
        cmocka_unit_test_setup_teardown(test_bent, book_setup, remove_export),
    };

    return cmocka_run_group_tests_name("prune-heads", tests, NULL, NULL);
}
