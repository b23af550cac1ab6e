/* SPDX-License-Identifier: Apache-2.0
 * A proof of misbehaviour, as anybody may hand one to an auditor: what is read is written again byte for byte, and judged. LINK-6,
 * LOG-8
 */
#include <string.h>

#include <tmx/misbehaviour.h>

#include "fuzz.h"

static struct tmx_misbehaviour_room room;
static uint8_t again[TMX_MISBEHAVIOUR_MAX];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t public[32] = { 0x58, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
                                 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66 };
    struct tmx_misbehaviour m;
    struct tmx_verify_key key;
    char origin[TMX_KEYNAME_MAX + 1];
    struct tmx_writer w = TMX_WRITER_OF(again);

    if (!tmx_misbehaviour_parse(TMX_BYTES(data, size), &room, &m)) {
        return 0;
    }
    tmx_misbehaviour_write(&m, &w);
    assert(tmx_bytes_eq(tmx_written(&w), TMX_BYTES(data, size)));
    if (tmx_misbehaviour_origin(&m, origin) &&
        tmx_verify_key_init(tmx_bytes_str(origin), TMX_NOTE_ED25519, public, &key)) {
        assert(tmx_misbehaviour_judge(&m, &key) != TMX_VERDICT_FORK);   /* it signed no input */
    }
    return 0;
}
