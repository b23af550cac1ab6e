/* SPDX-License-Identifier: Apache-2.0
 * Messages, the numbers of their pairs and the states of their deliveries (proto/README.md, Admission, Reports).
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include <tmx/code.h>
#include <tmx/text.h>

#include "messages.h"

static void pad_member(struct tmx_bytes code, uint8_t ret_member[TMX_MEMBER_MAX])
{
    assert(code.size <= TMX_MEMBER_MAX);
    memset(ret_member, 0, TMX_MEMBER_MAX);
    memcpy(ret_member, code.data, code.size);
}

struct delivery *tmx_audit_delivery(struct message *m, struct tmx_bytes member)
{
    uint8_t padded[TMX_MEMBER_MAX];

    pad_member(member, padded);
    for (size_t i = 0; i < m->n; i++) {
        if (memcmp(m->deliveries[i].member, padded, sizeof padded) == 0) {
            return &m->deliveries[i];
        }
    }
    return NULL;
}

static int add_delivery(const struct tmx_audit_step *s, struct message *m, struct tmx_bytes member, uint64_t seq, bool arrived)
{
    struct delivery *d = &m->deliveries[m->n++];

    pad_member(member, d->member);
    d->seq = seq;
    d->state = arrived ? AUDIT_ARRIVED : AUDIT_QUEUED;
    d->said = arrived ? TMX__OUTCOME__OUTCOME_COA : TMX__OUTCOME__OUTCOME_NONE;
    s->a->summary.deliveries++;
    *(arrived ? &s->a->summary.arrived : &s->a->summary.queued) += 1;
    return tmx_audit_count(s, m, d);
}

void tmx_audit_messages_free(struct tmx_audit *a)
{
    const struct tmx_audit_key *key;
    size_t at = 0;
    void *value;

    while (tmx_audit_table_next(&a->ids, &at, &key, &value)) {
        free(((struct known *)value)->message);
    }
}

static struct tmx_audit_key place_key(struct tmx_bytes shard, uint64_t index)
{
    uint8_t number[8];
    struct tmx_writer w = TMX_WRITER_OF(number);

    tmx_write_u64(&w, index);
    return tmx_audit_key_of(shard, TMX_BYTES_OF(number));
}

static int put_place(struct tmx_audit *a, struct tmx_bytes shard, uint64_t index, struct message *m)
{
    const struct tmx_audit_key key = place_key(shard, index);
    void *value;
    bool new;
    int r = tmx_audit_table_put(&a->places, &key, &value, &new);

    if (r == 0) {
        *(struct message **)value = m;
    }
    return r;
}

struct message *tmx_audit_message_at(const struct tmx_audit *a, struct tmx_bytes shard, uint64_t index)
{
    const struct tmx_audit_key key = place_key(shard, index);
    struct message **found = tmx_audit_table_get(&a->places, &key);

    return found == NULL ? NULL : *found;
}

static struct message *get_place(const struct tmx_audit *a, const Tmx__LogRef *ref)
{
    return tmx_audit_message_at(a, tmx_pb(ref->shard), ref->index);
}

static int pair(struct tmx_audit *a, struct tmx_bytes sender, struct tmx_bytes recipient, struct tmx_audit_pair **ret_pair)
{
    uint8_t padded[TMX_MEMBER_MAX];
    struct tmx_audit_key key;
    void *value;
    bool new;
    int r;

    pad_member(recipient, padded);
    key = tmx_audit_key_of(sender, TMX_BYTES_OF(padded));
    r = tmx_audit_table_put(&a->pairs, &key, &value, &new);
    if (r == 0) {
        *ret_pair = value;
    }
    return r;
}

/* The numbers a header consumes: one after the last, for every recipient. A resubmitted one had its place in an
 * earlier shard, whose end this shard may not know. */
static int consume(const struct tmx_audit_step *s, const Tmx__Header *h, bool resubmission)
{
    for (size_t i = 0; i < h->n_recipients; i++) {
        const Tmx__Recipient *to = h->recipients[i];
        struct tmx_audit_pair *p;
        int r = pair(s->a, tmx_pb(h->sender), tmx_pb(to->member), &p);

        if (r < 0) {
            return r;
        }
        if (!resubmission && to->seq != p->last + 1) {
            tmx_audit_step_fault(s, AUDIT_SEQUENCE, "%.*s to %.*s has number %llu after %llu", (int)h->sender.len,
                                 (const char *)h->sender.data, (int)to->member.len, (const char *)to->member.data,
                                 (unsigned long long)to->seq, (unsigned long long)p->last);
        }
        if (to->seq > p->last) {
            *p = (struct tmx_audit_pair){ .last = to->seq, .index = s->index };
        }
    }
    return 0;
}

