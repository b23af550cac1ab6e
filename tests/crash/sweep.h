/* SPDX-License-Identifier: Apache-2.0
 * What a sweep needs to know about the recorded program: a ledger of what it promised (its marks), and how to see
 * whether an image keeps it. Another program is swept by another struct subject.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SWEEP_CAPACITY (1u << 20)
#define SWEEP_ROLE "broker"

enum verdict {
    VERDICT_OK,
    VERDICT_LOST,      /* something promised is not there */
    VERDICT_CORRUPT,   /* something is there that was never written, or half of a turn */
    VERDICT_REFUSED,   /* it does not open */
    VERDICT_DIED,      /* who opened it died, or did not end (never returned by a subject) */
    VERDICT_N
};

struct subject {
    void *(*start)(uint64_t seed);
    void (*mark)(void *ledger, const char *line);
    /* On an image it may change. `ret_why` says what is wrong. */
    enum verdict (*check)(const void *ledger, const char *folder, char *ret_why, size_t why_size);
    void (*stop)(void *ledger);
};

extern const struct subject subject_scenario;   /* workload.c */
