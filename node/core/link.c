/* SPDX-License-Identifier: Apache-2.0
 * The session with the broker (LINK-n): hello, numbering, frames in, pings, time-outs and back-off.
 */
#include <string.h>

#include "core.h"

#define PING_MS 5000u
#define PING_LATEST_MS 30000u
#define SILENCE_MS 15000u
#define HELLO_MS 15000u
#define STABLE_MS 5000u           /* a session that lived so long is followed by another at once */
#define BACKOFF_MIN_MS 1000u
#define BACKOFF_MAX_MS 60000u

bool node_room(struct tmx_node *n)
{
    bool room = n->out.used < NODE_OUT_BUDGET && n->n_sends < TMX_NODE_SENDS_MAX / 2;
    n->more = n->more || !room;
    return room;
}

static bool queue_send(struct tmx_node *n, const Tmx__Link *link, const struct tmx_bytes *payload, size_t n_payload)
{
    struct tmx_bytes control;
    if (n->n_sends == TMX_NODE_SENDS_MAX || tmx_codec_pack(link, &n->out, &control) != TMX_CODEC_OK) {
        return false;
    }
    struct tmx_bytes *frames = tmx_arena_alloc(&n->out, (n_payload + 1) * sizeof(*frames));
    if (frames == NULL) {
        return false;
    }
    assert(control.size <= TMX_CONTROL_MAX && n_payload < TMX_FRAMES_MAX);
    frames[0] = control;
    for (size_t i = 0; i < n_payload; i++) {
        frames[i + 1] = payload[i];
    }
    n->sends[n->n_sends++] = (struct tmx_node_send){ .n_frames = n_payload + 1, .frames = frames };
    n->session.last_out_ms = n->now_ms;
    return true;
}

void node_link_send(struct tmx_node *n, Tmx__Link *link, const struct tmx_bytes *payload, size_t n_payload)
{
    if (n->session.state != NODE_UP && n->session.state != NODE_MUTE) {
        return;
    }
    link->session = n->session.number_session;
    link->number = n->session.out_number + 1;
    if (queue_send(n, link, payload, n_payload)) {
        n->session.out_number++;
    } else {
        node_link_lost(n, "link.overload", false);   /* a gap would be refused anyway */
    }
}

/* 1 s doubling to 60 s, spread over a quarter to both sides. */
/* The first hello of a process often finds no connection yet; a later one waits for a slow network. */
static uint64_t hello_wait(const struct node_session *s)
{
    uint64_t wait_ms = s->attempts < 4 ? 1000u << s->attempts : HELLO_MS;
    return wait_ms < HELLO_MS ? wait_ms : HELLO_MS;
}

static uint64_t backoff(struct tmx_node *n)
{
    unsigned attempts = n->session.attempts < 6 ? n->session.attempts : 6;
    uint64_t ms = (uint64_t)BACKOFF_MIN_MS << attempts;
    ms = ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS;
    uint32_t spread;
    node_random(n, &spread, sizeof(spread));
    return ms - ms / 4 + spread % (ms / 2);
}

void node_link_lost(struct tmx_node *n, const char *why, bool at_once)
{
    struct node_session *s = &n->session;
    bool was = s->state == NODE_UP || s->state == NODE_MUTE;
    uint64_t session = s->number_session;
    unsigned attempts = s->attempts;
    *s = (struct node_session){ .state = NODE_DOWN, .attempts = attempts, .last_in_ms = s->last_in_ms };
    s->retry_ms = n->now_ms + (at_once ? 0 : backoff(n));
    s->attempts++;
    if (was) {
        node_notice(n, why, false, NULL, NULL, TMX_CODE_OK, session);
    }
}

