/* SPDX-License-Identifier: Apache-2.0
 * Protobuf in and out. lib/wire/codec.c is the only caller of protobuf-c; everybody else uses the
 * generated structs (proto/ *.proto -> Tmx__Header …) through these two functions.
 *
 * Unpacking allocates from an arena with a hard cap, so that no input can amplify (reference/dependencies
 * 2.3). Every message that arrives must be canonical: pack(unpack(x)) == x and no unknown fields at any
 * level; signed bytes are kept and passed on exactly as they came.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <tmx/bytes.h>

enum tmx_codec_error {
    TMX_CODEC_OK,
    TMX_CODEC_E_MALFORMED = 1,  /* not parseable, unknown fields, not canonical */
    TMX_CODEC_E_TOO_LARGE,      /* longer than max, or the arena's cap was reached */
};

/* Unpacks `input` (at most `max` bytes). *ret_message lives in the arena. Returns enum tmx_codec_error. */
int tmx_codec_unpack(const ProtobufCMessageDescriptor *type, struct tmx_bytes input, size_t max,
                     struct tmx_arena *arena, void *ret_message) TMX_MUST_CHECK;
/* Packs into the arena. Returns TMX_CODEC_OK or TMX_CODEC_E_TOO_LARGE. */
int tmx_codec_pack(const void *message, struct tmx_arena *arena, struct tmx_bytes *ret_bytes) TMX_MUST_CHECK;

/* Between ProtobufCBinaryData and tmx_bytes (both borrow). */
static inline struct tmx_bytes tmx_pb(ProtobufCBinaryData b)
{
    return TMX_BYTES(b.data, b.len);
}

static inline ProtobufCBinaryData tmx_to_pb(struct tmx_bytes b)
{
    return (ProtobufCBinaryData){ .len = b.size, .data = (uint8_t *)(uintptr_t)b.data };
}
