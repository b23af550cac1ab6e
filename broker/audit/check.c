/* SPDX-License-Identifier: Apache-2.0
 * Reads an export and checks it: checkpoint, directories, entries, tiles, root.
 */
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tmx/text.h>
#include <tmx/tree.h>

#include "check.h"
#include "directories.h"
#include "export_dir.h"
#include "table.h"

struct tmx_check {
    int fd;
    struct tmx_audit *audit;
    struct tmx_tree *tree;
    struct tmx_checkpoint head;
    struct tmx_audit_directories *directories;
    /* Tiles the export lacks or has wrong, as they must be: later checks then speak of the entries alone. */
    struct tmx_audit_table own_tiles; /* (level, n) -> uint8_t * */
    int failed;                       /* an error inside a callback */
};

const struct tmx_audit *tmx_check_audit(const struct tmx_check *c)
{
    return c->audit;
}

const struct tmx_checkpoint *tmx_check_head(const struct tmx_check *c)
{
    return &c->head;
}

struct tmx_check *tmx_check_free(struct tmx_check *c)
{
    const struct tmx_audit_key *key;
    size_t at = 0;
    void *value;

    if (c == NULL) {
        return NULL;
    }
    while (tmx_audit_table_next(&c->own_tiles, &at, &key, &value)) {
        free(*(uint8_t **)value);
    }
    tmx_audit_table_deinit(&c->own_tiles);
    tmx_audit_directories_free(c->directories);
    tmx_tree_free(c->tree);
    tmx_audit_free(c->audit);
    if (c->fd >= 0) {
        close(c->fd);
    }
    free(c);
    return NULL;
}

static void directory_fault(void *ctx, const char *text)
{
    struct tmx_check *c = ctx;

    tmx_audit_fault(c->audit, AUDIT_DIRECTORY, AUDIT_NO_INDEX, "%s", text);
}

static const struct tmx_directory *find_directory(void *ctx, uint64_t serial)
{
    const struct tmx_check *c = ctx;

    return tmx_audit_directories_find(c->directories, serial);
}

static bool head_verifies(const struct tmx_check *c, struct tmx_bytes note)
{
    const struct tmx_verify_key *key = tmx_audit_log_key(c->directories, c->head.origin);
    struct tmx_checkpoint head;

    return key != NULL && tmx_checkpoint_verify(note, key, &head);
}

/* Reads the head as it stands there; the caller frees *ret_note and verifies it once it has the directories. */
static int read_head(struct tmx_check *c, uint8_t **ret_note, size_t *ret_size, const char **ret_what)
{
    struct tmx_bytes text;
    struct tmx_bytes lines;
    int r = tmx_export_read(c->fd, "checkpoint", TMX_NOTE_MAX, ret_note, ret_size);

    if (r < 0) {
        *ret_what = "cannot read the checkpoint";
        return r;
    }
    if (!tmx_note_split(TMX_BYTES(*ret_note, *ret_size), &text, &lines) || !tmx_checkpoint_parse(text, &c->head) ||
        tmx_audit_shard(c->head.origin).size == 0) {
        *ret_what = "the checkpoint is no signed checkpoint";
        free(*ret_note);
        return -EINVAL;
    }
    return 0;
}

/* --- tiles ---------------------------------------------------------------------------------------------------- */

static struct tmx_audit_key tile_key(unsigned level, uint64_t n)
{
    struct tmx_audit_key key = { { 0 } };
    struct tmx_writer w = TMX_WRITER_OF(key.b);

    tmx_write_u32(&w, level);
    tmx_write_u64(&w, n);
    return key;
}

/* Compares a tile file; false (a fault) when it is missing or differs. */
static bool check_tile_file(struct tmx_check *c, const struct tmx_export_name *name, struct tmx_bytes want)
{
    char path[EXPORT_PATH_MAX];
    uint8_t *data;
    size_t size;
    bool same;
    int r;

    tmx_export_path(name, path);
    r = tmx_export_read(c->fd, path, TMX_TILE_SIZE, &data, &size);
    if (r < 0) {
        tmx_audit_fault(c->audit, AUDIT_TILE, AUDIT_NO_INDEX, "%s: %s", path, strerror(-r));
        return false;
    }
    same = tmx_bytes_eq(TMX_BYTES(data, size), want);
    free(data);
    if (!same) {
        tmx_audit_fault(c->audit, AUDIT_TILE, AUDIT_NO_INDEX, "%s differs from what the entries give", path);
    }
    return same;
}

static int keep_own_tile(struct tmx_check *c, unsigned level, uint64_t n, const uint8_t tile[TMX_TILE_SIZE])
{
    const struct tmx_audit_key key = tile_key(level, n);
    uint8_t *copy = malloc(TMX_TILE_SIZE);
    void *value;
    bool new;
    int r = copy == NULL ? -ENOMEM : tmx_audit_table_put(&c->own_tiles, &key, &value, &new);

    if (r < 0) {
        free(copy);
        return r;
    }
    memcpy(copy, tile, TMX_TILE_SIZE);
    *(uint8_t **)value = copy;
    return 0;
}

