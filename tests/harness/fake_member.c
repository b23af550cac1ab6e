/* SPDX-License-Identifier: Apache-2.0
 * See fake_member.h.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tmx/merkle.h>

#include "fake_member.h"

static ProtobufCBinaryData pb(const void *data, size_t size)
{
    return tmx_to_pb(TMX_BYTES(data, size));
}

static ProtobufCBinaryData pbs(const char *text)
{
    return tmx_to_pb(tmx_bytes_str(text));
}

void fake_init(struct fake_node *n, struct federation *f, const char *code)
{
    memset(n, 0, sizeof(*n));
    n->federation = f;
    n->me = federation_find(f, code);
    assert(n->me != NULL);
    int r = tmx_arena_init(&n->arena, 8u << 20);
    assert(r == 0);
    char text[64];
    int size = snprintf(text, sizeof(text), "tmx test prekey %s", code);
    crypto_generichash(n->prekey_secret, 32, (const uint8_t *)text, (size_t)size, NULL, 0);
    crypto_scalarmult_base(n->prekey, n->prekey_secret);
    fake_reset(n);
}

void fake_reset(struct fake_node *n)
{
    tmx_arena_reset(&n->arena);
    n->session = n->out_number = n->in_number = n->feed_next = n->ids = n->set_serial = 0;
    n->batch_no = 1000;
    n->route = (uint8_t)(1 + (n->me - n->federation->members));
    n->head = (struct tmx_checkpoint){ .size = 0 };
    memset(n->seq, 0, sizeof(n->seq));
    memset(n->max_seq, 0, sizeof(n->max_seq));
    memset(n->nonce, 0, sizeof(n->nonce));
    n->n_received = n->n_leaves = n->n_deferred = n->n_directories = n->n_requests = n->chunk_size = 0;
    n->deferred_code = n->bye_code = n->bye_version = 0;
    n->redelivery = false;
}

void fake_deinit(struct fake_node *n)
{
    tmx_arena_deinit(&n->arena);
}

void fake_link(struct fake_node *n, Tmx__Link *link, const struct tmx_bytes *payload, size_t n_payload,
               struct fake_frames *ret_frames)
{
    if (link->body_case != TMX__LINK__BODY_HELLO) {
        link->session = link->session == 0 ? n->session : link->session;
        bool counts = link->number == 0 && link->body_case != TMX__LINK__BODY_BYE;
        link->number = counts ? ++n->out_number : link->number;
    }
    int r = tmx_codec_pack(link, &n->arena, &ret_frames->frame[0]);
    assert(r == 0);
    for (size_t i = 0; i < n_payload; i++) {
        ret_frames->frame[1 + i] = payload[i];
    }
    ret_frames->n = 1 + n_payload;
}

void fake_hello(struct fake_node *n, struct fake_frames *ret_frames)
{
    uint8_t note[TMX_CHECKPOINT_MAX];
    struct tmx_writer w = TMX_WRITER_OF(note);
    Tmx__Hello hello = TMX__HELLO__INIT;
    hello.version = n->version != 0 ? n->version : 1;
    hello.member = pbs(n->me->code);
    n->nonce[0]++;
    hello.nonce = pb(n->nonce, sizeof(n->nonce));
    hello.generation = 1;
    hello.feed_next = n->feed_next;
    if (n->head.size > 0) {   /* signed anew: Ed25519 is deterministic, so it is the broker's own note */
        struct tmx_verify_key key;
        bool ok = tmx_verify_key_init(tmx_bytes_str(n->head.origin), TMX_NOTE_ED25519, n->federation->log_public, &key);
        assert(ok);
        tmx_checkpoint_sign(&n->head, &key, n->federation->log_secret, &w);
        hello.checkpoint = tmx_to_pb(tmx_written(&w));
        hello.shard = pbs(n->federation->shard);
    }
    hello.directory_serial = n->federation->serial;
    hello.wall_ms = n->wall_ms;
    hello.software = pbs("fake");
    n->out_number = n->in_number = 0;
    Tmx__Link link = TMX__LINK__INIT;
    link.body_case = TMX__LINK__BODY_HELLO;
    link.hello = &hello;
    fake_link(n, &link, NULL, 0, ret_frames);
}

struct tmx_bytes fake_sign(struct fake_node *n, const void *body_message)
{
    struct tmx_bytes body, item;
    int r = tmx_codec_pack(body_message, &n->arena, &body);
    assert(r == 0);
    struct tmx_signature signature;
    tmx_batch_sign(&body, 1, n->batch_no++, &n->me->key, n->me->sign_secret, &signature);
    Tmx__Signed envelope = TMX__SIGNED__INIT;
    envelope.body = tmx_to_pb(body);
    envelope.signature = tmx_signature_to_pb(&signature, &n->arena);
    r = tmx_codec_pack(&envelope, &n->arena, &item);
    assert(r == 0);
    return item;
}

