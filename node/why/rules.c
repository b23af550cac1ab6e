/* SPDX-License-Identifier: Apache-2.0
 * Rules about the node itself, its directory and what it sends; and their order: what stops more comes first.
 */
#include <inttypes.h>

#include <tmx/code.h>

#include "why.h"

/* About what is to be sent to that member, or a message on its way there. */
static bool sending(const struct why_facts *f)
{
    return f->message ? f->look.sent : !f->self;
}

static enum tmx_why_verdict has_outcome(const void *facts, struct tmx_why_finding *out)
{
    static const char *const sent[] = { "", "queued", "accepted", "arrived", "delivered", "refused", "expired", "exception", "rejected" };
    const struct why_facts *f = facts;
    bool ended = f->message && (f->look.sent ? f->state_there >= TMX_OUT_DELIVERY_DELIVERED : f->look.in.state >= TMX_IN_DELIVERED);
    if (!ended) {
        return TMX_WHY_NOT_ASKED;
    }
    unsigned code = f->look.sent ? f->look.out.code : f->look.in.code;
    tmx_why_text(out, "it waits for nothing: the delivery to %s has its outcome", f->code);
    tmx_why_evidence(out, "%s%s%s", f->look.sent ? sent[f->state_there] : "ended here", code != 0 ? ": " : "", code != 0 ? tmx_code_meaning(code) : "");
    tmx_why_fix(out, "nothing: tmxctl --node %s message ID shows every step", f->d->settings.run);
    return TMX_WHY_NOTE;
}

static enum tmx_why_verdict unknown_member(const void *facts, struct tmx_why_finding *out)
{
    const struct why_facts *f = facts;
    tmx_why_evidence(out, "directory %" PRIu64 " lists %zu members", f->state.directory_serial,
                     tmx_directory_pb(tmx_node_directory(f->d->node))->n_members);
    if (f->member != NULL) {
        return TMX_WHY_NOT;
    }
    tmx_why_text(out, "the directory in force does not list %s", f->code);
    tmx_why_fix(out, "tmxctl --node %s directory show lists who is; a newer one comes from the broker, or: directory install FILE", f->d->settings.run);
    return TMX_WHY_CRITICAL;
}

static enum tmx_why_verdict distrust(const void *facts, struct tmx_why_finding *out)
{
    const struct why_facts *f = facts;
    tmx_why_evidence(out, "the verified head has %" PRIu64 " entries; %" PRIu64 " alarms are kept", f->state.head_size, f->state.alarm_rows);
    if (!f->state.distrust) {
        return TMX_WHY_NOT;
    }
    tmx_why_text(out, "the broker showed what does not fit its log: nothing of it is used");
    tmx_why_fix(out, "tmxctl --node %s misbehaviour; when the matter is cleared: tmxctl --node %s trust", f->d->settings.run, f->d->settings.run);
    return TMX_WHY_CRITICAL;
}

static enum tmx_why_verdict clock_alarm(const void *facts, struct tmx_why_finding *out)
{
    const struct why_facts *f = facts;
    char now[TMX_TIME_TEXT_SIZE];
    tmx_time_text(f->wall_ms, now);
    tmx_why_evidence(out, "by this machine's clock it is %s%s", now,
                     f->state.clock_doubt ? "; it jumped, or is over 5 min from the broker's (log: clock.doubt)" : "");
    if (!f->state.clock_doubt) {
        return TMX_WHY_NOT;
    }
    tmx_why_text(out, "nothing is signed, and nothing expires");
    tmx_why_fix(out, "chronyc tracking (or timedatectl): set the clock right; the node goes on by itself");
    return TMX_WHY_CRITICAL;
}

static enum tmx_why_verdict directory_expired(const void *facts, struct tmx_why_finding *out)
{
    const struct why_facts *f = facts;
    char when[TMX_TIME_TEXT_SIZE];
    tmx_time_text(tmx_directory_pb(tmx_node_directory(f->d->node))->expires_ms, when);
    tmx_why_evidence(out, "directory %" PRIu64 " %s %s", f->state.directory_serial, f->state.directory_expired ? "expired" : "is good until", when);
    if (!f->state.directory_expired) {
        return TMX_WHY_NOT;
    }
    tmx_why_text(out, "the directory has expired: nothing new is signed");
    tmx_why_fix(out, "it comes from the broker once it is there; or: tmxctl --node %s directory install FILE", f->d->settings.run);
    return TMX_WHY_CRITICAL;
}

