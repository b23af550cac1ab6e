/* SPDX-License-Identifier: Apache-2.0
 * What a sweep needs to know about the recorded program: a ledger of what it promised (its marks), and how to see
 * whether an image keeps it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <tmx/spool.h>

#define SWEEP_CAPACITY (4u << 20)
#define SWEEP_ROLE "broker"

struct record;

enum verdict {
    VERDICT_OK,
    VERDICT_LOST,      /* something promised is not there */
    VERDICT_CORRUPT,   /* something is there that was never written, or half of a turn */
    VERDICT_REFUSED,   /* it does not open */
    VERDICT_DIED,      /* who opened it died, or did not end (never returned by a subject) */
    VERDICT_N
};

struct subject {
    void *(*start)(const char *about, uint64_t seed);
    /* A mark or a send: what was promised up to here. */
    void (*said)(void *ledger, const struct record *record);
    uint64_t (*promises)(const void *ledger);   /* how many there are */
    /* On an image it may change. `ret_why` says what is wrong. */
    enum verdict (*check)(const void *ledger, const char *folder, char *ret_why, size_t why_size);
    void (*stop)(void *ledger);
};

/* Makes a few turns with rows of a table that no program uses. */
int sweep_go_on(struct tmx_spool *s) TMX_MUST_CHECK;

extern const struct subject subject;   /* each sweep program has its own */
