/* SPDX-License-Identifier: Apache-2.0
 * Private to broker/core: the state between turns and what the files offer each other.
 *
 *   turn.c       the turn; start and recovery          admission.c  headers -> acceptance or refusal
 *   rows.c       row layouts, reading and writing      reports.c    reports -> state of a delivery
 *   ledger.c     leaves, feeds, checkpoint             queue.c      lanes, what is ready, outcome bookkeeping
 *   link.c       sessions, frames in                   outgoing.c   feed, deliveries, limits: frames out
 *   deliver.c    deliveries under credit               members.c    directory and prekeys
 *   staging.c    large containers, in chunks           timers.c     expiry, retries, clock
 *   status.c     views for operators                   putoff.c     order of resubmissions
 *   witness.c    heads cosigned by witnesses        outside.c    … by those that have no link
 *   retention.c  containers after the last outcome  anchor.c     time-stamp tokens over heads
 *   ages.c       how old what is queued is
 *   prove.c      inclusion proofs for operators
 *   operator.c   what operators ask                 holds.c      what they have stopped and held
 *   proposals.c  what two of them decide
 */
#pragma once

#include <tmx/code.h>
#include <tmx/envelope.h>
#include <tmx/seal.h>
#include <tmx/tree.h>
#include <tmx/witness.h>

#include "broker.h"
#include "link.pb-c.h"

#define TMX_FLIGHT_SLOTS (TMX_DELIVERY_WINDOW * 2u)

#define FEEDS_IN_FLIGHT 64u
#define PUT_OFF_MAX 4096u      /* twice what a node has in flight, to two recipients each */
#define AGAIN_MAX 4096u

/* Keys are built in a small writer. */
struct key {
    uint8_t data[TMX_KEY_MAX];
    size_t size;
};

/* A delivery in flight to a member: volatile; after a restart or a new session everything is queued again. */
struct flight {
    bool used;
    uint8_t priority;              /* of its READY row */
    uint8_t attempts;
    uint64_t index;
    uint64_t retry_ms;
    uint32_t bytes;
    uint8_t message_id[TMX_ID_SIZE];
};

/* One number of a pair that was put off: putoff.c. */
struct put_off {
    uint8_t member[TMX_MEMBER_KEY];    /* recipient */
    uint64_t seq;
};

struct peer {
    uint8_t key[TMX_MEMBER_KEY];
    bool ever, up;
    bool busy;                         /* its gate has not taken yet what earlier turns said */
    size_t turn_bytes;                 /* said to it in this turn */
    uint8_t route[8];
    uint8_t route_size;
    uint64_t session;
    uint64_t in_number, out_number;    /* last seen, last used */
    uint64_t last_frame_ms, last_bye_ms;
    uint64_t clock_base_ms;            /* its wall clock minus our monotonic one, at the last frame that said */
    bool welcome_due, directory_due;
    uint64_t directory_from;           /* serial of the first one it lacks; with directory_due */
    uint64_t opened_ms;                /* of the session */
    unsigned displaced;                /* sessions in a row that a hello from elsewhere ended young */
    uint8_t nonce[16];                 /* of the hello to answer */
    bool feed_complete;
    uint64_t feed_next;                /* next index to look at */
    uint64_t feed_told;                /* the feed_next the node was told last in this session */
    uint64_t feed_acked;               /* highest ever acknowledged in this shard */
    bool feed_ack_dirty;
    size_t n_feeds;                    /* Feed frames not acknowledged yet, and what each would acknowledge */
    uint64_t feeds[FEEDS_IN_FLIGHT];
    uint64_t head_size;                /* of the last head sent in this session; 0 = none */
    uint64_t credit_messages, credit_bytes, sent_messages, sent_bytes;
    struct flight *flights;            /* TMX_FLIGHT_SLOTS, open addressing by index; NULL until first used */
    size_t n_flights;
    uint64_t flight_bytes;
    uint64_t next_retry_ms;
    uint64_t scan_from[TMX_PRIORITY_MAX + 1];  /* READY rows below were sent in this session */
    bool scan_done;                    /* nothing new in READY since the last scan */
    uint64_t granted[TMX_MEMBERS_MAX]; /* max_seq told, by peer slot of the recipient */
    struct put_off *put_off;           /* PUT_OFF_MAX; put off in this session, after the loss of a log; NULL until first used */
    size_t n_put_off;
    bool limits_due;
    bool starved;                      /* some destination was over its quota when limits were told */
    uint8_t staging[TMX_ID_SIZE];      /* the large container being pulled from it; zero = none */
    uint64_t staging_ms;               /* when it last went on */
    uint64_t staging_heard_ms;         /* when its sender last spoke of it */
    uint64_t witness_asked;            /* size of the head it was asked to cosign; 0 = nothing */
    uint64_t proofs_ms;                /* when a ProofRequest of it was answered last */
    uint64_t cosigned_told;            /* size of the cosigned head it was told last in this session */
    struct tmx_ages ages;              /* of what is queued for it */
    bool ages_unknown;                 /* of some of it: it came into the directory again while that was queued */
    uint64_t n_held;                   /* rows of HELD that are its */
    unsigned last_code;
    uint64_t refusals, refusals_ms;    /* more leaves it may cause by what is refused; when that was counted */
    bool refusals_told;                /* that it causes more than that, since it last did not */
};

