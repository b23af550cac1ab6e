/* SPDX-License-Identifier: Apache-2.0
 * The status document in the text format of Prometheus. Contract: metrics.h.
 */
#include <string.h>

#include "metrics.h"

#define STEP_MAX 48u   /* a name in a path; the table's own, so longer ones are a programmer error */

/* Takes the first name off the path; *ret_rows: it is a list of rows, with the rest of the path in each of them. */
static const json_t *step(const json_t *at, const char **path, bool *ret_rows)
{
    size_t n = strcspn(*path, ".[ ");
    char name[STEP_MAX];
    assert(n > 0 && n < sizeof(name));
    memcpy(name, *path, n);
    name[n] = '\0';
    *path += n;
    at = json_object_get(at, name);
    *ret_rows = strncmp(*path, "[]", 2) == 0;
    if (**path == '[') {
        assert(*ret_rows || ((*path)[1] >= '0' && (*path)[1] <= '9' && (*path)[2] == ']'));
        if (!*ret_rows) {
            at = json_array_get(at, (size_t)((*path)[1] - '0'));
        }
        *path += *ret_rows ? 2 : 3;
    }
    *path += **path == '.';
    return at;
}

/* What is at the path; NULL when it is not there. At a list of rows it stops: *path is the rest. */
static const json_t *walk(const json_t *at, const char **path, bool *ret_rows)
{
    *ret_rows = false;
    while (at != NULL && **path != '\0' && **path != ' ' && !*ret_rows) {
        at = step(at, path, ret_rows);
    }
    return at;
}

static void label_value(const char *text, FILE *out)
{
    for (; *text != '\0'; text++) {
        if (*text == '\n') {
            fputs("\\n", out);
        } else {
            fprintf(out, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
        }
    }
}

/* The words of both lists side by side: name="what is at the path", separated by commas. */
static void info_labels(const json_t *document, const char *paths, const char *names, FILE *out)
{
    for (bool first = true; *names != '\0'; first = false) {
        size_t n = strcspn(names, " ");
        const char *path = paths;
        bool rows;
        const char *text = json_string_value(walk(document, &path, &rows));
        fprintf(out, "%s%.*s=\"", first ? "" : ",", (int)n, names);
        label_value(text == NULL ? "" : text, out);
        fputc('"', out);
        names += n + (names[n] == ' ');
        paths += strcspn(paths, " ");
        paths += *paths == ' ';
    }
}

static void number(const struct tmx_metric *m, const json_t *v, FILE *out)
{
    if (m->value == TMX_METRIC_IS) {
        bool is = m->is == NULL ? json_is_true(v) : strcmp(json_string_value(v), m->is) == 0;
        fprintf(out, " %d\n", is ? 1 : 0);
    } else if (m->value == TMX_METRIC_INFO) {
        fputs(" 1\n", out);
    } else if (m->value == TMX_METRIC_NUMBER && json_is_integer(v)) {
        fprintf(out, " %lld\n", (long long)json_integer_value(v));
    } else {
        fprintf(out, " %.15g\n", json_number_value(v) / (m->value == TMX_METRIC_SECONDS ? 1000 : 1));
    }
}

static bool fits(const struct tmx_metric *m, const json_t *v)
{
    return m->value == TMX_METRIC_INFO || (m->value != TMX_METRIC_IS ? json_is_number(v)
                                           : m->is == NULL          ? json_is_boolean(v)
                                                                    : json_is_string(v));
}

struct writing {
    FILE *out;
    const json_t *document;
    const char *role;
    const char *node;   /* whose it is: a label of all that it says; NULL: the broker's */
    const char *told;   /* the name whose meaning was written last; NULL: none */
};

static void labels(const struct writing *w, const struct tmx_metric *m, const char *member)
{
    const char *mark = "{";
    if (w->node != NULL) {
        fputs("{node=\"", w->out);
        label_value(w->node, w->out);
        fputc('"', w->out);
        mark = ",";
    }
    if (member != NULL) {
        fprintf(w->out, "%smember=\"", mark);
        label_value(member, w->out);
        fputc('"', w->out);
        mark = ",";
    }
    if (m->label != NULL) {
        fputs(mark, w->out);
        mark = ",";
        if (m->value == TMX_METRIC_INFO) {
            info_labels(w->document, m->path, m->label, w->out);
        } else {
            fputs(m->label, w->out);
        }
    }
    if (*mark == ',') {
        fputc('}', w->out);
    }
}

static void sample(struct writing *w, const struct tmx_metric *m, const json_t *v, const char *member)
{
    if (!fits(m, v)) {
        return;
    }
    if (w->told == NULL || strcmp(w->told, m->name) != 0) {
        const struct tmx_metric *first = m;
        while (first->help == NULL) {
            first--;
        }
        bool counter = strlen(m->name) > 6 && strcmp(m->name + strlen(m->name) - 6, "_total") == 0;
        fprintf(w->out, "# HELP tmx_%s_%s %s\n# TYPE tmx_%s_%s %s\n", w->role, m->name, first->help, w->role, m->name,
                counter ? "counter" : "gauge");
        w->told = m->name;
    }
    fprintf(w->out, "tmx_%s_%s", w->role, m->name);
    labels(w, m, member);
    number(m, v, w->out);
}

static void metric(struct writing *w, const struct tmx_metric *m)
{
    const char *path = m->path;
    bool rows;
    const json_t *v = walk(w->document, &path, &rows);
    if (!rows) {
        sample(w, m, v, NULL);
        return;
    }
    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *row = json_array_get(v, i);
        const char *member = json_string_value(json_object_get(row, "member"));
        const char *rest = path;
        const json_t *in_row = walk(row, &rest, &rows);
        assert(!rows);
        if (member != NULL) {
            sample(w, m, in_row, member);
        }
    }
}

void tmx_metrics_write(const json_t *status, FILE *out)
{
    const char *role = json_string_value(json_object_get(status, "role"));
    bool node = role != NULL && strcmp(role, "node") == 0;
    struct writing w = { .out = out, .document = status, .role = node ? "node" : "broker",
                         .node = node ? json_string_value(json_object_get(status, "member")) : NULL };
    for (size_t i = 0; i < tmx_metrics_n; i++) {
        if ((tmx_metrics[i].of & (node ? TMX_METRIC_NODE : TMX_METRIC_BROKER)) != 0) {
            metric(&w, &tmx_metrics[i]);
        }
    }
}
