/* SPDX-License-Identifier: Apache-2.0
 * An export goes on where an earlier one ended, or broke off at any moment; and what is new since one goes elsewhere. LOG-5
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
#include <sys/stat.h>
#include <unistd.h>

#include "../../broker/audit/export_dir.h"
#include "../../broker/audit/sums.h"
#include "export_broker.h"

/* Another folder beside the target; the same text for the same name. */
static const char *beside(const char *name)
{
    static struct {
        const char *name;
        char path[96];
    } known[8];
    size_t i = 0;

    while (known[i].name != NULL && strcmp(known[i].name, name) != 0) {
        assert_true(++i < TMX_N(known));
    }
    known[i].name = name;
    snprintf(known[i].path, sizeof known[i].path, "%s/%s", folder, name);
    return known[i].path;
}

/* An export of everything, made at once. */
static void export_whole(const char *name)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf %s", name);
    assert_true(run_in(folder, command));
    assert_int_equal(export_with(HONEST, &(struct tmx_export_order){ .dir = beside(name) }), 0);
}

static void expect_asked(uint64_t first, uint64_t entries)
{
    assert_int_equal(asked->first, first);
    assert_int_equal(asked->entries, entries);
}

/* Is the target what an export made at once is, to the byte? */
static void expect_whole(void)
{
    export_whole("whole");
    assert_true(run_in(folder, "diff -r out whole"));
    assert_true(sums_hold());
    assert_true(check_target());
}

static void test_asks_for_what_is_new(void **state)
{
    static const size_t more[] = { 0, 1, 55, 1, 300, 512 };
    size_t size = 200;

    make_export(size);
    assert_int_equal(export_from(HONEST), 0);
    expect_asked(0, size);
    for (size_t i = 0; i < TMX_N(more); i++) {
        grow_book(more[i]);
        assert_int_equal(export_from(HONEST), 0);
        expect_asked(more[i] == 0 ? 0 : size, more[i]);
        size += more[i];
        expect_whole();
    }
}

/* A file of the earlier export that is not as it was is named, and nothing is asked for or written. */
static void test_damaged(void **state)
{
    static const struct {
        const char *command;
        const char *says;
        int error;
    } cases[] = {
        { "truncate -s -1 tile/entries/000", "tile/entries/000 does not hold 256 whole entries", -EBADMSG },
        { "printf 'x' >>tile/entries/000", "tile/entries/000 does not hold 256 whole entries", -EBADMSG },
        { "truncate -s 0 tile/entries/001.p/44", "tile/entries/001.p/44 does not hold 44 whole entries", -EBADMSG },
        { "printf '\\0\\1x' >>tile/entries/001.p/44", "tile/entries/001.p/44 does not hold 44 whole", -EBADMSG },
        { "sed -i '0,/CD001C/s//CD002C/' tile/entries/000", "tile/0/000 is not what its entries give", -EEXIST },
        { "sed -i '0,/CD001C/s//CD002C/' tile/entries/001.p/44", "its entries do not lead to its", -EBADMSG },
        { "sed -i '0,/CD001C/s//CD002C/' tile/0/000; truncate -s 5 tile/0/000", "tile/0/000 is not what its entries give", -EEXIST },
        { "echo >checkpoint", "no checkpoint that can be read", -EBADMSG },
        { "truncate -s 200000 checkpoint", "no checkpoint that can be read", -EFBIG },
    };

    make_export(300);
    assert_int_equal(export_from(HONEST), 0);
    grow_book(300);
    assert_true(run_in(folder, "cp -r out kept"));
    for (size_t i = 0; i < TMX_N(cases); i++) {
        assert_true(run_in_target(cases[i].command));
        assert_true(run_in(folder, "rm -rf bent && cp -r out bent"));
        assert_int_equal(export_from(HONEST), cases[i].error);
        assert_non_null(strstr(why, cases[i].says));
        expect_asked(0, 0);
        assert_true(run_in(folder, "diff -r out bent && rm -rf out && cp -r kept out"));
    }
    assert_int_equal(export_from(HONEST), 0);
    expect_whole();
}

