/* SPDX-License-Identifier: Apache-2.0
 * The life of one gate process, seen from the core. Contract: tmx/gate_link.h.
 */
#include <tmx/gate_link.h>

#include <signal.h>
#include <sodium.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tmx/gate_stream.h>
#include <tmx/outbox.h>
#include <tmx/startup.h>

#define GATE_FD 3
#define REAP_MS 5u   /* between two looks whether a killed gate is gone */

struct tmx_gate_link {
    const char *program;
    size_t memory_max_bytes;
    struct tmx_gate_config config;
    struct tmx_gate_stream stream;
    struct tmx_outbox outbox;   /* what found no room in the stream */
    struct tmx_gate_status status;
    uint64_t now_ms;         /* of the last step */
    uint64_t due_ms;         /* WAITING: start; STARTING: give up; ENDING: look again */
    uint64_t up_ms;          /* since when it is up; 0 = it never was */
    uint64_t backoff_ms;     /* before the next start */
    bool reason_known;       /* status.failed is about the present gate */
    bool admit_pending;      /* ADMIT did not fit yet */
};

int tmx_gate_link_new(const char *program, const struct tmx_gate_config *config, size_t memory_max_bytes,
                      struct tmx_gate_link **ret_link)
{
    size_t size = strnlen(config->endpoint, sizeof(config->endpoint));
    if (size == 0 || size == sizeof(config->endpoint) || config->n_admits > TMX_N(config->admits)) {
        return -EINVAL;
    }
    struct tmx_gate_link *l = calloc(1, sizeof(*l));
    if (l == NULL) {
        return -ENOMEM;
    }
    l->program = program;
    l->memory_max_bytes = memory_max_bytes;
    tmx_startup_lock(l->config.secret, sizeof(l->config.secret));
    l->config = *config;
    l->stream.fd = -1;
    l->status.state = TMX_GATE_WAITING;
    l->backoff_ms = TMX_GATE_BACKOFF_MIN_MS;
    *ret_link = l;
    return 0;
}

static void TMX_PRINTF(2, 3) set_reason(struct tmx_gate_link *l, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(l->status.failed, sizeof(l->status.failed), fmt, args);
    va_end(args);
    l->reason_known = true;
}

/* What a gate says of itself goes to logs and terminals. */
static void set_told_reason(struct tmx_gate_link *l, struct tmx_bytes text)
{
    size_t n = text.size < sizeof(l->status.failed) ? text.size : sizeof(l->status.failed) - 1;
    for (size_t i = 0; i < n; i++) {
        l->status.failed[i] = (char)(text.data[i] >= ' ' && text.data[i] < 0x7f ? text.data[i] : '?');
    }
    l->status.failed[n] = '\0';
    l->reason_known = true;
}

static void end_gate(struct tmx_gate_link *l)
{
    kill(l->status.pid, SIGKILL);
    l->status.state = TMX_GATE_ENDING;
    l->due_ms = l->now_ms + REAP_MS;
}

static void wait_for_start(struct tmx_gate_link *l)
{
    bool steady = l->up_ms != 0 && l->now_ms - l->up_ms >= TMX_GATE_BACKOFF_MAX_MS;
    if (steady) {
        l->backoff_ms = TMX_GATE_BACKOFF_MIN_MS;
    }
    l->status.state = TMX_GATE_WAITING;
    l->status.pid = 0;
    l->due_ms = l->now_ms + l->backoff_ms;
    l->backoff_ms = 2 * l->backoff_ms < TMX_GATE_BACKOFF_MAX_MS ? 2 * l->backoff_ms : TMX_GATE_BACKOFF_MAX_MS;
}

/* Starts the program with `fd` as its descriptor 3 and nothing else beyond the standard three, with default signals
 * (the core blocks some) and in a group of its own (a terminal's interrupt is the core's business). */
static int spawn_gate(struct tmx_gate_link *l, int fd, pid_t *ret_pid)
{
    char memory[24];
    snprintf(memory, sizeof(memory), "%zu", l->memory_max_bytes);
    const char *const argv[] = { l->program, "--memory-max", memory, NULL };
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    int r = posix_spawn_file_actions_adddup2(&actions, fd, GATE_FD);
    if (r == 0) {
        r = posix_spawn_file_actions_addclosefrom_np(&actions, GATE_FD + 1);
    }
    if (r == 0) {
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
        posix_spawnattr_setsigmask(&attributes, &none);
        posix_spawnattr_setsigdefault(&attributes, &all);
        posix_spawnattr_setpgroup(&attributes, 0);
        /* posix_spawn takes char *const * for history's sake; it does not write. */
        r = posix_spawn(ret_pid, l->program, &actions, &attributes, (char *const *)(uintptr_t)argv, environ);
    }
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return -r;
}

