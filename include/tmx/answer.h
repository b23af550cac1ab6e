/* SPDX-License-Identifier: Apache-2.0
 * What both daemons answer operators alike (control.h documents the answers): JSON of the common terms, the directory,
 * and the installing of a new one. Functions that return json_t give a new reference; NULL when memory is short, which
 * json_pack and tmx_control_reply take.
 */
#pragma once

#include <tmx/ages.h>
#include <tmx/control.h>
#include <tmx/directory.h>
#include <tmx/operator.h>
#include <tmx/policy.h>
#include <tmx/series.h>
#include <tmx/spool_lmdb.h>

json_t *tmx_answer_text(struct tmx_bytes b); /* printable, at most 127 bytes */
json_t *tmx_answer_id(struct tmx_bytes id);  /* "" when it is not of TMX_ID_SIZE bytes */
json_t *tmx_answer_refusal(const char *code, const char *text);
uint64_t tmx_answer_age(uint64_t now_ms, uint64_t then_ms); /* 0 when then is later */

void tmx_answer_problem(json_t *problems, const char *severity, const char *text);
/* The same with the command that looks deeper. */
void tmx_answer_problem_see(json_t *problems, const char *severity, const char *see, const char *fmt, ...) TMX_PRINTF(4, 5);
/* A private key in use whose file is gone, or may not be read: without it there is no next start. */
void tmx_answer_key_problem(json_t *problems, const char *folder, const char *name);
/* {"unreadable": path} of it, added to an object; nothing when it can be read. */
void tmx_answer_key(json_t *object, const char *folder, const char *name);
/* At the pace of the last quarter of an hour the spool is full within a day. */
void tmx_answer_spool_problem(json_t *problems, struct tmx_spool *spool, const struct tmx_series *s);
/* How much of what was queued at the start is counted by its age: a status says so until it is all. */
void tmx_answer_counted(json_t *status, unsigned percent);
/* {"ages": [], "late"}, added to an object. */
void tmx_answer_ages(json_t *object, const struct tmx_ages_view *ages);
/* What status begins with; takes the reference of `problems`. The rest is added to it. */
json_t *tmx_answer_status(const char *role, const struct tmx_directory *directory, uint64_t started_ms, json_t *problems);
void tmx_answer_marker_problem(json_t *problems, bool unwritten);
/* What the dates of the directory mean now. `expired`: the daemon's own verdict. */
void tmx_answer_directory_problems(json_t *problems, const struct tmx_directory *directory, bool expired,
                                   uint64_t now_ms);
const char *tmx_answer_health(const json_t *problems); /* "ok", "warning", "critical": the worst of them */

/* {"origin", "size", "root"} of a signed checkpoint; of one that is empty or damaged: no origin, size 0. */
/* Adds to it by how many of the policy's witnesses a head of `size` leaves was cosigned, and how long ago. */
void tmx_answer_cosigned(json_t *log, unsigned witnesses, uint64_t size, const struct tmx_quorum *quorum, uint64_t wall_ms);
json_t *tmx_answer_log(struct tmx_bytes checkpoint);
json_t *tmx_answer_spool(struct tmx_spool *spool);   /* of tmx_spool_lmdb_open; "turns" were ever committed */
json_t *tmx_answer_directory(const struct tmx_directory *directory, const char *authority);
/* Which keys a container is sealed to; `front`: its first bytes, empty when it is not kept. */
json_t *tmx_answer_slots(const char *id, struct tmx_bytes front);
const char *tmx_answer_member_status(Tmx__MemberStatus status);

/* What the numbers of a daemon's samples are called. */
struct tmx_answer_series {
    const char *counters[TMX_SERIES_COUNTERS_MAX], *levels[TMX_SERIES_LEVELS_MAX], *latencies[TMX_SERIES_LATENCIES_MAX];
};
/* Adds "rates", "latency" and, where the spool fills, "full_in_ms" within "spool", as far as there are samples. The level of the
 * spool's used bytes is the first. */
void tmx_answer_pace(json_t *status, const struct tmx_series *s, const struct tmx_answer_series *names);
/* `history` with its words: the series as a document. */
json_t *tmx_answer_history(const struct tmx_series *s, const struct tmx_answer_series *names,
                           const struct tmx_control_request *r, uint64_t wall_ms);

/* Who may ask (OPS-11): whoever may connect looks, and signs what is to be done; anything else is for root and for `own`, the daemon's
 * own user. */
bool tmx_answer_may_ask(const struct tmx_control_request *r, uid_t own);
/* True: it was not for who asked, and is refused. */
bool tmx_answer_read_only(struct tmx_control *control, const struct tmx_control_request *r);

/* Operators. The file at `path`, signed by the key in `key_text`; n is 0 when both are NULL. Negative errno; then ret_error says in a
 * sentence what is wrong. */
int tmx_operators_load(const char *path, const char *key_text, struct tmx_operators *ret_operators, char *ret_error, size_t capacity)
    TMX_MUST_CHECK;
json_t *tmx_answer_no_operators(void);   /* the refusal that says what to do */
json_t *tmx_answer_operators(const struct tmx_operators *operators);
/* Whether a delivery is in the state for an action. */
typedef bool tmx_answer_fits_fn(void *daemon, const struct tmx_operation_delivery *t, enum tmx_action action);
/* The names of the actions that may be about that delivery now. */
json_t *tmx_answer_actions(tmx_answer_fits_fn *fits, void *daemon, const struct tmx_operation_delivery *t);
/* What an operator asks, for the next turn, which answers. */
struct tmx_operation_wish {
    struct tmx_bytes note;   /* malloc'ed; empty: nothing is asked */
    uint64_t client;
};
/* Keeps the request's attachment as the wish, or answers why not. */
void tmx_answer_operate(struct tmx_control *control, const struct tmx_control_request *r, const struct tmx_operators *operators,
                        struct tmx_operation_wish *wish);
void tmx_operation_wish_done(struct tmx_operation_wish *wish);
/* A signed request as it is kept: {"action", "by", "at_ms", "reason", "of"?, "member"?, "proposal"?, "deliveries"} */
json_t *tmx_answer_record(struct tmx_bytes note, const struct tmx_operators *operators);

/* Answers who asked: {"done", "index"? (0: none), "deliveries"}, or why nothing was done; `target` is that of E_DELIVERY. */
void tmx_answer_operated(struct tmx_control *c, uint64_t client, enum tmx_operation_result result, enum tmx_action action, uint64_t index,
                         size_t n, const struct tmx_operation_delivery *target);

/* A directory file that the next turn of the core is to install. One at a time. */
struct tmx_install {
    uint8_t *file; /* malloc'ed; NULL: none */
    size_t size;
    bool asked; /* `client` waits for the answer */
    uint64_t client;
};
/* `directory install`: takes a copy of the attachment, or refuses at once. */
void tmx_install_ask(struct tmx_install *in, struct tmx_control *c, const struct tmx_control_request *r);
/* The configured file, after SIGHUP; logs directory.unreadable. Nothing while another is waiting. */
void tmx_install_reload(struct tmx_install *in, const char *program, const char *path);
/* The turn is over: answers who asked, and forgets the file. `result` is an enum tmx_directory_error, `in_force` is the
 * directory after the turn. */
void tmx_install_done(struct tmx_install *in, struct tmx_control *c, int result, const struct tmx_directory *in_force);
