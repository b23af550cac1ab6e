/* SPDX-License-Identifier: Apache-2.0
 * Files of an export directory.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tmx/text.h>
#include <tmx/tree.h>

#include "export_dir.h"

void tmx_export_path(const struct tmx_export_name *name, char ret_path[EXPORT_PATH_MAX])
{
    uint64_t scale = 1;
    int at = name->entries ? snprintf(ret_path, EXPORT_PATH_MAX, "tile/entries")
                           : snprintf(ret_path, EXPORT_PATH_MAX, "tile/%u", name->level);

    while (name->n / scale >= 1000) {
        scale *= 1000;
    }
    for (; scale >= 1; scale /= 1000) {
        at += snprintf(ret_path + at, EXPORT_PATH_MAX - (size_t)at, "/%s%03u", scale > 1 ? "x" : "",
                       (unsigned)(name->n / scale % 1000));
    }
    if (name->width < TMX_TILE_WIDTH) {
        snprintf(ret_path + at, EXPORT_PATH_MAX - (size_t)at, ".p/%u", name->width);
    }
}

/* Takes decimal digits; false when there are none or too many. */
static bool take_number(const char **text, uint64_t *ret_value)
{
    const size_t digits = strspn(*text, "0123456789");

    *ret_value = 0;
    for (size_t i = 0; i < digits && digits <= 3; i++) {
        *ret_value = *ret_value * 10 + (uint64_t)((*text)[i] - '0');
    }
    *text += digits;
    return digits >= 1 && digits <= 3;
}

static bool take_literal(const char **text, const char *literal)
{
    const size_t size = strlen(literal);

    if (strncmp(*text, literal, size) != 0) {
        return false;
    }
    *text += size;
    return true;
}

bool tmx_export_parse_path(const char *path, struct tmx_export_name *ret_name)
{
    struct tmx_export_name name = { .width = TMX_TILE_WIDTH };
    const char *text = path;
    char canonical[EXPORT_PATH_MAX];
    uint64_t number;
    unsigned groups = 0;

    if (!take_literal(&text, "tile/")) {
        return false;
    }
    name.entries = take_literal(&text, "entries");
    if (!name.entries) {
        if (!take_number(&text, &number) || number >= TMX_TREE_TILE_LEVELS) {
            return false;
        }
        name.level = (unsigned)number;
    }
    while (take_literal(&text, "/")) {
        (void)take_literal(&text, "x");
        if (++groups > 6 || !take_number(&text, &number)) {
            return false;
        }
        name.n = name.n * 1000 + number;
    }
    if (take_literal(&text, ".p/")) {
        if (!take_number(&text, &number) || number < 1 || number >= TMX_TILE_WIDTH) {
            return false;
        }
        name.width = (unsigned)number;
    }
    /* What was read loosely must be written exactly so. */
    tmx_export_path(&name, canonical);
    if (groups == 0 || strcmp(canonical, path) != 0) {
        return false;
    }
    *ret_name = name;
    return true;
}

static const struct {
    const char *folder;
    const char *suffix;
} old_heads[] = { [EXPORT_CHECKPOINTS] = { "checkpoints", "" }, [EXPORT_ANCHORS] = { "anchors", ".tst" } };

const char *tmx_export_old_folder(enum tmx_export_old kind)
{
    return old_heads[kind].folder;
}

void tmx_export_old_path(enum tmx_export_old kind, uint64_t size, char ret_path[EXPORT_PATH_MAX])
{
    snprintf(ret_path, EXPORT_PATH_MAX, "%s/%llu%s", old_heads[kind].folder, (unsigned long long)size,
             old_heads[kind].suffix);
}

bool tmx_export_old_parse(enum tmx_export_old kind, const char *path, uint64_t *ret_size)
{
    char canonical[EXPORT_PATH_MAX];
    const char *text = path;

    if (!take_literal(&text, old_heads[kind].folder) || !take_literal(&text, "/") ||
        !tmx_parse_u64(TMX_BYTES(text, strspn(text, "0123456789")), UINT64_MAX, ret_size) || *ret_size == 0) {
        return false;
    }
    tmx_export_old_path(kind, *ret_size, canonical);
    return strcmp(canonical, path) == 0;
}

unsigned tmx_export_width(const struct tmx_export_name *name, uint64_t size)
{
    const uint64_t count = name->entries ? size : size >> (8 * name->level);

    return name->n < count / TMX_TILE_WIDTH    ? TMX_TILE_WIDTH
           : name->n == count / TMX_TILE_WIDTH ? (unsigned)(count % TMX_TILE_WIDTH)
                                               : 0;
}

