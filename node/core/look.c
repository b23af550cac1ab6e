/* SPDX-License-Identifier: Apache-2.0
 * A closer look at one message, the inbox and the events, for whoever asks why something does not go on or follows what does.
 * Reads only, between turns.
 */
#include <string.h>

#include "core.h"

#define LOOK_ROWS_MAX 1000u

static uint64_t accepted_ms(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE])
{
    struct tmx_bytes value;
    Tmx__Leased *info;
    size_t used = n->scratch.used;
    bool good = node_get(n, TMX_NT_IN_INFO, node_id(id), &value) &&
                tmx_codec_unpack(&tmx__leased__descriptor, value, value.size, &n->scratch, &info) == TMX_CODEC_OK;
    uint64_t ms = good ? info->accepted_ms : 0;
    tmx_arena_rewind(&n->scratch, used);
    return ms;
}

/* The open message of that sender with that number, among the newest; false: none of them is it. */
static bool blocker_find(struct tmx_node *n, const struct tmx_row_in *row, uint8_t ret_id[TMX_ID_SIZE])
{
    struct node_key at = { .data = { TMX_INDEX_OPEN }, .size = 1 };
    struct tmx_bytes key, value;
    for (unsigned i = 0; i < LOOK_ROWS_MAX && node_seek(n, TMX_NT_INDEX, node_kb(&at), 1, &key, &value); i++) {
        uint8_t id[TMX_ID_SIZE];
        struct tmx_row_in other;
        bool received = key.data[key.size - 1] == TMX_DIRECTION_RECEIVED;
        for (size_t k = 0; k < TMX_ID_SIZE; k++) {
            id[k] = (uint8_t)~key.data[1 + k];
        }
        at = node_key_after(key);
        if (received && node_in_read(n, id, &other) && other.seq == row->waits_for &&
            memcmp(other.sender, row->sender, sizeof(other.sender)) == 0) {
            memcpy(ret_id, id, TMX_ID_SIZE);
            return true;
        }
    }
    return false;
}

bool tmx_node_look(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], struct tmx_node_look *ret_look)
{
    struct tmx_node_look v = { .sent = node_out_read(n, id, &v.out), .received = false };
    v.received = node_in_read(n, id, &v.in);
    if (v.sent && v.out.state == TMX_OUT_WAITING) {
        uint8_t first[1][TMX_ID_SIZE];
        size_t count = tmx_node_queue(n, node_member_code(v.out.wait_member), first, 1);
        v.first = count == 1 && memcmp(first[0], id, TMX_ID_SIZE) == 0;
        memcpy(v.before, first[0], count == 1 ? TMX_ID_SIZE : 0);
    }
    if (v.received) {
        v.accepted_ms = accepted_ms(n, id);
        v.before_known = v.in.state == TMX_IN_BLOCKED && blocker_find(n, &v.in, v.before);
    }
    *ret_look = v;
    return v.sent || v.received;
}

static bool goes_to(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], struct tmx_bytes member)
{
    struct tmx_row_out row;
    bool found = false;
    for (size_t i = 0; node_out_read(n, id, &row) && i < row.n && !found; i++) {
        found = tmx_bytes_eq(node_member_code(row.deliveries[i].member), member);
    }
    return found;
}

bool tmx_node_deferral(struct tmx_node *n, const uint8_t *id, struct tmx_bytes member, struct tmx_node_deferral *ret_deferral)
{
    const struct node_window *w = &n->submits;
    for (uint64_t number = w->base; number < w->next; number++) {
        const struct node_flight *f = &w->slot[number % NODE_FLIGHT];
        if (!f->open || f->number != number || f->deferred == TMX_CODE_OK) {
            continue;
        }
        bool wanted = id != NULL ? memcmp(f->id, id, TMX_ID_SIZE) == 0
                                 : f->deferred != TMX_CODE_OUT_OF_ORDER && goes_to(n, f->id, member);
        if (wanted) {
            *ret_deferral = (struct tmx_node_deferral){ .code = f->deferred, .at_ms = f->deferred_ms };
            memcpy(ret_deferral->id, f->id, TMX_ID_SIZE);
            return true;
        }
    }
    return false;
}

static void text_of(struct tmx_bytes b, char *ret_text, size_t max)
{
    const size_t size = b.size < max ? b.size : max;
    memcpy(ret_text, b.size > 0 ? b.data : (const uint8_t *)"", size);
    ret_text[size] = '\0';
}

/* The type stands with what was submitted, not in the row. */
static bool brief_sent(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], struct tmx_node_brief_view *v)
{
    struct tmx_row_out row;
    struct tmx_bytes value;
    Tmx__SubmitRequest *info;
    const size_t used = n->scratch.used;
    const bool good = node_out_read(n, id, &row) && node_get(n, TMX_NT_OUT_INFO, node_id(id), &value) &&
                      tmx_codec_unpack(&tmx__submit_request__descriptor, value, value.size, &n->scratch, &info) == TMX_CODEC_OK;
    if (good) {
        text_of(n->config.member, v->sender, TMX_MEMBER_MAX);
        text_of(tmx_pb(info->message_type), v->type, TMX_TYPE_MAX);
        v->at_ms = row.submitted_ms;
        v->bytes = row.payload_bytes;
        v->n = row.n;
        for (size_t i = 0; i < row.n; i++) {
            text_of(node_member_code(row.deliveries[i].member), v->recipients[i], TMX_MEMBER_MAX);
        }
    }
    tmx_arena_rewind(&n->scratch, used);
    return good;
}

