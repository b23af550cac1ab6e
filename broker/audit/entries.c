/* SPDX-License-Identifier: Apache-2.0
 * A small cache of entry bundles.
 */
#include <stdlib.h>
#include <string.h>

#include "entries.h"
#include "export_dir.h"

#define BUNDLES 16u

struct bundle {
    bool used;
    uint64_t n;
    uint64_t last_use;
    uint8_t *data;
    size_t width;
    struct tmx_bytes entries[TMX_TILE_WIDTH];
};

struct tmx_entries {
    const struct tmx_history *history;
    uint64_t uses;
    struct bundle bundles[BUNDLES];
};

int tmx_entries_new(const struct tmx_history *h, struct tmx_entries **ret_entries)
{
    struct tmx_entries *e = calloc(1, sizeof *e);

    assert(h->fd >= 0);
    if (e == NULL) {
        return -ENOMEM;
    }
    e->history = h;
    *ret_entries = e;
    return 0;
}

struct tmx_entries *tmx_entries_free(struct tmx_entries *e)
{
    if (e != NULL) {
        for (size_t i = 0; i < BUNDLES; i++) {
            free(e->bundles[i].data);
        }
        free(e);
    }
    return NULL;
}

/* The bundle of that number, or else the slot used longest ago, emptied. */
static struct bundle *slot(struct tmx_entries *e, uint64_t n)
{
    struct bundle *oldest = &e->bundles[0];

    for (size_t i = 0; i < BUNDLES; i++) {
        struct bundle *b = &e->bundles[i];

        if (b->used && b->n == n) {
            return b;
        }
        if (b->last_use < oldest->last_use) {
            oldest = b;
        }
    }
    free(oldest->data);
    *oldest = (struct bundle){ .n = n };
    return oldest;
}

static int load(const struct tmx_history *h, struct bundle *b)
{
    const struct tmx_export_name name = { .entries = true, .n = b->n, .width = tmx_history_width(h, 0, b->n) };
    char path[EXPORT_PATH_MAX];
    struct tmx_reader r;
    bool failed = false;
    size_t size;
    int error;

    tmx_export_path(&name, path);
    error = tmx_export_read(h->fd, path, EXPORT_BUNDLE_MAX, &b->data, &size);
    if (error < 0) {
        return error;
    }
    r = tmx_reader_init(TMX_BYTES(b->data, size));
    while (b->width < name.width && tmx_export_next_entry(&r, &b->entries[b->width], &failed)) {
        b->width++;
    }
    b->used = true;
    return 0;
}

int tmx_entries_get(struct tmx_entries *e, uint64_t index, struct tmx_bytes *ret_entry)
{
    struct bundle *b;
    int r = 0;

    assert(index < e->history->head.size);
    if (index < e->history->pruned) {
        return -ENODATA;
    }
    b = slot(e, index / TMX_TILE_WIDTH);
    if (!b->used) {
        r = load(e->history, b);
    }
    if (r < 0) {
        return r;
    }
    b->last_use = ++e->uses;
    if (index % TMX_TILE_WIDTH >= b->width) {
        return -EBADMSG;
    }
    *ret_entry = b->entries[index % TMX_TILE_WIDTH];
    return 0;
}
