/* SPDX-License-Identifier: Apache-2.0
 * How old what waits is, counted as it comes and goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <tmx/ages.h>

#define START_MS 1790000000000ull
#define MINUTE_MS 60000ull
#define HOUR_MS 3600000ull

static void add(struct tmx_ages *a, uint64_t from_ms, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(tmx_ages_add(a, from_ms), 0);
    }
}

static struct tmx_ages_view look(const struct tmx_ages *a, uint64_t now_ms)
{
    struct tmx_ages_view v;
    tmx_ages_look(a, now_ms, 20 * MINUTE_MS, &v);
    return v;
}

static void what_waits_moves_from_bucket_to_bucket(void **state)
{
    static const struct {
        uint64_t ms;
        size_t bucket;
    } then[] = { { 0, 0 }, { 45000, 0 }, { 60000, 1 }, { 285000, 1 }, { 300000, 2 }, { 1200000, 3 }, { HOUR_MS, 4 },
                 { 4 * HOUR_MS, 5 }, { 24 * HOUR_MS - 15000, 5 }, { 24 * HOUR_MS, 6 }, { 1000 * HOUR_MS, 6 } };
    struct tmx_ages a = { 0 };
    add(&a, START_MS, 3);
    for (size_t i = 0; i < TMX_N(then); i++) {
        struct tmx_ages_view v = look(&a, START_MS + then[i].ms);
        for (size_t b = 0; b < TMX_AGES_BUCKETS; b++) {
            assert_int_equal(v.buckets[b], b == then[i].bucket ? 3 : 0);
        }
        assert_int_equal(v.late, then[i].ms > 20 * MINUTE_MS ? 3 : 0);
    }
    tmx_ages_free(&a);
}

static void nothing_is_lost_when_a_day_went_by(void **state)
{
    struct tmx_ages a = { 0 };
    add(&a, START_MS, 2);
    add(&a, START_MS + 20 * HOUR_MS, 5);
    add(&a, START_MS + 30 * HOUR_MS, 1);
    struct tmx_ages_view v = look(&a, START_MS + 30 * HOUR_MS);
    assert_int_equal(v.buckets[6], 2);
    assert_int_equal(v.buckets[5], 5);
    assert_int_equal(v.buckets[0], 1);
    tmx_ages_remove(&a, START_MS);
    tmx_ages_remove(&a, START_MS + 20 * HOUR_MS);
    add(&a, START_MS + 1000 * HOUR_MS, 1);
    tmx_ages_remove(&a, START_MS);
    v = look(&a, START_MS + 1000 * HOUR_MS);
    assert_int_equal(v.buckets[6], 5);
    assert_int_equal(v.buckets[0], 1);
    assert_int_equal(v.late, 5);
    tmx_ages_free(&a);
}

/* Of what waited when the process began, the order is any. */
static void what_came_long_ago_may_be_told_later(void **state)
{
    struct tmx_ages a = { 0 };
    add(&a, START_MS, 1);
    add(&a, START_MS - 2 * HOUR_MS, 1);
    add(&a, START_MS - 48 * HOUR_MS, 1);
    add(&a, 0, 1);
    struct tmx_ages_view v = look(&a, START_MS);
    assert_int_equal(v.buckets[0], 1);
    assert_int_equal(v.buckets[4], 1);
    assert_int_equal(v.buckets[6], 2);
    tmx_ages_remove(&a, 0);
    tmx_ages_remove(&a, START_MS - 2 * HOUR_MS);
    v = look(&a, START_MS - HOUR_MS);   /* the clock went back */
    assert_int_equal(v.buckets[0], 1);
    assert_int_equal(v.buckets[6], 1);
    tmx_ages_free(&a);
    v = look(&a, START_MS);
    assert_int_equal(v.buckets[0] + v.late, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_waits_moves_from_bucket_to_bucket),
        cmocka_unit_test(nothing_is_lost_when_a_day_went_by),
        cmocka_unit_test(what_came_long_ago_may_be_told_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
