/* SPDX-License-Identifier: Apache-2.0
 * The result of an audit, as text and as JSON.
 */
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include <tmx/text.h>

#include "summary.h"

static const char *const outcome_names[] = { "", "coa", "cod-positive", "cod-negative", "expired", "exception" };

static void print_counts(const struct tmx_audit_summary *s, FILE *out)
{
    fprintf(out, "entries     %" PRIu64 "\n", s->entries);
    for (size_t k = 1; k < AUDIT_KINDS; k++) {
        if (s->kinds[k] > 0) {
            fprintf(out, "  %-18s %" PRIu64 "\n", tmx_audit_kind_name((unsigned)k), s->kinds[k]);
        }
    }
    fprintf(out, "deliveries  %" PRIu64 "\n", s->deliveries);
    fprintf(out, "  %-18s %" PRIu64 "\n  %-18s %" PRIu64 "\n", "queued", s->queued, "arrived", s->arrived);
    for (size_t o = TMX__OUTCOME__OUTCOME_COD_POSITIVE; o < TMX_N(s->outcomes); o++) {
        fprintf(out, "  %-18s %" PRIu64 "\n", outcome_names[o], s->outcomes[o]);
    }
}

static void print_faults(const struct tmx_audit_summary *s, FILE *out)
{
    for (enum tmx_audit_class c = 0; c < AUDIT_N_CLASSES; c++) {
        const struct tmx_audit_fault *f = &s->faults[c];

        if (f->count == 0) {
            continue;
        }
        fprintf(out, "fault       %s: %s (%" PRIu64 " time%s)\n", tmx_audit_class_name(c), tmx_audit_class_meaning(c),
                f->count, f->count == 1 ? "" : "s");
        if (f->index == AUDIT_NO_INDEX) {
            fprintf(out, "            first: %s\n", f->text);
        } else {
            fprintf(out, "            first: entry %" PRIu64 ": %s\n", f->index, f->text);
        }
    }
}

static void print_witnesses(const struct tmx_check *c, FILE *out)
{
    struct tmx_quorum q;
    char since[TMX_TIME_TEXT_SIZE];
    const unsigned witnesses = tmx_check_witnesses(c, &q);

    if (witnesses == 0) {
        return;
    }
    tmx_time_text(q.reached_s * 1000, since);
    fprintf(out, "witnessed   by %u of %u, %s%s\n", q.witnesses, witnesses,
            q.reached ? "a quorum since " : "fewer than the policy asks for", q.reached ? since : "");
}

/* The shard before, by what leaf 0 names of it. */
static void print_follows(const struct tmx_audit_summary *s, FILE *out)
{
    if (s->follows.size == 0) {
        return;
    }
    fprintf(out, "follows     %s, %" PRIu64 " entries", s->follows.origin, s->follows.size);
    if (s->follows_witnesses > 0) {
        fprintf(out, ", cosigned by %u of %u%s", s->follows_quorum.witnesses, s->follows_witnesses,
                s->follows_quorum.reached ? "" : ", fewer than the policy asks for");
    }
    fprintf(out, "\n");
}

static void print_old_heads(const struct tmx_check *c, FILE *out)
{
    const struct tmx_check_heads *h = tmx_check_heads(c);
    char first[TMX_TIME_TEXT_SIZE];
    char last[TMX_TIME_TEXT_SIZE];

    if (h->hourly > 0) {
        fprintf(out, "hourly      %" PRIu64 " checkpoint%s, by %u", h->hourly, h->hourly == 1 ? "" : "s", h->least);
        if (h->least != h->most) {
            fprintf(out, " to %u", h->most);
        }
        fprintf(out, " witnesses, %" PRIu64 " with a quorum", h->quorum);
        if (h->unjudged > 0) {
            fprintf(out, "; of %" PRIu64 " it is pruned which directory was in force", h->unjudged);
        }
        fprintf(out, "\n");
    }
    if (h->anchors == 0) {
        return;
    }
    tmx_time_text(h->first_ms, first);
    tmx_time_text(h->last_ms, last);
    fprintf(out, "anchors     %" PRIu64 ", ", h->anchors);
    if (h->loose > 0) {
        fprintf(out, "of %" PRIu64 " the entry was pruned, ", h->loose);
    }
    if (!h->stamps) {
        fprintf(out, "but no token was verified: --tsa says by whose certificates\n");
    } else if (h->stamped == 0) {
        fprintf(out, "no token verifies\n");
    } else {
        fprintf(out, "%" PRIu64 " verified, stamped from %s to %s\n", h->stamped, first, last);
    }
}

void tmx_summary_print(const struct tmx_check *c, FILE *out)
{
    const struct tmx_audit_summary *s = tmx_audit_result(tmx_check_audit(c));
    char first[TMX_TIME_TEXT_SIZE];
    char last[TMX_TIME_TEXT_SIZE];
    const char *code;
    uint64_t signed_bodies;
    size_t at = 0;

    tmx_time_text(s->first_ms, first);
    tmx_time_text(s->last_ms, last);
    fprintf(out, "log         %s\nsize        %" PRIu64 "\n", tmx_check_head(c)->origin, tmx_check_head(c)->size);
    print_witnesses(c, out);
    if (tmx_check_pruned(c) > 0) {
        fprintf(out, "pruned      entries 0 to %" PRIu64 ": only their place in the tree was checked\n", tmx_check_pruned(c) - 1);
    }
    print_follows(s, out);
    print_old_heads(c, out);
    fprintf(out, "from        %s\nto          %s\n", first, last);
    print_counts(s, out);
    fprintf(out, "signed by\n");
    while (tmx_audit_next_member(tmx_check_audit(c), &at, &code, &signed_bodies)) {
        fprintf(out, "  %-18s %" PRIu64 "\n", code, signed_bodies);
    }
    print_faults(s, out);
    fprintf(out, "verdict     %s\n", tmx_audit_ok(tmx_check_audit(c)) ? "ok" : "FAILED");
}

