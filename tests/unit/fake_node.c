/* SPDX-License-Identifier: Apache-2.0
 * A node that is none: it keeps what is submitted, offers two messages, and misbehaves on request. */
#include "fake_node.h"

#include <application.pb-c.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tmx/code.h>
#include <tmx/codec.h>
#include <tmx/transport.h>

#define SUBMITTED_MAX 64u
#define DAY_MS 1795564800000ull   /* 2026-11-25 */

static struct fake {
    struct tmx_transport *transport;
    struct tmx_socket *socket;
    struct tmx_message in;
    struct tmx_arena arena;
    size_t n_submitted;
    struct submitted {
        char reference[65], type[17], mrn[19], recipient[9];
        size_t payload_bytes;
        size_t replaces_bytes;
        uint8_t replaces[16];
    } submitted[SUBMITTED_MAX];
    bool leased[2];
    int outcome[2];   /* the verb that gave it one; 0 = none */
} fake;

static ProtobufCBinaryData text(const char *s)
{
    return tmx_to_pb(tmx_bytes_str(s));
}

static bool is(ProtobufCBinaryData b, const char *s)
{
    return tmx_bytes_eq(tmx_pb(b), tmx_bytes_str(s));
}

static void keep(char *out, size_t capacity, ProtobufCBinaryData b)
{
    assert(b.len < capacity);
    memcpy(out, b.data, b.len);
    out[b.len] = '\0';
}

/* 16 bytes: a kind and a number. */
static ProtobufCBinaryData id(uint8_t kind, uint8_t number)
{
    uint8_t *bytes = tmx_arena_alloc(&fake.arena, 16);
    assert(bytes != NULL);
    bytes[0] = kind;
    bytes[6] = 0x70;
    bytes[15] = number;
    return tmx_to_pb(TMX_BYTES(bytes, 16));
}

static void send_frames(const struct tmx_bytes *frames, size_t n)
{
    int r = tmx_socket_send(fake.socket, &fake.in, frames, n);
    assert(r == 0);
}

static void answer(Tmx__Response *response, const struct tmx_bytes *payloads, size_t n)
{
    struct tmx_bytes frames[4];

    assert(n < TMX_N(frames) && tmx_codec_pack(response, &fake.arena, &frames[0]) == TMX_CODEC_OK);
    for (size_t i = 0; i < n; i++) {
        frames[i + 1] = payloads[i];
    }
    send_frames(frames, n + 1);
}

static void refuse(Tmx__Response *response, unsigned code, const char *why)
{
    response->code = code;
    response->text = text(why);
    answer(response, NULL, 0);
}

static void submit(Tmx__Response *response, const Tmx__SubmitRequest *in)
{
    Tmx__SubmitResponse out = TMX__SUBMIT_RESPONSE__INIT;
    size_t payload_bytes = fake.in.n_frames == 2 ? fake.in.frames[1].size : 0;

    if (is(in->message_type, "CD999C")) {
        refuse(response, TMX_CODE_UNKNOWN_TYPE, "message type CD999C is not in the catalogue: check messageType");
        return;
    }
    response->body_case = TMX__RESPONSE__BODY_SUBMIT;
    response->submit = &out;
    for (size_t i = 0; i < fake.n_submitted; i++) {
        if (is(in->reference, fake.submitted[i].reference)) {
            if (fake.submitted[i].payload_bytes != payload_bytes) {
                response->body_case = TMX__RESPONSE__BODY__NOT_SET;
                refuse(response, TMX_CODE_REFERENCE_REUSED, "the reference was used for another message");
                return;
            }
            out.message_id = id(1, (uint8_t)(i + 1));
            out.duplicate = true;
            answer(response, NULL, 0);
            return;
        }
    }
    assert(fake.n_submitted < SUBMITTED_MAX && in->n_recipients > 0);
    struct submitted *s = &fake.submitted[fake.n_submitted++];
    keep(s->reference, sizeof(s->reference), in->reference);
    keep(s->type, sizeof(s->type), in->message_type);
    keep(s->mrn, sizeof(s->mrn), in->mrn);
    keep(s->recipient, sizeof(s->recipient), in->recipients[in->n_recipients - 1]);
    s->payload_bytes = payload_bytes;
    assert(in->replaces.len == 0 || in->replaces.len == sizeof(s->replaces));
    s->replaces_bytes = in->replaces.len;
    if (in->replaces.len > 0) {
        memcpy(s->replaces, in->replaces.data, in->replaces.len);
    }
    out.message_id = id(1, (uint8_t)fake.n_submitted);
    answer(response, NULL, 0);
}

