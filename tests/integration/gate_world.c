/* SPDX-License-Identifier: Apache-2.0
 * Contract: gate_world.h.
 */
#include "gate_world.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct tmx_transport *nodes;

uint64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* A port that was free a moment ago. */
static void choose_endpoint(char ret_endpoint[256])
{
    struct tmx_transport *t;
    struct tmx_socket *s;
    struct tmx_curve curve;
    tmx_curve_generate(&curve);
    assert_int_equal(tmx_transport_new(true, &t), 0);
    assert_int_equal(tmx_socket_serve(t, "tcp://127.0.0.1:*", &curve, &s), 0);
    strcpy(ret_endpoint, tmx_socket_endpoint(s));
    tmx_socket_close(s);
    tmx_transport_free(t);
}

struct gate *gate_new(const char *program, const char *member)
{
    struct gate *g = calloc(1, sizeof(*g));
    struct tmx_curve server;
    tmx_curve_generate(&server);
    tmx_curve_generate(&g->member);
    choose_endpoint(g->config.endpoint);
    memcpy(g->config.secret, server.secret, 32);
    memcpy(g->key, server.public, 32);
    g->config.n_admits = 1;
    memcpy(g->config.admits[0].key, g->member.public, 32);
    strcpy(g->config.admits[0].member, member);
    assert_int_equal(tmx_gate_link_new(program, &g->config, MEMORY_MAX, &g->link), 0);
    return g;
}

struct gate *real_gate(const char *member)
{
    struct gate *g = gate_new(getenv("TMX_GATE"), member);
    assert_int_equal(tmx_socket_connect(nodes, g->config.endpoint, &g->member, g->key, &g->node), 0);
    return g;
}

void gate_free(struct gate *g)
{
    tmx_socket_close(g->node);
    tmx_gate_link_free(g->link);
    free(g);
}

bool turn(struct gate *g)
{
    int fd = tmx_gate_link_fd(g->link);
    struct tmx_poll item = { .fd = fd, .want_write = tmx_gate_link_wants_write(g->link) };
    assert_int_equal(tmx_transport_poll(nodes, &item, 1, 5), 0);
    g->stepped_ms = now_ms();
    tmx_gate_link_step(g->link, g->stepped_ms);
    return tmx_gate_link_receive(g->link, &g->m) == 0;
}

const struct tmx_gate_status *status(const struct gate *g)
{
    return tmx_gate_link_status(g->link);
}

void expect_exchange(struct gate *g, const char *member)
{
    static unsigned number;
    char text[32];
    snprintf(text, sizeof(text), "question %u", ++number);
    const struct tmx_bytes question = tmx_bytes_str(text);
    struct tmx_message answer = { 0 };
    uint64_t end = now_ms() + DEADLINE_MS, again = 0;
    while (answer.n_frames == 0) {
        assert_true(now_ms() < end);
        if (now_ms() >= again && tmx_socket_send(g->node, NULL, &question, 1) == 0) {
            again = now_ms() + 1000;
        }
        if (turn(g) && tmx_bytes_eq(g->m.frames[0], question)) {
            assert_string_equal(g->m.peer, member);
            assert_int_equal(tmx_gate_link_send(g->link, &g->m, &question, 1), 0);
        }
        if (tmx_socket_receive(g->node, &answer) != 0 || !tmx_bytes_eq(answer.frames[0], question)) {
            answer.n_frames = 0;
        }
    }
}

static int setup(void **state)
{
    (void)state;
    return tmx_transport_new(false, &nodes);
}

int gate_tests_run(const char *name, const struct CMUnitTest *tests, size_t n)
{
#if TMX_SANITIZED
    /* The kernel's limit cannot be had with it, so its own stands in. */
    setenv("ASAN_OPTIONS", "hard_rss_limit_mb=128:abort_on_error=1", 1);
#endif
    int failed = sodium_init() < 0 ? 1 : _cmocka_run_group_tests(name, tests, n, setup, NULL);
    if (failed == 0) {   /* a failed test leaves sockets open */
        tmx_transport_free(nodes);
    }
    return failed;
}
