/* SPDX-License-Identifier: Apache-2.0
 * What check.c, check_tiles.c, check_kept.c and check_heads.c share.
 */
#pragma once

#include <tmx/tree.h>

#include "check.h"
#include "directories.h"
#include "table.h"

struct tmx_check {
    int fd;
    struct tmx_audit *audit;
    struct tmx_tree *tree;
    struct tmx_checkpoint head;
    uint64_t pruned;                  /* of the entries before this index there are only hashes */
    unsigned witnesses;               /* of the newest directory's policy */
    struct tmx_quorum quorum;         /* of them, who cosigned the head */
    struct tmx_check_heads heads;
    uint64_t *loose;                  /* sizes of heads whose token is here, and whose entry is pruned */
    size_t room_loose;
    struct tmx_audit_directories *directories;
    /* Tiles the export lacks or has wrong, as they must be: later checks then speak of the entries alone. */
    struct tmx_audit_table own_tiles; /* (level, n) -> uint8_t * */
    int failed;                       /* an error inside a callback */
    tmx_check_watch_fn *watch;        /* or NULL */
    void *watch_ctx;
};

/* tmx_tree_full_tile_fn, tmx_tree_read_tile_fn; ctx is the check. */
void tmx_check_full_tile(void *ctx, unsigned level, uint64_t n, const uint8_t tile[TMX_TILE_SIZE]);
bool tmx_check_read_tile(void *ctx, unsigned level, uint64_t n, uint8_t ret_tile[TMX_TILE_SIZE]);
/* The partial tiles, once all entries are in the tree. */
void tmx_check_edge(struct tmx_check *c);
/* Entries that are pruned, by their hashes; *ret_whole: all of them are there. And those of them that stayed. */
int tmx_check_leaves(struct tmx_check *c, bool *ret_whole) TMX_MUST_CHECK;
int tmx_check_kept(struct tmx_check *c) TMX_MUST_CHECK;
/* The folders of earlier heads, once all entries are in the tree. */
int tmx_check_old_heads(struct tmx_check *c) TMX_MUST_CHECK;
/* tmx_export_file_fn: every file under tile/ has a place in a log of this size. */
int tmx_check_stray(void *ctx, int dir_fd, const char *path);
