/* SPDX-License-Identifier: Apache-2.0
 * Rows about messages sent that the disk has spoilt, made again from others: from the header that was signed, the leaves that are kept,
 * what was submitted, and the queues (NODE-16).
 */
#include <sodium.h>
#include <string.h>

#include "core.h"

/* Every message sent, until `fn` says that it is enough. */
typedef bool sent_fn(void *ctx, const uint8_t *id, const struct tmx_row_out *row);
static bool sent_walk(struct tmx_node *n, sent_fn *fn, void *ctx)
{
    struct node_key at = { .size = 1 };
    struct tmx_bytes key, value;
    while (n->fault == 0 && node_seek(n, TMX_NT_OUT, node_kb(&at), 0, &key, &value)) {
        uint8_t id[TMX_ID_SIZE];
        struct tmx_row_out row;
        memcpy(id, key.data, key.size < sizeof(id) ? key.size : sizeof(id));
        at = node_key_after(key);
        if (node_out_read(n, id, &row) && fn(ctx, id, &row)) {
            return true;
        }
    }
    return false;
}

static bool has_label(const struct tmx_row_out *row)
{
    return !sodium_is_zero(row->label, sizeof(row->label));
}

/* Whose place in a queue that is. */
struct place {
    uint8_t table;
    struct tmx_bytes key;
    uint8_t id[TMX_ID_SIZE];
};

static bool place_is(void *ctx, const uint8_t *id, const struct tmx_row_out *row)
{
    struct place *p = ctx;
    bool waits = row->state == TMX_OUT_WAITING;
    struct node_key k = p->table == TMX_NT_OUT_WAIT ? node_wait_key(row) : p->table == TMX_NT_OUT_LANE ? node_lane_key(row) : node_key_u64(row->number);
    if ((p->table == TMX_NT_OUT_OPEN ? waits : !waits) || !tmx_bytes_eq(node_kb(&k), p->key)) {
        return false;
    }
    memcpy(p->id, id, TMX_ID_SIZE);
    return true;
}

bool node_out_queue_mend(struct tmx_node *n, uint8_t table, const struct node_key *key)
{
    struct place p = { .table = table, .key = node_kb(key) };
    if (!sent_walk(n, place_is, &p)) {
        return false;
    }
    node_put(n, table, node_kb(key), node_id(p.id));
    return true;
}

/* The last number that was used to a member, or in a movement to it. What was refused without using it is not counted. */
struct numbers {
    struct tmx_node *n;
    struct tmx_bytes key;
    uint64_t below;          /* none from it on */
    uint64_t last;
};

static bool refusal_used(struct tmx_node *n, const uint8_t *id)
{
    const size_t used = n->scratch.used;
    uint8_t shard[TMX_SHARD_MAX];
    uint64_t index;
    Tmx__LogEntry *entry;
    bool consumed = node_leaf_read(n, id, TMX_EVIDENCE_REFUSAL, NULL, shard, &index, &entry) && entry->number == 1;
    tmx_arena_rewind(&n->scratch, used);
    return consumed;
}

static bool number_of(void *ctx, const uint8_t *id, const struct tmx_row_out *row)
{
    struct numbers *s = ctx;
    bool movement = s->key.size > TMX_MEMBER_MAX;
    if (movement && memcmp(row->label, s->key.data + TMX_MEMBER_MAX, sizeof(row->label)) != 0) {
        return false;
    }
    for (size_t i = 0; i < row->n; i++) {
        const struct tmx_row_out_delivery *d = &row->deliveries[i];
        bool higher = memcmp(d->member, s->key.data, sizeof(d->member)) == 0 && d->seq < s->below && d->seq > s->last;
        if (higher && (d->state != TMX_OUT_DELIVERY_REJECTED || refusal_used(s->n, id))) {
            s->last = d->seq;
        }
    }
    return false;
}

bool node_out_number_mend(struct tmx_node *n, uint8_t table, const struct node_key *key)
{
    struct numbers s = { .n = n, .key = node_kb(key), .below = UINT64_MAX };
    (void)sent_walk(n, number_of, &s);
    struct node_key value = node_key_u64(s.last);
    node_put(n, table, node_kb(key), node_kb(&value));
    return true;
}

