/* SPDX-License-Identifier: Apache-2.0
 * Reports this node makes: decided with the state change they tell of, signed in the same turn, sent until their leaf
 * (or the refusal of it) is verified (FEED-3), and kept.
 */
#include <string.h>

#include "core.h"

static uint8_t which(Tmx__Outcome outcome)
{
    return outcome == TMX__OUTCOME__OUTCOME_COA ? 0 : 1;
}

void node_report_make(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], const struct tmx_row_in *row,
                      Tmx__Outcome outcome, unsigned code, struct tmx_bytes attachment)
{
    uint8_t digest[32];
    Tmx__LogRef acceptance = TMX__LOG_REF__INIT;
    acceptance.shard = tmx_to_pb(TMX_BYTES(row->shard, strnlen((const char *)row->shard, sizeof(row->shard))));
    acceptance.index = row->index;
    Tmx__Report r = TMX__REPORT__INIT;
    Tmx__Head seen = TMX__HEAD__INIT;
    r.kind = TMX__KIND__KIND_REPORT;
    r.directory_serial = tmx_directory_serial(n->directory);
    r.message_id = tmx_to_pb(node_id(id));
    r.header_digest = tmx_to_pb(TMX_BYTES_OF(row->header_digest));
    r.container_digest = tmx_to_pb(TMX_BYTES_OF(row->container_digest));
    r.recipient = tmx_to_pb(n->config.member);
    r.seq = row->seq;
    r.acceptance = &acceptance;
    r.outcome = outcome;
    r.code = code;
    r.time_ms = n->wall_ms;
    r.seen = node_seen(n, &seen);
    if (attachment.size > 0) {
        tmx_digest(attachment, digest);
        r.attachment_digest = tmx_to_pb(TMX_BYTES_OF(digest));
    }
    struct node_pending p = { .kind = TMX__KIND__KIND_REPORT, .which = which(outcome), .attachment = attachment };
    memcpy(p.id, id, sizeof(p.id));
    if (tmx_codec_pack(&r, &n->scratch, &p.body) != TMX_CODEC_OK) {
        node_fault(n, -ENOMEM);
        return;
    }
    node_sign_add(n, &p);
}

static struct node_key open_value(const uint8_t id[TMX_ID_SIZE], uint8_t w)
{
    return node_key_id_u8(id, w);
}

/* One report of this message is to be sent (again). When its leaf was verified once, it is open again: the log may be
 * another. */
static void again(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], uint8_t w)
{
    struct node_key k = node_key_id_u8(id, w);
    struct tmx_bytes value;
    if (!node_get(n, TMX_NT_REPORT, node_kb(&k), &value)) {
        return;   /* not made, or to be signed at the end of this turn */
    }
    uint64_t number = node_u64(tmx_bytes_slice(value, 0, 8));
    struct node_key open = node_key_u64(number);
    if (node_has(n, TMX_NT_REPORT_OPEN, node_kb(&open))) {
        node_window_due(&n->reports, number, 0);
        return;
    }
    uint8_t row[8 + TMX_ENTRY_MAX + 64];
    struct tmx_writer writer = TMX_WRITER_OF(row);
    if (!node_get(n, TMX_NT_REPORT, node_kb(&k), &value)) {
        return;
    }
    number = ++n->state.report;
    n->state_dirty = true;
    tmx_write_u64(&writer, number);
    tmx_write_bytes(&writer, tmx_bytes_slice(value, 8, value.size - 8));
    node_put(n, TMX_NT_REPORT, node_kb(&k), tmx_written(&writer));
    open = node_key_u64(number);
    struct node_key v = open_value(id, w);
    node_insert(n, TMX_NT_REPORT_OPEN, node_kb(&open), node_kb(&v));
}

bool node_report_open(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], uint8_t w)
{
    struct node_key k = node_key_id_u8(id, w);
    struct tmx_bytes value;
    if (!node_get(n, TMX_NT_REPORT, node_kb(&k), &value)) {
        return false;
    }
    struct node_key open = node_key_u64(node_u64(tmx_bytes_slice(value, 0, 8)));
    return node_has(n, TMX_NT_REPORT_OPEN, node_kb(&open));
}

