/* SPDX-License-Identifier: Apache-2.0
 * The verdict on a bundle as JSON: deploy/man/tmx-audit.1 describes it.
 */
#include <jansson.h>
#include <stdlib.h>

#include <sodium.h>

#include <tmx/code.h>
#include <tmx/seal.h>
#include <tmx/text.h>

#include "evidence_print.h"

static json_t *hex_json(struct tmx_bytes b)
{
    char hex[2 * 32 + 1];

    assert(b.size <= 32);
    tmx_hex(b, hex);
    return json_string(hex);
}

static json_t *time_json(uint64_t ms)
{
    char text[TMX_TIME_TEXT_SIZE];

    tmx_time_text(ms, text);
    return json_string(text);
}

/* Text of members: made printable; null when there is none. */
static json_t *text_json(ProtobufCBinaryData b)
{
    char text[4096];

    if (b.len == 0) {
        return json_null();
    }
    tmx_printable(tmx_pb(b), text, sizeof text);
    return json_string(text);
}

static json_t *key_json(const struct tmx_evidence_leaf *l)
{
    char id[9];

    snprintf(id, sizeof id, "%08x", l->prepared.key_id);
    return json_string(id);
}

/* Puts the name of a reason and its meaning, or null. */
static void put_code(json_t *o, unsigned code)
{
    (void)json_object_set_new(o, "code", code == 0 ? json_null() : json_string(tmx_code_name(code)));
    (void)json_object_set_new(o, "meaning", code == 0 ? json_null() : json_string(tmx_code_meaning(code)));
}

static json_t *leaf_json(const struct tmx_evidence_leaf *l)
{
    const bool reported = l->e->kind == TMX__ENTRY_KIND__ENTRY_REPORT;
    const bool signed_ = l->e->signature != NULL;
    const uint64_t own_ms = l->report != NULL ? l->report->time_ms : l->header != NULL ? l->header->sent_ms : 0;
    json_t *o =
        json_pack("{s:s, s:s, s:s, s:I, s:o, s:I, s:I, s:o, s:o, s:o, s:b}", "kind", tmx_audit_kind_name(l->e->kind),
                  "says", tmx_evidence_says(l), "log", l->head->checkpoint.origin, "index", (json_int_t)l->pb->index,
                  "time", time_json(l->e->time_ms), "directory", (json_int_t)l->e->directory_serial, "checkpoint",
                  (json_int_t)l->pb->checkpoint, "signer", signed_ ? text_json(l->e->member) : json_null(), "key_id",
                  signed_ ? key_json(l) : json_null(), "signed", own_ms != 0 ? time_json(own_ms) : json_null(),
                  "doubtful", (int)l->doubtful);

    put_code(o, reported ? l->report->code : l->e->kind == TMX__ENTRY_KIND__ENTRY_CARRY_DELIVERY ? 0 : l->e->code);
    (void)json_object_set_new(o, "attachment", json_boolean(l->pb->attachment.len > 0));
    return o;
}

static json_t *member_json(const struct tmx_evidence *v, ProtobufCBinaryData code)
{
    const Tmx__Member *m = tmx_directory_member(v->subject->directory, tmx_pb(code));

    return json_pack("{s:o, s:o}", "member", text_json(code), "name", m == NULL ? json_null() : text_json(m->name));
}

static json_t *delivery_json(const struct tmx_evidence *v, const struct tmx_evidence_delivery *d)
{
    static const char *const slots[] = { [EVIDENCE_SLOT_UNKNOWN] = "unknown",
                                         [EVIDENCE_SLOT_PUBLISHED] = "published",
                                         [EVIDENCE_SLOT_LAST_RESORT] = "last-resort" };
    json_t *o = member_json(v, d->to->member);
    json_t *steps = json_array();

    for (size_t i = 0; i < v->n_leaves; i++) {
        if (tmx_evidence_concerns(&v->leaves[i], d->to)) {
            (void)json_array_append_new(steps, leaf_json(&v->leaves[i]));
        }
    }
    (void)json_object_set_new(o, "seq", json_integer((json_int_t)d->to->seq));
    (void)json_object_set_new(o, "state", json_string(tmx_evidence_state(v, d)));
    (void)json_object_set_new(o, "disputed", json_boolean(d->disputed));
    (void)json_object_set_new(o, "slot", v->container.size == 0 ? json_null() : json_string(slots[d->slot]));
    (void)json_object_set_new(o, "steps", steps);
    return o;
}

static json_t *deliveries_json(const struct tmx_evidence *v)
{
    json_t *list = json_array();

    for (size_t i = 0; i < v->n_deliveries; i++) {
        (void)json_array_append_new(list, delivery_json(v, &v->deliveries[i]));
    }
    return list;
}

