/* SPDX-License-Identifier: Apache-2.0
 * Writes an export: entry bundles and tiles from the entries, in their order.
 */
#pragma once

#include <tmx/merkle.h>

struct tmx_export_writer;

struct tmx_export_writer_order {
    int dir_fd; /* stays the caller's */
    /* Files of the first so many entries alone are known to be right: one that differs is -EEXIST. Any other is replaced. */
    uint64_t vouched;
    uint64_t first; /* bundles and tiles of level 0 before this one are not written: they are elsewhere */
    uint64_t pruned; /* bundles of entries before this index are not written */
};

/* -ENOMEM. */
int tmx_export_writer_new(const struct tmx_export_writer_order *order, struct tmx_export_writer **ret_writer)
    TMX_MUST_CHECK;
struct tmx_export_writer *tmx_export_writer_free(struct tmx_export_writer *w);
/* The next entry; writes what it fills. */
int tmx_export_add(struct tmx_export_writer *w, struct tmx_bytes entry) TMX_MUST_CHECK;
/* The entries of the next whole bundle, by their leaf hashes: a bundle that is pruned. */
int tmx_export_add_leaves(struct tmx_export_writer *w, const struct tmx_hash leaves[TMX_TILE_WIDTH]) TMX_MUST_CHECK;
/* The next whole bundle, which is on disk already. -EBADMSG, and nothing is added: it does not hold 256 entries. */
int tmx_export_add_bundle(struct tmx_export_writer *w, struct tmx_bytes bundle) TMX_MUST_CHECK;
uint64_t tmx_export_size(const struct tmx_export_writer *w);
/* Of the entries so far. */
struct tmx_hash tmx_export_root(const struct tmx_export_writer *w);
/* Writes the partial bundle and tiles at the right edge. */
int tmx_export_finish(struct tmx_export_writer *w) TMX_MUST_CHECK;
/* Names what was written so far, where an export breaks off: the next one takes it up. */
int tmx_export_keep(struct tmx_export_writer *w) TMX_MUST_CHECK;
/* The file that could not be written, or differs; valid until the next call. */
const char *tmx_export_path_of(const struct tmx_export_writer *w);
