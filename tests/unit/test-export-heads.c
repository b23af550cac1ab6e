/* SPDX-License-Identifier: Apache-2.0
 * What an export holds of earlier heads, exported, continued, bent and checked: the checkpoint of every hour (LOG-5) and time
 * anchors (LOG-9).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tmx/text.h>

#include "../../broker/audit/check.h"
#include "../../broker/audit/export_dir.h"
#include "../../broker/audit/sums.h"
#include "export_broker.h"

static int setup(void **state)
{
    heads_forget();
    return book_setup(state);
}

/* Verifies the target: bit c is set when class c has a fault; the first fault of class `wanted` names `file`. */
static unsigned faults_of_target(struct tmx_check_heads *ret_heads, enum tmx_audit_class wanted, const char *file)
{
    const struct tmx_audit_summary *s;
    struct tmx_check *c;
    const char *what;
    unsigned classes = 0;

    assert_int_equal(tmx_check_export(target, authority_file, 1, NULL, &c, &what), 0);
    s = tmx_audit_result(tmx_check_audit(c));
    book_print_faults(tmx_check_audit(c));
    for (unsigned i = 0; i < AUDIT_N_CLASSES; i++) {
        classes |= s->faults[i].count > 0 ? 1u << i : 0;
    }
    assert_true(file == NULL || strstr(s->faults[wanted].text, file) != NULL);
    if (ret_heads != NULL) {
        *ret_heads = *tmx_check_heads(c);
    }
    tmx_check_free(c);
    return classes;
}

/* 300 entries, then a policy under which two of the three members make the quorum, and 320 more. */
static void make_hours(void)
{
    make_export(300);
    heads_hour(480000, 200, 0);
    book->federation.witnesses = true;
    book_change_directory("CH", TMX__MEMBER_STATUS__MEMBER_ACTIVE);
    grow_book(319);
    heads_hour(480001, 400, 2);
    heads_hour(480003, 500, 3);
    heads_hour(480004, 500, 2); /* the same head, when somebody cosigned late: passed over */
    heads_hour(480005, 610, 3);
    heads_hour(480006, 620, 3); /* still changes */
    assert_int_equal(export_from(HONEST), 0);
}

static void test_hours(void **state)
{
    struct tmx_check_heads h;

    make_hours();
    assert_true(target_has("checkpoints/200") && target_has("checkpoints/400") && target_has("checkpoints/500"));
    assert_true(target_has("checkpoints/610"));
    assert_false(target_has("checkpoints/620"));
    assert_true(run_in_target("grep -c witness checkpoints/500 | grep -qx 3"));
    assert_true(sums_hold());
    assert_int_equal(faults_of_target(&h, 0, NULL), 0);
    assert_int_equal(h.hourly, 4);
    assert_int_equal(h.quorum, 3);
    assert_int_equal(h.least, 0);
    assert_int_equal(h.most, 3);
}

/* Is the target what an export made at once is, to the byte? */
static void expect_whole(void)
{
    char path[96];

    snprintf(path, sizeof path, "%s/whole", folder);
    assert_true(run_in(folder, "rm -rf whole"));
    assert_int_equal(export_with(HONEST, &(struct tmx_export_order){ .dir = path }), 0);
    assert_true(run_in(folder, "diff -r out whole"));
    assert_true(sums_hold());
    assert_true(check_target());
}

