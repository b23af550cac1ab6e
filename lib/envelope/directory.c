/* SPDX-License-Identifier: Apache-2.0
 * The directory in force: signatures counted, then kept with its keys prepared, because every message asks for one.
 */
#include <tmx/directory.h>

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include <tmx/code.h>
#include <tmx/identifier.h>
#include <tmx/seal.h>
#include <tmx/text.h>

#include "rules.h"

/* Structs and copies of the bytes: a member's many small fields take several times their wire size. */
#define ARENA_SIZE (12u * TMX_DIRECTORY_MAX)

struct member_keys {
    size_t n;
    const struct tmx_verify_key *active;   /* into `signing` */
};

struct tmx_directory {
    struct tmx_arena arena;
    struct tmx_bytes file;        /* in the arena */
    struct tmx_bytes bytes;       /* the signed Directory */
    const Tmx__Directory *pb;
    char federation[TMX_FEDERATION_MAX + 1];
    struct tmx_authority authority;
    struct member_keys *members;  /* n_members, as in pb */
    struct tmx_verify_key *signing;
    struct tmx_verify_key *logs;  /* n_logs */
    struct tmx_policy *policy;    /* of witnesses; NULL: none */
};

const char *tmx_directory_error_text(int error)
{
    switch ((enum tmx_directory_error)error) {
    case TMX_DIRECTORY_OK:
        return "valid";
    case TMX_DIRECTORY_E_MALFORMED:
        return "not a directory, or a rule of its format is broken";
    case TMX_DIRECTORY_E_SIGNATURES:
        return "too few valid signatures of the authority";
    case TMX_DIRECTORY_E_SERIAL:
        return "its serial is lower than that in force, or the same with other content";
    case TMX_DIRECTORY_E_FEDERATION:
        return "the directory of another federation";
    case TMX_DIRECTORY_E_KEYS:
        return "a key in it is invalid, listed twice, or its id is taken";
    }
    return "unknown";
}

void tmx_directory_text(struct tmx_bytes federation, uint64_t serial, struct tmx_bytes directory, struct tmx_writer *w)
{
    uint8_t hash[32];
    char text[TMX_BASE64_SIZE(32)];
    crypto_hash_sha256(hash, directory.data, directory.size);
    tmx_base64(TMX_BYTES_OF(hash), text);
    tmx_write_fmt(w, "tmx.%.*s/directory\n%llu\n%s\n", (int)federation.size, (const char *)federation.data,
                  (unsigned long long)serial, text);
}

void tmx_node_key_name(const char *federation, struct tmx_bytes member, struct tmx_writer *w)
{
    tmx_write_fmt(w, "tmx.%s/node/%.*s", federation, (int)member.size, (const char *)member.data);
}

void tmx_witness_key_name(const char *federation, struct tmx_bytes member, struct tmx_writer *w)
{
    tmx_write_fmt(w, "tmx.%s/witness/%.*s", federation, (int)member.size, (const char *)member.data);
}

void tmx_log_origin(const char *federation, struct tmx_bytes shard, struct tmx_writer *w)
{
    tmx_write_fmt(w, "tmx.%s/log/%.*s", federation, (int)shard.size, (const char *)shard.data);
}

void tmx_authority_key_name(const char *federation, unsigned n, struct tmx_writer *w)
{
    tmx_write_fmt(w, "tmx.%s/authority/%u", federation, n);
}

/* Do at least k different keys of the authority verify? */
static bool enough_signatures(const Tmx__SignedDirectory *s, struct tmx_bytes text, const struct tmx_authority *a)
{
    unsigned good = 0;
    for (unsigned i = 0; i < a->n; i++) {
        bool verified = false;
        for (size_t j = 0; j < s->n_signatures && !verified; j++) {
            const Tmx__AuthoritySignature *sig = s->signatures[j];
            verified = sig->key_id == a->keys[i].id && rule_size(sig->signature, 64) &&
                       crypto_sign_ed25519_verify_detached(sig->signature.data, text.data, text.size,
                                                           a->keys[i].key) == 0;
        }
        good += verified ? 1 : 0;
    }
    return a->threshold >= 1 && good >= a->threshold;
}

