/* SPDX-License-Identifier: Apache-2.0
 * What the files of the report share: report.c counts along the log, report_result.c makes the result of it.
 */
#pragma once

#include "report.h"
#include "table.h"

#define COLLECT_ROWS 4u /* in which a delivery counts: of all, of its sender, its recipient, its type */

/* A delivery without terminal outcome. */
struct tmx_collect_open {
    uint64_t accepted_ms;
    uint64_t arrived_ms;
    uint64_t expires_ms;
    uint64_t seq;
    uint8_t message_id[TMX_ID_SIZE];
    uint16_t sender, recipient, type; /* of report->members and report->types as long as they are not sorted */
    bool arrived;
};
_Static_assert(sizeof(struct tmx_collect_open) == 56, "report.h and the manual say what a delivery takes");

struct tmx_collect {
    struct tmx_report *report;
    const char *path;
    char why[HISTORY_WHY_MAX];      /* of -E2BIG */
    struct tmx_audit_table members; /* code -> uint16_t */
    struct tmx_audit_table types;   /* type -> uint16_t */
    struct tmx_audit_table open;    /* (acceptance, recipient) -> struct tmx_collect_open */
    struct tmx_audit_table reasons; /* (event, code, member) -> struct tmx_report_reason */
    uint64_t refused;               /* 1 + index of the last refusal */
};

struct tmx_audit_key tmx_collect_key(uint64_t acceptance, const char *recipient);
void tmx_collect_rows(struct tmx_collect *c, const struct tmx_collect_open *d,
                      struct tmx_report_row *ret_rows[COLLECT_ROWS]);
/* tmx_audit_line_fn, ctx is struct tmx_collect. */
int tmx_collect_line(void *ctx, const struct tmx_audit_line *l);
