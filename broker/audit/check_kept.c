/* SPDX-License-Identifier: Apache-2.0
 * What a pruned export has of the entries before min-index: the hashes of all, and some that stayed. LOG-10
 */
#include <string.h>

#include "check_parts.h"
#include "kept.h"
#include "pruned.h"

int tmx_check_leaves(struct tmx_check *c, bool *ret_whole)
{
    struct tmx_hash leaves[TMX_TILE_WIDTH];

    *ret_whole = true;
    for (uint64_t n = 0; n < c->pruned / TMX_TILE_WIDTH; n++) {
        const int r = tmx_pruned_leaves(c->fd, n, leaves);

        if (r < 0) {
            tmx_audit_fault(c->audit, AUDIT_TILE, AUDIT_NO_INDEX, "tile %llu of level 0, all there is of entries that are pruned: %s; "
                            "nothing after it was checked", (unsigned long long)n, r == -EBADMSG ? "no full tile" : strerror(-r));
            *ret_whole = false;
            return 0;
        }
        for (size_t i = 0; i < TMX_TILE_WIDTH; i++) {
            tmx_tree_append(c->tree, &leaves[i], tmx_check_full_tile, c);
        }
        if (c->failed < 0) {
            return c->failed;
        }
    }
    return 0;
}

/* Whether the entry is the one that the hashes speak of. */
static bool is_in_place(const struct tmx_check *c, uint64_t index, struct tmx_bytes entry)
{
    struct tmx_hash leaves[TMX_TILE_WIDTH];
    const struct tmx_hash leaf = tmx_merkle_leaf(entry);

    return tmx_pruned_leaves(c->fd, index / TMX_TILE_WIDTH, leaves) == 0 && tmx_hash_eq(&leaf, &leaves[index % TMX_TILE_WIDTH]);
}

int tmx_check_kept(struct tmx_check *c)
{
    struct tmx_kept k;
    struct tmx_bytes entry;
    uint64_t index;
    int r;

    if (c->pruned == 0) {
        return 0;
    }
    r = tmx_kept_open(c->fd, &k);
    if (r < 0) {
        tmx_audit_fault(c->audit, AUDIT_ENTRIES, AUDIT_NO_INDEX, KEPT_FILE ": %s", strerror(-r));
        return 0;
    }
    while (r == 0 && tmx_kept_next(&k, &index, &entry) && index < c->pruned) {
        if (is_in_place(c, index, entry)) {
            r = tmx_audit_kept(c->audit, index, entry);
        } else {
            tmx_audit_fault(c->audit, AUDIT_ENTRIES, index, KEPT_FILE ": not the entry that the log has there");
        }
    }
    if (k.malformed) {
        tmx_audit_fault(c->audit, AUDIT_ENTRIES, AUDIT_NO_INDEX, KEPT_FILE ": not whole entries with their indexes, ascending");
    }
    tmx_kept_close(&k);
    return r;
}