static bool same_authority(const struct tmx_authority *a, const struct tmx_authority *b)
{
    if (a->threshold != b->threshold || a->n != b->n) {
        return false;
    }
    for (unsigned i = 0; i < a->n; i++) {
        bool found = false;
        for (unsigned j = 0; j < b->n && !found; j++) {
            found = a->keys[i].id == b->keys[j].id && memcmp(a->keys[i].key, b->keys[j].key, 32) == 0;
        }
        if (!found) {
            return false;
        }
    }
    return true;
}

static bool fill_authority(const Tmx__Directory *pb, struct tmx_authority *ret_authority)
{
    struct tmx_authority a = { .threshold = pb->threshold, .n = (unsigned)pb->n_authority_keys };
    if (pb->n_authority_keys > TMX_AUTHORITY_KEYS_MAX) {
        return false;
    }
    for (unsigned i = 0; i < a.n; i++) {
        const Tmx__AuthorityKey *k = pb->authority_keys[i];
        if (!rule_size(k->key, 32) ||
            !tmx_verify_key_init(tmx_pb(k->name), TMX_NOTE_ED25519, k->key.data, &a.keys[i])) {
            return false;
        }
    }
    *ret_authority = a;
    return true;
}

/* The authority's keys carry their federation in their names. */
static bool of_federation(const struct tmx_authority *a, const char *federation)
{
    char prefix[TMX_KEYNAME_MAX];
    struct tmx_writer w = TMX_WRITER_OF(prefix);
    tmx_write_fmt(&w, "tmx.%s/authority/", federation);
    struct tmx_bytes want = tmx_written(&w);
    for (unsigned i = 0; i < a->n; i++) {
        if (strncmp(a->keys[i].name, (const char *)want.data, want.size) != 0) {
            return false;
        }
    }
    return true;
}

/* Everything a file must pass, in an order that spends work on the unsigned last. */
static int verify(struct tmx_directory *d, const Tmx__SignedDirectory *s, const struct tmx_authority *authority,
                  const struct tmx_directory *in_force)
{
    char text[TMX_KEYNAME_MAX + 128];
    struct tmx_bytes name = tmx_pb(d->pb->federation);
    if (d->pb->kind != TMX__KIND__KIND_DIRECTORY || !tmx_name_valid(name, TMX_FEDERATION_MAX)) {
        return TMX_DIRECTORY_E_MALFORMED;
    }
    memcpy(d->federation, name.data, name.size);
    if (!of_federation(authority, d->federation) ||
        (in_force != NULL && strcmp(in_force->federation, d->federation) != 0)) {
        return TMX_DIRECTORY_E_FEDERATION;
    }
    struct tmx_writer w = TMX_WRITER_OF(text);
    tmx_directory_text(name, d->pb->serial, d->bytes, &w);
    if (!enough_signatures(s, tmx_written(&w), authority)) {
        return TMX_DIRECTORY_E_SIGNATURES;
    }
    if (in_force != NULL && (d->pb->serial < in_force->pb->serial ||
                             (d->pb->serial == in_force->pb->serial && !tmx_bytes_eq(d->bytes, in_force->bytes)))) {
        return TMX_DIRECTORY_E_SERIAL;
    }
    int r = tmx_directory_check(d->pb, NULL);
    if (r != TMX_DIRECTORY_OK) {
        return r;
    }
    if (!fill_authority(d->pb, &d->authority)) {
        return TMX_DIRECTORY_E_KEYS;
    }
    return same_authority(&d->authority, authority) || enough_signatures(s, tmx_written(&w), &d->authority)
               ? TMX_DIRECTORY_OK
               : TMX_DIRECTORY_E_SIGNATURES;
}

