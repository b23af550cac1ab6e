/* SPDX-License-Identifier: Apache-2.0
 * Is an image of tmx-node's spool one that its promises allow? They are read from what the node gave to ZeroMQ: answers
 * to its applications, headers and reports it signed, what it acknowledged of its feed; and answers to its operators. An
 * image is recovered as the daemon does it; then every message that was answered as submitted is there with its payload or
 * container, every message that was acknowledged is delivered, everything that was signed is there byte for byte, its
 * numbers taken, and what operators did is done.
 *
 * ABOUT is the configuration, and a file with a line "REQUEST-ID MESSAGE-ID" for each acknowledgement that was asked
 * for.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include <tmx/clock.h>
#include <tmx/spool_lmdb.h>
#include <tmx/text.h>

#include "../../node/daemon.h"
#include "core.h"
#include "operated_node.h"
#include "record.h"
#include "sweep.h"

#define PROMISES_MAX 65536u
#define PARTS_MAX (2u + TMX_FRAMES_MAX)
#define SOCKETS_MAX 16u
#define ARENA (4u << 20)

enum promise_kind { SUBMITTED, ACKNOWLEDGED, SIGNED, REPORTED };

struct promise {
    enum promise_kind kind;
    uint8_t id[TMX_ID_SIZE];
    uint8_t which;        /* REPORTED: 0 = CoA, 1 = outcome */
    uint8_t digest[32];   /* of the Signed frame */
};

struct asked {
    uint64_t request;
    uint8_t id[TMX_ID_SIZE];
};

struct ledger {
    struct settings settings;
    struct node_keys keys;
    struct tmx_catalogue *catalogue;
    struct tmx_node_config config;
    uint8_t *directory;
    struct tmx_arena arena;
    size_t n_asked;
    struct asked *asked;
    struct {
        uint64_t socket;
        size_t n;
        struct tmx_bytes parts[PARTS_MAX];   /* in the recording */
    } open[SOCKETS_MAX];                     /* messages whose last part is to come */
    size_t n_open;
    uint64_t feed_next;
    uint64_t operated;                       /* actions an operator was told are done */
    size_t n;
    struct promise promises[PROMISES_MAX];
};

/* --- what was promised ---------------------------------------------------------------------------------------- */

static struct promise *promise(struct ledger *l, enum promise_kind kind, const uint8_t *id)
{
    assert(l->n < PROMISES_MAX);
    struct promise *p = &l->promises[l->n++];
    *p = (struct promise){ .kind = kind };
    memcpy(p->id, id, sizeof(p->id));
    return p;
}

static void signed_sent(struct ledger *l, struct tmx_bytes frame, bool report)
{
    Tmx__Signed *s;
    Tmx__Header *h;
    Tmx__Report *r;
    struct tmx_signature signature;
    assert(tmx_signed_parse(frame, &l->arena, &s, &signature) == TMX_CODE_OK);
    struct promise *p;
    if (report) {
        assert(tmx_report_parse(tmx_pb(s->body), &l->arena, &r) == TMX_CODE_OK);
        p = promise(l, REPORTED, r->message_id.data);
        p->which = r->outcome == TMX__OUTCOME__OUTCOME_COA ? 0 : 1;
    } else {
        assert(tmx_header_parse(tmx_pb(s->body), &l->arena, &h) == TMX_CODE_OK);
        p = promise(l, SIGNED, h->message_id.data);
    }
    tmx_digest(frame, p->digest);
}

static void link_sent(struct ledger *l, const Tmx__Link *link, const struct tmx_bytes *payload)
{
    switch ((int)link->body_case) {
    case TMX__LINK__BODY_SUBMIT:
        for (size_t i = 0; i < link->submit->items; i++) {
            signed_sent(l, payload[2 * i], false);
        }
        return;
    case TMX__LINK__BODY_REPORTS:
        for (size_t i = 0; i < link->reports->items; i++) {
            signed_sent(l, payload[i], true);
        }
        return;
    case TMX__LINK__BODY_FEED_ACK:
        l->feed_next = link->feed_ack->feed_next > l->feed_next ? link->feed_ack->feed_next : l->feed_next;
        return;
    default:
        return;
    }
}