static enum tmx_why_verdict directory_behind(const void *facts, struct tmx_why_finding *out)
{
    const struct why_facts *f = facts;
    tmx_why_evidence(out, "directory %" PRIu64 " is in force here, %" PRIu64 " is the latest heard of", f->state.directory_serial, f->state.directory_heard);
    if (!f->state.directory_behind) {
        return TMX_WHY_NOT;
    }
    tmx_why_text(out, "a later directory is in force: nothing signed after it is used until it is here");
    tmx_why_fix(out, "the broker brings it; if it was refused (log: directory.refused), install those since number %" PRIu64
                     " in their order: tmxctl --node %s directory install FILE", f->state.directory_serial, f->d->settings.run);
    return TMX_WHY_CRITICAL;
}

static enum tmx_why_verdict rebuilding(const void *facts, struct tmx_why_finding *out)
{
    const struct why_facts *f = facts;
    if (!f->state.rebuilding) {
        return TMX_WHY_NOT_ASKED;
    }
    tmx_why_text(out, "this node was put back to an earlier state and reads the log again: nothing is signed yet");
    tmx_why_evidence(out, "read up to entry %" PRIu64 " of %" PRIu64, f->state.feed_next, f->state.head_size);
    tmx_why_fix(out, "nothing: it goes on by itself while the link is up");
    return TMX_WHY_WARNING;
}

/* This node, or who it is to be sent to. */
static enum tmx_why_verdict member_status(const void *facts, struct tmx_why_finding *out)
{
    const struct why_facts *f = facts;
    const Tmx__Member *bad = f->own != NULL && f->own->status != TMX__MEMBER_STATUS__MEMBER_ACTIVE ? f->own : f->member;
    if (bad == NULL) {
        return TMX_WHY_NOT_ASKED;
    }
    const char *status = tmx_answer_member_status(bad->status);
    tmx_why_evidence(out, "%.*s is %s in directory %" PRIu64, (int)bad->code.len, (const char *)bad->code.data, status, f->state.directory_serial);
    if (bad->status == TMX__MEMBER_STATUS__MEMBER_ACTIVE) {
        return TMX_WHY_NOT;
    }
    if (bad->status == TMX__MEMBER_STATUS__MEMBER_SUSPENDED) {
        tmx_why_text(out, bad == f->own ? "this node may collect and report, and not submit"
                                        : "what is for it waits at the broker until it is reinstated");
    } else {
        tmx_why_text(out, "it is cut off for good");
    }
    tmx_why_fix(out, "the federation authority decides: tmx-authority reinstate or admit, sign; the broker installs the directory");
    return TMX_WHY_CRITICAL;
}

static enum tmx_why_verdict disk_full(const void *facts, struct tmx_why_finding *out)
{
    const struct why_facts *f = facts;
    if (!sending(f)) {
        return TMX_WHY_NOT_ASKED;
    }
    tmx_why_evidence(out, "the spool is filled to %" PRIu64 " %%%s, submissions stop at %" PRIu64 " %%", f->d->submit_room.percent,
                     f->d->submit_room.full ? ", the rest is promised to what is open" : "", f->d->submit_room.mark_percent);
    if (!f->d->submit_room.full) {
        return TMX_WHY_NOT;
    }
    tmx_why_text(out, "the spool is full: submissions are refused, outcomes give room back");
    tmx_why_fix(out, "capacity in %s, then restart tmx-node", f->d->settings.path);
    return TMX_WHY_CRITICAL;
}

static enum tmx_why_verdict missing_prekey(const void *facts, struct tmx_why_finding *out)
{
    const struct why_facts *f = facts;
    char when[TMX_TIME_TEXT_SIZE];
    if (!sending(f) || f->member == NULL) {
        return TMX_WHY_NOT_ASKED;
    }
    tmx_time_text(f->peer.prekeys_until_ms, when);
    tmx_why_evidence(out, "%s%s", f->peer.prekeys_serial != 0 ? "the last prekey that is known ends " : "no prekeys of it have been seen in the log",
                     f->peer.prekeys_serial != 0 ? when : "");
    if (f->peer.prekey_now) {
        return TMX_WHY_NOT;
    }
    tmx_why_text(out, "what is sent to %s waits until the log is read, and is then sealed with its last-resort key", f->code);
    tmx_why_fix(out, "the node of %s publishes new ones once it is linked: at the broker, tmxctl why %s", f->code, f->code);
    return f->peer.waiting > 0 ? TMX_WHY_CRITICAL : TMX_WHY_WARNING;
}

static enum tmx_why_verdict no_credit(const void *facts, struct tmx_why_finding *out)
{
    const struct why_facts *f = facts;
    if (!sending(f) || f->member == NULL || !f->state.linked) {
        return TMX_WHY_NOT_ASKED;
    }
    bool put_off = f->deferral.code == TMX_CODE_NO_CREDIT;   /* granted before the broker was started again */
    tmx_why_evidence(out, "%" PRIu64 " wait here; number %" PRIu64 " was used last, the broker granted up to %" PRIu64 "%s", f->peer.waiting,
                     f->peer.last_seq, f->peer.max_seq, put_off ? ", and takes it back (log: link.deferred)" : "");
    if (!put_off && (f->peer.waiting == 0 || f->peer.last_seq < f->peer.max_seq)) {
        return TMX_WHY_NOT;
    }
    tmx_why_text(out, "the queue of %s at the broker is full, nothing more is taken for it", f->code);
    tmx_why_fix(out, "at the broker: tmxctl why %s", f->code);
    return TMX_WHY_WARNING;
}

