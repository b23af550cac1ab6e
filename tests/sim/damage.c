/* SPDX-License-Identifier: Apache-2.0
 * Disks that spoil single rows of nodes (NODE-16): in such a run rows of one table, any but that of what a node cannot be without.
 * Nothing else may be lost, and nothing happen twice.
 */
#include <string.h>

#include "sim.h"

#define TABLES (TMX_NT_DAMAGED - TMX_NT_META)

bool damage_may(const struct sim *s)
{
    return s->seed % 16 == 10 || s->seed % 16 == 14;
}

unsigned damage_table(const struct sim *s)
{
    return damage_may(s) ? TMX_NT_META + 1 + (unsigned)(s->seed / 8 % TABLES) : 0;
}

/* Any row of the table; one that is damaged already stays so. */
static void damage_one(struct sim *s, unsigned i)
{
    struct tmx_spool *spool = s->nodes[i].p.spool.inner;
    struct tmx_bytes key, value;
    uint8_t from[4], table = (uint8_t)damage_table(s), copy[TMX_KEY_MAX];
    struct tmx_writer w = TMX_WRITER_OF(from);
    tmx_write_u32(&w, (uint32_t)rng_next(&s->slow_rng));
    int r = tmx_spool_seek(spool, table, TMX_BYTES_OF(from), &key, &value);
    r = r == TMX_SPOOL_E_NONE ? tmx_spool_seek(spool, table, TMX_BYTES("", 1), &key, &value) : r;
    if (r != 0) {
        return;
    }
    memcpy(copy, key.data, key.size);
    tmx_spool_ram_damage(spool, table, TMX_BYTES(copy, key.size));
    SOMETIMES(record_damaged);
    sim_trace(s, "a row of table %u of node %s is damaged", table, s->federation.members[i].code);
}

void damage_step(struct sim *s)
{
    for (unsigned i = 0; damage_may(s) && !s->healed && i < s->n_nodes; i++) {
        if (rng_chance(&s->slow_rng, 4)) {
            damage_one(s, i);
        }
    }
}
