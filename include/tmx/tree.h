/* SPDX-License-Identifier: Apache-2.0
 * The log's tree as its owner keeps it: tiles of 256 hashes per level (c2sp.org/tlog-tiles), full tiles in the
 * spool, the right edge and recently used tiles in memory. About 400 KiB whatever the size of the log.
 *
 * Level T tile n holds the hashes of the perfect subtrees (8T, 256n .. 256n + 255).
 */
#pragma once

#include <tmx/merkle.h>

#define TMX_TREE_TILE_LEVELS 6u
#define TMX_TREE_CACHE 16u

struct tmx_tree;

/* Reads a full tile's TMX_TILE_SIZE bytes; false when it is not there. */
typedef bool tmx_tree_read_tile_fn(void *ctx, unsigned tile_level, uint64_t n, uint8_t ret_tile[TMX_TILE_SIZE]);
/* The leaf hash of an entry; false when it is not there. */
typedef bool tmx_tree_read_leaf_fn(void *ctx, uint64_t index, struct tmx_hash *ret_leaf);
/* A tile is full: the owner stores it in the same turn as the entry. */
typedef void tmx_tree_full_tile_fn(void *ctx, unsigned tile_level, uint64_t n, const uint8_t tile[TMX_TILE_SIZE]);

/* `read_tile` is called with ctx given to the call that needs it. -ENOMEM. */
int tmx_tree_new(tmx_tree_read_tile_fn *read_tile, struct tmx_tree **ret_tree) TMX_MUST_CHECK;
struct tmx_tree *tmx_tree_free(struct tmx_tree *t);
/* Rebuilds the right edge of a log of `size` entries from its tiles and last leaves. False: something is missing. */
bool tmx_tree_load(struct tmx_tree *t, uint64_t size, tmx_tree_read_leaf_fn *read_leaf, void *ctx) TMX_MUST_CHECK;
uint64_t tmx_tree_size(const struct tmx_tree *t);
/* Appends; tells full tiles. */
void tmx_tree_append(struct tmx_tree *t, const struct tmx_hash *leaf, tmx_tree_full_tile_fn *full, void *ctx);
struct tmx_hash tmx_tree_root(const struct tmx_tree *t);
/* The partial tile at the right edge of a level: 0..255 hashes, until the next append. */
struct tmx_bytes tmx_tree_edge(const struct tmx_tree *t, unsigned tile_level);
/* Proofs at the current size. False when a tile cannot be read. */
bool tmx_tree_path(struct tmx_tree *t, void *ctx, uint64_t index, struct tmx_proof *ret_proof) TMX_MUST_CHECK;
bool tmx_tree_consistency(struct tmx_tree *t, void *ctx, uint64_t first, struct tmx_proof *ret_proof) TMX_MUST_CHECK;
/* Between two earlier sizes, and an inclusion proof at one. Assert first <= second <= size, index < size. */
bool tmx_tree_consistency_between(struct tmx_tree *t, void *ctx, uint64_t first, uint64_t second,
                                  struct tmx_proof *ret_proof) TMX_MUST_CHECK;
bool tmx_tree_path_at(struct tmx_tree *t, void *ctx, uint64_t index, uint64_t size,
                      struct tmx_proof *ret_proof) TMX_MUST_CHECK;
/* Root at an earlier size. */
bool tmx_tree_root_at(struct tmx_tree *t, void *ctx, uint64_t size, struct tmx_hash *ret_root) TMX_MUST_CHECK;
