/* SPDX-License-Identifier: Apache-2.0
 * Rows of the broker's tables: keys, layouts (tables.h), reading and writing in the open turn.
 */
#include <string.h>

#include "core.h"

void broker_fault(struct tmx_broker *b, int error)
{
    assert(error < 0);
    if (b->fault == 0) {
        b->fault = error;
    }
}

bool row_get(struct tmx_broker *b, uint8_t table, struct tmx_bytes key, struct tmx_bytes *ret_value)
{
    if (b->fault != 0) {
        return false;
    }
    int r = tmx_spool_get(b->spool, table, key, ret_value);
    if (r < 0) {
        broker_fault(b, r);
    }
    return r == 0;
}

bool row_get_spared(struct tmx_broker *b, uint8_t table, struct tmx_bytes key, struct tmx_bytes *ret_value, bool *ret_spoilt)
{
    int r = b->fault != 0 ? TMX_SPOOL_E_NONE : tmx_spool_get(b->spool, table, key, ret_value);
    *ret_spoilt = r == -EBADMSG;
    if (r < 0 && !*ret_spoilt) {
        broker_fault(b, r);
    }
    return r == 0;
}

bool row_seek(struct tmx_broker *b, uint8_t table, struct tmx_bytes from, size_t prefix, struct tmx_bytes *ret_key,
              struct tmx_bytes *ret_value)
{
    assert(prefix <= from.size);
    if (b->fault != 0) {
        return false;
    }
    struct tmx_bytes key, value;
    int r = tmx_spool_seek(b->spool, table, from, &key, &value);
    if (r < 0) {
        broker_fault(b, r);
    }
    if (r != 0 || key.size < prefix || (prefix > 0 && memcmp(key.data, from.data, prefix) != 0)) {
        return false;
    }
    *ret_key = key;
    *ret_value = value;
    return true;
}

static void row_write(struct tmx_broker *b, enum tmx_op_kind kind, uint8_t table, struct tmx_bytes key,
                      struct tmx_bytes value)
{
    if (b->fault != 0) {
        return;
    }
    struct tmx_op op = { .kind = kind, .table = table, .key = key, .value = value };
    int r = tmx_spool_apply(b->spool, &op, 1);
    if (r != 0) {
        broker_fault(b, r);
    }
    b->dirty = true;
}

void row_insert(struct tmx_broker *b, uint8_t table, struct tmx_bytes key, struct tmx_bytes value)
{
    row_write(b, TMX_OP_INSERT, table, key, value);
}

void row_update(struct tmx_broker *b, uint8_t table, struct tmx_bytes key, struct tmx_bytes value)
{
    row_write(b, TMX_OP_UPDATE, table, key, value);
}

void row_put(struct tmx_broker *b, uint8_t table, struct tmx_bytes key, struct tmx_bytes value)
{
    row_write(b, TMX_OP_PUT, table, key, value);
}

void row_delete(struct tmx_broker *b, uint8_t table, struct tmx_bytes key)
{
    row_write(b, TMX_OP_DELETE, table, key, TMX_BYTES_NULL);
}

/* Keys */

static struct key key_done(struct key k, const struct tmx_writer *w)
{
    assert(!w->failed);
    k.size = w->used;
    return k;
}

struct key key_u64(uint64_t v)
{
    struct key k;
    struct tmx_writer w = TMX_WRITER_OF(k.data);
    tmx_write_u64(&w, v);
    return key_done(k, &w);
}

struct key key_member(const uint8_t member[TMX_MEMBER_KEY])
{
    struct key k;
    struct tmx_writer w = TMX_WRITER_OF(k.data);
    tmx_write_bytes(&w, TMX_BYTES(member, TMX_MEMBER_KEY));
    return key_done(k, &w);
}

struct key key_members(const uint8_t a[TMX_MEMBER_KEY], const uint8_t b[TMX_MEMBER_KEY])
{
    struct key k;
    struct tmx_writer w = TMX_WRITER_OF(k.data);
    tmx_write_bytes(&w, TMX_BYTES(a, TMX_MEMBER_KEY));
    tmx_write_bytes(&w, TMX_BYTES(b, TMX_MEMBER_KEY));
    return key_done(k, &w);
}

struct key key_member_u64(const uint8_t member[TMX_MEMBER_KEY], uint64_t v)
{
    struct key k;
    struct tmx_writer w = TMX_WRITER_OF(k.data);
    tmx_write_bytes(&w, TMX_BYTES(member, TMX_MEMBER_KEY));
    tmx_write_u64(&w, v);
    return key_done(k, &w);
}

