/* SPDX-License-Identifier: Apache-2.0
 * The loop of the broker: wait, drain what came, one turn of the core, send what it released.
 */
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <tmx/clock.h>
#include <tmx/code.h>
#include <tmx/log.h>
#include <tmx/notify.h>
#include <tmx/text.h>

#include "daemon.h"

#define BEAT_MS 1000u
#define SNAPSHOT_MS 5000u
#define CLOSE_MS 12000u         /* two rounds of witnesses, one of them without an answer (broker/core/witness.c) */

/* What one turn is fed with. Frames are borrowed from the gates until their next step. */
struct batch {
    size_t n;
    struct tmx_broker_event events[TMX_TURN_EVENTS_MAX + 6];
    struct tmx_message messages[TMX_TURN_EVENTS_MAX];
    size_t n_messages, bytes;
};

static struct tmx_broker_event *event_add(struct batch *batch, enum tmx_broker_event_kind kind)
{
    struct tmx_broker_event *ev = &batch->events[batch->n++];
    *ev = (struct tmx_broker_event){ .kind = kind, .mono_ms = tmx_clock_mono_ms(), .wall_us = tmx_clock_wall_us() };
    return ev;
}

static void gate_drain(struct gate *g, struct batch *batch, uint64_t bytes_max)
{
    bool up = tmx_gate_link_status(g->link)->state == TMX_GATE_UP;
    if (g->was_up && !up && batch->n < TMX_TURN_EVENTS_MAX) {
        struct tmx_broker_event *ev = event_add(batch, TMX_BROKER_GATE_DOWN);
        ev->member = tmx_bytes_str(g->member);
        tmx_log_text(TMX_LOG_WARNING, "gate.down", "%s: %s", g->member, tmx_gate_link_status(g->link)->failed);
    }
    g->was_up = up;
    bool busy = tmx_gate_link_busy(g->link);
    if (busy != g->told_busy && batch->n < TMX_TURN_EVENTS_MAX) {
        g->told_busy = busy;
        struct tmx_broker_event *ev = event_add(batch, TMX_BROKER_GATE_BUSY);
        ev->member = tmx_bytes_str(g->member);
        ev->busy = busy;
    }
    while (batch->n_messages < TMX_TURN_EVENTS_MAX && batch->n < TMX_TURN_EVENTS_MAX &&
           batch->bytes < bytes_max) {
        struct tmx_message *m = &batch->messages[batch->n_messages];
        if (tmx_gate_link_receive(g->link, m) != TMX_GATE_LINK_OK) {
            return;
        }
        batch->n_messages++;
        struct tmx_broker_event *ev = event_add(batch, TMX_BROKER_MESSAGE);
        ev->member = tmx_bytes_str(g->member);
        ev->route = TMX_BYTES(m->route, m->route_size);
        ev->n_frames = m->n_frames;
        ev->frames = m->frames;
        for (size_t i = 0; i < m->n_frames; i++) {
            batch->bytes += m->frames[i].size;
        }
    }
}

static void disk_watch(struct daemon *d, struct batch *batch)
{
    struct tmx_spool_stat stat;
    uint64_t now = tmx_clock_mono_ms();
    if (!tmx_room_due(&d->room, now) || tmx_spool_stat(d->spool, &stat) != 0) {
        return;   /* a spool that fails fails the turn */
    }
    bool full = d->room.full;
    tmx_room_look(&d->room, &stat, tmx_broker_open(d->broker) * TMX_REPORTS_ROOM, now);
    uint64_t erase_bytes = stat.rows[TMX_T_ERASE] > 0 ? d->room.over_bytes : 0;
    if (full != d->room.full || erase_bytes > 0) {
        struct tmx_broker_event *ev = event_add(batch, TMX_BROKER_DISK);
        ev->disk_full = d->room.full;
        ev->erase_bytes = erase_bytes;
    }
}

