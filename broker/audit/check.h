/* SPDX-License-Identifier: Apache-2.0
 * `tmx-audit verify`: one export directory against the federation authority's keys.
 */
#pragma once

#include <tmx/note.h>

#include "signify.h"
#include "verify.h"

struct tmx_check;

/* Reads and checks everything, with `jobs` threads (1..CREW_JOBS_MAX of crew.h); *ret_check holds what was found, faults
 * included. With `signer` (may be NULL) the list of files must be signed with that key. Negative errno when the checking
 * itself could not go on; *ret_what then says what (a static text). */
int tmx_check_export(const char *dir, const char *authority_file, unsigned jobs, const struct tmx_signify_public *signer,
                     struct tmx_check **ret_check, const char **ret_what) TMX_MUST_CHECK;
/* The same, and calls `watch` after every entry; what is negative ends it and is returned. */
typedef int tmx_check_watch_fn(void *ctx, const struct tmx_audit *a);
int tmx_check_watched(const char *dir, const char *authority_file, unsigned jobs, tmx_check_watch_fn *watch, void *ctx,
                      struct tmx_check **ret_check, const char **ret_what) TMX_MUST_CHECK;
/* Verifies every time-stamp token over the text of its head; a fault of class ANCHOR where it does not. */
typedef bool tmx_check_stamp_fn(void *ctx, struct tmx_bytes text, struct tmx_bytes token, uint64_t *ret_time_ms,
                                const char **ret_why);
void tmx_check_stamps(struct tmx_check *c, tmx_check_stamp_fn *fn, void *ctx);
struct tmx_check *tmx_check_free(struct tmx_check *c);
const struct tmx_audit *tmx_check_audit(const struct tmx_check *c);
const struct tmx_checkpoint *tmx_check_head(const struct tmx_check *c);
/* The index before which the export has no entries: only their place in the tree was checked. 0: it has all. */
uint64_t tmx_check_pruned(const struct tmx_check *c);

/* What the export holds of earlier heads. */
struct tmx_check_heads {
    uint64_t hourly; /* checkpoints, one an hour */
    uint64_t unjudged; /* of them, of which the entries do not say by which directory: they are pruned. Nothing of the next three */
    uint64_t quorum; /* of them, cosigned by the quorum of the policy in force then */
    unsigned least;  /* witnesses of one of them */
    unsigned most;
    uint64_t anchors;  /* time-stamp tokens that are those of their entries, or whose entries are pruned: */
    uint64_t loose;    /* so many */
    bool stamps;       /* they were verified; then: */
    uint64_t stamped;  /* how many do */
    uint64_t first_ms; /* the earliest and the latest time they state */
    uint64_t last_ms;
};
const struct tmx_check_heads *tmx_check_heads(const struct tmx_check *c);
/* Of how many witnesses in the newest directory's policy (0: it has none), and what of its quorum cosigned the head. */
unsigned tmx_check_witnesses(const struct tmx_check *c, struct tmx_quorum *ret_quorum);
