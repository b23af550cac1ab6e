/* SPDX-License-Identifier: Apache-2.0
 * The owner's tree against a store that keeps every node: roots, tiles, proofs, loads at awkward sizes. LOG-1, LOG-5
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include <tmx/tree.h>

#define LEAVES 70000u
#define LEVELS 17u

static const uint64_t sizes[] = { 1, 2, 3, 100, 255, 256, 257, 511, 512, 513, 65535, 65536, 65537, 65793, 70000 };

/* Every perfect subtree of the first LEAVES leaves. */
static struct tmx_hash *nodes[LEVELS];
/* Full tiles as an owner would have stored them, by the callback. */
static uint8_t *tiles[2];
static uint64_t tiles_told[2];
static uint64_t tiles_read;

static void keep_node(void *ctx, unsigned level, uint64_t index, const struct tmx_hash *hash)
{
    nodes[level][index] = *hash;
}

static bool fetch_node(void *ctx, unsigned level, uint64_t index, struct tmx_hash *ret_hash)
{
    assert_true(level < LEVELS && index < LEAVES >> level);
    *ret_hash = nodes[level][index];
    return true;
}

static void keep_tile(void *ctx, unsigned tile_level, uint64_t n, const uint8_t tile[TMX_TILE_SIZE])
{
    assert_true(tile_level < 2);
    assert_int_equal(n, tiles_told[tile_level]);
    memcpy(tiles[tile_level] + n * TMX_TILE_SIZE, tile, TMX_TILE_SIZE);
    tiles_told[tile_level]++;
}

/* ctx: the size of the log that is on disk. */
static bool read_tile(void *ctx, unsigned tile_level, uint64_t n, uint8_t ret_tile[TMX_TILE_SIZE])
{
    const uint64_t size = *(uint64_t *)ctx;

    tiles_read++;
    assert_true(tile_level < 2 && (n + 1) << (8 * (tile_level + 1)) <= size);
    memcpy(ret_tile, tiles[tile_level] + n * TMX_TILE_SIZE, TMX_TILE_SIZE);
    return true;
}

static bool read_no_tile(void *ctx, unsigned tile_level, uint64_t n, uint8_t ret_tile[TMX_TILE_SIZE])
{
    return false;
}

/* Fails after it has filled the buffer with something. */
static bool read_torn_tile(void *ctx, unsigned tile_level, uint64_t n, uint8_t ret_tile[TMX_TILE_SIZE])
{
    memset(ret_tile, 0x5a, TMX_TILE_SIZE);
    return false;
}

static bool read_leaf(void *ctx, uint64_t index, struct tmx_hash *ret_leaf)
{
    assert_true(index < *(uint64_t *)ctx);
    *ret_leaf = nodes[0][index];
    return true;
}

static bool read_no_leaf(void *ctx, uint64_t index, struct tmx_hash *ret_leaf)
{
    return false;
}

static struct tmx_tree *new_tree(tmx_tree_read_tile_fn *read)
{
    struct tmx_tree *t;

    assert_int_equal(tmx_tree_new(read, &t), 0);
    return t;
}

static int setup(void **state)
{
    struct tmx_frontier f = { .size = 0 };
    struct tmx_tree *t = new_tree(read_no_tile);

    for (unsigned level = 0; level < LEVELS; level++) {
        nodes[level] = calloc(LEAVES >> level, sizeof(struct tmx_hash));
    }
    tiles[0] = calloc(LEAVES >> 8, TMX_TILE_SIZE);
    tiles[1] = calloc(1, TMX_TILE_SIZE);
    for (uint32_t i = 0; i < LEAVES; i++) {
        const struct tmx_hash leaf = tmx_merkle_leaf(TMX_BYTES(&i, sizeof i));

        tmx_frontier_append(&f, &leaf, keep_node, NULL);
        tmx_tree_append(t, &leaf, keep_tile, NULL);
    }
    tmx_tree_free(t);
    return sodium_init() < 0;
}

static int teardown(void **state)
{
    for (unsigned level = 0; level < LEVELS; level++) {
        free(nodes[level]);
    }
    free(tiles[0]);
    free(tiles[1]);
    return 0;
}

static void assert_same_proof(const struct tmx_proof *a, const struct tmx_proof *b)
{
    assert_int_equal(a->n, b->n);
    assert_memory_equal(a->hash, b->hash, a->n * sizeof a->hash[0]);
}

static void check_path(struct tmx_tree *t, uint64_t size, uint64_t index)
{
    struct tmx_proof naive;
    struct tmx_proof p;

    assert_true(tmx_merkle_path(index, size, fetch_node, NULL, &naive));
    assert_true(tmx_tree_path(t, &size, index, &p));
    assert_same_proof(&p, &naive);
}

static void check_from(struct tmx_tree *t, uint64_t size, uint64_t first)
{
    struct tmx_proof naive;
    struct tmx_proof p;
    struct tmx_hash want;
    struct tmx_hash got;

    assert_true(tmx_merkle_consistency(first, size, fetch_node, NULL, &naive));
    assert_true(tmx_tree_consistency(t, &size, first, &p));
    assert_same_proof(&p, &naive);
    assert_true(tmx_merkle_root(first, fetch_node, NULL, &want));
    assert_true(tmx_tree_root_at(t, &size, first, &got));
    assert_true(tmx_hash_eq(&got, &want));
}

