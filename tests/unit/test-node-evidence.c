/* SPDX-License-Identifier: Apache-2.0
 * The evidence a node has of a message to many, after years of prekey sets; and of a spool from before they had an index.
 */
#include <stdio.h>
#include <time.h>

#include <tmx/evidence.h>
#include <tmx/seal.h>

#include "fake_broker.h"
#include "tables.h"

#define SETS 120u          /* of a member: five years */
#define SET_DAYS 15u       /* from one to the next */
#define SET_KEYS 45u
#define SUBJECT 1000000u   /* index of the acceptance */
#define TURN_MS_MAX 2000.0 /* 2 ms here; without an index 14 s, for which nothing else of the node would go on */

static uint8_t id[TMX_ID_SIZE];

static void put(struct world *w, uint8_t table, struct tmx_bytes key, struct tmx_bytes value)
{
    const struct tmx_op op = { .kind = TMX_OP_PUT, .table = table, .key = key, .value = value };
    assert_int_equal(tmx_spool_begin(w->spool), 0);
    assert_int_equal(tmx_spool_apply(w->spool, &op, 1), 0);
    assert_int_equal(tmx_spool_commit(w->spool), 0);
}

/* The key of a member for a day, as good as any. */
static void prekey_of(unsigned member, unsigned day, uint8_t ret_key[32])
{
    const uint8_t what[] = { (uint8_t)member, (uint8_t)(day >> 8), (uint8_t)day };
    tmx_digest(TMX_BYTES_OF(what), ret_key);
}

static void member_of(unsigned member, char ret_code[8])
{
    memset(ret_code, 0, 8);
    snprintf(ret_code, 8, "M%02u", member);
}

static uint64_t index_of(unsigned member, unsigned set)
{
    return 1000 + set * TMX_RECIPIENTS_MAX + member;
}

static struct tmx_bytes leaf_row(struct world *w, uint64_t index, struct tmx_bytes entry)
{
    static uint8_t data[TMX_ENTRY_MAX + 64];
    struct tmx_writer r = TMX_WRITER_OF(data);
    char shard[TMX_SHARD_MAX] = { 0 };
    memcpy(shard, w->federation.shard, strlen(w->federation.shard));
    tmx_write_bytes(&r, TMX_BYTES_OF(shard));
    tmx_write_u64(&r, index);
    tmx_write_u64(&r, 2 * SUBJECT);
    tmx_write_u16(&r, 0);
    tmx_write_bytes(&r, entry);
    return tmx_written(&r);
}

static Tmx__LogEntry entry_of(struct world *w, Tmx__EntryKind kind, const char *member, const void *body)
{
    Tmx__LogEntry e = TMX__LOG_ENTRY__INIT;
    Tmx__Signed *s;
    struct tmx_signature signature;
    tmx_arena_reset(&w->ch.arena);
    assert_int_equal(tmx_signed_parse(fake_sign(&w->ch, body), &w->arena, &s, &signature), TMX_CODE_OK);
    e.kind = kind;
    e.time_ms = w->wall_ms;
    e.directory_serial = w->federation.serial;
    e.member = tmx_to_pb(tmx_bytes_str(member));
    e.body = s->body;
    e.signature = s->signature;
    return e;
}

static void put_set(struct world *w, unsigned member, unsigned set)
{
    Tmx__PrekeySet pb = TMX__PREKEY_SET__INIT;
    Tmx__Prekey keys[SET_KEYS], *list[SET_KEYS];
    uint8_t data[SET_KEYS][32], key[TMX_MEMBER_MAX + TMX_SHARD_MAX + 8] = { 0 };
    char code[8];
    size_t used = w->arena.used;
    member_of(member, code);
    for (unsigned i = 0; i < SET_KEYS; i++) {
        prekey_of(member, set * SET_DAYS + i, data[i]);
        keys[i] = (Tmx__Prekey)TMX__PREKEY__INIT;
        keys[i].key = tmx_to_pb(TMX_BYTES_OF(data[i]));
        keys[i].from_ms = START_MS + (set * SET_DAYS + i) * DAY_MS;
        keys[i].until_ms = keys[i].from_ms + DAY_MS;
        list[i] = &keys[i];
    }
    pb.kind = TMX__KIND__KIND_PREKEY_SET;
    pb.directory_serial = w->federation.serial;
    pb.member = tmx_to_pb(tmx_bytes_str(code));
    pb.set_serial = set + 1;
    pb.n_keys = SET_KEYS;
    pb.keys = list;
    Tmx__LogEntry e = entry_of(w, TMX__ENTRY_KIND__ENTRY_PREKEYS, code, &pb);
    struct tmx_writer k = TMX_WRITER_OF(key);
    char shard[TMX_SHARD_MAX] = { 0 };
    memcpy(shard, w->federation.shard, strlen(w->federation.shard));
    tmx_write_bytes(&k, TMX_BYTES_OF(code));
    tmx_write_bytes(&k, TMX_BYTES_OF(shard));
    tmx_write_u64(&k, index_of(member, set));
    put(w, TMX_NT_PREKEY_LEAF, tmx_written(&k), leaf_row(w, index_of(member, set), world_pack(w, &e)));
    tmx_arena_rewind(&w->arena, used);
}

