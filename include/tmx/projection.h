/* SPDX-License-Identifier: Apache-2.0
 * The projection of a broker's state: what follows from its log, as rows of tables. The broker makes the rows of what it
 * holds (control request log-state), the auditor makes them of the log (tmx-audit fold); equal states are equal bytes.
 *
 * A row is its fields one after the other, each of one size, numbers big-endian; the first of them are its key, and a table
 * ascends by key. A member is its code, padded with zeros. An entry is the index of one of this log; 0 is none, since entry 0 is
 * SHARD_START. `acceptance` is the entry with which a message came into this log: ACCEPTANCE, RESUBMISSION or CARRY_DELIVERY.
 *
 *     directory    serial u64, digest[32] of the file: that in force; one row, without key
 *     prekey-sets  member[8] | serial u64, entry u64: that in force of each member
 *     pairs        sender[8], recipient[8] | last u64: the last number that was consumed
 *     messages     message[16] | sender[8], acceptance u64, header digest[32], container digest[32], container bytes u32,
 *                  recipients u8, and of their deliveries queued u8, open u8
 *     deliveries   message[16], recipient[8] | sender[8], seq u64, acceptance u64, expiry u64 (ms), state u8, coa u64 and
 *                  outcome u64 (entries). The state is the Outcome of envelope.proto that was logged last, 0: queued. The
 *                  expiry is when the broker may end it, QUE-7
 *     refused-ids  message[16], sender[8] | entry u64: refusals that consumed numbers, whose id stays taken
 *     refusals     digest[32] of a refused body | entry u64
 *     destinations member[8] | queued u64, queued bytes u64, arrived u64, accepted u64, terminal u64: deliveries to it
 *     stops        member[8] | entry u64: an operator has paused deliveries to it; the member empty: admission drains
 *     holds        member[8], message[16] | entry u64: an operator holds that queued delivery
 *     proposals    entry u64 | until u64 (ms), action u8, digest[32] of the signed request: that another operator may approve
 */
#pragma once

#include <tmx/bytes.h>

#define TMX_PROJECTION_ROW_MAX 128u
#define TMX_PROJECTION_FIELDS_MAX 9u

enum tmx_projection_table {
    TMX_PROJECTION_DIRECTORY,
    TMX_PROJECTION_PREKEY_SETS,
    TMX_PROJECTION_PAIRS,
    TMX_PROJECTION_MESSAGES,
    TMX_PROJECTION_DELIVERIES,
    TMX_PROJECTION_REFUSED_IDS,
    TMX_PROJECTION_REFUSALS,
    TMX_PROJECTION_DESTINATIONS,
    TMX_PROJECTION_STOPS,
    TMX_PROJECTION_HOLDS,
    TMX_PROJECTION_PROPOSALS,
    TMX_PROJECTION_TABLES,
};

enum tmx_projection_kind {
    TMX_PROJECTION_MEMBER = 1,
    TMX_PROJECTION_ID,
    TMX_PROJECTION_DIGEST,
    TMX_PROJECTION_U64,
    TMX_PROJECTION_U32,
    TMX_PROJECTION_U8,
    TMX_PROJECTION_STATE,
};

struct tmx_projection_field {
    const char *name;
    enum tmx_projection_kind kind;
};

struct tmx_projection_layout {
    const char *name;
    size_t row_size;
    size_t key_size;
    size_t n_keys;   /* of the fields */
    size_t n_fields;
    struct tmx_projection_field fields[TMX_PROJECTION_FIELDS_MAX];
};

const struct tmx_projection_layout *tmx_projection_layout(enum tmx_projection_table table);
/* By its name; false when there is none. */
bool tmx_projection_find(const char *name, enum tmx_projection_table *ret_table) TMX_MUST_CHECK;
size_t tmx_projection_field_size(enum tmx_projection_kind kind);
/* "queued", "arrived", "delivered", "refused", "expired", "exception"; "unknown" for what is no state. */
const char *tmx_projection_state_name(uint8_t state);
#define TMX_PROJECTION_STATES 6u
