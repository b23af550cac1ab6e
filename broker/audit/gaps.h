/* SPDX-License-Identifier: Apache-2.0
 * `tmx-audit gaps`: the numbers of every (sender, recipient) along the log. Each is one more than the last, or something
 * is missing that the sender signed. QUE-1, LOG-6
 */
#pragma once

#include "lines.h"

struct tmx_gap_pair {
    char sender[TMX_MEMBER_MAX + 1];
    char recipient[TMX_MEMBER_MAX + 1];
    uint64_t first, last;         /* numbers; 0: none */
    uint64_t accepted, rejected;  /* rejected: refusals that consumed their numbers */
    uint64_t expired, exception;  /* why an accepted number did not arrive */
    uint64_t missing;             /* numbers between others that no entry has */
    uint64_t repeated;            /* numbers that are not above those before */
    uint64_t first_fault;         /* entry of the first missing or repeated one */
};

struct tmx_gaps {
    size_t n;
    struct tmx_gap_pair *pairs; /* ascending by sender, then recipient */
    uint64_t missing, repeated; /* of all */
};

/* Of an export whose head is verified. As tmx_audit_lines. */
int tmx_gaps(struct tmx_history *h, struct tmx_gaps *ret_gaps, char ret_why[HISTORY_WHY_MAX]) TMX_MUST_CHECK;
void tmx_gaps_free(struct tmx_gaps *g);
