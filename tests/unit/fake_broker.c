/* SPDX-License-Identifier: Apache-2.0
 * See fake_broker.h.
 */
#include <sodium.h>
#include <stdio.h>

#include "fake_broker.h"
#include "seen.h"

static ProtobufCBinaryData pb(const void *data, size_t size)
{
    return tmx_to_pb(TMX_BYTES(data, size));
}

static ProtobufCBinaryData pbs(const char *text)
{
    return tmx_to_pb(tmx_bytes_str(text));
}

static struct tmx_bytes keep(struct world *w, struct tmx_bytes b)
{
    struct tmx_bytes copy;
    assert_true(tmx_arena_copy(&w->arena, b, &copy));
    return copy;
}

struct tmx_bytes world_pack(struct world *w, const void *message)
{
    struct tmx_bytes bytes;
    assert_int_equal(tmx_codec_pack(message, &w->arena, &bytes), TMX_CODEC_OK);
    return bytes;
}

/* What the node says */

static void submits_in(struct world *w, const Tmx__Submit *s, const struct tmx_bytes *frames)
{
    for (size_t i = 0; i < s->items; i++) {
        w->submits[w->n_submits++] = (struct said){ .item = keep(w, frames[2 * i]),
                                                    .container = keep(w, frames[2 * i + 1]),
                                                    .resubmission = s->resubmission };
    }
}

static void receive(struct world *w, const struct tmx_bytes *frames, size_t n)
{
    Tmx__Link *link;
    assert_int_equal(tmx_codec_unpack(&tmx__link__descriptor, frames[0], TMX_CONTROL_MAX, &w->arena, &link), TMX_CODEC_OK);
    if (link->body_case == TMX__LINK__BODY_HELLO) {
        assert_int_equal(link->session, 0);
        w->n_hellos++;
        memcpy(w->nonce, link->hello->nonce.data, sizeof(w->nonce));
        /* One of another shard is none of this log. */
        w->hello_feed_next = tmx_bytes_eq(tmx_pb(link->hello->shard), tmx_bytes_str(w->federation.shard)) ? link->hello->feed_next : 0;
        w->hello_complete = link->hello->feed_complete;
        w->hello_serial = link->hello->directory_serial;
        w->in_number = 0;
        return;
    }
    assert_int_equal(link->session, w->session);
    if (link->body_case == TMX__LINK__BODY_BYE) {   /* LINK-2 */
        assert_int_equal(link->number, 0);
        assert_int_equal(link->bye->code, TMX_CODE_OK);
        w->n_byes++;
        return;
    }
    assert_int_equal(link->number, ++w->in_number);   /* LINK-3 */
    switch ((int)link->body_case) {
    case TMX__LINK__BODY_SUBMIT:
        assert_int_equal(n, 1 + 2 * link->submit->items);
        submits_in(w, link->submit, frames + 1);
        break;
    case TMX__LINK__BODY_REPORTS:
        assert_int_equal(n, 1 + link->reports->items);
        for (size_t i = 0; i < link->reports->items; i++) {
            w->reports[w->n_reports++].item = keep(w, frames[1 + i]);
        }
        break;
    case TMX__LINK__BODY_PUBLISH:
        w->n_publishes++;
        w->prekeys = keep(w, frames[1]);
        break;
    case TMX__LINK__BODY_PROOF_REQUEST:
        w->n_proof_requests++;
        w->asked_size = link->proof_request->tree_size;
        w->n_asked = link->proof_request->n_indexes;
        assert_in_range(w->n_asked, 1, TMX_N(w->asked));
        memcpy(w->asked, link->proof_request->indexes, w->n_asked * sizeof(w->asked[0]));
        break;
    case TMX__LINK__BODY_WITNESS_REPLY:
        w->witness_status = link->witness_reply->status;
        w->witness_body = keep(w, frames[1]);
        break;
    case TMX__LINK__BODY_FEED_ACK:
        w->n_acks++;
        w->acked = link->feed_ack->feed_next;
        break;
    case TMX__LINK__BODY_CREDIT:
        w->credit = link->credit->messages;
        break;
    case TMX__LINK__BODY_PING:
        w->n_pings++;
        break;
    case TMX__LINK__BODY_CHUNK_REQUEST:
        w->offsets[w->n_requests++] = link->chunk_request->offset;
        break;
    case TMX__LINK__BODY_CHUNK:
        w->n_chunks++;
        w->chunk_bytes += frames[1].size;
        break;
    default:
        fail_msg("the node said %d", (int)link->body_case);
    }
}

