/* SPDX-License-Identifier: Apache-2.0
 * The commands of tmx-audit, once their arguments are known to be complete. Each prints its result, or on standard error
 * why there is none, and returns the exit status.
 */
#pragma once

#include <stddef.h>

#define EXIT_OK 0
#define EXIT_FAILED 1
#define EXIT_USAGE 64

enum option_key { /* one bit each, above the characters */
    OPTION_AUTHORITY = 0x100,
    OPTION_JSON = 0x200,
    OPTION_SOCKET = 0x400,
    OPTION_OUT = 0x800,
};

struct arguments {
    const struct command *command;
    const char *operands[2];
    size_t n_operands;
    unsigned given; /* enum option_key */
    const char *authority;
    const char *socket;
    const char *out; /* NULL: standard output */
};

int tmx_run_export(const struct arguments *a);
int tmx_run_verify(const struct arguments *a);
int tmx_run_prove(const struct arguments *a);
int tmx_run_compare(const struct arguments *a);
