/* SPDX-License-Identifier: Apache-2.0
 * A node's application interface for tests of the client and of tmx: a process of its own on an ipc:// endpoint,
 * with the content described in fake_node.c. */
#pragma once

#include <sys/types.h>

/* Returns when it answers. Ends with its parent. */
pid_t fake_node_start(const char *endpoint);
void fake_node_stop(pid_t node);

#define FAKE_MRN "26DE004051K7M2P8J8"
#define FAKE_PAYLOAD_ZERO "<?xml version=\"1.0\"?>\n<a/>\n"
#define FAKE_PAYLOAD_ONE "%PDF\0\xff\n"
