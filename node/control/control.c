/* SPDX-License-Identifier: Apache-2.0
 * What operators ask over the control socket (include/tmx/control.h documents every answer).
 */
#include <stdlib.h>
#include <string.h>

#include <tmx/clock.h>
#include <tmx/code.h>
#include <tmx/text.h>

#include "application.pb-c.h"
#include "../daemon.h"

/* It says what to do next, until an operator has. */
static void distrust_problem(struct daemon *d, json_t *list)
{
    static char text[2 * PROOF_PATH_MAX + 512];
    struct tmx_node_misbehaviour_view v;
    char path[PROOF_PATH_MAX];
    if (!proofs_newest(d, &v)) {
        return;
    }
    proofs_path(d, &v, path);
    if (d->proof_unwritten) {
        snprintf(text, sizeof(text),
                 "the broker showed what does not fit its log: nothing of it is used. The proof cannot be written to %s: "
                 "keep what tmxctl misbehaviour prints; when the matter is cleared: tmxctl trust", path);
    } else {
        snprintf(text, sizeof(text),
                 "the broker showed what does not fit its log: nothing of it is used. The proof is %s; what it is worth: "
                 "tmx-audit verify-misbehaviour %s --authority FILE; when the matter is cleared: tmxctl trust", path, path);
    }
    tmx_answer_problem_see(list, "critical", "tmxctl misbehaviour", "%s", text);
}

static json_t *misbehaviour(struct daemon *d)
{
    struct tmx_node_misbehaviour_view v;
    char path[PROOF_PATH_MAX];
    if (!proofs_newest(d, &v)) {
        return tmx_answer_refusal("no-misbehaviour", "everything the broker showed this node fitted its log");
    }
    proofs_path(d, &v, path);
    return json_pack("{ss sb sI ss%}", "file", path, "written", !d->proof_unwritten, "came_at_ms", (json_int_t)v.at_ms, "text",
                     (const char *)v.file.data, v.file.size);
}

static void late_problems(struct daemon *d, json_t *list)
{
    const Tmx__Directory *pb = tmx_directory_pb(tmx_node_directory(d->node));
    uint64_t s = d->settings.late_ms / 1000;
    for (size_t i = 0; i < pb->n_members; i++) {
        struct tmx_ages_view ages;
        char code[TMX_MEMBER_MAX + 1], see[32];
        tmx_printable(tmx_pb(pb->members[i]->code), code, sizeof(code));
        snprintf(see, sizeof(see), "tmxctl queue %s", code);
        if (tmx_node_ages(d->node, tmx_pb(pb->members[i]->code), &ages) && ages.late > 0) {
            tmx_answer_problem_see(list, "warning", see, "%s: %ju have not arrived for longer than %ju %s", code,
                                   (uintmax_t)ages.late, (uintmax_t)(s < 120 ? s : s / 60), s < 120 ? "s" : "min");
        }
    }
}

static json_t *problems_of(struct daemon *d, const struct tmx_node_state_view *v)
{
    json_t *list = json_array();
    char journal[64];
    snprintf(journal, sizeof(journal), "journalctl -u tmx-node@%s -p notice", d->settings.member);
    if (v->distrust) {
        distrust_problem(d, list);
    }
    tmx_answer_key_problem(list, d->settings.keys, "signing.key");
    tmx_answer_directory_problems(list, tmx_node_directory(d->node), v->directory_expired, tmx_clock_wall_ms());
    if (v->directory_behind) {
        tmx_answer_problem_see(list, "critical", "tmxctl directory show",
                               "a later directory is in force: nothing signed after it is used until it is here");
    }
    if (d->submit_room.full) {
        tmx_answer_problem_see(list, "critical", "tmxctl queue",
                               "the spool is above its high-water mark, or full with what is promised: submissions are refused");
    }
    if (d->arrive_room.full) {
        tmx_answer_problem_see(list, "critical", "tmx list",
                               "the spool has no room for deliveries: they wait at the broker");
    }
    tmx_answer_spool_problem(list, d->spool, d->series);
    tmx_answer_marker_problem(list, d->marker_unwritten);
    if (v->clock_doubt) {
        tmx_answer_problem_see(list, "critical", "timedatectl", "the clock jumped or differs from the broker's: nothing expires");
    }
    if (v->rebuilding) {
        tmx_answer_problem_see(list, "warning", journal,
                               "this node was put back to an earlier state and reads the log again: nothing is signed yet");
    }
    if (!v->linked) {
        tmx_answer_problem_see(list, "warning", journal,
                               "no link to the broker: submissions wait here");
    }
    late_problems(d, list);
    control_alarm_problems(d, v, journal, list);
    return list;
}

