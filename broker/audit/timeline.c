/* SPDX-License-Identifier: Apache-2.0
 * Intervals that grow with the time they cover.
 */
#include <string.h>

#include "timeline.h"

#define MINUTE_MS 60000ull
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)
#define WEEK_MS (7 * DAY_MS)
#define MONDAY_MS (4 * DAY_MS) /* 1970-01-05 */

/* Each divides the next, so that intervals can be put together. */
static const uint64_t widths[] = {
    MINUTE_MS, 5 * MINUTE_MS, 15 * MINUTE_MS, HOUR_MS, 3 * HOUR_MS, 6 * HOUR_MS, DAY_MS, WEEK_MS, 4 * WEEK_MS,
};

static uint64_t next_width(uint64_t width)
{
    for (size_t i = 0; i < TMX_N(widths); i++) {
        if (widths[i] > width) {
            return widths[i];
        }
    }
    return 4 * width;
}

static uint64_t align(uint64_t ms, uint64_t width)
{
    const uint64_t offset = width >= WEEK_MS ? MONDAY_MS : 0;

    return ms < offset ? 0 : (ms - offset) / width * width + offset;
}

static size_t place(const struct tmx_timeline *t, uint64_t ms)
{
    const uint64_t n = ms < t->start_ms ? 0 : (ms - t->start_ms) / t->width_ms;

    return n < TIMELINE_MAX ? (size_t)n : TIMELINE_MAX;
}

static void widen(struct tmx_timeline *t)
{
    const struct tmx_timeline old = *t;

    t->width_ms = next_width(old.width_ms);
    t->start_ms = align(old.start_ms, t->width_ms);
    t->n = 0;
    memset(t->fates, 0, sizeof t->fates);
    for (size_t i = 0; i < old.n; i++) {
        const size_t at = place(t, old.start_ms + i * old.width_ms);

        for (enum tmx_fate f = 0; f < FATES; f++) {
            t->fates[at][f] += old.fates[i][f];
        }
        t->n = at + 1;
    }
}

void tmx_timeline_reach(struct tmx_timeline *t, uint64_t ms)
{
    if (t->width_ms == 0) {
        t->width_ms = widths[0];
        t->start_ms = align(ms, widths[0]);
    }
    /* A time is a number of 64 bits: after a few dozen steps everything is covered. */
    while (place(t, ms) == TIMELINE_MAX) {
        widen(t);
    }
    if (place(t, ms) >= t->n) {
        t->n = place(t, ms) + 1;
    }
}

void tmx_timeline_accept(struct tmx_timeline *t, uint64_t accepted_ms)
{
    tmx_timeline_reach(t, accepted_ms);
    t->fates[place(t, accepted_ms)][FATE_OPEN]++;
}

void tmx_timeline_end(struct tmx_timeline *t, uint64_t accepted_ms, enum tmx_fate fate)
{
    uint64_t *fates = t->fates[place(t, accepted_ms)];

    assert(place(t, accepted_ms) < t->n && fates[FATE_OPEN] > 0);
    fates[FATE_OPEN]--;
    fates[fate]++;
}
