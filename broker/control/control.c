/* SPDX-License-Identifier: Apache-2.0
 * What operators ask over the control socket (include/tmx/control.h documents every answer); auditors: control_log.c.
 */
#include <stdlib.h>
#include <string.h>

#include <tmx/clock.h>
#include <tmx/code.h>
#include <tmx/envelope.h>
#include <tmx/text.h>
#include <tmx/why.h>

#include "../daemon.h"

#define UNCOSIGNED_WARN_MS 600000u
#define PREKEYS_WARN_MS (3 * 86400000ull)   /* of 30 days; a node publishes new ones each day */

static const char *link_name(const struct tmx_broker_link_view *v)
{
    return v->up ? "up" : v->ever ? "down" : "never";
}

/* Status */

/* The node of one who takes part was not heard of for as long as makes a delivery late. */
static void away_problem(struct daemon *d, json_t *list, const Tmx__Member *m, const char *code)
{
    struct tmx_broker_link_view v;
    char see[32], span[TMX_WHY_SPAN_MAX];
    if (m->status != TMX__MEMBER_STATUS__MEMBER_ACTIVE || tmx_broker_link(d->broker, tmx_pb(m->code), &v) != 0 || v.up) {
        return;
    }
    uint64_t away_ms = tmx_answer_age(tmx_clock_mono_ms(), v.ever ? v.last_frame_ms : d->started_ms);
    if (away_ms > d->settings.late_ms) {
        snprintf(see, sizeof(see), "tmxctl why %s", code);
        tmx_answer_problem_see(list, "warning", see, v.ever ? "%s: away for %s" : "%s: not linked since the start of the broker %s ago", code,
                               tmx_why_span(away_ms, span));
    }
}

/* Whom deliveries wait for too long, who is away, and who will soon be written to with its last-resort key. */
static void member_problems(struct daemon *d, json_t *list, const Tmx__Member *m)
{
    struct tmx_ages_view ages;
    char code[TMX_MEMBER_MAX + 1], see[32];
    tmx_printable(tmx_pb(m->code), code, sizeof(code));
    snprintf(see, sizeof(see), "tmxctl queue %s", code);
    away_problem(d, list, m, code);
    if (tmx_broker_ages(d->broker, tmx_pb(m->code), &ages) && ages.late > 0) {
        uint64_t s = d->settings.late_ms / 1000;
        tmx_answer_problem_see(list, "warning", see, "%s: %ju wait longer than %ju %s", code, (uintmax_t)ages.late,
                               (uintmax_t)(s < 120 ? s : s / 60), s < 120 ? "s" : "min");
    }
    uint64_t until_ms = tmx_broker_prekeys_until(d->broker, tmx_pb(m->code)), now_ms = tmx_clock_wall_ms();
    if (m->status == TMX__MEMBER_STATUS__MEMBER_ACTIVE && until_ms != 0 && until_ms < now_ms + PREKEYS_WARN_MS) {
        tmx_answer_problem_see(list, "warning", "tmxctl peers", "%s: its prekeys end %s: its node has not published new ones", code,
                               until_ms < now_ms ? "already" : "within 3 days");
    }
}

