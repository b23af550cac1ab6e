/* SPDX-License-Identifier: Apache-2.0
 * Private to node/core: the state between turns and what the files offer each other.
 *
 *   turn.c      the turn; start and recovery        app.c       requests of applications, answers
 *   rows.c      rows, keys, the state row           submit.c    submissions
 *   records.c   layouts of messages sent, received  lease.c     lease, renew, acknowledge, refuse
 *   sign.c      batches; what is signed next        query.c     movement, message, list, events
 *   seal.c      prekeys of others, sealing          wait.c      requests that wait
 *   link.c      session with the broker             arrival.c   deliveries
 *   head.c      heads and inclusion, evidence       stage.c     large containers, in chunks
 *   feed.c      leaves in                           prekeys.c   own prekeys
 *   sent.c      leaves about own messages           timers.c    expiry, leases, retention, clock
 *   pump.c      frames out                          members.c   directory
 *   reports.c   reports made                        rebuild.c   behind the log, new shard
 *   witness.c   cosigning heads, cosigned heads     evidence.c  the bundle of a message
 *   upgrade.c   evidence at cosigned heads          gaps.c      numbers that never come
 *   status.c    views for operators                 look.c      one message, and the inbox, closely
 *   probe.c     is the way open, and how long       replaces.c  what is sent again
 *   damage.c    rows that the disk has spoilt       mend_sent.c, mend_received.c  made again from others
 *   operator.c  what operators ask                  retry.c     what waits is tried now, what was handed over offered again
 *   inbox.c     the queue of what has arrived
 */
#pragma once

#include <tmx/code.h>
#include <tmx/envelope.h>
#include <tmx/misbehaviour.h>
#include <tmx/seal.h>
#include <tmx/witness.h>

#include "application.pb-c.h"
#include "link.pb-c.h"
#include "node.h"

/* shard, index, tree size, path size, path, entry: what EVIDENCE and PREKEY_LEAF hold of a leaf. */
#define LEAF_ROW_MAX (TMX_SHARD_MAX + 18 + TMX_TREE_DEPTH_MAX * TMX_HASH_SIZE + TMX_ENTRY_MAX)
#define NODE_FLIGHT 1024u                  /* headers, or reports, sent and not answered */
#define NODE_WAITERS 64u
#define NODE_LOOKS_MAX 10000u              /* rows all queries of a turn look at: an application may be shown few of many */
#define NODE_RESEND_MS 10000u              /* LINK-11 */
#define NODE_PS_CACHE 64u
#define NODE_OUT_BUDGET (8u << 20)         /* link frames of one turn */
#define NODE_DAY_MS 86400000ull
#define NODE_CLOCK_DOUBT_MS 300000u        /* DESIGN 4.10 */

/* One number of OUT_OPEN or REPORT_OPEN that was sent in this session; its slot is number % NODE_FLIGHT. */
struct node_flight {
    bool open;
    uint64_t number;
    uint64_t due_ms;                       /* mono: sent again then */
    uint64_t deferred_ms;                  /* mono: when it was put off last … */
    unsigned deferred;                     /* … and why; TMX_CODE_OK: it was not, in this session */
    uint8_t id[TMX_ID_SIZE];
};
struct node_window {
    struct node_flight slot[NODE_FLIGHT];
    uint64_t base, next;                   /* numbers below base are answered, from next on not sent */
    uint64_t due_ms;                       /* no slot is due before */
};

struct node_destination {
    uint8_t member[TMX_MEMBER_MAX];
    uint64_t max_seq, told_seq;            /* granted; last consumed as the broker told */
    uint64_t waiting;                      /* rows of its queue */
    bool head_known, head_exists, blocked; /* of its queue of submissions; blocked: until something changes */
    uint8_t head_priority;
    uint64_t head_order;
    uint8_t head_id[TMX_ID_SIZE];
    bool prekey_known;                     /* the key in use */
    uint64_t prekey_from_ms, prekey_until_ms;
    uint8_t prekey[32], key_id[8];
    uint64_t ps_epoch;                     /* of the sender key that ps was made with; 0 = none */
    uint8_t ps[32];
    struct tmx_ages ages;                  /* of what was submitted for it and has not arrived */
    bool ages_unknown;                     /* of some of it: it came into the directory again after the start */
    uint64_t missing, missing_ms;          /* as a sender: a number that has not come, and since when (mono); 0 = none */
};

struct node_key {
    uint8_t data[TMX_KEY_MAX];
    size_t size;
};

enum node_session_state { NODE_DOWN, NODE_HELLO, NODE_UP, NODE_MUTE };

struct node_session {
    enum node_session_state state;         /* MUTE: the head cannot be verified before a later directory is here */
    uint8_t nonce[16];
    uint64_t number_session;
    uint64_t in_number, out_number;
    uint64_t opened_ms, last_in_ms, last_out_ms, last_ping_ms;   /* mono */
    uint64_t retry_ms;                     /* DOWN: when to say hello; HELLO: when to give up */
    unsigned attempts;
    uint64_t acked;                        /* feed_next told in this session */
    uint64_t received_messages, received_bytes;
    uint64_t granted_messages, granted_bytes;
    uint64_t publish_ms;                   /* when the prekey set is sent again; 0 = now */
    uint64_t clock_offset_ms, clock_base_ms; /* broker's wall clock minus ours, and our wall minus mono then */
    bool clock_known;
    uint64_t first_head;                   /* leaves of the head that it began with */
};

