/* SPDX-License-Identifier: Apache-2.0
 * Proofs of misbehaviour: what is written is read again and judged by the log's key alone; what fits is called that, and a
 * file with anything else in it is none. LINK-6, LINK-12, LOG-8
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include <tmx/misbehaviour.h>
#include <tmx/tree.h>

#define LEAVES 21u

struct branch {                     /* a history of the log */
    struct tmx_tree *tree;
    struct tmx_bytes note[LEAVES + 1];   /* by size */
    struct tmx_hash root[LEAVES + 1];
    uint8_t notes[LEAVES + 1][TMX_CHECKPOINT_MAX];
};

static struct tmx_verify_key key, other_key;
static uint8_t secret[64], other_secret[64];
static struct branch honest, forked;   /* the same up to leaf 4 */

static struct tmx_bytes entry_of(unsigned i, bool fork, uint8_t ret_entry[2])
{
    ret_entry[0] = (uint8_t)i;
    ret_entry[1] = fork && i >= 4 ? 1 : 0;
    return TMX_BYTES(ret_entry, 2);
}

static void grow(struct branch *b, bool fork)
{
    assert_int_equal(tmx_tree_new(NULL, &b->tree), 0);
    for (unsigned i = 0; i < LEAVES; i++) {
        uint8_t entry[2];
        struct tmx_hash leaf = tmx_merkle_leaf(entry_of(i, fork, entry));
        tmx_tree_append(b->tree, &leaf, NULL, NULL);
        struct tmx_checkpoint c = { .size = i + 1, .root = tmx_tree_root(b->tree) };
        struct tmx_writer w = TMX_WRITER_OF(b->notes[i + 1]);
        memcpy(c.origin, key.name, sizeof(c.origin));
        tmx_checkpoint_sign(&c, &key, secret, &w);
        b->note[i + 1] = tmx_written(&w);
        b->root[i + 1] = c.root;
    }
}

static int setup(void **state)
{
    uint8_t seed[32] = { 7 }, public[32];
    assert_true(sodium_init() >= 0);
    crypto_sign_seed_keypair(public, secret, seed);
    assert_true(tmx_verify_key_init(TMX_LIT("tmx.test/log/2026a"), TMX_NOTE_ED25519, public, &key));
    seed[0] = 8;
    crypto_sign_seed_keypair(public, other_secret, seed);
    assert_true(tmx_verify_key_init(TMX_LIT("tmx.test/log/2026a"), TMX_NOTE_ED25519, public, &other_key));
    grow(&honest, false);
    grow(&forked, true);
    return 0;
}

static int teardown(void **state)
{
    tmx_tree_free(honest.tree);
    tmx_tree_free(forked.tree);
    return 0;
}

static struct tmx_proof consistency;
static struct tmx_bytes consistent(struct branch *b, uint64_t from, uint64_t to)
{
    assert_true(tmx_tree_consistency_between(b->tree, NULL, from, to, &consistency));
    return TMX_BYTES(consistency.hash, consistency.n * TMX_HASH_SIZE);
}

static uint8_t file[TMX_MISBEHAVIOUR_MAX];
static size_t file_size;

static enum tmx_misbehaviour_verdict judge_file(const struct tmx_verify_key *by)
{
    static struct tmx_misbehaviour_room room;
    struct tmx_misbehaviour read;
    char origin[TMX_KEYNAME_MAX + 1];
    assert_true(tmx_misbehaviour_parse(TMX_BYTES(file, file_size), &room, &read));
    assert_true(tmx_misbehaviour_origin(&read, origin));
    assert_string_equal(origin, key.name);
    return tmx_misbehaviour_judge(&read, by);
}

static enum tmx_misbehaviour_verdict judge(const struct tmx_misbehaviour *m)
{
    struct tmx_writer w = TMX_WRITER_OF(file);
    tmx_misbehaviour_write(m, &w);
    file_size = tmx_written(&w).size;
    assert_int_equal(judge_file(&other_key), TMX_VERDICT_UNSIGNED);
    return judge_file(&key);
}

static enum tmx_misbehaviour_verdict judge_heads(struct tmx_bytes held, struct tmx_bytes shown, struct tmx_bytes proof)
{
    struct tmx_misbehaviour m = tmx_misbehaviour_heads(&key, held, shown, proof, TMX_BYTES_NULL);
    return judge(&m);
}

/* The same with a root beside the proof. */
static enum tmx_misbehaviour_verdict judge_beside(struct tmx_bytes held, struct tmx_bytes shown, struct tmx_bytes proof,
                                                  const struct tmx_hash *root)
{
    struct tmx_misbehaviour m = tmx_misbehaviour_heads(&key, held, shown, proof, TMX_BYTES(root, sizeof(*root)));
    return judge(&m);
}

