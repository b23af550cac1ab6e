/* SPDX-License-Identifier: Apache-2.0
 * See pruned.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tmx/text.h>

#include "export_dir.h"
#include "pruned.h"

#define LINE_SIZE 32u

bool tmx_pruned_ok(uint64_t index, uint64_t size)
{
    return index > 0 && index % TMX_TILE_WIDTH == 0 && index < size && size - index >= TMX_TILE_WIDTH;
}

int tmx_pruned_read(int dir_fd, uint64_t size, uint64_t *ret_index)
{
    char line[LINE_SIZE];
    uint64_t index = 0;
    uint8_t *data;
    size_t n;
    bool ok;
    int r = tmx_export_read(dir_fd, PRUNED_FILE, LINE_SIZE, &data, &n);

    *ret_index = 0;
    if (r < 0) {
        return r == -ENOENT ? 0 : r == -EFBIG ? -EBADMSG : r;
    }
    ok = n > 0 && tmx_parse_u64(TMX_BYTES(data, n - 1), UINT64_MAX, &index) && tmx_pruned_ok(index, size);
    /* What was read must be written exactly so. */
    snprintf(line, sizeof line, "%llu\n", (unsigned long long)index);
    ok = ok && tmx_bytes_eq(TMX_BYTES(data, n), tmx_bytes_str(line));
    free(data);
    if (!ok) {
        return -EBADMSG;
    }
    *ret_index = index;
    return 0;
}

int tmx_pruned_write(int dir_fd, uint64_t index)
{
    char line[LINE_SIZE];

    snprintf(line, sizeof line, "%llu\n", (unsigned long long)index);
    return tmx_export_write(dir_fd, PRUNED_FILE, tmx_bytes_str(line));
}

int tmx_pruned_leaves(int dir_fd, uint64_t n, struct tmx_hash ret_leaves[TMX_TILE_WIDTH])
{
    const struct tmx_export_name name = { .n = n, .width = TMX_TILE_WIDTH };
    char path[EXPORT_PATH_MAX];
    uint8_t *tile;
    size_t size;
    int r;

    tmx_export_path(&name, path);
    r = tmx_export_read(dir_fd, path, TMX_TILE_SIZE, &tile, &size);
    if (r < 0) {
        return r == -EFBIG ? -EBADMSG : r;
    }
    if (size == TMX_TILE_SIZE) {
        memcpy(ret_leaves, tile, TMX_TILE_SIZE);
    } else {
        r = -EBADMSG;
    }
    free(tile);
    return r;
}
