/* SPDX-License-Identifier: Apache-2.0
 * See evidence_weaker.h.
 */
#include <string.h>

#include "evidence_weaker.h"

/* Nothing is said of a delivery that the whole bundle does not show. */
static bool shown(const struct tmx_evidence *v, const struct tmx_evidence_delivery *d, const struct tmx_evidence *whole)
{
    const char *state = tmx_evidence_state(v, d);
    bool is_shown = strcmp(state, v->admitted ? "accepted" : "rejected") == 0;

    for (size_t i = 0; i < whole->n_leaves; i++) {
        is_shown = is_shown || (tmx_evidence_concerns(&whole->leaves[i], d->to) &&
                                strcmp(tmx_evidence_says(&whole->leaves[i]), state) == 0);
    }
    return is_shown;
}

static unsigned most_witnesses(const struct tmx_evidence *v)
{
    unsigned most = 0;

    for (size_t i = 0; i < v->n_heads; i++) {
        most = v->heads[i].quorum.witnesses > most ? v->heads[i].quorum.witnesses : most;
    }
    return most;
}

bool evidence_no_stronger(const struct tmx_evidence *v, const struct tmx_evidence *whole)
{
    if (v->rule != 0) {
        return true;
    }
    if (memcmp(v->header_digest, whole->header_digest, sizeof v->header_digest) != 0 ||
        v->admitted != whole->admitted ||
        (v->content_state == EVIDENCE_OPENED && whole->content_state != EVIDENCE_OPENED)) {
        return false;
    }
    for (size_t i = 0; i < v->n_deliveries; i++) {
        if (!shown(v, &v->deliveries[i], whole) || v->deliveries[i].slot > whole->deliveries[i].slot) {
            return false;
        }
    }
    return most_witnesses(v) <= most_witnesses(whole);
}
