/* SPDX-License-Identifier: Apache-2.0
 * The spool on LMDB: looking at one before it is opened. LMDB trusts its file, so a child process looks first.
 */
#include <fcntl.h>
#include <stdio.h>
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

void tmx_env_set_role(struct tmx_env *e, const char *role)
{
    size_t size = strlen(role);
    assert(size >= 1 && size <= TMX_SPOOL_ROLE_MAX);
    memcpy(e->role, role, size + 1);
}

int tmx_env_open(struct tmx_env *e, const char *path, uint64_t capacity, unsigned flags)
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

/* What the spool says of itself. The reader is active. */
int tmx_env_load(struct tmx_env *e, char error[TMX_SPOOL_ERROR_MAX])
{
    struct tmx_bytes b;
    int r = tmx_env_error(mdb_dbi_open(e->reader, NULL, 0, &e->dbi));
    if (r == 0) {
        r = tmx_env_get(e, e->reader, TMX_OWN_TABLE, TMX_LIT("spool"), &b);
    }
    if (r != 0) {
        (void)snprintf(error, TMX_SPOOL_ERROR_MAX, "damaged: it does not say what it is");
        return r < 0 ? r : -EBADMSG;
    }
    struct tmx_reader reader = tmx_reader_init(b);
    uint32_t version = tmx_read_u32(&reader);
    e->generation = tmx_read_u64(&reader);
    struct tmx_bytes role = tmx_read_bytes(&reader, reader.left);
    if (version != TMX_SPOOL_VERSION) {
        (void)snprintf(error, TMX_SPOOL_ERROR_MAX, "format version %u, this program knows %u", version, TMX_SPOOL_VERSION);
        return -EPROTO;
    }
    if (!tmx_bytes_eq(role, tmx_bytes_str(e->role))) {
        (void)snprintf(error, TMX_SPOOL_ERROR_MAX, "the spool of a %.*s, not of a %s", (int)role.size, (const char *)role.data,
                       e->role);
        return -EINVAL;
    }
    r = tmx_env_get(e, e->reader, TMX_OWN_TABLE, TMX_LIT("rows"), &b);
    if (r != 0 || b.size != 8 * TMX_TABLES_MAX) {
        (void)snprintf(error, TMX_SPOOL_ERROR_MAX, "damaged: no row counts");
        return r < 0 ? r : -EBADMSG;
    }
    reader = tmx_reader_init(b);
    for (unsigned i = 0; i < TMX_TABLES_MAX; i++) {
        e->rows[i] = tmx_read_u64(&reader);
    }
    r = tmx_env_get(e, e->reader, TMX_OWN_TABLE, TMX_LIT("journal"), &b);
    if (r != 0 || b.size != TMX_JOURNAL_ROW) {
        (void)snprintf(error, TMX_SPOOL_ERROR_MAX, "damaged: it does not say where its journal goes on");
        return r < 0 ? r : -EBADMSG;
    }
    reader = tmx_reader_init(b);
    e->number = e->at_checkpoint = tmx_read_u64(&reader);
    tmx_read_into(&reader, e->journal.salt, TMX_JOURNAL_SALT);
    tmx_read_into(&reader, e->journal.key, TMX_JOURNAL_KEY);
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

/* Rows from the first on, for a second: in order, found where they are looked for, intact (but for values of those tables); and
 * as many as were counted when it gets to the end. */
static int check_rows(struct tmx_env *e, uint64_t spare)
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
        bool spared = r == -EBADMSG && (spare >> full.data[0] & 1) != 0 && full.size <= 1 + TMX_KEY_MAX;
        if (r != 0 && !spared) {
            return r < 0 ? r : -EBADMSG;
        }
        rows[full.data[0]]++;
    }
    if (rc != MDB_NOTFOUND) {
        return tmx_env_error(rc);
    }
    return memcmp(rows, e->rows, sizeof(rows)) == 0 ? 0 : -EBADMSG;
}

