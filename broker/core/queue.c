/* SPDX-License-Identifier: Apache-2.0
 * Queues: lanes, what may be sent now, and the bookkeeping when a delivery leaves (QUE-5 … QUE-8).
 *
 * A delivery with a label waits in LANE; only the head of a lane has a READY row. Deliveries without a label are
 * READY at once. READY is ordered as they are to be sent: by priority, then acceptance.
 */
#include <sodium.h>
#include <string.h>

#include "core.h"

/* How many waiting messages of a lane are looked at for its priority. */
#define LANE_SCAN_MAX 64u

static bool has_label(const struct tmx_row_delivery *d)
{
    return !sodium_is_zero(d->label, sizeof(d->label));
}

static void ready_insert(struct tmx_broker *b, const uint8_t id[TMX_ID_SIZE], const uint8_t member[TMX_MEMBER_KEY],
                         struct tmx_row_delivery *d, uint8_t priority)
{
    struct key k = key_ready(member, priority, d->index);
    row_insert(b, TMX_T_READY, key_bytes(&k), TMX_BYTES(id, TMX_ID_SIZE));
    d->ready_priority = priority;
    struct peer *p = peer_find(b, member);
    if (p != NULL) {
        p->scan_done = false;
        if (p->scan_from[priority] > d->index) {
            p->scan_from[priority] = d->index;
        }
    }
}

static void ready_delete(struct tmx_broker *b, const uint8_t member[TMX_MEMBER_KEY], struct tmx_row_delivery *d)
{
    if (d->ready_priority == TMX_NOT_READY) {
        return;
    }
    struct key k = key_ready(member, d->ready_priority, d->index);
    row_delete(b, TMX_T_READY, key_bytes(&k));
    d->ready_priority = TMX_NOT_READY;
}

/* Head of the lane of `d`: message id and its row. */
static bool lane_head(struct tmx_broker *b, const uint8_t member[TMX_MEMBER_KEY], const struct tmx_row_delivery *d,
                      uint8_t ret_id[TMX_ID_SIZE], struct tmx_row_delivery *ret_head)
{
    struct tmx_row_delivery first = *d;
    first.index = 0;
    struct key k = key_lane(member, &first);
    struct tmx_bytes key, value;
    if (!row_seek(b, TMX_T_LANE, key_bytes(&k), k.size - 8, &key, &value)) {
        return false;
    }
    assert(value.size == TMX_ID_SIZE);
    memcpy(ret_id, value.data, TMX_ID_SIZE);
    return delivery_read(b, ret_id, member, ret_head);
}

static uint8_t lane_priority(struct tmx_broker *b, const uint8_t member[TMX_MEMBER_KEY],
                             const struct tmx_row_delivery *head)
{
    uint8_t priority = head->priority;
    struct tmx_row_delivery at = *head;
    for (unsigned i = 0; i < LANE_SCAN_MAX; i++) {
        at.index++;
        struct key k = key_lane(member, &at);
        struct tmx_bytes key, value;
        if (!row_seek(b, TMX_T_LANE, key_bytes(&k), k.size - 8, &key, &value)) {
            break;
        }
        at.index = value_u64(tmx_bytes_slice(key, key.size - 8, 8));
        uint8_t id[TMX_ID_SIZE];
        memcpy(id, value.data, TMX_ID_SIZE);
        struct tmx_row_delivery waiting;
        if (delivery_read(b, id, member, &waiting) && waiting.priority > priority) {
            priority = waiting.priority;
        }
    }
    return priority;
}

/* A waiting message lifts the whole lane; a head in flight is on its way already. */
static void lane_lift(struct tmx_broker *b, const uint8_t head_id[TMX_ID_SIZE], const uint8_t member[TMX_MEMBER_KEY],
                      struct tmx_row_delivery *head, uint8_t priority)
{
    struct peer *p = peer_find(b, member);
    if (head->ready_priority == TMX_NOT_READY || head->ready_priority >= priority ||
        (p != NULL && flight_find(p, head->index) != NULL)) {
        return;
    }
    ready_delete(b, member, head);
    ready_insert(b, head_id, member, head, priority);
    delivery_write(b, head_id, member, head, false);
}