/* The message in the spool becomes one to 64 members, sealed for a day of theirs. */
static void put_message(struct world *w, unsigned day)
{
    Tmx__Header *sent = header_of(w, w->submits[0].item), h = *sent;
    Tmx__Recipient recipient[TMX_RECIPIENTS_MAX], *list[TMX_RECIPIENTS_MAX];
    char codes[TMX_RECIPIENTS_MAX][8];
    uint8_t container[TMX_CHUNK_SIZE], key[32], row[TMX_ID_SIZE + 4] = { 0 }, head[TMX_SHARD_MAX + 8] = { 0 };
    memcpy(id, sent->message_id.data, sizeof(id));
    assert_true(sent->container_bytes >= TMX_SEAL_OVERHEAD(TMX_RECIPIENTS_MAX) && sent->container_bytes <= sizeof(container));
    memset(container, 0, sizeof(container));
    for (unsigned i = 0; i < TMX_RECIPIENTS_MAX; i++) {
        member_of(i, codes[i]);
        recipient[i] = (Tmx__Recipient)TMX__RECIPIENT__INIT;
        recipient[i].member = tmx_to_pb(tmx_bytes_str(codes[i]));
        recipient[i].seq = 1;
        list[i] = &recipient[i];
        prekey_of(i, day, key);
        tmx_seal_key_id(key, container + 64 + 56 * i);
    }
    h.n_recipients = TMX_RECIPIENTS_MAX;
    h.recipients = list;
    Tmx__LogEntry e = entry_of(w, TMX__ENTRY_KIND__ENTRY_ACCEPTANCE, "DE", &h);
    struct tmx_writer k = TMX_WRITER_OF(head);
    memcpy(head, w->federation.shard, strlen(w->federation.shard));
    k.used = TMX_SHARD_MAX;
    tmx_write_u64(&k, 2 * SUBJECT);
    put(w, TMX_NT_HEAD, tmx_written(&k), TMX_LIT("a head"));
    memcpy(row, id, sizeof(id));
    put(w, TMX_NT_OUT_CONTAINER, TMX_BYTES_OF(row), TMX_BYTES(container, sent->container_bytes));
    row[TMX_ID_SIZE] = TMX_EVIDENCE_ACCEPTANCE;
    put(w, TMX_NT_EVIDENCE, TMX_BYTES(row, TMX_ID_SIZE + 1), leaf_row(w, SUBJECT, world_pack(w, &e)));
}

static double ms_between(const struct timespec *from, const struct timespec *to)
{
    return (double)(to->tv_sec - from->tv_sec) * 1e3 + (double)(to->tv_nsec - from->tv_nsec) / 1e6;
}

/* A spool as it was before there was an index. */
static void drop_index(struct world *w)
{
    struct tmx_op op = { .kind = TMX_OP_DELETE, .table = TMX_NT_PREKEY_ID };
    struct tmx_bytes key, value;
    uint8_t copy[TMX_KEY_MAX];
    size_t n = 0;
    assert_int_equal(tmx_spool_begin(w->spool), 0);
    while (tmx_spool_seek(w->spool, TMX_NT_PREKEY_ID, TMX_BYTES("", 1), &key, &value) == 0) {
        memcpy(copy, key.data, key.size);
        op.key = TMX_BYTES(copy, key.size);
        assert_int_equal(tmx_spool_apply(w->spool, &op, 1), 0);
        n++;
    }
    assert_true(n > 0);
    op.table = TMX_NT_META;
    op.key = TMX_LIT("prekey-index");
    assert_int_equal(tmx_spool_apply(w->spool, &op, 1), 0);
    assert_int_equal(tmx_spool_commit(w->spool), 0);
}

