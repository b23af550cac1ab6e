/* SPDX-License-Identifier: Apache-2.0
 * SHA-256 by libsodium. It is portable C there; a library that uses the processor's SHA instructions would
 * replace this file and nothing else.
 */
#include <sodium.h>

#include "sha256.h"

struct tmx_hash tmx_sha256(struct tmx_bytes prefix, struct tmx_bytes rest)
{
    crypto_hash_sha256_state state;
    struct tmx_hash hash;

    crypto_hash_sha256_init(&state);
    if (prefix.size > 0) {
        crypto_hash_sha256_update(&state, prefix.data, prefix.size);
    }
    if (rest.size > 0) {
        crypto_hash_sha256_update(&state, rest.data, rest.size);
    }
    crypto_hash_sha256_final(&state, hash.b);
    return hash;
}
