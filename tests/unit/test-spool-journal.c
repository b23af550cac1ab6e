/* SPDX-License-Identifier: Apache-2.0
 * The journal of the spool on disk: what a crash leaves is all there, and what is damaged or of another spool is never
 * taken for it. A crash is a copy of the files while the spool is open.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <tmx/spool_lmdb.h>

#include "../../lib/io/spool_env.h"

#define CAPACITY (4u << 20)
#define JOURNAL_BYTES (CAPACITY / 64)

struct place {
    char folder[64];
    char spool[80];
    char data[128];
    char crashed[80];
    char error[256];
    struct tmx_spool *s;
};

static const char *const files[] = { "data.mdb", "journal" };

static void name_of(char ret_name[128], const char *folder, const char *file)
{
    (void)snprintf(ret_name, 128, "%s/%s", folder, file);
}

static int setup(void **state)
{
    struct place *p = calloc(1, sizeof(*p));
    *state = p;
    (void)snprintf(p->folder, sizeof(p->folder), "/tmp/tmx-journal-XXXXXX");
    if (mkdtemp(p->folder) == NULL) {
        return -1;
    }
    (void)snprintf(p->spool, sizeof(p->spool), "%s/spool", p->folder);
    name_of(p->data, p->spool, "data.mdb");
    (void)snprintf(p->crashed, sizeof(p->crashed), "%s/crashed", p->folder);
    int r = mkdir(p->crashed, 0700) < 0 ? -1 : tmx_spool_lmdb_create(p->spool, CAPACITY, 7, "broker");
    return r < 0 ? r : tmx_spool_lmdb_open(p->spool, CAPACITY, "broker", &p->s, p->error, sizeof(p->error));
}

static void clear(const char *folder)
{
    static const char *const names[] = { "data.mdb", "journal", "lock.mdb", "owner.lock" };
    for (size_t i = 0; i < TMX_N(names); i++) {
        char name[128];
        name_of(name, folder, names[i]);
        (void)unlink(name);
    }
}

static int teardown(void **state)
{
    struct place *p = *state;
    p->s = tmx_spool_close(p->s);
    clear(p->spool);
    clear(p->crashed);
    (void)rmdir(p->spool);
    (void)rmdir(p->crashed);
    int r = rmdir(p->folder);
    free(p);
    return r;
}

static uint8_t *slurp(const char *path, size_t *ret_size)
{
    struct stat st;
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    *ret_size = (size_t)st.st_size;
    uint8_t *data = malloc(*ret_size);
    assert_int_equal(read(fd, data, *ret_size), (ssize_t)*ret_size);
    close(fd);
    return data;
}

static void spit(const char *path, const uint8_t *data, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, size), (ssize_t)size);
    close(fd);
}

static void copy_file(const char *from, const char *to, const char *file)
{
    char a[128], b[128];
    size_t size;
    name_of(a, from, file);
    name_of(b, to, file);
    uint8_t *data = slurp(a, &size);
    spit(b, data, size);
    free(data);
}

/* What a crash now would leave, in p->crashed. */
static void crash(struct place *p)
{
    clear(p->crashed);
    for (size_t i = 0; i < TMX_N(files); i++) {
        copy_file(p->spool, p->crashed, files[i]);
    }
}

static int apply_row(struct tmx_spool *s, uint32_t number, size_t size)
{
    static uint8_t value[JOURNAL_BYTES + 1];
    memset(value, (int)(number & 0xff), size);
    struct tmx_op op = { TMX_OP_PUT, 1, TMX_BYTES(&number, sizeof(number)), TMX_BYTES(value, size) };
    return tmx_spool_apply(s, &op, 1);
}

/* Turn n writes row n of this size. */
static void turn(struct tmx_spool *s, uint32_t number, size_t size)
{
    assert_int_equal(tmx_spool_begin(s), 0);
    assert_int_equal(apply_row(s, number, size), 0);
    assert_int_equal(tmx_spool_commit(s), 0);
}

static int open_crashed(struct place *p, struct tmx_spool **ret_spool)
{
    return tmx_spool_lmdb_open(p->crashed, CAPACITY, "broker", ret_spool, p->error, sizeof(p->error));
}

/* The rows up to `n` and none behind; `size` 0: of any size. */
static void expect_rows(struct tmx_spool *s, uint32_t n, size_t size)
{
    struct tmx_bytes value;
    for (uint32_t i = 1; i <= n; i++) {
        assert_int_equal(tmx_spool_get(s, 1, TMX_BYTES(&i, sizeof(i)), &value), 0);
        assert_true(value.size > 0 && (size == 0 || value.size == size));
        assert_int_equal(value.data[value.size - 1], i & 0xff);
    }
    n++;
    assert_int_equal(tmx_spool_get(s, 1, TMX_BYTES(&n, sizeof(n)), &value), TMX_SPOOL_E_NONE);
    struct tmx_spool_stat stat;
    assert_int_equal(tmx_spool_stat(s, &stat), 0);
    assert_int_equal(stat.rows[1], n - 1);
}

