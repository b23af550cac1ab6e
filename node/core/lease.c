/* SPDX-License-Identifier: Apache-2.0
 * Collecting: lease, renew, acknowledge, refuse; lapses and expiry (NODE-7 … NODE-9). One transaction decides each
 * race: what it finds in the message's row is what counts.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"

#define LEASE_BYTES_MAX (8u << 20)      /* payload of one response, unless its first message is larger */
#define KEPT_BYTES_MAX (64u << 20)      /* payloads of one turn */
#define TYPES_MAX 128u
#define CODE_REFUSE_MIN 600u
#define CODE_REFUSE_MAX 699u

/* The best message of each type that may be leased. */
struct offer {
    uint8_t type[TMX_TYPE_MAX];
    bool exists;
    uint8_t priority;                   /* 9 - priority */
    uint64_t index;
    uint8_t id[TMX_ID_SIZE];
};

static void offer_look(struct tmx_node *n, struct offer *o)
{
    struct tmx_bytes key, value;
    o->exists = node_seek(n, TMX_NT_IN_READY, TMX_BYTES_OF(o->type), TMX_TYPE_MAX, &key, &value);
    if (o->exists) {
        assert(key.size == TMX_TYPE_MAX + 9 + TMX_ID_SIZE && value.size == TMX_ID_SIZE);
        o->priority = key.data[TMX_TYPE_MAX];
        o->index = node_u64(tmx_bytes_slice(key, TMX_TYPE_MAX + 1, 8));
        memcpy(o->id, value.data, TMX_ID_SIZE);
    }
}

static void offer_of(struct offer *o, struct tmx_bytes type)
{
    memset(o, 0, sizeof(*o));
    memcpy(o->type, type.data, type.size < TMX_TYPE_MAX ? type.size : TMX_TYPE_MAX);
}

/* All types that are there now. */
static size_t offers_all(struct tmx_node *n, struct offer *offers)
{
    uint8_t from[TMX_TYPE_MAX + 9] = { 0 };
    struct tmx_bytes key, value;
    size_t count = 0;
    while (count < TYPES_MAX && node_seek(n, TMX_NT_IN_READY, TMX_BYTES_OF(from), 0, &key, &value)) {
        offer_of(&offers[count], tmx_bytes_slice(key, 0, TMX_TYPE_MAX));
        memcpy(from, key.data, TMX_TYPE_MAX);
        memset(from + TMX_TYPE_MAX, 0xff, sizeof(from) - TMX_TYPE_MAX);
        offer_look(n, &offers[count++]);
    }
    return count;
}

/* The types of the request, or all the application may have. */
static size_t offers_find(struct tmx_node *n, const struct node_request *rq, struct offer *offers)
{
    const Tmx__LeaseRequest *l = rq->pb->lease;
    size_t count = 0;
    for (size_t i = 0; i < l->n_message_types && count < TYPES_MAX; i++) {
        if (l->message_types[i].len <= TMX_TYPE_MAX && l->message_types[i].len > 0 &&
            node_type_permitted(rq->rights, tmx_pb(l->message_types[i]))) {
            offer_of(&offers[count], tmx_pb(l->message_types[i]));
            offer_look(n, &offers[count++]);
        }
    }
    for (size_t i = 0; l->n_message_types == 0 && rq->rights != NULL && i < rq->rights->n_types; i++) {
        offer_of(&offers[count], tmx_bytes_str(rq->rights->types[i]));
        offer_look(n, &offers[count++]);
    }
    bool all = l->n_message_types == 0 && (rq->rights == NULL || rq->rights->n_types == 0);
    return all ? offers_all(n, offers) : count;
}

static struct offer *best_of(struct offer *offers, size_t count)
{
    struct offer *best = NULL;
    for (size_t i = 0; i < count; i++) {
        struct offer *o = &offers[i];
        bool better = o->exists && (best == NULL || o->priority < best->priority ||
                                    (o->priority == best->priority && o->index < best->index));
        best = better ? o : best;
    }
    return best;
}

