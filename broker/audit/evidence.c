/* SPDX-License-Identifier: Apache-2.0
 * The order of the checks; form, directories and heads: EVI-1 … EVI-3.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tmx/code.h>

#include "evidence_parts.h"

static void fault(struct tmx_evidence *v, unsigned rule, const char *part, const char *fmt, va_list args) TMX_PRINTF(4, 0);
static void fault(struct tmx_evidence *v, unsigned rule, const char *part, const char *fmt, va_list args)
{
    v->rule = rule;
    snprintf(v->part, sizeof v->part, "%s", part);
    vsnprintf(v->fault, sizeof v->fault, fmt, args);
}

int tmx_evidence_fault(struct tmx_evidence *v, unsigned rule, const char *part, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    fault(v, rule, part, fmt, args);
    va_end(args);
    return FAULT;
}

int tmx_evidence_leaf_fault(struct tmx_evidence *v, unsigned rule, const struct tmx_evidence_leaf *l, const char *fmt,
                            ...)
{
    char part[EVIDENCE_PART_MAX];
    const int at = snprintf(part, sizeof part, "leaf %zu", (size_t)(l - v->leaves));
    va_list args;

    if (l->e != NULL) {
        snprintf(part + at, sizeof part - (size_t)at, " (%s, entry %llu of %.*s)", tmx_audit_kind_name(l->e->kind),
                 (unsigned long long)l->pb->index, (int)l->head->shard.size, (const char *)l->head->shard.data);
    }
    va_start(args, fmt);
    fault(v, rule, part, fmt, args);
    va_end(args);
    return FAULT;
}

/* --- form ------------------------------------------------------------------------------------------------------- */

/* What else somebody may have at hand: nothing, or what it is. */
static const char *other_file(struct tmx_bytes file)
{
    static const struct {
        const char *beginning;
        const char *what;
    } table[] = {
        { "c2sp.org/tlog-proof@", "it is the proof of one entry (tmx-audit prove)" },
        { "tmx-fork@", "it is the proof of a fork (tmx-audit compare)" },
        { "threshold ", "it is the authority file: that belongs behind --authority" },
        { "tmx.", "it is a checkpoint" },
        { "TMX1", "it is a sealed container: that belongs behind --container" },
    };

    for (size_t i = 0; i < TMX_N(table); i++) {
        const struct tmx_bytes beginning = tmx_bytes_str(table[i].beginning);

        if (file.size >= beginning.size && tmx_bytes_eq(tmx_bytes_slice(file, 0, beginning.size), beginning)) {
            return table[i].what;
        }
    }
    return NULL;
}

static int take_form(struct tmx_evidence *v, struct tmx_bytes file)
{
    Tmx__Evidence *pb;
    const char *what;
    const char *other = other_file(file);
    const unsigned code = tmx_evidence_parse(file, &v->arena, &pb, &what);

    switch (code) {
    case TMX_CODE_OK:
        v->pb = pb;
        return 0;
    case TMX_CODE_TOO_LARGE:
        return tmx_evidence_fault(v, 1, "form", "above its limit: %s", what);
    case TMX_CODE_BAD_VERSION:
        return tmx_evidence_fault(v, 1, "form", "a bundle of another version than %u: a later tmx-audit reads it",
                                  TMX_EVIDENCE_VERSION);
    default:
        return tmx_evidence_fault(v, 1, "form", "not an evidence bundle: %s", other != NULL ? other : what);
    }
}

/* --- directories ------------------------------------------------------------------------------------------------ */

static int take_directories(struct tmx_evidence *v, const struct tmx_authority *pinned)
{
    v->directories = tmx_audit_directories_new();
    if (v->directories == NULL) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < v->pb->n_directories; i++) {
        const size_t n = tmx_audit_directories_count(v->directories);
        const struct tmx_directory *before = n == 0 ? NULL : tmx_audit_directories_at(v->directories, n - 1);
        const struct tmx_directory *d;
        char part[EVIDENCE_PART_MAX];
        int r = tmx_audit_directories_add(v->directories, tmx_pb(v->pb->directories[i]), pinned, &d);

        if (r < 0) {
            return r;
        }
        snprintf(part, sizeof part, "directory %zu", i);
        if (r != TMX_DIRECTORY_OK) {
            return tmx_evidence_fault(v, 2, part, "%s%s", tmx_directory_error_text(r),
                                      i == 0 ? " (under the keys of --authority)" : "");
        }
        if (before != NULL && tmx_directory_serial(d) <= tmx_directory_serial(before)) {
            return tmx_evidence_fault(v, 2, part, "serial %llu comes twice: serials have to ascend",
                                      (unsigned long long)tmx_directory_serial(d));
        }
    }
    return 0;
}

/* --- heads ------------------------------------------------------------------------------------------------------ */

static int head_fault(struct tmx_evidence *v, size_t i, const char *text)
{
    char part[EVIDENCE_PART_MAX];

    snprintf(part, sizeof part, "checkpoint %zu", i);
    return tmx_evidence_fault(v, 3, part, "%s", text);
}

