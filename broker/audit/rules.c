/* SPDX-License-Identifier: Apache-2.0
 * Rules of the log, as functions of what they look at.
 */
#include <stdio.h>

#include <tmx/code.h>
#include <tmx/operator.h>

#include "rules.h"

const char *tmx_audit_state_name(enum tmx_audit_state state)
{
    static const char *const names[] = {
        [AUDIT_QUEUED] = "queued", [AUDIT_ARRIVED] = "arrived", [AUDIT_ENDED] = "terminal"
    };

    return names[state];
}

void tmx_audit_report_moves(Tmx__Outcome outcome, enum tmx_audit_state *ret_from, enum tmx_audit_state *ret_to)
{
    const bool arrives = outcome == TMX__OUTCOME__OUTCOME_COA;

    *ret_from = arrives || outcome == TMX__OUTCOME__OUTCOME_COE ? AUDIT_QUEUED : AUDIT_ARRIVED;
    *ret_to = arrives ? AUDIT_ARRIVED : AUDIT_ENDED;
}

unsigned tmx_audit_decided_by_two(unsigned code)
{
    return code == TMX_CODE_RECIPIENT_LOST ? TMX_ACTION_LOSE : code == TMX_CODE_ENDED_BY_OPERATORS ? TMX_ACTION_EXPIRE : TMX_ACTION_NONE;
}

const char *tmx_audit_broker_ends(const Tmx__LogEntry *e, uint64_t expires_ms, const Tmx__Member *recipient,
                                  enum tmx_audit_state *ret_from)
{
    const bool expired = e->kind == TMX__ENTRY_KIND__ENTRY_EXPIRED;

    /* After the arrival the broker ends a delivery only as lost, before it never as that. */
    *ret_from = !expired && e->code == TMX_CODE_RECIPIENT_LOST ? AUDIT_ARRIVED : AUDIT_QUEUED;
    if (expired) {
        return e->time_ms < expires_ms ? "expired before its expiry" : NULL;
    }
    if (tmx_audit_decided_by_two(e->code) != TMX_ACTION_NONE) {
        return NULL;
    }
    if (e->code != TMX_CODE_RECIPIENT_REVOKED) {
        return "ended with a code with which the broker may end no delivery";
    }
    return recipient != NULL && recipient->status == TMX__MEMBER_STATUS__MEMBER_REVOKED
               ? NULL
               : "ended as revoked, but the recipient is not";
}

bool tmx_audit_admissible(const struct tmx_directory *d, const Tmx__Header *h, char ret_text[AUDIT_ADMISSION_MAX])
{
    const Tmx__Member *m = tmx_directory_member(d, tmx_pb(h->sender));

    if (!tmx_member_may_submit(m)) {
        snprintf(ret_text, AUDIT_ADMISSION_MAX, "the sender %.*s is not active", (int)h->sender.len,
                 (const char *)h->sender.data);
        return false;
    }
    if (!tmx_directory_type_allowed(m, tmx_pb(h->message_type))) {
        snprintf(ret_text, AUDIT_ADMISSION_MAX, "%.*s may not send %.*s", (int)h->sender.len,
                 (const char *)h->sender.data, (int)h->message_type.len, (const char *)h->message_type.data);
        return false;
    }
    for (size_t i = 0; i < h->n_recipients; i++) {
        const ProtobufCBinaryData to = h->recipients[i]->member;

        if (!tmx_member_may_collect(tmx_directory_member(d, tmx_pb(to)))) {
            snprintf(ret_text, AUDIT_ADMISSION_MAX, "the recipient %.*s is not listed, or revoked", (int)to.len,
                     (const char *)to.data);
            return false;
        }
    }
    return true;
}