static bool content_open(struct tmx_node *n, const uint8_t *id, const Tmx__Header *h, const uint8_t *container,
                         size_t size, struct tmx_bytes *ret_payload)
{
    struct tmx_bytes names[TMX_RECIPIENTS_MAX];
    uint8_t key[32];
    size_t plain_size, payload_size;
    uint8_t *payload;
    Tmx__Content *content;
    for (size_t i = 0; i < h->n_recipients; i++) {
        names[i] = tmx_pb(h->recipients[i]->member);
    }
    struct tmx_seal_context ctx = { .message_id = h->message_id.data,
                                    .sender = tmx_pb(h->sender),
                                    .n_recipients = h->n_recipients,
                                    .recipients = names };
    uint8_t *plaintext = malloc(size + 1);
    if (plaintext == NULL) {
        node_fault(n, -ENOMEM);
        return false;
    }
    bool ok = node_archive_load(n, TMX_DIRECTION_RECEIVED, id, key) &&
              tmx_seal_open_disclosed(TMX_BYTES(container, size), &ctx, key, plaintext, &plain_size);
    int code = ok ? tmx_content_unpack(TMX_BYTES(plaintext, plain_size), &n->scratch, &content, &payload, &payload_size)
                  : TMX_CODE_CANNOT_OPEN;
    sodium_memzero(key, sizeof(key));
    free(plaintext);
    if (code < 0) {
        node_fault(n, code);
    }
    if (code != TMX_CODE_OK) {
        return false;
    }
    uint8_t *kept = node_keep(n, payload_size);
    if (kept != NULL) {
        memcpy(kept, payload, payload_size);
        *ret_payload = TMX_BYTES(kept, payload_size);
        n->kept_bytes += payload_size;
    }
    free(payload);
    return kept != NULL;
}

/* The payload as the sender's application handed it in (CON-3). False: rows do not give it, or fault. */
static bool payload_open(struct tmx_node *n, const uint8_t *id, const struct tmx_row_in *row,
                         struct tmx_bytes *ret_payload)
{
    Tmx__Header *h;
    Tmx__LogEntry *entry;
    Tmx__FeedItem item;
    uint8_t *container = NULL;
    bool ok = node_acceptance_read(n, id, &item, &entry, &h) &&
              (container = node_container_load(n, TMX_NT_IN_CONTAINER, id, row->container_bytes)) != NULL &&
              content_open(n, id, h, container, row->container_bytes, ret_payload);
    free(container);
    return ok;
}

static uint64_t lease_ms(uint32_t asked)
{
    uint64_t ms = asked == 0 ? TMX_LEASE_DEFAULT_MS : asked;
    return ms < TMX_LEASE_MAX_MS ? ms : TMX_LEASE_MAX_MS;
}

/* What an application is told of it, in the out arena; NULL: it is not here, or fault. */
static Tmx__Leased *info_read(struct tmx_node *n, const uint8_t *id)
{
    struct tmx_bytes value;
    Tmx__Leased *l;
    return node_get(n, TMX_NT_IN_INFO, node_id(id), &value) &&
                   tmx_codec_unpack(&tmx__leased__descriptor, value, value.size, &n->out, &l) == TMX_CODEC_OK
               ? l
               : NULL;
}

/* A place in the inbox of a message that is not there to be leased. */
static void stale(struct tmx_node *n, const struct offer *o)
{
    struct tmx_row_in row = { .priority = (uint8_t)(TMX_PRIORITY_MAX - o->priority), .index = o->index };
    memcpy(row.type, o->type, sizeof(row.type));
    struct node_key k = node_in_ready_key(&row, o->id);
    node_drop(n, TMX_NT_IN_READY, node_kb(&k));
}

/* The message becomes leased; in the out arena. NULL: it is spoilt, and offered no more for now (NODE-16); or fault. */
static Tmx__Leased *lease_one(struct tmx_node *n, const struct offer *o, uint32_t asked_ms, struct tmx_bytes *ret_payload)
{
    struct tmx_row_in row;
    const uint8_t *id = o->id;
    if (!node_in_read(n, id, &row) || row.state != TMX_IN_READY) {
        stale(n, o);
        return NULL;
    }
    Tmx__Leased *l = info_read(n, id);
    if (l == NULL || !payload_open(n, id, &row, ret_payload)) {
        if (n->fault == 0) {
            node_in_spoilt(n, id, &row);
        }
        return NULL;
    }
    node_in_unoffer(n, id, &row);
    row.state = TMX_IN_LEASED;
    n->state.leased++;
    n->state_dirty = true;
    row.renewals = 0;
    row.lease_until_ms = n->wall_ms + lease_ms(asked_ms);
    node_random(n, row.token, sizeof(row.token));
    node_in_write(n, id, &row);
    node_due_add(n, row.lease_until_ms, TMX_DUE_LEASE, id);
    struct tmx_bytes token;
    if (!tmx_arena_copy(&n->out, TMX_BYTES_OF(row.token), &token)) {
        node_fault(n, -ENOMEM);
        return NULL;
    }
    l->token = tmx_to_pb(token);
    /* NODE-10: what was offered before the spool was lost is not known. */
    l->redelivered = row.redelivered || row.coa_index < n->state.rebuild_to;
    l->lease_until_ms = row.lease_until_ms;
    node_notice(n, "message.leased", false, row.sender, id, TMX_CODE_OK, row.lapses);
    return l;
}

