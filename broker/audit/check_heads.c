/* SPDX-License-Identifier: Apache-2.0
 * What an export holds of earlier heads: the checkpoint of every hour, and the tokens of time anchors. LOG-5, LOG-9
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include <tmx/seal.h>

#include "check_parts.h"
#include "export_dir.h"

const struct tmx_check_heads *tmx_check_heads(const struct tmx_check *c)
{
    return &c->heads;
}

#define FAULT(c, class, fmt, ...) tmx_audit_fault((c)->audit, (class), AUDIT_NO_INDEX, fmt, __VA_ARGS__)

/* --- checkpoints ---------------------------------------------------------------------------------------------- */

/* By the policy in force at its last entry. */
static void check_cosigned(struct tmx_check *c, const char *path, uint64_t size, struct tmx_bytes note)
{
    const uint64_t serial = tmx_audit_directory_at(c->audit, size);
    const struct tmx_directory *d = tmx_audit_directories_find(c->directories, serial);
    const struct tmx_policy *policy = d == NULL ? NULL : tmx_directory_policy(d);
    struct tmx_quorum q = { .witnesses = 0 };

    c->heads.hourly++;
    if (serial == 0 && size <= c->pruned) {
        c->heads.unjudged++;
        return;
    }
    if (policy != NULL && !tmx_policy_check(policy, note, &q)) {
        FAULT(c, AUDIT_CHECKPOINT, "%s: a cosignature does not verify", path);
    }
    c->heads.least = c->heads.hourly - c->heads.unjudged == 1 || q.witnesses < c->heads.least ? q.witnesses : c->heads.least;
    c->heads.most = q.witnesses > c->heads.most ? q.witnesses : c->heads.most;
    c->heads.quorum += q.reached ? 1 : 0;
}

static void check_checkpoint(struct tmx_check *c, const char *path, uint64_t size, struct tmx_bytes note)
{
    const struct tmx_verify_key *key = tmx_audit_log_key(c->directories, c->head.origin);
    struct tmx_checkpoint head;
    struct tmx_hash root;

    if (key == NULL || !tmx_checkpoint_verify(note, key, &head) || strcmp(head.origin, c->head.origin) != 0) {
        FAULT(c, AUDIT_CHECKPOINT, "%s: not signed by %s", path, c->head.origin);
    } else if (head.size != size || size > c->head.size) {
        FAULT(c, AUDIT_CHECKPOINT, "%s: a head of %llu entries, in an export of %llu", path, (unsigned long long)head.size,
              (unsigned long long)c->head.size);
    } else if (!tmx_tree_root_at(c->tree, c, size, &root) || !tmx_hash_eq(&root, &head.root)) {
        FAULT(c, AUDIT_ROOT, "%s: its root is not that of the first %llu entries", path, (unsigned long long)size);
    } else {
        check_cosigned(c, path, size, note);
    }
}

static int check_checkpoint_file(void *ctx, int dir_fd, const char *path)
{
    struct tmx_check *c = ctx;
    uint64_t size;
    uint8_t *note;
    size_t note_size;
    int r;

    if (tmx_export_is_folder(path)) {
        return 0;
    }
    if (!tmx_export_old_parse(EXPORT_CHECKPOINTS, path, &size)) {
        FAULT(c, AUDIT_CHECKPOINT, "%s: not the name of a checkpoint", path);
        return 0;
    }
    r = tmx_export_read(dir_fd, path, TMX_NOTE_MAX, &note, &note_size);
    if (r < 0) {
        FAULT(c, AUDIT_CHECKPOINT, "%s: %s", path, strerror(-r));
        return 0;
    }
    check_checkpoint(c, path, size, TMX_BYTES(note, note_size));
    free(note);
    return 0;
}

/* --- anchors -------------------------------------------------------------------------------------------------- */

/* The token of an entry, when it is the one that was logged (index AUDIT_NO_INDEX: nothing here says which); the caller frees it. */
static bool read_token(const struct tmx_check *c, const struct tmx_audit_anchor *a, uint8_t **ret_token, size_t *ret_size,
                       const char **ret_why)
{
    char path[EXPORT_PATH_MAX];
    uint8_t digest[TMX_HASH_SIZE];
    int r;

    tmx_export_old_path(EXPORT_ANCHORS, a->size, path);
    r = tmx_export_read(c->fd, path, TMX_ANCHOR_TOKEN_MAX, ret_token, ret_size);
    if (r < 0) {
        *ret_why = strerror(-r);
        return false;
    }
    tmx_digest(TMX_BYTES(*ret_token, *ret_size), digest);
    if (a->index != AUDIT_NO_INDEX && memcmp(digest, a->digest, sizeof digest) != 0) {
        free(*ret_token);
        *ret_why = "not the token that was logged";
        return false;
    }
    return true;
}

static void anchor_fault(struct tmx_check *c, const struct tmx_audit_anchor *a, const char *why)
{
    char path[EXPORT_PATH_MAX];

    tmx_export_old_path(EXPORT_ANCHORS, a->size, path);
    tmx_audit_fault(c->audit, AUDIT_ANCHOR, a->index, "%s: %s", path, why);
}

