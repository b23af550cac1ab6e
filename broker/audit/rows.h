/* SPDX-License-Identifier: Apache-2.0
 * The state that the entries checked so far give, as rows of the projection (tmx/projection.h): what their broker must hold.
 */
#pragma once

#include <tmx/projection.h>

#include "verify.h"

/* The row of the log that has the key of `row`, which is a whole row of that table; *ret_since is the entry that made it what it
 * is. False: the log gives none. */
bool tmx_audit_row(const struct tmx_audit *a, enum tmx_projection_table table, const uint8_t *row,
                   uint8_t ret_row[TMX_PROJECTION_ROW_MAX], uint64_t *ret_since) TMX_MUST_CHECK;

/* Every row of a table, in no order. `came` is the entry with which it came; 0 where rows change and are not many: directory,
 * prekey sets, pairs, destinations. */
typedef void tmx_audit_row_fn(void *ctx, const uint8_t *row, uint64_t came);
void tmx_audit_rows(const struct tmx_audit *a, enum tmx_projection_table table, tmx_audit_row_fn *fn, void *ctx);
