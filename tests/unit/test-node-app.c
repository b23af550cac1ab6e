/* SPDX-License-Identifier: Apache-2.0
 * What the node's applications may ask, and what they are told.
 */
#include <stdio.h>

#include <tmx/evidence.h>

#include "fake_broker.h"

static ProtobufCBinaryData text(const char *s)
{
    return tmx_to_pb(tmx_bytes_str(s));
}

static const Tmx__EventList *events(struct world *w, uint64_t after, uint32_t max, uint32_t wait_ms)
{
    Tmx__EventsRequest body = TMX__EVENTS_REQUEST__INIT;
    Tmx__Request request = TMX__REQUEST__INIT;
    body.after = after;
    body.max = max;
    body.wait_ms = wait_ms;
    request.body_case = TMX__REQUEST__BODY_EVENTS;
    request.events = &body;
    ask(w, &request, NULL);
    return w->response == NULL ? NULL : w->response->events;
}

/* APP-1, APP-2: verbs and types of an application that is known, none for one that is not. */
static void test_rights(void **state)
{
    struct world *w = *state;
    struct tmx_node_application *a = &w->applications[0];
    Tmx__SubmitRequest s = submission("a", "CH");
    w->named = true;
    a->verbs = TMX_NODE_VERB_QUERY;
    assert_int_equal(submit(w, &s, "x"), TMX_CODE_FORBIDDEN);
    a->verbs = TMX_NODE_VERB_SUBMIT;
    a->n_types = 1;
    memcpy(a->types[0], "CD003C", 7);
    assert_int_equal(submit(w, &s, "x"), TMX_CODE_FORBIDDEN);
    memcpy(a->types[0], "CD001C", 7);
    assert_int_equal(submit(w, &s, "x"), TMX_CODE_OK);
    a->verbs = TMX_NODE_VERB_ALL;
    log_report(w, deliver_message(w, compose(w, false, 0)));
    memcpy(a->types[0], "CD003C", 7);
    assert_null(lease(w, 0, 0));
    assert_int_equal(events(w, 0, 0, 0)->n_events, 0);
    memcpy(a->types[0], "CD001C", 7);
    assert_non_null(lease(w, 0, 0));
    assert_true(events(w, 0, 0, 0)->n_events > 0);
    memcpy(a->name, "ERP", 4);
    assert_int_equal(submit(w, &s, "x"), TMX_CODE_FORBIDDEN);
}

static void raw(struct world *w, const struct tmx_bytes *frames, size_t n)
{
    struct tmx_node_event ev = { .kind = TMX_NODE_APP_REQUEST, .mono_ms = w->mono_ms, .wall_us = w->wall_ms * 1000 };
    ev.route = TMX_LIT("r");
    ev.frames = frames;
    ev.n_frames = n;
    w->request_id = 0;
    w->response = NULL;
    turn(w, &ev, 1);
}

/* APP-2: every malformed request is answered, and changes nothing. */
static void test_malformed(void **state)
{
    struct world *w = *state;
    struct tmx_bytes garbage[2] = { TMX_BYTES_NULL, TMX_LIT("\xff\xff\xff") };
    raw(w, garbage, 2);
    assert_int_equal(w->response->code, TMX_CODE_MALFORMED);
    raw(w, garbage, 1);
    assert_int_equal(w->response->code, TMX_CODE_MALFORMED);
    struct tmx_bytes empty[2] = { TMX_BYTES_NULL, TMX_BYTES_NULL };
    raw(w, empty, 2);   /* a Request without a body */
    assert_int_equal(w->response->code, TMX_CODE_MALFORMED);
    Tmx__SubmitRequest s = submission("a", "CH");
    Tmx__Request request = TMX__REQUEST__INIT;
    request.body_case = TMX__REQUEST__BODY_SUBMIT;
    request.submit = &s;
    ask(w, &request, NULL);   /* no payload frame */
    assert_int_equal(w->response->code, TMX_CODE_BAD_FRAME);
    assert_int_equal(state_of(w).submitted, 0);
}

