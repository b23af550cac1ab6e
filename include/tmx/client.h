/* SPDX-License-Identifier: Apache-2.0
 * libtmx: the client library of a national customs application. It talks to the administration's own node
 * (proto/application.proto) and hides sockets and encoding. This header needs nothing but the C library.
 *
 *   struct tmx_client *client;
 *   if (tmx_client_open("ipc:///run/tmx-node/application.sock", NULL, &client) < 0) …
 *   struct tmx_client_submission s = { .reference = "DE000000000001", .recipients = to, .n_recipients = 1,
 *                                      .message_type = "CD001C", .payload = xml, .payload_bytes = size };
 *   int r = tmx_client_submit(client, &s, &submitted);
 *
 * Results   every call returns 0, or
 *             < 0  the environment, a negative errno: -ETIMEDOUT the node did not answer in time (not running,
 *                  not reachable, or busy; the request may have been carried out), -EPROTO its answer was not
 *                  understood, -EINVAL an argument breaks the rule stated here, -EMSGSIZE more than the
 *                  20 MiB of a payload, -ENOMEM;
 *             > 0  the node refused the request and changed nothing: a reason code (tmx_client_code_name).
 *           In both cases tmx_client_error_text says in a sentence what happened and what to do.
 * Retries   are the caller's, and safe: the same reference submits the same message once, and acknowledging or
 *           refusing again under the same token gives the first answer again. The library never retries.
 * Ownership arguments are borrowed during the call. What a call returns through a pointer to const is the
 *           caller's until tmx_client_free(it): one call for the whole result, with everything it points to.
 *           It outlives the client.
 * Text      is UTF-8, ends with a NUL, and is "" where there is none; a NUL sent by the other side is given as '?'.
 *           Never trust it: sender, MRN and file name are what another administration wrote.
 * Units     are in the names: _ms milliseconds (times since 1970-01-01 UTC), _bytes bytes.
 * Threads   a client belongs to one thread; open one per thread. After fork(), only the parent may use it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TMX_CLIENT_PUBLIC __attribute__((visibility("default")))
#define TMX_CLIENT_CALL TMX_CLIENT_PUBLIC __attribute__((warn_unused_result))

#define TMX_CLIENT_ID_BYTES 16
#define TMX_CLIENT_TOKEN_BYTES 16
#define TMX_CLIENT_KEY_BYTES 32
#define TMX_CLIENT_PAYLOAD_BYTES_MAX (20u << 20)
#define TMX_CLIENT_LEASES_MAX 64          /* messages of one call */
#define TMX_CLIENT_EVENTS_MAX 1000        /* events of one call */
#define TMX_CLIENT_SUBMISSIONS_MAX 32     /* submissions of one call */
#define TMX_CLIENT_WAIT_MS_MAX 60000
#define TMX_CLIENT_LIST_MAX 1000
#define TMX_CLIENT_TIMEOUT_MS_DEFAULT 10000

struct tmx_client;

/* Keys: 32 raw bytes each, all three or none. An ipc:// endpoint takes none, a tcp:// endpoint needs them. */
struct tmx_client_options {
    const uint8_t *public_key;            /* this application's, X25519 */
    const uint8_t *secret_key;
    const uint8_t *server_key;            /* the node's public key */
    uint32_t timeout_ms;                  /* how long a call waits for the node; 0 = 10 s */
};

/* Opens a client; options may be NULL. Does not wait for the node: the first call does. -EINVAL: not an
 * ipc:///path or tcp://host:port endpoint, or the keys do not fit it. */
TMX_CLIENT_CALL int tmx_client_open(const char *endpoint, const struct tmx_client_options *options,
                                    struct tmx_client **ret_client);
/* NULL is allowed. Returns NULL. */
TMX_CLIENT_PUBLIC struct tmx_client *tmx_client_close(struct tmx_client *client);
/* About the last call that did not return 0; "" before there was one. Valid until the next call. */
TMX_CLIENT_PUBLIC const char *tmx_client_error_text(const struct tmx_client *client);
/* Frees one result of a call below. NULL is allowed. */
TMX_CLIENT_PUBLIC void tmx_client_free(const void *result);
/* The stable name of a reason code ("mrn-required") and its meaning in a sentence. Never NULL. */
TMX_CLIENT_PUBLIC const char *tmx_client_code_name(unsigned code);
TMX_CLIENT_PUBLIC const char *tmx_client_code_meaning(unsigned code);

/* ---- sending ---- */

