/* SPDX-License-Identifier: Apache-2.0
 * The evidence bundle of a message (proto/README.md, section Evidence bundle): every leaf about it that this node keeps,
 * the heads they lead to, the directories they name, the prekey sets of the container's slots, the sealed reason of a
 * refusal, and what was asked for besides.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include <tmx/evidence.h>

#include "core.h"

struct bundle {
    struct tmx_arena arena;
    Tmx__Evidence pb;
    bool truncated;                /* something did not fit */
    uint64_t missing_serial;       /* a directory that is not here; 0 = none */
    Tmx__EvidenceLeaf *leaves[TMX_EVIDENCE_LEAVES_MAX];
    uint8_t shard_of[TMX_EVIDENCE_LEAVES_MAX][TMX_SHARD_MAX];
    ProtobufCBinaryData checkpoints[TMX_EVIDENCE_CHECKPOINTS_MAX];
    uint64_t serials[TMX_EVIDENCE_DIRECTORIES_MAX];
    ProtobufCBinaryData directories[TMX_EVIDENCE_DIRECTORIES_MAX];
};

static bool copy(struct bundle *b, struct tmx_bytes bytes, ProtobufCBinaryData *ret)
{
    struct tmx_bytes c;
    if (!tmx_arena_copy(&b->arena, bytes, &c)) {
        b->truncated = true;
        return false;
    }
    *ret = tmx_to_pb(c);
    return true;
}

/* Its number among the bundle's; false: no room, or the disk has damaged it, and what leads to it is left out. */
static bool checkpoint_add(struct tmx_node *n, struct bundle *b, const uint8_t *shard, uint64_t size, uint32_t *ret_number)
{
    struct node_key k;
    struct tmx_writer w = TMX_WRITER_OF(k.data);
    struct tmx_bytes note;
    tmx_write_bytes(&w, TMX_BYTES(shard, TMX_SHARD_MAX));
    tmx_write_u64(&w, size);
    k.size = w.used;
    if (!node_get(n, TMX_NT_HEAD, node_kb(&k), &note)) {
        return false;
    }
    for (size_t i = 0; i < b->pb.n_checkpoints; i++) {
        if (tmx_bytes_eq(tmx_pb(b->checkpoints[i]), note)) {
            *ret_number = (uint32_t)i;
            return true;
        }
    }
    if (b->pb.n_checkpoints == TMX_EVIDENCE_CHECKPOINTS_MAX || !copy(b, note, &b->checkpoints[b->pb.n_checkpoints])) {
        b->truncated = true;
        return false;
    }
    *ret_number = (uint32_t)b->pb.n_checkpoints++;
    return true;
}

/* Ascending by serial. */
static void directory_add(struct tmx_node *n, struct bundle *b, uint64_t serial)
{
    size_t at = 0;
    while (at < b->pb.n_directories && b->serials[at] < serial) {
        at++;
    }
    if (at < b->pb.n_directories && b->serials[at] == serial) {
        return;
    }
    struct node_key k = node_key_u64(serial);
    struct tmx_bytes file;
    ProtobufCBinaryData data;
    if (!node_get(n, TMX_NT_DIRECTORY, node_kb(&k), &file)) {
        b->missing_serial = serial;
        return;
    }
    if (b->pb.n_directories == TMX_EVIDENCE_DIRECTORIES_MAX || !copy(b, file, &data)) {
        b->truncated = true;
        return;
    }
    memmove(&b->serials[at + 1], &b->serials[at], (b->pb.n_directories - at) * sizeof(b->serials[0]));
    memmove(&b->directories[at + 1], &b->directories[at], (b->pb.n_directories - at) * sizeof(b->directories[0]));
    b->serials[at] = serial;
    b->directories[at] = data;
    b->pb.n_directories++;
}

/* A row in the form of node_evidence_keep; copied first: it is borrowed until the next read. Leaves of one shard stand
 * together, ascending. NULL: it is there already, or there is no room. */
