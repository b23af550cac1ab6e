/* SPDX-License-Identifier: Apache-2.0
 * ZeroMQ sockets with CURVE and the ZAP handler; the only file that includes <zmq.h>. Contract: tmx/transport.h.
 *
 * libzmq 4.3.4 admits everybody when no ZAP handler is bound, lets peers claim a User-Id, and loses the metadata of
 * the identity frame: hence the order in tmx_transport_new, ZMQ_ZAP_ENFORCE_DOMAIN, the token in the User-Id, and
 * that it is read from the first payload frame.
 */
#include <tmx/transport.h>

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include <tmx/clock.h>
#include <tmx/zap.h>

#include "transport_options.h"
#include "transport_selftest.h"
#include "transport_story.h"

/* zmq.h declares it for draft builds only; the library Debian builds knows it (checked: setsockopt must succeed). */
#ifndef ZMQ_ZAP_ENFORCE_DOMAIN
#define ZMQ_ZAP_ENFORCE_DOMAIN 93
#endif

#define ZAP_ENDPOINT "inproc://zeromq.zap.01"
#define ZAP_TURN_MAX 64u       /* requests answered per wait */
#define SKIP_MAX 64u           /* bad messages passed over per receive */
#define STORY_TURN_MAX 256u    /* events of a monitor taken per wait */
#define ENDPOINT_SIZE 256u
#define CURVE_OVERHEAD 33u     /* command prefix, nonce, MAC and flags of a CURVE MESSAGE */
#define AUTO_ROUTE_SIZE 5u     /* a zero byte and a 32-bit counter */

struct bounds {
    size_t frame, message, control;
};

static const struct bounds link_bounds = { TMX_FRAME_MAX, TMX_LINK_BYTES_MAX, TMX_CONTROL_MAX };
/* libzmq applies the frame bound before a peer has proved its key: what listens to a network keeps it small. */
static const struct bounds remote_bounds = { TMX_FRAME_MAX, TMX_LINK_BYTES_MAX, TMX_APP_RESPONSE_MAX };
static const struct bounds application_bounds = { TMX_APP_FRAME_MAX, TMX_APP_BYTES_MAX, TMX_APP_RESPONSE_MAX };

struct tmx_transport {
    const struct bounds *bounds;   /* of sockets made now */
    void *context;
    void *zap_socket;
    struct tmx_zap *zap;   /* NULL: no server */
    struct tmx_transport_counters counters;
    size_t n_sockets;
};

struct tmx_socket {
    struct tmx_transport *transport;
    const struct bounds *bounds;
    void *zmq;
    void *monitor;                    /* NULL: nobody asks about its connections */
    struct tmx_socket_story story;
    bool router;
    bool named;                       /* messages must bear a User-Id */
    size_t n_parts;
    zmq_msg_t parts[TMX_FRAMES_MAX];  /* what the last receive lent out */
    char endpoint[ENDPOINT_SIZE];
};

/* Options of any width, in this order. */
struct setting {
    int name;
    const void *data;
    size_t size;
};

static int set_all(void *zmq, const struct setting *settings, size_t n)
{
    int r = 0;
    for (size_t i = 0; i < n && r == 0; i++) {
        r = zmq_setsockopt(zmq, settings[i].name, settings[i].data, settings[i].size) == 0 ? 0 : -errno;
    }
    return r;
}

static int set_options(void *zmq, const struct option *options, size_t n)
{
    int r = 0;
    for (size_t i = 0; i < n && r == 0; i++) {
        r = zmq_setsockopt(zmq, options[i].name, &options[i].value, sizeof(int)) == 0 ? 0 : -errno;
    }
    return r;
}

static int bind_zap(struct tmx_transport *t)
{
    t->zap_socket = zmq_socket(t->context, ZMQ_REP);
    if (t->zap_socket == NULL) {
        return -errno;
    }
    const struct option linger = { ZMQ_LINGER, 0 };
    int r = set_options(t->zap_socket, &linger, 1);
    if (r == 0 && zmq_bind(t->zap_socket, ZAP_ENDPOINT) != 0) {
        r = -errno;
    }
    return r;
}

