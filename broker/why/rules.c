/* SPDX-License-Identifier: Apache-2.0
 * Rules about the broker itself, its directory, a member and what waits for it; and their order: what stops more comes first.
 */
#include <inttypes.h>

#include "why.h"

static enum tmx_why_verdict has_outcome(const void *facts, struct tmx_why_finding *out)
{
    const struct why_facts *f = facts;
    if (!f->delivery || f->outcome[0] == '\0') {
        return TMX_WHY_NOT_ASKED;
    }
    tmx_why_text(out, "it waits for nothing: the delivery to %s has its outcome", f->code);
    tmx_why_evidence(out, "%s", f->outcome);
    tmx_why_fix(out, "nothing: tmxctl message ID shows every step");
    return TMX_WHY_NOTE;
}

static enum tmx_why_verdict unknown_member(const void *facts, struct tmx_why_finding *out)
{
    const struct why_facts *f = facts;
    const struct tmx_directory *directory = tmx_broker_directory(f->d->broker);
    tmx_why_evidence(out, "directory %" PRIu64 " lists %zu members%s%s", tmx_directory_serial(directory), tmx_directory_pb(directory)->n_members,
                     f->nearest != NULL ? "; like it: " : "", f->nearest != NULL ? f->nearest : "");
    if (f->member != NULL) {
        return TMX_WHY_NOT;
    }
    tmx_why_text(out, "the directory in force does not list %s", f->code);
    tmx_why_fix(out, "tmxctl directory show lists who is; a new one: tmx-authority admit and sign, then tmxctl directory install FILE");
    return TMX_WHY_CRITICAL;
}

static enum tmx_why_verdict halted(const void *facts, struct tmx_why_finding *out)
{
    const struct why_facts *f = facts;
    tmx_why_evidence(out, "%" PRIu64 " entries in the log, %s", tmx_broker_log_size(f->d->broker),
                     f->state.halted ? "and a node holds a signed head beyond them" : "no node has shown a head beyond them");
    if (!f->state.halted) {
        return TMX_WHY_NOT;
    }
    tmx_why_text(out, "the broker has stopped: its spool is older than what it has signed");
    tmx_why_fix(out, "find the latest spool; if it is lost: tmx-broker restore, in a new shard");
    return TMX_WHY_CRITICAL;
}

static enum tmx_why_verdict clock_alarm(const void *facts, struct tmx_why_finding *out)
{
    const struct why_facts *f = facts;
    char now[TMX_TIME_TEXT_SIZE];
    tmx_time_text(f->wall_ms, now);
    tmx_why_evidence(out, "by this machine's clock it is %s%s", now,
                     f->state.clock_doubt ? "; it jumped, or is over 5 min from most members' (log: clock.doubt)" : "");
    if (!f->state.clock_doubt) {
        return TMX_WHY_NOT;
    }
    tmx_why_text(out, "admission and expiry have stopped");
    tmx_why_fix(out, "chronyc tracking (or timedatectl): set the clock right; the broker goes on by itself");
    return TMX_WHY_CRITICAL;
}

static enum tmx_why_verdict directory_expired(const void *facts, struct tmx_why_finding *out)
{
    const struct why_facts *f = facts;
    const struct tmx_directory *directory = tmx_broker_directory(f->d->broker);
    char when[TMX_TIME_TEXT_SIZE];
    tmx_time_text(tmx_directory_pb(directory)->expires_ms, when);
    tmx_why_evidence(out, "directory %" PRIu64 " %s %s", tmx_directory_serial(directory), f->state.directory_expired ? "expired" : "is good until", when);
    if (!f->state.directory_expired) {
        return TMX_WHY_NOT;
    }
    tmx_why_text(out, "the directory has expired: nothing new is admitted");
    tmx_why_fix(out, "have the authority sign a new one (tmx-authority renew, then sign), then tmxctl directory install FILE");
    return TMX_WHY_CRITICAL;
}

