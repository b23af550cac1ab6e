/* SPDX-License-Identifier: Apache-2.0
 * Evidence led to heads that the witnesses have cosigned (WIT-5). A leaf is first proved at the head that came with it;
 * once a quorum has cosigned a head behind it, its proof at that one is asked for and takes the first one's place: in the
 * background, a few at a time.
 */
#include <string.h>

#include "core.h"

#define UPGRADE_PAUSE_MS 50u    /* between two requests: traffic comes first */
#define UPGRADE_LATE_MS 10000u

static struct node_key upgrade_key(const struct tmx_node *n, uint64_t index)
{
    struct node_key k;
    uint8_t shard[TMX_SHARD_MAX];
    struct tmx_writer w = TMX_WRITER_OF(k.data);
    node_shard_key(n->state.head.shard, shard);
    tmx_write_bytes(&w, TMX_BYTES_OF(shard));
    tmx_write_u64(&w, index);
    k.size = w.used;
    return k;
}

void node_upgrade_add(struct tmx_node *n, uint64_t index, uint8_t table, const struct node_key *row)
{
    uint8_t data[1 + TMX_KEY_MAX];
    struct tmx_writer w = TMX_WRITER_OF(data);
    struct node_key k = upgrade_key(n, index);
    tmx_write_u8(&w, table);
    tmx_write_bytes(&w, node_kb(row));
    node_put(n, TMX_NT_UPGRADE, node_kb(&k), tmx_written(&w));
    if (index < n->cosigned.size) {
        n->upgrade_wanted = true;
    }
}

/* The next ones behind the cosigned head. */
static size_t collect(struct tmx_node *n, uint64_t *ret_indexes)
{
    struct node_key at = upgrade_key(n, 0);
    struct tmx_bytes key, value;
    size_t count = 0;
    while (count < TMX_LINK_ITEMS_MAX && node_seek(n, TMX_NT_UPGRADE, node_kb(&at), TMX_SHARD_MAX, &key, &value)) {
        uint64_t index = node_u64(tmx_bytes_slice(key, TMX_SHARD_MAX, 8));
        if (index >= n->cosigned.size) {
            break;
        }
        ret_indexes[count++] = index;
        at = node_key_after(key);
    }
    return count;
}

/* What the leaves will lead to, with its cosignatures. */
static bool head_store(struct tmx_node *n)
{
    struct node_key shard = upgrade_key(n, 0), head = upgrade_key(n, n->cosigned.size);
    struct tmx_bytes note, copy;
    shard.size = TMX_SHARD_MAX;
    tmx_arena_reset(&n->scratch);
    if (!node_get(n, TMX_NT_COSIGNED, node_kb(&shard), &note) || !tmx_arena_copy(&n->scratch, note, &copy)) {
        return false;
    }
    node_put(n, TMX_NT_HEAD, node_kb(&head), copy);
    return true;
}

void node_upgrade_close(struct tmx_node *n)
{
    uint64_t indexes[TMX_LINK_ITEMS_MAX];
    if (!n->upgrade_wanted || n->now_ms < n->upgrade_due_ms) {
        return;
    }
    Tmx__ProofRequest request = TMX__PROOF_REQUEST__INIT;
    Tmx__Link link = TMX__LINK__INIT;
    request.n_indexes = collect(n, indexes);
    if (request.n_indexes == 0 || !head_store(n)) {
        n->upgrade_wanted = false;
        return;
    }
    n->upgrade_head = n->cosigned;
    n->upgrade_due_ms = n->now_ms + UPGRADE_LATE_MS;
    request.tree_size = n->upgrade_head.size;
    request.indexes = indexes;
    link.body_case = TMX__LINK__BODY_PROOF_REQUEST;
    link.proof_request = &request;
    node_link_send(n, &link, NULL, 0);
}

void node_upgrade_reset(struct tmx_node *n)
{
    n->upgrade_head.size = 0;
    n->upgrade_due_ms = n->now_ms;
    n->upgrade_wanted = n->cosigned.size > 0;
}