/* Two messages: an XML with a file name that must not be used, and bytes of another kind with a NUL in a text. */
static void describe(Tmx__Leased *m, uint8_t i)
{
    *m = (Tmx__Leased)TMX__LEASED__INIT;
    m->message_id = id(2, i);
    m->token = id(3, i);
    m->sender = text(i == 0 ? "IT" : "CH");
    m->message_type = text(i == 0 ? "CD006C" : "CD118C");
    m->mrn = text(FAKE_MRN);
    m->priority = 4;
    m->sent_ms = DAY_MS;
    m->accepted_ms = DAY_MS + 1000;
    m->expires_ms = DAY_MS + 86400000;
    m->media_type = text(i == 0 ? "application/xml" : "application/pdf");
    m->file_name = i == 0 ? text("../../etc/passwd") : tmx_to_pb(TMX_LIT("a\0b\xff\x1b"));
    m->correlation_id = i == 0 ? id(1, 1) : text("");
    m->replaces = i == 0 ? id(1, 9) : text("");
    m->redelivered = i == 1;
    m->lease_until_ms = DAY_MS + 60000;
    m->payload_bytes = i == 0 ? sizeof(FAKE_PAYLOAD_ZERO) - 1 : sizeof(FAKE_PAYLOAD_ONE) - 1;
}

static void lease(Tmx__Response *response, const Tmx__LeaseRequest *in)
{
    static const struct tmx_bytes contents[] = { { (const uint8_t *)FAKE_PAYLOAD_ZERO, sizeof(FAKE_PAYLOAD_ZERO) - 1 },
                                                 { (const uint8_t *)FAKE_PAYLOAD_ONE, sizeof(FAKE_PAYLOAD_ONE) - 1 } };
    Tmx__LeaseResponse out = TMX__LEASE_RESPONSE__INIT;
    Tmx__Leased messages[2], *pointers[2];
    struct tmx_bytes payloads[2];

    for (uint8_t i = 0; i < 2 && out.n_messages < in->max; i++) {
        describe(&messages[i], i);
        bool wanted = in->n_message_types == 0;
        for (size_t t = 0; t < in->n_message_types; t++) {
            wanted = wanted || tmx_bytes_eq(tmx_pb(in->message_types[t]), tmx_pb(messages[i].message_type));
        }
        if (wanted && !fake.leased[i]) {
            fake.leased[i] = true;
            payloads[out.n_messages] = contents[i];
            pointers[out.n_messages++] = &messages[i];
        }
    }
    out.messages = pointers;
    response->body_case = TMX__RESPONSE__BODY_LEASE;
    response->lease = &out;
    answer(response, payloads, out.n_messages);
}

/* The same verb again is answered as before, another is too late; 0 leaves the outcome open. */
static void under_lease(Tmx__Response *response, ProtobufCBinaryData message_id, ProtobufCBinaryData token, int verb)
{
    for (uint8_t i = 0; i < 2; i++) {
        if (tmx_bytes_eq(tmx_pb(message_id), tmx_pb(id(2, i))) && tmx_bytes_eq(tmx_pb(token), tmx_pb(id(3, i)))) {
            if (fake.outcome[i] != 0 && fake.outcome[i] != verb) {
                refuse(response, TMX_CODE_HAS_OUTCOME, "");
                return;
            }
            fake.outcome[i] = verb;
            answer(response, NULL, 0);
            return;
        }
    }
    refuse(response, TMX_CODE_NOT_LEASED, "the message is not leased under this token: receive it again");
}

