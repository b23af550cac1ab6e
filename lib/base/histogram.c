/* SPDX-License-Identifier: Apache-2.0 */
#include <tmx/series.h>

#define PARTS_BITS 2u   /* of a doubling */

/* Below this each value has a bucket of its own. */
static uint64_t exact(unsigned parts_bits)
{
    return UINT64_C(2) << parts_bits;
}

size_t tmx_scale_bucket(unsigned parts_bits, uint64_t value)
{
    if (value < exact(parts_bits)) {
        return (size_t)value;
    }
    unsigned bits = 63u - (unsigned)__builtin_clzll(value);
    size_t part = (size_t)(value >> (bits - parts_bits)) & ((1u << parts_bits) - 1u);
    return (size_t)exact(parts_bits) + ((size_t)(bits - parts_bits - 1u) << parts_bits) + part;
}

uint64_t tmx_scale_from(unsigned parts_bits, size_t bucket)
{
    if (bucket < exact(parts_bits)) {
        return bucket;
    }
    size_t above = bucket - (size_t)exact(parts_bits), part = above & ((1u << parts_bits) - 1u);
    return (uint64_t)((1u << parts_bits) + part) << ((above >> parts_bits) + 1u);
}

uint64_t tmx_histogram_from_ms(size_t bucket)
{
    assert(bucket <= TMX_HISTOGRAM_BUCKETS);
    return tmx_scale_from(PARTS_BITS, bucket);
}

void tmx_histogram_add(struct tmx_histogram *h, uint64_t ms)
{
    size_t bucket = tmx_scale_bucket(PARTS_BITS, ms);
    h->n[bucket < TMX_HISTOGRAM_BUCKETS ? bucket : TMX_HISTOGRAM_BUCKETS - 1u]++;
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
