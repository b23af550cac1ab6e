/* SPDX-License-Identifier: Apache-2.0
 * More turns on a recovered spool: what was damaged may be a page that is free, and is found when it is used.
 */
#include <string.h>

#include "sweep.h"

#define TABLE (TMX_TABLES_MAX - 1u)   /* no program's */
#define TURNS 3u
#define ROWS 24u
#define ROW_SIZE 9000u

int sweep_go_on(struct tmx_spool *s)
{
    static const uint8_t value[ROW_SIZE] = { 1 };
    int r = 0;
    for (uint8_t turn = 0; r == 0 && turn < TURNS; turn++) {
        r = tmx_spool_begin(s);
        for (uint8_t row = 0; r == 0 && row < ROWS; row++) {
            const uint8_t key[] = { row };
            struct tmx_op op = {
                .kind = TMX_OP_PUT, .table = TABLE, .key = TMX_BYTES_OF(key), .value = TMX_BYTES_OF(value)
            };
            r = tmx_spool_apply(s, &op, 1);
        }
        r = r == 0 ? tmx_spool_commit(s) : r;
    }
    return r;
}
