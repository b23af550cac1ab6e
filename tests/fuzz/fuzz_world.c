/* SPDX-License-Identifier: Apache-2.0
 * See fuzz_world.h: turns and their checks.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz_operators.h"

#define ARENA (8u << 20)

static const char *const codes[WORLD_MEMBERS] = { "CH", "DE", "EC", "IT" };

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "broken: %s\n", what);
    abort();
}

static void must(bool right, const char *what)
{
    if (!right) {
        fail(what);
    }
}

struct world *world_new(void)
{
    struct world *w = calloc(1, sizeof(*w));
    must(w != NULL, "no memory");
    federation_init(&w->whole, codes, WORLD_MEMBERS, WORLD_START_MS - 1000);
    operating_init(&w->operating);
    int r = tmx_arena_init(&w->arena, ARENA);
    assert(r == 0);
    r = tmx_arena_init(&w->reading, ARENA);
    assert(r == 0);
    r = tmx_arena_init(&w->held, ARENA);
    assert(r == 0);
    for (unsigned i = 0; i < WORLD_MEMBERS; i++) {
        w->federation = w->whole;
        fake_init(&w->nodes[i].fake, &w->federation, codes[i]);
    }
    w->federation.file = NULL;
    return w;
}

static void broker_start(struct world *w)
{
    struct tmx_broker_config c = { .shard = w->federation.shard,
                                   .log_secret = w->federation.log_secret,
                                   .authority = w->federation.authority,
                                   .generation = w->generation,
                                   .queue_max = w->queue_max,
                                   .retention_ms = w->retention_ms,
                                   .directory = federation_file(&w->federation),
                                   .previous_checkpoint = TMX_BYTES(w->previous, w->previous_size) };
    memcpy(c.log_public, w->federation.log_public, sizeof(c.log_public));
    int r = tmx_broker_new(w->spool, &c, w->mono_ms, w->wall_ms * 1000, &w->broker);
    must(r == 0, "the broker does not start");
}

static void check_rows(struct world *w)
{
    must(fold_compare(&w->fold, w->spool), w->fold.failure);
}

static void check_state(struct world *w)
{
    struct tmx_bytes text, lines;
    struct tmx_checkpoint head;
    size_t before = w->fold.n_leaves;
    must(fold_follow(&w->fold, w->spool, tmx_broker_log_size(w->broker)), w->fold.failure);
    /* Without a leaf hardly a row changes; and of a long log not every turn is worth reading it all. */
    uint64_t every = w->fold.n_leaves == before ? 8 : 1 + w->fold.n_leaves / 64;
    if (w->turns++ % every == 0) {
        check_rows(w);
    }
    must(tmx_note_split(tmx_broker_checkpoint(w->broker), &text, &lines) && tmx_checkpoint_parse(text, &head),
         "the head is not a checkpoint");
    must(head.size == w->fold.n_leaves && tmx_hash_eq(&head.root, &w->fold.leaves[head.size - 1].root),
         "the head is not that of the leaves");
    struct tmx_broker_state_view v;
    tmx_broker_state(w->broker, &v);
    must(v.halted || !w->halted, "a halted broker goes on");
    w->halted = v.halted;
}

void world_close(struct world *w)
{
    check_rows(w);
    w->broker = tmx_broker_free(w->broker);
    w->spool = tmx_spool_close(w->spool);
    free(w->federation.file);
    w->federation.file = NULL;
}

