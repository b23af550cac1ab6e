/* SPDX-License-Identifier: Apache-2.0
 * Reports of a recipient's node move a delivery through its states (proto/README.md, section Reports).
 */
#include <string.h>

#include "core.h"

/* What the state table says to a report. */
enum move { MOVE_REFUSE, MOVE_ARRIVE, MOVE_END, MOVE_AGAIN_COA, MOVE_AGAIN_OUTCOME, MOVE_LOST };

static enum move next_move(const struct tmx_row_delivery *d, Tmx__Outcome outcome, const uint8_t digest[32])
{
    bool same_coa = d->coa_index != 0 && memcmp(d->coa_digest, digest, 32) == 0;
    bool same_outcome = d->outcome_index != 0 && memcmp(d->outcome_digest, digest, 32) == 0;
    if (same_coa) {
        return MOVE_AGAIN_COA;
    }
    if (same_outcome) {
        return MOVE_AGAIN_OUTCOME;
    }
    switch (d->state) {
    case TMX_DELIVERY_QUEUED:
        return outcome == TMX__OUTCOME__OUTCOME_COA   ? MOVE_ARRIVE
               : outcome == TMX__OUTCOME__OUTCOME_COE ? MOVE_END
                                                      : MOVE_REFUSE;
    case TMX_DELIVERY_ARRIVED:
        return outcome == TMX__OUTCOME__OUTCOME_COA || outcome == TMX__OUTCOME__OUTCOME_COE ? MOVE_REFUSE : MOVE_END;
    case TMX_DELIVERY_DELIVERED:
    case TMX_DELIVERY_REFUSED:
    case TMX_DELIVERY_EXPIRED:
    case TMX_DELIVERY_EXCEPTION:
        return MOVE_LOST;
    }
    return MOVE_REFUSE;
}

static enum tmx_delivery_state state_of(Tmx__Outcome outcome)
{
    switch ((int)outcome) {
    case TMX__OUTCOME__OUTCOME_COD_POSITIVE:
        return TMX_DELIVERY_DELIVERED;
    case TMX__OUTCOME__OUTCOME_COD_NEGATIVE:
        return TMX_DELIVERY_REFUSED;
    case TMX__OUTCOME__OUTCOME_EXPIRED:
        return TMX_DELIVERY_EXPIRED;
    default:
        return TMX_DELIVERY_EXCEPTION;
    }
}

/* Does the report speak of this delivery (REP-1)? */
static bool fits(struct tmx_broker *b, const Tmx__Report *r, const struct tmx_row_message *m,
                 const struct tmx_row_delivery *d)
{
    bool here = tmx_bytes_eq(tmx_pb(r->acceptance->shard), tmx_bytes_str(b->shard));
    return tmx_bytes_eq(tmx_pb(r->header_digest), TMX_BYTES_OF(m->header_digest)) &&
           tmx_bytes_eq(tmx_pb(r->container_digest), TMX_BYTES_OF(m->container_digest)) && r->seq == d->seq &&
           (here ? r->acceptance->index == d->index : b->successor);
}

static uint64_t log_report(struct tmx_broker *b, struct peer *p, const Tmx__Signed *envelope,
                           const struct tmx_row_message *m, const struct tmx_row_delivery *d)
{
    Tmx__LogRef ref = TMX__LOG_REF__INIT;
    ref.shard = tmx_to_pb(tmx_bytes_str(b->shard));
    ref.index = d->index;
    Tmx__LogEntry entry = TMX__LOG_ENTRY__INIT;
    entry.kind = TMX__ENTRY_KIND__ENTRY_REPORT;
    entry.member = tmx_to_pb(tmx_member_code(p->key));
    entry.body = envelope->body;
    entry.signature = envelope->signature;
    entry.reference = &ref;
    uint64_t index = ledger_append(b, &entry);
    ledger_feed(b, p->key, index, TMX_FEED_ALWAYS);
    bool attached = envelope->attachment.len > 0;
    ledger_feed(b, m->sender, index, attached ? TMX_FEED_ATTACHMENT : TMX_FEED_ALWAYS);
    if (attached) {
        struct key k = key_u64(index);
        row_insert(b, TMX_T_ATTACHMENT, key_bytes(&k), tmx_pb(envelope->attachment));
    }
    b->counters.reports++;
    return index;
}

/* From the acceptance to the leaf that was just made. */
static void took(struct tmx_broker *b, struct tmx_histogram *h, const struct tmx_row_delivery *d)
{
    uint64_t accepted_ms = ledger_time(b, d->index);
    tmx_histogram_add(h, b->leaf_ms > accepted_ms ? b->leaf_ms - accepted_ms : 0);
}

static void arrive(struct tmx_broker *b, struct peer *p, const Tmx__Signed *envelope, const Tmx__Report *r,
                   struct tmx_row_message *m, struct tmx_row_delivery *d, const uint8_t digest[32])
{
    uint64_t index = log_report(b, p, envelope, m, d);
    queue_leave(b, r->message_id.data, p->key, d, m);
    message_write(b, r->message_id.data, m, false);
    d->state = TMX_DELIVERY_ARRIVED;
    d->coa_index = index;
    memcpy(d->coa_digest, digest, sizeof(d->coa_digest));
    delivery_write(b, r->message_id.data, p->key, d, false);
    b->counters.arrived++;
    took(b, &b->latencies.arrived, d);
    notice(b, "delivery.arrived", false, p->key, r->message_id.data, TMX_CODE_OK, index);
}

