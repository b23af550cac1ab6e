/* SPDX-License-Identifier: Apache-2.0
 * Files and folders that stay where they were put. See files.h.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "files.h"

int tmx_join_path(char ret_path[TMX_PATH_MAX], const char *folder, const char *name)
{
    return (size_t)snprintf(ret_path, TMX_PATH_MAX, "%s%s", folder, name) < TMX_PATH_MAX ? 0 : -ENAMETOOLONG;
}

int tmx_sync_path(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    int r = fsync(fd) < 0 ? -errno : 0;
    close(fd);
    return r;
}

int tmx_sync_folder_of(const char *path)
{
    char folder[TMX_PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t size = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
    if (size >= sizeof(folder)) {
        return -ENAMETOOLONG;
    }
    memcpy(folder, path, size);
    folder[size] = '\0';
    return tmx_sync_path(size > 0 ? folder : ".");
}

int tmx_write_at(int fd, struct tmx_bytes b, uint64_t at)
{
    while (b.size > 0) {
        ssize_t n = pwrite(fd, b.data, b.size, (off_t)at);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 ? -errno : -EIO;
        }
        b = tmx_bytes_slice(b, (size_t)n, b.size - (size_t)n);
        at += (uint64_t)n;
    }
    return 0;
}

int tmx_replace_file(const char *path, struct tmx_bytes content)
{
    char fresh[TMX_PATH_MAX];
    if ((size_t)snprintf(fresh, sizeof(fresh), "%s.new", path) >= sizeof(fresh)) {
        return -ENAMETOOLONG;
    }
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return -errno;
    }
    int r = tmx_write_at(fd, content, 0);
    if (r == 0 && fsync(fd) < 0) {
        r = -errno;
    }
    close(fd);
    if (r == 0 && rename(fresh, path) < 0) {
        r = -errno;
    }
    if (r < 0) {
        (void)unlink(fresh);
        return r;
    }
    return tmx_sync_folder_of(path);
}

int tmx_read_file(const char *path, uint8_t *ret_data, size_t size, size_t *ret_size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    size_t used = 0;
    ssize_t n;
    do {
        n = read(fd, ret_data + used, size - used);
        used += n > 0 ? (size_t)n : 0;
    } while ((n > 0 && used < size) || (n < 0 && errno == EINTR));
    int r = n < 0 ? -errno : 0;
    uint8_t more;
    if (r == 0 && used == size && read(fd, &more, 1) != 0) {
        r = -EFBIG;
    }
    close(fd);
    if (r == 0) {
        *ret_size = used;
    }
    return r;
}
