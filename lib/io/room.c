/* SPDX-License-Identifier: Apache-2.0
 * How much a spool may still take in. Contract: tmx/room.h.
 */
#include <tmx/room.h>

#define LOOK_MS 1000u
#define LEAST_PERCENT 1u    /* less is none: a spool that takes only the smallest messages is full */
#define SLACK_PERCENT 2u    /* once full, there is room again this much below the mark */
#define YIELD_PERCENT 4u    /* so much below the mark what is kept by choice begins to go */
#define KEPT_PERCENT 5u     /* nobody's: pages that a turn replaces are free only after it */
#define TURN_BYTES_MIN (256u << 10)
#define TURNS_MIN 4u        /* this many turns of the size allowed fit in */

bool tmx_room_due(const struct tmx_room *r, uint64_t now_ms)
{
    return r->looked_ms == 0 || now_ms - r->looked_ms >= LOOK_MS || r->taken_bytes >= tmx_room_turn(r);
}

void tmx_room_look(struct tmx_room *r, const struct tmx_spool_stat *stat, uint64_t promised, uint64_t now_ms)
{
    uint64_t percent_bytes = stat->capacity_bytes / 100;
    uint64_t mark = percent_bytes * r->mark_percent;
    uint64_t top = percent_bytes * (100 - KEPT_PERCENT);
    uint64_t unpromised = top > promised ? top - promised : 0;
    uint64_t limit = mark < unpromised ? mark : unpromised;
    uint64_t needed = percent_bytes * (r->full ? SLACK_PERCENT : LEAST_PERCENT);
    r->percent = percent_bytes == 0 ? 0 : stat->used_bytes / percent_bytes;
    r->full = stat->used_bytes + needed > limit;
    r->left_bytes = r->full ? 0 : limit - stat->used_bytes;
    uint64_t reached = stat->used_bytes + percent_bytes * YIELD_PERCENT;
    r->over_bytes = reached > limit ? reached - limit : 0;
    r->taken_bytes = 0;
    r->looked_ms = now_ms;
}

uint64_t tmx_room_turn(const struct tmx_room *r)
{
    uint64_t bytes = r->left_bytes / TURNS_MIN;
    return bytes < TURN_BYTES_MIN ? TURN_BYTES_MIN : bytes < TMX_TURN_BYTES_MAX ? bytes : TMX_TURN_BYTES_MAX;
}
