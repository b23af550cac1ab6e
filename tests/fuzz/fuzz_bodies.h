/* SPDX-License-Identifier: Apache-2.0
 * What a member of fuzz-broker.c signs: headers and reports as they should be, then bent field by field.
 */
#pragma once

#include "fuzz_world.h"

/* One instruction: 8 bytes of the input. */
struct instruction {
    uint8_t kind, who, a, b, c, d;
    uint16_t v;
};

/* A new message into the pool, by the instruction and the bends, and its item into the next Submit. */
void body_header(struct world *w, unsigned member, const struct instruction *in);
/* A message of the pool once more. */
void body_again(struct world *w, unsigned member, const struct instruction *in);
/* A report on a delivery the member got, into the next Reports. */
void body_report(struct world *w, unsigned member, const struct instruction *in);
/* A prekey set. */
void body_prekeys(struct world *w, unsigned member, const struct instruction *in);