static void notices_log(const struct tmx_broker_output *out)
{
    static const uint8_t no_id[TMX_ID_SIZE];
    for (size_t i = 0; i < out->n_notices; i++) {
        const struct tmx_broker_notice *n = &out->notices[i];
        struct tmx_log_line l;
        tmx_log_begin(&l, n->alarm ? TMX_LOG_WARNING : TMX_LOG_INFO, n->event);
        if (memcmp(n->message_id, no_id, sizeof(no_id)) != 0) {
            tmx_log_id(&l, "id", n->message_id);
        }
        if (n->member[0] != 0) {
            tmx_log_bytes(&l, "member", tmx_member_code(n->member));
        }
        if (n->code != 0) {
            tmx_log_code(&l, "code", n->code);
        }
        tmx_log_u64(&l, "number", n->number);
        if (n->code == TMX_CODE_BAD_VERSION) {
            tmx_log_u64(&l, "own_version", TMX_LINK_VERSION);
        }
        tmx_log_end(&l);
    }
}

static void sends_out(struct daemon *d, const struct tmx_broker_output *out)
{
    for (size_t i = 0; i < out->n_sends; i++) {
        const struct tmx_broker_send *s = &out->sends[i];
        struct gate *g = gates_find(&d->gates, tmx_member_code(s->member));
        if (g == NULL) {
            continue;
        }
        struct tmx_message to = { .route_size = s->route_size };
        memcpy(to.route, s->route, sizeof(to.route));
        (void)!tmx_gate_link_send(g->link, &to, s->frames, s->n_frames);   /* lost is lost: the link says it again */
    }
    uint64_t now = tmx_clock_mono_ms();
    for (size_t i = 0; i < d->gates.n && out->n_sends > 0; i++) {
        if (tmx_gate_link_wants_write(d->gates.gate[i].link)) {
            tmx_gate_link_step(d->gates.gate[i].link, now);
        }
    }
}

/* SIGHUP: the directory file, missing keys of gates and the log level. */
static void reload(struct daemon *d)
{
    d->reload = false;
    tmx_notify_reloading();
    struct settings fresh;
    if (settings_load(d->settings.path, &fresh) == 0) {
        struct tmx_operators operators;
        char error[512];
        if (tmx_operators_load(fresh.operators, fresh.operators_key, &operators, error, sizeof(error)) == 0) {
            d->operators = operators;
        } else {   /* those of before stay */
            tmx_log_text(TMX_LOG_WARNING, "operators.unreadable", "%s", error);
        }
        settings_free(&fresh);   /* level and operators took effect; the rest needs a restart */
    }
    tmx_install_reload(&d->install, "tmx-broker", d->settings.directory);
    gates_sync(&d->gates, tmx_broker_directory(d->broker), tmx_clock_mono_ms());   /* key files that were missing */
    tmx_log_event(TMX_LOG_NOTICE, "broker.reloaded");
    tmx_notify_ready();
}

static void control_take(struct daemon *d)
{
    tmx_control_step(d->control, tmx_clock_mono_ms());
    struct tmx_control_request r;
    while (tmx_control_next(d->control, &r)) {
        control_answer(d, &r);
    }
    tmx_control_step(d->control, tmx_clock_mono_ms());
    if (d->http != NULL) {
        tmx_http_step(d->http, tmx_clock_mono_ms());
    }
}

