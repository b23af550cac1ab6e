/* SPDX-License-Identifier: Apache-2.0
 * The sealed container, suite 1. Exact bytes: proto/README.md, section Container.
 */
#include <tmx/seal.h>

#include <sodium.h>
#include <string.h>

/* message id, sender, R and recipients with their lengths */
#define CONTEXT_MAX (TMX_ID_SIZE + 1 + TMX_MEMBER_MAX + 1 + TMX_RECIPIENTS_MAX * (1 + TMX_MEMBER_MAX))
#define FRONT_MAX (TMX_SEAL_HEAD + TMX_SEAL_SLOT * TMX_RECIPIENTS_MAX + TMX_SEAL_COMMIT)
#define KEY_ID_SIZE 8u
#define WRAPPED_SIZE 48u
#define WRAP_AD_SIZE (TMX_SEAL_HEAD + KEY_ID_SIZE)

static_assert(TMX_SEAL_SLOT == KEY_ID_SIZE + WRAPPED_SIZE, "a slot is a key id and a wrapped key");

/* Every key is used for one encryption only, so every nonce is zero. */
static const uint8_t zero_nonce[crypto_aead_xchacha20poly1305_ietf_NPUBBYTES];

static void write_name(struct tmx_writer *w, struct tmx_bytes name)
{
    assert(name.size >= 1 && name.size <= TMX_MEMBER_MAX);
    tmx_write_u8(w, (uint8_t)name.size);
    tmx_write_bytes(w, name);
}

static void write_context(struct tmx_writer *w, const struct tmx_seal_context *ctx)
{
    assert(ctx->n_recipients >= 1 && ctx->n_recipients <= TMX_RECIPIENTS_MAX);
    tmx_write_bytes(w, TMX_BYTES(ctx->message_id, TMX_ID_SIZE));
    write_name(w, ctx->sender);
    tmx_write_u8(w, (uint8_t)ctx->n_recipients);
    for (size_t i = 0; i < ctx->n_recipients; i++) {
        write_name(w, ctx->recipients[i]);
    }
}

void tmx_seal_sender_init(const uint8_t random[32], struct tmx_seal_sender *ret_sender)
{
    memcpy(ret_sender->secret, random, 32);
    int r = crypto_scalarmult_base(ret_sender->public, ret_sender->secret);
    assert(r == 0);
}

