/* SPDX-License-Identifier: Apache-2.0
 * Rows of the node's tables: reading and writing in the turn, keys, the state row, containers.
 * The turn begins in the spool with its first write, so that a turn that changes nothing commits nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "core.h"

bool node_get(struct tmx_node *n, uint8_t table, struct tmx_bytes key, struct tmx_bytes *ret_value)
{
    if (n->fault != 0) {
        return false;
    }
    int r = tmx_spool_get(n->spool, table, key, ret_value);
    if (r == -EBADMSG) {
        r = node_mend(n, table, key);
        r = r == 0 ? tmx_spool_get(n->spool, table, key, ret_value) : r;
    }
    if (r < 0) {
        node_fault(n, r);
    }
    return r == 0;
}

bool node_has(struct tmx_node *n, uint8_t table, struct tmx_bytes key)
{
    struct tmx_bytes value;
    return node_get(n, table, key, &value);
}

static bool starts_with(struct tmx_bytes key, struct tmx_bytes from, size_t prefix)
{
    return key.size > 0 && key.size < TMX_KEY_MAX && key.size >= prefix && (prefix == 0 || memcmp(key.data, from.data, prefix) == 0);
}

bool node_seek(struct tmx_node *n, uint8_t table, struct tmx_bytes from, size_t prefix, struct tmx_bytes *ret_key,
               struct tmx_bytes *ret_value)
{
    assert(prefix <= from.size);
    if (n->fault != 0) {
        return false;
    }
    struct tmx_bytes key = TMX_BYTES_NULL, value;
    int r = tmx_spool_seek(n->spool, table, from, &key, &value);
    while (r == -EBADMSG && starts_with(key, from, prefix)) {
        struct node_key damaged = { .size = key.size }, past = node_key_after(key);
        memcpy(damaged.data, key.data, key.size);
        r = node_mend(n, table, node_kb(&damaged));
        /* Whole, it is found; gone, it is the next one; as it was, it is passed over. */
        r = r < 0 ? r : tmx_spool_seek(n->spool, table, r == 0 ? node_kb(&damaged) : node_kb(&past), &key, &value);
    }
    if (r < 0 && r != -EBADMSG) {
        node_fault(n, r);
    }
    if (r == -EBADMSG && starts_with(key, from, prefix)) {
        node_fault(n, r);
    }
    if (r != 0 || !starts_with(key, from, prefix)) {
        return false;
    }
    *ret_key = key;
    *ret_value = value;
    return true;
}

static void write_row(struct tmx_node *n, enum tmx_op_kind kind, uint8_t table, struct tmx_bytes key,
                      struct tmx_bytes value)
{
    int r = 0;
    if (n->fault == 0 && !n->in_turn) {
        r = tmx_spool_begin(n->spool);
        n->in_turn = r == 0;
    }
    if (n->fault == 0 && r == 0) {
        struct tmx_op op = { .kind = kind, .table = table, .key = key, .value = value };
        r = tmx_spool_apply(n->spool, &op, 1);
    }
    if (r != 0) {
        node_fault(n, r);
    }
}

void node_put(struct tmx_node *n, uint8_t table, struct tmx_bytes key, struct tmx_bytes value)
{
    write_row(n, TMX_OP_PUT, table, key, value);
}

void node_insert(struct tmx_node *n, uint8_t table, struct tmx_bytes key, struct tmx_bytes value)
{
    write_row(n, TMX_OP_INSERT, table, key, value);
}

void node_delete(struct tmx_node *n, uint8_t table, struct tmx_bytes key)
{
    write_row(n, TMX_OP_DELETE, table, key, TMX_BYTES_NULL);
}

void node_drop(struct tmx_node *n, uint8_t table, struct tmx_bytes key)
{
    if (node_has(n, table, key)) {
        node_delete(n, table, key);
    }
}

/* Keys */

static struct node_key key_done(struct node_key k, const struct tmx_writer *w)
{
    assert(!w->failed);
    k.size = w->used;
    return k;
}

struct node_key node_key_u64(uint64_t v)
{
    struct node_key k;
    struct tmx_writer w = TMX_WRITER_OF(k.data);
    tmx_write_u64(&w, v);
    return key_done(k, &w);
}

struct node_key node_key_after(struct tmx_bytes key)
{
    struct node_key k = { .size = key.size + 1 };
    assert(k.size <= sizeof(k.data));
    memcpy(k.data, key.data, key.size);
    return k;
}

struct node_key node_key_id_u8(const uint8_t id[TMX_ID_SIZE], uint8_t v)
{
    struct node_key k;
    struct tmx_writer w = TMX_WRITER_OF(k.data);
    tmx_write_bytes(&w, node_id(id));
    tmx_write_u8(&w, v);
    return key_done(k, &w);
}

struct node_key node_key_id_u32(const uint8_t id[TMX_ID_SIZE], uint32_t v)
{
    struct node_key k;
    struct tmx_writer w = TMX_WRITER_OF(k.data);
    tmx_write_bytes(&w, node_id(id));
    tmx_write_u32(&w, v);
    return key_done(k, &w);
}

