/* SPDX-License-Identifier: Apache-2.0
 * What became of each delivery of a bundle's message, shard by shard: what the leaves refer to, and the states they
 * lead through. EVI-7, EVI-8
 */
#include <string.h>

#include <tmx/code.h>

#include "evidence_parts.h"

/* What one shard says of one delivery. */
struct in_shard {
    const struct tmx_evidence_leaf *carry; /* its CARRY_DELIVERY */
    enum tmx_audit_state state;
    const struct tmx_evidence_leaf *arrival;
    const struct tmx_evidence_leaf *end;
    bool said; /* something */
};

/* The leaves of one shard. */
struct chapter {
    const struct tmx_evidence_leaf *first;
    const struct tmx_evidence_leaf *past;
    const struct tmx_evidence_leaf *decided;   /* the ACCEPTANCE, RESUBMISSION, or REFUSAL that consumed the numbers */
    const struct tmx_evidence_leaf *admission; /* that one, when it is no refusal */
    const Tmx__LogRef *place;                  /* without an admission: what the first leaf refers to */
    struct in_shard deliveries[TMX_RECIPIENTS_MAX];
};

static bool same(ProtobufCBinaryData a, ProtobufCBinaryData b)
{
    return tmx_bytes_eq(tmx_pb(a), tmx_pb(b));
}

static bool same_place(const Tmx__LogRef *a, const Tmx__LogRef *b)
{
    return a->index == b->index && same(a->shard, b->shard);
}

/* --- what they refer to: EVI-7 ---------------------------------------------------------------------------------- */

/* The admission of the bundle in a shard, or NULL. */
static const struct tmx_evidence_leaf *admission_in(const struct tmx_evidence *v, ProtobufCBinaryData shard)
{
    for (size_t i = 0; i < v->n_leaves; i++) {
        if (tmx_evidence_admits(&v->leaves[i]) && tmx_bytes_eq(v->leaves[i].head->shard, tmx_pb(shard))) {
            return &v->leaves[i];
        }
    }
    return NULL;
}

/* A place in another shard than the leaf's is where the bundle says that the message was accepted there. */
static int check_elsewhere(struct tmx_evidence *v, const struct tmx_evidence_leaf *l, const Tmx__LogRef *ref)
{
    const struct tmx_evidence_leaf *there =
        ref == NULL || tmx_evidence_is_of(ref, l) ? NULL : admission_in(v, ref->shard);

    if (there != NULL && there->pb->index != ref->index) {
        return tmx_evidence_leaf_fault(v, 7, l,
                                       "it names entry %llu of %.*s, where the message was accepted at entry %llu",
                                       (unsigned long long)ref->index, (int)ref->shard.len,
                                       (const char *)ref->shard.data, (unsigned long long)there->pb->index);
    }
    return 0;
}

static int decide(struct tmx_evidence *v, struct chapter *c, const struct tmx_evidence_leaf *l)
{
    const bool admits = tmx_evidence_admits(l);

    if (!admits && !(l->e->kind == TMX__ENTRY_KIND__ENTRY_REFUSAL && l->header != NULL && l->e->number == 1)) {
        return 0;
    }
    if (c->decided != NULL) {
        return tmx_evidence_leaf_fault(v, 7, l, "the message was accepted or refused for good before, at entry %llu",
                                       (unsigned long long)c->decided->pb->index);
    }
    c->decided = l;
    c->admission = admits ? l : NULL;
    return admits ? check_elsewhere(v, l, l->e->reference) : 0;
}

/* What a report, expiry or exception has to refer to. */
static int check_reference(struct tmx_evidence *v, struct chapter *c, const struct in_shard *d,
                           const struct tmx_evidence_leaf *l)
{
    const Tmx__LogRef *ref = l->e->reference;
    const Tmx__LogRef *carried = d->carry == NULL ? NULL : d->carry->e->reference;
    const struct tmx_evidence_leaf *a = c->admission;
    bool names;

    if (carried != NULL) {
        names = same_place(ref, carried);
    } else if (a != NULL) {
        if (l < a) {
            return tmx_evidence_leaf_fault(v, 7, l, "it comes before the acceptance at entry %llu",
                                           (unsigned long long)a->pb->index);
        }
        names = (tmx_evidence_is_of(ref, l) && ref->index == a->pb->index) ||
                (a->e->reference != NULL && same_place(ref, a->e->reference));
    } else {
        c->place = c->place == NULL ? ref : c->place;
        names = same_place(ref, c->place);
    }
    if (!names) {
        return tmx_evidence_leaf_fault(
            v, 7, l, "it names entry %llu of %.*s, which is not the acceptance of the message",
            (unsigned long long)ref->index, (int)ref->shard.len, (const char *)ref->shard.data);
    }
    return check_elsewhere(v, l, ref);
}

/* The acceptance that a recipient signed; a report made under an earlier shard names the one there. */
static int check_signed_reference(struct tmx_evidence *v, const struct chapter *c, const struct tmx_evidence_leaf *l)
{
    const Tmx__LogRef *ref = l->report->acceptance;
    const bool accepted_here = c->admission != NULL && c->admission->e->kind == TMX__ENTRY_KIND__ENTRY_ACCEPTANCE;

    if (same(ref->shard, l->e->reference->shard) ? ref->index != l->e->reference->index : accepted_here) {
        return tmx_evidence_leaf_fault(v, 7, l, "its signer names entry %llu of %.*s as the acceptance",
                                       (unsigned long long)ref->index, (int)ref->shard.len,
                                       (const char *)ref->shard.data);
    }
    return check_elsewhere(v, l, ref);
}