static json_t *problems_of(struct daemon *d, const json_t *operating)
{
    json_t *list = json_array();
    struct tmx_broker_state_view v;
    tmx_broker_state(d->broker, &v);
    if (v.halted) {
        tmx_answer_problem_see(list, "critical", "journalctl -u tmx-broker -p warning",
                               "a node showed a signed head beyond this log: nothing is signed any more. "
                               "Find what was lost, then tmx-broker restore in a new shard");
    }
    if (v.disk_full) {
        tmx_answer_problem_see(list, "critical", "tmxctl queue",
                               "the spool is above its high-water mark, or full with what is promised: admission has stopped");
    }
    tmx_answer_key_problem(list, d->settings.keys, "log.key");
    struct tmx_broker_cosigned_view cosigned;
    tmx_broker_cosigned(d->broker, &cosigned);
    if (cosigned.waiting_ms > UNCOSIGNED_WARN_MS) {
        tmx_answer_problem_see(list, "warning", "tmxctl peers",
                               "the head of the log has not been cosigned by the quorum of witnesses for over 10 minutes");
    }
    tmx_answer_marker_problem(list, d->marker_unwritten);
    if (v.clock_doubt) {
        tmx_answer_problem_see(list, "critical", "timedatectl",
                               "the clock jumped or disagrees with the members: admission and expiry have stopped");
    }
    tmx_answer_directory_problems(list, tmx_broker_directory(d->broker), v.directory_expired, tmx_clock_wall_ms());
    tmx_answer_spool_problem(list, d->spool, d->series);
    control_operating_problems(operating, list);
    for (size_t i = 0; i < d->gates.n; i++) {
        const struct tmx_gate_status *s = tmx_gate_link_status(d->gates.gate[i].link);
        if (s->state != TMX_GATE_UP && s->failed[0] != '\0') {
            tmx_answer_problem_see(list, "warning", "journalctl -u tmx-broker -g gate.down", "the gate of %s is not up",
                                   d->gates.gate[i].member);
        }
    }
    control_gate_problems(&d->gates, list);
    const Tmx__Directory *pb = tmx_directory_pb(tmx_broker_directory(d->broker));
    for (size_t i = 0; i < pb->n_members; i++) {
        member_problems(d, list, pb->members[i]);
    }
    return list;
}

static json_t *log_of(const struct daemon *d)
{
    json_t *log = tmx_answer_log(tmx_broker_checkpoint(d->broker));
    struct tmx_broker_cosigned_view v;
    tmx_broker_cosigned(d->broker, &v);
    if (v.witnesses > 0) {
        tmx_answer_cosigned(log, v.witnesses, v.size, &v.quorum, tmx_clock_wall_ms());
    }
    struct tmx_broker_anchored_view anchored;
    tmx_broker_anchored(d->broker, &anchored);
    if (anchored.size > 0) {
        json_object_set_new(log, "anchor", json_pack("{sI sI}", "size", (json_int_t)anchored.size, "age_ms",
                                                     (json_int_t)tmx_answer_age(tmx_clock_wall_ms(), anchored.at_ms)));
    }
    return log;
}

static json_t *gates_of(const struct daemon *d)
{
    static const char *const names[] = {"waiting", "starting", "up", "ending"};
    json_t *list = json_array();
    for (size_t i = 0; i < d->gates.n; i++) {
        const struct tmx_gate_status *s = tmx_gate_link_status(d->gates.gate[i].link);
        json_t *g = json_pack("{ss ss ss sI}", "member", d->gates.gate[i].member, "endpoint", d->gates.gate[i].endpoint,
                              "state", names[s->state], "restarts", (json_int_t)(s->starts > 0 ? s->starts - 1 : 0));
        if (s->failed[0] != '\0') {
            json_object_set_new(g, "failed", json_string(s->failed));
        }
        json_object_set_new(g, "pid", json_integer(s->pid));
        json_object_set_new(g, "counters",
                            json_pack("{sI sI sI sI sI}", "accepted", (json_int_t)s->counters.zap_accepted, "refused",
                                      (json_int_t)s->counters.zap_refused, "unnamed", (json_int_t)s->counters.unnamed,
                                      "oversize", (json_int_t)s->counters.oversize, "dropped", (json_int_t)s->dropped));
        json_array_append_new(list, g);
    }
    return list;
}

