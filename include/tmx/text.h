/* SPDX-License-Identifier: Apache-2.0
 * Text in and out: hex, base64 (RFC 4648 section 4, padded), decimal numbers, times, printable-safe copies.
 * Parsers are strict: the whole input must match, and nothing is written on failure.
 */
#pragma once

#include <tmx/bytes.h>

/* Writes 2*size hex digits (lower case) and a NUL; ret_hex holds at least 2*size+1. */
void tmx_hex(struct tmx_bytes b, char *ret_hex);
/* Exactly 2*size hex digits. */
bool tmx_unhex(struct tmx_bytes text, uint8_t *ret_data, size_t size) TMX_MUST_CHECK;

#define TMX_BASE64_SIZE(n) (((n) + 2) / 3 * 4 + 1)   /* with the NUL */
void tmx_base64(struct tmx_bytes b, char *ret_text);
/* Canonical padded base64 of at most max bytes. */
bool tmx_unbase64(struct tmx_bytes text, uint8_t *ret_data, size_t max, size_t *ret_size) TMX_MUST_CHECK;

/* The next line without its newline, taken off the front; false when there is none that ends in one. */
bool tmx_take_line(struct tmx_bytes *text, struct tmx_bytes *ret_line) TMX_MUST_CHECK;

/* Decimal without sign or leading zeros, at most `max`. */
bool tmx_parse_u64(struct tmx_bytes text, uint64_t max, uint64_t *ret_value) TMX_MUST_CHECK;

/* "2026-03-01T10:00:00.000Z" (24 characters and a NUL) from milliseconds since 1970, UTC. */
#define TMX_TIME_TEXT_SIZE 25
void tmx_time_text(uint64_t ms, char ret_text[TMX_TIME_TEXT_SIZE]);
/* Accepts "YYYY-MM-DD", "YYYY-MM-DDThh:mm:ssZ" and the form above; UTC only. */
bool tmx_parse_time(struct tmx_bytes text, uint64_t *ret_ms) TMX_MUST_CHECK;

/* Message ids are written as 32 hex digits in UUID grouping (36 characters and a NUL). */
#define TMX_ID_TEXT_SIZE 37
void tmx_id_text(const uint8_t id[16], char ret_text[TMX_ID_TEXT_SIZE]);
/* With or without the dashes. */
bool tmx_parse_id(struct tmx_bytes text, uint8_t ret_id[16]) TMX_MUST_CHECK;

/* A copy for logs and screens: everything but printable ASCII and valid printable UTF-8 becomes \xNN;
 * cut at the capacity with "…". Always NUL-terminated. */
void tmx_printable(struct tmx_bytes b, char *ret_text, size_t capacity);

/* The nearest of `n` names by edit distance, for "did you mean"; NULL when none is near. */
const char *tmx_nearest(const char *word, const char *const *names, size_t n);
