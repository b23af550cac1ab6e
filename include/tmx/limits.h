/* SPDX-License-Identifier: Apache-2.0
 * Every bound of the system, in one place. Sizes in bytes, times in milliseconds.
 * A limit marked (protocol) is part of the specification: proto/README.md, section Limits.
 */
#pragma once

#include <stdint.h>

/* identifiers */
#define TMX_MEMBER_MAX 8u              /* member code, [A-Z0-9]{2,8} (protocol) */
#define TMX_ID_SIZE 16u                /* message id, UUIDv7 (protocol) */
#define TMX_HASH_SIZE 32u
#define TMX_LABEL_SIZE 16u             /* movement label (protocol) */
#define TMX_TYPE_MAX 16u               /* message type code (protocol) */
#define TMX_REFERENCE_MAX 64u          /* an application's own reference */
#define TMX_FEDERATION_MAX 64u
#define TMX_SHARD_MAX 16u
#define TMX_KEYNAME_MAX 128u           /* signed-note key name */

/* envelope (protocol) */
#define TMX_PAYLOAD_MAX (20u << 20)
#define TMX_CONTAINER_MAX (TMX_PAYLOAD_MAX + 65536u)
#define TMX_HEADER_MAX 16384u
#define TMX_RECIPIENTS_MAX 64u
#define TMX_BATCH_MAX 64u              /* bodies under one signature */
#define TMX_BATCH_PATH_MAX 6u          /* hashes: log2(TMX_BATCH_MAX) */
#define TMX_PADDING 256u
#define TMX_PRIORITY_MAX 9u
#define TMX_EXPIRY_MAX_MS (30ull * 86400000ull)
#define TMX_REASON_MAX 512u            /* text of a refusal */
#define TMX_CONTENT_MAX 16384u         /* the Content message inside the seal */
#define TMX_ATTACHMENT_MAX 1024u         /* the sealed reason text */

/* link (protocol) */
#define TMX_LINK_VERSION 1u            /* of Hello and Welcome */
#define TMX_CONTROL_MAX 16384u         /* one control message */
#define TMX_LINK_ITEMS_MAX 64u         /* messages in one ZeroMQ message */
#define TMX_LINK_BYTES_MAX (1u << 20)  /* bytes in one ZeroMQ message */
#define TMX_CHUNK_SIZE (256u << 10)    /* larger containers travel in chunks of this size */
#define TMX_CHUNKS_IN_FLIGHT 4u
#define TMX_FRAME_MAX (TMX_CHUNK_SIZE + 65536u)
#define TMX_FRAMES_MAX (1u + 2u * TMX_LINK_ITEMS_MAX)

/* shell */
#define TMX_POLL_MAX 256u              /* entries of one wait */
#define TMX_GATE_MEMORY_DEFAULT (256u << 20) /* writable memory of a gate */
#define TMX_GATE_BACKOFF_MIN_MS 100u
#define TMX_GATE_BACKOFF_MAX_MS 30000u
#define TMX_GATE_START_MS 10000u       /* from its start to READY */
#define TMX_GATE_STUCK_MS 5000u        /* a gate waits so long for a peer that takes nothing */
#define TMX_OUTBOX_BYTES_MAX (32u << 20) /* to one peer, in copies: more than a turn says */

/* application interface */
#define TMX_APP_RESPONSE_MAX (1u << 20)   /* control frame of an answer to an application */

/* operators: log, configuration, control socket */
#define TMX_LOG_LINE_MAX 1024u         /* bytes of a line; longer ones are cut */
#define TMX_LOG_VALUE_MAX 256u         /* bytes of one value */
#define TMX_LOG_EVENTS_MAX 128u        /* events whose rate is known */
#define TMX_LOG_RATE_LINES 1000u       /* of one event */
#define TMX_LOG_RATE_MS 10000u         /* in this time */
#define TMX_CONFIG_SIZE_MAX (256u << 10)
#define TMX_CONFIG_LINE_MAX 1000u
#define TMX_CONFIG_SECTIONS_MAX 256u
#define TMX_CONFIG_NAME_MAX 64u        /* of a named section */
#define TMX_CONFIG_STRING_MAX 512u
#define TMX_CONFIG_WORDS_MAX 256u      /* of a list */
#define TMX_CONFIG_ERRORS_MAX 8192u    /* bytes of text */
#define TMX_CONTROL_CLIENTS_MAX 16u
#define TMX_CONTROL_FDS_MAX (TMX_CONTROL_CLIENTS_MAX + 1u)
#define TMX_CONTROL_WORDS_MAX 8u
#define TMX_CONTROL_LINE_MAX 4096u
#define TMX_CONTROL_ATTACHMENT_MAX TMX_DIRECTORY_MAX
#define TMX_CONTROL_REPLY_MAX (4u << 20)
#define TMX_CONTROL_ENTRIES_BYTES (256u << 10) /* of the log, in one answer: what a turn may spend on it */
#define TMX_CONTROL_STATE_BYTES (64u << 10)   /* of rows of its state, the same: a row costs more than an entry */
#define TMX_CONTROL_CLIENT_MS 10000u   /* to say the request; and again to take the reply */
#define TMX_CONTROL_QUEUE_ROWS 100u
#define TMX_CONTROL_TRACE_ROWS 256u    /* events in one answer */
#define TMX_HTTP_CONNECTIONS_MAX 16u
#define TMX_HTTP_MEMORY_MAX 16384u     /* of one: its request and the headers of its answer */
#define TMX_HTTP_CLIENT_MS 10000u      /* from its beginning to its end */
#define TMX_HTTP_CROWDED_MS 1000u      /* of the oldest while all places are taken */
#define TMX_HTTP_FRESH_MS 1000u        /* an answer is made anew */

