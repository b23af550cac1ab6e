/* SPDX-License-Identifier: Apache-2.0
 * The conformance suite of the spool interface: every test runs against every implementation.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <tmx/spool_lmdb.h>

/* An implementation under test. */
struct fixture {
    struct tmx_spool *spool;
    void (*crash)(struct fixture *f);   /* loses what is not committed, and goes on */
    unsigned rounds;                    /* of the random test */
    char folder[64];                    /* LMDB */
    char path[80];
};

/* --- one line per operation ------------------------------------------------------------------------------ */

static struct tmx_op op_of(enum tmx_op_kind kind, uint8_t table, const char *key, const char *value)
{
    return (struct tmx_op){ kind, table, TMX_BYTES(key, strlen(key)),
                            TMX_BYTES(value, value != NULL ? strlen(value) : 0) };
}

static void apply(struct tmx_spool *s, enum tmx_op_kind kind, uint8_t table, const char *key, const char *value)
{
    struct tmx_op op = op_of(kind, table, key, value);
    assert_int_equal(tmx_spool_apply(s, &op, 1), 0);
}

/* One operation in a turn of its own. */
static void turn(struct tmx_spool *s, enum tmx_op_kind kind, uint8_t table, const char *key, const char *value)
{
    assert_int_equal(tmx_spool_begin(s), 0);
    apply(s, kind, table, key, value);
    assert_int_equal(tmx_spool_commit(s), 0);
}

static void expect(struct tmx_spool *s, uint8_t table, const char *key, const char *value)
{
    struct tmx_bytes found;
    int r = tmx_spool_get(s, table, TMX_BYTES(key, strlen(key)), &found);
    if (value == NULL) {
        assert_int_equal(r, TMX_SPOOL_E_NONE);
        return;
    }
    assert_int_equal(r, 0);
    assert_int_equal(found.size, strlen(value));
    assert_memory_equal(found.data, value, found.size);
}

/* `key` NULL: nothing at or after `from`. */
static void expect_seek(struct tmx_spool *s, uint8_t table, const char *from, const char *key, const char *value)
{
    struct tmx_bytes found_key, found_value;
    int r = tmx_spool_seek(s, table, TMX_BYTES(from, strlen(from)), &found_key, &found_value);
    if (key == NULL) {
        assert_int_equal(r, TMX_SPOOL_E_NONE);
        return;
    }
    assert_int_equal(r, 0);
    assert_int_equal(found_key.size, strlen(key));
    assert_memory_equal(found_key.data, key, found_key.size);
    assert_int_equal(found_value.size, strlen(value));
    assert_memory_equal(found_value.data, value, found_value.size);
}

static uint64_t rows(struct tmx_spool *s, uint8_t table)
{
    struct tmx_spool_stat stat;
    assert_int_equal(tmx_spool_stat(s, &stat), 0);
    return stat.rows[table];
}

/* --- operations and turns -------------------------------------------------------------------------------- */

static void every_operation(void **state)
{
    struct fixture *f = *state;
    struct tmx_spool *s = f->spool;
    turn(s, TMX_OP_INSERT, 1, "a", "one");
    expect(s, 1, "a", "one");
    turn(s, TMX_OP_UPDATE, 1, "a", "two, longer");
    expect(s, 1, "a", "two, longer");
    turn(s, TMX_OP_PUT, 1, "a", "3");
    expect(s, 1, "a", "3");
    turn(s, TMX_OP_PUT, 1, "b", "");
    expect(s, 1, "b", "");
    expect(s, 2, "a", NULL);
    assert_int_equal(rows(s, 1), 2);
    turn(s, TMX_OP_DELETE, 1, "a", NULL);
    expect(s, 1, "a", NULL);
    turn(s, TMX_OP_INSERT, 1, "a", "again");
    expect(s, 1, "a", "again");
    assert_int_equal(rows(s, 1), 2);
    assert_int_equal(rows(s, 0), 0);
}

