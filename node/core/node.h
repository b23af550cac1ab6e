/* SPDX-License-Identifier: Apache-2.0
 * The node's core: every decision of a member's node, without a socket, file, clock or thread.
 *
 * A turn: the shell collects events; tmx_node_turn steps them in order inside one spool turn, closes it (assigns
 * numbers, seals, signs everything pending in batches, assembles frames), commits, and only then hands out what is to
 * be said: nothing leaves before it is durable. The same events on the same spool give the same state and the same
 * bytes. A turn that changed no row commits nothing. An error of the spool is fatal: the process ends, start is
 * recovery.
 */
#pragma once

#include <tmx/ages.h>
#include <tmx/catalogue.h>
#include <tmx/directory.h>
#include <tmx/note.h>
#include <tmx/operator.h>
#include <tmx/policy.h>
#include <tmx/series.h>
#include <tmx/spool.h>

#include "tables.h"

/* The core makes do without any row of these tables that is damaged (NODE-16); of META it says itself which ones stop it. */
#define TMX_NODE_SPARED UINT64_MAX

struct tmx_node;

/* What an application may ask for. */
enum tmx_node_verb {
    TMX_NODE_VERB_SUBMIT = 1 << 0,
    TMX_NODE_VERB_COLLECT = 1 << 1,   /* lease, renew, acknowledge, refuse */
    TMX_NODE_VERB_QUERY = 1 << 2,     /* movement, message, list, events, info */
    TMX_NODE_VERB_ALL = 7,
};

#define TMX_NODE_APPLICATIONS_MAX 64u
#define TMX_NODE_APPLICATION_TYPES_MAX 64u

struct tmx_node_application {
    char name[65];
    unsigned verbs;
    size_t n_types;                   /* 0 = all */
    char types[TMX_NODE_APPLICATION_TYPES_MAX][TMX_TYPE_MAX + 1];
};

struct tmx_node_config {
    struct tmx_bytes member;               /* own code */
    const uint8_t *signing_secret;         /* Ed25519, 64 bytes; borrowed for the node's life, like all keys here */
    uint8_t signing_public[32];
    const uint8_t *witness_secret;         /* Ed25519, 64 bytes, a key of its own; NULL: this node is no witness */
    uint8_t witness_public[32];
    const uint8_t *last_resort_secret;     /* X25519, 32 */
    const uint8_t *archive_key;            /* 32: seals content keys and prekey secrets in rows */
    const uint8_t *label_key;              /* 32: movement labels */
    struct tmx_authority authority;        /* pinned */
    uint64_t generation;                   /* of the spool */
    bool rebuild;                          /* the spool is older than its marker: NODE-10 */
    struct tmx_bytes directory;            /* the file a new spool starts with; a later one replaces the stored */
    const struct tmx_catalogue *catalogue; /* borrowed until tmx_node_catalogue gives another */
    uint64_t expiry_ms;                    /* default of a submission; 0 = 7 days */
    uint64_t late_ms;                      /* what has not arrived for longer is late; at most a day */
    uint64_t retention_ms;                 /* payloads are kept this long after the last outcome */
    size_t n_applications;                 /* named ones; the unnamed ("" = local endpoint) may do everything */
    const struct tmx_node_application *applications;
};

enum tmx_node_event_kind {
    TMX_NODE_TICK,               /* time passed */
    TMX_NODE_LINK_MESSAGE,       /* one ZeroMQ message of the broker's gate */
    TMX_NODE_LINK_BUSY,          /* what was sent waits for a slow link, or does so no more: see `busy` */
    TMX_NODE_LINK_ANEW,          /* another connection to the gate was made: the broker may be another process now */
    TMX_NODE_APP_REQUEST,        /* one ZeroMQ message of an application, its empty delimiter included if it had one */
    TMX_NODE_DIRECTORY,          /* an operator installs a directory file */
    TMX_NODE_DISK,               /* how much the spool may still take in */
    TMX_NODE_PROBE,              /* an operator wants a probe sent to `member` (NODE-14) */
    TMX_NODE_OPERATION,          /* what an operator asks, signed (OPS-10) */
    TMX_NODE_STOP,               /* the last event of a node that ends in good order: the broker is told */
};

#define TMX_NODE_ROUTE_MAX 16u

