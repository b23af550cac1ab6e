/* SPDX-License-Identifier: Apache-2.0
 * The commands of tmxctl that look: their table, and how each is run. Those that act: actions.h.
 */
#pragma once

#include <stdio.h>

#include "ask.h"
#include "check.h"
#include "compromise.h"
#include "trace.h"

#define ARGUMENTS_MAX 130u
#define HELP_COLUMN 27u

/* The command line, which main.c reads. */
struct arguments {
    struct daemon_at at;
    bool json;
    unsigned watch_s; /* 0: once */
    struct check_limits limits;
    const char *authority; /* NULL: as the daemon is configured */
    struct trace trace;
    struct compromise compromise;
    size_t n;
    const char *words[ARGUMENTS_MAX];
};
extern struct arguments arguments;

/* Finds the command and runs it; an exit code. Does not return when there is no such command, or its arguments are wrong. */
int command_run(void);
/* A line for each. */
void commands_help(FILE *out);

/* What was typed is wrong, and how to see what is right; ends the program. */
_Noreturn void usage(const char *fmt, ...) TMX_PRINTF(1, 2);
