/* SPDX-License-Identifier: Apache-2.0
 * From the node's answers to the plain structs of tmx/client.h. A result and all it points to is one block, measured
 * before it is filled, so that one free suffices and no answer takes more than its own size warrants. */
#include <string.h>

#include "client_private.h"

#define ALIGN 16u

/* The block starts with this; the public pointer is that of `u`. */
struct result {
    struct tmx_arena arena;
    union {
        struct tmx_client_leases leases;
        struct tmx_client_messages messages;
        struct tmx_client_events events;
        struct tmx_client_info info;
        struct tmx_client_evidence evidence;
    } u;
};

static size_t padded(size_t size)
{
    return (size + ALIGN - 1) / ALIGN * ALIGN;
}

static size_t text_size(ProtobufCBinaryData text)
{
    return padded(text.len + 1);
}

static int result_new(size_t size, struct result **ret_result)
{
    struct tmx_arena arena;

    int r = tmx_arena_init(&arena, padded(sizeof(struct result)) + size);
    if (r < 0) {
        return r;
    }
    struct result *result = tmx_arena_alloc(&arena, sizeof(*result));
    assert(result != NULL);
    result->arena = arena;
    *ret_result = result;
    return 0;
}

void tmx_client_free(const void *public)
{
    if (public == NULL) {
        return;
    }
    const uint8_t *block = (const uint8_t *)public - offsetof(struct result, u);
    struct tmx_arena arena;
    memcpy(&arena, block, sizeof(arena));
    tmx_arena_deinit(&arena);
}

/* Cannot fail: the block was measured with the same fields. */
static void *take(struct result *result, size_t size)
{
    void *p = tmx_arena_alloc(&result->arena, size);
    assert(p != NULL);
    return p;
}

static const char *take_text(struct result *result, ProtobufCBinaryData in)
{
    char *text = take(result, in.len + 1);

    for (size_t i = 0; i < in.len; i++) {
        text[i] = in.data[i] != 0 ? (char)in.data[i] : '?';
    }
    return text;
}

static const uint8_t *take_bytes(struct result *result, struct tmx_bytes in)
{
    uint8_t *bytes = take(result, in.size);

    if (in.size > 0) {
        memcpy(bytes, in.data, in.size);
    }
    return bytes;
}

static const uint8_t *take_optional_id(struct result *result, ProtobufCBinaryData in)
{
    return in.len == 0 ? NULL : take_bytes(result, tmx_pb(in));
}

static bool id_ok(ProtobufCBinaryData id)
{
    return id.len == TMX_ID_SIZE;
}

static bool optional_id_ok(ProtobufCBinaryData id)
{
    return id.len == 0 || id_ok(id);
}

/* ---- leases ---- */

static size_t leased_size(const Tmx__Leased *in)
{
    return text_size(in->sender) + text_size(in->message_type) + text_size(in->mrn) + text_size(in->lrn) +
           text_size(in->business_id) + text_size(in->business_correlation) + padded(in->correlation_id.len) +
           text_size(in->media_type) + text_size(in->file_name) + padded(in->replaces.len);
}

static void fill_leased(struct result *result, const Tmx__Leased *in, struct tmx_bytes payload,
                        struct tmx_client_leased *out)
{
    memcpy(out->message_id, in->message_id.data, sizeof(out->message_id));
    memcpy(out->token, in->token.data, sizeof(out->token));
    out->sender = take_text(result, in->sender);
    out->message_type = take_text(result, in->message_type);
    out->mrn = take_text(result, in->mrn);
    out->lrn = take_text(result, in->lrn);
    out->business_id = take_text(result, in->business_id);
    out->business_correlation = take_text(result, in->business_correlation);
    out->correlation_id = take_optional_id(result, in->correlation_id);
    out->priority = in->priority;
    out->sent_ms = in->sent_ms;
    out->accepted_ms = in->accepted_ms;
    out->expires_ms = in->expires_ms;
    out->media_type = take_text(result, in->media_type);
    out->file_name = take_text(result, in->file_name);
    out->redelivered = in->redelivered;
    out->lease_until_ms = in->lease_until_ms;
    out->payload = take_bytes(result, payload);
    out->payload_bytes = payload.size;
    out->replaces = take_optional_id(result, in->replaces);
}

