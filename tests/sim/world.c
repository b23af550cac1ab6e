/* SPDX-License-Identifier: Apache-2.0
 * Processes: their spools, lives and turns, on one clock.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include <tmx/identifier.h>

#include "sim.h"

static const char *const codes[SIM_NODES_MAX] = { "CH", "DE", "EC", "IT", "PL" };

uint64_t sometimes_counts[SOMETIMES_N];

void sim_trace(struct sim *s, const char *fmt, ...)
{
    if (!s->trace) {
        return;
    }
    va_list args;
    va_start(args, fmt);
    printf("[%10llu] ", (unsigned long long)(s->now_ms - SIM_START_MS));
    vprintf(fmt, args);
    printf("\n");
    va_end(args);
}

void sim_fail(struct sim *s, const char *fmt, ...)
{
    if (sim_failed(s)) {
        return;
    }
    va_list args;
    va_start(args, fmt);
    vsnprintf(s->failure, sizeof(s->failure), fmt, args);
    va_end(args);
    sim_trace(s, "FAILED: %s", s->failure);
}

void sim_mix(struct sim *s, uint64_t v)
{
    s->hash = (s->hash ^ v) * 0x100000001b3ull;
}

uint64_t process_wall_ms(const struct sim *s, const struct process *p)
{
    return (uint64_t)((int64_t)s->now_ms + p->clock_ms);
}

void process_wake(struct sim *s, struct process *p, uint64_t at_ms)
{
    at_ms = at_ms < s->now_ms ? s->now_ms : at_ms;
    p->turn_at = at_ms < p->turn_at ? at_ms : p->turn_at;
}

void process_queue(struct sim *s, struct process *p, struct sim_event *ev)
{
    if (!p->up) {
        event_free(ev);
        return;
    }
    *p->last = ev;
    p->last = &ev->next;
    p->n_pending++;
    process_wake(s, p, s->now_ms + rng_below(&s->rng, 3));
}

static void process_clear(struct process *p)
{
    while (p->first != NULL) {
        struct sim_event *next = p->first->next;
        event_free(p->first);
        p->first = next;
    }
    p->last = &p->first;
    p->n_pending = 0;
    p->turn_at = UINT64_MAX;
}

static void process_down(struct sim *s, struct process *p)
{
    p->up = false;
    process_clear(p);
    tmx_spool_ram_crash(p->spool.inner);
    p->spool.base.in_turn = false;   /* the handle died with the process, in a turn or not */
    p->spool.crash = CRASH_NOT;
    p->start_at = s->now_ms + rng_below(&s->rng, 5000);
}

static void process_init(struct process *p)
{
    p->last = &p->first;
    p->turn_at = UINT64_MAX;
    sim_spool_init(&p->spool);
}

static uint64_t process_mono_ms(const struct sim *s, const struct process *p)
{
    return s->now_ms - p->mono_base + 1000;
}

/* A node's connection was broken, and there is another (LINK-4). */
void link_anew(struct sim *s, unsigned i)
{
    struct sim_event *ev = event_new(NULL, 0);
    ev->kind = SIM_ANEW;
    process_queue(s, &s->nodes[i].p, ev);
}

/* The broker */

void broker_start(struct sim *s)
{
    struct process *p = &s->broker_process;
    struct tmx_broker_config c = { .shard = s->federation.shard,
                                   .log_secret = s->federation.log_secret,
                                   .authority = s->federation.authority,
                                   .generation = 1,
                                   .queue_max = 60,
                                   .retention_ms = s->retention_ms,
                                   .directory = federation_file(&s->federation),
                                   .previous_checkpoint = TMX_BYTES(s->checkpoint, s->checkpoint_size) };
    memcpy(c.log_public, s->federation.log_public, sizeof(c.log_public));
    p->mono_base = s->now_ms;
    p->spool.crash = CRASH_NOT;
    if (!s->healed && rng_chance(&s->rng, 100)) {
        p->spool.crash = rng_chance(&s->rng, 500) ? CRASH_BEFORE_COMMIT : CRASH_AFTER_COMMIT;
    }
    int r = tmx_broker_new(&p->spool.base, &c, process_mono_ms(s, p), process_wall_ms(s, p) * 1000, &s->broker);
    if (r == -ECANCELED) {
        SOMETIMES(crash_during_recovery);
        sim_trace(s, "broker dies while it recovers");
        process_down(s, p);
        return;
    }
    if (r != 0) {
        sim_fail(s, "broker does not start: %s", strerror(-r));
        return;
    }
    p->up = true;
    sim_trace(s, "broker starts, %" PRIu64 " leaves", tmx_broker_log_size(s->broker));
    check_broker(s);
    process_wake(s, p, s->now_ms);
    for (unsigned i = 0; i < s->n_nodes; i++) {
        link_anew(s, i);
    }
}

