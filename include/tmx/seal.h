/* SPDX-License-Identifier: Apache-2.0
 * The sealed container, suite 1: bytes in proto/README.md, section Container. Encrypt-then-sign; committing;
 * names of sender and recipients bound in. Pure: all randomness is handed in.
 *
 * The content key is BLAKE2b-256(key = 32 random bytes; message id || plaintext), so that a repeated random
 * value (a restored machine image) never meets a second plaintext.
 */
#pragma once

#include <tmx/bytes.h>
#include <tmx/limits.h>

#define TMX_SEAL_HEAD 64u    /* magic, suite, R, zero, epk, salt */
#define TMX_SEAL_SLOT 56u    /* key id 8, wrapped content key 48 */
#define TMX_SEAL_COMMIT 32u
#define TMX_SEAL_TAG 16u
#define TMX_SEAL_OVERHEAD(r) (TMX_SEAL_HEAD + TMX_SEAL_SLOT * (size_t)(r) + TMX_SEAL_COMMIT + TMX_SEAL_TAG)

/* Who, bound into keys and associated data; not transmitted in the container: the header has it. */
struct tmx_seal_context {
    const uint8_t *message_id;                 /* TMX_ID_SIZE */
    struct tmx_bytes sender;
    size_t n_recipients;                       /* 1..TMX_RECIPIENTS_MAX */
    const struct tmx_bytes *recipients;
};

struct tmx_seal_sender {      /* the sender's short-lived key: at most 60 s or 4096 messages */
    uint8_t secret[32];
    uint8_t public[32];
};

/* X25519 key pair from 32 random bytes. */
void tmx_seal_sender_init(const uint8_t random[32], struct tmx_seal_sender *ret_sender);
/* SHA-256(prekey)[0:8] */
void tmx_seal_key_id(const uint8_t prekey[32], uint8_t ret_id[8]);
/* PS of one (sender key, recipient prekey) pair, cacheable; false when the point is bad (all-zero secret). */
bool tmx_seal_pair_send(const struct tmx_seal_sender *sender, const uint8_t prekey[32], struct tmx_bytes from,
                        struct tmx_bytes to, uint8_t ret_ps[32]) TMX_MUST_CHECK;
bool tmx_seal_pair_receive(const uint8_t epk[32], const uint8_t prekey_secret[32], const uint8_t prekey[32],
                           struct tmx_bytes from, struct tmx_bytes to, uint8_t ret_ps[32]) TMX_MUST_CHECK;

struct tmx_seal_slot {
    uint8_t key_id[8];
    uint8_t ps[32];
};
/* Seals into `w`; `random` is 24 bytes of salt and 32 bytes for the content key. slots[i] is recipient i's.
 * ret_content_key: for the sender's archive. */
void tmx_seal(struct tmx_writer *w, struct tmx_bytes plaintext, const struct tmx_seal_context *ctx,
              const struct tmx_seal_sender *sender, const struct tmx_seal_slot *slots, const uint8_t random[56],
              uint8_t ret_content_key[32]);

/* The container's outside, as the broker checks it. False when it is not a suite-1 container. */
struct tmx_seal_outside {
    unsigned n_slots;
    const uint8_t *epk;
    const uint8_t *slots;   /* n_slots * TMX_SEAL_SLOT; key id first */
};
bool tmx_seal_parse(struct tmx_bytes container, struct tmx_seal_outside *ret_outside) TMX_MUST_CHECK;

/* Opens slot `index` with its PS. `ret_plaintext` has room for the container's size. False: does not open. */
bool tmx_seal_open(struct tmx_bytes container, const struct tmx_seal_context *ctx, unsigned index,
                   const uint8_t ps[32], uint8_t *ret_plaintext, size_t *ret_size, uint8_t ret_content_key[32])
    TMX_MUST_CHECK;
/* Opens with a disclosed content key. */
bool tmx_seal_open_disclosed(struct tmx_bytes container, const struct tmx_seal_context *ctx,
                             const uint8_t content_key[32], uint8_t *ret_plaintext, size_t *ret_size) TMX_MUST_CHECK;

/* BLAKE2b-256, as `b2sum -l 256` prints it. */
void tmx_digest(struct tmx_bytes b, uint8_t ret_digest[32]);