struct node_head {
    char shard[TMX_SHARD_MAX + 1];
    uint64_t size;                         /* 0 = none */
    struct tmx_hash root;
    uint8_t checkpoint[TMX_CHECKPOINT_MAX];
    size_t checkpoint_size;
};

/* The META row "state". */
struct node_state {
    struct node_head head;
    uint64_t feed_next;
    uint64_t batch_no;
    uint64_t order, number, report, cursor, alarm;   /* last used */
    uint64_t prekeys_serial, prekeys_until_ms;
    bool prekeys_logged;
    uint64_t directory_heard;
    uint64_t leased, held;                 /* messages in these states */
    uint64_t open;                         /* deliveries, sent and received, of the messages in INDEX_OPEN */
    uint64_t waiting_largest;              /* payload bytes: none of OUT_PAYLOAD has more */
    bool distrust;
    bool rebuild;                          /* NODE-10: signs nothing until feed_next reaches rebuild_to */
    uint64_t rebuild_to;                   /* UINT64_MAX: not known yet; 0: this spool never was rebuilt */
    bool carry;                            /* LOG-4: open messages are being made ready for the new shard */
    uint64_t wall_ms;                      /* when this row was written */
    uint64_t resubmit;                     /* numbers up to it were signed before this shard; 0 = the first shard */
};

struct node_pending {
    Tmx__Kind kind;
    uint8_t id[TMX_ID_SIZE];
    uint64_t number;                       /* headers */
    uint8_t which;                         /* reports: 0 CoA, 1 outcome */
    struct tmx_bytes body, attachment;
};

struct node_waiter {
    bool used, delimiter;
    uint8_t route[TMX_NODE_ROUTE_MAX];
    uint8_t route_size;
    char application[65];
    uint64_t deadline_ms;                  /* mono */
    uint64_t looked;                       /* as in its request */
    size_t size;
    uint8_t request[TMX_CONTROL_MAX];
};

struct node_ps {
    bool used;
    uint8_t epk[32], key_id[8], ps[32], member[TMX_MEMBER_MAX];
};

struct node_kept {
    struct node_kept *next;
    uint8_t data[];
};

struct tmx_node {
    struct tmx_node_config config;
    uint8_t member[TMX_MEMBER_MAX];
    struct tmx_verify_key sign_key;
    struct tmx_verify_key witness_key;     /* with config.witness_secret */
    struct tmx_checkpoint cosigned;        /* the newest head of this shard that the quorum cosigned; size 0 = none */
    struct tmx_quorum cosigned_quorum;
    struct tmx_checkpoint upgrade_head;    /* the cosigned head at which proofs were asked for; size 0 = none were */
    bool upgrade_wanted;                   /* there may be leaves behind the cosigned head */
    uint64_t upgrade_due_ms;               /* mono: not asked again before */
    struct tmx_spool *spool;
    int fault;                             /* first error: ends the turn and the process */
    bool in_turn;                          /* rows were written in this turn */
    struct tmx_arena control;              /* the frame or request at hand */
    struct tmx_arena scratch;              /* one item */
    struct tmx_arena bodies;               /* of pending */
    struct tmx_arena out;                  /* frames of this turn */
    struct node_kept *kept;                /* large payloads of this turn */
    size_t kept_bytes;
    struct tmx_directory *directory;
    struct tmx_batch_cache *cache;
    struct tmx_compressor *compressor;
    uint64_t now_ms, wall_ms, wall_us;
    uint64_t clock_base_ms;                /* wall - mono when it was last trusted */
    bool leases_look;             /* leases may end far ahead: the clock was wrong */
    bool clock_doubt;
    uint8_t pool[32];
    uint64_t pool_counter;
    struct node_state state;
    struct tmx_merkle_memo proven;         /* by the inclusion verified last */
    uint64_t seen_size;                    /* of the seen head of a delivery that was shown to be of this log last; 0 = none */
    struct tmx_hash seen_root;
    struct tmx_proof seen_proof;           /* that it was; the items behind it in a frame have none of their own */
    bool state_dirty, head_kept;
    struct node_session session;
    struct node_window submits, reports;
    size_t n_destinations;
    struct node_destination destinations[TMX_MEMBERS_MAX];
    bool sign_due;                         /* something may be signable now */
    struct tmx_seal_sender sender;         /* short-lived key */
    uint64_t sender_epoch, sender_made_ms, sender_used;
    struct node_ps ps[NODE_PS_CACHE];
    uint8_t last_resort[32], last_resort_id[8];
    size_t n_pending;
    struct node_pending pending[TMX_BATCH_MAX];
    uint8_t stage[TMX_ID_SIZE];            /* the large container being pulled; zero = none */
    uint64_t stage_at, stage_asked, stage_size, stage_due_ms;
    bool stage_look;                       /* a row of IN_STAGE may be waiting */
    struct node_key stage_from;            /* rows before it were asked for in vain; empty = the first */
    uint64_t stage_retry_ms;               /* mono: when they are asked for again; 0 = not */
    bool prekeys_again;                    /* the log has a later own set than this spool: publish anew */
    struct node_waiter *waiters;           /* NODE_WAITERS */
    bool offers_changed, events_changed;
    size_t n_sends, n_answers, n_notices;
    struct tmx_node_send *sends;
    struct tmx_node_answer *answers;
    struct tmx_node_notice *notices;
    uint64_t notices_lost;
    bool more;                             /* work was left for the next turn */
    bool busy;                             /* the link has not taken yet what earlier turns said */
    bool session_begun;
    bool misbehaved;                       /* a file of it was kept */
    uint64_t next_due_ms;                  /* wall: first row of DUE, at the latest */
    uint64_t gaps_look_ms;                 /* mono: when numbers that have not come are looked for again */
    uint64_t lost;                         /* messages found lost by this rebuild and without outcome */
    uint64_t submit_left, arrive_left;     /* bytes the spool may take in; UINT64_MAX: any */
    uint64_t turn_bytes;                   /* payload bytes that one turn seals */
    uint64_t wanted_bytes;                 /* the least that found no room in it; 0 = nothing did */
    uint64_t room_asked_ms;                /* mono: when a session was last opened for it; 0 = never */
    unsigned looks_left;                   /* rows that queries may still look at in this turn */
    bool turning, mending;                 /* rows may be written; a damaged one is being made again */
    bool fresh;                            /* what recovery had to say is not said yet */
    bool reread;                           /* this process has read the log again for what is damaged */
    uint8_t wound_table;                   /* a damaged row that was seen between turns; of size 0: none */
    struct node_key wound;
    struct node_key carry_at;              /* INDEX_OPEN row to go on from; empty = the first */
    struct tmx_node_state_view counters;
    struct tmx_node_latencies latencies;
    struct {
        bool begun, read;                  /* of what the process found, all is counted */
        uint64_t from_order;               /* later submissions are of this process */
        struct node_key cursor;            /* open ones below it are counted */
        uint64_t open, open_read;          /* deliveries of open messages, when it began; of those that were read */
    } ages;
    int directory_result;
    unsigned probe_code;                   /* of the last PROBE event of the turn */
    uint8_t probe_id[TMX_ID_SIZE];
    bool directory_changed;
    struct tmx_node_operation operation;
};