static json_t *destination_of(struct daemon *d, const Tmx__Member *m, const struct tmx_node_peer_view *v)
{
    struct tmx_ages_view ages;
    json_t *j = json_pack("{so sI sI sI}", "member", tmx_answer_text(tmx_pb(m->code)), "queued", (json_int_t)v->waiting, "last_seq",
                          (json_int_t)v->last_seq, "max_seq", (json_int_t)v->max_seq);
    if (tmx_node_ages(d->node, tmx_pb(m->code), &ages)) {
        uint64_t open = 0;
        for (size_t i = 0; i < TMX_AGES_BUCKETS; i++) {
            open += ages.buckets[i];
        }
        json_object_set_new(j, "open", json_integer((json_int_t)open));
        tmx_answer_ages(j, &ages);
        if (open > 0) {
            json_object_set_new(j, "oldest_ms", json_integer((json_int_t)ages.oldest_ms));
        }
    }
    return j;
}

static json_t *members(struct daemon *d, bool as_peers)
{
    json_t *list = json_array();
    const Tmx__Directory *pb = tmx_directory_pb(tmx_node_directory(d->node));
    for (size_t i = 0; i < pb->n_members; i++) {
        const Tmx__Member *m = pb->members[i];
        struct tmx_node_peer_view v;
        if (tmx_bytes_eq(tmx_pb(m->code), tmx_bytes_str(d->settings.member)) ||
            tmx_node_peer(d->node, tmx_pb(m->code), &v) != 0) {
            continue;
        }
        if (as_peers) {
            json_array_append_new(list, json_pack("{so so ss sI}", "member", tmx_answer_text(tmx_pb(m->code)), "name",
                                                  tmx_answer_text(tmx_pb(m->name)), "status",
                                                  tmx_answer_member_status(m->status), "prekeys_until_at_ms",
                                                  (json_int_t)v.prekeys_until_ms));
        } else {
            json_array_append_new(list, destination_of(d, m, &v));
        }
    }
    return list;
}

static json_t *link_of(const struct daemon *d, const struct tmx_node_state_view *v)
{
    const char *state = v->linked ? "up" : d->ever_linked ? "down" : "never";
    json_t *link = json_pack("{ss ss}", "state", state, "endpoint", d->gate_endpoint);
    if (d->ever_linked) {
        json_int_t age = (json_int_t)tmx_answer_age(tmx_clock_mono_ms(), v->last_frame_ms);
        json_object_set_new(link, "last_seen_ms", json_integer(age));
    }
    return link;
}

static json_t *inbox_of(const struct tmx_node_state_view *v)
{
    return json_pack("{sI sI sI sI}", "offered", (json_int_t)v->offered, "leased", (json_int_t)v->leased, "blocked",
                     (json_int_t)v->blocked, "held", (json_int_t)v->held);
}

static json_t *counters_of(const struct tmx_node_state_view *v)
{
    return json_pack("{sI sI sI sI sI sI sI sI sI sI sI}", "submitted", (json_int_t)v->submitted, "waiting",
                     (json_int_t)v->waiting, "unanswered", (json_int_t)v->unanswered, "received",
                     (json_int_t)v->received, "delivered", (json_int_t)v->delivered, "refused", (json_int_t)v->refused,
                     "expired", (json_int_t)v->expired, "alarms", (json_int_t)v->alarms, "accepted", (json_int_t)v->accepted, "arrived",
                     (json_int_t)v->arrived, "ended", (json_int_t)v->ended);
}

