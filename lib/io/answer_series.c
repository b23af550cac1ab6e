/* SPDX-License-Identifier: Apache-2.0
 * What a daemon remembers of its last hours, as JSON: how fast now and over a quarter of an hour, and point by point.
 */
#include <stdio.h>
#include <string.h>

#include <tmx/answer.h>

#define PAIR 2u
static const uint64_t window_ms[PAIR] = { 60000, 900000 };

#define SPOOL_WINDOW_MS 900000u
#define FORECAST_WARNING_MS 86400000u
#define FORECAST_MAX_MS (365ull * 86400000ull)   /* beyond it is no forecast */

/* Per second; null where too little time has passed to tell. */
static json_t *rate(uint64_t now, uint64_t then, uint64_t ms)
{
    return ms < 1000 ? json_null() : json_real((double)(now - then) * 1000.0 / (double)ms);
}

static json_t *quantile(const struct tmx_histogram *now, const struct tmx_histogram *then, unsigned permille)
{
    uint64_t ms;
    return tmx_histogram_quantile(now, then, permille, &ms) ? json_integer((json_int_t)ms) : json_null();
}

/* In how long the spool is full at the pace of the last quarter of an hour; UINT64_MAX: there is no telling. */
static uint64_t full_in_ms(const struct tmx_series *s, uint64_t capacity)
{
    const struct tmx_sample *now = tmx_series_last(s);
    if (now == NULL) {
        return UINT64_MAX;
    }
    const struct tmx_sample *then = tmx_series_ago(s, SPOOL_WINDOW_MS);
    uint64_t used = now->levels[0], ms = now->at_ms - then->at_ms;
    if (ms < window_ms[0] || used <= then->levels[0] || capacity <= used) {
        return UINT64_MAX;
    }
    double left_ms = (double)(capacity - used) / (double)(used - then->levels[0]) * (double)ms;
    return left_ms < (double)FORECAST_MAX_MS ? (uint64_t)left_ms : UINT64_MAX;
}

void tmx_answer_spool_problem(json_t *problems, struct tmx_spool *spool, const struct tmx_series *s)
{
    struct tmx_spool_stat stat = { 0 };
    char text[32];
    (void)!tmx_spool_stat(spool, &stat);   /* a spool that fails fails the turn */
    uint64_t ms = full_in_ms(s, stat.capacity_bytes);
    if (ms < FORECAST_WARNING_MS) {
        (void)snprintf(text, sizeof(text), ms < 7200000 ? "%ju min" : "%ju h", (uintmax_t)(ms / (ms < 7200000 ? 60000 : 3600000)));
        tmx_answer_problem_see(problems, "warning", "tmxctl queue", "the spool is full in %s at the pace of the last 15 minutes",
                               text);
    }
}

void tmx_answer_pace(json_t *status, const struct tmx_series *s, const struct tmx_answer_series *names)
{
    const struct tmx_sample *now = tmx_series_last(s), *then[PAIR];
    json_t *rates = json_object(), *latency = json_object();
    for (size_t w = 0; w < PAIR && now != NULL; w++) {
        then[w] = tmx_series_ago(s, window_ms[w]);
    }
    for (size_t i = 0; i < TMX_SERIES_COUNTERS_MAX && names->counters[i] != NULL && now != NULL; i++) {
        json_t *pair = json_array();
        for (size_t w = 0; w < PAIR; w++) {
            json_array_append_new(pair, rate(now->counters[i], then[w]->counters[i], now->at_ms - then[w]->at_ms));
        }
        json_object_set_new(rates, names->counters[i], pair);
    }
    for (size_t i = 0; i < TMX_SERIES_LATENCIES_MAX && names->latencies[i] != NULL && now != NULL; i++) {
        json_t *p50 = json_array(), *p99 = json_array();
        for (size_t w = 0; w < PAIR; w++) {
            json_array_append_new(p50, quantile(&now->latencies[i], &then[w]->latencies[i], 500));
            json_array_append_new(p99, quantile(&now->latencies[i], &then[w]->latencies[i], 990));
        }
        json_object_set_new(latency, names->latencies[i], json_pack("{so so}", "p50", p50, "p99", p99));
    }
    json_object_set_new(status, "rates", rates);
    json_object_set_new(status, "latency", latency);
    json_t *spool = json_object_get(status, "spool");
    uint64_t ms = full_in_ms(s, (uint64_t)json_integer_value(json_object_get(spool, "capacity_bytes")));
    if (ms != UINT64_MAX) {
        json_object_set_new(spool, "full_in_ms", json_integer((json_int_t)ms));
    }
}

