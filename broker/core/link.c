/* SPDX-License-Identifier: Apache-2.0
 * Sessions with the members' nodes, and their frames in (LINK-n). One ZeroMQ message is one event; its items are
 * decided one after the other, each seeing what the one before it did.
 */
#include <string.h>

#include "core.h"

/* Two nodes with one key push each other out again and again; a node that reconnects does it once. */
#define CLONE_SESSION_MS 30000u
#define CLONE_DISPLACED 3u

void link_down(struct tmx_broker *b, struct peer *p, const char *why)
{
    if (!p->up) {
        return;
    }
    p->up = false;
    p->welcome_due = false;
    flight_clear(p);
    notice(b, why, false, p->key, NULL, p->last_code, p->session);
}

/* What the node's checkpoint says about our log (LINK-5): the size it holds, or 0; *ret_fork when it proves that we
 * lost or changed what we had signed. */
static uint64_t known_size(struct tmx_broker *b, const Tmx__Hello *hello, bool *ret_fork)
{
    *ret_fork = false;
    struct tmx_checkpoint c;
    if (hello->checkpoint.len == 0 || !tmx_bytes_eq(tmx_pb(hello->shard), tmx_bytes_str(b->shard)) ||
        !tmx_checkpoint_verify(tmx_pb(hello->checkpoint), &b->log_key, &c)) {
        return 0;
    }
    struct tmx_hash root;
    if (c.size > tmx_tree_size(b->tree)) {
        *ret_fork = true;
        return 0;
    }
    if (!tmx_tree_root_at(b->tree, b, c.size, &root)) {
        broker_fault(b, -EBADMSG);
        return 0;
    }
    if (!tmx_hash_eq(&root, &c.root)) {
        *ret_fork = true;
        return 0;
    }
    return c.size;
}

static void session_open(struct tmx_broker *b, struct peer *p, const struct tmx_broker_event *ev,
                         const Tmx__Hello *hello, uint64_t head_size)
{
    bool elsewhere = p->up && !tmx_bytes_eq(ev->route, TMX_BYTES(p->route, p->route_size));
    bool young = b->now_ms - p->opened_ms < CLONE_SESSION_MS;
    p->displaced = elsewhere && young ? p->displaced + 1 : 0;
    flight_clear(p);
    b->last_session = b->wall_us > b->last_session ? b->wall_us : b->last_session + 1;
    p->session = b->last_session;
    p->opened_ms = b->now_ms;
    p->up = p->ever = true;
    p->route_size = (uint8_t)ev->route.size;
    memcpy(p->route, ev->route.data, ev->route.size);
    p->in_number = p->out_number = 0;
    p->last_frame_ms = b->now_ms;
    p->head_size = head_size;
    p->feed_complete = hello->feed_complete;
    p->feed_next = tmx_bytes_eq(tmx_pb(hello->shard), tmx_bytes_str(b->shard)) ? hello->feed_next : 0;
    p->feed_told = p->feed_next;
    p->n_feeds = 0;
    p->witness_asked = p->cosigned_told = 0;
    p->credit_messages = p->credit_bytes = p->sent_messages = p->sent_bytes = 0;
    memset(p->scan_from, 0, sizeof(p->scan_from));
    p->n_put_off = 0;
    p->scan_done = false;
    p->limits_due = true;
    p->welcome_due = true;
    memcpy(p->nonce, hello->nonce.data, sizeof(p->nonce));
    p->clock_base_ms = hello->wall_ms - b->now_ms;
    if (p->displaced >= CLONE_DISPLACED) {
        notice(b, "link.cloned-key", true, p->key, NULL, TMX_CODE_BAD_SESSION, p->session);
    }
    witness_linked(b, p);
    notice(b, "link.up", false, p->key, NULL, TMX_CODE_OK, p->session);
}

/* Not more than one a second, so that two broken ends do not answer each other for ever. */
static bool bye_due(struct tmx_broker *b, struct peer *p)
{
    bool due = b->now_ms - p->last_bye_ms >= 1000 || p->last_bye_ms == 0;
    p->last_bye_ms = due ? b->now_ms : p->last_bye_ms;
    return due;
}

/* It is told, where it asked from, or it would never learn why nobody answers; a session that is up goes on. */
static void other_version(struct tmx_broker *b, struct peer *p, const struct tmx_broker_event *ev, uint32_t version)
{
    b->counters.malformed++;
    p->last_code = TMX_CODE_BAD_VERSION;
    if (bye_due(b, p)) {
        notice(b, "link.version", false, p->key, NULL, TMX_CODE_BAD_VERSION, version);
        send_bye(b, p, ev->route, TMX_CODE_BAD_VERSION, 0);
    }
}