static void damage_add(struct daemon *d, json_t *spool)
{
    struct tmx_node_damage_view v;
    tmx_node_damage(d->node, &v);
    if (v.kept > 0) {
        json_object_set_new(spool, "damaged", json_pack("{sI sI ss}", "records", (json_int_t)v.kept, "age_ms", (json_int_t)v.age_ms, "what", v.what));
    }
}

json_t *control_status(struct daemon *d)
{
    struct tmx_node_state_view v;
    if (tmx_node_state(d->node, &v) != 0) {
        return NULL;
    }
    json_t *status = tmx_answer_status("node", tmx_node_directory(d->node), d->started_ms, problems_of(d, &v));
    json_object_set_new(status, "member", json_string(d->settings.member));
    json_t *log = tmx_answer_log(tmx_node_checkpoint(d->node));
    const struct tmx_policy *policy = tmx_directory_policy(tmx_node_directory(d->node));
    if (policy != NULL && policy->n_witnesses > 0) {
        tmx_answer_cosigned(log, (unsigned)policy->n_witnesses, v.cosigned_size, &v.cosigned, tmx_clock_wall_ms());
        json_object_set_new(json_object_get(log, "cosigned"), "upgrading", json_boolean(v.upgrading));
    }
    json_object_set_new(status, "log", log);
    json_object_set_new(status, "spool", tmx_answer_spool(d->spool));
    json_object_set_new(status, "link", link_of(d, &v));
    json_object_set_new(status, "destinations", members(d, false));
    tmx_answer_counted(status, tmx_node_ages_percent(d->node));
    json_object_set_new(status, "inbox", inbox_of(&v));
    json_t *keys = json_pack("{sI ss}", "prekeys_until_at_ms", (json_int_t)v.prekeys_until_ms, "prekeys_of", d->settings.member);
    tmx_answer_key(keys, d->settings.keys, "signing.key");
    json_object_set_new(status, "keys", keys);
    json_object_set_new(status, "late_after_ms", json_integer((json_int_t)d->settings.late_ms));
    json_object_set_new(log, "stopped", json_boolean(v.distrust));
    json_object_set_new(json_object_get(status, "spool"), "full", json_boolean(d->submit_room.full));
    damage_add(d, json_object_get(status, "spool"));
    json_object_set_new(status, "clock_doubt", json_boolean(v.clock_doubt));
    json_object_set_new(status, "counters", counters_of(&v));
    pace_add(d, status);
    return status;
}

/* The message in either direction; NULL: this node has none under that id. */
static const Tmx__MessageState *message_find(struct daemon *d, const uint8_t id[TMX_ID_SIZE])
{
    const Tmx__MessageState *m = tmx_node_message(d->node, TMX_DIRECTION_SENT, id);
    return m != NULL ? m : tmx_node_message(d->node, TMX_DIRECTION_RECEIVED, id);
}

static json_t *message_of(struct daemon *d, const char *word)
{
    uint8_t id[TMX_ID_SIZE];
    if (!tmx_parse_id(tmx_bytes_str(word), id)) {
        return tmx_answer_refusal("malformed", "not a message id: 32 hexadecimal digits");
    }
    const Tmx__MessageState *m = message_find(d, id);
    if (m == NULL) {
        return tmx_answer_refusal("unknown-message", "no message with this id was sent or received here");
    }
    json_t *deliveries = json_array();
    for (size_t i = 0; i < m->n_deliveries; i++) {
        json_array_append_new(deliveries,
                              json_pack("{so so sI so}", "actions", control_actions(d, id, tmx_pb(m->deliveries[i]->recipient)), "recipient", tmx_answer_text(tmx_pb(m->deliveries[i]->recipient)),
                                        "seq", (json_int_t)m->deliveries[i]->seq, "state",
                                        tmx_answer_text(tmx_pb(m->deliveries[i]->state))));
    }
    json_t *j = json_pack("{so so so sI sI sI sI so}", "id", tmx_answer_id(tmx_pb(m->message_id)), "sender",
                     tmx_answer_text(tmx_pb(m->sender)), "type", tmx_answer_text(tmx_pb(m->message_type)), "priority",
                     (json_int_t)m->priority, "bytes", (json_int_t)m->payload_bytes, "sent_at_ms",
                     (json_int_t)m->sent_ms, "expires_at_ms", (json_int_t)m->expires_ms, "deliveries", deliveries);
    if (m->replaces.len > 0) {
        json_object_set_new(j, "replaces", tmx_answer_id(tmx_pb(m->replaces)));
    }
    return j;
}

