/* SPDX-License-Identifier: Apache-2.0
 * What an answer says to each question. What is beyond its limit is a warning; critical is what stops the exchange, or what is four
 * times beyond. An answer that does not hold what is asked is unknown, never well.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "screen.h"

#define MINUTE_MS 60000u
#define DAY_MS UINT64_C(86400000)
#define BACKLOG_MS (20u * MINUTE_MS)
#define FAR_BEYOND 4u
#define DISK_WARNING_PERCENT 80u
#define DISK_WARNING_MS DAY_MS
#define DAMAGE_WARNING_MS (7 * DAY_MS)
#define UNCOSIGNED_WARNING_MS (10u * MINUTE_MS)
#define UNCOSIGNED_CRITICAL_MS (60u * MINUTE_MS)
#define WITHIN_MS (30 * DAY_MS)
#define EXPIRY_CRITICAL_MS (7 * DAY_MS)
#define PREKEYS_WARNING_MS (3 * DAY_MS)
#define NAMES_MAX 5u

static void say(struct verdict *v, int code, const char *fmt, ...) TMX_PRINTF(3, 4);

static void say(struct verdict *v, int code, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(v->text, sizeof(v->text), fmt, args);
    va_end(args);
    v->code = code;
}

static void measure(struct verdict *v, const char *fmt, ...) TMX_PRINTF(2, 3);

static void measure(struct verdict *v, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(v->measured, sizeof(v->measured), fmt, args);
    va_end(args);
}

static bool lacks(struct verdict *v, const json_t *answer, const char *key)
{
    if (json_object_get(answer, key) == NULL) {
        say(v, EXIT_UNKNOWN, "its answer says nothing of that (%s): it may be of another version", key);
        return true;
    }
    return false;
}

static void backlog(const json_t *s, const struct check_limits *limits, struct verdict *v)
{
    uint64_t own = u64_of(s, "late_after_ms"), limit = limits->max_age_ms != 0 ? limits->max_age_ms : own != 0 ? own : BACKLOG_MS;
    uint64_t oldest = 0, queued = 0;
    const json_t *rows = json_object_get(s, "destinations"), *worst = NULL;
    size_t i;
    json_t *row;
    if (lacks(v, s, "destinations")) {
        return;
    }
    if (json_object_get(s, "counted_percent") != NULL && json_object_get(s, "link") != NULL) {
        say(v, EXIT_UNKNOWN, "this node has just started and counts what is open: %s %%", number_of(s, "counted_percent"));
        return;
    }
    json_array_foreach(rows, i, row)
    {
        uint64_t age = u64_of(row, "oldest_ms");
        bool open = json_object_get(row, "open") != NULL;   /* a node's: what waits is among it */
        queued += u64_of(row, open ? "open" : "queued");
        if (u64_of(row, "queued") + u64_of(row, "open") > 0 && lacks(v, row, "oldest_ms")) {
            return;
        }
        worst = worst == NULL || age > oldest ? row : worst;
        oldest = age > oldest ? age : oldest;
    }
    int code = oldest > FAR_BEYOND * limit ? EXIT_CRITICAL : oldest > limit ? EXIT_WARNING : EXIT_OK;
    if (queued == 0) {
        say(v, EXIT_OK, "nothing waits");
    } else {
        say(v, code, "%s: oldest %s (limit %s), %ju wait in all", text_of(worst, "member"), duration_text(oldest),
            duration_text(limit), (uintmax_t)queued);
    }
    measure(v, "oldest=%jus;%ju;%ju queued=%ju", (uintmax_t)(oldest / 1000), (uintmax_t)(limit / 1000),
            (uintmax_t)(FAR_BEYOND * limit / 1000), (uintmax_t)queued);
}

/* In how long, or that it is over. */
static const char *left_text(uint64_t at_ms, uint64_t now_ms)
{
    return at_ms > now_ms ? duration_text(at_ms - now_ms) : "is over";
}

static uint64_t left_ms(uint64_t at_ms, uint64_t now_ms)
{
    return at_ms > now_ms ? at_ms - now_ms : 0;
}

