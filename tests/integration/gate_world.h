/* SPDX-License-Identifier: Apache-2.0
 * Gates as processes, each with one member's node in front of it, for tests.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include <tmx/gate_link.h>

#include "../harness/curve_client.h"

#define DEADLINE_MS 20000
#define MEMORY_MAX (128u << 20)

struct gate {
    struct tmx_gate_config config;
    struct tmx_curve member;
    uint8_t key[32];
    struct tmx_gate_link *link;
    struct tmx_socket *node;
    struct tmx_message m;
    uint64_t stepped_ms;   /* what the last turn took for now */
};

/* Of every node; made by gate_tests_run. */
extern struct tmx_transport *nodes;

uint64_t now_ms(void);
/* A gate whose program is this one; nothing is connected to it. */
struct gate *gate_new(const char *program, const char *member);
/* tmx-gate, and a node that connects to it. */
struct gate *real_gate(const char *member);
void gate_free(struct gate *g);
/* One turn of the core; true when a message came: then it is in g->m. */
bool turn(struct gate *g);
const struct tmx_gate_status *status(const struct gate *g);
/* A question of the node arrives under this name, and the answer gets back. Sent again until it does, as a link would:
 * it may hit a gate that is about to die. */
void expect_exchange(struct gate *g, const char *member);
/* main of a test program. */
int gate_tests_run(const char *name, const struct CMUnitTest *tests, size_t n);

#define AWAIT(g, condition)                                                                                            \
    do {                                                                                                               \
        for (uint64_t end = now_ms() + DEADLINE_MS; !(condition);) {                                                   \
            assert_true(now_ms() < end);                                                                               \
            turn(g);                                                                                                   \
        }                                                                                                              \
    } while (0)
