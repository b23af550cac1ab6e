/* SPDX-License-Identifier: Apache-2.0
 * Proofs made of exports: of an entry, and of a fork; and what a shard follows. LOG-4, LOG-7, LOG-8
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tmx/text.h>

#include "../../broker/audit/compare.h"
#include "../../broker/audit/export_dir.h"
#include "../../broker/audit/prove.h"
#include "../../broker/audit/successor.h"
#include "export_fixture.h"

static uint8_t proof[PROOF_MAX > FORK_PROOF_MAX ? PROOF_MAX : FORK_PROOF_MAX];
static char why[HISTORY_WHY_MAX];

static struct tmx_history open_history(const char *path)
{
    struct tmx_history h;

    assert_int_equal(tmx_history_open(path, &book->federation.authority, &h, why), 0);
    return h;
}

/* --- one entry ------------------------------------------------------------------------------------------------ */

static bool take_line(struct tmx_reader *r, const char *prefix, char *ret_rest, size_t capacity)
{
    const uint8_t *end = memchr(r->at, '\n', r->left);
    struct tmx_bytes line;

    assert_non_null(end);
    line = TMX_BYTES(r->at, (size_t)(end - r->at));
    if (line.size < strlen(prefix) || memcmp(line.data, prefix, strlen(prefix)) != 0) {
        return false;
    }
    assert_true(line.size - strlen(prefix) < capacity);
    memcpy(ret_rest, line.data + strlen(prefix), line.size - strlen(prefix));
    ret_rest[line.size - strlen(prefix)] = '\0';
    (void)tmx_read_bytes(r, line.size + 1);
    return true;
}

/* Reads the proof as its format says, and holds it against the book. */
static void check_proof(struct tmx_bytes text, uint64_t index, uint64_t size)
{
    static char rest[2 * TMX_ENTRY_MAX];
    static uint8_t entry[TMX_ENTRY_MAX];
    struct tmx_reader r = tmx_reader_init(text);
    struct tmx_proof path = { .n = 0 };
    struct tmx_checkpoint head;
    struct tmx_bytes lines;
    struct tmx_hash leaf;
    uint64_t at;
    size_t n;

    assert_true(take_line(&r, "c2sp.org/tlog-proof@v1", rest, sizeof rest));
    assert_true(take_line(&r, "extra ", rest, sizeof rest));
    assert_true(tmx_unbase64(tmx_bytes_str(rest), entry, sizeof entry, &n));
    assert_true(tmx_bytes_eq(TMX_BYTES(entry, n), book->entries[index]));
    leaf = tmx_merkle_leaf(TMX_BYTES(entry, n));
    assert_true(take_line(&r, "index ", rest, sizeof rest));
    assert_true(tmx_parse_u64(tmx_bytes_str(rest), UINT64_MAX, &at) && at == index);
    while (take_line(&r, "", rest, sizeof rest) && rest[0] != '\0') {
        assert_true(tmx_unbase64(tmx_bytes_str(rest), path.hash[path.n++].b, TMX_HASH_SIZE, &n) && n == TMX_HASH_SIZE);
    }
    assert_true(tmx_note_split(TMX_BYTES(r.at, r.left), &text, &lines) && tmx_checkpoint_parse(text, &head));
    assert_int_equal(head.size, size);
    assert_true(tmx_merkle_verify_path(index, size, &leaf, TMX_BYTES(path.hash, path.n * TMX_HASH_SIZE),
                                       &book->roots[size]));
}

static void test_proofs(void **state)
{
    static const size_t sizes[] = { 13, 255, 256, 257, 600 };

    for (size_t i = 0; i < TMX_N(sizes); i++) {
        struct tmx_history h;

        assert_int_equal(book_setup(NULL), 0);
        make_export(sizes[i]);
        h = open_history(folder);
        assert_int_equal(tmx_history_verify_head(&h, h.directories, why), 0);
        for (uint64_t index = 0; index < sizes[i]; index++) {
            struct tmx_writer w = TMX_WRITER_OF(proof);

            assert_int_equal(tmx_prove(&h, index, &w, why), 0);
            check_proof(tmx_written(&w), index, sizes[i]);
        }
        tmx_history_close(&h);
        assert_int_equal(remove_export(NULL), 0);
    }
}

