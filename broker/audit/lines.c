/* SPDX-License-Identifier: Apache-2.0
 * Entries made into lines.
 */
#include <stdio.h>
#include <string.h>

#include <tmx/code.h>
#include <tmx/envelope.h>

#include "entries.h"
#include "lines.h"
#include "pruned.h"
#include "verify.h"

#define ARENA_SIZE (512u << 10) /* an entry and the acceptance it names, unpacked */

const char *const tmx_audit_outcomes[] = { "accepted", "arrived",   "delivered", "refused",
                                           "expired",  "exception", "rejected",  NULL };

static const char *const report_outcomes[] = {
    [TMX__OUTCOME__OUTCOME_COA] = "arrived",          [TMX__OUTCOME__OUTCOME_COD_POSITIVE] = "delivered",
    [TMX__OUTCOME__OUTCOME_COD_NEGATIVE] = "refused", [TMX__OUTCOME__OUTCOME_EXPIRED] = "expired",
    [TMX__OUTCOME__OUTCOME_COE] = "exception",
};

struct walk {
    struct tmx_history *h;
    struct tmx_entries *entries;
    struct tmx_arena arena;
    tmx_audit_line_fn *fn;
    void *ctx;
    struct tmx_audit_line line; /* of the entry at hand, as far as it is the same for every recipient */
};

/* Codes are at most TMX_MEMBER_MAX, types at most TMX_TYPE_MAX long: the parsers see to it. */
static void set_text(char *text, size_t capacity, ProtobufCBinaryData b)
{
    snprintf(text, capacity, "%.*s", (int)b.len, (const char *)b.data);
}
#define SET_TEXT(field, b) set_text(field, sizeof(field), b)

static void set_code(struct tmx_audit_line *l, unsigned code)
{
    l->code_number = code;
    l->code = code == 0 ? "" : tmx_code_name(code);
}

static void set_message(struct tmx_audit_line *l, ProtobufCBinaryData id)
{
    l->has_message = id.len == sizeof l->message_id;
    if (l->has_message) {
        memcpy(l->message_id, id.data, sizeof l->message_id);
    }
}

static void set_digest(struct tmx_audit_line *l, ProtobufCBinaryData digest)
{
    l->has_digest = digest.len == sizeof l->container_digest;
    if (l->has_digest) {
        memcpy(l->container_digest, digest.data, sizeof l->container_digest);
    }
}

static void set_header(struct tmx_audit_line *l, const Tmx__Header *h)
{
    SET_TEXT(l->sender, h->sender);
    SET_TEXT(l->message_type, h->message_type);
    set_message(l, h->message_id);
    set_digest(l, h->container_digest);
    l->container_bytes = h->container_bytes;
    l->expires_ms = h->expires_ms;
    l->has_replaces = h->replaces.len == sizeof l->replaces;
    if (l->has_replaces) {
        memcpy(l->replaces, h->replaces.data, sizeof l->replaces);
    }
}

/* One line for each recipient of a header. */
static int header_lines(struct walk *w, const Tmx__LogEntry *e, const char *outcome)
{
    Tmx__Header *h;
    int r = 0;

    w->line.outcome = outcome;
    if (tmx_header_parse(tmx_pb(e->body), &w->arena, &h) != TMX_CODE_OK) {
        return w->fn(w->ctx, &w->line); /* a refused body may be anything */
    }
    set_header(&w->line, h);
    for (size_t i = 0; r == 0 && i < h->n_recipients; i++) {
        SET_TEXT(w->line.recipient, h->recipients[i]->member);
        w->line.seq = h->recipients[i]->seq;
        r = w->fn(w->ctx, &w->line);
    }
    return r;
}

static bool is_here(const struct walk *w, const Tmx__LogRef *ref, uint64_t index)
{
    return ref != NULL && ref->index < index && ref->index >= w->h->pruned &&
           tmx_bytes_eq(tmx_pb(ref->shard), tmx_audit_shard(w->h->head.origin));
}

/* What the acceptance says that an entry names. An acceptance that is pruned, or of an earlier shard, is not
 * here to be asked. */
