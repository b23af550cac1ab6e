/* SPDX-License-Identifier: Apache-2.0
 * The shard before: read from the first entry, which counts once it leads to the signed head.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tmx/code.h>
#include <tmx/envelope.h>

#include "entries.h"
#include "successor.h"

#define ARENA (256u << 10) /* an entry, unpacked */

static int fail(char why[HISTORY_WHY_MAX], int error, const char *path, const char *what)
{
    snprintf(why, HISTORY_WHY_MAX, "%s: %s", path, what);
    return error;
}

static bool is_signed(struct tmx_history *h, struct tmx_bytes entry)
{
    const struct tmx_hash leaf = tmx_merkle_leaf(entry);
    struct tmx_proof path;

    return tmx_merkle_path(0, h->head.size, tmx_history_fetch, h, &path) &&
           tmx_merkle_verify_path(0, h->head.size, &leaf, TMX_BYTES(path.hash, path.n * TMX_HASH_SIZE), &h->head.root);
}

/* The text of the entry becomes a note of its own. */
static int take(const Tmx__LogEntry *e, struct tmx_history *b, char why[HISTORY_WHY_MAX])
{
    struct tmx_bytes text;
    struct tmx_bytes lines;

    if (e->kind != TMX__ENTRY_KIND__ENTRY_SHARD_START || e->text.len == 0) {
        return fail(why, -ENOENT, b->path, "its first entry names no shard before");
    }
    b->note = malloc(e->text.len);
    if (b->note == NULL) {
        return fail(why, -ENOMEM, b->path, "out of memory");
    }
    memcpy(b->note, e->text.data, e->text.len);
    b->note_size = e->text.len;
    if (!tmx_note_split(TMX_BYTES(b->note, b->note_size), &text, &lines) || !tmx_checkpoint_parse(text, &b->head)) {
        return fail(why, -EBADMSG, b->path, "what its first entry names is no signed checkpoint");
    }
    return 0;
}

static int read_first(struct tmx_history *h, struct tmx_entries *entries, struct tmx_arena *arena, struct tmx_history *b,
                      char why[HISTORY_WHY_MAX])
{
    struct tmx_bytes entry;
    Tmx__LogEntry *e;
    int r = tmx_entries_get(entries, 0, &entry);

    if (r < 0) {
        return fail(why, r, h->path, "cannot read its first entry");
    }
    if (!is_signed(h, entry) || tmx_entry_parse(entry, arena, &e) != TMX_CODE_OK) {
        return fail(why, -EBADMSG, h->path, "its first entry does not lead to its signed root");
    }
    return take(e, b, why);
}

int tmx_history_before(struct tmx_history *h, struct tmx_history *ret_before, char ret_why[HISTORY_WHY_MAX])
{
    struct tmx_history b = { .path = h->path, .fd = -1 };
    struct tmx_entries *entries = NULL;
    struct tmx_arena arena;
    int r = tmx_arena_init(&arena, ARENA);

    if (r < 0) {
        return fail(ret_why, r, h->path, "out of memory");
    }
    r = tmx_entries_new(h, &entries);
    r = r < 0 ? fail(ret_why, r, h->path, "out of memory") : read_first(h, entries, &arena, &b, ret_why);
    tmx_entries_free(entries);
    tmx_arena_deinit(&arena);
    if (r < 0) {
        tmx_history_close(&b);
        return r;
    }
    *ret_before = b;
    return 0;
}
