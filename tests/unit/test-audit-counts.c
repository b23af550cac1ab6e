/* SPDX-License-Identifier: Apache-2.0
 * What the auditor counts in: the table, durations on a logarithmic scale, intervals of time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "../../broker/audit/latency.h"
#include "../../broker/audit/table.h"
#include "../../broker/audit/timeline.h"

#define MINUTE_MS 60000ull
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)
#define START_MS (20720ull * DAY_MS) /* 2026-09-24 */

static uint64_t seed;

/* xorshift64*: numbers that look like chance. */
static uint64_t chance(uint64_t below)
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return (seed * 2685821657736338717ull >> 33) % below;
}

/* --- table ---------------------------------------------------------------------------------------------------- */

#define KEYS 500u

static struct tmx_audit_key key_of(size_t i)
{
    struct tmx_audit_key key = { { (uint8_t)i, (uint8_t)(i >> 8) } };

    return key;
}

static void expect_keys(const struct tmx_audit_table *t, const uint64_t *values)
{
    const struct tmx_audit_key *key;
    size_t at = 0;
    size_t seen = 0;
    void *value;

    for (size_t i = 0; i < KEYS; i++) {
        const struct tmx_audit_key wanted = key_of(i);
        const uint64_t *found = tmx_audit_table_get(t, &wanted);

        assert_true(values[i] == 0 ? found == NULL : found != NULL && *found == values[i]);
        seen += values[i] != 0;
    }
    assert_int_equal(t->n, seen);
    while (tmx_audit_table_next(t, &at, &key, &value)) {
        seen--;
    }
    assert_int_equal(seen, 0);
}

/* What is put and removed in any order is what is there. */
static void test_table(void **state)
{
    static uint64_t values[KEYS];
    static const uint8_t hash_key[16] = { 7 };
    struct tmx_audit_table t;

    seed = 1;
    tmx_audit_table_init(&t, sizeof(uint64_t), hash_key);
    tmx_audit_table_remove(&t, &(struct tmx_audit_key){ { 1 } });
    for (uint64_t step = 1; step <= 40000; step++) {
        /* Few at first, so that chains of slots come together and go round the end. */
        const size_t i = (size_t)chance(step < 20000 ? 60 : KEYS);
        const struct tmx_audit_key key = key_of(i);
        void *value;
        bool new;

        if (chance(2) == 0) {
            tmx_audit_table_remove(&t, &key);
            values[i] = 0;
        } else {
            assert_int_equal(tmx_audit_table_put(&t, &key, &value, &new), 0);
            assert_int_equal(new, values[i] == 0);
            assert_true(!new || *(uint64_t *)value == 0);
            *(uint64_t *)value = values[i] = step;
        }
        if (step % 50 == 0) {
            expect_keys(&t, values);
        }
    }
    tmx_audit_table_deinit(&t);
}

/* --- durations ------------------------------------------------------------------------------------------------ */

static int compare_numbers(const void *a, const void *b)
{
    const uint64_t left = *(const uint64_t *)a;
    const uint64_t right = *(const uint64_t *)b;

    return (left > right) - (left < right);
}

static void expect_percentile(const uint64_t *sorted, size_t n, const struct tmx_latency *l, unsigned percent)
{
    const uint64_t exact = sorted[(n * percent + 99) / 100 - 1];
    const uint64_t found = tmx_latency_percentile(l, percent);

    assert_true(found >= exact && found <= exact + exact / 16);
}

static void test_percentiles(void **state)
{
    static uint64_t all[1000];

    seed = 2;
    for (size_t n = 1; n <= TMX_N(all); n += 37) {
        struct tmx_latency l = { .n = 0 };

        for (size_t i = 0; i < n; i++) {
            all[i] = chance(1ull << (1 + chance(31)));
            tmx_latency_add(&l, all[i]);
        }
        qsort(all, n, sizeof all[0], compare_numbers);
        for (unsigned percent = 1; percent <= 99; percent += 7) {
            expect_percentile(all, n, &l, percent);
        }
        assert_int_equal(l.max_ms, all[n - 1]);
        assert_int_equal(l.n, n);
    }
}

static void test_percentiles_at_the_ends(void **state)
{
    struct tmx_latency l = { .n = 0 };

    assert_int_equal(tmx_latency_percentile(&l, 50), 0);
    tmx_latency_add(&l, UINT64_MAX);
    assert_true(tmx_latency_percentile(&l, 1) == UINT64_MAX && l.max_ms == UINT64_MAX);
    tmx_latency_add(&l, 0);
    assert_int_equal(tmx_latency_percentile(&l, 50), 0);
    assert_true(tmx_latency_percentile(&l, 51) == UINT64_MAX);
    l.n = l.buckets[0] = UINT64_MAX / 2; /* as many as there can be: nothing overflows */
    assert_int_equal(tmx_latency_percentile(&l, 99), 0);
}

/* A duration belongs to the first class that it does not exceed. */
static void test_classes(void **state)
{
    for (size_t class = 0; class < LATENCY_CLASSES; class++) {
        const uint64_t end = tmx_latency_class_ms(class);
        struct tmx_latency l = { .n = 0 };

        assert_int_equal(end == 0, class + 1 == LATENCY_CLASSES);
        if (end != 0) {
            tmx_latency_add(&l, end);
            assert_int_equal(l.classes[class], 1);
            tmx_latency_add(&l, end + 1);
            assert_int_equal(l.classes[class + 1], 1);
        }
    }
}