struct tmx_node_event {
    enum tmx_node_event_kind kind;
    uint64_t mono_ms;                      /* monotonic, never falls within a process */
    uint64_t wall_us;
    uint8_t entropy[32];
    struct tmx_bytes route;                /* APP_REQUEST: opaque, at most TMX_NODE_ROUTE_MAX bytes */
    struct tmx_bytes application;          /* APP_REQUEST: proven name; empty on the local endpoint */
    size_t n_frames;
    const struct tmx_bytes *frames;
    struct tmx_bytes file;                 /* DIRECTORY; OPERATION: the signed request */
    struct tmx_bytes member;               /* PROBE */
    const struct tmx_operators *operators; /* OPERATION: who may ask */
    uint64_t submit_bytes, arrive_bytes;   /* DISK: of submissions; of deliveries */
    uint64_t turn_bytes;                   /* DISK: what one turn may write of what is there already */
    bool busy;                             /* LINK_BUSY: nothing new until it is not */
};

struct tmx_node_send {
    size_t n_frames;
    const struct tmx_bytes *frames;
};

struct tmx_node_answer {
    uint8_t route[TMX_NODE_ROUTE_MAX];
    uint8_t route_size;
    size_t n_frames;
    const struct tmx_bytes *frames;
};

/* What happened, for the shell's log. Texts are static. */
struct tmx_node_notice {
    const char *event;                     /* "message.signed" */
    bool alarm;
    uint8_t member[TMX_MEMBER_MAX];        /* zero = none */
    uint8_t message_id[TMX_ID_SIZE];       /* zero = none */
    unsigned code;
    uint64_t number;
};

#define TMX_NODE_NOTICES_MAX 4096u
#define TMX_NODE_SENDS_MAX 1024u
#define TMX_NODE_ANSWERS_MAX (TMX_TURN_EVENTS_MAX + 64u)

struct tmx_node_output {
    size_t n_sends;
    const struct tmx_node_send *sends;     /* to the broker, in this order */
    bool session_begun;                    /* they start with a Hello: what waits of earlier turns is void */
    size_t n_answers;
    const struct tmx_node_answer *answers;
    size_t n_notices;
    const struct tmx_node_notice *notices;
    uint64_t notices_lost;
    uint64_t deadline_ms;                  /* mono_ms of the next TICK; 0 = at once */
    int directory_result;                  /* of the last DIRECTORY event: enum tmx_directory_error */
    unsigned probe_code;                   /* of the last PROBE event: TMX_CODE_OK, or why none was sent */
    uint8_t probe_id[TMX_ID_SIZE];         /* of the probe */
    bool directory_changed;                /* endpoint and server key may have changed: see tmx_node_directory */
    struct tmx_node_operation {            /* of the last OPERATION event */
        enum tmx_operation_result result;
        enum tmx_action action;            /* of a request that could be read */
        size_t n;                          /* messages that it changed */
        struct tmx_operation_delivery target;   /* E_DELIVERY: which */
        char member[TMX_MEMBER_MAX + 1];   /* PING: whom, and the probe */
        uint8_t probe_id[TMX_ID_SIZE];
        unsigned probe_code;               /* E_PROBE: why none is sent */
    } operation;
    bool misbehaved;                       /* there is a proof more: see tmx_node_misbehaviour */
};

/* Recovers from the spool, or begins in an empty one; committed before it returns. -ENOMEM, -EIO …; -EBADMSG: the
 * spool contradicts itself; -EINVAL: the directory does not verify, or does not list this member with this signing
 * key. */
int tmx_node_new(struct tmx_spool *spool, const struct tmx_node_config *config, uint64_t mono_ms, uint64_t wall_us,
                 const uint8_t entropy[32], struct tmx_node **ret_node) TMX_MUST_CHECK;
struct tmx_node *tmx_node_free(struct tmx_node *n);

/* Views in *ret_output are valid until the next turn. */
int tmx_node_turn(struct tmx_node *n, const struct tmx_node_event *events, size_t n_events,
                  struct tmx_node_output *ret_output) TMX_MUST_CHECK;

/* The catalogue for submissions from now on. */
void tmx_node_catalogue(struct tmx_node *n, const struct tmx_catalogue *catalogue);

/* Views for status; read between turns. */
const struct tmx_directory *tmx_node_directory(const struct tmx_node *n);
struct tmx_bytes tmx_node_checkpoint(const struct tmx_node *n);   /* of the last verified head; empty when none */

