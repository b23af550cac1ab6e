/* SPDX-License-Identifier: Apache-2.0
 * How fast and how long: the pairs of a status (1 min | 15 min), and sparklines of the last quarter of an hour.
 */
#include <stdio.h>
#include <string.h>

#include <tmx/err.h>

#include "screen.h"

static const char *const order[] = { "submitted", "accepted", "arrived", "delivered", "received", "ended", "refused", "expired" };

static double real_at(const json_t *pair, size_t i)
{
    return json_number_value(json_array_get(pair, i));
}

static void rate_text(double rate, char text[24])
{
    (void)snprintf(text, 24, rate >= 100.0 ? "%.0f" : rate >= 10.0 || rate == 0.0 ? "%.3g" : "%.2g", rate);
}

/* "accepted 12 | 9.8, arrived …": what happens at all, and one of them in any case. */
static void show_rates(const json_t *rates)
{
    char line[512] = "", one[80], now[24], before[24];
    size_t used = 0;
    for (size_t i = 0; i < TMX_N(order); i++) {
        const json_t *pair = json_object_get(rates, order[i]);
        bool idle = real_at(pair, 0) == 0.0 && real_at(pair, 1) == 0.0;
        if (json_array_size(pair) != 2 || (idle && strcmp(order[i], "accepted") != 0)) {
            continue;
        }
        rate_text(real_at(pair, 0), now);
        rate_text(real_at(pair, 1), before);
        int n = snprintf(one, sizeof(one), "%s%s %s | %s", used > 0 ? ", " : "", order[i], now, before);
        memcpy(line + used, one, (size_t)n + 1);
        used += (size_t)n;
    }
    if (used > 0) {
        memcpy(line + used, " a second (1 min | 15 min)", sizeof(" a second (1 min | 15 min)"));
        show_wrapped("pace", "%s", line);
    }
}

static const char *ms_at(const json_t *pair, size_t i)
{
    const json_t *ms = json_array_get(pair, i);
    return json_is_integer(ms) ? duration_text((uint64_t)json_integer_value(ms)) : "-";
}

static void show_latencies(const json_t *latency)
{
    static const char *const names[] = { "accepted_ms", "arrived_ms", "delivered_ms" };
    char line[512] = "", one[120];
    size_t used = 0;
    for (size_t i = 0; i < TMX_N(names); i++) {
        const json_t *l = json_object_get(latency, names[i]), *p50 = json_object_get(l, "p50"), *p99 = json_object_get(l, "p99");
        if (json_array_size(p50) != 2 || json_array_size(p99) != 2 || json_is_null(json_array_get(p50, 1))) {
            continue;
        }
        int n = snprintf(one, sizeof(one), "%s%.*s in %s | %s, 99 %% in %s | %s", used > 0 ? "; " : "",
                         (int)(strlen(names[i]) - 3), names[i], ms_at(p50, 0), ms_at(p50, 1), ms_at(p99, 0), ms_at(p99, 1));
        memcpy(line + used, one, (size_t)n + 1);
        used += (size_t)n;
    }
    if (used > 0) {
        show_wrapped("latency", "%s", line);
    }
}

void show_pace(const json_t *s)
{
    show_rates(json_object_get(s, "rates"));
    show_latencies(json_object_get(s, "latency"));
}

/* ---- sparklines ---- */

static const char *const bars[] = { "\u2581", "\u2582", "\u2583", "\u2584", "\u2585", "\u2586", "\u2587", "\u2588" };

/* The last `width` points; what was not measured is a gap, and only nothing at all is the lowest bar. */
static void spark(const json_t *list, size_t width, double *ret_most, double *ret_last)
{
    size_t n = json_array_size(list), from = n > width ? n - width : 0;
    double most = 0.0;
    for (size_t i = from; i < n; i++) {
        double v = json_number_value(json_array_get(list, i));
        most = v > most ? v : most;
    }
    for (size_t i = n; i < width; i++) {
        putchar(' ');
    }
    for (size_t i = from; i < n; i++) {
        const json_t *v = json_array_get(list, i);
        double level = most > 0.0 ? json_number_value(v) / most * (double)(TMX_N(bars) - 1) : 0.0;
        size_t bar = json_number_value(v) > 0.0 && level < 1.0 ? 1 : (size_t)(level + 0.5);
        printf("%s", json_is_null(v) ? " " : bars[bar]);
    }
    *ret_most = most;
    *ret_last = n > 0 ? json_number_value(json_array_get(list, n - 1)) : 0.0;
}

static void spark_rate(const json_t *h, const char *name, size_t width)
{
    const json_t *list = json_object_get(json_object_get(h, "counters"), name);
    double most, last, seconds = (double)u64_of(h, "step_ms") / 1000.0;
    char now[24], top[24];
    if (!json_is_array(list)) {
        return;
    }
    printf("%-11s", name);
    spark(list, width, &most, &last);
    rate_text(last / seconds, now);
    rate_text(most / seconds, top);
    printf(" %s /s, most %s\n", now, top);
}

static void spark_duration(const json_t *h, const char *name, const char *title, size_t width)
{
    const json_t *list = json_object_get(json_object_get(json_object_get(h, "latency"), name), "p99");
    double most, last;
    if (!json_is_array(list)) {
        return;
    }
    printf("%-11s", title);
    spark(list, width, &most, &last);
    printf(" %s, most %s\n", duration_text((uint64_t)last), duration_text((uint64_t)most));
}

bool show_sparklines(const json_t *h)
{
    if (!fits(h, "{sI so so}", "step_ms", "counters", "latency")) {
        return false;
    }
    unsigned columns = screen_width() == 0 ? SCREEN_WIDE : screen_width();
    size_t width = columns > 11 + 26 + 90 ? 90 : columns > 11 + 26 + 8 ? columns - 11 - 26 : 8;
    spark_rate(h, "submitted", width);
    spark_rate(h, "accepted", width);
    spark_rate(h, "delivered", width);
    spark_duration(h, "delivered_ms", "99 % in", width);
    return true;
}