int client_leases(const Tmx__LeaseResponse *in, const struct tmx_bytes *payloads, size_t n_payloads,
                  const struct tmx_client_leases **ret_leases)
{
    struct result *result;
    size_t size = padded(in->n_messages * sizeof(struct tmx_client_leased));

    if (in->n_messages != n_payloads) {
        return -EPROTO;
    }
    for (size_t i = 0; i < in->n_messages; i++) {
        const Tmx__Leased *m = in->messages[i];
        if (!id_ok(m->message_id) || !id_ok(m->token) || !optional_id_ok(m->correlation_id) ||
            !optional_id_ok(m->replaces) || m->payload_bytes != payloads[i].size) {
            return -EPROTO;
        }
        size += leased_size(m) + padded(payloads[i].size);
    }
    int r = result_new(size, &result);
    if (r < 0) {
        return r;
    }
    struct tmx_client_leased *messages = take(result, in->n_messages * sizeof(*messages));
    for (size_t i = 0; i < in->n_messages; i++) {
        fill_leased(result, in->messages[i], payloads[i], &messages[i]);
    }
    result->u.leases = (struct tmx_client_leases){ .messages = messages, .n_messages = in->n_messages };
    *ret_leases = &result->u.leases;
    return 0;
}

/* ---- messages and their steps ---- */

static size_t step_size(const Tmx__Step *in)
{
    return text_size(in->what) + text_size(in->who) + text_size(in->text) + text_size(in->shard) +
           text_size(in->recipient);
}

static void fill_step(struct result *result, const Tmx__Step *in, struct tmx_client_step *out)
{
    out->time_ms = in->time_ms;
    out->what = take_text(result, in->what);
    out->who = take_text(result, in->who);
    out->code = in->code;
    out->text = take_text(result, in->text);
    out->shard = take_text(result, in->shard);
    out->index = in->index;
    out->recipient = take_text(result, in->recipient);
    out->verified = in->verified;
}

static bool message_ok(const Tmx__MessageState *m)
{
    return id_ok(m->message_id) && optional_id_ok(m->correlation_id) && optional_id_ok(m->replaces) &&
           (m->direction == TMX__DIRECTION__DIRECTION_SENT || m->direction == TMX__DIRECTION__DIRECTION_RECEIVED);
}

static size_t message_size(const Tmx__MessageState *in)
{
    size_t size = text_size(in->reference) + text_size(in->sender) + text_size(in->message_type) +
                  text_size(in->mrn) + text_size(in->lrn) + text_size(in->business_id) +
                  text_size(in->business_correlation) + padded(in->correlation_id.len) + padded(in->replaces.len) +
                  padded(in->n_deliveries * sizeof(struct tmx_client_delivery)) +
                  padded(in->n_steps * sizeof(struct tmx_client_step));

    for (size_t i = 0; i < in->n_deliveries; i++) {
        size += text_size(in->deliveries[i]->recipient) + text_size(in->deliveries[i]->state);
    }
    for (size_t i = 0; i < in->n_steps; i++) {
        size += step_size(in->steps[i]);
    }
    return size;
}

static void fill_message(struct result *result, const Tmx__MessageState *in, struct tmx_client_message *out)
{
    struct tmx_client_delivery *deliveries = take(result, in->n_deliveries * sizeof(*deliveries));
    struct tmx_client_step *steps = take(result, in->n_steps * sizeof(*steps));

    for (size_t i = 0; i < in->n_deliveries; i++) {
        deliveries[i].recipient = take_text(result, in->deliveries[i]->recipient);
        deliveries[i].seq = in->deliveries[i]->seq;
        deliveries[i].state = take_text(result, in->deliveries[i]->state);
    }
    for (size_t i = 0; i < in->n_steps; i++) {
        fill_step(result, in->steps[i], &steps[i]);
    }
    memcpy(out->message_id, in->message_id.data, sizeof(out->message_id));
    out->direction = in->direction == TMX__DIRECTION__DIRECTION_SENT ? TMX_CLIENT_SENT : TMX_CLIENT_RECEIVED;
    out->reference = take_text(result, in->reference);
    out->sender = take_text(result, in->sender);
    out->deliveries = deliveries;
    out->n_deliveries = in->n_deliveries;
    out->message_type = take_text(result, in->message_type);
    out->mrn = take_text(result, in->mrn);
    out->lrn = take_text(result, in->lrn);
    out->business_id = take_text(result, in->business_id);
    out->business_correlation = take_text(result, in->business_correlation);
    out->correlation_id = take_optional_id(result, in->correlation_id);
    out->priority = in->priority;
    out->sent_ms = in->sent_ms;
    out->expires_ms = in->expires_ms;
    out->payload_bytes = in->payload_bytes;
    out->steps = steps;
    out->n_steps = in->n_steps;
    out->replaces = take_optional_id(result, in->replaces);
}

