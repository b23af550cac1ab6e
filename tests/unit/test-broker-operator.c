/* SPDX-License-Identifier: Apache-2.0
 * What operators ask of a broker, and what it does. OPS-3 … OPS-9
 */
#include "broker_world.h"
#include "../harness/fold.h"
#include "operating.h"

static struct operating o;
static uint8_t note[TMX_OPERATION_MAX];
static struct tmx_bytes last;   /* what was asked last, as signed */

static int begin(void **state)
{
    operating_init(&o);
    return setup(state);
}

/* What a status says of a member is counted where it happens: as many as there are rows. */
static bool held_fit(struct world *w)
{
    for (size_t i = 0; i < 4; i++) {
        uint8_t from[TMX_MEMBER_KEY + TMX_ID_SIZE + 1];
        struct tmx_broker_link_view v;
        struct tmx_bytes key, value;
        uint64_t n = 0;
        size_t size = TMX_MEMBER_KEY;
        tmx_member_key(tmx_bytes_str(codes[i]), from);
        for (; tmx_spool_seek(w->spool, TMX_T_HELD, TMX_BYTES(from, size), &key, &value) == 0 &&
               memcmp(key.data, from, TMX_MEMBER_KEY) == 0; n++) {
            memcpy(from, key.data, key.size);
            from[key.size] = 0;
            size = key.size + 1;
        }
        if (tmx_broker_link(w->broker, tmx_bytes_str(codes[i]), &v) != 0 || v.held != n) {
            print_message("# %s: %ju held, %ju rows\n", codes[i], (uintmax_t)v.held, (uintmax_t)n);
            return false;
        }
    }
    return true;
}

/* Whatever was done: the rows are those that the log gives (OPS-9, LOG-2). */
static int end(void **state)
{
    static struct fold f;
    struct world *w = *state;
    fold_init(&f, &w->federation, w->federation.shard);
    if (!fold_follow(&f, w->spool, tmx_broker_log_size(w->broker)) || !fold_compare(&f, w->spool)) {
        print_message("# %s\n", f.failure);
        return -1;
    }
    return held_fit(w) ? teardown(state) : -1;
}

static enum tmx_operation_result say_note(struct world *w, struct tmx_bytes request)
{
    struct tmx_broker_event ev = event_of(w, TMX_BROKER_OPERATION);
    ev.file = last = request;
    ev.operators = &o.operators;
    turn(w, &ev, 1);
    return w->operation.result;
}

static enum tmx_operation_result ask(struct world *w, unsigned who, const struct tmx_operation *op)
{
    return say_note(w, operating_sign(&o, who, op, note));
}

static enum tmx_operation_result ask_member(struct world *w, unsigned who, enum tmx_action action, const char *member)
{
    struct tmx_operation op = operating_ask(&o, action, w->wall_ms);
    if (member != NULL) {
        strcpy(op.member, member);
    }
    return ask(w, who, &op);
}

/* About the last message, to one recipient. */
static enum tmx_operation_result ask_delivery(struct world *w, unsigned who, enum tmx_action action, const char *recipient)
{
    struct tmx_operation op = operating_ask(&o, action, w->wall_ms);
    operating_target(&op, message.id, recipient);
    return ask(w, who, &op);
}

/* Proposes to end the last message's delivery to a recipient; gives the proposal as its approval names it. */
static struct tmx_operation propose(struct world *w, unsigned who, enum tmx_action of, const char *recipient)
{
    struct tmx_operation op = operating_ask(&o, TMX_ACTION_PROPOSE, w->wall_ms);
    op.of = of;
    operating_target(&op, message.id, recipient);
    assert_int_equal(ask(w, who, &op), TMX_OPERATION_OK);
    struct tmx_operation approval = operating_ask(&o, TMX_ACTION_APPROVE, w->wall_ms);
    approval.proposal = w->operation.index;
    tmx_digest(last, approval.proposal_digest);
    return approval;
}