static void hello_in(struct tmx_broker *b, struct peer *p, const struct tmx_broker_event *ev, const Tmx__Hello *hello)
{
    if (hello->version != TMX_LINK_VERSION) {
        other_version(b, p, ev, hello->version);
        return;
    }
    if (hello->nonce.len != sizeof(p->nonce) || !tmx_bytes_eq(tmx_pb(hello->member), tmx_member_code(p->key))) {
        count_malformed(b, p, TMX_CODE_MALFORMED);
        return;
    }
    bool fork;
    uint64_t head_size = known_size(b, hello, &fork);
    if (fork && !b->halted) {
        b->halted = true;
        state_write(b);
        notice(b, "log.fork-shown", true, p->key, NULL, TMX_CODE_BAD_HEAD, tmx_tree_size(b->tree));
    }
    session_open(b, p, ev, hello, head_size);
    if (hello->directory_serial < tmx_directory_serial(b->directory)) {
        p->directory_due = true;
        p->directory_from = hello->directory_serial + 1;
    } else if (hello->directory_serial > tmx_directory_serial(b->directory)) {
        notice(b, "directory.behind", true, p->key, NULL, TMX_CODE_DIRECTORY_BEHIND, hello->directory_serial);
    }
}

static void feed_ack_in(struct tmx_broker *b, struct peer *p, uint64_t feed_next)
{
    if (feed_next > tmx_tree_size(b->tree)) {
        count_malformed(b, p, TMX_CODE_MALFORMED);
        return;
    }
    size_t n = 0;
    while (n < p->n_feeds && p->feeds[n] <= feed_next) {
        n++;
    }
    memmove(p->feeds, p->feeds + n, (p->n_feeds - n) * sizeof(p->feeds[0]));
    p->n_feeds -= n;
    if (feed_next > p->feed_acked) {
        p->feed_acked = feed_next;
        p->feed_ack_dirty = true;
    }
}

/* How many payload frames a body takes; -1 = this body is not for the broker. */
static int frames_of(const Tmx__Link *link)
{
    switch ((int)link->body_case) {
    case TMX__LINK__BODY_SUBMIT:
        return link->submit->items >= 1 && link->submit->items <= TMX_LINK_ITEMS_MAX ? (int)(2 * link->submit->items)
                                                                                    : -1;
    case TMX__LINK__BODY_REPORTS:
        return link->reports->items >= 1 && link->reports->items <= TMX_LINK_ITEMS_MAX ? (int)link->reports->items : -1;
    case TMX__LINK__BODY_PUBLISH:
    case TMX__LINK__BODY_CHUNK:
    case TMX__LINK__BODY_WITNESS_REPLY:
        return 1;
    case TMX__LINK__BODY_FEED_ACK:
    case TMX__LINK__BODY_CREDIT:
    case TMX__LINK__BODY_CHUNK_REQUEST:
    case TMX__LINK__BODY_PROOF_REQUEST:
    case TMX__LINK__BODY_PING:
    case TMX__LINK__BODY_PONG:
    case TMX__LINK__BODY_BYE:
    case TMX__LINK__BODY_HELLO:
        return 0;
    default:
        return -1;
    }
}

static void pong_out(struct tmx_broker *b, struct peer *p)
{
    Tmx__Pong pong = TMX__PONG__INIT;
    pong.wall_ms = b->wall_ms;
    pong.directory_serial = tmx_directory_serial(b->directory);
    Tmx__Link link = TMX__LINK__INIT;
    link.body_case = TMX__LINK__BODY_PONG;
    link.pong = &pong;
    send_link(b, p, &link, NULL, 0);
}

static void body_in(struct tmx_broker *b, struct peer *p, const Tmx__Link *link, const struct tmx_bytes *payload)
{
    if (b->closing && link->body_case != TMX__LINK__BODY_WITNESS_REPLY) {
        return;   /* not answered: it comes again in the next session */
    }
    switch ((int)link->body_case) {
    case TMX__LINK__BODY_SUBMIT:
        for (size_t i = 0; i < link->submit->items; i++) {
            admission_submit(b, p, payload[2 * i], payload[2 * i + 1], link->submit->resubmission);
        }
        break;
    case TMX__LINK__BODY_REPORTS:
        for (size_t i = 0; i < link->reports->items; i++) {
            report_submit(b, p, payload[i]);
        }
        break;
    case TMX__LINK__BODY_PUBLISH:
        members_publish(b, p, payload[0]);
        break;
    case TMX__LINK__BODY_FEED_ACK:
        feed_ack_in(b, p, link->feed_ack->feed_next);
        break;
    case TMX__LINK__BODY_CREDIT:
        p->credit_messages = link->credit->messages;
        p->credit_bytes = link->credit->bytes;
        break;
    case TMX__LINK__BODY_CHUNK_REQUEST:
        deliver_chunk(b, p, link->chunk_request);
        break;
    case TMX__LINK__BODY_CHUNK:
        staging_chunk(b, p, link->chunk, payload[0]);
        break;
    case TMX__LINK__BODY_PING:
        p->clock_base_ms = link->ping->wall_ms - b->now_ms;
        pong_out(b, p);
        break;
    case TMX__LINK__BODY_PROOF_REQUEST:
        witness_proofs(b, p, link->proof_request);
        break;
    case TMX__LINK__BODY_WITNESS_REPLY:
        witness_reply(b, p, link->witness_reply, payload[0]);
        break;
    default:
        break;
    }
}

