/* SPDX-License-Identifier: Apache-2.0
 * A hash table from 24-byte keys to values of one size. Keys are chosen by the audited: the hash is keyed.
 */
#pragma once

#include <tmx/bytes.h>

struct tmx_audit_key {
    uint8_t b[24];
};

struct tmx_audit_table {
    size_t value_size;
    size_t n;
    size_t capacity; /* a power of two, or 0 */
    uint8_t *slots;
    uint8_t hash_key[16];
};

void tmx_audit_table_init(struct tmx_audit_table *t, size_t value_size, const uint8_t hash_key[16]);
void tmx_audit_table_deinit(struct tmx_audit_table *t);
/* The value of a key; NULL when there is none. Valid until the next put or remove. */
void *tmx_audit_table_get(const struct tmx_audit_table *t, const struct tmx_audit_key *key);
/* The value of a key, zeroed when *ret_new. -ENOMEM. */
int tmx_audit_table_put(struct tmx_audit_table *t, const struct tmx_audit_key *key, void **ret_value,
                        bool *ret_new) TMX_MUST_CHECK;
/* Nothing happens when there is none. Values move. */
void tmx_audit_table_remove(struct tmx_audit_table *t, const struct tmx_audit_key *key);
/* Every entry in turn: start with *at = 0; false at the end. */
bool tmx_audit_table_next(const struct tmx_audit_table *t, size_t *at, const struct tmx_audit_key **ret_key,
                          void **ret_value);