bool tmx_node_brief(struct tmx_node *n, unsigned direction, const uint8_t id[TMX_ID_SIZE], struct tmx_node_brief_view *ret_view)
{
    struct tmx_row_in row;
    if (direction == TMX_DIRECTION_SENT) {
        return brief_sent(n, id, ret_view);
    }
    if (!node_in_read(n, id, &row)) {
        return false;
    }
    *ret_view = (struct tmx_node_brief_view){ .at_ms = accepted_ms(n, id), .bytes = row.container_bytes, .n = 1 };
    text_of(node_member_code(row.sender), ret_view->sender, TMX_MEMBER_MAX);
    text_of(TMX_BYTES(row.type, strnlen((const char *)row.type, TMX_TYPE_MAX)), ret_view->type, TMX_TYPE_MAX);
    text_of(n->config.member, ret_view->recipients[0], TMX_MEMBER_MAX);
    return true;
}

void tmx_node_inbox(struct tmx_node *n, struct tmx_node_inbox_view *ret_view)
{
    struct tmx_node_inbox_view v = { .oldest_ms = UINT64_MAX };
    struct node_key at = { .size = 1 };
    struct tmx_bytes key, value;
    for (unsigned i = 0; i < LOOK_ROWS_MAX && node_seek(n, TMX_NT_IN_READY, node_kb(&at), 0, &key, &value); i++) {
        uint8_t id[TMX_ID_SIZE];
        struct tmx_row_in row;
        memcpy(id, value.data, sizeof(id));
        at = node_key_after(key);
        uint64_t ms = accepted_ms(n, id);
        v.oldest_ms = ms < v.oldest_ms ? ms : v.oldest_ms;
        v.lapses = node_in_read(n, id, &row) && row.lapses > v.lapses ? row.lapses : v.lapses;
    }
    at = (struct node_key){ .data = { TMX_INDEX_OPEN }, .size = 1 };
    for (unsigned i = 0; n->state.held > 0 && !v.held && i < LOOK_ROWS_MAX && node_seek(n, TMX_NT_INDEX, node_kb(&at), 1, &key, &value);
         i++) {
        struct tmx_row_in row;
        bool received = key.data[key.size - 1] == TMX_DIRECTION_RECEIVED;
        for (size_t k = 0; k < TMX_ID_SIZE; k++) {
            v.held_id[k] = (uint8_t)~key.data[1 + k];
        }
        at = node_key_after(key);
        v.held = received && node_in_read(n, v.held_id, &row) && row.state == TMX_IN_HELD;
    }
    *ret_view = v;
}

/* From the newest back, to the first that is older: they are numbered as they came. */
void tmx_node_alarms(struct tmx_node *n, uint64_t within_ms, struct tmx_node_alarms_view *ret_view)
{
    struct tmx_node_alarms_view v = { 0 };
    struct tmx_bytes value;
    for (uint64_t number = n->state.alarm; number > 0 && v.n < TMX_NODE_ALARMS_MAX; number--) {
        struct node_key k = node_key_u64(number);
        if (!node_get(n, TMX_NT_ALARM, node_kb(&k), &value)) {
            break;
        }
        struct tmx_reader r = tmx_reader_init(value);
        uint64_t at_ms = tmx_read_u64(&r);
        struct tmx_bytes event = tmx_read_bytes(&r, tmx_read_u16(&r));
        uint64_t age_ms = n->wall_ms > at_ms ? n->wall_ms - at_ms : 0;
        if (age_ms >= within_ms) {
            break;
        }
        if (v.n++ == 0) {
            v.age_ms = age_ms;
            memcpy(v.event, event.data, event.size < sizeof(v.event) ? event.size : sizeof(v.event) - 1);
        }
    }
    *ret_view = v;
}

uint64_t tmx_node_events_end(const struct tmx_node *n)
{
    return n->state.cursor;
}

/* Of a message received; what else there is was sent by this node. */
static struct tmx_bytes sender_of(struct tmx_node *n, const Tmx__Event *event, uint8_t sender[TMX_MEMBER_MAX])
{
    struct tmx_row_in row;
    if (event->message_id.len == TMX_ID_SIZE && node_in_read(n, event->message_id.data, &row)) {
        memcpy(sender, row.sender, TMX_MEMBER_MAX);
        return node_member_code(sender);
    }
    return n->config.member;
}

uint64_t tmx_node_events(struct tmx_node *n, uint64_t after, unsigned max, tmx_node_event_fn *fn, void *ctx)
{
    uint64_t cursor = after < n->state.cursor ? after : n->state.cursor;
    for (unsigned i = 0; i < max && cursor < n->state.cursor; i++) {
        struct node_key k = node_key_u64(++cursor);
        struct tmx_bytes value, copy;
        Tmx__Event *event;
        uint8_t sender[TMX_MEMBER_MAX];
        size_t used = n->scratch.used;
        if (node_get(n, TMX_NT_EVENT, node_kb(&k), &value) && tmx_arena_copy(&n->scratch, value, &copy) &&
            tmx_codec_unpack(&tmx__event__descriptor, copy, copy.size, &n->scratch, &event) == TMX_CODEC_OK) {
            fn(ctx, event, sender_of(n, event, sender));
        }
        tmx_arena_rewind(&n->scratch, used);
    }
    return cursor;
}

bool tmx_node_container_front(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], struct tmx_bytes *ret_front)
{
    struct node_key k = node_key_id_u32(id, 0);
    return node_get(n, TMX_NT_OUT_CONTAINER, node_kb(&k), ret_front) || node_get(n, TMX_NT_IN_CONTAINER, node_kb(&k), ret_front);
}
