/* SPDX-License-Identifier: Apache-2.0
 * fold: asks, compares, and says which row differs.
 */
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include <tmx/text.h>

#include "commands.h"
#include "fold.h"
#include "progress.h"
#include "summary.h"

#define FIELD_TEXT_MAX 65u /* a digest in hexadecimal */

/* --- fields --------------------------------------------------------------------------------------------------- */

static uint64_t number_of(struct tmx_bytes field)
{
    uint64_t n = 0;

    for (size_t i = 0; i < field.size; i++) {
        n = n << 8 | field.data[i];
    }
    return n;
}

static void field_text(enum tmx_projection_kind kind, struct tmx_bytes field, char ret_text[FIELD_TEXT_MAX])
{
    switch (kind) {
    case TMX_PROJECTION_MEMBER:
        tmx_printable(TMX_BYTES(field.data, strnlen((const char *)field.data, field.size)), ret_text, FIELD_TEXT_MAX);
        break;
    case TMX_PROJECTION_ID:
    case TMX_PROJECTION_DIGEST:
        tmx_hex(field, ret_text);
        break;
    case TMX_PROJECTION_STATE:
        snprintf(ret_text, FIELD_TEXT_MAX, "%s", tmx_projection_state_name(field.data[0]));
        break;
    case TMX_PROJECTION_U64:
    case TMX_PROJECTION_U32:
    case TMX_PROJECTION_U8:
        snprintf(ret_text, FIELD_TEXT_MAX, "%" PRIu64, number_of(field));
        break;
    }
}

/* "recipient FR, state arrived": those fields from `first` on that are in `others` otherwise, or all when it is NULL. */
static void print_fields(const struct tmx_projection_layout *l, size_t first, size_t end, const uint8_t *row, const uint8_t *others)
{
    const char *between = "";
    size_t at = 0;

    for (size_t i = 0; i < end; i++) {
        const size_t size = tmx_projection_field_size(l->fields[i].kind);
        char text[FIELD_TEXT_MAX];

        if (i >= first && (others == NULL || memcmp(row + at, others + at, size) != 0)) {
            field_text(l->fields[i].kind, TMX_BYTES(row + at, size), text);
            printf("%s%s %s", between, l->fields[i].name, text);
            between = ", ";
        }
        at += size;
    }
    printf("\n");
}

static json_t *fields_json(const struct tmx_projection_layout *l, size_t first, size_t end, const uint8_t *row)
{
    json_t *fields = json_object();
    size_t at = 0;

    for (size_t i = 0; i < end; i++) {
        const enum tmx_projection_kind kind = l->fields[i].kind;
        const struct tmx_bytes field = TMX_BYTES(row + at, tmx_projection_field_size(kind));
        const bool number = kind == TMX_PROJECTION_U64 || kind == TMX_PROJECTION_U32 || kind == TMX_PROJECTION_U8;
        char text[FIELD_TEXT_MAX];

        field_text(kind, field, text);
        if (i >= first) {
            (void)json_object_set_new(fields, l->fields[i].name,
                                      number ? json_integer((json_int_t)number_of(field)) : json_string(text));
        }
        at += field.size;
    }
    return fields;
}

/* --- the verdict ---------------------------------------------------------------------------------------------- */

static void print_difference(const struct tmx_fold_difference *d)
{
    const struct tmx_projection_layout *l = tmx_projection_layout(d->table);

    printf("verdict      DIFFERENT at %" PRIu64 " entries, in %s: ", d->size, l->name);
    if (!d->in_log && !d->at_broker) {
        printf("the log gives two rows for one key\n");
        return;
    }
    print_fields(l, 0, l->n_keys, d->at_broker ? d->broker : d->log, NULL);
    if (!d->in_log) {
        printf("             the log     gives none\n");
    } else if (!d->at_broker) {
        printf("             the log     gives it since entry %" PRIu64 "\n", d->since);
    } else {
        printf("             the log     since entry %" PRIu64 ": ", d->since);
        print_fields(l, l->n_keys, l->n_fields, d->log, d->broker);
    }
    if (!d->at_broker) {
        printf("             the broker  has none\n");
    } else {
        printf("             the broker  ");
        print_fields(l, l->n_keys, l->n_fields, d->broker, d->in_log ? d->log : NULL);
    }
}

