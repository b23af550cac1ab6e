/* SPDX-License-Identifier: Apache-2.0
 * A node as small as can be, for tests of the broker: builds frames by the specification and reads what comes back.
 * It checks every head, proof and number it receives.
 */
#pragma once

#include <tmx/code.h>
#include <tmx/envelope.h>
#include <tmx/seal.h>
#include <tmx/witness.h>

#include "broker.h"
#include "federation.h"
#include "link.pb-c.h"

struct fake_received {              /* one delivery */
    uint8_t message_id[TMX_ID_SIZE];
    uint64_t index;
    uint8_t body[2048];             /* header bytes */
    size_t body_size;
    uint8_t container[8192];
    size_t container_size;
};

struct fake_leaf {                  /* one feed item */
    uint64_t index;
    Tmx__EntryKind kind;
    unsigned code;
    uint64_t number;
    uint8_t entry[4096];
    size_t entry_size;
};

struct fake_node {
    struct federation *federation;
    struct federation_member *me;
    struct tmx_arena arena;
    uint64_t wall_ms;               /* its clock, as it says in hello */
    uint64_t session, out_number, in_number;
    struct tmx_checkpoint head;
    uint64_t feed_next, welcome_feed_next;
    uint64_t batch_no;
    uint64_t ids;
    uint64_t seq[FEDERATION_MEMBERS_MAX];      /* last used, by member */
    uint64_t max_seq[FEDERATION_MEMBERS_MAX];
    uint8_t prekey_secret[32], prekey[32];
    uint64_t set_serial;
    uint32_t version;               /* of its hello; 0 = 1 */
    bool false_seen;                /* its reports show a head that never was */
    uint8_t nonce[16];
    uint8_t route;
    /* received */
    size_t n_received;
    struct fake_received received[256];
    size_t n_leaves;
    struct fake_leaf leaves[256];
    size_t n_deferred;
    unsigned deferred_code, deferred_retry_ms;
    unsigned bye_code, bye_version;
    size_t n_directories;
    bool redelivery;
    uint8_t chunk[TMX_CHUNK_SIZE];
    size_t chunk_size;
    uint64_t requests[16];
    size_t n_requests;
    size_t n_witness;                          /* heads it was asked to cosign */
    uint8_t witness[TMX_WITNESS_REQUEST_MAX];  /* the last request */
    size_t witness_size;
    uint64_t cosigned_size;                    /* of the cosigned head it was told last */
};

/* Frames of one message to the broker; borrowed until the next build. */
struct fake_frames {
    size_t n;
    struct tmx_bytes frame[1 + 2 * TMX_LINK_ITEMS_MAX];
};

void fake_init(struct fake_node *n, struct federation *f, const char *code);
void fake_deinit(struct fake_node *n);
/* As after fake_init: a member that has said and heard nothing yet. */
void fake_reset(struct fake_node *n);

void fake_hello(struct fake_node *n, struct fake_frames *ret_frames);
void fake_publish(struct fake_node *n, uint64_t now_ms, struct fake_frames *ret_frames);
void fake_credit(struct fake_node *n, uint64_t messages, uint64_t bytes, struct fake_frames *ret_frames);
void fake_feed_ack(struct fake_node *n, struct fake_frames *ret_frames);
/* A reply to the last WitnessRequest: a cosignature at `time_s` by `secret`, or with another status that body. */
void fake_cosign(struct fake_node *n, const uint8_t secret[64], uint64_t time_s, struct fake_frames *ret_frames);
void fake_witness_reply(struct fake_node *n, unsigned status, struct tmx_bytes body, struct fake_frames *ret_frames);
void fake_ping(struct fake_node *n, uint64_t wall_ms, struct fake_frames *ret_frames);
/* A control frame and payload as they are. */
void fake_link(struct fake_node *n, Tmx__Link *link, const struct tmx_bytes *payload, size_t n_payload,
               struct fake_frames *ret_frames);

/* What a test may bend before signing. */
struct fake_message {
    Tmx__Header header;
    Tmx__Recipient recipient[8];
    Tmx__Recipient *recipients[8];
    Tmx__Head seen;
    struct tmx_hash seen_root;
    uint8_t id[TMX_ID_SIZE];
    uint8_t container[400000];
    size_t container_size;
    uint8_t digest[32];
};
/* A message to `to` (names separated by one space) with the next numbers, sealed to the prekeys of `nodes`. */
void fake_compose(struct fake_node *n, struct fake_node *const *nodes, size_t n_nodes, const char *type, uint64_t now_ms,
                  size_t payload_bytes, struct fake_message *ret_message);
/* Signs and wraps: Signed bytes, in the node's arena. */
struct tmx_bytes fake_sign(struct fake_node *n, const void *body_message);
void fake_submit(struct fake_node *n, const struct fake_message *m, struct fake_frames *ret_frames);
void fake_report(struct fake_node *n, const struct fake_received *r, Tmx__Outcome outcome, unsigned code, uint64_t now_ms,
                 struct fake_frames *ret_frames);

/* Takes one message of the broker apart and checks it; what it said is in the fields above. */
void fake_receive(struct fake_node *n, const struct tmx_bytes *frames, size_t n_frames);
