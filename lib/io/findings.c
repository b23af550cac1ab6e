/* SPDX-License-Identifier: Apache-2.0
 * See tmx/findings.h.
 */
#include <stdarg.h>
#include <string.h>

#include <tmx/findings.h>

void tmx_finding(struct tmx_findings *to, enum tmx_finding_severity severity, const char *subject, const char *remedy,
                 const char *fmt, ...)
{
    struct tmx_finding f = { .severity = severity };
    size_t size = strlen(subject);
    size_t cut = size < sizeof(f.subject) ? 0 : size + 1 - sizeof(f.subject);
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(f.says, sizeof(f.says), fmt, args);
    va_end(args);
    (void)snprintf(f.subject, sizeof(f.subject), "%s", subject + cut);
    (void)snprintf(f.remedy, sizeof(f.remedy), "%s", remedy != NULL ? remedy : "");
    tmx_finding_take(to, &f);
}

void tmx_finding_take(struct tmx_findings *to, const struct tmx_finding *f)
{
    assert(f->severity < TMX_N(to->n));
    to->n[f->severity]++;
    to->take(to->ctx, f);
}

const char *tmx_finding_word(enum tmx_finding_severity severity)
{
    static const char *const words[] = { "ok", "warning", "critical" };
    assert(severity < TMX_N(words));
    return words[severity];
}

void tmx_finding_ignore(void *ctx, const struct tmx_finding *f)
{
    (void)ctx;
    (void)f;
}

void tmx_finding_print_bad(void *ctx, const struct tmx_finding *f)
{
    FILE *out = ctx;
    if (f->severity != TMX_FINDING_OK) {
        fprintf(out, "%s: %s: %s%s%s\n", f->subject, tmx_finding_word(f->severity), f->says, f->remedy[0] != '\0' ? "; do: " : "",
                f->remedy);
    }
}

int tmx_findings_end(const struct tmx_findings *f, FILE *out, const char *good)
{
    size_t critical = f->n[TMX_FINDING_CRITICAL], warnings = f->n[TMX_FINDING_WARNING];
    if (critical + warnings == 0) {
        fprintf(out, "%s\n", good);
    } else {
        fprintf(out, "%zu critical, %zu warning%s, %zu ok\n", critical, warnings, warnings == 1 ? "" : "s", f->n[TMX_FINDING_OK]);
    }
    return critical > 0 ? 2 : warnings > 0 ? 1 : 0;
}
