/* SPDX-License-Identifier: Apache-2.0
 * How often an event may be logged. Time is a parameter.
 */
#pragma once

#include <tmx/err.h>
#include <tmx/limits.h>

struct tmx_log_rate {
    size_t n;
    struct tmx_log_rate_event {
        const char *event;   /* a literal */
        uint64_t since_ms;
        uint64_t lines;
        uint64_t suppressed;
    } events[TMX_LOG_EVENTS_MAX];
};

/* May a line of `event` go out now? Then *ret_suppressed of earlier ones did not. Events beyond the table always may:
 * names are literals of the program, and the table holds them all. */
bool tmx_log_rate_pass(struct tmx_log_rate *r, const char *event, uint64_t now_ms, uint64_t *ret_suppressed)
    TMX_MUST_CHECK;
/* The next event whose time is over with lines suppressed, and forgets them; NULL = none. */
const char *tmx_log_rate_over(struct tmx_log_rate *r, uint64_t now_ms, uint64_t *ret_suppressed);
