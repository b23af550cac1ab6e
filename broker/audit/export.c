/* SPDX-License-Identifier: Apache-2.0
 * The exporter: head, directories, entries; tiles are computed here, not asked for.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tmx/control.h>
#include <tmx/text.h>

#include "export.h"
#include "export_dir.h"
#include "writer.h"

#define CALL_MS 60000u
#define ENTRIES_PER_CALL 128u /* of the largest size, in base64, they fit into one reply */

struct export
{
    const char *socket;
    int fd;
    char *why; /* EXPORT_WHY_MAX */
    struct tmx_checkpoint head;
    struct tmx_checkpoint before; /* of the export that is there; size 0: none */
    struct tmx_export_writer *writer;
};

static int fail(struct export *e, int error, const char *fmt, ...) TMX_PRINTF(3, 4);
static int fail(struct export *e, int error, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(e->why, EXPORT_WHY_MAX, fmt, args);
    va_end(args);
    return error;
}

/* Asks; an answer that says "error" is one. */
static int ask(struct export *e, const char *const *words, size_t n_words, json_t **ret_reply)
{
    json_t *reply;
    const char *error;
    char printable[200];
    int r = tmx_control_call(e->socket, words, n_words, TMX_BYTES_NULL, CALL_MS, &reply);

    if (r < 0) {
        return fail(e, r, "no answer from the broker at %s", e->socket);
    }
    error = json_string_value(json_object_get(reply, "error"));
    if (error != NULL) {
        tmx_printable(tmx_bytes_str(error), printable, sizeof printable);
        json_decref(reply);
        return fail(e, -EREMOTEIO, "the broker says: %s", printable);
    }
    *ret_reply = reply;
    return 0;
}

static int parse_head(struct tmx_bytes note, struct tmx_checkpoint *ret_head)
{
    struct tmx_bytes text;
    struct tmx_bytes lines;

    return tmx_note_split(note, &text, &lines) && tmx_checkpoint_parse(text, ret_head) ? 0 : -EBADMSG;
}

/* The head of the export that is there already. */
static int read_before(struct export *e)
{
    uint8_t *note;
    size_t size;
    int r = tmx_export_read(e->fd, "checkpoint", TMX_NOTE_MAX, &note, &size);

    if (r == -ENOENT) {
        return 0;
    }
    if (r == 0) {
        r = parse_head(TMX_BYTES(note, size), &e->before);
        free(note);
    }
    return r < 0 ? fail(e, r, "the directory holds a checkpoint that cannot be read") : 0;
}

/* *ret_note is malloc'ed: what will be written at the end. */
static int ask_head(struct export *e, uint8_t **ret_note, size_t *ret_size)
{
    static const char *const words[] = { "log-head" };
    json_t *reply;
    const json_t *text;
    int r = ask(e, words, TMX_N(words), &reply);

    if (r < 0) {
        return r;
    }
    text = json_object_get(reply, "checkpoint");
    if (!json_is_string(text) ||
        parse_head(TMX_BYTES(json_string_value(text), json_string_length(text)), &e->head) < 0) {
        r = fail(e, -EBADMSG, "the broker's checkpoint is none");
    } else if (e->before.size > 0 && strcmp(e->before.origin, e->head.origin) != 0) {
        r = fail(e, -EEXIST, "the directory holds an export of another log, %s", e->before.origin);
    } else if (e->before.size > e->head.size) {
        r = fail(e, -EBADMSG, "the broker's log has %llu entries, the export here %llu: it has lost some",
                 (unsigned long long)e->head.size, (unsigned long long)e->before.size);
    } else {
        *ret_size = json_string_length(text);
        *ret_note = malloc(*ret_size);
        if (*ret_note == NULL) {
            r = fail(e, -ENOMEM, "out of memory");
        } else {
            memcpy(*ret_note, json_string_value(text), *ret_size);
        }
    }
    json_decref(reply);
    return r;
}

static int add_entry(struct export *e, const json_t *text, uint64_t index)
{
    static uint8_t entry[TMX_ENTRY_MAX];
    struct tmx_hash root;
    size_t size;
    int r;

    if (!json_is_string(text) ||
        !tmx_unbase64(TMX_BYTES(json_string_value(text), json_string_length(text)), entry, sizeof entry, &size)) {
        return fail(e, -EBADMSG, "entry %llu is not base64 of an entry's size", (unsigned long long)index);
    }
    r = tmx_export_add(e->writer, TMX_BYTES(entry, size));
    if (r == -EEXIST) {
        return fail(e, r, "up to entry %llu the broker's log differs from the export here: keep both",
                    (unsigned long long)index);
    }
    if (r < 0) {
        return fail(e, r, "entry %llu cannot be written", (unsigned long long)index);
    }
    root = tmx_export_root(e->writer);
    if (index + 1 == e->before.size && !tmx_hash_eq(&root, &e->before.root)) {
        return fail(e, -EEXIST, "the broker's log does not continue the checkpoint of the export here: keep both");
    }
    return 0;
}

