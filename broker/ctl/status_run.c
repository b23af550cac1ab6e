/* SPDX-License-Identifier: Apache-2.0
 * status, once: of the daemon, or the one it left behind.
 */
#include <stdio.h>
#include <string.h>

#include <tmx/clock.h>

#include "screen.h"
#include "watch.h"

int health_code(const json_t *reply)
{
    const char *health = text_of(reply, "health");
    return strcmp(health, "ok") == 0         ? EXIT_OK
           : strcmp(health, "warning") == 0  ? EXIT_WARNING
           : strcmp(health, "critical") == 0 ? EXIT_CRITICAL
                                             : EXIT_UNKNOWN;
}

/* The status the daemon last wrote, when it cannot be asked. */
static int show_snapshot(const struct daemon_at *at, bool json, FILE *why)
{
    json_t *s = ask_snapshot(at);
    if (s == NULL) {
        return EXIT_UNKNOWN;
    }
    uint64_t now_ms = tmx_clock_wall_ms(), at_ms = u64_of(s, "at_ms");
    bool good = true;
    if (json) {
        json_object_set_new(s, "stale", json_true());
        print_json(s);
    } else {
        printf("%s: as of %s UTC, %s ago\n", painted("STALE"), time_of(s, "at_ms"), duration_text(now_ms > at_ms ? now_ms - at_ms : 0));
        good = show_status(s);
    }
    json_decref(s);
    return good ? EXIT_UNKNOWN : screen_broken(why, at->kind);
}

int status_run(const struct daemon_at *at, bool json, FILE *why)
{
    static const char *const status[] = { "status" };
    json_t *s = NULL;
    int r = ask_daemon(at, status, 1, TMX_BYTES_NULL, ASK_STATUS_MS, &s);
    if (r < 0) {
        ask_why(why, at, r);
        return show_snapshot(at, json, why);
    }
    int code = health_code(s);
    if (json) {
        print_json(s);
    }
    if (json_object_get(s, "error") != NULL) {
        bool named = json_object_get(s, "code") != NULL;
        fprintf(why, "tmxctl: the %s says: %s%s%s%s\n", at->kind, text_of(s, "error"), named ? " (" : "",
                named ? text_of(s, "code") : "", named ? ")" : "");
        code = EXIT_UNKNOWN;
    } else if (!json && !show_status(s)) {
        code = screen_broken(why, at->kind);
    }
    json_decref(s);
    return code;
}