static void a_turn_sees_itself(void **state)
{
    struct fixture *f = *state;
    struct tmx_spool *s = f->spool;
    turn(s, TMX_OP_INSERT, 0, "k2", "old");
    assert_int_equal(tmx_spool_begin(s), 0);
    apply(s, TMX_OP_UPDATE, 0, "k2", "new");
    apply(s, TMX_OP_INSERT, 0, "k1", "x");
    apply(s, TMX_OP_INSERT, 0, "k3", "y");
    expect(s, 0, "k2", "new");
    assert_int_equal(rows(s, 0), 3);
    expect_seek(s, 0, "k", "k1", "x");
    apply(s, TMX_OP_DELETE, 0, "k1", NULL);
    expect_seek(s, 0, "k", "k2", "new");
    apply(s, TMX_OP_INSERT, 0, "k1", "z");
    expect_seek(s, 0, "k", "k1", "z");
    assert_int_equal(tmx_spool_commit(s), 0);
    expect(s, 0, "k1", "z");
    expect(s, 0, "k2", "new");
    expect(s, 0, "k3", "y");
}

/* A batch of operations is applied in its order. */
static void a_batch_is_ordered(void **state)
{
    struct fixture *f = *state;
    struct tmx_spool *s = f->spool;
    const struct tmx_op ops[] = {
        op_of(TMX_OP_INSERT, 3, "k", "1"), op_of(TMX_OP_DELETE, 3, "k", NULL), op_of(TMX_OP_INSERT, 3, "k", "2"),
        op_of(TMX_OP_UPDATE, 3, "k", "3"), op_of(TMX_OP_PUT, 4, "k", "4"),
    };
    assert_int_equal(tmx_spool_begin(s), 0);
    assert_int_equal(tmx_spool_apply(s, ops, TMX_N(ops)), 0);
    assert_int_equal(tmx_spool_apply(s, NULL, 0), 0);
    assert_int_equal(tmx_spool_commit(s), 0);
    expect(s, 3, "k", "3");
    expect(s, 4, "k", "4");
    assert_int_equal(tmx_spool_begin(s), 0);   /* an empty turn */
    assert_int_equal(tmx_spool_commit(s), 0);
}

/* Rule 1 of the design: nothing of an uncommitted turn survives, everything of a committed one does. */
static void a_crash_drops_the_open_turn(void **state)
{
    struct fixture *f = *state;
    turn(f->spool, TMX_OP_INSERT, 0, "a", "1");
    turn(f->spool, TMX_OP_INSERT, 0, "b", "2");
    turn(f->spool, TMX_OP_INSERT, 0, "c", "3");
    assert_int_equal(tmx_spool_begin(f->spool), 0);
    apply(f->spool, TMX_OP_UPDATE, 0, "a", "x");
    apply(f->spool, TMX_OP_DELETE, 0, "a", NULL);
    apply(f->spool, TMX_OP_INSERT, 0, "a", "y");
    apply(f->spool, TMX_OP_PUT, 0, "b", "z");
    apply(f->spool, TMX_OP_DELETE, 0, "b", NULL);
    apply(f->spool, TMX_OP_DELETE, 0, "c", NULL);
    apply(f->spool, TMX_OP_INSERT, 1, "new", "w");
    apply(f->spool, TMX_OP_UPDATE, 1, "new", "v");
    f->crash(f);
    expect(f->spool, 0, "a", "1");
    expect(f->spool, 0, "b", "2");
    expect(f->spool, 0, "c", "3");
    expect(f->spool, 1, "new", NULL);
    assert_int_equal(rows(f->spool, 0), 3);
    assert_int_equal(rows(f->spool, 1), 0);
    turn(f->spool, TMX_OP_INSERT, 1, "new", "now");
    f->crash(f);
    expect(f->spool, 1, "new", "now");
}