/* The header, and the bytes it was signed as: from the frame that is kept. */
static bool header_read(struct tmx_node *n, const uint8_t *id, struct tmx_bytes *ret_body, Tmx__Header **ret_header)
{
    struct tmx_bytes value, copy;
    struct tmx_signature signature;
    Tmx__Signed *own;
    if (!node_get(n, TMX_NT_OUT_SIGNED, node_id(id), &value) || !tmx_arena_copy(&n->scratch, value, &copy) ||
        tmx_signed_parse(copy, &n->scratch, &own, &signature) != TMX_CODE_OK) {
        return false;
    }
    *ret_body = tmx_pb(own->body);
    return tmx_header_parse(*ret_body, &n->scratch, ret_header) == TMX_CODE_OK;
}

static uint8_t outcome_state(struct tmx_node *n, const Tmx__LogEntry *entry)
{
    Tmx__Report *r;
    if (entry->kind != TMX__ENTRY_KIND__ENTRY_REPORT || tmx_report_parse(tmx_pb(entry->body), &n->scratch, &r) != TMX_CODE_OK) {
        return entry->kind == TMX__ENTRY_KIND__ENTRY_EXPIRED ? TMX_OUT_DELIVERY_EXPIRED : TMX_OUT_DELIVERY_EXCEPTION;
    }
    switch ((unsigned)r->outcome) {
    case TMX__OUTCOME__OUTCOME_COD_POSITIVE:
        return TMX_OUT_DELIVERY_DELIVERED;
    case TMX__OUTCOME__OUTCOME_COD_NEGATIVE:
        return TMX_OUT_DELIVERY_REFUSED;
    case TMX__OUTCOME__OUTCOME_EXPIRED:
        return TMX_OUT_DELIVERY_EXPIRED;
    default:
        return TMX_OUT_DELIVERY_EXCEPTION;
    }
}

/* What the leaves that are kept say of it. */
static void progress_find(struct tmx_node *n, const uint8_t *id, struct tmx_row_out *row)
{
    uint8_t shard[TMX_SHARD_MAX];
    Tmx__LogEntry *entry;
    uint64_t index;
    bool accepted = node_leaf_read(n, id, TMX_EVIDENCE_ACCEPTANCE, NULL, row->shard, &row->index, &entry);
    bool refused = !accepted && node_leaf_read(n, id, TMX_EVIDENCE_REFUSAL, NULL, shard, &index, &entry);
    unsigned ended = 0;
    row->state = accepted ? TMX_OUT_ACCEPTED : refused ? TMX_OUT_REJECTED : TMX_OUT_SIGNED;
    row->code = refused ? entry->code : 0;
    for (size_t i = 0; i < row->n; i++) {
        struct tmx_row_out_delivery *d = &row->deliveries[i];
        d->state = accepted ? TMX_OUT_DELIVERY_ACCEPTED : refused ? TMX_OUT_DELIVERY_REJECTED : TMX_OUT_DELIVERY_QUEUED;
        if (accepted && node_leaf_read(n, id, TMX_EVIDENCE_COA, d->member, shard, &d->coa_index, &entry)) {
            d->state = TMX_OUT_DELIVERY_ARRIVED;
        }
        if (accepted && node_leaf_read(n, id, TMX_EVIDENCE_OUTCOME, d->member, shard, &index, &entry)) {
            d->state = outcome_state(n, entry);
            ended++;
        }
    }
    row->state = accepted && ended == row->n ? TMX_OUT_CLOSED : row->state;
}

static bool open_number(struct tmx_node *n, const uint8_t *id, uint64_t *ret_number)
{
    struct node_key at = node_key_u64(0);
    struct tmx_bytes key, value;
    while (node_seek(n, TMX_NT_OUT_OPEN, node_kb(&at), 0, &key, &value)) {
        at = node_key_after(key);
        if (tmx_bytes_eq(value, node_id(id))) {
            *ret_number = node_u64(key);
            return true;
        }
    }
    return false;
}

