/* SPDX-License-Identifier: Apache-2.0
 * Deliveries out: READY rows in order, within the window and the credit of the member (LINK-8, QUE-5).
 */
#include <string.h>

#include "core.h"

#define DELIVER_BYTES_MAX (900u << 10)

/* Exponential, with a spread of a quarter that depends on message and attempt only. */
static uint64_t backoff_ms(const struct flight *f)
{
    uint64_t ms = (uint64_t)TMX_RETRY_MIN_MS << (f->attempts < 9 ? f->attempts - 1 : 8);
    ms = ms < TMX_RETRY_MAX_MS ? ms : TMX_RETRY_MAX_MS;
    uint64_t spread = (f->index * 0x9E3779B97F4A7C15ull + f->attempts) >> 33;
    return ms + spread % (ms / 4);
}

static void flight_sent(struct tmx_broker *b, struct peer *p, struct flight *f)
{
    f->attempts = f->attempts < UINT8_MAX ? (uint8_t)(f->attempts + 1) : UINT8_MAX;
    f->retry_ms = b->now_ms + backoff_ms(f);
    if (p->next_retry_ms == 0 || f->retry_ms < p->next_retry_ms) {
        p->next_retry_ms = f->retry_ms;
    }
}

/* A container's chunk. One that the disk has spoilt is the loss of its message, not of the others: what it was is in the header,
 * and its sender has it still. *ret_spoilt then; nothing is given. */
static bool chunk_get(struct tmx_broker *b, const uint8_t id[TMX_ID_SIZE], uint32_t chunk, uint64_t index, struct tmx_bytes *ret_data,
                      bool *ret_spoilt)
{
    struct key k = key_container(id, chunk);
    bool whole = row_get_spared(b, TMX_T_CONTAINER, key_bytes(&k), ret_data, ret_spoilt);
    if (*ret_spoilt) {
        notice(b, "container.spoilt", true, NULL, id, TMX_CODE_CONTAINER_MISMATCH, index);
    }
    return whole;
}

/* Item and container frames of one delivery; false when there is no room for them. *seen_size is what the item before it
 * in the same message has proved (LINK-12): mostly the same head. */
static bool frames_build(struct tmx_broker *b, const struct flight *f, const struct tmx_row_message *row,
                         uint64_t *seen_size, struct tmx_bytes ret_frames[2])
{
    ret_frames[1] = TMX_BYTES_NULL;
    bool proved = row->seen_size == *seen_size;
    if (!outgoing_item(b, f->index, TMX_BYTES_NULL, proved ? 0 : row->seen_size, &ret_frames[0])) {
        return false;
    }
    *seen_size = row->seen_size;
    if (f->bytes > TMX_CHUNK_SIZE) {
        return true;   /* the node asks for its chunks */
    }
    struct tmx_bytes container;
    bool spoilt;
    if (!chunk_get(b, f->message_id, 0, f->index, &container, &spoilt)) {
        return spoilt;   /* with no container: the node alarms, too, and the delivery is tried again until it expires */
    }
    return tmx_arena_copy(&b->out, container, &ret_frames[1]);
}

/* The next READY row not in flight yet: highest priority first, then acceptance. Scans each priority from where it
 * stopped; rows that are in flight are passed over. */
static bool ready_next(struct tmx_broker *b, struct peer *p, uint8_t *ret_priority, uint64_t *ret_index,
                       uint8_t ret_id[TMX_ID_SIZE])
{
    for (unsigned i = 0; i <= TMX_PRIORITY_MAX; i++) {
        uint8_t priority = (uint8_t)(TMX_PRIORITY_MAX - i);
        for (;;) {
            struct key k = key_ready(p->key, priority, p->scan_from[priority]);
            struct tmx_bytes key, value;
            if (!row_seek(b, TMX_T_READY, key_bytes(&k), TMX_MEMBER_KEY + 1, &key, &value)) {
                break;
            }
            uint64_t index = value_u64(tmx_bytes_slice(key, TMX_MEMBER_KEY + 1, 8));
            if (flight_find(p, index) == NULL) {
                assert(value.size == TMX_ID_SIZE);
                memcpy(ret_id, value.data, TMX_ID_SIZE);
                *ret_priority = priority;
                *ret_index = index;
                return true;
            }
            p->scan_from[priority] = index + 1;
        }
    }
    return false;
}

static bool has_credit(const struct peer *p, uint32_t bytes)
{
    return p->sent_messages < p->credit_messages && p->sent_bytes + bytes <= p->credit_bytes;
}

static void deliver_out(struct tmx_broker *b, struct peer *p, const struct tmx_bytes *frames, size_t n, bool redelivery)
{
    Tmx__HeadUpdate head = TMX__HEAD_UPDATE__INIT;
    Tmx__Deliver deliver = TMX__DELIVER__INIT;
    deliver.items = (uint32_t)n;
    deliver.head = outgoing_head(b, p, &head) ? &head : NULL;
    deliver.tree_size = b->signed_size;
    deliver.redelivery = redelivery;
    Tmx__Link link = TMX__LINK__INIT;
    link.body_case = TMX__LINK__BODY_DELIVER;
    link.deliver = &deliver;
    send_link(b, p, &link, frames, 2 * n);
}

