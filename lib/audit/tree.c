/* SPDX-License-Identifier: Apache-2.0
 * The owner's tree. A tile in memory is fat: with its 256 hashes it holds every node above them, so that proofs
 * near the right edge are copies; a full tile read back costs 255 hashes once and stays in a small cache.
 */
#include <stdlib.h>
#include <string.h>

#include <tmx/tree.h>

#define TILE_HEIGHT 8u
#define TILE_MASK (TMX_TILE_WIDTH - 1)

/* Row s holds the nodes s levels above the tile's hashes. Row 8, the tile's root, serves loading only: proofs find
 * it as row 0 of the level above. */
struct fat_tile {
    struct tmx_hash node[2 * TMX_TILE_WIDTH - 1];
};

struct cached_tile {
    bool used;
    unsigned tile_level;
    uint64_t n;
    uint64_t last_use;
    struct fat_tile tile;
};

struct tmx_tree {
    tmx_tree_read_tile_fn *read_tile;
    struct tmx_frontier frontier;
    struct fat_tile edge[TMX_TREE_TILE_LEVELS];
    uint64_t uses;
    struct cached_tile cache[TMX_TREE_CACHE];
};

static size_t row_start(unsigned row)
{
    return 2 * TMX_TILE_WIDTH - (2 * TMX_TILE_WIDTH >> row);
}

/* Computes rows 1.. above the first `width` hashes, as far as they are complete. */
static void fatten(struct fat_tile *tile, unsigned width)
{
    for (unsigned row = 1; row <= TILE_HEIGHT; row++) {
        const struct tmx_hash *below = tile->node + row_start(row - 1);
        struct tmx_hash *out = tile->node + row_start(row);

        for (unsigned i = 0; i < width >> row; i++) {
            out[i] = tmx_merkle_node(&below[2 * i], &below[2 * i + 1]);
        }
    }
}

static uint64_t edge_tile_n(const struct tmx_tree *t, unsigned tile_level)
{
    return t->frontier.size >> (TILE_HEIGHT * (tile_level + 1));
}

static struct cached_tile *cache_find(struct tmx_tree *t, unsigned tile_level, uint64_t n)
{
    for (size_t i = 0; i < TMX_TREE_CACHE; i++) {
        struct cached_tile *c = &t->cache[i];

        if (c->used && c->tile_level == tile_level && c->n == n) {
            c->last_use = ++t->uses;
            return c;
        }
    }
    return NULL;
}

/* The slot used longest ago, free for another tile. */
static struct cached_tile *cache_evict(struct tmx_tree *t)
{
    struct cached_tile *oldest = &t->cache[0];

    for (size_t i = 0; i < TMX_TREE_CACHE; i++) {
        if (!t->cache[i].used) {
            return &t->cache[i];
        }
        if (t->cache[i].last_use < oldest->last_use) {
            oldest = &t->cache[i];
        }
    }
    oldest->used = false;
    return oldest;
}

static void cache_keep(struct tmx_tree *t, struct cached_tile *c, unsigned tile_level, uint64_t n)
{
    c->used = true;
    c->tile_level = tile_level;
    c->n = n;
    c->last_use = ++t->uses;
}

/* A fat full tile left of the edge; NULL when it cannot be read. */
static const struct fat_tile *full_tile(struct tmx_tree *t, void *ctx, unsigned tile_level, uint64_t n)
{
    struct cached_tile *c = cache_find(t, tile_level, n);

    if (c != NULL) {
        return &c->tile;
    }
    c = cache_evict(t);
    if (!t->read_tile(ctx, tile_level, n, (uint8_t *)c->tile.node)) {
        return NULL;
    }
    fatten(&c->tile, TMX_TILE_WIDTH);
    cache_keep(t, c, tile_level, n);
    return &c->tile;
}

int tmx_tree_new(tmx_tree_read_tile_fn *read_tile, struct tmx_tree **ret_tree)
{
    struct tmx_tree *t = calloc(1, sizeof *t);

    if (t == NULL) {
        return -ENOMEM;
    }
    t->read_tile = read_tile;
    *ret_tree = t;
    return 0;
}

struct tmx_tree *tmx_tree_free(struct tmx_tree *t)
{
    free(t);
    return NULL;
}

static void forget(struct tmx_tree *t)
{
    t->frontier = (struct tmx_frontier){ .size = 0 };
    for (size_t i = 0; i < TMX_TREE_CACHE; i++) {
        t->cache[i].used = false;
    }
}

/* Row 0 of one edge tile: leaf hashes, or roots of the full tiles one level below. */
static bool load_edge(struct tmx_tree *t, unsigned tile_level, uint64_t size, tmx_tree_read_leaf_fn *read_leaf,
                      void *ctx)
{
    const uint64_t count = size >> (TILE_HEIGHT * tile_level);
    const unsigned width = (unsigned)(count & TILE_MASK);
    struct fat_tile *edge = &t->edge[tile_level];

    for (unsigned i = 0; i < width; i++) {
        const uint64_t index = count - width + i;

        if (tile_level == 0) {
            if (!read_leaf(ctx, index, &edge->node[i])) {
                return false;
            }
        } else {
            const struct fat_tile *below = full_tile(t, ctx, tile_level - 1, index);

            if (below == NULL) {
                return false;
            }
            edge->node[i] = below->node[row_start(TILE_HEIGHT)];
        }
    }
    fatten(edge, width);
    return true;
}

