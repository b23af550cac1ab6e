/* SPDX-License-Identifier: Apache-2.0
 * Which leaf published a key: the slots of a container name keys, and evidence shows the set each was published with
 * (EVI-10). Evidence is kept for good, and so are these rows: one for each key, not for each set that repeats it.
 */
#include <string.h>

#include <tmx/seal.h>

#include "core.h"

#define ID_PREFIX (TMX_MEMBER_MAX + 8 + TMX_SHARD_MAX)
#define LEAF_KEY (TMX_MEMBER_MAX + TMX_SHARD_MAX + 8)
#define UNTILS_MAX 64u   /* under how many ends one key is looked for: a member that says one date says one */
#define PIECE 256u       /* leaves of a spool without index that are indexed in one commit */

static struct node_key id_key(const uint8_t *member, const uint8_t key_id[8], const uint8_t *shard, uint64_t until_ms)
{
    struct node_key k;
    struct tmx_writer w = TMX_WRITER_OF(k.data);
    tmx_write_bytes(&w, TMX_BYTES(member, TMX_MEMBER_MAX));
    tmx_write_bytes(&w, TMX_BYTES(key_id, 8));
    tmx_write_bytes(&w, TMX_BYTES(shard, TMX_SHARD_MAX));
    tmx_write_u64(&w, until_ms);
    k.size = w.used;
    return k;
}

struct node_key node_prekey_leaf_key(const uint8_t *member, const uint8_t *shard, uint64_t index)
{
    struct node_key k;
    struct tmx_writer w = TMX_WRITER_OF(k.data);
    tmx_write_bytes(&w, TMX_BYTES(member, TMX_MEMBER_MAX));
    tmx_write_bytes(&w, TMX_BYTES(shard, TMX_SHARD_MAX));
    tmx_write_u64(&w, index);
    k.size = w.used;
    return k;
}

void node_prekey_index(struct tmx_node *n, const uint8_t *member, const uint8_t *shard, uint64_t index,
                       const Tmx__PrekeySet *set)
{
    for (size_t i = 0; i < set->n_keys && n->fault == 0; i++) {
        uint8_t key_id[8], place[8];
        struct tmx_bytes value;
        tmx_seal_key_id(set->keys[i]->key.data, key_id);
        struct node_key k = id_key(member, key_id, shard, set->keys[i]->until_ms);
        struct tmx_writer v = TMX_WRITER_OF(place);
        if (!node_get(n, TMX_NT_PREKEY_ID, node_kb(&k), &value) || node_u64(value) > index) {
            tmx_write_u64(&v, index);
            node_put(n, TMX_NT_PREKEY_ID, node_kb(&k), tmx_written(&v));
        }
    }
}

bool node_prekey_find(struct tmx_node *n, const uint8_t *member, const uint8_t *shard, const uint8_t key_id[8],
                      uint64_t before, uint64_t *ret_index)
{
    struct node_key from = id_key(member, key_id, shard, 0);
    struct tmx_bytes key, value;
    bool found = false;
    for (size_t i = 0; i < UNTILS_MAX && node_seek(n, TMX_NT_PREKEY_ID, node_kb(&from), ID_PREFIX, &key, &value); i++) {
        const uint64_t index = node_u64(value);
        from = node_key_after(key);
        if (index < before) {   /* the latest end counts longest */
            *ret_index = index;
            found = true;
        }
    }
    return found;
}

/* The keys of a leaf that is kept; they were checked when it came. */
static void index_row(struct tmx_node *n, const struct node_key *leaf, struct tmx_bytes row)
{
    struct tmx_bytes copy;
    Tmx__LogEntry *entry;
    Tmx__PrekeySet *set;
    struct tmx_reader r, k = tmx_reader_init(node_kb(leaf));
    uint8_t member[TMX_MEMBER_MAX], shard[TMX_SHARD_MAX];
    tmx_arena_reset(&n->scratch);
    if (!tmx_arena_copy(&n->scratch, row, &copy)) {
        node_fault(n, -ENOMEM);
        return;
    }
    r = tmx_reader_init(copy);
    tmx_read_bytes(&r, TMX_SHARD_MAX + 16);
    tmx_read_bytes(&r, tmx_read_u16(&r));
    struct tmx_bytes bytes = tmx_read_bytes(&r, r.left);
    if (leaf->size != LEAF_KEY || !tmx_reader_ok(&r) || tmx_entry_parse(bytes, &n->scratch, &entry) != TMX_CODE_OK ||
        tmx_codec_unpack(&tmx__prekey_set__descriptor, tmx_pb(entry->body), entry->body.len, &n->scratch, &set) != TMX_CODEC_OK) {
        node_fault(n, -EBADMSG);
        return;
    }
    tmx_read_into(&k, member, sizeof(member));
    tmx_read_into(&k, shard, sizeof(shard));
    node_prekey_index(n, member, shard, tmx_read_u64(&k), set);
}

bool node_prekey_index_more(struct tmx_node *n)
{
    struct node_key from = node_key_u64(0);
    struct tmx_bytes key, value;
    size_t i = 0;
    if (node_get(n, TMX_NT_META, TMX_LIT("prekey-index"), &value)) {
        if (value.size == 0) {
            return false;
        }
        from.size = value.size < sizeof(from.data) ? value.size : sizeof(from.data);
        memcpy(from.data, value.data, from.size);
    }
    for (; i < PIECE && n->fault == 0 && node_seek(n, TMX_NT_PREKEY_LEAF, node_kb(&from), 0, &key, &value); i++) {
        struct node_key leaf = { .size = key.size };
        memcpy(leaf.data, key.data, key.size);
        from = node_key_after(key);
        index_row(n, &leaf, value);
    }
    node_put(n, TMX_NT_META, TMX_LIT("prekey-index"), i == PIECE ? node_kb(&from) : TMX_BYTES_NULL);
    return n->fault == 0;
}
