/* SPDX-License-Identifier: Apache-2.0
 * A history of a log that somebody was shown: an export, or a checkpoint alone. Opened to make proofs of.
 *
 * Tiles are read as they are asked for and trusted for nothing: what is made of them counts once it leads to the
 * signed root.
 */
#pragma once

#include <stdio.h>

#include <tmx/directory.h>

#include "directories.h"

#define HISTORY_WHY_MAX 400u

struct tmx_history {
    const char *path;
    int fd;                                   /* of the export; -1: a checkpoint alone */
    struct tmx_audit_directories *directories; /* NULL for a checkpoint alone */
    uint8_t *note;
    size_t note_size;
    struct tmx_checkpoint head;
    uint64_t pruned;  /* an export has no entries before this index: its tiles have their hashes */
    uint64_t kept_ms; /* of a pruned one: the time of its first entry, as that says */
};

/* Opens an export directory or a checkpoint file; the head is not verified yet. Negative errno; ret_why says what. */
int tmx_history_open(const char *path, const struct tmx_authority *pinned, struct tmx_history *ret_history,
                     char ret_why[HISTORY_WHY_MAX]) TMX_MUST_CHECK;
/* Opens an export and verifies its head, by the keys in a file of the authority's. The same. */
int tmx_history_open_export(const char *path, const char *authority, struct tmx_history *ret_history, char ret_why[HISTORY_WHY_MAX])
    TMX_MUST_CHECK;
/* A line, when it is pruned: from where on it speaks. */
void tmx_history_say_pruned(const struct tmx_history *h, FILE *out);
void tmx_history_close(struct tmx_history *h); /* one that was zeroed and never opened is fine, too */
/* Whether the log signed the head, by the keys of an export's directories. -EBADMSG. */
int tmx_history_verify_head(const struct tmx_history *h, const struct tmx_audit_directories *keys,
                            char ret_why[HISTORY_WHY_MAX]) TMX_MUST_CHECK;

/* The hash of a perfect subtree, from the hash tiles: tmx_merkle_fetch_fn, ctx is the history. */
bool tmx_history_fetch(void *ctx, unsigned level, uint64_t index, struct tmx_hash *ret_hash);
/* How many hashes tile n of a level has in a log of this size; of level 0: how many entries bundle n has. 0: none. */
unsigned tmx_history_width(const struct tmx_history *h, unsigned tile_level, uint64_t n);
