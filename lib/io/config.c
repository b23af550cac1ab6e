/* SPDX-License-Identifier: Apache-2.0
 * The strict configuration file. inih splits lines into keys and values; which sections and keys there are, and
 * where in the file, is decided here.
 */
#include <ini.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <tmx/text.h>

#include "config_parts.h"

#define SHOWN 80u /* of a word of the file, in a message */
/* The largest file's words as lists, or as many sections as there may be. */
#define ARENA_SIZE (3u << 20)

/* While reading. */
struct parser {
    struct tmx_config *config;
    struct tmx_config_errors *errors;
    const char *path;
    char folder[4096];
    const char *at;
    size_t left;
    unsigned line;
    bool in_section;                 /* a heading came */
    struct tmx_config_part *section; /* NULL: it was wrong, its keys are passed over */
    bool broken;                     /* what is missing means nothing */
    int fault;
};

static void complain(struct parser *p, unsigned line, const char *fmt, ...) TMX_PRINTF(3, 4);

static void complain(struct parser *p, unsigned line, const char *fmt, ...)
{
    struct tmx_config_errors *e = p->errors;
    char text[1024];
    char where[16] = "";
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (line > 0) {
        (void)snprintf(where, sizeof(where), ":%u", line);
    }
    e->n++;
    int n = snprintf(e->text + e->used, sizeof(e->text) - e->used, "%.1024s%s: %s\n", p->path, where, text);
    if (n > 0 && (size_t)n < sizeof(e->text) - e->used) {
        e->used += (size_t)n;
    }
    e->text[e->used] = '\0';
}

/* ---- headings ---- */

static const struct tmx_config_section *find_kind(const struct tmx_config_schema *schema, const char *name)
{
    for (size_t i = 0; i < schema->n_sections; i++) {
        if (strcmp(schema->sections[i].name, name) == 0) {
            return &schema->sections[i];
        }
    }
    return NULL;
}

static void unknown_section(struct parser *p, const char *word)
{
    const struct tmx_config_schema *schema = p->config->schema;
    const char *names[TMX_CONFIG_SECTIONS_MAX];
    char known[512] = "";
    size_t used = 0;
    char shown[SHOWN];
    assert(schema->n_sections <= TMX_N(names));
    for (size_t i = 0; i < schema->n_sections; i++) {
        names[i] = schema->sections[i].name;
        int n = snprintf(known + used, sizeof(known) - used, "%s[%s]", i == 0 ? "" : ", ", names[i]);
        used += n > 0 && (size_t)n < sizeof(known) - used ? (size_t)n : 0;
    }
    tmx_printable(tmx_bytes_str(word), shown, sizeof(shown));
    const char *near = tmx_nearest(word, names, schema->n_sections);
    if (near != NULL) {
        complain(p, p->line, "unknown section [%s]; did you mean [%s]?", shown, near);
    } else {
        complain(p, p->line, "unknown section [%s]; there are %s", shown, known);
    }
    p->broken = true;
}

/* NULL when the name of the section is not what its kind wants. */
static const char *check_name(struct parser *p, const struct tmx_config_section *kind, const char *name)
{
    size_t size = strlen(name);
    if (!kind->named) {
        if (size > 0) {
            complain(p, p->line, "section [%s] takes no name", kind->name);
        }
        return size > 0 ? NULL : name;
    }
    bool good = size > 0 && size <= TMX_CONFIG_NAME_MAX &&
                strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") == size;
    if (!good) {
        complain(p, p->line, "section [%s] needs a name of 1 to %u letters, digits, '-' or '_', as in [%s NAME]",
                 kind->name, TMX_CONFIG_NAME_MAX, kind->name);
        return NULL;
    }
    return name;
}