static void answers_in(struct world *w)
{
    for (size_t i = 0; i < w->out.n_answers; i++) {
        const struct tmx_node_answer *a = &w->out.answers[i];
        assert_int_equal(a->frames[0].size, 0);   /* the delimiter of a REQ comes back */
        assert_int_equal(tmx_codec_unpack(&tmx__response__descriptor, a->frames[1], TMX_APP_RESPONSE_MAX, &w->arena,
                                          &w->response),
                         TMX_CODEC_OK);
        assert_int_equal(w->response->id, w->request_id);
        w->n_payload = a->n_frames - 2;
        for (size_t k = 0; k < w->n_payload; k++) {
            w->payload[k] = keep(w, a->frames[2 + k]);
        }
    }
}

/* The node */

struct tmx_node_event world_event(struct world *w, enum tmx_node_event_kind kind)
{
    struct tmx_node_event ev = { .kind = kind, .mono_ms = w->mono_ms, .wall_us = w->wall_ms * 1000 };
    w->entropy++;
    memcpy(ev.entropy, &w->entropy, sizeof(w->entropy));
    return ev;
}

void turn(struct world *w, struct tmx_node_event *events, size_t n)
{
    assert_int_equal(tmx_node_turn(w->node, events, n, &w->out), 0);
    for (size_t i = 0; i < w->out.n_notices && w->n_notices < TMX_N(w->notices); i++) {
        snprintf(w->notices[w->n_notices++], sizeof(w->notices[0]), "%s", w->out.notices[i].event);
    }
    for (size_t i = 0; i < w->out.n_sends; i++) {
        receive(w, w->out.sends[i].frames, w->out.sends[i].n_frames);
    }
    answers_in(w);
}

void tick(struct world *w, uint64_t ms)
{
    w->mono_ms += ms;
    w->wall_ms += ms;
    struct tmx_node_event ev = world_event(w, TMX_NODE_TICK);
    turn(w, &ev, 1);
}

enum tmx_operation_result operate_note(struct world *w, struct tmx_bytes note)
{
    struct tmx_node_event ev = world_event(w, TMX_NODE_OPERATION);
    ev.file = note;
    ev.operators = &w->operating.operators;
    turn(w, &ev, 1);
    return w->out.operation.result;
}

enum tmx_operation_result operate(struct world *w, unsigned who, enum tmx_action action, const uint8_t *id)
{
    static uint8_t note[TMX_OPERATION_MAX];
    uint64_t nonce = w->operating.nonce;
    operating_init(&w->operating);
    w->operating.nonce = nonce;
    struct tmx_operation op = operating_ask(&w->operating, action, w->wall_ms);
    if (id != NULL) {
        operating_target(&op, id, "DE");
    }
    return operate_note(w, operating_sign(&w->operating, who, &op, note));
}

bool noticed(const struct world *w, const char *event)
{
    for (size_t i = 0; i < w->n_notices; i++) {
        if (strcmp(w->notices[i], event) == 0) {
            return true;
        }
    }
    return false;
}

int verdict_of(struct world *w)
{
    static struct tmx_misbehaviour_room room;
    struct tmx_node_misbehaviour_view v = { .number = 0 };
    struct tmx_misbehaviour m;
    struct tmx_seen_claim claim;
    int verdict = -1;
    while (tmx_node_misbehaviour(w->node, v.number + 1, &v)) {
        assert_true(tmx_misbehaviour_parse(v.file, &room, &m));
        assert_int_equal(tmx_seen_claim(&m, tmx_node_directory(w->node), &claim), 0);
        verdict = (int)tmx_misbehaviour_judge(&m, tmx_directory_log_key(tmx_node_directory(w->node),
                                                                        tmx_bytes_str(w->federation.shard)));
    }
    return verdict;
}

struct tmx_node_state_view state_of(struct world *w)
{
    struct tmx_node_state_view v;
    assert_int_equal(tmx_node_state(w->node, &v), 0);
    return v;
}

