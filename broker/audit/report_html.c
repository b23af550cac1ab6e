/* SPDX-License-Identifier: Apache-2.0
 * The report as a page: its text and tables. The numbers are those of report_json.c, in the same order.
 */
#include <inttypes.h>
#include <string.h>

#include <tmx/code.h>
#include <tmx/text.h>

#include "html.h"
#include "report_page.h"

/* --- heading -------------------------------------------------------------------------------------------------- */

static void fact_selection(const struct tmx_report_choice *choice, FILE *out)
{
    if (choice->from_ms == 0 && choice->to_ms == 0 && choice->member == NULL) {
        return;
    }
    fputs("<dt>Selected</dt><dd>", out);
    if (choice->member != NULL) {
        fputs("what ", out);
        html_text(out, choice->member);
        fputs(choice->from_ms != 0 || choice->to_ms != 0 ? " sends or receives, " : " sends or receives", out);
    }
    if (choice->from_ms != 0) {
        fputs("accepted from ", out);
        html_time(out, choice->from_ms);
    }
    if (choice->to_ms != 0) {
        fputs(choice->from_ms != 0 ? " and before " : "accepted before ", out);
        html_time(out, choice->to_ms);
    }
    fputs("</dd>\n", out);
}

static void heading(const struct tmx_history *h, const struct tmx_report *r, FILE *out)
{
    char root[TMX_BASE64_SIZE(TMX_HASH_SIZE)];

    tmx_base64(TMX_BYTES_OF(h->head.root.b), root);
    fputs("<dl class=\"facts\">\n<dt>Entries</dt><dd>", out);
    html_count(out, h->head.size);
    if (h->pruned > 0) {
        fputs(", pruned before entry ", out);
        html_count(out, h->pruned);
    }
    fputs(", from ", out);
    html_time(out, r->first_ms);
    fputs(" to ", out);
    html_time(out, r->last_ms);
    fputs(" (UTC, as all times here)</dd>\n", out);
    fact_selection(&r->choice, out);
    fputs("<dt>Late</dt><dd>more than ", out);
    html_duration(out, r->choice.late_ms);
    fprintf(out, " after acceptance</dd>\n<dt>Root</dt><dd><code>%s</code></dd>\n</dl>\n", root);
    fputs("<p class=\"soft\">The entries lead to this root, which the log has signed. Whether members signed what the "
          "entries say is what tmx-audit verify checks.</p>\n</header>\n<main>\n", out);
}

static void total(FILE *out, const char *name, uint64_t n)
{
    fprintf(out, "<div><dt>%s</dt><dd>", name);
    html_count(out, n);
    fputs("</dd></div>\n", out);
}

static void totals(const struct tmx_report *r, FILE *out)
{
    const struct tmx_report_row *all = &r->all;

    fputs("<dl class=\"totals\" id=\"totals\">\n", out);
    total(out, "Messages", all->messages);
    total(out, "Deliveries", all->accepted);
    total(out, "Delivered", all->fates[FATE_DELIVERED]);
    total(out, "Refused", all->fates[FATE_REFUSED]);
    total(out, "Expired", all->fates[FATE_EXPIRED]);
    total(out, "Exceptions", all->fates[FATE_EXCEPTION]);
    total(out, "Open", all->fates[FATE_OPEN]);
    total(out, "Open, overdue", all->overdue);
    total(out, "Ended late", all->late);
    total(out, "Rejected by the broker", all->rejected);
    fputs("</dl>\n", out);
    if (r->resubmitted > 0) {
        fputs("<p id=\"resubmitted\">Of the deliveries ", out);
        html_count(out, r->resubmitted);
        fputs(" had been accepted in an earlier shard of the log and were submitted again.</p>\n", out);
    }
    if (r->unmatched > 0) {
        fputs("<p id=\"unmatched\">Outcomes that fit no open delivery here: ", out);
        html_count(out, r->unmatched);
        fputs(". They are of an earlier shard, or tmx-audit verify says what is wrong.</p>\n", out);
    }
}

/* --- in time -------------------------------------------------------------------------------------------------- */