struct node_key node_key_u8_id(uint8_t v, const uint8_t id[TMX_ID_SIZE])
{
    struct node_key k;
    struct tmx_writer w = TMX_WRITER_OF(k.data);
    tmx_write_u8(&w, v);
    tmx_write_bytes(&w, node_id(id));
    return key_done(k, &w);
}

struct node_key node_key_member(const uint8_t member[TMX_MEMBER_MAX])
{
    struct node_key k;
    struct tmx_writer w = TMX_WRITER_OF(k.data);
    tmx_write_bytes(&w, TMX_BYTES(member, TMX_MEMBER_MAX));
    return key_done(k, &w);
}

struct node_key node_key_member_u64(const uint8_t member[TMX_MEMBER_MAX], uint64_t v)
{
    struct node_key k;
    struct tmx_writer w = TMX_WRITER_OF(k.data);
    tmx_write_bytes(&w, TMX_BYTES(member, TMX_MEMBER_MAX));
    tmx_write_u64(&w, v);
    return key_done(k, &w);
}

struct node_key node_key_due(uint64_t ms, enum tmx_due_kind kind, const uint8_t id[TMX_ID_SIZE])
{
    struct node_key k;
    struct tmx_writer w = TMX_WRITER_OF(k.data);
    tmx_write_u8(&w, (uint8_t)kind);
    tmx_write_u64(&w, ms);
    tmx_write_bytes(&w, node_id(id));
    return key_done(k, &w);
}

uint64_t node_u64(struct tmx_bytes value)
{
    struct tmx_reader r = tmx_reader_init(value);
    uint64_t v = tmx_read_u64(&r);
    assert(tmx_reader_ok(&r));
    return v;
}

void node_member_key(struct tmx_bytes code, uint8_t ret_key[TMX_MEMBER_MAX])
{
    assert(code.size <= TMX_MEMBER_MAX);
    memset(ret_key, 0, TMX_MEMBER_MAX);
    if (code.size > 0) {
        memcpy(ret_key, code.data, code.size);
    }
}

struct tmx_bytes node_member_code(const uint8_t key[TMX_MEMBER_MAX])
{
    return TMX_BYTES(key, strnlen((const char *)key, TMX_MEMBER_MAX));
}

void node_shard_key(const char *shard, uint8_t ret_key[TMX_SHARD_MAX])
{
    memset(ret_key, 0, TMX_SHARD_MAX);
    memcpy(ret_key, shard, strnlen(shard, TMX_SHARD_MAX));
}

/* META "state": version u8, then the fields of struct node_state in order; texts with their size. */

void node_state_write(struct tmx_node *n)
{
    const struct node_state *s = &n->state;
    uint8_t data[TMX_CHECKPOINT_MAX + 256];
    struct tmx_writer w = TMX_WRITER_OF(data);
    tmx_write_u8(&w, 2);
    tmx_write_u8(&w, (uint8_t)strlen(s->head.shard));
    tmx_write_bytes(&w, tmx_bytes_str(s->head.shard));
    tmx_write_u64(&w, s->head.size);
    tmx_write_bytes(&w, TMX_BYTES_OF(s->head.root.b));
    tmx_write_u16(&w, (uint16_t)s->head.checkpoint_size);
    tmx_write_bytes(&w, TMX_BYTES(s->head.checkpoint, s->head.checkpoint_size));
    const uint64_t numbers[] = { s->feed_next, s->batch_no, s->order, s->number, s->report, s->cursor, s->alarm,
                                 s->prekeys_serial, s->prekeys_until_ms, s->directory_heard, s->leased, s->held, s->open,
                                 s->rebuild_to, s->resubmit, s->waiting_largest, n->wall_ms };
    for (size_t i = 0; i < TMX_N(numbers); i++) {
        tmx_write_u64(&w, numbers[i]);
    }
    tmx_write_u8(&w, (uint8_t)((s->prekeys_logged ? 1 : 0) | (s->distrust ? 2 : 0) | (s->rebuild ? 4 : 0) | (s->carry ? 8 : 0)));
    node_put(n, TMX_NT_META, TMX_LIT("state"), tmx_written(&w));
    n->state_dirty = false;
}

