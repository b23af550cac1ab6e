/* SPDX-License-Identifier: Apache-2.0
 * See fold.h: the leaves. fold_rows.c compares.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <tmx/code.h>
#include <tmx/seal.h>

#include "fold_parts.h"

bool fold_fail(struct fold *f, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    if (f->failure[0] == '\0') {
        vsnprintf(f->failure, sizeof(f->failure), fmt, args);
    }
    va_end(args);
    return false;
}

void fold_init(struct fold *f, const struct federation *federation, const char *shard)
{
    if (f->arena.start == NULL) {
        int r = tmx_arena_init(&f->arena, 1u << 20);
        assert(r == 0);
    }
    f->federation = federation;
    snprintf(f->shard, sizeof(f->shard), "%s", shard);
    f->successor = false;
    f->retention = false;
    f->time_ms = f->serial = f->anchored = 0;
    memset(f->stopped, 0, sizeof(f->stopped));
    f->approved = 0;
    f->n_proposals = 0;
    memset(&f->frontier, 0, sizeof(f->frontier));
    f->n_leaves = f->n_messages = f->n_deliveries = f->n_feeds = f->n_prekeys = 0;
    memset(f->pair, 0, sizeof(f->pair));
    memset(f->paired, 0, sizeof(f->paired));
    f->failure[0] = '\0';
}

int fold_member(const struct fold *f, struct tmx_bytes code)
{
    for (size_t i = 0; i < f->federation->n_members; i++) {
        if (tmx_bytes_eq(code, tmx_bytes_str(f->federation->members[i].code))) {
            return (int)i;
        }
    }
    return -1;
}

static struct fold_message *message_find(struct fold *f, struct tmx_bytes id)
{
    for (size_t i = 0; i < f->n_messages; i++) {
        if (tmx_bytes_eq(id, TMX_BYTES_OF(f->messages[i].id))) {
            return &f->messages[i];
        }
    }
    return NULL;
}

const struct fold_delivery *fold_find(const struct fold *f, struct tmx_bytes id, struct tmx_bytes member)
{
    for (size_t i = 0; i < f->n_deliveries; i++) {
        const struct fold_delivery *d = &f->deliveries[i];
        if (tmx_bytes_eq(id, TMX_BYTES_OF(d->id)) && tmx_bytes_eq(member, tmx_member_code(d->member))) {
            return d;
        }
    }
    return NULL;
}

static struct fold_delivery *delivery_find(struct fold *f, struct tmx_bytes id, struct tmx_bytes member)
{
    const struct fold_delivery *d = fold_find(f, id, member);
    return d == NULL ? NULL : &f->deliveries[d - f->deliveries];
}

bool fold_same_lane(const struct fold_delivery *a, const struct fold_delivery *b)
{
    static const uint8_t none[TMX_LABEL_SIZE];
    return memcmp(a->row.label, none, sizeof(none)) != 0 && memcmp(a->row.label, b->row.label, sizeof(none)) == 0 &&
           memcmp(a->member, b->member, sizeof(a->member)) == 0 &&
           memcmp(a->row.sender, b->row.sender, sizeof(a->row.sender)) == 0;
}

const struct fold_delivery *fold_lane_head(const struct fold *f, const struct fold_delivery *d)
{
    for (size_t i = 0; i < f->n_deliveries; i++) {
        const struct fold_delivery *o = &f->deliveries[i];   /* in order of acceptance */
        if (o->row.state == TMX_DELIVERY_QUEUED && fold_same_lane(o, d)) {
            return o;
        }
    }
    return d;
}

static void feed(struct fold *f, struct tmx_bytes member, enum tmx_feed_kind kind)
{
    uint8_t key[TMX_MEMBER_KEY];
    tmx_member_key(member, key);
    for (size_t i = f->leaves[f->n_leaves].feed; i < f->n_feeds; i++) {
        if (memcmp(f->feeds[i].member, key, sizeof(key)) == 0) {
            f->feeds[i].kind = (uint8_t)kind;   /* one row a member and leaf */
            return;
        }
    }
    assert(f->n_feeds < FOLD_FEED_MAX);
    memcpy(f->feeds[f->n_feeds].member, key, sizeof(key));
    f->feeds[f->n_feeds++].kind = (uint8_t)kind;
}

/* I5: the body is signed by the member the leaf names. */
static bool signed_by_member(struct fold *f, const Tmx__LogEntry *e)
{
    struct tmx_signature signature;
    int m = fold_member(f, tmx_pb(e->member));
    return m >= 0 && e->signature != NULL && tmx_signature_from_pb(e->signature, &signature) &&
           tmx_batch_verify(tmx_pb(e->body), &signature, &f->federation->members[m].key, &f->cache);
}

