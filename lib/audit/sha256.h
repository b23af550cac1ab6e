/* SPDX-License-Identifier: Apache-2.0
 * The log's hash. The only place that names an implementation of SHA-256.
 */
#pragma once

#include <tmx/merkle.h>

/* SHA-256(prefix || rest) */
struct tmx_hash tmx_sha256(struct tmx_bytes prefix, struct tmx_bytes rest);
