/* SPDX-License-Identifier: Apache-2.0
 * See operating.h.
 */
#include <sodium.h>
#include <string.h>

#include "operating.h"

static const char *const names[OPERATING_N] = { "alice", "bob", "carol" };

static void make_key(const char *name, uint8_t first, struct tmx_verify_key *ret_key, uint8_t ret_secret[64])
{
    uint8_t seed[32] = { first }, public[32];
    crypto_sign_seed_keypair(public, ret_secret, seed);
    bool ok = tmx_verify_key_init(tmx_bytes_str(name), TMX_NOTE_ED25519, public, ret_key);
    assert(ok);
}

void operating_init(struct operating *o)
{
    memset(o, 0, sizeof(*o));
    make_key(OPERATING_INSTALLATION, 200, &o->key, o->secret);
    memcpy(o->operators.installation, OPERATING_INSTALLATION, sizeof(OPERATING_INSTALLATION));
    for (unsigned i = 0; i < OPERATING_N; i++) {
        make_key(names[i], (uint8_t)(201 + i), &o->operators.operators[i].key, o->secrets[i]);
        o->operators.operators[i].rights = i < 2 ? UINT32_MAX : 1u << TMX_ACTION_PAUSE | 1u << TMX_ACTION_RESUME;
    }
    o->operators.n = OPERATING_N;
}

struct tmx_operation operating_ask(struct operating *o, enum tmx_action action, uint64_t time_ms)
{
    struct tmx_operation op = { .installation = OPERATING_INSTALLATION, .action = action, .time_ms = time_ms, .reason = "a test" };
    struct tmx_writer w = TMX_WRITER_OF(op.nonce);
    tmx_write_u64(&w, ++o->nonce);
    return op;
}

void operating_target(struct tmx_operation *op, const uint8_t id[TMX_ID_SIZE], const char *recipient)
{
    struct tmx_operation_delivery *t = &op->targets[op->n_targets++];
    memcpy(t->id, id, TMX_ID_SIZE);
    memcpy(t->recipient, recipient, strlen(recipient) + 1);
}

struct tmx_bytes operating_sign(const struct operating *o, unsigned who, const struct tmx_operation *op, uint8_t ret_note[TMX_OPERATION_MAX])
{
    uint8_t text[TMX_OPERATION_MAX];
    struct tmx_writer w = TMX_WRITER_OF(text), note = tmx_writer_init(ret_note, TMX_OPERATION_MAX);
    tmx_operation_text(op, &w);
    tmx_note_sign(&note, tmx_written(&w), &o->operators.operators[who].key, o->secrets[who]);
    return tmx_written(&note);
}

struct tmx_bytes operating_list(const struct operating *o, uint8_t ret_note[TMX_OPERATORS_FILE_MAX])
{
    uint8_t text[4096];
    struct tmx_writer w = TMX_WRITER_OF(text), note = tmx_writer_init(ret_note, TMX_OPERATORS_FILE_MAX);
    tmx_write_fmt(&w, "tmx-operators@v1\ninstallation %s\n", o->operators.installation);
    for (size_t i = 0; i < o->operators.n; i++) {
        tmx_write_fmt(&w, "operator ");
        tmx_verify_key_format(&o->operators.operators[i].key, &w);
        tmx_write_fmt(&w, " %s\n", i < 2 ? "all" : "pause,resume");
    }
    tmx_note_sign(&note, tmx_written(&w), &o->key, o->secret);
    return tmx_written(&note);
}
