/* SPDX-License-Identifier: Apache-2.0
 * Layouts of messages sent and received, their indexes, content keys at rest, and the steps of their lives. A row that
 * the node wrote and that does not parse is damage, not a condition: -EBADMSG.
 */
#include <sodium.h>
#include <string.h>

#include "core.h"

#define OUT_ROW_MAX (256u + TMX_RECIPIENTS_MAX * 32u)
#define IN_ROW_MAX 320u

/* OUT: the fields of struct tmx_row_out in order, then n deliveries. */

static struct tmx_bytes out_pack(const struct tmx_row_out *o, struct tmx_writer *w)
{
    const uint8_t bytes[] = { 1, o->state, o->priority, o->wait_priority };
    const uint64_t numbers[] = { o->order,         o->number,          o->submitted_ms, o->expires_ms,
                                 o->payload_bytes, o->container_bytes, o->index };
    tmx_write_bytes(w, TMX_BYTES_OF(bytes));
    tmx_write_bytes(w, TMX_BYTES_OF(o->wait_member));
    for (size_t i = 0; i < TMX_N(numbers); i++) {
        tmx_write_u64(w, numbers[i]);
    }
    tmx_write_bytes(w, TMX_BYTES_OF(o->shard));
    tmx_write_bytes(w, TMX_BYTES_OF(o->label));
    tmx_write_bytes(w, TMX_BYTES_OF(o->header_digest));
    tmx_write_bytes(w, TMX_BYTES_OF(o->container_digest));
    tmx_write_u32(w, o->code);
    tmx_write_u8(w, o->n);
    for (size_t i = 0; i < o->n; i++) {
        const struct tmx_row_out_delivery *d = &o->deliveries[i];
        tmx_write_bytes(w, TMX_BYTES_OF(d->member));
        tmx_write_u8(w, d->state);
        tmx_write_u64(w, d->seq);
        tmx_write_u64(w, d->coa_index);
    }
    return tmx_written(w);
}

static bool out_unpack(struct tmx_bytes value, struct tmx_row_out *o)
{
    struct tmx_reader r = tmx_reader_init(value);
    uint8_t version = tmx_read_u8(&r);
    uint8_t *bytes[] = { &o->state, &o->priority, &o->wait_priority };
    for (size_t i = 0; i < TMX_N(bytes); i++) {
        *bytes[i] = tmx_read_u8(&r);
    }
    tmx_read_into(&r, o->wait_member, sizeof(o->wait_member));
    uint64_t *numbers[] = { &o->order,         &o->number,          &o->submitted_ms, &o->expires_ms,
                            &o->payload_bytes, &o->container_bytes, &o->index };
    for (size_t i = 0; i < TMX_N(numbers); i++) {
        *numbers[i] = tmx_read_u64(&r);
    }
    tmx_read_into(&r, o->shard, sizeof(o->shard));
    tmx_read_into(&r, o->label, sizeof(o->label));
    tmx_read_into(&r, o->header_digest, sizeof(o->header_digest));
    tmx_read_into(&r, o->container_digest, sizeof(o->container_digest));
    o->code = tmx_read_u32(&r);
    o->n = tmx_read_u8(&r);
    if (!tmx_reader_ok(&r) || version != 1 || o->n < 1 || o->n > TMX_RECIPIENTS_MAX) {
        return false;
    }
    for (size_t i = 0; i < o->n; i++) {
        struct tmx_row_out_delivery *d = &o->deliveries[i];
        tmx_read_into(&r, d->member, sizeof(d->member));
        d->state = tmx_read_u8(&r);
        d->seq = tmx_read_u64(&r);
        d->coa_index = tmx_read_u64(&r);
    }
    return tmx_reader_done(&r);
}

bool node_out_read(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], struct tmx_row_out *ret_row)
{
    struct tmx_bytes value;
    if (!node_get(n, TMX_NT_OUT, node_id(id), &value)) {
        return false;
    }
    struct tmx_row_out row;
    if (!out_unpack(value, &row)) {
        node_fault(n, -EBADMSG);
        return false;
    }
    *ret_row = row;
    return true;
}

void node_out_write(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], const struct tmx_row_out *row)
{
    uint8_t data[OUT_ROW_MAX];
    struct tmx_writer w = TMX_WRITER_OF(data);
    node_put(n, TMX_NT_OUT, node_id(id), out_pack(row, &w));
}

/* IN: the fields of struct tmx_row_in in order. */