static void answered(struct ledger *l, const Tmx__Response *r)
{
    if (r->code != TMX_CODE_OK) {
        return;
    }
    if (r->body_case == TMX__RESPONSE__BODY_SUBMIT) {
        (void)promise(l, SUBMITTED, r->submit->message_id.data);
    }
    for (size_t i = 0; i < l->n_asked; i++) {
        if (l->asked[i].request == r->id) {
            (void)promise(l, ACKNOWLEDGED, l->asked[i].id);
        }
    }
}

/* To the broker: a control frame first; to an application: its route first, of 5 bytes, the first of them zero. */
static void message_sent(struct ledger *l, const struct tmx_bytes *parts, size_t n)
{
    Tmx__Link *link;
    Tmx__Response *response;
    tmx_arena_reset(&l->arena);
    if (parts[0].size == 5 && parts[0].data[0] == 0) {
        size_t at = n > 2 && parts[1].size == 0 ? 2 : 1;   /* behind the delimiter of a REQ */
        assert(n > at && tmx_codec_unpack(&tmx__response__descriptor, parts[at], TMX_APP_RESPONSE_MAX, &l->arena,
                                          &response) == TMX_CODEC_OK);
        answered(l, response);
        return;
    }
    assert(tmx_codec_unpack(&tmx__link__descriptor, parts[0], TMX_CONTROL_MAX, &l->arena, &link) == TMX_CODEC_OK);
    link_sent(l, link, parts + 1);
}

/* One line of JSON: {"done": ACTION, …}, or something else. */
static void operator_told(struct ledger *l, struct tmx_bytes answer)
{
    json_t *j = json_loadb((const char *)answer.data, answer.size, JSON_DISABLE_EOF_CHECK, NULL);
    l->operated += json_is_string(json_object_get(j, "done")) ? 1 : 0;
    json_decref(j);
}

static void said(void *ledger, const struct record *record)
{
    struct ledger *l = ledger;
    size_t i = 0;
    if (record->kind != RECORD_SENT) {
        return;
    }
    if ((record->flags & RECORD_ANSWER) != 0) {
        operator_told(l, TMX_BYTES(record + 1, record->size));
        return;
    }
    while (i < l->n_open && l->open[i].socket != record->file) {
        i++;
    }
    if (i == l->n_open) {
        assert(l->n_open < SOCKETS_MAX);
        l->open[l->n_open++].socket = record->file;
        l->open[i].n = 0;
    }
    assert(l->open[i].n < PARTS_MAX);
    l->open[i].parts[l->open[i].n++] = TMX_BYTES(record + 1, record->size);
    if ((record->flags & RECORD_MORE) == 0) {
        message_sent(l, l->open[i].parts, l->open[i].n);
        l->open[i].n = 0;
    }
}

static void asked_load(struct ledger *l, const char *path)
{
    FILE *f = fopen(path, "r");
    char hex[2 * TMX_ID_SIZE + 1];
    unsigned long long request;
    assert(f != NULL);
    while (fscanf(f, "%llu %32s", &request, hex) == 2) {
        l->asked = realloc(l->asked, (l->n_asked + 1) * sizeof(*l->asked));
        assert(l->asked != NULL);
        struct asked *a = &l->asked[l->n_asked++];
        a->request = request;
        assert(sodium_hex2bin(a->id, sizeof(a->id), hex, strlen(hex), NULL, NULL, NULL) == 0);
    }
    fclose(f);
}

static void *start(const char *about, uint64_t seed)
{
    (void)seed;
    struct ledger *l = calloc(1, sizeof(*l));
    char config[512], asked[512];
    size_t size;
    assert(l != NULL && sodium_init() >= 0 && tmx_arena_init(&l->arena, ARENA) == 0);
    assert(sscanf(about, "%511s %511s", config, asked) == 2);
    asked_load(l, asked);
    assert(settings_load(config, &l->settings) == 0 && settings_keys(&l->settings, &l->keys) == 0);
    assert(settings_catalogue(&l->settings, &l->catalogue) == 0);
    assert(tmx_startup_authority("sweep", l->settings.authority, &l->config.authority) == 0);
    assert(tmx_startup_file("sweep", l->settings.directory, TMX_DIRECTORY_MAX, "directory", &l->directory, &size) == 0);
    l->config.member = tmx_bytes_str(l->settings.member);
    l->config.signing_secret = l->keys.sign_secret;
    memcpy(l->config.signing_public, l->keys.sign_public, sizeof(l->config.signing_public));
    l->config.last_resort_secret = l->keys.last_resort_secret;
    l->config.archive_key = l->keys.archive;
    l->config.label_key = l->keys.label;
    l->config.directory = TMX_BYTES(l->directory, size);
    l->config.catalogue = l->catalogue;
    l->config.expiry_ms = l->settings.expiry_ms;
    l->config.retention_ms = l->settings.retention_ms;
    return l;
}