static uint64_t payload_bytes(struct tmx_node *n, const uint8_t *id)
{
    struct tmx_row_in row;
    return node_in_read(n, id, &row) ? row.container_bytes : 0;
}

bool node_lease_try(struct tmx_node *n, const struct node_request *rq, bool last)
{
    const Tmx__LeaseRequest *request = rq->pb->lease;
    struct offer offers[TYPES_MAX], *o;
    Tmx__Leased *leased[TMX_LINK_ITEMS_MAX];
    struct tmx_bytes payloads[TMX_LINK_ITEMS_MAX];
    size_t max = request->max == 0 ? 1 : request->max, count = 0;
    uint64_t bytes = 0;
    if (max > TMX_LINK_ITEMS_MAX) {
        node_answer_code(n, rq, TMX_CODE_TOO_LARGE, "max is 1 to 64 messages");
        return true;
    }
    size_t n_offers = n->state.rebuild ? 0 : offers_find(n, rq, offers);
    while (count < max && n->kept_bytes < KEPT_BYTES_MAX && !n->state.rebuild && (o = best_of(offers, n_offers)) != NULL) {
        bytes += payload_bytes(n, o->id);
        if (count > 0 && bytes > LEASE_BYTES_MAX) {
            break;
        }
        leased[count] = lease_one(n, o, request->lease_ms, &payloads[count]);
        if (n->fault != 0) {
            return true;
        }
        count += leased[count] != NULL ? 1 : 0;
        offer_look(n, o);
    }
    if (count == 0 && !last) {
        return false;
    }
    Tmx__LeaseResponse body = TMX__LEASE_RESPONSE__INIT;
    Tmx__Response response = TMX__RESPONSE__INIT;
    body.n_messages = count;
    body.messages = leased;
    response.body_case = TMX__RESPONSE__BODY_LEASE;
    response.lease = &body;
    node_answer(n, rq, &response, payloads, count);
    return true;
}

static void step(struct tmx_node *n, const uint8_t *id, const char *what, unsigned code, struct tmx_bytes text)
{
    struct node_step s = {
        .what = what, .who = n->config.member, .recipient = n->config.member, .code = code, .text = text
    };
    node_step_add(n, TMX_DIRECTION_RECEIVED, id, &s);
}

void node_in_expired(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], struct tmx_row_in *row)
{
    node_in_end(n, id, row, TMX_IN_EXPIRED, TMX_CODE_EXPIRED);
    node_report_make(n, id, row, TMX__OUTCOME__OUTCOME_EXPIRED, TMX_CODE_EXPIRED, TMX_BYTES_NULL);
    step(n, id, "expired", TMX_CODE_EXPIRED, TMX_BYTES_NULL);
    node_notice(n, "message.expired", true, row->sender, id, TMX_CODE_EXPIRED, row->index);
}

/* Its CoA was made under a log that is lost, and the log of now has not delivered it: no leaf will decide. */
static bool coa_lost(struct tmx_node *n, const uint8_t *id, const struct tmx_row_in *row)
{
    uint8_t shard[TMX_SHARD_MAX];
    node_shard_key(n->state.head.shard, shard);
    return row->state == TMX_IN_ARRIVED && memcmp(row->shard, shard, sizeof(shard)) != 0 && !node_report_open(n, id, 0);
}

/* Its time has come. Leased: the end of the lease decides. CoA on its way: its leaf decides. */
void node_in_expire(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE])
{
    struct tmx_row_in row;
    if (!node_in_read(n, id, &row)) {
        return;
    }
    if (coa_lost(n, id, &row)) {   /* should the new log deliver it after all, the delivery gets its report */
        node_in_end(n, id, &row, TMX_IN_EXPIRED, TMX_CODE_EXPIRED);
        step(n, id, "expired", TMX_CODE_EXPIRED, TMX_BYTES_NULL);
        node_notice(n, "message.expired", true, row.sender, id, TMX_CODE_EXPIRED, row.index);
    } else if (row.state == TMX_IN_BLOCKED || row.state == TMX_IN_READY || row.state == TMX_IN_HELD ||
               row.state == TMX_IN_LOST) {
        node_in_expired(n, id, &row);
    }
}