/* Without the number it had it gets one of its own: it may have to be submitted again to a new log. */
static bool signed_out(struct tmx_node *n, const uint8_t *id, struct tmx_row_out *row)
{
    struct tmx_bytes body;
    Tmx__Header *h;
    if (!header_read(n, id, &body, &h)) {
        return false;
    }
    *row = (struct tmx_row_out){ .priority = (uint8_t)h->priority,
                                 .submitted_ms = h->sent_ms,
                                 .expires_ms = h->expires_ms,
                                 .container_bytes = h->container_bytes,
                                 .n = (uint8_t)h->n_recipients };
    for (size_t i = 0; i < h->n_recipients; i++) {
        node_member_key(tmx_pb(h->recipients[i]->member), row->deliveries[i].member);
        row->deliveries[i].seq = h->recipients[i]->seq;
    }
    if (h->movement_label.len == sizeof(row->label)) {
        memcpy(row->label, h->movement_label.data, sizeof(row->label));
    }
    tmx_digest(body, row->header_digest);
    memcpy(row->container_digest, h->container_digest.data, sizeof(row->container_digest));
    if (!open_number(n, id, &row->number)) {
        row->number = ++n->state.number;
        n->state_dirty = true;
    }
    progress_find(n, id, row);
    return true;
}

/* Its place in the queue of submissions. */
static bool queue_find(struct tmx_node *n, const uint8_t *id, struct tmx_row_out *row)
{
    struct node_key at = { .size = 1 };
    struct tmx_bytes key, value;
    while (node_seek(n, TMX_NT_OUT_WAIT, node_kb(&at), 0, &key, &value)) {
        at = node_key_after(key);
        if (key.size == TMX_MEMBER_MAX + 9 && tmx_bytes_eq(value, node_id(id))) {
            memcpy(row->wait_member, key.data, TMX_MEMBER_MAX);
            row->wait_priority = (uint8_t)(TMX_PRIORITY_MAX - key.data[TMX_MEMBER_MAX]);
            row->order = node_u64(tmx_bytes_slice(key, TMX_MEMBER_MAX + 1, 8));
            return true;
        }
    }
    return false;
}

/* The first 48 bits of a message id are when it was made. */
static uint64_t made_ms(const uint8_t *id)
{
    uint64_t ms = 0;
    for (size_t i = 0; i < 6; i++) {
        ms = ms << 8 | id[i];
    }
    return ms;
}

static bool waiting_out(struct tmx_node *n, const uint8_t *id, struct tmx_row_out *row)
{
    struct tmx_bytes value, copy;
    Tmx__SubmitRequest *info;
    if (!node_get(n, TMX_NT_OUT_INFO, node_id(id), &value) || !tmx_arena_copy(&n->scratch, value, &copy) ||
        tmx_codec_unpack(&tmx__submit_request__descriptor, copy, copy.size, &n->scratch, &info) != TMX_CODEC_OK ||
        info->n_recipients > TMX_RECIPIENTS_MAX) {
        return false;
    }
    *row = (struct tmx_row_out){ .priority = (uint8_t)info->priority,
                                 .submitted_ms = made_ms(id),
                                 .expires_ms = info->expires_ms,
                                 .n = (uint8_t)info->n_recipients };
    if (info->mrn.len > 0) {
        tmx_movement_label(tmx_pb(info->mrn), n->config.label_key, row->label);
    }
    bool waits = queue_find(n, id, row);
    row->state = waits ? TMX_OUT_WAITING : TMX_OUT_REJECTED;
    row->code = waits ? 0 : TMX_CODE_RECORD_DAMAGED;   /* it ended before it was signed, why is not known any more */
    for (size_t i = 0; i < info->n_recipients; i++) {
        node_member_key(tmx_pb(info->recipients[i]), row->deliveries[i].member);
        row->deliveries[i].state = waits ? TMX_OUT_DELIVERY_QUEUED : TMX_OUT_DELIVERY_REJECTED;
    }
    row->payload_bytes = waits && node_get(n, TMX_NT_OUT_PAYLOAD, node_id(id), &value) ? value.size : 0;
    return true;
}

/* How old it was counted to be is not known any more: until the node starts again no ages are told. */
static void ages_forget(struct tmx_node *n)
{
    for (size_t i = 0; i < n->n_destinations; i++) {
        n->destinations[i].ages_unknown = true;
    }
}

bool node_out_mend(struct tmx_node *n, uint8_t table, const struct node_key *key)
{
    struct tmx_row_out row;
    (void)table;
    if (key->size != TMX_ID_SIZE || (!signed_out(n, key->data, &row) && !waiting_out(n, key->data, &row))) {
        node_fault(n, -EBADMSG);   /* all that told of it: its numbers must not be forgotten */
        return false;
    }
    ages_forget(n);
    node_out_write(n, key->data, &row);
    return true;
}