static int ask_entries(struct export *e)
{
    for (uint64_t at = 0; at < e->head.size;) {
        const uint64_t left = e->head.size - at;
        const uint64_t count = left < ENTRIES_PER_CALL ? left : ENTRIES_PER_CALL;
        char numbers[2][24];
        const char *const words[] = { "log-entries", numbers[0], numbers[1] };
        const json_t *list;
        json_t *reply;
        size_t n;
        int r;

        snprintf(numbers[0], sizeof numbers[0], "%llu", (unsigned long long)at);
        snprintf(numbers[1], sizeof numbers[1], "%llu", (unsigned long long)count);
        r = ask(e, words, TMX_N(words), &reply);
        if (r < 0) {
            return r;
        }
        list = json_object_get(reply, "entries");
        n = json_array_size(list);
        if (n == 0 || n > count) {
            r = fail(e, -EBADMSG, "asked for %s entries from %s on, the broker gave %zu", numbers[1], numbers[0], n);
        }
        for (size_t i = 0; r == 0 && i < n; i++) {
            r = add_entry(e, json_array_get(list, i), at + i);
        }
        json_decref(reply);
        if (r < 0) {
            return r;
        }
        at += n;
    }
    return 0;
}

static int write_directory(struct export *e, const json_t *item)
{
    static uint8_t file[TMX_DIRECTORY_MAX];
    const json_t *serial = json_object_get(item, "serial");
    const json_t *text = json_object_get(item, "file");
    char path[EXPORT_PATH_MAX];
    size_t size;
    int r;

    if (!json_is_integer(serial) || json_integer_value(serial) < 1 || !json_is_string(text) ||
        !tmx_unbase64(TMX_BYTES(json_string_value(text), json_string_length(text)), file, sizeof file, &size)) {
        return fail(e, -EBADMSG, "a directory from the broker is malformed");
    }
    snprintf(path, sizeof path, "directories/%lld", (long long)json_integer_value(serial));
    r = tmx_export_put(e->fd, path, TMX_BYTES(file, size));
    return r == -EEXIST ? fail(e, r, "the broker's %s differs from the one in the export here: keep both", path)
           : r < 0      ? fail(e, r, "cannot write %s", path)
                        : 0;
}

static int ask_directories(struct export *e)
{
    static const char *const words[] = { "directories" };
    const json_t *list;
    json_t *reply;
    int r = ask(e, words, TMX_N(words), &reply);

    if (r < 0) {
        return r;
    }
    list = json_object_get(reply, "directories");
    if (json_array_size(list) == 0) {
        r = fail(e, -EBADMSG, "the broker gave no directory");
    }
    for (size_t i = 0; r == 0 && i < json_array_size(list); i++) {
        r = write_directory(e, json_array_get(list, i));
    }
    json_decref(reply);
    return r;
}

static int check_root(struct export *e)
{
    struct tmx_hash root;
    int r = tmx_export_finish(e->writer, &root);

    if (r < 0) {
        return fail(e, r, "the last tiles cannot be written");
    }
    if (!tmx_hash_eq(&root, &e->head.root)) {
        return fail(e, -EBADMSG, "the broker's entries do not give the root its checkpoint signs");
    }
    return 0;
}

static int run(struct export *e)
{
    uint8_t *note = NULL;
    size_t size = 0;
    int r = read_before(e);

    if (r == 0) {
        r = ask_head(e, &note, &size);
    }
    if (r == 0) {
        r = tmx_export_writer_new(e->fd, &e->writer);
    }
    if (r == 0) {
        r = ask_directories(e);
    }
    if (r == 0) {
        r = ask_entries(e);
    }
    if (r == 0) {
        r = check_root(e);
    }
    if (r == 0) {
        r = tmx_export_write(e->fd, "checkpoint", TMX_BYTES(note, size));
        r = r < 0 ? fail(e, r, "cannot write the checkpoint") : 0;
    }
    tmx_export_writer_free(e->writer);
    free(note);
    return r;
}

int tmx_export_run(const char *socket, const char *dir, struct tmx_checkpoint *ret_head, char ret_why[EXPORT_WHY_MAX])
{
    struct export e = { .socket = socket, .why = ret_why };
    int r;

    snprintf(ret_why, EXPORT_WHY_MAX, "out of memory");
    if (mkdir(dir, 0777) < 0 && errno != EEXIST) {
        return fail(&e, -errno, "cannot make %s", dir);
    }
    e.fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (e.fd < 0) {
        return fail(&e, -errno, "cannot open %s", dir);
    }
    r = run(&e);
    close(e.fd);
    if (r == 0) {
        *ret_head = e.head;
    }
    return r;
}
