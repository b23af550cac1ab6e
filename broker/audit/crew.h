/* SPDX-License-Identifier: Apache-2.0
 * Reads the entry bundles of an export ahead and prepares their entries, on as many threads as it is given; hands them
 * out in their order. Memory is bounded: two bundles a thread.
 */
#pragma once

#include "verify.h"

#define CREW_JOBS_MAX 64u

struct tmx_bundle {
    uint64_t n;
    unsigned width;   /* entries it must hold */
    int error;        /* it cannot be read: negative errno */
    bool whole;       /* it holds `width` entries and nothing else */
    unsigned entries; /* that it holds, at most `width` */
    uint8_t *data;
    struct tmx_bytes entry[TMX_TILE_WIDTH];
    struct tmx_audit_prepared prepared[TMX_TILE_WIDTH];
};

struct tmx_crew;

/* Of a log of `size` entries, from bundle `first` on. `directory` is called on the threads; what it looks into must not change meanwhile. With
 * one job everything is done by the caller's thread. 1 <= jobs <= CREW_JOBS_MAX. -ENOMEM, -EAGAIN. */
int tmx_crew_new(int export_fd, uint64_t first, uint64_t size, unsigned jobs, tmx_audit_directory_fn *directory, void *ctx,
                 struct tmx_crew **ret_crew) TMX_MUST_CHECK;
struct tmx_crew *tmx_crew_free(struct tmx_crew *c);
/* The next bundle, borrowed until the next call; NULL after the last. */
const struct tmx_bundle *tmx_crew_next(struct tmx_crew *c);
