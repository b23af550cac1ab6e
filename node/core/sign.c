/* SPDX-License-Identifier: Apache-2.0
 * What is signed: submissions in order of priority and submission while every recipient's numbers, prekeys and the
 * window allow (NODE-3, LINK-9); headers, reports and prekey sets together in batches (BAT-3).
 *
 * A submission waits in the queue of one recipient, so that a recipient without credit holds up nobody else; it moves
 * to the queue of the recipient that holds it up, and a later one of a movement follows the earlier.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"

#define SEAL_BUDGET (16u << 20)   /* payload bytes sealed in one turn, or less where the spool is nearly full */

struct node_destination *node_destination(struct tmx_node *n, const uint8_t member[TMX_MEMBER_MAX])
{
    for (size_t i = 0; i < n->n_destinations; i++) {
        if (memcmp(n->destinations[i].member, member, TMX_MEMBER_MAX) == 0) {
            return &n->destinations[i];
        }
    }
    return NULL;
}

static void touch(struct node_destination *d, int more)
{
    if (d != NULL) {
        d->head_known = false;
        d->waiting += (uint64_t)more;
    }
}

struct node_key node_wait_key(const struct tmx_row_out *row)
{
    struct node_key k;
    struct tmx_writer w = TMX_WRITER_OF(k.data);
    tmx_write_bytes(&w, TMX_BYTES_OF(row->wait_member));
    tmx_write_u8(&w, (uint8_t)(TMX_PRIORITY_MAX - row->wait_priority));
    tmx_write_u64(&w, row->order);
    k.size = w.used;
    return k;
}

struct node_key node_lane_key(const struct tmx_row_out *row)
{
    struct node_key k;
    struct tmx_writer w = TMX_WRITER_OF(k.data);
    tmx_write_bytes(&w, TMX_BYTES_OF(row->label));
    tmx_write_u64(&w, row->order);
    k.size = w.used;
    return k;
}

void node_wait_insert(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], const struct tmx_row_out *row)
{
    struct node_key k = node_wait_key(row);
    node_insert(n, TMX_NT_OUT_WAIT, node_kb(&k), node_id(id));
    touch(node_destination(n, row->wait_member), 1);
    n->sign_due = true;
}

void node_wait_delete(struct tmx_node *n, const struct tmx_row_out *row)
{
    struct node_key k = node_wait_key(row);
    node_delete(n, TMX_NT_OUT_WAIT, node_kb(&k));
    touch(node_destination(n, row->wait_member), -1);
}

static void move(struct tmx_node *n, const uint8_t *id, struct tmx_row_out *row, const uint8_t *member,
                 uint8_t priority)
{
    node_wait_delete(n, row);
    memcpy(row->wait_member, member, sizeof(row->wait_member));
    row->wait_priority = priority;
    node_wait_insert(n, id, row);
    node_out_write(n, id, row);
}

static bool has_label(const struct tmx_row_out *row)
{
    return !sodium_is_zero(row->label, sizeof(row->label));
}

void node_out_unqueue(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], const struct tmx_row_out *row)
{
    node_wait_delete(n, row);
    if (has_label(row)) {
        struct node_key lane = node_lane_key(row);
        node_delete(n, TMX_NT_OUT_LANE, node_kb(&lane));
    }
    node_drop(n, TMX_NT_OUT_PAYLOAD, node_id(id));
    node_due_drop(n, row->expires_ms, TMX_DUE_OUT_EXPIRY, id);
}

void node_out_cancel(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], struct tmx_row_out *row, unsigned code)
{
    assert(row->state == TMX_OUT_WAITING);
    bool expired = code == TMX_CODE_EXPIRED;
    node_out_unqueue(n, id, row);
    row->state = TMX_OUT_REJECTED;
    row->code = code;
    for (size_t i = 0; i < row->n; i++) {
        node_ages_leave(n, id, row, &row->deliveries[i]);
        row->deliveries[i].state = expired ? TMX_OUT_DELIVERY_EXPIRED : TMX_OUT_DELIVERY_REJECTED;
    }
    node_out_write(n, id, row);
    node_index_close(n, TMX_DIRECTION_SENT, id, row->n);
    struct node_step step = { .what = expired ? "expired" : "rejected", .who = n->config.member, .code = code };
    node_step_add(n, TMX_DIRECTION_SENT, id, &step);
    node_notice(n, "message.cancelled", true, NULL, id, code, 0);
}

