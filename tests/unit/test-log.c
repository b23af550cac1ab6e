/* SPDX-License-Identifier: Apache-2.0
 * Log lines: their form, their bounds, and that a flood is counted instead of written.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tmx/code.h>
#include <tmx/log.h>

#include "../../lib/io/log_rate.h"

static int stderr_copy = -1;
static int pipe_fds[2];
static char out[65536];

/* stderr goes to a pipe that the test reads; under_journal makes it the journal's stream. */
static void capture(bool under_journal)
{
    assert_int_equal(pipe2(pipe_fds, O_NONBLOCK), 0);
    stderr_copy = dup(STDERR_FILENO);
    assert_true(dup2(pipe_fds[1], STDERR_FILENO) >= 0);
    struct stat st;
    assert_int_equal(fstat(STDERR_FILENO, &st), 0);
    char stream[64];
    snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
    setenv("JOURNAL_STREAM", under_journal ? stream : "1:1", 1);
}

static const char *captured(void)
{
    dup2(stderr_copy, STDERR_FILENO);
    close(stderr_copy);
    close(pipe_fds[1]);
    size_t used = 0;
    ssize_t n = 0;
    do {
        used += (size_t)n;
        n = read(pipe_fds[0], out + used, sizeof(out) - 1 - used);
    } while (n > 0);
    close(pipe_fds[0]);
    out[used] = '\0';
    return out;
}

static void test_line(void **state)
{
    static const uint8_t id[16] = { 0x01, 0x92, 0xf3, 0xa0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };
    struct tmx_log_line l;
    capture(true);
    tmx_log_begin(&l, TMX_LOG_INFO, "message.accepted");
    tmx_log_id(&l, "id", id);
    tmx_log_bytes(&l, "from", TMX_LIT("DE"));
    tmx_log_u64(&l, "bytes", UINT64_MAX);
    tmx_log_code(&l, "code", TMX_CODE_BAD_SLOT);
    tmx_log_errno(&l, "why", -ENOSPC);
    tmx_log_errno(&l, "again", ENOSPC);
    tmx_log_hex(&l, "digest", TMX_LIT("\x01\xff"));
    tmx_log_end(&l);
    tmx_log_event(TMX_LOG_ERROR, "end");
    tmx_log_text(TMX_LOG_WARNING, "disk.full", "%d percent", 97);
    assert_string_equal(captured(), "<6>event=message.accepted id=0192f3a0-0102-0304-0506-0708090a0b0c from=DE "
                                    "bytes=18446744073709551615 code=bad-slot why=\"No space left on device\" "
                                    "again=\"No space left on device\" digest=01ff\n"
                                    "<3>event=end\n"
                                    "<4>event=disk.full text=\"97 percent\"\n");
}

/* Whatever a peer says stays within its value and its line. */
static void test_quoting(void **state)
{
    static const struct {
        struct tmx_bytes value;
        const char *shown;
    } cases[] = {
        { TMX_LIT(""), "v=\"\"" },
        { TMX_LIT("plain-1.2:3/4"), "v=plain-1.2:3/4" },
        { TMX_LIT("a b"), "v=\"a b\"" },
        { TMX_LIT("a=b"), "v=\"a=b\"" },
        { TMX_LIT("a\nevent=forged"), "v=\"a\\\\x0aevent=forged\"" },
        { TMX_LIT("a\" event=forged"), "v=\"a\\\" event=forged\"" },
        { TMX_LIT("a\\\" event=forged"), "v=\"a\\\\\\\" event=forged\"" },
        { TMX_LIT("\x1b[31m"), "v=\"\\\\x1b[31m\"" },
        { TMX_LIT("k\xc3\xa4se"), "v=k\xc3\xa4se" },
        { TMX_LIT("\xff"), "v=\"\\\\xff\"" },
    };
    for (size_t i = 0; i < TMX_N(cases); i++) {
        struct tmx_log_line l;
        char expected[200];
        capture(true);
        tmx_log_begin(&l, TMX_LOG_NOTICE, "quoting");
        tmx_log_bytes(&l, "v", cases[i].value);
        tmx_log_end(&l);
        snprintf(expected, sizeof(expected), "<5>event=quoting %s\n", cases[i].shown);
        assert_string_equal(captured(), expected);
    }
}

static void test_time(void **state)
{
    capture(false);
    tmx_log_event(TMX_LOG_WARNING, "started");
    const char *line = captured();
    assert_int_equal(strlen(line), strlen("2026-03-01T10:00:00.000Z warning event=started\n"));
    assert_int_equal(line[10], 'T');
    assert_string_equal(line + 23, "Z warning event=started\n");

    unsetenv("JOURNAL_STREAM");
    capture(false);
    tmx_log_event(TMX_LOG_INFO, "x");
    assert_string_equal(captured() + 23, "Z info    event=x\n");
}

