/* SPDX-License-Identifier: Apache-2.0
 * Requests of national applications: parsed, checked against what the application may do, decided, answered. Every
 * answer leaves after the commit of its turn.
 */
#include <string.h>

#include "core.h"

static void answer_queue(struct tmx_node *n, const struct node_request *rq, struct tmx_bytes response,
                         const struct tmx_bytes *payload, size_t n_payload)
{
    size_t head = rq->delimiter ? 2 : 1;
    struct tmx_bytes *frames = tmx_arena_alloc(&n->out, (head + n_payload) * sizeof(*frames));
    if (frames == NULL || n->n_answers == TMX_NODE_ANSWERS_MAX) {
        node_notice(n, "application.overload", true, NULL, NULL, TMX_CODE_BUSY, 0);   /* it asks again */
        return;
    }
    frames[0] = TMX_BYTES_NULL;
    frames[head - 1] = response;
    for (size_t i = 0; i < n_payload; i++) {
        frames[head + i] = payload[i];
    }
    struct tmx_node_answer *a = &n->answers[n->n_answers++];
    a->route_size = (uint8_t)rq->route.size;
    memcpy(a->route, rq->route.data, rq->route.size);
    a->n_frames = head + n_payload;
    a->frames = frames;
}

void node_answer(struct tmx_node *n, const struct node_request *rq, Tmx__Response *response,
                 const struct tmx_bytes *payload, size_t n_payload)
{
    struct tmx_bytes packed;
    response->id = rq->pb == NULL ? 0 : rq->pb->id;
    if (tmx_codec_pack(response, &n->out, &packed) != TMX_CODEC_OK) {
        node_notice(n, "application.overload", true, NULL, NULL, TMX_CODE_BUSY, 0);
        return;
    }
    answer_queue(n, rq, packed, payload, n_payload);
}

void node_answer_code(struct tmx_node *n, const struct node_request *rq, unsigned code, const char *text)
{
    Tmx__Response response = TMX__RESPONSE__INIT;
    response.code = code;
    if (code != TMX_CODE_OK) {
        response.text = tmx_to_pb(tmx_bytes_str(text != NULL ? text : tmx_code_meaning(code)));
    }
    node_answer(n, rq, &response, NULL, 0);
}

bool node_type_permitted(const struct tmx_node_application *rights, struct tmx_bytes type)
{
    if (rights == NULL || rights->n_types == 0) {
        return true;
    }
    for (size_t i = 0; i < rights->n_types; i++) {
        if (tmx_bytes_eq(tmx_bytes_str(rights->types[i]), type)) {
            return true;
        }
    }
    return false;
}

/* *ret_rights is NULL for the local endpoint; false: nobody knows this application. */
static bool rights_of(const struct tmx_node *n, struct tmx_bytes application,
                      const struct tmx_node_application **ret_rights)
{
    *ret_rights = NULL;
    if (application.size == 0) {
        return true;
    }
    for (size_t i = 0; i < n->config.n_applications; i++) {
        if (tmx_bytes_eq(tmx_bytes_str(n->config.applications[i].name), application)) {
            *ret_rights = &n->config.applications[i];
            return true;
        }
    }
    return false;
}

static unsigned verb_of(const Tmx__Request *pb)
{
    switch ((int)pb->body_case) {
    case TMX__REQUEST__BODY_SUBMIT:
        return TMX_NODE_VERB_SUBMIT;
    case TMX__REQUEST__BODY_LEASE:
    case TMX__REQUEST__BODY_RENEW:
    case TMX__REQUEST__BODY_ACK:
    case TMX__REQUEST__BODY_REFUSE:
        return TMX_NODE_VERB_COLLECT;
    case TMX__REQUEST__BODY_MOVEMENT:
    case TMX__REQUEST__BODY_MESSAGE:
    case TMX__REQUEST__BODY_LIST:
    case TMX__REQUEST__BODY_EVENTS:
    case TMX__REQUEST__BODY_INFO:
    case TMX__REQUEST__BODY_EVIDENCE:
        return TMX_NODE_VERB_QUERY;
    default:
        return 0;   /* a request that has no verb is nobody's: one that was forgotten here is refused, not open */
    }
}

