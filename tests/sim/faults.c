/* SPDX-License-Identifier: Apache-2.0
 * What goes wrong in the chaos phase, beside crashes at commits (world.c) and frames (network.c).
 */
#include <string.h>

#include "sim.h"

static void partition(struct sim *s, unsigned i, uint64_t ms)
{
    s->nodes[i].cut = true;
    s->nodes[i].cut_until = s->now_ms + ms;
    network_break(s, i);
    sim_trace(s, "node %s is cut off for %llu ms", s->federation.members[i].code, (unsigned long long)ms);
}

static void directory_to_broker(struct sim *s)
{
    s->federation.serial++;
    federation_sign(&s->federation);
    struct tmx_bytes file = federation_file(&s->federation);
    struct sim_event *ev = event_new(&file, 1);
    ev->kind = SIM_DIRECTORY;
    process_queue(s, &s->broker_process, ev);
}

static void directory_change(struct sim *s)
{
    struct federation_member *m = &s->federation.members[rng_below(&s->rng, s->n_nodes)];
    if (!s->broker_process.up || m->status == TMX__MEMBER_STATUS__MEMBER_REVOKED) {
        return;
    }
    if (m->status == TMX__MEMBER_STATUS__MEMBER_SUSPENDED) {
        m->status = TMX__MEMBER_STATUS__MEMBER_ACTIVE;
    } else {
        SOMETIMES(member_suspended);
        m->status = TMX__MEMBER_STATUS__MEMBER_SUSPENDED;
    }
    sim_trace(s, "directory: %s %s", m->code, m->status == TMX__MEMBER_STATUS__MEMBER_ACTIVE ? "active" : "suspended");
    directory_to_broker(s);
}

/* Of a node: its spool takes in no more (NODE-12). The true room is never told here; a spool of the simulator is endless. */
void faults_node_disk(struct sim *s, unsigned i, bool full)
{
    s->nodes[i].disk_full = full;
    if (s->nodes[i].p.up) {
        struct sim_event *ev = event_new(NULL, 0);
        ev->kind = SIM_DISK;
        ev->flag = full;
        process_queue(s, &s->nodes[i].p, ev);
    }
    if (full) {
        SOMETIMES(node_disk_full);
    }
}

static void node_disks_step(struct sim *s)
{
    bool with_full_nodes = s->seed % 16 == 3 || s->seed % 16 == 6;
    for (unsigned i = 0; with_full_nodes && i < s->n_nodes; i++) {
        if (s->nodes[i].disk_full ? s->healed || rng_chance(&s->slow_rng, 20) : !s->healed && rng_chance(&s->slow_rng, 2)) {
            faults_node_disk(s, i, !s->nodes[i].disk_full);
        }
    }
}

static void disk(struct sim *s, bool full)
{
    struct sim_event *ev = event_new(NULL, 0);
    ev->kind = SIM_DISK;
    ev->flag = full;
    process_queue(s, &s->broker_process, ev);
    if (full) {
        SOMETIMES(disk_full);
    }
}

/* No fault: an operator brings a token for a head, mostly a late one (LOG-9). Whether it is taken the broker says. */
static void anchors_step(struct sim *s)
{
    bool with_anchors = s->seed % 16 == 9 || s->seed % 16 == 6;
    if (!with_anchors || s->healed || !s->broker_process.up || !rng_chance(&s->slow_rng, 10)) {
        return;
    }
    uint8_t token[TMX_ANCHOR_TOKEN_MAX + 1] = { 0x30 };
    uint64_t size = tmx_broker_log_size(s->broker);
    struct tmx_bytes file = TMX_BYTES(token, rng_below(&s->slow_rng, rng_chance(&s->slow_rng, 100) ? sizeof(token) + 1 : 900));
    struct sim_event *ev = event_new(&file, 1);
    ev->kind = SIM_ANCHOR;
    ev->size = rng_chance(&s->slow_rng, 800) ? size : rng_below(&s->slow_rng, size + 3);
    process_queue(s, &s->broker_process, ev);
}

