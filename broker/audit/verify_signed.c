/* SPDX-License-Identifier: Apache-2.0
 * What a signature has to hold: the key is active in the directory of the entry, a batch number stands for one root, the
 * head that the signer was shown is one of this log. BAT-2, BAT-4, LOG-6
 */
#include <string.h>

#include "state.h"

/* Counts a signed body of a member; the list stays ascending. */
static void count_member(struct tmx_audit *a, struct tmx_bytes code)
{
    size_t at = 0;

    while (at < a->n_members && tmx_bytes_cmp(tmx_bytes_str(a->members[at].code), code) < 0) {
        at++;
    }
    if (at == a->n_members || !tmx_bytes_eq(tmx_bytes_str(a->members[at].code), code)) {
        if (a->n_members == TMX_N(a->members)) {
            return;
        }
        memmove(&a->members[at + 1], &a->members[at], (a->n_members - at) * sizeof a->members[0]);
        a->members[at] = (struct tmx_audit_member){ .signed_bodies = 0 };
        memcpy(a->members[at].code, code.data, code.size);
        a->n_members++;
    }
    a->members[at].signed_bodies++;
}

/* A batch number of a member stands for one root. */
static int check_batch(const struct tmx_audit_step *s)
{
    const struct tmx_audit_prepared *p = s->prepared;
    uint8_t number[8];
    struct tmx_writer w = TMX_WRITER_OF(number);
    struct tmx_audit_key key;
    struct tmx_audit_batch *batch;
    void *value;
    bool new;
    int r;

    tmx_write_u64(&w, p->batch_no);
    key = tmx_audit_key_of(tmx_pb(s->e->member), TMX_BYTES_OF(number));
    r = tmx_audit_table_put(&s->a->batches, &key, &value, &new);
    if (r < 0) {
        return r;
    }
    batch = value;
    if (new) {
        *batch = (struct tmx_audit_batch){ .size = p->batch_size, .root = p->batch_root };
    } else if (batch->size != p->batch_size || !tmx_hash_eq(&batch->root, &p->batch_root)) {
        tmx_audit_step_fault(s, AUDIT_BATCH, "%.*s signed batch %llu over two roots", (int)s->e->member.len,
                             (const char *)s->e->member.data, (unsigned long long)p->batch_no);
    }
    return 0;
}

int tmx_audit_signature(const struct tmx_audit_step *s)
{
    const struct tmx_audit_prepared *p = s->prepared;
    const int size = (int)s->e->member.len;
    const char *member = (const char *)s->e->member.data;

    switch (p->verdict) {
    case AUDIT_UNSIGNED:
        return 0;
    case AUDIT_MALFORMED_SIGNATURE:
        tmx_audit_step_fault(s, AUDIT_FORMAT, "malformed signature");
        return 0;
    case AUDIT_NO_DIRECTORY:
        tmx_audit_step_fault(s, AUDIT_DIRECTORY, "no directory %llu to verify with",
                             (unsigned long long)s->e->directory_serial);
        return 0;
    case AUDIT_NO_KEY:
        tmx_audit_step_fault(s, AUDIT_SIGNATURE, "%.*s has no active key %08x in directory %llu", size, member,
                             p->key_id, (unsigned long long)s->e->directory_serial);
        return 0;
    case AUDIT_BAD_SIGNATURE:
        tmx_audit_step_fault(s, AUDIT_SIGNATURE, "the signature of %.*s does not verify", size, member);
        return 0;
    case AUDIT_GOOD_SIGNATURE:
        break;
    }
    count_member(s->a, tmx_pb(s->e->member));
    return check_batch(s);
}

void tmx_audit_seen(const struct tmx_audit_step *s, const Tmx__Head *seen)
{
    struct tmx_audit *a = s->a;

    if (seen == NULL || !tmx_bytes_eq(tmx_pb(seen->shard), TMX_BYTES(a->shard, a->shard_size))) {
        return;
    }
    if (seen->size > s->index) {
        tmx_audit_step_fault(s, AUDIT_SEEN, "a head of %llu entries", (unsigned long long)seen->size);
        return;
    }
    if (a->seen_size != seen->size) {
        if (!a->root(a->ctx, seen->size, &a->seen_root)) {
            tmx_audit_step_fault(s, AUDIT_SEEN, "the root at %llu entries cannot be computed",
                                 (unsigned long long)seen->size);
            return;
        }
        a->seen_size = seen->size;
    }
    if (memcmp(a->seen_root.b, seen->root.data, TMX_HASH_SIZE) != 0) {
        tmx_audit_step_fault(s, AUDIT_SEEN, "another root at %llu entries", (unsigned long long)seen->size);
    }
}