static struct tmx_config_part *add_section(struct parser *p, const struct tmx_config_section *kind, const char *name)
{
    struct tmx_config *c = p->config;
    if (c->n_parts == TMX_N(c->parts)) {
        complain(p, p->line, "more than %u sections", TMX_CONFIG_SECTIONS_MAX);
        return NULL;
    }
    struct tmx_config_part *s = &c->parts[c->n_parts];
    int n = snprintf(s->heading, sizeof(s->heading), "%s%s%s", kind->name, kind->named ? " " : "", name);
    assert(n > 0 && (size_t)n < sizeof(s->heading));
    for (size_t i = 0; i < c->n_parts; i++) {
        if (strcmp(c->parts[i].heading, s->heading) == 0) {
            complain(p, p->line, "section [%s] again (first in line %u)", s->heading, c->parts[i].line);
            return NULL;
        }
    }
    s->values = tmx_arena_alloc(&c->arena, c->schema->n_keys * sizeof(*s->values));
    if (s->values == NULL) {
        p->fault = -ENOMEM;
        return NULL;
    }
    s->kind = kind;
    s->name = s->heading + (size_t)n - strlen(name);
    s->line = p->line;
    c->n_parts++;
    return s;
}

/* `line` is a heading without the leading bracket; NULL when it is wrong. */
static struct tmx_config_part *open_section(struct parser *p, const char *line)
{
    char text[TMX_CONFIG_LINE_MAX];
    size_t size = strcspn(line, "]");
    if (line[size] != ']' || line[size + 1 + strspn(line + size + 1, " \t\r")] != '\0') {
        complain(p, p->line, "a heading must be [SECTION] and nothing else");
        p->broken = true;
        return NULL;
    }
    memcpy(text, line, size);
    text[size] = '\0';
    char *kind_name = text + strspn(text, " \t");
    char *name = kind_name + strcspn(kind_name, " \t");
    size_t gap = strspn(name, " \t");
    if (gap > 0) {
        *name = '\0';
        name += gap;
    }
    for (size_t n = strlen(name); n > 0 && (name[n - 1] == ' ' || name[n - 1] == '\t'); n--) {
        name[n - 1] = '\0';
    }
    const struct tmx_config_section *kind = find_kind(p->config->schema, kind_name);
    if (kind == NULL) {
        unknown_section(p, kind_name);
        return NULL;
    }
    name = check_name(p, kind, name) != NULL ? name : NULL;
    return name != NULL ? add_section(p, kind, name) : NULL;
}

/* ---- keys ---- */

static void unknown_key(struct parser *p, const char *word)
{
    const struct tmx_config_schema *schema = p->config->schema;
    const char *own = p->section->kind->name;
    const char *names[256];
    const char *elsewhere = NULL;
    size_t n = 0;
    char shown[SHOWN];
    tmx_printable(tmx_bytes_str(word), shown, sizeof(shown));
    for (size_t i = 0; i < schema->n_keys; i++) {
        const struct tmx_config_key *k = &schema->keys[i];
        if (strcmp(k->section, own) == 0 && n < TMX_N(names)) {
            names[n++] = k->name;
        } else if (strcmp(k->name, word) == 0) {
            elsewhere = k->section;
        }
    }
    const char *near = tmx_nearest(word, names, n);
    if (elsewhere != NULL) {
        complain(p, p->line, "unknown key '%s' in [%s]; it belongs in [%s]", shown, own, elsewhere);
    } else if (near != NULL) {
        complain(p, p->line, "unknown key '%s' in [%s]; did you mean '%s'?", shown, own, near);
    } else {
        char known[512] = "";
        size_t used = 0;
        for (size_t i = 0; i < n; i++) {
            int size = snprintf(known + used, sizeof(known) - used, "%s%s", i == 0 ? "" : ", ", names[i]);
            used += size > 0 && (size_t)size < sizeof(known) - used ? (size_t)size : 0;
        }
        complain(p, p->line, "unknown key '%s' in [%s]; there are %s", shown, own, known);
    }
}

size_t tmx_config_find_key(const struct tmx_config_schema *schema, const char *section, const char *name)
{
    size_t i = 0;
    while (i < schema->n_keys &&
           (strcmp(schema->keys[i].section, section) != 0 || strcmp(schema->keys[i].name, name) != 0)) {
        i++;
    }
    return i;
}

