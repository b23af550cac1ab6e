/* SPDX-License-Identifier: Apache-2.0
 * `evidence ID` at the broker: the entries of its log about a message, each with a proof up to the head it signed last, as a bundle
 * (proto/README.md, section Evidence bundle), for tmxctl to verify.
 */
#include <stdlib.h>
#include <string.h>

#include <tmx/code.h>
#include <tmx/envelope.h>
#include <tmx/evidence.h>
#include <tmx/merkle.h>
#include <tmx/text.h>

#include "../daemon.h"

#define LEAVES_MAX (1u + 2u * TMX_RECIPIENTS_MAX)   /* its acceptance or refusal, arrivals, outcomes */
#define ARENA_BYTES (8u << 20)

struct bundle {
    struct daemon *d;
    struct tmx_arena *arena;
    size_t n;
    uint64_t indexes[LEAVES_MAX];                    /* ascending */
    Tmx__EvidenceLeaf leaves[LEAVES_MAX], *pointers[LEAVES_MAX];
    uint64_t first_serial, last_serial;
    ProtobufCBinaryData directories[TMX_EVIDENCE_DIRECTORIES_MAX], checkpoint;
    Tmx__Evidence pb;
};

/* 0 is none: leaf 0 is about no message. */
static void index_add(struct bundle *b, uint64_t index)
{
    size_t at = 0;
    while (at < b->n && b->indexes[at] < index) {
        at++;
    }
    if (index != 0 && b->n < LEAVES_MAX && (at == b->n || b->indexes[at] != index)) {
        memmove(&b->indexes[at + 1], &b->indexes[at], (b->n - at) * sizeof(b->indexes[0]));
        b->indexes[at] = index;
        b->n++;
    }
}

static struct tmx_bytes row_of(struct bundle *b, uint8_t table, const void *key, size_t size)
{
    struct tmx_bytes value, copy;
    return tmx_spool_get(b->d->spool, table, TMX_BYTES(key, size), &value) == 0 && tmx_arena_copy(b->arena, value, &copy) ? copy
                                                                                                                         : TMX_BYTES_NULL;
}

static struct tmx_bytes numbered_row(struct bundle *b, uint8_t table, uint64_t number)
{
    uint8_t key[8];
    struct tmx_writer w = TMX_WRITER_OF(key);
    tmx_write_u64(&w, number);
    return row_of(b, table, key, sizeof(key));
}

/* Rows of deliveries begin with the message's id. */
static void deliveries_find(struct bundle *b, const uint8_t id[TMX_ID_SIZE])
{
    uint8_t from[TMX_ID_SIZE + TMX_MEMBER_KEY] = { 0 };
    memcpy(from, id, TMX_ID_SIZE);
    for (unsigned i = 0; i < TMX_RECIPIENTS_MAX; i++) {
        struct tmx_bytes key, value;
        struct tmx_row_delivery row;
        if (tmx_spool_seek(b->d->spool, TMX_T_DELIVERY, TMX_BYTES_OF(from), &key, &value) != 0 || key.size != sizeof(from) ||
            memcmp(key.data, id, TMX_ID_SIZE) != 0 || !tmx_row_delivery_get(value, &row)) {
            return;
        }
        memcpy(from, key.data, sizeof(from));
        index_add(b, row.coa_index);
        index_add(b, row.outcome_index);
        for (size_t k = sizeof(from); k > 0 && ++from[k - 1] == 0; k--) {
        }
    }
}

/* Who sent what was refused is not known here: one of the members. */
static void refusal_find(struct bundle *b, const uint8_t id[TMX_ID_SIZE])
{
    const Tmx__Directory *pb = tmx_directory_pb(tmx_broker_directory(b->d->broker));
    for (size_t i = 0; i < pb->n_members && b->n == 0; i++) {
        uint8_t key[TMX_ID_SIZE + TMX_MEMBER_KEY];
        memcpy(key, id, TMX_ID_SIZE);
        tmx_member_key(tmx_pb(pb->members[i]->code), key + TMX_ID_SIZE);
        struct tmx_reader r = tmx_reader_init(row_of(b, TMX_T_REFUSED, key, sizeof(key)));
        index_add(b, tmx_read_u64(&r));
    }
}

