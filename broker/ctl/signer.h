/* SPDX-License-Identifier: Apache-2.0
 * What an operator asks, signed. Exit codes as in actions.h; what is wrong is said.
 */
#pragma once

#include <jansson.h>

#include <tmx/operator.h>

struct signer {
    struct tmx_verify_key key;
    char installation[TMX_KEYNAME_MAX + 1];
    uint8_t secret[64];
};

/* The key in the file `own` (NULL: where it is by default), if the daemon lists it and is the installation that is meant: the one that
 * the file names, or `installation`; a passphrase is asked for. Locked in memory until signer_end, which is called in any case. */
int signer_load(struct signer *s, const char *own, const char *installation);
void signer_end(struct signer *s);
/* Signs the request with a reason, a time and a nonce, and asks; *ret_reply (a new reference) is what was said. */
int signer_ask(const struct signer *s, struct tmx_operation *op, const char *reason, json_t **ret_reply);
