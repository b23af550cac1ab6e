/* SPDX-License-Identifier: Apache-2.0
 * What a daemon remembers of its last hours: rates and latencies over windows, and how long it remembers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <tmx/series.h>

static void every_time_falls_into_the_bucket_that_names_it(void **state)
{
    assert_int_equal(tmx_histogram_from_ms(0), 0);
    assert_int_equal(tmx_histogram_from_ms(8), 8);
    assert_int_equal(tmx_histogram_from_ms(9), 10);
    for (size_t i = 0; i < TMX_HISTOGRAM_BUCKETS; i++) {
        uint64_t from = tmx_histogram_from_ms(i), end = tmx_histogram_from_ms(i + 1);
        assert_true(from < end && (end - from) * 4 <= (from < 4 ? 4 : from));
        struct tmx_histogram h = { .count = 0 };
        tmx_histogram_add(&h, from);
        tmx_histogram_add(&h, end - 1);
        assert_int_equal(h.n[i], 2);
    }
    struct tmx_histogram h = { .count = 0 };
    tmx_histogram_add(&h, UINT64_MAX / 2);
    assert_int_equal(h.n[TMX_HISTOGRAM_BUCKETS - 1], 1);
    assert_true(tmx_histogram_from_ms(TMX_HISTOGRAM_BUCKETS - 1) > 31 * 3600000ull);
}

static void a_quantile_is_off_by_a_quarter_at_the_most(void **state)
{
    struct tmx_histogram h = { .count = 0 };
    uint64_t ms = 7;
    assert_false(tmx_histogram_quantile(&h, NULL, 500, &ms));
    for (uint64_t i = 1; i <= 1000; i++) {
        tmx_histogram_add(&h, i);
    }
    assert_true(tmx_histogram_quantile(&h, NULL, 500, &ms));
    assert_in_range(ms, 400, 625);
    assert_true(tmx_histogram_quantile(&h, NULL, 990, &ms));
    assert_in_range(ms, 792, 1237);
    assert_true(tmx_histogram_quantile(&h, NULL, 1, &ms));
    assert_int_equal(ms, 1);
    assert_int_equal(h.count, 1000);
    assert_int_equal(h.sum_ms, 500500);
    struct tmx_histogram one = { .count = 0 };
    tmx_histogram_add(&one, 3);
    assert_true(tmx_histogram_quantile(&one, NULL, 990, &ms));
    assert_int_equal(ms, 3);
}

static void a_quantile_is_of_those_since_then(void **state)
{
    struct tmx_histogram h = { .count = 0 };
    uint64_t ms;
    tmx_histogram_add(&h, 100000);
    struct tmx_histogram then = h;
    assert_false(tmx_histogram_quantile(&h, &then, 500, &ms));
    tmx_histogram_add(&h, 5);
    assert_true(tmx_histogram_quantile(&h, &then, 990, &ms));
    assert_int_equal(ms, 5);
}

/* A sample a second, the first counter one more each time. */
static void seconds(struct tmx_series *s, uint64_t from_ms, uint64_t n)
{
    const struct tmx_sample *last = tmx_series_last(s);
    uint64_t count = last != NULL ? last->counters[0] : 0;
    for (uint64_t i = 0; i < n; i++) {
        struct tmx_sample now = { .at_ms = from_ms + i * 1000, .counters = { ++count } };
        tmx_series_take(s, &now);
    }
}

static uint64_t since(const struct tmx_series *s, uint64_t ms)
{
    const struct tmx_sample *then = tmx_series_ago(s, ms), *now = tmx_series_last(s);
    assert_non_null(then);
    assert_int_equal((now->at_ms - then->at_ms) / 1000, now->counters[0] - then->counters[0]);
    return now->at_ms - then->at_ms;
}

static void looks_back_a_minute_and_a_quarter_of_an_hour(void **state)
{
    struct tmx_series *s;
    assert_int_equal(tmx_series_new(&s), 0);
    assert_null(tmx_series_last(s));
    assert_null(tmx_series_ago(s, 60000));
    seconds(s, 1003000, 31);
    assert_int_equal(since(s, 60000), 30000);   /* as long as there is */
    seconds(s, 1034000, 3600);
    for (uint64_t i = 0; i < 20; i++) {
        assert_in_range(since(s, 60000), 60000, 69999);
        assert_in_range(since(s, 900000), 900000, 909999);
        seconds(s, 4634000 + i * 1000, 1);
    }
    s = tmx_series_free(s);
}

static void keeps_the_first_of_each_minute_for_six_hours(void **state)
{
    struct tmx_series *s;
    assert_int_equal(tmx_series_new(&s), 0);
    seconds(s, 120500, 150);
    assert_int_equal(tmx_series_count(s, TMX_SERIES_MINUTES), 3);
    assert_int_equal(tmx_series_at(s, TMX_SERIES_MINUTES, 0)->at_ms, 120500);
    assert_int_equal(tmx_series_at(s, TMX_SERIES_MINUTES, 1)->at_ms, 180500);
    assert_int_equal(tmx_series_at(s, TMX_SERIES_MINUTES, 2)->at_ms, 240500);
    seconds(s, 270500, 8 * 3600);
    size_t n = tmx_series_count(s, TMX_SERIES_MINUTES);
    assert_int_equal(n, 361);
    for (size_t i = 0; i < n; i++) {
        const struct tmx_sample *at = tmx_series_at(s, TMX_SERIES_MINUTES, i);
        assert_int_equal(at->at_ms % tmx_series_step_ms(TMX_SERIES_MINUTES), 500);
        assert_int_equal(at->at_ms, tmx_series_at(s, TMX_SERIES_MINUTES, 0)->at_ms + i * 60000);
    }
    assert_true(tmx_series_last(s)->at_ms - tmx_series_at(s, TMX_SERIES_MINUTES, n - 1)->at_ms < 60000);
    s = tmx_series_free(s);
}

/* One that was stopped for a while has fewer; none is made up. */
static void a_gap_stays_one(void **state)
{
    struct tmx_series *s;
    assert_int_equal(tmx_series_new(&s), 0);
    seconds(s, 60000, 1);
    seconds(s, 600000, 1);
    assert_int_equal(tmx_series_count(s, TMX_SERIES_MINUTES), 2);
    const struct tmx_sample *now = tmx_series_last(s), *then = tmx_series_ago(s, 60000);
    assert_int_equal(now->at_ms - then->at_ms, 540000);
    s = tmx_series_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_time_falls_into_the_bucket_that_names_it),
        cmocka_unit_test(a_quantile_is_off_by_a_quarter_at_the_most),
        cmocka_unit_test(a_quantile_is_of_those_since_then),
        cmocka_unit_test(looks_back_a_minute_and_a_quarter_of_an_hour),
        cmocka_unit_test(keeps_the_first_of_each_minute_for_six_hours),
        cmocka_unit_test(a_gap_stays_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
