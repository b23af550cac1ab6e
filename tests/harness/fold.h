/* SPDX-License-Identifier: Apache-2.0
 * What the broker's rows must be, told from its log alone: leaves are folded in their order, and every table of the
 * spool is held against the result (I8, I9). The leaves themselves are held to the rules of their order (I1, I5).
 */
#pragma once

#include <tmx/envelope.h>
#include <tmx/merkle.h>

#include "broker.h"
#include "federation.h"

#define FOLD_LEAVES_MAX 4096u
#define FOLD_MESSAGES_MAX 1024u
#define FOLD_DELIVERIES_MAX 2048u
#define FOLD_FEED_MAX 16384u
#define FOLD_PREKEYS_MAX 512u
#define FOLD_PROPOSALS_MAX 64u

struct fold_message {
    uint8_t id[TMX_ID_SIZE];
    struct tmx_row_message row;
    bool container_checked;        /* its bytes are those the header names */
    bool kept;                     /* the container, after the last outcome */
};

struct fold_delivery {
    uint8_t id[TMX_ID_SIZE];
    uint8_t member[TMX_MEMBER_KEY];
    size_t message;                /* in messages */
    struct tmx_row_delivery row;   /* but ready_priority, which the log does not say */
    uint64_t held;                 /* entry; 0 = an operator does not */
};

struct fold_leaf {
    Tmx__EntryKind kind;
    struct tmx_hash root;          /* of the log that ends with this leaf */
    uint8_t body_digest[32];       /* REFUSAL; attachment digest of a REPORT; token digest of an ANCHOR; record of an OPERATOR */
    uint64_t number;               /* DIRECTORY: serial; ANCHOR: size; OPERATOR: action */
    bool consumed;                 /* REFUSAL: of these numbers, under this id of this sender */
    uint8_t message[TMX_ID_SIZE + TMX_MEMBER_KEY];
    size_t feed;                   /* first row of its feeds */
};

struct fold_feed {
    uint8_t member[TMX_MEMBER_KEY];
    uint8_t kind;
};

struct fold_prekey {
    uint8_t key[32], key_id[8];
    uint8_t member[TMX_MEMBER_KEY];
    uint64_t until_ms, set_serial, set_index;
};

struct fold {
    const struct federation *federation;
    struct tmx_arena arena;
    struct tmx_batch_cache cache;
    char shard[TMX_SHARD_MAX + 1];
    bool successor;                /* the shard follows another */
    bool retention;                /* the broker keeps containers for a while; set after fold_init */
    uint64_t time_ms, serial;
    uint64_t anchored;             /* size of the head anchored last */
    uint64_t stopped[FEDERATION_MEMBERS_MAX + 1];   /* entry; the last one: admission */
    unsigned approved;             /* enum tmx_action, for the exceptions that follow */
    size_t n_proposals;
    struct fold_proposal {
        uint64_t index, until_ms;
        unsigned action;
    } proposals[FOLD_PROPOSALS_MAX];
    struct tmx_frontier frontier;
    size_t n_leaves;
    struct fold_leaf leaves[FOLD_LEAVES_MAX + 1];
    size_t n_messages;
    struct fold_message messages[FOLD_MESSAGES_MAX];
    size_t n_deliveries;
    struct fold_delivery deliveries[FOLD_DELIVERIES_MAX];
    uint64_t pair[FEDERATION_MEMBERS_MAX][FEDERATION_MEMBERS_MAX];
    bool paired[FEDERATION_MEMBERS_MAX][FEDERATION_MEMBERS_MAX];
    size_t n_feeds;
    struct fold_feed feeds[FOLD_FEED_MAX];
    size_t n_prekeys;              /* rows of PREKEY: the latest set wins */
    struct fold_prekey prekeys[FOLD_PREKEYS_MAX];
    char failure[256];
};

/* Begins with an empty log of `shard`. */
void fold_init(struct fold *f, const struct federation *federation, const char *shard);
/* Folds the leaves that are new in the spool, `size` in all; false, with the failure in words, when one breaks a rule. */
bool fold_follow(struct fold *f, struct tmx_spool *spool, uint64_t size) TMX_MUST_CHECK;
/* Every row of every table against the fold. */
bool fold_compare(struct fold *f, struct tmx_spool *spool) TMX_MUST_CHECK;
const struct fold_delivery *fold_find(const struct fold *f, struct tmx_bytes id, struct tmx_bytes member);
/* The first queued delivery of the lane of `d`: `d` itself when it has no label. */
const struct fold_delivery *fold_lane_head(const struct fold *f, const struct fold_delivery *d);
/* Deliveries to a member are paused; with NULL, admission drains. */
bool fold_stopped(const struct fold *f, const char *member);
/* True when room for more leaves is short. */
static inline bool fold_full(const struct fold *f)
{
    return f->n_leaves + 512 > FOLD_LEAVES_MAX || f->n_messages + 128 > FOLD_MESSAGES_MAX ||
           f->n_deliveries + 512 > FOLD_DELIVERIES_MAX || f->n_feeds + 4096 > FOLD_FEED_MAX ||
           f->n_prekeys + 64 > FOLD_PREKEYS_MAX;
}
