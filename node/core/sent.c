/* SPDX-License-Identifier: Apache-2.0
 * Leaves about this node's own messages: acceptance, refusal, reports of the recipients, ends by the broker. Each is
 * checked against what this node signed (REP-4, REP-5) before it changes anything; what does not fit is an alarm, and
 * the copy of the message is kept.
 */
#include <stdlib.h>
#include <string.h>

#include "core.h"

static bool terminal(uint8_t state)
{
    return state >= TMX_OUT_DELIVERY_DELIVERED;
}

static void contradiction(struct tmx_node *n, const char *event, const uint8_t *id, const Tmx__FeedItem *item)
{
    node_alarm(n, event, NULL, id, TMX_CODE_BAD_HEAD, tmx_pb(item->entry));
}

static bool same_signature(struct tmx_node *n, const Tmx__BatchSignature *a, const Tmx__BatchSignature *b)
{
    struct tmx_bytes pa, pb;
    return tmx_codec_pack(a, &n->scratch, &pa) == TMX_CODEC_OK && tmx_codec_pack(b, &n->scratch, &pb) == TMX_CODEC_OK &&
           tmx_bytes_eq(pa, pb);
}

/* Is the leaf's body the header this node signed under that id? `whole`: with the same signature. */
static bool is_own(struct tmx_node *n, const uint8_t *id, const struct tmx_row_out *row, const Tmx__LogEntry *entry, bool whole)
{
    struct tmx_bytes value, copy;
    Tmx__Signed *own;
    struct tmx_signature signature;
    if (!node_has(n, TMX_NT_OUT_SIGNED, node_id(id))) {
        return n->fault == 0 && node_signed_from_leaf(n, id, row, entry);   /* NODE-16 */
    }
    return node_get(n, TMX_NT_OUT_SIGNED, node_id(id), &value) && tmx_arena_copy(&n->scratch, value, &copy) &&
           tmx_signed_parse(copy, &n->scratch, &own, &signature) == TMX_CODE_OK &&
           tmx_bytes_eq(tmx_pb(own->body), tmx_pb(entry->body)) &&
           (!whole || same_signature(n, own->signature, entry->signature));
}

static void answered(struct tmx_node *n, const struct tmx_row_out *row)
{
    struct node_key k = node_key_u64(row->number);
    node_drop(n, TMX_NT_OUT_OPEN, node_kb(&k));
    node_window_done(&n->submits, row->number);
    n->sign_due = true;
}

static void step(struct tmx_node *n, const uint8_t *id, const char *what, const Tmx__FeedItem *item,
                 const Tmx__LogEntry *entry, struct tmx_bytes who, struct tmx_bytes recipient, unsigned code,
                 struct tmx_bytes text)
{
    struct node_step s = { .what = what,
                           .who = who,
                           .recipient = recipient,
                           .code = code,
                           .text = text,
                           .time_ms = entry->time_ms,
                           .shard = n->state.head.shard,
                           .index = item->index,
                           .verified = true };
    node_step_add(n, TMX_DIRECTION_SENT, id, &s);
}

/* From the submission until now. What is read again after the loss of a spool tells nothing of that. */
static void took(const struct tmx_node *n, struct tmx_histogram *h, const struct tmx_row_out *row)
{
    if (!n->state.rebuild) {
        tmx_histogram_add(h, n->wall_ms > row->submitted_ms ? n->wall_ms - row->submitted_ms : 0);
    }
}

void node_sent_accepted(struct tmx_node *n, const Tmx__FeedItem *item, const Tmx__LogEntry *entry)
{
    Tmx__Header *h;
    struct tmx_row_out row;
    if (tmx_header_parse(tmx_pb(entry->body), &n->scratch, &h) != TMX_CODE_OK ||
        !node_out_read(n, h->message_id.data, &row) || !is_own(n, h->message_id.data, &row, entry, true)) {
        contradiction(n, "log.acceptance-unknown", NULL, item);
        return;
    }
    const uint8_t *id = h->message_id.data;
    uint8_t shard[TMX_SHARD_MAX];
    node_shard_key(n->state.head.shard, shard);
    bool here = row.index != 0 && memcmp(row.shard, shard, sizeof(shard)) == 0;
    if (here && row.index != item->index) {
        contradiction(n, "log.accepted-twice", id, item);
        return;
    }
    answered(n, &row);
    if (here || row.state == TMX_OUT_REJECTED || row.state == TMX_OUT_CLOSED) {
        return;
    }
    bool first = row.index == 0;
    row.index = item->index;
    memcpy(row.shard, shard, sizeof(shard));
    row.state = TMX_OUT_ACCEPTED;
    for (size_t i = 0; i < row.n; i++) {
        if (row.deliveries[i].state == TMX_OUT_DELIVERY_QUEUED) {
            row.deliveries[i].state = TMX_OUT_DELIVERY_ACCEPTED;
        }
    }
    node_out_write(n, id, &row);
    node_evidence_keep(n, id, TMX_EVIDENCE_ACCEPTANCE, NULL, item);
    if (first) {
        step(n, id, "accepted", item, entry, TMX_LIT("broker"), TMX_BYTES_NULL, 0, TMX_BYTES_NULL);
        n->counters.accepted++;
        took(n, &n->latencies.accepted, &row);
    }
}

