/* SPDX-License-Identifier: Apache-2.0
 * tmx-audit compare: two histories of one log, or the logs of a shard and of the one before it.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include <tmx/text.h>

#include "commands.h"
#include "compare.h"
#include "successor.h"

static void print_history(const struct tmx_history *h)
{
    printf("%-11s %s, %" PRIu64 " entries\n", h->fd < 0 ? "checkpoint" : "export", h->path, h->head.size);
}

static void print_comparison(const struct tmx_history *shorter, const struct tmx_history *longer,
                             const struct tmx_comparison *c)
{
    printf("log         %s\n", shorter->head.origin);
    print_history(shorter);
    print_history(longer);
    if (!c->fork) {
        printf("verdict     consistent: %s\n",
               shorter->head.size == longer->head.size ? "the same entries" : "the longer continues the shorter");
        return;
    }
    printf("verdict     FORK: the log signed two histories\n");
    if (c->located) {
        printf("            they differ from entry %" PRIu64 " on\n", c->index);
    }
}

static json_t *history_json(const struct tmx_history *h)
{
    char root[TMX_BASE64_SIZE(TMX_HASH_SIZE)];

    tmx_base64(TMX_BYTES_OF(h->head.root.b), root);
    return json_pack("{s:s, s:s, s:I, s:s}", "kind", h->fd < 0 ? "checkpoint" : "export", "path", h->path, "size",
                     (json_int_t)h->head.size, "root", root);
}

static int print_json(const struct tmx_history *shorter, const struct tmx_history *longer,
                      const struct tmx_comparison *c)
{
    json_t *all = json_pack("{s:s, s:s, s:o, s:o, s:o}", "verdict", c->fork ? "fork" : "consistent", "origin",
                            shorter->head.origin, "shorter", history_json(shorter), "longer", history_json(longer),
                            "first_difference",
                            c->located ? json_integer((json_int_t)c->index) : json_null());

    return tmx_audit_print_json(all);
}

/* A fork is what the command was asked to find: the proof goes to the file. */
static int report_fork(const struct arguments *a, const struct tmx_history *shorter, const struct tmx_history *longer,
                       const struct tmx_comparison *c)
{
    static uint8_t proof[FORK_PROOF_MAX];
    struct tmx_writer w = TMX_WRITER_OF(proof);

    if (a->out == NULL) {
        fprintf(stderr, "tmx-audit: keep both; --out FILE writes the proof, for whoever has the log's key\n");
        return EXIT_FAILED;
    }
    tmx_fork_proof(shorter, longer, c, &w);
    (void)tmx_audit_write_out(a->out, tmx_written(&w));
    return EXIT_FAILED;
}

static int compare(const struct arguments *a, struct tmx_history *shorter, struct tmx_history *longer)
{
    const struct tmx_audit_directories *keys = shorter->directories != NULL ? shorter->directories
                                                                            : longer->directories;
    struct tmx_comparison c;
    char why[HISTORY_WHY_MAX];
    int r = 0;

    if (keys == NULL) {
        return tmx_audit_complain("compare: one of the two must be an export: its directories hold the log's key");
    }
    r = tmx_history_verify_head(shorter, shorter->directories != NULL ? shorter->directories : keys, why);
    if (r == 0) {
        r = tmx_history_verify_head(longer, longer->directories != NULL ? longer->directories : keys, why);
    }
    if (r == 0) {
        r = tmx_compare(shorter, longer, &c, why);
    }
    if (r < 0) {
        return tmx_audit_complain(why);
    }
    if ((a->given & OPTION_JSON) != 0) {
        r = print_json(shorter, longer, &c);
    } else {
        print_comparison(shorter, longer, &c);
    }
    if (r < 0 || fflush(stdout) != 0) {
        return tmx_audit_complain("cannot write the result");
    }
    return c.fork ? report_fork(a, shorter, longer, &c) : EXIT_OK;
}

/* --- a shard and the one before it --------------------------------------------------------------------------------- */

static void print_succession(const struct tmx_history *new, const struct tmx_history *old, const struct tmx_history *named,
                             const struct tmx_comparison *c)
{
    printf("log         %s\n", new->head.origin);
    printf("follows     %s, %" PRIu64 " entries\n", named->head.origin, named->head.size);
    print_history(new);
    print_history(old);
    if (c->fork) {
        printf("verdict     FORK: the shard follows a head that the old log as it is here never had\n");
    } else if (named->head.size < old->head.size) {
        printf("verdict     NOT THE LAST HEAD: the old log went on for %" PRIu64 " entries that the shard does not know of, as it\n"
               "            may be after a loss, never by plan\n", old->head.size - named->head.size);
    } else {
        printf("verdict     follows: the shard begins with the last head of the old one\n");
    }
}