static bool consume(struct fold *f, const Tmx__Header *h, bool contiguous)
{
    int from = fold_member(f, tmx_pb(h->sender));
    for (size_t i = 0; i < h->n_recipients; i++) {
        int to = fold_member(f, tmx_pb(h->recipients[i]->member));
        uint64_t seq = h->recipients[i]->seq;
        if (from < 0 || to < 0) {
            return fold_fail(f, "leaf %zu: numbers of a stranger", f->n_leaves);
        }
        uint64_t *last = &f->pair[from][to];
        if (contiguous && seq != *last + 1) {
            return fold_fail(f, "leaf %zu: number %" PRIu64 " after %" PRIu64, f->n_leaves, seq, *last);
        }
        *last = seq > *last ? seq : *last;
        f->paired[from][to] = true;
    }
    return true;
}

static bool acceptance(struct fold *f, const Tmx__LogEntry *e)
{
    bool again = e->kind == TMX__ENTRY_KIND__ENTRY_RESUBMISSION;
    Tmx__Header *h;
    if (tmx_header_parse(tmx_pb(e->body), &f->arena, &h) != TMX_CODE_OK) {
        return fold_fail(f, "leaf %zu accepts what is no header", f->n_leaves);
    }
    if (!tmx_bytes_eq(tmx_pb(h->sender), tmx_pb(e->member)) || (again && !f->successor)) {
        return fold_fail(f, "leaf %zu accepts what may not be", f->n_leaves);
    }
    if (message_find(f, tmx_pb(h->message_id)) != NULL) {
        return fold_fail(f, "leaf %zu accepts a message twice", f->n_leaves);
    }
    if (!again && h->expires_ms <= e->time_ms) {
        return fold_fail(f, "leaf %zu accepts what has expired", f->n_leaves);
    }
    if (!consume(f, h, !again)) {
        return false;
    }
    struct fold_message *m = &f->messages[f->n_messages++];
    *m = (struct fold_message){ .row = { .index = f->n_leaves,
                                         .container_bytes = (uint32_t)h->container_bytes,
                                         .n_recipients = (uint8_t)h->n_recipients,
                                         .n_queued = (uint8_t)h->n_recipients,
                                         .n_open = (uint8_t)h->n_recipients } };
    memcpy(m->id, h->message_id.data, TMX_ID_SIZE);
    tmx_digest(tmx_pb(e->body), m->row.header_digest);
    memcpy(m->row.container_digest, h->container_digest.data, 32);
    bool here = h->seen != NULL && tmx_bytes_eq(tmx_pb(h->seen->shard), tmx_bytes_str(f->shard));
    m->row.seen_size = here ? h->seen->size : 0;
    tmx_member_key(tmx_pb(h->sender), m->row.sender);
    feed(f, tmx_pb(h->sender), TMX_FEED_ALWAYS);
    for (size_t i = 0; i < h->n_recipients; i++) {
        struct fold_delivery *d = &f->deliveries[f->n_deliveries++];
        *d = (struct fold_delivery){ .message = (size_t)(m - f->messages),
                                     .row = { .state = TMX_DELIVERY_QUEUED,
                                              .priority = (uint8_t)h->priority,
                                              .seq = h->recipients[i]->seq,
                                              .index = f->n_leaves,
                                              .expires_ms = h->expires_ms,
                                              .container_bytes = (uint32_t)h->container_bytes } };
        if (again && d->row.expires_ms < e->time_ms + TMX_EXPIRY_MAX_MS) {
            d->row.expires_ms = e->time_ms + TMX_EXPIRY_MAX_MS;
        }
        memcpy(d->id, m->id, TMX_ID_SIZE);
        tmx_member_key(tmx_pb(h->recipients[i]->member), d->member);
        memcpy(d->row.sender, m->row.sender, TMX_MEMBER_KEY);
        if (h->movement_label.len > 0) {
            memcpy(d->row.label, h->movement_label.data, TMX_LABEL_SIZE);
        }
        feed(f, tmx_pb(h->recipients[i]->member), TMX_FEED_WITH_DELIVERY);
    }
    return true;
}

