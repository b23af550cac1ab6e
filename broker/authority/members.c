/* SPDX-License-Identifier: Apache-2.0
 * Members: admitted on proof of possession, suspended, reinstated, revoked.
 */
#include "authority.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tmx/identifier.h>
#include <tmx/seal.h>
#include <tmx/text.h>

/* The request proves that its maker holds the first signing key. */
static bool proof_valid(struct tool *t, const Tmx__AdmissionRequest *r)
{
    struct tmx_bytes member = pack(t, r->member);
    struct tmx_bytes intro = TMX_LIT("tmx admission\n");
    uint8_t *text = take(t, intro.size + member.size);
    struct tmx_writer w = tmx_writer_init(text, intro.size + member.size);
    tmx_write_bytes(&w, intro);
    tmx_write_bytes(&w, member);
    return r->proof.len == 64 && r->member->n_signing_keys >= 1 && r->member->signing_keys[0]->key.len == 32 &&
           crypto_core_ed25519_is_valid_point(r->member->signing_keys[0]->key.data) == 1 &&
           crypto_sign_ed25519_verify_detached(r->proof.data, text, w.used, r->member->signing_keys[0]->key.data) == 0;
}

static bool request_load(struct tool *t, Tmx__Member **ret_member)
{
    struct tmx_bytes content;
    Tmx__AdmissionRequest *r;
    uint8_t digest[32];
    char text[65];
    if (!read_file(t, t->argument, TOOL_REQUEST_MAX, &content)) {
        return false;
    }
    if (tmx_codec_unpack(&tmx__admission_request__descriptor, content, TOOL_REQUEST_MAX, &t->arena, &r) !=
            TMX_CODEC_OK ||
        r->member == NULL || !tmx_member_valid(tmx_pb(r->member->code))) {
        fail("%s: not a request for admission: the member makes one with 'tmx-authority request'", t->argument);
        return false;
    }
    if (!proof_valid(t, r)) {
        fail("%s: its maker does not hold the signing key it names: refuse it and ask the member", t->argument);
        return false;
    }
    tmx_digest(content, digest);
    tmx_hex(TMX_BYTES_OF(digest), text);
    printf("%s: compare with the member by voice: %s (b2sum -l 256)\n", t->argument, text);
    *ret_member = r->member;
    return true;
}

/* Adds what is new of a request's keys to those a member has, so that a rotation overlaps. */
static void merge_keys(struct tool *t, Tmx__MemberKey ***keys, size_t *n, Tmx__MemberKey *const *more, size_t n_more)
{
    for (size_t i = 0; i < n_more; i++) {
        bool listed = false;
        for (size_t j = 0; j < *n; j++) {
            listed = listed || tmx_bytes_eq(tmx_pb((*keys)[j]->key), tmx_pb(more[i]->key));
        }
        if (!listed) {
            Tmx__MemberKey *k = take(t, sizeof(*k));
            *k = (Tmx__MemberKey)TMX__MEMBER_KEY__INIT;
            k->key = more[i]->key;
            *keys = append(t, *keys, *n, k);
            (*n)++;
        }
    }
}

static void revoke_all(Tmx__MemberKey **keys, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        keys[i]->revoked = true;
    }
}

/* A place in the ascending list. */
static Tmx__Member *insert_member(struct tool *t, Tmx__Directory *d, struct tmx_bytes code)
{
    Tmx__Member *m = take(t, sizeof(*m));
    *m = (Tmx__Member)TMX__MEMBER__INIT;
    m->code = tmx_to_pb(code);
    m->from_ms = now_ms();
    d->members = append(t, d->members, d->n_members, m);
    size_t at = d->n_members++;
    while (at > 0 && tmx_bytes_cmp(tmx_pb(d->members[at - 1]->code), code) > 0) {
        d->members[at] = d->members[at - 1];
        at--;
    }
    d->members[at] = m;
    return m;
}

static bool parse_date(const char *option, const char *text, uint64_t *date)
{
    if (text == NULL || tmx_parse_time(tmx_bytes_str(text), date)) {
        return true;
    }
    fail("%s %s: not a date: write YYYY-MM-DD or YYYY-MM-DDThh:mm:ssZ", option, text);
    return false;
}

int run_admit(struct tool *t)
{
    Tmx__Directory *d;
    Tmx__Member *wanted;
    if (!draft_load(t, &d) || !request_load(t, &wanted)) {
        return 1;
    }
    Tmx__Member *m = draft_member(d, tmx_pb(wanted->code));
    if (m == NULL) {
        m = insert_member(t, d, tmx_pb(wanted->code));
    } else if (m->status == TMX__MEMBER_STATUS__MEMBER_REVOKED) {
        revoke_all(m->signing_keys, m->n_signing_keys);
        revoke_all(m->curve_keys, m->n_curve_keys);
        revoke_all(m->witness_keys, m->n_witness_keys);
    }
    size_t before = m->n_signing_keys;
    merge_keys(t, &m->signing_keys, &m->n_signing_keys, wanted->signing_keys, wanted->n_signing_keys);
    merge_keys(t, &m->curve_keys, &m->n_curve_keys, wanted->curve_keys, wanted->n_curve_keys);
    merge_keys(t, &m->witness_keys, &m->n_witness_keys, wanted->witness_keys, wanted->n_witness_keys);
    if (m->status == TMX__MEMBER_STATUS__MEMBER_REVOKED && m->n_signing_keys == before) {
        return fail("%s: the member was revoked with these keys: it needs new ones", t->argument);
    }
    if (m->status != TMX__MEMBER_STATUS__MEMBER_SUSPENDED) {
        m->status = TMX__MEMBER_STATUS__MEMBER_ACTIVE;
    }
    m->name = wanted->name.len > 0 ? wanted->name : m->name;
    m->last_resort_key = wanted->last_resort_key;
    if (t->types != NULL) {
        m->n_message_types = split_words(t, t->types, &m->message_types);
    }
    if (t->roles != NULL) {
        m->n_roles = split_words(t, t->roles, &m->roles);
    }
    return parse_date("--from", t->from, &m->from_ms) && parse_date("--until", t->until, &m->until_ms) &&
                   draft_save(t, d)
               ? 0
               : 1;
}

