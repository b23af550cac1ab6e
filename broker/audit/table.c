/* SPDX-License-Identifier: Apache-2.0
 * Open addressing with linear probing, at most two thirds full. A slot: 8 bytes "used", the key, the value.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "table.h"

#define USED_SIZE 8u
#define CAPACITY_MIN 64u

static size_t slot_size(const struct tmx_audit_table *t)
{
    return USED_SIZE + sizeof(struct tmx_audit_key) + t->value_size;
}

void tmx_audit_table_init(struct tmx_audit_table *t, size_t value_size, const uint8_t hash_key[16])
{
    *t = (struct tmx_audit_table){ .value_size = (value_size + 7) / 8 * 8 };
    memcpy(t->hash_key, hash_key, sizeof t->hash_key);
}

void tmx_audit_table_deinit(struct tmx_audit_table *t)
{
    free(t->slots);
    t->slots = NULL;
    t->capacity = 0;
    t->n = 0;
}

/* Where a key belongs. */
static size_t home(const struct tmx_audit_table *t, const uint8_t *key)
{
    uint8_t hash[crypto_shorthash_BYTES];
    struct tmx_reader r;

    _Static_assert(crypto_shorthash_KEYBYTES == 16, "the size of hash_key");
    crypto_shorthash(hash, key, sizeof(struct tmx_audit_key), t->hash_key);
    r = tmx_reader_init(TMX_BYTES_OF(hash));
    return (size_t)tmx_read_u64(&r) & (t->capacity - 1);
}

/* The slot that holds the key, or the free one where it belongs. */
static uint8_t *find(const struct tmx_audit_table *t, const struct tmx_audit_key *key)
{
    for (size_t at = home(t, key->b);; at = (at + 1) & (t->capacity - 1)) {
        uint8_t *slot = t->slots + at * slot_size(t);

        if (slot[0] == 0 || memcmp(slot + USED_SIZE, key->b, sizeof key->b) == 0) {
            return slot;
        }
    }
}

static uint8_t *value_of(uint8_t *slot)
{
    return slot + USED_SIZE + sizeof(struct tmx_audit_key);
}

void *tmx_audit_table_get(const struct tmx_audit_table *t, const struct tmx_audit_key *key)
{
    uint8_t *slot = t->capacity == 0 ? NULL : find(t, key);

    return slot == NULL || slot[0] == 0 ? NULL : value_of(slot);
}

static int grow(struct tmx_audit_table *t)
{
    struct tmx_audit_table bigger = *t;

    bigger.capacity = t->capacity == 0 ? CAPACITY_MIN : 2 * t->capacity;
    bigger.slots = calloc(bigger.capacity, slot_size(t));
    if (bigger.slots == NULL) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < t->capacity; i++) {
        const uint8_t *slot = t->slots + i * slot_size(t);
        struct tmx_audit_key key;

        if (slot[0] != 0) {
            memcpy(key.b, slot + USED_SIZE, sizeof key.b);
            memcpy(find(&bigger, &key), slot, slot_size(t));
        }
    }
    free(t->slots);
    *t = bigger;
    return 0;
}

int tmx_audit_table_put(struct tmx_audit_table *t, const struct tmx_audit_key *key, void **ret_value, bool *ret_new)
{
    uint8_t *slot;
    int r;

    if (t->n >= t->capacity / 3 * 2) {
        r = grow(t);
        if (r < 0) {
            return r;
        }
    }
    slot = find(t, key);
    *ret_new = slot[0] == 0;
    if (slot[0] == 0) {
        slot[0] = 1;
        memcpy(slot + USED_SIZE, key->b, sizeof key->b);
        t->n++;
    }
    *ret_value = value_of(slot);
    return 0;
}

void tmx_audit_table_remove(struct tmx_audit_table *t, const struct tmx_audit_key *key)
{
    uint8_t *hole = t->capacity == 0 ? NULL : find(t, key);
    size_t at;

    if (hole == NULL || hole[0] == 0) {
        return;
    }
    t->n--;
    at = (size_t)(hole - t->slots) / slot_size(t);
    for (size_t next = (at + 1) & (t->capacity - 1);; next = (next + 1) & (t->capacity - 1)) {
        uint8_t *slot = t->slots + next * slot_size(t);

        if (slot[0] == 0) {
            break;
        }
        /* What was put off past the hole comes nearer to where it belongs. */
        if (((next - home(t, slot + USED_SIZE)) & (t->capacity - 1)) >= ((next - at) & (t->capacity - 1))) {
            memcpy(hole, slot, slot_size(t));
            hole = slot;
            at = next;
        }
    }
    memset(hole, 0, slot_size(t));
}

bool tmx_audit_table_next(const struct tmx_audit_table *t, size_t *at, const struct tmx_audit_key **ret_key,
                          void **ret_value)
{
    while (*at < t->capacity) {
        uint8_t *slot = t->slots + (*at)++ * slot_size(t);

        if (slot[0] != 0) {
            *ret_key = (const struct tmx_audit_key *)(slot + USED_SIZE);
            *ret_value = value_of(slot);
            return true;
        }
    }
    return false;
}