/* What is missing is asked for once more; the checkpoint tells whether it is the same. */
static void test_missing(void **state)
{
    make_export(700);
    assert_int_equal(export_from(HONEST), 0);
    grow_book(100);
    assert_true(run_in_target("rm tile/entries/001 tile/0/000 tile/1/000.p/2 directories/1 proto/* SHA256"));
    assert_int_equal(export_from(HONEST), 0);
    expect_asked(256, 256 + 100);
    expect_whole();
    assert_true(run_in_target("rm tile/entries/003.p/32"));
    assert_int_equal(export_from(HONEST), 0);
    expect_asked(768, 32);
    expect_whole();
    assert_true(run_in_target("rm tile/entries/001"));
    rewrite_book(300);
    assert_int_equal(export_from(HONEST), -EEXIST);
    assert_non_null(strstr(why, "keep both"));
}

/* An export that broke off is taken up, the first one and a later one. */
static void test_interrupted(void **state)
{
    make_export(900);
    breaks_off_at = 600;
    assert_true(export_from(BREAKS_OFF) < 0);
    assert_false(target_has("checkpoint"));
    assert_true(target_has("tile/entries/001"));
    assert_int_equal(export_from(HONEST), 0);
    expect_asked(512, 900 - 512);
    expect_whole();
    grow_book(900);
    breaks_off_at = 1600;
    assert_true(export_from(BREAKS_OFF) < 0);
    assert_int_equal(export_from(HONEST), 0);
    expect_asked(900, (1024 - 900) + (1800 - 1536)); /* of the bundle that the checkpoint cuts, the earlier part is used */
    expect_whole();
}

/* What an interrupted export left, and is not what it should be, is put right. */
static void test_interrupted_and_bent(void **state)
{
    static const struct {
        const char *command;
        uint64_t first;
        uint64_t entries;
    } cases[] = {
        { "truncate -s 5000 tile/entries/002", 300, 512 - 300 + 256 + 1000 - 768 },
        { "truncate -s 6000000 tile/entries/002", 300, 512 - 300 + 256 + 1000 - 768 },
        { "truncate -s 0 tile/entries/001", 300, 512 - 300 + 1000 - 768 },
        { "truncate -s 77 tile/0/002", 300, 512 - 300 + 1000 - 768 },
        { "cp tile/0/000 tile/0/002", 300, 512 - 300 + 1000 - 768 },
        { "mkdir tile/0/003.p && cp tile/0/000 tile/0/003.p/232", 300, 512 - 300 + 1000 - 768 },
        { "mkdir tile/0/003.p && cp tile/0/000 tile/0/003.p/7", 300, 512 - 300 + 1000 - 768 },
        { "cp tile/0/000 tile/0/003.new", 300, 512 - 300 + 1000 - 768 },
        { "echo >SHA256", 300, 512 - 300 + 1000 - 768 },
        { "echo >SHA256.new; echo >policy.new; echo >proto/audit.proto.new", 300, 512 - 300 + 1000 - 768 },
        /* Only the root shows these: then everything is asked for once more. */
        { "cp tile/entries/000 tile/entries/002", 0, 512 - 300 + 1000 - 768 + 1000 },
        { "sed -i '0,/CD001C/s//CD002C/' tile/entries/002", 0, 512 - 300 + 1000 - 768 + 1000 },
    };

    make_export(300);
    assert_int_equal(export_from(HONEST), 0);
    grow_book(700);
    breaks_off_at = 800;
    assert_true(export_from(BREAKS_OFF) < 0);
    assert_true(target_has("tile/entries/002"));
    assert_true(run_in(folder, "cp -r out kept"));
    for (size_t i = 0; i < TMX_N(cases); i++) {
        assert_true(run_in_target(cases[i].command));
        assert_int_equal(export_from(HONEST), 0);
        expect_asked(cases[i].first, cases[i].entries);
        expect_whole();
        assert_true(run_in(folder, "rm -rf out && cp -r kept out"));
    }
}

/* Whatever the moment: before the checkpoint is there nothing looks complete, and the next export completes it. */
static void test_crash_anywhere(void **state)
{
    static const struct tmx_export_order order;
    unsigned n = 1;

    make_export(300);
    assert_int_equal(export_from(HONEST), 0);
    assert_true(run_in(folder, "cp -r out kept"));
    grow_book(300);
    export_whole("whole");
    for (; export_crashing(n, &order) != 0; n++) {
        const bool complete = run_in(folder, "cmp -s out/checkpoint whole/checkpoint");

        assert_int_equal(complete, check_target() && run_in(folder, "cmp -s out/SHA256 whole/SHA256"));
        assert_int_equal(export_from(HONEST), 0);
        assert_true(run_in(folder, "diff -r out whole && rm -rf out && cp -r kept out"));
    }
    assert_true(n > 12);
    assert_true(run_in(folder, "diff -r out whole"));
    for (n = 1; run_in(folder, "rm -rf out") && export_crashing(n, &order) != 0; n++) {
        assert_false(target_has("checkpoint"));
        assert_int_equal(export_from(HONEST), 0);
        assert_true(run_in(folder, "diff -r out whole"));
    }
    assert_true(n > 10);
}

