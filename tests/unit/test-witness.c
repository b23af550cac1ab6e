/* SPDX-License-Identifier: Apache-2.0
 * The node as a witness, what it believes of the others, and its evidence at heads they have cosigned: WIT-2 to WIT-5.
 */
#include <stdio.h>

#include <tmx/witness.h>

#include "fake_broker.h"

/* A head of `size` leaves: that of the log, or one with another root, signed all the same. */
static struct tmx_bytes head_at(struct world *w, uint64_t size, bool other)
{
    const struct tmx_verify_key *key = tmx_directory_log_key(tmx_node_directory(w->node), tmx_bytes_str(w->federation.shard));
    struct tmx_checkpoint c = { .size = size };
    uint8_t *note = tmx_arena_alloc(&w->arena, TMX_CHECKPOINT_MAX);
    struct tmx_writer out = tmx_writer_init(note, TMX_CHECKPOINT_MAX);
    assert_true(tmx_tree_root_at(w->tree, w, size, &c.root));
    c.root.b[0] ^= other ? 1 : 0;
    memcpy(c.origin, key->name, strlen(key->name) + 1);
    tmx_checkpoint_sign(&c, key, w->federation.log_secret, &out);
    return tmx_written(&out);
}

static unsigned ask_body(struct world *w, struct tmx_bytes body)
{
    Tmx__WitnessRequest request = TMX__WITNESS_REQUEST__INIT;
    Tmx__Link link = TMX__LINK__INIT;
    link.body_case = TMX__LINK__BODY_WITNESS;
    link.witness = &request;
    w->witness_status = 0;
    say(w, &link, &body, 1);
    return w->witness_status;
}

static unsigned ask_witness(struct world *w, uint64_t old, uint64_t size, bool other)
{
    struct tmx_witness_request rq = { .old = old, .checkpoint = head_at(w, size, other) };
    static uint8_t body[TMX_WITNESS_REQUEST_MAX];
    struct tmx_writer out = TMX_WRITER_OF(body);
    if (old > 0) {
        assert_true(tmx_tree_consistency_between(w->tree, w, old, size, &rq.proof));
    }
    tmx_witness_request_write(&rq, &out);
    return ask_body(w, tmx_written(&out));
}

static bool cosigned_by_de(struct world *w, uint64_t size)
{
    struct federation_member *me = federation_find(&w->federation, "DE");
    struct tmx_verify_key key;
    struct tmx_bytes head = head_at(w, size, false);
    uint8_t note[4096];
    uint64_t time_s = 0;
    struct tmx_writer out = TMX_WRITER_OF(note);
    assert_true(tmx_verify_key_init(TMX_LIT("tmx.test/witness/DE"), TMX_NOTE_COSIGNATURE, me->witness_public, &key));
    tmx_write_bytes(&out, head);
    tmx_write_bytes(&out, w->witness_body);
    return tmx_cosignature_verify(tmx_written(&out), &key, &time_s) == TMX_COSIGNATURE_OK && time_s == w->wall_ms / 1000;
}

static bool body_is(struct world *w, const char *text)
{
    return tmx_bytes_eq(w->witness_body, tmx_bytes_str(text));
}

static void grow(struct world *w, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        Tmx__LogEntry e = TMX__LOG_ENTRY__INIT;
        e.kind = TMX__ENTRY_KIND__ENTRY_START;
        leaf(w, &e);
    }
}

/* WIT-2: each head continues the one before; what was cosigned survives the death of the process. */
static void test_cosigns(void **state)
{
    struct world *w = *state;
    uint64_t first = w->n_entries;
    char text[32];
    grow(w, 9);
    assert_true(state_of(w).witness);
    assert_int_equal(ask_witness(w, 0, first, false), 200);
    assert_true(cosigned_by_de(w, first));
    assert_int_equal(ask_witness(w, first, first + 5, false), 200);
    assert_true(cosigned_by_de(w, first + 5));
    node_restart(w);
    link_up(w);
    snprintf(text, sizeof(text), "%llu\n", (unsigned long long)first + 5);
    assert_int_equal(ask_witness(w, first, first + 9, false), 409);   /* not from there any more */
    assert_true(body_is(w, text));
    assert_int_equal(ask_witness(w, first + 5, first + 5, false), 200);   /* the same again */
    assert_int_equal(ask_witness(w, first + 5, first + 9, false), 200);
    assert_true(cosigned_by_de(w, first + 9));
    assert_false(state_of(w).distrust);
}

