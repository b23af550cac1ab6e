/* SPDX-License-Identifier: Apache-2.0
 * A server with two admitted members, and its clients. Contract: transport_world.h.
 */
#include "transport_world.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zmq.h>

int64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void admit(struct world *w, bool with_fr)
{
    struct tmx_admit admits[2] = { { .member = "DE" }, { .member = "FR" } };
    memcpy(admits[0].key, w->de.public, 32);
    memcpy(admits[1].key, w->fr.public, 32);
    assert_int_equal(tmx_transport_admit(w->server, admits, with_fr ? 2 : 1), 0);
}

int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    *state = w;
    tmx_curve_generate(&w->keys);
    tmx_curve_generate(&w->fr);
    tmx_curve_generate(&w->de);
    tmx_curve_generate(&w->stranger);
    assert_int_equal(tmx_transport_new(true, &w->server), 0);
    admit(w, true);
    assert_int_equal(tmx_socket_serve(w->server, "tcp://127.0.0.1:*", &w->keys, &w->socket), 0);
    assert_int_equal(tmx_transport_new(false, &w->clients), 0);
    w->context = zmq_ctx_new();
    return 0;
}

void finish(struct world *w)
{
    zmq_ctx_term(w->context);
    tmx_transport_free(w->clients);
    tmx_socket_close(w->socket);
    tmx_transport_free(w->server);
    free(w);
}

struct tmx_socket *client_of(struct world *w, const struct tmx_curve *curve)
{
    struct tmx_socket *s;
    assert_int_equal(tmx_socket_connect(w->clients, tmx_socket_endpoint(w->socket), curve, w->keys.public, &s), 0);
    return s;
}

/* Lets the server work for a moment; true when a message came: then it is in w->m. */
bool serve_once(struct world *w)
{
    struct tmx_poll item = { .socket = w->socket, .fd = -1 };
    assert_int_equal(tmx_transport_poll(w->server, &item, 1, 10), 0);
    int r = tmx_socket_receive(w->socket, &w->m);
    assert_true(r == 0 || r == TMX_SOCKET_E_AGAIN);
    return r == 0;
}

void await_message(struct world *w)
{
    int64_t end = now_ms() + DEADLINE_MS;
    while (!serve_once(w)) {
        assert_true(now_ms() < end);
    }
}

/* Sends once the connection stands; the server works meanwhile and must get nothing else. */
void send_when_up(struct world *w, struct tmx_socket *s, const struct tmx_bytes *frames, size_t n)
{
    int64_t end = now_ms() + DEADLINE_MS;
    while (tmx_socket_send(s, NULL, frames, n) != 0) {
        assert_false(serve_once(w));
        assert_true(now_ms() < end);
    }
}

void await_at_client(struct world *w, struct tmx_socket *s, struct tmx_message *m)
{
    for (int64_t end = now_ms() + DEADLINE_MS; now_ms() < end;) {
        struct tmx_poll item = { .socket = s, .fd = -1 };
        assert_int_equal(tmx_transport_poll(w->clients, &item, 1, 10), 0);
        if (tmx_socket_receive(s, m) == 0) {
            return;
        }
    }
    fail_msg("no answer");
}

/* The exchange goes on: a message of this client arrives under this name and the answer comes back. */
void expect_exchange(struct world *w, struct tmx_socket *s, const char *name)
{
    struct tmx_bytes question = TMX_LIT("question"), answer = TMX_LIT("answer");
    struct tmx_message m;
    send_when_up(w, s, &question, 1);
    await_message(w);
    assert_string_equal(w->m.peer, name);
    assert_int_equal(w->m.n_frames, 1);
    assert_true(tmx_bytes_eq(w->m.frames[0], question));
    assert_int_equal(tmx_socket_send(w->socket, &w->m, &answer, 1), 0);
    await_at_client(w, s, &m);
    assert_true(m.n_frames == 1 && tmx_bytes_eq(m.frames[0], answer));
}

struct stock stock_new(struct world *w)
{
    struct stock s = { zmq_socket(w->context, ZMQ_DEALER), zmq_socket(w->context, ZMQ_PAIR) };
    const int linger = 0, back_off = 60000;
    char name[64];
    snprintf(name, sizeof(name), "inproc://monitor-%p", s.zmq);
    zmq_setsockopt(s.zmq, ZMQ_LINGER, &linger, sizeof(linger));
    zmq_setsockopt(s.monitor, ZMQ_LINGER, &linger, sizeof(linger));
    zmq_setsockopt(s.zmq, ZMQ_RECONNECT_IVL, &back_off, sizeof(back_off));
    assert_int_equal(zmq_socket_monitor(s.zmq, name,
                                        ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                                            ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
                                            ZMQ_EVENT_HANDSHAKE_SUCCEEDED),
                     0);
    assert_int_equal(zmq_connect(s.monitor, name), 0);
    return s;
}

void stock_close(struct stock *s)
{
    zmq_socket_monitor(s->zmq, NULL, 0);
    zmq_close(s->zmq);
    zmq_close(s->monitor);
}

void stock_curve(struct stock *s, const struct tmx_curve *curve, const uint8_t server_key[32])
{
    zmq_setsockopt(s->zmq, ZMQ_CURVE_SERVERKEY, server_key, 32);
    zmq_setsockopt(s->zmq, ZMQ_CURVE_PUBLICKEY, curve->public, 32);
    zmq_setsockopt(s->zmq, ZMQ_CURVE_SECRETKEY, curve->secret, 32);
}

/* The next event of the monitor, or 0. */
int stock_event(struct stock *s)
{
    uint8_t event[6];
    char address[256];
    if (zmq_recv(s->monitor, event, sizeof(event), ZMQ_DONTWAIT) < 0) {
        return 0;
    }
    zmq_recv(s->monitor, address, sizeof(address), 0);
    uint16_t id;
    memcpy(&id, event, sizeof(id));
    return id;
}

/* The server works until the client's connection has ended without a handshake; nothing may come in. */
void expect_refused(struct world *w, struct stock *s)
{
    int event = 0;
    for (int64_t end = now_ms() + DEADLINE_MS; event == 0 && now_ms() < end;) {
        assert_false(serve_once(w));
        event = stock_event(s);
    }
    assert_int_not_equal(event, 0);
    assert_int_not_equal(event, ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
}
