/* SPDX-License-Identifier: Apache-2.0
 * How far something is, as a bar on standard error; nothing when that is no terminal.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct tmx_progress {
    bool terminal;
    bool drawn;
    uint64_t shown; /* thousandths */
};

struct tmx_progress tmx_progress_begin(void);
/* tmx_export_progress_fn; ctx is the progress. */
void tmx_progress_step(void *ctx, uint64_t done, uint64_t total);
/* Leaves the bar as it is; what is printed next begins on a line of its own. */
void tmx_progress_end(struct tmx_progress *p);
