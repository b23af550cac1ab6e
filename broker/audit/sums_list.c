/* SPDX-License-Identifier: Apache-2.0
 * See sums_list.h.
 */
#include <fcntl.h>
#include <nettle/sha2.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tmx/text.h>

#include "sums_list.h"

#define OPENING "SHA256 ("
#define BETWEEN ") = "
#define LINE_MAX_SIZE (SUMS_PATH_MAX + 128u)
#define PIECE 16384u

int tmx_sums_open(int dir_fd, const char *path, struct tmx_sums_reader *ret_reader)
{
    const int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct tmx_sums_reader r = { .file = fd < 0 ? NULL : fdopen(fd, "r") };

    if (r.file == NULL) {
        const int error = -errno;

        if (fd >= 0) {
            close(fd);
        }
        return error;
    }
    *ret_reader = r;
    return 0;
}

void tmx_sums_close(struct tmx_sums_reader *r)
{
    if (r->file != NULL) {
        (void)fclose(r->file);
        r->file = NULL;
    }
}

/* Bytes with which none of the tools that read the list has trouble. */
bool tmx_sums_path_ok(const char *path)
{
    for (const char *c = path; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f || *c == '\\' || *c == '(' || *c == ')') {
            return false;
        }
    }
    return path[0] != '\0' && strlen(path) < 255;
}

/* The line without its newline. */
static bool parse_line(struct tmx_bytes line, struct tmx_sum *ret_sum)
{
    const size_t around = strlen(OPENING) + strlen(BETWEEN) + 2 * TMX_HASH_SIZE;
    const size_t path = line.size > around ? line.size - around : 0;
    struct tmx_reader r = tmx_reader_init(line);

    if (path == 0 || path >= sizeof ret_sum->path || !tmx_bytes_eq(tmx_read_bytes(&r, strlen(OPENING)), TMX_LIT(OPENING))) {
        return false;
    }
    tmx_read_into(&r, ret_sum->path, path);
    ret_sum->path[path] = '\0';
    return strlen(ret_sum->path) == path && tmx_bytes_eq(tmx_read_bytes(&r, strlen(BETWEEN)), TMX_LIT(BETWEEN)) &&
           tmx_unhex(tmx_read_bytes(&r, r.left), ret_sum->hash, sizeof ret_sum->hash);
}

int tmx_sums_next(struct tmx_sums_reader *r, struct tmx_sum *ret_sum)
{
    char line[LINE_MAX_SIZE];
    size_t size;

    if (r->file == NULL || fgets(line, sizeof line, r->file) == NULL) {
        return SUMS_E_END;
    }
    r->line++;
    size = strlen(line);
    if (size == 0 || line[size - 1] != '\n' || !parse_line(TMX_BYTES(line, size - 1), ret_sum) || strcmp(r->last, ret_sum->path) >= 0) {
        return SUMS_E_MALFORMED;
    }
    snprintf(r->last, sizeof r->last, "%s", ret_sum->path);
    return SUMS_OK;
}

int tmx_sums_put(FILE *file, const struct tmx_sum *sum)
{
    char hex[2 * TMX_HASH_SIZE + 1];

    tmx_hex(TMX_BYTES_OF(sum->hash), hex);
    return fprintf(file, OPENING "%s" BETWEEN "%s\n", sum->path, hex) < 0 ? -EIO : 0;
}

int tmx_sums_hash(int dir_fd, const char *path, uint8_t ret_hash[TMX_HASH_SIZE])
{
    const int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct sha256_ctx state;
    uint8_t piece[PIECE];
    struct stat st;
    int r = fd < 0 || fstat(fd, &st) < 0 ? -errno : S_ISREG(st.st_mode) ? 1 : -EINVAL;

    sha256_init(&state);
    while (r > 0) {
        const ssize_t n = read(fd, piece, sizeof piece);

        if (n > 0) {
            sha256_update(&state, (size_t)n, piece);
        } else if (n == 0) {
            r = 0;
        } else if (errno != EINTR) {
            r = -errno;
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    if (r == 0) {
        sha256_digest(&state, TMX_HASH_SIZE, ret_hash);
    }
    return r;
}
