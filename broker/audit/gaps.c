/* SPDX-License-Identifier: Apache-2.0
 * Numbers of pairs.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "gaps.h"
#include "table.h"

struct collect {
    struct tmx_audit_table pairs; /* (sender, recipient) -> struct tmx_gap_pair */
    bool carries;                 /* the shard follows another: the first numbers here need not be 1 */
    bool pruned;                  /* nor need they when those before them are not here */
};

static int find_pair(struct collect *c, const struct tmx_audit_line *l, struct tmx_gap_pair **ret_pair)
{
    struct tmx_audit_key key = { { 0 } };
    void *value;
    bool new;
    int r;

    memcpy(key.b, l->sender, strlen(l->sender));
    memcpy(key.b + TMX_MEMBER_MAX, l->recipient, strlen(l->recipient));
    r = tmx_audit_table_put(&c->pairs, &key, &value, &new);
    if (r < 0) {
        return r;
    }
    *ret_pair = value;
    if (new) {
        memcpy((*ret_pair)->sender, l->sender, sizeof l->sender);
        memcpy((*ret_pair)->recipient, l->recipient, sizeof l->recipient);
    }
    return 0;
}

static void fault(struct tmx_gap_pair *p, uint64_t index, uint64_t *counter, uint64_t count)
{
    if (p->missing == 0 && p->repeated == 0) {
        p->first_fault = index;
    }
    *counter += count;
}

/* A number that a header uses up. A resubmitted one had its place in an earlier shard. */
static void take_number(struct tmx_gap_pair *p, const struct tmx_audit_line *l, bool may_jump)
{
    if (l->seq <= p->last) {
        fault(p, l->index, &p->repeated, 1);
        return;
    }
    if (l->seq > p->last + 1 && !may_jump) {
        fault(p, l->index, &p->missing, l->seq - p->last - 1);
    }
    if (p->first == 0) {
        p->first = l->seq;
    }
    p->last = l->seq;
}

static int on_line(void *ctx, const struct tmx_audit_line *l)
{
    struct collect *c = ctx;
    const bool resubmission = strcmp(l->kind, "resubmission") == 0;
    const bool accepted = resubmission || strcmp(l->kind, "acceptance") == 0;
    const bool carried = strcmp(l->kind, "carried-pair") == 0;
    const bool expired = strcmp(l->kind, "expired") == 0;
    const bool exception = strcmp(l->kind, "exception") == 0;
    struct tmx_gap_pair *p;
    int r;

    c->carries = c->carries || carried || resubmission;
    if (l->sender[0] == '\0' || l->recipient[0] == '\0' ||
        (!accepted && !l->consumed && !carried && !expired && !exception)) {
        return 0;
    }
    r = find_pair(c, l, &p);
    if (r < 0) {
        return r;
    }
    p->accepted += accepted;
    p->rejected += l->consumed;
    p->expired += expired;
    p->exception += exception;
    if (carried) {
        p->last = l->seq;
    } else if (accepted || l->consumed) {
        take_number(p, l, resubmission || (l->consumed && c->carries) || (p->last == 0 && c->pruned));
    }
    return 0;
}

static int compare_pairs(const void *a, const void *b)
{
    const struct tmx_gap_pair *left = a;
    const struct tmx_gap_pair *right = b;
    const int sender = strcmp(left->sender, right->sender);

    return sender != 0 ? sender : strcmp(left->recipient, right->recipient);
}

static int sort(const struct collect *c, struct tmx_gaps *ret_gaps)
{
    struct tmx_gaps g = { .pairs = calloc(c->pairs.n + 1, sizeof g.pairs[0]) };
    const struct tmx_audit_key *key;
    size_t at = 0;
    void *value;

    if (g.pairs == NULL) {
        return -ENOMEM;
    }
    while (tmx_audit_table_next(&c->pairs, &at, &key, &value)) {
        g.pairs[g.n] = *(const struct tmx_gap_pair *)value;
        g.missing += g.pairs[g.n].missing;
        g.repeated += g.pairs[g.n].repeated;
        g.n++;
    }
    qsort(g.pairs, g.n, sizeof g.pairs[0], compare_pairs);
    *ret_gaps = g;
    return 0;
}

int tmx_gaps(struct tmx_history *h, struct tmx_gaps *ret_gaps, char ret_why[HISTORY_WHY_MAX])
{
    struct collect c = { .carries = h->pruned > 0, .pruned = h->pruned > 0 };
    uint8_t hash_key[16];
    int r;

    randombytes_buf(hash_key, sizeof hash_key);
    tmx_audit_table_init(&c.pairs, sizeof(struct tmx_gap_pair), hash_key);
    r = tmx_audit_lines(h, on_line, &c, ret_why);
    if (r == 0) {
        r = sort(&c, ret_gaps);
    }
    tmx_audit_table_deinit(&c.pairs);
    return r;
}

void tmx_gaps_free(struct tmx_gaps *g)
{
    free(g->pairs);
    *g = (struct tmx_gaps){ .n = 0 };
}