bool node_in_read(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], struct tmx_row_in *ret_row)
{
    struct tmx_bytes value;
    if (!node_get(n, TMX_NT_IN, node_id(id), &value)) {
        return false;
    }
    struct tmx_row_in m;
    struct tmx_reader r = tmx_reader_init(value);
    uint8_t version = tmx_read_u8(&r);
    m.state = tmx_read_u8(&r);
    m.priority = tmx_read_u8(&r);
    m.lapses = tmx_read_u8(&r);
    m.renewals = tmx_read_u8(&r);
    uint8_t flags = tmx_read_u8(&r);
    m.redelivered = (flags & 1) != 0;
    m.coa_verified = (flags & 2) != 0;
    m.outcome_verified = (flags & 4) != 0;
    uint64_t *numbers[] = { &m.seq,        &m.prev,           &m.waits_for,      &m.index, &m.coa_index,
                            &m.expires_ms, &m.lease_until_ms, &m.container_bytes };
    for (size_t i = 0; i < TMX_N(numbers); i++) {
        *numbers[i] = tmx_read_u64(&r);
    }
    m.code = tmx_read_u32(&r);
    tmx_read_into(&r, m.shard, sizeof(m.shard));
    tmx_read_into(&r, m.sender, sizeof(m.sender));
    tmx_read_into(&r, m.type, sizeof(m.type));
    tmx_read_into(&r, m.label, sizeof(m.label));
    tmx_read_into(&r, m.token, sizeof(m.token));
    tmx_read_into(&r, m.header_digest, sizeof(m.header_digest));
    tmx_read_into(&r, m.container_digest, sizeof(m.container_digest));
    if (!tmx_reader_done(&r) || version != 1 || m.state < TMX_IN_ARRIVED || m.state > TMX_IN_EXCEPTION) {
        node_fault(n, -EBADMSG);
        return false;
    }
    *ret_row = m;
    return true;
}

void node_in_write(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], const struct tmx_row_in *m)
{
    uint8_t data[IN_ROW_MAX];
    struct tmx_writer w = TMX_WRITER_OF(data);
    uint8_t flags = (uint8_t)((m->redelivered ? 1 : 0) | (m->coa_verified ? 2 : 0) | (m->outcome_verified ? 4 : 0));
    const uint8_t bytes[] = { 1, m->state, m->priority, m->lapses, m->renewals, flags };
    const uint64_t numbers[] = { m->seq,        m->prev,           m->waits_for,      m->index, m->coa_index,
                                 m->expires_ms, m->lease_until_ms, m->container_bytes };
    tmx_write_bytes(&w, TMX_BYTES_OF(bytes));
    for (size_t i = 0; i < TMX_N(numbers); i++) {
        tmx_write_u64(&w, numbers[i]);
    }
    tmx_write_u32(&w, m->code);
    tmx_write_bytes(&w, TMX_BYTES_OF(m->shard));
    tmx_write_bytes(&w, TMX_BYTES_OF(m->sender));
    tmx_write_bytes(&w, TMX_BYTES_OF(m->type));
    tmx_write_bytes(&w, TMX_BYTES_OF(m->label));
    tmx_write_bytes(&w, TMX_BYTES_OF(m->token));
    tmx_write_bytes(&w, TMX_BYTES_OF(m->header_digest));
    tmx_write_bytes(&w, TMX_BYTES_OF(m->container_digest));
    node_put(n, TMX_NT_IN, node_id(id), tmx_written(&w));
}

/* Indexes */

struct node_key node_index_key(enum tmx_node_index index, enum tmx_node_direction direction,
                               const uint8_t id[TMX_ID_SIZE])
{
    struct node_key k;
    struct tmx_writer w = TMX_WRITER_OF(k.data);
    tmx_write_u8(&w, (uint8_t)index);
    for (size_t i = 0; i < TMX_ID_SIZE; i++) {
        tmx_write_u8(&w, (uint8_t)~id[i]);
    }
    tmx_write_u8(&w, (uint8_t)direction);
    k.size = w.used;
    return k;
}

void node_index_add(struct tmx_node *n, enum tmx_node_direction direction, const uint8_t id[TMX_ID_SIZE],
                    size_t deliveries, struct tmx_bytes mrn, struct tmx_bytes business_id)
{
    struct node_key all = node_index_key(TMX_INDEX_ALL, direction, id);
    struct node_key open = node_index_key(TMX_INDEX_OPEN, direction, id);
    n->state.open += node_has(n, TMX_NT_INDEX, node_kb(&open)) ? 0 : deliveries;
    n->state_dirty = true;
    node_put(n, TMX_NT_INDEX, node_kb(&all), TMX_BYTES_NULL);
    node_put(n, TMX_NT_INDEX, node_kb(&open), TMX_BYTES_NULL);
    struct node_key k;
    if (mrn.size > 0 && mrn.size <= TMX_KEY_MAX - TMX_ID_SIZE - 2) {
        struct tmx_writer w = TMX_WRITER_OF(k.data);
        tmx_write_u8(&w, TMX_INDEX_MOVEMENT);
        tmx_write_bytes(&w, mrn);
        tmx_write_bytes(&w, node_id(id));
        tmx_write_u8(&w, (uint8_t)direction);
        k.size = w.used;
        node_put(n, TMX_NT_INDEX, node_kb(&k), TMX_BYTES_NULL);
    }
    if (business_id.size > 0 && business_id.size < TMX_KEY_MAX) {
        struct tmx_writer w = TMX_WRITER_OF(k.data);
        tmx_write_u8(&w, TMX_INDEX_BUSINESS);
        tmx_write_bytes(&w, business_id);
        k.size = w.used;
        node_put(n, TMX_NT_INDEX, node_kb(&k), node_id(id));
    }
}

