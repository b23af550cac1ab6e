/* SPDX-License-Identifier: Apache-2.0
 * The report as one JSON document.
 */
#include <tmx/code.h>
#include <tmx/text.h>

#include "report.h"

static void set_number(json_t *object, const char *key, uint64_t value)
{
    (void)json_object_set_new(object, key, json_integer((json_int_t)value));
}

static void set_number_or_null(json_t *object, const char *key, bool there, uint64_t value)
{
    (void)json_object_set_new(object, key, there ? json_integer((json_int_t)value) : json_null());
}

static json_t *latency_json(const struct tmx_latency *l)
{
    return l->n == 0 ? json_null()
                     : json_pack("{s:I, s:I, s:I}", "p50", (json_int_t)tmx_latency_percentile(l, 50), "p95",
                                 (json_int_t)tmx_latency_percentile(l, 95), "max", (json_int_t)l->max_ms);
}

static json_t *row_json(const struct tmx_report *r, const struct tmx_report_row *row, bool with_rejected)
{
    json_t *o = json_object();

    set_number(o, "messages", row->messages);
    set_number(o, "accepted", row->accepted);
    set_number(o, "arrived", row->arrived);
    for (enum tmx_fate f = FATE_DELIVERED; f < FATES; f++) {
        set_number(o, tmx_fate_name(f), row->fates[f]);
    }
    set_number(o, tmx_fate_name(FATE_OPEN), row->fates[FATE_OPEN]);
    set_number(o, "queued", row->queued);
    set_number(o, "overdue", row->overdue);
    set_number(o, "late", row->late);
    if (with_rejected) {
        set_number(o, "rejected", row->rejected);
    }
    (void)json_object_set_new(
        o, "oldest",
        row->fates[FATE_OPEN] == 0
            ? json_null()
            : json_pack("{s:I, s:I, s:I}", "index", (json_int_t)row->oldest_index, "accepted_ms",
                        (json_int_t)row->oldest_ms, "age_ms", (json_int_t)tmx_report_age(r, row->oldest_ms)));
    (void)json_object_set_new(o, "arrival_ms", latency_json(&row->arrival));
    (void)json_object_set_new(o, "outcome_ms", latency_json(&row->outcome));
    return o;
}

static json_t *members_json(const struct tmx_report *r)
{
    json_t *list = json_array();

    for (size_t i = 0; i < r->n_members; i++) {
        const struct tmx_report_member *m = r->members[i];

        (void)json_array_append_new(list, json_pack("{s:s, s:o, s:o}", "member", m->sent.name, "sent",
                                                    row_json(r, &m->sent, true), "received",
                                                    row_json(r, &m->received, false)));
    }
    return list;
}

static json_t *types_json(const struct tmx_report *r)
{
    json_t *list = json_array();

    for (size_t i = 0; i < r->n_types; i++) {
        json_t *o = row_json(r, r->types[i], true);

        (void)json_object_set_new(o, "type", json_string(r->types[i]->name));
        (void)json_array_append_new(list, o);
    }
    return list;
}

static json_t *reasons_json(const struct tmx_report *r)
{
    json_t *list = json_array();

    for (size_t i = 0; i < r->n_reasons; i++) {
        const struct tmx_report_reason *reason = &r->reasons[i];

        (void)json_array_append_new(
            list, json_pack("{s:s, s:s, s:s, s:s, s:I, s:I}", "event", tmx_report_event_name(reason->event), "member",
                            reason->member, "code", tmx_code_name(reason->code), "meaning",
                            tmx_code_meaning(reason->code), "count", (json_int_t)reason->count, "first_index",
                            (json_int_t)reason->first_index));
    }
    return list;
}

static json_t *timeline_json(const struct tmx_timeline *t)
{
    json_t *list = json_array();

    for (size_t i = 0; i < t->n; i++) {
        json_t *o = json_object();
        uint64_t accepted = 0;

        set_number(o, "start_ms", t->start_ms + i * t->width_ms);
        for (enum tmx_fate f = 0; f < FATES; f++) {
            set_number(o, tmx_fate_name(f), t->fates[i][f]);
            accepted += t->fates[i][f];
        }
        set_number(o, "accepted", accepted);
        (void)json_array_append_new(list, o);
    }
    return json_pack("{s:I, s:o}", "width_ms", (json_int_t)t->width_ms, "intervals", list);
}

static json_t *durations_json(const struct tmx_report_row *all)
{
    json_t *list = json_array();

    for (size_t i = 0; i < LATENCY_CLASSES; i++) {
        json_t *o = json_object();

        set_number_or_null(o, "up_to_ms", i + 1 < LATENCY_CLASSES, tmx_latency_class_ms(i));
        set_number(o, "arrival", all->arrival.classes[i]);
        set_number(o, "outcome", all->outcome.classes[i]);
        (void)json_array_append_new(list, o);
    }
    return list;
}

static json_t *open_json(const struct tmx_report *r)
{
    json_t *list = json_array();

    for (size_t i = 0; i < r->n_open; i++) {
        const struct tmx_report_open *d = &r->open[i];
        char id[TMX_ID_TEXT_SIZE];
        json_t *o;

        tmx_id_text(d->message_id, id);
        o = json_pack("{s:I, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I}", "index", (json_int_t)d->index, "message", id,
                      "sender", d->sender, "recipient", d->recipient, "type", d->message_type, "seq",
                      (json_int_t)d->seq, "accepted_ms", (json_int_t)d->accepted_ms, "age_ms",
                      (json_int_t)tmx_report_age(r, d->accepted_ms), "expires_ms", (json_int_t)d->expires_ms);
        set_number_or_null(o, "arrived_ms", d->arrived, d->arrived_ms);
        (void)json_array_append_new(list, o);
    }
    return json_pack("{s:I, s:I, s:o}", "all", (json_int_t)r->all.fates[FATE_OPEN], "more",
                     (json_int_t)(r->all.fates[FATE_OPEN] - r->n_open), "list", list);
}

json_t *tmx_report_json(const struct tmx_history *h, const struct tmx_report *r)
{
    json_t *all = json_object();
    char root[TMX_BASE64_SIZE(TMX_HASH_SIZE)];

    tmx_base64(TMX_BYTES_OF(h->head.root.b), root);
    (void)json_object_set_new(all, "origin", json_string(h->head.origin));
    set_number(all, "size", h->head.size);
    set_number(all, "min_index", h->pruned);
    (void)json_object_set_new(all, "root", json_string(root));
    set_number(all, "first_ms", r->first_ms);
    set_number(all, "last_ms", r->last_ms);
    set_number_or_null(all, "from_ms", r->choice.from_ms != 0, r->choice.from_ms);
    set_number_or_null(all, "to_ms", r->choice.to_ms != 0, r->choice.to_ms);
    (void)json_object_set_new(all, "member", r->choice.member == NULL ? json_null() : json_string(r->choice.member));
    set_number(all, "late_after_ms", r->choice.late_ms);
    (void)json_object_set_new(all, "totals", row_json(r, &r->all, true));
    (void)json_object_set_new(all, "members", members_json(r));
    (void)json_object_set_new(all, "types", types_json(r));
    (void)json_object_set_new(all, "reasons", reasons_json(r));
    (void)json_object_set_new(all, "timeline", timeline_json(&r->timeline));
    (void)json_object_set_new(all, "durations", durations_json(&r->all));
    (void)json_object_set_new(all, "open", open_json(r));
    set_number(all, "resubmitted", r->resubmitted);
    set_number(all, "unmatched", r->unmatched);
    return all;
}
