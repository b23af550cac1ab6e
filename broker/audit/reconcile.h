/* SPDX-License-Identifier: Apache-2.0
 * `tmx-audit reconcile`: what two members sent each other in a time, and what became of it. A delivery belongs to the time
 * of its acceptance; what became of it is looked for to the end of the log.
 */
#pragma once

#include "lines.h"

enum tmx_fate { FATE_OPEN, FATE_DELIVERED, FATE_REFUSED, FATE_EXPIRED, FATE_EXCEPTION, FATES };
const char *tmx_fate_name(enum tmx_fate fate);
/* What a line says of its delivery: FATE_OPEN as long as it is no terminal outcome. */
enum tmx_fate tmx_fate_of(const struct tmx_audit_line *line);

/* Of one direction and message type. */
struct tmx_reconciled {
    char sender[TMX_MEMBER_MAX + 1];
    char recipient[TMX_MEMBER_MAX + 1];
    char message_type[TMX_TYPE_MAX + 1];
    uint64_t accepted;
    uint64_t arrived; /* of the open ones: with a CoA */
    uint64_t fates[FATES];
};

struct tmx_reconciliation {
    size_t n;
    struct tmx_reconciled *rows; /* ascending by sender, then type */
};

/* A delivery with its fate: the line of its outcome, or of its acceptance when it is open. */
typedef int tmx_reconciled_fn(void *ctx, enum tmx_fate fate, const struct tmx_audit_line *line);
/* Of an export whose head is verified; goes through it twice. `from_ms` and `to_ms` (0: the end) bound the acceptance.
 * `each` may be NULL; it is told the ended deliveries in the order of their outcomes, then the open ones. As
 * tmx_audit_lines. */
int tmx_reconcile(struct tmx_history *h, const char *a, const char *b, uint64_t from_ms, uint64_t to_ms,
                  tmx_reconciled_fn *each, void *ctx, struct tmx_reconciliation *ret_result,
                  char ret_why[HISTORY_WHY_MAX]) TMX_MUST_CHECK;
void tmx_reconciliation_free(struct tmx_reconciliation *r);
