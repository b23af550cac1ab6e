/* SPDX-License-Identifier: Apache-2.0
 * Rules of the log that two readers share: the audit of a whole log (verify.c) and of what a bundle holds of one
 * message (evidence.c). Each says what is wrong in a text, and leaves to its caller what follows from that.
 */
#pragma once

#include <tmx/directory.h>
#include <tmx/envelope.h>

/* Of a delivery, as the log has it (proto/README.md, section Reports). */
enum tmx_audit_state {
    AUDIT_QUEUED,
    AUDIT_ARRIVED,
    AUDIT_ENDED,
};
const char *tmx_audit_state_name(enum tmx_audit_state state);

/* The state a report needs and the one it leads to. */
void tmx_audit_report_moves(Tmx__Outcome outcome, enum tmx_audit_state *ret_from, enum tmx_audit_state *ret_to);
/* The action by which two operators end a delivery with this code of an EXCEPTION; TMX_ACTION_NONE: they do not. */
unsigned tmx_audit_decided_by_two(unsigned code);
/* An EXPIRED or EXCEPTION entry ends a delivery: the state it needs. Returns what is wrong with the entry itself, or
 * NULL. `expires_ms` 0: not known; `recipient` as the directory in force lists it, or NULL. */
const char *tmx_audit_broker_ends(const Tmx__LogEntry *e, uint64_t expires_ms, const Tmx__Member *recipient,
                                  enum tmx_audit_state *ret_from);

#define AUDIT_ADMISSION_MAX 160u
/* Who may take part: the sender is active and allowed the type, every recipient is listed and not revoked. True: they
 * may; otherwise the first who may not is described. */
bool tmx_audit_admissible(const struct tmx_directory *d, const Tmx__Header *h,
                          char ret_text[AUDIT_ADMISSION_MAX]) TMX_MUST_CHECK;