int client_messages(const Tmx__MessageList *in, const struct tmx_client_messages **ret_messages)
{
    struct result *result;
    size_t size = padded(in->n_messages * sizeof(struct tmx_client_message));

    for (size_t i = 0; i < in->n_messages; i++) {
        if (!message_ok(in->messages[i])) {
            return -EPROTO;
        }
        size += message_size(in->messages[i]);
    }
    int r = result_new(size, &result);
    if (r < 0) {
        return r;
    }
    struct tmx_client_message *messages = take(result, in->n_messages * sizeof(*messages));
    for (size_t i = 0; i < in->n_messages; i++) {
        fill_message(result, in->messages[i], &messages[i]);
    }
    result->u.messages =
        (struct tmx_client_messages){ .messages = messages, .n_messages = in->n_messages, .more = in->more };
    if (in->next.len == TMX_CLIENT_ID_BYTES) {
        memcpy(result->u.messages.next, in->next.data, TMX_CLIENT_ID_BYTES);
    }
    *ret_messages = &result->u.messages;
    return 0;
}

/* ---- events ---- */

int client_events(const Tmx__EventList *in, const struct tmx_client_events **ret_events)
{
    struct result *result;
    size_t size = padded(in->n_events * sizeof(struct tmx_client_event));

    for (size_t i = 0; i < in->n_events; i++) {
        const Tmx__Event *e = in->events[i];
        if (!id_ok(e->message_id) || e->step == NULL) {
            return -EPROTO;
        }
        size += text_size(e->reference) + text_size(e->mrn) + text_size(e->message_type) + step_size(e->step);
    }
    int r = result_new(size, &result);
    if (r < 0) {
        return r;
    }
    struct tmx_client_event *events = take(result, in->n_events * sizeof(*events));
    for (size_t i = 0; i < in->n_events; i++) {
        const Tmx__Event *e = in->events[i];
        events[i].cursor = e->cursor;
        memcpy(events[i].message_id, e->message_id.data, sizeof(events[i].message_id));
        events[i].reference = take_text(result, e->reference);
        events[i].mrn = take_text(result, e->mrn);
        events[i].message_type = take_text(result, e->message_type);
        fill_step(result, e->step, &events[i].step);
    }
    result->u.events = (struct tmx_client_events){ .events = events, .n_events = in->n_events, .next = in->next };
    *ret_events = &result->u.events;
    return 0;
}

/* ---- info ---- */

int client_info(const Tmx__InfoResponse *in, const struct tmx_client_info **ret_info)
{
    struct result *result;
    size_t size = padded(in->n_members * sizeof(char *)) + text_size(in->member) + text_size(in->federation) +
                  text_size(in->software);

    for (size_t i = 0; i < in->n_members; i++) {
        size += text_size(in->members[i]);
    }
    int r = result_new(size, &result);
    if (r < 0) {
        return r;
    }
    const char **members = take(result, in->n_members * sizeof(*members));
    for (size_t i = 0; i < in->n_members; i++) {
        members[i] = take_text(result, in->members[i]);
    }
    result->u.info = (struct tmx_client_info){ .member = take_text(result, in->member),
                                               .federation = take_text(result, in->federation),
                                               .software = take_text(result, in->software),
                                               .members = members,
                                               .n_members = in->n_members,
                                               .linked = in->linked,
                                               .catalogue_version = in->catalogue_version };
    *ret_info = &result->u.info;
    return 0;
}

int client_evidence(const Tmx__EvidenceResponse *in, struct tmx_bytes bundle, const struct tmx_client_evidence **ret_evidence)
{
    struct result *result;

    int r = result_new(padded(bundle.size), &result);
    if (r < 0) {
        return r;
    }
    uint8_t *copy = take(result, bundle.size);
    memcpy(copy, bundle.data, bundle.size);
    result->u.evidence = (struct tmx_client_evidence){ .bundle = copy,
                                                       .bundle_bytes = bundle.size,
                                                       .leaves = in->leaves,
                                                       .container = in->container,
                                                       .disclosed = in->disclosed };
    *ret_evidence = &result->u.evidence;
    return 0;
}
