/* SPDX-License-Identifier: Apache-2.0
 * Rows of what operators have stopped, held and proposed.
 */
#include <string.h>

#include "deliveries.h"
#include "rows_parts.h"

static void stop_row(const struct tmx_audit_stop *s, struct tmx_writer *w)
{
    tmx_write_bytes(w, TMX_BYTES_OF(s->member));
    tmx_write_u64(w, s->index);
}

static void hold_row(const struct tmx_audit_message *m, const struct tmx_audit_delivery *d, struct tmx_writer *w)
{
    tmx_write_bytes(w, TMX_BYTES_OF(d->member));
    tmx_write_bytes(w, TMX_BYTES_OF(m->id));
    tmx_write_u64(w, d->held);
}

static void proposal_row(const struct tmx_audit_proposal *p, struct tmx_writer *w)
{
    tmx_write_u64(w, p->index);
    tmx_write_u64(w, p->until_ms);
    tmx_write_u8(w, p->action);
    tmx_write_bytes(w, TMX_BYTES_OF(p->digest));
}

struct look {
    const uint8_t *key;   /* NULL: every row is told */
    size_t key_size;
    tmx_audit_row_fn *fn;
    void *ctx;
    bool found;
    uint8_t row[TMX_PROJECTION_ROW_MAX];
};

static void told(struct look *l, const uint8_t *row, size_t size)
{
    if (l->key == NULL) {
        l->fn(l->ctx, row, 0);
    } else if (memcmp(row, l->key, l->key_size) == 0) {
        l->found = true;
        memcpy(l->row, row, size);
    }
}

/* Messages with something held are few; which ones is not kept. */
static void look_at_holds(const struct tmx_audit *a, struct look *l)
{
    const struct tmx_audit_key *key;
    size_t at = 0;
    void *value;

    while (a->n_held > 0 && tmx_audit_table_next(&a->ids, &at, &key, &value)) {
        const struct tmx_audit_message *m = ((const struct tmx_audit_known *)value)->message;

        for (size_t i = 0; m != NULL && i < m->n; i++) {
            uint8_t row[TMX_PROJECTION_ROW_MAX];
            struct tmx_writer w = TMX_WRITER_OF(row);

            if (m->deliveries[i].held != 0) {
                hold_row(m, &m->deliveries[i], &w);
                told(l, row, w.used);
            }
        }
    }
}

static void look(const struct tmx_audit *a, enum tmx_projection_table table, struct look *l)
{
    uint8_t row[TMX_PROJECTION_ROW_MAX];

    if (table == TMX_PROJECTION_HOLDS) {
        look_at_holds(a, l);
    }
    for (size_t i = 0; table == TMX_PROJECTION_STOPS && i < a->n_stops; i++) {
        struct tmx_writer w = TMX_WRITER_OF(row);

        stop_row(&a->stops[i], &w);
        told(l, row, w.used);
    }
    for (size_t i = 0; table == TMX_PROJECTION_PROPOSALS && i < a->n_proposals; i++) {
        struct tmx_writer w = TMX_WRITER_OF(row);

        proposal_row(&a->proposals[i], &w);
        told(l, row, w.used);
    }
}

bool tmx_audit_operations_row(const struct tmx_audit *a, enum tmx_projection_table table, const uint8_t *row, struct tmx_writer *w,
                              uint64_t *ret_since)
{
    const struct tmx_projection_layout *layout = tmx_projection_layout(table);
    struct look l = { .key = row, .key_size = layout->key_size };
    struct tmx_reader r;

    look(a, table, &l);
    if (!l.found) {
        return false;
    }
    tmx_write_bytes(w, TMX_BYTES(l.row, layout->row_size));
    r = tmx_reader_init(TMX_BYTES(l.row + (table == TMX_PROJECTION_PROPOSALS ? 0 : layout->key_size), 8));
    *ret_since = tmx_read_u64(&r);
    return true;
}

void tmx_audit_operations_rows(const struct tmx_audit *a, enum tmx_projection_table table, tmx_audit_row_fn *fn, void *ctx)
{
    struct look l = { .fn = fn, .ctx = ctx };

    look(a, table, &l);
}
