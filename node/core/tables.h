/* SPDX-License-Identifier: Apache-2.0
 * The node's tables: key -> value, byte by byte. Numbers are big-endian, so that key order is number order. `member`
 * is a member code padded with zeros to 8 bytes, `id` a message id of 16 bytes, `shard` a shard name padded to 16.
 */
#pragma once

#include <tmx/spool.h>

enum tmx_node_table {
    /* "state" -> state (rows.c); "directory" -> SignedDirectory file; "authority" -> who signs the next one;
     * "prekeys" -> Signed{PrekeySet} as published last; "prekey-index" -> from which PREKEY_LEAF on PREKEY_ID is to be
     * made, empty = it is whole; "declared" -> feed and counters of a rebuild (rebuild.c) */
    TMX_NT_META = 1,
    /* messages sent: id -> struct tmx_row_out */
    TMX_NT_OUT,
    /* id -> SubmitRequest with defaults filled in */
    TMX_NT_OUT_INFO,
    /* the application's reference -> id, BLAKE2b-256 of the request and payload */
    TMX_NT_OUT_REFERENCE,
    /* not signed yet: member (whose queue it waits in), 9 - priority u8, order u64 -> id */
    TMX_NT_OUT_WAIT,
    /* not signed yet, of a movement: label[16], order u64 -> id */
    TMX_NT_OUT_LANE,
    /* id -> payload, until it is sealed */
    TMX_NT_OUT_PAYLOAD,
    /* id -> Signed{Header}; kept */
    TMX_NT_OUT_SIGNED,
    /* id, chunk u32 -> container bytes, TMX_CHUNK_SIZE each but the last */
    TMX_NT_OUT_CONTAINER,
    /* signed, no answer yet: number u64 -> id */
    TMX_NT_OUT_OPEN,
    /* member (recipient) -> last seq u64 */
    TMX_NT_OUT_PAIR,
    /* member (recipient), label[16] -> last seq u64 of this movement */
    TMX_NT_OUT_MOVEMENT,
    /* messages received: id -> struct tmx_row_in */
    TMX_NT_IN,
    /* id -> Leased, without token and lease */
    TMX_NT_IN_INFO,
    /* id, chunk u32 -> container bytes */
    TMX_NT_IN_CONTAINER,
    /* member (sender), seq u64 -> enum tmx_seq_state u8 */
    TMX_NT_IN_SEQ,
    /* waits for an earlier one of its movement: member (sender), the seq it waits for u64, id -> empty */
    TMX_NT_IN_WAIT,
    /* may be leased: type[16], 9 - priority u8, acceptance index u64, id -> id */
    TMX_NT_IN_READY,
    /* a large container being pulled: id -> bytes so far u64, acceptance FeedItem */
    TMX_NT_IN_STAGE,
    /* reports made: id, 0 = CoA or 1 = outcome -> number u64, Signed{Report}; kept */
    TMX_NT_REPORT,
    /* reports without a verified leaf: number u64 -> id, 0 or 1 u8 */
    TMX_NT_REPORT_OPEN,
    /* direction u8 (enum tmx_node_direction), id -> content key sealed under the archive key: nonce[24], 48 bytes */
    TMX_NT_ARCHIVE,
    /* member -> set serial u64, PrekeySet bytes */
    TMX_NT_PREKEYS,
    /* own prekeys: key id[8] -> public[32], from_ms u64, until_ms u64, nonce[24], sealed secret[48] */
    TMX_NT_OWN_PREKEY,
    /* timers: enum tmx_due_kind u8, wall ms u64, id -> empty */
    TMX_NT_DUE,
    /* cursor u64 -> Event */
    TMX_NT_EVENT,
    /* index of messages: enum tmx_node_index u8, rest as that says -> empty or id */
    TMX_NT_INDEX,
    /* leaves kept as evidence: id, enum tmx_evidence_kind u8, member -> shard[16], index u64, tree size u64,
     * path size u16, path, LogEntry bytes */
    TMX_NT_EVIDENCE,
    /* checkpoints that evidence or a signed body refers to: shard, size u64 -> signed note */
    TMX_NT_HEAD,
    /* number u64 -> wall ms u64, text size u16, text, data: what a person must look at */
    TMX_NT_ALARM,
    /* received and not ended, of a movement: member (sender), label[16], seq u64 -> empty */
    TMX_NT_IN_LANE,
    /* shard -> size u64, root[32], signed checkpoint: the head this node has cosigned last */
    TMX_NT_WITNESS,
    /* shard -> checkpoint with cosignatures: the newest that the quorum has cosigned */
    TMX_NT_COSIGNED,
    /* serial u64 -> SignedDirectory file: every directory that was in force here */
    TMX_NT_DIRECTORY,
    /* member, shard, index u64 -> as EVIDENCE: the leaf of a prekey set it published */
    TMX_NT_PREKEY_LEAF,
    /* shard, index u64 of a leaf that is not proved at a cosigned head yet -> table u8, key of its row there */
    TMX_NT_UPGRADE,
    /* member (sender) -> the lowest of its numbers that is not known and not pardoned u64 (NODE-13) */
    TMX_NT_IN_PAIR,
    /* number u64 of its alarm -> wall ms u64, the file (LINK-6) */
    TMX_NT_MISBEHAVIOUR,
    /* member, key id[8], shard, until_ms u64 -> index u64: the first PREKEY_LEAF that published this key */
    TMX_NT_PREKEY_ID,
    /* id, member -> the sealed reason text that came with the refusal of this recipient; kept, as the leaf is */
    TMX_NT_ATTACHMENT,
    /* wall ms u64, nonce[32] of what an operator asked -> the signed request: the record, and that it is not done again */
    TMX_NT_OPERATION,
    /* number u64 of its alarm -> wall ms u64, table u8, key size u8, key, what was there: a damaged row, kept aside (NODE-16) */
    TMX_NT_DAMAGED,
};

