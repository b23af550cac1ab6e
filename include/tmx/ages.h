/* SPDX-License-Identifier: Apache-2.0
 * How old what waits is: a count for each quarter of a minute of the last day, and one of what is older. What comes and what
 * goes is counted where it happens, so that nobody has to walk a queue. Times are wall-clock milliseconds, and are given.
 */
#pragma once

#include <tmx/err.h>

#define TMX_AGES_STEP_MS 15000u
#define TMX_AGES_STEPS 5760u           /* a day */
#define TMX_AGES_BUCKETS 7u            /* under 1 min, 5 min, 20 min, 1 h, 4 h, 24 h; and older */

struct tmx_ages {
    uint64_t newest;                   /* the latest step anything came in */
    uint64_t older;
    uint32_t *steps;                   /* malloc'ed; NULL until something came */
};

void tmx_ages_free(struct tmx_ages *a);
/* Something that is as old as `from_ms` tells begins to wait. -ENOMEM. */
int tmx_ages_add(struct tmx_ages *a, uint64_t from_ms) TMX_MUST_CHECK;
/* It waits no more: what was added with this time, and was not taken out yet. */
void tmx_ages_remove(struct tmx_ages *a, uint64_t from_ms);

struct tmx_ages_view {
    uint64_t buckets[TMX_AGES_BUCKETS];
    uint64_t late;                     /* older than what was asked for */
    uint64_t oldest_ms;                /* age of the oldest; a day where it is older; 0 when nothing waits */
};
/* Ages are right to a step; what comes from the future has none. `late_ms`: at most a day. */
void tmx_ages_look(const struct tmx_ages *a, uint64_t now_ms, uint64_t late_ms, struct tmx_ages_view *ret_view);
