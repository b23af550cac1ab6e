/* SPDX-License-Identifier: Apache-2.0
 * Notifications to the service manager. It may be absent or deaf: nothing here can fail.
 */
#include <stdarg.h>
#include <stdio.h>

#include <systemd/sd-daemon.h>

#include <tmx/notify.h>

void tmx_notify_ready(void)
{
    (void)sd_notify(0, "READY=1");
}

void tmx_notify_reloading(void)
{
    (void)sd_notify(0, "RELOADING=1");
}

void tmx_notify_stopping(void)
{
    (void)sd_notify(0, "STOPPING=1");
}

void tmx_notify_status(const char *fmt, ...)
{
    char text[256];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    for (char *c = text; *c != '\0'; c++) {
        *c = *c == '\n' ? ' ' : *c; /* a newline would begin another assignment */
    }
    (void)sd_notifyf(0, "STATUS=%s", text);
}

uint64_t tmx_notify_watchdog_ms(void)
{
    uint64_t us = 0;
    return sd_watchdog_enabled(0, &us) > 0 ? us / 2000u : 0;
}

void tmx_notify_alive(void)
{
    (void)sd_notify(0, "WATCHDOG=1");
}
