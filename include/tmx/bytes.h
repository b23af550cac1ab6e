/* SPDX-License-Identifier: Apache-2.0
 * Bytes and the two cursors through which every parser and builder of this project goes.
 *
 * struct tmx_bytes   a borrowed view; never owns; valid until the call returns (or, where a header says
 *                    so, until the end of the turn).
 * struct tmx_reader  reads a view front to back; a read past the end sets `failed` and yields zeros, and
 *                    stays failed: check once at the end with tmx_reader_ok / tmx_reader_done.
 * struct tmx_writer  fills a caller's array; a write past the end sets `failed` and is dropped.
 * struct tmx_arena   bump allocator over one malloc'ed block with a hard cap; reset frees everything.
 *
 * Integers are big-endian unless the name says otherwise.
 */
#pragma once

#include <tmx/err.h>

struct tmx_bytes {
    const uint8_t *data;
    size_t size;
};

#define TMX_BYTES_NULL ((struct tmx_bytes){ NULL, 0 })
#define TMX_BYTES(p, n) ((struct tmx_bytes){ (const uint8_t *)(p), (n) })
#define TMX_BYTES_OF(array) TMX_BYTES(array, sizeof(array))
/* A string literal without its NUL. */
#define TMX_LIT(s) TMX_BYTES("" s, sizeof(s) - 1)

struct tmx_bytes tmx_bytes_str(const char *s);               /* without the NUL; NULL gives empty */
bool tmx_bytes_eq(struct tmx_bytes a, struct tmx_bytes b);   /* not constant time: public data only */
int tmx_bytes_cmp(struct tmx_bytes a, struct tmx_bytes b);   /* memcmp order, shorter first */
struct tmx_bytes tmx_bytes_slice(struct tmx_bytes b, size_t from, size_t size); /* asserts the range */

/* How far two clocks are apart, whichever is ahead. Modulo 2^64: a peer may claim any time, and so may differences. */
uint64_t tmx_apart(uint64_t a, uint64_t b);

struct tmx_reader {
    const uint8_t *at;
    size_t left;
    bool failed;
};

struct tmx_reader tmx_reader_init(struct tmx_bytes b);
uint8_t tmx_read_u8(struct tmx_reader *r);
uint16_t tmx_read_u16(struct tmx_reader *r);
uint32_t tmx_read_u32(struct tmx_reader *r);
uint64_t tmx_read_u64(struct tmx_reader *r);
struct tmx_bytes tmx_read_bytes(struct tmx_reader *r, size_t size);   /* borrowed from the input */
void tmx_read_into(struct tmx_reader *r, void *ret_data, size_t size); /* zeros when failed */
bool tmx_reader_ok(const struct tmx_reader *r);
bool tmx_reader_done(const struct tmx_reader *r);   /* ok and nothing left */

struct tmx_writer {
    uint8_t *start;
    size_t size;   /* capacity */
    size_t used;
    bool failed;
};

struct tmx_writer tmx_writer_init(void *data, size_t size);
#define TMX_WRITER_OF(array) tmx_writer_init((array), sizeof(array))
void tmx_write_u8(struct tmx_writer *w, uint8_t v);
void tmx_write_u16(struct tmx_writer *w, uint16_t v);
void tmx_write_u32(struct tmx_writer *w, uint32_t v);
void tmx_write_u64(struct tmx_writer *w, uint64_t v);
void tmx_write_bytes(struct tmx_writer *w, struct tmx_bytes b);
void tmx_write_fmt(struct tmx_writer *w, const char *fmt, ...) TMX_PRINTF(2, 3); /* text, no NUL */
struct tmx_bytes tmx_written(const struct tmx_writer *w);   /* asserts !failed */

struct tmx_arena {
    uint8_t *start;
    size_t size;
    size_t used;
};

/* -ENOMEM when the block cannot be had. */
int tmx_arena_init(struct tmx_arena *a, size_t size) TMX_MUST_CHECK;
void tmx_arena_deinit(struct tmx_arena *a);   /* idempotent */
void tmx_arena_reset(struct tmx_arena *a);
/* Frees what was allocated since `used` was that. */
void tmx_arena_rewind(struct tmx_arena *a, size_t used);
/* 16-byte aligned, zeroed; NULL when the cap is reached: a condition the caller must handle. */
void *tmx_arena_alloc(struct tmx_arena *a, size_t size) TMX_MUST_CHECK;
/* A copy of `b` in the arena; false when the cap is reached (ret_copy untouched). */
bool tmx_arena_copy(struct tmx_arena *a, struct tmx_bytes b, struct tmx_bytes *ret_copy) TMX_MUST_CHECK;
