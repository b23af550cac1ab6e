/* SPDX-License-Identifier: Apache-2.0
 * Counting along the log.
 */
#include <stdlib.h>
#include <string.h>

#include "report_parts.h"

static const char *const event_names[] = {
    [REPORT_REJECTED] = "rejected",
    [REPORT_STATEMENT] = "statement-rejected",
    [REPORT_REFUSED] = "refused",
    [REPORT_EXCEPTION] = "exception",
};

const char *tmx_report_event_name(enum tmx_report_event event)
{
    return event_names[event];
}

static int too_many(struct tmx_collect *c, const char *what, unsigned max)
{
    snprintf(c->why, sizeof c->why, "%s: its entries name more than %u %s: tmx-audit verify says what is wrong with them",
             c->path, max, what);
    return -E2BIG;
}

/* The number that stands for a name. */
static int number_of(struct tmx_audit_table *numbers, const char *name, uint16_t **ret_number, bool *ret_new)
{
    struct tmx_audit_key key = { { 0 } };
    void *value;
    int r;

    memcpy(key.b, name, strlen(name));
    r = tmx_audit_table_put(numbers, &key, &value, ret_new);
    if (r == 0) {
        *ret_number = value;
    }
    return r;
}

static int find_member(struct tmx_collect *c, const char *code, uint16_t *ret_number)
{
    struct tmx_report *report = c->report;
    struct tmx_report_member *m;
    uint16_t *number;
    bool new;
    int r = number_of(&c->members, code, &number, &new);

    if (r < 0) {
        return r;
    }
    if (new) {
        if (report->n_members == REPORT_MEMBERS_MAX) {
            return too_many(c, "members", REPORT_MEMBERS_MAX);
        }
        m = calloc(1, sizeof *m);
        if (m == NULL) {
            return -ENOMEM;
        }
        snprintf(m->sent.name, sizeof m->sent.name, "%s", code);
        snprintf(m->received.name, sizeof m->received.name, "%s", code);
        *number = (uint16_t)report->n_members;
        report->members[report->n_members++] = m;
    }
    *ret_number = *number;
    return 0;
}

static int find_type(struct tmx_collect *c, const char *type, uint16_t *ret_number)
{
    struct tmx_report *report = c->report;
    struct tmx_report_row *row;
    uint16_t *number;
    bool new;
    int r = number_of(&c->types, type, &number, &new);

    if (r < 0) {
        return r;
    }
    if (new) {
        if (report->n_types == REPORT_TYPES_MAX) {
            return too_many(c, "message types", REPORT_TYPES_MAX);
        }
        row = calloc(1, sizeof *row);
        if (row == NULL) {
            return -ENOMEM;
        }
        snprintf(row->name, sizeof row->name, "%s", type);
        *number = (uint16_t)report->n_types;
        report->types[report->n_types++] = row;
    }
    *ret_number = *number;
    return 0;
}

static int count_reason(struct tmx_collect *c, enum tmx_report_event event, const char *member,
                        const struct tmx_audit_line *l)
{
    struct tmx_audit_key key = { { (uint8_t)event } };
    struct tmx_writer w = tmx_writer_init(key.b + 1, sizeof key.b - 1);
    struct tmx_report_reason *reason;
    void *value;
    bool new;
    int r;

    tmx_write_u32(&w, l->code_number);
    tmx_write_bytes(&w, tmx_bytes_str(member));
    r = tmx_audit_table_put(&c->reasons, &key, &value, &new);
    if (r < 0) {
        return r;
    }
    reason = value;
    if (new) {
        reason->event = event;
        reason->code = l->code_number;
        reason->first_index = l->index;
        snprintf(reason->member, sizeof reason->member, "%s", member);
    }
    reason->count++;
    return 0;
}

static bool in_time(const struct tmx_collect *c, uint64_t ms)
{
    const struct tmx_report_choice *choice = &c->report->choice;

    return ms >= choice->from_ms && (choice->to_ms == 0 || ms < choice->to_ms);
}

static bool is_of(const struct tmx_collect *c, const char *member)
{
    return c->report->choice.member == NULL || strcmp(c->report->choice.member, member) == 0;
}

struct tmx_audit_key tmx_collect_key(uint64_t acceptance, const char *recipient)
{
    struct tmx_audit_key key = { { 0 } };
    struct tmx_writer w = TMX_WRITER_OF(key.b);

    tmx_write_u64(&w, acceptance);
    tmx_write_bytes(&w, tmx_bytes_str(recipient));
    return key;
}

void tmx_collect_rows(struct tmx_collect *c, const struct tmx_collect_open *d, struct tmx_report_row *ret_rows[COLLECT_ROWS])
{
    ret_rows[0] = &c->report->all;
    ret_rows[1] = &c->report->members[d->sender]->sent;
    ret_rows[2] = &c->report->members[d->recipient]->received;
    ret_rows[3] = c->report->types[d->type];
}