bool node_state_read(struct tmx_node *n)
{
    struct tmx_bytes value;
    if (!node_get(n, TMX_NT_META, TMX_LIT("state"), &value)) {
        return false;
    }
    struct node_state s = { 0 };
    struct tmx_reader r = tmx_reader_init(value);
    uint8_t version = tmx_read_u8(&r);
    struct tmx_bytes shard = tmx_read_bytes(&r, tmx_read_u8(&r));
    s.head.size = tmx_read_u64(&r);
    tmx_read_into(&r, s.head.root.b, sizeof(s.head.root.b));
    struct tmx_bytes checkpoint = tmx_read_bytes(&r, tmx_read_u16(&r));
    uint64_t *numbers[] = { &s.feed_next, &s.batch_no, &s.order, &s.number, &s.report, &s.cursor, &s.alarm,
                            &s.prekeys_serial, &s.prekeys_until_ms, &s.directory_heard, &s.leased, &s.held, &s.open,
                            &s.rebuild_to, &s.resubmit, &s.waiting_largest, &s.wall_ms };
    for (size_t i = 0; i < TMX_N(numbers); i++) {
        *numbers[i] = tmx_read_u64(&r);
    }
    uint8_t flags = tmx_read_u8(&r);
    if (!tmx_reader_done(&r) || version != 2 || shard.size > TMX_SHARD_MAX || checkpoint.size > TMX_CHECKPOINT_MAX) {
        node_fault(n, -EBADMSG);
        return false;
    }
    memcpy(s.head.shard, shard.data, shard.size);
    memcpy(s.head.checkpoint, checkpoint.data, checkpoint.size);
    s.head.checkpoint_size = checkpoint.size;
    s.prekeys_logged = (flags & 1) != 0;
    s.distrust = (flags & 2) != 0;
    s.rebuild = (flags & 4) != 0;
    s.carry = (flags & 8) != 0;
    n->state = s;
    return true;
}

void node_due_add(struct tmx_node *n, uint64_t ms, enum tmx_due_kind kind, const uint8_t id[TMX_ID_SIZE])
{
    struct node_key k = node_key_due(ms, kind, id);
    node_put(n, TMX_NT_DUE, node_kb(&k), TMX_BYTES_NULL);
    n->next_due_ms = ms < n->next_due_ms ? ms : n->next_due_ms;
}

void node_due_drop(struct tmx_node *n, uint64_t ms, enum tmx_due_kind kind, const uint8_t id[TMX_ID_SIZE])
{
    struct node_key k = node_key_due(ms, kind, id);
    node_drop(n, TMX_NT_DUE, node_kb(&k));
}

/* Containers */

void node_container_store(struct tmx_node *n, uint8_t table, const uint8_t id[TMX_ID_SIZE], struct tmx_bytes container)
{
    uint32_t chunk = 0;
    for (size_t at = 0; at < container.size; at += TMX_CHUNK_SIZE, chunk++) {
        size_t size = container.size - at < TMX_CHUNK_SIZE ? container.size - at : TMX_CHUNK_SIZE;
        struct node_key k = node_key_id_u32(id, chunk);
        node_put(n, table, node_kb(&k), tmx_bytes_slice(container, at, size));
    }
}

void node_container_drop(struct tmx_node *n, uint8_t table, const uint8_t id[TMX_ID_SIZE], uint64_t size)
{
    for (uint32_t chunk = 0; (uint64_t)chunk * TMX_CHUNK_SIZE < size; chunk++) {
        struct node_key k = node_key_id_u32(id, chunk);
        node_drop(n, table, node_kb(&k));
    }
}

uint8_t *node_container_load(struct tmx_node *n, uint8_t table, const uint8_t id[TMX_ID_SIZE], uint64_t size)
{
    uint8_t *data = malloc(size + 1);
    if (data == NULL) {
        node_fault(n, -ENOMEM);
        return NULL;
    }
    struct tmx_writer w = tmx_writer_init(data, size);
    for (uint32_t chunk = 0; (uint64_t)chunk * TMX_CHUNK_SIZE < size; chunk++) {
        struct node_key k = node_key_id_u32(id, chunk);
        struct tmx_bytes value;
        if (!node_get(n, table, node_kb(&k), &value)) {
            free(data);
            return NULL;
        }
        tmx_write_bytes(&w, value);
    }
    if (w.failed || w.used != size) {
        free(data);
        return NULL;
    }
    return data;
}

void node_alarm(struct tmx_node *n, const char *event, const uint8_t *member, const uint8_t *id, unsigned code,
                struct tmx_bytes data)
{
    node_alarm_number(n, event, member, id, code, n->state.alarm + 1, data);
}

void node_alarm_number(struct tmx_node *n, const char *event, const uint8_t *member, const uint8_t *id, unsigned code,
                       uint64_t number, struct tmx_bytes data)
{
    struct tmx_bytes text = tmx_bytes_str(event);
    uint8_t *row = malloc(10 + text.size + data.size);
    if (row == NULL) {
        node_fault(n, -ENOMEM);
        return;
    }
    struct tmx_writer w = tmx_writer_init(row, 10 + text.size + data.size);
    tmx_write_u64(&w, n->wall_ms);
    tmx_write_u16(&w, (uint16_t)text.size);
    tmx_write_bytes(&w, text);
    tmx_write_bytes(&w, data);
    struct node_key k = node_key_u64(++n->state.alarm);
    n->state_dirty = true;
    node_insert(n, TMX_NT_ALARM, node_kb(&k), tmx_written(&w));
    free(row);
    node_notice(n, event, true, member, id, code, number);
}
