/* SPDX-License-Identifier: Apache-2.0
 * Deliveries (LINK-12, NODE-4): verified, opened, stored and confirmed in one transaction; then they are in the queue of inbox.c.
 */
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "core.h"

struct arrival {
    const Tmx__FeedItem *item;
    const Tmx__LogEntry *entry;
    const Tmx__Header *header;
    unsigned slot;
    struct tmx_bytes container;
};

/* Own position in the header; -1 when it is not for this node. */
static int own_slot(const struct tmx_node *n, const Tmx__Header *h)
{
    for (size_t i = 0; i < h->n_recipients; i++) {
        if (tmx_bytes_eq(tmx_pb(h->recipients[i]->member), n->config.member)) {
            return (int)i;
        }
    }
    return -1;
}

/* The INFO row: everything an application is told, taken from header and content. */
static void info_put(struct tmx_node *n, const struct arrival *a, const Tmx__Content *content, uint64_t payload_bytes)
{
    Tmx__Leased info = TMX__LEASED__INIT;
    info.message_id = a->header->message_id;
    info.sender = a->header->sender;
    info.message_type = a->header->message_type;
    info.correlation_id = a->header->correlation_id;
    info.priority = a->header->priority;
    info.sent_ms = a->header->sent_ms;
    info.accepted_ms = a->entry->time_ms;
    info.expires_ms = a->header->expires_ms;
    info.payload_bytes = payload_bytes;
    info.replaces = a->header->replaces;
    if (content != NULL) {
        info.mrn = content->mrn;
        info.lrn = content->lrn;
        info.business_id = content->business_id;
        info.business_correlation = content->business_correlation;
        info.media_type = content->media_type;
        info.file_name = content->file_name;
    }
    struct tmx_bytes packed;
    if (tmx_codec_pack(&info, &n->scratch, &packed) != TMX_CODEC_OK) {
        node_fault(n, -ENOMEM);
        return;
    }
    node_put(n, TMX_NT_IN_INFO, tmx_pb(a->header->message_id), packed);
}

static void info_store(struct tmx_node *n, const struct arrival *a, const Tmx__Content *content, uint64_t payload_bytes)
{
    info_put(n, a, content, payload_bytes);
    node_index_add(n, TMX_DIRECTION_RECEIVED, a->header->message_id.data, 1,
                   content != NULL ? tmx_pb(content->mrn) : TMX_BYTES_NULL,
                   content != NULL ? tmx_pb(content->business_id) : TMX_BYTES_NULL);
}

static void row_fill(struct tmx_node *n, const struct arrival *a, struct tmx_row_in *row)
{
    const Tmx__Header *h = a->header;
    *row = (struct tmx_row_in){ .state = TMX_IN_ARRIVED,
                                .priority = (uint8_t)h->priority,
                                .seq = h->recipients[a->slot]->seq,
                                .prev = h->recipients[a->slot]->prev,
                                .index = a->item->index,
                                .expires_ms = h->expires_ms,
                                .container_bytes = h->container_bytes };
    node_shard_key(n->state.head.shard, row->shard);
    node_member_key(tmx_pb(h->sender), row->sender);
    memcpy(row->type, h->message_type.data, h->message_type.len);
    if (h->movement_label.len == sizeof(row->label)) {
        memcpy(row->label, h->movement_label.data, sizeof(row->label));
    }
    tmx_digest(tmx_pb(a->entry->body), row->header_digest);
    memcpy(row->container_digest, h->container_digest.data, sizeof(row->container_digest));
}

static void step(struct tmx_node *n, const uint8_t *id, const char *what, unsigned code)
{
    struct node_step s = { .what = what, .who = n->config.member, .recipient = n->config.member, .code = code };
    node_step_add(n, TMX_DIRECTION_RECEIVED, id, &s);
}

static void arrived(struct tmx_node *n, const struct arrival *a, const Tmx__Content *content, uint64_t payload_bytes,
                    const uint8_t content_key[32])
{
    const uint8_t *id = a->header->message_id.data;
    struct tmx_row_in row;
    row_fill(n, a, &row);
    info_store(n, a, content, payload_bytes);
    node_container_store(n, TMX_NT_IN_CONTAINER, id, a->container);
    node_archive_store(n, TMX_DIRECTION_RECEIVED, id, content_key);
    node_evidence_keep(n, id, TMX_EVIDENCE_ACCEPTANCE, NULL, a->item);
    node_in_enter(n, id, &row);
    node_report_make(n, id, &row, TMX__OUTCOME__OUTCOME_COA, TMX_CODE_OK, TMX_BYTES_NULL);
    step(n, id, "CoA", TMX_CODE_OK);
    n->counters.received++;
    node_notice(n, "message.arrived", false, row.sender, id, TMX_CODE_OK, row.index);
}

