/* SPDX-License-Identifier: Apache-2.0
 * The invariants, from outside: the log is folded leaf by leaf into what the state must be, and compared with the rows
 * the broker keeps; hand-overs are compared with what the applications submitted.
 *
 *   I1 one terminal outcome      I4 order of a movement     I8 fold(log) = state, heads consistent
 *   I2 durable before said       I5 authentic bytes         I9 conservation
 *   I3 handed over once          I7 no distrust             I11 drains (world.c)   I12 recovers
 *   I10 nothing left (leftovers.c)  I13 evil members harm themselves
 *
 * Requirements checked on the way, under every fault: NODE-3 and NODE-6 (numbers contiguous, order of a movement,
 * offered only after the CoA is in the log), NODE-7 (lapsed leases come again, marked), NODE-8 and NODE-9 (outcomes of
 * leases and expiries), NODE-10 (restored nodes), FEED-2 and FEED-3 (reports_open ends at 0 although frames are lost),
 * REP-2 and REP-4 (what the sender closed is what the log says), SEAL-3 (a message is never accepted twice), LOG-3 (the
 * log never shrinks below what was told), QUE-10 (an evil member delays nobody for ever).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tmx/code.h>
#include <tmx/envelope.h>
#include <tmx/merkle.h>

#include "sim.h"

#define DELIVERIES_MAX (SIM_MESSAGES_MAX * SIM_NODES_MAX)

struct folded {
    uint8_t id[TMX_ID_SIZE];
    uint8_t member[TMX_MEMBER_KEY], sender[TMX_MEMBER_KEY];
    uint64_t seq, index, expires_ms;
    unsigned priority;
    enum tmx_delivery_state state;
    bool touched;
    bool arrived;                  /* a CoA was in some log */
    bool erased;                   /* the container of its message, by policy */
    uint64_t ended_ms;             /* leaf time of its outcome */
    bool gone;                     /* of a shard that was lost: unknown to this one until it is submitted again */
};

struct checker {
    uint64_t size, time_ms, cosigned;
    struct tmx_frontier frontier;
    struct tmx_arena arena;
    size_t n;
    struct folded deliveries[DELIVERIES_MAX];
    uint64_t pair[SIM_NODES_MAX][SIM_NODES_MAX];
    size_t n_refused;
    uint8_t refused[SIM_MESSAGES_MAX * 4][TMX_ID_SIZE];
    uint64_t released_ms;
    char report[400];
};

void check_new(struct sim *s)
{
    s->checker = calloc(1, sizeof(*s->checker));
    assert(s->checker != NULL);
    int r = tmx_arena_init(&s->checker->arena, 4u << 20);
    assert(r == 0);
}

void check_free(struct sim *s)
{
    tmx_arena_deinit(&s->checker->arena);
    free(s->checker);
}

static struct folded *find(struct checker *c, struct tmx_bytes id, struct tmx_bytes member)
{
    for (size_t i = 0; i < c->n; i++) {
        if (tmx_bytes_eq(id, TMX_BYTES_OF(c->deliveries[i].id)) &&
            tmx_bytes_eq(member, tmx_member_code(c->deliveries[i].member))) {
            return &c->deliveries[i];
        }
    }
    return NULL;
}

static bool terminal(enum tmx_delivery_state state)
{
    return state != TMX_DELIVERY_QUEUED && state != TMX_DELIVERY_ARRIVED;
}

static int index_of(const struct sim *s, struct tmx_bytes code)
{
    for (unsigned i = 0; i < s->n_nodes; i++) {
        if (tmx_bytes_eq(code, tmx_bytes_str(s->federation.members[i].code))) {
            return (int)i;
        }
    }
    return -1;
}

