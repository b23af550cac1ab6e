/* SPDX-License-Identifier: Apache-2.0 */
#include "keyfile_seal.h"

#include <sodium.h>
#include <string.h>

#include <tmx/text.h>

#define SALT crypto_pwhash_SALTBYTES
#define NONCE crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG crypto_aead_xchacha20poly1305_ietf_ABYTES
#define SEALED_MAX (SALT + NONCE + TMX_KEYFILE_SECRET_MAX + TAG)

/* What a file may ask of who opens it. */
#define PASSES_MAX 16u
#define MEMORY_MAX (UINT64_C(1) << 30)

/* A key that lies in locked memory, and is wiped with it. */
static uint8_t *stretch(struct tmx_bytes passphrase, const uint8_t salt[SALT], uint64_t passes, uint64_t memory)
{
    uint8_t *key = sodium_malloc(crypto_aead_xchacha20poly1305_ietf_KEYBYTES);
    if (key != NULL && crypto_pwhash(key, crypto_aead_xchacha20poly1305_ietf_KEYBYTES, (const char *)passphrase.data, passphrase.size, salt,
                                     passes, (size_t)memory, crypto_pwhash_ALG_ARGON2ID13) != 0) {
        sodium_free(key);
        return NULL;
    }
    return key;
}

bool tmx_keyfile_seal(struct tmx_bytes above, const uint8_t *secret, size_t size, struct tmx_bytes passphrase, struct tmx_writer *w)
{
    uint8_t sealed[SEALED_MAX];
    char text[TMX_BASE64_SIZE(SEALED_MAX)];
    assert(size <= TMX_KEYFILE_SECRET_MAX);
    randombytes_buf(sealed, SALT + NONCE);
    uint8_t *key = stretch(passphrase, sealed, crypto_pwhash_OPSLIMIT_MODERATE, crypto_pwhash_MEMLIMIT_MODERATE);
    if (key == NULL) {
        return false;
    }
    crypto_aead_xchacha20poly1305_ietf_encrypt(sealed + SALT + NONCE, NULL, secret, size, above.data, above.size, NULL, sealed + SALT, key);
    sodium_free(key);
    tmx_base64(TMX_BYTES(sealed, SALT + NONCE + size + TAG), text);
    tmx_write_fmt(w, "argon2id %llu %llu %s", (unsigned long long)crypto_pwhash_OPSLIMIT_MODERATE,
                  (unsigned long long)crypto_pwhash_MEMLIMIT_MODERATE, text);
    return true;
}

static struct tmx_bytes word(struct tmx_bytes *line)
{
    const uint8_t *space = line->size > 0 ? memchr(line->data, ' ', line->size) : NULL;
    const size_t size = space == NULL ? line->size : (size_t)(space - line->data);
    const struct tmx_bytes w = tmx_bytes_slice(*line, 0, size);
    *line = tmx_bytes_slice(*line, size + (space != NULL ? 1 : 0), line->size - size - (space != NULL ? 1 : 0));
    return w;
}

const char *tmx_keyfile_unseal(struct tmx_bytes above, struct tmx_bytes line, struct tmx_bytes passphrase, uint8_t *ret_secret, size_t size)
{
    uint8_t sealed[SEALED_MAX];
    uint64_t passes, memory;
    size_t n = 0;
    if (!tmx_bytes_eq(word(&line), TMX_LIT("argon2id")) || !tmx_parse_u64(word(&line), PASSES_MAX, &passes) ||
        !tmx_parse_u64(word(&line), MEMORY_MAX, &memory) || passes < crypto_pwhash_OPSLIMIT_MIN || memory < crypto_pwhash_MEMLIMIT_MIN ||
        !tmx_unbase64(line, sealed, sizeof(sealed), &n) || n != SALT + NONCE + size + TAG) {
        return "it is sealed in another way than this program knows";
    }
    uint8_t *key = stretch(passphrase, sealed, passes, memory);
    if (key == NULL) {
        return "no memory to open it: it takes 256 MiB";
    }
    const int r = crypto_aead_xchacha20poly1305_ietf_decrypt(ret_secret, NULL, NULL, sealed + SALT + NONCE, size + TAG, above.data,
                                                             above.size, sealed + SALT, key);
    sodium_free(key);
    return r == 0 ? NULL : "wrong passphrase";
}
