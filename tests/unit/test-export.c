/* SPDX-License-Identifier: Apache-2.0
 * Whole exports on disk, written and read, intact and bent. LOG-1, LOG-5
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

#include <tmx/text.h>

#include "../../broker/audit/check.h"
#include "../../broker/audit/export_dir.h"
#include "../../broker/audit/sums.h"
#include "export_fixture.h"

/* Bit c set: class c has a fault. */
static unsigned check_folder(void)
{
    struct tmx_check *c;
    struct tmx_check *crew;
    const char *what;
    unsigned classes = 0;

    assert_int_equal(tmx_check_export(folder, authority_file, 1, NULL, &c, &what), 0);
    book_print_faults(tmx_check_audit(c));
    /* With threads it is the same, to the entry and the word. */
    assert_int_equal(tmx_check_export(folder, authority_file, 3, NULL, &crew, &what), 0);
    assert_memory_equal(tmx_audit_result(tmx_check_audit(crew)), tmx_audit_result(tmx_check_audit(c)),
                        sizeof(struct tmx_audit_summary));
    tmx_check_free(crew);
    for (unsigned i = 0; i < AUDIT_N_CLASSES; i++) {
        classes |= tmx_audit_result(tmx_check_audit(c))->faults[i].count > 0 ? 1u << i : 0;
    }
    assert_int_equal(classes == 0, tmx_audit_ok(tmx_check_audit(c)));
    tmx_check_free(c);
    return classes;
}

static void test_export_sizes(void **state)
{
    static const size_t sizes[] = { 13, 255, 256, 257, 512, 600 };

    for (size_t i = 0; i < TMX_N(sizes); i++) {
        assert_int_equal(book_setup(NULL), 0);
        make_export(sizes[i]);
        assert_int_equal(check_folder(), 0);
        assert_int_equal(remove_export(NULL), 0);
    }
}

static void test_bent_tiles(void **state)
{
    static const char *const tiles[] = { "tile/0/000", "tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2" };

    make_export(600);
    for (size_t i = 0; i < TMX_N(tiles); i++) {
        bend_file(tiles[i], 33, 1);
        assert_int_equal(check_folder(), 1u << AUDIT_TILE);
        bend_file(tiles[i], 33, 1);
        copy_part(tiles[i], "aside", SIZE_MAX);
        assert_int_equal(unlinkat(folder_fd, tiles[i], 0), 0);
        assert_int_equal(check_folder(), 1u << AUDIT_TILE);
        copy_part("aside", tiles[i], SIZE_MAX);
    }
    assert_int_equal(check_folder(), 0);
}

/* A bad tile is a fault of its own: an old head that needs it is still checked against the entries. */
static void test_old_head_under_bent_tile(void **state)
{
    make_export(ENTRIES_MAX - 1);
    bend_file("tile/0/000", 33, 1);
    assert_int_equal(check_folder(), 1u << AUDIT_TILE);
}

static void test_stray_files(void **state)
{
    static const char *const strays[] = { "tile/0/003",      "tile/0/002",       "tile/0/002.p/89",  "tile/2/000.p/1",
                                          "tile/0/0",        "tile/0/x000/001",  "tile/00/000",      "tile/0/000.p/0",
                                          "tile/readme",     "tile/entries/003", "tile/0/000.p/256", "tile/9/000",
                                          "tile/0/001.p/7/1" };

    make_export(600);
    for (size_t i = 0; i < TMX_N(strays); i++) {
        copy_part("tile/0/000", strays[i], SIZE_MAX);
        assert_int_equal(check_folder(), 1u << AUDIT_TILE);
        assert_int_equal(unlinkat(folder_fd, strays[i], 0), 0);
    }
    assert_int_equal(check_folder(), 0);
}

/* What an earlier export of the same log left is fine as long as it is the beginning of what is there now. */
static void test_older_partials(void **state)
{
    make_export(600);
    copy_part("tile/0/000", "tile/0/000.p/44", 44 * TMX_HASH_SIZE);
    copy_part("tile/0/002.p/88", "tile/0/002.p/5", 5 * TMX_HASH_SIZE);
    assert_int_equal(check_folder(), 0);
    bend_file("tile/0/000.p/44", 40, 1);
    assert_int_equal(check_folder(), 1u << AUDIT_TILE);
    bend_file("tile/0/000.p/44", 40, 1);
    copy_part("tile/0/000", "tile/0/000.p/44", 43 * TMX_HASH_SIZE);
    assert_int_equal(check_folder(), 1u << AUDIT_TILE);
}

