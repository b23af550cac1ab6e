/* SPDX-License-Identifier: Apache-2.0
 * What the broker of export_broker.h keeps of earlier heads of the book: the checkpoint of every hour, and time anchors.
 */
#pragma once

#include <tmx/control.h>

#include "export_fixture.h"

/* None any more. */
void heads_forget(void);
/* The head of `size` entries is the last of this hour that was cosigned, by the first so many members. */
void heads_hour(uint64_t hour, size_t size, unsigned witnesses);
/* A token over the head of `size` entries, and its entry in the book. */
uint64_t heads_anchor(size_t size);

/* How often an export asked for checkpoints and for anchors; shared with the broker's process. */
struct heads_asked {
    unsigned checkpoints;
    unsigned anchors;
};
/* log-checkpoint and log-anchor; false when it is neither. */
bool heads_answer(struct tmx_control *control, const struct tmx_control_request *r, struct heads_asked *asked);
