/* SPDX-License-Identifier: Apache-2.0
 * The world of test-broker.c: a broker's core on a RAM spool and four small nodes, joined by function calls.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <tmx/code.h>

#include "fake_member.h"

#define START_MS 1790000000000ull
#define HOUR_MS 3600000ull

static const char *const codes[] = { "CH", "DE", "EC", "IT" };

struct world {
    struct federation federation;
    struct tmx_spool *spool;
    struct tmx_broker *broker;
    struct fake_node node[4];   /* as codes */
    uint64_t mono_ms, wall_ms;
    size_t n_notices;
    struct tmx_broker_notice notices[512];
    int directory_result;
    uint64_t queue_max, retention_ms;
    enum tmx_broker_anchor anchor_result;
    enum tmx_broker_witness witness_result;
    struct tmx_broker_operation_view operation;
    bool closed;
};

#define CH (&w->node[0])
#define DE (&w->node[1])
#define EC (&w->node[2])
#define IT (&w->node[3])

static inline void broker_start(struct world *w)
{
    struct tmx_broker_config c = { .shard = w->federation.shard,
                                   .log_secret = w->federation.log_secret,
                                   .authority = w->federation.authority,
                                   .generation = 1,
                                   .queue_max = w->queue_max != 0 ? w->queue_max : 100000,
                                   .retention_ms = w->retention_ms,
                                   .late_ms = 5 * 60000,
                                   .directory = federation_file(&w->federation) };
    memcpy(c.log_public, w->federation.log_public, sizeof(c.log_public));
    assert_int_equal(tmx_broker_new(w->spool, &c, w->mono_ms, w->wall_ms * 1000, &w->broker), 0);
}

/* One turn; what it sends reaches the nodes at once. */
static inline void turn(struct world *w, const struct tmx_broker_event *events, size_t n)
{
    struct tmx_broker_output out;
    assert_int_equal(tmx_broker_turn(w->broker, events, n, &out), 0);
    for (size_t i = 0; i < out.n_sends; i++) {
        for (size_t k = 0; k < 4; k++) {
            struct tmx_bytes code = tmx_member_code(out.sends[i].member);
            if (tmx_bytes_eq(code, tmx_bytes_str(w->node[k].me->code)) && out.sends[i].route[0] == w->node[k].route) {
                fake_receive(&w->node[k], out.sends[i].frames, out.sends[i].n_frames);
            }
        }
    }
    w->n_notices = out.n_notices < TMX_N(w->notices) ? out.n_notices : TMX_N(w->notices);
    memcpy(w->notices, out.notices, w->n_notices * sizeof(w->notices[0]));
    w->directory_result = out.directory_result;
    w->anchor_result = out.anchor_result;
    w->witness_result = out.witness_result;
    w->operation = out.operation;
    w->closed = out.closed;
}

static inline bool noticed(const struct world *w, const char *event)
{
    for (size_t i = 0; i < w->n_notices; i++) {
        if (strcmp(w->notices[i].event, event) == 0) {
            return true;
        }
    }
    return false;
}

static inline struct tmx_broker_event event_of(const struct world *w, enum tmx_broker_event_kind kind)
{
    return (struct tmx_broker_event){ .kind = kind, .mono_ms = w->mono_ms, .wall_us = w->wall_ms * 1000 };
}

static inline void say(struct world *w, struct fake_node *n, const struct fake_frames *f)
{
    struct tmx_broker_event ev = event_of(w, TMX_BROKER_MESSAGE);
    ev.member = tmx_bytes_str(n->me->code);
    ev.route = TMX_BYTES(&n->route, 1);
    ev.n_frames = f->n;
    ev.frames = f->frame;
    turn(w, &ev, 1);
}

static inline void tick(struct world *w, uint64_t ms)
{
    w->mono_ms += ms;
    w->wall_ms += ms;
    struct tmx_broker_event ev = event_of(w, TMX_BROKER_TICK);
    turn(w, &ev, 1);
}

static inline void hello(struct world *w, struct fake_node *n)
{
    struct fake_frames f;
    n->wall_ms = w->wall_ms;
    fake_hello(n, &f);
    say(w, n, &f);
}

static inline void join(struct world *w, struct fake_node *n)
{
    struct fake_frames f;
    hello(w, n);
    fake_publish(n, w->wall_ms, &f);
    say(w, n, &f);
    fake_credit(n, 1000, 1u << 30, &f);
    say(w, n, &f);
}

static inline int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    w->mono_ms = 1000;
    w->wall_ms = START_MS;
    federation_init(&w->federation, codes, 4, START_MS - 1000);
    assert_int_equal(tmx_spool_ram_new(&w->spool), 0);
    broker_start(w);
    for (size_t i = 0; i < 4; i++) {
        fake_init(&w->node[i], &w->federation, codes[i]);
    }
    for (size_t i = 0; i < 4; i++) {
        join(w, &w->node[i]);
    }
    *state = w;
    return 0;
}

static inline int teardown(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < 4; i++) {
        fake_deinit(&w->node[i]);
    }
    tmx_broker_free(w->broker);
    tmx_spool_close(w->spool);
    federation_deinit(&w->federation);
    free(w);
    return 0;
}

static inline void restart(struct world *w)
{
    tmx_broker_free(w->broker);
    broker_start(w);
}

/* The leaf a node was fed last; asserts its kind. */
static inline const struct fake_leaf *last_leaf(const struct fake_node *n, Tmx__EntryKind kind)
{
    assert_true(n->n_leaves > 0);
    const struct fake_leaf *l = &n->leaves[n->n_leaves - 1];
    assert_int_equal(l->kind, kind);
    return l;
}

static struct fake_message message;   /* large: not on the stack */

static inline void compose(struct world *w, struct fake_node *from, struct fake_node *to)
{
    fake_compose(from, &to, 1, "CD001C", w->wall_ms, 500, &message);
}

static inline void submit(struct world *w, struct fake_node *from)
{
    struct fake_frames f;
    fake_submit(from, &message, &f);
    say(w, from, &f);
}

static inline void report(struct world *w, struct fake_node *n, const struct fake_received *r, Tmx__Outcome outcome,
                   unsigned code)
{
    struct fake_frames f;
    fake_report(n, r, outcome, code, w->wall_ms, &f);
    say(w, n, &f);
}

static inline enum tmx_delivery_state state_of(struct world *w, const uint8_t id[TMX_ID_SIZE], const struct fake_node *to)
{
    uint8_t key[TMX_ID_SIZE + TMX_MEMBER_KEY];
    memcpy(key, id, TMX_ID_SIZE);
    tmx_member_key(tmx_bytes_str(to->me->code), key + TMX_ID_SIZE);
    struct tmx_bytes value;
    struct tmx_row_delivery d;
    assert_int_equal(tmx_spool_get(w->spool, TMX_T_DELIVERY, TMX_BYTES_OF(key), &value), 0);
    assert_true(tmx_row_delivery_get(value, &d));
    return d.state;
}