static void test_bent_entries(void **state)
{
    make_export(300);
    /* One byte in the last hash of an entry of the first bundle, and a bundle cut short. */
    bend_file("tile/entries/000", 2 + book->entries[0].size + 2 + book->entries[1].size - 1, 1);
    assert_true(check_folder() & 1u << AUDIT_ROOT);
    assert_true(check_folder() & 1u << AUDIT_TILE);
    bend_file("tile/entries/000", 2 + book->entries[0].size + 2 + book->entries[1].size - 1, 1);
    assert_int_equal(check_folder(), 0);
    copy_part("tile/entries/001.p/44", "aside", SIZE_MAX);
    copy_part("aside", "tile/entries/001.p/44", 1000);
    assert_int_equal(check_folder() & ~(1u << AUDIT_TILE), 1u << AUDIT_ENTRIES | 1u << AUDIT_ROOT);
    copy_part("aside", "tile/entries/001.p/44", SIZE_MAX);
    assert_int_equal(check_folder(), 0);
    assert_int_equal(unlinkat(folder_fd, "tile/entries/000", 0), 0);
    assert_int_equal(check_folder() & ~(1u << AUDIT_TILE), 1u << AUDIT_ENTRIES | 1u << AUDIT_ROOT);
}

static void test_bent_checkpoint(void **state)
{
    const struct federation_member *de;

    make_export(20);
    de = federation_find(&book->federation, "DE");
    write_checkpoint(book->n, &book->roots[book->n], de->sign_secret);
    assert_int_equal(check_folder(), 1u << AUDIT_CHECKPOINT);
    write_checkpoint(book->n, &book->roots[book->n - 1], book->federation.log_secret);
    assert_int_equal(check_folder(), 1u << AUDIT_ROOT);
    write_checkpoint(book->n, &book->roots[book->n], book->federation.log_secret);
    assert_int_equal(check_folder(), 0);
    snprintf(book->federation.shard, sizeof book->federation.shard, "2026c");
    write_checkpoint(book->n, &book->roots[book->n], book->federation.log_secret);
    assert_true(check_folder() & 1u << AUDIT_CHECKPOINT);
}

/* An export cannot vouch for its own keys. DIR-2, DIR-3 */
static void test_wrong_authority(void **state)
{
    struct tmx_authority other;
    struct tmx_check *c;
    const char *what;

    make_export(20);
    other = book->federation.authority;
    assert_true(tmx_verify_key_init(TMX_LIT("tmx.test/authority/1"), TMX_NOTE_ED25519,
                                    federation_find(&book->federation, "DE")->sign_public, &other.keys[0]));
    write_authority(&other);
    assert_true(check_folder() & 1u << AUDIT_DIRECTORY);
    assert_true(check_folder() & 1u << AUDIT_CHECKPOINT);
    write_authority(&book->federation.authority);
    bend_file("directories/1", 200, 1);
    assert_true(check_folder() & 1u << AUDIT_DIRECTORY);
    bend_file("directories/1", 200, 1);
    assert_int_equal(check_folder(), 0);
    assert_int_equal(tmx_export_write(folder_fd, "authority", TMX_LIT("threshold 1\n")), 0);
    assert_int_equal(tmx_check_export(folder, authority_file, 1, NULL, &c, &what), -EINVAL);
    assert_int_equal(tmx_check_export(folder, "/nowhere/authority", 1, NULL, &c, &what), -ENOENT);
    write_authority(&book->federation.authority);
    assert_int_equal(tmx_export_write(folder_fd, "checkpoint", TMX_LIT("nothing\n")), 0);
    assert_int_equal(tmx_check_export(folder, authority_file, 1, NULL, &c, &what), -EINVAL);
    assert_int_equal(tmx_check_export("/nowhere", authority_file, 1, NULL, &c, &what), -ENOENT);
}

/* A directory the log does not know of, under a later serial: known, but not in force. */
static void test_directory_file_missing(void **state)
{
    make_export(20);
    assert_int_equal(unlinkat(folder_fd, "directories/1", 0), 0);
    assert_true(check_folder() & 1u << AUDIT_DIRECTORY);
    assert_int_equal(
        tmx_export_write(folder_fd, "directories/2", TMX_BYTES(book->directory_files[0], book->directory_sizes[0])), 0);
    assert_true(check_folder() & 1u << AUDIT_DIRECTORY);
}

