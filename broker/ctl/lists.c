/* SPDX-License-Identifier: Apache-2.0
 * The screens of peers, queues, one message, and the directory.
 */
#include <stdio.h>
#include <string.h>

#include "screen.h"

bool show_peers(const json_t *reply)
{
    static const struct column columns[] = {
        { "MEMBER", 0 },
        { "STATUS", 0 },
        { "LINK", 0 },
        { "SEEN", SCOLS_FL_RIGHT },
        { "FEED", SCOLS_FL_RIGHT },
        { "ACKED", SCOLS_FL_RIGHT },
        { "PREKEYS UNTIL", 0 },
        { "LAST ERROR", 0 },
        { "NAME", SCOLS_FL_TRUNC },
    };
    if (!rows_fit(reply, "peers", "{ss ss}", "member", "status")) {
        return false;
    }
    struct libscols_table *t = table_new(columns, TMX_N(columns));
    size_t i;
    json_t *p;
    json_array_foreach(json_object_get(reply, "peers"), i, p)
    {
        struct libscols_line *l = table_line(t);
        table_cell(l, 0, text_of(p, "member"));
        table_cell(l, 1, text_of(p, "status"));
        table_colour(l, 1, colour_of(text_of(p, "status")));
        table_cell(l, 2, text_of(p, "link"));
        table_colour(l, 2, colour_of(text_of(p, "link")));
        table_cell(l, 3, duration_of(p, "last_seen_ms"));
        table_cell(l, 4, number_of(p, "feed_next"));
        table_cell(l, 5, number_of(p, "feed_acked"));
        table_cell(l, 6, time_of(p, "prekeys_until_at_ms"));
        table_cell(l, 7, text_of(p, "last_error"));
        table_cell(l, 8, text_of(p, "name"));
    }
    table_print(t);
    return true;
}

static bool show_queues(const json_t *reply)
{
    static const struct column columns[] = {
        { "MEMBER", 0 },
        { "QUEUED", SCOLS_FL_RIGHT },
        { "BYTES", SCOLS_FL_RIGHT },
        { "OLDEST", SCOLS_FL_RIGHT },
        { "IN FLIGHT", SCOLS_FL_RIGHT },
    };
    if (!rows_fit(reply, "queues", "{ss sI}", "member", "queued")) {
        return false;
    }
    struct libscols_table *t = table_new(columns, TMX_N(columns));
    size_t i;
    json_t *q;
    json_array_foreach(json_object_get(reply, "queues"), i, q)
    {
        struct libscols_line *l = table_line(t);
        table_cell(l, 0, text_of(q, "member"));
        table_cell(l, 1, number_of(q, "queued"));
        table_cell(l, 2, bytes_of(q, "queued_bytes"));
        table_cell(l, 3, duration_of(q, "oldest_ms"));
        table_cell(l, 4, number_of(q, "in_flight"));
    }
    table_print(t);
    return true;
}

static void show_queue_rows(const json_t *messages)
{
    static const struct column columns[] = {
        { "MESSAGE", 0 },
        { "SENDER", 0 },
        { "TYPE", 0 },
        { "PRIO", SCOLS_FL_RIGHT },
        { "AGE", SCOLS_FL_RIGHT },
        { "SIZE", SCOLS_FL_RIGHT },
        { "STATE", 0 },
    };
    struct libscols_table *t = table_new(columns, TMX_N(columns));
    size_t i;
    json_t *m;
    json_array_foreach(messages, i, m)
    {
        struct libscols_line *l = table_line(t);
        table_cell(l, 0, text_of(m, "id"));
        table_cell(l, 1, text_of(m, "sender"));
        table_cell(l, 2, text_of(m, "type"));
        table_cell(l, 3, number_of(m, "priority"));
        table_cell(l, 4, duration_of(m, "age_ms"));
        table_cell(l, 5, bytes_of(m, "bytes"));
        table_cell(l, 6, text_of(m, "state"));
    }
    table_print(t);
}

