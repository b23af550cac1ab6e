/* SPDX-License-Identifier: Apache-2.0
 * The transport against stock clients, raw bytes and a client of our own that breaks rules. Everything waits for a
 * condition with a deadline; what must not arrive is proved by something sent after it on the same connection, or by
 * the attacker's connection having ended. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#include <tmx/transport.h>

#include "../harness/curve_client.h"

#define DEADLINE_MS 10000
#define ZAP_ENFORCE_DOMAIN 93

static uint8_t big[TMX_FRAME_MAX + 64];

struct world {
    struct tmx_curve keys, fr, de, stranger;
    struct tmx_transport *server;
    struct tmx_socket *socket;
    struct tmx_transport *clients;
    void *context;   /* of stock clients */
    struct tmx_message m;
};

static int64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void admit(struct world *w, bool with_fr)
{
    struct tmx_admit admits[2] = { { .member = "DE" }, { .member = "FR" } };
    memcpy(admits[0].key, w->de.public, 32);
    memcpy(admits[1].key, w->fr.public, 32);
    assert_int_equal(tmx_transport_admit(w->server, admits, with_fr ? 2 : 1), 0);
}

static int setup(void **state)
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

static int teardown(void **state)
{
    struct world *w = *state;
    zmq_ctx_term(w->context);
    tmx_transport_free(w->clients);
    tmx_socket_close(w->socket);
    tmx_transport_free(w->server);
    free(w);
    return 0;
}

static struct tmx_socket *client_of(struct world *w, const struct tmx_curve *curve)
{
    struct tmx_socket *s;
    assert_int_equal(tmx_socket_connect(w->clients, tmx_socket_endpoint(w->socket), curve, w->keys.public, &s), 0);
    return s;
}

/* Lets the server work for a moment; true when a message came: then it is in w->m. */
static bool serve_once(struct world *w)
{
    struct tmx_poll item = { .socket = w->socket, .fd = -1 };
    assert_int_equal(tmx_transport_poll(w->server, &item, 1, 10), 0);
    int r = tmx_socket_receive(w->socket, &w->m);
    assert_true(r == 0 || r == TMX_SOCKET_E_AGAIN);
    return r == 0;
}

static void await_message(struct world *w)
{
    int64_t end = now_ms() + DEADLINE_MS;
    while (!serve_once(w)) {
        assert_true(now_ms() < end);
    }
}

/* Sends once the connection stands; the server works meanwhile and must get nothing else. */
static void send_when_up(struct world *w, struct tmx_socket *s, const struct tmx_bytes *frames, size_t n)
{
    int64_t end = now_ms() + DEADLINE_MS;
    while (tmx_socket_send(s, NULL, frames, n) != 0) {
        assert_false(serve_once(w));
        assert_true(now_ms() < end);
    }
}

static void await_at_client(struct world *w, struct tmx_socket *s, struct tmx_message *m)
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
static void expect_exchange(struct world *w, struct tmx_socket *s, const char *name)
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

/* TRA-1, TRA-2, TRA-3 */
static void names_admitted_peers(void **state)
{
    struct world *w = *state;
    struct tmx_socket *fr = client_of(w, &w->fr), *de = client_of(w, &w->de);
    expect_exchange(w, fr, "FR");
    expect_exchange(w, de, "DE");
    expect_exchange(w, fr, "FR");
    assert_int_equal(tmx_transport_counters(w->server)->zap_accepted, 2);
    assert_int_equal(tmx_transport_counters(w->server)->zap_refused, 0);
    tmx_socket_close(fr);
    tmx_socket_close(de);
}

/* A stock client with a monitor, so that one sees its connection end. */
struct stock {
    void *zmq;
    void *monitor;
};

static struct stock stock_new(struct world *w)
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

static void stock_close(struct stock *s)
{
    zmq_socket_monitor(s->zmq, NULL, 0);
    zmq_close(s->zmq);
    zmq_close(s->monitor);
}

static void stock_curve(struct stock *s, const struct tmx_curve *curve, const uint8_t server_key[32])
{
    zmq_setsockopt(s->zmq, ZMQ_CURVE_SERVERKEY, server_key, 32);
    zmq_setsockopt(s->zmq, ZMQ_CURVE_PUBLICKEY, curve->public, 32);
    zmq_setsockopt(s->zmq, ZMQ_CURVE_SECRETKEY, curve->secret, 32);
}