/* A dealer without delimiter is answered without one. */
static void test_delimiter(void **state)
{
    struct world *w = *state;
    Tmx__InfoRequest body = TMX__INFO_REQUEST__INIT;
    Tmx__Request request = TMX__REQUEST__INIT;
    struct tmx_bytes frame;
    request.id = 7;
    request.body_case = TMX__REQUEST__BODY_INFO;
    request.info = &body;
    assert_int_equal(tmx_codec_pack(&request, &w->arena, &frame), TMX_CODEC_OK);
    struct tmx_node_event ev = { .kind = TMX_NODE_APP_REQUEST, .mono_ms = w->mono_ms, .wall_us = w->wall_ms * 1000 };
    struct tmx_node_output out;
    ev.route = TMX_LIT("r");
    ev.frames = &frame;
    ev.n_frames = 1;
    assert_int_equal(tmx_node_turn(w->node, &ev, 1, &out), 0);
    assert_int_equal(out.n_answers, 1);
    assert_int_equal(out.answers[0].n_frames, 1);
    Tmx__Response *response;
    assert_int_equal(tmx_codec_unpack(&tmx__response__descriptor, out.answers[0].frames[0], TMX_APP_RESPONSE_MAX,
                                      &w->arena, &response),
                     TMX_CODEC_OK);
    assert_int_equal(response->id, 7);
    assert_int_equal(response->info->n_members, 3);
    assert_true(response->info->linked);
}

/* APP-3 */
static void test_events(void **state)
{
    struct world *w = *state;
    static const char *const steps[] = { "submitted", "signed", "accepted", "CoA", "CoD" };
    uint8_t id[TMX_ID_SIZE];
    submit_ok(w, "a", MRN, 0, id);
    struct tmx_bytes item = w->submits[0].item;
    uint64_t index = accept_submit(w, 0);
    const Tmx__Outcome outcomes[] = { TMX__OUTCOME__OUTCOME_COA, TMX__OUTCOME__OUTCOME_COD_POSITIVE };
    for (size_t i = 0; i < 2; i++) {
        struct tmx_bytes report = report_make(w, &w->ch, item, index, outcomes[i], 0, NULL);
        feed_one(w, leaf_body(w, TMX__ENTRY_KIND__ENTRY_REPORT, report, "CH", 0, 0, index));
    }
    uint64_t cursor = 0;
    for (size_t i = 0; i < TMX_N(steps); i++) {
        const Tmx__EventList *list = events(w, cursor, 1, 0);
        assert_int_equal(list->n_events, 1);
        const Tmx__Event *e = list->events[0];
        assert_true(e->cursor > cursor);
        cursor = e->cursor;
        assert_true(tmx_bytes_eq(tmx_pb(e->step->what), tmx_bytes_str(steps[i])));
        assert_true(tmx_bytes_eq(tmx_pb(e->reference), TMX_LIT("a")));
        assert_true(tmx_bytes_eq(tmx_pb(e->mrn), TMX_LIT(MRN)));
        assert_int_equal(e->step->verified, i >= 2);
        node_restart(w);
    }
    assert_int_equal(events(w, cursor, 10, 0)->n_events, 0);
}

/* wait_ms */
static void test_waiting(void **state)
{
    struct world *w = *state;
    assert_null(lease(w, 0, 30000));
    assert_null(w->response);
    uint64_t index = deliver_message(w, compose(w, false, 0));
    assert_null(w->response);
    log_report(w, index);
    assert_non_null(w->response);   /* as soon as it is offered */
    assert_int_equal(w->response->lease->n_messages, 1);
    assert_null(lease(w, 0, 4000));
    assert_null(w->response);
    tick(w, 3999);
    assert_null(w->response);
    assert_true(w->out.deadline_ms <= w->mono_ms + 1);
    tick(w, 1);
    assert_non_null(w->response);
    assert_int_equal(w->response->lease->n_messages, 0);
    assert_null(events(w, 1000, 0, 5000));
    /* bounded: then it is answered at once */
    unsigned waiting = 1;
    while (waiting < 100 && lease(w, 0, 60000) == NULL && w->response == NULL) {
        waiting++;
        if (waiting == 64) {
            break;
        }
    }
    assert_int_equal(waiting, 64);
    Tmx__LeaseRequest body = TMX__LEASE_REQUEST__INIT;
    Tmx__Request request = TMX__REQUEST__INIT;
    body.wait_ms = 60000;
    request.body_case = TMX__REQUEST__BODY_LEASE;
    request.lease = &body;
    ask(w, &request, NULL);
    assert_int_equal(w->response->code, TMX_CODE_BUSY);
}

