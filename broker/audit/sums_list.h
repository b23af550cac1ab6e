/* SPDX-License-Identifier: Apache-2.0
 * Lines of a file SHA256, one after the other.
 */
#pragma once

#include <stdio.h>

#include <tmx/bytes.h>
#include <tmx/limits.h>

#define SUMS_PATH_MAX 384u

struct tmx_sum {
    char path[SUMS_PATH_MAX];
    uint8_t hash[TMX_HASH_SIZE];
};

enum tmx_sums_condition {
    SUMS_OK,
    SUMS_E_END = 1,
    SUMS_E_MALFORMED, /* not such a line, or not in the order of paths */
};

struct tmx_sums_reader {
    FILE *file; /* NULL: at its end */
    uint64_t line;
    char last[SUMS_PATH_MAX];
};

/* Opens a list; -ENOENT … */
int tmx_sums_open(int dir_fd, const char *path, struct tmx_sums_reader *ret_reader) TMX_MUST_CHECK;
void tmx_sums_close(struct tmx_sums_reader *r); /* idempotent */
/* The next line: enum tmx_sums_condition. */
int tmx_sums_next(struct tmx_sums_reader *r, struct tmx_sum *ret_sum) TMX_MUST_CHECK;

/* Whether a path can stand in such a line and be read back by every tool. */
bool tmx_sums_path_ok(const char *path);
int tmx_sums_put(FILE *file, const struct tmx_sum *sum) TMX_MUST_CHECK;
/* Of a file, read in pieces. -EINVAL: it is none. */
int tmx_sums_hash(int dir_fd, const char *path, uint8_t ret_hash[TMX_HASH_SIZE]) TMX_MUST_CHECK;
