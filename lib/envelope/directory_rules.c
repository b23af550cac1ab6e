/* SPDX-License-Identifier: Apache-2.0
 * DIR-1: what a directory must be before anybody's signature counts on it. Nothing is prepared here for lookup.
 */
#include <tmx/directory.h>

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include <tmx/identifier.h>
#include <tmx/text.h>

#include "rules.h"

/* Every key of the directory, to find repetitions; ids only where signatures name them. */
#define KEYS_MAX (TMX_MEMBERS_MAX * (3 * TMX_KEYS_PER_MEMBER_MAX + 2) + TMX_LOGS_MAX + TMX_AUTHORITY_KEYS_MAX)

struct keys {
    size_t n;
    size_t n_ids;
    const uint8_t **key;   /* room for KEYS_MAX */
    uint32_t *id;
};

static int compare_keys(const void *a, const void *b)
{
    const uint8_t *const *x = a;
    const uint8_t *const *y = b;
    return memcmp(*x, *y, 32);
}

static int compare_ids(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static bool repeated(struct keys *k)
{
    qsort(k->key, k->n, sizeof(k->key[0]), compare_keys);
    for (size_t i = 1; i < k->n; i++) {
        if (memcmp(k->key[i - 1], k->key[i], 32) == 0) {
            return true;
        }
    }
    qsort(k->id, k->n_ids, sizeof(k->id[0]), compare_ids);
    for (size_t i = 1; i < k->n_ids; i++) {
        if (k->id[i - 1] == k->id[i]) {
            return true;
        }
    }
    return false;
}

static bool add_key(struct keys *k, ProtobufCBinaryData key)
{
    if (!rule_size(key, 32) || k->n == KEYS_MAX) {
        return false;
    }
    k->key[k->n++] = key.data;
    return true;
}

/* A key that signs under a name: a good point, and its id among the ids. */
static bool add_signer(struct keys *k, struct tmx_bytes name, uint8_t type, ProtobufCBinaryData key)
{
    struct tmx_verify_key v;
    if (!rule_size(key, 32) || !tmx_verify_key_init(name, type, key.data, &v) || !add_key(k, key)) {
        return false;
    }
    k->id[k->n_ids++] = v.id;
    return true;
}

static bool add_x25519(struct keys *k, ProtobufCBinaryData key)
{
    return rule_x25519(key) && add_key(k, key);
}

static bool add_member(struct keys *k, const char *federation, const Tmx__Member *m)
{
    char name[TMX_KEYNAME_MAX];
    struct tmx_writer w = TMX_WRITER_OF(name);
    tmx_node_key_name(federation, tmx_pb(m->code), &w);
    for (size_t i = 0; i < m->n_signing_keys; i++) {
        if (!add_signer(k, tmx_written(&w), TMX_NOTE_ED25519, m->signing_keys[i]->key)) {
            return false;
        }
    }
    for (size_t i = 0; i < m->n_witness_keys; i++) {
        ProtobufCBinaryData key = m->witness_keys[i]->key;
        if (!rule_size(key, 32) || crypto_core_ed25519_is_valid_point(key.data) != 1 || !add_key(k, key)) {
            return false;
        }
    }
    for (size_t i = 0; i < m->n_curve_keys; i++) {
        if (!add_x25519(k, m->curve_keys[i]->key)) {
            return false;
        }
    }
    return add_x25519(k, m->last_resort_key);
}

static bool keys_valid(const Tmx__Directory *d, const char *federation, struct keys *k)
{
    char name[TMX_KEYNAME_MAX];
    for (size_t i = 0; i < d->n_members; i++) {
        if (!add_member(k, federation, d->members[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < d->n_logs; i++) {
        struct tmx_writer w = TMX_WRITER_OF(name);
        tmx_log_origin(federation, tmx_pb(d->logs[i]->shard), &w);
        if (!add_signer(k, tmx_written(&w), TMX_NOTE_ED25519, d->logs[i]->key)) {
            return false;
        }
    }
    for (size_t i = 0; i < d->n_gates; i++) {
        if (!add_x25519(k, d->gates[i]->curve_key)) {
            return false;
        }
    }
    for (size_t i = 0; i < d->n_authority_keys; i++) {
        if (!add_signer(k, tmx_pb(d->authority_keys[i]->name), TMX_NOTE_ED25519, d->authority_keys[i]->key)) {
            return false;
        }
    }
    return !repeated(k);
}

static bool member_keys_valid(Tmx__MemberKey *const *keys, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const Tmx__LogIndex *since = keys[i]->compromised_since;
        if (since != NULL && (!keys[i]->revoked || !tmx_name_valid(tmx_pb(since->shard), TMX_SHARD_MAX))) {
            return false;
        }
    }
    return n <= TMX_KEYS_PER_MEMBER_MAX;
}

static bool member_valid(const Tmx__Member *m)
{
    if (!tmx_member_valid(tmx_pb(m->code)) || m->name.len > TMX_NAME_MAX ||
        m->status < TMX__MEMBER_STATUS__MEMBER_ACTIVE || m->status > TMX__MEMBER_STATUS__MEMBER_REVOKED ||
        (m->until_ms != 0 && m->from_ms >= m->until_ms) || m->n_signing_keys < 1 ||
        !member_keys_valid(m->signing_keys, m->n_signing_keys) ||
        !member_keys_valid(m->curve_keys, m->n_curve_keys) || !member_keys_valid(m->witness_keys, m->n_witness_keys)) {
        return false;
    }
    for (size_t i = 0; i < m->n_message_types; i++) {
        if (!rule_type(tmx_pb(m->message_types[i]))) {
            return false;
        }
    }
    for (size_t i = 0; i < m->n_roles; i++) {
        if (!rule_type(tmx_pb(m->roles[i]))) {
            return false;
        }
    }
    return true;
}

static bool members_valid(const Tmx__Directory *d)
{
    for (size_t i = 0; i < d->n_members; i++) {
        if (!member_valid(d->members[i]) ||
            (i > 0 && tmx_bytes_cmp(tmx_pb(d->members[i - 1]->code), tmx_pb(d->members[i]->code)) >= 0)) {
            return false;
        }
    }
    return d->n_members <= TMX_MEMBERS_MAX;
}

static bool logs_valid(const Tmx__Directory *d)
{
    for (size_t i = 0; i < d->n_logs; i++) {
        const Tmx__LogOrigin *l = d->logs[i];
        if (!tmx_name_valid(tmx_pb(l->shard), TMX_SHARD_MAX) || (l->until_ms != 0 && l->from_ms >= l->until_ms)) {
            return false;
        }
        for (size_t j = 0; j < i; j++) {
            if (tmx_bytes_eq(tmx_pb(l->shard), tmx_pb(d->logs[j]->shard))) {
                return false;
            }
        }
    }
    return d->n_logs <= TMX_LOGS_MAX;
}

static bool endpoint_valid(struct tmx_bytes e)
{
    struct tmx_bytes scheme = TMX_LIT("tcp://");
    if (e.size <= scheme.size || e.size > TMX_ENDPOINT_MAX ||
        !tmx_bytes_eq(tmx_bytes_slice(e, 0, scheme.size), scheme)) {
        return false;
    }
    for (size_t i = 0; i < e.size; i++) {
        if (e.data[i] <= 0x20 || e.data[i] >= 0x7f) {
            return false;
        }
    }
    return memchr(e.data + scheme.size, ':', e.size - scheme.size) != NULL;
}

static bool gates_valid(const Tmx__Directory *d)
{
    for (size_t i = 0; i < d->n_gates; i++) {
        const Tmx__Gate *g = d->gates[i];
        bool listed = false;
        for (size_t j = 0; j < d->n_members; j++) {
            listed = listed || tmx_bytes_eq(tmx_pb(g->member), tmx_pb(d->members[j]->code));
        }
        if (!listed || !endpoint_valid(tmx_pb(g->endpoint))) {
            return false;
        }
        for (size_t j = 0; j < i; j++) {
            if (tmx_bytes_eq(tmx_pb(g->member), tmx_pb(d->gates[j]->member))) {
                return false;
            }
        }
    }
    return d->n_gates <= TMX_MEMBERS_MAX;
}

/* "tmx.<federation>/authority/<n>" */
static bool authority_name_valid(struct tmx_bytes name, const char *federation)
{
    char prefix[TMX_KEYNAME_MAX];
    uint64_t n;
    struct tmx_writer w = TMX_WRITER_OF(prefix);
    tmx_write_fmt(&w, "tmx.%s/authority/", federation);
    struct tmx_bytes want = tmx_written(&w);
    return name.size > want.size && tmx_bytes_eq(tmx_bytes_slice(name, 0, want.size), want) &&
           tmx_parse_u64(tmx_bytes_slice(name, want.size, name.size - want.size), UINT32_MAX, &n) && n >= 1;
}

static bool authority_valid(const Tmx__Directory *d, const char *federation)
{
    for (size_t i = 0; i < d->n_authority_keys; i++) {
        if (!authority_name_valid(tmx_pb(d->authority_keys[i]->name), federation)) {
            return false;
        }
        for (size_t j = 0; j < i; j++) {
            if (tmx_bytes_eq(tmx_pb(d->authority_keys[i]->name), tmx_pb(d->authority_keys[j]->name))) {
                return false;
            }
        }
    }
    return d->n_authority_keys >= 1 && d->n_authority_keys <= TMX_AUTHORITY_KEYS_MAX && d->threshold >= 1 &&
           d->threshold <= d->n_authority_keys;
}

/* c2sp.org/tlog-policy; empty: nobody has to cosign. */
static bool policy_valid(const Tmx__Directory *d)
{
    struct tmx_policy *policy = d->witness_policy.len == 0 ? NULL : malloc(sizeof(*policy));
    const char *reason;
    bool valid = d->witness_policy.len == 0 ||
                 (policy != NULL && tmx_policy_parse(tmx_pb(d->witness_policy), policy, &reason) == 0);
    free(policy);
    return valid;
}

/* The first part that breaks a rule of form, or NULL. */
static const char *broken_part(const Tmx__Directory *d, const char *federation)
{
    if (d->kind != TMX__KIND__KIND_DIRECTORY || d->serial < 1 || d->issued_ms >= d->expires_ms) {
        return "serial or dates";
    }
    if (!members_valid(d)) {
        return "members";
    }
    if (!logs_valid(d)) {
        return "logs";
    }
    if (!gates_valid(d)) {
        return "gates";
    }
    if (!authority_valid(d, federation)) {
        return "authority keys";
    }
    if (!rule_empty_or(d->catalogue_digest, TMX_HASH_SIZE) ||
        (d->catalogue_digest.len == 0) != (d->catalogue_version.len == 0)) {
        return "catalogue";
    }
    if (!policy_valid(d)) {
        return "witness policy";
    }
    return NULL;
}

int tmx_directory_check(const Tmx__Directory *pb, const char **ret_where)
{
    const char *unused;
    const char **where = ret_where == NULL ? &unused : ret_where;
    char federation[TMX_FEDERATION_MAX + 1] = { 0 };
    if (!tmx_name_valid(tmx_pb(pb->federation), TMX_FEDERATION_MAX)) {
        *where = "federation";
        return TMX_DIRECTORY_E_MALFORMED;
    }
    memcpy(federation, pb->federation.data, pb->federation.len);
    const char *part = broken_part(pb, federation);
    if (part != NULL) {
        *where = part;
        return TMX_DIRECTORY_E_MALFORMED;
    }
    struct keys k = { .key = calloc(KEYS_MAX, sizeof(k.key[0])), .id = calloc(KEYS_MAX, sizeof(k.id[0])) };
    int r = -ENOMEM;
    if (k.key != NULL && k.id != NULL) {
        r = keys_valid(pb, federation, &k) ? TMX_DIRECTORY_OK : TMX_DIRECTORY_E_KEYS;
        *where = "keys";
    }
    free(k.key);
    free(k.id);
    return r;
}
