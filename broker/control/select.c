/* SPDX-License-Identifier: Apache-2.0
 * What an action would be about: queued deliveries by destination, age and type, page by page. Reads only.
 */
#include <string.h>

#include <tmx/clock.h>
#include <tmx/code.h>
#include <tmx/envelope.h>
#include <tmx/text.h>

#include "../daemon.h"

#define DUE_KEY (8u + TMX_ID_SIZE + TMX_MEMBER_KEY)

struct filter {
    enum tmx_action action;
    uint8_t member[TMX_MEMBER_KEY];
    bool any_member;
    uint64_t older_ms;
    const char *type;           /* NULL = any */
    uint64_t now_ms;
};

struct row {
    uint8_t id[TMX_ID_SIZE], member[TMX_MEMBER_KEY];
    bool held;
    const Tmx__Header *header;
    uint64_t accepted_ms;
};

bool control_held(const struct daemon *d, const uint8_t id[TMX_ID_SIZE], const uint8_t member[TMX_MEMBER_KEY])
{
    uint8_t key[TMX_MEMBER_KEY + TMX_ID_SIZE];
    struct tmx_bytes value;
    memcpy(key, member, TMX_MEMBER_KEY);
    memcpy(key + TMX_MEMBER_KEY, id, TMX_ID_SIZE);
    return tmx_spool_get(d->spool, TMX_T_HELD, TMX_BYTES_OF(key), &value) == 0;
}

/* The header of its acceptance, where that is old enough. */
static bool read_header(struct daemon *d, const struct filter *f, struct row *row, struct tmx_arena *arena)
{
    struct tmx_row_message m;
    struct tmx_bytes value;
    Tmx__LogEntry *entry;
    Tmx__Header *h;
    uint8_t key[8];
    struct tmx_writer w = TMX_WRITER_OF(key);
    if (tmx_spool_get(d->spool, TMX_T_MESSAGE, TMX_BYTES_OF(row->id), &value) != 0 || !tmx_row_message_get(value, &m)) {
        return false;
    }
    tmx_write_u64(&w, m.index);
    if (tmx_spool_get(d->spool, TMX_T_LOG, tmx_written(&w), &value) != 0) {
        return false;
    }
    row->accepted_ms = tmx_entry_time(value);
    if (tmx_answer_age(f->now_ms, row->accepted_ms) < f->older_ms || tmx_entry_parse(value, arena, &entry) != TMX_CODE_OK ||
        tmx_header_parse(tmx_pb(entry->body), arena, &h) != TMX_CODE_OK) {
        return false;
    }
    row->header = h;
    return true;
}

static bool fits(void *daemon, const struct tmx_operation_delivery *t, enum tmx_action action)
{
    return tmx_broker_action_fits(((struct daemon *)daemon)->broker, t, action);
}

static struct tmx_operation_delivery target_of(const uint8_t id[TMX_ID_SIZE], const uint8_t member[TMX_MEMBER_KEY])
{
    struct tmx_operation_delivery t = { .recipient = "" };
    memcpy(t.id, id, TMX_ID_SIZE);
    memcpy(t.recipient, member, TMX_MEMBER_KEY);
    return t;
}

json_t *control_actions(struct daemon *d, const uint8_t id[TMX_ID_SIZE], const uint8_t member[TMX_MEMBER_KEY])
{
    const struct tmx_operation_delivery t = target_of(id, member);
    return tmx_answer_actions(fits, d, &t);
}

/* By its key alone. */
static bool may_pass(struct daemon *d, const struct filter *f, struct row *row)
{
    if (!f->any_member && memcmp(f->member, row->member, TMX_MEMBER_KEY) != 0) {
        return false;
    }
    row->held = control_held(d, row->id, row->member);
    return f->action == TMX_ACTION_RELEASE ? row->held : f->action == TMX_ACTION_EXPIRE || !row->held;
}

static bool passes(struct daemon *d, const struct filter *f, struct row *row, struct tmx_arena *arena)
{
    const struct tmx_operation_delivery t = target_of(row->id, row->member);
    return fits(d, &t, f->action) && read_header(d, f, row, arena) &&
           (f->type == NULL || tmx_bytes_eq(tmx_pb(row->header->message_type), tmx_bytes_str(f->type)));
}

