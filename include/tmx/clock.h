/* SPDX-License-Identifier: Apache-2.0
 * Time and randomness for the shells of the daemons. Pure code calls neither: both arrive in its events.
 */
#pragma once

#include <tmx/err.h>

/* Never falls; meaningful within this boot only. Time asleep does not count. */
uint64_t tmx_clock_mono_ms(void);
/* Since 1970, UTC; may jump. */
uint64_t tmx_clock_wall_ms(void);
uint64_t tmx_clock_wall_us(void);

/* 32 bytes from the system's generator, for one event. */
void tmx_entropy(uint8_t ret_seed[32]);
