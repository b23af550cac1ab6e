/* SPDX-License-Identifier: Apache-2.0
 * What the node sends in a session: credit, acknowledgements, prekeys, reports, submissions. Rows say what is open; a
 * window of numbers says what of it was sent in this session and when it is sent again (LINK-11).
 */
#include <string.h>

#include "core.h"

#define LOAD_BYTES_MAX (900u << 10)   /* of payload frames in one ZeroMQ message */

static struct node_flight *slot_of(struct node_window *w, uint64_t number)
{
    struct node_flight *f = &w->slot[number % NODE_FLIGHT];
    return f->open && f->number == number ? f : NULL;
}

void node_window_add(struct node_window *w, uint64_t number, const uint8_t id[TMX_ID_SIZE], uint64_t due_ms)
{
    assert(number >= w->next && number < w->base + NODE_FLIGHT);
    struct node_flight *f = &w->slot[number % NODE_FLIGHT];
    *f = (struct node_flight){ .open = true, .number = number, .due_ms = due_ms };
    memcpy(f->id, id, sizeof(f->id));
    w->next = number + 1;
    w->due_ms = due_ms < w->due_ms ? due_ms : w->due_ms;
}

void node_window_done(struct node_window *w, uint64_t number)
{
    struct node_flight *f = slot_of(w, number);
    if (f != NULL) {
        f->open = false;
    }
    while (w->base < w->next && slot_of(w, w->base) == NULL) {
        w->base++;
    }
}

void node_window_due(struct node_window *w, uint64_t number, uint64_t due_ms)
{
    struct node_flight *f = slot_of(w, number);
    if (f != NULL) {
        f->due_ms = due_ms;
        w->due_ms = due_ms < w->due_ms ? due_ms : w->due_ms;
    }
}

bool node_window_next(struct node_window *w, uint64_t *number, uint8_t ret_id[TMX_ID_SIZE])
{
    const struct node_flight *f = NULL;
    while (*number < w->next && (f = slot_of(w, *number)) == NULL) {
        ++*number;
    }
    if (f != NULL) {
        memcpy(ret_id, f->id, TMX_ID_SIZE);
    }
    return f != NULL;
}

static void window_reset(struct tmx_node *n, struct node_window *w, uint8_t table, uint64_t last)
{
    static const uint8_t from[8];
    struct tmx_bytes key, value;
    memset(w, 0, sizeof(*w));
    w->base = node_seek(n, table, TMX_BYTES_OF(from), 0, &key, &value) ? node_u64(key) : last + 1;
    w->next = w->base;
    w->due_ms = UINT64_MAX;
}

void node_pump_reset(struct tmx_node *n)
{
    window_reset(n, &n->submits, TMX_NT_OUT_OPEN, n->state.number);
    window_reset(n, &n->reports, TMX_NT_REPORT_OPEN, n->state.report);
    n->session.publish_ms = 0;
    n->stage_asked = n->stage_at;
    n->stage_due_ms = n->now_ms + NODE_RESEND_MS;
    n->stage_from.size = 0;
    n->stage_look = true;
    n->sign_due = true;
    node_upgrade_reset(n);
}

static void defer(struct tmx_node *n, struct node_window *w, const Tmx__Deferred *d)
{
    uint64_t retry = d->retry_ms < TMX_RETRY_MIN_MS ? TMX_RETRY_MIN_MS : d->retry_ms;
    for (uint64_t number = w->base; number < w->next; number++) {
        struct node_flight *f = slot_of(w, number);
        if (f != NULL && tmx_bytes_eq(tmx_pb(d->message_id), node_id(f->id))) {
            node_window_due(w, number, n->now_ms + (retry < TMX_RETRY_MAX_MS ? retry : TMX_RETRY_MAX_MS));
            f->deferred = d->code;
            f->deferred_ms = n->now_ms;
        }
    }
}

void node_deferred(struct tmx_node *n, const Tmx__Deferred *deferred)
{
    if (deferred->message_id.len != TMX_ID_SIZE) {
        return;
    }
    const struct node_flight *oldest = slot_of(&n->submits, n->submits.base);
    if (deferred->code == TMX_CODE_OUT_OF_ORDER && n->state.resubmit != 0 && oldest != NULL &&
        oldest->number > n->state.resubmit && tmx_bytes_eq(tmx_pb(deferred->message_id), node_id(oldest->id))) {
        /* The numbers before it had their outcome in a log that is gone: the new one cannot know. */
        n->state.resubmit = oldest->number;
        n->state_dirty = true;
    }
    defer(n, &n->submits, deferred);
    defer(n, &n->reports, deferred);
    node_notice(n, "link.deferred", false, NULL, deferred->message_id.data, deferred->code, deferred->retry_ms);
}