bool node_app_decide(struct tmx_node *n, struct node_request *rq, bool last)
{
    tmx_arena_reset(&n->scratch);
    switch ((int)rq->pb->body_case) {
    case TMX__REQUEST__BODY_SUBMIT:
        node_submit(n, rq);
        return true;
    case TMX__REQUEST__BODY_LEASE:
        return node_lease_try(n, rq, last);
    case TMX__REQUEST__BODY_RENEW:
        node_renew(n, rq);
        return true;
    case TMX__REQUEST__BODY_ACK:
        node_ack(n, rq);
        return true;
    case TMX__REQUEST__BODY_REFUSE:
        node_refuse(n, rq);
        return true;
    case TMX__REQUEST__BODY_MOVEMENT:
        node_query_movement(n, rq);
        return true;
    case TMX__REQUEST__BODY_MESSAGE:
        node_query_message(n, rq);
        return true;
    case TMX__REQUEST__BODY_LIST:
        node_query_list(n, rq);
        return true;
    case TMX__REQUEST__BODY_EVENTS:
        return node_events_try(n, rq, last);
    case TMX__REQUEST__BODY_EVIDENCE:
        node_evidence(n, rq);
        return true;
    case TMX__REQUEST__BODY_INFO:
        node_info(n, rq);
        return true;
    default:
        node_answer_code(n, rq, TMX_CODE_MALFORMED, "the request has no body this node knows");
        return true;
    }
}

static uint32_t wait_of(const Tmx__Request *pb)
{
    return pb->body_case == TMX__REQUEST__BODY_LEASE    ? pb->lease->wait_ms
           : pb->body_case == TMX__REQUEST__BODY_EVENTS ? pb->events->wait_ms
                                                        : 0;
}

void node_app_request(struct tmx_node *n, const struct tmx_node_event *ev)
{
    struct node_request rq = { .route = ev->route, .application = ev->application };
    const struct tmx_bytes *frames = ev->frames;
    size_t n_frames = ev->n_frames;
    if (ev->route.size > TMX_NODE_ROUTE_MAX) {
        return;
    }
    rq.delimiter = n_frames > 0 && frames[0].size == 0;
    if (rq.delimiter) {
        frames++;
        n_frames--;
    }
    tmx_arena_reset(&n->control);
    Tmx__Request *pb;
    if (n_frames < 1 || tmx_codec_unpack(&tmx__request__descriptor, frames[0], TMX_CONTROL_MAX, &n->control, &pb) !=
                            TMX_CODEC_OK) {
        node_answer_code(n, &rq, TMX_CODE_MALFORMED,
                         "the first frame is not a canonical Request of at most 16 KiB: see proto/application.proto");
        return;
    }
    rq.pb = pb;
    rq.bytes = frames[0];
    rq.payload = frames + 1;
    rq.n_payload = n_frames - 1;
    if (!rights_of(n, ev->application, &rq.rights) ||
        (rq.rights != NULL && (rq.rights->verbs & verb_of(pb)) == 0)) {
        node_notice(n, "application.refused", false, NULL, NULL, TMX_CODE_FORBIDDEN, verb_of(pb));
        node_answer_code(n, &rq, TMX_CODE_FORBIDDEN,
                         "the node's configuration does not give this application this verb");
        return;
    }
    if (rq.n_payload != (pb->body_case == TMX__REQUEST__BODY_SUBMIT ? 1u : 0u)) {
        node_answer_code(n, &rq, TMX_CODE_BAD_FRAME,
                         "a submit request has exactly one payload frame, any other request none");
        return;
    }
    uint32_t wait_ms = wait_of(pb);
    if (!node_app_decide(n, &rq, wait_ms == 0)) {
        node_wait_add(n, &rq, wait_ms);
    }
}
