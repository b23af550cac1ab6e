/* SPDX-License-Identifier: Apache-2.0
 * Messages that are sent instead of earlier ones: what the node takes, and who is told (NODE-15, ENV-7).
 */
#include "fake_broker.h"

static uint8_t first[TMX_ID_SIZE];   /* message id of the earlier one */

static ProtobufCBinaryData text(const char *s)
{
    return tmx_to_pb(tmx_bytes_str(s));
}

/* To CH, or to CH and IT. */
static unsigned submit_instead(struct world *w, const char *reference, const char *to, bool both, struct tmx_bytes replaces)
{
    ProtobufCBinaryData recipients[2] = { text("CH"), text("IT") };
    Tmx__SubmitRequest s = submission(reference, to);
    if (both) {
        s.n_recipients = 2;
        s.recipients = recipients;
    }
    s.replaces = tmx_to_pb(replaces);
    return submit(w, &s, "once more");
}

/* CH reports on a submission that was accepted at `index`. */
static void report(struct world *w, struct tmx_bytes item, uint64_t index, Tmx__Outcome outcome, unsigned code)
{
    struct tmx_bytes made = report_make(w, &w->ch, item, index, outcome, code, NULL);
    feed_one(w, leaf_body(w, TMX__ENTRY_KIND__ENTRY_REPORT, made, "CH", 0, 0, index));
}

static void end(struct world *w, struct tmx_bytes item, uint64_t index)
{
    report(w, item, index, TMX__OUTCOME__OUTCOME_COE, TMX_CODE_CONTENT_INVALID);
}

/* NODE-15: not before its outcome; and the header says what is replaced. */
static void test_after_outcome(void **state)
{
    struct world *w = *state;
    submit_ok(w, "first", "", 0, first);
    assert_int_equal(submit_instead(w, "again", "CH", false, TMX_BYTES_OF(first)), TMX_CODE_REPLACES_OPEN);
    uint64_t index = accept_submit(w, 0);
    assert_int_equal(submit_instead(w, "again", "CH", false, TMX_BYTES_OF(first)), TMX_CODE_REPLACES_OPEN);
    report(w, w->submits[0].item, index, TMX__OUTCOME__OUTCOME_COA, 0);
    assert_int_equal(submit_instead(w, "again", "CH", false, TMX_BYTES_OF(first)), TMX_CODE_REPLACES_OPEN);
    assert_int_equal(w->n_submits, 1);
    report(w, w->submits[0].item, index, TMX__OUTCOME__OUTCOME_COD_NEGATIVE, TMX_CODE_REFUSED);
    assert_int_equal(submit_instead(w, "again", "CH", false, TMX_BYTES_OF(first)), TMX_CODE_OK);
    Tmx__Header *h = header_of(w, w->submits[1].item);
    assert_true(tmx_bytes_eq(tmx_pb(h->replaces), TMX_BYTES_OF(first)));
    assert_memory_not_equal(h->message_id.data, first, TMX_ID_SIZE);
    const Tmx__MessageState *m = message(w, h->message_id.data);
    assert_true(tmx_bytes_eq(tmx_pb(m->replaces), TMX_BYTES_OF(first)));
    assert_int_equal(message(w, first)->replaces.len, 0);
    /* NODE-1: the same again is the same; another one replaced is another submission */
    assert_int_equal(submit_instead(w, "again", "CH", false, TMX_BYTES_OF(first)), TMX_CODE_OK);
    assert_true(w->response->submit->duplicate);
    assert_int_equal(submit_instead(w, "again", "CH", false, TMX_BYTES_NULL), TMX_CODE_REFERENCE_REUSED);
}

/* NODE-15: a refusal of its header is an outcome. */
static void test_after_refusal(void **state)
{
    struct world *w = *state;
    submit_ok(w, "first", "", 0, first);
    feed_one(w, leaf_body(w, TMX__ENTRY_KIND__ENTRY_REFUSAL, w->submits[0].item, "DE", TMX_CODE_QUOTA, 1, 0));
    assert_int_equal(submit_instead(w, "again", "CH", false, TMX_BYTES_OF(first)), TMX_CODE_OK);
}

