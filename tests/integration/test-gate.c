/* SPDX-License-Identifier: Apache-2.0
 * Gates as processes: tmx-gate under tmx/gate_link.h, with stock and hostile clients, and hostile gates under it. */
#include "gate_world.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

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
        delays[i] = tmx_gate_link_due(second->link) - second->stepped_ms;
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
    AWAIT(g, !tmx_gate_link_wants_write(g->link));
    expect_exchange(g, "FR");   /* answered after ADMIT was obeyed: a key that comes before that is refused for good */
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

/* A gate written in sh: what it says on its descriptor 3, then it waits. */
static void write_gate(const char *path, const char *says)
{
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fprintf(f, "#!/bin/sh\nprintf '%s' >&3\nexec sleep 60\n", says);
    assert_int_equal(fchmod(fileno(f), 0700), 0);
    fclose(f);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leaves_no_process),
        cmocka_unit_test(backs_off_while_the_port_is_taken),
        cmocka_unit_test(starts_again_when_killed),
        cmocka_unit_test(revokes_at_once),
        cmocka_unit_test(kills_a_gate_that_speaks_out_of_order),
        cmocka_unit_test(discards_foreign_members),
        cmocka_unit_test(gives_up_on_a_silent_gate),
        cmocka_unit_test(runs_only_under_a_core),
        cmocka_unit_test(dies_with_its_core),
    };
    return gate_tests_run("gate", tests, TMX_N(tests));
}
