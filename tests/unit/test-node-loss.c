/* SPDX-License-Identifier: Apache-2.0
 * After a loss: the node's spool is gone or old, or the broker comes back with another log.
 */
#include "fake_broker.h"

/* NODE-10: an empty spool where the log knows better. */
static void test_rebuild(void **state)
{
    struct world *w = *state;
    struct fake_message *done = compose(w, false, 0), *open = compose(w, true, 0);
    uint8_t id[TMX_ID_SIZE];
    Tmx__SubmitRequest again = submission("a", "CH");
    again.mrn = tmx_to_pb(TMX_LIT(MRN));
    again.replaces = tmx_to_pb(TMX_LIT("an earlier one's"));
    assert_int_equal(submit(w, &again, "payload"), TMX_CODE_OK);
    memcpy(id, w->response->submit->message_id.data, sizeof(id));
    uint64_t sent = accept_submit(w, 0);
    uint64_t i1 = deliver_message(w, done);
    log_report(w, i1);
    assert_int_equal(ack(w, lease(w, 0, 0)), TMX_CODE_OK);
    log_report(w, i1);
    uint64_t i2 = deliver_message(w, open);
    log_report(w, i2);
    uint64_t batch;
    Tmx__Signed *s;
    struct tmx_signature signature;
    assert_int_equal(tmx_signed_parse(w->reports[w->n_reports - 1].item, &w->arena, &s, &signature), TMX_CODE_OK);
    batch = signature.batch_no;
    /* the disk is lost */
    tmx_node_free(w->node);
    tmx_spool_close(w->spool);
    assert_int_equal(tmx_spool_ram_new(&w->spool), 0);
    w->welcome_acked = w->n_entries;
    w->wall_ms -= 1000;
    node_start(w);
    w->head_sent = 0;
    w->n_reports = w->n_submits = w->n_requests = 0;
    link_up(w);                       /* found behind */
    assert_true(noticed(w, "rebuild.started"));
    w->head_sent = 0;
    link_up(w);
    assert_true(w->hello_complete);
    assert_int_equal(w->hello_feed_next, 0);
    submit_ok(w, "b", MRN, 0, NULL);
    assert_null(lease(w, 0, 0));
    assert_int_equal(w->n_submits, 0);   /* signs nothing */
    feed_all(w);
    assert_true(noticed(w, "rebuild.done"));
    assert_int_equal(w->n_submits, 1);
    Tmx__Header *h = header_of(w, w->submits[0].item);
    assert_int_equal(h->recipients[0]->seq, 2);
    assert_int_equal(h->recipients[0]->prev, 1);
    assert_int_equal(tmx_signed_parse(w->submits[0].item, &w->arena, &s, &signature), TMX_CODE_OK);
    assert_true(signature.batch_no > batch);   /* BAT-2 */
    assert_true(tmx_bytes_eq(tmx_pb(message(w, id)->deliveries[0]->state), TMX_LIT("accepted")));
    assert_true(tmx_bytes_eq(tmx_pb(message(w, id)->replaces), TMX_LIT("an earlier one's")));
    assert_true(tmx_bytes_eq(tmx_pb(message(w, done->id)->deliveries[0]->state), TMX_LIT("delivered")));
    assert_true(tmx_bytes_eq(tmx_pb(message(w, open->id)->deliveries[0]->state), TMX_LIT("arrived")));
    /* the container of the open one is asked for again, and the message marked; its key was lost with the disk */
    assert_int_equal(w->n_requests, 1);
    chunk(w, open, 0, open->container_size);
    assert_true(noticed(w, "message.key-gone"));
    assert_int_equal(state_of(w).alarm_rows, 0);
    (void)sent;
}

/* NODE-10: an older copy of the spool: what may have been offered since is marked. */
static void test_restored_copy(void **state)
{
    struct world *w = *state;
    struct fake_message *m = compose(w, false, 0);
    struct tmx_spool *copy;
    assert_int_equal(tmx_spool_ram_clone(w->spool, &copy), 0);
    submit_ok(w, "since-the-copy", "", 0, NULL);
    accept_submit(w, 0);
    uint64_t index = deliver_message(w, m);
    log_report(w, index);
    assert_non_null(lease(w, 0, 0));
    tmx_node_free(w->node);
    tmx_spool_close(w->spool);
    w->spool = copy;
    w->rebuild = true;
    w->n_requests = w->n_submits = 0;
    node_start(w);
    w->head_sent = w->n_entries - 3;
    link_up(w);
    assert_true(w->hello_complete);
    submit_ok(w, "behind", "", 0, NULL);   /* it has the prekeys, and numbers that were used since */
    assert_int_equal(w->n_submits, 0);
    feed_all(w);
    assert_int_equal(w->n_submits, 1);
    assert_int_equal(header_of(w, w->submits[0].item)->recipients[0]->seq, 2);
    assert_int_equal(w->n_requests, 1);
    chunk(w, m, 0, m->container_size);
    assert_true(noticed(w, "message.recovered"));
    const Tmx__Leased *l = lease(w, 0, 0);
    assert_true(is(l, m));
    assert_true(l->redelivered);
    assert_int_equal(ack(w, l), TMX_CODE_OK);
    assert_int_equal(last_report(w)->outcome, TMX__OUTCOME__OUTCOME_COD_POSITIVE);
}

