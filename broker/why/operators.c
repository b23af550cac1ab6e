/* SPDX-License-Identifier: Apache-2.0
 * Rules about what operators have stopped and held. Who did it and why is in the records.
 */
#include <inttypes.h>

#include "why.h"

enum tmx_why_verdict why_draining(const void *facts, struct tmx_why_finding *out)
{
    const struct why_facts *f = facts;
    const uint64_t index = control_stop(f->d, NULL);
    if (index == 0 || f->delivery) {   /* what was accepted goes on */
        return TMX_WHY_NOT_ASKED;
    }
    tmx_why_text(out, "admission is stopped: nothing new of %s is taken", f->code);
    tmx_why_evidence(out, "an operator did so, log index %" PRIu64 ": tmxctl operations", index);
    tmx_why_fix(out, "tmxctl admit");
    return TMX_WHY_WARNING;
}

enum tmx_why_verdict why_paused(const void *facts, struct tmx_why_finding *out)
{
    const struct why_facts *f = facts;
    const uint64_t index = f->member == NULL ? 0 : control_stop(f->d, f->code);
    if (index == 0 || (f->delivery && f->row.state != TMX_DELIVERY_QUEUED)) {
        return TMX_WHY_NOT_ASKED;
    }
    tmx_why_text(out, "deliveries to %s are paused", f->code);
    tmx_why_evidence(out, "an operator did so, log index %" PRIu64 ": tmxctl operations", index);
    tmx_why_fix(out, "tmxctl resume %s", f->code);
    return TMX_WHY_WARNING;
}

enum tmx_why_verdict why_held(const void *facts, struct tmx_why_finding *out)
{
    const struct why_facts *f = facts;
    if (!f->delivery || !f->held) {
        return TMX_WHY_NOT_ASKED;
    }
    tmx_why_text(out, "an operator holds it");
    tmx_why_evidence(out, "who, and why: tmxctl operations");
    tmx_why_fix(out, "tmxctl release %s --to %s", f->id, f->code);
    return TMX_WHY_WARNING;
}