void queue_enqueue(struct tmx_broker *b, const uint8_t id[TMX_ID_SIZE], const uint8_t member[TMX_MEMBER_KEY],
                   struct tmx_row_delivery *d)
{
    d->state = TMX_DELIVERY_QUEUED;
    d->ready_priority = TMX_NOT_READY;
    uint8_t head_id[TMX_ID_SIZE];
    struct tmx_row_delivery head;
    if (!has_label(d)) {
        ready_insert(b, id, member, d, d->priority);
    } else if (lane_head(b, member, d, head_id, &head)) {
        lane_lift(b, head_id, member, &head, d->priority);
    } else {
        ready_insert(b, id, member, d, d->priority);
    }
    if (has_label(d)) {
        struct key k = key_lane(member, d);
        row_insert(b, TMX_T_LANE, key_bytes(&k), TMX_BYTES(id, TMX_ID_SIZE));
    }
    struct key due = key_due(d->expires_ms, id, member);
    row_insert(b, TMX_T_DUE, key_bytes(&due), TMX_BYTES_NULL);
    if (d->expires_ms < b->next_due_ms) {
        b->next_due_ms = d->expires_ms;
    }
    delivery_write(b, id, member, d, true);
    struct tmx_row_destination at;
    destination_read(b, member, &at);
    at.queued++;
    at.queued_bytes += d->container_bytes;
    at.accepted++;
    destination_write(b, member, &at);
    ages_enter(b, member, d);
}

/* The first of the lane may go, unless an operator holds it: then what is behind it waits, too. */
static void lane_open(struct tmx_broker *b, const uint8_t member[TMX_MEMBER_KEY], const struct tmx_row_delivery *left)
{
    uint8_t id[TMX_ID_SIZE];
    struct tmx_row_delivery head;
    if (!lane_head(b, member, left, id, &head) || head.ready_priority != TMX_NOT_READY || held(b, id, member)) {
        return;
    }
    ready_insert(b, id, member, &head, lane_priority(b, member, &head));
    delivery_write(b, id, member, &head, false);
}

void queue_hold(struct tmx_broker *b, const uint8_t id[TMX_ID_SIZE], const uint8_t member[TMX_MEMBER_KEY], struct tmx_row_delivery *d)
{
    assert(d->state == TMX_DELIVERY_QUEUED);
    struct peer *p = peer_find(b, member);
    if (p != NULL) {
        flight_remove(p, d->index);
    }
    ready_delete(b, member, d);
    delivery_write(b, id, member, d, false);
}

void queue_release(struct tmx_broker *b, const uint8_t id[TMX_ID_SIZE], const uint8_t member[TMX_MEMBER_KEY],
                   struct tmx_row_delivery *d)
{
    assert(d->state == TMX_DELIVERY_QUEUED && d->ready_priority == TMX_NOT_READY);
    if (has_label(d)) {
        lane_open(b, member, d);
    } else {
        ready_insert(b, id, member, d, d->priority);
        delivery_write(b, id, member, d, false);
    }
}

void queue_ended(struct tmx_broker *b, const uint8_t id[TMX_ID_SIZE], struct tmx_row_message *m)
{
    assert(m->n_open > 0);
    m->n_open--;
    if (m->n_open == 0) {
        retention_ended(b, id, m);
    }
}

void queue_leave(struct tmx_broker *b, const uint8_t id[TMX_ID_SIZE], const uint8_t member[TMX_MEMBER_KEY],
                 struct tmx_row_delivery *d, struct tmx_row_message *m)
{
    assert(d->state == TMX_DELIVERY_QUEUED && m->n_queued > 0);
    ages_leave(b, id, member, d);
    ready_delete(b, member, d);
    struct peer *p = peer_find(b, member);
    if (p != NULL) {
        flight_remove(p, d->index);
    }
    held_clear(b, id, member);
    struct key due = key_due(d->expires_ms, id, member);
    row_delete(b, TMX_T_DUE, key_bytes(&due));
    if (has_label(d)) {
        struct key k = key_lane(member, d);
        row_delete(b, TMX_T_LANE, key_bytes(&k));
        lane_open(b, member, d);
    }
    m->n_queued--;
    struct tmx_row_destination at;
    destination_read(b, member, &at);
    assert(b->fault != 0 || at.queued > 0);
    at.queued--;
    at.queued_bytes -= d->container_bytes;
    at.arrived++;
    destination_write(b, member, &at);
}