/* Of number 0: it is heard although what was sent before it is still on its way, or lost. */
void node_link_end(struct tmx_node *n)
{
    struct node_session *s = &n->session;
    Tmx__Bye bye = TMX__BYE__INIT;
    Tmx__Link link = TMX__LINK__INIT;
    bye.code = TMX_CODE_OK;
    link.session = s->number_session;
    link.body_case = TMX__LINK__BODY_BYE;
    link.bye = &bye;
    if (s->state == NODE_UP || s->state == NODE_MUTE) {
        (void)!queue_send(n, &link, NULL, 0);   /* without it the broker learns it from the silence */
    }
    *s = (struct node_session){ .state = NODE_DOWN, .last_in_ms = s->last_in_ms, .retry_ms = UINT64_MAX };
}

static void hello_out(struct tmx_node *n)
{
    struct node_session *s = &n->session;
    Tmx__Hello hello = TMX__HELLO__INIT;
    unsigned attempts = s->attempts;
    *s = (struct node_session){ .state = NODE_HELLO, .attempts = attempts, .last_in_ms = s->last_in_ms };
    node_random(n, s->nonce, sizeof(s->nonce));
    s->retry_ms = n->now_ms + hello_wait(s);
    hello.version = TMX_LINK_VERSION;
    hello.member = tmx_to_pb(n->config.member);
    hello.nonce = tmx_to_pb(TMX_BYTES_OF(s->nonce));
    hello.generation = n->config.generation;
    hello.feed_next = n->state.feed_next;
    hello.feed_complete = n->state.rebuild;
    hello.checkpoint = tmx_to_pb(tmx_node_checkpoint(n));
    hello.directory_serial = tmx_directory_serial(n->directory);
    hello.wall_ms = n->wall_ms;
    hello.software = tmx_to_pb(TMX_LIT("tmx-node " TMX_VERSION));
    hello.shard = tmx_to_pb(tmx_bytes_str(n->state.head.shard));
    Tmx__Link link = TMX__LINK__INIT;
    link.body_case = TMX__LINK__BODY_HELLO;
    link.hello = &hello;
    n->n_sends = 0;   /* of the session before */
    n->busy = false;
    n->session_begun = true;
    if (!queue_send(n, &link, NULL, 0)) {
        node_link_lost(n, "link.overload", false);
    }
}

static void limit_in(struct tmx_node *n, const Tmx__SendLimit *limit)
{
    uint8_t member[TMX_MEMBER_MAX];
    if (limit->recipient.len > TMX_MEMBER_MAX) {
        return;
    }
    node_member_key(tmx_pb(limit->recipient), member);
    struct node_destination *d = node_destination(n, member);
    if (d == NULL) {
        return;
    }
    d->told_seq = limit->last_seq;
    if (limit->max_seq > d->max_seq) {
        d->max_seq = limit->max_seq;
        d->blocked = false;
        n->sign_due = true;
    }
}

static void clock_in(struct tmx_node *n, uint64_t wall_ms)
{
    n->session.clock_offset_ms = wall_ms - n->wall_ms;
    n->session.clock_base_ms = n->wall_ms - n->now_ms;
    n->session.clock_known = true;
}

/* Nothing here can mend that: it is said each time, and asked again ever more rarely. */
static void other_version(struct tmx_node *n, uint32_t version)
{
    node_notice(n, "link.version", true, NULL, NULL, TMX_CODE_BAD_VERSION, version);
    node_link_lost(n, "link.version", false);
}

