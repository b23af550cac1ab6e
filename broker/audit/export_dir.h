/* SPDX-License-Identifier: Apache-2.0
 * An export directory, c2sp.org/tlog-tiles: names of tiles and bundles, reading and writing of files. LOG-5
 */
#pragma once

#include <tmx/bytes.h>
#include <tmx/limits.h>

#define EXPORT_PATH_MAX 96u
#define EXPORT_BUNDLE_MAX (TMX_TILE_WIDTH * (2u + TMX_ENTRY_MAX))

struct tmx_export_name {
    bool entries; /* tile/entries/..., else tile/<level>/... */
    unsigned level;
    uint64_t n;
    unsigned width; /* 1..256; below 256 it is partial */
};

void tmx_export_path(const struct tmx_export_name *name, char ret_path[EXPORT_PATH_MAX]);
/* The one way to write a name; false for anything else. */
bool tmx_export_parse_path(const char *path, struct tmx_export_name *ret_name) TMX_MUST_CHECK;

/* Files named after the size of an earlier head: its checkpoint, its time-stamp token. */
enum tmx_export_old { EXPORT_CHECKPOINTS, EXPORT_ANCHORS };
const char *tmx_export_old_folder(enum tmx_export_old kind);
void tmx_export_old_path(enum tmx_export_old kind, uint64_t size, char ret_path[EXPORT_PATH_MAX]);
/* The one way to write a name below the folder of its kind; false for anything else. */
bool tmx_export_old_parse(enum tmx_export_old kind, const char *path, uint64_t *ret_size) TMX_MUST_CHECK;

bool tmx_export_is_folder(const char *path); /* in a walk */
/* How wide this tile or bundle is in a log of `size` entries; 0: it has no place in one. */
unsigned tmx_export_width(const struct tmx_export_name *name, uint64_t size);

/* Reads a whole file below dir_fd; *ret_data is malloc'ed. -ENOENT …, -EFBIG when longer than max. */
int tmx_export_read(int dir_fd, const char *path, size_t max, uint8_t **ret_data, size_t *ret_size) TMX_MUST_CHECK;
/* Writes a file by way of a temporary name; makes the folders above it. */
int tmx_export_write(int dir_fd, const char *path, struct tmx_bytes data) TMX_MUST_CHECK;
/* The same of several pieces. */
int tmx_export_write_parts(int dir_fd, const char *path, const struct tmx_bytes *parts, size_t n) TMX_MUST_CHECK;
/* Many files at once: each under its temporary name, then all of them to disk (syncfs), then each gets its name. */
int tmx_export_write_unnamed(int dir_fd, const char *path, struct tmx_bytes data) TMX_MUST_CHECK;
int tmx_export_name(int dir_fd, const char *path) TMX_MUST_CHECK;

/* Is the file these bytes? -ENOENT, -EEXIST: it has others. */
int tmx_export_compare(int dir_fd, const char *path, struct tmx_bytes data) TMX_MUST_CHECK;
/* Writes a file that never changes: nothing to do when it is there, -EEXIST when other bytes are. */
int tmx_export_put(int dir_fd, const char *path, struct tmx_bytes data) TMX_MUST_CHECK;

/* Entry i of a bundle in turn; false at the end or, with *ret_failed, where it is malformed. */
bool tmx_export_next_entry(struct tmx_reader *bundle, struct tmx_bytes *ret_entry, bool *ret_failed);

/* Calls fn with the path of every file under `folder` ("" is all), in the order of the paths' bytes; an empty folder is told,
 * too, its path ends in a slash. Of several exports laid over each other, a later one covers an earlier one: dir_fd is the
 * one whose file it is. A negative value of fn ends the walk. Memory: the names of one folder at each depth. */
typedef int tmx_export_file_fn(void *ctx, int dir_fd, const char *path);
int tmx_export_walk(const int *dir_fds, size_t n, const char *folder, tmx_export_file_fn *fn, void *ctx) TMX_MUST_CHECK;