/* An export goes on behind the last one; what is missing is asked for once more. A head beyond the export's waits. */
static void test_hours_continued(void **state)
{
    make_hours();
    expect_whole();
    grow_book(20);
    heads_hour(480007, 630, 3);
    heads_hour(480009, 635, 3);
    book->n = 621;
    write_checkpoint(book->n, &book->roots[book->n], book->federation.log_secret);
    assert_int_equal(export_from(HONEST), 0);
    assert_true(target_has("checkpoints/620"));
    assert_false(target_has("checkpoints/630"));
    assert_true(asked->heads.checkpoints < 24); /* by halves, and one that is new */
    book->n = 640;
    write_checkpoint(book->n, &book->roots[book->n], book->federation.log_secret);
    assert_int_equal(export_from(HONEST), 0);
    assert_true(target_has("checkpoints/630"));
    expect_whole();
    assert_true(run_in_target("rm checkpoints/400"));
    assert_int_equal(faults_of_target(NULL, AUDIT_SUMS, "checkpoints/400 is missing"), 1u << AUDIT_SUMS);
    assert_int_equal(export_from(HONEST), 0);
    expect_whole();
    /* What the broker has otherwise is named. */
    assert_true(run_in_target("cp checkpoints/500 checkpoints/400 && sed -i '/checkpoints.500/d' SHA256 && rm checkpoints/500"));
    assert_int_equal(export_from(HONEST), 0);
    assert_true(run_in_target("rm checkpoints/200"));
    assert_int_equal(export_from(HONEST), -EEXIST);
    assert_non_null(strstr(why, "checkpoints/400 differs"));
}

/* With --since only new ones are written; laid over the earlier export they make the whole. */
static void test_since(void **state)
{
    struct tmx_export_order since = { .since = target };
    char path[96];
    char kept[96];

    make_hours();
    (void)heads_anchor(400);
    grow_book(1);
    assert_int_equal(export_from(HONEST), 0);
    assert_true(target_has("anchors/400.tst"));
    assert_true(run_in(folder, "cp -r out kept"));
    heads_hour(480007, 621, 3);
    (void)heads_anchor(620);
    grow_book(300);
    snprintf(path, sizeof path, "%s/new", folder);
    since.dir = path;
    assert_int_equal(export_with(HONEST, &since), 0);
    assert_true(run_in(folder, "diff -r out kept"));
    assert_true(run_in(path, "test \"$(ls checkpoints)\" = 620 && test \"$(ls anchors)\" = 620.tst"));
    assert_true(run_in(folder, "cp -r new/. out"));
    assert_true(run_in_target("sha256sum --check --strict --quiet SHA256"));
    assert_true(check_target());
    assert_int_equal(export_from(HONEST), 0); /* takes outgrown partial tiles away */
    expect_whole();
    /* Interrupted anywhere, it is taken up. */
    assert_true(run_in(folder, "mv new once"));
    snprintf(kept, sizeof kept, "%s/kept", folder);
    since.since = kept;
    for (unsigned n = 1; export_crashing(n, &since) != 0; n++) {
        assert_int_equal(export_with(HONEST, &since), 0);
        assert_true(run_in(folder, "diff -r new once && rm -rf new"));
    }
}

/* Each file bent in each way, by somebody who bends the list of files with it: verify names it. */
static void test_bent_hours(void **state)
{
    static const struct {
        const char *command;
        enum tmx_audit_class class;
        const char *file;
    } cases[] = {
        { "sed -i '3s/^./-/' checkpoints/200", AUDIT_CHECKPOINT, "checkpoints/200" },
        { "sed -i '/log.2026/s/[A-Za-z]=$/+=/' checkpoints/400", AUDIT_CHECKPOINT, "checkpoints/400" },
        { "sed -i '/witness.DE/s/.\\{8\\}$/AAAAAAAA/' checkpoints/400", AUDIT_CHECKPOINT, "checkpoints/400" },
        { "sed -i '1s/2026a/2026b/' checkpoints/500", AUDIT_CHECKPOINT, "checkpoints/500" },
        { "truncate -s 100 checkpoints/500", AUDIT_CHECKPOINT, "checkpoints/500" },
        { "truncate -s 0 checkpoints/500", AUDIT_CHECKPOINT, "checkpoints/500" },
        { "cp checkpoints/400 checkpoints/450", AUDIT_CHECKPOINT, "checkpoints/450" },
        { "mv checkpoints/400 x; mv checkpoints/500 checkpoints/400; mv x checkpoints/500", AUDIT_CHECKPOINT, "checkpoints/400" },
        { "cp checkpoints/400 checkpoints/0400", AUDIT_CHECKPOINT, "checkpoints/0400" },
        { "mkdir checkpoints/1 && cp checkpoints/400 checkpoints/1/400", AUDIT_CHECKPOINT, "checkpoints/1/400" },
        { "truncate -s 70000 checkpoints/500", AUDIT_CHECKPOINT, "checkpoints/500" },
    };

    make_hours();
    assert_true(run_in(folder, "cp -r out kept && rm out/SHA256"));
    for (size_t i = 0; i < TMX_N(cases); i++) {
        assert_true(run_in_target(cases[i].command));
        assert_int_equal(faults_of_target(NULL, cases[i].class, cases[i].file), 1u << cases[i].class);
        assert_true(run_in(folder, "rm -rf out && cp -r kept out && rm out/SHA256"));
    }
    assert_int_equal(faults_of_target(NULL, 0, NULL), 0);
}

