/* SPDX-License-Identifier: Apache-2.0
 * The container of a bundle, whom it is sealed for, and what is in it when its key is disclosed: EVI-10, EVI-11.
 */
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include <tmx/code.h>
#include <tmx/seal.h>

#include "evidence_parts.h"

#define SLOT_GRACE_MS 86400000ull /* KEY-4 */
#define KEY_ID_SIZE 8u

/* Keys of prekey sets and directories have been parsed: they are whole. */
static bool is_key_id(const uint8_t *id, ProtobufCBinaryData key)
{
    uint8_t other[KEY_ID_SIZE];

    assert(key.len == 32);
    tmx_seal_key_id(key.data, other);
    return memcmp(id, other, sizeof other) == 0;
}

/* Whether the recipient published the key in time, as far as the bundle shows. */
static bool is_published(const struct tmx_evidence *v, const Tmx__Recipient *to, const uint8_t *id)
{
    const struct tmx_evidence_leaf *s = v->subject;
    const bool resubmitted = s->e->kind == TMX__ENTRY_KIND__ENTRY_RESUBMISSION;

    for (size_t i = 0; i < v->n_leaves; i++) {
        const struct tmx_evidence_leaf *l = &v->leaves[i];
        const bool behind = tmx_bytes_eq(l->head->shard, s->head->shard) && l > s;

        if (l->prekeys == NULL || behind ||
            !tmx_bytes_eq(tmx_pb(l->prekeys->member), tmx_pb(to->member))) {
            continue;
        }
        for (size_t k = 0; k < l->prekeys->n_keys; k++) {
            const Tmx__Prekey *key = l->prekeys->keys[k];
            const bool in_time =
                resubmitted || key->until_ms >= s->e->time_ms || s->e->time_ms - key->until_ms < SLOT_GRACE_MS;

            if (in_time && is_key_id(id, key->key)) {
                return true;
            }
        }
    }
    return false;
}

static enum tmx_evidence_slot slot_of(const struct tmx_evidence *v, const Tmx__Recipient *to, const uint8_t *id)
{
    const Tmx__Member *m = tmx_directory_member(v->subject->directory, tmx_pb(to->member));

    return is_published(v, to, id)                          ? EVIDENCE_SLOT_PUBLISHED
           : m != NULL && is_key_id(id, m->last_resort_key) ? EVIDENCE_SLOT_LAST_RESORT
                                                            : EVIDENCE_SLOT_UNKNOWN;
}

static int check_container(struct tmx_evidence *v, struct tmx_bytes container, const char *part)
{
    const Tmx__Header *h = v->header;
    struct tmx_seal_outside outside;
    uint8_t digest[TMX_HASH_SIZE];

    if (container.size != h->container_bytes) {
        return tmx_evidence_fault(v, 10, part, "%zu bytes; that of the header has %llu", container.size,
                                  (unsigned long long)h->container_bytes);
    }
    tmx_digest(container, digest);
    if (memcmp(digest, h->container_digest.data, sizeof digest) != 0) {
        return tmx_evidence_fault(v, 10, part, "its BLAKE2b-256 digest is not the one in the header");
    }
    if (!tmx_seal_parse(container, &outside) || outside.n_slots != h->n_recipients) {
        return tmx_evidence_fault(v, 10, part, "not a container of suite 1 with a slot for each recipient");
    }
    for (size_t i = 0; i < v->n_deliveries; i++) {
        v->deliveries[i].slot = slot_of(v, v->deliveries[i].to, outside.slots + i * TMX_SEAL_SLOT);
    }
    v->container = container;
    return 0;
}

static int take_content(struct tmx_evidence *v, struct tmx_bytes plaintext)
{
    Tmx__Content *content;
    int code = tmx_content_unpack(plaintext, &v->bodies, &content, &v->payload, &v->payload_size);

    if (code < 0) {
        return code;
    }
    if (code != TMX_CODE_OK) {
        return tmx_evidence_fault(v, 11, "content", "%s", tmx_code_meaning((unsigned)code));
    }
    if (!tmx_bytes_eq(tmx_pb(content->message_id), tmx_pb(v->header->message_id)) ||
        !tmx_bytes_eq(tmx_pb(content->message_type), tmx_pb(v->header->message_type))) {
        return tmx_evidence_fault(v, 11, "content", "its message id or type is not that of the header");
    }
    v->content = content;
    v->content_state = EVIDENCE_OPENED;
    return 0;
}

static int open_container(struct tmx_evidence *v)
{
    struct tmx_bytes names[TMX_RECIPIENTS_MAX];
    const struct tmx_seal_context ctx = { .message_id = v->header->message_id.data,
                                          .sender = tmx_pb(v->header->sender),
                                          .n_recipients = v->n_deliveries,
                                          .recipients = names };
    uint8_t *plaintext = malloc(v->container.size);
    size_t size;
    int r;

    if (plaintext == NULL) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < v->n_deliveries; i++) {
        names[i] = tmx_pb(v->deliveries[i].to->member);
    }
    r = tmx_seal_open_disclosed(v->container, &ctx, v->pb->content_key.data, plaintext, &size)
            ? take_content(v, TMX_BYTES(plaintext, size))
            : tmx_evidence_fault(v, 11, "content key",
                                 "the container does not open with it: it was sealed with another");
    sodium_memzero(plaintext, v->container.size);
    free(plaintext);
    return r;
}

int tmx_evidence_open(struct tmx_evidence *v, struct tmx_bytes beside)
{
    const struct tmx_bytes inside = tmx_pb(v->pb->container);
    int r = inside.size == 0 ? 0 : check_container(v, inside, "container");

    if (r == 0 && beside.data != NULL) {
        r = check_container(v, beside, "container beside the bundle");
    }
    if (r < 0 || v->pb->content_key.len == 0) {
        return r;
    }
    if (v->container.size == 0) {
        v->content_state = EVIDENCE_NO_CONTAINER;
        return 0;
    }
    return open_container(v);
}
