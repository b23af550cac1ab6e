/* SPDX-License-Identifier: Apache-2.0
 * Messages in and out: whole ones only, of a known sender, within the bounds (TRA-3, TRA-4).
 */
#include <string.h>

#include "transport_zmq.h"

#define SKIP_MAX 64u           /* bad messages passed over per receive */
#define AUTO_ROUTE_SIZE 5u     /* a zero byte and a 32-bit counter */

/* 0, TMX_SOCKET_E_AGAIN or an error. Parts of one message are all there at once, so only the first can be E_AGAIN. */
int transport_part_receive(void *zmq, zmq_msg_t *part)
{
    int r;
    do {
        r = zmq_msg_recv(part, zmq, ZMQ_DONTWAIT);
    } while (r < 0 && errno == EINTR);
    if (r < 0) {
        return errno == EAGAIN ? TMX_SOCKET_E_AGAIN : -errno;
    }
    return 0;
}

/* Like transport_part_receive for what is sent. libzmq writes whole messages: on a ROUTER only the first part can fail; on a
 * DEALER whose pipe went in the middle it drops the parts before and those that follow. */
int transport_part_send(void *zmq, struct tmx_bytes part, bool more)
{
    int r;
    do {
        r = zmq_send(zmq, part.data, part.size, ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0));
    } while (r < 0 && errno == EINTR);
    if (r < 0) {
        return errno == EAGAIN ? TMX_SOCKET_E_AGAIN : errno == EHOSTUNREACH ? TMX_SOCKET_E_GONE : -errno;
    }
    return 0;
}

struct tmx_bytes transport_part_bytes(zmq_msg_t *part)
{
    return TMX_BYTES(zmq_msg_data(part), zmq_msg_size(part));
}

void transport_parts_free(struct tmx_socket *s)
{
    for (size_t i = 0; i < s->n_parts; i++) {
        zmq_msg_close(&s->parts[i]);
    }
    s->n_parts = 0;
}

/* What one message was like; only its first TMX_FRAMES_MAX parts are kept. */
struct tally {
    size_t n_frames;
    size_t bytes;
    size_t largest;
};

static int receive_frames(struct tmx_socket *s, struct tally *ret_tally)
{
    struct tally tally = { 0 };
    for (bool more = true; more;) {
        zmq_msg_t part;
        zmq_msg_init(&part);
        int r = transport_part_receive(s->zmq, &part);
        if (r != 0) {
            zmq_msg_close(&part);
            return r;
        }
        more = zmq_msg_more(&part) != 0;
        size_t size = zmq_msg_size(&part);
        tally.n_frames++;
        tally.bytes += size;
        tally.largest = size > tally.largest ? size : tally.largest;
        if (s->n_parts < TMX_FRAMES_MAX) {
            s->parts[s->n_parts++] = part;
        } else {
            zmq_msg_close(&part);
        }
    }
    *ret_tally = tally;
    return 0;
}

/* TRA-4. The control frame is the first one, or the one after the empty delimiter of a REQ. */
static bool sizes_ok(struct tmx_socket *s, const struct tally *tally)
{
    size_t control = s->n_parts > 1 && zmq_msg_size(&s->parts[0]) == 0 ? 1 : 0;
    return tally->bytes <= s->bounds->message && tally->largest <= s->bounds->frame &&
           zmq_msg_size(&s->parts[control]) <= s->bounds->control;
}

/* The name of who sent the message; NULL: to be discarded. */
static const char *sender_of(struct tmx_socket *s, const struct tmx_message *m)
{
    if (!s->router) {
        return "";
    }
    if (m->route_size != AUTO_ROUTE_SIZE || m->route[0] != 0) {
        return NULL;
    }
    if (!s->named) {
        return "";
    }
    return tmx_zap_name(s->transport->zap, zmq_msg_gets(&s->parts[0], "User-Id"));
}

static int receive_route(struct tmx_socket *s, struct tmx_message *m)
{
    zmq_msg_t part;
    zmq_msg_init(&part);
    int r = transport_part_receive(s->zmq, &part);
    /* A longer one is of the peer's choosing: kept as size 0, which is none. */
    if (r == 0 && zmq_msg_size(&part) <= sizeof(m->route)) {
        m->route_size = (uint8_t)zmq_msg_size(&part);
        memcpy(m->route, zmq_msg_data(&part), m->route_size);
    }
    zmq_msg_close(&part);
    return r;
}

/* Takes one message off the socket and judges it. */
static int receive_one(struct tmx_socket *s, struct tmx_message *m, bool *ret_good)
{
    struct tmx_transport_counters *c = &s->transport->counters;
    struct tally tally = { 0 };
    transport_parts_free(s);
    m->route_size = 0;
    int r = s->router ? receive_route(s, m) : 0;
    if (r == 0) {
        r = receive_frames(s, &tally);
    }
    if (r != 0) {
        return r;
    }
    const char *sender = sender_of(s, m);
    *ret_good = false;
    if (sender == NULL) {
        c->unnamed++;
    } else if (tally.n_frames > TMX_FRAMES_MAX) {
        c->too_many_frames++;
    } else if (!sizes_ok(s, &tally)) {
        c->oversize++;
    } else {
        *ret_good = true;
        memcpy(m->peer, sender, strlen(sender) + 1);
    }
    return 0;
}

int tmx_socket_receive(struct tmx_socket *s, struct tmx_message *ret_message)
{
    struct tmx_message head = { 0 };
    bool good = false;
    for (size_t i = 0; i < SKIP_MAX && !good; i++) {
        int r = receive_one(s, &head, &good);
        if (r != 0) {
            return r;
        }
    }
    if (!good) {
        transport_parts_free(s);
        return TMX_SOCKET_E_AGAIN;
    }
    head.n_frames = s->n_parts;
    for (size_t i = 0; i < s->n_parts; i++) {
        head.frames[i] = transport_part_bytes(&s->parts[i]);
    }
    *ret_message = head;
    return 0;
}

static int send_parts(struct tmx_socket *s, const struct tmx_message *to, const struct tmx_bytes *frames, size_t n)
{
    int r = s->router ? transport_part_send(s->zmq, TMX_BYTES(to->route, to->route_size), true) : 0;
    bool lost = false;
    for (size_t i = 0; i < n && r == 0; i++) {
        r = transport_part_send(s->zmq, frames[i], i + 1 < n);
        if (r > 0 && i > 0) {
            lost = true;   /* the rest must be sent all the same, for libzmq to drop it */
            r = 0;
        }
    }
    return r == 0 && lost ? TMX_SOCKET_E_GONE : r;
}

int tmx_socket_send(struct tmx_socket *s, const struct tmx_message *to, const struct tmx_bytes *frames, size_t n)
{
    assert(n >= 1 && n <= TMX_FRAMES_MAX && s->router == (to != NULL));
    int r = send_parts(s, to, frames, n);
    if (r > 0) {
        s->transport->counters.send_again++;
    }
    return r;
}
