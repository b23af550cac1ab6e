/* SPDX-License-Identifier: Apache-2.0
 * The witness protocol's bodies and decision. Contract: tmx/witness.h.
 */
#include <tmx/text.h>
#include <tmx/witness.h>

void tmx_witness_request_write(const struct tmx_witness_request *request, struct tmx_writer *w)
{
    char hash[TMX_BASE64_SIZE(TMX_HASH_SIZE)];

    tmx_write_fmt(w, "old %llu\n", (unsigned long long)request->old);
    for (size_t i = 0; i < request->proof.n; i++) {
        tmx_base64(TMX_BYTES_OF(request->proof.hash[i].b), hash);
        tmx_write_fmt(w, "%s\n", hash);
    }
    tmx_write_u8(w, '\n');
    tmx_write_bytes(w, request->checkpoint);
}

bool tmx_witness_request_parse(struct tmx_bytes body, struct tmx_witness_request *ret_request)
{
    const struct tmx_bytes old = TMX_LIT("old ");
    struct tmx_witness_request r = { .old = 0 };
    struct tmx_bytes line;
    size_t size;

    if (body.size > TMX_WITNESS_REQUEST_MAX || !tmx_take_line(&body, &line) || line.size <= old.size ||
        !tmx_bytes_eq(tmx_bytes_slice(line, 0, old.size), old) ||
        !tmx_parse_u64(tmx_bytes_slice(line, old.size, line.size - old.size), UINT64_MAX, &r.old)) {
        return false;
    }
    for (;;) {
        if (!tmx_take_line(&body, &line)) {
            return false;
        }
        if (line.size == 0) {
            break;
        }
        if (r.proof.n == TMX_WITNESS_PROOF_MAX ||
            !tmx_unbase64(line, r.proof.hash[r.proof.n].b, TMX_HASH_SIZE, &size) || size != TMX_HASH_SIZE) {
            return false;
        }
        r.proof.n++;
    }
    r.checkpoint = body;
    *ret_request = r;
    return true;
}

enum tmx_witness_status tmx_witness_decide(const struct tmx_witness_request *request, const struct tmx_verify_key *log_key,
                                           struct tmx_witness_memory *memory, struct tmx_checkpoint *ret_checkpoint)
{
    struct tmx_checkpoint c;
    const struct tmx_bytes proof = TMX_BYTES(request->proof.hash, request->proof.n * TMX_HASH_SIZE);

    if (log_key == NULL) {
        return TMX_WITNESS_UNKNOWN_LOG;
    }
    if (!tmx_checkpoint_verify(request->checkpoint, log_key, &c)) {
        return TMX_WITNESS_FORBIDDEN;
    }
    *ret_checkpoint = c;
    if (request->old > c.size) {
        return TMX_WITNESS_MALFORMED;
    }
    if (request->old != memory->size || (c.size == memory->size && !tmx_hash_eq(&c.root, &memory->root))) {
        return TMX_WITNESS_CONFLICT;
    }
    if (!tmx_merkle_verify_consistency(memory->size, &memory->root, c.size, &c.root, proof)) {
        return TMX_WITNESS_INCONSISTENT;
    }
    *memory = (struct tmx_witness_memory){ .size = c.size, .root = c.root };
    return TMX_WITNESS_OK;
}
