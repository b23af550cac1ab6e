/* SPDX-License-Identifier: Apache-2.0
 * The broker's tables: key -> value, byte by byte. Numbers are big-endian, so that key order is number order.
 * `member` is a member code padded with zeros to 8 bytes.
 */
#pragma once

#include <tmx/spool.h>

enum tmx_broker_table {
    /* "state" -> struct state (rows.c); "directory" -> SignedDirectory file;
     * "cosigned" -> the newest checkpoint that the quorum cosigned */
    TMX_T_META = 1,
    /* index u64 -> LogEntry bytes */
    TMX_T_LOG,
    /* tile level u8, n u64 -> 256 hashes */
    TMX_T_TILE,
    /* size u64 -> root[32]: every head that was released */
    TMX_T_HEAD,
    /* message id[16] -> struct tmx_row_message */
    TMX_T_MESSAGE,
    /* message id[16], member -> struct tmx_row_delivery */
    TMX_T_DELIVERY,
    /* message id[16], chunk number u32 -> container bytes, TMX_CHUNK_SIZE each but the last */
    TMX_T_CONTAINER,
    /* member (destination), 9 - priority u8, acceptance index u64 -> message id: what may be sent now, in order */
    TMX_T_READY,
    /* member (destination), member (sender), label[16], acceptance index u64 -> message id: queued of a movement */
    TMX_T_LANE,
    /* expires_ms u64, message id[16], member -> empty: deliveries the broker may still expire */
    TMX_T_DUE,
    /* member (sender), member (recipient) -> last consumed seq u64 */
    TMX_T_PAIR,
    /* member, index u64 -> u8 enum tmx_feed_kind; member all zero: for everyone */
    TMX_T_FEED,
    /* member -> feed_next u64 */
    TMX_T_FEED_ACK,
    /* digest[32] of a refused body -> index u64 of the refusal;
     * message id[16], member (sender) of a header whose numbers were consumed -> the same */
    TMX_T_REFUSED,
    /* member, key id[8] -> until_ms u64: slots a header may name */
    TMX_T_PREKEY,
    /* X25519 key[32] -> member: whose it is, for ever */
    TMX_T_PUBLISHED,
    /* member -> set serial u64, index u64 */
    TMX_T_PREKEY_SET,
    /* member -> struct tmx_row_destination */
    TMX_T_DESTINATION,
    /* index u64 -> sealed reason text of a report, for its message's sender */
    TMX_T_ATTACHMENT,
    /* a large container being pulled: message id[16] -> u8 resubmission, the Signed frame;
     * message id[16], 01 -> member, bytes so far u64 */
    TMX_T_STAGE,
    /* serial u64 -> SignedDirectory file: every directory that was in force */
    TMX_T_DIRECTORY,
    /* hour u64 (since 1970) -> checkpoint with cosignatures: the last one of the hour that the quorum cosigned */
    TMX_T_COSIGNED,
    /* due_ms u64, message id[16] -> empty: containers that are kept after the last outcome, and until when */
    TMX_T_ERASE,
    /* size u64 of a head -> index u64 of the ANCHOR leaf, time-stamp token over the head's text (DER) */
    TMX_T_ANCHOR,
    /* member whose deliveries are paused -> index u64 of the OPERATOR leaf; member all zero: admission, while it drains */
    TMX_T_STOP,
    /* member (destination), message id[16] -> index u64 of the OPERATOR leaf: queued, and held by an operator */
    TMX_T_HELD,
    /* index u64 of its first leaf -> what an operator asked, as signed: the record behind the digest in the log */
    TMX_T_OPERATION,
    /* nonce[32] of what was asked -> index u64 of its first leaf: it is not done again */
    TMX_T_NONCE,
    /* index u64 of the PROPOSE leaf -> until_ms u64, action u8, digest[32] of the request: may still be approved */
    TMX_T_PROPOSAL,
};

enum tmx_feed_kind {
    TMX_FEED_ALWAYS = 1,
    TMX_FEED_WITH_DELIVERY = 2,   /* an acceptance, in the feed of its recipient: sent only when the feed is complete */
    TMX_FEED_ATTACHMENT = 3,      /* as ALWAYS, and a row of ATTACHMENT goes with it */
};

enum tmx_delivery_state {
    TMX_DELIVERY_QUEUED = 1,
    TMX_DELIVERY_ARRIVED,
    TMX_DELIVERY_DELIVERED,
    TMX_DELIVERY_REFUSED,
    TMX_DELIVERY_EXPIRED,
    TMX_DELIVERY_EXCEPTION,
};
const char *tmx_delivery_state_name(enum tmx_delivery_state state);

#define TMX_MEMBER_KEY 8u
#define TMX_NOT_READY 0xffu

struct tmx_row_message {
    uint64_t index;                /* of the acceptance */
    uint64_t seen_size;            /* of the head of this shard that its header has seen; 0 = none */
    uint8_t header_digest[32];
    uint8_t container_digest[32];
    uint8_t sender[TMX_MEMBER_KEY];
    uint32_t container_bytes;
    uint8_t n_recipients;
    uint8_t n_queued;              /* deliveries without CoA or outcome */
    uint8_t n_open;                /* deliveries without a terminal outcome: at 0 the container may go */
};

struct tmx_row_delivery {
    enum tmx_delivery_state state;
    uint8_t priority;
    uint8_t ready_priority;        /* of its READY row; TMX_NOT_READY when it has none */
    uint64_t seq;
    uint64_t index;                /* of the acceptance */
    uint64_t expires_ms;
    uint8_t sender[TMX_MEMBER_KEY];
    uint8_t label[TMX_LABEL_SIZE];
    uint32_t container_bytes;
    uint64_t coa_index;            /* 0 = none: index 0 is always SHARD_START */
    uint8_t coa_digest[32];        /* of the report body */
    uint64_t outcome_index;
    uint8_t outcome_digest[32];    /* of the report body; zero when the broker ended it */
};

struct tmx_row_destination {
    uint64_t queued, queued_bytes; /* without CoA or outcome */
    uint64_t arrived;              /* CoA, no outcome yet */
    uint64_t accepted, terminal;   /* ever: accepted = queued + arrived + terminal (I9) */
};
