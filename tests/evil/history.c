/* SPDX-License-Identifier: Apache-2.0
 * Another history of the log, made of the entries of the true one, signed with the key of the log; and what is left for
 * others to judge. See evil.h.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tmx/envelope.h>
#include <tmx/text.h>

#include "evil.h"
#include "export_dir.h"
#include "seen.h"
#include "writer.h"

const char *const change_names[CHANGES] = { "nothing", "drop", "alter", "reorder", "back-date" };

static const struct tmx_verify_key *log_key(struct world *w)
{
    const struct tmx_verify_key *key =
        tmx_directory_log_key(tmx_node_directory(w->node[CH].node), tmx_bytes_str(w->federation.shard));
    assert_non_null(key);
    return key;
}

/* --- made */

static struct tmx_bytes entry_of(struct world *w, unsigned b, uint64_t index, struct tmx_arena *arena)
{
    uint8_t key[8];
    struct tmx_writer k = TMX_WRITER_OF(key);
    struct tmx_bytes value, copy;
    tmx_write_u64(&k, index);
    assert_int_equal(tmx_spool_get(w->broker[b].spool, TMX_T_LOG, TMX_BYTES_OF(key), &value), 0);
    assert_true(tmx_arena_copy(arena, value, &copy));
    return copy;
}

/* The same entry with a later code, or of the day before. */
static void rewrite(struct history *h, uint64_t index, enum change change)
{
    Tmx__LogEntry *e;
    assert_int_equal(tmx_entry_parse(h->entries[index], &h->arena, &e), 0);
    if (change == ALTER) {
        e->code++;
    } else {
        e->time_ms -= 86400000;
    }
    assert_int_equal(tmx_codec_pack(e, &h->arena, &h->entries[index]), TMX_CODEC_OK);
}

void history_make(struct world *w, unsigned b, size_t n, enum change change, uint64_t index, struct history *h)
{
    assert_true(n <= TMX_N(h->entries) && index + 1 < n);
    *h = (struct history){ .n = n };
    assert_int_equal(tmx_arena_init(&h->arena, 4u << 20), 0);
    assert_int_equal(tmx_tree_new(NULL, &h->tree), 0);
    for (size_t i = 0; i < n; i++) {
        h->entries[i] = entry_of(w, b, i, &h->arena);
    }
    struct tmx_bytes at = h->entries[index];
    switch ((unsigned)change) {
    case DROP:   /* what came behind moves up; the last entry is there twice */
        memmove(h->entries + index, h->entries + index + 1, (n - index - 1) * sizeof(at));
        break;
    case REORDER:
        h->entries[index] = h->entries[index + 1];
        h->entries[index + 1] = at;
        break;
    case ALTER:
    case BACK_DATE:
        rewrite(h, index, change);
        break;
    default:
        break;
    }
    for (size_t i = 0; i < n; i++) {
        struct tmx_hash leaf = tmx_merkle_leaf(h->entries[i]);
        tmx_tree_append(h->tree, &leaf, NULL, NULL);
    }
}

void history_free(struct history *h)
{
    tmx_tree_free(h->tree);
    tmx_arena_deinit(&h->arena);
}

struct tmx_bytes history_head(struct world *w, struct history *h, uint64_t size)
{
    uint8_t note[TMX_CHECKPOINT_MAX];
    struct tmx_writer out = TMX_WRITER_OF(note);
    struct tmx_checkpoint c = { .size = size };
    struct tmx_bytes copy;
    assert_true(tmx_tree_root_at(h->tree, NULL, size, &c.root));
    memcpy(c.origin, log_key(w)->name, sizeof(c.origin));
    tmx_checkpoint_sign(&c, log_key(w), w->federation.log_secret, &out);
    assert_true(tmx_arena_copy(&w->arena, tmx_written(&out), &copy));
    return copy;
}

struct tmx_bytes history_proof(struct world *w, struct history *h, uint64_t from, uint64_t to)
{
    struct tmx_proof proof;
    struct tmx_bytes copy;
    assert_true(tmx_tree_consistency_between(h->tree, NULL, from, to, &proof));
    assert_true(tmx_arena_copy(&w->arena, TMX_BYTES(proof.hash, proof.n * TMX_HASH_SIZE), &copy));
    return copy;
}

