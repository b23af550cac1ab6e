/* SPDX-License-Identifier: Apache-2.0
 * The report as tables of text.
 */
#include <inttypes.h>

#include <tmx/code.h>
#include <tmx/text.h>

#include "report.h"

#define PRINT_OPEN_MAX 20u /* a screen of them; --json and --html list more */

static void print_heading(const struct tmx_history *h, const struct tmx_report *r, FILE *out)
{
    char first[TMX_TIME_TEXT_SIZE];
    char last[TMX_TIME_TEXT_SIZE];
    char late[DURATION_TEXT_SIZE];

    tmx_time_text(r->first_ms, first);
    tmx_time_text(r->last_ms, last);
    tmx_duration_text(r->choice.late_ms, late);
    fprintf(out, "log         %s, %" PRIu64 " entries\n", h->head.origin, h->head.size);
    if (h->pruned > 0) {
        fprintf(out, "pruned      there are no entries before %" PRIu64 "\n", h->pruned);
    }
    fprintf(out, "from        %s\nto          %s\n", first, last);
    if (r->choice.from_ms != 0 || r->choice.to_ms != 0) {
        tmx_time_text(r->choice.from_ms, first);
        tmx_time_text(r->choice.to_ms, last);
        fprintf(out, "accepted    from %s before %s\n", r->choice.from_ms != 0 ? first : "the beginning",
                r->choice.to_ms != 0 ? last : "the end");
    }
    if (r->choice.member != NULL) {
        fprintf(out, "member      %s\n", r->choice.member);
    }
    fprintf(out, "late        more than %s after acceptance\n", late);
}

static void print_counts(const struct tmx_report_row *row, const char *name, FILE *out)
{
    fprintf(out, "%-16s %9" PRIu64 " %9" PRIu64 " %9" PRIu64, name, row->messages, row->accepted, row->arrived);
    for (enum tmx_fate f = FATE_DELIVERED; f < FATES; f++) {
        fprintf(out, " %9" PRIu64, row->fates[f]);
    }
    fprintf(out, " %9" PRIu64 " %9" PRIu64 " %9" PRIu64 "\n", row->fates[FATE_OPEN], row->overdue, row->late);
}

static void print_counts_heading(const char *what, FILE *out)
{
    fprintf(out, "\n%-16s %9s %9s %9s %9s %9s %9s %9s %9s %9s %9s\n", what, "MESSAGES", "ACCEPTED", "ARRIVED",
            "DELIVERED", "REFUSED", "EXPIRED", "EXCEPTION", "OPEN", "OVERDUE", "LATE");
}

static void print_latency(const struct tmx_latency *l, FILE *out)
{
    const uint64_t values[] = { tmx_latency_percentile(l, 50), tmx_latency_percentile(l, 95), l->max_ms };

    for (size_t i = 0; i < TMX_N(values); i++) {
        char text[DURATION_TEXT_SIZE] = "-";

        if (l->n > 0) {
            tmx_duration_text(values[i], text);
        }
        fprintf(out, " %9s", text);
    }
}

static void print_times(const struct tmx_report *r, const struct tmx_report_row *row, const char *name, FILE *out)
{
    char age[DURATION_TEXT_SIZE] = "-";

    if (row->accepted == 0) {
        return;
    }
    if (row->fates[FATE_OPEN] > 0) {
        tmx_duration_text(tmx_report_age(r, row->oldest_ms), age);
    }
    fprintf(out, "%-16s", name);
    print_latency(&row->arrival, out);
    print_latency(&row->outcome, out);
    fprintf(out, " %12s\n", age);
}

static void print_times_heading(const char *what, FILE *out)
{
    fprintf(out, "\n%-16s %9s %9s %9s %9s %9s %9s %12s\n", what, "CoA: p50", "p95", "max", "end: p50", "p95", "max",
            "OLDEST OPEN");
}

