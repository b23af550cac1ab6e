/* SPDX-License-Identifier: Apache-2.0
 * The entries of the log, in their order: those of bundles that are on disk from there, the others from the broker.
 *
 * What the earlier export signed must lead to its own checkpoint, or it is damaged. What an interrupted export left beyond
 * that is taken up; only the broker's root tells whether it was right, and if it was not, everything is asked for again:
 * then it shows whether the broker or the disk is wrong, and where.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "export_dir.h"
#include "export_parts.h"
#include "pruned.h"

#define ASK_BUNDLES_MAX 32u /* at once; their bytes the broker bounds */
#define AGAIN 1             /* a pass ended where only asking for everything helps */

struct pass {
    struct tmx_export_job *job;
    bool ask_all;
    bool taken;        /* something from disk */
    bool asked_before; /* something of the earlier export that is missing on disk */
    struct tmx_bytes answer;  /* of the broker, with entries up to `end` */
    struct tmx_reader unread; /* from entry `next` on */
    uint64_t next;
    uint64_t end;
};

/* --- one head after the other --------------------------------------------------------------------------------- */

/* The entries so far are those of the earlier export: so is their root. */
static int check_before(struct pass *p)
{
    struct tmx_export_job *j = p->job;
    struct tmx_hash root;

    if (j->before.size == 0 || tmx_export_size(j->writer) != j->before.size) {
        return 0;
    }
    root = tmx_export_root(j->writer);
    if (tmx_hash_eq(&root, &j->before.root)) {
        return 0;
    }
    if (p->ask_all) {
        return tmx_export_fail(j, -EEXIST,
                               "the broker's log does not continue the checkpoint of the earlier export: keep both");
    }
    return p->asked_before ? AGAIN
                           : tmx_export_fail(j, -EBADMSG,
                                             "the earlier export is damaged: its entries do not lead to its checkpoint");
}

static int check_head(struct pass *p)
{
    struct tmx_export_job *j = p->job;
    const struct tmx_hash root = tmx_export_root(j->writer);

    if (tmx_hash_eq(&root, &j->head.root)) {
        return 0;
    }
    return p->taken ? AGAIN
                    : tmx_export_fail(j, -EBADMSG, "the broker's entries do not give the root its checkpoint signs");
}

/* What the writer could not do. */
static int writer_failed(struct pass *p, int error)
{
    struct tmx_export_job *j = p->job;
    const char *path = tmx_export_path_of(j->writer);

    if (error != -EEXIST) {
        return tmx_export_fail(j, error, "cannot write %s", path);
    }
    if (p->ask_all) {
        return tmx_export_fail(j, error, "up to entry %llu the broker's log differs from the export here: keep both",
                               (unsigned long long)tmx_export_size(j->writer) - 1);
    }
    return p->asked_before
               ? AGAIN
               : tmx_export_fail(j, error, "the earlier export is damaged: %s is not what its entries give", path);
}

/* --- from disk ------------------------------------------------------------------------------------------------ */

static int add_partial(struct pass *p, struct tmx_bytes bundle, unsigned width)
{
    struct tmx_reader r = tmx_reader_init(bundle);
    struct tmx_bytes entries[TMX_TILE_WIDTH];
    bool failed = false;
    unsigned n = 0;
    int e = 0;

    while (n < width && tmx_export_next_entry(&r, &entries[n], &failed)) {
        n++;
    }
    if (n < width || r.left > 0) {
        return -EBADMSG;
    }
    for (unsigned i = 0; e == 0 && i < width; i++) {
        e = tmx_export_add(p->job->writer, entries[i]);
    }
    return e;
}

