/* SPDX-License-Identifier: Apache-2.0
 * The hash of the log and of notes: what decides how fast SHA-256 is.
 */
#pragma once

#include <tmx/merkle.h>

/* SHA-256(prefix || rest) */
struct tmx_hash tmx_sha256(struct tmx_bytes prefix, struct tmx_bytes rest);
