/* SPDX-License-Identifier: Apache-2.0
 * The auditor over the log that a broker of fuzz-broker.c wrote: what one accepts the other must find right (LOG-6).
 */
#include <stdio.h>
#include <stdlib.h>

#include "fuzz_world.h"
#include "projected.h"

#define DIRECTORIES_MAX 512u

struct shelf {
    struct world *w;
    size_t n;
    struct tmx_directory *directories[DIRECTORIES_MAX];
};

static const struct tmx_directory *find_directory(void *ctx, uint64_t serial)
{
    const struct shelf *s = ctx;
    for (size_t i = 0; i < s->n; i++) {
        if (tmx_directory_serial(s->directories[i]) == serial) {
            return s->directories[i];
        }
    }
    return NULL;
}

static bool root_at(void *ctx, uint64_t size, struct tmx_hash *ret_root)
{
    const struct shelf *s = ctx;
    if (size == 0 || size > s->w->fold.n_leaves) {
        return false;
    }
    *ret_root = s->w->fold.leaves[size - 1].root;
    return true;
}

/* Row by row of a table whose keys are numbers. */
static bool row_at(struct world *w, enum tmx_broker_table table, uint64_t at, uint64_t *ret_at, struct tmx_bytes *ret_value)
{
    uint8_t from[8];
    struct tmx_writer k = TMX_WRITER_OF(from);
    struct tmx_bytes key;
    tmx_write_u64(&k, at);
    if (tmx_spool_seek(w->spool, (uint8_t)table, tmx_written(&k), &key, ret_value) != 0) {
        return false;
    }
    struct tmx_reader r = tmx_reader_init(key);
    *ret_at = tmx_read_u64(&r);
    return true;
}

static void directories_load(struct shelf *s)
{
    struct tmx_bytes file;
    uint64_t serial = 0;
    while (s->n < DIRECTORIES_MAX && row_at(s->w, TMX_T_DIRECTORY, serial, &serial, &file)) {
        int r = tmx_directory_load(file, &s->w->whole.authority, NULL, &s->directories[s->n]);
        assert(r == 0);
        s->n++;
        serial++;
    }
}

void world_audit(struct world *w)
{
    static const uint8_t hash_key[16] = { 1 };
    static struct shelf shelf;
    struct tmx_audit *a;
    struct tmx_bytes entry;
    uint64_t index;
    shelf = (struct shelf){ .w = w };
    directories_load(&shelf);
    int r = tmx_audit_new(tmx_bytes_str(w->fold.shard), hash_key, find_directory, root_at, &shelf, &a);
    assert(r == 0);
    for (uint64_t i = 0; i < w->fold.n_leaves && row_at(w, TMX_T_LOG, i, &index, &entry); i++) {
        r = tmx_audit_entry(a, entry);
        assert(r == 0);
    }
    for (unsigned c = 0; !tmx_audit_ok(a) && c < AUDIT_N_CLASSES; c++) {
        const struct tmx_audit_fault *f = &tmx_audit_result(a)->faults[c];
        if (f->count > 0) {
            fprintf(stderr, "broken: LOG-6: %s at %llu: %s\n", tmx_audit_class_name((enum tmx_audit_class)c),
                    (unsigned long long)f->index, f->text);
            abort();
        }
    }
    char why[PROJECTED_WHY_MAX];
    if (!projected(a, w->broker, why)) {
        fprintf(stderr, "broken: I8: the broker does not hold what its log gives: %s\n", why);
        abort();
    }
    tmx_audit_free(a);
    for (size_t i = 0; i < shelf.n; i++) {
        tmx_directory_free(shelf.directories[i]);
    }
}
