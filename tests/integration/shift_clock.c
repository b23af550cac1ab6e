/* SPDX-License-Identifier: Apache-2.0
 * A machine whose clock is off: loaded before a daemon, it shifts the wall clock that it sees by SHIFT_CLOCK_S seconds.
 */
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* The dynamic linker looks for it by name. */
__attribute__((visibility("default"))) int clock_gettime(clockid_t clock, struct timespec *ret_time)
{
    const char *shift = getenv("SHIFT_CLOCK_S");
    long r = syscall(SYS_clock_gettime, clock, ret_time);
    if (r == 0 && clock == CLOCK_REALTIME && shift != NULL) {
        ret_time->tv_sec += strtoll(shift, NULL, 10);
    }
    return (int)r;
}
