/* SPDX-License-Identifier: Apache-2.0
 * The rules of LOG-6, one entry after the other: form, time, directory, signature, batch, seen head; then what is
 * said of the delivery.
 */
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tmx/code.h>

#include "state.h"

static const struct {
    const char *name;
    const char *meaning;
} classes[] = {
#define X(name, text, meaning) [AUDIT_##name] = { text, meaning },
    AUDIT_CLASSES(X)
#undef X
};

const char *tmx_audit_class_name(enum tmx_audit_class c)
{
    return classes[c].name;
}

const char *tmx_audit_class_meaning(enum tmx_audit_class c)
{
    return classes[c].meaning;
}

static const char *const kind_names[AUDIT_KINDS] = {
    "malformed", "shard-start", "directory", "prekeys",          "acceptance",   "report",       "expired", "exception",
    "refusal",   "start",       "operator",  "carried-delivery", "carried-pair", "resubmission", "erased",
    "anchor",
};

const char *tmx_audit_kind_name(unsigned kind)
{
    assert(kind < AUDIT_KINDS);
    return kind_names[kind];
}

__attribute__((format(printf, 4, 0))) static void note_fault(struct tmx_audit *a, enum tmx_audit_class c,
                                                             uint64_t index, const char *fmt, va_list args)
{
    struct tmx_audit_fault *f = &a->summary.faults[c];

    if (f->count++ == 0) {
        f->index = index;
        vsnprintf(f->text, sizeof f->text, fmt, args);
    }
}

void tmx_audit_fault(struct tmx_audit *a, enum tmx_audit_class c, uint64_t index, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    note_fault(a, c, index, fmt, args);
    va_end(args);
}

void tmx_audit_step_fault(const struct tmx_audit_step *s, enum tmx_audit_class c, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    note_fault(s->a, c, s->index, fmt, args);
    va_end(args);
}

struct tmx_audit_key tmx_audit_key_of(struct tmx_bytes name, struct tmx_bytes rest)
{
    struct tmx_audit_key key = { { 0 } };

    assert(name.size + rest.size <= sizeof key.b);
    memcpy(key.b, name.data, name.size);
    if (rest.size > 0) {
        memcpy(key.b + sizeof key.b - rest.size, rest.data, rest.size);
    }
    return key;
}

int tmx_audit_new(struct tmx_bytes shard, const uint8_t hash_key[16], tmx_audit_directory_fn *directory,
                  tmx_audit_root_fn *root, void *ctx, struct tmx_audit **ret_audit)
{
    struct tmx_audit *a = calloc(1, sizeof *a);

    if (a == NULL || tmx_arena_init(&a->arena, AUDIT_ARENA_SIZE) < 0) {
        free(a);
        return -ENOMEM;
    }
    if (tmx_audit_preparer_new(directory, ctx, &a->preparer) < 0) {
        tmx_arena_deinit(&a->arena);
        free(a);
        return -ENOMEM;
    }
    assert(shard.size <= sizeof a->shard);
    memcpy(a->shard, shard.data, shard.size);
    a->shard_size = shard.size;
    a->directory = directory;
    a->root = root;
    a->ctx = ctx;
    tmx_audit_table_init(&a->batches, sizeof(struct tmx_audit_batch), hash_key);
    tmx_audit_table_init(&a->pairs, sizeof(struct tmx_audit_pair), hash_key);
    tmx_audit_table_init(&a->ids, 2 * sizeof(uint64_t), hash_key);
    tmx_audit_table_init(&a->places, sizeof(void *), hash_key);
    tmx_audit_table_init(&a->prekeys, sizeof(struct tmx_audit_prekey_set), hash_key);
    tmx_audit_table_init(&a->destinations, sizeof(struct tmx_audit_destination), hash_key);
    tmx_audit_table_init(&a->refusals, sizeof(struct tmx_audit_refusal), hash_key);
    *ret_audit = a;
    return 0;
}

struct tmx_audit *tmx_audit_free(struct tmx_audit *a)
{
    if (a != NULL) {
        tmx_audit_messages_free(a);
        tmx_audit_table_deinit(&a->batches);
        tmx_audit_table_deinit(&a->pairs);
        tmx_audit_table_deinit(&a->ids);
        tmx_audit_table_deinit(&a->places);
        tmx_audit_table_deinit(&a->prekeys);
        tmx_audit_table_deinit(&a->destinations);
        tmx_audit_table_deinit(&a->refusals);
        tmx_audit_preparer_free(a->preparer);
        tmx_arena_deinit(&a->arena);
        free(a->anchors);
        free(a);
    }
    return NULL;
}

void tmx_audit_begin_at(struct tmx_audit *a, uint64_t index)
{
    assert(a->summary.entries == 0);
    a->begin = index;
    a->carries = index > 0; /* it may */
}

const struct tmx_audit_summary *tmx_audit_result(const struct tmx_audit *a)
{
    return &a->summary;
}

bool tmx_audit_ok(const struct tmx_audit *a)
{
    for (size_t c = 0; c < AUDIT_N_CLASSES; c++) {
        if (a->summary.faults[c].count > 0) {
            return false;
        }
    }
    return true;
}

bool tmx_audit_next_member(const struct tmx_audit *a, size_t *at, const char **ret_code, uint64_t *ret_signed)
{
    if (*at >= a->n_members) {
        return false;
    }
    *ret_code = a->members[*at].code;
    *ret_signed = a->members[*at].signed_bodies;
    (*at)++;
    return true;
}