int tmx_export_read(int dir_fd, const char *path, size_t max, uint8_t **ret_data, size_t *ret_size)
{
    const int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    uint8_t *data = NULL;
    size_t size = 0;
    int r = 0;

    if (fd < 0) {
        return -errno;
    }
    if (fstat(fd, &st) < 0) {
        r = -errno;
    } else if (!S_ISREG(st.st_mode)) {
        r = -EINVAL;
    } else if ((uint64_t)st.st_size > max) {
        r = -EFBIG;
    } else {
        data = malloc((size_t)st.st_size + 1);
        r = data == NULL ? -ENOMEM : 0;
    }
    while (r == 0 && size < (size_t)st.st_size) {
        const ssize_t n = read(fd, data + size, (size_t)st.st_size - size);

        if (n > 0) {
            size += (size_t)n;
        } else if (n == 0) {
            break;
        } else if (errno != EINTR) {
            r = -errno;
        }
    }
    close(fd);
    if (r < 0) {
        free(data);
        return r;
    }
    *ret_data = data;
    *ret_size = size;
    return 0;
}

static int make_folders(int dir_fd, const char *path)
{
    char folder[EXPORT_PATH_MAX];

    for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
        if (mkdirat(dir_fd, folder, 0777) < 0 && errno != EEXIST) {
            return -errno;
        }
    }
    return 0;
}

static int write_whole(int fd, struct tmx_bytes data)
{
    size_t written = 0;

    while (written < data.size) {
        const ssize_t n = write(fd, data.data + written, data.size - written);

        if (n >= 0) {
            written += (size_t)n;
        } else if (errno != EINTR) {
            return -errno;
        }
    }
    return 0;
}

static void temporary_of(const char *path, char ret_temporary[EXPORT_PATH_MAX + 8])
{
    snprintf(ret_temporary, EXPORT_PATH_MAX + 8, "%s.new", path);
}

/* The temporary file of a path; on disk when it is `durable`. */
static int write_temporary(int dir_fd, const char *path, const struct tmx_bytes *parts, size_t n, bool durable)
{
    char temporary[EXPORT_PATH_MAX + 8];
    int r = make_folders(dir_fd, path);
    int fd;

    if (r < 0) {
        return r;
    }
    temporary_of(path, temporary);
    fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        return -errno;
    }
    for (size_t i = 0; r == 0 && i < n; i++) {
        r = write_whole(fd, parts[i]);
    }
    if (r == 0 && durable && fsync(fd) < 0) {
        r = -errno;
    }
    if (close(fd) < 0 && r == 0) {
        r = -errno;
    }
    if (r < 0) {
        (void)unlinkat(dir_fd, temporary, 0);
    }
    return r;
}

int tmx_export_name(int dir_fd, const char *path)
{
    char temporary[EXPORT_PATH_MAX + 8];
    int r = 0;

    temporary_of(path, temporary);
    if (renameat(dir_fd, temporary, dir_fd, path) < 0) {
        r = -errno;
        (void)unlinkat(dir_fd, temporary, 0);
    }
    return r;
}

int tmx_export_write_parts(int dir_fd, const char *path, const struct tmx_bytes *parts, size_t n)
{
    int r = write_temporary(dir_fd, path, parts, n, true);

    return r < 0 ? r : tmx_export_name(dir_fd, path);
}

int tmx_export_write_unnamed(int dir_fd, const char *path, struct tmx_bytes data)
{
    return write_temporary(dir_fd, path, &data, 1, false);
}

int tmx_export_write(int dir_fd, const char *path, struct tmx_bytes data)
{
    return tmx_export_write_parts(dir_fd, path, &data, 1);
}

int tmx_export_compare(int dir_fd, const char *path, struct tmx_bytes data)
{
    uint8_t *there;
    size_t size;
    bool same;
    int r = tmx_export_read(dir_fd, path, data.size, &there, &size);

    if (r < 0) {
        return r == -EFBIG ? -EEXIST : r;
    }
    same = tmx_bytes_eq(TMX_BYTES(there, size), data);
    free(there);
    return same ? 0 : -EEXIST;
}

int tmx_export_put(int dir_fd, const char *path, struct tmx_bytes data)
{
    int r = tmx_export_compare(dir_fd, path, data);

    return r == -ENOENT ? tmx_export_write(dir_fd, path, data) : r;
}

bool tmx_export_next_entry(struct tmx_reader *bundle, struct tmx_bytes *ret_entry, bool *ret_failed)
{
    *ret_failed = false;
    if (bundle->left == 0) {
        return false;
    }
    *ret_entry = tmx_read_bytes(bundle, tmx_read_u16(bundle));
    *ret_failed = !tmx_reader_ok(bundle);
    return !*ret_failed;
}
