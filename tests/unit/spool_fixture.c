/* SPDX-License-Identifier: Apache-2.0
 * The spools that the conformance suite runs against, and its operations in one line each.
 */
#include <stdio.h>
#include <unistd.h>

#include "spool_fixture.h"

struct tmx_op op_of(enum tmx_op_kind kind, uint8_t table, const char *key, const char *value)
{
    return (struct tmx_op){ kind, table, TMX_BYTES(key, strlen(key)),
                            TMX_BYTES(value, value != NULL ? strlen(value) : 0) };
}

void apply(struct tmx_spool *s, enum tmx_op_kind kind, uint8_t table, const char *key, const char *value)
{
    struct tmx_op op = op_of(kind, table, key, value);
    assert_int_equal(tmx_spool_apply(s, &op, 1), 0);
}

void turn(struct tmx_spool *s, enum tmx_op_kind kind, uint8_t table, const char *key, const char *value)
{
    assert_int_equal(tmx_spool_begin(s), 0);
    apply(s, kind, table, key, value);
    assert_int_equal(tmx_spool_commit(s), 0);
}

void expect(struct tmx_spool *s, uint8_t table, const char *key, const char *value)
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

void expect_seek(struct tmx_spool *s, uint8_t table, const char *from, const char *key, const char *value)
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

uint64_t rows(struct tmx_spool *s, uint8_t table)
{
    struct tmx_spool_stat stat;
    assert_int_equal(tmx_spool_stat(s, &stat), 0);
    return stat.rows[table];
}

/* --- the RAM twin ------------------------------------------------------------------------------------------ */

static void ram_crash(struct fixture *f)
{
    tmx_spool_ram_crash(f->spool);
}

int ram_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    *state = f;
    f->crash = ram_crash;
    f->rounds = 5000;
    return tmx_spool_ram_new(&f->spool);
}

int ram_teardown(void **state)
{
    struct fixture *f = *state;
    f->spool = tmx_spool_close(f->spool);
    free(f);
    return 0;
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

int lmdb_setup(void **state)
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

int lmdb_teardown(void **state)
{
    static const char *const names[] = { "/spool/data.mdb", "/spool/lock.mdb", "/spool/owner.lock", "/spool/journal" };
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
