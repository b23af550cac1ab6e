/* SPDX-License-Identifier: Apache-2.0
 * Doing something dangerous in a child process. See child.h.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"

#define RESULT_MAX 512u   /* below PIPE_BUF: one write, all or nothing */

/* It goes with its parent: what it inherited, a lock above all, must not outlive who had it. */
static void tame(pid_t parent, unsigned limit_s)
{
    static const int deadly[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGALRM, SIGTERM, SIGINT, SIGHUP };
    const struct rlimit none = { 0, 0 };
    sigset_t empty;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) {
        _exit(1);
    }
    (void)setrlimit(RLIMIT_CORE, &none);
    for (size_t i = 0; i < TMX_N(deadly); i++) {
        (void)signal(deadly[i], SIG_DFL);
    }
    (void)sigemptyset(&empty);
    (void)sigprocmask(SIG_SETMASK, &empty, NULL);
    (void)alarm(limit_s);
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);   /* an assertion of a library in the child is no news */
    if (fd >= 0) {
        (void)dup2(fd, STDERR_FILENO);
    }
}

int tmx_in_child(void (*act)(void *what, void *result), void *what, void *result, size_t result_size,
                 unsigned limit_s)
{
    uint8_t buf[RESULT_MAX];
    int ends[2];
    assert(result_size <= sizeof(buf));
    if (pipe2(ends, O_CLOEXEC) < 0) {
        return -errno;
    }
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        tame(parent, limit_s);
        act(what, result);
        _exit(write(ends[1], result, result_size) == (ssize_t)result_size ? 0 : 1);
    }
    int r = pid < 0 ? -errno : 0;
    close(ends[1]);
    ssize_t n = 0;
    if (r == 0) {
        do {
            n = read(ends[0], buf, result_size);
        } while (n < 0 && errno == EINTR);
    }
    close(ends[0]);
    if (r < 0) {
        return r;
    }
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (n != (ssize_t)result_size) {
        return WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM ? -ETIME : -ECHILD;
    }
    for (size_t i = 0; i < result_size; i++) {
        ((uint8_t *)result)[i] = buf[i];
    }
    return 0;
}
