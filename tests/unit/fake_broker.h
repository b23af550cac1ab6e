/* SPDX-License-Identifier: Apache-2.0
 * A broker as small as can be, for tests of the node: a log in memory whose leaves the test writes, frames by the
 * specification, and everything the node said. And the node under test, with its clock and its application.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <tmx/misbehaviour.h>
#include <tmx/text.h>
#include <tmx/tree.h>

#include "application.pb-c.h"
#include "fake_member.h"
#include "operating.h"
#include "node.h"

#define START_MS 1790000000000ull
#define SECOND 1000ull
#define DAY_MS 86400000ull
#define MRN "26DE1234567890ABJ4"

enum bend { BEND_NOT, BEND_PATH, BEND_SIGNATURE, BEND_CONSISTENCY, BEND_SEEN, BEND_SEEN_LEFT_OUT };

struct said {                       /* an item the node sent, copied into the world's arena */
    struct tmx_bytes item;          /* Signed */
    struct tmx_bytes container;
    bool resubmission;
};

struct world {
    struct federation federation;
    struct tmx_catalogue *catalogue;
    struct tmx_arena arena;
    /* the broker */
    struct tmx_tree *tree;
    size_t n_entries;
    struct tmx_bytes entries[512];
    uint64_t session, out_number, in_number, head_sent, feed_next, welcome_acked;
    uint64_t max_seq, last_seq, granted_to;
    enum bend bend;
    int64_t clock_ms;               /* the broker's clock minus the node's */
    /* what the node said */
    size_t n_hellos, n_submits, n_reports, n_publishes, n_pings, n_acks, n_requests, n_chunks, n_byes;
    uint8_t nonce[16];
    uint64_t hello_feed_next, hello_serial, acked, credit, offsets[64];
    bool hello_complete;
    struct said submits[512], reports[512];
    struct tmx_bytes prekeys;
    size_t chunk_bytes;
    unsigned witness_status;        /* of the last WitnessReply; 0 = none yet */
    struct tmx_bytes witness_body;
    size_t n_proof_requests, n_asked;
    uint64_t asked_size, asked[64];  /* of the last ProofRequest */
    /* the node */
    struct tmx_spool *spool;
    struct tmx_node *node;
    struct tmx_node_application applications[1];
    bool named, rebuild;            /* requests come from applications[0]; the node is started with `rebuild` */
    uint64_t retention_ms;
    uint64_t mono_ms, wall_ms, entropy;
    struct tmx_node_output out;
    struct operating operating;
    struct fake_node ch, de, it;    /* other members, as senders and recipients; de has the node's keys */
    Tmx__Response *response;        /* of the last request; NULL = none yet */
    size_t n_payload;
    struct tmx_bytes payload[64];
    uint64_t request_id;
    size_t n_notices;
    char notices[64][48];
};

/* cmocka fixtures: a node DE that has its link, its prekeys logged, and those of CH and IT. */
int world_setup(void **state);
int world_setup_offline(void **state);   /* the same, before its first turn */
int world_teardown(void **state);

struct tmx_node_event world_event(struct world *w, enum tmx_node_event_kind kind);
struct tmx_bytes world_pack(struct world *w, const void *message);   /* in the world's arena */
void node_start(struct world *w);
void node_restart(struct world *w);
void turn(struct world *w, struct tmx_node_event *events, size_t n);
void tick(struct world *w, uint64_t ms);
/* What the operator `who` asks, about a message this node received, or about none. */
enum tmx_operation_result operate(struct world *w, unsigned who, enum tmx_action action, const uint8_t *id);
/* A signed request as it is. */
enum tmx_operation_result operate_note(struct world *w, struct tmx_bytes note);
bool noticed(const struct world *w, const char *event);
struct tmx_node_state_view state_of(struct world *w);
/* Of the newest proof the node keeps, judged by the log's key alone; -1: it keeps none. */
int verdict_of(struct world *w);

/* Frames to the node. */
void say(struct world *w, Tmx__Link *link, const struct tmx_bytes *payload, size_t n);
void welcome(struct world *w);
void feed(struct world *w, const uint64_t *indexes, size_t n, struct tmx_bytes attachment);
void feed_one(struct world *w, uint64_t index);
void deliver(struct world *w, uint64_t index, struct tmx_bytes container);
/* One or two in one frame; what the second has seen is not proved again. */
void deliver_both(struct world *w, const uint64_t *indexes, const struct tmx_bytes *containers, size_t n);
void limits(struct world *w, uint64_t max_seq);
void bye(struct world *w, unsigned code);
void pong(struct world *w);
void directory_push(struct world *w);
/* Answers every hello since the last; feeds nothing. */
void link_up(struct world *w);
/* What CH's next session would: all its leaves so far. */
void feed_all(struct world *w);

/* Leaves. */
uint64_t leaf(struct world *w, Tmx__LogEntry *entry);
uint64_t leaf_body(struct world *w, Tmx__EntryKind kind, struct tmx_bytes item, const char *member, unsigned code,
                   uint64_t number, uint64_t reference);
uint64_t leaf_end(struct world *w, Tmx__EntryKind kind, const Tmx__Header *h, const char *recipient, unsigned code,
                  uint64_t seq, uint64_t reference);
uint64_t leaf_erased(struct world *w, const Tmx__Header *h, uint64_t reference);
void leaf_prekeys(struct world *w, struct fake_node *member);
/* Accepts the i-th submit and feeds the acceptance. */
uint64_t accept_submit(struct world *w, size_t i);
Tmx__Header *header_of(struct world *w, struct tmx_bytes item);
Tmx__Report *report_of(struct world *w, struct tmx_bytes item);
/* A report of `by` on the header of `item`, accepted at `index`. */
struct tmx_bytes report_make(struct world *w, struct fake_node *by, struct tmx_bytes item, uint64_t index,
                             Tmx__Outcome outcome, unsigned code, const uint8_t *attachment_digest);

/* The application. Each asks and fills w->response. */
void ask(struct world *w, Tmx__Request *request, const struct tmx_bytes *payload);
Tmx__SubmitRequest submission(const char *reference, const char *to);
unsigned submit(struct world *w, const Tmx__SubmitRequest *s, const char *payload);
/* A submission to CH that must be taken; ret_id may be NULL. */
void submit_ok(struct world *w, const char *reference, const char *mrn, uint32_t priority, uint8_t *ret_id);
const Tmx__Leased *lease(struct world *w, uint32_t lease_ms, uint32_t wait_ms);   /* NULL: none */
unsigned ack(struct world *w, const Tmx__Leased *l);
unsigned refuse(struct world *w, const Tmx__Leased *l, unsigned code, const char *text);
unsigned renew(struct world *w, const Tmx__Leased *l, uint32_t lease_ms);
const Tmx__MessageState *message(struct world *w, const uint8_t *id);
const Tmx__Step *step_of(const Tmx__MessageState *m, const char *what);

/* A message from CH to DE, accepted and delivered; returns its index. `label`: of movement 0x0101…, else none. */
/* So many seconds of a link on which nothing comes but pongs. */
void pass(struct world *w, unsigned seconds);
struct fake_message *compose(struct world *w, bool label, uint64_t prev);
uint64_t deliver_message(struct world *w, struct fake_message *m);
/* The last report the node sent is logged and fed. */
uint64_t log_report(struct world *w, uint64_t acceptance);
Tmx__Report *last_report(struct world *w);
bool is(const Tmx__Leased *l, const struct fake_message *m);
/* A chunk of its container. */
void chunk(struct world *w, const struct fake_message *m, uint64_t offset, size_t size);