/* The payload frames of one ZeroMQ message. */
struct load {
    struct tmx_bytes frames[2 * TMX_LINK_ITEMS_MAX];
    size_t n_frames, bytes;
    uint32_t items;
    bool resubmission;
};

static void load_send_submits(struct tmx_node *n, struct load *l)
{
    Tmx__Submit submit = TMX__SUBMIT__INIT;
    Tmx__Link link = TMX__LINK__INIT;
    submit.items = l->items;
    submit.resubmission = l->resubmission;
    link.body_case = TMX__LINK__BODY_SUBMIT;
    link.submit = &submit;
    node_link_send(n, &link, l->frames, l->n_frames);
}

static void load_send_reports(struct tmx_node *n, struct load *l)
{
    Tmx__Reports reports = TMX__REPORTS__INIT;
    Tmx__Link link = TMX__LINK__INIT;
    reports.items = l->items;
    link.body_case = TMX__LINK__BODY_REPORTS;
    link.reports = &reports;
    node_link_send(n, &link, l->frames, l->n_frames);
}

static void load_send(struct tmx_node *n, struct load *l, bool submits)
{
    if (l->items > 0 && submits) {
        load_send_submits(n, l);
    } else if (l->items > 0) {
        load_send_reports(n, l);
    }
    l->items = 0;
    l->n_frames = l->bytes = 0;
}

static bool frame_add(struct tmx_node *n, struct load *l, struct tmx_bytes frame)
{
    struct tmx_bytes copy;
    if (!tmx_arena_copy(&n->out, frame, &copy)) {
        return false;
    }
    l->frames[l->n_frames++] = copy;
    l->bytes += copy.size;
    return true;
}

/* An open number names rows that must be there. */
static bool damaged(struct tmx_node *n)
{
    node_fault(n, n->fault != 0 ? n->fault : -EBADMSG);
    return false;
}

/* What the log held when this session began is read: what this node made before and is not there never came to the broker. */
static bool read_up(const struct tmx_node *n)
{
    return n->state.feed_next >= n->session.first_head;
}

static bool submit_add(struct tmx_node *n, struct load *l, uint64_t number, const uint8_t id[TMX_ID_SIZE])
{
    struct tmx_row_out row;
    struct tmx_bytes frame;
    bool resubmission = number <= n->state.resubmit;
    if (!node_out_read(n, id, &row)) {
        return damaged(n);
    }
    bool small = row.container_bytes <= TMX_CHUNK_SIZE;
    if (resubmission != l->resubmission || l->bytes + (small ? row.container_bytes : 0) > LOAD_BYTES_MAX) {
        load_send(n, l, true);
        l->resubmission = resubmission;
    }
    if (!node_has(n, TMX_NT_OUT_SIGNED, node_id(id))) {   /* NODE-16 */
        if (n->fault == 0 && !read_up(n)) {
            return true;   /* looked at again when it would be sent again */
        }
        node_header_again(n, id, &row);
    }
    if (!node_get(n, TMX_NT_OUT_SIGNED, node_id(id), &frame)) {
        return damaged(n);
    }
    if (!frame_add(n, l, frame)) {
        return false;
    }
    frame = TMX_BYTES_NULL;
    struct node_key k = node_key_id_u32(id, 0);
    if (small && !node_get(n, TMX_NT_OUT_CONTAINER, node_kb(&k), &frame)) {
        frame = TMX_BYTES_NULL;   /* NODE-16: the broker refuses it, unless it has it; the numbers go on */
    }
    if (n->fault != 0) {
        return false;
    }
    if (!frame_add(n, l, frame)) {
        l->n_frames--;
        return false;
    }
    l->items++;
    return true;
}

static bool report_add(struct tmx_node *n, struct load *l, uint64_t number, const struct node_key *report)
{
    struct tmx_bytes value;
    if (!node_get(n, TMX_NT_REPORT, node_kb(report), &value) || value.size < 8) {   /* NODE-16 */
        if (n->fault == 0 && !read_up(n)) {
            return true;
        }
        node_report_anew(n, number, report);
        return false;
    }
    if (!frame_add(n, l, tmx_bytes_slice(value, 8, value.size - 8))) {
        return false;
    }
    l->items++;
    return true;
}

static bool item_add(struct tmx_node *n, struct load *l, bool submits, uint64_t number, const struct node_key *value)
{
    bool full = l->items == TMX_LINK_ITEMS_MAX || l->bytes > LOAD_BYTES_MAX;
    if (full) {
        load_send(n, l, submits);
    }
    return submits ? submit_add(n, l, number, value->data) : report_add(n, l, number, value);
}

static bool open_read(struct tmx_node *n, uint8_t table, uint64_t number, struct node_key *ret_value)
{
    struct node_key k = node_key_u64(number);
    struct tmx_bytes value;
    if (!node_get(n, table, node_kb(&k), &value) || value.size > TMX_KEY_MAX) {
        return false;
    }
    memcpy(ret_value->data, value.data, value.size);
    ret_value->size = value.size;
    return true;
}

