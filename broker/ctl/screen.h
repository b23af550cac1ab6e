/* SPDX-License-Identifier: Apache-2.0
 * tmxctl's screens: a daemon's answer (include/tmx/control.h) as text on stdout.
 *
 * Every show_ function checks the whole answer before it prints anything; false: the answer is not what the contract
 * says, and screen_fault() tells why.
 */
#pragma once

#include <jansson.h>
#include <libsmartcols/libsmartcols.h>

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

/* ---- what they are made of ---- */

/* Colours only on a terminal, and not against NO_COLOR. */
bool screen_colours(void);
const char *screen_fault(void);

/* Does the answer, or each object of the array `key` in it, have these members? jansson's format of json_unpack. */
bool fits(const json_t *reply, const char *format, ...);
bool rows_fit(const json_t *reply, const char *key, const char *format, ...);

/* Texts; they live until the eighth next call. "-" when the member is missing. */
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
};

/* Prints an array of objects as a table. */
void table_show(const json_t *rows, const struct field *fields, size_t n);
