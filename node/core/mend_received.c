/* SPDX-License-Identifier: Apache-2.0
 * Rows about messages received, and about reports made of them, that the disk has spoilt: made again from the leaves that are kept, from
 * the reports, and from where the message stands in the inbox (NODE-16).
 */
#include <string.h>

#include "core.h"

/* The report that made its outcome, or the broker's end of it, or that its number has one. */
static bool outcome_find(struct tmx_node *n, const uint8_t *id, struct tmx_row_in *row)
{
    struct node_key k = node_key_id_u8(id, 1), seq = node_key_member_u64(row->sender, row->seq);
    struct tmx_bytes value, copy;
    struct tmx_signature signature;
    Tmx__Signed *own;
    Tmx__Report *r;
    Tmx__LogEntry *entry;
    uint8_t shard[TMX_SHARD_MAX];
    uint64_t index;
    row->outcome_verified = node_leaf_read(n, id, TMX_EVIDENCE_OUTCOME, n->member, shard, &index, &entry);
    if (node_get(n, TMX_NT_REPORT, node_kb(&k), &value) && value.size > 8 && tmx_arena_copy(&n->scratch, value, &copy) &&
        tmx_signed_parse(tmx_bytes_slice(copy, 8, copy.size - 8), &n->scratch, &own, &signature) == TMX_CODE_OK &&
        tmx_report_parse(tmx_pb(own->body), &n->scratch, &r) == TMX_CODE_OK) {
        row->state = (uint8_t)node_end_state(r->outcome);
        row->code = r->code;
        return true;
    }
    if (row->outcome_verified) {
        bool expired = entry->kind == TMX__ENTRY_KIND__ENTRY_EXPIRED;
        row->outcome_verified = false;   /* it is of no report of this node */
        row->state = expired ? TMX_IN_EXPIRED : TMX_IN_EXCEPTION;
        row->code = expired ? TMX_CODE_EXPIRED : entry->code;
        return true;
    }
    if (node_get(n, TMX_NT_IN_SEQ, node_kb(&seq), &value) && value.size == 1 && value.data[0] == TMX_SEQ_RESOLVED) {
        row->state = TMX_IN_EXPIRED;
        row->code = TMX_CODE_EXPIRED;
        return true;
    }
    return false;
}

/* It waits for an earlier one: its row there says for which. */
static bool blocked_find(struct tmx_node *n, const uint8_t *id, struct tmx_row_in *row)
{
    struct node_key at = node_key_member(row->sender);
    struct tmx_bytes key, value;
    while (node_seek(n, TMX_NT_IN_WAIT, node_kb(&at), TMX_MEMBER_MAX, &key, &value)) {
        at = node_key_after(key);
        if (key.size == TMX_MEMBER_MAX + 8 + TMX_ID_SIZE && memcmp(key.data + TMX_MEMBER_MAX + 8, id, TMX_ID_SIZE) == 0) {
            row->waits_for = node_u64(tmx_bytes_slice(key, TMX_MEMBER_MAX, 8));
            return true;
        }
    }
    return false;
}

static bool lease_find(struct tmx_node *n, const uint8_t *id, uint64_t *ret_until_ms)
{
    struct node_key at = { .data = { TMX_DUE_LEASE }, .size = 1 };
    struct tmx_bytes key, value;
    while (node_seek(n, TMX_NT_DUE, node_kb(&at), 1, &key, &value)) {
        at = node_key_after(key);
        if (key.size == 9 + TMX_ID_SIZE && memcmp(key.data + 9, id, TMX_ID_SIZE) == 0) {
            *ret_until_ms = node_u64(tmx_bytes_slice(key, 1, 8));
            return true;
        }
    }
    return false;
}

/* Where it stands in the inbox. Of a lease its end is known and not its token: who has it can renew and acknowledge it no more, and it
 * is offered again. */
static enum tmx_in_state stand_find(struct tmx_node *n, const uint8_t *id, struct tmx_row_in *row)
{
    struct node_key ready = node_in_ready_key(row, id);
    if (node_has(n, TMX_NT_IN_STAGE, node_id(id))) {
        return TMX_IN_LOST;
    }
    if (!row->coa_verified) {
        return TMX_IN_ARRIVED;
    }
    if (node_has(n, TMX_NT_IN_READY, node_kb(&ready))) {
        return TMX_IN_READY;
    }
    if (blocked_find(n, id, row)) {
        return TMX_IN_BLOCKED;
    }
    if (lease_find(n, id, &row->lease_until_ms)) {
        node_random(n, row->token, sizeof(row->token));
        return TMX_IN_LEASED;
    }
    n->state.held += n->state.held == 0 ? 1 : 0;   /* nothing else is left; an operator decides */
    n->state_dirty = true;
    return TMX_IN_HELD;
}

