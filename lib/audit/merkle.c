/* SPDX-License-Identifier: Apache-2.0
 * The Merkle tree of RFC 6962: hashes, the appender's frontier, proofs from stored subtrees and their checks.
 * Everything is iterative: a tree has at most TMX_TREE_DEPTH_MAX levels, whatever a peer claims.
 */
#include <string.h>

#include <tmx/merkle.h>

#include "sha256.h"

#define SIZE_MAX_LEAVES ((1ull << TMX_TREE_DEPTH_MAX) - 1)

struct tmx_hash tmx_merkle_leaf(struct tmx_bytes entry)
{
    static const uint8_t prefix[1] = { 0x00 };

    return tmx_sha256(TMX_BYTES_OF(prefix), entry);
}

struct tmx_hash tmx_merkle_node(const struct tmx_hash *left, const struct tmx_hash *right)
{
    uint8_t input[1 + 2 * TMX_HASH_SIZE];

    input[0] = 0x01;
    memcpy(input + 1, left->b, TMX_HASH_SIZE);
    memcpy(input + 1 + TMX_HASH_SIZE, right->b, TMX_HASH_SIZE);
    return tmx_sha256(TMX_BYTES_OF(input), TMX_BYTES_NULL);
}

struct tmx_hash tmx_merkle_empty(void)
{
    return tmx_sha256(TMX_BYTES_NULL, TMX_BYTES_NULL);
}

bool tmx_hash_eq(const struct tmx_hash *a, const struct tmx_hash *b)
{
    return memcmp(a->b, b->b, TMX_HASH_SIZE) == 0;
}

void tmx_frontier_append(struct tmx_frontier *f, const struct tmx_hash *leaf, tmx_merkle_completed_fn *completed,
                         void *ctx)
{
    struct tmx_hash hash = *leaf;
    unsigned level = 0;

    assert(f->size < SIZE_MAX_LEAVES);
    for (;;) {
        if (completed != NULL) {
            completed(ctx, level, f->size >> level, &hash);
        }
        if ((f->size >> level & 1) == 0) {
            break;
        }
        hash = tmx_merkle_node(&f->level[level], &hash);
        level++;
    }
    f->level[level] = hash;
    f->size++;
}

struct tmx_hash tmx_frontier_root(const struct tmx_frontier *f)
{
    struct tmx_hash root = tmx_merkle_empty();
    bool any = false;

    for (unsigned level = 0; level < TMX_TREE_DEPTH_MAX; level++) {
        if ((f->size >> level & 1) == 0) {
            continue;
        }
        root = any ? tmx_merkle_node(&f->level[level], &root) : f->level[level];
        any = true;
    }
    return root;
}

/* log2 of the largest power of two below n; n >= 2. */
static unsigned split_level(uint64_t n)
{
    return 63u - (unsigned)__builtin_clzll(n - 1);
}

/* MTH(D[from:to]); `from` is a multiple of every power of two that (to - from) holds. */
static bool range_root(uint64_t from, uint64_t to, tmx_merkle_fetch_fn *fetch, void *ctx, struct tmx_hash *ret_root)
{
    const uint64_t n = to - from;
    struct tmx_hash root = { { 0 } };
    bool any = false;

    for (unsigned level = 0; level < 64 && n >> level != 0; level++) {
        struct tmx_hash part;

        if ((n >> level & 1) == 0) {
            continue;
        }
        /* What lies left of this perfect subtree inside the range are its larger ones. */
        if (!fetch(ctx, level, (to >> level) - 1, &part)) {
            return false;
        }
        root = any ? tmx_merkle_node(&part, &root) : part;
        any = true;
        to -= 1ull << level;
    }
    *ret_root = root;
    return true;
}

static void reverse(struct tmx_proof *p)
{
    for (size_t i = 0; i < p->n / 2; i++) {
        const struct tmx_hash swap = p->hash[i];

        p->hash[i] = p->hash[p->n - 1 - i];
        p->hash[p->n - 1 - i] = swap;
    }
}

bool tmx_merkle_path(uint64_t index, uint64_t size, tmx_merkle_fetch_fn *fetch, void *ctx, struct tmx_proof *ret_proof)
{
    struct tmx_proof proof = { 0 };
    uint64_t from = 0;
    uint64_t to = size;

    assert(index < size && size <= SIZE_MAX_LEAVES);
    while (to - from > 1) {
        const uint64_t middle = from + (1ull << split_level(to - from));
        const bool left = index < middle;

        if (!range_root(left ? middle : from, left ? to : middle, fetch, ctx, &proof.hash[proof.n])) {
            return false;
        }
        proof.n++;
        from = left ? from : middle;
        to = left ? middle : to;
    }
    reverse(&proof);
    *ret_proof = proof;
    return true;
}

