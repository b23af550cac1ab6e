/* SPDX-License-Identifier: Apache-2.0
 * Views, cursors and the arena: the only code of the project that moves raw bytes by offset. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tmx/bytes.h>

#define ARENA_ALIGN 16u

struct tmx_bytes tmx_bytes_str(const char *s)
{
    return s == NULL ? TMX_BYTES_NULL : TMX_BYTES(s, strlen(s));
}

bool tmx_bytes_eq(struct tmx_bytes a, struct tmx_bytes b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

int tmx_bytes_cmp(struct tmx_bytes a, struct tmx_bytes b)
{
    size_t shared = a.size < b.size ? a.size : b.size;
    /* memcmp must not see NULL, not even with size zero */
    int order = shared == 0 ? 0 : memcmp(a.data, b.data, shared);

    if (order != 0) {
        return order;
    }
    return (a.size > b.size) - (a.size < b.size);
}

struct tmx_bytes tmx_bytes_slice(struct tmx_bytes b, size_t from, size_t size)
{
    assert(from <= b.size && size <= b.size - from);
    return b.data == NULL ? TMX_BYTES_NULL : TMX_BYTES(b.data + from, size);
}

uint64_t tmx_apart(uint64_t a, uint64_t b)
{
    return a - b < b - a ? a - b : b - a;
}

struct tmx_reader tmx_reader_init(struct tmx_bytes b)
{
    return (struct tmx_reader){ .at = b.data, .left = b.size };
}

/* The next `size` bytes, or NULL once anything failed. */
static const uint8_t *take(struct tmx_reader *r, size_t size)
{
    if (r->failed || size > r->left) {
        r->failed = true;
        return NULL;
    }
    const uint8_t *at = r->at;
    if (size > 0) {
        r->at += size;
        r->left -= size;
    }
    return at;
}

static uint64_t read_be(struct tmx_reader *r, size_t size)
{
    const uint8_t *at = take(r, size);
    uint64_t v = 0;

    for (size_t i = 0; at != NULL && i < size; i++) {
        v = v << 8 | at[i];
    }
    return v;
}

uint8_t tmx_read_u8(struct tmx_reader *r)
{
    const uint8_t *at = take(r, 1);   /* not by read_be: varints are read byte by byte */
    return at == NULL ? 0 : *at;
}

uint16_t tmx_read_u16(struct tmx_reader *r)
{
    return (uint16_t)read_be(r, 2);
}

uint32_t tmx_read_u32(struct tmx_reader *r)
{
    return (uint32_t)read_be(r, 4);
}

uint64_t tmx_read_u64(struct tmx_reader *r)
{
    return read_be(r, 8);
}

struct tmx_bytes tmx_read_bytes(struct tmx_reader *r, size_t size)
{
    const uint8_t *at = take(r, size);
    return at == NULL ? TMX_BYTES_NULL : TMX_BYTES(at, size);
}

void tmx_read_into(struct tmx_reader *r, void *ret_data, size_t size)
{
    if (size == 0) {
        return;
    }
    const uint8_t *at = take(r, size);
    if (at == NULL) {
        memset(ret_data, 0, size);
    } else {
        memcpy(ret_data, at, size);
    }
}

bool tmx_reader_ok(const struct tmx_reader *r)
{
    return !r->failed;
}

bool tmx_reader_done(const struct tmx_reader *r)
{
    return !r->failed && r->left == 0;
}

struct tmx_writer tmx_writer_init(void *data, size_t size)
{
    return (struct tmx_writer){ .start = data, .size = size };
}

/* Room for `size` bytes, or NULL once anything failed: what follows a dropped write is dropped too. */
static uint8_t *claim(struct tmx_writer *w, size_t size)
{
    if (w->failed || size > w->size - w->used) {
        w->failed = true;
        return NULL;
    }
    uint8_t *at = w->start + w->used;
    w->used += size;
    return at;
}

static void write_be(struct tmx_writer *w, uint64_t v, size_t size)
{
    uint8_t *at = claim(w, size);

    for (size_t i = 0; at != NULL && i < size; i++) {
        at[i] = (uint8_t)(v >> (8 * (size - 1 - i)));
    }
}

void tmx_write_u8(struct tmx_writer *w, uint8_t v)
{
    write_be(w, v, 1);
}

void tmx_write_u16(struct tmx_writer *w, uint16_t v)
{
    write_be(w, v, 2);
}

void tmx_write_u32(struct tmx_writer *w, uint32_t v)
{
    write_be(w, v, 4);
}

void tmx_write_u64(struct tmx_writer *w, uint64_t v)
{
    write_be(w, v, 8);
}

void tmx_write_bytes(struct tmx_writer *w, struct tmx_bytes b)
{
    if (b.size == 0) {
        return;
    }
    uint8_t *at = claim(w, b.size);
    if (at != NULL) {
        memcpy(at, b.data, b.size);
    }
}

void tmx_write_fmt(struct tmx_writer *w, const char *fmt, ...)
{
    va_list args;
    char *text = NULL;

    /* not straight into the array: printf would need room for a NUL that the writer does not write */
    va_start(args, fmt);
    int n = vasprintf(&text, fmt, args);
    va_end(args);
    if (n < 0) {
        w->failed = true;
        return;
    }
    tmx_write_bytes(w, TMX_BYTES(text, (size_t)n));
    free(text);
}

struct tmx_bytes tmx_written(const struct tmx_writer *w)
{
    assert(!w->failed);
    return TMX_BYTES(w->start, w->used);
}

int tmx_arena_init(struct tmx_arena *a, size_t size)
{
    assert(size > 0);
    uint8_t *start = malloc(size);
    if (start == NULL) {
        return -ENOMEM;
    }
    *a = (struct tmx_arena){ .start = start, .size = size };
    return 0;
}

void tmx_arena_deinit(struct tmx_arena *a)
{
    free(a->start);
    *a = (struct tmx_arena){ 0 };
}

void tmx_arena_reset(struct tmx_arena *a)
{
    a->used = 0;
}

void tmx_arena_rewind(struct tmx_arena *a, size_t used)
{
    assert(used <= a->used);
    a->used = used;
}

void *tmx_arena_alloc(struct tmx_arena *a, size_t size)
{
    /* malloc's block is 16-byte aligned, so aligned offsets give aligned pointers */
    size_t at = (a->used + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);

    if (at > a->size || size > a->size - at) {
        return NULL;
    }
    a->used = at + size;
    return memset(a->start + at, 0, size);
}

bool tmx_arena_copy(struct tmx_arena *a, struct tmx_bytes b, struct tmx_bytes *ret_copy)
{
    uint8_t *copy = tmx_arena_alloc(a, b.size);
    if (copy == NULL) {
        return false;
    }
    if (b.size > 0) {
        memcpy(copy, b.data, b.size);
    }
    *ret_copy = TMX_BYTES(copy, b.size);
    return true;
}
