/* SPDX-License-Identifier: Apache-2.0
 * The spool: durable rows, seen from the pure side. Two implementations, one conformance suite:
 * lib/queue/spool_ram.c (simulator, tests) and lib/io/spool_lmdb.c. Nothing above may know which.
 *
 * The one way to write is a turn: begin, any number of apply, commit. What a turn applied is visible to its own
 * reads at once and to everybody after commit; before commit returned 0 nothing of it may be told to anyone.
 * A turn is atomic, ordered and durable as a whole. A failed commit is "unknown": the process ends.
 *
 * A row is (table, key) -> value. Keys are bytes in memcmp order, at most TMX_KEY_MAX; build composite keys
 * big-endian. Values up to TMX_CONTAINER_MAX: the implementation splits what it cannot hold in one piece and
 * checks a digest of each piece on reading (bit rot is -EBADMSG, never other bytes).
 *
 * Operations carry their precondition; a precondition that does not hold is a programmer error (the single
 * writer saw the row in the same turn): apply aborts the process.
 */
#pragma once

#include <tmx/bytes.h>
#include <tmx/limits.h>

/* Tables are small integers; broker and node have their own (broker/core/tables.h, node/core/tables.h). */
#define TMX_TABLES_MAX 48u

enum tmx_op_kind {
    TMX_OP_INSERT,   /* the row must not exist */
    TMX_OP_UPDATE,   /* the row must exist */
    TMX_OP_PUT,      /* either */
    TMX_OP_DELETE,   /* the row must exist */
};

struct tmx_op {
    enum tmx_op_kind kind;
    uint8_t table;
    struct tmx_bytes key;
    struct tmx_bytes value;
};

struct tmx_spool;
struct tmx_spool_stat;

struct tmx_spool_vtable {
    int (*begin)(struct tmx_spool *s);
    int (*apply)(struct tmx_spool *s, const struct tmx_op *ops, size_t n);
    int (*commit)(struct tmx_spool *s);
    int (*get)(struct tmx_spool *s, uint8_t table, struct tmx_bytes key, struct tmx_bytes *ret_value);
    int (*seek)(struct tmx_spool *s, uint8_t table, struct tmx_bytes from, struct tmx_bytes *ret_key,
                struct tmx_bytes *ret_value);
    int (*stored)(struct tmx_spool *s, uint8_t table, struct tmx_bytes key, struct tmx_bytes *ret_value);
    int (*stat)(struct tmx_spool *s, struct tmx_spool_stat *ret_stat);
    void (*close)(struct tmx_spool *s);
};

struct tmx_spool {
    const struct tmx_spool_vtable *vtable;
    bool in_turn;   /* kept by lib/queue/spool.c: implementations need not check the turn discipline */
};

struct tmx_spool_stat {
    uint64_t used_bytes;       /* pages in use */
    uint64_t capacity_bytes;   /* the map */
    uint64_t commits;
    uint64_t syncs;            /* how often the disk was waited for since it was opened */
    uint64_t rows[TMX_TABLES_MAX];
};

enum tmx_spool_condition {
    TMX_SPOOL_OK,
    TMX_SPOOL_E_NONE = 1,   /* no such row / no row at or after */
};

/* Reads see the open turn if there is one, else the last commit. Values and keys are borrowed until the next
 * call of any spool function (so never hand them to apply). Return 0, TMX_SPOOL_E_NONE or a negative errno. */
int tmx_spool_get(struct tmx_spool *s, uint8_t table, struct tmx_bytes key, struct tmx_bytes *ret_value) TMX_MUST_CHECK;
/* The first row with key >= from. Of one that is damaged *ret_key is set beside -EBADMSG. */
int tmx_spool_seek(struct tmx_spool *s, uint8_t table, struct tmx_bytes from, struct tmx_bytes *ret_key,
                   struct tmx_bytes *ret_value) TMX_MUST_CHECK;
/* What is there under a key whose row is damaged, as far as it can be read: nothing vouches for it. TMX_SPOOL_E_NONE: no such row. */
int tmx_spool_stored(struct tmx_spool *s, uint8_t table, struct tmx_bytes key, struct tmx_bytes *ret_value) TMX_MUST_CHECK;
/* begin, apply, commit: 0 or a negative errno; after an error of any of them the spool answers -EIO to everything
 * but close. */
int tmx_spool_begin(struct tmx_spool *s) TMX_MUST_CHECK;
int tmx_spool_apply(struct tmx_spool *s, const struct tmx_op *ops, size_t n) TMX_MUST_CHECK;
int tmx_spool_commit(struct tmx_spool *s) TMX_MUST_CHECK;
int tmx_spool_stat(struct tmx_spool *s, struct tmx_spool_stat *ret_stat) TMX_MUST_CHECK;
struct tmx_spool *tmx_spool_close(struct tmx_spool *s);   /* NULL is fine; an open turn is dropped; returns NULL */

/* The RAM twin. -ENOMEM. */
int tmx_spool_ram_new(struct tmx_spool **ret_spool) TMX_MUST_CHECK;
/* What a crash leaves: drops the open turn. Only the RAM twin. */
void tmx_spool_ram_crash(struct tmx_spool *s);
/* What a disk does: the row that is there is damaged until it is written anew or deleted. Only the RAM twin, between turns. */
void tmx_spool_ram_damage(struct tmx_spool *s, uint8_t table, struct tmx_bytes key);
/* A deep copy of the committed rows (a backup to restore from, in the simulator). */
int tmx_spool_ram_clone(const struct tmx_spool *s, struct tmx_spool **ret_spool) TMX_MUST_CHECK;
