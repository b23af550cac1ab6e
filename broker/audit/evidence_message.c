/* SPDX-License-Identifier: Apache-2.0
 * Which message a bundle is about, and that every leaf is about it: EVI-6; what is attached: EVI-9.
 */
#include <string.h>

#include <tmx/seal.h>

#include "evidence_parts.h"

static bool same(ProtobufCBinaryData a, ProtobufCBinaryData b)
{
    return tmx_bytes_eq(tmx_pb(a), tmx_pb(b));
}

static bool is_header_digest(const struct tmx_evidence *v, ProtobufCBinaryData digest)
{
    return tmx_bytes_eq(tmx_pb(digest), TMX_BYTES_OF(v->header_digest));
}

/* The delivery to a member, or NULL. */
struct tmx_evidence_delivery *tmx_evidence_find(struct tmx_evidence *v, struct tmx_bytes member)
{
    for (size_t i = 0; i < v->n_deliveries; i++) {
        if (tmx_bytes_eq(tmx_pb(v->deliveries[i].to->member), member)) {
            return &v->deliveries[i];
        }
    }
    return NULL;
}

/* --- which message: EVI-6 --------------------------------------------------------------------------------------- */

static const struct tmx_evidence_leaf *find_subject(const struct tmx_evidence *v)
{
    const struct tmx_evidence_leaf *refused = NULL;

    for (size_t i = 0; i < v->n_leaves; i++) {
        const struct tmx_evidence_leaf *l = &v->leaves[i];

        if (tmx_evidence_admits(l)) {
            return l;
        }
        if (refused == NULL && l->e->kind == TMX__ENTRY_KIND__ENTRY_REFUSAL && l->header != NULL) {
            refused = l;
        }
    }
    return refused;
}

static int take_subject(struct tmx_evidence *v)
{
    const struct tmx_evidence_leaf *l = find_subject(v);

    if (l == NULL) {
        return tmx_evidence_fault(v, 6, "leaves",
                                  "none is an acceptance or a refusal of a message: there is no header");
    }
    v->subject = l;
    v->header = l->header;
    v->admitted = tmx_evidence_admits(l);
    tmx_digest(tmx_pb(l->e->body), v->header_digest);
    if (!same(v->header->message_id, v->pb->message_id)) {
        return tmx_evidence_leaf_fault(v, 6, l, "its header has another message id than the bundle");
    }
    v->n_deliveries = v->header->n_recipients;
    for (size_t i = 0; i < v->n_deliveries; i++) {
        v->deliveries[i].to = v->header->recipients[i];
    }
    return 0;
}

static int about_admission(struct tmx_evidence *v, const struct tmx_evidence_leaf *l)
{
    char text[AUDIT_ADMISSION_MAX];

    if (!same(l->e->body, v->subject->e->body)) {
        return tmx_evidence_leaf_fault(v, 6, l,
                                       "its header is another than that of leaf %zu: one message has one header",
                                       (size_t)(v->subject - v->leaves));
    }
    if (l->e->kind == TMX__ENTRY_KIND__ENTRY_ACCEPTANCE && !tmx_audit_admissible(l->directory, l->header, text)) {
        return tmx_evidence_leaf_fault(v, 6, l, "accepted, but by directory %llu %s",
                                       (unsigned long long)l->e->directory_serial, text);
    }
    return 0;
}

static int about_report(struct tmx_evidence *v, const struct tmx_evidence_leaf *l)
{
    const Tmx__Report *r = l->report;
    const struct tmx_evidence_delivery *d = tmx_evidence_find(v, tmx_pb(r->recipient));

    if (!same(r->message_id, v->header->message_id) || !is_header_digest(v, r->header_digest)) {
        return tmx_evidence_leaf_fault(v, 6, l, "the report is about another message: id or header digest differ");
    }
    if (!same(r->container_digest, v->header->container_digest)) {
        return tmx_evidence_leaf_fault(v, 6, l, "the report has another container digest than the header");
    }
    if (d == NULL || d->to->seq != r->seq) {
        return tmx_evidence_leaf_fault(v, 6, l, "%.*s is no recipient of the message under number %llu",
                                       (int)r->recipient.len, (const char *)r->recipient.data,
                                       (unsigned long long)r->seq);
    }
    return 0;
}

