/* SPDX-License-Identifier: Apache-2.0
 * The exporter: head, directories, entries, list, and the checkpoint last; tiles are computed here, not asked for.
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

int tmx_export_fail(struct tmx_export_job *j, int error, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(j->why, EXPORT_WHY_MAX, fmt, args);
    va_end(args);
    return error;
}

int tmx_export_ask(struct tmx_export_job *j, const char *const *words, size_t n_words, json_t **ret_reply,
                   struct tmx_bytes *ret_payload)
{
    json_t *reply;
    const char *error;
    char printable[200];
    int r = tmx_control_fetch(j->order->socket, words, n_words, CALL_MS, &reply, ret_payload);

    if (r < 0) {
        return tmx_export_fail(j, r, "no answer from the broker at %s", j->order->socket);
    }
    error = json_string_value(json_object_get(reply, "error"));
    if (error != NULL) {
        tmx_printable(tmx_bytes_str(error), printable, sizeof printable);
        json_decref(reply);
        tmx_export_forget(*ret_payload);
        return tmx_export_fail(j, -EREMOTEIO, "the broker says: %s", printable);
    }
    *ret_reply = reply;
    return 0;
}

void tmx_export_forget(struct tmx_bytes b)
{
    free((void *)(uintptr_t)b.data);
}

static int parse_head(struct tmx_bytes note, struct tmx_checkpoint *ret_head)
{
    struct tmx_bytes text;
    struct tmx_bytes lines;

    return tmx_note_split(note, &text, &lines) && tmx_checkpoint_parse(text, ret_head) ? 0 : -EBADMSG;
}

/* The head of the earlier export, if there is one. */
static int read_before(struct tmx_export_job *j)
{
    uint8_t *note;
    size_t size;
    int r = tmx_export_read(j->base >= 0 ? j->base : j->fd, "checkpoint", TMX_NOTE_MAX, &note, &size);

    if (r == -ENOENT && j->base < 0) {
        return 0;
    }
    if (r == 0) {
        r = parse_head(TMX_BYTES(note, size), &j->before);
        free(note);
    }
    return r < 0 ? tmx_export_fail(j, r, "the earlier export has no checkpoint that can be read") : 0;
}

/* *ret_note is malloc'ed: what will be written at the end. */
static int ask_head(struct tmx_export_job *j, uint8_t **ret_note, size_t *ret_size)
{
    static const char *const words[] = { "log-head" };
    struct tmx_bytes payload;
    json_t *reply;
    const json_t *text;
    int r = tmx_export_ask(j, words, TMX_N(words), &reply, &payload);

    if (r < 0) {
        return r;
    }
    tmx_export_forget(payload); /* there should be none */
    text = json_object_get(reply, "checkpoint");
    if (!json_is_string(text) ||
        parse_head(TMX_BYTES(json_string_value(text), json_string_length(text)), &j->head) < 0) {
        r = tmx_export_fail(j, -EBADMSG, "the broker's checkpoint is none");
    } else if (j->before.size > 0 && strcmp(j->before.origin, j->head.origin) != 0) {
        r = tmx_export_fail(j, -EEXIST, "the earlier export is one of another log, %s", j->before.origin);
    } else if (j->before.size > j->head.size) {
        r = tmx_export_fail(j, -EBADMSG, "the broker's log has %llu entries, the earlier export %llu: it has lost some",
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

/* --- folders -------------------------------------------------------------------------------------------------- */

/* --since: the folder of the earlier export, which stays as it is; what is new goes into one of its own. */
static int open_base(struct tmx_export_job *j)
{
    struct stat here;
    struct stat there;

    j->base = open(j->order->since, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (j->base < 0 || fstat(j->base, &there) < 0 || fstat(j->fd, &here) < 0) {
        return tmx_export_fail(j, -errno, "cannot open %s", j->order->since);
    }
    if (here.st_dev == there.st_dev && here.st_ino == there.st_ino) {
        return tmx_export_fail(j, -EEXIST, "what is new since %s goes into another folder", j->order->since);
    }
    if (faccessat(j->fd, "checkpoint", F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
        return tmx_export_fail(j, -EEXIST, "%s holds an export: what is new since another goes into a folder of its own",
                               j->order->dir);
    }
    return 0;
}

/* A signature that is there is replaced by one over the new list, or stays. */
static int check_signed(struct tmx_export_job *j)
{
    const int fd = j->base >= 0 ? j->base : j->fd;

    if (j->order->key == NULL && faccessat(fd, SUMS_SIGNATURE, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
        return tmx_export_fail(j, -EPERM,
                               "the earlier export is signed: name the key with --sign, or take its " SUMS_SIGNATURE " away");
    }
    return 0;
}

/* --- the end -------------------------------------------------------------------------------------------------- */

/* The list that is there is believed as far as its signature goes. */
static bool believes_list(const struct tmx_export_job *j)
{
    return j->order->key == NULL ||
           tmx_signify_check(j->base >= 0 ? j->base : j->fd, &j->order->key->public) == SIGNIFY_OK;
}

static int write_list(struct tmx_export_job *j, struct tmx_bytes note)
{
    const struct tmx_sums_order sums = { .dir_fd = j->fd,
                                         .base_fd = j->base,
                                         .first = j->base >= 0 ? j->before.size / TMX_TILE_WIDTH : 0,
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
    if (syncfs(j->fd) < 0) { /* every name is on disk, too */
        return tmx_export_fail(j, -errno, "cannot write to disk");
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
    int r = j->order->since == NULL ? 0 : open_base(j);

    if (r == 0) {
        r = check_signed(j);
    }
    if (r == 0) {
        r = read_before(j);
    }
    if (r == 0) {
        r = ask_head(j, &note, &size);
    }
    if (r == 0) {
        r = tmx_export_directories(j, &newest);
    }
    if (r == 0) {
        r = tmx_export_entries(j);
    }
    if (r == 0) {
        r = tmx_export_texts(j, newest);
    }
    if (r == 0) {
        r = write_head(j, TMX_BYTES(note, size));
    }
    tmx_export_writer_free(j->writer);
    tmx_export_forget(newest);
    free(note);
    return r;
}

int tmx_export_run(const struct tmx_export_order *order, struct tmx_checkpoint *ret_head, char ret_why[EXPORT_WHY_MAX])
{
    struct tmx_export_job j = { .order = order, .why = ret_why, .base = -1 };
    int r;

    snprintf(ret_why, EXPORT_WHY_MAX, "out of memory");
    if (mkdir(order->dir, 0777) < 0 && errno != EEXIST) {
        return tmx_export_fail(&j, -errno, "cannot make %s", order->dir);
    }
    j.fd = open(order->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (j.fd < 0) {
        return tmx_export_fail(&j, -errno, "cannot open %s", order->dir);
    }
    r = run(&j);
    close(j.fd);
    if (j.base >= 0) {
        close(j.base);
    }
    if (r == 0) {
        *ret_head = j.head;
    }
    return r;
}
