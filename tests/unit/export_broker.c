/* SPDX-License-Identifier: Apache-2.0
 * See export_broker.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tmx/control.h>
#include <tmx/text.h>

#include "../../broker/audit/export_dir.h"
#include "export_broker.h"

char target[64];
char why[EXPORT_WHY_MAX];

static json_t *base64_json(struct tmx_bytes b)
{
    char *text = malloc(TMX_BASE64_SIZE(b.size));
    json_t *json;

    tmx_base64(b, text);
    json = json_string(text);
    free(text);
    return json;
}

static json_t *entries_json(enum lie lie, uint64_t from, uint64_t count)
{
    json_t *list = json_array();

    for (uint64_t i = from; i < book->n && i < from + count + (lie == TOO_MANY_ENTRIES ? 1 : 0); i++) {
        const bool other = lie == OTHER_ENTRY && i == book->n - 1;

        if (lie != NO_ENTRIES) {
            json_array_append_new(list,
                                  lie == NO_BASE64 ? json_string("%") : base64_json(book->entries[other ? 3 : i]));
        }
    }
    return json_pack("{so}", "entries", list);
}

static json_t *head_json(enum lie lie)
{
    uint8_t *note;
    size_t size;
    json_t *reply;

    if (lie == NO_CHECKPOINT) {
        return json_pack("{ss}", "checkpoint", "none");
    }
    assert_int_equal(tmx_export_read(folder_fd, "checkpoint", TMX_NOTE_MAX, &note, &size), 0);
    reply = json_pack("{so}", "checkpoint", json_stringn((const char *)note, size));
    free(note);
    return reply;
}

static json_t *directories_json(enum lie lie)
{
    json_t *list = json_array();

    for (size_t i = 0; lie != NO_DIRECTORY && i < TMX_N(book->directory_files) && book->directory_files[i] != NULL; i++) {
        const struct tmx_bytes file = TMX_BYTES(book->directory_files[i], book->directory_sizes[i]);

        json_array_append_new(list, json_pack("{sI so}", "serial", (json_int_t)i + 1, "file", base64_json(file)));
    }
    return json_pack("{so}", "directories", list);
}

static json_t *reply_to(enum lie lie, const struct tmx_control_request *r)
{
    uint64_t from;
    uint64_t count;

    if (lie == REFUSES) {
        return json_pack("{ss}", "error", "not today");
    }
    if (strcmp(r->words[0], "log-head") == 0) {
        return head_json(lie);
    }
    if (strcmp(r->words[0], "directories") == 0) {
        return directories_json(lie);
    }
    if (r->n_words == 3 && strcmp(r->words[0], "log-entries") == 0 &&
        tmx_parse_u64(tmx_bytes_str(r->words[1]), book->n, &from) &&
        tmx_parse_u64(tmx_bytes_str(r->words[2]), 256, &count)) {
        return entries_json(lie, from, count);
    }
    return json_pack("{ss}", "error", "unknown request");
}

/* Answers from the book until it is killed. */
static void serve(struct tmx_control *control, enum lie lie)
{
    for (;;) {
        struct tmx_control_fd fds[TMX_CONTROL_FDS_MAX];
        struct pollfd wait[TMX_CONTROL_FDS_MAX];
        const size_t n = tmx_control_fds(control, fds);
        struct tmx_control_request request;

        for (size_t i = 0; i < n; i++) {
            wait[i] = (struct pollfd){ .fd = fds[i].fd, .events = fds[i].want_write ? POLLOUT : POLLIN };
        }
        (void)poll(wait, n, -1);
        tmx_control_step(control, 1);
        while (tmx_control_next(control, &request)) {
            tmx_control_reply(control, request.client, reply_to(lie, &request));
        }
    }
}

int export_with(enum lie lie, const struct tmx_export_order *order)
{
    struct tmx_export_order whole = *order;
    struct tmx_control *control;
    struct tmx_checkpoint head;
    char socket_path[64];
    pid_t pid;
    int r;

    snprintf(socket_path, sizeof socket_path, "%s/control", folder);
    snprintf(target, sizeof target, "%s/out", folder);
    assert_int_equal(tmx_control_new(socket_path, &control), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        serve(control, lie);
    }
    whole.socket = socket_path;
    whole.dir = order->dir == NULL ? target : order->dir;
    r = tmx_export_run(&whole, &head, why);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    tmx_control_free(control);
    print_message("# %s\n", r < 0 ? why : "exported");
    assert_true(r < 0 || head.size == book->n);
    return r;
}

int export_from(enum lie lie)
{
    return export_with(lie, &(struct tmx_export_order){ .key = NULL });
}

void grow_book(size_t more)
{
    struct mail m;

    for (size_t i = 0; i < more; i++) {
        book_compose(&m, "FR", "CH", NULL);
        book_accept(&m);
    }
    write_checkpoint(book->n, &book->roots[book->n], book->federation.log_secret);
}
