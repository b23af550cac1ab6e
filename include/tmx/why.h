/* SPDX-License-Identifier: Apache-2.0
 * Why a message does not go on: a table of rules in an order of importance, each a look at the facts that a daemon has gathered.
 * A rule says what it saw in any case; when that is a cause, also what it means and what mends it. So an answer without a cause
 * still shows what was looked at. The answer is that of `why` in tmx/control.h.
 */
#pragma once

#include <jansson.h>

#include <tmx/bytes.h>

enum tmx_why_verdict {
    TMX_WHY_NOT_ASKED,     /* the question does not arise: it is not shown */
    TMX_WHY_NOT,           /* it is not that */
    TMX_WHY_NOTE,          /* it is: nothing is wrong, but this is what it waits for */
    TMX_WHY_WARNING,
    TMX_WHY_CRITICAL,
};

#define TMX_WHY_TEXT_MAX 512u
#define TMX_WHY_SPAN_MAX 24u

struct tmx_why_finding {
    char text[TMX_WHY_TEXT_MAX];       /* what is the matter, for people; a cause has one */
    char evidence[TMX_WHY_TEXT_MAX];   /* numbers, times, the event of the log */
    char fix[TMX_WHY_TEXT_MAX];        /* a command, or the file and what to do with it; a cause has one */
};

typedef enum tmx_why_verdict tmx_why_rule(const void *facts, struct tmx_why_finding *f);

struct tmx_why_entry {
    const char *code;                  /* for programs; stable */
    tmx_why_rule *rule;
};

/* Goes through the table and adds causes to `causes`, what else was seen to `looked`; `member`, when not NULL, goes with each. */
void tmx_why_ask(const struct tmx_why_entry *table, size_t n, const void *facts, const char *member, json_t *causes, json_t *looked);
/* {"subject", "kind", "health", "causes", "looked"}; takes both references. */
json_t *tmx_why_answer(const char *subject, const char *kind, json_t *causes, json_t *looked);

void tmx_why_text(struct tmx_why_finding *f, const char *fmt, ...) TMX_PRINTF(2, 3);
void tmx_why_evidence(struct tmx_why_finding *f, const char *fmt, ...) TMX_PRINTF(2, 3);
void tmx_why_fix(struct tmx_why_finding *f, const char *fmt, ...) TMX_PRINTF(2, 3);
/* "5 s", "3 h"; returns ret_text. */
const char *tmx_why_span(uint64_t ms, char ret_text[TMX_WHY_SPAN_MAX]);