/* --- since ---------------------------------------------------------------------------------------------------- */

/* What is new since the target, into "new"; then laid over a copy of the target it is the whole, to the byte. */
static void check_since(size_t before, size_t after)
{
    struct tmx_export_order since = { .since = target };
    char name[64];

    assert_int_equal(book_setup(NULL), 0);
    make_export(before);
    before = book->n;
    assert_int_equal(export_from(HONEST), 0);
    assert_true(run_in(folder, "cp -r out kept"));
    grow_book(after);
    after = book->n;
    export_whole("whole");
    since.dir = beside("new");
    assert_int_equal(export_with(HONEST, &since), 0);
    expect_asked(after == before ? 0 : before, after - before);
    assert_true(run_in(folder, "diff -r out kept"));
    /* Nothing in it that was whole before. */
    snprintf(name, sizeof name, "test ! -e tile/0/%03zu -a ! -e tile/entries/%03zu", before / 256 - 1, before / 256 - 1);
    assert_true(before < 256 || run_in(since.dir, name));
    assert_true(run_in(folder, "cp -r new/. out"));
    assert_true(check_target());
    assert_true(run_in_target("sha256sum --check --strict --quiet SHA256"));
    /* Only partial files of the earlier head are more, which the next export takes away. */
    assert_true(run_in(folder, "diff -r whole out | grep -vE '^Only in out/tile(/|:).*: ([0-9]+[.]p|[0-9]+)$' && exit 1; true"));
    assert_int_equal(export_from(HONEST), 0);
    expect_asked(0, 0);
    assert_true(run_in(folder, "diff -r whole out"));
    assert_int_equal(remove_export(NULL), 0);
}

static void test_since(void **state)
{
    static const size_t cases[][2] = { { 20, 0 },    { 20, 5 },    { 20, 236 },  { 20, 400 },  { 256, 0 },
                                       { 256, 256 }, { 300, 212 }, { 512, 100 }, { 600, 700 }, { 768, 1 } };

    for (size_t i = 0; i < TMX_N(cases); i++) {
        check_since(cases[i][0], cases[i][1]);
    }
}

/* Beyond the first tile of the second level. */
static void test_since_far(void **state)
{
    static uint8_t data[400];
    struct tmx_export_order since;

    make_export(20);
    for (size_t i = book->n; i < 4500; i++) { /* the exporter looks into no entry */
        memcpy(data, &i, sizeof i);
        book_put_raw(TMX_BYTES(data, 100 + i % 300));
    }
    write_checkpoint(book->n, &book->roots[book->n], book->federation.log_secret);
    assert_int_equal(export_from(HONEST), 0);
    for (size_t i = 0; i < 400; i++) {
        book_put_raw(TMX_BYTES(data, 1 + i));
    }
    write_checkpoint(book->n, &book->roots[book->n], book->federation.log_secret);
    since = (struct tmx_export_order){ .dir = beside("new"), .since = target };
    assert_int_equal(export_with(HONEST, &since), 0);
    expect_asked(4500, 400);
    export_whole("whole");
    assert_true(run_in(folder, "cp -r new/. out && diff whole/SHA256 out/SHA256"));
    assert_true(run_in_target("sha256sum --check --strict --quiet SHA256"));
}

static void test_since_interrupted(void **state)
{
    struct tmx_export_order since;
    unsigned n = 1;

    make_export(300);
    assert_int_equal(export_from(HONEST), 0);
    grow_book(600);
    export_whole("whole");
    assert_true(run_in(folder, "cp -r out kept"));
    since = (struct tmx_export_order){ .dir = beside("new"), .since = beside("kept") };
    breaks_off_at = 800;
    assert_true(export_with(BREAKS_OFF, &since) < 0);
    assert_int_equal(export_with(HONEST, &since), 0);
    expect_asked(300, 512 - 300 + 900 - 768);
    assert_true(run_in(folder, "mv new once"));
    for (; export_crashing(n, &since) != 0; n++) {
        assert_true(run_in(folder, "test ! -e new/checkpoint"));
        assert_int_equal(export_with(HONEST, &since), 0);
        assert_true(run_in(folder, "diff -r new once && rm -rf new"));
    }
    assert_true(n > 10);
    assert_true(run_in(folder, "diff -r out kept"));
    /* Bent, it is put right. */
    assert_true(run_in(folder, "rm new/checkpoint && cp out/tile/entries/000 new/tile/entries/002"));
    assert_int_equal(export_with(HONEST, &since), 0);
    assert_true(run_in(folder, "diff -r new once"));
}