/* --- what became of it: EVI-8 ----------------------------------------------------------------------------------- */

static int move(struct tmx_evidence *v, struct in_shard *d, const struct tmx_evidence_leaf *l,
                enum tmx_audit_state from, enum tmx_audit_state to)
{
    /* The CoA may not be in the bundle. */
    if (d->state != from && !(d->state == AUDIT_QUEUED && from == AUDIT_ARRIVED)) {
        return tmx_evidence_leaf_fault(v, 8, l, "\"%s\" of a delivery that is %s, not %s", tmx_evidence_says(l),
                                       tmx_audit_state_name(d->state), tmx_audit_state_name(from));
    }
    d->state = to;
    *(to == AUDIT_ARRIVED ? &d->arrival : &d->end) = l;
    d->said = true;
    return 0;
}

static int on_report(struct tmx_evidence *v, struct chapter *c, struct in_shard *d, const struct tmx_evidence_leaf *l)
{
    enum tmx_audit_state from;
    enum tmx_audit_state to;
    int r = check_reference(v, c, d, l);

    r = r < 0 ? r : check_signed_reference(v, c, l);
    tmx_audit_report_moves(l->report->outcome, &from, &to);
    return r < 0 ? r : move(v, d, l, from, to);
}

static int on_broker_end(struct tmx_evidence *v, struct chapter *c, struct in_shard *d,
                         const struct tmx_evidence_leaf *l)
{
    const Tmx__Member *recipient = tmx_directory_member(l->directory, tmx_pb(l->e->recipient));
    enum tmx_audit_state from;
    const char *wrong = tmx_audit_broker_ends(l->e, v->header->expires_ms, recipient, &from);
    int r = check_reference(v, c, d, l);

    if (r == 0 && wrong != NULL) {
        r = tmx_evidence_leaf_fault(v, 8, l, "%s (%s)", wrong, tmx_code_name(l->e->code));
    }
    return r < 0 ? r : move(v, d, l, from, AUDIT_ENDED);
}

static int on_carry(struct tmx_evidence *v, struct in_shard *d, const struct tmx_evidence_leaf *l)
{
    int r = check_elsewhere(v, l, l->e->reference);

    if (r == 0 && (d->carry != NULL || d->said)) {
        r = tmx_evidence_leaf_fault(v, 8, l, "the delivery is carried, and something was said of it before");
    }
    if (r == 0) {
        d->carry = l;
        d->said = true;
        d->state = l->e->code == 1 ? AUDIT_ARRIVED : AUDIT_QUEUED;
        d->arrival = l->e->code == 1 ? l : NULL;
    }
    return r;
}

static int on_leaf(struct tmx_evidence *v, struct chapter *c, const struct tmx_evidence_leaf *l)
{
    const struct tmx_bytes member = tmx_pb(l->report != NULL ? l->report->recipient : l->e->recipient);
    const struct tmx_evidence_delivery *to = tmx_evidence_find(v, member);
    struct in_shard *d = to == NULL ? NULL : &c->deliveries[to - v->deliveries];

    switch ((unsigned)l->e->kind) {
    case TMX__ENTRY_KIND__ENTRY_REPORT:
        return on_report(v, c, d, l);
    case TMX__ENTRY_KIND__ENTRY_EXPIRED:
    case TMX__ENTRY_KIND__ENTRY_EXCEPTION:
        return on_broker_end(v, c, d, l);
    case TMX__ENTRY_KIND__ENTRY_CARRY_DELIVERY:
        return on_carry(v, d, l);
    default:
        return 0;
    }
}

/* What the shard says replaces what an earlier one said, but no outcome with none. */
static void close_chapter(struct tmx_evidence *v, const struct chapter *c)
{
    for (size_t i = 0; i < v->n_deliveries; i++) {
        struct tmx_evidence_delivery *d = &v->deliveries[i];
        const struct in_shard *s = &c->deliveries[i];

        if (!s->said || (d->end != NULL && s->end == NULL)) {
            continue;
        }
        d->disputed |= d->end != NULL && strcmp(tmx_evidence_says(d->end), tmx_evidence_says(s->end)) != 0;
        d->arrival = s->arrival;
        d->end = s->end;
    }
}

static int read_chapter(struct tmx_evidence *v, struct chapter *c)
{
    int r = 0;

    for (const struct tmx_evidence_leaf *l = c->first; r == 0 && l < c->past; l++) {
        r = decide(v, c, l);
    }
    for (const struct tmx_evidence_leaf *l = c->first; r == 0 && l < c->past; l++) {
        r = on_leaf(v, c, l);
    }
    if (r == 0) {
        close_chapter(v, c);
    }
    return r;
}

int tmx_evidence_deliveries(struct tmx_evidence *v)
{
    const struct tmx_evidence_leaf *end = v->leaves + v->n_leaves;
    int r = 0;

    for (const struct tmx_evidence_leaf *l = v->leaves; r == 0 && l < end;) {
        struct chapter c = { .first = l };

        while (l < end && tmx_bytes_eq(l->head->shard, c.first->head->shard)) {
            l++;
        }
        c.past = l;
        r = read_chapter(v, &c);
    }
    return r;
}