static void gate_down(struct sim *s, unsigned i)
{
    SOMETIMES(gate_down);
    network_break(s, i);
    struct sim_event *ev = event_new(NULL, 0);
    ev->kind = SIM_GATE_DOWN;
    ev->member = i;
    process_queue(s, &s->broker_process, ev);
    link_anew(s, i);
}

/* A slow link: the shell at one end cannot pass on what its core says, and tells it so (LINK-3). */
static void link_slow(struct sim *s, unsigned i, bool to_broker, bool slow)
{
    struct sim_node *sn = &s->nodes[i];
    struct process *p = to_broker ? &sn->p : &s->broker_process;
    sn->slow_until[to_broker ? 0 : 1] = slow ? s->now_ms + 100 + rng_below(&s->slow_rng, 20000) : 0;
    if (p->up) {
        SOMETIMES(link_slow);
        struct sim_event *ev = event_new(NULL, 0);
        ev->kind = SIM_BUSY;
        ev->member = i;
        ev->flag = slow;
        process_queue(s, p, ev);
    }
}

static void links_step(struct sim *s)
{
    bool with_slow_links = s->seed % 16 == 4 || s->seed % 16 == 6;
    for (unsigned k = 0; with_slow_links && k < 2 * s->n_nodes; k++) {
        uint64_t until = s->nodes[k / 2].slow_until[k % 2];
        if (until != 0 && (s->healed || until <= s->now_ms)) {
            link_slow(s, k / 2, k % 2 == 0, false);
        } else if (until == 0 && !s->healed && rng_chance(&s->slow_rng, 2)) {
            link_slow(s, k / 2, k % 2 == 0, true);
        }
    }
}

static void clock_jump(struct sim *s, struct process *p)
{
    int64_t ms = (int64_t)(1000 + rng_below(&s->rng, 1200000));
    if (rng_chance(&s->rng, 100) && !s->disk_lost) {
        SOMETIMES(clock_jump_ten_years);
        ms = (int64_t)(3653 * SIM_DAY_MS);
    }
    SOMETIMES(clock_jump);
    s->broker_jumped = s->broker_jumped || p == &s->broker_process;
    p->clock_ms = rng_chance(&s->rng, 500) ? ms : -ms;
    sim_trace(s, "a clock jumps by %lld ms", (long long)p->clock_ms);
}

bool faults_lost_keys(const struct sim *s)
{
    for (unsigned i = 0; i < s->n_nodes; i++) {
        if (s->nodes[i].restored) {
            return true;
        }
    }
    return false;
}

/* A copy of a node's disk is kept for a while, then the node is put back to it: NODE-10. */
static void restore(struct sim *s, unsigned i)
{
    struct sim_node *sn = &s->nodes[i];
    if (sn->copy == NULL) {
        int r = sn->p.up ? tmx_spool_ram_clone(sn->p.spool.inner, &sn->copy) : 0;
        assert(r == 0);
        return;
    }
    if (s->disk_lost || damage_may(s)) {
        return;
    }
    SOMETIMES(node_restored);
    node_crash(s, i, "its disk is lost; an older copy is put in place");
    tmx_spool_close(sn->p.spool.inner);
    sn->p.spool.inner = sn->copy;
    sn->copy = NULL;
    sn->rebuild = sn->restored = true;
}

/* The broker's disk is gone: a new shard begins, which names the last head that was kept beside it (LOG-4). */
static void lose_broker_disk(struct sim *s)
{
    if (s->disk_lost || !s->broker_process.up || faults_lost_keys(s) || damage_may(s)) {   /* one disk at a time: that is the promise */
        return;
    }
    SOMETIMES(broker_disk_lost);
    check_audited(s);   /* much is open */
    s->disk_lost = true;
    for (unsigned i = 0; i < s->n_nodes; i++) {   /* one disaster at a time */
        s->nodes[i].evil = false;
        s->nodes[i].p.clock_ms = 0;
    }
    s->broker_process.clock_ms = 0;
    struct tmx_bytes head = tmx_broker_checkpoint(s->broker);
    assert(head.size <= sizeof(s->checkpoint));
    memcpy(s->checkpoint, head.data, head.size);
    s->checkpoint_size = head.size;
    broker_crash(s, "its disk is lost; a new shard begins");
    tmx_spool_close(s->broker_process.spool.inner);
    int r = tmx_spool_ram_new(&s->broker_process.spool.inner);
    assert(r == 0);
    federation_new_shard(&s->federation, "2026b");
    check_new_shard(s);
}