static bool begins(const char *text)
{
    return file_size > strlen(text) && memcmp(file, text, strlen(text)) == 0;
}

/* Heads of one size; of two sizes, with the proof that leads from the root of the other history: in both orders, since it
 * may be the held head that is longer. A proof from a power of two does not hold that root: then it comes beside it. LOG-8 */
static void test_forks(void **state)
{
    assert_int_equal(judge_heads(honest.note[7], forked.note[7], TMX_BYTES_NULL), TMX_VERDICT_FORK);
    assert_true(begins("tmx-fork@v1\n\ntmx.test/log/2026a\n7\n"));
    assert_int_equal(judge_heads(honest.note[8], forked.note[8], consistent(&forked, 8, 20)), TMX_VERDICT_FORK);
    assert_true(begins("tmx-fork@v1\n\n"));
    for (unsigned a = 5; a < LEAVES; a++) {
        for (unsigned b = a + 1; b <= LEAVES; b++) {
            bool power = (a & (a - 1)) == 0;
            enum tmx_misbehaviour_verdict expected = power ? TMX_VERDICT_UNPROVED : TMX_VERDICT_FORK;
            assert_int_equal(judge_heads(honest.note[a], forked.note[b], consistent(&forked, a, b)), expected);
            assert_true(begins(power ? "tmx-misbehaviour@v1\nnot-consistent\nproof " : "tmx-fork@v1\nroot "));
            assert_int_equal(judge_heads(honest.note[b], forked.note[a], consistent(&honest, a, b)), expected);
            assert_int_equal(judge_beside(honest.note[a], forked.note[b], consistent(&forked, a, b), &forked.root[a]),
                             TMX_VERDICT_FORK);
            assert_true(begins("tmx-fork@v1\nroot "));
            assert_int_equal(judge_beside(honest.note[a], forked.note[b], consistent(&forked, a, b), &honest.root[a]), expected);
        }
    }
}

/* Both heads are signed, and a bent proof lies between: whoever bent it, the log did not sign it. */
static void test_unproved(void **state)
{
    uint8_t bent[TMX_MISBEHAVIOUR_PROOF_MAX];
    struct tmx_bytes good = consistent(&honest, 6, 8);
    assert_true(good.size >= 64 && good.size <= sizeof(bent));
    memset(bent, 0, sizeof(bent));
    memcpy(bent, good.data, good.size);
    bent[3] ^= 1;
    assert_int_equal(judge_heads(honest.note[6], honest.note[8], TMX_BYTES(bent, good.size)), TMX_VERDICT_UNPROVED);
    assert_int_equal(judge_heads(honest.note[6], honest.note[8], TMX_BYTES(bent, 33)), TMX_VERDICT_UNPROVED);
    assert_int_equal(judge_heads(honest.note[6], honest.note[8], TMX_BYTES_NULL), TMX_VERDICT_UNPROVED);
    assert_int_equal(judge_heads(TMX_BYTES_NULL, honest.note[8], TMX_BYTES_OF(bent)), TMX_VERDICT_UNPROVED);
}

/* No misbehaviour is called that. */
static void test_fits(void **state)
{
    struct tmx_misbehaviour m = { .kind = TMX_MISBEHAVIOUR_FORK, .first = honest.note[7], .second = honest.note[7] };
    assert_int_equal(judge_heads(honest.note[6], honest.note[8], consistent(&honest, 6, 8)), TMX_VERDICT_FITS);
    assert_int_equal(judge_heads(honest.note[8], honest.note[6], consistent(&honest, 6, 8)), TMX_VERDICT_FITS);
    assert_int_equal(judge_heads(honest.note[7], honest.note[7], TMX_BYTES_NULL), TMX_VERDICT_FITS);
    assert_int_equal(judge(&m), TMX_VERDICT_FITS);
    m.second = honest.note[9];
    m.proof = consistent(&honest, 7, 9);
    m.has_root = true;
    m.root = honest.root[7];
    assert_int_equal(judge(&m), TMX_VERDICT_FITS);
}

/* A fork with another root whose proof leads nowhere, or heads of one size with hashes, prove nothing. LOG-8 */
static void test_false_forks(void **state)
{
    struct tmx_misbehaviour m = { .kind = TMX_MISBEHAVIOUR_FORK, .first = honest.note[7], .second = honest.note[9],
                                  .has_root = true, .root = forked.root[7], .proof = consistent(&honest, 7, 9) };
    assert_int_equal(judge(&m), TMX_VERDICT_FITS);   /* whatever root is claimed */
    m.proof.size -= TMX_HASH_SIZE;
    assert_int_equal(judge(&m), TMX_VERDICT_UNPROVED);
    m.second = forked.note[7];
    assert_int_equal(judge(&m), TMX_VERDICT_UNPROVED);
    m.second = forked.note[9];
    m.proof = consistent(&forked, 7, 9);
    assert_int_equal(judge(&m), TMX_VERDICT_FORK);
    m.root.b[0] ^= 1;
    assert_int_equal(judge(&m), TMX_VERDICT_UNPROVED);
}

