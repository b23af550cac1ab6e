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

#include "export_dir.h"
#include "export_parts.h"
#include "sums.h"

#define CALL_MS 60000u
#define ENTRIES_PER_CALL 128u /* of the largest size, in base64, they fit into one reply */

int tmx_export_fail(struct tmx_export_job *j, int error, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(j->why, EXPORT_WHY_MAX, fmt, args);
    va_end(args);
    return error;
}

int tmx_export_ask(struct tmx_export_job *j, const char *const *words, size_t n_words, json_t **ret_reply)
{
    json_t *reply;
    const char *error;
    char printable[200];
    int r = tmx_control_call(j->order->socket, words, n_words, TMX_BYTES_NULL, CALL_MS, &reply);

    if (r < 0) {
        return tmx_export_fail(j, r, "no answer from the broker at %s", j->order->socket);
    }
    error = json_string_value(json_object_get(reply, "error"));
    if (error != NULL) {
        tmx_printable(tmx_bytes_str(error), printable, sizeof printable);
        json_decref(reply);
        return tmx_export_fail(j, -EREMOTEIO, "the broker says: %s", printable);
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
static int read_before(struct tmx_export_job *j)
{
    uint8_t *note;
    size_t size;
    int r = tmx_export_read(j->fd, "checkpoint", TMX_NOTE_MAX, &note, &size);

    if (r == -ENOENT) {
        return 0;
    }
    if (r == 0) {
        r = parse_head(TMX_BYTES(note, size), &j->before);
        free(note);
    }
    return r < 0 ? tmx_export_fail(j, r, "the directory holds a checkpoint that cannot be read") : 0;
}

/* *ret_note is malloc'ed: what will be written at the end. */
static int ask_head(struct tmx_export_job *j, uint8_t **ret_note, size_t *ret_size)
{
    static const char *const words[] = { "log-head" };
    json_t *reply;
    const json_t *text;
    int r = tmx_export_ask(j, words, TMX_N(words), &reply);

    if (r < 0) {
        return r;
    }
    text = json_object_get(reply, "checkpoint");
    if (!json_is_string(text) ||
        parse_head(TMX_BYTES(json_string_value(text), json_string_length(text)), &j->head) < 0) {
        r = tmx_export_fail(j, -EBADMSG, "the broker's checkpoint is none");
    } else if (j->before.size > 0 && strcmp(j->before.origin, j->head.origin) != 0) {
        r = tmx_export_fail(j, -EEXIST, "the directory holds an export of another log, %s", j->before.origin);
    } else if (j->before.size > j->head.size) {
        r = tmx_export_fail(j, -EBADMSG, "the broker's log has %llu entries, the export here %llu: it has lost some",
                 (unsigned long long)j->head.size, (unsigned long long)j->before.size);
    } else {
        *ret_size = json_string_length(text);
        *ret_note = malloc(*ret_size);
        if (*ret_note == NULL) {
            r = tmx_export_fail(j, -ENOMEM, "out of memory");
        } else {
            memcpy(*ret_note, json_string_value(text), *ret_size);
        }
    }
    json_decref(reply);
    return r;
}

static int add_entry(struct tmx_export_job *j, const json_t *text, uint64_t index)
{
    static uint8_t entry[TMX_ENTRY_MAX];
    struct tmx_hash root;
    size_t size;
    int r;

    if (!json_is_string(text) ||
        !tmx_unbase64(TMX_BYTES(json_string_value(text), json_string_length(text)), entry, sizeof entry, &size)) {
        return tmx_export_fail(j, -EBADMSG, "entry %llu is not base64 of an entry's size", (unsigned long long)index);
    }
    r = tmx_export_add(j->writer, TMX_BYTES(entry, size));
    if (r == -EEXIST) {
        return tmx_export_fail(j, r, "up to entry %llu the broker's log differs from the export here: keep both",
                    (unsigned long long)index);
    }
    if (r < 0) {
        return tmx_export_fail(j, r, "entry %llu cannot be written", (unsigned long long)index);
    }
    root = tmx_export_root(j->writer);
    if (index + 1 == j->before.size && !tmx_hash_eq(&root, &j->before.root)) {
        return tmx_export_fail(j, -EEXIST, "the broker's log does not continue the checkpoint of the export here: keep both");
    }
    return 0;
}

static int ask_entries(struct tmx_export_job *j)
{
    for (uint64_t at = 0; at < j->head.size;) {
        const uint64_t left = j->head.size - at;
        const uint64_t count = left < ENTRIES_PER_CALL ? left : ENTRIES_PER_CALL;
        char numbers[2][24];
        const char *const words[] = { "log-entries", numbers[0], numbers[1] };
        const json_t *list;
        json_t *reply;
        size_t n;
        int r;

        snprintf(numbers[0], sizeof numbers[0], "%llu", (unsigned long long)at);
        snprintf(numbers[1], sizeof numbers[1], "%llu", (unsigned long long)count);
        r = tmx_export_ask(j, words, TMX_N(words), &reply);
        if (r < 0) {
            return r;
        }
        list = json_object_get(reply, "entries");
        n = json_array_size(list);
        if (n == 0 || n > count) {
            r = tmx_export_fail(j, -EBADMSG, "asked for %s entries from %s on, the broker gave %zu", numbers[1], numbers[0], n);
        }
        for (size_t i = 0; r == 0 && i < n; i++) {
            r = add_entry(j, json_array_get(list, i), at + i);
        }
        json_decref(reply);
        if (r < 0) {
            return r;
        }
        at += n;
    }
    return 0;
}

static int check_root(struct tmx_export_job *j)
{
    const struct tmx_hash root = tmx_export_root(j->writer);
    int r;

    if (!tmx_hash_eq(&root, &j->head.root)) {
        return tmx_export_fail(j, -EBADMSG, "the broker's entries do not give the root its checkpoint signs");
    }
    r = tmx_export_finish(j->writer);
    return r < 0 ? tmx_export_fail(j, r, "the last tiles cannot be written") : 0;
}

/* A signature that is there is replaced by one over the new list, or by none of ours. */
static int check_signed(struct tmx_export_job *j)
{
    if (j->order->key == NULL && faccessat(j->fd, SUMS_SIGNATURE, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
        return tmx_export_fail(j, -EKEYREJECTED, "the export here is signed: name the key with --sign, or take " SUMS_SIGNATURE
                                                 " away");
    }
    return 0;
}

/* The list that is there is believed as far as its signature goes. */
static bool believes_list(const struct tmx_export_job *j)
{
    return j->order->key == NULL || tmx_signify_check(j->fd, &j->order->key->public) == SIGNIFY_OK;
}

static int write_list(struct tmx_export_job *j, struct tmx_bytes note)
{
    const struct tmx_sums_order sums = { .dir_fd = j->fd,
                                         .size = j->head.size,
                                         .checkpoint = note,
                                         .unchanged = believes_list(j) ? j->before.size : 0 };
    char why[SUMS_WHY_MAX];
    int r = tmx_sums_write(&sums, why);

    if (r < 0) {
        return tmx_export_fail(j, r, "%s", why);
    }
    if (j->order->key != NULL) {
        r = tmx_signify_sign(j->fd, j->order->key);
    }
    return r < 0 ? tmx_export_fail(j, r, "cannot write " SUMS_SIGNATURE) : 0;
}

/* The list of files tells of the new checkpoint already; the checkpoint comes last: without it nothing is complete. */
static int write_head(struct tmx_export_job *j, struct tmx_bytes note)
{
    int r = write_list(j, note);

    if (r < 0) {
        return r;
    }
    r = tmx_export_write(j->fd, "checkpoint", note);
    if (r < 0) {
        return tmx_export_fail(j, r, "cannot write the checkpoint");
    }
    r = tmx_sums_tidy(j->fd, j->head.size);
    return r < 0 ? tmx_export_fail(j, r, "complete, but what an older checkpoint needed cannot be taken away") : 0;
}

static int run(struct tmx_export_job *j)
{
    struct tmx_bytes newest = TMX_BYTES_NULL;
    uint8_t *note = NULL;
    size_t size = 0;
    int r = check_signed(j);

    if (r == 0) {
        r = read_before(j);
    }
    if (r == 0) {
        r = ask_head(j, &note, &size);
    }
    if (r == 0) {
        r = tmx_export_writer_new(j->fd, &j->writer);
    }
    if (r == 0) {
        r = tmx_export_directories(j, &newest);
    }
    if (r == 0) {
        r = ask_entries(j);
    }
    if (r == 0) {
        r = check_root(j);
    }
    if (r == 0) {
        r = tmx_export_texts(j, newest);
    }
    if (r == 0) {
        r = write_head(j, TMX_BYTES(note, size));
    }
    tmx_export_writer_free(j->writer);
    free((void *)(uintptr_t)newest.data);
    free(note);
    return r;
}

int tmx_export_run(const struct tmx_export_order *order, struct tmx_checkpoint *ret_head, char ret_why[EXPORT_WHY_MAX])
{
    struct tmx_export_job j = { .order = order, .why = ret_why };
    const char *dir = order->dir;
    int r;

    snprintf(ret_why, EXPORT_WHY_MAX, "out of memory");
    if (mkdir(dir, 0777) < 0 && errno != EEXIST) {
        return tmx_export_fail(&j, -errno, "cannot make %s", dir);
    }
    j.fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (j.fd < 0) {
        return tmx_export_fail(&j, -errno, "cannot open %s", dir);
    }
    r = run(&j);
    close(j.fd);
    if (r == 0) {
        *ret_head = j.head;
    }
    return r;
}
