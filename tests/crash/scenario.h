/* SPDX-License-Identifier: Apache-2.0
 * A spool used like a broker's queue: the same turns on any spool, from a seed.
 */
#pragma once

#include <tmx/spool.h>

/* Makes turn `turn` (the first is 1) on a spool on which the turns before were made: begin, apply, commit.
 * What it does follows from the seed, the turn and the rows. */
int scenario_turn(struct tmx_spool *s, uint64_t seed, uint64_t turn) TMX_MUST_CHECK;
/* The last turn made; 0: none. */
int scenario_last(struct tmx_spool *s, uint64_t *ret_turn) TMX_MUST_CHECK;
/* A hash of all rows. */
int scenario_digest(struct tmx_spool *s, uint64_t *ret_digest) TMX_MUST_CHECK;
