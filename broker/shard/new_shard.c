/* SPDX-License-Identifier: Apache-2.0
 * tmx-broker new-shard: the log goes on in a new shard by plan. The new spool is made whole beside the old one, the old one
 * is put aside, the new one put in its place: whatever cuts this off, the same command goes on from what is there. LOG-4
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "archive.h"
#include "../daemon.h"

static struct archive seen;   /* large: not on the stack */

/* The old log may be left as it is, for the shard that is configured. */
static int check_old(const struct settings *s, bool uncosigned)
{
    if (strcmp(seen.shard, s->shard) == 0) {
        fprintf(stderr, "tmx-broker: the spool %s is of shard %s, the one that is configured: set [broker] shard in %s to the new one\n"
                        "  (if new-shard has just made it, it is done: start the broker)\n", s->spool, s->shard, s->path);
        return 1;
    }
    if (seen.halted) {
        fprintf(stderr, "tmx-broker: a node showed a head beyond this log: something of it is lost; a new shard begins with\n"
                        "  tmx-broker restore --config FILE --checkpoint FILE (the latest head that can be found)\n");
        return 1;
    }
    if (!archive_head_cosigned(&seen) && !uncosigned) {
        fprintf(stderr, "tmx-broker: the last head of shard %s, %llu entries, is not cosigned by a quorum of its witnesses%s:\n"
                        "  start the broker with the old shard and its log.key again, wait until tmxctl status shows no entry\n"
                        "  that is not cosigned, and stop it; or give --uncosigned to leave it so\n", seen.shard,
                (unsigned long long)seen.head.size, seen.cosigned_size > 0 ? ", an earlier one is" : "");
        return 1;
    }
    return 0;
}

/* What leaf 0 of the new shard names. */
static struct tmx_bytes last_head(void)
{
    bool lines = seen.witnesses > 0 && archive_head_cosigned(&seen) && seen.cosigned_size <= TMX_SHARD_TEXT_MAX;
    return lines ? TMX_BYTES(seen.cosigned, seen.cosigned_size) : TMX_BYTES(seen.checkpoint, seen.checkpoint_size);
}

/* A spool that was begun and stands beside: of the configured shard, and after everything the old one is known to have said. */
static int check_next(const struct settings *s, const char *next, struct tmx_spool_mark mark)
{
    struct tmx_spool_mark before;
    struct tmx_checkpoint kept = { .size = 0 };
    struct tmx_bytes text, lines;
    uint8_t *note = NULL;
    size_t size = 0;
    char path[4096];
    checkpoint_path(s, path, sizeof(path));
    bool read = tmx_startup_file("tmx-broker", path, TMX_CHECKPOINT_MAX, NULL, &note, &size) == 0 &&
                tmx_note_split(TMX_BYTES(note, size), &text, &lines) && tmx_checkpoint_parse(text, &kept);
    free(note);
    bool follows = !read || (strcmp(kept.origin, seen.before.origin) == 0 && kept.size <= seen.before.size);
    if (strcmp(seen.shard, s->shard) != 0 || seen.before.size == 0 || !follows ||
        tmx_spool_marker_read(s->marker, &before) != TMX_MARKER_OK || mark.generation != before.generation + 1) {
        fprintf(stderr, "tmx-broker: %s was begun at another time: it is not what follows. If the old spool is lost, take it away\n"
                        "  and run: tmx-broker restore --config FILE\n", next);
        return 1;
    }
    return 0;
}

static int put_in_place(const struct settings *s, const char *next)
{
    char error[512] = "";
    struct tmx_spool *spool = NULL;
    struct tmx_spool_mark mark;
    int code = 0, r = tmx_spool_lmdb_open(next, s->capacity_bytes, "broker", &spool, error, sizeof(error));
    r = r < 0 ? r : archive_read(spool, &seen);
    if (r == 0) {
        tmx_spool_lmdb_mark(spool, &mark);
        code = check_next(s, next, mark);
    }
    tmx_spool_close(spool);
    if (code != 0) {
        return code;
    }
    r = r < 0 ? r : tmx_spool_lmdb_move(next, s->spool);
    r = r < 0 ? r : tmx_spool_marker_write(s->marker, mark);   /* not written: a start writes it */
    if (r < 0) {
        fprintf(stderr, "tmx-broker: cannot put %s in place: %s %s\n", next, strerror(-r), error);
        return TMX_EXIT_STORAGE;
    }
    printf("spool %s created: shard %s, generation %llu; it follows %s, %llu entries.\n"
           "Start the broker: nodes submit again what has no outcome yet.\n", s->spool, seen.shard,
           (unsigned long long)mark.generation, seen.before.origin, (unsigned long long)seen.before.size);
    return 0;
}

/* The new spool, whole, at `next`; the old one is open meanwhile, so that nobody else opens it. */
static int begin_next(const struct settings *s, struct tmx_spool *old, const char *next)
{
    struct tmx_spool_mark mark;
    struct tmx_bytes directory;
    int r = tmx_spool_lmdb_discard(next);   /* of a run that was cut off, if any */
    r = r < 0 ? r : tmx_spool_get(old, TMX_T_META, TMX_LIT("directory"), &directory);
    if (r != 0) {
        fprintf(stderr, "tmx-broker: %s: %s\n", next, r < 0 ? strerror(-r) : "no directory");
        return TMX_EXIT_STORAGE;
    }
    tmx_spool_lmdb_mark(old, &mark);
    return setup_create(s, next, mark.generation + 1, last_head(), directory);
}

static int put_aside(const struct settings *s, const char *archive)
{
    int r = tmx_spool_lmdb_put_aside(s->spool, archive);
    if (r < 0) {
        fprintf(stderr, "tmx-broker: cannot move %s to %s: %s\n", s->spool, archive, strerror(-r));
        return TMX_EXIT_STORAGE;
    }
    printf("the spool of shard %s is kept in %s: tmx-broker serve-log --spool %s shows it to auditors\n", seen.shard, archive,
           archive);
    return 0;
}

int setup_new_shard(const struct settings *s, const char *archive, bool uncosigned)
{
    char next[4096], aside[4096];
    struct stat st;
    spool_next_path(s, next, sizeof(next));
    if (lstat(s->spool, &st) < 0 && errno == ENOENT && lstat(next, &st) == 0) {
        return put_in_place(s, next);   /* the old one was put aside already */
    }
    struct tmx_spool *old = NULL;
    int code = spool_open(s, &old);
    int r = code == 0 ? archive_read(old, &seen) : 0;
    if (r < 0) {
        fprintf(stderr, "tmx-broker: %s: %s\n", s->spool, r == -EBADMSG ? "it holds no log that can be read" : strerror(-r));
        code = TMX_EXIT_STORAGE;
    }
    code = code != 0 ? code : check_old(s, uncosigned);
    snprintf(aside, sizeof(aside), "%s.%s", s->spool, seen.shard);
    archive = archive != NULL ? archive : aside;
    if (code == 0 && lstat(archive, &st) == 0) {
        fprintf(stderr, "tmx-broker: %s is there already: name another folder with --archive\n", archive);
        code = 1;
    }
    code = code != 0 ? code : begin_next(s, old, next);
    tmx_spool_close(old);
    code = code != 0 ? code : put_aside(s, archive);
    return code != 0 ? code : put_in_place(s, next);
}
