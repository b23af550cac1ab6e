/* SPDX-License-Identifier: Apache-2.0
 * Messages a socket did not take at once, in order, until it does: what a core has numbered must not be lost on the
 * way to a peer that reads slowly (LINK-3). The core is told while anything waits here and says nothing more of its
 * own (TMX_BROKER_GATE_BUSY, TMX_NODE_LINK_BUSY), so that one turn's output is the bound.
 */
#pragma once

#include <tmx/transport.h>

struct tmx_outbox_item;

/* Zero it to begin. */
struct tmx_outbox {
    struct tmx_outbox_item *first, *last;
    size_t bytes;                        /* of all that wait */
};

/* Copies. -ENOMEM; -ENOBUFS: TMX_OUTBOX_BYTES_MAX would be passed. `to` may be NULL (DEALER). */
int tmx_outbox_put(struct tmx_outbox *o, const struct tmx_message *to, const struct tmx_bytes *frames, size_t n)
    TMX_MUST_CHECK;
/* The one to send next, as it was put; NULL when nothing waits. Borrowed until it is dropped. */
const struct tmx_message *tmx_outbox_first(const struct tmx_outbox *o);
void tmx_outbox_drop(struct tmx_outbox *o);
void tmx_outbox_clear(struct tmx_outbox *o);
