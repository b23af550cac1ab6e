/* SPDX-License-Identifier: Apache-2.0
 * What an application may look at: a movement, a message, lists, the events of this node. Reads only.
 */
#include <string.h>

#include <tmx/text.h>

#include "core.h"

#define STEPS_MAX 512u
#define MOVEMENT_MAX 256u
#define LIST_MAX 1000u
#define EVENTS_MAX 1000u
#define ANSWER_BYTES_MAX (TMX_APP_RESPONSE_MAX / 2)   /* unpacked; one more message still fits behind it */

static const char *delivery_state_name(uint8_t state)
{
    static const char *const names[] = { "",          "queued",  "accepted", "arrived",  "delivered",
                                         "refused",   "expired", "exception", "rejected" };
    return state < TMX_N(names) ? names[state] : "";
}

static const char *in_state_name(uint8_t state)
{
    switch ((enum tmx_in_state)state) {
    case TMX_IN_DELIVERED:
        return "delivered";
    case TMX_IN_REFUSED:
        return "refused";
    case TMX_IN_EXPIRED:
        return "expired";
    case TMX_IN_EXCEPTION:
        return "exception";
    case TMX_IN_ARRIVED:
    case TMX_IN_BLOCKED:
    case TMX_IN_READY:
    case TMX_IN_LEASED:
    case TMX_IN_LOST:
        return "arrived";
    case TMX_IN_HELD:
        return "held";   /* an operator has to release it */
    }
    return "";
}

static struct tmx_bytes out_copy(struct tmx_node *n, struct tmx_bytes b)
{
    struct tmx_bytes copy;
    return tmx_arena_copy(&n->out, b, &copy) ? copy : TMX_BYTES_NULL;
}

/* The Event under a cursor, in the out arena; NULL when there is none. */
static Tmx__Event *event_read(struct tmx_node *n, uint64_t cursor)
{
    struct node_key k = node_key_u64(cursor);
    struct tmx_bytes value;
    Tmx__Event *event;
    return node_get(n, TMX_NT_EVENT, node_kb(&k), &value) &&
                   tmx_codec_unpack(&tmx__event__descriptor, value, value.size, &n->out, &event) == TMX_CODEC_OK
               ? event
               : NULL;
}

/* A step that is a report of this node's own was written down when it was made; its place in the log came later. */
static void step_place(struct tmx_node *n, const uint8_t *id, Tmx__Step *step)
{
    bool coa = tmx_bytes_eq(tmx_pb(step->what), TMX_LIT("CoA"));
    uint8_t shard[TMX_SHARD_MAX];
    uint64_t index;
    if (step->index == 0 && tmx_bytes_eq(tmx_pb(step->who), n->config.member) &&
        node_evidence_place(n, id, coa ? TMX_EVIDENCE_COA : TMX_EVIDENCE_OUTCOME, shard, &index)) {
        step->shard = tmx_to_pb(out_copy(n, TMX_BYTES(shard, strnlen((const char *)shard, sizeof(shard)))));
        step->index = index;
        step->verified = true;
    }
}

static void steps_add(struct tmx_node *n, enum tmx_node_direction direction, const uint8_t *id, Tmx__MessageState *m)
{
    struct node_key at;
    struct tmx_writer w = TMX_WRITER_OF(at.data);
    tmx_write_u8(&w, TMX_INDEX_STEPS);
    tmx_write_u8(&w, (uint8_t)direction);
    tmx_write_bytes(&w, node_id(id));
    at.size = w.used;
    size_t prefix = at.size;
    struct tmx_bytes key, value;
    m->steps = tmx_arena_alloc(&n->out, STEPS_MAX * sizeof(m->steps[0]));
    while (m->steps != NULL && m->n_steps < STEPS_MAX &&
           node_seek(n, TMX_NT_INDEX, node_kb(&at), prefix, &key, &value)) {
        uint64_t cursor = node_u64(tmx_bytes_slice(key, prefix, 8));
        at = node_key_after(key);
        Tmx__Event *event = event_read(n, cursor);
        if (event != NULL && event->step != NULL) {
            if (direction == TMX_DIRECTION_RECEIVED) {
                step_place(n, id, event->step);
            }
            m->steps[m->n_steps++] = event->step;
        }
    }
}

static Tmx__DeliveryState *delivery_new(struct tmx_node *n, struct tmx_bytes member, uint64_t seq, const char *state)
{
    Tmx__DeliveryState *d = tmx_arena_alloc(&n->out, sizeof(*d));
    if (d != NULL) {
        tmx__delivery_state__init(d);
        d->recipient = tmx_to_pb(out_copy(n, member));
        d->seq = seq;
        d->state = tmx_to_pb(tmx_bytes_str(state));
    }
    return d;
}

