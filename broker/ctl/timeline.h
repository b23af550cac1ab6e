/* SPDX-License-Identifier: Apache-2.0
 * The signed timeline of a message: every entry of the log about it, verified here and not by the daemon, under the keys of the
 * federation authority.
 */
#pragma once

#include <jansson.h>

#include <tmx/bytes.h>

/* Asks the daemon at `socket` for the evidence of the message and adds to `reply` what comes of it:
 *
 *   "timeline": [{"index", "shard", "at_ms", "signed_at_ms"? (by the clock of who signed), "what", "by", "to"?, "code"?, "verified": bool, "why"?: what is wrong}]
 *   "proof": {"verified": bool, "text": what leads where, or why there is nothing to verify or it could not be}
 *
 * `authority`: the pinned keys; NULL: the file that the daemon names. */
void timeline_add(json_t *reply, const char *socket, const char *id, const char *authority, uint64_t timeout_ms);
/* False: something does not verify. */
bool timeline_verified(const json_t *reply);
void show_timeline(const json_t *reply);