static void lapse(struct tmx_node *n, const uint8_t *id, struct tmx_row_in *row)
{
    node_in_unoffer(n, id, row);
    row->redelivered = true;
    row->lapses++;
    if (row->expires_ms <= n->wall_ms) {
        node_in_expired(n, id, row);
    } else if (row->lapses >= TMX_LEASES_LAPSED_MAX) {
        row->state = TMX_IN_HELD;
        n->state.held++;
        n->state_dirty = true;
        node_in_write(n, id, row);
        node_alarm(n, "message.held", row->sender, id, TMX_CODE_LEASE_LAPSED, TMX_BYTES_NULL);
    } else {
        node_in_offer(n, id, row);
    }
}

void node_lease_lapsed(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE])
{
    struct tmx_row_in row;
    if (node_in_read(n, id, &row) && row.state == TMX_IN_LEASED && row.lease_until_ms <= n->wall_ms) {
        lapse(n, id, &row);
    }
}

void node_lease_void(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE])
{
    struct tmx_row_in row;
    if (node_in_read(n, id, &row) && row.state == TMX_IN_LEASED) {
        lapse(n, id, &row);
    }
}

void node_hold(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE])
{
    struct tmx_row_in row;
    if (node_in_read(n, id, &row) && row.state == TMX_IN_READY) {
        node_in_unoffer(n, id, &row);
        row.state = TMX_IN_HELD;
        n->state.held++;
        n->state_dirty = true;
        node_in_write(n, id, &row);
        node_notice(n, "message.set-aside", false, row.sender, id, TMX_CODE_OK, 0);
    }
}

void node_release(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE])
{
    struct tmx_row_in row;
    if (node_in_read(n, id, &row) && row.state == TMX_IN_HELD) {
        node_in_unoffer(n, id, &row);
        row.lapses = 0;
        node_in_offer(n, id, &row);
        node_notice(n, "message.released", false, row.sender, id, TMX_CODE_OK, 0);
    }
}

/* The message under this token: TMX_CODE_OK when it is leased now, otherwise why not. */
static unsigned leased_row(struct tmx_node *n, ProtobufCBinaryData message_id, ProtobufCBinaryData token,
                           struct tmx_row_in *ret_row)
{
    if (n->state.rebuild) {
        return TMX_CODE_NOT_READY;
    }
    if (message_id.len != TMX_ID_SIZE || !node_in_read(n, message_id.data, ret_row)) {
        return TMX_CODE_UNKNOWN_MESSAGE;
    }
    if (ret_row->state == TMX_IN_LEASED && ret_row->lease_until_ms <= n->wall_ms && !n->clock_doubt) {
        lapse(n, message_id.data, ret_row);
    }
    bool same = tmx_bytes_eq(tmx_pb(token), TMX_BYTES_OF(ret_row->token));
    switch ((enum tmx_in_state)ret_row->state) {
    case TMX_IN_LEASED:
        return same ? TMX_CODE_OK : TMX_CODE_NOT_LEASED;
    case TMX_IN_ARRIVED:
    case TMX_IN_BLOCKED:
    case TMX_IN_READY:
    case TMX_IN_HELD:
    case TMX_IN_LOST:
        return same && ret_row->lapses > 0 ? TMX_CODE_LEASE_LAPSED : TMX_CODE_NOT_LEASED;
    case TMX_IN_EXPIRED:
        return TMX_CODE_EXPIRED;
    case TMX_IN_DELIVERED:
    case TMX_IN_REFUSED:
    case TMX_IN_EXCEPTION:
        return TMX_CODE_HAS_OUTCOME;
    }
    return TMX_CODE_UNKNOWN_MESSAGE;
}

void node_renew(struct tmx_node *n, const struct node_request *rq)
{
    const Tmx__RenewRequest *r = rq->pb->renew;
    struct tmx_row_in row;
    unsigned code = leased_row(n, r->message_id, r->token, &row);
    if (code == TMX_CODE_OK && row.renewals >= TMX_LEASE_RENEWALS_MAX) {
        node_answer_code(n, rq, TMX_CODE_FORBIDDEN,
                         "the lease was renewed as often as it may be: acknowledge, refuse, or let it lapse");
        return;
    }
    if (code == TMX_CODE_OK) {
        node_due_drop(n, row.lease_until_ms, TMX_DUE_LEASE, r->message_id.data);
        row.renewals++;
        row.lease_until_ms = n->wall_ms + lease_ms(r->lease_ms);
        node_due_add(n, row.lease_until_ms, TMX_DUE_LEASE, r->message_id.data);
        node_in_write(n, r->message_id.data, &row);
    }
    node_answer_code(n, rq, code, NULL);
}

