/* SPDX-License-Identifier: Apache-2.0
 * Bundles and tiles of an export.
 */
#include <stdlib.h>
#include <unistd.h>

#include <tmx/tree.h>

#include "export_dir.h"
#include "writer.h"

#define UNNAMED_MAX 128u /* files that go to disk together: one by one, each would wait for it */

struct tmx_export_writer {
    struct tmx_export_writer_order order;
    struct tmx_tree *tree;
    struct tmx_writer bundle;
    int failed; /* of a tile, inside the tree's callback */
    char path[EXPORT_PATH_MAX];
    size_t n_unnamed;
    struct tmx_export_name unnamed[UNNAMED_MAX];
    uint8_t buffer[EXPORT_BUNDLE_MAX];
};

/* Appending never reads a tile back. */
static bool read_no_tile(void *ctx, unsigned tile_level, uint64_t n, uint8_t ret_tile[TMX_TILE_SIZE])
{
    return false;
}

int tmx_export_writer_new(const struct tmx_export_writer_order *order, struct tmx_export_writer **ret_writer)
{
    struct tmx_export_writer *w = calloc(1, sizeof *w);
    int r = w == NULL ? -ENOMEM : tmx_tree_new(read_no_tile, &w->tree);

    if (r < 0) {
        free(w);
        return r;
    }
    w->order = *order;
    w->bundle = TMX_WRITER_OF(w->buffer);
    *ret_writer = w;
    return 0;
}

struct tmx_export_writer *tmx_export_writer_free(struct tmx_export_writer *w)
{
    if (w != NULL) {
        tmx_tree_free(w->tree);
        free(w);
    }
    return NULL;
}

/* Does a signed head vouch for all of it? */
static bool is_vouched(const struct tmx_export_writer *w, const struct tmx_export_name *name)
{
    return tmx_export_width(name, w->order.vouched) >= name->width;
}

/* What was written goes to disk, and then gets its names. */
int tmx_export_keep(struct tmx_export_writer *w)
{
    int r = w->n_unnamed > 0 && syncfs(w->order.dir_fd) < 0 ? -errno : 0;

    for (size_t i = 0; r == 0 && i < w->n_unnamed; i++) {
        tmx_export_path(&w->unnamed[i], w->path);
        r = tmx_export_name(w->order.dir_fd, w->path);
    }
    w->n_unnamed = 0;
    return r;
}

static int write_named(struct tmx_export_writer *w, const struct tmx_export_name *name, struct tmx_bytes data)
{
    int r;

    if ((name->entries || name->level == 0) && name->n < w->order.first) {
        return 0;
    }
    if (name->entries && name->n < w->order.pruned / TMX_TILE_WIDTH) {
        return 0;
    }
    tmx_export_path(name, w->path);
    r = tmx_export_compare(w->order.dir_fd, w->path, data);
    if (r != -ENOENT && (r != -EEXIST || is_vouched(w, name))) {
        return r;
    }
    r = tmx_export_write_unnamed(w->order.dir_fd, w->path, data);
    if (r < 0) {
        return r;
    }
    w->unnamed[w->n_unnamed++] = *name;
    return w->n_unnamed == UNNAMED_MAX ? tmx_export_keep(w) : 0;
}

static void on_full_tile(void *ctx, unsigned level, uint64_t n, const uint8_t tile[TMX_TILE_SIZE])
{
    struct tmx_export_writer *w = ctx;
    const struct tmx_export_name name = { .level = level, .n = n, .width = TMX_TILE_WIDTH };

    if (w->failed == 0) {
        w->failed = write_named(w, &name, TMX_BYTES(tile, TMX_TILE_SIZE));
    }
}

/* The bundle that ends at the tree's size. */
static int write_bundle(struct tmx_export_writer *w)
{
    const uint64_t last = tmx_tree_size(w->tree) - 1;
    const struct tmx_export_name name = { .entries = true,
                                          .n = last / TMX_TILE_WIDTH,
                                          .width = (unsigned)(last % TMX_TILE_WIDTH) + 1 };
    int r = write_named(w, &name, tmx_written(&w->bundle));

    w->bundle = TMX_WRITER_OF(w->buffer);
    return r;
}

static bool is_entry(struct tmx_bytes entry)
{
    return entry.size > 0 && entry.size <= TMX_ENTRY_MAX;
}

static int append(struct tmx_export_writer *w, const struct tmx_hash *leaf)
{
    tmx_tree_append(w->tree, leaf, on_full_tile, w);
    return w->failed;
}

static int append_entry(struct tmx_export_writer *w, struct tmx_bytes entry)
{
    const struct tmx_hash leaf = tmx_merkle_leaf(entry);

    return append(w, &leaf);
}

int tmx_export_add(struct tmx_export_writer *w, struct tmx_bytes entry)
{
    int r;

    if (!is_entry(entry)) {
        return -EMSGSIZE;
    }
    tmx_write_u16(&w->bundle, (uint16_t)entry.size);
    tmx_write_bytes(&w->bundle, entry);
    r = append_entry(w, entry);
    return r == 0 && tmx_tree_size(w->tree) % TMX_TILE_WIDTH == 0 ? write_bundle(w) : r;
}

int tmx_export_add_bundle(struct tmx_export_writer *w, struct tmx_bytes bundle)
{
    struct tmx_reader r = tmx_reader_init(bundle);
    struct tmx_bytes entries[TMX_TILE_WIDTH];
    size_t n = 0;
    bool failed = false;
    int e = 0;

    assert(tmx_tree_size(w->tree) % TMX_TILE_WIDTH == 0);
    while (n < TMX_N(entries) && tmx_export_next_entry(&r, &entries[n], &failed) && is_entry(entries[n])) {
        n++;
    }
    if (n < TMX_N(entries) || r.left > 0) {
        return -EBADMSG;
    }
    for (size_t i = 0; e == 0 && i < n; i++) {
        e = append_entry(w, entries[i]);
    }
    return e;
}

int tmx_export_add_leaves(struct tmx_export_writer *w, const struct tmx_hash leaves[TMX_TILE_WIDTH])
{
    int r = 0;

    assert(tmx_tree_size(w->tree) % TMX_TILE_WIDTH == 0);
    for (size_t i = 0; r == 0 && i < TMX_TILE_WIDTH; i++) {
        r = append(w, &leaves[i]);
    }
    return r;
}

uint64_t tmx_export_size(const struct tmx_export_writer *w)
{
    return tmx_tree_size(w->tree);
}

const char *tmx_export_path_of(const struct tmx_export_writer *w)
{
    return w->path;
}

struct tmx_hash tmx_export_root(const struct tmx_export_writer *w)
{
    return tmx_tree_root(w->tree);
}

int tmx_export_finish(struct tmx_export_writer *w)
{
    int r = tmx_tree_size(w->tree) % TMX_TILE_WIDTH == 0 ? 0 : write_bundle(w);

    for (unsigned level = 0; r == 0 && level < TMX_TREE_TILE_LEVELS; level++) {
        const struct tmx_bytes edge = tmx_tree_edge(w->tree, level);
        const struct tmx_export_name name = { .level = level,
                                              .n = tmx_tree_size(w->tree) >> (8 * (level + 1)),
                                              .width = (unsigned)(edge.size / TMX_HASH_SIZE) };

        if (edge.size > 0) {
            r = write_named(w, &name, edge);
        }
    }
    return r == 0 ? tmx_export_keep(w) : r;
}
