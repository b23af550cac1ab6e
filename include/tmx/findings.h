/* SPDX-License-Identifier: Apache-2.0
 * What looking at a configuration or a host finds: one fact each, what shows it, and what to do about it. For programs:
 * who looks does not print.
 */
#pragma once

#include <stdio.h>

#include <tmx/err.h>

enum tmx_finding_severity { TMX_FINDING_OK, TMX_FINDING_WARNING, TMX_FINDING_CRITICAL };

struct tmx_finding {
    enum tmx_finding_severity severity;
    char subject[320];   /* "FILE:LINE", or the name of a check; a long path loses its beginning */
    char says[768];      /* the fact, with its evidence */
    char remedy[512];    /* a command or a sentence; "" where nothing is to be done */
};

typedef void tmx_finding_fn(void *ctx, const struct tmx_finding *f);

struct tmx_findings {
    tmx_finding_fn *take;
    void *ctx;
    size_t n[3];   /* how many there were, by severity */
};

/* `remedy` may be NULL. What is too long is cut. */
void tmx_finding(struct tmx_findings *to, enum tmx_finding_severity severity, const char *subject, const char *remedy,
                 const char *fmt, ...) TMX_PRINTF(5, 6);
/* One that is there already, counted and passed on. */
void tmx_finding_take(struct tmx_findings *to, const struct tmx_finding *f);

/* tmx_finding_fn: for one who only wants their number. */
void tmx_finding_ignore(void *ctx, const struct tmx_finding *f);
/* tmx_finding_fn, ctx is a FILE: what is not ok, a line each: "SUBJECT: SEVERITY: what; do: remedy". */
void tmx_finding_print_bad(void *ctx, const struct tmx_finding *f);

const char *tmx_finding_word(enum tmx_finding_severity severity);   /* "ok", "warning", "critical" */
/* Writes the last line, `good` or "1 critical, 2 warnings, 14 ok"; the exit status of a command that looked: 0 nothing to be
 * done, 1 warnings, 2 something critical. */
int tmx_findings_end(const struct tmx_findings *f, FILE *out, const char *good);