void node_start(struct world *w)
{
    struct federation_member *me = federation_find(&w->federation, "DE");
    struct tmx_node_config c = { .member = TMX_LIT("DE"),
                                 .signing_secret = me->sign_secret,
                                 .witness_secret = me->witness_secret,
                                 .last_resort_secret = me->last_resort_secret,
                                 .archive_key = me->archive,
                                 .label_key = me->label,
                                 .authority = w->federation.authority,
                                 .generation = 1,
                                 .rebuild = w->rebuild,
                                 .directory = federation_file(&w->federation),
                                 .catalogue = w->catalogue,
                                 .late_ms = 5 * 60000,
                                 .retention_ms = w->retention_ms,
                                 .n_applications = 1,
                                 .applications = w->applications };
    uint8_t entropy[32] = { 1 };
    memcpy(c.signing_public, me->sign_public, sizeof(c.signing_public));
    memcpy(c.witness_public, me->witness_public, sizeof(c.witness_public));
    assert_int_equal(tmx_node_new(w->spool, &c, w->mono_ms, w->wall_ms * 1000, entropy, &w->node), 0);
}

void node_restart(struct world *w)
{
    tmx_node_free(w->node);
    tmx_spool_ram_crash(w->spool);
    node_start(w);
}

static void catalogue_new(struct world *w)
{
    static const char text[] = "version = 2026010100\n[CD001C]\nname = A\nacronym = C_AAR_SND\nfrom = DEP\nto = DES\n"
                               "mrn = optional\ncorrelation = optional\nvalid_from = 2023-11-01\n"
                               "[CD003C]\nname = B\nacronym = C_AAR_RSP\nfrom = DEP\nto = DES\nmrn = required\n"
                               "correlation = required\nvalid_from = 2023-11-01\n";
    unsigned line;
    char reason[128];
    if (tmx_catalogue_parse(TMX_BYTES(text, sizeof(text) - 1), &w->catalogue, &line, reason, sizeof(reason)) != 0) {
        fail_msg("catalogue line %u: %s", line, reason);
    }
}

int world_setup_offline(void **state)
{
    static const char *const codes[] = { "CH", "DE", "IT" };
    struct world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    w->mono_ms = 1000;
    w->wall_ms = START_MS;
    w->max_seq = 4096;
    federation_init(&w->federation, codes, 3, START_MS - 1000);
    assert_int_equal(tmx_arena_init(&w->arena, 256u << 20), 0);
    assert_int_equal(tmx_tree_new(NULL, &w->tree), 0);
    assert_int_equal(tmx_spool_ram_new(&w->spool), 0);
    catalogue_new(w);
    fake_init(&w->ch, &w->federation, "CH");
    fake_init(&w->de, &w->federation, "DE");
    fake_init(&w->it, &w->federation, "IT");
    snprintf(w->applications[0].name, sizeof(w->applications[0].name), "NTA");
    w->applications[0].verbs = TMX_NODE_VERB_ALL;
    Tmx__LogEntry start = TMX__LOG_ENTRY__INIT;
    start.kind = TMX__ENTRY_KIND__ENTRY_SHARD_START;
    start.number = 1;
    leaf(w, &start);
    leaf_prekeys(w, &w->ch);
    leaf_prekeys(w, &w->it);
    node_start(w);
    *state = w;
    return 0;
}

/* Today's prekey of the node, for those who write to it. */
static void prekey_learn(struct world *w)
{
    Tmx__Signed *s;
    Tmx__PrekeySet *set;
    struct tmx_signature signature;
    assert_int_equal(tmx_signed_parse(w->prekeys, &w->arena, &s, &signature), TMX_CODE_OK);
    assert_int_equal(tmx_prekeys_parse(tmx_pb(s->body), &w->arena, &set), TMX_CODE_OK);
    memcpy(w->de.prekey, set->keys[0]->key.data, 32);
}

int world_setup(void **state)
{
    world_setup_offline(state);
    struct world *w = *state;
    link_up(w);
    assert_int_equal(w->n_publishes, 1);
    prekey_learn(w);
    leaf_body(w, TMX__ENTRY_KIND__ENTRY_PREKEYS, w->prekeys, "DE", 0, 0, 0);
    feed_all(w);
    w->n_notices = 0;
    return 0;
}

int world_teardown(void **state)
{
    struct world *w = *state;
    tmx_node_free(w->node);
    tmx_spool_close(w->spool);
    tmx_tree_free(w->tree);
    tmx_catalogue_free(w->catalogue);
    fake_deinit(&w->ch);
    fake_deinit(&w->de);
    fake_deinit(&w->it);
    federation_deinit(&w->federation);
    tmx_arena_deinit(&w->arena);
    free(w);
    return 0;
}

