/* SPDX-License-Identifier: Apache-2.0
 * See evidence_fixture.h: how bundles are made. The samples themselves are in evidence_samples.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tmx/seal.h>

#include "evidence_fixture.h"

#define WITNESS_STEP_S 60u

void sample_log(void)
{
    Tmx__LogEntry start = book_entry(TMX__ENTRY_KIND__ENTRY_SHARD_START);

    start.number = 1;
    book_put(&start);
    book_put_directory();
    book_put_prekeys("CH", "CH", 1);
    book_put_prekeys("DE", "DE", 1);
    book_put_prekeys("FR", "FR", 1);
}

void sample_new_shard(void)
{
    Tmx__LogEntry start = book_entry(TMX__ENTRY_KIND__ENTRY_SHARD_START);

    federation_new_shard(&book->federation, "2026b");
    book_keep_directory(book);
    book->n = 0;
    book->frontier = (struct tmx_frontier){ .size = 0 };
    start.number = 2;
    book_put(&start);
    book_put_directory();
}

/* --- containers ------------------------------------------------------------------------------------------------- */

static void seal(const struct mail *m, const char *from, const char *const *to, size_t n, bool last_resort,
                 struct tmx_bytes payload, uint8_t **ret_container, size_t *ret_size, uint8_t ret_key[32])
{
    static const uint8_t random[56] = { 7, 7, 7 };
    Tmx__Content content = TMX__CONTENT__INIT;
    struct tmx_bytes names[2];
    struct tmx_seal_slot slots[2];
    struct tmx_seal_sender sender;
    struct tmx_seal_context ctx = {
        .message_id = m->id, .sender = tmx_bytes_str(from), .n_recipients = n, .recipients = names
    };
    uint8_t *plaintext;
    size_t size;
    struct tmx_writer w;

    content.message_id = book_bin(m->id, sizeof m->id);
    content.message_type = m->header.message_type;
    content.mrn = book_str("26DE004051K7M2P8J8");
    content.media_type = book_str("application/xml");
    content.file_name = book_str("d\xc3\xa9part\x1b[2J.xml");
    assert_int_equal(tmx_content_pack(NULL, &content, payload, &plaintext, &size), 0);
    tmx_seal_sender_init(random, &sender);
    for (size_t i = 0; i < n; i++) {
        const struct federation_member *f = federation_find(&book->federation, to[i]);
        const uint8_t *key =
            last_resort ? f->last_resort_public : f->curve_public; /* as book_put_prekeys publishes it */

        names[i] = tmx_bytes_str(to[i]);
        tmx_seal_key_id(key, slots[i].key_id);
        assert_true(tmx_seal_pair_send(&sender, key, tmx_bytes_str(from), names[i], slots[i].ps));
    }
    *ret_size = TMX_SEAL_OVERHEAD(n) + size;
    *ret_container = malloc(*ret_size);
    w = tmx_writer_init(*ret_container, *ret_size);
    tmx_seal(&w, TMX_BYTES(plaintext, size), &ctx, &sender, slots, random, ret_key);
    assert_int_equal(tmx_written(&w).size, *ret_size);
    free(plaintext);
}

void sample_compose(struct parcel *p, const char *from, const char *to, const char *to2, bool last_resort)
{
    const char *const names[] = { to, to2 };

    book_compose(&p->mail, from, to, to2);
    seal(&p->mail, from, names, to2 == NULL ? 1 : 2, last_resort, TMX_LIT("<CD001C>what is declared</CD001C>"),
         &p->container, &p->container_size, p->content_key);
    tmx_digest(TMX_BYTES(p->container, p->container_size), p->mail.container_digest);
    p->mail.header.container_bytes = p->container_size;
}

void sample_parcel_free(struct parcel *p)
{
    free(p->container);
    p->container = NULL;
}

struct tmx_bytes sample_attachment(const struct parcel *p, uint8_t ret_digest[32])
{
    static const char *const to[] = { "DE" };
    struct tmx_bytes copy;
    uint8_t *container;
    uint8_t key[32];
    size_t size;

