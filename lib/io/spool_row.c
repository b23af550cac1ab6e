/* SPDX-License-Identifier: Apache-2.0
 * The bytes of the disk spool's rows. See spool_row.h.
 */
#include <string.h>

#include <sodium.h>

#include "spool_row.h"

_Static_assert(TMX_CONTAINER_MAX / TMX_PIECE_MAX < UINT16_MAX, "pieces are numbered with 16 bits");
_Static_assert(crypto_shorthash_BYTES == TMX_ROW_DIGEST, "the digest is one SipHash");
_Static_assert(crypto_shorthash_siphashx24_BYTES == crypto_shorthash_KEYBYTES, "one hash keys the other");

void tmx_row_key(struct tmx_row_key *ret_key, uint8_t table, struct tmx_bytes key)
{
    struct tmx_writer w = TMX_WRITER_OF(ret_key->bytes);
    tmx_write_u8(&w, table);
    tmx_write_bytes(&w, key);
    ret_key->size = tmx_written(&w).size;
}

void tmx_row_piece_key(struct tmx_row_key *ret_key, uint8_t table, struct tmx_bytes key, uint16_t number)
{
    struct tmx_writer w = TMX_WRITER_OF(ret_key->bytes);
    tmx_write_u8(&w, (uint8_t)(TMX_TABLES_MAX + table));
    tmx_write_bytes(&w, key);
    tmx_write_u16(&w, number);
    ret_key->size = tmx_written(&w).size;
}

static void digest(struct tmx_bytes key, uint64_t version, struct tmx_bytes data, uint8_t ret_digest[TMX_ROW_DIGEST])
{
    static const uint8_t zero[crypto_shorthash_KEYBYTES];
    uint8_t place[8 + TMX_ROW_KEY_MAX], hash[crypto_shorthash_KEYBYTES];
    struct tmx_writer w = TMX_WRITER_OF(place);
    tmx_write_u64(&w, version);
    tmx_write_bytes(&w, key);
    crypto_shorthash_siphashx24(hash, place, tmx_written(&w).size, zero);
    crypto_shorthash(ret_digest, data.data, data.size, hash);
}

bool tmx_row_intact(struct tmx_bytes key, uint64_t version, struct tmx_bytes stored)
{
    uint8_t expected[TMX_ROW_DIGEST];
    if (stored.size < TMX_ROW_DIGEST) {
        return false;
    }
    digest(key, version, tmx_bytes_slice(stored, TMX_ROW_DIGEST, stored.size - TMX_ROW_DIGEST), expected);
    return memcmp(stored.data, expected, TMX_ROW_DIGEST) == 0;
}

static struct tmx_bytes seal(const struct tmx_row_key *key, uint64_t version, struct tmx_row_buffer *b, size_t size)
{
    digest(tmx_row_key_bytes(key), version, TMX_BYTES(b->bytes + TMX_ROW_DIGEST, size - TMX_ROW_DIGEST), b->bytes);
    return TMX_BYTES(b->bytes, size);
}

struct tmx_bytes tmx_row_make(const struct tmx_row_key *key, struct tmx_bytes value, uint64_t version,
                              struct tmx_row_buffer *b)
{
    struct tmx_writer w = TMX_WRITER_OF(b->bytes);
    tmx_write_u64(&w, 0);   /* the digest's place */
    if (value.size <= TMX_WHOLE_MAX) {
        tmx_write_u8(&w, TMX_ROW_WHOLE);
        tmx_write_bytes(&w, value);
    } else {
        tmx_write_u8(&w, TMX_ROW_PIECES);
        tmx_write_u32(&w, (uint32_t)value.size);
        tmx_write_u64(&w, version);
    }
    return seal(key, 0, b, tmx_written(&w).size);
}

struct tmx_bytes tmx_row_make_piece(const struct tmx_row_key *key, struct tmx_bytes piece, uint64_t version,
                                    struct tmx_row_buffer *b)
{
    struct tmx_writer w = TMX_WRITER_OF(b->bytes);
    tmx_write_u64(&w, 0);
    tmx_write_bytes(&w, piece);
    return seal(key, version, b, tmx_written(&w).size);
}

bool tmx_row_may_have_pieces(struct tmx_bytes stored)
{
    return stored.size <= TMX_ROW_DIGEST || stored.data[TMX_ROW_DIGEST] != TMX_ROW_WHOLE;
}

bool tmx_row_parse(struct tmx_bytes key, struct tmx_bytes stored, struct tmx_row *ret_row)
{
    if (!tmx_row_intact(key, 0, stored)) {
        return false;
    }
    struct tmx_row row = { 0 };
    struct tmx_reader r = tmx_reader_init(tmx_bytes_slice(stored, TMX_ROW_DIGEST, stored.size - TMX_ROW_DIGEST));
    row.kind = tmx_read_u8(&r);
    if (row.kind == TMX_ROW_WHOLE) {
        row.whole = tmx_read_bytes(&r, r.left);
    } else {
        row.size = tmx_read_u32(&r);
        row.version = tmx_read_u64(&r);
        if (row.kind != TMX_ROW_PIECES || row.size <= TMX_WHOLE_MAX || row.size > TMX_CONTAINER_MAX) {
            return false;
        }
    }
    if (!tmx_reader_done(&r)) {
        return false;
    }
    *ret_row = row;
    return true;
}