static const Tmx__MessageList *list(struct world *w, Tmx__Direction direction, bool open_only, uint32_t max,
                                    const uint8_t *after)
{
    Tmx__ListRequest body = TMX__LIST_REQUEST__INIT;
    Tmx__Request request = TMX__REQUEST__INIT;
    body.direction = direction;
    body.open_only = open_only;
    body.max = max;
    body.after = after == NULL ? (ProtobufCBinaryData){ 0, NULL } : tmx_to_pb(TMX_BYTES(after, TMX_ID_SIZE));
    request.body_case = TMX__REQUEST__BODY_LIST;
    request.list = &body;
    ask(w, &request, NULL);
    assert_int_equal(w->response->code, TMX_CODE_OK);
    return w->response->messages;
}

static void test_lists(void **state)
{
    struct world *w = *state;
    uint8_t ids[3][TMX_ID_SIZE];
    static const char *const references[] = { "a", "b", "c" };
    for (unsigned i = 0; i < 3; i++) {
        submit_ok(w, references[i], i == 2 ? "" : MRN, 0, ids[i]);
        tick(w, 10);
    }
    struct fake_message *m = compose(w, false, 0);
    deliver_message(w, m);
    const Tmx__MessageList *l = list(w, TMX__DIRECTION__DIRECTION_SENT, false, 2, NULL);
    assert_int_equal(l->n_messages, 2);
    assert_true(l->more);
    assert_memory_equal(l->messages[0]->message_id.data, ids[2], TMX_ID_SIZE);   /* newest first */
    l = list(w, TMX__DIRECTION__DIRECTION_SENT, false, 2, ids[1]);
    assert_int_equal(l->n_messages, 1);
    assert_false(l->more);
    assert_memory_equal(l->messages[0]->message_id.data, ids[0], TMX_ID_SIZE);
    assert_int_equal(list(w, TMX__DIRECTION__DIRECTION_BOTH, false, 0, NULL)->n_messages, 4);
    assert_int_equal(list(w, TMX__DIRECTION__DIRECTION_RECEIVED, true, 0, NULL)->n_messages, 1);
    feed_one(w, leaf_body(w, TMX__ENTRY_KIND__ENTRY_REFUSAL, w->submits[0].item, "DE", TMX_CODE_QUOTA, 1, 0));
    assert_int_equal(list(w, TMX__DIRECTION__DIRECTION_SENT, true, 0, NULL)->n_messages, 2);
    assert_int_equal(list(w, TMX__DIRECTION__DIRECTION_SENT, false, 0, NULL)->n_messages, 3);
    Tmx__MovementRequest body = TMX__MOVEMENT_REQUEST__INIT;
    Tmx__Request request = TMX__REQUEST__INIT;
    body.mrn = text(MRN);
    request.body_case = TMX__REQUEST__BODY_MOVEMENT;
    request.movement = &body;
    ask(w, &request, NULL);
    assert_int_equal(w->response->messages->n_messages, 2);
    const Tmx__MessageState *first = w->response->messages->messages[0];
    assert_memory_equal(first->message_id.data, ids[0], TMX_ID_SIZE);
    assert_non_null(step_of(first, "rejected"));
    assert_null(message(w, (const uint8_t *)"0123456789abcdef"));
    assert_int_equal(w->response->code, TMX_CODE_UNKNOWN_MESSAGE);
}

/* Durable before said: what a crash drops was never answered or sent, and what was answered is there (NODE-1). */
static void test_crash(void **state)
{
    struct world *w = *state;
    uint8_t id[TMX_ID_SIZE];
    submit_ok(w, "a", "", 0, id);
    struct tmx_spool_stat before, after;
    assert_int_equal(tmx_spool_stat(w->spool, &before), 0);
    tick(w, 10);   /* nothing to do: nothing to commit */
    assert_int_equal(tmx_spool_stat(w->spool, &after), 0);
    assert_int_equal(after.commits, before.commits);
    node_restart(w);
    const Tmx__MessageState *m = message(w, id);
    assert_non_null(m);
    assert_int_equal(m->n_steps, 2);
    link_up(w);
    assert_int_equal(w->n_submits, 2);   /* resent from the spool */
    assert_true(tmx_bytes_eq(w->submits[0].item, w->submits[1].item));
}

/* The same events give the same bytes. */
static void test_deterministic(void **state)
{
    struct world *w = *state;
    void *fresh;
    world_setup(&fresh);
    struct world *v = fresh;
    submit_ok(w, "a", MRN, 0, NULL);
    submit_ok(v, "a", MRN, 0, NULL);
    assert_true(tmx_bytes_eq(w->submits[0].item, v->submits[0].item));
    assert_true(tmx_bytes_eq(w->submits[0].container, v->submits[0].container));
    world_teardown(&fresh);
}

