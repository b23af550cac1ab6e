/* SPDX-License-Identifier: Apache-2.0
 * What the broker's core believes nobody: a member that speaks for another, a report nobody signed, a clock that is off.
 */
#include <sodium.h>

#include "broker_world.h"

static uint64_t malformed(struct world *w)
{
    struct tmx_broker_state_view v;
    tmx_broker_state(w->broker, &v);
    return v.malformed;
}

/* Row 2 of admission: a header that DE has signed comes over the link of CH. TRA-3 */
static void test_header_of_another(void **state)
{
    struct world *w = *state;
    uint64_t size = tmx_broker_log_size(w->broker), before = malformed(w);
    struct fake_frames of_de, of_ch;
    compose(w, DE, IT);
    fake_submit(DE, &message, &of_de);
    struct tmx_bytes payload[] = { of_de.frame[1], of_de.frame[2] };
    Tmx__Submit body = TMX__SUBMIT__INIT;
    Tmx__Link link = TMX__LINK__INIT;
    body.items = 1;
    link.body_case = TMX__LINK__BODY_SUBMIT;
    link.submit = &body;
    fake_link(CH, &link, payload, 2, &of_ch);
    say(w, CH, &of_ch);
    assert_int_equal(malformed(w), before + 1);
    assert_int_equal(tmx_broker_log_size(w->broker), size);
    assert_int_equal(IT->n_received, 0);
}

/* REP-1: a report counts with its recipient's signature only. */
static void test_unsigned_report(void **state)
{
    struct world *w = *state;
    compose(w, DE, IT);
    submit(w, DE);
    uint64_t size = tmx_broker_log_size(w->broker), before = malformed(w);
    IT->me->sign_secret[5] ^= 1;
    report(w, IT, &IT->received[0], TMX__OUTCOME__OUTCOME_COA, 0);
    IT->me->sign_secret[5] ^= 1;
    assert_int_equal(malformed(w), before + 1);
    assert_int_equal(tmx_broker_log_size(w->broker), size);
    assert_int_equal(state_of(w, message.id, IT), TMX_DELIVERY_QUEUED);
}

static uint64_t time_of(struct fake_node *n, const struct fake_leaf *l)
{
    Tmx__LogEntry *e;
    assert_int_equal(tmx_entry_parse(TMX_BYTES(l->entry, l->entry_size), &n->arena, &e), TMX_CODE_OK);
    return e->time_ms;
}

/* A clock that is put back a little, too little to be doubted. LOG-2, QUE-12 */
static void test_time_never_falls(void **state)
{
    struct world *w = *state;
    compose(w, DE, IT);
    submit(w, DE);
    uint64_t first = time_of(DE, last_leaf(DE, TMX__ENTRY_KIND__ENTRY_ACCEPTANCE));
    w->wall_ms -= 60000;
    compose(w, DE, IT);
    submit(w, DE);
    assert_int_equal(time_of(DE, last_leaf(DE, TMX__ENTRY_KIND__ENTRY_ACCEPTANCE)), first);
    restart(w);
    hello(w, DE);
    hello(w, CH);
    compose(w, DE, IT);
    submit(w, DE);
    assert_int_equal(time_of(DE, last_leaf(DE, TMX__ENTRY_KIND__ENTRY_ACCEPTANCE)), first);
}

/* A clock that runs off ends nothing before the members agree with it. QUE-12 */
static void test_no_expiry_in_doubt(void **state)
{
    struct world *w = *state;
    compose(w, DE, IT);
    message.header.expires_ms = w->wall_ms + 2000;
    submit(w, DE);
    w->wall_ms += HOUR_MS;
    tick(w, 1000);
    assert_int_equal(state_of(w, message.id, IT), TMX_DELIVERY_QUEUED);
    w->wall_ms -= HOUR_MS;
    tick(w, 500);
    assert_int_equal(state_of(w, message.id, IT), TMX_DELIVERY_QUEUED);
    tick(w, 500);
    assert_int_equal(state_of(w, message.id, IT), TMX_DELIVERY_EXPIRED);
}

