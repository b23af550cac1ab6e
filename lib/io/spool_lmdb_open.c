/* SPDX-License-Identifier: Apache-2.0
 * The spool on LMDB: making one, looking at it, opening it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "child.h"
#include "files.h"
#include "spool_env.h"

#define CAPACITY_MIN (256u << 10)
#define WALK_MS 1000
#define LOOK_LIMIT_S 60
#define ERROR_MAX 256
#define OWNER_WAIT_MS 2000   /* a process that was killed takes a moment to let go */
#define OWNER_LOOK_MS 10

static int join_path(char ret_path[TMX_PATH_MAX], const char *folder, const char *name)
{
    return (size_t)snprintf(ret_path, TMX_PATH_MAX, "%s%s", folder, name) < TMX_PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int open_env(struct tmx_env *e, const char *path, uint64_t capacity, unsigned flags)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    assert(capacity >= CAPACITY_MIN);
    int rc = mdb_env_create(&e->env);
    if (rc == 0) {
        rc = mdb_env_set_mapsize(e->env, capacity / page * page);
    }
    if (rc == 0) {
        rc = mdb_env_set_maxreaders(e->env, 32);
    }
    return tmx_env_error(rc != 0 ? rc : mdb_env_open(e->env, path, MDB_NOTLS | flags, 0600));
}

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

static void set_role(struct tmx_env *e, const char *role)
{
    size_t size = strlen(role);
    assert(size >= 1 && size <= TMX_SPOOL_ROLE_MAX);
    memcpy(e->role, role, size + 1);
}

/* --- looking ------------------------------------------------------------------------------------------------- */

/* What the spool says of itself. The reader is active. */
static int load_identity(struct tmx_env *e, char error[ERROR_MAX])
{
    struct tmx_bytes b;
    int r = tmx_env_error(mdb_dbi_open(e->reader, NULL, 0, &e->dbi));
    if (r == 0) {
        r = tmx_env_get(e, e->reader, TMX_OWN_TABLE, TMX_LIT("spool"), &b);
    }
    if (r != 0) {
        (void)snprintf(error, ERROR_MAX, "damaged: it does not say what it is");
        return r < 0 ? r : -EBADMSG;
    }
    struct tmx_reader reader = tmx_reader_init(b);
    uint32_t version = tmx_read_u32(&reader);
    e->generation = tmx_read_u64(&reader);
    struct tmx_bytes role = tmx_read_bytes(&reader, reader.left);
    if (version != TMX_SPOOL_VERSION) {
        (void)snprintf(error, ERROR_MAX, "format version %u, this program knows %u", version, TMX_SPOOL_VERSION);
        return -EPROTO;
    }
    if (!tmx_bytes_eq(role, tmx_bytes_str(e->role))) {
        (void)snprintf(error, ERROR_MAX, "the spool of a %.*s, not of a %s", (int)role.size, (const char *)role.data,
                       e->role);
        return -EINVAL;
    }
    r = tmx_env_get(e, e->reader, TMX_OWN_TABLE, TMX_LIT("rows"), &b);
    if (r != 0 || b.size != 8 * TMX_TABLES_MAX) {
        (void)snprintf(error, ERROR_MAX, "damaged: no row counts");
        return r < 0 ? r : -EBADMSG;
    }
    reader = tmx_reader_init(b);
    for (unsigned i = 0; i < TMX_TABLES_MAX; i++) {
        e->rows[i] = tmx_read_u64(&reader);
    }
    return 0;
}

/* A file may end early only where nothing but free pages would follow. */
static int check_length(struct tmx_env *e)
{
    int fd;
    struct stat st;
    MDB_envinfo info;
    MDB_stat stat;
    uint64_t missing;
    mdb_env_info(e->env, &info);
    mdb_env_stat(e->env, &stat);
    if (mdb_env_get_fd(e->env, &fd) != 0 || fstat(fd, &st) < 0) {
        return -EIO;
    }
    uint64_t pages = (uint64_t)st.st_size / stat.ms_psize;
    if (pages > info.me_last_pgno) {
        return 0;
    }
    int r = tmx_env_count_free_pages(e->reader, pages, &missing);
    return r < 0 ? r : missing == info.me_last_pgno + 1 - pages ? 0 : -EBADMSG;
}

