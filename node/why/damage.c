/* SPDX-License-Identifier: Apache-2.0
 * The rule about records that the disk damaged (NODE-16): what is kept aside, and a message whose container is asked for again.
 */
#include <inttypes.h>

#include "why.h"

enum tmx_why_verdict why_damaged(const void *facts, struct tmx_why_finding *out)
{
    const struct why_facts *f = facts;
    struct tmx_node_damage_view v;
    char span[TMX_WHY_SPAN_MAX], id[TMX_ID_TEXT_SIZE];
    bool pulled = f->message && f->look.received && f->look.in.state == TMX_IN_LOST;
    tmx_node_damage(f->d->node, &v);
    if (!f->message && !f->self) {
        return TMX_WHY_NOT_ASKED;
    }
    if (v.kept == 0) {
        tmx_why_evidence(out, "no record was found damaged");
        return TMX_WHY_NOT;
    }
    tmx_id_text(v.id, id);
    tmx_why_evidence(out, "%" PRIu64 " damaged record%s kept aside, the last %s ago: %s%s%s", v.kept, v.kept == 1 ? " is" : "s are",
                     tmx_why_span(v.age_ms, span), v.what, v.of_message ? ", message " : "", v.of_message ? id : "");
    if (f->message ? !pulled : v.age_ms > TMX_NODE_DAMAGE_TOLD_MS) {
        return TMX_WHY_NOT;
    }
    tmx_why_text(out, pulled ? "what is kept of it does not give it any more: its container is asked for again at the broker"
                             : "the disk damaged records of this node; it goes on without them, or made them again");
    tmx_why_fix(out, "tmx-node doctor --config %s looks at the disk: replace it before it spoils more; nothing needs to be put in order here", f->d->settings.path);
    return TMX_WHY_WARNING;
}
