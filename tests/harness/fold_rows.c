/* SPDX-License-Identifier: Apache-2.0
 * See fold.h: the rows. Each table is walked once; every row must be one the fold knows, and as many as it knows.
 */
#include <inttypes.h>
#include <string.h>

#include <tmx/seal.h>

#include "fold_parts.h"

/* One row: key and value are copies, good until the next row. */
typedef bool row_fn(struct fold *f, struct tmx_spool *spool, struct tmx_bytes key, struct tmx_bytes value);

/* Calls fn for every row and counts them. */
static bool walk(struct fold *f, struct tmx_spool *spool, enum tmx_broker_table table, row_fn *fn, uint64_t *ret_rows)
{
    uint8_t at[TMX_KEY_MAX + 1] = { 0 };
    size_t size = 1;
    struct tmx_bytes key, value;
    int r;
    *ret_rows = 0;
    while ((r = tmx_spool_seek(spool, (uint8_t)table, TMX_BYTES(at, size), &key, &value)) == 0) {
        struct tmx_bytes k, v;
        tmx_arena_reset(&f->arena);
        if (!tmx_arena_copy(&f->arena, key, &k) || !tmx_arena_copy(&f->arena, value, &v)) {
            return fold_fail(f, "table %d: a row too large", (int)table);
        }
        if (!fn(f, spool, k, v)) {
            return fold_fail(f, "table %d: row %" PRIu64 " is not what the log says", (int)table, *ret_rows);
        }
        ++*ret_rows;
        if (k.size == TMX_KEY_MAX) {
            return fold_fail(f, "table %d: a key of the greatest size", (int)table);
        }
        memcpy(at, k.data, k.size);
        at[k.size] = 0;   /* the least key behind it */
        size = k.size + 1;
    }
    return r == TMX_SPOOL_E_NONE || fold_fail(f, "table %d: error %d", (int)table, r);
}

static uint64_t number_at(struct tmx_bytes b, size_t at)
{
    struct tmx_reader r = tmx_reader_init(b);
    tmx_read_bytes(&r, at);
    uint64_t v = tmx_read_u64(&r);
    return tmx_reader_ok(&r) ? v : UINT64_MAX;
}

static bool log_row(struct fold *f, struct tmx_spool *spool, struct tmx_bytes key, struct tmx_bytes value)
{
    return number_at(key, 0) < f->n_leaves;
}

static bool head_row(struct fold *f, struct tmx_spool *spool, struct tmx_bytes key, struct tmx_bytes value)
{
    uint64_t size = number_at(key, 0);
    return size >= 1 && size <= f->n_leaves && tmx_bytes_eq(value, TMX_BYTES_OF(f->leaves[size - 1].root.b));
}

/* QUE-8 */
static bool container_there(struct tmx_spool *spool, struct tmx_bytes id)
{
    uint8_t key[TMX_ID_SIZE + 4] = { 0 };
    struct tmx_bytes value;
    memcpy(key, id.data, TMX_ID_SIZE);
    return tmx_spool_get(spool, TMX_T_CONTAINER, TMX_BYTES_OF(key), &value) == 0;
}

static bool message_row(struct fold *f, struct tmx_spool *spool, struct tmx_bytes key, struct tmx_bytes value)
{
    struct tmx_row_message row;
    for (size_t i = 0; i < f->n_messages; i++) {
        const struct tmx_row_message *m = &f->messages[i].row;
        if (tmx_bytes_eq(key, TMX_BYTES_OF(f->messages[i].id))) {
            return tmx_row_message_get(value, &row) && row.index == m->index && row.seen_size == m->seen_size &&
                   memcmp(row.header_digest, m->header_digest, 32) == 0 &&
                   memcmp(row.container_digest, m->container_digest, 32) == 0 &&
                   memcmp(row.sender, m->sender, TMX_MEMBER_KEY) == 0 && row.container_bytes == m->container_bytes &&
                   row.n_recipients == m->n_recipients && row.n_queued == m->n_queued && row.n_open == m->n_open &&
                   container_there(spool, key) == (m->n_open > 0 || f->messages[i].kept);
        }
    }
    return false;
}

