/* SPDX-License-Identifier: Apache-2.0
 * tmx-audit report.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "report.h"

/* Made in memory first: a page that is not whole is not left behind. */
static int write_page(const struct arguments *a, const struct tmx_history *h, const struct tmx_report *report)
{
    char *page = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&page, &size);
    int r = EXIT_FAILED;

    if (out == NULL) {
        return tmx_audit_complain("out of memory");
    }
    tmx_report_html(h, report, out);
    if (fclose(out) != 0) {
        r = tmx_audit_complain("out of memory");
    } else {
        r = tmx_audit_write_out(a->html, TMX_BYTES(page, size));
    }
    free(page);
    return r;
}

static int print(const struct arguments *a, const struct tmx_history *h, const struct tmx_report *report)
{
    int r = 0;

    if ((a->given & OPTION_JSON) != 0) {
        r = tmx_audit_print_json(tmx_report_json(h, report));
    } else {
        tmx_report_print(h, report, stdout);
    }
    return r < 0 || fflush(stdout) != 0 || ferror(stdout) ? tmx_audit_complain("cannot write the result") : EXIT_OK;
}

int tmx_run_report(const struct arguments *a)
{
    const struct tmx_report_choice choice = {
        .from_ms = a->filter.from_ms,
        .to_ms = a->filter.to_ms,
        .member = a->filter.member,
        .late_ms = a->late_ms,
    };
    struct tmx_report *report;
    char why[HISTORY_WHY_MAX];
    struct tmx_history h;
    int r = tmx_audit_open(a, &h);

    if (r != EXIT_OK) {
        return r;
    }
    if (tmx_report(&h, &choice, &report, why) < 0) {
        tmx_history_close(&h);
        return tmx_audit_complain(why);
    }
    r = print(a, &h, report);
    if (r == EXIT_OK && a->html != NULL) {
        r = write_page(a, &h, report);
    }
    tmx_report_free(report);
    tmx_history_close(&h);
    return r;
}