bool tmx_merkle_consistency(uint64_t first, uint64_t second, tmx_merkle_fetch_fn *fetch, void *ctx,
                            struct tmx_proof *ret_proof)
{
    struct tmx_proof proof = { 0 };
    uint64_t from = 0;
    uint64_t to = second;

    assert(first <= second && second <= SIZE_MAX_LEAVES);
    while (first != 0 && first != to) {
        const uint64_t middle = from + (1ull << split_level(to - from));
        const bool left = first <= middle;

        if (!range_root(left ? middle : from, left ? to : middle, fetch, ctx, &proof.hash[proof.n])) {
            return false;
        }
        proof.n++;
        from = left ? from : middle;
        to = left ? middle : to;
    }
    /* From the left edge on the verifier knows the old root itself; else it needs this subtree. */
    if (from > 0) {
        if (!range_root(from, to, fetch, ctx, &proof.hash[proof.n])) {
            return false;
        }
        proof.n++;
    }
    reverse(&proof);
    *ret_proof = proof;
    return true;
}

bool tmx_merkle_root(uint64_t size, tmx_merkle_fetch_fn *fetch, void *ctx, struct tmx_hash *ret_root)
{
    assert(size <= SIZE_MAX_LEAVES);
    if (size == 0) {
        *ret_root = tmx_merkle_empty();
        return true;
    }
    return range_root(0, size, fetch, ctx, ret_root);
}

/* Walks one level up, and past the levels where the node is alone at the right edge. */
static void climb(uint64_t *fn, uint64_t *sn, bool right)
{
    while (right && (*fn & 1) == 0 && *fn != 0) {
        *fn >>= 1;
        *sn >>= 1;
    }
    *fn >>= 1;
    *sn >>= 1;
}

static struct tmx_hash node_of(struct tmx_merkle_memo *memo, unsigned level, const struct tmx_hash *left,
                               const struct tmx_hash *right)
{
    if (memo == NULL || level >= TMX_TREE_DEPTH_MAX) {
        return tmx_merkle_node(left, right);
    }
    if (!memo->level[level].set || !tmx_hash_eq(&memo->level[level].left, left) ||
        !tmx_hash_eq(&memo->level[level].right, right)) {
        memo->level[level].left = *left;
        memo->level[level].right = *right;
        memo->level[level].node = tmx_merkle_node(left, right);
        memo->level[level].set = true;
    }
    return memo->level[level].node;
}

static bool path_root(struct tmx_merkle_memo *memo, uint64_t index, uint64_t size, const struct tmx_hash *leaf,
                      struct tmx_bytes path, struct tmx_hash *ret_root)
{
    struct tmx_reader r = tmx_reader_init(path);
    struct tmx_hash root = *leaf;
    uint64_t fn = index;
    uint64_t sn = size - 1;
    unsigned level = 0;

    if (index >= size || path.size % TMX_HASH_SIZE != 0) {
        return false;
    }
    while (r.left > 0) {
        const bool right = (fn & 1) == 1 || fn == sn;
        struct tmx_hash sibling;

        if (sn == 0) {
            return false;
        }
        tmx_read_into(&r, sibling.b, TMX_HASH_SIZE);
        root = right ? node_of(memo, level, &sibling, &root) : node_of(memo, level, &root, &sibling);
        level++;
        climb(&fn, &sn, right);
    }
    if (sn != 0) {
        return false;
    }
    *ret_root = root;
    return true;
}

bool tmx_merkle_next_root(struct tmx_merkle_memo *memo, uint64_t index, uint64_t size, const struct tmx_hash *leaf,
                          struct tmx_bytes path, struct tmx_hash *ret_root)
{
    return path_root(memo, index, size, leaf, path, ret_root);
}

bool tmx_merkle_path_root(uint64_t index, uint64_t size, const struct tmx_hash *leaf, struct tmx_bytes path,
                          struct tmx_hash *ret_root)
{
    return path_root(NULL, index, size, leaf, path, ret_root);
}

