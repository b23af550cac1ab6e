/* SPDX-License-Identifier: Apache-2.0
 * Merkle tree against RFC 6962 as written (recursive, from the leaves) and against known roots: LOG-1, BAT-1.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <string.h>

#include <tmx/merkle.h>
#include <tmx/text.h>

#define SIZES 96u

static struct tmx_hash leaves[SIZES + 1];
static struct tmx_hash roots[SIZES + 1]; /* roots[n] of the first n leaves */

/* RFC 6962 section 2.1, word for word. */

static struct tmx_hash sha256_pair(const struct tmx_hash *l, const struct tmx_hash *r)
{
    uint8_t in[65] = { 1 };
    struct tmx_hash h;

    memcpy(in + 1, l->b, 32);
    memcpy(in + 33, r->b, 32);
    crypto_hash_sha256(h.b, in, sizeof in);
    return h;
}

static size_t split(size_t n)
{
    size_t k = 1;

    while (k * 2 < n) {
        k *= 2;
    }
    return k;
}

static struct tmx_hash mth(const struct tmx_hash *d, size_t n)
{
    struct tmx_hash l;
    struct tmx_hash r;

    if (n == 1) {
        return d[0];
    }
    l = mth(d, split(n));
    r = mth(d + split(n), n - split(n));
    return sha256_pair(&l, &r);
}

static void path(size_t m, const struct tmx_hash *d, size_t n, struct tmx_proof *p)
{
    const size_t k = n > 1 ? split(n) : 0;

    if (n == 1) {
        return;
    }
    if (m < k) {
        path(m, d, k, p);
        p->hash[p->n++] = mth(d + k, n - k);
    } else {
        path(m - k, d + k, n - k, p);
        p->hash[p->n++] = mth(d, k);
    }
}

static void subproof(size_t m, const struct tmx_hash *d, size_t n, bool complete, struct tmx_proof *p)
{
    const size_t k = n > 1 ? split(n) : 0;

    if (m == n) {
        if (!complete) {
            p->hash[p->n++] = mth(d, n);
        }
        return;
    }
    if (m <= k) {
        subproof(m, d, k, complete, p);
        p->hash[p->n++] = mth(d + k, n - k);
    } else {
        subproof(m - k, d + k, n - k, false, p);
        p->hash[p->n++] = mth(d, k);
    }
}

/* With and without the memory of what was verified before: one answer. */
static bool verifies(uint64_t index, uint64_t size, const struct tmx_hash *leaf, struct tmx_bytes path,
                     const struct tmx_hash *root)
{
    static struct tmx_merkle_memo memo;
    bool is = tmx_merkle_verify_path(index, size, leaf, path, root);
    assert_int_equal(tmx_merkle_verify_next(&memo, index, size, leaf, path, root), is);
    assert_int_equal(tmx_merkle_verify_next(&memo, index, size, leaf, path, root), is);
    return is;
}

static struct tmx_bytes proof_bytes(const struct tmx_proof *p)
{
    return TMX_BYTES(p->hash, p->n * TMX_HASH_SIZE);
}

static bool fetch(void *ctx, unsigned level, uint64_t index, struct tmx_hash *ret_hash)
{
    uint64_t *fetched = ctx;

    (*fetched)++;
    assert_true(((index + 1) << level) <= SIZES);
    *ret_hash = mth(leaves + (index << level), 1u << level);
    return true;
}

static bool fetch_nothing(void *ctx, unsigned level, uint64_t index, struct tmx_hash *ret_hash)
{
    return false;
}

static int setup(void **state)
{
    for (unsigned i = 0; i <= SIZES; i++) {
        const uint8_t entry[3] = { (uint8_t)i, 'd', (uint8_t)(i >> 8) };

        leaves[i] = tmx_merkle_leaf(TMX_BYTES(entry, i % 4 == 0 ? 1 : 3));
    }
    for (size_t n = 1; n <= SIZES; n++) {
        roots[n] = mth(leaves, n);
    }
    return sodium_init() < 0;
}

