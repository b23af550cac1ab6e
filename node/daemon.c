/* SPDX-License-Identifier: Apache-2.0
 * The loop of the node: wait, drain what came, one turn of the core, say what it released.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <tmx/clock.h>
#include <tmx/code.h>
#include <tmx/log.h>
#include <tmx/notify.h>
#include <tmx/zap.h>

#include "daemon.h"

#define BEAT_MS 1000u
#define SNAPSHOT_MS 5000u
#define LINK_AGAIN_MAX_MS 60000u
#define LINGER_MS 500u   /* for what a node that stops has said last */
/* Messages copied out of the sockets for one turn: receiving lends them only until the next receive. */
#define BATCH_MESSAGES 128u
#define BATCH_BYTES (48u << 20)

struct batch {
    size_t n;
    struct tmx_node_event events[BATCH_MESSAGES + 7];
    uint8_t *copies[BATCH_MESSAGES];   /* one block a message: frames and bytes */
    struct tmx_message to[BATCH_MESSAGES];   /* routes of applications */
    size_t n_messages, bytes;
};

static struct tmx_node_event *event_add(struct batch *b, enum tmx_node_event_kind kind)
{
    struct tmx_node_event *ev = &b->events[b->n++];
    *ev = (struct tmx_node_event){ .kind = kind, .mono_ms = tmx_clock_mono_ms(), .wall_us = tmx_clock_wall_us() };
    tmx_entropy(ev->entropy);
    return ev;
}

static bool message_copy(struct batch *b, const struct tmx_message *m, struct tmx_node_event *ev)
{
    size_t bytes = m->n_frames * sizeof(struct tmx_bytes) + 16 + sizeof(m->peer);
    for (size_t i = 0; i < m->n_frames; i++) {
        bytes += m->frames[i].size;
    }
    uint8_t *block = malloc(bytes);
    if (block == NULL) {
        return false;
    }
    b->copies[b->n_messages] = block;
    struct tmx_bytes *frames = (struct tmx_bytes *)block;
    uint8_t *at = block + m->n_frames * sizeof(*frames);
    for (size_t i = 0; i < m->n_frames; i++) {
        frames[i] = TMX_BYTES(at, m->frames[i].size);
        if (m->frames[i].size > 0) {
            memcpy(at, m->frames[i].data, m->frames[i].size);
        }
        at += m->frames[i].size;
    }
    size_t name = strlen(m->peer);
    memcpy(at, m->peer, name);
    ev->application = TMX_BYTES(at, name);
    ev->n_frames = m->n_frames;
    ev->frames = frames;
    b->n_messages++;
    b->bytes += bytes;
    return true;
}

/* The node core's route of an application: which socket, then ZeroMQ's handle of the peer. */
static void socket_drain(struct tmx_socket *s, uint8_t which, enum tmx_node_event_kind kind, struct batch *b)
{
    struct tmx_message m;
    while (s != NULL && b->n_messages < BATCH_MESSAGES && b->bytes < BATCH_BYTES &&
           tmx_socket_receive(s, &m) == TMX_SOCKET_OK) {
        struct tmx_node_event *ev = event_add(b, kind);
        size_t i = b->n_messages;
        if (!message_copy(b, &m, ev)) {
            b->n--;
            return;
        }
        b->to[i].route[0] = which;
        b->to[i].route_size = (uint8_t)(m.route_size < sizeof(m.route) ? m.route_size : 7);
        memcpy(b->to[i].route + 1, m.route, b->to[i].route_size);
        if (kind == TMX_NODE_APP_REQUEST) {
            ev->route = TMX_BYTES(b->to[i].route, 1u + b->to[i].route_size);
        }
    }
}

static void batch_clear(struct batch *b)
{
    for (size_t i = 0; i < b->n_messages; i++) {
        free(b->copies[i]);
    }
    b->n = b->n_messages = b->bytes = 0;
}