static bool deliveries_add(struct tmx_node *n, Tmx__MessageState *m, const struct tmx_row_out *row)
{
    m->deliveries = tmx_arena_alloc(&n->out, row->n * sizeof(m->deliveries[0]));
    for (size_t i = 0; m->deliveries != NULL && i < row->n; i++) {
        const struct tmx_row_out_delivery *d = &row->deliveries[i];
        Tmx__DeliveryState *state =
            delivery_new(n, node_member_code(d->member), d->seq, delivery_state_name(d->state));
        if (state == NULL) {
            return false;
        }
        m->deliveries[m->n_deliveries++] = state;
    }
    return m->deliveries != NULL;
}

static bool sent_fill(struct tmx_node *n, const uint8_t *id, Tmx__MessageState *m)
{
    struct tmx_row_out row;
    struct tmx_bytes value;
    Tmx__SubmitRequest *info;
    if (!node_out_read(n, id, &row) || !node_get(n, TMX_NT_OUT_INFO, node_id(id), &value) ||
        tmx_codec_unpack(&tmx__submit_request__descriptor, value, value.size, &n->out, &info) != TMX_CODEC_OK) {
        return false;
    }
    m->direction = TMX__DIRECTION__DIRECTION_SENT;
    m->reference = info->reference;
    m->sender = tmx_to_pb(n->config.member);
    m->message_type = info->message_type;
    m->mrn = info->mrn;
    m->lrn = info->lrn;
    m->business_id = info->business_id;
    m->business_correlation = info->business_correlation;
    m->correlation_id = info->correlation_id;
    m->priority = row.priority;
    m->sent_ms = row.submitted_ms;
    m->expires_ms = row.expires_ms;
    m->payload_bytes = row.payload_bytes;
    m->replaces = info->replaces;
    return deliveries_add(n, m, &row);
}

static bool received_fill(struct tmx_node *n, const uint8_t *id, Tmx__MessageState *m)
{
    struct tmx_row_in row;
    struct tmx_bytes value;
    Tmx__Leased *info;
    if (!node_in_read(n, id, &row) || !node_get(n, TMX_NT_IN_INFO, node_id(id), &value) ||
        tmx_codec_unpack(&tmx__leased__descriptor, value, value.size, &n->out, &info) != TMX_CODEC_OK) {
        return false;
    }
    m->direction = TMX__DIRECTION__DIRECTION_RECEIVED;
    m->sender = info->sender;
    m->message_type = info->message_type;
    m->mrn = info->mrn;
    m->lrn = info->lrn;
    m->business_id = info->business_id;
    m->business_correlation = info->business_correlation;
    m->correlation_id = info->correlation_id;
    m->priority = info->priority;
    m->sent_ms = info->sent_ms;
    m->expires_ms = info->expires_ms;
    m->payload_bytes = info->payload_bytes;
    m->replaces = info->replaces;
    m->deliveries = tmx_arena_alloc(&n->out, sizeof(m->deliveries[0]));
    Tmx__DeliveryState *d = delivery_new(n, n->config.member, row.seq, in_state_name(row.state));
    if (m->deliveries == NULL || d == NULL) {
        return false;
    }
    m->deliveries[m->n_deliveries++] = d;
    return true;
}

static Tmx__MessageState *message_build(struct tmx_node *n, enum tmx_node_direction direction, const uint8_t *id,
                                        bool steps)
{
    Tmx__MessageState *m = tmx_arena_alloc(&n->out, sizeof(*m));
    if (m == NULL) {
        return NULL;
    }
    tmx__message_state__init(m);
    m->message_id = tmx_to_pb(out_copy(n, node_id(id)));
    bool ok = direction == TMX_DIRECTION_SENT ? sent_fill(n, id, m) : received_fill(n, id, m);
    if (ok && steps) {
        steps_add(n, direction, id, m);
    }
    return ok ? m : NULL;
}

static void answer(struct tmx_node *n, const struct node_request *rq, Tmx__MessageState **messages, size_t count,
                   bool more, struct tmx_bytes next)
{
    Tmx__MessageList body = TMX__MESSAGE_LIST__INIT;
    Tmx__Response response = TMX__RESPONSE__INIT;
    body.n_messages = count;
    body.messages = messages;
    body.more = more;
    body.next = tmx_to_pb(more ? next : TMX_BYTES_NULL);
    response.body_case = TMX__RESPONSE__BODY_MESSAGES;
    response.messages = &body;
    node_answer(n, rq, &response, NULL, 0);
}

struct Tmx__MessageState *tmx_node_message(struct tmx_node *n, unsigned direction, const uint8_t id[TMX_ID_SIZE])
{
    return message_build(n, (enum tmx_node_direction)direction, id, true);
}

