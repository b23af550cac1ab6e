/* SPDX-License-Identifier: Apache-2.0
 * tmx-broker init and restore; with new-shard (setup_shard.c) the only ways a spool comes to be.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <tmx/clock.h>
#include <tmx/log.h>

#include "daemon.h"

/* The directory to begin with: the configured file, or the last one of the old log when that is later. Prints why not. */
static int directory_choose(const struct settings *s, const struct broker_keys *keys, const struct tmx_authority *authority,
                            struct tmx_bytes file, struct tmx_bytes *old)
{
    struct tmx_directory *d = NULL, *later = NULL;
    int r = tmx_directory_load(file, authority, NULL, &d);
    if (r != 0) {
        fprintf(stderr, "tmx-broker: directory %s: %s\n", s->directory, r < 0 ? strerror(-r) : tmx_directory_error_text(r));
        return TMX_EXIT_CONFIG;
    }
    bool newer = old->size > 0 && tmx_directory_load(*old, authority, NULL, &later) == 0 &&
                 tmx_directory_serial(later) > tmx_directory_serial(d);
    *old = newer ? *old : file;
    const struct tmx_verify_key *log = tmx_directory_log_key(newer ? later : d, tmx_bytes_str(s->shard));
    bool fits = log != NULL && memcmp(log->key, keys->log_public, sizeof(keys->log_public)) == 0;
    tmx_directory_free(d);
    tmx_directory_free(later);
    if (!fits) {
        fprintf(stderr, "tmx-broker: the directory %s does not list %s/log.key for shard %s: have it added and signed\n",
                newer ? "in force" : s->directory, s->keys, s->shard);
        return TMX_EXIT_CONFIG;
    }
    return 0;
}

int setup_create(const struct settings *s, const char *path, uint64_t generation, struct tmx_bytes previous_checkpoint,
                 struct tmx_bytes old_directory)
{
    struct broker_keys keys;
    struct tmx_broker_config c = { .shard = s->shard,
                                   .generation = generation,
                                   .queue_max = s->queue_max,
                                   .previous_checkpoint = previous_checkpoint };
    int code = settings_keys(s, &keys, &c.authority);
    if (code != 0) {
        return code;
    }
    uint8_t *file = NULL;
    size_t size;
    if (tmx_startup_file("tmx-broker", s->directory, TMX_DIRECTORY_MAX, "directory", &file, &size) != 0) {
        return TMX_EXIT_CONFIG;
    }
    c.log_secret = keys.log_secret;
    memcpy(c.log_public, keys.log_public, sizeof(c.log_public));
    c.directory = old_directory;
    code = directory_choose(s, &keys, &c.authority, TMX_BYTES(file, size), &c.directory);
    if (code != 0) {
        free(file);
        return code;
    }
    int r = tmx_spool_lmdb_create(path, s->capacity_bytes, generation, "broker");
    if (r < 0) {
        fprintf(stderr, "tmx-broker: spool %s: %s%s\n", path, strerror(-r),
                r == -EEXIST ? ": there is one already; it is never replaced" : "");
        free(file);
        return r == -EEXIST ? 1 : TMX_EXIT_STORAGE;
    }
    char error[512] = "";
    struct tmx_spool *spool = NULL;
    struct tmx_broker *b = NULL;
    r = tmx_spool_lmdb_open(path, s->capacity_bytes, "broker", &spool, error, sizeof(error));
    if (r == 0) {
        r = tmx_broker_new(spool, &c, tmx_clock_mono_ms(), tmx_clock_wall_us(), &b);
    }
    if (r == 0 && strcmp(path, s->spool) == 0) {   /* otherwise it is not in its place yet */
        struct tmx_spool_mark mark;
        tmx_spool_lmdb_mark(spool, &mark);
        r = tmx_spool_marker_write(s->marker, mark);
    }
    if (r < 0) {
        fprintf(stderr, "tmx-broker: cannot begin the log in %s: %s %s\n", path, strerror(-r), error);
    }
    tmx_broker_free(b);
    tmx_spool_close(spool);
    free(file);
    return r < 0 ? TMX_EXIT_STORAGE : 0;
}