static void commits_are_counted(void **state)
{
    struct fixture *f = *state;
    struct tmx_spool_stat before, after;
    assert_int_equal(tmx_spool_stat(f->spool, &before), 0);
    turn(f->spool, TMX_OP_INSERT, 0, "a", "1");
    turn(f->spool, TMX_OP_INSERT, 0, "b", "1");
    assert_int_equal(tmx_spool_stat(f->spool, &after), 0);
    assert_int_equal(after.commits, before.commits + 2);
    assert_true(after.used_bytes > 0);
    assert_true(after.used_bytes <= after.capacity_bytes);
}

/* --- order ------------------------------------------------------------------------------------------------ */

static void keys_are_in_memcmp_order(void **state)
{
    struct fixture *f = *state;
    static const char *const keys[] = { "a", "aa", "ab", "ab\x01", "b", "ba", "\x7f", "\x80", "\xff", "\xff\xff" };
    for (size_t i = TMX_N(keys); i-- > 0;) {
        turn(f->spool, TMX_OP_INSERT, 5, keys[i], keys[i]);
    }
    expect_seek(f->spool, 5, "\x01", keys[0], keys[0]);
    for (size_t i = 0; i < TMX_N(keys); i++) {
        expect_seek(f->spool, 5, keys[i], keys[i], keys[i]);
        char after[8];
        assert_true(snprintf(after, sizeof(after), "%s\x01", keys[i]) > 0);
        const char *next = i + 1 < TMX_N(keys) ? keys[i + 1] : NULL;
        expect_seek(f->spool, 5, after, next, next);
    }
}

static void tables_do_not_touch(void **state)
{
    struct fixture *f = *state;
    const uint8_t last = TMX_TABLES_MAX - 1;
    turn(f->spool, TMX_OP_INSERT, 0, "k", "first");
    turn(f->spool, TMX_OP_INSERT, 2, "k", "two");
    turn(f->spool, TMX_OP_INSERT, last, "k", "last");
    expect_seek(f->spool, 0, "a", "k", "first");
    expect_seek(f->spool, 0, "l", NULL, NULL);
    expect_seek(f->spool, 1, "\x01", NULL, NULL);
    expect_seek(f->spool, 2, "\xff", NULL, NULL);
    expect_seek(f->spool, last, "k", "k", "last");
    expect_seek(f->spool, last, "ka", NULL, NULL);
}

static void keys_of_every_size(void **state)
{
    struct fixture *f = *state;
    uint8_t key[TMX_KEY_MAX];
    memset(key, 0, sizeof(key));
    struct tmx_bytes found_key, found;
    assert_int_equal(tmx_spool_begin(f->spool), 0);
    for (size_t size = 1; size <= sizeof(key); size++) {   /* each a prefix of the next, all zero */
        struct tmx_op op = { TMX_OP_INSERT, 7, TMX_BYTES(key, size), TMX_BYTES(key, size) };
        assert_int_equal(tmx_spool_apply(f->spool, &op, 1), 0);
    }
    assert_int_equal(tmx_spool_commit(f->spool), 0);
    for (size_t size = 1; size <= sizeof(key); size++) {
        assert_int_equal(tmx_spool_get(f->spool, 7, TMX_BYTES(key, size), &found), 0);
        assert_int_equal(found.size, size);
        assert_int_equal(tmx_spool_seek(f->spool, 7, TMX_BYTES(key, size), &found_key, &found), 0);
        assert_int_equal(found_key.size, size);
    }
    memset(key, 0xff, sizeof(key));
    assert_int_equal(tmx_spool_seek(f->spool, 7, TMX_BYTES_OF(key), &found_key, &found), TMX_SPOOL_E_NONE);
    assert_int_equal(rows(f->spool, 7), TMX_KEY_MAX);
}

/* --- large values ----------------------------------------------------------------------------------------- */

