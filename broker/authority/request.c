/* SPDX-License-Identifier: Apache-2.0
 * What members and the broker make for the authority: their keys, and the public halves to hand over.
 */
#include "authority.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include <tmx/identifier.h>
#include <tmx/keyfile.h>
#include <tmx/text.h>

static bool ensure(struct tool *t, const char *file, const char *purpose, uint8_t ret_public[32])
{
    char error[512];
    if (tmx_keyfile_ensure(path_in(t, t->keys_dir, file), purpose, ret_public, error, sizeof(error)) < 0) {
        fail("%s", error);
        return false;
    }
    return true;
}

/* One key of a purpose, as a list of one. */
static bool ensure_member_key(struct tool *t, const char *file, const char *purpose, Tmx__MemberKey ***ret_keys,
                              size_t *ret_n)
{
    Tmx__MemberKey *k = take(t, sizeof(*k));
    uint8_t *public = take(t, 32);
    *k = (Tmx__MemberKey)TMX__MEMBER_KEY__INIT;
    k->key = tmx_to_pb(TMX_BYTES(public, 32));
    *ret_keys = append(t, NULL, 0, k);
    *ret_n = 1;
    return ensure(t, file, purpose, public);
}

/* Ed25519 by the signing key over "tmx admission\n" and the packed member. */
static bool prove(struct tool *t, const Tmx__Member *m, uint8_t ret_proof[64])
{
    uint8_t public[32], secret[64];
    char error[512];
    struct tmx_bytes intro = TMX_LIT("tmx admission\n");
    struct tmx_bytes member = pack(t, m);
    struct tmx_writer w = tmx_writer_init(take(t, intro.size + member.size), intro.size + member.size);
    tmx_write_bytes(&w, intro);
    tmx_write_bytes(&w, member);
    if (tmx_keyfile_load(path_in(t, t->keys_dir, "signing.key"), "signing", public, secret, sizeof(secret), error,
                         sizeof(error)) < 0) {
        fail("%s", error);
        return false;
    }
    crypto_sign_ed25519_detached(ret_proof, NULL, w.start, w.used, secret);
    sodium_memzero(secret, sizeof(secret));
    return true;
}

int run_request(struct tool *t)
{
    Tmx__Member m = TMX__MEMBER__INIT;
    Tmx__AdmissionRequest r = TMX__ADMISSION_REQUEST__INIT;
    uint8_t last_resort[32], proof[64], unused[32], digest[32];
    char text[65];
    if (!tmx_member_valid(tmx_bytes_str(t->member))) {
        return fail("--member %s: a member code is 2 to 8 characters A-Z, 0-9", t->member);
    }
    if (!make_folder(t->keys_dir) ||
        !ensure_member_key(t, "signing.key", "signing", &m.signing_keys, &m.n_signing_keys) ||
        !ensure_member_key(t, "curve.key", "curve", &m.curve_keys, &m.n_curve_keys) ||
        !ensure_member_key(t, "witness.key", "witness", &m.witness_keys, &m.n_witness_keys) ||
        !ensure(t, "last-resort.key", "last-resort", last_resort) || !ensure(t, "archive.key", "archive", unused) ||
        !ensure(t, "label.key", "label", unused)) {
        return 1;
    }
    m.code = tmx_to_pb(tmx_bytes_str(t->member));
    m.name = tmx_to_pb(tmx_bytes_str(t->name));
    m.last_resort_key = tmx_to_pb(TMX_BYTES_OF(last_resort));
    r.member = &m;
    if (!prove(t, &m, proof)) {
        return 1;
    }
    r.proof = tmx_to_pb(TMX_BYTES_OF(proof));
    struct tmx_bytes content = pack(t, &r);
    if (!write_file(t, t->out, content)) {
        return 1;
    }
    crypto_generichash(digest, sizeof(digest), content.data, content.size, NULL, 0);
    tmx_hex(TMX_BYTES_OF(digest), text);
    printf("%s: send it to the authority, and read this to them by voice: %s (b2sum -l 256)\n", t->out, text);
    return 0;
}

/* "DE=tcp://host:port" becomes a gate key and a line. */
static bool write_gate(struct tool *t, const char *gate, struct tmx_writer *w)
{
    const char *equals = strchr(gate, '=');
    struct tmx_bytes member = TMX_BYTES(gate, equals == NULL ? 0 : (size_t)(equals - gate));
    uint8_t public[32];
    char file[32], key[TMX_BASE64_SIZE(32)];
    if (!tmx_member_valid(member) || strncmp(equals + 1, "tcp://", 6) != 0 || strpbrk(equals, " \n") != NULL) {
        fail("--gate %s: write MEMBER=tcp://host:port", gate);
        return false;
    }
    snprintf(file, sizeof(file), "gate-%.*s.key", (int)member.size, (const char *)member.data);
    if (!ensure(t, file, "gate", public)) {
        return false;
    }
    tmx_base64(TMX_BYTES_OF(public), key);
    tmx_write_fmt(w, "gate %.*s %s %s\n", (int)member.size, (const char *)member.data, equals + 1, key);
    return true;
}

int run_broker_keys(struct tool *t)
{
    uint8_t public[32];
    char name[TMX_KEYNAME_MAX];
    struct tmx_verify_key key;
    const char *out = t->out != NULL ? t->out : path_in(t, t->keys_dir, "broker.pub");
    size_t capacity = 1024 + t->n_gates * (TMX_ENDPOINT_MAX + 128);
    struct tmx_writer w = tmx_writer_init(take(t, capacity), capacity);
    struct tmx_writer nw = TMX_WRITER_OF(name);
    struct tmx_bytes shard = tmx_bytes_str(t->shard);
    if (!tmx_name_valid(tmx_bytes_str(t->federation), TMX_FEDERATION_MAX) || !tmx_name_valid(shard, TMX_SHARD_MAX)) {
        return fail("--federation %s --shard %s: names of lower-case letters, digits, dots and dashes are needed "
                    "(a shard of at most %u)", t->federation, t->shard, TMX_SHARD_MAX);
    }
    if (!make_folder(t->keys_dir) || !ensure(t, "log.key", "log", public)) {
        return 1;
    }
    tmx_log_origin(t->federation, shard, &nw);
    bool ok = tmx_verify_key_init(tmx_written(&nw), TMX_NOTE_ED25519, public, &key);
    assert(ok);
    tmx_write_fmt(&w, "log %s ", t->shard);
    tmx_verify_key_format(&key, &w);
    tmx_write_u8(&w, '\n');
    for (size_t i = 0; i < t->n_gates; i++) {
        if (!write_gate(t, t->gates[i], &w)) {
            return 1;
        }
    }
    if (w.failed) {
        return fail("an endpoint is longer than %u characters", TMX_ENDPOINT_MAX);
    }
    if (!write_file(t, out, tmx_written(&w))) {
        return 1;
    }
    printf("%s: hand it to the authority, which takes it with 'add-log' and 'add-gate'\n", out);
    return 0;
}
