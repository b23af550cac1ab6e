/* SPDX-License-Identifier: Apache-2.0
 * The status screen: how it is, what is wrong and what looks deeper, how fast it goes, where messages wait.
 */
#include <stdio.h>
#include <string.h>

#include <tmx/text.h>

#include "screen.h"

static bool status_fits(const json_t *s)
{
    bool broker = strcmp(text_of(s, "role"), "broker") == 0;
    return fits(s, "{ss ss ss sI sI ss so so so so so so}", "role", "federation", "version", "at_ms", "uptime_ms",
                "health", "problems", "log", "spool", "directory", "destinations", "counters") &&
           fits(json_object_get(s, "log"), "{ss sI ss}", "origin", "size", "root") &&
           fits(json_object_get(s, "spool"), "{sI sI sI sI}", "used_bytes", "capacity_bytes", "percent",
                "generation") &&
           fits(json_object_get(s, "directory"), "{sI sI}", "serial", "expires_at_ms") &&
           rows_fit(s, "problems", "{ss ss}", "severity", "text") &&
           rows_fit(s, "destinations", "{ss sI}", "member", "queued") &&
           (!broker || rows_fit(s, "gates", "{ss ss ss sI}", "member", "endpoint", "state", "restarts"));
}

/* The command that looks deeper, as it is typed for this daemon. */
static const char *see_of(const json_t *problem, char text[600])
{
    const char *see = text_of(problem, "see");
    bool own = strncmp(see, "tmxctl ", 7) == 0;
    (void)snprintf(text, 600, "%s%s%s", own ? "tmxctl" : "", own ? screen_where : "", own ? see + 6 : see);
    return text;
}

static void show_head(const json_t *s)
{
    bool node = json_is_string(json_object_get(s, "member"));
    printf("%s%s%s of %s: %s, up %s, version %s\n", text_of(s, "role"), node ? " " : "",
           node ? text_of(s, "member") : "", text_of(s, "federation"), painted(text_of(s, "health")),
           duration_of(s, "uptime_ms"), text_of(s, "version"));
    size_t i;
    json_t *p;
    json_array_foreach(json_object_get(s, "problems"), i, p)
    {
        char line[1200], command[600];
        bool see = json_is_string(json_object_get(p, "see"));
        (void)snprintf(line, sizeof(line), "%s%s%s", text_of(p, "text"), see ? "; see: " : "", see ? see_of(p, command) : "");
        printf("  %s: ", painted(text_of(p, "severity")));
        wrap(4, 4 + strlen(text_of(p, "severity")), line);
    }
    printf("\n");
}

/* ", cosigned 12 s ago" where it is known; empty otherwise. */
static const char *ago_of(const json_t *object, const char *key, const char *before, char text[64])
{
    text[0] = '\0';
    if (json_object_get(object, key) != NULL) {
        (void)snprintf(text, 64, "%s%s ago", before, duration_of(object, key));
    }
    return text;
}

static void show_cosigned(const json_t *log)
{
    const json_t *c = json_object_get(log, "cosigned");
    char ago[64];
    if (c == NULL) {
        return;
    }
    if (u64_of(c, "size") == 0) {
        show_wrapped("", "not cosigned yet by a quorum of its %s witnesses", number_of(c, "witnesses"));
        return;
    }
    bool behind = u64_of(c, "size") < u64_of(log, "size");
    show_wrapped("", "cosigned by %s of %s witnesses%s%s%s", number_of(c, "by"), number_of(c, "witnesses"),
                 ago_of(c, "age_ms", " ", ago), behind ? ", up to entry " : "", behind ? number_of(c, "size") : "");
}

/* A node that has not verified a head yet has none to show. */
static void show_log(const json_t *log)
{
    bool whole = screen_width() == 0 || screen_width() >= SCREEN_MEDIUM;
    bool checkpoint = json_object_get(log, "checkpoint_age_ms") != NULL;
    if (u64_of(log, "size") == 0) {
        printf("log        no head yet\n");
        return;
    }
    show_wrapped("log", "%s, %s entries%s%s%s", text_of(log, "origin"), number_of(log, "size"), checkpoint ? ", checkpoint " : "",
                 checkpoint ? duration_of(log, "checkpoint_age_ms") : "", checkpoint ? " old" : "");
    show_wrapped("", "root %.*s%s", whole ? 64 : 16, text_of(log, "root"), whole ? "" : "...");
    show_cosigned(log);
    const json_t *anchor = json_object_get(log, "anchor");
    if (anchor != NULL) {
        show_wrapped("", "anchored up to entry %s, %s ago", number_of(anchor, "size"), duration_of(anchor, "age_ms"));
    }
}

