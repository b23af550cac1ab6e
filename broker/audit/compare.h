/* SPDX-License-Identifier: Apache-2.0
 * `tmx-audit compare`: whether two histories of a log are one, and the proof of a fork when they are not. LOG-8
 */
#pragma once

#include "history.h"

#define FORK_PROOF_MAX (2 * TMX_NOTE_MAX + 128u * TMX_TREE_DEPTH_MAX)

struct tmx_comparison {
    bool fork;
    /* Of a fork. `first_root`: what the longer history has for the first entries, as many as the shorter has. */
    struct tmx_hash first_root;
    struct tmx_proof consistency; /* from first_root to the longer head; empty for heads of one size */
    bool located;                 /* both are exports: `index` is the first entry that differs */
    uint64_t index;
};

/* `shorter` has no more entries than `longer`; both heads are verified. -ESRCH: they are of two logs; -EINVAL: the
 * longer is a checkpoint alone; -EBADMSG: an export's tiles do not lead to its signed root. ret_why says what. */
int tmx_compare(struct tmx_history *shorter, struct tmx_history *longer, struct tmx_comparison *ret_comparison,
                char ret_why[HISTORY_WHY_MAX]) TMX_MUST_CHECK;
/* What convinces whoever has the log's key that it signed two histories. */
void tmx_fork_proof(const struct tmx_history *shorter, const struct tmx_history *longer,
                    const struct tmx_comparison *c, struct tmx_writer *w);