static void invalid_value(struct parser *p, const struct tmx_config_key *key, const char *value)
{
    char allowed[TMX_CONFIG_ALLOWED_SIZE];
    char shown[SHOWN];
    size_t n = 0;
    while (key->choices != NULL && key->choices[n] != NULL) {
        n++;
    }
    tmx_printable(tmx_bytes_str(value), shown, sizeof(shown));
    tmx_config_value_allowed(key, allowed);
    const char *near = n > 0 ? tmx_nearest(value, key->choices, n) : NULL;
    if (near != NULL) {
        complain(p, p->line, "%s = '%s': must be %s; did you mean '%s'?", key->name, shown, allowed, near);
    } else {
        complain(p, p->line, "%s = '%s': must be %s", key->name, shown, allowed);
    }
}

/* inih's handler: 1 = go on. */
static int take_pair(void *user, const char *inih_section, const char *name, const char *value)
{
    struct parser *p = user;
    (void)inih_section; /* cut at 50 bytes by inih */
    if (!p->in_section) {
        char shown[SHOWN];
        tmx_printable(tmx_bytes_str(name), shown, sizeof(shown));
        complain(p, p->line, "'%s' stands before the first [section]", shown);
    }
    if (p->section == NULL || p->fault != 0) {
        return 1;
    }
    const struct tmx_config_schema *schema = p->config->schema;
    size_t i = tmx_config_find_key(schema, p->section->kind->name, name);
    if (i == schema->n_keys) {
        unknown_key(p, name);
        return 1;
    }
    struct tmx_config_value *v = &p->section->values[i];
    if (v->line > 0) {
        complain(p, p->line, "'%s' again (first in line %u)", name, v->line);
        return 1;
    }
    v->line = p->line;
    if (strstr(value, " #") != NULL || strstr(value, " ;") != NULL) {
        complain(p, p->line, "%s: a comment must be on a line of its own", name);
        return 1;
    }
    int r = tmx_config_value_parse(&schema->keys[i], value, p->folder, &p->config->arena, v);
    if (r == TMX_CONFIG_E_INVALID) {
        invalid_value(p, &schema->keys[i], value);
    } else if (r == 0) {
        v->line = p->line;
    } else {
        p->fault = r;
    }
    return 1;
}

/* ---- lines ---- */

static bool is_text(const char *line, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)line[i];
        if (c == 0x7f || (c < 0x20 && c != '\t' && !(c == '\r' && i + 1 == size))) {
            return false;
        }
    }
    return true;
}

/* inih's reader, as fgets: gives it the next line. Lines it must not see become empty ones. */
static char *next_line(char *buffer, int capacity, void *stream)
{
    struct parser *p = stream;
    if (p->left == 0 || capacity < 3) {
        return NULL;
    }
    const char *end = memchr(p->at, '\n', p->left);
    size_t size = end != NULL ? (size_t)(end - p->at) : p->left;
    const char *line = p->at;
    p->at += size + (end != NULL ? 1 : 0);
    p->left -= size + (end != NULL ? 1 : 0);
    p->line++;
    if (size > (size_t)capacity - 3 || size > TMX_CONFIG_LINE_MAX - 3) {
        complain(p, p->line, "the line is longer than %u bytes", TMX_CONFIG_LINE_MAX - 3);
        size = 0;
    } else if (!is_text(line, size)) {
        complain(p, p->line, "the line holds a control character");
        size = 0;
    }
    memcpy(buffer, line, size);
    buffer[size] = '\0';
    char *first = buffer + strspn(buffer, " \t");
    if (*first == '[') {
        p->in_section = true;
        p->section = open_section(p, first + 1);
        buffer[0] = '\0';
        size = 0;
    }
    memcpy(buffer + size, "\n", 2);
    return buffer;
}