uint64_t tmx_audit_directory_at(const struct tmx_audit *a, uint64_t size)
{
    size_t n = a->n_reigns;

    while (n > 0 && a->reigns[n - 1].index >= size) {
        n--;
    }
    return n > 0 ? a->reigns[n - 1].serial : size > a->begin ? a->begin_serial : 0;
}

const struct tmx_audit_anchor *tmx_audit_anchors(const struct tmx_audit *a, size_t *ret_n)
{
    *ret_n = a->n_anchors;
    return a->anchors;
}

bool tmx_audit_next_kept(const struct tmx_audit *a, uint64_t from, uint64_t *ret_index)
{
    uint64_t index = UINT64_MAX;

    for (size_t i = 0; i < a->n_reigns; i++) {
        index = a->reigns[i].index >= from && a->reigns[i].index < index ? a->reigns[i].index : index;
    }
    for (size_t i = 0; i < a->n_anchors; i++) {
        index = a->anchors[i].index >= from && a->anchors[i].index < index ? a->anchors[i].index : index;
    }
    *ret_index = index;
    return index != UINT64_MAX;
}

int tmx_audit_kept(struct tmx_audit *a, uint64_t index, struct tmx_bytes entry)
{
    struct tmx_audit_step s = { .a = a, .index = index };
    Tmx__LogEntry *e;

    assert(a->summary.entries == 0 && index < a->begin);
    tmx_arena_reset(&a->arena);
    if (tmx_entry_parse(entry, &a->arena, &e) != TMX_CODE_OK ||
        (e->kind != TMX__ENTRY_KIND__ENTRY_DIRECTORY && e->kind != TMX__ENTRY_KIND__ENTRY_ANCHOR)) {
        tmx_audit_step_fault(&s, AUDIT_FORMAT, "no entry of a kind that is kept");
        return 0;
    }
    s.e = e;
    return tmx_audit_kind(&s);
}

static void check_time(const struct tmx_audit_step *s)
{
    struct tmx_audit_summary *sum = &s->a->summary;

    if (s->index == s->a->begin) {
        sum->first_ms = s->e->time_ms;
    } else if (s->e->time_ms < sum->last_ms) {
        tmx_audit_step_fault(s, AUDIT_TIME, "%llu after %llu", (unsigned long long)s->e->time_ms,
                             (unsigned long long)sum->last_ms);
    }
    sum->last_ms = s->e->time_ms;
}

/* The serial never falls, and once the log names a directory it is the one in force. */
static void check_serial(const struct tmx_audit_step *s)
{
    struct tmx_audit *a = s->a;
    const uint64_t serial = s->e->directory_serial;
    const bool changes = s->e->kind == TMX__ENTRY_KIND__ENTRY_DIRECTORY;

    if (s->index == a->begin && a->begin > 0 && !changes) {
        a->begin_serial = serial;
        a->in_force = a->in_force != 0 ? a->in_force : serial; /* whichever entry named it, unless one that stayed says so */
    }
    if (serial < a->last_serial ||
        (a->in_force != 0 && serial != a->in_force && !(changes && serial == s->e->number))) {
        tmx_audit_step_fault(s, AUDIT_DIRECTORY, "serial %llu where %llu is in force", (unsigned long long)serial,
                             (unsigned long long)(a->in_force != 0 ? a->in_force : a->last_serial));
    }
    a->last_serial = serial;
}

static void check_place(const struct tmx_audit_step *s)
{
    const Tmx__LogRef *ref = s->e->reference;

    if ((s->index == 0) != (s->e->kind == TMX__ENTRY_KIND__ENTRY_SHARD_START)) {
        tmx_audit_step_fault(s, AUDIT_SHARD, "a shard begins with its start, once");
    }
    if (ref != NULL && tmx_bytes_eq(tmx_pb(ref->shard), TMX_BYTES(s->a->shard, s->a->shard_size)) &&
        ref->index >= s->index) {
        tmx_audit_step_fault(s, AUDIT_REFERENCE, "entry %llu is not before it", (unsigned long long)ref->index);
    }
}

int tmx_audit_entry(struct tmx_audit *a, struct tmx_bytes entry)
{
    struct tmx_audit_prepared prepared;

    tmx_audit_prepare(a->preparer, entry, &prepared);
    return tmx_audit_next(a, entry, &prepared);
}

int tmx_audit_next(struct tmx_audit *a, struct tmx_bytes entry, const struct tmx_audit_prepared *prepared)
{
    struct tmx_audit_step s = { .a = a, .index = a->begin + a->summary.entries++, .prepared = prepared };
    Tmx__LogEntry *e;
    unsigned code;
    int r = 0;

    tmx_arena_reset(&a->arena);
    code = tmx_entry_parse(entry, &a->arena, &e);
    if (code != TMX_CODE_OK || !tmx_audit_kind_known(e->kind)) {
        tmx_audit_step_fault(&s, AUDIT_FORMAT, "%s", tmx_code_name(code));
        return 0;
    }
    s.e = e;
    a->summary.kinds[e->kind]++;
    check_time(&s);
    check_place(&s);
    check_serial(&s);
    if (e->signature != NULL) {
        r = tmx_audit_signature(&s);
    }
    return r < 0 ? r : tmx_audit_kind(&s);
}
