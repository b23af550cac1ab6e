/* SPDX-License-Identifier: Apache-2.0
 * Heads of the log: verified before anything under them is believed (LINK-5 … LINK-7), and leaves kept as evidence.
 */
#include <string.h>

#include "core.h"

static enum node_head_verdict wrong(struct tmx_node *n, const Tmx__HeadUpdate *update)
{
    node_heads_distrust(n, tmx_node_checkpoint(n), tmx_pb(update->checkpoint), tmx_pb(update->consistency),
                        tmx_pb(update->root));
    return NODE_HEAD_WRONG;
}

enum node_head_verdict node_head_update(struct tmx_node *n, const Tmx__HeadUpdate *update)
{
    struct node_head *head = &n->state.head;
    const struct tmx_verify_key *key = tmx_directory_log_key(n->directory, tmx_bytes_str(head->shard));
    if (update->from != head->size) {
        return NODE_HEAD_STALE;
    }
    if (key == NULL) {
        return NODE_HEAD_NO_KEY;
    }
    struct tmx_checkpoint c;
    if (update->checkpoint.len > sizeof(head->checkpoint) ||
        !tmx_checkpoint_verify(tmx_pb(update->checkpoint), key, &c) || c.size < head->size ||
        !tmx_merkle_verify_consistency(head->size, &head->root, c.size, &c.root, tmx_pb(update->consistency))) {
        return wrong(n, update);
    }
    head->size = c.size;
    head->root = c.root;
    memcpy(head->checkpoint, update->checkpoint.data, update->checkpoint.len);
    head->checkpoint_size = update->checkpoint.len;
    n->head_kept = false;
    n->state_dirty = true;
    return NODE_HEAD_OK;
}

bool node_item_verify(struct tmx_node *n, uint64_t tree_size, const Tmx__FeedItem *item)
{
    const struct node_head *head = &n->state.head;
    struct tmx_hash leaf = tmx_merkle_leaf(tmx_pb(item->entry));
    return tree_size == head->size && item->index < tree_size &&
           tmx_merkle_verify_next(&n->proven, item->index, tree_size, &leaf, tmx_pb(item->path), &head->root);
}

/* Fork or no fork: the sender was shown the same log (LINK-12). */
bool node_seen_verify(struct tmx_node *n, const Tmx__FeedItem *item, const Tmx__Head *seen)
{
    const struct node_head *head = &n->state.head;
    struct tmx_hash root;
    if (seen == NULL || !tmx_bytes_eq(tmx_pb(seen->shard), tmx_bytes_str(head->shard))) {
        return true;   /* of another shard there is no proof in this one */
    }
    assert(seen->root.len == sizeof(root.b));
    memcpy(root.b, seen->root.data, sizeof(root.b));
    if (seen->size == n->seen_size && tmx_hash_eq(&root, &n->seen_root)) {
        return true;
    }
    if (seen->size > head->size ||
        !tmx_merkle_verify_consistency(seen->size, &root, head->size, &head->root, tmx_pb(item->seen))) {
        return false;
    }
    n->seen_size = seen->size;
    n->seen_root = root;
    n->seen_proof.n = item->seen.len / TMX_HASH_SIZE;
    assert(n->seen_proof.n <= TMX_N(n->seen_proof.hash));   /* it was found to be one of the trees there are */
    memcpy(n->seen_proof.hash, item->seen.data, item->seen.len);
    return true;
}

static struct node_key head_key(const struct node_head *head)
{
    uint8_t shard[TMX_SHARD_MAX];
    node_shard_key(head->shard, shard);
    struct node_key k;
    struct tmx_writer w = TMX_WRITER_OF(k.data);
    tmx_write_bytes(&w, TMX_BYTES_OF(shard));
    tmx_write_u64(&w, head->size);
    k.size = w.used;
    return k;
}

/* The signed checkpoint behind a head that a signed body declares, or that a kept leaf leads to. */
void node_head_keep(struct tmx_node *n)
{
    if (!n->head_kept && n->state.head.size > 0) {
        struct node_key k = head_key(&n->state.head);
        node_put(n, TMX_NT_HEAD, node_kb(&k), tmx_node_checkpoint(n));
        n->head_kept = true;
    }
}

static struct tmx_bytes leaf_row(struct tmx_node *n, const Tmx__FeedItem *item, struct tmx_writer *w)
{
    uint8_t shard[TMX_SHARD_MAX];
    node_shard_key(n->state.head.shard, shard);
    tmx_write_bytes(w, TMX_BYTES_OF(shard));
    tmx_write_u64(w, item->index);
    tmx_write_u64(w, n->state.head.size);
    tmx_write_u16(w, (uint16_t)item->path.len);
    tmx_write_bytes(w, tmx_pb(item->path));
    tmx_write_bytes(w, tmx_pb(item->entry));
    return tmx_written(w);
}