static int policy_prepare(struct tmx_directory *d)
{
    const char *reason;
    if (d->pb->witness_policy.len == 0) {
        return 0;
    }
    d->policy = malloc(sizeof(*d->policy));
    if (d->policy == NULL) {
        return -ENOMEM;
    }
    unsigned line = tmx_policy_parse(tmx_pb(d->pb->witness_policy), d->policy, &reason);
    assert(line == 0);   /* tmx_directory_check has read it */
    return 0;
}

/* The keys that count, so that a message costs two short searches and no hash. */
static int prepare(struct tmx_directory *d)
{
    const Tmx__Directory *pb = d->pb;
    char name[TMX_KEYNAME_MAX];
    size_t n = 0;
    for (size_t i = 0; i < pb->n_members; i++) {
        n += pb->members[i]->n_signing_keys;
    }
    d->members = calloc(pb->n_members + 1, sizeof(*d->members));
    d->signing = calloc(n + 1, sizeof(*d->signing));
    d->logs = calloc(pb->n_logs + 1, sizeof(*d->logs));
    if (d->members == NULL || d->signing == NULL || d->logs == NULL) {
        return -ENOMEM;
    }
    struct tmx_verify_key *next = d->signing;
    for (size_t i = 0; i < pb->n_members; i++) {
        const Tmx__Member *m = pb->members[i];
        struct tmx_writer w = TMX_WRITER_OF(name);
        tmx_node_key_name(d->federation, tmx_pb(m->code), &w);
        d->members[i].active = next;
        for (size_t j = 0; j < m->n_signing_keys && m->status != TMX__MEMBER_STATUS__MEMBER_REVOKED; j++) {
            if (!m->signing_keys[j]->revoked) {
                bool ok = tmx_verify_key_init(tmx_written(&w), TMX_NOTE_ED25519, m->signing_keys[j]->key.data, next++);
                assert(ok);
            }
        }
        d->members[i].n = (size_t)(next - d->members[i].active);
    }
    for (size_t i = 0; i < pb->n_logs; i++) {
        struct tmx_writer w = TMX_WRITER_OF(name);
        tmx_log_origin(d->federation, tmx_pb(pb->logs[i]->shard), &w);
        bool ok = tmx_verify_key_init(tmx_written(&w), TMX_NOTE_ED25519, pb->logs[i]->key.data, &d->logs[i]);
        assert(ok);
    }
    return policy_prepare(d);
}

static int load(struct tmx_directory *d, struct tmx_bytes file, const struct tmx_authority *authority,
                const struct tmx_directory *in_force)
{
    Tmx__SignedDirectory *s = NULL;
    Tmx__Directory *pb = NULL;
    if (file.size > TMX_DIRECTORY_MAX) {
        return TMX_DIRECTORY_E_MALFORMED;
    }
    int r = tmx_arena_init(&d->arena, ARENA_SIZE);
    if (r < 0) {
        return r;
    }
    bool copied = tmx_arena_copy(&d->arena, file, &d->file);
    assert(copied);
    if (rule_unpack(&tmx__signed_directory__descriptor, d->file, TMX_DIRECTORY_MAX, &d->arena, &s) != TMX_CODE_OK) {
        return TMX_DIRECTORY_E_MALFORMED;
    }
    d->bytes = tmx_pb(s->directory);
    if (rule_unpack(&tmx__directory__descriptor, d->bytes, TMX_DIRECTORY_MAX, &d->arena, &pb) != TMX_CODE_OK) {
        return TMX_DIRECTORY_E_MALFORMED;
    }
    d->pb = pb;
    r = verify(d, s, authority, in_force);
    return r == TMX_DIRECTORY_OK ? prepare(d) : r;
}

int tmx_directory_load(struct tmx_bytes file, const struct tmx_authority *pinned, const struct tmx_directory *in_force,
                       struct tmx_directory **ret_directory)
{
    struct tmx_directory *d = calloc(1, sizeof(*d));
    if (d == NULL) {
        return -ENOMEM;
    }
    int r = load(d, file, in_force != NULL ? &in_force->authority : pinned, in_force);
    if (r != TMX_DIRECTORY_OK) {
        tmx_directory_free(d);
        return r;
    }
    *ret_directory = d;
    return TMX_DIRECTORY_OK;
}

