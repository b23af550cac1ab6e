/* SPDX-License-Identifier: Apache-2.0
 * The spool on LMDB: making one and opening it.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include "files.h"
#include "spool_env.h"

#define OWNER_WAIT_MS 2000   /* a process that was killed takes a moment to let go */
#define OWNER_LOOK_MS 10

/* Through LMDB's own descriptor: closing another one would drop LMDB's locks. */
static int reserve(struct tmx_env *e)
{
    int fd;
    MDB_envinfo info;
    mdb_env_info(e->env, &info);
    int rc = mdb_env_get_fd(e->env, &fd);
    if (rc != 0) {
        return tmx_env_error(rc);
    }
    return fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)info.me_mapsize) < 0 ? -errno : 0;
}

/* --- opening ------------------------------------------------------------------------------------------------- */

static int lock(int fd)
{
    const struct timespec pause = { .tv_nsec = OWNER_LOOK_MS * 1000000 };
    for (unsigned waited_ms = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; waited_ms += OWNER_LOOK_MS) {
        if (errno != EWOULDBLOCK || waited_ms >= OWNER_WAIT_MS) {
            return -errno;
        }
        (void)nanosleep(&pause, NULL);
    }
    return 0;
}

static int take_lock(struct tmx_env *e, const char *path, char error[TMX_SPOOL_ERROR_MAX])
{
    char name[TMX_PATH_MAX];
    int r = tmx_join_path(name, path, "/data.mdb");
    if (r == 0 && access(name, F_OK) < 0) {
        r = -errno;
    }
    if (r < 0) {
        (void)snprintf(error, TMX_SPOOL_ERROR_MAX, "%s; init creates a spool, restore brings one back", strerror(-r));
        return r;
    }
    r = tmx_join_path(name, path, "/owner.lock");
    if (r == 0) {
        e->owner_fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        r = e->owner_fd < 0 ? -errno : lock(e->owner_fd);
    }
    if (r == -EWOULDBLOCK) {
        (void)snprintf(error, TMX_SPOOL_ERROR_MAX, "owned by another process that runs");
        return -EBUSY;
    }
    if (r < 0) {
        (void)snprintf(error, TMX_SPOOL_ERROR_MAX, "owner.lock: %s", strerror(-r));
    }
    return r;
}

static int open_checked(struct tmx_env *e, const struct tmx_spool_subject *s, char error[TMX_SPOOL_ERROR_MAX])
{
    int r = tmx_env_open(e, s->path, s->capacity, 0);
    if (r == 0) {
        r = tmx_env_error(mdb_reader_check(e->env, NULL));
    }
    if (r == 0) {
        r = tmx_env_error(mdb_txn_begin(e->env, NULL, MDB_RDONLY, &e->reader));
    }
    if (r < 0) {
        (void)snprintf(error, TMX_SPOOL_ERROR_MAX, "%s", strerror(-r));
        return r;
    }
    r = tmx_env_load(e, error);
    mdb_txn_reset(e->reader);
    if (r < 0) {
        return r;
    }
    r = reserve(e);
    if (r < 0) {
        (void)snprintf(error, TMX_SPOOL_ERROR_MAX, "cannot reserve its capacity on disk: %s", strerror(-r));
    }
    return r;
}

/* A precondition that does not hold here is no mistake of a program: the rows are not those the journal goes on from. */
static int replay(void *env, const struct tmx_op *op)
{
    struct tmx_env *e = env;
    struct tmx_bytes value;
    bool there = tmx_env_get(e, e->turn, op->table, op->key, &value) != TMX_SPOOL_E_NONE;
    if (op->kind == TMX_OP_INSERT ? there : op->kind != TMX_OP_PUT && !there) {
        return -EBADMSG;
    }
    return tmx_env_apply(e, op);
}

/* What the journal has more than LMDB goes into LMDB. */
static int catch_up(struct tmx_env *e, const char *path, char error[TMX_SPOOL_ERROR_MAX])
{
    char name[TMX_PATH_MAX];
    struct tmx_spool_stat stat;
    int r = tmx_join_path(name, path, "/journal");
    r = r == 0 ? tmx_journal_open(&e->journal, name) : r;
    if (r < 0) {
        (void)snprintf(error, TMX_SPOOL_ERROR_MAX, "journal: %s", r == -EBADMSG ? "damaged, or that of another spool" : strerror(-r));
        return r;
    }
    r = tmx_env_error(mdb_txn_begin(e->env, NULL, 0, &e->turn));
    r = r == 0 ? tmx_journal_replay(&e->journal, e->number, replay, e, &e->number) : r;
    if (r == -EBADMSG) {
        (void)snprintf(error, TMX_SPOOL_ERROR_MAX,
                       "damaged: the journal does not go on where the rows end (turn %" PRIu64 "): bring back the whole "
                       "folder, not one of its files", e->number);
        return r;
    }
    if (r == 0 && e->number > e->at_checkpoint) {
        r = tmx_env_checkpoint(e);
    }
    if (e->turn != NULL) {
        mdb_txn_abort(e->turn);   /* nothing was in it */
        e->turn = NULL;
    }
    e->fresh = true;
    r = r == 0 ? tmx_env_vtable.stat(&e->spool, &stat) : r;
    if (r < 0) {
        (void)snprintf(error, TMX_SPOOL_ERROR_MAX, "the journal cannot be brought in: %s", strerror(-r));
    }
    return r;
}

