/* SPDX-License-Identifier: Apache-2.0
 * audit-log FOLDER ENTRIES BATCH: writes an export of a log as honest members and an honest broker would fill it, with
 * BATCH bodies under each signature, and the authority's keys beside it (FOLDER.authority). For tests/bench/run.
 */
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <tmx/envelope.h>
#include <tmx/text.h>

#include "../../broker/audit/export_dir.h"
#include "../../broker/audit/writer.h"
#include "federation.h"

#define START_MS 1790000000000ull
#define DAY_MS 86400000ull

struct letter {
    uint8_t id[TMX_ID_SIZE];
    uint8_t header_digest[TMX_HASH_SIZE];
    uint8_t container_digest[TMX_HASH_SIZE];
    uint64_t seq;
    uint64_t index;
};

struct log {
    struct federation federation;
    struct tmx_export_writer *writer;
    struct tmx_arena arena; /* of a round */
    uint64_t n;             /* entries */
    uint64_t seq, batch_no;
    Tmx__Head seen;
    struct tmx_hash seen_root;
    size_t batch;
    struct letter letters[TMX_BATCH_MAX];
};

static void check(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "audit-log: %s\n", what);
        exit(1);
    }
}

static ProtobufCBinaryData bin(const void *data, size_t size)
{
    return (ProtobufCBinaryData){ size, (uint8_t *)(uintptr_t)data };
}

static ProtobufCBinaryData str(const char *text)
{
    return bin(text, strlen(text));
}

static void put(struct log *l, Tmx__LogEntry *e)
{
    struct tmx_bytes packed;

    e->time_ms = START_MS + l->n / 10;
    e->directory_serial = 1;
    check(tmx_codec_pack(e, &l->arena, &packed) == TMX_CODEC_OK && tmx_export_add(l->writer, packed) == 0,
          "an entry cannot be written");
    l->n++;
}

static void put_signed(struct log *l, const char *member, Tmx__LogEntry *entries, const struct tmx_bytes *bodies)
{
    struct federation_member *m = federation_find(&l->federation, member);
    struct tmx_signature signatures[TMX_BATCH_MAX];

    tmx_batch_sign(bodies, l->batch, ++l->batch_no, &m->key, m->sign_secret, signatures);
    for (size_t i = 0; i < l->batch; i++) {
        entries[i].member = str(member);
        entries[i].body = tmx_to_pb(bodies[i]);
        entries[i].signature = tmx_signature_to_pb(&signatures[i], &l->arena);
        put(l, &entries[i]);
    }
}

static void compose(struct log *l, struct letter *m, struct tmx_bytes *ret_body)
{
    Tmx__Header h = TMX__HEADER__INIT;
    Tmx__Recipient to = TMX__RECIPIENT__INIT;
    Tmx__Recipient *recipients[1] = { &to };
    uint8_t random[10];

    randombytes_buf(random, sizeof random);
    randombytes_buf(m->container_digest, sizeof m->container_digest);
    tmx_message_id(START_MS + l->n / 10, random, m->id);
    m->seq = ++l->seq;
    to.member = str("IT");
    to.seq = m->seq;
    h.kind = TMX__KIND__KIND_HEADER;
    h.directory_serial = 1;
    h.message_id = bin(m->id, sizeof m->id);
    h.sender = str("DE");
    h.message_type = str("CD001C");
    h.priority = 4;
    h.sent_ms = START_MS + l->n / 10;
    h.expires_ms = h.sent_ms + 7 * DAY_MS;
    h.container_bytes = 2216;
    h.container_digest = bin(m->container_digest, sizeof m->container_digest);
    h.n_recipients = 1;
    h.recipients = recipients;
    h.seen = &l->seen;
    check(tmx_codec_pack(&h, &l->arena, ret_body) == TMX_CODEC_OK, "a header cannot be packed");
    crypto_generichash(m->header_digest, sizeof m->header_digest, ret_body->data, ret_body->size, NULL, 0);
}

static void accept_all(struct log *l)
{
    Tmx__LogEntry entries[TMX_BATCH_MAX];
    struct tmx_bytes bodies[TMX_BATCH_MAX];

    for (size_t i = 0; i < l->batch; i++) {
        entries[i] = (Tmx__LogEntry)TMX__LOG_ENTRY__INIT;
        entries[i].kind = TMX__ENTRY_KIND__ENTRY_ACCEPTANCE;
        compose(l, &l->letters[i], &bodies[i]);
        l->letters[i].index = l->n + i;
    }
    put_signed(l, "DE", entries, bodies);
}