/* NODE-15: each recipient's own delivery counts. */
static void test_several_recipients(void **state)
{
    struct world *w = *state;
    assert_int_equal(submit_instead(w, "both", "CH", true, TMX_BYTES_NULL), TMX_CODE_OK);
    memcpy(first, w->response->submit->message_id.data, sizeof(first));
    uint64_t index = accept_submit(w, 0);
    end(w, w->submits[0].item, index);
    assert_int_equal(submit_instead(w, "1", "CH", true, TMX_BYTES_OF(first)), TMX_CODE_REPLACES_OPEN);
    assert_int_equal(submit_instead(w, "2", "IT", false, TMX_BYTES_OF(first)), TMX_CODE_REPLACES_OPEN);
    assert_int_equal(submit_instead(w, "3", "CH", false, TMX_BYTES_OF(first)), TMX_CODE_OK);
    memcpy(first, w->response->submit->message_id.data, sizeof(first));
    end(w, w->submits[1].item, accept_submit(w, 1));
    assert_int_equal(submit_instead(w, "4", "IT", false, TMX_BYTES_OF(first)), TMX_CODE_REPLACES_OTHER);
    assert_int_equal(submit_instead(w, "5", "CH", true, TMX_BYTES_OF(first)), TMX_CODE_REPLACES_OTHER);
}

/* NODE-15: what the node does not know it takes; what it knows as another's it does not. */
static void test_others(void **state)
{
    struct world *w = *state;
    static const uint8_t unknown[TMX_ID_SIZE] = { 1, 2, 3, 4, 5, 6, 0x70, 8, 0x80 };
    struct fake_message *m = compose(w, false, 0);
    deliver_message(w, m);
    assert_int_equal(submit_instead(w, "1", "CH", false, TMX_BYTES_OF(m->id)), TMX_CODE_REPLACES_OTHER);
    assert_int_equal(submit_instead(w, "2", "CH", false, TMX_BYTES(unknown, 15)), TMX_CODE_MALFORMED);
    assert_int_equal(submit_instead(w, "3", "CH", false, TMX_BYTES_OF(unknown)), TMX_CODE_OK);
    struct tmx_node_event ev = world_event(w, TMX_NODE_PROBE);
    ev.member = TMX_LIT("CH");
    turn(w, &ev, 1);
    memcpy(first, w->out.probe_id, sizeof(first));
    assert_int_equal(submit_instead(w, "4", "CH", false, TMX_BYTES_OF(first)), TMX_CODE_REPLACES_OTHER);
    Tmx__SubmitRequest s = submission("question", "CH");
    s.message_type = text("CD003C");
    s.mrn = text(MRN);
    s.business_correlation = text("b");
    assert_int_equal(submit(w, &s, "x"), TMX_CODE_OK);
    memcpy(first, w->response->submit->message_id.data, sizeof(first));
    assert_int_equal(submit_instead(w, "5", "CH", false, TMX_BYTES_OF(first)), TMX_CODE_REPLACES_OPEN);
    w->named = true;   /* an application that is shown other types only learns nothing about it */
    w->applications[0].n_types = 1;
    memcpy(w->applications[0].types[0], "CD001C", sizeof("CD001C"));
    assert_int_equal(submit_instead(w, "5", "CH", false, TMX_BYTES_OF(first)), TMX_CODE_REPLACES_OTHER);
}

/* ENV-7: the recipient's application is given it. */
static void test_told(void **state)
{
    struct world *w = *state;
    static uint8_t earlier[TMX_ID_SIZE] = { 1, 2, 3, 4, 5, 6, 0x70, 8, 0x80 };
    struct fake_message *m = compose(w, false, 0);
    m->header.replaces = tmx_to_pb(TMX_BYTES_OF(earlier));
    uint64_t index = deliver_message(w, m);
    log_report(w, index);
    const Tmx__Leased *l = lease(w, 0, 0);
    assert_non_null(l);
    assert_true(tmx_bytes_eq(tmx_pb(l->replaces), TMX_BYTES_OF(earlier)));
    assert_true(tmx_bytes_eq(tmx_pb(message(w, m->id)->replaces), TMX_BYTES_OF(earlier)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_after_outcome, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_after_refusal, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_several_recipients, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_others, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_told, world_setup, world_teardown),
    };
    return cmocka_run_group_tests_name("node-replaces", tests, NULL, NULL);
}
