/* SPDX-License-Identifier: Apache-2.0
 * Rules about the way from a member's node to the broker: its gate, the port, the handshake, its key, the session.
 */
#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include <tmx/code.h>

#include "why.h"

#define RECENT_MS 300000u     /* a refusal or failure that long ago says nothing of now */
#define MEMORY_RECENT_MS 600000u

/* What waits for it makes it worse. */
static enum tmx_why_verdict severity(const struct why_facts *f)
{
    return f->link.destination.queued > 0 || f->delivery ? TMX_WHY_CRITICAL : TMX_WHY_WARNING;
}

static bool recent(const struct why_facts *f, uint64_t at_ms)
{
    return at_ms != 0 && f->mono_ms - at_ms < RECENT_MS;
}

/* And its node has not come in since. */
static bool keeps_out(const struct why_facts *f, uint64_t at_ms)
{
    return recent(f, at_ms) && !f->link.up && at_ms > f->link.last_frame_ms;
}

static bool asked(const struct why_facts *f)
{
    return f->member != NULL && f->member->status != TMX__MEMBER_STATUS__MEMBER_REVOKED;
}

/* The directory lists a gate, but it cannot be started. */
static bool key_missing(const struct why_facts *f)
{
    for (size_t i = 0; i < f->d->gates.n_missing; i++) {
        if (strcmp(f->d->gates.missing[i], f->code) == 0) {
            return true;
        }
    }
    return false;
}

enum tmx_why_verdict why_no_gate(const void *facts, struct tmx_why_finding *out)
{
    const struct why_facts *f = facts;
    if (!asked(f) || f->gate != NULL) {
        return TMX_WHY_NOT_ASKED;
    }
    tmx_why_text(out, "no gate runs for %s: its node has nowhere to connect", f->code);
    if (key_missing(f)) {
        tmx_why_evidence(out, "%s/gate-%s.key is missing, or not the key that the directory lists (log: gate.no-key, gate.other-key)",
                         f->d->settings.keys, f->code);
        tmx_why_fix(out, "bring that file back, or have a new key listed: tmx-authority broker-keys, add-gate, sign; then tmxctl reload, or "
                         "tmxctl directory install FILE");
    } else {
        tmx_why_evidence(out, "directory %" PRIu64 " lists no gate for it", tmx_directory_serial(tmx_broker_directory(f->d->broker)));
        tmx_why_fix(out, "tmx-authority broker-keys --gate %s=tcp://HOST:PORT, add-gate, sign; then tmxctl directory install FILE", f->code);
    }
    return severity(f);
}

enum tmx_why_verdict why_gate_memory(const void *facts, struct tmx_why_finding *out)
{
    const struct why_facts *f = facts;
    if (f->gate == NULL) {
        return TMX_WHY_NOT_ASKED;
    }
    const struct tmx_gate_status *s = f->status;
    uint64_t cap = f->d->settings.gate_memory_bytes;
    bool crashed = s->ended_ms != 0 && f->mono_ms - s->ended_ms < MEMORY_RECENT_MS && s->ended_bytes >= cap / 2 &&
                   (s->ended_signal == SIGABRT || s->ended_signal == SIGSEGV || s->ended_signal == SIGBUS);
    char span[TMX_WHY_SPAN_MAX];
    if (crashed) {
        tmx_why_evidence(out, "%s ago its gate %s with %" PRIu64 " MiB in use, its cap is %" PRIu64 " MiB; started %" PRIu64 " times",
                         tmx_why_span(f->mono_ms - s->ended_ms, span), s->failed, s->ended_bytes >> 20, cap >> 20, s->starts);
    } else {
        tmx_why_evidence(out, "its gate uses %" PRIu64 " MiB, its cap is %" PRIu64 " MiB", f->memory_bytes >> 20, cap >> 20);
    }
    if (!crashed && f->memory_bytes < cap / 10 * 9) {
        return TMX_WHY_NOT;
    }
    tmx_why_text(out, "the gate of %s is at its memory cap: what its node sends, or somebody with its key, does not fit", f->code);
    tmx_why_fix(out, "look at what that node sends; when it is meant so: gate_memory in %s, then restart tmx-broker", f->d->settings.path);
    return severity(f);
}

