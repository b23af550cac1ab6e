/* SPDX-License-Identifier: Apache-2.0
 * CURVE key pairs, and the keys nobody may use.
 */
#include <sodium.h>
#include <string.h>

#include <tmx/zap.h>

/* The test keys printed in zmq_curve(7): client and server. */
static const uint8_t published[][32] = {
    { 0xbb, 0x88, 0x47, 0x1d, 0x65, 0xe2, 0x65, 0x9b, 0x30, 0xc5, 0x5a, 0x53, 0x21, 0xce, 0xbb, 0x5a,
      0xab, 0x2b, 0x70, 0xa3, 0x98, 0x64, 0x5c, 0x26, 0xdc, 0xa2, 0xb2, 0xfc, 0xb4, 0x3f, 0xc5, 0x18 },
    { 0x54, 0xfc, 0xba, 0x24, 0xe9, 0x32, 0x49, 0x96, 0x93, 0x16, 0xfb, 0x61, 0x7c, 0x87, 0x2b, 0xb0,
      0xc1, 0xd1, 0xff, 0x14, 0x80, 0x04, 0x27, 0xc5, 0x94, 0xcb, 0xfa, 0xcf, 0x1b, 0xc2, 0xd6, 0x52 },
};

bool tmx_curve_key_ok(const uint8_t key[32])
{
    for (size_t i = 0; i < TMX_N(published); i++) {
        if (memcmp(key, published[i], 32) == 0) {
            return false;
        }
    }
    /* X25519 clears the low bits of any scalar, so a point of small order gives zero, which libsodium refuses. */
    static const uint8_t scalar[32] = { 1 };
    uint8_t shared[32];
    return crypto_scalarmult(shared, scalar, key) == 0;
}

void tmx_curve_generate(struct tmx_curve *ret_curve)
{
    int r = crypto_box_keypair(ret_curve->public, ret_curve->secret);
    assert(r == 0);
}

void tmx_curve_public(const uint8_t secret[32], uint8_t ret_public[32])
{
    int r = crypto_scalarmult_base(ret_public, secret);
    assert(r == 0);
}

bool tmx_curve_pair_ok(const struct tmx_curve *curve)
{
    uint8_t public[32];
    tmx_curve_public(curve->secret, public);
    return memcmp(public, curve->public, sizeof(public)) == 0 && tmx_curve_key_ok(public);
}
