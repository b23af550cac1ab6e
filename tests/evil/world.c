/* SPDX-License-Identifier: Apache-2.0
 * See evil.h.
 */
#include <stdio.h>

#include <tmx/code.h>
#include <tmx/text.h>

#include "evil.h"

static const char *const codes[NODES] = { "CH", "DE", "IT" };

#define EVENTS 64u

/* --- messages on their way */

static void queue_put(struct queue *q, unsigned node, const uint8_t route[2], const struct tmx_bytes *frames, size_t n)
{
    size_t size = 0;
    for (size_t i = 0; i < n; i++) {
        size += frames[i].size;
    }
    struct packet *p = malloc(sizeof(*p) + n * sizeof(p->frames[0]) + size);
    assert_non_null(p);
    *p = (struct packet){ .node = node, .route = { route[0], route[1] }, .n_frames = n };
    uint8_t *at = (uint8_t *)(p->frames + n);
    for (size_t i = 0; i < n; i++) {
        p->frames[i] = TMX_BYTES(at, frames[i].size);
        if (frames[i].size > 0) {
            memcpy(at, frames[i].data, frames[i].size);
        }
        at += frames[i].size;
    }
    *q->last = p;
    q->last = &p->next;
}

static struct packet *queue_take(struct queue *q)
{
    struct packet *p = q->first;
    if (p != NULL) {
        q->first = p->next;
        q->last = q->first == NULL ? &q->first : q->last;
    }
    return p;
}

static void queue_clear(struct queue *q)
{
    for (struct packet *p = queue_take(q); p != NULL; p = queue_take(q)) {
        free(p);
    }
    q->last = &q->first;
}

/* --- brokers */

static uint64_t broker_wall_us(const struct world *w, unsigned b)
{
    return (uint64_t)((int64_t)(START_MS + w->now_ms) + w->broker[b].clock_ms) * 1000;
}

void broker_start(struct world *w, unsigned b)
{
    struct federation *f = w->broker[b].believes != NULL ? w->broker[b].believes : &w->federation;
    struct tmx_broker_config c = { .shard = f->shard,
                                   .log_secret = f->log_secret,
                                   .authority = f->authority,
                                   .generation = 1,
                                   .queue_max = 1000,
                                   .directory = federation_file(f) };
    memcpy(c.log_public, f->log_public, sizeof(c.log_public));
    if (w->broker[b].spool == NULL) {
        assert_int_equal(tmx_spool_ram_new(&w->broker[b].spool), 0);
    }
    assert_int_equal(tmx_broker_new(w->broker[b].spool, &c, w->now_ms, broker_wall_us(w, b), &w->broker[b].broker), 0);
}

void broker_stop(struct world *w, unsigned b)
{
    w->broker[b].broker = tmx_broker_free(w->broker[b].broker);
    queue_clear(&w->broker[b].in);
}

static void to_node(struct world *w, unsigned i, const uint8_t route[2], const struct tmx_bytes *frames, size_t n)
{
    struct tmx_bytes bent[TMX_FRAMES_MAX];
    Tmx__Link *link;
    tmx_arena_reset(&w->arena);
    if (w->tamper == NULL) {
        queue_put(&w->node[i].in, i, route, frames, n);
        return;
    }
    assert_int_equal(tmx_codec_unpack(&tmx__link__descriptor, frames[0], TMX_CONTROL_MAX, &w->arena, &link), TMX_CODEC_OK);
    memcpy(bent, frames, n * sizeof(bent[0]));
    size_t n_payload = n - 1;
    if (w->tamper(w, i, link, bent + 1, &n_payload)) {
        assert_int_equal(tmx_codec_pack(link, &w->arena, &bent[0]), TMX_CODEC_OK);
        queue_put(&w->node[i].in, i, route, bent, n_payload + 1);
    }
}

static void broker_says(struct world *w, unsigned b, const struct tmx_broker_output *out)
{
    for (size_t i = 0; i < out->n_notices; i++) {
        w->broker[b].said[0] |= strcmp(out->notices[i].event, "log.fork-shown") == 0;
        w->broker[b].said[1] |= strcmp(out->notices[i].event, "witness.refused") == 0;
    }
    for (size_t i = 0; i < out->n_sends; i++) {
        const struct tmx_broker_send *s = &out->sends[i];
        if (s->route[0] == NODES && w->puppet != NULL) {
            fake_receive(w->puppet, s->frames, s->n_frames);
        } else if (s->route[0] < NODES && w->node[s->route[0]].linked == b && w->node[s->route[0]].epoch == s->route[1]) {
            to_node(w, s->route[0], s->route, s->frames, s->n_frames);
        }
    }
}