static enum tmx_why_verdict disk_full(const void *facts, struct tmx_why_finding *out)
{
    const struct why_facts *f = facts;
    tmx_why_evidence(out, "the spool is filled to %" PRIu64 " %%%s, admission stops at %" PRIu64 " %%", f->d->room.percent,
                     f->state.disk_full ? ", the rest is promised to what is open" : "", f->d->settings.high_water_percent);
    if (!f->state.disk_full) {
        return TMX_WHY_NOT;
    }
    tmx_why_text(out, "the spool is full: admission has stopped, outcomes give room back");
    tmx_why_fix(out, "capacity in %s, then restart tmx-broker; or have what waits taken: tmxctl queue", f->d->settings.path);
    return TMX_WHY_CRITICAL;
}

static enum tmx_why_verdict status_of_member(const struct why_facts *f, Tmx__MemberStatus status, struct tmx_why_finding *out)
{
    if (f->member == NULL) {
        return TMX_WHY_NOT_ASKED;
    }
    tmx_why_evidence(out, "%s is %s in directory %" PRIu64, f->code, tmx_answer_member_status(f->member->status),
                     tmx_directory_serial(tmx_broker_directory(f->d->broker)));
    return f->member->status == status ? TMX_WHY_CRITICAL : TMX_WHY_NOT;
}

static enum tmx_why_verdict member_revoked(const void *facts, struct tmx_why_finding *out)
{
    const struct why_facts *f = facts;
    tmx_why_text(out, "revoked member: %s is cut off, nothing is delivered to it", f->code);
    tmx_why_fix(out, "nothing here: what was for it ended as recipient-revoked; to come back it has to be admitted with new keys");
    return status_of_member(f, TMX__MEMBER_STATUS__MEMBER_REVOKED, out);
}

static enum tmx_why_verdict member_suspended(const void *facts, struct tmx_why_finding *out)
{
    const struct why_facts *f = facts;
    tmx_why_text(out, "deliveries to %s wait until it is reinstated, and it may not submit", f->code);
    tmx_why_fix(out, "tmx-authority reinstate %s and sign, then tmxctl directory install FILE", f->code);
    return status_of_member(f, TMX__MEMBER_STATUS__MEMBER_SUSPENDED, out);
}

static enum tmx_why_verdict missing_prekey(const void *facts, struct tmx_why_finding *out)
{
    const struct why_facts *f = facts;
    char when[TMX_TIME_TEXT_SIZE];
    if (f->member == NULL) {
        return TMX_WHY_NOT_ASKED;
    }
    tmx_time_text(f->prekeys_until_ms, when);
    tmx_why_evidence(out, "%s%s", f->prekeys ? "its last published prekey ends " : "it has published no prekeys in this shard",
                     f->prekeys ? when : "");
    if (f->prekeys_until_ms > f->wall_ms) {
        return TMX_WHY_NOT;
    }
    tmx_why_text(out, "others can seal for %s with its last-resort key only", f->code);
    tmx_why_fix(out, "its node publishes new ones by itself once it is linked and its clock is right: tmxctl --node RUN why %s", f->code);
    return TMX_WHY_WARNING;
}

static enum tmx_why_verdict lane_closed(const void *facts, struct tmx_why_finding *out)
{
    const struct why_facts *f = facts;
    if (!f->delivery || f->row.state != TMX_DELIVERY_QUEUED) {
        return TMX_WHY_NOT_ASKED;
    }
    if (!f->lane_closed) {
        tmx_why_evidence(out, "no earlier message of its movement is before it");
        return TMX_WHY_NOT;
    }
    tmx_why_text(out, "an earlier message of its movement has not arrived at %s", f->code);
    tmx_why_evidence(out, "message %s of the same sender is before it", f->lane_first);
    tmx_why_fix(out, "tmxctl why %s", f->lane_first);
    return TMX_WHY_WARNING;
}

