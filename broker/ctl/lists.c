/* SPDX-License-Identifier: Apache-2.0
 * The screens of peers, queues, one message, and the directory.
 */
#include <stdio.h>
#include <string.h>

#include "screen.h"
#include "timeline.h"

bool show_peers(const json_t *reply)
{
    static const struct field fields[] = {
        { "MEMBER", 0, text_of, "member" },
        { "STATUS", 0, text_of, "status", true },
        { "LINK", 0, text_of, "link", true },
        { "SEEN", SCOLS_FL_RIGHT, duration_of, "last_seen_ms" },
        { "FEED", SCOLS_FL_RIGHT, number_of, "feed_next" },
        { "ACKED", SCOLS_FL_RIGHT, number_of, "feed_acked" },
        { "PREKEYS UNTIL", 0, time_of, "prekeys_until_at_ms" },
        { "LAST ERROR", 0, text_of, "last_error" },
        { "NAME", SCOLS_FL_TRUNC, text_of, "name" },
    };
    if (!rows_fit(reply, "peers", "{ss ss}", "member", "status")) {
        return false;
    }
    table_show(json_object_get(reply, "peers"), fields, TMX_N(fields));
    return true;
}

static bool show_queues(const json_t *reply)
{
    static const struct field fields[] = {
        { "MEMBER", 0, text_of, "member" },
        { "QUEUED", SCOLS_FL_RIGHT, number_of, "queued" },
        { "BYTES", SCOLS_FL_RIGHT, bytes_of, "queued_bytes" },
        { "OLDEST", SCOLS_FL_RIGHT, duration_of, "oldest_ms" },
        { "IN FLIGHT", SCOLS_FL_RIGHT, number_of, "in_flight" },
    };
    if (!rows_fit(reply, "queues", "{ss sI}", "member", "queued")) {
        return false;
    }
    table_show(json_object_get(reply, "queues"), fields, TMX_N(fields));
    return true;
}

static void show_queue_rows(const json_t *messages)
{
    static const struct field fields[] = {
        { "MESSAGE", 0, text_of, "id" },
        { "SENDER", 0, text_of, "sender" },
        { "TYPE", 0, text_of, "type" },
        { "PRIO", SCOLS_FL_RIGHT, number_of, "priority" },
        { "AGE", SCOLS_FL_RIGHT, duration_of, "age_ms" },
        { "SIZE", SCOLS_FL_RIGHT, bytes_of, "bytes" },
        { "STATE", 0, text_of, "state" },
    };
    table_show(messages, fields, TMX_N(fields));
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
    static const struct field fields[] = {
        { "RECIPIENT", 0, text_of, "recipient" },
        { "STATE", 0, text_of, "state" },
        { "SEQ", SCOLS_FL_RIGHT, number_of, "seq" },
        { "ATTEMPTS", SCOLS_FL_RIGHT, number_of, "attempts" },
        { "LOG INDEX", SCOLS_FL_RIGHT, number_of, "index" },
        { "SINCE", 0, time_of, "at_ms" },
        { "CODE", 0, text_of, "code" },
    };
    printf("message    %s\n", text_of(m, "id"));
    printf("sender     %s, type %s, priority %s, %s\n", text_of(m, "sender"), text_of(m, "type"),
           number_of(m, "priority"), bytes_of(m, "bytes"));
    printf("sent       %s UTC, expires %s UTC\n", time_of(m, "sent_at_ms"), time_of(m, "expires_at_ms"));
    if (json_object_get(m, "replaces") != NULL) {
        printf("replaces   %s\n", text_of(m, "replaces"));
    }
    printf("accepted   log index %s\n\n", number_of(m, "index"));
    table_show(json_object_get(m, "deliveries"), fields, TMX_N(fields));
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
        show_timeline(reply);
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
    static const struct field fields[] = {
        { "MEMBER", 0, text_of, "member" },
        { "STATUS", 0, text_of, "status", true },
        { "NAME", SCOLS_FL_TRUNC, text_of, "name" },
    };
    if (!fits(reply, "{sI ss sI sI}", "serial", "federation", "issued_at_ms", "expires_at_ms") ||
        !rows_fit(reply, "members", "{ss ss ss}", "member", "name", "status")) {
        return false;
    }
    printf("directory of %s, serial %s\n", text_of(reply, "federation"), number_of(reply, "serial"));
    printf("issued %s UTC, expires %s UTC\n\n", time_of(reply, "issued_at_ms"), time_of(reply, "expires_at_ms"));
    table_show(json_object_get(reply, "members"), fields, TMX_N(fields));
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

bool show_text(const json_t *reply)
{
    if (!fits(reply, "{ss}", "text")) {
        return false;
    }
    (void)fputs(json_string_value(json_object_get(reply, "text")), stdout);
    return true;
}

bool show_anchored(const json_t *reply)
{
    if (!fits(reply, "{sI}", "anchored")) {
        return false;
    }
    printf("the head of %s entries is anchored\n", number_of(reply, "anchored"));
    return true;
}

/* Text as it is, so that it can be kept where the output goes; but nothing a terminal could take for a command. */
static void print_text(const json_t *text)
{
    for (const char *c = json_string_value(text); *c != '\0'; c++) {
        putchar((unsigned char)*c >= ' ' || *c == '\n' ? *c : '?');
    }
}

bool show_misbehaviour(const json_t *reply)
{
    if (!fits(reply, "{ss sb sI ss}", "file", "written", "came_at_ms", "text")) {
        return false;
    }
    print_text(json_object_get(reply, "text"));
    return true;
}

bool show_witness_request(const json_t *reply)
{
    if (!fits(reply, "{ss sI ss}", "witness", "size", "body")) {
        return false;
    }
    print_text(json_object_get(reply, "body"));
    return true;
}

bool show_witness_reply(const json_t *reply)
{
    if (!fits(reply, "{sb sI sI sI}", "cosigned", "size", "by", "witnesses")) {
        return false;
    }
    if (!json_is_true(json_object_get(reply, "cosigned"))) {
        printf("it has cosigned another head: noted, ask again\n");
    } else {
        printf("taken; up to entry %s the log is cosigned by %s of %s witnesses\n", number_of(reply, "size"),
               number_of(reply, "by"), number_of(reply, "witnesses"));
    }
    return true;
}

bool show_done(const json_t *reply)
{
    printf("done\n");
    return json_is_object(reply);
}