static int take_head(struct tmx_evidence *v, size_t i)
{
    const struct tmx_bytes note = tmx_pb(v->pb->checkpoints[i]);
    struct tmx_evidence_head *h = &v->heads[i];
    const struct tmx_verify_key *key;
    struct tmx_bytes text;
    struct tmx_bytes lines;

    if (!tmx_note_split(note, &text, &lines) || !tmx_checkpoint_parse(text, &h->checkpoint)) {
        return head_fault(v, i, "not a signed checkpoint");
    }
    h->shard = tmx_audit_shard(h->checkpoint.origin);
    key = h->shard.size == 0 ? NULL : tmx_audit_log_key(v->directories, h->checkpoint.origin);
    if (key == NULL) {
        return head_fault(v, i, "no directory of the bundle lists its log");
    }
    if (!tmx_checkpoint_verify(note, key, &h->checkpoint)) {
        return head_fault(v, i, "the log did not sign it");
    }
    for (size_t j = 0; j < i; j++) {
        const struct tmx_checkpoint *other = &v->heads[j].checkpoint;

        if (tmx_bytes_eq(note, tmx_pb(v->pb->checkpoints[j]))) {
            return head_fault(v, i, "the same as one before it");
        }
        if (strcmp(other->origin, h->checkpoint.origin) == 0 && other->size == h->checkpoint.size &&
            !tmx_hash_eq(&other->root, &h->checkpoint.root)) {
            return head_fault(v, i, "the log signed another root for this size, too: it is forked, keep this bundle");
        }
    }
    return 0;
}

static int take_heads(struct tmx_evidence *v)
{
    v->heads = calloc(v->pb->n_checkpoints, sizeof v->heads[0]);
    if (v->heads == NULL) {
        return -ENOMEM;
    }
    for (v->n_heads = 0; v->n_heads < v->pb->n_checkpoints; v->n_heads++) {
        int r = take_head(v, v->n_heads);

        if (r < 0) {
            return r;
        }
    }
    return 0;
}

/* Who witnessed the head, by the policy in force at its last leaf. */
static int count_witnesses(struct tmx_evidence *v, size_t i, struct tmx_policy *policy)
{
    struct tmx_evidence_head *h = &v->heads[i];
    const struct tmx_directory *d = tmx_audit_directories_find(v->directories, h->serial);
    const char *reason;

    if (d == NULL) {
        return head_fault(v, i, "no leaf leads to it");
    }
    if (tmx_policy_parse(tmx_pb(tmx_directory_pb(d)->witness_policy), policy, &reason) != 0 || policy->none) {
        return 0;
    }
    h->n_witnesses = policy->n_witnesses;
    return tmx_policy_check(policy, tmx_pb(v->pb->checkpoints[i]), &h->quorum)
               ? 0
               : head_fault(v, i, "a cosignature of a witness of the policy does not verify");
}

static int check_witnesses(struct tmx_evidence *v)
{
    struct tmx_policy *policy = calloc(1, sizeof *policy);
    int r = policy == NULL ? -ENOMEM : 0;

    for (size_t i = 0; r == 0 && i < v->n_heads; i++) {
        r = count_witnesses(v, i, policy);
    }
    free(policy);
    return r;
}

/* --- all of it -------------------------------------------------------------------------------------------------- */

static int check(struct tmx_evidence *v, struct tmx_bytes file, const struct tmx_authority *pinned,
                 struct tmx_bytes beside)
{
    int r = take_form(v, file);

    r = r < 0 ? r : take_directories(v, pinned);
    r = r < 0 ? r : take_heads(v);
    r = r < 0 ? r : tmx_evidence_leaves(v);
    r = r < 0 ? r : check_witnesses(v);
    r = r < 0 ? r : tmx_evidence_signatures(v);
    r = r < 0 ? r : tmx_evidence_message(v);
    return r < 0 ? r : tmx_evidence_open(v, beside);
}

int tmx_evidence_check(struct tmx_bytes file, const struct tmx_authority *pinned, struct tmx_bytes beside,
                       struct tmx_evidence **ret_evidence)
{
    const size_t size = file.size > TMX_EVIDENCE_MAX ? 0 : file.size;
    struct tmx_evidence *v = calloc(1, sizeof *v);
    int r = v == NULL ? -ENOMEM : tmx_arena_init(&v->arena, TMX_EVIDENCE_ARENA(size));

    r = r < 0 ? r : check(v, file, pinned, beside);
    if (r < 0 && r != FAULT) {
        tmx_evidence_free(v);
        return r;
    }
    *ret_evidence = v;
    return 0;
}

struct tmx_evidence *tmx_evidence_free(struct tmx_evidence *v)
{
    if (v != NULL) {
        free(v->payload);
        free(v->leaves);
        free(v->heads);
        tmx_audit_directories_free(v->directories);
        tmx_arena_deinit(&v->bodies);
        tmx_arena_deinit(&v->arena);
        free(v);
    }
    return NULL;
}
