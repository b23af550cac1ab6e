/* SPDX-License-Identifier: Apache-2.0
 * A broker that answers `tmx-audit export` from the book, in a process of its own, and may lie.
 */
#pragma once

#include "../../broker/audit/export.h"
#include "export_fixture.h"

/* What the broker does wrong. */
enum lie {
    HONEST,
    OTHER_ENTRY, /* the last entry is another one */
    NO_ENTRIES,
    TOO_MANY_ENTRIES,
    NO_BASE64,
    NO_CHECKPOINT,
    NO_DIRECTORY,
    REFUSES,
};

extern char target[64];   /* the folder "out" of the export made last */
extern char why[EXPORT_WHY_MAX];

/* Exports from a broker that lies so, into the target; what tmx_export_run returns. */
int export_from(enum lie lie);
/* The same with what else is ordered; `dir` may be another folder than the target. */
int export_with(enum lie lie, const struct tmx_export_order *order);
/* More messages, and a checkpoint over them. */
void grow_book(size_t more);