/* A lane runs at the highest priority waiting in it. Its head may have gone out before that was raised, and keeps what
 * it was raised to when the other has expired meanwhile. */
static bool ready_right(const struct fold *f, const struct fold_delivery *d, uint8_t ready)
{
    bool head = d->row.state == TMX_DELIVERY_QUEUED && fold_lane_head(f, d) == d && d->held == 0;
    if (!head) {
        return ready == TMX_NOT_READY;
    }
    uint8_t highest = d->row.priority;
    for (size_t i = 0; i < f->n_deliveries; i++) {
        const struct fold_delivery *o = &f->deliveries[i];
        if (o->row.index >= d->row.index && o->row.priority > highest && fold_same_lane(o, d)) {
            highest = o->row.priority;
        }
    }
    return ready >= d->row.priority && ready <= highest;
}

static bool delivery_row(struct fold *f, struct tmx_spool *spool, struct tmx_bytes key, struct tmx_bytes value)
{
    struct tmx_row_delivery row;
    const struct fold_delivery *d =
        key.size == TMX_ID_SIZE + TMX_MEMBER_KEY
            ? fold_find(f, tmx_bytes_slice(key, 0, TMX_ID_SIZE), tmx_member_code(key.data + TMX_ID_SIZE))
            : NULL;
    if (d == NULL || !tmx_row_delivery_get(value, &row)) {
        return false;
    }
    const struct tmx_row_delivery *e = &d->row;
    return row.state == e->state && row.priority == e->priority && row.seq == e->seq && row.index == e->index &&
           row.expires_ms == e->expires_ms && memcmp(row.sender, e->sender, TMX_MEMBER_KEY) == 0 &&
           memcmp(row.label, e->label, TMX_LABEL_SIZE) == 0 && row.container_bytes == e->container_bytes &&
           row.coa_index == e->coa_index && memcmp(row.coa_digest, e->coa_digest, 32) == 0 &&
           row.outcome_index == e->outcome_index && memcmp(row.outcome_digest, e->outcome_digest, 32) == 0 &&
           ready_right(f, d, row.ready_priority);
}

/* READY and LANE name the delivery by its acceptance; both hold queued ones only. */
static const struct fold_delivery *queued_at(const struct fold *f, const uint8_t *member, uint64_t index,
                                             struct tmx_bytes id)
{
    for (size_t i = 0; i < f->n_deliveries; i++) {
        const struct fold_delivery *d = &f->deliveries[i];
        if (d->row.index == index && memcmp(d->member, member, TMX_MEMBER_KEY) == 0) {
            return d->row.state == TMX_DELIVERY_QUEUED && tmx_bytes_eq(id, TMX_BYTES_OF(d->id)) ? d : NULL;
        }
    }
    return NULL;
}

static bool ready_row(struct fold *f, struct tmx_spool *spool, struct tmx_bytes key, struct tmx_bytes value)
{
    const struct fold_delivery *d = key.size == TMX_MEMBER_KEY + 9
                                        ? queued_at(f, key.data, number_at(key, TMX_MEMBER_KEY + 1), value)
                                        : NULL;
    struct tmx_row_delivery row;
    uint8_t at[TMX_ID_SIZE + TMX_MEMBER_KEY];
    struct tmx_bytes stored;
    if (d == NULL || d->held != 0) {
        return false;
    }
    memcpy(at, d->id, TMX_ID_SIZE);
    memcpy(at + TMX_ID_SIZE, d->member, TMX_MEMBER_KEY);
    return tmx_spool_get(spool, TMX_T_DELIVERY, TMX_BYTES_OF(at), &stored) == 0 && tmx_row_delivery_get(stored, &row) &&
           row.ready_priority == TMX_PRIORITY_MAX - key.data[TMX_MEMBER_KEY];
}

static bool lane_row(struct fold *f, struct tmx_spool *spool, struct tmx_bytes key, struct tmx_bytes value)
{
    const size_t at = 2 * TMX_MEMBER_KEY;
    const struct fold_delivery *d = key.size == at + TMX_LABEL_SIZE + 8
                                        ? queued_at(f, key.data, number_at(key, at + TMX_LABEL_SIZE), value)
                                        : NULL;
    return d != NULL && memcmp(key.data + TMX_MEMBER_KEY, d->row.sender, TMX_MEMBER_KEY) == 0 &&
           memcmp(key.data + at, d->row.label, TMX_LABEL_SIZE) == 0;
}

