/* SPDX-License-Identifier: Apache-2.0
 * Files, memory and small texts of the offline tool.
 */
#include "authority.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int fail(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fputs("tmx-authority: ", stderr);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
    return 1;
}

void *take(struct tool *t, size_t size)
{
    void *p = tmx_arena_alloc(&t->arena, size);
    if (p == NULL) {
        exit(fail("out of memory: the files of this command are too large"));
    }
    return p;
}

struct tmx_bytes keep(struct tool *t, struct tmx_bytes b)
{
    uint8_t *p = take(t, b.size);
    if (b.size > 0) {
        memcpy(p, b.data, b.size);
    }
    return TMX_BYTES(p, b.size);
}

struct tmx_bytes pack(struct tool *t, const void *message)
{
    struct tmx_bytes b;
    if (tmx_codec_pack(message, &t->arena, &b) != TMX_CODEC_OK) {
        exit(fail("out of memory: the document is too large"));
    }
    return b;
}

const char *path_in(struct tool *t, const char *dir, const char *name)
{
    size_t size = strlen(dir) + 1 + strlen(name) + 1;
    char *path = take(t, size);
    snprintf(path, size, "%s/%s", dir, name);
    return path;
}

bool read_file(struct tool *t, const char *path, size_t max, struct tmx_bytes *ret_content)
{
    FILE *f = fopen(path, "rbe");
    if (f == NULL) {
        fail("%s: cannot read: %s", path, strerror(errno));
        return false;
    }
    uint8_t *data = take(t, max + 1);
    size_t size = fread(data, 1, max + 1, f);
    bool failed = ferror(f) != 0;
    fclose(f);
    if (failed || size > max) {
        fail(failed ? "%s: cannot read" : "%s: too large: at most %zu bytes are expected here", path, max);
        return false;
    }
    *ret_content = TMX_BYTES(data, size);
    return true;
}

static bool sync_folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash == NULL ? strdup(".") : strndup(path, (size_t)(slash - path + 1));
    int fd = folder == NULL ? -1 : open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0) {
        close(fd);
    }
    free(folder);
    return ok;
}

bool write_file(struct tool *t, const char *path, struct tmx_bytes content)
{
    size_t size = strlen(path) + sizeof(".new");
    char *temporary = take(t, size);
    snprintf(temporary, size, "%s.new", path);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "wb");
    bool ok = f != NULL && fwrite(content.data, 1, content.size, f) == content.size && fflush(f) == 0 &&
              fsync(fd) == 0;
    if (f != NULL) {
        ok = fclose(f) == 0 && ok;
    }
    ok = ok && rename(temporary, path) == 0 && sync_folder_of(path);
    if (!ok) {
        fail("%s: cannot write: %s", path, strerror(errno));
    }
    return ok;
}

bool make_folder(const char *path)
{
    if (mkdir(path, 0700) < 0 && errno != EEXIST) {
        fail("%s: cannot create the folder: %s", path, strerror(errno));
        return false;
    }
    return true;
}

uint64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

size_t split_words(struct tool *t, const char *list, ProtobufCBinaryData **ret_words)
{
    ProtobufCBinaryData *words = take(t, TOOL_WORDS_MAX * sizeof(*words));
    size_t n = 0;
    while (*list != 0 && n < TOOL_WORDS_MAX) {
        size_t size = strcspn(list, ", ");
        if (size > 0) {
            words[n++] = tmx_to_pb(TMX_BYTES(list, size));
        }
        list += size + (list[size] != 0 ? 1 : 0);
    }
    *ret_words = words;
    return n;
}

void *append(struct tool *t, void *array, size_t n, void *element)
{
    void **longer = take(t, (n + 1) * sizeof(void *));
    if (n > 0) {
        memcpy(longer, array, n * sizeof(void *));
    }
    longer[n] = element;
    return longer;
}

bool next_line(struct tmx_bytes *text, struct tmx_bytes *ret_line)
{
    if (text->size == 0) {
        return false;
    }
    const uint8_t *end = memchr(text->data, '\n', text->size);
    size_t size = end == NULL ? text->size : (size_t)(end - text->data);
    size_t used = end == NULL ? size : size + 1;
    *ret_line = tmx_bytes_slice(*text, 0, size);
    *text = tmx_bytes_slice(*text, used, text->size - used);
    return true;
}
