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

#define ARENA_SIZE (512u << 10) /* an entry, its body and their signatures, unpacked */

struct batch {
    uint32_t size;
    struct tmx_hash root;
};

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

    if (a == NULL || tmx_arena_init(&a->arena, ARENA_SIZE) < 0) {
        free(a);
        return -ENOMEM;
    }
    assert(shard.size <= sizeof a->shard);
    memcpy(a->shard, shard.data, shard.size);
    a->shard_size = shard.size;
    a->directory = directory;
    a->root = root;
    a->ctx = ctx;
    tmx_audit_table_init(&a->batches, sizeof(struct batch), hash_key);
    tmx_audit_table_init(&a->pairs, sizeof(uint64_t), hash_key);
    tmx_audit_table_init(&a->ids, 2 * sizeof(uint64_t), hash_key);
    tmx_audit_table_init(&a->places, sizeof(void *), hash_key);
    tmx_audit_table_init(&a->prekeys, sizeof(uint64_t), hash_key);
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
        tmx_arena_deinit(&a->arena);
        free(a);
    }
    return NULL;
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

/* Counts a signed body of a member; the list stays ascending. */
static void count_member(struct tmx_audit *a, struct tmx_bytes code)
{
    size_t at = 0;

    while (at < a->n_members && tmx_bytes_cmp(tmx_bytes_str(a->members[at].code), code) < 0) {
        at++;
    }
    if (at == a->n_members || !tmx_bytes_eq(tmx_bytes_str(a->members[at].code), code)) {
        if (a->n_members == TMX_N(a->members)) {
            return;
        }
        memmove(&a->members[at + 1], &a->members[at], (a->n_members - at) * sizeof a->members[0]);
        a->members[at] = (struct tmx_audit_member){ .signed_bodies = 0 };
        memcpy(a->members[at].code, code.data, code.size);
        a->n_members++;
    }
    a->members[at].signed_bodies++;
}