/* turn.c */
void node_fault(struct tmx_node *n, int error);
void node_notice(struct tmx_node *n, const char *event, bool alarm, const uint8_t *member, const uint8_t *id,
                 unsigned code, uint64_t number);
/* Deterministic from the entropy of the events so far. */
void node_random(struct tmx_node *n, void *ret_data, size_t size);
/* A block that lives as long as the turn's output; NULL sets fault. */
uint8_t *node_keep(struct tmx_node *n, size_t size);

/* rows.c. A spool error sets fault; then reads find nothing, writes do nothing. What is read is borrowed until the
 * next read or write. */
bool node_get(struct tmx_node *n, uint8_t table, struct tmx_bytes key, struct tmx_bytes *ret_value);
bool node_has(struct tmx_node *n, uint8_t table, struct tmx_bytes key);
/* The first row at or after `from` whose key starts with its first `prefix` bytes. */
bool node_seek(struct tmx_node *n, uint8_t table, struct tmx_bytes from, size_t prefix, struct tmx_bytes *ret_key,
               struct tmx_bytes *ret_value);
void node_put(struct tmx_node *n, uint8_t table, struct tmx_bytes key, struct tmx_bytes value);
void node_insert(struct tmx_node *n, uint8_t table, struct tmx_bytes key, struct tmx_bytes value);
void node_delete(struct tmx_node *n, uint8_t table, struct tmx_bytes key);
/* Deletes when it is there. */
void node_drop(struct tmx_node *n, uint8_t table, struct tmx_bytes key);
static inline struct tmx_bytes node_kb(const struct node_key *k)
{
    return TMX_BYTES(k->data, k->size);
}
struct node_key node_key_u64(uint64_t v);
/* The first key behind this one. */
struct node_key node_key_after(struct tmx_bytes key);
struct node_key node_key_id_u8(const uint8_t id[TMX_ID_SIZE], uint8_t v);
struct node_key node_key_id_u32(const uint8_t id[TMX_ID_SIZE], uint32_t v);
struct node_key node_key_u8_id(uint8_t v, const uint8_t id[TMX_ID_SIZE]);
struct node_key node_key_member(const uint8_t member[TMX_MEMBER_MAX]);
struct node_key node_key_member_u64(const uint8_t member[TMX_MEMBER_MAX], uint64_t v);
struct node_key node_key_due(uint64_t ms, enum tmx_due_kind kind, const uint8_t id[TMX_ID_SIZE]);
uint64_t node_u64(struct tmx_bytes value);
static inline struct tmx_bytes node_id(const uint8_t id[TMX_ID_SIZE])
{
    return TMX_BYTES(id, TMX_ID_SIZE);
}
void node_member_key(struct tmx_bytes code, uint8_t ret_key[TMX_MEMBER_MAX]);
struct tmx_bytes node_member_code(const uint8_t key[TMX_MEMBER_MAX]);
void node_shard_key(const char *shard, uint8_t ret_key[TMX_SHARD_MAX]);
void node_state_write(struct tmx_node *n);
/* False: a new spool, or fault. */
bool node_state_read(struct tmx_node *n);
void node_due_add(struct tmx_node *n, uint64_t ms, enum tmx_due_kind kind, const uint8_t id[TMX_ID_SIZE]);
void node_due_drop(struct tmx_node *n, uint64_t ms, enum tmx_due_kind kind, const uint8_t id[TMX_ID_SIZE]);
/* Containers, in rows of TMX_CHUNK_SIZE. */
void node_container_store(struct tmx_node *n, uint8_t table, const uint8_t id[TMX_ID_SIZE], struct tmx_bytes container);
void node_container_drop(struct tmx_node *n, uint8_t table, const uint8_t id[TMX_ID_SIZE], uint64_t size);
/* Reads it whole into a malloc'ed block; NULL when rows are missing (or fault). */
uint8_t *node_container_load(struct tmx_node *n, uint8_t table, const uint8_t id[TMX_ID_SIZE], uint64_t size);
/* damage.c (NODE-16). A row that is damaged: 0, and it is whole now, or gone; TMX_SPOOL_E_NONE: to be taken for missing; a negative
 * errno: nothing can be done without it. */
