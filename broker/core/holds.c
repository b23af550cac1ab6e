/* SPDX-License-Identifier: Apache-2.0
 * What operators have stopped: deliveries to a member, admission, single deliveries (OPS-6, OPS-7). Most often there is
 * nothing of it; so what there is is known without a look at the spool.
 */
#include <string.h>

#include "core.h"

static const uint8_t admission[TMX_MEMBER_KEY];   /* in place of a member */

static struct key key_held(const uint8_t member[TMX_MEMBER_KEY], const uint8_t id[TMX_ID_SIZE])
{
    struct key k;
    struct tmx_writer w = TMX_WRITER_OF(k.data);
    tmx_write_bytes(&w, TMX_BYTES(member, TMX_MEMBER_KEY));
    tmx_write_bytes(&w, TMX_BYTES(id, TMX_ID_SIZE));
    assert(!w.failed);
    k.size = w.used;
    return k;
}

static void row_of_index(struct tmx_broker *b, enum tmx_broker_table table, const struct key *k, uint64_t index)
{
    uint8_t value[8];
    struct tmx_writer w = TMX_WRITER_OF(value);
    tmx_write_u64(&w, index);
    row_insert(b, (uint8_t)table, key_bytes(k), tmx_written(&w));
}

static size_t stop_find(const struct tmx_broker *b, const uint8_t *member)
{
    size_t i = 0;
    while (i < b->n_stops && memcmp(b->stops[i], member != NULL ? member : admission, TMX_MEMBER_KEY) != 0) {
        i++;
    }
    return i;
}

bool stopped(const struct tmx_broker *b, const uint8_t member[TMX_MEMBER_KEY])
{
    return stop_find(b, member) < b->n_stops;
}

bool stop_set(struct tmx_broker *b, const uint8_t *member, uint64_t index)
{
    if (stopped(b, member) || b->n_stops == TMX_N(b->stops)) {
        return false;
    }
    memcpy(b->stops[b->n_stops++], member != NULL ? member : admission, TMX_MEMBER_KEY);
    struct key k = key_member(member != NULL ? member : admission);
    row_of_index(b, TMX_T_STOP, &k, index);
    return true;
}

bool stop_clear(struct tmx_broker *b, const uint8_t *member)
{
    const size_t at = stop_find(b, member);
    if (at == b->n_stops) {
        return false;
    }
    memcpy(b->stops[at], b->stops[--b->n_stops], TMX_MEMBER_KEY);
    struct key k = key_member(member != NULL ? member : admission);
    row_delete(b, TMX_T_STOP, key_bytes(&k));
    struct peer *p = member != NULL ? peer_find(b, member) : NULL;
    if (p != NULL) {
        p->scan_done = false;
        p->next_retry_ms = b->now_ms;
    }
    return true;
}

bool held(struct tmx_broker *b, const uint8_t id[TMX_ID_SIZE], const uint8_t member[TMX_MEMBER_KEY])
{
    struct tmx_bytes value;
    struct key k = key_held(member, id);
    return b->n_held > 0 && row_get(b, TMX_T_HELD, key_bytes(&k), &value);
}

static void held_count(struct tmx_broker *b, const uint8_t member[TMX_MEMBER_KEY], int change)
{
    struct peer *p = peer_find(b, member);
    b->n_held += (uint64_t)(int64_t)change;
    if (p != NULL) {
        p->n_held += (uint64_t)(int64_t)change;
    }
}

void held_set(struct tmx_broker *b, const uint8_t id[TMX_ID_SIZE], const uint8_t member[TMX_MEMBER_KEY], uint64_t index)
{
    struct key k = key_held(member, id);
    row_of_index(b, TMX_T_HELD, &k, index);
    held_count(b, member, 1);
}

void held_clear(struct tmx_broker *b, const uint8_t id[TMX_ID_SIZE], const uint8_t member[TMX_MEMBER_KEY])
{
    if (held(b, id, member)) {
        struct key k = key_held(member, id);
        row_delete(b, TMX_T_HELD, key_bytes(&k));
        held_count(b, member, -1);
    }
}

bool held_first(struct tmx_broker *b, const uint8_t member[TMX_MEMBER_KEY], uint8_t ret_id[TMX_ID_SIZE])
{
    struct tmx_bytes key, value;
    struct key k = key_member(member);
    if (b->n_held == 0 || !row_seek(b, TMX_T_HELD, key_bytes(&k), TMX_MEMBER_KEY, &key, &value)) {
        return false;
    }
    memcpy(ret_id, tmx_bytes_slice(key, TMX_MEMBER_KEY, TMX_ID_SIZE).data, TMX_ID_SIZE);
    return true;
}

/* Rows with keys of `size` bytes, the first of them in `key`: the next one behind it. */
static bool next_row(struct tmx_broker *b, enum tmx_broker_table table, uint8_t key[TMX_MEMBER_KEY + TMX_ID_SIZE + 1], size_t *size)
{
    struct tmx_bytes found, value;
    if (!row_seek(b, (uint8_t)table, TMX_BYTES(key, *size), 0, &found, &value)) {
        return false;
    }
    assert(found.size <= TMX_MEMBER_KEY + TMX_ID_SIZE);
    memcpy(key, found.data, found.size);
    key[found.size] = 0;
    *size = found.size + 1;
    return true;
}

void holds_recover(struct tmx_broker *b)
{
    uint8_t key[TMX_MEMBER_KEY + TMX_ID_SIZE + 1] = { 0 };
    size_t size = 1;
    while (b->n_stops < TMX_N(b->stops) && next_row(b, TMX_T_STOP, key, &size)) {
        memcpy(b->stops[b->n_stops++], key, TMX_MEMBER_KEY);
    }
    memset(key, 0, sizeof(key));
    size = 1;
    while (next_row(b, TMX_T_HELD, key, &size)) {
        held_count(b, key, 1);
    }
}

void holds_member(struct tmx_broker *b, struct peer *p)
{
    uint8_t key[TMX_MEMBER_KEY + TMX_ID_SIZE + 1];
    size_t size = TMX_MEMBER_KEY;
    memcpy(key, p->key, TMX_MEMBER_KEY);
    p->n_held = 0;
    while (b->n_held > 0 && next_row(b, TMX_T_HELD, key, &size) && memcmp(key, p->key, TMX_MEMBER_KEY) == 0) {
        p->n_held++;
    }
}
