/* SPDX-License-Identifier: Apache-2.0
 * LD_PRELOAD recorder: what a program does to the files below a folder, in order, and the marks it sets between.
 *
 *   TMX_RECORD_FOLDER   absolute; files elsewhere are left alone, as are lock files, whose content means nothing
 *   TMX_RECORD_LOG      where the recording is appended
 *   TMX_RECORD_SENT     "stream": what it sends on local stream sockets is recorded too; "zmq": what it gives to ZeroMQ, and
 *                       what it answers its operators in JSON
 *   TMX_RECORD_FLAGS    added to the flags of LMDB environments opened for writing: how the tests prove that the
 *                       sweep notices a spool that does not sync
 *   TMX_RECORD_UNSYNCED what is written through O_DSYNC is recorded as if it were not synced: how they prove that it notices
 *                       a journal that does not sync
 *   TMX_RECORD_EARLY    what is sent is recorded before the writes since the last send: how they prove that it notices
 *                       a program that acknowledges before its commit
 * What the program starts is not recorded.
 * Nothing is synced for real while recording: a crash is only ever imagined, and syncing takes most of the time.
 */
#undef _FILE_OFFSET_BITS   /* open and open64 are two functions here */
#undef _FORTIFY_SOURCE

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "record.h"

#define EXPORT __attribute__((visibility("default")))
#define FDS_MAX 4096
#define NAME_MAX_ 256

struct watched {
    bool on;
    bool durable;   /* opened with O_DSYNC or O_SYNC */
    uint64_t file;
};

static struct watched fds[FDS_MAX];
static char folder[NAME_MAX_];
static size_t folder_size;
static int log_fd = -1;
static bool sends_stream, sends_zmq, unsynced;
static struct {
    bool on;
    uint8_t *bytes;   /* of records held back */
    size_t size, room;
    pid_t of;         /* a child has a copy, and is not to write it again */
} early;

static void die(const char *what)
{
    (void)dprintf(STDERR_FILENO, "record: %s: %s\n", what, strerror(errno));
    abort();
}

static void *next(const char *name)
{
    void *f = dlsym(RTLD_NEXT, name);
    if (f == NULL) {
        die(name);
    }
    return f;
}

__attribute__((constructor)) static void start(void)
{
    const char *f = getenv("TMX_RECORD_FOLDER"), *l = getenv("TMX_RECORD_LOG");
    if (f == NULL || l == NULL) {
        return;
    }
    folder_size = strlen(f);
    if (folder_size >= sizeof(folder)) {
        die("TMX_RECORD_FOLDER");
    }
    memcpy(folder, f, folder_size + 1);
    const char *sent = getenv("TMX_RECORD_SENT");
    sends_stream = sent != NULL && strcmp(sent, "stream") == 0;
    sends_zmq = sent != NULL && strcmp(sent, "zmq") == 0;
    unsynced = getenv("TMX_RECORD_UNSYNCED") != NULL;
    early.on = getenv("TMX_RECORD_EARLY") != NULL;
    early.of = getpid();
    log_fd = (int)syscall(SYS_openat, AT_FDCWD, l, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log_fd < 0) {
        die(l);
    }
    (void)unsetenv("LD_PRELOAD");
}

static void append(const struct iovec *pieces, int n, size_t size)
{
    if (syscall(SYS_writev, log_fd, pieces, n) != (long)size) {
        die("log");
    }
}

static void hold_back(const struct iovec *pieces, int n, size_t size)
{
    if (early.size + size > early.room) {
        early.room = 2 * (early.size + size);
        early.bytes = realloc(early.bytes, early.room);
        if (early.bytes == NULL) {
            die("held back");
        }
    }
    for (int i = 0; i < n; i++) {
        memcpy(early.bytes + early.size, pieces[i].iov_base, pieces[i].iov_len);
        early.size += pieces[i].iov_len;
    }
}

__attribute__((destructor)) static void let_go(void)
{
    if (early.size > 0 && early.of == getpid()) {
        append(&(struct iovec){ early.bytes, early.size }, 1, early.size);
    }
    early.size = 0;
}