static void print_members(const struct tmx_report *r, FILE *out)
{
    print_counts_heading("SENT BY", out);
    for (size_t i = 0; i < r->n_members; i++) {
        print_counts(&r->members[i]->sent, r->members[i]->sent.name, out);
    }
    print_counts(&r->all, "all", out);
    print_counts_heading("RECEIVED BY", out);
    for (size_t i = 0; i < r->n_members; i++) {
        print_counts(&r->members[i]->received, r->members[i]->received.name, out);
    }
    print_times_heading("SENT BY", out);
    for (size_t i = 0; i < r->n_members; i++) {
        print_times(r, &r->members[i]->sent, r->members[i]->sent.name, out);
    }
    print_times(r, &r->all, "all", out);
    print_times_heading("RECEIVED BY", out);
    for (size_t i = 0; i < r->n_members; i++) {
        print_times(r, &r->members[i]->received, r->members[i]->received.name, out);
    }
    print_counts_heading("TYPE", out);
    for (size_t i = 0; i < r->n_types; i++) {
        print_counts(r->types[i], r->types[i]->name, out);
    }
}

static void print_reasons(const struct tmx_report *r, FILE *out)
{
    if (r->n_reasons == 0) {
        return;
    }
    fprintf(out, "\n%-18s %-8s %-22s %9s %12s\n", "EVENT", "MEMBER", "CODE", "COUNT", "FIRST ENTRY");
    for (size_t i = 0; i < r->n_reasons; i++) {
        const struct tmx_report_reason *reason = &r->reasons[i];

        fprintf(out, "%-18s %-8s %-22s %9" PRIu64 " %12" PRIu64 "\n", tmx_report_event_name(reason->event),
                reason->member, tmx_code_name(reason->code), reason->count, reason->first_index);
    }
}

static void print_open(const struct tmx_report *r, FILE *out)
{
    const size_t n = r->n_open < PRINT_OPEN_MAX ? r->n_open : PRINT_OPEN_MAX;

    if (n == 0) {
        return;
    }
    fprintf(out, "\n%-12s %-24s %9s %-8s %-9s %-16s %-8s %s\n", "OPEN: ENTRY", "ACCEPTED", "AGE", "SENDER", "RECIPIENT",
            "TYPE", "STATE", "MESSAGE");
    for (size_t i = 0; i < n; i++) {
        const struct tmx_report_open *d = &r->open[i];
        char accepted[TMX_TIME_TEXT_SIZE];
        char age[DURATION_TEXT_SIZE];
        char id[TMX_ID_TEXT_SIZE];

        tmx_time_text(d->accepted_ms, accepted);
        tmx_duration_text(tmx_report_age(r, d->accepted_ms), age);
        tmx_id_text(d->message_id, id);
        fprintf(out, "%-12" PRIu64 " %-24s %9s %-8s %-9s %-16s %-8s %s\n", d->index, accepted, age, d->sender,
                d->recipient, d->message_type, d->arrived ? "arrived" : "queued", id);
    }
    if (r->all.fates[FATE_OPEN] > n) {
        fprintf(out, "and %" PRIu64 " younger ones%s\n", r->all.fates[FATE_OPEN] - n,
                r->n_open > n ? ": --json and --html list more" : "");
    }
}

void tmx_report_print(const struct tmx_history *h, const struct tmx_report *r, FILE *out)
{
    print_heading(h, r, out);
    print_members(r, out);
    print_reasons(r, out);
    print_open(r, out);
    fprintf(out, "\nrejected    %" PRIu64 " messages by the broker\n", r->all.rejected);
    if (r->resubmitted > 0) {
        fprintf(out, "resubmitted %" PRIu64 " of the deliveries: an earlier shard had accepted them\n", r->resubmitted);
    }
    if (r->unmatched > 0) {
        fprintf(out, "unmatched   %" PRIu64 " reports fit no open delivery of this log: they are of an earlier shard or pruned, or "
                     "tmx-audit verify says more\n", r->unmatched);
    }
}