static int start_server(struct tmx_transport *t)
{
    uint8_t secret[32];   /* of this boot: nobody keeps it but the decision */
    randombytes_buf(secret, sizeof(secret));
    int r = tmx_zap_new(secret, &t->zap);
    sodium_memzero(secret, sizeof(secret));
    if (r == 0) {
        r = bind_zap(t);
    }
    if (r == 0) {
        r = tmx_transport_selftest(t);
    }
    return r;
}

int tmx_transport_new(bool server, struct tmx_transport **ret_transport)
{
    struct tmx_transport *t = sodium_init() < 0 ? NULL : calloc(1, sizeof(*t));
    if (t == NULL) {
        return -ENOMEM;
    }
    t->bounds = &link_bounds;
    t->context = zmq_ctx_new();
    int r = t->context == NULL || zmq_ctx_set(t->context, ZMQ_IO_THREADS, 1) != 0 ? -errno : 0;
    if (r == 0 && server) {
        r = start_server(t);
    }
    if (r != 0) {
        tmx_transport_free(t);
        return r;
    }
    memset(&t->counters, 0, sizeof(t->counters));
    *ret_transport = t;
    return 0;
}

struct tmx_transport *tmx_transport_free(struct tmx_transport *t)
{
    if (t == NULL) {
        return NULL;
    }
    assert(t->n_sockets == 0);
    if (t->zap_socket != NULL) {
        zmq_close(t->zap_socket);
    }
    if (t->context != NULL) {
        while (zmq_ctx_term(t->context) != 0 && errno == EINTR) {
        }
    }
    tmx_zap_free(t->zap);
    free(t);
    return NULL;
}

void tmx_transport_applications(struct tmx_transport *t, bool applications)
{
    t->bounds = applications ? &application_bounds : &link_bounds;
}

int tmx_transport_admit(struct tmx_transport *t, const struct tmx_admit *admits, size_t n)
{
    assert(t->zap != NULL);
    return tmx_zap_admit(t->zap, admits, n);
}

const struct tmx_transport_counters *tmx_transport_counters(const struct tmx_transport *t)
{
    return &t->counters;
}

/* 0, TMX_SOCKET_E_AGAIN or an error. Parts of one message are all there at once, so only the first can be E_AGAIN. */
static int receive_part(void *zmq, zmq_msg_t *part)
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

/* Like receive_part for what is sent. libzmq writes whole messages: on a ROUTER only the first part can fail; on a
 * DEALER whose pipe went in the middle it drops the parts before and those that follow. */
static int send_part(void *zmq, struct tmx_bytes part, bool more)
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

static struct tmx_bytes part_bytes(zmq_msg_t *part)
{
    return TMX_BYTES(zmq_msg_data(part), zmq_msg_size(part));
}

static int reply_zap(struct tmx_transport *t, const struct tmx_bytes *frames, size_t n)
{
    struct tmx_zap_reply reply;
    tmx_zap_decide(t->zap, frames, n, &reply);
    if (reply.accepted) {
        t->counters.zap_accepted++;
    } else {
        t->counters.zap_refused++;
        t->counters.refused = reply.refused;
    }
    const struct tmx_bytes status = tmx_bytes_str(reply.status), text = tmx_bytes_str(reply.text);
    const struct tmx_bytes user_id = tmx_bytes_str(reply.user_id), metadata = TMX_BYTES_NULL;
    const struct tmx_bytes answer[] = { TMX_LIT("1.0"), reply.request_id, status, text, user_id, metadata };
    int r = 0;
    for (size_t i = 0; i < TMX_N(answer) && r == 0; i++) {
        r = send_part(t->zap_socket, answer[i], i + 1 < TMX_N(answer));
    }
    /* The pipes to the sessions have no bound: a reply that does not fit is a broken library. */
    return r > 0 ? -EPROTO : r;
}

static int answer_zap_request(struct tmx_transport *t)
{
    zmq_msg_t parts[TMX_ZAP_FRAMES_MAX];
    struct tmx_bytes frames[TMX_ZAP_FRAMES_MAX];
    size_t n = 0;
    bool more = true;
    int r = 0;
    for (; more && r == 0 && n < TMX_ZAP_FRAMES_MAX; n++) {
        zmq_msg_init(&parts[n]);
        r = receive_part(t->zap_socket, &parts[n]);
        more = zmq_msg_more(&parts[n]) != 0;
        frames[n] = part_bytes(&parts[n]);
    }
    if (r == 0) {
        /* libzmq itself writes the requests, of at most 8 frames. */
        r = more ? -EPROTO : reply_zap(t, frames, n);
    }
    for (size_t i = 0; i < n; i++) {
        zmq_msg_close(&parts[i]);
    }
    return r;
}