/* The log's own signature over what is not in this log: another root, and a head beyond the export's. */
static void test_signed_hours(void **state)
{
    struct tmx_hash kept;

    make_export(300);
    kept = book->roots[200];
    book->roots[200] = book->roots[199];
    heads_hour(480000, 200, 0);
    book->roots[200] = kept;
    heads_hour(480001, 300, 0);
    assert_int_equal(export_from(HONEST), 0);
    assert_int_equal(faults_of_target(NULL, AUDIT_ROOT, "checkpoints/200"), 1u << AUDIT_ROOT);
    grow_book(100);
    heads_hour(480002, 400, 0);
    heads_hour(480003, 400, 0);
    write_checkpoint(350, &book->roots[350], book->federation.log_secret);
    assert_true(run_in(folder, "rm -r out; mkdir -p late/checkpoints"));
    write_checkpoint(400, &book->roots[400], book->federation.log_secret);
    assert_true(run_in(folder, "cp checkpoint late/checkpoints/400"));
    book->roots[200] = kept;
    heads_forget();
    book->n = 350;
    write_checkpoint(350, &book->roots[350], book->federation.log_secret);
    assert_int_equal(export_from(HONEST), 0);
    assert_true(run_in(folder, "cp -r late/checkpoints out && rm out/SHA256"));
    assert_int_equal(faults_of_target(NULL, AUDIT_CHECKPOINT, "checkpoints/400"), 1u << AUDIT_CHECKPOINT);
    /* Nor is it listed. */
    assert_int_equal(export_from(HONEST), -EEXIST);
    assert_non_null(strstr(why, "checkpoints/400 has no place"));
}

/* --- anchors -------------------------------------------------------------------------------------------------- */

static void make_anchors(void)
{
    make_export(300);
    (void)heads_anchor(200);
    grow_book(10);
    (void)heads_anchor(305);
    grow_book(10);
    assert_int_equal(export_from(HONEST), 0);
}

static void test_anchors(void **state)
{
    struct tmx_check_heads h;

    make_anchors();
    assert_true(target_has("anchors/200.tst") && target_has("anchors/305.tst"));
    assert_int_equal(faults_of_target(&h, 0, NULL), 0);
    assert_int_equal(h.anchors, 2);
    assert_false(h.stamps);
    expect_whole();
    /* A head is anchored, but the export's does not hold the entry: that token comes with the next one. */
    (void)heads_anchor(310);
    book->n--;
    assert_int_equal(export_from(HONEST), 0);
    assert_false(target_has("anchors/310.tst"));
    assert_true(check_target());
    book->n++;
    grow_book(1);
    assert_int_equal(export_from(HONEST), 0);
    assert_true(target_has("anchors/310.tst"));
    assert_int_equal(asked->heads.anchors, 2); /* it, and no more */
    expect_whole();
}

