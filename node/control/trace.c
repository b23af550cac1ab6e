/* SPDX-License-Identifier: Apache-2.0
 * `trace [FROM]` at a node: its events as they come, a page at a time. Whoever follows asks again from `next`.
 */
#include <string.h>

#include <tmx/code.h>
#include <tmx/text.h>

#include "application.pb-c.h"
#include "../daemon.h"

/* The same names as at the broker. */
static const char *name_of(struct tmx_bytes what)
{
    static const char *const names[][2] = { { "CoA", "arrived" }, { "CoD", "delivered" }, { "CoE", "exception" },
                                            { "submitted", "submitted" }, { "signed", "signed" }, { "accepted", "accepted" },
                                            { "refused", "refused" }, { "expired", "expired" }, { "rejected", "rejected" } };
    for (size_t i = 0; i < TMX_N(names); i++) {
        if (tmx_bytes_eq(what, tmx_bytes_str(names[i][0]))) {
            return names[i][1];
        }
    }
    return "step";
}

static void take(void *ctx, const Tmx__Event *event, struct tmx_bytes sender)
{
    json_t *events = ctx;
    const Tmx__Step *s = event->step;
    if (s == NULL) {
        return;
    }
    json_t *j = json_pack("{sI sI ss so}", "index", (json_int_t)event->cursor, "at_ms", (json_int_t)s->time_ms, "what", name_of(tmx_pb(s->what)),
                          "id", tmx_answer_id(tmx_pb(event->message_id)));
    json_object_set_new(j, "type", tmx_answer_text(tmx_pb(event->message_type)));
    if (sender.size > 0) {
        json_object_set_new(j, "from", tmx_answer_text(sender));
    }
    if (s->recipient.len > 0) {
        json_object_set_new(j, "to", json_pack("[o]", tmx_answer_text(tmx_pb(s->recipient))));
    }
    if (s->code != 0) {
        json_object_set_new(j, "code", json_string(tmx_code_name(s->code)));
    }
    json_array_append_new(events, j);
}

bool control_trace(struct daemon *d, const struct tmx_control_request *r)
{
    uint64_t next = tmx_node_events_end(d->node);
    if (strcmp(r->words[0], "trace") != 0 || r->n_words > 2 ||
        (r->n_words == 2 && !tmx_parse_u64(tmx_bytes_str(r->words[1]), UINT64_MAX, &next))) {
        return false;
    }
    json_t *events = json_array();
    next = tmx_node_events(d->node, next, TMX_CONTROL_TRACE_ROWS, take, events);
    tmx_control_reply(d->control, r->client, json_pack("{sI so}", "next", (json_int_t)next, "events", events));
    return true;
}