struct finding {
    int r;
    char error[TMX_SPOOL_ERROR_MAX];
};

/* In a child, which may die of it. */
static void look(void *what, void *result)
{
    const struct tmx_spool_subject *s = what;
    struct finding *f = result;
    struct tmx_env e = { .owner_fd = -1 };
    char name[TMX_PATH_MAX];
    struct stat st;
    tmx_env_set_role(&e, s->role);
    (void)snprintf(f->error, sizeof(f->error), "damaged: not a spool");
    f->r = tmx_join_path(name, s->path, "/data.mdb");
    if (f->r == 0 && (stat(name, &st) < 0 || st.st_size == 0)) {
        f->r = -EBADMSG;   /* LMDB would take an empty file for a new one */
    }
    if (f->r < 0) {
        return;
    }
    f->r = tmx_env_open(&e, s->path, s->capacity, MDB_RDONLY | MDB_NOLOCK);
    if (f->r == 0) {
        f->r = tmx_env_error(mdb_txn_begin(e.env, NULL, MDB_RDONLY, &e.reader));
    }
    if (f->r == 0) {
        f->r = tmx_env_load(&e, f->error);
    }
    if (f->r == 0) {
        (void)snprintf(f->error, sizeof(f->error), "damaged: the file is cut short");
        f->r = check_length(&e);
    }
    if (f->r == 0) {
        (void)snprintf(f->error, sizeof(f->error), "damaged: a row is not what was written");
        f->r = check_rows(&e, s->spared);
    }
}

int tmx_env_look(const struct tmx_spool_subject *subject, char error[TMX_SPOOL_ERROR_MAX])
{
    struct tmx_spool_subject what = *subject;
    struct finding f = { 0 };
    int r = tmx_in_child(look, &what, &f, sizeof(f), LOOK_LIMIT_S);
    if (r == -ECHILD) {
        (void)snprintf(error, TMX_SPOOL_ERROR_MAX, "damaged: a process that read it died");
        return -EBADMSG;
    }
    if (r < 0) {
        (void)snprintf(error, TMX_SPOOL_ERROR_MAX, "cannot be checked: %s", strerror(-r));
        return r;
    }
    if (f.r < 0) {
        memcpy(error, f.error, TMX_SPOOL_ERROR_MAX);
    }
    return f.r;
}

/* 0: nobody owns it; -EBUSY. The lock is let go at once: an owner that starts waits longer than that. */
static int owned(const char *path)
{
    char name[TMX_PATH_MAX];
    int r = tmx_join_path(name, path, "/owner.lock");
    int fd = r < 0 ? r : open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return r < 0 ? r : errno == ENOENT ? 0 : -errno;   /* nobody ever opened it */
    }
    r = flock(fd, LOCK_SH | LOCK_NB) == 0 ? 0 : errno == EWOULDBLOCK ? -EBUSY : -errno;
    close(fd);
    return r;
}

int tmx_spool_lmdb_check(const char *path, uint64_t capacity, const char *role, char *ret_error, size_t error_size)
{
    const struct tmx_spool_subject subject = { path, capacity, role, 0 };
    char name[TMX_PATH_MAX], error[TMX_SPOOL_ERROR_MAX];
    int r = tmx_join_path(name, path, "/data.mdb");
    if (r == 0 && access(name, R_OK) < 0) {
        r = -errno;
    }
    r = r == 0 ? owned(path) : r;
    (void)snprintf(error, sizeof(error), "%s", r == -EBUSY ? "owned by another process that runs" : strerror(-r));
    r = r == 0 ? tmx_env_look(&subject, error) : r;
    if (r < 0) {
        (void)snprintf(ret_error, error_size, "spool %s: %s", path, error);
    }
    return r;
}

void tmx_spool_lmdb_library(char *ret_version, size_t size)
{
    int major, minor, patch;
    (void)mdb_version(&major, &minor, &patch);
    (void)snprintf(ret_version, size, "%d.%d.%d", major, minor, patch);
}