/* Sent, and the broker takes it not now. */
static enum tmx_why_verdict deferred(const void *facts, struct tmx_why_finding *out)
{
    const struct why_facts *f = facts;
    char id[TMX_ID_TEXT_SIZE], span[TMX_WHY_SPAN_MAX];
    if (!sending(f) || !f->state.linked || f->deferral.code == TMX_CODE_OK || f->deferral.code == TMX_CODE_NO_CREDIT) {
        return TMX_WHY_NOT_ASKED;
    }
    tmx_id_text(f->deferral.id, id);
    tmx_why_text(out, "the broker puts off what is sent to %s: %s", f->code, tmx_code_meaning(f->deferral.code));
    tmx_why_evidence(out, "%s, %s ago: message %s (log: link.deferred)", tmx_code_name(f->deferral.code),
                     tmx_why_span(tmx_answer_age(f->mono_ms, f->deferral.at_ms), span), id);
    tmx_why_fix(out, "it is sent again by itself; at the broker: tmxctl why %s", f->code);
    return TMX_WHY_WARNING;
}

/* Where a message that is not stuck here is. */
static enum tmx_why_verdict under_way(const void *facts, struct tmx_why_finding *out)
{
    const struct why_facts *f = facts;
    char id[TMX_ID_TEXT_SIZE], span[TMX_WHY_SPAN_MAX];
    if (!f->message || !f->look.sent) {
        return TMX_WHY_NOT_ASKED;
    }
    (void)tmx_why_span(tmx_answer_age(f->wall_ms, f->look.out.submitted_ms), span);
    if (f->state_there == TMX_OUT_DELIVERY_QUEUED && f->look.out.state == TMX_OUT_WAITING && !f->look.first) {
        tmx_id_text(f->look.before, id);
        tmx_why_text(out, "it waits here behind others");
        tmx_why_evidence(out, "submitted %s ago, message %s goes first", span, id);
        tmx_why_fix(out, "tmxctl --node %s why %s", f->d->settings.run, id);
    } else if (f->state_there == TMX_OUT_DELIVERY_QUEUED) {
        tmx_why_text(out, "it is here, and not accepted by the broker yet");
        tmx_why_evidence(out, "submitted %s ago, %s", span, f->look.out.state == TMX_OUT_WAITING ? "not signed yet" : "signed and sent");
        tmx_why_fix(out, "what is said above; at the broker: tmxctl why %s", f->d->settings.member);
    } else if (f->state_there == TMX_OUT_DELIVERY_ACCEPTED) {
        tmx_why_text(out, "the broker has it, and the node of %s has not confirmed its arrival", f->code);
        tmx_why_evidence(out, "submitted %s ago, accepted at log index %" PRIu64, span, f->look.out.index);
        tmx_why_fix(out, "at the broker: tmxctl why %s", f->code);
    } else {
        tmx_why_text(out, "it has arrived at %s, and the application there has not taken it", f->code);
        tmx_why_evidence(out, "submitted %s ago, accepted at log index %" PRIu64, span, f->look.out.index);
        tmx_why_fix(out, "ask %s: at its node, tmxctl why MESSAGE", f->code);
    }
    return TMX_WHY_NOTE;
}

const struct tmx_why_entry why_rules[] = {
    { "has-outcome", has_outcome },
    { "unknown-member", unknown_member },
    { "distrust", distrust },
    { "clock", clock_alarm },
    { "directory-expired", directory_expired },
    { "directory-behind", directory_behind },
    { "member-status", member_status },
    /* What operators held or paused comes here. */
    { "rebuilding", rebuilding },
    { "no-gate", why_no_gate },
    { "port-blocked", why_port_blocked },
    { "port-closed", why_port_closed },
    { "wrong-key", why_wrong_key },
    { "gate-key", why_gate_key },
    { "handshake", why_handshake },
    { "link-down", why_link_down },
    { "disk-full", disk_full },
    { "inbox-full", why_inbox_full },
    { "missing-prekey", missing_prekey },
    { "no-credit", no_credit },
    { "deferred", deferred },
    { "damaged", why_damaged },
    { "held", why_held },
    { "lane-closed", why_lane_closed },
    { "slow-consumer", why_slow_consumer },
    { "under-way", under_way },
};
const size_t why_rules_n = TMX_N(why_rules);