bool node_in_mend(struct tmx_node *n, uint8_t table, const struct node_key *key)
{
    struct tmx_row_in row;
    Tmx__LogEntry *entry;
    uint8_t shard[TMX_SHARD_MAX];
    (void)table;
    if (key->size != TMX_ID_SIZE || !node_in_fill(n, key->data, &row)) {
        node_fault(n, -EBADMSG);   /* its acceptance, too: that it was here must not be forgotten, it would be taken twice */
        return false;
    }
    row.coa_verified = node_leaf_read(n, key->data, TMX_EVIDENCE_COA, n->member, shard, &row.coa_index, &entry);
    row.coa_index = row.coa_verified ? row.coa_index : 0;
    row.redelivered = true;
    if (!outcome_find(n, key->data, &row)) {
        row.state = (uint8_t)stand_find(n, key->data, &row);
        row.container_bytes = row.state == TMX_IN_LOST ? 0 : row.container_bytes;
    }
    node_in_write(n, key->data, &row);
    return true;
}

/* Of one that is still to be handed over the header does not tell enough: what is missing then leads to the container. */
bool node_in_info_mend(struct tmx_node *n, uint8_t table, const struct node_key *key)
{
    struct tmx_row_in row;
    (void)table;
    return key->size == TMX_ID_SIZE && node_in_read(n, key->data, &row) && row.state >= TMX_IN_DELIVERED && node_in_tell(n, key->data);
}

/* It was known: its message tells whether it has its outcome; without one it has, for a leaf has said so. */
bool node_in_seq_mend(struct tmx_node *n, uint8_t table, const struct node_key *number)
{
    struct node_key at = { .size = 1 };
    struct tmx_bytes key, value;
    uint8_t state = TMX_SEQ_RESOLVED;
    while (state == TMX_SEQ_RESOLVED && n->fault == 0 && node_seek(n, TMX_NT_IN, node_kb(&at), 0, &key, &value)) {
        struct tmx_row_in row;
        uint8_t id[TMX_ID_SIZE];
        memcpy(id, key.data, key.size < sizeof(id) ? key.size : sizeof(id));
        at = node_key_after(key);
        if (!node_in_read(n, id, &row)) {
            continue;
        }
        struct node_key k = node_key_member_u64(row.sender, row.seq);
        if (tmx_bytes_eq(node_kb(&k), node_kb(number)) && row.state < TMX_IN_DELIVERED) {
            state = TMX_SEQ_ARRIVED;
        }
    }
    node_put(n, table, node_kb(number), TMX_BYTES(&state, 1));
    return true;
}

/* Of one that arrived once it is begun anew; any other is delivered again. */
bool node_in_stage_mend(struct tmx_node *n, uint8_t table, const struct node_key *key)
{
    struct tmx_row_in row;
    Tmx__FeedItem item;
    Tmx__LogEntry *entry;
    Tmx__Header *h;
    struct node_key at = *key;
    struct tmx_bytes chunk, value;
    (void)table;
    bool known = node_in_read(n, key->data, &row);
    if (known && row.state != TMX_IN_LOST) {
        return false;
    }
    for (uint32_t i = 0; i <= TMX_CONTAINER_MAX / TMX_CHUNK_SIZE && node_seek(n, TMX_NT_IN_CONTAINER, node_kb(&at), TMX_ID_SIZE, &chunk, &value); i++) {
        struct node_key k = { .size = chunk.size };
        memcpy(k.data, chunk.data, chunk.size);
        node_delete(n, TMX_NT_IN_CONTAINER, node_kb(&k));
    }
    node_stage_forget(n, key->data);
    if (known && node_acceptance_read(n, key->data, &item, &entry, &h)) {
        node_stage_begin(n, &item, key->data, h->container_bytes);
    }
    return true;
}

/* The number under which it is still to be sent; 0: its leaf is verified. */
static uint64_t open_number(struct tmx_node *n, struct tmx_bytes report)
{
    struct node_key at = node_key_u64(0);
    struct tmx_bytes key, value;
    while (node_seek(n, TMX_NT_REPORT_OPEN, node_kb(&at), 0, &key, &value)) {
        at = node_key_after(key);
        if (tmx_bytes_eq(value, report)) {
            return node_u64(key);
        }
    }
    return 0;
}

static bool report_write(struct tmx_node *n, const struct node_key *key, const Tmx__LogEntry *entry, uint64_t number)
{
    uint8_t row[8 + TMX_ENTRY_MAX + 64];
    struct tmx_writer w = TMX_WRITER_OF(row);
    struct tmx_bytes frame;
    if (!node_signed_pack(n, entry, &frame)) {
        return false;
    }
    n->state_dirty = n->state_dirty || number == 0;
    tmx_write_u64(&w, number != 0 ? number : ++n->state.report);
    tmx_write_bytes(&w, frame);
    node_put(n, TMX_NT_REPORT, node_kb(key), tmx_written(&w));
    return true;
}

