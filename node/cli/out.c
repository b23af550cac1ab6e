/* SPDX-License-Identifier: Apache-2.0
 * Tables and JSON of `tmx`. */
#include "out.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tmx/text.h>

#define CELL_MAX 1024u
#define RECENT 8u   /* texts out_time and out_id keep alive */

static void *needed(void *p)
{
    if (p == NULL) {
        fprintf(stderr, "tmx: no memory\n");
        exit(1);
    }
    return p;
}

struct libscols_table *out_table(const struct out_column *columns, size_t n)
{
    struct libscols_table *table = needed(scols_new_table());

    scols_table_enable_colors(table, isatty(STDOUT_FILENO));
    scols_table_enable_noencoding(table, 1);   /* cells are safe already, and would be escaped twice */
    for (size_t i = 0; i < n; i++) {
        needed(scols_table_new_column(table, columns[i].name, 0, columns[i].right ? SCOLS_FL_RIGHT : 0));
    }
    return table;
}

struct libscols_line *out_line(struct libscols_table *table)
{
    return needed(scols_table_new_line(table, NULL));
}

static void printable_args(char safe[CELL_MAX], const char *fmt, va_list args) TMX_PRINTF(2, 0);
static void printable_args(char safe[CELL_MAX], const char *fmt, va_list args)
{
    char raw[CELL_MAX];

    vsnprintf(raw, sizeof(raw), fmt, args);
    tmx_printable(tmx_bytes_str(raw), safe, CELL_MAX);
}

void out_cell(struct libscols_line *line, size_t column, const char *fmt, ...)
{
    char safe[CELL_MAX];
    va_list args;

    va_start(args, fmt);
    printable_args(safe, fmt, args);
    va_end(args);
    if (scols_line_set_data(line, column, safe) != 0) {
        needed(NULL);
    }
}

void out_mood(struct libscols_line *line, size_t column, const char *word)
{
    static const char *const good[] = { "CoD", "delivered" };
    static const char *const bad[] = { "refused", "expired", "CoE", "rejected", "exception" };
    const char *color = NULL;

    for (size_t i = 0; i < TMX_N(good); i++) {
        color = strcmp(word, good[i]) == 0 ? "green" : color;
    }
    for (size_t i = 0; i < TMX_N(bad); i++) {
        color = strcmp(word, bad[i]) == 0 ? "red" : color;
    }
    if (color != NULL) {
        scols_cell_set_color(scols_line_get_cell(line, column), color);
    }
}

void out_finish(struct libscols_table *table)
{
    if (scols_table_get_nlines(table) > 0) {
        scols_print_table(table);
    }
    scols_unref_table(table);
    fflush(stdout);   /* before what stderr says about it */
}

void out_pair(const char *name, const char *fmt, ...)
{
    char safe[CELL_MAX];
    va_list args;

    va_start(args, fmt);
    printable_args(safe, fmt, args);
    va_end(args);
    if (safe[0] != '\0') {
        printf("%-16s %s\n", name, safe);
    }
}

const char *out_time(uint64_t ms)
{
    static char texts[RECENT][TMX_TIME_TEXT_SIZE];
    static size_t next;

    if (ms == 0) {
        return "";
    }
    char *text = texts[next++ % RECENT];
    tmx_time_text(ms, text);
    return text;
}

const char *out_id(const uint8_t id[16])
{
    static char texts[RECENT][TMX_ID_TEXT_SIZE];
    static size_t next;
    char *text = texts[next++ % RECENT];

    tmx_id_text(id, text);
    return text;
}

const char *out_tick(bool yes)
{
    return yes ? "✓" : "-";
}

json_t *out_json_text(const char *text)
{
    char safe[CELL_MAX];
    json_t *value = json_string(text);

    if (value == NULL) {   /* not UTF-8 */
        tmx_printable(tmx_bytes_str(text), safe, sizeof(safe));
        value = json_string(safe);
    }
    return needed(value);
}

json_t *out_json_id(const uint8_t *id)
{
    return id != NULL ? json_string(out_id(id)) : json_null();
}

json_t *out_json_time(uint64_t ms)
{
    return ms != 0 ? json_string(out_time(ms)) : json_null();
}

static json_t *number(uint64_t n)
{
    return json_integer((json_int_t)n);
}

json_t *out_json_step(const struct tmx_client_step *s)
{
    bool logged = s->shard[0] != '\0';

    return needed(json_pack("{s:o s:o s:o s:o s:o s:o s:o s:o s:b}", "time", out_json_time(s->time_ms), "what",
                            out_json_text(s->what), "who", out_json_text(s->who), "recipient",
                            out_json_text(s->recipient), "code", number(s->code), "text", out_json_text(s->text),
                            "shard", out_json_text(s->shard), "index", logged ? number(s->index) : json_null(),
                            "verified", s->verified));
}

json_t *out_json_message(const struct tmx_client_message *m)
{
    json_t *deliveries = json_array(), *steps = json_array();

    for (size_t i = 0; i < m->n_deliveries; i++) {
        const struct tmx_client_delivery *d = &m->deliveries[i];
        json_array_append_new(deliveries, json_pack("{s:o s:o s:o}", "recipient", out_json_text(d->recipient), "seq",
                                                    number(d->seq), "state", out_json_text(d->state)));
    }
    for (size_t i = 0; i < m->n_steps; i++) {
        json_array_append_new(steps, out_json_step(&m->steps[i]));
    }
    json_t *head = json_pack("{s:o s:s s:o s:o s:o s:o s:o s:o s:o s:o}", "id", out_json_id(m->message_id),
                             "direction", m->direction == TMX_CLIENT_SENT ? "sent" : "received", "type",
                             out_json_text(m->message_type), "from", out_json_text(m->sender), "reference",
                             out_json_text(m->reference), "mrn", out_json_text(m->mrn), "lrn", out_json_text(m->lrn),
                             "business_id", out_json_text(m->business_id), "business_correlation",
                             out_json_text(m->business_correlation), "correlation_id", out_json_id(m->correlation_id));
    json_t *tail = json_pack("{s:o s:o s:o s:o s:o s:o s:o}", "priority", number(m->priority), "sent",
                             out_json_time(m->sent_ms), "expires", out_json_time(m->expires_ms), "payload_bytes",
                             number(m->payload_bytes), "replaces", out_json_id(m->replaces), "deliveries", deliveries,
                             "steps", steps);
    json_object_update(needed(head), needed(tail));
    json_decref(tail);
    return head;
}

void out_json(json_t *object)
{
    json_dumpf(needed(object), stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
    putchar('\n');
    json_decref(object);
}
