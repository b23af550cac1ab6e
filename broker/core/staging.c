/* SPDX-License-Identifier: Apache-2.0
 * Large containers: pulled chunk by chunk before their admission is decided (LINK-10). One per member at a time.
 * What was pulled survives restarts: the next session goes on where this one stopped.
 */
#include <sodium.h>
#include <string.h>

#include "core.h"

#define STAGING_IDLE_MS 60000u    /* another one of the same member may take its place */
#define STAGING_LOST_MS 600000u   /* its sender would have announced it again many times (LINK-11) */

static struct key key_progress(const uint8_t id[TMX_ID_SIZE])
{
    struct key k;
    struct tmx_writer w = TMX_WRITER_OF(k.data);
    tmx_write_bytes(&w, TMX_BYTES(id, TMX_ID_SIZE));
    tmx_write_u8(&w, 1);
    k.size = w.used;
    return k;
}

static bool progress_read(struct tmx_broker *b, const uint8_t id[TMX_ID_SIZE], uint8_t ret_member[TMX_MEMBER_KEY],
                          uint64_t *ret_bytes)
{
    struct key k = key_progress(id);
    struct tmx_bytes value;
    if (!row_get(b, TMX_T_STAGE, key_bytes(&k), &value)) {
        return false;
    }
    struct tmx_reader r = tmx_reader_init(value);
    tmx_read_into(&r, ret_member, TMX_MEMBER_KEY);
    *ret_bytes = tmx_read_u64(&r);
    return tmx_reader_done(&r);
}

static void progress_write(struct tmx_broker *b, const uint8_t id[TMX_ID_SIZE], const struct peer *p, uint64_t bytes)
{
    uint8_t data[TMX_MEMBER_KEY + 8];
    struct tmx_writer w = TMX_WRITER_OF(data);
    tmx_write_bytes(&w, TMX_BYTES_OF(p->key));
    tmx_write_u64(&w, bytes);
    struct key k = key_progress(id);
    row_put(b, TMX_T_STAGE, key_bytes(&k), tmx_written(&w));
}

static void stage_rows_delete(struct tmx_broker *b, const uint8_t id[TMX_ID_SIZE])
{
    struct key k = key_progress(id);
    row_delete(b, TMX_T_STAGE, TMX_BYTES(id, TMX_ID_SIZE));
    row_delete(b, TMX_T_STAGE, key_bytes(&k));
}

static void request(struct tmx_broker *b, struct peer *p, const uint8_t id[TMX_ID_SIZE], uint64_t offset)
{
    Tmx__ChunkRequest body = TMX__CHUNK_REQUEST__INIT;
    body.message_id = tmx_to_pb(TMX_BYTES(id, TMX_ID_SIZE));
    body.offset = offset;
    Tmx__Link link = TMX__LINK__INIT;
    link.body_case = TMX__LINK__BODY_CHUNK_REQUEST;
    link.chunk_request = &body;
    send_link(b, p, &link, NULL, 0);
}

static void drop(struct tmx_broker *b, const uint8_t id[TMX_ID_SIZE], uint64_t bytes)
{
    for (uint32_t i = 0; (uint64_t)i * TMX_CHUNK_SIZE < bytes; i++) {
        struct key k = key_container(id, i);
        row_delete(b, TMX_T_CONTAINER, key_bytes(&k));
    }
    stage_rows_delete(b, id);
}

void staging_abandon(struct tmx_broker *b, struct peer *p)
{
    uint8_t member[TMX_MEMBER_KEY];
    uint64_t bytes;
    if (!sodium_is_zero(p->staging, sizeof(p->staging)) && progress_read(b, p->staging, member, &bytes)) {
        drop(b, p->staging, bytes);
    }
    memset(p->staging, 0, sizeof(p->staging));
}

void staging_close(struct tmx_broker *b, struct peer *p)
{
    uint64_t from = p->staging_heard_ms > p->opened_ms ? p->staging_heard_ms : p->opened_ms;
    if (p->up && !sodium_is_zero(p->staging, sizeof(p->staging)) && b->now_ms - from > STAGING_LOST_MS) {
        notice(b, "message.forgotten", false, p->key, p->staging, TMX_CODE_OK, 0);
        staging_abandon(b, p);
    }
}

void staging_heard(struct tmx_broker *b, struct peer *p, const uint8_t id[TMX_ID_SIZE])
{
    if (memcmp(p->staging, id, sizeof(p->staging)) == 0) {
        p->staging_heard_ms = b->now_ms;
    }
}

bool staging_yield(struct tmx_broker *b, struct peer *p, const uint8_t id[TMX_ID_SIZE])
{
    uint8_t member[TMX_MEMBER_KEY];
    uint64_t bytes;
    if (memcmp(p->staging, id, sizeof(p->staging)) == 0) {
        staging_abandon(b, p);
    }
    return !progress_read(b, id, member, &bytes);
}

