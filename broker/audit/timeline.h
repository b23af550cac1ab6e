/* SPDX-License-Identifier: Apache-2.0
 * Deliveries by the time of their acceptance, in at most so many intervals of one width. The width suits the time that
 * is covered: it begins at a minute, and intervals are put together as the log goes on. Times as everywhere, in UTC.
 */
#pragma once

#include "reconcile.h"

#define TIMELINE_MAX 72u

struct tmx_timeline {
    uint64_t width_ms; /* 0: nothing came yet */
    uint64_t start_ms; /* of the first interval, a multiple of the width; weeks begin on a Monday */
    size_t n;
    uint64_t fates[TIMELINE_MAX][FATES];
};

/* Makes it cover this time. What is before the first interval belongs to the first. */
void tmx_timeline_reach(struct tmx_timeline *t, uint64_t ms);
/* A delivery accepted then, which is open; and what became of one. */
void tmx_timeline_accept(struct tmx_timeline *t, uint64_t accepted_ms);
void tmx_timeline_end(struct tmx_timeline *t, uint64_t accepted_ms, enum tmx_fate fate);
