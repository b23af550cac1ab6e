/* SPDX-License-Identifier: Apache-2.0
 * The broker's core: every decision of the exchange, without a socket, file, clock or thread.
 *
 * A turn: the shell collects events; tmx_broker_turn steps them in order inside one spool turn, closes it (signs the
 * checkpoint, assembles what is to be sent), commits, and only then hands out the sends. The same events on the same
 * spool give the same state and the same bytes. An error of the spool is fatal: the process ends, start is recovery.
 */
#pragma once

#include <tmx/ages.h>
#include <tmx/directory.h>
#include <tmx/note.h>
#include <tmx/operator.h>
#include <tmx/projection.h>
#include <tmx/series.h>
#include <tmx/spool.h>

#include "tables.h"

struct tmx_broker;

struct tmx_broker_config {
    const char *shard;
    const uint8_t *log_secret;             /* Ed25519, 64 bytes; borrowed for the broker's life */
    uint8_t log_public[32];
    struct tmx_authority authority;        /* pinned */
    uint64_t generation;                   /* of the spool */
    uint64_t queue_max;                    /* messages per destination before its send window stops growing */
    uint64_t late_ms;                      /* a delivery that is queued for longer is late; at most a day */
    uint64_t retention_ms;                 /* containers are kept so long after the last outcome; 0: they go with it */
    struct tmx_bytes directory;            /* the directory file a new spool starts with; later ones come as events */
    struct tmx_bytes previous_checkpoint;  /* a new shard after a loss: last known head of the old one; or empty */
};

enum tmx_broker_event_kind {
    TMX_BROKER_MESSAGE,      /* one ZeroMQ message of an authenticated member */
    TMX_BROKER_GATE_DOWN,    /* the member's gate died: its session is over */
    TMX_BROKER_GATE_BUSY,    /* what the member was sent waits before its gate, or does so no more: see `busy` */
    TMX_BROKER_TICK,         /* time passed */
    TMX_BROKER_DIRECTORY,    /* an operator installs a directory file */
    TMX_BROKER_DISK,         /* the spool's fill level: above the high-water mark, and what should go */
    TMX_BROKER_ANCHOR,       /* an operator brings a time-stamp token for a head of the log */
    TMX_BROKER_WITNESS,      /* what a witness outside the federation has answered: see tmx_broker_witness_request */
    TMX_BROKER_OPERATION,    /* what an operator asks, signed (tmx/operator.h) */
    TMX_BROKER_CLOSE,        /* it is to be stopped: nothing of members or of time is logged any more; see `closed` */
};

enum tmx_broker_witness {
    TMX_BROKER_WITNESS_OK,         /* request: there it is; reply: its cosignature counts, or the size it said was noted */
    TMX_BROKER_WITNESS_UNKNOWN,    /* the policy names none such */
    TMX_BROKER_WITNESS_NOTHING,    /* it need not be asked now: no head waits, or it has cosigned the one that does */
    TMX_BROKER_WITNESS_INVALID,    /* no cosignature of that witness under the head it would be asked about now */
    TMX_BROKER_WITNESS_REFUSED,    /* it answered something else */
};

struct tmx_broker_event {
    enum tmx_broker_event_kind kind;
    uint64_t mono_ms;                      /* monotonic, never falls within a process */
    uint64_t wall_us;
    struct tmx_bytes member;               /* MESSAGE, GATE_DOWN, GATE_BUSY */
    struct tmx_bytes route;                /* MESSAGE: opaque, at most 8 bytes */
    size_t n_frames;
    const struct tmx_bytes *frames;
    struct tmx_bytes file;                 /* DIRECTORY; ANCHOR: the token; OPERATION: the signed request */
    const struct tmx_operators *operators; /* OPERATION: who may ask */
    uint64_t size;                         /* ANCHOR: of the head */
    bool disk_full;                        /* DISK */
    uint64_t erase_bytes;                  /* DISK: so much of what is kept by retention has to make room */
    bool busy;                             /* GATE_BUSY: neither feed nor deliveries until it is not */
    struct tmx_bytes witness, body;        /* WITNESS: its name in the policy; the answer's body */
    unsigned status;                       /* WITNESS: as over HTTP */
};

/* What became of an ANCHOR event. */
enum tmx_broker_anchor {
    TMX_ANCHOR_OK,
    TMX_ANCHOR_E_TOKEN = 1,                /* empty, or longer than TMX_ANCHOR_TOKEN_MAX */
    TMX_ANCHOR_E_HEAD,                     /* no head of that size was released */
    TMX_ANCHOR_E_ANCHORED,                 /* that head is anchored already */
    TMX_ANCHOR_E_LATER,                    /* a later head is, which stands for this one, too */
    TMX_ANCHOR_E_STOPPED,                  /* the disk is full, or nothing is signed any more */
};
const char *tmx_broker_anchor_text(enum tmx_broker_anchor result);