static int prove(uint64_t index)
{
    struct tmx_writer w = TMX_WRITER_OF(proof);
    struct tmx_history h = open_history(folder);
    int r = tmx_history_verify_head(&h, h.directories, why);

    if (r == 0) {
        r = tmx_prove(&h, index, &w, why);
    }
    tmx_history_close(&h);
    return r;
}

/* An export that is not what its head signs proves nothing. */
static void test_bent_exports(void **state)
{
    make_export(600);
    assert_int_equal(prove(600), -ERANGE);
    assert_non_null(strstr(why, "there is no entry 600: the log has 600, from 0 on"));
    assert_int_equal(prove(UINT64_MAX), -ERANGE);
    bend_file("tile/0/000", 33, 1); /* the hash of entry 1 */
    assert_int_equal(prove(0), -EBADMSG);
    assert_non_null(strstr(why, "entry 0 does not lead to the signed root"));
    assert_int_equal(prove(300), 0); /* its path has the root of that tile from the level above */
    bend_file("tile/0/000", 33, 1);
    bend_file("tile/1/000.p/2", 0, 1);
    assert_int_equal(prove(300), -EBADMSG);
    bend_file("tile/1/000.p/2", 0, 1);
    bend_file("tile/entries/000", 2, 1);
    assert_int_equal(prove(0), -EBADMSG);
    assert_int_equal(prove(1), 0);
    bend_file("tile/entries/000", 0, 0x80); /* the size of entry 0: nothing behind it can be found */
    assert_int_equal(prove(1), -EBADMSG);
    assert_int_equal(unlinkat(folder_fd, "tile/entries/002.p/88", 0), 0);
    assert_int_equal(prove(599), -ENOENT);
    copy_part("tile/0/001", "tile/0/001.short", 8191);
    assert_int_equal(renameat(folder_fd, "tile/0/001.short", folder_fd, "tile/0/001"), 0);
    assert_int_equal(prove(300), -EBADMSG);
}

static void test_head_not_signed(void **state)
{
    struct tmx_history h;

    make_export(20);
    write_checkpoint(20, &book->roots[20], federation_find(&book->federation, "DE")->sign_secret);
    assert_int_equal(prove(3), -EBADMSG);
    assert_non_null(strstr(why, "the log did not sign its checkpoint"));
    snprintf(book->federation.shard, sizeof book->federation.shard, "2026c");
    write_checkpoint(20, &book->roots[20], book->federation.log_secret);
    assert_int_equal(prove(3), -EBADMSG);
    assert_non_null(strstr(why, "no directory lists the log"));
    assert_int_equal(tmx_export_write(folder_fd, "checkpoint", TMX_LIT("hello\n")), 0);
    assert_int_equal(tmx_history_open(folder, &book->federation.authority, &h, why), -EBADMSG);
    bend_file("directories/1", 40, 1);
    assert_int_equal(tmx_history_open(folder, &book->federation.authority, &h, why), -EBADMSG);
    assert_non_null(strstr(why, "directories/1: "));
    assert_int_equal(tmx_history_open("/nowhere/at/all", &book->federation.authority, &h, why), -ENOENT);
}

/* --- two histories -------------------------------------------------------------------------------------------- */

/* Compares what two paths hold, the shorter first. */
static int compare(const char *shorter, const char *longer, struct tmx_comparison *ret_comparison)
{
    struct tmx_history a = open_history(shorter);
    struct tmx_history b = open_history(longer);
    int r = tmx_compare(&a, &b, ret_comparison, why);

    if (r == 0 && ret_comparison->fork) {
        struct tmx_writer w = TMX_WRITER_OF(proof);
        const struct tmx_bytes path = TMX_BYTES(ret_comparison->consistency.hash,
                                                ret_comparison->consistency.n * TMX_HASH_SIZE);

        /* What convinces another: the longer head continues another beginning than the shorter one signed. */
        assert_false(tmx_hash_eq(&ret_comparison->first_root, &a.head.root));
        assert_true(tmx_merkle_verify_consistency(a.head.size, &ret_comparison->first_root, b.head.size, &b.head.root,
                                                  path));
        tmx_fork_proof(&a, &b, ret_comparison, &w);
        assert_int_equal(memcmp(tmx_written(&w).data, "tmx-fork@v1\n", 12), 0);
    }
    tmx_history_close(&a);
    tmx_history_close(&b);
    return r;
}

