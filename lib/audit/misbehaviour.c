/* SPDX-License-Identifier: Apache-2.0
 * Proofs of misbehaviour: made of heads, and judged. Contract: tmx/misbehaviour.h; LINK-6, LINK-12 and LOG-8.
 */
#include <string.h>

#include <tmx/misbehaviour.h>
#include <tmx/text.h>

static bool opens(struct tmx_bytes note, const struct tmx_verify_key *key, struct tmx_checkpoint *ret_head)
{
    return note.size > 0 && tmx_checkpoint_verify(note, key, ret_head);
}

/* The root that the history behind a head has for its first `size` entries: the one that the proof holds, or, since from a
 * power of two it holds none, the one beside it. False: the file does not show it. */
static bool first_root(const struct tmx_misbehaviour *m, uint64_t size, const struct tmx_checkpoint *head,
                       struct tmx_hash *ret_root)
{
    struct tmx_hash root;
    bool held = tmx_merkle_consistency_root(size, head->size, &head->root, m->proof, &root);
    bool beside = !held && m->has_root && 0 < size && size < head->size &&
                  tmx_merkle_verify_consistency(size, &m->root, head->size, &head->root, m->proof);
    if (held || beside) {
        *ret_root = held ? root : m->root;
    }
    return held || beside;
}

void tmx_misbehaviour_root(struct tmx_misbehaviour *m, struct tmx_bytes root)
{
    m->has_root = root.size == TMX_HASH_SIZE;
    if (m->has_root) {
        memcpy(m->root.b, root.data, TMX_HASH_SIZE);
    }
}

struct tmx_misbehaviour tmx_misbehaviour_heads(const struct tmx_verify_key *key, struct tmx_bytes held,
                                               struct tmx_bytes shown, struct tmx_bytes proof, struct tmx_bytes root)
{
    struct tmx_misbehaviour m = { .kind = TMX_MISBEHAVIOUR_NOT_SIGNED, .first = held, .second = shown };
    struct tmx_checkpoint first, second;
    if (!opens(shown, key, &second)) {
        return m;
    }
    m.kind = TMX_MISBEHAVIOUR_NOT_CONSISTENT;
    m.proof = proof;
    tmx_misbehaviour_root(&m, root);
    if (!opens(held, key, &first)) {
        m.first = TMX_BYTES_NULL;
        return m;
    }
    if (second.size < first.size) {
        const struct tmx_checkpoint shorter = second;
        second = first;
        first = shorter;
        m.first = shown;
        m.second = held;
    }
    if (first.size == second.size && !tmx_hash_eq(&first.root, &second.root)) {
        m.kind = TMX_MISBEHAVIOUR_FORK;
        m.proof = TMX_BYTES_NULL;
        m.has_root = false;
    } else if (first_root(&m, first.size, &second, &m.root) && !tmx_hash_eq(&m.root, &first.root)) {
        m.kind = TMX_MISBEHAVIOUR_FORK;
        m.has_root = true;
    }
    return m;
}

bool tmx_misbehaviour_origin(const struct tmx_misbehaviour *m, char ret_origin[TMX_KEYNAME_MAX + 1])
{
    struct tmx_bytes text = m->first.size > 0 ? m->first : m->second, origin;
    if (!tmx_take_line(&text, &origin) || !tmx_key_name_ok(origin)) {
        return false;
    }
    memcpy(ret_origin, origin.data, origin.size);
    ret_origin[origin.size] = '\0';
    return true;
}

/* --- judged --------------------------------------------------------------------------------------------------- */

static enum tmx_misbehaviour_verdict judge_heads(const struct tmx_misbehaviour *m, const struct tmx_verify_key *key)
{
    struct tmx_checkpoint first, second;
    const bool whole = m->kind == TMX_MISBEHAVIOUR_FORK;
    struct tmx_hash root;
    if (!opens(m->second, key, &second) || ((whole || m->first.size > 0) && !opens(m->first, key, &first))) {
        return TMX_VERDICT_UNSIGNED;
    }
    if (m->first.size == 0 || first.size > second.size || (whole && first.size == second.size && m->proof.size > 0)) {
        return TMX_VERDICT_UNPROVED;
    }
    if (first.size == second.size) {
        return tmx_hash_eq(&first.root, &second.root) ? TMX_VERDICT_FITS : TMX_VERDICT_FORK;
    }
    if (tmx_merkle_verify_consistency(first.size, &first.root, second.size, &second.root, m->proof)) {
        return TMX_VERDICT_FITS;
    }
    if (whole ? m->has_root && tmx_merkle_verify_consistency(first.size, &m->root, second.size, &second.root, m->proof)
              : first_root(m, first.size, &second, &root)) {
        return TMX_VERDICT_FORK;
    }
    return TMX_VERDICT_UNPROVED;
}

static bool is_included(const struct tmx_misbehaviour *m, const struct tmx_checkpoint *head)
{
    struct tmx_hash leaf = tmx_merkle_leaf(m->entry);
    return m->index < head->size && tmx_merkle_verify_path(m->index, head->size, &leaf, m->path, &head->root);
}

bool tmx_misbehaviour_history(const struct tmx_misbehaviour *m, const struct tmx_verify_key *key, struct tmx_hash *ret_root)
{
    struct tmx_checkpoint head;
    return opens(m->first, key, &head) && first_root(m, m->seen.size, &head, ret_root);
}

/* What a header in the log says that its sender has seen, beside the log that it is in (LOG-6). */
static enum tmx_misbehaviour_verdict judge_seen(const struct tmx_misbehaviour *m, const struct tmx_checkpoint *head)
{
    struct tmx_hash root;
    if (m->seen.size == 0 || !is_included(m, head)) {
        return TMX_VERDICT_UNPROVED;
    }
    if (m->seen.size > m->index) {
        return TMX_VERDICT_FORK_SEEN;   /* of more entries than there were before it */
    }
    if (tmx_merkle_verify_consistency(m->seen.size, &m->seen.root, head->size, &head->root, m->proof)) {
        return TMX_VERDICT_FITS;
    }
    return first_root(m, m->seen.size, head, &root) ? TMX_VERDICT_FORK_SEEN : TMX_VERDICT_UNPROVED;
}

enum tmx_misbehaviour_verdict tmx_misbehaviour_judge(const struct tmx_misbehaviour *m, const struct tmx_verify_key *key)
{
    struct tmx_checkpoint head;
    if (m->kind == TMX_MISBEHAVIOUR_NOT_SIGNED) {
        return opens(m->second, key, &head) ? TMX_VERDICT_FITS : TMX_VERDICT_UNSIGNED;
    }
    if (m->kind != TMX_MISBEHAVIOUR_NOT_INCLUDED && m->kind != TMX_MISBEHAVIOUR_NOT_AS_SEEN) {
        return judge_heads(m, key);
    }
    if (!opens(m->first, key, &head)) {
        return TMX_VERDICT_UNSIGNED;
    }
    if (m->kind == TMX_MISBEHAVIOUR_NOT_AS_SEEN) {
        return judge_seen(m, &head);
    }
    return is_included(m, &head) ? TMX_VERDICT_FITS : TMX_VERDICT_UNPROVED;
}
