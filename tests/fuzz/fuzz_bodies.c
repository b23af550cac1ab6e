/* SPDX-License-Identifier: Apache-2.0
 * See fuzz_bodies.h.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz_bodies.h"

static ProtobufCBinaryData text(const char *t)
{
    return tmx_to_pb(tmx_bytes_str(t));
}

static uint64_t number(uint16_t v)
{
    /* small ones, and those near the end */
    return v < 0x8000 ? v : UINT64_MAX - (0xffffu - v);
}

static struct tmx_bytes pack(struct world *w, const void *message)
{
    struct tmx_bytes body;
    int r = tmx_codec_pack(message, &w->held, &body);
    assert(r == 0);
    return body;
}

static const char *const members[] = { "CH", "DE", "EC", "IT", "ZZ", "zz", "", "LONGCODE", "TOOLONGCODE" };
static const char *const types[] = { "CD001C", "CD003C", "", "cd001c", "A", "ABCDEFGHIJKLMNOP", "ABCDEFGHIJKLMNOPQ" };
static const uint8_t bytes[64] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };

static void bend_recipient(Tmx__Recipient *r, const struct bend *b)
{
    switch (b->what % 3) {
    case 0:
        r->member = text(members[b->value % TMX_N(members)]);
        break;
    case 1:
        r->seq = b->value < 0x8000 ? r->seq + b->value - 0x4000 : number(b->value);
        break;
    default:
        r->prev = number(b->value);
        break;
    }
}

static void bend_seen(struct world *w, struct fake_message *m, const struct bend *b)
{
    m->header.seen = &m->seen;
    tmx__head__init(&m->seen);
    m->seen.shard = text(b->index & 1 ? "2026b" : "2026a");
    m->seen.size = number(b->value);
    if (m->seen.size >= 1 && m->seen.size <= w->fold.n_leaves) {
        m->seen_root = w->fold.leaves[m->seen.size - 1].root;
    }
    m->seen_root.b[0] ^= b->index & 2 ? 1 : 0;
    m->seen.root = tmx_to_pb(TMX_BYTES(m->seen_root.b, b->index & 4 ? 31 : 32));
}

static void bend_header(struct world *w, struct fake_message *m, const struct bend *b)
{
    Tmx__Header *h = &m->header;
    switch (b->what >> 2) {
    case 0:
        h->kind = b->value;
        break;
    case 1:
        h->directory_serial += number(b->value);
        break;
    case 2:   /* another message's id */
        memcpy(m->id, w->pool[b->value % WORLD_POOL].id, sizeof(m->id));
        break;
    case 3:
        h->sender = text(members[b->value % TMX_N(members)]);
        break;
    case 4:
    case 5:
    case 6:
        bend_recipient(&m->recipient[b->index % TMX_N(m->recipient)], b);
        break;
    case 7:
        h->message_type = text(types[b->value % TMX_N(types)]);
        break;
    case 8:
        h->movement_label = tmx_to_pb(TMX_BYTES(bytes + b->value % 40, b->index & 7 ? 16 : b->value % 20));
        break;
    case 9:
        h->correlation_id = tmx_to_pb(TMX_BYTES(bytes, b->value % 20));
        break;
    case 10:
        h->priority = b->value;
        break;
    case 11:
        h->sent_ms = b->index & 1 ? number(b->value) : w->wall_ms + number(b->value) * 1000;
        break;
    case 12:
        h->expires_ms = b->index & 1 ? number(b->value) : h->sent_ms + number(b->value) * 100000;
        break;
    case 13:
        h->container_bytes += number(b->value);
        break;
    case 14:
        m->digest[b->value % sizeof(m->digest)] ^= b->index;
        break;
    case 15:
        h->reports_requested = b->value;
        break;
    case 16:
        bend_seen(w, m, b);
        break;
    case 17:   /* the same recipient more than once, or none */
        h->n_recipients = b->value % (TMX_N(m->recipients) + 1);
        for (size_t i = 0; i < TMX_N(m->recipients); i++) {
            m->recipients[i] = m->recipients[i] != NULL ? m->recipients[i] : &m->recipient[0];
        }
        break;
    case 18:
        h->replaces = tmx_to_pb(TMX_BYTES(b->index & 1 ? m->id : bytes, b->index & 2 ? 16 : b->value % 20));
        break;
    default:   /* the container, signed for as it is then or not */
        m->container[b->value % m->container_size] ^= b->index | 1;
        if (b->what & 1) {
            tmx_digest(TMX_BYTES(m->container, m->container_size), m->digest);
        }
        break;
    }
}

