/* SPDX-License-Identifier: Apache-2.0
 * The file of a pruned export that holds what stays of the entries before min-index: those that say which directory was in
 * force, and which heads are anchored in time. LOG-10
 */
#pragma once

#include "entries.h"
#include "verify.h"

#define KEPT_FILE "kept"
#define KEPT_MAX (64u << 20)

struct tmx_kept {
    uint8_t *data;
    struct tmx_reader rest;
    uint64_t next;  /* the least index that may come */
    bool malformed; /* from here on */
};

/* 0 without the file as well: then it holds nothing. -EFBIG: more than KEPT_MAX; -EACCES … */
int tmx_kept_open(int dir_fd, struct tmx_kept *ret_kept) TMX_MUST_CHECK;
void tmx_kept_close(struct tmx_kept *k);
/* The next entry, ascending by index, borrowed from the file; false at its end, and where it is malformed. */
bool tmx_kept_next(struct tmx_kept *k, uint64_t *ret_index, struct tmx_bytes *ret_entry) TMX_MUST_CHECK;
/* Writes what the file has of entries before `from`, and what of those before `to` is to stay, as the audit found. Negative errno. */
int tmx_kept_write(int dir_fd, const struct tmx_audit *a, struct tmx_entries *entries, uint64_t from, uint64_t to) TMX_MUST_CHECK;