/* A head and who has cosigned it so far. */
struct witness_round {
    bool open;
    bool joined;                       /* a witness came since it was started */
    uint64_t started_ms;
    unsigned conflicts;                /* witnesses that had to be asked twice */
    struct tmx_checkpoint head;        /* size 0: none yet */
    struct tmx_quorum quorum;
    size_t signed_size;                /* of the note without cosignatures */
    size_t note_size;
    uint8_t note[TMX_CHECKPOINT_MAX + TMX_WITNESSES_MAX * 320u];
};

struct tmx_broker {
    struct tmx_broker_config config;
    char shard[TMX_SHARD_MAX + 1];
    char origin[TMX_KEYNAME_MAX + 1];
    struct tmx_verify_key log_key;
    struct tmx_spool *spool;
    int fault;                         /* first error of the spool: ends the turn and the process */
    struct tmx_arena control;          /* the control frame of one event */
    struct tmx_arena scratch;          /* one item */
    struct tmx_arena out;              /* frames of this turn */
    struct tmx_tree *tree;
    struct tmx_directory *directory;
    struct tmx_batch_cache *cache;
    uint64_t now_ms, wall_ms, wall_us;
    uint64_t leaf_ms;                  /* time of the last leaf */
    uint64_t signed_size;              /* of the checkpoint below */
    uint8_t checkpoint[TMX_CHECKPOINT_MAX];
    size_t checkpoint_size;
    struct witness_round round, cosigned;   /* going on, or the last; the last that reached the quorum */
    unsigned cosigned_lack;            /* rounds since then that did not */
    unsigned cosigned_pause;           /* of them: since a witness came; each doubles the time to the next */
    uint64_t uncosigned_ms;            /* since when some leaf is not cosigned (mono); 0 = all are */
    uint64_t witness_size[TMX_WITNESSES_MAX];   /* what each of the policy cosigned last, as far as is known */
    bool halted, disk_full, clock_doubt;
    bool closing;                      /* is to be stopped: only witnesses are listened to (WIT-7) */
    bool successor;                    /* this shard follows one that was lost or ended (LOG-4) */
    uint64_t clock_base_ms;            /* wall - monotonic when it was last trusted */
    bool clock_confirmed;              /* a member agreed with it since the start */
    bool dirty;                        /* rows were written in this turn */
    uint64_t last_session;
    uint64_t next_due_ms;              /* wall: first row of DUE, at the latest */
    uint64_t next_erase_ms;            /* wall: first row of ERASE, at the latest */
    uint64_t erase_bytes;              /* of containers that are to go before their time, for want of room */
    uint64_t last_beat_ms;
    size_t n_peers, first_peer;        /* first_peer rotates: who is served first */
    struct peer peers[TMX_MEMBERS_MAX];
    struct tmx_broker_state_view counters;
    struct tmx_broker_latencies latencies;
    struct {
        uint64_t from_index;           /* acceptances from it on are of this process */
        struct key cursor;             /* rows of DUE below it are counted */
        uint64_t rows, rows_read;      /* of DUE, that the process found; that were read */
        bool read;                     /* all are */
    } ages;
    uint64_t time_index, time_ms;      /* ledger_time: what was asked last */
    size_t n_sends;
    struct tmx_broker_send *sends;     /* TMX_BROKER_SENDS_MAX */
    size_t n_notices;
    struct tmx_broker_notice *notices; /* TMX_BROKER_NOTICES_MAX */
    uint64_t notices_lost;
    bool more;                         /* outgoing work was left for the next turn */
    size_t n_again;
    struct again {
        struct peer *peer;
        uint64_t index;
    } *again;                          /* AGAIN_MAX: leaves to feed again, with a proof at this turn's head */
    int directory_result;
    enum tmx_broker_witness witness_result;
    bool directory_changed;
    enum tmx_broker_anchor anchor_result;
    size_t n_stops;                    /* rows of STOP: most often none, and then nothing is looked up */
    uint8_t stops[TMX_MEMBERS_MAX + 1][TMX_MEMBER_KEY];
    uint64_t n_held;                   /* rows of HELD */
    uint64_t next_lapse_ms;            /* leaf time: the first row of PROPOSAL, at the latest */
    struct tmx_broker_operation_view operation;
};

