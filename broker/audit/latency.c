/* SPDX-License-Identifier: Apache-2.0
 * Durations on a logarithmic scale.
 */
#include <inttypes.h>
#include <stdio.h>

#include <tmx/series.h>

#include "latency.h"

#define PARTS_BITS 4u /* 16 buckets for each doubling */

static const uint64_t class_ends[LATENCY_CLASSES - 1] = {
    100, 300, 1000, 3000, 10000, 30000, 60000, 300000, 1200000, 3600000, 21600000, 86400000, 604800000,
};

static size_t bucket_of(uint64_t ms)
{
    const size_t bucket = tmx_scale_bucket(PARTS_BITS, ms);

    return bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1;
}

/* The longest duration of a bucket. */
static uint64_t bucket_end(size_t bucket)
{
    return tmx_scale_from(PARTS_BITS, bucket + 1) - 1;
}

void tmx_latency_add(struct tmx_latency *l, uint64_t ms)
{
    size_t class = 0;

    while (class < TMX_N(class_ends) && ms > class_ends[class]) {
        class++;
    }
    l->classes[class]++;
    l->buckets[bucket_of(ms)]++;
    l->n++;
    l->max_ms = ms > l->max_ms ? ms : l->max_ms;
}

uint64_t tmx_latency_percentile(const struct tmx_latency *l, unsigned percent)
{
    /* So many of them, rounded up; written so that it cannot overflow. */
    const uint64_t wanted = l->n / 100 * percent + (l->n % 100 * percent + 99) / 100;
    uint64_t seen = 0;

    assert(percent >= 1 && percent <= 99);
    for (size_t b = 0; l->n > 0 && b + 1 < LATENCY_BUCKETS; b++) {
        seen += l->buckets[b];
        if (seen >= wanted) {
            return bucket_end(b) < l->max_ms ? bucket_end(b) : l->max_ms;
        }
    }
    return l->max_ms;
}

uint64_t tmx_latency_class_ms(size_t class)
{
    return class < TMX_N(class_ends) ? class_ends[class] : 0;
}

void tmx_duration_text(uint64_t ms, char ret_text[DURATION_TEXT_SIZE])
{
    static const struct {
        const char *name;
        uint64_t ms;
        uint64_t below; /* used below so many of it */
    } units[] = { { "s", 1000, 60 }, { "min", 60000, 60 }, { "h", 3600000, 48 }, { "d", 86400000, UINT64_MAX } };
    size_t i = 0;
    uint64_t tenths;

    if (ms < 1000) {
        snprintf(ret_text, DURATION_TEXT_SIZE, "%" PRIu64 " ms", ms);
        return;
    }
    while (ms / units[i].ms >= units[i].below) {
        i++;
    }
    tenths = (ms / (units[i].ms / 20) + 1) / 2;
    if (tenths % 10 == 0) {
        snprintf(ret_text, DURATION_TEXT_SIZE, "%" PRIu64 " %s", tenths / 10, units[i].name);
    } else {
        snprintf(ret_text, DURATION_TEXT_SIZE, "%" PRIu64 ".%u %s", tenths / 10, (unsigned)(tenths % 10), units[i].name);
    }
}