static void stop(void *ledger)
{
    struct ledger *l = ledger;
    tmx_arena_deinit(&l->arena);
    tmx_catalogue_free(l->catalogue);
    settings_free(&l->settings);
    free(l->directory);
    free(l->asked);
    free(l);
}

/* --- what an image holds -------------------------------------------------------------------------------------- */

struct trial {
    const struct ledger *ledger;
    struct tmx_spool *spool;
    struct tmx_node *node;
    char *why;
    size_t why_size;
};

static enum verdict say(struct trial *t, enum verdict verdict, const char *what)
{
    (void)snprintf(t->why, t->why_size, "%s", what);
    return verdict;
}

/* As tmx-node run does it. */
static enum verdict recover(struct trial *t, const char *folder)
{
    const struct ledger *l = t->ledger;
    const uint8_t entropy[32] = { 1 };
    char path[512];
    struct tmx_spool_mark mark;
    (void)snprintf(path, sizeof(path), "%s/spool", folder);
    if (tmx_spool_lmdb_open(path, l->settings.capacity_bytes, "node", &t->spool, t->why, t->why_size) < 0) {
        return VERDICT_REFUSED;
    }
    (void)snprintf(path, sizeof(path), "%s/marker", folder);
    tmx_spool_lmdb_mark(t->spool, &mark);
    if (tmx_spool_marker_check(path, mark) != TMX_MARKER_OK) {
        return say(t, VERDICT_LOST, "no marker, or the spool is behind it");
    }
    struct tmx_node_config c = l->config;
    c.generation = mark.generation;
    if (tmx_node_new(t->spool, &c, tmx_clock_mono_ms(), tmx_clock_wall_us(), entropy, &t->node) < 0) {
        return say(t, VERDICT_CORRUPT, "the core does not start from it");
    }
    return VERDICT_OK;
}

static enum verdict check_container(struct trial *t, uint8_t table, const uint8_t *id, uint64_t size,
                                    const uint8_t digest[32])
{
    uint8_t found[32], *container = node_container_load(t->node, table, id, size);
    if (container == NULL) {
        return say(t, VERDICT_LOST, "a container is not there");
    }
    tmx_digest(TMX_BYTES(container, size), found);
    free(container);
    bool same = memcmp(found, digest, sizeof(found)) == 0;
    return same ? VERDICT_OK : say(t, VERDICT_CORRUPT, "a container has other bytes");
}

/* Answered as durable in the outbox (NODE-1): it is there until every delivery has its outcome. */
static enum verdict check_submitted(struct trial *t, const struct promise *p)
{
    struct tmx_row_out row;
    if (!node_out_read(t->node, p->id, &row)) {
        return say(t, VERDICT_LOST, "a submission that was answered is not there");
    }
    switch ((enum tmx_out_state)row.state) {
    case TMX_OUT_WAITING:
        return node_has(t->node, TMX_NT_OUT_PAYLOAD, node_id(p->id)) ? VERDICT_OK
                                                                    : say(t, VERDICT_LOST, "a payload is not there");
    case TMX_OUT_SIGNED:
    case TMX_OUT_ACCEPTED:
        return check_container(t, TMX_NT_OUT_CONTAINER, p->id, row.container_bytes, row.container_digest);
    case TMX_OUT_CLOSED:
    case TMX_OUT_REJECTED:
        return VERDICT_OK;
    }
    return say(t, VERDICT_CORRUPT, "a submission in no state");
}

