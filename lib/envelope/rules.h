/* SPDX-License-Identifier: Apache-2.0
 * Rules that several kinds of bodies share.
 */
#pragma once

#include <tmx/codec.h>
#include <tmx/limits.h>

#include "envelope.pb-c.h"

static inline bool rule_size(ProtobufCBinaryData b, size_t size)
{
    return b.len == size;
}

static inline bool rule_empty_or(ProtobufCBinaryData b, size_t size)
{
    return b.len == 0 || b.len == size;
}

/* Present and complete. */
bool rule_ref(const Tmx__LogRef *ref);
/* Absent, or complete: shard, size of at least 1, root. */
bool rule_head(const Tmx__Head *head);
/* 1 to 16 characters [A-Z0-9]. */
bool rule_type(struct tmx_bytes type);
/* An X25519 key that gives no all-zero secret. */
bool rule_x25519(ProtobufCBinaryData key);
/* Unpacks and gives a reason code: TMX_CODE_OK, MALFORMED, TOO_LARGE. */
unsigned rule_unpack(const ProtobufCMessageDescriptor *type, struct tmx_bytes input, size_t max,
                     struct tmx_arena *arena, void *ret_message);