/* Sections that are not in the file, defaults, and what is missing. */
static void complete(struct parser *p)
{
    struct tmx_config *c = p->config;
    const struct tmx_config_schema *schema = c->schema;
    p->line = 0;
    for (size_t i = 0; i < schema->n_sections && p->fault == 0; i++) {
        const struct tmx_config_section *kind = &schema->sections[i];
        bool there = kind->named;
        for (size_t k = 0; k < c->n_parts; k++) {
            there = there || c->parts[k].kind == kind;
        }
        if (!there) {
            (void)add_section(p, kind, "");
        }
    }
    for (size_t i = 0; i < c->n_parts && p->fault == 0; i++) {
        struct tmx_config_part *s = &c->parts[i];
        for (size_t k = 0; k < schema->n_keys; k++) {
            const struct tmx_config_key *key = &schema->keys[k];
            if (strcmp(key->section, s->kind->name) != 0 || s->values[k].line > 0) {
                continue;
            }
            if (key->required && p->broken) {
                continue;   /* what is missing means nothing */
            }
            if (key->required) {
                complain(p, s->line, "[%s] needs '%s': %s", s->heading, key->name, key->help);
            } else if (key->fallback != NULL) {
                int r = tmx_config_value_parse(key, key->fallback, p->folder, &c->arena, &s->values[k]);
                assert(r <= 0);
                p->fault = r < 0 ? r : p->fault;
            }
        }
    }
}

static void parse(struct parser *p)
{
    ini_allow_multiline = false;
    ini_allow_inline_comments = false;
    ini_allow_bom = false;
    ini_stop_on_first_error = true;
    ini_use_stack = false; /* otherwise the longest line is a build option of the library */
    ini_max_line = (int)TMX_CONFIG_LINE_MAX;
    ini_initial_alloc = (int)TMX_CONFIG_LINE_MAX;
    int r = ini_parse_stream(next_line, p, take_pair, p);
    if (r == -2) {
        p->fault = -ENOMEM;
    } else if (r != 0) {
        complain(p, p->line, "neither KEY = VALUE nor [SECTION] nor a comment");
        p->broken = true;
    }
    if (p->fault == 0) {
        complete(p);
    }
}

/* Every plain section is there: whoever asks for a value of one gets an answer. */
static bool is_whole(const struct tmx_config *c)
{
    for (size_t i = 0; i < c->schema->n_sections; i++) {
        bool there = c->schema->sections[i].named;
        for (size_t k = 0; k < c->n_parts; k++) {
            there = there || c->parts[k].kind == &c->schema->sections[i];
        }
        if (!there) {
            return false;
        }
    }
    return true;
}

int tmx_config_read(const char *path, const char *text, size_t size, const struct tmx_config_schema *schema,
                    struct tmx_config_errors *ret_errors, struct tmx_config **ret_config)
{
    struct parser p = { .errors = ret_errors, .path = path, .at = text, .left = size };
    const char *slash = strrchr(path, '/');
    ret_errors->n = 0;
    ret_errors->used = 0;
    ret_errors->text[0] = '\0';
    if (slash != NULL && (size_t)(slash - path) + 2 <= sizeof(p.folder)) {
        memcpy(p.folder, path, (size_t)(slash - path) + 1);
    }
    p.config = calloc(1, sizeof(*p.config));
    if (p.config == NULL) {
        return -ENOMEM;
    }
    p.config->schema = schema;
    int r = tmx_arena_init(&p.config->arena, ARENA_SIZE);
    if (r == 0) {
        parse(&p);
        r = p.fault != 0 ? p.fault : ret_errors->n > 0 ? TMX_CONFIG_E_INVALID : 0;
    }
    if (r < 0 || !is_whole(p.config)) {
        p.config = tmx_config_free(p.config);
    }
    if (p.config != NULL) {
        *ret_config = p.config;
    }
    return r;
}

int tmx_config_parse(const char *path, const char *text, size_t size, const struct tmx_config_schema *schema,
                     struct tmx_config_errors *ret_errors, struct tmx_config **ret_config)
{
    struct tmx_config *c = NULL;
    int r = tmx_config_read(path, text, size, schema, ret_errors, &c);
    if (r != 0) {
        tmx_config_free(c);
        return r;
    }
    *ret_config = c;
    return 0;
}

struct tmx_config *tmx_config_free(struct tmx_config *c)
{
    if (c != NULL) {
        tmx_arena_deinit(&c->arena);
        free(c);
    }
    return NULL;
}