static void test_bent_anchors(void **state)
{
    static const struct {
        const char *command;
        const char *file;
    } cases[] = {
        { "sed -i 's/token/Token/' anchors/200.tst", "anchors/200.tst" },
        { "truncate -s -1 anchors/305.tst", "anchors/305.tst" },
        { "truncate -s 20000 anchors/305.tst", "anchors/305.tst" },
        { "rm anchors/305.tst", "anchors/305.tst" },
        { "cp anchors/200.tst anchors/305.tst", "anchors/305.tst" },
        { "cp anchors/200.tst anchors/201.tst", "anchors/201.tst" },
        { "cp anchors/200.tst anchors/200", "anchors/200" },
        { "mv anchors/200.tst x; mv anchors/305.tst anchors/200.tst; mv x anchors/305.tst", "anchors/200.tst" },
        { "rm -r anchors", "anchors/200.tst" },
    };

    make_anchors();
    assert_true(run_in_target("rm anchors/200.tst"));
    assert_int_equal(faults_of_target(NULL, AUDIT_SUMS, "anchors/200.tst is missing"), 1u << AUDIT_SUMS | 1u << AUDIT_ANCHOR);
    assert_int_equal(export_from(HONEST), 0);
    expect_whole();
    assert_true(run_in(folder, "cp -r out kept && rm out/SHA256"));
    for (size_t i = 0; i < TMX_N(cases); i++) {
        assert_true(run_in_target(cases[i].command));
        assert_int_equal(faults_of_target(NULL, AUDIT_ANCHOR, cases[i].file), 1u << AUDIT_ANCHOR);
        assert_true(run_in(folder, "rm -rf out && cp -r kept out && rm out/SHA256"));
    }
}

/* In place of a time-stamp authority: a token verifies when it tells the size of the head, which is its time in ms, too. */
static bool stamp(void *ctx, struct tmx_bytes text, struct tmx_bytes token, uint64_t *ret_time_ms, const char **ret_why)
{
    struct tmx_checkpoint head;
    char wanted[64];

    assert_true(tmx_checkpoint_parse(text, &head));
    assert_true(tmx_hash_eq(&head.root, &book->roots[head.size]));
    *ret_time_ms = head.size;
    *ret_why = "of another head";
    snprintf(wanted, sizeof wanted, "token of %llu", (unsigned long long)head.size + *(const unsigned *)ctx);
    return strcmp((const char *)token.data, wanted) == 0;
}

static void test_stamps(void **state)
{
    struct tmx_check *c;
    const char *what;
    unsigned off = 0;

    make_anchors();
    assert_int_equal(tmx_check_export(target, authority_file, 1, NULL, &c, &what), 0);
    tmx_check_stamps(c, stamp, &off);
    assert_true(tmx_audit_ok(tmx_check_audit(c)));
    assert_true(tmx_check_heads(c)->stamps);
    assert_int_equal(tmx_check_heads(c)->stamped, 2);
    assert_int_equal(tmx_check_heads(c)->first_ms, 200);
    assert_int_equal(tmx_check_heads(c)->last_ms, 305);
    tmx_check_free(c);
    off = 1;
    assert_int_equal(tmx_check_export(target, authority_file, 1, NULL, &c, &what), 0);
    tmx_check_stamps(c, stamp, &off);
    assert_int_equal(tmx_audit_result(tmx_check_audit(c))->faults[AUDIT_ANCHOR].count, 2);
    assert_string_equal(tmx_audit_result(tmx_check_audit(c))->faults[AUDIT_ANCHOR].text, "anchors/200.tst: of another head");
    assert_int_equal(tmx_check_heads(c)->stamped, 0);
    tmx_check_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_hours, setup, remove_export),
        cmocka_unit_test_setup_teardown(test_hours_continued, setup, remove_export),
        cmocka_unit_test_setup_teardown(test_since, setup, remove_export),
        cmocka_unit_test_setup_teardown(test_bent_hours, setup, remove_export),
        cmocka_unit_test_setup_teardown(test_signed_hours, setup, remove_export),
        cmocka_unit_test_setup_teardown(test_anchors, setup, remove_export),
        cmocka_unit_test_setup_teardown(test_bent_anchors, setup, remove_export),
        cmocka_unit_test_setup_teardown(test_stamps, setup, remove_export),
    };

    return cmocka_run_group_tests_name("export-heads", tests, NULL, NULL);
}