static struct fake_message *compose(struct world *w, unsigned member, const struct instruction *in)
{
    static const size_t sizes[] = { 100, 1, 600, 3000, 100, 300000, 100, 262000 };
    struct fake_node *f = &w->nodes[member].fake, *to[WORLD_MEMBERS];
    struct fake_message *m = &w->pool[w->next_pool++ % WORLD_POOL];
    size_t n = 0;
    for (unsigned i = 0; i < WORLD_MEMBERS; i++) {
        if ((in->a >> i & 1) != 0 && i != member) {
            to[n++] = &w->nodes[i].fake;
        }
    }
    if (n == 0) {
        to[n++] = &w->nodes[(member + 1) % WORLD_MEMBERS].fake;
    }
    if (w->n_items == 0) {   /* what was put off does not stop what comes */
        memcpy(f->seq, w->fold.pair[member], sizeof(f->seq));
    }
    memset(m->recipients, 0, sizeof(m->recipients));
    fake_compose(f, to, n, types[in->d & 1], w->wall_ms, sizes[in->c % TMX_N(sizes)], m);
    m->seen.shard = text(strcmp(w->federation.shard, "2026b") == 0 ? "2026b" : "2026a");   /* stays when the shard goes */
    m->header.priority = (in->b & 15) % 10;
    if ((in->b >> 4) % 4 != 0) {
        m->header.movement_label = tmx_to_pb(TMX_BYTES(bytes + (in->b >> 4) % 4, 16));
    }
    m->header.expires_ms = w->wall_ms + 1 + (uint64_t)in->v * (in->d & 2 ? 30000 : 100);
    return m;
}

static void submit(struct world *w, unsigned member, const struct fake_message *m)
{
    bool large = m->container_size > TMX_CHUNK_SIZE;
    struct world_item *item = world_item(w, member, false);
    struct tmx_bytes container = TMX_BYTES(m->container, m->container_size);
    item->body = pack(w, &m->header);
    if (!large && !tmx_arena_copy(&w->held, container, &item->container)) {
        item->container = TMX_BYTES_NULL;
    }
}

void body_header(struct world *w, unsigned member, const struct instruction *in)
{
    if (w->n_items > 0 && (w->items_of != member || w->items_are_reports)) {
        world_flush(w);
    }
    struct fake_message *m = compose(w, member, in);
    for (size_t i = 0; i < w->n_bends; i++) {
        if (w->bends[i].kind == BEND_FIELD) {
            bend_header(w, m, &w->bends[i]);
        }
    }
    submit(w, member, m);
}

void body_again(struct world *w, unsigned member, const struct instruction *in)
{
    if (w->next_pool == 0) {
        return;
    }
    const struct fake_message *m = &w->pool[in->a % (w->next_pool < WORLD_POOL ? w->next_pool : WORLD_POOL)];
    submit(w, member, m);
    w->items_again = (in->d & 1) != 0;
}

static void bend_report(struct world *w, Tmx__Report *r, const struct bend *b)
{
    switch (b->what >> 3) {
    case 0:
        r->kind = b->value;
        break;
    case 1:
        r->directory_serial += number(b->value);
        break;
    case 2:
        r->message_id = tmx_to_pb(TMX_BYTES_OF(w->pool[b->value % WORLD_POOL].id));
        break;
    case 3:
        r->header_digest = tmx_to_pb(TMX_BYTES(bytes, b->value % 40));
        break;
    case 4:
        r->container_digest = tmx_to_pb(TMX_BYTES(bytes, b->value % 40));
        break;
    case 5:
        r->recipient = text(members[b->value % TMX_N(members)]);
        break;
    case 6:
        r->seq = number(b->value);
        break;
    case 7:
        r->acceptance->index = number(b->value);
        break;
    case 8:
        r->acceptance->shard = text(b->value & 1 ? "2026a" : b->value & 2 ? "2026b" : "");
        break;
    case 9:
        r->outcome = (Tmx__Outcome)(b->value % 8);
        break;
    case 10:
        r->code = b->value;
        break;
    case 11:
        r->time_ms = number(b->value);
        break;
    default:
        r->attachment_digest = tmx_to_pb(TMX_BYTES(bytes, b->value % 40));
        break;
    }
}

static uint64_t seq_of(const Tmx__Header *h, struct tmx_bytes member)
{
    for (size_t i = 0; i < h->n_recipients; i++) {
        if (tmx_bytes_eq(tmx_pb(h->recipients[i]->member), member)) {
            return h->recipients[i]->seq;
        }
    }
    return 1;
}