void broker_crash(struct sim *s, const char *why)
{
    if (!s->broker_process.up) {
        return;
    }
    sim_trace(s, "broker dies: %s", why);
    s->stop_ms = 0;
    s->broker = tmx_broker_free(s->broker);
    process_down(s, &s->broker_process);
    for (unsigned i = 0; i < s->n_nodes; i++) {
        network_break(s, i);
    }
}

#define TURN_EVENTS 64u
#define STOP_MS 12000u

/* As its shell does: see run_down in broker/daemon.c. */
void broker_stop(struct sim *s)
{
    if (s->broker_process.up && s->stop_ms == 0) {
        sim_trace(s, "broker is asked to stop");
        s->stop_ms = s->now_ms;
        process_wake(s, &s->broker_process, s->now_ms);
    }
}

static void broker_stopping(struct sim *s, bool closed)
{
    struct tmx_broker_cosigned_view cosigned;
    if (!closed && s->now_ms - s->stop_ms < STOP_MS) {
        return;
    }
    tmx_broker_cosigned(s->broker, &cosigned);
    if (closed && cosigned.size == tmx_broker_log_size(s->broker)) {
        SOMETIMES(broker_stopped_cosigned);
    }
    broker_crash(s, "stopped");
}

static size_t broker_events(struct sim *s, struct tmx_broker_event *events, struct sim_event **taken)
{
    struct process *p = &s->broker_process;
    size_t n = 0;
    while (p->first != NULL && n < TURN_EVENTS) {
        struct sim_event *ev = p->first;
        p->first = ev->next;
        p->n_pending--;
        taken[n] = ev;
        events[n] = (struct tmx_broker_event){ .mono_ms = process_mono_ms(s, p), .wall_us = process_wall_ms(s, p) * 1000 };
        events[n].member = tmx_bytes_str(codes[ev->member]);
        switch (ev->kind) {
        case SIM_MESSAGE:
            events[n].kind = TMX_BROKER_MESSAGE;
            events[n].route = TMX_BYTES(ev->route, 2);
            events[n].n_frames = ev->n_frames;
            events[n].frames = ev->frames;
            break;
        case SIM_GATE_DOWN:
            events[n].kind = TMX_BROKER_GATE_DOWN;
            break;
        case SIM_BUSY:
            events[n].kind = TMX_BROKER_GATE_BUSY;
            events[n].busy = ev->flag;
            break;
        case SIM_DIRECTORY:
            events[n].kind = TMX_BROKER_DIRECTORY;
            events[n].file = ev->frames[0];
            break;
        case SIM_ANCHOR:
            events[n].kind = TMX_BROKER_ANCHOR;
            events[n].size = ev->size;
            events[n].file = ev->frames[0];
            break;
        case SIM_OPERATION:
            events[n].kind = TMX_BROKER_OPERATION;
            events[n].file = ev->frames[0];
            events[n].operators = &s->operating.operators;
            break;
        case SIM_DISK:
        case SIM_ANEW:
        case SIM_APP:
            events[n].kind = TMX_BROKER_DISK;
            events[n].disk_full = ev->flag;
            events[n].erase_bytes = ev->flag ? SIM_ERASE_BYTES : 0;
            break;
        }
        n++;
    }
    if (p->first == NULL) {
        p->last = &p->first;
    }
    if (n == 0 || s->stop_ms != 0) {
        taken[n] = NULL;
        events[n++] = (struct tmx_broker_event){ .kind = s->stop_ms != 0 ? TMX_BROKER_CLOSE : TMX_BROKER_TICK,
                                                 .mono_ms = process_mono_ms(s, p),
                                                 .wall_us = process_wall_ms(s, p) * 1000 };
    }
    return n;
}

