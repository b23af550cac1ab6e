/* SPDX-License-Identifier: Apache-2.0
 * An export whose oldest entry bundles were taken away: the file min-index says before which entry, and the hash tiles, all of
 * which are there, still say what those entries were. LOG-10
 */
#pragma once

#include <tmx/merkle.h>

#define PRUNED_FILE "min-index"

/* Whether the export of a log of `size` entries can be one without the entries before `index`: whole bundles, and at least
 * one is left. */
bool tmx_pruned_ok(uint64_t index, uint64_t size);
/* The first entry of an export that has bundles; 0 without the file. -EBADMSG: it does not hold such an index, in decimal
 * on a line. */
int tmx_pruned_read(int dir_fd, uint64_t size, uint64_t *ret_index) TMX_MUST_CHECK;
int tmx_pruned_write(int dir_fd, uint64_t index) TMX_MUST_CHECK;
/* The leaf hashes of bundle n, from the full tile of level 0. -ENOENT …, -EBADMSG: it is no full tile. */
int tmx_pruned_leaves(int dir_fd, uint64_t n, struct tmx_hash ret_leaves[TMX_TILE_WIDTH]) TMX_MUST_CHECK;
