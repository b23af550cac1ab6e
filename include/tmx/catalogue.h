/* SPDX-License-Identifier: Apache-2.0
 * The message catalogue: which types exist, what they require, what answers them. Data with a version and
 * validity dates (proto/catalogue-*.conf), never code. Source of the data: DDNTA Appendix Q2 5.15.2.
 */
#pragma once

#include <tmx/bytes.h>
#include <tmx/limits.h>

enum tmx_rule { TMX_RULE_OPTIONAL, TMX_RULE_REQUIRED, TMX_RULE_ABSENT };

struct tmx_message_type {
    char code[TMX_TYPE_MAX + 1];          /* "CD001C" */
    char name[64];                        /* "Anticipated Arrival Record" */
    char acronym[16];                     /* "C_AAR_SND" */
    char from[48], to[48];                /* roles: "DEP", "DES TRA EXT" */
    enum tmx_rule mrn;
    enum tmx_rule correlation;            /* C0511 */
    char responses[4][TMX_TYPE_MAX + 1];  /* expected response types; "" ends */
    uint64_t from_ms, until_ms;           /* validity; until 0 = open */
};

struct tmx_catalogue;

/* Parses the text of a catalogue file; *ret_line and ret_reason (capacity bytes) say what is wrong. -EINVAL, -ENOMEM. */
int tmx_catalogue_parse(struct tmx_bytes text, struct tmx_catalogue **ret_catalogue, unsigned *ret_line,
                        char *ret_reason, size_t capacity) TMX_MUST_CHECK;
struct tmx_catalogue *tmx_catalogue_free(struct tmx_catalogue *c);
const char *tmx_catalogue_version(const struct tmx_catalogue *c);   /* a decimal number, "2023120100" */
size_t tmx_catalogue_count(const struct tmx_catalogue *c);
const struct tmx_message_type *tmx_catalogue_at(const struct tmx_catalogue *c, size_t i);
/* NULL when unknown or not valid at that time. */
const struct tmx_message_type *tmx_catalogue_find(const struct tmx_catalogue *c, struct tmx_bytes code, uint64_t wall_ms);
/* The rules a submission must meet: TMX_CODE_OK or UNKNOWN_TYPE, MRN_REQUIRED, MRN_FORBIDDEN, BAD_MRN, BAD_LRN,
 * CORRELATION_REQUIRED, CORRELATION_FORBIDDEN. Empty = not given. */
unsigned tmx_catalogue_check(const struct tmx_catalogue *c, uint64_t wall_ms, struct tmx_bytes type, struct tmx_bytes mrn,
                             struct tmx_bytes lrn, struct tmx_bytes business_correlation) TMX_MUST_CHECK;
