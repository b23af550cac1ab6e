/* SPDX-License-Identifier: Apache-2.0
 * Is an image of tmx-broker's spool one that its promises allow? They are read from what the core sent to its gates:
 * every head and every leaf a node was shown; and to operators: what was done, and its entry. An image is recovered as the
 * daemon does it; its log must lead to each of those heads and hold each of those leaves, its rows must be what its leaves
 * say, and accepted containers be there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include <tmx/clock.h>
#include <tmx/gateframe.h>
#include <tmx/spool_lmdb.h>

#include "../../broker/daemon.h"
#include "core.h"
#include "operated.h"
#include "record.h"
#include "sweep.h"

#define LEAVES_MAX 65536u
#define STREAMS_MAX 64u
#define ARENA (4u << 20)

/* What goes to one gate, as a stream of frames. */
struct stream {
    uint64_t socket;
    uint8_t *bytes;
    size_t size, room;
};

struct told {
    bool leaf, head, done;   /* done: the answer to an operator names this entry */
    uint8_t digest[32];      /* of the entry at this index */
    struct tmx_hash root;    /* of the head of this size */
};

struct ledger {
    struct settings settings;
    struct broker_keys keys;
    struct tmx_broker_config config;
    uint8_t *directory;
    struct tmx_arena arena;
    struct tmx_message message;
    size_t n_streams;
    struct stream streams[STREAMS_MAX];
    uint64_t size;           /* of the largest head that was told */
    uint64_t done_size;      /* of the log up to the last entry an operator was told */
    struct told told[LEAVES_MAX];
};

/* --- what was promised ---------------------------------------------------------------------------------------- */

static void head_told(struct ledger *l, const Tmx__HeadUpdate *head)
{
    struct tmx_checkpoint c;
    struct tmx_bytes text, lines;
    if (head == NULL) {
        return;
    }
    assert(tmx_note_split(tmx_pb(head->checkpoint), &text, &lines) && tmx_checkpoint_parse(text, &c));
    assert(c.size < LEAVES_MAX);
    l->told[c.size].head = true;
    l->told[c.size].root = c.root;
    l->size = c.size > l->size ? c.size : l->size;
}

static void item_told(struct ledger *l, struct tmx_bytes frame)
{
    Tmx__FeedItem *item;
    int r = tmx_codec_unpack(&tmx__feed_item__descriptor, frame, TMX_FRAME_MAX, &l->arena, &item);
    assert(r == TMX_CODEC_OK && item->index < LEAVES_MAX);
    l->told[item->index].leaf = true;
    tmx_digest(tmx_pb(item->entry), l->told[item->index].digest);
}

static void message_told(struct ledger *l, const struct tmx_message *m)
{
    Tmx__Link *link;
    tmx_arena_reset(&l->arena);
    int r = tmx_codec_unpack(&tmx__link__descriptor, m->frames[0], TMX_CONTROL_MAX, &l->arena, &link);
    assert(r == TMX_CODEC_OK);
    switch ((int)link->body_case) {
    case TMX__LINK__BODY_WELCOME:
        head_told(l, link->welcome->head);
        return;
    case TMX__LINK__BODY_FEED:
        head_told(l, link->feed->head);
        for (size_t i = 0; i < link->feed->items; i++) {
            item_told(l, m->frames[1 + i]);
        }
        return;
    case TMX__LINK__BODY_DELIVER:
        head_told(l, link->deliver->head);
        for (size_t i = 0; i < link->deliver->items; i++) {
            item_told(l, m->frames[1 + 2 * i]);
        }
        return;
    default:
        return;
    }
}

/* One line of JSON: {"done": ACTION, "index": of its first entry, …}, or something else. */
static void operator_told(struct ledger *l, struct tmx_bytes answer)
{
    json_t *j = json_loadb((const char *)answer.data, answer.size, JSON_DISABLE_EOF_CHECK, NULL);
    const json_t *index = json_object_get(j, "index");
    if (json_is_string(json_object_get(j, "done")) && json_is_integer(index)) {
        assert((uint64_t)json_integer_value(index) < LEAVES_MAX);
        l->told[json_integer_value(index)].done = true;
        l->done_size = (uint64_t)json_integer_value(index) + 1 > l->done_size ? (uint64_t)json_integer_value(index) + 1 : l->done_size;
    }
    json_decref(j);
}

