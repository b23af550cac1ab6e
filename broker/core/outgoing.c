/* SPDX-License-Identifier: Apache-2.0
 * What members are sent at the end of a turn: welcome, heads, limits, feed. Everything is built after the log's head
 * of this turn is signed, from rows of this turn, and released after its commit.
 */
#include <string.h>

#include "core.h"

/* Frames of one turn: what does not fit waits for the next turn. */
#define OUT_BUDGET (8u << 20)
#define FEED_BYTES_MAX (512u << 10)
#define DIRECTORIES_MAX 16u      /* sent to a node that was away for longer */
#define PEER_BUDGET (2u << 20)   /* of them to one member: what it may make the shell hold for it */

bool outgoing_room(struct tmx_broker *b)
{
    bool room = b->out.used < OUT_BUDGET && b->n_sends < TMX_BROKER_SENDS_MAX / 2;
    b->more = b->more || !room;
    return room;
}

/* The one place where a frame is queued. Without room for it the session is over: its numbers must not show a gap. */
static void queue_send(struct tmx_broker *b, struct peer *p, struct tmx_bytes route, struct tmx_bytes control,
                       const struct tmx_bytes *payload, size_t n)
{
    struct tmx_bytes *frames = tmx_arena_alloc(&b->out, (n + 1) * sizeof(*frames));
    if (frames == NULL || b->n_sends == TMX_BROKER_SENDS_MAX) {
        link_down(b, p, "link.overload");
        return;
    }
    frames[0] = control;
    p->turn_bytes += control.size;
    for (size_t i = 0; i < n; i++) {
        frames[i + 1] = payload[i];
        p->turn_bytes += payload[i].size;
    }
    struct tmx_broker_send *s = &b->sends[b->n_sends++];
    memcpy(s->member, p->key, sizeof(s->member));
    assert(route.size <= sizeof(s->route));
    memcpy(s->route, route.data, route.size);
    s->route_size = (uint8_t)route.size;
    s->n_frames = n + 1;
    s->frames = frames;
}

void send_link(struct tmx_broker *b, struct peer *p, Tmx__Link *link, const struct tmx_bytes *payload, size_t n)
{
    if (!p->up) {
        return;
    }
    link->session = p->session;
    link->number = p->out_number + 1;
    struct tmx_bytes control;
    if (tmx_codec_pack(link, &b->out, &control) != TMX_CODEC_OK) {
        link_down(b, p, "link.overload");
        return;
    }
    assert(control.size <= TMX_CONTROL_MAX);
    p->out_number++;
    queue_send(b, p, TMX_BYTES(p->route, p->route_size), control, payload, n);
}

void send_bye(struct tmx_broker *b, struct peer *p, struct tmx_bytes route, unsigned code, uint64_t session)
{
    Tmx__Bye bye = TMX__BYE__INIT;
    bye.code = code;
    bye.version = code == TMX_CODE_BAD_VERSION ? TMX_LINK_VERSION : 0;
    Tmx__Link link = TMX__LINK__INIT;
    link.session = session;
    link.body_case = TMX__LINK__BODY_BYE;
    link.bye = &bye;
    struct tmx_bytes control;
    if (tmx_codec_pack(&link, &b->out, &control) == TMX_CODEC_OK) {
        queue_send(b, p, route, control, NULL, 0);
    }
}

static void push(struct tmx_broker *b, struct peer *p, uint64_t serial, struct tmx_bytes stored)
{
    Tmx__DirectoryPush push = TMX__DIRECTORY_PUSH__INIT;
    push.serial = serial;
    Tmx__Link link = TMX__LINK__INIT;
    link.body_case = TMX__LINK__BODY_DIRECTORY;
    link.directory = &push;
    struct tmx_bytes file;
    if (tmx_arena_copy(&b->out, stored, &file)) {
        send_link(b, p, &link, &file, 1);
    }
}

/* Each in turn: it may need the one before to know who signs the next, and its evidence names them. */
void send_directories(struct tmx_broker *b, struct peer *p, uint64_t from)
{
    uint64_t last = tmx_directory_serial(b->directory);
    from = last - from < DIRECTORIES_MAX ? from : last - DIRECTORIES_MAX + 1;
    for (uint64_t serial = from; serial < last; serial++) {
        struct key k = key_u64(serial);
        struct tmx_bytes file;
        if (row_get(b, TMX_T_DIRECTORY, key_bytes(&k), &file)) {   /* serials may be left out */
            push(b, p, serial, file);
        }
    }
    push(b, p, last, tmx_directory_file(b->directory));
}