void node_out_drop(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE])
{
    struct tmx_row_out row;
    if (node_out_read(n, id, &row)) {
        struct node_key k = node_key_u8_id(TMX_DIRECTION_SENT, id);
        node_container_drop(n, TMX_NT_OUT_CONTAINER, id, row.container_bytes);
        node_drop(n, TMX_NT_ARCHIVE, node_kb(&k));
    }
}

void node_out_close(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], const struct tmx_row_out *row)
{
    node_index_close(n, TMX_DIRECTION_SENT, id, row->n);
    if (n->config.retention_ms == 0) {
        node_out_drop(n, id);
    } else {
        node_due_add(n, n->wall_ms + n->config.retention_ms, TMX_DUE_OUT_RETENTION, id);
    }
}

Tmx__Head *node_seen(struct tmx_node *n, Tmx__Head *head)
{
    if (n->state.head.size == 0) {
        return NULL;
    }
    node_head_keep(n);
    head->shard = tmx_to_pb(tmx_bytes_str(n->state.head.shard));
    head->size = n->state.head.size;
    head->root = tmx_to_pb(TMX_BYTES_OF(n->state.head.root.b));
    return head;
}

/* Batches */

static void store_signed(struct tmx_node *n, const struct node_pending *p, const struct tmx_signature *signature)
{
    Tmx__Signed envelope = TMX__SIGNED__INIT;
    struct tmx_bytes frame;
    envelope.body = tmx_to_pb(p->body);
    envelope.signature = tmx_signature_to_pb(signature, &n->scratch);
    envelope.attachment = tmx_to_pb(p->attachment);
    if (envelope.signature == NULL || tmx_codec_pack(&envelope, &n->scratch, &frame) != TMX_CODEC_OK) {
        node_fault(n, -ENOMEM);
        return;
    }
    if (p->kind == TMX__KIND__KIND_HEADER) {
        struct node_key number = node_key_u64(p->number);
        node_insert(n, TMX_NT_OUT_SIGNED, node_id(p->id), frame);
        node_insert(n, TMX_NT_OUT_OPEN, node_kb(&number), node_id(p->id));
    } else if (p->kind == TMX__KIND__KIND_REPORT) {
        uint8_t row[8 + TMX_ENTRY_MAX + 64];
        struct tmx_writer w = TMX_WRITER_OF(row);
        struct node_key k = node_key_id_u8(p->id, p->which);
        /* Numbered here and not before: the window of what is sent may be set anew in between, behind every number
         * given so far. */
        struct node_key number = node_key_u64(++n->state.report);
        n->state_dirty = true;
        tmx_write_u64(&w, n->state.report);
        tmx_write_bytes(&w, frame);
        node_insert(n, TMX_NT_REPORT, node_kb(&k), tmx_written(&w));
        node_insert(n, TMX_NT_REPORT_OPEN, node_kb(&number), node_kb(&k));
    } else {
        node_put(n, TMX_NT_META, TMX_LIT("prekeys"), frame);
    }
}

void node_sign_flush(struct tmx_node *n)
{
    struct tmx_bytes bodies[TMX_BATCH_MAX];
    struct tmx_signature signatures[TMX_BATCH_MAX];
    if (n->n_pending == 0 || n->fault != 0) {
        return;
    }
    for (size_t i = 0; i < n->n_pending; i++) {
        bodies[i] = n->pending[i].body;
    }
    n->state.batch_no = n->wall_us > n->state.batch_no ? n->wall_us : n->state.batch_no + 1;
    n->state_dirty = true;
    tmx_batch_sign(bodies, n->n_pending, n->state.batch_no, &n->sign_key, n->config.signing_secret, signatures);
    for (size_t i = 0; i < n->n_pending; i++) {
        store_signed(n, &n->pending[i], &signatures[i]);
    }
    n->n_pending = 0;
    tmx_arena_reset(&n->bodies);
}