void queue_end(struct tmx_broker *b, const uint8_t id[TMX_ID_SIZE], const uint8_t member[TMX_MEMBER_KEY],
               enum tmx_delivery_state state, unsigned code)
{
    struct tmx_row_message m;
    struct tmx_row_delivery d;
    if (!message_read(b, id, &m) || !delivery_read(b, id, member, &d)) {
        return;
    }
    assert(d.state == TMX_DELIVERY_QUEUED || (d.state == TMX_DELIVERY_ARRIVED && code == TMX_CODE_RECIPIENT_LOST));
    tmx_arena_reset(&b->scratch);
    Tmx__LogRef ref = TMX__LOG_REF__INIT;
    ref.shard = tmx_to_pb(tmx_bytes_str(b->shard));
    ref.index = d.index;
    Tmx__LogEntry entry = TMX__LOG_ENTRY__INIT;
    entry.kind = state == TMX_DELIVERY_EXPIRED ? TMX__ENTRY_KIND__ENTRY_EXPIRED : TMX__ENTRY_KIND__ENTRY_EXCEPTION;
    entry.member = tmx_to_pb(tmx_member_code(m.sender));
    entry.message_id = tmx_to_pb(TMX_BYTES(id, TMX_ID_SIZE));
    entry.header_digest = tmx_to_pb(TMX_BYTES_OF(m.header_digest));
    entry.recipient = tmx_to_pb(tmx_member_code(member));
    entry.reference = &ref;
    entry.code = code;
    entry.number = d.seq;   /* the recipient may never have seen the header: so it learns which number is settled */
    uint64_t index = ledger_append(b, &entry);
    ledger_feed(b, m.sender, index, TMX_FEED_ALWAYS);
    ledger_feed(b, member, index, TMX_FEED_ALWAYS);
    if (d.state == TMX_DELIVERY_QUEUED) {
        queue_leave(b, id, member, &d, &m);
    }
    queue_ended(b, id, &m);
    message_write(b, id, &m, false);
    d.state = state;
    d.outcome_index = index;
    delivery_write(b, id, member, &d, false);
    struct tmx_row_destination at;
    destination_read(b, member, &at);
    at.arrived--;
    at.terminal++;
    destination_write(b, member, &at);
    b->counters.expired += state == TMX_DELIVERY_EXPIRED ? 1 : 0;
    notice(b, state == TMX_DELIVERY_EXPIRED ? "delivery.expired" : "delivery.exception", false, member, id, code, index);
}

/* In flight: a small open-addressed table per member, keyed by acceptance index. */

static size_t flight_slot(uint64_t index)
{
    return (size_t)((index * 0x9E3779B97F4A7C15ull) >> 32) & (TMX_FLIGHT_SLOTS - 1u);
}

struct flight *flight_find(struct peer *p, uint64_t index)
{
    if (p->flights == NULL) {
        return NULL;
    }
    for (size_t i = flight_slot(index), n = 0; n < TMX_FLIGHT_SLOTS; n++, i = (i + 1) & (TMX_FLIGHT_SLOTS - 1u)) {
        if (!p->flights[i].used) {
            return NULL;
        }
        if (p->flights[i].index == index) {
            return &p->flights[i];
        }
    }
    return NULL;
}

struct flight *flight_add(struct tmx_broker *b, struct peer *p, uint64_t index)
{
    if (p->flights == NULL) {
        p->flights = calloc(TMX_FLIGHT_SLOTS, sizeof(*p->flights));
        if (p->flights == NULL) {
            broker_fault(b, -ENOMEM);
            return NULL;
        }
    }
    assert(p->n_flights < TMX_DELIVERY_WINDOW);
    size_t i = flight_slot(index);
    while (p->flights[i].used) {
        i = (i + 1) & (TMX_FLIGHT_SLOTS - 1u);
    }
    p->flights[i] = (struct flight){ .used = true, .index = index };
    p->n_flights++;
    return &p->flights[i];
}

void flight_remove(struct peer *p, uint64_t index)
{
    struct flight *f = flight_find(p, index);
    if (f == NULL) {
        return;
    }
    p->flight_bytes -= f->bytes;
    p->n_flights--;
    p->scan_done = false;
    /* Close the gap: entries behind it that belong before it move up. */
    size_t hole = (size_t)(f - p->flights);
    size_t i = hole;
    for (;;) {
        i = (i + 1) & (TMX_FLIGHT_SLOTS - 1u);
        if (!p->flights[i].used) {
            break;
        }
        size_t home = flight_slot(p->flights[i].index);
        if (((i - home) & (TMX_FLIGHT_SLOTS - 1u)) >= ((i - hole) & (TMX_FLIGHT_SLOTS - 1u))) {
            p->flights[hole] = p->flights[i];
            hole = i;
        }
    }
    p->flights[hole].used = false;
}

void flight_clear(struct peer *p)
{
    if (p->flights != NULL) {
        memset(p->flights, 0, TMX_FLIGHT_SLOTS * sizeof(*p->flights));
    }
    p->n_flights = 0;
    p->flight_bytes = 0;
    p->next_retry_ms = 0;
}
