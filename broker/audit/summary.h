/* SPDX-License-Identifier: Apache-2.0
 * What `tmx-audit verify` prints.
 */
#pragma once

#include <stdio.h>

#include "check.h"

/* For people. */
void tmx_summary_print(const struct tmx_check *c, FILE *out);
/* One JSON document. -ENOMEM, -EIO. */
int tmx_summary_json(const struct tmx_check *c, FILE *out) TMX_MUST_CHECK;