int node_mend(struct tmx_node *n, uint8_t table, struct tmx_bytes key);
void node_mend_seen(struct tmx_node *n);   /* what a look between turns has found */
/* mend_sent.c, mend_received.c: the row that was there under that key, from others; false: they do not tell. */
bool node_out_mend(struct tmx_node *n, uint8_t table, const struct node_key *key);
bool node_out_info_mend(struct tmx_node *n, uint8_t table, const struct node_key *key);
bool node_out_reference_mend(struct tmx_node *n, uint8_t table, const struct node_key *key);
bool node_out_queue_mend(struct tmx_node *n, uint8_t table, const struct node_key *key);
bool node_out_signed_mend(struct tmx_node *n, uint8_t table, const struct node_key *key);
bool node_out_number_mend(struct tmx_node *n, uint8_t table, const struct node_key *key);
bool node_in_mend(struct tmx_node *n, uint8_t table, const struct node_key *key);
bool node_in_info_mend(struct tmx_node *n, uint8_t table, const struct node_key *key);
bool node_in_seq_mend(struct tmx_node *n, uint8_t table, const struct node_key *key);
bool node_in_stage_mend(struct tmx_node *n, uint8_t table, const struct node_key *key);
bool node_report_mend(struct tmx_node *n, uint8_t table, const struct node_key *key);
bool node_report_open_mend(struct tmx_node *n, uint8_t table, const struct node_key *key);
bool node_prekeys_mend(struct tmx_node *n, uint8_t table, const struct node_key *key);
/* An own header, or report, that is gone, from the leaf that holds it. */
bool node_signed_from_leaf(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], const struct tmx_row_out *row, const Tmx__LogEntry *entry);
bool node_report_from_leaf(struct tmx_node *n, const Tmx__Report *r, const Tmx__LogEntry *entry);
/* One that is gone and that the log of this session does not hold: signed anew. */
void node_header_again(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], struct tmx_row_out *row);
void node_report_anew(struct tmx_node *n, uint64_t number, const struct node_key *report);
/* What is kept of a message that is offered does not give it: the container is asked for again. */
void node_in_spoilt(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], struct tmx_row_in *row);

/* An alarm: a row for the operator and a notice, whose number is that of the row, or `number`. */
void node_alarm_number(struct tmx_node *n, const char *event, const uint8_t *member, const uint8_t *id, unsigned code,
                       uint64_t number, struct tmx_bytes data);
void node_alarm(struct tmx_node *n, const char *event, const uint8_t *member, const uint8_t *id, unsigned code,
                struct tmx_bytes data);

/* records.c */
bool node_out_read(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], struct tmx_row_out *ret_row);
void node_out_write(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], const struct tmx_row_out *row);
bool node_in_read(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], struct tmx_row_in *ret_row);
void node_in_write(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], const struct tmx_row_in *row);
/* Index rows of a new message. Empty mrn, business_id: none. */
void node_index_add(struct tmx_node *n, enum tmx_node_direction direction, const uint8_t id[TMX_ID_SIZE],
                    size_t deliveries, struct tmx_bytes mrn, struct tmx_bytes business_id);
void node_index_close(struct tmx_node *n, enum tmx_node_direction direction, const uint8_t id[TMX_ID_SIZE],
                      size_t deliveries);
struct node_key node_index_key(enum tmx_node_index index, enum tmx_node_direction direction,
                               const uint8_t id[TMX_ID_SIZE]);
/* Content keys under the archive key. */
void node_archive_store(struct tmx_node *n, enum tmx_node_direction direction, const uint8_t id[TMX_ID_SIZE],
                        const uint8_t content_key[32]);
bool node_archive_load(struct tmx_node *n, enum tmx_node_direction direction, const uint8_t id[TMX_ID_SIZE],
                       uint8_t ret_content_key[32]);

/* A step in the life of a message: an Event row. */
struct node_step {
    const char *what;
    struct tmx_bytes who, text, recipient;
    unsigned code;
    uint64_t time_ms;               /* 0 = now */
    const char *shard;              /* NULL: not in the log */
    uint64_t index;
    bool verified;
};
void node_step_add(struct tmx_node *n, enum tmx_node_direction direction, const uint8_t id[TMX_ID_SIZE],
                   const struct node_step *step);