static struct tmx_broker_cosigned_view cosigned(struct world *w)
{
    struct tmx_broker_cosigned_view v;
    tmx_broker_cosigned(w->broker, &v);
    return v;
}

static void with_policy(struct world *w)
{
    struct tmx_broker_event ev = event_of(w, TMX_BROKER_DIRECTORY);
    w->federation.witnesses = true;
    w->federation.serial = 2;
    federation_sign(&w->federation);
    ev.file = federation_file(&w->federation);
    turn(w, &ev, 1);
    tick(w, 2000);
}

static void reply(struct world *w, struct fake_node *n, const uint8_t *secret)
{
    struct fake_frames f;
    fake_cosign(n, secret, w->wall_ms / 1000, &f);
    say(w, n, &f);
}

/* WIT-1, WIT-2, WIT-3: three of four make the quorum; a line that does not verify, or of nobody, makes none of it. */
static void test_cosigned(void **state)
{
    struct world *w = *state;
    struct fake_frames f;
    tick(w, 5000);
    assert_int_equal(cosigned(w).waiting_ms, 0);           /* without a policy nobody is waited for */
    with_policy(w);
    uint64_t size = tmx_broker_log_size(w->broker), before = malformed(w);
    assert_int_equal(cosigned(w).witnesses, w->federation.n_members);
    assert_true(DE->n_witness > 0 && CH->n_witness > 0 && IT->n_witness > 0);
    reply(w, DE, DE->me->witness_secret);
    reply(w, EC, EC->me->witness_secret);
    reply(w, CH, CH->me->sign_secret);                     /* another key than the policy's */
    assert_int_equal(malformed(w), before + 1);
    fake_witness_reply(IT, 200, TMX_LIT("\xe2\x80\x94 nobody AAAA\n"), &f);
    say(w, IT, &f);
    assert_int_equal(malformed(w), before + 2);
    tick(w, 5000);
    assert_int_equal(cosigned(w).size, 0);
    assert_true(cosigned(w).waiting_ms >= 5000);
    tick(w, 4000);                                         /* the next round, with the same head */
    fake_witness_reply(DE, 409, TMX_LIT("1\n"), &f);       /* it knows less than it said */
    size_t asked = DE->n_witness;
    say(w, DE, &f);
    assert_int_equal(DE->n_witness, asked + 1);
    reply(w, DE, DE->me->witness_secret);
    reply(w, IT, IT->me->witness_secret);
    reply(w, EC, EC->me->witness_secret);
    fake_witness_reply(CH, 503, TMX_BYTES_NULL, &f);
    say(w, CH, &f);
    assert_false(noticed(w, "witness.refused"));           /* not now: it is asked again */
    tick(w, 1);
    assert_int_equal(cosigned(w).size, size);
    assert_int_equal(cosigned(w).quorum.witnesses, 3);
    assert_true(cosigned(w).quorum.reached);
    assert_int_equal(cosigned(w).waiting_ms, 0);
    assert_int_equal(CH->cosigned_size, size);             /* WIT-4: told to everyone */
    restart(w);
    assert_int_equal(cosigned(w).size, size);
    assert_int_equal(cosigned(w).quorum.witnesses, 3);
}

static void close_down(struct world *w)
{
    struct tmx_broker_event ev = event_of(w, TMX_BROKER_CLOSE);
    turn(w, &ev, 1);
}

static void cosign_all(struct world *w)
{
    reply(w, DE, DE->me->witness_secret);
    reply(w, EC, EC->me->witness_secret);
    reply(w, IT, IT->me->witness_secret);
}

