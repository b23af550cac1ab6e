/* SPDX-License-Identifier: Apache-2.0
 * What operators ask of the node with their own keys, and what they have asked (OPS-10). The core judges every request.
 */
#include <stdlib.h>
#include <string.h>

#include <tmx/clock.h>
#include <tmx/code.h>
#include <tmx/text.h>

#include "../daemon.h"

#define RECORDS_SHOWN 50u
#define RECORD_KEY (8u + TMX_OPERATION_NONCE)
#define DAY_MS UINT64_C(86400000)

/* Records since a time: how many, and the keys of the last RECORDS_SHOWN. */
static size_t records_since(struct daemon *d, uint64_t from_ms, uint8_t ret_keys[RECORDS_SHOWN][RECORD_KEY])
{
    uint8_t at[RECORD_KEY + 1];
    struct tmx_writer w = TMX_WRITER_OF(at);
    struct tmx_bytes key, value;
    size_t n = 0, size = 8;
    tmx_write_u64(&w, from_ms);
    while (tmx_spool_seek(d->spool, TMX_NT_OPERATION, TMX_BYTES(at, size), &key, &value) == 0 && key.size == RECORD_KEY) {
        memcpy(at, key.data, RECORD_KEY);
        memcpy(ret_keys[n++ % RECORDS_SHOWN], at, RECORD_KEY);
        at[RECORD_KEY] = 0;
        size = sizeof(at);   /* the least key behind it */
    }
    return n;
}

static json_t *record(struct daemon *d, const uint8_t key[RECORD_KEY])
{
    static uint8_t note[TMX_OPERATION_MAX];
    struct tmx_bytes value;
    if (tmx_spool_get(d->spool, TMX_NT_OPERATION, TMX_BYTES(key, RECORD_KEY), &value) != 0 || value.size > sizeof(note)) {
        return json_object();
    }
    memcpy(note, value.data, value.size);
    return tmx_answer_record(TMX_BYTES(note, value.size), &d->operators);
}

/* The newest first. A spool is read forwards: from ever longer ago, until there are enough. */
static json_t *records(struct daemon *d)
{
    static uint8_t keys[RECORDS_SHOWN][RECORD_KEY];
    const uint64_t now_ms = tmx_clock_wall_ms();
    uint64_t window_ms = 30 * DAY_MS;
    size_t n = records_since(d, now_ms > window_ms ? now_ms - window_ms : 0, keys);
    while (n < RECORDS_SHOWN && window_ms < now_ms) {
        window_ms *= 16;
        n = records_since(d, now_ms > window_ms ? now_ms - window_ms : 0, keys);
    }
    json_t *found = json_array();
    for (size_t i = 0; i < n && i < RECORDS_SHOWN; i++) {
        json_array_append_new(found, record(d, keys[(n - 1 - i) % RECORDS_SHOWN]));
    }
    return json_pack("{so}", "operations", found);
}

bool control_operator(struct daemon *d, const struct tmx_control_request *r)
{
    if (strcmp(r->words[0], "select") == 0) {
        tmx_control_reply(d->control, r->client, control_select(d, r));
        return true;
    }
    if (r->n_words != 1) {
        return false;
    }
    if (strcmp(r->words[0], "operate") == 0) {
        tmx_answer_operate(d->control, r, &d->operators, &d->operation);
    } else if (strcmp(r->words[0], "operators") == 0) {
        tmx_control_reply(d->control, r->client, tmx_answer_operators(&d->operators));
    } else if (strcmp(r->words[0], "operations") == 0) {
        tmx_control_reply(d->control, r->client, records(d));
    } else {
        return false;
    }
    return true;
}

/* `ping` is answered as the request of that name is. */
static bool probed(struct daemon *d, const struct tmx_node_operation *result)
{
    if (result->result == TMX_OPERATION_E_PROBE) {
        tmx_control_refuse(d->control, d->operation.client, tmx_code_name(result->probe_code), "nothing was done: no probe is sent: %s",
                           tmx_code_meaning(result->probe_code));
    } else if (result->result == TMX_OPERATION_OK && result->action == TMX_ACTION_PING) {
        tmx_control_reply(d->control, d->operation.client, json_pack("{ss ss so}", "done", tmx_action_name(result->action), "member",
                                                                     result->member, "id", tmx_answer_id(TMX_BYTES_OF(result->probe_id))));
    } else {
        return false;
    }
    return true;
}

void control_operated(struct daemon *d, const struct tmx_node_operation *result)
{
    if (d->operation.note.size == 0) {
        return;
    }
    if (result->result == TMX_OPERATION_OK) {
        d->reload = d->reload || result->action == TMX_ACTION_RELOAD;
    }
    if (!probed(d, result)) {
        tmx_answer_operated(d->control, d->operation.client, result->result, result->action, 0, result->n, &result->target);
    }
    tmx_operation_wish_done(&d->operation);
}