static void test_not_signed(void **state)
{
    static uint8_t long_one[TMX_NOTE_MAX];
    uint8_t bent[TMX_CHECKPOINT_MAX];
    memcpy(bent, honest.note[9].data, honest.note[9].size);
    bent[honest.note[9].size - 10] ^= 3;
    assert_int_equal(judge_heads(honest.note[7], TMX_BYTES(bent, honest.note[9].size), TMX_BYTES_NULL), TMX_VERDICT_UNSIGNED);
    assert_true(begins("tmx-misbehaviour@v1\nnot-signed\nshown "));
    memset(long_one, '\n', sizeof(long_one));
    assert_int_equal(judge_heads(honest.note[7], TMX_BYTES_OF(long_one), TMX_BYTES_NULL), TMX_VERDICT_UNSIGNED);
    assert_true(file_size < 4096);
    struct tmx_misbehaviour m = { .kind = TMX_MISBEHAVIOUR_NOT_SIGNED, .first = honest.note[7], .second = honest.note[9] };
    struct tmx_writer w = TMX_WRITER_OF(file);
    tmx_misbehaviour_write(&m, &w);
    file_size = w.used;
    assert_int_equal(judge_file(&key), TMX_VERDICT_FITS);
}

/* LINK-7: an entry under a head, altered or not. */
static void test_not_included(void **state)
{
    struct tmx_proof path;
    uint8_t entry[2];
    static uint8_t huge[TMX_MISBEHAVIOUR_ENTRY_MAX + 100];
    assert_true(tmx_tree_path_at(honest.tree, NULL, 5, 9, &path));
    struct tmx_misbehaviour m = { .kind = TMX_MISBEHAVIOUR_NOT_INCLUDED, .first = honest.note[9], .index = 5,
                                  .entry = entry_of(5, true, entry),
                                  .path = TMX_BYTES(path.hash, path.n * TMX_HASH_SIZE) };
    assert_int_equal(judge(&m), TMX_VERDICT_UNPROVED);
    assert_true(begins("tmx-misbehaviour@v1\nnot-included\nindex 5\nentry "));
    m.entry = entry_of(5, false, entry);
    assert_int_equal(judge(&m), TMX_VERDICT_FITS);
    m.index = 9;
    assert_int_equal(judge(&m), TMX_VERDICT_UNPROVED);
    m.index = 5;
    m.entry = TMX_BYTES_OF(huge);
    m.path = TMX_BYTES_OF(huge);
    assert_int_equal(judge(&m), TMX_VERDICT_UNPROVED);   /* cut, and still too long for either */
    m.entry = m.path = TMX_BYTES_NULL;
    assert_int_equal(judge(&m), TMX_VERDICT_UNPROVED);
}

/* Of the honest log at 9: entry `index`, whose sender has seen `seen` entries with that root, and the proof from there. */
static enum tmx_misbehaviour_verdict judge_seen(uint64_t index, uint64_t seen, const struct tmx_hash *root, struct tmx_bytes proof,
                                                const struct tmx_hash *beside)
{
    static struct tmx_misbehaviour_room room;
    struct tmx_misbehaviour read;
    struct tmx_proof path;
    uint8_t entry[2];
    assert_true(tmx_tree_path_at(honest.tree, NULL, index, 9, &path));
    struct tmx_misbehaviour m = { .kind = TMX_MISBEHAVIOUR_NOT_AS_SEEN, .first = honest.note[9], .index = index,
                                  .entry = entry_of((unsigned)index, false, entry),
                                  .path = TMX_BYTES(path.hash, path.n * TMX_HASH_SIZE), .proof = proof };
    tmx_misbehaviour_root(&m, beside == NULL ? TMX_BYTES_NULL : TMX_BYTES_OF(beside->b));
    assert_int_equal(judge(&m), TMX_VERDICT_UNPROVED);   /* as long as nobody says what the sender signed */
    assert_true(begins("tmx-misbehaviour@v1\nnot-as-seen\nindex "));
    assert_true(tmx_misbehaviour_parse(TMX_BYTES(file, file_size), &room, &read));
    read.seen.size = seen;
    read.seen.root = *root;
    struct tmx_hash history;
    bool shown = tmx_misbehaviour_history(&read, &key, &history);
    enum tmx_misbehaviour_verdict v = tmx_misbehaviour_judge(&read, &key);
    assert_true(!shown || tmx_hash_eq(&history, &honest.root[seen]));
    assert_true(v != TMX_VERDICT_FORK_SEEN || seen > index || shown);
    assert_int_equal(tmx_misbehaviour_judge(&read, &other_key), TMX_VERDICT_UNSIGNED);
    read.index ^= 1;
    assert_int_equal(tmx_misbehaviour_judge(&read, &key), TMX_VERDICT_UNPROVED);   /* not in the log there */
    return v;
}

