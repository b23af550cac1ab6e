/* SPDX-License-Identifier: Apache-2.0
 * The status screen: how it is, what is wrong, where messages wait. One row for each member, whatever is the matter.
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
        printf("  %s: %s\n", painted(text_of(p, "severity")), text_of(p, "text"));
    }
    printf("\n");
}

static void show_cosigned(const json_t *log)
{
    const json_t *c = json_object_get(log, "cosigned");
    if (c == NULL) {
        return;
    }
    if (u64_of(c, "size") == 0) {
        printf("           not cosigned yet by a quorum of its %s witnesses\n", number_of(c, "witnesses"));
        return;
    }
    printf("           cosigned by %s of %s witnesses", number_of(c, "by"), number_of(c, "witnesses"));
    if (json_object_get(c, "age_ms") != NULL) {
        printf(" %s ago", duration_of(c, "age_ms"));
    }
    if (u64_of(c, "size") < u64_of(log, "size")) {
        printf(", up to entry %s", number_of(c, "size"));
    }
    printf("\n");
}

/* A node that has not verified a head yet has none to show. */
static void show_log(const json_t *log)
{
    if (u64_of(log, "size") == 0) {
        printf("log        no head yet\n");
        return;
    }
    printf("log        %s, %s entries", text_of(log, "origin"), number_of(log, "size"));
    if (json_object_get(log, "checkpoint_age_ms") != NULL) {
        printf(", checkpoint %s old", duration_of(log, "checkpoint_age_ms"));
    }
    printf("\n           root %s\n", text_of(log, "root"));
    show_cosigned(log);
    const json_t *anchor = json_object_get(log, "anchor");
    if (anchor != NULL) {
        printf("           anchored up to entry %s, %s ago\n", number_of(anchor, "size"), duration_of(anchor, "age_ms"));
    }
}

static void show_parts(const json_t *s)
{
    const json_t *log = json_object_get(s, "log");
    const json_t *spool = json_object_get(s, "spool");
    const json_t *directory = json_object_get(s, "directory");
    const json_t *link = json_object_get(s, "link");
    const json_t *inbox = json_object_get(s, "inbox");
    uint64_t expires_ms = u64_of(directory, "expires_at_ms");
    uint64_t now_ms = u64_of(s, "at_ms");

    if (link != NULL) {
        printf("link       %s to %s", painted(text_of(link, "state")), text_of(link, "endpoint"));
        if (json_object_get(link, "last_seen_ms") != NULL) {
            printf(", last heard %s ago", duration_of(link, "last_seen_ms"));
        }
        if (json_object_get(link, "last_error") != NULL) {
            printf(": %s", text_of(link, "last_error"));
        }
        printf("\n");
    }
    show_log(log);
    printf("spool      %s of %s (%s %%), generation %s\n", bytes_of(spool, "used_bytes"),
           bytes_of(spool, "capacity_bytes"), number_of(spool, "percent"), number_of(spool, "generation"));
    printf("directory  serial %s, ", number_of(directory, "serial"));
    if (expires_ms > now_ms) {
        printf("expires %s UTC (in %s)\n", time_of(directory, "expires_at_ms"), duration_text(expires_ms - now_ms));
    } else {
        printf("expired %s UTC (%s ago)\n", time_of(directory, "expires_at_ms"), duration_text(now_ms - expires_ms));
    }
    if (inbox != NULL) {
        printf("inbox      %s offered, %s leased, %s held\n", number_of(inbox, "offered"), number_of(inbox, "leased"),
               number_of(inbox, "held"));
    }
}

static const json_t *gate_of(const json_t *s, const json_t *member)
{
    size_t i;
    json_t *g;
    json_array_foreach(json_object_get(s, "gates"), i, g)
    {
        if (json_equal(json_object_get(g, "member"), member)) {
            return g;
        }
    }
    return NULL;
}

static void show_destinations(const json_t *s)
{
    static const struct field broker_fields[] = {
        { "MEMBER", 0, text_of, "member" },
        { "LINK", 0, text_of, "link", true },
        { "GATE", 0, text_of, "gate", true },
        { "QUEUED", SCOLS_FL_RIGHT, number_of, "queued" },
        { "BYTES", SCOLS_FL_RIGHT, bytes_of, "queued_bytes" },
        { "OLDEST", SCOLS_FL_RIGHT, duration_of, "oldest_ms" },
        { "IN FLIGHT", SCOLS_FL_RIGHT, number_of, "in_flight" },
        { "SEEN", SCOLS_FL_RIGHT, duration_of, "last_seen_ms" },
        { "LAST ERROR", SCOLS_FL_TRUNC, text_of, "last_error" },
    };
    static const struct field node_fields[] = {
        { "MEMBER", 0, text_of, "member" },
        { "WAITING", SCOLS_FL_RIGHT, number_of, "queued" },
        { "BYTES", SCOLS_FL_RIGHT, bytes_of, "queued_bytes" },
        { "OLDEST", SCOLS_FL_RIGHT, duration_of, "oldest_ms" },
        { "IN FLIGHT", SCOLS_FL_RIGHT, number_of, "in_flight" },
        { "LAST ERROR", SCOLS_FL_TRUNC, text_of, "last_error" },
    };
    const json_t *rows = json_object_get(s, "destinations");
    size_t i;
    json_t *row;
    if (json_array_size(rows) == 0) {
        return;
    }
    printf("\n");
    if (strcmp(text_of(s, "role"), "broker") != 0) {
        table_show(rows, node_fields, TMX_N(node_fields));
        return;
    }
    json_array_foreach(rows, i, row)
    {
        json_object_set(row, "gate", json_object_get(gate_of(s, json_object_get(row, "member")), "state"));
    }
    table_show(rows, broker_fields, TMX_N(broker_fields));
}

/* Those that are not up, or were started again: why. */
static void show_gates(const json_t *s)
{
    size_t i;
    json_t *g;
    const char *before = "\n";
    json_array_foreach(json_object_get(s, "gates"), i, g)
    {
        if (strcmp(text_of(g, "state"), "up") == 0 && u64_of(g, "restarts") == 0) {
            continue;
        }
        bool failed = json_object_get(g, "failed") != NULL;
        printf("%sgate of %s at %s: %s, restarts: %s%s%s\n", before, text_of(g, "member"), text_of(g, "endpoint"),
               painted(text_of(g, "state")), number_of(g, "restarts"), failed ? "; the last one ended: " : "",
               failed ? text_of(g, "failed") : "");
        before = "";
    }
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
        bool wrap = column + size > 98;
        printf("%s%s", column == 0 ? "\nsince start: " : wrap ? ",\n             " : ", ", text);
        column = (column == 0 || wrap ? 13 : column + 2) + size;
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
    show_counters(reply);
    return true;
}
