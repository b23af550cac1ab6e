/* SPDX-License-Identifier: Apache-2.0
 * What operators asked of a node, by the records it keeps, and whether its messages are in the state that these leave. OPS-10
 */
#pragma once

#include "node.h"

/* NULL, or what is wrong; `answered`: so many were told that it is done. */
const char *operated_node(struct tmx_node *n, struct tmx_spool *spool, uint64_t answered) TMX_MUST_CHECK;