static Tmx__EvidenceLeaf *leaf_add(struct tmx_node *n, struct bundle *b, struct tmx_bytes borrowed)
{
    struct tmx_bytes row;
    if (!tmx_arena_copy(&b->arena, borrowed, &row)) {
        b->truncated = true;
        return NULL;
    }
    struct tmx_reader r = tmx_reader_init(row);
    uint8_t shard[TMX_SHARD_MAX];
    tmx_read_into(&r, shard, sizeof(shard));
    uint64_t index = tmx_read_u64(&r), size = tmx_read_u64(&r);
    struct tmx_bytes path = tmx_read_bytes(&r, tmx_read_u16(&r)), entry = tmx_read_bytes(&r, r.left);
    uint32_t checkpoint;
    size_t at = 0;
    int order = 1;
    if (!tmx_reader_ok(&r)) {
        node_fault(n, -EBADMSG);
        return NULL;
    }
    for (; at < b->pb.n_leaves; at++) {
        order = memcmp(b->shard_of[at], shard, sizeof(shard));
        order = order != 0 ? order : b->leaves[at]->index < index ? -1 : b->leaves[at]->index > index;
        if (order >= 0) {
            break;
        }
    }
    if (at < b->pb.n_leaves && order == 0) {
        return NULL;   /* it is there already: a report is of sender and recipient */
    }
    Tmx__EvidenceLeaf *leaf = tmx_arena_alloc(&b->arena, sizeof(*leaf));
    if (leaf == NULL || b->pb.n_leaves == TMX_EVIDENCE_LEAVES_MAX) {
        b->truncated = true;
        return NULL;
    }
    tmx__evidence_leaf__init(leaf);
    if (!checkpoint_add(n, b, shard, size, &checkpoint)) {
        return NULL;
    }
    leaf->entry = tmx_to_pb(entry);
    leaf->path = tmx_to_pb(path);
    leaf->index = index;
    leaf->checkpoint = checkpoint;
    memmove(&b->leaves[at + 1], &b->leaves[at], (b->pb.n_leaves - at) * sizeof(b->leaves[0]));
    memmove(&b->shard_of[at + 1], &b->shard_of[at], (b->pb.n_leaves - at) * sizeof(b->shard_of[0]));
    b->leaves[at] = leaf;
    memcpy(b->shard_of[at], shard, sizeof(shard));
    b->pb.n_leaves++;
    return leaf;
}

static struct node_key attachment_key(const uint8_t id[TMX_ID_SIZE], const uint8_t *member)
{
    struct node_key k;
    struct tmx_writer w = TMX_WRITER_OF(k.data);
    tmx_write_bytes(&w, node_id(id));
    tmx_write_bytes(&w, TMX_BYTES(member, TMX_MEMBER_MAX));
    k.size = w.used;
    return k;
}

void node_attachment_keep(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], const uint8_t *member, struct tmx_bytes attachment)
{
    struct node_key k = attachment_key(id, member);
    node_put(n, TMX_NT_ATTACHMENT, node_kb(&k), attachment);
}

/* As it came with the report of another member, or as this node made it. */
static bool attachment_read(struct tmx_node *n, struct bundle *b, const uint8_t id[TMX_ID_SIZE], const uint8_t *member,
                            struct tmx_bytes *ret_attachment)
{
    struct node_key came = attachment_key(id, member), made = node_key_id_u8(id, 1);
    struct tmx_bytes value, copied;
    struct tmx_signature signature;
    Tmx__Signed *own;
    if (node_get(n, TMX_NT_ATTACHMENT, node_kb(&came), &value)) {
        return tmx_arena_copy(&b->arena, value, ret_attachment);
    }
    if (memcmp(member, n->member, TMX_MEMBER_MAX) != 0 || !node_get(n, TMX_NT_REPORT, node_kb(&made), &value) ||
        value.size < 8 || !tmx_arena_copy(&b->arena, tmx_bytes_slice(value, 8, value.size - 8), &copied) ||
        tmx_signed_parse(copied, &b->arena, &own, &signature) != TMX_CODE_OK) {
        return false;
    }
    *ret_attachment = tmx_pb(own->attachment);
    return true;
}

