/* SPDX-License-Identifier: Apache-2.0
 * Signed notes and checkpoints: c2sp.org/signed-note, c2sp.org/tlog-checkpoint; Ed25519 type 0x01.
 * Everything TMX signs is a note, so that standard tools verify it.
 */
#pragma once

#include <tmx/bytes.h>
#include <tmx/limits.h>
#include <tmx/merkle.h>

#define TMX_NOTE_ED25519 0x01u
#define TMX_NOTE_COSIGNATURE 0x04u

struct tmx_verify_key {
    char name[TMX_KEYNAME_MAX + 1];
    uint8_t type;
    uint8_t key[32];
    uint32_t id;   /* SHA-256(name || 0A || type || key)[0:4] */
};

/* 1..TMX_KEYNAME_MAX printable ASCII characters without space and '+'. */
bool tmx_key_name_ok(struct tmx_bytes name);
/* Fills *ret_key and its id. False: bad name or not a valid point of the main subgroup. */
bool tmx_verify_key_init(struct tmx_bytes name, uint8_t type, const uint8_t key[32], struct tmx_verify_key *ret_key)
    TMX_MUST_CHECK;
/* vkey text: name+hex8+base64. */
bool tmx_verify_key_parse(struct tmx_bytes vkey, struct tmx_verify_key *ret_key) TMX_MUST_CHECK;
void tmx_verify_key_format(const struct tmx_verify_key *key, struct tmx_writer *w);

/* Appends blank line and one signature line to a text that ends in a newline: a complete note. */
void tmx_note_sign(struct tmx_writer *w, struct tmx_bytes text, const struct tmx_verify_key *key,
                   const uint8_t secret[64]);
/* Adds one more signature line (made over `text`) to the note being written. */
void tmx_note_add_line(struct tmx_writer *w, struct tmx_bytes text, const struct tmx_verify_key *key,
                       const uint8_t secret[64]);
/* Splits at the last blank line; *ret_text includes its final newline. False when not a note. */
bool tmx_note_split(struct tmx_bytes note, struct tmx_bytes *ret_text, struct tmx_bytes *ret_lines) TMX_MUST_CHECK;
/* True when a line of `key` verifies over the text; a line of that key that does not verify fails the note. */
bool tmx_note_verify(struct tmx_bytes note, const struct tmx_verify_key *key, struct tmx_bytes *ret_text) TMX_MUST_CHECK;

/* cosignature/v1 (c2sp.org/tlog-cosignature): a witness says that at `time_s` (seconds since 1970) the checkpoint of
 * this text was the largest consistent one it had seen. Adds one line; the key is of type TMX_NOTE_COSIGNATURE. */
void tmx_cosignature_add_line(struct tmx_writer *w, struct tmx_bytes text, uint64_t time_s,
                              const struct tmx_verify_key *key, const uint8_t secret[64]);
enum tmx_cosignature { TMX_COSIGNATURE_NONE, TMX_COSIGNATURE_OK, TMX_COSIGNATURE_BAD };
/* What the note's lines of this key say: no line; one that verifies, and its time (of several the earliest); one that
 * does not. */
enum tmx_cosignature tmx_cosignature_verify(struct tmx_bytes note, const struct tmx_verify_key *key,
                                            uint64_t *ret_time_s) TMX_MUST_CHECK;

struct tmx_checkpoint {
    char origin[TMX_KEYNAME_MAX + 1];
    uint64_t size;
    struct tmx_hash root;
};

/* The three lines. */
void tmx_checkpoint_text(const struct tmx_checkpoint *c, struct tmx_writer *w);
/* Exactly three lines, size >= 1. */
bool tmx_checkpoint_parse(struct tmx_bytes text, struct tmx_checkpoint *ret_checkpoint) TMX_MUST_CHECK;
/* Signed by the log key (name == origin). */
void tmx_checkpoint_sign(const struct tmx_checkpoint *c, const struct tmx_verify_key *key, const uint8_t secret[64],
                         struct tmx_writer *w);
bool tmx_checkpoint_verify(struct tmx_bytes note, const struct tmx_verify_key *key,
                           struct tmx_checkpoint *ret_checkpoint) TMX_MUST_CHECK;