static void fold_header(struct sim *s, const Tmx__LogEntry *e, uint64_t index, bool accepted)
{
    struct checker *c = s->checker;
    Tmx__Header *h;
    if (tmx_header_parse(tmx_pb(e->body), &c->arena, &h) != TMX_CODE_OK) {
        if (accepted) {
            sim_fail(s, "I8: leaf %" PRIu64 " accepts what is not a header", index);
        }
        return;
    }
    int from = index_of(s, tmx_pb(h->sender));
    if (from < 0 || !tmx_bytes_eq(tmx_pb(e->member), tmx_pb(h->sender))) {
        sim_fail(s, "I5: leaf %" PRIu64 " is not of its sender", index);
        return;
    }
    if (!accepted && c->n_refused < TMX_N(c->refused)) {
        memcpy(c->refused[c->n_refused++], h->message_id.data, TMX_ID_SIZE);
    }
    if (!accepted && e->number != 1) {
        return;
    }
    if (!accepted) {
        SOMETIMES(refusal_consumed_a_number);
    }
    for (size_t i = 0; i < h->n_recipients; i++) {
        int to = index_of(s, tmx_pb(h->recipients[i]->member));
        if (to < 0) {
            continue;
        }
        bool again = e->kind == TMX__ENTRY_KIND__ENTRY_RESUBMISSION || (!accepted && s->disk_lost);
        if (!again && h->recipients[i]->seq != c->pair[from][to] + 1) {
            sim_fail(s, "I8: leaf %" PRIu64 ": seq %" PRIu64 " after %" PRIu64, index, h->recipients[i]->seq,
                     c->pair[from][to]);
        }
        c->pair[from][to] = h->recipients[i]->seq > c->pair[from][to] ? h->recipients[i]->seq : c->pair[from][to];
        if (!accepted) {
            continue;
        }
        struct folded *d = find(c, tmx_pb(h->message_id), tmx_pb(h->recipients[i]->member));
        if ((d != NULL && !(d->gone && again)) || (d == NULL && c->n == DELIVERIES_MAX)) {
            sim_fail(s, "I8: leaf %" PRIu64 " accepts a message twice", index);
            return;
        }
        d = d != NULL ? d : &c->deliveries[c->n++];
        d->gone = false;
        memcpy(d->id, h->message_id.data, TMX_ID_SIZE);
        tmx_member_key(tmx_pb(h->recipients[i]->member), d->member);
        tmx_member_key(tmx_pb(h->sender), d->sender);
        d->seq = h->recipients[i]->seq;
        d->index = index;
        d->expires_ms = h->expires_ms;
        d->priority = h->priority;
        d->state = TMX_DELIVERY_QUEUED;
        d->touched = true;
        d->erased = false;
    }
}

static void fold_report(struct sim *s, const Tmx__LogEntry *e, uint64_t index)
{
    struct checker *c = s->checker;
    Tmx__Report *r;
    if (tmx_report_parse(tmx_pb(e->body), &c->arena, &r) != TMX_CODE_OK) {
        sim_fail(s, "I8: leaf %" PRIu64 " is not a report", index);
        return;
    }
    struct folded *d = find(c, tmx_pb(r->message_id), tmx_pb(r->recipient));
    if (d == NULL || !tmx_bytes_eq(tmx_pb(e->member), tmx_pb(r->recipient))) {
        sim_fail(s, "I8: leaf %" PRIu64 " reports on nothing", index);
        return;
    }
    bool arrival = r->outcome == TMX__OUTCOME__OUTCOME_COA;
    bool from_queue = arrival || r->outcome == TMX__OUTCOME__OUTCOME_COE;
    if (d->state != (from_queue ? TMX_DELIVERY_QUEUED : TMX_DELIVERY_ARRIVED)) {
        sim_fail(s, "I1: leaf %" PRIu64 ": outcome %d of a delivery that is %s", index, (int)r->outcome,
                 tmx_delivery_state_name(d->state));
        return;
    }
    static const enum tmx_delivery_state states[] = { TMX_DELIVERY_QUEUED,  TMX_DELIVERY_ARRIVED, TMX_DELIVERY_DELIVERED,
                                                      TMX_DELIVERY_REFUSED, TMX_DELIVERY_EXPIRED, TMX_DELIVERY_EXCEPTION };
    d->state = states[r->outcome];
    d->arrived = true;
    d->touched = true;
    d->ended_ms = e->time_ms;
    if (d->state == TMX_DELIVERY_EXPIRED) {
        SOMETIMES(expired_by_node);
    }
    if (d->state == TMX_DELIVERY_DELIVERED && c->time_ms > d->expires_ms) {
        SOMETIMES(lease_outlived_expiry);
    }
}

