/* SPDX-License-Identifier: Apache-2.0
 * What does not fit ends the trust in this broker (LINK-6, LINK-7, LINK-12): it is kept as a file for others, the shell puts it beside
 * the spool, and nothing of the broker is used until an operator acted.
 */
#include <stdlib.h>
#include <string.h>

#include "core.h"

static void keep(struct tmx_node *n, const struct tmx_misbehaviour *m)
{
    const size_t size = 8 + TMX_MISBEHAVIOUR_MAX;
    uint8_t *row = malloc(size);
    if (row == NULL) {
        node_fault(n, -ENOMEM);
        return;
    }
    struct tmx_writer w = tmx_writer_init(row, size);
    struct node_key k = node_key_u64(n->state.alarm);
    tmx_write_u64(&w, n->wall_ms);
    tmx_misbehaviour_write(m, &w);
    node_insert(n, TMX_NT_MISBEHAVIOUR, node_kb(&k), tmx_written(&w));
    free(row);
}

static void distrust(struct tmx_node *n, const char *event, const struct tmx_misbehaviour *m)
{
    node_alarm(n, event, NULL, NULL, TMX_CODE_BAD_HEAD, TMX_BYTES_NULL);
    keep(n, m);
    n->misbehaved = true;
    n->state.distrust = true;
    n->state_dirty = true;
    node_link_lost(n, "link.distrust", false);
}

/* A note has a bound; what is longer is no note, and stays too long for one. */
static struct tmx_bytes as_note(struct tmx_bytes b)
{
    return tmx_bytes_slice(b, 0, b.size < TMX_NOTE_MAX ? b.size : TMX_NOTE_MAX);
}

/* The key of the log that a head names: a witness is asked about any log of the directory. Otherwise that of this shard. */
static const struct tmx_verify_key *key_of(const struct tmx_node *n, struct tmx_bytes note)
{
    const struct tmx_misbehaviour m = { .first = note };
    char origin[TMX_KEYNAME_MAX + 1];
    const struct tmx_verify_key *key =
        tmx_misbehaviour_origin(&m, origin) ? tmx_directory_origin_key(n->directory, origin) : NULL;
    return key != NULL ? key : tmx_directory_log_key(n->directory, tmx_bytes_str(n->state.head.shard));
}

void node_heads_distrust(struct tmx_node *n, struct tmx_bytes held, struct tmx_bytes shown, struct tmx_bytes proof,
                         struct tmx_bytes root)
{
    const struct tmx_verify_key *key = key_of(n, shown);
    struct tmx_misbehaviour m = { .kind = TMX_MISBEHAVIOUR_NOT_SIGNED, .first = as_note(held), .second = as_note(shown) };
    if (key != NULL) {
        m = tmx_misbehaviour_heads(key, m.first, m.second, proof, root);
    }
    distrust(n, "log.head-wrong", &m);
}

void node_item_distrust(struct tmx_node *n, struct tmx_bytes head, uint64_t index, struct tmx_bytes entry,
                        struct tmx_bytes path)
{
    struct tmx_misbehaviour m = {
        .kind = TMX_MISBEHAVIOUR_NOT_INCLUDED, .first = as_note(head), .index = index, .entry = entry, .path = path
    };
    distrust(n, "log.inclusion-wrong", &m);
}

void node_seen_distrust(struct tmx_node *n, const Tmx__FeedItem *item, const Tmx__Head *seen)
{
    struct tmx_misbehaviour m = { .kind = TMX_MISBEHAVIOUR_NOT_AS_SEEN,
                                  .first = tmx_node_checkpoint(n),
                                  .index = item->index,
                                  .entry = tmx_pb(item->entry),
                                  .path = tmx_pb(item->path),
                                  .proof = tmx_pb(item->seen) };
    struct tmx_hash root;
    tmx_misbehaviour_root(&m, tmx_pb(item->seen_root));
    if (m.proof.size == 0 && seen->size == n->seen_size) {   /* the item before it has shown the root of so many entries */
        m.proof = TMX_BYTES(n->seen_proof.hash, n->seen_proof.n * TMX_HASH_SIZE);
        tmx_misbehaviour_root(&m, TMX_BYTES_OF(n->seen_root.b));
    } else if (tmx_merkle_consistency_root(seen->size, n->state.head.size, &n->state.head.root, m.proof, &root)) {
        tmx_misbehaviour_root(&m, TMX_BYTES_OF(root.b));
    }
    distrust(n, "log.seen-wrong", &m);
}

bool tmx_node_misbehaviour(struct tmx_node *n, uint64_t from, struct tmx_node_misbehaviour_view *ret_view)
{
    struct node_key k = node_key_u64(from);
    struct tmx_bytes key, value;
    if (!node_seek(n, TMX_NT_MISBEHAVIOUR, node_kb(&k), 0, &key, &value)) {
        return false;
    }
    struct tmx_reader r = tmx_reader_init(value);
    ret_view->number = node_u64(key);
    ret_view->at_ms = tmx_read_u64(&r);
    ret_view->file = tmx_read_bytes(&r, r.left);
    return tmx_reader_ok(&r);
}