struct key key_delivery(const uint8_t id[TMX_ID_SIZE], const uint8_t member[TMX_MEMBER_KEY])
{
    struct key k;
    struct tmx_writer w = TMX_WRITER_OF(k.data);
    tmx_write_bytes(&w, TMX_BYTES(id, TMX_ID_SIZE));
    tmx_write_bytes(&w, TMX_BYTES(member, TMX_MEMBER_KEY));
    return key_done(k, &w);
}

struct key key_container(const uint8_t id[TMX_ID_SIZE], uint32_t chunk)
{
    struct key k;
    struct tmx_writer w = TMX_WRITER_OF(k.data);
    tmx_write_bytes(&w, TMX_BYTES(id, TMX_ID_SIZE));
    tmx_write_u32(&w, chunk);
    return key_done(k, &w);
}

struct key key_ready(const uint8_t destination[TMX_MEMBER_KEY], uint8_t priority, uint64_t index)
{
    struct key k;
    struct tmx_writer w = TMX_WRITER_OF(k.data);
    tmx_write_bytes(&w, TMX_BYTES(destination, TMX_MEMBER_KEY));
    tmx_write_u8(&w, (uint8_t)(TMX_PRIORITY_MAX - priority));
    tmx_write_u64(&w, index);
    return key_done(k, &w);
}

struct key key_lane(const uint8_t destination[TMX_MEMBER_KEY], const struct tmx_row_delivery *d)
{
    struct key k;
    struct tmx_writer w = TMX_WRITER_OF(k.data);
    tmx_write_bytes(&w, TMX_BYTES(destination, TMX_MEMBER_KEY));
    tmx_write_bytes(&w, TMX_BYTES_OF(d->sender));
    tmx_write_bytes(&w, TMX_BYTES_OF(d->label));
    tmx_write_u64(&w, d->index);
    return key_done(k, &w);
}

struct key key_due(uint64_t expires_ms, const uint8_t id[TMX_ID_SIZE], const uint8_t member[TMX_MEMBER_KEY])
{
    struct key k;
    struct tmx_writer w = TMX_WRITER_OF(k.data);
    tmx_write_u64(&w, expires_ms);
    tmx_write_bytes(&w, TMX_BYTES(id, TMX_ID_SIZE));
    tmx_write_bytes(&w, TMX_BYTES(member, TMX_MEMBER_KEY));
    return key_done(k, &w);
}

uint64_t value_u64(struct tmx_bytes value)
{
    struct tmx_reader r = tmx_reader_init(value);
    uint64_t v = tmx_read_u64(&r);
    assert(tmx_reader_ok(&r));
    return v;
}

void tmx_member_key(struct tmx_bytes code, uint8_t ret_key[TMX_MEMBER_KEY])
{
    assert(code.size <= TMX_MEMBER_KEY);
    memset(ret_key, 0, TMX_MEMBER_KEY);
    if (code.size > 0) {
        memcpy(ret_key, code.data, code.size);
    }
}

struct tmx_bytes tmx_member_code(const uint8_t key[TMX_MEMBER_KEY])
{
    return TMX_BYTES(key, strnlen((const char *)key, TMX_MEMBER_KEY));
}

/* Layouts. Reading a row that the broker wrote and that does not parse is damage, not a condition: -EBADMSG. */

bool tmx_row_message_get(struct tmx_bytes value, struct tmx_row_message *ret_row)
{
    struct tmx_row_message m;
    struct tmx_reader r = tmx_reader_init(value);
    m.index = tmx_read_u64(&r);
    m.seen_size = tmx_read_u64(&r);
    tmx_read_into(&r, m.header_digest, sizeof(m.header_digest));
    tmx_read_into(&r, m.container_digest, sizeof(m.container_digest));
    tmx_read_into(&r, m.sender, sizeof(m.sender));
    m.container_bytes = tmx_read_u32(&r);
    m.n_recipients = tmx_read_u8(&r);
    m.n_queued = tmx_read_u8(&r);
    m.n_open = tmx_read_u8(&r);
    if (!tmx_reader_done(&r)) {
        return false;
    }
    *ret_row = m;
    return true;
}

