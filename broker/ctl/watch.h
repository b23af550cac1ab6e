/* SPDX-License-Identifier: Apache-2.0
 * The status, again and again, on the whole terminal.
 */
#pragma once

#include "ask.h"

#define WATCH_SECONDS 2u

/* Asks once and shows, or shows the status the daemon left behind; what went wrong is said to `why`. An exit code. */
int status_run(const struct daemon_at *at, bool json, FILE *why);
/* The exit code that an answer's "health" stands for. */
int health_code(const json_t *reply);
/* Until q or a signal; the terminal is as it was when it returns. The exit code of the last status. */
int watch_run(const struct daemon_at *at, unsigned seconds);
