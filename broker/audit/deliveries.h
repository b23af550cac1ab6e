/* SPDX-License-Identifier: Apache-2.0
 * Messages and deliveries as the audit knows them: messages.c keeps them, deliveries.c moves them along the log,
 * deliveries_begun.c is about those that began before the first entry and those that have no outcome, destinations.c counts
 * them, operations.c is about what operators do to them, rows.c tells them.
 */
#pragma once

#include "rules.h"
#include "state.h"

struct tmx_audit_delivery {
    uint8_t member[TMX_MEMBER_MAX]; /* padded with zeros */
    uint64_t seq;                   /* 0: not known */
    uint64_t coa;                   /* entry; 0: none */
    uint64_t ended;                 /* entry of the outcome; 0: none */
    uint64_t held;                  /* entry with which an operator did; 0: not */
    enum tmx_audit_state state;
    Tmx__Outcome said;              /* last; OUTCOME_NONE while it is queued */
    bool assumed;                   /* what its state was before the first entry is not known */
};

struct tmx_audit_message {
    uint8_t id[TMX_ID_SIZE];
    uint8_t sender[TMX_MEMBER_MAX]; /* padded with zeros; of an assumed one not known */
    uint64_t index;                 /* with which it came into this log; of an assumed one, of the entry that named it first */
    uint8_t header_digest[TMX_HASH_SIZE];
    uint8_t container_digest[TMX_HASH_SIZE];
    uint64_t expires_ms;            /* 0: not known */
    uint32_t container_bytes;       /* 0: not known */
    bool container_known;           /* a carried delivery may not tell */
    bool erased;
    bool resubmitted;               /* its recipient may have it from an earlier shard */
    bool assumed;                   /* accepted before the first entry: its deliveries are known as they appear */
    uint8_t n;
    struct tmx_audit_message *next; /* of the assumed ones */
    struct tmx_audit_delivery deliveries[];
};

/* What stands behind (sender, message id). */
struct tmx_audit_known {
    struct tmx_audit_message *message; /* NULL: refused, with its numbers consumed */
    uint64_t index;
};

void tmx_audit_pad_member(struct tmx_bytes code, uint8_t ret_member[TMX_MEMBER_MAX]);

/* The message accepted there, or NULL; and its delivery to a member, or NULL. */
struct tmx_audit_message *tmx_audit_message_at(const struct tmx_audit *a, struct tmx_bytes shard, uint64_t index);
struct tmx_audit_delivery *tmx_audit_delivery(struct tmx_audit_message *m, struct tmx_bytes member);
int tmx_audit_put_place(struct tmx_audit *a, struct tmx_bytes shard, uint64_t index, struct tmx_audit_message *m)
    TMX_MUST_CHECK;
/* The message, with room for one more, gets it as its last; queued, or arrived. -ENOMEM. */
int tmx_audit_add_delivery(const struct tmx_audit_step *s, struct tmx_audit_message *m, struct tmx_bytes member,
                           uint64_t seq, bool arrived) TMX_MUST_CHECK;

/* Whether it is a place before the first entry, of this shard or of an earlier one. */
bool tmx_audit_is_before(const struct tmx_audit *a, const Tmx__LogRef *ref);
/* The message accepted there, as the entry that names it has it; its deliveries are yet to appear. -ENOMEM. */
int tmx_audit_assume_message(const struct tmx_audit_step *s, const Tmx__LogRef *ref, ProtobufCBinaryData id,
                             ProtobufCBinaryData header_digest, struct tmx_audit_message **ret_message) TMX_MUST_CHECK;

/* It leaves the queue, or an operator released it. */
void tmx_audit_not_held(struct tmx_audit *a, struct tmx_audit_delivery *d);

/* A delivery that was added; one that goes to another state than the one it is in. -ENOMEM. */
int tmx_audit_count(const struct tmx_audit_step *s, const struct tmx_audit_message *m, const struct tmx_audit_delivery *d)
    TMX_MUST_CHECK;
void tmx_audit_count_move(const struct tmx_audit_step *s, const struct tmx_audit_message *m,
                          const struct tmx_audit_delivery *d, enum tmx_audit_state to);
