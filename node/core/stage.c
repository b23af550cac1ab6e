/* SPDX-License-Identifier: Apache-2.0
 * Large containers in chunks (LINK-10). In: one at a time is pulled, its chunks are rows at once, and a reconnect goes
 * on where the last session stopped. Out: the broker asks, a chunk is sent.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"

#define LOST_RETRY_MS 60000u

static bool active(const struct tmx_node *n)
{
    return !sodium_is_zero(n->stage, sizeof(n->stage));
}

static void write_row(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], uint64_t at, struct tmx_bytes item)
{
    uint8_t data[8 + TMX_ENTRY_MAX + 4096];
    struct tmx_writer w = TMX_WRITER_OF(data);
    tmx_write_u64(&w, at);
    tmx_write_bytes(&w, item);
    if (!w.failed) {
        node_put(n, TMX_NT_IN_STAGE, node_id(id), tmx_written(&w));
    }
}

/* The row, its item unpacked into the scratch arena; *ret_bytes is the item as stored there. */
static bool read_row(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], uint64_t *ret_at, struct tmx_bytes *ret_bytes,
                     Tmx__FeedItem **ret_item, Tmx__Header **ret_header)
{
    struct tmx_bytes value, copy;
    Tmx__LogEntry *entry;
    if (!node_get(n, TMX_NT_IN_STAGE, node_id(id), &value) || value.size < 8 ||
        !tmx_arena_copy(&n->scratch, value, &copy)) {
        return false;
    }
    *ret_at = node_u64(copy);
    *ret_bytes = tmx_bytes_slice(copy, 8, copy.size - 8);
    return tmx_codec_unpack(&tmx__feed_item__descriptor, *ret_bytes, TMX_FRAME_MAX, &n->scratch, ret_item) ==
               TMX_CODEC_OK &&
           tmx_entry_parse(tmx_pb((*ret_item)->entry), &n->scratch, &entry) == TMX_CODE_OK &&
           tmx_header_parse(tmx_pb(entry->body), &n->scratch, ret_header) == TMX_CODE_OK;
}

static void begin(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], uint64_t at, uint64_t size)
{
    memcpy(n->stage, id, sizeof(n->stage));
    n->stage_at = n->stage_asked = at;
    n->stage_size = size;
    n->stage_due_ms = n->now_ms + NODE_RESEND_MS;
}

/* The item proves inclusion at a head that is gone when the pull ends: its proof is kept now. */
void node_stage_begin(struct tmx_node *n, const Tmx__FeedItem *item, const uint8_t id[TMX_ID_SIZE], uint64_t size)
{
    struct tmx_bytes packed, value;
    uint64_t at = 0;
    if (node_get(n, TMX_NT_IN_STAGE, node_id(id), &value) && value.size >= 8) {
        at = node_u64(value);
    }
    if (tmx_codec_pack(item, &n->scratch, &packed) != TMX_CODEC_OK) {
        node_fault(n, -ENOMEM);
        return;
    }
    write_row(n, id, at, packed);
    if (item->path.len > 0) {   /* one without is kept already */
        node_evidence_keep(n, id, TMX_EVIDENCE_ACCEPTANCE, NULL, item);
    }
    if (!active(n)) {
        begin(n, id, at, size);
    } else if (memcmp(n->stage, id, TMX_ID_SIZE) == 0) {
        n->stage_asked = n->stage_at;   /* delivered again: ask again */
    }
    n->stage_look = true;
}

static void forget(struct tmx_node *n)
{
    memset(n->stage, 0, sizeof(n->stage));
    n->stage_look = true;
}

void node_stage_forget(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE])
{
    if (memcmp(n->stage, id, TMX_ID_SIZE) == 0) {
        forget(n);
    }
}

void node_stage_drop(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE])
{
    struct tmx_bytes value;
    if (!node_get(n, TMX_NT_IN_STAGE, node_id(id), &value) || value.size < 8) {
        return;
    }
    uint64_t at = node_u64(value);
    node_container_drop(n, TMX_NT_IN_CONTAINER, id, at);
    node_delete(n, TMX_NT_IN_STAGE, node_id(id));
    node_stage_forget(n, id);
}

/* One that is lost here and could not be taken in now is asked for again, but not at once. */
static void lost_again(struct tmx_node *n, const Tmx__FeedItem *item, const uint8_t id[TMX_ID_SIZE], uint64_t size)
{
    struct tmx_row_in row;
    if (node_in_read(n, id, &row) && row.state == TMX_IN_LOST) {
        node_stage_begin(n, item, id, size);
        node_stage_forget(n, id);
        n->stage_from = node_key_after(node_id(id));
        n->stage_retry_ms = n->now_ms + LOST_RETRY_MS;
    }
}

/* All chunks are here: the same path as for a small one, with the container read back. */
static void complete(struct tmx_node *n, const Tmx__FeedItem *item, const Tmx__Header *h)
{
    uint8_t id[TMX_ID_SIZE];
    memcpy(id, h->message_id.data, sizeof(id));
    uint64_t size = h->container_bytes;
    uint8_t *container = node_container_load(n, TMX_NT_IN_CONTAINER, id, size);
    if (n->fault != 0) {
        free(container);
        return;
    }
    node_stage_drop(n, id);
    if (container != NULL) {
        node_deliver_pulled(n, item, TMX_BYTES(container, size));
        n->session.received_bytes -= n->session.received_bytes < size ? 0 : size;   /* counted when it was announced */
    }
    free(container);
    lost_again(n, item, id, size);   /* any other is delivered again */
}

/* Nobody has it now. One that was lost here is asked for again later; of any other an outcome is on its way, or it is
 * delivered again. */
