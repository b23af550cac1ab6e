/* SPDX-License-Identifier: Apache-2.0
 * Rules about the way to the broker: what ZeroMQ tells of the connection decides which one it is.
 */
#include <inttypes.h>

#include "why.h"

#define DROPPED_MS 3000u    /* an attempt that was not answered for so long was dropped, not refused */

/* The last attempt failed that way, and nothing has worked since. The evidence is the same for all of them. */
static bool failed_by(const struct why_facts *f, enum tmx_socket_failure failure, struct tmx_why_finding *out)
{
    char ago[TMX_WHY_SPAN_MAX], took[TMX_WHY_SPAN_MAX];
    const struct tmx_socket_story *s = &f->story;
    if (f->state.linked || s->failure != failure) {
        return false;
    }
    tmx_why_evidence(out, "%s: %" PRIu64 " attempts in a row failed, the last %s ago after %s; %" PRIu64 " TCP connections made, %" PRIu64
                     " past the handshake", f->d->gate_endpoint, s->failures, tmx_why_span(f->mono_ms - s->failed_ms, ago),
                     tmx_why_span(s->took_ms, took), s->connected, s->secured);
    return true;
}

enum tmx_why_verdict why_no_gate(const void *facts, struct tmx_why_finding *out)
{
    const struct why_facts *f = facts;
    if (!f->no_gate) {
        return TMX_WHY_NOT_ASKED;
    }
    tmx_why_text(out, "the directory lists no gate for %s: there is nowhere to connect", f->d->settings.member);
    tmx_why_evidence(out, "directory %" PRIu64 " (log: link.no-gate)", f->state.directory_serial);
    tmx_why_fix(out, "have the authority list it (tmx-authority add-gate, sign), then tmxctl --node %s directory install FILE", f->d->settings.run);
    return TMX_WHY_CRITICAL;
}

enum tmx_why_verdict why_port_blocked(const void *facts, struct tmx_why_finding *out)
{
    const struct why_facts *f = facts;
    bool going = f->story.begun_ms != 0 && f->mono_ms - f->story.begun_ms > DROPPED_MS && !f->state.linked;
    if (going) {
        tmx_why_evidence(out, "%s: no answer for %" PRIu64 " s; %" PRIu64 " attempts failed before", f->d->gate_endpoint,
                         (f->mono_ms - f->story.begun_ms) / 1000, f->story.failures);
    }
    if (!going && (!failed_by(f, TMX_SOCKET_FAILED_CONNECT, out) || f->story.took_ms < DROPPED_MS)) {
        return TMX_WHY_NOT_ASKED;
    }
    tmx_why_text(out, "nothing answers at the broker's gate, packets are dropped on the way");
    tmx_why_fix(out, "the firewalls here and at the broker have to let TCP to %s through; ip route get shows the way", f->d->gate_endpoint);
    return TMX_WHY_CRITICAL;
}

enum tmx_why_verdict why_port_closed(const void *facts, struct tmx_why_finding *out)
{
    const struct why_facts *f = facts;
    if (!failed_by(f, TMX_SOCKET_FAILED_CONNECT, out) || f->story.took_ms >= DROPPED_MS) {
        return TMX_WHY_NOT_ASKED;
    }
    tmx_why_text(out, "nobody listens at the broker's gate: the broker or this gate does not run, or the directory is an old one");
    tmx_why_fix(out, "at the broker: tmxctl why %s", f->d->settings.member);
    return TMX_WHY_CRITICAL;
}

static bool key_listed(const struct why_facts *f)
{
    for (size_t i = 0; f->own != NULL && i < f->own->n_curve_keys; i++) {
        if (!f->own->curve_keys[i]->revoked && tmx_bytes_eq(tmx_pb(f->own->curve_keys[i]->key), TMX_BYTES_OF(f->d->keys.curve.public))) {
            return true;
        }
    }
    return false;
}