static void test_levels(void **state)
{
    enum tmx_log_level level = TMX_LOG_INFO;
    assert_true(tmx_log_parse_level("debug", &level));
    assert_int_equal(level, TMX_LOG_DEBUG);
    assert_false(tmx_log_parse_level("loud", &level));
    assert_false(tmx_log_parse_level("Debug", &level));
    assert_int_equal(level, TMX_LOG_DEBUG);
    capture(true);
    tmx_log_event(TMX_LOG_DEBUG, "level.no");
    tmx_log_set_level(TMX_LOG_DEBUG);
    tmx_log_event(TMX_LOG_DEBUG, "level.yes");
    tmx_log_set_level(TMX_LOG_ERROR);
    tmx_log_event(TMX_LOG_WARNING, "level.no");
    tmx_log_text(TMX_LOG_WARNING, "level.no", "x");
    tmx_log_set_level(TMX_LOG_INFO);
    assert_string_equal(captured(), "<7>event=level.yes\n");
}

static void test_bounds(void **state)
{
    static uint8_t big[5000];
    memset(big, '"', sizeof(big));
    struct tmx_log_line l;
    capture(true);
    tmx_log_begin(&l, TMX_LOG_INFO, "bounds");
    for (size_t i = 0; i < 100; i++) {
        tmx_log_bytes(&l, "v", TMX_BYTES_OF(big));
        tmx_log_u64(&l, "n", i);
    }
    tmx_log_end(&l);
    const char *line = captured();
    size_t size = strlen(line);
    assert_in_range(size, 900, TMX_LOG_LINE_MAX);
    assert_string_equal(line + size - 7, " cut=1\n");
    assert_ptr_equal(strchr(line, '\n'), line + size - 1);
    assert_non_null(strstr(line, "…\""));
}

static void test_rate(void **state)
{
    static struct tmx_log_rate r;
    uint64_t suppressed = 99;
    uint64_t t = 1000;
    for (size_t i = 0; i < TMX_LOG_RATE_LINES; i++) {
        assert_true(tmx_log_rate_pass(&r, "a", t, &suppressed));
        assert_int_equal(suppressed, 0);
    }
    for (size_t i = 0; i < 412; i++) {
        assert_false(tmx_log_rate_pass(&r, "a", t + TMX_LOG_RATE_MS - 1, &suppressed));
    }
    assert_true(tmx_log_rate_pass(&r, "b", t, &suppressed)); /* others go on */
    assert_null(tmx_log_rate_over(&r, t + TMX_LOG_RATE_MS - 1, &suppressed));
    assert_true(tmx_log_rate_pass(&r, "a", t + TMX_LOG_RATE_MS, &suppressed));
    assert_int_equal(suppressed, 412);
    assert_true(tmx_log_rate_pass(&r, "a", t + TMX_LOG_RATE_MS, &suppressed));
    assert_int_equal(suppressed, 0);
    assert_null(tmx_log_rate_over(&r, t + 10 * TMX_LOG_RATE_MS, &suppressed));

    /* A flood that has ended is told by the tick. */
    t += 2 * TMX_LOG_RATE_MS;
    for (size_t i = 0; i < TMX_LOG_RATE_LINES; i++) {
        assert_true(tmx_log_rate_pass(&r, "b", t, &suppressed));
    }
    assert_false(tmx_log_rate_pass(&r, "b", t, &suppressed));
    assert_string_equal(tmx_log_rate_over(&r, t + TMX_LOG_RATE_MS, &suppressed), "b");
    assert_int_equal(suppressed, 1);
    assert_null(tmx_log_rate_over(&r, t + TMX_LOG_RATE_MS, &suppressed));

    /* A full table lets the rest pass. */
    static char names[TMX_LOG_EVENTS_MAX + 5][8];
    for (size_t i = 0; i < TMX_N(names); i++) {
        snprintf(names[i], sizeof(names[i]), "e%zu", i);
        assert_true(tmx_log_rate_pass(&r, names[i], t, &suppressed));
    }
    assert_int_equal(r.n, TMX_LOG_EVENTS_MAX);
}

/* The log itself counts: lines beyond the rate are not written. */
static void test_flood(void **state)
{
    capture(true);
    fcntl(pipe_fds[1], F_SETPIPE_SZ, 1 << 20);
    for (size_t i = 0; i < TMX_LOG_RATE_LINES + 500; i++) {
        tmx_log_event(TMX_LOG_INFO, "flood");
    }
    tmx_log_tick(); /* its time is not over */
    const char *line = captured();
    size_t n = 0;
    for (const char *c = strchr(line, '\n'); c != NULL; c = strchr(c + 1, '\n')) {
        n++;
    }
    assert_int_equal(n, TMX_LOG_RATE_LINES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line),   cmocka_unit_test(test_quoting), cmocka_unit_test(test_time),
        cmocka_unit_test(test_levels), cmocka_unit_test(test_bounds),  cmocka_unit_test(test_rate),
        cmocka_unit_test(test_flood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
