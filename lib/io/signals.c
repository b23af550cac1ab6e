/* SPDX-License-Identifier: Apache-2.0
 * Signals as a descriptor of the poll loop: no handler ever runs.
 */
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <tmx/notify.h>

static sigset_t watched(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    return set;
}

int tmx_signals_open(int *ret_fd)
{
    sigset_t set = watched();
    struct sigaction ignore = { .sa_handler = SIG_IGN }, normal = { .sa_handler = SIG_DFL };
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 || sigaction(SIGPIPE, &ignore, NULL) < 0) {
        return -errno;
    }
    /* A starter may have ignored them (nohup does SIGHUP): then they would never reach the descriptor. */
    if (sigaction(SIGTERM, &normal, NULL) < 0 || sigaction(SIGINT, &normal, NULL) < 0 ||
        sigaction(SIGHUP, &normal, NULL) < 0) {
        return -errno;
    }
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    *ret_fd = fd;
    return 0;
}

void tmx_signals_take(int fd, bool *stop, bool *reload)
{
    struct signalfd_siginfo info;
    while (read(fd, &info, sizeof(info)) == sizeof(info)) {
        *stop = *stop || info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT;
        *reload = *reload || info.ssi_signo == SIGHUP;
    }
}

void tmx_signals_reset(void)
{
    struct sigaction normal = { .sa_handler = SIG_DFL };
    (void)sigaction(SIGPIPE, &normal, NULL);
    sigset_t set = watched();
    (void)sigprocmask(SIG_UNBLOCK, &set, NULL);
}
