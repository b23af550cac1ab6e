/* SPDX-License-Identifier: Apache-2.0
 * What tmxctl's screens are made of: texts of JSON members, tables, colours. What a daemon says is made printable.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <tmx/text.h>

#include "screen.h"

#define TEXT_SIZE 512u
#define TEXTS 16u
#define TABLE_COLUMNS_MAX 16u

static char fault[256] = "nothing is wrong with it";

bool screen_colours(void)
{
    return isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL;
}

bool screen_all;
const char *screen_where = "";

void screen_where_is(const char *option, const char *value)
{
    static char where[4200];
    (void)snprintf(where, sizeof(where), " %s %s", option, value);
    screen_where = where;
}

void print_json(const json_t *reply)
{
    (void)json_dumpf(reply, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    printf("\n");
}

int screen_broken(FILE *out, const char *kind)
{
    fprintf(out, "tmxctl: the answer is incomplete: %s (the %s may be of another version; --json shows what came)\n", fault, kind);
    return 3;
}

unsigned screen_width(void)
{
    struct winsize size;
    const char *columns = getenv("COLUMNS");
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        return size.ws_col;
    }
    unsigned long n = columns != NULL ? strtoul(columns, NULL, 10) : 0;
    return n >= 20 && n < 10000 ? (unsigned)n : 0;
}

/* A unit, or what stands between the two of a pair: it stays with the number before it. */
static bool glued(const char *word)
{
    static const char *const units[] = { "|", "ms", "s", "min", "h", "d", "%" };
    size_t n = strcspn(word, " ,;");
    for (size_t i = 0; i < TMX_N(units); i++) {
        if (strlen(units[i]) == n && memcmp(word, units[i], n) == 0) {
            return true;
        }
    }
    return false;
}

/* A word and what may not stand on another line. */
static size_t piece(const char *word)
{
    size_t n = strcspn(word, " ");
    while (word[n] == ' ' && (glued(word + n + 1) || (n > 0 && word[n - 1] == '|'))) {
        n += 1 + strcspn(word + n + 1, " ");
    }
    return n;
}

void wrap(size_t indent, size_t first, const char *text)
{
    size_t width = screen_width() == 0 ? SIZE_MAX : screen_width(), column = first;
    for (const char *word = text; *word != '\0';) {
        size_t n = piece(word);
        if (word != text && column + 1 + n > width) {
            printf("\n%*s", (int)indent, "");
            column = indent;
        } else if (word != text) {
            putchar(' ');
            column++;
        }
        (void)fwrite(word, 1, n, stdout);
        column += n;
        word += n + (word[n] == ' ' ? 1 : 0);
    }
    putchar('\n');
}

void show_wrapped(const char *name, const char *fmt, ...)
{
    char text[1200];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    printf("%-11s", name);
    wrap(11, 11, text);
}

const char *screen_fault(void)
{
    return fault;
}

static bool fits_v(const json_t *object, const char *what, const char *format, va_list args)
{
    json_error_t error;
    json_t *unpacked = json_incref((json_t *)(uintptr_t)object); /* json_vunpack_ex changes nothing */
    bool good = json_vunpack_ex(unpacked, &error, JSON_VALIDATE_ONLY, format, args) == 0;
    json_decref(unpacked);
    if (!good) {
        (void)snprintf(fault, sizeof(fault), "%s%s%s", what, what[0] != '\0' ? ": " : "", error.text);
    }
    return good;
}

bool fits(const json_t *reply, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    bool good = fits_v(reply, "", format, args);
    va_end(args);
    return good;
}

bool rows_fit(const json_t *reply, const char *key, const char *format, ...)
{
    const json_t *rows = json_object_get(reply, key);
    bool good = json_is_array(rows);
    if (!good) {
        (void)snprintf(fault, sizeof(fault), "%s: expected an array", key);
    }
    for (size_t i = 0; good && i < json_array_size(rows); i++) {
        char what[64];
        va_list args;
        (void)snprintf(what, sizeof(what), "%s[%zu]", key, i);
        va_start(args, format);
        good = fits_v(json_array_get(rows, i), what, format, args);
        va_end(args);
    }
    return good;
}

static char *next_text(void)
{
    static char texts[TEXTS][TEXT_SIZE];
    static size_t at;
    at = (at + 1) % TEXTS;
    return texts[at];
}

const char *text_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_string(value)) {
        return "-";
    }
    char *text = next_text();
    tmx_printable(TMX_BYTES(json_string_value(value), json_string_length(value)), text, TEXT_SIZE);
    return text;
}

uint64_t u64_of(const json_t *object, const char *key)
{
    json_int_t value = json_integer_value(json_object_get(object, key));
    return value > 0 ? (uint64_t)value : 0;
}

static bool has_number(const json_t *object, const char *key)
{
    return json_is_integer(json_object_get(object, key));
}

const char *number_of(const json_t *object, const char *key)
{
    if (!has_number(object, key)) {
        return "-";
    }
    char *text = next_text();
    (void)snprintf(text, TEXT_SIZE, "%ju", (uintmax_t)u64_of(object, key));
    return text;
}