static json_t *row_json(const struct filter *f, const struct row *row)
{
    return json_pack("{so so so so sI sI sb}", "id", tmx_answer_id(TMX_BYTES_OF(row->id)), "recipient",
                     tmx_answer_text(tmx_member_code(row->member)), "sender", tmx_answer_text(tmx_pb(row->header->sender)), "type",
                     tmx_answer_text(tmx_pb(row->header->message_type)), "age_ms",
                     (json_int_t)tmx_answer_age(f->now_ms, row->accepted_ms), "bytes", (json_int_t)row->header->container_bytes, "held",
                     row->held ? 1 : 0);
}

/* Every queued delivery has a row in DUE. */
static json_t *select_rows(struct daemon *d, const struct filter *f, uint8_t key[DUE_KEY + 1], size_t size, struct tmx_arena *arena)
{
    json_t *rows = json_array();
    char next[2 * (DUE_KEY + 1) + 1] = "";
    for (unsigned spent = 0;; spent++) {
        struct tmx_bytes found, value;
        struct row row;
        if (tmx_spool_seek(d->spool, TMX_T_DUE, TMX_BYTES(key, size), &found, &value) != 0 || found.size != DUE_KEY) {
            break;
        }
        memcpy(key, found.data, DUE_KEY);
        if (spent >= TMX_SELECT_ROWS || json_array_size(rows) == TMX_OPERATION_TARGETS_MAX) {
            tmx_hex(TMX_BYTES(key, DUE_KEY), next);
            break;
        }
        key[DUE_KEY] = 0;
        size = DUE_KEY + 1;
        memcpy(row.id, key + 8, sizeof(row.id));
        memcpy(row.member, key + 8 + sizeof(row.id), sizeof(row.member));
        if (!may_pass(d, f, &row)) {
            continue;
        }
        spent += TMX_SELECT_READ - 1;
        tmx_arena_reset(arena);
        if (passes(d, f, &row, arena)) {
            json_array_append_new(rows, row_json(f, &row));
        }
    }
    json_t *reply = json_pack("{so}", "deliveries", rows);
    if (next[0] != '\0') {
        json_object_set_new(reply, "next", json_string(next));
    }
    return reply;
}

/* select ACTION MEMBER|- OLDER-THAN-MS TYPE|- [KEY] */
json_t *control_select(struct daemon *d, const struct tmx_control_request *r)
{
    const char *const *w = r->words;
    struct filter f = { .now_ms = tmx_clock_wall_ms() };
    uint8_t key[DUE_KEY + 1] = { 0 };
    struct tmx_arena arena;
    if (r->n_words < 5 || r->n_words > 6 || strlen(w[2]) > TMX_MEMBER_MAX || !tmx_action_find(tmx_bytes_str(w[1]), &f.action) || !tmx_parse_u64(tmx_bytes_str(w[3]), UINT64_MAX, &f.older_ms) ||
        (r->n_words == 6 && !tmx_unhex(tmx_bytes_str(w[5]), key, DUE_KEY))) {
        return tmx_answer_refusal("malformed", "select ACTION MEMBER|- OLDER-THAN-MS TYPE|- [KEY]");
    }
    f.any_member = strcmp(w[2], "-") == 0;
    f.type = strcmp(w[4], "-") == 0 ? NULL : w[4];
    if (!f.any_member && tmx_directory_member(tmx_broker_directory(d->broker), tmx_bytes_str(w[2])) == NULL) {
        return tmx_answer_refusal("unknown-member", "no such member in the directory");
    }
    tmx_member_key(tmx_bytes_str(f.any_member ? "" : w[2]), f.member);
    if (tmx_arena_init(&arena, 1u << 20) != 0) {
        return tmx_answer_refusal("busy", "out of memory");
    }
    json_t *reply = select_rows(d, &f, key, r->n_words == 6 ? DUE_KEY : 1, &arena);
    tmx_arena_deinit(&arena);
    return reply;
}
