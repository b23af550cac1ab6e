/* SPDX-License-Identifier: Apache-2.0
 * A probe to another member (NODE-14), followed by its verified evidence until it is answered.
 */
#pragma once

#include <jansson.h>

#include <tmx/bytes.h>

/* `reply`: of `ping MEMBER`. Prints what came of it within `wait_ms`; exit code 0 answered and verified, 2 not verified or not answered. */
int ping_follow(const json_t *reply, const char *socket, const char *authority, uint64_t wait_ms, bool json);
bool show_ping(const json_t *reply);