static json_t *queue_of(struct daemon *d, const char *member)
{
    static uint8_t ids[TMX_CONTROL_QUEUE_ROWS][TMX_ID_SIZE];
    struct tmx_node_peer_view v;
    struct tmx_bytes code = tmx_bytes_str(member);
    if (tmx_directory_member(tmx_node_directory(d->node), code) == NULL || tmx_node_peer(d->node, code, &v) != 0) {
        return tmx_answer_refusal("unknown-member", "no such member in the directory");
    }
    json_t *list = json_array();
    size_t n = tmx_node_queue(d->node, code, ids, TMX_CONTROL_QUEUE_ROWS);
    for (size_t i = 0; i < n; i++) {
        const Tmx__MessageState *m = tmx_node_message(d->node, TMX_DIRECTION_SENT, ids[i]);
        if (m != NULL) {
            json_array_append_new(
                list, json_pack("{so so ss so sI sI sI ss}", "id", tmx_answer_id(tmx_pb(m->message_id)), "sender",
                                tmx_answer_text(tmx_pb(m->sender)), "recipient", member, "type",
                                tmx_answer_text(tmx_pb(m->message_type)), "priority", (json_int_t)m->priority, "age_ms",
                                (json_int_t)tmx_answer_age(tmx_clock_wall_ms(), m->sent_ms), "bytes",
                                (json_int_t)m->payload_bytes, "state", "waiting"));
        }
    }
    return json_pack("{ss sI so}", "member", member, "queued", (json_int_t)v.waiting, "messages", list);
}

static json_t *answer(struct daemon *d, const struct tmx_control_request *r)
{
    const char *const *w = r->words;
    if (strcmp(w[0], "status") == 0 && r->n_words == 1) {
        return control_status(d);
    }
    if (strcmp(w[0], "history") == 0) {
        return pace_history(d, r);
    }
    if (strcmp(w[0], "peers") == 0 && r->n_words == 1) {
        return json_pack("{so}", "peers", members(d, true));
    }
    if (strcmp(w[0], "queue") == 0 && r->n_words == 1) {
        return json_pack("{so}", "queues", members(d, false));
    }
    if (strcmp(w[0], "slots") == 0 && r->n_words == 2) {
        return control_slots(d, w[1]);
    }
    if (strcmp(w[0], "why") == 0 && r->n_words == 2) {
        return control_why(d, w[1]);
    }
    if (strcmp(w[0], "directory") == 0 && r->n_words == 2 && strcmp(w[1], "show") == 0) {
        return tmx_answer_directory(tmx_node_directory(d->node), d->settings.authority);
    }
    if (strcmp(w[0], "misbehaviour") == 0 && r->n_words == 1) {
        return misbehaviour(d);
    }
    if (strcmp(w[0], "message") == 0 && r->n_words == 2) {
        return message_of(d, w[1]);
    }
    if (strcmp(w[0], "queue") == 0 && r->n_words == 2) {
        return queue_of(d, w[1]);
    }
    return tmx_answer_refusal("unknown-command", "unknown request: see tmxctl --help");
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
    if (!control_operator(d, r) && !control_evidence(d, r) && !control_trace(d, r) && !control_probe(d, r)) {
        tmx_control_reply(d->control, r->client, answer(d, r));
    }
}
