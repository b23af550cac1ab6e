/* SPDX-License-Identifier: Apache-2.0
 * The leaves of a bundle, each in a signed head, and the signatures in them: EVI-4, EVI-5.
 */
#include <stdlib.h>
#include <string.h>

#include <tmx/code.h>

#include "evidence_parts.h"

#define LEAF_ROOM (32u << 10) /* a body unpacked, beside its bytes */

static bool kind_belongs(unsigned kind)
{
    switch (kind) {
    case TMX__ENTRY_KIND__ENTRY_ACCEPTANCE:
    case TMX__ENTRY_KIND__ENTRY_RESUBMISSION:
    case TMX__ENTRY_KIND__ENTRY_CARRY_DELIVERY:
    case TMX__ENTRY_KIND__ENTRY_PREKEYS:
    case TMX__ENTRY_KIND__ENTRY_REPORT:
    case TMX__ENTRY_KIND__ENTRY_EXPIRED:
    case TMX__ENTRY_KIND__ENTRY_EXCEPTION:
    case TMX__ENTRY_KIND__ENTRY_REFUSAL:
    case TMX__ENTRY_KIND__ENTRY_ERASED:
        return true;
    default:
        return false;
    }
}

/* Behind the leaf before it, in index, time and serial; a shard that was left does not come again. */
static int check_order(struct tmx_evidence *v, const struct tmx_evidence_leaf *l)
{
    const struct tmx_evidence_leaf *before = l == v->leaves ? NULL : l - 1;
    const Tmx__LogRef *ref = l->e->reference;

    if (before != NULL && !tmx_bytes_eq(before->head->shard, l->head->shard)) {
        for (const struct tmx_evidence_leaf *x = v->leaves; x < before; x++) {
            if (tmx_bytes_eq(x->head->shard, l->head->shard)) {
                return tmx_evidence_leaf_fault(v, 4, l, "the leaves of its shard do not stand together");
            }
        }
    } else if (before != NULL && l->pb->index <= before->pb->index) {
        return tmx_evidence_leaf_fault(v, 4, l, "it comes after entry %llu: the leaves of a shard have to ascend",
                                       (unsigned long long)before->pb->index);
    } else if (before != NULL &&
               (l->e->time_ms < before->e->time_ms || l->e->directory_serial < before->e->directory_serial)) {
        return tmx_evidence_leaf_fault(v, 4, l, "time or directory serial is lower than at entry %llu, before it",
                                       (unsigned long long)before->pb->index);
    }
    if (ref != NULL && tmx_bytes_eq(tmx_pb(ref->shard), l->head->shard) && ref->index >= l->pb->index) {
        return tmx_evidence_leaf_fault(v, 4, l, "it refers to entry %llu, which is not before it",
                                       (unsigned long long)ref->index);
    }
    return 0;
}

static int take_leaf(struct tmx_evidence *v, struct tmx_audit_preparer *preparer, struct tmx_evidence_leaf *l)
{
    const struct tmx_bytes entry = tmx_pb(l->pb->entry);
    Tmx__LogEntry *e;
    const unsigned code = tmx_entry_parse(entry, &v->bodies, &e);

    if (code != TMX_CODE_OK) {
        return tmx_evidence_leaf_fault(v, 4, l, "not a canonical entry of a log (%s)", tmx_code_name(code));
    }
    l->e = e;
    if (!kind_belongs(e->kind)) {
        return tmx_evidence_leaf_fault(v, 4, l, "an entry of a kind that is about no message");
    }
    tmx_audit_prepare(preparer, entry, &l->prepared);
    if (!tmx_merkle_verify_path(l->pb->index, l->head->checkpoint.size, &l->prepared.leaf, tmx_pb(l->pb->path),
                                &l->head->checkpoint.root)) {
        return tmx_evidence_leaf_fault(v, 4, l, "its path does not lead to the root of checkpoint %u (%llu entries)",
                                       l->pb->checkpoint, (unsigned long long)l->head->checkpoint.size);
    }
    l->directory = tmx_audit_directories_find(v->directories, e->directory_serial);
    if (l->directory == NULL) {
        return tmx_evidence_leaf_fault(v, 2, l, "directory %llu was in force, and is not in the bundle",
                                       (unsigned long long)e->directory_serial);
    }
    return check_order(v, l);
}

static const struct tmx_directory *find_directory(void *ctx, uint64_t serial)
{
    return tmx_audit_directories_find(ctx, serial);
}