static void timeline(const struct tmx_timeline *t, FILE *out)
{
    static const char *const columns[] = { "From",    "Accepted",  "Delivered", "Refused",
                                           "Expired", "Exception", "Open",      NULL };
    char width[DURATION_TEXT_SIZE];
    char caption[160];

    fputs("<section>\n<h2>In time</h2>\n", out);
    if (t->n == 0) {
        fputs("<p>The log has no entry in this time.</p>\n</section>\n", out);
        return;
    }
    tmx_duration_text(t->width_ms, width);
    snprintf(caption, sizeof caption, "Deliveries by the time of their acceptance, in intervals of %s, and what became of "
                                      "them", width);
    report_plot_timeline(out, t, caption);
    html_table_begin(out, "timeline", "The numbers of the plot", columns);
    for (size_t i = 0; i < t->n; i++) {
        uint64_t accepted = 0;

        for (enum tmx_fate f = 0; f < FATES; f++) {
            accepted += t->fates[i][f];
        }
        fputs("<tr><th scope=\"row\">", out);
        html_minute(out, t->start_ms + i * t->width_ms);
        fputs("</th>", out);
        html_cell_count(out, accepted);
        for (enum tmx_fate f = FATE_DELIVERED; f < FATES; f++) {
            html_cell_count(out, t->fates[i][f]);
        }
        html_cell_count(out, t->fates[i][FATE_OPEN]);
        fputs("</tr>\n", out);
    }
    html_table_end(out);
    fputs("</section>\n", out);
}

/* --- durations ------------------------------------------------------------------------------------------------ */

static void duration_cells(FILE *out, const struct tmx_latency *l)
{
    html_cell_duration(out, l->n > 0, tmx_latency_percentile(l, 50));
    html_cell_duration(out, l->n > 0, tmx_latency_percentile(l, 95));
    html_cell_duration(out, l->n > 0, l->max_ms);
}

static void duration_row(FILE *out, const struct tmx_report_row *row, const char *name, bool total_row)
{
    html_row(out, name, total_row);
    duration_cells(out, &row->arrival);
    duration_cells(out, &row->outcome);
    fputs("</tr>\n", out);
}

static void duration_classes(const struct tmx_report_row *all, FILE *out)
{
    static const char *const columns[] = { "Duration", "To arrival", "To outcome", NULL };

    html_table_begin(out, "durations", "The numbers of the plot", columns);
    for (size_t i = 0; i < LATENCY_CLASSES; i++) {
        const bool last = i + 1 == LATENCY_CLASSES;
        char text[DURATION_TEXT_SIZE];

        tmx_duration_text(tmx_latency_class_ms(last ? i - 1 : i), text);
        fprintf(out, "<tr><th scope=\"row\">%s %s</th>", last ? "more than" : "at most", text);
        html_cell_count(out, all->arrival.classes[i]);
        html_cell_count(out, all->outcome.classes[i]);
        fputs("</tr>\n", out);
    }
    html_table_end(out);
}

static void durations(const struct tmx_report *r, FILE *out)
{
    static const char *const sent[] = { "Sender", "CoA, half", "CoA, 95 %", "CoA, max", "End, half", "End, 95 %",
                                        "End, max", NULL };
    static const char *const received[] = { "Recipient", "CoA, half", "CoA, 95 %", "CoA, max", "End, half",
                                            "End, 95 %", "End, max", NULL };

    fputs("<section>\n<h2>How long it takes</h2>\n", out);
    report_plot_durations(out, &r->all, "How long deliveries took from their acceptance: each class holds what is longer "
                                        "than the one before");
    duration_classes(&r->all, out);
    fputs("<p class=\"soft\">Half, and 95 %, of the deliveries took no longer than this; the figure may be up to a "
          "sixteenth too high. The longest is exact.</p>\n", out);
    html_table_begin(out, "sent-durations", "Durations, by sender", sent);
    for (size_t i = 0; i < r->n_members; i++) {
        duration_row(out, &r->members[i]->sent, r->members[i]->sent.name, false);
    }
    duration_row(out, &r->all, "all", true);
    html_table_end(out);
    html_table_begin(out, "received-durations", "Durations, by recipient", received);
    for (size_t i = 0; i < r->n_members; i++) {
        duration_row(out, &r->members[i]->received, r->members[i]->received.name, false);
    }
    html_table_end(out);
    fputs("</section>\n", out);
}

