/* SPDX-License-Identifier: Apache-2.0
 * Values of a configuration file.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <tmx/text.h>

#include "config_parts.h"

struct unit {
    const char *name;
    uint64_t factor;
};

/* Descending, so that the first that divides a bound is the one to show it in. */
static const struct unit size_units[] = {
    { "TiB", 1ull << 40 }, { "GiB", 1ull << 30 }, { "MiB", 1ull << 20 }, { "KiB", 1ull << 10 }, { "B", 1 }, { NULL, 0 },
};
static const struct unit duration_units[] = {
    { "d", 86400000 }, { "h", 3600000 }, { "min", 60000 }, { "s", 1000 }, { "ms", 1 }, { NULL, 0 },
};

static const struct unit *units_of(enum tmx_config_type type)
{
    return type == TMX_CONFIG_SIZE ? size_units : type == TMX_CONFIG_DURATION ? duration_units : NULL;
}

static uint64_t max_of(const struct tmx_config_key *key)
{
    if (key->type == TMX_CONFIG_STRING) {
        return key->max > 0 ? key->max : TMX_CONFIG_STRING_MAX;
    }
    return key->max > 0 ? key->max : UINT64_MAX;
}

/* Digits and, where there are units, a unit; 0 needs none. */
static bool parse_number(const struct tmx_config_key *key, const char *text, uint64_t *ret_number)
{
    const struct unit *unit = units_of(key->type);
    size_t n_digits = strspn(text, "0123456789");
    uint64_t number;
    if (!tmx_parse_u64(TMX_BYTES(text, n_digits), UINT64_MAX, &number)) {
        return false;
    }
    const char *name = text + n_digits + strspn(text + n_digits, " \t");
    uint64_t factor = 1;
    if (unit == NULL || *name == '\0') {
        if (*name != '\0' || (unit != NULL && number != 0)) {
            return false;
        }
    } else {
        while (unit->name != NULL && strcmp(unit->name, name) != 0) {
            unit++;
        }
        if (unit->name == NULL || number > UINT64_MAX / unit->factor) {
            return false;
        }
        factor = unit->factor;
    }
    number *= factor;
    if (number < key->min || number > max_of(key)) {
        return false;
    }
    *ret_number = number;
    return true;
}

static bool parse_bool(const char *text, uint64_t *ret_number)
{
    bool yes = strcmp(text, "yes") == 0;
    if (!yes && strcmp(text, "no") != 0) {
        return false;
    }
    *ret_number = yes;
    return true;
}

static bool chosen(const struct tmx_config_key *key, const char *word)
{
    if (key->choices == NULL) {
        return true;
    }
    for (const char *const *c = key->choices; *c != NULL; c++) {
        if (strcmp(*c, word) == 0) {
            return true;
        }
    }
    return false;
}

static int parse_string(const struct tmx_config_key *key, const char *text, const char *folder, struct tmx_arena *arena,
                        const char **ret_text)
{
    bool path = key->type == TMX_CONFIG_PATH;
    size_t size = strlen(text);
    size_t before = path && text[0] != '/' ? strlen(folder) : 0;
    bool fits = path ? before + size < PATH_MAX : size >= key->min && size <= max_of(key);
    if (size == 0 || !fits || !chosen(key, text)) {
        return TMX_CONFIG_E_INVALID;
    }
    char *copy = tmx_arena_alloc(arena, before + size + 1);
    if (copy == NULL) {
        return -ENOMEM;
    }
    memcpy(copy, folder, before);
    memcpy(copy + before, text, size + 1);
    *ret_text = copy;
    return 0;
}

static int parse_list(const struct tmx_config_key *key, const char *text, struct tmx_arena *arena, size_t *ret_n,
                      const char ***ret_words)
{
    static const char separators[] = " \t,";
    const char *found[TMX_CONFIG_WORDS_MAX];
    size_t size = strlen(text);
    size_t n = 0;
    char *copy = tmx_arena_alloc(arena, size + 1);
    if (copy == NULL) {
        return -ENOMEM;
    }
    memcpy(copy, text, size + 1);
    char *rest = NULL;
    for (char *w = strtok_r(copy, separators, &rest); w != NULL; w = strtok_r(NULL, separators, &rest)) {
        if (n == TMX_N(found) || !chosen(key, w)) {
            return TMX_CONFIG_E_INVALID;
        }
        found[n++] = w;
    }
    if (n == 0) {
        return TMX_CONFIG_E_INVALID;
    }
    const char **words = tmx_arena_alloc(arena, n * sizeof(*words));
    if (words == NULL) {
        return -ENOMEM;
    }
    memcpy(words, found, n * sizeof(*words));
    *ret_n = n;
    *ret_words = words;
    return 0;
}