static json_t *destination_of(struct daemon *d, const Tmx__Member *m)
{
    struct tmx_broker_link_view v;
    if (tmx_broker_link(d->broker, tmx_pb(m->code), &v) != 0) {
        return NULL;
    }
    json_t *j = json_pack("{so ss sI sI sI}", "member", tmx_answer_text(tmx_pb(m->code)), "link", link_name(&v),
                          "queued", (json_int_t)v.destination.queued, "queued_bytes",
                          (json_int_t)v.destination.queued_bytes, "in_flight", (json_int_t)v.in_flight);
    json_object_set_new(j, "arrived", json_integer((json_int_t)v.destination.arrived));
    json_object_set_new(j, "terminal", json_integer((json_int_t)v.destination.terminal));
    json_object_set_new(j, "status", json_string(tmx_answer_member_status(m->status)));
    struct tmx_ages_view ages;
    if (tmx_broker_ages(d->broker, tmx_pb(m->code), &ages)) {
        tmx_answer_ages(j, &ages);
    }
    if (v.next_retry_ms != 0) {
        json_object_set_new(j, "next_retry_ms", json_integer((json_int_t)v.next_retry_ms));
    }
    if (v.oldest_ms != 0) {
        json_object_set_new(j, "oldest_ms", json_integer((json_int_t)tmx_answer_age(tmx_clock_wall_ms(), v.oldest_ms)));
    }
    if (v.last_code != 0) {
        json_object_set_new(j, "last_error", json_string(tmx_code_name(v.last_code)));
    }
    if (v.ever) {
        json_object_set_new(j, "last_seen_ms",
                            json_integer((json_int_t)tmx_answer_age(tmx_clock_mono_ms(), v.last_frame_ms)));
    }
    return j;
}

/* What ends when: {"prekeys": the member whose last dated key ends first}. */
static json_t *keys_of(struct daemon *d)
{
    const Tmx__Directory *pb = tmx_directory_pb(tmx_broker_directory(d->broker));
    uint64_t first_ms = UINT64_MAX;
    const Tmx__Member *first = NULL;
    for (size_t i = 0; i < pb->n_members; i++) {
        uint64_t until_ms = tmx_broker_prekeys_until(d->broker, tmx_pb(pb->members[i]->code));
        if (until_ms != 0 && until_ms < first_ms && pb->members[i]->status == TMX__MEMBER_STATUS__MEMBER_ACTIVE) {
            first_ms = until_ms;
            first = pb->members[i];
        }
    }
    json_t *keys = first == NULL ? json_object()
                                 : json_pack("{sI so}", "prekeys_until_at_ms", (json_int_t)first_ms, "prekeys_of",
                                             tmx_answer_text(tmx_pb(first->code)));
    tmx_answer_key(keys, d->settings.keys, "log.key");
    return keys;
}

static json_t *destinations_of(struct daemon *d)
{
    json_t *list = json_array();
    const Tmx__Directory *pb = tmx_directory_pb(tmx_broker_directory(d->broker));
    for (size_t i = 0; i < pb->n_members; i++) {
        json_array_append_new(list, destination_of(d, pb->members[i]));
    }
    return list;
}

static json_t *counters_of(const struct tmx_broker_state_view *v)
{
    return json_pack("{sI sI sI sI sI sI sI sI sI sI sI}", "accepted", (json_int_t)v->accepted, "refused", (json_int_t)v->refused,
                     "reports", (json_int_t)v->reports, "expired", (json_int_t)v->expired, "erased",
                     (json_int_t)v->erased, "deferred", (json_int_t)v->deferred, "malformed", (json_int_t)v->malformed, "duplicates",
                     (json_int_t)v->duplicates, "accepted_bytes", (json_int_t)v->accepted_bytes, "arrived",
                     (json_int_t)v->arrived, "delivered", (json_int_t)v->delivered);
}

json_t *control_status(struct daemon *d)
{
    struct tmx_broker_state_view v;
    tmx_broker_state(d->broker, &v);
    json_t *operating = control_operating(d);
    json_t *status = tmx_answer_status("broker", tmx_broker_directory(d->broker), d->started_ms, problems_of(d, operating));
    json_object_set_new(status, "log", log_of(d));
    json_object_set_new(status, "spool", tmx_answer_spool(d->spool));
    json_object_set_new(status, "gates", gates_of(d));
    json_object_set_new(json_object_get(status, "log"), "stopped", json_boolean(v.halted));
    json_object_set_new(json_object_get(status, "spool"), "full", json_boolean(v.disk_full));
    json_object_set_new(status, "clock_doubt", json_boolean(v.clock_doubt));
    json_object_set_new(status, "keys", keys_of(d));
    json_object_set_new(status, "late_after_ms", json_integer((json_int_t)d->settings.late_ms));
    json_object_set_new(status, "destinations", destinations_of(d));
    tmx_answer_counted(status, tmx_broker_ages_percent(d->broker));
    json_object_update_missing(status, operating);
    json_decref(operating);
    json_object_set_new(status, "counters", counters_of(&v));
    pace_add(d, status);
    return status;
}