/* Nothing was consumed: the numbers are free again, as far as nothing was signed after them. */
static void numbers_back(struct tmx_node *n, const Tmx__Header *h)
{
    for (size_t i = 0; i < h->n_recipients; i++) {
        const Tmx__Recipient *r = h->recipients[i];
        uint8_t member[TMX_MEMBER_MAX], seq[8];
        node_member_key(tmx_pb(r->member), member);
        struct node_key k = node_key_member(member);
        struct tmx_bytes value;
        if (!node_get(n, TMX_NT_OUT_PAIR, node_kb(&k), &value) || node_u64(value) != r->seq) {
            continue;
        }
        struct tmx_writer w = TMX_WRITER_OF(seq);
        tmx_write_u64(&w, r->seq - 1);
        node_put(n, TMX_NT_OUT_PAIR, node_kb(&k), tmx_written(&w));
        if (h->movement_label.len == TMX_LABEL_SIZE) {
            struct tmx_writer m = TMX_WRITER_OF(k.data);
            tmx_write_bytes(&m, TMX_BYTES_OF(member));
            tmx_write_bytes(&m, tmx_pb(h->movement_label));
            k.size = m.used;
            struct tmx_writer p = TMX_WRITER_OF(seq);
            tmx_write_u64(&p, r->prev);
            node_put(n, TMX_NT_OUT_MOVEMENT, node_kb(&k), tmx_written(&p));
        }
    }
}

void node_sent_refused(struct tmx_node *n, const Tmx__FeedItem *item, const Tmx__LogEntry *entry)
{
    Tmx__Header *h;
    struct tmx_row_out row;
    if (tmx_header_parse(tmx_pb(entry->body), &n->scratch, &h) != TMX_CODE_OK ||
        !node_out_read(n, h->message_id.data, &row) || !is_own(n, h->message_id.data, &row, entry, false)) {
        contradiction(n, "log.refusal-unknown", NULL, item);
        return;
    }
    const uint8_t *id = h->message_id.data;
    if (row.state != TMX_OUT_SIGNED) {
        if (row.state == TMX_OUT_ACCEPTED && entry->code != TMX_CODE_SEQUENCE_REUSED) {
            contradiction(n, "log.refused-after-acceptance", id, item);
        }
        answered(n, &row);
        return;
    }
    answered(n, &row);
    row.state = TMX_OUT_REJECTED;
    row.code = entry->code;
    for (size_t i = 0; i < row.n; i++) {
        node_ages_leave(n, id, &row, &row.deliveries[i]);
        row.deliveries[i].state = TMX_OUT_DELIVERY_REJECTED;
    }
    node_out_write(n, id, &row);
    if (entry->number != 1 && entry->code != TMX_CODE_SEQUENCE_REUSED) {
        numbers_back(n, h);
    }
    node_evidence_keep(n, id, TMX_EVIDENCE_REFUSAL, NULL, item);
    step(n, id, "rejected", item, entry, TMX_LIT("broker"), TMX_BYTES_NULL, entry->code, TMX_BYTES_NULL);
    node_out_close(n, id, &row);
    node_notice(n, "message.rejected", true, NULL, id, entry->code, item->index);
}

static struct tmx_row_out_delivery *delivery_of(struct tmx_row_out *row, struct tmx_bytes recipient)
{
    uint8_t member[TMX_MEMBER_MAX];
    node_member_key(recipient, member);
    for (size_t i = 0; i < row->n; i++) {
        if (memcmp(row->deliveries[i].member, member, sizeof(member)) == 0) {
            return &row->deliveries[i];
        }
    }
    return NULL;
}

