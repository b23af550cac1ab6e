/* SPDX-License-Identifier: Apache-2.0
 * The entries of the log, in their order: those of bundles that are on disk from there, the others from the broker.
 *
 * What the earlier export signed must lead to its own checkpoint, or it is damaged. What an interrupted export left beyond
 * that is taken up; only the broker's root tells whether it was right, and if it was not, everything is asked for again:
 * then it shows whether the broker or the disk is wrong, and where.
 */
#include <stdio.h>
#include <stdlib.h>

#include <tmx/text.h>

#include "export_dir.h"
#include "export_parts.h"

#define ENTRIES_PER_CALL 128u /* of the largest size, in base64, they fit into one reply */
#define AGAIN 1               /* a pass ended where only asking for everything helps */

struct pass {
    struct tmx_export_job *job;
    bool ask_all;
    bool taken;        /* something from disk */
    bool asked_before; /* something of the earlier export that is missing on disk */
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

/* Adds a bundle file; *ret_found when it is there and holds so many entries. */
static int take_file(struct pass *p, int fd, const struct tmx_export_name *name, bool vouched, bool *ret_found)
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
    *ret_found = p->taken = true;
    return 0;
}

/* What is there of bundle n: of an earlier export, or of one that was interrupted. */
static int take_bundle(struct pass *p, uint64_t n, bool *ret_whole)
{
    struct tmx_export_job *j = p->job;
    struct tmx_export_name name = { .entries = true, .n = n };
    const unsigned wanted = tmx_export_width(&name, j->head.size);
    bool found = false;
    int r;

    name.width = tmx_export_width(&name, j->before.size);
    if (name.width > 0) {
        r = take_file(p, j->base >= 0 ? j->base : j->fd, &name, true, &found);
    } else if (wanted == TMX_TILE_WIDTH) {
        name.width = wanted;
        r = take_file(p, j->fd, &name, false, &found);
    } else {
        return 0;
    }
    *ret_whole = found && name.width == wanted;
    return r;
}

/* --- from the broker ------------------------------------------------------------------------------------------ */

static int add_entry(struct pass *p, const json_t *text)
{
    static uint8_t entry[TMX_ENTRY_MAX];
    struct tmx_export_job *j = p->job;
    const uint64_t index = tmx_export_size(j->writer);
    size_t size;
    int r;

    if (!json_is_string(text) ||
        !tmx_unbase64(TMX_BYTES(json_string_value(text), json_string_length(text)), entry, sizeof entry, &size) ||
        size == 0) {
        return tmx_export_fail(j, -EBADMSG, "entry %llu is not base64 of an entry's size", (unsigned long long)index);
    }
    p->asked_before = p->asked_before || index < j->before.size;
    r = tmx_export_add(j->writer, TMX_BYTES(entry, size));
    return r < 0 ? writer_failed(p, r) : check_before(p);
}

static int ask_entries(struct pass *p, uint64_t count)
{
    struct tmx_export_job *j = p->job;
    char numbers[2][24];
    const char *const words[] = { "log-entries", numbers[0], numbers[1] };
    const json_t *list;
    json_t *reply;
    size_t n;
    int r;

    snprintf(numbers[0], sizeof numbers[0], "%llu", (unsigned long long)tmx_export_size(j->writer));
    snprintf(numbers[1], sizeof numbers[1], "%llu", (unsigned long long)count);
    r = tmx_export_ask(j, words, TMX_N(words), &reply);
    if (r < 0) {
        return r;
    }
    list = json_object_get(reply, "entries");
    n = json_array_size(list);
    if (n == 0 || n > count) {
        r = tmx_export_fail(j, -EBADMSG, "asked for %s entries from %s on, the broker gave %zu", numbers[1], numbers[0], n);
    }
    for (size_t i = 0; r == 0 && i < n; i++) {
        r = add_entry(p, json_array_get(list, i));
    }
    json_decref(reply);
    return r;
}

/* --- all of it ------------------------------------------------------------------------------------------------ */

static int add_bundle(struct pass *p, uint64_t n)
{
    const struct tmx_export_job *j = p->job;
    const uint64_t left = j->head.size - n * TMX_TILE_WIDTH;
    const uint64_t end = n * TMX_TILE_WIDTH + (left < TMX_TILE_WIDTH ? left : TMX_TILE_WIDTH);
    bool whole = false;
    int r = p->ask_all ? 0 : take_bundle(p, n, &whole);

    if (r == 0) {
        r = check_before(p);
    }
    while (r == 0 && !whole && tmx_export_size(j->writer) < end) {
        const uint64_t missing = end - tmx_export_size(j->writer);

        r = ask_entries(p, missing < ENTRIES_PER_CALL ? missing : ENTRIES_PER_CALL);
    }
    return r;
}

static int run_pass(struct pass *p)
{
    struct tmx_export_job *j = p->job;
    const struct tmx_export_writer_order order = { .dir_fd = j->fd,
                                                   .vouched = j->base >= 0 ? 0 : j->before.size,
                                                   .first = j->base >= 0 ? j->before.size / TMX_TILE_WIDTH : 0 };
    int r;

    j->writer = tmx_export_writer_free(j->writer);
    r = tmx_export_writer_new(&order, &j->writer);
    for (uint64_t n = 0; r == 0 && n * TMX_TILE_WIDTH < j->head.size; n++) {
        r = add_bundle(p, n);
    }
    if (r == 0) {
        r = check_head(p);
    }
    if (r == 0) {
        r = tmx_export_finish(j->writer);
        r = r < 0 ? writer_failed(p, r) : 0;
    }
    return r;
}

int tmx_export_entries(struct tmx_export_job *j)
{
    struct pass first = { .job = j };
    struct pass second = { .job = j, .ask_all = true };
    int r = run_pass(&first);

    return r == AGAIN ? run_pass(&second) : r;
}
