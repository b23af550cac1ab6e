/* SPDX-License-Identifier: Apache-2.0
 * What a checked bundle says, in the words of the auditor's commands.
 */
#include "evidence_parts.h"

const char *tmx_evidence_says(const struct tmx_evidence_leaf *l)
{
    switch ((unsigned)l->e->kind) {
    case TMX__ENTRY_KIND__ENTRY_ACCEPTANCE:
    case TMX__ENTRY_KIND__ENTRY_RESUBMISSION:
        return "accepted";
    case TMX__ENTRY_KIND__ENTRY_EXPIRED:
        return "expired";
    case TMX__ENTRY_KIND__ENTRY_EXCEPTION:
        return "exception";
    case TMX__ENTRY_KIND__ENTRY_CARRY_DELIVERY:
        return l->e->code == 1 ? "arrived" : "accepted";
    case TMX__ENTRY_KIND__ENTRY_REFUSAL:
        return l->header != NULL ? "rejected" : "";
    case TMX__ENTRY_KIND__ENTRY_REPORT:
        break;
    default:
        return "";
    }
    switch ((unsigned)l->report->outcome) {
    case TMX__OUTCOME__OUTCOME_COA:
        return "arrived";
    case TMX__OUTCOME__OUTCOME_COD_POSITIVE:
        return "delivered";
    case TMX__OUTCOME__OUTCOME_COD_NEGATIVE:
        return "refused";
    case TMX__OUTCOME__OUTCOME_EXPIRED:
        return "expired";
    default:
        return "exception";
    }
}

const char *tmx_evidence_state(const struct tmx_evidence *v, const struct tmx_evidence_delivery *d)
{
    return d->end != NULL       ? tmx_evidence_says(d->end)
           : d->arrival != NULL ? "arrived"
           : v->admitted        ? "accepted"
                                : "rejected";
}

bool tmx_evidence_concerns(const struct tmx_evidence_leaf *l, const Tmx__Recipient *to)
{
    struct tmx_bytes member = tmx_pb(l->e->recipient);

    switch ((unsigned)l->e->kind) {
    case TMX__ENTRY_KIND__ENTRY_REPORT:
    case TMX__ENTRY_KIND__ENTRY_REFUSAL:
        if (l->report == NULL) {
            return false;
        }
        member = tmx_pb(l->report->recipient);
        break;
    case TMX__ENTRY_KIND__ENTRY_EXPIRED:
    case TMX__ENTRY_KIND__ENTRY_EXCEPTION:
    case TMX__ENTRY_KIND__ENTRY_CARRY_DELIVERY:
        break;
    default:
        return false;
    }
    return tmx_bytes_eq(tmx_pb(to->member), member);
}

size_t tmx_evidence_heads_of_a_shard(const struct tmx_evidence *v)
{
    size_t most = 0;

    for (size_t i = 0; i < v->n_heads; i++) {
        size_t n = 0;

        for (size_t j = 0; j < v->n_heads; j++) {
            n += tmx_bytes_eq(v->heads[i].shard, v->heads[j].shard) ? 1 : 0;
        }
        most = n > most ? n : most;
    }
    return most;
}