/* What became of an OPERATION event. */
struct tmx_broker_operation_view {
    enum tmx_operation_result result;
    enum tmx_action action;                /* of a request that could be read; of an approval: what was approved */
    uint64_t index;                        /* OK: its first leaf */
    size_t n;                              /* OK: deliveries it changed */
    struct tmx_operation_delivery target;  /* E_DELIVERY: which */
};

struct tmx_broker_send {
    uint8_t member[TMX_MEMBER_KEY];
    uint8_t route[8];
    uint8_t route_size;
    size_t n_frames;
    const struct tmx_bytes *frames;
};

/* What happened, for the shell's log. Texts are static; bytes are valid until the next turn. */
struct tmx_broker_notice {
    const char *event;                     /* "message.accepted" */
    bool alarm;
    uint8_t member[TMX_MEMBER_KEY];
    uint8_t message_id[TMX_ID_SIZE];       /* zero = none */
    unsigned code;
    uint64_t number;
};

#define TMX_BROKER_NOTICES_MAX 4096u
#define TMX_BROKER_SENDS_MAX 16384u

struct tmx_broker_output {
    size_t n_sends;
    const struct tmx_broker_send *sends;
    size_t n_notices;
    const struct tmx_broker_notice *notices;
    uint64_t notices_lost;
    uint64_t deadline_ms;                  /* mono_ms of the next TICK; 0 = at once */
    int directory_result;                  /* of the last DIRECTORY event: enum tmx_directory_error */
    bool directory_changed;                /* gates must admit anew: see tmx_broker_directory */
    enum tmx_broker_anchor anchor_result;  /* of the last ANCHOR event */
    enum tmx_broker_witness witness_result;   /* of the last WITNESS event */
    struct tmx_broker_operation_view operation;   /* of the last OPERATION event */
    bool closed;                           /* after CLOSE: the last head is cosigned, or will not be by who is linked (WIT-7) */
};

/* Recovers from the spool, or begins a new shard in an empty one; its leaves are committed before it returns.
 * -ENOMEM, -EIO …; -EBADMSG: the spool contradicts itself; -EINVAL: the directory or key does not fit. */
int tmx_broker_new(struct tmx_spool *spool, const struct tmx_broker_config *config, uint64_t mono_ms, uint64_t wall_us,
                   struct tmx_broker **ret_broker) TMX_MUST_CHECK;
struct tmx_broker *tmx_broker_free(struct tmx_broker *b);

/* Views in *ret_output are valid until the next turn. */
int tmx_broker_turn(struct tmx_broker *b, const struct tmx_broker_event *events, size_t n,
                    struct tmx_broker_output *ret_output) TMX_MUST_CHECK;

/* Views for status; read between turns. */
const struct tmx_directory *tmx_broker_directory(const struct tmx_broker *b);
struct tmx_bytes tmx_broker_checkpoint(const struct tmx_broker *b);
uint64_t tmx_broker_log_size(const struct tmx_broker *b);
/* Deliveries without an outcome: their reports are still to come. */
uint64_t tmx_broker_open(struct tmx_broker *b);

/* From the leaf at `index` to the root of that checkpoint. False: it is not under it, or a tile of the spool cannot be read. */
struct tmx_proof;
bool tmx_broker_path(struct tmx_broker *b, uint64_t index, struct tmx_proof *ret_path) TMX_MUST_CHECK;

struct tmx_broker_link_view {
    bool ever;                             /* a session was opened since start */
    bool up;
    uint64_t session;
    uint64_t last_frame_ms;                /* mono */
    size_t in_flight;
    uint64_t feed_next, feed_acked;
    unsigned last_code;                    /* last refusal or deferral of this member */
    struct tmx_row_destination destination;
    uint64_t oldest_ms;                    /* leaf time of the oldest queued message; 0 = none */
    uint64_t held;                         /* of the queued ones, by operators */
    uint64_t next_retry_ms;                /* in how long something in flight is sent again; 0 = nothing is */
};
/* `member` need not be listed: then everything is zero. */
int tmx_broker_link(struct tmx_broker *b, struct tmx_bytes member, struct tmx_broker_link_view *ret_view) TMX_MUST_CHECK;

/* Whether a delivery is in the state for an action (OPS-7, OPS-8). */
bool tmx_broker_action_fits(struct tmx_broker *b, const struct tmx_operation_delivery *t, enum tmx_action action) TMX_MUST_CHECK;
/* How old what is queued for a member is. False: it is not known, where a process has just begun with a long queue. */
bool tmx_broker_ages(const struct tmx_broker *b, struct tmx_bytes member, struct tmx_ages_view *ret_view) TMX_MUST_CHECK;
/* How much of what was queued when the process began is counted by its age, in percent; 100: all of it. */
unsigned tmx_broker_ages_percent(const struct tmx_broker *b);
/* Wall: the end of the last dated prekey that a member published; 0 = none. */
uint64_t tmx_broker_prekeys_until(struct tmx_broker *b, struct tmx_bytes member);