/* Strings may be NULL or "" where optional. */
struct tmx_client_submission {
    const char *reference;                /* your own, 1 to 64 characters: the same again is the same message, though its
                                             expiry and file name may differ; anything else is refused */
    const char *const *recipients;        /* member codes, 1 to 64 */
    size_t n_recipients;
    const char *message_type;             /* "CD001C" */
    const char *mrn;                      /* optional, as the type demands */
    const char *lrn;                      /* optional */
    const char *business_id;              /* optional: messageIdentification */
    const char *business_correlation;     /* optional, as the type demands: correlationIdentifier */
    const uint8_t *correlation_id;        /* optional: message id of the request, 16 bytes */
    uint32_t priority;                    /* 1 to 9; 0 = the default, 4 */
    uint64_t expires_ms;                  /* 0 = the node's default; at most 30 days ahead */
    const char *media_type;               /* optional: "application/xml" */
    const char *file_name;                /* optional */
    const void *payload;
    size_t payload_bytes;                 /* 1 to 20 MiB */
    const uint8_t *replaces;              /* optional: 16 bytes, message id of your earlier message that this one is sent instead
                                             of; every recipient's delivery of that one has its outcome */
};

struct tmx_client_submitted {
    uint8_t message_id[TMX_CLIENT_ID_BYTES];
    int duplicate;                        /* the reference was known: this is the message sent under it before */
};

/* Returns 0 only when the message is durable in the node's outbox; from then on the node sends it by itself. */
TMX_CLIENT_CALL int tmx_client_submit(struct tmx_client *client, const struct tmx_client_submission *submission,
                                      struct tmx_client_submitted *ret_submitted);

/* What became of one of several. */
struct tmx_client_result {
    int r;                                /* as tmx_client_submit returns it */
    struct tmx_client_submitted submitted;   /* when r is 0 */
    char error[768];                      /* when it is not: the sentence of tmx_client_error_text */
};
/* Submits several without waiting for each: a node takes hundreds in the time of one. It takes them in this order; one that
 * is refused does not keep the others. ret_results has room for n. Returns 0 when each has its answer; -EINVAL for
 * more than TMX_CLIENT_SUBMISSIONS_MAX; else what broke the connection, and the results say which were answered. */
TMX_CLIENT_CALL int tmx_client_submit_many(struct tmx_client *client, const struct tmx_client_submission *submissions,
                                           size_t n, struct tmx_client_result *ret_results);

/* ---- collecting: lease, make durable, acknowledge ---- */

struct tmx_client_leased {
    uint8_t message_id[TMX_CLIENT_ID_BYTES];
    uint8_t token[TMX_CLIENT_TOKEN_BYTES];  /* proves the lease */
    const char *sender;
    const char *message_type;
    const char *mrn;
    const char *lrn;
    const char *business_id;
    const char *business_correlation;
    const uint8_t *correlation_id;        /* 16 bytes, or NULL */
    uint32_t priority;
    uint64_t sent_ms;
    uint64_t accepted_ms;
    uint64_t expires_ms;
    const char *media_type;
    const char *file_name;
    int redelivered;                      /* may have been handed over before: look for its id first */
    uint64_t lease_until_ms;
    const uint8_t *payload;               /* exactly the sender's bytes */
    size_t payload_bytes;
    const uint8_t *replaces;              /* 16 bytes: the sender's earlier message that this one is sent instead of; or NULL */
};

struct tmx_client_leases {
    const struct tmx_client_leased *messages;
    size_t n_messages;
};

/* Leases up to `max` (1 to 64) messages: nobody else gets them until lease_ms (0 = the node's default) has passed.
 * Waits up to wait_ms (at most 60000; 0 = not at all) for a first one, on top of the timeout. None is an empty
 * result, not an error. The node may give fewer than there are. message_types: NULL, or n_types codes to choose. */
TMX_CLIENT_CALL int tmx_client_lease(struct tmx_client *client, uint32_t max, uint32_t lease_ms, uint32_t wait_ms,
                                     const char *const *message_types, size_t n_types,
                                     const struct tmx_client_leases **ret_leases);
/* Extends a lease to lease_ms (0 = the node's default) from now. */
TMX_CLIENT_CALL int tmx_client_renew(struct tmx_client *client, const uint8_t *message_id, const uint8_t *token,
                                     uint32_t lease_ms);
/* The application took the message (CoD, positive). Call it only when the payload is durable at your side. */
TMX_CLIENT_CALL int tmx_client_ack(struct tmx_client *client, const uint8_t *message_id, const uint8_t *token);
/* The application refuses the message for good (CoD, negative). code: 601 or another 6xx. text (at most 512 bytes)
 * travels sealed to the sender. */
TMX_CLIENT_CALL int tmx_client_refuse(struct tmx_client *client, const uint8_t *message_id, const uint8_t *token,
                                      uint32_t code, const char *text);

/* ---- looking ---- */