/* An application with a list of types sees messages of these types only. */
static bool visible(const struct node_request *rq, const Tmx__MessageState *m)
{
    return m != NULL && node_type_permitted(rq->rights, tmx_pb(m->message_type));
}

void node_query_movement(struct tmx_node *n, const struct node_request *rq)
{
    struct tmx_bytes mrn = tmx_pb(rq->pb->movement->mrn), key, value;
    Tmx__MessageState *list[MOVEMENT_MAX];
    size_t count = 0, used = n->out.used;
    bool more = false;
    if (mrn.size == 0 || mrn.size > TMX_KEY_MAX - TMX_ID_SIZE - 2) {
        node_answer_code(n, rq, TMX_CODE_BAD_MRN, NULL);
        return;
    }
    struct node_key at;
    struct tmx_writer w = TMX_WRITER_OF(at.data);
    tmx_write_u8(&w, TMX_INDEX_MOVEMENT);
    tmx_write_bytes(&w, mrn);
    at.size = w.used;
    size_t prefix = at.size;
    while (node_seek(n, TMX_NT_INDEX, node_kb(&at), prefix, &key, &value)) {
        at = node_key_after(key);
        if (key.size != prefix + TMX_ID_SIZE + 1) {
            continue;
        }
        more = count == MOVEMENT_MAX || n->out.used - used > ANSWER_BYTES_MAX || !node_room(n);
        if (more) {
            break;
        }
        uint8_t id[TMX_ID_SIZE], direction = key.data[key.size - 1];
        memcpy(id, key.data + prefix, sizeof(id));
        size_t before = n->out.used;
        Tmx__MessageState *m = message_build(n, (enum tmx_node_direction)direction, id, true);
        if (visible(rq, m)) {
            list[count++] = m;
        } else {
            tmx_arena_rewind(&n->out, before);
        }
    }
    answer(n, rq, list, count, more, TMX_BYTES_NULL);
}

/* By either; false: neither, or nothing under that reference. */
static bool resolve(struct tmx_node *n, struct tmx_bytes message_id, struct tmx_bytes reference, uint8_t ret_id[TMX_ID_SIZE])
{
    struct tmx_bytes value;
    if (message_id.size == TMX_ID_SIZE) {
        memcpy(ret_id, message_id.data, TMX_ID_SIZE);
        return true;
    }
    if (reference.size < 1 || reference.size > TMX_REFERENCE_MAX ||
        !node_get(n, TMX_NT_OUT_REFERENCE, reference, &value) || value.size < TMX_ID_SIZE) {
        return false;
    }
    memcpy(ret_id, value.data, TMX_ID_SIZE);
    return true;
}

static size_t find(struct tmx_node *n, const struct node_request *rq, const uint8_t id[TMX_ID_SIZE],
                   Tmx__MessageState *ret_list[2])
{
    size_t count = 0;
    for (unsigned d = TMX_DIRECTION_SENT; d <= TMX_DIRECTION_RECEIVED; d++) {
        Tmx__MessageState *m = message_build(n, (enum tmx_node_direction)d, id, true);
        if (visible(rq, m)) {
            ret_list[count++] = m;
        }
    }
    return count;
}

bool node_query_find(struct tmx_node *n, const struct node_request *rq, struct tmx_bytes message_id,
                     struct tmx_bytes reference, uint8_t ret_id[TMX_ID_SIZE])
{
    Tmx__MessageState *list[2];
    return resolve(n, message_id, reference, ret_id) && find(n, rq, ret_id, list) > 0;
}

void node_query_message(struct tmx_node *n, const struct node_request *rq)
{
    const Tmx__MessageRequest *r = rq->pb->message;
    Tmx__MessageState *list[2];
    uint8_t id[TMX_ID_SIZE];
    size_t count = resolve(n, tmx_pb(r->message_id), tmx_pb(r->reference), id) ? find(n, rq, id, list) : 0;
    if (count == 0) {
        node_answer_code(n, rq, TMX_CODE_UNKNOWN_MESSAGE, NULL);
    } else {
        answer(n, rq, list, count, false, TMX_BYTES_NULL);
    }
}