/* WIT-7: a broker to be stopped asks at once, about its last head, to which nothing is added; and waits no longer than it must. */
static void test_closed(void **state)
{
    struct world *w = *state;
    with_policy(w);
    compose(w, DE, IT);
    message.header.expires_ms = w->wall_ms + 2000;
    submit(w, DE);                                         /* while the round is about an earlier head */
    uint64_t size = tmx_broker_log_size(w->broker);
    size_t asked = DE->n_witness;
    close_down(w);
    assert_false(w->closed);
    cosign_all(w);
    assert_true(cosigned(w).size > 0 && cosigned(w).size < size);
    assert_false(w->closed);
    assert_int_equal(DE->n_witness, asked + 1);            /* the next round has begun, without a pause */
    compose(w, DE, IT);
    submit(w, DE);
    tick(w, 2500);                                         /* the message would expire */
    assert_int_equal(tmx_broker_log_size(w->broker), size);
    assert_false(w->closed);
    cosign_all(w);                                         /* CH is not waited for: three make the quorum */
    assert_true(w->closed);
    assert_int_equal(cosigned(w).size, size);
    restart(w);
    assert_int_equal(cosigned(w).size, size);
    hello(w, DE);
    submit(w, DE);                                         /* what was not answered is taken in now */
    assert_true(tmx_broker_log_size(w->broker) > size);
}

/* WIT-7: witnesses that do not answer, or are not there, hold nobody up for long. */
static void test_closed_uncosigned(void **state)
{
    struct world *w = *state;
    close_down(w);
    assert_true(w->closed);                                /* no policy: nothing to wait for */
    restart(w);
    hello(w, DE);
    with_policy(w);
    close_down(w);
    assert_false(w->closed);                               /* DE alone is linked, and was asked */
    reply(w, DE, DE->me->witness_secret);
    assert_true(w->closed);
    assert_int_equal(cosigned(w).size, 0);
    restart(w);
    hello(w, DE);
    tick(w, 1000);
    close_down(w);
    assert_false(w->closed);
    tick(w, 4999);
    assert_false(w->closed);
    tick(w, 1);
    assert_true(w->closed);
}

static enum tmx_broker_anchor anchor(struct world *w, uint64_t size, struct tmx_bytes token)
{
    struct tmx_broker_event ev = event_of(w, TMX_BROKER_ANCHOR);
    ev.size = size;
    ev.file = token;
    turn(w, &ev, 1);
    return w->anchor_result;
}

static uint64_t head_to_stamp(struct world *w)
{
    struct tmx_checkpoint head = { .size = 0 };
    struct tmx_bytes text = tmx_broker_anchor_head(w->broker);
    return text.size > 0 && tmx_checkpoint_parse(text, &head) ? head.size : 0;
}

static uint64_t anchored(struct world *w)
{
    struct tmx_broker_anchored_view v;
    tmx_broker_anchored(w->broker, &v);
    assert_int_equal(v.at_ms, v.size > 0 ? w->wall_ms : 0);
    return v.size;
}

