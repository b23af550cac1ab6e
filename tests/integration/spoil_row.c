/* SPDX-License-Identifier: Apache-2.0
 * spoil-row SPOOL TABLE [KEY]: flips a bit of what the disk holds of a row, behind the back of everything that vouches for it, in the
 * spool of a daemon that does not run: the last row of that table (node/core/tables.h), or the one with that key. Exit status 2: there
 * is no row.
 */
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(int rc, const char *what)
{
    if (rc != 0) {
        fprintf(stderr, "spoil-row: %s: %s\n", what, mdb_strerror(rc));
        exit(1);
    }
}

int main(int argc, char **argv)
{
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    MDB_cursor *cursor;
    MDB_val key, value;
    if (argc < 3 || argc > 4) {
        fprintf(stderr, "usage: spoil-row SPOOL TABLE [KEY]\n");
        return 1;
    }
    unsigned char from[64] = { (unsigned char)atoi(argv[2]) }, table = from[0];
    check(mdb_env_create(&env), "create");
    check(mdb_env_set_mapsize(env, 1u << 30), "map");
    check(mdb_env_open(env, argv[1], 0, 0600), argv[1]);
    check(mdb_txn_begin(env, NULL, 0, &txn), "begin");
    check(mdb_dbi_open(txn, NULL, 0, &dbi), "open");
    check(mdb_cursor_open(txn, dbi, &cursor), "cursor");
    int rc;
    if (argc == 4) {
        key = (MDB_val){ 1 + strlen(argv[3]), from };
        memcpy(from + 1, argv[3], strlen(argv[3]) < sizeof(from) - 1 ? strlen(argv[3]) : sizeof(from) - 1);
        rc = mdb_cursor_get(cursor, &key, &value, MDB_SET);
    } else {   /* the one before the first of the next table */
        from[0]++;
        key = (MDB_val){ 1, from };
        rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
        rc = mdb_cursor_get(cursor, &key, &value, rc == 0 ? MDB_PREV : MDB_LAST);
    }
    if (rc != 0 || ((unsigned char *)key.mv_data)[0] != table) {
        return 2;
    }
    unsigned char *bent = malloc(value.mv_size), *copy = malloc(key.mv_size);
    if (bent == NULL || copy == NULL) {
        return 1;
    }
    memcpy(bent, value.mv_data, value.mv_size);
    memcpy(copy, key.mv_data, key.mv_size);
    bent[value.mv_size - 1] ^= 1;
    value.mv_data = bent;
    key.mv_data = copy;
    mdb_cursor_close(cursor);
    check(mdb_put(txn, dbi, &key, &value, 0), "put");
    check(mdb_txn_commit(txn), "commit");
    mdb_env_close(env);
    free(bent);
    free(copy);
    return 0;
}
