/* SPDX-License-Identifier: Apache-2.0
 * Rows of what the audit keeps: the state machine is deliveries.c's and verify_kinds.c's, here is only what is told of it.
 */
#include <sodium.h>
#include <string.h>

#include "deliveries.h"
#include "rows_parts.h"

/* --- rows ----------------------------------------------------------------------------------------------------- */

static void directory_row(const struct tmx_audit *a, struct tmx_writer *w)
{
    tmx_write_u64(w, a->in_force);
    tmx_write_bytes(w, TMX_BYTES_OF(a->in_force_digest));
}

static void prekey_set_row(const struct tmx_audit_key *member, const struct tmx_audit_prekey_set *set, struct tmx_writer *w)
{
    tmx_write_bytes(w, TMX_BYTES(member->b, TMX_MEMBER_MAX));
    tmx_write_u64(w, set->serial);
    tmx_write_u64(w, set->index);
}

/* A key is (sender, padded to the width of a shard; recipient at its end, padded to 8). */
static void pair_row(const struct tmx_audit_key *key, const struct tmx_audit_pair *p, struct tmx_writer *w)
{
    tmx_write_bytes(w, TMX_BYTES(key->b, TMX_MEMBER_MAX));
    tmx_write_bytes(w, TMX_BYTES(key->b + sizeof key->b - TMX_MEMBER_MAX, TMX_MEMBER_MAX));
    tmx_write_u64(w, p->last);
}

static void message_row(const struct tmx_audit_message *m, struct tmx_writer *w)
{
    uint8_t queued = 0;
    uint8_t open = 0;

    for (size_t i = 0; i < m->n; i++) {
        queued = (uint8_t)(queued + (m->deliveries[i].state == AUDIT_QUEUED));
        open = (uint8_t)(open + (m->deliveries[i].state != AUDIT_ENDED));
    }
    tmx_write_bytes(w, TMX_BYTES_OF(m->id));
    tmx_write_bytes(w, TMX_BYTES_OF(m->sender));
    tmx_write_u64(w, m->index);
    tmx_write_bytes(w, TMX_BYTES_OF(m->header_digest));
    tmx_write_bytes(w, TMX_BYTES_OF(m->container_digest));
    tmx_write_u32(w, m->container_bytes);
    tmx_write_u8(w, m->n);
    tmx_write_u8(w, queued);
    tmx_write_u8(w, open);
}

static void delivery_row(const struct tmx_audit_message *m, const struct tmx_audit_delivery *d, struct tmx_writer *w)
{
    tmx_write_bytes(w, TMX_BYTES_OF(m->id));
    tmx_write_bytes(w, TMX_BYTES_OF(d->member));
    tmx_write_bytes(w, TMX_BYTES_OF(m->sender));
    tmx_write_u64(w, d->seq);
    tmx_write_u64(w, m->index);
    tmx_write_u64(w, m->expires_ms);
    tmx_write_u8(w, (uint8_t)d->said);
    tmx_write_u64(w, d->coa);
    tmx_write_u64(w, d->ended);
}

/* A key is (sender, padded to 8; message id at its end). */
static void refused_id_row(const struct tmx_audit_key *key, const struct tmx_audit_known *k, struct tmx_writer *w)
{
    tmx_write_bytes(w, TMX_BYTES(key->b + TMX_MEMBER_MAX, TMX_ID_SIZE));
    tmx_write_bytes(w, TMX_BYTES(key->b, TMX_MEMBER_MAX));
    tmx_write_u64(w, k->index);
}

static void refusal_row(const struct tmx_audit_key *key, const struct tmx_audit_refusal *r, struct tmx_writer *w)
{
    tmx_write_bytes(w, TMX_BYTES_OF(key->b));
    tmx_write_bytes(w, TMX_BYTES_OF(r->rest));
    tmx_write_u64(w, r->index);
}

static void destination_row(const struct tmx_audit_key *member, const struct tmx_audit_destination *d, struct tmx_writer *w)
{
    tmx_write_bytes(w, TMX_BYTES(member->b, TMX_MEMBER_MAX));
    tmx_write_u64(w, d->queued);
    tmx_write_u64(w, d->queued_bytes);
    tmx_write_u64(w, d->arrived);
    tmx_write_u64(w, d->accepted);
    tmx_write_u64(w, d->terminal);
}

/* --- one row -------------------------------------------------------------------------------------------------- */

/* The message of this id: that of the sender in the row, or else the one that its acceptance brought. */
static struct tmx_audit_message *find_message(const struct tmx_audit *a, const uint8_t *id, const uint8_t *sender, const uint8_t *acceptance)
{
    const struct tmx_audit_key key = tmx_audit_key_of(TMX_BYTES(sender, TMX_MEMBER_MAX), TMX_BYTES(id, TMX_ID_SIZE));
    const struct tmx_audit_known *known = tmx_audit_table_get(&a->ids, &key);
    struct tmx_reader r = tmx_reader_init(TMX_BYTES(acceptance, 8));
    struct tmx_audit_message *m = known != NULL ? known->message : NULL;

