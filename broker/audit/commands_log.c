/* SPDX-License-Identifier: Apache-2.0
 * Commands that read a log for people: its lines, the numbers of its pairs, what two members sent each other.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <tmx/text.h>

#include "commands.h"
#include "gaps.h"
#include "reconcile.h"

static int written(int r)
{
    return r < 0 || fflush(stdout) != 0 || ferror(stdout) ? tmx_audit_complain("cannot write the result") : EXIT_OK;
}

int tmx_audit_list(const struct arguments *a)
{
    char why[HISTORY_WHY_MAX];
    struct tmx_history h;
    int r = tmx_audit_open(a, &h);

    if (r != EXIT_OK) {
        return r;
    }
    tmx_history_say_pruned(&h, stderr);
    r = tmx_readable(&h, &a->filter, a->format, stdout, why);
    r = r < 0 ? tmx_audit_complain(why) : written(0);
    tmx_history_close(&h);
    return r;
}

/* --- gaps ----------------------------------------------------------------------------------------------------- */

static void print_gaps(const struct tmx_history *h, const struct tmx_gaps *g)
{
    const struct tmx_gap_pair *first = NULL;

    printf("log         %s, %" PRIu64 " entries\n", h->head.origin, h->head.size);
    tmx_history_say_pruned(h, stdout);
    printf("\n");
    printf("%-8s %-9s %9s %9s %9s %9s %9s %9s %9s %9s\n", "SENDER", "RECIPIENT", "FIRST", "LAST", "ACCEPTED", "REJECTED",
           "EXPIRED", "EXCEPTION", "MISSING", "REPEATED");
    for (size_t i = 0; i < g->n; i++) {
        const struct tmx_gap_pair *p = &g->pairs[i];

        printf("%-8s %-9s %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %9" PRIu64
               " %9" PRIu64 "\n",
               p->sender, p->recipient, p->first, p->last, p->accepted, p->rejected, p->expired, p->exception,
               p->missing, p->repeated);
        if (p->missing + p->repeated > 0 && (first == NULL || p->first_fault < first->first_fault)) {
            first = p;
        }
    }
    if (first == NULL) {
        printf("\nverdict     complete: every number follows the one before\n");
    } else {
        printf("\nverdict     GAPS: %" PRIu64 " numbers are missing, %" PRIu64 " repeat; the first at entry %" PRIu64
               ", %s to %s\n",
               g->missing, g->repeated, first->first_fault, first->sender, first->recipient);
    }
}

static int gaps_json(const struct tmx_history *h, const struct tmx_gaps *g)
{
    json_t *pairs = json_array();

    for (size_t i = 0; i < g->n; i++) {
        const struct tmx_gap_pair *p = &g->pairs[i];
        const bool faulty = p->missing + p->repeated > 0;

        (void)json_array_append_new(
            pairs, json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "sender", p->sender,
                             "recipient", p->recipient, "first", (json_int_t)p->first, "last", (json_int_t)p->last,
                             "accepted", (json_int_t)p->accepted, "rejected", (json_int_t)p->rejected, "expired",
                             (json_int_t)p->expired, "exception", (json_int_t)p->exception, "missing",
                             (json_int_t)p->missing, "repeated", (json_int_t)p->repeated, "first_fault",
                             faulty ? json_integer((json_int_t)p->first_fault) : json_null()));
    }
    return tmx_audit_print_json(json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:o}", "verdict",
                                          g->missing + g->repeated > 0 ? "gaps" : "complete", "origin", h->head.origin,
                                          "size", (json_int_t)h->head.size, "min_index", (json_int_t)h->pruned, "missing", (json_int_t)g->missing,
                                          "repeated", (json_int_t)g->repeated, "pairs", pairs));
}

