/* SPDX-License-Identifier: Apache-2.0
 * What an export holds of earlier heads: the checkpoint of every hour, and the tokens of time anchors. Both only ever get
 * longer, so the broker is asked for what comes after the last one here, or for all where one is missing.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "export_dir.h"
#include "export_parts.h"
#include "sums.h"
#include "sums_list.h"

#define HOUR_S 3600u
#define ANSWERS_MAX (1u << 20) /* of each kind: as many hours are more than a century */

static int earlier(const struct tmx_export_job *j)
{
    return j->base >= 0 ? j->base : j->fd;
}

/* --- what is here --------------------------------------------------------------------------------------------- */

struct here {
    enum tmx_export_old kind;
    uint64_t last; /* the largest size */
};

static int see_file(void *ctx, int dir_fd, const char *path)
{
    struct here *h = ctx;
    uint64_t size;

    if (tmx_export_old_parse(h->kind, path, &size) && size > h->last) {
        h->last = size;
    }
    return 0;
}

/* Something that the earlier export lists is gone. They stand at the beginning of the list. */
static bool lacks_some(const struct tmx_export_job *j, enum tmx_export_old kind)
{
    struct tmx_sums_reader list;
    struct tmx_sum sum;
    uint64_t size;
    bool lacks = false;

    if (tmx_sums_open(earlier(j), SUMS_FILE, &list) < 0) {
        return false;
    }
    while (!lacks && tmx_sums_next(&list, &sum) == SUMS_OK && strcmp(sum.path, "directories") < 0) {
        lacks = tmx_export_old_parse(kind, sum.path, &size) &&
                faccessat(earlier(j), sum.path, F_OK, AT_SYMLINK_NOFOLLOW) < 0;
    }
    tmx_sums_close(&list);
    return lacks;
}

/* The size of the last one here; 0: all are to be asked for. */
static int last_here(struct tmx_export_job *j, enum tmx_export_old kind, uint64_t *ret_size)
{
    const int fds[] = { j->fd, j->base };
    struct here h = { .kind = kind };
    int r = tmx_export_walk(fds, j->base >= 0 ? 2 : 1, tmx_export_old_folder(kind), see_file, &h);

    if (r < 0 && r != -ENOENT) {
        return tmx_export_fail(j, r, "cannot read the folder \"%s\"", tmx_export_old_folder(kind));
    }
    *ret_size = lacks_some(j, kind) ? 0 : h.last;
    return 0;
}

/* --- what the broker has -------------------------------------------------------------------------------------- */

/* One answer; size 0: there is no more. The file is the asker's to forget. */
struct old {
    uint64_t size;
    uint64_t place; /* hour of a checkpoint, index of an anchor's entry */
    struct tmx_bytes file;
};

static uint64_t number_in(const json_t *reply, const char *name)
{
    const json_int_t n = json_integer_value(json_object_get(reply, name));

    return n > 0 ? (uint64_t)n : 0;
}

/* The first one of an hour, or of a size, from `from` on. */
static int ask(struct tmx_export_job *j, enum tmx_export_old kind, uint64_t from, struct old *ret_old)
{
    static const char *const requests[] = { "log-checkpoint", "log-anchor" };
    char number[24];
    const char *const words[] = { requests[kind], number };
    struct tmx_checkpoint head;
    struct old o = { .size = 0 };
    json_t *reply;
    bool ok;
    int r;

    snprintf(number, sizeof number, "%llu", (unsigned long long)from);
    r = tmx_export_ask(j, words, TMX_N(words), &reply, &o.file);
    if (r < 0) {
        return r;
    }
    if (kind == EXPORT_ANCHORS) {
        o.size = number_in(reply, "size");
        o.place = number_in(reply, "index");
        ok = o.size == 0 || (o.size >= from && o.size <= o.place && o.file.size > 0 && o.file.size <= TMX_ANCHOR_TOKEN_MAX);
    } else {
        o.place = number_in(reply, "hour");
        ok = o.place == 0 || (o.place >= from && o.file.size <= TMX_NOTE_MAX && tmx_export_parse_head(o.file, &head) &&
                              strcmp(head.origin, j->head.origin) == 0);
        o.size = ok && o.place > 0 ? head.size : 0;
    }
    json_decref(reply);
    if (!ok || (o.size == 0 && o.file.size > 0)) {
        tmx_export_forget(o.file);
        return tmx_export_fail(j, -EBADMSG, "the broker's answer to %s %s is malformed", words[0], number);
    }
    *ret_old = o;
    return 0;
}

/* The first hour whose checkpoint is of more than `size` entries: they grow from hour to hour. */
static int find_hour(struct tmx_export_job *j, uint64_t size, uint64_t *ret_hour)
{
    uint64_t low = 0;
    uint64_t high = size == 0 ? 0 : (uint64_t)time(NULL) / HOUR_S + 1;
    struct old o;
    int r = 0;

    while (r == 0 && low < high) {
        const uint64_t middle = low + (high - low) / 2;

        r = ask(j, EXPORT_CHECKPOINTS, middle, &o);
        if (r == 0) {
            tmx_export_forget(o.file);
            if (o.size > 0 && o.size <= size) {
                low = o.place + 1;
            } else {
                high = middle;
            }
        }
    }
    *ret_hour = low;
    return r;
}

/* --- writing -------------------------------------------------------------------------------------------------- */

static int put(struct tmx_export_job *j, enum tmx_export_old kind, const struct old *o)
{
    char path[EXPORT_PATH_MAX];
    int r;

    tmx_export_old_path(kind, o->size, path);
    r = j->base >= 0 ? tmx_export_compare(j->base, path, o->file) : -ENOENT;
    if (r == -ENOENT) {
        r = tmx_export_put(j->fd, path, o->file);
    }
    return r == -EEXIST ? tmx_export_fail(j, r, "the broker's %s differs from the one in the export here: keep both", path)
           : r < 0      ? tmx_export_fail(j, r, "cannot write %s", path)
                        : 0;
}

/* Whether it belongs to the log as far as it is exported. */
static bool is_in(const struct tmx_export_job *j, enum tmx_export_old kind, const struct old *o)
{
    return o->size > 0 && o->size <= j->head.size && (kind == EXPORT_CHECKPOINTS || o->place < j->head.size);
}

static int take_all(struct tmx_export_job *j, enum tmx_export_old kind)
{
    uint64_t last = 0;
    uint64_t next = 0;
    unsigned n = 0;
    struct old o;
    bool more;
    int r = last_here(j, kind, &last);

    if (r == 0 && kind == EXPORT_CHECKPOINTS) {
        r = find_hour(j, last, &next);
    } else {
        next = last + 1;
    }
    for (more = true; r == 0 && more && n < ANSWERS_MAX; n++) {
        r = ask(j, kind, next, &o);
        more = r == 0 && is_in(j, kind, &o);
        if (more && o.size > last) { /* of a head that two hours have, the first */
            r = put(j, kind, &o);
            last = o.size;
        }
        if (r == 0) {
            next = (kind == EXPORT_CHECKPOINTS ? o.place : o.size) + 1;
        }
        if (r == 0 || more) {
            tmx_export_forget(o.file);
        }
    }
    return r == 0 && more ? tmx_export_fail(j, -EBADMSG, "the broker has more %s than can be", tmx_export_old_folder(kind)) : r;
}

int tmx_export_heads(struct tmx_export_job *j)
{
    int r = take_all(j, EXPORT_CHECKPOINTS);

    return r == 0 ? take_all(j, EXPORT_ANCHORS) : r;
}
