/* SPDX-License-Identifier: Apache-2.0
 * The evidence bundle as a file: unpacked and checked against the rules of its own bytes (EVI-1). What it proves is for
 * tmx-audit to say.
 */
#pragma once

#include <tmx/codec.h>
#include <tmx/limits.h>

#include "evidence.pb-c.h"

#define TMX_EVIDENCE_VERSION 1u
/* The size of an arena that holds any bundle of that size, unpacked. */
#define TMX_EVIDENCE_ARENA(file_size) \
    ((size_t)(file_size) + ((file_size) < (128u << 10) ? 64u * (size_t)(file_size) + 4096u : (size_t)8u << 20))

/* TMX_CODE_OK; TMX_CODE_TOO_LARGE: the file or a part is above its limit; TMX_CODE_BAD_VERSION; TMX_CODE_MALFORMED. Then
 * *ret_what says what of it, a static text. The result lives in the arena. */
unsigned tmx_evidence_parse(struct tmx_bytes file, struct tmx_arena *arena, Tmx__Evidence **ret_evidence,
                            const char **ret_what) TMX_MUST_CHECK;
