/* SPDX-License-Identifier: Apache-2.0
 * Sockets with CURVE, made and closed, and what becomes of their connections.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <tmx/clock.h>

#include "transport_zmq.h"

#include "transport_story.h"

/* zmq.h declares it for draft builds only; the library Debian builds knows it (checked: setsockopt must succeed). */
#ifndef ZMQ_ZAP_ENFORCE_DOMAIN
#define ZMQ_ZAP_ENFORCE_DOMAIN 93
#endif

#define CURVE_OVERHEAD 33u     /* command prefix, nonce, MAC and flags of a CURVE MESSAGE */

/* libzmq applies the frame bound before a peer has proved its key: what listens to a network keeps it small. */
static const struct bounds remote_bounds = { TMX_FRAME_MAX, TMX_LINK_BYTES_MAX, TMX_APP_RESPONSE_MAX };

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
    int r = s->monitor == NULL ? -errno : transport_options_set(s->monitor, options, TMX_N(options));
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
bool transport_monitor_take(struct tmx_socket *s)
{
    zmq_msg_t event, endpoint;
    zmq_msg_init(&event);
    zmq_msg_init(&endpoint);
    bool came = transport_part_receive(s->monitor, &event) == 0;
    if (came && zmq_msg_more(&event) != 0) {
        (void)!transport_part_receive(s->monitor, &endpoint);
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
    bool remote = type == ZMQ_ROUTER && t->bounds == &transport_application_bounds && strncmp(endpoint, "ipc://", 6) != 0;
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
    int r = transport_options_set(s->zmq, common_options, TMX_N(common_options));
    if (r == 0) {
        r = transport_settings_set(s->zmq, settings, TMX_N(settings));
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
    return transport_settings_set(s->zmq, settings, TMX_N(settings));
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
    r = transport_options_set(s->zmq, server_options, TMX_N(server_options));
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
    return transport_settings_set(s->zmq, settings, TMX_N(settings));
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
    r = transport_options_set(s->zmq, client_options, TMX_N(client_options));
    if (r == 0 && curve != NULL) {
        r = connect_curve(s, curve, server_key);
        r = r == 0 ? monitor_open(s) : r;
    }
    if (r == 0 && zmq_connect(s->zmq, endpoint) != 0) {
        r = -errno;
    }
    return finish(s, r, ret_socket);
}

int tmx_socket_again(struct tmx_socket *s)
{
    if (zmq_disconnect(s->zmq, s->endpoint) != 0 && errno != ENOENT) {
        return -errno;
    }
    return zmq_connect(s->zmq, s->endpoint) == 0 ? 0 : -errno;
}

struct tmx_socket *tmx_socket_close(struct tmx_socket *s)
{
    if (s != NULL) {
        transport_parts_free(s);
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
    int r = transport_options_set(s->zmq, &linger, 1);
    assert(r == 0);
}

const char *tmx_socket_endpoint(const struct tmx_socket *s)
{
    return s->endpoint;
}
