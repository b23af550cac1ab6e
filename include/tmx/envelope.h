/* SPDX-License-Identifier: Apache-2.0
 * Headers, reports, prekey sets, log entries: unpacked, checked against the rules of their own bytes (ENV-n),
 * and packed. Rules that need the directory or the spool are in broker/core and node/core.
 */
#pragma once

#include <tmx/batch.h>
#include <tmx/codec.h>
#include <tmx/limits.h>

#include "audit.pb-c.h"
#include "envelope.pb-c.h"

/* Each returns TMX_CODE_OK, TMX_CODE_MALFORMED / TOO_LARGE (not canonical), or TMX_CODE_BAD_HEADER /
 * BAD_REPORT / BAD_PREKEYS / (a field breaks a rule). The result lives in the arena and borrows `body`. */
unsigned tmx_header_parse(struct tmx_bytes body, struct tmx_arena *arena, Tmx__Header **ret_header) TMX_MUST_CHECK;
unsigned tmx_report_parse(struct tmx_bytes body, struct tmx_arena *arena, Tmx__Report **ret_report) TMX_MUST_CHECK;
unsigned tmx_prekeys_parse(struct tmx_bytes body, struct tmx_arena *arena, Tmx__PrekeySet **ret_set) TMX_MUST_CHECK;
/* The same of a set that was checked when it came and has been kept since: its keys are not tried again, which is a hundred times
 * the rest. */
unsigned tmx_prekeys_read(struct tmx_bytes body, struct tmx_arena *arena, Tmx__PrekeySet **ret_set) TMX_MUST_CHECK;
unsigned tmx_entry_parse(struct tmx_bytes entry, struct tmx_arena *arena, Tmx__LogEntry **ret_entry) TMX_MUST_CHECK;
unsigned tmx_signed_parse(struct tmx_bytes frame, struct tmx_arena *arena, Tmx__Signed **ret_signed,
                          struct tmx_signature *ret_signature) TMX_MUST_CHECK;

/* Field 1 of a signed body without parsing the rest: Tmx__Kind, or 0. */
unsigned tmx_body_kind(struct tmx_bytes body);

/* time_ms of a log entry without parsing the rest; 0 when it does not begin as one. */
uint64_t tmx_entry_time(struct tmx_bytes entry);

/* BatchSignature <-> struct tmx_signature. */
bool tmx_signature_from_pb(const Tmx__BatchSignature *pb, struct tmx_signature *ret_signature) TMX_MUST_CHECK;
/* Allocates from the arena; NULL when its cap is reached. */
Tmx__BatchSignature *tmx_signature_to_pb(const struct tmx_signature *signature, struct tmx_arena *arena);

/* The seal's plaintext: u32be size of Content, Content, payload (compressed where it helps), padding to 256 with
 * zeros. Fields of `content` that the function owns (payload_bytes, compression, stored_bytes) are set by it.
 * -ENOMEM; ret_plaintext is malloc'ed. The compressor is what compression keeps between payloads: to make it anew costs
 * more than a small payload; NULL does so. */
struct tmx_compressor;
struct tmx_compressor *tmx_compressor_new(void);   /* NULL: out of memory */
struct tmx_compressor *tmx_compressor_free(struct tmx_compressor *c);
int tmx_content_pack(struct tmx_compressor *compressor, Tmx__Content *content, struct tmx_bytes payload,
                     uint8_t **ret_plaintext, size_t *ret_size) TMX_MUST_CHECK;
/* TMX_CODE_OK, TMX_CODE_CONTENT_INVALID, or -ENOMEM. *ret_payload is malloc'ed; bounded by TMX_PAYLOAD_MAX. */
int tmx_content_unpack(struct tmx_bytes plaintext, struct tmx_arena *arena, Tmx__Content **ret_content,
                       uint8_t **ret_payload, size_t *ret_size) TMX_MUST_CHECK;

/* BLAKE2b-128 over the MRN, keyed with the sender's 32-byte secret. */
void tmx_movement_label(struct tmx_bytes mrn, const uint8_t secret[32], uint8_t ret_label[TMX_LABEL_SIZE]);
/* UUIDv7 from wall clock and 10 random bytes. */
void tmx_message_id(uint64_t wall_ms, const uint8_t random[10], uint8_t ret_id[TMX_ID_SIZE]);
