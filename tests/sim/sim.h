/* SPDX-License-Identifier: Apache-2.0
 * The whole exchange in one process on a virtual clock: one broker, some nodes and their applications, a network that
 * loses, delays, repeats and reorders, processes that die before or after any commit.
 *
 *   main.c      seeds, counters, replay            network.c   the event heap, messages in flight
 *   world.c     processes and their turns          app.c       national applications
 *   faults.c    what goes wrong, and when          check.c     invariants, from outside
 *   leftovers.c what must not be left in a spool   audited.c   what an auditor finds
 *   operators.c what operators do              damage.c    rows of nodes that their disks spoil
 *
 * A run is decided by its seed alone. Chaos phase: anything may fail, nothing wrong may happen. Then everything heals
 * and must drain in bounded time.
 */
#pragma once

#include <tmx/catalogue.h>
#include <tmx/spool.h>

#include "broker.h"
#include "federation.h"
#include "node.h"
#include "operating.h"

#define SIM_NODES_MAX 5u
#define SIM_MESSAGES_MAX 400u
#define SIM_MOVEMENTS 3u
#define SIM_LEASES_MAX 16u
#define SIM_FULL_BYTES 20000u      /* what a node whose spool is full still takes of deliveries */
#define SIM_ERASE_BYTES 20000u     /* of retained containers must go when the broker's spool is full */
#define SIM_START_MS UINT64_C(1790000000000)
#define SIM_DAY_MS UINT64_C(86400000)

/* Things that must have happened in some run, or the simulation proves little. */
#define SIM_SOMETIMES(X)                                                                                                \
    X(broker_crash_before_commit)                                                                                      \
    X(broker_crash_after_commit)                                                                                       \
    X(broker_stopped_cosigned)                                                                                         \
    X(node_crash_before_commit)                                                                                        \
    X(node_crash_after_commit)                                                                                         \
    X(crash_during_recovery)                                                                                           \
    X(partition)                                                                                                       \
    X(frame_lost)                                                                                                      \
    X(frame_repeated)                                                                                                  \
    X(frame_reordered)                                                                                                 \
    X(gate_down)                                                                                                       \
    X(link_slow)                                                                                                       \
    X(node_disk_full)                                                                                                  \
    X(node_disk_refused)                                                                                               \
    X(delivery_without_room)                                                                                           \
    X(duplicate_submission)                                                                                            \
    X(redelivered_to_application)                                                                                      \
    X(lease_lapsed)                                                                                                    \
    X(expired_by_broker)                                                                                               \
    X(expired_by_node)                                                                                                 \
    X(expiry_beat_coa)                                                                                                 \
    X(lease_outlived_expiry)                                                                                           \
    X(refused_by_application)                                                                                          \
    X(refusal_consumed_a_number)                                                                                       \
    X(several_recipients)                                                                                              \
    X(disk_full)                                                                                                       \
    X(clock_jump)                                                                                                      \
    X(clock_jump_ten_years)                                                                                            \
    X(recipient_away_40_days)                                                                                          \
    X(broker_disk_lost)                                                                                                \
    X(node_restored)                                                                                                   \
    X(cloned_key)                                                                                                      \
    X(member_suspended)                                                                                                \
    X(large_container)                                                                                                 \
    X(head_cosigned)                                                                                                   \
    X(container_erased)                                                                                                \
    X(container_erased_early)                                                                                          \
    X(head_anchored)                                                                                                   \
    X(operator_acted)                                                                                                  \
    X(operator_refused)                                                                                                \
    X(delivery_held)                                                                                                   \
    X(ended_by_operators)                                                                                              \
    X(proposal_lapsed)                                                                                                 \
    X(taken_from_application)                                                                                          \
    X(evil_frames)                                                                                                     \
    X(record_damaged)                                                                                                  \
    X(priority_overtook)

enum sometimes {
#define X(name) SOMETIMES_##name,
    SIM_SOMETIMES(X)
#undef X
        SOMETIMES_N
};

struct rng {
    uint64_t state;
};

static inline uint64_t rng_next(struct rng *r)
{
    uint64_t z = (r->state += 0x9E3779B97F4A7C15ull);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}

static inline uint64_t rng_below(struct rng *r, uint64_t n)
{
    return n == 0 ? 0 : rng_next(r) % n;
}

