/* SPDX-License-Identifier: Apache-2.0
 * What operators did, by the log of an image, and whether its rows are just that: each request wholly or not at all, entries,
 * record, nonce and state. OPS-4, OPS-5, LOG-2
 */
#pragma once

#include <tmx/envelope.h>
#include <tmx/operator.h>

#include "broker.h"

#define OPERATED_MAX 256u

struct operated {
    uint64_t requests;
    size_t missing;                        /* entries or outcomes of the last request that are still to come */
    unsigned ending;                       /* enum tmx_action: what is still to come are outcomes */
    uint8_t digest[TMX_HASH_SIZE];         /* of the last request */
    size_t n_stops, n_held, n_proposals;
    struct operated_row {
        uint8_t key[TMX_MEMBER_KEY + TMX_ID_SIZE];
        uint64_t index;                    /* of the entry that says it */
    } stops[OPERATED_MAX], held[OPERATED_MAX], proposals[OPERATED_MAX];
};

/* The next entry; `log_index` is its own. NULL, or what is wrong. Nothing borrowed of the spool is good afterwards. */
const char *operated_entry(struct operated *o, const Tmx__LogEntry *e, uint64_t log_index, struct tmx_spool *spool) TMX_MUST_CHECK;
/* An entry with a report: what has arrived is held no more. */
void operated_report(struct operated *o, const Tmx__Report *r);
/* After the last one: the rows. */
const char *operated_rows(const struct operated *o, struct tmx_spool *spool) TMX_MUST_CHECK;