static struct stream *stream_of(struct ledger *l, uint64_t socket)
{
    for (size_t i = 0; i < l->n_streams; i++) {
        if (l->streams[i].socket == socket) {
            return &l->streams[i];
        }
    }
    assert(l->n_streams < STREAMS_MAX);
    struct stream *s = &l->streams[l->n_streams++];
    *s = (struct stream){ .socket = socket };
    return s;
}

static void said(void *ledger, const struct record *record)
{
    struct ledger *l = ledger;
    if (record->kind != RECORD_SENT) {
        return;
    }
    struct stream *s = stream_of(l, record->file);
    if (s->size + record->size > s->room) {
        s->room = 2 * (s->size + record->size);
        s->bytes = realloc(s->bytes, s->room);
        assert(s->bytes != NULL);
    }
    memcpy(s->bytes + s->size, record + 1, record->size);
    s->size += record->size;
    size_t at = 0, used = 0;
    enum tmx_gate_kind kind;
    struct tmx_bytes body;
    int r = 0;
    while (r == 0) {
        r = tmx_gate_split(TMX_BYTES(s->bytes + at, s->size - at), &kind, &body, &used);
        if (r == 0 && kind == TMX_GATE_MESSAGE) {
            assert(tmx_gate_get_message(body, &l->message));
            message_told(l, &l->message);
        }
        at += r == 0 ? used : 0;
    }
    if (r == 2) {   /* an answer to an operator, who gets one only */
        operator_told(l, TMX_BYTES(s->bytes, s->size));
        free(s->bytes);
        *s = l->streams[--l->n_streams];
        return;
    }
    s->size -= at;
    memmove(s->bytes, s->bytes + at, s->size);
}

static void *start(const char *about, uint64_t seed)
{
    (void)seed;
    struct ledger *l = calloc(1, sizeof(*l));
    size_t size;
    assert(l != NULL && sodium_init() >= 0 && tmx_arena_init(&l->arena, ARENA) == 0);
    assert(settings_load(about, &l->settings) == 0 && settings_keys(&l->settings, &l->keys, &l->config.authority) == 0);
    assert(tmx_startup_file("sweep", l->settings.directory, TMX_DIRECTORY_MAX, "directory", &l->directory, &size) == 0);
    l->config.shard = l->settings.shard;
    l->config.queue_max = l->settings.queue_max;
    l->config.log_secret = l->keys.log_secret;
    memcpy(l->config.log_public, l->keys.log_public, sizeof(l->config.log_public));
    l->config.directory = TMX_BYTES(l->directory, size);
    return l;
}

static void stop(void *ledger)
{
    struct ledger *l = ledger;
    for (size_t i = 0; i < l->n_streams; i++) {
        free(l->streams[i].bytes);
    }
    tmx_arena_deinit(&l->arena);
    settings_free(&l->settings);
    free(l->directory);
    free(l);
}

/* --- what an image holds -------------------------------------------------------------------------------------- */

struct trial {
    const struct ledger *ledger;
    struct tmx_spool *spool;
    struct tmx_broker *broker;
    struct tmx_frontier tree;
    struct operated operated;
    uint64_t accepted;
    char *why;
    size_t why_size;
};

static enum verdict say(struct trial *t, enum verdict verdict, const char *what, uint64_t index)
{
    (void)snprintf(t->why, t->why_size, "%s (leaf %llu)", what, (unsigned long long)index);
    return verdict;
}

/* As tmx-broker run does it. */
static enum verdict recover(struct trial *t, const char *folder)
{
    const struct ledger *l = t->ledger;
    char path[512];
    struct tmx_spool_mark mark;
    (void)snprintf(path, sizeof(path), "%s/spool", folder);
    if (tmx_spool_lmdb_open(path, l->settings.capacity_bytes, "broker", &t->spool, t->why, t->why_size) < 0) {
        return VERDICT_REFUSED;
    }
    (void)snprintf(path, sizeof(path), "%s/marker", folder);
    tmx_spool_lmdb_mark(t->spool, &mark);
    if (tmx_spool_marker_check(path, mark) != TMX_MARKER_OK) {
        return say(t, VERDICT_LOST, "no marker, or the spool is behind it", 0);
    }
    struct tmx_broker_config c = l->config;
    c.generation = mark.generation;
    if (tmx_broker_new(t->spool, &c, tmx_clock_mono_ms(), tmx_clock_wall_us(), &t->broker) < 0) {
        return say(t, VERDICT_CORRUPT, "the core does not start from it", 0);
    }
    return VERDICT_OK;
}