int tmx_config_value_parse(const struct tmx_config_key *key, const char *text, const char *folder,
                           struct tmx_arena *arena, struct tmx_config_value *ret_value)
{
    struct tmx_config_value v = { .set = true };
    int r = 0;
    switch (key->type) {
    case TMX_CONFIG_STRING:
    case TMX_CONFIG_PATH:
        r = parse_string(key, text, folder, arena, &v.text);
        break;
    case TMX_CONFIG_NUMBER:
    case TMX_CONFIG_SIZE:
    case TMX_CONFIG_DURATION:
        r = parse_number(key, text, &v.number) ? 0 : TMX_CONFIG_E_INVALID;
        break;
    case TMX_CONFIG_BOOL:
        r = parse_bool(text, &v.number) ? 0 : TMX_CONFIG_E_INVALID;
        break;
    case TMX_CONFIG_LIST:
        r = parse_list(key, text, arena, &v.n_words, &v.words);
        break;
    }
    if (r == 0) {
        *ret_value = v;
    }
    return r;
}

static void write_quantity(struct tmx_writer *w, enum tmx_config_type type, uint64_t number)
{
    const struct unit *unit = units_of(type);
    while (unit != NULL && unit->factor > 1 && (number == 0 || number % unit->factor != 0)) {
        unit++;
    }
    tmx_write_fmt(w, "%ju%s%s", (uintmax_t)(number / (unit != NULL ? unit->factor : 1)), unit != NULL ? " " : "",
                  unit != NULL ? unit->name : "");
}

void tmx_config_quantity(enum tmx_config_type type, uint64_t number, char ret_text[TMX_CONFIG_QUANTITY_SIZE])
{
    struct tmx_writer w = tmx_writer_init(ret_text, TMX_CONFIG_QUANTITY_SIZE - 1);
    write_quantity(&w, type, number);
    ret_text[w.used] = '\0';
}

static void write_bounds(struct tmx_writer *w, const struct tmx_config_key *key)
{
    if (key->min > 0 && max_of(key) < UINT64_MAX) {
        tmx_write_fmt(w, " of ");
        write_quantity(w, key->type, key->min);
        tmx_write_fmt(w, " to ");
        write_quantity(w, key->type, key->max);
    } else if (key->min > 0) {
        tmx_write_fmt(w, " of at least ");
        write_quantity(w, key->type, key->min);
    } else if (max_of(key) < UINT64_MAX) {
        tmx_write_fmt(w, " of at most ");
        write_quantity(w, key->type, key->max);
    }
}

static void write_choices(struct tmx_writer *w, const char *const *choices)
{
    for (size_t i = 0; choices[i] != NULL; i++) {
        tmx_write_fmt(w, "%s%s", i == 0 ? "" : choices[i + 1] == NULL ? " or " : ", ", choices[i]);
    }
}

void tmx_config_value_allowed(const struct tmx_config_key *key, char ret_text[TMX_CONFIG_ALLOWED_SIZE])
{
    struct tmx_writer w = tmx_writer_init(ret_text, TMX_CONFIG_ALLOWED_SIZE - 1);
    switch (key->type) {
    case TMX_CONFIG_STRING:
        if (key->choices != NULL) {
            write_choices(&w, key->choices);
        } else {
            tmx_write_fmt(&w, "text of %ju to %ju characters", (uintmax_t)(key->min > 0 ? key->min : 1),
                          (uintmax_t)max_of(key));
        }
        break;
    case TMX_CONFIG_PATH:
        tmx_write_fmt(&w, "a path");
        break;
    case TMX_CONFIG_NUMBER:
        tmx_write_fmt(&w, "a number");
        write_bounds(&w, key);
        break;
    case TMX_CONFIG_SIZE:
        tmx_write_fmt(&w, "a size");
        write_bounds(&w, key);
        tmx_write_fmt(&w, ", as in \"64 GiB\" (B, KiB, MiB, GiB, TiB)");
        break;
    case TMX_CONFIG_DURATION:
        tmx_write_fmt(&w, "a duration");
        write_bounds(&w, key);
        tmx_write_fmt(&w, ", as in \"30 s\" (ms, s, min, h, d)");
        break;
    case TMX_CONFIG_BOOL:
        tmx_write_fmt(&w, "yes or no");
        break;
    case TMX_CONFIG_LIST:
        tmx_write_fmt(&w, "at most %u words separated by spaces or commas", TMX_CONFIG_WORDS_MAX);
        if (key->choices != NULL) {
            tmx_write_fmt(&w, ", each ");
            write_choices(&w, key->choices);
        }
        break;
    }
    ret_text[w.used] = '\0'; /* a row of the table that is too wide loses its end */
}
