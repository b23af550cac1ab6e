/* SPDX-License-Identifier: Apache-2.0
 * See fuzz_world.h: what members sign and say; and how honest ones bring everything to its end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz_operators.h"

struct world_item *world_item(struct world *w, unsigned member, bool reports)
{
    if (w->n_items > 0 &&
        (w->n_items == WORLD_ITEMS_MAX || w->items_of != member || w->items_are_reports != reports)) {
        world_flush(w);
    }
    w->items_of = member;
    w->items_are_reports = reports;
    w->items[w->n_items] = (struct world_item){ .body = TMX_BYTES_NULL };
    return &w->items[w->n_items++];
}

/* Bytes of a body before it is signed: what a member signs need not make sense. */
static void bend_bodies(struct world *w, struct tmx_bytes *bodies, size_t n)
{
    for (size_t i = 0; i < w->n_bends; i++) {
        const struct bend *b = &w->bends[i];
        struct tmx_bytes *body = &bodies[b->index % n];
        uint8_t *data = b->kind == BEND_BODY ? tmx_arena_alloc(&w->held, body->size + 1) : NULL;
        if (data != NULL && body->size > 0) {
            memcpy(data, body->data, body->size);
            size_t size = (b->what & 0xc0) == 0xc0 ? b->value % body->size : body->size;
            data[b->value % body->size] ^= b->what;
            *body = TMX_BYTES(data, size);
        }
    }
}

static struct tmx_bytes wrap(struct world *w, const struct world_item *item, const struct tmx_signature *signature)
{
    Tmx__Signed envelope = TMX__SIGNED__INIT;
    struct tmx_bytes frame;
    envelope.body = tmx_to_pb(item->body);
    envelope.signature = tmx_signature_to_pb(signature, &w->held);
    envelope.attachment = tmx_to_pb(item->attachment);
    int r = tmx_codec_pack(&envelope, &w->held, &frame);
    assert(r == 0);
    return frame;
}

void world_flush(struct world *w)
{
    if (w->n_items == 0) {
        return;
    }
    struct fake_node *f = &w->nodes[w->items_of].fake;
    struct tmx_bytes bodies[WORLD_ITEMS_MAX], payload[2 * WORLD_ITEMS_MAX];
    struct tmx_signature signatures[WORLD_ITEMS_MAX];
    size_t n = w->n_items, n_payload = 0;
    for (size_t i = 0; i < n; i++) {
        bodies[i] = w->items[i].body;
    }
    bend_bodies(w, bodies, n);
    tmx_batch_sign(bodies, n, f->batch_no++, &f->me->key, f->me->sign_secret, signatures);
    for (size_t i = 0; i < n; i++) {
        w->items[i].body = bodies[i];
        payload[n_payload++] = wrap(w, &w->items[i], &signatures[i]);
        if (!w->items_are_reports) {
            payload[n_payload++] = w->items[i].container;
        }
    }
    Tmx__Submit submit = TMX__SUBMIT__INIT;
    Tmx__Reports reports = TMX__REPORTS__INIT;
    Tmx__Link link = TMX__LINK__INIT;
    submit.items = reports.items = (uint32_t)n;
    submit.resubmission = w->items_again;
    if (w->items_are_reports) {
        link.body_case = TMX__LINK__BODY_REPORTS;
        link.reports = &reports;
    } else {
        link.body_case = TMX__LINK__BODY_SUBMIT;
        link.submit = &submit;
    }
    struct fake_frames frames;
    w->n_items = 0;
    w->items_again = false;
    fake_link(f, &link, payload, n_payload, &frames);
    world_frames(w, w->items_of, &frames);
    tmx_arena_reset(&w->held);
}

/* The end: clocks right, disk free, everybody active, and every delivery is answered as its recipient should. */

static void fail(const char *what)
{
    fprintf(stderr, "broken: %s\n", what);
    abort();
}

static void everybody_active(struct world *w)
{
    w->federation.n_members = WORLD_MEMBERS;
    for (unsigned i = 0; i < WORLD_MEMBERS; i++) {
        w->federation.members[i].status = TMX__MEMBER_STATUS__MEMBER_ACTIVE;
    }
    w->federation.expires_ms =
        (w->wall_ms > w->federation.issued_ms ? w->wall_ms : w->federation.issued_ms) + 365ull * 86400000;
    w->federation.serial++;
    federation_sign(&w->federation);
    world_event(w, TMX_BROKER_DIRECTORY, 0);
    world_last(w)->file = federation_file(&w->federation);
    world_event(w, TMX_BROKER_DISK, 0);
    world_turn(w);
}

/* Reports on what came in; `arrival`: CoA of what is queued, else CoD of what has arrived. */
static bool report_all(struct world *w, unsigned member, bool arrival)
{
    struct world_node *n = &w->nodes[member];
    struct fake_frames frames;
    bool any = false;
    for (size_t i = 0; i < n->fake.n_received; i++) {
        const struct fake_received *r = &n->fake.received[i];
        const struct fold_delivery *d =
            fold_find(&w->fold, TMX_BYTES_OF(r->message_id), tmx_bytes_str(n->fake.me->code));
        enum tmx_delivery_state from = arrival ? TMX_DELIVERY_QUEUED : TMX_DELIVERY_ARRIVED;
        if (d != NULL && d->row.state == from && d->row.index == r->index) {
            fake_report(&n->fake, r, arrival ? TMX__OUTCOME__OUTCOME_COA : TMX__OUTCOME__OUTCOME_COD_POSITIVE, 0,
                        w->wall_ms, &frames);
            world_frames(w, member, &frames);
            any = true;
        }
    }
    return any;
}

static void link_all(struct world *w)
{
    struct fake_frames frames;
    for (unsigned i = 0; i < WORLD_MEMBERS; i++) {
        w->nodes[i].fake.n_received = 0;
        world_hello(w, i);
    }
    world_turn(w);
    for (unsigned i = 0; i < WORLD_MEMBERS; i++) {
        if (w->nodes[i].fake.session == 0) {
            fail("LINK-2: an honest hello is not answered");
        }
        fake_credit(&w->nodes[i].fake, 1000, 1u << 30, &frames);
        w->nodes[i].credit = 1000;
        world_frames(w, i, &frames);
    }
    world_turn(w);
}

void world_drain(struct world *w)
{
    if (w->halted || w->fold.n_messages == 0 || fold_full(&w->fold)) {
        return;
    }
    w->n_bends = 0;
    world_flush(w);
    everybody_active(w);
    operators_put_right(w);
    w->mono_ms += 60000;   /* no link is up any more that nobody feeds */
    w->wall_ms += 60000;
    link_all(w);
    bool any = true;
    for (unsigned round = 0; any && round < 2 * FOLD_MESSAGES_MAX; round++) {
        any = false;
        for (unsigned i = 0; i < WORLD_MEMBERS; i++) {
            any = report_all(w, i, true) || any;
            world_turn(w);
        }
    }
    for (size_t i = 0; i < w->fold.n_deliveries; i++) {
        if (w->fold.deliveries[i].row.state == TMX_DELIVERY_QUEUED) {
            fail("I11: a delivery is not sent to an honest member with credit");
        }
    }
    for (unsigned i = 0; i < WORLD_MEMBERS; i++) {
        (void)report_all(w, i, false);
        world_turn(w);
    }
}