/* disk.c */
void node_disk_tell(struct tmx_node *n, const struct tmx_node_event *ev);
/* Is there room? Then it is taken. */
bool node_disk_submit(struct tmx_node *n, uint64_t payload_bytes, size_t recipients);
/* For a while two copies are here: of the payload being sealed, of the container whose chunks are complete. */
uint64_t node_disk_moving(const struct tmx_node *n);
bool node_disk_arrive(struct tmx_node *n, const Tmx__Header *h, uint64_t index);

/* sign.c */
/* Takes submissions in order as long as numbers, prekeys and the window allow; signs them. */
void node_sign_close(struct tmx_node *n);
/* A body to be signed at the end of the turn, or with the batch that is full. */
void node_sign_add(struct tmx_node *n, const struct node_pending *pending);
void node_sign_flush(struct tmx_node *n);
/* What a signed body says of the log and directory; NULL when no head is verified yet. */
Tmx__Head *node_seen(struct tmx_node *n, Tmx__Head *head);
/* ages.c. A delivery that is about to leave the state in which it waits for its CoA; nothing where it is in another. */
void node_ages_member(struct tmx_node *n, struct node_destination *d);
void node_ages_enter(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], const struct tmx_row_out *row);
void node_ages_leave(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], const struct tmx_row_out *row,
                     const struct tmx_row_out_delivery *delivery);
void node_ages_run(struct tmx_node *n);

struct node_destination *node_destination(struct tmx_node *n, const uint8_t member[TMX_MEMBER_MAX]);
/* Out of the queue of submissions; writes no OUT row. */
void node_out_unqueue(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], const struct tmx_row_out *row);
/* Ends a submission that was never signed. */
void node_out_cancel(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], struct tmx_row_out *row, unsigned code);
/* The OUT_WAIT and OUT_LANE rows. */
void node_wait_insert(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], const struct tmx_row_out *row);
void node_wait_delete(struct tmx_node *n, const struct tmx_row_out *row);
struct node_key node_lane_key(const struct tmx_row_out *row);
struct node_key node_wait_key(const struct tmx_row_out *row);
/* mend_sent.c: the number before that delivery's in its movement, to the same member. */
uint64_t node_out_prev(struct tmx_node *n, const struct tmx_row_out *row, const struct tmx_row_out_delivery *d);
/* When every delivery is closed: drops container and key, now or after the retention time. */
void node_out_close(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], const struct tmx_row_out *row);
void node_out_drop(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE]);

/* seal.c */
/* The key to seal with for this member now; false when none is known. */
bool node_prekey_ready(struct tmx_node *n, struct node_destination *d);
/* PS of the pair (sender key, prekey in use). */
bool node_ps_send(struct tmx_node *n, struct node_destination *d, uint8_t ret_ps[32]);
/* A set of another member; TMX_CODE_OK when stored or not newer. */
void node_prekeys_store(struct tmx_node *n, const Tmx__PrekeySet *set, struct tmx_bytes body);
/* Content and payload sealed for the recipients (with usable prekeys, see node_prekey_ready). *ret_container is
 * malloc'ed. False: a bad key of recipient *ret_bad, or fault. */
bool node_seal(struct tmx_node *n, Tmx__Content *content, struct tmx_bytes payload,
               struct node_destination *const *to, size_t n_to, uint8_t **ret_container, size_t *ret_size,
               uint8_t ret_content_key[32], size_t *ret_bad);
/* Opens slot `index` of a container with an own prekey. */
enum node_open { NODE_OPEN_OK, NODE_OPEN_NO_KEY, NODE_OPEN_FAILS };
enum node_open node_open(struct tmx_node *n, struct tmx_bytes container, const struct tmx_seal_context *ctx,
                         unsigned index, uint8_t *ret_plaintext, size_t *ret_size, uint8_t ret_content_key[32]);

/* link.c */
void node_link_message(struct tmx_node *n, const struct tmx_node_event *ev);
void node_link_close(struct tmx_node *n);            /* hello, pings, time-outs */
void node_link_lost(struct tmx_node *n, const char *why, bool at_once);
void node_link_anew(struct tmx_node *n);
void node_link_end(struct tmx_node *n);              /* with a Bye; no session is opened any more */
uint64_t node_link_deadline(const struct tmx_node *n);
/* Numbers and queues a frame of the session. */
void node_link_send(struct tmx_node *n, Tmx__Link *link, const struct tmx_bytes *payload, size_t n_payload);
bool node_room(struct tmx_node *n);
/* A directory serial was seen somewhere (DIR-6). */
void node_serial_heard(struct tmx_node *n, uint64_t serial);
bool node_directory_behind(const struct tmx_node *n);