static void fold_end(struct sim *s, const Tmx__LogEntry *e, uint64_t index)
{
    struct checker *c = s->checker;
    struct folded *d = find(c, tmx_pb(e->message_id), tmx_pb(e->recipient));
    bool expired = e->kind == TMX__ENTRY_KIND__ENTRY_EXPIRED;
    bool lost = !expired && e->code == TMX_CODE_RECIPIENT_LOST;
    if (d == NULL || d->state != (lost ? TMX_DELIVERY_ARRIVED : TMX_DELIVERY_QUEUED) || (expired && e->time_ms < d->expires_ms)) {
        sim_fail(s, "I1: leaf %" PRIu64 " ends a delivery that is %s", index,
                 d == NULL ? "unknown" : tmx_delivery_state_name(d->state));
        return;
    }
    d->state = expired ? TMX_DELIVERY_EXPIRED : TMX_DELIVERY_EXCEPTION;
    d->touched = true;
    d->ended_ms = e->time_ms;
    if (expired) {
        SOMETIMES(expired_by_broker);
    } else if (lost || e->code == TMX_CODE_ENDED_BY_OPERATORS) {
        SOMETIMES(ended_by_operators);
    }
}

/* I13: whatever evil members do, of a member that never was one only that is refused which time or the directory refuse. A
 * node put back to an older copy is left out: it may have signed things it does not know of. */
static void fold_refusal(struct sim *s, const Tmx__LogEntry *e, uint64_t index)
{
    bool explained = e->code == TMX_CODE_MEMBER_SUSPENDED || e->code == TMX_CODE_EXPIRED_ON_ARRIVAL ||
                     e->code == TMX_CODE_EXPIRY_TOO_FAR || e->code == TMX_CODE_OUTCOME_EXISTS;
    for (unsigned i = 0; i < s->n_nodes; i++) {
        const struct sim_node *n = &s->nodes[i];
        bool own = tmx_bytes_eq(tmx_pb(e->member), tmx_bytes_str(s->federation.members[i].code));
        explained = explained || (e->code == TMX_CODE_CONTAINER_MISMATCH && damage_table(s) == TMX_NT_OUT_CONTAINER);   /* NODE-16 */
        if (own && !n->was_evil && !n->restored && !explained) {
            sim_fail(s, "I13: leaf %" PRIu64 " refuses what %s sent: %s", index, s->federation.members[i].code,
                     tmx_code_name(e->code));
        }
    }
}

/* QUE-8: the container goes by policy once every delivery has its outcome, and once. */
static void fold_erased(struct sim *s, const Tmx__LogEntry *e, uint64_t index)
{
    struct checker *c = s->checker;
    unsigned known = 0;
    bool early = e->code == TMX_CODE_DISK_FULL;
    for (size_t i = 0; i < c->n; i++) {
        struct folded *d = &c->deliveries[i];
        if (tmx_bytes_eq(tmx_pb(e->message_id), TMX_BYTES_OF(d->id)) && !d->gone) {
            known++;
            if (!terminal(d->state) || d->erased || (!early && !s->broker_jumped && e->time_ms < d->ended_ms + s->retention_ms)) {
                sim_fail(s, "I8: leaf %" PRIu64 " erases what is still needed, was erased, or is to be kept", index);
            }
            d->erased = d->touched = true;
        }
    }
    if (known == 0 || s->retention_ms == 0) {
        sim_fail(s, "I8: leaf %" PRIu64 " erases what was not kept", index);
    }
    early ? SOMETIMES(container_erased_early) : SOMETIMES(container_erased);
}

