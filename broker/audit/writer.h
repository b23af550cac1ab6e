/* SPDX-License-Identifier: Apache-2.0
 * Writes an export: entry bundles and tiles from the entries, in their order.
 */
#pragma once

#include <tmx/merkle.h>

struct tmx_export_writer;

/* -ENOMEM. dir_fd stays the caller's. */
int tmx_export_writer_new(int dir_fd, struct tmx_export_writer **ret_writer) TMX_MUST_CHECK;
struct tmx_export_writer *tmx_export_writer_free(struct tmx_export_writer *w);
/* The next entry; writes what it fills. -EEXIST when the folder has other bytes under that name; negative errno. */
int tmx_export_add(struct tmx_export_writer *w, struct tmx_bytes entry) TMX_MUST_CHECK;
/* Of the entries so far. */
struct tmx_hash tmx_export_root(const struct tmx_export_writer *w);
/* Writes the partial bundle and tiles at the right edge. */
int tmx_export_finish(struct tmx_export_writer *w) TMX_MUST_CHECK;