void staging_recover(struct tmx_broker *b)
{
    uint8_t from[TMX_ID_SIZE + 2] = { 0 };
    struct tmx_bytes key, value;
    while (row_seek(b, TMX_T_STAGE, TMX_BYTES_OF(from), 0, &key, &value)) {
        uint8_t id[TMX_ID_SIZE], member[TMX_MEMBER_KEY];
        uint64_t bytes;
        memcpy(id, key.data, sizeof(id));
        if (!progress_read(b, id, member, &bytes)) {
            broker_fault(b, -EBADMSG);
            return;
        }
        struct peer *p = peer_find(b, member);
        if (p != NULL && sodium_is_zero(p->staging, sizeof(p->staging))) {
            memcpy(p->staging, id, sizeof(p->staging));
            p->staging_ms = p->staging_heard_ms = b->now_ms;
        } else {
            drop(b, id, bytes);
        }
        memcpy(from, id, sizeof(id));
        from[TMX_ID_SIZE] = 2;   /* behind both rows of this one */
    }
}

/* All of it is here: its digest, then the verdict. */
static void decide(struct tmx_broker *b, struct peer *p, uint64_t bytes)
{
    uint8_t id[TMX_ID_SIZE];
    memcpy(id, p->staging, sizeof(id));
    tmx_arena_reset(&b->scratch);
    crypto_generichash_state hash;
    crypto_generichash_init(&hash, NULL, 0, 32);
    struct tmx_bytes first = TMX_BYTES_NULL, value;
    for (uint32_t i = 0; (uint64_t)i * TMX_CHUNK_SIZE < bytes; i++) {
        struct key k = key_container(id, i);
        bool spoilt;
        if (!row_get_spared(b, TMX_T_CONTAINER, key_bytes(&k), &value, &spoilt)) {
            if (spoilt) {   /* its sender has it: it is announced again, and pulled again */
                notice(b, "container.spoilt", true, p->key, id, TMX_CODE_CONTAINER_MISMATCH, 0);
                staging_abandon(b, p);
            }
            return;
        }
        crypto_generichash_update(&hash, value.data, value.size);
        size_t head = TMX_SEAL_OVERHEAD(TMX_RECIPIENTS_MAX);
        if (i == 0 && !tmx_arena_copy(&b->scratch, TMX_BYTES(value.data, value.size < head ? value.size : head), &first)) {
            return;
        }
    }
    uint8_t digest[32];
    crypto_generichash_final(&hash, digest, sizeof(digest));
    if (!row_get(b, TMX_T_STAGE, TMX_BYTES(id, TMX_ID_SIZE), &value) ||
        !tmx_arena_copy(&b->scratch, value, &value)) {
        return;
    }
    bool resubmission = value.data[0] != 0;
    Tmx__Signed *envelope;
    struct tmx_signature signature;
    Tmx__Header *h;
    unsigned code = tmx_signed_parse(tmx_bytes_slice(value, 1, value.size - 1), &b->scratch, &envelope, &signature);
    if (code == TMX_CODE_OK) {
        code = tmx_header_parse(tmx_pb(envelope->body), &b->scratch, &h);
    }
    if (code != TMX_CODE_OK) {
        broker_fault(b, -EBADMSG);
        return;
    }
    admission_decide(b, p, envelope, &signature, h, first, digest, resubmission);
    struct tmx_row_message m;
    if (message_read(b, id, &m)) {
        stage_rows_delete(b, id);
        memset(p->staging, 0, sizeof(p->staging));
    } else if (p->last_code < 300) {
        staging_abandon(b, p);   /* refused for good; after a deferral the same bytes come again */
    }
}

/* Is what was staged under this id the same header? Another signature over it does not matter: the first is kept. */
static bool same_header(struct tmx_broker *b, const uint8_t id[TMX_ID_SIZE], struct tmx_bytes body)
{
    struct tmx_bytes stored;
    Tmx__Signed *envelope;
    struct tmx_signature signature;
    return row_get(b, TMX_T_STAGE, TMX_BYTES(id, TMX_ID_SIZE), &stored) && stored.size > 1 &&
           tmx_signed_parse(tmx_bytes_slice(stored, 1, stored.size - 1), &b->scratch, &envelope, &signature) ==
               TMX_CODE_OK &&
           tmx_bytes_eq(tmx_pb(envelope->body), body);
}