static void one_fault(struct sim *s)
{
    unsigned i = (unsigned)rng_below(&s->rng, s->n_nodes);
    struct sim_node *sn = &s->nodes[i];
    switch (rng_below(&s->rng, 12)) {
    case 0:
        s->seed % 10 == 8 ? broker_stop(s) : broker_crash(s, "killed");
        break;
    case 1:
        node_crash(s, i, "killed");
        break;
    case 2:
    case 3:
        SOMETIMES(partition);
        partition(s, i, 500 + rng_below(&s->rng, 30000));
        break;
    case 4:
        if (s->broker_process.up) {
            gate_down(s, i);
        }
        break;
    case 5:
        if (s->broker_process.up) {
            disk(s, rng_chance(&s->rng, 500));
        }
        break;
    case 6:
        clock_jump(s, rng_chance(&s->rng, 500) ? &s->broker_process : &sn->p);
        break;
    case 7:
        s->broker_process.clock_ms = 0;
        sn->p.clock_ms = 0;
        break;
    case 8:
        if (rng_chance(&s->rng, 300)) {
            directory_change(s);
        }
        break;
    case 9:
        restore(s, i);
        break;
    case 10:
        if (rng_chance(&s->rng, 300)) {
            lose_broker_disk(s);
        }
        break;
    default:
        sn->evil = !sn->evil && !s->disk_lost && rng_chance(&s->rng, 300);
        sn->was_evil = sn->was_evil || sn->evil;
        break;
    }
}

void faults_step(struct sim *s)
{
    links_step(s);
    node_disks_step(s);
    anchors_step(s);
    damage_step(s);
    for (unsigned i = 0; i < s->n_nodes; i++) {
        if (s->nodes[i].cut && s->nodes[i].cut_until <= s->now_ms) {
            s->nodes[i].cut = false;
        }
    }
    if (s->now_ms >= s->next_fault_ms) {
        s->next_fault_ms = s->now_ms + 200 + rng_below(&s->rng, 10000);
        one_fault(s);
    }
}

/* Once in a while a recipient stays away for 40 days first: everything to it expires. */
static void absence(struct sim *s)
{
    unsigned i = (unsigned)rng_below(&s->rng, s->n_nodes);
    SOMETIMES(recipient_away_40_days);
    node_crash(s, i, "away for 40 days");
    s->nodes[i].p.start_at = s->now_ms + 40 * SIM_DAY_MS;
    s->now_ms += 40 * SIM_DAY_MS - 1;
    sim_trace(s, "40 days later");
}

void faults_heal(struct sim *s)
{
    s->broker_process.clock_ms = 0;
    for (unsigned i = 0; i < s->n_nodes; i++) {
        s->nodes[i].cut = s->nodes[i].evil = false;
        s->nodes[i].p.clock_ms = 0;
        s->nodes[i].p.spool.crash = CRASH_NOT;
    }
    s->broker_process.spool.crash = CRASH_NOT;
    if (s->seed % 20 == 7 && !s->disk_lost) {
        absence(s);
    }
    s->healed = true;
    links_step(s);
    node_disks_step(s);
    if (!s->broker_process.up) {
        broker_start(s);
    }
    if (s->broker_process.up) {
        disk(s, false);
        for (unsigned i = 0; i < s->n_nodes; i++) {
            struct federation_member *m = &s->federation.members[i];
            if (m->status == TMX__MEMBER_STATUS__MEMBER_SUSPENDED) {
                m->status = TMX__MEMBER_STATUS__MEMBER_ACTIVE;
            }
        }
        directory_to_broker(s);
    }
    sim_trace(s, "everything heals");
}
