/* SPDX-License-Identifier: Apache-2.0
 * What both daemons ask of a request before they look at what it is about, and how they say no.
 */
#include <string.h>

#include <tmx/operator.h>

static const struct {
    const char *name, *text;
} results[] = {
    [TMX_OPERATION_OK] = { "ok", "done" },
    [TMX_OPERATION_E_FORMAT] = { "malformed", "this is no request of an operator in its one form" },
    [TMX_OPERATION_E_SIGNATURE] = { "bad-signature", "no operator of this installation has signed it: tmxctl operators lists them" },
    [TMX_OPERATION_E_INSTALLATION] = { "other-installation", "it was signed for another installation" },
    [TMX_OPERATION_E_RIGHT] = { "forbidden", "this operator has no right to it: tmxctl operators lists the rights" },
    [TMX_OPERATION_E_TIME] = { "stale", "it was signed more than 5 minutes ago, or one of the clocks is off: ask again" },
    [TMX_OPERATION_E_REPEATED] = { "repeated", "this very request was carried out before" },
    [TMX_OPERATION_E_HALTED] = { "not-ready", "the broker signs nothing any more: tmxctl status says why" },
    [TMX_OPERATION_E_ALONE] = { "two-operators", "what destroys is proposed (tmxctl propose), and another operator approves it" },
    [TMX_OPERATION_E_MEMBER] = { "unknown-member", "no such member in the directory" },
    [TMX_OPERATION_E_DELIVERY] = { "target-changed", "it is not in the state that this is for, or not any more: look again" },
    [TMX_OPERATION_E_NOTHING] = { "nothing", "nothing would change: it is so already" },
    [TMX_OPERATION_E_PROPOSAL] = { "no-proposal", "no such proposal is open: it was carried out or withdrawn, or 24 hours are over; "
                                                  "tmxctl proposals lists them" },
    [TMX_OPERATION_E_CHANGED] = { "target-changed", "the proposal is another one than that which was approved: look at it again" },
    [TMX_OPERATION_E_SAME_KEY] = { "same-operator", "who proposed it may not approve it: another operator has to" },
    [TMX_OPERATION_E_PROPOSER] = { "proposer-gone", "who proposed it has no right to it any more: it has to be proposed again" },
    [TMX_OPERATION_E_PROPOSALS] = { "too-many", "32 proposals are open: approve or withdraw some" },
    [TMX_OPERATION_E_HERE] = { "unknown-action", "this daemon does not do this" },
    [TMX_OPERATION_E_PROBE] = { "not-ready", "no probe can be sent now: tmxctl status says why" },
};

const char *tmx_operation_result_name(enum tmx_operation_result result)
{
    return results[result].name;
}

const char *tmx_operation_result_text(enum tmx_operation_result result)
{
    return results[result].text;
}

enum tmx_operation_result tmx_operation_judge(const struct tmx_operators *operators, struct tmx_bytes note, uint64_t now_ms,
                                              struct tmx_operation *ret_operation, const struct tmx_operator **ret_who)
{
    struct tmx_bytes text;
    const struct tmx_operator *who = note.size > TMX_OPERATION_MAX ? NULL : tmx_operation_signer(operators, note, &text);
    if (who == NULL) {
        return TMX_OPERATION_E_SIGNATURE;
    }
    if (!tmx_operation_parse(text, ret_operation) || ret_operation->action == TMX_ACTION_LAPSE) {
        return TMX_OPERATION_E_FORMAT;
    }
    const struct tmx_operation *op = ret_operation;
    if (strcmp(op->installation, operators->installation) != 0) {
        return TMX_OPERATION_E_INSTALLATION;
    }
    if (tmx_action_target(op->action) != TMX_TARGET_PROPOSAL && !tmx_operator_may(who, op->of != TMX_ACTION_NONE ? op->of : op->action)) {
        return TMX_OPERATION_E_RIGHT;
    }
    /* A clock in doubt is good enough, when the operator's agrees with it. */
    if (tmx_apart(op->time_ms, now_ms) > TMX_OPERATION_FRESH_MS) {
        return TMX_OPERATION_E_TIME;
    }
    *ret_who = who;
    return TMX_OPERATION_OK;
}