/* Leaves */

uint64_t leaf(struct world *w, Tmx__LogEntry *entry)
{
    entry->time_ms = w->wall_ms;
    entry->directory_serial = w->federation.serial;
    struct tmx_bytes bytes = world_pack(w, entry);
    struct tmx_hash hash = tmx_merkle_leaf(bytes);
    tmx_tree_append(w->tree, &hash, NULL, NULL);
    assert_true(w->n_entries < 250);   /* one tile: nothing to store */
    w->entries[w->n_entries] = bytes;
    return w->n_entries++;
}

uint64_t leaf_body(struct world *w, Tmx__EntryKind kind, struct tmx_bytes item, const char *member, unsigned code,
                   uint64_t number, uint64_t reference)
{
    Tmx__Signed *s;
    struct tmx_signature signature;
    Tmx__LogRef ref = TMX__LOG_REF__INIT;
    assert_int_equal(tmx_signed_parse(item, &w->arena, &s, &signature), TMX_CODE_OK);
    ref.shard = pbs(w->federation.shard);
    ref.index = reference;
    Tmx__LogEntry e = TMX__LOG_ENTRY__INIT;
    e.kind = kind;
    e.member = pbs(member);
    e.body = s->body;
    e.signature = s->signature;
    e.code = code;
    e.number = number;
    e.reference = reference != 0 ? &ref : NULL;
    return leaf(w, &e);
}

/* A leaf of the broker's own about a message it accepted at `reference`; `e` has what its kind asks for besides. */
static uint64_t leaf_about(struct world *w, Tmx__LogEntry *e, const Tmx__Header *h, uint64_t reference)
{
    uint8_t digest[32];
    tmx_digest(world_pack(w, h), digest);
    Tmx__LogRef ref = TMX__LOG_REF__INIT;
    ref.shard = pbs(w->federation.shard);
    ref.index = reference;
    e->member = h->sender;
    e->message_id = h->message_id;
    e->header_digest = pb(digest, sizeof(digest));
    e->reference = &ref;
    return leaf(w, e);
}

uint64_t leaf_end(struct world *w, Tmx__EntryKind kind, const Tmx__Header *h, const char *recipient, unsigned code,
                  uint64_t seq, uint64_t reference)
{
    Tmx__LogEntry e = TMX__LOG_ENTRY__INIT;
    e.kind = kind;
    e.recipient = pbs(recipient);
    e.code = code;
    e.number = seq;
    return leaf_about(w, &e, h, reference);
}

uint64_t leaf_erased(struct world *w, const Tmx__Header *h, uint64_t reference)
{
    Tmx__LogEntry e = TMX__LOG_ENTRY__INIT;
    e.kind = TMX__ENTRY_KIND__ENTRY_ERASED;
    e.digest = h->container_digest;
    return leaf_about(w, &e, h, reference);
}

void leaf_prekeys(struct world *w, struct fake_node *member)
{
    struct fake_frames f;
    fake_publish(member, w->wall_ms, &f);
    leaf_body(w, TMX__ENTRY_KIND__ENTRY_PREKEYS, f.frame[1], member->me->code, 0, 0, 0);
}

Tmx__Header *header_of(struct world *w, struct tmx_bytes item)
{
    Tmx__Signed *s;
    Tmx__Header *h;
    struct tmx_signature signature;
    assert_int_equal(tmx_signed_parse(item, &w->arena, &s, &signature), TMX_CODE_OK);
    assert_int_equal(tmx_header_parse(tmx_pb(s->body), &w->arena, &h), TMX_CODE_OK);
    const struct tmx_verify_key *key = &federation_find(&w->federation, "DE")->key;
    assert_true(!tmx_bytes_eq(tmx_pb(h->sender), TMX_LIT("DE")) ||
                tmx_batch_verify(tmx_pb(s->body), &signature, key, NULL));
    return h;
}

Tmx__Report *report_of(struct world *w, struct tmx_bytes item)
{
    Tmx__Signed *s;
    Tmx__Report *r;
    struct tmx_signature signature;
    assert_int_equal(tmx_signed_parse(item, &w->arena, &s, &signature), TMX_CODE_OK);
    assert_int_equal(tmx_report_parse(tmx_pb(s->body), &w->arena, &r), TMX_CODE_OK);
    assert_true(tmx_batch_verify(tmx_pb(s->body), &signature, &federation_find(&w->federation, "DE")->key, NULL));
    return r;
}