static enum verdict check_signed(struct trial *t, const struct promise *p)
{
    struct tmx_row_out row;
    struct tmx_bytes frame;
    uint8_t digest[32];
    if (!node_out_read(t->node, p->id, &row) || !node_get(t->node, TMX_NT_OUT_SIGNED, node_id(p->id), &frame)) {
        return say(t, VERDICT_LOST, "a header that was signed and sent is not there");
    }
    tmx_digest(frame, digest);
    if (memcmp(digest, p->digest, sizeof(digest)) != 0) {
        return say(t, VERDICT_LOST, "another header than was sent");
    }
    for (size_t i = 0; i < row.n; i++) {
        struct node_key k = node_key_member(row.deliveries[i].member);
        struct tmx_bytes last;
        if (!node_get(t->node, TMX_NT_OUT_PAIR, node_kb(&k), &last) || node_u64(last) < row.deliveries[i].seq) {
            return say(t, VERDICT_LOST, "a number that was used is free again");
        }
    }
    return VERDICT_OK;
}

static enum verdict check_reported(struct trial *t, const struct promise *p)
{
    struct node_key k = node_key_id_u8(p->id, p->which);
    struct tmx_bytes value;
    struct tmx_row_in row;
    uint8_t digest[32];
    if (!node_get(t->node, TMX_NT_REPORT, node_kb(&k), &value) || value.size < 8) {
        return say(t, VERDICT_LOST, "a report that was sent is not there");
    }
    tmx_digest(tmx_bytes_slice(value, 8, value.size - 8), digest);
    if (memcmp(digest, p->digest, sizeof(digest)) != 0) {
        return say(t, VERDICT_LOST, "another report than was sent");
    }
    if (!node_in_read(t->node, p->id, &row)) {
        return say(t, VERDICT_LOST, "a message that was confirmed is not there");
    }
    return row.state >= TMX_IN_DELIVERED ? VERDICT_OK
                                         : check_container(t, TMX_NT_IN_CONTAINER, p->id, row.container_bytes,
                                                           row.container_digest);
}

static enum verdict check_acknowledged(struct trial *t, const struct promise *p)
{
    struct tmx_row_in row;
    if (!node_in_read(t->node, p->id, &row) || row.state != TMX_IN_DELIVERED) {
        return say(t, VERDICT_LOST, "what an application acknowledged is not delivered");
    }
    return VERDICT_OK;
}

static enum verdict check_promises(struct trial *t)
{
    const struct ledger *l = t->ledger;
    struct tmx_node_state_view v;
    if (tmx_node_state(t->node, &v) < 0 || v.feed_next < l->feed_next) {
        return say(t, VERDICT_LOST, "leaves that were acknowledged to the broker are not known");
    }
    enum verdict r = VERDICT_OK;
    for (size_t i = 0; r == VERDICT_OK && i < l->n; i++) {
        const struct promise *p = &l->promises[i];
        r = p->kind == SUBMITTED  ? check_submitted(t, p)
            : p->kind == SIGNED   ? check_signed(t, p)
            : p->kind == REPORTED ? check_reported(t, p)
                                  : check_acknowledged(t, p);
    }
    const char *wrong = r == VERDICT_OK ? operated_node(t->node, t->spool, l->operated) : NULL;
    r = wrong != NULL ? say(t, VERDICT_LOST, wrong) : r;
    return t->node->fault == 0 || r != VERDICT_OK ? r : say(t, VERDICT_CORRUPT, "a row cannot be read");
}

static uint64_t promises(const void *ledger)
{
    const struct ledger *l = ledger;
    return l->n + l->operated;
}

static enum verdict check(const void *ledger, const char *folder, char *ret_why, size_t why_size)
{
    struct trial t = { .ledger = ledger, .why = ret_why, .why_size = why_size };
    enum verdict v = recover(&t, folder);
    v = v == VERDICT_OK ? check_promises(&t) : v;
    if (v == VERDICT_OK && sweep_go_on(t.spool) < 0) {
        v = say(&t, VERDICT_CORRUPT, "no more turns can be made");
    }
    v = v == VERDICT_OK ? check_promises(&t) : v;
    t.node = tmx_node_free(t.node);
    t.spool = tmx_spool_close(t.spool);
    return v;
}

const struct subject subject = { start, said, promises, check, stop };