/* --- members and types ---------------------------------------------------------------------------------------- */

static void count_row(const struct tmx_report *r, const struct tmx_report_row *row, const char *name, bool with_rejected,
                      bool total_row, FILE *out)
{
    html_row(out, name, total_row);
    html_cell_count(out, row->messages);
    html_cell_count(out, row->accepted);
    html_cell_count(out, row->arrived);
    for (enum tmx_fate f = FATE_DELIVERED; f < FATES; f++) {
        html_cell_count(out, row->fates[f]);
    }
    html_cell_count(out, row->fates[FATE_OPEN]);
    html_cell_count(out, row->queued);
    html_cell_count(out, row->overdue);
    html_cell_count(out, row->late);
    if (with_rejected) {
        html_cell_count(out, row->rejected);
    }
    html_cell_duration(out, row->fates[FATE_OPEN] > 0, tmx_report_age(r, row->oldest_ms));
    fputs("</tr>\n", out);
}

#define COUNT_COLUMNS                                                                                                  \
    "Messages", "Deliveries", "Arrived", "Delivered", "Refused", "Expired", "Exception", "Open", "Queued", "Overdue",   \
        "Ended late"

static void members(const struct tmx_report *r, FILE *out)
{
    static const char *const sent[] = { "Sender", COUNT_COLUMNS, "Rejected", "Oldest open", NULL };
    static const char *const received[] = { "Recipient", COUNT_COLUMNS, "Oldest open", NULL };

    fputs("<section>\n<h2>By sender</h2>\n", out);
    report_plot_members(out, r, false, "Deliveries by sender, and what became of them");
    html_table_begin(out, "sent", "The numbers by sender", sent);
    for (size_t i = 0; i < r->n_members; i++) {
        count_row(r, &r->members[i]->sent, r->members[i]->sent.name, true, false, out);
    }
    count_row(r, &r->all, "all", true, true, out);
    html_table_end(out);
    fputs("</section>\n<section>\n<h2>By recipient</h2>\n", out);
    report_plot_members(out, r, true, "Deliveries by recipient, and what became of them");
    html_table_begin(out, "received", "The numbers by recipient", received);
    for (size_t i = 0; i < r->n_members; i++) {
        count_row(r, &r->members[i]->received, r->members[i]->received.name, false, false, out);
    }
    html_table_end(out);
    fputs("</section>\n", out);
}

static void types(const struct tmx_report *r, FILE *out)
{
    static const char *const columns[] = { "Type", COUNT_COLUMNS, "Rejected", "Oldest open", NULL };

    fputs("<section>\n<h2>By message type</h2>\n", out);
    html_table_begin(out, "types", "Deliveries by message type", columns);
    for (size_t i = 0; i < r->n_types; i++) {
        count_row(r, r->types[i], r->types[i]->name, true, false, out);
    }
    html_table_end(out);
    fputs("</section>\n", out);
}

/* --- open deliveries and reasons ------------------------------------------------------------------------------ */

static void open_rows(const struct tmx_report *r, FILE *out)
{
    for (size_t i = 0; i < r->n_open; i++) {
        const struct tmx_report_open *d = &r->open[i];
        char id[TMX_ID_TEXT_SIZE];

        tmx_id_text(d->message_id, id);
        fputs("<tr><th scope=\"row\">", out);
        html_count(out, d->index);
        fputs("</th>", out);
        html_cell_time(out, true, d->accepted_ms);
        html_cell_duration(out, true, tmx_report_age(r, d->accepted_ms));
        html_cell_text(out, d->sender);
        html_cell_text(out, d->recipient);
        html_cell_text(out, d->message_type);
        html_cell_count(out, d->seq);
        html_cell_time(out, d->arrived, d->arrived_ms);
        html_cell_time(out, true, d->expires_ms);
        fprintf(out, "<td class=\"text\"><code>%s</code></td></tr>\n", id);
    }
}

