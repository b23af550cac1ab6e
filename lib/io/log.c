/* SPDX-License-Identifier: Apache-2.0
 * The log: lines in logfmt on stderr.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tmx/clock.h>
#include <tmx/code.h>
#include <tmx/log.h>
#include <tmx/text.h>

#include "log_rate.h"

/* Room kept at the end of a line for " cut=1 suppressed=18446744073709551615\n". */
#define TAIL 48u

static enum tmx_log_level level_max = TMX_LOG_INFO;
static struct tmx_log_rate rate;

static const struct level_name {
    const char *name;
    enum tmx_log_level level;
} level_names[] = {
    { "error", TMX_LOG_ERROR }, { "warning", TMX_LOG_WARNING }, { "notice", TMX_LOG_NOTICE },
    { "info", TMX_LOG_INFO },   { "debug", TMX_LOG_DEBUG },
};

void tmx_log_set_level(enum tmx_log_level level)
{
    level_max = level;
}

bool tmx_log_parse_level(const char *name, enum tmx_log_level *ret_level)
{
    for (size_t i = 0; i < TMX_N(level_names); i++) {
        if (strcmp(name, level_names[i].name) == 0) {
            *ret_level = level_names[i].level;
            return true;
        }
    }
    return false;
}

static const char *level_name(enum tmx_log_level level)
{
    size_t i = 0;
    while (i < TMX_N(level_names) - 1 && level_names[i].level != level) {
        i++;
    }
    return level_names[i].name;
}

/* The journal gives the device and inode of the stream it made; a program whose stderr was redirected since, or
 * that was started from a shell within a service, must not print priorities. */
static bool under_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat st;
    if (stream == NULL || fstat(STDERR_FILENO, &st) < 0) {
        return false;
    }
    char own[48];
    (void)snprintf(own, sizeof(own), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
    return strcmp(stream, own) == 0;
}

static void append(struct tmx_log_line *l, const char *text, size_t size)
{
    assert(size <= sizeof(l->text) - l->used);
    memcpy(l->text + l->used, text, size);
    l->used += size;
}

/* A whole pair or none of it; `value` is quoted already where it must be. */
static void pair(struct tmx_log_line *l, const char *key, const char *value)
{
    size_t key_size = strlen(key);
    size_t value_size = strlen(value);
    if (!l->on) {
        return;
    }
    if (1 + key_size + 1 + value_size > sizeof(l->text) - TAIL - l->used) {
        l->cut = true;
        return;
    }
    append(l, " ", 1);
    append(l, key, key_size);
    append(l, "=", 1);
    append(l, value, value_size);
}

void tmx_log_begin(struct tmx_log_line *ret_line, enum tmx_log_level level, const char *event)
{
    struct tmx_log_line *l = ret_line;
    l->event = event;
    l->level = level;
    l->on = level <= level_max;
    l->cut = false;
    l->used = 0;
    if (!l->on) {
        return;
    }
    char head[64];
    if (under_journal()) {
        (void)snprintf(head, sizeof(head), "<%u>", (unsigned)level);
    } else {
        char time[TMX_TIME_TEXT_SIZE];
        tmx_time_text(tmx_clock_wall_ms(), time);
        (void)snprintf(head, sizeof(head), "%s %-7s ", time, level_name(level));
    }
    append(l, head, strlen(head));
    append(l, "event=", 6);
    append(l, event, strnlen(event, TMX_LOG_VALUE_MAX));
}

void tmx_log_bytes(struct tmx_log_line *l, const char *key, struct tmx_bytes value)
{
    if (!l->on) {
        return;
    }
    char plain[TMX_LOG_VALUE_MAX];
    tmx_printable(value, plain, sizeof(plain));
    if (plain[0] != '\0' && strpbrk(plain, " =\"\\") == NULL) {
        pair(l, key, plain);
        return;
    }
    char quoted[2 * TMX_LOG_VALUE_MAX + 2];
    size_t n = 0;
    quoted[n++] = '"';
    for (const char *c = plain; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\') {
            quoted[n++] = '\\';
        }
        quoted[n++] = *c;
    }
    quoted[n++] = '"';
    quoted[n] = '\0';
    pair(l, key, quoted);
}

void tmx_log_str(struct tmx_log_line *l, const char *key, const char *value)
{
    tmx_log_bytes(l, key, tmx_bytes_str(value));
}

void tmx_log_hex(struct tmx_log_line *l, const char *key, struct tmx_bytes value)
{
    char text[2 * 64 + 1];
    tmx_hex(tmx_bytes_slice(value, 0, value.size < 64 ? value.size : 64), text);
    pair(l, key, text);
}

void tmx_log_u64(struct tmx_log_line *l, const char *key, uint64_t value)
{
    char text[24];
    (void)snprintf(text, sizeof(text), "%ju", (uintmax_t)value);
    pair(l, key, text);
}

void tmx_log_id(struct tmx_log_line *l, const char *key, const uint8_t id[16])
{
    char text[TMX_ID_TEXT_SIZE];
    tmx_id_text(id, text);
    pair(l, key, text);
}

void tmx_log_code(struct tmx_log_line *l, const char *key, unsigned code)
{
    pair(l, key, tmx_code_name(code));
}

void tmx_log_errno(struct tmx_log_line *l, const char *key, int error)
{
    const char *text = strerrordesc_np(error < 0 ? -error : error);
    tmx_log_str(l, key, text != NULL ? text : "unknown error");
}

static void write_line(struct tmx_log_line *l, uint64_t suppressed)
{
    if (l->cut) {
        append(l, " cut=1", 6);
    }
    if (suppressed > 0) {
        char text[40];
        (void)snprintf(text, sizeof(text), " suppressed=%ju", (uintmax_t)suppressed);
        append(l, text, strlen(text));
    }
    append(l, "\n", 1);
    /* One write: lines of several processes do not mix. Nobody can be told that the log is gone. */
    ssize_t n = write(STDERR_FILENO, l->text, l->used);
    (void)n;
}

void tmx_log_end(struct tmx_log_line *l)
{
    uint64_t suppressed;
    if (l->on && tmx_log_rate_pass(&rate, l->event, tmx_clock_mono_ms(), &suppressed)) {
        write_line(l, suppressed);
    }
    l->on = false;
}

void tmx_log_event(enum tmx_log_level level, const char *event)
{
    struct tmx_log_line l;
    tmx_log_begin(&l, level, event);
    tmx_log_end(&l);
}

void tmx_log_text(enum tmx_log_level level, const char *event, const char *fmt, ...)
{
    char text[TMX_LOG_LINE_MAX];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    struct tmx_log_line l;
    tmx_log_begin(&l, level, event);
    tmx_log_str(&l, "text", text);
    tmx_log_end(&l);
}

void tmx_log_tick(void)
{
    uint64_t suppressed;
    const char *event = tmx_log_rate_over(&rate, tmx_clock_mono_ms(), &suppressed);
    while (event != NULL) {
        struct tmx_log_line l;
        tmx_log_begin(&l, TMX_LOG_WARNING, event);
        if (l.on) {
            write_line(&l, suppressed);
        }
        event = tmx_log_rate_over(&rate, tmx_clock_mono_ms(), &suppressed);
    }
}