/* rows.c: reads and writes in the open turn. A spool error sets fault; then reads find nothing, writes do nothing. */
bool row_get(struct tmx_broker *b, uint8_t table, struct tmx_bytes key, struct tmx_bytes *ret_value);
/* The first row at or after `from` whose key starts with its first `prefix` bytes. */
/* Of a table whose rows the broker can do without: *ret_spoilt when the disk has damaged it, which is then no fault. */
bool row_get_spared(struct tmx_broker *b, uint8_t table, struct tmx_bytes key, struct tmx_bytes *ret_value, bool *ret_spoilt);
bool row_seek(struct tmx_broker *b, uint8_t table, struct tmx_bytes from, size_t prefix, struct tmx_bytes *ret_key,
              struct tmx_bytes *ret_value);
void row_insert(struct tmx_broker *b, uint8_t table, struct tmx_bytes key, struct tmx_bytes value);
void row_update(struct tmx_broker *b, uint8_t table, struct tmx_bytes key, struct tmx_bytes value);
void row_put(struct tmx_broker *b, uint8_t table, struct tmx_bytes key, struct tmx_bytes value);
void row_delete(struct tmx_broker *b, uint8_t table, struct tmx_bytes key);
void broker_fault(struct tmx_broker *b, int error);
struct key key_u64(uint64_t v);
struct key key_member(const uint8_t member[TMX_MEMBER_KEY]);
struct key key_members(const uint8_t a[TMX_MEMBER_KEY], const uint8_t b[TMX_MEMBER_KEY]);
struct key key_member_u64(const uint8_t member[TMX_MEMBER_KEY], uint64_t v);
struct key key_delivery(const uint8_t id[TMX_ID_SIZE], const uint8_t member[TMX_MEMBER_KEY]);
struct key key_container(const uint8_t id[TMX_ID_SIZE], uint32_t chunk);
struct key key_ready(const uint8_t destination[TMX_MEMBER_KEY], uint8_t priority, uint64_t index);
struct key key_lane(const uint8_t destination[TMX_MEMBER_KEY], const struct tmx_row_delivery *d);
struct key key_due(uint64_t expires_ms, const uint8_t id[TMX_ID_SIZE], const uint8_t member[TMX_MEMBER_KEY]);
static inline struct tmx_bytes key_bytes(const struct key *k)
{
    return TMX_BYTES(k->data, k->size);
}
uint64_t value_u64(struct tmx_bytes value);
bool message_read(struct tmx_broker *b, const uint8_t id[TMX_ID_SIZE], struct tmx_row_message *ret_row);
void message_write(struct tmx_broker *b, const uint8_t id[TMX_ID_SIZE], const struct tmx_row_message *row, bool insert);
bool delivery_read(struct tmx_broker *b, const uint8_t id[TMX_ID_SIZE], const uint8_t member[TMX_MEMBER_KEY],
                   struct tmx_row_delivery *ret_row);
void delivery_write(struct tmx_broker *b, const uint8_t id[TMX_ID_SIZE], const uint8_t member[TMX_MEMBER_KEY],
                    const struct tmx_row_delivery *row, bool insert);
void destination_read(struct tmx_broker *b, const uint8_t member[TMX_MEMBER_KEY], struct tmx_row_destination *ret_row);
void destination_write(struct tmx_broker *b, const uint8_t member[TMX_MEMBER_KEY],
                       const struct tmx_row_destination *row);
void state_write(struct tmx_broker *b);
bool state_read(struct tmx_broker *b, uint64_t *ret_size);

