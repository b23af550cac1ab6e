/* SPDX-License-Identifier: Apache-2.0
 * A broker that cheats, in front of honest nodes: the real cores of both on a virtual clock. The broker holds the true log
 * key; it is made evil by what a test does to it: a second broker with the same key on a copied spool, another history
 * re-signed, frames bent on their way. README.md, section "What is proved", lists the attacks and who notices each.
 *
 *   world.c       cores, clock, links, applications     history.c    another history of the log, signed all the same
 *   lies.c        a broker that will not see what it is shown (linked in its way)
 *   test-*.c      the attacks; with TMX_EVIL_OUT they leave what convinces others in that folder, for judge.py
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <tmx/misbehaviour.h>
#include <tmx/tree.h>

#include "application.pb-c.h"
#include "broker.h"
#include "fake_member.h"
#include "link.pb-c.h"
#include "node.h"

#define START_MS 1790000000000ull
#define STEP_MS 10u
enum { CH, DE, IT, NODES };
enum { FIRST, SECOND, BROKERS };

struct packet {
    struct packet *next;
    unsigned node;
    uint8_t route[2];
    size_t n_frames;
    struct tmx_bytes frames[];   /* their bytes follow */
};

struct queue {
    struct packet *first, **last;
};

struct world;
/* What an evil broker does to a message on its way to a node, in the world's arena. False: it is lost. */
typedef bool tamper_fn(struct world *w, unsigned node, Tmx__Link *link, struct tmx_bytes *payload, size_t *n_payload);

struct world {
    struct federation federation;
    struct tmx_catalogue *catalogue;
    struct tmx_arena arena;
    uint64_t now_ms;
    struct {
        struct tmx_spool *spool;
        struct tmx_broker *broker;   /* NULL: it does not run */
        int64_t clock_ms;            /* its wall clock minus the true one */
        struct federation *believes; /* a directory of its own; NULL: the true one */
        struct queue in;
        bool said[2];                /* notices: log.fork-shown, witness.refused */
    } broker[BROKERS];
    struct {
        struct tmx_spool *spool;
        struct tmx_node *node;
        unsigned linked;             /* to this broker; BROKERS = cut off */
        uint8_t epoch;
        struct queue in;
        bool idle;                   /* its application collects nothing */
        uint64_t distrusted_ms;      /* when; 0 = it trusts */
        char notices[64][40];
        size_t n_notices;
    } node[NODES];
    tamper_fn *tamper;
    tamper_fn *overhear;             /* what a node says to a broker; its result counts for nothing */
    unsigned victim;                 /* for the tamper function */
    struct fake_node *puppet;        /* of the first broker, which takes it for a member; NULL: none */
    uint64_t entropy;
    Tmx__Response *response;
    struct tmx_bytes payload;
    struct {
        unsigned node;
        char text[64];
    } handed[64];                    /* to applications, in order */
    size_t n_handed;
};

/* cmocka fixtures: three nodes linked to the first broker; a majority of them has cosigned its head. */
int world_setup(void **state);
int world_teardown(void **state);
/* The same before any broker runs. */
struct world *world_new(void);

void broker_start(struct world *w, unsigned b);
void broker_stop(struct world *w, unsigned b);
void puppet_says(struct world *w, unsigned member, const struct fake_frames *f);
void link_to(struct world *w, unsigned node, unsigned b);
/* Time passes: everything that is due happens. */
void run(struct world *w, uint64_t ms);
struct tmx_node_state_view state_of(struct world *w, unsigned node);
bool noticed(const struct world *w, unsigned node, const char *event);
uint64_t cosigned_by(struct world *w, unsigned b);   /* size of the newest head that a quorum has cosigned */

/* Submits a message whose payload is `text`; its id. */
const uint8_t *submit(struct world *w, unsigned from, unsigned to, const char *text);
/* What the sender's application is shown of its delivery: "accepted", "delivered" … */
bool state_is(struct world *w, unsigned from, const uint8_t *id, const char *state);
/* How often exactly this text was handed out at the node. */
size_t handed(const struct world *w, unsigned node, const char *text);

/* The newest proof a node keeps, judged by the log's key alone; -1: none. */
int verdict_of(struct world *w, unsigned node);
/* Leaves the node's newest proof in the folder for judge.py, which expects that verdict of it. */
void leave_proof(struct world *w, unsigned node, const char *name);

/* history.c */
enum change { NOTHING, DROP, ALTER, REORDER, BACK_DATE, CHANGES };
extern const char *const change_names[CHANGES];

struct history {
    struct tmx_arena arena;
    size_t n;
    struct tmx_bytes entries[256];
    struct tmx_tree *tree;
};
/* The first `n` entries of that broker's log, changed at `index`; as many. */
void history_make(struct world *w, unsigned b, size_t n, enum change change, uint64_t index, struct history *ret_history);
void history_free(struct history *h);
/* Its head of that size, signed with the key of the log. */
struct tmx_bytes history_head(struct world *w, struct history *h, uint64_t size);
struct tmx_bytes history_proof(struct world *w, struct history *h, uint64_t from, uint64_t to);
/* What goes beside a proof from a power of two: the root of so many entries. */
struct tmx_bytes history_root(struct world *w, struct history *h, uint64_t size);
/* As an export for auditors. */
void leave_export(struct world *w, struct history *h, const char *name, const char *expected);

/* lies.c: it takes whatever head it is shown for one of its own, by a node's hello or in a message. */
extern bool lies_about_heads;
