/* SPDX-License-Identifier: Apache-2.0
 * Rules that several kinds of bodies share.
 */
#include "rules.h"

#include <sodium.h>

#include <tmx/code.h>
#include <tmx/identifier.h>

bool rule_ref(const Tmx__LogRef *ref)
{
    return ref != NULL && tmx_name_valid(tmx_pb(ref->shard), TMX_SHARD_MAX);
}

bool rule_head(const Tmx__Head *head)
{
    return head == NULL || (tmx_name_valid(tmx_pb(head->shard), TMX_SHARD_MAX) && head->size >= 1 &&
                            rule_size(head->root, TMX_HASH_SIZE));
}

bool rule_type(struct tmx_bytes type)
{
    for (size_t i = 0; i < type.size; i++) {
        uint8_t c = type.data[i];
        if (!((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))) {
            return false;
        }
    }
    return type.size >= 1 && type.size <= TMX_TYPE_MAX;
}

bool rule_x25519(ProtobufCBinaryData key)
{
    /* A multiple of the cofactor sends exactly the points of small order to zero; clamping makes any scalar one. */
    static const uint8_t scalar[32] = { 8 };
    uint8_t product[32];
    return rule_size(key, 32) && crypto_scalarmult(product, scalar, key.data) == 0;
}

unsigned rule_unpack(const ProtobufCMessageDescriptor *type, struct tmx_bytes input, size_t max,
                     struct tmx_arena *arena, void *ret_message)
{
    switch (tmx_codec_unpack(type, input, max, arena, ret_message)) {
    case TMX_CODEC_OK:
        return TMX_CODE_OK;
    case TMX_CODEC_E_TOO_LARGE:
        return TMX_CODE_TOO_LARGE;
    default:
        return TMX_CODE_MALFORMED;
    }
}
