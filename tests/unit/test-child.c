/* SPDX-License-Identifier: Apache-2.0
 * What runs in a child process (lib/io/child.h): spools that may be damaged are looked at there.
 */
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../lib/io/child.h"

static void answer(void *what, void *result)
{
    *(int *)result = *(const int *)what + 1;
}

static void crash(void *what, void *result)
{
    abort();
}

static void test_results(void **state)
{
    int what = 41, result = 0;
    assert_int_equal(tmx_in_child(answer, &what, &result, sizeof(result), 20), 0);
    assert_int_equal(result, 42);
    assert_int_equal(tmx_in_child(crash, NULL, &result, sizeof(result), 20), -ECHILD);
}

static int read_end, write_end;

static void stay(void *what, void *result)
{
    const char ready = 'r';
    (void)!write(write_end, &ready, 1);
    pause();
}

/* A daemon killed while its child looks at the spool leaves nobody behind who would hold it. */
static void test_dies_with_its_process(void **state)
{
    int ends[2];
    char byte;
    assert_int_equal(pipe(ends), 0);
    read_end = ends[0];
    write_end = ends[1];
    pid_t pid = fork();
    if (pid == 0) {
        char result;
        close(read_end);
        _exit(tmx_in_child(stay, NULL, &result, sizeof(result), 60));
    }
    close(write_end);
    assert_int_equal(read(read_end, &byte, 1), 1);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    struct pollfd wait = { .fd = read_end, .events = POLLIN };
    assert_int_equal(poll(&wait, 1, 20000), 1);   /* the last writer is gone */
    assert_int_equal(read(read_end, &byte, 1), 0);
    close(read_end);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_results), cmocka_unit_test(test_dies_with_its_process) };
    return cmocka_run_group_tests_name("child", tests, NULL, NULL);
}