static void leave(struct fold *f, struct fold_delivery *d, enum tmx_delivery_state state)
{
    struct fold_message *whole = &f->messages[d->message];
    struct tmx_row_message *m = &whole->row;
    m->n_queued = (uint8_t)(m->n_queued - (d->row.state == TMX_DELIVERY_QUEUED ? 1 : 0));
    m->n_open = (uint8_t)(m->n_open - (state == TMX_DELIVERY_ARRIVED ? 0 : 1));
    whole->kept = m->n_open == 0 && f->retention;
    d->row.state = state;
    d->held = 0;
}

static bool report(struct fold *f, const Tmx__LogEntry *e)
{
    static const enum tmx_delivery_state states[] = { 0, TMX_DELIVERY_ARRIVED, TMX_DELIVERY_DELIVERED,
                                                      TMX_DELIVERY_REFUSED, TMX_DELIVERY_EXPIRED, TMX_DELIVERY_EXCEPTION };
    Tmx__Report *r;
    if (tmx_report_parse(tmx_pb(e->body), &f->arena, &r) != TMX_CODE_OK) {
        return fold_fail(f, "leaf %zu is no report", f->n_leaves);
    }
    struct fold_delivery *d = delivery_find(f, tmx_pb(r->message_id), tmx_pb(r->recipient));
    if (d == NULL || !tmx_bytes_eq(tmx_pb(e->member), tmx_pb(r->recipient)) || e->reference->index != d->row.index ||
        !tmx_bytes_eq(tmx_pb(e->reference->shard), tmx_bytes_str(f->shard)) || r->seq != d->row.seq) {
        return fold_fail(f, "leaf %zu reports on no delivery of its signer", f->n_leaves);
    }
    const struct tmx_row_message *m = &f->messages[d->message].row;
    if (!tmx_bytes_eq(tmx_pb(r->header_digest), TMX_BYTES_OF(m->header_digest)) ||
        !tmx_bytes_eq(tmx_pb(r->container_digest), TMX_BYTES_OF(m->container_digest))) {
        return fold_fail(f, "leaf %zu reports on other bytes", f->n_leaves);
    }
    bool from_queue = r->outcome == TMX__OUTCOME__OUTCOME_COA || r->outcome == TMX__OUTCOME__OUTCOME_COE;
    if (d->row.state != (from_queue ? TMX_DELIVERY_QUEUED : TMX_DELIVERY_ARRIVED)) {
        return fold_fail(f, "leaf %zu: outcome %d of a delivery that is %s", f->n_leaves, (int)r->outcome,
                         tmx_delivery_state_name(d->row.state));
    }
    leave(f, d, states[r->outcome]);
    bool arrival = r->outcome == TMX__OUTCOME__OUTCOME_COA;
    *(arrival ? &d->row.coa_index : &d->row.outcome_index) = f->n_leaves;
    tmx_digest(tmx_pb(e->body), arrival ? d->row.coa_digest : d->row.outcome_digest);
    if (r->attachment_digest.len > 0) {
        memcpy(f->leaves[f->n_leaves].body_digest, r->attachment_digest.data, 32);
    }
    feed(f, tmx_pb(e->member), TMX_FEED_ALWAYS);
    feed(f, tmx_member_code(m->sender), TMX_FEED_ALWAYS);
    return true;
}

/* An outcome by the broker: before arrival only, and expiry not before its time; after it when two operators say so. */
static bool ended(struct fold *f, const Tmx__LogEntry *e)
{
    bool lost = e->code == TMX_CODE_RECIPIENT_LOST;
    bool decided = lost || e->code == TMX_CODE_ENDED_BY_OPERATORS;
    bool expired = e->kind == TMX__ENTRY_KIND__ENTRY_EXPIRED;
    struct fold_delivery *d = delivery_find(f, tmx_pb(e->message_id), tmx_pb(e->recipient));
    if (d == NULL || d->row.state != (lost ? TMX_DELIVERY_ARRIVED : TMX_DELIVERY_QUEUED) ||
        (decided && f->approved != (lost ? TMX_ACTION_LOSE : TMX_ACTION_EXPIRE)) || (expired && e->time_ms < d->row.expires_ms) ||
        e->number != d->row.seq || e->reference->index != d->row.index ||
        !tmx_bytes_eq(tmx_pb(e->member), tmx_member_code(d->row.sender))) {
        return fold_fail(f, "leaf %zu ends a delivery that is %s", f->n_leaves,
                         d == NULL ? "unknown" : tmx_delivery_state_name(d->row.state));
    }
    leave(f, d, expired ? TMX_DELIVERY_EXPIRED : TMX_DELIVERY_EXCEPTION);
    d->row.outcome_index = f->n_leaves;
    feed(f, tmx_pb(e->member), TMX_FEED_ALWAYS);
    feed(f, tmx_pb(e->recipient), TMX_FEED_ALWAYS);
    return true;
}