/* head.c */
enum node_head_verdict { NODE_HEAD_OK, NODE_HEAD_STALE, NODE_HEAD_NO_KEY, NODE_HEAD_WRONG };
enum node_head_verdict node_head_update(struct tmx_node *n, const Tmx__HeadUpdate *update);
bool node_item_verify(struct tmx_node *n, uint64_t tree_size, const Tmx__FeedItem *item);
/* Of a delivery that was verified: its sender has seen a head of the log that this node holds. */
bool node_seen_verify(struct tmx_node *n, const Tmx__FeedItem *item, const Tmx__Head *seen);
void node_head_keep(struct tmx_node *n);
void node_evidence_keep(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], enum tmx_evidence_kind kind,
                        const uint8_t *member, const Tmx__FeedItem *item);

/* evidence.c: what came sealed with a recipient's report, as its digest there says; `member` padded. */
void node_attachment_keep(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], const uint8_t *member, struct tmx_bytes attachment);

/* The leaf of a prekey set, in the same form: what a container's slots are proved with. */
void node_prekeys_keep(struct tmx_node *n, const Tmx__PrekeySet *set, const Tmx__FeedItem *item);

/* Where the log holds a report this node made; false until its leaf is verified. */
bool node_evidence_place(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], enum tmx_evidence_kind kind,
                         uint8_t ret_shard[TMX_SHARD_MAX], uint64_t *ret_index);
/* A leaf kept as evidence: its place, and its entry parsed into the scratch arena. `member` NULL: not of one delivery. */
bool node_leaf_read(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], enum tmx_evidence_kind kind, const uint8_t *member,
                    uint8_t ret_shard[TMX_SHARD_MAX], uint64_t *ret_index, Tmx__LogEntry **ret_entry);
/* The acceptance kept as evidence, parsed into the scratch arena; its item without path. */
bool node_acceptance_read(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], Tmx__FeedItem *ret_item,
                          Tmx__LogEntry **ret_entry, Tmx__Header **ret_header);

/* misbehaviour.c: a file of it is kept, and the broker not used any more. */
/* LINK-6: a head that came beside the one held (empty: none), the consistency proof and the root that came with it. */
void node_heads_distrust(struct tmx_node *n, struct tmx_bytes held, struct tmx_bytes shown, struct tmx_bytes proof,
                         struct tmx_bytes root);
/* LINK-7: an entry whose path does not lead to that head. */
void node_item_distrust(struct tmx_node *n, struct tmx_bytes head, uint64_t index, struct tmx_bytes entry,
                        struct tmx_bytes path);
/* LINK-12: a delivery whose sender has seen another log. */
void node_seen_distrust(struct tmx_node *n, const Tmx__FeedItem *item, const Tmx__Head *seen);

/* feed.c */
void node_feed_item(struct tmx_node *n, const Tmx__FeedItem *item);
bool node_signature_verify(struct tmx_node *n, struct tmx_bytes member, struct tmx_bytes body,
                           const Tmx__BatchSignature *signature);

/* sent.c: leaves about own messages. */
void node_sent_accepted(struct tmx_node *n, const Tmx__FeedItem *item, const Tmx__LogEntry *entry);
void node_sent_refused(struct tmx_node *n, const Tmx__FeedItem *item, const Tmx__LogEntry *entry);
void node_sent_report(struct tmx_node *n, const Tmx__FeedItem *item, const Tmx__LogEntry *entry,
                      const Tmx__Report *report);
void node_sent_ended(struct tmx_node *n, const Tmx__FeedItem *item, const Tmx__LogEntry *entry);

/* upgrade.c: a leaf that is kept in that row is to be proved at a cosigned head. */
void node_upgrade_add(struct tmx_node *n, uint64_t index, uint8_t table, const struct node_key *row);
void node_upgrade_in(struct tmx_node *n, const Tmx__Proofs *proofs, const struct tmx_bytes *payload);
void node_upgrade_close(struct tmx_node *n);
void node_upgrade_reset(struct tmx_node *n);   /* a new session */

/* witness.c */
int node_witness_start(struct tmx_node *n);
void node_witness_in(struct tmx_node *n, const Tmx__WitnessRequest *request, struct tmx_bytes body);
void node_cosigned_in(struct tmx_node *n, const Tmx__CosignedHead *cosigned, struct tmx_bytes note);

/* reports.c: reports this node makes, and their leaves. */
void node_report_make(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], const struct tmx_row_in *row,
                      Tmx__Outcome outcome, unsigned code, struct tmx_bytes attachment);
/* Sends what was made for this message again. */
void node_report_again(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE]);
/* Those of them that have no leaf yet, now. */
void node_report_now(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE]);
/* Sent or to be sent, without a leaf. w: 0 the CoA, 1 the outcome. */
bool node_report_open(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], uint8_t w);
void node_report_logged(struct tmx_node *n, const Tmx__FeedItem *item, const Tmx__LogEntry *entry,
                        const Tmx__Report *report);
void node_report_refused(struct tmx_node *n, const Tmx__FeedItem *item, const Tmx__LogEntry *entry,
                         const Tmx__Report *report);

/* arrival.c (LINK-12, NODE-4) */
void node_deliver_item(struct tmx_node *n, const Tmx__FeedItem *item, struct tmx_bytes container);
/* One whose item came earlier and whose container has been pulled since. */
void node_deliver_pulled(struct tmx_node *n, const Tmx__FeedItem *item, struct tmx_bytes container);
/* Its CoA is in the log, and this spool does not hold it (NODE-10). False: its acceptance is not known. */
bool node_in_lost(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], struct tmx_row_in *ret_row);
/* Its row as the acceptance that is kept gives it, ARRIVED; false: that is not here. */
bool node_in_fill(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], struct tmx_row_in *ret_row);
/* Its INFO row, as far as the header tells. */
bool node_in_tell(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE]);