/* ledger.c. Appends a leaf and returns its index; fills time and directory serial of `entry`. */
uint64_t ledger_append(struct tmx_broker *b, Tmx__LogEntry *entry);
void ledger_feed(struct tmx_broker *b, const uint8_t member[TMX_MEMBER_KEY], uint64_t index, enum tmx_feed_kind kind);
void ledger_feed_everyone(struct tmx_broker *b, uint64_t index);
/* Signs the head when the log grew in this turn. */
void ledger_close(struct tmx_broker *b);
/* When this entry was logged; 0: there is none. */
uint64_t ledger_time(struct tmx_broker *b, uint64_t index);
/* The head a signer says it saw: TMX_CODE_OK or TMX_CODE_BAD_HEAD. */
unsigned ledger_check_seen(struct tmx_broker *b, const Tmx__Head *seen);
bool ledger_load(struct tmx_broker *b, uint64_t size);
bool ledger_read_tile(void *ctx, unsigned tile_level, uint64_t n, uint8_t ret_tile[TMX_TILE_SIZE]);

/* admission.c: one item of a frame. */
void admission_submit(struct tmx_broker *b, struct peer *p, struct tmx_bytes item, struct tmx_bytes container,
                      bool resubmission);
/* The verdict on a header whose container is complete; used again when staging ends. */
void admission_decide(struct tmx_broker *b, struct peer *p, const Tmx__Signed *envelope,
                      const struct tmx_signature *signature, const Tmx__Header *header, struct tmx_bytes container,
                      const uint8_t *staged_digest, bool resubmission);
/* putoff.c */
bool putoff_blocks(struct peer *p, const Tmx__Header *header);   /* some number before it was put off */
void putoff_note(struct tmx_broker *b, struct peer *p, const Tmx__Header *header, bool put_off);
/* reports.c, members.c */
void report_submit(struct tmx_broker *b, struct peer *p, struct tmx_bytes item);
void members_publish(struct tmx_broker *b, struct peer *p, struct tmx_bytes item);
void members_install(struct tmx_broker *b, struct tmx_bytes file);
/* Logs the directory in force as a leaf and stores it. */
void members_record(struct tmx_broker *b);
/* Creates slots for the members of the directory; NULL when not a member. */
void members_sync(struct tmx_broker *b);
struct peer *peer_find(struct tmx_broker *b, const uint8_t key[TMX_MEMBER_KEY]);
const Tmx__Member *peer_member(struct tmx_broker *b, const struct peer *p);
bool members_slot_valid(struct tmx_broker *b, struct tmx_bytes recipient, const uint8_t key_id[8]);
void staging_begin(struct tmx_broker *b, struct peer *p, struct tmx_bytes item, struct tmx_bytes body,
                   const Tmx__Header *header, bool resubmission);
void staging_chunk(struct tmx_broker *b, struct peer *p, const Tmx__Chunk *chunk, struct tmx_bytes data);
void staging_abandon(struct tmx_broker *b, struct peer *p);
/* Its sender has announced it, whatever becomes of that. */
void staging_heard(struct tmx_broker *b, struct peer *p, const uint8_t id[TMX_ID_SIZE]);
/* Gives up what its sender, though connected, does not know any more: a node put back to an older copy. */
void staging_close(struct tmx_broker *b, struct peer *p);
/* A message is about to be stored under this id: what is being pulled from `p` under it is given up. False: something is
 * being pulled from another member. */
bool staging_yield(struct tmx_broker *b, struct peer *p, const uint8_t id[TMX_ID_SIZE]) TMX_MUST_CHECK;
/* After the start: who was being pulled from goes on, or gives way to the next after a while. */
void staging_recover(struct tmx_broker *b);

/* A refusal of a signed body becomes a leaf, once; a second time it is fed again. */
void refuse(struct tmx_broker *b, struct peer *p, const Tmx__Signed *envelope, struct tmx_bytes message_id, unsigned code,
            uint64_t winner, bool consumed, const Tmx__Header *header);
void defer(struct tmx_broker *b, struct peer *p, struct tmx_bytes message_id, unsigned code);
void count_malformed(struct tmx_broker *b, struct peer *p, unsigned code);

/* queue.c */
void queue_enqueue(struct tmx_broker *b, const uint8_t id[TMX_ID_SIZE], const uint8_t member[TMX_MEMBER_KEY],
                   struct tmx_row_delivery *d);
/* The delivery leaves the queue (CoA or outcome): its lane opens. Rows `d` and `m` are changed, not written. */
void queue_leave(struct tmx_broker *b, const uint8_t id[TMX_ID_SIZE], const uint8_t member[TMX_MEMBER_KEY],
                 struct tmx_row_delivery *d, struct tmx_row_message *m);
