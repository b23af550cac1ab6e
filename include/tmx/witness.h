/* SPDX-License-Identifier: Apache-2.0
 * The witness protocol (c2sp.org/tlog-witness): its bodies, carried byte for byte in link frames instead of HTTP, and
 * what a witness decides. Any witness that speaks it over HTTP can be asked with the same bytes.
 */
#pragma once

#include <tmx/note.h>
#include <tmx/text.h>

/* "old N", at most 63 hashes, a blank line, the checkpoint. */
#define TMX_WITNESS_PROOF_MAX 63u
#define TMX_WITNESS_REQUEST_MAX (32u + TMX_WITNESS_PROOF_MAX * TMX_BASE64_SIZE(TMX_HASH_SIZE) + TMX_CHECKPOINT_MAX)
#define TMX_WITNESS_REPLY_MAX 1024u    /* signature lines of one witness */

struct tmx_witness_request {
    uint64_t old;                      /* size of the head the witness cosigned last; 0 = none */
    struct tmx_proof proof;            /* consistency from there */
    struct tmx_bytes checkpoint;       /* signed by the log; borrowed */
};
void tmx_witness_request_write(const struct tmx_witness_request *request, struct tmx_writer *w);
bool tmx_witness_request_parse(struct tmx_bytes body, struct tmx_witness_request *ret_request) TMX_MUST_CHECK;

/* The protocol's HTTP status. */
enum tmx_witness_status {
    TMX_WITNESS_OK = 200,              /* the reply's body: signature lines */
    TMX_WITNESS_MALFORMED = 400,       /* or old > size */
    TMX_WITNESS_FORBIDDEN = 403,       /* the log's signature does not verify */
    TMX_WITNESS_UNKNOWN_LOG = 404,
    TMX_WITNESS_CONFLICT = 409,        /* the reply's body: the size cosigned last, in decimal, and a newline */
    TMX_WITNESS_INCONSISTENT = 422,    /* the proof does not verify */
    TMX_WITNESS_UNAVAILABLE = 503,     /* not now */
};

/* The head of one log that a witness cosigned last; size 0 = none. */
struct tmx_witness_memory {
    uint64_t size;
    struct tmx_hash root;
};
/* Decides over a request. With OK, *ret_checkpoint is what may be cosigned, and *memory must be durable before the
 * cosignature leaves (the only case in which it changes). `log_key` NULL: this witness knows no such log. With CONFLICT and
 * *ret_checkpoint of the size remembered, the log has signed two heads of one size. */
enum tmx_witness_status tmx_witness_decide(const struct tmx_witness_request *request, const struct tmx_verify_key *log_key,
                                           struct tmx_witness_memory *memory,
                                           struct tmx_checkpoint *ret_checkpoint) TMX_MUST_CHECK;
