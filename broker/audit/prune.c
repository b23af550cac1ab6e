/* SPDX-License-Identifier: Apache-2.0
 * Pruning: verify, choose, keep what says of the rest, say it in min-index, list what stays, take the rest away. Each step can be done again, so one that
 * breaks off anywhere is finished by the next.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tmx/code.h>
#include <tmx/envelope.h>

#include "check.h"
#include "entries.h"
#include "export_dir.h"
#include "export_parts.h"
#include "kept.h"
#include "prune.h"
#include "pruned.h"
#include "sums.h"

#define ARENA_SIZE (512u << 10) /* an entry, unpacked */

_Static_assert(PRUNE_WHY_MAX == EXPORT_WHY_MAX, "the job says why");

/* What one that broke off leaves: bundles that are to go, and a list that is not written yet. Everything else is a fault. */
static int check_faults(struct tmx_export_job *j, const struct tmx_audit *a)
{
    for (enum tmx_audit_class c = 0; c < AUDIT_N_CLASSES; c++) {
        const struct tmx_audit_fault *f = &tmx_audit_result(a)->faults[c];

        if (f->count > 0 && c != AUDIT_SUMS && c != AUDIT_PRUNED) {
            return tmx_export_fail(j, -EBADMSG, "the export does not verify, and nothing is taken away from it (%s: %s)",
                                   tmx_audit_class_name(c), f->text);
        }
    }
    return 0;
}

/* --- how far -------------------------------------------------------------------------------------------------- */

/* When the last entry of a bundle was written. */
static int last_ms(struct tmx_export_job *j, struct tmx_entries *entries, struct tmx_arena *arena, uint64_t n, uint64_t *ret_ms)
{
    struct tmx_bytes bytes;
    Tmx__LogEntry *e;
    int r = tmx_entries_get(entries, n * TMX_TILE_WIDTH + TMX_TILE_WIDTH - 1, &bytes);

    tmx_arena_reset(arena);
    if (r == 0 && tmx_entry_parse(bytes, arena, &e) != TMX_CODE_OK) {
        r = -EBADMSG;
    }
    if (r < 0) {
        return tmx_export_fail(j, r, "bundle %llu of the entries cannot be read", (unsigned long long)n);
    }
    *ret_ms = e->time_ms;
    return 0;
}

/* Time never falls: bundles from `first` to before `end` that are older than `before_ms` are its beginning. */
static int older_bundles(struct tmx_export_job *j, uint64_t before_ms, uint64_t first, uint64_t end, uint64_t *ret_n)
{
    const struct tmx_history h = { .path = j->order->dir, .fd = j->fd, .head = j->head, .pruned = j->pruned };
    struct tmx_entries *entries = NULL;
    struct tmx_arena arena;
    int r = tmx_arena_init(&arena, ARENA_SIZE);

    if (r == 0) {
        r = tmx_entries_new(&h, &entries);
    }
    if (r < 0) {
        return tmx_export_fail(j, r, "out of memory");
    }
    while (r == 0 && first < end) {
        const uint64_t middle = first + (end - first) / 2;
        uint64_t ms;

        r = last_ms(j, entries, &arena, middle, &ms);
        if (r == 0 && ms < before_ms) {
            first = middle + 1;
        } else {
            end = middle;
        }
    }
    *ret_n = first;
    tmx_entries_free(entries);
    tmx_arena_deinit(&arena);
    return r;
}

/* The first entry that is to stay. */
static int choose(struct tmx_export_job *j, const struct tmx_prune_order *order, const struct tmx_audit *a,
                  struct tmx_prune_result *result)
{
    const uint64_t full = j->head.size / TMX_TILE_WIDTH;
    const uint64_t first = j->pruned / TMX_TILE_WIDTH;
    uint64_t end = full > 0 ? full - 1 : 0;
    uint64_t open;
    int r = 0;