static uint64_t now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Rows from the first on, for a second: in order, found where they are looked for, intact; and as many as were counted
 * when it gets to the end. */
static int check_rows(struct tmx_env *e)
{
    MDB_cursor *cursor;
    MDB_val key, stored;
    uint64_t rows[TMX_TABLES_MAX] = { 0 }, end = now_ms() + WALK_MS;
    struct tmx_bytes before = TMX_BYTES_NULL;
    int rc = mdb_cursor_open(e->reader, e->dbi, &cursor);
    while (rc == 0 && now_ms() < end) {
        struct tmx_bytes value, full;
        rc = mdb_cursor_get(cursor, &key, &stored, MDB_NEXT);
        full = TMX_BYTES(key.mv_data, key.mv_size);
        if (rc != 0) {
            break;
        }
        if (full.size < 2 || full.size > TMX_ROW_KEY_MAX || tmx_bytes_cmp(full, before) <= 0) {
            return -EBADMSG;
        }
        before = full;
        if (full.data[0] >= TMX_TABLES_MAX) {
            continue;
        }
        int r = full.size > 1 + TMX_KEY_MAX ? -EBADMSG
                : tmx_env_get(e, e->reader, full.data[0], tmx_bytes_slice(full, 1, full.size - 1), &value);
        if (r != 0) {
            return r < 0 ? r : -EBADMSG;
        }
        rows[full.data[0]]++;
    }
    if (rc != MDB_NOTFOUND) {
        return tmx_env_error(rc);
    }
    return memcmp(rows, e->rows, sizeof(rows)) == 0 ? 0 : -EBADMSG;
}

struct subject {
    const char *path;
    uint64_t capacity;
    const char *role;
};

struct finding {
    int r;
    char error[ERROR_MAX];
};

/* In a child, which may die of it. */
static void look(void *what, void *result)
{
    const struct subject *s = what;
    struct finding *f = result;
    struct tmx_env e = { .owner_fd = -1 };
    char name[TMX_PATH_MAX];
    struct stat st;
    set_role(&e, s->role);
    (void)snprintf(f->error, sizeof(f->error), "damaged: not a spool");
    f->r = join_path(name, s->path, "/data.mdb");
    if (f->r == 0 && (stat(name, &st) < 0 || st.st_size == 0)) {
        f->r = -EBADMSG;   /* LMDB would take an empty file for a new one */
    }
    if (f->r < 0) {
        return;
    }
    f->r = open_env(&e, s->path, s->capacity, MDB_RDONLY | MDB_NOLOCK);
    if (f->r == 0) {
        f->r = tmx_env_error(mdb_txn_begin(e.env, NULL, MDB_RDONLY, &e.reader));
    }
    if (f->r == 0) {
        f->r = load_identity(&e, f->error);
    }
    if (f->r == 0) {
        (void)snprintf(f->error, sizeof(f->error), "damaged: the file is cut short");
        f->r = check_length(&e);
    }
    if (f->r == 0) {
        (void)snprintf(f->error, sizeof(f->error), "damaged: a row is not what was written");
        f->r = check_rows(&e);
    }
}