/* LOG-9: row and leaf of one transaction; of heads that were released, in their order; in nobody's feed. */
static void test_anchored(void **state)
{
    struct world *w = *state;
    static const uint8_t large[TMX_ANCHOR_TOKEN_MAX + 1] = { 0x30 };
    uint64_t size = tmx_broker_log_size(w->broker), fed = DE->feed_next;
    uint8_t key[8], digest[32];
    struct tmx_writer k = TMX_WRITER_OF(key);
    struct tmx_bytes row;
    assert_int_equal(head_to_stamp(w), size);
    assert_int_equal(anchor(w, size + 1, TMX_LIT("token")), TMX_ANCHOR_E_HEAD);
    assert_int_equal(anchor(w, 0, TMX_LIT("token")), TMX_ANCHOR_E_HEAD);
    assert_int_equal(anchor(w, size, TMX_BYTES_NULL), TMX_ANCHOR_E_TOKEN);
    assert_int_equal(anchor(w, size, TMX_BYTES_OF(large)), TMX_ANCHOR_E_TOKEN);
    assert_int_equal(tmx_broker_log_size(w->broker), size);
    assert_int_equal(anchored(w), 0);
    assert_int_equal(anchor(w, size - 1, TMX_BYTES(large, TMX_ANCHOR_TOKEN_MAX)), TMX_ANCHOR_OK);
    assert_int_equal(anchored(w), size - 1);
    assert_true(noticed(w, "log.anchored"));
    assert_int_equal(anchor(w, size - 1, TMX_LIT("token")), TMX_ANCHOR_E_ANCHORED);
    assert_int_equal(anchor(w, size - 2, TMX_LIT("token")), TMX_ANCHOR_E_LATER);
    restart(w);
    assert_int_equal(anchored(w), size - 1);
    assert_int_equal(anchor(w, size, TMX_LIT("token")), TMX_ANCHOR_OK);
    assert_int_equal(anchored(w), size);
    tmx_write_u64(&k, size);
    assert_int_equal(tmx_spool_get(w->spool, TMX_T_ANCHOR, TMX_BYTES_OF(key), &row), TMX_SPOOL_OK);
    struct tmx_reader r = tmx_reader_init(row);
    uint64_t index = tmx_read_u64(&r);
    assert_true(index == tmx_broker_log_size(w->broker) - 1 && tmx_bytes_eq(TMX_BYTES(r.at, r.left), TMX_LIT("token")));
    /* The leaf */
    struct tmx_arena arena;
    struct tmx_bytes entry;
    Tmx__LogEntry *e;
    assert_int_equal(tmx_arena_init(&arena, 1u << 16), 0);
    k = TMX_WRITER_OF(key);
    tmx_write_u64(&k, index);
    assert_int_equal(tmx_spool_get(w->spool, TMX_T_LOG, TMX_BYTES_OF(key), &entry), TMX_SPOOL_OK);
    assert_int_equal(tmx_entry_parse(entry, &arena, &e), TMX_CODE_OK);
    tmx_digest(TMX_LIT("token"), digest);
    assert_true(e->kind == TMX__ENTRY_KIND__ENTRY_ANCHOR && e->number == size);
    assert_true(tmx_bytes_eq(tmx_pb(e->digest), TMX_BYTES_OF(digest)));
    tmx_arena_deinit(&arena);
    /* Nobody is told but by the head that grew, and the feed leads there all the same (FEED-5). */
    hello(w, DE);
    tick(w, 1000);
    for (size_t i = 0; i < DE->n_leaves; i++) {
        assert_int_not_equal(DE->leaves[i].kind, TMX__ENTRY_KIND__ENTRY_ANCHOR);
    }
    assert_true(DE->feed_next > fed && DE->feed_next == tmx_broker_log_size(w->broker));
    /* It takes room, and waits for it. */
    struct tmx_broker_event disk = event_of(w, TMX_BROKER_DISK);
    disk.disk_full = true;
    turn(w, &disk, 1);
    assert_int_equal(anchor(w, size + 1, TMX_LIT("token")), TMX_ANCHOR_E_STOPPED);
    disk.disk_full = false;
    turn(w, &disk, 1);
    assert_int_equal(anchor(w, size + 1, TMX_LIT("token")), TMX_ANCHOR_OK);
}

/* WIT-2: rounds without a quorum get rare, and frequent again as soon as a witness is linked. */
static void test_witness_comes(void **state)
{
    struct world *w = *state;
    with_policy(w);
    for (unsigned i = 0; i < 200; i++) {   /* all of them are silent, and away */
        tick(w, 1000);
    }
    const size_t asked = DE->n_witness, asked_ch = CH->n_witness;
    hello(w, DE);
    assert_int_equal(DE->n_witness, asked + 1);
    tick(w, 1);
    hello(w, CH);
    tick(w, 2000);
    assert_int_equal(DE->n_witness, asked + 1);   /* the round waits for DE */
    reply(w, DE, DE->me->witness_secret);
    tick(w, 1);
    assert_int_equal(CH->n_witness, asked_ch + 1);   /* not in the 4 s that follow a round without a quorum */
}