struct tmx_bytes report_make(struct world *w, struct fake_node *by, struct tmx_bytes item, uint64_t index,
                             Tmx__Outcome outcome, unsigned code, const uint8_t *attachment_digest)
{
    Tmx__Header *h = header_of(w, item);
    Tmx__Signed *s;
    struct tmx_signature signature;
    uint8_t digest[32];
    assert_int_equal(tmx_signed_parse(item, &w->arena, &s, &signature), TMX_CODE_OK);
    tmx_digest(tmx_pb(s->body), digest);
    Tmx__LogRef ref = TMX__LOG_REF__INIT;
    ref.shard = pbs(w->federation.shard);
    ref.index = index;
    Tmx__Report r = TMX__REPORT__INIT;
    r.kind = TMX__KIND__KIND_REPORT;
    r.directory_serial = w->federation.serial;
    r.message_id = h->message_id;
    r.header_digest = pb(digest, sizeof(digest));
    r.container_digest = h->container_digest;
    r.recipient = pbs(by->me->code);
    for (size_t i = 0; i < h->n_recipients; i++) {
        r.seq = tmx_bytes_eq(tmx_pb(h->recipients[i]->member), tmx_pb(r.recipient)) ? h->recipients[i]->seq : r.seq;
    }
    r.seq = r.seq == 0 ? 1 : r.seq;
    r.acceptance = &ref;
    r.outcome = outcome;
    r.code = code;
    r.time_ms = w->wall_ms;
    if (attachment_digest != NULL) {
        r.attachment_digest = pb(attachment_digest, 32);
    }
    return fake_sign(by, &r);
}

/* Frames to the node */

void say(struct world *w, Tmx__Link *link, const struct tmx_bytes *payload, size_t n)
{
    struct tmx_bytes frames[TMX_FRAMES_MAX];
    link->session = link->session == 0 ? w->session : link->session;
    link->number = link->number == 0 ? ++w->out_number : link->number;
    frames[0] = world_pack(w, link);
    for (size_t i = 0; i < n; i++) {
        frames[1 + i] = payload[i];
    }
    struct tmx_node_event ev = world_event(w, TMX_NODE_LINK_MESSAGE);
    ev.frames = frames;
    ev.n_frames = 1 + n;
    turn(w, &ev, 1);
}

/* The head, when the node does not have it. */
static Tmx__HeadUpdate *head_update(struct world *w, Tmx__HeadUpdate *u)
{
    uint64_t size = tmx_tree_size(w->tree);
    if (w->head_sent == size) {
        return NULL;
    }
    struct tmx_verify_key key;
    uint8_t note[TMX_CHECKPOINT_MAX];
    struct tmx_writer nw = TMX_WRITER_OF(note);
    struct tmx_checkpoint c = { .size = size, .root = tmx_tree_root(w->tree) };
    struct tmx_writer ow = tmx_writer_init(c.origin, sizeof(c.origin));
    struct tmx_proof proof = { 0 };
    tmx_log_origin(w->federation.name, tmx_bytes_str(w->federation.shard), &ow);
    assert_true(tmx_verify_key_init(tmx_bytes_str(c.origin), TMX_NOTE_ED25519, w->federation.log_public, &key));
    if (w->bend == BEND_CONSISTENCY) {
        c.root.b[0] ^= 1;
    }
    tmx_checkpoint_sign(&c, &key, w->federation.log_secret, &nw);
    if (w->bend == BEND_SIGNATURE) {
        note[nw.used - 10] = note[nw.used - 10] == 'A' ? 'B' : 'A';
    }
    assert_true(w->head_sent == 0 || tmx_tree_consistency(w->tree, NULL, w->head_sent, &proof));
    *u = (Tmx__HeadUpdate)TMX__HEAD_UPDATE__INIT;
    u->checkpoint = tmx_to_pb(keep(w, tmx_written(&nw)));
    u->from = w->head_sent;
    u->consistency = tmx_to_pb(keep(w, TMX_BYTES(proof.hash, proof.n * 32)));
    w->head_sent = size;
    return u;
}

