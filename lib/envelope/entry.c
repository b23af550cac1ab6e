/* SPDX-License-Identifier: Apache-2.0
 * Signed bodies as they travel, and log entries: which fields an entry of each kind holds.
 */
#include <string.h>

#include <tmx/code.h>
#include <tmx/envelope.h>
#include <tmx/identifier.h>

#include "rules.h"

bool tmx_signature_from_pb(const Tmx__BatchSignature *pb, struct tmx_signature *ret_signature)
{
    if (pb->size < 1 || pb->size > TMX_BATCH_MAX || pb->index >= pb->size || pb->path.len % TMX_HASH_SIZE != 0 ||
        pb->path.len / TMX_HASH_SIZE > TMX_BATCH_PATH_MAX || !rule_size(pb->signature, 64)) {
        return false;
    }
    struct tmx_signature s = { .key_id = pb->key_id,
                               .batch_no = pb->batch_no,
                               .size = pb->size,
                               .index = pb->index,
                               .path_n = (uint32_t)(pb->path.len / TMX_HASH_SIZE) };
    struct tmx_reader r = tmx_reader_init(tmx_pb(pb->path));
    for (size_t i = 0; i < s.path_n; i++) {
        tmx_read_into(&r, s.path[i].b, TMX_HASH_SIZE);
    }
    memcpy(s.sig, pb->signature.data, sizeof(s.sig));
    *ret_signature = s;
    return true;
}

Tmx__BatchSignature *tmx_signature_to_pb(const struct tmx_signature *signature, struct tmx_arena *arena)
{
    assert(signature->path_n <= TMX_BATCH_PATH_MAX);
    Tmx__BatchSignature *pb = tmx_arena_alloc(arena, sizeof(*pb));
    struct tmx_bytes path, sig;
    if (pb == NULL ||
        !tmx_arena_copy(arena, TMX_BYTES(signature->path, signature->path_n * sizeof(struct tmx_hash)), &path) ||
        !tmx_arena_copy(arena, TMX_BYTES_OF(signature->sig), &sig)) {
        return NULL;
    }
    *pb = (Tmx__BatchSignature)TMX__BATCH_SIGNATURE__INIT;
    pb->key_id = signature->key_id;
    pb->batch_no = signature->batch_no;
    pb->size = signature->size;
    pb->index = signature->index;
    pb->path = tmx_to_pb(path);
    pb->signature = tmx_to_pb(sig);
    return pb;
}

static uint64_t varint(struct tmx_reader *r)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = tmx_read_u8(r);
        v |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            break;
        }
    }
    return v;
}

/* Fields ascend (ENV-2): the kind is the first, the time the second. */
uint64_t tmx_entry_time(struct tmx_bytes entry)
{
    struct tmx_reader r = tmx_reader_init(entry);
    bool begins = tmx_read_u8(&r) == (1 << 3) && varint(&r) != 0 && tmx_read_u8(&r) == (2 << 3);
    uint64_t time_ms = varint(&r);
    return begins && tmx_reader_ok(&r) ? time_ms : 0;
}

unsigned tmx_signed_parse(struct tmx_bytes frame, struct tmx_arena *arena, Tmx__Signed **ret_signed,
                          struct tmx_signature *ret_signature)
{
    Tmx__Signed *s = NULL;
    unsigned code = rule_unpack(&tmx__signed__descriptor, frame, TMX_ENTRY_MAX, arena, &s);
    if (code != TMX_CODE_OK) {
        return code;
    }
    if (s->body.len > TMX_HEADER_MAX || s->attachment.len > TMX_ATTACHMENT_MAX) {
        return TMX_CODE_TOO_LARGE;
    }
    if (s->body.len == 0 || s->signature == NULL || !tmx_signature_from_pb(s->signature, ret_signature)) {
        return TMX_CODE_MALFORMED;
    }
    *ret_signed = s;
    return TMX_CODE_OK;
}

enum field {
    MEMBER = 1 << 0,
    BODY = 1 << 1,   /* and its signature */
    MESSAGE_ID = 1 << 2,
    HEADER_DIGEST = 1 << 3,
    RECIPIENT = 1 << 4,
    REFERENCE = 1 << 5,
    CODE = 1 << 6,
    NUMBER = 1 << 7,
    DIGEST = 1 << 8,
    TEXT = 1 << 9,
};

/* What an entry of a kind must hold, what it may hold besides, and what its body is (0 = no body, or any). A number
 * of 0 is an absent one in protobuf, so that numbers which may be 0 are never required. */