void fake_publish(struct fake_node *n, uint64_t now_ms, struct fake_frames *ret_frames)
{
    Tmx__Prekey key = TMX__PREKEY__INIT;
    Tmx__Prekey *keys[1] = { &key };
    key.key = pb(n->prekey, 32);
    key.from_ms = now_ms - 1000;
    key.until_ms = now_ms + 30ull * 86400000;
    Tmx__PrekeySet set = TMX__PREKEY_SET__INIT;
    set.kind = TMX__KIND__KIND_PREKEY_SET;
    set.directory_serial = n->federation->serial;
    set.member = pbs(n->me->code);
    set.set_serial = ++n->set_serial;
    set.n_keys = 1;
    set.keys = keys;
    struct tmx_bytes item = fake_sign(n, &set);
    Tmx__Publish publish = TMX__PUBLISH__INIT;
    Tmx__Link link = TMX__LINK__INIT;
    link.body_case = TMX__LINK__BODY_PUBLISH;
    link.publish = &publish;
    fake_link(n, &link, &item, 1, ret_frames);
}

void fake_credit(struct fake_node *n, uint64_t messages, uint64_t bytes, struct fake_frames *ret_frames)
{
    Tmx__Credit credit = TMX__CREDIT__INIT;
    credit.messages = messages;
    credit.bytes = bytes;
    Tmx__Link link = TMX__LINK__INIT;
    link.body_case = TMX__LINK__BODY_CREDIT;
    link.credit = &credit;
    fake_link(n, &link, NULL, 0, ret_frames);
}

void fake_feed_ack(struct fake_node *n, struct fake_frames *ret_frames)
{
    Tmx__FeedAck ack = TMX__FEED_ACK__INIT;
    ack.feed_next = n->feed_next;
    Tmx__Link link = TMX__LINK__INIT;
    link.body_case = TMX__LINK__BODY_FEED_ACK;
    link.feed_ack = &ack;
    fake_link(n, &link, NULL, 0, ret_frames);
}

void fake_ping(struct fake_node *n, uint64_t wall_ms, struct fake_frames *ret_frames)
{
    Tmx__Ping ping = TMX__PING__INIT;
    ping.wall_ms = wall_ms;
    ping.directory_serial = n->federation->serial;
    Tmx__Link link = TMX__LINK__INIT;
    link.body_case = TMX__LINK__BODY_PING;
    link.ping = &ping;
    fake_link(n, &link, NULL, 0, ret_frames);
}

static void compose_seal(struct fake_node *n, struct fake_node *const *nodes, size_t n_nodes, size_t payload_bytes,
                         struct fake_message *m)
{
    struct tmx_seal_sender sender;
    uint8_t random[56];
    randombytes_buf_deterministic(random, sizeof(random), m->digest);
    tmx_seal_sender_init(random, &sender);
    struct tmx_seal_slot slots[8];
    struct tmx_bytes names[8];
    for (size_t i = 0; i < n_nodes; i++) {
        names[i] = tmx_bytes_str(nodes[i]->me->code);
        tmx_seal_key_id(nodes[i]->prekey, slots[i].key_id);
        bool ok = tmx_seal_pair_send(&sender, nodes[i]->prekey, tmx_bytes_str(n->me->code), names[i], slots[i].ps);
        assert(ok);
    }
    struct tmx_seal_context ctx = {
        .message_id = m->id, .sender = tmx_bytes_str(n->me->code), .n_recipients = n_nodes, .recipients = names
    };
    Tmx__Content content = TMX__CONTENT__INIT;
    content.message_id = pb(m->id, sizeof(m->id));
    content.message_type = m->header.message_type;
    uint8_t *payload = malloc(payload_bytes + 1), *plaintext;
    assert(payload != NULL);
    randombytes_buf_deterministic(payload, payload_bytes, m->digest);
    size_t plaintext_size;
    int r = tmx_content_pack(NULL, &content, TMX_BYTES(payload, payload_bytes), &plaintext, &plaintext_size);
    assert(r == 0);
    struct tmx_writer w = TMX_WRITER_OF(m->container);
    uint8_t content_key[32];
    tmx_seal(&w, TMX_BYTES(plaintext, plaintext_size), &ctx, &sender, slots, random, content_key);
    m->container_size = tmx_written(&w).size;
    free(plaintext);
    free(payload);
}

