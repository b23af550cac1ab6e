/* SPDX-License-Identifier: Apache-2.0
 * What the service manager hears, signals as a descriptor, clocks and seeds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tmx/clock.h>
#include <tmx/notify.h>

static int manager = -1;

static int setup(void **state)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    char name[64];
    snprintf(name, sizeof(name), "@tmx-test-notify-%d", (int)getpid());
    memcpy(address.sun_path + 1, name + 1, strlen(name) - 1);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    setenv("NOTIFY_SOCKET", name, 1);
    return manager >= 0 && bind(manager, (struct sockaddr *)&address, size) == 0 ? 0 : 1;
}

static int teardown(void **state)
{
    unsetenv("NOTIFY_SOCKET");
    return close(manager);
}

static const char *heard(void)
{
    static char text[1024];
    ssize_t n = recv(manager, text, sizeof(text) - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static void test_notifications(void **state)
{
    tmx_notify_ready();
    assert_string_equal(heard(), "READY=1");
    tmx_notify_reloading();
    assert_string_equal(heard(), "RELOADING=1");
    tmx_notify_stopping();
    assert_string_equal(heard(), "STOPPING=1");
    tmx_notify_alive();
    assert_string_equal(heard(), "WATCHDOG=1");
    tmx_notify_status("%u queued\nREADY=1", 7u);   /* a line of its own would be another assignment */
    assert_string_equal(heard(), "STATUS=7 queued READY=1");
    char expected[300] = "STATUS=";
    memset(expected + 7, 'x', 255);
    tmx_notify_status("%0300d", 0);
    assert_int_equal(strlen(heard()), strlen(expected));
    assert_string_equal(heard(), "");
    unsetenv("NOTIFY_SOCKET");
    tmx_notify_ready();
    tmx_notify_status("nobody listens");
    assert_string_equal(heard(), "");
}

static void test_watchdog(void **state)
{
    char own[32];
    snprintf(own, sizeof(own), "%d", (int)getpid());
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    assert_int_equal(tmx_notify_watchdog_ms(), 0);
    setenv("WATCHDOG_USEC", "30000000", 1);
    assert_int_equal(tmx_notify_watchdog_ms(), 15000);
    setenv("WATCHDOG_PID", own, 1);
    assert_int_equal(tmx_notify_watchdog_ms(), 15000);
    setenv("WATCHDOG_PID", "1", 1);   /* meant for another process */
    assert_int_equal(tmx_notify_watchdog_ms(), 0);
}

static void test_signals(void **state)
{
    static const struct {
        int signal;
        bool stop, reload;
    } cases[] = { { SIGTERM, true, false }, { SIGINT, true, false }, { SIGHUP, false, true } };
    int fd = -1;
    assert_int_equal(tmx_signals_open(&fd), 0);
    for (size_t i = 0; i < TMX_N(cases); i++) {
        bool stop = false, reload = false;
        tmx_signals_take(fd, &stop, &reload);
        assert_false(stop || reload);
        raise(cases[i].signal);
        tmx_signals_take(fd, &stop, &reload);
        assert_int_equal(stop, cases[i].stop);
        assert_int_equal(reload, cases[i].reload);
    }
    raise(SIGPIPE);   /* ignored: we are still here */

    /* A child that resets them is ended by each, as by default. */
    static const int deadly[] = { SIGTERM, SIGHUP, SIGPIPE };
    for (size_t i = 0; i < TMX_N(deadly); i++) {
        pid_t child = fork();
        if (child == 0) {
            tmx_signals_reset();
            raise(deadly[i]);
            _exit(0);
        }
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), deadly[i]);
    }
    close(fd);
}

static void test_clocks(void **state)
{
    uint64_t mono = tmx_clock_mono_ms();
    uint64_t wall = tmx_clock_wall_ms();
    assert_true(tmx_clock_mono_ms() >= mono && tmx_clock_mono_ms() < mono + 60000);
    assert_in_range(wall, 1700000000000ull, 4102444800000ull);   /* milliseconds, of this century */
    assert_in_range(tmx_clock_wall_us() / 1000, wall, wall + 60000);

    uint8_t a[32], b[32];
    tmx_entropy(a);
    tmx_entropy(b);
    assert_memory_not_equal(a, b, sizeof(a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_notifications, setup, teardown),
        cmocka_unit_test(test_watchdog),
        cmocka_unit_test(test_signals),
        cmocka_unit_test(test_clocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
