/* SPDX-License-Identifier: Apache-2.0
 * A node behind the log (NODE-10), and a log that is a new one (LOG-4).
 */
#include <string.h>

#include "core.h"

bool node_rebuild_check(struct tmx_node *n, const Tmx__Welcome *w)
{
    struct node_head *head = &n->state.head;
    if (head->shard[0] == '\0') {
        memcpy(head->shard, w->shard.data, w->shard.len);
        n->state_dirty = true;
    }
    if (!tmx_bytes_eq(tmx_pb(w->shard), tmx_bytes_str(head->shard))) {
        node_link_lost(n, "link.other-shard", false);
        return false;
    }
    return true;
}

void node_rebuild_item(struct tmx_node *n, const Tmx__FeedItem *item, const Tmx__LogEntry *entry)
{
}

void node_rebuild_close(struct tmx_node *n)
{
    if (n->state.rebuild && n->state.feed_next >= n->state.rebuild_to) {
        n->state.rebuild = false;
        n->state_dirty = true;
    }
}
