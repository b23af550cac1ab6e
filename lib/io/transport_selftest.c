/* SPDX-License-Identifier: Apache-2.0
 * Self-test of the admission path. Contract: transport_selftest.h.
 */
#include "transport_selftest.h"

#include <string.h>
#include <time.h>

#define SELFTEST_MS 2000
#define SELFTEST_STEP_MS 5

struct selftest {
    struct tmx_transport *transport;
    struct tmx_socket *server;
    struct tmx_socket *known;
    struct tmx_socket *unknown;
    bool named;      /* the known peer's message came in under its name */
    bool intruded;   /* the unknown peer's message came in */
};

static int64_t now_ms(void)
{
    struct timespec ts;
    int r = clock_gettime(CLOCK_MONOTONIC, &ts);
    assert(r == 0);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int turn(struct selftest *test)
{
    const struct tmx_bytes hello = TMX_LIT("known"), intrusion = TMX_LIT("unknown");
    int r = tmx_socket_send(test->unknown, NULL, &intrusion, 1);
    if (r < 0) {
        return r;
    }
    r = tmx_socket_send(test->known, NULL, &hello, 1);
    if (r < 0) {
        return r;
    }
    struct tmx_poll item = { .socket = test->server, .fd = -1 };
    r = tmx_transport_poll(test->transport, &item, 1, SELFTEST_STEP_MS);
    if (r < 0 || !item.ready) {
        return r;
    }
    struct tmx_message m;
    r = tmx_socket_receive(test->server, &m);
    if (r == 0) {
        bool named = strcmp(m.peer, "SELFTEST") == 0 && m.n_frames == 1 && tmx_bytes_eq(m.frames[0], hello);
        test->named = test->named || named;
        test->intruded = test->intruded || !named;
    }
    return r < 0 ? r : 0;
}

static int run(struct selftest *test)
{
    const struct tmx_transport_counters *c = tmx_transport_counters(test->transport);
    for (int64_t end = now_ms() + SELFTEST_MS; now_ms() < end;) {
        int r = turn(test);
        if (r < 0) {
            return r;
        }
        if (test->intruded || c->unnamed > 0) {
            return -EPROTO;
        }
        if (test->named && c->zap_refused > 0) {
            return 0;
        }
    }
    return -EPROTO;
}

int tmx_transport_selftest(struct tmx_transport *t)
{
    struct selftest test = { .transport = t };
    struct tmx_curve server, known, unknown;
    tmx_curve_generate(&server);
    tmx_curve_generate(&known);
    tmx_curve_generate(&unknown);
    struct tmx_admit admit = { .member = "SELFTEST" };
    memcpy(admit.key, known.public, sizeof(admit.key));

    int r = tmx_transport_admit(t, &admit, 1);
    if (r == 0) {
        r = tmx_socket_serve(t, "tcp://127.0.0.1:*", &server, &test.server);
    }
    if (r == 0) {
        r = tmx_socket_connect(t, tmx_socket_endpoint(test.server), &unknown, server.public, &test.unknown);
    }
    if (r == 0) {
        r = tmx_socket_connect(t, tmx_socket_endpoint(test.server), &known, server.public, &test.known);
    }
    if (r == 0) {
        r = run(&test);
    }
    tmx_socket_close(test.known);
    tmx_socket_close(test.unknown);
    tmx_socket_close(test.server);
    int cleared = tmx_transport_admit(t, NULL, 0);
    return r != 0 ? r : cleared;
}
