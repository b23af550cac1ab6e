/* SPDX-License-Identifier: Apache-2.0
 * The lines of a log as CSV (RFC 4180) or JSON, a line each.
 */
#pragma once

#include <stdio.h>

#include "lines.h"

enum tmx_readable_format { READABLE_CSV, READABLE_JSONL, READABLE_JSON };   /* the last: objects, without line ends */

/* "csv" or "jsonl"; false: neither. */
bool tmx_readable_parse(const char *text, enum tmx_readable_format *ret_format) TMX_MUST_CHECK;
void tmx_readable_heading(enum tmx_readable_format format, FILE *out);
/* -EIO, -ENOMEM. */
int tmx_readable_line(const struct tmx_audit_line *line, enum tmx_readable_format format, FILE *out) TMX_MUST_CHECK;
/* Writes the wanted lines of an export whose head is verified. As tmx_audit_lines; -EIO: cannot be written. */
int tmx_readable(struct tmx_history *h, const struct tmx_audit_filter *filter, enum tmx_readable_format format, FILE *out,
                 char ret_why[HISTORY_WHY_MAX]) TMX_MUST_CHECK;