/* The entry at an index of the log. */
static const Tmx__LogEntry *entry_at(struct world *w, uint64_t index)
{
    static struct tmx_arena arena;
    uint8_t key[8];
    struct tmx_writer k = TMX_WRITER_OF(key);
    struct tmx_bytes value;
    Tmx__LogEntry *e;
    if (arena.start == NULL) {
        assert_int_equal(tmx_arena_init(&arena, 1u << 16), 0);
    }
    tmx_arena_reset(&arena);
    tmx_write_u64(&k, index);
    assert_int_equal(tmx_spool_get(w->spool, TMX_T_LOG, tmx_written(&k), &value), 0);
    assert_int_equal(tmx_entry_parse(value, &arena, &e), TMX_CODE_OK);
    return e;
}

static uint64_t rows(struct world *w, enum tmx_broker_table table)
{
    struct tmx_spool_stat stat;
    assert_int_equal(tmx_spool_stat(w->spool, &stat), 0);
    return stat.rows[table];
}

static void send_one(struct world *w, struct fake_node *to)
{
    compose(w, DE, to);
    submit(w, DE);
}

static void rejoin(struct world *w)
{
    restart(w);
    for (size_t i = 0; i < 4; i++) {
        hello(w, &w->node[i]);
        struct fake_frames f;
        fake_credit(&w->node[i], 1000, 1u << 30, &f);
        say(w, &w->node[i], &f);
    }
}

/* OPS-5, OPS-6: deliveries to it wait, those to others do not, and it is so after a restart. The entry says what, not who. */
static void test_pause(void **state)
{
    struct world *w = *state;
    uint64_t size = tmx_broker_log_size(w->broker);
    assert_int_equal(ask_member(w, 2, TMX_ACTION_PAUSE, "IT"), TMX_OPERATION_OK);
    assert_int_equal(w->operation.index, size);
    const Tmx__LogEntry *e = entry_at(w, size);
    uint8_t digest[32];
    tmx_digest(last, digest);
    assert_int_equal(e->kind, TMX__ENTRY_KIND__ENTRY_OPERATOR);
    assert_int_equal(e->code, TMX_ACTION_PAUSE);
    assert_true(tmx_bytes_eq(tmx_pb(e->recipient), TMX_LIT("IT")) && tmx_bytes_eq(tmx_pb(e->digest), TMX_BYTES_OF(digest)));
    assert_true(e->text.len == 0 && e->body.len == 0 && e->member.len == 0);
    assert_int_equal(rows(w, TMX_T_OPERATION), 1);

    send_one(w, IT);
    send_one(w, CH);
    assert_int_equal(IT->n_received, 0);
    assert_int_equal(CH->n_received, 1);
    rejoin(w);
    tick(w, 10);
    assert_int_equal(IT->n_received, 0);
    assert_int_equal(ask_member(w, 2, TMX_ACTION_PAUSE, "IT"), TMX_OPERATION_E_NOTHING);
    assert_int_equal(ask_member(w, 2, TMX_ACTION_RESUME, "IT"), TMX_OPERATION_OK);
    assert_int_equal(IT->n_received, 1);
    assert_int_equal(rows(w, TMX_T_STOP), 0);
    assert_int_equal(ask_member(w, 2, TMX_ACTION_RESUME, "IT"), TMX_OPERATION_E_NOTHING);
    assert_int_equal(ask_member(w, 2, TMX_ACTION_PAUSE, "FR"), TMX_OPERATION_E_MEMBER);
}

/* What is in flight is not sent again while it is paused; its reports count. */
static void test_pause_in_flight(void **state)
{
    struct world *w = *state;
    send_one(w, IT);
    assert_int_equal(IT->n_received, 1);
    assert_int_equal(ask_member(w, 0, TMX_ACTION_PAUSE, "IT"), TMX_OPERATION_OK);
    tick(w, 10000);
    assert_int_equal(IT->n_received, 1);
    report(w, IT, &IT->received[0], TMX__OUTCOME__OUTCOME_COA, 0);
    assert_int_equal(state_of(w, message.id, IT), TMX_DELIVERY_ARRIVED);
}

