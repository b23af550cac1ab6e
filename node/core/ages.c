/* SPDX-License-Identifier: Apache-2.0
 * How old the deliveries of what was submitted here are that have not arrived, by recipient: counted as they begin and end to wait.
 * What the process found is read in the background, so many messages a turn, once the node knows where it stands (NODE-10).
 *
 * A message counts once it was submitted after that reading began, or its row among the open ones is behind the cursor.
 */
#include <string.h>

#include "core.h"

#define MESSAGES_A_TURN 256u

static bool waits(uint8_t state)
{
    return state == TMX_OUT_DELIVERY_QUEUED || state == TMX_OUT_DELIVERY_ACCEPTED;
}

static struct node_destination *known(struct tmx_node *n, const uint8_t *member)
{
    struct node_destination *d = node_destination(n, member);
    return d != NULL && !d->ages_unknown ? d : NULL;
}

static void count(struct tmx_node *n, const struct tmx_row_out *row)
{
    for (size_t i = 0; i < row->n; i++) {
        struct node_destination *d = waits(row->deliveries[i].state) ? known(n, row->deliveries[i].member) : NULL;
        int r = d != NULL ? tmx_ages_add(&d->ages, row->submitted_ms) : 0;
        if (r < 0) {
            node_fault(n, r);
        }
    }
}

void node_ages_member(struct tmx_node *n, struct node_destination *d)
{
    struct node_key k = node_key_member(d->member);
    d->ages_unknown = n->ages.begun && (d->waiting > 0 || node_has(n, TMX_NT_OUT_PAIR, node_kb(&k)));
}

/* The reading does not come to it any more. */
static bool is_counted(const struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], const struct tmx_row_out *row)
{
    struct node_key open = node_index_key(TMX_INDEX_OPEN, TMX_DIRECTION_SENT, id);
    return n->ages.begun && (row->order > n->ages.from_order || n->ages.read ||
                             tmx_bytes_cmp(node_kb(&open), node_kb(&n->ages.cursor)) < 0);
}

void node_ages_enter(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], const struct tmx_row_out *row)
{
    if (is_counted(n, id, row)) {
        count(n, row);
    }
}

void node_ages_leave(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], const struct tmx_row_out *row,
                     const struct tmx_row_out_delivery *delivery)
{
    bool counted = waits(delivery->state) && is_counted(n, id, row);
    struct node_destination *d = counted ? known(n, delivery->member) : NULL;
    if (d != NULL && n->fault == 0) {
        tmx_ages_remove(&d->ages, row->submitted_ms);
    }
}

static void begin(struct tmx_node *n)
{
    n->ages.begun = true;
    n->ages.from_order = n->state.order;
    n->ages.open = n->state.open;
    n->ages.cursor.data[0] = TMX_INDEX_OPEN;
    n->ages.cursor.size = 1;
}

void node_ages_run(struct tmx_node *n)
{
    if (!n->ages.begun && !n->state.rebuild) {
        begin(n);
    }
    for (unsigned i = 0; i < MESSAGES_A_TURN && n->ages.begun && !n->ages.read && n->fault == 0; i++) {
        struct tmx_bytes key, value;
        struct tmx_row_out row;
        uint8_t id[TMX_ID_SIZE], direction;
        n->ages.read = !node_seek(n, TMX_NT_INDEX, node_kb(&n->ages.cursor), 1, &key, &value);
        if (n->ages.read) {
            break;
        }
        assert(key.size == 1 + sizeof(id) + 1);
        for (size_t k = 0; k < sizeof(id); k++) {
            id[k] = (uint8_t)~key.data[1 + k];   /* the newest first */
        }
        direction = key.data[1 + sizeof(id)];
        n->ages.cursor = node_key_after(key);
        bool sent = direction == TMX_DIRECTION_SENT && node_out_read(n, id, &row);
        n->ages.open_read += sent ? row.n : 1;
        if (sent && row.order <= n->ages.from_order) {
            count(n, &row);
        }
    }
    n->more = n->more || (n->ages.begun && !n->ages.read);
}

bool tmx_node_ages(struct tmx_node *n, struct tmx_bytes member, struct tmx_ages_view *ret_view)
{
    uint8_t key[TMX_MEMBER_MAX];
    if (member.size > TMX_MEMBER_MAX) {
        return false;
    }
    node_member_key(member, key);
    const struct node_destination *d = known(n, key);
    if (d == NULL || !n->ages.read) {
        return false;
    }
    tmx_ages_look(&d->ages, n->wall_ms, n->config.late_ms, ret_view);
    return true;
}

unsigned tmx_node_ages_percent(const struct tmx_node *n)
{
    uint64_t percent = n->ages.open_read * 100 / (n->ages.open + 1);
    return n->ages.read ? 100 : percent < 99 ? (unsigned)percent : 99;
}
