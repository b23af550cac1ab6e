/* SPDX-License-Identifier: Apache-2.0
 * What happens because time passed: expiry, silent links, revoked destinations, the end of retention; and whether the
 * clock can be believed (QUE-7, QUE-8, QUE-12, LINK-4, DIR-7).
 */
#include <string.h>

#include "core.h"

#define LINK_SILENT_MS 20000u
#define CLOCK_DOUBT_MS 300000u
#define ENDS_PER_TURN 256u

static bool near(uint64_t a, uint64_t b)
{
    return tmx_apart(a, b) <= CLOCK_DOUBT_MS;
}

/* After a start a clock may stand anywhere: it is believed once a linked member agrees. Then it is believed while it keeps
 * step with the monotonic one; after a jump only when most linked members agree with it; and never while most of them
 * disagree. */
void clock_observe(struct tmx_broker *b, uint64_t mono_ms, uint64_t wall_us)
{
    b->now_ms = mono_ms > b->now_ms ? mono_ms : b->now_ms;
    b->wall_us = wall_us;
    b->wall_ms = wall_us / 1000;
    uint64_t base = b->wall_ms - b->now_ms;
    size_t agree = 0, linked = 0;
    for (size_t i = 0; i < b->n_peers; i++) {
        if (b->peers[i].up) {
            linked++;
            agree += near(b->peers[i].clock_base_ms, base) ? 1 : 0;
        }
    }
    bool jumped = !near(base, b->clock_base_ms);
    bool alone = linked >= 2 && 2 * agree < linked;
    bool agreed = linked >= 1 && 2 * agree > linked;
    bool doubt = alone || ((jumped || !b->clock_confirmed) && !agreed);
    b->clock_confirmed = b->clock_confirmed || (agreed && !alone);
    if (!doubt) {
        b->clock_base_ms = base;
    }
    if (doubt != b->clock_doubt) {
        b->clock_doubt = doubt;
        notice(b, doubt ? "clock.doubt" : "clock.trusted", doubt, NULL, NULL, TMX_CODE_CLOCK, b->wall_ms);
    }
}

static void expire_due(struct tmx_broker *b)
{
    uint64_t leaf_ms = b->wall_ms > b->leaf_ms ? b->wall_ms : b->leaf_ms;
    if (leaf_ms < b->next_due_ms) {
        return;
    }
    static const uint8_t lowest[1];
    for (unsigned n = 0; n < ENDS_PER_TURN; n++) {
        struct tmx_bytes key, value;
        if (!row_seek(b, TMX_T_DUE, TMX_BYTES_OF(lowest), 0, &key, &value)) {
            b->next_due_ms = UINT64_MAX;
            return;
        }
        b->next_due_ms = value_u64(tmx_bytes_slice(key, 0, 8));
        if (b->next_due_ms > leaf_ms) {
            return;
        }
        uint8_t id[TMX_ID_SIZE], member[TMX_MEMBER_KEY];
        memcpy(id, key.data + 8, sizeof(id));
        memcpy(member, key.data + 8 + sizeof(id), sizeof(member));
        queue_end(b, id, member, TMX_DELIVERY_EXPIRED, TMX_CODE_OK);
    }
    b->more = true;
}

/* A revoked member's queue: no arrival any more. */
static void end_revoked(struct tmx_broker *b, struct peer *p)
{
    for (unsigned n = 0; n < ENDS_PER_TURN; n++) {
        struct key from = key_member(p->key);
        struct tmx_bytes key, value;
        if (!row_seek(b, TMX_T_READY, key_bytes(&from), TMX_MEMBER_KEY, &key, &value)) {
            return;
        }
        uint8_t id[TMX_ID_SIZE];
        memcpy(id, value.data, sizeof(id));
        queue_end(b, id, p->key, TMX_DELIVERY_EXCEPTION, TMX_CODE_RECIPIENT_REVOKED);
    }
    b->more = true;
}

/* What an operator holds is in no queue to be sent from; where the recipient is gone it ends as well. */
static bool end_held(struct tmx_broker *b, struct peer *p)
{
    uint8_t id[TMX_ID_SIZE];
    for (unsigned n = 0; n < ENDS_PER_TURN; n++) {
        if (!held_first(b, p->key, id)) {
            return true;
        }
        queue_end(b, id, p->key, TMX_DELIVERY_EXCEPTION, TMX_CODE_RECIPIENT_REVOKED);
    }
    b->more = true;
    return false;
}

static void feed_ack_store(struct tmx_broker *b, struct peer *p)
{
    uint8_t data[8];
    struct tmx_writer w = TMX_WRITER_OF(data);
    tmx_write_u64(&w, p->feed_acked);
    struct key k = key_member(p->key);
    row_put(b, TMX_T_FEED_ACK, key_bytes(&k), tmx_written(&w));
    p->feed_ack_dirty = false;
}

void timers_run(struct tmx_broker *b)
{
    bool logs = !b->halted && !b->closing;
    if (!b->clock_doubt && logs) {
        expire_due(b);
    }
    if (logs) {
        retention_run(b);
        proposals_lapse(b);
    }
    bool beat = b->now_ms - b->last_beat_ms >= TICK_MS;
    for (size_t i = 0; i < b->n_peers; i++) {
        struct peer *p = &b->peers[i];
        if (p->up && b->now_ms - p->last_frame_ms > LINK_SILENT_MS) {
            link_down(b, p, "link.silent");
        }
        const Tmx__Member *m = peer_member(b, p);
        if (m != NULL && m->status == TMX__MEMBER_STATUS__MEMBER_REVOKED && logs && !b->clock_doubt) {
            if (end_held(b, p)) {
                end_revoked(b, p);
            }
        }
        staging_close(b, p);
        /* Only a hint for a node that was restored: it rides on a commit that happens anyway, or once a second. */
        if (p->feed_ack_dirty && (b->dirty || beat)) {
            feed_ack_store(b, p);
        }
        p->limits_due = p->limits_due || (beat && p->starved);
    }
    if (beat) {
        b->last_beat_ms = b->now_ms;
    }
}

uint64_t timers_deadline(struct tmx_broker *b)
{
    if (b->more) {
        return 0;
    }
    uint64_t deadline = b->now_ms + TICK_MS, round = witness_deadline(b);
    deadline = round < deadline ? round : deadline;
    uint64_t next_ms = b->next_erase_ms < b->next_due_ms ? b->next_erase_ms : b->next_due_ms;
    next_ms = b->next_lapse_ms < next_ms ? b->next_lapse_ms : next_ms;
    if (!b->clock_doubt && !b->halted && !b->closing && next_ms != UINT64_MAX) {
        uint64_t in = next_ms > b->wall_ms ? next_ms - b->wall_ms : 0;
        deadline = b->now_ms + in < deadline ? b->now_ms + in : deadline;
    }
    for (size_t i = 0; i < b->n_peers; i++) {
        const struct peer *p = &b->peers[i];
        if (p->up && !p->busy && p->n_flights > 0 && p->next_retry_ms < deadline) {
            deadline = p->next_retry_ms;
        }
    }
    return deadline > b->now_ms ? deadline : b->now_ms + 1;
}
