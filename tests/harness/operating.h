/* SPDX-License-Identifier: Apache-2.0
 * Operators for tests, derived from numbers, and what they sign. These keys are public: they protect nothing.
 */
#pragma once

#include <tmx/operator.h>

#define OPERATING_N 3u   /* 0 and 1 may everything, 2 may pause and resume */
#define OPERATING_INSTALLATION "tmx.test/broker"

struct operating {
    struct tmx_verify_key key;               /* of the installation */
    uint8_t secret[64];
    struct tmx_operators operators;
    uint8_t secrets[OPERATING_N][64];
    uint64_t nonce;                          /* of the last request */
};

void operating_init(struct operating *o);
/* A request of this time, with a nonce that was not used yet; the caller fills what it is about. */
struct tmx_operation operating_ask(struct operating *o, enum tmx_action action, uint64_t time_ms);
void operating_target(struct tmx_operation *op, const uint8_t id[TMX_ID_SIZE], const char *recipient);
/* Signed by the operator `who`; the note lies in `ret_note`. */
struct tmx_bytes operating_sign(const struct operating *o, unsigned who, const struct tmx_operation *op, uint8_t ret_note[TMX_OPERATION_MAX]);
/* The list as the installation signs it. */
struct tmx_bytes operating_list(const struct operating *o, uint8_t ret_note[TMX_OPERATORS_FILE_MAX]);
