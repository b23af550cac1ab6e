/* SPDX-License-Identifier: Apache-2.0
 * The operators of an installation: the file that lists them, and what both daemons say of them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tmx/answer.h>
#include <tmx/text.h>

#include "files.h"

int tmx_operators_load(const char *path, const char *key_text, struct tmx_operators *ret_operators, char *ret_error, size_t capacity)
{
    static uint8_t file[TMX_OPERATORS_FILE_MAX];
    struct tmx_verify_key key;
    size_t size = 0;
    ret_operators->n = 0;
    if (path == NULL && key_text == NULL) {
        return 0;
    }
    if (path == NULL || key_text == NULL) {
        snprintf(ret_error, capacity, "operators and operators_key are set together: the file, and the key that signs it");
        return -EINVAL;
    }
    if (!tmx_verify_key_parse(tmx_bytes_str(key_text), &key) || key.type != TMX_NOTE_ED25519) {
        snprintf(ret_error, capacity, "operators_key is no verifier key: tmxctl operators key prints it");
        return -EINVAL;
    }
    int r = tmx_read_file(path, file, sizeof(file), &size);
    if (r < 0) {
        snprintf(ret_error, capacity, "operators %s: %s", path, strerror(-r));
        return r;
    }
    int n = snprintf(ret_error, capacity, "operators %s: ", path);
    size_t at = n > 0 && (size_t)n < capacity ? (size_t)n : 0;
    return tmx_operators_verify(TMX_BYTES(file, size), &key, ret_operators, ret_error + at, capacity - at) ? 0 : -EINVAL;
}

json_t *tmx_answer_no_operators(void)
{
    return tmx_answer_refusal("no-operators", "this installation has no operators: who may ask this is listed in a signed file, which the "
                                              "configuration names (operators, operators_key): tmxctl(8), OPERATORS");
}

static json_t *rights_of(const struct tmx_operator *o)
{
    json_t *list = json_array();
    for (unsigned a = 1; a < TMX_ACTIONS_END; a++) {
        if (tmx_operator_may(o, (enum tmx_action)a)) {
            json_array_append_new(list, json_string(tmx_action_name(a)));
        }
    }
    return list;
}

json_t *tmx_answer_operators(const struct tmx_operators *operators)
{
    json_t *list = json_array();
    if (operators->n == 0) {
        json_decref(list);
        return tmx_answer_no_operators();
    }
    for (size_t i = 0; i < operators->n; i++) {
        const struct tmx_operator *o = &operators->operators[i];
        char key[TMX_KEYNAME_MAX + 128];
        struct tmx_writer w = TMX_WRITER_OF(key);
        tmx_verify_key_format(&o->key, &w);
        tmx_write_u8(&w, 0);
        json_array_append_new(list, json_pack("{ss ss so}", "name", o->key.name, "key", key, "rights", rights_of(o)));
    }
    return json_pack("{ss so}", "installation", operators->installation, "operators", list);
}

json_t *tmx_answer_actions(tmx_answer_fits_fn *fits, void *daemon, const struct tmx_operation_delivery *t)
{
    json_t *list = json_array();
    for (unsigned a = 1; a < TMX_ACTIONS_END; a++) {
        const enum tmx_operation_target target = tmx_action_target((enum tmx_action)a);
        if ((target == TMX_TARGET_DELIVERIES || target == TMX_TARGET_EITHER) && fits(daemon, t, (enum tmx_action)a)) {
            json_array_append_new(list, json_string(tmx_action_name(a)));
        }
    }
    return list;
}

json_t *tmx_answer_record(struct tmx_bytes note, const struct tmx_operators *operators)
{
    struct tmx_bytes text, lines;
    struct tmx_operation op;
    if (!tmx_note_split(note, &text, &lines) || !tmx_operation_parse(text, &op)) {
        return json_object();
    }
    /* Who has left is not in the list any more; the signature line still has the name. */
    const struct tmx_operator *who = tmx_operation_signer(operators, note, &text);
    struct tmx_bytes name = who != NULL ? tmx_bytes_str(who->key.name) : tmx_bytes_slice(lines, 4, lines.size - 4);
    const uint8_t *space = memchr(name.data, ' ', name.size);
    name.size = space != NULL ? (size_t)(space - name.data) : name.size;
    json_t *j = json_pack("{ss so sI ss}", "action", tmx_action_name(op.action), "by", tmx_answer_text(name), "at_ms",
                          (json_int_t)op.time_ms, "reason", op.reason);
    if (op.of != TMX_ACTION_NONE) {
        json_object_set_new(j, "of", json_string(tmx_action_name(op.of)));
    }
    if (op.member[0] != '\0') {
        json_object_set_new(j, "member", json_string(op.member));
    }
    if (tmx_action_target(op.action) == TMX_TARGET_PROPOSAL) {
        json_object_set_new(j, "proposal", json_integer((json_int_t)op.proposal));
    }
    json_t *rows = json_array();
    for (size_t i = 0; i < op.n_targets; i++) {
        json_array_append_new(rows, json_pack("{so ss}", "id", tmx_answer_id(TMX_BYTES_OF(op.targets[i].id)), "recipient",
                                              op.targets[i].recipient));
    }
    json_object_set_new(j, "deliveries", rows);
    return j;
}

