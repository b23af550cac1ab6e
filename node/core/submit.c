/* SPDX-License-Identifier: Apache-2.0
 * Submissions (NODE-1, NODE-2): checked, stored, answered after the commit. Sealing and signing come later, when the
 * numbers can be taken.
 */
#include <sodium.h>
#include <string.h>

#include "core.h"

#define PRIORITY_DEFAULT 4u
#define LANE_LIFT_MAX 64u

static bool reference_valid(struct tmx_bytes reference)
{
    if (reference.size < 1 || reference.size > TMX_REFERENCE_MAX) {
        return false;
    }
    for (size_t i = 0; i < reference.size; i++) {
        if (reference.data[i] < 0x21 || reference.data[i] > 0x7e) {
            return false;
        }
    }
    return true;
}

/* Texts that travel inside the seal and are shown to people. */
static bool text_valid(struct tmx_bytes text, size_t max)
{
    if (text.size > max) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < 0x20 || text.data[i] == 0x7f) {
            return false;
        }
    }
    return true;
}

static unsigned check_recipients(struct tmx_node *n, const Tmx__SubmitRequest *s, const char **ret_text)
{
    if (s->n_recipients < 1 || s->n_recipients > TMX_RECIPIENTS_MAX) {
        *ret_text = "a submission names 1 to 64 recipients";
        return TMX_CODE_UNKNOWN_RECIPIENT;
    }
    for (size_t i = 0; i < s->n_recipients; i++) {
        struct tmx_bytes code = tmx_pb(s->recipients[i]);
        const Tmx__Member *m = code.size > TMX_MEMBER_MAX ? NULL : tmx_directory_member(n->directory, code);
        if (tmx_bytes_eq(code, n->config.member)) {
            return TMX_CODE_SELF;
        }
        if (m == NULL || m->status == TMX__MEMBER_STATUS__MEMBER_REVOKED) {
            return TMX_CODE_UNKNOWN_RECIPIENT;
        }
        for (size_t j = 0; j < i; j++) {
            if (tmx_bytes_eq(code, tmx_pb(s->recipients[j]))) {
                *ret_text = "a recipient is named twice";
                return TMX_CODE_UNKNOWN_RECIPIENT;
            }
        }
    }
    return TMX_CODE_OK;
}

/* Priority 0 stands for the default, expiry 0 for the node's. */
static void defaults(struct tmx_node *n, Tmx__SubmitRequest *s)
{
    s->priority = s->priority == 0 ? PRIORITY_DEFAULT : s->priority;
    s->expires_ms = s->expires_ms == 0 ? n->wall_ms + n->config.expiry_ms : s->expires_ms;
}

static unsigned check(struct tmx_node *n, const struct node_request *rq, const Tmx__SubmitRequest *s,
                      const char **ret_text)
{
    struct tmx_bytes payload = rq->payload[0], type = tmx_pb(s->message_type);
    unsigned code = node_may_submit(n);
    if (code != TMX_CODE_OK) {
        return code;
    }
    if (payload.size == 0 || payload.size > TMX_PAYLOAD_MAX) {
        return payload.size == 0 ? TMX_CODE_EMPTY_PAYLOAD : TMX_CODE_TOO_LARGE;
    }
    code = check_recipients(n, s, ret_text);
    if (code != TMX_CODE_OK) {
        return code;
    }
    code = tmx_catalogue_check(n->config.catalogue, n->wall_ms, type, tmx_pb(s->mrn), tmx_pb(s->lrn),
                               tmx_pb(s->business_correlation));
    if (code != TMX_CODE_OK) {
        return code;
    }
    const Tmx__Member *me = tmx_directory_member(n->directory, n->config.member);
    if (!node_type_permitted(rq->rights, type)) {
        *ret_text = "the node's configuration does not give this application this message type";
        return TMX_CODE_FORBIDDEN;
    }
    if (me == NULL || !tmx_directory_type_allowed(me, type)) {
        return TMX_CODE_TYPE_NOT_ALLOWED;
    }
    if (s->priority > TMX_PRIORITY_MAX || !text_valid(tmx_pb(s->business_id), 35) ||
        !text_valid(tmx_pb(s->business_correlation), 35) || !text_valid(tmx_pb(s->media_type), 128) ||
        !text_valid(tmx_pb(s->file_name), 255) ||
        (s->correlation_id.len != 0 && s->correlation_id.len != TMX_ID_SIZE)) {
        *ret_text = "a field is out of range: priority at most 9, business ids at most 35 characters, media type 128, "
                    "file name 255, correlation_id 16 bytes";
        return TMX_CODE_MALFORMED;
    }
    if (s->expires_ms <= n->wall_ms) {
        return TMX_CODE_EXPIRED_ON_ARRIVAL;
    }
    if (s->expires_ms > n->wall_ms + TMX_EXPIRY_MAX_MS) {
        return TMX_CODE_EXPIRY_TOO_FAR;
    }
    return node_replaces_check(n, rq, s, ret_text);
}

