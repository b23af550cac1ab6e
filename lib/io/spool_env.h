/* SPDX-License-Identifier: Apache-2.0
 * What spool_lmdb.c (rows and turns) and spool_lmdb_open.c (create, check, open) share; nobody else knows LMDB.
 *
 * Flags of the environment: MDB_NOTLS only. Anything that relaxes syncing loses acknowledged turns (tests/crash shows
 * it), and a writable map turns a full disk into SIGBUS and a stray pointer into damage. No duplicate keys, no named
 * tables, no nested transactions.
 */
#pragma once

#include <lmdb.h>

#include <tmx/spool_lmdb.h>

#include "spool_row.h"

struct tmx_env {
    struct tmx_spool spool;
    MDB_env *env;
    MDB_dbi dbi;
    MDB_txn *turn;     /* the open turn */
    MDB_txn *reader;   /* for reads outside a turn: renewed by a read, reset by the next call */
    bool reading;
    bool failed;
    bool rows_changed;
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
/* The free pages numbered `from` and up. */
int tmx_env_count_free_pages(MDB_txn *txn, size_t from, uint64_t *ret_pages) TMX_MUST_CHECK;
/* The spool's own rows, written in the open turn. */
int tmx_env_put_counts(struct tmx_env *e) TMX_MUST_CHECK;
int tmx_env_put_identity(struct tmx_env *e) TMX_MUST_CHECK;