static int look_in_child(const struct subject *subject, char error[ERROR_MAX])
{
    struct subject what = *subject;
    struct finding f = { 0 };
    int r = tmx_in_child(look, &what, &f, sizeof(f), LOOK_LIMIT_S);
    if (r == -ECHILD) {
        (void)snprintf(error, ERROR_MAX, "damaged: a process that read it died");
        return -EBADMSG;
    }
    if (r < 0) {
        (void)snprintf(error, ERROR_MAX, "cannot be checked: %s", strerror(-r));
        return r;
    }
    if (f.r < 0) {
        memcpy(error, f.error, ERROR_MAX);
    }
    return f.r;
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

static int take_lock(struct tmx_env *e, const char *path, char error[ERROR_MAX])
{
    char name[TMX_PATH_MAX];
    int r = join_path(name, path, "/data.mdb");
    if (r == 0 && access(name, F_OK) < 0) {
        r = -errno;
    }
    if (r < 0) {
        (void)snprintf(error, ERROR_MAX, "%s; init creates a spool, restore brings one back", strerror(-r));
        return r;
    }
    r = join_path(name, path, "/owner.lock");
    if (r == 0) {
        e->owner_fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        r = e->owner_fd < 0 ? -errno : lock(e->owner_fd);
    }
    if (r == -EWOULDBLOCK) {
        (void)snprintf(error, ERROR_MAX, "owned by another process that runs");
        return -EBUSY;
    }
    if (r < 0) {
        (void)snprintf(error, ERROR_MAX, "owner.lock: %s", strerror(-r));
    }
    return r;
}

static int open_checked(struct tmx_env *e, const struct subject *s, char error[ERROR_MAX])
{
    int r = open_env(e, s->path, s->capacity, 0);
    if (r == 0) {
        r = tmx_env_error(mdb_reader_check(e->env, NULL));
    }
    if (r == 0) {
        r = tmx_env_error(mdb_txn_begin(e->env, NULL, MDB_RDONLY, &e->reader));
    }
    if (r < 0) {
        (void)snprintf(error, ERROR_MAX, "%s", strerror(-r));
        return r;
    }
    r = load_identity(e, error);
    mdb_txn_reset(e->reader);
    if (r < 0) {
        return r;
    }
    r = reserve(e);
    if (r < 0) {
        (void)snprintf(error, ERROR_MAX, "cannot reserve its capacity on disk: %s", strerror(-r));
    }
    return r;
}

int tmx_spool_lmdb_open(const char *path, uint64_t capacity, const char *role, struct tmx_spool **ret_spool,
                        char *ret_error, size_t error_size)
{
    const struct subject subject = { path, capacity, role };
    char error[ERROR_MAX] = "no memory";
    struct tmx_env *e = calloc(1, sizeof(*e));
    int r = -ENOMEM;
    if (e != NULL) {
        e->spool.vtable = &tmx_env_vtable;
        e->owner_fd = -1;
        set_role(e, role);
        r = take_lock(e, path, error);
    }
    if (r == 0) {
        r = look_in_child(&subject, error);
    }
    if (r == 0) {
        r = open_checked(e, &subject, error);
    }
    if (r < 0) {
        (void)snprintf(ret_error, error_size, "spool %s: %s", path, error);
        if (e != NULL) {
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
    static const char *const names[] = { "/data.mdb", "/lock.mdb" };
    for (size_t i = 0; i < TMX_N(names); i++) {
        char name[TMX_PATH_MAX];
        int r = join_path(name, folder, names[i]);
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
    int r = open_env(e, folder, capacity, 0);
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
        MDB_txn *turn = e->turn;
        e->turn = NULL;
        r = tmx_env_error(mdb_txn_commit(turn));
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
    int r = join_path(name, folder, "/lock.mdb");
    if (r == 0 && unlink(name) < 0) {
        r = -errno;
    }
    if (r == 0) {
        r = join_path(name, folder, "/data.mdb");
    }
    if (r == 0) {
        r = tmx_sync_path(name);
    }
    return r == 0 ? tmx_sync_path(folder) : r;
}

int tmx_spool_lmdb_create(const char *path, uint64_t capacity, uint64_t generation, const char *role)
{
    struct tmx_env e = { .generation = generation };
    char fresh[TMX_PATH_MAX];
    struct stat st;
    set_role(&e, role);
    if (lstat(path, &st) == 0) {
        return -EEXIST;
    }
    int r = join_path(fresh, path, ".new");
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