static void resend(struct tmx_node *n, struct node_window *w, struct load *l, bool submits)
{
    uint8_t table = submits ? TMX_NT_OUT_OPEN : TMX_NT_REPORT_OPEN;
    if (n->now_ms < w->due_ms) {
        return;
    }
    w->due_ms = UINT64_MAX;
    for (uint64_t number = w->base; number < w->next; number++) {
        struct node_flight *f = slot_of(w, number);
        if (f == NULL) {
            continue;
        }
        struct node_key value;
        if (f->due_ms <= n->now_ms && node_room(n) && open_read(n, table, number, &value) &&
            item_add(n, l, submits, number, &value)) {
            f->due_ms = n->now_ms + NODE_RESEND_MS;
        }
        w->due_ms = f->due_ms < w->due_ms ? f->due_ms : w->due_ms;
    }
}

static void send_new(struct tmx_node *n, struct node_window *w, struct load *l, bool submits)
{
    uint8_t table = submits ? TMX_NT_OUT_OPEN : TMX_NT_REPORT_OPEN;
    while (n->fault == 0 && node_room(n)) {
        struct node_key from = node_key_u64(w->next), v;
        struct tmx_bytes key, value;
        if (!node_seek(n, table, node_kb(&from), 0, &key, &value)) {
            break;
        }
        uint64_t number = node_u64(key);
        if (w->base == w->next) {
            w->base = number;
        }
        if (number >= w->base + NODE_FLIGHT) {
            break;
        }
        assert(value.size <= sizeof(v.data) && value.size >= TMX_ID_SIZE);
        memcpy(v.data, value.data, value.size);
        v.size = value.size;
        if (!item_add(n, l, submits, number, &v)) {
            n->more = n->fault == 0;
            break;
        }
        node_window_add(w, number, v.data, n->now_ms + NODE_RESEND_MS);
    }
}

static void window_close(struct tmx_node *n, struct node_window *w, bool submits)
{
    struct load load = { .items = 0 };
    resend(n, w, &load, submits);
    send_new(n, w, &load, submits);
    load_send(n, &load, submits);
}

static void credit_close(struct tmx_node *n)
{
    struct node_session *s = &n->session;
    uint64_t messages = s->received_messages + TMX_DELIVERY_WINDOW;
    uint64_t bytes = s->received_bytes + TMX_DELIVERY_WINDOW_BYTES;
    bool due = messages - s->granted_messages >= TMX_DELIVERY_WINDOW / 2 ||
               bytes - s->granted_bytes >= TMX_DELIVERY_WINDOW_BYTES / 2;
    if (!due || n->state.rebuild) {
        return;
    }
    Tmx__Credit credit = TMX__CREDIT__INIT;
    Tmx__Link link = TMX__LINK__INIT;
    credit.messages = s->granted_messages = messages;
    credit.bytes = s->granted_bytes = bytes;
    link.body_case = TMX__LINK__BODY_CREDIT;
    link.credit = &credit;
    node_link_send(n, &link, NULL, 0);
}

/* Released after the commit that made it true (FEED-2). */
static void ack_close(struct tmx_node *n)
{
    if (n->state.feed_next <= n->session.acked) {
        return;
    }
    Tmx__FeedAck ack = TMX__FEED_ACK__INIT;
    Tmx__Link link = TMX__LINK__INIT;
    ack.feed_next = n->session.acked = n->state.feed_next;
    link.body_case = TMX__LINK__BODY_FEED_ACK;
    link.feed_ack = &ack;
    node_link_send(n, &link, NULL, 0);
}

static void publish_close(struct tmx_node *n)
{
    struct tmx_bytes value, frame;
    if (n->state.prekeys_logged || n->now_ms < n->session.publish_ms ||
        !node_get(n, TMX_NT_META, TMX_LIT("prekeys"), &value) || !tmx_arena_copy(&n->out, value, &frame)) {
        return;
    }
    Tmx__Publish publish = TMX__PUBLISH__INIT;
    Tmx__Link link = TMX__LINK__INIT;
    link.body_case = TMX__LINK__BODY_PUBLISH;
    link.publish = &publish;
    n->session.publish_ms = n->now_ms + NODE_RESEND_MS;
    node_link_send(n, &link, &frame, 1);
}

void node_pump_close(struct tmx_node *n)
{
    if (n->session.state != NODE_UP || n->busy) {
        return;   /* rows keep what is to be said */
    }
    credit_close(n);
    ack_close(n);
    if (node_directory_behind(n) || n->state.rebuild || n->state.carry) {
        return;   /* DIR-6, NODE-10, LOG-4 */
    }
    publish_close(n);
    window_close(n, &n->reports, false);
    window_close(n, &n->submits, true);
    node_upgrade_close(n);
}
