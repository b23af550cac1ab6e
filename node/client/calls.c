/* SPDX-License-Identifier: Apache-2.0
 * The calls of tmx/client.h: each builds its request, asks, and hands the answer to its translation. */
#include <string.h>

#include <tmx/limits.h>

#include "client_private.h"

ProtobufCBinaryData client_text(const char *s)
{
    return tmx_to_pb(tmx_bytes_str(s));
}

ProtobufCBinaryData client_id(const uint8_t *id)
{
    return tmx_to_pb(id != NULL ? TMX_BYTES(id, TMX_ID_SIZE) : TMX_BYTES_NULL);
}

int client_missing(struct tmx_client *c, const char *what)
{
    return client_fail(c, -EINVAL, "%s is missing", what);
}

int client_translated(struct tmx_client *c, int r)
{
    if (r == -EPROTO) {
        return client_fail(c, r, "the node at %s gave an answer that breaks the specification", c->endpoint);
    }
    if (r < 0) {
        return client_fail(c, r, "no memory for the answer: ask for less at a time");
    }
    return 0;
}

int client_texts(struct tmx_client *c, const char *const *texts, size_t n, const char *what,
                    ProtobufCBinaryData *ret_texts)
{
    if (n > TMX_RECIPIENTS_MAX) {
        return client_fail(c, -EINVAL, "more than %u %s", TMX_RECIPIENTS_MAX, what);
    }
    for (size_t i = 0; i < n; i++) {
        if (texts == NULL || texts[i] == NULL) {
            return client_missing(c, what);
        }
        ret_texts[i] = client_text(texts[i]);
    }
    return 0;
}

int tmx_client_lease(struct tmx_client *c, uint32_t max, uint32_t lease_ms, uint32_t wait_ms,
                     const char *const *message_types, size_t n_types, const struct tmx_client_leases **ret_leases)
{
    ProtobufCBinaryData types[TMX_RECIPIENTS_MAX];
    Tmx__LeaseRequest lease = TMX__LEASE_REQUEST__INIT;
    Tmx__Request request = client_request(c);
    Tmx__Response *response;

    int r = client_texts(c, message_types, n_types, "message types", types);
    if (r != 0) {
        return r;
    }
    lease.max = max;
    lease.lease_ms = lease_ms;
    lease.wait_ms = wait_ms;
    lease.message_types = types;
    lease.n_message_types = n_types;
    request.body_case = TMX__REQUEST__BODY_LEASE;
    request.lease = &lease;
    r = client_call(c, &request, TMX_BYTES_NULL, wait_ms, TMX__RESPONSE__BODY_LEASE, &response);
    if (r != 0) {
        return r;
    }
    return client_translated(c, client_leases(response->lease, c->answer.frames + 1, c->answer.n_frames - 1, ret_leases));
}

/* Asks what is answered with the code alone. */
static int command(struct tmx_client *c, Tmx__Request *request, const uint8_t *message_id, const uint8_t *token)
{
    Tmx__Response *response;

    if (message_id == NULL || token == NULL) {
        return client_missing(c, message_id == NULL ? "the message id" : "the token");
    }
    return client_call(c, request, TMX_BYTES_NULL, 0, TMX__RESPONSE__BODY__NOT_SET, &response);
}

int tmx_client_renew(struct tmx_client *c, const uint8_t *message_id, const uint8_t *token, uint32_t lease_ms)
{
    Tmx__RenewRequest renew = TMX__RENEW_REQUEST__INIT;
    Tmx__Request request = client_request(c);

    renew.message_id = client_id(message_id);
    renew.token = client_id(token);
    renew.lease_ms = lease_ms;
    request.body_case = TMX__REQUEST__BODY_RENEW;
    request.renew = &renew;
    return command(c, &request, message_id, token);
}

int tmx_client_ack(struct tmx_client *c, const uint8_t *message_id, const uint8_t *token)
{
    Tmx__AckRequest ack = TMX__ACK_REQUEST__INIT;
    Tmx__Request request = client_request(c);

    ack.message_id = client_id(message_id);
    ack.token = client_id(token);
    request.body_case = TMX__REQUEST__BODY_ACK;
    request.ack = &ack;
    return command(c, &request, message_id, token);
}

int tmx_client_refuse(struct tmx_client *c, const uint8_t *message_id, const uint8_t *token, uint32_t code,
                      const char *text)
{
    Tmx__RefuseRequest refuse = TMX__REFUSE_REQUEST__INIT;
    Tmx__Request request = client_request(c);

    refuse.message_id = client_id(message_id);
    refuse.token = client_id(token);
    refuse.code = code;
    refuse.text = client_text(text);
    request.body_case = TMX__REQUEST__BODY_REFUSE;
    request.refuse = &refuse;
    return command(c, &request, message_id, token);
}