struct tmx_directory *tmx_directory_free(struct tmx_directory *d)
{
    if (d != NULL) {
        tmx_arena_deinit(&d->arena);
        free(d->members);
        free(d->signing);
        free(d->logs);
        free(d->policy);
        free(d);
    }
    return NULL;
}

const Tmx__Directory *tmx_directory_pb(const struct tmx_directory *d)
{
    return d->pb;
}

struct tmx_bytes tmx_directory_file(const struct tmx_directory *d)
{
    return d->file;
}

uint64_t tmx_directory_serial(const struct tmx_directory *d)
{
    return d->pb->serial;
}

const char *tmx_directory_federation(const struct tmx_directory *d)
{
    return d->federation;
}

bool tmx_directory_expired(const struct tmx_directory *d, uint64_t wall_ms)
{
    return wall_ms >= d->pb->expires_ms;
}

void tmx_directory_digest(const struct tmx_directory *d, uint8_t ret_digest[32])
{
    tmx_digest(d->file, ret_digest);
}

const struct tmx_authority *tmx_directory_authority(const struct tmx_directory *d)
{
    return &d->authority;
}

int tmx_directory_member_index(const struct tmx_directory *d, struct tmx_bytes code)
{
    size_t low = 0;
    size_t high = d->pb->n_members;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = tmx_bytes_cmp(tmx_pb(d->pb->members[middle]->code), code);
        if (c == 0) {
            return (int)middle;
        }
        if (c < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return -1;
}

const Tmx__Member *tmx_directory_member(const struct tmx_directory *d, struct tmx_bytes code)
{
    int i = tmx_directory_member_index(d, code);
    return i < 0 ? NULL : d->pb->members[i];
}

const struct tmx_verify_key *tmx_directory_signing_key(const struct tmx_directory *d, struct tmx_bytes member,
                                                       uint32_t key_id)
{
    int i = tmx_directory_member_index(d, member);
    for (size_t j = 0; i >= 0 && j < d->members[i].n; j++) {
        if (d->members[i].active[j].id == key_id) {
            return &d->members[i].active[j];
        }
    }
    return NULL;
}

const struct tmx_verify_key *tmx_directory_log_key(const struct tmx_directory *d, struct tmx_bytes shard)
{
    for (size_t i = 0; i < d->pb->n_logs; i++) {
        if (tmx_bytes_eq(tmx_pb(d->pb->logs[i]->shard), shard)) {
            return &d->logs[i];
        }
    }
    return NULL;
}

const struct tmx_verify_key *tmx_directory_origin_key(const struct tmx_directory *d, const char *origin)
{
    for (size_t i = 0; i < d->pb->n_logs; i++) {
        if (strcmp(d->logs[i].name, origin) == 0) {
            return &d->logs[i];
        }
    }
    return NULL;
}

const struct tmx_policy *tmx_directory_policy(const struct tmx_directory *d)
{
    return d->policy;
}

bool tmx_member_may_submit(const Tmx__Member *m)
{
    return m != NULL && m->status == TMX__MEMBER_STATUS__MEMBER_ACTIVE;
}

bool tmx_member_may_collect(const Tmx__Member *m)
{
    return m != NULL && m->status != TMX__MEMBER_STATUS__MEMBER_REVOKED;
}

bool tmx_directory_type_allowed(const Tmx__Member *m, struct tmx_bytes type)
{
    if (tmx_bytes_eq(type, TMX_LIT(TMX_TYPE_PROBE))) {
        return true;
    }
    for (size_t i = 0; i < m->n_message_types; i++) {
        if (tmx_bytes_eq(tmx_pb(m->message_types[i]), type)) {
            return true;
        }
    }
    return m->n_message_types == 0;
}
