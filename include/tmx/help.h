/* SPDX-License-Identifier: Apache-2.0
 * What --help prints of commands, on 80 columns.
 */
#pragma once

#include <stdio.h>

#include <tmx/err.h>

/* `words`, and from column `at` on the text, in as many lines as it takes. */
void tmx_help_row(FILE *out, unsigned at, const char *words, const char *text);