static const Tmx__Evidence *bundle(struct world *w)
{
    Tmx__EvidenceRequest body = TMX__EVIDENCE_REQUEST__INIT;
    Tmx__Request request = TMX__REQUEST__INIT;
    Tmx__Evidence *e;
    const char *what = NULL;
    struct timespec from, to;
    body.message_id = tmx_to_pb(TMX_BYTES_OF(id));
    request.body_case = TMX__REQUEST__BODY_EVIDENCE;
    request.evidence = &body;
    clock_gettime(CLOCK_MONOTONIC, &from);
    ask(w, &request, NULL);
    clock_gettime(CLOCK_MONOTONIC, &to);
    print_message("# a bundle for %u recipients with %u prekey sets each: %.1f ms\n", TMX_RECIPIENTS_MAX, SETS,
                  ms_between(&from, &to));
    assert_true(ms_between(&from, &to) < TURN_MS_MAX);
    assert_int_equal(w->response->code, TMX_CODE_OK);
    assert_int_equal(tmx_evidence_parse(w->payload[0], &w->arena, &e, &what), TMX_CODE_OK);
    return e;
}

/* A set that was logged before the message and has the key, of every recipient. */
static void expect_sets(struct world *w, const Tmx__Evidence *e, unsigned day)
{
    bool found[TMX_RECIPIENTS_MAX] = { false };
    assert_int_equal(e->n_leaves, TMX_RECIPIENTS_MAX + 1);
    for (size_t i = 0; i < TMX_RECIPIENTS_MAX; i++) {
        Tmx__LogEntry *entry;
        Tmx__PrekeySet *set;
        uint8_t key[32];
        bool has = false;
        assert_int_equal(tmx_entry_parse(tmx_pb(e->leaves[i]->entry), &w->arena, &entry), TMX_CODE_OK);
        assert_int_equal(tmx_prekeys_parse(tmx_pb(entry->body), &w->arena, &set), TMX_CODE_OK);
        const unsigned member = (unsigned)(e->leaves[i]->index - 1000) % TMX_RECIPIENTS_MAX;
        prekey_of(member, day, key);
        for (size_t j = 0; j < set->n_keys; j++) {
            has = has || tmx_bytes_eq(tmx_pb(set->keys[j]->key), TMX_BYTES_OF(key));
        }
        assert_true(has && !found[member]);
        found[member] = true;
    }
    assert_int_equal(e->leaves[TMX_RECIPIENTS_MAX]->index, SUBJECT);
}

/* EVI-10: the sets that the slots name are found, early ones and late ones. */
static void test_many_sets(void **state)
{
    struct world *w = *state;
    Tmx__SubmitRequest s = submission("a", "CH");
    char payload[6001];
    struct timespec from, to;
    for (size_t i = 0; i < sizeof(payload); i++) {
        payload[i] = (char)('0' + rand() % 64);
    }
    payload[sizeof(payload) - 1] = '\0';
    s.mrn = tmx_to_pb(TMX_LIT(MRN));
    assert_int_equal(submit(w, &s, payload), TMX_CODE_OK);
    accept_submit(w, 0);
    for (unsigned i = 0; i < TMX_RECIPIENTS_MAX; i++) {
        for (unsigned set = 0; set < SETS; set++) {
            put_set(w, i, set);
        }
    }
    static const unsigned days[] = { 0, 44, 900, SET_DAYS * (SETS - 1) + SET_KEYS - 1 };
    drop_index(w);
    clock_gettime(CLOCK_MONOTONIC, &from);
    node_restart(w);
    clock_gettime(CLOCK_MONOTONIC, &to);
    print_message("# indexed in %.1f ms\n", ms_between(&from, &to));
    for (size_t i = 0; i < TMX_N(days); i++) {
        put_message(w, days[i]);
        expect_sets(w, bundle(w), days[i]);
    }
    put_message(w, SET_DAYS * SETS + SET_KEYS);   /* no set has it */
    assert_int_equal(bundle(w)->n_leaves, 1);
}

/* The leaf of the report with this outcome in the bundle. */
static const Tmx__EvidenceLeaf *report_leaf(struct world *w, const Tmx__Evidence *e, Tmx__Outcome outcome, Tmx__Report **ret_report)
{
    for (size_t i = 0; i < e->n_leaves; i++) {
        Tmx__LogEntry *entry;
        assert_int_equal(tmx_entry_parse(tmx_pb(e->leaves[i]->entry), &w->arena, &entry), TMX_CODE_OK);
        if (entry->kind == TMX__ENTRY_KIND__ENTRY_REPORT &&
            tmx_report_parse(tmx_pb(entry->body), &w->arena, ret_report) == TMX_CODE_OK && (*ret_report)->outcome == outcome) {
            return e->leaves[i];
        }
    }
    return NULL;
}

