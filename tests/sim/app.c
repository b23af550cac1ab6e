/* SPDX-License-Identifier: Apache-2.0
 * National applications: submit (again, until they know), lease, acknowledge, refuse, or forget what they leased.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tmx/code.h>
#include <tmx/codec.h>

#include "application.pb-c.h"
#include "sim.h"

#define ASK_AGAIN_MS 3000u
#define LEASE_MS 4000u
enum { ID_SUBMIT = 1, ID_LEASE = 2, ID_CLOSE = 100 };   /* ids of requests; ID_CLOSE + i: lease i */

static void ask(struct sim *s, unsigned i, Tmx__Request *request, struct tmx_bytes payload)
{
    struct tmx_bytes frames[2] = { { 0 }, payload };
    tmx_arena_reset(&s->arena);
    int r = tmx_codec_pack(request, &s->arena, &frames[0]);
    assert(r == 0);
    struct sim_event *ev = event_new(frames, request->body_case == TMX__REQUEST__BODY_SUBMIT ? 2 : 1);
    ev->kind = SIM_APP;
    ev->route[0] = 1;
    process_queue(s, &s->nodes[i].p, ev);
}

/* Payload: sender u8, fact u32, then bytes that follow from them. */
static void payload_fill(uint8_t *data, uint32_t size, unsigned fact)
{
    struct rng r = { fact * 77777ull + 5 };
    for (uint32_t k = 0; k < size; k++) {
        data[k] = (uint8_t)rng_next(&r);
    }
    uint32_t n = fact;
    memcpy(data, &n, sizeof(n));
}

static void fact_draw(struct sim *s, unsigned i)
{
    struct fact *f = &s->facts[s->n_facts];
    f->sender = i;
    bool several = rng_chance(&s->rng, 150);
    for (unsigned k = 0; k < s->n_nodes; k++) {
        unsigned to = (unsigned)((i + 1 + k) % s->n_nodes);
        if (to != i && (several || f->n_recipients == 0) && (several || rng_chance(&s->rng, 400) || k + 2 == s->n_nodes)) {
            f->recipients[f->n_recipients++] = to;
        }
    }
    f->movement = rng_chance(&s->rng, 700) ? (unsigned)rng_below(&s->rng, SIM_MOVEMENTS) : SIM_MOVEMENTS;
    f->priority = rng_chance(&s->rng, 300) ? 1 + (unsigned)rng_below(&s->rng, 9) : 0;
    f->payload_bytes = 8 + (uint32_t)rng_below(&s->rng, rng_chance(&s->rng, 15) ? 700000 : 2000);
    uint64_t away = rng_chance(&s->rng, 300) ? 1000 + rng_below(&s->rng, 20000) : 7 * SIM_DAY_MS;
    f->expires_ms = process_wall_ms(s, &s->nodes[i].p) + away;
    if (f->n_recipients > 1) {
        SOMETIMES(several_recipients);
    }
    if (f->payload_bytes > 270000) {
        SOMETIMES(large_container);
    }
    s->nodes[i].app.waiting_submit = (int)s->n_facts++;
}

static void submit(struct sim *s, unsigned i)
{
    struct sim_app *a = &s->nodes[i].app;
    const struct fact *f = &s->facts[a->waiting_submit];
    char reference[32], business[32];
    int n = snprintf(reference, sizeof(reference), "fact-%d", a->waiting_submit);
    int m = snprintf(business, sizeof(business), "B%06d", a->waiting_submit);
    ProtobufCBinaryData recipients[SIM_NODES_MAX];
    Tmx__SubmitRequest submit = TMX__SUBMIT_REQUEST__INIT;
    submit.reference = tmx_to_pb(TMX_BYTES(reference, (size_t)n));
    submit.business_id = tmx_to_pb(TMX_BYTES(business, (size_t)m));
    for (unsigned k = 0; k < f->n_recipients; k++) {
        recipients[k] = tmx_to_pb(tmx_bytes_str(s->federation.members[f->recipients[k]].code));
    }
    submit.n_recipients = f->n_recipients;
    submit.recipients = recipients;
    submit.message_type = tmx_to_pb(f->movement < SIM_MOVEMENTS ? TMX_LIT("CD118C") : TMX_LIT("CD974C"));
    if (f->movement < SIM_MOVEMENTS) {
        submit.mrn = tmx_to_pb(tmx_bytes_str(s->mrn[f->movement]));
    }
    submit.priority = f->priority;
    submit.expires_ms = f->expires_ms;
    Tmx__Request request = TMX__REQUEST__INIT;
    request.id = ID_SUBMIT;
    request.body_case = TMX__REQUEST__BODY_SUBMIT;
    request.submit = &submit;
    uint8_t *payload = malloc(f->payload_bytes);
    assert(payload != NULL);
    payload_fill(payload, f->payload_bytes, (unsigned)a->waiting_submit);
    ask(s, i, &request, TMX_BYTES(payload, f->payload_bytes));
    free(payload);
    a->submit_at = s->now_ms + ASK_AGAIN_MS;
}

