/* SPDX-License-Identifier: Apache-2.0
 * A node behind the log (NODE-10): it reads its complete feed from the start, takes numbers and what it had signed from
 * there, and signs nothing until it has caught up. And a log that is a new one (LOG-4): what has no outcome is submitted
 * again.
 */
#include <string.h>

#include "core.h"

#define CARRY_BUDGET 1000u   /* rows of one turn */

static void rebuild_start(struct tmx_node *n, uint64_t acked)
{
    n->state.rebuild = true;
    n->state.rebuild_to = UINT64_MAX;
    n->state.feed_next = 0;
    n->state_dirty = true;
    node_notice(n, "rebuild.started", true, NULL, NULL, TMX_CODE_NOT_READY, acked);
    node_link_lost(n, "link.rebuild", true);   /* the next session asks for the complete feed */
}

void node_rebuild_start(struct tmx_node *n)
{
    rebuild_start(n, n->state.feed_next);
}

/* What is being pulled was announced with a place in the old log; it is announced again. */
static void stages_drop(struct tmx_node *n)
{
    static const uint8_t from[1];
    struct tmx_bytes key, value;
    while (node_seek(n, TMX_NT_IN_STAGE, TMX_BYTES_OF(from), 0, &key, &value) && key.size == TMX_ID_SIZE) {
        uint8_t id[TMX_ID_SIZE];
        memcpy(id, key.data, sizeof(id));
        node_stage_drop(n, id);
    }
}

/* The head of the old shard stays as a row. Reports without a leaf are not sent to a log that does not know their
 * messages: they come again with the deliveries. */
static void shard_change(struct tmx_node *n, const Tmx__Welcome *w)
{
    struct node_head *head = &n->state.head;
    node_head_keep(n);
    node_alarm(n, "log.new-shard", NULL, NULL, TMX_CODE_OK, tmx_node_checkpoint(n));
    stages_drop(n);
    node_gaps_new_shard(n);
    memset(head, 0, sizeof(*head));
    memcpy(head->shard, w->shard.data, w->shard.len);
    n->seen_size = 0;
    n->cosigned = (struct tmx_checkpoint){ .size = 0 };
    n->cosigned_quorum = (struct tmx_quorum){ 0 };
    n->head_kept = false;
    n->state.feed_next = n->session.acked = 0;
    n->state.carry = true;
    n->state.prekeys_logged = false;   /* the new log does not know them */
    n->state.resubmit = ++n->state.number;
    n->carry_at.size = 0;
    n->state_dirty = true;
    for (size_t i = 0; i < n->n_destinations; i++) {
        n->destinations[i].max_seq = n->destinations[i].told_seq = 0;
    }
}

bool node_rebuild_check(struct tmx_node *n, const Tmx__Welcome *w)
{
    struct node_head *head = &n->state.head;
    if (head->shard[0] == '\0') {
        memcpy(head->shard, w->shard.data, w->shard.len);
        n->state_dirty = true;
    } else if (!tmx_bytes_eq(tmx_pb(w->shard), tmx_bytes_str(head->shard))) {
        if (tmx_directory_log_key(n->directory, tmx_pb(w->shard)) == NULL) {
            n->session.state = NODE_MUTE;
            node_notice(n, "log.key-unknown", true, NULL, NULL, TMX_CODE_DIRECTORY_BEHIND, 0);
            return false;
        }
        shard_change(n, w);
    }
    if (!n->state.rebuild && n->state.feed_next < w->feed_acked) {
        rebuild_start(n, w->feed_acked);
        return false;
    }
    return true;
}

/* All of the log there is now: the session that is open is the only one whose frames can still add to it. */
void node_rebuild_to(struct tmx_node *n, const Tmx__Welcome *w)
{
    if (n->state.rebuild) {
        uint64_t size = n->state.head.size;
        n->state.rebuild_to = w->feed_acked > size ? w->feed_acked : size;
        n->state_dirty = true;
    }
}

