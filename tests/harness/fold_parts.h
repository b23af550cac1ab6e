/* SPDX-License-Identifier: Apache-2.0
 * What fold.c and fold_rows.c share.
 */
#pragma once

#include "fold.h"

/* Keeps the first failure; returns false. */
bool fold_fail(struct fold *f, const char *fmt, ...) TMX_PRINTF(2, 3);
/* Index of a member in the federation; -1. */
int fold_member(const struct fold *f, struct tmx_bytes code);
/* Of one movement between the same two. */
bool fold_same_lane(const struct fold_delivery *a, const struct fold_delivery *b);