static void fold(struct sim *s, const Tmx__LogEntry *e, uint64_t index)
{
    struct checker *c = s->checker;
    if (e->time_ms < c->time_ms) {
        sim_fail(s, "I8: leaf %" PRIu64 ": time falls", index);
    }
    c->time_ms = e->time_ms;
    switch ((int)e->kind) {
    case TMX__ENTRY_KIND__ENTRY_ACCEPTANCE:
    case TMX__ENTRY_KIND__ENTRY_RESUBMISSION:
        fold_header(s, e, index, true);
        break;
    case TMX__ENTRY_KIND__ENTRY_REFUSAL:
        fold_refusal(s, e, index);
        if (tmx_body_kind(tmx_pb(e->body)) == TMX__KIND__KIND_HEADER) {
            fold_header(s, e, index, false);
        } else if (e->code == TMX_CODE_OUTCOME_EXISTS) {
            SOMETIMES(expiry_beat_coa);
        }
        break;
    case TMX__ENTRY_KIND__ENTRY_REPORT:
        fold_report(s, e, index);
        break;
    case TMX__ENTRY_KIND__ENTRY_EXPIRED:
    case TMX__ENTRY_KIND__ENTRY_EXCEPTION:
        fold_end(s, e, index);
        break;
    case TMX__ENTRY_KIND__ENTRY_ERASED:
        fold_erased(s, e, index);
        break;
    default:
        break;
    }
}

static struct tmx_spool *rows(struct sim *s)
{
    return s->broker_process.spool.inner;
}

/* QUE-8: whether the container is there is what the log says. */
static bool container_right(struct sim *s, const struct folded *d)
{
    uint8_t key[TMX_ID_SIZE + 4] = { 0 };
    bool needed = s->retention_ms > 0 && !d->erased;
    struct tmx_bytes value;
    for (size_t i = 0; i < s->checker->n; i++) {
        const struct folded *o = &s->checker->deliveries[i];
        needed = needed || (memcmp(o->id, d->id, TMX_ID_SIZE) == 0 && !terminal(o->state));
    }
    memcpy(key, d->id, TMX_ID_SIZE);
    return (tmx_spool_get(rows(s), TMX_T_CONTAINER, TMX_BYTES_OF(key), &value) == 0) == needed;
}

static void compare_delivery(struct sim *s, const struct folded *d)
{
    uint8_t key[TMX_ID_SIZE + TMX_MEMBER_KEY];
    memcpy(key, d->id, TMX_ID_SIZE);
    memcpy(key + TMX_ID_SIZE, d->member, TMX_MEMBER_KEY);
    struct tmx_bytes value;
    struct tmx_row_delivery row;
    if (tmx_spool_get(rows(s), TMX_T_DELIVERY, TMX_BYTES_OF(key), &value) != 0 || !tmx_row_delivery_get(value, &row) ||
        row.state != d->state || row.seq != d->seq || row.index != d->index) {
        sim_fail(s, "I8: the row of delivery %02x%02x%02x%02x is not what the log says (%s)", d->id[12], d->id[13],
                 d->id[14], d->id[15], tmx_delivery_state_name(d->state));
    } else if (!container_right(s, d)) {
        sim_fail(s, "I8: the container of %02x%02x%02x%02x is there, or is not, against the log", d->id[12], d->id[13],
                 d->id[14], d->id[15]);
    }
}