/* WIT-2: what it does not cosign, and says why. */
static void test_refuses(void **state)
{
    struct world *w = *state;
    uint64_t size = w->n_entries;
    struct tmx_bytes head = head_at(w, size, false);
    char body[4096];
    assert_int_equal(ask_body(w, TMX_LIT("old x\n\n")), 400);
    assert_int_equal(ask_body(w, TMX_LIT("")), 400);
    snprintf(body, sizeof(body), "old 0\n%.*s", (int)head.size, (const char *)head.data);   /* no blank line */
    assert_int_equal(ask_body(w, tmx_bytes_str(body)), 400);
    snprintf(body, sizeof(body), "old 99999\n\n%.*s", (int)head.size, (const char *)head.data);
    assert_int_equal(ask_body(w, tmx_bytes_str(body)), 400);
    snprintf(body, sizeof(body), "old 0\n\n%.*s", (int)head.size, (const char *)head.data);
    body[7 + strlen("tmx.")] ^= 1;                                  /* another log */
    assert_int_equal(ask_body(w, tmx_bytes_str(body)), 404);
    snprintf(body, sizeof(body), "old 0\n\n%.*s", (int)head.size, (const char *)head.data);
    body[7 + strlen("tmx.test/log/2026a\n")] ^= 1;                  /* not what was signed */
    assert_int_equal(ask_body(w, tmx_bytes_str(body)), 403);
    assert_false(state_of(w).distrust);
}

/* WIT-3: two heads of one size; a head that the proof does not lead to; a head that is not the one it holds. */
static void test_fork(void **state)
{
    for (unsigned kind = 0; kind < 3; kind++) {
        void *fresh;
        world_setup(&fresh);
        struct world *w = fresh;
        uint64_t first = w->n_entries;
        grow(w, 5);
        if (kind < 2) {
            assert_int_equal(ask_witness(w, 0, first, false), 200);
        }
        unsigned status = kind == 0   ? ask_witness(w, first, first, true)
                          : kind == 1 ? ask_witness(w, first, first + 5, true)
                                      : ask_witness(w, 0, state_of(w).head_size, true);
        assert_int_equal(status, 0);
        assert_true(state_of(w).distrust);
        assert_int_equal(verdict_of(w), kind == 1 ? TMX_VERDICT_UNPROVED : TMX_VERDICT_FORK);
        assert_true(noticed(w, "log.head-wrong"));
        assert_int_equal(state_of(w).alarm_rows, 1);
        world_teardown(&fresh);
    }
}

/* The head of that size with cosignatures of these members. */
static struct tmx_bytes note_of(struct world *w, uint64_t size, bool other, const char *const *codes, size_t n)
{
    struct tmx_bytes head = head_at(w, size, other), text, lines;
    uint8_t *note = tmx_arena_alloc(&w->arena, 8192);
    struct tmx_writer out = tmx_writer_init(note, 8192);
    assert_true(tmx_note_split(head, &text, &lines));
    tmx_write_bytes(&out, head);
    for (size_t i = 0; i < n; i++) {
        struct federation_member *m = federation_find(&w->federation, codes[i]);
        char name[64];
        struct tmx_verify_key key;
        snprintf(name, sizeof(name), "tmx.test/witness/%s", codes[i]);
        assert_true(tmx_verify_key_init(tmx_bytes_str(name), TMX_NOTE_COSIGNATURE, m->witness_public, &key));
        tmx_cosignature_add_line(&out, text, 1790000000 + i, &key, m->witness_secret);
    }
    return tmx_written(&out);
}

static void tell_cosigned(struct world *w, uint64_t size, struct tmx_bytes note)
{
    struct tmx_proof proof = { 0 };
    Tmx__CosignedHead body = TMX__COSIGNED_HEAD__INIT;
    Tmx__Link link = TMX__LINK__INIT;
    assert_true(tmx_tree_consistency_between(w->tree, w, size, state_of(w).head_size, &proof));
    body.tree_size = state_of(w).head_size;
    body.consistency = tmx_to_pb(TMX_BYTES(proof.hash, proof.n * sizeof(proof.hash[0])));
    link.body_case = TMX__LINK__BODY_COSIGNED;
    link.cosigned = &body;
    say(w, &link, &note, 1);
}

static void with_policy(struct world *w)
{
    w->federation.witnesses = true;
    w->federation.serial++;
    federation_sign(&w->federation);
    directory_push(w);
    feed_all(w);
}

