/* SPDX-License-Identifier: Apache-2.0
 * Control frames of the link and the items that follow them. LINK-1, ENV-2 */
#include "fuzz.h"
#include "link.pb-c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    (void)fuzz_unpack(&tmx__link__descriptor, TMX_BYTES(data, size), fuzz_arena());
    (void)fuzz_unpack(&tmx__feed_item__descriptor, TMX_BYTES(data, size), fuzz_arena());
    return 0;
}
