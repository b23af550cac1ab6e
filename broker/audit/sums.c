/* SPDX-License-Identifier: Apache-2.0
 * Writing and checking the file SHA256 of an export.
 */
#include <fcntl.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <tmx/text.h>

#include "export_dir.h"
#include "sums.h"
#include "sums_list.h"

#define FRESH SUMS_FILE ".new"

/* Whether a file belongs to the export of a log of `size` entries, without the bundles of those before `pruned`. */
enum place { PLACE_OK, PLACE_OUTGROWN, PLACE_NONE };

static enum place place_of(const char *path, uint64_t size, uint64_t pruned)
{
    struct tmx_export_name name;
    unsigned width;

    for (enum tmx_export_old kind = EXPORT_CHECKPOINTS; kind <= EXPORT_ANCHORS; kind++) {
        const char *folder = tmx_export_old_folder(kind);
        uint64_t old;

        if (strncmp(path, folder, strlen(folder)) == 0 && path[strlen(folder)] == '/') {
            return tmx_export_old_parse(kind, path, &old) && old <= size ? PLACE_OK : PLACE_NONE;
        }
    }
    if (strncmp(path, "tile/", 5) != 0) {
        return PLACE_OK;
    }
    if (!tmx_export_parse_path(path, &name)) {
        return PLACE_NONE;
    }
    width = tmx_export_width(&name, size);
    if (name.entries && name.n < pruned / TMX_TILE_WIDTH) {
        return PLACE_OUTGROWN;
    }
    return name.width == width ? PLACE_OK : name.width < width ? PLACE_OUTGROWN : PLACE_NONE;
}

/* The list and its signature are no part of it; nor are folders. */
static bool is_own(const char *path)
{
    return tmx_export_is_folder(path) || strcmp(path, SUMS_FILE) == 0 || strcmp(path, SUMS_SIGNATURE) == 0;
}

/* --- writing -------------------------------------------------------------------------------------------------- */

struct writing {
    const struct tmx_sums_order *order;
    char *why; /* SUMS_WHY_MAX */
    FILE *out;
    struct tmx_sums_reader known; /* the list that is there, and its line read last */
    struct tmx_sum known_sum;
    bool checkpoint_done;
};

static int fail(struct writing *w, int error, const char *fmt, ...) TMX_PRINTF(3, 4);
static int fail(struct writing *w, int error, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(w->why, SUMS_WHY_MAX, fmt, args);
    va_end(args);
    return error;
}

static int put(struct writing *w, const struct tmx_sum *sum)
{
    return tmx_sums_put(w->out, sum) < 0 ? fail(w, -EIO, "cannot write %s", FRESH) : 0;
}

/* In its place between the others. */
static int put_checkpoint(struct writing *w)
{
    struct tmx_sum sum = { .path = "checkpoint" };

    w->checkpoint_done = true;
    crypto_hash_sha256(sum.hash, w->order->checkpoint.data, w->order->checkpoint.size);
    return put(w, &sum);
}

static int earlier(const struct writing *w)
{
    return w->order->base_fd >= 0 ? w->order->base_fd : w->order->dir_fd;
}

static bool is_unchanged(const struct writing *w, int dir_fd, const char *path)
{
    struct tmx_export_name name;

    return dir_fd == earlier(w) && tmx_export_parse_path(path, &name) && name.width == TMX_TILE_WIDTH &&
           tmx_export_width(&name, w->order->unchanged) == TMX_TILE_WIDTH;
}

/* A file that is laid over the earlier export, where it must not. */
static bool is_repeated(const struct writing *w, int dir_fd, const char *path)
{
    struct tmx_export_name name;

    return dir_fd != earlier(w) && tmx_export_parse_path(path, &name) && (name.entries || name.level == 0) &&
           name.n < w->order->first;
}

/* Whether the list that is there has this file: then known_sum is its line. A list that is none is believed no further. */
static bool find_known(struct writing *w, const char *path)
{
    while (w->known.file != NULL && strcmp(w->known.last, path) < 0) {
        if (tmx_sums_next(&w->known, &w->known_sum) != SUMS_OK) {
            tmx_sums_close(&w->known);
        }
    }
    return w->known.file != NULL && strcmp(w->known.last, path) == 0;
}