static void compare_head(struct sim *s)
{
    struct checker *c = s->checker;
    struct tmx_bytes text, lines;
    struct tmx_checkpoint head;
    if (!tmx_note_split(tmx_broker_checkpoint(s->broker), &text, &lines) || !tmx_checkpoint_parse(text, &head)) {
        sim_fail(s, "I8: the head is not a checkpoint");
        return;
    }
    struct tmx_hash root = tmx_frontier_root(&c->frontier);
    if (head.size != c->size || !tmx_hash_eq(&root, &head.root)) {
        sim_fail(s, "I8: the head is not that of the leaves");
    }
}

/* What the quorum has cosigned is a head of this log that was released, and stays so (WIT-3). */
static void compare_cosigned(struct sim *s)
{
    struct tmx_broker_cosigned_view v;
    struct tmx_checkpoint head;
    struct tmx_bytes root;
    uint8_t key[8];
    struct tmx_writer w = TMX_WRITER_OF(key);
    tmx_broker_cosigned(s->broker, &v);
    if (v.size == 0 || v.size == s->checker->cosigned) {
        return;
    }
    s->checker->cosigned = v.size;
    SOMETIMES(head_cosigned);
    tmx_write_u64(&w, v.size);
    if (!v.quorum.reached || !tmx_checkpoint_verify(v.checkpoint, tmx_directory_log_key(tmx_broker_directory(s->broker),
                                                    tmx_bytes_str(s->federation.shard)), &head) ||
        tmx_spool_get(rows(s), TMX_T_HEAD, tmx_written(&w), &root) != 0 ||
        !tmx_bytes_eq(root, TMX_BYTES_OF(head.root.b))) {
        sim_fail(s, "I8: the cosigned head of %" PRIu64 " leaves was none of the log", v.size);
    }
}

/* When faults have stopped, the whole log is cosigned, and every node knows it (WIT-3, WIT-4). */
static bool all_cosigned(struct sim *s)
{
    struct tmx_broker_cosigned_view v;
    tmx_broker_cosigned(s->broker, &v);
    for (unsigned i = 0; i < s->n_nodes; i++) {
        struct tmx_node_state_view n;
        if (v.size < tmx_broker_log_size(s->broker) || tmx_node_state(s->nodes[i].node, &n) != 0 ||
            n.cosigned_size != v.size || n.upgrading) {
            snprintf(s->checker->report, sizeof(s->checker->report), "%" PRIu64 " of %" PRIu64 " leaves are cosigned, "
                     "or a node does not know", v.size, tmx_broker_log_size(s->broker));
            return false;
        }
    }
    return true;
}

static uint64_t sum(const uint64_t *numbers, size_t n)
{
    uint64_t all = 0;
    for (size_t i = 0; i < n; i++) {
        all += numbers[i];
    }
    return all;
}

/* I9: the counters of a destination are those of the log. */
static void compare_destinations(struct sim *s)
{
    struct checker *c = s->checker;
    for (unsigned i = 0; i < s->n_nodes; i++) {
        uint64_t accepted = 0, queued = 0, arrived = 0;
        struct tmx_bytes code = tmx_bytes_str(s->federation.members[i].code);
        for (size_t k = 0; k < c->n; k++) {
            const struct folded *d = &c->deliveries[k];
            if (tmx_bytes_eq(tmx_member_code(d->member), code) && !d->gone) {
                accepted++;
                queued += d->state == TMX_DELIVERY_QUEUED ? 1 : 0;
                arrived += d->state == TMX_DELIVERY_ARRIVED ? 1 : 0;
            }
        }
        struct tmx_broker_link_view v;
        struct tmx_ages_view ages;
        if (tmx_broker_link(s->broker, code, &v) != 0 || v.destination.accepted != accepted ||
            v.destination.queued != queued || v.destination.arrived != arrived ||
            v.destination.terminal != accepted - queued - arrived || v.in_flight > TMX_DELIVERY_WINDOW ||
            (tmx_broker_ages(s->broker, code, &ages) && sum(ages.buckets, TMX_AGES_BUCKETS) != queued)) {
            sim_fail(s, "I9: %s: %" PRIu64 " accepted, %" PRIu64 " queued, %" PRIu64 " arrived by the log",
                     s->federation.members[i].code, accepted, queued, arrived);
        }
    }
}