/* Its new proof does not lead to the head: the leaf, and the head that a quorum has cosigned, go into the proof. */
static void distrust(struct tmx_node *n, const Tmx__FeedItem *item, struct tmx_bytes entry)
{
    struct node_key k = upgrade_key(n, n->upgrade_head.size);
    struct tmx_bytes value, head = TMX_BYTES_NULL, leaf = TMX_BYTES_NULL;
    bool copied = tmx_arena_copy(&n->scratch, entry, &leaf) && node_get(n, TMX_NT_HEAD, node_kb(&k), &value) &&
                  tmx_arena_copy(&n->scratch, value, &head);
    node_item_distrust(n, copied ? head : TMX_BYTES_NULL, item->index, leaf, tmx_pb(item->path));
}

/* The row with the new proof; false: it does not lead to the head. */
static bool replace(struct tmx_node *n, uint8_t table, const struct node_key *row, const Tmx__FeedItem *item)
{
    uint8_t data[LEAF_ROW_MAX];
    struct tmx_writer w = TMX_WRITER_OF(data);
    struct tmx_bytes value, head;
    if (!node_get(n, table, node_kb(row), &value)) {
        return true;   /* dropped meanwhile */
    }
    struct tmx_reader r = tmx_reader_init(value);
    head = tmx_read_bytes(&r, TMX_SHARD_MAX + 8);
    tmx_read_u64(&r);
    tmx_read_bytes(&r, tmx_read_u16(&r));
    struct tmx_bytes entry = tmx_read_bytes(&r, r.left);
    if (!tmx_reader_ok(&r)) {
        node_fault(n, -EBADMSG);
        return true;
    }
    struct tmx_hash leaf = tmx_merkle_leaf(entry);
    if (!tmx_merkle_verify_path(item->index, n->upgrade_head.size, &leaf, tmx_pb(item->path), &n->upgrade_head.root)) {
        distrust(n, item, entry);
        return false;
    }
    tmx_write_bytes(&w, head);
    tmx_write_u64(&w, n->upgrade_head.size);
    tmx_write_u16(&w, (uint16_t)item->path.len);
    tmx_write_bytes(&w, tmx_pb(item->path));
    tmx_write_bytes(&w, entry);
    node_put(n, table, node_kb(row), tmx_written(&w));
    return true;
}

static bool item_in(struct tmx_node *n, struct tmx_bytes frame)
{
    Tmx__FeedItem *item;
    struct tmx_bytes value;
    struct node_key row;
    tmx_arena_reset(&n->scratch);
    if (tmx_codec_unpack(&tmx__feed_item__descriptor, frame, TMX_FRAME_MAX, &n->scratch, &item) != TMX_CODEC_OK ||
        item->index >= n->upgrade_head.size || item->entry.len > 0 ||
        item->path.len > TMX_TREE_DEPTH_MAX * TMX_HASH_SIZE) {
        node_notice(n, "link.malformed", false, NULL, NULL, TMX_CODE_MALFORMED, 0);
        return true;
    }
    struct node_key k = upgrade_key(n, item->index);
    if (!node_get(n, TMX_NT_UPGRADE, node_kb(&k), &value) || value.size < 2 || value.size > 1 + TMX_KEY_MAX) {
        return true;   /* it was done before */
    }
    uint8_t table = value.data[0];
    row.size = value.size - 1;
    memcpy(row.data, value.data + 1, row.size);
    if (!replace(n, table, &row, item)) {
        return false;
    }
    node_delete(n, TMX_NT_UPGRADE, node_kb(&k));
    return true;
}

void node_upgrade_in(struct tmx_node *n, const Tmx__Proofs *proofs, const struct tmx_bytes *payload)
{
    if (n->upgrade_head.size == 0 || proofs->tree_size != n->upgrade_head.size) {
        return;
    }
    for (size_t i = 0; i < proofs->items && item_in(n, payload[i]); i++) {
    }
    n->upgrade_due_ms = n->now_ms + UPGRADE_PAUSE_MS;
}
