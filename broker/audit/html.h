/* SPDX-License-Identifier: Apache-2.0
 * Parts of an HTML page that is well-formed XML, too. What comes from outside goes through html_text alone.
 */
#pragma once

#include <stdio.h>

#include <tmx/bytes.h>

/* Escaped; what is not printable is shown as \xNN. Cut after 250 bytes. */
void html_text(FILE *out, const char *text);
/* Digits in groups of three. */
void html_count(FILE *out, uint64_t n);
/* For people, with the milliseconds as its value. */
void html_duration(FILE *out, uint64_t ms);
/* UTC to the second, with the full time as its value. */
void html_time(FILE *out, uint64_t ms);
void html_minute(FILE *out, uint64_t ms); /* to the minute */

/* The page up to its content; the title is a constant, `of` is not. */
void html_begin(FILE *out, const char *title, const char *of);
void html_end(FILE *out);

/* A table in a frame that scrolls; `columns` ends with NULL. id and the other texts are constants. */
void html_table_begin(FILE *out, const char *id, const char *caption, const char *const *columns);
void html_table_end(FILE *out);
/* A row and its first cell, which is its heading; `total` sets it apart from those before. */
void html_row(FILE *out, const char *name, bool total);
/* Cells. */
void html_cell_count(FILE *out, uint64_t n);
void html_cell_duration(FILE *out, bool there, uint64_t ms);
void html_cell_time(FILE *out, bool there, uint64_t ms);
void html_cell_text(FILE *out, const char *text);