/* From the acceptance that is kept; its item, in `item`, has no path. */
static bool kept_arrival(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], Tmx__FeedItem *item, struct arrival *ret_arrival)
{
    Tmx__LogEntry *entry;
    Tmx__Header *h;
    int slot = node_acceptance_read(n, id, item, &entry, &h) ? own_slot(n, h) : -1;
    *ret_arrival = (struct arrival){ .item = item, .entry = entry, .header = h, .slot = slot < 0 ? 0 : (unsigned)slot };
    return slot >= 0;
}

bool node_in_fill(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], struct tmx_row_in *ret_row)
{
    Tmx__FeedItem item;
    struct arrival a;
    struct node_key k = node_key_id_u8(id, TMX_EVIDENCE_ACCEPTANCE);
    struct tmx_bytes leaf;
    if (!kept_arrival(n, id, &item, &a)) {
        return false;
    }
    row_fill(n, &a, ret_row);
    if (node_get(n, TMX_NT_EVIDENCE, node_kb(&k), &leaf) && leaf.size >= sizeof(ret_row->shard)) {
        memcpy(ret_row->shard, leaf.data, sizeof(ret_row->shard));
    }
    return true;
}

bool node_in_tell(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE])
{
    Tmx__FeedItem item;
    struct arrival a;
    bool known = kept_arrival(n, id, &item, &a);
    if (known) {
        info_put(n, &a, NULL, 0);
    }
    return known;
}

bool node_in_lost(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], struct tmx_row_in *ret_row)
{
    Tmx__FeedItem item;
    struct arrival a;
    if (!kept_arrival(n, id, &item, &a)) {
        return false;
    }
    row_fill(n, &a, ret_row);
    ret_row->state = TMX_IN_LOST;
    ret_row->container_bytes = 0;
    info_store(n, &a, NULL, 0);
    node_in_enter(n, id, ret_row);
    step(n, id, "CoA", TMX_CODE_OK);
    node_stage_begin(n, &item, id, a.header->container_bytes);   /* the broker still has it: QUE-8 */
    n->lost++;
    node_notice(n, "rebuild.lost", false, ret_row->sender, id, TMX_CODE_RECIPIENT_LOST, ret_row->index);
    return true;
}

void node_in_spoilt(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], struct tmx_row_in *row)
{
    Tmx__FeedItem item;
    struct arrival a;
    bool known = kept_arrival(n, id, &item, &a);
    uint8_t shard[TMX_SHARD_MAX];
    node_shard_key(n->state.head.shard, shard);
    if (!known && !n->reread && memcmp(row->shard, shard, sizeof(shard)) == 0) {
        n->reread = true;
        node_rebuild_start(n);   /* its acceptance comes with the log, and this is looked at again */
        return;
    }
    node_in_unoffer(n, id, row);
    row->state = known ? TMX_IN_LOST : TMX_IN_HELD;
    if (known) {
        node_container_drop(n, TMX_NT_IN_CONTAINER, id, row->container_bytes);
        row->container_bytes = 0;
        node_in_write(n, id, row);
        node_stage_begin(n, &item, id, a.header->container_bytes);   /* QUE-8 */
        node_notice(n, "message.spoilt", true, row->sender, id, TMX_CODE_RECORD_DAMAGED, row->index);
        return;
    }
    row->code = TMX_CODE_RECORD_DAMAGED;
    n->state.held++;
    n->state_dirty = true;
    node_in_write(n, id, row);
    node_alarm(n, "message.held", row->sender, id, TMX_CODE_RECORD_DAMAGED, TMX_BYTES_NULL);
}

/* A container that was lost is here again: the message goes on where its CoA left it. */
static void recovered(struct tmx_node *n, const struct arrival *a, struct tmx_row_in *row, const Tmx__Content *content,
                      uint64_t payload_bytes, const uint8_t content_key[32])
{
    const uint8_t *id = a->header->message_id.data;
    row->container_bytes = a->header->container_bytes;
    row->state = TMX_IN_ARRIVED;
    info_store(n, a, content, payload_bytes);
    node_container_store(n, TMX_NT_IN_CONTAINER, id, a->container);
    node_archive_store(n, TMX_DIRECTION_RECEIVED, id, content_key);
    node_notice(n, "message.recovered", false, row->sender, id, TMX_CODE_OK, row->index);
    if (row->coa_verified) {
        node_in_arrived(n, id, row);
    } else {
        node_in_write(n, id, row);
        node_report_again(n, id);
    }
}

