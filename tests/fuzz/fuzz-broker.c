/* SPDX-License-Identifier: Apache-2.0
 * A broker and its members, driven by a program of 8-byte instructions: what members say, rightly or bent at a chosen
 * place before or after signing; what operators ask; what the clock, the disk, the directory and the process do. After
 * every turn all rows and frames are held against the log (fold.h); at the end honest members must bring every delivery
 * to its end.
 *
 * Input: a first instruction that describes the world, then the program. `who` bit 7: the turn is not yet to be made,
 * bit 6: the signed body waits for others of its frame.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "fuzz_operators.h"

#define PROGRAM_MAX 400u
#define DAY_MS UINT64_C(86400000)

enum {
    SAY_HELLO, SAY_PREKEYS, SAY_CREDIT, SAY_FEED_ACK, SAY_PING, SAY_SUBMIT, SAY_REPORT, SAY_AGAIN, SAY_CHUNK,
    SAY_CHUNK_REQUEST, SAY_BYE, SAY_RAW, DO_GATE_DOWN, DO_TIME, DO_CLOCK, DO_DISK, DO_DIRECTORY, DO_CRASH, DO_LOSE,
    DO_BEND, DO_ASK, INSTRUCTIONS
};

static struct instruction decode(const uint8_t *p)
{
    return (struct instruction){ .kind = p[0] % INSTRUCTIONS, .who = p[1], .a = p[2], .b = p[3], .c = p[4], .d = p[5],
                                 .v = (uint16_t)(p[6] << 8 | p[7]) };
}

/* A hello that is right but for one thing. */
static void say_hello(struct world *w, unsigned member, const struct instruction *in)
{
    struct world_node *n = &w->nodes[member];
    struct tmx_checkpoint head = n->fake.head;
    struct fake_frames frames;
    if (in->a == 0) {
        world_hello(w, member);
        return;
    }
    n->fake.wall_ms = w->wall_ms;
    n->credit = n->heard = 0;
    n->waiting = true;
    switch (in->a % 5) {
    case 1:   /* of another connection */
        n->fake.route = (uint8_t)(1 + member + 16 * (in->b % 3));
        n->lost = false;
        fake_hello(&n->fake, &frames);
        break;
    case 2:   /* its clock */
        n->fake.wall_ms = in->b & 1 ? (uint64_t)in->v << 48 : w->wall_ms + (uint64_t)in->v * 10000;
        n->lost = false;
        fake_hello(&n->fake, &frames);
        break;
    case 3:   /* a head this log never had: the broker must stop */
        n->fake.head.size = w->fold.n_leaves + in->b % 3;
        n->fake.head.root.b[0] ^= 1;
        snprintf(n->fake.head.origin, sizeof(n->fake.head.origin), "tmx.test/log/%s", w->federation.shard);
        n->lost = true;
        fake_hello(&n->fake, &frames);
        n->fake.head = head;
        break;
    case 4:   /* wants the feed from elsewhere */
        n->lost = true;
        n->fake.feed_next = in->v;
        fake_hello(&n->fake, &frames);
        n->fake.feed_next = 0;
        break;
    default:
        n->lost = false;
        n->fake.feed_next = 0;
        fake_hello(&n->fake, &frames);
        break;
    }
    world_frames(w, member, &frames);
}

static void say_control(struct world *w, unsigned member, Tmx__Link *link, const struct tmx_bytes *payload, size_t n)
{
    struct fake_frames frames;
    fake_link(&w->nodes[member].fake, link, payload, n, &frames);
    world_frames(w, member, &frames);
}

static void say_credit(struct world *w, unsigned member, const struct instruction *in)
{
    struct world_node *n = &w->nodes[member];
    struct fake_frames frames;
    n->credit = in->v > n->credit ? in->v : n->credit;
    fake_credit(&n->fake, in->v, (uint64_t)in->v << (in->a % 40), &frames);
    world_frames(w, member, &frames);
}

static void say_feed_ack(struct world *w, unsigned member, const struct instruction *in)
{
    struct fake_node *f = &w->nodes[member].fake;
    struct fake_frames frames;
    uint64_t next = f->feed_next;
    f->feed_next = in->a & 1 ? in->v : next;
    fake_feed_ack(f, &frames);
    f->feed_next = next;
    world_frames(w, member, &frames);
}