/* Opens the copy, looks, and goes on there for more turns than a lap of the journal. */
static void expect_crashed(struct place *p, uint32_t n, size_t size)
{
    struct tmx_spool *s;
    assert_int_equal(open_crashed(p, &s), 0);
    expect_rows(s, n, size);
    struct tmx_spool_mark a, b;
    tmx_spool_lmdb_mark(s, &a);
    tmx_spool_lmdb_mark(p->s, &b);
    assert_int_equal(a.turn, b.turn);
    turn(s, n + 1, size == 0 ? 10 : size);
    s = tmx_spool_close(s);
    assert_int_equal(open_crashed(p, &s), 0);
    expect_rows(s, n + 1, size);
    (void)tmx_spool_close(s);
}

/* After every turn, over several laps; an open turn is not there. */
static void every_turn_survives_a_crash(void **state)
{
    struct place *p = *state;
    for (uint32_t n = 1; n <= 3 * TMX_JOURNAL_TURNS_MAX; n++) {
        turn(p->s, n, 700);
        if (n % 17 == 0 || n > 3 * TMX_JOURNAL_TURNS_MAX - 4) {
            assert_int_equal(tmx_spool_begin(p->s), 0);
            assert_int_equal(apply_row(p->s, n + 1, 700), 0);
            crash(p);
            expect_crashed(p, n, 700);
            assert_int_equal(apply_row(p->s, n + 1, 700), 0);
            assert_int_equal(tmx_spool_commit(p->s), 0);
            n++;
        }
    }
}

/* Turns that fill the journal, and one that never fits into it: its file stays as long as it was. */
static void large_turns_survive_a_crash(void **state)
{
    static const size_t sizes[] = { 5000, 30000, JOURNAL_BYTES - 4096, JOURNAL_BYTES, JOURNAL_BYTES + 1 };
    struct place *p = *state;
    for (uint32_t n = 1; n <= 25; n++) {
        char name[128];
        struct stat st;
        turn(p->s, n, sizes[n % TMX_N(sizes)]);
        crash(p);
        expect_crashed(p, n, 0);
        name_of(name, p->spool, "journal");
        assert_int_equal(stat(name, &st), 0);
        assert_int_equal(st.st_size, JOURNAL_BYTES);
    }
}

/* A flipped bit in the journal: refused where a later turn stands behind it; taken for a turn that was not finished where
 * none does. Never anything else, and a refusal changes nothing. */
static void damage_is_found(void **state)
{
    struct place *p = *state;
    char name[128], rows[128];
    size_t size, rows_size;
    unsigned refused = 0, unfinished = 0;
    turn(p->s, 1, 700);    /* in LMDB: the first since it was opened */
    turn(p->s, 2, 5000);   /* two blocks */
    turn(p->s, 3, 700);
    crash(p);
    name_of(name, p->crashed, "journal");
    name_of(rows, p->crashed, "data.mdb");
    uint8_t *data = slurp(name, &size);
    for (size_t i = 24; i < 5 * 24; i++) {   /* in each block the header, and here and there behind it */
        size_t at = i / 24 * TMX_JOURNAL_BLOCK + (i % 24 < 16 ? i % 24 * 4 : i % 24 * 97);
        struct tmx_spool *s;
        crash(p);
        data[at] ^= 1u << (at % 8);
        spit(name, data, size);
        int r = open_crashed(p, &s);
        if (r == -EBADMSG) {
            refused++;
            assert_non_null(strstr(p->error, "damaged"));
            uint8_t *is = slurp(rows, &rows_size), *was = slurp(p->data, &rows_size);
            assert_memory_equal(is, was, rows_size);   /* looked at, not touched */
            free(is);
            free(was);
        } else {
            struct tmx_bytes value;
            assert_int_equal(r, 0);
            const uint32_t three = 3;
            bool last = tmx_spool_get(s, 1, TMX_BYTES(&three, sizeof(three)), &value) == 0;
            unfinished += !last;
            assert_true(last || at >= 3 * TMX_JOURNAL_BLOCK);
            (void)tmx_spool_close(s);
        }
        data[at] ^= 1u << (at % 8);
    }
    assert_true(refused > 30 && unfinished > 10);
    free(data);
}

