/* SPDX-License-Identifier: Apache-2.0
 * Randomness for events. libsodium opens the system's generator once and ends the process when it fails.
 */
#include <sodium.h>

#include <tmx/clock.h>

void tmx_entropy(uint8_t ret_seed[32])
{
    int r = sodium_init();
    assert(r >= 0);
    randombytes_buf(ret_seed, 32);
}
