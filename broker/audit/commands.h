/* SPDX-License-Identifier: Apache-2.0
 * The commands of tmx-audit, once their arguments are known to be complete. Each prints its result, or on standard error
 * why there is none, and returns the exit status.
 */
#pragma once

#include <jansson.h>

#include "history.h"
#include "readable.h"
#include "signify.h"

#define EXIT_OK 0
#define EXIT_FAILED 1
#define EXIT_USAGE 64

#define OPERANDS_MAX 3u

/* Options: a bit each of what was given, and the number of that bit from OPTION_FIRST on for argp. */
#define OPTION_FIRST 0x100
#define OPTION_KEY(option) (OPTION_FIRST + __builtin_ctzll(option))
#define OPTION_SIGNED_BY (UINT64_C(1) << 0)
#define OPTION_AUTHORITY (UINT64_C(1) << 1)
#define OPTION_JSON (UINT64_C(1) << 2)
#define OPTION_SOCKET (UINT64_C(1) << 3)
#define OPTION_OUT (UINT64_C(1) << 4)
#define OPTION_FORMAT (UINT64_C(1) << 5)
#define OPTION_FROM (UINT64_C(1) << 6)
#define OPTION_TO (UINT64_C(1) << 7)
#define OPTION_MEMBER (UINT64_C(1) << 8)
#define OPTION_TYPE (UINT64_C(1) << 9)
#define OPTION_OUTCOME (UINT64_C(1) << 10)
#define OPTION_JOBS (UINT64_C(1) << 11)
#define OPTION_HTML (UINT64_C(1) << 12)
#define OPTION_LATE (UINT64_C(1) << 13)
#define OPTION_CONTAINER (UINT64_C(1) << 14)
#define OPTION_PAYLOAD_OUT (UINT64_C(1) << 15)
#define OPTION_SIGN (UINT64_C(1) << 16)
#define OPTION_SINCE (UINT64_C(1) << 17)
#define OPTION_TSA (UINT64_C(1) << 18)
#define OPTION_DIRECTORY (UINT64_C(1) << 19)
#define OPTION_BEFORE (UINT64_C(1) << 20)
#define OPTION_ASK (UINT64_C(1) << 21)
#define OPTION_INDEX (UINT64_C(1) << 22) /* --from or --to was one: no option of its own */

struct arguments {
    const struct command *command;
    const char *operands[OPERANDS_MAX];
    size_t n_operands;
    uint64_t given; /* of OPTION_… */
    const char *authority;
    const char *socket;
    const char *out; /* NULL: standard output */
    const char *html; /* NULL: no page */
    uint64_t late_ms;
    const char *container;
    const char *payload_out;
    const char *since;     /* an earlier export; or NULL */
    const char *ask;       /* control socket of who may still have containers; or NULL */
    const char *directory; /* signed, of a proof of misbehaviour; NULL: beside it */
    const char *sign;      /* key file; or NULL */
    const char *signed_by; /* file of a public key; or NULL */
    const char *tsa;       /* file of certificates; or NULL */
    unsigned jobs;
    enum tmx_readable_format format;
    uint64_t before_ms; /* 0: before_index */
    uint64_t before_index;
    struct tmx_audit_filter filter;
    uint64_t from_index;
    uint64_t to_index;
};

int tmx_run_export(const struct arguments *a);
int tmx_run_verify(const struct arguments *a);
int tmx_run_fold(const struct arguments *a);
int tmx_run_prove(const struct arguments *a);
int tmx_run_compare(const struct arguments *a);
int tmx_run_gaps(const struct arguments *a);
int tmx_run_reconcile(const struct arguments *a);
int tmx_run_report(const struct arguments *a);
int tmx_run_verify_evidence(const struct arguments *a);
int tmx_run_verify_misbehaviour(const struct arguments *a);
int tmx_run_compromise(const struct arguments *a);
int tmx_run_keygen(const struct arguments *a);
int tmx_run_prune(const struct arguments *a);

/* What commands share. */
int tmx_audit_complain(const char *why); /* EXIT_FAILED */
/* Opens the export that is the first operand and verifies its head. EXIT_OK, or complains. */
int tmx_audit_open(const struct arguments *a, struct tmx_history *ret_history);
/* Takes from the broker what the export does not have yet. EXIT_OK, or complains. */
int tmx_audit_update(const struct arguments *a);
/* The key of --sign in `key`, which the caller wipes; *ret_key is NULL without that option. EXIT_OK, or complains. */
int tmx_audit_sign_key(const struct arguments *a, struct tmx_signify_key *key, const struct tmx_signify_key **ret_key);
/* To the file, or without one (NULL) to standard output. EXIT_OK, or complains. */
int tmx_audit_write_out(const char *path, struct tmx_bytes data);
/* Prints a document and ends it. */
int tmx_audit_print_json(json_t *document);
/* The readable log of the export. */
int tmx_audit_list(const struct arguments *a);
