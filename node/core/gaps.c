/* SPDX-License-Identifier: Apache-2.0
 * Numbers that never come (NODE-13). The numbers of a sender to this node are contiguous where the broker admits them, so
 * each arrives, or a leaf says that it ended or was refused. Later ones may be first, for priority or size; but not for
 * long.
 */
#include "core.h"

#define GAP_LOOK_MS 60000u
#define GAP_ALARM_MS 600000u   /* of one session: what is missing when the link comes up has that long, too */
#define GAP_BUDGET 256u        /* numbers of a sender looked at in one turn */
#define GAP_SHARD_MAX 65536u   /* and once in a shard: those behind the first that is missing */

static uint64_t next_read(struct tmx_node *n, const uint8_t member[TMX_MEMBER_MAX])
{
    struct tmx_bytes value;
    return node_get(n, TMX_NT_IN_PAIR, TMX_BYTES(member, TMX_MEMBER_MAX), &value) ? node_u64(value) : 1;
}

static void next_write(struct tmx_node *n, const uint8_t member[TMX_MEMBER_MAX], uint64_t next)
{
    struct node_key value = node_key_u64(next);
    node_put(n, TMX_NT_IN_PAIR, TMX_BYTES(member, TMX_MEMBER_MAX), node_kb(&value));
}

/* The first number at or above `from` that is known; false: there is none. */
static bool known_seek(struct tmx_node *n, const uint8_t member[TMX_MEMBER_MAX], uint64_t from, uint64_t *ret_seq)
{
    struct node_key k = node_key_member_u64(member, from);
    struct tmx_bytes key, value;
    if (!node_seek(n, TMX_NT_IN_SEQ, node_kb(&k), TMX_MEMBER_MAX, &key, &value)) {
        return false;
    }
    *ret_seq = node_u64(tmx_bytes_slice(key, TMX_MEMBER_MAX, 8));
    return true;
}

static void missing(struct tmx_node *n, struct node_destination *d, uint64_t first, uint64_t last)
{
    uint8_t numbers[16];
    struct tmx_writer w = TMX_WRITER_OF(numbers);
    tmx_write_u64(&w, first);
    tmx_write_u64(&w, last);
    node_alarm_number(n, "delivery.missing", d->member, NULL, TMX_CODE_OUT_OF_ORDER, first, tmx_written(&w));
}

static void sender_look(struct tmx_node *n, struct node_destination *d)
{
    uint64_t from = next_read(n, d->member), next = from, known = 0;
    bool more = false;
    for (unsigned i = 0; i < GAP_BUDGET; i++) {
        more = known_seek(n, d->member, next, &known);
        if (!more || known != next) {
            break;
        }
        next++;
    }
    bool gap = more && known > next;
    if (!gap || d->missing != next) {
        d->missing = gap ? next : 0;
        d->missing_ms = n->now_ms;
    } else if (n->now_ms - d->missing_ms >= GAP_ALARM_MS) {
        missing(n, d, next, known - 1);
        next = known;
    }
    if (next != from) {
        next_write(n, d->member, next);
    }
}

/* While this node takes nothing, or reads what it had read before, it cannot tell what is missing. */
static bool may_tell(const struct tmx_node *n)
{
    return n->session.state == NODE_UP && n->wanted_bytes == 0 && !n->state.rebuild && !n->state.carry;
}

void node_gaps_close(struct tmx_node *n)
{
    if (n->now_ms < n->gaps_look_ms) {
        return;
    }
    n->gaps_look_ms = n->now_ms + GAP_LOOK_MS;
    for (size_t i = 0; i < n->n_destinations && n->fault == 0; i++) {
        if (may_tell(n)) {
            sender_look(n, &n->destinations[i]);
        } else {
            n->destinations[i].missing = 0;
        }
    }
}

void node_gaps_pardon(struct tmx_node *n, const Tmx__Header *resubmitted)
{
    uint8_t sender[TMX_MEMBER_MAX];
    node_member_key(tmx_pb(resubmitted->sender), sender);
    for (size_t i = 0; i < resubmitted->n_recipients; i++) {
        const Tmx__Recipient *to = resubmitted->recipients[i];
        if (tmx_bytes_eq(tmx_pb(to->member), n->config.member) && next_read(n, sender) < to->seq) {
            next_write(n, sender, to->seq);
        }
    }
}

void node_gaps_new_shard(struct tmx_node *n)
{
    for (size_t i = 0; i < n->n_destinations && n->fault == 0; i++) {
        struct node_destination *d = &n->destinations[i];
        uint64_t from = next_read(n, d->member), next = from, known = 0;
        for (unsigned k = 0; k < GAP_SHARD_MAX && known_seek(n, d->member, next, &known); k++) {
            next = known + 1;
        }
        if (next != from) {
            next_write(n, d->member, next);
        }
    }
}