static bool due_row(struct fold *f, struct tmx_spool *spool, struct tmx_bytes key, struct tmx_bytes value)
{
    const struct fold_delivery *d =
        key.size == 8 + TMX_ID_SIZE + TMX_MEMBER_KEY
            ? fold_find(f, tmx_bytes_slice(key, 8, TMX_ID_SIZE), tmx_member_code(key.data + 8 + TMX_ID_SIZE))
            : NULL;
    return d != NULL && d->row.state == TMX_DELIVERY_QUEUED && number_at(key, 0) == d->row.expires_ms;
}

static bool pair_row(struct fold *f, struct tmx_spool *spool, struct tmx_bytes key, struct tmx_bytes value)
{
    int from = key.size == 2 * TMX_MEMBER_KEY ? fold_member(f, tmx_member_code(key.data)) : -1;
    int to = from >= 0 ? fold_member(f, tmx_member_code(key.data + TMX_MEMBER_KEY)) : -1;
    return to >= 0 && f->paired[from][to] && number_at(value, 0) == f->pair[from][to];
}

static bool feed_row(struct fold *f, struct tmx_spool *spool, struct tmx_bytes key, struct tmx_bytes value)
{
    uint64_t index = number_at(key, TMX_MEMBER_KEY);
    for (size_t i = index < f->n_leaves ? f->leaves[index].feed : f->n_feeds;
         index < f->n_leaves && i < f->leaves[index + 1].feed; i++) {
        if (memcmp(f->feeds[i].member, key.data, TMX_MEMBER_KEY) == 0) {
            bool attached = value.data[0] == TMX_FEED_ATTACHMENT && f->leaves[index].kind == TMX__ENTRY_KIND__ENTRY_REPORT;
            return value.size == 1 && (value.data[0] == f->feeds[i].kind || attached);
        }
    }
    return false;
}

static bool feed_ack_row(struct fold *f, struct tmx_spool *spool, struct tmx_bytes key, struct tmx_bytes value)
{
    return fold_member(f, tmx_member_code(key.data)) >= 0 && number_at(value, 0) <= f->n_leaves;
}

static bool refused_row(struct fold *f, struct tmx_spool *spool, struct tmx_bytes key, struct tmx_bytes value)
{
    uint64_t index = number_at(value, 0);
    if (key.size == TMX_ID_SIZE + TMX_MEMBER_KEY) {
        return index < f->n_leaves && f->leaves[index].consumed &&
               tmx_bytes_eq(key, TMX_BYTES_OF(f->leaves[index].message));
    }
    return index < f->n_leaves && f->leaves[index].kind == TMX__ENTRY_KIND__ENTRY_REFUSAL &&
           tmx_bytes_eq(key, TMX_BYTES_OF(f->leaves[index].body_digest));
}

static bool attachment_row(struct fold *f, struct tmx_spool *spool, struct tmx_bytes key, struct tmx_bytes value)
{
    uint64_t index = number_at(key, 0);
    uint8_t digest[32];
    tmx_digest(value, digest);
    return index < f->n_leaves && f->leaves[index].kind == TMX__ENTRY_KIND__ENTRY_REPORT &&
           memcmp(digest, f->leaves[index].body_digest, sizeof(digest)) == 0;
}

static bool prekey_row(struct fold *f, struct tmx_spool *spool, struct tmx_bytes key, struct tmx_bytes value)
{
    for (size_t i = 0; i < f->n_prekeys && key.size == TMX_MEMBER_KEY + 8; i++) {
        const struct fold_prekey *k = &f->prekeys[i];
        if (memcmp(k->member, key.data, TMX_MEMBER_KEY) == 0 && memcmp(k->key_id, key.data + TMX_MEMBER_KEY, 8) == 0) {
            return number_at(value, 0) == k->until_ms;
        }
    }
    return false;
}