static int look_back(struct walk *w, const Tmx__LogRef *ref)
{
    struct tmx_bytes entry;
    Tmx__LogEntry *acceptance;
    Tmx__Header *h;
    int r;

    if (!is_here(w, ref, w->line.index)) {
        return 0;
    }
    r = tmx_entries_get(w->entries, ref->index, &entry);
    if (r < 0) {
        return r;
    }
    if (tmx_entry_parse(entry, &w->arena, &acceptance) != TMX_CODE_OK ||
        (acceptance->kind != TMX__ENTRY_KIND__ENTRY_ACCEPTANCE &&
         acceptance->kind != TMX__ENTRY_KIND__ENTRY_RESUBMISSION) ||
        tmx_header_parse(tmx_pb(acceptance->body), &w->arena, &h) != TMX_CODE_OK) {
        return 0;
    }
    w->line.has_acceptance = true;
    w->line.acceptance = ref->index;
    w->line.accepted_ms = acceptance->time_ms;
    set_header(&w->line, h);
    for (size_t i = 0; i < h->n_recipients; i++) {
        if (tmx_bytes_eq(tmx_pb(h->recipients[i]->member), tmx_bytes_str(w->line.recipient))) {
            w->line.seq = h->recipients[i]->seq;
        }
    }
    return 0;
}

static int report_line(struct walk *w, const Tmx__LogEntry *e)
{
    Tmx__Report *report;
    int r;

    if (tmx_report_parse(tmx_pb(e->body), &w->arena, &report) != TMX_CODE_OK) {
        return -EBADMSG;
    }
    SET_TEXT(w->line.recipient, report->recipient);
    w->line.outcome = report_outcomes[report->outcome];
    set_code(&w->line, report->code);
    w->line.seq = report->seq;
    set_message(&w->line, report->message_id);
    set_digest(&w->line, report->container_digest);
    r = look_back(w, e->reference);
    return r < 0 ? r : w->fn(w->ctx, &w->line);
}

static int broker_line(struct walk *w, const Tmx__LogEntry *e, const char *outcome)
{
    int r;

    w->line.member[0] = '\0';
    SET_TEXT(w->line.sender, e->member);
    SET_TEXT(w->line.recipient, e->recipient);
    w->line.outcome = outcome;
    w->line.seq = e->number;
    set_message(&w->line, e->message_id);
    r = look_back(w, e->reference);
    return r < 0 ? r : w->fn(w->ctx, &w->line);
}

/* A refused set is not among these. */
static int prekeys_line(struct walk *w, const Tmx__LogEntry *e)
{
    Tmx__PrekeySet *set;

    if (tmx_prekeys_parse(tmx_pb(e->body), &w->arena, &set) != TMX_CODE_OK) {
        return -EBADMSG;
    }
    for (size_t i = 0; i < set->n_keys; i++) {
        const Tmx__Prekey *k = set->keys[i];

        w->line.prekeys_from_ms = i == 0 || k->from_ms < w->line.prekeys_from_ms ? k->from_ms : w->line.prekeys_from_ms;
        w->line.prekeys_until_ms = k->until_ms > w->line.prekeys_until_ms ? k->until_ms : w->line.prekeys_until_ms;
    }
    return w->fn(w->ctx, &w->line);
}

static int plain_line(struct walk *w, const Tmx__LogEntry *e)
{
    SET_TEXT(w->line.recipient, e->recipient);
    set_message(&w->line, e->message_id);
    return w->fn(w->ctx, &w->line);
}

static int entry_lines(struct walk *w, uint64_t index, struct tmx_bytes entry)
{
    Tmx__LogEntry *e;

    tmx_arena_reset(&w->arena);
    w->line = (struct tmx_audit_line){ .index = index, .outcome = "", .code = "" };
    if (tmx_entry_parse(entry, &w->arena, &e) != TMX_CODE_OK) {
        return -EBADMSG;
    }
    w->line.time_ms = e->time_ms;
    w->line.kind = tmx_audit_kind_name(e->kind);
    set_code(&w->line, e->code);
    w->line.consumed = e->kind == TMX__ENTRY_KIND__ENTRY_REFUSAL && e->number == 1;
    SET_TEXT(w->line.member, e->member);
    w->line.has_key = e->signature != NULL;
    w->line.key_id = e->signature != NULL ? e->signature->key_id : 0;
    switch ((unsigned)e->kind) {
    case TMX__ENTRY_KIND__ENTRY_ACCEPTANCE:
    case TMX__ENTRY_KIND__ENTRY_RESUBMISSION:
        return header_lines(w, e, "accepted");
    case TMX__ENTRY_KIND__ENTRY_REFUSAL:
        return tmx_body_kind(tmx_pb(e->body)) == TMX__KIND__KIND_HEADER ? header_lines(w, e, "rejected")
                                                                       : w->fn(w->ctx, &w->line);
    case TMX__ENTRY_KIND__ENTRY_PREKEYS:
        return prekeys_line(w, e);
    case TMX__ENTRY_KIND__ENTRY_REPORT:
        return report_line(w, e);
    case TMX__ENTRY_KIND__ENTRY_EXPIRED:
        return broker_line(w, e, "expired");
    case TMX__ENTRY_KIND__ENTRY_EXCEPTION:
        return broker_line(w, e, "exception");
    case TMX__ENTRY_KIND__ENTRY_CARRY_DELIVERY:
        return broker_line(w, e, e->code == 1 ? "arrived" : "accepted");
    case TMX__ENTRY_KIND__ENTRY_CARRY_PAIR:
        SET_TEXT(w->line.sender, e->member);
        w->line.seq = e->number;
        return plain_line(w, e);
    default:
        return plain_line(w, e);
    }
}