static void step(Tmx__Step *s, uint64_t after_ms, const char *what, const char *who, const char *recipient)
{
    *s = (Tmx__Step)TMX__STEP__INIT;
    s->time_ms = DAY_MS + after_ms;
    s->what = text(what);
    s->who = text(who);
    s->recipient = text(recipient);
    if (strcmp(what, "submitted") != 0) {
        s->shard = text("a");
        s->index = after_ms / 1000;
        s->verified = true;
    }
}

/* A message sent to CH and IT, which IT refused, and one received from IT. */
static void messages(Tmx__Response *response, size_t n, bool more, struct submitted *only)
{
    static Tmx__Step steps[2][4], *step_at[2][4];
    static Tmx__DeliveryState deliveries[3], *delivery_at[2][2] = { { &deliveries[0], &deliveries[1] },
                                                                    { &deliveries[2] } };
    static Tmx__MessageState states[2], *state_at[2] = { &states[0], &states[1] };
    Tmx__MessageList out = TMX__MESSAGE_LIST__INIT;

    for (size_t i = 0; i < 8; i++) {
        step_at[i / 4][i % 4] = &steps[i / 4][i % 4];
    }
    for (size_t i = 0; i < 3; i++) {
        deliveries[i] = (Tmx__DeliveryState)TMX__DELIVERY_STATE__INIT;
        deliveries[i].recipient = text(i == 0 ? "CH" : i == 1 ? "IT" : "DE");
        deliveries[i].seq = 7 + i;
        deliveries[i].state = text(i == 1 ? "refused" : "delivered");
    }
    step(&steps[0][0], 0, "submitted", "DE", "");
    step(&steps[0][1], 1000, "accepted", "broker", "");
    step(&steps[0][2], 3000, "CoD", "CH", "CH");
    step(&steps[0][3], 4000, "refused", "IT", "IT");
    steps[0][3].code = TMX_CODE_REFUSED;
    steps[0][3].text = text("wrong office \x1b[31m");
    step(&steps[1][0], 2000, "accepted", "broker", "");
    step(&steps[1][1], 5000, "CoD", "DE", "DE");
    for (size_t i = 0; i < 2; i++) {
        Tmx__MessageState *m = &states[i];
        *m = (Tmx__MessageState)TMX__MESSAGE_STATE__INIT;
        m->message_id = id(i == 0 ? 1 : 2, i == 0 ? 1 : 0);
        m->direction = i == 0 ? TMX__DIRECTION__DIRECTION_SENT : TMX__DIRECTION__DIRECTION_RECEIVED;
        m->reference = text(only != NULL ? only->reference : i == 0 ? "R1" : "");
        m->sender = text(i == 0 ? "DE" : "IT");
        m->message_type = text(only != NULL ? only->type : i == 0 ? "CD001C" : "CD006C");
        m->mrn = text(only != NULL ? only->mrn : FAKE_MRN);
        m->priority = 4;
        m->sent_ms = DAY_MS;
        m->payload_bytes = only != NULL ? only->payload_bytes : 100;
        m->replaces = only != NULL ? tmx_to_pb(TMX_BYTES(only->replaces, only->replaces_bytes)) : text("");
        m->deliveries = delivery_at[i];
        m->n_deliveries = 2 - i;
        m->steps = step_at[i];
        m->n_steps = 4 - 2 * i;
    }
    out.messages = state_at;
    out.n_messages = n;
    out.more = more;
    out.next = more ? id(1, 1) : text("");
    response->body_case = TMX__RESPONSE__BODY_MESSAGES;
    response->messages = &out;
    answer(response, NULL, 0);
}

