/* SPDX-License-Identifier: Apache-2.0
 * Operators of one installation (a broker, a node), and what they ask of it: OPS-n. Both are signed notes (tmx/note.h).
 *
 * The list of operators, signed by the installation's key, whose verifier key the configuration pins and whose name is
 * that of the installation:
 *
 *     tmx-operators@v1
 *     installation <name>
 *     operator <verifier key> <right>,<right>…      one a line; a right is the name of an action, or "all"
 *
 * A request, signed by one of them:
 *
 *     tmx-operation@v1
 *     installation <name>
 *     action <name>
 *     of <action>                     propose: what is to be done
 *     proposal <entry> <base64>       approve, withdraw: the PROPOSE entry, D(its signed request)
 *     member <code>                   pause, resume, disconnect, ping; retry
 *     delivery <id> <recipient>       hold, release, replay, expire, lose; retry: each on a line, each once
 *     reason <text>
 *     time <ms since 1970>
 *     nonce <base64 of 32 bytes>
 *
 * One form only: the lines in this order, those that do not belong to the action left out.
 */
#pragma once

#include <tmx/note.h>

/* What a request names. */
enum tmx_operation_target {
    TMX_TARGET_NONE = 1,
    TMX_TARGET_MEMBER,
    TMX_TARGET_DELIVERIES,
    TMX_TARGET_EITHER,      /* a member or deliveries */
    TMX_TARGET_ACTION,      /* another action, and what that one names */
    TMX_TARGET_PROPOSAL,
};

/* X(number in the log, NAME, "name", what it names, two operators decide it) */
#define TMX_ACTIONS(X)                                                                                                \
    X(1, PAUSE, "pause", TMX_TARGET_MEMBER, false)                                                                    \
    X(2, RESUME, "resume", TMX_TARGET_MEMBER, false)                                                                  \
    X(3, DRAIN, "drain", TMX_TARGET_NONE, false)                                                                      \
    X(4, ADMIT, "admit", TMX_TARGET_NONE, false)                                                                      \
    X(5, HOLD, "hold", TMX_TARGET_DELIVERIES, false)                                                                  \
    X(6, RELEASE, "release", TMX_TARGET_DELIVERIES, false)                                                            \
    X(7, RETRY, "retry", TMX_TARGET_EITHER, false)                                                                    \
    X(8, DISCONNECT, "disconnect", TMX_TARGET_MEMBER, false)                                                          \
    X(9, RELOAD, "reload", TMX_TARGET_NONE, false)                                                                    \
    X(10, EXPIRE, "expire", TMX_TARGET_DELIVERIES, true)                                                              \
    X(11, LOSE, "lose", TMX_TARGET_DELIVERIES, true)                                                                  \
    X(12, PROPOSE, "propose", TMX_TARGET_ACTION, false)                                                               \
    X(13, APPROVE, "approve", TMX_TARGET_PROPOSAL, false)                                                             \
    X(14, WITHDRAW, "withdraw", TMX_TARGET_PROPOSAL, false)                                                           \
    X(15, LAPSE, "lapse", TMX_TARGET_PROPOSAL, false)   /* by the broker: nobody has approved in time */              \
    X(16, TRUST, "trust", TMX_TARGET_NONE, false)                                                                     \
    X(17, REPLAY, "replay", TMX_TARGET_DELIVERIES, false)                                                             \
    X(18, PING, "ping", TMX_TARGET_MEMBER, false)

enum tmx_action {
    TMX_ACTION_NONE,
#define X(number, NAME, name, target, two) TMX_ACTION_##NAME = number,
    TMX_ACTIONS(X)
#undef X
        TMX_ACTIONS_END
};

/* "none" for what is no action. */
const char *tmx_action_name(unsigned action);
bool tmx_action_find(struct tmx_bytes name, enum tmx_action *ret_action) TMX_MUST_CHECK;
enum tmx_operation_target tmx_action_target(enum tmx_action action);
/* It destroys: one operator proposes it, another one executes it. */
bool tmx_action_by_two(enum tmx_action action);
/* Which daemon does it; some both do. */
bool tmx_action_at_broker(enum tmx_action action);
bool tmx_action_at_node(enum tmx_action action);

struct tmx_operator {
    struct tmx_verify_key key;
    uint32_t rights;        /* bits 1 << enum tmx_action */
};

struct tmx_operators {
    char installation[TMX_KEYNAME_MAX + 1];
    size_t n;
    struct tmx_operator operators[TMX_OPERATORS_MAX];
};