static void welcome_in(struct tmx_node *n, const Tmx__Link *link)
{
    struct node_session *s = &n->session;
    const Tmx__Welcome *w = link->welcome;
    if (s->state != NODE_HELLO || !tmx_bytes_eq(tmx_pb(w->nonce), TMX_BYTES_OF(s->nonce)) || link->number != 1 ||
        link->session == 0 || w->shard.len == 0 || w->shard.len > TMX_SHARD_MAX) {
        return;
    }
    if (w->version != TMX_LINK_VERSION) {
        other_version(n, w->version);
        return;
    }
    *s = (struct node_session){ .state = NODE_UP, .number_session = link->session, .in_number = 1,
                                .attempts = s->attempts };
    s->last_in_ms = s->last_out_ms = s->last_ping_ms = n->now_ms;
    s->acked = n->state.feed_next;
    clock_in(n, w->wall_ms);
    node_serial_heard(n, w->directory_serial);
    if (!node_rebuild_check(n, w)) {
        return;
    }
    if (w->feed_next > n->state.feed_next) {
        node_link_lost(n, "link.feed-gap", false);   /* what is between would never be read (FEED-6) */
        return;
    }
    enum node_head_verdict verdict = w->head == NULL ? NODE_HEAD_OK : node_head_update(n, w->head);
    if (verdict == NODE_HEAD_STALE) {
        node_link_lost(n, "link.head-stale", false);
        return;
    }
    if (verdict == NODE_HEAD_WRONG) {
        return;
    }
    if (verdict == NODE_HEAD_NO_KEY) {
        s->state = NODE_MUTE;
        node_notice(n, "log.key-unknown", true, NULL, NULL, TMX_CODE_DIRECTORY_BEHIND, 0);
        return;
    }
    node_rebuild_to(n, w);
    for (size_t i = 0; i < w->n_send_limits; i++) {
        limit_in(n, w->send_limits[i]);
    }
    s->opened_ms = n->now_ms;
    s->first_head = n->state.head.size;
    node_pump_reset(n);
    node_notice(n, "link.up", false, NULL, NULL, TMX_CODE_OK, link->session);
}

/* How many payload frames a body takes; -1 = this body is not for a node. */
static int frames_of(const Tmx__Link *link)
{
    switch ((int)link->body_case) {
    case TMX__LINK__BODY_FEED:
        return link->feed->items <= TMX_LINK_ITEMS_MAX ? (int)link->feed->items : -1;
    case TMX__LINK__BODY_DELIVER:
        return link->deliver->items >= 1 && link->deliver->items <= TMX_LINK_ITEMS_MAX ? (int)(2 * link->deliver->items)
                                                                                      : -1;
    case TMX__LINK__BODY_PROOFS:
        return link->proofs->items >= 1 && link->proofs->items <= TMX_LINK_ITEMS_MAX ? (int)link->proofs->items : -1;
    case TMX__LINK__BODY_CHUNK:
    case TMX__LINK__BODY_DIRECTORY:
    case TMX__LINK__BODY_WITNESS:
    case TMX__LINK__BODY_COSIGNED:
        return 1;
    case TMX__LINK__BODY_WELCOME:
    case TMX__LINK__BODY_SEND_LIMITS:
    case TMX__LINK__BODY_DEFERRED:
    case TMX__LINK__BODY_CHUNK_REQUEST:
    case TMX__LINK__BODY_PING:
    case TMX__LINK__BODY_PONG:
    case TMX__LINK__BODY_BYE:
        return 0;
    default:
        return -1;
    }
}

static bool head_in(struct tmx_node *n, const Tmx__HeadUpdate *update)
{
    enum node_head_verdict verdict = update == NULL ? NODE_HEAD_OK : node_head_update(n, update);
    if (verdict == NODE_HEAD_STALE || verdict == NODE_HEAD_NO_KEY) {
        node_link_lost(n, "link.head-stale", true);
    }
    return verdict == NODE_HEAD_OK;
}

/* One item frame; NULL: malformed (counted), or it does not prove itself (LINK-7). */
static Tmx__FeedItem *item_in(struct tmx_node *n, struct tmx_bytes frame, uint64_t tree_size)
{
    tmx_arena_reset(&n->scratch);
    Tmx__FeedItem *item;
    if (tmx_codec_unpack(&tmx__feed_item__descriptor, frame, TMX_FRAME_MAX, &n->scratch, &item) != TMX_CODEC_OK) {
        node_notice(n, "link.malformed", false, NULL, NULL, TMX_CODE_MALFORMED, 0);
        return NULL;
    }
    if (item->entry.len > TMX_ENTRY_MAX || !node_item_verify(n, tree_size, item)) {
        node_item_distrust(n, tmx_node_checkpoint(n), item->index, tmx_pb(item->entry), tmx_pb(item->path));
        return NULL;
    }
    return item;
}

