/* SPDX-License-Identifier: Apache-2.0
 * Whole exports on disk, written and read, intact and bent. LOG-1, LOG-5
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tmx/control.h>
#include <tmx/text.h>

#include "../../broker/audit/check.h"
#include "../../broker/audit/export.h"
#include "../../broker/audit/export_dir.h"
#include "../../broker/audit/writer.h"
#include "export_fixture.h"

/* Bit c set: class c has a fault. */
static unsigned check_folder(void)
{
    struct tmx_check *c;
    struct tmx_check *crew;
    const char *what;
    unsigned classes = 0;

    assert_int_equal(tmx_check_export(folder, authority_file, 1, &c, &what), 0);
    book_print_faults(tmx_check_audit(c));
    /* With threads it is the same, to the entry and the word. */
    assert_int_equal(tmx_check_export(folder, authority_file, 3, &crew, &what), 0);
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
        copy_part(tiles[i], "kept", SIZE_MAX);
        assert_int_equal(unlinkat(folder_fd, tiles[i], 0), 0);
        assert_int_equal(check_folder(), 1u << AUDIT_TILE);
        copy_part("kept", tiles[i], SIZE_MAX);
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
    copy_part("tile/entries/001.p/44", "kept", SIZE_MAX);
    copy_part("kept", "tile/entries/001.p/44", 1000);
    assert_int_equal(check_folder() & ~(1u << AUDIT_TILE), 1u << AUDIT_ENTRIES | 1u << AUDIT_ROOT);
    copy_part("kept", "tile/entries/001.p/44", SIZE_MAX);
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
    assert_int_equal(tmx_check_export(folder, authority_file, 1, &c, &what), -EINVAL);
    assert_int_equal(tmx_check_export(folder, "/nowhere/authority", 1, &c, &what), -ENOENT);
    write_authority(&book->federation.authority);
    assert_int_equal(tmx_export_write(folder_fd, "checkpoint", TMX_LIT("nothing\n")), 0);
    assert_int_equal(tmx_check_export(folder, authority_file, 1, &c, &what), -EINVAL);
    assert_int_equal(tmx_check_export("/nowhere", authority_file, 1, &c, &what), -ENOENT);
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

/* --- the exporter --------------------------------------------------------------------------------------------- */

/* What the broker does wrong. */
enum lie {
    HONEST,
    OTHER_ENTRY, /* the last entry is another one */
    NO_ENTRIES,
    TOO_MANY_ENTRIES,
    NO_BASE64,
    NO_CHECKPOINT,
    NO_DIRECTORY,
    REFUSES,
};

static char socket_path[64];
static char target[64];

static json_t *base64_json(struct tmx_bytes b)
{
    char *text = malloc(TMX_BASE64_SIZE(b.size));
    json_t *json;

    tmx_base64(b, text);
    json = json_string(text);
    free(text);
    return json;
}

static json_t *entries_json(enum lie lie, uint64_t from, uint64_t count)
{
    json_t *list = json_array();

    for (uint64_t i = from; i < book->n && i < from + count + (lie == TOO_MANY_ENTRIES ? 1 : 0); i++) {
        const bool other = lie == OTHER_ENTRY && i == book->n - 1;

        if (lie != NO_ENTRIES) {
            json_array_append_new(list,
                                  lie == NO_BASE64 ? json_string("%") : base64_json(book->entries[other ? 3 : i]));
        }
    }
    return json_pack("{so}", "entries", list);
}

static json_t *head_json(enum lie lie)
{
    uint8_t *note;
    size_t size;
    json_t *reply;

    if (lie == NO_CHECKPOINT) {
        return json_pack("{ss}", "checkpoint", "none");
    }
    assert_int_equal(tmx_export_read(folder_fd, "checkpoint", TMX_NOTE_MAX, &note, &size), 0);
    reply = json_pack("{so}", "checkpoint", json_stringn((const char *)note, size));
    free(note);
    return reply;
}

static json_t *directories_json(enum lie lie)
{
    json_t *list = json_array();

    if (lie != NO_DIRECTORY) {
        json_array_append_new(list,
                              json_pack("{sI so}", "serial", (json_int_t)1, "file",
                                        base64_json(TMX_BYTES(book->directory_files[0], book->directory_sizes[0]))));
    }
    return json_pack("{so}", "directories", list);
}

static json_t *reply_to(enum lie lie, const struct tmx_control_request *r)
{
    uint64_t from;
    uint64_t count;

    if (lie == REFUSES) {
        return json_pack("{ss}", "error", "not today");
    }
    if (strcmp(r->words[0], "log-head") == 0) {
        return head_json(lie);
    }
    if (strcmp(r->words[0], "directories") == 0) {
        return directories_json(lie);
    }
    if (r->n_words == 3 && strcmp(r->words[0], "log-entries") == 0 &&
        tmx_parse_u64(tmx_bytes_str(r->words[1]), book->n, &from) &&
        tmx_parse_u64(tmx_bytes_str(r->words[2]), 256, &count)) {
        return entries_json(lie, from, count);
    }
    return json_pack("{ss}", "error", "unknown request");
}

/* Answers from the book until it is killed. */
static void serve(struct tmx_control *control, enum lie lie)
{
    for (;;) {
        struct tmx_control_fd fds[TMX_CONTROL_FDS_MAX];
        struct pollfd wait[TMX_CONTROL_FDS_MAX];
        const size_t n = tmx_control_fds(control, fds);
        struct tmx_control_request request;

        for (size_t i = 0; i < n; i++) {
            wait[i] = (struct pollfd){ .fd = fds[i].fd, .events = fds[i].want_write ? POLLOUT : POLLIN };
        }
        (void)poll(wait, n, -1);
        tmx_control_step(control, 1);
        while (tmx_control_next(control, &request)) {
            tmx_control_reply(control, request.client, reply_to(lie, &request));
        }
    }
}

/* Exports from a broker that lies so, into the target; what tmx_export_run returns. */
static int export_from(enum lie lie)
{
    struct tmx_control *control;
    struct tmx_checkpoint head;
    char why[EXPORT_WHY_MAX];
    pid_t pid;
    int r;

    snprintf(socket_path, sizeof socket_path, "%s/control", folder);
    snprintf(target, sizeof target, "%s/out", folder);
    assert_int_equal(tmx_control_new(socket_path, &control), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        serve(control, lie);
    }
    r = tmx_export_run(socket_path, target, &head, why);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    tmx_control_free(control);
    print_message("# %s\n", r < 0 ? why : "exported");
    assert_true(r < 0 || head.size == book->n);
    return r;
}

static bool target_has(const char *file)
{
    char path[128];

    snprintf(path, sizeof path, "%s/%s", target, file);
    return access(path, F_OK) == 0;
}

static unsigned check_target(void)
{
    struct tmx_check *c;
    const char *what;
    bool ok;

    assert_int_equal(tmx_check_export(target, authority_file, 1, &c, &what), 0);
    book_print_faults(tmx_check_audit(c));
    ok = tmx_audit_ok(tmx_check_audit(c));
    tmx_check_free(c);
    return ok;
}

/* More messages, and a checkpoint over them. */
static void grow_book(size_t more)
{
    struct mail m;

    for (size_t i = 0; i < more; i++) {
        book_compose(&m, "FR", "CH", NULL);
        book_accept(&m);
    }
    write_checkpoint(book->n, &book->roots[book->n], book->federation.log_secret);
}

static void test_export_and_continue(void **state)
{
    make_export(700);
    assert_int_equal(export_from(HONEST), 0);
    assert_true(check_target());
    assert_int_equal(export_from(HONEST), 0);
    grow_book(100);
    assert_int_equal(export_from(HONEST), 0);
    assert_true(target_has("tile/entries/003.p/32"));
    assert_true(check_target());
}

/* Whatever the broker does, no checkpoint is written over entries that do not give its root. */
static void test_lies(void **state)
{
    static const enum lie lies[] = { OTHER_ENTRY,   NO_ENTRIES,   TOO_MANY_ENTRIES, NO_BASE64,
                                     NO_CHECKPOINT, NO_DIRECTORY, REFUSES };

    for (size_t i = 0; i < TMX_N(lies); i++) {
        assert_int_equal(book_setup(NULL), 0);
        make_export(300);
        assert_true(export_from(lies[i]) < 0);
        assert_false(target_has("checkpoint"));
        assert_int_equal(remove_export(NULL), 0);
    }
}

/* A broker that now tells another history is refused, and the export keeps what it was told before. */
static void test_other_history(void **state)
{
    struct tmx_bytes kept;

    make_export(300);
    assert_int_equal(export_from(HONEST), 0);
    /* A whole bundle differs. */
    kept = book->entries[20];
    book->entries[20] = book->entries[21];
    assert_int_equal(export_from(HONEST), -EEXIST);
    assert_true(check_target());
    book->entries[20] = kept;
    /* Only an entry of the partial bundle differs: the old head is not one of this log. */
    grow_book(10);
    kept = book->entries[290];
    book->entries[290] = book->entries[291];
    assert_int_equal(export_from(HONEST), -EEXIST);
    assert_true(check_target());
    book->entries[290] = kept;
    assert_int_equal(export_from(HONEST), 0);
    /* It has lost some. */
    write_checkpoint(305, &book->roots[305], book->federation.log_secret);
    assert_int_equal(export_from(HONEST), -EBADMSG);
    /* Another directory under the same serial. */
    grow_book(1);
    book->directory_files[0][5] ^= 1;
    assert_int_equal(export_from(HONEST), -EEXIST);
    book->directory_files[0][5] ^= 1;
    book->directory_sizes[0]--;
    assert_int_equal(export_from(HONEST), -EEXIST);
    book->directory_sizes[0]++;
    /* Another log. */
    snprintf(book->federation.shard, sizeof book->federation.shard, "2026c");
    write_checkpoint(book->n, &book->roots[book->n], book->federation.log_secret);
    assert_int_equal(export_from(HONEST), -EEXIST);
    assert_true(check_target());
}

static void test_no_broker(void **state)
{
    struct tmx_checkpoint head;
    char why[EXPORT_WHY_MAX];

    make_export(13);
    snprintf(target, sizeof target, "%s/out", folder);
    assert_int_equal(tmx_export_run("/nowhere/control", target, &head, why), -ENOENT);
    assert_int_equal(tmx_export_run("/nowhere/control", "/nowhere/out", &head, why), -ENOENT);
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
        cmocka_unit_test_setup_teardown(test_export_and_continue, book_setup, remove_export),
        cmocka_unit_test(test_lies),
        cmocka_unit_test_setup_teardown(test_other_history, book_setup, remove_export),
        cmocka_unit_test_setup_teardown(test_no_broker, book_setup, remove_export),
    };

    return cmocka_run_group_tests_name("export", tests, NULL, NULL);
}