int tmx_run_gaps(const struct arguments *a)
{
    struct tmx_gaps g = { .n = 0 };
    char why[HISTORY_WHY_MAX];
    struct tmx_history h;
    int r = tmx_audit_open(a, &h);

    if (r != EXIT_OK) {
        return r;
    }
    r = tmx_gaps(&h, &g, why);
    if (r < 0) {
        r = tmx_audit_complain(why);
    } else {
        if ((a->given & OPTION_JSON) != 0) {
            r = gaps_json(&h, &g);
        } else {
            print_gaps(&h, &g);
        }
        r = written(r);
        r = r == EXIT_OK && g.missing + g.repeated > 0 ? EXIT_FAILED : r;
    }
    tmx_gaps_free(&g);
    tmx_history_close(&h);
    return r;
}

/* --- reconcile ------------------------------------------------------------------------------------------------ */

/* With --format: each delivery, as its line of the log. */
static int print_delivery(void *ctx, enum tmx_fate fate, const struct tmx_audit_line *l)
{
    const enum tmx_readable_format *format = ctx;

    return tmx_readable_line(l, *format, stdout);
}

static void print_reconciliation(const struct tmx_history *h, const struct tmx_reconciliation *r)
{
    printf("log         %s, %" PRIu64 " entries\n", h->head.origin, h->head.size);
    tmx_history_say_pruned(h, stdout);
    printf("\n");
    printf("%-8s %-9s %-16s %9s %9s %9s %9s %9s %9s %9s\n", "SENDER", "RECIPIENT", "TYPE", "ACCEPTED", "DELIVERED",
           "REFUSED", "EXPIRED", "EXCEPTION", "OPEN", "(ARRIVED)");
    for (size_t i = 0; i < r->n; i++) {
        const struct tmx_reconciled *t = &r->rows[i];

        printf("%-8s %-9s %-16s %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %9" PRIu64
               "\n",
               t->sender, t->recipient, t->message_type, t->accepted, t->fates[FATE_DELIVERED], t->fates[FATE_REFUSED],
               t->fates[FATE_EXPIRED], t->fates[FATE_EXCEPTION], t->fates[FATE_OPEN], t->arrived);
    }
    if (r->n == 0) {
        printf("nothing was accepted between them in this time\n");
    }
}

static int reconciliation_json(const struct tmx_history *h, const struct tmx_reconciliation *r)
{
    json_t *rows = json_array();

    for (size_t i = 0; i < r->n; i++) {
        const struct tmx_reconciled *t = &r->rows[i];
        json_t *row = json_pack("{s:s, s:s, s:s, s:I, s:I}", "sender", t->sender, "recipient", t->recipient, "type",
                                t->message_type, "accepted", (json_int_t)t->accepted, "arrived",
                                (json_int_t)t->arrived);

        for (enum tmx_fate f = 0; f < FATES; f++) {
            (void)json_object_set_new(row, tmx_fate_name(f), json_integer((json_int_t)t->fates[f]));
        }
        (void)json_array_append_new(rows, row);
    }
    return tmx_audit_print_json(
        json_pack("{s:s, s:I, s:I, s:o}", "origin", h->head.origin, "size", (json_int_t)h->head.size, "min_index",
                  (json_int_t)h->pruned, "rows", rows));
}

int tmx_run_reconcile(const struct arguments *a)
{
    const bool list = (a->given & OPTION_FORMAT) != 0;
    enum tmx_readable_format format = a->format;
    struct tmx_reconciliation result = { .n = 0 };
    char why[HISTORY_WHY_MAX];
    struct tmx_history h;
    int r = tmx_audit_open(a, &h);

    if (r != EXIT_OK) {
        return r;
    }
    if (list) {
        tmx_history_say_pruned(&h, stderr);
        tmx_readable_heading(a->format, stdout);
    }
    r = tmx_reconcile(&h, a->operands[1], a->operands[2], a->filter.from_ms, a->filter.to_ms,
                      list ? print_delivery : NULL, &format, &result, why);
    if (r < 0) {
        r = tmx_audit_complain(why);
    } else {
        if ((a->given & OPTION_JSON) != 0) {
            r = reconciliation_json(&h, &result);
        } else if (!list) {
            print_reconciliation(&h, &result);
        }
        r = written(r);
    }
    tmx_reconciliation_free(&result);
    tmx_history_close(&h);
    return r;
}
