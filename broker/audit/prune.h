/* SPDX-License-Identifier: Apache-2.0
 * `tmx-audit prune`: takes the oldest entry bundles out of an export that verifies. LOG-10
 */
#pragma once

#include <tmx/note.h>

#include "signify.h"

#define PRUNE_WHY_MAX 512u

struct tmx_prune_order {
    const char *dir;
    const char *authority_file;
    uint64_t before_ms;    /* bundles whose last entry is older than this; 0: by index */
    uint64_t before_index; /* bundles that end before this entry */
    unsigned jobs;         /* to verify with */
    const struct tmx_signify_key *key; /* signs the list of files; or NULL */
};

struct tmx_prune_result {
    struct tmx_checkpoint head;
    uint64_t before; /* the first entry there was */
    uint64_t index;  /* the first entry there is */
    /* Below what was asked for, since an entry belongs to a delivery without outcome: which entry, of which message. */
    bool held;
    uint64_t held_index;
    uint8_t held_id[TMX_ID_SIZE];
};

/* Prunes as far as it may; one that broke off is finished. The last full bundle stays, and whatever belongs to a delivery without
 * outcome. An export that does not verify is left as it is. Negative errno; ret_why then says what. */
int tmx_prune_run(const struct tmx_prune_order *order, struct tmx_prune_result *ret_result, char ret_why[PRUNE_WHY_MAX])
    TMX_MUST_CHECK;