/* The end of each interval, and how long it was. */
static json_t *times(const struct tmx_series *s, enum tmx_series_step step, size_t n, bool lengths)
{
    json_t *list = json_array();
    for (size_t i = 1; i < n; i++) {
        uint64_t at = tmx_series_at(s, step, i)->at_ms;
        uint64_t ms = lengths ? at - tmx_series_at(s, step, i - 1)->at_ms : tmx_series_last(s)->at_ms - at;
        json_array_append_new(list, json_integer((json_int_t)ms));
    }
    return list;
}

static json_t *counts(const struct tmx_series *s, enum tmx_series_step step, size_t n, size_t which)
{
    json_t *list = json_array();
    for (size_t i = 1; i < n; i++) {
        uint64_t more = tmx_series_at(s, step, i)->counters[which] - tmx_series_at(s, step, i - 1)->counters[which];
        json_array_append_new(list, json_integer((json_int_t)more));
    }
    return list;
}

static json_t *levels(const struct tmx_series *s, enum tmx_series_step step, size_t n, size_t which)
{
    json_t *list = json_array();
    for (size_t i = 1; i < n; i++) {
        json_array_append_new(list, json_integer((json_int_t)tmx_series_at(s, step, i)->levels[which]));
    }
    return list;
}

static json_t *quantiles(const struct tmx_series *s, enum tmx_series_step step, size_t n, size_t which, unsigned permille)
{
    json_t *list = json_array();
    for (size_t i = 1; i < n; i++) {
        json_array_append_new(list, quantile(&tmx_series_at(s, step, i)->latencies[which],
                                             &tmx_series_at(s, step, i - 1)->latencies[which], permille));
    }
    return list;
}

json_t *tmx_answer_history(const struct tmx_series *s, const struct tmx_answer_series *names,
                           const struct tmx_control_request *r, uint64_t wall_ms)
{
    bool recent = r->n_words == 2 && strcmp(r->words[1], "recent") == 0;
    if (r->n_words > 1 && !recent) {
        return tmx_answer_refusal("malformed", "history, or history recent");
    }
    enum tmx_series_step step = recent ? TMX_SERIES_SECONDS : TMX_SERIES_MINUTES;
    size_t n = tmx_series_count(s, step);
    json_t *counters = json_object(), *level = json_object(), *latency = json_object();
    for (size_t i = 0; i < TMX_SERIES_COUNTERS_MAX && names->counters[i] != NULL; i++) {
        json_object_set_new(counters, names->counters[i], counts(s, step, n, i));
    }
    for (size_t i = 0; i < TMX_SERIES_LEVELS_MAX && names->levels[i] != NULL; i++) {
        json_object_set_new(level, names->levels[i], levels(s, step, n, i));
    }
    for (size_t i = 0; i < TMX_SERIES_LATENCIES_MAX && names->latencies[i] != NULL; i++) {
        json_object_set_new(latency, names->latencies[i],
                            json_pack("{so so}", "p50", quantiles(s, step, n, i, 500), "p99", quantiles(s, step, n, i, 990)));
    }
    return json_pack("{sI sI sI so so so so so}", "document", (json_int_t)TMX_CONTROL_DOCUMENT, "at_ms", (json_int_t)wall_ms,
                     "step_ms", (json_int_t)tmx_series_step_ms(step), "ago_ms", times(s, step, n, false), "length_ms",
                     times(s, step, n, true), "counters", counters, "levels", level, "latency", latency);
}