/* Until then status says that all is well, and it may pass by itself. */
static bool late(const struct why_facts *f)
{
    struct tmx_ages_view ages;
    return tmx_broker_ages(f->d->broker, tmx_pb(f->member->code), &ages) && ages.late > 0;
}

static enum tmx_why_verdict not_arriving(const void *facts, struct tmx_why_finding *out)
{
    const struct why_facts *f = facts;
    if (f->gate == NULL || !f->link.up) {
        return TMX_WHY_NOT_ASKED;
    }
    if (f->link.destination.queued == 0) {
        tmx_why_evidence(out, "nothing is queued for it");
        return TMX_WHY_NOT;
    }
    char span[TMX_WHY_SPAN_MAX];
    uint64_t still_ms = f->mono_ms - f->gate->watch.arrived_ms;
    tmx_why_evidence(out, "%" PRIu64 " queued, %zu in flight; the last one left the queue %s ago", f->link.destination.queued,
                     f->link.in_flight, tmx_why_span(still_ms, span));
    if (still_ms < WHY_LATE_MS || f->member->status != TMX__MEMBER_STATUS__MEMBER_ACTIVE) {
        return TMX_WHY_NOT;
    }
    tmx_why_text(out, "full inbox, or keys lost: the node of %s is linked and does not confirm what it is sent", f->code);
    tmx_why_fix(out, "at the node: tmxctl --node RUN why %s tells a full inbox from the rest", f->code);
    return late(f) ? TMX_WHY_CRITICAL : TMX_WHY_WARNING;
}

static enum tmx_why_verdict slow_consumer(const void *facts, struct tmx_why_finding *out)
{
    const struct why_facts *f = facts;
    char span[TMX_WHY_SPAN_MAX];
    uint64_t still_ms;
    if (f->delivery) {
        if (f->row.state != TMX_DELIVERY_ARRIVED) {
            return TMX_WHY_NOT_ASKED;
        }
        still_ms = tmx_answer_age(f->wall_ms, f->coa_ms);
        tmx_why_evidence(out, "it arrived %s ago, log index %" PRIu64, tmx_why_span(still_ms, span), f->row.coa_index);
    } else {
        if (f->gate == NULL) {
            return TMX_WHY_NOT_ASKED;
        }
        if (f->link.destination.arrived == 0) {
            tmx_why_evidence(out, "nothing has arrived that is not taken");
            return TMX_WHY_NOT;
        }
        still_ms = f->mono_ms - f->gate->watch.ended_ms;
        tmx_why_evidence(out, "%" PRIu64 " arrived and not taken; the last outcome came %s ago", f->link.destination.arrived,
                         tmx_why_span(still_ms, span));
    }
    if (still_ms < WHY_LATE_MS) {
        return TMX_WHY_NOT;
    }
    tmx_why_text(out, "the national application of %s does not take what has arrived at its node", f->code);
    tmx_why_fix(out, "at the node: tmxctl --node RUN why %s; its application has to receive and acknowledge", f->code);
    return TMX_WHY_WARNING;
}

const struct tmx_why_entry why_rules[] = {
    { "has-outcome", has_outcome },
    { "unknown-member", unknown_member },
    { "halted", halted },
    { "clock", clock_alarm },
    { "directory-expired", directory_expired },
    { "disk-full", disk_full },
    { "member-revoked", member_revoked },
    { "member-suspended", member_suspended },
    { "draining", why_draining },
    { "paused", why_paused },
    { "held", why_held },
    { "no-gate", why_no_gate },
    { "gate-memory", why_gate_memory },
    { "gate-down", why_gate_down },
    { "wrong-key", why_wrong_key },
    { "handshake", why_handshake },
    { "port-blocked", why_port_blocked },
    { "link-down", why_link_down },
    { "missing-prekey", missing_prekey },
    { "lane-closed", lane_closed },
    { "not-arriving", not_arriving },
    { "slow-consumer", slow_consumer },
};
const size_t why_rules_n = TMX_N(why_rules);
