/* SPDX-License-Identifier: Apache-2.0
 * What the broker holds, as rows of the projection (tmx/projection.h): what it would act upon, read from its tables, not made from
 * its log.
 */
#include <string.h>

#include <tmx/seal.h>

#include "core.h"

/* The rest of a row, which begins with the key in the spool. False: the value cannot be read. */
typedef bool rest_fn(struct tmx_bytes value, struct tmx_writer *w);

static bool as_it_is(struct tmx_bytes value, struct tmx_writer *w)
{
    tmx_write_bytes(w, value);
    return true;
}

static bool message_rest(struct tmx_bytes value, struct tmx_writer *w)
{
    struct tmx_row_message m;
    if (!tmx_row_message_get(value, &m)) {
        return false;
    }
    tmx_write_bytes(w, TMX_BYTES_OF(m.sender));
    tmx_write_u64(w, m.index);
    tmx_write_bytes(w, TMX_BYTES_OF(m.header_digest));
    tmx_write_bytes(w, TMX_BYTES_OF(m.container_digest));
    tmx_write_u32(w, m.container_bytes);
    tmx_write_u8(w, m.n_recipients);
    tmx_write_u8(w, m.n_queued);
    tmx_write_u8(w, m.n_open);
    return true;
}

static uint8_t outcome_of(enum tmx_delivery_state state)
{
    switch (state) {
    case TMX_DELIVERY_QUEUED:
        return TMX__OUTCOME__OUTCOME_NONE;
    case TMX_DELIVERY_ARRIVED:
        return TMX__OUTCOME__OUTCOME_COA;
    case TMX_DELIVERY_DELIVERED:
        return TMX__OUTCOME__OUTCOME_COD_POSITIVE;
    case TMX_DELIVERY_REFUSED:
        return TMX__OUTCOME__OUTCOME_COD_NEGATIVE;
    case TMX_DELIVERY_EXPIRED:
        return TMX__OUTCOME__OUTCOME_EXPIRED;
    case TMX_DELIVERY_EXCEPTION:
        break;
    }
    return TMX__OUTCOME__OUTCOME_COE;
}

static bool delivery_rest(struct tmx_bytes value, struct tmx_writer *w)
{
    struct tmx_row_delivery d;
    if (!tmx_row_delivery_get(value, &d)) {
        return false;
    }
    tmx_write_bytes(w, TMX_BYTES_OF(d.sender));
    tmx_write_u64(w, d.seq);
    tmx_write_u64(w, d.index);
    tmx_write_u64(w, d.expires_ms);
    tmx_write_u8(w, outcome_of(d.state));
    tmx_write_u64(w, d.coa_index);
    tmx_write_u64(w, d.outcome_index);
    return true;
}

static bool destination_rest(struct tmx_bytes value, struct tmx_writer *w)
{
    struct tmx_row_destination d;
    if (!tmx_row_destination_get(value, &d)) {
        return false;
    }
    tmx_write_u64(w, d.queued);
    tmx_write_u64(w, d.queued_bytes);
    tmx_write_u64(w, d.arrived);
    tmx_write_u64(w, d.accepted);
    tmx_write_u64(w, d.terminal);
    return true;
}

static const struct {
    enum tmx_broker_table table;
    rest_fn *rest;
} sources[TMX_PROJECTION_TABLES] = {
    [TMX_PROJECTION_PREKEY_SETS] = { TMX_T_PREKEY_SET, as_it_is },
    [TMX_PROJECTION_PAIRS] = { TMX_T_PAIR, as_it_is },
    [TMX_PROJECTION_MESSAGES] = { TMX_T_MESSAGE, message_rest },
    [TMX_PROJECTION_DELIVERIES] = { TMX_T_DELIVERY, delivery_rest },
    [TMX_PROJECTION_REFUSED_IDS] = { TMX_T_REFUSED, as_it_is },
    [TMX_PROJECTION_REFUSALS] = { TMX_T_REFUSED, as_it_is },
    [TMX_PROJECTION_DESTINATIONS] = { TMX_T_DESTINATION, destination_rest },
    [TMX_PROJECTION_STOPS] = { TMX_T_STOP, as_it_is },
    [TMX_PROJECTION_HOLDS] = { TMX_T_HELD, as_it_is },
    [TMX_PROJECTION_PROPOSALS] = { TMX_T_PROPOSAL, as_it_is },
};

static bool read_directory(const struct tmx_broker *b, struct tmx_writer *w)
{
    uint8_t digest[32];
    tmx_digest(tmx_directory_file(b->directory), digest);
    tmx_write_u64(w, tmx_directory_serial(b->directory));
    tmx_write_bytes(w, TMX_BYTES_OF(digest));
    return true;
}

/* TMX_T_REFUSED holds the rows of two tables, which the sizes of their keys tell apart: rows count as they are looked at. */
static bool read_rows(struct tmx_broker *b, enum tmx_projection_table table, struct tmx_writer *w, struct tmx_broker_page *p)
{
    const struct tmx_projection_layout *layout = tmx_projection_layout(table);
    size_t looks = (w->size - w->used) / layout->row_size;
    for (;;) {
        struct tmx_bytes key, value;
        int r = tmx_spool_seek(b->spool, (uint8_t)sources[table].table, TMX_BYTES(p->next, p->next_size), &key, &value);
        p->next_size = 0;
        if (r != 0) {
            return r > 0;
        }
        memcpy(p->next, key.data, key.size);
        p->next_size = key.size;
        if (looks-- == 0) {
            return true;
        }
        if (key.size == layout->key_size) {
            const size_t end = w->used + layout->row_size;
            tmx_write_bytes(w, key);
            if (!sources[table].rest(value, w) || w->used != end) {
                return false;
            }
            p->rows++;
        }
        assert(p->next_size < sizeof(p->next));
        p->next[p->next_size++] = 0;   /* the next possible key */
    }
}

bool tmx_broker_project(struct tmx_broker *b, enum tmx_projection_table table, struct tmx_bytes from, struct tmx_writer *w,
                        struct tmx_broker_page *ret_page)
{
    struct tmx_broker_page p = { .size = tmx_tree_size(b->tree) };
    assert(from.size <= sizeof(p.next) && !b->spool->in_turn);
    if (table == TMX_PROJECTION_DIRECTORY) {
        p.rows = 1;
        *ret_page = p;
        return read_directory(b, w);
    }
    p.next_size = from.size > 0 ? from.size : 1;   /* no key is less than one byte of zero */
    if (from.size > 0) {
        memcpy(p.next, from.data, from.size);
    }
    const bool read = read_rows(b, table, w, &p);
    *ret_page = p;
    return read;
}