void world_reset(struct world *w, uint64_t queue_max)
{
    w->federation = w->whole;
    w->federation.file = malloc(w->whole.file_size);
    must(w->federation.file != NULL, "no memory");
    memcpy(w->federation.file, w->whole.file, w->whole.file_size);
    for (unsigned i = 0; i < WORLD_MEMBERS; i++) {
        struct world_node *n = &w->nodes[i];
        fake_reset(&n->fake);
        n->lost = false;
        n->waiting = false;
        n->credit = n->heard = 0;
    }
    w->mono_ms = 1000;
    w->wall_ms = WORLD_START_MS;
    w->queue_max = queue_max;
    w->retention_ms = queue_max % 2 * 20000;   /* of half of the worlds */
    w->generation = 1;
    w->turns = 0;
    w->previous_size = w->n_events = w->n_bends = w->next_pool = w->n_items = 0;
    w->halted = w->directory_event = w->items_again = false;
    w->operating.nonce = 0;
    w->n_done = 0;
    w->asked = (struct world_asked){ .wrong = false };
    tmx_arena_reset(&w->arena);
    tmx_arena_reset(&w->held);
    fold_init(&w->fold, &w->whole, w->federation.shard);
    w->fold.retention = w->retention_ms > 0;
    int r = tmx_spool_ram_new(&w->spool);
    assert(r == 0);
    broker_start(w);
    check_state(w);
}

static Tmx__MemberStatus status_of(struct world *w, const struct world_node *n)
{
    const Tmx__Member *m = tmx_directory_member(tmx_broker_directory(w->broker), tmx_bytes_str(n->fake.me->code));
    return m == NULL ? TMX__MEMBER_STATUS__MEMBER_NONE : m->status;
}

/* What a delivery that is sent must be: open, first of its lane, within credit, for a member who may collect. */
static void check_delivery(struct world *w, struct world_node *n, const Tmx__Deliver *deliver,
                           const struct tmx_bytes *frames)
{
    must(status_of(w, n) == TMX__MEMBER_STATUS__MEMBER_ACTIVE || w->directory_event,
         "QUE-11: a delivery to a member that is not active");
    must(!fold_stopped(&w->fold, n->fake.me->code), "OPS-6: a delivery to a member that is paused");
    for (size_t i = 0; i < deliver->items; i++) {
        Tmx__FeedItem *item;
        Tmx__LogEntry *entry;
        Tmx__Header *h = NULL;
        bool parsed = tmx_codec_unpack(&tmx__feed_item__descriptor, frames[2 * i], TMX_FRAME_MAX, &w->reading, &item) == 0 &&
                      tmx_entry_parse(tmx_pb(item->entry), &w->reading, &entry) == 0 &&
                      tmx_header_parse(tmx_pb(entry->body), &w->reading, &h) == 0;
        must(parsed, "a delivery that is none");
        const struct fold_delivery *d =
            fold_find(&w->fold, tmx_pb(h->message_id), tmx_bytes_str(n->fake.me->code));
        must(d != NULL && d->row.index == item->index, "a delivery nobody accepted");
        must(d->row.state == TMX_DELIVERY_QUEUED, "QUE-5: a delivery that has arrived or ended is sent");
        must(fold_lane_head(&w->fold, d) == d, "QUE-6: a delivery overtakes its lane");
        must(d->held == 0, "OPS-7: a delivery that is held is sent");
    }
    n->heard += deliver->items;
    must(n->heard <= n->credit, "LINK-8: more deliveries than credit");
}

static void node_hears(struct world *w, struct world_node *n, const struct tmx_broker_send *s)
{
    struct fake_node *f = &n->fake;
    Tmx__Link *link;
    tmx_arena_reset(&w->reading);
    must(tmx_codec_unpack(&tmx__link__descriptor, s->frames[0], TMX_CONTROL_MAX, &w->reading, &link) == 0,
         "a frame that is none");
    if (n->waiting && link->body_case != TMX__LINK__BODY_WELCOME) {
        return;
    }
    n->waiting = false;
    f->n_leaves = 0;
    f->n_requests = f->n_requests > 8 ? 0 : f->n_requests;
    f->n_received = f->n_received + TMX_LINK_ITEMS_MAX > TMX_N(f->received) ? 0 : f->n_received;
    uint64_t limits[FEDERATION_MEMBERS_MAX];
    memcpy(limits, f->max_seq, sizeof(limits));
    fake_receive(f, s->frames, s->n_frames);
    if (link->body_case == TMX__LINK__BODY_DELIVER) {
        check_delivery(w, n, link->deliver, s->frames + 1);
    }
    for (unsigned i = 0; i < WORLD_MEMBERS; i++) {
        must(f->max_seq[i] >= limits[i], "LINK-9: a limit falls");
    }
}