static void broker_turn(struct world *w, unsigned b)
{
    struct tmx_broker_event events[EVENTS];
    struct packet *taken[EVENTS];
    struct tmx_broker_output out;
    size_t n = 0, taken_n;
    while (n < EVENTS && (taken[n] = queue_take(&w->broker[b].in)) != NULL) {
        events[n] = (struct tmx_broker_event){ .kind = TMX_BROKER_MESSAGE,
                                               .member = tmx_bytes_str(codes[taken[n]->node]),
                                               .route = TMX_BYTES_OF(taken[n]->route),
                                               .n_frames = taken[n]->n_frames,
                                               .frames = taken[n]->frames };
        n++;
    }
    taken_n = n;
    if (n == 0) {
        events[n++] = (struct tmx_broker_event){ .kind = TMX_BROKER_TICK };
    }
    for (size_t i = 0; i < n; i++) {
        events[i].mono_ms = w->now_ms;
        events[i].wall_us = broker_wall_us(w, b);
    }
    assert_int_equal(tmx_broker_turn(w->broker[b].broker, events, n, &out), 0);
    broker_says(w, b, &out);
    for (size_t i = 0; i < taken_n; i++) {
        free(taken[i]);
    }
}

void puppet_says(struct world *w, unsigned member, const struct fake_frames *f)
{
    const uint8_t route[2] = { NODES, 0 };
    queue_put(&w->broker[FIRST].in, member, route, f->frame, f->n);
    run(w, 2 * STEP_MS);
}

/* --- nodes */

static void node_start(struct world *w, unsigned i)
{
    struct federation_member *m = federation_find(&w->federation, codes[i]);
    struct tmx_node_config c = { .member = tmx_bytes_str(m->code),
                                 .signing_secret = m->sign_secret,
                                 .witness_secret = m->witness_secret,
                                 .last_resort_secret = m->last_resort_secret,
                                 .archive_key = m->archive,
                                 .label_key = m->label,
                                 .authority = w->federation.authority,
                                 .generation = 1,
                                 .directory = federation_file(&w->federation),
                                 .catalogue = w->catalogue };
    const uint8_t entropy[32] = { (uint8_t)(i + 1) };
    memcpy(c.signing_public, m->sign_public, sizeof(c.signing_public));
    memcpy(c.witness_public, m->witness_public, sizeof(c.witness_public));
    assert_int_equal(tmx_spool_ram_new(&w->node[i].spool), 0);
    assert_int_equal(tmx_node_new(w->node[i].spool, &c, w->now_ms, (START_MS + w->now_ms) * 1000, entropy, &w->node[i].node),
                     0);
}

void link_to(struct world *w, unsigned node, unsigned b)
{
    w->node[node].linked = b;
    w->node[node].epoch++;
    queue_clear(&w->node[node].in);
}

static void node_says(struct world *w, unsigned i, const struct tmx_node_output *out)
{
    for (size_t k = 0; k < out->n_notices && w->node[i].n_notices < TMX_N(w->node[i].notices); k++) {
        snprintf(w->node[i].notices[w->node[i].n_notices++], sizeof(w->node[i].notices[0]), "%s", out->notices[k].event);
    }
    const uint8_t route[2] = { (uint8_t)i, w->node[i].epoch };
    for (size_t k = 0; k < out->n_sends && w->overhear != NULL; k++) {
        Tmx__Link *link;
        size_t n = out->sends[k].n_frames - 1;
        struct tmx_bytes frames[TMX_FRAMES_MAX];
        memcpy(frames, out->sends[k].frames, out->sends[k].n_frames * sizeof(frames[0]));
        assert_int_equal(tmx_codec_unpack(&tmx__link__descriptor, frames[0], TMX_CONTROL_MAX, &w->arena, &link), TMX_CODEC_OK);
        w->overhear(w, i, link, frames + 1, &n);
    }
    for (size_t k = 0; k < out->n_sends && w->node[i].linked < BROKERS; k++) {
        if (w->broker[w->node[i].linked].broker != NULL) {
            queue_put(&w->broker[w->node[i].linked].in, i, route, out->sends[k].frames, out->sends[k].n_frames);
        }
    }
    if (state_of(w, i).distrust && w->node[i].distrusted_ms == 0) {
        w->node[i].distrusted_ms = w->now_ms;
    }
    for (size_t k = 0; k < out->n_answers; k++) {
        const struct tmx_node_answer *a = &out->answers[k];
        struct tmx_bytes copy;
        w->payload = TMX_BYTES_NULL;
        assert_true(tmx_arena_copy(&w->arena, a->frames[0], &copy));
        assert_int_equal(tmx_codec_unpack(&tmx__response__descriptor, copy, TMX_APP_RESPONSE_MAX, &w->arena, &w->response),
                         TMX_CODEC_OK);
        if (a->n_frames > 1) {
            assert_true(tmx_arena_copy(&w->arena, a->frames[1], &w->payload));
        }
    }
}