/* QUE-8: once, after the last outcome. When it is time only the broker's clock says. */
static bool erased(struct fold *f, const Tmx__LogEntry *e)
{
    struct fold_message *m = message_find(f, tmx_pb(e->message_id));
    if (m == NULL || !m->kept || (e->code != TMX_CODE_OK && e->code != TMX_CODE_DISK_FULL) ||
        e->reference->index != m->row.index || !tmx_bytes_eq(tmx_pb(e->member), tmx_member_code(m->row.sender)) ||
        !tmx_bytes_eq(tmx_pb(e->header_digest), TMX_BYTES_OF(m->row.header_digest)) ||
        !tmx_bytes_eq(tmx_pb(e->digest), TMX_BYTES_OF(m->row.container_digest))) {
        return fold_fail(f, "leaf %zu erases what was not kept", f->n_leaves);
    }
    m->kept = false;
    feed(f, tmx_pb(e->member), TMX_FEED_ALWAYS);
    for (size_t i = 0; i < f->n_deliveries; i++) {
        if (f->deliveries[i].message == (size_t)(m - f->messages)) {
            feed(f, tmx_member_code(f->deliveries[i].member), TMX_FEED_ALWAYS);
        }
    }
    return true;
}

static bool refusal(struct fold *f, const Tmx__LogEntry *e)
{
    tmx_digest(tmx_pb(e->body), f->leaves[f->n_leaves].body_digest);
    feed(f, tmx_pb(e->member), TMX_FEED_ALWAYS);
    if (e->number == 0) {
        return true;
    }
    Tmx__Header *h;
    if (tmx_header_parse(tmx_pb(e->body), &f->arena, &h) != TMX_CODE_OK || !consume(f, h, !f->successor)) {
        return fold_fail(f, "leaf %zu consumes numbers of what is no header", f->n_leaves);
    }
    for (size_t i = 0; i < h->n_recipients; i++) {
        feed(f, tmx_pb(h->recipients[i]->member), TMX_FEED_ALWAYS);
    }
    struct fold_leaf *l = &f->leaves[f->n_leaves];
    l->consumed = true;
    memcpy(l->message, h->message_id.data, TMX_ID_SIZE);
    tmx_member_key(tmx_pb(h->sender), l->message + TMX_ID_SIZE);
    return true;
}

static bool prekeys(struct fold *f, const Tmx__LogEntry *e)
{
    Tmx__PrekeySet *set;
    if (tmx_prekeys_parse(tmx_pb(e->body), &f->arena, &set) != TMX_CODE_OK ||
        !tmx_bytes_eq(tmx_pb(set->member), tmx_pb(e->member))) {
        return fold_fail(f, "leaf %zu is no prekey set of its member", f->n_leaves);
    }
    uint8_t member[TMX_MEMBER_KEY];
    tmx_member_key(tmx_pb(e->member), member);
    for (size_t i = 0; i < set->n_keys; i++) {
        struct fold_prekey *k = NULL;
        for (size_t j = 0; j < f->n_prekeys; j++) {
            bool same = memcmp(f->prekeys[j].key, set->keys[i]->key.data, 32) == 0;
            bool own = memcmp(f->prekeys[j].member, member, sizeof(member)) == 0;
            if ((same && !own) || (own && f->prekeys[j].set_index != f->n_leaves &&
                                   f->prekeys[j].set_serial >= set->set_serial)) {
                return fold_fail(f, "leaf %zu: a key of another, or an older set", f->n_leaves);
            }
            k = same ? &f->prekeys[j] : k;
        }
        k = k != NULL ? k : &f->prekeys[f->n_prekeys++];
        memcpy(k->key, set->keys[i]->key.data, 32);
        tmx_seal_key_id(k->key, k->key_id);
        memcpy(k->member, member, sizeof(member));
        k->until_ms = set->keys[i]->until_ms;
        k->set_serial = set->set_serial;
        k->set_index = f->n_leaves;
    }
    feed(f, TMX_BYTES_NULL, TMX_FEED_ALWAYS);
    return true;
}

/* LOG-9: of a head that was there, each later than the one before. It is in no feed. */
static bool anchor(struct fold *f, const Tmx__LogEntry *e)
{
    struct fold_leaf *l = &f->leaves[f->n_leaves];
    if (e->number > f->n_leaves || e->number <= f->anchored) {
        return fold_fail(f, "leaf %zu anchors the head of %llu leaves, after that of %llu", f->n_leaves,
                         (unsigned long long)e->number, (unsigned long long)f->anchored);
    }
    f->anchored = l->number = e->number;
    memcpy(l->body_digest, e->digest.data, sizeof(l->body_digest));
    return true;
}