/* What travelled sealed beside a refusal; empty when it is not there, or is not what the recipient signed. */
static struct tmx_bytes attachment_of(const Tmx__FeedItem *item, const Tmx__Report *r)
{
    uint8_t digest[32];
    struct tmx_bytes attachment = tmx_pb(item->attachment);
    if (attachment.size == 0 || attachment.size > TMX_ATTACHMENT_MAX) {
        return TMX_BYTES_NULL;
    }
    tmx_digest(attachment, digest);
    return tmx_bytes_eq(TMX_BYTES_OF(digest), tmx_pb(r->attachment_digest)) ? attachment : TMX_BYTES_NULL;
}

/* The reason text in it; empty when it does not open. */
static struct tmx_bytes reason_open(struct tmx_node *n, struct tmx_bytes attachment, const Tmx__Report *r)
{
    uint8_t key[32], plaintext[TMX_ATTACHMENT_MAX];
    struct tmx_bytes me = n->config.member;
    struct tmx_seal_context ctx = {
        .message_id = r->message_id.data, .sender = tmx_pb(r->recipient), .n_recipients = 1, .recipients = &me
    };
    size_t size;
    Tmx__Content *content;
    uint8_t *text;
    size_t text_size;
    struct tmx_bytes copy = TMX_BYTES_NULL;
    if (node_open(n, attachment, &ctx, 0, plaintext, &size, key) != NODE_OPEN_OK) {
        return TMX_BYTES_NULL;
    }
    int code = tmx_content_unpack(TMX_BYTES(plaintext, size), &n->scratch, &content, &text, &text_size);
    if (code < 0) {
        node_fault(n, code);
    }
    if (code != TMX_CODE_OK) {
        return TMX_BYTES_NULL;
    }
    if (text_size <= TMX_REASON_MAX && !tmx_arena_copy(&n->scratch, TMX_BYTES(text, text_size), &copy)) {
        copy = TMX_BYTES_NULL;
    }
    free(text);
    return copy;
}

static bool report_fits(const Tmx__Report *r, const Tmx__LogEntry *entry, const struct tmx_row_out *row,
                        const struct tmx_row_out_delivery *d)
{
    uint8_t shard[TMX_SHARD_MAX] = { 0 };
    memcpy(shard, r->acceptance->shard.data, r->acceptance->shard.len);
    bool here = memcmp(shard, row->shard, sizeof(shard)) == 0;
    return tmx_bytes_eq(tmx_pb(r->recipient), tmx_pb(entry->member)) && r->seq == d->seq &&
           tmx_bytes_eq(tmx_pb(r->header_digest), TMX_BYTES_OF(row->header_digest)) &&
           tmx_bytes_eq(tmx_pb(r->container_digest), TMX_BYTES_OF(row->container_digest)) &&
           (!here || r->acceptance->index == row->index);
}

/* The state a report leads to from this one; 0 when it may not. */
static uint8_t next_state(uint8_t state, Tmx__Outcome outcome)
{
    bool accepted = state == TMX_OUT_DELIVERY_ACCEPTED, arrived = state == TMX_OUT_DELIVERY_ARRIVED;
    switch ((int)outcome) {
    case TMX__OUTCOME__OUTCOME_COA:
        return accepted ? TMX_OUT_DELIVERY_ARRIVED : 0;
    case TMX__OUTCOME__OUTCOME_COD_POSITIVE:
        return arrived ? TMX_OUT_DELIVERY_DELIVERED : 0;
    case TMX__OUTCOME__OUTCOME_COD_NEGATIVE:
        return arrived ? TMX_OUT_DELIVERY_REFUSED : 0;
    case TMX__OUTCOME__OUTCOME_EXPIRED:
        return arrived ? TMX_OUT_DELIVERY_EXPIRED : 0;
    case TMX__OUTCOME__OUTCOME_COE:
        return accepted ? TMX_OUT_DELIVERY_EXCEPTION : 0;
    default:
        return 0;
    }
}

static const char *step_name(Tmx__Outcome outcome)
{
    switch ((int)outcome) {
    case TMX__OUTCOME__OUTCOME_COA:
        return "CoA";
    case TMX__OUTCOME__OUTCOME_COD_POSITIVE:
        return "CoD";
    case TMX__OUTCOME__OUTCOME_COD_NEGATIVE:
        return "refused";
    case TMX__OUTCOME__OUTCOME_EXPIRED:
        return "expired";
    default:
        return "CoE";
    }
}

static void close_if_done(struct tmx_node *n, const uint8_t *id, struct tmx_row_out *row)
{
    bool done = true;
    for (size_t i = 0; i < row->n; i++) {
        done = done && terminal(row->deliveries[i].state);
    }
    row->state = done ? TMX_OUT_CLOSED : row->state;
    node_out_write(n, id, row);
    if (done) {
        node_out_close(n, id, row);
    }
}