/* The next event of the monitor, or 0. */
static int stock_event(struct stock *s)
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
static void expect_refused(struct world *w, struct stock *s)
{
    int event = 0;
    for (int64_t end = now_ms() + DEADLINE_MS; event == 0 && now_ms() < end;) {
        assert_false(serve_once(w));
        event = stock_event(s);
    }
    assert_int_not_equal(event, 0);
    assert_int_not_equal(event, ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
}

enum attack { UNKNOWN_KEY, WRONG_SERVER_KEY, NO_SECURITY, PLAIN, ADMITTED_KEY_WITHOUT_SECRET, N_ATTACKS };

static void prepare(struct world *w, struct stock *s, enum attack attack)
{
    struct tmx_curve thief = w->stranger;
    switch (attack) {
    case UNKNOWN_KEY:
        stock_curve(s, &w->stranger, w->keys.public);
        break;
    case WRONG_SERVER_KEY:
        stock_curve(s, &w->fr, w->de.public);
        break;
    case NO_SECURITY:
        break;
    case PLAIN:
        zmq_setsockopt(s->zmq, ZMQ_PLAIN_USERNAME, "FR", 2);
        zmq_setsockopt(s->zmq, ZMQ_PLAIN_PASSWORD, "FR", 2);
        break;
    case ADMITTED_KEY_WITHOUT_SECRET:
        memcpy(thief.public, w->fr.public, 32);
        stock_curve(s, &thief, w->keys.public);
        break;
    case N_ATTACKS:
        break;
    }
}

/* TRA-1, TRA-2 */
static void refuses_everybody_else(void **state)
{
    struct world *w = *state;
    struct tmx_socket *fr = client_of(w, &w->fr);
    expect_exchange(w, fr, "FR");
    for (enum attack attack = 0; attack < N_ATTACKS; attack++) {
        struct stock s = stock_new(w);
        prepare(w, &s, attack);
        assert_int_equal(zmq_connect(s.zmq, tmx_socket_endpoint(w->socket)), 0);
        zmq_send(s.zmq, "attack", 6, ZMQ_DONTWAIT);
        expect_refused(w, &s);
        stock_close(&s);
        expect_exchange(w, fr, "FR");
    }
    const struct tmx_transport_counters *c = tmx_transport_counters(w->server);
    assert_int_equal(c->zap_refused, 1);
    assert_int_equal(c->unnamed, 0);
    tmx_socket_close(fr);
}

/* The server works until it has closed this connection. */
static void expect_closed(struct world *w, int fd)
{
    uint8_t scratch[4096];
    for (int64_t end = now_ms() + DEADLINE_MS; now_ms() < end;) {
        assert_false(serve_once(w));
        ssize_t n = recv(fd, scratch, sizeof(scratch), MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN)) {
            close(fd);
            return;
        }
    }
    fail_msg("the connection stays open");
}

/* TRA-1, TRA-2: bytes that are no CURVE handshake, among them one that is never finished. */
static void closes_on_garbage(void **state)
{
    struct world *w = *state;
    static const char zeros[300];
    uint8_t noise[5000];
    randombytes_buf(noise, sizeof(noise));
    noise[0] = 1;
    const struct tmx_bytes attacks[] = {
        TMX_LIT("GET / HTTP/1.1\r\nHost: broker\r\n\r\n"),
        TMX_BYTES_OF(noise),
        TMX_BYTES_OF(zeros),
        TMX_LIT("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS greeting"),
        TMX_LIT("\1\0\5hello ZMTP 1 with an empty routing id"),
        TMX_LIT("\xff\0\0\0\0\0\0\0\1\x7f\1\5\0\0 ZMTP 2, a DEALER"),
        /* the greeting of ZMTP 3 with CURVE, then a command of 2^40 bytes */
        TMX_LIT("\xff\0\0\0\0\0\0\0\0\x7f\3\0CURVE\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
                "\0\0\0\0\0\0\0\0\0\6\0\0\1\0\0\0\0\0"),
        TMX_LIT("\xff\0\0\0"),
        TMX_LIT(""),
    };
    struct tmx_socket *fr = client_of(w, &w->fr);
    int fds[TMX_N(attacks)];
    for (size_t i = 0; i < TMX_N(attacks); i++) {
        fds[i] = tcp_connect(tmx_socket_endpoint(w->socket));
        assert_true(fds[i] >= 0);
        tcp_write(fds[i], attacks[i].data, attacks[i].size);
    }
    for (size_t i = 0; i < TMX_N(attacks); i++) {
        expect_closed(w, fds[i]);
    }
    expect_exchange(w, fr, "FR");
    assert_int_equal(tmx_transport_counters(w->server)->zap_refused, 0);
    tmx_socket_close(fr);
}

