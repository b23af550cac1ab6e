/* SPDX-License-Identifier: Apache-2.0
 * The world of fuzz-broker.c: a broker's core on a RAM spool and four members whose keys the fuzzer holds, so that it
 * can sign what it likes. After every turn everything the broker keeps and says is held against the invariants.
 */
#pragma once

#include <tmx/code.h>

#include "fake_member.h"
#include "fold.h"
#include "operating.h"

#define WORLD_MEMBERS 4u
#define WORLD_POOL 8u              /* messages that can be said again */
#define WORLD_EVENTS_MAX 20u
#define WORLD_ITEMS_MAX 8u
#define WORLD_START_MS UINT64_C(1790000000000)

struct world_node {
    struct fake_node fake;
    bool lost;                     /* said something bent: what it hears may not be for it, until it says hello again */
    bool waiting;                  /* said hello: only a welcome is for it */
    uint64_t credit, heard;        /* deliveries it allowed in this session, and got */
};

/* How the next frame is to be bent. */
struct bend {
    enum { BEND_FIELD, BEND_BODY, BEND_FRAME, BEND_KINDS } kind;
    uint8_t what, index;
    uint16_t value;
};

/* What an operator asks in the turn to come. */
struct world_asked {
    struct tmx_bytes note;         /* empty: nobody asks */
    unsigned who;
    struct tmx_operation op;
    bool wrong;                    /* it must be refused */
    uint64_t from;                 /* size of the log before */
    bool draining;                 /* before */
};

struct world_proposed {
    unsigned who;
    size_t n;                      /* deliveries */
};

/* A signed body to come, and its container. */
struct world_item {
    struct tmx_bytes body, container, attachment;
};

struct world {
    struct federation federation;  /* as it is now; of all members, listed or not: whole */
    struct federation whole;
    struct tmx_spool *spool;
    struct tmx_broker *broker;
    struct world_node nodes[WORLD_MEMBERS];
    uint64_t mono_ms, wall_ms, queue_max, retention_ms, generation;
    uint8_t previous[TMX_CHECKPOINT_MAX];   /* head of the shard that was lost */
    size_t previous_size;
    bool halted;
    uint64_t turns;
    struct tmx_arena arena;        /* events of the turn to come */
    struct tmx_arena reading;
    struct tmx_arena held;         /* bodies that wait for others of their frame */
    size_t n_events;
    struct tmx_broker_event events[WORLD_EVENTS_MAX];
    bool directory_event;
    size_t n_bends;
    struct bend bends[4];
    struct fold fold;
    struct operating operating;
    struct world_asked asked;
    struct world_proposed proposed[FOLD_LEAVES_MAX + 1];   /* by the index of the entry */
    size_t n_done;                 /* requests; the last one, to be asked again: */
    struct tmx_operation done_op;
    uint8_t done_note[TMX_OPERATION_MAX];
    size_t done_size;
    size_t next_pool;              /* messages composed so far */
    struct fake_message pool[WORLD_POOL];
    size_t n_items;                /* of one frame to come */
    struct world_item items[WORLD_ITEMS_MAX];
    unsigned items_of;             /* member; its frame is a Submit or Reports */
    bool items_are_reports, items_again;
};

/* A new world, or the same one as new: an empty log, nobody linked. */
struct world *world_new(void);
void world_reset(struct world *w, uint64_t queue_max);
/* Gives back what the next reset makes anew. */
void world_close(struct world *w);
/* Every check that must hold, whatever came. Aborts with the reason. */
void world_turn(struct world *w);
enum world_crash { WORLD_CRASH_BEFORE_COMMIT, WORLD_CRASH_AFTER_COMMIT, WORLD_CRASH_TWICE, WORLD_CRASHES };
/* The events so far are the turn the broker dies in; it starts again. */
void world_crash(struct world *w, enum world_crash how);
/* The broker's disk is gone: a new shard follows. */
void world_lose(struct world *w);
/* The auditor finds nothing wrong with the log so far. */
void world_audit(struct world *w);
/* Honest members bring everything to its end (I1, I11). */
void world_drain(struct world *w);

/* Makes a turn now when the events of one instruction may not find room: what is built must not wait for it. */
void world_room(struct world *w);
/* Events: copied; the world turns when there is no room. */
void world_frames(struct world *w, unsigned member, const struct fake_frames *frames);
void world_event(struct world *w, enum tmx_broker_event_kind kind, unsigned member);
struct tmx_broker_event *world_last(struct world *w);
void world_hello(struct world *w, unsigned member);
/* Signs the items as one batch and says them. */
void world_flush(struct world *w);
/* Room for another item of this member's frame; flushes what is in the way. */
struct world_item *world_item(struct world *w, unsigned member, bool reports);
