/* SPDX-License-Identifier: Apache-2.0
 * The status as metrics: the table keeps to the conventions of Prometheus, and what comes out is bounded and well-formed
 * whatever the document says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include <tmx/bytes.h>
#include <tmx/limits.h>

#include "../../lib/io/metrics.h"

static char *written(const char *json)
{
    json_error_t error;
    json_t *document = json_loads(json, 0, &error);
    if (document == NULL) {
        fail_msg("%s", error.text);
    }
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    tmx_metrics_write(document, out);
    assert_int_equal(fclose(out), 0);
    json_decref(document);
    return text;
}

static void expect(const char *json, const char *text)
{
    char *got = written(json);
    assert_string_equal(got, text);
    free(got);
}

static bool ends(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static void check_row(const struct tmx_metric *m)
{
    bool seconds = m->value == TMX_METRIC_SECONDS;
    assert_int_equal(strspn(m->name, "abcdefghijklmnopqrstuvwxyz_"), strlen(m->name));
    if (seconds != ends(m->name, "_seconds")) {
        fail_msg("%s: milliseconds become seconds, and their names say so", m->name);
    }
    if (strstr(m->path, "_bytes") != NULL && !ends(m->name, "_bytes") && !ends(m->name, "_bytes_total")) {
        fail_msg("%s: bytes", m->name);
    }
    if (strstr(m->path, "counters.") != NULL && m->value == TMX_METRIC_NUMBER && !ends(m->name, "_total") &&
        strcmp(m->path, "counters.waiting") != 0 && strcmp(m->path, "counters.unanswered") != 0) {
        fail_msg("%s: what only grows ends in _total", m->name);
    }
    assert_true(m->value != TMX_METRIC_INFO || m->label != NULL);
}

static void test_table(void **state)
{
    for (size_t i = 0; i < tmx_metrics_n; i++) {
        const struct tmx_metric *m = &tmx_metrics[i];
        bool first = true;
        check_row(m);
        for (size_t k = 0; k < i; k++) {
            const struct tmx_metric *o = &tmx_metrics[k];
            if ((o->of & m->of) == 0 || strcmp(o->name, m->name) != 0) {
                continue;
            }
            first = false;
            if (o->label == NULL || m->label == NULL || strcmp(o->label, m->label) == 0) {
                fail_msg("%s is there twice", m->name);
            }
            if (strcmp(m[-1].name, m->name) != 0) {
                fail_msg("the rows of %s do not follow each other", m->name);
            }
        }
        if (first != (m->help != NULL)) {
            fail_msg("%s: its first row has its meaning, and only that", m->name);
        }
    }
}

static void test_values(void **state)
{
    expect("{\"role\": \"broker\", \"uptime_ms\": 1234567}",
           "# HELP tmx_broker_info Which program, federation and log this is.\n# TYPE tmx_broker_info gauge\n"
           "tmx_broker_info{version=\"\",federation=\"\",log=\"\"} 1\n"
           "# HELP tmx_broker_uptime_seconds Since the daemon was started.\n# TYPE tmx_broker_uptime_seconds gauge\n"
           "tmx_broker_uptime_seconds 1234.567\n");
    expect("{\"role\": \"node\", \"member\": \"DE\", \"federation\": \"a\\\"b\\\\c\\nd\", \"version\": \"1\","
           " \"health\": \"warning\", \"log\": {\"size\": 9007199254740991, \"cosigned\": {\"quorum\": true}},"
           " \"destinations\": [{\"member\": \"FR\", \"queued\": 7}, {\"queued\": 8}, 9, {\"member\": \"CH\", \"queued\": \"x\"}]}",
           "# HELP tmx_node_info Which program and federation this is.\n# TYPE tmx_node_info gauge\n"
           "tmx_node_info{node=\"DE\",version=\"1\",federation=\"a\\\"b\\\\c\\nd\"} 1\n"
           "# HELP tmx_node_health 1 for the state that it is in; tmxctl status says why.\n# TYPE tmx_node_health gauge\n"
           "tmx_node_health{node=\"DE\",state=\"ok\"} 0\ntmx_node_health{node=\"DE\",state=\"warning\"} 1\ntmx_node_health{node=\"DE\",state=\"critical\"} 0\n"
           "# HELP tmx_node_log_entries_total Entries of the log; of a node, those below its verified head.\n"
           "# TYPE tmx_node_log_entries_total counter\ntmx_node_log_entries_total{node=\"DE\"} 9007199254740991\n"
           "# HELP tmx_node_log_cosigned_quorum 1 when that head has the quorum of the policy.\n"
           "# TYPE tmx_node_log_cosigned_quorum gauge\ntmx_node_log_cosigned_quorum{node=\"DE\"} 1\n"
           "# HELP tmx_node_destination_queued Messages that wait for the member.\n"
           "# TYPE tmx_node_destination_queued gauge\ntmx_node_destination_queued{node=\"DE\",member=\"FR\"} 7\n");
}

/* Neither a document of another form nor none writes what is no metric. */
static void test_other_forms(void **state)
{
    static const char *const documents[] = { "{}", "[]", "{\"role\": 1}", "{\"role\": \"broker\", \"log\": [], \"spool\": 3}",
                                             "{\"role\": \"broker\", \"destinations\": {}, \"gates\": [[], null]}" };
    for (size_t i = 0; i < TMX_N(documents); i++) {
        char *text = written(documents[i]);
        assert_null(strstr(text, "nan"));
        assert_null(strstr(text, "uptime"));
        free(text);
    }
}

/* As many members as a directory takes: some hundred kilobytes. */
static void test_bounded(void **state)
{
    json_t *rows = json_array();
    for (unsigned i = 0; i < TMX_MEMBERS_MAX; i++) {
        char member[TMX_MEMBER_MAX + 1];
        snprintf(member, sizeof(member), "M%07u", i);
        json_t *row = json_pack("{ss}", "member", member);
        for (size_t k = 0; k < tmx_metrics_n; k++) {   /* everything there is about a member */
            const char *inner = strstr(tmx_metrics[k].path, "[].");
            if (inner != NULL && strncmp(tmx_metrics[k].path, "destinations", 12) == 0 && tmx_metrics[k].value != TMX_METRIC_IS) {
                json_object_set_new(row, inner + 3, json_integer(INT64_MAX));
            }
        }
        json_array_append_new(rows, row);
    }
    json_t *document = json_pack("{ss so}", "role", "broker", "destinations", rows);
    char *json = json_dumps(document, 0), *text = written(json);
    assert_in_range(strlen(text), TMX_MEMBERS_MAX * 100, 400u << 10);
    json_decref(document);
    free(json);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_other_forms),
        cmocka_unit_test(test_bounded),
    };
    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