static void lease_ask(struct sim *s, unsigned i)
{
    Tmx__LeaseRequest lease = TMX__LEASE_REQUEST__INIT;
    lease.max = 1 + (uint32_t)rng_below(&s->rng, 4);
    lease.lease_ms = LEASE_MS;
    lease.wait_ms = 2000;
    Tmx__Request request = TMX__REQUEST__INIT;
    request.id = ID_LEASE;
    request.body_case = TMX__REQUEST__BODY_LEASE;
    request.lease = &lease;
    ask(s, i, &request, TMX_BYTES_NULL);
    s->nodes[i].app.waiting_lease = true;
    s->nodes[i].app.lease_at = s->now_ms + 8000;
}

static void lease_close(struct sim *s, unsigned i, unsigned k)
{
    struct lease *l = &s->nodes[i].app.leases[k];
    Tmx__AckRequest ack = TMX__ACK_REQUEST__INIT;
    Tmx__RefuseRequest refuse = TMX__REFUSE_REQUEST__INIT;
    Tmx__Request request = TMX__REQUEST__INIT;
    request.id = ID_CLOSE + k;
    if (l->what == 1) {
        SOMETIMES(refused_by_application);
        refuse.message_id = tmx_to_pb(TMX_BYTES_OF(l->id));
        refuse.token = tmx_to_pb(TMX_BYTES_OF(l->token));
        refuse.code = TMX_CODE_REFUSED;
        refuse.text = tmx_to_pb(TMX_LIT("wrong office"));
        request.body_case = TMX__REQUEST__BODY_REFUSE;
        request.refuse = &refuse;
    } else {
        ack.message_id = tmx_to_pb(TMX_BYTES_OF(l->id));
        ack.token = tmx_to_pb(TMX_BYTES_OF(l->token));
        request.body_case = TMX__REQUEST__BODY_ACK;
        request.ack = &ack;
    }
    ask(s, i, &request, TMX_BYTES_NULL);
}

void app_step(struct sim *s, unsigned i)
{
    struct sim_app *a = &s->nodes[i].app;
    if (a->waiting_submit >= 0 && a->submit_at <= s->now_ms) {
        SOMETIMES(duplicate_submission);
        submit(s, i);
    }
    for (unsigned k = 0; k < SIM_LEASES_MAX; k++) {
        struct lease *l = &a->leases[k];
        if (l->used && l->act_ms <= s->now_ms) {
            l->used = false;
            if (l->what == 2) {
                SOMETIMES(lease_lapsed);
            } else {
                lease_close(s, i, k);
            }
        }
    }
    if (a->waiting_lease && a->lease_at <= s->now_ms) {
        a->waiting_lease = false;
    }
    if (a->next_ms > s->now_ms) {
        return;
    }
    a->next_ms = s->now_ms + 50 + rng_below(&s->rng, s->healed ? 300 : 2000);
    if (!a->waiting_lease && !rng_chance(&s->rng, s->healed ? 0 : 300)) {
        lease_ask(s, i);
    }
    if (!s->healed && a->waiting_submit < 0 && s->n_facts < s->facts_wanted && s->n_facts < SIM_MESSAGES_MAX) {
        fact_draw(s, i);
        submit(s, i);
    }
}

uint64_t app_next_ms(const struct sim *s, unsigned i)
{
    const struct sim_app *a = &s->nodes[i].app;
    uint64_t at = a->next_ms;
    at = a->waiting_submit >= 0 && a->submit_at < at ? a->submit_at : at;
    at = a->waiting_lease && a->lease_at < at ? a->lease_at : at;
    for (unsigned k = 0; k < SIM_LEASES_MAX; k++) {
        at = a->leases[k].used && a->leases[k].act_ms < at ? a->leases[k].act_ms : at;
    }
    return at;
}

