/* SPDX-License-Identifier: Apache-2.0
 * I8 as an auditor sees it: the log, checked with public keys only, has no fault, and the broker holds what it gives
 * (tmx-audit verify and fold, without files). LOG-6
 */
#include <inttypes.h>
#include <string.h>

#include "projected.h"
#include "sim.h"

#define DIRECTORIES_MAX 64u

struct shelf {
    struct sim *s;
    size_t n;
    struct tmx_directory *directories[DIRECTORIES_MAX];
};

static const struct tmx_directory *find_directory(void *ctx, uint64_t serial)
{
    const struct shelf *shelf = ctx;
    for (size_t i = 0; i < shelf->n; i++) {
        if (tmx_directory_serial(shelf->directories[i]) == serial) {
            return shelf->directories[i];
        }
    }
    return NULL;
}

/* The row of that number, or the next one. */
static bool row_at(struct sim *s, enum tmx_broker_table table, uint64_t at, struct tmx_bytes *ret_key, struct tmx_bytes *ret_value)
{
    uint8_t from[8];
    struct tmx_writer w = TMX_WRITER_OF(from);
    tmx_write_u64(&w, at);
    return tmx_spool_seek(s->broker_process.spool.inner, (uint8_t)table, tmx_written(&w), ret_key, ret_value) == 0;
}

/* Signers saw heads that were released: the broker keeps every one. */
static bool root_at(void *ctx, uint64_t size, struct tmx_hash *ret_root)
{
    const struct shelf *shelf = ctx;
    struct tmx_bytes key, root;
    if (!row_at(shelf->s, TMX_T_HEAD, size, &key, &root) || root.size != sizeof(ret_root->b)) {
        return false;
    }
    struct tmx_reader r = tmx_reader_init(key);
    memcpy(ret_root->b, root.data, sizeof(ret_root->b));
    return tmx_read_u64(&r) == size;
}

static void load_directories(struct shelf *shelf)
{
    struct tmx_bytes key, file;
    uint64_t serial = 0;
    while (shelf->n < DIRECTORIES_MAX && row_at(shelf->s, TMX_T_DIRECTORY, serial, &key, &file)) {
        struct tmx_reader r = tmx_reader_init(key);
        serial = tmx_read_u64(&r) + 1;
        int e = tmx_directory_load(file, &shelf->s->federation.authority, NULL, &shelf->directories[shelf->n]);
        assert(e == 0);
        shelf->n++;
    }
}

static void check_log(struct sim *s, const struct tmx_audit *a)
{
    for (unsigned c = 0; c < AUDIT_N_CLASSES; c++) {
        const struct tmx_audit_fault *f = &tmx_audit_result(a)->faults[c];
        if (f->count > 0) {
            sim_fail(s, "I8: an auditor finds fault with entry %" PRIu64 ": %s: %s", f->index,
                     tmx_audit_class_name((enum tmx_audit_class)c), f->text);
        }
    }
}

/* Verifying every signature again takes a fifth of a run's time: one seed in four. */
#define AUDITED_ONE_IN 4u

void check_audited(struct sim *s)
{
    static const uint8_t hash_key[16] = { 1 };
    struct shelf shelf = { .s = s };
    struct tmx_audit *a;
    struct tmx_bytes key, entry;
    char why[PROJECTED_WHY_MAX];
    if (!s->broker_process.up || s->seed % AUDITED_ONE_IN != 0) {
        return;
    }
    load_directories(&shelf);
    int r = tmx_audit_new(tmx_bytes_str(s->federation.shard), hash_key, find_directory, root_at, &shelf, &a);
    assert(r == 0);
    for (uint64_t i = 0; i < tmx_broker_log_size(s->broker); i++) {
        bool there = row_at(s, TMX_T_LOG, i, &key, &entry);
        assert(there && entry.size <= TMX_ENTRY_MAX);
        uint8_t copy[TMX_ENTRY_MAX];   /* the audit asks the spool for roots meanwhile */
        memcpy(copy, entry.data, entry.size);
        r = tmx_audit_entry(a, TMX_BYTES(copy, entry.size));
        assert(r == 0);
    }
    check_log(s, a);
    if (!projected(a, s->broker, why)) {
        sim_fail(s, "I8: the broker does not hold what its log gives: %s", why);
    }
    tmx_audit_free(a);
    for (size_t i = 0; i < shelf.n; i++) {
        tmx_directory_free(shelf.directories[i]);
    }
}