int tmx_evidence_leaves(struct tmx_evidence *v)
{
    struct tmx_audit_preparer *preparer;
    size_t room = 1u << 20; /* what one entry may take before it is refused */
    int r = tmx_audit_preparer_new(find_directory, v->directories, &preparer);

    if (r < 0) {
        return r;
    }
    /* each entry, its body, and what these are made of */
    for (size_t i = 0; i < v->pb->n_leaves; i++) {
        room += 3 * v->pb->leaves[i]->entry.len + LEAF_ROOM;
    }
    v->leaves = calloc(v->pb->n_leaves, sizeof v->leaves[0]);
    r = v->leaves == NULL ? -ENOMEM : tmx_arena_init(&v->bodies, room);
    for (v->n_leaves = 0; r == 0 && v->n_leaves < v->pb->n_leaves; v->n_leaves++) {
        struct tmx_evidence_leaf *l = &v->leaves[v->n_leaves];
        struct tmx_evidence_head *head = &v->heads[v->pb->leaves[v->n_leaves]->checkpoint];

        l->pb = v->pb->leaves[v->n_leaves];
        l->head = head;
        r = take_leaf(v, preparer, l);
        if (r == 0 && l->e->directory_serial > head->serial) {
            head->serial = l->e->directory_serial;
        }
    }
    tmx_audit_preparer_free(preparer);
    return r;
}

/* --- signatures ------------------------------------------------------------------------------------------------- */

/* Unpacks the body; *ret_signer is who it says signed it. A reason code. */
static unsigned parse_body(struct tmx_evidence *v, struct tmx_evidence_leaf *l, struct tmx_bytes *ret_signer)
{
    const struct tmx_bytes body = tmx_pb(l->e->body);
    Tmx__Header *header;
    Tmx__Report *report;
    Tmx__PrekeySet *prekeys;
    unsigned code;

    switch (tmx_body_kind(body)) {
    case TMX__KIND__KIND_HEADER:
        code = tmx_header_parse(body, &v->bodies, &header);
        if (code == TMX_CODE_OK) {
            l->header = header;
            *ret_signer = tmx_pb(header->sender);
        }
        return code;
    case TMX__KIND__KIND_REPORT:
        code = tmx_report_parse(body, &v->bodies, &report);
        if (code == TMX_CODE_OK) {
            l->report = report;
            *ret_signer = tmx_pb(report->recipient);
        }
        return code;
    default: /* the entry would not have been parsed with anything else */
        code = tmx_prekeys_parse(body, &v->bodies, &prekeys);
        if (code == TMX_CODE_OK) {
            l->prekeys = prekeys;
            *ret_signer = tmx_pb(prekeys->member);
        }
        return code;
    }
}

static int check_verdict(struct tmx_evidence *v, const struct tmx_evidence_leaf *l)
{
    const int size = (int)l->e->member.len;
    const char *member = (const char *)l->e->member.data;

    switch (l->prepared.verdict) {
    case AUDIT_GOOD_SIGNATURE:
        return 0;
    case AUDIT_NO_KEY:
        return tmx_evidence_leaf_fault(v, 5, l, "%.*s has no active key %08x in directory %llu, which was in force",
                                       size, member, l->prepared.key_id, (unsigned long long)l->e->directory_serial);
    case AUDIT_UNSIGNED:
    case AUDIT_MALFORMED_SIGNATURE:
    case AUDIT_NO_DIRECTORY:
    case AUDIT_BAD_SIGNATURE:
        break;
    }
    return tmx_evidence_leaf_fault(v, 5, l, "the signature of %.*s does not verify under its key %08x", size, member,
                                   l->prepared.key_id);
}

/* A batch number of a member stands for one root. */
static int check_batch(struct tmx_evidence *v, const struct tmx_evidence_leaf *l)
{
    for (const struct tmx_evidence_leaf *x = v->leaves; x < l; x++) {
        if (x->e->signature != NULL && x->prepared.batch_no == l->prepared.batch_no &&
            tmx_bytes_eq(tmx_pb(x->e->member), tmx_pb(l->e->member)) &&
            (x->prepared.batch_size != l->prepared.batch_size ||
             !tmx_hash_eq(&x->prepared.batch_root, &l->prepared.batch_root))) {
            return tmx_evidence_leaf_fault(v, 5, l, "%.*s signed batch %llu over another root at entry %llu",
                                           (int)l->e->member.len, (const char *)l->e->member.data,
                                           (unsigned long long)l->prepared.batch_no, (unsigned long long)x->pb->index);
        }
    }
    return 0;
}