void node_report_now(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE])
{
    for (uint8_t w = 0; w < 2; w++) {
        if (node_report_open(n, id, w)) {
            again(n, id, w);
        }
    }
}

void node_report_again(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE])
{
    again(n, id, 0);
    again(n, id, 1);
}

/* The Signed frame this node keeps of a report; false when there is none with this body. */
static bool own_report(struct tmx_node *n, const Tmx__Report *r, const Tmx__LogEntry *entry, uint64_t *ret_number)
{
    struct node_key k = node_key_id_u8(r->message_id.data, which(r->outcome));
    struct tmx_bytes value, copy;
    Tmx__Signed *own;
    struct tmx_signature signature;
    if (!node_has(n, TMX_NT_REPORT, node_kb(&k)) && (n->fault != 0 || !node_report_from_leaf(n, r, entry))) {
        return false;
    }
    if (!node_get(n, TMX_NT_REPORT, node_kb(&k), &value) || value.size < 8 ||
        !tmx_arena_copy(&n->scratch, value, &copy) ||
        tmx_signed_parse(tmx_bytes_slice(copy, 8, copy.size - 8), &n->scratch, &own, &signature) != TMX_CODE_OK ||
        !tmx_bytes_eq(tmx_pb(own->body), tmx_pb(entry->body))) {
        return false;
    }
    *ret_number = node_u64(copy);
    return true;
}

static void done(struct tmx_node *n, uint64_t number)
{
    struct node_key open = node_key_u64(number);
    node_drop(n, TMX_NT_REPORT_OPEN, node_kb(&open));
    node_window_done(&n->reports, number);
}

void node_report_logged(struct tmx_node *n, const Tmx__FeedItem *item, const Tmx__LogEntry *entry, const Tmx__Report *r)
{
    const uint8_t *id = r->message_id.data;
    struct tmx_row_in row;
    uint64_t number;
    if (!node_in_read(n, id, &row) || !own_report(n, r, entry, &number)) {
        node_alarm(n, "log.own-report-unknown", NULL, id, TMX_CODE_BAD_REPORT, tmx_pb(item->entry));
        return;
    }
    done(n, number);
    bool coa = r->outcome == TMX__OUTCOME__OUTCOME_COA;
    if (coa ? row.coa_verified : row.outcome_verified) {
        return;
    }
    node_evidence_keep(n, id, coa ? TMX_EVIDENCE_COA : TMX_EVIDENCE_OUTCOME, n->member, item);
    if (coa) {
        row.coa_verified = true;
        row.coa_index = item->index;
        node_in_arrived(n, id, &row);
        return;
    }
    row.outcome_verified = true;
    node_in_write(n, id, &row);
    if (n->config.retention_ms == 0) {
        node_in_drop(n, id);
    } else {
        node_due_add(n, n->wall_ms + n->config.retention_ms, TMX_DUE_IN_RETENTION, id);
    }
}

/* The log has another outcome (its own leaf tells which), or the report does not fit: a person must look. */
void node_report_refused(struct tmx_node *n, const Tmx__FeedItem *item, const Tmx__LogEntry *entry,
                         const Tmx__Report *r)
{
    uint64_t number;
    if (!own_report(n, r, entry, &number)) {
        node_alarm(n, "log.own-report-unknown", NULL, r->message_id.data, entry->code, tmx_pb(item->entry));
        return;
    }
    done(n, number);
    node_evidence_keep(n, r->message_id.data, TMX_EVIDENCE_REFUSAL, n->member, item);
    if (entry->code == TMX_CODE_OUTCOME_EXISTS) {
        node_notice(n, "report.lost-race", false, NULL, r->message_id.data, entry->code, item->index);
    } else {
        node_alarm(n, "report.refused", NULL, r->message_id.data, entry->code, tmx_pb(item->entry));
    }
}