static void number_raise(struct tmx_node *n, uint8_t table, const struct node_key *k, uint64_t v)
{
    uint8_t data[8];
    struct tmx_bytes value;
    struct tmx_writer w = TMX_WRITER_OF(data);
    if (!node_get(n, table, node_kb(k), &value) || node_u64(value) < v) {
        tmx_write_u64(&w, v);
        node_put(n, table, node_kb(k), tmx_written(&w));
    }
}

static void numbers_raise(struct tmx_node *n, const Tmx__Header *h)
{
    for (size_t i = 0; i < h->n_recipients; i++) {
        uint8_t member[TMX_MEMBER_MAX];
        node_member_key(tmx_pb(h->recipients[i]->member), member);
        struct node_key k = node_key_member(member);
        number_raise(n, TMX_NT_OUT_PAIR, &k, h->recipients[i]->seq);
        if (h->movement_label.len == TMX_LABEL_SIZE) {
            struct tmx_writer w = TMX_WRITER_OF(k.data);
            tmx_write_bytes(&w, TMX_BYTES_OF(member));
            tmx_write_bytes(&w, tmx_pb(h->movement_label));
            k.size = w.used;
            number_raise(n, TMX_NT_OUT_MOVEMENT, &k, h->recipients[i]->seq);
        }
    }
}

/* The Signed frame as it was made, from the leaf that holds its body and signature. */
bool node_signed_pack(struct tmx_node *n, const Tmx__LogEntry *entry, struct tmx_bytes *ret_frame)
{
    Tmx__Signed envelope = TMX__SIGNED__INIT;
    envelope.body = entry->body;
    envelope.signature = entry->signature;
    if (tmx_codec_pack(&envelope, &n->scratch, ret_frame) != TMX_CODEC_OK) {
        node_fault(n, -ENOMEM);
        return false;
    }
    return true;
}

/* What the header still tells of a submission that was lost. */
void node_out_tell(struct tmx_node *n, const Tmx__Header *h)
{
    Tmx__SubmitRequest info = TMX__SUBMIT_REQUEST__INIT;
    ProtobufCBinaryData recipients[TMX_RECIPIENTS_MAX];
    struct tmx_bytes packed;
    for (size_t i = 0; i < h->n_recipients; i++) {
        recipients[i] = h->recipients[i]->member;
    }
    info.n_recipients = h->n_recipients;
    info.recipients = recipients;
    info.message_type = h->message_type;
    info.correlation_id = h->correlation_id;
    info.priority = h->priority;
    info.expires_ms = h->expires_ms;
    info.reports_requested = h->reports_requested;
    info.replaces = h->replaces;
    if (tmx_codec_pack(&info, &n->scratch, &packed) != TMX_CODEC_OK) {
        node_fault(n, -ENOMEM);
        return;
    }
    node_put(n, TMX_NT_OUT_INFO, tmx_pb(h->message_id), packed);
}

/* A header this node signed and does not know of: the message becomes a signed one; the leaf at hand then does the
 * rest. Its container is lost here; the broker holds it. */
