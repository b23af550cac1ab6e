/* SPDX-License-Identifier: Apache-2.0
 * How functions fail. One convention for the whole project:
 *
 *   programmer error      assert(), always compiled in: abort, never limp on.
 *   environment fault     negative errno (-EIO …): nobody decides on it, every caller forwards it
 *                         unchanged to main(), which reports it and exits.
 *   condition             positive code of that function's own enum: the immediate caller must handle it.
 *   peer misbehaviour     not an error: a verdict in the output (enum tmx_code, see tmx/code.h).
 *
 * Outputs are named ret_*, come last and are touched only on success.
 */
#pragma once

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef NDEBUG
#error "assertions are part of the product: build without NDEBUG"
#endif

#define TMX_MUST_CHECK __attribute__((warn_unused_result))
#define TMX_CLEANUP(fn) __attribute__((cleanup(fn)))
#define TMX_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* Built with AddressSanitizer, as gcc or clang tell it: memory limits cannot be had then, and it sees what tests do not. */
#if defined(__SANITIZE_ADDRESS__)
#define TMX_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TMX_SANITIZED 1
#endif
#endif
#ifndef TMX_SANITIZED
#define TMX_SANITIZED 0
#endif

/* The number of elements of an array. */
#define TMX_N(a) (sizeof(a) / sizeof((a)[0]))
