/* SPDX-License-Identifier: Apache-2.0
 * What rows.c tells by rows_operations.c: the tables stops, holds and proposals, none of which is large.
 */
#pragma once

#include "rows.h"

/* See tmx_audit_row and tmx_audit_rows. */
bool tmx_audit_operations_row(const struct tmx_audit *a, enum tmx_projection_table table, const uint8_t *row, struct tmx_writer *w,
                              uint64_t *ret_since) TMX_MUST_CHECK;
void tmx_audit_operations_rows(const struct tmx_audit *a, enum tmx_projection_table table, tmx_audit_row_fn *fn, void *ctx);
