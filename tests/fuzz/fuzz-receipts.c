/* SPDX-License-Identifier: Apache-2.0
 * What a node believes of a broker: signed checkpoints, consistency from one to the next, and that a leaf is in the
 * log. LINK-6, LINK-7, LOG-1
 *
 * Input: u8 what, u8 which, then bytes as they came, or changes to what the log of this program really gives:
 * { u8 action, u16 where, u8 value }*. A proof of anything but what is in the log must fail; the right one must hold.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "federation.h"
#include "fuzz.h"
#include "link.pb-c.h"

enum { NOTE_RAW, NOTE_CHANGED, TEXT_SIGNED, PATH_CHANGED, CONSISTENCY_CHANGED, ITEM_RAW, KEY_TEXT, PATH_RAW, KINDS };

#define LEAVES 21u

struct log {
    struct federation federation;
    struct tmx_verify_key key;
    struct tmx_hash level[6][LEAVES];   /* perfect subtrees */
    struct tmx_hash root[LEAVES + 1];
    uint8_t note[LEAVES + 1][TMX_CHECKPOINT_MAX];
    size_t note_size[LEAVES + 1];
};

static struct tmx_bytes entry_of(uint64_t index, char text[16])
{
    int n = snprintf(text, 16, "leaf %llu", (unsigned long long)index);
    return TMX_BYTES(text, (size_t)n);
}

static void keep(void *ctx, unsigned level, uint64_t index, const struct tmx_hash *hash)
{
    struct log *l = ctx;
    l->level[level][index] = *hash;
}

static bool fetch(void *ctx, unsigned level, uint64_t index, struct tmx_hash *ret_hash)
{
    const struct log *l = ctx;
    *ret_hash = l->level[level][index];
    return true;
}

static struct log *the_log(void)
{
    static struct log *l;
    static const char *const codes[] = { "DE", "IT" };
    if (l != NULL) {
        return l;
    }
    l = calloc(1, sizeof(*l));
    assert(l != NULL);
    federation_init(&l->federation, codes, TMX_N(codes), 1790000000000);
    bool right = tmx_verify_key_init(TMX_LIT("tmx.test/log/2026a"), TMX_NOTE_ED25519, l->federation.log_public, &l->key);
    assert(right);
    struct tmx_frontier frontier = { .size = 0 };
    for (size_t i = 0; i < LEAVES; i++) {
        char text[16];
        struct tmx_hash leaf = tmx_merkle_leaf(entry_of(i, text));
        struct tmx_checkpoint c = { .size = i + 1 };
        tmx_frontier_append(&frontier, &leaf, keep, l);
        c.root = l->root[i + 1] = tmx_frontier_root(&frontier);
        memcpy(c.origin, l->key.name, strlen(l->key.name));
        struct tmx_writer w = TMX_WRITER_OF(l->note[i + 1]);
        tmx_checkpoint_sign(&c, &l->key, l->federation.log_secret, &w);
        l->note_size[i + 1] = w.used;
    }
    return l;
}

/* What verifies is a head this log signed. */
static void check_note(struct log *l, struct tmx_bytes note)
{
    struct tmx_checkpoint c;
    struct tmx_bytes text;
    bool noted = tmx_note_verify(note, &l->key, &text);
    bool right = tmx_checkpoint_verify(note, &l->key, &c);
    assert(noted || !right);
    if (right) {
        assert(c.size >= 1 && c.size <= LEAVES && tmx_hash_eq(&c.root, &l->root[c.size]));
        assert(strcmp(c.origin, l->key.name) == 0);
    }
}

/* A text the log's key signs: it is a checkpoint exactly when writing it again gives the same bytes. */
static void check_text(struct log *l, struct tmx_bytes text)
{
    uint8_t note[TMX_NOTE_MAX], again[TMX_CHECKPOINT_MAX];
    struct tmx_writer w = TMX_WRITER_OF(note), a = TMX_WRITER_OF(again);
    struct tmx_checkpoint c;
    bool parsed = tmx_checkpoint_parse(text, &c);
    if (parsed) {
        tmx_checkpoint_text(&c, &a);
        assert(!a.failed && tmx_bytes_eq(tmx_written(&a), text));
    }
    if (text.size == 0 || text.size > 4096 || text.data[text.size - 1] != '\n') {
        return;
    }
    tmx_note_sign(&w, text, &l->key, l->federation.log_secret);
    struct tmx_bytes signed_text;
    bool verified = tmx_note_verify(tmx_written(&w), &l->key, &signed_text);
    assert(!verified || tmx_bytes_eq(signed_text, text));
    if (tmx_checkpoint_verify(tmx_written(&w), &l->key, &c)) {
        assert(parsed && strcmp(c.origin, l->key.name) == 0);
    }
}