/* In a session: the numbers say whether anything was lost on the way (LINK-3). */
static bool number_in(struct tmx_broker *b, struct peer *p, const Tmx__Link *link)
{
    if (link->session != p->session || !p->up) {
        if (bye_due(b, p)) {
            send_bye(b, p, TMX_BYTES(p->route, p->route_size), TMX_CODE_BAD_SESSION, link->session);
        }
        return false;
    }
    if (link->number <= p->in_number) {
        return false;
    }
    if (link->number != p->in_number + 1) {
        send_bye(b, p, TMX_BYTES(p->route, p->route_size), TMX_CODE_BAD_FRAME, p->session);
        link_down(b, p, "link.gap");
        return false;
    }
    p->in_number = link->number;
    p->last_frame_ms = b->now_ms;
    return true;
}

/* It has number 0; and none is answered, or two ends would answer each other. */
static void bye_in(struct tmx_broker *b, struct peer *p, const Tmx__Link *link)
{
    if (p->up && link->session == p->session) {
        link_down(b, p, "link.bye");
    }
}

static struct peer *peer_of(struct tmx_broker *b, const struct tmx_broker_event *ev)
{
    uint8_t key[TMX_MEMBER_KEY];
    tmx_member_key(ev->member, key);
    return peer_find(b, key);
}

void link_gate_down(struct tmx_broker *b, const struct tmx_broker_event *ev)
{
    struct peer *p = peer_of(b, ev);
    if (p != NULL) {
        p->busy = false;
        link_down(b, p, "link.gate-down");
    }
}

void link_busy(struct tmx_broker *b, const struct tmx_broker_event *ev)
{
    struct peer *p = peer_of(b, ev);
    if (p != NULL) {
        p->busy = ev->busy;
    }
}

void link_message(struct tmx_broker *b, const struct tmx_broker_event *ev)
{
    if (ev->member.size > TMX_MEMBER_MAX || ev->route.size > 8 || ev->n_frames < 1) {
        b->counters.malformed++;
        return;
    }
    struct peer *p = peer_of(b, ev);
    const Tmx__Member *m = p == NULL ? NULL : peer_member(b, p);
    if (m == NULL || m->status == TMX__MEMBER_STATUS__MEMBER_REVOKED) {
        b->counters.malformed++;   /* TRA-3: discarded unparsed */
        return;
    }
    tmx_arena_reset(&b->control);
    Tmx__Link *link;
    int r = tmx_codec_unpack(&tmx__link__descriptor, ev->frames[0], TMX_CONTROL_MAX, &b->control, &link);
    if (r != TMX_CODEC_OK) {
        count_malformed(b, p, r == TMX_CODEC_E_TOO_LARGE ? TMX_CODE_TOO_LARGE : TMX_CODE_MALFORMED);
        return;
    }
    int n = frames_of(link);
    if (n < 0 || (size_t)n != ev->n_frames - 1) {
        count_malformed(b, p, TMX_CODE_BAD_FRAME);
        return;
    }
    if (link->body_case == TMX__LINK__BODY_HELLO) {
        if (b->closing) {
            return;
        }
        if (link->session == 0 && link->number == 0) {
            hello_in(b, p, ev, link->hello);
        } else {
            count_malformed(b, p, TMX_CODE_BAD_SESSION);
        }
        return;
    }
    if (link->body_case == TMX__LINK__BODY_BYE) {
        bye_in(b, p, link);
        return;
    }
    if (!p->up) {   /* so that the Bye finds its way */
        p->route_size = (uint8_t)ev->route.size;
        memcpy(p->route, ev->route.data, ev->route.size);
    }
    if (number_in(b, p, link)) {
        body_in(b, p, link, ev->frames + 1);
    }
}
