/* SPDX-License-Identifier: Apache-2.0
 * The witness policy: which logs, which witnesses, and how many of them must have cosigned a checkpoint before it
 * counts. The text is that of c2sp.org/tlog-policy; it stands in the directory, and an auditor may bring another.
 *
 * Limits of this reader: TMX_LOGS_MAX logs, TMX_WITNESSES_MAX witnesses, TMX_POLICY_GROUPS_MAX groups, names of at most
 * TMX_POLICY_NAME_MAX bytes.
 */
#pragma once

#include <tmx/note.h>

struct tmx_policy_witness {
    char name[TMX_POLICY_NAME_MAX + 1]; /* in the policy; its key has a name of its own */
    struct tmx_verify_key key;
};

struct tmx_policy_group {
    char name[TMX_POLICY_NAME_MAX + 1];
    unsigned threshold; /* 1..n */
    size_t n;
    uint8_t members[TMX_WITNESSES_MAX + TMX_POLICY_GROUPS_MAX]; /* witness i, or TMX_WITNESSES_MAX + group i */
};

struct tmx_policy {
    size_t n_logs, n_witnesses, n_groups;
    struct tmx_verify_key logs[TMX_LOGS_MAX];
    struct tmx_policy_witness witnesses[TMX_WITNESSES_MAX];
    struct tmx_policy_group groups[TMX_POLICY_GROUPS_MAX]; /* each after those it names */
    bool none;                                             /* "quorum none": no cosignature is needed */
    uint8_t quorum;                                        /* otherwise, as in members */
};

/* 0, or the number of the line that breaks a rule (the last line when something is missing), and which rule. */
unsigned tmx_policy_parse(struct tmx_bytes text, struct tmx_policy *ret_policy, const char **ret_reason) TMX_MUST_CHECK;

struct tmx_quorum {
    unsigned witnesses;  /* how many of the policy have cosigned */
    bool reached;
    uint64_t reached_s;  /* when, by the cosignatures' own times (seconds since 1970); 0 with "quorum none" */
    uint64_t latest_s;   /* time of the latest cosignature; 0 without any */
};
/* Counts the cosignatures of a checkpoint. False: a line of one of the policy's witnesses does not verify. The log's own
 * signature is not looked at. */
bool tmx_policy_check(const struct tmx_policy *policy, struct tmx_bytes note, struct tmx_quorum *ret_quorum)
    TMX_MUST_CHECK;
/* The log whose key has that name, or NULL. */
const struct tmx_verify_key *tmx_policy_log(const struct tmx_policy *policy, const char *origin);