/* Claims a message id; *ret_known is NULL when it was taken (a fault). */
static int claim(const struct tmx_audit_step *s, struct tmx_bytes sender, struct tmx_bytes id, struct known **ret_known)
{
    const struct tmx_audit_key key = tmx_audit_key_of(sender, id);
    char text[TMX_ID_TEXT_SIZE];
    struct known *known;
    void *value;
    bool new;
    int r = tmx_audit_table_put(&s->a->ids, &key, &value, &new);

    if (r < 0) {
        return r;
    }
    known = value;
    if (!new) {
        tmx_id_text(id.data, text);
        tmx_audit_step_fault(s, AUDIT_IDENTITY, "message id %s came before, at entry %llu", text,
                             (unsigned long long)known->index);
        known = NULL;
    } else {
        known->index = s->index;
    }
    *ret_known = known;
    return 0;
}

static int new_message(struct known *known, struct tmx_bytes sender, struct tmx_bytes id, size_t capacity,
                       struct message **ret_message)
{
    struct message *m = calloc(1, sizeof *m + capacity * sizeof m->deliveries[0]);

    if (m == NULL) {
        return -ENOMEM;
    }
    memcpy(m->id, id.data, sizeof m->id);
    pad_member(sender, m->sender);
    m->index = known->index;
    known->message = m;
    *ret_message = m;
    return 0;
}

int tmx_audit_accept(const struct tmx_audit_step *s, const Tmx__Header *h, bool resubmission)
{
    struct known *known;
    struct message *m;
    int r = consume(s, h, resubmission);

    if (r == 0) {
        r = claim(s, tmx_pb(h->sender), tmx_pb(h->message_id), &known);
    }
    if (r < 0 || known == NULL) {
        return r;
    }
    r = new_message(known, tmx_pb(h->sender), tmx_pb(h->message_id), h->n_recipients, &m);
    if (r < 0) {
        return r;
    }
    crypto_generichash(m->header_digest, sizeof m->header_digest, s->e->body.data, s->e->body.len, NULL, 0);
    memcpy(m->container_digest, h->container_digest.data, sizeof m->container_digest);
    m->container_known = true;
    m->container_bytes = (uint32_t)h->container_bytes;
    m->expires_ms = h->expires_ms;
    if (resubmission && m->expires_ms < s->e->time_ms + TMX_EXPIRY_MAX_MS) { /* QUE-7 */
        m->expires_ms = s->e->time_ms + TMX_EXPIRY_MAX_MS;
    }
    for (size_t i = 0; r == 0 && i < h->n_recipients; i++) {
        r = add_delivery(s, m, tmx_pb(h->recipients[i]->member), h->recipients[i]->seq, false);
    }
    if (r == 0) {
        r = put_place(s->a, TMX_BYTES(s->a->shard, s->a->shard_size), s->index, m);
    }
    if (r == 0 && resubmission && s->e->reference != NULL) {
        r = put_place(s->a, tmx_pb(s->e->reference->shard), s->e->reference->index, m);
    }
    return r;
}

int tmx_audit_refuse(const struct tmx_audit_step *s, const Tmx__Header *h)
{
    struct known *known;
    int r = consume(s, h, s->a->carries);   /* it may have been a resubmission */

    return r < 0 ? r : claim(s, tmx_pb(h->sender), tmx_pb(h->message_id), &known);
}

int tmx_audit_carry_pair(const struct tmx_audit_step *s)
{
    struct tmx_audit_pair *p;
    int r = pair(s->a, tmx_pb(s->e->member), tmx_pb(s->e->recipient), &p);

    if (r < 0) {
        return r;
    }
    if (p->last != 0) {
        tmx_audit_step_fault(s, AUDIT_SEQUENCE, "the pair %.*s to %.*s is carried twice", (int)s->e->member.len,
                             (const char *)s->e->member.data, (int)s->e->recipient.len,
                             (const char *)s->e->recipient.data);
    }
    *p = (struct tmx_audit_pair){ .last = s->e->number, .index = s->index };
    return 0;
}

/* One entry per delivery: several may belong to one message. */
int tmx_audit_carry_delivery(const struct tmx_audit_step *s)
{
    const Tmx__LogEntry *e = s->e;
    struct message *m = get_place(s->a, e->reference);
    struct known *known;
    int r;

    if (m == NULL) {
        r = claim(s, tmx_pb(e->member), tmx_pb(e->message_id), &known);
        if (r < 0 || known == NULL) {
            return r;
        }
        r = new_message(known, tmx_pb(e->member), tmx_pb(e->message_id), TMX_RECIPIENTS_MAX, &m);
        if (r == 0) {
            r = put_place(s->a, tmx_pb(e->reference->shard), e->reference->index, m);
        }
        if (r < 0) {
            return r;
        }
        memcpy(m->header_digest, e->header_digest.data, sizeof m->header_digest);
        m->container_known = e->digest.len == TMX_HASH_SIZE;
        if (m->container_known) {
            memcpy(m->container_digest, e->digest.data, sizeof m->container_digest);
        }
    }
    if (memcmp(m->id, e->message_id.data, sizeof m->id) != 0 || m->n == TMX_RECIPIENTS_MAX ||
        tmx_audit_delivery(m, tmx_pb(e->recipient)) != NULL) {
        tmx_audit_step_fault(s, AUDIT_IDENTITY, "a delivery is carried twice, or under another message's acceptance");
        return 0;
    }
    return add_delivery(s, m, tmx_pb(e->recipient), e->number, e->code == 1);
}