/* OPS-6: nothing new is taken, what was taken goes on. */
static void test_drain(void **state)
{
    struct world *w = *state;
    assert_int_equal(ask_member(w, 0, TMX_ACTION_PAUSE, "IT"), TMX_OPERATION_OK);
    send_one(w, IT);
    assert_int_equal(ask_member(w, 0, TMX_ACTION_DRAIN, NULL), TMX_OPERATION_OK);
    assert_int_equal(ask_member(w, 0, TMX_ACTION_DRAIN, NULL), TMX_OPERATION_E_NOTHING);
    rejoin(w);
    compose(w, DE, CH);
    submit(w, DE);
    assert_int_equal(DE->deferred_code, TMX_CODE_DRAINING);
    assert_int_equal(DE->deferred_retry_ms, TMX_RETRY_STOPPED_MS);
    assert_int_equal(CH->n_received, 0);
    assert_int_equal(ask_member(w, 0, TMX_ACTION_RESUME, "IT"), TMX_OPERATION_OK);
    assert_int_equal(IT->n_received, 1);
    report(w, IT, &IT->received[0], TMX__OUTCOME__OUTCOME_COA, 0);
    report(w, IT, &IT->received[0], TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0);
    last_leaf(DE, TMX__ENTRY_KIND__ENTRY_REPORT);
    assert_int_equal(ask_member(w, 0, TMX_ACTION_ADMIT, NULL), TMX_OPERATION_OK);
    submit(w, DE);
    assert_int_equal(CH->n_received, 1);
}

/* OPS-7: what is held is not sent, nor what is behind it in its movement; others pass. */
static void test_hold(void **state)
{
    struct world *w = *state;
    static const uint8_t label[TMX_LABEL_SIZE] = { 1 };
    uint8_t first[TMX_ID_SIZE], second[TMX_ID_SIZE];
    IT->n_received = 0;
    assert_int_equal(ask_member(w, 0, TMX_ACTION_PAUSE, "IT"), TMX_OPERATION_OK);
    for (unsigned i = 0; i < 2; i++) {
        compose(w, DE, IT);
        message.header.movement_label = tmx_to_pb(TMX_BYTES_OF(label));
        message.recipient[0].prev = i == 0 ? 0 : message.recipient[0].seq - 1;
        submit(w, DE);
        memcpy(i == 0 ? first : second, message.id, TMX_ID_SIZE);
    }
    struct tmx_operation op = operating_ask(&o, TMX_ACTION_HOLD, w->wall_ms);
    operating_target(&op, first, "IT");
    assert_int_equal(ask(w, 0, &op), TMX_OPERATION_OK);
    assert_int_equal(w->operation.n, 1);
    send_one(w, IT);
    assert_int_equal(ask_member(w, 0, TMX_ACTION_RESUME, "IT"), TMX_OPERATION_OK);
    assert_int_equal(IT->n_received, 1);
    assert_memory_equal(IT->received[0].message_id, message.id, TMX_ID_SIZE);
    rejoin(w);
    assert_int_equal(IT->n_received, 2);   /* the unlabelled one again, in the new session */
    assert_memory_equal(IT->received[1].message_id, message.id, TMX_ID_SIZE);

    op = operating_ask(&o, TMX_ACTION_HOLD, w->wall_ms);
    operating_target(&op, first, "IT");
    assert_int_equal(ask(w, 0, &op), TMX_OPERATION_E_DELIVERY);   /* held already */
    op = operating_ask(&o, TMX_ACTION_RELEASE, w->wall_ms);
    operating_target(&op, first, "IT");
    assert_int_equal(ask(w, 0, &op), TMX_OPERATION_OK);
    assert_int_equal(IT->n_received, 3);
    assert_memory_equal(IT->received[2].message_id, first, TMX_ID_SIZE);
    report(w, IT, &IT->received[2], TMX__OUTCOME__OUTCOME_COA, 0);
    assert_memory_equal(IT->received[3].message_id, second, TMX_ID_SIZE);
    assert_int_equal(rows(w, TMX_T_HELD), 0);
}