static void broker_notices(struct sim *s, const struct tmx_broker_output *out)
{
    for (size_t i = 0; i < out->n_notices; i++) {
        const struct tmx_broker_notice *n = &out->notices[i];
        struct tmx_bytes code = tmx_member_code(n->member);
        sim_trace(s, "  broker %s %.*s %02x%02x%02x%02x code %u number %" PRIu64, n->event, (int)code.size,
                  (const char *)code.data, n->message_id[12], n->message_id[13], n->message_id[14], n->message_id[15],
                  n->code, n->number);
        if (strcmp(n->event, "link.cloned-key") == 0) {
            SOMETIMES(cloned_key);
        }
        if (strcmp(n->event, "log.anchored") == 0) {
            SOMETIMES(head_anchored);
        }
        if (strcmp(n->event, "operator.done") == 0) {
            SOMETIMES(operator_acted);
        }
        if (strcmp(n->event, "operator.refused") == 0) {
            SOMETIMES(operator_refused);
        }
        if (strcmp(n->event, "delivery.held") == 0) {
            SOMETIMES(delivery_held);
        }
        if (strcmp(n->event, "proposal.lapsed") == 0) {
            SOMETIMES(proposal_lapsed);
        }
    }
}

static void broker_turn(struct sim *s)
{
    struct process *p = &s->broker_process;
    struct tmx_broker_event events[TURN_EVENTS + 1];
    struct sim_event *taken[TURN_EVENTS + 1];
    struct tmx_broker_output out;
    p->turn_at = UINT64_MAX;
    size_t n = broker_events(s, events, taken);
    if (!s->healed && rng_chance(&s->rng, s->crash)) {
        p->spool.crash = rng_chance(&s->rng, 500) ? CRASH_BEFORE_COMMIT : CRASH_AFTER_COMMIT;
    }
    enum crash_at crash = p->spool.crash;
    int r = tmx_broker_turn(s->broker, events, n, &out);
    for (size_t i = 0; i < n && taken[i] != NULL; i++) {
        event_free(taken[i]);
    }
    if (r == -ECANCELED) {
        crash == CRASH_BEFORE_COMMIT ? SOMETIMES(broker_crash_before_commit) : SOMETIMES(broker_crash_after_commit);
        broker_crash(s, crash == CRASH_BEFORE_COMMIT ? "before its commit" : "after its commit");
        return;
    }
    if (r != 0) {
        sim_fail(s, "broker's turn: %s", strerror(-r));
        return;
    }
    broker_notices(s, &out);
    for (size_t i = 0; i < out.n_sends; i++) {
        unsigned index = out.sends[i].route[0];
        if (index < s->n_nodes && out.sends[i].route[1] == (uint8_t)s->nodes[index].epoch) {
            network_send(s, index, false, out.sends[i].frames, out.sends[i].n_frames);
        }
    }
    uint64_t deadline = out.deadline_ms + p->mono_base - 1000;
    process_wake(s, p, p->first != NULL ? s->now_ms : out.deadline_ms == 0 ? s->now_ms : deadline + s->coarse_ms);
    check_broker(s);
    if (s->stop_ms != 0) {
        broker_stopping(s, out.closed);
    }
}

/* Nodes */

void node_start(struct sim *s, unsigned i)
{
    struct sim_node *sn = &s->nodes[i];
    struct process *p = &sn->p;
    struct federation_member *m = &s->federation.members[i];
    struct tmx_node_config c = { .member = tmx_bytes_str(m->code),
                                 .signing_secret = m->sign_secret,
                                 .witness_secret = m->witness_secret,
                                 .last_resort_secret = m->last_resort_secret,
                                 .archive_key = m->archive,
                                 .label_key = m->label,
                                 .authority = s->federation.authority,
                                 .generation = 1,
                                 .rebuild = sn->rebuild,
                                 .directory = federation_file(&s->federation),
                                 .catalogue = s->catalogue };
    memcpy(c.signing_public, m->sign_public, sizeof(c.signing_public));
    memcpy(c.witness_public, m->witness_public, sizeof(c.witness_public));
    p->mono_base = s->now_ms;
    p->spool.crash = CRASH_NOT;
    if (!s->healed && rng_chance(&s->rng, 100)) {
        p->spool.crash = rng_chance(&s->rng, 500) ? CRASH_BEFORE_COMMIT : CRASH_AFTER_COMMIT;
    }
    uint8_t entropy[32];
    for (unsigned k = 0; k < 32; k += 8) {
        uint64_t v = rng_next(&s->rng);
        memcpy(entropy + k, &v, 8);
    }
    int r = tmx_node_new(&p->spool.base, &c, process_mono_ms(s, p), process_wall_ms(s, p) * 1000, entropy, &sn->node);
    if (r == -ECANCELED) {
        SOMETIMES(crash_during_recovery);
        process_down(s, p);
        return;
    }
    if (r != 0) {
        sim_fail(s, "node %s does not start: %s", m->code, strerror(-r));
        return;
    }
    sn->rebuild = false;
    p->up = true;
    sim_trace(s, "node %s starts", m->code);
    if (sn->disk_full) {
        faults_node_disk(s, i, true);
    }
    process_wake(s, p, s->now_ms);
}

