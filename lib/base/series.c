/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include <tmx/series.h>

#define RING_MAX 361u   /* so many intervals, and one more: both their ends */

static const struct {
    uint64_t ms;
    size_t n;
} steps[TMX_SERIES_STEPS] = { [TMX_SERIES_SECONDS] = { 10000, 92 }, [TMX_SERIES_MINUTES] = { 60000, RING_MAX } };

struct tmx_series {
    bool any;
    struct tmx_sample last;
    struct ring {
        size_t n, next;   /* filled, and where the next one goes */
        struct tmx_sample samples[RING_MAX];
    } rings[TMX_SERIES_STEPS];
};

int tmx_series_new(struct tmx_series **ret_series)
{
    *ret_series = calloc(1, sizeof(**ret_series));
    return *ret_series == NULL ? -ENOMEM : 0;
}

struct tmx_series *tmx_series_free(struct tmx_series *s)
{
    free(s);
    return NULL;
}

void tmx_series_take(struct tmx_series *s, const struct tmx_sample *sample)
{
    assert(!s->any || sample->at_ms >= s->last.at_ms);
    for (size_t i = 0; i < TMX_SERIES_STEPS; i++) {
        struct ring *r = &s->rings[i];
        if (!s->any || sample->at_ms / steps[i].ms != s->last.at_ms / steps[i].ms) {
            r->samples[r->next] = *sample;
            r->next = (r->next + 1) % steps[i].n;
            r->n += r->n < steps[i].n ? 1 : 0;
        }
    }
    s->last = *sample;
    s->any = true;
}

const struct tmx_sample *tmx_series_last(const struct tmx_series *s)
{
    return s->any ? &s->last : NULL;
}

const struct tmx_sample *tmx_series_ago(const struct tmx_series *s, uint64_t ms)
{
    size_t n = tmx_series_count(s, TMX_SERIES_SECONDS);
    for (size_t i = n; i > 0; i--) {
        const struct tmx_sample *then = tmx_series_at(s, TMX_SERIES_SECONDS, i - 1);
        if (s->last.at_ms - then->at_ms >= ms) {
            return then;
        }
    }
    return n > 0 ? tmx_series_at(s, TMX_SERIES_SECONDS, 0) : NULL;
}

uint64_t tmx_series_step_ms(enum tmx_series_step step)
{
    return steps[step].ms;
}

size_t tmx_series_count(const struct tmx_series *s, enum tmx_series_step step)
{
    return s->rings[step].n;
}

const struct tmx_sample *tmx_series_at(const struct tmx_series *s, enum tmx_series_step step, size_t i)
{
    const struct ring *r = &s->rings[step];
    assert(i < r->n);
    return &r->samples[(r->next + steps[step].n - r->n + i) % steps[step].n];
}
