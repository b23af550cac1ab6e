/* SPDX-License-Identifier: Apache-2.0
 * The hash tiles of an export against those the entries give. LOG-5
 */
#include <stdlib.h>
#include <string.h>

#include "check_parts.h"
#include "export_dir.h"

static struct tmx_audit_key tile_key(unsigned level, uint64_t n)
{
    struct tmx_audit_key key = { { 0 } };
    struct tmx_writer w = TMX_WRITER_OF(key.b);

    tmx_write_u32(&w, level);
    tmx_write_u64(&w, n);
    return key;
}

/* Compares a tile file; false (a fault) when it is missing or differs. */
static bool check_tile_file(struct tmx_check *c, const struct tmx_export_name *name, struct tmx_bytes want)
{
    char path[EXPORT_PATH_MAX];
    uint8_t *data;
    size_t size;
    bool same;
    int r;

    tmx_export_path(name, path);
    r = tmx_export_read(c->fd, path, TMX_TILE_SIZE, &data, &size);
    if (r < 0) {
        tmx_audit_fault(c->audit, AUDIT_TILE, AUDIT_NO_INDEX, "%s: %s", path, strerror(-r));
        return false;
    }
    same = tmx_bytes_eq(TMX_BYTES(data, size), want);
    free(data);
    if (!same) {
        tmx_audit_fault(c->audit, AUDIT_TILE, AUDIT_NO_INDEX, "%s differs from what the entries give", path);
    }
    return same;
}

static int keep_own_tile(struct tmx_check *c, unsigned level, uint64_t n, const uint8_t tile[TMX_TILE_SIZE])
{
    const struct tmx_audit_key key = tile_key(level, n);
    uint8_t *copy = malloc(TMX_TILE_SIZE);
    void *value;
    bool new;
    int r = copy == NULL ? -ENOMEM : tmx_audit_table_put(&c->own_tiles, &key, &value, &new);

    if (r < 0) {
        free(copy);
        return r;
    }
    memcpy(copy, tile, TMX_TILE_SIZE);
    *(uint8_t **)value = copy;
    return 0;
}

void tmx_check_full_tile(void *ctx, unsigned level, uint64_t n, const uint8_t tile[TMX_TILE_SIZE])
{
    struct tmx_check *c = ctx;
    const struct tmx_export_name name = { .level = level, .n = n, .width = TMX_TILE_WIDTH };
    int r = 0;

    if (!check_tile_file(c, &name, TMX_BYTES(tile, TMX_TILE_SIZE))) {
        r = keep_own_tile(c, level, n, tile);
    }
    if (r < 0) {
        c->failed = r;
    }
}

bool tmx_check_read_tile(void *ctx, unsigned level, uint64_t n, uint8_t ret_tile[TMX_TILE_SIZE])
{
    struct tmx_check *c = ctx;
    const struct tmx_export_name name = { .level = level, .n = n, .width = TMX_TILE_WIDTH };
    const struct tmx_audit_key key = tile_key(level, n);
    uint8_t **own = tmx_audit_table_get(&c->own_tiles, &key);
    char path[EXPORT_PATH_MAX];
    uint8_t *data;
    size_t size;
    bool ok;

    if (own != NULL) {
        memcpy(ret_tile, *own, TMX_TILE_SIZE);
        return true;
    }
    tmx_export_path(&name, path);
    if (tmx_export_read(c->fd, path, TMX_TILE_SIZE, &data, &size) < 0) {
        return false;
    }
    ok = size == TMX_TILE_SIZE;
    if (ok) {
        memcpy(ret_tile, data, TMX_TILE_SIZE);
    }
    free(data);
    return ok;
}

void tmx_check_edge(struct tmx_check *c)
{
    for (unsigned level = 0; level < TMX_TREE_TILE_LEVELS; level++) {
        const struct tmx_bytes edge = tmx_tree_edge(c->tree, level);
        const struct tmx_export_name name = { .level = level,
                                              .n = tmx_tree_size(c->tree) >> (8 * (level + 1)),
                                              .width = (unsigned)(edge.size / TMX_HASH_SIZE) };

        if (edge.size > 0) {
            (void)check_tile_file(c, &name, edge);
        }
    }
}

/* A partial file an earlier export left beside its successor must be the beginning of it. */
static bool is_prefix(struct tmx_check *c, const struct tmx_export_name *name, unsigned full_width)
{
    struct tmx_export_name longer = *name;
    char paths[2][EXPORT_PATH_MAX];
    uint8_t *data[2] = { NULL, NULL };
    size_t sizes[2] = { 0, 0 };
    bool same = false;

    longer.width = full_width;
    tmx_export_path(name, paths[0]);
    tmx_export_path(&longer, paths[1]);
    if (tmx_export_read(c->fd, paths[0], EXPORT_BUNDLE_MAX, &data[0], &sizes[0]) == 0 &&
        tmx_export_read(c->fd, paths[1], EXPORT_BUNDLE_MAX, &data[1], &sizes[1]) == 0 && sizes[0] <= sizes[1] &&
        (name->entries || sizes[0] == (size_t)name->width * TMX_HASH_SIZE)) {
        same = memcmp(data[0], data[1], sizes[0]) == 0;
    }
    free(data[0]);
    free(data[1]);
    return same;
}

int tmx_check_stray(void *ctx, int dir_fd, const char *path)
{
    struct tmx_check *c = ctx;
    struct tmx_export_name name;

    if (tmx_export_is_folder(path)) {
        return 0;
    }
    if (tmx_export_parse_path(path, &name)) {
        const unsigned width = tmx_export_width(&name, c->head.size);

        if (name.entries && name.n < c->pruned / TMX_TILE_WIDTH) {
            tmx_audit_fault(c->audit, AUDIT_PRUNED, AUDIT_NO_INDEX, "%s is there, though the entries before %llu are pruned", path,
                            (unsigned long long)c->pruned);
            return 0;
        }
        if (name.width == width || (name.width < width && is_prefix(c, &name, width))) {
            return 0;
        }
    }
    tmx_audit_fault(c->audit, AUDIT_TILE, AUDIT_NO_INDEX, "%s is not part of a log of this size, or not as it must be",
                    path);
    return 0;
}
