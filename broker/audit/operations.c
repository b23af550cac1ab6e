/* SPDX-License-Identifier: Apache-2.0
 * What operators did (OPS-5 … OPS-9): what is stopped and held, which proposals are open, and what two of them have decided.
 * Who they are the log does not say; that a digest is there, and that the state allows what was done, is all there is to check.
 */
#include <string.h>

#include <tmx/operator.h>

#include "deliveries.h"

static size_t find_stop(const struct tmx_audit *a, const uint8_t member[TMX_MEMBER_MAX])
{
    size_t i = 0;

    while (i < a->n_stops && memcmp(a->stops[i].member, member, TMX_MEMBER_MAX) != 0) {
        i++;
    }
    return i;
}

static size_t find_proposal(const struct tmx_audit *a, uint64_t index)
{
    size_t i = 0;

    while (i < a->n_proposals && a->proposals[i].index != index) {
        i++;
    }
    return i;
}

/* Of a log that began earlier it is not known what was stopped. */
static void on_stop(const struct tmx_audit_step *s, bool stop)
{
    struct tmx_audit *a = s->a;
    uint8_t member[TMX_MEMBER_MAX] = { 0 }; /* of admission */
    size_t at;

    if (s->e->recipient.len > 0) {
        tmx_audit_pad_member(tmx_pb(s->e->recipient), member);
    }
    at = find_stop(a, member);
    if (stop != (at == a->n_stops) && a->begin == 0) {
        tmx_audit_step_fault(s, AUDIT_STATE, "%s of what is so already", tmx_action_name(s->e->code));
        return;
    }
    if (stop && at == a->n_stops && a->n_stops < TMX_N(a->stops)) {
        memcpy(a->stops[at].member, member, sizeof member);
        a->stops[at].index = s->index;
        a->n_stops++;
    } else if (!stop && at < a->n_stops) {
        a->stops[at] = a->stops[--a->n_stops];
    }
}

/* The delivery that the entry is about; NULL (a fault, or not known) when there is none. */
static struct tmx_audit_delivery *named(const struct tmx_audit_step *s)
{
    const Tmx__LogEntry *e = s->e;
    struct tmx_audit_message *m = tmx_audit_message_at(s->a, tmx_pb(e->reference->shard), e->reference->index);
    struct tmx_audit_delivery *d = m == NULL ? NULL : tmx_audit_delivery(m, tmx_pb(e->recipient));

    if (d == NULL && tmx_audit_is_before(s->a, e->reference)) {
        return NULL;
    }
    if (d == NULL || !tmx_bytes_eq(tmx_pb(e->message_id), TMX_BYTES_OF(m->id))) {
        tmx_audit_step_fault(s, AUDIT_REFERENCE, "%s of no delivery of the message accepted at entry %llu", tmx_action_name(e->code),
                             (unsigned long long)e->reference->index);
        return NULL;
    }
    return d;
}

static void on_delivery(const struct tmx_audit_step *s)
{
    struct tmx_audit_delivery *d = named(s);
    const bool release = s->e->code == TMX_ACTION_RELEASE;

    if (d == NULL) {
        return;
    }
    if ((d->state != AUDIT_QUEUED || release != (d->held != 0)) && !d->assumed && s->e->code != TMX_ACTION_RETRY) {
        tmx_audit_step_fault(s, AUDIT_STATE, "%s of a delivery that is %s%s", tmx_action_name(s->e->code), tmx_audit_state_name(d->state),
                             d->held != 0 ? " and held" : "");
    }
    if (s->e->code == TMX_ACTION_HOLD && d->held == 0) {
        s->a->n_held++;
        d->held = s->index;
    } else if (release) {
        tmx_audit_not_held(s->a, d);
    }
}

static void on_propose(const struct tmx_audit_step *s)
{
    struct tmx_audit *a = s->a;

    if (s->e->number >= TMX_ACTIONS_END || s->e->number == 0 || !tmx_action_by_two((enum tmx_action)s->e->number)) {
        tmx_audit_step_fault(s, AUDIT_STATE, "a proposal of what is not proposed (%s)", tmx_action_name((unsigned)s->e->number));
    } else if (a->n_proposals == TMX_N(a->proposals)) {
        tmx_audit_step_fault(s, AUDIT_STATE, "more than %u proposals are open", TMX_PROPOSALS_MAX);
    } else {
        struct tmx_audit_proposal *p = &a->proposals[a->n_proposals++];

        *p = (struct tmx_audit_proposal){ .index = s->index, .action = (uint8_t)s->e->number, .until_ms = s->e->time_ms + TMX_PROPOSAL_MS };
        memcpy(p->digest, s->e->digest.data, sizeof p->digest);
    }
}