static void say_chunk(struct world *w, unsigned member, const struct instruction *in)
{
    const struct fake_message *m = &w->pool[in->a % WORLD_POOL];
    uint64_t at = (uint64_t)(in->b % 4) * TMX_CHUNK_SIZE;
    size_t left = m->container_size > at ? m->container_size - at : 0;
    size_t size = left < TMX_CHUNK_SIZE ? left : TMX_CHUNK_SIZE;
    Tmx__Chunk chunk = TMX__CHUNK__INIT;
    Tmx__Link link = TMX__LINK__INIT;
    chunk.message_id = tmx_to_pb(TMX_BYTES_OF(m->id));
    chunk.offset = at + (in->c & 1 ? in->v : 0);
    link.body_case = TMX__LINK__BODY_CHUNK;
    link.chunk = &chunk;
    struct tmx_bytes data = TMX_BYTES(m->container + (size > 0 ? at : 0), in->c & 2 ? size / 2 : size);
    say_control(w, member, &link, &data, 1);
}

static void say_chunk_request(struct world *w, unsigned member, const struct instruction *in)
{
    Tmx__ChunkRequest request = TMX__CHUNK_REQUEST__INIT;
    Tmx__Link link = TMX__LINK__INIT;
    request.message_id = tmx_to_pb(TMX_BYTES_OF(w->pool[in->a % WORLD_POOL].id));
    request.offset = (uint64_t)in->b * TMX_CHUNK_SIZE + (in->c & 1 ? in->v : 0);
    link.body_case = TMX__LINK__BODY_CHUNK_REQUEST;
    link.chunk_request = &request;
    say_control(w, member, &link, NULL, 0);
}

static void say_ping(struct world *w, unsigned member, const struct instruction *in)
{
    struct fake_frames frames;
    fake_ping(&w->nodes[member].fake, in->a & 1 ? (uint64_t)in->v << 48 : w->wall_ms + in->v, &frames);
    world_frames(w, member, &frames);
}

static void say_bye(struct world *w, unsigned member)
{
    Tmx__Bye bye = TMX__BYE__INIT;
    Tmx__Link link = TMX__LINK__INIT;
    link.body_case = TMX__LINK__BODY_BYE;
    link.bye = &bye;
    say_control(w, member, &link, NULL, 0);
    w->nodes[member].fake.session = 0;
    w->nodes[member].lost = true;
}

/* Bytes of the program itself as frames. Returns how many instructions they took. */
static size_t say_raw(struct world *w, unsigned member, const struct instruction *in, const uint8_t *rest, size_t left)
{
    struct fake_frames frames = { .n = 1 };
    size_t taken = in->a % 32 < left ? in->a % 32 : left;
    frames.frame[0] = TMX_BYTES(rest, taken * 8);
    for (unsigned i = 0; i < in->b % 4; i++) {
        frames.frame[frames.n++] = TMX_BYTES(rest, taken * 8);
    }
    w->nodes[member].lost = true;
    world_frames(w, member, &frames);
    return taken;
}

static void do_directory(struct world *w, const struct instruction *in)
{
    static const Tmx__MemberStatus states[] = { TMX__MEMBER_STATUS__MEMBER_ACTIVE, TMX__MEMBER_STATUS__MEMBER_SUSPENDED,
                                                TMX__MEMBER_STATUS__MEMBER_REVOKED };
    struct tmx_bytes file;
    switch (in->a % 4) {
    case 0:
        w->federation.members[in->who % WORLD_MEMBERS].status = states[in->b % 3];
        break;
    case 1:
        w->federation.expires_ms = w->wall_ms + (uint64_t)in->v * 10000;
        break;
    case 2:   /* the last one listed, or not */
        w->federation.n_members = WORLD_MEMBERS - in->b % 2;
        break;
    default:
        break;
    }
    if (in->a % 4 != 3) {
        w->federation.serial++;
        federation_sign(&w->federation);
    }
    if (!tmx_arena_copy(&w->arena, federation_file(&w->federation), &file)) {
        return;
    }
    if (in->a % 4 == 3 && (in->b & 1) != 0) {   /* damaged on its way */
        uint8_t *data = w->arena.start + (file.data - w->arena.start);
        data[in->v % file.size] ^= in->c | 1;
    }
    world_event(w, TMX_BROKER_DIRECTORY, 0);
    world_last(w)->file = file;
}

static void do_time(struct world *w, const struct instruction *in)
{
    uint64_t ms = (uint64_t)in->v << (in->a % 18);   /* to 99 days */
    w->mono_ms += ms;
    w->wall_ms += ms;
}

/* A token of any size for a head of about this size. */
static void do_anchor(struct world *w, const struct instruction *in)
{
    static const uint8_t token[TMX_ANCHOR_TOKEN_MAX + 2] = { 0x30 };
    world_event(w, TMX_BROKER_ANCHOR, 0);
    world_last(w)->size = tmx_broker_log_size(w->broker) + 2 - in->b;
    world_last(w)->file = TMX_BYTES(token, in->v % (sizeof(token) + 1));
}

