/* SPDX-License-Identifier: Apache-2.0
 * What `tmx` prints: tables for people, one JSON object per line for programs. Everything from outside goes through
 * tmx_printable before it reaches a screen. */
#pragma once

#include <jansson.h>
#include <libsmartcols.h>
#include <tmx/client.h>
#include <tmx/err.h>

struct out_column {
    const char *name;
    bool right;   /* aligned: numbers */
};

/* -ENOMEM ends the program: nothing can be printed. */
struct libscols_table *out_table(const struct out_column *columns, size_t n);
struct libscols_line *out_line(struct libscols_table *table);
void out_cell(struct libscols_line *line, size_t column, const char *fmt, ...) TMX_PRINTF(3, 4);
/* Colours a cell on a terminal: good, bad or neither by the step or state in it. */
void out_mood(struct libscols_line *line, size_t column, const char *word);
/* Prints and frees; nothing for an empty table. */
void out_finish(struct libscols_table *table);

/* "name  value" lines of a description. */
void out_pair(const char *name, const char *fmt, ...) TMX_PRINTF(2, 3);

/* Times as 2026-11-24T10:00:00.000Z; "" for 0. The text lives until the next call but seven. */
const char *out_time(uint64_t ms);
const char *out_id(const uint8_t id[16]);
/* A tick for what is verified. */
const char *out_tick(bool yes);

json_t *out_json_text(const char *text);
json_t *out_json_id(const uint8_t *id);   /* NULL gives null */
json_t *out_json_time(uint64_t ms);       /* 0 gives null */
json_t *out_json_step(const struct tmx_client_step *step);
json_t *out_json_message(const struct tmx_client_message *message);
/* One line; takes the reference. */
void out_json(json_t *object);
