/* SPDX-License-Identifier: Apache-2.0
 * The bytes of the disk spool: every row and piece under one ordered set of keys whose first byte says what it is.
 *   table                    a row: digest, kind, and the value itself or the size and version of its pieces
 *   TMX_TABLES_MAX + table   a piece of a large value: key of the row, number of the piece; digest, bytes
 *   TMX_OWN_TABLE            the spool's own rows: what it is, and how many rows each table has
 * Nothing stored is larger than TMX_ROW_CHUNK, so that nothing needs more than one overflow page of LMDB.
 *
 * The digest is SipHash-2-4 of the stored bytes, keyed with a SipHash of their place (key and version): LMDB has no
 * checksums, and this finds flipped bits, pages written to a wrong place and pieces of an earlier value, missing one
 * damage in 2^64. It is no defence against someone who can write the file, and no hash kept in the same file would
 * be: contents are sealed and signed end to end. BLAKE2b costs 4 times as much (100 bytes 280 to 80 ns, 4 KiB 7.6 to
 * 1.7 us), which at 10,000 messages a second is a third of a core.
 */
#pragma once

#include <tmx/bytes.h>
#include <tmx/limits.h>
#include <tmx/spool.h>

#define TMX_ROW_DIGEST 8u
#define TMX_WHOLE_MAX (TMX_ROW_CHUNK - TMX_ROW_DIGEST - 1)   /* the largest value kept in its row */
#define TMX_PIECE_MAX (TMX_ROW_CHUNK - TMX_ROW_DIGEST)
#define TMX_ROW_KEY_MAX (1 + TMX_KEY_MAX + 2)
#define TMX_OWN_TABLE 0xffu

enum tmx_row_kind {
    TMX_ROW_WHOLE = 1,
    TMX_ROW_PIECES = 2,
};

struct tmx_row_key {
    uint8_t bytes[TMX_ROW_KEY_MAX];
    size_t size;
};

/* Room for what is stored under one key. */
struct tmx_row_buffer {
    uint8_t bytes[TMX_ROW_CHUNK];
};

struct tmx_row {
    uint8_t kind;             /* enum tmx_row_kind */
    struct tmx_bytes whole;   /* WHOLE: the value */
    uint32_t size;            /* PIECES: of the value */
    uint64_t version;         /* PIECES: what its pieces are sealed with */
};

void tmx_row_key(struct tmx_row_key *ret_key, uint8_t table, struct tmx_bytes key);
void tmx_row_piece_key(struct tmx_row_key *ret_key, uint8_t table, struct tmx_bytes key, uint16_t number);

static inline struct tmx_bytes tmx_row_key_bytes(const struct tmx_row_key *key)
{
    return TMX_BYTES(key->bytes, key->size);
}

/* What to store; borrowed from the buffer. `version` differs for each version of a value (the turn's number). */
struct tmx_bytes tmx_row_make(const struct tmx_row_key *key, struct tmx_bytes value, uint64_t version,
                              struct tmx_row_buffer *b);
struct tmx_bytes tmx_row_make_piece(const struct tmx_row_key *key, struct tmx_bytes piece, uint64_t version,
                                    struct tmx_row_buffer *b);

/* Does what is stored under `key` start with the digest of the rest? A row's own version is 0. */
bool tmx_row_intact(struct tmx_bytes key, uint64_t version, struct tmx_bytes stored);
/* False: damaged. */
bool tmx_row_parse(struct tmx_bytes key, struct tmx_bytes stored, struct tmx_row *ret_row);
/* For dropping a row, damaged or not: may it have pieces? */
bool tmx_row_may_have_pieces(struct tmx_bytes stored);
