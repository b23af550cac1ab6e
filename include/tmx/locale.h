/* SPDX-License-Identifier: Apache-2.0
 * What the commands print is UTF-8, whatever the environment says or does not say.
 */
#pragma once

#include <tmx/err.h>

/* At the start of a program that prints tables: the locale of the environment, or, where that knows no UTF-8 (LANG not
 * set, as on a small machine), its character set replaced by that of C.UTF-8. False, and said in one line on stderr,
 * where there is none at all: libsmartcols 2.38 measures cells in the locale's character set and would not come to an
 * end on bytes that are not valid there. */
bool tmx_locale_utf8(const char *program) TMX_MUST_CHECK;