/* Peers, queues, messages */

static json_t *peers(struct daemon *d)
{
    json_t *list = json_array();
    const Tmx__Directory *pb = tmx_directory_pb(tmx_broker_directory(d->broker));
    for (size_t i = 0; i < pb->n_members; i++) {
        const Tmx__Member *m = pb->members[i];
        struct tmx_broker_link_view v;
        if (tmx_broker_link(d->broker, tmx_pb(m->code), &v) != 0) {
            continue;
        }
        json_t *j = json_pack("{so so ss ss sI sI sI}", "member", tmx_answer_text(tmx_pb(m->code)), "name",
                              tmx_answer_text(tmx_pb(m->name)), "status", tmx_answer_member_status(m->status), "link",
                              link_name(&v), "session", (json_int_t)v.session, "feed_next", (json_int_t)v.feed_next,
                              "feed_acked", (json_int_t)v.feed_acked);
        uint64_t until_ms = tmx_broker_prekeys_until(d->broker, tmx_pb(m->code));
        if (until_ms != 0) {
            json_object_set_new(j, "prekeys_until_at_ms", json_integer((json_int_t)until_ms));
        }
        if (v.ever) {
            json_object_set_new(j, "last_seen_ms",
                                json_integer((json_int_t)tmx_answer_age(tmx_clock_mono_ms(), v.last_frame_ms)));
        }
        if (v.last_code != 0) {
            json_object_set_new(j, "last_error", json_string(tmx_code_name(v.last_code)));
        }
        json_array_append_new(list, j);
    }
    return json_pack("{so}", "peers", list);
}

const Tmx__LogEntry *control_entry(struct daemon *d, uint64_t index, struct tmx_arena *arena)
{
    uint8_t key[8];
    struct tmx_writer w = TMX_WRITER_OF(key);
    struct tmx_bytes value, copy;
    Tmx__LogEntry *e;
    tmx_write_u64(&w, index);
    return tmx_spool_get(d->spool, TMX_T_LOG, tmx_written(&w), &value) == 0 && tmx_arena_copy(arena, value, &copy) &&
                   tmx_entry_parse(copy, arena, &e) == TMX_CODE_OK
               ? e
               : NULL;
}

/* The header of an acceptance, read from its leaf. NULL when it cannot be. */
static const Tmx__Header *header_at(struct daemon *d, uint64_t index, struct tmx_arena *arena, uint64_t *ret_time_ms)
{
    const Tmx__LogEntry *entry = control_entry(d, index, arena);
    Tmx__Header *h;
    if (entry == NULL || tmx_header_parse(tmx_pb(entry->body), arena, &h) != TMX_CODE_OK) {
        return NULL;
    }
    *ret_time_ms = entry->time_ms;
    return h;
}

