/* SPDX-License-Identifier: Apache-2.0
 * The spool on LMDB: turns. A turn is durable when the journal has it (spool_journal.h); LMDB's transaction stays open
 * over many turns, and what is read is read in it.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "spool_env.h"

static struct tmx_env *env_of(struct tmx_spool *s)
{
    return (struct tmx_env *)s;
}

/* What was lent is taken back, and no page is held. */
static void settle(struct tmx_env *e)
{
    if (e->reading) {
        mdb_txn_reset(e->reader);
        e->reading = false;
    }
    free(e->joined);
    e->joined = NULL;
}

/* The transaction that reads now. */
static int read_txn(struct tmx_env *e, MDB_txn **ret_txn)
{
    settle(e);
    *ret_txn = e->turn != NULL ? e->turn : e->reader;
    if (e->failed) {
        return -EIO;
    }
    if (e->turn != NULL) {
        return 0;
    }
    int rc = mdb_txn_renew(e->reader);
    e->reading = rc == 0;
    return tmx_env_error(rc);
}

/* An error of a write is the last thing this handle says. */
static int final(struct tmx_env *e, int r)
{
    e->failed |= r < 0;
    return r;
}

int tmx_env_checkpoint(struct tmx_env *e)
{
    uint8_t salt[TMX_JOURNAL_SALT];
    randombytes_buf(salt, sizeof(salt));
    int r = e->rows_changed ? tmx_env_put_counts(e) : 0;
    r = r == 0 ? tmx_env_put_journal(e, salt) : r;
    if (r < 0) {
        mdb_txn_abort(e->turn);
    } else {
        r = tmx_env_error(mdb_txn_commit(e->turn));
    }
    e->turn = NULL;
    e->syncs += 2;   /* the pages, and what makes them count */
    if (r == 0) {
        tmx_journal_restart(&e->journal, salt);
        e->at_checkpoint = e->number;
        e->ops = 0;
        e->unlogged = e->fresh = false;
    }
    return r;
}

static int lmdb_begin(struct tmx_spool *s)
{
    struct tmx_env *e = env_of(s);
    settle(e);
    if (e->failed) {
        return -EIO;
    }
    tmx_journal_begin(&e->journal);
    return e->turn != NULL ? 0 : final(e, tmx_env_error(mdb_txn_begin(e->env, NULL, 0, &e->turn)));
}

static int lmdb_apply(struct tmx_spool *s, const struct tmx_op *ops, size_t n)
{
    struct tmx_env *e = env_of(s);
    settle(e);
    if (e->failed) {
        return -EIO;
    }
    int r = 0;
    for (size_t i = 0; r == 0 && i < n; i++) {
        r = tmx_env_apply(e, &ops[i]);
        r = r == 0 ? tmx_journal_add(&e->journal, &ops[i]) : r;
    }
    e->ops += n;
    return final(e, r);
}

static void drop_turn(struct tmx_env *e)
{
    if (e->turn != NULL) {
        mdb_txn_abort(e->turn);
        e->turn = NULL;
    }
}

static int lmdb_commit(struct tmx_spool *s)
{
    struct tmx_env *e = env_of(s);
    settle(e);
    if (e->failed) {
        drop_turn(e);
        return -EIO;
    }
    if (e->journal.ops == 0 && !e->journal.too_large && !e->unlogged) {
        return 0;   /* nothing was done */
    }
    e->number++;
    /* The first turn is a checkpoint: from then on no copy of this spool, gone on with elsewhere, has its salt. */
    bool due = e->fresh || e->unlogged || e->ops > e->ops_max || e->number - e->at_checkpoint >= TMX_JOURNAL_TURNS_MAX;
    int r = due ? -EFBIG : tmx_journal_write(&e->journal, e->number);
    e->syncs += r == 0;
    return final(e, r == -EFBIG ? tmx_env_checkpoint(e) : r);
}

static int lmdb_get(struct tmx_spool *s, uint8_t table, struct tmx_bytes key, struct tmx_bytes *ret_value)
{
    MDB_txn *txn;
    int r = read_txn(env_of(s), &txn);
    return r < 0 ? r : tmx_env_get(env_of(s), txn, table, key, ret_value);
}