static void check_path(struct log *l, uint8_t which, struct tmx_reader *r, bool raw)
{
    uint64_t size = 1 + which % LEAVES, index = tmx_read_u8(r) % size, of = tmx_read_u8(r) % (LEAVES + 2);
    struct tmx_proof proof = { .n = 0 };
    char text[16];
    struct tmx_hash leaf = tmx_merkle_leaf(entry_of(of, text));
    bool made = tmx_merkle_path(index, size, fetch, l, &proof);
    assert(made);
    struct tmx_bytes right = TMX_BYTES(proof.hash, proof.n * TMX_HASH_SIZE);
    size_t n = r->left;
    uint8_t *data = raw ? NULL : fuzz_changed(right, r, &n);
    struct tmx_bytes path = raw ? TMX_BYTES(r->at, n) : TMX_BYTES(data, n);
    bool same = tmx_bytes_eq(path, right) && of == index;
    assert(tmx_merkle_verify_path(index, size, &leaf, path, &l->root[size]) == same);
    struct tmx_hash root;
    for (uint64_t i = 0; i < 8; i++) {   /* anywhere, and at the end of the numbers */
        (void)!tmx_merkle_path_root(i, UINT64_MAX - i, &leaf, path, &root);
        (void)!tmx_merkle_path_root(UINT64_MAX - i, UINT64_MAX, &leaf, path, &root);
        (void)!tmx_merkle_path_root(i, i, &leaf, path, &root);
    }
    free(data);
}

static void check_consistency(struct log *l, uint8_t which, struct tmx_reader *r)
{
    uint64_t second = 1 + which % LEAVES, first = tmx_read_u8(r) % (second + 1), other = tmx_read_u8(r) % (LEAVES + 1);
    struct tmx_proof proof = { .n = 0 };
    bool made = tmx_merkle_consistency(first, second, fetch, l, &proof);
    assert(made);
    struct tmx_bytes right = TMX_BYTES(proof.hash, proof.n * TMX_HASH_SIZE);
    size_t n;
    uint8_t *data = fuzz_changed(right, r, &n);
    struct tmx_bytes path = TMX_BYTES(data, n);
    bool same = tmx_bytes_eq(path, right) && (first == 0 || other == first);
    assert(tmx_merkle_verify_consistency(first, &l->root[other], second, &l->root[second], path) == same);
    (void)!tmx_merkle_verify_consistency(UINT64_MAX - first, &l->root[other], UINT64_MAX, &l->root[second], path);
    (void)!tmx_merkle_verify_consistency(second, &l->root[other], first, &l->root[second], path);
    free(data);
}

/* A FeedItem as it travels: in the log or not. */
static void check_item(struct log *l, uint8_t which, struct tmx_bytes frame)
{
    const Tmx__FeedItem *item = fuzz_unpack(&tmx__feed_item__descriptor, frame, fuzz_arena());
    uint64_t size = 1 + which % LEAVES;
    char text[16];
    if (item == NULL) {
        return;
    }
    struct tmx_hash leaf = tmx_merkle_leaf(tmx_pb(item->entry));
    if (tmx_merkle_verify_path(item->index, size, &leaf, tmx_pb(item->path), &l->root[size])) {
        assert(item->index < size && tmx_bytes_eq(tmx_pb(item->entry), entry_of(item->index, text)));
    }
}

static void check_key(struct tmx_bytes text)
{
    struct tmx_verify_key key;
    uint8_t again[512];
    struct tmx_writer w = TMX_WRITER_OF(again);
    if (tmx_verify_key_parse(text, &key)) {
        tmx_verify_key_format(&key, &w);
        assert(tmx_bytes_eq(tmx_written(&w), text) && tmx_key_name_ok(tmx_bytes_str(key.name)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct log *l = the_log();
    struct tmx_reader r = tmx_reader_init(TMX_BYTES(data, size));
    uint8_t what = tmx_read_u8(&r), which = tmx_read_u8(&r);
    uint64_t head = 1 + which % LEAVES;
    uint8_t *bytes = NULL;
    size_t n;
    switch (what % KINDS) {
    case NOTE_RAW:
        check_note(l, TMX_BYTES(r.at, r.left));
        break;
    case NOTE_CHANGED:
        bytes = fuzz_changed(TMX_BYTES(l->note[head], l->note_size[head]), &r, &n);
        check_note(l, TMX_BYTES(bytes, n));
        break;
    case TEXT_SIGNED:
        check_text(l, TMX_BYTES(r.at, r.left));
        break;
    case PATH_CHANGED:
    case PATH_RAW:
        check_path(l, which, &r, what % KINDS == PATH_RAW);
        break;
    case CONSISTENCY_CHANGED:
        check_consistency(l, which, &r);
        break;
    case ITEM_RAW:
        check_item(l, which, TMX_BYTES(r.at, r.left));
        break;
    default:
        check_key(TMX_BYTES(r.at, r.left));
        break;
    }
    free(bytes);
    return 0;
}