/* A queued delivery that an operator held, or released: it leaves READY, or comes back when it is the first of its lane. */
void queue_hold(struct tmx_broker *b, const uint8_t id[TMX_ID_SIZE], const uint8_t member[TMX_MEMBER_KEY], struct tmx_row_delivery *d);
void queue_release(struct tmx_broker *b, const uint8_t id[TMX_ID_SIZE], const uint8_t member[TMX_MEMBER_KEY],
                   struct tmx_row_delivery *d);
/* A delivery has its outcome: after the last one the container may go (QUE-8). `m` is changed, not written. */
void queue_ended(struct tmx_broker *b, const uint8_t id[TMX_ID_SIZE], struct tmx_row_message *m);
/* A terminal outcome by the broker itself, before the arrival, or after it as recipient-lost: leaf, feeds, rows. */
void queue_end(struct tmx_broker *b, const uint8_t id[TMX_ID_SIZE], const uint8_t member[TMX_MEMBER_KEY],
               enum tmx_delivery_state state, unsigned code);
struct flight *flight_find(struct peer *p, uint64_t index);
struct flight *flight_add(struct tmx_broker *b, struct peer *p, uint64_t index);
void flight_remove(struct peer *p, uint64_t index);
void flight_clear(struct peer *p);

/* ages.c. `log_size`: of the log that the process found. */
void ages_start(struct tmx_broker *b, uint64_t log_size);
void ages_member(struct tmx_broker *b, struct peer *p);   /* a slot was made for it */
void ages_enter(struct tmx_broker *b, const uint8_t member[TMX_MEMBER_KEY], const struct tmx_row_delivery *d);
void ages_leave(struct tmx_broker *b, const uint8_t id[TMX_ID_SIZE], const uint8_t member[TMX_MEMBER_KEY],
                const struct tmx_row_delivery *d);
void ages_run(struct tmx_broker *b);
/* False: they are not known yet. */
bool ages_look(const struct tmx_broker *b, const struct peer *p, struct tmx_ages_view *ret_view);

/* retention.c. The message has its last outcome. */
void retention_ended(struct tmx_broker *b, const uint8_t id[TMX_ID_SIZE], const struct tmx_row_message *m);
/* Erases what is due, or has to go for want of room: so much a turn. */
void retention_run(struct tmx_broker *b);

/* link.c */
void link_message(struct tmx_broker *b, const struct tmx_broker_event *ev);
void link_down(struct tmx_broker *b, struct peer *p, const char *why);
void link_gate_down(struct tmx_broker *b, const struct tmx_broker_event *ev);
void link_busy(struct tmx_broker *b, const struct tmx_broker_event *ev);

/* outgoing.c: what a member is sent. */
void send_link(struct tmx_broker *b, struct peer *p, Tmx__Link *link, const struct tmx_bytes *payload, size_t n);
void send_bye(struct tmx_broker *b, struct peer *p, struct tmx_bytes route, unsigned code, uint64_t session);
/* Those from `from` on, the one in force last. */
void send_directories(struct tmx_broker *b, struct peer *p, uint64_t from);
/* A leaf the member has had before: again, with a proof at this turn's head. */
void send_again(struct tmx_broker *b, struct peer *p, uint64_t index);
void outgoing_close(struct tmx_broker *b);

/* deliver.c: queued deliveries, under credit; chunks of large containers on request. */
bool deliver_close(struct tmx_broker *b, struct peer *p);   /* false: nothing more now */
void deliver_chunk(struct tmx_broker *b, struct peer *p, const Tmx__ChunkRequest *request);
/* Room in this turn for another frame of payload. */
bool outgoing_room(struct tmx_broker *b);
/* Beside a proof from a power of two, which does not hold the root that it leads from: that root; empty from any other size.
 * False: no room. */
bool outgoing_root(struct tmx_broker *b, uint64_t size, ProtobufCBinaryData *ret_root);
bool outgoing_head(struct tmx_broker *b, struct peer *p, Tmx__HeadUpdate *ret_head);
/* A FeedItem frame in the out arena; false when there is no room or the leaf is not there. */
/* seen_size: 0, or the head that a delivery's header has seen, which the item then proves, too. */
bool outgoing_item(struct tmx_broker *b, uint64_t index, struct tmx_bytes attachment, uint64_t seen_size,
                   struct tmx_bytes *ret_frame);