/* Pruned entries are in the tree by their hashes. */
static int walk_pruned(const struct walk *w, struct tmx_frontier *frontier, char why[HISTORY_WHY_MAX])
{
    struct tmx_hash leaves[TMX_TILE_WIDTH];
    int r = 0;

    for (uint64_t n = 0; r == 0 && n < w->h->pruned / TMX_TILE_WIDTH; n++) {
        r = tmx_pruned_leaves(w->h->fd, n, leaves);
        for (size_t i = 0; r == 0 && i < TMX_TILE_WIDTH; i++) {
            tmx_frontier_append(frontier, &leaves[i], NULL, NULL);
        }
    }
    if (r < 0) {
        snprintf(why, HISTORY_WHY_MAX, "%s: the hashes of the entries that are pruned cannot be read: tmx-audit verify says more",
                 w->h->path);
    }
    return r;
}

static int walk(struct walk *w, char why[HISTORY_WHY_MAX])
{
    struct tmx_frontier frontier = { .size = 0 };
    struct tmx_hash root;
    int r = walk_pruned(w, &frontier, why);

    if (r < 0) {
        return r;
    }
    for (uint64_t index = w->h->pruned; index < w->h->head.size; index++) {
        struct tmx_bytes entry;
        struct tmx_hash leaf;

        r = tmx_entries_get(w->entries, index, &entry);
        if (r == 0) {
            leaf = tmx_merkle_leaf(entry);
            tmx_frontier_append(&frontier, &leaf, NULL, NULL);
            r = entry_lines(w, index, entry);
        }
        if (r < 0) {
            snprintf(why, HISTORY_WHY_MAX, "%s: entry %llu: %s", w->h->path, (unsigned long long)index,
                     r == -EBADMSG ? "malformed: tmx-audit verify says more" : strerror(-r));
            return r;
        }
    }
    root = tmx_frontier_root(&frontier);
    if (!tmx_hash_eq(&root, &w->h->head.root)) {
        snprintf(why, HISTORY_WHY_MAX,
                 "%s: the entries do not give the signed root: nothing said of them counts, tmx-audit verify says more",
                 w->h->path);
        return -EBADMSG;
    }
    return 0;
}

int tmx_audit_lines(struct tmx_history *h, tmx_audit_line_fn *fn, void *ctx, char ret_why[HISTORY_WHY_MAX])
{
    struct walk w = { .h = h, .fn = fn, .ctx = ctx };
    int r = tmx_arena_init(&w.arena, ARENA_SIZE);

    if (r == 0) {
        r = tmx_entries_new(h, &w.entries);
    }
    if (r < 0) {
        snprintf(ret_why, HISTORY_WHY_MAX, "out of memory");
    } else {
        r = walk(&w, ret_why);
    }
    tmx_entries_free(w.entries);
    tmx_arena_deinit(&w.arena);
    return r;
}

bool tmx_audit_wanted(const struct tmx_audit_filter *f, const struct tmx_audit_line *line)
{
    return line->time_ms >= f->from_ms && (f->to_ms == 0 || line->time_ms < f->to_ms) &&
           (f->member == NULL || strcmp(f->member, line->member) == 0 || strcmp(f->member, line->sender) == 0 ||
            strcmp(f->member, line->recipient) == 0) &&
           (f->message_type == NULL || strcmp(f->message_type, line->message_type) == 0) &&
           (f->outcome == NULL || strcmp(f->outcome, line->outcome) == 0);
}