static int start_gate(struct tmx_gate_link *l)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        return -errno;
    }
    int r = tmx_gate_stream_init(&l->stream, ends[0]);
    if (r != 0) {
        close(ends[0]);
        close(ends[1]);
        return r;
    }
    r = spawn_gate(l, ends[1], &l->status.pid);
    close(ends[1]);
    if (r != 0) {
        tmx_gate_stream_deinit(&l->stream);
        return r;
    }
    struct tmx_writer w = tmx_gate_stream_writer(&l->stream);
    tmx_gate_put_config(&w, &l->config);
    bool fits = tmx_gate_stream_commit(&l->stream, &w);
    assert(fits);
    return 0;
}

static void start(struct tmx_gate_link *l)
{
    l->up_ms = 0;
    l->status.starts++;
    l->reason_known = false;
    l->admit_pending = false;
    memset(&l->status.counters, 0, sizeof(l->status.counters));
    int r = start_gate(l);
    if (r != 0) {
        set_reason(l, "cannot be started: %s", strerror(-r));
        wait_for_start(l);
        return;
    }
    l->status.state = TMX_GATE_STARTING;
    l->due_ms = l->now_ms + TMX_GATE_START_MS;
}

static void reap(struct tmx_gate_link *l, int options)
{
    int status = 0;
    struct rusage usage = { 0 };
    pid_t pid = wait4(l->status.pid, &status, options, &usage);
    if (pid == 0) {
        l->due_ms = l->now_ms + REAP_MS;
        return;
    }
    if (!l->reason_known && pid > 0) {
        set_reason(l, WIFEXITED(status) ? "exited with status %d" : "ended by signal %d",
                   WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    }
    l->status.ended_ms = l->now_ms;
    l->status.ended_signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    l->status.ended_bytes = (uint64_t)usage.ru_maxrss << 10;
    tmx_gate_stream_deinit(&l->stream);
    tmx_outbox_clear(&l->outbox);
    wait_for_start(l);
}

static void put_admit(struct tmx_gate_link *l)
{
    struct tmx_writer w = tmx_gate_stream_writer(&l->stream);
    tmx_gate_put_admit(&w, l->config.admits, l->config.n_admits);
    l->admit_pending = !tmx_gate_stream_commit(&l->stream, &w);
}

static bool put_message(struct tmx_gate_link *l, const struct tmx_message *m)
{
    if (!tmx_gate_stream_fits(&l->stream, tmx_gate_message_size(m))) {
        return false;
    }
    struct tmx_writer w = tmx_gate_stream_writer(&l->stream);
    tmx_gate_put_message(&w, m);
    return tmx_gate_stream_commit(&l->stream, &w);
}

/* Writes until the socket takes no more or nothing is left. */
static int flush(struct tmx_gate_link *l)
{
    for (;;) {
        int r = tmx_gate_stream_flush(&l->stream);
        const struct tmx_message *next = tmx_outbox_first(&l->outbox);
        if (r != 0 || next == NULL) {
            return r;
        }
        while (next != NULL && put_message(l, next)) {
            tmx_outbox_drop(&l->outbox);
            next = tmx_outbox_first(&l->outbox);
        }
    }
}

/* A gate that closed its end, or was closed by the kernel, says by its exit status why: no reason set here. */
static void run(struct tmx_gate_link *l)
{
    if (l->status.state == TMX_GATE_STARTING && l->now_ms >= l->due_ms) {
        set_reason(l, "did not start within %u ms", TMX_GATE_START_MS);
        end_gate(l);
        return;
    }
    if (l->admit_pending) {
        put_admit(l);
    }
    int filled = tmx_gate_stream_fill(&l->stream);
    int flushed = flush(l);
    bool gone = (filled != 0 && filled != TMX_GATE_STREAM_E_AGAIN) ||
                (flushed != 0 && flushed != TMX_GATE_STREAM_E_AGAIN);
    if (gone) {
        end_gate(l);
    }
}

void tmx_gate_link_step(struct tmx_gate_link *l, uint64_t now_ms)
{
    l->now_ms = now_ms;
    switch (l->status.state) {
    case TMX_GATE_WAITING:
        if (now_ms >= l->due_ms) {
            start(l);
        }
        break;
    case TMX_GATE_STARTING:
    case TMX_GATE_UP:
        run(l);
        break;
    case TMX_GATE_ENDING:
        reap(l, WNOHANG);
        break;
    }
}

struct tmx_gate_link *tmx_gate_link_free(struct tmx_gate_link *l)
{
    if (l == NULL) {
        return NULL;
    }
    if (l->status.pid != 0) {
        kill(l->status.pid, SIGKILL);
        reap(l, 0);
    }
    tmx_outbox_clear(&l->outbox);
    tmx_startup_unlock(l->config.secret, sizeof(l->config.secret));
    sodium_memzero(l, sizeof(*l));
    free(l);
    return NULL;
}

static bool running(const struct tmx_gate_link *l)
{
    return l->status.state == TMX_GATE_STARTING || l->status.state == TMX_GATE_UP;
}

void tmx_gate_link_admit(struct tmx_gate_link *l, const struct tmx_admit *admits, size_t n)
{
    assert(n <= TMX_N(l->config.admits));
    if (n > 0) {
        memmove(l->config.admits, admits, n * sizeof(*admits));
    }
    l->config.n_admits = n;
    if (running(l)) {
        put_admit(l);
    }
}

void tmx_gate_link_restart(struct tmx_gate_link *l, uint64_t now_ms)
{
    l->now_ms = now_ms;
    if (running(l)) {
        set_reason(l, "restarted to end its connections");
        l->backoff_ms = TMX_GATE_BACKOFF_MIN_MS;
        end_gate(l);
    }
}

int tmx_gate_link_fd(const struct tmx_gate_link *l)
{
    return running(l) ? l->stream.fd : -1;
}

bool tmx_gate_link_wants_write(const struct tmx_gate_link *l)
{
    return running(l) && (l->admit_pending || tmx_gate_stream_pending(&l->stream));
}

uint64_t tmx_gate_link_due(const struct tmx_gate_link *l)
{
    return l->status.state == TMX_GATE_UP ? UINT64_MAX : l->due_ms;
}

static bool member_ok(const struct tmx_gate_link *l, const struct tmx_message *m)
{
    for (size_t i = 0; i < l->config.n_admits; i++) {
        if (strcmp(l->config.admits[i].member, m->peer) == 0) {
            return true;
        }
    }
    return false;
}

enum heard { HEARD_NOTHING, HEARD_MESSAGE, HEARD_OTHER, HEARD_NONSENSE };

static enum heard hear(struct tmx_gate_link *l, enum tmx_gate_kind kind, struct tmx_bytes body, struct tmx_message *m)
{
    struct tmx_bytes text;
    switch (kind) {
    case TMX_GATE_READY:
        if (l->status.state == TMX_GATE_UP || body.size != 0) {
            return HEARD_NONSENSE;
        }
        if (l->status.state == TMX_GATE_STARTING) {
            l->status.state = TMX_GATE_UP;
            l->up_ms = l->now_ms;
        }
        return HEARD_OTHER;
    case TMX_GATE_FAILED:
        if (!tmx_gate_get_failed(body, &text)) {
            return HEARD_NONSENSE;
        }
        set_told_reason(l, text);
        return HEARD_OTHER;
    case TMX_GATE_COUNTERS:
        return tmx_gate_get_counters(body, &l->status.counters) ? HEARD_OTHER : HEARD_NONSENSE;
    case TMX_GATE_MESSAGE:
        if (l->status.state == TMX_GATE_STARTING || !tmx_gate_get_message(body, m)) {
            return HEARD_NONSENSE;
        }
        if (!member_ok(l, m)) {
            l->status.foreign++;
            return HEARD_OTHER;
        }
        return HEARD_MESSAGE;
    case TMX_GATE_CONFIG:
    case TMX_GATE_ADMIT:
        break;
    }
    return HEARD_NONSENSE;
}

/* The next frame that was read, of whatever kind. */
static enum heard hear_next(struct tmx_gate_link *l, struct tmx_message *m)
{
    if (l->status.state == TMX_GATE_WAITING) {
        return HEARD_NOTHING;
    }
    enum tmx_gate_kind kind;
    struct tmx_bytes body;
    int r = tmx_gate_stream_next(&l->stream, &kind, &body);
    if (r != 0) {
        return r == TMX_GATE_STREAM_E_AGAIN ? HEARD_NOTHING : HEARD_NONSENSE;
    }
    return hear(l, kind, body, m);
}

int tmx_gate_link_receive(struct tmx_gate_link *l, struct tmx_message *ret_message)
{
    struct tmx_message m;
    enum heard heard;
    do {
        heard = hear_next(l, &m);
    } while (heard == HEARD_OTHER);
    if (heard == HEARD_NONSENSE) {
        l->stream.in.at = l->stream.in.end;
        if (running(l)) {
            set_reason(l, "killed: it spoke out of order");
            end_gate(l);
        }
    }
    if (heard != HEARD_MESSAGE) {
        return TMX_GATE_LINK_E_AGAIN;
    }
    *ret_message = m;
    return 0;
}

int tmx_gate_link_send(struct tmx_gate_link *l, const struct tmx_message *to, const struct tmx_bytes *frames, size_t n)
{
    assert(n >= 1 && n <= TMX_FRAMES_MAX);
    struct tmx_message m = *to;
    m.n_frames = n;
    memcpy(m.frames, frames, n * sizeof(*frames));
    bool up = l->status.state == TMX_GATE_UP && tmx_gate_message_size(&m) <= TMX_GATE_FRAME_MAX;
    bool sent = up && !tmx_gate_link_busy(l) && put_message(l, &m);
    sent = sent || (up && tmx_outbox_put(&l->outbox, to, frames, n) == 0);
    l->status.dropped += !sent;
    return sent ? 0 : TMX_GATE_LINK_E_AGAIN;
}

bool tmx_gate_link_busy(const struct tmx_gate_link *l)
{
    return tmx_outbox_first(&l->outbox) != NULL;
}

const struct tmx_gate_status *tmx_gate_link_status(const struct tmx_gate_link *l)
{
    return &l->status;
}