static json_t *faults_json(const struct tmx_audit_summary *s)
{
    json_t *list = json_array();

    for (enum tmx_audit_class c = 0; c < AUDIT_N_CLASSES; c++) {
        const struct tmx_audit_fault *f = &s->faults[c];
        char text[4 * sizeof f->text + 1];

        if (f->count == 0) {
            continue;
        }
        tmx_printable(tmx_bytes_str(f->text), text, sizeof text);
        (void)json_array_append_new(
            list,
            json_pack("{s:s, s:s, s:I, s:o, s:s}", "class", tmx_audit_class_name(c), "meaning",
                      tmx_audit_class_meaning(c), "count", (json_int_t)f->count, "first_index",
                      f->index == AUDIT_NO_INDEX ? json_null() : json_integer((json_int_t)f->index), "first", text));
    }
    return list;
}

static json_t *follows_json(const struct tmx_audit_summary *s)
{
    char root[TMX_BASE64_SIZE(TMX_HASH_SIZE)];

    if (s->follows.size == 0) {
        return json_null();
    }
    tmx_base64(TMX_BYTES_OF(s->follows.root.b), root);
    return json_pack("{s:s, s:I, s:s, s:{s:I, s:I, s:b}}", "origin", s->follows.origin, "size",
                     (json_int_t)s->follows.size, "root", root, "witnesses", "of", (json_int_t)s->follows_witnesses, "by",
                     (json_int_t)s->follows_quorum.witnesses, "quorum", s->follows_quorum.reached ? 1 : 0);
}

static json_t *members_json(const struct tmx_audit *a)
{
    json_t *members = json_object();
    const char *code;
    uint64_t signed_bodies;
    size_t at = 0;

    while (tmx_audit_next_member(a, &at, &code, &signed_bodies)) {
        (void)json_object_set_new(members, code, json_integer((json_int_t)signed_bodies));
    }
    return members;
}

static json_t *hourly_json(const struct tmx_check_heads *h)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I}", "checkpoints", (json_int_t)h->hourly, "unjudged", (json_int_t)h->unjudged, "least", (json_int_t)h->least, "most",
                     (json_int_t)h->most, "quorum", (json_int_t)h->quorum);
}

/* "verified" is null where nobody looked. */
static json_t *anchors_json(const struct tmx_check_heads *h)
{
    return json_pack("{s:I, s:I, s:o, s:I, s:I}", "tokens", (json_int_t)h->anchors, "pruned", (json_int_t)h->loose, "verified",
                     h->stamps ? json_integer((json_int_t)h->stamped) : json_null(), "first_ms", (json_int_t)h->first_ms,
                     "last_ms", (json_int_t)h->last_ms);
}

int tmx_summary_json(const struct tmx_check *c, FILE *out)
{
    const struct tmx_audit_summary *s = tmx_audit_result(tmx_check_audit(c));
    char root[TMX_BASE64_SIZE(TMX_HASH_SIZE)];
    json_t *kinds = json_object();
    json_t *deliveries = json_object();
    json_t *all;
    int r;

    for (size_t k = 0; k < AUDIT_KINDS; k++) {
        (void)json_object_set_new(kinds, tmx_audit_kind_name((unsigned)k), json_integer((json_int_t)s->kinds[k]));
    }
    (void)json_object_set_new(deliveries, "all", json_integer((json_int_t)s->deliveries));
    (void)json_object_set_new(deliveries, "queued", json_integer((json_int_t)s->queued));
    (void)json_object_set_new(deliveries, "arrived", json_integer((json_int_t)s->arrived));
    for (size_t o = TMX__OUTCOME__OUTCOME_COD_POSITIVE; o < TMX_N(s->outcomes); o++) {
        (void)json_object_set_new(deliveries, outcome_names[o], json_integer((json_int_t)s->outcomes[o]));
    }
    struct tmx_quorum q;
    const unsigned witnesses = tmx_check_witnesses(c, &q);

    tmx_base64(TMX_BYTES_OF(tmx_check_head(c)->root.b), root);
    all = json_pack("{s:s, s:s, s:I, s:s, s:I, s:I, s:I, s:o, s:o, s:o, s:o}", "verdict",
                    tmx_audit_ok(tmx_check_audit(c)) ? "ok" : "failed", "origin", tmx_check_head(c)->origin, "size",
                    (json_int_t)tmx_check_head(c)->size, "root", root, "entries", (json_int_t)s->entries, "first_ms",
                    (json_int_t)s->first_ms, "last_ms", (json_int_t)s->last_ms, "kinds", kinds, "deliveries",
                    deliveries, "signed_by", members_json(tmx_check_audit(c)), "faults", faults_json(s));
    if (all == NULL) {
        return -ENOMEM;
    }
    (void)json_object_set_new(all, "min_index", json_integer((json_int_t)tmx_check_pruned(c)));
    (void)json_object_set_new(all, "witnesses", json_pack("{s:I, s:I, s:b, s:I}", "of", (json_int_t)witnesses, "by",
                              (json_int_t)q.witnesses, "quorum", q.reached ? 1 : 0, "quorum_at_ms", (json_int_t)(q.reached_s * 1000)));
    (void)json_object_set_new(all, "follows", follows_json(s));
    (void)json_object_set_new(all, "hourly", hourly_json(tmx_check_heads(c)));
    (void)json_object_set_new(all, "anchors", anchors_json(tmx_check_heads(c)));
    r = json_dumpf(all, out, JSON_INDENT(2)) < 0 || fputc('\n', out) == EOF ? -EIO : 0;
    json_decref(all);
    return r;
}
