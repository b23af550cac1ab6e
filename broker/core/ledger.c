/* SPDX-License-Identifier: Apache-2.0
 * The log as the broker writes it: leaves, tiles, feeds and the signed head, all rows of the same turn (LOG-2).
 */
#include <sodium.h>
#include <string.h>

#include "core.h"

static struct key key_tile(unsigned tile_level, uint64_t n)
{
    struct key k;
    struct tmx_writer w = TMX_WRITER_OF(k.data);
    tmx_write_u8(&w, (uint8_t)tile_level);
    tmx_write_u64(&w, n);
    k.size = w.used;
    return k;
}

bool ledger_read_tile(void *ctx, unsigned tile_level, uint64_t n, uint8_t ret_tile[TMX_TILE_SIZE])
{
    struct tmx_broker *b = ctx;
    struct key k = key_tile(tile_level, n);
    struct tmx_bytes value;
    if (!row_get(b, TMX_T_TILE, key_bytes(&k), &value) || value.size != TMX_TILE_SIZE) {
        return false;
    }
    memcpy(ret_tile, value.data, TMX_TILE_SIZE);
    return true;
}

static void tile_full(void *ctx, unsigned tile_level, uint64_t n, const uint8_t tile[TMX_TILE_SIZE])
{
    struct tmx_broker *b = ctx;
    struct key k = key_tile(tile_level, n);
    row_insert(b, TMX_T_TILE, key_bytes(&k), TMX_BYTES(tile, TMX_TILE_SIZE));
}

static bool read_leaf(void *ctx, uint64_t index, struct tmx_hash *ret_leaf)
{
    struct tmx_broker *b = ctx;
    struct key k = key_u64(index);
    struct tmx_bytes entry;
    if (!row_get(b, TMX_T_LOG, key_bytes(&k), &entry)) {
        return false;
    }
    *ret_leaf = tmx_merkle_leaf(entry);
    return true;
}

bool ledger_load(struct tmx_broker *b, uint64_t size)
{
    return tmx_tree_load(b->tree, size, read_leaf, b);
}

uint64_t ledger_append(struct tmx_broker *b, Tmx__LogEntry *entry)
{
    b->leaf_ms = b->wall_ms > b->leaf_ms ? b->wall_ms : b->leaf_ms;
    entry->time_ms = b->leaf_ms;
    entry->directory_serial = tmx_directory_serial(b->directory);
    struct tmx_bytes bytes;
    int r = tmx_codec_pack(entry, &b->scratch, &bytes);
    assert(r == TMX_CODEC_OK && bytes.size <= TMX_ENTRY_MAX);
    uint64_t index = tmx_tree_size(b->tree);
    struct key k = key_u64(index);
    row_insert(b, TMX_T_LOG, key_bytes(&k), bytes);
    struct tmx_hash leaf = tmx_merkle_leaf(bytes);
    tmx_tree_append(b->tree, &leaf, tile_full, b);
    return index;
}

uint64_t ledger_time(struct tmx_broker *b, uint64_t index)
{
    struct key k = key_u64(index);
    struct tmx_bytes entry;
    if (b->time_ms == 0 || b->time_index != index) {
        b->time_index = index;
        b->time_ms = row_get(b, TMX_T_LOG, key_bytes(&k), &entry) ? tmx_entry_time(entry) : 0;
    }
    return b->time_ms;
}

void ledger_feed(struct tmx_broker *b, const uint8_t member[TMX_MEMBER_KEY], uint64_t index, enum tmx_feed_kind kind)
{
    struct key k = key_member_u64(member, index);
    uint8_t value = (uint8_t)kind;
    row_put(b, TMX_T_FEED, key_bytes(&k), TMX_BYTES(&value, 1));
}

void ledger_feed_everyone(struct tmx_broker *b, uint64_t index)
{
    static const uint8_t everyone[TMX_MEMBER_KEY];
    ledger_feed(b, everyone, index, TMX_FEED_ALWAYS);
}

/* The signature is made before the commit that makes its leaves durable, stored by that commit, and released after
 * it (LOG-3): Ed25519 is deterministic, so a crash in between leaves nothing behind. */
void ledger_close(struct tmx_broker *b)
{
    uint64_t size = tmx_tree_size(b->tree);
    if (size == b->signed_size || b->fault != 0) {
        return;
    }
    struct tmx_checkpoint c = { .size = size, .root = tmx_tree_root(b->tree) };
    memcpy(c.origin, b->origin, sizeof(c.origin));
    struct tmx_writer w = TMX_WRITER_OF(b->checkpoint);
    tmx_checkpoint_sign(&c, &b->log_key, b->config.log_secret, &w);
    b->checkpoint_size = tmx_written(&w).size;
    b->signed_size = size;
    struct key k = key_u64(size);
    row_put(b, TMX_T_HEAD, key_bytes(&k), TMX_BYTES_OF(c.root.b));
    state_write(b);
}

unsigned ledger_check_seen(struct tmx_broker *b, const Tmx__Head *seen)
{
    if (seen == NULL || !tmx_bytes_eq(tmx_pb(seen->shard), tmx_bytes_str(b->shard))) {
        return TMX_CODE_OK;   /* a head of an earlier shard is checked by those who hold that shard */
    }
    struct key k = key_u64(seen->size);
    struct tmx_bytes root;
    if (!row_get(b, TMX_T_HEAD, key_bytes(&k), &root) || !tmx_bytes_eq(root, tmx_pb(seen->root))) {
        return TMX_CODE_BAD_HEAD;
    }
    return TMX_CODE_OK;
}