static int answer_zap(struct tmx_transport *t)
{
    int r = 0;
    for (size_t i = 0; i < ZAP_TURN_MAX && r == 0; i++) {
        r = answer_zap_request(t);
    }
    return r < 0 ? r : 0;
}

/* CURVE over tcp, or a socket file without it. */
static bool endpoint_ok(const char *endpoint, bool curve)
{
    const char *scheme = curve ? "tcp://" : "ipc:///";
    return strlen(endpoint) < ENDPOINT_SIZE && strncmp(endpoint, scheme, strlen(scheme)) == 0;
}

/* Its queue has no bound: the thread that fills it is the one that moves all bytes, and must not wait for this one. What comes
 * is an event or two a connection. */
static int monitor_open(struct tmx_socket *s)
{
    char name[48];
    const struct option options[] = { { ZMQ_LINGER, 0 }, { ZMQ_RCVHWM, 0 } };
    snprintf(name, sizeof(name), "inproc://monitor-%p", s->zmq);
    if (zmq_socket_monitor(s->zmq, name, STORY_EVENTS) != 0) {
        return -errno;
    }
    s->monitor = zmq_socket(s->transport->context, ZMQ_PAIR);
    int r = s->monitor == NULL ? -errno : set_options(s->monitor, options, TMX_N(options));
    return r == 0 && zmq_connect(s->monitor, name) != 0 ? -errno : r;
}

static void monitor_close(struct tmx_socket *s)
{
    (void)zmq_socket_monitor(s->zmq, NULL, 0);   /* first: it would wait for a reader that is gone */
    if (s->monitor != NULL) {
        zmq_close(s->monitor);
    }
}

/* An event: u16 number and u32 value in the order of this machine; then its endpoint. */
static bool monitor_take(struct tmx_socket *s)
{
    zmq_msg_t event, endpoint;
    zmq_msg_init(&event);
    zmq_msg_init(&endpoint);
    bool came = receive_part(s->monitor, &event) == 0;
    if (came && zmq_msg_more(&event) != 0) {
        (void)!receive_part(s->monitor, &endpoint);
    }
    if (came && zmq_msg_size(&event) == sizeof(uint16_t) + sizeof(uint32_t)) {
        uint16_t number;
        uint32_t value;
        memcpy(&number, zmq_msg_data(&event), sizeof(number));
        memcpy(&value, (const uint8_t *)zmq_msg_data(&event) + sizeof(number), sizeof(value));
        story_take(&s->story, number, value, tmx_clock_mono_ms());
        if (s->router) {
            s->transport->counters.connections += number == ZMQ_EVENT_ACCEPTED;
            s->transport->counters.handshakes_failed +=
                number == ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL || number == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL;
        }
    }
    zmq_msg_close(&event);
    zmq_msg_close(&endpoint);
    return came;
}

const struct tmx_socket_story *tmx_socket_story(const struct tmx_socket *s)
{
    return &s->story;
}

/* Hands out a socket whose making went well, closes it otherwise. */
static int finish(struct tmx_socket *s, int r, struct tmx_socket **ret_socket)
{
    if (r != 0) {
        tmx_socket_close(s);
        return r;
    }
    *ret_socket = s;
    return 0;
}