void node_sign_add(struct tmx_node *n, const struct node_pending *pending)
{
    if (n->n_pending == TMX_BATCH_MAX) {
        node_sign_flush(n);
    }
    if (n->fault != 0) {
        return;
    }
    struct node_pending *p = &n->pending[n->n_pending];
    *p = *pending;
    if (!tmx_arena_copy(&n->bodies, pending->body, &p->body) ||
        !tmx_arena_copy(&n->bodies, pending->attachment, &p->attachment)) {
        node_fault(n, -ENOMEM);
        return;
    }
    n->n_pending++;
}

/* One submission */

struct signing {
    uint8_t id[TMX_ID_SIZE];
    struct tmx_row_out row;
    struct node_destination *to[TMX_RECIPIENTS_MAX];
    uint64_t prev[TMX_RECIPIENTS_MAX];
};

static uint64_t number_read(struct tmx_node *n, uint8_t table, const struct node_key *k)
{
    struct tmx_bytes value;
    return node_get(n, table, node_kb(k), &value) ? node_u64(value) : 0;
}

static void number_write(struct tmx_node *n, uint8_t table, const struct node_key *k, uint64_t v)
{
    uint8_t data[8];
    struct tmx_writer w = TMX_WRITER_OF(data);
    tmx_write_u64(&w, v);
    node_put(n, table, node_kb(k), tmx_written(&w));
}

static struct node_key movement_key(const struct tmx_row_out *row, const uint8_t *member)
{
    struct node_key k;
    struct tmx_writer w = TMX_WRITER_OF(k.data);
    tmx_write_bytes(&w, TMX_BYTES(member, TMX_MEMBER_MAX));
    tmx_write_bytes(&w, TMX_BYTES_OF(row->label));
    k.size = w.used;
    return k;
}

/* Is an earlier submission of the movement still waiting? Then this one goes behind it. */
static bool behind_lane(struct tmx_node *n, struct signing *s)
{
    struct tmx_bytes key, value;
    struct tmx_row_out first;
    struct node_key lane = node_lane_key(&s->row);
    memset(lane.data + TMX_LABEL_SIZE, 0, 8);
    if (!has_label(&s->row) || !node_seek(n, TMX_NT_OUT_LANE, node_kb(&lane), TMX_LABEL_SIZE, &key, &value) ||
        tmx_bytes_eq(value, node_id(s->id))) {
        return false;
    }
    uint8_t id[TMX_ID_SIZE];
    memcpy(id, value.data, sizeof(id));
    if (!node_out_read(n, id, &first)) {
        node_fault(n, n->fault != 0 ? n->fault : -EBADMSG);
        return true;
    }
    uint8_t priority = first.wait_priority < s->row.wait_priority ? first.wait_priority : s->row.wait_priority;
    move(n, s->id, &s->row, first.wait_member, priority);
    return true;
}

/* A new shard knows nothing of the pair's numbers yet: its first header goes as a resubmission, which may leave a gap. */
static bool unsynced(const struct tmx_node *n, const struct node_destination *d, uint64_t seq)
{
    return n->state.resubmit != 0 && d->told_seq == 0 && seq > 1;
}