    seal(&p->mail, "FR", to, 1, false, TMX_LIT("the seals are broken"), &container, &size, key);
    assert_true(tmx_arena_copy(&book->arena, TMX_BYTES(container, size), &copy));
    free(container);
    tmx_digest(copy, ret_digest);
    return copy;
}

/* --- directories ------------------------------------------------------------------------------------------------ */

static void add_signature(Tmx__SignedDirectory *s, const Tmx__Directory *d, const uint8_t secret[64])
{
    static Tmx__AuthoritySignature signatures[2];
    static Tmx__AuthoritySignature *list[2];
    static uint8_t sig[2][64];
    struct tmx_verify_key key;
    uint8_t text[512];
    struct tmx_writer w = TMX_WRITER_OF(text);
    const size_t i = s->n_signatures++;

    tmx_directory_text(tmx_pb(d->federation), d->serial, tmx_pb(s->directory), &w);
    crypto_sign_detached(sig[i], NULL, text, tmx_written(&w).size, secret);
    assert_true(tmx_verify_key_init(TMX_LIT("tmx.test/authority/1"), TMX_NOTE_ED25519, secret + 32, &key));
    signatures[i] = (Tmx__AuthoritySignature)TMX__AUTHORITY_SIGNATURE__INIT;
    signatures[i].key_id = key.id;
    signatures[i].signature = book_bin(sig[i], 64);
    list[i] = &signatures[i];
    s->signatures = list;
}

void sample_change_directory(sample_edit_fn *edit, const uint8_t *other_secret)
{
    struct federation *f = &book->federation;
    Tmx__SignedDirectory *old;
    Tmx__SignedDirectory s = TMX__SIGNED_DIRECTORY__INIT;
    Tmx__Directory *d;
    struct tmx_bytes body;
    struct tmx_bytes file;

    f->serial++;
    federation_sign(f);
    assert_int_equal(
        tmx_codec_unpack(&tmx__signed_directory__descriptor, federation_file(f), TMX_DIRECTORY_MAX, &book->arena, &old),
        0);
    assert_int_equal(
        tmx_codec_unpack(&tmx__directory__descriptor, tmx_pb(old->directory), TMX_DIRECTORY_MAX, &book->arena, &d), 0);
    edit(d);
    assert_int_equal(tmx_codec_pack(d, &book->arena, &body), 0);
    s.directory = tmx_to_pb(body);
    add_signature(&s, d, f->authority_secret);
    if (other_secret != NULL) {
        add_signature(&s, d, other_secret);
    }
    assert_int_equal(tmx_codec_pack(&s, &book->arena, &file), 0);
    free(f->file);
    f->file = malloc(file.size);
    memcpy(f->file, file.data, file.size);
    f->file_size = file.size;
    book_keep_directory(book);
}

/* --- bundles ---------------------------------------------------------------------------------------------------- */

void sample_begin(struct bundle *b, const struct parcel *p)
{
    memset(b, 0, sizeof *b);
    b->pb = (Tmx__Evidence)TMX__EVIDENCE__INIT;
    b->pb.version = TMX_EVIDENCE_VERSION;
    b->pb.message_id = book_bin(p->mail.id, TMX_ID_SIZE);
    b->pb.directories = b->directories;
    b->pb.checkpoints = b->checkpoints;
    b->pb.leaves = b->leaves;
}

void sample_directories(struct bundle *b, uint64_t first, uint64_t last)
{
    for (uint64_t serial = first; serial <= last; serial++) {
        b->directories[b->pb.n_directories++] =
            book_bin(book->directory_files[serial - 1], book->directory_sizes[serial - 1]);
    }
}