/* Waits until a gate, an operator or a signal has something, or until the deadline. */
static void wait_for_work(struct daemon *d, uint64_t deadline_ms)
{
    struct pollfd fds[TMX_MEMBERS_MAX + TMX_CONTROL_FDS_MAX + 2];
    nfds_t n = 0;
    fds[n++] = (struct pollfd){ .fd = d->signals, .events = POLLIN };
    struct tmx_control_fd control[TMX_CONTROL_FDS_MAX];
    size_t n_control = tmx_control_fds(d->control, control);
    for (size_t i = 0; i < n_control; i++) {
        fds[n++] = (struct pollfd){ .fd = control[i].fd, .events = control[i].want_write ? POLLOUT : POLLIN };
    }
    uint64_t due = tmx_control_due(d->control);
    deadline_ms = due < deadline_ms ? due : deadline_ms;
    if (d->http != NULL) {
        fds[n++] = (struct pollfd){ .fd = tmx_http_fd(d->http), .events = POLLIN };
        due = tmx_http_due(d->http);
        deadline_ms = due < deadline_ms ? due : deadline_ms;
    }
    for (size_t i = 0; i < d->gates.n; i++) {
        const struct tmx_gate_link *l = d->gates.gate[i].link;
        due = tmx_gate_link_due(l);
        deadline_ms = due < deadline_ms ? due : deadline_ms;
        if (tmx_gate_link_fd(l) >= 0) {
            short events = (short)(POLLIN | (tmx_gate_link_wants_write(l) ? POLLOUT : 0));
            fds[n++] = (struct pollfd){ .fd = tmx_gate_link_fd(l), .events = events };
        }
    }
    uint64_t now = tmx_clock_mono_ms();
    int timeout = deadline_ms <= now ? 0 : deadline_ms - now > BEAT_MS ? (int)BEAT_MS : (int)(deadline_ms - now);
    (void)!poll(fds, n, timeout);
}

/* Beside the spool's fate: how far it was, and the head it had signed. */
static int marker_store(struct daemon *d)
{
    struct tmx_spool_mark mark;
    char path[4096];
    checkpoint_path(&d->settings, path, sizeof(path));
    tmx_spool_lmdb_mark(d->spool, &mark);
    int r = tmx_startup_keep(path, tmx_broker_checkpoint(d->broker));
    return r < 0 ? r : tmx_spool_marker_write(d->settings.marker, mark);
}

static void beat(struct daemon *d)
{
    uint64_t now = tmx_clock_mono_ms();
    if (now - d->last_beat_ms < BEAT_MS) {
        return;
    }
    d->last_beat_ms = now;
    gates_log(&d->gates);
    why_watch(d, now);
    tmx_log_tick();
    pace_take(d);
    tmx_notify_alive();
    if (now / SNAPSHOT_MS != d->last_snapshot) {
        d->last_snapshot = now / SNAPSHOT_MS;
        char path[4096];
        snprintf(path, sizeof(path), "%s/%s", d->settings.run, TMX_CONTROL_SNAPSHOT);
        json_t *status = control_status(d);
        (void)!tmx_control_snapshot(path, status);
        json_decref(status);
        int r = marker_store(d);
        d->marker_unwritten = r < 0;
        if (r < 0) {
            tmx_log_text(TMX_LOG_WARNING, "marker.unwritten", "%s: %s", d->settings.marker, strerror(-r));
        }
    }
}