static const size_t value_sizes[] = {
    0, 1, 2000, 2048, 4061, 4071, 4072, 4073, 4079, 4080, 4081, 8142, 8144, 8145, 8160, 8161, 1u << 20, 20u << 20,
};

static uint8_t *pattern(size_t size, uint8_t seed)
{
    uint8_t *data = malloc(size + 1);
    assert_non_null(data);
    for (size_t i = 0; i < size; i++) {
        data[i] = (uint8_t)(i * 31 + (i >> 12) + seed);
    }
    return data;
}

static void expect_pattern(struct tmx_spool *s, uint8_t key, size_t size, uint8_t seed)
{
    uint8_t *data = pattern(size, seed);
    struct tmx_bytes found, found_key;
    assert_int_equal(tmx_spool_get(s, 9, TMX_BYTES(&key, 1), &found), 0);
    assert_int_equal(found.size, size);
    assert_memory_equal(found.data, data, size);
    assert_int_equal(tmx_spool_seek(s, 9, TMX_BYTES(&key, 1), &found_key, &found), 0);
    assert_int_equal(found_key.size, 1);
    assert_int_equal(found_key.data[0], key);
    assert_int_equal(found.size, size);
    assert_memory_equal(found.data, data, size);
    free(data);
}

static void put_pattern(struct tmx_spool *s, enum tmx_op_kind kind, uint8_t key, size_t size, uint8_t seed)
{
    uint8_t *data = pattern(size, seed);
    struct tmx_op op = { kind, 9, TMX_BYTES(&key, 1), TMX_BYTES(data, size) };
    assert_int_equal(tmx_spool_apply(s, &op, 1), 0);
    memset(data, 0xee, size);   /* what the spool holds is its own */
    free(data);
}

static void values_of_every_size(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < TMX_N(value_sizes); i++) {
        uint8_t key = (uint8_t)(i + 1);
        assert_int_equal(tmx_spool_begin(f->spool), 0);
        put_pattern(f->spool, TMX_OP_INSERT, key, value_sizes[i], 1);
        expect_pattern(f->spool, key, value_sizes[i], 1);   /* inside the turn */
        assert_int_equal(tmx_spool_commit(f->spool), 0);
    }
    f->crash(f);
    for (size_t i = 0; i < TMX_N(value_sizes); i++) {
        expect_pattern(f->spool, (uint8_t)(i + 1), value_sizes[i], 1);
    }
    assert_int_equal(rows(f->spool, 9), TMX_N(value_sizes));
}

/* Each size becomes each other size; nothing of the longer value stays. */
static void values_change_size(void **state)
{
    struct fixture *f = *state;
    const size_t n = TMX_N(value_sizes) - 1;   /* not the largest */
    struct tmx_spool_stat empty, full;
    assert_int_equal(tmx_spool_begin(f->spool), 0);
    put_pattern(f->spool, TMX_OP_INSERT, 1, 0, 0);
    assert_int_equal(tmx_spool_commit(f->spool), 0);
    assert_int_equal(tmx_spool_stat(f->spool, &empty), 0);
    for (size_t from = 0; from < n; from++) {
        for (size_t to = 0; to < n; to++) {
            assert_int_equal(tmx_spool_begin(f->spool), 0);
            put_pattern(f->spool, TMX_OP_PUT, 1, value_sizes[from], 1);
            put_pattern(f->spool, TMX_OP_UPDATE, 1, value_sizes[to], 2);
            assert_int_equal(tmx_spool_commit(f->spool), 0);
            expect_pattern(f->spool, 1, value_sizes[to], 2);
        }
    }
    turn(f->spool, TMX_OP_DELETE, 9, "\x01", NULL);
    assert_int_equal(tmx_spool_begin(f->spool), 0);
    put_pattern(f->spool, TMX_OP_INSERT, 1, 8145, 3);
    assert_int_equal(tmx_spool_commit(f->spool), 0);
    expect_pattern(f->spool, 1, 8145, 3);
    turn(f->spool, TMX_OP_DELETE, 9, "\x01", NULL);
    expect(f->spool, 9, "\x01", NULL);
    assert_int_equal(tmx_spool_stat(f->spool, &full), 0);
    assert_int_equal(full.rows[9], 0);
    assert_true(full.used_bytes < empty.used_bytes + (1u << 20));   /* the pieces are gone too */
}