static int new_socket(struct tmx_transport *t, int type, const char *endpoint, struct tmx_socket **ret_socket)
{
    struct tmx_socket *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        return -ENOMEM;
    }
    s->transport = t;
    bool remote = type == ZMQ_ROUTER && t->bounds == &application_bounds && strncmp(endpoint, "ipc://", 6) != 0;
    s->bounds = remote ? &remote_bounds : t->bounds;
    s->router = type == ZMQ_ROUTER;
    memcpy(s->endpoint, endpoint, strlen(endpoint) + 1);
    s->zmq = zmq_socket(t->context, type);
    if (s->zmq == NULL) {
        int r = -errno;
        free(s);
        return r;
    }
    t->n_sockets++;
    const int64_t frame_max = (int64_t)s->bounds->frame + CURVE_OVERHEAD;
    const int ipv6 = strchr(endpoint, '[') != NULL;
    const struct setting settings[] = { { ZMQ_MAXMSGSIZE, &frame_max, sizeof(frame_max) },
                                        { ZMQ_IPV6, &ipv6, sizeof(ipv6) } };
    int r = set_options(s->zmq, common_options, TMX_N(common_options));
    if (r == 0) {
        r = set_all(s->zmq, settings, TMX_N(settings));
    }
    return finish(s, r, ret_socket);
}

static int serve_curve(struct tmx_socket *s, const struct tmx_curve *curve)
{
    const int yes = 1;
    const struct setting settings[] = { { ZMQ_CURVE_SERVER, &yes, sizeof(yes) },
                                        { ZMQ_CURVE_SECRETKEY, curve->secret, sizeof(curve->secret) },
                                        { ZMQ_ZAP_DOMAIN, TMX_ZAP_DOMAIN, strlen(TMX_ZAP_DOMAIN) },
                                        { ZMQ_ZAP_ENFORCE_DOMAIN, &yes, sizeof(yes) } };
    s->named = true;
    return set_all(s->zmq, settings, TMX_N(settings));
}

static int bind_endpoint(struct tmx_socket *s)
{
    /* So that a socket file is never there with another mode, not even for a moment. */
    mode_t mask = umask(0117);
    int r = zmq_bind(s->zmq, s->endpoint) == 0 ? 0 : -errno;
    umask(mask);
    if (r == 0) {
        size_t size = sizeof(s->endpoint);
        r = zmq_getsockopt(s->zmq, ZMQ_LAST_ENDPOINT, s->endpoint, &size) == 0 ? 0 : -errno;
    }
    return r;
}

int tmx_socket_serve(struct tmx_transport *t, const char *endpoint, const struct tmx_curve *curve,
                     struct tmx_socket **ret_socket)
{
    assert(curve == NULL || t->zap != NULL);
    if (!endpoint_ok(endpoint, curve != NULL) || (curve != NULL && !tmx_curve_pair_ok(curve))) {
        return -EINVAL;
    }
    struct tmx_socket *s;
    int r = new_socket(t, ZMQ_ROUTER, endpoint, &s);
    if (r != 0) {
        return r;
    }
    r = set_options(s->zmq, server_options, TMX_N(server_options));
    if (r == 0 && curve != NULL) {
        r = serve_curve(s, curve);
        r = r == 0 ? monitor_open(s) : r;
    }
    if (r == 0) {
        r = bind_endpoint(s);
    }
    return finish(s, r, ret_socket);
}

static int connect_curve(struct tmx_socket *s, const struct tmx_curve *curve, const uint8_t server_key[32])
{
    const struct setting settings[] = { { ZMQ_CURVE_SERVERKEY, server_key, 32 },
                                        { ZMQ_CURVE_PUBLICKEY, curve->public, sizeof(curve->public) },
                                        { ZMQ_CURVE_SECRETKEY, curve->secret, sizeof(curve->secret) } };
    return set_all(s->zmq, settings, TMX_N(settings));
}

int tmx_socket_connect(struct tmx_transport *t, const char *endpoint, const struct tmx_curve *curve,
                       const uint8_t server_key[32], struct tmx_socket **ret_socket)
{
    assert((curve == NULL) == (server_key == NULL));
    if (!endpoint_ok(endpoint, curve != NULL) ||
        (curve != NULL && (!tmx_curve_pair_ok(curve) || !tmx_curve_key_ok(server_key)))) {
        return -EINVAL;
    }
    struct tmx_socket *s;
    int r = new_socket(t, ZMQ_DEALER, endpoint, &s);
    if (r != 0) {
        return r;
    }
    r = set_options(s->zmq, client_options, TMX_N(client_options));
    if (r == 0 && curve != NULL) {
        r = connect_curve(s, curve, server_key);
        r = r == 0 ? monitor_open(s) : r;
    }
    if (r == 0 && zmq_connect(s->zmq, endpoint) != 0) {
        r = -errno;
    }
    return finish(s, r, ret_socket);
}

