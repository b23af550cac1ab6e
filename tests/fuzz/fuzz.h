/* SPDX-License-Identifier: Apache-2.0
 * What fuzz targets share. A target is one function over hostile bytes: it asserts what must hold whatever they are.
 * fuzz-main.c replays files through it; under clang the same function is a libFuzzer program. */
#pragma once

#include <tmx/codec.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Unpacks and holds the codec to its contract: what it takes packs to the same bytes, what it refuses leaves nothing
 * in the arena. Resets the arena first. Returns NULL when refused. */
static inline void *fuzz_unpack(const ProtobufCMessageDescriptor *type, struct tmx_bytes input, struct tmx_arena *arena)
{
    void *message = NULL;
    struct tmx_bytes again;

    tmx_arena_reset(arena);
    if (tmx_codec_unpack(type, input, 1u << 20, arena, &message) != TMX_CODEC_OK) {
        assert(arena->used == 0 && message == NULL);
        return NULL;
    }
    if (tmx_codec_pack(message, arena, &again) == TMX_CODEC_OK) {
        assert(tmx_bytes_eq(input, again));
    }
    return message;
}

/* One arena for the life of the program. */
static inline struct tmx_arena *fuzz_arena(void)
{
    static struct tmx_arena arena;

    if (arena.start == NULL) {
        int r = tmx_arena_init(&arena, 1u << 20);
        assert(r == 0);
    }
    return &arena;
}
