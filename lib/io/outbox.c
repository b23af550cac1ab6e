/* SPDX-License-Identifier: Apache-2.0
 * A list of copies. Contract: tmx/outbox.h.
 */
#include <tmx/outbox.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct tmx_outbox_item {
    struct tmx_outbox_item *next;
    size_t size;
    struct tmx_message message;
    uint8_t bytes[];
};

int tmx_outbox_put(struct tmx_outbox *o, const struct tmx_message *to, const struct tmx_bytes *frames, size_t n)
{
    assert(n >= 1 && n <= TMX_FRAMES_MAX);
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++) {
        bytes += frames[i].size;
    }
    if (o->bytes + sizeof(struct tmx_outbox_item) + bytes > TMX_OUTBOX_BYTES_MAX) {
        return -ENOBUFS;
    }
    struct tmx_outbox_item *item = malloc(sizeof(*item) + bytes);
    if (item == NULL) {
        return -ENOMEM;
    }
    item->next = NULL;
    item->size = sizeof(*item) + bytes;
    item->message = to == NULL ? (struct tmx_message){ .route_size = 0 } : *to;
    item->message.n_frames = n;
    uint8_t *at = item->bytes;
    for (size_t i = 0; i < n; i++) {
        item->message.frames[i] = TMX_BYTES(at, frames[i].size);
        if (frames[i].size > 0) {
            memcpy(at, frames[i].data, frames[i].size);
        }
        at += frames[i].size;
    }
    if (o->first == NULL) {
        o->first = item;
    } else {
        o->last->next = item;
    }
    o->last = item;
    o->bytes += item->size;
    return 0;
}

const struct tmx_message *tmx_outbox_first(const struct tmx_outbox *o)
{
    return o->first == NULL ? NULL : &o->first->message;
}

void tmx_outbox_drop(struct tmx_outbox *o)
{
    struct tmx_outbox_item *item = o->first;
    o->first = item->next;
    o->bytes -= item->size;
    free(item);
}

void tmx_outbox_clear(struct tmx_outbox *o)
{
    while (o->first != NULL) {
        tmx_outbox_drop(o);
    }
}