bool show_queue(const json_t *reply)
{
    if (json_object_get(reply, "queues") != NULL) {
        return show_queues(reply);
    }
    if (!fits(reply, "{ss sI so}", "member", "queued", "messages") ||
        !rows_fit(reply, "messages", "{ss ss ss sI sI sI ss}", "id", "sender", "type", "priority", "age_ms", "bytes",
                  "state")) {
        return false;
    }
    const json_t *messages = json_object_get(reply, "messages");
    printf("%s: %s queued", text_of(reply, "member"), number_of(reply, "queued"));
    if (json_array_size(messages) < u64_of(reply, "queued")) {
        printf(", the first %zu", json_array_size(messages));
    }
    printf("\n");
    if (json_array_size(messages) > 0) {
        show_queue_rows(messages);
    }
    return true;
}

static bool message_fits(const json_t *m)
{
    return fits(m, "{ss ss so}", "id", "sender", "deliveries") &&
           rows_fit(m, "deliveries", "{ss ss}", "recipient", "state");
}

static void show_one_message(const json_t *m)
{
    static const struct column columns[] = {
        { "RECIPIENT", 0 },
        { "STATE", 0 },
        { "SEQ", SCOLS_FL_RIGHT },
        { "ATTEMPTS", SCOLS_FL_RIGHT },
        { "LOG INDEX", SCOLS_FL_RIGHT },
        { "SINCE", 0 },
        { "CODE", 0 },
    };
    printf("message    %s\n", text_of(m, "id"));
    printf("sender     %s, type %s, priority %s, %s\n", text_of(m, "sender"), text_of(m, "type"),
           number_of(m, "priority"), bytes_of(m, "bytes"));
    printf("sent       %s UTC, expires %s UTC\n", time_of(m, "sent_at_ms"), time_of(m, "expires_at_ms"));
    printf("accepted   log index %s\n\n", number_of(m, "index"));
    struct libscols_table *t = table_new(columns, TMX_N(columns));
    size_t i;
    json_t *d;
    json_array_foreach(json_object_get(m, "deliveries"), i, d)
    {
        struct libscols_line *l = table_line(t);
        table_cell(l, 0, text_of(d, "recipient"));
        table_cell(l, 1, text_of(d, "state"));
        table_cell(l, 2, number_of(d, "seq"));
        table_cell(l, 3, number_of(d, "attempts"));
        table_cell(l, 4, number_of(d, "index"));
        table_cell(l, 5, time_of(d, "at_ms"));
        table_cell(l, 6, text_of(d, "code"));
    }
    table_print(t);
}

bool show_message(const json_t *reply)
{
    const json_t *several = json_object_get(reply, "messages");
    size_t i;
    json_t *m;
    if (several == NULL) {
        if (!message_fits(reply)) {
            return false;
        }
        show_one_message(reply);
        return true;
    }
    if (!rows_fit(reply, "messages", "{ss}", "id")) {
        return false;
    }
    json_array_foreach(several, i, m)
    {
        if (!message_fits(m)) {
            return false;
        }
    }
    json_array_foreach(several, i, m)
    {
        printf("%s", i > 0 ? "\n" : "");
        show_one_message(m);
    }
    return true;
}

bool show_directory(const json_t *reply)
{
    static const struct column columns[] = { { "MEMBER", 0 }, { "STATUS", 0 }, { "NAME", SCOLS_FL_TRUNC } };
    if (!fits(reply, "{sI ss sI sI}", "serial", "federation", "issued_at_ms", "expires_at_ms") ||
        !rows_fit(reply, "members", "{ss ss ss}", "member", "name", "status")) {
        return false;
    }
    printf("directory of %s, serial %s\n", text_of(reply, "federation"), number_of(reply, "serial"));
    printf("issued %s UTC, expires %s UTC\n\n", time_of(reply, "issued_at_ms"), time_of(reply, "expires_at_ms"));
    struct libscols_table *t = table_new(columns, TMX_N(columns));
    size_t i;
    json_t *m;
    json_array_foreach(json_object_get(reply, "members"), i, m)
    {
        struct libscols_line *l = table_line(t);
        table_cell(l, 0, text_of(m, "member"));
        table_cell(l, 1, text_of(m, "status"));
        table_colour(l, 1, colour_of(text_of(m, "status")));
        table_cell(l, 2, text_of(m, "name"));
    }
    table_print(t);
    return true;
}

bool show_installed(const json_t *reply)
{
    if (!fits(reply, "{sb sI}", "installed", "serial")) {
        return false;
    }
    printf("directory serial %s is in force\n", number_of(reply, "serial"));
    return true;
}

bool show_done(const json_t *reply)
{
    printf("done\n");
    return json_is_object(reply);
}