static void on_full_tile(void *ctx, unsigned level, uint64_t n, const uint8_t tile[TMX_TILE_SIZE])
{
    struct tmx_check *c = ctx;
    const struct tmx_export_name name = { .level = level, .n = n, .width = TMX_TILE_WIDTH };
    int r = 0;

    if (!check_tile_file(c, &name, TMX_BYTES(tile, TMX_TILE_SIZE))) {
        r = keep_own_tile(c, level, n, tile);
    }
    if (r < 0) {
        c->failed = r;
    }
}

static bool read_tile(void *ctx, unsigned level, uint64_t n, uint8_t ret_tile[TMX_TILE_SIZE])
{
    struct tmx_check *c = ctx;
    const struct tmx_export_name name = { .level = level, .n = n, .width = TMX_TILE_WIDTH };
    const struct tmx_audit_key key = tile_key(level, n);
    uint8_t **own = tmx_audit_table_get(&c->own_tiles, &key);
    char path[EXPORT_PATH_MAX];
    uint8_t *data;
    size_t size;
    bool ok;

    if (own != NULL) {
        memcpy(ret_tile, *own, TMX_TILE_SIZE);
        return true;
    }
    tmx_export_path(&name, path);
    if (tmx_export_read(c->fd, path, TMX_TILE_SIZE, &data, &size) < 0) {
        return false;
    }
    ok = size == TMX_TILE_SIZE;
    if (ok) {
        memcpy(ret_tile, data, TMX_TILE_SIZE);
    }
    free(data);
    return ok;
}

static bool root_at(void *ctx, uint64_t size, struct tmx_hash *ret_root)
{
    struct tmx_check *c = ctx;

    return tmx_tree_root_at(c->tree, c, size, ret_root);
}

static void check_edge(struct tmx_check *c)
{
    for (unsigned level = 0; level < TMX_TREE_TILE_LEVELS; level++) {
        const struct tmx_bytes edge = tmx_tree_edge(c->tree, level);
        const struct tmx_export_name name = { .level = level,
                                              .n = tmx_tree_size(c->tree) >> (8 * (level + 1)),
                                              .width = (unsigned)(edge.size / TMX_HASH_SIZE) };

        if (edge.size > 0) {
            (void)check_tile_file(c, &name, edge);
        }
    }
}

/* A partial file an earlier export left beside its successor must be the beginning of it. */
static bool is_prefix(struct tmx_check *c, const struct tmx_export_name *name, unsigned full_width)
{
    struct tmx_export_name longer = *name;
    char paths[2][EXPORT_PATH_MAX];
    uint8_t *data[2] = { NULL, NULL };
    size_t sizes[2] = { 0, 0 };
    bool same = false;

    longer.width = full_width;
    tmx_export_path(name, paths[0]);
    tmx_export_path(&longer, paths[1]);
    if (tmx_export_read(c->fd, paths[0], EXPORT_BUNDLE_MAX, &data[0], &sizes[0]) == 0 &&
        tmx_export_read(c->fd, paths[1], EXPORT_BUNDLE_MAX, &data[1], &sizes[1]) == 0 && sizes[0] <= sizes[1] &&
        (name->entries || sizes[0] == (size_t)name->width * TMX_HASH_SIZE)) {
        same = memcmp(data[0], data[1], sizes[0]) == 0;
    }
    free(data[0]);
    free(data[1]);
    return same;
}

/* Every file under tile/ has a place in a log of this size. */
static int check_stray(void *ctx, const char *path)
{
    struct tmx_check *c = ctx;
    struct tmx_export_name name;
    uint64_t count;
    unsigned width;

    if (tmx_export_parse_path(path, &name)) {
        count = name.entries ? c->head.size : c->head.size >> (8 * name.level);
        width = name.n < count / TMX_TILE_WIDTH    ? TMX_TILE_WIDTH
                : name.n == count / TMX_TILE_WIDTH ? (unsigned)(count % TMX_TILE_WIDTH)
                                                   : 0;
        if (name.width == width || (name.width < width && is_prefix(c, &name, width))) {
            return 0;
        }
    }
    tmx_audit_fault(c->audit, AUDIT_TILE, AUDIT_NO_INDEX, "%s is not part of a log of this size, or not as it must be",
                    path);
    return 0;
}

/* --- entries -------------------------------------------------------------------------------------------------- */