/* The delivery an entry speaks of; NULL (a fault) when it does not fit the acceptance it names. */
static struct delivery *named_delivery(const struct tmx_audit_step *s, const Tmx__LogRef *ref, ProtobufCBinaryData id,
                                       ProtobufCBinaryData header_digest, struct tmx_bytes recipient,
                                       struct message **ret_message)
{
    struct message *m = get_place(s->a, ref);
    struct delivery *d;

    if (m == NULL) {
        tmx_audit_step_fault(s, AUDIT_REFERENCE, "entry %llu of shard %.*s is no acceptance known here",
                             (unsigned long long)ref->index, (int)ref->shard.len, (const char *)ref->shard.data);
        return NULL;
    }
    if (memcmp(m->id, id.data, sizeof m->id) != 0 ||
        memcmp(m->header_digest, header_digest.data, sizeof m->header_digest) != 0) {
        tmx_audit_step_fault(s, AUDIT_REFERENCE, "entry %llu is the acceptance of another message",
                             (unsigned long long)ref->index);
        return NULL;
    }
    d = tmx_audit_delivery(m, recipient);
    if (d == NULL) {
        tmx_audit_step_fault(s, AUDIT_REFERENCE, "%.*s is no recipient of the message accepted at entry %llu",
                             (int)recipient.size, (const char *)recipient.data, (unsigned long long)ref->index);
        return NULL;
    }
    *ret_message = m;
    return d;
}

static void move(const struct tmx_audit_step *s, const struct message *m, struct delivery *d, enum tmx_audit_state from,
                 enum tmx_audit_state to, Tmx__Outcome outcome)
{
    struct tmx_audit_summary *sum = &s->a->summary;

    if (d->state != from) {
        tmx_audit_step_fault(s, AUDIT_STATE, "outcome %d of a delivery that is %s, not %s", (int)outcome,
                             tmx_audit_state_name(d->state), tmx_audit_state_name(from));
        return;
    }
    *(from == AUDIT_ARRIVED ? &sum->arrived : &sum->queued) -= 1;
    if (to == AUDIT_ARRIVED) {
        sum->arrived++;
    }
    sum->outcomes[outcome]++;
    tmx_audit_count_move(s, m, d, to);
    *(to == AUDIT_ARRIVED ? &d->coa : &d->ended) = s->index;
    d->said = outcome;
    d->state = to;
}

void tmx_audit_report(const struct tmx_audit_step *s, const Tmx__Report *r)
{
    enum tmx_audit_state from;
    enum tmx_audit_state to;
    struct message *m;
    struct delivery *d = named_delivery(s, s->e->reference, r->message_id, r->header_digest, tmx_pb(r->recipient), &m);

    if (d == NULL) {
        return;
    }
    if ((m->container_known &&
         memcmp(m->container_digest, r->container_digest.data, sizeof m->container_digest) != 0) ||
        (d->seq != 0 && d->seq != r->seq)) {
        tmx_audit_step_fault(s, AUDIT_REFERENCE,
                             "the report has another container digest or number than the acceptance");
        return;
    }
    tmx_audit_report_moves(r->outcome, &from, &to);
    move(s, m, d, from, to, r->outcome);
}

void tmx_audit_broker_outcome(const struct tmx_audit_step *s)
{
    const Tmx__LogEntry *e = s->e;
    const bool expired = e->kind == TMX__ENTRY_KIND__ENTRY_EXPIRED;
    const Tmx__Outcome outcome = expired ? TMX__OUTCOME__OUTCOME_EXPIRED : TMX__OUTCOME__OUTCOME_COE;
    const struct tmx_directory *directory = s->a->directory(s->a->ctx, e->directory_serial);
    const Tmx__Member *member = directory == NULL ? NULL : tmx_directory_member(directory, tmx_pb(e->recipient));
    struct message *m;
    struct delivery *d = named_delivery(s, e->reference, e->message_id, e->header_digest, tmx_pb(e->recipient), &m);
    enum tmx_audit_state from;
    const char *wrong;

    if (d == NULL) {
        return;
    }
    wrong = tmx_audit_broker_ends(e, m->expires_ms, member, &from);
    if (wrong != NULL) {
        tmx_audit_step_fault(s, AUDIT_STATE, "%s (%s)", wrong, tmx_code_name(e->code));
    }
    move(s, m, d, from, AUDIT_ENDED, outcome);
}

void tmx_audit_erased(const struct tmx_audit_step *s)
{
    struct message *m = s->e->reference == NULL ? NULL : get_place(s->a, s->e->reference);

    for (size_t i = 0; m != NULL && i < m->n; i++) {
        if (m->deliveries[i].state == AUDIT_QUEUED) {
            tmx_audit_step_fault(s, AUDIT_STATE, "the container was erased while a delivery waited for it");
            return;
        }
    }
}