enum tmx_why_verdict why_wrong_key(const void *facts, struct tmx_why_finding *out)
{
    const struct why_facts *f = facts;
    char key[65], ago[TMX_WHY_SPAN_MAX];
    bool listed = key_listed(f);
    tmx_hex(TMX_BYTES_OF(f->d->keys.curve.public), key);
    bool refused = failed_by(f, TMX_SOCKET_FAILED_KEY, out);
    tmx_why_evidence(out, "the key of this node is %s, which directory %" PRIu64 " %s for %s", key, f->state.directory_serial,
                     listed ? "lists" : "does not list", f->d->settings.member);
    if (!refused) {
        return f->state.linked ? TMX_WHY_NOT : TMX_WHY_NOT_ASKED;
    }
    tmx_why_evidence(out, "refused in %" PRIu64 " handshakes in a row, the last %s ago: %s, which directory %" PRIu64 " %s for %s",
                     f->story.failures, tmx_why_span(f->mono_ms - f->story.failed_ms, ago), key, f->state.directory_serial,
                     listed ? "lists" : "does not list", f->d->settings.member);
    tmx_why_text(out, "the broker's gate does not admit the transport key of this node");
    if (listed) {
        tmx_why_fix(out, "the broker has another directory: there, tmxctl directory show and tmxctl why %s", f->d->settings.member);
    } else {
        tmx_why_fix(out, "put back the %s/curve.key this member was admitted with, and restart tmx-node; or have the authority admit this "
                    "one (tmx-authority request, admit and sign): then it links by itself", f->d->settings.keys);
    }
    return TMX_WHY_CRITICAL;
}

enum tmx_why_verdict why_gate_key(const void *facts, struct tmx_why_finding *out)
{
    const struct why_facts *f = facts;
    if (!failed_by(f, TMX_SOCKET_FAILED_CLOSED, out) && !failed_by(f, TMX_SOCKET_FAILED_PROTOCOL, out)) {
        return TMX_WHY_NOT_ASKED;
    }
    tmx_why_text(out, "the gate does not hold the key that the directory lists for it, or it is no gate");
    tmx_why_fix(out, "compare tmxctl directory show here and at the broker; the newer file: tmxctl --node %s directory install FILE",
                f->d->settings.run);
    return TMX_WHY_CRITICAL;
}

enum tmx_why_verdict why_handshake(const void *facts, struct tmx_why_finding *out)
{
    const struct why_facts *f = facts;
    if (!failed_by(f, TMX_SOCKET_FAILED_MECHANISM, out)) {
        return TMX_WHY_NOT_ASKED;
    }
    tmx_why_text(out, "what listens at %s does not speak CURVE, so it is no gate", f->d->gate_endpoint);
    tmx_why_fix(out, "find out what has that port (at that host: ss -ltnp); at the broker: tmxctl why %s", f->d->settings.member);
    return TMX_WHY_CRITICAL;
}

enum tmx_why_verdict why_link_down(const void *facts, struct tmx_why_finding *out)
{
    const struct why_facts *f = facts;
    char span[TMX_WHY_SPAN_MAX];
    bool ever = f->d->ever_linked;
    tmx_why_evidence(out, "%s%s%s; %" PRIu64 " TCP connections to %s made, %" PRIu64 " past the handshake", f->state.linked ? "up" : ever ? "down" : "never up",
                     ever ? ", last frame before " : "", ever ? tmx_why_span(f->mono_ms - f->state.last_frame_ms, span) : "",
                     f->story.connected, f->d->gate_endpoint, f->story.secured);
    if (f->state.linked) {
        return TMX_WHY_NOT;
    }
    if (f->state.distrust) {
        return TMX_WHY_NOT_ASKED;   /* it does not want one */
    }
    tmx_why_text(out, "no link to the broker: what is submitted waits here");
    tmx_why_fix(out, "at the broker: tmxctl status, and tmxctl why %s; it goes on by itself", f->d->settings.member);
    return TMX_WHY_CRITICAL;
}