void send_again(struct tmx_broker *b, struct peer *p, uint64_t index)
{
    if (b->n_again < AGAIN_MAX) {   /* beyond: the node asks once more */
        b->again[b->n_again++] = (struct again){ p, index };
    }
}

bool outgoing_root(struct tmx_broker *b, uint64_t size, ProtobufCBinaryData *ret_root)
{
    struct tmx_hash root;
    struct tmx_bytes copy = TMX_BYTES_NULL;
    if (size > 0 && (size & (size - 1)) == 0) {
        if (!tmx_tree_root_at(b->tree, b, size, &root)) {
            broker_fault(b, -EBADMSG);
            return false;
        }
        if (!tmx_arena_copy(&b->out, TMX_BYTES_OF(root.b), &copy)) {
            return false;
        }
    }
    *ret_root = tmx_to_pb(copy);
    return true;
}

bool outgoing_head(struct tmx_broker *b, struct peer *p, Tmx__HeadUpdate *ret_head)
{
    if (p->head_size == b->signed_size) {
        return false;
    }
    struct tmx_proof proof = { 0 };
    struct tmx_bytes hashes, checkpoint;
    if (p->head_size > 0 && !tmx_tree_consistency(b->tree, b, p->head_size, &proof)) {
        broker_fault(b, -EBADMSG);
        return false;
    }
    if (!tmx_arena_copy(&b->out, TMX_BYTES(proof.hash, proof.n * sizeof(proof.hash[0])), &hashes) ||
        !tmx_arena_copy(&b->out, TMX_BYTES(b->checkpoint, b->checkpoint_size), &checkpoint) ||
        !outgoing_root(b, p->head_size, &ret_head->root)) {
        return false;
    }
    ret_head->checkpoint = tmx_to_pb(checkpoint);
    ret_head->from = p->head_size;
    ret_head->consistency = tmx_to_pb(hashes);
    p->head_size = b->signed_size;
    return true;
}

bool outgoing_item(struct tmx_broker *b, uint64_t index, struct tmx_bytes attachment, uint64_t seen_size,
                   struct tmx_bytes *ret_frame)
{
    struct tmx_proof proof, seen = { 0 };
    if (!tmx_tree_path(b->tree, b, index, &proof) ||
        (seen_size > 0 && !tmx_tree_consistency(b->tree, b, seen_size, &seen))) {
        broker_fault(b, -EBADMSG);
        return false;
    }
    struct key k = key_u64(index);
    struct tmx_bytes entry;
    Tmx__FeedItem item = TMX__FEED_ITEM__INIT;
    if (!outgoing_root(b, seen_size, &item.seen_root) || !row_get(b, TMX_T_LOG, key_bytes(&k), &entry)) {
        return false;
    }
    item.index = index;
    item.entry = tmx_to_pb(entry);
    item.path = tmx_to_pb(TMX_BYTES(proof.hash, proof.n * sizeof(proof.hash[0])));
    item.attachment = tmx_to_pb(attachment);
    item.seen = tmx_to_pb(TMX_BYTES(seen.hash, seen.n * sizeof(seen.hash[0])));
    return tmx_codec_pack(&item, &b->out, ret_frame) == TMX_CODEC_OK;
}

/* What the member may sign ahead for everybody (QUE-9, LINK-9). */
static void grant(struct tmx_broker *b, struct peer *p)
{
    p->starved = false;
    for (size_t i = 0; i < b->n_peers; i++) {
        struct peer *to = &b->peers[i];
        struct key k = key_members(p->key, to->key);
        struct tmx_bytes value;
        uint64_t last = row_get(b, TMX_T_PAIR, key_bytes(&k), &value) ? value_u64(value) : 0;
        struct tmx_row_destination at;
        destination_read(b, to->key, &at);
        bool full = at.queued >= b->config.queue_max;
        uint64_t max = full ? last : last + TMX_SEND_WINDOW;
        p->starved = p->starved || full;
        p->granted[i] = p->granted[i] > max ? p->granted[i] : max;
    }
}