void node_crash(struct sim *s, unsigned i, const char *why)
{
    struct sim_node *sn = &s->nodes[i];
    if (!sn->p.up) {
        return;
    }
    sim_trace(s, "node %s dies: %s", codes[i], why);
    sn->node = tmx_node_free(sn->node);
    process_down(s, &sn->p);
    network_break(s, i);
    sn->app.waiting_lease = false;
}

static size_t node_events(struct sim *s, struct sim_node *sn, struct tmx_node_event *events, struct sim_event **taken)
{
    struct process *p = &sn->p;
    size_t n = 0;
    do {
        struct sim_event *ev = p->first;
        struct tmx_node_event *e = &events[n];
        *e = (struct tmx_node_event){ .mono_ms = process_mono_ms(s, p), .wall_us = process_wall_ms(s, p) * 1000 };
        for (unsigned k = 0; k < 32; k += 8) {
            uint64_t v = rng_next(&s->rng);
            memcpy(e->entropy + k, &v, 8);
        }
        taken[n++] = ev;
        if (ev == NULL) {
            e->kind = TMX_NODE_TICK;
            break;
        }
        p->first = ev->next;
        p->n_pending--;
        e->kind = ev->kind == SIM_APP         ? TMX_NODE_APP_REQUEST
                  : ev->kind == SIM_OPERATION ? TMX_NODE_OPERATION
                  : ev->kind == SIM_BUSY      ? TMX_NODE_LINK_BUSY
                  : ev->kind == SIM_ANEW      ? TMX_NODE_LINK_ANEW
                  : ev->kind == SIM_DISK      ? TMX_NODE_DISK
                                              : TMX_NODE_LINK_MESSAGE;
        e->file = ev->kind == SIM_OPERATION ? ev->frames[0] : TMX_BYTES_NULL;
        e->operators = &s->operating.operators;
        e->busy = ev->flag;
        e->submit_bytes = ev->flag ? 0 : UINT64_MAX;
        e->arrive_bytes = ev->flag ? SIM_FULL_BYTES : UINT64_MAX;
        e->turn_bytes = ev->flag ? 0 : UINT64_MAX;
        e->route = ev->kind == SIM_APP ? TMX_BYTES(ev->route, 1) : TMX_BYTES_NULL;
        e->n_frames = ev->n_frames;
        e->frames = ev->frames;
    } while (p->first != NULL && n < TURN_EVENTS);
    if (p->first == NULL) {
        p->last = &p->first;
    }
    return n;
}

