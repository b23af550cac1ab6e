/* SPDX-License-Identifier: Apache-2.0
 * The destinations of a status: those that something is the matter with, or all of them; as many columns as there is room for.
 */
#include <stdio.h>
#include <string.h>

#include "screen.h"

static const char *const ages[] = { "<1m", "5m", "20m", "1h", "4h", "24h", "older" };

static const struct field broker_fields[] = {
    { "MEMBER", 0, text_of, "member", false, 0 },
    { "LINK", 0, text_of, "link", true, 0 },
    { "GATE", 0, text_of, "gate", true, SCREEN_WIDE },
    { "QUEUED", SCOLS_FL_RIGHT, number_of, "queued", false, 0 },
    { "BYTES", SCOLS_FL_RIGHT, bytes_of, "queued_bytes", false, SCREEN_MEDIUM },
    { "OLDEST", SCOLS_FL_RIGHT, duration_of, "oldest_ms", false, 0 },
    { "LATE", SCOLS_FL_RIGHT, number_of, "late", false, 0 },
    { "IN FLIGHT", SCOLS_FL_RIGHT, number_of, "in_flight", false, SCREEN_WIDE },
    { "RETRY", SCOLS_FL_RIGHT, duration_of, "next_retry_ms", false, SCREEN_MEDIUM },
    { "SEEN", SCOLS_FL_RIGHT, duration_of, "last_seen_ms", false, SCREEN_MEDIUM },
    { "LAST ERROR", SCOLS_FL_TRUNC, text_of, "last_error", false, SCREEN_MEDIUM },
};

static const struct field node_fields[] = {
    { "MEMBER", 0, text_of, "member", false, 0 },
    { "WAITING", SCOLS_FL_RIGHT, number_of, "queued", false, 0 },
    { "OPEN", SCOLS_FL_RIGHT, number_of, "open", false, 0 },
    { "OLDEST", SCOLS_FL_RIGHT, duration_of, "oldest_ms", false, 0 },
    { "LATE", SCOLS_FL_RIGHT, number_of, "late", false, 0 },
    { "LAST ERROR", SCOLS_FL_TRUNC, text_of, "last_error", false, SCREEN_MEDIUM },
};

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

static bool is_up(const json_t *row, const char *key)
{
    const json_t *state = json_object_get(row, key);
    return state == NULL || (json_is_string(state) && strcmp(json_string_value(state), "up") == 0);
}

/* Nothing about it needs a look: linked, and nothing waits that should not. Of a node: nothing waits at all. */
static bool is_well(const json_t *row, bool broker)
{
    if (strcmp(text_of(row, "status"), "revoked") == 0) {
        return true;
    }
    return broker ? is_up(row, "link") && is_up(row, "gate") && u64_of(row, "late") == 0
                  : u64_of(row, "queued") == 0 && u64_of(row, "late") == 0;
}

/* How old what waits is, as qshape shows it: a column for each bound. */
static void show_ages(const json_t *rows)
{
    struct field fields[1 + TMX_N(ages)] = { { "MEMBER", 0, text_of, "member", false, 0 } };
    size_t i, k;
    json_t *row, *count;
    json_t *list = json_array();
    for (k = 0; k < TMX_N(ages); k++) {
        fields[1 + k] = (struct field){ ages[k], SCOLS_FL_RIGHT, number_of, ages[k], false, 0 };
    }
    json_array_foreach(rows, i, row)
    {
        const json_t *counts = json_object_get(row, "ages");
        json_t *o = json_object();
        if (json_array_size(counts) == TMX_N(ages) && u64_of(row, "queued") + u64_of(row, "open") > 0) {
            json_object_set(o, "member", json_object_get(row, "member"));
            json_array_foreach(counts, k, count)
            {
                json_object_set(o, ages[k], count);
            }
            json_array_append(list, o);
        }
        json_decref(o);
    }
    if (json_array_size(list) > 0) {
        printf("\n");
        table_show(list, fields, TMX_N(fields));
    }
    json_decref(list);
}

static void show_rest(size_t shown, size_t n, uint64_t queued)
{
    if (shown < n && shown > 0) {
        printf("%zu of %zu destinations %s well: --all\n", n - shown, n, n - shown == 1 ? "is" : "are");
    } else if (shown < n) {
        printf("\nall %zu destinations are well, %ju wait: --all\n", n, (uintmax_t)queued);
    }
}

void show_destinations(const json_t *s)
{
    bool broker = strcmp(text_of(s, "role"), "broker") == 0;
    const json_t *rows = json_object_get(s, "destinations");
    json_t *row, *shown = json_array();
    uint64_t queued = 0;
    size_t i;
    json_array_foreach(rows, i, row)
    {
        const json_t *gate = gate_of(s, json_object_get(row, "member"));
        if (gate != NULL) {
            json_object_set(row, "gate", json_object_get(gate, "state"));
        }
        queued += u64_of(row, "queued");
        if (screen_all || !is_well(row, broker)) {
            json_array_append(shown, row);
        }
    }
    if (json_array_size(shown) > 0) {
        printf("\n");
        table_show(shown, broker ? broker_fields : node_fields, broker ? TMX_N(broker_fields) : TMX_N(node_fields));
        show_ages(shown);
    }
    show_rest(json_array_size(shown), json_array_size(rows), queued);
    json_decref(shown);
}

/* Those that are not up, or were started again: why. */
void show_gates(const json_t *s)
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