/* TRA-4. What is at the bounds arrives; what is beyond is counted, and the next message arrives. */
static void bounds_messages(void **state)
{
    struct world *w = *state;
    const struct tmx_transport_counters *c = tmx_transport_counters(w->server);
    const struct {
        size_t control, part, n_parts;
        bool delimiter;
        const uint64_t *counter;
    } cases[] = {
        { TMX_CONTROL_MAX, 0, 0, false, NULL },
        { TMX_CONTROL_MAX, 0, 0, true, NULL },
        { 1, TMX_FRAME_MAX, 1, false, NULL },
        { 1, 1, TMX_FRAMES_MAX - 1, false, NULL },
        { 16, (TMX_LINK_BYTES_MAX - 16) / 4, 4, false, NULL },
        { 0, 0, 0, false, NULL },
        { TMX_CONTROL_MAX + 1, 0, 0, false, &c->oversize },
        { TMX_CONTROL_MAX + 1, 0, 0, true, &c->oversize },
        { 17, (TMX_LINK_BYTES_MAX - 16) / 4, 4, false, &c->oversize },
        { 1, 1, TMX_FRAMES_MAX, false, &c->too_many_frames },
        { 1, 1, 5000, false, &c->too_many_frames },
    };
    struct stock s = stock_new(w);
    stock_curve(&s, &w->fr, w->keys.public);
    assert_int_equal(zmq_connect(s.zmq, tmx_socket_endpoint(w->socket)), 0);
    for (size_t i = 0; i < TMX_N(cases); i++) {
        uint64_t before = cases[i].counter != NULL ? *cases[i].counter : 0;
        if (cases[i].delimiter) {
            zmq_send(s.zmq, NULL, 0, ZMQ_SNDMORE);
        }
        zmq_send(s.zmq, big, cases[i].control, cases[i].n_parts > 0 ? ZMQ_SNDMORE : 0);
        for (size_t k = 1; k <= cases[i].n_parts; k++) {
            zmq_send(s.zmq, big, cases[i].part, k < cases[i].n_parts ? ZMQ_SNDMORE : 0);
        }
        zmq_send(s.zmq, "next", 4, 0);
        await_message(w);
        if (cases[i].counter == NULL) {
            assert_int_equal(w->m.n_frames, 1 + cases[i].n_parts + cases[i].delimiter);
            assert_int_equal(w->m.frames[w->m.n_frames - 1].size, cases[i].n_parts > 0 ? cases[i].part : cases[i].control);
            await_message(w);
        } else {
            assert_int_equal(*cases[i].counter, before + 1);
        }
        assert_true(w->m.n_frames == 1 && tmx_bytes_eq(w->m.frames[0], TMX_LIT("next")));
    }
    stock_close(&s);
}

/* TRA-4: a frame above the limit costs its sender the connection, before it is in memory. */
static void closes_on_an_oversize_frame(void **state)
{
    struct world *w = *state;
    struct stock s = stock_new(w);
    stock_curve(&s, &w->fr, w->keys.public);
    assert_int_equal(zmq_connect(s.zmq, tmx_socket_endpoint(w->socket)), 0);
    zmq_send(s.zmq, "first", 5, 0);
    await_message(w);
    zmq_send(s.zmq, big, TMX_FRAME_MAX + 1, 0);
    int event = 0;
    for (int64_t end = now_ms() + DEADLINE_MS; event != ZMQ_EVENT_DISCONNECTED && now_ms() < end;) {
        assert_false(serve_once(w));
        event = stock_event(&s);
    }
    assert_int_equal(event, ZMQ_EVENT_DISCONNECTED);
    stock_close(&s);
}