/* A value in pieces is one row for seek, beside neighbours whose keys extend its key. */
static void seek_passes_large_values(void **state)
{
    struct fixture *f = *state;
    struct tmx_bytes found_key, found;
    assert_int_equal(tmx_spool_begin(f->spool), 0);
    put_pattern(f->spool, TMX_OP_INSERT, 1, 100000, 1);
    put_pattern(f->spool, TMX_OP_INSERT, 2, 200000, 2);
    apply(f->spool, TMX_OP_INSERT, 9, "\x01\x01", "neighbour");
    apply(f->spool, TMX_OP_INSERT, 10, "\x01", "next table");
    assert_int_equal(tmx_spool_commit(f->spool), 0);
    expect_seek(f->spool, 9, "\x01\x01", "\x01\x01", "neighbour");
    assert_int_equal(tmx_spool_seek(f->spool, 9, TMX_LIT("\x01\x02"), &found_key, &found), 0);
    assert_int_equal(found_key.data[0], 2);
    assert_int_equal(found.size, 200000);
    assert_int_equal(tmx_spool_seek(f->spool, 9, TMX_LIT("\x03"), &found_key, &found), TMX_SPOOL_E_NONE);
    turn(f->spool, TMX_OP_DELETE, 9, "\x01", NULL);
    expect_seek(f->spool, 9, "\x01", "\x01\x01", "neighbour");
    expect_pattern(f->spool, 2, 200000, 2);
}

/* --- preconditions: breaking one ends the process ---------------------------------------------------------- */

static bool aborts(struct fixture *f, void (*act)(struct tmx_spool *s))
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (freopen("/dev/null", "w", stderr) == NULL) {
            _exit(2);
        }
        act(f->spool);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void in_turn(struct tmx_spool *s, enum tmx_op_kind kind, uint8_t table, struct tmx_bytes key,
                    struct tmx_bytes value)
{
    struct tmx_op op = { kind, table, key, value };
    (void)!tmx_spool_begin(s);
    (void)!tmx_spool_apply(s, &op, 1);
}

static const uint8_t too_long[TMX_KEY_MAX + 1];

static void insert_existing(struct tmx_spool *s) { in_turn(s, TMX_OP_INSERT, 0, TMX_LIT("k"), TMX_LIT("v")); }
static void update_missing(struct tmx_spool *s) { in_turn(s, TMX_OP_UPDATE, 0, TMX_LIT("x"), TMX_LIT("v")); }
static void delete_missing(struct tmx_spool *s) { in_turn(s, TMX_OP_DELETE, 0, TMX_LIT("x"), TMX_BYTES_NULL); }
static void delete_with_value(struct tmx_spool *s) { in_turn(s, TMX_OP_DELETE, 0, TMX_LIT("k"), TMX_LIT("v")); }
static void put_empty_key(struct tmx_spool *s) { in_turn(s, TMX_OP_PUT, 0, TMX_LIT(""), TMX_LIT("v")); }
static void put_long_key(struct tmx_spool *s) { in_turn(s, TMX_OP_PUT, 0, TMX_BYTES_OF(too_long), TMX_LIT("v")); }
static void put_bad_table(struct tmx_spool *s) { in_turn(s, TMX_OP_PUT, TMX_TABLES_MAX, TMX_LIT("x"), TMX_LIT("v")); }
static void put_bad_kind(struct tmx_spool *s) { in_turn(s, (enum tmx_op_kind)9, 0, TMX_LIT("x"), TMX_LIT("v")); }