void fake_compose(struct fake_node *n, struct fake_node *const *nodes, size_t n_nodes, const char *type, uint64_t now_ms,
                  size_t payload_bytes, struct fake_message *ret_message)
{
    struct fake_message *m = ret_message;
    assert(n_nodes <= 8);
    memset(m->digest, 0, sizeof(m->digest));
    n->ids++;
    memcpy(m->digest, &n->ids, sizeof(n->ids));
    m->digest[31] = n->route;
    tmx_message_id(now_ms, m->digest, m->id);
    m->id[15] = (uint8_t)n->ids;
    m->id[14] = n->route;
    tmx__header__init(&m->header);
    m->header.kind = TMX__KIND__KIND_HEADER;
    m->header.directory_serial = n->federation->serial;
    m->header.message_id = pb(m->id, sizeof(m->id));
    m->header.sender = pbs(n->me->code);
    m->header.message_type = pbs(type);
    for (size_t i = 0; i < n_nodes; i++) {
        tmx__recipient__init(&m->recipient[i]);
        m->recipient[i].member = pbs(nodes[i]->me->code);
        m->recipient[i].seq = ++n->seq[nodes[i]->me - n->federation->members];
        m->recipients[i] = &m->recipient[i];
    }
    m->header.n_recipients = n_nodes;
    m->header.recipients = m->recipients;
    m->header.priority = 4;
    m->header.sent_ms = now_ms;
    m->header.expires_ms = now_ms + 86400000;
    compose_seal(n, nodes, n_nodes, payload_bytes, m);
    m->header.container_bytes = m->container_size;
    tmx_digest(TMX_BYTES(m->container, m->container_size), m->digest);
    m->header.container_digest = pb(m->digest, sizeof(m->digest));
    if (n->head.size > 0) {
        tmx__head__init(&m->seen);
        m->seen.shard = pbs(n->federation->shard);
        m->seen.size = n->head.size;
        m->seen_root = n->head.root;
        m->seen.root = pb(m->seen_root.b, 32);
        m->header.seen = &m->seen;
    }
}

void fake_submit(struct fake_node *n, const struct fake_message *m, struct fake_frames *ret_frames)
{
    bool large = m->header.container_bytes > TMX_CHUNK_SIZE;
    struct tmx_bytes payload[2] = { fake_sign(n, &m->header),
                                    large ? TMX_BYTES_NULL : TMX_BYTES(m->container, m->container_size) };
    Tmx__Submit submit = TMX__SUBMIT__INIT;
    submit.items = 1;
    Tmx__Link link = TMX__LINK__INIT;
    link.body_case = TMX__LINK__BODY_SUBMIT;
    link.submit = &submit;
    fake_link(n, &link, payload, 2, ret_frames);
}

void fake_report(struct fake_node *n, const struct fake_received *r, Tmx__Outcome outcome, unsigned code, uint64_t now_ms,
                 struct fake_frames *ret_frames)
{
    Tmx__Header *h;
    struct tmx_bytes body = TMX_BYTES(r->body, r->body_size);
    unsigned verdict = tmx_header_parse(body, &n->arena, &h);
    assert(verdict == TMX_CODE_OK);
    uint8_t digest[32];
    tmx_digest(body, digest);
    Tmx__LogRef ref = TMX__LOG_REF__INIT;
    ref.shard = pbs(n->federation->shard);
    ref.index = r->index;
    Tmx__Report report = TMX__REPORT__INIT;
    report.kind = TMX__KIND__KIND_REPORT;
    report.directory_serial = n->federation->serial;
    report.message_id = h->message_id;
    report.header_digest = pb(digest, sizeof(digest));
    report.container_digest = h->container_digest;
    report.recipient = pbs(n->me->code);
    for (size_t i = 0; i < h->n_recipients; i++) {
        if (tmx_bytes_eq(tmx_pb(h->recipients[i]->member), tmx_bytes_str(n->me->code))) {
            report.seq = h->recipients[i]->seq;
        }
    }
    report.acceptance = &ref;
    report.outcome = outcome;
    report.code = code;
    report.time_ms = now_ms;
    struct tmx_hash root = n->head.root;
    root.b[0] ^= n->false_seen ? 1 : 0;
    Tmx__Head seen = TMX__HEAD__INIT;
    seen.shard = pbs(n->federation->shard);
    seen.size = n->head.size;
    seen.root = pb(root.b, 32);
    report.seen = n->head.size > 0 ? &seen : NULL;
    struct tmx_bytes item = fake_sign(n, &report);
    Tmx__Reports reports = TMX__REPORTS__INIT;
    reports.items = 1;
    Tmx__Link link = TMX__LINK__INIT;
    link.body_case = TMX__LINK__BODY_REPORTS;
    link.reports = &reports;
    fake_link(n, &link, &item, 1, ret_frames);
}