bool tmx_row_delivery_get(struct tmx_bytes value, struct tmx_row_delivery *ret_row)
{
    struct tmx_row_delivery d;
    struct tmx_reader r = tmx_reader_init(value);
    uint8_t state = tmx_read_u8(&r);
    d.priority = tmx_read_u8(&r);
    d.ready_priority = tmx_read_u8(&r);
    d.seq = tmx_read_u64(&r);
    d.index = tmx_read_u64(&r);
    d.expires_ms = tmx_read_u64(&r);
    tmx_read_into(&r, d.sender, sizeof(d.sender));
    tmx_read_into(&r, d.label, sizeof(d.label));
    d.container_bytes = tmx_read_u32(&r);
    d.coa_index = tmx_read_u64(&r);
    tmx_read_into(&r, d.coa_digest, sizeof(d.coa_digest));
    d.outcome_index = tmx_read_u64(&r);
    tmx_read_into(&r, d.outcome_digest, sizeof(d.outcome_digest));
    if (!tmx_reader_done(&r) || state < TMX_DELIVERY_QUEUED || state > TMX_DELIVERY_EXCEPTION) {
        return false;
    }
    d.state = (enum tmx_delivery_state)state;
    *ret_row = d;
    return true;
}

bool tmx_row_destination_get(struct tmx_bytes value, struct tmx_row_destination *ret_row)
{
    struct tmx_row_destination d;
    struct tmx_reader r = tmx_reader_init(value);
    d.queued = tmx_read_u64(&r);
    d.queued_bytes = tmx_read_u64(&r);
    d.arrived = tmx_read_u64(&r);
    d.accepted = tmx_read_u64(&r);
    d.terminal = tmx_read_u64(&r);
    if (!tmx_reader_done(&r)) {
        return false;
    }
    *ret_row = d;
    return true;
}

const char *tmx_delivery_state_name(enum tmx_delivery_state state)
{
    switch (state) {
    case TMX_DELIVERY_QUEUED:
        return "queued";
    case TMX_DELIVERY_ARRIVED:
        return "arrived";
    case TMX_DELIVERY_DELIVERED:
        return "delivered";
    case TMX_DELIVERY_REFUSED:
        return "refused";
    case TMX_DELIVERY_EXPIRED:
        return "expired";
    case TMX_DELIVERY_EXCEPTION:
        return "exception";
    }
    return "unknown";
}

bool message_read(struct tmx_broker *b, const uint8_t id[TMX_ID_SIZE], struct tmx_row_message *ret_row)
{
    struct tmx_bytes value;
    if (!row_get(b, TMX_T_MESSAGE, TMX_BYTES(id, TMX_ID_SIZE), &value)) {
        return false;
    }
    if (!tmx_row_message_get(value, ret_row)) {
        broker_fault(b, -EBADMSG);
        return false;
    }
    return true;
}

void message_write(struct tmx_broker *b, const uint8_t id[TMX_ID_SIZE], const struct tmx_row_message *row, bool insert)
{
    uint8_t data[128];
    struct tmx_writer w = TMX_WRITER_OF(data);
    tmx_write_u64(&w, row->index);
    tmx_write_u64(&w, row->seen_size);
    tmx_write_bytes(&w, TMX_BYTES_OF(row->header_digest));
    tmx_write_bytes(&w, TMX_BYTES_OF(row->container_digest));
    tmx_write_bytes(&w, TMX_BYTES_OF(row->sender));
    tmx_write_u32(&w, row->container_bytes);
    tmx_write_u8(&w, row->n_recipients);
    tmx_write_u8(&w, row->n_queued);
    tmx_write_u8(&w, row->n_open);
    row_write(b, insert ? TMX_OP_INSERT : TMX_OP_UPDATE, TMX_T_MESSAGE, TMX_BYTES(id, TMX_ID_SIZE), tmx_written(&w));
}

bool delivery_read(struct tmx_broker *b, const uint8_t id[TMX_ID_SIZE], const uint8_t member[TMX_MEMBER_KEY],
                   struct tmx_row_delivery *ret_row)
{
    struct key k = key_delivery(id, member);
    struct tmx_bytes value;
    if (!row_get(b, TMX_T_DELIVERY, key_bytes(&k), &value)) {
        return false;
    }
    if (!tmx_row_delivery_get(value, ret_row)) {
        broker_fault(b, -EBADMSG);
        return false;
    }
    return true;
}