static void sent_restore(struct tmx_node *n, const Tmx__LogEntry *entry, const Tmx__Header *h)
{
    const uint8_t *id = h->message_id.data;
    struct tmx_row_out row;
    struct tmx_bytes frame;
    bool known = node_out_read(n, id, &row);
    if (n->fault != 0 || (known && row.state != TMX_OUT_WAITING)) {
        return;
    }
    if (known) {
        node_out_unqueue(n, id, &row);
    } else {
        row = (struct tmx_row_out){ .priority = (uint8_t)h->priority, .submitted_ms = h->sent_ms };
        node_out_tell(n, h);
        node_index_add(n, TMX_DIRECTION_SENT, id, h->n_recipients, TMX_BYTES_NULL, TMX_BYTES_NULL);
    }
    row.state = TMX_OUT_SIGNED;
    row.number = 0;
    row.container_bytes = 0;
    row.expires_ms = h->expires_ms;
    row.n = (uint8_t)h->n_recipients;
    for (size_t i = 0; i < h->n_recipients; i++) {
        row.deliveries[i] = (struct tmx_row_out_delivery){ .state = TMX_OUT_DELIVERY_QUEUED,
                                                           .seq = h->recipients[i]->seq };
        node_member_key(tmx_pb(h->recipients[i]->member), row.deliveries[i].member);
    }
    if (h->movement_label.len == sizeof(row.label)) {
        memcpy(row.label, h->movement_label.data, sizeof(row.label));
    }
    tmx_digest(tmx_pb(entry->body), row.header_digest);
    memcpy(row.container_digest, h->container_digest.data, sizeof(row.container_digest));
    if (node_signed_pack(n, entry, &frame)) {
        node_put(n, TMX_NT_OUT_SIGNED, node_id(id), frame);
        node_out_write(n, id, &row);
        if (!known) {
            node_ages_enter(n, id, &row);
        }
        node_notice(n, "rebuild.sent", false, NULL, id, TMX_CODE_OK, 0);
    }
}

enum tmx_in_state node_end_state(Tmx__Outcome outcome)
{
    switch ((int)outcome) {
    case TMX__OUTCOME__OUTCOME_COD_POSITIVE:
        return TMX_IN_DELIVERED;
    case TMX__OUTCOME__OUTCOME_COD_NEGATIVE:
        return TMX_IN_REFUSED;
    case TMX__OUTCOME__OUTCOME_EXPIRED:
        return TMX_IN_EXPIRED;
    default:
        return TMX_IN_EXCEPTION;
    }
}

/* A report this node made and does not know of. */
static void report_restore(struct tmx_node *n, const Tmx__LogEntry *entry, const Tmx__Report *r)
{
    const uint8_t *id = r->message_id.data;
    bool coa = r->outcome == TMX__OUTCOME__OUTCOME_COA;
    struct node_key k = node_key_id_u8(id, coa ? 0 : 1);
    struct tmx_row_in row;
    struct tmx_bytes frame;
    if (!node_in_read(n, id, &row) && !node_in_lost(n, id, &row)) {
        return;
    }
    if (!node_has(n, TMX_NT_REPORT, node_kb(&k)) && node_signed_pack(n, entry, &frame)) {
        uint8_t value[8 + TMX_ENTRY_MAX + 64];
        struct tmx_writer w = TMX_WRITER_OF(value);
        tmx_write_u64(&w, ++n->state.report);
        tmx_write_bytes(&w, frame);
        n->state_dirty = true;
        node_put(n, TMX_NT_REPORT, node_kb(&k), tmx_written(&w));
    }
    if (!coa && row.state < TMX_IN_DELIVERED) {
        n->lost -= row.state == TMX_IN_LOST && n->lost > 0 ? 1 : 0;
        node_in_end(n, id, &row, node_end_state(r->outcome), r->code);
        node_notice(n, "rebuild.ended", false, row.sender, id, r->code, row.index);
    }
}

void node_rebuild_item(struct tmx_node *n, const Tmx__FeedItem *item, const Tmx__LogEntry *entry)
{
    bool mine = tmx_bytes_eq(tmx_pb(entry->member), n->config.member);
    bool acceptance = entry->kind == TMX__ENTRY_KIND__ENTRY_ACCEPTANCE ||
                      entry->kind == TMX__ENTRY_KIND__ENTRY_RESUBMISSION;
    Tmx__Header *h;
    Tmx__Report *r;
    if (mine && entry->signature != NULL && entry->signature->batch_no > n->state.batch_no) {
        n->state.batch_no = entry->signature->batch_no;
        n->state_dirty = true;
    }
    if (acceptance && tmx_header_parse(tmx_pb(entry->body), &n->scratch, &h) == TMX_CODE_OK) {
        if (mine) {
            numbers_raise(n, h);
            sent_restore(n, entry, h);
        } else {
            node_evidence_keep(n, h->message_id.data, TMX_EVIDENCE_ACCEPTANCE, NULL, item);
            if (entry->kind == TMX__ENTRY_KIND__ENTRY_RESUBMISSION) {
                node_gaps_pardon(n, h);
            }
        }
    } else if (entry->kind == TMX__ENTRY_KIND__ENTRY_REFUSAL && mine &&
               tmx_header_parse(tmx_pb(entry->body), &n->scratch, &h) == TMX_CODE_OK) {
        if (entry->number == 1) {
            numbers_raise(n, h);
        }
        sent_restore(n, entry, h);
    } else if (entry->kind == TMX__ENTRY_KIND__ENTRY_REPORT && mine &&
               tmx_report_parse(tmx_pb(entry->body), &n->scratch, &r) == TMX_CODE_OK) {
        report_restore(n, entry, r);
    }
}