/* The sealed reason text of a refusal, when it is the one that the report signs (EVI-9). */
static void attach(struct tmx_node *n, struct bundle *b, const uint8_t id[TMX_ID_SIZE], const uint8_t *member,
                   Tmx__EvidenceLeaf *leaf)
{
    struct tmx_bytes attachment;
    uint8_t digest[32];
    Tmx__LogEntry *entry;
    Tmx__Report *report;
    if (!attachment_read(n, b, id, member, &attachment) || attachment.size == 0) {
        return;
    }
    const size_t used = n->scratch.used;
    tmx_digest(attachment, digest);
    if (tmx_entry_parse(tmx_pb(leaf->entry), &n->scratch, &entry) == TMX_CODE_OK &&
        entry->kind == TMX__ENTRY_KIND__ENTRY_REPORT &&
        tmx_report_parse(tmx_pb(entry->body), &n->scratch, &report) == TMX_CODE_OK &&
        tmx_bytes_eq(tmx_pb(report->attachment_digest), TMX_BYTES_OF(digest))) {
        leaf->attachment = tmx_to_pb(attachment);
    }
    tmx_arena_rewind(&n->scratch, used);
}

static void message_leaves(struct tmx_node *n, struct bundle *b, const uint8_t id[TMX_ID_SIZE])
{
    struct node_key from = { .size = TMX_ID_SIZE };
    memcpy(from.data, id, TMX_ID_SIZE);
    struct tmx_bytes key, value;
    for (size_t i = 0; i < TMX_EVIDENCE_LEAVES_MAX && !b->truncated &&
                       node_seek(n, TMX_NT_EVIDENCE, node_kb(&from), TMX_ID_SIZE, &key, &value);
         i++) {
        uint8_t member[TMX_MEMBER_MAX];
        const bool outcome = key.size == TMX_ID_SIZE + 1 + sizeof(member) && key.data[TMX_ID_SIZE] == TMX_EVIDENCE_OUTCOME;
        if (outcome) {
            memcpy(member, key.data + TMX_ID_SIZE + 1, sizeof(member));
        }
        from = node_key_after(key);
        Tmx__EvidenceLeaf *leaf = leaf_add(n, b, value);
        if (outcome && leaf != NULL) {
            attach(n, b, id, member, leaf);
        }
    }
}

/* The set with which the recipient published that key before the message was accepted. */
static void slot_leaf(struct tmx_node *n, struct bundle *b, struct tmx_bytes recipient, const uint8_t key_id[8],
                      const uint8_t shard[TMX_SHARD_MAX], uint64_t before)
{
    uint8_t member[TMX_MEMBER_MAX];
    struct tmx_bytes value;
    uint64_t index;
    node_member_key(recipient, member);
    if (node_prekey_find(n, member, shard, key_id, before, &index)) {
        struct node_key k = node_prekey_leaf_key(member, shard, index);
        if (node_get(n, TMX_NT_PREKEY_LEAF, node_kb(&k), &value)) {
            (void)leaf_add(n, b, value);
        }
    }
}

static void slots(struct tmx_node *n, struct bundle *b, struct tmx_bytes container)
{
    Tmx__LogEntry *entry;
    Tmx__Header *h;
    const Tmx__EvidenceLeaf *subject = b->pb.n_leaves > 0 ? b->leaves[0] : NULL;
    uint8_t shard[TMX_SHARD_MAX];
    if (subject == NULL || tmx_entry_parse(tmx_pb(subject->entry), &n->scratch, &entry) != TMX_CODE_OK ||
        tmx_header_parse(tmx_pb(entry->body), &n->scratch, &h) != TMX_CODE_OK) {
        return;
    }
    memcpy(shard, b->shard_of[0], sizeof(shard));   /* leaves that are added come before it */
    for (size_t i = 0; i < h->n_recipients && container.size >= TMX_SEAL_OVERHEAD(h->n_recipients); i++) {
        slot_leaf(n, b, tmx_pb(h->recipients[i]->member), container.data + 64 + 56 * i, shard, subject->index);
    }
}

static void directories(struct tmx_node *n, struct bundle *b)
{
    for (size_t i = 0; i < b->pb.n_leaves; i++) {
        size_t used = n->scratch.used;
        Tmx__LogEntry *entry;
        if (tmx_entry_parse(tmx_pb(b->leaves[i]->entry), &n->scratch, &entry) == TMX_CODE_OK) {
            directory_add(n, b, entry->directory_serial);
        }
        tmx_arena_rewind(&n->scratch, used);
    }
}