    if (order->before_ms == 0) {
        end = order->before_index / TMX_TILE_WIDTH < end ? order->before_index / TMX_TILE_WIDTH : end;
    } else if (first < end) {
        r = older_bundles(j, order->before_ms, first, end, &end);
    }
    if (r == 0 && end > first && tmx_audit_first_open(a, &open, result->held_id) && open / TMX_TILE_WIDTH < end) {
        result->held = true;
        result->held_index = open;
        end = open / TMX_TILE_WIDTH;
    }
    result->index = (end > first ? end : first) * TMX_TILE_WIDTH;
    return r;
}

/* --- all of it ------------------------------------------------------------------------------------------------ */

/* What stays of the bundles that go, before it is said that they do. */
static int keep(struct tmx_export_job *j, const struct tmx_audit *a, uint64_t index)
{
    const struct tmx_history h = { .path = j->order->dir, .fd = j->fd, .head = j->head, .pruned = j->pruned };
    struct tmx_entries *entries = NULL;
    int r = index > j->pruned ? tmx_entries_new(&h, &entries) : 0;

    if (entries != NULL) {
        r = tmx_kept_write(j->fd, a, entries, j->pruned, index);
    }
    tmx_entries_free(entries);
    return r < 0 ? tmx_export_fail(j, r, "cannot write " KEPT_FILE) : 0;
}

static int write_all(struct tmx_export_job *j, struct tmx_bytes note, uint64_t index)
{
    int r = index > j->pruned ? tmx_pruned_write(j->fd, index) : 0;

    if (r < 0) {
        return tmx_export_fail(j, r, "cannot write " PRUNED_FILE);
    }
    j->pruned = index;
    r = tmx_export_write_list(j, note);
    if (r < 0) {
        return r;
    }
    if (syncfs(j->fd) < 0) { /* before anything goes */
        return tmx_export_fail(j, -errno, "cannot write to disk");
    }
    r = tmx_sums_tidy(j->fd, j->head.size, index);
    return r < 0 ? tmx_export_fail(j, r, "cannot take the bundles away; prune again") : 0;
}

static int prune(struct tmx_export_job *j, const struct tmx_prune_order *order, struct tmx_prune_result *result)
{
    struct tmx_check *c;
    const char *what;
    uint8_t *note;
    size_t size;
    int r = tmx_check_export(order->dir, order->authority_file, order->jobs, NULL, &c, &what);

    if (r < 0) {
        return tmx_export_fail(j, r, "%s", what);
    }
    j->head = j->before = result->head = *tmx_check_head(c);
    j->pruned = result->before = tmx_check_pruned(c);
    r = check_faults(j, tmx_check_audit(c));
    if (r == 0) {
        r = choose(j, order, tmx_check_audit(c), result);
    }
    if (r == 0) {
        r = keep(j, tmx_check_audit(c), result->index);
    }
    tmx_check_free(c);
    if (r < 0) {
        return r;
    }
    r = tmx_export_read(j->fd, "checkpoint", TMX_NOTE_MAX, &note, &size);
    if (r < 0) {
        return tmx_export_fail(j, r, "cannot read the checkpoint");
    }
    r = write_all(j, TMX_BYTES(note, size), result->index);
    free(note);
    return r;
}

int tmx_prune_run(const struct tmx_prune_order *order, struct tmx_prune_result *ret_result, char ret_why[PRUNE_WHY_MAX])
{
    const struct tmx_export_order export = { .dir = order->dir, .key = order->key };
    struct tmx_export_job j = { .order = &export, .why = ret_why, .base = -1 };
    struct tmx_prune_result result = { .held = false };
    int r;

    j.fd = open(order->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (j.fd < 0) {
        return tmx_export_fail(&j, -errno, "cannot open %s", order->dir);
    }
    r = tmx_export_check_signed(&j);
    if (r == 0) {
        r = prune(&j, order, &result);
    }
    close(j.fd);
    *ret_result = result;
    return r;
}