/* Everybody's numbers and prekeys; false: it waits, or ended. */
static bool recipients_ready(struct tmx_node *n, struct signing *s)
{
    for (size_t i = 0; i < s->row.n; i++) {
        struct tmx_row_out_delivery *d = &s->row.deliveries[i];
        const Tmx__Member *m = tmx_directory_member(n->directory, node_member_code(d->member));
        s->to[i] = node_destination(n, d->member);
        if (m == NULL || m->status == TMX__MEMBER_STATUS__MEMBER_REVOKED || s->to[i] == NULL) {
            node_out_cancel(n, s->id, &s->row, TMX_CODE_UNKNOWN_RECIPIENT);
            return false;
        }
        struct node_key k = node_key_member(d->member);
        uint64_t last = number_read(n, TMX_NT_OUT_PAIR, &k);   /* or what the broker has consumed, when the disk has taken ours */
        d->seq = (last > s->to[i]->told_seq ? last : s->to[i]->told_seq) + 1;
        if ((d->seq > s->to[i]->max_seq && !unsynced(n, s->to[i], d->seq)) || !node_prekey_ready(n, s->to[i])) {
            for (size_t j = 0; j <= i; j++) {
                s->row.deliveries[j].seq = 0;
            }
            s->to[i]->blocked = true;
            if (memcmp(s->row.wait_member, d->member, TMX_MEMBER_MAX) != 0) {
                move(n, s->id, &s->row, d->member, s->row.wait_priority);
            }
            return false;
        }
    }
    return true;
}

static void numbers_take(struct tmx_node *n, struct signing *s)
{
    for (size_t i = 0; i < s->row.n; i++) {
        struct tmx_row_out_delivery *d = &s->row.deliveries[i];
        struct node_key pair = node_key_member(d->member);
        number_write(n, TMX_NT_OUT_PAIR, &pair, d->seq);
        s->prev[i] = 0;
        if (has_label(&s->row)) {
            struct node_key k = movement_key(&s->row, d->member);
            s->prev[i] = number_read(n, TMX_NT_OUT_MOVEMENT, &k);
            number_write(n, TMX_NT_OUT_MOVEMENT, &k, d->seq);
        }
    }
}

static void header_sign(struct tmx_node *n, struct signing *s, const Tmx__SubmitRequest *info)
{
    Tmx__Recipient recipients[TMX_RECIPIENTS_MAX], *pointers[TMX_RECIPIENTS_MAX];
    Tmx__Head seen = TMX__HEAD__INIT;
    Tmx__Header h = TMX__HEADER__INIT;
    for (size_t i = 0; i < s->row.n; i++) {
        recipients[i] = (Tmx__Recipient)TMX__RECIPIENT__INIT;
        recipients[i].member = tmx_to_pb(node_member_code(s->row.deliveries[i].member));
        recipients[i].seq = s->row.deliveries[i].seq;
        recipients[i].prev = s->prev[i];
        pointers[i] = &recipients[i];
    }
    h.kind = TMX__KIND__KIND_HEADER;
    h.directory_serial = tmx_directory_serial(n->directory);
    h.message_id = tmx_to_pb(node_id(s->id));
    h.sender = tmx_to_pb(n->config.member);
    h.n_recipients = s->row.n;
    h.recipients = pointers;
    h.message_type = info->message_type;
    h.movement_label = has_label(&s->row) ? tmx_to_pb(TMX_BYTES_OF(s->row.label)) : (ProtobufCBinaryData){ 0, NULL };
    h.correlation_id = info->correlation_id;
    h.priority = s->row.priority;
    h.sent_ms = s->row.submitted_ms;
    h.expires_ms = s->row.expires_ms;
    h.container_bytes = s->row.container_bytes;
    h.container_digest = tmx_to_pb(TMX_BYTES_OF(s->row.container_digest));
    h.reports_requested = info->reports_requested;
    h.seen = node_seen(n, &seen);
    h.replaces = info->replaces;
    struct node_pending p = { .kind = TMX__KIND__KIND_HEADER, .number = s->row.number };
    memcpy(p.id, s->id, sizeof(p.id));
    if (tmx_codec_pack(&h, &n->scratch, &p.body) != TMX_CODEC_OK || p.body.size > TMX_HEADER_MAX) {
        node_fault(n, -EMSGSIZE);
        return;
    }
    tmx_digest(p.body, s->row.header_digest);
    node_sign_add(n, &p);
}

