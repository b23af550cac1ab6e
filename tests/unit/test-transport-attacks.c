/* SPDX-License-Identifier: Apache-2.0
 * The transport against stock clients, raw bytes and a client of our own that breaks rules. What must not arrive is
 * proved by something sent after it on the same connection, or by the attacker's connection having ended. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include "../harness/curve_client.h"
#include "../harness/transport_world.h"

#define ZAP_ENFORCE_DOMAIN 93

static uint8_t big[TMX_FRAME_MAX + 64];

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
    assert_string_equal(c->refused.address, "127.0.0.1");
    assert_memory_equal(c->refused.key, w->stranger.public, 32);
    assert_int_equal(c->unnamed, 0);
    tmx_socket_close(fr);
    finish(w);
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
    finish(w);
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
            size_t last = cases[i].n_parts > 0 ? cases[i].part : cases[i].control;
            assert_int_equal(w->m.frames[w->m.n_frames - 1].size, last);
            await_message(w);
        } else {
            assert_int_equal(*cases[i].counter, before + 1);
        }
        assert_true(w->m.n_frames == 1 && tmx_bytes_eq(w->m.frames[0], TMX_LIT("next")));
    }
    stock_close(&s);
    finish(w);
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
    finish(w);
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
    finish(w);
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
    finish(w);
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
    finish(w);
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
    finish(w);
}

#define TEST(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(refuses_everybody_else),
        TEST(closes_on_garbage),
        TEST(bounds_messages),
        TEST(closes_on_an_oversize_frame),
        TEST(ignores_a_claimed_user_id),
        TEST(discards_chosen_routing_ids),
        TEST(revokes_established_connections),
        TEST(refuses_all_without_a_handler),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests_name("transport-attacks", tests, NULL, NULL);
}