static bool container_there(struct tmx_broker *b, const uint8_t *id, const struct tmx_row_message *m)
{
    crypto_generichash_state h;
    uint8_t digest[32];
    crypto_generichash_init(&h, NULL, 0, sizeof(digest));
    for (uint32_t n = 0, left = m->container_bytes; left > 0; n++) {
        struct key k = key_container(id, n);
        struct tmx_bytes chunk;
        if (!row_get(b, TMX_T_CONTAINER, key_bytes(&k), &chunk) || chunk.size == 0 || chunk.size > left) {
            return false;
        }
        crypto_generichash_update(&h, chunk.data, chunk.size);
        left -= (uint32_t)chunk.size;
    }
    crypto_generichash_final(&h, digest, sizeof(digest));
    return memcmp(digest, m->container_digest, sizeof(digest)) == 0;
}

/* An acceptance has its rows, and its container until every delivery has its outcome. */
static enum verdict check_acceptance(struct trial *t, const Tmx__LogEntry *e, uint64_t index)
{
    struct tmx_broker *b = t->broker;
    Tmx__Header *h;
    struct tmx_row_message m;
    if (tmx_header_parse(tmx_pb(e->body), &b->scratch, &h) != TMX_CODE_OK ||
        !message_read(b, h->message_id.data, &m) || m.index != index) {
        return say(t, VERDICT_CORRUPT, "accepted, and the message has no row", index);
    }
    for (size_t i = 0; i < h->n_recipients; i++) {
        struct tmx_row_delivery d;
        uint8_t member[TMX_MEMBER_KEY];
        tmx_member_key(tmx_pb(h->recipients[i]->member), member);
        if (!delivery_read(b, h->message_id.data, member, &d) || d.seq != h->recipients[i]->seq) {
            return say(t, VERDICT_CORRUPT, "accepted, and a delivery has no row", index);
        }
    }
    if (m.n_open > 0 && !container_there(b, h->message_id.data, &m)) {
        return say(t, VERDICT_LOST, "accepted, and its container is not there", index);
    }
    return VERDICT_OK;
}

static enum verdict check_report(struct trial *t, const Tmx__LogEntry *e, uint64_t index)
{
    struct tmx_broker *b = t->broker;
    Tmx__Report *r;
    struct tmx_row_delivery d;
    uint8_t member[TMX_MEMBER_KEY];
    if (tmx_report_parse(tmx_pb(e->body), &b->scratch, &r) != TMX_CODE_OK) {
        return say(t, VERDICT_CORRUPT, "a report that is none", index);
    }
    tmx_member_key(tmx_pb(r->recipient), member);
    if (!delivery_read(b, r->message_id.data, member, &d) ||
        (r->outcome == TMX__OUTCOME__OUTCOME_COA ? d.coa_index : d.outcome_index) != index) {
        return say(t, VERDICT_CORRUPT, "a report its delivery does not know of", index);
    }
    operated_report(&t->operated, r);
    return VERDICT_OK;
}

/* By the broker, or as two operators decided. */
static enum verdict check_ended(struct trial *t, const Tmx__LogEntry *e, uint64_t index)
{
    struct tmx_row_delivery d;
    uint8_t member[TMX_MEMBER_KEY];
    tmx_member_key(tmx_pb(e->recipient), member);
    return delivery_read(t->broker, e->message_id.data, member, &d) && d.outcome_index == index
               ? VERDICT_OK
               : say(t, VERDICT_CORRUPT, "a delivery has ended and does not know of it", index);
}

