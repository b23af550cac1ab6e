/* SPDX-License-Identifier: Apache-2.0
 * Deliveries between two members.
 *
 * Between two members an acceptance has one delivery: its index stands for it, and a bit for each entry of the log is all
 * that is kept from the first reading to the second.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "reconcile.h"
#include "table.h"

enum { ARRIVED = 1, ENDED = 2 }; /* bits of an acceptance's state */

struct reading {
    const char *a;
    const char *b;
    uint64_t from_ms;
    uint64_t to_ms;
    tmx_reconciled_fn *each;
    void *ctx;
    uint8_t *states;             /* four acceptances a byte */
    struct tmx_audit_table rows; /* (sender is b, type) -> struct tmx_reconciled */
};

static const char *const fate_names[FATES] = { "open", "delivered", "refused", "expired", "exception" };

const char *tmx_fate_name(enum tmx_fate fate)
{
    return fate_names[fate];
}

enum tmx_fate tmx_fate_of(const struct tmx_audit_line *l)
{
    for (enum tmx_fate f = FATE_DELIVERED; f < FATES; f++) {
        if (strcmp(l->outcome, fate_names[f]) == 0) {
            return f;
        }
    }
    return FATE_OPEN;
}

static unsigned state_of(const struct reading *r, uint64_t acceptance)
{
    return r->states[acceptance / 4] >> acceptance % 4 * 2 & 3u;
}

static void set_state(struct reading *r, uint64_t acceptance, unsigned bit)
{
    r->states[acceptance / 4] = (uint8_t)(r->states[acceptance / 4] | bit << acceptance % 4 * 2);
}

static bool is_between(const struct reading *r, const struct tmx_audit_line *l)
{
    return (strcmp(l->sender, r->a) == 0 && strcmp(l->recipient, r->b) == 0) ||
           (strcmp(l->sender, r->b) == 0 && strcmp(l->recipient, r->a) == 0);
}

static bool is_acceptance(const struct tmx_audit_line *l)
{
    return strcmp(l->kind, "acceptance") == 0 || strcmp(l->kind, "resubmission") == 0;
}

static bool in_time(const struct reading *r, uint64_t accepted_ms)
{
    return accepted_ms >= r->from_ms && (r->to_ms == 0 || accepted_ms < r->to_ms);
}

static int find_row(struct reading *r, const struct tmx_audit_line *l, struct tmx_reconciled **ret_row)
{
    struct tmx_audit_key key = { { strcmp(l->sender, r->b) == 0 } };
    void *value;
    bool new;
    int e;

    memcpy(key.b + 1, l->message_type, strlen(l->message_type));
    e = tmx_audit_table_put(&r->rows, &key, &value, &new);
    if (e < 0) {
        return e;
    }
    *ret_row = value;
    if (new) {
        memcpy((*ret_row)->sender, l->sender, sizeof l->sender);
        memcpy((*ret_row)->recipient, l->recipient, sizeof l->recipient);
        memcpy((*ret_row)->message_type, l->message_type, sizeof l->message_type);
    }
    return 0;
}

static int first_reading(void *ctx, const struct tmx_audit_line *l)
{
    struct reading *r = ctx;
    const enum tmx_fate fate = tmx_fate_of(l);
    struct tmx_reconciled *row;
    int e;

    if (!is_between(r, l) || !in_time(r, is_acceptance(l) ? l->time_ms : l->accepted_ms)) {
        return 0;
    }
    if (!is_acceptance(l) && !l->has_acceptance) {
        return 0; /* of an earlier shard, or refused: no delivery of this log */
    }
    e = find_row(r, l, &row);
    if (e < 0) {
        return e;
    }
    if (is_acceptance(l)) {
        row->accepted++;
        row->fates[FATE_OPEN]++;
    } else if (fate == FATE_OPEN) {
        if (strcmp(l->outcome, "arrived") == 0 && state_of(r, l->acceptance) == 0) {
            set_state(r, l->acceptance, ARRIVED);
            row->arrived++;
        }
    } else if ((state_of(r, l->acceptance) & ENDED) == 0) {
        row->arrived -= (state_of(r, l->acceptance) & ARRIVED) != 0;
        row->fates[FATE_OPEN]--;
        row->fates[fate]++;
        set_state(r, l->acceptance, ENDED);
        return r->each == NULL ? 0 : r->each(r->ctx, fate, l);
    }
    return 0;
}

/* What the first reading left open. */
static int second_reading(void *ctx, const struct tmx_audit_line *l)
{
    struct reading *r = ctx;

    return is_acceptance(l) && is_between(r, l) && in_time(r, l->time_ms) && (state_of(r, l->index) & ENDED) == 0
               ? r->each(r->ctx, FATE_OPEN, l)
               : 0;
}

static int compare_rows(const void *a, const void *b)
{
    const struct tmx_reconciled *left = a;
    const struct tmx_reconciled *right = b;
    const int sender = strcmp(left->sender, right->sender);

    return sender != 0 ? sender : strcmp(left->message_type, right->message_type);
}

static int sort(const struct reading *r, struct tmx_reconciliation *ret_result)
{
    struct tmx_reconciliation all = { .rows = calloc(r->rows.n + 1, sizeof all.rows[0]) };
    const struct tmx_audit_key *key;
    size_t at = 0;
    void *value;

    if (all.rows == NULL) {
        return -ENOMEM;
    }
    while (tmx_audit_table_next(&r->rows, &at, &key, &value)) {
        all.rows[all.n++] = *(const struct tmx_reconciled *)value;
    }
    qsort(all.rows, all.n, sizeof all.rows[0], compare_rows);
    *ret_result = all;
    return 0;
}

int tmx_reconcile(struct tmx_history *h, const char *a, const char *b, uint64_t from_ms, uint64_t to_ms,
                  tmx_reconciled_fn *each, void *ctx, struct tmx_reconciliation *ret_result,
                  char ret_why[HISTORY_WHY_MAX])
{
    struct reading r = { .a = a, .b = b, .from_ms = from_ms, .to_ms = to_ms, .each = each, .ctx = ctx };
    uint8_t hash_key[16];
    int e;

    r.states = calloc(h->head.size / 4 + 1, 1);
    if (r.states == NULL) {
        snprintf(ret_why, HISTORY_WHY_MAX, "out of memory");
        return -ENOMEM;
    }
    randombytes_buf(hash_key, sizeof hash_key);
    tmx_audit_table_init(&r.rows, sizeof(struct tmx_reconciled), hash_key);
    e = tmx_audit_lines(h, first_reading, &r, ret_why);
    if (e == 0 && each != NULL) {
        e = tmx_audit_lines(h, second_reading, &r, ret_why);
    }
    if (e == 0) {
        e = sort(&r, ret_result);
    }
    tmx_audit_table_deinit(&r.rows);
    free(r.states);
    return e;
}

void tmx_reconciliation_free(struct tmx_reconciliation *r)
{
    free(r->rows);
    *r = (struct tmx_reconciliation){ .n = 0 };
}