/* The unsigned text of a list. False: ret_error says in a sentence what is wrong and in which line. */
bool tmx_operators_parse(struct tmx_bytes text, struct tmx_operators *ret_operators, char *ret_error, size_t capacity) TMX_MUST_CHECK;
/* The list as it lies on disk: signed by `key`, and of the installation of that name. */
bool tmx_operators_verify(struct tmx_bytes note, const struct tmx_verify_key *key, struct tmx_operators *ret_operators, char *ret_error,
                          size_t capacity) TMX_MUST_CHECK;
const struct tmx_operator *tmx_operators_by_key(const struct tmx_operators *o, const uint8_t public[32]);
bool tmx_operator_may(const struct tmx_operator *o, enum tmx_action action);

struct tmx_operation {
    char installation[TMX_KEYNAME_MAX + 1];
    enum tmx_action action;
    enum tmx_action of;                    /* PROPOSE; otherwise NONE */
    uint64_t proposal;                     /* APPROVE, WITHDRAW: entry */
    uint8_t proposal_digest[TMX_HASH_SIZE];
    char member[TMX_MEMBER_MAX + 1];       /* "" = none */
    size_t n_targets;
    struct tmx_operation_delivery {
        uint8_t id[TMX_ID_SIZE];
        char recipient[TMX_MEMBER_MAX + 1];
    } targets[TMX_OPERATION_TARGETS_MAX];
    char reason[TMX_OPERATION_REASON_MAX + 1];
    uint64_t time_ms;
    uint8_t nonce[TMX_OPERATION_NONCE];
};

/* 1 to TMX_OPERATION_REASON_MAX bytes, printable, one line. */
bool tmx_operation_reason_ok(struct tmx_bytes reason);
/* The text to be signed; `w` holds TMX_OPERATION_MAX. */
void tmx_operation_text(const struct tmx_operation *op, struct tmx_writer *w);
/* False: not one, or not in the one form. */
bool tmx_operation_parse(struct tmx_bytes text, struct tmx_operation *ret_operation) TMX_MUST_CHECK;
/* Who of the list has signed the note, and its text; NULL: nobody. */
const struct tmx_operator *tmx_operation_signer(const struct tmx_operators *operators, struct tmx_bytes note, struct tmx_bytes *ret_text);

/* What becomes of a request: all of it is done, or nothing. */
enum tmx_operation_result {
    TMX_OPERATION_OK,
    TMX_OPERATION_E_FORMAT = 1,            /* no request in its one form */
    TMX_OPERATION_E_SIGNATURE,             /* nobody of the list has signed it */
    TMX_OPERATION_E_INSTALLATION,          /* it is for another one */
    TMX_OPERATION_E_RIGHT,                 /* its signer may not */
    TMX_OPERATION_E_TIME,                  /* it is too old, or from the future */
    TMX_OPERATION_E_REPEATED,              /* it was asked before */
    TMX_OPERATION_E_HALTED,                /* the broker signs nothing any more */
    TMX_OPERATION_E_ALONE,                 /* what destroys is proposed, and another operator approves */
    TMX_OPERATION_E_MEMBER,                /* no such member */
    TMX_OPERATION_E_DELIVERY,              /* `target`: no such delivery, or not one in that state any more */
    TMX_OPERATION_E_NOTHING,               /* it is so already: nothing would change */
    TMX_OPERATION_E_PROPOSAL,              /* no such proposal is open */
    TMX_OPERATION_E_CHANGED,               /* the proposal is another than the one that is approved */
    TMX_OPERATION_E_SAME_KEY,              /* who proposed it may not approve it */
    TMX_OPERATION_E_PROPOSER,              /* who proposed it may not do that any more */
    TMX_OPERATION_E_PROPOSALS,             /* too many are open */
    TMX_OPERATION_E_HERE,                  /* not an action of this daemon */
    TMX_OPERATION_E_PROBE,                 /* no probe can be sent now */
};
const char *tmx_operation_result_name(enum tmx_operation_result result);
/* What is wrong, and what to do. */
const char *tmx_operation_result_text(enum tmx_operation_result result);

/* Form, signature, installation, right and time (OPS-3, OPS-4), in this order; whether it came before, and what it is about, the daemon
 * knows. The right to approve or withdraw is that to what was proposed. */
enum tmx_operation_result tmx_operation_judge(const struct tmx_operators *operators, struct tmx_bytes note, uint64_t now_ms,
                                              struct tmx_operation *ret_operation, const struct tmx_operator **ret_who) TMX_MUST_CHECK;