/* inbox.c (NODE-5, NODE-6) */
/* A row of a message that arrived, with what keeps order and time for it. */
void node_in_enter(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], const struct tmx_row_in *row);
/* A sequence number of a sender has its outcome here or proved in the log: what waits for it may be offered. */
void node_seq_resolved(struct tmx_node *n, const uint8_t sender[TMX_MEMBER_MAX], uint64_t seq);
void node_seq_wake(struct tmx_node *n, const uint8_t sender[TMX_MEMBER_MAX], uint64_t seq);   /* what waits for it alone */
/* CoA is verified: offer it, or let it wait for an earlier one. */
void node_in_arrived(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], struct tmx_row_in *row);
void node_in_offer(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], struct tmx_row_in *row);
/* Takes it out of READY, leases and timers, whatever its state; writes nothing else. */
void node_in_unoffer(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], const struct tmx_row_in *row);
/* A terminal state: row, indexes, waiting ones. */
void node_in_end(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], struct tmx_row_in *row, enum tmx_in_state state,
                 unsigned code);
void node_in_drop(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE]);
struct node_key node_in_ready_key(const struct tmx_row_in *row, const uint8_t id[TMX_ID_SIZE]);
/* The broker ended a delivery to this node. */
void node_in_ended_by_broker(struct tmx_node *n, const Tmx__FeedItem *item, const Tmx__LogEntry *entry);

/* probe.c (NODE-14) */
/* TMX_CODE_OK, and the probe; or why none is sent. */
unsigned node_probe(struct tmx_node *n, struct tmx_bytes member, uint8_t ret_id[TMX_ID_SIZE]);
bool node_probe_is(const struct tmx_row_in *row);
void node_probe_answer(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], struct tmx_row_in *row);   /* its CoA is verified */

/* gaps.c */
void node_gaps_close(struct tmx_node *n);
/* What is below the number of a resubmitted message is not missed: the log that could tell is lost (LOG-4). */
void node_gaps_pardon(struct tmx_node *n, const Tmx__Header *resubmitted);
/* Nor what is below a number that is known: only the log that was could have said that it ended. */
void node_gaps_new_shard(struct tmx_node *n);

/* stage.c */
void node_stage_begin(struct tmx_node *n, const Tmx__FeedItem *item, const uint8_t id[TMX_ID_SIZE], uint64_t size);
void node_stage_chunk(struct tmx_node *n, const Tmx__Chunk *chunk, struct tmx_bytes data);
void node_stage_close(struct tmx_node *n);
void node_stage_drop(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE]);
void node_stage_forget(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE]);   /* writes nothing */
/* The broker asks for a chunk of a container we submit. */
void node_stage_asked(struct tmx_node *n, const Tmx__ChunkRequest *request);

/* pump.c */
void node_pump_close(struct tmx_node *n);
void node_pump_reset(struct tmx_node *n);   /* a new session: everything unanswered is sent again */
void node_window_add(struct node_window *w, uint64_t number, const uint8_t id[TMX_ID_SIZE], uint64_t due_ms);
void node_window_done(struct node_window *w, uint64_t number);
void node_window_due(struct node_window *w, uint64_t number, uint64_t due_ms);
/* The first open number at or after *number; false: there is none. */
bool node_window_next(struct node_window *w, uint64_t *number, uint8_t ret_id[TMX_ID_SIZE]);
void node_deferred(struct tmx_node *n, const Tmx__Deferred *deferred);

/* app.c */
void node_app_request(struct tmx_node *n, const struct tmx_node_event *ev);
struct node_request {
    const Tmx__Request *pb;
    struct tmx_bytes bytes;
    struct tmx_bytes route, application;
    const struct tmx_node_application *rights;   /* NULL: everything */
    bool delimiter;
    size_t n_payload;
    const struct tmx_bytes *payload;
    uint64_t looked;                             /* of events: it waits, and nothing up to here was for it */
};
/* Answers. `text` is static or in an arena; empty: the meaning of the code. */
void node_answer_code(struct tmx_node *n, const struct node_request *rq, unsigned code, const char *text);
void node_answer(struct tmx_node *n, const struct node_request *rq, Tmx__Response *response,
                 const struct tmx_bytes *payload, size_t n_payload);
bool node_type_permitted(const struct tmx_node_application *rights, struct tmx_bytes type);
/* Decides a request; `waiting`: it waited before, and now is the last moment. False: nothing to answer yet. */
bool node_app_decide(struct tmx_node *n, struct node_request *rq, bool last);

/* submit.c, lease.c, query.c: one request each; *_try give false when there is nothing to answer yet. */
void node_submit(struct tmx_node *n, const struct node_request *rq);
/* What was checked: durable with this turn. Of the request only its payload counts. */
void node_submit_store(struct tmx_node *n, const struct node_request *rq, const Tmx__SubmitRequest *s, const uint8_t digest[32],
                       const uint8_t *id);