/* The second of a movement held: when the first is done nothing comes, until it is released. */
static void test_hold_behind(void **state)
{
    struct world *w = *state;
    static const uint8_t label[TMX_LABEL_SIZE] = { 2 };
    for (unsigned i = 0; i < 2; i++) {
        compose(w, DE, IT);
        message.header.movement_label = tmx_to_pb(TMX_BYTES_OF(label));
        message.recipient[0].prev = i == 0 ? 0 : message.recipient[0].seq - 1;
        submit(w, DE);
    }
    assert_int_equal(ask_delivery(w, 1, TMX_ACTION_HOLD, "IT"), TMX_OPERATION_OK);
    report(w, IT, &IT->received[0], TMX__OUTCOME__OUTCOME_COA, 0);
    tick(w, 10);
    assert_int_equal(IT->n_received, 1);
    assert_int_equal(ask_delivery(w, 1, TMX_ACTION_RELEASE, "IT"), TMX_OPERATION_OK);
    assert_int_equal(IT->n_received, 2);
}

/* A held delivery that was in flight arrives all the same; one that nobody has expires in its time. Both are held no more. */
static void test_held_ends(void **state)
{
    struct world *w = *state;
    send_one(w, IT);
    assert_int_equal(ask_delivery(w, 0, TMX_ACTION_HOLD, "IT"), TMX_OPERATION_OK);
    tick(w, 10000);
    assert_int_equal(IT->n_received, 1);
    report(w, IT, &IT->received[0], TMX__OUTCOME__OUTCOME_COA, 0);
    assert_int_equal(state_of(w, message.id, IT), TMX_DELIVERY_ARRIVED);
    assert_int_equal(rows(w, TMX_T_HELD), 0);
    assert_int_equal(ask_delivery(w, 0, TMX_ACTION_RELEASE, "IT"), TMX_OPERATION_E_DELIVERY);
    assert_int_equal(ask_delivery(w, 0, TMX_ACTION_HOLD, "IT"), TMX_OPERATION_E_DELIVERY);

    send_one(w, CH);
    assert_int_equal(ask_delivery(w, 0, TMX_ACTION_HOLD, "CH"), TMX_OPERATION_OK);
    uint64_t left = message.header.expires_ms - w->wall_ms;
    tick(w, left);
    assert_int_equal(state_of(w, message.id, CH), TMX_DELIVERY_EXPIRED);
    assert_int_equal(rows(w, TMX_T_HELD), 0);
}

/* DIR-7: held or not, what cannot arrive any more has its outcome. */
static void test_held_of_revoked(void **state)
{
    struct world *w = *state;
    send_one(w, IT);
    assert_int_equal(ask_delivery(w, 0, TMX_ACTION_HOLD, "IT"), TMX_OPERATION_OK);
    federation_find(&w->federation, "IT")->status = TMX__MEMBER_STATUS__MEMBER_REVOKED;
    w->federation.serial++;
    federation_sign(&w->federation);
    struct tmx_broker_event ev = event_of(w, TMX_BROKER_DIRECTORY);
    ev.file = federation_file(&w->federation);
    turn(w, &ev, 1);
    assert_int_equal(state_of(w, message.id, IT), TMX_DELIVERY_EXCEPTION);
    assert_int_equal(rows(w, TMX_T_HELD), 0);
}

/* OPS-3: each of these leaves everything as it was. */
static void test_refused(void **state)
{
    struct world *w = *state;
    uint64_t size = tmx_broker_log_size(w->broker);
    struct tmx_operation op = operating_ask(&o, TMX_ACTION_PAUSE, w->wall_ms);
    strcpy(op.member, "IT");
    struct tmx_bytes request = operating_sign(&o, 0, &op, note);
    note[request.size / 2] ^= 1;
    assert_int_equal(say_note(w, request), TMX_OPERATION_E_SIGNATURE);
    assert_int_equal(say_note(w, TMX_LIT("no note")), TMX_OPERATION_E_SIGNATURE);
    memcpy(o.secrets[1], o.secret, sizeof(o.secret));   /* bob's name, another's key */
    assert_int_equal(ask_member(w, 1, TMX_ACTION_PAUSE, "IT"), TMX_OPERATION_E_SIGNATURE);
    strcpy(op.installation, "tmx.other/broker");
    assert_int_equal(ask(w, 0, &op), TMX_OPERATION_E_INSTALLATION);
    assert_int_equal(ask_member(w, 2, TMX_ACTION_DRAIN, NULL), TMX_OPERATION_E_RIGHT);
    op = operating_ask(&o, TMX_ACTION_LAPSE, w->wall_ms);
    assert_int_equal(ask(w, 0, &op), TMX_OPERATION_E_FORMAT);
    struct tmx_writer text = tmx_writer_init(note, sizeof(note));
    tmx_note_sign(&text, TMX_LIT("tmx-operation@v1\nhello\n"), &o.operators.operators[0].key, o.secrets[0]);
    assert_int_equal(say_note(w, tmx_written(&text)), TMX_OPERATION_E_FORMAT);
    assert_int_equal(ask_member(w, 0, TMX_ACTION_RETRY, "IT"), TMX_OPERATION_E_NOTHING);
    message.id[0] ^= 1;
    assert_int_equal(ask_delivery(w, 0, TMX_ACTION_HOLD, "IT"), TMX_OPERATION_E_DELIVERY);
    message.id[0] ^= 1;
    assert_int_equal(tmx_broker_log_size(w->broker), size);
    assert_int_equal(rows(w, TMX_T_OPERATION) + rows(w, TMX_T_NONCE) + rows(w, TMX_T_STOP), 0);
    assert_true(noticed(w, "operator.refused"));
}

