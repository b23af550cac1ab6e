/* SPDX-License-Identifier: Apache-2.0
 * What a key has touched, printed: of tmx-audit and of tmxctl.
 */
#pragma once

#include "compromise.h"

enum tmx_compromise_form { COMPROMISE_TABLE, COMPROMISE_JSON, COMPROMISE_CSV, COMPROMISE_JSONL };

/* Finds the key (tmx_suspect_find) and prints, row by row while the log is read, and what it comes to at the end. Negative errno, and
 * ret_why says what: then what was printed are only claims. */
int tmx_compromise_print(struct tmx_history *h, const char *key, struct tmx_compromise *c, enum tmx_compromise_form form,
                         char ret_why[HISTORY_WHY_MAX]) TMX_MUST_CHECK;