bool app_idle(const struct sim *s, unsigned i)
{
    return s->nodes[i].app.waiting_submit < 0;
}

static void submitted(struct sim *s, unsigned i, const Tmx__Response *response)
{
    struct sim_app *a = &s->nodes[i].app;
    if (a->waiting_submit < 0) {
        return;
    }
    struct fact *f = &s->facts[a->waiting_submit];
    if (response->code == TMX_CODE_DISK_FULL) {
        SOMETIMES(node_disk_refused);
    }
    if (response->code >= 300 && response->code < 400) {
        return;   /* asked again later */
    }
    f->answered = true;
    f->code = response->code;
    if (response->code == TMX_CODE_OK) {
        assert(response->submit->message_id.len == TMX_ID_SIZE);
        memcpy(f->id, response->submit->message_id.data, TMX_ID_SIZE);
    }
    sim_trace(s, "app %s: fact %d answered %s %02x%02x%02x%02x", s->federation.members[i].code, a->waiting_submit,
              tmx_code_name(response->code), f->id[12], f->id[13], f->id[14], f->id[15]);
    a->waiting_submit = -1;
}

static void handed_over(struct sim *s, unsigned i, const Tmx__Leased *leased, struct tmx_bytes payload)
{
    struct sim_app *a = &s->nodes[i].app;
    uint32_t n = UINT32_MAX;
    if (payload.size >= sizeof(n)) {
        memcpy(&n, payload.data, sizeof(n));
    }
    if (n >= s->n_facts || s->facts[n].payload_bytes != payload.size) {
        sim_fail(s, "I5: %s got bytes nobody sent", s->federation.members[i].code);
        return;
    }
    uint8_t *expected = malloc(payload.size);
    assert(expected != NULL);
    payload_fill(expected, s->facts[n].payload_bytes, n);
    bool same = memcmp(expected, payload.data, payload.size) == 0;
    free(expected);
    const struct fact *f = &s->facts[n];
    if (!same || !tmx_bytes_eq(tmx_pb(leased->sender), tmx_bytes_str(s->federation.members[f->sender].code))) {
        sim_fail(s, "I5: %s got fact %u with other bytes or sender", s->federation.members[i].code, n);
        return;
    }
    check_handover(s, i, leased->message_id.data, n, leased->redelivered);
    for (unsigned k = 0; k < SIM_LEASES_MAX; k++) {
        struct lease *l = &a->leases[k];
        if (!l->used) {
            l->used = true;
            l->fact = n;
            memcpy(l->id, leased->message_id.data, TMX_ID_SIZE);
            memcpy(l->token, leased->token.data, sizeof(l->token));
            bool lapse = !s->healed && rng_chance(&s->rng, s->lapse);
            l->what = lapse ? 2 : !s->healed && rng_chance(&s->rng, s->refuse) ? 1 : 0;
            l->act_ms = s->now_ms + rng_below(&s->rng, s->healed ? 100 : LEASE_MS);
            return;
        }
    }
}

void app_answer(struct sim *s, unsigned i, const struct tmx_bytes *frames, size_t n)
{
    Tmx__Response *response;
    tmx_arena_reset(&s->arena);
    if (tmx_codec_unpack(&tmx__response__descriptor, frames[0], TMX_CONTROL_MAX * 8, &s->arena, &response) != 0) {
        sim_fail(s, "a node's answer is not a Response");
    } else if (response->id == ID_SUBMIT) {
        submitted(s, i, response);
    } else if (response->id == ID_LEASE) {
        s->nodes[i].app.waiting_lease = false;
        if (response->body_case == TMX__RESPONSE__BODY_LEASE && n != response->lease->n_messages + 1) {
            sim_fail(s, "a lease answer lacks payloads");
        }
        for (size_t k = 0; response->body_case == TMX__RESPONSE__BODY_LEASE && k < response->lease->n_messages &&
                           !sim_failed(s);
             k++) {
            handed_over(s, i, response->lease->messages[k], frames[1 + k]);
        }
    } else if (response->id >= ID_CLOSE && response->id < ID_CLOSE + SIM_LEASES_MAX) {
        struct fact *f = &s->facts[s->nodes[i].app.leases[response->id - ID_CLOSE].fact];
        f->acked[i] = f->acked[i] || response->code == TMX_CODE_OK;
    }
}