/* OPS-4: five minutes, and once, also after a restart, and by whatever clock. */
static void test_fresh_and_once(void **state)
{
    struct world *w = *state;
    struct tmx_operation op = operating_ask(&o, TMX_ACTION_PAUSE, w->wall_ms - TMX_OPERATION_FRESH_MS - 1);
    strcpy(op.member, "IT");
    assert_int_equal(ask(w, 0, &op), TMX_OPERATION_E_TIME);
    op.time_ms = w->wall_ms + TMX_OPERATION_FRESH_MS + 1;
    assert_int_equal(ask(w, 0, &op), TMX_OPERATION_E_TIME);
    op.time_ms = w->wall_ms + TMX_OPERATION_FRESH_MS;
    assert_int_equal(ask(w, 0, &op), TMX_OPERATION_OK);
    uint8_t again[TMX_OPERATION_MAX];
    struct tmx_bytes request = operating_sign(&o, 0, &op, again);
    assert_int_equal(ask_member(w, 0, TMX_ACTION_RESUME, "IT"), TMX_OPERATION_OK);
    assert_int_equal(say_note(w, request), TMX_OPERATION_E_REPEATED);
    rejoin(w);
    assert_int_equal(say_note(w, request), TMX_OPERATION_E_REPEATED);
    tick(w, 2 * TMX_OPERATION_FRESH_MS);
    rejoin(w);
    assert_int_equal(say_note(w, request), TMX_OPERATION_E_REPEATED);
    tick(w, 1);
    assert_int_equal(say_note(w, request), TMX_OPERATION_E_TIME);
    tick(w, 10000);
    assert_int_equal(ask_member(w, 0, TMX_ACTION_PAUSE, "IT"), TMX_OPERATION_OK);
    assert_int_equal(rows(w, TMX_T_NONCE), 3);
    w->wall_ms -= 2 * TMX_OPERATION_FRESH_MS;   /* the clock is put back */
    assert_int_equal(say_note(w, request), TMX_OPERATION_E_REPEATED);
}

/* Now, instead of when its back-off is over. */
static void test_retry(void **state)
{
    struct world *w = *state;
    send_one(w, IT);
    for (unsigned i = 0; i < 6; i++) {   /* without an answer: the next one is half a minute away */
        tick(w, i == 5 ? 1 : 20000);
        hello(w, DE);
    }
    size_t before = IT->n_received;
    struct fake_frames f;
    hello(w, IT);
    fake_credit(IT, 1000, 1u << 30, &f);
    say(w, IT, &f);
    assert_int_equal(IT->n_received, before + 1);
    assert_int_equal(ask_member(w, 0, TMX_ACTION_RETRY, "IT"), TMX_OPERATION_OK);
    assert_int_equal(IT->n_received, before + 2);
    assert_int_equal(ask_delivery(w, 0, TMX_ACTION_RETRY, "IT"), TMX_OPERATION_OK);
    assert_int_equal(IT->n_received, before + 3);
    assert_int_equal(entry_at(w, w->operation.index)->code, TMX_ACTION_RETRY);
    report(w, IT, &IT->received[0], TMX__OUTCOME__OUTCOME_COA, 0);
    assert_int_equal(ask_delivery(w, 0, TMX_ACTION_RETRY, "IT"), TMX_OPERATION_E_DELIVERY);
}