static int lmdb_seek(struct tmx_spool *s, uint8_t table, struct tmx_bytes from, struct tmx_bytes *ret_key,
                     struct tmx_bytes *ret_value)
{
    MDB_txn *txn;
    int r = read_txn(env_of(s), &txn);
    return r < 0 ? r : tmx_env_seek(env_of(s), txn, table, from, ret_key, ret_value);
}

static int lmdb_stored(struct tmx_spool *s, uint8_t table, struct tmx_bytes key, struct tmx_bytes *ret_value)
{
    MDB_txn *txn;
    int r = read_txn(env_of(s), &txn);
    return r < 0 ? r : tmx_env_stored(env_of(s), txn, table, key, ret_value);
}

static int lmdb_stat(struct tmx_spool *s, struct tmx_spool_stat *ret_stat)
{
    struct tmx_env *e = env_of(s);
    MDB_envinfo info;
    MDB_stat stat;
    uint64_t pages_free;
    settle(e);
    if (e->failed) {
        return -EIO;
    }
    int r = e->turn != NULL && !s->in_turn ? final(e, tmx_env_checkpoint(e)) : 0;
    if (r < 0) {
        return r;
    }
    r = tmx_env_error(mdb_txn_renew(e->reader));   /* also in a turn: only a reader may see the free list */
    if (r < 0) {
        return r;
    }
    e->reading = true;
    r = tmx_env_count_free_pages(e->reader, 0, &pages_free);
    if (r < 0) {
        return r;
    }
    mdb_env_info(e->env, &info);
    mdb_env_stat(e->env, &stat);
    *ret_stat = (struct tmx_spool_stat){
        .used_bytes = (info.me_last_pgno + 1 - pages_free) * stat.ms_psize,
        .capacity_bytes = info.me_mapsize,
        .commits = e->number,
        .syncs = e->syncs,
    };
    uint64_t spare = (info.me_mapsize - ret_stat->used_bytes) / stat.ms_psize / TMX_JOURNAL_PAGES_PER_OP;
    e->ops_max = spare < TMX_JOURNAL_OPS_MAX ? spare : TMX_JOURNAL_OPS_MAX;
    memcpy(ret_stat->rows, e->rows, sizeof(e->rows));
    return 0;
}

static void lmdb_close(struct tmx_spool *s)
{
    struct tmx_env *e = env_of(s);
    settle(e);
    if (e->turn != NULL && !s->in_turn && !e->failed) {
        (void)final(e, tmx_env_checkpoint(e));   /* the journal has it if this fails */
    }
    drop_turn(e);
    tmx_journal_close(&e->journal);
    if (e->reader != NULL) {
        mdb_txn_abort(e->reader);
    }
    if (e->env != NULL) {
        mdb_env_close(e->env);
    }
    if (e->owner_fd >= 0) {
        close(e->owner_fd);   /* and the lock with it */
    }
    free(e);
}

const struct tmx_spool_vtable tmx_env_vtable = {
    .begin = lmdb_begin,
    .apply = lmdb_apply,
    .commit = lmdb_commit,
    .get = lmdb_get,
    .seek = lmdb_seek,
    .stored = lmdb_stored,
    .stat = lmdb_stat,
    .close = lmdb_close,
};

void tmx_spool_lmdb_mark(struct tmx_spool *s, struct tmx_spool_mark *ret_mark)
{
    assert(s->vtable == &tmx_env_vtable);
    *ret_mark = (struct tmx_spool_mark){ .generation = env_of(s)->generation, .turn = env_of(s)->number };
}

int tmx_spool_lmdb_set_generation(struct tmx_spool *s, uint64_t generation)
{
    assert(s->vtable == &tmx_env_vtable);
    struct tmx_env *e = env_of(s);
    int r = tmx_spool_begin(s);
    if (r < 0) {
        return r;
    }
    e->generation = generation;
    e->unlogged = true;
    (void)final(e, tmx_env_put_identity(e));
    return tmx_spool_commit(s);
}