/* The files of a spool belong together. */
static void a_journal_of_another_spool_is_refused(void **state)
{
    struct place *p = *state;
    char early[144], name[128];
    struct tmx_spool *s;
    turn(p->s, 1, 700);
    crash(p);
    (void)snprintf(early, sizeof(early), "%s/data.early", p->folder);
    name_of(name, p->crashed, "data.mdb");
    assert_int_equal(rename(name, early), 0);
    for (uint32_t n = 2; n < TMX_JOURNAL_TURNS_MAX + 5; n++) {
        turn(p->s, n, 700);
    }
    crash(p);
    expect_crashed(p, TMX_JOURNAL_TURNS_MAX + 4, 700);

    crash(p);   /* old rows, new journal */
    assert_int_equal(rename(early, name), 0);
    assert_int_equal(open_crashed(p, &s), -EBADMSG);
    assert_non_null(strstr(p->error, "bring back the whole folder"));

    crash(p);   /* new rows, old journal: nothing in it is missing from them */
    turn(p->s, TMX_JOURNAL_TURNS_MAX + 5, 700);
    struct tmx_spool_stat stat;
    assert_int_equal(tmx_spool_stat(p->s, &stat), 0);
    copy_file(p->spool, p->crashed, "data.mdb");
    expect_crashed(p, TMX_JOURNAL_TURNS_MAX + 5, 700);

    assert_int_equal(tmx_spool_stat(p->s, &stat), 0);
    crash(p);   /* a copy, and both go on: by as many turns, but not the same */
    assert_int_equal(open_crashed(p, &s), 0);
    turn(s, 5000, 700);
    turn(p->s, 6000, 700);
    assert_int_equal(tmx_spool_stat(s, &stat), 0);
    assert_int_equal(tmx_spool_stat(p->s, &stat), 0);
    turn(p->s, 6001, 700);
    (void)tmx_spool_close(s);
    copy_file(p->spool, p->crashed, "journal");
    assert_int_equal(open_crashed(p, &s), -EBADMSG);
}

/* A turn that is whole, of this spool and the next, but not of these rows. */
static void rows_it_does_not_go_on_from_are_refused(void **state)
{
    struct place *p = *state;
    char name[128];
    const struct tmx_op wrong[] = {
        { TMX_OP_INSERT, 1, TMX_LIT("\1\0\0\0"), TMX_LIT("there") },
        { TMX_OP_UPDATE, 1, TMX_LIT("none"), TMX_LIT("x") },
        { TMX_OP_DELETE, 1, TMX_LIT("none"), TMX_BYTES_NULL },
        { TMX_OP_PUT, 1, TMX_LIT("none"), TMX_LIT("x") },   /* that is fine */
    };
    turn(p->s, 1, 700);
    name_of(name, p->crashed, "journal");
    for (size_t i = 0; i < TMX_N(wrong); i++) {
        struct tmx_spool *s = NULL;
        struct tmx_journal j = ((struct tmx_env *)p->s)->journal;
        crash(p);
        j.record = NULL;
        j.room = 0;
        assert_int_equal(tmx_journal_open(&j, name), 0);
        tmx_journal_begin(&j);
        assert_int_equal(tmx_journal_add(&j, &wrong[i]), 0);
        assert_int_equal(tmx_journal_write(&j, 2), 0);
        tmx_journal_close(&j);
        assert_int_equal(open_crashed(p, &s), i == TMX_N(wrong) - 1 ? 0 : -EBADMSG);
        (void)tmx_spool_close(s);
    }
}

static void a_spool_without_its_journal_is_refused(void **state)
{
    struct place *p = *state;
    char name[128];
    struct tmx_spool *s;
    turn(p->s, 1, 700);
    crash(p);
    name_of(name, p->crashed, "journal");
    uint8_t key[TMX_JOURNAL_KEY] = { 1 };
    assert_int_equal(tmx_journal_create(name, CAPACITY, key), 0);
    assert_int_equal(open_crashed(p, &s), -EBADMSG);
    assert_non_null(strstr(p->error, "that of another spool"));
    crash(p);
    assert_int_equal(truncate(name, 100), 0);
    assert_int_equal(open_crashed(p, &s), -EBADMSG);
    assert_int_equal(unlink(name), 0);
    assert_int_equal(open_crashed(p, &s), -ENOENT);
    assert_non_null(strstr(p->error, "journal"));
}

/* A generation starts in LMDB itself, with the turns before it. */
static void a_generation_is_not_left_behind(void **state)
{
    struct place *p = *state;
    struct tmx_spool_mark mark;
    struct tmx_spool *s;
    turn(p->s, 1, 700);
    assert_int_equal(tmx_spool_lmdb_set_generation(p->s, 8), 0);
    crash(p);
    assert_int_equal(open_crashed(p, &s), 0);
    tmx_spool_lmdb_mark(s, &mark);
    assert_int_equal(mark.generation, 8);
    assert_int_equal(mark.turn, 2);
    expect_rows(s, 1, 700);
    (void)tmx_spool_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_turn_survives_a_crash, setup, teardown),
        cmocka_unit_test_setup_teardown(large_turns_survive_a_crash, setup, teardown),
        cmocka_unit_test_setup_teardown(damage_is_found, setup, teardown),
        cmocka_unit_test_setup_teardown(a_journal_of_another_spool_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(rows_it_does_not_go_on_from_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_spool_without_its_journal_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_generation_is_not_left_behind, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
