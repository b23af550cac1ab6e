/* SPDX-License-Identifier: Apache-2.0
 * What the spool may still take in (NODE-12). The shell tells how much that is, for submissions and, somewhat more, for
 * deliveries; each is charged with all it may bring until its outcome. Reports and evidence are never charged again.
 */
#include <sodium.h>

#include "core.h"

#define ROOM_ASK_MS 5000u   /* between sessions opened for that: not one for each message that just fits */

void node_disk_tell(struct tmx_node *n, const struct tmx_node_event *ev)
{
    n->submit_left = ev->submit_bytes;
    n->arrive_left = ev->arrive_bytes;
    n->turn_bytes = ev->turn_bytes;
    /* A new session, so that what was left at the broker comes at once and not with its next retry. */
    bool asked = n->room_asked_ms != 0 && n->now_ms - n->room_asked_ms < ROOM_ASK_MS;
    if (n->wanted_bytes != 0 && n->wanted_bytes <= ev->arrive_bytes && n->session.state == NODE_UP && !asked) {
        n->wanted_bytes = 0;
        n->room_asked_ms = n->now_ms;
        node_link_lost(n, "link.room", true);
    }
}

static void charge(uint64_t *left, uint64_t bytes)
{
    if (*left != UINT64_MAX) {
        *left -= *left < bytes ? *left : bytes;
    }
}

static bool take(struct tmx_node *n, uint64_t left, uint64_t bytes)
{
    if (left < bytes) {
        return false;
    }
    charge(&n->submit_left, bytes);
    charge(&n->arrive_left, bytes);
    return true;
}

/* The payload is kept until its container is. */
bool node_disk_submit(struct tmx_node *n, uint64_t payload_bytes, size_t recipients)
{
    if (!take(n, n->submit_left, 2 * payload_bytes + recipients * TMX_EVIDENCE_ROOM)) {
        return false;
    }
    if (payload_bytes > n->state.waiting_largest) {
        n->state.waiting_largest = payload_bytes;
        n->state_dirty = true;
    }
    return true;
}

/* Twice: what a turn gives back is free for the second turn after it. */
uint64_t node_disk_moving(const struct tmx_node *n)
{
    uint64_t pulled = sodium_is_zero(n->stage, sizeof(n->stage)) ? 0 : 2 * n->stage_size - n->stage_at;
    return 2 * n->state.waiting_largest + pulled;
}

/* One in chunks is kept as such until it is complete. */
bool node_disk_arrive(struct tmx_node *n, const Tmx__Header *h, uint64_t index)
{
    uint64_t copies = h->container_bytes > TMX_CHUNK_SIZE ? 2 : 1;
    uint64_t bytes = copies * h->container_bytes + TMX_EVIDENCE_ROOM;
    if (take(n, n->arrive_left, bytes)) {
        return true;
    }
    if (n->wanted_bytes == 0) {
        uint8_t sender[TMX_MEMBER_MAX];
        node_member_key(tmx_pb(h->sender), sender);
        node_notice(n, "delivery.no-room", true, sender, h->message_id.data, TMX_CODE_DISK_FULL, index);
    }
    n->wanted_bytes = n->wanted_bytes == 0 || bytes < n->wanted_bytes ? bytes : n->wanted_bytes;
    return false;
}
