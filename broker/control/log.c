/* SPDX-License-Identifier: Apache-2.0
 * What auditors ask over the control socket: what tmx-audit export reads (include/tmx/control.h documents every answer).
 */
#include <assert.h>
#include <string.h>

#include <tmx/text.h>

#include "../daemon.h"

#define INDEX_MAX (1ull << TMX_TREE_DEPTH_MAX)

/* The head; with the newest that the quorum has cosigned, which may be an earlier one. */
static json_t *log_head(const struct log_source *d)
{
    json_t *j = json_pack("{so}", "checkpoint", json_stringn((const char *)d->checkpoint.data, d->checkpoint.size));
    json_object_set_new(j, "witnesses", json_integer((json_int_t)d->witnesses));
    if (d->cosigned.size > 0) {
        json_object_set_new(j, "cosigned", json_stringn((const char *)d->cosigned.data, d->cosigned.size));
    }
    return j;
}

/* A turn spends no more on it than these bytes: an export asks often, and the exchange goes on in between. */
static void entries_answer(const struct log_source *d, const struct tmx_control_request *r, uint64_t from, uint64_t count,
                           struct tmx_arena *arena)
{
    size_t room = TMX_CONTROL_ENTRIES_BYTES + TMX_ENTRY_MAX + 2;   /* the last one may be over it */
    uint8_t *bytes = tmx_arena_alloc(arena, room);
    assert(bytes != NULL);
    struct tmx_writer out = tmx_writer_init(bytes, room);
    json_int_t n = 0;
    for (; (uint64_t)n < count && out.used < TMX_CONTROL_ENTRIES_BYTES; n++) {
        uint8_t key[8];
        struct tmx_writer w = TMX_WRITER_OF(key);
        tmx_write_u64(&w, from + (uint64_t)n);
        struct tmx_bytes value;
        if (tmx_spool_get(d->spool, TMX_T_LOG, tmx_written(&w), &value) != 0) {
            break;
        }
        tmx_write_u16(&out, (uint16_t)value.size);
        tmx_write_bytes(&out, value);
    }
    tmx_control_reply_with(d->control, r->client, json_pack("{sI}", "entries", n), tmx_written(&out));
}

/* The first one of that serial or a higher one. */
static void directory_answer(const struct log_source *d, const struct tmx_control_request *r, uint64_t from)
{
    uint8_t key[8];
    struct tmx_writer w = TMX_WRITER_OF(key);
    tmx_write_u64(&w, from);
    struct tmx_bytes found, value;
    if (tmx_spool_seek(d->spool, TMX_T_DIRECTORY, tmx_written(&w), &found, &value) != 0) {
        tmx_control_reply(d->control, r->client, json_pack("{si}", "serial", 0));
        return;
    }
    struct tmx_reader serial = tmx_reader_init(found);
    tmx_control_reply_with(d->control, r->client, json_pack("{sI}", "serial", (json_int_t)tmx_read_u64(&serial)), value);
}

/* The hour of the first row at or after `from`; false: there is none. */
static bool cosigned_hour(const struct log_source *d, uint64_t from, uint64_t *ret_hour)
{
    uint8_t key[8];
    struct tmx_writer w = TMX_WRITER_OF(key);
    struct tmx_bytes found, value;
    tmx_write_u64(&w, from);
    if (tmx_spool_seek(d->spool, TMX_T_COSIGNED, tmx_written(&w), &found, &value) != 0) {
        return false;
    }
    struct tmx_reader r = tmx_reader_init(found);
    *ret_hour = tmx_read_u64(&r);
    return true;
}

/* The first one of that hour or a later one. The last row is none: it may still be replaced. */
static void checkpoint_answer(const struct log_source *d, const struct tmx_control_request *r, uint64_t from)
{
    uint8_t key[8];
    struct tmx_writer w = TMX_WRITER_OF(key);
    uint64_t hour, next;
    struct tmx_bytes note;
    if (!cosigned_hour(d, from, &hour) || !cosigned_hour(d, hour + 1, &next)) {
        tmx_control_reply(d->control, r->client, json_pack("{si}", "hour", 0));
        return;
    }
    tmx_write_u64(&w, hour);
    if (tmx_spool_get(d->spool, TMX_T_COSIGNED, tmx_written(&w), &note) != 0) {
        tmx_control_refuse(d->control, r->client, "spool", "the spool cannot be read");
        return;
    }
    tmx_control_reply_with(d->control, r->client, json_pack("{sI}", "hour", (json_int_t)hour), note);
}