/* Payloads stay as long as the retention says. */
static void test_retention(void **state)
{
    struct world *w = *state;
    struct tmx_spool_stat stat;
    w->retention_ms = 60000;
    node_restart(w);
    link_up(w);
    uint64_t index = deliver_message(w, compose(w, false, 0));
    log_report(w, index);
    assert_int_equal(ack(w, lease(w, 0, 0)), TMX_CODE_OK);
    log_report(w, index);
    assert_int_equal(tmx_spool_stat(w->spool, &stat), 0);
    assert_int_equal(stat.rows[TMX_NT_IN_CONTAINER], 1);
    assert_int_equal(stat.rows[TMX_NT_ARCHIVE], 1);
    tick(w, 60000);
    assert_int_equal(tmx_spool_stat(w->spool, &stat), 0);
    assert_int_equal(stat.rows[TMX_NT_IN_CONTAINER], 0);
    assert_int_equal(stat.rows[TMX_NT_ARCHIVE], 0);
    assert_true(stat.rows[TMX_NT_REPORT] == 2 && stat.rows[TMX_NT_EVIDENCE] == 3);
}

/* However many ask in one turn, the node looks at so many rows in it; each answer leads on all the same. */
static void two_in_a_turn(struct world *w)
{
    struct tmx_node_event ev[2];
    struct tmx_bytes frames[2][2];
    for (size_t i = 0; i < 2; i++) {
        Tmx__EventsRequest body = TMX__EVENTS_REQUEST__INIT;
        Tmx__Request request = TMX__REQUEST__INIT;
        body.after = 1;
        request.body_case = TMX__REQUEST__BODY_EVENTS;
        request.events = &body;
        request.id = w->request_id = 100;
        frames[i][0] = TMX_BYTES_NULL;
        frames[i][1] = world_pack(w, &request);
        ev[i] = world_event(w, TMX_NODE_APP_REQUEST);
        ev[i].route = TMX_LIT("route");
        ev[i].application = TMX_LIT("NTA");
        ev[i].frames = frames[i];
        ev[i].n_frames = 2;
    }
    turn(w, ev, 2);
    assert_int_equal(w->response->events->n_events, 0);
    assert_int_equal(w->response->events->next, 2);
}

/* APP-3, APP-2: an application that may see few of many is answered after a bounded look, and goes on from there. */
static void test_few_of_many(void **state)
{
    enum { OTHERS = 10001 };
    struct world *w = *state;
    struct tmx_node_application *a = &w->applications[0];
    char reference[16];
    Tmx__SubmitRequest wanted = submission("wanted", "CH");
    wanted.message_type = text("CD003C");
    wanted.mrn = text(MRN);
    wanted.business_correlation = text("b");
    assert_int_equal(submit(w, &wanted, "x"), TMX_CODE_OK);
    tick(w, 10);                             /* ids of one millisecond have no order */
    struct tmx_arena request;
    assert_int_equal(tmx_arena_init(&request, 1u << 20), 0);
    struct tmx_arena kept = w->arena;
    w->arena = request;
    for (unsigned i = 0; i < OTHERS; i++) {
        snprintf(reference, sizeof(reference), "r%u", i);
        Tmx__SubmitRequest s = submission(reference, "CH");
        assert_int_equal(submit(w, &s, "x"), TMX_CODE_OK);
        tmx_arena_reset(&w->arena);
    }
    tmx_arena_deinit(&w->arena);
    w->arena = kept;
    w->named = true;
    a->verbs = TMX_NODE_VERB_ALL;
    a->n_types = 1;
    memcpy(a->types[0], "CD003C", 7);
    const Tmx__EventList *e = events(w, 0, 0, 5000);
    assert_int_equal(e->n_events, 1);
    assert_int_equal(e->next, 10000);
    e = events(w, 1, 0, 5000);
    assert_non_null(e);                      /* at once, not when something comes */
    assert_int_equal(e->n_events, 0);
    assert_int_equal(e->next, 10001);
    uint64_t next = e->next;
    two_in_a_turn(w);
    assert_null(events(w, next, 0, 5000));   /* nothing more there is: it waits */
    tick(w, 5000);
    assert_int_equal(w->response->events->next, next + 1);

    const Tmx__MessageList *l = list(w, TMX__DIRECTION__DIRECTION_BOTH, false, 0, NULL);
    assert_int_equal(l->n_messages, 0);
    assert_true(l->more);
    assert_int_equal(l->next.len, TMX_ID_SIZE);
    l = list(w, TMX__DIRECTION__DIRECTION_BOTH, false, 0, l->next.data);
    assert_int_equal(l->n_messages, 1);
    assert_false(l->more);
}

