/* SPDX-License-Identifier: Apache-2.0
 * What an action would be about: asked of the daemon, changing nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tmx/text.h>

#include "actions.h"
#include "ask.h"
#include "screen.h"

#define GATHER_MAX 100000u
#define ROWS_SHOWN 10u

/* ---- by a filter ---- */

static void add_rows(const struct action_filter *f, const json_t *found, json_t *rows)
{
    size_t i;
    json_t *row;
    json_array_foreach(found, i, row)
    {
        if (f->from == NULL || strcmp(f->from, text_of(row, "sender")) == 0) {
            json_array_append(rows, row);
        }
    }
}

static bool gather_filtered(enum tmx_action action, const struct action_filter *f, json_t *rows, int *ret_code)
{
    char older[32], next[160] = "";
    (void)snprintf(older, sizeof(older), "%llu", (unsigned long long)f->older_ms);
    do {
        const char *words[] = { "select", tmx_action_name(action), f->to != NULL ? f->to : "-", older, f->type != NULL ? f->type : "-", next };
        json_t *reply = NULL;
        if (action_ask(words, next[0] != '\0' ? 6 : 5, TMX_BYTES_NULL, &reply) < 0) {
            *ret_code = EXIT_UNKNOWN;
            return false;
        }
        if (action_refused(reply)) {
            json_decref(reply);
            *ret_code = EXIT_REFUSED;
            return false;
        }
        add_rows(f, json_object_get(reply, "deliveries"), rows);
        const char *more = json_string_value(json_object_get(reply, "next"));
        (void)snprintf(next, sizeof(next), "%s", more != NULL ? more : "");
        json_decref(reply);
    } while (next[0] != '\0' && json_array_size(rows) < GATHER_MAX);
    if (next[0] != '\0') {
        fprintf(stderr, "tmxctl: there are more: these are the first %zu\n", json_array_size(rows));
    }
    return true;
}

/* ---- by ids ---- */

/* The daemon says of each delivery which actions may be about it. */
static bool fits_action(enum tmx_action action, const json_t *delivery)
{
    size_t i;
    json_t *name;
    json_array_foreach(json_object_get(delivery, "actions"), i, name)
    {
        if (json_is_string(name) && strcmp(json_string_value(name), tmx_action_name(action)) == 0) {
            return true;
        }
    }
    return false;
}

/* Its deliveries that the action may be about; the daemon will look again. */
static bool add_message(enum tmx_action action, const char *id, const struct action_filter *f, json_t *rows, int *ret_code)
{
    uint8_t parsed[TMX_ID_SIZE];
    json_t *reply = NULL, *d;
    size_t i, before = json_array_size(rows);
    if (!tmx_parse_id(tmx_bytes_str(id), parsed)) {
        fprintf(stderr, "tmxctl: `%s' is not a message id: 32 hexadecimal digits, with or without dashes\n", id);
        *ret_code = EXIT_USAGE;
        return false;
    }
    if (action_ask((const char *[]){ "message", id }, 2, TMX_BYTES_NULL, &reply) < 0) {
        *ret_code = EXIT_UNKNOWN;
        return false;
    }
    bool refused = action_refused(reply);
    json_array_foreach(json_object_get(reply, "deliveries"), i, d)
    {
        if (fits_action(action, d) && (f->to == NULL || strcmp(f->to, text_of(d, "recipient")) == 0)) {
            json_array_append_new(rows, json_pack("{sO sO sO? sO?}", "id", json_object_get(reply, "id"), "recipient",
                                                  json_object_get(d, "recipient"), "sender", json_object_get(reply, "sender"), "type",
                                                  json_object_get(reply, "type")));
        }
    }
    json_decref(reply);
    if (!refused && json_array_size(rows) == before) {
        fprintf(stderr, "tmxctl: %s has no delivery to %s: its state is another (tmxctl message %s)\n", id, tmx_action_name(action), id);
        refused = true;
    }
    *ret_code = EXIT_REFUSED;
    return !refused;
}

