/* SPDX-License-Identifier: Apache-2.0
 * What the commands do and print.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include <tmx/text.h>

#include "check.h"
#include "commands.h"
#include "export.h"
#include "progress.h"
#include "prove.h"
#include "summary.h"
#include "tsa.h"

int tmx_run_verify(const struct arguments *a)
{
    struct tmx_signify_public signer;
    char why[SIGNIFY_WHY_MAX];
    struct tmx_tsa *tsa = NULL;
    struct tmx_check *c;
    const char *what;
    bool ok;
    int r = a->signed_by == NULL ? 0 : tmx_signify_load_public(a->signed_by, &signer, why);

    if (r < 0) {
        return tmx_audit_complain(why);
    }
    if (a->tsa != NULL && tmx_tsa_load(a->tsa, &tsa) < 0) {
        return tmx_audit_complain("--tsa: the file holds no certificate in PEM");
    }
    r = tmx_check_export(a->operands[0], a->authority, a->jobs, a->signed_by == NULL ? NULL : &signer, &c, &what);
    if (r < 0) {
        tmx_tsa_free(tsa);
        fprintf(stderr, "tmx-audit: %s: %s\n", what, strerror(-r));
        return EXIT_FAILED;
    }
    if (tsa != NULL) {
        tmx_check_stamps(c, tmx_tsa_verify, tsa);
        tmx_tsa_free(tsa);
    }
    ok = tmx_audit_ok(tmx_check_audit(c));
    if ((a->given & OPTION_JSON) != 0) {
        r = tmx_summary_json(c, stdout);
    } else {
        tmx_summary_print(c, stdout);
    }
    tmx_check_free(c);
    if (r < 0 || fflush(stdout) != 0) {
        fprintf(stderr, "tmx-audit: cannot write the result\n");
        return EXIT_FAILED;
    }
    return ok ? EXIT_OK : EXIT_FAILED;
}

static int run_export(struct tmx_export_order *order, bool say)
{
    struct tmx_progress progress = tmx_progress_begin();
    struct tmx_checkpoint head;
    bool uncosigned;
    char why[EXPORT_WHY_MAX];
    int r;

    order->progress = tmx_progress_step;
    order->progress_ctx = &progress;
    r = tmx_export_run(order, &head, &uncosigned, why);
    tmx_progress_end(&progress);
    if (r < 0) {
        fprintf(stderr, "tmx-audit: %s: %s\n", why, strerror(-r));
        return EXIT_FAILED;
    }
    if (say) {
        printf("%s: %llu entries\n", head.origin, (unsigned long long)head.size);
    }
    if (uncosigned) {
        fprintf(stderr, "tmx-audit: the head is signed by the log alone: no quorum of witnesses has cosigned it yet; when enough "
                        "nodes are linked, export again\n");
    }
    return fflush(stdout) == 0 ? EXIT_OK : EXIT_FAILED;
}

int tmx_audit_sign_key(const struct arguments *a, struct tmx_signify_key *key, const struct tmx_signify_key **ret_key)
{
    char why[SIGNIFY_WHY_MAX];

    *ret_key = NULL;
    if (a->sign == NULL) {
        return EXIT_OK;
    }
    if (tmx_signify_load(a->sign, key, why) < 0) {
        return tmx_audit_complain(why);
    }
    *ret_key = key;
    return EXIT_OK;
}

static int export_from_broker(const struct arguments *a, bool say)
{
    struct tmx_export_order order = { .socket = a->socket, .dir = a->operands[0], .since = a->since };
    struct tmx_signify_key key;
    int r = tmx_audit_sign_key(a, &key, &order.key);

    r = r == EXIT_OK ? run_export(&order, say) : r;
    sodium_memzero(&key, sizeof key);
    return r;
}

int tmx_audit_update(const struct arguments *a)
{
    return export_from_broker(a, false);
}

/* From the broker, or as it is there already; and then, if asked, to be read. */
int tmx_run_export(const struct arguments *a)
{
    int r = a->socket != NULL ? export_from_broker(a, true) : EXIT_OK;

    return r == EXIT_OK && (a->given & OPTION_FORMAT) != 0 ? tmx_audit_list(a) : r;
}

int tmx_audit_write_out(const char *path, struct tmx_bytes data)
{
    FILE *out = path == NULL ? stdout : fopen(path, "w");
    bool written = out != NULL && fwrite(data.data, 1, data.size, out) == data.size && fflush(out) == 0;

    if (out != NULL && out != stdout && fclose(out) != 0) {
        written = false;
    }
    if (!written) {
        fprintf(stderr, "tmx-audit: cannot write %s: %s\n", path == NULL ? "the result" : path, strerror(errno));
    }
    return written ? EXIT_OK : EXIT_FAILED;
}

int tmx_audit_complain(const char *why)
{
    fprintf(stderr, "tmx-audit: %s\n", why);
    return EXIT_FAILED;
}

int tmx_audit_open(const struct arguments *a, struct tmx_history *ret_history)
{
    char why[HISTORY_WHY_MAX];

    return tmx_history_open_export(a->operands[0], a->authority, ret_history, why) < 0 ? tmx_audit_complain(why) : EXIT_OK;
}

int tmx_run_prove(const struct arguments *a)
{
    static uint8_t proof[PROOF_MAX];
    struct tmx_writer w = TMX_WRITER_OF(proof);
    char why[HISTORY_WHY_MAX];
    struct tmx_history h;
    uint64_t index;
    int r;

    if (!tmx_parse_u64(tmx_bytes_str(a->operands[1]), UINT64_MAX, &index)) {
        fprintf(stderr, "tmx-audit: prove: \"%s\" is no index: a number, 0 for the first entry\n", a->operands[1]);
        return EXIT_USAGE;
    }
    r = tmx_audit_open(a, &h);
    if (r != EXIT_OK) {
        return r;
    }
    r = tmx_prove(&h, index, &w, why);
    if (r == 0 && index < h.pruned) {
        fprintf(stderr, "tmx-audit: entry %llu is pruned: the proof is of its hash, for whoever has the entry\n",
                (unsigned long long)index);
    }
    r = r < 0 ? tmx_audit_complain(why) : tmx_audit_write_out(a->out, tmx_written(&w));
    tmx_history_close(&h);
    return r;
}

int tmx_audit_print_json(json_t *document)
{
    int r;

    if (document == NULL) {
        return -ENOMEM;
    }
    r = json_dumpf(document, stdout, JSON_INDENT(2)) < 0 || fputc('\n', stdout) == EOF ? -EIO : 0;
    json_decref(document);
    return r;
}