/* LINK-12: the sender has seen what the log has, something else, or more than there was. */
static void test_seen(void **state)
{
    struct tmx_bytes proof = consistent(&honest, 6, 9);
    assert_int_equal(judge_seen(8, 6, &honest.root[6], proof, NULL), TMX_VERDICT_FITS);
    assert_int_equal(judge_seen(8, 6, &forked.root[6], proof, NULL), TMX_VERDICT_FORK_SEEN);
    assert_int_equal(judge_seen(8, 6, &forked.root[6], proof, &forked.root[6]), TMX_VERDICT_FORK_SEEN);
    proof.size -= TMX_HASH_SIZE;
    assert_int_equal(judge_seen(8, 6, &forked.root[6], proof, &honest.root[6]), TMX_VERDICT_UNPROVED);
    proof = consistent(&honest, 8, 9);
    assert_int_equal(judge_seen(8, 8, &honest.root[8], proof, NULL), TMX_VERDICT_FITS);
    assert_int_equal(judge_seen(8, 8, &forked.root[8], proof, NULL), TMX_VERDICT_UNPROVED);
    assert_int_equal(judge_seen(8, 8, &forked.root[8], proof, &honest.root[8]), TMX_VERDICT_FORK_SEEN);
    assert_int_equal(judge_seen(8, 8, &forked.root[8], proof, &forked.root[8]), TMX_VERDICT_UNPROVED);
    assert_int_equal(judge_seen(5, 6, &honest.root[6], TMX_BYTES_NULL, NULL), TMX_VERDICT_FORK_SEEN);   /* itself, and more */
    assert_int_equal(judge_seen(5, 20, &honest.root[20], TMX_BYTES_NULL, NULL), TMX_VERDICT_FORK_SEEN);
}

static bool parses(const char *text)
{
    static struct tmx_misbehaviour_room room;
    struct tmx_misbehaviour m;
    return tmx_misbehaviour_parse(tmx_bytes_str(text), &room, &m);
}

/* A file with anything else in it is none. */
static void test_malformed(void **state)
{
    static struct tmx_misbehaviour_room room;
    struct tmx_misbehaviour m;
    assert_int_equal(judge_heads(honest.note[7], forked.note[9], consistent(&forked, 7, 9)), TMX_VERDICT_FORK);
    for (size_t i = 0; i < file_size; i++) {   /* cut anywhere */
        bool whole = tmx_misbehaviour_parse(TMX_BYTES(file, i), &room, &m) &&
                     tmx_misbehaviour_judge(&m, &key) == TMX_VERDICT_FORK;
        assert_false(whole);
    }
    file[file_size] = '\n';
    assert_false(tmx_misbehaviour_parse(TMX_BYTES(file, file_size + 1), &room, &m));
    assert_false(parses(""));
    assert_false(parses("tmx-fork@v2\n\na\n\nb\n\nc\n\nd\n"));
    assert_false(parses("tmx-fork@v1\n"));
    assert_false(parses("tmx-fork@v1\n\na\n\nb\n"));
    assert_false(parses("tmx-fork@v1\nroot AAAA\n\na\n\nb\n\nc\n\nd\n"));
    assert_false(parses("tmx-misbehaviour@v1\n"));
    assert_false(parses("tmx-misbehaviour@v1\nnot-nice\n"));
    assert_false(parses("tmx-misbehaviour@v1\nnot-included\nindex 05\n"));
    assert_false(parses("tmx-misbehaviour@v1\nnot-signed\nshown A\n"));
    assert_false(parses("tmx-misbehaviour@v1\nnot-signed\nshown QQ==\nproof QQ==\n"));
    assert_true(parses("tmx-misbehaviour@v1\nnot-signed\nshown QQ==\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forks),        cmocka_unit_test(test_unproved),   cmocka_unit_test(test_fits),
        cmocka_unit_test(test_false_forks),  cmocka_unit_test(test_not_signed), cmocka_unit_test(test_not_included),
        cmocka_unit_test(test_seen),         cmocka_unit_test(test_malformed),
    };
    return cmocka_run_group_tests_name("misbehaviour", tests, setup, teardown);
}
