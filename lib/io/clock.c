/* SPDX-License-Identifier: Apache-2.0
 * The two clocks.
 */
#include <time.h>

#include <tmx/clock.h>

static struct timespec read_clock(clockid_t clock)
{
    struct timespec ts;
    int r = clock_gettime(clock, &ts);
    assert(r == 0 && ts.tv_sec >= 0);
    return ts;
}

uint64_t tmx_clock_mono_ms(void)
{
    struct timespec ts = read_clock(CLOCK_MONOTONIC);
    return (uint64_t)ts.tv_sec * 1000u + (uint64_t)ts.tv_nsec / 1000000u;
}

uint64_t tmx_clock_wall_us(void)
{
    struct timespec ts = read_clock(CLOCK_REALTIME);
    return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

uint64_t tmx_clock_wall_ms(void)
{
    return tmx_clock_wall_us() / 1000u;
}
