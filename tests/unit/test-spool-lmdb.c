/* SPDX-License-Identifier: Apache-2.0
 * What only the spool on disk has: files, locks, versions, damage, a full disk, generations.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <tmx/spool_lmdb.h>

#include "../../lib/io/spool_row.h"

#define CAPACITY (4u << 20)
#define PAGE 4096u

struct place {
    char folder[64];
    char spool[80];
    char data[96];
    char lock[96];
    char owner[96];
    char journal[96];
    char marker[96];
    char error[256];
    struct tmx_spool *s;
};

static int open_as(struct place *p, const char *role)
{
    p->error[0] = '\0';
    return tmx_spool_lmdb_open(p->spool, CAPACITY, role, &p->s, p->error, sizeof(p->error));
}

static void reopen(struct place *p)
{
    p->s = tmx_spool_close(p->s);
    assert_int_equal(open_as(p, "broker"), 0);
}

static int setup(void **state)
{
    struct place *p = calloc(1, sizeof(*p));
    *state = p;
    (void)snprintf(p->folder, sizeof(p->folder), "/tmp/tmx-spool-XXXXXX");
    if (mkdtemp(p->folder) == NULL) {
        return -1;
    }
    (void)snprintf(p->spool, sizeof(p->spool), "%s/spool", p->folder);
    (void)snprintf(p->data, sizeof(p->data), "%s/data.mdb", p->spool);
    (void)snprintf(p->lock, sizeof(p->lock), "%s/lock.mdb", p->spool);
    (void)snprintf(p->owner, sizeof(p->owner), "%s/owner.lock", p->spool);
    (void)snprintf(p->journal, sizeof(p->journal), "%s/journal", p->spool);
    (void)snprintf(p->marker, sizeof(p->marker), "%s/marker", p->folder);
    int r = tmx_spool_lmdb_create(p->spool, CAPACITY, 7, "broker");
    return r < 0 ? r : open_as(p, "broker");
}

static int teardown(void **state)
{
    struct place *p = *state;
    p->s = tmx_spool_close(p->s);
    (void)unlink(p->data);
    (void)unlink(p->lock);
    (void)unlink(p->owner);
    (void)unlink(p->journal);
    (void)unlink(p->marker);
    (void)rmdir(p->spool);
    int r = rmdir(p->folder);   /* nothing else was left behind */
    free(p);
    return r;
}

static int apply_row(struct tmx_spool *s, uint8_t table, uint32_t number, size_t size)
{
    static uint8_t value[64 << 10];
    memset(value, (int)(number & 0xff), size);
    struct tmx_op op = { TMX_OP_PUT, table, TMX_BYTES(&number, sizeof(number)), TMX_BYTES(value, size) };
    return tmx_spool_apply(s, &op, 1);
}

static int write_row(struct tmx_spool *s, uint8_t table, uint32_t number, size_t size)
{
    int r = tmx_spool_begin(s);
    if (r < 0) {
        return r;
    }
    r = apply_row(s, table, number, size);
    int c = tmx_spool_commit(s);
    assert_true(r == 0 || c == -EIO);   /* nothing commits after a failed apply */
    return r < 0 ? r : c;
}

static int read_row(struct tmx_spool *s, uint8_t table, uint32_t number, size_t size)
{
    struct tmx_bytes value;
    int r = tmx_spool_get(s, table, TMX_BYTES(&number, sizeof(number)), &value);
    if (r == 0) {
        assert_int_equal(value.size, size);
        for (size_t i = 0; i < size; i++) {
            assert_int_equal(value.data[i], number & 0xff);
        }
    }
    return r;
}

static uint64_t size_of(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return (uint64_t)st.st_size;
}

static void patch(const char *path, uint64_t at, const void *bytes, size_t size)
{
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, size, (off_t)at), (ssize_t)size);
    close(fd);
}