void check_new_shard(struct sim *s)
{
    struct checker *c = s->checker;
    c->size = c->cosigned = 0;
    memset(&c->frontier, 0, sizeof(c->frontier));
    memset(c->pair, 0, sizeof(c->pair));
    c->time_ms = 0;
    for (size_t i = 0; i < c->n; i++) {
        c->deliveries[i].gone = true;
        c->deliveries[i].touched = false;
    }
}

void check_broker(struct sim *s)
{
    struct checker *c = s->checker;
    uint64_t size = tmx_broker_log_size(s->broker);
    if (size < c->size) {
        sim_fail(s, "I2: the log had %" PRIu64 " leaves and has %" PRIu64, c->size, size);
        return;
    }
    for (; c->size < size && !sim_failed(s); c->size++) {
        uint8_t key[8];
        struct tmx_writer w = TMX_WRITER_OF(key);
        tmx_write_u64(&w, c->size);
        struct tmx_bytes entry;
        Tmx__LogEntry *e;
        tmx_arena_reset(&c->arena);
        if (tmx_spool_get(rows(s), TMX_T_LOG, tmx_written(&w), &entry) != 0 ||
            tmx_entry_parse(entry, &c->arena, &e) != TMX_CODE_OK) {
            sim_fail(s, "I8: leaf %" PRIu64 " is missing or malformed", c->size);
            return;
        }
        struct tmx_hash leaf = tmx_merkle_leaf(entry);
        tmx_frontier_append(&c->frontier, &leaf, NULL, NULL);
        sim_mix(s, leaf.b[0] | (uint64_t)leaf.b[1] << 8 | (uint64_t)leaf.b[2] << 16);
        fold(s, e, c->size);
    }
    for (size_t i = 0; i < c->n && !sim_failed(s); i++) {
        if (c->deliveries[i].touched) {
            c->deliveries[i].touched = false;
            compare_delivery(s, &c->deliveries[i]);
        }
    }
    if (!sim_failed(s)) {
        compare_head(s);
        compare_cosigned(s);
        compare_destinations(s);
    }
}

void check_handover(struct sim *s, unsigned node, const uint8_t *id, unsigned number, bool redelivered)
{
    struct checker *c = s->checker;
    struct fact *f = &s->facts[number];
    struct tmx_bytes code = tmx_bytes_str(s->federation.members[node].code);
    sim_trace(s, "app %s: handed fact %u %02x%02x%02x%02x%s", s->federation.members[node].code, number, id[12], id[13],
              id[14], id[15], redelivered ? " (redelivered)" : "");
    const struct folded *d = find(c, TMX_BYTES(id, TMX_ID_SIZE), code);
    if (d == NULL || !d->arrived) {
        sim_fail(s, "I2: fact %u was handed over before its CoA was in the log", number);
        return;
    }
    if (f->answered && memcmp(f->id, id, TMX_ID_SIZE) != 0) {
        sim_fail(s, "I3: fact %u was sent under two ids", number);
        return;
    }
    if (f->handed[node] > 0 && !redelivered) {
        sim_fail(s, "I3: fact %u was handed over twice to %s, unmarked", number, s->federation.members[node].code);
        return;
    }
    if (redelivered) {
        SOMETIMES(redelivered_to_application);
    }
    f->handed[node]++;
    for (size_t k = 0; k < s->n_facts && f->handed[node] == 1; k++) {
        const struct fact *other = &s->facts[k];
        if (k == number || other->sender != f->sender) {
            continue;
        }
        bool later = k > number && other->handed[node] > 0;
        if (later && f->movement < SIM_MOVEMENTS && other->movement == f->movement) {
            sim_fail(s, "I4: %s got fact %u after fact %zu of the same movement", s->federation.members[node].code,
                     number, k);
        } else if (later && f->priority > other->priority) {
            SOMETIMES(priority_overtook);
        }
    }
}