void welcome(struct world *w)
{
    static const char *const to[] = { "CH", "IT" };
    Tmx__HeadUpdate update;
    Tmx__SendLimit limit[2], *list[2];
    Tmx__Welcome body = TMX__WELCOME__INIT;
    Tmx__Link link = TMX__LINK__INIT;
    body.version = 1;
    body.nonce = pb(w->nonce, sizeof(w->nonce));
    body.generation = 1;
    body.head = head_update(w, &update);
    for (size_t i = 0; i < 2; i++) {
        limit[i] = (Tmx__SendLimit)TMX__SEND_LIMIT__INIT;
        limit[i].recipient = pbs(to[i]);
        limit[i].max_seq = w->max_seq;
        limit[i].last_seq = w->last_seq;
        list[i] = &limit[i];
    }
    body.n_send_limits = 2;
    body.send_limits = list;
    body.directory_serial = w->federation.serial;
    body.wall_ms = w->wall_ms + (uint64_t)w->clock_ms;
    body.shard = pbs(w->federation.shard);
    body.feed_acked = w->welcome_acked;
    body.feed_next = w->feed_next;
    link.body_case = TMX__LINK__BODY_WELCOME;
    link.welcome = &body;
    w->session++;
    w->out_number = 0;
    say(w, &link, NULL, 0);
}

void link_up(struct world *w)
{
    for (unsigned i = 0; w->n_hellos == 0 && i < 200; i++) {
        tick(w, i == 0 ? 0 : 500);
    }
    assert_true(w->n_hellos > 0);
    w->n_hellos = 0;
    w->feed_next = w->hello_feed_next;
    welcome(w);
}

static struct tmx_bytes item_frame(struct world *w, uint64_t index, struct tmx_bytes attachment, struct tmx_bytes seen,
                                   struct tmx_bytes seen_root)
{
    struct tmx_proof proof;
    Tmx__FeedItem item = TMX__FEED_ITEM__INIT;
    assert_true(tmx_tree_path(w->tree, NULL, index, &proof));
    if (w->bend == BEND_PATH) {
        proof.hash[0].b[0] ^= 1;
    }
    item.index = index;
    item.entry = tmx_to_pb(w->entries[index]);
    item.path = pb(proof.hash, proof.n * 32);
    item.attachment = tmx_to_pb(attachment);
    item.seen = tmx_to_pb(seen);
    item.seen_root = tmx_to_pb(seen_root);
    return world_pack(w, &item);
}

/* The proof that the header of this acceptance has seen a head of this log (LINK-12); beside it the root, from a power of two. */
static struct tmx_bytes seen_proof(struct world *w, uint64_t index, struct tmx_bytes *ret_root)
{
    Tmx__LogEntry *e;
    Tmx__Header *h;
    struct tmx_proof proof;
    struct tmx_hash root;
    struct tmx_bytes copy;
    *ret_root = TMX_BYTES_NULL;
    if (w->bend == BEND_SEEN_LEFT_OUT || tmx_entry_parse(w->entries[index], &w->arena, &e) != TMX_CODE_OK ||
        tmx_header_parse(tmx_pb(e->body), &w->arena, &h) != TMX_CODE_OK || h->seen == NULL) {
        return TMX_BYTES_NULL;
    }
    assert_true(tmx_tree_consistency(w->tree, NULL, h->seen->size, &proof));
    if (w->bend == BEND_SEEN) {
        proof.hash[proof.n - 1].b[0] ^= 1;
    }
    if ((h->seen->size & (h->seen->size - 1)) == 0) {
        assert_true(tmx_tree_root_at(w->tree, NULL, h->seen->size, &root));
        assert_true(tmx_arena_copy(&w->arena, TMX_BYTES_OF(root.b), ret_root));
    }
    assert_true(tmx_arena_copy(&w->arena, TMX_BYTES(proof.hash, proof.n * 32), &copy));
    return copy;
}

void feed(struct world *w, const uint64_t *indexes, size_t n, struct tmx_bytes attachment)
{
    Tmx__HeadUpdate update;
    Tmx__Feed body = TMX__FEED__INIT;
    Tmx__Link link = TMX__LINK__INIT;
    struct tmx_bytes items[TMX_LINK_ITEMS_MAX];
    for (size_t i = 0; i < n; i++) {
        items[i] = item_frame(w, indexes[i], attachment, TMX_BYTES_NULL, TMX_BYTES_NULL);
        w->feed_next = indexes[i] + 1 > w->feed_next ? indexes[i] + 1 : w->feed_next;
    }
    body.items = (uint32_t)n;
    body.head = head_update(w, &update);
    body.tree_size = tmx_tree_size(w->tree);
    body.feed_next = w->feed_next;
    link.body_case = TMX__LINK__BODY_FEED;
    link.feed = &body;
    say(w, &link, items, n);
}

