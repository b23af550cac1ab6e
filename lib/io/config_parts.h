/* SPDX-License-Identifier: Apache-2.0
 * What a configuration is made of, shared by its files: config.c reads, config_value.c turns text into values,
 * config_get.c answers, config_show.c writes it out.
 */
#pragma once

#include <tmx/bytes.h>
#include <tmx/config.h>

struct tmx_config_value {
    bool set;
    unsigned line;          /* 0 = by default */
    const char *text;       /* STRING, PATH */
    uint64_t number;        /* NUMBER, SIZE, DURATION, BOOL */
    size_t n_words;
    const char **words;     /* LIST */
};

struct tmx_config_part {                     /* one section */
    const struct tmx_config_section *kind;
    char heading[TMX_CONFIG_NAME_MAX * 2];   /* "application NTA" */
    const char *name;                        /* "NTA", in heading; "" of a plain one */
    unsigned line;                           /* 0 = not in the file */
    struct tmx_config_value *values;         /* one for each key of the schema; those of other sections are unused */
};

struct tmx_config {
    const struct tmx_config_schema *schema;
    struct tmx_arena arena;
    size_t n_parts;
    struct tmx_config_part parts[TMX_CONFIG_SECTIONS_MAX];
};

/* The row of the schema; n_keys when there is none. */
size_t tmx_config_find_key(const struct tmx_config_schema *schema, const char *section, const char *name);

/* As tmx_config_parse; *ret_config is set with TMX_CONFIG_E_INVALID too, unless not even its plain sections are there. */
int tmx_config_read(const char *path, const char *text, size_t size, const struct tmx_config_schema *schema,
                    struct tmx_config_errors *ret_errors, struct tmx_config **ret_config) TMX_MUST_CHECK;

/* TMX_CONFIG_E_INVALID when the text is none of what the key allows; -ENOMEM. Relative paths are put behind
 * `folder` ("" or ending in a slash). Everything the value points to is in the arena. */
int tmx_config_value_parse(const struct tmx_config_key *key, const char *text, const char *folder,
                           struct tmx_arena *arena, struct tmx_config_value *ret_value) TMX_MUST_CHECK;

/* "64 GiB": the number in the largest unit that divides it. */
#define TMX_CONFIG_QUANTITY_SIZE 32u
void tmx_config_quantity(enum tmx_config_type type, uint64_t number, char ret_text[TMX_CONFIG_QUANTITY_SIZE]);

/* What the key allows, for people: "a size of 1 GiB to 16 TiB". */
#define TMX_CONFIG_ALLOWED_SIZE 512u
void tmx_config_value_allowed(const struct tmx_config_key *key, char ret_text[TMX_CONFIG_ALLOWED_SIZE]);
