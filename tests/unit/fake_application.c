/* SPDX-License-Identifier: Apache-2.0
 * The application's side of fake_broker.h, and messages from CH.
 */
#include "fake_broker.h"

static ProtobufCBinaryData pb(const void *data, size_t size)
{
    return tmx_to_pb(TMX_BYTES(data, size));
}

static ProtobufCBinaryData pbs(const char *text)
{
    return tmx_to_pb(tmx_bytes_str(text));
}

void ask(struct world *w, Tmx__Request *request, const struct tmx_bytes *payload)
{
    request->id = ++w->request_id;
    struct tmx_bytes frames[3] = { TMX_BYTES_NULL, world_pack(w, request), payload == NULL ? TMX_BYTES_NULL : *payload };
    struct tmx_node_event ev = world_event(w, TMX_NODE_APP_REQUEST);
    ev.route = TMX_LIT("route");
    ev.application = w->named ? TMX_LIT("NTA") : TMX_BYTES_NULL;
    ev.frames = frames;
    ev.n_frames = payload == NULL ? 2 : 3;
    w->response = NULL;
    turn(w, &ev, 1);
}

Tmx__SubmitRequest submission(const char *reference, const char *to)
{
    static ProtobufCBinaryData recipient[1];
    recipient[0] = pbs(to);
    Tmx__SubmitRequest s = TMX__SUBMIT_REQUEST__INIT;
    s.reference = pbs(reference);
    s.n_recipients = 1;
    s.recipients = recipient;
    s.message_type = pbs("CD001C");
    return s;
}

unsigned submit(struct world *w, const Tmx__SubmitRequest *s, const char *payload)
{
    Tmx__SubmitRequest body = *s;
    Tmx__Request request = TMX__REQUEST__INIT;
    struct tmx_bytes data = tmx_bytes_str(payload);
    request.body_case = TMX__REQUEST__BODY_SUBMIT;
    request.submit = &body;
    ask(w, &request, &data);
    assert_non_null(w->response);
    return w->response->code;
}

void submit_ok(struct world *w, const char *reference, const char *mrn, uint32_t priority, uint8_t *ret_id)
{
    Tmx__SubmitRequest s = submission(reference, "CH");
    s.mrn = pbs(mrn);
    s.priority = priority;
    assert_int_equal(submit(w, &s, "payload"), TMX_CODE_OK);
    if (ret_id != NULL) {
        memcpy(ret_id, w->response->submit->message_id.data, TMX_ID_SIZE);
    }
}

const Tmx__Leased *lease(struct world *w, uint32_t lease_ms, uint32_t wait_ms)
{
    Tmx__LeaseRequest body = TMX__LEASE_REQUEST__INIT;
    Tmx__Request request = TMX__REQUEST__INIT;
    body.max = 1;
    body.lease_ms = lease_ms;
    body.wait_ms = wait_ms;
    request.body_case = TMX__REQUEST__BODY_LEASE;
    request.lease = &body;
    ask(w, &request, NULL);
    if (w->response == NULL) {
        return NULL;
    }
    assert_int_equal(w->response->code, TMX_CODE_OK);
    return w->response->lease->n_messages == 0 ? NULL : w->response->lease->messages[0];
}

unsigned ack(struct world *w, const Tmx__Leased *l)
{
    Tmx__AckRequest body = TMX__ACK_REQUEST__INIT;
    Tmx__Request request = TMX__REQUEST__INIT;
    body.message_id = l->message_id;
    body.token = l->token;
    request.body_case = TMX__REQUEST__BODY_ACK;
    request.ack = &body;
    ask(w, &request, NULL);
    return w->response->code;
}