/* An open message that was signed goes to the new shard. */
static void carry_sent(struct tmx_node *n, const uint8_t *id)
{
    struct tmx_row_out row;
    if (node_out_read(n, id, &row) && row.number != 0 &&
        (row.state == TMX_OUT_SIGNED || row.state == TMX_OUT_ACCEPTED)) {
        struct node_key number = node_key_u64(row.number);
        node_put(n, TMX_NT_OUT_OPEN, node_kb(&number), node_id(id));
    }
}

/* A message whose CoA had no leaf in the old shard must not wait for one for ever: its time is looked at again. */
static void carry_received(struct tmx_node *n, const uint8_t *id)
{
    struct tmx_row_in row;
    if (node_in_read(n, id, &row) && row.state == TMX_IN_ARRIVED) {
        node_due_add(n, row.expires_ms, TMX_DUE_IN_EXPIRY, id);
    }
}

static void carry(struct tmx_node *n)
{
    const struct node_key first = { .data = { TMX_INDEX_OPEN }, .size = 1 };
    struct tmx_bytes key, value;
    for (unsigned i = 0; i < CARRY_BUDGET; i++) {
        struct node_key at = n->carry_at.size == 0 ? first : n->carry_at;
        if (!node_seek(n, TMX_NT_INDEX, node_kb(&at), 1, &key, &value)) {
            n->state.carry = false;
            n->state_dirty = true;
            node_pump_reset(n);
            return;
        }
        uint8_t id[TMX_ID_SIZE], direction = key.data[key.size - 1];
        n->carry_at = node_key_after(key);
        for (size_t j = 0; j < TMX_ID_SIZE; j++) {
            id[j] = (uint8_t)~key.data[1 + j];
        }
        if (direction == TMX_DIRECTION_SENT) {
            carry_sent(n, id);
        } else {
            carry_received(n, id);
        }
    }
    n->more = true;
}

/* Reports without a leaf in the old shard. False: some are left for the next turn. */
static bool reports_close(struct tmx_node *n)
{
    static const uint8_t from[8];
    struct tmx_bytes key, value;
    for (unsigned i = 0; i < CARRY_BUDGET; i++) {
        if (!node_seek(n, TMX_NT_REPORT_OPEN, TMX_BYTES_OF(from), 0, &key, &value)) {
            return true;
        }
        struct node_key k = node_key_u64(node_u64(key));
        node_delete(n, TMX_NT_REPORT_OPEN, node_kb(&k));
    }
    n->more = true;
    return false;
}

void node_rebuild_close(struct tmx_node *n)
{
    if (n->state.rebuild && n->state.feed_next >= n->state.rebuild_to) {
        n->state.rebuild = false;
        n->state_dirty = true;
        n->next_due_ms = 0;
        n->sign_due = n->offers_changed = true;
        node_pump_reset(n);
        node_notice(n, "rebuild.done", n->lost > 0, NULL, NULL, TMX_CODE_OK, n->lost);
    }
    if (n->state.carry && n->session.state == NODE_UP && reports_close(n)) {
        carry(n);
    }
}
