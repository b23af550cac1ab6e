/* SPDX-License-Identifier: Apache-2.0
 * What an action would be about: deliveries without outcome, newest first, page by page. Reads only.
 */
#include <string.h>

#include <tmx/clock.h>
#include <tmx/text.h>

#include "../daemon.h"

#define OPEN_KEY (1u + TMX_ID_SIZE + 1u)   /* of an INDEX_OPEN row */

struct filter {
    enum tmx_action action;
    const char *member, *type;   /* NULL = any */
    uint64_t older_ms;
};

static bool fits(void *daemon, const struct tmx_operation_delivery *t, enum tmx_action action)
{
    return tmx_node_action_fits(((struct daemon *)daemon)->node, t, action);
}

json_t *control_actions(struct daemon *d, const uint8_t id[TMX_ID_SIZE], struct tmx_bytes recipient)
{
    struct tmx_operation_delivery t = { .recipient = "" };
    memcpy(t.id, id, TMX_ID_SIZE);
    if (recipient.size > 0 && recipient.size <= TMX_MEMBER_MAX) {
        memcpy(t.recipient, recipient.data, recipient.size);
    }
    return tmx_answer_actions(fits, d, &t);
}

/* The deliveries of one message that pass. */
static void add(struct daemon *d, const struct filter *f, unsigned direction, const uint8_t id[TMX_ID_SIZE], json_t *rows)
{
    struct tmx_node_brief_view m;
    if (!tmx_node_brief(d->node, direction, id, &m) || (f->type != NULL && strcmp(m.type, f->type) != 0)) {
        return;
    }
    const uint64_t age_ms = tmx_answer_age(tmx_clock_wall_ms(), m.at_ms);
    for (size_t i = 0; i < m.n && age_ms >= f->older_ms; i++) {
        struct tmx_operation_delivery t;
        memcpy(t.id, id, TMX_ID_SIZE);
        memcpy(t.recipient, m.recipients[i], sizeof(t.recipient));
        if ((f->member == NULL || strcmp(f->member, t.recipient) == 0) && fits(d, &t, f->action)) {
            json_array_append_new(rows, json_pack("{so ss ss ss sI sI}", "id", tmx_answer_id(TMX_BYTES_OF(t.id)), "recipient", t.recipient,
                                                  "sender", m.sender, "type", m.type, "age_ms", (json_int_t)age_ms, "bytes",
                                                  (json_int_t)m.bytes));
        }
    }
}

static json_t *select_rows(struct daemon *d, const struct filter *f, uint8_t key[OPEN_KEY + 1], size_t size)
{
    json_t *rows = json_array();
    char next[2 * OPEN_KEY + 1] = "";
    for (unsigned looked = 0;; looked++) {
        struct tmx_bytes found, value;
        uint8_t id[TMX_ID_SIZE];
        if (tmx_spool_seek(d->spool, TMX_NT_INDEX, TMX_BYTES(key, size), &found, &value) != 0 || found.size != OPEN_KEY ||
            found.data[0] != TMX_INDEX_OPEN) {
            break;
        }
        memcpy(key, found.data, OPEN_KEY);
        if (looked == TMX_SELECT_ROWS || json_array_size(rows) + TMX_RECIPIENTS_MAX > TMX_OPERATION_TARGETS_MAX) {
            tmx_hex(TMX_BYTES(key, OPEN_KEY), next);
            break;
        }
        key[OPEN_KEY] = 0;
        size = OPEN_KEY + 1;
        for (size_t i = 0; i < TMX_ID_SIZE; i++) {
            id[i] = (uint8_t)~key[1 + i];
        }
        add(d, f, key[OPEN_KEY - 1], id, rows);
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
    uint8_t key[OPEN_KEY + 1] = { TMX_INDEX_OPEN };
    struct filter f;
    if (r->n_words < 5 || r->n_words > 6 || !tmx_action_find(tmx_bytes_str(w[1]), &f.action) ||
        !tmx_parse_u64(tmx_bytes_str(w[3]), UINT64_MAX, &f.older_ms) ||
        (r->n_words == 6 && !tmx_unhex(tmx_bytes_str(w[5]), key, OPEN_KEY))) {
        return tmx_answer_refusal("malformed", "select ACTION MEMBER|- OLDER-THAN-MS TYPE|- [KEY]");
    }
    f.member = strcmp(w[2], "-") == 0 ? NULL : w[2];
    f.type = strcmp(w[4], "-") == 0 ? NULL : w[4];
    if (f.member != NULL && tmx_directory_member(tmx_node_directory(d->node), tmx_bytes_str(f.member)) == NULL) {
        return tmx_answer_refusal("unknown-member", "no such member in the directory");
    }
    return select_rows(d, &f, key, r->n_words == 6 ? OPEN_KEY : 1);
}
