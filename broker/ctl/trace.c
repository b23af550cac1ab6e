/* SPDX-License-Identifier: Apache-2.0
 * Contract: trace.h.
 */
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <tmx/control.h>
#include <tmx/text.h>

#include "screen.h"
#include "trace.h"

#define POLL_MS 200
enum { EXIT_DONE, EXIT_SAID_NO, EXIT_UNKNOWN = 3 };

static volatile sig_atomic_t interrupted;

static void interrupt(int signal)
{
    (void)signal;
    interrupted = 1;
}

static bool is_for(const json_t *event, const char *member)
{
    size_t i;
    json_t *to;
    json_array_foreach(json_object_get(event, "to"), i, to)
    {
        if (json_is_string(to) && strcmp(json_string_value(to), member) == 0) {
            return true;
        }
    }
    return strcmp(text_of(event, "from"), member) == 0;
}

static bool wanted(const struct trace *t, const json_t *event)
{
    return (t->member == NULL || is_for(event, t->member)) && (t->type == NULL || strcmp(text_of(event, "type"), t->type) == 0) &&
           (t->outcome == NULL || strcmp(text_of(event, "what"), t->outcome) == 0);
}

static void show_event(const json_t *event)
{
    size_t i;
    json_t *to;
    printf("%s %8s  %-11s", time_of(event, "at_ms"), number_of(event, "index"), text_of(event, "what"));
    if (json_object_get(event, "id") != NULL) {
        printf(" %s %s", text_of(event, "id"), text_of(event, "type"));
    }
    if (json_object_get(event, "from") != NULL) {
        printf(" %s", text_of(event, "from"));
    }
    json_array_foreach(json_object_get(event, "to"), i, to)
    {
        char name[64];
        tmx_printable(json_is_string(to) ? tmx_bytes_str(json_string_value(to)) : TMX_BYTES_NULL, name, sizeof(name));
        printf("%s%s", i == 0 ? " -> " : ", ", name);
    }
    if (json_object_get(event, "code") != NULL) {
        printf(": %s", text_of(event, "code"));
    }
    printf("\n");
}

static bool trace_fits(const json_t *reply)
{
    return fits(reply, "{sI}", "next") && rows_fit(reply, "events", "{sI sI ss}", "index", "at_ms", "what");
}

bool show_trace(const json_t *reply)
{
    size_t i;
    json_t *event;
    if (!trace_fits(reply)) {
        return false;
    }
    json_array_foreach(json_object_get(reply, "events"), i, event)
    {
        show_event(event);
    }
    return true;
}

/* What is wanted of one answer; *left counts down. False: that is all. */
static bool show_some(const struct trace *t, const json_t *reply, uint64_t *left)
{
    size_t i;
    json_t *event;
    json_array_foreach(json_object_get(reply, "events"), i, event)
    {
        if (!wanted(t, event)) {
            continue;
        }
        if (t->json) {
            (void)json_dumpf(event, stdout, JSON_COMPACT);
            printf("\n");
        } else {
            show_event(event);
        }
        if (t->count != 0 && --*left == 0) {
            return false;
        }
    }
    return fflush(stdout) == 0;   /* whoever reads it may have gone */
}

static int complain(const struct trace *t, const json_t *reply, int error)
{
    if (error < 0) {
        fprintf(stderr, "tmxctl: the %s does not answer: %s\n", t->kind, strerror(-error));
        return EXIT_UNKNOWN;
    }
    if (json_object_get(reply, "error") != NULL) {
        fprintf(stderr, "tmxctl: the %s says: %s\n", t->kind, text_of(reply, "error"));
        return EXIT_SAID_NO;
    }
    fprintf(stderr, "tmxctl: the answer is incomplete: %s\n", screen_fault());
    return EXIT_UNKNOWN;
}

int trace_run(const struct trace *t, const char *socket, uint64_t timeout_ms)
{
    char from[24];
    const char *words[] = { "trace", t->from };
    size_t n = t->from == NULL ? 1 : 2;
    uint64_t left = t->count;
    const struct sigaction on_interrupt = { .sa_handler = interrupt };   /* no SA_RESTART: the wait below ends */
    (void)sigaction(SIGINT, &on_interrupt, NULL);
    (void)sigaction(SIGTERM, &on_interrupt, NULL);
    while (!interrupted) {
        json_t *reply = NULL;
        int r = tmx_control_call(socket, words, n, TMX_BYTES_NULL, timeout_ms, &reply);
        if (r < 0 || !trace_fits(reply)) {
            int code = interrupted ? EXIT_DONE : complain(t, reply, r);
            json_decref(reply);
            return code;
        }
        size_t came = json_array_size(json_object_get(reply, "events"));
        bool more = show_some(t, reply, &left);
        (void)snprintf(from, sizeof(from), "%" PRIu64, u64_of(reply, "next"));
        json_decref(reply);
        words[1] = from;
        n = 2;
        if (!more) {
            return EXIT_DONE;
        }
        if (came == 0) {
            (void)poll(NULL, 0, POLL_MS);
        }
    }
    return EXIT_DONE;
}
