/* SPDX-License-Identifier: Apache-2.0
 * Containers after the last outcome of their message (QUE-8): they go with it, or are kept for a while and then erased by
 * a leaf of their own; before their time, oldest first, when the spool needs the room. ERASE is ordered by when each is
 * due, so both take its first row.
 */
#include <string.h>

#include "core.h"

#define ERASE_ROWS_PER_TURN 256u   /* of CONTAINER; one message goes in any case */

static uint32_t chunks_of(uint32_t container_bytes)
{
    return (container_bytes + TMX_CHUNK_SIZE - 1) / TMX_CHUNK_SIZE;
}

static void container_delete(struct tmx_broker *b, const uint8_t id[TMX_ID_SIZE], uint32_t container_bytes)
{
    uint32_t n = chunks_of(container_bytes);
    for (uint32_t i = 0; i < n; i++) {
        struct key k = key_container(id, i);
        row_delete(b, TMX_T_CONTAINER, key_bytes(&k));
    }
}

static struct key key_erase(uint64_t due_ms, const uint8_t id[TMX_ID_SIZE])
{
    struct key k;
    struct tmx_writer w = TMX_WRITER_OF(k.data);
    tmx_write_u64(&w, due_ms);
    tmx_write_bytes(&w, TMX_BYTES(id, TMX_ID_SIZE));
    assert(!w.failed);
    k.size = w.used;
    return k;
}

void retention_ended(struct tmx_broker *b, const uint8_t id[TMX_ID_SIZE], const struct tmx_row_message *m)
{
    assert(m->n_open == 0);
    if (b->config.retention_ms == 0) {
        container_delete(b, id, m->container_bytes);
        return;
    }
    /* By the clock that was trusted last, not by leaf time: a clock that once was years ahead has moved that for good. */
    uint64_t due_ms = b->clock_base_ms + b->now_ms + b->config.retention_ms;
    struct key k = key_erase(due_ms, id);
    row_insert(b, TMX_T_ERASE, key_bytes(&k), TMX_BYTES_NULL);
    if (due_ms < b->next_erase_ms) {
        b->next_erase_ms = due_ms;
    }
}

/* Everyone the message was about learns that it cannot be had here any more. */
static void feed_all(struct tmx_broker *b, const uint8_t id[TMX_ID_SIZE], const struct tmx_row_message *m, uint64_t index)
{
    ledger_feed(b, m->sender, index, TMX_FEED_ALWAYS);
    uint8_t from[TMX_ID_SIZE + TMX_MEMBER_KEY + 1] = { 0 };
    size_t size = TMX_ID_SIZE;
    memcpy(from, id, TMX_ID_SIZE);
    for (unsigned i = 0; i < m->n_recipients; i++) {
        struct tmx_bytes key, value;
        if (!row_seek(b, TMX_T_DELIVERY, TMX_BYTES(from, size), TMX_ID_SIZE, &key, &value)) {
            broker_fault(b, -EBADMSG);
            return;
        }
        memcpy(from, key.data, TMX_ID_SIZE + TMX_MEMBER_KEY);
        size = sizeof(from);   /* the next one behind it */
        ledger_feed(b, from + TMX_ID_SIZE, index, TMX_FEED_ALWAYS);
    }
}

/* Leaf, feeds and rows, all in this turn; returns how many rows of CONTAINER went. */
static uint32_t erase(struct tmx_broker *b, const uint8_t id[TMX_ID_SIZE], unsigned code)
{
    struct tmx_row_message m;
    if (!message_read(b, id, &m) || m.n_open > 0) {
        broker_fault(b, -EBADMSG);
        return 0;
    }
    tmx_arena_reset(&b->scratch);
    Tmx__LogRef ref = TMX__LOG_REF__INIT;
    ref.shard = tmx_to_pb(tmx_bytes_str(b->shard));
    ref.index = m.index;
    Tmx__LogEntry entry = TMX__LOG_ENTRY__INIT;
    entry.kind = TMX__ENTRY_KIND__ENTRY_ERASED;
    entry.member = tmx_to_pb(tmx_member_code(m.sender));
    entry.message_id = tmx_to_pb(TMX_BYTES(id, TMX_ID_SIZE));
    entry.header_digest = tmx_to_pb(TMX_BYTES_OF(m.header_digest));
    entry.digest = tmx_to_pb(TMX_BYTES_OF(m.container_digest));
    entry.reference = &ref;
    entry.code = code;
    uint64_t index = ledger_append(b, &entry);
    feed_all(b, id, &m, index);
    container_delete(b, id, m.container_bytes);
    b->counters.erased++;
    notice(b, "container.erased", false, m.sender, id, code, index);
    b->erase_bytes -= m.container_bytes < b->erase_bytes ? m.container_bytes : b->erase_bytes;
    return chunks_of(m.container_bytes);
}

void retention_run(struct tmx_broker *b)
{
    bool by_time = !b->clock_doubt;
    static const uint8_t lowest[1];
    for (uint32_t rows = 0; b->erase_bytes > 0 || (by_time && b->wall_ms >= b->next_erase_ms);) {
        struct tmx_bytes key, value;
        if (!row_seek(b, TMX_T_ERASE, TMX_BYTES_OF(lowest), 0, &key, &value)) {
            b->next_erase_ms = UINT64_MAX;
            b->erase_bytes = 0;
            return;
        }
        b->next_erase_ms = value_u64(tmx_bytes_slice(key, 0, 8));
        bool due = by_time && b->next_erase_ms <= b->wall_ms;
        if (!due && b->erase_bytes == 0) {
            return;
        }
        if (rows >= ERASE_ROWS_PER_TURN) {
            b->more = true;
            return;
        }
        struct key k = { .size = key.size };
        memcpy(k.data, key.data, key.size);
        rows += erase(b, k.data + 8, due ? TMX_CODE_OK : TMX_CODE_DISK_FULL);
        row_delete(b, TMX_T_ERASE, key_bytes(&k));
        if (b->fault != 0) {
            return;
        }
    }
}