int tmx_spool_lmdb_open(const char *path, uint64_t capacity, const char *role, struct tmx_spool **ret_spool,
                        char *ret_error, size_t error_size)
{
    return tmx_spool_lmdb_open_but(path, capacity, role, 0, ret_spool, ret_error, error_size);
}

int tmx_spool_lmdb_open_but(const char *path, uint64_t capacity, const char *role, uint64_t tables, struct tmx_spool **ret_spool,
                            char *ret_error, size_t error_size)
{
    const struct tmx_spool_subject subject = { path, capacity, role, tables };
    char error[TMX_SPOOL_ERROR_MAX] = "no memory";
    struct tmx_env *e = calloc(1, sizeof(*e));
    int r = -ENOMEM;
    if (e != NULL) {
        e->spool.vtable = &tmx_env_vtable;
        e->owner_fd = e->journal.fd = -1;
        tmx_env_set_role(e, role);
        r = take_lock(e, path, error);
    }
    if (r == 0) {
        r = tmx_env_look(&subject, error);
    }
    if (r == 0) {
        r = open_checked(e, &subject, error);
    }
    if (r == 0) {
        r = catch_up(e, path, error);
    }
    if (r < 0) {
        (void)snprintf(ret_error, error_size, "spool %s: %s", path, error);
        if (e != NULL) {
            e->failed = true;   /* closing is not to write */
            (void)tmx_spool_close(&e->spool);
        }
        return r;
    }
    *ret_spool = &e->spool;
    return 0;
}

/* --- creating ------------------------------------------------------------------------------------------------ */

/* What a creation that was cut off may have left; anything else stays and makes rmdir fail. */
static int clear(const char *folder)
{
    static const char *const names[] = { "/data.mdb", "/lock.mdb", "/journal", "/owner.lock" };
    for (size_t i = 0; i < TMX_N(names); i++) {
        char name[TMX_PATH_MAX];
        int r = tmx_join_path(name, folder, names[i]);
        if (r < 0) {
            return r;
        }
        if (unlink(name) < 0 && errno != ENOENT) {
            return -errno;
        }
    }
    return rmdir(folder) < 0 && errno != ENOENT ? -errno : 0;
}

static int fill(struct tmx_env *e, const char *folder, uint64_t capacity)
{
    int r = tmx_env_open(e, folder, capacity, 0);
    if (r == 0) {
        r = reserve(e);
    }
    if (r == 0) {
        r = tmx_env_error(mdb_txn_begin(e->env, NULL, 0, &e->turn));
    }
    if (r == 0) {
        r = tmx_env_error(mdb_dbi_open(e->turn, NULL, 0, &e->dbi));
    }
    if (r == 0) {
        r = tmx_env_put_identity(e);
    }
    if (r == 0) {
        r = tmx_env_put_counts(e);
    }
    if (r == 0) {
        r = tmx_env_checkpoint(e);
    }
    if (e->turn != NULL) {
        mdb_txn_abort(e->turn);
    }
    mdb_env_close(e->env);
    return r;
}

/* LMDB syncs its pages, not the file's size and name. */
static int sync_new(const char *folder)
{
    char name[TMX_PATH_MAX];
    int r = tmx_join_path(name, folder, "/lock.mdb");
    if (r == 0 && unlink(name) < 0) {
        r = -errno;
    }
    if (r == 0) {
        r = tmx_join_path(name, folder, "/data.mdb");
    }
    if (r == 0) {
        r = tmx_sync_path(name);
    }
    return r == 0 ? tmx_sync_path(folder) : r;
}

int tmx_spool_lmdb_create(const char *path, uint64_t capacity, uint64_t generation, const char *role)
{
    struct tmx_env e = { .generation = generation };
    randombytes_buf(e.journal.key, sizeof(e.journal.key));
    char fresh[TMX_PATH_MAX], name[TMX_PATH_MAX];
    struct stat st;
    tmx_env_set_role(&e, role);
    if (lstat(path, &st) == 0) {
        return -EEXIST;
    }
    int r = tmx_join_path(fresh, path, ".new");
    if (r == 0) {
        r = clear(fresh);
    }
    if (r == 0 && mkdir(fresh, 0700) < 0) {
        r = -errno;
    }
    if (r < 0) {
        return r;
    }
    r = fill(&e, fresh, capacity);
    if (r == 0) {
        r = tmx_join_path(name, fresh, "/journal");
    }
    if (r == 0) {
        r = tmx_journal_create(name, capacity, e.journal.key);
    }
    if (r == 0) {
        r = sync_new(fresh);
    }
    if (r == 0 && renameat2(AT_FDCWD, fresh, AT_FDCWD, path, RENAME_NOREPLACE) < 0) {
        r = -errno;
    }
    if (r < 0) {
        (void)clear(fresh);
        return r;
    }
    return tmx_sync_folder_of(path);
}

/* --- moving -------------------------------------------------------------------------------------------------- */

int tmx_spool_lmdb_move(const char *from, const char *to)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) < 0) {
        return -errno;
    }
    int r = tmx_sync_folder_of(to);
    return r < 0 ? r : tmx_sync_folder_of(from);
}

int tmx_spool_lmdb_put_aside(const char *from, const char *to)
{
    char name[TMX_PATH_MAX];
    struct stat st;
    int r = tmx_join_path(name, from, "/data.mdb");
    if (r == 0 && (stat(name, &st) < 0 || truncate(name, st.st_size) < 0)) {   /* to its size: frees what is behind it */
        r = -errno;
    }
    return r < 0 ? r : tmx_spool_lmdb_move(from, to);
}

int tmx_spool_lmdb_discard(const char *path)
{
    return clear(path);
}