/* TRA-3: an admitted peer claims to be another. */
static void ignores_a_claimed_user_id(void **state)
{
    struct world *w = *state;
    struct curve_client c;
    char claim[] = "DE.0000000000000000000000000000000000000000000000000000000000000000";
    pid_t child = fork();
    if (child == 0) {   /* a blocking client, so in a process of its own, which touches no ZeroMQ */
        bool sent = curve_client_open(&c, tmx_socket_endpoint(w->socket), &w->fr, w->keys.public, claim) &&
                    curve_client_send(&c, TMX_LIT("claimed"), false);
        uint8_t end;
        _exit(sent && recv(c.fd, &end, 1, 0) >= 0 ? 0 : 1);
    }
    await_message(w);
    assert_string_equal(w->m.peer, "FR");
    assert_true(tmx_bytes_eq(w->m.frames[0], TMX_LIT("claimed")));
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

/* TRA-1: messages of a peer that chose its routing id are discarded, and it takes nobody's answers. */
static void discards_chosen_routing_ids(void **state)
{
    struct world *w = *state;
    const struct tmx_transport_counters *c = tmx_transport_counters(w->server);
    const struct tmx_bytes ids[] = { TMX_LIT("FR"), TMX_LIT("FRnod"), TMX_LIT("\0\1\2\3"), TMX_LIT("\0\1\2\3\4\5\6\7"),
                                     TMX_LIT("a routing id longer than any of the library's own") };
    struct tmx_socket *fr = client_of(w, &w->fr);
    expect_exchange(w, fr, "FR");
    for (size_t i = 0; i < TMX_N(ids); i++) {
        struct stock s = stock_new(w);
        stock_curve(&s, &w->de, w->keys.public);
        zmq_setsockopt(s.zmq, ZMQ_ROUTING_ID, ids[i].data, ids[i].size);
        assert_int_equal(zmq_connect(s.zmq, tmx_socket_endpoint(w->socket)), 0);
        zmq_send(s.zmq, "squat", 5, 0);
        for (int64_t end = now_ms() + DEADLINE_MS; c->unnamed < i + 1;) {
            assert_false(serve_once(w));
            assert_true(now_ms() < end);
        }
        expect_exchange(w, fr, "FR");
        stock_close(&s);
    }
    tmx_socket_close(fr);
}

/* TRA-3, DIR-7: a removed key's connection stands, and nothing of it is let through any more. */
static void revokes_established_connections(void **state)
{
    struct world *w = *state;
    const struct tmx_transport_counters *c = tmx_transport_counters(w->server);
    struct tmx_socket *fr = client_of(w, &w->fr), *de = client_of(w, &w->de);
    struct tmx_bytes frame = TMX_LIT("of a revoked key");
    expect_exchange(w, fr, "FR");
    expect_exchange(w, de, "DE");
    admit(w, false);
    for (uint64_t i = 1; i <= 3; i++) {
        assert_int_equal(tmx_socket_send(fr, NULL, &frame, 1), 0);
        for (int64_t end = now_ms() + DEADLINE_MS; c->unnamed < i;) {
            assert_false(serve_once(w));
            assert_true(now_ms() < end);
        }
        expect_exchange(w, de, "DE");
    }
    /* and no new connection is made */
    struct stock s = stock_new(w);
    stock_curve(&s, &w->fr, w->keys.public);
    assert_int_equal(zmq_connect(s.zmq, tmx_socket_endpoint(w->socket)), 0);
    expect_refused(w, &s);
    assert_int_equal(c->zap_refused, 1);
    stock_close(&s);
    /* it was the key, not the connection: admitted again, the same one serves */
    admit(w, true);
    expect_exchange(w, fr, "FR");
    assert_int_equal(c->zap_accepted, 2);
    tmx_socket_close(fr);
    tmx_socket_close(de);
}

/* TRA-2: what the transport stands on. Without a handler, a server with the enforced domain admits nobody. */
static void refuses_all_without_a_handler(void **state)
{
    struct world *w = *state;
    void *context = zmq_ctx_new(), *server = zmq_socket(context, ZMQ_ROUTER);
    const int yes = 1, none = 0;
    char endpoint[64];
    size_t size = sizeof(endpoint);
    zmq_setsockopt(server, ZMQ_LINGER, &none, sizeof(none));
    zmq_setsockopt(server, ZMQ_CURVE_SERVER, &yes, sizeof(yes));
    zmq_setsockopt(server, ZMQ_CURVE_SECRETKEY, w->keys.secret, 32);
    zmq_setsockopt(server, ZMQ_ZAP_DOMAIN, "tmx", 3);
    assert_int_equal(zmq_setsockopt(server, ZAP_ENFORCE_DOMAIN, &yes, sizeof(yes)), 0);
    assert_int_equal(zmq_bind(server, "tcp://127.0.0.1:*"), 0);
    assert_int_equal(zmq_getsockopt(server, ZMQ_LAST_ENDPOINT, endpoint, &size), 0);

    struct stock s = stock_new(w);
    stock_curve(&s, &w->fr, w->keys.public);
    assert_int_equal(zmq_connect(s.zmq, endpoint), 0);
    zmq_send(s.zmq, "unchecked", 9, ZMQ_DONTWAIT);
    expect_refused(w, &s);
    zmq_pollitem_t item = { .socket = server, .events = ZMQ_POLLIN };
    assert_int_equal(zmq_poll(&item, 1, 0), 0);
    stock_close(&s);
    zmq_close(server);
    zmq_ctx_term(context);
}

/* TRA-1 */
static void refuses_other_endpoints_and_bad_keys(void **state)
{
    struct world *w = *state;
    struct tmx_socket *s;
    static char too_long[400];
    memset(too_long, 'x', sizeof(too_long) - 1);
    memcpy(too_long, "tcp://", 6);
    const char *const bad[] = { "tcp://", "tcp://127.0.0.1", "inproc://a", "udp://127.0.0.1:5000", "pgm://eth0;239.1.1.1:7", "",
                                "ws://127.0.0.1:*", "tipc://{1,2,3}", "TCP://127.0.0.1:*", " tcp://127.0.0.1:*", too_long };
    for (size_t i = 0; i < TMX_N(bad); i++) {
        assert_int_equal(tmx_socket_serve(w->server, bad[i], &w->keys, &s), -EINVAL);
        assert_int_equal(tmx_socket_serve(w->server, bad[i], NULL, &s), -EINVAL);
        assert_int_equal(tmx_socket_connect(w->clients, bad[i], &w->fr, w->keys.public, &s), -EINVAL);
    }
    assert_int_equal(tmx_socket_serve(w->server, "tcp://127.0.0.1:*", NULL, &s), -EINVAL);
    assert_int_equal(tmx_socket_serve(w->server, "ipc:///tmp/tmx-test", &w->keys, &s), -EINVAL);
    assert_int_equal(tmx_socket_serve(w->server, "ipc://relative", NULL, &s), -EINVAL);
    assert_int_equal(tmx_socket_serve(w->server, "ipc://@abstract", NULL, &s), -EINVAL);
    assert_int_equal(tmx_socket_serve(w->server, tmx_socket_endpoint(w->socket), &w->keys, &s), -EADDRINUSE);

    struct tmx_curve mixed = w->fr, zero = { 0 }, printed;
    memcpy(mixed.public, w->de.public, 32);
    assert_int_equal(tmx_socket_serve(w->server, "tcp://127.0.0.1:*", &mixed, &s), -EINVAL);
    assert_int_equal(tmx_socket_serve(w->server, "tcp://127.0.0.1:*", &zero, &s), -EINVAL);
    assert_int_equal(tmx_socket_connect(w->clients, "tcp://127.0.0.1:9", &w->fr, zero.public, &s), -EINVAL);
    /* the server's secret of zmq_curve(7) */
    assert_int_equal(sodium_hex2bin(printed.secret, 32, "8e0bdd697628b91d8f245587ee95c5b04d48963f79259877b49cd9063aead3b7",
                                    64, NULL, NULL, NULL), 0);
    tmx_curve_public(printed.secret, printed.public);
    assert_int_equal(tmx_socket_serve(w->server, "tcp://127.0.0.1:*", &printed, &s), -EINVAL);
    assert_int_equal(tmx_socket_connect(w->clients, "tcp://127.0.0.1:9", &w->fr, printed.public, &s), -EINVAL);
}

/* A peer that does not read, and one that is not there, are conditions; what arrives arrives whole. */
static void never_blocks_on_a_peer(void **state)
{
    struct world *w = *state;
    struct tmx_socket *fr = client_of(w, &w->fr);
    expect_exchange(w, fr, "FR");
    struct tmx_message to = w->m, got;
    const struct tmx_bytes frames[] = { TMX_LIT("control"), TMX_BYTES(big, TMX_FRAME_MAX), TMX_BYTES(big, 4) };
    size_t sent = 0;
    while (tmx_socket_send(w->socket, &to, frames, 3) == 0) {
        sent++;
        assert_true(sent < 10000);
    }
    assert_true(sent > 0);
    assert_int_equal(tmx_transport_counters(w->server)->send_again, 1);
    for (size_t i = 0; i < sent; i++) {
        await_at_client(w, fr, &got);
        assert_int_equal(got.n_frames, 3);
        assert_int_equal(got.frames[1].size, TMX_FRAME_MAX);
    }
    to.route[1] ^= 0x55;
    assert_int_equal(tmx_socket_send(w->socket, &to, frames, 3), TMX_SOCKET_E_AGAIN);
    expect_exchange(w, fr, "FR");
    tmx_socket_close(fr);

    /* nothing is queued for a server that is not there */
    struct tmx_socket *lonely;
    assert_int_equal(tmx_socket_connect(w->clients, "tcp://127.0.0.1:9", &w->fr, w->keys.public, &lonely), 0);
    assert_int_equal(tmx_socket_send(lonely, NULL, frames, 3), TMX_SOCKET_E_AGAIN);
    tmx_socket_close(lonely);
}

/* The application side: ipc with its file mode, no name whatever the peer claims. */
static void serves_ipc_to_its_group_only(void **state)
{
    struct world *w = *state;
    char directory[] = "/tmp/tmx-transport-XXXXXX", endpoint[64];
    assert_non_null(mkdtemp(directory));
    snprintf(endpoint, sizeof(endpoint), "ipc://%s/s", directory);
    struct tmx_socket *curve_socket = w->socket, *app;
    assert_int_equal(tmx_socket_serve(w->server, endpoint, NULL, &w->socket), 0);
    struct stat st;
    assert_int_equal(stat(endpoint + 6, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0660);
    assert_int_equal(tmx_socket_connect(w->clients, endpoint, NULL, NULL, &app), 0);
    expect_exchange(w, app, "");

    /* by hand: the greeting, READY with a User-Id, one message */
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    strcpy(address.sun_path, endpoint + 6);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    const uint8_t greeting[64] = { 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 0, 'N', 'U', 'L', 'L' };
    assert_true(tcp_write(fd, greeting, sizeof(greeting)));
    static const char ready[] = "\4\x2a\5READY\13Socket-Type\0\0\0\6DEALER\7User-Id\0\0\0\2FR";
    uint8_t theirs[64 + 2 + 255];
    assert_true(tcp_write(fd, ready, sizeof(ready) - 1));
    assert_int_equal(recv(fd, theirs, 66, MSG_WAITALL), 66);
    assert_int_equal(recv(fd, theirs + 66, theirs[65], MSG_WAITALL), theirs[65]);
    assert_true(tcp_write(fd, "\0\5claim", 7));
    await_message(w);
    assert_string_equal(w->m.peer, "");
    assert_true(tmx_bytes_eq(w->m.frames[0], TMX_LIT("claim")));
    close(fd);
    tmx_socket_close(app);
    tmx_socket_close(w->socket);
    w->socket = curve_socket;
    unlink(endpoint + 6);
    rmdir(directory);
}

static void polls_descriptors(void **state)
{
    struct world *w = *state;
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    struct tmx_poll items[] = { { .fd = -1 }, { .fd = ends[0] }, { .fd = -1, .socket = w->socket }, { .fd = ends[0], .want_write = true } };
    assert_int_equal(tmx_transport_poll(w->server, items, 4, 0), 0);
    assert_false(items[0].ready || items[1].ready || items[2].ready || items[3].ready || items[1].writable);
    assert_true(items[3].writable);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(tmx_transport_poll(w->server, items, 2, DEADLINE_MS), 0);
    assert_true(items[1].ready);
    char c;
    assert_int_equal(read(ends[0], &c, 1), 1);
    close(ends[1]);
    assert_int_equal(tmx_transport_poll(w->clients, items, 2, DEADLINE_MS), 0);
    assert_true(items[1].ready);
    close(ends[0]);
}

/* TRA-2: the self-test is quick enough to run at every start. */
static void starts_in_bounded_time(void **state)
{
    int64_t start = now_ms();
    struct tmx_transport *t;
    assert_int_equal(tmx_transport_new(true, &t), 0);
    assert_true(now_ms() - start < 2000);
    print_message("# self-test: %d ms\n", (int)(now_ms() - start));
    assert_int_equal(tmx_transport_counters(t)->zap_refused, 0);
    tmx_transport_free(t);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(names_admitted_peers),
        TEST(refuses_everybody_else),
        TEST(closes_on_garbage),
        TEST(bounds_messages),
        TEST(closes_on_an_oversize_frame),
        TEST(ignores_a_claimed_user_id),
        TEST(discards_chosen_routing_ids),
        TEST(revokes_established_connections),
        TEST(refuses_all_without_a_handler),
        TEST(refuses_other_endpoints_and_bad_keys),
        TEST(never_blocks_on_a_peer),
        TEST(serves_ipc_to_its_group_only),
        TEST(polls_descriptors),
        cmocka_unit_test(starts_in_bounded_time),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests_name("transport", tests, NULL, NULL);
}