/* Idempotent for the token that made the outcome (NODE-9). */
static bool made_before(const struct tmx_row_in *row, ProtobufCBinaryData token, unsigned code,
                        enum tmx_in_state state)
{
    return code == TMX_CODE_HAS_OUTCOME && row->state == (uint8_t)state &&
           tmx_bytes_eq(tmx_pb(token), TMX_BYTES_OF(row->token));
}

void node_ack(struct tmx_node *n, const struct node_request *rq)
{
    const Tmx__AckRequest *a = rq->pb->ack;
    struct tmx_row_in row;
    unsigned code = leased_row(n, a->message_id, a->token, &row);
    if (code == TMX_CODE_OK) {
        const uint8_t *id = a->message_id.data;
        node_in_end(n, id, &row, TMX_IN_DELIVERED, TMX_CODE_OK);
        node_report_make(n, id, &row, TMX__OUTCOME__OUTCOME_COD_POSITIVE, TMX_CODE_OK, TMX_BYTES_NULL);
        step(n, id, "CoD", TMX_CODE_OK, TMX_BYTES_NULL);
        node_notice(n, "message.acknowledged", false, row.sender, id, TMX_CODE_OK, row.index);
    } else if (made_before(&row, a->token, code, TMX_IN_DELIVERED)) {
        code = TMX_CODE_OK;
    }
    node_answer_code(n, rq, code, NULL);
}

/* The reason text as a container for the one who sent the message; empty when there is no key to seal it with. */
static struct tmx_bytes reason_seal(struct tmx_node *n, const Tmx__RefuseRequest *r, const struct tmx_row_in *row)
{
    Tmx__Content content = TMX__CONTENT__INIT;
    struct node_destination *to = node_destination(n, row->sender);
    uint8_t *container, key[32];
    size_t size, bad;
    struct tmx_bytes copy = TMX_BYTES_NULL;
    if (r->text.len == 0) {
        return copy;
    }
    content.message_id = r->message_id;
    content.message_type = tmx_to_pb(TMX_BYTES(row->type, strnlen((const char *)row->type, sizeof(row->type))));
    content.media_type = tmx_to_pb(TMX_LIT("text/plain"));
    if (to == NULL || !node_prekey_ready(n, to) ||
        !node_seal(n, &content, tmx_pb(r->text), &to, 1, &container, &size, key, &bad)) {
        node_notice(n, "message.reason-unsealed", true, row->sender, r->message_id.data, TMX_CODE_BAD_PREKEYS, 0);
        return copy;
    }
    sodium_memzero(key, sizeof(key));
    if (size > TMX_ATTACHMENT_MAX || !tmx_arena_copy(&n->scratch, TMX_BYTES(container, size), &copy)) {
        copy = TMX_BYTES_NULL;
    }
    free(container);
    return copy;
}

void node_refuse(struct tmx_node *n, const struct node_request *rq)
{
    const Tmx__RefuseRequest *r = rq->pb->refuse;
    struct tmx_row_in row;
    if (r->code < CODE_REFUSE_MIN || r->code > CODE_REFUSE_MAX || r->text.len > TMX_REASON_MAX) {
        node_answer_code(n, rq, TMX_CODE_MALFORMED, "a refusal has a code of 600 to 699 and a text of at most 512 bytes");
        return;
    }
    unsigned code = leased_row(n, r->message_id, r->token, &row);
    if (code == TMX_CODE_OK) {
        const uint8_t *id = r->message_id.data;
        struct tmx_bytes reason = reason_seal(n, r, &row);
        node_in_end(n, id, &row, TMX_IN_REFUSED, r->code);
        node_report_make(n, id, &row, TMX__OUTCOME__OUTCOME_COD_NEGATIVE, r->code, reason);
        step(n, id, "refused", r->code, tmx_pb(r->text));
        node_notice(n, "message.refused", false, row.sender, id, r->code, row.index);
    } else if (made_before(&row, r->token, code, TMX_IN_REFUSED)) {
        code = TMX_CODE_OK;
    }
    node_answer_code(n, rq, code, NULL);
}