void node_query_list(struct tmx_node *n, const struct node_request *rq)
{
    const Tmx__ListRequest *r = rq->pb->list;
    size_t max = r->max == 0 ? 100 : r->max, count = 0, used = n->out.used;
    struct tmx_bytes key, value;
    bool more = false;
    bool looked = false;   /* at one row at least: an answer leads on */
    uint8_t last[TMX_ID_SIZE];
    if (max > LIST_MAX || (r->after.len != 0 && r->after.len != TMX_ID_SIZE) ||
        r->direction > TMX__DIRECTION__DIRECTION_RECEIVED) {
        node_answer_code(n, rq, TMX_CODE_MALFORMED, "max is 1 to 1000, after a message id of 16 bytes or empty");
        return;
    }
    uint8_t index = r->open_only ? TMX_INDEX_OPEN : TMX_INDEX_ALL;
    Tmx__MessageState **list = tmx_arena_alloc(&n->out, max * sizeof(*list));
    struct node_key at = { .data = { index }, .size = 1 };
    if (r->after.len == TMX_ID_SIZE) {
        at = node_index_key((enum tmx_node_index)index, TMX_DIRECTION_RECEIVED, r->after.data);
        at = node_key_after(node_kb(&at));
    }
    while (list != NULL && node_seek(n, TMX_NT_INDEX, node_kb(&at), 1, &key, &value)) {
        bool enough = n->looks_left == 0 || n->out.used - used > ANSWER_BYTES_MAX || !node_room(n);
        more = count == max || (looked && enough);
        if (more) {
            break;
        }
        looked = true;
        n->looks_left -= n->looks_left > 0 ? 1 : 0;
        uint8_t id[TMX_ID_SIZE], direction = key.data[key.size - 1];
        at = node_key_after(key);
        for (size_t i = 0; i < TMX_ID_SIZE; i++) {
            id[i] = last[i] = (uint8_t)~key.data[1 + i];
        }
        if (r->direction != TMX__DIRECTION__DIRECTION_BOTH && direction != (uint8_t)r->direction) {
            continue;
        }
        size_t before = n->out.used;
        Tmx__MessageState *m = message_build(n, (enum tmx_node_direction)direction, id, false);
        if (visible(rq, m)) {
            list[count++] = m;
        } else {
            tmx_arena_rewind(&n->out, before);
        }
    }
    answer(n, rq, list, count, more, TMX_BYTES_OF(last));
}

bool node_events_try(struct tmx_node *n, struct node_request *rq, bool last)
{
    const Tmx__EventsRequest *r = rq->pb->events;
    Tmx__Event *list[EVENTS_MAX];
    size_t max = r->max == 0 || r->max > EVENTS_MAX ? EVENTS_MAX : r->max, count = 0, used = n->out.used;
    uint64_t first = r->after > rq->looked ? r->after : rq->looked, next = first, end = n->state.cursor;
    bool enough = false;
    while (next < end && count < max && (next == first || !enough)) {   /* one at least: an answer leads on */
        n->looks_left -= n->looks_left > 0 ? 1 : 0;
        size_t before = n->out.used;
        Tmx__Event *event = event_read(n, ++next);
        if (event != NULL && node_type_permitted(rq->rights, tmx_pb(event->message_type))) {
            list[count++] = event;
        } else {
            tmx_arena_rewind(&n->out, before);
        }
        enough = n->looks_left == 0 || n->out.used - used > ANSWER_BYTES_MAX || !node_room(n);
    }
    if (count == 0 && next >= end && !last) {
        rq->looked = next;
        return false;
    }
    Tmx__EventList body = TMX__EVENT_LIST__INIT;
    Tmx__Response response = TMX__RESPONSE__INIT;
    body.n_events = count;
    body.events = list;
    body.next = next;
    response.body_case = TMX__RESPONSE__BODY_EVENTS;
    response.events = &body;
    node_answer(n, rq, &response, NULL, 0);
    return true;
}

void node_info(struct tmx_node *n, const struct node_request *rq)
{
    const Tmx__Directory *d = tmx_directory_pb(n->directory);
    Tmx__InfoResponse body = TMX__INFO_RESPONSE__INIT;
    Tmx__Response response = TMX__RESPONSE__INIT;
    ProtobufCBinaryData members[TMX_MEMBERS_MAX];
    for (size_t i = 0; i < d->n_members && body.n_members < TMX_MEMBERS_MAX; i++) {
        if (d->members[i]->status == TMX__MEMBER_STATUS__MEMBER_ACTIVE) {
            members[body.n_members++] = d->members[i]->code;
        }
    }
    body.member = tmx_to_pb(n->config.member);
    body.federation = tmx_to_pb(tmx_bytes_str(tmx_directory_federation(n->directory)));
    body.software = tmx_to_pb(TMX_LIT("tmx-node " TMX_VERSION));
    body.members = members;
    body.linked = n->session.state == NODE_UP;
    uint64_t version;
    struct tmx_bytes text = tmx_bytes_str(tmx_catalogue_version(n->config.catalogue));
    body.catalogue_version = tmx_parse_u64(text, UINT64_MAX, &version) ? version : 0;
    response.body_case = TMX__RESPONSE__BODY_INFO;
    response.info = &body;
    node_answer(n, rq, &response, NULL, 0);
}