/* The member named on the command line; NULL after fail(). */
static Tmx__Member *named_member(struct tool *t, Tmx__Directory **ret_draft)
{
    if (!draft_load(t, ret_draft)) {
        return NULL;
    }
    Tmx__Member *m = draft_member(*ret_draft, tmx_bytes_str(t->argument));
    if (m == NULL) {
        const char *names[TMX_MEMBERS_MAX];
        size_t n = (*ret_draft)->n_members < TMX_MEMBERS_MAX ? (*ret_draft)->n_members : TMX_MEMBERS_MAX;
        for (size_t i = 0; i < n; i++) {
            struct tmx_bytes code = tmx_pb((*ret_draft)->members[i]->code);
            char *copy = take(t, code.size + 1);
            memcpy(copy, code.data, code.size);
            names[i] = copy;
        }
        const char *near = tmx_nearest(t->argument, names, n);
        fail("%s: no such member%s%s", t->argument, near != NULL ? ": did you mean " : ": see 'tmx-authority show'",
             near != NULL ? near : "");
    }
    return m;
}

static int change_status(struct tool *t, Tmx__MemberStatus from, Tmx__MemberStatus to, const char *why_not)
{
    Tmx__Directory *d;
    Tmx__Member *m = named_member(t, &d);
    if (m == NULL) {
        return 1;
    }
    if (m->status != from) {
        return fail("%s: %s", t->argument, why_not);
    }
    m->status = to;
    return draft_save(t, d) ? 0 : 1;
}

int run_suspend(struct tool *t)
{
    return change_status(t, TMX__MEMBER_STATUS__MEMBER_ACTIVE, TMX__MEMBER_STATUS__MEMBER_SUSPENDED,
                         "only an active member can be suspended");
}

int run_reinstate(struct tool *t)
{
    return change_status(t, TMX__MEMBER_STATUS__MEMBER_SUSPENDED, TMX__MEMBER_STATUS__MEMBER_ACTIVE,
                         "only a suspended member can be reinstated; a revoked one is admitted again with new keys");
}

/* "SHARD:INDEX" */
static Tmx__LogIndex *parse_since(struct tool *t)
{
    const char *colon = strrchr(t->since, ':');
    Tmx__LogIndex *since = take(t, sizeof(*since));
    *since = (Tmx__LogIndex)TMX__LOG_INDEX__INIT;
    if (colon == NULL || !tmx_parse_u64(tmx_bytes_str(colon + 1), UINT64_MAX, &since->index) ||
        !tmx_name_valid(TMX_BYTES(t->since, (size_t)(colon - t->since)), TMX_SHARD_MAX)) {
        fail("--compromised-since %s: write SHARD:INDEX, a place in the log", t->since);
        return NULL;
    }
    since->shard = tmx_to_pb(TMX_BYTES(t->since, (size_t)(colon - t->since)));
    return since;
}

/* Revokes the keys whose id is --key, or all of them; gives how many. */
static size_t revoke_keys(struct tool *t, const Tmx__Directory *d, Tmx__MemberKey **keys, size_t n,
                          Tmx__LogIndex *since, enum key_use use, struct tmx_bytes code)
{
    size_t revoked = 0;
    for (size_t i = 0; i < n; i++) {
        char id[9];
        key_short_id(federation_of(t, d), use, code, tmx_pb(keys[i]->key), id);
        if (t->key_id == NULL || strcmp(id, t->key_id) == 0) {
            keys[i]->revoked = true;
            keys[i]->compromised_since = since;
            revoked++;
        }
    }
    return revoked;
}

int run_revoke(struct tool *t)
{
    Tmx__Directory *d;
    Tmx__LogIndex *since = NULL;
    Tmx__Member *m = named_member(t, &d);
    if (m == NULL || (t->since != NULL && (since = parse_since(t)) == NULL)) {
        return 1;
    }
    if (t->key_id == NULL) {
        m->status = TMX__MEMBER_STATUS__MEMBER_REVOKED;
    }
    if (t->key_id != NULL || since != NULL) {
        struct tmx_bytes code = tmx_pb(m->code);
        size_t n = revoke_keys(t, d, m->signing_keys, m->n_signing_keys, since, KEY_SIGNING, code) +
                   revoke_keys(t, d, m->witness_keys, m->n_witness_keys, since, KEY_WITNESS, code) +
                   revoke_keys(t, d, m->curve_keys, m->n_curve_keys, since, KEY_X25519, code);
        if (n == 0) {
            return fail("--key %s: %s has no key of this id: see 'tmx-authority show'", t->key_id, t->argument);
        }
    }
    return draft_save(t, d) ? 0 : 1;
}
