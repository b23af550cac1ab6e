/* SPDX-License-Identifier: Apache-2.0
 * How old the queued deliveries of each member are. What is accepted and what leaves is counted at once; what was queued when
 * the process began is read in the background, so many rows a turn, in the order of DUE. Until that is over nothing is told.
 *
 * A delivery counts once its acceptance is of this process, or its row of DUE is behind the cursor.
 */
#include <string.h>

#include "core.h"

#define ROWS_A_TURN 512u

void ages_start(struct tmx_broker *b, uint64_t log_size)
{
    b->ages.from_index = log_size;
    b->ages.cursor = (struct key){ .data = { 0 }, .size = 1 };
    struct tmx_spool_stat stat = { .rows = { 0 } };
    int r = tmx_spool_stat(b->spool, &stat);
    if (r < 0) {
        broker_fault(b, r);
    }
    b->ages.rows = stat.rows[TMX_T_DUE];
    b->ages.read = log_size == 0;
}

void ages_member(struct tmx_broker *b, struct peer *p)
{
    struct tmx_row_destination at;
    destination_read(b, p->key, &at);
    p->ages_unknown = at.queued > 0 && (b->ages.read || b->ages.cursor.size > 1);
}

static void count(struct tmx_broker *b, const uint8_t member[TMX_MEMBER_KEY], const struct tmx_row_delivery *d)
{
    struct peer *p = peer_find(b, member);
    uint64_t accepted_ms = ledger_time(b, d->index);
    int r = p != NULL && !p->ages_unknown ? tmx_ages_add(&p->ages, accepted_ms) : 0;
    if (r < 0) {
        broker_fault(b, r);
    }
}

void ages_enter(struct tmx_broker *b, const uint8_t member[TMX_MEMBER_KEY], const struct tmx_row_delivery *d)
{
    if (d->index >= b->ages.from_index) {
        count(b, member, d);
    }
}

void ages_leave(struct tmx_broker *b, const uint8_t id[TMX_ID_SIZE], const uint8_t member[TMX_MEMBER_KEY],
                const struct tmx_row_delivery *d)
{
    struct key due = key_due(d->expires_ms, id, member);
    struct peer *p = peer_find(b, member);
    bool counted = d->index >= b->ages.from_index || b->ages.read ||
                   tmx_bytes_cmp(key_bytes(&due), key_bytes(&b->ages.cursor)) < 0;
    uint64_t accepted_ms = ledger_time(b, d->index);
    if (p != NULL && !p->ages_unknown && counted && b->fault == 0) {
        tmx_ages_remove(&p->ages, accepted_ms);
    }
}

void ages_run(struct tmx_broker *b)
{
    for (unsigned i = 0; i < ROWS_A_TURN && !b->ages.read && b->fault == 0; i++) {
        struct tmx_bytes key, value;
        struct tmx_row_delivery d;
        uint8_t id[TMX_ID_SIZE], member[TMX_MEMBER_KEY];
        b->ages.read = !row_seek(b, TMX_T_DUE, key_bytes(&b->ages.cursor), 0, &key, &value);
        if (b->ages.read) {
            break;
        }
        assert(key.size == 8 + sizeof(id) + sizeof(member));
        memcpy(id, key.data + 8, sizeof(id));
        memcpy(member, key.data + 8 + sizeof(id), sizeof(member));
        memcpy(b->ages.cursor.data, key.data, key.size);
        b->ages.cursor.data[key.size] = 0;   /* the next one there can be */
        b->ages.cursor.size = key.size + 1;
        b->ages.rows_read++;
        if (delivery_read(b, id, member, &d) && d.index < b->ages.from_index) {
            count(b, member, &d);
        }
    }
    b->more = b->more || !b->ages.read;
}

bool ages_look(const struct tmx_broker *b, const struct peer *p, struct tmx_ages_view *ret_view)
{
    tmx_ages_look(&p->ages, b->wall_ms, b->config.late_ms, ret_view);
    return b->ages.read && !p->ages_unknown;
}

unsigned tmx_broker_ages_percent(const struct tmx_broker *b)
{
    uint64_t percent = b->ages.rows_read * 100 / (b->ages.rows + 1);
    return b->ages.read ? 100 : percent < 99 ? (unsigned)percent : 99;
}