static void record(struct record r, const struct iovec *data, int n)
{
    static const uint8_t zero[RECORD_ALIGN];
    struct iovec all[2 + IOV_MAX / 2];
    if (n > IOV_MAX / 2) {
        die("too many pieces");
    }
    all[0] = (struct iovec){ &r, sizeof(r) };
    for (int i = 0; i < n; i++) {
        all[i + 1] = data[i];
        r.size += data[i].iov_len;
    }
    size_t padding = (RECORD_ALIGN - r.size % RECORD_ALIGN) % RECORD_ALIGN;
    all[n + 1] = (struct iovec){ (void *)(uintptr_t)zero, padding };
    size_t size = sizeof(r) + r.size + padding;
    if (early.on && r.kind != RECORD_SENT) {
        hold_back(all, n + 2, size);
        return;
    }
    append(all, n + 2, size);
    let_go();
}

static void record_bytes(struct record r, const void *data, size_t size)
{
    const struct iovec v = { (void *)(uintptr_t)data, size };
    record(r, &v, 1);
}

/* The path below the folder, or NULL: none of ours. */
static const char *below(const char *path)
{
    if (log_fd < 0 || path == NULL || strncmp(path, folder, folder_size) != 0) {
        return NULL;
    }
    const char *rest = path + folder_size;
    size_t size = strlen(rest);
    if (*rest != '/' && *rest != '\0') {
        return NULL;
    }
    rest += *rest == '/';
    bool lock = size > 5 && (strcmp(path + strlen(path) - 5, ".lock") == 0 ||
                             strcmp(path + strlen(path) - 8, "lock.mdb") == 0);
    return lock ? NULL : rest;
}

static struct watched *watched(int fd)
{
    return fd >= 0 && fd < FDS_MAX && fds[fd].on ? &fds[fd] : NULL;
}

/* --- names ---------------------------------------------------------------------------------------------------- */

static int open_any(int dirfd, const char *path, int flags, mode_t mode)
{
    const char *name = dirfd == AT_FDCWD ? below(path) : NULL;
    if (name == NULL) {
        return (int)syscall(SYS_openat, dirfd, path, flags, mode);
    }
    struct stat st;
    bool existed = stat(path, &st) == 0;
    int fd = (int)syscall(SYS_openat, dirfd, path, flags & ~(O_DSYNC | O_SYNC), mode);
    if (fd < 0) {
        return fd;
    }
    if (fd >= FDS_MAX || fstat(fd, &st) < 0) {
        die("descriptor");
    }
    fds[fd] = (struct watched){ .on = true, .durable = (flags & (O_DSYNC | O_SYNC)) != 0 && !unsynced,
                                .file = st.st_ino };
    struct record r = { .kind = RECORD_OPEN, .file = st.st_ino, .flags = existed ? 0 : RECORD_CREATED };
    record_bytes(r, name, strlen(name) + 1);
    if (existed && (flags & O_TRUNC) != 0) {
        record((struct record){ .kind = RECORD_TRUNCATE, .file = st.st_ino }, NULL, 0);
    }
    return fd;
}

#define OPEN_WITH_MODE(dirfd) \
    va_list ap; \
    va_start(ap, flags); \
    mode_t mode = (flags & (O_CREAT | __O_TMPFILE)) != 0 ? va_arg(ap, mode_t) : 0; \
    va_end(ap); \
    return open_any(dirfd, path, flags, mode)

EXPORT int open(const char *path, int flags, ...) { OPEN_WITH_MODE(AT_FDCWD); }
EXPORT int open64(const char *path, int flags, ...) { OPEN_WITH_MODE(AT_FDCWD); }
EXPORT int openat(int dirfd, const char *path, int flags, ...) { OPEN_WITH_MODE(dirfd); }
EXPORT int openat64(int dirfd, const char *path, int flags, ...) { OPEN_WITH_MODE(dirfd); }
EXPORT int __open_2(const char *path, int flags);
EXPORT int __open_2(const char *path, int flags) { return open_any(AT_FDCWD, path, flags, 0); }
EXPORT int __open64_2(const char *path, int flags);
EXPORT int __open64_2(const char *path, int flags) { return open_any(AT_FDCWD, path, flags, 0); }