/* Adds a bundle file if it is there, and holds so many entries; if the checkpoint vouches for them, it must. */
static int take_file(struct pass *p, int fd, const struct tmx_export_name *name, bool vouched)
{
    struct tmx_export_job *j = p->job;
    char path[EXPORT_PATH_MAX];
    uint8_t *data;
    size_t size;
    int r;

    tmx_export_path(name, path);
    r = tmx_export_read(fd, path, EXPORT_BUNDLE_MAX, &data, &size);
    if (r == -ENOENT) {
        return fd == j->base ? tmx_export_fail(j, r, "the earlier export lacks %s", path) : 0;
    }
    if (r == -EFBIG && !vouched) {
        return 0;
    }
    if (r < 0) {
        return tmx_export_fail(j, r, "cannot read %s", path);
    }
    r = name->width < TMX_TILE_WIDTH ? add_partial(p, TMX_BYTES(data, size), name->width)
                                     : tmx_export_add_bundle(j->writer, TMX_BYTES(data, size));
    free(data);
    if (r == -EBADMSG || r == -EMSGSIZE) {
        return vouched ? tmx_export_fail(j, r, "the earlier export is damaged: %s does not hold %u whole entries", path,
                                         name->width)
                       : 0;
    }
    if (r < 0) {
        return writer_failed(p, r);
    }
    p->taken = true;
    return check_before(p);
}

/* Adds the entries of a bundle that is pruned, if their hashes are there: the checkpoint vouches for them. */
static int take_leaves(struct pass *p, uint64_t n)
{
    struct tmx_export_job *j = p->job;
    struct tmx_hash leaves[TMX_TILE_WIDTH];
    int r = p->ask_all ? -ENOENT : tmx_pruned_leaves(j->base >= 0 ? j->base : j->fd, n, leaves);

    if (r == -ENOENT) {
        return 0;
    }
    if (r < 0) {
        return tmx_export_fail(j, r, "the earlier export is damaged: tile %llu of the hashes of its entries is none",
                               (unsigned long long)n);
    }
    r = tmx_export_add_leaves(j->writer, leaves);
    p->taken = true;
    return r < 0 ? writer_failed(p, r) : 0;
}

/* The file in which bundle n is looked for: of an earlier export, or of one that was interrupted. False: there is none. */
static bool file_of(const struct pass *p, uint64_t n, struct tmx_export_name *ret_name, int *ret_fd)
{
    const struct tmx_export_job *j = p->job;
    struct tmx_export_name name = { .entries = true, .n = n };
    const unsigned before = tmx_export_width(&name, j->before.size);

    name.width = before > 0 ? before : tmx_export_width(&name, j->head.size);
    *ret_fd = before > 0 && j->base >= 0 ? j->base : j->fd;
    *ret_name = name;
    return !p->ask_all && (before > 0 || name.width == TMX_TILE_WIDTH);
}

/* Takes what is there of bundle n. */
static int take_bundle(struct pass *p, uint64_t n)
{
    struct tmx_export_name name;
    int fd;

    if (n < p->job->pruned / TMX_TILE_WIDTH) {
        return take_leaves(p, n);
    }
    return file_of(p, n, &name, &fd) ? take_file(p, fd, &name, tmx_export_width(&name, p->job->before.size) > 0) : 0;
}

/* --- from the broker ------------------------------------------------------------------------------------------ */

static int add_entry(struct pass *p, struct tmx_bytes entry)
{
    struct tmx_export_job *j = p->job;
    const uint64_t index = tmx_export_size(j->writer);
    int r;

    if (entry.size == 0 || entry.size > TMX_ENTRY_MAX) {
        return tmx_export_fail(j, -EBADMSG, "entry %llu from the broker has no entry's size", (unsigned long long)index);
    }
    p->asked_before = p->asked_before || index < j->before.size;
    r = tmx_export_add(j->writer, entry);
    return r < 0 ? writer_failed(p, r) : check_before(p);
}

/* Where the entries end that are missing from the next one on, as far as it is worth looking. */
static uint64_t missing_until(const struct pass *p)
{
    const struct tmx_export_job *j = p->job;
    uint64_t n = tmx_export_size(j->writer) / TMX_TILE_WIDTH + 1;
    const uint64_t last = n + ASK_BUNDLES_MAX;
    struct tmx_export_name name;
    char path[EXPORT_PATH_MAX];
    int fd;

    for (; n < last && n * TMX_TILE_WIDTH < j->head.size; n++) {
        if (file_of(p, n, &name, &fd)) {
            tmx_export_path(&name, path);
            if (faccessat(fd, path, F_OK, 0) == 0) {
                break;
            }
        }
    }
    return n * TMX_TILE_WIDTH < j->head.size ? n * TMX_TILE_WIDTH : j->head.size;
}