static void report_all(struct log *l, Tmx__Outcome outcome)
{
    Tmx__LogEntry entries[TMX_BATCH_MAX];
    Tmx__LogRef refs[TMX_BATCH_MAX];
    struct tmx_bytes bodies[TMX_BATCH_MAX];

    for (size_t i = 0; i < l->batch; i++) {
        const struct letter *m = &l->letters[i];
        Tmx__Report r = TMX__REPORT__INIT;

        refs[i] = (Tmx__LogRef)TMX__LOG_REF__INIT;
        refs[i].shard = str(l->federation.shard);
        refs[i].index = m->index;
        r.kind = TMX__KIND__KIND_REPORT;
        r.directory_serial = 1;
        r.message_id = bin(m->id, sizeof m->id);
        r.header_digest = bin(m->header_digest, sizeof m->header_digest);
        r.container_digest = bin(m->container_digest, sizeof m->container_digest);
        r.recipient = str("IT");
        r.seq = m->seq;
        r.acceptance = &refs[i];
        r.outcome = outcome;
        r.time_ms = START_MS + l->n / 10;
        r.seen = &l->seen;
        check(tmx_codec_pack(&r, &l->arena, &bodies[i]) == TMX_CODEC_OK, "a report cannot be packed");
        entries[i] = (Tmx__LogEntry)TMX__LOG_ENTRY__INIT;
        entries[i].kind = TMX__ENTRY_KIND__ENTRY_REPORT;
        entries[i].reference = &refs[i];
    }
    put_signed(l, "IT", entries, bodies);
}

/* What a member has seen when it signs: the head before the round. */
static void look(struct log *l)
{
    l->seen_root = tmx_export_root(l->writer);
    l->seen = (Tmx__Head)TMX__HEAD__INIT;
    l->seen.shard = str(l->federation.shard);
    l->seen.size = l->n;
    l->seen.root = bin(l->seen_root.b, sizeof l->seen_root.b);
}

static void begin(struct log *l)
{
    const struct tmx_bytes file = federation_file(&l->federation);
    Tmx__LogEntry e = TMX__LOG_ENTRY__INIT;
    uint8_t digest[TMX_HASH_SIZE];

    e.kind = TMX__ENTRY_KIND__ENTRY_SHARD_START;
    e.number = 1;
    put(l, &e);
    crypto_generichash(digest, sizeof digest, file.data, file.size, NULL, 0);
    e = (Tmx__LogEntry)TMX__LOG_ENTRY__INIT;
    e.kind = TMX__ENTRY_KIND__ENTRY_DIRECTORY;
    e.number = 1;
    e.digest = bin(digest, sizeof digest);
    put(l, &e);
}

static void finish(struct log *l, int dir, const char *folder)
{
    struct tmx_checkpoint head = { .size = l->n };
    struct tmx_writer origin = tmx_writer_init(head.origin, sizeof head.origin - 1);
    struct tmx_verify_key key;
    uint8_t text[4096];
    struct tmx_writer w = TMX_WRITER_OF(text);
    char beside[4096];
    FILE *out;

    head.root = tmx_export_root(l->writer);
    check(tmx_export_finish(l->writer) == 0, "the last tiles cannot be written");
    tmx_log_origin(l->federation.name, tmx_bytes_str(l->federation.shard), &origin);
    check(tmx_verify_key_init(tmx_written(&origin), TMX_NOTE_ED25519, l->federation.log_public, &key), "no log key");
    tmx_checkpoint_sign(&head, &key, l->federation.log_secret, &w);
    check(tmx_export_write(dir, "directories/1", federation_file(&l->federation)) == 0 &&
              tmx_export_write(dir, "checkpoint", tmx_written(&w)) == 0,
          "the checkpoint cannot be written");
    w = TMX_WRITER_OF(text);
    tmx_authority_format(&l->federation.authority, &w);
    snprintf(beside, sizeof beside, "%s.authority", folder);
    out = fopen(beside, "w");
    check(out != NULL && fwrite(text, 1, w.used, out) == w.used && fclose(out) == 0, "no authority file");
}

int main(int argc, char **argv)
{
    static const char *const codes[] = { "DE", "IT" };
    static struct log l;
    uint64_t entries = 0;
    uint64_t batch = 0;
    int dir;

    check(argc == 4 && tmx_parse_u64(tmx_bytes_str(argv[2]), 1u << 30, &entries) &&
              tmx_parse_u64(tmx_bytes_str(argv[3]), TMX_BATCH_MAX, &batch) && batch > 0,
          "usage: audit-log FOLDER ENTRIES BATCH");
    check(mkdir(argv[1], 0777) == 0, "the folder cannot be made, or is there already");
    dir = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    federation_init(&l.federation, codes, TMX_N(codes), START_MS - 1000);
    check(dir >= 0 && tmx_export_writer_new(&(struct tmx_export_writer_order){ .dir_fd = dir }, &l.writer) == 0 && tmx_arena_init(&l.arena, 4u << 20) == 0,
          "out of memory");
    l.batch = (size_t)batch;
    begin(&l);
    while (l.n < entries) {
        tmx_arena_reset(&l.arena);
        look(&l);
        accept_all(&l);
        report_all(&l, TMX__OUTCOME__OUTCOME_COA);
        report_all(&l, TMX__OUTCOME__OUTCOME_COD_POSITIVE);
    }
    finish(&l, dir, argv[1]);
    tmx_export_writer_free(l.writer);
    tmx_arena_deinit(&l.arena);
    federation_deinit(&l.federation);
    return 0;
}
