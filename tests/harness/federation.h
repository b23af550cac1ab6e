/* SPDX-License-Identifier: Apache-2.0
 * A federation for tests: one authority key, a log key, members with all their keys, derived from names, so that
 * every run has the same. These keys are public: they protect nothing.
 */
#pragma once

#include <tmx/directory.h>

#define FEDERATION_MEMBERS_MAX 16u

struct federation_member {
    char code[TMX_MEMBER_MAX + 1];
    Tmx__MemberStatus status;
    uint8_t sign_public[32], sign_secret[64];
    uint8_t curve_public[32], curve_secret[32];
    uint8_t witness_public[32], witness_secret[64];
    uint8_t last_resort_public[32], last_resort_secret[32];
    uint8_t archive[32], label[32];
    struct tmx_verify_key key;
};

struct federation {
    char name[32];
    uint64_t serial, issued_ms, expires_ms;
    uint8_t authority_public[32], authority_secret[64];
    struct tmx_authority authority;
    uint8_t log_public[32], log_secret[64];
    char shard[TMX_SHARD_MAX + 1];
    char previous_shard[TMX_SHARD_MAX + 1];   /* "" = none */
    uint8_t previous_log_public[32];
    const char *policy;              /* of witnesses; NULL = none */
    size_t n_members;
    struct federation_member members[FEDERATION_MEMBERS_MAX];
    bool witnesses;                  /* a majority of the members must cosign; false: no policy */
    uint8_t *file;                   /* the signed directory: made by federation_sign */
    size_t file_size;
};

/* Members in ascending order of code, all active; shard "2026a"; expires a year after `now_ms`. Signs serial 1. */
void federation_init(struct federation *f, const char *const *codes, size_t n, uint64_t now_ms);
void federation_deinit(struct federation *f);
struct federation_member *federation_find(struct federation *f, const char *code);
/* Signs the directory as the fields say; call after changing them (and raise `serial`). */
void federation_sign(struct federation *f);
/* Moves to another shard with another log key; the old one stays listed. */
void federation_new_shard(struct federation *f, const char *shard);
static inline struct tmx_bytes federation_file(const struct federation *f)
{
    return TMX_BYTES(f->file, f->file_size);
}