/* Asks for entries from the next one on: as many as the broker gives at once. */
static int ask_entries(struct pass *p)
{
    struct tmx_export_job *j = p->job;
    const uint64_t from = tmx_export_size(j->writer);
    const uint64_t count = missing_until(p) - from;
    char numbers[2][24];
    const char *const words[] = { "log-entries", numbers[0], numbers[1] };
    json_t *reply;
    json_int_t n;
    int r;

    tmx_export_forget(p->answer);
    p->answer = TMX_BYTES_NULL;
    snprintf(numbers[0], sizeof numbers[0], "%llu", (unsigned long long)from);
    snprintf(numbers[1], sizeof numbers[1], "%llu", (unsigned long long)count);
    r = tmx_export_ask(j, words, TMX_N(words), &reply, &p->answer);
    if (r < 0) {
        return r;
    }
    n = json_integer_value(json_object_get(reply, "entries"));
    if (n < 1 || (uint64_t)n > count) {
        r = tmx_export_fail(j, -EBADMSG, "asked for %s entries from %s on, the broker gave %lld", numbers[1], numbers[0],
                            (long long)n);
    }
    json_decref(reply);
    p->unread = tmx_reader_init(p->answer);
    p->next = from;
    p->end = from + (uint64_t)n;
    return r;
}

/* The next entry from what the broker gave last, or from what it gives now. */
static int add_from_broker(struct pass *p)
{
    struct tmx_bytes entry;
    bool failed;
    int r = 0;

    if (p->next != tmx_export_size(p->job->writer) || p->next == p->end) {
        r = ask_entries(p);
    }
    if (r < 0) {
        return r;
    }
    p->next++;
    if (!tmx_export_next_entry(&p->unread, &entry, &failed) || (p->next == p->end && p->unread.left > 0)) {
        return tmx_export_fail(p->job, -EBADMSG, "the broker's answer does not hold the entries up to %llu that it names",
                               (unsigned long long)p->end - 1);
    }
    return add_entry(p, entry);
}

/* --- all of it ------------------------------------------------------------------------------------------------ */

static int add_bundle(struct pass *p, uint64_t n)
{
    const struct tmx_export_job *j = p->job;
    const uint64_t left = j->head.size - n * TMX_TILE_WIDTH;
    const uint64_t end = n * TMX_TILE_WIDTH + (left < TMX_TILE_WIDTH ? left : TMX_TILE_WIDTH);
    int r = take_bundle(p, n);

    while (r == 0 && tmx_export_size(j->writer) < end) {
        r = add_from_broker(p);
    }
    return r;
}

static int run_pass(struct pass *p)
{
    struct tmx_export_job *j = p->job;
    const struct tmx_export_writer_order order = { .dir_fd = j->fd,
                                                   .vouched = j->base >= 0 ? 0 : j->before.size,
                                                   .first = j->base >= 0 ? j->before.size / TMX_TILE_WIDTH : 0,
                                                   .pruned = j->pruned };
    int r;

    j->writer = tmx_export_writer_free(j->writer);
    r = tmx_export_writer_new(&order, &j->writer);
    if (r < 0) {
        return tmx_export_fail(j, r, "out of memory");
    }
    for (uint64_t n = 0; r == 0 && n * TMX_TILE_WIDTH < j->head.size; n++) {
        r = add_bundle(p, n);
        if (j->order->progress != NULL) {
            j->order->progress(j->order->progress_ctx, tmx_export_size(j->writer), j->head.size);
        }
    }
    if (r == 0) {
        r = check_head(p);
    }
    if (r == 0) {
        r = tmx_export_finish(j->writer);
        r = r < 0 ? writer_failed(p, r) : 0;
    }
    if (r < 0) {
        (void)!tmx_export_keep(j->writer);
    }
    tmx_export_forget(p->answer);
    return r;
}

int tmx_export_entries(struct tmx_export_job *j)
{
    struct pass first = { .job = j };
    struct pass second = { .job = j, .ask_all = true };
    int r = run_pass(&first);

    return r == AGAIN ? run_pass(&second) : r;
}
