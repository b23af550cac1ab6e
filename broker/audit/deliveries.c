/* SPDX-License-Identifier: Apache-2.0
 * Messages, the numbers of their pairs and the states of their deliveries (proto/README.md, Admission, Reports).
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include <tmx/code.h>
#include <tmx/operator.h>
#include <tmx/text.h>

#include "deliveries.h"

static struct tmx_audit_message *get_place(const struct tmx_audit *a, const Tmx__LogRef *ref)
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

    tmx_audit_pad_member(recipient, padded);
    key = tmx_audit_key_of(sender, TMX_BYTES_OF(padded));
    r = tmx_audit_table_put(&a->pairs, &key, &value, &new);
    if (r == 0) {
        *ret_pair = value;
    }
    return r;
}

/* The numbers a header consumes: one after the last, for every recipient. A resubmitted one had its place in an
 * earlier shard, whose end this shard may not know; the last one may have been before the first entry here. */
static int consume(const struct tmx_audit_step *s, const Tmx__Header *h, bool resubmission)
{
    for (size_t i = 0; i < h->n_recipients; i++) {
        const Tmx__Recipient *to = h->recipients[i];
        struct tmx_audit_pair *p;
        int r = pair(s->a, tmx_pb(h->sender), tmx_pb(to->member), &p);

        if (r < 0) {
            return r;
        }
        if (!resubmission && to->seq != p->last + 1 && !(p->last == 0 && s->a->begin > 0)) {
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
static int claim(const struct tmx_audit_step *s, struct tmx_bytes sender, struct tmx_bytes id, struct tmx_audit_known **ret_known)
{
    const struct tmx_audit_key key = tmx_audit_key_of(sender, id);
    char text[TMX_ID_TEXT_SIZE];
    struct tmx_audit_known *known;
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

static int new_message(struct tmx_audit_known *known, struct tmx_bytes sender, struct tmx_bytes id, size_t capacity,
                       struct tmx_audit_message **ret_message)
{
    struct tmx_audit_message *m = calloc(1, sizeof *m + capacity * sizeof m->deliveries[0]);

    if (m == NULL) {
        return -ENOMEM;
    }
    memcpy(m->id, id.data, sizeof m->id);
    tmx_audit_pad_member(sender, m->sender);
    m->index = known->index;
    known->message = m;
    *ret_message = m;
    return 0;
}

int tmx_audit_accept(const struct tmx_audit_step *s, const Tmx__Header *h, bool resubmission)
{
    struct tmx_audit_known *known;
    struct tmx_audit_message *m;
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
    m->resubmitted = resubmission;
    if (resubmission && m->expires_ms < s->e->time_ms + TMX_EXPIRY_MAX_MS) { /* QUE-7 */
        m->expires_ms = s->e->time_ms + TMX_EXPIRY_MAX_MS;
    }
    for (size_t i = 0; r == 0 && i < h->n_recipients; i++) {
        r = tmx_audit_add_delivery(s, m, tmx_pb(h->recipients[i]->member), h->recipients[i]->seq, false);
    }
    if (r == 0) {
        r = tmx_audit_put_place(s->a, TMX_BYTES(s->a->shard, s->a->shard_size), s->index, m);
    }
    if (r == 0 && resubmission && s->e->reference != NULL) {
        r = tmx_audit_put_place(s->a, tmx_pb(s->e->reference->shard), s->e->reference->index, m);
    }
    return r;
}

int tmx_audit_refuse(const struct tmx_audit_step *s, const Tmx__Header *h)
{
    struct tmx_audit_known *known;
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
    struct tmx_audit_message *m = get_place(s->a, e->reference);
    struct tmx_audit_known *known;
    int r;

    if (m == NULL) {
        r = claim(s, tmx_pb(e->member), tmx_pb(e->message_id), &known);
        if (r < 0 || known == NULL) {
            return r;
        }
        r = new_message(known, tmx_pb(e->member), tmx_pb(e->message_id), TMX_RECIPIENTS_MAX, &m);
        if (r == 0) {
            r = tmx_audit_put_place(s->a, tmx_pb(e->reference->shard), e->reference->index, m);
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
    return tmx_audit_add_delivery(s, m, tmx_pb(e->recipient), e->number, e->code == 1);
}

/* The delivery an entry speaks of; *ret_delivery is NULL (a fault) when it does not fit the acceptance it names. */
static int named_delivery(const struct tmx_audit_step *s, const Tmx__LogRef *ref, ProtobufCBinaryData id,
                          ProtobufCBinaryData header_digest, struct tmx_bytes recipient,
                          struct tmx_audit_message **ret_message, struct tmx_audit_delivery **ret_delivery)
{
    struct tmx_audit_message *m = get_place(s->a, ref);
    struct tmx_audit_delivery *d;

    *ret_delivery = NULL;
    if (m == NULL && tmx_audit_is_before(s->a, ref)) {
        int r = tmx_audit_assume_message(s, ref, id, header_digest, &m);

        if (r < 0) {
            return r;
        }
    }
    if (m == NULL) {
        tmx_audit_step_fault(s, AUDIT_REFERENCE, "entry %llu of shard %.*s is no acceptance known here",
                             (unsigned long long)ref->index, (int)ref->shard.len, (const char *)ref->shard.data);
        return 0;
    }
    if (memcmp(m->id, id.data, sizeof m->id) != 0 ||
        memcmp(m->header_digest, header_digest.data, sizeof m->header_digest) != 0) {
        tmx_audit_step_fault(s, AUDIT_REFERENCE, "entry %llu is the acceptance of another message",
                             (unsigned long long)ref->index);
        return 0;
    }
    d = tmx_audit_delivery(m, recipient);
    if (d == NULL && m->assumed && m->n < TMX_RECIPIENTS_MAX) {
        int r = tmx_audit_add_delivery(s, m, recipient, 0, false);

        if (r < 0) {
            return r;
        }
        d = &m->deliveries[m->n - 1];
        d->assumed = true;
    }
    if (d == NULL) {
        tmx_audit_step_fault(s, AUDIT_REFERENCE, "%.*s is no recipient of the message accepted at entry %llu",
                             (int)recipient.size, (const char *)recipient.data, (unsigned long long)ref->index);
        return 0;
    }
    *ret_message = m;
    *ret_delivery = d;
    return 0;
}

static void move(const struct tmx_audit_step *s, const struct tmx_audit_message *m, struct tmx_audit_delivery *d,
                 enum tmx_audit_state from, enum tmx_audit_state to, Tmx__Outcome outcome)
{
    struct tmx_audit_summary *sum = &s->a->summary;

    if (d->assumed && from == AUDIT_ARRIVED) { /* its CoA came before the first entry */
        sum->queued--;
        sum->arrived++;
        tmx_audit_count_move(s, m, d, from);
        d->state = from;
    }
    d->assumed = false;
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
    tmx_audit_not_held(s->a, d);
    *(to == AUDIT_ARRIVED ? &d->coa : &d->ended) = s->index;
    d->said = outcome;
    d->state = to;
}

int tmx_audit_report(const struct tmx_audit_step *s, const Tmx__Report *report)
{
    enum tmx_audit_state from;
    enum tmx_audit_state to;
    struct tmx_audit_message *m;
    struct tmx_audit_delivery *d;
    int r = named_delivery(s, s->e->reference, report->message_id, report->header_digest, tmx_pb(report->recipient), &m, &d);

    if (r < 0 || d == NULL) {
        return r;
    }
    if (m->assumed && !m->container_known) {
        memcpy(m->container_digest, report->container_digest.data, sizeof m->container_digest);
        m->container_known = true;
    }
    d->seq = m->assumed && d->seq == 0 ? report->seq : d->seq;
    if ((m->container_known &&
         memcmp(m->container_digest, report->container_digest.data, sizeof m->container_digest) != 0) ||
        (d->seq != 0 && d->seq != report->seq)) {
        tmx_audit_step_fault(s, AUDIT_REFERENCE,
                             "the report has another container digest or number than the acceptance");
        return 0;
    }
    tmx_audit_report_moves(report->outcome, &from, &to);
    move(s, m, d, from, to, report->outcome);
    return 0;
}

int tmx_audit_broker_outcome(const struct tmx_audit_step *s)
{
    const Tmx__LogEntry *e = s->e;
    const bool expired = e->kind == TMX__ENTRY_KIND__ENTRY_EXPIRED;
    const Tmx__Outcome outcome = expired ? TMX__OUTCOME__OUTCOME_EXPIRED : TMX__OUTCOME__OUTCOME_COE;
    const struct tmx_directory *directory = s->a->directory(s->a->ctx, e->directory_serial);
    const Tmx__Member *member = directory == NULL ? NULL : tmx_directory_member(directory, tmx_pb(e->recipient));
    struct tmx_audit_message *m;
    struct tmx_audit_delivery *d;
    enum tmx_audit_state from;
    unsigned by_operators;
    const char *wrong;
    int r = named_delivery(s, e->reference, e->message_id, e->header_digest, tmx_pb(e->recipient), &m, &d);

    if (r < 0 || d == NULL) {
        return r;
    }
    by_operators = expired ? 0 : tmx_audit_decided_by_two(e->code);
    wrong = tmx_audit_broker_ends(e, m->expires_ms, member, &from);
    if (wrong != NULL) {
        tmx_audit_step_fault(s, AUDIT_STATE, "%s (%s)", wrong, tmx_code_name(e->code));
    }
    if (by_operators != 0 && s->a->approved != by_operators && s->index != s->a->begin) {
        tmx_audit_step_fault(s, AUDIT_STATE, "ended as two operators decide it (%s), but no entry before it says that they did",
                             tmx_code_name(e->code));
    }
    if (by_operators == TMX_ACTION_EXPIRE && m->resubmitted) {
        tmx_audit_step_fault(s, AUDIT_STATE, "ended by operators, but its recipient may have it from an earlier shard");
    }
    move(s, m, d, from, AUDIT_ENDED, outcome);
    return 0;
}

void tmx_audit_erased(const struct tmx_audit_step *s)
{
    const Tmx__LogEntry *e = s->e;
    struct tmx_audit_message *m = e->reference == NULL ? NULL : get_place(s->a, e->reference);

    if (m == NULL || memcmp(m->id, e->message_id.data, sizeof m->id) != 0 ||
        (e->header_digest.len > 0 && memcmp(m->header_digest, e->header_digest.data, sizeof m->header_digest) != 0) ||
        (e->digest.len > 0 && m->container_known &&
         memcmp(m->container_digest, e->digest.data, sizeof m->container_digest) != 0)) {
        tmx_audit_step_fault(s, AUDIT_REFERENCE, "what was erased is not the container of the acceptance it names");
        return;
    }
    for (size_t i = 0; i < m->n; i++) {
        if (m->deliveries[i].state != AUDIT_ENDED) {
            tmx_audit_step_fault(s, AUDIT_STATE, "the container was erased while a delivery had no outcome");
            return;
        }
    }
    if (m->erased) {
        tmx_audit_step_fault(s, AUDIT_STATE, "the container was erased before");
    }
    m->erased = true;
}