/* Of what was to be sent something is gone (NODE-16): its application is told, and has it still. */
static void unsendable(struct tmx_node *n, struct signing *s)
{
    if (n->fault == 0) {
        node_out_cancel(n, s->id, &s->row, TMX_CODE_RECORD_DAMAGED);
    }
}

/* False: it could not be sealed; it ended. */
static bool seal(struct tmx_node *n, struct signing *s, const Tmx__SubmitRequest *info)
{
    Tmx__Content content = TMX__CONTENT__INIT;
    struct tmx_bytes payload;
    uint8_t *container, key[32];
    size_t size, bad = 0;
    content.message_id = tmx_to_pb(node_id(s->id));
    content.message_type = info->message_type;
    content.mrn = info->mrn;
    content.lrn = info->lrn;
    content.business_id = info->business_id;
    content.business_correlation = info->business_correlation;
    content.media_type = info->media_type;
    content.file_name = info->file_name;
    if (!node_get(n, TMX_NT_OUT_PAYLOAD, node_id(s->id), &payload)) {
        unsendable(n, s);
        return false;
    }
    if (!node_seal(n, &content, payload, s->to, s->row.n, &container, &size, key, &bad)) {
        if (n->fault == 0) {   /* a recipient's prekey is a bad point */
            node_out_cancel(n, s->id, &s->row, TMX_CODE_BAD_PREKEYS);
        }
        return false;
    }
    s->row.container_bytes = size;
    tmx_digest(TMX_BYTES(container, size), s->row.container_digest);
    node_container_store(n, TMX_NT_OUT_CONTAINER, s->id, TMX_BYTES(container, size));
    node_archive_store(n, TMX_DIRECTION_SENT, s->id, key);
    sodium_memzero(key, sizeof(key));
    free(container);
    return true;
}

/* What was submitted, in the scratch arena. */
static bool info_read(struct tmx_node *n, const uint8_t *id, Tmx__SubmitRequest **ret_info)
{
    struct tmx_bytes value, copy;
    return node_get(n, TMX_NT_OUT_INFO, node_id(id), &value) && tmx_arena_copy(&n->scratch, value, &copy) &&
           tmx_codec_unpack(&tmx__submit_request__descriptor, copy, copy.size, &n->scratch, ret_info) == TMX_CODEC_OK;
}

static void sign_one(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], size_t *bytes)
{
    struct signing s;
    Tmx__SubmitRequest *info;
    tmx_arena_reset(&n->scratch);
    memcpy(s.id, id, sizeof(s.id));
    if (!node_out_read(n, s.id, &s.row)) {
        node_fault(n, n->fault != 0 ? n->fault : -EBADMSG);
        return;
    }
    if (s.row.expires_ms <= n->wall_ms && !n->clock_doubt) {
        node_out_cancel(n, s.id, &s.row, TMX_CODE_EXPIRED);
        return;
    }
    if (behind_lane(n, &s) || !recipients_ready(n, &s)) {
        return;
    }
    if (!info_read(n, s.id, &info) || info->message_type.len == 0) {
        unsendable(n, &s);
        return;
    }
    if (!seal(n, &s, info)) {
        return;
    }
    *bytes += s.row.payload_bytes;
    node_out_unqueue(n, s.id, &s.row);
    numbers_take(n, &s);
    s.row.state = TMX_OUT_SIGNED;
    s.row.number = ++n->state.number;
    for (size_t i = 0; i < s.row.n; i++) {
        bool gap = unsynced(n, s.to[i], s.row.deliveries[i].seq);
        n->state.resubmit = gap ? s.row.number : n->state.resubmit;
    }
    n->state_dirty = true;
    header_sign(n, &s, info);
    node_out_write(n, s.id, &s.row);
    struct node_step step = { .what = "signed", .who = n->config.member };
    node_step_add(n, TMX_DIRECTION_SENT, s.id, &step);
    node_notice(n, "message.signed", false, NULL, s.id, TMX_CODE_OK, s.row.number);
}

