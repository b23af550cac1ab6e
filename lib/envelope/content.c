/* SPDX-License-Identifier: Apache-2.0
 * The plaintext inside the seal: a Content message, the payload as it is stored, padding. Inflation is bounded by
 * the size the content declares, and that by TMX_PAYLOAD_MAX, before a byte is inflated.
 */
#include <tmx/envelope.h>

#include <stdlib.h>
#include <string.h>

#include <zstd.h>

#include <tmx/code.h>

#include "rules.h"

/* zstd's fast levels gain nothing on XML of a few KiB; 3 is its default. */
#define ZSTD_LEVEL 3

enum compression { COMPRESSION_NONE, COMPRESSION_ZSTD };

static size_t padded(size_t size)
{
    return (size + TMX_PADDING - 1) / TMX_PADDING * TMX_PADDING;
}

struct tmx_compressor *tmx_compressor_new(void)
{
    return (struct tmx_compressor *)ZSTD_createCCtx();
}

struct tmx_compressor *tmx_compressor_free(struct tmx_compressor *c)
{
    ZSTD_freeCCtx((ZSTD_CCtx *)c);
    return NULL;
}

static size_t compress(struct tmx_compressor *c, uint8_t *at, size_t room, struct tmx_bytes b)
{
    return c == NULL ? ZSTD_compress(at, room, b.data, b.size, ZSTD_LEVEL)
                     : ZSTD_compressCCtx((ZSTD_CCtx *)c, at, room, b.data, b.size, ZSTD_LEVEL);
}

/* Stores the payload at `at`, which has room for it: compressed when that is shorter. */
static void store(struct tmx_compressor *c, Tmx__Content *content, struct tmx_bytes payload, uint8_t *at)
{
    size_t n = payload.size == 0 ? 0 : compress(c, at, payload.size - 1, payload);
    bool shorter = payload.size > 0 && !ZSTD_isError(n);
    if (!shorter && payload.size > 0) {
        memcpy(at, payload.data, payload.size);
    }
    content->payload_bytes = payload.size;
    content->compression = shorter ? COMPRESSION_ZSTD : COMPRESSION_NONE;
    content->stored_bytes = shorter ? n : payload.size;
}

static int pack(struct tmx_compressor *compressor, Tmx__Content *content, struct tmx_bytes payload,
                struct tmx_arena *arena, uint8_t **ret_plaintext, size_t *ret_size)
{
    /* The longest the message can get: compressed, and no shorter for it. */
    content->payload_bytes = payload.size;
    content->compression = COMPRESSION_ZSTD;
    content->stored_bytes = payload.size;
    struct tmx_bytes message;
    if (tmx_codec_pack(content, arena, &message) != TMX_CODEC_OK || message.size > TMX_CONTENT_MAX) {
        return -EMSGSIZE;
    }
    size_t reserved = 4 + message.size;
    size_t capacity = padded(reserved + payload.size);
    uint8_t *plaintext = malloc(capacity);
    if (plaintext == NULL) {
        return -ENOMEM;
    }
    store(compressor, content, payload, plaintext + reserved);
    tmx_arena_reset(arena);
    int r = tmx_codec_pack(content, arena, &message);
    assert(r == TMX_CODEC_OK && 4 + message.size <= reserved);

    struct tmx_writer w = tmx_writer_init(plaintext, reserved);
    tmx_write_u32(&w, (uint32_t)message.size);
    tmx_write_bytes(&w, message);
    memmove(plaintext + w.used, plaintext + reserved, content->stored_bytes);
    size_t used = w.used + content->stored_bytes;
    memset(plaintext + used, 0, padded(used) - used);
    *ret_plaintext = plaintext;
    *ret_size = padded(used);
    return 0;
}

int tmx_content_pack(struct tmx_compressor *compressor, Tmx__Content *content, struct tmx_bytes payload,
                     uint8_t **ret_plaintext, size_t *ret_size)
{
    if (payload.size > TMX_PAYLOAD_MAX) {
        return -EMSGSIZE;
    }
    struct tmx_arena arena;
    int r = tmx_arena_init(&arena, TMX_CONTENT_MAX + 64);
    if (r < 0) {
        return r;
    }
    r = pack(compressor, content, payload, &arena, ret_plaintext, ret_size);
    tmx_arena_deinit(&arena);
    return r;
}

static bool sizes_valid(const Tmx__Content *c, size_t left)
{
    if (c->payload_bytes > TMX_PAYLOAD_MAX || c->stored_bytes > left || left - c->stored_bytes >= TMX_PADDING) {
        return false;
    }
    return c->compression == COMPRESSION_ZSTD ||
           (c->compression == COMPRESSION_NONE && c->payload_bytes == c->stored_bytes);
}

/* One frame and no more; neither a skippable one nor one of the formats before RFC 8878. */
static bool frame_valid(struct tmx_bytes stored)
{
    static const uint8_t magic[4] = { 0x28, 0xb5, 0x2f, 0xfd };
    return stored.size >= sizeof(magic) && memcmp(stored.data, magic, sizeof(magic)) == 0 &&
           ZSTD_findFrameCompressedSize(stored.data, stored.size) == stored.size;
}

static bool all_zero(struct tmx_bytes b)
{
    uint8_t any = 0;
    for (size_t i = 0; i < b.size; i++) {
        any |= b.data[i];
    }
    return any == 0;
}

static int take(const Tmx__Content *c, struct tmx_bytes stored, uint8_t **ret_payload)
{
    if (c->compression == COMPRESSION_ZSTD && !frame_valid(stored)) {
        return TMX_CODE_CONTENT_INVALID;
    }
    uint8_t *payload = malloc(c->payload_bytes + 1);   /* never a zero-sized block */
    if (payload == NULL) {
        return -ENOMEM;
    }
    if (c->compression == COMPRESSION_ZSTD) {
        if (ZSTD_decompress(payload, c->payload_bytes, stored.data, stored.size) != c->payload_bytes) {
            free(payload);
            return TMX_CODE_CONTENT_INVALID;
        }
    } else if (stored.size > 0) {
        memcpy(payload, stored.data, stored.size);
    }
    *ret_payload = payload;
    return TMX_CODE_OK;
}

int tmx_content_unpack(struct tmx_bytes plaintext, struct tmx_arena *arena, Tmx__Content **ret_content,
                       uint8_t **ret_payload, size_t *ret_size)
{
    Tmx__Content *c = NULL;
    struct tmx_reader r = tmx_reader_init(plaintext);
    struct tmx_bytes message = tmx_read_bytes(&r, tmx_read_u32(&r));
    if (!tmx_reader_ok(&r) || plaintext.size % TMX_PADDING != 0 ||
        rule_unpack(&tmx__content__descriptor, message, TMX_CONTENT_MAX, arena, &c) != TMX_CODE_OK ||
        !rule_size(c->message_id, TMX_ID_SIZE) || !rule_type(tmx_pb(c->message_type)) || !sizes_valid(c, r.left)) {
        return TMX_CODE_CONTENT_INVALID;
    }
    struct tmx_bytes stored = tmx_read_bytes(&r, c->stored_bytes);
    struct tmx_bytes padding = tmx_read_bytes(&r, r.left);
    if (!all_zero(padding)) {
        return TMX_CODE_CONTENT_INVALID;
    }
    int code = take(c, stored, ret_payload);
    if (code == TMX_CODE_OK) {
        *ret_content = c;
        *ret_size = c->payload_bytes;
    }
    return code;
}
