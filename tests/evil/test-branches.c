/* SPDX-License-Identifier: Apache-2.0
 * Two brokers with one log key: a fork, two members shown different heads, a spool put back from a backup or cut short by a
 * crash. Who notices, how soon, that no quorum cosigns both branches, and the proof. LINK-5, LINK-6, LINK-12, LOG-4, LOG-8,
 * WIT-3
 */
#include <stdio.h>

#include <tmx/witness.h>

#include "evil.h"

static uint64_t size_of(const struct world *w, unsigned b)
{
    return tmx_broker_log_size(w->broker[b].broker);
}

static void copy_spool(struct world *w)
{
    assert_int_equal(tmx_spool_ram_clone(w->broker[FIRST].spool, &w->broker[SECOND].spool), 0);
}

/* The second broker on a copy of the first one's spool; IT is linked to it. */
static void branch(struct world *w)
{
    copy_spool(w);
    broker_start(w, SECOND);
    link_to(w, IT, SECOND);
}

/* Until its head has a power of two of leaves, or none: from that a proof does not hold the root it leads from. */
static void grow(struct world *w, unsigned b, unsigned from, unsigned to, bool power)
{
    char text[32];
    for (unsigned i = 0; ((size_of(w, b) & (size_of(w, b) - 1)) == 0) != power; i++) {
        snprintf(text, sizeof(text), "filler %u", i);
        submit(w, from, to, text);
        run(w, 1000);
    }
}

/* Until it is longer than that. */
static void outgrow(struct world *w, unsigned b, unsigned from, unsigned to, uint64_t size)
{
    char text[32];
    for (unsigned i = 0; size_of(w, b) <= size; i++) {
        snprintf(text, sizeof(text), "longer %u", i);
        submit(w, from, to, text);
        run(w, 1000);
    }
}

/* The members are split: each branch is consistent in itself, nobody sees it from its own side. Only one branch has a quorum;
 * the first head that crosses over is noticed. */
static void fork_of_members(bool power)
{
    void *state;
    world_setup(&state);
    struct world *w = state;
    uint64_t common = size_of(w, FIRST);
    branch(w);
    const uint8_t *to_ch = submit(w, DE, CH, "on the first"), *to_de = submit(w, IT, DE, "on the second");
    run(w, 90000);
    grow(w, SECOND, IT, DE, power);
    assert_true(state_is(w, DE, to_ch, "delivered") && state_is(w, IT, to_de, "accepted"));
    assert_true(size_of(w, SECOND) > common);
    assert_int_equal(cosigned_by(w, FIRST), size_of(w, FIRST));   /* two of three */
    assert_int_equal(cosigned_by(w, SECOND), common);             /* one of three: nothing since the fork */
    assert_int_equal(state_of(w, IT).cosigned_size, common);
    assert_int_equal(w->node[IT].distrusted_ms, 0);
    outgrow(w, FIRST, DE, CH, size_of(w, SECOND));
    lies_about_heads = true;
    uint64_t start_ms = w->now_ms;
    link_to(w, IT, FIRST);
    run(w, 10000);
    assert_in_range(w->node[IT].distrusted_ms - start_ms, 0, 6000);   /* its first frame on the other branch: a ping */
    assert_int_equal(verdict_of(w, IT), TMX_VERDICT_FORK);
    assert_int_equal(handed(w, DE, "on the second"), 0);
    assert_int_equal(w->node[CH].distrusted_ms + w->node[DE].distrusted_ms, 0);
    leave_proof(w, IT, power ? "fork-from-power-of-two" : "fork");
    world_teardown(&state);
}

static void test_fork(void **state)
{
    fork_of_members(false);
    fork_of_members(true);
}

/* What DE says last to its broker about a message, as the evil one carries it to the other branch. */
static struct tmx_bytes across[2];

static bool overhears(struct world *w, unsigned node, Tmx__Link *link, struct tmx_bytes *payload, size_t *n)
{
    static uint8_t copies[2][8192];
    if (node == DE && link->body_case == TMX__LINK__BODY_SUBMIT) {
        assert_int_equal(*n, 2);
        for (size_t i = 0; i < 2; i++) {
            assert_true(payload[i].size <= sizeof(copies[i]));
            memcpy(copies[i], payload[i].data, payload[i].size);
            across[i] = TMX_BYTES(copies[i], payload[i].size);
        }
    }
    return true;
}