/* CARRY_DELIVERY, EXPIRED, EXCEPTION: by the broker. */
static int about_delivery(struct tmx_evidence *v, const struct tmx_evidence_leaf *l)
{
    const Tmx__LogEntry *e = l->e;
    const struct tmx_evidence_delivery *d = tmx_evidence_find(v, tmx_pb(e->recipient));

    if (!same(e->message_id, v->header->message_id) || !same(e->member, v->header->sender) ||
        !is_header_digest(v, e->header_digest)) {
        return tmx_evidence_leaf_fault(v, 6, l, "it is about another message: sender, id or header digest differ");
    }
    if (d == NULL || (e->number != 0 && e->number != d->to->seq)) {
        return tmx_evidence_leaf_fault(v, 6, l, "%.*s is no recipient of the message under number %llu",
                                       (int)e->recipient.len, (const char *)e->recipient.data,
                                       (unsigned long long)e->number);
    }
    if (e->digest.len != 0 && !same(e->digest, v->header->container_digest)) {
        return tmx_evidence_leaf_fault(v, 6, l, "it has another container digest than the header");
    }
    if (e->kind == TMX__ENTRY_KIND__ENTRY_CARRY_DELIVERY && tmx_evidence_is_of(e->reference, l)) {
        return tmx_evidence_leaf_fault(v, 6, l, "it carries a delivery from its own shard");
    }
    return 0;
}

static int about_refusal(struct tmx_evidence *v, const struct tmx_evidence_leaf *l)
{
    const bool about = l->header != NULL ? same(l->header->message_id, v->header->message_id) &&
                                               same(l->header->sender, v->header->sender)
                       : l->report != NULL ? same(l->report->message_id, v->header->message_id)
                                           : false;

    return about ? 0 : tmx_evidence_leaf_fault(v, 6, l, "what was refused is not this message, nor a report on it");
}

static int about_message(struct tmx_evidence *v, const struct tmx_evidence_leaf *l)
{
    const Tmx__LogEntry *e = l->e;

    switch ((unsigned)e->kind) {
    case TMX__ENTRY_KIND__ENTRY_ACCEPTANCE:
    case TMX__ENTRY_KIND__ENTRY_RESUBMISSION:
        return about_admission(v, l);
    case TMX__ENTRY_KIND__ENTRY_REPORT:
        return about_report(v, l);
    case TMX__ENTRY_KIND__ENTRY_REFUSAL:
        return about_refusal(v, l);
    case TMX__ENTRY_KIND__ENTRY_PREKEYS:
        return same(e->member, v->header->sender) || tmx_evidence_find(v, tmx_pb(e->member)) != NULL
                   ? 0
                   : tmx_evidence_leaf_fault(v, 6, l, "prekeys of %.*s, who has no part in the message",
                                             (int)e->member.len, (const char *)e->member.data);
    case TMX__ENTRY_KIND__ENTRY_ERASED:
        return same(e->message_id, v->header->message_id) &&
                       (e->header_digest.len == 0 || is_header_digest(v, e->header_digest)) &&
                       (e->digest.len == 0 || same(e->digest, v->header->container_digest))
                   ? 0
                   : tmx_evidence_leaf_fault(v, 6, l, "the container of another message was erased");
    default:
        return about_delivery(v, l);
    }
}

/* --- the rest --------------------------------------------------------------------------------------------------- */

/* EVI-9 */
static int check_attachment(struct tmx_evidence *v, const struct tmx_evidence_leaf *l)
{
    uint8_t digest[TMX_HASH_SIZE];

    if (l->pb->attachment.len == 0) {
        return 0;
    }
    tmx_digest(tmx_pb(l->pb->attachment), digest);
    if (l->e->kind != TMX__ENTRY_KIND__ENTRY_REPORT ||
        !tmx_bytes_eq(tmx_pb(l->report->attachment_digest), TMX_BYTES_OF(digest))) {
        return tmx_evidence_leaf_fault(v, 9, l, "an attachment that its report does not name");
    }
    return 0;
}

int tmx_evidence_message(struct tmx_evidence *v)
{
    int r = take_subject(v);

    for (size_t i = 0; r == 0 && i < v->n_leaves; i++) {
        r = about_message(v, &v->leaves[i]);
    }
    r = r < 0 ? r : tmx_evidence_deliveries(v);
    for (size_t i = 0; r == 0 && i < v->n_leaves; i++) {
        r = check_attachment(v, &v->leaves[i]);
    }
    return r;
}