/* Of what was not signed yet only to whom it was to go: it cannot be sent any more, and ends when its turn comes. */
bool node_out_info_mend(struct tmx_node *n, uint8_t table, const struct node_key *key)
{
    struct tmx_bytes body, packed;
    Tmx__Header *h;
    struct tmx_row_out row;
    ProtobufCBinaryData recipients[TMX_RECIPIENTS_MAX];
    Tmx__SubmitRequest info = TMX__SUBMIT_REQUEST__INIT;
    if (header_read(n, key->data, &body, &h)) {
        node_out_tell(n, h);
        return true;
    }
    if (!node_out_read(n, key->data, &row)) {
        return false;
    }
    for (size_t i = 0; i < row.n; i++) {
        recipients[i] = tmx_to_pb(node_member_code(row.deliveries[i].member));
    }
    info.n_recipients = row.n;
    info.recipients = recipients;
    info.priority = row.priority;
    info.expires_ms = row.expires_ms;
    if (tmx_codec_pack(&info, &n->scratch, &packed) != TMX_CODEC_OK) {
        node_fault(n, -ENOMEM);
        return false;
    }
    node_put(n, table, node_kb(key), packed);
    return true;
}

/* What was submitted under it is found by looking through all; whether it comes again with the same bytes cannot be told any more:
 * then another is what it is taken for, and nothing is sent twice. */
bool node_out_reference_mend(struct tmx_node *n, uint8_t table, const struct node_key *reference)
{
    struct node_key at = { .size = 1 };
    struct tmx_bytes key, value, copy;
    uint8_t row[TMX_ID_SIZE + 32] = { 0 };
    bool found = false;
    while (!found && node_seek(n, TMX_NT_OUT_INFO, node_kb(&at), 0, &key, &value)) {
        const size_t used = n->scratch.used;
        Tmx__SubmitRequest *info;
        at = node_key_after(key);
        memcpy(row, key.data, key.size < TMX_ID_SIZE ? key.size : TMX_ID_SIZE);
        found = tmx_arena_copy(&n->scratch, value, &copy) &&
                tmx_codec_unpack(&tmx__submit_request__descriptor, copy, copy.size, &n->scratch, &info) == TMX_CODEC_OK &&
                tmx_bytes_eq(tmx_pb(info->reference), node_kb(reference));
        tmx_arena_rewind(&n->scratch, used);
    }
    node_put(n, table, node_kb(reference), TMX_BYTES_OF(row));
    return true;
}

/* From the leaf that holds it. One without leaf may have it at the broker: it comes with the feed, or is signed anew when it does not. */
bool node_out_signed_mend(struct tmx_node *n, uint8_t table, const struct node_key *key)
{
    uint8_t shard[TMX_SHARD_MAX];
    uint64_t index;
    Tmx__LogEntry *entry;
    struct tmx_bytes frame;
    bool found = node_leaf_read(n, key->data, TMX_EVIDENCE_ACCEPTANCE, NULL, shard, &index, &entry) ||
                 node_leaf_read(n, key->data, TMX_EVIDENCE_REFUSAL, NULL, shard, &index, &entry);
    if (!found || !node_signed_pack(n, entry, &frame)) {
        return false;
    }
    node_put(n, table, node_kb(key), frame);
    return true;
}

bool node_signed_from_leaf(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], const struct tmx_row_out *row, const Tmx__LogEntry *entry)
{
    uint8_t digest[32];
    struct tmx_bytes frame;
    tmx_digest(tmx_pb(entry->body), digest);
    if (row->state == TMX_OUT_WAITING || memcmp(digest, row->header_digest, sizeof(digest)) != 0 ||
        !node_signature_verify(n, n->config.member, tmx_pb(entry->body), entry->signature) || !node_signed_pack(n, entry, &frame)) {
        return false;
    }
    node_put(n, TMX_NT_OUT_SIGNED, node_id(id), frame);
    return true;
}

/* The number before it in its movement, to that member. */
uint64_t node_out_prev(struct tmx_node *n, const struct tmx_row_out *row, const struct tmx_row_out_delivery *d)
{
    uint8_t key[TMX_MEMBER_MAX + TMX_LABEL_SIZE];
    struct numbers s = { .n = n, .key = TMX_BYTES_OF(key), .below = d->seq };
    memcpy(key, d->member, TMX_MEMBER_MAX);
    memcpy(key + TMX_MEMBER_MAX, row->label, TMX_LABEL_SIZE);
    if (has_label(row)) {
        (void)sent_walk(n, number_of, &s);
    }
    return s.last;
}