/* Those between them, too: one that changes the authority's keys leads from the one before it to the one after it (EVI-2). And the
 * later ones, as far as there is room: they say which key is compromised since (EVI-12). */
static void directories_rest(struct tmx_node *n, struct bundle *b)
{
    uint64_t at = b->pb.n_directories > 0 ? b->serials[0] : UINT64_MAX;
    struct tmx_bytes key, file;
    while (at != UINT64_MAX && b->pb.n_directories < TMX_EVIDENCE_DIRECTORIES_MAX) {
        struct node_key k = node_key_u64(at + 1);
        if (!node_seek(n, TMX_NT_DIRECTORY, node_kb(&k), 0, &key, &file)) {
            return;
        }
        at = node_u64(key);
        directory_add(n, b, at);
    }
}

/* Of the copy that was sent, or of the one that came; NULL: it is not here any more. */
static uint8_t *container_of(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], enum tmx_node_direction *ret_direction,
                             uint64_t *ret_size)
{
    struct tmx_row_out out;
    struct tmx_row_in in;
    uint8_t *container = NULL;
    *ret_direction = TMX_DIRECTION_SENT;
    if (node_out_read(n, id, &out) && out.container_bytes > 0) {
        *ret_size = out.container_bytes;
        container = node_container_load(n, TMX_NT_OUT_CONTAINER, id, out.container_bytes);
    }
    if (container == NULL && n->fault == 0 && node_in_read(n, id, &in)) {
        *ret_direction = TMX_DIRECTION_RECEIVED;
        *ret_size = in.container_bytes;
        container = node_container_load(n, TMX_NT_IN_CONTAINER, id, in.container_bytes);
    }
    return container;
}

/* The bundle as one payload; false: the answer is given. */
static bool pack(struct tmx_node *n, const struct node_request *rq, struct bundle *b, struct tmx_bytes *ret_payload)
{
    struct tmx_bytes bytes;
    if (b->truncated || tmx_codec_pack(&b->pb, &b->arena, &bytes) != TMX_CODEC_OK || bytes.size > TMX_EVIDENCE_MAX) {
        node_answer_code(n, rq, TMX_CODE_TOO_LARGE, "its evidence is more than a bundle holds: ask without the container");
        return false;
    }
    uint8_t *kept = node_keep(n, bytes.size);
    if (kept == NULL) {
        return false;   /* the turn fails */
    }
    memcpy(kept, bytes.data, bytes.size);
    n->kept_bytes += bytes.size;
    *ret_payload = TMX_BYTES(kept, bytes.size);
    return true;
}

static void answer(struct tmx_node *n, const struct node_request *rq, struct bundle *b, const uint8_t id[TMX_ID_SIZE])
{
    const Tmx__EvidenceRequest *r = rq->pb->evidence;
    enum tmx_node_direction direction;
    uint64_t size = 0;
    uint8_t *container = container_of(n, id, &direction, &size), key[32];
    char text[160];
    message_leaves(n, b, id);
    slots(n, b, container != NULL ? TMX_BYTES(container, size) : TMX_BYTES_NULL);
    directories(n, b);
    directories_rest(n, b);
    Tmx__EvidenceResponse body = TMX__EVIDENCE_RESPONSE__INIT;
    if (container != NULL && !r->without_container) {
        copy(b, TMX_BYTES(container, size), &b->pb.container);
    }
    free(container);
    if (r->disclose && node_archive_load(n, direction, id, key)) {
        copy(b, TMX_BYTES_OF(key), &b->pb.content_key);
        sodium_memzero(key, sizeof(key));
        node_notice(n, "evidence.disclosed", false, NULL, id, TMX_CODE_OK, 0);
    }
    body.leaves = (uint32_t)b->pb.n_leaves;
    body.container = b->pb.container.len > 0;
    body.disclosed = b->pb.content_key.len > 0;
    b->pb.leaves = b->leaves;
    b->pb.checkpoints = b->checkpoints;
    b->pb.directories = b->directories;
    struct tmx_bytes payload;
    if (b->pb.n_leaves == 0) {
        node_answer_code(n, rq, TMX_CODE_NOT_READY, "the log holds nothing about this message yet that this node has verified");
    } else if (b->missing_serial != 0) {
        snprintf(text, sizeof(text), "directory %llu, which an entry names as in force, was never here: install its file, then ask again",
                 (unsigned long long)b->missing_serial);
        struct tmx_bytes why;
        node_answer_code(n, rq, TMX_CODE_DIRECTORY_BEHIND,
                         tmx_arena_copy(&n->out, TMX_BYTES(text, strlen(text) + 1), &why) ? (const char *)why.data : NULL);
    } else if (pack(n, rq, b, &payload)) {
        Tmx__Response response = TMX__RESPONSE__INIT;
        response.body_case = TMX__RESPONSE__BODY_EVIDENCE;
        response.evidence = &body;
        node_answer(n, rq, &response, &payload, 1);
    }
}

