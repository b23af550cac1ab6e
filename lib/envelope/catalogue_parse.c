/* SPDX-License-Identifier: Apache-2.0
 * The reader of catalogue files: lines of `key = value` under `[TYPE]`, `#` for comments. Strict: what it does not
 * know is an error with its line and a suggestion, because a catalogue that is half understood refuses or passes the
 * wrong messages. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalogue_types.h"
#include <tmx/text.h>

struct parser {
    struct tmx_catalogue *catalogue;
    struct tmx_message_type *type;   /* of the section; NULL before the first */
    unsigned line;
    unsigned type_lines[TMX_CATALOGUE_TYPES_MAX];
    unsigned seen;                   /* a bit per key of the section */
    char *reason;
    size_t capacity;
};

TMX_PRINTF(2, 3) static int fail(struct parser *p, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(p->reason, p->capacity, fmt, args);
    va_end(args);
    return -EINVAL;
}

/* The input's own words in a reason: at most 40 bytes, printable. */
struct quoted {
    char text[44];
};

static struct quoted quote(struct tmx_bytes b)
{
    struct quoted q;

    tmx_printable(b, q.text, sizeof(q.text));
    return q;
}

static int fail_unknown(struct parser *p, const char *what, struct tmx_bytes word, const char *const *names, size_t n)
{
    struct quoted q = quote(word);
    const char *near = tmx_nearest(q.text, names, n);

    return near == NULL ? fail(p, "unknown %s '%s'", what, q.text)
                        : fail(p, "unknown %s '%s': did you mean '%s'?", what, q.text, near);
}

/* Copies a value that fits `capacity` with its NUL. */
static int store(struct parser *p, struct tmx_bytes value, char *ret_text, size_t capacity)
{
    struct tmx_writer w = tmx_writer_init(ret_text, capacity);

    tmx_write_bytes(&w, value);
    tmx_write_u8(&w, 0);
    return w.failed ? fail(p, "longer than %zu characters", capacity - 1) : 0;
}

/* Splits the first word off; empty when there is none. */
static struct tmx_bytes next_word(struct tmx_bytes *rest)
{
    size_t from = 0;
    while (from < rest->size && rest->data[from] == ' ') {
        from++;
    }
    size_t to = from;
    while (to < rest->size && rest->data[to] != ' ') {
        to++;
    }
    struct tmx_bytes word = tmx_bytes_slice(*rest, from, to - from);
    *rest = tmx_bytes_slice(*rest, to, rest->size - to);
    return word;
}