void tmx_seal_key_id(const uint8_t prekey[32], uint8_t ret_id[8])
{
    uint8_t hash[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(hash, prekey, 32);
    memcpy(ret_id, hash, KEY_ID_SIZE);
}

static bool pair(const uint8_t secret[32], const uint8_t peer[32], const uint8_t epk[32], const uint8_t prekey[32],
                 struct tmx_bytes from, struct tmx_bytes to, uint8_t ret_ps[32])
{
    static const uint8_t no_shared_key[32];   /* the place of a secret agreed out of band */
    uint8_t shared[32];
    if (crypto_scalarmult(shared, secret, peer) != 0) {
        return false;
    }
    uint8_t input[10 + 3 * 32 + 2 * (1 + TMX_MEMBER_MAX)];
    struct tmx_writer w = TMX_WRITER_OF(input);
    tmx_write_bytes(&w, TMX_LIT("TMX1 pair\0"));
    tmx_write_bytes(&w, TMX_BYTES_OF(shared));
    tmx_write_bytes(&w, TMX_BYTES(epk, 32));
    tmx_write_bytes(&w, TMX_BYTES(prekey, 32));
    write_name(&w, from);
    write_name(&w, to);
    struct tmx_bytes b = tmx_written(&w);
    crypto_generichash(ret_ps, 32, b.data, b.size, no_shared_key, sizeof(no_shared_key));
    sodium_memzero(input, sizeof(input));
    sodium_memzero(shared, sizeof(shared));
    return true;
}

bool tmx_seal_pair_send(const struct tmx_seal_sender *sender, const uint8_t prekey[32], struct tmx_bytes from,
                        struct tmx_bytes to, uint8_t ret_ps[32])
{
    return pair(sender->secret, prekey, sender->public, prekey, from, to, ret_ps);
}

bool tmx_seal_pair_receive(const uint8_t epk[32], const uint8_t prekey_secret[32], const uint8_t prekey[32],
                           struct tmx_bytes from, struct tmx_bytes to, uint8_t ret_ps[32])
{
    return pair(prekey_secret, epk, epk, prekey, from, to, ret_ps);
}

static void derive_kek(const uint8_t ps[32], const uint8_t *salt, uint8_t ret_kek[32])
{
    uint8_t input[9 + 24];
    struct tmx_writer w = TMX_WRITER_OF(input);
    tmx_write_bytes(&w, TMX_LIT("TMX1 kek\0"));
    tmx_write_bytes(&w, TMX_BYTES(salt, 24));
    crypto_generichash(ret_kek, 32, input, sizeof(input), ps, 32);
}

static void derive_content_key(const uint8_t *random, const uint8_t *message_id, struct tmx_bytes plaintext,
                               uint8_t ret_key[32])
{
    crypto_generichash_state state;
    crypto_generichash_init(&state, random, 32, 32);
    crypto_generichash_update(&state, message_id, TMX_ID_SIZE);
    crypto_generichash_update(&state, plaintext.data, plaintext.size);
    crypto_generichash_final(&state, ret_key, 32);
    sodium_memzero(&state, sizeof(state));
}

/* K: the encryption key and the commitment to the content key. `front` ends before the commitment. */
static void derive_keys(const uint8_t content_key[32], struct tmx_bytes front, struct tmx_bytes context,
                        uint8_t ret_k[64])
{
    struct tmx_bytes tag = TMX_LIT("TMX1 cek\0");
    crypto_generichash_state state;
    crypto_generichash_init(&state, content_key, 32, 64);
    crypto_generichash_update(&state, tag.data, tag.size);
    crypto_generichash_update(&state, front.data, front.size);
    crypto_generichash_update(&state, context.data, context.size);
    crypto_generichash_final(&state, ret_k, 64);
    sodium_memzero(&state, sizeof(state));
}

/* Associated data of a slot's wrapping: the container's head and the key id. */
static void write_wrap_ad(const uint8_t *head, const uint8_t *key_id, uint8_t ret_ad[WRAP_AD_SIZE])
{
    memcpy(ret_ad, head, TMX_SEAL_HEAD);
    memcpy(ret_ad + TMX_SEAL_HEAD, key_id, KEY_ID_SIZE);
}

static void write_slot(struct tmx_writer *w, const uint8_t *head, const struct tmx_seal_slot *slot,
                       const uint8_t content_key[32])
{
    uint8_t kek[32], ad[WRAP_AD_SIZE], wrapped[WRAPPED_SIZE];
    derive_kek(slot->ps, head + 40, kek);
    write_wrap_ad(head, slot->key_id, ad);
    crypto_aead_chacha20poly1305_ietf_encrypt(wrapped, NULL, content_key, 32, ad, sizeof(ad), NULL, zero_nonce, kek);
    tmx_write_bytes(w, TMX_BYTES_OF(slot->key_id));
    tmx_write_bytes(w, TMX_BYTES_OF(wrapped));
    sodium_memzero(kek, sizeof(kek));
}

/* Associated data of the content: everything before the ciphertext, and the context. */
static struct tmx_bytes content_ad(struct tmx_bytes front, struct tmx_bytes context, uint8_t *buffer, size_t size)
{
    struct tmx_writer w = tmx_writer_init(buffer, size);
    tmx_write_bytes(&w, front);
    tmx_write_bytes(&w, context);
    return tmx_written(&w);
}

void tmx_seal(struct tmx_writer *w, struct tmx_bytes plaintext, const struct tmx_seal_context *ctx,
              const struct tmx_seal_sender *sender, const struct tmx_seal_slot *slots, const uint8_t random[56],
              uint8_t ret_content_key[32])
{
    uint8_t context_buffer[CONTEXT_MAX], ad_buffer[FRONT_MAX + CONTEXT_MAX], content_key[32], k[64];
    struct tmx_writer cw = TMX_WRITER_OF(context_buffer);
    write_context(&cw, ctx);
    struct tmx_bytes context = tmx_written(&cw);

    if (w->failed || w->size - w->used < TMX_SEAL_OVERHEAD(ctx->n_recipients) + plaintext.size) {
        w->failed = true;
        return;
    }
    uint8_t *start = w->start + w->used;
    tmx_write_bytes(w, TMX_LIT("TMX1"));
    tmx_write_u8(w, 1);
    tmx_write_u8(w, (uint8_t)ctx->n_recipients);
    tmx_write_u16(w, 0);
    tmx_write_bytes(w, TMX_BYTES_OF(sender->public));
    tmx_write_bytes(w, TMX_BYTES(random, 24));

    derive_content_key(random + 24, ctx->message_id, plaintext, content_key);
    for (size_t i = 0; i < ctx->n_recipients; i++) {
        write_slot(w, start, &slots[i], content_key);
    }
    derive_keys(content_key, TMX_BYTES(start, (size_t)(w->start + w->used - start)), context, k);
    tmx_write_bytes(w, TMX_BYTES(k + 32, TMX_SEAL_COMMIT));

    struct tmx_bytes ad = content_ad(TMX_BYTES(start, (size_t)(w->start + w->used - start)), context, ad_buffer,
                                     sizeof(ad_buffer));
    crypto_aead_xchacha20poly1305_ietf_encrypt(w->start + w->used, NULL, plaintext.data, plaintext.size, ad.data,
                                               ad.size, NULL, zero_nonce, k);
    w->used += plaintext.size + TMX_SEAL_TAG;
    memcpy(ret_content_key, content_key, 32);
    sodium_memzero(content_key, sizeof(content_key));
    sodium_memzero(k, sizeof(k));
}

bool tmx_seal_parse(struct tmx_bytes container, struct tmx_seal_outside *ret_outside)
{
    struct tmx_reader r = tmx_reader_init(container);
    struct tmx_bytes magic = tmx_read_bytes(&r, 4);
    unsigned suite = tmx_read_u8(&r);
    unsigned n = tmx_read_u8(&r);
    unsigned zero = tmx_read_u16(&r);
    if (!tmx_reader_ok(&r) || !tmx_bytes_eq(magic, TMX_LIT("TMX1")) || suite != 1 || n < 1 ||
        n > TMX_RECIPIENTS_MAX || zero != 0 || container.size < TMX_SEAL_OVERHEAD(n) ||
        container.size > TMX_CONTAINER_MAX) {
        return false;
    }
    *ret_outside = (struct tmx_seal_outside){
        .n_slots = n, .epk = container.data + 8, .slots = container.data + TMX_SEAL_HEAD
    };
    return true;
}

bool tmx_seal_open_disclosed(struct tmx_bytes container, const struct tmx_seal_context *ctx,
                             const uint8_t content_key[32], uint8_t *ret_plaintext, size_t *ret_size)
{
    struct tmx_seal_outside outside;
    if (!tmx_seal_parse(container, &outside) || outside.n_slots != ctx->n_recipients) {
        return false;
    }
    uint8_t context_buffer[CONTEXT_MAX], ad_buffer[FRONT_MAX + CONTEXT_MAX], k[64];
    struct tmx_writer cw = TMX_WRITER_OF(context_buffer);
    write_context(&cw, ctx);
    struct tmx_bytes context = tmx_written(&cw);

    size_t front = TMX_SEAL_HEAD + TMX_SEAL_SLOT * (size_t)outside.n_slots;
    derive_keys(content_key, tmx_bytes_slice(container, 0, front), context, k);
    bool opened = false;
    if (sodium_memcmp(k + 32, container.data + front, TMX_SEAL_COMMIT) == 0) {
        front += TMX_SEAL_COMMIT;
        struct tmx_bytes ad = content_ad(tmx_bytes_slice(container, 0, front), context, ad_buffer, sizeof(ad_buffer));
        opened = crypto_aead_xchacha20poly1305_ietf_decrypt(ret_plaintext, NULL, NULL, container.data + front,
                                                            container.size - front, ad.data, ad.size, zero_nonce,
                                                            k) == 0;
    }
    sodium_memzero(k, sizeof(k));
    if (opened) {
        *ret_size = container.size - front - TMX_SEAL_TAG;
    }
    return opened;
}

bool tmx_seal_open(struct tmx_bytes container, const struct tmx_seal_context *ctx, unsigned index,
                   const uint8_t ps[32], uint8_t *ret_plaintext, size_t *ret_size, uint8_t ret_content_key[32])
{
    struct tmx_seal_outside outside;
    if (!tmx_seal_parse(container, &outside) || index >= outside.n_slots) {
        return false;
    }
    const uint8_t *slot = outside.slots + (size_t)index * TMX_SEAL_SLOT;
    uint8_t kek[32], ad[WRAP_AD_SIZE], content_key[32];
    derive_kek(ps, container.data + 40, kek);
    write_wrap_ad(container.data, slot, ad);
    bool opened = crypto_aead_chacha20poly1305_ietf_decrypt(content_key, NULL, NULL, slot + KEY_ID_SIZE, WRAPPED_SIZE,
                                                            ad, sizeof(ad), zero_nonce, kek) == 0 &&
                  tmx_seal_open_disclosed(container, ctx, content_key, ret_plaintext, ret_size);
    if (opened) {
        memcpy(ret_content_key, content_key, 32);
    }
    sodium_memzero(kek, sizeof(kek));
    sodium_memzero(content_key, sizeof(content_key));
    return opened;
}

void tmx_digest(struct tmx_bytes b, uint8_t ret_digest[32])
{
    crypto_generichash(ret_digest, 32, b.data, b.size, NULL, 0);
}
