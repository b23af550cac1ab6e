/* SPDX-License-Identifier: Apache-2.0
 * What operators ask with their own keys, and what of it is in force (OPS-n). The core judges every request; here it is taken,
 * and the kept ones are shown.
 */
#include <stdlib.h>
#include <string.h>

#include <tmx/seal.h>
#include <tmx/text.h>

#include "../daemon.h"

#define RECORDS_SHOWN 50u

static const uint8_t lowest[1];

/* The row at or after a key, whose bytes are copied: the spool is asked again meanwhile. */
struct at {
    uint8_t key[TMX_KEY_MAX + 1];
    size_t size;
};

static bool next_row(struct daemon *d, enum tmx_broker_table table, struct at *at, struct tmx_bytes *ret_value)
{
    struct tmx_bytes key;
    if (at->size == 0) {
        at->size = 1;
        at->key[0] = lowest[0];
    }
    if (tmx_spool_seek(d->spool, (uint8_t)table, TMX_BYTES(at->key, at->size), &key, ret_value) != 0 || key.size >= sizeof(at->key)) {
        return false;
    }
    memcpy(at->key, key.data, key.size);
    at->key[key.size] = 0;
    at->size = key.size + 1;   /* the least key behind it */
    return true;
}

static uint64_t u64_at(struct tmx_bytes b, size_t at)
{
    struct tmx_reader r = tmx_reader_init(b);
    tmx_read_bytes(&r, at);
    return tmx_read_u64(&r);
}

/* What was asked with the entry of this index, as it is kept. */
static json_t *record_at(struct daemon *d, uint64_t index, uint8_t ret_digest[TMX_HASH_SIZE])
{
    static uint8_t note[TMX_OPERATION_MAX];
    uint8_t key[8];
    struct tmx_writer w = TMX_WRITER_OF(key);
    struct tmx_bytes value;
    tmx_write_u64(&w, index);
    if (tmx_spool_get(d->spool, TMX_T_OPERATION, tmx_written(&w), &value) != 0 || value.size > sizeof(note)) {
        return json_object();
    }
    memcpy(note, value.data, value.size);
    if (ret_digest != NULL) {
        tmx_digest(TMX_BYTES(note, value.size), ret_digest);
    }
    json_t *record = tmx_answer_record(TMX_BYTES(note, value.size), &d->operators);
    json_object_set_new(record, "index", json_integer((json_int_t)index));
    return record;
}

/* What is in force */

static json_t *stops_of(struct daemon *d)
{
    json_t *list = json_array();
    struct at at = { .size = 0 };
    struct tmx_bytes value;
    while (json_array_size(list) <= TMX_MEMBERS_MAX && next_row(d, TMX_T_STOP, &at, &value)) {
        json_array_append_new(list, record_at(d, u64_at(value, 0), NULL));
    }
    return list;
}

uint64_t control_stop(const struct daemon *d, const char *member)
{
    uint8_t key[TMX_MEMBER_KEY];
    struct tmx_bytes value;
    tmx_member_key(tmx_bytes_str(member), key);
    return tmx_spool_get(d->spool, TMX_T_STOP, TMX_BYTES_OF(key), &value) == 0 ? u64_at(value, 0) : 0;
}

/* How many deliveries to each member are held. */
static json_t *holds_of(struct daemon *d)
{
    json_t *counts = json_object();
    const Tmx__Directory *pb = tmx_directory_pb(tmx_broker_directory(d->broker));
    for (size_t i = 0; i < pb->n_members; i++) {
        struct tmx_broker_link_view v;
        char code[TMX_MEMBER_MAX + 1];
        if (tmx_broker_link(d->broker, tmx_pb(pb->members[i]->code), &v) == 0 && v.held > 0) {
            tmx_printable(tmx_pb(pb->members[i]->code), code, sizeof(code));
            json_object_set_new(counts, code, json_integer((json_int_t)v.held));
        }
    }
    return counts;
}

static json_t *proposals_of(struct daemon *d)
{
    json_t *list = json_array();
    struct at at = { .size = 0 };
    struct tmx_bytes value;
    while (json_array_size(list) < TMX_PROPOSALS_MAX && next_row(d, TMX_T_PROPOSAL, &at, &value)) {
        uint8_t digest[TMX_HASH_SIZE] = { 0 };
        char text[TMX_BASE64_SIZE(TMX_HASH_SIZE)];
        uint64_t until_ms = u64_at(value, 0);
        json_t *record = record_at(d, u64_at(TMX_BYTES(at.key, 8), 0), digest);
        tmx_base64(TMX_BYTES_OF(digest), text);
        json_object_set_new(record, "until_at_ms", json_integer((json_int_t)until_ms));
        json_object_set_new(record, "digest", json_string(text));
        json_array_append_new(list, record);
    }
    return list;
}