bool tmx_merkle_verify_next(struct tmx_merkle_memo *memo, uint64_t index, uint64_t size, const struct tmx_hash *leaf,
                            struct tmx_bytes path, const struct tmx_hash *root)
{
    struct tmx_hash reached;
    return path_root(memo, index, size, leaf, path, &reached) && tmx_hash_eq(&reached, root);
}

bool tmx_merkle_verify_path(uint64_t index, uint64_t size, const struct tmx_hash *leaf, struct tmx_bytes path,
                            const struct tmx_hash *root)
{
    struct tmx_hash reached;

    return tmx_merkle_path_root(index, size, leaf, path, &reached) && tmx_hash_eq(&reached, root);
}

/* Where a proof between trees of different sizes leads to, in both. `seed` is the first tree's root, which a proof does not
 * hold when `first` is a power of two: it starts from there. */
static bool consistency_roots(uint64_t first, const struct tmx_hash *seed, uint64_t second, struct tmx_bytes proof,
                              struct tmx_hash *ret_old, struct tmx_hash *ret_new)
{
    struct tmx_reader r = tmx_reader_init(proof);
    struct tmx_hash old_root;
    struct tmx_hash new_root;
    uint64_t fn = first - 1;
    uint64_t sn = second - 1;

    if (proof.size == 0 || proof.size % TMX_HASH_SIZE != 0) {
        return false;
    }
    while ((fn & 1) == 1) {
        fn >>= 1;
        sn >>= 1;
    }
    if (fn == 0) {
        old_root = *seed;
    } else {
        tmx_read_into(&r, old_root.b, TMX_HASH_SIZE);
    }
    new_root = old_root;
    while (r.left > 0) {
        const bool right = (fn & 1) == 1 || fn == sn;
        struct tmx_hash sibling;

        if (sn == 0) {
            return false;
        }
        tmx_read_into(&r, sibling.b, TMX_HASH_SIZE);
        if (right) {
            old_root = tmx_merkle_node(&sibling, &old_root);
            new_root = tmx_merkle_node(&sibling, &new_root);
        } else {
            new_root = tmx_merkle_node(&new_root, &sibling);
        }
        climb(&fn, &sn, right);
    }
    *ret_old = old_root;
    *ret_new = new_root;
    return sn == 0;
}

bool tmx_merkle_verify_consistency(uint64_t first, const struct tmx_hash *first_root, uint64_t second,
                                   const struct tmx_hash *second_root, struct tmx_bytes proof)
{
    struct tmx_hash old_root;
    struct tmx_hash new_root;

    if (first > second) {
        return false;
    }
    if (first == 0) {
        return proof.size == 0;
    }
    if (first == second) {
        return proof.size == 0 && tmx_hash_eq(first_root, second_root);
    }
    return consistency_roots(first, first_root, second, proof, &old_root, &new_root) &&
           tmx_hash_eq(&old_root, first_root) && tmx_hash_eq(&new_root, second_root);
}

bool tmx_merkle_consistency_root(uint64_t first, uint64_t second, const struct tmx_hash *second_root,
                                 struct tmx_bytes proof, struct tmx_hash *ret_first_root)
{
    struct tmx_hash new_root;

    return first > 0 && first < second && (first & (first - 1)) != 0 &&
           consistency_roots(first, NULL, second, proof, ret_first_root, &new_root) && tmx_hash_eq(&new_root, second_root);
}

static void list_completed(void *ctx, unsigned level, uint64_t index, const struct tmx_hash *hash)
{
    struct tmx_merkle_list *list = ctx;

    list->node[level][index] = *hash;
}

static bool list_fetch(void *ctx, unsigned level, uint64_t index, struct tmx_hash *ret_hash)
{
    const struct tmx_merkle_list *list = ctx;

    *ret_hash = list->node[level][index];
    return true;
}

void tmx_merkle_list_init(const struct tmx_hash *leaves, size_t n, struct tmx_merkle_list *ret_list)
{
    struct tmx_frontier f = { .size = 0 };

    assert(n >= 1 && n <= TMX_BATCH_MAX);
    for (size_t i = 0; i < n; i++) {
        tmx_frontier_append(&f, &leaves[i], list_completed, ret_list);
    }
    ret_list->n = n;
    ret_list->root = tmx_frontier_root(&f);
}

void tmx_merkle_list_path(const struct tmx_merkle_list *list, size_t index, struct tmx_proof *ret_path)
{
    const bool ok = tmx_merkle_path(index, list->n, list_fetch, (void *)(uintptr_t)list, ret_path);

    assert(ok);
}
