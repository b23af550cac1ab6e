/* SPDX-License-Identifier: Apache-2.0
 * tmxctl's screens: a daemon's answer (include/tmx/control.h) as text on stdout.
 *
 * Every show_ function checks the whole answer before it prints anything; false: the answer is not what the contract
 * says, and screen_fault() tells why.
 */
#pragma once

#include <jansson.h>
#include <libsmartcols/libsmartcols.h>
#include <stdio.h>

#include <tmx/err.h>

bool show_status(const json_t *reply);
bool show_peers(const json_t *reply);
bool show_queue(const json_t *reply);
bool show_message(const json_t *reply);
bool show_directory(const json_t *reply);
bool show_installed(const json_t *reply);
bool show_text(const json_t *reply); /* as it is, for programs */
bool show_anchored(const json_t *reply);
bool show_misbehaviour(const json_t *reply);
bool show_witness_request(const json_t *reply);
bool show_witness_reply(const json_t *reply);
bool show_why(const json_t *reply);
bool show_done(const json_t *reply);

/* Of the status: rates and latencies, destinations, gates. */
void show_pace(const json_t *s);
void show_destinations(const json_t *s);
void show_gates(const json_t *s);
/* Of history. */
bool show_sparklines(const json_t *history);

/* ---- what they are made of ---- */

/* What to show and where it came from, set once: all rows (--all); the options that name this daemon again, " --node DIR". */
extern bool screen_all;
extern const char *screen_where;
void screen_where_is(const char *option, const char *value);
/* The answer as it came. */
void print_json(const json_t *reply);
/* Says what is wrong with an answer; the exit code for it. */
int screen_broken(FILE *out, const char *kind);

/* Columns: of the terminal, or of COLUMNS without one; 0: as many as it takes. */
unsigned screen_width(void);
#define SCREEN_MEDIUM 80u
#define SCREEN_WIDE 120u

/* Words in lines of that width; the first begins in column `first`, the others in `indent`. */
void wrap(size_t indent, size_t first, const char *text);
/* The same behind a name in the first columns. */
void show_wrapped(const char *name, const char *fmt, ...) TMX_PRINTF(2, 3);

/* Colours only on a terminal, and not against NO_COLOR. */
bool screen_colours(void);
const char *screen_fault(void);

/* Does the answer, or each object of the array `key` in it, have these members? jansson's format of json_unpack. */
bool fits(const json_t *reply, const char *format, ...);
bool rows_fit(const json_t *reply, const char *key, const char *format, ...);

/* Texts; they live until the sixteenth next call. "-" when the member is missing. */
const char *text_of(const json_t *object, const char *key);
const char *number_of(const json_t *object, const char *key);
const char *bytes_of(const json_t *object, const char *key);    /* "3.4 MiB" */
const char *duration_of(const json_t *object, const char *key); /* "5 s", "3 h" */
const char *duration_text(uint64_t ms);
const char *time_of(const json_t *object, const char *key); /* "2026-03-01 10:00:00"; "-" also for 0 */
uint64_t u64_of(const json_t *object, const char *key);     /* 0 when missing */

/* `text` in the colour of "up", "down", "ok", "critical" …, if it has one. */
const char *painted(const char *text);

/* A column of a table: which member of a row, as what. */
struct field {
    const char *name;
    int flags; /* SCOLS_FL_RIGHT … */
    const char *(*text)(const json_t *row, const char *key);
    const char *key;
    bool painted;
    unsigned from_width; /* narrower screens are without it */
};

/* Prints an array of objects as a table. */
void table_show(const json_t *rows, const struct field *fields, size_t n);
