/* SPDX-License-Identifier: Apache-2.0
 * What the transport asks of libzmq, seen between the two: this program's zmq_setsockopt and zmq_bind stand in front of
 * the library's. Every setting is checked, and what the start does when the ZAP handler is missing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dlfcn.h>
#include <sodium.h>
#include <string.h>
#include <zmq.h>

#include <tmx/transport.h>

#define ZAP_ENFORCE_DOMAIN 93
#define SEEN_MAX 256

struct seen {
    void *socket;
    int option;
    int64_t value;
};

static struct seen seen[SEEN_MAX];
static size_t n_seen;
static bool lose_handler;    /* the handler's bind does nothing */
static bool lose_enforcement;   /* option 93 does nothing */

int zmq_setsockopt(void *socket, int option, const void *value, size_t size)
{
    int (*real)(void *, int, const void *, size_t);
    *(void **)&real = dlsym(RTLD_NEXT, "zmq_setsockopt");
    if (option == ZAP_ENFORCE_DOMAIN && lose_enforcement) {
        return 0;
    }
    int r = real(socket, option, value, size);
    if (r == 0 && (size == sizeof(int) || size == sizeof(int64_t)) && n_seen < SEEN_MAX) {
        struct seen *s = &seen[n_seen++];
        int small = 0;
        *s = (struct seen){ .socket = socket, .option = option };
        memcpy(size == sizeof(int) ? (void *)&small : (void *)&s->value, value, size);
        s->value = size == sizeof(int) ? small : s->value;
    }
    return r;
}

int zmq_bind(void *socket, const char *endpoint)
{
    int (*real)(void *, const char *);
    *(void **)&real = dlsym(RTLD_NEXT, "zmq_bind");
    return lose_handler && strcmp(endpoint, "inproc://zeromq.zap.01") == 0 ? 0 : real(socket, endpoint);
}

struct want {
    int option;
    int64_t value;
};

/* On the one socket made since n_seen was reset. */
static void expect_set(const struct want *wants, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        while (k < n_seen && seen[k].option != wants[i].option) {
            k++;
        }
        if (k == n_seen || seen[k].value != wants[i].value) {
            fail_msg("option %d: %lld instead of %lld", wants[i].option, k < n_seen ? (long long)seen[k].value : -1,
                     (long long)wants[i].value);
        }
    }
}

static const struct want on_both[] = {
    { ZMQ_LINGER, 0 },
    { ZMQ_MAXMSGSIZE, TMX_FRAME_MAX + 33 },
    { ZMQ_RCVHWM, 8 },
    { ZMQ_SNDHWM, 64 },
    { ZMQ_HANDSHAKE_IVL, 5000 },
    { ZMQ_HEARTBEAT_IVL, 0 },
    { ZMQ_TCP_KEEPALIVE, 1 },
    { ZMQ_TCP_KEEPALIVE_IDLE, 60 },
    { ZMQ_TCP_KEEPALIVE_INTVL, 10 },
    { ZMQ_TCP_KEEPALIVE_CNT, 5 },
    { ZMQ_TCP_MAXRT, 15000 },
    { ZMQ_IPV6, 0 },
};

static const struct want on_server[] = {
    { ZMQ_BACKLOG, 128 }, { ZMQ_ROUTER_MANDATORY, 1 }, { ZMQ_ROUTER_HANDOVER, 0 },
    { ZMQ_CURVE_SERVER, 1 }, { ZAP_ENFORCE_DOMAIN, 1 },
};

static const struct want on_client[] = {
    { ZMQ_IMMEDIATE, 1 }, { ZMQ_RECONNECT_IVL, 200 }, { ZMQ_RECONNECT_IVL_MAX, 60000 }, { ZMQ_CONNECT_TIMEOUT, 5000 },
};

/* TRA-1, TRA-2, TRA-4 */
static void sets_every_option(void **state)
{
    struct tmx_curve server, client;
    struct tmx_transport *t;
    struct tmx_socket *s;
    tmx_curve_generate(&server);
    tmx_curve_generate(&client);
    assert_int_equal(tmx_transport_new(true, &t), 0);

    n_seen = 0;
    assert_int_equal(tmx_socket_serve(t, "tcp://127.0.0.1:*", &server, &s), 0);
    expect_set(on_both, TMX_N(on_both));
    expect_set(on_server, TMX_N(on_server));
    tmx_socket_close(s);

    n_seen = 0;
    assert_int_equal(tmx_socket_connect(t, "tcp://127.0.0.1:9", &client, server.public, &s), 0);
    expect_set(on_both, TMX_N(on_both));
    expect_set(on_client, TMX_N(on_client));
    for (size_t i = 0; i < n_seen; i++) {
        assert_int_not_equal(seen[i].option, ZMQ_ROUTING_ID);
    }
    tmx_socket_close(s);

    n_seen = 0;
    const struct want ipv6 = { ZMQ_IPV6, 1 };
    assert_int_equal(tmx_socket_connect(t, "tcp://[::1]:9", &client, server.public, &s), 0);
    expect_set(&ipv6, 1);
    tmx_socket_close(s);
    tmx_transport_free(t);
}

/* TRA-2: no handler, no start; with or without libzmq's own enforcement. */
static void does_not_start_without_its_handler(void **state)
{
    struct tmx_transport *t;
    lose_handler = true;
    assert_int_equal(tmx_transport_new(true, &t), -EPROTO);
    lose_enforcement = true;
    assert_int_equal(tmx_transport_new(true, &t), -EPROTO);
    lose_handler = lose_enforcement = false;
    assert_int_equal(tmx_transport_new(true, &t), 0);
    tmx_transport_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_every_option),
        cmocka_unit_test(does_not_start_without_its_handler),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests_name("transport-settings", tests, NULL, NULL);
}