static bool leaf_fill(struct bundle *b, size_t i)
{
    struct tmx_proof path;
    struct tmx_bytes entry = numbered_row(b, TMX_T_LOG, b->indexes[i]), hashes;
    Tmx__LogEntry *e;
    if (!tmx_broker_path(b->d->broker, b->indexes[i], &path) || tmx_entry_parse(entry, b->arena, &e) != TMX_CODE_OK ||
        !tmx_arena_copy(b->arena, TMX_BYTES(path.hash, path.n * sizeof(path.hash[0])), &hashes)) {
        return false;
    }
    tmx__evidence_leaf__init(&b->leaves[i]);
    b->leaves[i].entry = tmx_to_pb(entry);
    b->leaves[i].path = tmx_to_pb(hashes);
    b->leaves[i].index = b->indexes[i];
    b->pointers[i] = &b->leaves[i];
    b->first_serial = i == 0 ? e->directory_serial : b->first_serial;   /* it never falls */
    b->last_serial = e->directory_serial;
    return true;
}

/* Those in between, too: one of them may have changed the authority's keys. */
static bool directories_fill(struct bundle *b)
{
    for (uint64_t serial = b->first_serial; serial <= b->last_serial; serial++) {
        struct tmx_bytes file = numbered_row(b, TMX_T_DIRECTORY, serial);
        if (file.size == 0) {
            continue;   /* serials may be left out */
        }
        if (b->pb.n_directories == TMX_EVIDENCE_DIRECTORIES_MAX) {
            return false;
        }
        b->directories[b->pb.n_directories++] = tmx_to_pb(file);
    }
    return b->pb.n_directories > 0;
}

static bool bundle_pack(struct bundle *b, const uint8_t id[TMX_ID_SIZE], struct tmx_bytes *ret_file)
{
    for (size_t i = 0; i < b->n; i++) {
        if (!leaf_fill(b, i)) {
            return false;
        }
    }
    b->checkpoint = tmx_to_pb(tmx_broker_checkpoint(b->d->broker));
    b->pb.version = TMX_EVIDENCE_VERSION;
    b->pb.message_id = tmx_to_pb(TMX_BYTES(id, TMX_ID_SIZE));
    b->pb.n_checkpoints = 1;
    b->pb.checkpoints = &b->checkpoint;
    b->pb.n_leaves = b->n;
    b->pb.leaves = b->pointers;
    b->pb.directories = b->directories;
    return directories_fill(b) && tmx_codec_pack(&b->pb, b->arena, ret_file) == TMX_CODEC_OK;
}

static void answer(struct bundle *b, const struct tmx_control_request *r, const uint8_t id[TMX_ID_SIZE])
{
    struct tmx_row_message message;
    struct tmx_bytes file;
    if (tmx_row_message_get(row_of(b, TMX_T_MESSAGE, id, TMX_ID_SIZE), &message)) {
        index_add(b, message.index);
        deliveries_find(b, id);
    } else {
        refusal_find(b, id);
    }
    if (b->n == 0) {
        tmx_control_refuse(b->d->control, r->client, "unknown-message", "no message with this id was accepted or refused");
    } else if (!bundle_pack(b, id, &file)) {
        tmx_control_refuse(b->d->control, r->client, "damaged", "its entries cannot be read or proved, or are more than an answer holds");
    } else {
        tmx_control_reply_with(b->d->control, r->client, json_pack("{ss}", "authority", b->d->settings.authority), file);
    }
}

bool control_evidence(struct daemon *d, const struct tmx_control_request *r)
{
    static struct bundle b;
    struct tmx_arena arena;
    uint8_t id[TMX_ID_SIZE];
    if (r->n_words != 2 || strcmp(r->words[0], "evidence") != 0) {
        return false;
    }
    if (!tmx_parse_id(tmx_bytes_str(r->words[1]), id)) {
        tmx_control_refuse(d->control, r->client, "malformed", "not a message id: 32 hexadecimal digits");
    } else if (tmx_arena_init(&arena, ARENA_BYTES) != 0) {
        tmx_control_refuse(d->control, r->client, "busy", "out of memory");
    } else {
        b = (struct bundle){ .d = d, .arena = &arena };
        tmx__evidence__init(&b.pb);
        answer(&b, r, id);
        tmx_arena_deinit(&arena);
    }
    return true;
}