unsigned refuse(struct world *w, const Tmx__Leased *l, unsigned code, const char *text)
{
    Tmx__RefuseRequest body = TMX__REFUSE_REQUEST__INIT;
    Tmx__Request request = TMX__REQUEST__INIT;
    body.message_id = l->message_id;
    body.token = l->token;
    body.code = code;
    body.text = pbs(text);
    request.body_case = TMX__REQUEST__BODY_REFUSE;
    request.refuse = &body;
    ask(w, &request, NULL);
    return w->response->code;
}

unsigned renew(struct world *w, const Tmx__Leased *l, uint32_t lease_ms)
{
    Tmx__RenewRequest body = TMX__RENEW_REQUEST__INIT;
    Tmx__Request request = TMX__REQUEST__INIT;
    body.message_id = l->message_id;
    body.token = l->token;
    body.lease_ms = lease_ms;
    request.body_case = TMX__REQUEST__BODY_RENEW;
    request.renew = &body;
    ask(w, &request, NULL);
    return w->response->code;
}

const Tmx__MessageState *message(struct world *w, const uint8_t *id)
{
    Tmx__MessageRequest body = TMX__MESSAGE_REQUEST__INIT;
    Tmx__Request request = TMX__REQUEST__INIT;
    body.message_id = pb(id, TMX_ID_SIZE);
    request.body_case = TMX__REQUEST__BODY_MESSAGE;
    request.message = &body;
    ask(w, &request, NULL);
    if (w->response->code != TMX_CODE_OK) {
        return NULL;
    }
    return w->response->messages->messages[0];
}

const Tmx__Step *step_of(const Tmx__MessageState *m, const char *what)
{
    for (size_t i = 0; i < m->n_steps; i++) {
        if (tmx_bytes_eq(tmx_pb(m->steps[i]->what), tmx_bytes_str(what))) {
            return m->steps[i];
        }
    }
    return NULL;
}

/* Messages from CH */

struct fake_message *compose(struct world *w, bool label, uint64_t prev)
{
    static uint8_t movement[TMX_LABEL_SIZE] = { 1, 1, 1, 1 };
    struct fake_message *m = tmx_arena_alloc(&w->arena, sizeof(*m));
    struct fake_node *to[1] = { &w->de };
    assert_non_null(m);
    fake_compose(&w->ch, to, 1, "CD001C", w->wall_ms, 300, m);
    if (label) {
        m->header.movement_label = pb(movement, sizeof(movement));
        m->recipient[0].prev = prev;
    }
    return m;
}

uint64_t deliver_message(struct world *w, struct fake_message *m)
{
    struct tmx_bytes item = fake_sign(&w->ch, &m->header);
    uint64_t index = leaf_body(w, TMX__ENTRY_KIND__ENTRY_ACCEPTANCE, item, "CH", 0, 0, 0);
    deliver(w, index, TMX_BYTES(m->container, m->container_size));
    return index;
}

uint64_t log_report(struct world *w, uint64_t acceptance)
{
    assert_true(w->n_reports > 0);
    uint64_t index = leaf_body(w, TMX__ENTRY_KIND__ENTRY_REPORT, w->reports[w->n_reports - 1].item, "DE", 0, 0, acceptance);
    feed_one(w, index);
    return index;
}

Tmx__Report *last_report(struct world *w)
{
    assert_true(w->n_reports > 0);
    return report_of(w, w->reports[w->n_reports - 1].item);
}

bool is(const Tmx__Leased *l, const struct fake_message *m)
{
    return l != NULL && memcmp(l->message_id.data, m->id, TMX_ID_SIZE) == 0;
}

void chunk(struct world *w, const struct fake_message *m, uint64_t offset, size_t size)
{
    Tmx__Chunk body = TMX__CHUNK__INIT;
    Tmx__Link link = TMX__LINK__INIT;
    struct tmx_bytes data = TMX_BYTES(m->container + offset, size);
    body.message_id = tmx_to_pb(TMX_BYTES_OF(m->id));
    body.offset = offset;
    link.body_case = TMX__LINK__BODY_CHUNK;
    link.chunk = &body;
    say(w, &link, &data, 1);
}
