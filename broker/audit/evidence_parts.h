/* SPDX-License-Identifier: Apache-2.0
 * What the files of the check of a bundle share: evidence.c (form, directories, heads), evidence_leaves.c (leaves and
 * signatures), evidence_message.c (whose message they are about), evidence_deliveries.c (what became of it),
 * evidence_container.c.
 */
#pragma once

#include "evidence.h"

/* Each check returns 0, -EBADMSG with the fault noted, or -ENOMEM. */
#define FAULT (-EBADMSG)

/* Notes a fault of EVI-`rule` in a part of the bundle; returns FAULT. */
int tmx_evidence_fault(struct tmx_evidence *v, unsigned rule, const char *part, const char *fmt, ...) TMX_PRINTF(4, 5);
/* The same in a leaf. */
int tmx_evidence_leaf_fault(struct tmx_evidence *v, unsigned rule, const struct tmx_evidence_leaf *l, const char *fmt,
                            ...) TMX_PRINTF(4, 5);

static inline bool tmx_evidence_admits(const struct tmx_evidence_leaf *l)
{
    return l->e->kind == TMX__ENTRY_KIND__ENTRY_ACCEPTANCE || l->e->kind == TMX__ENTRY_KIND__ENTRY_RESUBMISSION;
}

static inline bool tmx_evidence_is_of(const Tmx__LogRef *ref, const struct tmx_evidence_leaf *l)
{
    return tmx_bytes_eq(tmx_pb(ref->shard), l->head->shard);
}
/* The delivery to a member, or NULL. */
struct tmx_evidence_delivery *tmx_evidence_find(struct tmx_evidence *v, struct tmx_bytes member);

/* EVI-4 */
int tmx_evidence_leaves(struct tmx_evidence *v) TMX_MUST_CHECK;
/* EVI-5 */
int tmx_evidence_signatures(struct tmx_evidence *v) TMX_MUST_CHECK;
/* EVI-6 … EVI-9 */
int tmx_evidence_message(struct tmx_evidence *v) TMX_MUST_CHECK;
/* EVI-7, EVI-8: a part of it */
int tmx_evidence_deliveries(struct tmx_evidence *v) TMX_MUST_CHECK;
/* EVI-10, EVI-11 */
int tmx_evidence_open(struct tmx_evidence *v, struct tmx_bytes beside) TMX_MUST_CHECK;