static void directory(const json_t *s, const struct check_limits *limits, struct verdict *v)
{
    const json_t *d = json_object_get(s, "directory");
    uint64_t within = limits->within_ms != 0 ? limits->within_ms : WITHIN_MS;
    if (lacks(v, s, "directory")) {
        return;
    }
    uint64_t left = left_ms(u64_of(d, "expires_at_ms"), u64_of(s, "at_ms"));
    say(v, left < EXPIRY_CRITICAL_MS ? EXIT_CRITICAL : left < within ? EXIT_WARNING : EXIT_OK, "serial %s %s %s UTC%s%s",
        number_of(d, "serial"), left > 0 ? "expires" : "expired", time_of(d, "expires_at_ms"), left > 0 ? ", in " : "",
        left > 0 ? duration_text(left) : "");
    measure(v, "left=%jus;%ju:;%ju:", (uintmax_t)(left / 1000), (uintmax_t)(within / 1000), (uintmax_t)(EXPIRY_CRITICAL_MS / 1000));
}

/* What is renewed by hand ends within the limit; dated prekeys, which a node renews each day, within three days. */
static void keys(const json_t *s, const struct check_limits *limits, struct verdict *v)
{
    const json_t *k = json_object_get(s, "keys");
    uint64_t now = u64_of(s, "at_ms"), until = u64_of(k, "prekeys_until_at_ms");
    if (lacks(v, s, "keys")) {
        return;
    }
    if (json_object_get(k, "unreadable") != NULL) {
        say(v, EXIT_CRITICAL, "%s cannot be read, and the next start needs it", text_of(k, "unreadable"));
        return;
    }
    directory(s, limits, v);
    if (v->code == EXIT_CRITICAL) {
        return;
    }
    if (until == 0) {
        say(v, v->code, "no prekeys are published yet; the directory, which lists all keys, is good for %s",
            left_text(u64_of(json_object_get(s, "directory"), "expires_at_ms"), now));
        return;
    }
    bool soon = left_ms(until, now) < PREKEYS_WARNING_MS;
    int code = soon && until <= now ? EXIT_CRITICAL : soon ? EXIT_WARNING : v->code;
    say(v, code, "prekeys of %s: %s; directory: %s", text_of(k, "prekeys_of"), left_text(until, now),
        left_text(u64_of(json_object_get(s, "directory"), "expires_at_ms"), now));
    measure(v, "prekeys=%jus;%ju:;0:", (uintmax_t)(left_ms(until, now) / 1000), (uintmax_t)(PREKEYS_WARNING_MS / 1000));
}

static void log_head(const json_t *s, const struct check_limits *limits, struct verdict *v)
{
    const json_t *log = json_object_get(s, "log");
    bool node = strcmp(text_of(s, "role"), "node") == 0;
    (void)limits;
    if (lacks(v, s, "log") || lacks(v, log, "stopped")) {
        return;
    }
    if (json_is_true(json_object_get(log, "stopped"))) {
        say(v, EXIT_CRITICAL, node ? "the broker showed what does not fit its log: nothing of it is used"
                                   : "a node showed a head beyond this log: nothing is signed any more");
    } else if (u64_of(log, "size") == 0) {
        say(v, EXIT_WARNING, "no head of the log yet");
    } else {
        say(v, EXIT_OK, "%s, %s entries", text_of(log, "origin"), number_of(log, "size"));
    }
    measure(v, "entries=%ju", (uintmax_t)u64_of(log, "size"));
}

static void disk(const json_t *s, const struct check_limits *limits, struct verdict *v)
{
    const json_t *spool = json_object_get(s, "spool");
    uint64_t percent = u64_of(spool, "percent"), full = u64_of(spool, "full_in_ms");
    bool forecast = json_object_get(spool, "full_in_ms") != NULL;
    (void)limits;
    if (lacks(v, s, "spool") || lacks(v, spool, "full")) {
        return;
    }
    const json_t *damaged = json_object_get(spool, "damaged");
    bool fresh = damaged != NULL && u64_of(damaged, "age_ms") <= DAMAGE_WARNING_MS;
    bool stopped = json_is_true(json_object_get(spool, "full"));
    bool warn = fresh || percent >= DISK_WARNING_PERCENT || (forecast && full < DISK_WARNING_MS);
    say(v, stopped ? EXIT_CRITICAL : warn ? EXIT_WARNING : EXIT_OK, "%s of %s (%ju %%)%s%s%s%s%s%s", bytes_of(spool, "used_bytes"),
        bytes_of(spool, "capacity_bytes"), (uintmax_t)percent, forecast ? ", full in " : "", forecast ? duration_text(full) : "",
        stopped ? ": nothing new is taken" : "", fresh ? "; it damaged " : "", fresh ? number_of(damaged, "records") : "",
        fresh ? " records: tmx-node doctor" : "");
    measure(v, "used=%ju%%;%u;100", (uintmax_t)percent, DISK_WARNING_PERCENT);
}