struct tmx_broker_flow_view {
    uint64_t queued, arrived, in_flight;   /* deliveries to all members */
};
void tmx_broker_flow(struct tmx_broker *b, struct tmx_broker_flow_view *ret_view);

struct tmx_broker_cosigned_view {
    unsigned witnesses;                    /* of the policy; 0: it asks for none */
    uint64_t size;                         /* of the newest head that the quorum has cosigned; 0 = none yet */
    struct tmx_quorum quorum;              /* of that head */
    uint64_t waiting_ms;                   /* how long some leaf has not been cosigned; 0: all are */
    struct tmx_bytes checkpoint;           /* with the cosignatures; empty = none; valid until the next turn */
};
void tmx_broker_cosigned(const struct tmx_broker *b, struct tmx_broker_cosigned_view *ret_view);

/* What a time anchor is made over: the three lines of the newest head that the quorum has cosigned, or of the newest one
 * where nobody has to. Empty: none is cosigned yet. Valid until the next turn. */
struct tmx_bytes tmx_broker_anchor_head(const struct tmx_broker *b);
struct tmx_broker_anchored_view {
    uint64_t size;                         /* of the newest head that has a token; 0 = none has */
    uint64_t at_ms;                        /* when that was logged */
};
void tmx_broker_anchored(struct tmx_broker *b, struct tmx_broker_anchored_view *ret_view);
/* The body with which a witness that has no link is to be asked (c2sp.org/tlog-witness, add-checkpoint) about the head that
 * the linked ones are asked about; *ret_size is that head's. What comes back is a WITNESS event; by then the linked ones may
 * have been asked about another head, and it is too late. `w` holds TMX_WITNESS_REQUEST_MAX. OK, UNKNOWN or NOTHING. */
enum tmx_broker_witness tmx_broker_witness_request(struct tmx_broker *b, struct tmx_bytes name, struct tmx_writer *w,
                                                   uint64_t *ret_size) TMX_MUST_CHECK;

struct tmx_broker_state_view {
    bool halted;                           /* shown a head beyond its tree: signs nothing */
    bool disk_full, clock_doubt, directory_expired;
    uint64_t accepted, refused, reports, expired, erased, deferred, malformed, duplicates;
    uint64_t accepted_bytes, arrived, delivered;   /* containers; deliveries with CoA, with positive CoD */
};
void tmx_broker_state(const struct tmx_broker *b, struct tmx_broker_state_view *ret_view);

/* How long deliveries took since the start, by the times of their leaves: from the acceptance to the CoA, and to the
 * positive CoD. Borrowed for the broker's life. */
struct tmx_broker_latencies {
    struct tmx_histogram arrived, delivered;
};
const struct tmx_broker_latencies *tmx_broker_latencies(const struct tmx_broker *b);

/* A page of what the broker holds, read between turns. */
struct tmx_broker_page {
    uint64_t size;                         /* of the log: the rows are what its first `size` entries must give */
    uint64_t rows;
    size_t next_size;                      /* 0: the table ends here */
    uint8_t next[TMX_KEY_MAX];             /* key to go on from */
};
/* Writes rows with keys from `from` on (empty: from the first), as many as there is room for, or fewer. False: a row of the spool
 * cannot be read. */
bool tmx_broker_project(struct tmx_broker *b, enum tmx_projection_table table, struct tmx_bytes from, struct tmx_writer *w,
                        struct tmx_broker_page *ret_page) TMX_MUST_CHECK;

/* Rows for operators, auditors and invariants. */
void tmx_member_key(struct tmx_bytes code, uint8_t ret_key[TMX_MEMBER_KEY]);
struct tmx_bytes tmx_member_code(const uint8_t key[TMX_MEMBER_KEY]);
struct tmx_row_state {
    uint64_t size, leaf_ms, last_session;
    bool halted;
    struct tmx_bytes shard, checkpoint;    /* borrowed from the value */
};
bool tmx_row_state_get(struct tmx_bytes value, struct tmx_row_state *ret_row) TMX_MUST_CHECK;   /* of META "state" */
bool tmx_row_message_get(struct tmx_bytes value, struct tmx_row_message *ret_row) TMX_MUST_CHECK;
bool tmx_row_delivery_get(struct tmx_bytes value, struct tmx_row_delivery *ret_row) TMX_MUST_CHECK;
bool tmx_row_destination_get(struct tmx_bytes value, struct tmx_row_destination *ret_row) TMX_MUST_CHECK;