static void node_step(struct world *w, unsigned i, struct tmx_node_event *events, size_t n)
{
    struct tmx_node_output out;
    for (size_t k = 0; k < n; k++) {
        events[k].mono_ms = w->now_ms;
        events[k].wall_us = (START_MS + w->now_ms) * 1000;
        w->entropy++;
        memcpy(events[k].entropy, &w->entropy, sizeof(w->entropy));
    }
    assert_int_equal(tmx_node_turn(w->node[i].node, events, n, &out), 0);
    node_says(w, i, &out);
}

static void node_turn(struct world *w, unsigned i)
{
    struct tmx_node_event events[EVENTS];
    struct packet *taken[EVENTS];
    size_t n = 0;
    while (n < EVENTS && (taken[n] = queue_take(&w->node[i].in)) != NULL) {
        events[n] = (struct tmx_node_event){ .kind = TMX_NODE_LINK_MESSAGE,
                                             .n_frames = taken[n]->n_frames,
                                             .frames = taken[n]->frames };
        n++;
    }
    if (n == 0) {
        events[0] = (struct tmx_node_event){ .kind = TMX_NODE_TICK };
    }
    node_step(w, i, events, n == 0 ? 1 : n);
    for (size_t k = 0; k < n; k++) {
        free(taken[k]);
    }
}

/* --- applications */

static void ask(struct world *w, unsigned i, Tmx__Request *request, struct tmx_bytes payload)
{
    struct tmx_bytes frames[2] = { TMX_BYTES_NULL, payload };
    tmx_arena_reset(&w->arena);
    assert_int_equal(tmx_codec_pack(request, &w->arena, &frames[0]), TMX_CODEC_OK);
    struct tmx_node_event ev = { .kind = TMX_NODE_APP_REQUEST,
                                 .route = TMX_LIT("r"),
                                 .n_frames = payload.size > 0 ? 2 : 1,
                                 .frames = frames };
    w->response = NULL;
    node_step(w, i, &ev, 1);
    assert_non_null(w->response);
    assert_int_equal(w->response->code, TMX_CODE_OK);
}

const uint8_t *submit(struct world *w, unsigned from, unsigned to, const char *text)
{
    static uint8_t ids[64][TMX_ID_SIZE];
    static size_t n;
    Tmx__SubmitRequest body = TMX__SUBMIT_REQUEST__INIT;
    Tmx__Request request = TMX__REQUEST__INIT;
    ProtobufCBinaryData recipient = tmx_to_pb(tmx_bytes_str(codes[to]));
    char reference[64];
    snprintf(reference, sizeof(reference), "%s", text);
    for (char *c = reference; *c != '\0'; c++) {
        *c = *c == ' ' ? '-' : *c;
    }
    body.reference = tmx_to_pb(tmx_bytes_str(reference));
    body.n_recipients = 1;
    body.recipients = &recipient;
    body.message_type = tmx_to_pb(TMX_LIT("CD001C"));
    request.id = 1;
    request.body_case = TMX__REQUEST__BODY_SUBMIT;
    request.submit = &body;
    ask(w, from, &request, tmx_bytes_str(text));
    uint8_t *id = ids[n++ % TMX_N(ids)];
    memcpy(id, w->response->submit->message_id.data, TMX_ID_SIZE);
    return id;
}

/* One message, taken and acknowledged. */
static void collect(struct world *w, unsigned i)
{
    Tmx__LeaseRequest lease = TMX__LEASE_REQUEST__INIT;
    Tmx__AckRequest ack = TMX__ACK_REQUEST__INIT;
    Tmx__Request request = TMX__REQUEST__INIT;
    uint8_t id[TMX_ID_SIZE], token[16];
    lease.max = 1;
    request.id = 2;
    request.body_case = TMX__REQUEST__BODY_LEASE;
    request.lease = &lease;
    ask(w, i, &request, TMX_BYTES_NULL);
    assert_int_equal(w->response->lease->n_messages, 1);
    assert_true(w->n_handed < TMX_N(w->handed) && w->payload.size < sizeof(w->handed[0].text));
    w->handed[w->n_handed].node = i;
    memcpy(w->handed[w->n_handed++].text, w->payload.data, w->payload.size);
    memcpy(id, w->response->lease->messages[0]->message_id.data, sizeof(id));
    memcpy(token, w->response->lease->messages[0]->token.data, sizeof(token));
    ack.message_id = tmx_to_pb(TMX_BYTES_OF(id));
    ack.token = tmx_to_pb(TMX_BYTES_OF(token));
    request.body_case = TMX__REQUEST__BODY_ACK;
    request.ack = &ack;
    ask(w, i, &request, TMX_BYTES_NULL);
}

