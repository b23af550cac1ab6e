/* SPDX-License-Identifier: Apache-2.0
 * Contract: ping.h.
 */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include <tmx/clock.h>

#include "ping.h"
#include "screen.h"
#include "timeline.h"

#define POLL_MS 50
#define TIMEOUT_MS 10000u
enum { EXIT_DONE, EXIT_CRITICAL = 2, EXIT_UNKNOWN };

bool show_ping(const json_t *reply)
{
    return fits(reply, "{ss ss}", "member", "id");
}

static const json_t *line_of(const json_t *found, const char *what)
{
    size_t i;
    json_t *line;
    json_array_foreach(json_object_get(found, "timeline"), i, line)
    {
        if (strcmp(text_of(line, "what"), what) == 0) {
            return line;
        }
    }
    return NULL;
}

/* From one time to another, each of its own clock: two clocks may make it negative. */
static void hop(json_t *hops, const char *name, const json_t *from, const char *from_key, const json_t *to, const char *to_key)
{
    if (from != NULL && to != NULL && json_object_get(from, from_key) != NULL && json_object_get(to, to_key) != NULL) {
        json_int_t ms = (json_int_t)u64_of(to, to_key) - (json_int_t)u64_of(from, from_key);
        json_array_append_new(hops, json_pack("{ss sI}", "hop", name, "ms", ms));
    }
}

static void hops_add(json_t *found, uint64_t took_ms)
{
    json_t *hops = json_array();
    const json_t *accepted = line_of(found, "accepted"), *arrived = line_of(found, "arrived"), *delivered = line_of(found, "delivered");
    hop(hops, "to the broker, by both clocks", accepted, "signed_at_ms", accepted, "at_ms");
    hop(hops, "to its node, by both clocks", accepted, "at_ms", arrived, "signed_at_ms");
    hop(hops, "to its node and back, by the broker's clock", accepted, "at_ms", arrived, "at_ms");
    hop(hops, "the answer, by the broker's clock", arrived, "at_ms", delivered, "at_ms");
    json_object_set_new(found, "hops", hops);
    json_object_set_new(found, "took_ms", json_integer((json_int_t)took_ms));
}

static void show(const json_t *reply, const json_t *found)
{
    size_t i;
    json_t *h;
    printf("probe %s to %s", text_of(reply, "id"), text_of(reply, "member"));
    show_timeline(found);
    json_array_foreach(json_object_get(found, "hops"), i, h)
    {
        printf("%8jd ms  %s\n", (intmax_t)json_integer_value(json_object_get(h, "ms")), text_of(h, "hop"));
    }
    if (json_object_get(found, "took_ms") != NULL) {
        printf("%8s ms  there and back, as seen here\n", number_of(found, "took_ms"));
    }
}

int ping_follow(const json_t *reply, const char *socket, const char *authority, uint64_t wait_ms, bool json)
{
    const char *id = json_string_value(json_object_get(reply, "id"));
    const uint64_t started_ms = tmx_clock_mono_ms();
    json_t *found = NULL;
    uint64_t took_ms;
    bool answered;
    if (id == NULL) {
        return EXIT_UNKNOWN;
    }
    do {
        json_decref(found);
        (void)poll(NULL, 0, POLL_MS);
        found = json_pack("{ss}", "id", id);
        timeline_add(found, socket, id, authority, TIMEOUT_MS);
        took_ms = tmx_clock_mono_ms() - started_ms;
        answered = line_of(found, "delivered") != NULL;
    } while (!answered && timeline_verified(found) && took_ms < wait_ms);
    bool good = answered && timeline_verified(found);
    if (good) {
        hops_add(found, took_ms);
    }
    if (json) {
        (void)json_dumpf(found, stdout, JSON_INDENT(2));
        printf("\n");
    } else {
        show(reply, found);
    }
    if (!answered) {
        fprintf(stderr, "tmxctl: no answer in %ju s: tmxctl why %s\n", (uintmax_t)(wait_ms / 1000), id);
    }
    json_decref(found);
    return good ? EXIT_DONE : EXIT_CRITICAL;
}
