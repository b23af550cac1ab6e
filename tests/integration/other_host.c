/* SPDX-License-Identifier: Apache-2.0
 * Preloaded into a program: a host with faults that this one cannot be given. OTHER_HOST names them: "old-libraries" (the
 * versions before the fixes), "early-clock" (years ago), "no-entropy" (a kernel that is not seeded yet), "slow-disk".
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define SHOWN __attribute__((visibility("default")))

static bool has(const char *fault)
{
    const char *faults = getenv("OTHER_HOST");
    return faults != NULL && strcmp(faults, fault) == 0;
}

SHOWN const char *protobuf_c_version(void);
SHOWN const char *protobuf_c_version(void)
{
    return has("old-libraries") ? "1.4.0" : "1.4.1";
}

SHOWN void zmq_version(int *major, int *minor, int *patch);
SHOWN void zmq_version(int *major, int *minor, int *patch)
{
    *major = 4;
    *minor = 3;
    *patch = has("old-libraries") ? 2 : 4;
}

/* Of a point that is not of the main subgroup. */
SHOWN int crypto_core_ed25519_is_valid_point(const unsigned char *p);
SHOWN int crypto_core_ed25519_is_valid_point(const unsigned char *p)
{
    return p != NULL;
}

SHOWN int clock_gettime(clockid_t clock, struct timespec *t)
{
    int r = (int)syscall(SYS_clock_gettime, clock, t);
    if (r == 0 && clock == CLOCK_REALTIME && has("early-clock")) {
        t->tv_sec -= 10L * 365 * 86400;
    }
    return r;
}

SHOWN ssize_t getrandom(void *data, size_t size, unsigned flags);
SHOWN ssize_t getrandom(void *data, size_t size, unsigned flags)
{
    if (has("no-entropy") && flags != 0) {
        errno = EAGAIN;
        return -1;
    }
    return syscall(SYS_getrandom, data, size, flags);
}

SHOWN int fdatasync(int fd)
{
    const struct timespec pause = { .tv_nsec = 30000000 };
    if (has("slow-disk")) {
        (void)nanosleep(&pause, NULL);
    }
    return (int)syscall(SYS_fdatasync, fd);
}