void node_evidence_keep(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], enum tmx_evidence_kind kind,
                        const uint8_t *member, const Tmx__FeedItem *item)
{
    uint8_t data[LEAF_ROW_MAX];
    struct tmx_writer w = TMX_WRITER_OF(data);
    struct tmx_bytes row = leaf_row(n, item, &w);
    struct node_key k;
    struct tmx_writer kw = TMX_WRITER_OF(k.data);
    tmx_write_bytes(&kw, node_id(id));
    tmx_write_u8(&kw, (uint8_t)kind);
    if (member != NULL) {
        tmx_write_bytes(&kw, TMX_BYTES(member, TMX_MEMBER_MAX));
    }
    k.size = kw.used;
    struct tmx_bytes kept;
    if (node_get(n, TMX_NT_EVIDENCE, node_kb(&k), &kept) && kept.size > TMX_SHARD_MAX + 8 &&
        memcmp(kept.data, data, TMX_SHARD_MAX + 8) == 0) {
        return;   /* the same leaf: its first proof stays */
    }
    node_put(n, TMX_NT_EVIDENCE, node_kb(&k), row);
    node_upgrade_add(n, item->index, TMX_NT_EVIDENCE, &k);
    node_head_keep(n);
}

void node_prekeys_keep(struct tmx_node *n, const Tmx__PrekeySet *set, const Tmx__FeedItem *item)
{
    uint8_t data[LEAF_ROW_MAX], member[TMX_MEMBER_MAX], shard[TMX_SHARD_MAX];
    struct tmx_writer w = TMX_WRITER_OF(data);
    node_member_key(tmx_pb(set->member), member);
    node_shard_key(n->state.head.shard, shard);
    struct node_key k = node_prekey_leaf_key(member, shard, item->index);
    node_put(n, TMX_NT_PREKEY_LEAF, node_kb(&k), leaf_row(n, item, &w));
    node_prekey_index(n, member, shard, item->index, set);
    node_upgrade_add(n, item->index, TMX_NT_PREKEY_LEAF, &k);
    node_head_keep(n);
}

bool node_evidence_place(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], enum tmx_evidence_kind kind,
                         uint8_t ret_shard[TMX_SHARD_MAX], uint64_t *ret_index)
{
    struct node_key k;
    struct tmx_writer w = TMX_WRITER_OF(k.data);
    tmx_write_bytes(&w, node_id(id));
    tmx_write_u8(&w, (uint8_t)kind);
    tmx_write_bytes(&w, TMX_BYTES_OF(n->member));
    k.size = w.used;
    struct tmx_bytes value;
    if (!node_get(n, TMX_NT_EVIDENCE, node_kb(&k), &value)) {
        return false;
    }
    struct tmx_reader r = tmx_reader_init(value);
    tmx_read_into(&r, ret_shard, TMX_SHARD_MAX);
    *ret_index = tmx_read_u64(&r);
    return tmx_reader_ok(&r);
}

/* A kept leaf, copied into the scratch arena. */
static bool leaf_get(struct tmx_node *n, const struct node_key *k, uint8_t ret_shard[TMX_SHARD_MAX], uint64_t *ret_index,
                     struct tmx_bytes *ret_entry)
{
    struct tmx_bytes value, copy;
    if (!node_get(n, TMX_NT_EVIDENCE, node_kb(k), &value) || !tmx_arena_copy(&n->scratch, value, &copy)) {
        return false;
    }
    struct tmx_reader r = tmx_reader_init(copy);
    tmx_read_into(&r, ret_shard, TMX_SHARD_MAX);
    *ret_index = tmx_read_u64(&r);
    tmx_read_u64(&r);
    tmx_read_bytes(&r, tmx_read_u16(&r));
    *ret_entry = tmx_read_bytes(&r, r.left);
    return tmx_reader_ok(&r);
}

bool node_acceptance_read(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], Tmx__FeedItem *ret_item,
                          Tmx__LogEntry **ret_entry, Tmx__Header **ret_header)
{
    struct node_key k = node_key_id_u8(id, TMX_EVIDENCE_ACCEPTANCE);
    uint8_t shard[TMX_SHARD_MAX];
    struct tmx_bytes leaf;
    *ret_item = (Tmx__FeedItem)TMX__FEED_ITEM__INIT;
    if (!leaf_get(n, &k, shard, &ret_item->index, &leaf)) {
        return false;
    }
    ret_item->entry = tmx_to_pb(leaf);
    return tmx_entry_parse(leaf, &n->scratch, ret_entry) == TMX_CODE_OK &&
           tmx_header_parse(tmx_pb((*ret_entry)->body), &n->scratch, ret_header) == TMX_CODE_OK;
}

bool node_leaf_read(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], enum tmx_evidence_kind kind, const uint8_t *member,
                    uint8_t ret_shard[TMX_SHARD_MAX], uint64_t *ret_index, Tmx__LogEntry **ret_entry)
{
    struct node_key k = node_key_id_u8(id, (uint8_t)kind);
    struct tmx_bytes entry;
    if (member != NULL) {
        memcpy(k.data + k.size, member, TMX_MEMBER_MAX);
        k.size += TMX_MEMBER_MAX;
    }
    return leaf_get(n, &k, ret_shard, ret_index, &entry) && tmx_entry_parse(entry, &n->scratch, ret_entry) == TMX_CODE_OK;
}
