/* SPDX-License-Identifier: Apache-2.0
 * Batch signatures: one Ed25519 note over the Merkle root of N bodies.
 */
#include <sodium.h>
#include <string.h>

#include <tmx/batch.h>
#include <tmx/text.h>

#define TEXT_MAX (TMX_KEYNAME_MAX + 128u)

static void write_text(const struct tmx_verify_key *key, uint64_t batch_no, uint32_t size, const struct tmx_hash *root,
                       struct tmx_writer *w)
{
    char base64[TMX_BASE64_SIZE(TMX_HASH_SIZE)];

    tmx_base64(TMX_BYTES_OF(root->b), base64);
    tmx_write_fmt(w, "%s/batch/%llu\n%u\n%s\n", key->name, (unsigned long long)batch_no, size, base64);
}

void tmx_batch_sign(const struct tmx_bytes *bodies, size_t n, uint64_t batch_no, const struct tmx_verify_key *key,
                    const uint8_t secret[64], struct tmx_signature *ret_signatures)
{
    uint8_t buffer[TEXT_MAX];
    struct tmx_writer w = TMX_WRITER_OF(buffer);
    struct tmx_hash leaves[TMX_BATCH_MAX];
    struct tmx_merkle_list list;
    uint8_t sig[64];

    assert(n >= 1 && n <= TMX_BATCH_MAX && key->type == TMX_NOTE_ED25519);
    for (size_t i = 0; i < n; i++) {
        leaves[i] = tmx_merkle_leaf(bodies[i]);
    }
    tmx_merkle_list_init(leaves, n, &list);
    write_text(key, batch_no, (uint32_t)n, &list.root, &w);
    crypto_sign_detached(sig, NULL, tmx_written(&w).data, tmx_written(&w).size, secret);
    for (size_t i = 0; i < n; i++) {
        struct tmx_signature *s = &ret_signatures[i];
        struct tmx_proof path;

        tmx_merkle_list_path(&list, i, &path);
        *s = (struct tmx_signature){ .key_id = key->id,
                                     .batch_no = batch_no,
                                     .size = (uint32_t)n,
                                     .index = (uint32_t)i,
                                     .path_n = (uint32_t)path.n };
        memcpy(s->path, path.hash, path.n * sizeof path.hash[0]);
        memcpy(s->sig, sig, sizeof sig);
    }
}

static struct tmx_batch_seen *cache_slot(struct tmx_batch_cache *cache, const struct tmx_signature *s)
{
    const uint64_t mixed = (s->batch_no ^ (uint64_t)s->key_id << 32) * 0x9e3779b97f4a7c15ull;

    return &cache->seen[mixed >> 32 & (TMX_BATCH_CACHE - 1)];
}

static bool same_batch(const struct tmx_batch_seen *seen, const struct tmx_signature *s,
                       const struct tmx_verify_key *key, const struct tmx_hash *root)
{
    return seen->used && seen->batch_no == s->batch_no && seen->size == s->size && tmx_hash_eq(&seen->root, root) &&
           memcmp(seen->sig, s->sig, sizeof seen->sig) == 0 && memcmp(seen->key.key, key->key, sizeof key->key) == 0 &&
           strcmp(seen->key.name, key->name) == 0;
}

static bool path_root(const struct tmx_signature *s, const struct tmx_hash *leaf, struct tmx_batch_cache *cache,
                      struct tmx_hash *ret_root)
{
    const struct tmx_bytes path = TMX_BYTES(s->path, s->path_n * TMX_HASH_SIZE);

    return cache == NULL ? tmx_merkle_path_root(s->index, s->size, leaf, path, ret_root)
                         : tmx_merkle_next_root(&cache->memo, s->index, s->size, leaf, path, ret_root);
}

bool tmx_batch_verify(struct tmx_bytes body, const struct tmx_signature *signature, const struct tmx_verify_key *key,
                      struct tmx_batch_cache *cache)
{
    struct tmx_hash root;

    return tmx_batch_verify_root(body, signature, key, cache, &root);
}

bool tmx_batch_verify_root(struct tmx_bytes body, const struct tmx_signature *signature,
                           const struct tmx_verify_key *key, struct tmx_batch_cache *cache, struct tmx_hash *ret_root)
{
    uint8_t buffer[TEXT_MAX];
    struct tmx_writer w = TMX_WRITER_OF(buffer);
    struct tmx_batch_seen *slot = cache == NULL ? NULL : cache_slot(cache, signature);
    const struct tmx_hash leaf = tmx_merkle_leaf(body);
    struct tmx_hash root;

    if (key->type != TMX_NOTE_ED25519 || signature->key_id != key->id || signature->size < 1 ||
        signature->size > TMX_BATCH_MAX || signature->path_n > TMX_BATCH_PATH_MAX ||
        !path_root(signature, &leaf, cache, &root)) {
        return false;
    }
    *ret_root = root;
    if (slot != NULL && same_batch(slot, signature, key, &root)) {
        return true;
    }
    write_text(key, signature->batch_no, signature->size, &root, &w);
    if (crypto_sign_verify_detached(signature->sig, tmx_written(&w).data, tmx_written(&w).size, key->key) != 0) {
        return false;
    }
    if (slot != NULL) {
        *slot = (struct tmx_batch_seen){
            .used = true, .key = *key, .batch_no = signature->batch_no, .size = signature->size, .root = root
        };
        memcpy(slot->sig, signature->sig, sizeof slot->sig);
    }
    return true;
}