void staging_begin(struct tmx_broker *b, struct peer *p, struct tmx_bytes item, struct tmx_bytes body,
                   const Tmx__Header *h, bool resubmission)
{
    const uint8_t *id = h->message_id.data;
    bool busy = !sodium_is_zero(p->staging, sizeof(p->staging)) && memcmp(p->staging, id, sizeof(p->staging)) != 0;
    if (busy && b->now_ms - p->staging_ms < STAGING_IDLE_MS) {
        defer(b, p, tmx_pb(h->message_id), TMX_CODE_BUSY);
        return;
    }
    if (busy) {
        staging_abandon(b, p);
    }
    uint8_t member[TMX_MEMBER_KEY];
    uint64_t bytes = 0;
    bool known = progress_read(b, id, member, &bytes);
    if (known && memcmp(member, p->key, sizeof(member)) != 0) {
        defer(b, p, tmx_pb(h->message_id), TMX_CODE_BUSY);
        return;
    }
    memcpy(p->staging, id, sizeof(p->staging));
    p->staging_ms = p->staging_heard_ms = b->now_ms;
    uint8_t data[TMX_HEADER_MAX + 1100];
    struct tmx_writer w = TMX_WRITER_OF(data);
    tmx_write_u8(&w, resubmission ? 1 : 0);
    tmx_write_bytes(&w, item);
    if (known && !same_header(b, id, body)) {
        staging_abandon(b, p);   /* the same id with another header: only the latest can be decided */
        memcpy(p->staging, id, sizeof(p->staging));
        known = false;
        bytes = 0;
    }
    if (!known) {
        row_insert(b, TMX_T_STAGE, TMX_BYTES(id, TMX_ID_SIZE), tmx_written(&w));
        progress_write(b, id, p, 0);
    }
    if (bytes >= h->container_bytes) {
        decide(b, p, bytes);
        return;
    }
    for (unsigned i = 0; i < TMX_CHUNKS_IN_FLIGHT && bytes + i * TMX_CHUNK_SIZE < h->container_bytes; i++) {
        request(b, p, id, bytes + i * TMX_CHUNK_SIZE);
    }
}

/* Its sender has it no more: it is refused, and so are its numbers used, for what comes behind it (LINK-10). */
static void gone(struct tmx_broker *b, struct peer *p, struct tmx_bytes stored)
{
    static const uint8_t no_digest[32];
    struct tmx_bytes copy;
    Tmx__Signed *envelope;
    struct tmx_signature signature;
    Tmx__Header *h;
    if (!tmx_arena_copy(&b->scratch, stored, &copy) ||
        tmx_signed_parse(tmx_bytes_slice(copy, 1, copy.size - 1), &b->scratch, &envelope, &signature) != TMX_CODE_OK ||
        tmx_header_parse(tmx_pb(envelope->body), &b->scratch, &h) != TMX_CODE_OK) {
        broker_fault(b, -EBADMSG);
        return;
    }
    admission_decide(b, p, envelope, &signature, h, TMX_BYTES_NULL, no_digest, copy.data[0] != 0);
    if (p->last_code < 300) {
        staging_abandon(b, p);
    }
}

void staging_chunk(struct tmx_broker *b, struct peer *p, const Tmx__Chunk *chunk, struct tmx_bytes data)
{
    uint8_t member[TMX_MEMBER_KEY];
    uint64_t bytes;
    if (!tmx_bytes_eq(tmx_pb(chunk->message_id), TMX_BYTES_OF(p->staging)) ||
        !progress_read(b, p->staging, member, &bytes) || chunk->offset != bytes) {
        return;   /* of something given up, or out of turn: it is asked for again */
    }
    struct tmx_bytes value;
    if (!row_get(b, TMX_T_STAGE, TMX_BYTES_OF(p->staging), &value)) {
        return;
    }
    tmx_arena_reset(&b->scratch);
    if (data.size == 0) {
        gone(b, p, value);
        return;
    }
    Tmx__Signed *envelope;
    struct tmx_signature signature;
    Tmx__Header *h;
    if (tmx_signed_parse(tmx_bytes_slice(value, 1, value.size - 1), &b->scratch, &envelope, &signature) != TMX_CODE_OK ||
        tmx_header_parse(tmx_pb(envelope->body), &b->scratch, &h) != TMX_CODE_OK) {
        broker_fault(b, -EBADMSG);
        return;
    }
    uint64_t left = h->container_bytes - bytes;
    if (data.size != (left < TMX_CHUNK_SIZE ? left : TMX_CHUNK_SIZE)) {
        staging_abandon(b, p);
        count_malformed(b, p, TMX_CODE_BAD_FRAME);
        return;
    }
    struct key k = key_container(p->staging, (uint32_t)(bytes / TMX_CHUNK_SIZE));
    row_insert(b, TMX_T_CONTAINER, key_bytes(&k), data);
    bytes += data.size;
    progress_write(b, p->staging, p, bytes);
    p->staging_ms = p->staging_heard_ms = b->now_ms;
    uint64_t ahead = bytes + (TMX_CHUNKS_IN_FLIGHT - 1) * (uint64_t)TMX_CHUNK_SIZE;
    if (bytes == h->container_bytes) {
        decide(b, p, bytes);
    } else if (ahead < h->container_bytes) {
        request(b, p, p->staging, ahead);
    }
}
