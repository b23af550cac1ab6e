/* SPDX-License-Identifier: Apache-2.0
 * What a key has touched, as text and as data.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <tmx/text.h>

#include "compromise_print.h"
#include "readable.h"

struct output {
    enum tmx_compromise_form form;
    bool any; /* a line was printed */
};

/* --- rows ----------------------------------------------------------------------------------------------------- */

static void print_row(enum tmx_touch touch, const struct tmx_audit_line *l)
{
    char time[TMX_TIME_TEXT_SIZE];
    char message[TMX_ID_TEXT_SIZE] = "";

    tmx_time_text(l->time_ms, time);
    if (l->has_message) {
        tmx_id_text(l->message_id, message);
    }
    printf("%9" PRIu64 "  %-24s  %-15s  %-8s  %-9s  %-8s  %-9s  %s\n", l->index, time, tmx_touch_name(touch), l->sender, l->recipient,
           l->message_type, l->outcome[0] != '\0' ? l->outcome : l->kind, message);
}

static int on_touch(void *ctx, enum tmx_touch touch, const struct tmx_audit_line *l)
{
    struct output *o = ctx;
    struct tmx_audit_line line = *l;
    int r = 0;

    line.touch = tmx_touch_name(touch);
    if (o->form == COMPROMISE_JSON) {
        printf("%s\n", o->any ? "," : "");
        r = tmx_readable_line(&line, READABLE_JSON, stdout);
    } else if (o->form != COMPROMISE_TABLE) {
        r = tmx_readable_line(&line, o->form == COMPROMISE_CSV ? READABLE_CSV : READABLE_JSONL, stdout);
    } else {
        if (!o->any) {
            printf("%9s  %-24s  %-15s  %-8s  %-9s  %-8s  %-9s  %s\n", "INDEX", "TIME", "TOUCHED", "SENDER", "RECIPIENT", "TYPE", "SAYS", "MESSAGE");
        }
        print_row(touch, l);
    }
    o->any = true;
    return r < 0 || ferror(stdout) ? -EIO : 0;
}

/* --- around them ---------------------------------------------------------------------------------------------- */

/* Where evidence begins to be doubtful: as asked, or with what was touched first. */
static uint64_t since(const struct tmx_compromise *c)
{
    return c->from_index > 0 || !c->touched ? c->from_index : c->first;
}

static void print_remedy(const struct tmx_history *h, const struct tmx_suspect *s, const struct tmx_compromise *c)
{
    const struct tmx_bytes shard = tmx_audit_shard(h->head.origin);

    if (s->outside) {
        printf("revoke      take the witness out of the policy: tmx-authority policy\n");
    } else if (s->use == KEY_USE_PREKEY) {
        printf("revoke      %s publishes other prekeys; what was sealed to this one can be read by who has it\n", s->owner);
    } else if (s->use == KEY_USE_LAST_RESORT) {
        printf("revoke      have %s admitted with another last-resort key: tmx-authority request\n", s->owner);
    } else {
        printf("revoke      tmx-authority revoke %s --key %s --compromised-since %.*s:%" PRIu64 "\n", s->owner, s->id, (int)shard.size,
               (const char *)shard.data, since(c));
    }
}

static void print_key(const struct tmx_history *h, const struct tmx_suspect *s)
{
    char key[2 * TMX_HASH_SIZE + 1];

    tmx_hex(TMX_BYTES_OF(s->key), key);
    printf("log         %s, %" PRIu64 " entries\n", h->head.origin, h->head.size);
    tmx_history_say_pruned(h, stdout);
    printf("key         %s key %s of %s%s: %s\n\n", tmx_key_use_name(s->use), s->id, s->outside ? "the witness " : "", s->owner, key);
}

static void print_summary(const struct tmx_history *h, const struct tmx_suspect *s, const struct tmx_compromise *c)
{
    bool any = false;

    for (unsigned t = 0; t < TOUCHES; t++) {
        if (c->entries[t] > 0) {
            printf("%s%-12s%-15s%6" PRIu64 "\n", any ? "" : "\n", any ? "" : "touched", tmx_touch_name((enum tmx_touch)t), c->entries[t]);
            any = true;
        }
    }
    if (!any) {
        printf("touched     nothing in this part of the log\n");
    } else if (c->touched) {
        printf("            from entry %" PRIu64 " to entry %" PRIu64 "\n", c->first, c->last);
    }
    print_remedy(h, s, c);
}

/* The document is written as it is found: its rows may be many. */
static int begin_json(const struct tmx_history *h, const struct tmx_suspect *s, const struct tmx_compromise *c)
{
    char key[2 * TMX_HASH_SIZE + 1];

    tmx_hex(TMX_BYTES_OF(s->key), key);
    return printf("{\"origin\": \"%s\", \"size\": %" PRIu64 ", \"min_index\": %" PRIu64 ", \"use\": \"%s\", \"owner\": \"%s\", \"id\": \"%s\", "
                  "\"key\": \"%s\", \"from\": %" PRIu64 ", \"to\": %" PRIu64 ",\n\"rows\": [",
                  h->head.origin, h->head.size, h->pruned, tmx_key_use_name(s->use), s->owner, s->id, key, c->from_index,
                  c->to_index < h->head.size ? c->to_index : h->head.size) < 0
               ? -EIO
               : 0;
}

static void end_json(const struct tmx_compromise *c, bool verified)
{
    printf("],\n\"verified\": %s, \"since\": %" PRIu64 ", \"touched\": {", verified ? "true" : "false", since(c));
    for (unsigned t = 0; t < TOUCHES; t++) {
        printf("%s\"%s\": %" PRIu64, t == 0 ? "" : ", ", tmx_touch_name((enum tmx_touch)t), c->entries[t]);
    }
    printf("}}\n");
}

int tmx_compromise_print(struct tmx_history *h, const char *key, struct tmx_compromise *c, enum tmx_compromise_form form,
                         char ret_why[HISTORY_WHY_MAX])
{
    struct output o = { .form = form };
    struct tmx_suspect s;
    int r = tmx_suspect_find(h, key, &s, ret_why);

    if (r < 0) {
        return r;
    }
    if (form == COMPROMISE_JSON) {
        r = begin_json(h, &s, c);
    } else if (form == COMPROMISE_TABLE) {
        print_key(h, &s);
    } else {
        printf("%s", form == COMPROMISE_CSV ? "touched," : "");
        tmx_readable_heading(form == COMPROMISE_CSV ? READABLE_CSV : READABLE_JSONL, stdout);
    }
    r = r == 0 ? tmx_compromise_run(h, &s, c, on_touch, &o, ret_why) : r;
    if (form == COMPROMISE_JSON) {
        end_json(c, r == 0);
    } else if (form == COMPROMISE_TABLE && r == 0) {
        print_summary(h, &s, c);
    }
    r = r == 0 && (fflush(stdout) != 0 || ferror(stdout)) ? -EIO : r;
    if (r == -EIO) {
        snprintf(ret_why, HISTORY_WHY_MAX, "cannot write the result");
    }
    return r;
}