static void assert_hash_hex(const struct tmx_hash *hash, const char *hex)
{
    char text[2 * TMX_HASH_SIZE + 1];

    tmx_hex(TMX_BYTES_OF(hash->b), text);
    assert_string_equal(text, hex);
}

/* The eight entries and roots of the Certificate Transparency reference tests. LOG-1 */
static void test_known_roots(void **state)
{
    static const struct {
        const char *entry;
        const char *root;
    } cases[] = {
        { "", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d" },
        { "00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125" },
        { "10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77" },
        { "2021", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7" },
        { "3031", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4" },
        { "40414243", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef" },
        { "5051525354555657", "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c" },
        { "606162636465666768696a6b6c6d6e6f", "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328" },
    };
    struct tmx_frontier f = { .size = 0 };
    struct tmx_hash root = tmx_frontier_root(&f);

    assert_hash_hex(&root, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    root = tmx_merkle_empty();
    assert_hash_hex(&root, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    for (size_t i = 0; i < TMX_N(cases); i++) {
        uint8_t entry[16];
        const size_t size = strlen(cases[i].entry) / 2;
        struct tmx_hash leaf;

        assert_true(tmx_unhex(tmx_bytes_str(cases[i].entry), entry, size));
        leaf = tmx_merkle_leaf(TMX_BYTES(entry, size));
        tmx_frontier_append(&f, &leaf, NULL, NULL);
        root = tmx_frontier_root(&f);
        assert_hash_hex(&root, cases[i].root);
    }
}

static void test_roots_and_paths(void **state)
{
    struct tmx_frontier f = { .size = 0 };
    uint64_t fetched = 0;

    for (size_t n = 1; n <= SIZES; n++) {
        struct tmx_hash want = mth(leaves, n);
        struct tmx_hash got;

        tmx_frontier_append(&f, &leaves[n - 1], NULL, NULL);
        got = tmx_frontier_root(&f);
        assert_true(tmx_hash_eq(&got, &want));
        assert_true(tmx_merkle_root(n, fetch, &fetched, &got));
        assert_true(tmx_hash_eq(&got, &want));
        for (size_t i = 0; i < n; i++) {
            struct tmx_proof naive = { .n = 0 };
            struct tmx_proof p;

            path(i, leaves, n, &naive);
            assert_true(tmx_merkle_path(i, n, fetch, &fetched, &p));
            assert_true(tmx_bytes_eq(proof_bytes(&p), proof_bytes(&naive)));
            assert_true(verifies(i, n, &leaves[i], proof_bytes(&p), &want));
        }
    }
}

/* Every way to bend a good inclusion proof. */
static void test_bad_paths(void **state)
{
    for (size_t n = 1; n <= SIZES; n++) {
        const struct tmx_hash root = roots[n];

        for (size_t i = 0; i < n; i++) {
            struct tmx_proof p = { .n = 0 };
            struct tmx_hash bad_root = root;

            path(i, leaves, n, &p);
            for (size_t other = 0; other <= n; other++) {
                assert_true(verifies(other, n, &leaves[i], proof_bytes(&p), &root) == (other == i));
            }
            assert_false(verifies(i, n, &leaves[i + 1], proof_bytes(&p), &root));
            assert_false(verifies(i, 0, &leaves[i], proof_bytes(&p), &root));
            bad_root.b[i % 32] ^= 1;
            assert_false(verifies(i, n, &leaves[i], proof_bytes(&p), &bad_root));
            for (size_t h = 0; h < p.n; h++) {
                p.hash[h].b[(i + h) % 32] ^= 0x80;
                assert_false(verifies(i, n, &leaves[i], proof_bytes(&p), &root));
                p.hash[h].b[(i + h) % 32] ^= 0x80;
            }
            if (p.n > 0) {
                const struct tmx_bytes whole = proof_bytes(&p);

                assert_false(verifies(i, n, &leaves[i], TMX_BYTES(p.hash, whole.size - 32), &root));
                assert_false(verifies(i, n, &leaves[i], TMX_BYTES(p.hash, whole.size - 1), &root));
                assert_false(verifies(i, n, &leaves[i], TMX_BYTES(p.hash + 1, whole.size - 32), &root));
            }
            assert_false(verifies(i, n, &leaves[i], TMX_BYTES(p.hash, (p.n + 1) * 32), &root));
        }
    }
}

/* A proof of another size is no proof of this one, where the two paths differ in length. */
static void test_path_length_is_exact(void **state)
{
    for (size_t n = 1; n <= SIZES; n++) {
        for (size_t i = 0; i < n; i++) {
            struct tmx_proof p = { .n = 0 };
            struct tmx_hash ignored;

            path(i, leaves, n, &p);
            for (size_t hashes = 0; hashes <= p.n + 2; hashes++) {
                assert_true(tmx_merkle_path_root(i, n, &leaves[i], TMX_BYTES(p.hash, hashes * 32), &ignored) ==
                            (hashes == p.n));
            }
        }
    }
}

static void test_consistency(void **state)
{
    uint64_t fetched = 0;

    for (size_t n = 1; n <= SIZES; n++) {
        const struct tmx_hash root = roots[n];

        for (size_t m = 1; m <= n; m++) {
            const struct tmx_hash old_root = roots[m];
            struct tmx_proof naive = { .n = 0 };
            struct tmx_proof p;

            subproof(m, leaves, n, true, &naive);
            assert_true(tmx_merkle_consistency(m, n, fetch, &fetched, &p));
            assert_true(tmx_bytes_eq(proof_bytes(&p), proof_bytes(&naive)));
            assert_true(tmx_merkle_verify_consistency(m, &old_root, n, &root, proof_bytes(&p)));
        }
    }
}

static void bend_consistency(size_t m, size_t n, struct tmx_proof *p, const struct tmx_hash *old_root,
                             const struct tmx_hash *root)
{
    struct tmx_hash bad = *root;

    bad.b[31] ^= 1;
    assert_false(tmx_merkle_verify_consistency(m, old_root, n, &bad, proof_bytes(p)));
    bad = *old_root;
    bad.b[0] ^= 1;
    assert_false(tmx_merkle_verify_consistency(m, &bad, n, root, proof_bytes(p)));
    for (size_t h = 0; h < p->n; h++) {
        p->hash[h].b[(m + h) % 32] ^= 4;
        assert_false(tmx_merkle_verify_consistency(m, old_root, n, root, proof_bytes(p)));
        p->hash[h].b[(m + h) % 32] ^= 4;
    }
    assert_false(tmx_merkle_verify_consistency(m, old_root, n, root, TMX_BYTES(p->hash, (p->n + 1) * 32)));
    assert_false(tmx_merkle_verify_consistency(m, old_root, n, root, TMX_BYTES(p->hash, p->n * 32 + 5)));
    if (p->n > 0) {
        assert_false(tmx_merkle_verify_consistency(m, old_root, n, root, TMX_BYTES(p->hash, (p->n - 1) * 32)));
        assert_false(tmx_merkle_verify_consistency(m, old_root, n, root, TMX_BYTES(p->hash + 1, (p->n - 1) * 32)));
        assert_false(tmx_merkle_verify_consistency(m, old_root, n, root, TMX_BYTES_NULL));
        assert_false(tmx_merkle_verify_consistency(n, root, m, old_root, proof_bytes(p)));
    }
    /* A size with more levels needs more hashes, whatever the roots are. */
    for (uint64_t more = 2 * SIZES; more > 2 * n; more /= 2) {
        assert_false(tmx_merkle_verify_consistency(m, old_root, more, root, proof_bytes(p)));
    }
}

static void test_bad_consistency(void **state)
{
    struct tmx_proof p;

    for (size_t n = 1; n <= SIZES; n++) {
        const struct tmx_hash root = roots[n];

        for (size_t m = 1; m <= n; m++) {
            const struct tmx_hash old_root = roots[m];

            p.n = 0;
            subproof(m, leaves, n, true, &p);
            bend_consistency(m, n, &p, &old_root, &root);
            for (size_t other = 1; other < n; other++) {
                if (other != m) {
                    assert_false(tmx_merkle_verify_consistency(m, &roots[other], n, &root, proof_bytes(&p)));
                }
            }
        }
    }
}

static void test_edges(void **state)
{
    const struct tmx_hash root = mth(leaves, 7);
    const struct tmx_hash other = mth(leaves, 6);
    struct tmx_proof p;
    struct tmx_hash got;

    /* Nothing is consistent with everything. */
    assert_true(tmx_merkle_consistency(0, 7, fetch_nothing, NULL, &p));
    assert_int_equal(p.n, 0);
    assert_true(tmx_merkle_verify_consistency(0, &other, 7, &root, TMX_BYTES_NULL));
    assert_false(tmx_merkle_verify_consistency(0, &other, 7, &root, TMX_BYTES_OF(other.b)));
    assert_true(tmx_merkle_consistency(0, 0, fetch_nothing, NULL, &p));
    assert_false(tmx_merkle_verify_consistency(7, &other, 7, &root, TMX_BYTES_NULL));
    /* Sizes no tree reaches end the walk, they do not run it. */
    assert_false(verifies(0, UINT64_MAX, &root, TMX_BYTES_OF(other.b), &root));
    assert_false(tmx_merkle_verify_consistency(1, &other, UINT64_MAX, &root, TMX_BYTES_OF(other.b)));
    /* A missing node fails the proof and leaves the output alone. */
    p.n = 77;
    assert_false(tmx_merkle_path(3, 7, fetch_nothing, NULL, &p));
    assert_false(tmx_merkle_consistency(3, 7, fetch_nothing, NULL, &p));
    assert_int_equal(p.n, 77);
    assert_false(tmx_merkle_root(3, fetch_nothing, NULL, &got));
    assert_true(tmx_merkle_root(0, fetch_nothing, NULL, &got));
}

static void check_completed(void *ctx, unsigned level, uint64_t index, const struct tmx_hash *hash)
{
    unsigned *next_level = ctx;
    const struct tmx_hash want = mth(leaves + (index << level), 1u << level);

    assert_int_equal(level, *next_level);
    (*next_level)++;
    assert_true(tmx_hash_eq(hash, &want));
}

static void test_completed_subtrees(void **state)
{
    struct tmx_frontier f = { .size = 0 };

    for (uint64_t n = 1; n <= SIZES; n++) {
        unsigned levels = 0;

        tmx_frontier_append(&f, &leaves[n - 1], check_completed, &levels);
        assert_int_equal(levels, 1 + __builtin_ctzll(n));
    }
}

/* BAT-1 */
static void test_list(void **state)
{
    static struct tmx_merkle_list list;

    for (size_t n = 1; n <= TMX_BATCH_MAX; n++) {
        const struct tmx_hash root = roots[n];

        tmx_merkle_list_init(leaves, n, &list);
        assert_true(tmx_hash_eq(&list.root, &root));
        for (size_t i = 0; i < n; i++) {
            struct tmx_proof naive = { .n = 0 };
            struct tmx_proof p;

            path(i, leaves, n, &naive);
            tmx_merkle_list_path(&list, i, &p);
            assert_true(p.n <= TMX_BATCH_PATH_MAX);
            assert_true(tmx_bytes_eq(proof_bytes(&p), proof_bytes(&naive)));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_roots), cmocka_unit_test(test_roots_and_paths),
        cmocka_unit_test(test_bad_paths),   cmocka_unit_test(test_path_length_is_exact),
        cmocka_unit_test(test_consistency), cmocka_unit_test(test_bad_consistency),
        cmocka_unit_test(test_edges),       cmocka_unit_test(test_completed_subtrees),
        cmocka_unit_test(test_list),
    };

    return cmocka_run_group_tests_name("merkle", tests, setup, NULL);
}