static int on_acceptance(struct tmx_collect *c, const struct tmx_audit_line *l)
{
    const struct tmx_audit_key key = tmx_collect_key(l->index, l->recipient);
    struct tmx_collect_open d = { .accepted_ms = l->time_ms, .expires_ms = l->expires_ms, .seq = l->seq };
    struct tmx_report_row *rows[COLLECT_ROWS];
    void *value;
    bool new;
    int r = find_member(c, l->sender, &d.sender);

    r = r < 0 ? r : find_member(c, l->recipient, &d.recipient);
    r = r < 0 ? r : find_type(c, l->message_type, &d.type);
    r = r < 0 ? r : tmx_audit_table_put(&c->open, &key, &value, &new);
    if (r < 0 || !new) {
        return r;
    }
    memcpy(d.message_id, l->message_id, sizeof d.message_id);
    *(struct tmx_collect_open *)value = d;
    tmx_collect_rows(c, &d, rows);
    for (size_t i = 0; i < COLLECT_ROWS; i++) {
        rows[i]->messages += rows[i]->counted != l->index + 1;
        rows[i]->counted = l->index + 1;
        rows[i]->accepted++;
        rows[i]->queued++;
        rows[i]->fates[FATE_OPEN]++;
    }
    c->report->resubmitted += strcmp(l->kind, "resubmission") == 0;
    tmx_timeline_accept(&c->report->timeline, l->time_ms);
    return 0;
}

/* Time never falls along a log, or tmx-audit verify says so. */
static uint64_t since(uint64_t earlier_ms, uint64_t ms)
{
    return ms > earlier_ms ? ms - earlier_ms : 0;
}

static void on_arrival(struct tmx_collect *c, struct tmx_collect_open *d, const struct tmx_audit_line *l)
{
    struct tmx_report_row *rows[COLLECT_ROWS];

    d->arrived = true;
    d->arrived_ms = l->time_ms;
    tmx_collect_rows(c, d, rows);
    for (size_t i = 0; i < COLLECT_ROWS; i++) {
        rows[i]->arrived++;
        rows[i]->queued--;
        tmx_latency_add(&rows[i]->arrival, since(d->accepted_ms, l->time_ms));
    }
}

static int on_end(struct tmx_collect *c, const struct tmx_collect_open *d, enum tmx_fate fate,
                  const struct tmx_audit_line *l)
{
    const uint64_t took_ms = since(d->accepted_ms, l->time_ms);
    struct tmx_report_row *rows[COLLECT_ROWS];

    tmx_collect_rows(c, d, rows);
    for (size_t i = 0; i < COLLECT_ROWS; i++) {
        rows[i]->fates[FATE_OPEN]--;
        rows[i]->fates[fate]++;
        rows[i]->queued -= !d->arrived;
        rows[i]->late += took_ms > c->report->choice.late_ms;
        tmx_latency_add(&rows[i]->outcome, took_ms);
    }
    tmx_timeline_end(&c->report->timeline, d->accepted_ms, fate);
    return fate == FATE_REFUSED     ? count_reason(c, REPORT_REFUSED, l->recipient, l)
           : fate == FATE_EXCEPTION ? count_reason(c, REPORT_EXCEPTION, l->recipient, l)
                                    : 0;
}

static int on_outcome(struct tmx_collect *c, const struct tmx_audit_line *l)
{
    const enum tmx_fate fate = tmx_fate_of(l);
    const struct tmx_audit_key key = tmx_collect_key(l->acceptance, l->recipient);
    struct tmx_collect_open *d = l->has_acceptance ? tmx_audit_table_get(&c->open, &key) : NULL;
    int r = 0;

    if (d == NULL || (fate == FATE_OPEN && d->arrived)) {
        c->report->unmatched += in_time(c, l->has_acceptance ? l->accepted_ms : l->time_ms) &&
                                (is_of(c, l->sender) || is_of(c, l->recipient));
    } else if (fate == FATE_OPEN) {
        on_arrival(c, d, l);
    } else {
        r = on_end(c, d, fate, l);
        tmx_audit_table_remove(&c->open, &key);
    }
    return r;
}

/* An entry for several recipients is several lines, and counts once. */
static int on_refusal(struct tmx_collect *c, const struct tmx_audit_line *l)
{
    const bool message = strcmp(l->outcome, "rejected") == 0;
    uint16_t member;
    uint16_t type;
    int r;

    if (c->refused == l->index + 1) {
        return 0;
    }
    c->refused = l->index + 1;
    r = count_reason(c, message ? REPORT_REJECTED : REPORT_STATEMENT, l->member, l);
    if (r < 0 || !message) {
        return r;
    }
    c->report->all.rejected++;
    r = find_member(c, l->member, &member);
    if (r == 0) {
        c->report->members[member]->sent.rejected++;
    }
    if (r == 0 && l->message_type[0] != '\0') {
        r = find_type(c, l->message_type, &type);
        if (r == 0) {
            c->report->types[type]->rejected++;
        }
    }
    return r;
}

int tmx_collect_line(void *ctx, const struct tmx_audit_line *l)
{
    struct tmx_collect *c = ctx;
    struct tmx_report *report = c->report;

    if (report->last_ms == 0) {
        report->first_ms = l->time_ms;
    }
    report->last_ms = l->time_ms;
    if (in_time(c, l->time_ms)) {
        tmx_timeline_reach(&report->timeline, l->time_ms);
    }
    if (strcmp(l->kind, "refusal") == 0) {
        return in_time(c, l->time_ms) && is_of(c, l->member) ? on_refusal(c, l) : 0;
    }
    if (strcmp(l->kind, "acceptance") == 0 || strcmp(l->kind, "resubmission") == 0) {
        return in_time(c, l->time_ms) && (is_of(c, l->sender) || is_of(c, l->recipient)) ? on_acceptance(c, l) : 0;
    }
    if (strcmp(l->kind, "report") == 0 || strcmp(l->kind, "expired") == 0 || strcmp(l->kind, "exception") == 0) {
        return on_outcome(c, l);
    }
    return 0;
}
