/* SPDX-License-Identifier: Apache-2.0
 * The file SHA256 of an export: a line "SHA256 (PATH) = HEX" for every file but itself and its signature, in the order of
 * the paths' bytes, as `sha256sum --tag` writes and `sha256sum -c` and `signify -C` read them.
 *
 * Written and checked from one end to the other, beside a walk through the export: memory does not grow with the log.
 */
#pragma once

#include <tmx/bytes.h>
#include <tmx/limits.h>

#define SUMS_FILE "SHA256"
#define SUMS_SIGNATURE "SHA256.sig"
#define SUMS_WHY_MAX 480u

struct tmx_sums_order {
    int dir_fd;
    int base_fd;                 /* the earlier export over which this one will be laid: the list is that of both; or -1 */
    uint64_t first;              /* with base_fd: bundles and tiles of level 0 before this one are its business alone */
    uint64_t size;               /* entries of the log; partial tiles and bundles it has outgrown are left out */
    uint64_t pruned;             /* bundles of entries before this index are left out, too */
    struct tmx_bytes checkpoint; /* which is written after the list */
    /* Full tiles and bundles of the first so many entries are known to be what they were: lines for them are taken from
     * the list of the earlier export, there or here, and the files are not read again. */
    uint64_t unchanged;
};

/* Writes the list. -EEXIST: a file has no place in an export of this log. Negative errno; ret_why then says what. */
int tmx_sums_write(const struct tmx_sums_order *order, char ret_why[SUMS_WHY_MAX]) TMX_MUST_CHECK;

typedef void tmx_sums_fault_fn(void *ctx, const char *text);
/* Tells every file that differs from the list, is missing, or is not listed (but for outgrown partial tiles and bundles, and pruned ones),
 * and where the list is none. No list: nothing to tell. Negative errno when the export cannot be read through. */
int tmx_sums_check(int dir_fd, uint64_t size, uint64_t pruned, tmx_sums_fault_fn *fault, void *ctx) TMX_MUST_CHECK;

/* Removes what an older head needed and this one has outgrown, and bundles of entries before index `pruned`. */
int tmx_sums_tidy(int dir_fd, uint64_t size, uint64_t pruned) TMX_MUST_CHECK;