/* What waited too long for an answer, once more. */
static void retries_close(struct tmx_broker *b, struct peer *p)
{
    if (p->n_flights == 0 || b->now_ms < p->next_retry_ms) {
        return;
    }
    struct tmx_bytes frames[2 * TMX_LINK_ITEMS_MAX];
    size_t n = 0, bytes = 0;
    uint64_t seen_size = 0;
    struct tmx_row_message row;
    p->next_retry_ms = UINT64_MAX;
    for (size_t i = 0; i < TMX_FLIGHT_SLOTS; i++) {
        struct flight *f = &p->flights[i];
        if (!f->used) {
            continue;
        }
        bool due = f->retry_ms <= b->now_ms;
        bool fits = n < TMX_LINK_ITEMS_MAX && bytes < DELIVER_BYTES_MAX && has_credit(p, f->bytes);
        if (due && fits && message_read(b, f->message_id, &row) && frames_build(b, f, &row, &seen_size, frames + 2 * n)) {
            p->sent_messages++;
            p->sent_bytes += f->bytes;
            bytes += frames[2 * n].size + frames[2 * n + 1].size;
            n++;
            flight_sent(b, p, f);
        } else if (due) {
            f->retry_ms = b->now_ms + TMX_RETRY_MIN_MS;   /* no credit or no room: look again later */
        }
        p->next_retry_ms = f->retry_ms < p->next_retry_ms ? f->retry_ms : p->next_retry_ms;
    }
    if (n > 0) {
        deliver_out(b, p, frames, n, true);
    }
}

bool deliver_close(struct tmx_broker *b, struct peer *p)
{
    const Tmx__Member *m = peer_member(b, p);
    if (m == NULL || m->status != TMX__MEMBER_STATUS__MEMBER_ACTIVE || p->welcome_due || stopped(b, p->key)) {
        p->next_retry_ms = b->now_ms + TMX_RETRY_MIN_MS;
        return false;   /* QUE-11, OPS-6 */
    }
    retries_close(b, p);
    struct tmx_bytes frames[2 * TMX_LINK_ITEMS_MAX];
    size_t n = 0, bytes = 0;
    uint64_t seen_size = 0;
    while (!p->scan_done && n < TMX_LINK_ITEMS_MAX && bytes < DELIVER_BYTES_MAX && p->n_flights < TMX_DELIVERY_WINDOW &&
           p->flight_bytes < TMX_DELIVERY_WINDOW_BYTES) {
        uint8_t priority, id[TMX_ID_SIZE];
        uint64_t index;
        struct tmx_row_message row;
        if (!ready_next(b, p, &priority, &index, id)) {
            p->scan_done = true;
            break;
        }
        if (!message_read(b, id, &row)) {
            broker_fault(b, -EBADMSG);
            return false;
        }
        if (!has_credit(p, row.container_bytes)) {
            break;
        }
        struct flight f = { .index = index, .bytes = row.container_bytes };
        memcpy(f.message_id, id, sizeof(f.message_id));
        if (!frames_build(b, &f, &row, &seen_size, frames + 2 * n)) {
            b->more = true;
            break;
        }
        struct flight *added = flight_add(b, p, index);
        if (added == NULL) {
            return false;
        }
        added->priority = priority;
        added->bytes = f.bytes;
        memcpy(added->message_id, id, sizeof(added->message_id));
        p->flight_bytes += f.bytes;
        p->scan_from[priority] = index + 1;
        p->sent_messages++;
        p->sent_bytes += f.bytes;
        flight_sent(b, p, added);
        bytes += frames[2 * n].size + frames[2 * n + 1].size;
        n++;
    }
    if (n > 0) {
        deliver_out(b, p, frames, n, false);
    }
    return n > 0;
}

void deliver_chunk(struct tmx_broker *b, struct peer *p, const Tmx__ChunkRequest *request)
{
    if (request->message_id.len != TMX_ID_SIZE || request->offset % TMX_CHUNK_SIZE != 0 ||
        request->offset >= TMX_CONTAINER_MAX) {
        count_malformed(b, p, TMX_CODE_MALFORMED);
        return;
    }
    if (!outgoing_room(b)) {
        return;   /* it asks again */
    }
    struct tmx_row_delivery d;
    struct tmx_bytes data = TMX_BYTES_NULL;
    if (delivery_read(b, request->message_id.data, p->key, &d)) {   /* as long as the container is here (QUE-8) */
        uint32_t n = (uint32_t)(request->offset / TMX_CHUNK_SIZE);
        bool spoilt;   /* then there is none: the node goes on with others, and asks again later */
        if (chunk_get(b, request->message_id.data, n, d.index, &data, &spoilt) && !tmx_arena_copy(&b->out, data, &data)) {
            return;
        }
        struct flight *f = flight_find(p, d.index);
        if (f != NULL) {
            f->retry_ms = b->now_ms + TMX_RETRY_MAX_MS;   /* it is being pulled */
        }
    }
    Tmx__Chunk chunk = TMX__CHUNK__INIT;
    chunk.message_id = request->message_id;
    chunk.offset = request->offset;
    Tmx__Link link = TMX__LINK__INIT;
    link.body_case = TMX__LINK__BODY_CHUNK;
    link.chunk = &chunk;
    send_link(b, p, &link, &data, 1);
}