static void answer(struct tmx_node *n, const struct node_request *rq, const uint8_t *id, bool duplicate)
{
    Tmx__SubmitResponse body = TMX__SUBMIT_RESPONSE__INIT;
    Tmx__Response response = TMX__RESPONSE__INIT;
    body.message_id = tmx_to_pb(node_id(id));
    body.duplicate = duplicate;
    response.body_case = TMX__RESPONSE__BODY_SUBMIT;
    response.submit = &body;
    node_answer(n, rq, &response, NULL, 0);
}

/* What makes two submissions the same message (NODE-1): all the application asks for, and the payload. Not when it expires,
 * since who sends again counts from now again, nor what the file is called. */
static bool digest_of(struct tmx_node *n, const struct node_request *rq, uint8_t ret_digest[32])
{
    struct tmx_bytes packed;
    crypto_generichash_state h;
    Tmx__SubmitRequest s = *rq->pb->submit;
    s.expires_ms = 0;
    s.file_name = tmx_to_pb(TMX_BYTES_NULL);
    if (tmx_codec_pack(&s, &n->scratch, &packed) != TMX_CODEC_OK) {
        return false;
    }
    uint8_t size[8];
    struct tmx_writer w = TMX_WRITER_OF(size);
    tmx_write_u64(&w, packed.size);
    crypto_generichash_init(&h, NULL, 0, 32);
    crypto_generichash_update(&h, size, sizeof(size));
    crypto_generichash_update(&h, packed.data, packed.size);
    crypto_generichash_update(&h, rq->payload[0].data, rq->payload[0].size);
    crypto_generichash_final(&h, ret_digest, 32);
    return true;
}

/* NODE-11: the message whose business id the correlation names. */
static void correlate(struct tmx_node *n, Tmx__SubmitRequest *s, uint8_t found[TMX_ID_SIZE])
{
    struct tmx_bytes value, business = tmx_pb(s->business_correlation);
    if (s->correlation_id.len != 0 || business.size == 0 || business.size >= TMX_KEY_MAX) {
        return;
    }
    struct node_key k;
    struct tmx_writer w = TMX_WRITER_OF(k.data);
    tmx_write_u8(&w, TMX_INDEX_BUSINESS);
    tmx_write_bytes(&w, business);
    k.size = w.used;
    if (node_get(n, TMX_NT_INDEX, node_kb(&k), &value) && value.size == TMX_ID_SIZE) {
        memcpy(found, value.data, TMX_ID_SIZE);
        s->correlation_id = tmx_to_pb(node_id(found));
    }
}

/* A movement runs at the highest priority waiting in it, so that nothing of it is overtaken: the earlier ones are
 * lifted, or, when they are too many, this one goes behind them. */
static void lane_enter(struct tmx_node *n, const uint8_t *id, struct tmx_row_out *row)
{
    struct tmx_bytes key, value;
    struct node_key at = node_lane_key(row);
    uint8_t lowest = row->wait_priority;
    memset(at.data + TMX_LABEL_SIZE, 0, 8);
    for (unsigned i = 0; node_seek(n, TMX_NT_OUT_LANE, node_kb(&at), TMX_LABEL_SIZE, &key, &value); i++) {
        struct tmx_row_out earlier;
        uint8_t other[TMX_ID_SIZE];
        memcpy(other, value.data, sizeof(other));
        at = node_key_after(key);
        if (!node_out_read(n, other, &earlier)) {
            break;
        }
        if (i >= LANE_LIFT_MAX) {
            lowest = earlier.wait_priority < lowest ? earlier.wait_priority : lowest;
            break;
        }
        if (earlier.wait_priority < row->wait_priority) {
            node_wait_delete(n, &earlier);
            earlier.wait_priority = row->wait_priority;
            node_wait_insert(n, other, &earlier);
            node_out_write(n, other, &earlier);
        }
    }
    row->wait_priority = lowest;
    struct node_key lane = node_lane_key(row);
    node_insert(n, TMX_NT_OUT_LANE, node_kb(&lane), node_id(id));
}

