/* SPDX-License-Identifier: Apache-2.0 */
#include <tmx/series.h>

#define EXACT 8u         /* buckets of one millisecond */
#define EXACT_BITS 3u
#define PARTS_BITS 2u    /* of a doubling */

static size_t bucket_of(uint64_t ms)
{
    if (ms < EXACT) {
        return (size_t)ms;
    }
    unsigned bits = 63u - (unsigned)__builtin_clzll(ms);
    size_t part = (size_t)(ms >> (bits - PARTS_BITS)) & ((1u << PARTS_BITS) - 1u);
    size_t bucket = EXACT + ((size_t)(bits - EXACT_BITS) << PARTS_BITS) + part;
    return bucket < TMX_HISTOGRAM_BUCKETS ? bucket : TMX_HISTOGRAM_BUCKETS - 1u;
}

uint64_t tmx_histogram_from_ms(size_t bucket)
{
    assert(bucket <= TMX_HISTOGRAM_BUCKETS);
    if (bucket < EXACT) {
        return bucket;
    }
    size_t doubling = (bucket - EXACT) >> PARTS_BITS, part = (bucket - EXACT) & ((1u << PARTS_BITS) - 1u);
    return (uint64_t)((1u << PARTS_BITS) + part) << (doubling + EXACT_BITS - PARTS_BITS);
}

void tmx_histogram_add(struct tmx_histogram *h, uint64_t ms)
{
    h->n[bucket_of(ms)]++;
    h->count++;
    h->sum_ms += ms;
}

bool tmx_histogram_quantile(const struct tmx_histogram *now, const struct tmx_histogram *then, unsigned permille,
                            uint64_t *ret_ms)
{
    assert(permille > 0 && permille <= 1000);
    uint64_t count = now->count - (then != NULL ? then->count : 0);
    uint64_t rank = (count * permille + 999) / 1000, before = 0;
    for (size_t i = 0; i < TMX_HISTOGRAM_BUCKETS && count > 0; i++) {
        uint64_t here = now->n[i] - (then != NULL ? then->n[i] : 0);
        if (before + here >= rank) {
            uint64_t from = tmx_histogram_from_ms(i), wide = tmx_histogram_from_ms(i + 1) - from;
            *ret_ms = from + (wide - 1) * (rank - before) / here;   /* as if they were spread evenly in it */
            return true;
        }
        before += here;
    }
    return false;
}
