/* SPDX-License-Identifier: Apache-2.0
 * Rules about what came: room for it, its movement, the application that is to take it.
 */
#include <inttypes.h>

#include <tmx/code.h>

#include "why.h"

/* About this node's inbox, or a message in it that has no outcome. */
static bool asked(const struct why_facts *f)
{
    return f->message ? f->look.received && f->look.in.state < TMX_IN_DELIVERED : f->self;
}

enum tmx_why_verdict why_inbox_full(const void *facts, struct tmx_why_finding *out)
{
    const struct why_facts *f = facts;
    if (!f->self && !f->message) {
        return TMX_WHY_NOT_ASKED;
    }
    tmx_why_evidence(out, "the spool is filled to %" PRIu64 " %%%s, deliveries stop at %" PRIu64 " %%", f->d->arrive_room.percent,
                     f->d->arrive_room.full ? ", the rest is promised to what is open" : "", f->d->arrive_room.mark_percent);
    if (!f->d->arrive_room.full) {
        return TMX_WHY_NOT;
    }
    tmx_why_text(out, "the spool has no room for deliveries, they wait at the broker");
    tmx_why_fix(out, "have the application take what is there (tmx receive --ack); or capacity in %s, then restart tmx-node", f->d->settings.path);
    return TMX_WHY_CRITICAL;
}

enum tmx_why_verdict why_lane_closed(const void *facts, struct tmx_why_finding *out)
{
    const struct why_facts *f = facts;
    char id[TMX_ID_TEXT_SIZE];
    if (!asked(f)) {
        return TMX_WHY_NOT_ASKED;
    }
    tmx_why_evidence(out, "%" PRIu64 " wait for an earlier one of their movement", f->state.blocked);
    if (f->message ? f->look.in.state != TMX_IN_BLOCKED : f->state.blocked == 0) {
        return TMX_WHY_NOT;
    }
    tmx_why_text(out, "an earlier message of the movement has no outcome yet, and nothing overtakes it");
    if (!f->message) {
        tmx_why_fix(out, "tmx list --open shows them; tmxctl --node %s why ID says what each waits for", f->d->settings.run);
        return TMX_WHY_WARNING;
    }
    tmx_id_text(f->look.before, id);
    tmx_why_evidence(out, "it waits for number %" PRIu64 " of the same sender%s%s", f->look.in.waits_for, f->look.before_known ? ", message " : ", which has not come",
                     f->look.before_known ? id : "");
    if (f->look.before_known) {
        tmx_why_fix(out, "tmxctl --node %s why %s", f->d->settings.run, id);
    } else {
        tmx_why_fix(out, "at the broker: tmxctl why %s", f->d->settings.member);
    }
    return TMX_WHY_WARNING;
}

enum tmx_why_verdict why_held(const void *facts, struct tmx_why_finding *out)
{
    const struct why_facts *f = facts;
    char id[TMX_ID_TEXT_SIZE];
    if (!asked(f)) {
        return TMX_WHY_NOT_ASKED;
    }
    tmx_why_evidence(out, "held here: %" PRIu64, f->state.held);
    if (f->message ? f->look.in.state != TMX_IN_HELD : f->state.held == 0) {
        return TMX_WHY_NOT;
    }
    if (f->message && f->look.in.code == TMX_CODE_RECORD_DAMAGED) {
        tmx_why_text(out, "the disk damaged what is needed to open it, and the log does not bring it again: it ends when it expires");
        tmx_why_fix(out, "have its sender send it again, as one that replaces it; tmx-node doctor --config %s looks at the disk", f->d->settings.path);
        return TMX_WHY_CRITICAL;
    }
    tmx_why_text(out, "its lease lapsed %u times without an answer of the application, so it is not offered any more", TMX_LEASES_LAPSED_MAX);
    tmx_why_evidence(out, "held here: %" PRIu64 " (log: message.held); each closes the lane of its movement", f->state.held);
    if (f->message || f->inbox.held) {
        tmx_id_text(f->message ? f->id : f->inbox.held_id, id);
        tmx_why_fix(out, "mend the application, then tmxctl --node %s release %s", f->d->settings.run, id);
    } else {
        tmx_why_fix(out, "mend the application, then tmxctl --node %s release ID; tmx list --open shows the ids", f->d->settings.run);
    }
    return TMX_WHY_CRITICAL;
}

enum tmx_why_verdict why_slow_consumer(const void *facts, struct tmx_why_finding *out)
{
    const struct why_facts *f = facts;
    char span[TMX_WHY_SPAN_MAX];
    if (!asked(f) || (f->message && f->look.in.state != TMX_IN_READY && f->look.in.state != TMX_IN_LEASED)) {
        return TMX_WHY_NOT_ASKED;
    }
    bool leased = f->message && f->look.in.state == TMX_IN_LEASED;
    unsigned lapses = f->message ? f->look.in.lapses : f->inbox.lapses;
    uint64_t since = f->message ? f->look.accepted_ms : f->inbox.oldest_ms;
    uint64_t age = since == UINT64_MAX ? 0 : tmx_answer_age(f->wall_ms, since);
    if (f->message) {
        tmx_why_evidence(out, "it was accepted %s ago and is %s; %u leases of it lapsed", tmx_why_span(age, span), leased ? "leased" : "offered", lapses);
    } else {
        tmx_why_evidence(out, "%" PRIu64 " offered%s%s, %" PRIu64 " leased; up to %u leases of one lapsed", f->state.offered,
                         f->state.offered > 0 ? ", the oldest was accepted before " : "", f->state.offered > 0 ? tmx_why_span(age, span) : "",
                         f->state.leased, lapses);
    }
    if (leased ? lapses == 0 : (f->state.offered == 0 || (age < WHY_LATE_MS && lapses == 0))) {
        return TMX_WHY_NOT;
    }
    tmx_why_text(out, "the application does not take what is offered, or does not acknowledge in time");
    tmx_why_fix(out, "is it running? tmx --node %s receive shows what it would get; it has to acknowledge or refuse within its lease",
                f->d->settings.endpoint);
    return TMX_WHY_WARNING;
}
