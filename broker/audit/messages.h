/* SPDX-License-Identifier: Apache-2.0
 * What the audit keeps of a message: deliveries.c moves it along the log, rows.c tells it.
 */
#pragma once

#include "rules.h"
#include "state.h"

struct delivery {
    uint8_t member[TMX_MEMBER_MAX]; /* padded with zeros */
    uint64_t seq;                   /* 0: not known */
    uint64_t coa;                   /* entry; 0: none */
    uint64_t ended;                 /* entry of the outcome; 0: none */
    enum tmx_audit_state state;
    Tmx__Outcome said;              /* last; OUTCOME_NONE while it is queued */
};

struct message {
    uint8_t id[TMX_ID_SIZE];
    uint8_t sender[TMX_MEMBER_MAX]; /* padded with zeros */
    uint64_t index;                 /* with which it came into this log */
    uint8_t header_digest[TMX_HASH_SIZE];
    uint8_t container_digest[TMX_HASH_SIZE];
    uint64_t expires_ms;            /* 0: not known */
    uint32_t container_bytes;       /* 0: not known */
    bool container_known;           /* a carried delivery may not tell */
    uint8_t n;
    struct delivery deliveries[];
};

/* What stands behind (sender, message id). */
struct known {
    struct message *message; /* NULL: refused, with its numbers consumed */
    uint64_t index;
};

struct message *tmx_audit_message_at(const struct tmx_audit *a, struct tmx_bytes shard, uint64_t index); /* or NULL */
struct delivery *tmx_audit_delivery(struct message *m, struct tmx_bytes member);                         /* or NULL */

/* destinations.c: a delivery that was added; one that goes to another state than the one it is in. -ENOMEM. */
int tmx_audit_count(const struct tmx_audit_step *s, const struct message *m, const struct delivery *d) TMX_MUST_CHECK;
void tmx_audit_count_move(const struct tmx_audit_step *s, const struct message *m, const struct delivery *d,
                          enum tmx_audit_state to);
