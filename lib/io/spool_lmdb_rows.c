/* SPDX-License-Identifier: Apache-2.0
 * The spool on LMDB: rows within a transaction. One tree holds everything: measured against one tree per table it makes
 * 1.4 to 1.5 times the turns of few messages, since a turn dirties fewer pages.
 */
#include <stdlib.h>
#include <string.h>

#include "spool_env.h"

int tmx_env_error(int rc)
{
    switch (rc) {
    case 0:
        return 0;
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
        return -ENOSPC;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
        return -EBADMSG;
    default:
        return rc > 0 ? -rc : -EIO;
    }
}

/* LMDB's parameter type has no const; it does not write through it. */
static MDB_val val_of(struct tmx_bytes b)
{
    return (MDB_val){ b.size, (void *)(uintptr_t)b.data };
}

static struct tmx_bytes bytes_of(const MDB_val *v)
{
    return TMX_BYTES(v->mv_data, v->mv_size);
}

/* --- writing ------------------------------------------------------------------------------------------------ */

static int put(struct tmx_env *e, const struct tmx_row_key *key, struct tmx_bytes stored, unsigned flags)
{
    MDB_val k = val_of(tmx_row_key_bytes(key)), v = val_of(stored);
    return mdb_put(e->turn, e->dbi, &k, &v, flags);
}

static int put_pieces(struct tmx_env *e, uint8_t table, struct tmx_bytes key, struct tmx_bytes value, uint64_t version)
{
    int rc = 0;
    for (size_t at = 0; rc == 0 && at < value.size; at += TMX_PIECE_MAX) {
        struct tmx_row_key k;
        struct tmx_row_buffer b;
        size_t left = value.size - at;
        struct tmx_bytes piece = tmx_bytes_slice(value, at, left < TMX_PIECE_MAX ? left : TMX_PIECE_MAX);
        tmx_row_piece_key(&k, table, key, (uint16_t)(at / TMX_PIECE_MAX));
        rc = put(e, &k, tmx_row_make_piece(&k, piece, version, &b), 0);
    }
    return rc;
}

static int put_row(struct tmx_env *e, uint8_t table, struct tmx_bytes key, struct tmx_bytes value, unsigned flags)
{
    struct tmx_row_key k;
    struct tmx_row_buffer b;
    uint64_t version = e->number + 1;
    tmx_row_key(&k, table, key);
    int rc = put(e, &k, tmx_row_make(&k, value, version, &b), flags);
    return rc != 0 || value.size <= TMX_WHOLE_MAX ? rc : put_pieces(e, table, key, value, version);
}

