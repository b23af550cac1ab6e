/* SPDX-License-Identifier: Apache-2.0
 * What the files of the audit share: verify.c (order, faults, the way of an entry), verify_signed.c, verify_kinds.c,
 * deliveries.c.
 */
#pragma once

#include <tmx/batch.h>

#include "directories.h"
#include "table.h"
#include "verify.h"

#define AUDIT_ARENA_SIZE (512u << 10) /* an entry, its body and their signatures, unpacked */

struct tmx_audit_member {
    char code[TMX_MEMBER_MAX + 1];
    uint64_t signed_bodies;
};

/* What a batch number of a member stands for. */
struct tmx_audit_batch {
    uint32_t size;
    struct tmx_hash root;
};

struct tmx_audit_pair {
    uint64_t last;  /* number */
    uint64_t index; /* of the entry that consumed it */
};

struct tmx_audit_prekey_set {
    uint64_t serial;
    uint64_t index;
};

/* What is on its way to a member. */
struct tmx_audit_destination {
    uint64_t queued;
    uint64_t queued_bytes; /* of containers; a carried one's is not known */
    uint64_t arrived;
    uint64_t accepted;
    uint64_t terminal;
    uint64_t index; /* of the entry that changed it last */
};

/* Deliveries to a member are paused; of no member: admission drains. */
struct tmx_audit_stop {
    uint8_t member[TMX_MEMBER_MAX];
    uint64_t index;
};

struct tmx_audit_proposal {
    uint64_t index;
    uint64_t until_ms;
    uint8_t action;
    uint8_t digest[TMX_HASH_SIZE];
};

struct tmx_audit_refusal {
    uint8_t rest[8]; /* of the digest */
    uint64_t index;
};

struct tmx_audit {
    uint8_t shard[TMX_SHARD_MAX];
    size_t shard_size;
    tmx_audit_directory_fn *directory;
    tmx_audit_root_fn *root;
    void *ctx;
    struct tmx_audit_summary summary;
    struct tmx_arena arena; /* of one entry */
    struct tmx_audit_preparer *preparer; /* of tmx_audit_entry */
    struct tmx_audit_table batches; /* (member, batch_no) -> struct tmx_audit_batch */
    struct tmx_audit_table pairs;   /* (sender, recipient) -> struct tmx_audit_pair */
    struct tmx_audit_table ids;     /* (sender, message id) -> struct tmx_audit_known */
    struct tmx_audit_table places;  /* (shard, index) of an acceptance -> struct tmx_audit_message * */
    struct tmx_audit_table prekeys; /* member -> struct tmx_audit_prekey_set */
    struct tmx_audit_table destinations; /* member -> struct tmx_audit_destination */
    struct tmx_audit_table refusals;     /* digest of a refused body, the first 24 bytes -> struct tmx_audit_refusal */
    struct tmx_audit_member members[TMX_MEMBERS_MAX];
    size_t n_members;
    struct tmx_audit_anchor *anchors; /* ascending by size */
    size_t n_anchors;
    size_t room_anchors;
    struct {
        uint64_t index; /* of the entry with which it came in force */
        uint64_t serial;
    } reigns[AUDIT_DIRECTORIES_MAX]; /* of directories */
    size_t n_reigns;
    struct tmx_audit_stop stops[TMX_MEMBERS_MAX + 1];
    size_t n_stops;
    struct tmx_audit_proposal proposals[TMX_PROPOSALS_MAX];
    size_t n_proposals;
    uint64_t n_held;
    uint8_t approved;     /* action that two operators decided: for the entries that follow at once */
    struct tmx_audit_message *unplaced; /* accepted before `begin` */
    uint64_t in_force;    /* directory serial, 0 before the first directory entry */
    uint64_t in_force_index;
    uint8_t in_force_digest[TMX_HASH_SIZE];
    uint64_t last_serial; /* of the entry before */
    uint64_t begin;       /* index of the first entry; of those before it nothing is known */
    uint64_t begin_serial; /* in force there, whichever entry named it; 0: begin is 0 */
    bool carries;         /* leaf 0 names an earlier shard, or is not known */
    bool carry_over;      /* an entry has come that only follows the carries */
    uint64_t seen_size;   /* the last head looked up */
    struct tmx_hash seen_root;
};

/* The entry being checked. */
struct tmx_audit_step {
    struct tmx_audit *a;
    uint64_t index;
    const Tmx__LogEntry *e;
    const struct tmx_audit_prepared *prepared;
};

void tmx_audit_step_fault(const struct tmx_audit_step *s, enum tmx_audit_class c, const char *fmt, ...)
    TMX_PRINTF(3, 4);
/* (member or shard, padded) || (16 bytes) */
struct tmx_audit_key tmx_audit_key_of(struct tmx_bytes name, struct tmx_bytes rest);

/* What was found of the entry's signature over its body; -ENOMEM. */
int tmx_audit_signature(const struct tmx_audit_step *s) TMX_MUST_CHECK;
/* A head of this shard must be one of its heads; one of another shard cannot be checked here. */
void tmx_audit_seen(const struct tmx_audit_step *s, const Tmx__Head *seen);
bool tmx_audit_kind_known(unsigned kind);
/* What its kind asks of the entry; -ENOMEM. */
int tmx_audit_kind(const struct tmx_audit_step *s) TMX_MUST_CHECK;

void tmx_audit_messages_free(struct tmx_audit *a);
/* Each: -ENOMEM. */
int tmx_audit_accept(const struct tmx_audit_step *s, const Tmx__Header *h, bool resubmission) TMX_MUST_CHECK;
int tmx_audit_refuse(const struct tmx_audit_step *s, const Tmx__Header *h) TMX_MUST_CHECK;
int tmx_audit_carry_delivery(const struct tmx_audit_step *s) TMX_MUST_CHECK;
int tmx_audit_carry_pair(const struct tmx_audit_step *s) TMX_MUST_CHECK;
int tmx_audit_report(const struct tmx_audit_step *s, const Tmx__Report *report) TMX_MUST_CHECK;
int tmx_audit_broker_outcome(const struct tmx_audit_step *s) TMX_MUST_CHECK;
void tmx_audit_erased(const struct tmx_audit_step *s);
int tmx_audit_operator(const struct tmx_audit_step *s) TMX_MUST_CHECK;