static void give_back(struct tmx_socket *s)
{
    for (size_t i = 0; i < s->n_parts; i++) {
        zmq_msg_close(&s->parts[i]);
    }
    s->n_parts = 0;
}

struct tmx_socket *tmx_socket_close(struct tmx_socket *s)
{
    if (s != NULL) {
        give_back(s);
        monitor_close(s);
        zmq_close(s->zmq);
        s->transport->n_sockets--;
        free(s);
    }
    return NULL;
}

void tmx_socket_linger(struct tmx_socket *s, unsigned ms)
{
    const struct option linger = { ZMQ_LINGER, (int)ms };
    int r = set_options(s->zmq, &linger, 1);
    assert(r == 0);
}

const char *tmx_socket_endpoint(const struct tmx_socket *s)
{
    return s->endpoint;
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
        int r = receive_part(s->zmq, &part);
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
    int r = receive_part(s->zmq, &part);
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
    give_back(s);
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
        give_back(s);
        return TMX_SOCKET_E_AGAIN;
    }
    head.n_frames = s->n_parts;
    for (size_t i = 0; i < s->n_parts; i++) {
        head.frames[i] = part_bytes(&s->parts[i]);
    }
    *ret_message = head;
    return 0;
}

static int send_parts(struct tmx_socket *s, const struct tmx_message *to, const struct tmx_bytes *frames, size_t n)
{
    int r = s->router ? send_part(s->zmq, TMX_BYTES(to->route, to->route_size), true) : 0;
    bool lost = false;
    for (size_t i = 0; i < n && r == 0; i++) {
        r = send_part(s->zmq, frames[i], i + 1 < n);
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

static void stories_take(const struct tmx_poll *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct tmx_socket *s = items[i].socket;
        for (size_t k = 0; s != NULL && s->monitor != NULL && k < STORY_TURN_MAX && monitor_take(s); k++) {
        }
    }
}

int tmx_transport_poll(struct tmx_transport *t, struct tmx_poll *items, size_t n, int timeout_ms)
{
    assert(n <= TMX_POLL_MAX);
    zmq_pollitem_t waits[2 * TMX_POLL_MAX + 1];
    int n_waits = 0;
    for (size_t i = 0; i < n; i++) {
        items[i].ready = items[i].writable = false;
        if (items[i].socket != NULL || items[i].fd >= 0) {
            void *zmq = items[i].socket != NULL ? items[i].socket->zmq : NULL;
            waits[n_waits++] = (zmq_pollitem_t){ .socket = zmq, .fd = items[i].fd, .events = ZMQ_POLLIN };
            waits[n_waits - 1].events |= items[i].want_write ? ZMQ_POLLOUT : 0;
        }
    }
    if (t->zap_socket != NULL) {
        waits[n_waits++] = (zmq_pollitem_t){ .socket = t->zap_socket, .events = ZMQ_POLLIN };
    }
    for (size_t i = 0; i < n; i++) {   /* what a client's connection goes through is news, at a server it is everyday */
        if (items[i].socket != NULL && !items[i].socket->router && items[i].socket->monitor != NULL) {
            waits[n_waits++] = (zmq_pollitem_t){ .socket = items[i].socket->monitor, .events = ZMQ_POLLIN };
        }
    }
    int r = zmq_poll(waits, n_waits, timeout_ms);
    if (r < 0) {
        return errno == EINTR ? 0 : -errno;
    }
    stories_take(items, n);
    int at = 0;
    for (size_t i = 0; i < n; i++) {
        if (items[i].socket != NULL || items[i].fd >= 0) {
            items[i].ready = (waits[at].revents & (ZMQ_POLLIN | ZMQ_POLLERR)) != 0;
            items[i].writable = (waits[at].revents & ZMQ_POLLOUT) != 0;
            at++;
        }
    }
    return t->zap_socket != NULL && waits[at].revents != 0 ? answer_zap(t) : 0;
}

void tmx_transport_library(char *ret_version, size_t size)
{
    int major, minor, patch;
    zmq_version(&major, &minor, &patch);
    (void)snprintf(ret_version, size, "%d.%d.%d", major, minor, patch);
}
