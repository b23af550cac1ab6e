/* SPDX-License-Identifier: Apache-2.0
 * Inclusion proofs.
 */
#include <stdio.h>
#include <string.h>

#include <tmx/text.h>

#include "entries.h"
#include "prove.h"

static int fail(char why[HISTORY_WHY_MAX], int error, const struct tmx_history *h, uint64_t index, const char *what)
{
    snprintf(why, HISTORY_WHY_MAX, "%s: entry %llu %s", h->path, (unsigned long long)index, what);
    return error;
}

/* Without the entry there is no line "extra". */
static void write_proof(struct tmx_writer *w, const struct tmx_history *h, uint64_t index, struct tmx_bytes entry,
                        const struct tmx_proof *path)
{
    static char extra[TMX_BASE64_SIZE(TMX_ENTRY_MAX)];
    char hash[TMX_BASE64_SIZE(TMX_HASH_SIZE)];

    tmx_write_fmt(w, "c2sp.org/tlog-proof@v1\n");
    if (entry.size > 0) {
        tmx_base64(entry, extra);
        tmx_write_fmt(w, "extra ");
        tmx_write_bytes(w, tmx_bytes_str(extra));
        tmx_write_fmt(w, "\n");
    }
    tmx_write_fmt(w, "index %llu\n", (unsigned long long)index);
    for (size_t i = 0; i < path->n; i++) {
        tmx_base64(TMX_BYTES_OF(path->hash[i].b), hash);
        tmx_write_fmt(w, "%s\n", hash);
    }
    tmx_write_fmt(w, "\n");
    tmx_write_bytes(w, TMX_BYTES(h->note, h->note_size));
}

int tmx_prove(struct tmx_history *h, uint64_t index, struct tmx_writer *w, char ret_why[HISTORY_WHY_MAX])
{
    struct tmx_proof path;
    struct tmx_hash leaf;
    struct tmx_entries *entries = NULL;
    struct tmx_bytes entry = TMX_BYTES_NULL;
    bool hashed = true;
    int r;

    assert(h->fd >= 0);
    if (index >= h->head.size) {
        snprintf(ret_why, HISTORY_WHY_MAX, "%s: there is no entry %llu: the log has %llu, from 0 on", h->path,
                 (unsigned long long)index, (unsigned long long)h->head.size);
        return -ERANGE;
    }
    r = tmx_entries_new(h, &entries);
    if (r == 0) {
        r = tmx_entries_get(entries, index, &entry);
    }
    if (r == -ENODATA) { /* its hash is in the tiles */
        r = 0;
        hashed = tmx_history_fetch(h, 0, index, &leaf);
    } else if (r == 0) {
        leaf = tmx_merkle_leaf(entry);
    }
    if (r < 0) {
        tmx_entries_free(entries);
        return fail(ret_why, r, h, index, "cannot be read from its bundle");
    }
    if (!hashed || entry.size > TMX_ENTRY_MAX || !tmx_merkle_path(index, h->head.size, tmx_history_fetch, h, &path) ||
        !tmx_merkle_verify_path(index, h->head.size, &leaf, TMX_BYTES(path.hash, path.n * TMX_HASH_SIZE),
                                &h->head.root)) {
        r = fail(ret_why, -EBADMSG, h, index, "does not lead to the signed root: tmx-audit verify says what is wrong");
    } else {
        write_proof(w, h, index, entry, &path);
    }
    tmx_entries_free(entries);
    return r;
}
