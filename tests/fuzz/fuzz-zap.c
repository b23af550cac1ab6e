/* SPDX-License-Identifier: Apache-2.0
 * The admission decision over any frames: nobody but the one admitted key gets in, whatever else a request says; and
 * whatever User-Id comes with a message, only that of the decision names anybody. TRA-2, TRA-3
 *
 * Input: frames, each u8 size | bytes, as far as they go; the last one is also tried as a User-Id. */
#include <stdlib.h>
#include <string.h>

#include <tmx/zap.h>

#include "fuzz.h"

/* The public half of the secret 01 02 … 20, so that seeds can hold it. */
static const struct tmx_admit admitted = {
    .key = { 0x07, 0xa3, 0x7c, 0xbc, 0x14, 0x20, 0x93, 0xc8, 0xb7, 0x55, 0xdc, 0x1b, 0x10, 0xe8, 0x6c, 0xb4,
             0x26, 0x37, 0x4a, 0xd1, 0x6a, 0xa8, 0x53, 0xed, 0x0b, 0xdf, 0xc0, 0xb2, 0xb8, 0x6d, 0x1c, 0x7c },
    .member = "FR",
};

static const struct tmx_zap *zap(void)
{
    static struct tmx_zap *z;
    if (z == NULL) {
        static const uint8_t secret[32] = "known to nobody but this program";
        int r = tmx_zap_new(secret, &z);
        assert(r == 0);
        r = tmx_zap_admit(z, &admitted, 1);
        assert(r == 0);
    }
    return z;
}

static void check_user_id(struct tmx_bytes b)
{
    const struct tmx_bytes frames[] = { TMX_LIT("1.0"), TMX_LIT(""), TMX_LIT(TMX_ZAP_DOMAIN), TMX_LIT(""), TMX_LIT(""),
                                        TMX_LIT("CURVE"), TMX_BYTES_OF(admitted.key) };
    struct tmx_zap_reply right;
    tmx_zap_decide(zap(), frames, TMX_N(frames), &right);
    assert(right.accepted);

    char *user_id = calloc(1, b.size + 1);
    assert(user_id != NULL);
    if (b.size > 0) {
        memcpy(user_id, b.data, b.size);
    }
    const char *name = tmx_zap_name(zap(), user_id);
    assert((name != NULL) == (strcmp(user_id, right.user_id) == 0));
    free(user_id);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tmx_bytes frames[TMX_ZAP_FRAMES_MAX];
    struct tmx_reader r = tmx_reader_init(TMX_BYTES(data, size));
    size_t n = 0;
    while (n < TMX_N(frames) && tmx_reader_ok(&r) && !tmx_reader_done(&r)) {
        frames[n] = tmx_read_bytes(&r, tmx_read_u8(&r));
        n += tmx_reader_ok(&r);
    }
    struct tmx_zap_reply reply;
    tmx_zap_decide(zap(), frames, n, &reply);
    bool right = n == 7 && tmx_bytes_eq(frames[0], TMX_LIT("1.0")) &&
                 tmx_bytes_eq(frames[2], TMX_LIT(TMX_ZAP_DOMAIN)) && tmx_bytes_eq(frames[5], TMX_LIT("CURVE")) &&
                 tmx_bytes_eq(frames[6], TMX_BYTES_OF(admitted.key));
    assert(reply.accepted == right && (strcmp(reply.status, "200") == 0) == right);
    assert(right || reply.user_id[0] == '\0');
    check_user_id(n > 0 ? frames[n - 1] : TMX_BYTES_NULL);
    return 0;
}
