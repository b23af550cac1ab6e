/* SPDX-License-Identifier: Apache-2.0
 * What inspect.c (keys and directory) and inspect_spool.c (spool, marker, sockets) share.
 */
#pragma once

#include <sys/types.h>

#include <tmx/inspect.h>

/* In the section of the inspection. */
#define inspect_say(i, key, ...) tmx_inspect_say(i, (i)->section, key, __VA_ARGS__)

/* Whom the daemon runs as: the owner of its spool, or who is asking where there is none. True: that is who is asking. */
bool inspect_daemon_user(const struct tmx_inspection *i, uid_t *ret_uid);