void node_submit_store(struct tmx_node *n, const struct node_request *rq, const Tmx__SubmitRequest *s,
                       const uint8_t digest[32], const uint8_t *id)
{
    struct tmx_row_out row = { .state = TMX_OUT_WAITING,
                               .priority = (uint8_t)s->priority,
                               .wait_priority = (uint8_t)s->priority,
                               .order = ++n->state.order,
                               .submitted_ms = n->wall_ms,
                               .expires_ms = s->expires_ms,
                               .payload_bytes = rq->payload[0].size,
                               .n = (uint8_t)s->n_recipients };
    uint8_t reference[TMX_ID_SIZE + 32];
    struct tmx_bytes info;
    n->state_dirty = true;
    for (size_t i = 0; i < s->n_recipients; i++) {
        node_member_key(tmx_pb(s->recipients[i]), row.deliveries[i].member);
        row.deliveries[i].state = TMX_OUT_DELIVERY_QUEUED;
    }
    memcpy(row.wait_member, row.deliveries[0].member, sizeof(row.wait_member));
    if (tmx_codec_pack(s, &n->scratch, &info) != TMX_CODEC_OK) {
        node_fault(n, -ENOMEM);
        return;
    }
    memcpy(reference, id, TMX_ID_SIZE);
    memcpy(reference + TMX_ID_SIZE, digest, 32);
    node_insert(n, TMX_NT_OUT_REFERENCE, tmx_pb(s->reference), TMX_BYTES_OF(reference));
    node_insert(n, TMX_NT_OUT_INFO, node_id(id), info);
    node_insert(n, TMX_NT_OUT_PAYLOAD, node_id(id), rq->payload[0]);
    if (s->mrn.len > 0) {
        tmx_movement_label(tmx_pb(s->mrn), n->config.label_key, row.label);
        lane_enter(n, id, &row);
    }
    node_wait_insert(n, id, &row);
    node_out_write(n, id, &row);
    node_ages_enter(n, id, &row);
    node_due_add(n, row.expires_ms, TMX_DUE_OUT_EXPIRY, id);
    node_index_add(n, TMX_DIRECTION_SENT, id, s->n_recipients, tmx_pb(s->mrn), tmx_pb(s->business_id));
    struct node_step step = { .what = "submitted", .who = n->config.member };
    node_step_add(n, TMX_DIRECTION_SENT, id, &step);
    n->counters.submitted++;
    node_notice(n, "message.submitted", false, NULL, id, TMX_CODE_OK, row.order);
}

void node_submit(struct tmx_node *n, const struct node_request *rq)
{
    Tmx__SubmitRequest s = *rq->pb->submit;
    struct tmx_bytes value;
    uint8_t digest[32], id[TMX_ID_SIZE], random[10], found[TMX_ID_SIZE];
    const char *text = NULL;
    if (!reference_valid(tmx_pb(s.reference))) {
        node_answer_code(n, rq, TMX_CODE_BAD_REFERENCE, NULL);
        return;
    }
    if (!digest_of(n, rq, digest)) {
        node_answer_code(n, rq, TMX_CODE_TOO_LARGE, NULL);
        return;
    }
    if (node_get(n, TMX_NT_OUT_REFERENCE, tmx_pb(s.reference), &value) && value.size == TMX_ID_SIZE + 32) {
        bool same = memcmp(value.data + TMX_ID_SIZE, digest, 32) == 0;
        memcpy(id, value.data, TMX_ID_SIZE);
        if (same) {
            answer(n, rq, id, true);
        } else {
            node_answer_code(n, rq, TMX_CODE_REFERENCE_REUSED, NULL);
        }
        return;
    }
    defaults(n, &s);
    unsigned code = check(n, rq, &s, &text);
    if (code != TMX_CODE_OK) {
        node_answer_code(n, rq, code, text);
        return;
    }
    if (!node_disk_submit(n, rq->payload[0].size, s.n_recipients)) {
        node_answer_code(n, rq, TMX_CODE_DISK_FULL, "the node's storage is full: nothing was stored, submit again later");
        return;
    }
    correlate(n, &s, found);
    node_random(n, random, sizeof(random));
    tmx_message_id(n->wall_ms, random, id);
    node_submit_store(n, rq, &s, digest, id);
    answer(n, rq, id, false);
}