static void clock_doubt(const json_t *s, const struct check_limits *limits, struct verdict *v)
{
    (void)limits;
    if (lacks(v, s, "clock_doubt")) {
        return;
    }
    bool doubt = json_is_true(json_object_get(s, "clock_doubt"));
    say(v, doubt ? EXIT_CRITICAL : EXIT_OK, "%s",
        doubt ? "it jumped, or disagrees with the others: nothing expires, and the broker admits nothing" : "nobody disagrees with it");
}

static void cosigned(const json_t *s, const struct check_limits *limits, struct verdict *v)
{
    const json_t *log = json_object_get(s, "log"), *c = json_object_get(log, "cosigned");
    (void)limits;
    if (lacks(v, s, "log")) {
        return;
    }
    if (c == NULL) {
        say(v, EXIT_OK, "this federation asks for no witnesses");
        return;
    }
    uint64_t behind = left_ms(u64_of(log, "size"), u64_of(c, "size")), age = u64_of(c, "age_ms");
    int late = age > UNCOSIGNED_CRITICAL_MS ? EXIT_CRITICAL : age > UNCOSIGNED_WARNING_MS ? EXIT_WARNING : EXIT_OK;
    if (u64_of(c, "size") == 0) {
        say(v, EXIT_WARNING, "no head is cosigned yet by a quorum of the %s witnesses", number_of(c, "witnesses"));
    } else {
        say(v, behind > 0 ? late : EXIT_OK, "by %s of %s witnesses %s ago, %ju entries behind", number_of(c, "by"),
            number_of(c, "witnesses"), duration_text(age), (uintmax_t)behind);
    }
    measure(v, "by=%ju behind=%ju", (uintmax_t)u64_of(c, "by"), (uintmax_t)behind);
}

/* Of a broker its members, those that are to be linked; of a node its own link. */
static void own_link(const json_t *s, struct verdict *v)
{
    const json_t *link = json_object_get(s, "link");
    bool up = strcmp(text_of(link, "state"), "up") == 0;
    say(v, up ? EXIT_OK : EXIT_CRITICAL, "the link to the broker at %s is %s", text_of(link, "endpoint"),
        up ? "up" : "down: submissions wait here");
}

static void peers(const json_t *s, const struct check_limits *limits, struct verdict *v)
{
    const json_t *rows = json_object_get(s, "destinations");
    char away[160] = "";
    size_t used = 0, n_away = 0, n = 0, i;
    json_t *row;
    (void)limits;
    if (json_object_get(s, "link") != NULL) {
        own_link(s, v);
        return;
    }
    if (lacks(v, s, "destinations")) {
        return;
    }
    json_array_foreach(rows, i, row)
    {
        if (json_object_get(row, "status") != NULL && strcmp(text_of(row, "status"), "revoked") == 0) {
            continue;
        }
        n++;
        if (strcmp(text_of(row, "link"), "up") == 0) {
            continue;
        }
        if (n_away++ < NAMES_MAX) {
            int more = snprintf(away + used, sizeof(away) - used, "%s%.16s", used > 0 ? ", " : "", text_of(row, "member"));
            used += (size_t)more;
        }
    }
    say(v, n_away == 0 ? EXIT_OK : n_away == n ? EXIT_CRITICAL : EXIT_WARNING, "%zu of %zu members are linked%s%s%s", n - n_away, n,
        n_away > 0 ? "; away: " : "", away, n_away > NAMES_MAX ? " and others" : "");
    measure(v, "linked=%zu away=%zu", n - n_away, n_away);
}

const struct question check_questions[] = {
    { "backlog", "status", backlog }, { "keys", "status", keys },         { "log", "status", log_head },
    { "disk", "status", disk },       { "peers", "status", peers },       { "cosigned", "status", cosigned },
    { "directory", "status", directory }, { "clock", "status", clock_doubt }, { NULL, NULL, NULL },
};