static inline bool rng_chance(struct rng *r, unsigned per_thousand)
{
    return rng_below(r, 1000) < per_thousand;
}

/* A spool that dies where it is told to. */
enum crash_at { CRASH_NOT, CRASH_BEFORE_COMMIT, CRASH_AFTER_COMMIT };
struct sim_spool {
    struct tmx_spool base;
    struct tmx_spool *inner;
    enum crash_at crash;
};

/* One submission of an application, and what became of it as the checker saw it. */
struct fact {
    unsigned sender;
    unsigned n_recipients;
    unsigned recipients[SIM_NODES_MAX];
    unsigned movement;             /* SIM_MOVEMENTS = none */
    unsigned priority;
    uint32_t payload_bytes;
    uint64_t expires_ms;
    bool answered;                 /* the node said: durable */
    unsigned code;                 /* refused by the node at submission */
    uint8_t id[TMX_ID_SIZE];
    unsigned handed[SIM_NODES_MAX];/* hand-overs, by recipient */
    bool acked[SIM_NODES_MAX];     /* the node confirmed acknowledgement or refusal */
};

struct lease {
    bool used;
    uint8_t id[TMX_ID_SIZE];
    uint8_t token[16];
    unsigned fact;
    uint64_t act_ms;
    unsigned what;                 /* 0 acknowledge, 1 refuse, 2 let it lapse */
};

struct sim_app {
    uint64_t next_ms;
    unsigned n_submitted;          /* facts of this sender handed to the node so far */
    int waiting_submit;            /* fact waiting for its answer; -1 = none */
    uint64_t submit_at;            /* when to ask again */
    bool waiting_lease;
    uint64_t lease_at;
    struct lease leases[SIM_LEASES_MAX];
};

struct sim_event {                 /* waiting at a process for its next turn */
    struct sim_event *next;
    enum { SIM_MESSAGE, SIM_GATE_DOWN, SIM_BUSY, SIM_ANEW, SIM_APP, SIM_DIRECTORY, SIM_DISK, SIM_OPERATION, SIM_ANCHOR } kind;
    unsigned member;
    uint8_t route[8];
    bool flag;
    uint64_t size;                 /* ANCHOR: of the head */
    size_t n_frames;
    struct tmx_bytes *frames;      /* one block, freed with the event */
};

struct process {
    struct sim_spool spool;
    bool up;
    uint64_t start_at;             /* when it is to be started again */
    uint64_t turn_at;              /* next turn; UINT64_MAX = none asked for */
    int64_t clock_ms;              /* its wall clock minus the true one */
    uint64_t mono_base;            /* of this life */
    struct sim_event *first, **last;
    size_t n_pending;
};

struct sim_node {
    struct process p;
    struct tmx_node *node;
    struct sim_app app;
    unsigned epoch;                /* of its connection */
    bool cut;                      /* partitioned */
    uint64_t cut_until;
    struct tmx_spool *copy;        /* an older state, to restore */
    bool rebuild, restored;        /* put back to an older state: now, ever */
    bool evil, was_evil;           /* sends bent frames: now, ever */
    bool disk_full;                /* its spool takes in next to nothing */
    uint64_t slow_until[2];        /* its link takes nothing: towards the broker, from it; 0 = it does */
    uint64_t last_delivery_at[2];  /* keeps order on the wire: to the broker, from it */
};

struct sim {
    uint64_t seed;
    uint64_t stop_ms;              /* since when the broker is asked to stop (WIT-7); 0: it is not */
    struct rng rng;
    struct rng slow_rng;           /* of its own: seeds without slow links stay what they were */
    struct tmx_arena arena;        /* requests and answers of applications */
    bool trace;
    uint64_t now_ms, end_chaos_ms;
    bool healed;
    uint64_t coarse_ms;            /* ticks no finer than this: long absences */
    struct federation federation;
    struct operating operating;
    struct tmx_catalogue *catalogue;
    unsigned n_nodes;
    struct process broker_process;
    struct tmx_broker *broker;
    struct sim_node nodes[SIM_NODES_MAX];
    char mrn[SIM_MOVEMENTS][19];
    size_t n_facts, facts_wanted;
    struct fact facts[SIM_MESSAGES_MAX];
    struct network *network;
    struct checker *checker;
    unsigned drop, repeat, reorder, delay_max_ms, crash, lapse, refuse;   /* per thousand, or ms: drawn per seed */
    uint64_t retention_ms;         /* of the broker; 0 in most seeds */
    bool broker_jumped;            /* its clock did, ever: what it keeps may go later, or earlier */
    bool disk_lost;                /* the broker's, once */
    uint8_t checkpoint[TMX_CHECKPOINT_MAX];   /* of the shard that was lost */
    size_t checkpoint_size;
    uint64_t next_fault_ms;
    uint64_t turns, frames;
    uint64_t hash;                 /* of everything that happened: the same seed, the same hash */
    char failure[512];
};

