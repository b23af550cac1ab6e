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

#include "check_parts.h"
#include "crew.h"
#include "export_dir.h"
#include "pruned.h"
#include "sums.h"

const struct tmx_audit *tmx_check_audit(const struct tmx_check *c)
{
    return c->audit;
}

const struct tmx_checkpoint *tmx_check_head(const struct tmx_check *c)
{
    return &c->head;
}

uint64_t tmx_check_pruned(const struct tmx_check *c)
{
    return c->pruned;
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
    free(c->loose);
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

static void sums_fault(void *ctx, const char *text)
{
    struct tmx_check *c = ctx;

    tmx_audit_fault(c->audit, AUDIT_SUMS, AUDIT_NO_INDEX, "%s", text);
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

static bool root_at(void *ctx, uint64_t size, struct tmx_hash *ret_root)
{
    struct tmx_check *c = ctx;

    return tmx_tree_root_at(c->tree, c, size, ret_root);
}

/* --- entries -------------------------------------------------------------------------------------------------- */

static int check_bundle(struct tmx_check *c, const struct tmx_bundle *b)
{
    for (unsigned i = 0; i < b->entries; i++) {
        int r = tmx_audit_next(c->audit, b->entry[i], &b->prepared[i]);

        if (r == 0) {
            tmx_tree_append(c->tree, &b->prepared[i].leaf, tmx_check_full_tile, c);
            r = c->failed;
        }
        if (r == 0 && c->watch != NULL) {
            r = c->watch(c->watch_ctx, c->audit);
        }
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

/* A bundle that is not as it must be: nothing after it is checked. */
static void bundle_fault(struct tmx_check *c, const struct tmx_bundle *b)
{
    const struct tmx_export_name name = { .entries = true, .n = b->n, .width = b->width };
    char path[EXPORT_PATH_MAX];

    tmx_export_path(&name, path);
    if (b->error < 0) {
        tmx_audit_fault(c->audit, AUDIT_ENTRIES, b->n * TMX_TILE_WIDTH, "%s: %s; nothing after it was checked", path,
                        strerror(-b->error));
    } else {
        tmx_audit_fault(c->audit, AUDIT_ENTRIES, tmx_tree_size(c->tree),
                        "%s does not hold %u whole entries; nothing after it was checked", path, b->width);
    }
}

/* Before which index there are no entries. An export that says something else has to have them all. */
static void check_pruned(struct tmx_check *c)
{
    const int r = tmx_pruned_read(c->fd, c->head.size, &c->pruned);

    if (r < 0) {
        tmx_audit_fault(c->audit, AUDIT_ENTRIES, AUDIT_NO_INDEX, PRUNED_FILE ": %s",
                        r == -EBADMSG ? "not an index before which a log of this size can be pruned" : strerror(-r));
    }
    tmx_audit_begin_at(c->audit, c->pruned);
}

/* All entries up to the head's size, or up to the first bundle that is not whole. */
static int check_entries(struct tmx_check *c, unsigned jobs)
{
    const struct tmx_bundle *b;
    struct tmx_crew *crew;
    bool whole = true;
    int r;

    check_pruned(c);
    r = tmx_check_leaves(c, &whole);
    if (r == 0 && whole) {
        r = tmx_check_kept(c);
    }
    if (r < 0 || !whole) {
        return r;
    }
    r = tmx_crew_new(c->fd, c->pruned / TMX_TILE_WIDTH, c->head.size, jobs, find_directory, c, &crew);
    if (r < 0) {
        return r;
    }
    while (r == 0 && whole && (b = tmx_crew_next(crew)) != NULL) {
        r = check_bundle(c, b);
        whole = b->error == 0 && b->whole;
        if (r == 0 && !whole) {
            bundle_fault(c, b);
        }
    }
    tmx_crew_free(crew);
    return r;
}

/* A policy beside the log is the one of the newest directory. Exports of old have none. */
static void check_policy(struct tmx_check *c)
{
    const struct tmx_directory *d = tmx_audit_directories_newest(c->directories);
    uint8_t *policy;
    size_t size;
    int r = tmx_export_read(c->fd, "policy", TMX_DIRECTORY_MAX, &policy, &size);

    if (r == -ENOENT) {
        return;
    }
    if (r < 0) {
        tmx_audit_fault(c->audit, AUDIT_DIRECTORY, AUDIT_NO_INDEX, "policy: %s", strerror(-r));
        return;
    }
    if (d == NULL || !tmx_bytes_eq(TMX_BYTES(policy, size), tmx_pb(tmx_directory_pb(d)->witness_policy))) {
        tmx_audit_fault(c->audit, AUDIT_DIRECTORY, AUDIT_NO_INDEX, "policy: not the one of the newest directory");
    }
    free(policy);
}

/* By the policy of the newest directory. A head that too few have cosigned is no fault of the log's; a line that does not
 * verify is one of the export's. */
static void check_witnesses(struct tmx_check *c, struct tmx_bytes note)
{
    const struct tmx_directory *d = tmx_audit_directories_newest(c->directories);
    const struct tmx_policy *policy = d == NULL ? NULL : tmx_directory_policy(d);

    c->witnesses = policy == NULL ? 0 : (unsigned)policy->n_witnesses;
    if (c->witnesses > 0 && !tmx_policy_check(policy, note, &c->quorum)) {
        tmx_audit_fault(c->audit, AUDIT_CHECKPOINT, AUDIT_NO_INDEX, "a cosignature of the head does not verify");
    }
}

unsigned tmx_check_witnesses(const struct tmx_check *c, struct tmx_quorum *ret_quorum)
{
    *ret_quorum = c->quorum;
    return c->witnesses;
}

static int check_log(struct tmx_check *c, struct tmx_bytes note, unsigned jobs, const char **ret_what)
{
    struct tmx_hash root;
    int r;

    *ret_what = "out of memory";
    if (!head_verifies(c, note)) {
        tmx_audit_fault(c->audit, AUDIT_CHECKPOINT, AUDIT_NO_INDEX, "no directory lists a key of %s that signed it",
                        c->head.origin);
    }
    check_witnesses(c, note);
    r = check_entries(c, jobs);
    if (r < 0) {
        return r;
    }
    root = tmx_tree_root(c->tree);
    if (tmx_tree_size(c->tree) != c->head.size || !tmx_hash_eq(&root, &c->head.root)) {
        tmx_audit_fault(c->audit, AUDIT_ROOT, AUDIT_NO_INDEX, "%llu entries do not give the signed root of %llu",
                        (unsigned long long)tmx_tree_size(c->tree), (unsigned long long)c->head.size);
    }
    if (tmx_tree_size(c->tree) == c->head.size) {
        tmx_check_edge(c);
        *ret_what = "cannot read what the export holds of earlier heads";
        r = tmx_check_old_heads(c);
    }
    if (r < 0) {
        return r;
    }
    r = tmx_export_walk(&c->fd, 1, "tile", tmx_check_stray, c);
    if (r == -ENOENT) {
        r = 0; /* said already: no bundle could be read */
    }
    *ret_what = "cannot read the folder \"tile\"";
    return r;
}

/* The list of files, if there is one, and its signature. */
static int check_sums(struct tmx_check *c, const struct tmx_signify_public *signer)
{
    int r = tmx_sums_check(c->fd, c->head.size, c->pruned, sums_fault, c);

    if (r < 0) {
        return r;
    }
    r = tmx_signify_check(c->fd, signer);
    if (r < 0 || (r != SIGNIFY_OK && (r != SIGNIFY_E_NONE || signer != NULL))) {
        tmx_audit_fault(c->audit, AUDIT_SUMS, AUDIT_NO_INDEX, SUMS_SIGNATURE ": %s",
                        r < 0 ? strerror(-r) : tmx_signify_text(r));
    }
    return 0;
}

static int check_open(struct tmx_check *c, const char *dir, const char *authority_file, unsigned jobs,
                      const struct tmx_signify_public *signer, const char **ret_what)
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
    r = tmx_tree_new(tmx_check_read_tile, &c->tree);
    if (r == 0) {
        r = tmx_audit_new(tmx_audit_shard(c->head.origin), hash_key, find_directory, root_at, c, &c->audit);
    }
    if (r == 0) {
        r = tmx_audit_directories_load(c->fd, &authority, directory_fault, c, &c->directories);
    }
    if (r == 0) {
        check_policy(c);
        r = check_log(c, TMX_BYTES(note, size), jobs, ret_what);
    }
    if (r == 0) {
        *ret_what = "cannot read the export through";
        r = check_sums(c, signer);
    }
    free(note);
    return r;
}

static int check(const char *dir, const char *authority_file, unsigned jobs, const struct tmx_signify_public *signer,
                 tmx_check_watch_fn *watch, void *ctx, struct tmx_check **ret_check, const char **ret_what)
{
    struct tmx_check *c = calloc(1, sizeof *c);
    int r;

    *ret_what = "out of memory";
    if (c == NULL) {
        return -ENOMEM;
    }
    c->fd = -1;
    c->watch = watch;
    c->watch_ctx = ctx;
    r = check_open(c, dir, authority_file, jobs, signer, ret_what);
    if (r < 0) {
        tmx_check_free(c);
        return r;
    }
    *ret_check = c;
    return 0;
}

int tmx_check_export(const char *dir, const char *authority_file, unsigned jobs, const struct tmx_signify_public *signer,
                     struct tmx_check **ret_check, const char **ret_what)
{
    return check(dir, authority_file, jobs, signer, NULL, NULL, ret_check, ret_what);
}

int tmx_check_watched(const char *dir, const char *authority_file, unsigned jobs, tmx_check_watch_fn *watch, void *ctx,
                      struct tmx_check **ret_check, const char **ret_what)
{
    return check(dir, authority_file, jobs, NULL, watch, ctx, ret_check, ret_what);
}