static bool published_row(struct fold *f, struct tmx_spool *spool, struct tmx_bytes key, struct tmx_bytes value)
{
    for (size_t i = 0; i < f->n_prekeys; i++) {
        if (tmx_bytes_eq(key, TMX_BYTES_OF(f->prekeys[i].key))) {
            return tmx_bytes_eq(value, TMX_BYTES_OF(f->prekeys[i].member));
        }
    }
    return false;
}

static bool prekey_set_row(struct fold *f, struct tmx_spool *spool, struct tmx_bytes key, struct tmx_bytes value)
{
    uint64_t serial = 0, index = 0;
    for (size_t i = 0; i < f->n_prekeys; i++) {
        if (tmx_bytes_eq(key, TMX_BYTES_OF(f->prekeys[i].member)) && f->prekeys[i].set_serial > serial) {
            serial = f->prekeys[i].set_serial;
            index = f->prekeys[i].set_index;
        }
    }
    return serial > 0 && number_at(value, 0) == serial && number_at(value, 8) == index;
}

/* I9 */
static bool destination_row(struct fold *f, struct tmx_spool *spool, struct tmx_bytes key, struct tmx_bytes value)
{
    struct tmx_row_destination row, e = { 0 };
    for (size_t i = 0; i < f->n_deliveries; i++) {
        const struct fold_delivery *d = &f->deliveries[i];
        if (tmx_bytes_eq(key, TMX_BYTES_OF(d->member))) {
            bool queued = d->row.state == TMX_DELIVERY_QUEUED, arrived = d->row.state == TMX_DELIVERY_ARRIVED;
            e.accepted++;
            e.queued += queued ? 1 : 0;
            e.queued_bytes += queued ? d->row.container_bytes : 0;
            e.arrived += arrived ? 1 : 0;
            e.terminal += queued || arrived ? 0 : 1;
        }
    }
    return tmx_row_destination_get(value, &row) && row.accepted == e.accepted && row.queued == e.queued &&
           row.queued_bytes == e.queued_bytes && row.arrived == e.arrived && row.terminal == e.terminal;
}

static bool directory_row(struct fold *f, struct tmx_spool *spool, struct tmx_bytes key, struct tmx_bytes value)
{
    for (size_t i = 0; i < f->n_leaves; i++) {
        if (f->leaves[i].kind == TMX__ENTRY_KIND__ENTRY_DIRECTORY && f->leaves[i].number == number_at(key, 0)) {
            return true;
        }
    }
    return false;
}

/* WIT-3: a head of this log. Who has cosigned it the simulator looks at. */
static bool cosigned_row(struct fold *f, struct tmx_spool *spool, struct tmx_bytes key, struct tmx_bytes value)
{
    struct tmx_bytes text, lines;
    struct tmx_checkpoint c;
    return tmx_note_split(value, &text, &lines) && tmx_checkpoint_parse(text, &c) && c.size <= f->n_leaves &&
           tmx_hash_eq(&c.root, &f->leaves[c.size - 1].root);
}

/* LOG-9 */
static bool anchor_row(struct fold *f, struct tmx_spool *spool, struct tmx_bytes key, struct tmx_bytes value)
{
    uint64_t index = number_at(value, 0);
    uint8_t digest[32];
    if (index >= f->n_leaves || f->leaves[index].kind != TMX__ENTRY_KIND__ENTRY_ANCHOR) {
        return false;
    }
    tmx_digest(tmx_bytes_slice(value, 8, value.size - 8), digest);
    return f->leaves[index].number == number_at(key, 0) && memcmp(digest, f->leaves[index].body_digest, sizeof(digest)) == 0;
}

/* Bytes staged under an id; UINT64_MAX when nothing is. */
static uint64_t staged(struct tmx_spool *spool, struct tmx_bytes id)
{
    uint8_t key[TMX_ID_SIZE + 1];
    struct tmx_bytes value;
    memcpy(key, id.data, TMX_ID_SIZE);
    key[TMX_ID_SIZE] = 1;
    return tmx_spool_get(spool, TMX_T_STAGE, TMX_BYTES_OF(key), &value) == 0 ? number_at(value, TMX_MEMBER_KEY)
                                                                           : UINT64_MAX;
}