static void check_tokens(struct tmx_check *c)
{
    size_t n;
    const struct tmx_audit_anchor *anchors = tmx_audit_anchors(c->audit, &n);
    const char *why;
    uint8_t *token;
    size_t size;

    for (size_t i = 0; i < n; i++) {
        if (read_token(c, &anchors[i], &token, &size, &why)) {
            c->heads.anchors++;
            free(token);
        } else {
            anchor_fault(c, &anchors[i], why);
        }
    }
}

static bool is_anchored(const struct tmx_check *c, uint64_t size)
{
    size_t n;
    const struct tmx_audit_anchor *anchors = tmx_audit_anchors(c->audit, &n);
    size_t low = 0;

    while (low < n) {
        const size_t middle = low + (n - low) / 2;

        if (anchors[middle].size == size) {
            return true;
        }
        if (anchors[middle].size < size) {
            low = middle + 1;
        } else {
            n = middle;
        }
    }
    return false;
}

/* Heads are anchored in their order: a token may be of an entry that is pruned and did not stay when its head is shorter than all
 * that are anchored by entries which are here. */
static bool may_be_pruned(const struct tmx_check *c, uint64_t size)
{
    size_t n;
    const struct tmx_audit_anchor *anchors = tmx_audit_anchors(c->audit, &n);

    return size < c->pruned && (n == 0 || size < anchors[0].size);
}

static int add_loose(struct tmx_check *c, uint64_t size)
{
    if (c->heads.loose == c->room_loose) {
        const size_t room = c->room_loose == 0 ? 64 : 2 * c->room_loose;
        uint64_t *loose = realloc(c->loose, room * sizeof loose[0]);

        if (loose == NULL) {
            return -ENOMEM;
        }
        c->loose = loose;
        c->room_loose = room;
    }
    c->loose[c->heads.loose++] = size;
    c->heads.anchors++;
    return 0;
}

static int check_anchor_file(void *ctx, int dir_fd, const char *path)
{
    struct tmx_check *c = ctx;
    uint64_t size;

    if (tmx_export_is_folder(path)) {
        return 0;
    }
    if (tmx_export_old_parse(EXPORT_ANCHORS, path, &size) && may_be_pruned(c, size)) {
        return add_loose(c, size);
    }
    if (!tmx_export_old_parse(EXPORT_ANCHORS, path, &size) || !is_anchored(c, size)) {
        FAULT(c, AUDIT_ANCHOR, "%s: no entry of the log is about it", path);
    }
    return 0;
}

int tmx_check_old_heads(struct tmx_check *c)
{
    int r = tmx_export_walk(&c->fd, 1, tmx_export_old_folder(EXPORT_CHECKPOINTS), check_checkpoint_file, c);

    if (r < 0 && r != -ENOENT) {
        return r;
    }
    check_tokens(c);
    r = tmx_export_walk(&c->fd, 1, tmx_export_old_folder(EXPORT_ANCHORS), check_anchor_file, c);
    return r == -ENOENT ? 0 : r;
}

/* --- time-stamps ---------------------------------------------------------------------------------------------- */

static void note_stamp(struct tmx_check_heads *h, uint64_t time_ms)
{
    h->first_ms = h->stamped == 0 || time_ms < h->first_ms ? time_ms : h->first_ms;
    h->last_ms = time_ms > h->last_ms ? time_ms : h->last_ms;
    h->stamped++;
}

/* What was stamped: the three lines of the head, with the root that the entries give. */
static bool head_text(struct tmx_check *c, uint64_t size, struct tmx_writer *w)
{
    struct tmx_checkpoint head = c->head;

    head.size = size;
    if (!tmx_tree_root_at(c->tree, c, size, &head.root)) {
        return false;
    }
    tmx_checkpoint_text(&head, w);
    return true;
}

static void check_stamp(struct tmx_check *c, const struct tmx_audit_anchor *a, tmx_check_stamp_fn *fn, void *ctx)
{
    uint8_t text[TMX_CHECKPOINT_MAX];
    struct tmx_writer w = TMX_WRITER_OF(text);
    const char *why = "the root of its head cannot be computed";
    uint64_t time_ms;
    uint8_t *token;
    size_t size;

    if (!read_token(c, a, &token, &size, &why)) {
        if (a->index == AUDIT_NO_INDEX) {
            anchor_fault(c, a, why);
        }
        return; /* otherwise said already */
    }
    if (head_text(c, a->size, &w) && fn(ctx, tmx_written(&w), TMX_BYTES(token, size), &time_ms, &why)) {
        note_stamp(&c->heads, time_ms);
    } else {
        anchor_fault(c, a, why);
    }
    free(token);
}

void tmx_check_stamps(struct tmx_check *c, tmx_check_stamp_fn *fn, void *ctx)
{
    size_t n;
    const struct tmx_audit_anchor *anchors = tmx_audit_anchors(c->audit, &n);

    c->heads.stamps = true;
    for (size_t i = 0; i < c->heads.loose; i++) {
        check_stamp(c, &(struct tmx_audit_anchor){ .size = c->loose[i], .index = AUDIT_NO_INDEX }, fn, ctx);
    }
    for (size_t i = 0; i < n; i++) {
        check_stamp(c, &anchors[i], fn, ctx);
    }
}
