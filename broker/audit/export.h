/* SPDX-License-Identifier: Apache-2.0
 * `tmx-audit export`: asks a running broker for its log and writes it as an export directory.
 */
#pragma once

#include <tmx/note.h>

#include "signify.h"

#define EXPORT_WHY_MAX 512u

/* Told now and then: so many of all entries are done. It may fall once, when everything is asked for again. */
typedef void tmx_export_progress_fn(void *ctx, uint64_t done, uint64_t total);

/* What is asked for; the texts are borrowed. */
struct tmx_export_order {
    const char *socket; /* the broker's control socket */
    const char *dir;    /* where the export goes: made when absent, continued when it holds an earlier one of this log */
    /* An earlier export, or NULL. With one, `dir` gets only what is new since: laid over a copy of the earlier export, it
     * gives what an export of everything is (but for partial tiles that only the earlier checkpoint needed). */
    const char *since;
    const struct tmx_signify_key *key; /* signs the list of files; or NULL */
    tmx_export_progress_fn *progress;  /* or NULL */
    void *progress_ctx;
};

/* Fills the directory. The checkpoint is written last, and only when the entries give its root and continue what is there
 * already: a broker that shows another history changes nothing it said before. When a policy names witnesses, the head is one
 * their quorum has cosigned; *ret_uncosigned: none came within seconds, and it is the broker's alone. Negative errno; ret_why
 * then says what. */
int tmx_export_run(const struct tmx_export_order *order, struct tmx_checkpoint *ret_head, bool *ret_uncosigned,
                   char ret_why[EXPORT_WHY_MAX]) TMX_MUST_CHECK;