static uint64_t container_bytes(struct tmx_spool *spool, struct tmx_bytes id, uint8_t ret_digest[32])
{
    uint8_t key[TMX_ID_SIZE + 4];
    uint64_t bytes = 0;
    struct tmx_bytes value;
    memcpy(key, id.data, TMX_ID_SIZE);
    for (uint32_t i = 0;; i++) {
        struct tmx_writer w = tmx_writer_init(key + TMX_ID_SIZE, 4);
        tmx_write_u32(&w, i);
        if (tmx_spool_get(spool, TMX_T_CONTAINER, TMX_BYTES_OF(key), &value) != 0) {
            return bytes;
        }
        if (i == 0) {
            tmx_digest(value, ret_digest);   /* right for what fits one chunk */
        }
        bytes += value.size;
    }
}

static bool erase_row(struct fold *f, struct tmx_spool *spool, struct tmx_bytes key, struct tmx_bytes value)
{
    for (size_t i = 0; i < f->n_messages && key.size == 8 + TMX_ID_SIZE; i++) {
        if (tmx_bytes_eq(tmx_bytes_slice(key, 8, TMX_ID_SIZE), TMX_BYTES_OF(f->messages[i].id))) {
            return f->messages[i].kept;
        }
    }
    return false;
}

/* QUE-8: a container is there while a delivery is open, as long after that as it is kept, or while it is being pulled. */
static bool container_row(struct fold *f, struct tmx_spool *spool, struct tmx_bytes key, struct tmx_bytes value)
{
    struct tmx_bytes id = tmx_bytes_slice(key, 0, TMX_ID_SIZE);
    uint8_t digest[32];
    for (size_t i = 0; i < f->n_messages; i++) {
        struct fold_message *m = &f->messages[i];
        if (!tmx_bytes_eq(id, TMX_BYTES_OF(m->id))) {
            continue;
        }
        bool right = m->row.n_open > 0 || m->kept;
        if (right && !m->container_checked) {
            right = container_bytes(spool, id, digest) == m->row.container_bytes &&
                    (m->row.container_bytes > TMX_CHUNK_SIZE || memcmp(digest, m->row.container_digest, 32) == 0);
            m->container_checked = right;
        }
        return right;
    }
    uint64_t bytes = staged(spool, id);
    return bytes != UINT64_MAX && container_bytes(spool, id, digest) == bytes;
}

static bool stage_row(struct fold *f, struct tmx_spool *spool, struct tmx_bytes key, struct tmx_bytes value)
{
    struct tmx_bytes id = tmx_bytes_slice(key, 0, TMX_ID_SIZE), row;
    for (size_t i = 0; i < f->n_messages; i++) {
        if (tmx_bytes_eq(id, TMX_BYTES_OF(f->messages[i].id))) {
            return false;   /* decided: nothing is staged any more */
        }
    }
    return staged(spool, id) != UINT64_MAX && tmx_spool_get(spool, TMX_T_STAGE, id, &row) == 0;
}

static bool any_row(struct fold *f, struct tmx_spool *spool, struct tmx_bytes key, struct tmx_bytes value)
{
    return true;
}