static bool leaf(struct fold *f, const Tmx__LogEntry *e)
{
    if (e->time_ms < f->time_ms || e->directory_serial < f->serial) {
        return fold_fail(f, "leaf %zu: time or directory falls", f->n_leaves);
    }
    if ((f->n_leaves == 0) != (e->kind == TMX__ENTRY_KIND__ENTRY_SHARD_START)) {
        return fold_fail(f, "leaf %zu: a shard begins with its start", f->n_leaves);
    }
    if (e->body.len > 0 && !signed_by_member(f, e)) {
        return fold_fail(f, "leaf %zu is not signed by its member", f->n_leaves);
    }
    f->time_ms = e->time_ms;
    f->serial = e->directory_serial;
    f->approved = e->kind == TMX__ENTRY_KIND__ENTRY_EXCEPTION ? f->approved : 0;
    switch ((int)e->kind) {
    case TMX__ENTRY_KIND__ENTRY_SHARD_START:
        f->successor = e->text.len > 0;
        feed(f, TMX_BYTES_NULL, TMX_FEED_ALWAYS);
        return true;
    case TMX__ENTRY_KIND__ENTRY_DIRECTORY:
        f->leaves[f->n_leaves].number = e->number;
        feed(f, TMX_BYTES_NULL, TMX_FEED_ALWAYS);
        return true;
    case TMX__ENTRY_KIND__ENTRY_PREKEYS:
        return prekeys(f, e);
    case TMX__ENTRY_KIND__ENTRY_ACCEPTANCE:
    case TMX__ENTRY_KIND__ENTRY_RESUBMISSION:
        return fold_stopped(f, NULL) ? fold_fail(f, "leaf %zu: OPS-6: accepted while admission is stopped", f->n_leaves)
                                     : acceptance(f, e);
    case TMX__ENTRY_KIND__ENTRY_REFUSAL:
        return refusal(f, e);
    case TMX__ENTRY_KIND__ENTRY_REPORT:
        return report(f, e);
    case TMX__ENTRY_KIND__ENTRY_EXPIRED:
    case TMX__ENTRY_KIND__ENTRY_EXCEPTION:
        return ended(f, e);
    case TMX__ENTRY_KIND__ENTRY_ERASED:
        return erased(f, e);
    case TMX__ENTRY_KIND__ENTRY_START:
        return true;
    case TMX__ENTRY_KIND__ENTRY_ANCHOR:
        return anchor(f, e);
    case TMX__ENTRY_KIND__ENTRY_OPERATOR:
        return fold_operator(f, e, e->message_id.len == 0 ? NULL : delivery_find(f, tmx_pb(e->message_id), tmx_pb(e->recipient)));
    default:
        return fold_fail(f, "leaf %zu is of a kind the broker does not write", f->n_leaves);
    }
}

bool fold_follow(struct fold *f, struct tmx_spool *spool, uint64_t size)
{
    if (size < f->n_leaves) {
        return fold_fail(f, "the log had %zu leaves and has %" PRIu64, f->n_leaves, size);
    }
    while (f->n_leaves < size && f->failure[0] == '\0') {
        uint8_t key[8];
        struct tmx_writer w = TMX_WRITER_OF(key);
        tmx_write_u64(&w, f->n_leaves);
        struct tmx_bytes entry, copy;
        Tmx__LogEntry *e;
        assert(f->n_leaves < FOLD_LEAVES_MAX);
        tmx_arena_reset(&f->arena);
        if (tmx_spool_get(spool, TMX_T_LOG, tmx_written(&w), &entry) != 0 || !tmx_arena_copy(&f->arena, entry, &copy) ||
            tmx_entry_parse(copy, &f->arena, &e) != TMX_CODE_OK) {
            return fold_fail(f, "leaf %zu is missing or malformed", f->n_leaves);
        }
        struct fold_leaf *l = &f->leaves[f->n_leaves];
        *l = (struct fold_leaf){ .kind = e->kind, .feed = f->n_feeds };
        struct tmx_hash hash = tmx_merkle_leaf(copy);
        tmx_frontier_append(&f->frontier, &hash, NULL, NULL);
        l->root = tmx_frontier_root(&f->frontier);
        if (!leaf(f, e)) {
            return false;
        }
        f->leaves[++f->n_leaves].feed = f->n_feeds;
    }
    return f->failure[0] == '\0';
}