static unsigned evidence(struct world *w, const char *reference, bool without_container, bool disclose)
{
    Tmx__EvidenceRequest body = TMX__EVIDENCE_REQUEST__INIT;
    Tmx__Request request = TMX__REQUEST__INIT;
    body.reference = text(reference);
    body.without_container = without_container;
    body.disclose = disclose;
    request.body_case = TMX__REQUEST__BODY_EVIDENCE;
    request.evidence = &body;
    ask(w, &request, NULL);
    assert_non_null(w->response);
    return w->response->code;
}

static const Tmx__Evidence *bundle(struct world *w)
{
    Tmx__Evidence *e;
    const char *what = NULL;
    assert_int_equal(w->n_payload, 1);
    assert_int_equal(tmx_evidence_parse(w->payload[0], &w->arena, &e, &what), TMX_CODE_OK);
    return e;
}

/* EVI-1, EVI-2, EVI-4: what a node gives of a message is a bundle, with what was asked for, or a reason. */
static void test_evidence(void **state)
{
    struct world *w = *state;
    assert_int_equal(evidence(w, "a", false, false), TMX_CODE_UNKNOWN_MESSAGE);
    submit_ok(w, "a", MRN, 0, NULL);
    assert_int_equal(evidence(w, "a", false, false), TMX_CODE_NOT_READY);   /* nothing is in the log yet */
    uint64_t index = accept_submit(w, 0);
    assert_int_equal(evidence(w, "a", false, false), TMX_CODE_OK);
    const Tmx__Evidence *e = bundle(w);
    assert_int_equal(e->n_directories, 1);
    assert_int_equal(e->n_leaves, 2);                        /* the recipient's prekey set, and the acceptance */
    assert_true(e->leaves[0]->index < index && e->leaves[1]->index == index);
    assert_true(tmx_bytes_eq(tmx_pb(e->leaves[1]->entry), w->entries[index]));
    assert_true(e->container.len > 0 && w->response->evidence->container);
    assert_int_equal(e->content_key.len, 0);
    assert_int_equal(evidence(w, "a", true, true), TMX_CODE_OK);
    e = bundle(w);
    assert_int_equal(e->container.len, 0);
    assert_int_equal(e->content_key.len, 32);
    assert_true(w->response->evidence->disclosed);
    assert_true(noticed(w, "evidence.disclosed"));
    w->named = true;                                         /* an application over the network */
    w->applications[0].verbs = TMX_NODE_VERB_QUERY;
    assert_int_equal(evidence(w, "a", false, true), TMX_CODE_FORBIDDEN);
    assert_int_equal(evidence(w, "a", false, false), TMX_CODE_OK);
    w->applications[0].verbs = TMX_NODE_VERB_SUBMIT;
    assert_int_equal(evidence(w, "a", false, false), TMX_CODE_FORBIDDEN);
}

/* EVI-2: the directories between those that entries name are there, since one of them may have changed the authority's keys. */
static void test_evidence_directories(void **state)
{
    struct world *w = *state;
    submit_ok(w, "a", MRN, 0, NULL);
    struct tmx_bytes item = w->submits[0].item;
    uint64_t index = accept_submit(w, 0);
    while (w->federation.serial < 4) {
        w->federation.serial++;
        federation_sign(&w->federation);
        directory_push(w);
    }
    struct tmx_bytes report = report_make(w, &w->ch, item, index, TMX__OUTCOME__OUTCOME_COA, 0, NULL);
    feed_one(w, leaf_body(w, TMX__ENTRY_KIND__ENTRY_REPORT, report, "CH", 0, 0, index));
    assert_int_equal(evidence(w, "a", false, false), TMX_CODE_OK);
    const Tmx__Evidence *e = bundle(w);
    assert_int_equal(e->n_leaves, 3);
    assert_int_equal(e->n_directories, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rights, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_malformed, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_delimiter, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_events, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_few_of_many, world_setup_offline, world_teardown),
        cmocka_unit_test_setup_teardown(test_waiting, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_lists, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_crash, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_deterministic, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_retention, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_evidence, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_evidence_directories, world_setup, world_teardown),
    };
    return cmocka_run_group_tests_name("node-app", tests, NULL, NULL);
}