/* How many rows of each table the fold knows; UINT64_MAX where the log does not say. */
static uint64_t expected(const struct fold *f, enum tmx_broker_table table)
{
    static const uint8_t none[TMX_LABEL_SIZE];
    uint64_t queued = 0, labelled = 0, ready = 0, refused = 0, directories = 0, anchors = 0, pairs = 0, kept = 0;
    for (size_t i = 0; i < f->n_deliveries; i++) {
        const struct fold_delivery *d = &f->deliveries[i];
        bool waits = d->row.state == TMX_DELIVERY_QUEUED;
        queued += waits ? 1 : 0;
        labelled += waits && memcmp(d->row.label, none, sizeof(none)) != 0 ? 1 : 0;
        ready += waits && d->held == 0 && fold_lane_head(f, d) == d ? 1 : 0;
    }
    for (size_t i = 0; i < f->n_leaves; i++) {
        refused += f->leaves[i].kind == TMX__ENTRY_KIND__ENTRY_REFUSAL ? 1 + f->leaves[i].consumed : 0;
        directories += f->leaves[i].kind == TMX__ENTRY_KIND__ENTRY_DIRECTORY ? 1 : 0;
        anchors += f->leaves[i].kind == TMX__ENTRY_KIND__ENTRY_ANCHOR ? 1 : 0;
    }
    for (size_t i = 0; i < FEDERATION_MEMBERS_MAX * FEDERATION_MEMBERS_MAX; i++) {
        pairs += f->paired[i / FEDERATION_MEMBERS_MAX][i % FEDERATION_MEMBERS_MAX] ? 1 : 0;
    }
    for (size_t i = 0; i < f->n_messages; i++) {
        kept += f->messages[i].kept ? 1 : 0;
    }
    switch ((int)table) {
    case TMX_T_LOG:
        return f->n_leaves;
    case TMX_T_TILE:
        return f->n_leaves / TMX_TILE_WIDTH;
    case TMX_T_MESSAGE:
        return f->n_messages;
    case TMX_T_DELIVERY:
        return f->n_deliveries;
    case TMX_T_READY:
        return ready;
    case TMX_T_LANE:
        return labelled;
    case TMX_T_DUE:
        return queued;
    case TMX_T_PAIR:
        return pairs;
    case TMX_T_FEED:
        return f->n_feeds;
    case TMX_T_REFUSED:
        return refused;
    case TMX_T_PREKEY:
    case TMX_T_PUBLISHED:
        return f->n_prekeys;
    case TMX_T_DIRECTORY:
        return directories;
    case TMX_T_ERASE:
        return kept;
    case TMX_T_ANCHOR:
        return anchors;
    case TMX_T_STOP:
        return fold_stops(f);
    case TMX_T_HELD:
        return fold_held(f);
    case TMX_T_PROPOSAL:
        return f->n_proposals;
    case TMX_T_OPERATION:
    case TMX_T_NONCE:
        return fold_operations(f);
    default:
        return UINT64_MAX;
    }
}

bool fold_compare(struct fold *f, struct tmx_spool *spool)
{
    static row_fn *const tables[] = {
        [TMX_T_META] = any_row,           [TMX_T_LOG] = log_row,
        [TMX_T_TILE] = any_row,           [TMX_T_HEAD] = head_row,
        [TMX_T_MESSAGE] = message_row,    [TMX_T_DELIVERY] = delivery_row,
        [TMX_T_CONTAINER] = container_row, [TMX_T_READY] = ready_row,
        [TMX_T_LANE] = lane_row,          [TMX_T_DUE] = due_row,
        [TMX_T_PAIR] = pair_row,          [TMX_T_FEED] = feed_row,
        [TMX_T_FEED_ACK] = feed_ack_row,  [TMX_T_REFUSED] = refused_row,
        [TMX_T_PREKEY] = prekey_row,      [TMX_T_PUBLISHED] = published_row,
        [TMX_T_PREKEY_SET] = prekey_set_row, [TMX_T_DESTINATION] = destination_row,
        [TMX_T_ATTACHMENT] = attachment_row, [TMX_T_STAGE] = stage_row,
        [TMX_T_ERASE] = erase_row,
        [TMX_T_DIRECTORY] = directory_row, [TMX_T_COSIGNED] = cosigned_row,
        [TMX_T_ANCHOR] = anchor_row,
        [TMX_T_STOP] = fold_stop_row,      [TMX_T_HELD] = fold_held_row,
        [TMX_T_OPERATION] = fold_operation_row, [TMX_T_NONCE] = fold_nonce_row,
        [TMX_T_PROPOSAL] = fold_proposal_row,
    };
    for (unsigned t = TMX_T_META; t < TMX_N(tables); t++) {
        uint64_t rows, want = expected(f, (enum tmx_broker_table)t);
        if (!walk(f, spool, (enum tmx_broker_table)t, tables[t], &rows)) {
            return false;
        }
        if (want != UINT64_MAX && rows != want) {
            return fold_fail(f, "table %u has %" PRIu64 " rows, by the log %" PRIu64, t, rows, want);
        }
    }
    return true;
}