/* The first message that crosses over: DE is shown one history, and what it signs there is delivered to IT in the other. IT
 * takes nothing of it, and what DE signed that it was shown is the proof. LINK-12 */
static void first_message_across(bool power)
{
    static struct fake_node puppet;
    struct fake_frames f;
    void *state;
    world_setup(&state);
    struct world *w = state;
    copy_spool(w);
    broker_start(w, SECOND);
    link_to(w, DE, SECOND);
    submit(w, DE, CH, "on the second");
    run(w, 10000);
    grow(w, SECOND, DE, CH, power);
    uint64_t seen = state_of(w, DE).head_size;
    assert_int_equal(seen, size_of(w, SECOND));
    w->overhear = overhears;
    submit(w, DE, IT, "across");
    run(w, 1000);
    link_to(w, DE, BROKERS);
    outgrow(w, FIRST, CH, IT, seen);
    const size_t before = w->n_handed;
    lies_about_heads = true;
    w->puppet = &puppet;
    fake_init(&puppet, &w->federation, "DE");
    puppet.wall_ms = START_MS + w->now_ms;
    fake_hello(&puppet, &f);
    puppet_says(w, DE, &f);
    Tmx__Submit body = TMX__SUBMIT__INIT;
    Tmx__Link link = TMX__LINK__INIT;
    body.items = 1;
    link.body_case = TMX__LINK__BODY_SUBMIT;
    link.submit = &body;
    fake_link(&puppet, &link, across, 2, &f);
    uint64_t start_ms = w->now_ms;
    puppet_says(w, DE, &f);
    run(w, 1000);
    assert_in_range(w->node[IT].distrusted_ms, start_ms, start_ms + 50);   /* at once */
    assert_true(noticed(w, IT, "log.seen-wrong"));
    assert_int_equal(verdict_of(w, IT), TMX_VERDICT_FORK_SEEN);
    assert_int_equal(w->n_handed, before);
    assert_int_equal(w->node[CH].distrusted_ms + w->node[DE].distrusted_ms, 0);
    leave_proof(w, IT, power ? "seen-power-of-two" : "seen");
    fake_deinit(&puppet);
    world_teardown(&state);
}

static void test_message_across(void **state)
{
    first_message_across(false);
    first_message_across(true);
}

/* An honest broker that is shown the other branch stops; so does one that is shown a head beyond its own. LINK-5 */
static void test_honest_broker_stops(void **state)
{
    struct world *w = *state;
    struct tmx_broker_state_view v;
    branch(w);
    submit(w, IT, DE, "on the second");
    run(w, 10000);
    link_to(w, IT, FIRST);
    run(w, 10000);
    tmx_broker_state(w->broker[FIRST].broker, &v);
    assert_true(v.halted && w->broker[FIRST].said[0]);
    uint64_t size = size_of(w, FIRST);
    const uint8_t *id = submit(w, DE, CH, "too late");
    run(w, 20000);
    assert_int_equal(size_of(w, FIRST), size);   /* it admits and signs nothing more */
    assert_true(state_is(w, DE, id, "signed") || state_is(w, DE, id, "queued"));
    assert_int_equal(handed(w, CH, "too late"), 0);
}

/* Two members are shown heads of one size: the request to cosign the other one is the proof, exactly as LOG-8 has it. */
static bool relays(struct world *w, unsigned node, Tmx__Link *link, struct tmx_bytes *payload, size_t *n)
{
    struct tmx_witness_request rq;
    if (node == IT && link->body_case == TMX__LINK__BODY_WITNESS && size_of(w, FIRST) == size_of(w, SECOND)) {
        assert_true(tmx_witness_request_parse(payload[0], &rq));
        rq.checkpoint = tmx_broker_checkpoint(w->broker[FIRST].broker);
        uint8_t *body = tmx_arena_alloc(&w->arena, TMX_WITNESS_REQUEST_MAX);
        struct tmx_writer out = tmx_writer_init(body, TMX_WITNESS_REQUEST_MAX);
        tmx_witness_request_write(&rq, &out);
        payload[0] = tmx_written(&out);
    }
    return true;
}