static void put_too_large(struct tmx_spool *s)
{
    in_turn(s, TMX_OP_PUT, 0, TMX_LIT("x"), TMX_BYTES(too_long, TMX_CONTAINER_MAX + 1));
}

static void begin_twice(struct tmx_spool *s)
{
    (void)!tmx_spool_begin(s);
    (void)!tmx_spool_begin(s);
}

static void apply_outside(struct tmx_spool *s)
{
    struct tmx_op op = op_of(TMX_OP_PUT, 0, "x", "v");
    (void)!tmx_spool_apply(s, &op, 1);
}

static void commit_outside(struct tmx_spool *s)
{
    (void)!tmx_spool_commit(s);
}

static void get_long_key(struct tmx_spool *s)
{
    struct tmx_bytes v;
    (void)!tmx_spool_get(s, 0, TMX_BYTES_OF(too_long), &v);
}

static void seek_empty_key(struct tmx_spool *s)
{
    struct tmx_bytes k, v;
    (void)!tmx_spool_seek(s, 0, TMX_LIT(""), &k, &v);
}

static void put_existing(struct tmx_spool *s) { in_turn(s, TMX_OP_PUT, 0, TMX_LIT("k"), TMX_LIT("v")); }

static void broken_preconditions_abort(void **state)
{
    struct fixture *f = *state;
    turn(f->spool, TMX_OP_INSERT, 0, "k", "v");
    assert_true(aborts(f, insert_existing));
    assert_true(aborts(f, update_missing));
    assert_true(aborts(f, delete_missing));
    assert_true(aborts(f, delete_with_value));
    assert_true(aborts(f, put_empty_key));
    assert_true(aborts(f, put_long_key));
    assert_true(aborts(f, put_bad_table));
    assert_true(aborts(f, put_bad_kind));
    assert_true(aborts(f, put_too_large));
    assert_true(aborts(f, begin_twice));
    assert_true(aborts(f, apply_outside));
    assert_true(aborts(f, commit_outside));
    assert_true(aborts(f, get_long_key));
    assert_true(aborts(f, seek_empty_key));
    assert_false(aborts(f, put_existing));   /* the checker can tell */
    expect(f->spool, 0, "k", "v");
}

/* --- against a model --------------------------------------------------------------------------------------- */

#define MODEL_KEYS 64u
#define MODEL_TABLES 3u

/* The dumbest store: a value number per (table, key number); 0 is no row. The value is a function of its number. */
struct model {
    uint32_t committed[MODEL_TABLES][MODEL_KEYS];
    uint32_t open[MODEL_TABLES][MODEL_KEYS];
};

static uint64_t draw(uint64_t *rng, uint64_t below)
{
    *rng ^= *rng << 13;
    *rng ^= *rng >> 7;
    *rng ^= *rng << 17;
    return *rng % below;
}

/* Keys of 1 to 3 bytes, in the order of their numbers, many of them prefixes of others. */
static struct tmx_bytes model_key(unsigned number, uint8_t buf[3])
{
    buf[0] = (uint8_t)(number / 16);
    buf[1] = (uint8_t)(number / 4 % 4);
    buf[2] = (uint8_t)(number % 4);
    return TMX_BYTES(buf, buf[2] > 0 ? 3 : buf[1] > 0 ? 2 : 1);
}

static struct tmx_bytes model_value(uint32_t number, uint8_t buf[16384])
{
    size_t size = number % 5 == 0 ? number * 37 % 16384 : number % 300;
    memset(buf, (uint8_t)(number >> 8), size);
    for (size_t i = 0; i + 4 <= size; i += 509) {
        memcpy(buf + i, &number, 4);
    }
    return TMX_BYTES(buf, size);
}

