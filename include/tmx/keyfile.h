/* SPDX-License-Identifier: Apache-2.0
 * Private keys on disk. One file, one key, text, mode 0400:
 *
 *   tmx-key 1 <purpose>
 *   public <base64>
 *   secret <base64>
 *
 * An operator's key may have a line `installation <name>` in second place: it signs there alone. In place of `secret` a key that people
 * carry may have `sealed argon2id <passes> <bytes> <base64>`: salt[16], nonce[24] and the secret under XChaCha20-Poly1305, which binds
 * the lines above, with the key that Argon2id makes of a passphrase. A daemon's key is never sealed: nobody is there to type it.
 *
 * A file is created whole (temporary file, fsync, link, fsync of the folder) and never overwritten. On loading the
 * public half is computed again and compared: a secret with a wrong public half would leak when it signs.
 *
 *   purpose                                   secret                     public
 *   signing, witness, log, authority, export,
 *   operator                                  64, Ed25519 (seed||public) Ed25519
 *   curve, last-resort, gate                  32, X25519                 X25519
 *   archive, label                            32 random bytes            zeros
 */
#pragma once

#include <tmx/bytes.h>
#include <tmx/err.h>
#include <tmx/limits.h>

#define TMX_KEYFILE_SECRET_MAX 64u

/* The size of a purpose's secret; asserts that the purpose is one of the table. */
size_t tmx_keyfile_secret_size(const char *purpose);

/* Draws a key of that purpose; ret_secret has room for its secret. */
void tmx_keyfile_generate(const char *purpose, uint8_t ret_public[32], uint8_t *ret_secret);

/* Writes a new key file. -EEXIST when there is one; -EINVAL when the public half is not that of the secret. */
int tmx_keyfile_create(const char *path, const char *purpose, const uint8_t public[32], const uint8_t *secret,
                       size_t secret_size) TMX_MUST_CHECK;

/* Reads one. secret_size is that of the purpose. -EPERM: others may read the file. -EINVAL: not a key file of this
 * purpose, or its halves do not belong together. Any negative errno: ret_error (capacity bytes) holds one sentence
 * with path, cause and remedy, never key bytes. */
int tmx_keyfile_load(const char *path, const char *purpose, uint8_t ret_public[32], uint8_t *ret_secret,
                     size_t secret_size, char *ret_error, size_t capacity) TMX_MUST_CHECK;

/* A key file as it is. The secret's bytes beyond its purpose's size are not used. */
struct tmx_keyfile {
    char installation[TMX_KEYNAME_MAX + 1];   /* "": none is named */
    uint8_t public[32];
    uint8_t secret[TMX_KEYFILE_SECRET_MAX];
};

/* The passphrase of the file at `path`, for as long as it is read. False: ret_error says in a sentence why there is none. */
typedef bool tmx_keyfile_ask_fn(void *ctx, const char *path, struct tmx_bytes *ret_passphrase, char *ret_error, size_t capacity);

/* As create and load, with what else a file may have. An empty passphrase: not sealed. -ENOMEM: no 256 MiB to seal it with. `ask` is
 * only called for a sealed file, before it is read further; NULL: a sealed one is refused. -EACCES: the wrong passphrase, or none. */
int tmx_keyfile_write(const char *path, const char *purpose, const struct tmx_keyfile *key, struct tmx_bytes passphrase) TMX_MUST_CHECK;
int tmx_keyfile_read(const char *path, const char *purpose, tmx_keyfile_ask_fn *ask, void *ctx, struct tmx_keyfile *ret_key,
                     char *ret_error, size_t capacity) TMX_MUST_CHECK;

/* Creates the file with a fresh key unless it exists, then checks it and gives its public half. Errors as above. */
int tmx_keyfile_ensure(const char *path, const char *purpose, uint8_t ret_public[32], char *ret_error,
                       size_t capacity) TMX_MUST_CHECK;