static size_t limits_build(struct tmx_broker *b, struct peer *p, Tmx__SendLimit ***ret_limits)
{
    grant(b, p);
    Tmx__SendLimit **list = tmx_arena_alloc(&b->out, b->n_peers * sizeof(*list));
    size_t n = 0;
    for (size_t i = 0; list != NULL && i < b->n_peers; i++) {
        struct peer *to = &b->peers[i];
        const Tmx__Member *m = peer_member(b, to);
        if (to == p || m == NULL || m->status == TMX__MEMBER_STATUS__MEMBER_REVOKED) {
            continue;
        }
        Tmx__SendLimit *limit = tmx_arena_alloc(&b->out, sizeof(*limit));
        if (limit == NULL) {
            break;
        }
        tmx__send_limit__init(limit);
        struct key k = key_members(p->key, to->key);
        struct tmx_bytes value;
        limit->recipient = tmx_to_pb(tmx_member_code(to->key));
        limit->max_seq = p->granted[i];
        limit->last_seq = row_get(b, TMX_T_PAIR, key_bytes(&k), &value) ? value_u64(value) : 0;
        list[n++] = limit;
    }
    *ret_limits = list;
    p->limits_due = false;
    return n;
}

static void welcome_out(struct tmx_broker *b, struct peer *p)
{
    Tmx__HeadUpdate head = TMX__HEAD_UPDATE__INIT;
    Tmx__Welcome welcome = TMX__WELCOME__INIT;
    welcome.version = 1;
    welcome.nonce = tmx_to_pb(TMX_BYTES_OF(p->nonce));
    welcome.generation = b->config.generation;
    welcome.head = outgoing_head(b, p, &head) ? &head : NULL;
    welcome.n_send_limits = limits_build(b, p, &welcome.send_limits);
    welcome.directory_serial = tmx_directory_serial(b->directory);
    welcome.wall_ms = b->wall_ms;
    welcome.software = tmx_to_pb(TMX_LIT("tmx-broker " TMX_VERSION));
    welcome.shard = tmx_to_pb(tmx_bytes_str(b->shard));
    welcome.feed_acked = p->feed_acked;
    welcome.feed_next = p->feed_next;
    Tmx__Link link = TMX__LINK__INIT;
    link.body_case = TMX__LINK__BODY_WELCOME;
    link.welcome = &welcome;
    p->welcome_due = false;
    send_link(b, p, &link, NULL, 0);
    if (p->directory_due) {
        p->directory_due = false;
        send_directories(b, p, p->directory_from);
    }
}

static void limits_out(struct tmx_broker *b, struct peer *p)
{
    Tmx__SendLimits limits = TMX__SEND_LIMITS__INIT;
    limits.n_limits = limits_build(b, p, &limits.limits);
    Tmx__Link link = TMX__LINK__INIT;
    link.body_case = TMX__LINK__BODY_SEND_LIMITS;
    link.send_limits = &limits;
    send_link(b, p, &link, NULL, 0);
}

static void feed_out(struct tmx_broker *b, struct peer *p, const struct tmx_bytes *items, size_t n)
{
    Tmx__HeadUpdate head = TMX__HEAD_UPDATE__INIT;
    Tmx__Feed feed = TMX__FEED__INIT;
    feed.items = (uint32_t)n;
    feed.head = outgoing_head(b, p, &head) ? &head : NULL;
    feed.tree_size = b->signed_size;
    feed.feed_next = p->feed_told = p->feed_next;
    Tmx__Link link = TMX__LINK__INIT;
    link.body_case = TMX__LINK__BODY_FEED;
    link.feed = &feed;
    send_link(b, p, &link, items, n);
}

/* The next leaf of the member's feed at or after `from`: its own rows and those for everyone, merged. */
static bool feed_peek(struct tmx_broker *b, struct peer *p, uint64_t from, uint64_t *ret_index, uint8_t *ret_kind)
{
    static const uint8_t everyone[TMX_MEMBER_KEY];
    const uint8_t *who[2] = { p->key, everyone };
    bool found = false;
    for (unsigned i = 0; i < 2; i++) {
        struct key k = key_member_u64(who[i], from);
        struct tmx_bytes key, value;
        if (!row_seek(b, TMX_T_FEED, key_bytes(&k), TMX_MEMBER_KEY, &key, &value) || value.size != 1) {
            continue;
        }
        uint64_t index = value_u64(tmx_bytes_slice(key, TMX_MEMBER_KEY, 8));
        if (!found || index < *ret_index) {
            *ret_index = index;
            *ret_kind = value.data[0];
            found = true;
        }
    }
    return found;
}