static void test_one_history(void **state)
{
    struct tmx_comparison c;
    char longer[sizeof "/tmp/tmx-test-export-XXXXXX"];
    char head[64];

    make_export(600);
    strcpy(longer, folder);
    assert_int_equal(compare(longer, longer, &c), 0);
    assert_false(c.fork);
    for (size_t size = 1; size < 600; size += 37) {
        export_book(size, SIZE_MAX);
        assert_int_equal(compare(folder, longer, &c), 0);
        assert_false(c.fork);
        snprintf(head, sizeof head, "%s/checkpoint", folder);
        assert_int_equal(compare(head, longer, &c), 0);
        assert_false(c.fork);
        snprintf(head, sizeof head, "%s/checkpoint", longer);
        assert_int_equal(compare(folder, head, &c), -EINVAL);
        assert_non_null(strstr(why, "a checkpoint alone does not show what is between"));
        close(folder_fd);
        remove_folder(folder);
    }
    export_book(600, SIZE_MAX);
    remove_folder(longer);
}

static void check_fork(size_t changed, const char *longer, size_t size)
{
    struct tmx_comparison c;
    char head[64];

    export_book(size, changed);
    assert_int_equal(compare(folder, longer, &c), 0);
    assert_int_equal(c.fork, changed < size);
    assert_int_equal(c.located, changed < size);
    assert_true(!c.located || c.index == changed);
    snprintf(head, sizeof head, "%s/checkpoint", folder);
    assert_int_equal(compare(head, longer, &c), 0);
    assert_int_equal(c.fork, changed < size);
    assert_false(c.located);
    close(folder_fd);
    remove_folder(folder);
}

static void test_forks(void **state)
{
    static const size_t changed[] = { 0, 1, 12, 127, 128, 255, 256, 257, 298, 299, 300, 400 };
    char longer[sizeof "/tmp/tmx-test-export-XXXXXX"];

    make_export(600);
    strcpy(longer, folder);
    for (size_t i = 0; i < TMX_N(changed); i++) {
        check_fork(changed[i], longer, 300);
        check_fork(changed[i], longer, 600);
    }
    export_book(20, SIZE_MAX);
    remove_folder(longer);
}

/* Damage is not a fork: nobody is accused of what a disk did. */
static void test_damage_is_no_fork(void **state)
{
    struct tmx_comparison c;
    char longer[sizeof "/tmp/tmx-test-export-XXXXXX"];

    make_export(600);
    strcpy(longer, folder);
    bend_file("tile/0/001", 43 * TMX_HASH_SIZE, 1);
    export_book(300, SIZE_MAX);
    assert_int_equal(compare(folder, longer, &c), -EBADMSG);
    assert_non_null(strstr(why, "its tiles do not lead to its signed root"));
    remove_folder(longer);
    /* Of the shorter only the signed head counts; where it differs cannot be told of bent tiles. */
    strcpy(longer, folder);
    export_book(200, 5);
    assert_int_equal(compare(folder, longer, &c), 0);
    assert_true(c.fork && c.located);
    bend_file("tile/0/000.p/200", 9 * TMX_HASH_SIZE, 1);
    assert_int_equal(compare(folder, longer, &c), 0);
    assert_true(c.fork && !c.located);
    remove_folder(longer);
}

