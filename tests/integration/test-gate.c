/* SPDX-License-Identifier: Apache-2.0
 * Gates as processes: tmx-gate under tmx/gate_link.h, with stock and hostile clients, and hostile gates under it. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <sodium.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <tmx/gate_link.h>

#include "../harness/curve_client.h"

#define DEADLINE_MS 20000
#define MEMORY_MAX (128u << 20)

struct gate {
    struct tmx_gate_config config;
    struct tmx_curve member;
    uint8_t key[32];
    struct tmx_gate_link *link;
    struct tmx_socket *node;
    struct tmx_message m;
};

static struct tmx_transport *nodes;

static uint64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* A port that was free a moment ago. */
static void choose_endpoint(char ret_endpoint[256])
{
    struct tmx_transport *t;
    struct tmx_socket *s;
    struct tmx_curve curve;
    tmx_curve_generate(&curve);
    assert_int_equal(tmx_transport_new(true, &t), 0);
    assert_int_equal(tmx_socket_serve(t, "tcp://127.0.0.1:*", &curve, &s), 0);
    strcpy(ret_endpoint, tmx_socket_endpoint(s));
    tmx_socket_close(s);
    tmx_transport_free(t);
}

static struct gate *gate_new(const char *program, const char *member)
{
    struct gate *g = calloc(1, sizeof(*g));
    struct tmx_curve server;
    tmx_curve_generate(&server);
    tmx_curve_generate(&g->member);
    choose_endpoint(g->config.endpoint);
    memcpy(g->config.secret, server.secret, 32);
    memcpy(g->key, server.public, 32);
    g->config.n_admits = 1;
    memcpy(g->config.admits[0].key, g->member.public, 32);
    strcpy(g->config.admits[0].member, member);
    assert_int_equal(tmx_gate_link_new(program, &g->config, MEMORY_MAX, &g->link), 0);
    return g;
}

static struct gate *real_gate(const char *member)
{
    struct gate *g = gate_new(getenv("TMX_GATE"), member);
    assert_int_equal(tmx_socket_connect(nodes, g->config.endpoint, &g->member, g->key, &g->node), 0);
    return g;
}

static void gate_free(struct gate *g)
{
    tmx_socket_close(g->node);
    tmx_gate_link_free(g->link);
    free(g);
}

/* One turn of the core; true when a message came: then it is in g->m. */
static bool turn(struct gate *g)
{
    int fd = tmx_gate_link_fd(g->link);
    struct tmx_poll item = { .fd = fd, .want_write = tmx_gate_link_wants_write(g->link) };
    assert_int_equal(tmx_transport_poll(nodes, &item, 1, 5), 0);
    tmx_gate_link_step(g->link, now_ms());
    return tmx_gate_link_receive(g->link, &g->m) == 0;
}

static const struct tmx_gate_status *status(const struct gate *g)
{
    return tmx_gate_link_status(g->link);
}

#define AWAIT(g, condition)                                                                                            \
    do {                                                                                                               \
        for (uint64_t end = now_ms() + DEADLINE_MS; !(condition);) {                                                   \
            assert_true(now_ms() < end);                                                                               \
            turn(g);                                                                                                   \
        }                                                                                                              \
    } while (0)

/* A question of the node arrives under this name, and the answer gets back. Sent again until it does, as a link would:
 * it may hit a gate that is about to die. */
static void expect_exchange(struct gate *g, const char *member)
{
    static unsigned number;
    char text[32];
    snprintf(text, sizeof(text), "question %u", ++number);
    const struct tmx_bytes question = tmx_bytes_str(text);
    struct tmx_message answer = { 0 };
    uint64_t end = now_ms() + DEADLINE_MS, again = 0;
    while (answer.n_frames == 0) {
        assert_true(now_ms() < end);
        if (now_ms() >= again && tmx_socket_send(g->node, NULL, &question, 1) == 0) {
            again = now_ms() + 1000;
        }
        if (turn(g) && tmx_bytes_eq(g->m.frames[0], question)) {
            assert_string_equal(g->m.peer, member);
            assert_int_equal(tmx_gate_link_send(g->link, &g->m, &question, 1), 0);
        }
        if (tmx_socket_receive(g->node, &answer) != 0 || !tmx_bytes_eq(answer.frames[0], question)) {
            answer.n_frames = 0;
        }
    }
}