static enum verdict check_leaf(struct trial *t, uint64_t index)
{
    const struct told *told = &t->ledger->told[index];
    struct tmx_broker *b = t->broker;
    struct key k = key_u64(index);
    struct tmx_bytes entry;
    Tmx__LogEntry *e;
    uint8_t digest[32];
    tmx_arena_reset(&b->scratch);
    if (!row_get(b, TMX_T_LOG, key_bytes(&k), &entry) || !tmx_arena_copy(&b->scratch, entry, &entry) ||
        tmx_entry_parse(entry, &b->scratch, &e) != TMX_CODE_OK) {
        return say(t, VERDICT_CORRUPT, "a leaf is not there, or none", index);
    }
    tmx_digest(entry, digest);
    if (told->leaf && memcmp(told->digest, digest, sizeof(digest)) != 0) {
        return say(t, VERDICT_LOST, "another leaf than a node was shown", index);
    }
    const struct tmx_hash leaf = tmx_merkle_leaf(entry);
    tmx_frontier_append(&t->tree, &leaf, NULL, NULL);
    struct tmx_hash root = tmx_frontier_root(&t->tree);
    if (told[1].head && !tmx_hash_eq(&told[1].root, &root)) {
        return say(t, VERDICT_LOST, "a head that was signed is no head of this log", index + 1);
    }
    const char *wrong = operated_entry(&t->operated, e, index, t->spool);
    if (wrong != NULL || (told->done && e->kind != TMX__ENTRY_KIND__ENTRY_OPERATOR)) {
        return wrong != NULL ? say(t, VERDICT_CORRUPT, wrong, index) : say(t, VERDICT_LOST, "what an operator was told is not in the log", index);
    }
    switch ((int)e->kind) {
    case TMX__ENTRY_KIND__ENTRY_ACCEPTANCE:
        t->accepted++;
        return check_acceptance(t, e, index);
    case TMX__ENTRY_KIND__ENTRY_REPORT:
        return check_report(t, e, index);
    case TMX__ENTRY_KIND__ENTRY_EXPIRED:
    case TMX__ENTRY_KIND__ENTRY_EXCEPTION:
        return check_ended(t, e, index);
    default:
        return VERDICT_OK;
    }
}

static enum verdict check_log(struct trial *t)
{
    uint64_t size = tmx_broker_log_size(t->broker);
    struct tmx_spool_stat stat;
    t->tree = (struct tmx_frontier){ .size = 0 };
    t->operated = (struct operated){ .requests = 0 };
    t->accepted = 0;
    if (size < t->ledger->size) {
        return say(t, VERDICT_LOST, "a head that was signed is beyond this log", t->ledger->size);
    }
    if (size < t->ledger->done_size) {
        return say(t, VERDICT_LOST, "what an operator was told is beyond this log", t->ledger->done_size);
    }
    for (uint64_t i = 0; i < size && i + 1 < LEAVES_MAX; i++) {
        enum verdict v = check_leaf(t, i);
        if (v != VERDICT_OK) {
            return v;
        }
    }
    if (tmx_spool_stat(t->spool, &stat) < 0 || stat.rows[TMX_T_LOG] != size ||
        stat.rows[TMX_T_MESSAGE] != t->accepted) {
        return say(t, VERDICT_CORRUPT, "more leaves or messages than the log holds", size);
    }
    const char *wrong = operated_rows(&t->operated, t->spool);
    return wrong == NULL ? VERDICT_OK : say(t, VERDICT_CORRUPT, wrong, size);
}

static uint64_t promises(const void *ledger)
{
    const struct ledger *l = ledger;
    uint64_t n = 0;
    for (size_t i = 0; i < LEAVES_MAX; i++) {
        n += (l->told[i].leaf ? 1u : 0u) + (l->told[i].head ? 1u : 0u) + (l->told[i].done ? 1u : 0u);
    }
    return n;
}

static enum verdict check(const void *ledger, const char *folder, char *ret_why, size_t why_size)
{
    struct trial t = { .ledger = ledger, .why = ret_why, .why_size = why_size };
    enum verdict v = recover(&t, folder);
    v = v == VERDICT_OK ? check_log(&t) : v;
    if (v == VERDICT_OK && sweep_go_on(t.spool) < 0) {
        v = say(&t, VERDICT_CORRUPT, "no more turns can be made", 0);
    }
    v = v == VERDICT_OK ? check_log(&t) : v;
    t.broker = tmx_broker_free(t.broker);
    t.spool = tmx_spool_close(t.spool);
    return v;
}

const struct subject subject = { start, said, promises, check, stop };
