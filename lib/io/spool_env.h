/* SPDX-License-Identifier: Apache-2.0
 * What the parts of the spool on LMDB share: spool_lmdb.c (turns), spool_lmdb_rows.c (rows), spool_lmdb_look.c (before it
 * is opened), spool_lmdb_open.c (create, open). Nobody else knows LMDB.
 *
 * Flags of the environment: MDB_NOTLS only. Anything that relaxes syncing loses acknowledged turns (tests/crash shows
 * it), and a writable map turns a full disk into SIGBUS and a stray pointer into damage. No duplicate keys, no named
 * tables, no nested transactions.
 */
#pragma once

#include <lmdb.h>

#include <tmx/spool_lmdb.h>

#include "spool_journal.h"
#include "spool_row.h"

/* Between two commits of LMDB (checkpoints). What they have changed is in memory, and the pages they have replaced are
 * not free before the checkpoint: the fuller the spool, the fewer operations, down to a checkpoint each turn. */
#define TMX_JOURNAL_TURNS_MAX 64u
#define TMX_JOURNAL_OPS_MAX 4096u
#define TMX_JOURNAL_ROW (8 + TMX_JOURNAL_SALT + TMX_JOURNAL_KEY)   /* of the spool's own rows: last turn, salt, key */
#define TMX_JOURNAL_PAGES_PER_OP 16u   /* of the free ones */

struct tmx_env {
    struct tmx_spool spool;
    MDB_env *env;
    MDB_dbi dbi;
    MDB_txn *turn;     /* what LMDB has not committed: the turns in the journal, and the open one */
    MDB_txn *reader;   /* for reads outside a turn: renewed by a read, reset by the next call */
    bool reading;
    bool failed;
    bool rows_changed;
    bool unlogged;     /* the turn did what is no operation: LMDB has to commit */
    bool fresh;        /* nothing was written since it was opened */
    struct tmx_journal journal;
    uint64_t number;   /* of the last turn */
    uint64_t at_checkpoint;
    uint64_t syncs;
    uint64_t ops;      /* since the checkpoint */
    uint64_t ops_max;
    int owner_fd;
    uint64_t generation;
    uint64_t rows[TMX_TABLES_MAX];
    char role[TMX_SPOOL_ROLE_MAX + 1];
    uint8_t *joined;   /* the large value lent last */
};

extern const struct tmx_spool_vtable tmx_env_vtable;

/* LMDB's result as 0 or a negative errno. */
int tmx_env_error(int rc);

/* The value behind a row that was found (key with its table byte): checked, and joined when it is in pieces. */
int tmx_env_value(struct tmx_env *e, MDB_txn *txn, struct tmx_bytes full_key, struct tmx_bytes stored,
                  struct tmx_bytes *ret_value) TMX_MUST_CHECK;
/* 0, TMX_SPOOL_E_NONE or a negative errno. */
int tmx_env_get(struct tmx_env *e, MDB_txn *txn, uint8_t table, struct tmx_bytes key,
                struct tmx_bytes *ret_value) TMX_MUST_CHECK;
/* The first row with key >= from. */
int tmx_env_seek(struct tmx_env *e, MDB_txn *txn, uint8_t table, struct tmx_bytes from, struct tmx_bytes *ret_key,
                 struct tmx_bytes *ret_value) TMX_MUST_CHECK;
/* What is there of a damaged row. */
int tmx_env_stored(struct tmx_env *e, MDB_txn *txn, uint8_t table, struct tmx_bytes key, struct tmx_bytes *ret_value) TMX_MUST_CHECK;
/* The free pages numbered `from` and up. */
int tmx_env_count_free_pages(MDB_txn *txn, size_t from, uint64_t *ret_pages) TMX_MUST_CHECK;
/* The spool's own rows, written in the open turn. */
int tmx_env_put_counts(struct tmx_env *e) TMX_MUST_CHECK;
int tmx_env_put_identity(struct tmx_env *e) TMX_MUST_CHECK;
int tmx_env_put_journal(struct tmx_env *e, const uint8_t salt[TMX_JOURNAL_SALT]) TMX_MUST_CHECK;
/* One operation in the open transaction. */
int tmx_env_apply(struct tmx_env *e, const struct tmx_op *op) TMX_MUST_CHECK;
/* LMDB commits what is open, with the spool's own rows; the journal starts again. */
int tmx_env_checkpoint(struct tmx_env *e) TMX_MUST_CHECK;

/* --- before it is open --- */

#define TMX_SPOOL_ERROR_MAX 256u

struct tmx_spool_subject {
    const char *path;
    uint64_t capacity;
    const char *role;
    uint64_t spared;   /* tables whose values may be damaged, a bit each */
};

void tmx_env_set_role(struct tmx_env *e, const char *role);
int tmx_env_open(struct tmx_env *e, const char *path, uint64_t capacity, unsigned flags) TMX_MUST_CHECK;
/* What the spool says of itself. The reader is active. */
int tmx_env_load(struct tmx_env *e, char error[TMX_SPOOL_ERROR_MAX]) TMX_MUST_CHECK;
/* Looks at all of it, in a child, which may die of it; bounded in time. */
int tmx_env_look(const struct tmx_spool_subject *subject, char error[TMX_SPOOL_ERROR_MAX]) TMX_MUST_CHECK;
