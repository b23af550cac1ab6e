/* SPDX-License-Identifier: Apache-2.0
 * What a daemon remembers of its own last hours: counters, levels and latencies, sampled while it runs. Nothing of it is
 * stored: it begins with the process. Times are monotonic milliseconds, and are given.
 */
#pragma once

#include <tmx/err.h>

/* A logarithmic scale: a bucket for each value below twice 2^parts_bits, then 2^parts_bits buckets to each doubling. In which one a
 * value is, and the smallest value of one. */
size_t tmx_scale_bucket(unsigned parts_bits, uint64_t value);
uint64_t tmx_scale_from(unsigned parts_bits, size_t bucket);

/* How often something took how long. Buckets of one millisecond below 8, then four to each doubling: what is read from
 * them is off by a quarter at the most. The last takes all from 31 hours on. */
#define TMX_HISTOGRAM_BUCKETS 104u

struct tmx_histogram {
    uint64_t n[TMX_HISTOGRAM_BUCKETS];
    uint64_t count, sum_ms;
};

void tmx_histogram_add(struct tmx_histogram *h, uint64_t ms);
/* The smallest time that falls into this bucket; of TMX_HISTOGRAM_BUCKETS: where the last one would end. */
uint64_t tmx_histogram_from_ms(size_t bucket);
/* What so many of a thousand did not exceed, of those since `then` (NULL: of all). False: there were none. */
bool tmx_histogram_quantile(const struct tmx_histogram *now, const struct tmx_histogram *then, unsigned permille,
                            uint64_t *ret_ms) TMX_MUST_CHECK;

#define TMX_SERIES_COUNTERS_MAX 12u
#define TMX_SERIES_LEVELS_MAX 4u
#define TMX_SERIES_LATENCIES_MAX 3u

/* Everything at one moment: counters and histograms since the start, and how high the levels are. What happened between
 * two moments is the difference. What the numbers are is known to who takes them. */
struct tmx_sample {
    uint64_t at_ms;
    uint64_t counters[TMX_SERIES_COUNTERS_MAX];
    uint64_t levels[TMX_SERIES_LEVELS_MAX];
    struct tmx_histogram latencies[TMX_SERIES_LATENCIES_MAX];
};

enum tmx_series_step {
    TMX_SERIES_SECONDS,   /* every 10 seconds, for a quarter of an hour */
    TMX_SERIES_MINUTES,   /* every minute, for six hours */
    TMX_SERIES_STEPS,
};

struct tmx_series;

int tmx_series_new(struct tmx_series **ret_series) TMX_MUST_CHECK;   /* -ENOMEM */
struct tmx_series *tmx_series_free(struct tmx_series *s);
/* The first of each step is kept, and always the last. Later ones are never earlier. */
void tmx_series_take(struct tmx_series *s, const struct tmx_sample *sample);
/* The last one taken; NULL before the first. */
const struct tmx_sample *tmx_series_last(const struct tmx_series *s);
/* The newest that is at least so much older than the last; where none is that old, the oldest there is. NULL before the
 * first. It looks back a quarter of an hour at the most. */
const struct tmx_sample *tmx_series_ago(const struct tmx_series *s, uint64_t ms);
/* Those kept of one step, the oldest first. */
uint64_t tmx_series_step_ms(enum tmx_series_step step);
size_t tmx_series_count(const struct tmx_series *s, enum tmx_series_step step);
const struct tmx_sample *tmx_series_at(const struct tmx_series *s, enum tmx_series_step step, size_t i);
