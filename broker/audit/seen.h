/* SPDX-License-Identifier: Apache-2.0
 * What the sender of a message signed that it had seen of the log, beside the log that the message is in (LINK-12).
 */
#pragma once

#include <tmx/directory.h>
#include <tmx/misbehaviour.h>

struct tmx_seen_claim {
    char sender[TMX_MEMBER_MAX + 1];
    uint8_t message_id[TMX_ID_SIZE];
};

/* Of a proof of kind NOT_AS_SEEN: fills ret_claim and m->seen when its entry is a message with a seen head of that log, signed
 * by its sender with a key that is active in the directory; otherwise m->seen stays empty. -ENOMEM. */
int tmx_seen_claim(struct tmx_misbehaviour *m, const struct tmx_directory *directory, struct tmx_seen_claim *ret_claim)
    TMX_MUST_CHECK;
