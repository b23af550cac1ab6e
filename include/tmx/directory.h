/* SPDX-License-Identifier: Apache-2.0
 * The member directory: verified, then looked up. Format and rules: proto/README.md, section Directory.
 */
#pragma once

#include <tmx/batch.h>
#include <tmx/codec.h>
#include <tmx/note.h>
#include <tmx/policy.h>

#include "directory.pb-c.h"

struct tmx_authority {           /* the pinned keys: who may sign the next directory */
    unsigned threshold;
    unsigned n;
    struct tmx_verify_key keys[TMX_AUTHORITY_KEYS_MAX];
};

/* The text of authority.pub, which broker, nodes and auditors pin: "threshold K", then one vkey line per key
 * ("tmx.<federation>/authority/<n>+…"), all of one federation. False: not such a text. */
bool tmx_authority_parse(struct tmx_bytes text, struct tmx_authority *ret_authority) TMX_MUST_CHECK;
void tmx_authority_format(const struct tmx_authority *a, struct tmx_writer *w);

struct tmx_directory;

enum tmx_directory_error {
    TMX_DIRECTORY_OK,
    TMX_DIRECTORY_E_MALFORMED = 1,   /* not canonical, or a rule of the format is broken */
    TMX_DIRECTORY_E_SIGNATURES,      /* fewer than k valid signatures of the pinned authority */
    TMX_DIRECTORY_E_SERIAL,          /* lower than the one in force, or the same serial with other bytes */
    TMX_DIRECTORY_E_FEDERATION,      /* another federation */
    TMX_DIRECTORY_E_KEYS,            /* a bad point, a key id collision, a key listed twice */
};
const char *tmx_directory_error_text(int error);

/* Verifies `file` (SignedDirectory) against the authority keys of the directory in force, or without one (NULL)
 * against the pinned ones; a directory that changes the authority keys needs k of the old and k of the new. Owns a
 * copy of the bytes. -ENOMEM or enum tmx_directory_error. An expired directory loads: expiry is asked with
 * tmx_directory_expired. After a change of authority keys, tmx_directory_authority is what a restart has to pin. */
int tmx_directory_load(struct tmx_bytes file, const struct tmx_authority *pinned, const struct tmx_directory *in_force,
                       struct tmx_directory **ret_directory) TMX_MUST_CHECK;
struct tmx_directory *tmx_directory_free(struct tmx_directory *d);   /* NULL is fine; returns NULL */
/* The rules of DIR-1 on a directory nobody signed yet: TMX_DIRECTORY_OK, E_MALFORMED or E_KEYS. *ret_where (may be
 * NULL) says which part breaks one. */
int tmx_directory_check(const Tmx__Directory *pb, const char **ret_where) TMX_MUST_CHECK;

const Tmx__Directory *tmx_directory_pb(const struct tmx_directory *d);
struct tmx_bytes tmx_directory_file(const struct tmx_directory *d);
uint64_t tmx_directory_serial(const struct tmx_directory *d);
const char *tmx_directory_federation(const struct tmx_directory *d);
bool tmx_directory_expired(const struct tmx_directory *d, uint64_t wall_ms);
void tmx_directory_digest(const struct tmx_directory *d, uint8_t ret_digest[32]);
/* The authority that must sign the next one. */
const struct tmx_authority *tmx_directory_authority(const struct tmx_directory *d);

/* NULL when not listed. */
const Tmx__Member *tmx_directory_member(const struct tmx_directory *d, struct tmx_bytes code);
/* Index in 0..n_members (ascending by code), or -1. */
int tmx_directory_member_index(const struct tmx_directory *d, struct tmx_bytes code);
/* The active signing key of `member` with this key id; NULL when none (unknown, revoked, or member revoked). */
const struct tmx_verify_key *tmx_directory_signing_key(const struct tmx_directory *d, struct tmx_bytes member,
                                                       uint32_t key_id);
/* The log key of a shard; NULL when not listed. */
const struct tmx_verify_key *tmx_directory_log_key(const struct tmx_directory *d, struct tmx_bytes shard);
/* The log key of the shard whose origin that is; NULL when not listed, or of another federation. */
const struct tmx_verify_key *tmx_directory_origin_key(const struct tmx_directory *d, const char *origin);
/* Who has to cosign the heads of the log; NULL when the directory has no policy. */
const struct tmx_policy *tmx_directory_policy(const struct tmx_directory *d);
/* DIR-7. May submit: active only. May collect and report: all but revoked. NULL (not listed) may nothing. */
bool tmx_member_may_submit(const Tmx__Member *m);
bool tmx_member_may_collect(const Tmx__Member *m);
/* The type of a probe (NODE-14), which is in no catalogue. */
#define TMX_TYPE_PROBE "TMXPROBE"
/* May the member send this type? A probe needs no permission. */
bool tmx_directory_type_allowed(const Tmx__Member *m, struct tmx_bytes type);

/* The text an authority key signs (DIR-2): "<federation key name>/directory\n<serial>\n<base64 SHA-256>\n". */
void tmx_directory_text(struct tmx_bytes federation, uint64_t serial, struct tmx_bytes directory, struct tmx_writer *w);
/* Names: "tmx.<federation>/node/<CODE>", "…/witness/<CODE>", "…/log/<shard>", "…/authority/<n>". */
void tmx_node_key_name(const char *federation, struct tmx_bytes member, struct tmx_writer *w);
void tmx_witness_key_name(const char *federation, struct tmx_bytes member, struct tmx_writer *w);
void tmx_log_origin(const char *federation, struct tmx_bytes shard, struct tmx_writer *w);
void tmx_authority_key_name(const char *federation, unsigned n, struct tmx_writer *w);