extern uint64_t sometimes_counts[SOMETIMES_N];
#define SOMETIMES(name) (sometimes_counts[SOMETIMES_##name]++)

void sim_trace(struct sim *s, const char *fmt, ...) TMX_PRINTF(2, 3);
/* Records the first failure; the run ends. */
void sim_fail(struct sim *s, const char *fmt, ...) TMX_PRINTF(2, 3);
static inline bool sim_failed(const struct sim *s)
{
    return s->failure[0] != '\0';
}
void sim_mix(struct sim *s, uint64_t v);

/* world.c */
int sim_new(uint64_t seed, const struct tmx_catalogue *catalogue, bool trace, struct sim **ret_sim);
void sim_free(struct sim *s);
void sim_run(struct sim *s);
void process_wake(struct sim *s, struct process *p, uint64_t at_ms);
void process_queue(struct sim *s, struct process *p, struct sim_event *ev);
void broker_crash(struct sim *s, const char *why);
void broker_stop(struct sim *s);
void node_crash(struct sim *s, unsigned i, const char *why);
void link_anew(struct sim *s, unsigned i);
void broker_start(struct sim *s);
void node_start(struct sim *s, unsigned i);
uint64_t process_wall_ms(const struct sim *s, const struct process *p);

/* crash_spool.c */
void sim_spool_init(struct sim_spool *s);

/* network.c */
void network_new(struct sim *s);
void network_free(struct sim *s);
/* index = node; to_broker says the direction. Frames are copied. */
void network_send(struct sim *s, unsigned index, bool to_broker, const struct tmx_bytes *frames, size_t n);
uint64_t network_next_ms(const struct sim *s);   /* UINT64_MAX = nothing in flight */
void network_deliver(struct sim *s);             /* everything due now */
void network_break(struct sim *s, unsigned index);
struct sim_event *event_new(const struct tmx_bytes *frames, size_t n);
void event_free(struct sim_event *ev);

/* app.c */
void app_step(struct sim *s, unsigned i);
void app_answer(struct sim *s, unsigned i, const struct tmx_bytes *frames, size_t n);
uint64_t app_next_ms(const struct sim *s, unsigned i);
bool app_idle(const struct sim *s, unsigned i);

/* faults.c */
void faults_step(struct sim *s);
void faults_heal(struct sim *s);
void faults_node_disk(struct sim *s, unsigned i, bool full);
bool faults_lost_keys(const struct sim *s);   /* some node was put back to an older copy */

/* damage.c */
bool damage_may(const struct sim *s);      /* in this run */
unsigned damage_table(const struct sim *s);   /* whose rows; 0 = none */
void damage_step(struct sim *s);

/* operators.c */
void operators_step(struct sim *s);
void operators_release(struct sim *s, unsigned i, const uint8_t id[TMX_ID_SIZE]);

/* check.c */
void check_new(struct sim *s);
void check_free(struct sim *s);
void check_broker(struct sim *s);        /* after every turn, and after recovery */
void check_new_shard(struct sim *s);     /* the log of before is gone, and what it said of open deliveries */
void check_handover(struct sim *s, unsigned node, const uint8_t *id, unsigned sender_fact, bool redelivered);
bool check_drained(struct sim *s);
void check_end(struct sim *s);
void check_leftovers(struct sim *s);   /* leftovers.c */
void check_audited(struct sim *s);     /* audited.c */
/* The id of some message that was accepted; unchanged when there is none. */
void check_any_id(struct sim *s, uint64_t nth, uint8_t ret_id[TMX_ID_SIZE]);
const char *check_report(struct sim *s);
