/* SPDX-License-Identifier: Apache-2.0
 * What fold.c and fold_rows.c share.
 */
#pragma once

#include "fold.h"

/* Keeps the first failure; returns false. */
bool fold_fail(struct fold *f, const char *fmt, ...) TMX_PRINTF(2, 3);
/* Index of a member in the federation; -1. */
int fold_member(const struct fold *f, struct tmx_bytes code);
/* fold_operations.c: an OPERATOR entry, and the rows it explains. */
bool fold_operator(struct fold *f, const Tmx__LogEntry *e, struct fold_delivery *d);
bool fold_stop_row(struct fold *f, struct tmx_spool *spool, struct tmx_bytes key, struct tmx_bytes value);
bool fold_held_row(struct fold *f, struct tmx_spool *spool, struct tmx_bytes key, struct tmx_bytes value);
bool fold_operation_row(struct fold *f, struct tmx_spool *spool, struct tmx_bytes key, struct tmx_bytes value);
bool fold_nonce_row(struct fold *f, struct tmx_spool *spool, struct tmx_bytes key, struct tmx_bytes value);
bool fold_proposal_row(struct fold *f, struct tmx_spool *spool, struct tmx_bytes key, struct tmx_bytes value);
uint64_t fold_operations(const struct fold *f);
uint64_t fold_stops(const struct fold *f);
uint64_t fold_held(const struct fold *f);
/* Of one movement between the same two. */
bool fold_same_lane(const struct fold_delivery *a, const struct fold_delivery *b);