/* It cannot be what its header says, and never will (NODE-5). */
static void exception(struct tmx_node *n, const struct arrival *a, unsigned code)
{
    const uint8_t *id = a->header->message_id.data;
    struct tmx_row_in row;
    if (node_in_read(n, id, &row)) {
        return;   /* lost after its CoA: what is here now is not what was confirmed */
    }
    row_fill(n, a, &row);
    row.container_bytes = 0;
    info_store(n, a, NULL, 0);
    node_evidence_keep(n, id, TMX_EVIDENCE_ACCEPTANCE, NULL, a->item);
    node_in_end(n, id, &row, TMX_IN_EXCEPTION, code);
    node_report_make(n, id, &row, TMX__OUTCOME__OUTCOME_COE, code, TMX_BYTES_NULL);
    step(n, id, "CoE", code);
    node_notice(n, "message.exception", true, row.sender, id, code, row.index);
}

/* Does the content say the same as the header (CON-2)? */
static bool content_fits(const Tmx__Header *h, const Tmx__Content *c)
{
    return tmx_bytes_eq(tmx_pb(h->message_id), tmx_pb(c->message_id)) &&
           tmx_bytes_eq(tmx_pb(h->message_type), tmx_pb(c->message_type));
}

static void open_arrival(struct tmx_node *n, const struct arrival *a, uint8_t *plaintext)
{
    const Tmx__Header *h = a->header;
    struct tmx_bytes names[TMX_RECIPIENTS_MAX];
    uint8_t sender[TMX_MEMBER_MAX], key[32];
    for (size_t i = 0; i < h->n_recipients; i++) {
        names[i] = tmx_pb(h->recipients[i]->member);
    }
    struct tmx_seal_context ctx = { .message_id = h->message_id.data,
                                    .sender = tmx_pb(h->sender),
                                    .n_recipients = h->n_recipients,
                                    .recipients = names };
    size_t size, payload_size;
    Tmx__Content *content;
    uint8_t *payload;
    switch (node_open(n, a->container, &ctx, a->slot, plaintext, &size, key)) {
    case NODE_OPEN_NO_KEY:   /* not the message's fault: the broker tries again until its expiry */
        node_member_key(tmx_pb(h->sender), sender);
        node_notice(n, "message.key-gone", true, sender, h->message_id.data, TMX_CODE_KEY_GONE, a->item->index);
        return;
    case NODE_OPEN_FAILS:
        exception(n, a, TMX_CODE_CANNOT_OPEN);
        return;
    case NODE_OPEN_OK:
        break;
    }
    int code = tmx_content_unpack(TMX_BYTES(plaintext, size), &n->scratch, &content, &payload, &payload_size);
    if (code < 0) {
        node_fault(n, code);
        return;
    }
    if (code != TMX_CODE_OK) {
        exception(n, a, (unsigned)code);
        return;
    }
    free(payload);
    if (!content_fits(h, content)) {
        exception(n, a, TMX_CODE_CONTENT_MISMATCH);
        return;
    }
    struct tmx_row_in lost;
    if (node_in_read(n, h->message_id.data, &lost)) {
        recovered(n, a, &lost, content, payload_size, key);
    } else {
        arrived(n, a, content, payload_size, key);
    }
}

/* A log that is gone had ended it at the broker, after our CoA was made and too late for it: the new log knows neither, so
 * this node says itself what came of it. An exception follows no CoA, and the application never had it: it is refused, with the
 * exception's code. */
static void outcome_own(struct tmx_node *n, const uint8_t *id, const struct tmx_row_in *row)
{
    struct node_key k = node_key_id_u8(id, 1);
    struct tmx_bytes value;
    bool expired = row->state == TMX_IN_EXPIRED;
    if (n->state.resubmit != 0 && (expired || row->state == TMX_IN_EXCEPTION) &&
        !node_get(n, TMX_NT_REPORT, node_kb(&k), &value)) {
        node_report_make(n, id, row, expired ? TMX__OUTCOME__OUTCOME_EXPIRED : TMX__OUTCOME__OUTCOME_COD_NEGATIVE,
                         expired ? TMX_CODE_EXPIRED : row->code, TMX_BYTES_NULL);
    }
}