/* Receiving */

static void head_in(struct fake_node *n, const Tmx__HeadUpdate *update)
{
    if (update == NULL) {
        return;
    }
    uint8_t origin[TMX_KEYNAME_MAX];
    struct tmx_writer w = TMX_WRITER_OF(origin);
    tmx_log_origin(n->federation->name, tmx_bytes_str(n->federation->shard), &w);
    struct tmx_verify_key key;
    bool ok = tmx_verify_key_init(tmx_written(&w), TMX_NOTE_ED25519, n->federation->log_public, &key);
    assert(ok);
    struct tmx_checkpoint c;
    ok = tmx_checkpoint_verify(tmx_pb(update->checkpoint), &key, &c);
    assert(ok);
    assert(update->from == 0 || update->from == n->head.size);
    ok = tmx_merkle_verify_consistency(update->from, &n->head.root, c.size, &c.root, tmx_pb(update->consistency));
    assert(ok);
    n->head = c;
}

static Tmx__LogEntry *item_in(struct fake_node *n, struct tmx_bytes frame, uint64_t tree_size, uint64_t *ret_index,
                              struct tmx_bytes *ret_entry)
{
    Tmx__FeedItem *item;
    int r = tmx_codec_unpack(&tmx__feed_item__descriptor, frame, TMX_FRAME_MAX, &n->arena, &item);
    assert(r == 0);
    assert(tree_size == n->head.size);
    struct tmx_hash leaf = tmx_merkle_leaf(tmx_pb(item->entry));
    bool ok = tmx_merkle_verify_path(item->index, tree_size, &leaf, tmx_pb(item->path), &n->head.root);
    assert(ok);
    Tmx__LogEntry *entry;
    unsigned code = tmx_entry_parse(tmx_pb(item->entry), &n->arena, &entry);
    assert(code == TMX_CODE_OK);
    *ret_index = item->index;
    *ret_entry = tmx_pb(item->entry);
    return entry;
}

static void leaf_in(struct fake_node *n, struct tmx_bytes frame, uint64_t tree_size)
{
    struct tmx_bytes bytes;
    uint64_t index;
    const Tmx__LogEntry *entry = item_in(n, frame, tree_size, &index, &bytes);
    assert(n->n_leaves < TMX_N(n->leaves));
    struct fake_leaf *l = &n->leaves[n->n_leaves++];
    l->index = index;
    l->kind = entry->kind;
    l->code = entry->code;
    l->number = entry->number;
    assert(bytes.size <= sizeof(l->entry));
    memcpy(l->entry, bytes.data, bytes.size);
    l->entry_size = bytes.size;
}

static void delivery_in(struct fake_node *n, struct tmx_bytes frame, struct tmx_bytes container, uint64_t tree_size)
{
    struct tmx_bytes bytes;
    assert(n->n_received < TMX_N(n->received));
    struct fake_received *r = &n->received[n->n_received++];
    const Tmx__LogEntry *entry = item_in(n, frame, tree_size, &r->index, &bytes);
    Tmx__Header *h;
    unsigned code = tmx_header_parse(tmx_pb(entry->body), &n->arena, &h);
    assert(code == TMX_CODE_OK);
    memcpy(r->message_id, h->message_id.data, sizeof(r->message_id));
    assert(entry->body.len <= sizeof(r->body) && container.size <= sizeof(r->container));
    memcpy(r->body, entry->body.data, entry->body.len);
    r->body_size = entry->body.len;
    if (container.size > 0) {
        memcpy(r->container, container.data, container.size);
    }
    r->container_size = container.size;
}

static void limits_in(struct fake_node *n, Tmx__SendLimit *const *limits, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < n->federation->n_members; k++) {
            if (tmx_bytes_eq(tmx_pb(limits[i]->recipient), tmx_bytes_str(n->federation->members[k].code))) {
                n->max_seq[k] = limits[i]->max_seq;
            }
        }
    }
}

static void cosigned_in(struct fake_node *n, const Tmx__CosignedHead *cosigned, struct tmx_bytes note)
{
    struct tmx_bytes text, lines;
    struct tmx_checkpoint c;
    head_in(n, cosigned->head);
    bool ok = tmx_note_split(note, &text, &lines) && tmx_checkpoint_parse(text, &c);
    assert(ok && cosigned->tree_size == n->head.size);
    ok = tmx_merkle_verify_consistency(c.size, &c.root, n->head.size, &n->head.root, tmx_pb(cosigned->consistency));
    assert(ok);
    n->cosigned_size = c.size;
}