/* witness.c */
void witness_close(struct tmx_broker *b);
uint64_t witness_deadline(const struct tmx_broker *b);
/* CLOSE: one more round, about the last head. */
void witness_last_round(struct tmx_broker *b);
/* It is over: the last head is cosigned, or the witnesses that are linked were asked in vain. */
bool witness_closed(const struct tmx_broker *b);
void witness_tell(struct tmx_broker *b, struct peer *p);
void witness_reply(struct tmx_broker *b, struct peer *p, const Tmx__WitnessReply *reply, struct tmx_bytes body);
/* Leaves proved at an earlier head, for a node that leads its evidence to a cosigned one. */
void witness_proofs(struct tmx_broker *b, struct peer *p, const Tmx__ProofRequest *request);
void witness_recover(struct tmx_broker *b);
/* The body for the i-th witness of the policy; false: there is no head to cosign. */
bool witness_request(struct tmx_broker *b, size_t witness, struct tmx_writer *w);
/* The lines count for the head of the round; false: they do not verify, or say nothing new. */
bool witness_lines(struct tmx_broker *b, struct tmx_bytes lines);
/* The size it cosigned last, of an answer 409. */
bool witness_conflict(struct tmx_broker *b, size_t witness, struct tmx_bytes body);
/* NULL: nobody has to cosign. */
const struct tmx_policy *witness_policy(const struct tmx_broker *b);

/* outside.c */
void outside_reply(struct tmx_broker *b, const struct tmx_broker_event *ev);

void witness_policy_changed(struct tmx_broker *b);
void witness_linked(struct tmx_broker *b, const struct peer *p);   /* a session was opened */

/* anchor.c */
void anchor_install(struct tmx_broker *b, uint64_t size, struct tmx_bytes token);

/* operator.c */
void operation_run(struct tmx_broker *b, const struct tmx_broker_event *ev);
/* A leaf of that action; `entry` may have what it is about. */
uint64_t operation_leaf(struct tmx_broker *b, Tmx__LogEntry *entry, enum tmx_action action, const uint8_t digest[TMX_HASH_SIZE]);
/* The request of a row of OPERATION, copied and read again; false: it is not there. */
bool operation_read(struct tmx_broker *b, uint64_t index, struct tmx_operation *ret_operation, uint8_t ret_digest[TMX_HASH_SIZE],
                    uint8_t *note, size_t *ret_note_size);

/* holds.c. Whether deliveries to a member are paused, or with NULL, admission drains. */
bool stopped(const struct tmx_broker *b, const uint8_t member[TMX_MEMBER_KEY]);
/* False: it is so already. */
bool stop_set(struct tmx_broker *b, const uint8_t *member, uint64_t index) TMX_MUST_CHECK;
bool stop_clear(struct tmx_broker *b, const uint8_t *member) TMX_MUST_CHECK;
bool held(struct tmx_broker *b, const uint8_t id[TMX_ID_SIZE], const uint8_t member[TMX_MEMBER_KEY]);
void held_set(struct tmx_broker *b, const uint8_t id[TMX_ID_SIZE], const uint8_t member[TMX_MEMBER_KEY], uint64_t index);
void held_clear(struct tmx_broker *b, const uint8_t id[TMX_ID_SIZE], const uint8_t member[TMX_MEMBER_KEY]);
/* The first held delivery of a member. */
bool held_first(struct tmx_broker *b, const uint8_t member[TMX_MEMBER_KEY], uint8_t ret_id[TMX_ID_SIZE]);
void holds_recover(struct tmx_broker *b);
void holds_member(struct tmx_broker *b, struct peer *p);   /* a slot was made for it after the start */

/* proposals.c */
void proposal_open(struct tmx_broker *b, const struct tmx_operation *op, uint64_t index, const uint8_t digest[TMX_HASH_SIZE]);
enum tmx_operation_result proposal_judge(struct tmx_broker *b, const struct tmx_broker_event *ev, const struct tmx_operator *who,
                                         const struct tmx_operation *op, struct tmx_operation *ret_proposed);
void proposal_close(struct tmx_broker *b, uint64_t index);
void proposals_lapse(struct tmx_broker *b);
void proposals_recover(struct tmx_broker *b);

/* timers.c */
#define TICK_MS 1000u
void timers_run(struct tmx_broker *b);
uint64_t timers_deadline(struct tmx_broker *b);
void clock_observe(struct tmx_broker *b, uint64_t mono_ms, uint64_t wall_us);

void notice(struct tmx_broker *b, const char *event, bool alarm, const uint8_t *member, const uint8_t *message_id,
            unsigned code, uint64_t number);