/* TRA-1, TRA-3 */
static void passes_messages_both_ways(void **state)
{
    struct gate *fr = real_gate("FR"), *de = real_gate("DE");
    for (size_t i = 0; i < 3; i++) {
        expect_exchange(fr, "FR");
        expect_exchange(de, "DE");
    }
    assert_int_equal(status(fr)->state, TMX_GATE_UP);
    assert_int_equal(status(fr)->starts, 1);
    assert_true(tmx_gate_link_due(fr->link) == UINT64_MAX);
    AWAIT(fr, status(fr)->counters.zap_accepted == 1);
    gate_free(fr);
    gate_free(de);
}

/* Reaps nothing twice and leaves nothing behind: no child is left when a link is freed. */
static void leaves_no_process(void **state)
{
    struct gate *g = real_gate("FR");
    expect_exchange(g, "FR");
    pid_t pid = status(g)->pid;
    gate_free(g);
    assert_int_equal(kill(pid, 0), -1);
    assert_int_equal(errno, ESRCH);
}

/* TRA-2: why it could not start is told, and it is tried again, ever more rarely. */
static void backs_off_while_the_port_is_taken(void **state)
{
    struct gate *g = real_gate("FR"), *second = real_gate("FR");
    expect_exchange(g, "FR");
    tmx_gate_link_free(second->link);
    strcpy(second->config.endpoint, g->config.endpoint);
    assert_int_equal(tmx_gate_link_new(getenv("TMX_GATE"), &second->config, MEMORY_MAX, &second->link), 0);
    uint64_t delays[3] = { 0 };
    for (size_t i = 0; i < 3; i++) {
        AWAIT(second, status(second)->starts == i + 1);
        AWAIT(second, status(second)->state == TMX_GATE_WAITING);
        delays[i] = tmx_gate_link_due(second->link) - now_ms();
    }
    assert_true(delays[0] <= 100 && delays[1] > 100 && delays[1] <= 200 && delays[2] > 200 && delays[2] <= 400);
    assert_non_null(strstr(status(second)->failed, "bind: Address already in use"));
    gate_free(g);
    AWAIT(second, status(second)->state == TMX_GATE_UP);
    gate_free(second);
}

static void starts_again_when_killed(void **state)
{
    struct gate *g = real_gate("FR");
    expect_exchange(g, "FR");
    pid_t first = status(g)->pid;
    kill(first, SIGKILL);
    AWAIT(g, status(g)->state == TMX_GATE_WAITING);
    assert_string_equal(status(g)->failed, "ended by signal 9");
    assert_int_equal(tmx_gate_link_fd(g->link), -1);
    assert_int_equal(tmx_gate_link_send(g->link, &g->m, &TMX_LIT("lost"), 1), TMX_GATE_LINK_E_AGAIN);
    assert_int_equal(status(g)->dropped, 1);
    expect_exchange(g, "FR");
    assert_int_equal(status(g)->starts, 2);
    assert_int_not_equal(status(g)->pid, first);
    gate_free(g);
}

/* TRA-3, DIR-7 */
static void revokes_at_once(void **state)
{
    struct gate *g = real_gate("FR");
    struct tmx_curve next;
    struct tmx_admit admits[2];
    tmx_curve_generate(&next);
    expect_exchange(g, "FR");
    /* rotation: old and new key, then the new one only */
    admits[0] = g->config.admits[0];
    admits[1] = admits[0];
    memcpy(admits[1].key, next.public, 32);
    tmx_gate_link_admit(g->link, admits, 2);
    struct tmx_socket *old = g->node;
    assert_int_equal(tmx_socket_connect(nodes, g->config.endpoint, &next, g->key, &g->node), 0);
    expect_exchange(g, "FR");
    tmx_gate_link_admit(g->link, &admits[1], 1);
    AWAIT(g, !tmx_gate_link_wants_write(g->link));
    expect_exchange(g, "FR");   /* answered after ADMIT was obeyed: the stream keeps order */
    const struct tmx_bytes late = TMX_LIT("late");
    assert_int_equal(tmx_socket_send(old, NULL, &late, 1), 0);
    for (uint64_t end = now_ms() + DEADLINE_MS; status(g)->counters.unnamed == 0;) {
        assert_true(now_ms() < end);
        if (turn(g)) {
            assert_false(tmx_bytes_eq(g->m.frames[0], late));
        }
    }
    assert_int_equal(status(g)->starts, 1);
    /* and the connection itself goes with a restart, without a long wait */
    tmx_gate_link_restart(g->link, now_ms());
    expect_exchange(g, "FR");
    assert_int_equal(status(g)->starts, 2);
    tmx_socket_close(old);
    gate_free(g);
}

