/* SPDX-License-Identifier: Apache-2.0
 * bend-spool CONF TABLE AT: changes a bit in the spool of a broker that does not run: byte AT of the value of the last row of that
 * table (broker/core/tables.h). Twice, and it is as it was. AT "row": the row goes. For tests/integration/fold-live.sh.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tmx/spool_lmdb.h>
#include <tmx/text.h>

#include "../../broker/daemon.h"

static void check(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "bend-spool: %s\n", what);
        exit(1);
    }
}

/* The last row; where there is none the test is wrong. */
static void find_last(struct tmx_spool *spool, uint8_t table, uint8_t key[TMX_KEY_MAX + 1], size_t *ret_size)
{
    struct tmx_bytes found, value;
    size_t size = 1;
    bool any = false;

    memset(key, 0, TMX_KEY_MAX + 1);
    while (tmx_spool_seek(spool, table, TMX_BYTES(key, size), &found, &value) == 0) {
        any = true;
        memcpy(key, found.data, found.size);
        size = found.size;
        key[size++] = 0;
    }
    check(any, "the table has no row");
    *ret_size = size - 1;
}

int main(int argc, char **argv)
{
    uint8_t key[TMX_KEY_MAX + 1], changed[256];
    struct tmx_op op = { .kind = TMX_OP_UPDATE };
    uint64_t table = 0, at = 0;
    struct tmx_bytes value;
    struct tmx_spool *spool;
    struct settings s;
    char error[512] = "";
    size_t size;

    check(argc == 4 && tmx_parse_u64(tmx_bytes_str(argv[2]), TMX_TABLES_MAX - 1, &table), "usage: bend-spool CONF TABLE AT");
    check(sodium_init() >= 0 && settings_load(argv[1], &s) == 0, "no configuration");
    check(tmx_spool_lmdb_open(s.spool, s.capacity_bytes, "broker", &spool, error, sizeof error) == 0, error);
    find_last(spool, (uint8_t)table, key, &size);
    op.table = (uint8_t)table;
    op.key = TMX_BYTES(key, size);
    if (strcmp(argv[3], "row") == 0) {
        op.kind = TMX_OP_DELETE;
    } else {
        check(tmx_spool_get(spool, op.table, op.key, &value) == 0 && value.size <= sizeof changed &&
                  tmx_parse_u64(tmx_bytes_str(argv[3]), value.size - 1, &at), "no such byte");
        memcpy(changed, value.data, value.size);
        changed[at] ^= 1;
        op.value = TMX_BYTES(changed, value.size);
    }
    check(tmx_spool_begin(spool) == 0 && tmx_spool_apply(spool, &op, 1) == 0 && tmx_spool_commit(spool) == 0, "the spool fails");
    tmx_spool_close(spool);
    return 0;
}