static void known(struct tmx_node *n, const struct arrival *a, const struct tmx_row_in *row)
{
    uint8_t digest[32];
    tmx_digest(tmx_pb(a->entry->body), digest);
    if (memcmp(digest, row->header_digest, sizeof(digest)) == 0) {
        outcome_own(n, a->header->message_id.data, row);
        node_report_again(n, a->header->message_id.data);
    } else {
        node_alarm(n, "delivery.same-id-other-bytes", row->sender, a->header->message_id.data,
                   TMX_CODE_SAME_ID_OTHER_BYTES, tmx_pb(a->item->entry));
    }
}

static bool arrival_parse(struct tmx_node *n, const Tmx__FeedItem *item, struct tmx_bytes container,
                          struct arrival *ret_arrival)
{
    Tmx__LogEntry *entry;
    Tmx__Header *h;
    if (tmx_entry_parse(tmx_pb(item->entry), &n->scratch, &entry) != TMX_CODE_OK ||
        (entry->kind != TMX__ENTRY_KIND__ENTRY_ACCEPTANCE && entry->kind != TMX__ENTRY_KIND__ENTRY_RESUBMISSION) ||
        tmx_header_parse(tmx_pb(entry->body), &n->scratch, &h) != TMX_CODE_OK) {
        node_notice(n, "delivery.malformed", true, NULL, NULL, TMX_CODE_MALFORMED, item->index);
        return false;
    }
    *ret_arrival = (struct arrival){ .item = item, .entry = entry, .header = h, .container = container };
    return true;
}

static void arrive(struct tmx_node *n, struct arrival *a)
{
    const Tmx__FeedItem *item = a->item;
    const Tmx__LogEntry *entry = a->entry;
    const Tmx__Header *h = a->header;
    struct tmx_bytes container = a->container;
    node_serial_heard(n, h->directory_serial);
    int slot = own_slot(n, h);
    const uint8_t *id = h->message_id.data;
    uint8_t sender[TMX_MEMBER_MAX];
    node_member_key(tmx_pb(h->sender), sender);
    if (slot < 0 || !tmx_bytes_eq(tmx_pb(entry->member), tmx_pb(h->sender))) {
        node_notice(n, "delivery.misrouted", true, sender, id, TMX_CODE_UNKNOWN_RECIPIENT, item->index);
        return;
    }
    a->slot = (unsigned)slot;
    if (entry->kind == TMX__ENTRY_KIND__ENTRY_RESUBMISSION) {
        node_gaps_pardon(n, h);
    }
    struct tmx_row_in row;
    if (node_in_read(n, id, &row) && (row.state != TMX_IN_LOST || n->state.rebuild)) {
        known(n, a, &row);
        return;
    }
    if (n->fault != 0 || n->state.rebuild || node_directory_behind(n)) {
        return;   /* it comes again */
    }
    if (!node_signature_verify(n, tmx_pb(h->sender), tmx_pb(entry->body), entry->signature)) {
        node_notice(n, "delivery.bad-signature", true, sender, id, TMX_CODE_BAD_SIGNATURE, item->index);
        return;
    }
    /* One that is pulled was let in when that began. */
    bool let_in = container.size > TMX_CHUNK_SIZE || node_has(n, TMX_NT_IN_STAGE, node_id(id));
    if (!let_in && !node_disk_arrive(n, h, item->index)) {
        return;   /* it comes again when there is room */
    }
    if (container.size == 0 && h->container_bytes > TMX_CHUNK_SIZE) {
        node_stage_begin(n, item, id, h->container_bytes);
        return;
    }
    uint8_t digest[32];
    tmx_digest(container, digest);
    if (container.size != h->container_bytes || !tmx_bytes_eq(TMX_BYTES_OF(digest), tmx_pb(h->container_digest))) {
        node_notice(n, "delivery.container-mismatch", true, sender, id, TMX_CODE_CONTAINER_MISMATCH, item->index);
        return;
    }
    uint8_t *plaintext = malloc(container.size + 1);
    if (plaintext == NULL) {
        node_fault(n, -ENOMEM);
        return;
    }
    open_arrival(n, a, plaintext);
    free(plaintext);
}

void node_deliver_item(struct tmx_node *n, const Tmx__FeedItem *item, struct tmx_bytes container)
{
    struct arrival a;
    if (!arrival_parse(n, item, container, &a)) {
        return;
    }
    n->session.received_bytes += a.header->container_bytes;
    if (!node_seen_verify(n, item, a.header->seen)) {
        node_seen_distrust(n, item, a.header->seen);
        return;
    }
    arrive(n, &a);
}

void node_deliver_pulled(struct tmx_node *n, const Tmx__FeedItem *item, struct tmx_bytes container)
{
    struct arrival a;
    if (arrival_parse(n, item, container, &a)) {
        arrive(n, &a);
    }
}
