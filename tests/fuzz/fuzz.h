/* SPDX-License-Identifier: Apache-2.0
 * What fuzz targets share. A target is one function over hostile bytes: it asserts what must hold whatever they are.
 * fuzz-main.c replays files through it; under clang the same function is a libFuzzer program. */
#pragma once

#include <stdlib.h>
#include <string.h>

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

/* A copy of `b`, of its exact size, with the changes that the input asks for: { u8 action, u16 where, u8 value }*. It may
 * become shorter, or a little longer. The caller frees it. */
static inline uint8_t *fuzz_changed(struct tmx_bytes b, struct tmx_reader *input, size_t *ret_size)
{
    size_t size = b.size, room = b.size + 64;
    uint8_t *data = calloc(1, room), *exact;

    assert(data != NULL);
    if (size > 0) {
        memcpy(data, b.data, size);
    }
    while (input->left >= 4) {
        uint8_t action = tmx_read_u8(input);
        size_t at = tmx_read_u16(input);
        uint8_t value = tmx_read_u8(input);
        if (action % 4 == 3) {
            size = at < room ? at : room;
        } else if (at < size) {
            data[at] = action % 4 == 2 ? value : data[at] ^ value;
        }
    }
    exact = malloc(size + (size == 0));
    assert(exact != NULL);
    memcpy(exact, data, size);
    free(data);
    *ret_size = size;
    return exact;
}