/* The head that a signer was shown. */
static int check_seen(struct tmx_evidence *v, const struct tmx_evidence_leaf *l, const Tmx__Head *seen)
{
    if (seen == NULL) {
        return 0;
    }
    if (tmx_bytes_eq(tmx_pb(seen->shard), l->head->shard) && seen->size > l->pb->index) {
        return tmx_evidence_leaf_fault(v, 5, l, "its signer was shown a head of %llu entries before it was one of them",
                                       (unsigned long long)seen->size);
    }
    for (size_t i = 0; i < v->n_heads; i++) {
        const struct tmx_evidence_head *h = &v->heads[i];

        if (h->checkpoint.size == seen->size && tmx_bytes_eq(h->shard, tmx_pb(seen->shard)) &&
            memcmp(h->checkpoint.root.b, seen->root.data, TMX_HASH_SIZE) != 0) {
            return tmx_evidence_leaf_fault(v, 5, l,
                                           "its signer was shown another root at %llu entries than checkpoint %zu "
                                           "has: the log is forked, keep this bundle",
                                           (unsigned long long)seen->size, i);
        }
    }
    return 0;
}

static const Tmx__LogOrigin *find_log(const struct tmx_directory *d, struct tmx_bytes shard)
{
    const Tmx__Directory *pb = tmx_directory_pb(d);

    for (size_t i = 0; i < pb->n_logs; i++) {
        if (tmx_bytes_eq(tmx_pb(pb->logs[i]->shard), shard)) {
            return pb->logs[i];
        }
    }
    return NULL;
}

/* Does the place come no later than the leaf? */
static bool no_later(const struct tmx_directory *d, const Tmx__LogIndex *since, const struct tmx_evidence_leaf *l)
{
    const Tmx__LogOrigin *there = find_log(d, tmx_pb(since->shard));
    const Tmx__LogOrigin *here = find_log(d, l->head->shard);

    if (tmx_bytes_eq(tmx_pb(since->shard), l->head->shard)) {
        return since->index <= l->pb->index;
    }
    return there != NULL && here != NULL && there->from_ms < here->from_ms;
}

/* Whether any directory here says that the signer's key was compromised by then. */
static bool is_doubtful(const struct tmx_evidence *v, const struct tmx_evidence_leaf *l)
{
    const struct tmx_verify_key *key =
        tmx_directory_signing_key(l->directory, tmx_pb(l->e->member), l->prepared.key_id);

    for (size_t i = 0; i < tmx_audit_directories_count(v->directories); i++) {
        const struct tmx_directory *d = tmx_audit_directories_at(v->directories, i);
        const Tmx__Member *m = tmx_directory_member(d, tmx_pb(l->e->member));

        for (size_t j = 0; m != NULL && j < m->n_signing_keys; j++) {
            const Tmx__MemberKey *k = m->signing_keys[j];

            if (memcmp(k->key.data, key->key, sizeof key->key) == 0 && k->compromised_since != NULL &&
                no_later(d, k->compromised_since, l)) {
                return true;
            }
        }
    }
    return false;
}

static int check_body(struct tmx_evidence *v, struct tmx_evidence_leaf *l)
{
    const bool refused = l->e->kind == TMX__ENTRY_KIND__ENTRY_REFUSAL;
    struct tmx_bytes signer;
    uint64_t serial;
    int r = check_verdict(v, l);
    unsigned code;

    if (r < 0) {
        return r;
    }
    code = parse_body(v, l, &signer);
    if (code != TMX_CODE_OK) {
        return tmx_evidence_leaf_fault(v, 5, l, "what was signed breaks the rules of its kind (%s)",
                                       tmx_code_name(code));
    }
    if (!tmx_bytes_eq(signer, tmx_pb(l->e->member))) {
        return tmx_evidence_leaf_fault(v, 5, l, "it is signed by %.*s, and says %.*s", (int)l->e->member.len,
                                       (const char *)l->e->member.data, (int)signer.size, (const char *)signer.data);
    }
    l->doubtful = is_doubtful(v, l);
    r = check_batch(v, l);
    if (r < 0 || refused) {
        return r;
    }
    serial = l->header != NULL   ? l->header->directory_serial
             : l->report != NULL ? l->report->directory_serial
                                 : l->prekeys->directory_serial;
    if (serial > l->e->directory_serial) {
        return tmx_evidence_leaf_fault(v, 5, l, "its signer knew directory %llu, the log only %llu",
                                       (unsigned long long)serial, (unsigned long long)l->e->directory_serial);
    }
    return check_seen(v, l, l->header != NULL ? l->header->seen : l->report != NULL ? l->report->seen : NULL);
}

int tmx_evidence_signatures(struct tmx_evidence *v)
{
    for (size_t i = 0; i < v->n_leaves; i++) {
        int r = v->leaves[i].e->signature == NULL ? 0 : check_body(v, &v->leaves[i]);

        if (r < 0) {
            return r;
        }
    }
    return 0;
}