/* One misbehaviour for each of these references. */
static bool misbehave(Tmx__Response *response, ProtobufCBinaryData reference)
{
    if (is(reference, "mute")) {
        return true;
    }
    if (is(reference, "garbage")) {
        send_frames((const struct tmx_bytes[]){ TMX_LIT("\xff\xff\xff") }, 1);
        return true;
    }
    if (is(reference, "other-body")) {
        answer(response, NULL, 0);
        return true;
    }
    if (is(reference, "short-id")) {
        Tmx__MessageState state = TMX__MESSAGE_STATE__INIT, *states[] = { &state };
        Tmx__MessageList out = TMX__MESSAGE_LIST__INIT;
        state.direction = TMX__DIRECTION__DIRECTION_SENT;
        out.messages = states;
        out.n_messages = 1;
        response->body_case = TMX__RESPONSE__BODY_MESSAGES;
        response->messages = &out;
        answer(response, NULL, 0);
        return true;
    }
    if (is(reference, "late")) {   /* an answer to a question given up before comes first */
        Tmx__Response late = TMX__RESPONSE__INIT;
        late.id = response->id - 1;
        late.code = TMX_CODE_BUSY;
        answer(&late, NULL, 0);
    }
    return false;
}

static void message(Tmx__Response *response, const Tmx__MessageRequest *in)
{
    if (misbehave(response, in->reference)) {
        return;
    }
    for (size_t i = 0; i < fake.n_submitted; i++) {
        if (is(in->reference, fake.submitted[i].reference)) {
            messages(response, 1, false, &fake.submitted[i]);
            return;
        }
    }
    if (is(in->reference, "late") || (in->message_id.len == 16 && in->message_id.data[0] == 1)) {
        messages(response, 1, false, NULL);
        return;
    }
    refuse(response, TMX_CODE_UNKNOWN_MESSAGE, "");
}

static void evidence(Tmx__Response *response, const Tmx__EvidenceRequest *in)
{
    static const struct tmx_bytes bundle = { (const uint8_t *)"the bundle", 10 };
    Tmx__EvidenceResponse out = TMX__EVIDENCE_RESPONSE__INIT;

    if (in->message_id.len != 16 || in->message_id.data[0] != 1) {
        refuse(response, TMX_CODE_UNKNOWN_MESSAGE, "");
        return;
    }
    out.leaves = 3;
    out.container = !in->without_container;
    out.disclosed = in->disclose;
    response->body_case = TMX__RESPONSE__BODY_EVIDENCE;
    response->evidence = &out;
    answer(response, &bundle, 1);
}

static void events(Tmx__Response *response, const Tmx__EventsRequest *in)
{
    static const char *const whats[] = { "accepted", "CoA", "CoD" };
    Tmx__EventList out = TMX__EVENT_LIST__INIT;
    Tmx__Event list[3], *pointers[3];
    Tmx__Step steps[3];

    for (uint64_t i = in->after; i < 3 && out.n_events < in->max; i++) {
        Tmx__Event *e = &list[i];
        step(&steps[i], (i + 1) * 1000, whats[i], i == 0 ? "broker" : "IT", "IT");
        *e = (Tmx__Event)TMX__EVENT__INIT;
        e->cursor = i + 1;
        e->message_id = id(1, 1);
        e->reference = text("R1");
        e->mrn = text(FAKE_MRN);
        e->message_type = text("CD001C");
        e->step = &steps[i];
        pointers[out.n_events++] = e;
    }
    out.next = in->after + out.n_events;
    out.events = pointers;
    response->body_case = TMX__RESPONSE__BODY_EVENTS;
    response->events = &out;
    answer(response, NULL, 0);
}