static void test_paths(void **state)
{
    static const struct {
        struct tmx_export_name name;
        const char *path;
    } cases[] = {
        { { false, 0, 0, 256 }, "tile/0/000" },
        { { false, 1, 999, 256 }, "tile/1/999" },
        { { false, 0, 1000, 256 }, "tile/0/x001/000" },
        { { false, 2, 1234067, 256 }, "tile/2/x001/x234/067" },
        { { true, 0, 1234067, 17 }, "tile/entries/x001/x234/067.p/17" },
        { { true, 0, 0, 255 }, "tile/entries/000.p/255" },
    };

    for (size_t i = 0; i < TMX_N(cases); i++) {
        char path[EXPORT_PATH_MAX];
        struct tmx_export_name name;

        tmx_export_path(&cases[i].name, path);
        assert_string_equal(path, cases[i].path);
        assert_true(tmx_export_parse_path(path, &name));
        assert_int_equal(name.entries, cases[i].name.entries);
        assert_int_equal(name.level, cases[i].name.level);
        assert_int_equal(name.n, cases[i].name.n);
        assert_int_equal(name.width, cases[i].name.width);
    }
}

/* --- the list of files ---------------------------------------------------------------------------------------- */

/* The first fault of the list. */
static void expect_sums(const char *text)
{
    struct tmx_check *c;
    const char *what;

    assert_int_equal(tmx_check_export(folder, authority_file, 1, NULL, &c, &what), 0);
    assert_string_equal(tmx_audit_result(tmx_check_audit(c))->faults[AUDIT_SUMS].text, text);
    tmx_check_free(c);
}

static bool run_in_folder(const char *command)
{
    char line[256];

    snprintf(line, sizeof line, "cd %s && { %s; } >/dev/null 2>&1", folder, command);
    return system(line) == 0;
}

/* Every file counts: bent, taken away, or one more than the list has; and what is named is the first one. */
static void test_every_file_is_listed(void **state)
{
    static const char *const paths[] = { "directories/1",    "proto/audit.proto", "proto/envelope.proto",
                                         "tile/0/000",       "tile/0/001",        "tile/0/002.p/88",
                                         "tile/1/000.p/2",   "tile/entries/000",  "tile/entries/001",
                                         "tile/entries/002.p/88" };
    char text[128];

    make_export(600);
    list_export();
    assert_int_equal(check_folder(), 0);
    assert_true(run_in_folder("sha256sum --check --strict --quiet SHA256 && LC_ALL=C sort -c SHA256"));
    assert_true(run_in_folder("test $(wc -l <SHA256) = $(find . -type f ! -name SHA256 | wc -l)"));
    for (size_t i = 0; i < TMX_N(paths); i++) {
        uint8_t *kept;
        size_t size;

        assert_int_equal(tmx_export_read(folder_fd, paths[i], EXPORT_BUNDLE_MAX, &kept, &size), 0);
        bend_file(paths[i], 4, 0x20);
        snprintf(text, sizeof text, "%s differs from its sum in SHA256", paths[i]);
        expect_sums(text);
        assert_int_equal(unlinkat(folder_fd, paths[i], 0), 0);
        snprintf(text, sizeof text, "%s is missing: SHA256 lists it", paths[i]);
        expect_sums(text);
        assert_int_equal(tmx_export_write(folder_fd, paths[i], TMX_BYTES(kept, size)), 0);
        free(kept);
    }
    assert_int_equal(check_folder(), 0);
    copy_part("checkpoint", "proto/more", SIZE_MAX);
    assert_int_equal(check_folder(), 1u << AUDIT_SUMS);
    expect_sums("proto/more is not listed in SHA256");
    copy_part("checkpoint", "zoo", SIZE_MAX);
    expect_sums("proto/more is not listed in SHA256");
    assert_int_equal(unlinkat(folder_fd, "proto/more", 0), 0);
    expect_sums("zoo is not listed in SHA256");
}

/* A list that is none, or cut short, or in another order is no better than a wrong one. */
static void test_bent_list(void **state)
{
    static const char *const edits[] = {
        "sed -i '3s/.$/./' SHA256",      "sed -i 's/directories/Directories/' SHA256", "sed -i '$d' SHA256",
        "sed -i '2{h;d};3G' SHA256",     "sed -i '3s/SHA256/SHA512/' SHA256",          "sed -i '3s/ = /  = /' SHA256",
        "sed -i '3p' SHA256",            "sed -i '/tile.0/s/tile/tile\\x00/' SHA256",       "printf '\\0\\n' >>SHA256",
        "truncate -s -1 SHA256",         "truncate -s 100 SHA256",                     "truncate -s 0 SHA256",
        "sed -i '3s/$/ /' SHA256",       "rm SHA256 && mkdir SHA256",                  "sed -i '3s/[0-9a-f]/g/40' SHA256",
    };

    make_export(300);
    for (size_t i = 0; i < TMX_N(edits); i++) {
        (void)run_in_folder("rm -rf SHA256");
        list_export();
        assert_int_equal(check_folder(), 0);
        assert_true(run_in_folder(edits[i]));
        assert_int_equal(check_folder(), 1u << AUDIT_SUMS);
    }
}

