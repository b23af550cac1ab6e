/* SPDX-License-Identifier: Apache-2.0
 * Reading what proofs are made of.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tmx/code.h>
#include <tmx/envelope.h>
#include <tmx/text.h>
#include <tmx/tree.h>

#include "entries.h"
#include "export_dir.h"
#include "pruned.h"

#define TILE_HEIGHT 8u
#define ARENA_SIZE (512u << 10) /* an entry, unpacked */

static int fail(char why[HISTORY_WHY_MAX], int error, const char *path, const char *what)
{
    snprintf(why, HISTORY_WHY_MAX, "%s: %s", path, what);
    return error;
}

static void directory_fault(void *ctx, const char *text)
{
    char *first = ctx;

    if (first[0] == '\0') {
        snprintf(first, HISTORY_WHY_MAX, "%s", text);
    }
}

static int open_export(struct tmx_history *h, const struct tmx_authority *pinned, char why[HISTORY_WHY_MAX])
{
    char wrong[HISTORY_WHY_MAX] = "";
    int r;

    h->fd = open(h->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (h->fd < 0) {
        return fail(why, -errno, h->path, "cannot open the export");
    }
    r = tmx_audit_directories_load(h->fd, pinned, directory_fault, wrong, &h->directories);
    if (r < 0) {
        return fail(why, r, h->path, "out of memory");
    }
    if (wrong[0] != '\0') {
        return fail(why, -EBADMSG, h->path, wrong);
    }
    r = tmx_export_read(h->fd, "checkpoint", TMX_NOTE_MAX, &h->note, &h->note_size);
    return r < 0 ? fail(why, r, h->path, "cannot read the export's checkpoint") : 0;
}

/* An entry that cannot be read has no time here; whoever reads the entries says what is wrong. */
static int read_kept_ms(struct tmx_history *h, char why[HISTORY_WHY_MAX])
{
    struct tmx_entries *entries = NULL;
    struct tmx_arena arena;
    struct tmx_bytes bytes;
    Tmx__LogEntry *e;
    int r = tmx_arena_init(&arena, ARENA_SIZE);

    if (r == 0) {
        r = tmx_entries_new(h, &entries);
    }
    if (r < 0) {
        r = fail(why, r, h->path, "out of memory");
    } else if (tmx_entries_get(entries, h->pruned, &bytes) == 0 && tmx_entry_parse(bytes, &arena, &e) == TMX_CODE_OK) {
        h->kept_ms = e->time_ms;
    }
    tmx_entries_free(entries);
    tmx_arena_deinit(&arena);
    return r;
}

static int open_pruned(struct tmx_history *h, char why[HISTORY_WHY_MAX])
{
    const int r = tmx_pruned_read(h->fd, h->head.size, &h->pruned);

    if (r < 0) {
        return fail(why, r, h->path, PRUNED_FILE " says nothing that can be of an export of this size");
    }
    return h->pruned > 0 ? read_kept_ms(h, why) : 0;
}

static int open_any(struct tmx_history *h, const struct tmx_authority *pinned, char why[HISTORY_WHY_MAX])
{
    struct tmx_bytes text;
    struct tmx_bytes lines;
    struct stat st;
    int r;

    if (stat(h->path, &st) < 0) {
        return fail(why, -errno, h->path, "no export and no checkpoint can be opened here");
    }
    if (S_ISDIR(st.st_mode)) {
        r = open_export(h, pinned, why);
    } else {
        r = tmx_export_read(AT_FDCWD, h->path, TMX_NOTE_MAX, &h->note, &h->note_size);
        r = r < 0 ? fail(why, r, h->path, "cannot read the checkpoint") : 0;
    }
    if (r < 0) {
        return r;
    }
    if (!tmx_note_split(TMX_BYTES(h->note, h->note_size), &text, &lines) || !tmx_checkpoint_parse(text, &h->head)) {
        return fail(why, -EBADMSG, h->path, "the checkpoint is no signed checkpoint");
    }
    return h->fd >= 0 ? open_pruned(h, why) : 0;
}

int tmx_history_open(const char *path, const struct tmx_authority *pinned, struct tmx_history *ret_history,
                     char ret_why[HISTORY_WHY_MAX])
{
    struct tmx_history h = { .path = path, .fd = -1 };
    int r = open_any(&h, pinned, ret_why);

    if (r < 0) {
        tmx_history_close(&h);
        return r;
    }
    *ret_history = h;
    return 0;
}

void tmx_history_close(struct tmx_history *h)
{
    if (h->path != NULL) {
        tmx_audit_directories_free(h->directories);
        free(h->note);
        if (h->fd >= 0) {
            close(h->fd);
        }
        *h = (struct tmx_history){ .path = NULL };
    }
}

int tmx_history_verify_head(const struct tmx_history *h, const struct tmx_audit_directories *keys,
                            char ret_why[HISTORY_WHY_MAX])
{
    const struct tmx_verify_key *key = tmx_audit_log_key(keys, h->head.origin);
    struct tmx_checkpoint head;

    if (key == NULL) {
        return fail(ret_why, -EBADMSG, h->path, "no directory lists the log of its checkpoint");
    }
    if (!tmx_checkpoint_verify(TMX_BYTES(h->note, h->note_size), key, &head)) {
        return fail(ret_why, -EBADMSG, h->path, "the log did not sign its checkpoint");
    }
    return 0;
}

unsigned tmx_history_width(const struct tmx_history *h, unsigned tile_level, uint64_t n)
{
    return tmx_export_width(&(struct tmx_export_name){ .level = tile_level, .n = n }, h->head.size);
}

bool tmx_history_fetch(void *ctx, unsigned level, uint64_t index, struct tmx_hash *ret_hash)
{
    const struct tmx_history *h = ctx;
    const unsigned row = level % TILE_HEIGHT;
    const size_t count = (size_t)1 << row;
    const size_t first = (size_t)(index << row) % TMX_TILE_WIDTH;
    struct tmx_export_name name = { .level = level / TILE_HEIGHT, .n = index >> (TILE_HEIGHT - row) };
    struct tmx_hash part[TMX_TILE_WIDTH / 2];
    char path[EXPORT_PATH_MAX];
    uint8_t *tile;
    size_t size;

    name.width = tmx_history_width(h, name.level, name.n);
    if (h->fd < 0 || name.level >= TMX_TREE_TILE_LEVELS || first + count > name.width) {
        return false;
    }
    tmx_export_path(&name, path);
    if (tmx_export_read(h->fd, path, TMX_TILE_SIZE, &tile, &size) < 0) {
        return false;
    }
    if (size != (size_t)name.width * TMX_HASH_SIZE) {
        free(tile);
        return false;
    }
    memcpy(part, tile + first * TMX_HASH_SIZE, count * TMX_HASH_SIZE);
    free(tile);
    for (size_t n = count; n > 1; n /= 2) {
        for (size_t i = 0; i < n / 2; i++) {
            part[i] = tmx_merkle_node(&part[2 * i], &part[2 * i + 1]);
        }
    }
    *ret_hash = part[0];
    return true;
}

int tmx_history_open_export(const char *path, const char *authority, struct tmx_history *ret_history, char ret_why[HISTORY_WHY_MAX])
{
    struct tmx_authority pinned;
    const char *what;
    int r = tmx_audit_authority(authority, &pinned, &what);

    if (r < 0) {
        snprintf(ret_why, HISTORY_WHY_MAX, "%s", what);
        return r;
    }
    r = tmx_history_open(path, &pinned, ret_history, ret_why);
    if (r < 0) {
        return r;
    }
    if (ret_history->directories == NULL) {
        snprintf(ret_why, HISTORY_WHY_MAX, "%s: a checkpoint alone holds no entry: name the export", path);
        r = -EINVAL;
    } else {
        r = tmx_history_verify_head(ret_history, ret_history->directories, ret_why);
    }
    if (r < 0) {
        tmx_history_close(ret_history);
    }
    return r;
}

void tmx_history_say_pruned(const struct tmx_history *h, FILE *out)
{
    char since[TMX_TIME_TEXT_SIZE];

    if (h->pruned > 0) {
        tmx_time_text(h->kept_ms, since);
        fprintf(out, "pruned      %s has no entries before %" PRIu64 ", of %s\n", h->path, h->pruned, since);
    }
}