static void print_result(const struct tmx_fold_result *r)
{
    printf("log          %s, %" PRIu64 " entries\n", r->head.origin, r->head.size);
    printf("broker       as it was after %" PRIu64, r->first_size);
    if (r->last_size != r->first_size) {   /* it went on between two answers */
        printf(" to %" PRIu64, r->last_size);
    }
    printf(" of them\n");
    if (r->differs) {
        print_difference(&r->difference);
        return;
    }
    for (unsigned t = 0; t < TMX_PROJECTION_TABLES; t++) {
        printf("%-13s%" PRIu64, tmx_projection_layout((enum tmx_projection_table)t)->name, r->rows[t]);
        for (uint8_t s = 0; t == TMX_PROJECTION_DELIVERIES && s < TMX_PROJECTION_STATES; s++) {
            printf("%s%" PRIu64 " %s", s == 0 ? ": " : ", ", r->states[s], tmx_projection_state_name(s));
        }
        printf("\n");
    }
    printf("verdict      equal: the broker's state is what its log gives\n");
}

static json_t *difference_json(const struct tmx_fold_difference *d)
{
    const struct tmx_projection_layout *l = tmx_projection_layout(d->table);
    const bool both = d->in_log && d->at_broker;

    return json_pack("{s:s, s:I, s:o, s:o, s:o, s:o}", "table", l->name, "size", (json_int_t)d->size, "row",
                     fields_json(l, 0, l->n_keys, d->at_broker ? d->broker : d->log), "since",
                     d->in_log ? json_integer((json_int_t)d->since) : json_null(), "log",
                     both ? fields_json(l, l->n_keys, l->n_fields, d->log) : json_boolean(d->in_log), "broker",
                     d->at_broker ? fields_json(l, l->n_keys, l->n_fields, d->broker) : json_false());
}

static int result_json(const struct tmx_fold_result *r)
{
    json_t *rows = json_object();
    json_t *states = json_object();

    for (unsigned t = 0; t < TMX_PROJECTION_TABLES; t++) {
        (void)json_object_set_new(rows, tmx_projection_layout((enum tmx_projection_table)t)->name,
                                  json_integer((json_int_t)r->rows[t]));
    }
    for (uint8_t s = 0; s < TMX_PROJECTION_STATES; s++) {
        (void)json_object_set_new(states, tmx_projection_state_name(s), json_integer((json_int_t)r->states[s]));
    }
    return tmx_audit_print_json(json_pack("{s:s, s:s, s:I, s:I, s:I, s:o, s:o, s:o}", "verdict", r->differs ? "different" : "equal",
                                          "origin", r->head.origin, "size", (json_int_t)r->head.size, "first_size",
                                          (json_int_t)r->first_size, "last_size", (json_int_t)r->last_size, "rows", rows,
                                          "deliveries", states, "difference",
                                          r->differs ? difference_json(&r->difference) : json_null()));
}

/* A log that breaks its rules gives no state. */
static int print_fault(const struct arguments *a, const struct tmx_check *c)
{
    int r = 0;

    if ((a->given & OPTION_JSON) != 0) {
        r = tmx_summary_json(c, stdout);
    } else {
        tmx_summary_print(c, stdout);
    }
    return r < 0 || fflush(stdout) != 0 ? tmx_audit_complain("cannot write the result")
                                        : tmx_audit_complain("the log itself does not verify: the broker's state was not compared");
}

static int print_verdict(const struct arguments *a, const struct tmx_fold_result *result)
{
    int r = 0;

    if (!tmx_audit_ok(tmx_check_audit(result->check))) {
        return print_fault(a, result->check);
    }
    if ((a->given & OPTION_JSON) != 0) {
        r = result_json(result);
    } else {
        print_result(result);
    }
    if (r < 0 || fflush(stdout) != 0) {
        return tmx_audit_complain("cannot write the result");
    }
    return result->differs ? EXIT_FAILED : EXIT_OK;
}

static int fold(const struct arguments *a, struct tmx_fold_order *order)
{
    struct tmx_progress progress = tmx_progress_begin();
    struct tmx_fold_result result;
    char why[EXPORT_WHY_MAX];
    int r;

    order->export.progress = tmx_progress_step;
    order->export.progress_ctx = &progress;
    r = tmx_fold_run(order, &result, why);
    tmx_progress_end(&progress);
    if (r < 0) {
        fprintf(stderr, "tmx-audit: %s: %s\n", why, strerror(-r));
        return EXIT_FAILED;
    }
    r = print_verdict(a, &result);
    tmx_check_free(result.check);
    return r;
}

int tmx_run_fold(const struct arguments *a)
{
    struct tmx_fold_order order = { .export = { .socket = a->socket, .dir = a->operands[0] }, .authority = a->authority, .jobs = a->jobs };
    struct tmx_signify_key key;
    int r = tmx_audit_sign_key(a, &key, &order.export.key);

    r = r == EXIT_OK ? fold(a, &order) : r;
    sodium_memzero(&key, sizeof key);
    return r;
}
