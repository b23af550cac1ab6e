/* SPDX-License-Identifier: Apache-2.0
 * Entries of an export, one after the other and by index: a look back at an acceptance is cheap while it is recent, and
 * memory is bounded however long the log is.
 */
#pragma once

#include "history.h"

struct tmx_entries;

/* Of an export, not of a checkpoint alone; the history stays the caller's and outlives this. -ENOMEM. */
int tmx_entries_new(const struct tmx_history *h, struct tmx_entries **ret_entries) TMX_MUST_CHECK;
struct tmx_entries *tmx_entries_free(struct tmx_entries *e);
/* Asserts index < size of the head. -ENODATA: it is pruned. The bytes are borrowed until the second call after this one. -ENOENT …, -EBADMSG:
 * the bundle is malformed, -ENOMEM. */
int tmx_entries_get(struct tmx_entries *e, uint64_t index, struct tmx_bytes *ret_entry) TMX_MUST_CHECK;