static void test_disconnect(void **state)
{
    struct world *w = *state;
    struct tmx_broker_link_view v;
    assert_int_equal(ask_member(w, 0, TMX_ACTION_DISCONNECT, "IT"), TMX_OPERATION_OK);
    assert_int_equal(IT->bye_code, TMX_CODE_BAD_SESSION);
    assert_int_equal(tmx_broker_link(w->broker, TMX_LIT("IT"), &v), 0);
    assert_false(v.up);
    assert_int_equal(ask_member(w, 0, TMX_ACTION_DISCONNECT, "IT"), TMX_OPERATION_E_NOTHING);
    hello(w, IT);
    assert_int_equal(tmx_broker_link(w->broker, TMX_LIT("IT"), &v), 0);
    assert_true(v.up);
}

/* OPS-8: one proposes, another approves; then it ends, before its arrival. */
static void test_expire(void **state)
{
    struct world *w = *state;
    assert_int_equal(ask_member(w, 0, TMX_ACTION_PAUSE, "IT"), TMX_OPERATION_OK);
    send_one(w, IT);
    assert_int_equal(ask_delivery(w, 0, TMX_ACTION_EXPIRE, "IT"), TMX_OPERATION_E_ALONE);
    struct tmx_operation approval = propose(w, 0, TMX_ACTION_EXPIRE, "IT"), other;
    assert_int_equal(state_of(w, message.id, IT), TMX_DELIVERY_QUEUED);
    assert_int_equal(ask(w, 0, &approval), TMX_OPERATION_E_SAME_KEY);
    assert_int_equal(ask(w, 2, &approval), TMX_OPERATION_E_RIGHT);
    other = approval;
    other.proposal_digest[0] ^= 1;
    assert_int_equal(ask(w, 1, &other), TMX_OPERATION_E_CHANGED);
    other = approval;
    other.proposal--;
    assert_int_equal(ask(w, 1, &other), TMX_OPERATION_E_PROPOSAL);
    rejoin(w);
    assert_int_equal(ask(w, 1, &approval), TMX_OPERATION_OK);
    assert_int_equal(w->operation.n, 1);
    assert_int_equal(state_of(w, message.id, IT), TMX_DELIVERY_EXCEPTION);
    assert_int_equal(last_leaf(DE, TMX__ENTRY_KIND__ENTRY_EXCEPTION)->code, TMX_CODE_ENDED_BY_OPERATORS);
    const Tmx__LogEntry *e = entry_at(w, w->operation.index);
    assert_true(e->code == TMX_ACTION_APPROVE && e->reference->index == approval.proposal && e->number == TMX_ACTION_EXPIRE);
    assert_int_equal(rows(w, TMX_T_PROPOSAL), 0);
    approval.nonce[31]++;
    assert_int_equal(ask(w, 1, &approval), TMX_OPERATION_E_PROPOSAL);
}

/* Expiry by hand is before the CoA only: one that came since the proposal stops it, as a whole. */
static void test_expire_after_arrival(void **state)
{
    struct world *w = *state;
    send_one(w, IT);
    struct tmx_operation approval = propose(w, 0, TMX_ACTION_EXPIRE, "IT");
    report(w, IT, &IT->received[0], TMX__OUTCOME__OUTCOME_COA, 0);
    uint64_t size = tmx_broker_log_size(w->broker);
    assert_int_equal(ask(w, 1, &approval), TMX_OPERATION_E_DELIVERY);
    assert_int_equal(state_of(w, message.id, IT), TMX_DELIVERY_ARRIVED);
    assert_int_equal(tmx_broker_log_size(w->broker), size);
    struct tmx_operation op = operating_ask(&o, TMX_ACTION_PROPOSE, w->wall_ms);
    op.of = TMX_ACTION_EXPIRE;
    operating_target(&op, message.id, "IT");
    assert_int_equal(ask(w, 0, &op), TMX_OPERATION_E_DELIVERY);

    approval = propose(w, 1, TMX_ACTION_LOSE, "IT");   /* the recipient's copy is lost for good */
    assert_int_equal(ask(w, 0, &approval), TMX_OPERATION_OK);
    assert_int_equal(state_of(w, message.id, IT), TMX_DELIVERY_EXCEPTION);
    assert_int_equal(last_leaf(DE, TMX__ENTRY_KIND__ENTRY_EXCEPTION)->code, TMX_CODE_RECIPIENT_LOST);
}