static void check_time(const struct tmx_audit_step *s)
{
    struct tmx_audit_summary *sum = &s->a->summary;

    if (s->index == 0) {
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

    if (serial < a->last_serial ||
        (a->in_force != 0 && serial != a->in_force && !(changes && serial == s->e->number))) {
        tmx_audit_step_fault(s, AUDIT_DIRECTORY, "serial %llu where %llu is in force", (unsigned long long)serial,
                             (unsigned long long)(a->in_force != 0 ? a->in_force : a->last_serial));
    }
    a->last_serial = serial;
}

/* What a signed body may claim of the directory: nothing later than what was in force when it was logged. DIR-6 */
static void check_body_serial(const struct tmx_audit_step *s, uint64_t serial)
{
    if (serial > s->e->directory_serial) {
        tmx_audit_step_fault(s, AUDIT_DIRECTORY, "the signer knew directory %llu, the log only %llu",
                             (unsigned long long)serial, (unsigned long long)s->e->directory_serial);
    }
}

static int check_batch(const struct tmx_audit_step *s, const struct tmx_signature *signature)
{
    const struct tmx_hash leaf = tmx_merkle_leaf(tmx_pb(s->e->body));
    uint8_t number[8];
    struct tmx_writer w = TMX_WRITER_OF(number);
    struct tmx_audit_key key;
    struct batch *batch;
    struct tmx_hash root;
    void *value;
    bool new;
    int r;

    if (!tmx_merkle_path_root(signature->index, signature->size, &leaf,
                              TMX_BYTES(signature->path, signature->path_n * TMX_HASH_SIZE), &root)) {
        return 0;
    }
    tmx_write_u64(&w, signature->batch_no);
    key = tmx_audit_key_of(tmx_pb(s->e->member), TMX_BYTES_OF(number));
    r = tmx_audit_table_put(&s->a->batches, &key, &value, &new);
    if (r < 0) {
        return r;
    }
    batch = value;
    if (new) {
        *batch = (struct batch){ .size = signature->size, .root = root };
    } else if (batch->size != signature->size || !tmx_hash_eq(&batch->root, &root)) {
        tmx_audit_step_fault(s, AUDIT_BATCH, "%.*s signed batch %llu over two roots", (int)s->e->member.len,
                             (const char *)s->e->member.data, (unsigned long long)signature->batch_no);
    }
    return 0;
}

static int check_signature(const struct tmx_audit_step *s)
{
    const struct tmx_directory *d = s->a->directory(s->a->ctx, s->e->directory_serial);
    const struct tmx_verify_key *key;
    struct tmx_signature signature;

    if (!tmx_signature_from_pb(s->e->signature, &signature)) {
        tmx_audit_step_fault(s, AUDIT_FORMAT, "malformed signature");
        return 0;
    }
    if (d == NULL) {
        tmx_audit_step_fault(s, AUDIT_DIRECTORY, "no directory %llu to verify with",
                             (unsigned long long)s->e->directory_serial);
        return 0;
    }
    key = tmx_directory_signing_key(d, tmx_pb(s->e->member), signature.key_id);
    if (key == NULL) {
        tmx_audit_step_fault(s, AUDIT_SIGNATURE, "%.*s has no active key %08x in directory %llu", (int)s->e->member.len,
                             (const char *)s->e->member.data, signature.key_id,
                             (unsigned long long)s->e->directory_serial);
        return 0;
    }
    if (!tmx_batch_verify(tmx_pb(s->e->body), &signature, key, &s->a->batches_seen)) {
        tmx_audit_step_fault(s, AUDIT_SIGNATURE, "the signature of %.*s does not verify", (int)s->e->member.len,
                             (const char *)s->e->member.data);
        return 0;
    }
    count_member(s->a, tmx_pb(s->e->member));
    return check_batch(s, &signature);
}

/* A head of this shard must be one of its heads; one of another shard cannot be checked here. */
static void check_seen(const struct tmx_audit_step *s, const Tmx__Head *seen)
{
    struct tmx_audit *a = s->a;

    if (seen == NULL || !tmx_bytes_eq(tmx_pb(seen->shard), TMX_BYTES(a->shard, a->shard_size))) {
        return;
    }
    if (seen->size > s->index) {
        tmx_audit_step_fault(s, AUDIT_SEEN, "a head of %llu entries", (unsigned long long)seen->size);
        return;
    }
    if (a->seen_size != seen->size) {
        if (!a->root(a->ctx, seen->size, &a->seen_root)) {
            tmx_audit_step_fault(s, AUDIT_SEEN, "the root at %llu entries cannot be computed",
                                 (unsigned long long)seen->size);
            return;
        }
        a->seen_size = seen->size;
    }
    if (memcmp(a->seen_root.b, seen->root.data, TMX_HASH_SIZE) != 0) {
        tmx_audit_step_fault(s, AUDIT_SEEN, "another root at %llu entries", (unsigned long long)seen->size);
    }
}

static void check_member(const struct tmx_audit_step *s, struct tmx_bytes in_body)
{
    if (!tmx_bytes_eq(tmx_pb(s->e->member), in_body)) {
        tmx_audit_step_fault(s, AUDIT_IDENTITY, "the entry names %.*s, the body %.*s", (int)s->e->member.len,
                             (const char *)s->e->member.data, (int)in_body.size, (const char *)in_body.data);
    }
}

/* The text is the last checkpoint of the shard before, signed by that log. */
static int on_shard_start(const struct tmx_audit_step *s)
{
    const struct tmx_directory *d = s->a->directory(s->a->ctx, s->e->directory_serial);
    const struct tmx_bytes note = tmx_pb(s->e->text);
    const struct tmx_verify_key *key = NULL;
    struct tmx_checkpoint old;
    struct tmx_bytes text;
    struct tmx_bytes lines;
    const char *slash;

    s->a->carries = note.size > 0;
    if (note.size == 0) {
        return 0;
    }
    if (!tmx_note_split(note, &text, &lines) || !tmx_checkpoint_parse(text, &old)) {
        tmx_audit_step_fault(s, AUDIT_SHARD, "the text is no checkpoint");
        return 0;
    }
    slash = strrchr(old.origin, '/');
    if (d != NULL && slash != NULL) {
        key = tmx_directory_log_key(d, tmx_bytes_str(slash + 1));
    }
    if (key == NULL || !tmx_checkpoint_verify(note, key, &old)) {
        tmx_audit_step_fault(s, AUDIT_SHARD, "the checkpoint of the shard before does not verify");
    }
    return 0;
}

static int on_directory(const struct tmx_audit_step *s)
{
    const struct tmx_directory *d = s->a->directory(s->a->ctx, s->e->number);
    uint8_t digest[TMX_HASH_SIZE];

    if (s->e->number <= s->a->in_force) {
        tmx_audit_step_fault(s, AUDIT_DIRECTORY, "serial %llu after %llu", (unsigned long long)s->e->number,
                             (unsigned long long)s->a->in_force);
    }
    s->a->in_force = s->e->number;
    if (d == NULL) {
        tmx_audit_step_fault(s, AUDIT_DIRECTORY, "directory %llu is not in the export, or not valid",
                             (unsigned long long)s->e->number);
        return 0;
    }
    crypto_generichash(digest, sizeof digest, tmx_directory_file(d).data, tmx_directory_file(d).size, NULL, 0);
    if (memcmp(digest, s->e->digest.data, sizeof digest) != 0) {
        tmx_audit_step_fault(s, AUDIT_DIRECTORY, "directory %llu is another file than the one logged",
                             (unsigned long long)s->e->number);
    }
    return 0;
}

static int on_prekeys(const struct tmx_audit_step *s)
{
    struct tmx_audit_key key;
    Tmx__PrekeySet *set;
    const unsigned code = tmx_prekeys_parse(tmx_pb(s->e->body), &s->a->arena, &set);
    uint64_t *last;
    void *value;
    bool new;
    int r;

    if (code != TMX_CODE_OK) {
        tmx_audit_step_fault(s, AUDIT_FORMAT, "prekey set: %s", tmx_code_name(code));
        return 0;
    }
    check_member(s, tmx_pb(set->member));
    check_body_serial(s, set->directory_serial);
    key = tmx_audit_key_of(tmx_pb(set->member), TMX_BYTES_NULL);
    r = tmx_audit_table_put(&s->a->prekeys, &key, &value, &new);
    if (r < 0) {
        return r;
    }
    last = value;
    if (set->set_serial <= *last) {
        tmx_audit_step_fault(s, AUDIT_SEQUENCE, "prekey set %llu after %llu", (unsigned long long)set->set_serial,
                             (unsigned long long)*last);
    }
    *last = set->set_serial;
    return 0;
}

/* The sender is active; every recipient is listed and not revoked. */
static void check_admission(const struct tmx_audit_step *s, const Tmx__Header *h)
{
    const struct tmx_directory *d = s->a->directory(s->a->ctx, s->e->directory_serial);
    const Tmx__Member *m = d == NULL ? NULL : tmx_directory_member(d, tmx_pb(h->sender));

    if (d == NULL) {
        return;
    }
    if (m == NULL || m->status != TMX__MEMBER_STATUS__MEMBER_ACTIVE) {
        tmx_audit_step_fault(s, AUDIT_ADMISSION, "the sender %.*s is not active", (int)h->sender.len,
                             (const char *)h->sender.data);
    } else if (!tmx_directory_type_allowed(m, tmx_pb(h->message_type))) {
        tmx_audit_step_fault(s, AUDIT_ADMISSION, "%.*s may not send %.*s", (int)h->sender.len,
                             (const char *)h->sender.data, (int)h->message_type.len,
                             (const char *)h->message_type.data);
    }
    for (size_t i = 0; i < h->n_recipients; i++) {
        const ProtobufCBinaryData to = h->recipients[i]->member;

        m = tmx_directory_member(d, tmx_pb(to));
        if (m == NULL || m->status == TMX__MEMBER_STATUS__MEMBER_REVOKED) {
            tmx_audit_step_fault(s, AUDIT_ADMISSION, "the recipient %.*s is not listed, or revoked", (int)to.len,
                                 (const char *)to.data);
        }
    }
}

static int on_header(const struct tmx_audit_step *s)
{
    const bool resubmission = s->e->kind == TMX__ENTRY_KIND__ENTRY_RESUBMISSION;
    Tmx__Header *h;
    const unsigned code = tmx_header_parse(tmx_pb(s->e->body), &s->a->arena, &h);

    s->a->carry_over = true;
    if (code != TMX_CODE_OK) {
        tmx_audit_step_fault(s, AUDIT_FORMAT, "header: %s", tmx_code_name(code));
        return 0;
    }
    check_member(s, tmx_pb(h->sender));
    check_body_serial(s, h->directory_serial);
    check_seen(s, h->seen);
    if (resubmission && !s->a->carries) {
        tmx_audit_step_fault(s, AUDIT_SHARD, "a resubmission in a shard that follows none");
    }
    if (!resubmission) {
        check_admission(s, h);
    }
    return tmx_audit_accept(s, h, resubmission);
}

static int on_report(const struct tmx_audit_step *s)
{
    const Tmx__LogRef *ref = s->e->reference;
    Tmx__Report *report;
    const unsigned code = tmx_report_parse(tmx_pb(s->e->body), &s->a->arena, &report);

    s->a->carry_over = true;
    if (code != TMX_CODE_OK) {
        tmx_audit_step_fault(s, AUDIT_FORMAT, "report: %s", tmx_code_name(code));
        return 0;
    }
    check_member(s, tmx_pb(report->recipient));
    check_body_serial(s, report->directory_serial);
    check_seen(s, report->seen);
    /* A report made under an earlier shard names the acceptance there; the entry names what stands for it here. */
    const bool here = tmx_bytes_eq(tmx_pb(ref->shard), tmx_pb(report->acceptance->shard));
    if ((here && ref->index != report->acceptance->index) || (!here && !s->a->carries)) {
        tmx_audit_step_fault(s, AUDIT_REFERENCE, "the entry and its report name different acceptances");
        return 0;
    }
    tmx_audit_report(s, report);
    return 0;
}

/* A refused body may claim anything; only what it consumes is checked. */
static int on_refusal(const struct tmx_audit_step *s)
{
    const bool consumed = s->e->number == 1;
    const bool header = tmx_body_kind(tmx_pb(s->e->body)) == TMX__KIND__KIND_HEADER;
    Tmx__Header *h;
    unsigned code;

    s->a->carry_over = true;
    if (!header) {
        if (consumed) {
            tmx_audit_step_fault(s, AUDIT_SEQUENCE, "numbers consumed by what is no header");
        }
        return 0;
    }
    code = tmx_header_parse(tmx_pb(s->e->body), &s->a->arena, &h);
    if (code != TMX_CODE_OK) {
        tmx_audit_step_fault(s, AUDIT_FORMAT, "refused header: %s", tmx_code_name(code));
        return 0;
    }
    check_member(s, tmx_pb(h->sender));
    return consumed ? tmx_audit_refuse(s, h) : 0;
}

static int on_broker_outcome(const struct tmx_audit_step *s)
{
    s->a->carry_over = true;
    tmx_audit_broker_outcome(s);
    return 0;
}

static int on_erased(const struct tmx_audit_step *s)
{
    tmx_audit_erased(s);
    return 0;
}

static int on_carry(const struct tmx_audit_step *s)
{
    if (!s->a->carries || s->a->carry_over) {
        tmx_audit_step_fault(s, AUDIT_SHARD,
                             "something is carried, but not at the start of a shard that follows another");
    }
    return s->e->kind == TMX__ENTRY_KIND__ENTRY_CARRY_PAIR ? tmx_audit_carry_pair(s) : tmx_audit_carry_delivery(s);
}

static int on_plain(const struct tmx_audit_step *s)
{
    return 0;
}

typedef int on_entry_fn(const struct tmx_audit_step *s);
static on_entry_fn *const handlers[AUDIT_KINDS] = {
    [TMX__ENTRY_KIND__ENTRY_SHARD_START] = on_shard_start,
    [TMX__ENTRY_KIND__ENTRY_DIRECTORY] = on_directory,
    [TMX__ENTRY_KIND__ENTRY_PREKEYS] = on_prekeys,
    [TMX__ENTRY_KIND__ENTRY_ACCEPTANCE] = on_header,
    [TMX__ENTRY_KIND__ENTRY_REPORT] = on_report,
    [TMX__ENTRY_KIND__ENTRY_EXPIRED] = on_broker_outcome,
    [TMX__ENTRY_KIND__ENTRY_EXCEPTION] = on_broker_outcome,
    [TMX__ENTRY_KIND__ENTRY_REFUSAL] = on_refusal,
    [TMX__ENTRY_KIND__ENTRY_START] = on_plain,
    [TMX__ENTRY_KIND__ENTRY_OPERATOR] = on_plain,
    [TMX__ENTRY_KIND__ENTRY_CARRY_DELIVERY] = on_carry,
    [TMX__ENTRY_KIND__ENTRY_CARRY_PAIR] = on_carry,
    [TMX__ENTRY_KIND__ENTRY_RESUBMISSION] = on_header,
    [TMX__ENTRY_KIND__ENTRY_ERASED] = on_erased,
};

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
    struct tmx_audit_step s = { .a = a, .index = a->summary.entries++ };
    Tmx__LogEntry *e;
    unsigned code;
    int r = 0;

    tmx_arena_reset(&a->arena);
    code = tmx_entry_parse(entry, &a->arena, &e);
    if (code != TMX_CODE_OK || e->kind >= AUDIT_KINDS || handlers[e->kind] == NULL) {
        tmx_audit_step_fault(&s, AUDIT_FORMAT, "%s", tmx_code_name(code));
        return 0;
    }
    s.e = e;
    a->summary.kinds[e->kind]++;
    check_time(&s);
    check_place(&s);
    check_serial(&s);
    if (e->signature != NULL) {
        r = check_signature(&s);
    }
    return r < 0 ? r : handlers[e->kind](&s);
}