static json_t *queue_rows(struct daemon *d, const uint8_t member[TMX_MEMBER_KEY], struct tmx_arena *arena)
{
    json_t *list = json_array();
    uint8_t from[TMX_MEMBER_KEY + 9];
    memcpy(from, member, TMX_MEMBER_KEY);
    memset(from + TMX_MEMBER_KEY, 0, 9);
    for (unsigned n = 0; n < TMX_CONTROL_QUEUE_ROWS; n++) {
        struct tmx_bytes key, value;
        if (tmx_spool_seek(d->spool, TMX_T_READY, TMX_BYTES_OF(from), &key, &value) != 0 ||
            memcmp(key.data, member, TMX_MEMBER_KEY) != 0 || key.size != sizeof(from)) {
            break;
        }
        memcpy(from, key.data, sizeof(from));
        uint8_t id[TMX_ID_SIZE];
        memcpy(id, value.data, sizeof(id));
        struct tmx_reader r = tmx_reader_init(TMX_BYTES(from + TMX_MEMBER_KEY + 1, 8));
        uint64_t time_ms = 0;
        tmx_arena_reset(arena);
        const Tmx__Header *h = header_at(d, tmx_read_u64(&r), arena, &time_ms);
        if (h != NULL) {
            json_array_append_new(
                list, json_pack("{so so so sI sI sI ss}", "id", tmx_answer_id(TMX_BYTES(id, TMX_ID_SIZE)), "sender",
                                tmx_answer_text(tmx_pb(h->sender)), "type", tmx_answer_text(tmx_pb(h->message_type)),
                                "priority", (json_int_t)h->priority, "age_ms",
                                (json_int_t)tmx_answer_age(tmx_clock_wall_ms(), time_ms), "bytes",
                                (json_int_t)h->container_bytes, "state", "queued"));
        }
        for (size_t i = sizeof(from); i > 0 && ++from[i - 1] == 0; i--) {
        }
    }
    return list;
}

static json_t *queue_of(struct daemon *d, const char *member, struct tmx_arena *arena)
{
    struct tmx_broker_link_view v;
    uint8_t key[TMX_MEMBER_KEY];
    struct tmx_bytes code = tmx_bytes_str(member);
    if (tmx_directory_member(tmx_broker_directory(d->broker), code) == NULL ||
        tmx_broker_link(d->broker, code, &v) != 0) {
        return json_pack("{ss ss}", "error", "no such member in the directory", "code", "unknown-member");
    }
    tmx_member_key(code, key);
    return json_pack("{ss sI so}", "member", member, "queued", (json_int_t)v.destination.queued, "messages",
                     queue_rows(d, key, arena));
}

static json_t *deliveries_of(struct daemon *d, const uint8_t id[TMX_ID_SIZE], const Tmx__Header *h)
{
    json_t *list = json_array();
    for (size_t i = 0; i < h->n_recipients; i++) {
        uint8_t key[TMX_ID_SIZE + TMX_MEMBER_KEY];
        memcpy(key, id, TMX_ID_SIZE);
        tmx_member_key(tmx_pb(h->recipients[i]->member), key + TMX_ID_SIZE);
        struct tmx_bytes value;
        struct tmx_row_delivery row;
        if (tmx_spool_get(d->spool, TMX_T_DELIVERY, TMX_BYTES_OF(key), &value) == 0 &&
            tmx_row_delivery_get(value, &row)) {
            json_array_append_new(
                list, json_pack("{so so sb sI ss sI sI}", "actions", control_actions(d, id, key + TMX_ID_SIZE), "recipient", tmx_answer_text(tmx_pb(h->recipients[i]->member)),
                                "held", control_held(d, id, key + TMX_ID_SIZE) ? 1 : 0, "seq", (json_int_t)row.seq, "state", tmx_delivery_state_name(row.state), "coa_index",
                                (json_int_t)row.coa_index, "index", (json_int_t)row.outcome_index));
        }
    }
    return list;
}