/* The log is lost, with all that was stopped; DE submits its last message again. */
static void lose_log(struct world *w)
{
    struct fake_frames f;
    uint8_t before[TMX_CHECKPOINT_MAX];
    struct tmx_bytes head = tmx_broker_checkpoint(w->broker);
    memcpy(before, head.data, head.size);
    w->broker = tmx_broker_free(w->broker);
    tmx_spool_close(w->spool);
    assert_int_equal(tmx_spool_ram_new(&w->spool), 0);
    federation_new_shard(&w->federation, "2026b");
    struct tmx_broker_config c = { .shard = w->federation.shard,
                                   .log_secret = w->federation.log_secret,
                                   .authority = w->federation.authority,
                                   .generation = 2,
                                   .queue_max = 100,
                                   .directory = federation_file(&w->federation),
                                   .previous_checkpoint = TMX_BYTES(before, head.size) };
    memcpy(c.log_public, w->federation.log_public, sizeof(c.log_public));
    assert_int_equal(tmx_broker_new(w->spool, &c, w->mono_ms, w->wall_ms * 1000, &w->broker), 0);
    for (size_t i = 0; i < 4; i++) {
        w->node[i].head = (struct tmx_checkpoint){ .size = 0 };
        w->node[i].feed_next = 0;
        join(w, &w->node[i]);
    }
    Tmx__Submit body = TMX__SUBMIT__INIT;
    Tmx__Link link = TMX__LINK__INIT;
    body.items = 1;
    body.resubmission = true;
    link.body_case = TMX__LINK__BODY_SUBMIT;
    link.submit = &body;
    compose(w, DE, IT);
    struct tmx_bytes payload[2] = { fake_sign(DE, &message.header), TMX_BYTES(message.container, message.container_size) };
    fake_link(DE, &link, payload, 2, &f);
    say(w, DE, &f);
    last_leaf(DE, TMX__ENTRY_KIND__ENTRY_RESUBMISSION);
}

/* What an earlier shard accepted its recipient may have: nobody ends it by hand (QUE-7). Nothing is stopped in the new shard. */
static void test_resubmitted(void **state)
{
    struct world *w = *state;
    assert_int_equal(ask_member(w, 0, TMX_ACTION_PAUSE, "IT"), TMX_OPERATION_OK);
    lose_log(w);
    assert_int_equal(IT->n_received, 1);
    struct tmx_operation op = operating_ask(&o, TMX_ACTION_PROPOSE, w->wall_ms);
    op.of = TMX_ACTION_EXPIRE;
    operating_target(&op, message.id, "IT");
    assert_int_equal(ask(w, 0, &op), TMX_OPERATION_E_DELIVERY);
    send_one(w, IT);
    propose(w, 0, TMX_ACTION_EXPIRE, "IT");
    assert_int_equal(ask_delivery(w, 0, TMX_ACTION_HOLD, "IT"), TMX_OPERATION_OK);
}

