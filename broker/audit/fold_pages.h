/* SPDX-License-Identifier: Apache-2.0
 * The broker's state as it tells it: pages of rows (tmx/projection.h), kept in a file without a name until they are compared.
 */
#pragma once

#include <tmx/projection.h>

#include "export_parts.h"

#define FOLD_KEY_MAX 64u         /* of what a broker says to go on from */
#define FOLD_PAGES_MAX (1u << 18) /* 64 GiB of rows */

struct tmx_fold_key {
    uint8_t data[FOLD_KEY_MAX];
    size_t size;
};

/* Rows of one table with keys from `from` on and below `next`; no `next`: to the end of the table. */
struct tmx_fold_page {
    enum tmx_projection_table table;
    struct tmx_fold_key from, next;
    uint64_t size;   /* of the log when it was read: the rows are what its first `size` entries give */
    uint64_t rows;
    uint64_t at;     /* in the file */
    uint64_t wanted; /* fold.c: rows that the log gives in its place */
};

/* Table by table, in the order of the numbers of the tables; sizes never fall. */
struct tmx_fold_pages {
    int fd;
    size_t n;
    size_t capacity;
    struct tmx_fold_page *pages;
    size_t first[TMX_PROJECTION_TABLES + 1]; /* page of each table */
};

/* Asks for all of them; `job` has only its order and the place for a reason. The file is in `dir_fd`. Negative errno. */
int tmx_fold_ask(struct tmx_export_job *job, int dir_fd, struct tmx_fold_pages *ret_pages) TMX_MUST_CHECK;
void tmx_fold_pages_free(struct tmx_fold_pages *p); /* none at all is { .fd = -1 } */
/* The rows of a page; ret_rows holds TMX_CONTROL_STATE_BYTES. Negative errno. */
int tmx_fold_read(const struct tmx_fold_pages *p, const struct tmx_fold_page *page, uint8_t *ret_rows) TMX_MUST_CHECK;
/* Whether a key belongs to a page of its table: below, within or above: < 0, 0, > 0. */
int tmx_fold_place(const struct tmx_fold_page *page, struct tmx_bytes key);
