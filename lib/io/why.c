/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <tmx/text.h>
#include <tmx/why.h>

static const char *severity_of(enum tmx_why_verdict v)
{
    return v == TMX_WHY_CRITICAL ? "critical" : v == TMX_WHY_WARNING ? "warning" : "note";
}

/* Texts hold what peers say of themselves, too. */
static json_t *printable(const char *text)
{
    char out[TMX_WHY_TEXT_MAX];
    tmx_printable(tmx_bytes_str(text), out, sizeof(out));
    return json_string(out);
}

void tmx_why_ask(const struct tmx_why_entry *table, size_t n, const void *facts, const char *member, json_t *causes, json_t *looked)
{
    for (size_t i = 0; i < n; i++) {
        struct tmx_why_finding f = { .text = "" };
        enum tmx_why_verdict v = table[i].rule(facts, &f);
        if (v == TMX_WHY_NOT_ASKED) {
            continue;
        }
        json_t *j = json_pack("{ss so}", "code", table[i].code, "evidence", printable(f.evidence));
        if (member != NULL) {
            json_object_set_new(j, "member", json_string(member));
        }
        if (v == TMX_WHY_NOT) {
            json_array_append_new(looked, j);
            continue;
        }
        assert(f.text[0] != '\0' && f.fix[0] != '\0');
        json_object_set_new(j, "severity", json_string(severity_of(v)));
        json_object_set_new(j, "text", printable(f.text));
        json_object_set_new(j, "fix", printable(f.fix));
        json_array_append_new(causes, j);
    }
}

/* A note is no problem. */
static const char *health_of(const json_t *causes)
{
    const char *worst = "ok";
    size_t i;
    json_t *c;
    json_array_foreach(causes, i, c)
    {
        const char *severity = json_string_value(json_object_get(c, "severity"));
        if (strcmp(severity, "critical") == 0) {
            return "critical";
        }
        worst = strcmp(severity, "warning") == 0 ? "warning" : worst;
    }
    return worst;
}

json_t *tmx_why_answer(const char *subject, const char *kind, json_t *causes, json_t *looked)
{
    return json_pack("{ss ss ss so so}", "subject", subject, "kind", kind, "health", health_of(causes), "causes", causes, "looked",
                     looked);
}

static void TMX_PRINTF(2, 0) fill(char text[TMX_WHY_TEXT_MAX], const char *fmt, va_list args)
{
    (void)vsnprintf(text, TMX_WHY_TEXT_MAX, fmt, args);
}

void tmx_why_text(struct tmx_why_finding *f, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fill(f->text, fmt, args);
    va_end(args);
}

void tmx_why_evidence(struct tmx_why_finding *f, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fill(f->evidence, fmt, args);
    va_end(args);
}

void tmx_why_fix(struct tmx_why_finding *f, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fill(f->fix, fmt, args);
    va_end(args);
}

const char *tmx_why_span(uint64_t ms, char ret_text[TMX_WHY_SPAN_MAX])
{
    static const struct {
        const char *name;
        uint64_t ms, below;   /* used below so many of it */
    } units[] = { { "ms", 1, 1000 }, { "s", 1000, 120 }, { "min", 60000, 120 }, { "h", 3600000, 48 } };
    for (size_t i = 0; i < TMX_N(units); i++) {
        if (ms / units[i].ms < units[i].below) {
            (void)snprintf(ret_text, TMX_WHY_SPAN_MAX, "%" PRIu64 " %s", ms / units[i].ms, units[i].name);
            return ret_text;
        }
    }
    (void)snprintf(ret_text, TMX_WHY_SPAN_MAX, "%" PRIu64 " d", ms / 86400000);
    return ret_text;
}
