/* SPDX-License-Identifier: Apache-2.0
 * One logfmt line per fact on stderr:
 *
 *     event=message.accepted id=0192f3a0-… from=DE to=FR bytes=2048
 *
 * A line is built on the stack and written in one write(2). Under a journal (JOURNAL_STREAM names this stderr) it
 * begins with the priority `<6>`, otherwise with the time and the level. The message id is the first pair of a line
 * that has one. Never payload, never a secret. Only programs and lib/io log.
 *
 *     struct tmx_log_line l;
 *     tmx_log_begin(&l, TMX_LOG_INFO, "message.accepted");
 *     tmx_log_id(&l, "id", id);
 *     tmx_log_bytes(&l, "from", sender);
 *     tmx_log_end(&l);
 *
 * Event names and keys are literals of [a-z0-9._-]; values are quoted where needed, made printable and cut. Above
 * TMX_LOG_RATE_LINES of one event in TMX_LOG_RATE_MS the rest of that time is silent, and the event's next line, or
 * tmx_log_tick, says suppressed=412.
 */
#pragma once

#include <tmx/bytes.h>
#include <tmx/limits.h>

/* syslog(3) numbers */
enum tmx_log_level {
    TMX_LOG_ERROR = 3,     /* something is lost or the program ends */
    TMX_LOG_WARNING = 4,   /* an operator should look: every alarm */
    TMX_LOG_NOTICE = 5,    /* rare and normal: start, stop, reload, link up and down, directory */
    TMX_LOG_INFO = 6,      /* one per message and step */
    TMX_LOG_DEBUG = 7,
};

struct tmx_log_line {
    const char *event;
    enum tmx_log_level level;
    bool on;      /* passes the level filter */
    bool cut;     /* a pair did not fit: the line ends in cut=1 */
    size_t used;
    char text[TMX_LOG_LINE_MAX];
};

/* Lines above `level` are dropped; TMX_LOG_INFO at first. May be called at any time (reload). */
void tmx_log_set_level(enum tmx_log_level level);
/* "error", "warning", "notice", "info", "debug". */
bool tmx_log_parse_level(const char *name, enum tmx_log_level *ret_level) TMX_MUST_CHECK;
#define TMX_LOG_LEVELS "error", "warning", "notice", "info", "debug"

void tmx_log_begin(struct tmx_log_line *ret_line, enum tmx_log_level level, const char *event);
void tmx_log_str(struct tmx_log_line *l, const char *key, const char *value);
void tmx_log_bytes(struct tmx_log_line *l, const char *key, struct tmx_bytes value);
void tmx_log_hex(struct tmx_log_line *l, const char *key, struct tmx_bytes value);
void tmx_log_u64(struct tmx_log_line *l, const char *key, uint64_t value);
void tmx_log_id(struct tmx_log_line *l, const char *key, const uint8_t id[16]);
void tmx_log_code(struct tmx_log_line *l, const char *key, unsigned code);   /* its name: enum tmx_code */
void tmx_log_errno(struct tmx_log_line *l, const char *key, int error);      /* its text; either sign */
void tmx_log_end(struct tmx_log_line *l);

/* Lines without pairs, or with one text. */
void tmx_log_event(enum tmx_log_level level, const char *event);
void tmx_log_text(enum tmx_log_level level, const char *event, const char *fmt, ...)   /* text="…" */
    TMX_PRINTF(3, 4);

/* Reports what was suppressed of events that have ended. Call it about once a second. */
void tmx_log_tick(void);