static int succession_json(const struct tmx_history *new, const struct tmx_history *old, const struct tmx_history *named,
                           const struct tmx_comparison *c)
{
    const bool behind = named->head.size < old->head.size;

    return tmx_audit_print_json(json_pack("{s:s, s:s, s:s, s:I, s:o, s:o}", "verdict",
                                          c->fork  ? "fork"
                                          : behind ? "not-the-last-head"
                                                   : "follows",
                                          "origin", new->head.origin, "follows", named->head.origin, "follows_size",
                                          (json_int_t)named->head.size, "new", history_json(new), "old", history_json(old)));
}

/* Whether what the new shard's first entry names is the last head of the old log. */
static int compare_succession(const struct arguments *a, struct tmx_history *new, struct tmx_history *old,
                              struct tmx_history *named)
{
    struct tmx_comparison c;
    char why[HISTORY_WHY_MAX];
    int r = tmx_history_verify_head(new, new->directories, why);

    if (r == 0) {
        r = tmx_history_verify_head(named, new->directories, why);
    }
    if (r == 0) {
        r = tmx_history_verify_head(old, old->directories != NULL ? old->directories : new->directories, why);
    }
    if (r == 0 && named->head.size > old->head.size) {
        snprintf(why, sizeof why, "%s ends at %" PRIu64 " entries, before the head of %" PRIu64 " that the shard follows: name a "
                 "later export of the old log", old->path, old->head.size, named->head.size);
        r = -EINVAL;
    }
    if (r == 0) {
        r = tmx_compare(named, old, &c, why);
    }
    if (r < 0) {
        return tmx_audit_complain(why);
    }
    if ((a->given & OPTION_JSON) != 0) {
        r = succession_json(new, old, named, &c);
    } else {
        print_succession(new, old, named, &c);
    }
    if (r < 0 || fflush(stdout) != 0) {
        return tmx_audit_complain("cannot write the result");
    }
    return c.fork ? report_fork(a, named, old, &c) : named->head.size < old->head.size ? EXIT_FAILED : EXIT_OK;
}

/* Two logs: one may be the shard that follows the other. */
static int compare_logs(const struct arguments *a, struct tmx_history h[2])
{
    char why[HISTORY_WHY_MAX] = "";

    for (size_t i = 0; i < 2; i++) {
        struct tmx_history named = { .path = NULL };
        const struct tmx_history *other = &h[1 - i];
        int r = h[i].fd < 0 ? -ENOENT : tmx_history_before(&h[i], &named, why);

        if (r < 0 && r != -ENOENT) {
            return tmx_audit_complain(why);
        }
        if (r == 0 && strcmp(named.head.origin, other->head.origin) == 0) {
            r = compare_succession(a, &h[i], &h[1 - i], &named);
            tmx_history_close(&named);
            return r;
        }
        tmx_history_close(&named);
    }
    snprintf(why, sizeof why, "these are two logs, and neither names the other as the shard before: %s is of %s, %s of %s", h[0].path,
             h[0].head.origin, h[1].path, h[1].head.origin);
    return tmx_audit_complain(why);
}

int tmx_run_compare(const struct arguments *a)
{
    struct tmx_history h[2] = { { .path = NULL }, { .path = NULL } };
    struct tmx_authority authority;
    char why[HISTORY_WHY_MAX];
    const char *what;
    size_t shorter;
    int r = tmx_audit_authority(a->authority, &authority, &what);

    if (r < 0) {
        return tmx_audit_complain(what);
    }
    for (size_t i = 0; r == 0 && i < TMX_N(h); i++) {
        r = tmx_history_open(a->operands[i], &authority, &h[i], why);
    }
    /* Of heads of one size the export is the longer: it has the tiles. */
    shorter = h[0].head.size < h[1].head.size || (h[0].head.size == h[1].head.size && h[0].fd < 0) ? 0 : 1;
    if (r < 0) {
        r = tmx_audit_complain(why);
    } else if (strcmp(h[0].head.origin, h[1].head.origin) != 0) {
        r = compare_logs(a, h);
    } else {
        r = compare(a, &h[shorter], &h[1 - shorter]);
    }
    tmx_history_close(&h[0]);
    tmx_history_close(&h[1]);
    return r;
}