/* One step in the life of a message. */
struct tmx_client_step {
    uint64_t time_ms;
    const char *what;                     /* submitted signed accepted CoA CoD refused expired CoE rejected */
    const char *who;                      /* whose statement: a member code, or "broker" */
    uint32_t code;                        /* 0, or the reason */
    const char *text;                     /* the recipient's words about it */
    const char *shard;                    /* of the log; "" = not in the log */
    uint64_t index;                       /* in the log */
    const char *recipient;                /* the delivery it is about; "" = all */
    int verified;                         /* the node verified its leaf in the log */
};

struct tmx_client_delivery {
    const char *recipient;
    uint64_t seq;
    const char *state;                    /* queued accepted arrived delivered refused expired exception rejected */
};

enum tmx_client_direction { TMX_CLIENT_BOTH, TMX_CLIENT_SENT, TMX_CLIENT_RECEIVED };

struct tmx_client_message {
    uint8_t message_id[TMX_CLIENT_ID_BYTES];
    enum tmx_client_direction direction;  /* SENT or RECEIVED */
    const char *reference;
    const char *sender;
    const struct tmx_client_delivery *deliveries;
    size_t n_deliveries;
    const char *message_type;
    const char *mrn;
    const char *lrn;
    const char *business_id;
    const char *business_correlation;
    const uint8_t *correlation_id;        /* 16 bytes, or NULL */
    uint32_t priority;
    uint64_t sent_ms;
    uint64_t expires_ms;
    uint64_t payload_bytes;
    const struct tmx_client_step *steps;  /* ascending time */
    size_t n_steps;
    const uint8_t *replaces;              /* 16 bytes, or NULL */
};

struct tmx_client_messages {
    const struct tmx_client_message *messages;
    size_t n_messages;
    int more;                             /* of a list: go on after `next`; there may be further ones */
    uint8_t next[TMX_CLIENT_ID_BYTES];
};

/* Every message of a movement that this node sent or received. */
TMX_CLIENT_CALL int tmx_client_movement(struct tmx_client *client, const char *mrn,
                                        const struct tmx_client_messages **ret_messages);
/* One message, by its id or, with message_id NULL, by the reference it was submitted under. */
TMX_CLIENT_CALL int tmx_client_message(struct tmx_client *client, const uint8_t *message_id, const char *reference,
                                       const struct tmx_client_messages **ret_messages);
/* Newest first, at most `max` (1 to 1000), continued after `next` of the list before (NULL = from the newest). A node
 * that had to look at many for few answers with fewer, even none, and `more`.
 * open_only: without those whose deliveries all have their outcome. */
TMX_CLIENT_CALL int tmx_client_list(struct tmx_client *client, enum tmx_client_direction direction, int open_only,
                                    uint32_t max, const uint8_t *after,
                                    const struct tmx_client_messages **ret_messages);

struct tmx_client_event {
    uint64_t cursor;                      /* its place among the events of this node */
    uint8_t message_id[TMX_CLIENT_ID_BYTES];
    const char *reference;
    const char *mrn;
    const char *message_type;
    struct tmx_client_step step;
};

struct tmx_client_events {
    const struct tmx_client_event *events;
    size_t n_events;
    uint64_t next;                        /* give it as `after` to go on */
};

/* Every step of every message in the order the node learned it: those after `after` (`next` of the call before;
 * 0 = from the start), at most `max` (1 to 1000). Waits up to wait_ms for a first one; there may be none. Store `next`
 * with your own data, and nothing is missed. */
TMX_CLIENT_CALL int tmx_client_events(struct tmx_client *client, uint64_t after, uint32_t max, uint32_t wait_ms,
                                      const struct tmx_client_events **ret_events);

struct tmx_client_evidence {
    const uint8_t *bundle;                /* the file: tmx-audit verify-evidence reads it */
    size_t bundle_bytes;
    uint32_t leaves;                      /* entries of the log in it */
    int container;                        /* the sealed container is in it */
    int disclosed;                        /* and so is its content key */
};

/* Everything this node keeps to prove what became of a message: by its id or, with message_id NULL, by the reference it was
 * submitted under. container: with the sealed container, while the node has it. disclose: with the content key, so that whoever
 * has the bundle can open this message and no other; at the local endpoint only. */
TMX_CLIENT_CALL int tmx_client_evidence(struct tmx_client *client, const uint8_t *message_id, const char *reference,
                                        int container, int disclose, const struct tmx_client_evidence **ret_evidence);

struct tmx_client_info {
    const char *member;                   /* whose node this is: "DE" */
    const char *federation;
    const char *software;
    const char *const *members;           /* active members of the federation */
    size_t n_members;
    int linked;                           /* connected with the broker now; if not, messages wait in the outbox */
    uint64_t catalogue_version;
};

TMX_CLIENT_CALL int tmx_client_info(struct tmx_client *client, const struct tmx_client_info **ret_info);

#ifdef __cplusplus
}
#endif