/* Sums of what cannot have changed are taken from the list that is there, and no others. */
static void test_list_is_continued(void **state)
{
    const char *const bend = "sed -i -E 's/^(.*(tile.0.000|tile.entries.001|directories.1). = )..../\\1beef/' SHA256";
    char why[SUMS_WHY_MAX];
    struct tmx_sums_order order;

    make_export(600);
    list_export();
    order = (struct tmx_sums_order){ .dir_fd = folder_fd, .base_fd = -1, .size = 600, .unchanged = 512 };
    assert_true(run_in_folder(bend));
    assert_int_equal(tmx_sums_write(&order, why), 0);
    assert_true(run_in_folder("test $(grep -c ' = beef' SHA256) = 2"));
    order.unchanged = 511;
    assert_int_equal(tmx_sums_write(&order, why), 0);
    assert_true(run_in_folder("test $(grep -c ' = beef' SHA256) = 1"));
    order.unchanged = 0;
    assert_int_equal(tmx_sums_write(&order, why), 0);
    assert_false(run_in_folder("grep ' = beef' SHA256"));
    /* A list that breaks off is believed up to there. */
    assert_true(run_in_folder("sed -i '5s/ = / : /' SHA256"));
    order.unchanged = 512;
    assert_int_equal(tmx_sums_write(&order, why), 0);
    assert_true(run_in_folder("grep -v checkpoint SHA256 | sha256sum --check --strict"));
}

/* What is no part of an export of this log is named, and nothing is listed. */
static void test_list_refuses(void **state)
{
    static const char *const strays[] = { "tile/0/003", "tile/0/002.p/89", "tile/readme", "a(b)", "a\nb", "a\\b" };
    struct tmx_sums_order order;
    char why[SUMS_WHY_MAX];

    make_export(600);
    order = (struct tmx_sums_order){ .dir_fd = folder_fd, .base_fd = -1, .size = 600 };
    for (size_t i = 0; i < TMX_N(strays); i++) {
        copy_part("checkpoint", strays[i], SIZE_MAX);
        assert_int_equal(tmx_sums_write(&order, why), -EEXIST);
        print_message("# %s\n", why);
        assert_int_equal(faccessat(folder_fd, "SHA256", F_OK, 0), -1);
        assert_int_equal(unlinkat(folder_fd, strays[i], 0), 0);
    }
    assert_int_equal(tmx_sums_write(&order, why), 0);
    /* A named pipe is no file; nobody waits for one. */
    assert_int_equal(mkfifoat(folder_fd, "pipe", 0666), 0);
    assert_int_equal(tmx_sums_write(&order, why), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_export_sizes),
        cmocka_unit_test_setup_teardown(test_bent_tiles, book_setup, remove_export),
        cmocka_unit_test_setup_teardown(test_old_head_under_bent_tile, book_setup, remove_export),
        cmocka_unit_test_setup_teardown(test_stray_files, book_setup, remove_export),
        cmocka_unit_test_setup_teardown(test_older_partials, book_setup, remove_export),
        cmocka_unit_test_setup_teardown(test_bent_entries, book_setup, remove_export),
        cmocka_unit_test_setup_teardown(test_bent_checkpoint, book_setup, remove_export),
        cmocka_unit_test_setup_teardown(test_wrong_authority, book_setup, remove_export),
        cmocka_unit_test_setup_teardown(test_directory_file_missing, book_setup, remove_export),
        cmocka_unit_test(test_paths),
        cmocka_unit_test_setup_teardown(test_every_file_is_listed, book_setup, remove_export),
        cmocka_unit_test_setup_teardown(test_bent_list, book_setup, remove_export),
        cmocka_unit_test_setup_teardown(test_list_is_continued, book_setup, remove_export),
        cmocka_unit_test_setup_teardown(test_list_refuses, book_setup, remove_export),
    };

    return cmocka_run_group_tests_name("export", tests, NULL, NULL);
}