/* What is about the message as a whole. */
static json_t *admissions_json(const struct tmx_evidence *v)
{
    json_t *list = json_array();

    for (size_t i = 0; i < v->n_leaves; i++) {
        const struct tmx_evidence_leaf *l = &v->leaves[i];

        if (l->header != NULL || l->e->kind == TMX__ENTRY_KIND__ENTRY_ERASED) {
            (void)json_array_append_new(list, leaf_json(l));
        }
    }
    return list;
}

static json_t *heads_json(const struct tmx_evidence *v)
{
    json_t *list = json_array();

    for (size_t i = 0; i < v->n_heads; i++) {
        const struct tmx_evidence_head *h = &v->heads[i];
        const struct tmx_quorum *q = &h->quorum;

        (void)json_array_append_new(
            list, json_pack("{s:s, s:I, s:o, s:I, s:I, s:b, s:o}", "log", h->checkpoint.origin, "size",
                            (json_int_t)h->checkpoint.size, "root", hex_json(TMX_BYTES_OF(h->checkpoint.root.b)),
                            "witnesses", (json_int_t)q->witnesses, "of", (json_int_t)h->n_witnesses, "quorum",
                            (int)q->reached, "quorum_at", q->reached ? time_json(q->reached_s * 1000) : json_null()));
    }
    return list;
}

static json_t *content_json(const struct tmx_evidence *v)
{
    static const char *const states[] = { [EVIDENCE_NOT_DISCLOSED] = "not-disclosed",
                                          [EVIDENCE_NO_CONTAINER] = "no-container",
                                          [EVIDENCE_OPENED] = "opened" };
    const Tmx__Content *c = v->content;
    json_t *o = json_pack("{s:s}", "state", states[v->content_state]);
    uint8_t sha256[32];
    uint8_t blake2b[32];
    json_t *more;

    if (v->content_state != EVIDENCE_OPENED) {
        return o;
    }
    crypto_hash_sha256(sha256, v->payload, v->payload_size);
    tmx_digest(TMX_BYTES(v->payload, v->payload_size), blake2b);
    more = json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "bytes", (json_int_t)v->payload_size, "sha256",
                     hex_json(TMX_BYTES_OF(sha256)), "blake2b", hex_json(TMX_BYTES_OF(blake2b)), "mrn",
                     text_json(c->mrn), "lrn", text_json(c->lrn), "business_id", text_json(c->business_id),
                     "business_correlation", text_json(c->business_correlation), "media_type", text_json(c->media_type),
                     "file_name", text_json(c->file_name));
    (void)json_object_update(o, more);
    json_decref(more);
    return o;
}

static void append_sentence(void *ctx, const char *sentence)
{
    (void)json_array_append_new(ctx, json_string(sentence));
}

static json_t *verdict_json(const struct tmx_evidence *v)
{
    const Tmx__Header *h = v->header;
    char id[TMX_ID_TEXT_SIZE];
    json_t *proves = json_array();
    json_t *open = json_array();
    json_t *replaces = json_null();

    if (h->replaces.len == TMX_ID_SIZE) {
        tmx_id_text(h->replaces.data, id);
        replaces = json_string(id);
    }
    tmx_id_text(h->message_id.data, id);
    tmx_evidence_proves(v, append_sentence, proves);
    tmx_evidence_leaves_open(v, append_sentence, open);
    return json_pack(
        "{s:s, s:n, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:b, s:o, s:o, s:o, s:o, s:o, s:o}", "verdict",
        "proved", "fault", "federation", tmx_directory_federation(v->subject->directory), "message_id", id, "type",
        text_json(h->message_type), "sender", member_json(v, h->sender), "sent", time_json(h->sent_ms), "expires",
        time_json(h->expires_ms), "replaces", replaces, "header_digest", hex_json(TMX_BYTES_OF(v->header_digest)), "container_digest",
        hex_json(tmx_pb(h->container_digest)), "container_bytes", (json_int_t)h->container_bytes, "container",
        (int)(v->container.size > 0), "admissions", admissions_json(v), "deliveries", deliveries_json(v), "checkpoints",
        heads_json(v), "content", content_json(v), "proves", proves, "does_not_prove", open);
}

static json_t *fault_json(const struct tmx_evidence *v)
{
    char rule[16];
    char text[4 * EVIDENCE_FAULT_MAX + 1];

    snprintf(rule, sizeof rule, "EVI-%u", v->rule);
    tmx_printable(tmx_bytes_str(v->fault), text, sizeof text);
    return json_pack("{s:s, s:{s:s, s:s, s:s}}", "verdict", "fault", "fault", "requirement", rule, "part", v->part,
                     "text", text);
}

int tmx_evidence_json(const struct tmx_evidence *v, FILE *out)
{
    json_t *all = v->rule != 0 ? fault_json(v) : verdict_json(v);
    int r;

    if (all == NULL) {
        return -ENOMEM;
    }
    r = json_dumpf(all, out, JSON_INDENT(2)) < 0 || fputc('\n', out) == EOF ? -EIO : 0;
    json_decref(all);
    return r;
}
