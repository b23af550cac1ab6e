/* SPDX-License-Identifier: Apache-2.0
 * A machine whose clocks are off: loaded before a daemon, it shifts what the daemon sees of them by the seconds in the file
 * SHIFT_CLOCK: four numbers of 64 bits, of the wall clock and of the monotonic one, and both again, so that none is read half
 * written. The file stays mapped, since a gate may open nothing: who writes into it shifts the clocks of all that run with it.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *shift;   /* NULL: none */

static void __attribute__((constructor)) begin(void)
{
    const char *path = getenv("SHIFT_CLOCK");
    int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *at = fd >= 0 ? mmap(NULL, 4 * sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
    shift = at != MAP_FAILED ? at : NULL;
    if (fd >= 0) {
        (void)close(fd);
    }
}

/* The dynamic linker looks for it by name. */
__attribute__((visibility("default"))) int clock_gettime(clockid_t clock, struct timespec *ret_time)
{
    long r = syscall(SYS_clock_gettime, clock, ret_time);
    if (r == 0 && shift != NULL && (clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC)) {
        int64_t by, again;
        do {
            by = shift[clock == CLOCK_REALTIME ? 0 : 1];
            again = shift[clock == CLOCK_REALTIME ? 2 : 3];
        } while (by != again);
        ret_time->tv_sec += by;
    }
    return (int)r;
}