static long resident_bytes(pid_t pid)
{
    char path[64];
    long total, resident = 0;
    snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
    FILE *f = fopen(path, "re");
    if (f != NULL) {
        if (fscanf(f, "%ld %ld", &total, &resident) != 2) {
            resident = 0;
        }
        fclose(f);
    }
    return resident * sysconf(_SC_PAGESIZE);
}

/* A client of its own process sends parts for ever, until its connection ends. */
static pid_t start_bomb(const struct gate *g, size_t part_size)
{
    pid_t pid = fork();
    if (pid == 0) {
        static uint8_t part[64 << 10];
        struct curve_client c;
        bool open = curve_client_open(&c, g->config.endpoint, &g->member, g->key, NULL);
        while (open && curve_client_send(&c, TMX_BYTES(part, part_size), true)) {
        }
        _exit(open ? 0 : 1);
    }
    return pid;
}

/* What one bomb did, seen from the core. */
struct blast {
    bool went_off;        /* it got in; a gate still at its cap from the last one may die of the handshake */
    long peak_bytes;
    unsigned exchanges;   /* of the other member meanwhile */
};

static struct blast let_off(struct gate *de, struct gate *fr, size_t part_size)
{
    struct blast blast = { 0 };
    pid_t bomb = start_bomb(de, part_size);
    uint64_t start = now_ms();
    int wait_status;
    while (waitpid(bomb, &wait_status, WNOHANG) == 0) {
        assert_true(now_ms() < start + 3 * DEADLINE_MS);
        long resident = status(de)->pid != 0 ? resident_bytes(status(de)->pid) : 0;
        blast.peak_bytes = resident > blast.peak_bytes ? resident : blast.peak_bytes;
        assert_false(turn(de));
        if (now_ms() > start + 100 * blast.exchanges) {
            expect_exchange(fr, "FR");
            blast.exchanges++;
        }
    }
    assert_true(WIFEXITED(wait_status));
    blast.went_off = WEXITSTATUS(wait_status) == 0;
    return blast;
}

/* TRA-4: the message without end, which no option of libzmq bounds. At the cap libzmq drops the connection where it
 * can bear the refusal (the bytes of a part) and aborts where it cannot (its own bookkeeping, the next handshake):
 * either way the bomb ends, memory stays under the cap, the member can go on, and nobody else notices. */
static void bomb_hurts_its_own_gate_only(void **state)
{
    struct gate *fr = real_gate("FR"), *de = real_gate("DE");
    const size_t part_sizes[] = { 64 << 10, 64 << 10, 100, 0 };
    expect_exchange(fr, "FR");
    expect_exchange(de, "DE");
    for (size_t i = 0; i < TMX_N(part_sizes); i++) {
        struct blast blast = { 0 };
        uint64_t starts = status(de)->starts;
        for (size_t attempt = 0; attempt < 3 && !blast.went_off; attempt++) {
            blast = let_off(de, fr, part_sizes[i]);
            expect_exchange(de, "DE");
        }
        print_message("# parts of %zu bytes: peak %ld MiB, %u exchanges beside it, %d restarts, last end: %s\n",
                      part_sizes[i], blast.peak_bytes >> 20, blast.exchanges, (int)(status(de)->starts - starts),
                      status(de)->failed);
        assert_true(blast.went_off && blast.exchanges > 0);
        assert_true(blast.peak_bytes > (long)(MEMORY_MAX / 4) && blast.peak_bytes < (long)(MEMORY_MAX + (32u << 20)));
    }
    assert_true(status(de)->starts > 1);
    assert_non_null(strstr(status(de)->failed, "ended by signal"));
    expect_exchange(fr, "FR");
    assert_int_equal(status(fr)->starts, 1);
    gate_free(fr);
    gate_free(de);
}