int setup_init(const struct settings *s)
{
    struct tmx_spool_mark before;
    if (tmx_spool_marker_read(s->marker, &before) != TMX_MARKER_E_NONE) {
        fprintf(stderr, "tmx-broker: there was a spool before (marker %s): a lost spool is replaced with\n"
                        "  tmx-broker restore --config FILE, in a new shard of the log\n", s->marker);
        return 1;
    }
    int code = setup_create(s, s->spool, 1, TMX_BYTES_NULL, TMX_BYTES_NULL);
    if (code == 0) {
        printf("spool %s created: shard %s, generation 1\n", s->spool, s->shard);
    }
    return code;
}

void checkpoint_path(const struct settings *s, char *ret_path, size_t size)
{
    snprintf(ret_path, size, "%s.checkpoint", s->marker);
}

/* Of another shard than the one that is to begin: its key must never sign a second history. */
static bool of_another_shard(const struct settings *s, struct tmx_bytes checkpoint)
{
    struct tmx_bytes text, lines;
    struct tmx_checkpoint old;
    if (!tmx_note_split(checkpoint, &text, &lines) || !tmx_checkpoint_parse(text, &old)) {
        fprintf(stderr, "tmx-broker: the file is no signed checkpoint\n");
        return false;
    }
    const char *slash = strrchr(old.origin, '/');
    if (slash != NULL && strcmp(slash + 1, s->shard) == 0) {
        fprintf(stderr, "tmx-broker: the checkpoint is of shard %s, the one that is configured: a new one begins, with a name and a\n"
                        "  log.key of its own in the directory\n", s->shard);
        return false;
    }
    return true;
}

int setup_restore(const struct settings *s, const char *given_path)
{
    uint8_t *checkpoint = NULL;
    size_t size = 0;
    char kept[4096];
    checkpoint_path(s, kept, sizeof(kept));
    if (tmx_startup_file("tmx-broker", given_path != NULL ? given_path : kept, TMX_CHECKPOINT_MAX, "checkpoint", &checkpoint,
                         &size) != 0) {
        fprintf(stderr, "  the new shard names the last signed head of the old one: give the latest you can find with\n"
                        "  --checkpoint FILE (every export of tmx-audit holds one)\n");
        return 1;
    }
    if (!of_another_shard(s, TMX_BYTES(checkpoint, size))) {
        free(checkpoint);
        return 1;
    }
    struct tmx_spool_mark before;
    int r = tmx_spool_marker_read(s->marker, &before);
    if (r != TMX_MARKER_OK) {
        fprintf(stderr, "tmx-broker: marker %s: %s: nothing to restore; a new broker begins with tmx-broker init\n",
                s->marker, r == TMX_MARKER_E_NONE ? "missing" : strerror(-r));
        free(checkpoint);
        return 1;
    }
    uint64_t generation = before.generation + 1;
    struct stat st;
    char aside[4096] = "";
    if (lstat(s->spool, &st) == 0) {
        snprintf(aside, sizeof(aside), "%s.before-%llu", s->spool, (unsigned long long)generation);
        if (rename(s->spool, aside) != 0) {
            fprintf(stderr, "tmx-broker: cannot move %s to %s: %s\n", s->spool, aside, strerror(errno));
            free(checkpoint);
            return TMX_EXIT_STORAGE;
        }
        printf("what was left of the old spool is kept in %s\n", aside);
    }
    int code = setup_create(s, s->spool, generation, TMX_BYTES(checkpoint, size), TMX_BYTES_NULL);
    if (code == 0) {
        printf("spool %s created: shard %s, generation %llu. Nodes submit again what has no outcome yet.\n", s->spool,
               s->shard, (unsigned long long)generation);
    } else if (aside[0] != '\0') {
        (void)rename(aside, s->spool);
    }
    free(checkpoint);
    return code;
}
