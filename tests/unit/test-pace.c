/* SPDX-License-Identifier: Apache-2.0
 * What operators are told of a daemon's last hours: the members of status, and the document of history. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <tmx/answer.h>

static const struct tmx_answer_series names = {
    .counters = { "accepted", "refused" },
    .levels = { "spool_bytes" },
    .latencies = { "arrived_ms" },
};

struct daemon {
    struct tmx_series *series;
    struct tmx_sample now;
};

/* So many seconds, and in each `accepted` messages that took `ms` each. */
static void run(struct daemon *d, uint64_t seconds, uint64_t accepted, uint64_t ms, uint64_t bytes)
{
    for (uint64_t i = 0; i < seconds; i++) {
        d->now.at_ms += 1000;
        d->now.counters[0] += accepted;
        d->now.levels[0] += bytes;
        for (uint64_t k = 0; k < accepted; k++) {
            tmx_histogram_add(&d->now.latencies[0], ms);
        }
        tmx_series_take(d->series, &d->now);
    }
}

static struct daemon started(void)
{
    struct daemon d = { .now = { .at_ms = 120000, .levels = { 1000000 } } };
    assert_int_equal(tmx_series_new(&d.series), 0);
    tmx_series_take(d.series, &d.now);
    return d;
}

static json_t *status_of(const struct daemon *d, uint64_t capacity)
{
    json_t *status = json_pack("{s{sI sI}}", "spool", "used_bytes", (json_int_t)d->now.levels[0], "capacity_bytes",
                               (json_int_t)capacity);
    tmx_answer_pace(status, d->series, &names);
    return status;
}

static double real_at(const json_t *status, const char *counter, size_t i)
{
    return json_real_value(json_array_get(json_object_get(json_object_get(status, "rates"), counter), i));
}

static json_t *latency_at(const json_t *status, const char *which, size_t i)
{
    return json_array_get(json_object_get(json_object_get(json_object_get(status, "latency"), "arrived_ms"), which), i);
}

static void rates_and_latencies_are_pairs(void **state)
{
    struct daemon d = started();
    json_t *s = status_of(&d, 2000000);
    assert_true(json_is_null(json_array_get(json_object_get(json_object_get(s, "rates"), "accepted"), 0)));
    assert_true(json_is_null(latency_at(s, "p50", 0)));
    json_decref(s);
    run(&d, 1200, 3, 5, 0);
    run(&d, 120, 12, 7, 0);
    s = status_of(&d, 2000000);
    assert_true(real_at(s, "accepted", 0) > 11.9 && real_at(s, "accepted", 0) < 12.1);
    assert_true(real_at(s, "accepted", 1) > 4.1 && real_at(s, "accepted", 1) < 4.3);   /* (120 * 12 + 780 * 3) / 900 */
    assert_true(real_at(s, "refused", 0) == 0.0);
    assert_int_equal(json_integer_value(latency_at(s, "p50", 0)), 7);
    assert_int_equal(json_integer_value(latency_at(s, "p50", 1)), 5);
    assert_int_equal(json_integer_value(latency_at(s, "p99", 1)), 7);
    json_decref(s);
    run(&d, 120, 0, 0, 0);   /* silence */
    s = status_of(&d, 2000000);
    assert_true(json_is_null(latency_at(s, "p99", 0)));
    assert_false(json_is_null(latency_at(s, "p99", 1)));
    json_decref(s);
    d.series = tmx_series_free(d.series);
}

static void a_spool_that_fills_says_until_when(void **state)
{
    struct daemon d = started();
    run(&d, 900, 0, 0, 1000);
    json_t *s = status_of(&d, 1900000 + 3600 * 1000);
    int64_t full = json_integer_value(json_object_get(json_object_get(s, "spool"), "full_in_ms"));
    assert_in_range(full, 3590000, 3610000);
    json_decref(s);
    s = status_of(&d, UINT64_C(1) << 50);   /* in a hundred years: no forecast */
    assert_null(json_object_get(json_object_get(s, "spool"), "full_in_ms"));
    json_decref(s);
    run(&d, 1000, 0, 0, 0);
    s = status_of(&d, 1900000 + 3600 * 1000);
    assert_null(json_object_get(json_object_get(s, "spool"), "full_in_ms"));
    json_decref(s);
    d.series = tmx_series_free(d.series);
}

static json_t *history(const struct daemon *d, size_t n_words, const char *word)
{
    const struct tmx_control_request r = { .n_words = n_words, .words = { "history", word } };
    return tmx_answer_history(d->series, &names, &r, 1790000000000);
}

static const json_t *list_of(const json_t *h, const char *group, const char *name)
{
    return json_object_get(json_object_get(h, group), name);
}

static void history_has_a_point_for_each_minute(void **state)
{
    struct daemon d = started();
    json_t *h = history(&d, 1, NULL);
    assert_int_equal(json_array_size(list_of(h, "counters", "accepted")), 0);
    assert_int_equal(json_array_size(json_object_get(h, "ago_ms")), 0);
    json_decref(h);
    run(&d, 60, 2, 6, 10);
    run(&d, 60, 0, 0, 10);
    run(&d, 30, 5, 6, 10);
    h = history(&d, 1, NULL);
    assert_int_equal(json_integer_value(json_object_get(h, "document")), 1);
    assert_int_equal(json_integer_value(json_object_get(h, "step_ms")), 60000);
    const json_t *accepted = list_of(h, "counters", "accepted"), *bytes = list_of(h, "levels", "spool_bytes");
    const json_t *p99 = json_object_get(list_of(h, "latency", "arrived_ms"), "p99");
    assert_int_equal(json_array_size(accepted), 2);
    assert_int_equal(json_integer_value(json_array_get(accepted, 0)), 120);
    assert_int_equal(json_integer_value(json_array_get(accepted, 1)), 0);
    assert_int_equal(json_integer_value(json_array_get(bytes, 1)), 1001200);
    assert_int_equal(json_integer_value(json_array_get(p99, 0)), 6);
    assert_true(json_is_null(json_array_get(p99, 1)));
    assert_int_equal(json_integer_value(json_array_get(json_object_get(h, "ago_ms"), 1)), 30000);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(h, "length_ms"), 1)), 60000);
    json_decref(h);
    h = history(&d, 2, "recent");
    assert_int_equal(json_integer_value(json_object_get(h, "step_ms")), 10000);
    assert_int_equal(json_array_size(list_of(h, "counters", "refused")), 15);
    json_decref(h);
    h = history(&d, 2, "ever");
    assert_non_null(json_object_get(h, "error"));
    json_decref(h);
    d.series = tmx_series_free(d.series);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates_and_latencies_are_pairs),
        cmocka_unit_test(a_spool_that_fills_says_until_when),
        cmocka_unit_test(history_has_a_point_for_each_minute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