static void test_equivocation(void **state)
{
    struct world *w = *state;
    link_to(w, CH, BROKERS);             /* it answers for neither */
    broker_stop(w, FIRST);               /* so that both begin alike: each start is a leaf */
    branch(w);
    broker_start(w, FIRST);
    run(w, 10000);
    w->tamper = relays;
    uint64_t start_ms = w->now_ms;
    submit(w, DE, CH, "to DE's broker");
    submit(w, IT, CH, "to IT's broker");
    run(w, 10000);
    assert_int_equal(size_of(w, FIRST), size_of(w, SECOND));
    assert_in_range(w->node[IT].distrusted_ms - start_ms, 0, 8000);   /* the next round; without a quorum they are further apart */
    assert_int_equal(verdict_of(w, IT), TMX_VERDICT_FORK);
    leave_proof(w, IT, "equivocation");
}

/* The spool is put back to what it was `before` the last messages, and the broker goes on as if nothing had been. */
static void roll_back(struct world *w, const char *name)
{
    const uint8_t *id = submit(w, DE, CH, "dropped");
    run(w, 3000);
    assert_true(state_is(w, DE, id, "delivered"));
    uint64_t lost = size_of(w, FIRST), common;
    broker_stop(w, FIRST);
    link_to(w, CH, BROKERS);
    link_to(w, DE, BROKERS);
    link_to(w, IT, SECOND);              /* it was away: nothing of what is gone was shown to it */
    broker_start(w, SECOND);
    common = cosigned_by(w, SECOND);
    for (unsigned i = 0; size_of(w, SECOND) <= lost; i++) {
        char text[32];
        snprintf(text, sizeof(text), "instead %u", i);
        submit(w, IT, DE, text);
        run(w, i == 0 ? 8000 : 100);
    }
    run(w, 70000);
    assert_int_equal(cosigned_by(w, SECOND), common);   /* who cosigned the true history does not cosign this one */
    lies_about_heads = true;
    uint64_t start_ms = w->now_ms;
    link_to(w, DE, SECOND);
    link_to(w, CH, SECOND);
    run(w, 70000);
    assert_in_range(w->node[DE].distrusted_ms - start_ms, 0, 62000);   /* its back-off is up to 60 s by now */
    assert_true(w->node[CH].distrusted_ms > 0 && w->node[IT].distrusted_ms == 0);
    assert_int_equal(verdict_of(w, DE), TMX_VERDICT_FORK);
    assert_int_equal(cosigned_by(w, SECOND), common);
    assert_int_equal(handed(w, DE, "instead 0"), 0);
    assert_true(state_is(w, DE, id, "delivered"));      /* what DE had proved stays proved */
    leave_proof(w, DE, name);
}

static void test_backup(void **state)
{
    struct world *w = *state;
    link_to(w, IT, BROKERS);
    copy_spool(w);
    submit(w, CH, DE, "since the backup");
    run(w, 3000);
    submit(w, CH, DE, "and more");
    run(w, 3000);
    roll_back(w, "rolled-back");
}

/* The same of the last turn only. */
static void test_truncated(void **state)
{
    struct world *w = *state;
    link_to(w, IT, BROKERS);
    run(w, 3000);
    copy_spool(w);
    roll_back(w, "truncated");
}

/* An honest broker whose last turn is gone stops at the first hello. LINK-5 */
static void test_truncated_honest(void **state)
{
    struct world *w = *state;
    struct tmx_broker_state_view v;
    copy_spool(w);
    submit(w, CH, DE, "in the last turn");
    run(w, 3000);
    broker_stop(w, FIRST);
    broker_start(w, SECOND);
    for (unsigned i = 0; i < NODES; i++) {
        link_to(w, i, SECOND);
    }
    run(w, 6000);
    tmx_broker_state(w->broker[SECOND].broker, &v);
    assert_true(v.halted && w->broker[SECOND].said[0]);
    assert_int_equal(w->node[CH].distrusted_ms + w->node[DE].distrusted_ms + w->node[IT].distrusted_ms, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fork),
        cmocka_unit_test(test_message_across),
        cmocka_unit_test_setup_teardown(test_honest_broker_stops, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_equivocation, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_backup, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_truncated, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_truncated_honest, world_setup, world_teardown),
    };
    return cmocka_run_group_tests_name("branches", tests, NULL, NULL);
}