EXPORT int close(int fd)
{
    if (fd == log_fd && fd >= 0) {
        return 0;
    }
    if (watched(fd) != NULL) {
        fds[fd].on = false;
    }
    return (int)syscall(SYS_close, fd);
}

static int renamed(int r, const char *from, const char *to)
{
    const char *a = below(from), *b = below(to);
    if (r < 0 || (a == NULL && b == NULL)) {
        return r;
    }
    if (a == NULL || b == NULL) {
        die("renamed over the border of the folder");
    }
    const struct iovec both[] = { { (void *)(uintptr_t)a, strlen(a) + 1 }, { (void *)(uintptr_t)b, strlen(b) + 1 } };
    record((struct record){ .kind = RECORD_RENAME }, both, 2);
    return r;
}

EXPORT int rename(const char *from, const char *to)
{
    return renamed((int)syscall(SYS_rename, from, to), from, to);
}

EXPORT int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
    return renamed((int)syscall(SYS_renameat2, from_fd, from, to_fd, to, flags), from, to);
}

static int named(int r, enum record_kind kind, const char *path)
{
    const char *name = below(path);
    if (r == 0 && name != NULL) {
        record_bytes((struct record){ .kind = kind }, name, strlen(name) + 1);
    }
    return r;
}

EXPORT int unlink(const char *path) { return named((int)syscall(SYS_unlink, path), RECORD_UNLINK, path); }
EXPORT int rmdir(const char *path) { return named((int)syscall(SYS_rmdir, path), RECORD_UNLINK, path); }
EXPORT int mkdir(const char *path, mode_t mode) { return named((int)syscall(SYS_mkdir, path, mode), RECORD_MKDIR, path); }

/* --- content -------------------------------------------------------------------------------------------------- */

static void wrote(int fd, const struct iovec *data, int n, off_t at, ssize_t written)
{
    const struct watched *w = watched(fd);
    if (w == NULL || written <= 0) {
        return;
    }
    size_t whole = 0;
    for (int i = 0; i < n; i++) {
        whole += data[i].iov_len;
    }
    if ((size_t)written != whole) {
        die("short write");
    }
    record((struct record){ .kind = RECORD_WRITE, .flags = w->durable ? RECORD_DURABLE : 0, .file = w->file,
                            .at = (uint64_t)at }, data, n);
}

static off_t position(int fd)
{
    return watched(fd) != NULL ? lseek(fd, 0, SEEK_CUR) : 0;
}

EXPORT ssize_t write(int fd, const void *data, size_t size)
{
    if (fd == RECORD_MARKS_FD && log_fd >= 0) {
        record_bytes((struct record){ .kind = RECORD_MARK }, data, size);
        return (ssize_t)size;
    }
    const struct iovec v = { (void *)(uintptr_t)data, size };
    off_t at = position(fd);
    ssize_t n = syscall(SYS_write, fd, data, size);
    wrote(fd, &v, 1, at, n);
    return n;
}

EXPORT ssize_t writev(int fd, const struct iovec *data, int n)
{
    off_t at = position(fd);
    ssize_t written = syscall(SYS_writev, fd, data, n);
    wrote(fd, data, n, at, written);
    return written;
}

static ssize_t pwrite_any(int fd, const void *data, size_t size, off_t at)
{
    const struct iovec v = { (void *)(uintptr_t)data, size };
    ssize_t n = syscall(SYS_pwrite64, fd, data, size, at);
    wrote(fd, &v, 1, at, n);
    return n;
}

EXPORT ssize_t pwrite(int fd, const void *data, size_t size, off_t at) { return pwrite_any(fd, data, size, at); }
EXPORT ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) { return pwrite_any(fd, data, size, at); }

static ssize_t pwritev_any(int fd, const struct iovec *data, int n, off_t at)
{
    ssize_t written = syscall(SYS_pwritev, fd, data, n, at, 0);
    wrote(fd, data, n, at, written);
    return written;
}

EXPORT ssize_t pwritev(int fd, const struct iovec *data, int n, off_t at) { return pwritev_any(fd, data, n, at); }
EXPORT ssize_t pwritev64(int fd, const struct iovec *data, int n, off64_t at) { return pwritev_any(fd, data, n, at); }

