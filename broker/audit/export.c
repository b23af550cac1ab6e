/* SPDX-License-Identifier: Apache-2.0
 * The exporter: head, directories, entries, earlier heads, list, and the checkpoint last; tiles are computed here, not asked for.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <tmx/control.h>
#include <tmx/text.h>

#include "export_dir.h"
#include "export_parts.h"
#include "pruned.h"
#include "sums.h"

#define CALL_MS 60000u
#define COSIGN_LOOK_MS 100 /* the witnesses cosign within seconds while enough of them are there */
#define COSIGN_LOOKS 50u

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

bool tmx_export_parse_head(struct tmx_bytes note, struct tmx_checkpoint *ret_head)
{
    struct tmx_bytes text;
    struct tmx_bytes lines;

    return tmx_note_split(note, &text, &lines) && tmx_checkpoint_parse(text, ret_head);
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
        r = tmx_export_parse_head(TMX_BYTES(note, size), &j->before) ? 0 : -EBADMSG;
        free(note);
    }
    if (r < 0) {
        return tmx_export_fail(j, r, "the earlier export has no checkpoint that can be read");
    }
    r = tmx_pruned_read(j->base >= 0 ? j->base : j->fd, j->before.size, &j->pruned);
    return r < 0 ? tmx_export_fail(j, r, "the earlier export has a " PRUNED_FILE " that is none of its") : 0;
}

static int fits_before(struct tmx_export_job *j, const struct tmx_checkpoint *head)
{
    if (j->before.size > 0 && strcmp(j->before.origin, head->origin) != 0) {
        return tmx_export_fail(j, -EEXIST, "the earlier export is one of another log, %s", j->before.origin);
    }
    if (j->before.size > head->size) {
        return tmx_export_fail(j, -EBADMSG, "the broker's log has %llu entries, the earlier export %llu: it has lost some",
                               (unsigned long long)head->size, (unsigned long long)j->before.size);
    }
    return 0;
}

static bool head_of(const json_t *text, struct tmx_checkpoint *ret_head)
{
    return json_is_string(text) && tmx_export_parse_head(TMX_BYTES(json_string_value(text), json_string_length(text)), ret_head);
}

/* The text becomes what is written at the end. */
static int take_note(struct tmx_export_job *j, const json_t *text, const struct tmx_checkpoint *head, struct tmx_bytes *ret_note)
{
    const size_t size = json_string_length(text);
    uint8_t *note = malloc(size);

    if (note == NULL) {
        return tmx_export_fail(j, -ENOMEM, "out of memory");
    }
    memcpy(note, json_string_value(text), size);
    *ret_note = TMX_BYTES(note, size);
    j->head = *head;
    return 0;
}

/* The head as it is now, or, when a policy names witnesses, the first one from here on that their quorum has cosigned:
 * *ret_wait asks for another look. Everything that was in the log when the export began is in it either way. */
static int look_at_head(struct tmx_export_job *j, uint64_t *least, bool last, bool *ret_wait, struct tmx_bytes *ret_note)
{
    static const char *const words[] = { "log-head" };
    struct tmx_bytes payload;
    struct tmx_checkpoint head;
    struct tmx_checkpoint cosigned;
    json_t *reply;
    int r = tmx_export_ask(j, words, TMX_N(words), &reply, &payload);

    if (r < 0) {
        return r;
    }
    tmx_export_forget(payload); /* there should be none */
    *ret_wait = false;
    if (!head_of(json_object_get(reply, "checkpoint"), &head)) {
        r = tmx_export_fail(j, -EBADMSG, "the broker's checkpoint is none");
    } else {
        r = fits_before(j, &head);
    }
    if (r == 0) {
        const json_t *best = json_object_get(reply, "cosigned");
        const bool wanted = json_integer_value(json_object_get(reply, "witnesses")) > 0;

        *least = *least == 0 ? head.size : *least;
        if (wanted && head_of(best, &cosigned) && cosigned.size >= *least && strcmp(cosigned.origin, head.origin) == 0) {
            r = take_note(j, best, &cosigned, ret_note);
        } else if (wanted && !last) {
            *ret_wait = true;
        } else {
            r = take_note(j, json_object_get(reply, "checkpoint"), &head, ret_note);
            j->uncosigned = wanted;
        }
    }
    json_decref(reply);
    return r;
}

/* *ret_note is malloc'ed: what will be written at the end. */
static int ask_head(struct tmx_export_job *j, struct tmx_bytes *ret_note)
{
    const struct timespec pause = { .tv_nsec = COSIGN_LOOK_MS * 1000000 };
    uint64_t least = 0;
    bool wait = true;
    int r = 0;

    for (unsigned looks = 0; r == 0 && wait; looks++) {
        if (looks > 0) {
            nanosleep(&pause, NULL);
        }
        r = look_at_head(j, &least, looks == COSIGN_LOOKS, &wait, ret_note);
    }
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

int tmx_export_check_signed(struct tmx_export_job *j)
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

int tmx_export_write_list(struct tmx_export_job *j, struct tmx_bytes note)
{
    const struct tmx_sums_order sums = { .dir_fd = j->fd,
                                         .base_fd = j->base,
                                         .first = j->base >= 0 ? j->before.size / TMX_TILE_WIDTH : 0,
                                         .size = j->head.size,
                                         .pruned = j->pruned,
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
    int r = tmx_export_write_list(j, note);

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
    r = tmx_sums_tidy(j->fd, j->head.size, j->pruned);
    return r < 0 ? tmx_export_fail(j, r, "complete, but what an older checkpoint needed cannot be taken away") : 0;
}

static int run(struct tmx_export_job *j)
{
    struct tmx_bytes newest = TMX_BYTES_NULL;
    struct tmx_bytes note = TMX_BYTES_NULL;
    int r = j->order->since == NULL ? 0 : open_base(j);

    if (r == 0) {
        r = tmx_export_check_signed(j);
    }
    if (r == 0) {
        r = read_before(j);
    }
    if (r == 0) {
        r = ask_head(j, &note);
    }
    if (r == 0) {
        r = tmx_export_directories(j, &newest);
    }
    if (r == 0) {
        r = tmx_export_entries(j);
    }
    if (r == 0) {
        r = tmx_export_heads(j);
    }
    if (r == 0) {
        r = tmx_export_texts(j, newest);
    }
    if (r == 0) {
        r = write_head(j, note);
    }
    tmx_export_writer_free(j->writer);
    tmx_export_forget(newest);
    tmx_export_forget(note);
    return r;
}

int tmx_export_run(const struct tmx_export_order *order, struct tmx_checkpoint *ret_head, bool *ret_uncosigned,
                   char ret_why[EXPORT_WHY_MAX])
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
        *ret_uncosigned = j.uncosigned;
    }
    return r;
}