static int ask_messages(struct tmx_client *c, Tmx__Request *request, const struct tmx_client_messages **ret_messages)
{
    Tmx__Response *response;

    int r = client_call(c, request, TMX_BYTES_NULL, 0, TMX__RESPONSE__BODY_MESSAGES, &response);
    if (r != 0) {
        return r;
    }
    return client_translated(c, client_messages(response->messages, ret_messages));
}

int tmx_client_movement(struct tmx_client *c, const char *mrn, const struct tmx_client_messages **ret_messages)
{
    Tmx__MovementRequest movement = TMX__MOVEMENT_REQUEST__INIT;
    Tmx__Request request = client_request(c);

    if (mrn == NULL) {
        return client_missing(c, "the MRN");
    }
    movement.mrn = client_text(mrn);
    request.body_case = TMX__REQUEST__BODY_MOVEMENT;
    request.movement = &movement;
    return ask_messages(c, &request, ret_messages);
}

int tmx_client_message(struct tmx_client *c, const uint8_t *message_id, const char *reference,
                       const struct tmx_client_messages **ret_messages)
{
    Tmx__MessageRequest message = TMX__MESSAGE_REQUEST__INIT;
    Tmx__Request request = client_request(c);

    if (message_id == NULL && reference == NULL) {
        return client_missing(c, "the message id or reference");
    }
    message.message_id = client_id(message_id);
    message.reference = client_text(message_id == NULL ? reference : NULL);
    request.body_case = TMX__REQUEST__BODY_MESSAGE;
    request.message = &message;
    return ask_messages(c, &request, ret_messages);
}

int tmx_client_list(struct tmx_client *c, enum tmx_client_direction direction, int open_only, uint32_t max,
                    const uint8_t *after, const struct tmx_client_messages **ret_messages)
{
    static const Tmx__Direction directions[] = { [TMX_CLIENT_BOTH] = TMX__DIRECTION__DIRECTION_BOTH,
                                                 [TMX_CLIENT_SENT] = TMX__DIRECTION__DIRECTION_SENT,
                                                 [TMX_CLIENT_RECEIVED] = TMX__DIRECTION__DIRECTION_RECEIVED };
    Tmx__ListRequest list = TMX__LIST_REQUEST__INIT;
    Tmx__Request request = client_request(c);

    if ((unsigned)direction >= TMX_N(directions)) {
        return client_fail(c, -EINVAL, "%u is not a direction", (unsigned)direction);
    }
    list.direction = directions[direction];
    list.open_only = open_only != 0;
    list.max = max;
    list.after = client_id(after);
    request.body_case = TMX__REQUEST__BODY_LIST;
    request.list = &list;
    return ask_messages(c, &request, ret_messages);
}

int tmx_client_events(struct tmx_client *c, uint64_t after, uint32_t max, uint32_t wait_ms,
                      const struct tmx_client_events **ret_events)
{
    Tmx__EventsRequest events = TMX__EVENTS_REQUEST__INIT;
    Tmx__Request request = client_request(c);
    Tmx__Response *response;

    events.after = after;
    events.max = max;
    events.wait_ms = wait_ms;
    request.body_case = TMX__REQUEST__BODY_EVENTS;
    request.events = &events;
    int r = client_call(c, &request, TMX_BYTES_NULL, wait_ms, TMX__RESPONSE__BODY_EVENTS, &response);
    if (r != 0) {
        return r;
    }
    return client_translated(c, client_events(response->events, ret_events));
}

int tmx_client_info(struct tmx_client *c, const struct tmx_client_info **ret_info)
{
    Tmx__InfoRequest info = TMX__INFO_REQUEST__INIT;
    Tmx__Request request = client_request(c);
    Tmx__Response *response;

    request.body_case = TMX__REQUEST__BODY_INFO;
    request.info = &info;
    int r = client_call(c, &request, TMX_BYTES_NULL, 0, TMX__RESPONSE__BODY_INFO, &response);
    if (r != 0) {
        return r;
    }
    return client_translated(c, client_info(response->info, ret_info));
}

int tmx_client_evidence(struct tmx_client *c, const uint8_t *message_id, const char *reference, int container,
                        int disclose, const struct tmx_client_evidence **ret_evidence)
{
    Tmx__EvidenceRequest evidence = TMX__EVIDENCE_REQUEST__INIT;
    Tmx__Request request = client_request(c);
    Tmx__Response *response;

    if (message_id == NULL && reference == NULL) {
        return client_missing(c, "the message id or reference");
    }
    evidence.message_id = client_id(message_id);
    evidence.reference = client_text(message_id == NULL ? reference : NULL);
    evidence.without_container = container == 0;
    evidence.disclose = disclose != 0;
    request.body_case = TMX__REQUEST__BODY_EVIDENCE;
    request.evidence = &evidence;
    int r = client_call(c, &request, TMX_BYTES_NULL, 0, TMX__RESPONSE__BODY_EVIDENCE, &response);
    if (r != 0) {
        return r;
    }
    return client_translated(c, c->answer.n_frames != 2
                                    ? -EPROTO
                                    : client_evidence(response->evidence, c->answer.frames[1], ret_evidence));
}