/* Of the same numbers and for the same container: the broker never had the one before. */
void node_header_again(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], struct tmx_row_out *row)
{
    struct signing s = { .row = *row };
    Tmx__SubmitRequest *info;
    struct node_key number = node_key_u64(row->number);
    if (!info_read(n, id, &info)) {
        return;
    }
    memcpy(s.id, id, sizeof(s.id));
    for (size_t i = 0; i < row->n; i++) {
        s.prev[i] = node_out_prev(n, row, &row->deliveries[i]);
    }
    node_drop(n, TMX_NT_OUT_OPEN, node_kb(&number));
    header_sign(n, &s, info);
    node_out_write(n, id, &s.row);
    node_sign_flush(n);
    node_notice(n, "message.signed-again", true, NULL, id, TMX_CODE_RECORD_DAMAGED, row->number);
    *row = s.row;
}

static void head_look(struct tmx_node *n, struct node_destination *d)
{
    struct node_key k = node_key_member(d->member);
    struct tmx_bytes key, value;
    d->head_known = true;
    d->head_exists = node_seek(n, TMX_NT_OUT_WAIT, node_kb(&k), TMX_MEMBER_MAX, &key, &value);
    if (d->head_exists) {
        assert(key.size == TMX_MEMBER_MAX + 9 && value.size == TMX_ID_SIZE);
        d->head_priority = key.data[TMX_MEMBER_MAX];
        d->head_order = node_u64(tmx_bytes_slice(key, TMX_MEMBER_MAX + 1, 8));
        memcpy(d->head_id, value.data, TMX_ID_SIZE);
    }
}

static struct node_destination *next_destination(struct tmx_node *n)
{
    struct node_destination *best = NULL;
    for (size_t i = 0; i < n->n_destinations; i++) {
        struct node_destination *d = &n->destinations[i];
        if (d->blocked) {
            continue;
        }
        if (!d->head_known) {
            head_look(n, d);
        }
        bool better = d->head_exists && (best == NULL || d->head_priority < best->head_priority ||
                                         (d->head_priority == best->head_priority && d->head_order < best->head_order));
        best = better ? d : best;
    }
    return best;
}

static bool may_sign(struct tmx_node *n)
{
    return n->session.state == NODE_UP && !n->clock_doubt && !n->state.rebuild && !n->state.carry && !node_directory_behind(n) &&
           !tmx_directory_expired(n->directory, n->wall_ms) && node_may_submit(n) == TMX_CODE_OK;
}

static bool window_open(const struct tmx_node *n)
{
    return n->state.number + 1 < n->submits.base + NODE_FLIGHT;
}

/* Nothing waits any more. */
static void largest_forget(struct tmx_node *n)
{
    uint64_t waiting = 0;
    for (size_t i = 0; i < n->n_destinations; i++) {
        waiting += n->destinations[i].waiting;
    }
    if (waiting == 0 && n->state.waiting_largest != 0) {
        n->state.waiting_largest = 0;
        n->state_dirty = true;
    }
}

void node_sign_close(struct tmx_node *n)
{
    size_t bytes = 0, budget = n->turn_bytes < SEAL_BUDGET ? (size_t)n->turn_bytes : SEAL_BUDGET;
    budget = budget > 0 ? budget : 1;   /* one at least */
    if (n->sign_due && may_sign(n)) {
        for (size_t i = 0; i < n->n_destinations; i++) {
            n->destinations[i].blocked = false;
        }
        struct node_destination *d = NULL;
        while (n->fault == 0 && window_open(n) && bytes < budget && (d = next_destination(n)) != NULL) {
            sign_one(n, d->head_id, &bytes);
        }
        n->sign_due = d != NULL && !window_open(n) ? false : bytes >= budget;
        n->more = n->more || n->sign_due;
        largest_forget(n);
    }
    node_sign_flush(n);
}
