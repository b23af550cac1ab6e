/* SPDX-License-Identifier: Apache-2.0
 * Following what happens: the daemon is asked again and again for what came since; it keeps nothing for whoever follows.
 */
#pragma once

#include <jansson.h>

#include <tmx/bytes.h>

struct trace {
    const char *member, *type, *outcome;   /* NULL: all */
    const char *from;                      /* a number as typed; NULL: what comes next */
    const char *kind;                      /* of daemon, for complaints */
    uint64_t count;                        /* 0: without end */
    bool json;
};

/* Until it is interrupted or the count is reached; an exit code. */
int trace_run(const struct trace *t, const char *socket, uint64_t timeout_ms);
/* The events of one answer; false: it is not what the contract says. */
bool show_trace(const json_t *reply);