/* LOG-9: where witnesses have to cosign, only what their quorum has cosigned is to be stamped. */
static void test_anchors_cosigned(void **state)
{
    struct world *w = *state;
    with_policy(w);
    uint64_t size = tmx_broker_log_size(w->broker);
    assert_int_equal(head_to_stamp(w), 0);
    reply(w, DE, DE->me->witness_secret);
    reply(w, EC, EC->me->witness_secret);
    reply(w, CH, CH->me->witness_secret);
    reply(w, IT, IT->me->witness_secret);
    tick(w, 1);
    assert_int_equal(head_to_stamp(w), size);
    assert_int_equal(anchor(w, size, TMX_LIT("token")), TMX_ANCHOR_OK);
    assert_int_equal(head_to_stamp(w), size);
}

/* A policy that needs a witness which no link leads to. */
static struct tmx_verify_key outside_key;
static uint8_t outside_secret[64];

static void with_outside(struct world *w)
{
    static char text[1024];
    const uint8_t seed[32] = { 9 };
    uint8_t public[32];
    struct tmx_verify_key inside;
    struct tmx_writer out = TMX_WRITER_OF(text);
    crypto_sign_seed_keypair(public, outside_secret, seed);
    assert_true(tmx_verify_key_init(TMX_LIT("far.example/witness"), TMX_NOTE_COSIGNATURE, public, &outside_key));
    assert_true(tmx_verify_key_init(TMX_LIT("tmx.test/witness/DE"), TMX_NOTE_COSIGNATURE, DE->me->witness_public, &inside));
    tmx_write_fmt(&out, "witness DE ");
    tmx_verify_key_format(&inside, &out);
    tmx_write_fmt(&out, "\nwitness far ");
    tmx_verify_key_format(&outside_key, &out);
    tmx_write_fmt(&out, " https://far.example/w\ngroup both all DE far\nquorum both\n");
    tmx_write_u8(&out, 0);
    struct tmx_broker_event ev = event_of(w, TMX_BROKER_DIRECTORY);
    w->federation.policy = text;
    w->federation.serial = 2;
    federation_sign(&w->federation);
    ev.file = federation_file(&w->federation);
    turn(w, &ev, 1);
    assert_int_equal(w->directory_result, TMX_DIRECTORY_OK);
    tick(w, 2000);
}

static uint8_t asked[TMX_WITNESS_REQUEST_MAX];
static size_t asked_size;

static enum tmx_broker_witness ask_outside(struct world *w, const char *name, uint64_t *ret_size)
{
    struct tmx_writer out = TMX_WRITER_OF(asked);
    enum tmx_broker_witness r = tmx_broker_witness_request(w->broker, tmx_bytes_str(name), &out, ret_size);
    asked_size = out.used;
    return r;
}

static enum tmx_broker_witness tell_outside(struct world *w, const char *name, unsigned status, struct tmx_bytes body)
{
    struct tmx_broker_event ev = event_of(w, TMX_BROKER_WITNESS);
    ev.witness = tmx_bytes_str(name);
    ev.status = status;
    ev.body = body;
    turn(w, &ev, 1);
    return w->witness_result;
}

/* The line of the outside witness over what was asked last. */
static struct tmx_bytes outside_line(struct world *w)
{
    static uint8_t line[512];
    struct tmx_witness_request rq;
    struct tmx_bytes text = TMX_BYTES_NULL, lines;
    struct tmx_writer out = TMX_WRITER_OF(line);
    assert_true(tmx_witness_request_parse(TMX_BYTES(asked, asked_size), &rq) && tmx_note_split(rq.checkpoint, &text, &lines));
    tmx_cosignature_add_line(&out, text, w->wall_ms / 1000, &outside_key, outside_secret);
    return tmx_written(&out);
}