static uint8_t *slurp(const char *path, size_t *ret_size)
{
    *ret_size = size_of(path);
    uint8_t *data = malloc(*ret_size);
    int fd = open(path, O_RDONLY);
    assert_true(data != NULL && fd >= 0);
    assert_int_equal(read(fd, data, *ret_size), (ssize_t)*ret_size);
    close(fd);
    return data;
}

/* What the journal has goes into LMDB's file, which the test is going to damage. */
static void checkpoint(struct place *p)
{
    struct tmx_spool_stat stat;
    assert_int_equal(tmx_spool_stat(p->s, &stat), 0);
}

/* The places where `is` stands in the file. */
static unsigned replace_all(const char *path, struct tmx_bytes is, struct tmx_bytes becomes)
{
    size_t size;
    unsigned n = 0;
    uint8_t *data = slurp(path, &size);
    for (uint8_t *at = data; (at = memmem(at, size - (size_t)(at - data), is.data, is.size)) != NULL; at++, n++) {
        patch(path, (uint64_t)(at - data), becomes.data, becomes.size);
    }
    free(data);
    return n;
}

/* --- making and opening -------------------------------------------------------------------------------------- */

static void create_never_touches_what_is_there(void **state)
{
    struct place *p = *state;
    assert_int_equal(write_row(p->s, 0, 1, 10), 0);
    assert_int_equal(tmx_spool_lmdb_create(p->spool, CAPACITY, 8, "broker"), -EEXIST);
    reopen(p);
    assert_int_equal(read_row(p->s, 0, 1, 10), 0);
    assert_int_equal(tmx_spool_lmdb_create("/nowhere/at/all", CAPACITY, 8, "broker"), -ENOENT);
}

/* A creation that a crash cut off left a folder beside: the next one takes its place. */
static void create_starts_over(void **state)
{
    struct place *p = *state;
    char fresh[96], rest[112], strange[112];
    char other[80];
    (void)snprintf(other, sizeof(other), "%s/other", p->folder);
    (void)snprintf(fresh, sizeof(fresh), "%s.new", other);
    (void)snprintf(rest, sizeof(rest), "%s/data.mdb", fresh);
    (void)snprintf(strange, sizeof(strange), "%s/notes.txt", fresh);
    assert_int_equal(mkdir(fresh, 0700), 0);
    close(open(rest, O_CREAT | O_WRONLY, 0600));
    close(open(strange, O_CREAT | O_WRONLY, 0600));
    assert_int_equal(tmx_spool_lmdb_create(other, CAPACITY, 1, "broker"), -ENOTEMPTY);   /* not ours to delete */
    assert_int_equal(unlink(strange), 0);
    close(open(rest, O_CREAT | O_WRONLY, 0600));
    assert_int_equal(tmx_spool_lmdb_create(other, CAPACITY, 1, "broker"), 0);
    assert_int_equal(access(fresh, F_OK), -1);
    (void)snprintf(rest, sizeof(rest), "%s/data.mdb", other);
    struct stat st;
    assert_int_equal(stat(rest, &st), 0);
    assert_true(st.st_blocks * 512 >= (blkcnt_t)CAPACITY);   /* reserved on disk */
    assert_true(st.st_size < (off_t)CAPACITY);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(unlink(rest), 0);
    (void)snprintf(rest, sizeof(rest), "%s/journal", other);
    assert_int_equal(unlink(rest), 0);
    assert_int_equal(rmdir(other), 0);
}

static void open_never_creates(void **state)
{
    struct place *p = *state;
    char error[256];
    char other[80];
    struct tmx_spool *s;
    (void)snprintf(other, sizeof(other), "%s/none", p->folder);
    assert_int_equal(tmx_spool_lmdb_open(other, CAPACITY, "broker", &s, error, sizeof(error)), -ENOENT);
    assert_non_null(strstr(error, "init"));
    assert_non_null(strstr(error, "restore"));
    assert_non_null(strstr(error, other));
    assert_int_equal(mkdir(other, 0700), 0);
    assert_int_equal(tmx_spool_lmdb_open(other, CAPACITY, "broker", &s, error, sizeof(error)), -ENOENT);
    assert_int_equal(rmdir(other), 0);   /* still empty */
}