void body_report(struct world *w, unsigned member, const struct instruction *in)
{
    struct fake_node *f = &w->nodes[member].fake;
    if (f->n_received == 0) {
        return;
    }
    if (w->n_items > 0 && (w->items_of != member || !w->items_are_reports)) {
        world_flush(w);
    }
    const struct fake_received *got = &f->received[f->n_received - 1 - in->a % f->n_received];
    struct tmx_bytes body = TMX_BYTES(got->body, got->body_size), me = tmx_bytes_str(f->me->code);
    uint8_t digest[32], attached[32];
    Tmx__Header *h;
    if (tmx_header_parse(body, &w->held, &h) != TMX_CODE_OK) {
        return;
    }
    tmx_digest(body, digest);
    Tmx__LogRef ref = TMX__LOG_REF__INIT;
    Tmx__Report r = TMX__REPORT__INIT;
    ref.shard = text(w->fold.shard);
    ref.index = got->index;
    r.kind = TMX__KIND__KIND_REPORT;
    r.directory_serial = w->federation.serial;
    r.message_id = h->message_id;
    r.header_digest = tmx_to_pb(TMX_BYTES_OF(digest));
    r.container_digest = h->container_digest;
    r.recipient = tmx_to_pb(me);
    r.seq = seq_of(h, me);
    r.acceptance = &ref;
    r.outcome = (Tmx__Outcome)(1 + in->b % 5);
    r.code = r.outcome <= TMX__OUTCOME__OUTCOME_COD_POSITIVE ? 0 : 1 + in->c;
    r.time_ms = w->wall_ms - in->v % 4;
    struct tmx_bytes attachment = TMX_BYTES_NULL;
    if ((in->d & 1) != 0 && r.outcome == TMX__OUTCOME__OUTCOME_COD_NEGATIVE) {
        attachment = TMX_BYTES(got->body, got->body_size < in->v ? got->body_size : in->v);
        tmx_digest(attachment, attached);
        r.attachment_digest = tmx_to_pb(TMX_BYTES_OF(attached));
    }
    for (size_t i = 0; i < w->n_bends; i++) {
        if (w->bends[i].kind == BEND_FIELD) {
            bend_report(w, &r, &w->bends[i]);
        }
    }
    struct world_item *item = world_item(w, member, true);
    item->body = pack(w, &r);
    if (!tmx_arena_copy(&w->held, attachment, &item->attachment)) {
        item->attachment = TMX_BYTES_NULL;
    }
}

void body_prekeys(struct world *w, unsigned member, const struct instruction *in)
{
    struct fake_node *f = &w->nodes[member].fake;
    Tmx__Prekey key[3];
    Tmx__Prekey *keys[3];
    uint8_t other[3][32];
    uint64_t from = w->wall_ms - 1000;
    for (unsigned i = 0; i < TMX_N(key); i++) {
        tmx__prekey__init(&key[i]);
        memcpy(other[i], f->prekey, 32);
        other[i][1] ^= (uint8_t)(in->c + i);   /* any string is a point or its twist */
        key[i].key = tmx_to_pb(TMX_BYTES_OF(other[i]));
        key[i].from_ms = from + i;
        key[i].until_ms = (in->d & 1) != 0 ? number(in->v) : from + 1 + i + (uint64_t)in->v * 100000;
        keys[i] = &key[i];
    }
    if ((in->b & 1) != 0) {
        key[1].key = tmx_to_pb(TMX_BYTES_OF(w->nodes[in->b / 2 % WORLD_MEMBERS].fake.prekey));
    }
    Tmx__PrekeySet set = TMX__PREKEY_SET__INIT;
    set.kind = TMX__KIND__KIND_PREKEY_SET;
    set.directory_serial = w->federation.serial;
    set.member = text(f->me->code);
    f->set_serial += in->a % 4 == 0;
    set.set_serial = f->set_serial + in->a % 4 - 1 + (in->a % 4 == 0);
    set.n_keys = 1 + in->b / 16 % TMX_N(key);
    set.keys = keys;
    struct fake_frames frames;
    struct tmx_bytes item = fake_sign(f, &set);
    Tmx__Publish publish = TMX__PUBLISH__INIT;
    Tmx__Link link = TMX__LINK__INIT;
    link.body_case = TMX__LINK__BODY_PUBLISH;
    link.publish = &publish;
    fake_link(f, &link, &item, 1, &frames);
    world_frames(w, member, &frames);
}