/* APPROVE, WITHDRAW, LAPSE. What is approved follows at once: see tmx_audit_broker_outcome. */
static void on_proposal(const struct tmx_audit_step *s)
{
    struct tmx_audit *a = s->a;
    const Tmx__LogEntry *e = s->e;
    const bool lapses = e->code == TMX_ACTION_LAPSE;
    const bool here = e->reference != NULL && tmx_bytes_eq(tmx_pb(e->reference->shard), TMX_BYTES(a->shard, a->shard_size));
    const size_t at = here ? find_proposal(a, e->reference->index) : a->n_proposals;

    if (here && e->reference->index >= s->index) {
        return;   /* that fault is told already */
    }
    if (here && at == a->n_proposals && e->reference->index < a->begin) {
        a->approved = e->code == TMX_ACTION_APPROVE ? (uint8_t)e->number : TMX_ACTION_NONE;
        return;
    }
    if (at == a->n_proposals || a->proposals[at].action != e->number) {
        tmx_audit_step_fault(s, AUDIT_REFERENCE, "%s of no proposal that is open", tmx_action_name(e->code));
        return;
    }
    if (lapses != (e->time_ms >= a->proposals[at].until_ms)) {
        tmx_audit_step_fault(s, AUDIT_STATE, "%s %s 24 hours", tmx_action_name(e->code), lapses ? "before" : "after");
    }
    /* One signed request does one thing: the same digest again would be the proposer's own. */
    if (lapses != (memcmp(e->digest.data, a->proposals[at].digest, sizeof a->proposals[at].digest) == 0)) {
        tmx_audit_step_fault(s, AUDIT_STATE, "%s with %s record", tmx_action_name(e->code), lapses ? "another" : "the proposal's own");
    }
    a->approved = e->code == TMX_ACTION_APPROVE ? a->proposals[at].action : TMX_ACTION_NONE;
    a->proposals[at] = a->proposals[--a->n_proposals];
}

/* What an action names, its entry holds. */
static bool shape_fits(const Tmx__LogEntry *e)
{
    const bool delivery = e->message_id.len > 0 && e->member.len > 0 && e->recipient.len > 0 && e->reference != NULL;
    const bool member = e->recipient.len > 0 && e->message_id.len == 0 && e->member.len == 0 && e->reference == NULL;
    const bool none = e->recipient.len == 0 && e->message_id.len == 0 && e->member.len == 0;

    if (e->code >= TMX_ACTIONS_END) {
        return false;
    }
    switch (tmx_action_target((enum tmx_action)e->code)) {
    case TMX_TARGET_NONE:
    case TMX_TARGET_ACTION:
        return none && e->reference == NULL;
    case TMX_TARGET_MEMBER:
        return member;
    case TMX_TARGET_DELIVERIES:
        return delivery && !tmx_action_by_two((enum tmx_action)e->code);
    case TMX_TARGET_EITHER:
        return member || delivery;
    case TMX_TARGET_PROPOSAL:
        break;
    }
    return none && e->reference != NULL;
}

int tmx_audit_operator(const struct tmx_audit_step *s)
{
    const Tmx__LogEntry *e = s->e;

    if (!shape_fits(e)) {
        tmx_audit_step_fault(s, AUDIT_FORMAT, "not as action %u (%s) is logged", e->code, tmx_action_name(e->code));
        return 0;
    }
    switch (e->code) {
    case TMX_ACTION_PAUSE:
    case TMX_ACTION_DRAIN:
        on_stop(s, true);
        break;
    case TMX_ACTION_RESUME:
    case TMX_ACTION_ADMIT:
        on_stop(s, false);
        break;
    case TMX_ACTION_HOLD:
    case TMX_ACTION_RELEASE:
        on_delivery(s);
        break;
    case TMX_ACTION_RETRY:
        if (e->message_id.len > 0) {
            on_delivery(s);
        }
        break;
    case TMX_ACTION_PROPOSE:
        on_propose(s);
        break;
    case TMX_ACTION_APPROVE:
    case TMX_ACTION_WITHDRAW:
    case TMX_ACTION_LAPSE:
        on_proposal(s);
        break;
    default:
        break;
    }
    return 0;
}

void tmx_audit_not_held(struct tmx_audit *a, struct tmx_audit_delivery *d)
{
    a->n_held -= d->held != 0 ? 1 : 0;
    d->held = 0;
}