static int one_turn(struct daemon *d, struct batch *batch, uint64_t *ret_deadline_ms)
{
    uint64_t now = tmx_clock_mono_ms();
    batch->n = batch->n_messages = batch->bytes = 0;
    disk_watch(d, batch);   /* before the messages that want room */
    uint64_t bytes_max = tmx_room_turn(&d->room);
    d->first_gate++;   /* another one each time: a turn may end before the last */
    for (size_t i = 0; i < d->gates.n; i++) {
        struct gate *gate = &d->gates.gate[(d->first_gate + i) % d->gates.n];
        tmx_gate_link_step(gate->link, now);
        gate_drain(gate, batch, bytes_max);
    }
    bool left = batch->bytes >= bytes_max || batch->n == TMX_TURN_EVENTS_MAX;   /* of what has come, perhaps */
    d->room.taken_bytes += batch->bytes;
    beat(d);
    if (d->closing) {
        event_add(batch, TMX_BROKER_CLOSE);
    }
    if (d->install.file != NULL) {
        struct tmx_broker_event *ev = event_add(batch, TMX_BROKER_DIRECTORY);
        ev->file = TMX_BYTES(d->install.file, d->install.size);
    }
    if (d->anchor.token.size > 0) {
        struct tmx_broker_event *ev = event_add(batch, TMX_BROKER_ANCHOR);
        ev->file = d->anchor.token;
        ev->size = d->anchor.size;
    }
    if (d->witness.asked) {
        struct tmx_broker_event *ev = event_add(batch, TMX_BROKER_WITNESS);
        ev->witness = TMX_BYTES(d->witness.name, d->witness.name_size);
        ev->body = TMX_BYTES(d->witness.body, d->witness.body_size);
        ev->status = d->witness.status;
    }
    if (d->operation.note.size > 0) {
        struct tmx_broker_event *ev = event_add(batch, TMX_BROKER_OPERATION);
        ev->file = d->operation.note;
        ev->operators = &d->operators;
    }
    if (batch->n == 0) {
        event_add(batch, TMX_BROKER_TICK);
    }
    struct tmx_broker_output out;
    int r = tmx_broker_turn(d->broker, batch->events, batch->n, &out);
    if (r < 0) {
        tmx_log_text(TMX_LOG_ERROR, "spool.failed", "%s: nothing more is acknowledged", strerror(-r));
        return r;
    }
    sends_out(d, &out);
    notices_log(&out);
    tmx_install_done(&d->install, d->control, out.directory_result, tmx_broker_directory(d->broker));
    control_anchored(d, out.anchor_result);
    control_witness_done(d, out.witness_result);
    control_operated(d, &out.operation);
    if (out.directory_changed || gates_due(&d->gates, now)) {
        gates_sync(&d->gates, tmx_broker_directory(d->broker), now);
    }
    d->closed = out.closed;
    *ret_deadline_ms = left ? 0 : out.deadline_ms;
    return 0;
}

/* Asked to stop: nothing new of members is taken in, and the last head is cosigned by the witnesses that answer, so that
 * another shard may follow it (LOG-4, WIT-7). Asked again, it stops at once. */
static int run_down(struct daemon *d, struct batch *batch)
{
    uint64_t end_ms = tmx_clock_mono_ms() + CLOSE_MS, deadline_ms = 0;
    int r = 0;
    d->stop = false;
    for (d->closing = true; r == 0 && !d->closed && !d->stop && tmx_clock_mono_ms() < end_ms;) {
        r = one_turn(d, batch, &deadline_ms);
        if (r == 0 && !d->closed) {
            wait_for_work(d, deadline_ms);
            tmx_signals_take(d->signals, &d->stop, &d->reload);
            control_take(d);
        }
    }
    return r;
}

int daemon_run(struct daemon *d)
{
    struct batch *batch = calloc(1, sizeof(*batch));
    if (batch == NULL) {
        return 1;
    }
    d->started_ms = tmx_clock_mono_ms();
    d->room.mark_percent = d->settings.high_water_percent;
    d->gates.settings = &d->settings;
    gates_sync(&d->gates, tmx_broker_directory(d->broker), d->started_ms);
    int r = 0;
    bool announced = false;
    uint64_t deadline_ms = 0;
    while (!d->stop && r == 0) {
        wait_for_work(d, deadline_ms);
        tmx_signals_take(d->signals, &d->stop, &d->reload);
        control_take(d);
        if (d->reload) {
            reload(d);
        }
        r = one_turn(d, batch, &deadline_ms);
        if (!announced) {
            announced = true;
            tmx_notify_ready();
            tmx_log_text(TMX_LOG_NOTICE, "broker.ready", "shard %s, %llu leaves", d->settings.shard,
                         (unsigned long long)tmx_broker_log_size(d->broker));
        }
    }
    tmx_notify_stopping();
    r = r == 0 ? run_down(d, batch) : r;
    if (r == 0) {
        struct tmx_broker_cosigned_view cosigned;
        tmx_broker_cosigned(d->broker, &cosigned);
        tmx_log_text(TMX_LOG_NOTICE, "broker.stopped", "%llu leaves, %llu of them cosigned by a quorum",
                     (unsigned long long)tmx_broker_log_size(d->broker), (unsigned long long)cosigned.size);
        r = marker_store(d);
    }
    gates_free(&d->gates);
    free(batch);
    return r < 0 ? TMX_EXIT_STORAGE : 0;
}
