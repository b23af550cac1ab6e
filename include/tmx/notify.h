/* SPDX-License-Identifier: Apache-2.0
 * The service manager (sd_notify) and signals. Without a service manager the notifications do nothing.
 */
#pragma once

#include <tmx/err.h>

void tmx_notify_ready(void);      /* serving; also ends a reload */
void tmx_notify_reloading(void);
void tmx_notify_stopping(void);
/* One line for `systemctl status`; cut at 255 bytes. */
void tmx_notify_status(const char *fmt, ...) TMX_PRINTF(1, 2);

/* How often to call tmx_notify_alive: half of WatchdogSec; 0 = no watchdog is set. */
uint64_t tmx_notify_watchdog_ms(void);
void tmx_notify_alive(void);

/* Blocks SIGTERM, SIGINT and SIGHUP, ignores SIGPIPE and returns a non-blocking descriptor that is readable when one
 * of the three came. Call it before anything is started; children must unblock them (tmx_signals_reset). Negative
 * errno. */
int tmx_signals_open(int *ret_fd) TMX_MUST_CHECK;
/* What came since: SIGTERM and SIGINT set *stop, SIGHUP sets *reload. */
void tmx_signals_take(int fd, bool *stop, bool *reload);
/* In a child between fork and exec: default dispositions, nothing blocked. */
void tmx_signals_reset(void);