/* Empty; `id` has to live as long. NULL: out of memory. */
static struct bundle *bundle_new(const uint8_t id[TMX_ID_SIZE])
{
    struct bundle *b = calloc(1, sizeof(*b));
    if (b == NULL || tmx_arena_init(&b->arena, 3 * (size_t)TMX_CONTAINER_MAX) != 0) {
        free(b);
        return NULL;
    }
    tmx__evidence__init(&b->pb);
    b->pb.version = TMX_EVIDENCE_VERSION;
    b->pb.message_id = tmx_to_pb(node_id(id));
    return b;
}

static void bundle_free(struct bundle *b)
{
    tmx_arena_deinit(&b->arena);
    free(b);
}

void node_evidence(struct tmx_node *n, const struct node_request *rq)
{
    const Tmx__EvidenceRequest *r = rq->pb->evidence;
    uint8_t id[TMX_ID_SIZE];
    if (!node_query_find(n, rq, tmx_pb(r->message_id), tmx_pb(r->reference), id)) {
        node_answer_code(n, rq, TMX_CODE_UNKNOWN_MESSAGE, NULL);
        return;
    }
    if (r->disclose && rq->rights != NULL) {
        node_answer_code(n, rq, TMX_CODE_FORBIDDEN, "a content key is disclosed at the node's local endpoint only");
        return;
    }
    struct bundle *b = bundle_new(id);
    if (b == NULL) {
        node_fault(n, -ENOMEM);
        return;
    }
    answer(n, rq, b, id);
    bundle_free(b);
}

/* What is there of it, packed; a condition, or an error. */
static int file_of(struct tmx_node *n, struct bundle *b, const uint8_t id[TMX_ID_SIZE], uint8_t **ret_file, size_t *ret_size)
{
    enum tmx_node_direction direction;
    uint64_t size = 0;
    struct tmx_bytes bytes;
    uint8_t *container = container_of(n, id, &direction, &size);   /* its slots name prekeys */
    message_leaves(n, b, id);
    slots(n, b, container != NULL ? TMX_BYTES(container, size) : TMX_BYTES_NULL);
    directories(n, b);
    directories_rest(n, b);
    free(container);
    b->pb.leaves = b->leaves;
    b->pb.checkpoints = b->checkpoints;
    b->pb.directories = b->directories;
    if (n->fault != 0) {
        return n->fault;
    }
    if (b->pb.n_leaves == 0) {
        return TMX_CODE_NOT_READY;
    }
    if (b->missing_serial != 0) {
        return TMX_CODE_DIRECTORY_BEHIND;
    }
    if (b->truncated || tmx_codec_pack(&b->pb, &b->arena, &bytes) != TMX_CODEC_OK) {
        return TMX_CODE_TOO_LARGE;
    }
    uint8_t *file = malloc(bytes.size);
    if (file == NULL) {
        return -ENOMEM;
    }
    memcpy(file, bytes.data, bytes.size);
    *ret_file = file;
    *ret_size = bytes.size;
    return TMX_CODE_OK;
}

int tmx_node_evidence(struct tmx_node *n, const uint8_t id[TMX_ID_SIZE], uint8_t **ret_file, size_t *ret_size)
{
    struct tmx_node_look look;
    if (!tmx_node_look(n, id, &look)) {
        return n->fault != 0 ? n->fault : TMX_CODE_UNKNOWN_MESSAGE;
    }
    struct bundle *b = bundle_new(id);
    if (b == NULL) {
        return -ENOMEM;
    }
    int r = file_of(n, b, id, ret_file, ret_size);
    bundle_free(b);
    return r;
}