/* The first one of a head of that size or a larger one. */
static void anchor_answer(const struct log_source *d, const struct tmx_control_request *r, uint64_t from)
{
    uint8_t key[8];
    struct tmx_writer w = TMX_WRITER_OF(key);
    struct tmx_bytes found, value;
    tmx_write_u64(&w, from);
    if (tmx_spool_seek(d->spool, TMX_T_ANCHOR, tmx_written(&w), &found, &value) != 0) {
        tmx_control_reply(d->control, r->client, json_pack("{si}", "size", 0));
        return;
    }
    struct tmx_reader size = tmx_reader_init(found), row = tmx_reader_init(value);
    uint64_t index = tmx_read_u64(&row);
    tmx_control_reply_with(d->control, r->client,
                           json_pack("{sI sI}", "size", (json_int_t)tmx_read_u64(&size), "index", (json_int_t)index),
                           TMX_BYTES(row.at, row.left));
}

/* A page of what the broker holds, read between two turns. */
static void state_answer(const struct log_source *d, const struct tmx_control_request *r, enum tmx_projection_table table,
                         struct tmx_bytes from, struct tmx_arena *arena)
{
    uint8_t *bytes = tmx_arena_alloc(arena, TMX_CONTROL_STATE_BYTES);
    assert(bytes != NULL);
    struct tmx_writer out = tmx_writer_init(bytes, TMX_CONTROL_STATE_BYTES);
    struct tmx_broker_page p;
    if (d->broker == NULL) {
        tmx_control_refuse(d->control, r->client, "archived", "this log has ended: no broker holds its state any more");
        return;
    }
    if (!tmx_broker_project(d->broker, table, from, &out, &p)) {
        tmx_control_refuse(d->control, r->client, "damaged", "a row of %s cannot be read: the spool is damaged", r->words[1]);
        return;
    }
    json_t *reply = json_pack("{sI sI}", "size", (json_int_t)p.size, "rows", (json_int_t)p.rows);
    if (p.next_size > 0) {
        char next[2 * TMX_KEY_MAX + 1];
        tmx_hex(TMX_BYTES(p.next, p.next_size), next);
        json_object_set_new(reply, "next", json_string(next));
    }
    tmx_control_reply_with(d->control, r->client, reply, tmx_written(&out));
}

/* log-state TABLE [KEY] */
static bool state_asked(const struct tmx_control_request *r, enum tmx_projection_table *ret_table, uint8_t key[TMX_KEY_MAX],
                        size_t *ret_size)
{
    struct tmx_bytes hex = r->n_words == 3 ? tmx_bytes_str(r->words[2]) : TMX_BYTES_NULL;
    *ret_size = hex.size / 2;
    return (r->n_words == 2 || r->n_words == 3) && strcmp(r->words[0], "log-state") == 0 &&
           tmx_projection_find(r->words[1], ret_table) && hex.size <= 2 * TMX_KEY_MAX && tmx_unhex(hex, key, *ret_size);
}

bool control_log(const struct log_source *d, const struct tmx_control_request *r, struct tmx_arena *arena)
{
    uint64_t from, count;
    if (r->n_words == 1 && strcmp(r->words[0], "log-head") == 0) {
        tmx_control_reply(d->control, r->client, log_head(d));
        return true;
    }
    if (r->n_words == 3 && strcmp(r->words[0], "log-entries") == 0 &&
        tmx_parse_u64(tmx_bytes_str(r->words[1]), INDEX_MAX, &from) &&
        tmx_parse_u64(tmx_bytes_str(r->words[2]), INDEX_MAX, &count)) {
        entries_answer(d, r, from, count, arena);
        return true;
    }
    if (r->n_words == 2 && strcmp(r->words[0], "log-directory") == 0 &&
        tmx_parse_u64(tmx_bytes_str(r->words[1]), UINT64_MAX, &from)) {
        directory_answer(d, r, from);
        return true;
    }
    if (r->n_words == 2 && strcmp(r->words[0], "log-checkpoint") == 0 &&
        tmx_parse_u64(tmx_bytes_str(r->words[1]), INDEX_MAX, &from)) {
        checkpoint_answer(d, r, from);
        return true;
    }
    if (r->n_words == 2 && strcmp(r->words[0], "log-anchor") == 0 &&
        tmx_parse_u64(tmx_bytes_str(r->words[1]), INDEX_MAX, &from)) {
        anchor_answer(d, r, from);
        return true;
    }
    enum tmx_projection_table table;
    uint8_t key[TMX_KEY_MAX];
    size_t size;
    if (state_asked(r, &table, key, &size)) {
        state_answer(d, r, table, TMX_BYTES(key, size), arena);
        return true;
    }
    return false;
}
