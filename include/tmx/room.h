/* SPDX-License-Identifier: Apache-2.0
 * How much a spool may still take in. New messages stop at a high-water mark, and earlier where what was promised, the
 * reports and evidence of all that is open, would not fit above it: these must go on until the last outcome is there,
 * for only outcomes give room back. Time and numbers are parameters.
 */
#pragma once

#include <tmx/spool.h>

struct tmx_room {
    uint64_t mark_percent;   /* set it; the rest is zero at first */
    uint64_t percent;        /* of the capacity in use */
    bool full;
    uint64_t left_bytes;     /* for new messages; 0 when full */
    uint64_t over_bytes;     /* so much of what is kept by choice should go, before new messages have to stop */
    uint64_t taken_bytes;    /* add what comes in */
    uint64_t looked_ms;
};

/* The spool is to be looked at: a second is over, or much was taken since. */
bool tmx_room_due(const struct tmx_room *r, uint64_t now_ms);
/* `promised` bytes are still to come whatever is taken in. */
void tmx_room_look(struct tmx_room *r, const struct tmx_spool_stat *stat, uint64_t promised, uint64_t now_ms);
/* What one turn may take in: with its rows it stays well below what is left. */
uint64_t tmx_room_turn(const struct tmx_room *r);