static void node_turn(struct sim *s, unsigned i)
{
    struct sim_node *sn = &s->nodes[i];
    struct process *p = &sn->p;
    struct tmx_node_event events[TURN_EVENTS];
    struct sim_event *taken[TURN_EVENTS];
    struct tmx_node_output out;
    p->turn_at = UINT64_MAX;
    size_t n = node_events(s, sn, events, taken);
    if (!s->healed && rng_chance(&s->rng, s->crash)) {
        p->spool.crash = rng_chance(&s->rng, 500) ? CRASH_BEFORE_COMMIT : CRASH_AFTER_COMMIT;
    }
    enum crash_at crash = p->spool.crash;
    int r = tmx_node_turn(sn->node, events, n, &out);
    for (size_t k = 0; k < n && taken[k] != NULL; k++) {
        event_free(taken[k]);
    }
    if (r == -ECANCELED) {
        crash == CRASH_BEFORE_COMMIT ? SOMETIMES(node_crash_before_commit) : SOMETIMES(node_crash_after_commit);
        node_crash(s, i, crash == CRASH_BEFORE_COMMIT ? "before its commit" : "after its commit");
        return;
    }
    if (r != 0) {
        sim_fail(s, "node %s's turn: %s", codes[i], strerror(-r));
        return;
    }
    for (size_t k = 0; k < out.n_notices; k++) {
        const struct tmx_node_notice *x = &out.notices[k];
        sim_trace(s, "  node %s %s %02x%02x%02x%02x code %u number %" PRIu64, codes[i], x->event, x->message_id[12],
                  x->message_id[13], x->message_id[14], x->message_id[15], x->code, x->number);
        if (strcmp(x->event, "delivery.no-room") == 0) {
            SOMETIMES(delivery_without_room);
        }
        if (strcmp(x->event, "message.replayed") == 0) {
            SOMETIMES(taken_from_application);
        }
    }
    for (size_t k = 0; k < out.n_sends; k++) {
        network_send(s, i, true, out.sends[k].frames, out.sends[k].n_frames);
    }
    uint64_t deadline = out.deadline_ms == UINT64_MAX ? UINT64_MAX : out.deadline_ms + p->mono_base - 1000 + s->coarse_ms;
    process_wake(s, p, p->first != NULL || out.deadline_ms == 0 ? s->now_ms : deadline);
    for (size_t k = 0; k < out.n_answers; k++) {
        app_answer(s, i, out.answers[k].frames, out.answers[k].n_frames);
    }
}

/* The clock jumps to whatever comes next. */
static uint64_t next_ms(const struct sim *s)
{
    uint64_t at = network_next_ms(s);
    const struct process *b = &s->broker_process;
    uint64_t own = b->up ? b->turn_at : b->start_at;
    at = own < at ? own : at;
    for (unsigned i = 0; i < s->n_nodes; i++) {
        const struct process *p = &s->nodes[i].p;
        own = p->up ? p->turn_at : p->start_at;
        at = own < at ? own : at;
        own = p->up ? app_next_ms(s, i) : UINT64_MAX;
        at = own < at ? own : at;
    }
    return !s->healed && s->next_fault_ms < at ? s->next_fault_ms : at;
}

static void step(struct sim *s)
{
    uint64_t at = next_ms(s);
    assert(at != UINT64_MAX);
    s->now_ms = at > s->now_ms ? at : s->now_ms;
    sim_mix(s, s->now_ms);
    if (!s->healed) {
        faults_step(s);
    }
    operators_step(s);
    network_deliver(s);
    for (unsigned i = 0; i < s->n_nodes && !sim_failed(s); i++) {
        struct process *p = &s->nodes[i].p;
        if (!p->up && p->start_at <= s->now_ms) {
            node_start(s, i);
        }
        if (p->up && app_next_ms(s, i) <= s->now_ms) {
            app_step(s, i);
        }
        if (p->up && p->turn_at <= s->now_ms) {
            s->turns++;
            node_turn(s, i);
        }
    }
    struct process *b = &s->broker_process;
    if (!b->up && b->start_at <= s->now_ms) {
        broker_start(s);
    }
    if (b->up && b->turn_at <= s->now_ms && !sim_failed(s)) {
        s->turns++;
        broker_turn(s);
    }
}

#define TURNS_MAX 400000u
#define DRAIN_MS (2ull * 3600000)

void sim_run(struct sim *s)
{
    while (s->now_ms < s->end_chaos_ms && !sim_failed(s) && s->turns < TURNS_MAX) {
        step(s);
    }
    if (sim_failed(s)) {
        return;
    }
    faults_heal(s);
    uint64_t limit = s->now_ms + DRAIN_MS, half = s->now_ms + DRAIN_MS / 2;
    while (!sim_failed(s) && !check_drained(s)) {
        if (s->now_ms > half && half != 0 && (faults_lost_keys(s) || damage_table(s) == TMX_NT_OWN_PREKEY)) {
            /* What was sealed to a key that went with a node's disk can only expire. */
            half = 0;
            s->now_ms += 8 * SIM_DAY_MS;
            limit = s->now_ms + DRAIN_MS;
        }
        if (s->now_ms > limit || s->turns >= 2 * TURNS_MAX) {
            sim_fail(s, "I11: not drained: %s", check_report(s));
            return;
        }
        step(s);
    }
    if (!sim_failed(s)) {
        check_end(s);
        check_leftovers(s);
        check_audited(s);
    }
}

