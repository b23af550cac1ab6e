/* SPDX-License-Identifier: Apache-2.0
 * See progress.h.
 */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "progress.h"

#define BAR_WIDTH 30

struct tmx_progress tmx_progress_begin(void)
{
    return (struct tmx_progress){ .terminal = isatty(STDERR_FILENO) == 1 };
}

void tmx_progress_step(void *ctx, uint64_t done, uint64_t total)
{
    struct tmx_progress *p = ctx;
    const uint64_t thousandths = total == 0 ? 0 : done * 1000 / total;
    const int filled = (int)(thousandths * BAR_WIDTH / 1000);

    if (p->terminal && (!p->drawn || thousandths != p->shown)) {
        fprintf(stderr, "\r[%.*s%*s] %" PRIu64 "/%" PRIu64, filled, "##############################", BAR_WIDTH - filled, "",
                done, total);
        p->drawn = true;
        p->shown = thousandths;
    }
}

void tmx_progress_end(struct tmx_progress *p)
{
    if (p->drawn) {
        fputc('\n', stderr);
        p->drawn = false;
    }
}
