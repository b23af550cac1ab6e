/* SPDX-License-Identifier: Apache-2.0
 * The transport over ZeroMQ: its context, options, and waiting. Contract: tmx/transport.h.
 *
 * libzmq 4.3.4 admits everybody when no ZAP handler is bound, lets peers claim a User-Id, and loses the metadata of
 * the identity frame: hence the order in tmx_transport_new, ZMQ_ZAP_ENFORCE_DOMAIN, the token in the User-Id, and
 * that it is read from the first payload frame.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transport_selftest.h"
#include "transport_zmq.h"

#define STORY_TURN_MAX 256u    /* events of a monitor taken per wait */

const struct bounds transport_link_bounds = { TMX_FRAME_MAX, TMX_LINK_BYTES_MAX, TMX_CONTROL_MAX };
const struct bounds transport_application_bounds = { TMX_APP_FRAME_MAX, TMX_APP_BYTES_MAX, TMX_APP_RESPONSE_MAX };

int transport_settings_set(void *zmq, const struct setting *settings, size_t n)
{
    int r = 0;
    for (size_t i = 0; i < n && r == 0; i++) {
        r = zmq_setsockopt(zmq, settings[i].name, settings[i].data, settings[i].size) == 0 ? 0 : -errno;
    }
    return r;
}

int transport_options_set(void *zmq, const struct option *options, size_t n)
{
    int r = 0;
    for (size_t i = 0; i < n && r == 0; i++) {
        r = zmq_setsockopt(zmq, options[i].name, &options[i].value, sizeof(int)) == 0 ? 0 : -errno;
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
        r = transport_zap_open(t);
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
    t->bounds = &transport_link_bounds;
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
    t->bounds = applications ? &transport_application_bounds : &transport_link_bounds;
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

static void stories_take(const struct tmx_poll *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct tmx_socket *s = items[i].socket;
        for (size_t k = 0; s != NULL && s->monitor != NULL && k < STORY_TURN_MAX && transport_monitor_take(s); k++) {
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
    return t->zap_socket != NULL && waits[at].revents != 0 ? transport_zap_answer(t) : 0;
}

void tmx_transport_library(char *ret_version, size_t size)
{
    int major, minor, patch;
    zmq_version(&major, &minor, &patch);
    (void)snprintf(ret_version, size, "%d.%d.%d", major, minor, patch);
}