enum tmx_node_direction { TMX_DIRECTION_SENT = 1, TMX_DIRECTION_RECEIVED = 2 };

enum tmx_node_index {
    TMX_INDEX_MOVEMENT = 1,   /* MRN[18], id, direction u8 */
    TMX_INDEX_ALL,            /* inverted id, direction u8: newest first */
    TMX_INDEX_OPEN,           /* the same, without those that have their outcome */
    TMX_INDEX_STEPS,          /* direction u8, id, cursor u64 */
    TMX_INDEX_BUSINESS,       /* business id (at most 35 bytes) -> id */
};

enum tmx_due_kind {
    TMX_DUE_LEASE = 1,        /* a lease ends */
    TMX_DUE_IN_EXPIRY,        /* a received message expires */
    TMX_DUE_OUT_EXPIRY,       /* a submission expires before it was signed */
    TMX_DUE_IN_RETENTION,     /* container and key of a received message go */
    TMX_DUE_OUT_RETENTION,
};
#define TMX_DUE_KIND_MAX TMX_DUE_OUT_RETENTION

enum tmx_seq_state {
    TMX_SEQ_ARRIVED = 1,      /* here, without outcome */
    TMX_SEQ_RESOLVED,         /* outcome here, or a refusal or outcome proved in the log */
};

enum tmx_evidence_kind {
    TMX_EVIDENCE_ACCEPTANCE = 1,
    TMX_EVIDENCE_COA,
    TMX_EVIDENCE_OUTCOME,
    TMX_EVIDENCE_REFUSAL,
    TMX_EVIDENCE_ERASED,      /* of the container at the broker */
};

enum tmx_out_state {
    TMX_OUT_WAITING = 1,      /* durable, not signed */
    TMX_OUT_SIGNED,           /* no answer yet */
    TMX_OUT_ACCEPTED,         /* some delivery has no outcome */
    TMX_OUT_CLOSED,           /* every delivery has its verified outcome */
    TMX_OUT_REJECTED,         /* refused in the log, or expired before it was signed */
};

/* States of a delivery, as the sender's node has verified them. */
enum tmx_out_delivery_state {
    TMX_OUT_DELIVERY_QUEUED = 1,
    TMX_OUT_DELIVERY_ACCEPTED,
    TMX_OUT_DELIVERY_ARRIVED,
    TMX_OUT_DELIVERY_DELIVERED,
    TMX_OUT_DELIVERY_REFUSED,
    TMX_OUT_DELIVERY_EXPIRED,
    TMX_OUT_DELIVERY_EXCEPTION,
    TMX_OUT_DELIVERY_REJECTED,
};

struct tmx_row_out_delivery {
    uint8_t member[TMX_MEMBER_MAX];
    uint8_t state;                 /* enum tmx_out_delivery_state */
    uint64_t seq;                  /* 0 until signed */
    uint64_t coa_index;            /* 0 = none: index 0 is always SHARD_START */
};

struct tmx_row_out {
    uint8_t state;                 /* enum tmx_out_state */
    uint8_t priority;
    uint8_t wait_priority;         /* of its OUT_WAIT row */
    uint8_t wait_member[TMX_MEMBER_MAX];
    uint64_t order;                /* of submission */
    uint64_t number;               /* of signing; 0 until signed */
    uint64_t submitted_ms, expires_ms;
    uint64_t payload_bytes, container_bytes;
    uint64_t index;                /* of the acceptance; 0 = none */
    uint8_t shard[TMX_SHARD_MAX];  /* of index */
    uint8_t label[TMX_LABEL_SIZE]; /* zero = no movement */
    uint8_t header_digest[32], container_digest[32];
    uint32_t code;                 /* why it was rejected */
    uint8_t n;
    struct tmx_row_out_delivery deliveries[TMX_RECIPIENTS_MAX];
};

enum tmx_in_state {
    TMX_IN_ARRIVED = 1,            /* CoA made, its leaf not verified yet */
    TMX_IN_BLOCKED,                /* waits for an earlier one of its movement */
    TMX_IN_READY,
    TMX_IN_LEASED,
    TMX_IN_HELD,                   /* lapsed too often: an operator decides */
    TMX_IN_LOST,                   /* arrived once, and the container was lost with an earlier spool */
    TMX_IN_DELIVERED,
    TMX_IN_REFUSED,
    TMX_IN_EXPIRED,
    TMX_IN_EXCEPTION,
};

struct tmx_row_in {
    uint8_t state;                 /* enum tmx_in_state */
    uint8_t priority, lapses, renewals;
    bool redelivered;              /* may have been handed over before */
    bool coa_verified, outcome_verified;
    uint64_t seq, prev;
    uint64_t waits_for;            /* BLOCKED: the seq that must have its outcome first */
    uint64_t index, coa_index;     /* of the acceptance, and of the verified CoA; 0 = none yet */
    uint64_t expires_ms, lease_until_ms;
    uint64_t container_bytes;
    uint32_t code;
    uint8_t shard[TMX_SHARD_MAX];  /* of index */
    uint8_t sender[TMX_MEMBER_MAX];
    uint8_t type[TMX_TYPE_MAX];
    uint8_t label[TMX_LABEL_SIZE]; /* of its movement; zero = none */
    uint8_t token[16];             /* of the lease, or of the last one */
    uint8_t header_digest[32], container_digest[32];
};
