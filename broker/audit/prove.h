/* SPDX-License-Identifier: Apache-2.0
 * `tmx-audit prove`: that an entry is in the log, in a file that others' tools check (c2sp.org/tlog-proof).
 */
#pragma once

#include "history.h"

#define PROOF_MAX (TMX_NOTE_MAX + 2 * TMX_ENTRY_MAX + 64u * TMX_TREE_DEPTH_MAX)

/* Writes the proof of entry `index` of an export (not of a checkpoint alone) whose head is verified. Its extra data is the entry itself: what is
 * proved travels with the proof. LOG-7. -ERANGE: not in this log; -EBADMSG: the export's tiles or entries do not lead
 * to its signed root; ret_why says what. */
int tmx_prove(struct tmx_history *h, uint64_t index, struct tmx_writer *w, char ret_why[HISTORY_WHY_MAX])
    TMX_MUST_CHECK;