/* What a node's own spool says of a message it sent: enum tmx_out_state, 0 = nothing. */
static unsigned out_state(struct sim *s, unsigned i, const uint8_t id[TMX_ID_SIZE])
{
    struct tmx_bytes value;
    int r = tmx_spool_get(s->nodes[i].p.spool.inner, TMX_NT_OUT, TMX_BYTES(id, TMX_ID_SIZE), &value);
    if (r == -EBADMSG) {   /* it is made again when somebody asks */
        struct tmx_node_look look;
        return s->nodes[i].p.up && tmx_node_look(s->nodes[i].node, id, &look) ? look.out.state : TMX_OUT_CLOSED;
    }
    return r == 0 && value.size > 1 ? value.data[1] : 0;   /* after the version of the layout */
}

static bool known_to_log(const struct checker *c, const uint8_t id[TMX_ID_SIZE])
{
    for (size_t i = 0; i < c->n; i++) {
        if (memcmp(c->deliveries[i].id, id, TMX_ID_SIZE) == 0) {
            return true;
        }
    }
    return false;
}

void check_any_id(struct sim *s, uint64_t nth, uint8_t ret_id[TMX_ID_SIZE])
{
    const struct checker *c = s->checker;
    if (c->n > 0) {
        memcpy(ret_id, c->deliveries[nth % c->n].id, TMX_ID_SIZE);
    }
}

/* An operator looks after what may be held, so that it can end. */
static void release_held(struct sim *s, unsigned i)
{
    struct checker *c = s->checker;
    struct tmx_bytes code = tmx_bytes_str(s->federation.members[i].code);
    for (size_t k = 0; k < c->n; k++) {
        const struct folded *d = &c->deliveries[k];
        if (d->state == TMX_DELIVERY_ARRIVED && tmx_bytes_eq(tmx_member_code(d->member), code)) {
            operators_release(s, i, d->id);
        }
    }
}

bool check_drained(struct sim *s)
{
    struct checker *c = s->checker;
    if (!s->broker_process.up || s->broker_process.n_pending > 0) {
        return false;
    }
    for (size_t i = 0; i < c->n; i++) {
        if (!terminal(c->deliveries[i].state)) {
            snprintf(c->report, sizeof(c->report), "delivery %02x%02x%02x%02x to %.8s is %s", c->deliveries[i].id[12],
                     c->deliveries[i].id[13], c->deliveries[i].id[14], c->deliveries[i].id[15],
                     (const char *)c->deliveries[i].member, tmx_delivery_state_name(c->deliveries[i].state));
            for (unsigned k = 0; k < s->n_nodes && s->now_ms - c->released_ms > 120000; k++) {
                release_held(s, k);
            }
            c->released_ms = s->now_ms - c->released_ms > 120000 ? s->now_ms : c->released_ms;
            return false;
        }
    }
    for (unsigned i = 0; i < s->n_nodes; i++) {
        struct tmx_node_state_view v;
        if (!s->nodes[i].p.up || !app_idle(s, i) || tmx_node_state(s->nodes[i].node, &v) != 0) {
            snprintf(c->report, sizeof(c->report), "node %s: not idle", s->federation.members[i].code);
            return false;
        }
        if (v.distrust) {
            sim_fail(s, "I7: node %s distrusts the log", s->federation.members[i].code);
            return false;
        }
        if (v.waiting + v.unanswered + v.reports_open + v.offered + v.blocked > 0 || v.rebuilding || !v.linked) {
            snprintf(c->report, sizeof(c->report),
                     "node %s: waiting %" PRIu64 " unanswered %" PRIu64 " reports %" PRIu64 " offered %" PRIu64
                     " blocked %" PRIu64 " rebuilding %d linked %d behind %d doubt %d",
                     s->federation.members[i].code, v.waiting, v.unanswered, v.reports_open, v.offered, v.blocked,
                     v.rebuilding, v.linked, v.directory_behind, v.clock_doubt);
            return false;
        }
    }
    struct tmx_spool_stat stat;
    if (tmx_spool_stat(s->broker_process.spool.inner, &stat) != 0 || stat.rows[TMX_T_STAGE] > 0 ||
        (stat.rows[TMX_T_ERASE] > 0 && !s->broker_jumped)) {
        snprintf(c->report, sizeof(c->report), "a container is half pulled, or kept");
        return false;
    }
    for (size_t k = 0; k < s->n_facts; k++) {
        const struct fact *f = &s->facts[k];
        unsigned state = f->answered && f->code == TMX_CODE_OK ? out_state(s, f->sender, f->id) : TMX_OUT_CLOSED;
        if (state != 0 && state != TMX_OUT_CLOSED && state != TMX_OUT_REJECTED) {
            snprintf(c->report, sizeof(c->report), "fact %zu is in state %u at its sender", k, state);
            return false;
        }
    }
    return damage_table(s) == TMX_NT_WITNESS || all_cosigned(s);   /* NODE-16: who does not know what it cosigned cosigns no more */
}