uint32_t sample_head(struct bundle *b, unsigned witnesses)
{
    struct federation *f = &book->federation;
    struct tmx_checkpoint head = { .size = book->n, .root = book->roots[book->n] };
    struct tmx_writer origin = tmx_writer_init(head.origin, sizeof head.origin - 1);
    uint8_t text[TMX_CHECKPOINT_MAX];
    uint8_t note[4 * TMX_CHECKPOINT_MAX];
    struct tmx_writer t = TMX_WRITER_OF(text);
    struct tmx_writer w = TMX_WRITER_OF(note);
    struct tmx_verify_key key;
    struct tmx_bytes copy;

    tmx_log_origin(f->name, tmx_bytes_str(f->shard), &origin);
    assert_true(tmx_verify_key_init(tmx_written(&origin), TMX_NOTE_ED25519, f->log_public, &key));
    tmx_checkpoint_text(&head, &t);
    tmx_checkpoint_sign(&head, &key, f->log_secret, &w);
    for (unsigned i = 0; i < witnesses; i++) {
        const struct federation_member *m = &f->members[i];
        char name[TMX_KEYNAME_MAX];
        const int n = snprintf(name, sizeof name, "tmx.test/witness/%s", m->code);

        assert_true(tmx_verify_key_init(TMX_BYTES(name, (size_t)n), TMX_NOTE_COSIGNATURE, m->witness_public, &key));
        tmx_cosignature_add_line(&w, tmx_written(&t), book->now_ms / 1000 + WITNESS_STEP_S * (i + 1), &key,
                                 m->witness_secret);
    }
    assert_true(tmx_arena_copy(&book->arena, tmx_written(&w), &copy));
    b->checkpoints[b->pb.n_checkpoints] = tmx_to_pb(copy);
    return (uint32_t)b->pb.n_checkpoints++;
}

/* tmx_merkle_fetch_fn, from the entries themselves. */
static bool fetch(void *ctx, unsigned level, uint64_t index, struct tmx_hash *ret_hash)
{
    struct tmx_frontier f = { .size = 0 };

    for (uint64_t i = index << level; i < (index + 1) << level; i++) {
        const struct tmx_hash leaf = tmx_merkle_leaf(book->entries[i]);

        tmx_frontier_append(&f, &leaf, NULL, NULL);
    }
    *ret_hash = tmx_frontier_root(&f);
    return true;
}

Tmx__EvidenceLeaf *sample_leaf(struct bundle *b, uint64_t index, uint32_t head)
{
    Tmx__EvidenceLeaf *l = &b->leaf[b->pb.n_leaves];
    const ProtobufCBinaryData note = b->checkpoints[head];
    struct tmx_checkpoint c;
    struct tmx_proof path;
    struct tmx_bytes text;
    struct tmx_bytes lines;
    struct tmx_bytes copy;

    assert_true(tmx_note_split(tmx_pb(note), &text, &lines) && tmx_checkpoint_parse(text, &c));
    assert_true(tmx_merkle_path(index, c.size, fetch, NULL, &path));
    assert_true(tmx_arena_copy(&book->arena, TMX_BYTES(path.hash, path.n * TMX_HASH_SIZE), &copy));
    *l = (Tmx__EvidenceLeaf)TMX__EVIDENCE_LEAF__INIT;
    l->entry = tmx_to_pb(book->entries[index]);
    l->index = index;
    l->path = tmx_to_pb(copy);
    l->checkpoint = head;
    b->leaves[b->pb.n_leaves++] = l;
    return l;
}

/* Room for what a bundle packs to. */
static size_t packed_room(const Tmx__Evidence *pb)
{
    size_t room = pb->container.len + 4096;

    for (size_t i = 0; i < pb->n_directories; i++) {
        room += pb->directories[i].len + 16;
    }
    for (size_t i = 0; i < pb->n_checkpoints; i++) {
        room += pb->checkpoints[i].len + 16;
    }
    for (size_t i = 0; i < pb->n_leaves; i++) {
        room += pb->leaves[i]->entry.len + pb->leaves[i]->path.len + pb->leaves[i]->attachment.len + 64;
    }
    return room;
}

struct tmx_bytes sample_pack(const Tmx__Evidence *pb)
{
    struct tmx_arena arena;
    struct tmx_bytes packed;
    uint8_t *file;

    assert_int_equal(tmx_arena_init(&arena, packed_room(pb)), 0);
    assert_int_equal(tmx_codec_pack(pb, &arena, &packed), TMX_CODEC_OK);
    file = malloc(packed.size);
    memcpy(file, packed.data, packed.size);
    tmx_arena_deinit(&arena);
    return TMX_BYTES(file, packed.size);
}