static void model_step(struct fixture *f, struct model *m, uint64_t *rng, uint32_t number)
{
    static uint8_t value[16384];
    uint8_t key[3];
    unsigned table = (unsigned)draw(rng, MODEL_TABLES), k = (unsigned)draw(rng, MODEL_KEYS);
    bool exists = m->open[table][k] != 0, remove = exists && draw(rng, 3) == 0;
    struct tmx_op op = {
        .kind = remove ? TMX_OP_DELETE : draw(rng, 4) == 0 ? TMX_OP_PUT : exists ? TMX_OP_UPDATE : TMX_OP_INSERT,
        .table = (uint8_t)table,
        .key = model_key(k, key),
        .value = remove ? TMX_BYTES_NULL : model_value(number, value),
    };
    m->open[table][k] = remove ? 0 : number;
    assert_int_equal(tmx_spool_apply(f->spool, &op, 1), 0);
}

static void compare_with_model(struct fixture *f, const struct model *m)
{
    static uint8_t value[16384];
    for (unsigned table = 0; table < MODEL_TABLES; table++) {
        unsigned next = MODEL_KEYS;
        for (unsigned k = MODEL_KEYS; k-- > 0;) {
            uint8_t key[3], next_key[3];
            struct tmx_bytes found, found_key;
            int r = tmx_spool_get(f->spool, (uint8_t)table, model_key(k, key), &found);
            assert_int_equal(r, m->open[table][k] != 0 ? 0 : TMX_SPOOL_E_NONE);
            if (r == 0) {
                next = k;
                struct tmx_bytes expected = model_value(m->open[table][k], value);
                assert_int_equal(found.size, expected.size);
                assert_memory_equal(found.data, expected.data, expected.size);
            }
            r = tmx_spool_seek(f->spool, (uint8_t)table, model_key(k, key), &found_key, &found);
            assert_int_equal(r, next < MODEL_KEYS ? 0 : TMX_SPOOL_E_NONE);
            if (r == 0) {
                struct tmx_bytes expected = model_key(next, next_key);
                assert_int_equal(found_key.size, expected.size);
                assert_memory_equal(found_key.data, expected.data, expected.size);
            }
        }
    }
}

static void random_turns_match_a_model(void **state)
{
    struct fixture *f = *state;
    uint64_t rng = 0x9e3779b97f4a7c15u;
    struct model *m = calloc(1, sizeof(*m));
    assert_non_null(m);
    uint32_t number = 1;
    for (unsigned round = 0; round < f->rounds; round++) {
        assert_int_equal(tmx_spool_begin(f->spool), 0);
        for (uint64_t n = draw(&rng, 40); n > 0; n--) {
            model_step(f, m, &rng, number++);
        }
        if (draw(&rng, 8) == 0) {
            compare_with_model(f, m);
        }
        if (draw(&rng, 10) == 0) {
            f->crash(f);
            memcpy(m->open, m->committed, sizeof(m->open));
        } else {
            assert_int_equal(tmx_spool_commit(f->spool), 0);
            memcpy(m->committed, m->open, sizeof(m->open));
        }
        if (draw(&rng, 4) == 0) {
            compare_with_model(f, m);
        }
    }
    compare_with_model(f, m);
    free(m);
}

/* --- the RAM twin ------------------------------------------------------------------------------------------ */

static void ram_crash(struct fixture *f)
{
    tmx_spool_ram_crash(f->spool);
}

static int ram_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    *state = f;
    f->crash = ram_crash;
    f->rounds = 5000;
    return tmx_spool_ram_new(&f->spool);
}

static int ram_teardown(void **state)
{
    struct fixture *f = *state;
    f->spool = tmx_spool_close(f->spool);
    free(f);
    return 0;
}