const char *check_report(struct sim *s)
{
    for (unsigned i = 0; i < s->n_nodes && s->trace; i++) {
        struct tmx_node_state_view v;
        if (s->nodes[i].p.up && tmx_node_state(s->nodes[i].node, &v) == 0) {
            sim_trace(s, "node %s: waiting %" PRIu64 " unanswered %" PRIu64 " reports %" PRIu64 " offered %" PRIu64
                         " blocked %" PRIu64 " rebuilding %d linked %d behind %d doubt %d feed %" PRIu64 " of %" PRIu64,
                      s->federation.members[i].code, v.waiting, v.unanswered, v.reports_open, v.offered, v.blocked,
                      v.rebuilding, v.linked, v.directory_behind, v.clock_doubt, v.feed_next, v.head_size);
        }
    }
    return s->checker->report;
}

void check_end(struct sim *s)
{
    struct checker *c = s->checker;
    for (size_t k = 0; k < s->n_facts && !sim_failed(s); k++) {
        const struct fact *f = &s->facts[k];
        if (!f->answered || f->code != TMX_CODE_OK) {
            continue;
        }
        unsigned state = out_state(s, f->sender, f->id);
        bool lost_with_its_disk = s->nodes[f->sender].restored && !known_to_log(c, f->id);
        if (state == 0 && !lost_with_its_disk) {
            sim_fail(s, "I2: fact %zu was answered as durable and is gone", k);
        }
        for (unsigned i = 0; i < f->n_recipients && state == TMX_OUT_CLOSED; i++) {
            struct tmx_bytes code = tmx_bytes_str(s->federation.members[f->recipients[i]].code);
            const struct folded *d = find(c, TMX_BYTES_OF(f->id), code);
            if (d == NULL) {
                sim_fail(s, "I1: fact %zu is closed at its sender and was never accepted", k);
            } else if (d->state == TMX_DELIVERY_DELIVERED && f->handed[f->recipients[i]] == 0) {
                sim_fail(s, "I1: fact %zu counts as delivered and was never handed over", k);
            }
        }
    }
    for (size_t i = 0; i < c->n && !sim_failed(s); i++) {
        if (!c->deliveries[i].gone) {
            compare_delivery(s, &c->deliveries[i]);
        }
    }
    /* I12: recovery changes nothing. */
    broker_crash(s, "at the end");
    broker_start(s);
    if (s->broker_process.up && !sim_failed(s)) {
        check_broker(s);
    }
}