static void show_link(const json_t *link)
{
    char ago[64];
    bool error = json_object_get(link, "last_error") != NULL;
    if (link != NULL) {
        show_wrapped("link", "%s to %s%s%s%s", painted(text_of(link, "state")), text_of(link, "endpoint"),
                     ago_of(link, "last_seen_ms", ", last heard ", ago), error ? ": " : "", error ? text_of(link, "last_error") : "");
    }
}

static void show_spool(const json_t *spool)
{
    bool full = json_object_get(spool, "full_in_ms") != NULL;
    show_wrapped("spool", "%s of %s (%s %%)%s%s%s, generation %s", bytes_of(spool, "used_bytes"), bytes_of(spool, "capacity_bytes"),
                 number_of(spool, "percent"), full ? ", full in " : "", full ? duration_of(spool, "full_in_ms") : "",
                 full ? " at this pace" : "", number_of(spool, "generation"));
}

/* "in 60 d", "2 h ago" */
static const char *when_text(uint64_t at_ms, uint64_t now_ms, char text[64])
{
    bool over = at_ms <= now_ms;
    (void)snprintf(text, 64, "%s%s%s", over ? "" : "in ", duration_text(over ? now_ms - at_ms : at_ms - now_ms), over ? " ago" : "");
    return text;
}

static void show_expiries(const json_t *s)
{
    const json_t *directory = json_object_get(s, "directory"), *keys = json_object_get(s, "keys");
    uint64_t now_ms = u64_of(s, "at_ms"), expires_ms = u64_of(directory, "expires_at_ms");
    uint64_t until_ms = u64_of(keys, "prekeys_until_at_ms");
    char when[64];
    show_wrapped("directory", "serial %s, %s %s UTC (%s)", number_of(directory, "serial"), expires_ms > now_ms ? "expires" : "expired",
                 time_of(directory, "expires_at_ms"), when_text(expires_ms, now_ms, when));
    if (until_ms != 0) {
        show_wrapped("prekeys", "those of %s end first, %.10s (%s)", text_of(keys, "prekeys_of"), time_of(keys, "prekeys_until_at_ms"),
                     when_text(until_ms, now_ms, when));
    }
}

/* Neither who is late nor how old what waits is, is known before: nobody should take its absence for good news. */
static void show_counted(const json_t *s)
{
    if (json_object_get(s, "counted_percent") != NULL) {
        show_wrapped("ages", "not known yet: after the start %s %% of what is queued are counted", number_of(s, "counted_percent"));
    }
}

static void show_parts(const json_t *s)
{
    const json_t *inbox = json_object_get(s, "inbox");
    show_link(json_object_get(s, "link"));
    show_pace(s);
    show_log(json_object_get(s, "log"));
    show_spool(json_object_get(s, "spool"));
    show_expiries(s);
    if (inbox != NULL) {
        show_wrapped("inbox", "%s offered, %s leased, %s held", number_of(inbox, "offered"), number_of(inbox, "leased"),
                     number_of(inbox, "held"));
    }
    show_counted(s);
}

/* "since start: 12 accepted, 3 refused …", wrapped. */
static void show_counters(const json_t *s)
{
    const json_t *counters = json_object_get(s, "counters");
    const char *key;
    json_t *value;
    size_t column = 0;
    json_object_foreach((json_t *)(uintptr_t)counters, key, value)
    {
        char name[48], text[80];
        if (!json_is_integer(value)) {
            continue;
        }
        tmx_printable(tmx_bytes_str(key), name, sizeof(name));
        size_t size = (size_t)snprintf(text, sizeof(text), "%s %s", number_of(counters, key), name);
        bool next = column + size > (screen_width() == 0 ? 98 : screen_width() - 2);
        printf("%s%s", column == 0 ? "\nsince start: " : next ? ",\n             " : ", ", text);
        column = (column == 0 || next ? 13 : column + 2) + size;
    }
    printf("%s", column > 0 ? "\n" : "");
}

bool show_status(const json_t *reply)
{
    if (!status_fits(reply)) {
        return false;
    }
    show_head(reply);
    show_parts(reply);
    show_destinations(reply);
    show_gates(reply);
    if (screen_all) {
        show_counters(reply);
    }
    return true;
}