/* A core that does not read for a while: the node is slowed, the gate stays small, nothing is lost. */
static void pushes_back(void **state)
{
    struct gate *g = real_gate("FR");
    expect_exchange(g, "FR");
    static uint8_t big[TMX_CHUNK_SIZE];
    unsigned sent = 0, got = 0;
    /* The pipes fill: full means not taken for half a second. */
    for (uint64_t last = now_ms(); now_ms() < last + 500;) {
        struct tmx_poll item = { .fd = -1, .socket = g->node, .want_write = true };
        assert_int_equal(tmx_transport_poll(nodes, &item, 1, 50), 0);
        const struct tmx_bytes frames[] = { TMX_BYTES(&sent, sizeof(sent)), TMX_BYTES_OF(big) };
        if (tmx_socket_send(g->node, NULL, frames, 2) == 0) {
            sent++;
            last = now_ms();
            assert_true(sent < 2000);
        }
    }
    long resident = resident_bytes(status(g)->pid);
    print_message("# pushed back after %u messages, gate at %ld MiB\n", sent, resident >> 20);
    assert_true(sent > 4 && resident < (64l << 20));
    for (uint64_t end = now_ms() + DEADLINE_MS; got < sent;) {
        assert_true(now_ms() < end);
        if (turn(g)) {
            assert_int_equal(g->m.n_frames, 2);
            assert_memory_equal(g->m.frames[0].data, &got, sizeof(got));
            got++;
        }
    }
    expect_exchange(g, "FR");
    assert_int_equal(status(g)->starts, 1);
    gate_free(g);
}

/* A gate written in sh: what it says on its descriptor 3, then it waits. */
static void write_gate(const char *path, const char *says)
{
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fprintf(f, "#!/bin/sh\nprintf '%s' >&3\nexec sleep 60\n", says);
    assert_int_equal(fchmod(fileno(f), 0700), 0);
    fclose(f);
}

/* QUE-10, LINK-3: what the core has numbered reaches a node that reads slowly, whole and in order. */
static void loses_nothing_of_a_burst(void **state)
{
    (void)state;
    enum { MESSAGES = 400, BYTES = 64 << 10 };
    struct gate *g = real_gate("DE");
    static uint8_t payload[BYTES];
    expect_exchange(g, "DE");
    struct tmx_message to = { .route_size = 0 };
    const struct tmx_bytes hello = TMX_LIT("route");
    assert_int_equal(tmx_socket_send(g->node, NULL, &hello, 1), 0);
    AWAIT(g, g->m.n_frames == 1 && tmx_bytes_eq(g->m.frames[0], hello));
    memcpy(to.route, g->m.route, sizeof(to.route));
    to.route_size = g->m.route_size;
    for (uint32_t i = 0; i < MESSAGES; i++) {
        const struct tmx_bytes frames[] = { TMX_BYTES(&i, sizeof(i)), TMX_BYTES_OF(payload) };
        assert_int_equal(tmx_gate_link_send(g->link, &to, frames, 2), 0);
    }
    assert_true(tmx_gate_link_busy(g->link));
    uint64_t end = now_ms() + DEADLINE_MS;
    for (uint32_t i = 0; i < MESSAGES;) {
        assert_true(now_ms() < end);
        turn(g);
        struct tmx_message m;
        while (tmx_socket_receive(g->node, &m) == 0) {
            if (m.n_frames == 2) {   /* else one more answer to the question */
                assert_memory_equal(m.frames[0].data, &i, sizeof(i));
                i++;
            }
        }
    }
    assert_false(tmx_gate_link_busy(g->link));
    assert_int_equal(status(g)->dropped, 0);
    gate_free(g);
}

