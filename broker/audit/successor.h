/* SPDX-License-Identifier: Apache-2.0
 * What an export says of the shard before its own. LOG-4
 */
#pragma once

#include "history.h"

/* The head that the first entry of the export names, as a history of its own: a checkpoint alone, not verified yet; its
 * path is that of the export. -ENOENT: it names none; -EBADMSG: its first entry is not one, or does not lead to its
 * head; -ENOMEM, -EIO …. ret_why says what. */
int tmx_history_before(struct tmx_history *h, struct tmx_history *ret_before, char ret_why[HISTORY_WHY_MAX])
    TMX_MUST_CHECK;
