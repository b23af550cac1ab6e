/* SPDX-License-Identifier: Apache-2.0
 * tmx-broker serve-log: the log of a spool that was put aside, for auditors. No gate, no port, no key, no configuration, and
 * nothing is written but what opening a spool may have to bring in from its journal.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tmx/clock.h>
#include <tmx/notify.h>
#include <tmx/text.h>

#include "archive.h"
#include "../daemon.h"

#define ROOM_BYTES (16u << 20)   /* beside the spool's file: to bring in its journal */
#define WAIT_MS 1000
#define ARENA (1u << 20)

struct served {
    struct archive archive;
    struct log_source source;
    uint64_t started_ms;
};

static json_t *status_of(const struct served *s)
{
    const struct archive *a = &s->archive;
    json_t *log = tmx_answer_log(s->source.checkpoint);
    if (a->witnesses > 0) {
        tmx_answer_cosigned(log, a->witnesses, a->cosigned_head.size, &a->quorum, tmx_clock_wall_ms());
    }
    return json_pack("{ss ss ss sI sI sI ss s[] s[] s{} so so s{sI sI}}", "role", "archive", "federation", a->federation,
                     "version", TMX_VERSION, "pid", (json_int_t)getpid(), "at_ms", (json_int_t)tmx_clock_wall_ms(),
                     "uptime_ms", (json_int_t)tmx_answer_age(tmx_clock_mono_ms(), s->started_ms), "health", "ok",
                     "problems", "destinations", "counters", "log", log, "spool", tmx_answer_spool(s->source.spool),
                     "directory", "serial", (json_int_t)a->directory_serial, "expires_at_ms",
                     (json_int_t)a->directory_expires_ms);
}

static void answer(const struct served *s, const struct tmx_control_request *r)
{
    struct tmx_arena arena;
    if (tmx_arena_init(&arena, ARENA) != 0) {
        tmx_control_refuse(s->source.control, r->client, "busy", "out of memory");
        return;
    }
    if (control_log(&s->source, r, &arena)) {
        /* answered */
    } else if (r->n_words == 1 && strcmp(r->words[0], "status") == 0) {
        tmx_control_reply(s->source.control, r->client, status_of(s));
    } else {
        tmx_control_refuse(s->source.control, r->client, "unknown-command",
                           "an archived log answers auditors (tmx-audit export) and status, nothing else");
    }
    tmx_arena_deinit(&arena);
}

static void serve(const struct served *s, int signals)
{
    struct tmx_control *c = s->source.control;
    bool stop = false, reload = false;
    while (!stop) {
        struct pollfd fds[TMX_CONTROL_FDS_MAX + 1] = { { .fd = signals, .events = POLLIN } };
        struct tmx_control_fd control[TMX_CONTROL_FDS_MAX];
        struct tmx_control_request r;
        size_t n = tmx_control_fds(c, control);
        for (size_t i = 0; i < n; i++) {
            fds[i + 1] = (struct pollfd){ .fd = control[i].fd, .events = control[i].want_write ? POLLOUT : POLLIN };
        }
        uint64_t now = tmx_clock_mono_ms(), due = tmx_control_due(c);
        int timeout = due <= now ? 0 : due - now < WAIT_MS ? (int)(due - now) : WAIT_MS;
        (void)!poll(fds, (nfds_t)n + 1, timeout);
        tmx_signals_take(signals, &stop, &reload);
        tmx_control_step(c, tmx_clock_mono_ms());
        while (tmx_control_next(c, &r)) {
            answer(s, &r);
        }
        tmx_control_step(c, tmx_clock_mono_ms());
        tmx_notify_alive();
    }
}

static int open_spool(const char *path, struct tmx_spool **ret_spool)
{
    char file[4096], error[512];
    struct stat st;
    if (snprintf(file, sizeof(file), "%s/data.mdb", path) >= (int)sizeof(file) || stat(file, &st) < 0) {
        fprintf(stderr, "tmx-broker: %s is not the folder of a spool\n", path);
        return 1;
    }
    int r = tmx_spool_lmdb_open(path, (uint64_t)st.st_size + ROOM_BYTES, "broker", ret_spool, error, sizeof(error));
    if (r < 0) {
        fprintf(stderr, "tmx-broker: %s\n", error);
        return r == -EBUSY ? 1 : TMX_EXIT_STORAGE;
    }
    return 0;
}

int serve_log(const char *spool, const char *run, int signals)
{
    static struct served s;   /* large: not on the stack */
    char path[4096];
    s.started_ms = tmx_clock_mono_ms();
    int code = open_spool(spool, &s.source.spool);
    if (code != 0) {
        return code;
    }
    int r = archive_read(s.source.spool, &s.archive);
    if (r < 0) {
        fprintf(stderr, "tmx-broker: %s: %s\n", spool, r == -EBADMSG ? "it holds no log" : strerror(-r));
    } else {
        s.source.checkpoint = TMX_BYTES(s.archive.checkpoint, s.archive.checkpoint_size);
        s.source.cosigned = TMX_BYTES(s.archive.cosigned, s.archive.cosigned_size);
        s.source.witnesses = s.archive.witnesses;
        (void)mkdir(run, 0750);
        snprintf(path, sizeof(path), "%s/%s", run, TMX_CONTROL_SOCKET);
        r = tmx_control_new(path, &s.source.control);
        if (r < 0) {
            fprintf(stderr, "tmx-broker: control socket %s: %s\n", path, strerror(-r));
        }
    }
    if (r == 0) {
        printf("shard %s, %llu entries: tmx-audit export --socket %s\n", s.archive.shard,
               (unsigned long long)s.archive.head.size, path);
        (void)fflush(stdout);
        tmx_notify_ready();
        serve(&s, signals);
    }
    tmx_control_free(s.source.control);
    tmx_spool_close(s.source.spool);
    return r < 0 ? 1 : 0;
}