/* What an interrupted export had not finished writing: the temporary file of one that is written here. */
static bool is_half(const char *path)
{
    static const char *const ours[] = { "tile/", "directories/", "checkpoints/", "anchors/", "proto/",
                                        "policy.", "checkpoint.", "kept.", "min-index.", SUMS_FILE "." };
    const size_t size = strlen(path);

    for (size_t i = 0; i < TMX_N(ours); i++) {
        if (strncmp(path, ours[i], strlen(ours[i])) == 0) {
            return size > 4 && strcmp(path + size - 4, ".new") == 0;
        }
    }
    return false;
}

static int list_sum(struct writing *w, int dir_fd, const char *path)
{
    struct tmx_sum sum;
    int r;

    if (is_unchanged(w, dir_fd, path) && find_known(w, path)) {
        return put(w, &w->known_sum);
    }
    snprintf(sum.path, sizeof sum.path, "%s", path);
    r = tmx_sums_hash(dir_fd, path, sum.hash);
    return r < 0 ? fail(w, r, "cannot read %s", path) : put(w, &sum);
}

/* What is left of an interrupted export goes; in the earlier export nothing is touched. */
static int take_away(struct writing *w, int dir_fd, const char *path)
{
    if (dir_fd != w->order->dir_fd) {
        return fail(w, -EEXIST, "the earlier export was interrupted: continue it first (%s)", path);
    }
    return unlinkat(dir_fd, path, 0) < 0 ? fail(w, -errno, "cannot take away %s, left by an interrupted export", path) : 0;
}

static int list_file(void *ctx, int dir_fd, const char *path)
{
    struct writing *w = ctx;
    enum place place = place_of(path, w->order->size, w->order->pruned);
    char printable[EXPORT_PATH_MAX];
    int r = 0;

    if (!w->checkpoint_done && strcmp(path, "checkpoint") >= 0) {
        r = put_checkpoint(w);
    }
    if (r < 0 || strcmp(path, "checkpoint") == 0 || strcmp(path, FRESH) == 0 || is_own(path)) {
        return r;
    }
    if (is_half(path)) {
        return take_away(w, dir_fd, path);
    }
    if (place == PLACE_OUTGROWN) {
        return 0;
    }
    if (place == PLACE_NONE || !tmx_sums_path_ok(path) || is_repeated(w, dir_fd, path)) {
        tmx_printable(tmx_bytes_str(path), printable, sizeof printable);
        return fail(w, -EEXIST, "%s has no place in this export of a log of %llu entries: take it away", printable,
                    (unsigned long long)w->order->size);
    }
    return list_sum(w, dir_fd, path);
}

static int write_all(struct writing *w)
{
    const int fds[] = { earlier(w), w->order->dir_fd };
    int r = tmx_export_walk(fds, fds[0] == fds[1] ? 1 : 2, "", list_file, w);

    if (r == 0 && !w->checkpoint_done) {
        r = put_checkpoint(w);
    }
    if (r == 0 && (fflush(w->out) != 0 || fsync(fileno(w->out)) < 0)) {
        r = fail(w, -errno, "cannot write %s", FRESH);
    }
    return r;
}

