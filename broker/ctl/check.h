/* SPDX-License-Identifier: Apache-2.0
 * One question of a monitoring system, one line, one exit code: tmxctl check.
 *
 *   check_facts.c   the questions: what a status says to each     check.c   asking, and the line
 */
#pragma once

#include "ask.h"

struct check_limits {
    uint64_t max_age_ms; /* 0: the daemon's own, or 20 minutes */
    uint64_t within_ms;  /* 0: 30 days */
};

struct verdict {
    int code;            /* EXIT_OK … EXIT_UNKNOWN */
    char text[512];      /* what is so, in a few words */
    char measured[256];  /* performance data: name=value;warning;critical … */
};

struct question {
    const char *name;    /* of the checks */
    const char *request; /* what the daemon is asked: "status", "peers" */
    void (*judge)(const json_t *answer, const struct check_limits *limits, struct verdict *v);
};

/* Ends with one without a name. */
extern const struct question check_questions[];

/* "20m", "30 d": false when it is none, or 0. */
bool check_duration(const char *text, uint64_t *ret_ms) TMX_MUST_CHECK;
/* Prints the line; an exit code. */
int check_run(const struct daemon_at *at, const char *name, const struct check_limits *limits);
