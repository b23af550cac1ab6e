/* SPDX-License-Identifier: Apache-2.0
 * Configuration: INI files, strict, described by one table that also prints the documentation.
 *
 * Unknown sections and keys, repeated ones, values outside their bounds and missing required keys are errors, all of
 * them reported with `file:line:`, what is allowed and the nearest known name. Relative paths are relative to the
 * file's folder. Comments are lines of their own that begin with `#` or `;`.
 *
 * A section is plain, `[broker]`: it is there with its defaults even when the file has none; or named,
 * `[application NTA]`: any number of them, each with its own name of [A-Za-z0-9_-]{1,64}.
 */
#pragma once

#include <stdio.h>

#include <tmx/err.h>
#include <tmx/limits.h>

enum tmx_config_type {
    TMX_CONFIG_STRING,     /* min, max: length; `choices` when it is one of a list */
    TMX_CONFIG_PATH,
    TMX_CONFIG_NUMBER,     /* min, max */
    TMX_CONFIG_SIZE,       /* "64 GiB", "512 MiB", "4 KiB", "100 B" -> bytes */
    TMX_CONFIG_DURATION,   /* "500 ms", "5 s", "10 min", "2 h", "30 d" -> milliseconds */
    TMX_CONFIG_BOOL,       /* "yes", "no" */
    TMX_CONFIG_LIST,       /* words separated by spaces or commas; `choices` when each is one of a list */
};

struct tmx_config_key {
    const char *section;         /* "broker", "application" */
    const char *name;            /* "endpoint" */
    enum tmx_config_type type;
    bool required;
    const char *fallback;        /* as it would stand in the file; NULL = unset */
    uint64_t min, max;           /* NUMBER, SIZE, DURATION: bounds; max 0 = UINT64_MAX. STRING: length, max 0 = 512 */
    const char *const *choices;  /* NULL-terminated, or NULL */
    const char *help;            /* a sentence or two */
};

struct tmx_config_section {
    const char *name;
    bool named;
    const char *help;
};

struct tmx_config_schema {
    const struct tmx_config_section *sections;
    size_t n_sections;
    const struct tmx_config_key *keys;
    size_t n_keys;
};

struct tmx_config;

/* What is wrong with a file: one line each, in the order of the file; NUL-terminated. */
struct tmx_config_errors {
    size_t n;      /* errors found; `text` holds as many of them as fit */
    size_t used;
    char text[TMX_CONFIG_ERRORS_MAX];
};

enum tmx_config_condition {
    TMX_CONFIG_OK,
    TMX_CONFIG_E_INVALID = 1,   /* ret_errors says why: also when the file cannot be read */
};

/* -ENOMEM. `schema` must outlive the configuration. ret_errors is written in every case. */
int tmx_config_load(const char *path, const struct tmx_config_schema *schema, struct tmx_config_errors *ret_errors,
                    struct tmx_config **ret_config) TMX_MUST_CHECK;
/* The same from memory: `path` is for messages and relative paths only. */
int tmx_config_parse(const char *path, const char *text, size_t size, const struct tmx_config_schema *schema,
                     struct tmx_config_errors *ret_errors, struct tmx_config **ret_config) TMX_MUST_CHECK;
/* As tmx_config_load, but for one who looks for everything that is wrong: TMX_CONFIG_E_INVALID comes with a configuration of
 * what is right in the file, where required keys may be unset; NULL when it cannot be read at all. */
int tmx_config_look(const char *path, const struct tmx_config_schema *schema, struct tmx_config_errors *ret_errors,
                    struct tmx_config **ret_config) TMX_MUST_CHECK;
struct tmx_config *tmx_config_free(struct tmx_config *c);

/* Values. `section` is the heading: "broker" or "application NTA". A section, key or type the schema does not know is
 * a programmer error. Strings and lists live as long as the configuration; NULL, 0, false or empty when unset. */
const char *tmx_config_string(const struct tmx_config *c, const char *section, const char *key);   /* and paths */
/* numbers, sizes, durations */
uint64_t tmx_config_u64(const struct tmx_config *c, const char *section, const char *key);
bool tmx_config_bool(const struct tmx_config *c, const char *section, const char *key);
const char *const *tmx_config_list(const struct tmx_config *c, const char *section, const char *key, size_t *ret_n);
/* in the file or by default */
bool tmx_config_is_set(const struct tmx_config *c, const char *section, const char *key);

/* Where in the file it is set; 0: it is not. */
unsigned tmx_config_line(const struct tmx_config *c, const char *section, const char *key);

/* The i-th named section of this kind in the order of the file, NULL past the last: its heading ("application NTA") for
 * the functions above, and its name ("NTA"). */
const char *tmx_config_named(const struct tmx_config *c, const char *kind, size_t i, const char **ret_name);

/* What is in effect, as a file that says the same when it is read: before each key a comment with where that is from,
 * "FILE:LINE" or "default". Paths are absolute. */
void tmx_config_show(const struct tmx_config *c, const char *path, FILE *out);
/* The documentation of the schema as a commented sample file. */
void tmx_config_print(const struct tmx_config_schema *schema, FILE *out);