/* From its leaf. One that has none yet may have it at the broker: it comes with the feed, or is made anew when it does not. */
bool node_report_mend(struct tmx_node *n, uint8_t table, const struct node_key *key)
{
    Tmx__LogEntry *entry;
    uint8_t shard[TMX_SHARD_MAX];
    uint64_t index;
    (void)table;
    bool coa = key->size == TMX_ID_SIZE + 1 && key->data[TMX_ID_SIZE] == 0;
    return node_leaf_read(n, key->data, coa ? TMX_EVIDENCE_COA : TMX_EVIDENCE_OUTCOME, n->member, shard, &index, &entry) &&
           entry->kind == TMX__ENTRY_KIND__ENTRY_REPORT && report_write(n, key, entry, open_number(n, node_kb(key)));
}

bool node_report_open_mend(struct tmx_node *n, uint8_t table, const struct node_key *number)
{
    struct node_key at = { .size = 1 };
    struct tmx_bytes key, value;
    while (node_seek(n, TMX_NT_REPORT, node_kb(&at), 0, &key, &value)) {
        at = node_key_after(key);
        if (value.size >= 8 && node_u64(tmx_bytes_slice(value, 0, 8)) == node_u64(node_kb(number))) {
            struct node_key found = { .size = key.size };
            memcpy(found.data, key.data, key.size);
            node_put(n, table, node_kb(number), node_kb(&found));
            return true;
        }
    }
    return false;
}

bool node_report_from_leaf(struct tmx_node *n, const Tmx__Report *r, const Tmx__LogEntry *entry)
{
    struct node_key key = node_key_id_u8(r->message_id.data, r->outcome == TMX__OUTCOME__OUTCOME_COA ? 0 : 1);
    struct tmx_row_in row;
    uint64_t number = open_number(n, node_kb(&key));
    return number != 0 && node_in_read(n, r->message_id.data, &row) && r->seq == row.seq &&
           tmx_bytes_eq(tmx_pb(r->header_digest), TMX_BYTES_OF(row.header_digest)) &&
           node_signature_verify(n, n->config.member, tmx_pb(entry->body), entry->signature) && report_write(n, &key, entry, number);
}

/* Of an exception that followed a CoA the log knows none: it is refused with its code (QUE-7). */
void node_report_anew(struct tmx_node *n, uint64_t number, const struct node_key *report)
{
    struct node_key open = node_key_u64(number), coa = node_key_id_u8(report->data, 0);
    struct tmx_row_in row;
    Tmx__Outcome outcome = TMX__OUTCOME__OUTCOME_COA;
    node_drop(n, TMX_NT_REPORT_OPEN, node_kb(&open));
    node_window_done(&n->reports, number);
    n->more = true;
    if (!node_in_read(n, report->data, &row)) {
        return;
    }
    if (report->data[TMX_ID_SIZE] != 0) {
        outcome = row.state == TMX_IN_DELIVERED ? TMX__OUTCOME__OUTCOME_COD_POSITIVE
                  : row.state == TMX_IN_EXPIRED ? TMX__OUTCOME__OUTCOME_EXPIRED
                  : row.state == TMX_IN_REFUSED || node_has(n, TMX_NT_REPORT, node_kb(&coa)) ? TMX__OUTCOME__OUTCOME_COD_NEGATIVE
                                                                                             : TMX__OUTCOME__OUTCOME_COE;
    }
    tmx_arena_reset(&n->scratch);
    node_report_make(n, report->data, &row, outcome, outcome == TMX__OUTCOME__OUTCOME_COA ? TMX_CODE_OK : row.code, TMX_BYTES_NULL);
    node_sign_flush(n);
    node_notice(n, "report.signed-again", true, row.sender, report->data, TMX_CODE_RECORD_DAMAGED, number);
}

/* The leaf with the highest serial that is kept of the member. */
bool node_prekeys_mend(struct tmx_node *n, uint8_t table, const struct node_key *member)
{
    struct node_key at = *member;
    struct tmx_bytes key, value, copy;
    uint64_t highest = 0;
    (void)table;
    while (node_seek(n, TMX_NT_PREKEY_LEAF, node_kb(&at), TMX_MEMBER_MAX, &key, &value)) {
        const size_t used = n->scratch.used;
        Tmx__LogEntry *entry;
        Tmx__PrekeySet *set;
        at = node_key_after(key);
        struct tmx_reader r = tmx_reader_init(tmx_arena_copy(&n->scratch, value, &copy) ? copy : TMX_BYTES_NULL);
        tmx_read_bytes(&r, TMX_SHARD_MAX + 16);
        tmx_read_bytes(&r, tmx_read_u16(&r));
        struct tmx_bytes bytes = tmx_read_bytes(&r, r.left);
        if (tmx_reader_ok(&r) && tmx_entry_parse(bytes, &n->scratch, &entry) == TMX_CODE_OK &&
            tmx_prekeys_parse(tmx_pb(entry->body), &n->scratch, &set) == TMX_CODE_OK && set->set_serial > highest) {
            highest = set->set_serial;
            node_prekeys_store(n, set, tmx_pb(entry->body));
        }
        tmx_arena_rewind(&n->scratch, used);
    }
    return highest > 0;
}