static void feed_in(struct tmx_node *n, const Tmx__Feed *feed, const struct tmx_bytes *payload)
{
    if (!head_in(n, feed->head)) {
        return;
    }
    for (size_t i = 0; i < feed->items && n->session.state == NODE_UP; i++) {
        const Tmx__FeedItem *item = item_in(n, payload[i], feed->tree_size);
        if (item == NULL) {
            if (n->session.state == NODE_UP) {
                node_link_lost(n, "link.malformed", false);   /* a leaf must not be passed over */
            }
            return;
        }
        node_feed_item(n, item);
    }
    if (n->session.state != NODE_UP) {
        return;
    }
    if (feed->feed_next > n->state.feed_next && feed->feed_next <= n->state.head.size) {
        n->state.feed_next = feed->feed_next;
        n->state_dirty = true;
        n->sign_due = true;
    }
}

static void deliver_in(struct tmx_node *n, const Tmx__Deliver *deliver, const struct tmx_bytes *payload)
{
    if (!head_in(n, deliver->head)) {
        return;
    }
    for (size_t i = 0; i < deliver->items && n->session.state == NODE_UP; i++) {
        n->session.received_messages++;
        const Tmx__FeedItem *item = item_in(n, payload[2 * i], deliver->tree_size);
        if (item != NULL) {
            node_deliver_item(n, item, payload[2 * i + 1]);
        }
    }
}

static void cosigned_in(struct tmx_node *n, const Tmx__CosignedHead *cosigned, struct tmx_bytes note)
{
    if (head_in(n, cosigned->head)) {
        node_cosigned_in(n, cosigned, note);
    }
}

static void body_in(struct tmx_node *n, const Tmx__Link *link, const struct tmx_bytes *payload)
{
    switch ((int)link->body_case) {
    case TMX__LINK__BODY_FEED:
        feed_in(n, link->feed, payload);
        break;
    case TMX__LINK__BODY_DELIVER:
        deliver_in(n, link->deliver, payload);
        break;
    case TMX__LINK__BODY_SEND_LIMITS:
        for (size_t i = 0; i < link->send_limits->n_limits; i++) {
            limit_in(n, link->send_limits->limits[i]);
        }
        break;
    case TMX__LINK__BODY_DEFERRED:
        node_deferred(n, link->deferred);
        break;
    case TMX__LINK__BODY_CHUNK_REQUEST:
        node_stage_asked(n, link->chunk_request);
        break;
    case TMX__LINK__BODY_CHUNK:
        node_stage_chunk(n, link->chunk, payload[0]);
        break;
    case TMX__LINK__BODY_DIRECTORY:
        node_directory_install(n, payload[0], false);
        node_serial_heard(n, link->directory->serial);
        break;
    case TMX__LINK__BODY_PROOFS:
        node_upgrade_in(n, link->proofs, payload);
        break;
    case TMX__LINK__BODY_WITNESS:
        node_witness_in(n, link->witness, payload[0]);
        break;
    case TMX__LINK__BODY_COSIGNED:
        cosigned_in(n, link->cosigned, payload[0]);
        break;
    case TMX__LINK__BODY_PING:
        clock_in(n, link->ping->wall_ms);
        node_serial_heard(n, link->ping->directory_serial);
        break;
    case TMX__LINK__BODY_PONG:
        clock_in(n, link->pong->wall_ms);
        node_serial_heard(n, link->pong->directory_serial);
        break;
    default:
        break;
    }
}