size_t handed(const struct world *w, unsigned node, const char *text)
{
    size_t n = 0;
    for (size_t i = 0; i < w->n_handed; i++) {
        n += w->handed[i].node == node && strcmp(w->handed[i].text, text) == 0;
    }
    return n;
}

bool state_is(struct world *w, unsigned from, const uint8_t *id, const char *state)
{
    const Tmx__MessageState *m = tmx_node_message(w->node[from].node, TMX_DIRECTION_SENT, id);
    assert_non_null(m);
    return tmx_bytes_eq(tmx_pb(m->deliveries[0]->state), tmx_bytes_str(state));
}

/* --- time */

static bool anything_waits(const struct world *w)
{
    for (unsigned b = 0; b < BROKERS; b++) {
        if (w->broker[b].broker != NULL && w->broker[b].in.first != NULL) {
            return true;
        }
    }
    for (unsigned i = 0; i < NODES; i++) {
        if (w->node[i].in.first != NULL || (!w->node[i].idle && state_of((struct world *)(uintptr_t)w, i).offered > 0)) {
            return true;
        }
    }
    return false;
}

static void exchange(struct world *w)
{
    unsigned rounds = 0;
    do {
        for (unsigned b = 0; b < BROKERS; b++) {
            if (w->broker[b].broker != NULL) {
                broker_turn(w, b);
            }
        }
        for (unsigned i = 0; i < NODES; i++) {
            node_turn(w, i);
            if (!w->node[i].idle && state_of(w, i).offered > 0) {
                collect(w, i);
            }
        }
        assert_true(rounds++ < 1000);
    } while (anything_waits(w));
}

void run(struct world *w, uint64_t ms)
{
    for (uint64_t end = w->now_ms + ms; w->now_ms < end; w->now_ms += STEP_MS) {
        exchange(w);
    }
}

struct tmx_node_state_view state_of(struct world *w, unsigned node)
{
    struct tmx_node_state_view v;
    assert_int_equal(tmx_node_state(w->node[node].node, &v), 0);
    return v;
}

bool noticed(const struct world *w, unsigned node, const char *event)
{
    for (size_t i = 0; i < w->node[node].n_notices; i++) {
        if (strcmp(w->node[node].notices[i], event) == 0) {
            return true;
        }
    }
    return false;
}

uint64_t cosigned_by(struct world *w, unsigned b)
{
    struct tmx_broker_cosigned_view v;
    tmx_broker_cosigned(w->broker[b].broker, &v);
    return v.size;
}

/* --- fixtures */

struct world *world_new(void)
{
    static const char text[] = "version = 2026010100\n[CD001C]\nname = A\nacronym = C_AAR_SND\nfrom = DEP\nto = DES\n"
                               "mrn = optional\ncorrelation = optional\nvalid_from = 2023-11-01\n";
    unsigned line;
    char reason[128];
    struct world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    w->now_ms = 1000;
    assert_int_equal(tmx_arena_init(&w->arena, 16u << 20), 0);
    assert_int_equal(tmx_catalogue_parse(TMX_BYTES(text, sizeof(text) - 1), &w->catalogue, &line, reason, sizeof(reason)), 0);
    federation_init(&w->federation, codes, NODES, START_MS - 1000);
    w->federation.witnesses = true;
    federation_sign(&w->federation);
    for (unsigned b = 0; b < BROKERS; b++) {
        w->broker[b].in.last = &w->broker[b].in.first;
    }
    for (unsigned i = 0; i < NODES; i++) {
        w->node[i].in.last = &w->node[i].in.first;
        node_start(w, i);
    }
    return w;
}

int world_setup(void **state)
{
    struct world *w = world_new();
    broker_start(w, FIRST);
    run(w, 3000);
    submit(w, DE, IT, "before");
    run(w, 3000);
    submit(w, CH, DE, "and this");
    run(w, 3000);
    assert_int_equal(w->n_handed, 2);
    assert_int_equal(cosigned_by(w, FIRST), tmx_broker_log_size(w->broker[FIRST].broker));
    *state = w;
    return 0;
}

int world_teardown(void **state)
{
    struct world *w = *state;
    lies_about_heads = false;
    for (unsigned b = 0; b < BROKERS; b++) {
        broker_stop(w, b);
        tmx_spool_close(w->broker[b].spool);
    }
    for (unsigned i = 0; i < NODES; i++) {
        tmx_node_free(w->node[i].node);
        queue_clear(&w->node[i].in);
        tmx_spool_close(w->node[i].spool);
    }
    tmx_catalogue_free(w->catalogue);
    federation_deinit(&w->federation);
    tmx_arena_deinit(&w->arena);
    free(w);
    return 0;
}