enum tmx_why_verdict why_gate_down(const void *facts, struct tmx_why_finding *out)
{
    const struct why_facts *f = facts;
    if (f->gate == NULL) {
        return TMX_WHY_NOT_ASKED;
    }
    const struct tmx_gate_status *s = f->status;
    if (s->state == TMX_GATE_UP) {
        tmx_why_evidence(out, "its gate is up at %s, started %" PRIu64 " times", f->gate->endpoint, s->starts);
        return TMX_WHY_NOT;
    }
    tmx_why_text(out, "the gate of %s does not run", f->code);
    tmx_why_evidence(out, "%s at %s, started %" PRIu64 " times (log: gate.down)", s->failed[0] != '\0' ? s->failed : "it is starting",
                     f->gate->endpoint, s->starts);
    tmx_why_fix(out, "the broker starts it again by itself; if it cannot bind: ss -ltnp says who has that port");
    return s->failed[0] != '\0' ? severity(f) : TMX_WHY_NOTE;
}

/* Whose key in the directory that is. */
static const Tmx__Member *key_owner(const struct why_facts *f, const uint8_t key[32], bool *ret_revoked)
{
    const Tmx__Directory *pb = tmx_directory_pb(tmx_broker_directory(f->d->broker));
    for (size_t i = 0; i < pb->n_members; i++) {
        for (size_t k = 0; k < pb->members[i]->n_curve_keys; k++) {
            if (tmx_bytes_eq(tmx_pb(pb->members[i]->curve_keys[k]->key), TMX_BYTES(key, 32))) {
                *ret_revoked = pb->members[i]->curve_keys[k]->revoked;
                return pb->members[i];
            }
        }
    }
    return NULL;
}

enum tmx_why_verdict why_wrong_key(const void *facts, struct tmx_why_finding *out)
{
    const struct why_facts *f = facts;
    if (f->gate == NULL) {
        return TMX_WHY_NOT_ASKED;
    }
    const struct tmx_transport_counters *c = &f->status->counters;
    char key[65], span[TMX_WHY_SPAN_MAX];
    bool revoked = false;
    tmx_hex(TMX_BYTES_OF(c->refused.key), key);
    if (!recent(f, f->gate->watch.refused_ms)) {
        tmx_why_evidence(out, "%" PRIu64 " handshakes refused for their key since its gate started", c->zap_refused);
        return TMX_WHY_NOT;
    }
    tmx_why_evidence(out, "%" PRIu64 " handshakes refused, the last %s ago from %s with key %s (log: transport.refused)", c->zap_refused,
                     tmx_why_span(f->mono_ms - f->gate->watch.refused_ms, span), c->refused.address, key);
    if (!keeps_out(f, f->gate->watch.refused_ms)) {
        return TMX_WHY_NOT;   /* somebody else's, or mended */
    }
    const Tmx__Member *owner = key_owner(f, c->refused.key, &revoked);
    if (owner == NULL) {
        tmx_why_text(out, "who connects to the gate of %s shows a key that no member has in the directory", f->code);
        tmx_why_fix(out, "at the node: its keys/curve.key has to be the one it was admitted with; for a new one tmx-authority request, admit and "
                         "sign, then tmxctl directory install FILE");
    } else if (!tmx_bytes_eq(tmx_pb(owner->code), tmx_bytes_str(f->code))) {
        tmx_why_text(out, "the node of %.*s connects to the gate of %s", (int)owner->code.len, (const char *)owner->code.data, f->code);
        tmx_why_fix(out, "at that node: member and keys in tmx-node.conf do not belong together");
    } else {
        tmx_why_text(out, "the node of %s shows its %s key", f->code, revoked ? "revoked" : "former");
        tmx_why_fix(out, "at the node: put the new key in keys/curve.key and restart tmx-node");
    }
    return severity(f);
}

