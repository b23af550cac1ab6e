/* SPDX-License-Identifier: Apache-2.0
 * Bounded reading and durable writing for `tmx`. */
#include "file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_STEP 65536u

/* What read() gives until the end or one byte above max. */
static int read_all(int fd, size_t max, struct tmx_bytes *ret_bytes)
{
    uint8_t *data = NULL;
    size_t size = 0, room = 0;

    for (;;) {
        if (size == room) {
            room = room == 0 ? READ_STEP : room * 2;
            room = room > max ? max + 1 : room;
            uint8_t *larger = realloc(data, room);
            if (larger == NULL) {
                free(data);
                return -ENOMEM;
            }
            data = larger;
        }
        ssize_t n = read(fd, data + size, room - size);
        if (n < 0 && errno != EINTR) {
            int r = -errno;
            free(data);
            return r;
        }
        size += n > 0 ? (size_t)n : 0;
        if (n == 0 || size > max) {
            *ret_bytes = TMX_BYTES(data, size);
            return 0;
        }
    }
}

int file_read(const char *path, size_t max, struct tmx_bytes *ret_bytes, char *ret_reason, size_t capacity)
{
    bool standard_input = strcmp(path, "-") == 0;
    struct tmx_bytes bytes = TMX_BYTES_NULL;

    int fd = standard_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    int r = fd < 0 ? -errno : read_all(fd, max, &bytes);
    if (fd > STDIN_FILENO) {
        close(fd);
    }
    if (r < 0) {
        snprintf(ret_reason, capacity, "cannot be read: %s", strerror(-r));
        return FILE_E_FAILED;
    }
    if (bytes.size == 0 || bytes.size > max) {
        free((void *)(uintptr_t)bytes.data);
        if (bytes.size == 0) {
            snprintf(ret_reason, capacity, "is empty: there is nothing to send");
        } else {
            snprintf(ret_reason, capacity, "is larger than %zu MiB, the most a message can carry", max >> 20);
        }
        return FILE_E_FAILED;
    }
    *ret_bytes = bytes;
    return FILE_OK;
}

static int write_all(int fd, struct tmx_bytes bytes)
{
    while (bytes.size > 0) {
        ssize_t n = write(fd, bytes.data, bytes.size);
        if (n < 0 && errno != EINTR) {
            return -errno;
        }
        if (n > 0) {
            bytes = tmx_bytes_slice(bytes, (size_t)n, bytes.size - (size_t)n);
        }
    }
    return fsync(fd) == 0 ? 0 : -errno;
}

/* The file is complete and on disk before it has its name; link() refuses a name that is taken. */
static int write_named(int folder, const char *name, struct tmx_bytes bytes)
{
    char temporary[300];

    snprintf(temporary, sizeof(temporary), ".%.255s.%ld", name, (long)getpid());
    unlinkat(folder, temporary, 0);   /* of a former process with this number that was killed in between */
    int fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
    if (fd < 0) {
        return -errno;
    }
    int r = write_all(fd, bytes);
    if (close(fd) != 0 && r == 0) {
        r = -errno;
    }
    if (r == 0 && linkat(folder, temporary, folder, name, 0) != 0) {
        r = -errno;
    }
    if (unlinkat(folder, temporary, 0) != 0 && r == 0) {
        r = -errno;
    }
    return r;
}

static bool same_bytes(int folder, const char *name, struct tmx_bytes bytes)
{
    struct tmx_bytes there;
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0) {
        return false;
    }
    bool same = false;
    if (read_all(fd, bytes.size, &there) == 0) {
        same = tmx_bytes_eq(there, bytes) && fsync(fd) == 0;
        free((void *)(uintptr_t)there.data);
    }
    close(fd);
    return same;
}

int file_check_folder(const char *folder, char *ret_reason, size_t capacity)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = fd < 0 || faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) != 0 ? errno : 0;
    if (fd >= 0) {
        close(fd);
    }
    if (r != 0) {
        snprintf(ret_reason, capacity, "no file can be written to the folder %s: %s", folder, strerror(r));
    }
    return r == 0 ? FILE_OK : FILE_E_FAILED;
}

int file_store(const char *folder, const char *name, struct tmx_bytes bytes, char *ret_reason, size_t capacity)
{
    int condition = FILE_OK;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = fd < 0 ? -errno : write_named(fd, name, bytes);

    if (r == -EEXIST && same_bytes(fd, name, bytes)) {
        condition = FILE_E_EXISTS;
        r = 0;
    }
    if (r == 0 && fsync(fd) != 0) {
        r = -errno;
    }
    if (fd >= 0) {
        close(fd);
    }
    if (r < 0) {
        snprintf(ret_reason, capacity, "%s/%s cannot be written: %s", folder, name,
                 r == -EEXIST ? "there is another file of this name" : strerror(-r));
        return FILE_E_FAILED;
    }
    return condition;
}