/* Where this member connects, and the gate's key, are in the directory. */
static int link_sync(struct daemon *d)
{
    const Tmx__Directory *pb = tmx_directory_pb(tmx_node_directory(d->node));
    const Tmx__Gate *gate = NULL;
    for (size_t i = 0; i < pb->n_gates; i++) {
        if (tmx_bytes_eq(tmx_pb(pb->gates[i]->member), tmx_bytes_str(d->settings.member))) {
            gate = pb->gates[i];
        }
    }
    if (gate == NULL || gate->endpoint.len >= sizeof(d->gate_endpoint)) {
        tmx_log_text(TMX_LOG_ERROR, "link.no-gate", "the directory lists no gate for %s", d->settings.member);
        return 0;
    }
    bool same = d->link != NULL && tmx_bytes_eq(tmx_pb(gate->endpoint), tmx_bytes_str(d->gate_endpoint)) &&
                tmx_bytes_eq(tmx_pb(gate->curve_key), TMX_BYTES_OF(d->gate_key));
    if (same) {
        return 0;
    }
    d->link = tmx_socket_close(d->link);
    d->told_secured = 0;
    tmx_outbox_clear(&d->outbox);
    memcpy(d->gate_endpoint, gate->endpoint.data, gate->endpoint.len);
    d->gate_endpoint[gate->endpoint.len] = '\0';
    memcpy(d->gate_key, gate->curve_key.data, sizeof(d->gate_key));
    tmx_transport_applications(d->transport, false);
    int r = tmx_socket_connect(d->transport, d->gate_endpoint, &d->keys.curve, d->gate_key, &d->link);
    if (r < 0) {
        tmx_log_text(TMX_LOG_ERROR, "link.connect", "%s: %s", d->gate_endpoint, strerror(-r));
    }
    return r;
}

/* The gate refused this node's key, and the broker may have another directory by now: again, after 1 s and at most 60 s (LINK-4). */
static int link_again(struct daemon *d)
{
    const struct tmx_socket_story *s = d->link != NULL ? tmx_socket_story(d->link) : NULL;
    if (s == NULL || s->failure != TMX_SOCKET_FAILED_KEY || s->begun_ms != 0 || s->connected_ms > s->failed_ms) {
        return 0;
    }
    uint64_t wait_ms = s->failures < 6 ? UINT64_C(500) << s->failures : LINK_AGAIN_MAX_MS;
    int r = tmx_clock_mono_ms() - s->failed_ms < wait_ms ? 0 : tmx_socket_again(d->link);
    if (r < 0) {
        tmx_log_text(TMX_LOG_ERROR, "link.connect", "%s: %s", d->gate_endpoint, strerror(-r));
    }
    return r;
}

static int endpoints_open(struct daemon *d)
{
    int r = tmx_transport_new(d->settings.listen != NULL, &d->transport);
    if (r == 0 && d->settings.listen != NULL) {
        r = tmx_transport_admit(d->transport, d->applications.admits, d->applications.n);
    }
    if (r < 0) {
        tmx_log_text(TMX_LOG_ERROR, "transport.failed", "%s", strerror(-r));
        return r;
    }
    tmx_transport_applications(d->transport, true);
    r = tmx_socket_serve(d->transport, d->settings.endpoint, NULL, &d->local);
    if (r < 0) {
        tmx_log_text(TMX_LOG_ERROR, "endpoint.failed", "%s: %s", d->settings.endpoint, strerror(-r));
        return r;
    }
    if (d->settings.listen != NULL) {
        r = tmx_socket_serve(d->transport, d->settings.listen, &d->keys.curve, &d->remote);
    }
    if (r < 0) {
        tmx_log_text(TMX_LOG_ERROR, "endpoint.failed", "%s: %s", d->settings.listen, strerror(-r));
        return r;
    }
    return link_sync(d);
}