static void kills_a_gate_that_speaks_out_of_order(void **state)
{
    char directory[] = "/tmp/tmx-gate-XXXXXX", path[64];
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/gate", directory);
    const char *const said[] = {
        "GET / HTTP/1.1\\r\\n",
        "\\377\\377\\377\\377\\3",                                                      /* a frame of 4 GiB */
        "\\0\\0\\0\\0",                                                                  /* of nothing */
        "\\0\\0\\0\\1\\11",                                                              /* of an unknown kind */
        "\\0\\0\\0\\2\\3x",                                                              /* READY with a body */
        "\\0\\0\\0\\1\\3\\0\\0\\0\\1\\3",                                                /* READY twice */
        "\\0\\0\\0\\3\\2\\0\\0",                                                         /* ADMIT, the core's word */
        "\\0\\0\\0\\15\\5\\1R\\2FR\\0\\1\\0\\0\\0\\1x",                                   /* MESSAGE before READY */
        "\\0\\0\\0\\1\\3\\0\\0\\0\\2\\5\\1",                                             /* MESSAGE cut short */
        "\\0\\0\\0\\5\\4\\0\\11no",                                                      /* FAILED likewise */
        "\\0\\0\\0\\2\\6\\0",                                                            /* COUNTERS likewise */
    };
    for (size_t i = 0; i < TMX_N(said); i++) {
        write_gate(path, said[i]);
        struct gate *g = gate_new(path, "FR");
        for (uint64_t end = now_ms() + DEADLINE_MS; status(g)->state != TMX_GATE_WAITING || status(g)->starts == 0;) {
            assert_true(now_ms() < end);
            assert_false(turn(g));
        }
        assert_string_equal(status(g)->failed, "killed: it spoke out of order");
        gate_free(g);
    }
    unlink(path);
    rmdir(directory);
}

/* TRA-3: the core believes a gate no member but its own. */
static void discards_foreign_members(void **state)
{
    char directory[] = "/tmp/tmx-gate-XXXXXX", path[64];
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/gate", directory);
    write_gate(path, "\\0\\0\\0\\1\\3"
                     "\\0\\0\\0\\15\\5\\1R\\2DE\\0\\1\\0\\0\\0\\1x"
                     "\\0\\0\\0\\13\\5\\1R\\0\\0\\1\\0\\0\\0\\1x"
                     "\\0\\0\\0\\15\\5\\1R\\2FR\\0\\1\\0\\0\\0\\1y");
    struct gate *g = gate_new(path, "FR");
    for (uint64_t end = now_ms() + DEADLINE_MS; !turn(g);) {
        assert_true(now_ms() < end);
    }
    assert_string_equal(g->m.peer, "FR");
    assert_true(g->m.n_frames == 1 && tmx_bytes_eq(g->m.frames[0], TMX_LIT("y")));
    assert_int_equal(status(g)->foreign, 2);
    gate_free(g);
    unlink(path);
    rmdir(directory);
}

static void gives_up_on_a_silent_gate(void **state)
{
    char directory[] = "/tmp/tmx-gate-XXXXXX", path[64];
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/gate", directory);
    write_gate(path, "");
    struct gate *g = gate_new(path, "FR");
    tmx_gate_link_step(g->link, 1000);
    assert_int_equal(status(g)->state, TMX_GATE_STARTING);
    assert_true(tmx_gate_link_due(g->link) == 1000 + TMX_GATE_START_MS);
    tmx_gate_link_step(g->link, 1000 + TMX_GATE_START_MS - 1);
    assert_int_equal(status(g)->state, TMX_GATE_STARTING);
    tmx_gate_link_step(g->link, 1000 + TMX_GATE_START_MS);
    assert_int_equal(status(g)->state, TMX_GATE_ENDING);
    assert_string_equal(status(g)->failed, "did not start within 10000 ms");
    gate_free(g);

    unlink(path);
    g = gate_new(path, "FR");
    tmx_gate_link_step(g->link, 1000);
    assert_int_equal(status(g)->state, TMX_GATE_WAITING);
    assert_string_equal(status(g)->failed, "cannot be started: No such file or directory");
    assert_true(tmx_gate_link_due(g->link) == 1000 + TMX_GATE_BACKOFF_MIN_MS);
    gate_free(g);
    rmdir(directory);
}

