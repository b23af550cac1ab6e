/* SPDX-License-Identifier: Apache-2.0
 * What operators ask of the broker of fuzz-broker.c, rightly or wrong in one thing, and what must have become of it: all of
 * it, with its entries and its record, or nothing.
 */
#pragma once

#include "fuzz_bodies.h"

/* A request by the instruction: `a` the action, `b` who, `c` what it names, `d` what is wrong with it. One a turn. */
void operators_ask(struct world *w, unsigned member, const struct instruction *in);
/* After the turn the request was in; `committed`: false when the broker died before its commit, and has started again. */
void operators_asked(struct world *w, const struct tmx_broker_operation_view *result, bool committed);
/* Nothing stays stopped or held. */
void operators_put_right(struct world *w);
