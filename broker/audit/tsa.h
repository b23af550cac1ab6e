/* SPDX-License-Identifier: Apache-2.0
 * Time-stamp tokens (RFC 3161), verified with libcrypto: only the program tmx-audit links it, and only for this.
 */
#pragma once

#include <tmx/bytes.h>

struct tmx_tsa;

/* Certificates that vouch for time-stamp authorities, in PEM. -EINVAL: the file has none. */
int tmx_tsa_load(const char *file, struct tmx_tsa **ret_tsa) TMX_MUST_CHECK;
void tmx_tsa_free(struct tmx_tsa *tsa); /* or NULL */

/* tmx_check_stamp_fn: `ctx` is the tmx_tsa. The token is over exactly this text, by SHA-256 or stronger, and signed by an
 * authority whose certificate leads to one of the file and was valid at the time that the token states. *ret_why lives until
 * the next call. */
bool tmx_tsa_verify(void *ctx, struct tmx_bytes text, struct tmx_bytes token, uint64_t *ret_time_ms, const char **ret_why);