void fake_witness_reply(struct fake_node *n, unsigned status, struct tmx_bytes body, struct fake_frames *ret_frames)
{
    Tmx__WitnessReply reply = TMX__WITNESS_REPLY__INIT;
    Tmx__Link link = TMX__LINK__INIT;
    reply.status = status;
    link.body_case = TMX__LINK__BODY_WITNESS_REPLY;
    link.witness_reply = &reply;
    fake_link(n, &link, &body, 1, ret_frames);
}

void fake_cosign(struct fake_node *n, const uint8_t secret[64], uint64_t time_s, struct fake_frames *ret_frames)
{
    struct tmx_witness_request rq;
    struct tmx_bytes text, lines;
    struct tmx_verify_key key;
    static uint8_t line[512];
    char name[64];
    struct tmx_writer w = TMX_WRITER_OF(line);
    snprintf(name, sizeof(name), "tmx.test/witness/%s", n->me->code);
    bool ok = tmx_witness_request_parse(TMX_BYTES(n->witness, n->witness_size), &rq) &&
              tmx_note_split(rq.checkpoint, &text, &lines) &&
              tmx_verify_key_init(tmx_bytes_str(name), TMX_NOTE_COSIGNATURE, n->me->witness_public, &key);
    assert(ok);
    tmx_cosignature_add_line(&w, text, time_s, &key, secret);
    fake_witness_reply(n, 200, tmx_written(&w), ret_frames);
}

void fake_receive(struct fake_node *n, const struct tmx_bytes *frames, size_t n_frames)
{
    Tmx__Link *link;
    int r = tmx_codec_unpack(&tmx__link__descriptor, frames[0], TMX_CONTROL_MAX, &n->arena, &link);
    assert(r == 0);
    if (link->body_case == TMX__LINK__BODY_BYE) {
        n->bye_code = link->bye->code;
        n->bye_version = link->bye->version;
        return;
    }
    if (link->body_case == TMX__LINK__BODY_WELCOME) {
        assert(tmx_bytes_eq(tmx_pb(link->welcome->nonce), TMX_BYTES_OF(n->nonce)) && link->number == 1);
        n->session = link->session;
        n->in_number = 0;
        n->welcome_feed_next = link->welcome->feed_next;
        head_in(n, link->welcome->head);
        limits_in(n, link->welcome->send_limits, link->welcome->n_send_limits);
    }
    assert(link->session == n->session && link->number == n->in_number + 1);
    n->in_number++;
    switch ((int)link->body_case) {
    case TMX__LINK__BODY_FEED:
        head_in(n, link->feed->head);
        assert(link->feed->items == n_frames - 1);
        for (size_t i = 0; i < link->feed->items; i++) {
            leaf_in(n, frames[1 + i], link->feed->tree_size);
        }
        n->feed_next = link->feed->feed_next;
        break;
    case TMX__LINK__BODY_DELIVER:
        head_in(n, link->deliver->head);
        assert(2 * link->deliver->items == n_frames - 1);
        n->redelivery = link->deliver->redelivery;
        for (size_t i = 0; i < link->deliver->items; i++) {
            delivery_in(n, frames[1 + 2 * i], frames[2 + 2 * i], link->deliver->tree_size);
        }
        break;
    case TMX__LINK__BODY_DEFERRED:
        n->n_deferred++;
        n->deferred_code = link->deferred->code;
        n->deferred_retry_ms = link->deferred->retry_ms;
        break;
    case TMX__LINK__BODY_SEND_LIMITS:
        limits_in(n, link->send_limits->limits, link->send_limits->n_limits);
        break;
    case TMX__LINK__BODY_DIRECTORY:
        n->n_directories++;
        break;
    case TMX__LINK__BODY_WITNESS:
        assert(frames[1].size <= sizeof(n->witness));
        n->n_witness++;
        memcpy(n->witness, frames[1].data, frames[1].size);
        n->witness_size = frames[1].size;
        break;
    case TMX__LINK__BODY_COSIGNED:
        cosigned_in(n, link->cosigned, frames[1]);
        break;
    case TMX__LINK__BODY_CHUNK_REQUEST:
        assert(n->n_requests < TMX_N(n->requests));
        n->requests[n->n_requests++] = link->chunk_request->offset;
        break;
    case TMX__LINK__BODY_CHUNK:
        assert(frames[1].size <= sizeof(n->chunk));
        if (frames[1].size > 0) {
            memcpy(n->chunk, frames[1].data, frames[1].size);
        }
        n->chunk_size = frames[1].size;
        break;
    default:
        break;
    }
}