static void hand_out(struct world *w, const struct tmx_broker_output *out)
{
    for (size_t i = 0; i < out->n_sends; i++) {
        const struct tmx_broker_send *s = &out->sends[i];
        struct world_node *n = NULL;
        for (unsigned k = 0; k < WORLD_MEMBERS; k++) {
            n = tmx_bytes_eq(tmx_member_code(s->member), tmx_bytes_str(codes[k])) ? &w->nodes[k] : n;
        }
        must(n != NULL, "a frame to nobody");
        must(status_of(w, n) != TMX__MEMBER_STATUS__MEMBER_REVOKED || w->directory_event,
             "DIR-7: a frame to a revoked member");
        must(s->n_frames >= 1 && s->n_frames <= TMX_FRAMES_MAX, "TRA-4: too many frames");
        if (!n->lost && s->route_size == 1 && s->route[0] == n->fake.route) {
            node_hears(w, n, s);
        }
    }
    for (unsigned k = 0; k < WORLD_MEMBERS; k++) {
        if (w->nodes[k].fake.bye_code != 0) {
            w->nodes[k].fake.bye_code = 0;
            w->nodes[k].fake.session = 0;
        }
    }
}

static void events_clear(struct world *w)
{
    tmx_arena_reset(&w->arena);
    w->n_events = 0;
    w->directory_event = false;
    w->asked = (struct world_asked){ .wrong = false };
}

static void turn(struct world *w)
{
    struct tmx_broker_output out;
    must(tmx_broker_turn(w->broker, w->events, w->n_events, &out) == 0, "a turn failed");
    check_state(w);
    operators_asked(w, &out.operation, true);
    hand_out(w, &out);
    events_clear(w);
}

void world_turn(struct world *w)
{
    world_flush(w);
    if (w->n_events == 0) {
        world_event(w, TMX_BROKER_TICK, 0);
    }
    turn(w);
}

void world_room(struct world *w)
{
    if (w->n_events + 4 > WORLD_EVENTS_MAX || w->arena.used > ARENA / 4) {
        turn(w);
    }
}

static void links_end(struct world *w)
{
    for (unsigned i = 0; i < WORLD_MEMBERS; i++) {
        w->nodes[i].fake.session = 0;
        w->nodes[i].waiting = false;
        memset(w->nodes[i].fake.max_seq, 0, sizeof(w->nodes[i].fake.max_seq));
    }
}

void world_crash(struct world *w, enum world_crash how)
{
    struct tmx_broker_output out;
    struct tmx_spool *before;
    world_flush(w);
    int r = tmx_spool_ram_clone(w->spool, &before);
    assert(r == 0);
    must(tmx_broker_turn(w->broker, w->events, w->n_events, &out) == 0, "a turn failed");
    w->broker = tmx_broker_free(w->broker);
    if (how != WORLD_CRASH_AFTER_COMMIT) {
        struct tmx_spool *after = w->spool;
        w->spool = before;
        before = after;
    }
    tmx_spool_close(before);
    links_end(w);
    broker_start(w);
    if (how == WORLD_CRASH_TWICE) {
        w->broker = tmx_broker_free(w->broker);
        broker_start(w);
    }
    check_state(w);
    check_rows(w);
    operators_asked(w, &out.operation, how == WORLD_CRASH_AFTER_COMMIT);
    events_clear(w);
}