static void test_since_refuses(void **state)
{
    struct tmx_export_order since;
    struct tmx_export_order own;

    make_export(600);
    since = (struct tmx_export_order){ .dir = beside("new"), .since = beside("earlier") };
    own = (struct tmx_export_order){ .dir = beside("earlier"), .since = beside("earlier") };
    assert_int_equal(export_with(HONEST, &since), -ENOENT);
    assert_true(run_in(folder, "mkdir earlier"));
    assert_int_equal(export_with(HONEST, &since), -ENOENT); /* it has no checkpoint */
    export_whole("earlier");
    assert_true(run_in(folder, "cp -r earlier kept"));
    assert_int_equal(export_with(HONEST, &own), -EEXIST);
    assert_true(run_in(folder, "rm -rf new && cp -r earlier new"));
    assert_int_equal(export_with(HONEST, &since), -EEXIST);
    assert_non_null(strstr(why, "holds an export"));
    /* An earlier export that is damaged, or is not there whole. */
    assert_true(run_in(folder, "rm -rf new && rm earlier/tile/entries/000"));
    assert_int_equal(export_with(HONEST, &since), -ENOENT);
    assert_non_null(strstr(why, "lacks tile/entries/000"));
    assert_true(run_in(folder, "cp kept/tile/entries/000 earlier/tile/entries && rm -r earlier/tile/entries/002.p"));
    assert_int_equal(export_with(HONEST, &since), -ENOENT);
    assert_true(run_in(folder, "cp -r kept/. earlier && cp earlier/tile/entries/000 earlier/tile/entries/001"));
    assert_int_equal(export_with(HONEST, &since), -EBADMSG);
    assert_true(run_in(folder, "cp -r kept/. earlier && touch earlier/tile/0/009.new"));
    assert_int_equal(export_with(HONEST, &since), -EEXIST);
    assert_non_null(strstr(why, "continue it first"));
    assert_true(run_in(folder, "rm -rf earlier new && cp -r kept earlier"));
    /* Another history, and a file of something else. */
    rewrite_book(20);
    assert_int_equal(export_with(HONEST, &since), -EEXIST);
    rewrite_book(20);
    assert_true(run_in(folder, "rm -rf new && mkdir -p new/tile/0 && cp earlier/tile/0/000 new/tile/0"));
    assert_int_equal(export_with(HONEST, &since), -EEXIST);
    assert_non_null(strstr(why, "tile/0/000 has no place"));
    assert_true(run_in(folder, "rm -rf new && touch earlier/SHA256.sig"));
    assert_int_equal(export_with(HONEST, &since), -EPERM);
    assert_true(run_in(folder, "rm earlier/SHA256.sig && echo quorum none >earlier/policy"));
    assert_int_equal(export_with(HONEST, &since), -EEXIST);
    assert_non_null(strstr(why, "policy"));
    assert_true(run_in(folder, "rm -rf new earlier/policy && diff -r earlier kept"));
    assert_int_equal(export_with(HONEST, &since), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_asks_for_what_is_new, book_setup, remove_export),
        cmocka_unit_test_setup_teardown(test_damaged, book_setup, remove_export),
        cmocka_unit_test_setup_teardown(test_missing, book_setup, remove_export),
        cmocka_unit_test_setup_teardown(test_interrupted, book_setup, remove_export),
        cmocka_unit_test_setup_teardown(test_interrupted_and_bent, book_setup, remove_export),
        cmocka_unit_test_setup_teardown(test_crash_anywhere, book_setup, remove_export),
        cmocka_unit_test(test_since),
        cmocka_unit_test_setup_teardown(test_since_far, book_setup, remove_export),
        cmocka_unit_test_setup_teardown(test_since_interrupted, book_setup, remove_export),
        cmocka_unit_test_setup_teardown(test_since_refuses, book_setup, remove_export),
    };

    return cmocka_run_group_tests_name("export-resume", tests, NULL, NULL);
}
