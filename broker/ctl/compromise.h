/* SPDX-License-Identifier: Apache-2.0
 * What a key has touched, from the log of the broker as it is now: by the same code as tmx-audit compromise.
 */
#pragma once

#include "ask.h"

struct compromise {
    const char *key;
    const char *from, *to;    /* as typed; NULL: from the beginning, to the end */
    const char *authority;    /* NULL: as the daemon is configured */
    const char *dir;          /* the export that is made or continued; NULL: one that goes with this process */
    bool json;
};

/* Takes what is new in the log, verifies it and prints; an exit code. */
int compromise_run(const struct compromise *c, const struct daemon_at *at);
