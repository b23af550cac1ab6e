/* SPDX-License-Identifier: Apache-2.0
 * The Merkle tree of RFC 6962 section 2.1 (= RFC 9162 section 2.1), SHA-256.
 *
 * struct tmx_frontier is what an appender keeps: the roots of the perfect subtrees that make up the tree.
 * Proofs are made from stored nodes through a callback that returns the hash of a perfect subtree.
 */
#pragma once

#include <tmx/bytes.h>
#include <tmx/limits.h>

struct tmx_hash {
    uint8_t b[TMX_HASH_SIZE];
};

struct tmx_hash tmx_merkle_leaf(struct tmx_bytes entry);                    /* SHA-256(0x00 || entry) */
struct tmx_hash tmx_merkle_node(const struct tmx_hash *left, const struct tmx_hash *right);
struct tmx_hash tmx_merkle_empty(void);                                     /* SHA-256("") */
bool tmx_hash_eq(const struct tmx_hash *a, const struct tmx_hash *b);

struct tmx_frontier {
    uint64_t size;                                /* leaves */
    struct tmx_hash level[TMX_TREE_DEPTH_MAX];    /* level[l] valid iff bit l of size is set */
};

/* A perfect subtree that an append completed: leaves [index << level, (index + 1) << level). */
typedef void tmx_merkle_completed_fn(void *ctx, unsigned level, uint64_t index, const struct tmx_hash *hash);
/* Appends a leaf hash; `completed` (may be NULL) is told level 0 first, then each completed ancestor. */
void tmx_frontier_append(struct tmx_frontier *f, const struct tmx_hash *leaf, tmx_merkle_completed_fn *completed,
                         void *ctx);
struct tmx_hash tmx_frontier_root(const struct tmx_frontier *f);

/* Fetches the hash of the perfect subtree (level, index); false when it cannot. */
typedef bool tmx_merkle_fetch_fn(void *ctx, unsigned level, uint64_t index, struct tmx_hash *ret_hash);
struct tmx_proof {
    size_t n;
    struct tmx_hash hash[TMX_TREE_DEPTH_MAX * 2];
};
/* PATH(index, D[size]), leaf's sibling first. Asserts index < size. False when a fetch failed. */
bool tmx_merkle_path(uint64_t index, uint64_t size, tmx_merkle_fetch_fn *fetch, void *ctx, struct tmx_proof *ret_proof)
    TMX_MUST_CHECK;
/* PROOF(first, D[second]); empty when first == second or first == 0. Asserts first <= second. */
bool tmx_merkle_consistency(uint64_t first, uint64_t second, tmx_merkle_fetch_fn *fetch, void *ctx,
                            struct tmx_proof *ret_proof) TMX_MUST_CHECK;
/* MTH(D[size]) from stored subtrees. */
bool tmx_merkle_root(uint64_t size, tmx_merkle_fetch_fn *fetch, void *ctx, struct tmx_hash *ret_root) TMX_MUST_CHECK;

/* RFC 9162 2.1.3.2 and 2.1.4.2. `path`: whole hashes, concatenated. */
bool tmx_merkle_verify_path(uint64_t index, uint64_t size, const struct tmx_hash *leaf, struct tmx_bytes path,
                            const struct tmx_hash *root) TMX_MUST_CHECK;
/* The nodes above the leaf verified last: the next leaf's path runs through most of them, and what has the same two
 * children needs no hash. All zero: none yet. */
struct tmx_merkle_memo {
    struct {
        bool set;
        struct tmx_hash left, right, node;
    } level[TMX_TREE_DEPTH_MAX];
};
/* The same answer as verify_path, sooner where neighbours are verified one after the other. */
bool tmx_merkle_verify_next(struct tmx_merkle_memo *memo, uint64_t index, uint64_t size, const struct tmx_hash *leaf,
                            struct tmx_bytes path, const struct tmx_hash *root) TMX_MUST_CHECK;
/* Computes the root a path leads to, sooner where neighbours follow each other; false when its length does not fit. */
bool tmx_merkle_next_root(struct tmx_merkle_memo *memo, uint64_t index, uint64_t size, const struct tmx_hash *leaf,
                          struct tmx_bytes path, struct tmx_hash *ret_root) TMX_MUST_CHECK;
/* Computes the root a path leads to; false when its length does not fit. */
bool tmx_merkle_path_root(uint64_t index, uint64_t size, const struct tmx_hash *leaf, struct tmx_bytes path,
                          struct tmx_hash *ret_root) TMX_MUST_CHECK;
/* first == 0 is consistent with everything and needs an empty proof. */
bool tmx_merkle_verify_consistency(uint64_t first, const struct tmx_hash *first_root, uint64_t second,
                                   const struct tmx_hash *second_root, struct tmx_bytes proof) TMX_MUST_CHECK;
/* The root of the first leaves that a proof says the second tree has, when it leads to that tree's root. False: it does not,
 * or `first` is a power of two: then a proof does not hold that root. */
bool tmx_merkle_consistency_root(uint64_t first, uint64_t second, const struct tmx_hash *second_root,
                                 struct tmx_bytes proof, struct tmx_hash *ret_first_root) TMX_MUST_CHECK;

/* A small list (a batch) with every perfect subtree hashed once: n in 1..TMX_BATCH_MAX. */
struct tmx_merkle_list {
    size_t n;
    struct tmx_hash root;
    struct tmx_hash node[TMX_BATCH_PATH_MAX + 1][TMX_BATCH_MAX];   /* [level][index] */
};
void tmx_merkle_list_init(const struct tmx_hash *leaves, size_t n, struct tmx_merkle_list *ret_list);
void tmx_merkle_list_path(const struct tmx_merkle_list *list, size_t index, struct tmx_proof *ret_path);