static int sync_any(int fd)
{
    const struct watched *w = watched(fd);
    if (w == NULL) {
        return 0;
    }
    record((struct record){ .kind = RECORD_SYNC, .file = w->file }, NULL, 0);
    return 0;
}

EXPORT int fsync(int fd) { return sync_any(fd); }
EXPORT int fdatasync(int fd) { return sync_any(fd); }

static int truncate_any(int fd, off_t size)
{
    int r = (int)syscall(SYS_ftruncate, fd, size);
    const struct watched *w = watched(fd);
    if (r == 0 && w != NULL) {
        record((struct record){ .kind = RECORD_TRUNCATE, .file = w->file, .at = (uint64_t)size }, NULL, 0);
    }
    return r;
}

EXPORT int ftruncate(int fd, off_t size) { return truncate_any(fd, size); }
EXPORT int ftruncate64(int fd, off64_t size) { return truncate_any(fd, size); }

/* Reserving space changes no byte, and is not done: recordings are small. Anything else it could do is not known here. */
static int fallocate_any(int fd, int mode, off_t at, off_t size)
{
    if (watched(fd) == NULL) {
        return (int)syscall(SYS_fallocate, fd, mode, at, size);
    }
    if (mode != FALLOC_FL_KEEP_SIZE) {
        die("fallocate");
    }
    return 0;
}

EXPORT int fallocate(int fd, int mode, off_t at, off_t size) { return fallocate_any(fd, mode, at, size); }
EXPORT int fallocate64(int fd, int mode, off64_t at, off64_t size) { return fallocate_any(fd, mode, at, size); }

/* --- what is said --------------------------------------------------------------------------------------------- */

static void said(uint64_t socket, const void *data, ssize_t sent, unsigned flags)
{
    if (sent >= 0) {
        record_bytes((struct record){ .kind = RECORD_SENT, .flags = flags, .file = socket }, data, (size_t)sent);
    }
}

EXPORT ssize_t send(int fd, const void *data, size_t size, int flags)
{
    struct stat st;
    int domain = 0;
    socklen_t n = sizeof(domain);
    ssize_t sent = syscall(SYS_sendto, fd, data, size, flags, NULL, 0);
    int error = errno;
    const bool answer = sends_zmq && size > 0 && *(const char *)data == '{';
    if ((sends_stream || answer) && getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &n) == 0 && domain == AF_UNIX &&
        fstat(fd, &st) == 0) {
        said(st.st_ino, data, sent, answer ? RECORD_ANSWER : 0);
    }
    errno = error;
    return sent;
}

EXPORT int zmq_send(void *socket, const void *data, size_t size, int flags);
EXPORT int zmq_send(void *socket, const void *data, size_t size, int flags)
{
    static int (*f)(void *, const void *, size_t, int);
    if (f == NULL) {
        void *symbol = next("zmq_send");
        memcpy(&f, &symbol, sizeof(f));
    }
    int sent = f(socket, data, size, flags), error = errno;
    const int more = 2;   /* ZMQ_SNDMORE */
    if (sends_zmq) {   /* a send that failed said nothing */
        said((uint64_t)(uintptr_t)socket, data, sent, (flags & more) != 0 ? RECORD_MORE : 0);
    }
    errno = error;
    return sent;
}

/* --- LMDB ------------------------------------------------------------------------------------------------------ */

EXPORT int mdb_env_open(void *env, const char *path, unsigned flags, mode_t mode);
EXPORT int mdb_env_open(void *env, const char *path, unsigned flags, mode_t mode)
{
    int (*f)(void *, const char *, unsigned, mode_t);
    void *symbol = next("mdb_env_open");
    memcpy(&f, &symbol, sizeof(f));
    const char *more = getenv("TMX_RECORD_FLAGS");
    const unsigned read_only = 0x20000;   /* MDB_RDONLY */
    if (more != NULL && (flags & read_only) == 0) {
        flags |= (unsigned)strtoul(more, NULL, 0);
    }
    return f(env, path, flags, mode);
}