static void info(Tmx__Response *response)
{
    ProtobufCBinaryData members[] = { text("CH"), text("DE"), text("IT") };
    Tmx__InfoResponse out = TMX__INFO_RESPONSE__INIT;

    out.member = text("DE");
    out.federation = text("example");
    out.software = text("fake");
    out.members = members;
    out.n_members = TMX_N(members);
    out.linked = true;
    out.catalogue_version = 51502;
    response->body_case = TMX__RESPONSE__BODY_INFO;
    response->info = &out;
    answer(response, NULL, 0);
}

static void serve(const Tmx__Request *request)
{
    Tmx__Response response = TMX__RESPONSE__INIT;

    response.id = request->id;
    switch (request->body_case) {
    case TMX__REQUEST__BODY_SUBMIT:
        submit(&response, request->submit);
        return;
    case TMX__REQUEST__BODY_LEASE:
        lease(&response, request->lease);
        return;
    case TMX__REQUEST__BODY_RENEW:
        under_lease(&response, request->renew->message_id, request->renew->token, 0);
        return;
    case TMX__REQUEST__BODY_ACK:
        under_lease(&response, request->ack->message_id, request->ack->token, TMX__REQUEST__BODY_ACK);
        return;
    case TMX__REQUEST__BODY_REFUSE:
        assert(request->refuse->code == 601 && request->refuse->text.len > 0);
        under_lease(&response, request->refuse->message_id, request->refuse->token, TMX__REQUEST__BODY_REFUSE);
        return;
    case TMX__REQUEST__BODY_MOVEMENT:
        messages(&response, is(request->movement->mrn, FAKE_MRN) ? 2 : 0, false, NULL);
        return;
    case TMX__REQUEST__BODY_MESSAGE:
        message(&response, request->message);
        return;
    case TMX__REQUEST__BODY_LIST:
        messages(&response, request->list->max < 2 ? request->list->max : 2, request->list->max < 2, NULL);
        return;
    case TMX__REQUEST__BODY_EVENTS:
        events(&response, request->events);
        return;
    case TMX__REQUEST__BODY_EVIDENCE:
        evidence(&response, request->evidence);
        return;
    case TMX__REQUEST__BODY_INFO:
        info(&response);
        return;
    case TMX__REQUEST__BODY__NOT_SET:
    case _TMX__REQUEST__BODY__CASE_IS_INT_SIZE:
        break;
    }
    refuse(&response, TMX_CODE_MALFORMED, "no request");
}

static void run(const char *endpoint, int ready)
{
    Tmx__Request *request;

    if (tmx_arena_init(&fake.arena, 16u << 20) < 0 || tmx_transport_new(true, &fake.transport) < 0) {
        _exit(1);
    }
    tmx_transport_applications(fake.transport, true);
    if (tmx_socket_serve(fake.transport, endpoint, NULL, &fake.socket) < 0 || write(ready, "", 1) != 1) {
        _exit(1);
    }
    for (;;) {
        struct tmx_poll item = { .socket = fake.socket, .fd = -1 };
        if (tmx_transport_poll(fake.transport, &item, 1, -1) < 0) {
            _exit(1);
        }
        while (tmx_socket_receive(fake.socket, &fake.in) == TMX_SOCKET_OK) {
            tmx_arena_reset(&fake.arena);
            if (tmx_codec_unpack(&tmx__request__descriptor, fake.in.frames[0], TMX_CONTROL_MAX, &fake.arena,
                                 &request) != TMX_CODEC_OK) {
                _exit(1);   /* APP-2: the client sends canonical requests */
            }
            serve(request);
        }
    }
}

pid_t fake_node_start(const char *endpoint)
{
    int ready[2];
    char byte;

    if (pipe(ready) != 0) {
        abort();
    }
    pid_t node = fork();
    if (node == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(ready[0]);
        run(endpoint, ready[1]);
    }
    close(ready[1]);
    if (node < 0 || read(ready[0], &byte, 1) != 1) {
        abort();
    }
    close(ready[0]);
    return node;
}

void fake_node_stop(pid_t node)
{
    kill(node, SIGKILL);
    waitpid(node, NULL, 0);
}