static bool code_valid(struct tmx_bytes code, size_t max)
{
    if (code.size < 1 || code.size > max) {
        return false;
    }
    for (size_t i = 0; i < code.size; i++) {
        uint8_t c = code.data[i];
        if (!(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9')) {
            return false;
        }
    }
    return true;
}

static int set_name(struct parser *p, struct tmx_bytes value)
{
    return store(p, value, p->type->name, sizeof(p->type->name));
}

static int set_acronym(struct parser *p, struct tmx_bytes value)
{
    return store(p, value, p->type->acronym, sizeof(p->type->acronym));
}

static int set_roles(struct parser *p, struct tmx_bytes value, char *ret_roles, size_t capacity)
{
    static const char *const roles[] = { "DEP", "DES", "TRA", "EXT", "GUA", "ENQ", "REC", "INC", "NA", "EC" };
    struct tmx_bytes rest = value;

    for (struct tmx_bytes word = next_word(&rest); word.size > 0; word = next_word(&rest)) {
        bool known = false;
        for (size_t i = 0; i < TMX_N(roles); i++) {
            known |= tmx_bytes_eq(word, tmx_bytes_str(roles[i]));
        }
        if (!known) {
            return fail_unknown(p, "role", word, roles, TMX_N(roles));
        }
    }
    return store(p, value, ret_roles, capacity);
}

static int set_from(struct parser *p, struct tmx_bytes value)
{
    return set_roles(p, value, p->type->from, sizeof(p->type->from));
}

static int set_to(struct parser *p, struct tmx_bytes value)
{
    return set_roles(p, value, p->type->to, sizeof(p->type->to));
}

static int set_rule(struct parser *p, struct tmx_bytes value, enum tmx_rule *ret_rule)
{
    static const char *const rules[] = { [TMX_RULE_OPTIONAL] = "optional", [TMX_RULE_REQUIRED] = "required",
                                         [TMX_RULE_ABSENT] = "absent" };

    for (size_t i = 0; i < TMX_N(rules); i++) {
        if (tmx_bytes_eq(value, tmx_bytes_str(rules[i]))) {
            *ret_rule = (enum tmx_rule)i;
            return 0;
        }
    }
    return fail_unknown(p, "rule", value, rules, TMX_N(rules));
}

static int set_mrn(struct parser *p, struct tmx_bytes value)
{
    return set_rule(p, value, &p->type->mrn);
}

static int set_correlation(struct parser *p, struct tmx_bytes value)
{
    return set_rule(p, value, &p->type->correlation);
}

static int set_responses(struct parser *p, struct tmx_bytes value)
{
    struct tmx_bytes rest = value;
    size_t n = 0;

    for (struct tmx_bytes word = next_word(&rest); word.size > 0; word = next_word(&rest)) {
        if (n == TMX_N(p->type->responses)) {
            return fail(p, "more than %zu responses", n);
        }
        int r = store(p, word, p->type->responses[n], sizeof(p->type->responses[n]));
        if (r < 0) {
            return r;
        }
        n++;
    }
    return 0;
}

static int set_date(struct parser *p, struct tmx_bytes value, uint64_t *ret_ms)
{
    if (value.size != 10 || !tmx_parse_time(value, ret_ms)) {
        return fail(p, "'%s' is not a date like 2025-01-31", quote(value).text);
    }
    return 0;
}

static int set_valid_from(struct parser *p, struct tmx_bytes value)
{
    return set_date(p, value, &p->type->from_ms);
}

static int set_valid_until(struct parser *p, struct tmx_bytes value)
{
    return set_date(p, value, &p->type->until_ms);
}

static const char *const key_names[] = { "name", "acronym", "from", "to", "mrn", "correlation", "responses",
                                         "valid_from", "valid_until" };
static const struct {
    bool optional;
    int (*set)(struct parser *p, struct tmx_bytes value);
} keys[] = {
    { false, set_name },        { false, set_acronym },  { false, set_from },      { false, set_to },
    { false, set_mrn },         { false, set_correlation }, { true, set_responses }, { false, set_valid_from },
    { true, set_valid_until },
};
_Static_assert(TMX_N(keys) == TMX_N(key_names), "one entry per key");

/* The section is over: everything it must say was said. */
static int end_type(struct parser *p)
{
    if (p->type == NULL) {
        return 0;
    }
    p->line = p->type_lines[p->type - p->catalogue->types];
    for (size_t i = 0; i < TMX_N(keys); i++) {
        if (!keys[i].optional && (p->seen >> i & 1) == 0) {
            return fail(p, "%s: missing key '%s'", p->type->code, key_names[i]);
        }
    }
    if (p->type->until_ms != 0 && p->type->until_ms <= p->type->from_ms) {
        return fail(p, "%s: valid_until is not after valid_from", p->type->code);
    }
    return 0;
}

static int begin_type(struct parser *p, struct tmx_bytes code)
{
    struct tmx_catalogue *c = p->catalogue;
    unsigned line = p->line;

    int r = end_type(p);
    if (r < 0) {
        return r;
    }
    p->line = line;
    if (!code_valid(code, TMX_TYPE_MAX)) {
        return fail(p, "'%s' is not a message type: 1 to %u characters A-Z 0-9", quote(code).text, TMX_TYPE_MAX);
    }
    for (size_t i = 0; i < c->n_types; i++) {
        if (tmx_bytes_eq(code, tmx_bytes_str(c->types[i].code))) {
            return fail(p, "%s was defined in line %u", c->types[i].code, p->type_lines[i]);
        }
    }
    if (c->n_types == TMX_N(c->types)) {
        return fail(p, "more than %zu message types", c->n_types);
    }
    p->type_lines[c->n_types] = line;
    p->type = &c->types[c->n_types++];
    p->seen = 0;
    return store(p, code, p->type->code, sizeof(p->type->code));
}

static int set_version(struct parser *p, struct tmx_bytes value)
{
    uint64_t number;

    if (p->catalogue->version[0] != '\0') {
        return fail(p, "key 'version' twice");
    }
    if (!tmx_parse_u64(value, UINT64_MAX, &number)) {
        return fail(p, "version '%s' is not a decimal number", quote(value).text);
    }
    return store(p, value, p->catalogue->version, sizeof(p->catalogue->version));
}

static int set_key(struct parser *p, struct tmx_bytes key, struct tmx_bytes value)
{
    static const char *const file_keys[] = { "version" };

    if (value.size == 0) {
        return fail(p, "key '%s' without a value", quote(key).text);
    }
    if (p->type == NULL) {
        return tmx_bytes_eq(key, TMX_LIT("version")) ? set_version(p, value)
                                                     : fail_unknown(p, "key before the first type", key, file_keys, 1);
    }
    for (size_t i = 0; i < TMX_N(keys); i++) {
        if (!tmx_bytes_eq(key, tmx_bytes_str(key_names[i]))) {
            continue;
        }
        if ((p->seen >> i & 1) != 0) {
            return fail(p, "%s: key '%s' twice", p->type->code, key_names[i]);
        }
        p->seen |= 1u << i;
        return keys[i].set(p, value);
    }
    return fail_unknown(p, "key", key, key_names, TMX_N(key_names));
}

static struct tmx_bytes trim(struct tmx_bytes b)
{
    while (b.size > 0 && b.data[0] == ' ') {
        b = tmx_bytes_slice(b, 1, b.size - 1);
    }
    while (b.size > 0 && b.data[b.size - 1] == ' ') {
        b.size--;
    }
    return b;
}

static int parse_line(struct parser *p, struct tmx_bytes raw)
{
    for (size_t i = 0; i < raw.size; i++) {
        if (raw.data[i] < 0x20 || raw.data[i] > 0x7e) {
            return fail(p, "byte 0x%02x: only printable ASCII is allowed", raw.data[i]);
        }
    }
    struct tmx_bytes line = trim(raw);
    if (line.size == 0 || line.data[0] == '#') {
        return 0;
    }
    if (line.data[0] == '[' && line.data[line.size - 1] == ']') {
        return begin_type(p, tmx_bytes_slice(line, 1, line.size - 2));
    }
    const uint8_t *equals = memchr(line.data, '=', line.size);
    if (equals == NULL || equals == line.data) {
        return fail(p, "'%s' is neither '[TYPE]' nor 'key = value'", quote(line).text);
    }
    size_t at = (size_t)(equals - line.data);
    return set_key(p, trim(tmx_bytes_slice(line, 0, at)), trim(tmx_bytes_slice(line, at + 1, line.size - at - 1)));
}

/* Rules that need the whole file. */
static int check_whole(struct parser *p)
{
    const struct tmx_catalogue *c = p->catalogue;

    int r = end_type(p);
    if (r < 0) {
        return r;
    }
    if (c->version[0] == '\0' || c->n_types == 0) {
        p->line = 1;
        return fail(p, c->n_types == 0 ? "no message types" : "missing key 'version'");
    }
    for (size_t i = 0; i < c->n_types; i++) {
        for (size_t k = 0; k < TMX_N(c->types[i].responses) && c->types[i].responses[k][0] != '\0'; k++) {
            size_t found = 0;
            while (found < c->n_types && strcmp(c->types[found].code, c->types[i].responses[k]) != 0) {
                found++;
            }
            if (found == c->n_types) {
                p->line = p->type_lines[i];
                return fail(p, "%s: response '%s' is not in the catalogue", c->types[i].code, c->types[i].responses[k]);
            }
        }
    }
    return 0;
}

static int parse(struct parser *p, struct tmx_bytes text)
{
    if (text.size > TMX_CATALOGUE_MAX) {
        p->line = 1;
        return fail(p, "larger than %u bytes", TMX_CATALOGUE_MAX);
    }
    for (size_t at = 0; at < text.size;) {
        const uint8_t *end = memchr(text.data + at, '\n', text.size - at);
        size_t size = end == NULL ? text.size - at : (size_t)(end - (text.data + at));

        p->line++;
        int r = parse_line(p, tmx_bytes_slice(text, at, size));
        if (r < 0) {
            return r;
        }
        at += size + 1;
    }
    return check_whole(p);
}

int tmx_catalogue_parse(struct tmx_bytes text, struct tmx_catalogue **ret_catalogue, unsigned *ret_line,
                        char *ret_reason, size_t capacity)
{
    struct parser p = { .reason = ret_reason, .capacity = capacity };

    p.catalogue = calloc(1, sizeof(*p.catalogue));
    if (p.catalogue == NULL) {
        return -ENOMEM;
    }
    int r = parse(&p, text);
    if (r < 0) {
        *ret_line = p.line;
        free(p.catalogue);
        return r;
    }
    *ret_catalogue = p.catalogue;
    return 0;
}