/* Runs tmx-gate by hand with `fd` as descriptor 3 (-1: none). */
static int run_by_hand(int fd, const char *arg)
{
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    if (fd >= 0) {
        posix_spawn_file_actions_adddup2(&actions, fd, 3);
    }
    posix_spawn_file_actions_addclosefrom_np(&actions, fd >= 0 ? 4 : 3);
    char program[512], option[64];
    snprintf(program, sizeof(program), "%s", getenv("TMX_GATE"));
    snprintf(option, sizeof(option), "%s", arg != NULL ? arg : "");
    char *const argv[] = { program, arg != NULL ? option : NULL, NULL };
    pid_t pid;
    assert_int_equal(posix_spawn(&pid, program, &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    int wait_status;
    assert_int_equal(waitpid(pid, &wait_status, 0), pid);
    assert_true(WIFEXITED(wait_status));
    return WEXITSTATUS(wait_status);
}

static void runs_only_under_a_core(void **state)
{
    int ends[2];
    assert_int_equal(run_by_hand(-1, NULL), 2);
    assert_int_equal(run_by_hand(-1, "--version"), 0);
    assert_int_equal(run_by_hand(-1, "--help"), 0);
    assert_int_equal(run_by_hand(-1, "--memory-max=lots"), 64);
    assert_int_equal(run_by_hand(-1, "--memory-max=-1"), 64);
    assert_int_equal(run_by_hand(-1, "endpoint"), 64);
    /* a core that is gone */
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    close(ends[0]);
    assert_int_equal(run_by_hand(ends[1], NULL), 0);
    close(ends[1]);
}

/* A gate whose main thread is stuck does not see its socket close, and would keep the port from the next core. */
static void dies_with_its_core(void **state)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    struct gate *g = gate_new(getenv("TMX_GATE"), "FR");
    pid_t core = fork(), gate = 0;
    if (core == 0) {   /* without ZeroMQ, which does not survive a fork */
        while (status(g)->state != TMX_GATE_UP) {
            struct pollfd wait = { .fd = tmx_gate_link_fd(g->link), .events = POLLIN };
            (void)poll(&wait, 1, 5);
            tmx_gate_link_step(g->link, now_ms());
            (void)!tmx_gate_link_receive(g->link, &g->m);
        }
        gate = status(g)->pid;
        kill(gate, SIGSTOP);
        _exit(write(ends[1], &gate, sizeof(gate)) == sizeof(gate) ? 0 : 1);
    }
    int wait_status;
    close(ends[1]);
    assert_int_equal(read(ends[0], &gate, sizeof(gate)), sizeof(gate));
    close(ends[0]);
    assert_int_equal(waitpid(core, &wait_status, 0), core);
    for (uint64_t end = now_ms() + DEADLINE_MS; waitpid(gate, &wait_status, WNOHANG) == 0;) {
        if (now_ms() > end) {
            kill(gate, SIGKILL);
            fail_msg("the gate outlives its core");
        }
    }
    assert_true(WIFSIGNALED(wait_status) && WTERMSIG(wait_status) == SIGKILL);
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
    gate_free(g);
}

static int setup(void **state)
{
    return tmx_transport_new(false, &nodes);
}

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

int main(void)
{
#ifdef SANITIZED
    /* The kernel's limit cannot be had with it, so its own stands in. */
    setenv("ASAN_OPTIONS", "hard_rss_limit_mb=128:abort_on_error=1", 1);
#endif
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes_messages_both_ways),
        cmocka_unit_test(leaves_no_process),
        cmocka_unit_test(backs_off_while_the_port_is_taken),
        cmocka_unit_test(starts_again_when_killed),
        cmocka_unit_test(revokes_at_once),
        cmocka_unit_test(bomb_hurts_its_own_gate_only),
        cmocka_unit_test(pushes_back),
        cmocka_unit_test(loses_nothing_of_a_burst),
        cmocka_unit_test(kills_a_gate_that_speaks_out_of_order),
        cmocka_unit_test(discards_foreign_members),
        cmocka_unit_test(gives_up_on_a_silent_gate),
        cmocka_unit_test(runs_only_under_a_core),
        cmocka_unit_test(dies_with_its_core),
    };
    int failed = sodium_init() < 0 ? 1 : cmocka_run_group_tests_name("gate", tests, setup, NULL);
    if (failed == 0) {   /* a failed test leaves sockets open */
        tmx_transport_free(nodes);
    }
    return failed;
}
