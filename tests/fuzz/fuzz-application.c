/* SPDX-License-Identifier: Apache-2.0
 * What a national application and its node send each other. APP-2, ENV-2 */
#include "application.pb-c.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    (void)fuzz_unpack(&tmx__request__descriptor, TMX_BYTES(data, size), fuzz_arena());
    (void)fuzz_unpack(&tmx__response__descriptor, TMX_BYTES(data, size), fuzz_arena());
    return 0;
}