static void test_two_logs(void **state)
{
    struct tmx_comparison c;
    char first[sizeof "/tmp/tmx-test-export-XXXXXX"];

    make_export(30);
    strcpy(first, folder);
    snprintf(book->federation.shard, sizeof book->federation.shard, "2026c");
    export_book(30, SIZE_MAX);
    assert_int_equal(compare(first, folder, &c), -ESRCH);
    assert_non_null(strstr(why, "these are two logs"));
    remove_folder(first);
}

/* The book begins again as the shard after the one it was, whose last head this is. */
static void begin_next_shard(struct tmx_bytes note)
{
    Tmx__LogEntry e = book_entry(TMX__ENTRY_KIND__ENTRY_SHARD_START);

    federation_new_shard(&book->federation, "2026b");
    book_keep_directory(book);
    book->serial = 2;
    book->n = 0;
    memset(&book->frontier, 0, sizeof book->frontier);
    e.text = tmx_to_pb(note);
    e.directory_serial = 2;
    book_put(&e);
    for (size_t i = 0; i < 3; i++) {
        e = book_entry(TMX__ENTRY_KIND__ENTRY_START);
        book_put(&e);
    }
    export_book(book->n, SIZE_MAX);
    assert_int_equal(
        tmx_export_write(folder_fd, "directories/2", TMX_BYTES(book->directory_files[1], book->directory_sizes[1])), 0);
}

static bool follows(struct tmx_history *named, const char *old, struct tmx_comparison *ret_comparison)
{
    struct tmx_history h = open_history(old);
    bool last = named->head.size == h.head.size;

    assert_int_equal(tmx_compare(named, &h, ret_comparison, why), 0);
    tmx_history_close(&h);
    return last && !ret_comparison->fork;
}

/* A shard names the last head of the one before it: whether it is that, and whether the old log ever had it. LOG-4 */
static void test_shard_before(void **state)
{
    char whole[sizeof "/tmp/tmx-test-export-XXXXXX"], earlier[sizeof whole], other[sizeof whole];
    struct tmx_history named = { .path = NULL }, h;
    struct tmx_comparison c;
    uint8_t *note;
    size_t size;

    make_export(310);
    strcpy(whole, folder);
    export_book(310, 5);
    strcpy(other, folder);
    export_book(300, SIZE_MAX);
    strcpy(earlier, folder);
    assert_int_equal(tmx_export_read(folder_fd, "checkpoint", TMX_NOTE_MAX, &note, &size), 0);
    h = open_history(whole);
    assert_int_equal(tmx_history_before(&h, &named, why), -ENOENT);
    tmx_history_close(&h);

    begin_next_shard(TMX_BYTES(note, size));
    free(note);
    h = open_history(folder);
    assert_int_equal(tmx_history_before(&h, &named, why), 0);
    assert_int_equal(named.head.size, 300);
    assert_int_equal(tmx_history_verify_head(&named, h.directories, why), 0);
    assert_true(follows(&named, earlier, &c));
    assert_false(follows(&named, whole, &c));
    assert_false(c.fork);
    assert_false(follows(&named, other, &c));
    assert_true(c.fork);
    tmx_history_close(&named);
    tmx_history_close(&h);

    /* What does not lead to the signed root names nothing. */
    bend_file("tile/entries/000.p/4", 40, 1);
    h = open_history(folder);
    assert_int_equal(tmx_history_before(&h, &named, why), -EBADMSG);
    tmx_history_close(&h);
    remove_folder(whole);
    remove_folder(other);
    remove_folder(earlier);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_proofs),
        cmocka_unit_test_setup_teardown(test_bent_exports, book_setup, remove_export),
        cmocka_unit_test_setup_teardown(test_head_not_signed, book_setup, remove_export),
        cmocka_unit_test_setup_teardown(test_one_history, book_setup, remove_export),
        cmocka_unit_test_setup_teardown(test_forks, book_setup, remove_export),
        cmocka_unit_test_setup_teardown(test_damage_is_no_fork, book_setup, remove_export),
        cmocka_unit_test_setup_teardown(test_two_logs, book_setup, remove_export),
        cmocka_unit_test_setup_teardown(test_shard_before, book_setup, remove_export),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