/* WIT-4: a quorum, and what is none. */
static void test_cosigned_head(void **state)
{
    static const char *const codes[] = { "CH", "IT", "DE" };
    struct world *w = *state;
    with_policy(w);
    uint64_t size = state_of(w).head_size;
    assert_true(size > 2);
    tell_cosigned(w, size - 1, note_of(w, size - 1, false, codes, 1));
    assert_int_equal(state_of(w).cosigned_size, 0);
    assert_true(noticed(w, "log.cosigned-wrong"));
    tell_cosigned(w, size - 1, note_of(w, size - 1, false, codes, 2));
    assert_int_equal(state_of(w).cosigned_size, size - 1);
    assert_int_equal(state_of(w).cosigned.witnesses, 2);
    assert_int_equal(state_of(w).cosigned.reached_s, 1790000001);
    tell_cosigned(w, size - 2, note_of(w, size - 2, false, codes, 3));   /* an older one changes nothing */
    assert_int_equal(state_of(w).cosigned_size, size - 1);
    node_restart(w);
    assert_int_equal(state_of(w).cosigned_size, size - 1);
    assert_int_equal(state_of(w).cosigned.witnesses, 2);
    link_up(w);
    assert_false(state_of(w).distrust);
}

/* WIT-4: one that the log has signed and that is not consistent with what this node holds, whoever cosigned it. */
static void test_cosigned_fork(void **state)
{
    static const char *const codes[] = { "CH", "IT", "DE" };
    struct world *w = *state;
    with_policy(w);
    tell_cosigned(w, state_of(w).head_size - 1, note_of(w, state_of(w).head_size - 1, true, codes, 3));
    assert_true(state_of(w).distrust);
    assert_int_equal(state_of(w).cosigned_size, 0);
    assert_int_equal(verdict_of(w), TMX_VERDICT_FORK);   /* the proof leads to another root of that size */
}

/* What it was asked for; bent: the last hash of the last path. */
static void prove(struct world *w, bool bent)
{
    Tmx__Proofs proofs = TMX__PROOFS__INIT;
    Tmx__Link link = TMX__LINK__INIT;
    struct tmx_bytes frames[TMX_LINK_ITEMS_MAX];
    proofs.tree_size = w->asked_size;
    proofs.items = (uint32_t)w->n_asked;
    for (size_t i = 0; i < w->n_asked; i++) {
        struct tmx_proof path;
        Tmx__FeedItem item = TMX__FEED_ITEM__INIT;
        assert_true(tmx_tree_path_at(w->tree, w, w->asked[i], w->asked_size, &path));
        path.hash[path.n - 1].b[3] ^= bent && i == w->n_asked - 1 ? 1 : 0;
        item.index = w->asked[i];
        item.path = tmx_to_pb(TMX_BYTES(path.hash, path.n * sizeof(path.hash[0])));
        frames[i] = world_pack(w, &item);
    }
    link.body_case = TMX__LINK__BODY_PROOFS;
    link.proofs = &proofs;
    say(w, &link, frames, w->n_asked);
}

/* WIT-5: what it keeps is proved at the cosigned head, once; in a new session it asks for what is missing. */
static void test_upgrade(void **state)
{
    static const char *const codes[] = { "CH", "IT", "DE" };
    struct world *w = *state;
    with_policy(w);
    uint64_t size = state_of(w).head_size - 1;
    tell_cosigned(w, size, note_of(w, size, false, codes, 2));
    tick(w, 1);
    assert_int_equal(w->n_proof_requests, 1);
    assert_int_equal(w->asked_size, size);
    assert_true(state_of(w).upgrading);
    tick(w, 1000);
    assert_int_equal(w->n_proof_requests, 1);
    bye(w, TMX_CODE_BAD_FRAME);
    link_up(w);
    tick(w, 1);
    assert_int_equal(w->n_proof_requests, 2);
    prove(w, false);
    tick(w, 100);
    assert_int_equal(w->n_proof_requests, 2);
    assert_false(state_of(w).upgrading);
    assert_false(state_of(w).distrust);
}

static void test_upgrade_bent(void **state)
{
    static const char *const codes[] = { "CH", "IT", "DE" };
    struct world *w = *state;
    with_policy(w);
    uint64_t size = state_of(w).head_size - 1;
    tell_cosigned(w, size, note_of(w, size, false, codes, 2));
    tick(w, 1);
    prove(w, true);
    assert_true(state_of(w).distrust);
    assert_true(noticed(w, "log.inclusion-wrong"));
    assert_int_equal(verdict_of(w), TMX_VERDICT_UNPROVED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_cosigns, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_refuses, world_setup, world_teardown),
        cmocka_unit_test(test_fork),
        cmocka_unit_test_setup_teardown(test_cosigned_head, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_cosigned_fork, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_upgrade, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_upgrade_bent, world_setup, world_teardown),
    };
    return cmocka_run_group_tests_name("witness", tests, NULL, NULL);
}