static void end(struct tmx_broker *b, struct peer *p, const Tmx__Signed *envelope, const Tmx__Report *r,
                struct tmx_row_message *m, struct tmx_row_delivery *d, const uint8_t digest[32])
{
    uint64_t index = log_report(b, p, envelope, m, d);
    if (d->state == TMX_DELIVERY_QUEUED) {
        queue_leave(b, r->message_id.data, p->key, d, m);
    }
    queue_ended(b, r->message_id.data, m);
    message_write(b, r->message_id.data, m, false);
    d->state = state_of(r->outcome);
    d->outcome_index = index;
    memcpy(d->outcome_digest, digest, sizeof(d->outcome_digest));
    delivery_write(b, r->message_id.data, p->key, d, false);
    struct tmx_row_destination at;
    destination_read(b, p->key, &at);
    at.arrived--;
    at.terminal++;
    destination_write(b, p->key, &at);
    if (d->state == TMX_DELIVERY_DELIVERED) {
        b->counters.delivered++;
        took(b, &b->latencies.delivered, d);
    }
    notice(b, "delivery.ended", false, p->key, r->message_id.data, r->code, index);
}

static bool attachment_fits(const Tmx__Signed *envelope, const Tmx__Report *r)
{
    if (envelope->attachment.len == 0) {
        return true;   /* it may have been lost on the way to us; the digest binds it if it is shown later */
    }
    uint8_t digest[32];
    tmx_digest(tmx_pb(envelope->attachment), digest);
    return envelope->attachment.len <= TMX_ATTACHMENT_MAX && tmx_bytes_eq(tmx_pb(r->attachment_digest), TMX_BYTES_OF(digest));
}

void report_submit(struct tmx_broker *b, struct peer *p, struct tmx_bytes item)
{
    tmx_arena_reset(&b->scratch);
    Tmx__Signed *envelope;
    struct tmx_signature signature;
    Tmx__Report *r;
    unsigned code = tmx_signed_parse(item, &b->scratch, &envelope, &signature);
    if (code == TMX_CODE_OK) {
        code = tmx_report_parse(tmx_pb(envelope->body), &b->scratch, &r);
    }
    if (code != TMX_CODE_OK) {
        count_malformed(b, p, code);
        return;
    }
    if (!tmx_bytes_eq(tmx_pb(r->recipient), tmx_member_code(p->key))) {
        count_malformed(b, p, TMX_CODE_SENDER_NOT_PEER);
        return;
    }
    struct tmx_bytes id = tmx_pb(r->message_id);
    if (r->directory_serial > tmx_directory_serial(b->directory)) {
        defer(b, p, id, TMX_CODE_DIRECTORY_BEHIND);
        return;
    }
    const struct tmx_verify_key *key = tmx_directory_signing_key(b->directory, tmx_pb(r->recipient), signature.key_id);
    if (key == NULL || !tmx_batch_verify(tmx_pb(envelope->body), &signature, key, b->cache) ||
        !attachment_fits(envelope, r)) {
        count_malformed(b, p, TMX_CODE_BAD_SIGNATURE);
        return;
    }
    if (b->halted) {
        defer(b, p, id, TMX_CODE_NOT_READY);
        return;
    }
    struct tmx_row_message m;
    struct tmx_row_delivery d;
    bool here = tmx_bytes_eq(tmx_pb(r->acceptance->shard), tmx_bytes_str(b->shard));
    bool known = message_read(b, id.data, &m);
    if (!known && !here && b->successor) {
        defer(b, p, id, TMX_CODE_NOT_READY);   /* its sender has yet to submit it to this shard again */
        return;
    }
    if (!known || !delivery_read(b, id.data, p->key, &d) || !fits(b, r, &m, &d)) {
        refuse(b, p, envelope, id, TMX_CODE_BAD_REPORT, 0, false, NULL);
        return;
    }
    if (ledger_check_seen(b, r->seen) != TMX_CODE_OK) {
        refuse(b, p, envelope, id, TMX_CODE_BAD_HEAD, 0, false, NULL);
        return;
    }
    uint8_t digest[32];
    tmx_digest(tmx_pb(envelope->body), digest);
    switch (next_move(&d, r->outcome, digest)) {
    case MOVE_ARRIVE:
        arrive(b, p, envelope, r, &m, &d, digest);
        break;
    case MOVE_END:
        end(b, p, envelope, r, &m, &d, digest);
        break;
    case MOVE_AGAIN_COA:
        send_again(b, p, d.coa_index);
        break;
    case MOVE_AGAIN_OUTCOME:
        send_again(b, p, d.outcome_index);
        break;
    case MOVE_LOST:
        refuse(b, p, envelope, id, TMX_CODE_OUTCOME_EXISTS, d.outcome_index, false, NULL);
        break;
    case MOVE_REFUSE:
        if (!here && d.state == TMX_DELIVERY_QUEUED) {
            defer(b, p, id, TMX_CODE_NOT_READY);   /* its CoA has yet to come again to this shard */
            break;
        }
        refuse(b, p, envelope, id, TMX_CODE_BAD_REPORT, d.coa_index, false, NULL);
        break;
    }
}
