/* SPDX-License-Identifier: Apache-2.0
 * `trace [FROM]` at the broker: the entries of its log as they come, a page at a time. Whoever follows asks again from `next`:
 * nothing is kept for anybody here.
 */
#include <assert.h>
#include <string.h>

#include <tmx/code.h>
#include <tmx/envelope.h>
#include <tmx/text.h>

#include "../daemon.h"

#define INDEX_MAX (1ull << TMX_TREE_DEPTH_MAX)

/* The header of an accepted message; NULL: there is none. */
static const Tmx__Header *header_of(struct daemon *d, struct tmx_bytes id, struct tmx_arena *arena)
{
    struct tmx_bytes value;
    struct tmx_row_message row;
    Tmx__Header *h;
    if (id.size != TMX_ID_SIZE || tmx_spool_get(d->spool, TMX_T_MESSAGE, id, &value) != 0 || !tmx_row_message_get(value, &row)) {
        return NULL;
    }
    const Tmx__LogEntry *e = control_entry(d, row.index, arena);
    return e != NULL && tmx_header_parse(tmx_pb(e->body), arena, &h) == TMX_CODE_OK ? h : NULL;
}

static const char *what_of(const Tmx__LogEntry *e, const Tmx__Report *report)
{
    static const char *const outcomes[] = { "report", "arrived", "delivered", "refused", "expired", "exception" };
    static const char *const kinds[] = { "",          "shard-start", "directory", "prekeys",  "accepted", "report",      "expired", "exception",
                                         "rejected",  "start",       "operator",  "carried",  "carried",  "resubmitted", "erased",  "anchor" };
    if (report != NULL && e->kind == TMX__ENTRY_KIND__ENTRY_REPORT) {
        return (unsigned)report->outcome < TMX_N(outcomes) ? outcomes[report->outcome] : outcomes[0];
    }
    return (unsigned)e->kind < TMX_N(kinds) ? kinds[e->kind] : "";
}

static json_t *recipients_of(const Tmx__Header *h)
{
    json_t *list = json_array();
    for (size_t i = 0; i < h->n_recipients; i++) {
        json_array_append_new(list, tmx_answer_text(tmx_pb(h->recipients[i]->member)));
    }
    return list;
}

static json_t *event_of(struct daemon *d, uint64_t index, struct tmx_arena *arena)
{
    Tmx__Header *own = NULL;
    Tmx__Report *report = NULL;
    const Tmx__LogEntry *e = control_entry(d, index, arena);
    if (e == NULL) {
        return NULL;
    }
    bool of_header = tmx_body_kind(tmx_pb(e->body)) == TMX__KIND__KIND_HEADER && tmx_header_parse(tmx_pb(e->body), arena, &own) == TMX_CODE_OK;
    bool of_report = tmx_body_kind(tmx_pb(e->body)) == TMX__KIND__KIND_REPORT && tmx_report_parse(tmx_pb(e->body), arena, &report) == TMX_CODE_OK;
    struct tmx_bytes id = of_header ? tmx_pb(own->message_id) : of_report ? tmx_pb(report->message_id) : tmx_pb(e->message_id);
    struct tmx_bytes to = of_report ? tmx_pb(report->recipient) : tmx_pb(e->recipient);
    const Tmx__Header *h = of_header ? own : header_of(d, id, arena);
    unsigned code = e->code != 0 ? e->code : of_report ? report->code : 0;
    json_t *j = json_pack("{sI sI ss}", "index", (json_int_t)index, "at_ms", (json_int_t)e->time_ms, "what", what_of(e, report));
    if (id.size == TMX_ID_SIZE) {
        json_object_set_new(j, "id", tmx_answer_id(id));
    }
    if (h != NULL) {
        json_object_set_new(j, "type", tmx_answer_text(tmx_pb(h->message_type)));
    }
    if (h != NULL || e->member.len > 0) {
        json_object_set_new(j, "from", tmx_answer_text(h != NULL ? tmx_pb(h->sender) : tmx_pb(e->member)));
    }
    if (to.size > 0) {
        json_object_set_new(j, "to", json_pack("[o]", tmx_answer_text(to)));
    } else if (h != NULL) {
        json_object_set_new(j, "to", recipients_of(h));
    }
    if (code != 0) {
        json_object_set_new(j, "code", json_string(tmx_code_name(code)));
    }
    return j;
}

bool control_trace(struct daemon *d, const struct tmx_control_request *r, struct tmx_arena *arena)
{
    uint64_t size = tmx_broker_log_size(d->broker), next = size;
    if (strcmp(r->words[0], "trace") != 0 || r->n_words > 2 ||
        (r->n_words == 2 && !tmx_parse_u64(tmx_bytes_str(r->words[1]), INDEX_MAX, &next))) {
        return false;
    }
    json_t *events = json_array();
    for (unsigned i = 0; i < TMX_CONTROL_TRACE_ROWS && next < size; i++, next++) {
        tmx_arena_reset(arena);
        json_array_append_new(events, event_of(d, next, arena));   /* what cannot be read is passed over */
    }
    tmx_control_reply(d->control, r->client, json_pack("{sI so}", "next", (json_int_t)(next > size ? size : next), "events", events));
    return true;
}
