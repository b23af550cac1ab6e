/* SPDX-License-Identifier: Apache-2.0
 * A directory as one JSON document. Keys are base64, times milliseconds since 1970.
 */
#include "show.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include <tmx/text.h>

static json_t *text_json(ProtobufCBinaryData b)
{
    char text[512];
    tmx_printable(tmx_pb(b), text, sizeof(text));
    return json_string(text);
}

static json_t *key_json(ProtobufCBinaryData key)
{
    char text[TMX_BASE64_SIZE(32)] = "";
    if (key.len == 32) {
        tmx_base64(tmx_pb(key), text);
    }
    return json_string(text);
}

static json_t *words_json(const ProtobufCBinaryData *words, size_t n)
{
    json_t *array = json_array();
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(array, text_json(words[i]));
    }
    return array;
}

static json_t *keys_json(const struct view *v, enum key_use use, const Tmx__Member *m, Tmx__MemberKey *const *keys,
                         size_t n)
{
    json_t *array = json_array();
    for (size_t i = 0; i < n; i++) {
        char id[9];
        key_short_id(v->federation, use, tmx_pb(m->code), tmx_pb(keys[i]->key), id);
        json_t *key = json_pack("{s:s, s:o, s:b}", "id", id, "key", key_json(keys[i]->key), "revoked",
                                keys[i]->revoked ? 1 : 0);
        if (keys[i]->compromised_since != NULL) {
            json_object_set_new(key, "compromised_since",
                                json_pack("{s:o, s:I}", "shard", text_json(keys[i]->compromised_since->shard), "index",
                                          (json_int_t)keys[i]->compromised_since->index));
        }
        json_array_append_new(array, key);
    }
    return array;
}

static json_t *members_json(const struct view *v)
{
    json_t *array = json_array();
    for (size_t i = 0; i < v->d->n_members; i++) {
        const Tmx__Member *m = v->d->members[i];
        json_array_append_new(
            array,
            json_pack("{s:o, s:o, s:s, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "code", text_json(m->code), "name",
                      text_json(m->name), "status", status_name(m->status), "from_ms", (json_int_t)m->from_ms,
                      "until_ms", (json_int_t)m->until_ms, "message_types",
                      words_json(m->message_types, m->n_message_types), "roles", words_json(m->roles, m->n_roles),
                      "signing_keys", keys_json(v, KEY_SIGNING, m, m->signing_keys, m->n_signing_keys), "witness_keys",
                      keys_json(v, KEY_WITNESS, m, m->witness_keys, m->n_witness_keys), "curve_keys",
                      keys_json(v, KEY_X25519, m, m->curve_keys, m->n_curve_keys), "last_resort_key",
                      key_json(m->last_resort_key)));
    }
    return array;
}

static json_t *gates_json(const struct view *v)
{
    json_t *array = json_array();
    for (size_t i = 0; i < v->d->n_gates; i++) {
        const Tmx__Gate *g = v->d->gates[i];
        json_array_append_new(array, json_pack("{s:o, s:o, s:o}", "member", text_json(g->member), "endpoint",
                                               text_json(g->endpoint), "curve_key", key_json(g->curve_key)));
    }
    return array;
}

static json_t *logs_json(const struct view *v)
{
    json_t *array = json_array();
    for (size_t i = 0; i < v->d->n_logs; i++) {
        const Tmx__LogOrigin *l = v->d->logs[i];
        json_array_append_new(array, json_pack("{s:o, s:o, s:I, s:I}", "shard", text_json(l->shard), "key",
                                               key_json(l->key), "from_ms", (json_int_t)l->from_ms, "until_ms",
                                               (json_int_t)l->until_ms));
    }
    return array;
}

static json_t *authority_json(const struct view *v)
{
    json_t *array = json_array();
    for (size_t i = 0; i < v->d->n_authority_keys; i++) {
        json_array_append_new(array, json_pack("{s:o, s:o}", "name", text_json(v->d->authority_keys[i]->name), "key",
                                               key_json(v->d->authority_keys[i]->key)));
    }
    return array;
}

static json_t *signatures_json(const struct view *v)
{
    json_t *array = json_array();
    for (size_t i = 0; i < v->n_signatures; i++) {
        char id[9];
        snprintf(id, sizeof(id), "%08x", v->signatures[i].id);
        json_array_append_new(array, json_pack("{s:s, s:s, s:s}", "name", v->signatures[i].name, "id", id, "verdict",
                                               v->signatures[i].verdict));
    }
    return array;
}

void show_json(const struct view *v)
{
    const Tmx__Directory *d = v->d;
    json_t *json = json_pack(
        "{s:o, s:o, s:I, s:b, s:I, s:I, s:b, s:o, s:i, s:b, s:s, s:o, s:o, s:o, s:o, s:o}", "file",
        text_json(tmx_to_pb(tmx_bytes_str(v->path))), "federation", text_json(d->federation), "serial", (json_int_t)d->serial, "draft", v->s == NULL ? 1 : 0, "issued_ms",
        (json_int_t)d->issued_ms, "expires_ms", (json_int_t)d->expires_ms, "expired", v->expired ? 1 : 0, "catalogue",
        text_json(d->catalogue_version), "threshold", (int)d->threshold, "checked", v->judged ? 1 : 0, "verdict",
        v->judged ? tmx_directory_error_text(v->verdict) : "not checked", "members", members_json(v), "gates",
        gates_json(v), "logs", logs_json(v), "authority_keys", authority_json(v), "signatures", signatures_json(v));
    if (json == NULL || json_dumpf(json, stdout, JSON_INDENT(2)) < 0) {
        exit(fail("out of memory, or the output cannot be written"));
    }
    putchar('\n');
    json_decref(json);
}
