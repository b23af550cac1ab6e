/* SPDX-License-Identifier: Apache-2.0
 * A spool used like a broker's queue. See scenario.h.
 */
#include <string.h>

#include <sodium.h>

#include "scenario.h"

#define DESTINATIONS 5u
#define BACKLOG 12u           /* from here on a turn delivers more than it accepts */
#define CONTAINER_MAX 20000u

enum table {
    CONTAINERS,   /* id -> bytes */
    HEADERS,      /* id -> bytes, updated when delivered */
    QUEUES,       /* destination, priority, seq -> id */
    COUNTERS,     /* destination -> accepted, waiting */
    LOG,          /* index -> bytes */
    HEAD,         /* -> turn, next seq, next index */
    TABLES
};

struct run {
    struct tmx_spool *s;
    uint64_t rng;
    uint64_t turn;
    uint64_t seq;
    uint64_t index;
};

static uint64_t draw(struct run *r)
{
    uint64_t x = r->rng += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static int apply(struct run *r, enum tmx_op_kind kind, enum table table, struct tmx_bytes key, struct tmx_bytes value)
{
    struct tmx_op op = { kind, (uint8_t)table, key, value };
    return tmx_spool_apply(r->s, &op, 1);
}

/* `size` bytes that follow from `number`. */
static struct tmx_bytes pattern(uint64_t number, size_t size)
{
    static uint8_t bytes[CONTAINER_MAX + 8];
    struct run r = { .rng = number };
    for (size_t at = 0; at < size; at += 8) {
        uint64_t x = draw(&r);
        memcpy(bytes + at, &x, 8);
    }
    return TMX_BYTES(bytes, size);
}

static int log_leaf(struct run *r, uint64_t what)
{
    uint8_t key[8];
    struct tmx_writer w = TMX_WRITER_OF(key);
    tmx_write_u64(&w, r->index++);
    return apply(r, TMX_OP_INSERT, LOG, tmx_written(&w), pattern(what, 100 + what % 300));
}

static int count(struct run *r, uint8_t destination, uint64_t accepted, uint64_t waiting)
{
    uint8_t value[16];
    struct tmx_bytes old;
    int rc = tmx_spool_get(r->s, COUNTERS, TMX_BYTES(&destination, 1), &old);
    if (rc == 0) {
        struct tmx_reader reader = tmx_reader_init(old);
        accepted += tmx_read_u64(&reader);
        waiting += tmx_read_u64(&reader);
    } else if (rc < 0) {
        return rc;
    }
    struct tmx_writer w = TMX_WRITER_OF(value);
    tmx_write_u64(&w, accepted);
    tmx_write_u64(&w, waiting);
    return apply(r, TMX_OP_PUT, COUNTERS, TMX_BYTES(&destination, 1), tmx_written(&w));
}

static int accept_message(struct run *r)
{
    static const size_t sizes[] = { 300, 1500, 4071, 4072, 6000, 9000, CONTAINER_MAX };
    uint8_t id[16], key[10];
    uint8_t destination = (uint8_t)(draw(r) % DESTINATIONS);
    size_t size = sizes[draw(r) % TMX_N(sizes)] - draw(r) % 200;
    struct tmx_writer w = TMX_WRITER_OF(id), q = TMX_WRITER_OF(key);
    tmx_write_u64(&w, r->seq);
    tmx_write_u64(&w, draw(r));
    tmx_write_u8(&q, destination);
    tmx_write_u8(&q, (uint8_t)(draw(r) % 10));
    tmx_write_u64(&q, r->seq++);
    int rc = apply(r, TMX_OP_INSERT, CONTAINERS, tmx_written(&w), pattern(r->seq, size));
    rc = rc < 0 ? rc : apply(r, TMX_OP_INSERT, HEADERS, tmx_written(&w), pattern(~r->seq, 400));
    rc = rc < 0 ? rc : apply(r, TMX_OP_INSERT, QUEUES, tmx_written(&q), tmx_written(&w));
    rc = rc < 0 ? rc : count(r, destination, 1, 1);
    return rc < 0 ? rc : log_leaf(r, r->seq);
}

/* Takes the first message at or after a random place of the queues, if there is one. */
static int deliver_message(struct run *r)
{
    uint8_t id[16], key[10], from[2] = { (uint8_t)(draw(r) % DESTINATIONS), (uint8_t)(draw(r) % 10) };
    struct tmx_bytes found_key, found;
    int rc = tmx_spool_seek(r->s, QUEUES, TMX_BYTES_OF(from), &found_key, &found);
    if (rc != 0) {
        return rc < 0 ? rc : 0;
    }
    assert(found.size == sizeof(id) && found_key.size == sizeof(key));
    memcpy(id, found.data, sizeof(id));
    memcpy(key, found_key.data, sizeof(key));
    rc = apply(r, TMX_OP_DELETE, QUEUES, TMX_BYTES_OF(key), TMX_BYTES_NULL);
    rc = rc < 0 ? rc : apply(r, TMX_OP_DELETE, CONTAINERS, TMX_BYTES_OF(id), TMX_BYTES_NULL);
    rc = rc < 0 ? rc : apply(r, TMX_OP_UPDATE, HEADERS, TMX_BYTES_OF(id), pattern(r->turn, 430));
    rc = rc < 0 ? rc : count(r, key[0], 0, (uint64_t)-1);
    return rc < 0 ? rc : log_leaf(r, r->turn);
}

static int load(struct run *r)
{
    struct tmx_bytes head;
    int rc = tmx_spool_get(r->s, HEAD, TMX_LIT("head"), &head);
    if (rc == 0) {
        struct tmx_reader reader = tmx_reader_init(head);
        r->turn = tmx_read_u64(&reader);
        r->seq = tmx_read_u64(&reader);
        r->index = tmx_read_u64(&reader);
    }
    return rc < 0 ? rc : 0;
}

static int store(struct run *r)
{
    uint8_t head[24];
    struct tmx_writer w = TMX_WRITER_OF(head);
    tmx_write_u64(&w, r->turn);
    tmx_write_u64(&w, r->seq);
    tmx_write_u64(&w, r->index);
    return apply(r, TMX_OP_PUT, HEAD, TMX_LIT("head"), tmx_written(&w));
}

static int apply_turn(struct run *r)
{
    struct tmx_spool_stat stat;
    int rc = tmx_spool_stat(r->s, &stat);
    bool backlog = rc == 0 && stat.rows[QUEUES] > BACKLOG;
    for (uint64_t n = 1 + draw(r) % 5; rc == 0 && n > 0; n--) {
        rc = accept_message(r);
    }
    for (uint64_t n = draw(r) % 4 + (backlog ? 4 : 0); rc == 0 && n > 0; n--) {
        rc = deliver_message(r);
    }
    return rc == 0 ? store(r) : rc;
}

int scenario_turn(struct tmx_spool *s, uint64_t seed, uint64_t turn)
{
    struct run r = { .s = s, .rng = seed * 0x2545f4914f6cdd1du + turn };
    int rc = tmx_spool_begin(s);
    if (rc < 0) {
        return rc;
    }
    rc = load(&r);
    assert(rc < 0 || r.turn + 1 == turn);
    r.turn = turn;
    rc = rc < 0 ? rc : apply_turn(&r);
    int committed = tmx_spool_commit(s);
    return rc < 0 ? rc : committed;
}

int scenario_last(struct tmx_spool *s, uint64_t *ret_turn)
{
    struct run r = { .s = s };
    int rc = load(&r);
    if (rc == 0) {
        *ret_turn = r.turn;
    }
    return rc;
}

/* Chains one row to the digest of those before it. */
static uint64_t chain(uint64_t digest, uint8_t table, struct tmx_bytes key, struct tmx_bytes value)
{
    uint64_t seed[2] = { digest, (uint64_t)table << 32 | key.size }, link[2];
    (void)crypto_shorthash_siphashx24((uint8_t *)link, key.data, key.size, (const uint8_t *)seed);
    (void)crypto_shorthash((uint8_t *)&digest, value.data, value.size, (const uint8_t *)link);
    return digest;
}

int scenario_digest(struct tmx_spool *s, uint64_t *ret_digest)
{
    uint64_t digest = 0;
    for (uint8_t table = 0; table < TABLES; table++) {
        uint8_t from[TMX_KEY_MAX] = { 0 };
        size_t size = 1;
        struct tmx_bytes key, value;
        int r;
        while ((r = tmx_spool_seek(s, table, TMX_BYTES(from, size), &key, &value)) == 0) {
            digest = chain(digest, table, key, value);
            assert(key.size < sizeof(from));
            memcpy(from, key.data, key.size);
            from[key.size] = 0;
            size = key.size + 1;
        }
        if (r < 0) {
            return r;
        }
    }
    *ret_digest = digest;
    return 0;
}