static json_t *message_of(struct daemon *d, const char *word, struct tmx_arena *arena)
{
    uint8_t id[TMX_ID_SIZE];
    struct tmx_bytes value;
    struct tmx_row_message row;
    if (!tmx_parse_id(tmx_bytes_str(word), id)) {
        return json_pack("{ss ss}", "error", "not a message id: 32 hexadecimal digits", "code", "malformed");
    }
    if (tmx_spool_get(d->spool, TMX_T_MESSAGE, TMX_BYTES_OF(id), &value) != 0 || !tmx_row_message_get(value, &row)) {
        return json_pack("{ss ss}", "error", "no message with this id was accepted", "code", "unknown-message");
    }
    uint64_t time_ms = 0;
    const Tmx__Header *h = header_at(d, row.index, arena, &time_ms);
    if (h == NULL) {
        return json_pack("{ss}", "error", "its acceptance cannot be read from the log");
    }
    json_t *j = json_pack("{so so so sI sI sI sI sI sI so}", "id", tmx_answer_id(TMX_BYTES(id, TMX_ID_SIZE)), "sender",
                     tmx_answer_text(tmx_pb(h->sender)), "type", tmx_answer_text(tmx_pb(h->message_type)), "priority",
                     (json_int_t)h->priority, "bytes", (json_int_t)h->container_bytes, "sent_at_ms",
                     (json_int_t)h->sent_ms, "expires_at_ms", (json_int_t)h->expires_ms, "index", (json_int_t)row.index,
                     "accepted_at_ms", (json_int_t)time_ms, "deliveries", deliveries_of(d, id, h));
    if (h->replaces.len > 0) {
        json_object_set_new(j, "replaces", tmx_answer_id(tmx_pb(h->replaces)));
    }
    return j;
}

static json_t *answer(struct daemon *d, const struct tmx_control_request *r, struct tmx_arena *arena)
{
    const char *const *w = r->words;
    if (strcmp(w[0], "status") == 0 && r->n_words == 1) {
        return control_status(d);
    }
    if (strcmp(w[0], "history") == 0) {
        return pace_history(d, r);
    }
    if (strcmp(w[0], "peers") == 0 && r->n_words == 1) {
        return peers(d);
    }
    if (strcmp(w[0], "queue") == 0 && r->n_words == 1) {
        return json_pack("{so}", "queues", destinations_of(d));
    }
    if (strcmp(w[0], "queue") == 0 && r->n_words == 2) {
        return queue_of(d, w[1], arena);
    }
    if (strcmp(w[0], "message") == 0 && r->n_words == 2) {
        return message_of(d, w[1], arena);
    }
    if (strcmp(w[0], "slots") == 0 && r->n_words == 2) {
        return control_slots(d, w[1]);
    }
    if (strcmp(w[0], "why") == 0 && r->n_words == 2) {
        return control_why(d, r, arena);
    }
    if (strcmp(w[0], "directory") == 0 && r->n_words == 2 && strcmp(w[1], "show") == 0) {
        return tmx_answer_directory(tmx_broker_directory(d->broker), d->settings.authority);
    }
    return json_pack("{ss ss}", "error", "unknown request: see tmxctl --help", "code", "unknown-command");
}

static struct log_source log_source(const struct daemon *d)
{
    struct tmx_broker_cosigned_view v;
    tmx_broker_cosigned(d->broker, &v);
    return (struct log_source){ .control = d->control,
                                .spool = d->spool,
                                .broker = d->broker,
                                .checkpoint = tmx_broker_checkpoint(d->broker),
                                .witnesses = v.witnesses,
                                .cosigned = v.size > 0 && v.quorum.reached ? v.checkpoint : TMX_BYTES_NULL };
}

void control_answer(struct daemon *d, const struct tmx_control_request *r)
{
    if (tmx_answer_read_only(d->control, r)) {
        return;
    }
    if (r->n_words == 2 && strcmp(r->words[0], "directory") == 0 && strcmp(r->words[1], "install") == 0) {
        tmx_install_ask(&d->install, d->control, r);
        return;
    }
    if (control_anchor(d, r) || control_witness(d, r) || control_evidence(d, r) || control_operator(d, r)) {
        return;
    }
    struct tmx_arena arena;
    if (tmx_arena_init(&arena, 1u << 20) != 0) {
        tmx_control_refuse(d->control, r->client, "busy", "out of memory");
        return;
    }
    const struct log_source source = log_source(d);
    if (!control_log(&source, r, &arena) && !control_trace(d, r, &arena)) {
        tmx_control_reply(d->control, r->client, answer(d, r, &arena));
    }
    tmx_arena_deinit(&arena);
}