/* replaces.c: a reason code; OK when it replaces nothing. */
unsigned node_replaces_check(struct tmx_node *n, const struct node_request *rq, const Tmx__SubmitRequest *s,
                             const char **ret_text);
bool node_lease_try(struct tmx_node *n, const struct node_request *rq, bool last);
void node_renew(struct tmx_node *n, const struct node_request *rq);
void node_ack(struct tmx_node *n, const struct node_request *rq);
void node_refuse(struct tmx_node *n, const struct node_request *rq);
/* A lease whose end was counted on a wrong clock ends now. */
void node_lease_void(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE]);
void node_lease_lapsed(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE]);
void node_in_expire(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE]);
void node_in_expired(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], struct tmx_row_in *row);   /* with its report */
/* A message that waits to be leased is offered no more, until it is released. */
void node_hold(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE]);
void node_release(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE]);
/* retry.c: what waits is tried now. Of a message sent, by its recipient; of one received, its reports. */
bool node_retry_fits(struct tmx_node *n, const struct tmx_operation_delivery *t);
void node_retry(struct tmx_node *n, const struct tmx_operation_delivery *t);
/* All that is for the member, of this node's own code its reports; the link besides, when it is down. How much waits; not `now`: it is
 * only looked. */
size_t node_retry_member(struct tmx_node *n, struct tmx_bytes member, bool now);
/* The lease of a message is taken from its application. */
bool node_replay_fits(struct tmx_node *n, const struct tmx_operation_delivery *t);
void node_replay(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE]);

/* operator.c */
void node_operation(struct tmx_node *n, const struct tmx_node_event *ev);
void node_query_movement(struct tmx_node *n, const struct node_request *rq);
void node_query_message(struct tmx_node *n, const struct node_request *rq);
void node_query_list(struct tmx_node *n, const struct node_request *rq);
bool node_events_try(struct tmx_node *n, struct node_request *rq, bool last);
void node_info(struct tmx_node *n, const struct node_request *rq);
void node_evidence(struct tmx_node *n, const struct node_request *rq);
/* The id of a message the application may see, by its id or the reference it was submitted under. */
bool node_query_find(struct tmx_node *n, const struct node_request *rq, struct tmx_bytes message_id,
                     struct tmx_bytes reference, uint8_t ret_id[TMX_ID_SIZE]);

/* wait.c */
void node_wait_add(struct tmx_node *n, const struct node_request *rq, uint32_t wait_ms);
void node_wait_close(struct tmx_node *n);
uint64_t node_wait_deadline(const struct tmx_node *n);

/* prekeys.c */
void node_prekeys_close(struct tmx_node *n);
void node_prekeys_logged(struct tmx_node *n, const Tmx__PrekeySet *set);

/* prekey_index.c: `member` and `shard` padded, as in keys. */
struct node_key node_prekey_leaf_key(const uint8_t *member, const uint8_t *shard, uint64_t index);
void node_prekey_index(struct tmx_node *n, const uint8_t *member, const uint8_t *shard, uint64_t index,
                       const Tmx__PrekeySet *set);
/* The leaf below `before` in whose set the member has a key with that id, with the latest end; false: none. */
bool node_prekey_find(struct tmx_node *n, const uint8_t *member, const uint8_t *shard, const uint8_t key_id[8],
                      uint64_t before, uint64_t *ret_index);
/* Indexes some more leaves of a spool from before there was an index; false: nothing is left. The caller commits. */
bool node_prekey_index_more(struct tmx_node *n);
bool node_own_prekey(struct tmx_node *n, const uint8_t key_id[8], uint8_t ret_public[32], uint8_t ret_secret[32]);

/* timers.c */
void node_clock(struct tmx_node *n, uint64_t mono_ms, uint64_t wall_us);
void node_timers_run(struct tmx_node *n);
uint64_t node_timers_deadline(const struct tmx_node *n);

/* members.c */
void node_directory_install(struct tmx_node *n, struct tmx_bytes file, bool operator);
int node_directory_start(struct tmx_node *n);
void node_members_sync(struct tmx_node *n);
/* Own entry when it may sign headers now: TMX_CODE_OK or why not. */
unsigned node_may_submit(struct tmx_node *n);

/* rebuild.c */
/* Welcome: is this node behind the log, or the log a new one? False: the session cannot be used. */
bool node_rebuild_check(struct tmx_node *n, const Tmx__Welcome *welcome);
/* Reads the log again from its start (NODE-10). */
void node_rebuild_start(struct tmx_node *n);
/* After its head is verified: how far a rebuild has to read. */
void node_rebuild_to(struct tmx_node *n, const Tmx__Welcome *welcome);
/* A signed body as it was made, from the leaf that holds it; false: fault. In the scratch arena. */
bool node_signed_pack(struct tmx_node *n, const Tmx__LogEntry *entry, struct tmx_bytes *ret_frame);
/* The OUT_INFO row, as far as the header tells. */
void node_out_tell(struct tmx_node *n, const Tmx__Header *h);
enum tmx_in_state node_end_state(Tmx__Outcome outcome);
/* Leaves read while rebuilding. */
void node_rebuild_item(struct tmx_node *n, const Tmx__FeedItem *item, const Tmx__LogEntry *entry);
void node_rebuild_close(struct tmx_node *n);