void world_lose(struct world *w)
{
    struct tmx_bytes head = tmx_broker_checkpoint(w->broker);
    if (w->previous_size > 0) {
        return;   /* the federation of the tests lists two shards */
    }
    events_clear(w);
    world_audit(w);
    memcpy(w->previous, head.data, head.size);
    w->previous_size = head.size;
    w->broker = tmx_broker_free(w->broker);
    tmx_spool_close(w->spool);
    int r = tmx_spool_ram_new(&w->spool);
    assert(r == 0);
    if (w->federation.expires_ms <= w->federation.issued_ms) {   /* as do_directory may leave it; no authority signs that */
        w->federation.expires_ms = w->federation.issued_ms + 1;
    }
    federation_new_shard(&w->federation, "2026b");
    w->generation++;
    w->halted = false;
    w->n_done = 0;   /* what was asked of the shard that is lost is not known in the next one */
    links_end(w);
    for (unsigned i = 0; i < WORLD_MEMBERS; i++) {
        struct fake_node *f = &w->nodes[i].fake;
        f->head = (struct tmx_checkpoint){ .size = 0 };
        f->feed_next = 0;
        f->n_received = 0;
    }
    fold_init(&w->fold, &w->whole, w->federation.shard);
    w->fold.retention = w->retention_ms > 0;
    broker_start(w);
    check_state(w);
}

/* Events */

struct tmx_broker_event *world_last(struct world *w)
{
    assert(w->n_events > 0);
    return &w->events[w->n_events - 1];
}

void world_event(struct world *w, enum tmx_broker_event_kind kind, unsigned member)
{
    if (w->n_events == WORLD_EVENTS_MAX) {
        turn(w);
    }
    w->events[w->n_events++] = (struct tmx_broker_event){ .kind = kind,
                                                          .mono_ms = w->mono_ms,
                                                          .wall_us = w->wall_ms * 1000,
                                                          .member = tmx_bytes_str(codes[member]) };
    w->directory_event = w->directory_event || kind == TMX_BROKER_DIRECTORY;
}

/* Bends what is ready to be sent: bytes of a frame, its length, or how many there are. */
static void bend_frames(struct world *w, struct world_node *n, struct tmx_bytes *frames, size_t *n_frames)
{
    for (size_t i = 0; i < w->n_bends; i++) {
        const struct bend *b = &w->bends[i];
        if (b->kind != BEND_FRAME || *n_frames == 0) {
            continue;
        }
        n->lost = true;
        struct tmx_bytes *frame = &frames[b->index % *n_frames];
        uint8_t *data;
        switch (b->what & 0xe0) {
        case 0x20:
            *frame = tmx_bytes_slice(*frame, 0, b->value % (frame->size + 1));
            break;
        case 0x40:
            *n_frames -= 1;
            break;
        case 0x60:
            frames[(*n_frames)++] = *frame;
            break;
        default:
            data = tmx_arena_alloc(&w->arena, frame->size + 1);
            if (data != NULL && frame->size > 0) {
                memcpy(data, frame->data, frame->size);
                data[b->value % frame->size] ^= b->what;
                *frame = TMX_BYTES(data, frame->size);
            }
            break;
        }
    }
    w->n_bends = 0;
}

void world_frames(struct world *w, unsigned member, const struct fake_frames *frames)
{
    struct world_node *n = &w->nodes[member];
    size_t bytes = 0, count = frames->n;
    for (size_t i = 0; i < frames->n; i++) {
        bytes += frames->frame[i].size + 64;
    }
    if (bytes * 2 > ARENA - w->arena.used || w->n_events == WORLD_EVENTS_MAX) {
        turn(w);
    }
    struct tmx_bytes *copy = tmx_arena_alloc(&w->arena, (count + TMX_N(w->bends)) * sizeof(*copy));
    assert(copy != NULL);
    for (size_t i = 0; i < count; i++) {
        bool copied = tmx_arena_copy(&w->arena, frames->frame[i], &copy[i]);
        assert(copied);
    }
    bend_frames(w, n, copy, &count);
    world_event(w, TMX_BROKER_MESSAGE, member);
    struct tmx_broker_event *ev = world_last(w);
    ev->route = TMX_BYTES(&n->fake.route, 1);
    ev->n_frames = count;
    ev->frames = copy;
    tmx_arena_reset(&n->fake.arena);
}

void world_hello(struct world *w, unsigned member)
{
    struct world_node *n = &w->nodes[member];
    struct fake_frames frames;
    n->lost = false;
    n->waiting = true;
    n->credit = n->heard = 0;
    n->fake.wall_ms = w->wall_ms;
    fake_hello(&n->fake, &frames);
    world_frames(w, member, &frames);
}
