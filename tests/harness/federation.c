/* SPDX-License-Identifier: Apache-2.0
 * See federation.h.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tmx/envelope.h>

#include "federation.h"

static void seed_of(const char *what, const char *who, uint8_t ret_seed[32])
{
    char text[128];
    int n = snprintf(text, sizeof(text), "tmx test key: %s %s", what, who);
    crypto_generichash(ret_seed, 32, (const uint8_t *)text, (size_t)n, NULL, 0);
}

static void sign_pair(const char *what, const char *who, uint8_t ret_public[32], uint8_t ret_secret[64])
{
    uint8_t seed[32];
    seed_of(what, who, seed);
    crypto_sign_seed_keypair(ret_public, ret_secret, seed);
}

static void box_pair(const char *what, const char *who, uint8_t ret_public[32], uint8_t ret_secret[32])
{
    seed_of(what, who, ret_secret);
    crypto_scalarmult_base(ret_public, ret_secret);
}

static void member_init(struct federation *f, const char *code)
{
    struct federation_member *m = &f->members[f->n_members++];
    snprintf(m->code, sizeof(m->code), "%s", code);
    m->status = TMX__MEMBER_STATUS__MEMBER_ACTIVE;
    sign_pair("signing", code, m->sign_public, m->sign_secret);
    sign_pair("witness", code, m->witness_public, m->witness_secret);
    box_pair("curve", code, m->curve_public, m->curve_secret);
    box_pair("last resort", code, m->last_resort_public, m->last_resort_secret);
    seed_of("archive", code, m->archive);
    seed_of("label", code, m->label);
    uint8_t name[TMX_KEYNAME_MAX];
    struct tmx_writer w = TMX_WRITER_OF(name);
    tmx_node_key_name(f->name, tmx_bytes_str(code), &w);
    bool ok = tmx_verify_key_init(tmx_written(&w), TMX_NOTE_ED25519, m->sign_public, &m->key);
    assert(ok);
}

void federation_init(struct federation *f, const char *const *codes, size_t n, uint64_t now_ms)
{
    assert(sodium_init() >= 0 && n <= FEDERATION_MEMBERS_MAX);
    memset(f, 0, sizeof(*f));
    snprintf(f->name, sizeof(f->name), "test");
    snprintf(f->shard, sizeof(f->shard), "2026a");
    f->serial = 1;
    f->issued_ms = now_ms;
    f->expires_ms = now_ms + 365ull * 86400000;
    sign_pair("authority", "1", f->authority_public, f->authority_secret);
    sign_pair("log", f->shard, f->log_public, f->log_secret);
    f->authority.threshold = f->authority.n = 1;
    bool ok = tmx_verify_key_init(TMX_LIT("tmx.test/authority/1"), TMX_NOTE_ED25519, f->authority_public,
                                  &f->authority.keys[0]);
    assert(ok);
    for (size_t i = 0; i < n; i++) {
        member_init(f, codes[i]);
    }
    federation_sign(f);
}

void federation_deinit(struct federation *f)
{
    free(f->file);
    f->file = NULL;
}

struct federation_member *federation_find(struct federation *f, const char *code)
{
    for (size_t i = 0; i < f->n_members; i++) {
        if (strcmp(f->members[i].code, code) == 0) {
            return &f->members[i];
        }
    }
    return NULL;
}

void federation_new_shard(struct federation *f, const char *shard)
{
    memcpy(f->previous_shard, f->shard, sizeof(f->shard));
    memcpy(f->previous_log_public, f->log_public, sizeof(f->log_public));
    snprintf(f->shard, sizeof(f->shard), "%s", shard);
    sign_pair("log", shard, f->log_public, f->log_secret);
    f->serial++;
    federation_sign(f);
}

static ProtobufCBinaryData pb32(const uint8_t key[32])
{
    return (ProtobufCBinaryData){ .len = 32, .data = (uint8_t *)(uintptr_t)key };
}

static ProtobufCBinaryData pbs(const char *text)
{
    return tmx_to_pb(tmx_bytes_str(text));
}

struct member_pb {
    Tmx__Member member;
    Tmx__MemberKey sign, curve, witness;
    Tmx__MemberKey *p_sign[1], *p_curve[1], *p_witness[1];
    ProtobufCBinaryData types[1];
};

static void member_fill(struct member_pb *pb, const struct federation_member *m, uint64_t issued_ms)
{
    tmx__member__init(&pb->member);
    tmx__member_key__init(&pb->sign);
    tmx__member_key__init(&pb->curve);
    tmx__member_key__init(&pb->witness);
    pb->sign.key = pb32(m->sign_public);
    pb->curve.key = pb32(m->curve_public);
    pb->witness.key = pb32(m->witness_public);
    pb->p_sign[0] = &pb->sign;
    pb->p_curve[0] = &pb->curve;
    pb->p_witness[0] = &pb->witness;
    pb->member.code = pbs(m->code);
    pb->member.name = pbs(m->code);
    pb->member.status = m->status;
    pb->member.from_ms = issued_ms;
    pb->member.n_signing_keys = pb->member.n_curve_keys = pb->member.n_witness_keys = 1;
    pb->member.signing_keys = pb->p_sign;
    pb->member.curve_keys = pb->p_curve;
    pb->member.witness_keys = pb->p_witness;
    pb->member.last_resort_key = pb32(m->last_resort_public);
}

static void vkey(struct tmx_writer *w, const char *kind, const char *name, uint8_t type, const uint8_t key[32])
{
    char full[TMX_KEYNAME_MAX + 1];
    struct tmx_verify_key v;
    snprintf(full, sizeof(full), "tmx.test/%s/%s", kind, name);
    bool ok = tmx_verify_key_init(tmx_bytes_str(full), type, key, &v);
    assert(ok);
    tmx_verify_key_format(&v, w);
}

/* More than half of the members that are not revoked. */
static void policy_write(const struct federation *f, struct tmx_writer *w)
{
    unsigned n = 0;
    tmx_write_fmt(w, "log ");
    vkey(w, "log", f->shard, TMX_NOTE_ED25519, f->log_public);
    for (size_t i = 0; i < f->n_members; i++) {
        if (f->members[i].status != TMX__MEMBER_STATUS__MEMBER_REVOKED) {
            tmx_write_fmt(w, "\nwitness %s ", f->members[i].code);
            vkey(w, "witness", f->members[i].code, TMX_NOTE_COSIGNATURE, f->members[i].witness_public);
            n++;
        }
    }
    tmx_write_fmt(w, "\ngroup majority %u", n / 2 + 1);
    for (size_t i = 0; i < f->n_members; i++) {
        if (f->members[i].status != TMX__MEMBER_STATUS__MEMBER_REVOKED) {
            tmx_write_fmt(w, " %s", f->members[i].code);
        }
    }
    tmx_write_fmt(w, "\nquorum majority\n");
}