/* EVI-9: what came sealed with a refusal is in the sender's bundle, and whatever the recipient did not sign is not. */
static void test_reason_that_came(void **state)
{
    static const struct {
        const char *came;
        bool kept;
    } cases[] = { { "as good as sealed", true }, { "something else", false }, { "", false } };
    uint8_t digest[32];
    tmx_digest(TMX_LIT("as good as sealed"), digest);
    for (size_t i = 0; i < TMX_N(cases); i++) {
        assert_int_equal(world_setup(state), 0);
        struct world *w = *state;
        Tmx__Report *report;
        submit_ok(w, "a", "", 0, id);
        struct tmx_bytes item = w->submits[0].item;
        const uint64_t index = accept_submit(w, 0);
        struct tmx_bytes coa = report_make(w, &w->ch, item, index, TMX__OUTCOME__OUTCOME_COA, 0, NULL);
        feed_one(w, leaf_body(w, TMX__ENTRY_KIND__ENTRY_REPORT, coa, "CH", 0, 0, index));
        struct tmx_bytes end = report_make(w, &w->ch, item, index, TMX__OUTCOME__OUTCOME_COD_NEGATIVE, TMX_CODE_REFUSED, digest);
        const uint64_t at = leaf_body(w, TMX__ENTRY_KIND__ENTRY_REPORT, end, "CH", 0, 0, index);
        feed(w, &at, 1, tmx_bytes_str(cases[i].came));
        const Tmx__Evidence *e = bundle(w);
        const Tmx__EvidenceLeaf *leaf = report_leaf(w, e, TMX__OUTCOME__OUTCOME_COD_NEGATIVE, &report);
        assert_non_null(leaf);
        assert_true(tmx_bytes_eq(tmx_pb(leaf->attachment), cases[i].kept ? tmx_bytes_str(cases[i].came) : TMX_BYTES_NULL));
        assert_int_equal(report_leaf(w, e, TMX__OUTCOME__OUTCOME_COA, &report)->attachment.len, 0);
        assert_int_equal(world_teardown(state), 0);
    }
}

/* EVI-9: in the recipient's bundle is what it sealed itself. */
static void test_reason_that_was_made(void **state)
{
    struct world *w = *state;
    uint8_t digest[32];
    Tmx__Report *report;
    struct fake_message *m = compose(w, false, 0);
    const uint64_t index = deliver_message(w, m);
    log_report(w, index);
    memcpy(id, m->id, sizeof(id));
    assert_int_equal(refuse(w, lease(w, 0, 0), 604, "goods not presented"), TMX_CODE_OK);
    log_report(w, index);
    const Tmx__EvidenceLeaf *leaf = report_leaf(w, bundle(w), TMX__OUTCOME__OUTCOME_COD_NEGATIVE, &report);
    assert_non_null(leaf);
    assert_true(leaf->attachment.len > 0);
    tmx_digest(tmx_pb(leaf->attachment), digest);
    assert_true(tmx_bytes_eq(tmx_pb(report->attachment_digest), TMX_BYTES_OF(digest)));
}

/* EVI-12: a directory that came after the last leaf says which keys are compromised since: it is in the bundle, too. */
static void test_later_directories(void **state)
{
    struct world *w = *state;
    submit_ok(w, "a", "", 0, id);
    accept_submit(w, 0);
    assert_int_equal(bundle(w)->n_directories, 1);
    for (unsigned i = 0; i < 2; i++) {
        w->federation.serial++;
        federation_sign(&w->federation);
        directory_push(w);
    }
    const Tmx__Evidence *e = bundle(w);
    struct tmx_directory *newest = NULL;
    assert_int_equal(e->n_directories, 3);
    assert_int_equal(tmx_directory_load(tmx_pb(e->directories[2]), &w->federation.authority, NULL, &newest), TMX_DIRECTORY_OK);
    assert_int_equal(tmx_directory_serial(newest), w->federation.serial);
    tmx_directory_free(newest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reason_that_came),
        cmocka_unit_test_setup_teardown(test_reason_that_was_made, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_later_directories, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_many_sets, world_setup, world_teardown),
    };
    return cmocka_run_group_tests_name("node-evidence", tests, NULL, NULL);
}
