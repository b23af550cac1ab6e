/* SPDX-License-Identifier: Apache-2.0
 * What may be on disk after a crash, from a recording.
 *
 * A disk keeps what was synced and any part of the rest: of un-synced writes any subset of their 512-byte sectors, of
 * un-synced changes of a folder any first part (a journal keeps their order). A durable write that was under way may
 * have landed or not.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct record;
struct replay;

/* What a crash keeps of what was not synced. */
enum loss {
    LOSS_ALL,      /* nothing is kept */
    LOSS_NONE,     /* everything is */
    LOSS_HALF,     /* each sector with probability 1/2 */
    LOSS_MOST,     /* 1/8 */
    LOSS_FEW,      /* 7/8 */
    LOSS_ONE,      /* all but one sector, and all names */
    LOSS_BUT_ONE,  /* one sector only, and all names */
    LOSS_N
};

/* Loads the recording; `base` (or NULL) is a folder with what was there before it. NULL: not a recording. */
struct replay *replay_open(const char *log, const char *base);
struct replay *replay_close(struct replay *r);

size_t replay_records(const struct replay *r);
/* Goes forward to where record `n` has begun and is not done. Calls `said` for each mark and send passed. */
void replay_to(struct replay *r, size_t n, void (*said)(void *user, const struct record *record), void *user);
/* Is record `n` worth crashing in? (Not a mark, a send, an opening.) */
bool replay_changes(const struct replay *r, size_t n);
/* Makes the image in the existing, empty folder `into`. */
void replay_image(struct replay *r, enum loss loss, uint64_t seed, const char *into);
