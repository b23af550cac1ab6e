/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include <tmx/ages.h>

static const uint64_t below_ms[TMX_AGES_BUCKETS - 1] = { 60000, 300000, 1200000, 3600000, 14400000, 86400000 };

void tmx_ages_free(struct tmx_ages *a)
{
    free(a->steps);
    *a = (struct tmx_ages){ .newest = 0 };
}

/* Where it is counted: of a step that is a day behind the newest there is no count any more. */
static uint64_t *older_or(struct tmx_ages *a, uint64_t step, uint32_t **ret_count)
{
    bool old = step + TMX_AGES_STEPS <= a->newest;
    *ret_count = old ? NULL : &a->steps[step % TMX_AGES_STEPS];
    return old ? &a->older : NULL;
}

/* The steps up to `step` begin empty: what was counted in their places a day ago is older now. */
static void advance(struct tmx_ages *a, uint64_t step)
{
    uint64_t n = step - a->newest < TMX_AGES_STEPS ? step - a->newest : TMX_AGES_STEPS;
    for (uint64_t i = 0; i < n; i++) {
        uint32_t *count = &a->steps[(step - i) % TMX_AGES_STEPS];
        a->older += *count;
        *count = 0;
    }
    a->newest = step;
}

int tmx_ages_add(struct tmx_ages *a, uint64_t from_ms)
{
    uint64_t step = from_ms / TMX_AGES_STEP_MS;
    if (a->steps == NULL) {
        a->steps = calloc(TMX_AGES_STEPS, sizeof(*a->steps));
        if (a->steps == NULL) {
            return -ENOMEM;
        }
        a->newest = step;
    }
    if (step > a->newest) {
        advance(a, step);
    }
    uint32_t *count;
    uint64_t *older = older_or(a, step, &count);
    if (older != NULL) {
        (*older)++;
    } else {
        assert(*count < UINT32_MAX);
        (*count)++;
    }
    return 0;
}

void tmx_ages_remove(struct tmx_ages *a, uint64_t from_ms)
{
    assert(a->steps != NULL);
    uint32_t *count;
    uint64_t *older = older_or(a, from_ms / TMX_AGES_STEP_MS, &count);
    if (older != NULL) {
        assert(*older > 0);
        (*older)--;
    } else {
        assert(*count > 0);
        (*count)--;
    }
}

static size_t bucket_of(uint64_t age_ms)
{
    size_t i = 0;
    while (i < TMX_AGES_BUCKETS - 1 && age_ms >= below_ms[i]) {
        i++;
    }
    return i;
}

void tmx_ages_look(const struct tmx_ages *a, uint64_t now_ms, uint64_t late_ms, struct tmx_ages_view *ret_view)
{
    struct tmx_ages_view v = { .buckets = { 0 } };
    uint64_t now = now_ms / TMX_AGES_STEP_MS;
    for (uint64_t i = 0; a->steps != NULL && i < TMX_AGES_STEPS && i <= a->newest; i++) {
        uint64_t step = a->newest - i, count = a->steps[step % TMX_AGES_STEPS];
        if (count == 0) {
            continue;   /* most of them */
        }
        uint64_t age_ms = now > step ? (now - step) * TMX_AGES_STEP_MS : 0;
        v.buckets[bucket_of(age_ms)] += count;
        v.late += age_ms > late_ms ? count : 0;
        v.oldest_ms = age_ms;
    }
    v.oldest_ms = a->older > 0 ? (uint64_t)TMX_AGES_STEPS * TMX_AGES_STEP_MS : v.oldest_ms;
    v.buckets[TMX_AGES_BUCKETS - 1] += a->older;
    v.late += a->older;
    *ret_view = v;
}