void node_link_message(struct tmx_node *n, const struct tmx_node_event *ev)
{
    struct node_session *s = &n->session;
    Tmx__Link *link;
    tmx_arena_reset(&n->control);
    if (ev->n_frames < 1 || n->state.distrust ||
        tmx_codec_unpack(&tmx__link__descriptor, ev->frames[0], TMX_CONTROL_MAX, &n->control, &link) != TMX_CODEC_OK) {
        node_notice(n, "link.malformed", false, NULL, NULL, TMX_CODE_MALFORMED, 0);
        return;
    }
    int frames = frames_of(link);
    if (frames < 0 || (size_t)frames != ev->n_frames - 1) {
        node_notice(n, "link.malformed", false, NULL, NULL, TMX_CODE_BAD_FRAME, 0);
        return;
    }
    if (link->body_case == TMX__LINK__BODY_WELCOME) {
        welcome_in(n, link);
        return;
    }
    if (link->body_case == TMX__LINK__BODY_BYE && s->state == NODE_HELLO && link->session == 0 &&
        link->bye->code == TMX_CODE_BAD_VERSION) {
        other_version(n, link->bye->version);
        return;
    }
    bool open = s->state == NODE_UP || s->state == NODE_MUTE;
    if (!open || link->session != s->number_session) {
        return;
    }
    if (link->body_case == TMX__LINK__BODY_BYE) {
        node_link_lost(n, "link.bye", s->attempts == 0);
        return;
    }
    if (link->number <= s->in_number) {
        return;
    }
    if (link->number != s->in_number + 1) {
        node_link_lost(n, "link.gap", s->attempts == 0);
        return;
    }
    s->in_number = link->number;
    s->last_in_ms = n->now_ms;
    if (s->state == NODE_UP || link->body_case == TMX__LINK__BODY_DIRECTORY) {
        body_in(n, link, ev->frames + 1);
    }
}

static void ping_out(struct tmx_node *n)
{
    Tmx__Ping ping = TMX__PING__INIT;
    ping.wall_ms = n->wall_ms;
    ping.directory_serial = tmx_directory_serial(n->directory);
    Tmx__Link link = TMX__LINK__INIT;
    link.body_case = TMX__LINK__BODY_PING;
    link.ping = &ping;
    n->session.last_ping_ms = n->now_ms;
    node_link_send(n, &link, NULL, 0);
}

/* A broker that was started again knows nothing of the session and tells whoever speaks: now, not when there is something to say. */
void node_link_anew(struct tmx_node *n)
{
    if (n->session.state == NODE_UP || n->session.state == NODE_MUTE) {
        ping_out(n);
    }
}

/* When there is nothing else to say, and now and then besides: a ping also tells what time it is here. */
static bool ping_due(const struct tmx_node *n)
{
    return n->now_ms >= n->session.last_out_ms + PING_MS || n->now_ms >= n->session.last_ping_ms + PING_LATEST_MS;
}

void node_link_close(struct tmx_node *n)
{
    struct node_session *s = &n->session;
    if (n->state.distrust) {
        return;
    }
    if ((s->state == NODE_UP || s->state == NODE_MUTE) && n->now_ms >= s->last_in_ms + SILENCE_MS) {
        node_link_lost(n, "link.silent", s->attempts == 0);
    }
    if (s->state == NODE_HELLO && n->now_ms >= s->retry_ms) {
        node_link_lost(n, "link.no-welcome", false);
    }
    if (s->state == NODE_DOWN && n->now_ms >= s->retry_ms) {
        hello_out(n);
    }
    if (s->state == NODE_UP && n->now_ms >= s->opened_ms + STABLE_MS) {
        s->attempts = 0;
    }
    if ((s->state == NODE_UP || s->state == NODE_MUTE) && ping_due(n)) {
        ping_out(n);
    }
}

uint64_t node_link_deadline(const struct tmx_node *n)
{
    const struct node_session *s = &n->session;
    if (n->state.distrust) {
        return UINT64_MAX;
    }
    if (s->state == NODE_DOWN || s->state == NODE_HELLO) {
        return s->retry_ms;
    }
    uint64_t silent = s->last_in_ms + SILENCE_MS, ping = s->last_out_ms + PING_MS;
    uint64_t latest = s->last_ping_ms + PING_LATEST_MS;
    ping = latest < ping ? latest : ping;
    return silent < ping ? silent : ping;
}
