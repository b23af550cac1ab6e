/* SPDX-License-Identifier: Apache-2.0
 * age-hours CONF HOURS: makes the checkpoints that a broker, which does not run, has kept of hours so much older, as if time had
 * passed: an hour is too long for a test.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tmx/text.h>

#include "../../broker/daemon.h"

#define ROWS_MAX 16u

static void check(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "age-hours: %s\n", what);
        exit(1);
    }
}

struct row {
    uint8_t key[8];
    uint8_t note[TMX_NOTE_MAX];
    size_t size;
};

/* Every row, copied: what the spool gives lives until it is asked again. */
static size_t read_rows(struct tmx_spool *spool, struct row *rows)
{
    uint8_t from[9] = { 0 };
    size_t from_size = 1, n = 0;
    struct tmx_bytes key, value;
    while (tmx_spool_seek(spool, TMX_T_COSIGNED, TMX_BYTES(from, from_size), &key, &value) == 0) {
        check(n < ROWS_MAX && key.size == 8 && value.size <= TMX_NOTE_MAX, "rows that are none");
        memcpy(rows[n].key, key.data, 8);
        memcpy(rows[n].note, value.data, value.size);
        rows[n++].size = value.size;
        memcpy(from, key.data, 8);
        from_size = sizeof(from);   /* the least key behind it */
    }
    return n;
}

int main(int argc, char **argv)
{
    static struct row rows[ROWS_MAX];
    struct settings s;
    struct tmx_spool *spool;
    char error[512] = "";
    uint64_t hours = 0;
    check(argc == 3 && tmx_parse_u64(tmx_bytes_str(argv[2]), 10000, &hours), "usage: age-hours CONF HOURS");
    check(sodium_init() >= 0 && settings_load(argv[1], &s) == 0, "no configuration");
    check(tmx_spool_lmdb_open(s.spool, s.capacity_bytes, "broker", &spool, error, sizeof(error)) == 0, error);
    check(tmx_spool_begin(spool) == 0, "the spool fails");
    size_t n = read_rows(spool, rows);
    for (size_t i = 0; i < n; i++) {
        struct tmx_reader r = tmx_reader_init(TMX_BYTES_OF(rows[i].key));
        uint8_t aged[8];
        struct tmx_writer w = TMX_WRITER_OF(aged);
        tmx_write_u64(&w, tmx_read_u64(&r) - hours);
        struct tmx_op ops[] = {
            { .kind = TMX_OP_DELETE, .table = TMX_T_COSIGNED, .key = TMX_BYTES_OF(rows[i].key) },
            { .kind = TMX_OP_PUT, .table = TMX_T_COSIGNED, .key = TMX_BYTES_OF(aged), .value = TMX_BYTES(rows[i].note, rows[i].size) },
        };
        check(tmx_spool_apply(spool, ops, TMX_N(ops)) == 0, "a row is refused");
    }
    check(tmx_spool_commit(spool) == 0, "the spool fails");
    tmx_spool_close(spool);
    settings_free(&s);
    return 0;
}
