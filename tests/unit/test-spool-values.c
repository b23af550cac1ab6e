/* SPDX-License-Identifier: Apache-2.0
 * The conformance suite of the spool interface: values of every size, many turns against a model; copies of the RAM twin.
 */
#include "spool_fixture.h"

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

#define CONFORMANCE(implementation) \
    ON(implementation, values_of_every_size), ON(implementation, values_change_size), \
    ON(implementation, seek_passes_large_values), ON(implementation, random_turns_match_a_model)

/* The twin's disk damages what it is told to: until the row is written or deleted, in copies too, and again after a crash that took
 * the writing back. */
static void the_twin_is_damaged(void **state)
{
    struct fixture *f = *state;
    struct tmx_spool *s = f->spool, *copy;
    struct tmx_bytes k, v;
    turn(s, TMX_OP_INSERT, 1, "a", "value");
    turn(s, TMX_OP_INSERT, 1, "b", "other");
    tmx_spool_ram_damage(s, 1, TMX_LIT("a"));
    assert_int_equal(tmx_spool_get(s, 1, TMX_LIT("a"), &v), -EBADMSG);
    assert_int_equal(tmx_spool_seek(s, 1, TMX_LIT("a"), &k, &v), -EBADMSG);
    assert_true(tmx_bytes_eq(k, TMX_LIT("a")));
    assert_int_equal(tmx_spool_stored(s, 1, TMX_LIT("a"), &v), 0);
    assert_int_equal(v.size, 5);
    assert_memory_not_equal(v.data, "value", 5);
    expect(s, 1, "b", "other");
    assert_int_equal(tmx_spool_ram_clone(s, &copy), 0);
    assert_int_equal(tmx_spool_get(copy, 1, TMX_LIT("a"), &v), -EBADMSG);
    tmx_spool_close(copy);
    assert_int_equal(tmx_spool_begin(s), 0);
    apply(s, TMX_OP_PUT, 1, "a", "new");
    expect(s, 1, "a", "new");
    tmx_spool_ram_crash(s);
    assert_int_equal(tmx_spool_get(s, 1, TMX_LIT("a"), &v), -EBADMSG);
    turn(s, TMX_OP_PUT, 1, "a", "new");
    expect(s, 1, "a", "new");
    assert_int_equal(tmx_spool_stored(s, 1, TMX_LIT("c"), &v), TMX_SPOOL_E_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = { CONFORMANCE(ram), ON(ram, ram_clone_holds_the_committed_rows), ON(ram, the_twin_is_damaged),
                                        CONFORMANCE(lmdb) };
    return cmocka_run_group_tests_name("spool-values", tests, NULL, NULL);
}
