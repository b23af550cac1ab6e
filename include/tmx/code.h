/* SPDX-License-Identifier: Apache-2.0
 * Every reason code of the system: refusals, exceptions (CoE), outcomes and answers to applications,
 * with the same name in the specification, logs, CLI and leaves. One X-macro, one place.
 *
 *   X(NUMBER, NAME, "name", "what it means and what to do")
 */
#pragma once

#define TMX_CODES(X)                                                                                                 \
    X(0, OK, "ok", "accepted")                                                                                       \
    /* 1xx: malformed; garbage is counted, never logged as evidence */                                               \
    X(101, MALFORMED, "malformed", "not a canonical protobuf of this kind")                                          \
    X(102, TOO_LARGE, "too-large", "larger than the limit")                                                          \
    X(103, BAD_FRAME, "bad-frame", "the frames do not match the control message")                                    \
    X(104, BAD_VERSION, "bad-version", "protocol version not supported")                                             \
    X(105, BAD_SESSION, "bad-session", "a frame of another session")                                                 \
    /* 2xx: refusals of a validly signed header: permanent, logged, consume the numbers */                          \
    X(201, SENDER_NOT_PEER, "sender-not-peer", "the sender is not the authenticated member")                         \
    X(202, BAD_SIGNATURE, "bad-signature", "the batch signature does not verify under an active key")                \
    X(203, MEMBER_SUSPENDED, "member-suspended", "the sender is suspended: it may collect, not submit")              \
    X(204, MEMBER_REVOKED, "member-revoked", "the member is revoked")                                                \
    X(205, UNKNOWN_RECIPIENT, "unknown-recipient", "a recipient is not an active member of the directory")           \
    X(206, TYPE_NOT_ALLOWED, "type-not-allowed", "the sender may not send this message type")                        \
    X(207, EXPIRED_ON_ARRIVAL, "expired-on-arrival", "the expiry has passed")                                        \
    X(208, EXPIRY_TOO_FAR, "expiry-too-far", "the expiry is more than 30 days ahead")                                \
    X(209, SAME_ID_OTHER_BYTES, "same-id-other-bytes", "this message id was accepted with another header")           \
    X(210, SEQUENCE_REUSED, "sequence-reused", "the sequence number was used by another message")                    \
    X(211, CONTAINER_MISMATCH, "container-mismatch", "container size or digest differ from the header")              \
    X(212, BAD_SLOT, "bad-slot", "a key slot is not a valid prekey of its recipient")                                \
    X(213, BAD_HEAD, "bad-head", "the log head the header has seen is not one of this log")                          \
    X(214, BAD_HEADER, "bad-header", "a header field breaks a rule of the specification")                            \
    X(215, QUOTA, "quota", "the sender's quota is used up")                                                          \
    X(216, BAD_REPORT, "bad-report", "the report does not fit the delivery it names")                                \
    X(217, OUTCOME_EXISTS, "outcome-exists", "the delivery has its outcome already; the answer is that leaf")        \
    X(218, BAD_PREKEYS, "bad-prekeys", "the prekey set breaks a rule or repeats a published key")                    \
    /* 3xx: transient: nothing consumed, the same bytes come again */                                               \
    X(301, OUT_OF_ORDER, "out-of-order", "not the next sequence number of this pair")                                \
    X(302, DISK_FULL, "disk-full", "storage above its high-water mark: admission stopped")                           \
    X(303, CLOCK, "clock", "the clock is in doubt: admission stopped")                                               \
    X(304, DIRECTORY_EXPIRED, "directory-expired", "the directory has expired: admission stopped")                   \
    X(305, DIRECTORY_BEHIND, "directory-behind", "a later directory is needed first")                                \
    X(306, NO_CREDIT, "no-credit", "beyond the granted window of this destination")                                  \
    X(307, NOT_READY, "not-ready", "starting, recovering or stopping")                                               \
    X(308, BUSY, "busy", "too much outstanding: try again")                                                          \
    X(309, DRAINING, "draining", "the broker's operators have stopped admission for a while")                        \
    /* 4xx: exceptions (CoE) */                                                                                      \
    X(401, RECIPIENT_REVOKED, "recipient-revoked", "the recipient was revoked before arrival")                       \
    X(402, RECIPIENT_LOST, "recipient-lost", "the recipient's copy is lost for good")                                \
    X(403, CANNOT_OPEN, "cannot-open", "the container cannot be opened")                                             \
    X(404, CONTENT_MISMATCH, "content-mismatch", "the sealed content contradicts the header")                        \
    X(405, CONTENT_INVALID, "content-invalid", "the sealed content is malformed or inflates beyond the limit")       \
    X(406, KEY_GONE, "key-gone", "the prekey's secret no longer exists")                                             \
    X(407, ENDED_BY_OPERATORS, "ended-by-operators", "two operators of the broker ended it before arrival")          \
    /* 5xx: answers to a national application */                                                                     \
    X(501, UNKNOWN_TYPE, "unknown-type", "the message type is not in the catalogue")                                 \
    X(502, BAD_MRN, "bad-mrn", "the MRN is malformed or its check digit is wrong")                                   \
    X(503, MRN_REQUIRED, "mrn-required", "this message type requires an MRN")                                        \
    X(504, MRN_FORBIDDEN, "mrn-forbidden", "this message type carries no MRN")                                       \
    X(505, CORRELATION_REQUIRED, "correlation-required", "this message type requires a correlation id (C0511)")      \
    X(506, CORRELATION_FORBIDDEN, "correlation-forbidden", "this message type forbids a correlation id (C0511)")     \
    X(507, REFERENCE_REUSED, "reference-reused", "this reference was used for another message")                      \
    X(508, UNKNOWN_MESSAGE, "unknown-message", "no such message at this node")                                       \
    X(509, NOT_LEASED, "not-leased", "the message is not leased under this token")                                   \
    X(510, LEASE_LAPSED, "lease-lapsed", "the lease had lapsed")                                                     \
    X(511, EXPIRED, "expired", "the message has expired")                                                            \
    X(512, FORBIDDEN, "forbidden", "the application may not do this")                                                \
    X(513, EMPTY_PAYLOAD, "empty-payload", "the payload is empty")                                                   \
    X(514, BAD_REFERENCE, "bad-reference", "the reference is empty, too long or not printable")                      \
    X(515, BAD_LRN, "bad-lrn", "the LRN is malformed")                                                               \
    X(516, SELF, "self", "sender and recipient are the same member")                                                 \
    X(517, HAS_OUTCOME, "has-outcome", "the message was acknowledged or refused before")                             \
    X(518, REPLACES_OTHER, "replaces-other", "what it replaces is no message of yours to this recipient")            \
    X(519, REPLACES_OPEN, "replaces-open", "what it replaces has no outcome yet: wait for it")                       \
    X(520, RECORD_DAMAGED, "record-damaged", "the disk damaged what was kept of it before it was sent: submit it again") \
    /* 6xx: reasons an application refuses with */                                                                   \
    X(601, REFUSED, "refused", "the national application refused the message")

enum tmx_code {
#define X(number, name, text, meaning) TMX_CODE_##name = number,
    TMX_CODES(X)
#undef X
};

/* The stable name ("bad-signature"); "unknown" for a number outside the table. */
const char *tmx_code_name(unsigned code);
/* One sentence for people. */
const char *tmx_code_meaning(unsigned code);