bool tmx_tree_load(struct tmx_tree *t, uint64_t size, tmx_tree_read_leaf_fn *read_leaf, void *ctx)
{
    assert(size >> TMX_TREE_DEPTH_MAX == 0);
    forget(t);
    for (unsigned tile_level = 0; tile_level < TMX_TREE_TILE_LEVELS; tile_level++) {
        if (!load_edge(t, tile_level, size, read_leaf, ctx)) {
            forget(t);
            return false;
        }
    }
    t->frontier.size = size;
    for (unsigned level = 0; level < TMX_TREE_DEPTH_MAX; level++) {
        if ((size >> level & 1) == 1) {
            const unsigned row = level % TILE_HEIGHT;
            const uint64_t in_row = ((size >> level) - 1) & (TILE_MASK >> row);

            t->frontier.level[level] = t->edge[level / TILE_HEIGHT].node[row_start(row) + in_row];
        }
    }
    return true;
}

uint64_t tmx_tree_size(const struct tmx_tree *t)
{
    return t->frontier.size;
}

struct append {
    struct tmx_tree *t;
    tmx_tree_full_tile_fn *full;
    void *ctx;
};

static void completed(void *ctx, unsigned level, uint64_t index, const struct tmx_hash *hash)
{
    const struct append *a = ctx;
    const unsigned tile_level = level / TILE_HEIGHT;
    const unsigned row = level % TILE_HEIGHT;

    if (row == 0 && level > 0) {
        /* The root of a tile: the tile below is full and leaves the edge. */
        const struct fat_tile *below = &a->t->edge[tile_level - 1];
        struct cached_tile *c = cache_evict(a->t);

        c->tile = *below;
        cache_keep(a->t, c, tile_level - 1, index);
        if (a->full != NULL) {
            a->full(a->ctx, tile_level - 1, index, (const uint8_t *)below->node);
        }
    }
    a->t->edge[tile_level].node[row_start(row) + (index & (TILE_MASK >> row))] = *hash;
}

void tmx_tree_append(struct tmx_tree *t, const struct tmx_hash *leaf, tmx_tree_full_tile_fn *full, void *ctx)
{
    struct append a = { .t = t, .full = full, .ctx = ctx };

    tmx_frontier_append(&t->frontier, leaf, completed, &a);
}

struct tmx_hash tmx_tree_root(const struct tmx_tree *t)
{
    return tmx_frontier_root(&t->frontier);
}

struct tmx_bytes tmx_tree_edge(const struct tmx_tree *t, unsigned tile_level)
{
    assert(tile_level < TMX_TREE_TILE_LEVELS);
    return TMX_BYTES(t->edge[tile_level].node,
                     (size_t)(t->frontier.size >> (TILE_HEIGHT * tile_level) & TILE_MASK) * TMX_HASH_SIZE);
}

struct lookup {
    struct tmx_tree *t;
    void *ctx;
};

static bool fetch(void *ctx, unsigned level, uint64_t index, struct tmx_hash *ret_hash)
{
    const struct lookup *l = ctx;
    const unsigned tile_level = level / TILE_HEIGHT;
    const unsigned row = level % TILE_HEIGHT;
    const uint64_t n = index >> (TILE_HEIGHT - row);
    const struct fat_tile *tile = &l->t->edge[tile_level];

    if (n != edge_tile_n(l->t, tile_level)) {
        tile = full_tile(l->t, l->ctx, tile_level, n);
    }
    if (tile == NULL) {
        return false;
    }
    *ret_hash = tile->node[row_start(row) + (index & (TILE_MASK >> row))];
    return true;
}

bool tmx_tree_path(struct tmx_tree *t, void *ctx, uint64_t index, struct tmx_proof *ret_proof)
{
    struct lookup l = { .t = t, .ctx = ctx };

    return tmx_merkle_path(index, t->frontier.size, fetch, &l, ret_proof);
}

bool tmx_tree_consistency(struct tmx_tree *t, void *ctx, uint64_t first, struct tmx_proof *ret_proof)
{
    struct lookup l = { .t = t, .ctx = ctx };

    return tmx_merkle_consistency(first, t->frontier.size, fetch, &l, ret_proof);
}

bool tmx_tree_consistency_between(struct tmx_tree *t, void *ctx, uint64_t first, uint64_t second,
                                  struct tmx_proof *ret_proof)
{
    struct lookup l = { .t = t, .ctx = ctx };

    assert(second <= t->frontier.size);
    return tmx_merkle_consistency(first, second, fetch, &l, ret_proof);
}

bool tmx_tree_path_at(struct tmx_tree *t, void *ctx, uint64_t index, uint64_t size, struct tmx_proof *ret_proof)
{
    struct lookup l = { .t = t, .ctx = ctx };

    assert(size <= t->frontier.size);
    return tmx_merkle_path(index, size, fetch, &l, ret_proof);
}

bool tmx_tree_root_at(struct tmx_tree *t, void *ctx, uint64_t size, struct tmx_hash *ret_root)
{
    struct lookup l = { .t = t, .ctx = ctx };

    assert(size <= t->frontier.size);
    return tmx_merkle_root(size, fetch, &l, ret_root);
}