static void do_clock(struct world *w, const struct instruction *in)
{
    uint64_t ms = ((uint64_t)in->v << (in->a % 24)) % (4000 * DAY_MS);
    w->wall_ms = in->b & 1 && w->wall_ms > ms + 1 ? w->wall_ms - ms : w->wall_ms + ms;
}

static void do_bend(struct world *w, const struct instruction *in)
{
    if (w->n_bends < TMX_N(w->bends)) {
        w->bends[w->n_bends++] = (struct bend){ .kind = in->a % BEND_KINDS, .what = in->b, .index = in->c, .value = in->v };
    }
}

static void say(struct world *w, unsigned member, const struct instruction *in)
{
    if (w->nodes[member].fake.session == 0 && in->kind != SAY_HELLO && (in->who & 0x20) == 0) {
        size_t n = w->n_bends;
        w->n_bends = 0;
        world_flush(w);
        world_hello(w, member);
        world_turn(w);
        w->n_bends = n;
    }
    switch (in->kind) {
    case SAY_HELLO:
        say_hello(w, member, in);
        break;
    case SAY_PREKEYS:
        body_prekeys(w, member, in);
        break;
    case SAY_CREDIT:
        say_credit(w, member, in);
        break;
    case SAY_FEED_ACK:
        say_feed_ack(w, member, in);
        break;
    case SAY_PING:
        say_ping(w, member, in);
        break;
    case SAY_SUBMIT:
        body_header(w, member, in);
        break;
    case SAY_REPORT:
        body_report(w, member, in);
        break;
    case SAY_AGAIN:
        body_again(w, member, in);
        break;
    case SAY_CHUNK:
        say_chunk(w, member, in);
        break;
    case SAY_CHUNK_REQUEST:
        say_chunk_request(w, member, in);
        break;
    default:
        say_bye(w, member);
        break;
    }
}

/* Returns how many instructions after it were its data. */
static size_t run(struct world *w, const struct instruction *in, const uint8_t *rest, size_t left)
{
    unsigned member = in->who % WORLD_MEMBERS;
    size_t taken = 0;
    world_room(w);
    switch (in->kind) {
    case SAY_RAW:
        taken = say_raw(w, member, in, rest, left);
        break;
    case DO_GATE_DOWN:
        world_event(w, TMX_BROKER_GATE_DOWN, member);
        w->nodes[member].fake.session = 0;
        w->nodes[member].waiting = true;
        break;
    case DO_TIME:
        do_time(w, in);
        break;
    case DO_CLOCK:
        do_clock(w, in);
        break;
    case DO_DISK:
        if ((in->a & 2) != 0) {
            do_anchor(w, in);
            break;
        }
        world_event(w, TMX_BROKER_DISK, 0);
        world_last(w)->disk_full = (in->a & 1) != 0;
        world_last(w)->erase_bytes = in->a >> 1;
        break;
    case DO_DIRECTORY:
        do_directory(w, in);
        break;
    case DO_CRASH:
        world_crash(w, in->a % WORLD_CRASHES);
        return 0;
    case DO_LOSE:
        world_lose(w);
        return 0;
    case DO_ASK:
        operators_ask(w, member, in);
        break;
    case DO_BEND:
        do_bend(w, in);
        return 0;
    default:
        say(w, member, in);
        break;
    }
    if ((in->who & 0x40) == 0) {
        world_flush(w);
    }
    if ((in->who & 0x80) == 0) {
        world_turn(w);
    }
    return taken;
}

/* Everybody linked, with prekeys and credit. */
static void join_all(struct world *w)
{
    for (unsigned i = 0; i < WORLD_MEMBERS; i++) {
        world_hello(w, i);
    }
    world_turn(w);
    for (unsigned i = 0; i < WORLD_MEMBERS; i++) {
        const struct instruction prekeys = { .v = 0x7000 }, credit = { .a = 20, .v = 1000 };
        body_prekeys(w, i, &prekeys);
        say_credit(w, i, &credit);
    }
    world_turn(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world *w;
    if (w == NULL) {
        w = world_new();
    }
    size_t n = size / 8 < PROGRAM_MAX ? size / 8 : PROGRAM_MAX;
    if (n == 0) {
        return 0;
    }
    struct instruction world = decode(data);
    world_reset(w, world.v == 0 ? 100000 : world.v % 8);
    if ((world.a & 1) == 0) {
        join_all(w);
    }
    for (size_t i = 1; i < n && !fold_full(&w->fold); i++) {
        struct instruction in = decode(data + 8 * i);
        i += run(w, &in, data + 8 * (i + 1), n - i - 1);
    }
    world_turn(w);
    if ((world.b & 1) == 0) {
        world_drain(w);
    }
    world_audit(w);
    world_close(w);
    return 0;
}