/* WIT-6: it is asked with the same bytes, and may answer until the linked ones are asked about another head. */
static void test_outside(void **state)
{
    struct world *w = *state;
    struct fake_frames f;
    uint64_t size, log;
    assert_int_equal(ask_outside(w, "far", &size), TMX_BROKER_WITNESS_UNKNOWN);
    with_outside(w);
    assert_int_equal(ask_outside(w, "near", &size), TMX_BROKER_WITNESS_UNKNOWN);
    log = tmx_broker_log_size(w->broker);
    assert_int_equal(ask_outside(w, "far", &size), TMX_BROKER_WITNESS_OK);
    assert_int_equal(size, log);
    assert_memory_equal(asked, "old 0\n\ntmx.test/log/2026a\n", 26);
    reply(w, DE, DE->me->witness_secret);
    tick(w, 100);
    assert_int_equal(cosigned(w).size, 0);                 /* the round is over, without a quorum */
    assert_int_equal(tell_outside(w, "far", 200, TMX_LIT("\xe2\x80\x94 nobody AAAA\n")), TMX_BROKER_WITNESS_INVALID);
    assert_int_equal(tell_outside(w, "near", 200, outside_line(w)), TMX_BROKER_WITNESS_UNKNOWN);
    assert_int_equal(tell_outside(w, "far", 503, TMX_BYTES_NULL), TMX_BROKER_WITNESS_REFUSED);
    assert_false(noticed(w, "witness.refused"));
    assert_int_equal(tell_outside(w, "far", 403, TMX_BYTES_NULL), TMX_BROKER_WITNESS_REFUSED);
    assert_true(noticed(w, "witness.refused"));
    assert_int_equal(cosigned(w).size, 0);
    assert_int_equal(tell_outside(w, "far", 200, outside_line(w)), TMX_BROKER_WITNESS_OK);
    assert_int_equal(cosigned(w).size, log);               /* late, and it counts */
    assert_int_equal(cosigned(w).quorum.witnesses, 2);
    assert_true(cosigned(w).quorum.reached);
    assert_int_equal(ask_outside(w, "far", &size), TMX_BROKER_WITNESS_NOTHING);
    restart(w);
    assert_int_equal(cosigned(w).size, log);
    /* The next head: it is asked from the one it has; who says that it has another is asked from there. */
    hello(w, DE);
    hello(w, CH);
    tick(w, 4000);
    assert_int_equal(ask_outside(w, "far", &size), TMX_BROKER_WITNESS_OK);
    assert_true(size > log && memcmp(asked, "old 0\n", 6) == 0);   /* not remembered over a restart */
    assert_int_equal(tell_outside(w, "far", 409, TMX_LIT("many\n")), TMX_BROKER_WITNESS_INVALID);
    assert_int_equal(tell_outside(w, "far", 409, TMX_LIT("4\n")), TMX_BROKER_WITNESS_OK);
    assert_int_equal(ask_outside(w, "far", &size), TMX_BROKER_WITNESS_OK);
    assert_memory_equal(asked, "old 4\n", 6);
    struct tmx_bytes line = outside_line(w);
    compose(w, DE, CH);
    submit(w, DE);
    reply(w, DE, DE->me->witness_secret);
    for (unsigned i = 0; i < 20 && ask_outside(w, "far", &log) == TMX_BROKER_WITNESS_OK && log == size; i++) {
        tick(w, 1000);
    }
    assert_true(log > size);                               /* the linked ones are asked about another head: too late */
    assert_int_equal(tell_outside(w, "far", 200, line), TMX_BROKER_WITNESS_INVALID);
    fake_cosign(DE, DE->me->witness_secret, w->wall_ms / 1000, &f);
    say(w, DE, &f);
    assert_int_equal(tell_outside(w, "far", 200, outside_line(w)), TMX_BROKER_WITNESS_OK);
    tick(w, 6000);
    assert_int_equal(cosigned(w).size, log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_header_of_another, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unsigned_report, setup, teardown),
        cmocka_unit_test_setup_teardown(test_time_never_falls, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_expiry_in_doubt, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cosigned, setup, teardown),
        cmocka_unit_test_setup_teardown(test_closed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_closed_uncosigned, setup, teardown),
        cmocka_unit_test_setup_teardown(test_witness_comes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_anchored, setup, teardown),
        cmocka_unit_test_setup_teardown(test_anchors_cosigned, setup, teardown),
        cmocka_unit_test_setup_teardown(test_outside, setup, teardown),
    };
    return cmocka_run_group_tests_name("broker-trust", tests, NULL, NULL);
}