/* The tree at `size`: its root, and proofs for a spread of leaves and earlier sizes. */
static void check_tree(struct tmx_tree *t, uint64_t size)
{
    const struct tmx_hash got = tmx_tree_root(t);
    struct tmx_hash want;

    assert_int_equal(tmx_tree_size(t), size);
    assert_true(tmx_merkle_root(size, fetch_node, NULL, &want));
    assert_true(tmx_hash_eq(&got, &want));
    for (unsigned level = 0; level < TMX_TREE_TILE_LEVELS; level++) {
        const struct tmx_bytes edge = tmx_tree_edge(t, level);
        const uint64_t count = size >> (8 * level);

        assert_int_equal(edge.size, count % 256 * TMX_HASH_SIZE);
        if (edge.size > 0) {
            assert_memory_equal(edge.data, &nodes[8 * level][count / 256 * 256], edge.size);
        }
    }
    for (uint64_t i = 0; i < size; i += size < 1000 ? 1 : 613) {
        check_path(t, size, i);
        check_from(t, size, i);
    }
    for (uint64_t back = 0; back < 300 && back < size; back++) {
        check_path(t, size, size - 1 - back);
        check_from(t, size, size - back);
    }
}

static void test_full_tiles(void **state)
{
    assert_int_equal(tiles_told[0], LEAVES / 256);
    assert_int_equal(tiles_told[1], LEAVES / 65536);
    for (uint64_t n = 0; n < tiles_told[0]; n++) {
        assert_memory_equal(tiles[0] + n * TMX_TILE_SIZE, nodes[0] + n * 256, TMX_TILE_SIZE);
    }
    assert_memory_equal(tiles[1], nodes[8], TMX_TILE_SIZE);
}

/* Grown leaf by leaf; old proofs read tiles back. */
static void test_grow(void **state)
{
    struct tmx_tree *t = new_tree(read_tile);
    uint64_t size = 0;

    for (size_t s = 0; s < TMX_N(sizes); s++) {
        while (size < sizes[s]) {
            tmx_tree_append(t, &nodes[0][size++], NULL, NULL);
        }
        check_tree(t, size);
    }
    tmx_tree_free(t);
}

/* Loaded at each size, then grown on. */
static void test_load(void **state)
{
    struct tmx_tree *t = new_tree(read_tile);

    for (size_t s = 0; s < TMX_N(sizes); s++) {
        uint64_t size = sizes[s];

        assert_true(tmx_tree_load(t, size, read_leaf, &size));
        check_tree(t, size);
        for (unsigned more = 0; more < 600 && size < LEAVES; more++) {
            tmx_tree_append(t, &nodes[0][size++], NULL, NULL);
        }
        check_tree(t, size);
    }
    tmx_tree_free(t);
}

static void test_load_empty_and_missing(void **state)
{
    struct tmx_tree *t = new_tree(read_no_tile);
    const struct tmx_hash empty = tmx_merkle_empty();
    struct tmx_hash root;
    uint64_t size = 100;

    assert_true(tmx_tree_load(t, 0, read_no_leaf, NULL));
    root = tmx_tree_root(t);
    assert_true(tmx_hash_eq(&root, &empty));
    assert_false(tmx_tree_load(t, 100, read_no_leaf, &size));
    assert_int_equal(tmx_tree_size(t), 0);
    size = 300;
    assert_false(tmx_tree_load(t, 300, read_leaf, &size));
    assert_int_equal(tmx_tree_size(t), 0);
    size = 255;
    assert_true(tmx_tree_load(t, 255, read_leaf, &size));
    check_tree(t, 255);
    tmx_tree_free(t);
}

/* A tile that cannot be read fails the proof that needs it, and no other. */
static void test_tile_missing(void **state)
{
    struct tmx_tree *t = new_tree(read_torn_tile);
    struct tmx_proof p = { .n = 99 };

    for (uint64_t i = 0; i < 20000; i++) {
        tmx_tree_append(t, &nodes[0][i], NULL, NULL);
    }
    check_path(t, 20000, 20000 - 16 * 256);
    assert_false(tmx_tree_path(t, NULL, 5, &p));
    assert_int_equal(p.n, 99);
    check_path(t, 20000, 19999);
    /* The slot a failed read was to go to holds nothing. */
    for (uint64_t i = 0; i < 20000; i += 256) {
        if (tmx_tree_path(t, NULL, i, &p)) {
            check_path(t, 20000, i);
        }
    }
    tmx_tree_free(t);
}

/* Proofs near the edge read nothing; an old one reads its tile once. */
static void test_cache(void **state)
{
    struct tmx_tree *t = new_tree(read_tile);
    uint64_t size = 0;

    while (size < 20000) {
        tmx_tree_append(t, &nodes[0][size++], NULL, NULL);
    }
    tiles_read = 0;
    for (uint64_t i = size - 2000; i < size; i++) {
        check_path(t, size, i);
    }
    assert_int_equal(tiles_read, 0);
    check_path(t, size, 7);
    check_path(t, size, 8);
    assert_int_equal(tiles_read, 1);
    tmx_tree_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full_tiles),   cmocka_unit_test(test_grow),
        cmocka_unit_test(test_load),         cmocka_unit_test(test_load_empty_and_missing),
        cmocka_unit_test(test_tile_missing), cmocka_unit_test(test_cache),
    };

    return cmocka_run_group_tests_name("tree", tests, setup, teardown);
}