struct tmx_node_state_view {
    bool linked;                   /* a session with the broker is open */
    bool distrust;                 /* LINK-6: an operator must act */
    bool rebuilding;               /* NODE-10 */
    bool directory_behind, directory_expired, clock_doubt;
    char shard[TMX_SHARD_MAX + 1];
    uint64_t session, head_size, feed_next, directory_serial, directory_heard;
    uint64_t last_frame_ms;        /* mono */
    bool witness;                  /* this node cosigns */
    uint64_t cosigned_size;        /* of the newest head that the quorum has cosigned; 0 = none */
    struct tmx_quorum cosigned;
    bool upgrading;                /* leaves are being led to that head */
    uint64_t waiting;              /* submissions not signed yet */
    uint64_t unanswered;           /* signed, no acceptance yet */
    uint64_t reports_open;         /* signed reports without verified leaf */
    uint64_t offered, leased, held;
    uint64_t open;                 /* deliveries of messages, sent and received, that have not every outcome */
    uint64_t moving_bytes;         /* for what is here already: the spool must have that much free */
    uint64_t blocked;              /* wait for an earlier one of their movement */
    uint64_t alarms;               /* raised since start */
    uint64_t alarm_rows;           /* kept for an operator */
    uint64_t prekeys_until_ms;
    uint64_t submitted, delivered, refused, expired, received;   /* since start */
    uint64_t accepted, arrived, ended;   /* the same: messages, deliveries, received ones that have their outcome */
};
int tmx_node_state(struct tmx_node *n, struct tmx_node_state_view *ret_view) TMX_MUST_CHECK;

/* How long messages of this node took since the start: from the submission until it had verified the acceptance, the
 * CoA and the positive CoD of each. Borrowed for the node's life. */
struct tmx_node_latencies {
    struct tmx_histogram accepted, arrived, delivered;
};
const struct tmx_node_latencies *tmx_node_latencies(const struct tmx_node *n);

/* What did not fit (LINK-6, LINK-7), each as a file for others (tmx/misbehaviour.h). */
struct tmx_node_misbehaviour_view {
    uint64_t number;               /* ascending */
    uint64_t at_ms;                /* wall, when it came */
    struct tmx_bytes file;         /* valid until the next call of any function of the node */
};
/* The first whose number is not below `from`; false: none. */
bool tmx_node_misbehaviour(struct tmx_node *n, uint64_t from, struct tmx_node_misbehaviour_view *ret_view) TMX_MUST_CHECK;

struct tmx_node_peer_view {
    uint64_t waiting;              /* submissions not signed yet */
    uint64_t last_seq, max_seq;    /* numbers used and granted */
    uint64_t prekeys_serial, prekeys_until_ms;
    bool prekey_now;               /* a dated key covers now */
};
/* `member` need not be listed: then everything is zero. */
int tmx_node_peer(struct tmx_node *n, struct tmx_bytes member, struct tmx_node_peer_view *ret_view) TMX_MUST_CHECK;

/* How old what was submitted for a member is that has not arrived there. False: it is not known, as while this node reads the log
 * again, and for some turns after a start with many. */
bool tmx_node_ages(struct tmx_node *n, struct tmx_bytes member, struct tmx_ages_view *ret_view) TMX_MUST_CHECK;
/* How much of what was open when the process began is counted by its age, in percent; 100: all of it. */
unsigned tmx_node_ages_percent(const struct tmx_node *n);

/* The first bytes of a message's container, with all its slots, as long as it is kept; sent or received. Valid until the next call.
 * False: it is not. */
bool tmx_node_container_front(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], struct tmx_bytes *ret_front) TMX_MUST_CHECK;

/* One message, closely; between turns. False: there is none under that id in either direction. */
struct tmx_node_look {
    bool sent, received;
    struct tmx_row_out out;        /* when sent */
    struct tmx_row_in in;          /* when received */
    bool first;                    /* sent and waiting: it is the next of its queue; otherwise `before` is */
    bool before_known;             /* received and blocked: `before` is the message it waits for, if that is here */
    uint8_t before[TMX_ID_SIZE];
    uint64_t accepted_ms;          /* received: leaf time of its acceptance */
};
bool tmx_node_look(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], struct tmx_node_look *ret_look) TMX_MUST_CHECK;

/* Why the broker put off, in this session, what was signed and is not accepted: the message `id`, or with NULL the first one for `member`
 * that does not merely come after another (out-of-order). Between turns. False: it put off none. */