const char *bytes_of(const json_t *object, const char *key)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
    if (!has_number(object, key)) {
        return "-";
    }
    uint64_t bytes = u64_of(object, key);
    size_t unit = 0;
    uint64_t tenths = bytes * 10 / 10 == bytes ? bytes * 10 : UINT64_MAX;
    while (tenths >= 10240 && unit + 1 < TMX_N(units)) {
        tenths /= 1024;
        unit++;
    }
    char *text = next_text();
    if (unit == 0) {
        (void)snprintf(text, TEXT_SIZE, "%ju B", (uintmax_t)bytes);
    } else {
        (void)snprintf(text, TEXT_SIZE, "%ju.%ju %s", (uintmax_t)(tenths / 10), (uintmax_t)(tenths % 10), units[unit]);
    }
    return text;
}

const char *duration_text(uint64_t ms)
{
    static const struct {
        const char *name;
        uint64_t ms;
        uint64_t below; /* used below so many of it */
    } units[] = { { "ms", 1, 1000 }, { "s", 1000, 120 }, { "min", 60000, 120 }, { "h", 3600000, 48 } };
    char *text = next_text();
    for (size_t i = 0; i < TMX_N(units); i++) {
        if (ms / units[i].ms < units[i].below) {
            (void)snprintf(text, TEXT_SIZE, "%ju %s", (uintmax_t)(ms / units[i].ms), units[i].name);
            return text;
        }
    }
    (void)snprintf(text, TEXT_SIZE, "%ju d", (uintmax_t)(ms / 86400000));
    return text;
}

const char *duration_of(const json_t *object, const char *key)
{
    return has_number(object, key) ? duration_text(u64_of(object, key)) : "-";
}

const char *time_of(const json_t *object, const char *key)
{
    char full[TMX_TIME_TEXT_SIZE];
    uint64_t ms = u64_of(object, key);
    if (ms == 0 || ms > 253402300799999ull) {
        return "-";
    }
    char *text = next_text();
    tmx_time_text(ms, full);
    (void)snprintf(text, TEXT_SIZE, "%.10s %.8s", full, full + 11);
    return text;
}

/* ---- colours ---- */

static const struct paint {
    const char *word;
    const char *colour;
    const char *escape;
} paints[] = {
    { "ok", "green", "\033[32m" },       { "up", "green", "\033[32m" },         { "active", "green", "\033[32m" },
    { "warning", "yellow", "\033[33m" }, { "starting", "yellow", "\033[33m" },  { "waiting", "yellow", "\033[33m" },
    { "ending", "yellow", "\033[33m" },  { "suspended", "yellow", "\033[33m" }, { "critical", "red", "\033[31m" },
    { "down", "red", "\033[31m" },       { "revoked", "red", "\033[31m" },      { "STALE", "red", "\033[31m" },
};

static const struct paint *paint_of(const char *word)
{
    for (size_t i = 0; i < TMX_N(paints); i++) {
        if (strcmp(paints[i].word, word) == 0) {
            return &paints[i];
        }
    }
    return NULL;
}

const char *painted(const char *text)
{
    const struct paint *p = paint_of(text);
    if (p == NULL || !screen_colours()) {
        return text;
    }
    char *out = next_text();
    (void)snprintf(out, TEXT_SIZE, "%s%.64s\033[0m", p->escape, text);
    return out;
}

/* ---- tables ---- */

static void no_memory(void)
{
    fprintf(stderr, "tmxctl: out of memory\n");
    exit(3);
}

void table_show(const json_t *rows, const struct field *fields, size_t n)
{
    const struct field *shown[TABLE_COLUMNS_MAX];
    size_t n_shown = 0, i;
    unsigned width = screen_width();
    struct libscols_table *t = scols_new_table();
    if (t == NULL || scols_table_enable_colors(t, screen_colours()) != 0) {
        no_memory();
    }
    if (width > 0) {
        (void)scols_table_set_termforce(t, SCOLS_TERMFORCE_ALWAYS);
        (void)scols_table_set_termwidth(t, width);
    }
    for (size_t c = 0; c < n; c++) {
        if (width != 0 && width < fields[c].from_width) {
            continue;
        }
        assert(n_shown < TABLE_COLUMNS_MAX);
        shown[n_shown++] = &fields[c];
        if (scols_table_new_column(t, fields[c].name, 0, fields[c].flags) == NULL) {
            no_memory();
        }
    }
    json_t *row;
    json_array_foreach(rows, i, row)
    {
        struct libscols_line *line = scols_table_new_line(t, NULL);
        for (size_t c = 0; c < n_shown; c++) {
            const char *text = shown[c]->text(row, shown[c]->key);
            const struct paint *p = shown[c]->painted ? paint_of(text) : NULL;
            if (line == NULL || scols_line_set_data(line, c, text) != 0 ||
                (p != NULL && scols_cell_set_color(scols_line_get_cell(line, c), p->colour) != 0)) {
                no_memory();
            }
        }
    }
    if (scols_print_table(t) < 0) {
        no_memory();
    }
    scols_unref_table(t);
}