void federation_sign(struct federation *f)
{
    char policy[4096];
    struct tmx_writer pw = TMX_WRITER_OF(policy);
    struct member_pb pbs_members[FEDERATION_MEMBERS_MAX];
    Tmx__Member *members[FEDERATION_MEMBERS_MAX];
    for (size_t i = 0; i < f->n_members; i++) {
        member_fill(&pbs_members[i], &f->members[i], f->issued_ms);
        members[i] = &pbs_members[i].member;
    }
    Tmx__LogOrigin log[2] = { TMX__LOG_ORIGIN__INIT, TMX__LOG_ORIGIN__INIT };
    Tmx__LogOrigin *logs[2] = { &log[0], &log[1] };
    log[0].shard = pbs(f->shard);
    log[0].key = pb32(f->log_public);
    log[0].from_ms = log[1].from_ms = f->issued_ms;
    log[1].shard = pbs(f->previous_shard);
    log[1].key = pb32(f->previous_log_public);
    Tmx__AuthorityKey authority = TMX__AUTHORITY_KEY__INIT;
    Tmx__AuthorityKey *authorities[1] = { &authority };
    authority.name = pbs("tmx.test/authority/1");
    authority.key = pb32(f->authority_public);

    Tmx__Directory d = TMX__DIRECTORY__INIT;
    d.kind = TMX__KIND__KIND_DIRECTORY;
    d.federation = pbs(f->name);
    d.serial = f->serial;
    d.issued_ms = f->issued_ms;
    d.expires_ms = f->expires_ms;
    d.n_members = f->n_members;
    d.members = members;
    d.n_logs = f->previous_shard[0] != '\0' ? 2 : 1;
    d.logs = logs;
    d.witness_policy = pbs(f->policy);
    if (f->witnesses) {
        policy_write(f, &pw);
        d.witness_policy = tmx_to_pb(tmx_written(&pw));
    }
    d.threshold = 1;
    d.n_authority_keys = 1;
    d.authority_keys = authorities;

    struct tmx_arena arena;
    struct tmx_bytes body, file;
    int r = tmx_arena_init(&arena, 1u << 20);
    assert(r == 0);
    r = tmx_codec_pack(&d, &arena, &body);
    assert(r == 0);
    uint8_t text[512];
    struct tmx_writer w = TMX_WRITER_OF(text);
    tmx_directory_text(tmx_bytes_str(f->name), f->serial, body, &w);
    uint8_t sig[64];
    crypto_sign_detached(sig, NULL, text, tmx_written(&w).size, f->authority_secret);
    Tmx__AuthoritySignature signature = TMX__AUTHORITY_SIGNATURE__INIT;
    Tmx__AuthoritySignature *signatures[1] = { &signature };
    signature.key_id = f->authority.keys[0].id;
    signature.signature = (ProtobufCBinaryData){ .len = 64, .data = sig };
    Tmx__SignedDirectory s = TMX__SIGNED_DIRECTORY__INIT;
    s.directory = tmx_to_pb(body);
    s.n_signatures = 1;
    s.signatures = signatures;
    r = tmx_codec_pack(&s, &arena, &file);
    assert(r == 0);
    free(f->file);
    f->file = malloc(file.size);
    assert(f->file != NULL);
    memcpy(f->file, file.data, file.size);
    f->file_size = file.size;
    tmx_arena_deinit(&arena);
}