static void mrn_make(struct sim *s, char ret_mrn[19])
{
    static const char letters[] = "ABCDEFGHKLMNPQRSTUVWXYZ0123456789";
    memcpy(ret_mrn, "26DE", 4);
    for (unsigned i = 4; i < 16; i++) {
        ret_mrn[i] = letters[rng_below(&s->rng, sizeof(letters) - 1)];
    }
    ret_mrn[16] = 'J';
    ret_mrn[17] = tmx_check_digit(TMX_BYTES(ret_mrn, 17));
    ret_mrn[18] = '\0';
}

int sim_new(uint64_t seed, const struct tmx_catalogue *catalogue, bool trace, struct sim **ret_sim)
{
    struct sim *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        return -ENOMEM;
    }
    s->seed = seed;
    s->rng.state = seed * 0x2545F4914F6CDD1Dull + 99;
    s->slow_rng.state = seed * 0x9E3779B97F4A7C15ull + 7;
    s->trace = trace;
    s->now_ms = SIM_START_MS;
    s->catalogue = (struct tmx_catalogue *)(uintptr_t)catalogue;
    s->n_nodes = 3 + (unsigned)rng_below(&s->rng, 3);
    operating_init(&s->operating);
    federation_init(&s->federation, codes, s->n_nodes, SIM_START_MS - 1000);
    s->federation.witnesses = true;
    federation_sign(&s->federation);
    for (unsigned i = 0; i < SIM_MOVEMENTS; i++) {
        mrn_make(s, s->mrn[i]);
    }
    /* Every probability is itself drawn: calm seas and storms. */
    s->drop = (unsigned)rng_below(&s->rng, rng_chance(&s->rng, 500) ? 5 : 60);
    s->repeat = (unsigned)rng_below(&s->rng, 30);
    s->reorder = (unsigned)rng_below(&s->rng, rng_chance(&s->rng, 500) ? 3 : 30);
    s->delay_max_ms = 1 + (unsigned)rng_below(&s->rng, rng_chance(&s->rng, 800) ? 20 : 1500);
    s->crash = (unsigned)rng_below(&s->rng, rng_chance(&s->rng, 500) ? 3 : 25);
    s->lapse = (unsigned)rng_below(&s->rng, 150);
    s->refuse = (unsigned)rng_below(&s->rng, 200);
    s->retention_ms = seed % 4 == 1 ? 1 + rng_below(&s->slow_rng, 60000) : 0;
    s->facts_wanted = 10 + rng_below(&s->rng, 60);
    s->end_chaos_ms = s->now_ms + 20000 + rng_below(&s->rng, 120000);
    int r = tmx_arena_init(&s->arena, 1u << 20);
    assert(r == 0);
    network_new(s);
    check_new(s);
    process_init(&s->broker_process);
    for (unsigned i = 0; i < s->n_nodes; i++) {
        process_init(&s->nodes[i].p);
        s->nodes[i].app.waiting_submit = -1;
        s->nodes[i].p.start_at = s->now_ms + rng_below(&s->rng, 1000);
    }
    s->broker_process.start_at = s->now_ms;
    s->next_fault_ms = s->now_ms + 2000;
    *ret_sim = s;
    return 0;
}

void sim_free(struct sim *s)
{
    if (s == NULL) {
        return;
    }
    tmx_broker_free(s->broker);
    process_clear(&s->broker_process);
    tmx_spool_close(s->broker_process.spool.inner);
    for (unsigned i = 0; i < s->n_nodes; i++) {
        tmx_node_free(s->nodes[i].node);
        process_clear(&s->nodes[i].p);
        tmx_spool_close(s->nodes[i].p.spool.inner);
        tmx_spool_close(s->nodes[i].copy);
    }
    network_free(s);
    check_free(s);
    federation_deinit(&s->federation);
    tmx_arena_deinit(&s->arena);
    free(s);
}
