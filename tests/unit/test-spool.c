/* SPDX-License-Identifier: Apache-2.0
 * The conformance suite of the spool interface: operations and turns, order, preconditions.
 */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "spool_fixture.h"

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

#define CONFORMANCE(implementation) \
    ON(implementation, every_operation), ON(implementation, a_turn_sees_itself), \
    ON(implementation, a_batch_is_ordered), ON(implementation, a_crash_drops_the_open_turn), \
    ON(implementation, commits_are_counted), ON(implementation, keys_are_in_memcmp_order), \
    ON(implementation, tables_do_not_touch), ON(implementation, keys_of_every_size), \
    ON(implementation, broken_preconditions_abort)

int main(void)
{
    const struct CMUnitTest tests[] = { CONFORMANCE(ram), CONFORMANCE(lmdb) };
    return cmocka_run_group_tests_name("spool", tests, NULL, NULL);
}