/* After 24 hours it has lapsed, by an entry; what was withdrawn is gone, too. */
static void test_proposals_end(void **state)
{
    struct world *w = *state;
    assert_int_equal(ask_member(w, 0, TMX_ACTION_PAUSE, "IT"), TMX_OPERATION_OK);
    compose(w, DE, IT);
    message.header.expires_ms = w->wall_ms + 72 * HOUR_MS;
    submit(w, DE);
    struct tmx_operation approval = propose(w, 0, TMX_ACTION_EXPIRE, "IT");
    approval.action = TMX_ACTION_WITHDRAW;
    assert_int_equal(ask(w, 2, &approval), TMX_OPERATION_E_RIGHT);
    assert_int_equal(ask(w, 0, &approval), TMX_OPERATION_OK);
    assert_int_equal(state_of(w, message.id, IT), TMX_DELIVERY_QUEUED);
    approval.action = TMX_ACTION_APPROVE;
    approval.nonce[31]++;
    assert_int_equal(ask(w, 1, &approval), TMX_OPERATION_E_PROPOSAL);

    approval = propose(w, 0, TMX_ACTION_EXPIRE, "IT");
    rejoin(w);
    tick(w, TMX_PROPOSAL_MS - 1);
    assert_int_equal(rows(w, TMX_T_PROPOSAL), 1);
    tick(w, 1);
    assert_int_equal(rows(w, TMX_T_PROPOSAL), 0);
    const Tmx__LogEntry *e = entry_at(w, tmx_broker_log_size(w->broker) - 1);
    assert_true(e->code == TMX_ACTION_LAPSE && e->reference->index == approval.proposal);
    approval.time_ms = w->wall_ms;
    assert_int_equal(ask(w, 1, &approval), TMX_OPERATION_E_PROPOSAL);
    assert_int_equal(state_of(w, message.id, IT), TMX_DELIVERY_QUEUED);
}

/* Who proposed must still have the right when it is done. */
static void test_proposer_gone(void **state)
{
    struct world *w = *state;
    assert_int_equal(ask_member(w, 0, TMX_ACTION_PAUSE, "IT"), TMX_OPERATION_OK);
    send_one(w, IT);
    struct tmx_operation approval = propose(w, 0, TMX_ACTION_EXPIRE, "IT");
    o.operators.operators[0].rights = 1u << TMX_ACTION_PAUSE;
    assert_int_equal(ask(w, 1, &approval), TMX_OPERATION_E_PROPOSER);
    o.operators.operators[0] = o.operators.operators[2];
    assert_int_equal(ask(w, 1, &approval), TMX_OPERATION_E_PROPOSER);
}

/* There are no more open than a human can look at. */
static void test_bounded_proposals(void **state)
{
    struct world *w = *state;
    assert_int_equal(ask_member(w, 0, TMX_ACTION_PAUSE, "IT"), TMX_OPERATION_OK);
    send_one(w, IT);
    for (unsigned i = 0; i < TMX_PROPOSALS_MAX; i++) {
        propose(w, 0, TMX_ACTION_EXPIRE, "IT");
    }
    struct tmx_operation op = operating_ask(&o, TMX_ACTION_PROPOSE, w->wall_ms);
    op.of = TMX_ACTION_EXPIRE;
    operating_target(&op, message.id, "IT");
    assert_int_equal(ask(w, 0, &op), TMX_OPERATION_E_PROPOSALS);
    tick(w, TMX_PROPOSAL_MS);
    assert_int_equal(rows(w, TMX_T_PROPOSAL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_pause, begin, end),
        cmocka_unit_test_setup_teardown(test_pause_in_flight, begin, end),
        cmocka_unit_test_setup_teardown(test_drain, begin, end),
        cmocka_unit_test_setup_teardown(test_hold, begin, end),
        cmocka_unit_test_setup_teardown(test_hold_behind, begin, end),
        cmocka_unit_test_setup_teardown(test_held_ends, begin, end),
        cmocka_unit_test_setup_teardown(test_held_of_revoked, begin, end),
        cmocka_unit_test_setup_teardown(test_refused, begin, end),
        cmocka_unit_test_setup_teardown(test_fresh_and_once, begin, end),
        cmocka_unit_test_setup_teardown(test_retry, begin, end),
        cmocka_unit_test_setup_teardown(test_disconnect, begin, end),
        cmocka_unit_test_setup_teardown(test_expire, begin, end),
        cmocka_unit_test_setup_teardown(test_expire_after_arrival, begin, end),
        cmocka_unit_test_setup_teardown(test_resubmitted, begin, end),
        cmocka_unit_test_setup_teardown(test_proposals_end, begin, end),
        cmocka_unit_test_setup_teardown(test_proposer_gone, begin, end),
        cmocka_unit_test_setup_teardown(test_bounded_proposals, begin, end),
    };
    return cmocka_run_group_tests_name("broker-operator", tests, NULL, NULL);
}
