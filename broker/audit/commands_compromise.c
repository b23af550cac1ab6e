/* SPDX-License-Identifier: Apache-2.0
 * tmx-audit compromise: every message a key has touched.
 */
#include "commands.h"
#include "compromise_print.h"

int tmx_run_compromise(const struct arguments *a)
{
    const char *asked = a->ask != NULL ? a->ask : a->socket;
    struct tmx_compromise c = { .from_index = a->from_index, .to_index = a->to_index, .from_ms = a->filter.from_ms,
                                .to_ms = a->filter.to_ms, .ask = asked != NULL ? tmx_compromise_ask : NULL,
                                .ask_ctx = (void *)(uintptr_t)asked };
    const enum tmx_compromise_form form = (a->given & OPTION_JSON) != 0     ? COMPROMISE_JSON
                                          : (a->given & OPTION_FORMAT) == 0 ? COMPROMISE_TABLE
                                          : a->format == READABLE_CSV       ? COMPROMISE_CSV
                                                                            : COMPROMISE_JSONL;
    char why[HISTORY_WHY_MAX];
    struct tmx_history h;
    int r = a->socket != NULL ? tmx_audit_update(a) : EXIT_OK;

    r = r == EXIT_OK ? tmx_audit_open(a, &h) : r;
    if (r == EXIT_OK) {
        r = tmx_compromise_print(&h, a->operands[1], &c, form, why) < 0 ? tmx_audit_complain(why) : EXIT_OK;
        tmx_history_close(&h);
    }
    return r;
}