/* The broker comes back with another shard, signed into the directory. */
static void other_shard(struct world *w)
{
    federation_new_shard(&w->federation, "2026b");
    w->federation.serial = 2;
    federation_sign(&w->federation);
    tmx_tree_free(w->tree);
    assert_int_equal(tmx_tree_new(NULL, &w->tree), 0);
    w->n_entries = w->head_sent = 0;
    Tmx__LogEntry start = TMX__LOG_ENTRY__INIT;
    start.kind = TMX__ENTRY_KIND__ENTRY_SHARD_START;
    leaf(w, &start);
    tick(w, 6000);
    bye(w, TMX_CODE_BAD_SESSION);
    w->n_hellos = w->n_submits = w->n_reports = 0;
    link_up(w);
    assert_false(state_of(w).linked);   /* nothing in its directory says that this is the log */
    w->head_sent = 0;
    directory_push(w);
    link_up(w);
    assert_true(state_of(w).linked);
}

/* LOG-4: a new shard after the broker's loss. */
static void test_new_shard(void **state)
{
    struct world *w = *state;
    struct fake_message *m = compose(w, false, 0);
    uint8_t id[TMX_ID_SIZE];
    submit_ok(w, "done", "", 0, NULL);
    uint64_t first = accept_submit(w, 0);
    struct tmx_bytes coa = report_make(w, &w->ch, w->submits[0].item, first, TMX__OUTCOME__OUTCOME_COA, 0, NULL);
    feed_one(w, leaf_body(w, TMX__ENTRY_KIND__ENTRY_REPORT, coa, "CH", 0, 0, first));
    struct tmx_bytes cod = report_make(w, &w->ch, w->submits[0].item, first, TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0, NULL);
    feed_one(w, leaf_body(w, TMX__ENTRY_KIND__ENTRY_REPORT, cod, "CH", 0, 0, first));
    submit_ok(w, "open", "", 0, id);
    accept_submit(w, 1);
    uint64_t index = deliver_message(w, m);
    log_report(w, index);
    const Tmx__Leased *l = lease(w, 3600000, 0);
    other_shard(w);
    tick(w, 0);
    assert_string_equal(state_of(w).shard, "2026b");
    assert_int_equal(w->n_submits, 1);
    assert_true(w->submits[0].resubmission);
    assert_memory_equal(header_of(w, w->submits[0].item)->message_id.data, id, TMX_ID_SIZE);
    feed_one(w, leaf_body(w, TMX__ENTRY_KIND__ENTRY_RESUBMISSION, w->submits[0].item, "DE", 0, 0, 0));
    tick(w, 10000);
    assert_int_equal(w->n_submits, 1);
    submit_ok(w, "new", "", 0, NULL);
    assert_int_equal(header_of(w, w->submits[1].item)->recipients[0]->seq, 3);
    /* CH submits its message again: it comes once more, and both reports with it */
    assert_int_equal(ack(w, l), TMX_CODE_OK);
    w->n_reports = 0;
    uint64_t again = leaf_body(w, TMX__ENTRY_KIND__ENTRY_RESUBMISSION, fake_sign(&w->ch, &m->header), "CH", 0, 0, 0);
    deliver(w, again, TMX_BYTES(m->container, m->container_size));
    assert_int_equal(w->n_reports, 2);
    assert_int_equal(state_of(w).alarm_rows, 1);   /* that the shard is new */
}

/* QUE-7: the lost log had ended it by operators before this node's CoA came, so that no application got it. Where the new log
 * brings it again, the node says what came of it, and it has an outcome there, too. */
static void test_new_shard_of_ended(void **state)
{
    struct world *w = *state;
    struct fake_message *m = compose(w, false, 0);
    uint64_t index = deliver_message(w, m);
    feed_one(w, leaf_end(w, TMX__ENTRY_KIND__ENTRY_EXCEPTION, &m->header, "DE", TMX_CODE_ENDED_BY_OPERATORS,
                         m->header.recipients[0]->seq, index));
    assert_null(lease(w, 0, 0));
    other_shard(w);
    tick(w, 0);
    w->n_reports = 0;
    uint64_t again = leaf_body(w, TMX__ENTRY_KIND__ENTRY_RESUBMISSION, fake_sign(&w->ch, &m->header), "CH", 0, 0, 0);
    deliver(w, again, TMX_BYTES(m->container, m->container_size));
    assert_int_equal(w->n_reports, 2);
    assert_int_equal(last_report(w)->outcome, TMX__OUTCOME__OUTCOME_COD_NEGATIVE);
    assert_int_equal(last_report(w)->code, TMX_CODE_ENDED_BY_OPERATORS);
    assert_null(lease(w, 0, 0));
}

/* NODE-13: what was missing of the old log it alone could explain; what is missing since is missed. */
static void test_new_shard_pardons(void **state)
{
    struct world *w = *state;
    compose(w, false, 0);
    deliver_message(w, compose(w, false, 0));
    compose(w, false, 0);
    deliver_message(w, compose(w, false, 0));
    other_shard(w);
    tick(w, 0);
    pass(w, 1800);
    assert_false(noticed(w, "delivery.missing"));
    compose(w, false, 0);
    deliver_message(w, compose(w, false, 0));
    pass(w, 1800);
    assert_true(noticed(w, "delivery.missing"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rebuild, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_restored_copy, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_new_shard, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_new_shard_of_ended, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_new_shard_pardons, world_setup, world_teardown),
    };
    return cmocka_run_group_tests_name("node-loss", tests, NULL, NULL);
}
