/* SPDX-License-Identifier: Apache-2.0
 * The batch signature: one Ed25519 signed note over the Merkle root of N bodies; each body carries its path.
 * N = 1 is the same format. Source: proto/README.md, section Batch signature.
 *
 *   text = <key name> "/batch/" <batch_no> LF <N> LF <base64 root> LF
 */
#pragma once

#include <tmx/bytes.h>
#include <tmx/note.h>

struct tmx_signature {
    uint32_t key_id;
    uint64_t batch_no;
    uint32_t size;
    uint32_t index;
    uint32_t path_n;
    struct tmx_hash path[TMX_BATCH_PATH_MAX];
    uint8_t sig[64];
};

/* Signs n bodies (1..TMX_BATCH_MAX) under one signature; fills ret_signatures[0..n). */
void tmx_batch_sign(const struct tmx_bytes *bodies, size_t n, uint64_t batch_no, const struct tmx_verify_key *key,
                    const uint8_t secret[64], struct tmx_signature *ret_signatures);

/* Remembers verified batches (key with its name, batch_no, size, root, signature), so that a batch costs one
 * Ed25519 check; and the nodes above the body verified last, so that its neighbours need no hash for those they share.
 * Zero-initialise. Bounded: direct-mapped, newest wins. */
#define TMX_BATCH_CACHE 256u
struct tmx_batch_cache {
    struct tmx_merkle_memo memo;
    struct tmx_batch_seen {
        bool used;
        struct tmx_verify_key key;
        uint64_t batch_no;
        uint32_t size;
        struct tmx_hash root;
        uint8_t sig[64];
    } seen[TMX_BATCH_CACHE];
};

/* Verifies `signature` over `body`; `cache` may be NULL. Never true for another key, body, index or path. */
bool tmx_batch_verify(struct tmx_bytes body, const struct tmx_signature *signature, const struct tmx_verify_key *key,
                      struct tmx_batch_cache *cache) TMX_MUST_CHECK;
/* The same, and the root that was signed. */
bool tmx_batch_verify_root(struct tmx_bytes body, const struct tmx_signature *signature,
                           const struct tmx_verify_key *key, struct tmx_batch_cache *cache,
                           struct tmx_hash *ret_root) TMX_MUST_CHECK;