static void ram_clone_holds_the_committed_rows(void **state)
{
    struct fixture *f = *state;
    struct tmx_spool *copy;
    turn(f->spool, TMX_OP_INSERT, 0, "a", "1");
    turn(f->spool, TMX_OP_INSERT, 0, "b", "2");
    turn(f->spool, TMX_OP_INSERT, 31, "c", "3");
    assert_int_equal(tmx_spool_begin(f->spool), 0);
    apply(f->spool, TMX_OP_UPDATE, 0, "a", "x");
    apply(f->spool, TMX_OP_DELETE, 0, "a", NULL);
    apply(f->spool, TMX_OP_INSERT, 0, "a", "y");
    apply(f->spool, TMX_OP_DELETE, 0, "b", NULL);
    apply(f->spool, TMX_OP_INSERT, 1, "new", "w");
    assert_int_equal(tmx_spool_ram_clone(f->spool, &copy), 0);
    assert_int_equal(tmx_spool_commit(f->spool), 0);
    expect(copy, 0, "a", "1");
    expect(copy, 0, "b", "2");
    expect(copy, 31, "c", "3");
    expect(copy, 1, "new", NULL);
    assert_int_equal(rows(copy, 0), 2);
    assert_int_equal(rows(copy, 1), 0);
    turn(copy, TMX_OP_DELETE, 31, "c", NULL);
    expect(f->spool, 31, "c", "3");
    expect(f->spool, 0, "a", "y");
    copy = tmx_spool_close(copy);
    assert_null(tmx_spool_close(NULL));
}

/* --- LMDB --------------------------------------------------------------------------------------------------- */

#define CAPACITY (128u << 20)

static int lmdb_open(struct fixture *f)
{
    char error[256];
    int r = tmx_spool_lmdb_open(f->path, CAPACITY, "broker", &f->spool, error, sizeof(error));
    if (r < 0) {
        print_error("%s\n", error);
    }
    return r;
}

static void lmdb_crash(struct fixture *f)
{
    f->spool = tmx_spool_close(f->spool);
    assert_int_equal(lmdb_open(f), 0);
}

static int lmdb_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    *state = f;
    f->crash = lmdb_crash;
    f->rounds = 600;
    (void)snprintf(f->folder, sizeof(f->folder), "/tmp/tmx-spool-XXXXXX");
    if (mkdtemp(f->folder) == NULL) {
        return -1;
    }
    (void)snprintf(f->path, sizeof(f->path), "%s/spool", f->folder);
    int r = tmx_spool_lmdb_create(f->path, CAPACITY, 1, "broker");
    return r < 0 ? r : lmdb_open(f);
}

static int lmdb_teardown(void **state)
{
    static const char *const names[] = { "/spool/data.mdb", "/spool/lock.mdb", "/spool/owner.lock" };
    struct fixture *f = *state;
    f->spool = tmx_spool_close(f->spool);
    for (size_t i = 0; i < TMX_N(names); i++) {
        char name[96];
        (void)snprintf(name, sizeof(name), "%s%s", f->folder, names[i]);
        (void)unlink(name);
    }
    int r = rmdir(f->path) < 0 || rmdir(f->folder) < 0 ? -errno : 0;
    free(f);
    return r;
}

#define ON(implementation, test) \
    { #implementation " " #test, test, implementation##_setup, implementation##_teardown, NULL }
#define CONFORMANCE(implementation) \
    ON(implementation, every_operation), ON(implementation, a_turn_sees_itself), \
    ON(implementation, a_batch_is_ordered), ON(implementation, a_crash_drops_the_open_turn), \
    ON(implementation, commits_are_counted), ON(implementation, keys_are_in_memcmp_order), \
    ON(implementation, tables_do_not_touch), ON(implementation, keys_of_every_size), \
    ON(implementation, values_of_every_size), ON(implementation, values_change_size), \
    ON(implementation, seek_passes_large_values), ON(implementation, broken_preconditions_abort), \
    ON(implementation, random_turns_match_a_model)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONFORMANCE(ram),
        ON(ram, ram_clone_holds_the_committed_rows),
        CONFORMANCE(lmdb),
    };
    return cmocka_run_group_tests_name("spool", tests, NULL, NULL);
}