void delivery_write(struct tmx_broker *b, const uint8_t id[TMX_ID_SIZE], const uint8_t member[TMX_MEMBER_KEY],
                    const struct tmx_row_delivery *row, bool insert)
{
    uint8_t data[192];
    struct tmx_writer w = TMX_WRITER_OF(data);
    tmx_write_u8(&w, (uint8_t)row->state);
    tmx_write_u8(&w, row->priority);
    tmx_write_u8(&w, row->ready_priority);
    tmx_write_u64(&w, row->seq);
    tmx_write_u64(&w, row->index);
    tmx_write_u64(&w, row->expires_ms);
    tmx_write_bytes(&w, TMX_BYTES_OF(row->sender));
    tmx_write_bytes(&w, TMX_BYTES_OF(row->label));
    tmx_write_u32(&w, row->container_bytes);
    tmx_write_u64(&w, row->coa_index);
    tmx_write_bytes(&w, TMX_BYTES_OF(row->coa_digest));
    tmx_write_u64(&w, row->outcome_index);
    tmx_write_bytes(&w, TMX_BYTES_OF(row->outcome_digest));
    struct key k = key_delivery(id, member);
    row_write(b, insert ? TMX_OP_INSERT : TMX_OP_UPDATE, TMX_T_DELIVERY, key_bytes(&k), tmx_written(&w));
}

void destination_read(struct tmx_broker *b, const uint8_t member[TMX_MEMBER_KEY], struct tmx_row_destination *ret_row)
{
    struct key k = key_member(member);
    struct tmx_bytes value;
    *ret_row = (struct tmx_row_destination){ 0 };
    if (row_get(b, TMX_T_DESTINATION, key_bytes(&k), &value) && !tmx_row_destination_get(value, ret_row)) {
        broker_fault(b, -EBADMSG);
    }
}

void destination_write(struct tmx_broker *b, const uint8_t member[TMX_MEMBER_KEY],
                       const struct tmx_row_destination *row)
{
    uint8_t data[40];
    struct tmx_writer w = TMX_WRITER_OF(data);
    tmx_write_u64(&w, row->queued);
    tmx_write_u64(&w, row->queued_bytes);
    tmx_write_u64(&w, row->arrived);
    tmx_write_u64(&w, row->accepted);
    tmx_write_u64(&w, row->terminal);
    struct key k = key_member(member);
    row_put(b, TMX_T_DESTINATION, key_bytes(&k), tmx_written(&w));
}

/* META "state": version u8 | size u64 | leaf time u64 | last session u64 |
 * u8 halted | u8 shard size, shard | u16 checkpoint size, checkpoint */

void state_write(struct tmx_broker *b)
{
    uint8_t data[64 + TMX_SHARD_MAX + TMX_CHECKPOINT_MAX];
    struct tmx_writer w = TMX_WRITER_OF(data);
    tmx_write_u8(&w, 1);
    tmx_write_u64(&w, tmx_tree_size(b->tree));
    tmx_write_u64(&w, b->leaf_ms);
    tmx_write_u64(&w, b->last_session);
    tmx_write_u8(&w, b->halted ? 1 : 0);
    tmx_write_u8(&w, (uint8_t)strlen(b->shard));
    tmx_write_bytes(&w, tmx_bytes_str(b->shard));
    tmx_write_u16(&w, (uint16_t)b->checkpoint_size);
    tmx_write_bytes(&w, TMX_BYTES(b->checkpoint, b->checkpoint_size));
    row_put(b, TMX_T_META, TMX_LIT("state"), tmx_written(&w));
}

bool tmx_row_state_get(struct tmx_bytes value, struct tmx_row_state *ret_row)
{
    struct tmx_row_state s;
    struct tmx_reader r = tmx_reader_init(value);
    uint8_t version = tmx_read_u8(&r);
    s.size = tmx_read_u64(&r);
    s.leaf_ms = tmx_read_u64(&r);
    s.last_session = tmx_read_u64(&r);
    s.halted = tmx_read_u8(&r) != 0;
    s.shard = tmx_read_bytes(&r, tmx_read_u8(&r));
    s.checkpoint = tmx_read_bytes(&r, tmx_read_u16(&r));
    if (!tmx_reader_done(&r) || version != 1 || s.shard.size > TMX_SHARD_MAX || s.checkpoint.size > TMX_CHECKPOINT_MAX) {
        return false;
    }
    *ret_row = s;
    return true;
}

bool state_read(struct tmx_broker *b, uint64_t *ret_size)
{
    struct tmx_bytes value;
    struct tmx_row_state s;
    if (!row_get(b, TMX_T_META, TMX_LIT("state"), &value)) {
        return false;
    }
    if (!tmx_row_state_get(value, &s)) {
        broker_fault(b, -EBADMSG);
        return false;
    }
    b->leaf_ms = s.leaf_ms;
    b->last_session = s.last_session;
    b->halted = s.halted;
    memcpy(b->shard, s.shard.data, s.shard.size);
    b->shard[s.shard.size] = '\0';
    memcpy(b->checkpoint, s.checkpoint.data, s.checkpoint.size);
    b->checkpoint_size = s.checkpoint.size;
    b->signed_size = s.size;
    *ret_size = s.size;
    return true;
}
