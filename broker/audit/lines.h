/* SPDX-License-Identifier: Apache-2.0
 * The log as lines that people and programs read: one for each entry and recipient, what an entry leaves unsaid filled in
 * from the acceptance it names. Streams: memory does not grow with the log.
 */
#pragma once

#include "history.h"

struct tmx_audit_line {
    uint64_t index;
    uint64_t time_ms;
    const char *kind;                    /* of the entry: "acceptance", "report", "refusal" … */
    const char *outcome;                 /* what it says of a delivery: "accepted" "arrived" "delivered" "refused" "expired"
                                            "exception" "rejected"; "" when it is about none */
    const char *code;                    /* name of the reason; "" when there is none */
    unsigned code_number;                /* tmx/code.h; 0: none */
    char member[TMX_MEMBER_MAX + 1];     /* who signed or did it; "" for the broker's own */
    char sender[TMX_MEMBER_MAX + 1];     /* of the message; "" when it is not known here */
    char recipient[TMX_MEMBER_MAX + 1];
    char message_type[TMX_TYPE_MAX + 1]; /* "" when it is not known here */
    uint64_t seq;                        /* of the pair; of a carried pair its last one; 0: not said */
    bool consumed;                       /* a refusal that used up the numbers of its header */
    bool has_message;
    uint8_t message_id[TMX_ID_SIZE];
    bool has_acceptance;                 /* in this shard */
    uint64_t acceptance;
    uint64_t accepted_ms;                /* 0: not known here */
    uint64_t expires_ms;                 /* 0: not known here */
    uint64_t container_bytes;
    bool has_replaces;                   /* the message says that it is sent instead of this one */
    uint8_t replaces[TMX_ID_SIZE];
    bool has_key;                        /* it is signed: by this key of `member`, as the entry says */
    uint32_t key_id;
    uint64_t prekeys_from_ms;            /* of a prekey set: from its first key's time to the end of its last one's */
    uint64_t prekeys_until_ms;
    const char *touch;                   /* what a list says of the line, beside what the log does; NULL: nothing */
    bool has_digest;
    uint8_t container_digest[TMX_HASH_SIZE];
};

/* Negative ends the walk and is returned. */
typedef int tmx_audit_line_fn(void *ctx, const struct tmx_audit_line *line);
/* Every line of an export whose head is verified, in order; of a pruned one from its first entry on. At the end the entries have to give the signed root; until it
 * returns 0 the lines are only claims. -EBADMSG: they do not, or an entry is malformed; ret_why says what. */
int tmx_audit_lines(struct tmx_history *h, tmx_audit_line_fn *fn, void *ctx, char ret_why[HISTORY_WHY_MAX])
    TMX_MUST_CHECK;

/* Which lines are wanted. Zero or NULL: all. */
struct tmx_audit_filter {
    uint64_t from_ms;      /* of the entry's time, from here on */
    uint64_t to_ms;        /* before this */
    const char *member;    /* as member, sender or recipient */
    const char *message_type;
    const char *outcome;
};
bool tmx_audit_wanted(const struct tmx_audit_filter *f, const struct tmx_audit_line *line);
/* Whether it is one of the words above; NULL-terminated list of them. */
extern const char *const tmx_audit_outcomes[];