    if (m == NULL) {
        m = tmx_audit_message_at(a, TMX_BYTES(a->shard, a->shard_size), tmx_read_u64(&r));
    }
    return m != NULL && memcmp(m->id, id, sizeof m->id) == 0 ? m : NULL;
}

/* The entry that changed something of it last. */
static uint64_t delivery_since(const struct tmx_audit_message *m, const struct tmx_audit_delivery *d)
{
    return d->ended != 0 ? d->ended : d->coa != 0 ? d->coa : m->index;
}

static uint64_t message_since(const struct tmx_audit_message *m)
{
    uint64_t since = m->index;

    for (size_t i = 0; i < m->n; i++) {
        const uint64_t at = delivery_since(m, &m->deliveries[i]);

        since = at > since ? at : since;
    }
    return since;
}

static bool member_row(const struct tmx_audit *a, enum tmx_projection_table table, const uint8_t *row, struct tmx_writer *w,
                       uint64_t *ret_since)
{
    const bool prekeys = table == TMX_PROJECTION_PREKEY_SETS;
    const struct tmx_audit_key key = tmx_audit_key_of(TMX_BYTES(row, TMX_MEMBER_MAX), TMX_BYTES_NULL);
    const void *found = tmx_audit_table_get(prekeys ? &a->prekeys : &a->destinations, &key);

    if (found == NULL) {
        return false;
    }
    if (prekeys) {
        prekey_set_row(&key, found, w);
        *ret_since = ((const struct tmx_audit_prekey_set *)found)->index;
    } else {
        destination_row(&key, found, w);
        *ret_since = ((const struct tmx_audit_destination *)found)->index;
    }
    return true;
}

static bool pair_of(const struct tmx_audit *a, const uint8_t *row, struct tmx_writer *w, uint64_t *ret_since)
{
    const struct tmx_audit_key key = tmx_audit_key_of(TMX_BYTES(row, TMX_MEMBER_MAX),
                                                      TMX_BYTES(row + TMX_MEMBER_MAX, TMX_MEMBER_MAX));
    const struct tmx_audit_pair *p = tmx_audit_table_get(&a->pairs, &key);

    if (p == NULL) {
        return false;
    }
    pair_row(&key, p, w);
    *ret_since = p->index;
    return true;
}

static bool message_of(const struct tmx_audit *a, const uint8_t *row, struct tmx_writer *w, uint64_t *ret_since)
{
    const uint8_t *sender = row + TMX_ID_SIZE;
    const struct tmx_audit_message *m = find_message(a, row, sender, sender + TMX_MEMBER_MAX);

    if (m == NULL) {
        return false;
    }
    message_row(m, w);
    *ret_since = message_since(m);
    return true;
}

static bool delivery_of(const struct tmx_audit *a, const uint8_t *row, struct tmx_writer *w, uint64_t *ret_since)
{
    const uint8_t *recipient = row + TMX_ID_SIZE;
    const uint8_t *sender = recipient + TMX_MEMBER_MAX;
    struct tmx_audit_message *m = find_message(a, row, sender, sender + TMX_MEMBER_MAX + 8);

    for (size_t i = 0; m != NULL && i < m->n; i++) {
        if (memcmp(m->deliveries[i].member, recipient, TMX_MEMBER_MAX) == 0) {
            delivery_row(m, &m->deliveries[i], w);
            *ret_since = delivery_since(m, &m->deliveries[i]);
            return true;
        }
    }
    return false;
}

static bool refused_id_of(const struct tmx_audit *a, const uint8_t *row, struct tmx_writer *w, uint64_t *ret_since)
{
    const struct tmx_audit_key key = tmx_audit_key_of(TMX_BYTES(row + TMX_ID_SIZE, TMX_MEMBER_MAX), TMX_BYTES(row, TMX_ID_SIZE));
    const struct tmx_audit_known *k = tmx_audit_table_get(&a->ids, &key);

    if (k == NULL || k->message != NULL) {
        return false;
    }
    refused_id_row(&key, k, w);
    *ret_since = k->index;
    return true;
}

static bool refusal_of(const struct tmx_audit *a, const uint8_t *row, struct tmx_writer *w, uint64_t *ret_since)
{
    const struct tmx_audit_refusal *r;
    struct tmx_audit_key key;

    memcpy(key.b, row, sizeof key.b);
    r = tmx_audit_table_get(&a->refusals, &key);
    if (r == NULL || memcmp(r->rest, row + sizeof key.b, sizeof r->rest) != 0) {
        return false;
    }
    refusal_row(&key, r, w);
    *ret_since = r->index;
    return true;
}

