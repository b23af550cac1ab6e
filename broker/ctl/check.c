/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tmx/text.h>

#include "check.h"
#include "screen.h"

bool check_duration(const char *text, uint64_t *ret_ms)
{
    static const struct {
        const char *name;
        uint64_t ms;
    } units[] = { { "ms", 1 },        { "s", 1000 },     { "m", 60000 },   { "min", 60000 },
                  { "h", 3600000 },   { "d", 86400000 } };
    uint64_t number;
    size_t digits = strspn(text, "0123456789");
    const char *unit = text + digits + strspn(text + digits, " ");
    if (!tmx_parse_u64(TMX_BYTES(text, digits), 1000000000, &number) || number == 0) {
        return false;
    }
    for (size_t i = 0; i < TMX_N(units); i++) {
        if (strcmp(unit, units[i].name) == 0) {
            *ret_ms = number * units[i].ms;
            return true;
        }
    }
    return false;
}

static const struct question *question_of(const char *name)
{
    const char *names[16];
    size_t n = 0;
    for (const struct question *q = check_questions; q->name != NULL; q++) {
        if (strcmp(q->name, name) == 0) {
            return q;
        }
        assert(n < TMX_N(names));
        names[n++] = q->name;
    }
    const char *near = tmx_nearest(name, names, n);
    fprintf(stderr, "tmxctl: check does not know `%s'%s%s%s\nTry `tmxctl --help'.\n", name, near != NULL ? "; did you mean `" : "",
            near != NULL ? near : "", near != NULL ? "'?" : "");
    exit(EXIT_USAGE);
}

static void print(const char *name, const struct verdict *v)
{
    static const char *const words[] = { "OK", "WARNING", "CRITICAL", "UNKNOWN" };
    printf("TMX ");
    for (const char *c = name; *c != '\0'; c++) {
        putchar(toupper((unsigned char)*c));
    }
    printf(" %s - %s%s%s\n", words[v->code], v->text, v->measured[0] != '\0' ? " | " : "", v->measured);
}

int check_run(const struct daemon_at *at, const char *name, const struct check_limits *limits)
{
    const struct question *q = question_of(name);
    struct verdict v = { .code = EXIT_OK };
    json_t *answer = NULL;
    int r = ask_daemon(at, &q->request, 1, TMX_BYTES_NULL, ASK_STATUS_MS, &answer);
    if (r < 0) {
        v.code = EXIT_UNKNOWN;
        (void)snprintf(v.text, sizeof(v.text), "the %s does not answer: %s", at->kind, ask_why_not(r));
    } else if (json_object_get(answer, "error") != NULL) {
        v.code = EXIT_UNKNOWN;
        (void)snprintf(v.text, sizeof(v.text), "the %s says: %s", at->kind, text_of(answer, "error"));
    } else {
        q->judge(answer, limits, &v);
    }
    print(name, &v);
    json_decref(answer);
    return v.code;
}