void node_sent_report(struct tmx_node *n, const Tmx__FeedItem *item, const Tmx__LogEntry *entry, const Tmx__Report *r)
{
    const uint8_t *id = r->message_id.data;
    struct tmx_row_out row;
    struct tmx_row_out_delivery *d = node_out_read(n, id, &row) ? delivery_of(&row, tmx_pb(r->recipient)) : NULL;
    if (d == NULL || !report_fits(r, entry, &row, d) ||
        !node_signature_verify(n, tmx_pb(r->recipient), tmx_pb(entry->body), entry->signature)) {
        contradiction(n, "log.report-wrong", id, item);
        return;
    }
    bool coa = r->outcome == TMX__OUTCOME__OUTCOME_COA;
    if (terminal(d->state) || (coa && d->state == TMX_OUT_DELIVERY_ARRIVED)) {
        return;   /* known */
    }
    uint8_t next = next_state(d->state, r->outcome);
    if (next == 0) {
        contradiction(n, "log.report-state", id, item);
        return;
    }
    node_ages_leave(n, id, &row, d);
    d->state = next;
    d->coa_index = coa ? item->index : d->coa_index;
    struct tmx_bytes attachment = r->outcome == TMX__OUTCOME__OUTCOME_COD_NEGATIVE ? attachment_of(item, r) : TMX_BYTES_NULL;
    struct tmx_bytes text = attachment.size > 0 ? reason_open(n, attachment, r) : TMX_BYTES_NULL;
    node_evidence_keep(n, id, coa ? TMX_EVIDENCE_COA : TMX_EVIDENCE_OUTCOME, d->member, item);
    if (attachment.size > 0) {
        node_attachment_keep(n, id, d->member, attachment);
    }
    step(n, id, step_name(r->outcome), item, entry, tmx_pb(r->recipient), tmx_pb(r->recipient), r->code, text);
    if (next == TMX_OUT_DELIVERY_ARRIVED) {
        n->counters.arrived++;
        took(n, &n->latencies.arrived, &row);
    } else if (next == TMX_OUT_DELIVERY_DELIVERED) {
        n->counters.delivered++;
        took(n, &n->latencies.delivered, &row);
    }
    n->counters.refused += next == TMX_OUT_DELIVERY_REFUSED ? 1 : 0;
    n->counters.expired += next == TMX_OUT_DELIVERY_EXPIRED ? 1 : 0;
    close_if_done(n, id, &row);
}

/* By the broker: expired before arrival, or an exception of the closed list. */
void node_sent_ended(struct tmx_node *n, const Tmx__FeedItem *item, const Tmx__LogEntry *entry)
{
    const uint8_t *id = entry->message_id.data;
    struct tmx_row_out row;
    struct tmx_row_out_delivery *d = node_out_read(n, id, &row) ? delivery_of(&row, tmx_pb(entry->recipient)) : NULL;
    if (d == NULL || !tmx_bytes_eq(tmx_pb(entry->header_digest), TMX_BYTES_OF(row.header_digest))) {
        contradiction(n, "log.end-unknown", id, item);
        return;
    }
    bool expired = entry->kind == TMX__ENTRY_KIND__ENTRY_EXPIRED;
    if (terminal(d->state)) {
        return;
    }
    bool arrived = d->state == TMX_OUT_DELIVERY_ARRIVED;
    bool lost = !expired && entry->code == TMX_CODE_RECIPIENT_LOST;
    bool listed = expired || lost || entry->code == TMX_CODE_RECIPIENT_REVOKED || entry->code == TMX_CODE_ENDED_BY_OPERATORS;
    if (!listed || item->index <= row.index || arrived != lost || (expired && entry->time_ms < row.expires_ms)) {
        contradiction(n, expired ? "log.expired-wrong" : "log.exception-wrong", id, item);
        return;
    }
    node_ages_leave(n, id, &row, d);
    d->state = expired ? TMX_OUT_DELIVERY_EXPIRED : TMX_OUT_DELIVERY_EXCEPTION;
    node_evidence_keep(n, id, TMX_EVIDENCE_OUTCOME, d->member, item);
    step(n, id, expired ? "expired" : "CoE", item, entry, TMX_LIT("broker"), tmx_pb(entry->recipient), entry->code,
         TMX_BYTES_NULL);
    n->counters.expired += expired ? 1 : 0;
    close_if_done(n, id, &row);
}