/* Ids between white space. */
static bool add_input(enum tmx_action action, const struct action_filter *f, json_t *rows, int *ret_code)
{
    char id[64];
    while (json_array_size(rows) < GATHER_MAX && scanf("%63s", id) == 1) {
        if (!add_message(action, id, f, rows, ret_code)) {
            return false;
        }
    }
    return true;
}

bool action_gather(enum tmx_action action, const char *const *ids, size_t n_ids, const struct action_filter *filter,
                   struct action_targets *ret_targets, int *ret_code)
{
    json_t *rows = json_array();
    bool good = true;
    if (n_ids == 0 && action == TMX_ACTION_LOSE) {
        fprintf(stderr, "tmxctl: what has arrived is lost by its id, not by a filter\n");
        *ret_code = EXIT_USAGE;
        good = false;
    } else if (n_ids == 0) {
        good = gather_filtered(action, filter, rows, ret_code);
    } else if (filter->older_ms > 0 || filter->type != NULL || filter->from != NULL) {
        fprintf(stderr, "tmxctl: ids, or --from, --older-than and --type: not both\n");
        *ret_code = EXIT_USAGE;
        good = false;
    }
    for (size_t i = 0; good && i < n_ids; i++) {
        good = strcmp(ids[i], "-") == 0 ? add_input(action, filter, rows, ret_code)
                                        : add_message(action, ids[i], filter, rows, ret_code);
    }
    if (!good) {
        json_decref(rows);
        return false;
    }
    *ret_targets = (struct action_targets){ .rows = rows, .n = json_array_size(rows) };
    return true;
}

/* ---- showing ---- */

void action_show_rows(const struct action_targets *targets)
{
    static const struct field fields[] = {
        { "MESSAGE", 0, text_of, "id" },          { "TO", 0, text_of, "recipient" },
        { "FROM", 0, text_of, "sender" },         { "TYPE", 0, text_of, "type" },
        { "AGE", SCOLS_FL_RIGHT, duration_of, "age_ms" },
    };
    json_t *first = json_array();
    for (size_t i = 0; i < targets->n && i < ROWS_SHOWN; i++) {
        json_array_append(first, json_array_get(targets->rows, i));
    }
    if (targets->n > 0) {
        table_show(first, fields, TMX_N(fields));
    }
    if (targets->n > ROWS_SHOWN) {
        printf("… and %zu more\n", targets->n - ROWS_SHOWN);
    }
    json_decref(first);
}

bool action_look(enum tmx_action action, const char *member, int *ret_code)
{
    json_t *reply = NULL, *row, *found = NULL;
    size_t i;
    if (action == TMX_ACTION_RELOAD || action == TMX_ACTION_TRUST) {
        printf("%s is about no delivery\n", tmx_action_name(action));
        return true;
    }
    uint64_t queued = 0, flying = 0;
    if (action_ask((const char *[]){ "status" }, 1, TMX_BYTES_NULL, &reply) < 0) {
        *ret_code = EXIT_UNKNOWN;
        return false;
    }
    json_array_foreach(json_object_get(reply, "destinations"), i, row)
    {
        bool meant = member == NULL || strcmp(text_of(row, "member"), member) == 0;
        found = meant ? row : found;
        queued += meant ? u64_of(row, "queued") : 0;
        flying += meant ? u64_of(row, "in_flight") : 0;
    }
    if (found == NULL && member != NULL && strcmp(text_of(reply, "member"), member) == 0) {
        printf("%s %s would meet the reports that the broker has not answered\n", tmx_action_name(action), member);
        found = reply;
    } else if (found == NULL) {
        fprintf(stderr, "tmxctl: no such member in the directory (unknown-member)\n");
        *ret_code = EXIT_REFUSED;
    } else {
        printf("%s%s%s would meet %llu queued deliveries, %llu of them in flight\n", tmx_action_name(action), member != NULL ? " " : "",
               member != NULL ? member : "", (unsigned long long)queued, (unsigned long long)flying);
    }
    const bool there = found != NULL;
    json_decref(reply);
    return there;
}