static void notices_log(struct daemon *d, const struct tmx_node_output *out)
{
    static const uint8_t no_id[TMX_ID_SIZE];
    for (size_t i = 0; i < out->n_notices; i++) {
        const struct tmx_node_notice *n = &out->notices[i];
        struct tmx_log_line l;
        d->ever_linked = d->ever_linked || strcmp(n->event, "link.up") == 0;
        tmx_log_begin(&l, n->alarm ? TMX_LOG_WARNING : TMX_LOG_INFO, n->event);
        if (memcmp(n->message_id, no_id, sizeof(no_id)) != 0) {
            tmx_log_id(&l, "id", n->message_id);
        }
        if (n->member[0] != 0) {
            tmx_log_bytes(&l, "member", TMX_BYTES(n->member, strnlen((const char *)n->member, sizeof(n->member))));
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

static void answers_out(struct daemon *d, const struct tmx_node_output *out)
{
    if (out->session_begun) {
        tmx_outbox_clear(&d->outbox);
        d->told_busy = false;
    }
    for (size_t i = 0; i < out->n_sends && d->link != NULL; i++) {
        const struct tmx_node_send *s = &out->sends[i];
        bool wait = tmx_outbox_first(&d->outbox) != NULL ||
                    tmx_socket_send(d->link, NULL, s->frames, s->n_frames) != TMX_SOCKET_OK;
        if (wait && tmx_outbox_put(&d->outbox, NULL, s->frames, s->n_frames) < 0) {
            tmx_log_event(TMX_LOG_WARNING, "link.outbox-full");   /* lost: the numbers show it, the session ends */
        }
    }
    for (size_t i = 0; i < out->n_answers; i++) {
        const struct tmx_node_answer *a = &out->answers[i];
        struct tmx_socket *s = a->route[0] == 1 ? d->remote : d->local;
        struct tmx_message to = { .route_size = (uint8_t)(a->route_size - 1) };
        memcpy(to.route, a->route + 1, to.route_size);
        if (s != NULL) {
            (void)!tmx_socket_send(s, &to, a->frames, a->n_frames);   /* an application that went away asks again */
        }
    }
}

/* SIGHUP: the directory file, the catalogue and the log level. */
static void reload(struct daemon *d)
{
    d->reload = false;
    tmx_notify_reloading();
    struct settings fresh;
    struct tmx_catalogue *catalogue;
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
    if (settings_catalogue(&d->settings, &catalogue) == 0) {
        tmx_node_catalogue(d->node, catalogue);
        tmx_catalogue_free(d->catalogue);
        d->catalogue = catalogue;
    }
    tmx_install_reload(&d->install, "tmx-node", d->settings.directory);
    tmx_log_event(TMX_LOG_NOTICE, "node.reloaded");
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

static int wait_for_work(struct daemon *d, uint64_t deadline_ms)
{
    struct tmx_poll items[5 + TMX_CONTROL_FDS_MAX];
    size_t n = 0;
    struct tmx_socket *sockets[] = { d->link, d->local, d->remote };
    for (size_t i = 0; i < TMX_N(sockets); i++) {
        if (sockets[i] != NULL) {
            bool waits = i == 0 && tmx_outbox_first(&d->outbox) != NULL;
            items[n++] = (struct tmx_poll){ .socket = sockets[i], .fd = -1, .want_write = waits };
        }
    }
    items[n++] = (struct tmx_poll){ .fd = d->signals };
    struct tmx_control_fd control[TMX_CONTROL_FDS_MAX];
    size_t n_control = tmx_control_fds(d->control, control);
    for (size_t i = 0; i < n_control; i++) {
        items[n++] = (struct tmx_poll){ .fd = control[i].fd, .want_write = control[i].want_write };
    }
    uint64_t due = tmx_control_due(d->control);
    deadline_ms = due < deadline_ms ? due : deadline_ms;
    if (d->http != NULL) {
        items[n++] = (struct tmx_poll){ .fd = tmx_http_fd(d->http) };
        due = tmx_http_due(d->http);
        deadline_ms = due < deadline_ms ? due : deadline_ms;
    }
    uint64_t now = tmx_clock_mono_ms();
    int timeout = deadline_ms <= now ? 0 : deadline_ms - now > BEAT_MS ? (int)BEAT_MS : (int)(deadline_ms - now);
    return tmx_transport_poll(d->transport, items, n, timeout);
}

static int marker_store(struct daemon *d)
{
    struct tmx_spool_mark mark;
    tmx_spool_lmdb_mark(d->spool, &mark);
    return tmx_spool_marker_write(d->settings.marker, mark);
}

static void beat(struct daemon *d)
{
    uint64_t now = tmx_clock_mono_ms();
    if (now - d->last_beat_ms < BEAT_MS) {
        return;
    }
    d->last_beat_ms = now;
    if (d->remote != NULL) {
        tmx_zap_log(d->settings.listen, tmx_transport_counters(d->transport), &d->told_refused);
    }
    tmx_log_tick();
    pace_take(d);
    tmx_notify_alive();
    if (d->proof_unwritten) {
        proofs_write(d);
    }
    if (now / SNAPSHOT_MS != d->last_snapshot) {
        d->last_snapshot = now / SNAPSHOT_MS;
        char path[4096];
        snprintf(path, sizeof(path), "%s/%s", d->settings.run, TMX_CONTROL_SNAPSHOT);
        json_t *status = control_status(d);
        if (status != NULL) {
            (void)!tmx_control_snapshot(path, status);
        }
        json_decref(status);
        int r = marker_store(d);
        d->marker_unwritten = r < 0;
        if (r < 0) {
            tmx_log_text(TMX_LOG_WARNING, "marker.unwritten", "%s: %s", d->settings.marker, strerror(-r));
        }
    }
}

static void disk_watch(struct daemon *d, struct batch *b)
{
    struct tmx_spool_stat stat;
    struct tmx_node_state_view v;
    uint64_t now = tmx_clock_mono_ms();
    if (!tmx_room_due(&d->submit_room, now) || tmx_spool_stat(d->spool, &stat) != 0 ||
        tmx_node_state(d->node, &v) != 0) {
        return;   /* a spool that fails fails the turn */
    }
    uint64_t promised = v.open * TMX_EVIDENCE_ROOM + v.moving_bytes;
    tmx_room_look(&d->submit_room, &stat, promised, now);
    tmx_room_look(&d->arrive_room, &stat, promised, now);
    struct tmx_node_event *ev = event_add(b, TMX_NODE_DISK);
    ev->submit_bytes = d->submit_room.left_bytes;
    ev->arrive_bytes = d->arrive_room.left_bytes;
    ev->turn_bytes = tmx_room_turn(&d->submit_room);
}

/* What the link did not take in earlier turns; and the core is told whether anything still waits. */
static void outbox_drain(struct daemon *d, struct batch *b)
{
    const struct tmx_message *m = tmx_outbox_first(&d->outbox);
    while (d->link != NULL && m != NULL && tmx_socket_send(d->link, NULL, m->frames, m->n_frames) == TMX_SOCKET_OK) {
        tmx_outbox_drop(&d->outbox);
        m = tmx_outbox_first(&d->outbox);
    }
    if ((m != NULL) != d->told_busy) {
        d->told_busy = m != NULL;
        event_add(b, TMX_NODE_LINK_BUSY)->busy = d->told_busy;
    }
}

/* The first connection carries the Hello; who answers at a later one is asked. */
static void link_watch(struct daemon *d, struct batch *b)
{
    uint64_t secured = d->link != NULL ? tmx_socket_story(d->link)->secured : 0;
    if (d->told_secured > 0 && secured > d->told_secured) {
        (void)event_add(b, TMX_NODE_LINK_ANEW);
    }
    d->told_secured = secured;
}

static void operator_events(struct daemon *d, struct batch *b)
{
    if (d->install.file != NULL) {
        event_add(b, TMX_NODE_DIRECTORY)->file = TMX_BYTES(d->install.file, d->install.size);
    }
    if (d->probe.asked) {
        event_add(b, TMX_NODE_PROBE)->member = tmx_bytes_str(d->probe.member);
    }
    if (d->operation.note.size > 0) {
        struct tmx_node_event *ev = event_add(b, TMX_NODE_OPERATION);
        ev->file = d->operation.note;
        ev->operators = &d->operators;
    }
    if (b->n == 0) {
        (void)event_add(b, TMX_NODE_TICK);
    }
    if (d->stop) {
        (void)event_add(b, TMX_NODE_STOP);
    }
}

static int one_turn(struct daemon *d, struct batch *b, uint64_t *ret_deadline_ms)
{
    disk_watch(d, b);   /* before the messages that want room */
    outbox_drain(d, b);
    link_watch(d, b);
    socket_drain(d->link, 2, TMX_NODE_LINK_MESSAGE, b);
    socket_drain(d->local, 0, TMX_NODE_APP_REQUEST, b);
    socket_drain(d->remote, 1, TMX_NODE_APP_REQUEST, b);
    operator_events(d, b);
    d->submit_room.taken_bytes += b->bytes;
    struct tmx_node_output out;
    int r = tmx_node_turn(d->node, b->events, b->n, &out);
    batch_clear(b);
    if (r < 0) {
        tmx_log_text(TMX_LOG_ERROR, "spool.failed", "%s: nothing more is acknowledged", strerror(-r));
        return r;
    }
    answers_out(d, &out);
    notices_log(d, &out);
    if (out.misbehaved) {
        proofs_write(d);
    }
    tmx_install_done(&d->install, d->control, out.directory_result, tmx_node_directory(d->node));
    control_operated(d, &out.operation);
    control_probe_done(d, &out);
    *ret_deadline_ms = out.deadline_ms;
    if (out.directory_changed) {
        r = link_sync(d);
    }
    r = r == 0 ? link_again(d) : r;
    beat(d);
    return r;
}

int daemon_run(struct daemon *d)
{
    struct batch *b = calloc(1, sizeof(*b));
    if (b == NULL) {
        return 1;
    }
    d->started_ms = tmx_clock_mono_ms();
    d->submit_room.mark_percent = d->settings.high_water_percent;
    d->arrive_room.mark_percent = (d->settings.high_water_percent + 100) / 2;
    proofs_write(d);
    int r = endpoints_open(d);
    int code = r < 0 ? 1 : 0;
    bool announced = false;
    uint64_t deadline_ms = 0;
    while (!d->stop && r == 0) {
        r = wait_for_work(d, deadline_ms);
        tmx_signals_take(d->signals, &d->stop, &d->reload);
        control_take(d);
        if (d->reload) {
            reload(d);
        }
        r = r < 0 ? r : one_turn(d, b, &deadline_ms);
        code = r < 0 ? TMX_EXIT_STORAGE : 0;
        if (!announced && r == 0) {
            announced = true;
            tmx_notify_ready();
            tmx_log_text(TMX_LOG_NOTICE, "node.ready", "member %s, applications at %s", d->settings.member,
                         d->settings.endpoint);
        }
    }
    tmx_notify_stopping();
    if (r == 0) {
        r = marker_store(d);
        code = r < 0 ? TMX_EXIT_STORAGE : 0;
        tmx_log_event(TMX_LOG_NOTICE, "node.stopped");
        if (d->link != NULL) {
            tmx_socket_linger(d->link, LINGER_MS);
        }
    }
    d->link = tmx_socket_close(d->link);
    tmx_outbox_clear(&d->outbox);
    d->local = tmx_socket_close(d->local);
    d->remote = tmx_socket_close(d->remote);
    d->transport = tmx_transport_free(d->transport);
    free(b);
    return code;
}
