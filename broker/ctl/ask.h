/* SPDX-License-Identifier: Apache-2.0
 * tmxctl's way to a daemon: its control socket, and the status it left behind.
 */
#pragma once

#include <jansson.h>
#include <stdio.h>

#include <tmx/bytes.h>

/* Exit codes. Of status and check they are those of monitoring plugins. */
enum { EXIT_OK, EXIT_WARNING, EXIT_CRITICAL, EXIT_UNKNOWN, EXIT_USAGE = 64 };
enum { EXIT_REFUSED = 1 };

/* Which daemon. */
struct daemon_at {
    const char *folder;   /* its run folder; NULL: `socket` says where */
    const char *socket;
    const char *kind;     /* "broker", "node", "daemon": what it is called */
};

#define ASK_TIMEOUT_MS 10000u
#define ASK_STATUS_MS 2000u   /* a status is from memory: who has not answered by then hangs */

/* Its folder's file `name`, or the socket itself where no folder is known. */
const char *daemon_path(const struct daemon_at *at, const char *name, char path[4096]);
/* 0 or a negative errno, which ask_why puts into words. */
int ask_daemon(const struct daemon_at *at, const char *const *words, size_t n, struct tmx_bytes attachment,
               uint64_t timeout_ms, json_t **ret_reply) TMX_MUST_CHECK;
const char *ask_why_not(int error);
void ask_why(FILE *out, const struct daemon_at *at, int error);
/* The status the daemon last wrote; NULL: it left none. */
json_t *ask_snapshot(const struct daemon_at *at);