void feed_one(struct world *w, uint64_t index)
{
    feed(w, &index, 1, TMX_BYTES_NULL);
}

void feed_all(struct world *w)
{
    while (w->feed_next < w->n_entries) {
        uint64_t indexes[TMX_LINK_ITEMS_MAX];
        size_t n = 0;
        for (uint64_t i = w->feed_next; i < w->n_entries && n < TMX_LINK_ITEMS_MAX; i++) {
            indexes[n++] = i;
        }
        feed(w, indexes, n, TMX_BYTES_NULL);
    }
}

void deliver_both(struct world *w, const uint64_t *indexes, const struct tmx_bytes *containers, size_t n)
{
    Tmx__HeadUpdate update;
    Tmx__Deliver body = TMX__DELIVER__INIT;
    Tmx__Link link = TMX__LINK__INIT;
    struct tmx_bytes frames[4], root = TMX_BYTES_NULL, seen = TMX_BYTES_NULL;
    assert_true(n <= 2);
    for (size_t i = 0; i < n; i++) {
        seen = i == 0 ? seen_proof(w, indexes[i], &root) : TMX_BYTES_NULL;
        frames[2 * i] = item_frame(w, indexes[i], TMX_BYTES_NULL, seen, i == 0 ? root : TMX_BYTES_NULL);
        frames[2 * i + 1] = containers[i];
    }
    body.items = (uint32_t)n;
    body.head = head_update(w, &update);
    body.tree_size = tmx_tree_size(w->tree);
    link.body_case = TMX__LINK__BODY_DELIVER;
    link.deliver = &body;
    say(w, &link, frames, 2 * n);
}

void deliver(struct world *w, uint64_t index, struct tmx_bytes container)
{
    deliver_both(w, &index, &container, 1);
}

void limits(struct world *w, uint64_t max_seq)
{
    Tmx__SendLimit limit = TMX__SEND_LIMIT__INIT, *list[1] = { &limit };
    Tmx__SendLimits body = TMX__SEND_LIMITS__INIT;
    Tmx__Link link = TMX__LINK__INIT;
    limit.recipient = pbs("CH");
    limit.max_seq = max_seq;
    body.n_limits = 1;
    body.limits = list;
    link.body_case = TMX__LINK__BODY_SEND_LIMITS;
    link.send_limits = &body;
    say(w, &link, NULL, 0);
}

void bye(struct world *w, unsigned code)
{
    Tmx__Bye body = TMX__BYE__INIT;
    Tmx__Link link = TMX__LINK__INIT;
    body.code = code;
    body.version = code == TMX_CODE_BAD_VERSION ? 2 : 0;
    link.body_case = TMX__LINK__BODY_BYE;
    link.bye = &body;
    say(w, &link, NULL, 0);
}

void pong(struct world *w)
{
    Tmx__Pong body = TMX__PONG__INIT;
    Tmx__Link link = TMX__LINK__INIT;
    body.wall_ms = w->wall_ms + (uint64_t)w->clock_ms;
    body.directory_serial = w->federation.serial;
    link.body_case = TMX__LINK__BODY_PONG;
    link.pong = &body;
    say(w, &link, NULL, 0);
}

void directory_push(struct world *w)
{
    Tmx__DirectoryPush body = TMX__DIRECTORY_PUSH__INIT;
    Tmx__Link link = TMX__LINK__INIT;
    struct tmx_bytes file = federation_file(&w->federation);
    body.serial = w->federation.serial;
    link.body_case = TMX__LINK__BODY_DIRECTORY;
    link.directory = &body;
    say(w, &link, &file, 1);
}

uint64_t accept_submit(struct world *w, size_t i)
{
    assert_true(i < w->n_submits);
    uint64_t index = leaf_body(w, TMX__ENTRY_KIND__ENTRY_ACCEPTANCE, w->submits[i].item, "DE", 0, 0, 0);
    feed_one(w, index);
    return index;
}

void pass(struct world *w, unsigned seconds)
{
    for (unsigned i = 0; i < seconds; i += 10) {
        tick(w, 10000);
        pong(w);
        if (w->n_reports > 1) {   /* what is not logged is sent again and again (FEED-3) */
            w->reports[0] = w->reports[w->n_reports - 1];
            w->n_reports = 1;
        }
    }
}