static void given_up(struct tmx_node *n)
{
    struct tmx_row_in row;
    if (!node_in_read(n, n->stage, &row) || row.state != TMX_IN_LOST) {
        node_stage_drop(n, n->stage);
        return;
    }
    n->stage_from = node_key_after(node_id(n->stage));
    n->stage_retry_ms = n->now_ms + LOST_RETRY_MS;
    forget(n);
}

void node_stage_chunk(struct tmx_node *n, const Tmx__Chunk *chunk, struct tmx_bytes data)
{
    tmx_arena_reset(&n->scratch);
    if (!active(n) || !tmx_bytes_eq(tmx_pb(chunk->message_id), node_id(n->stage)) || chunk->offset != n->stage_at) {
        return;
    }
    if (data.size == 0) {
        given_up(n);
        return;
    }
    uint64_t at, left = n->stage_size - n->stage_at;
    struct tmx_bytes bytes;
    Tmx__FeedItem *item;
    Tmx__Header *h;
    if (data.size != (left < TMX_CHUNK_SIZE ? left : TMX_CHUNK_SIZE)) {
        node_notice(n, "delivery.bad-chunk", true, NULL, n->stage, TMX_CODE_BAD_FRAME, chunk->offset);
        node_stage_drop(n, n->stage);
        return;
    }
    if (!read_row(n, n->stage, &at, &bytes, &item, &h) || at != n->stage_at) {   /* NODE-16: begun anew, or delivered again */
        forget(n);
        return;
    }
    struct node_key k = node_key_id_u32(n->stage, (uint32_t)(n->stage_at / TMX_CHUNK_SIZE));
    node_put(n, TMX_NT_IN_CONTAINER, node_kb(&k), data);
    n->stage_at += data.size;
    n->stage_due_ms = n->now_ms + NODE_RESEND_MS;
    write_row(n, n->stage, n->stage_at, bytes);
    if (n->stage_at == n->stage_size) {
        complete(n, item, h);
    }
}

static void begin_next(struct tmx_node *n)
{
    const struct node_key first = { .size = 1 };
    struct tmx_bytes key, value, bytes;
    uint8_t id[TMX_ID_SIZE];
    uint64_t at;
    Tmx__FeedItem *item;
    Tmx__Header *h;
    n->stage_look = false;
    tmx_arena_reset(&n->scratch);
    struct node_key from = n->stage_from.size == 0 ? first : n->stage_from;
    if (!node_seek(n, TMX_NT_IN_STAGE, node_kb(&from), 0, &key, &value)) {
        return;
    }
    assert(key.size == TMX_ID_SIZE);
    memcpy(id, key.data, sizeof(id));
    if (!read_row(n, id, &at, &bytes, &item, &h)) {
        node_fault(n, n->fault != 0 ? n->fault : -EBADMSG);
        return;
    }
    begin(n, id, at, h->container_bytes);
}

static void ask(struct tmx_node *n, uint64_t offset)
{
    Tmx__ChunkRequest request = TMX__CHUNK_REQUEST__INIT;
    request.message_id = tmx_to_pb(node_id(n->stage));
    request.offset = offset;
    Tmx__Link link = TMX__LINK__INIT;
    link.body_case = TMX__LINK__BODY_CHUNK_REQUEST;
    link.chunk_request = &request;
    node_link_send(n, &link, NULL, 0);
}

void node_stage_close(struct tmx_node *n)
{
    if (n->session.state != NODE_UP || n->state.rebuild) {
        return;
    }
    if (n->stage_retry_ms != 0 && n->now_ms >= n->stage_retry_ms) {
        n->stage_retry_ms = 0;
        n->stage_from.size = 0;
        n->stage_look = true;
    }
    if (!active(n) && n->stage_look) {
        begin_next(n);
    }
    if (!active(n)) {
        return;
    }
    if (n->now_ms >= n->stage_due_ms) {
        n->stage_asked = n->stage_at;
        n->stage_due_ms = n->now_ms + NODE_RESEND_MS;
    }
    uint64_t ahead = n->stage_at + (uint64_t)TMX_CHUNKS_IN_FLIGHT * TMX_CHUNK_SIZE;
    while (n->stage_asked < ahead && n->stage_asked < n->stage_size) {
        ask(n, n->stage_asked);
        n->stage_asked += TMX_CHUNK_SIZE;
    }
}

void node_stage_asked(struct tmx_node *n, const Tmx__ChunkRequest *request)
{
    struct tmx_row_out row;
    if (request->message_id.len != TMX_ID_SIZE || request->offset % TMX_CHUNK_SIZE != 0 ||
        request->offset >= TMX_CONTAINER_MAX || !node_room(n)) {
        return;
    }
    const uint8_t *id = request->message_id.data;
    struct tmx_bytes data = TMX_BYTES_NULL;
    if (node_out_read(n, id, &row)) {
        struct node_key k = node_key_id_u32(id, (uint32_t)(request->offset / TMX_CHUNK_SIZE));
        if (node_get(n, TMX_NT_OUT_CONTAINER, node_kb(&k), &data) && !tmx_arena_copy(&n->out, data, &data)) {
            return;
        }
        node_window_due(&n->submits, row.number, n->now_ms + NODE_RESEND_MS);
    }
    Tmx__Chunk chunk = TMX__CHUNK__INIT;
    chunk.message_id = request->message_id;
    chunk.offset = request->offset;
    Tmx__Link link = TMX__LINK__INIT;
    link.body_case = TMX__LINK__BODY_CHUNK;
    link.chunk = &chunk;
    node_link_send(n, &link, &data, 1);
}
