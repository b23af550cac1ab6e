/* SPDX-License-Identifier: Apache-2.0
 * Doing something dangerous in a child process: the caller survives what kills the child.
 */
#pragma once

#include <tmx/err.h>

/* Runs `act(what, result)` in a child and copies what it left in `result` (at most 512 bytes) back. The child has no
 * core dump, default signals and `limit_s` seconds, dies with its parent, and ends without running exit handlers.
 * 0, -ECHILD when it died before it was done, -ETIME when it took too long, or why no child could be had. */
int tmx_in_child(void (*act)(void *what, void *result), void *what, void *result, size_t result_size,
                 unsigned limit_s) TMX_MUST_CHECK;