static void rows_survive(void **state)
{
    struct place *p = *state;
    struct tmx_spool_stat before, after;
    for (uint32_t i = 0; i < 50; i++) {
        assert_int_equal(write_row(p->s, 3, i, 100 * i), 0);
    }
    assert_int_equal(tmx_spool_stat(p->s, &before), 0);
    reopen(p);
    for (uint32_t i = 0; i < 50; i++) {
        assert_int_equal(read_row(p->s, 3, i, 100 * i), 0);
    }
    assert_int_equal(tmx_spool_stat(p->s, &after), 0);
    assert_int_equal(after.rows[3], 50);
    assert_int_equal(after.commits, before.commits);
    assert_int_equal(after.used_bytes, before.used_bytes);
    assert_int_equal(after.capacity_bytes, CAPACITY);
}

static void one_process_owns_it(void **state)
{
    struct place *p = *state;
    char error[256];
    struct tmx_spool *s;
    assert_int_equal(tmx_spool_lmdb_open(p->spool, CAPACITY, "broker", &s, error, sizeof(error)), -EBUSY);
    assert_non_null(strstr(error, "owned by another process"));
    p->s = tmx_spool_close(p->s);
    assert_int_equal(open_as(p, "broker"), 0);
}

/* A process that was killed may take a moment to let go. */
static void an_owner_that_goes_is_waited_for(void **state)
{
    struct place *p = *state;
    int ends[2];
    char byte;
    assert_int_equal(pipe(ends), 0);
    p->s = tmx_spool_close(p->s);
    pid_t pid = fork();
    if (pid == 0) {
        const struct timespec moment = { .tv_nsec = 200000000 };
        char error[256];
        struct tmx_spool *s;
        bool opened = tmx_spool_lmdb_open(p->spool, CAPACITY, "broker", &s, error, sizeof(error)) == 0;
        (void)!write(ends[1], opened ? "y" : "n", 1);
        nanosleep(&moment, NULL);
        _exit(0);
    }
    assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_int_equal(byte, 'y');
    assert_int_equal(open_as(p, "broker"), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    close(ends[0]);
    close(ends[1]);
}

static void a_newer_version_is_refused(void **state)
{
    struct place *p = *state;
    struct tmx_row_key key;
    struct tmx_row_buffer old, new;
    tmx_row_key(&key, TMX_OWN_TABLE, TMX_LIT("spool"));
    struct tmx_bytes is = tmx_row_make(&key, TMX_LIT("\0\0\0\4\0\0\0\0\0\0\0\7broker"), 0, &old);
    struct tmx_bytes becomes = tmx_row_make(&key, TMX_LIT("\0\0\0\5\0\0\0\0\0\0\0\7broker"), 0, &new);
    p->s = tmx_spool_close(p->s);
    assert_true(replace_all(p->data, is, becomes) > 0);
    assert_int_equal(open_as(p, "broker"), -EPROTO);
    assert_non_null(strstr(p->error, "format version 5, this program knows 4"));
}

static void another_role_is_refused(void **state)
{
    struct place *p = *state;
    p->s = tmx_spool_close(p->s);
    assert_int_equal(tmx_spool_lmdb_open(p->spool, CAPACITY, "node", &p->s, p->error, sizeof(p->error)), -EINVAL);
    assert_non_null(strstr(p->error, "the spool of a broker, not of a node"));
    assert_int_equal(open_as(p, "broker"), 0);
}

/* Killed in the middle of a turn: the committed turns are there, the open one is not, the lock is free. */
static void a_killed_owner_leaves_its_commits(void **state)
{
    struct place *p = *state;
    p->s = tmx_spool_close(p->s);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        const uint32_t key = 3;
        const struct tmx_op op = { TMX_OP_PUT, 0, TMX_BYTES(&key, 4), TMX_LIT("x") };
        bool ok = open_as(p, "broker") == 0 && write_row(p->s, 0, 1, 5000) == 0 && write_row(p->s, 0, 2, 50) == 0 &&
                  tmx_spool_begin(p->s) == 0 && tmx_spool_apply(p->s, &op, 1) == 0;
        (void)raise(ok ? SIGKILL : SIGTERM);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_int_equal(open_as(p, "broker"), 0);
    assert_int_equal(read_row(p->s, 0, 1, 5000), 0);
    assert_int_equal(read_row(p->s, 0, 2, 50), 0);
    assert_int_equal(read_row(p->s, 0, 3, 1), TMX_SPOOL_E_NONE);
    assert_int_equal(write_row(p->s, 0, 3, 7), 0);
}

/* --- full ----------------------------------------------------------------------------------------------------- */

static void a_full_spool_keeps_what_was_committed(void **state)
{
    struct place *p = *state;
    uint32_t n = 0;
    int r;
    while ((r = write_row(p->s, 0, n, 40000)) == 0) {
        n++;
        assert_true(n < CAPACITY / 40000);
    }
    assert_int_equal(r, -ENOSPC);
    assert_true(n > CAPACITY / 40000 / 2);
    struct tmx_spool_stat stat;
    struct tmx_bytes value;
    assert_int_equal(write_row(p->s, 0, n, 1), -EIO);   /* the handle is done */
    assert_int_equal(tmx_spool_get(p->s, 0, TMX_LIT("k"), &value), -EIO);
    assert_int_equal(tmx_spool_stat(p->s, &stat), -EIO);
    reopen(p);
    for (uint32_t i = 0; i < n; i++) {
        assert_int_equal(read_row(p->s, 0, i, 40000), 0);
    }
    assert_int_equal(read_row(p->s, 0, n, 0), TMX_SPOOL_E_NONE);
    for (uint32_t i = 0; i < n; i++) {   /* deleting works, and makes room */
        struct tmx_op op = { TMX_OP_DELETE, 0, TMX_BYTES(&i, sizeof(i)), TMX_BYTES_NULL };
        assert_int_equal(tmx_spool_begin(p->s), 0);
        assert_int_equal(tmx_spool_apply(p->s, &op, 1), 0);
        assert_int_equal(tmx_spool_commit(p->s), 0);
    }
    assert_int_equal(write_row(p->s, 0, 1, 40000), 0);
    assert_int_equal(tmx_spool_stat(p->s, &stat), 0);
    assert_true(stat.used_bytes < CAPACITY / 4);
    assert_true(size_of(p->data) <= CAPACITY);
}

/* --- damage --------------------------------------------------------------------------------------------------- */

/* Damage behind LMDB's back while the spool is open: the row says so, its neighbours are unharmed, and it can be
 * deleted and written again. */
static void damaged_rows_are_found(void **state)
{
    struct place *p = *state;
    static const size_t sizes[] = { 20, 3000, 4071, 9000, 60000 };
    for (uint32_t i = 0; i < TMX_N(sizes); i++) {
        assert_int_equal(write_row(p->s, 0, 0x41 + i, sizes[i]), 0);
        assert_int_equal(write_row(p->s, 1, 0x41 + i, sizes[i]), 0);
    }
    for (uint32_t i = 0; i < TMX_N(sizes); i++) {
        uint8_t run[16];
        uint32_t number = 0x41 + i;
        struct tmx_bytes key = TMX_BYTES(&number, 4), k, v;
        memset(run, (int)number, sizeof(run));
        checkpoint(p);
        assert_true(replace_all(p->data, TMX_BYTES_OF(run), TMX_LIT("!")) > 0);
        assert_int_equal(read_row(p->s, 0, number, sizes[i]), -EBADMSG);
        assert_int_equal(tmx_spool_seek(p->s, 0, TMX_BYTES_OF(run), &k, &v), i + 1 < TMX_N(sizes) ? 0 : TMX_SPOOL_E_NONE);
        assert_int_equal(tmx_spool_seek(p->s, 0, key, &k, &v), -EBADMSG);
        assert_true(tmx_bytes_eq(k, key));
        assert_int_equal(tmx_spool_stored(p->s, 0, key, &v), 0);   /* all but what was changed, for who wants to look */
        assert_int_equal(v.size, sizes[i]);
        assert_non_null(memchr(v.data, '!', v.size));
        assert_int_equal(v.data[v.size - 1], number);
        const struct tmx_op ops[] = {
            { TMX_OP_DELETE, 0, key, TMX_BYTES_NULL }, { TMX_OP_INSERT, 0, key, TMX_LIT("new") },
            { TMX_OP_UPDATE, 1, key, TMX_LIT("new") },
        };
        assert_int_equal(tmx_spool_begin(p->s), 0);
        assert_int_equal(tmx_spool_apply(p->s, ops, TMX_N(ops)), 0);
        assert_int_equal(tmx_spool_commit(p->s), 0);
        assert_int_equal(tmx_spool_get(p->s, 0, key, &v), 0);
        assert_true(tmx_bytes_eq(v, TMX_LIT("new")));
        for (uint32_t j = i + 1; j < TMX_N(sizes); j++) {
            assert_int_equal(read_row(p->s, 0, 0x41 + j, sizes[j]), 0);
        }
    }
    reopen(p);
}

/* Where in the file the piece is that holds `first` as its first number. */
static uint64_t find_piece(const char *path, uint8_t fill, uint8_t ret_piece[TMX_ROW_CHUNK])
{
    size_t size;
    uint8_t *data = slurp(path, &size), run[TMX_PIECE_MAX];
    memset(run, fill, sizeof(run));
    uint8_t *at = memmem(data, size, run, sizeof(run));
    assert_non_null(at);
    at -= TMX_ROW_DIGEST;
    memcpy(ret_piece, at, TMX_ROW_CHUNK);
    uint64_t offset = (uint64_t)(at - data);
    free(data);
    return offset;
}

/* Pieces written well, but not these: of another row, and of an earlier version of this one. */
static void pieces_in_the_wrong_place_are_found(void **state)
{
    struct place *p = *state;
    uint8_t mine[TMX_ROW_CHUNK], others[TMX_ROW_CHUNK], now[TMX_ROW_CHUNK];
    assert_int_equal(write_row(p->s, 0, 0x61, 9000), 0);
    assert_int_equal(write_row(p->s, 0, 0x62, 9000), 0);
    checkpoint(p);
    uint64_t at = find_piece(p->data, 0x61, mine);
    (void)find_piece(p->data, 0x62, others);
    patch(p->data, at, others, sizeof(others));
    assert_int_equal(read_row(p->s, 0, 0x61, 9000), -EBADMSG);
    patch(p->data, at, mine, sizeof(mine));
    assert_int_equal(read_row(p->s, 0, 0x61, 9000), 0);

    static uint8_t value[9000];
    const uint32_t number = 0x61;
    memset(value, 0x63, sizeof(value));
    struct tmx_op op = { TMX_OP_UPDATE, 0, TMX_BYTES(&number, 4), TMX_BYTES_OF(value) };
    assert_int_equal(tmx_spool_begin(p->s), 0);
    assert_int_equal(tmx_spool_apply(p->s, &op, 1), 0);
    assert_int_equal(tmx_spool_commit(p->s), 0);
    checkpoint(p);
    at = find_piece(p->data, 0x63, now);
    patch(p->data, at, mine, sizeof(mine));
    assert_int_equal(read_row(p->s, 0, 0x61, 9000), -EBADMSG);
    patch(p->data, at, now, sizeof(now));
}

static void fill_some(struct place *p)
{
    for (uint32_t i = 0; i < 300;) {
        assert_int_equal(tmx_spool_begin(p->s), 0);
        for (unsigned n = 0; n < 60; n++, i++) {
            assert_int_equal(apply_row(p->s, (uint8_t)(i % 3), i, i % 7 == 0 ? 9000 : i), 0);
        }
        assert_int_equal(tmx_spool_commit(p->s), 0);
    }
}

static void expect_some(struct place *p)
{
    for (uint32_t i = 0; i < 300; i++) {
        struct tmx_bytes key, value;
        assert_int_equal(read_row(p->s, (uint8_t)(i % 3), i, i % 7 == 0 ? 9000 : i), 0);
        assert_int_equal(tmx_spool_seek(p->s, (uint8_t)(i % 3), TMX_BYTES(&i, 4), &key, &value), 0);
        assert_true(tmx_bytes_eq(key, TMX_BYTES(&i, 4)));
    }
}

/* One bit anywhere: either it is found on opening, or it changes nothing. Never other bytes, never a crash. */
static void no_flipped_bit_passes(void **state)
{
    struct place *p = *state;
    size_t size;
    unsigned found = 0;
    uint64_t rng = 42;
    fill_some(p);
    p->s = tmx_spool_close(p->s);
    uint8_t *data = slurp(p->data, &size);
    for (unsigned i = 0; i < 400; i++) {
        rng = rng * 6364136223846793005u + 1442695040888963407u;
        uint64_t at = (rng >> 16) % size;
        if (i % 2 == 0) {
            at = at / PAGE * PAGE + at % 64;   /* page heads: half of the flips */
        }
        uint8_t flipped = data[at] ^ (uint8_t)(1u << (rng >> 61));
        patch(p->data, at, &flipped, 1);
        int r = open_as(p, "broker");
        if (r == 0) {
            expect_some(p);
            p->s = tmx_spool_close(p->s);
        } else {
            found++;
            assert_true(r == -EBADMSG || r == -EPROTO || r == -EINVAL);
            assert_true(strlen(p->error) > 0);
        }
        patch(p->data, at, &data[at], 1);
    }
    assert_true(found > 50);
    free(data);
    assert_int_equal(open_as(p, "broker"), 0);
    expect_some(p);
}

static void cut_files_are_found(void **state)
{
    struct place *p = *state;
    fill_some(p);
    p->s = tmx_spool_close(p->s);
    size_t size;
    uint8_t *data = slurp(p->data, &size);
    const size_t lengths[] = { 0, 1, 100, PAGE, 2 * PAGE, 3 * PAGE, size / 2, size / PAGE / 2 * PAGE, size - PAGE, size - 1 };
    for (size_t i = 0; i < TMX_N(lengths); i++) {
        assert_int_equal(truncate(p->data, (off_t)lengths[i]), 0);
        assert_int_equal(open_as(p, "broker"), -EBADMSG);
        assert_non_null(strstr(p->error, "damaged"));
        assert_int_equal(size_of(p->data), lengths[i]);   /* looked at, not touched */
        patch(p->data, 0, data, size);
    }
    assert_int_equal(open_as(p, "broker"), 0);
    p->s = tmx_spool_close(p->s);
    for (size_t i = 0; i < size; i++) {
        data[i] = (uint8_t)(i * 7);
    }
    patch(p->data, 0, data, size);
    assert_int_equal(open_as(p, "broker"), -EBADMSG);
    free(data);
}

/* Damage in a spared table does not keep the spool closed; in any other one it does. */
static void spared_damage_opens(void **state)
{
    struct place *p = *state;
    uint8_t run[16];
    assert_int_equal(write_row(p->s, 3, 0x41, 3000), 0);
    assert_int_equal(write_row(p->s, 3, 0x42, 9000), 0);
    assert_int_equal(write_row(p->s, 3, 0x43, 20), 0);
    assert_int_equal(write_row(p->s, 4, 0x44, 20), 0);
    p->s = tmx_spool_close(p->s);
    for (uint8_t fill = 0x41; fill <= 0x42; fill++) {
        memset(run, fill, sizeof(run));
        assert_true(replace_all(p->data, TMX_BYTES_OF(run), TMX_LIT("!")) > 0);
    }
    assert_int_equal(open_as(p, "broker"), -EBADMSG);
    assert_int_equal(tmx_spool_lmdb_open_but(p->spool, CAPACITY, "broker", 1u << 2 | 1u << 4, &p->s, p->error, sizeof(p->error)), -EBADMSG);
    assert_int_equal(tmx_spool_lmdb_open_but(p->spool, CAPACITY, "broker", 1u << 3, &p->s, p->error, sizeof(p->error)), 0);
    assert_int_equal(read_row(p->s, 3, 0x41, 3000), -EBADMSG);
    assert_int_equal(read_row(p->s, 3, 0x42, 9000), -EBADMSG);
    assert_int_equal(read_row(p->s, 3, 0x43, 20), 0);
    p->s = tmx_spool_close(p->s);
    memset(run, 0x44, sizeof(run));
    assert_true(replace_all(p->data, TMX_BYTES_OF(run), TMX_LIT("!")) > 0);
    assert_int_equal(tmx_spool_lmdb_open_but(p->spool, CAPACITY, "broker", 1u << 3, &p->s, p->error, sizeof(p->error)), -EBADMSG);
}

/* --- generations and the marker -------------------------------------------------------------------------------- */

static void marks_grow(void **state)
{
    struct place *p = *state;
    struct tmx_spool_mark a, b;
    tmx_spool_lmdb_mark(p->s, &a);
    assert_int_equal(a.generation, 7);
    assert_int_equal(write_row(p->s, 0, 1, 1), 0);
    tmx_spool_lmdb_mark(p->s, &b);
    assert_int_equal(b.generation, 7);
    assert_true(b.turn > a.turn);
    assert_int_equal(tmx_spool_lmdb_set_generation(p->s, 8), 0);
    reopen(p);
    tmx_spool_lmdb_mark(p->s, &a);
    assert_int_equal(a.generation, 8);
    assert_true(a.turn > b.turn);
    assert_int_equal(read_row(p->s, 0, 1, 1), 0);
}

static void a_spool_behind_its_marker_is_old(void **state)
{
    struct place *p = *state;
    static const struct {
        struct tmx_spool_mark spool;
        int r;
    } cases[] = {
        { { 5, 100 }, TMX_MARKER_OK },     { { 5, 101 }, TMX_MARKER_OK }, { { 6, 1 }, TMX_MARKER_OK },
        { { 5, 99 }, TMX_MARKER_E_OLD },   { { 4, 100 }, TMX_MARKER_E_OLD }, { { 4, 1000 }, TMX_MARKER_E_OLD },
    };
    assert_int_equal(tmx_spool_marker_check(p->marker, cases[0].spool), TMX_MARKER_E_NONE);
    assert_int_equal(tmx_spool_marker_write(p->marker, cases[0].spool), 0);
    for (size_t i = 0; i < TMX_N(cases); i++) {
        assert_int_equal(tmx_spool_marker_check(p->marker, cases[i].spool), cases[i].r);
    }
    const struct tmx_spool_mark largest = { UINT64_MAX, UINT64_MAX };
    assert_int_equal(tmx_spool_marker_write(p->marker, largest), 0);
    assert_int_equal(tmx_spool_marker_check(p->marker, largest), TMX_MARKER_OK);
    assert_int_equal(tmx_spool_marker_check(p->marker, cases[0].spool), TMX_MARKER_E_OLD);
    assert_int_equal(tmx_spool_marker_write("/nowhere/at/all", largest), -ENOENT);
}

static void a_damaged_marker_is_no_marker(void **state)
{
    struct place *p = *state;
    const struct tmx_spool_mark mark = { 3, 12345 };
    size_t size;
    assert_int_equal(tmx_spool_marker_write(p->marker, mark), 0);
    uint8_t *text = slurp(p->marker, &size);
    for (size_t i = 0; i < size; i++) {
        uint8_t flipped = text[i] ^ 1;
        patch(p->marker, i, &flipped, 1);
        assert_int_equal(tmx_spool_marker_check(p->marker, mark), -EBADMSG);
        patch(p->marker, i, &text[i], 1);
    }
    patch(p->marker, size, " ", 1);
    assert_int_equal(tmx_spool_marker_check(p->marker, mark), -EBADMSG);
    for (size_t i = 0; i < size; i++) {
        assert_int_equal(truncate(p->marker, (off_t)i), 0);
        assert_int_equal(tmx_spool_marker_check(p->marker, mark), -EBADMSG);
        patch(p->marker, 0, text, size);
    }
    free(text);
}

/* What was reserved beyond the file is given back; the rows are there. */
static void a_spool_is_put_aside(void **state)
{
    struct place *p = *state;
    struct stat before, after;
    char aside[96], file[112];
    (void)snprintf(aside, sizeof(aside), "%s/aside", p->folder);
    (void)snprintf(file, sizeof(file), "%s/data.mdb", aside);
    p->s = tmx_spool_close(p->s);
    assert_int_equal(stat(p->data, &before), 0);
    assert_int_equal(mkdir(aside, 0700), 0);
    assert_int_equal(tmx_spool_lmdb_put_aside(p->spool, aside), -EEXIST);   /* nothing is replaced */
    assert_int_equal(tmx_spool_lmdb_move(p->spool, aside), -EEXIST);
    assert_int_equal(rmdir(aside), 0);
    assert_int_equal(tmx_spool_lmdb_put_aside(p->spool, aside), 0);
    assert_int_equal(access(p->spool, F_OK), -1);
    assert_int_equal(stat(file, &after), 0);
    assert_int_equal(after.st_size, before.st_size);
    assert_true(after.st_blocks <= before.st_blocks);
    assert_true((uint64_t)after.st_blocks * 512 < CAPACITY);
    assert_int_equal(tmx_spool_lmdb_move(aside, p->spool), 0);
    assert_int_equal(open_as(p, "broker"), 0);
}

/* Of a spool that was begun and cut off nothing stays; a file that is none of a spool does. */
static void what_was_begun_is_discarded(void **state)
{
    struct place *p = *state;
    char other[96];
    (void)snprintf(other, sizeof(other), "%s/other", p->spool);
    p->s = tmx_spool_close(p->s);
    assert_int_equal(close(open(other, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)), 0);
    assert_int_equal(tmx_spool_lmdb_discard(p->spool), -ENOTEMPTY);
    assert_int_equal(unlink(other), 0);
    assert_int_equal(tmx_spool_lmdb_discard(p->spool), 0);
    assert_int_equal(access(p->spool, F_OK), -1);
    assert_int_equal(tmx_spool_lmdb_discard(p->spool), 0);   /* nothing there */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(create_never_touches_what_is_there), TEST(create_starts_over), TEST(open_never_creates),
        TEST(rows_survive), TEST(one_process_owns_it), TEST(an_owner_that_goes_is_waited_for),
        TEST(a_newer_version_is_refused),
        TEST(another_role_is_refused), TEST(a_killed_owner_leaves_its_commits),
        TEST(a_full_spool_keeps_what_was_committed), TEST(damaged_rows_are_found), TEST(spared_damage_opens),
        TEST(pieces_in_the_wrong_place_are_found), TEST(no_flipped_bit_passes), TEST(cut_files_are_found),
        TEST(marks_grow), TEST(a_spool_behind_its_marker_is_old), TEST(a_damaged_marker_is_no_marker),
        TEST(a_spool_is_put_aside), TEST(what_was_begun_is_discarded),
    };
    return cmocka_run_group_tests_name("spool-lmdb", tests, NULL, NULL);
}
