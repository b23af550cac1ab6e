/* SPDX-License-Identifier: Apache-2.0
 * What an entry of each kind has to hold beyond form, order and signature. LOG-6
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include <tmx/code.h>

#include "rules.h"
#include "state.h"

/* What a signed body may claim of the directory: nothing later than what was in force when it was logged. DIR-6 */
static void check_body_serial(const struct tmx_audit_step *s, uint64_t serial)
{
    if (serial > s->e->directory_serial) {
        tmx_audit_step_fault(s, AUDIT_DIRECTORY, "the signer knew directory %llu, the log only %llu",
                             (unsigned long long)serial, (unsigned long long)s->e->directory_serial);
    }
}

static void check_member(const struct tmx_audit_step *s, struct tmx_bytes in_body)
{
    if (!tmx_bytes_eq(tmx_pb(s->e->member), in_body)) {
        tmx_audit_step_fault(s, AUDIT_IDENTITY, "the entry names %.*s, the body %.*s", (int)s->e->member.len,
                             (const char *)s->e->member.data, (int)in_body.size, (const char *)in_body.data);
    }
}

/* Who had cosigned the last head of the shard before. */
static void check_cosigned(const struct tmx_audit_step *s, struct tmx_bytes note, const struct tmx_policy *policy)
{
    struct tmx_audit_summary *sum = &s->a->summary;

    sum->follows_witnesses = policy == NULL ? 0 : (unsigned)policy->n_witnesses;
    if (policy != NULL && !tmx_policy_check(policy, note, &sum->follows_quorum)) {
        tmx_audit_step_fault(s, AUDIT_SHARD, "a cosignature of the last head of the shard before does not verify");
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
    } else if (tmx_bytes_eq(tmx_bytes_str(slash + 1), TMX_BYTES(s->a->shard, s->a->shard_size))) {
        tmx_audit_step_fault(s, AUDIT_SHARD, "the shard follows itself");
    } else {
        s->a->summary.follows = old;
        check_cosigned(s, note, tmx_directory_policy(d));
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
    if (s->a->n_reigns < AUDIT_DIRECTORIES_MAX) {
        s->a->reigns[s->a->n_reigns].index = s->index;
        s->a->reigns[s->a->n_reigns++].serial = s->e->number;
    }
    s->a->in_force_index = s->index;
    memcpy(s->a->in_force_digest, s->e->digest.data, sizeof s->a->in_force_digest);
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
    struct tmx_audit_prekey_set *last;
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
    if (set->set_serial <= last->serial) {
        tmx_audit_step_fault(s, AUDIT_SEQUENCE, "prekey set %llu after %llu", (unsigned long long)set->set_serial,
                             (unsigned long long)last->serial);
    }
    *last = (struct tmx_audit_prekey_set){ .serial = set->set_serial, .index = s->index };
    return 0;
}

static void check_admission(const struct tmx_audit_step *s, const Tmx__Header *h)
{
    const struct tmx_directory *d = s->a->directory(s->a->ctx, s->e->directory_serial);
    char text[AUDIT_ADMISSION_MAX];

    if (d != NULL && !tmx_audit_admissible(d, h, text)) {
        tmx_audit_step_fault(s, AUDIT_ADMISSION, "%s", text);
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
    tmx_audit_seen(s, h->seen);
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
    tmx_audit_seen(s, report->seen);
    /* A report made under an earlier shard names the acceptance there; the entry names what stands for it here. */
    const bool here = tmx_bytes_eq(tmx_pb(ref->shard), tmx_pb(report->acceptance->shard));
    if ((here && ref->index != report->acceptance->index) || (!here && !s->a->carries)) {
        tmx_audit_step_fault(s, AUDIT_REFERENCE, "the entry and its report name different acceptances");
        return 0;
    }
    return tmx_audit_report(s, report);
}

/* What was refused once is not looked at again. */
static int keep_refusal(const struct tmx_audit_step *s)
{
    uint8_t digest[TMX_HASH_SIZE];
    struct tmx_audit_refusal *refusal;
    struct tmx_audit_key key;
    void *value;
    bool new;
    int r;

    crypto_generichash(digest, sizeof digest, s->e->body.data, s->e->body.len, NULL, 0);
    memcpy(key.b, digest, sizeof key.b);
    r = tmx_audit_table_put(&s->a->refusals, &key, &value, &new);
    if (r < 0) {
        return r;
    }
    refusal = value;
    memcpy(refusal->rest, digest + sizeof key.b, sizeof refusal->rest);
    refusal->index = s->index;
    return 0;
}

/* A refused body may claim anything; only what it consumes is checked. */
static int on_refusal(const struct tmx_audit_step *s)
{
    const bool consumed = s->e->number == 1;
    const bool header = tmx_body_kind(tmx_pb(s->e->body)) == TMX__KIND__KIND_HEADER;
    Tmx__Header *h;
    unsigned code;
    int r = keep_refusal(s);

    s->a->carry_over = true;
    if (r < 0) {
        return r;
    }
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
    return tmx_audit_broker_outcome(s);
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

/* Heads are anchored in their order, each once: so the name of a token is its own. LOG-9 */
static int on_anchor(const struct tmx_audit_step *s)
{
    struct tmx_audit *a = s->a;
    struct tmx_audit_anchor anchor = { .size = s->e->number, .index = s->index };

    if (anchor.size > s->index) {
        tmx_audit_step_fault(s, AUDIT_ANCHOR, "of a head of %llu entries", (unsigned long long)anchor.size);
        return 0;
    }
    if (a->n_anchors > 0 && anchor.size <= a->anchors[a->n_anchors - 1].size) {
        tmx_audit_step_fault(s, AUDIT_ANCHOR, "of the head of %llu entries, after that of %llu",
                             (unsigned long long)anchor.size, (unsigned long long)a->anchors[a->n_anchors - 1].size);
        return 0;
    }
    if (a->n_anchors == a->room_anchors) {
        const size_t room = a->room_anchors == 0 ? 64 : 2 * a->room_anchors;
        struct tmx_audit_anchor *anchors = realloc(a->anchors, room * sizeof anchors[0]);

        if (anchors == NULL) {
            return -ENOMEM;
        }
        a->anchors = anchors;
        a->room_anchors = room;
    }
    memcpy(anchor.digest, s->e->digest.data, sizeof anchor.digest);
    a->anchors[a->n_anchors++] = anchor;
    return 0;
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
    [TMX__ENTRY_KIND__ENTRY_OPERATOR] = tmx_audit_operator,
    [TMX__ENTRY_KIND__ENTRY_CARRY_DELIVERY] = on_carry,
    [TMX__ENTRY_KIND__ENTRY_CARRY_PAIR] = on_carry,
    [TMX__ENTRY_KIND__ENTRY_RESUBMISSION] = on_header,
    [TMX__ENTRY_KIND__ENTRY_ERASED] = on_erased,
    [TMX__ENTRY_KIND__ENTRY_ANCHOR] = on_anchor,
};

bool tmx_audit_kind_known(unsigned kind)
{
    return kind < AUDIT_KINDS && handlers[kind] != NULL;
}

int tmx_audit_kind(const struct tmx_audit_step *s)
{
    if (s->e->kind != TMX__ENTRY_KIND__ENTRY_EXCEPTION) {
        s->a->approved = 0;
    }
    return handlers[s->e->kind](s);
}
