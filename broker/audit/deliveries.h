/* SPDX-License-Identifier: Apache-2.0
 * Messages and deliveries as the audit knows them: deliveries.c follows them, deliveries_begun.c is about those that began
 * before the first entry, and about those that have no outcome.
 */
#pragma once

#include "rules.h"
#include "state.h"

struct tmx_audit_delivery {
    uint8_t member[TMX_MEMBER_MAX]; /* padded with zeros */
    uint64_t seq;                   /* 0: not known */
    enum tmx_audit_state state;
    bool assumed;                   /* what its state was before the first entry is not known */
};

struct tmx_audit_message {
    uint8_t id[TMX_ID_SIZE];
    uint8_t header_digest[TMX_HASH_SIZE];
    uint8_t container_digest[TMX_HASH_SIZE];
    bool container_known; /* a carried delivery may not tell */
    uint64_t expires_ms;  /* 0: not known */
    bool assumed;         /* accepted before the first entry: its deliveries are known as they appear */
    uint64_t first_index; /* of an assumed one: of the entry that named it first */
    struct tmx_audit_message *next; /* of the assumed ones */
    size_t n;
    struct tmx_audit_delivery deliveries[];
};

/* What stands behind (sender, message id). */
struct tmx_audit_known {
    struct tmx_audit_message *message; /* NULL: refused, with its numbers consumed */
    uint64_t index;
};

struct tmx_audit_delivery *tmx_audit_add_delivery(struct tmx_audit *a, struct tmx_audit_message *m,
                                                  struct tmx_bytes member, uint64_t seq, enum tmx_audit_state state);
int tmx_audit_put_place(struct tmx_audit *a, struct tmx_bytes shard, uint64_t index, struct tmx_audit_message *m)
    TMX_MUST_CHECK;

/* Whether it is a place before the first entry, of this shard or of an earlier one. */
bool tmx_audit_is_before(const struct tmx_audit *a, const Tmx__LogRef *ref);
/* The message accepted there, as the entry that names it has it; its deliveries are yet to appear. -ENOMEM. */
int tmx_audit_assume_message(const struct tmx_audit_step *s, const Tmx__LogRef *ref, ProtobufCBinaryData id,
                             ProtobufCBinaryData header_digest, struct tmx_audit_message **ret_message) TMX_MUST_CHECK;
