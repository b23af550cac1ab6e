/* SPDX-License-Identifier: Apache-2.0
 * The commands of tmx-audit, once their arguments are known to be complete. Each prints its result, or on standard error
 * why there is none, and returns the exit status.
 */
#pragma once

#include <jansson.h>

#include "history.h"
#include "readable.h"

#define EXIT_OK 0
#define EXIT_FAILED 1
#define EXIT_USAGE 64

#define OPERANDS_MAX 3u

enum option_key { /* one bit each that is no printable character; argp has 24, of which the highest is the sign */
    OPTION_SIGNED_BY = 0x10,
    OPTION_AUTHORITY = 0x100,
    OPTION_JSON = 0x200,
    OPTION_SOCKET = 0x400,
    OPTION_OUT = 0x800,
    OPTION_FORMAT = 0x1000,
    OPTION_FROM = 0x2000,
    OPTION_TO = 0x4000,
    OPTION_MEMBER = 0x8000,
    OPTION_TYPE = 0x10000,
    OPTION_OUTCOME = 0x20000,
    OPTION_JOBS = 0x40000,
    OPTION_HTML = 0x80000,
    OPTION_LATE = 0x100000,
    OPTION_CONTAINER = 0x200000,
    OPTION_PAYLOAD_OUT = 0x400000,
    OPTION_SIGN = 0x8,
    OPTION_SINCE = 0x4,
};

struct arguments {
    const struct command *command;
    const char *operands[OPERANDS_MAX];
    size_t n_operands;
    unsigned given; /* enum option_key */
    const char *authority;
    const char *socket;
    const char *out; /* NULL: standard output */
    const char *html; /* NULL: no page */
    uint64_t late_ms;
    const char *container;
    const char *payload_out;
    const char *since;     /* an earlier export; or NULL */
    const char *sign;      /* key file; or NULL */
    const char *signed_by; /* file of a public key; or NULL */
    unsigned jobs;
    enum tmx_readable_format format;
    struct tmx_audit_filter filter;
};

int tmx_run_export(const struct arguments *a);
int tmx_run_verify(const struct arguments *a);
int tmx_run_prove(const struct arguments *a);
int tmx_run_compare(const struct arguments *a);
int tmx_run_gaps(const struct arguments *a);
int tmx_run_reconcile(const struct arguments *a);
int tmx_run_report(const struct arguments *a);
int tmx_run_verify_evidence(const struct arguments *a);
int tmx_run_keygen(const struct arguments *a);

/* What commands share. */
int tmx_audit_complain(const char *why); /* EXIT_FAILED */
/* Opens the export that is the first operand and verifies its head. EXIT_OK, or complains. */
int tmx_audit_open(const struct arguments *a, struct tmx_history *ret_history);
/* To the file, or without one (NULL) to standard output. EXIT_OK, or complains. */
int tmx_audit_write_out(const char *path, struct tmx_bytes data);
/* Prints a document and ends it. */
int tmx_audit_print_json(json_t *document);
/* The readable log of the export. */
int tmx_audit_list(const struct arguments *a);
