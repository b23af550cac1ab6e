/* SPDX-License-Identifier: Apache-2.0
 * Two signed heads of one log, and what lies between them.
 */
#include <stdio.h>
#include <string.h>

#include <tmx/misbehaviour.h>

#include "compare.h"

static int fail(char why[HISTORY_WHY_MAX], int error, const char *path, const char *what)
{
    snprintf(why, HISTORY_WHY_MAX, "%s: %s", path, what);
    return error;
}

static struct tmx_bytes proof_bytes(const struct tmx_proof *p)
{
    return TMX_BYTES(p->hash, p->n * TMX_HASH_SIZE);
}

/* The root of an export's first `size` entries and the proof that its signed head continues them. False: its tiles do
 * not lead to that head. */
static bool root_at(struct tmx_history *h, uint64_t size, struct tmx_hash *ret_root, struct tmx_proof *ret_proof)
{
    if (size == h->head.size) {
        *ret_root = h->head.root;
        ret_proof->n = 0;
        return true;
    }
    return tmx_merkle_root(size, tmx_history_fetch, h, ret_root) &&
           tmx_merkle_consistency(size, h->head.size, tmx_history_fetch, h, ret_proof) &&
           tmx_merkle_verify_consistency(size, ret_root, h->head.size, &h->head.root, proof_bytes(ret_proof));
}

/* Whether an export's hash of an entry leads to its head. */
static bool leaf_is_signed(struct tmx_history *h, uint64_t index)
{
    struct tmx_hash leaf;
    struct tmx_proof path;

    return tmx_history_fetch(h, 0, index, &leaf) &&
           tmx_merkle_path(index, h->head.size, tmx_history_fetch, h, &path) &&
           tmx_merkle_verify_path(index, h->head.size, &leaf, proof_bytes(&path), &h->head.root);
}

struct pair {
    struct tmx_history *a;
    struct tmx_history *b;
};

static bool differs(const struct pair *p, unsigned level, uint64_t index)
{
    struct tmx_hash a;
    struct tmx_hash b;

    return !tmx_history_fetch(p->a, level, index, &a) || !tmx_history_fetch(p->b, level, index, &b) ||
           !tmx_hash_eq(&a, &b);
}

/* The first entry below `size` whose hash differs: from the left through the perfect subtrees of a tree of that size,
 * then down in the one that differs. */
static bool first_difference(const struct pair *p, uint64_t size, uint64_t *ret_index)
{
    uint64_t at = 0;

    for (unsigned level = TMX_TREE_DEPTH_MAX; level-- > 0;) {
        if ((size >> level & 1) == 0) {
            continue;
        }
        if (!differs(p, level, at >> level)) {
            at += (uint64_t)1 << level;
            continue;
        }
        while (level-- > 0) {
            if (!differs(p, level, at >> level)) {
                at += (uint64_t)1 << level;
            }
        }
        *ret_index = at;
        return leaf_is_signed(p->a, at) && leaf_is_signed(p->b, at);
    }
    return false;
}

int tmx_compare(struct tmx_history *shorter, struct tmx_history *longer, struct tmx_comparison *ret_comparison,
                char ret_why[HISTORY_WHY_MAX])
{
    const struct pair both = { shorter, longer };
    struct tmx_comparison c = { .fork = false };

    assert(shorter->head.size <= longer->head.size);
    if (strcmp(shorter->head.origin, longer->head.origin) != 0) {
        snprintf(ret_why, HISTORY_WHY_MAX, "these are two logs: %s is of %s, %s of %s", shorter->path,
                 shorter->head.origin, longer->path, longer->head.origin);
        return -ESRCH;
    }
    if (longer->fd < 0 && shorter->head.size < longer->head.size) {
        return fail(ret_why, -EINVAL, longer->path,
                    "a checkpoint alone does not show what is between: name the export that goes with it");
    }
    if (!root_at(longer, shorter->head.size, &c.first_root, &c.consistency)) {
        return fail(ret_why, -EBADMSG, longer->path,
                    "its tiles do not lead to its signed root: tmx-audit verify says what is wrong");
    }
    c.fork = !tmx_hash_eq(&c.first_root, &shorter->head.root);
    if (c.fork && shorter->fd >= 0 && longer->fd >= 0) {
        c.located = first_difference(&both, shorter->head.size, &c.index);
    }
    *ret_comparison = c;
    return 0;
}

void tmx_fork_proof(const struct tmx_history *shorter, const struct tmx_history *longer,
                    const struct tmx_comparison *c, struct tmx_writer *w)
{
    const struct tmx_misbehaviour m = { .kind = TMX_MISBEHAVIOUR_FORK,
                                        .first = TMX_BYTES(shorter->note, shorter->note_size),
                                        .second = TMX_BYTES(longer->note, longer->note_size),
                                        .has_root = c->consistency.n > 0,
                                        .root = c->first_root,
                                        .proof = proof_bytes(&c->consistency) };

    assert(c->fork);
    tmx_misbehaviour_write(&m, w);
}
