/* SPDX-License-Identifier: Apache-2.0
 * The result of a report: what is open at the end of the log, everything in its order.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "report_parts.h"

static int compare_members(const void *a, const void *b)
{
    const struct tmx_report_member *const *left = a;
    const struct tmx_report_member *const *right = b;

    return strcmp((*left)->sent.name, (*right)->sent.name);
}

static int compare_types(const void *a, const void *b)
{
    const struct tmx_report_row *const *left = a;
    const struct tmx_report_row *const *right = b;

    return strcmp((*left)->name, (*right)->name);
}

static int compare_reasons(const void *a, const void *b)
{
    const struct tmx_report_reason *left = a;
    const struct tmx_report_reason *right = b;
    const int member = strcmp(left->member, right->member);

    return left->event != right->event ? (left->event < right->event ? -1 : 1)
           : member != 0               ? member
                                       : (left->code > right->code) - (left->code < right->code);
}

/* In the order of their acceptances, which is that of time. */
static int compare_open(const void *a, const void *b)
{
    const struct tmx_report_open *left = a;
    const struct tmx_report_open *right = b;

    return left->index != right->index ? (left->index < right->index ? -1 : 1)
                                       : strcmp(left->recipient, right->recipient);
}

uint64_t tmx_report_age(const struct tmx_report *r, uint64_t accepted_ms)
{
    return r->last_ms > accepted_ms ? r->last_ms - accepted_ms : 0;
}

static void count_open(struct tmx_collect *c, const struct tmx_collect_open *d, uint64_t index)
{
    const struct tmx_report *report = c->report;
    const bool overdue = tmx_report_age(report, d->accepted_ms) > report->choice.late_ms;
    struct tmx_report_row *rows[COLLECT_ROWS];

    tmx_collect_rows(c, d, rows);
    for (size_t i = 0; i < COLLECT_ROWS; i++) {
        if (rows[i]->oldest_ms == 0 || index < rows[i]->oldest_index) {
            rows[i]->oldest_ms = d->accepted_ms;
            rows[i]->oldest_index = index;
        }
        rows[i]->overdue += overdue;
    }
}

static struct tmx_report_open listed(const struct tmx_collect *c, const struct tmx_collect_open *d, uint64_t index)
{
    struct tmx_report_open o = {
        .index = index,
        .accepted_ms = d->accepted_ms,
        .arrived = d->arrived,
        .arrived_ms = d->arrived_ms,
        .expires_ms = d->expires_ms,
        .seq = d->seq,
    };

    memcpy(o.message_id, d->message_id, sizeof o.message_id);
    memcpy(o.sender, c->report->members[d->sender]->sent.name, TMX_MEMBER_MAX);
    memcpy(o.recipient, c->report->members[d->recipient]->sent.name, TMX_MEMBER_MAX);
    memcpy(o.message_type, c->report->types[d->type]->name, TMX_TYPE_MAX);
    return o;
}

/* Room for twice as many as are listed: when it is full, the younger half goes. */
static int list_open(struct tmx_collect *c)
{
    struct tmx_report *report = c->report;
    const struct tmx_audit_key *key;
    size_t at = 0;
    void *value;

    report->open = calloc(2 * REPORT_OPEN_MAX, sizeof report->open[0]);
    if (report->open == NULL) {
        return -ENOMEM;
    }
    while (tmx_audit_table_next(&c->open, &at, &key, &value)) {
        struct tmx_reader r = tmx_reader_init(TMX_BYTES_OF(key->b));
        const uint64_t index = tmx_read_u64(&r);

        count_open(c, value, index);
        report->open[report->n_open++] = listed(c, value, index);
        if (report->n_open == 2 * REPORT_OPEN_MAX) {
            qsort(report->open, report->n_open, sizeof report->open[0], compare_open);
            report->n_open = REPORT_OPEN_MAX;
        }
    }
    qsort(report->open, report->n_open, sizeof report->open[0], compare_open);
    report->n_open = report->n_open < REPORT_OPEN_MAX ? report->n_open : REPORT_OPEN_MAX;
    return 0;
}

static int list_reasons(struct tmx_collect *c)
{
    struct tmx_report *report = c->report;
    const struct tmx_audit_key *key;
    size_t at = 0;
    void *value;

    report->reasons = calloc(c->reasons.n + 1, sizeof report->reasons[0]);
    if (report->reasons == NULL) {
        return -ENOMEM;
    }
    while (tmx_audit_table_next(&c->reasons, &at, &key, &value)) {
        report->reasons[report->n_reasons++] = *(const struct tmx_report_reason *)value;
    }
    qsort(report->reasons, report->n_reasons, sizeof report->reasons[0], compare_reasons);
    return 0;
}

static int finish(struct tmx_collect *c)
{
    struct tmx_report *report = c->report;
    int r = list_open(c);

    if (r == 0) {
        r = list_reasons(c);
    }
    qsort(report->members, report->n_members, sizeof report->members[0], compare_members);
    qsort(report->types, report->n_types, sizeof report->types[0], compare_types);
    return r;
}

static int collect(struct tmx_history *h, struct tmx_report *report, char why[HISTORY_WHY_MAX])
{
    struct tmx_collect c = { .report = report, .path = h->path };
    uint8_t hash_key[16];
    int r;

    randombytes_buf(hash_key, sizeof hash_key);
    tmx_audit_table_init(&c.members, sizeof(uint16_t), hash_key);
    tmx_audit_table_init(&c.types, sizeof(uint16_t), hash_key);
    tmx_audit_table_init(&c.open, sizeof(struct tmx_collect_open), hash_key);
    tmx_audit_table_init(&c.reasons, sizeof(struct tmx_report_reason), hash_key);
    r = tmx_audit_lines(h, tmx_collect_line, &c, why);
    if (r < 0 && c.why[0] != '\0') {
        memcpy(why, c.why, HISTORY_WHY_MAX);
    } else if (r == 0) {
        r = finish(&c);
        if (r < 0) {
            snprintf(why, HISTORY_WHY_MAX, "out of memory");
        }
    }
    tmx_audit_table_deinit(&c.members);
    tmx_audit_table_deinit(&c.types);
    tmx_audit_table_deinit(&c.open);
    tmx_audit_table_deinit(&c.reasons);
    return r;
}

int tmx_report(struct tmx_history *h, const struct tmx_report_choice *choice, struct tmx_report **ret_report,
               char ret_why[HISTORY_WHY_MAX])
{
    struct tmx_report *report = calloc(1, sizeof *report);
    int r;

    if (report == NULL) {
        snprintf(ret_why, HISTORY_WHY_MAX, "out of memory");
        return -ENOMEM;
    }
    report->choice = *choice;
    r = collect(h, report, ret_why);
    if (r < 0) {
        tmx_report_free(report);
        return r;
    }
    *ret_report = report;
    return 0;
}

struct tmx_report *tmx_report_free(struct tmx_report *r)
{
    if (r != NULL) {
        for (size_t i = 0; i < r->n_members; i++) {
            free(r->members[i]);
        }
        for (size_t i = 0; i < r->n_types; i++) {
            free(r->types[i]);
        }
        free(r->reasons);
        free(r->open);
        free(r);
    }
    return NULL;
}