static void open_deliveries(const struct tmx_report *r, FILE *out)
{
    static const char *const columns[] = { "Entry", "Accepted", "Age", "Sender", "Recipient", "Type", "Number",
                                           "Arrived", "Expires", "Message", NULL };

    fputs("<section>\n<h2>Open deliveries</h2>\n", out);
    if (r->n_open == 0) {
        fputs("<p>None: everything that was accepted has its terminal outcome.</p>\n</section>\n", out);
        return;
    }
    if (r->all.fates[FATE_OPEN] > r->n_open) {
        fputs("<p>The oldest are listed; there are <span id=\"more\">", out);
        html_count(out, r->all.fates[FATE_OPEN] - r->n_open);
        fputs("</span> younger ones.</p>\n", out);
    }
    html_table_begin(out, "open", "Accepted, without terminal outcome at the end of the log; the oldest first", columns);
    open_rows(r, out);
    html_table_end(out);
    fputs("</section>\n", out);
}

static void reasons(const struct tmx_report *r, FILE *out)
{
    static const char *const columns[] = { "Member", "What", "Code", "Times", "First entry", "Meaning", NULL };
    static const char *const events[] = {
        [REPORT_REJECTED] = "message rejected by the broker",
        [REPORT_STATEMENT] = "report or prekeys rejected by the broker",
        [REPORT_REFUSED] = "refused by this recipient",
        [REPORT_EXCEPTION] = "exception at this recipient",
    };

    fputs("<section>\n<h2>Reasons</h2>\n", out);
    if (r->n_reasons == 0) {
        fputs("<p>Nothing was rejected or refused, and there was no exception.</p>\n</section>\n", out);
        return;
    }
    html_table_begin(out, "reasons", "Why messages were rejected or refused, or could not be delivered", columns);
    for (size_t i = 0; i < r->n_reasons; i++) {
        const struct tmx_report_reason *reason = &r->reasons[i];

        html_row(out, reason->member, false);
        html_cell_text(out, events[reason->event]);
        html_cell_text(out, tmx_code_name(reason->code));
        html_cell_count(out, reason->count);
        html_cell_count(out, reason->first_index);
        fputs("<td class=\"text long\">", out);
        html_text(out, tmx_code_meaning(reason->code));
        fputs("</td></tr>\n", out);
    }
    html_table_end(out);
    fputs("</section>\n", out);
}

static void words(FILE *out)
{
    fputs("<section>\n<h2>Words</h2>\n<dl>\n"
          "<dt>delivery</dt><dd>a message to one of its recipients; it belongs to the time of its acceptance, and what "
          "became of it is looked for to the end of the log</dd>\n"
          "<dt>accepted</dt><dd>the broker has it and vouches for it in the log</dd>\n"
          "<dt>arrived (CoA)</dt><dd>the recipient's node has it, verified and opened</dd>\n"
          "<dt>delivered, refused (CoD)</dt><dd>the recipient's application took it, or did not</dd>\n"
          "<dt>expired</dt><dd>it was not taken before its expiry</dd>\n"
          "<dt>exception (CoE)</dt><dd>it cannot be delivered or opened</dd>\n"
          "<dt>open</dt><dd>without terminal outcome at the end of the log; of these, queued: not arrived, and overdue: older "
          "than what counts as late</dd>\n"
          "<dt>rejected</dt><dd>the broker did not accept the message</dd>\n</dl>\n</section>\n", out);
}

void tmx_report_html(const struct tmx_history *h, const struct tmx_report *r, FILE *out)
{
    html_begin(out, "Report", h->head.origin);
    heading(h, r, out);
    totals(r, out);
    timeline(&r->timeline, out);
    durations(r, out);
    members(r, out);
    types(r, out);
    open_deliveries(r, out);
    reasons(r, out);
    words(out);
    fputs("</main>\n<footer><p class=\"soft\">Made by tmx-audit " TMX_VERSION ".</p></footer>\n", out);
    html_end(out);
}