static const struct {
    unsigned required;
    unsigned optional;
    unsigned body;
} shapes[] = {
    [TMX__ENTRY_KIND__ENTRY_SHARD_START] = { 0, TEXT | NUMBER, 0 },
    [TMX__ENTRY_KIND__ENTRY_DIRECTORY] = { NUMBER | DIGEST, 0, 0 },
    [TMX__ENTRY_KIND__ENTRY_PREKEYS] = { MEMBER | BODY, 0, TMX__KIND__KIND_PREKEY_SET },
    [TMX__ENTRY_KIND__ENTRY_ACCEPTANCE] = { MEMBER | BODY, 0, TMX__KIND__KIND_HEADER },
    [TMX__ENTRY_KIND__ENTRY_REPORT] = { MEMBER | BODY | REFERENCE, 0, TMX__KIND__KIND_REPORT },
    [TMX__ENTRY_KIND__ENTRY_EXPIRED] = { MEMBER | MESSAGE_ID | HEADER_DIGEST | RECIPIENT | REFERENCE, CODE | NUMBER, 0 },
    [TMX__ENTRY_KIND__ENTRY_EXCEPTION] = { MEMBER | MESSAGE_ID | HEADER_DIGEST | RECIPIENT | REFERENCE | CODE,
                                             NUMBER, 0 },
    [TMX__ENTRY_KIND__ENTRY_REFUSAL] = { MEMBER | BODY | CODE, REFERENCE | NUMBER, 0 },
    [TMX__ENTRY_KIND__ENTRY_START] = { 0, NUMBER, 0 },
    [TMX__ENTRY_KIND__ENTRY_OPERATOR] = { CODE | DIGEST, MEMBER | MESSAGE_ID | RECIPIENT | REFERENCE | NUMBER, 0 },
    [TMX__ENTRY_KIND__ENTRY_CARRY_DELIVERY] = { MEMBER | MESSAGE_ID | HEADER_DIGEST | RECIPIENT | REFERENCE,
                                                CODE | NUMBER | DIGEST, 0 },
    [TMX__ENTRY_KIND__ENTRY_CARRY_PAIR] = { MEMBER | RECIPIENT | NUMBER, 0, 0 },
    [TMX__ENTRY_KIND__ENTRY_RESUBMISSION] = { MEMBER | BODY, REFERENCE, TMX__KIND__KIND_HEADER },
    [TMX__ENTRY_KIND__ENTRY_ERASED] = { MESSAGE_ID, MEMBER | HEADER_DIGEST | REFERENCE | CODE | DIGEST, 0 },
    [TMX__ENTRY_KIND__ENTRY_ANCHOR] = { NUMBER | DIGEST, 0, 0 },
};

static unsigned fields_of(const Tmx__LogEntry *e)
{
    return (e->member.len != 0 ? MEMBER : 0u) | (e->body.len != 0 || e->signature != NULL ? BODY : 0u) |
           (e->message_id.len != 0 ? MESSAGE_ID : 0u) | (e->header_digest.len != 0 ? HEADER_DIGEST : 0u) |
           (e->recipient.len != 0 ? RECIPIENT : 0u) | (e->reference != NULL ? REFERENCE : 0u) |
           (e->code != 0 ? CODE : 0u) | (e->number != 0 ? NUMBER : 0u) | (e->digest.len != 0 ? DIGEST : 0u) |
           (e->text.len != 0 ? TEXT : 0u);
}

/* A field that is there has the right form. */
static bool fields_valid(const Tmx__LogEntry *e)
{
    struct tmx_signature signature;
    bool unsigned_entry = e->body.len == 0 && e->signature == NULL;
    return (e->member.len == 0 || tmx_member_valid(tmx_pb(e->member))) &&
           (unsigned_entry || (e->body.len != 0 && e->body.len <= TMX_HEADER_MAX && e->signature != NULL &&
                               tmx_signature_from_pb(e->signature, &signature))) &&
           rule_empty_or(e->message_id, TMX_ID_SIZE) && rule_empty_or(e->header_digest, TMX_HASH_SIZE) &&
           (e->recipient.len == 0 || tmx_member_valid(tmx_pb(e->recipient))) &&
           (e->reference == NULL || rule_ref(e->reference)) && rule_empty_or(e->digest, TMX_HASH_SIZE) &&
           e->text.len <= TMX_SHARD_TEXT_MAX;
}

/* The body is what this kind of entry is about; a refusal is of anything a member signs. */
static bool body_fits(const Tmx__LogEntry *e)
{
    unsigned kind = tmx_body_kind(tmx_pb(e->body));
    if (e->kind == TMX__ENTRY_KIND__ENTRY_REFUSAL) {
        return kind != TMX__KIND__KIND_NONE && kind != TMX__KIND__KIND_DIRECTORY && e->number <= 1;
    }
    return shapes[e->kind].body == 0 || kind == shapes[e->kind].body;
}

unsigned tmx_entry_parse(struct tmx_bytes entry, struct tmx_arena *arena, Tmx__LogEntry **ret_entry)
{
    Tmx__LogEntry *e = NULL;
    unsigned code = rule_unpack(&tmx__log_entry__descriptor, entry, TMX_ENTRY_MAX, arena, &e);
    if (code != TMX_CODE_OK) {
        return code;
    }
    if (e->kind <= TMX__ENTRY_KIND__ENTRY_NONE || (size_t)e->kind >= TMX_N(shapes)) {
        return TMX_CODE_MALFORMED;
    }
    unsigned fields = fields_of(e);
    unsigned required = shapes[e->kind].required;
    unsigned allowed = required | shapes[e->kind].optional;
    if ((fields & required) != required || (fields & ~allowed) != 0 || !fields_valid(e) || !body_fits(e)) {
        return TMX_CODE_MALFORMED;
    }
    *ret_entry = e;
    return TMX_CODE_OK;
}