json_t *control_operating(struct daemon *d)
{
    return json_pack("{so so so}", "stops", stops_of(d), "holds", holds_of(d), "proposals", proposals_of(d));
}

static const char *text_in(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "?";
}

void control_operating_problems(const json_t *operating, json_t *problems)
{
    char see[64];
    const char *member;
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(operating, "stops"), i, row)
    {
        if (strcmp(text_in(row, "action"), "drain") == 0) {
            tmx_answer_problem_see(problems, "warning", "tmxctl admit", "admission is stopped (%s: %s)", text_in(row, "by"),
                                   text_in(row, "reason"));
            continue;
        }
        (void)snprintf(see, sizeof(see), "tmxctl resume %s", text_in(row, "member"));
        tmx_answer_problem_see(problems, "warning", see, "deliveries to %s are paused (%s: %s)", text_in(row, "member"),
                               text_in(row, "by"), text_in(row, "reason"));
    }
    json_object_foreach(json_object_get(operating, "holds"), member, row)
    {
        (void)snprintf(see, sizeof(see), "tmxctl release --to %s", member);
        tmx_answer_problem_see(problems, "warning", see, "deliveries to %s are held: %lld", member, (long long)json_integer_value(row));
    }
    json_array_foreach(json_object_get(operating, "proposals"), i, row)
    {
        tmx_answer_problem_see(problems, "warning", "tmxctl proposals", "%s proposes to %s %zu deliveries (%s)", text_in(row, "by"),
                               text_in(row, "of"), json_array_size(json_object_get(row, "deliveries")), text_in(row, "reason"));
    }
}

/* The records of the last `window` entries: how many, and the indices of the last RECORDS_SHOWN. */
static size_t records_of(struct daemon *d, uint64_t window, uint64_t ret_indices[RECORDS_SHOWN])
{
    const uint64_t size = tmx_broker_log_size(d->broker);
    struct at at = { .size = 8 };
    struct tmx_writer w = TMX_WRITER_OF(at.key);
    struct tmx_bytes value;
    size_t n = 0;
    tmx_write_u64(&w, size > window ? size - window : 0);
    while (next_row(d, TMX_T_OPERATION, &at, &value)) {
        ret_indices[n++ % RECORDS_SHOWN] = u64_at(TMX_BYTES(at.key, 8), 0);
    }
    return n;
}

/* The newest records first. A spool is read forwards: from ever farther back, until there are enough. */
static json_t *records(struct daemon *d)
{
    uint64_t indices[RECORDS_SHOWN], window = 1024;
    size_t n = records_of(d, window, indices);
    while (n < RECORDS_SHOWN && window < tmx_broker_log_size(d->broker)) {
        window *= 16;
        n = records_of(d, window, indices);
    }
    json_t *found = json_array();
    for (size_t i = 0; i < n && i < RECORDS_SHOWN; i++) {
        json_array_append_new(found, record_at(d, indices[(n - 1 - i) % RECORDS_SHOWN], NULL));
    }
    return json_pack("{so}", "operations", found);
}

/* What is asked */

bool control_operator(struct daemon *d, const struct tmx_control_request *r)
{
    const char *const *w = r->words;
    json_t *reply = NULL;
    if (strcmp(w[0], "operate") == 0 && r->n_words == 1) {
        tmx_answer_operate(d->control, r, &d->operators, &d->operation);
        return true;
    }
    if (strcmp(w[0], "operators") == 0 && r->n_words == 1) {
        reply = tmx_answer_operators(&d->operators);
    } else if (strcmp(w[0], "proposals") == 0 && r->n_words == 1) {
        reply = json_pack("{so}", "proposals", proposals_of(d));
    } else if (strcmp(w[0], "operations") == 0 && r->n_words == 1) {
        reply = records(d);
    } else if (strcmp(w[0], "select") == 0) {
        reply = control_select(d, r);
    } else {
        return false;
    }
    tmx_control_reply(d->control, r->client, reply);
    return true;
}

void control_operated(struct daemon *d, const struct tmx_broker_operation_view *result)
{
    if (d->operation.note.size == 0) {
        return;
    }
    if (result->result == TMX_OPERATION_OK) {
        d->reload = d->reload || result->action == TMX_ACTION_RELOAD;
    }
    tmx_answer_operated(d->control, d->operation.client, result->result, result->action, result->index, result->n, &result->target);
    tmx_operation_wish_done(&d->operation);
}
