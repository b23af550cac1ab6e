/* SPDX-License-Identifier: Apache-2.0
 * The status page, made of page/ at build time: one document without anything from outside.
 */
#pragma once

extern const char tmx_page[];
/* Its Content-Security-Policy: only its own style and script, by their digests, and what it fetches here. */
extern const char tmx_page_policy[];
