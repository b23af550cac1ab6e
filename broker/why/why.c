/* SPDX-License-Identifier: Apache-2.0
 * `why MEMBER` and `why MESSAGE` at the broker (include/tmx/control.h): what is known about it, before the rules.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tmx/clock.h>
#include <tmx/code.h>
#include <tmx/envelope.h>

#include "why.h"

#define PREKEY_ROWS_MAX 512u

/* Private mappings that can be written: what the gate's limit counts. */
static uint64_t memory_of(pid_t pid)
{
    char path[64], line[256];
    unsigned long long kib = 0;
    (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    FILE *f = pid > 0 ? fopen(path, "re") : NULL;
    while (f != NULL && kib == 0 && fgets(line, sizeof(line), f) != NULL) {
        if (strncmp(line, "VmData:", 7) == 0) {
            kib = strtoull(line + 7, NULL, 10);
        }
    }
    if (f != NULL) {
        fclose(f);
    }
    return kib << 10;
}

/* TMX_T_PREKEY: member, key id[8] -> until_ms. */
static void prekeys_of(struct daemon *d, const uint8_t member[TMX_MEMBER_KEY], struct why_facts *f)
{
    uint8_t from[TMX_MEMBER_KEY + 8] = { 0 };
    memcpy(from, member, TMX_MEMBER_KEY);
    for (unsigned i = 0; i < PREKEY_ROWS_MAX; i++) {
        struct tmx_bytes key, value;
        if (tmx_spool_seek(d->spool, TMX_T_PREKEY, TMX_BYTES_OF(from), &key, &value) != 0 || key.size != sizeof(from) ||
            memcmp(key.data, member, TMX_MEMBER_KEY) != 0) {
            return;
        }
        struct tmx_reader r = tmx_reader_init(value);
        uint64_t until_ms = tmx_read_u64(&r);
        f->prekeys = true;
        f->prekeys_until_ms = until_ms > f->prekeys_until_ms ? until_ms : f->prekeys_until_ms;
        memcpy(from, key.data, sizeof(from));
        for (size_t k = sizeof(from); k > 0 && ++from[k - 1] == 0; k--) {
        }
    }
}

static bool gather(struct daemon *d, const char *code, struct why_facts *f)
{
    struct tmx_bytes name = tmx_bytes_str(code);
    uint8_t key[TMX_MEMBER_KEY];
    *f = (struct why_facts){ .d = d, .code = code, .mono_ms = tmx_clock_mono_ms(), .wall_ms = tmx_clock_wall_ms() };
    f->member = tmx_directory_member(tmx_broker_directory(d->broker), name);
    tmx_broker_state(d->broker, &f->state);
    if (tmx_broker_link(d->broker, name, &f->link) != 0) {
        return false;
    }
    struct gate *g = gates_find(&d->gates, name);
    if (g != NULL) {
        f->gate = g;
        f->status = tmx_gate_link_status(g->link);
        f->memory_bytes = memory_of(f->status->pid);
    }
    if (f->member != NULL) {
        tmx_member_key(name, key);
        prekeys_of(d, key, f);
    }
    return true;
}

static json_t *about_member(struct daemon *d, const char *code)
{
    static char codes[TMX_MEMBERS_MAX][TMX_MEMBER_MAX + 1];
    const char *names[TMX_MEMBERS_MAX];
    const Tmx__Directory *pb = tmx_directory_pb(tmx_broker_directory(d->broker));
    struct why_facts f;
    if (!gather(d, code, &f)) {
        return NULL;
    }
    for (size_t i = 0; f.member == NULL && i < pb->n_members; i++) {
        snprintf(codes[i], sizeof(codes[i]), "%.*s", (int)pb->members[i]->code.len, (const char *)pb->members[i]->code.data);
        names[i] = codes[i];
    }
    f.nearest = f.member == NULL ? tmx_nearest(code, names, pb->n_members) : NULL;
    json_t *causes = json_array(), *looked = json_array();
    tmx_why_ask(why_rules, why_rules_n, &f, NULL, causes, looked);
    return tmx_why_answer(code, "member", causes, looked);
}

/* The first of its lane that is queued; false: it has none. */
static bool lane_first(struct daemon *d, const uint8_t member[TMX_MEMBER_KEY], const struct tmx_row_delivery *row,
                       uint8_t ret_id[TMX_ID_SIZE])
{
    uint8_t from[2 * TMX_MEMBER_KEY + TMX_LABEL_SIZE + 8];
    struct tmx_writer w = TMX_WRITER_OF(from);
    struct tmx_bytes key, value;
    tmx_write_bytes(&w, TMX_BYTES(member, TMX_MEMBER_KEY));
    tmx_write_bytes(&w, TMX_BYTES_OF(row->sender));
    tmx_write_bytes(&w, TMX_BYTES_OF(row->label));
    tmx_write_u64(&w, 0);
    size_t prefix = sizeof(from) - 8;
    if (tmx_spool_seek(d->spool, TMX_T_LANE, TMX_BYTES_OF(from), &key, &value) != 0 || key.size != sizeof(from) ||
        memcmp(key.data, from, prefix) != 0 || value.size != TMX_ID_SIZE) {
        return false;
    }
    memcpy(ret_id, value.data, TMX_ID_SIZE);
    return true;
}

static void delivery_facts(struct daemon *d, const uint8_t id[TMX_ID_SIZE], const uint8_t member[TMX_MEMBER_KEY],
                           struct tmx_arena *arena, struct why_facts *f)
{
    uint8_t first[TMX_ID_SIZE];
    const Tmx__LogEntry *coa = f->row.coa_index != 0 ? control_entry(d, f->row.coa_index, arena) : NULL;
    f->delivery = true;
    f->held = control_held(d, id, member);
    tmx_id_text(id, f->id);
    f->coa_ms = coa != NULL ? coa->time_ms : 0;
    if (f->row.state != TMX_DELIVERY_QUEUED && f->row.state != TMX_DELIVERY_ARRIVED) {
        snprintf(f->outcome, sizeof(f->outcome), "%s, log index %" PRIu64, tmx_delivery_state_name(f->row.state), f->row.outcome_index);
    }
    f->lane_closed = f->row.state == TMX_DELIVERY_QUEUED && f->row.ready_priority == TMX_NOT_READY &&
                     lane_first(d, member, &f->row, first) && memcmp(first, id, TMX_ID_SIZE) != 0;
    if (f->lane_closed) {
        tmx_id_text(first, f->lane_first);
    }
}

/* One delivery: the rules over its recipient, with what is known of it. */
static bool about_delivery(struct daemon *d, const uint8_t id[TMX_ID_SIZE], struct tmx_bytes recipient, struct tmx_arena *arena,
                           json_t *causes, json_t *looked)
{
    char code[TMX_MEMBER_MAX + 1];
    uint8_t key[TMX_ID_SIZE + TMX_MEMBER_KEY];
    struct tmx_bytes value;
    struct why_facts f;
    snprintf(code, sizeof(code), "%.*s", (int)recipient.size, (const char *)recipient.data);
    memcpy(key, id, TMX_ID_SIZE);
    tmx_member_key(recipient, key + TMX_ID_SIZE);
    if (!gather(d, code, &f)) {
        return false;
    }
    if (tmx_spool_get(d->spool, TMX_T_DELIVERY, TMX_BYTES_OF(key), &value) == 0 && tmx_row_delivery_get(value, &f.row)) {
        delivery_facts(d, id, key + TMX_ID_SIZE, arena, &f);
    }
    size_t n = f.outcome[0] != '\0' ? 1 : why_rules_n;   /* nothing else matters then: the first rule says so */
    tmx_why_ask(why_rules, n, &f, code, causes, looked);
    return true;
}

/* Its header was refused: the leaf that says why. */
static json_t *about_refused(struct daemon *d, const char *word, const uint8_t id[TMX_ID_SIZE], struct tmx_arena *arena)
{
    const Tmx__Directory *pb = tmx_directory_pb(tmx_broker_directory(d->broker));
    for (size_t i = 0; i < pb->n_members; i++) {
        uint8_t key[TMX_ID_SIZE + TMX_MEMBER_KEY];
        struct tmx_bytes value;
        memcpy(key, id, TMX_ID_SIZE);
        tmx_member_key(tmx_pb(pb->members[i]->code), key + TMX_ID_SIZE);
        if (tmx_spool_get(d->spool, TMX_T_REFUSED, TMX_BYTES_OF(key), &value) != 0) {
            continue;
        }
        struct tmx_reader r = tmx_reader_init(value);
        uint64_t index = tmx_read_u64(&r);
        const Tmx__LogEntry *e = control_entry(d, index, arena);
        unsigned code = e != NULL ? e->code : 0;
        char evidence[64], text[160];
        snprintf(evidence, sizeof(evidence), "log index %" PRIu64 " (log: message.refused)", index);
        snprintf(text, sizeof(text), "refused at admission, %s: %s", tmx_code_name(code), tmx_code_meaning(code));
        json_t *cause = json_pack("{ss ss ss ss ss}", "code", "refused", "severity", "warning", "text", text, "evidence", evidence, "fix",
                                  "its sender has to mend that and send it anew, as another message");
        return tmx_why_answer(word, "message", json_pack("[o]", cause), json_array());
    }
    return tmx_answer_refusal("unknown-message", "no message with this id was accepted or refused here: at its sender's node, tmxctl why says where it is");
}

static json_t *about_message(struct daemon *d, const char *word, const uint8_t id[TMX_ID_SIZE], struct tmx_arena *arena)
{
    struct tmx_bytes value;
    struct tmx_row_message row;
    Tmx__Header *h;
    if (tmx_spool_get(d->spool, TMX_T_MESSAGE, TMX_BYTES(id, TMX_ID_SIZE), &value) != 0 || !tmx_row_message_get(value, &row)) {
        return about_refused(d, word, id, arena);
    }
    const Tmx__LogEntry *e = control_entry(d, row.index, arena);
    if (e == NULL || tmx_header_parse(tmx_pb(e->body), arena, &h) != TMX_CODE_OK) {
        return tmx_answer_refusal("damaged", "its acceptance cannot be read from the log");
    }
    json_t *causes = json_array(), *looked = json_array();
    for (size_t i = 0; i < h->n_recipients; i++) {
        if (!about_delivery(d, id, tmx_pb(h->recipients[i]->member), arena, causes, looked)) {
            break;   /* a spool that fails fails the turn */
        }
    }
    return tmx_why_answer(word, "message", causes, looked);
}

json_t *control_why(struct daemon *d, const struct tmx_control_request *r, struct tmx_arena *arena)
{
    const char *word = r->words[1];
    uint8_t id[TMX_ID_SIZE];
    if (tmx_parse_id(tmx_bytes_str(word), id)) {
        return about_message(d, word, id, arena);
    }
    if (strlen(word) > TMX_MEMBER_MAX) {
        return tmx_answer_refusal("malformed", "neither a member's code nor a message id: 32 hexadecimal digits");
    }
    return about_member(d, word);
}