bool tmx_audit_row(const struct tmx_audit *a, enum tmx_projection_table table, const uint8_t *row,
                   uint8_t ret_row[TMX_PROJECTION_ROW_MAX], uint64_t *ret_since)
{
    struct tmx_writer w = tmx_writer_init(ret_row, TMX_PROJECTION_ROW_MAX);

    switch (table) {
    case TMX_PROJECTION_DIRECTORY:
        directory_row(a, &w);
        *ret_since = a->in_force_index;
        return true;
    case TMX_PROJECTION_PREKEY_SETS:
    case TMX_PROJECTION_DESTINATIONS:
        return member_row(a, table, row, &w, ret_since);
    case TMX_PROJECTION_PAIRS:
        return pair_of(a, row, &w, ret_since);
    case TMX_PROJECTION_MESSAGES:
        return message_of(a, row, &w, ret_since);
    case TMX_PROJECTION_DELIVERIES:
        return delivery_of(a, row, &w, ret_since);
    case TMX_PROJECTION_REFUSED_IDS:
        return refused_id_of(a, row, &w, ret_since);
    case TMX_PROJECTION_REFUSALS:
        return refusal_of(a, row, &w, ret_since);
    case TMX_PROJECTION_STOPS:
    case TMX_PROJECTION_HOLDS:
    case TMX_PROJECTION_PROPOSALS:
        return tmx_audit_operations_row(a, table, row, &w, ret_since);
    case TMX_PROJECTION_TABLES:
        break;
    }
    return false;
}

/* --- all rows ------------------------------------------------------------------------------------------------- */

struct telling {
    enum tmx_projection_table table;
    tmx_audit_row_fn *fn;
    void *ctx;
    uint8_t row[TMX_PROJECTION_ROW_MAX];
};

/* The deliveries of a message are rows each. */
static void tell_deliveries(struct telling *t, const struct tmx_audit_message *m)
{
    for (size_t i = 0; i < m->n; i++) {
        struct tmx_writer w = TMX_WRITER_OF(t->row);

        delivery_row(m, &m->deliveries[i], &w);
        t->fn(t->ctx, t->row, m->index);
    }
}

static void tell_id(struct telling *t, const struct tmx_audit_key *key, const struct tmx_audit_known *k)
{
    struct tmx_writer w = TMX_WRITER_OF(t->row);

    if (t->table == TMX_PROJECTION_REFUSED_IDS && k->message == NULL) {
        refused_id_row(key, k, &w);
        t->fn(t->ctx, t->row, k->index);
    } else if (t->table == TMX_PROJECTION_MESSAGES && k->message != NULL) {
        message_row(k->message, &w);
        t->fn(t->ctx, t->row, k->message->index);
    } else if (t->table == TMX_PROJECTION_DELIVERIES && k->message != NULL) {
        tell_deliveries(t, k->message);
    }
}

static void tell(struct telling *t, const struct tmx_audit_key *key, const void *value)
{
    struct tmx_writer w = TMX_WRITER_OF(t->row);
    uint64_t came = 0;

    switch (t->table) {
    case TMX_PROJECTION_PREKEY_SETS:
        prekey_set_row(key, value, &w);
        break;
    case TMX_PROJECTION_PAIRS:
        pair_row(key, value, &w);
        break;
    case TMX_PROJECTION_REFUSALS:
        refusal_row(key, value, &w);
        came = ((const struct tmx_audit_refusal *)value)->index;
        break;
    case TMX_PROJECTION_DESTINATIONS:
        destination_row(key, value, &w);
        break;
    case TMX_PROJECTION_MESSAGES:
    case TMX_PROJECTION_DELIVERIES:
    case TMX_PROJECTION_REFUSED_IDS:
        tell_id(t, key, value);
        return;
    case TMX_PROJECTION_DIRECTORY:
    case TMX_PROJECTION_STOPS:
    case TMX_PROJECTION_HOLDS:
    case TMX_PROJECTION_PROPOSALS:
    case TMX_PROJECTION_TABLES:
        return;
    }
    t->fn(t->ctx, t->row, came);
}

void tmx_audit_rows(const struct tmx_audit *a, enum tmx_projection_table table, tmx_audit_row_fn *fn, void *ctx)
{
    const struct tmx_audit_table *const tables[TMX_PROJECTION_TABLES] = {
        [TMX_PROJECTION_PREKEY_SETS] = &a->prekeys,  [TMX_PROJECTION_PAIRS] = &a->pairs,
        [TMX_PROJECTION_MESSAGES] = &a->ids,         [TMX_PROJECTION_DELIVERIES] = &a->ids,
        [TMX_PROJECTION_REFUSED_IDS] = &a->ids,      [TMX_PROJECTION_REFUSALS] = &a->refusals,
        [TMX_PROJECTION_DESTINATIONS] = &a->destinations,
    };
    struct telling t = { .table = table, .fn = fn, .ctx = ctx };
    struct tmx_writer w = TMX_WRITER_OF(t.row);
    const struct tmx_audit_key *key;
    size_t at = 0;
    void *value;

    if (table == TMX_PROJECTION_DIRECTORY) {
        directory_row(a, &w);
        fn(ctx, t.row, 0);
        return;
    }
    if (tables[table] == NULL) {
        tmx_audit_operations_rows(a, table, fn, ctx);
        return;
    }
    while (tmx_audit_table_next(tables[table], &at, &key, &value)) {
        tell(&t, key, value);
    }
}