enum tmx_why_verdict why_handshake(const void *facts, struct tmx_why_finding *out)
{
    const struct why_facts *f = facts;
    if (f->gate == NULL) {
        return TMX_WHY_NOT_ASKED;
    }
    char span[TMX_WHY_SPAN_MAX];
    uint64_t failed = f->status->counters.handshakes_failed;
    if (!recent(f, f->gate->watch.failed_ms)) {
        tmx_why_evidence(out, "%" PRIu64 " handshakes broke off since its gate started", failed);
        return TMX_WHY_NOT;
    }
    tmx_why_evidence(out, "%" PRIu64 " of %" PRIu64 " connections broke off in the handshake, the last %s ago", failed,
                     f->status->counters.connections, tmx_why_span(f->mono_ms - f->gate->watch.failed_ms, span));
    if (!keeps_out(f, f->gate->watch.failed_ms)) {
        return TMX_WHY_NOT;
    }
    tmx_why_text(out, "who connects to the gate of %s does not speak CURVE, expects another gate's key, or is no node", f->code);
    tmx_why_fix(out, "at the node: tmxctl --node RUN why %s says which; its directory file may be an old one", f->code);
    return severity(f);
}

enum tmx_why_verdict why_port_blocked(const void *facts, struct tmx_why_finding *out)
{
    const struct why_facts *f = facts;
    if (f->gate == NULL || f->status->state != TMX_GATE_UP) {
        return TMX_WHY_NOT_ASKED;
    }
    const struct why_watch *w = &f->gate->watch;
    char span[TMX_WHY_SPAN_MAX];
    if (w->connections_ms == 0) {
        tmx_why_evidence(out, "no TCP connection came to %s since its gate was started", f->gate->endpoint);
    } else {
        tmx_why_evidence(out, "%" PRIu64 " TCP connections came to %s, the last %s ago", f->status->counters.connections, f->gate->endpoint,
                         tmx_why_span(f->mono_ms - w->connections_ms, span));
    }
    uint64_t since = w->connections_ms > f->link.last_frame_ms ? w->connections_ms : f->link.last_frame_ms;
    bool quiet = since == 0 || f->mono_ms - since > WHY_LATE_MS;
    quiet = quiet && !keeps_out(f, w->refused_ms) && !keeps_out(f, w->failed_ms);   /* that is the reason then */
    if (f->link.up || !quiet || f->mono_ms - f->d->started_ms < WHY_LATE_MS) {
        return TMX_WHY_NOT;
    }
    tmx_why_text(out, "nothing arrives from the node of %s: it does not run, or its port is blocked", f->code);
    tmx_why_fix(out, "at the node: systemctl status tmx-node@%s; there and here: the firewalls have to let %s through", f->code,
                f->gate->endpoint);
    return severity(f);
}

enum tmx_why_verdict why_link_down(const void *facts, struct tmx_why_finding *out)
{
    const struct why_facts *f = facts;
    if (!asked(f)) {
        return TMX_WHY_NOT_ASKED;
    }
    char span[TMX_WHY_SPAN_MAX];
    if (f->link.ever) {
        tmx_why_evidence(out, "its link is %s, the last frame came %s ago%s%s", f->link.up ? "up" : "down",
                         tmx_why_span(f->mono_ms - f->link.last_frame_ms, span), f->link.last_code != 0 ? "; last refused: " : "",
                         f->link.last_code != 0 ? tmx_code_name(f->link.last_code) : "");
    } else {
        tmx_why_evidence(out, "its link was never up since the broker started %s ago", tmx_why_span(f->mono_ms - f->d->started_ms, span));
    }
    if (f->link.up) {
        return TMX_WHY_NOT;
    }
    tmx_why_text(out, "the node of %s is not linked: what is for it waits here", f->code);
    tmx_why_fix(out, "at the node: tmxctl --node RUN why %s", f->code);
    return severity(f);
}