int tmx_sums_write(const struct tmx_sums_order *order, char ret_why[SUMS_WHY_MAX])
{
    struct writing w = { .order = order, .why = ret_why };
    const int fd = openat(order->dir_fd, FRESH, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    int r;

    snprintf(ret_why, SUMS_WHY_MAX, "cannot list the files of the export");
    w.out = fd < 0 ? NULL : fdopen(fd, "w");
    if (w.out == NULL) {
        r = fail(&w, -errno, "cannot write %s", FRESH);
        if (fd >= 0) {
            close(fd);
        }
        return r;
    }
    r = tmx_sums_open(earlier(&w), SUMS_FILE, &w.known);
    r = r == -ENOENT ? 0 : r;
    if (r == 0) {
        r = write_all(&w);
    }
    tmx_sums_close(&w.known);
    if (fclose(w.out) != 0 && r == 0) {
        r = fail(&w, -errno, "cannot write %s", FRESH);
    }
    if (r == 0 && renameat(order->dir_fd, FRESH, order->dir_fd, SUMS_FILE) < 0) {
        r = fail(&w, -errno, "cannot write %s", SUMS_FILE);
    }
    return r;
}

/* --- checking ------------------------------------------------------------------------------------------------- */

struct checking {
    uint64_t size;
    uint64_t pruned;
    tmx_sums_fault_fn *fault;
    void *ctx;
    struct tmx_sums_reader list;
    bool ended;  /* of the list */
    bool broken; /* where it is malformed: what follows is not judged */
    struct tmx_sum next;
};

static void fault(struct checking *c, const char *fmt, ...) TMX_PRINTF(2, 3);
static void fault(struct checking *c, const char *fmt, ...)
{
    char text[SUMS_WHY_MAX];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    c->fault(c->ctx, text);
}

static void step(struct checking *c)
{
    const int r = tmx_sums_next(&c->list, &c->next);

    c->ended = r != SUMS_OK;
    c->broken = r == SUMS_E_MALFORMED;
    if (c->broken) {
        fault(c, SUMS_FILE ": line %llu is no sum, or not in the order of paths; nothing after it was checked",
              (unsigned long long)c->list.line);
    }
}

static int check_file(void *ctx, int dir_fd, const char *path)
{
    struct checking *c = ctx;
    uint8_t hash[TMX_HASH_SIZE];
    int r;

    while (!c->ended && strcmp(c->next.path, path) < 0) {
        fault(c, "%s is missing: " SUMS_FILE " lists it", c->next.path);
        step(c);
    }
    if (c->ended || strcmp(c->next.path, path) != 0) {
        if (!c->broken && !is_own(path) && place_of(path, c->size, c->pruned) != PLACE_OUTGROWN) {
            fault(c, "%s is not listed in " SUMS_FILE, path);
        }
        return 0;
    }
    r = tmx_sums_hash(dir_fd, path, hash);
    if (r < 0) {
        fault(c, "%s: %s", path, strerror(-r));
    } else if (memcmp(hash, c->next.hash, sizeof hash) != 0) {
        fault(c, "%s differs from its sum in " SUMS_FILE, path);
    }
    step(c);
    return 0;
}

int tmx_sums_check(int dir_fd, uint64_t size, uint64_t pruned, tmx_sums_fault_fn *fault_fn, void *ctx)
{
    struct checking c = { .size = size, .pruned = pruned, .fault = fault_fn, .ctx = ctx };
    int r = tmx_sums_open(dir_fd, SUMS_FILE, &c.list);

    if (r < 0) {
        return r == -ENOENT ? 0 : r;
    }
    step(&c);
    r = tmx_export_walk(&dir_fd, 1, "", check_file, &c);
    while (r == 0 && !c.ended) {
        fault(&c, "%s is missing: " SUMS_FILE " lists it", c.next.path);
        step(&c);
    }
    tmx_sums_close(&c.list);
    return r;
}

/* --- tidying -------------------------------------------------------------------------------------------------- */

struct tidying {
    uint64_t size;
    uint64_t pruned;
};

static int tidy_file(void *ctx, int dir_fd, const char *path)
{
    const struct tidying *t = ctx;
    char folder[EXPORT_PATH_MAX];
    const char *slash = strrchr(path, '/');

    if (!tmx_export_is_folder(path)) {
        if (place_of(path, t->size, t->pruned) != PLACE_OUTGROWN) {
            return 0;
        }
        if (unlinkat(dir_fd, path, 0) < 0) {
            return -errno;
        }
    }
    snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
    (void)unlinkat(dir_fd, folder, AT_REMOVEDIR); /* if that was the last of it */
    return 0;
}

int tmx_sums_tidy(int dir_fd, uint64_t size, uint64_t pruned)
{
    struct tidying t = { size, pruned };

    return tmx_export_walk(&dir_fd, 1, "tile", tidy_file, &t);
}