void tmx_answer_operated(struct tmx_control *c, uint64_t client, enum tmx_operation_result result, enum tmx_action action, uint64_t index,
                         size_t n, const struct tmx_operation_delivery *target)
{
    char id[TMX_ID_TEXT_SIZE];
    if (result == TMX_OPERATION_OK) {
        json_t *reply = json_pack("{ss sI}", "done", tmx_action_name(action), "deliveries", (json_int_t)n);
        if (index != 0) {
            json_object_set_new(reply, "index", json_integer((json_int_t)index));
        }
        tmx_control_reply(c, client, reply);
    } else if (result == TMX_OPERATION_E_DELIVERY) {
        tmx_id_text(target->id, id);
        tmx_control_refuse(c, client, tmx_operation_result_name(result), "nothing was done. %s to %s: %s", id, target->recipient,
                           tmx_operation_result_text(result));
    } else if (result == TMX_OPERATION_E_HERE) {
        tmx_control_refuse(c, client, tmx_operation_result_name(result), "nothing was done: %s is an action of %s DIR)", tmx_action_name(action),
                           tmx_action_at_broker(action) ? "the broker: ask that (--broker" : "a node: ask one (--node");
    } else {
        tmx_control_refuse(c, client, tmx_operation_result_name(result), "nothing was done: %s", tmx_operation_result_text(result));
    }
}

void tmx_answer_operate(struct tmx_control *control, const struct tmx_control_request *r, const struct tmx_operators *operators,
                        struct tmx_operation_wish *wish)
{
    if (operators->n == 0) {
        tmx_control_reply(control, r->client, tmx_answer_no_operators());
        return;
    }
    if (r->attachment.size == 0 || r->attachment.size > TMX_OPERATION_MAX) {
        tmx_control_refuse(control, r->client, "malformed", "no signed request came with it, or one of over 16 KiB");
        return;
    }
    uint8_t *copy = wish->note.size > 0 ? NULL : malloc(r->attachment.size);
    if (copy == NULL) {
        tmx_control_refuse(control, r->client, "busy", "another operator is being served: try again");
        return;
    }
    memcpy(copy, r->attachment.data, r->attachment.size);
    *wish = (struct tmx_operation_wish){ .note = TMX_BYTES(copy, r->attachment.size), .client = r->client };
}

void tmx_operation_wish_done(struct tmx_operation_wish *wish)
{
    free((void *)(uintptr_t)wish->note.data);
    *wish = (struct tmx_operation_wish){ .client = 0 };
}