/* However many there are: this also works where the row that tells is damaged. */
static int drop_pieces(struct tmx_env *e, uint8_t table, struct tmx_bytes key)
{
    int rc = 0;
    for (uint16_t number = 0; rc == 0 && number < UINT16_MAX; number++) {
        struct tmx_row_key k;
        tmx_row_piece_key(&k, table, key, number);
        MDB_val v = val_of(tmx_row_key_bytes(&k));
        rc = mdb_del(e->turn, e->dbi, &v, NULL);
    }
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int insert(struct tmx_env *e, const struct tmx_op *op)
{
    int rc = put_row(e, op->table, op->key, op->value, MDB_NOOVERWRITE);
    assert(rc != MDB_KEYEXIST);   /* precondition */
    e->rows[op->table]++;
    e->rows_changed = true;
    return tmx_env_error(rc);
}

int tmx_env_apply(struct tmx_env *e, const struct tmx_op *op)
{
    if (op->kind == TMX_OP_INSERT) {
        return insert(e, op);
    }
    struct tmx_row_key key;
    tmx_row_key(&key, op->table, op->key);
    MDB_val old, k = val_of(tmx_row_key_bytes(&key));
    int rc = mdb_get(e->turn, e->dbi, &k, &old);
    if (rc == MDB_NOTFOUND) {
        assert(op->kind == TMX_OP_PUT);   /* precondition */
        return insert(e, op);
    }
    if (rc == 0 && tmx_row_may_have_pieces(bytes_of(&old))) {
        rc = drop_pieces(e, op->table, op->key);
    }
    if (rc != 0) {
        return tmx_env_error(rc);
    }
    if (op->kind != TMX_OP_DELETE) {
        return tmx_env_error(put_row(e, op->table, op->key, op->value, 0));
    }
    e->rows[op->table]--;
    e->rows_changed = true;
    return tmx_env_error(mdb_del(e->turn, e->dbi, &k, NULL));
}

int tmx_env_put_counts(struct tmx_env *e)
{
    uint8_t counts[8 * TMX_TABLES_MAX];
    struct tmx_writer w = TMX_WRITER_OF(counts);
    for (unsigned i = 0; i < TMX_TABLES_MAX; i++) {
        tmx_write_u64(&w, e->rows[i]);
    }
    e->rows_changed = false;
    return tmx_env_error(put_row(e, TMX_OWN_TABLE, TMX_LIT("rows"), tmx_written(&w), 0));
}

int tmx_env_put_journal(struct tmx_env *e, const uint8_t salt[TMX_JOURNAL_SALT])
{
    uint8_t row[TMX_JOURNAL_ROW];
    struct tmx_writer w = TMX_WRITER_OF(row);
    tmx_write_u64(&w, e->number);
    tmx_write_bytes(&w, TMX_BYTES(salt, TMX_JOURNAL_SALT));
    tmx_write_bytes(&w, TMX_BYTES_OF(e->journal.key));
    return tmx_env_error(put_row(e, TMX_OWN_TABLE, TMX_LIT("journal"), tmx_written(&w), 0));
}

/* The format of this row never changes, so that every version can tell what it sees. */
int tmx_env_put_identity(struct tmx_env *e)
{
    uint8_t identity[4 + 8 + TMX_SPOOL_ROLE_MAX];
    struct tmx_writer w = TMX_WRITER_OF(identity);
    tmx_write_u32(&w, TMX_SPOOL_VERSION);
    tmx_write_u64(&w, e->generation);
    tmx_write_bytes(&w, tmx_bytes_str(e->role));
    return tmx_env_error(put_row(e, TMX_OWN_TABLE, TMX_LIT("spool"), tmx_written(&w), 0));
}

/* --- reading ------------------------------------------------------------------------------------------------ */

static int join_pieces(struct tmx_env *e, MDB_txn *txn, struct tmx_bytes full_key, const struct tmx_row *row,
                       struct tmx_bytes *ret_value)
{
    uint8_t *joined = realloc(e->joined, row->size);
    if (joined == NULL) {
        return -ENOMEM;
    }
    e->joined = joined;
    struct tmx_bytes key = tmx_bytes_slice(full_key, 1, full_key.size - 1);
    struct tmx_writer w = tmx_writer_init(joined, row->size);
    while (w.used < row->size) {
        struct tmx_row_key k;
        MDB_val piece;
        tmx_row_piece_key(&k, full_key.data[0], key, (uint16_t)(w.used / TMX_PIECE_MAX));
        MDB_val v = val_of(tmx_row_key_bytes(&k));
        int rc = mdb_get(txn, e->dbi, &v, &piece);
        if (rc != 0) {
            return rc == MDB_NOTFOUND ? -EBADMSG : tmx_env_error(rc);
        }
        size_t left = row->size - w.used, size = left < TMX_PIECE_MAX ? left : TMX_PIECE_MAX;
        struct tmx_bytes stored = bytes_of(&piece);
        if (stored.size != TMX_ROW_DIGEST + size || !tmx_row_intact(tmx_row_key_bytes(&k), row->version, stored)) {
            return -EBADMSG;
        }
        tmx_write_bytes(&w, tmx_bytes_slice(stored, TMX_ROW_DIGEST, size));
    }
    *ret_value = tmx_written(&w);
    return 0;
}

int tmx_env_value(struct tmx_env *e, MDB_txn *txn, struct tmx_bytes full_key, struct tmx_bytes stored,
                  struct tmx_bytes *ret_value)
{
    struct tmx_row row;
    if (full_key.size < 2 || full_key.size > 1 + TMX_KEY_MAX || !tmx_row_parse(full_key, stored, &row)) {
        return -EBADMSG;
    }
    if (row.kind == TMX_ROW_PIECES) {
        return join_pieces(e, txn, full_key, &row, ret_value);
    }
    *ret_value = row.whole;
    return 0;
}

/* The row as it lies there, and its key. */
static int find(struct tmx_env *e, MDB_txn *txn, uint8_t table, struct tmx_bytes key, struct tmx_row_key *ret_key, struct tmx_bytes *ret_stored)
{
    tmx_row_key(ret_key, table, key);
    MDB_val stored, v = val_of(tmx_row_key_bytes(ret_key));
    int rc = mdb_get(txn, e->dbi, &v, &stored);
    if (rc != 0) {
        return rc == MDB_NOTFOUND ? TMX_SPOOL_E_NONE : tmx_env_error(rc);
    }
    *ret_stored = bytes_of(&stored);
    return 0;
}

int tmx_env_get(struct tmx_env *e, MDB_txn *txn, uint8_t table, struct tmx_bytes key, struct tmx_bytes *ret_value)
{
    struct tmx_row_key k;
    struct tmx_bytes stored;
    int r = find(e, txn, table, key, &k, &stored);
    return r != 0 ? r : tmx_env_value(e, txn, tmx_row_key_bytes(&k), stored, ret_value);
}

int tmx_env_seek(struct tmx_env *e, MDB_txn *txn, uint8_t table, struct tmx_bytes from, struct tmx_bytes *ret_key,
                 struct tmx_bytes *ret_value)
{
    struct tmx_row_key key;
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(txn, e->dbi, &cursor);
    if (rc != 0) {
        return tmx_env_error(rc);
    }
    tmx_row_key(&key, table, from);
    MDB_val stored, k = val_of(tmx_row_key_bytes(&key));
    rc = mdb_cursor_get(cursor, &k, &stored, MDB_SET_RANGE);
    mdb_cursor_close(cursor);
    if (rc != 0) {
        return rc == MDB_NOTFOUND ? TMX_SPOOL_E_NONE : tmx_env_error(rc);
    }
    struct tmx_bytes found = bytes_of(&k);
    if (found.size > 0 && found.data[0] != table) {
        return TMX_SPOOL_E_NONE;
    }
    *ret_key = tmx_bytes_slice(found, found.size > 0 ? 1 : 0, found.size > 0 ? found.size - 1 : 0);
    return tmx_env_value(e, txn, found, bytes_of(&stored), ret_value);
}

/* The pieces that are there, as they are. */
static int join_stored(struct tmx_env *e, MDB_txn *txn, uint8_t table, struct tmx_bytes key, struct tmx_bytes *ret_value)
{
    size_t used = 0;
    for (uint16_t number = 0; number < UINT16_MAX; number++) {
        struct tmx_row_key k;
        MDB_val piece;
        tmx_row_piece_key(&k, table, key, number);
        MDB_val v = val_of(tmx_row_key_bytes(&k));
        int rc = mdb_get(txn, e->dbi, &v, &piece);
        struct tmx_bytes data = rc == 0 ? bytes_of(&piece) : TMX_BYTES_NULL;
        if (rc == MDB_NOTFOUND || data.size > TMX_CONTAINER_MAX - used) {
            break;
        }
        uint8_t *joined = rc == 0 ? realloc(e->joined, used + data.size + 1) : NULL;
        if (joined == NULL) {
            return rc == 0 ? -ENOMEM : tmx_env_error(rc);
        }
        e->joined = joined;
        data = tmx_bytes_slice(data, TMX_ROW_DIGEST, data.size < TMX_ROW_DIGEST ? 0 : data.size - TMX_ROW_DIGEST);
        memcpy(joined + used, data.data, data.size);
        used += data.size;
    }
    *ret_value = TMX_BYTES(e->joined, used);
    return 0;
}

int tmx_env_stored(struct tmx_env *e, MDB_txn *txn, uint8_t table, struct tmx_bytes key, struct tmx_bytes *ret_value)
{
    struct tmx_row_key k;
    struct tmx_bytes stored;
    int r = find(e, txn, table, key, &k, &stored);
    if (r != 0) {
        return r;
    }
    r = tmx_row_may_have_pieces(stored) ? join_stored(e, txn, table, key, ret_value) : 0;
    if (r == 0 && (!tmx_row_may_have_pieces(stored) || ret_value->size == 0)) {
        *ret_value = tmx_bytes_slice(stored, 0, stored.size);
        if (stored.size > TMX_ROW_DIGEST) {   /* and the byte that tells its kind */
            *ret_value = tmx_bytes_slice(stored, TMX_ROW_DIGEST + 1, stored.size - TMX_ROW_DIGEST - 1);
        }
    }
    return r;
}

int tmx_env_count_free_pages(MDB_txn *txn, size_t from, uint64_t *ret_pages)
{
    MDB_cursor *cursor;
    MDB_val key, list;
    uint64_t pages = 0;
    int rc = mdb_cursor_open(txn, 0, &cursor);
    if (rc != 0) {
        return tmx_env_error(rc);
    }
    while ((rc = mdb_cursor_get(cursor, &key, &list, MDB_NEXT)) == 0) {
        size_t n, page;
        memcpy(&n, list.mv_data, sizeof(n));
        if (from == 0) {
            pages += n;
            continue;
        }
        for (size_t i = 1; i <= n && i < list.mv_size / sizeof(n); i++) {
            memcpy(&page, (const uint8_t *)list.mv_data + i * sizeof(n), sizeof(page));
            pages += page >= from;
        }
    }
    mdb_cursor_close(cursor);
    if (rc == MDB_NOTFOUND) {
        *ret_pages = pages;
        return 0;
    }
    return tmx_env_error(rc);
}