void node_index_close(struct tmx_node *n, enum tmx_node_direction direction, const uint8_t id[TMX_ID_SIZE],
                      size_t deliveries)
{
    struct node_key open = node_index_key(TMX_INDEX_OPEN, direction, id);
    if (node_has(n, TMX_NT_INDEX, node_kb(&open))) {
        node_delete(n, TMX_NT_INDEX, node_kb(&open));
        n->state.open -= n->state.open < deliveries ? n->state.open : deliveries;
        n->state_dirty = true;
    }
}

/* Content keys at rest: XChaCha20-Poly1305 under the archive key, bound to their row. */

void node_archive_store(struct tmx_node *n, enum tmx_node_direction direction, const uint8_t id[TMX_ID_SIZE],
                        const uint8_t content_key[32])
{
    struct node_key k = node_key_u8_id((uint8_t)direction, id);
    uint8_t value[24 + 48];
    node_random(n, value, 24);
    crypto_aead_xchacha20poly1305_ietf_encrypt(value + 24, NULL, content_key, 32, k.data, k.size, NULL, value,
                                               n->config.archive_key);
    node_put(n, TMX_NT_ARCHIVE, node_kb(&k), TMX_BYTES_OF(value));
}

bool node_archive_load(struct tmx_node *n, enum tmx_node_direction direction, const uint8_t id[TMX_ID_SIZE],
                       uint8_t ret_content_key[32])
{
    struct node_key k = node_key_u8_id((uint8_t)direction, id);
    struct tmx_bytes value;
    return node_get(n, TMX_NT_ARCHIVE, node_kb(&k), &value) && value.size == 72 &&
           crypto_aead_xchacha20poly1305_ietf_decrypt(ret_content_key, NULL, NULL, value.data + 24, 48, k.data, k.size,
                                                      value.data, n->config.archive_key) == 0;
}

/* Steps */

/* Reference, MRN and type of a message, from its INFO row, unpacked into the scratch arena. */
static void event_describe(struct tmx_node *n, enum tmx_node_direction direction, const uint8_t id[TMX_ID_SIZE],
                           Tmx__Event *event)
{
    struct tmx_bytes value;
    bool sent = direction == TMX_DIRECTION_SENT;
    if (!node_get(n, sent ? TMX_NT_OUT_INFO : TMX_NT_IN_INFO, node_id(id), &value)) {
        return;
    }
    if (sent) {
        Tmx__SubmitRequest *info;
        if (tmx_codec_unpack(&tmx__submit_request__descriptor, value, value.size, &n->scratch, &info) == TMX_CODEC_OK) {
            event->reference = info->reference;
            event->mrn = info->mrn;
            event->message_type = info->message_type;
        }
    } else {
        Tmx__Leased *info;
        if (tmx_codec_unpack(&tmx__leased__descriptor, value, value.size, &n->scratch, &info) == TMX_CODEC_OK) {
            event->mrn = info->mrn;
            event->message_type = info->message_type;
        }
    }
}

void node_step_add(struct tmx_node *n, enum tmx_node_direction direction, const uint8_t id[TMX_ID_SIZE],
                   const struct node_step *step)
{
    Tmx__Step pb = TMX__STEP__INIT;
    pb.time_ms = step->time_ms != 0 ? step->time_ms : n->wall_ms;
    pb.what = tmx_to_pb(tmx_bytes_str(step->what));
    pb.who = tmx_to_pb(step->who);
    pb.code = step->code;
    pb.text = tmx_to_pb(step->text);
    pb.recipient = tmx_to_pb(step->recipient);
    pb.shard = tmx_to_pb(tmx_bytes_str(step->shard));
    pb.index = step->index;
    pb.verified = step->verified;
    Tmx__Event event = TMX__EVENT__INIT;
    event.cursor = n->state.cursor + 1;
    event.message_id = tmx_to_pb(node_id(id));
    event.step = &pb;
    struct tmx_bytes packed;
    /* The description borrows a row, the write below would end that: everything is packed first. */
    event_describe(n, direction, id, &event);
    if (tmx_codec_pack(&event, &n->scratch, &packed) != TMX_CODEC_OK) {
        node_fault(n, -ENOMEM);
        return;
    }
    n->state.cursor++;
    n->state_dirty = true;
    n->events_changed = true;
    struct node_key k = node_key_u64(n->state.cursor);
    node_insert(n, TMX_NT_EVENT, node_kb(&k), packed);
    struct tmx_writer w = TMX_WRITER_OF(k.data);
    tmx_write_u8(&w, TMX_INDEX_STEPS);
    tmx_write_u8(&w, (uint8_t)direction);
    tmx_write_bytes(&w, node_id(id));
    tmx_write_u64(&w, n->state.cursor);
    k.size = w.used;
    node_put(n, TMX_NT_INDEX, node_kb(&k), TMX_BYTES_NULL);
}
