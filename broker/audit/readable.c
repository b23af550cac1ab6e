/* SPDX-License-Identifier: Apache-2.0
 * CSV and JSON lines. Nothing here needs quotes in CSV: codes, types, ids, digests and numbers are what the parsers let
 * through.
 */
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include <tmx/text.h>

#include "readable.h"

#define CSV_HEADING                                                                                                    \
    "index,time,kind,member,sender,recipient,seq,message,type,outcome,code,acceptance,accepted,expires,bytes,digest,"   \
    "replaces\n"

struct output {
    const struct tmx_audit_filter *filter;
    enum tmx_readable_format format;
    FILE *out;
};

/* What needs more than a number's own text; "" where the line does not say it. */
struct texts {
    char time[TMX_TIME_TEXT_SIZE];
    char accepted[TMX_TIME_TEXT_SIZE];
    char expires[TMX_TIME_TEXT_SIZE];
    char message[TMX_ID_TEXT_SIZE];
    char digest[2 * TMX_HASH_SIZE + 1];
    char replaces[TMX_ID_TEXT_SIZE];
};

static void make_texts(const struct tmx_audit_line *l, struct texts *ret_texts)
{
    *ret_texts = (struct texts){ .time = "" };
    tmx_time_text(l->time_ms, ret_texts->time);
    if (l->accepted_ms != 0) {
        tmx_time_text(l->accepted_ms, ret_texts->accepted);
    }
    if (l->expires_ms != 0) {
        tmx_time_text(l->expires_ms, ret_texts->expires);
    }
    if (l->has_message) {
        tmx_id_text(l->message_id, ret_texts->message);
    }
    if (l->has_digest) {
        tmx_hex(TMX_BYTES_OF(l->container_digest), ret_texts->digest);
    }
    if (l->has_replaces) {
        tmx_id_text(l->replaces, ret_texts->replaces);
    }
}

static void csv_number(FILE *out, bool there, uint64_t value)
{
    if (there) {
        fprintf(out, "%" PRIu64, value);
    }
    fputc(',', out);
}

static void csv_line(FILE *out, const struct tmx_audit_line *l, const struct texts *t)
{
    fprintf(out, "%s%s%" PRIu64 ",%s,%s,%s,%s,%s,", l->touch != NULL ? l->touch : "", l->touch != NULL ? "," : "", l->index, t->time, l->kind, l->member, l->sender, l->recipient);
    csv_number(out, l->seq != 0, l->seq);
    fprintf(out, "%s,%s,%s,%s,", t->message, l->message_type, l->outcome, l->code);
    csv_number(out, l->has_acceptance, l->acceptance);
    fprintf(out, "%s,%s,", t->accepted, t->expires);
    csv_number(out, l->container_bytes != 0, l->container_bytes);
    fprintf(out, "%s,%s\n", t->digest, t->replaces);
}

static void put_text(json_t *object, const char *key, const char *text)
{
    if (text[0] != '\0') {
        (void)json_object_set_new(object, key, json_string(text));
    }
}

static void put_number(json_t *object, const char *key, bool there, uint64_t value)
{
    if (there) {
        (void)json_object_set_new(object, key, json_integer((json_int_t)value));
    }
}

/* What is not known is left out. */
static int json_line(FILE *out, const struct tmx_audit_line *l, const struct texts *t, bool end)
{
    json_t *o = json_object();
    int r;

    if (o == NULL) {
        return -ENOMEM;
    }
    put_text(o, "touched", l->touch != NULL ? l->touch : "");
    put_number(o, "index", true, l->index);
    put_text(o, "time", t->time);
    put_text(o, "kind", l->kind);
    put_text(o, "member", l->member);
    put_text(o, "sender", l->sender);
    put_text(o, "recipient", l->recipient);
    put_number(o, "seq", l->seq != 0, l->seq);
    put_text(o, "message", t->message);
    put_text(o, "type", l->message_type);
    put_text(o, "outcome", l->outcome);
    put_text(o, "code", l->code);
    put_number(o, "acceptance", l->has_acceptance, l->acceptance);
    put_text(o, "accepted", t->accepted);
    put_text(o, "expires", t->expires);
    put_number(o, "bytes", l->container_bytes != 0, l->container_bytes);
    put_text(o, "digest", t->digest);
    put_text(o, "replaces", t->replaces);
    r = json_dumpf(o, out, JSON_COMPACT) < 0 || (end && fputc('\n', out) == EOF) ? -EIO : 0;
    json_decref(o);
    return r;
}

int tmx_readable_line(const struct tmx_audit_line *line, enum tmx_readable_format format, FILE *out)
{
    struct texts texts;

    make_texts(line, &texts);
    if (format != READABLE_CSV) {
        return json_line(out, line, &texts, format == READABLE_JSONL);
    }
    csv_line(out, line, &texts);
    return ferror(out) ? -EIO : 0;
}

void tmx_readable_heading(enum tmx_readable_format format, FILE *out)
{
    if (format == READABLE_CSV) {
        fputs(CSV_HEADING, out);
    }
}

static int on_line(void *ctx, const struct tmx_audit_line *l)
{
    const struct output *o = ctx;

    return tmx_audit_wanted(o->filter, l) ? tmx_readable_line(l, o->format, o->out) : 0;
}

bool tmx_readable_parse(const char *text, enum tmx_readable_format *ret_format)
{
    if (strcmp(text, "csv") == 0) {
        *ret_format = READABLE_CSV;
    } else if (strcmp(text, "jsonl") == 0) {
        *ret_format = READABLE_JSONL;
    } else {
        return false;
    }
    return true;
}

int tmx_readable(struct tmx_history *h, const struct tmx_audit_filter *filter, enum tmx_readable_format format, FILE *out,
                 char ret_why[HISTORY_WHY_MAX])
{
    struct output o = { filter, format, out };

    tmx_readable_heading(format, out);
    return tmx_audit_lines(h, on_line, &o, ret_why);
}
