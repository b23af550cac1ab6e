/* SPDX-License-Identifier: Apache-2.0
 * The secret of a key file under a passphrase: Argon2id makes the key, XChaCha20-Poly1305 seals, and binds the lines of the file
 * above it. The line says what the passphrase was stretched with, so that a file stays readable when the defaults change.
 */
#pragma once

#include <tmx/err.h>
#include <tmx/keyfile.h>

/* Writes `argon2id <passes> <bytes of memory> <base64>`; false: no memory for it. */
bool tmx_keyfile_seal(struct tmx_bytes above, const uint8_t *secret, size_t size, struct tmx_bytes passphrase, struct tmx_writer *w)
    TMX_MUST_CHECK;
/* NULL, or what is wrong. */
const char *tmx_keyfile_unseal(struct tmx_bytes above, struct tmx_bytes line, struct tmx_bytes passphrase, uint8_t *ret_secret, size_t size)
    TMX_MUST_CHECK;