/* what operators ask */
#define TMX_OPERATORS_MAX 32u          /* of an installation */
#define TMX_OPERATORS_FILE_MAX 16384u
#define TMX_OPERATION_MAX 16384u       /* the signed request (protocol) */
#define TMX_OPERATION_TARGETS_MAX 128u /* deliveries in one (protocol) */
#define TMX_OPERATION_REASON_MAX 200u  /* (protocol) */
#define TMX_OPERATION_NONCE 32u
#define TMX_OPERATION_FRESH_MS 300000u /* a request counts so long before and after its time (protocol) */
#define TMX_PROPOSAL_MS 86400000u      /* in which another operator may approve (protocol) */
#define TMX_PROPOSALS_MAX 32u          /* open at a time */
#define TMX_SELECT_ROWS 4096u          /* of the queue, passed over for one answer … */
#define TMX_SELECT_READ 16u            /* … where one whose header is read counts as so many */

/* unpacking */
#define TMX_CODEC_FIELDS_MAX 65536u   /* fields of one message, nested ones included */

/* application interface */
#define TMX_APP_FRAME_MAX (TMX_PAYLOAD_MAX + 4096u)
#define TMX_APP_REMOTE_PAYLOAD_MAX TMX_CHUNK_SIZE   /* over tcp:// a frame is bounded before its peer is known */
#define TMX_APP_BYTES_MAX (96u << 20)  /* one answer: leases stop before */

/* log */
#define TMX_ENTRY_MAX 20480u           /* leaf bytes: header, signature, path and room */
#define TMX_TREE_DEPTH_MAX 48u         /* hashes of an inclusion proof: 2^48 entries */
#define TMX_CHECKPOINT_MAX 1024u       /* text and log signature, no cosignatures */
#define TMX_SHARD_TEXT_MAX 16384u      /* (protocol) the head that SHARD_START names, with its cosignatures */
#define TMX_NOTE_MAX 65536u
#define TMX_ANCHOR_TOKEN_MAX 16384u    /* a time-stamp token, with the certificates of its authority (protocol) */
#define TMX_WITNESSES_MAX 64u          /* of a policy; other verifiers take 100 signature lines */
#define TMX_POLICY_GROUPS_MAX 64u
#define TMX_POLICY_NAME_MAX 64u
#define TMX_TILE_WIDTH 256u
#define TMX_TILE_SIZE (TMX_TILE_WIDTH * TMX_HASH_SIZE)

/* evidence bundle (protocol) */
#define TMX_EVIDENCE_MAX (64u << 20)   /* the file */
#define TMX_EVIDENCE_DIRECTORIES_MAX 64u
#define TMX_EVIDENCE_CHECKPOINTS_MAX 256u
#define TMX_EVIDENCE_LEAVES_MAX 1024u

/* directory */
#define TMX_MEMBERS_MAX 128u
#define TMX_DIRECTORY_MAX (256u << 10)
#define TMX_AUTHORITY_KEYS_MAX 16u
#define TMX_LOGS_MAX 64u               /* shards listed */
#define TMX_ENDPOINT_MAX 255u
#define TMX_NAME_MAX 255u              /* a member's name for people */
#define TMX_KEYS_PER_MEMBER_MAX 8u
#define TMX_PREKEYS_MAX 62u            /* dated keys of one set */
#define TMX_PREKEY_DAYS 30u

/* catalogue */
#define TMX_CATALOGUE_MAX (256u << 10)   /* its file */
#define TMX_CATALOGUE_TYPES_MAX 256u

/* queues and flow */
#define TMX_DELIVERY_WINDOW 512u       /* messages in flight to one destination */
#define TMX_DELIVERY_WINDOW_BYTES (32u << 20)
#define TMX_SEND_WINDOW 4096u          /* sequence numbers granted ahead per pair */
#define TMX_REFUSALS_BURST 200u        /* leaves a member gets for what is refused, at once … */
#define TMX_REFUSALS_PER_S 20u         /* … and then a second */
#define TMX_FEED_SKIP_MAX 4096u        /* leaves passed over for one Feed frame */
#define TMX_RETRY_MIN_MS 1000u
#define TMX_RETRY_STOPPED_MS 10000u    /* put off because admission has stopped */
#define TMX_RETRY_MAX_MS 300000u
#define TMX_LEASE_DEFAULT_MS 60000u
#define TMX_LEASE_MAX_MS 3600000u
#define TMX_LEASE_RENEWALS_MAX 10u
#define TMX_LEASES_LAPSED_MAX 5u       /* then the delivery is held and an alarm raised */

/* turns */
#define TMX_TURN_EVENTS_MAX 1024u
#define TMX_TURN_BYTES_MAX (16u << 20) /* below LMDB's spill point */
#define TMX_STEP_OPS_MAX 4608u         /* row operations of one event: 64 prekey sets, with a row for each key */
#define TMX_STEP_SENDS_MAX 256u

/* storage */
#define TMX_ROW_CHUNK 4080u            /* one overflow page: reference measurement, finding 11 */
#define TMX_KEY_MAX 64u                /* spool row key */
#define TMX_SPOOL_VERSION 4u          /* 2: with a journal; 3: the node knows what waits, and what it has cosigned; 4: seen heads of messages */
#define TMX_REPORTS_ROOM 4096u         /* what the reports of one delivery take in the broker's spool, with their rows */
#define TMX_EVIDENCE_ROOM 8192u        /* what is still to come of one delivery in a node's */