static int check_bundle(struct tmx_check *c, const struct tmx_export_name *name, struct tmx_bytes bundle,
                        bool *ret_whole)
{
    struct tmx_reader r = tmx_reader_init(bundle);
    struct tmx_bytes entry;
    bool failed;
    unsigned n = 0;

    while (tmx_export_next_entry(&r, &entry, &failed) && n < name->width) {
        const struct tmx_hash leaf = tmx_merkle_leaf(entry);
        int e = tmx_audit_entry(c->audit, entry);

        if (e < 0) {
            return e;
        }
        tmx_tree_append(c->tree, &leaf, on_full_tile, c);
        if (c->failed < 0) {
            return c->failed;
        }
        n++;
    }
    *ret_whole = n == name->width && tmx_reader_done(&r);
    return 0;
}

/* All entries up to the head's size, or up to the first bundle that cannot be read. */
static int check_entries(struct tmx_check *c)
{
    bool whole = true;

    for (uint64_t at = 0; whole && at < c->head.size; at += TMX_TILE_WIDTH) {
        const uint64_t left = c->head.size - at;
        const struct tmx_export_name name = { .entries = true,
                                              .n = at / TMX_TILE_WIDTH,
                                              .width = left < TMX_TILE_WIDTH ? (unsigned)left : TMX_TILE_WIDTH };
        char path[EXPORT_PATH_MAX];
        uint8_t *data;
        size_t size;
        int r;

        tmx_export_path(&name, path);
        r = tmx_export_read(c->fd, path, EXPORT_BUNDLE_MAX, &data, &size);
        if (r < 0) {
            tmx_audit_fault(c->audit, AUDIT_ENTRIES, at, "%s: %s; nothing after it was checked", path, strerror(-r));
            return 0;
        }
        r = check_bundle(c, &name, TMX_BYTES(data, size), &whole);
        free(data);
        if (r < 0) {
            return r;
        }
        if (!whole) {
            tmx_audit_fault(c->audit, AUDIT_ENTRIES, tmx_tree_size(c->tree),
                            "%s does not hold %u whole entries; nothing after it was checked", path, name.width);
        }
    }
    return 0;
}

static int check_log(struct tmx_check *c, struct tmx_bytes note, const char **ret_what)
{
    struct tmx_hash root;
    int r;

    *ret_what = "out of memory";
    if (!head_verifies(c, note)) {
        tmx_audit_fault(c->audit, AUDIT_CHECKPOINT, AUDIT_NO_INDEX, "no directory lists a key of %s that signed it",
                        c->head.origin);
    }
    r = check_entries(c);
    if (r < 0) {
        return r;
    }
    root = tmx_tree_root(c->tree);
    if (tmx_tree_size(c->tree) != c->head.size || !tmx_hash_eq(&root, &c->head.root)) {
        tmx_audit_fault(c->audit, AUDIT_ROOT, AUDIT_NO_INDEX, "%llu entries do not give the signed root of %llu",
                        (unsigned long long)tmx_tree_size(c->tree), (unsigned long long)c->head.size);
    }
    if (tmx_tree_size(c->tree) == c->head.size) {
        check_edge(c);
    }
    r = tmx_export_walk(c->fd, "tile", check_stray, c);
    if (r == -ENOENT) {
        r = 0; /* said already: no bundle could be read */
    }
    *ret_what = "cannot read the folder \"tile\"";
    return r;
}

static int check_open(struct tmx_check *c, const char *dir, const char *authority_file, const char **ret_what)
{
    struct tmx_authority authority;
    uint8_t hash_key[16];
    uint8_t *note;
    size_t size;
    int r = tmx_audit_authority(authority_file, &authority, ret_what);

    if (r < 0) {
        return r;
    }
    c->fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (c->fd < 0) {
        *ret_what = "cannot open the export";
        return -errno;
    }
    r = read_head(c, &note, &size, ret_what);
    if (r < 0) {
        return r;
    }
    *ret_what = "out of memory";
    randombytes_buf(hash_key, sizeof hash_key);
    tmx_audit_table_init(&c->own_tiles, sizeof(uint8_t *), hash_key);
    r = tmx_tree_new(read_tile, &c->tree);
    if (r == 0) {
        r = tmx_audit_new(tmx_audit_shard(c->head.origin), hash_key, find_directory, root_at, c, &c->audit);
    }
    if (r == 0) {
        r = tmx_audit_directories_load(c->fd, &authority, directory_fault, c, &c->directories);
    }
    if (r == 0) {
        r = check_log(c, TMX_BYTES(note, size), ret_what);
    }
    free(note);
    return r;
}

int tmx_check_export(const char *dir, const char *authority_file, struct tmx_check **ret_check, const char **ret_what)
{
    struct tmx_check *c = calloc(1, sizeof *c);
    int r;

    *ret_what = "out of memory";
    if (c == NULL) {
        return -ENOMEM;
    }
    c->fd = -1;
    r = check_open(c, dir, authority_file, ret_what);
    if (r < 0) {
        tmx_check_free(c);
        return r;
    }
    *ret_check = c;
    return 0;
}