static void test_duration_text(void **state)
{
    static const struct {
        uint64_t ms;
        const char *text;
    } cases[] = {
        { 0, "0 ms" },           { 999, "999 ms" },          { 1000, "1 s" },          { 1249, "1.2 s" },
        { 1250, "1.3 s" },       { 59000, "59 s" },          { 60000, "1 min" },       { 90000, "1.5 min" },
        { 1200000, "20 min" },   { HOUR_MS, "1 h" },         { 47 * HOUR_MS, "47 h" }, { 48 * HOUR_MS, "2 d" },
        { 60 * HOUR_MS, "2.5 d" }, { UINT64_MAX, "213503982334.6 d" },
    };

    for (size_t i = 0; i < TMX_N(cases); i++) {
        char text[DURATION_TEXT_SIZE];

        tmx_duration_text(cases[i].ms, text);
        assert_string_equal(text, cases[i].text);
    }
}

/* --- intervals ------------------------------------------------------------------------------------------------ */

static uint64_t count(const struct tmx_timeline *t, enum tmx_fate fate)
{
    uint64_t n = 0;

    for (size_t i = 0; i < TIMELINE_MAX; i++) {
        assert_true(i < t->n || t->fates[i][fate] == 0);
        n += t->fates[i][fate];
    }
    return n;
}

/* However long the log is, nothing is lost, and each is where its time is. */
static void test_timeline(void **state)
{
    static uint64_t times[2000];
    struct tmx_timeline t = { .n = 0 };
    uint64_t now = START_MS + 12345678;

    seed = 3;
    for (size_t i = 0; i < TMX_N(times); i++) {
        uint64_t here = 0;

        now += chance(i < 500 ? 1000 : i < 1500 ? HOUR_MS : 3 * DAY_MS);
        times[i] = now;
        tmx_timeline_accept(&t, now);
        tmx_timeline_end(&t, times[i / 2], i / 2 % 2 == 0 && i % 2 == 0 ? FATE_DELIVERED : FATE_OPEN);
        assert_true(t.n <= TIMELINE_MAX && t.start_ms <= times[0] && t.start_ms + t.n * t.width_ms > now);
        for (size_t j = 0; j <= i; j++) {
            here += times[j] >= t.start_ms + (t.n - 1) * t.width_ms;
        }
        assert_int_equal(t.fates[t.n - 1][FATE_OPEN] + t.fates[t.n - 1][FATE_DELIVERED], here);
        assert_int_equal(count(&t, FATE_OPEN) + count(&t, FATE_DELIVERED), i + 1);
    }
    assert_int_equal(count(&t, FATE_DELIVERED), TMX_N(times) / 4);
}

static void test_widths(void **state)
{
    static const struct {
        uint64_t covered_ms;
        uint64_t width_ms;
    } cases[] = {
        { 71 * MINUTE_MS, MINUTE_MS }, { 72 * MINUTE_MS, 5 * MINUTE_MS }, { 71 * HOUR_MS, HOUR_MS },
        { 72 * HOUR_MS, 3 * HOUR_MS }, { 30 * DAY_MS, DAY_MS },           { 365 * DAY_MS, 7 * DAY_MS },
        { 700 * DAY_MS, 28 * DAY_MS },
    };

    for (size_t i = 0; i < TMX_N(cases); i++) {
        struct tmx_timeline t = { .n = 0 };

        tmx_timeline_reach(&t, START_MS);
        tmx_timeline_reach(&t, START_MS + cases[i].covered_ms);
        assert_int_equal(t.width_ms, cases[i].width_ms);
        assert_true(t.start_ms <= START_MS && t.start_ms + t.width_ms > START_MS);
    }
}

/* Weeks begin on a Monday; a time before the first interval belongs to it; a time can be any number. */
static void test_weeks(void **state)
{
    struct tmx_timeline t = { .n = 0 };

    tmx_timeline_accept(&t, 20720 * DAY_MS + HOUR_MS); /* 2026-09-24, a Thursday */
    tmx_timeline_reach(&t, 20720 * DAY_MS + 200 * DAY_MS);
    assert_int_equal(t.width_ms, 7 * DAY_MS);
    assert_int_equal(t.start_ms, 20717 * DAY_MS); /* 2026-09-21 */
    tmx_timeline_accept(&t, 1);
    assert_int_equal(t.fates[0][FATE_OPEN], 2);
    tmx_timeline_reach(&t, UINT64_MAX);
    assert_int_equal(t.fates[0][FATE_OPEN], 2);
    assert_true(t.n >= 1 && t.n <= TIMELINE_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),      cmocka_unit_test(test_percentiles),
        cmocka_unit_test(test_percentiles_at_the_ends),
        cmocka_unit_test(test_classes),    cmocka_unit_test(test_duration_text),
        cmocka_unit_test(test_timeline),   cmocka_unit_test(test_widths),
        cmocka_unit_test(test_weeks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