struct tmx_bytes history_root(struct world *w, struct history *h, uint64_t size)
{
    struct tmx_hash root;
    struct tmx_bytes copy = TMX_BYTES_NULL;
    if ((size & (size - 1)) == 0) {
        assert_true(tmx_tree_root_at(h->tree, NULL, size, &root));
        assert_true(tmx_arena_copy(&w->arena, TMX_BYTES_OF(root.b), &copy));
    }
    return copy;
}

/* --- left for others */

static int out_folder(void)
{
    const char *path = getenv("TMX_EVIL_OUT");
    int fd = path == NULL ? -1 : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(path == NULL || fd >= 0);
    return fd;
}

static void expect(int fd, const char *name, const char *expected)
{
    int list = openat(fd, "expected", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    assert_true(list >= 0 && dprintf(list, "%s %s\n", name, expected) > 0);
    close(list);
}

/* Keys with which everything is judged: those of every world are the same. */
static void leave_keys(struct world *w, int fd)
{
    uint8_t text[2048];
    struct tmx_writer keys = TMX_WRITER_OF(text);
    tmx_verify_key_format(log_key(w), &keys);
    tmx_write_u8(&keys, '\n');
    assert_int_equal(tmx_export_write(fd, "vkeys", tmx_written(&keys)), 0);
    keys = TMX_WRITER_OF(text);
    tmx_authority_format(&w->federation.authority, &keys);
    assert_int_equal(tmx_export_write(fd, "authority", tmx_written(&keys)), 0);
    assert_int_equal(tmx_export_write(fd, "directory", federation_file(&w->federation)), 0);
}

static bool newest(struct world *w, unsigned node, struct tmx_node_misbehaviour_view *v)
{
    v->number = 0;
    while (tmx_node_misbehaviour(w->node[node].node, v->number + 1, v)) {
    }
    return v->number > 0 && tmx_node_misbehaviour(w->node[node].node, v->number, v);   /* each look ends the one before */
}

static int judge(struct world *w, struct tmx_bytes file)
{
    static struct tmx_misbehaviour_room room;
    struct tmx_misbehaviour m;
    struct tmx_seen_claim claim;
    assert_true(tmx_misbehaviour_parse(file, &room, &m));
    assert_int_equal(tmx_seen_claim(&m, tmx_node_directory(w->node[CH].node), &claim), 0);
    return (int)tmx_misbehaviour_judge(&m, log_key(w));
}

int verdict_of(struct world *w, unsigned node)
{
    struct tmx_node_misbehaviour_view v;
    return newest(w, node, &v) ? judge(w, v.file) : -1;
}

void leave_proof(struct world *w, unsigned node, const char *name)
{
    static const char *const verdicts[] = { "fork", "fork-seen", "unproved", "unsigned", "fits" };
    struct tmx_node_misbehaviour_view v;
    int fd = out_folder();
    assert_true(newest(w, node, &v));
    if (fd >= 0) {
        leave_keys(w, fd);
        assert_int_equal(tmx_export_write(fd, name, v.file), 0);
        expect(fd, name, verdicts[judge(w, v.file)]);
        close(fd);
    }
}

void leave_export(struct world *w, struct history *h, const char *name, const char *expected)
{
    struct tmx_export_writer *writer;
    int fd = out_folder();
    if (fd < 0) {
        return;
    }
    leave_keys(w, fd);
    assert_int_equal(mkdirat(fd, name, 0755), 0);
    int dir = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(dir >= 0);
    assert_int_equal(tmx_export_writer_new(&(struct tmx_export_writer_order){ .dir_fd = dir }, &writer), 0);
    for (size_t i = 0; i < h->n; i++) {
        assert_int_equal(tmx_export_add(writer, h->entries[i]), 0);
    }
    assert_int_equal(tmx_export_finish(writer), 0);
    tmx_export_writer_free(writer);
    assert_int_equal(tmx_export_write(dir, "directories/1", federation_file(&w->federation)), 0);
    tmx_arena_reset(&w->arena);
    assert_int_equal(tmx_export_write(dir, "checkpoint", history_head(w, h, h->n)), 0);
    expect(fd, name, expected);
    close(dir);
    close(fd);
}