/* The node was shown a head to which its feed has not led it yet, and there is nothing in between (FEED-5). What is in
 * flight will bring a leaf of its own. */
static bool end_untold(const struct tmx_broker *b, const struct peer *p)
{
    return p->feed_next == b->signed_size && p->feed_told < p->head_size && p->n_flights == 0;
}

/* One Feed frame; false when there is nothing (more) to feed now. */
static bool feed_close(struct tmx_broker *b, struct peer *p)
{
    struct tmx_bytes items[TMX_LINK_ITEMS_MAX];
    size_t n = 0, bytes = 0, skipped = 0;
    if (p->n_feeds == FEEDS_IN_FLIGHT) {
        return false;
    }
    while (p->feed_next < b->signed_size && n < TMX_LINK_ITEMS_MAX && bytes < FEED_BYTES_MAX &&
           skipped < TMX_FEED_SKIP_MAX) {
        uint64_t index = 0;
        uint8_t kind = 0;
        if (!feed_peek(b, p, p->feed_next, &index, &kind)) {
            p->feed_next = b->signed_size;
            break;
        }
        p->feed_next = index + 1;
        if (kind == TMX_FEED_WITH_DELIVERY && !p->feed_complete) {
            skipped++;
            continue;
        }
        struct tmx_bytes attachment = TMX_BYTES_NULL;
        struct key k = key_u64(index);
        bool spoilt;   /* then the report goes without its reason, which is valid (REP-6) */
        if (kind == TMX_FEED_ATTACHMENT && row_get_spared(b, TMX_T_ATTACHMENT, key_bytes(&k), &attachment, &spoilt) &&
            !tmx_arena_copy(&b->out, attachment, &attachment)) {
            p->feed_next = index;
            break;
        }
        if (!outgoing_item(b, index, attachment, 0, &items[n])) {
            link_down(b, p, "link.overload");
            return false;
        }
        bytes += items[n++].size;
    }
    if (n == 0 && !end_untold(b, p)) {
        return skipped == TMX_FEED_SKIP_MAX;
    }
    feed_out(b, p, items, n);
    p->feeds[p->n_feeds++] = p->feed_next;
    return true;
}

static void again_close(struct tmx_broker *b)
{
    for (size_t i = 0; i < b->n_again;) {
        struct peer *p = b->again[i].peer;
        struct tmx_bytes items[TMX_LINK_ITEMS_MAX];
        size_t n = 0;
        for (; i < b->n_again && b->again[i].peer == p && n < TMX_LINK_ITEMS_MAX; i++) {
            struct tmx_bytes attachment = TMX_BYTES_NULL;
            if (p->up && outgoing_room(b) && outgoing_item(b, b->again[i].index, attachment, 0, &items[n])) {
                n++;
            }
        }
        if (n > 0 && !p->welcome_due) {
            feed_out(b, p, items, n);
        }
    }
    b->n_again = 0;
}

/* May feed and deliveries go to it now? While it is slow they wait in their rows (QUE-10, LINK-3). */
static bool peer_takes(struct tmx_broker *b, const struct peer *p)
{
    bool spent = p->turn_bytes >= PEER_BUDGET;
    b->more = b->more || (p->up && !p->busy && spent);
    return p->up && !p->busy && !spent;
}

void outgoing_close(struct tmx_broker *b)
{
    for (size_t i = 0; i < b->n_peers; i++) {
        struct peer *p = &b->peers[i];
        if (p->up && p->welcome_due) {
            welcome_out(b, p);
        } else if (p->up && p->limits_due) {
            limits_out(b, p);
        }
    }
    again_close(b);
    witness_close(b);
    /* One frame each in turn, so that nobody's backlog delays the others (QUE-10). */
    bool busy = true;
    b->first_peer = b->n_peers == 0 ? 0 : (b->first_peer + 1) % b->n_peers;
    while (busy && outgoing_room(b) && b->fault == 0) {
        busy = false;
        for (size_t i = 0; i < b->n_peers && outgoing_room(b); i++) {
            struct peer *p = &b->peers[(b->first_peer + i) % b->n_peers];
            if (peer_takes(b, p)) {
                busy = feed_close(b, p) || busy;
                busy = deliver_close(b, p) || busy;
            }
        }
    }
    for (size_t i = 0; i < b->n_peers && b->fault == 0; i++) {
        if (b->peers[i].up && !b->peers[i].busy) {
            witness_tell(b, &b->peers[i]);
        }
    }
}