struct tmx_node_deferral {
    unsigned code;                 /* enum tmx_code */
    uint64_t at_ms;                /* mono: the last time */
    uint8_t id[TMX_ID_SIZE];
};
bool tmx_node_deferral(struct tmx_node *n, const uint8_t *id, struct tmx_bytes member, struct tmx_node_deferral *ret_deferral) TMX_MUST_CHECK;

/* The evidence of a message as a bundle (proto/README.md, section Evidence bundle), without container and content key;
 * *ret_file is malloc'ed. TMX_CODE_OK, or UNKNOWN_MESSAGE, NOT_READY: the log holds nothing of it yet, DIRECTORY_BEHIND: a
 * directory that an entry names was never here, TOO_LARGE; -ENOMEM or an error of the spool. */
int tmx_node_evidence(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], uint8_t **ret_file, size_t *ret_size) TMX_MUST_CHECK;

/* The events of this node in the order it learned them, those behind the cursor `after`, `max` of them at the most; returns where to
 * go on. What is handed to the function is gone after it; `sender` of the message is empty when the message is not here any more. */
struct Tmx__Event;
typedef void tmx_node_event_fn(void *ctx, const struct Tmx__Event *event, struct tmx_bytes sender);
uint64_t tmx_node_events(struct tmx_node *n, uint64_t after, unsigned max, tmx_node_event_fn *fn, void *ctx);
uint64_t tmx_node_events_end(const struct tmx_node *n);   /* the cursor of the newest */

/* What waits for the application; of many only the first are looked at. */
struct tmx_node_inbox_view {
    uint64_t oldest_ms;            /* leaf time of the acceptance of the oldest that is offered; UINT64_MAX: none is */
    unsigned lapses;               /* the most leases that lapsed of one */
    bool held;                     /* and one that is held back is */
    uint8_t held_id[TMX_ID_SIZE];
};
void tmx_node_inbox(struct tmx_node *n, struct tmx_node_inbox_view *ret_view);

/* The alarms that are kept, of the last `within_ms` by this node's clock. */
#define TMX_NODE_ALARMS_MAX 1000u
struct tmx_node_alarms_view {
    uint64_t n;                    /* TMX_NODE_ALARMS_MAX: that many, or more */
    uint64_t age_ms;               /* of the newest */
    char event[48];                /* of the newest; "" when there is none */
};
void tmx_node_alarms(struct tmx_node *n, uint64_t within_ms, struct tmx_node_alarms_view *ret_view);

/* Records that the disk damaged and that are kept aside (NODE-16). For a week after the newest operators are told: such a disk
 * spoils more. */
#define TMX_NODE_DAMAGE_TOLD_MS (7ull * 24 * 3600000)
struct tmx_node_damage_view {
    uint64_t kept;
    const char *what;              /* the newest: "the container of a message received"; "" where it is not known */
    uint64_t age_ms;
    bool of_message;
    uint8_t id[TMX_ID_SIZE];
};
void tmx_node_damage(struct tmx_node *n, struct tmx_node_damage_view *ret_view);

/* What applications and operators are shown of a message: Tmx__MessageState with its steps, valid until the next turn;
 * NULL when there is none in that direction (enum tmx_node_direction). */
struct Tmx__MessageState;
struct Tmx__MessageState *tmx_node_message(struct tmx_node *n, unsigned direction, const uint8_t id[TMX_ID_SIZE]);
/* A message for who picks some of many, of a direction; between turns. False: there is none. */
struct tmx_node_brief_view {
    char sender[TMX_MEMBER_MAX + 1], type[TMX_TYPE_MAX + 1];
    uint64_t at_ms, bytes;         /* submitted, of its payload; or accepted, of its container */
    size_t n;
    char recipients[TMX_RECIPIENTS_MAX][TMX_MEMBER_MAX + 1];   /* of one received: this node */
};
bool tmx_node_brief(struct tmx_node *n, unsigned direction, const uint8_t id[TMX_ID_SIZE], struct tmx_node_brief_view *ret_view) TMX_MUST_CHECK;
/* Whether a delivery is in the state for an action (OPS-10). */
bool tmx_node_action_fits(struct tmx_node *n, const struct tmx_operation_delivery *t, enum tmx_action action) TMX_MUST_CHECK;
/* The first submissions that wait for `member`, in the order they will go. Returns how many. */
size_t tmx_node_queue(struct tmx_node *n, struct tmx_bytes member, uint8_t (*ret_ids)[TMX_ID_SIZE], size_t max);
