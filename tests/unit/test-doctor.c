/* SPDX-License-Identifier: Apache-2.0
 * The doctor: checks that hang, die or take too long are findings, and what each check says of facts that this host may not
 * have. tests/integration/doctor.sh makes the faults that can be made.
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
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tmx/clock.h>

#include "../../lib/io/doctor_parts.h"

static struct tmx_finding found[32];
static size_t n_found;

static void take(void *ctx, const struct tmx_finding *f)
{
    assert_true(n_found < TMX_N(found));
    found[n_found++] = *f;
}

static struct tmx_findings fresh(void)
{
    n_found = 0;
    return (struct tmx_findings){ .take = take };
}

/* Exactly one finding, of that severity, that says so; with a remedy unless it is fine. */
static void expect_one(enum tmx_finding_severity severity, const char *says)
{
    assert_int_equal(n_found, 1);
    assert_int_equal(found[0].severity, severity);
    if (strstr(found[0].says, says) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", found[0].says, says);
    }
    assert_int_equal(found[0].remedy[0] != '\0', severity != TMX_FINDING_OK);
}

/* ---- running ---- */

static void fine(const struct tmx_doctor_subject *s, struct tmx_findings *to)
{
    tmx_finding(to, TMX_FINDING_OK, "whatever", NULL, "all %s", s->program);
}

static void hang(const struct tmx_doctor_subject *s, struct tmx_findings *to)
{
    tmx_finding(to, TMX_FINDING_WARNING, "whatever", "see to it", "before it hangs");
    for (;;) {
        pause();
    }
}

static void die(const struct tmx_doctor_subject *s, struct tmx_findings *to)
{
    (void)raise(SIGKILL);
}

static void many(const struct tmx_doctor_subject *s, struct tmx_findings *to)
{
    for (unsigned i = 0; i < 20; i++) {
        tmx_finding(to, TMX_FINDING_OK, "whatever", NULL, "number %u", i);
    }
}

static void test_run(void **state)
{
    static const struct tmx_doctor_check checks[] = { { "one", fine }, { "two", hang }, { "three", die }, { "four", many } };
    const struct tmx_doctor_subject s = { .program = "well" };
    struct tmx_findings to = fresh();
    tmx_doctor_run(checks, TMX_N(checks), &s, 300, 5000, &to);
    assert_int_equal(n_found, 1 + 2 + 1 + 20);
    assert_string_equal(found[0].subject, "one");
    assert_string_equal(found[0].says, "all well");
    assert_string_equal(found[1].says, "before it hangs");
    assert_string_equal(found[2].subject, "two");
    assert_string_equal(found[2].says, "did not end within 300 ms");
    assert_int_equal(found[2].severity, TMX_FINDING_CRITICAL);
    assert_string_equal(found[3].subject, "three");
    assert_int_equal(found[3].severity, TMX_FINDING_CRITICAL);
    assert_string_equal(found[23].says, "number 19");
    assert_int_equal(to.n[TMX_FINDING_OK], 21);
    assert_int_equal(to.n[TMX_FINDING_WARNING], 1);
    assert_int_equal(to.n[TMX_FINDING_CRITICAL], 2);
    while (waitpid(-1, NULL, 0) > 0) {   /* the one that was killed may be left */
    }
}

/* All together are bounded, too: what there is no time for is said. */
static void test_time_is_up(void **state)
{
    static const struct tmx_doctor_check checks[] = { { "one", hang }, { "two", fine }, { "three", fine } };
    const struct tmx_doctor_subject s = { .program = "well" };
    struct tmx_findings to = fresh();
    uint64_t before = tmx_clock_mono_ms();
    tmx_doctor_run(checks, TMX_N(checks), &s, 30000, 300, &to);
    assert_true(tmx_clock_mono_ms() - before < 10000);   /* not what one check may take */
    assert_int_equal(n_found, 4);
    assert_string_equal(found[3].subject, "three");
    assert_string_equal(found[3].says, "not looked at: the time is up");
    assert_int_equal(found[3].severity, TMX_FINDING_WARNING);
    while (waitpid(-1, NULL, 0) > 0) {
    }
}

/* ---- what is said of facts ---- */

static void test_clock(void **state)
{
    struct timex t = { .maxerror = 500 };
    struct tmx_findings to = fresh();
    tmx_doctor_judge_clock(TIME_OK, &t, &to);
    expect_one(TMX_FINDING_OK, "off by 500 us");
    to = fresh();
    tmx_doctor_judge_clock(TIME_ERROR, &t, &to);
    expect_one(TMX_FINDING_WARNING, "not synchronised");
    to = fresh();
    t.status = STA_UNSYNC;
    tmx_doctor_judge_clock(TIME_OK, &t, &to);
    expect_one(TMX_FINDING_WARNING, "not synchronised");
    to = fresh();
    t = (struct timex){ .maxerror = 1000001 };
    tmx_doctor_judge_clock(TIME_OK, &t, &to);
    expect_one(TMX_FINDING_WARNING, "off by 1000 ms");
    to = fresh();
    errno = EPERM;
    tmx_doctor_judge_clock(-1, &t, &to);
    expect_one(TMX_FINDING_WARNING, "does not say");
}

static const char mountinfo[] = "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,errors=remount-ro\n"
                                "31 22 254:16 / /var/lib/a\\040b rw - ext4 /dev/vdb rw,nobarrier,data=ordered\n"
                                "231 22 0:55 / /mnt rw shared:5 master:3 - nfs4 srv:/x rw,vers=4.2\n"
                                "40 22 0:60 / /broken rw";

static void test_mounts(void **state)
{
    char type[32], options[256];
    assert_true(tmx_doctor_find_mount(mountinfo, 31, type, options));
    assert_string_equal(type, "ext4");
    assert_string_equal(options, "rw,nobarrier,data=ordered");
    assert_true(tmx_doctor_find_mount(mountinfo, 231, type, options));
    assert_string_equal(type, "nfs4");
    assert_false(tmx_doctor_find_mount(mountinfo, 23, type, options));
    assert_false(tmx_doctor_find_mount(mountinfo, 40, type, options));

    struct tmx_findings to = fresh();
    tmx_doctor_judge_mount("xfs", "rw,nobarriers,xnobarrier", &to);   /* other words */
    expect_one(TMX_FINDING_OK, "on xfs");
    to = fresh();
    tmx_doctor_judge_mount("nfs4", "rw", &to);
    expect_one(TMX_FINDING_WARNING, "on nfs4");
    to = fresh();
    tmx_doctor_judge_mount("overlay", "rw", &to);
    expect_one(TMX_FINDING_WARNING, "on overlay");
    to = fresh();
    tmx_doctor_judge_mount("tmpfs", "rw", &to);
    expect_one(TMX_FINDING_CRITICAL, "in memory");
    static const char *const unsafe[] = { "nobarrier", "rw,nobarrier", "barrier=0,rw" };
    for (size_t i = 0; i < TMX_N(unsafe); i++) {
        to = fresh();
        tmx_doctor_judge_mount("ext4", unsafe[i], &to);
        assert_int_equal(n_found, 2);
        assert_int_equal(found[1].severity, TMX_FINDING_CRITICAL);
    }
}

static void test_sync(void **state)
{
    static const struct {
        uint64_t median_us;
        enum tmx_finding_severity severity;
    } cases[] = { { 170, TMX_FINDING_OK }, { 19999, TMX_FINDING_OK }, { 20000, TMX_FINDING_WARNING }, { 100000, TMX_FINDING_CRITICAL } };
    for (size_t i = 0; i < TMX_N(cases); i++) {
        struct tmx_findings to = fresh();
        tmx_doctor_judge_sync(cases[i].median_us, 123456, 64, &to);
        expect_one(cases[i].severity, "123.46 ms at most");
    }
}

static void test_libraries(void **state)
{
    static const struct {
        const char *name, *version;
        enum tmx_finding_severity severity;
    } cases[] = {
        { "ZeroMQ", "4.3.4", TMX_FINDING_OK },      { "ZeroMQ", "4.3.3", TMX_FINDING_CRITICAL },
        { "ZeroMQ", "4.4.0", TMX_FINDING_OK },      { "ZeroMQ", "3.9.9", TMX_FINDING_CRITICAL },
        { "LMDB", "0.9.24", TMX_FINDING_OK },       { "LMDB", "0.9.9", TMX_FINDING_CRITICAL },
        { "protobuf-c", "1.4.1", TMX_FINDING_OK },  { "protobuf-c", "1.4.0", TMX_FINDING_CRITICAL },
        { "protobuf-c", "1.10.0", TMX_FINDING_OK }, { "protobuf-c", "unknown", TMX_FINDING_CRITICAL },
        { "libsodium", "1.0.18", TMX_FINDING_OK },  { "libsodium", "1.0.17", TMX_FINDING_CRITICAL },
    };
    for (size_t i = 0; i < TMX_N(cases); i++) {
        struct tmx_findings to = fresh();
        tmx_doctor_judge_library(cases[i].name, cases[i].version, &to);
        expect_one(cases[i].severity, cases[i].version);
    }
}

/* A process that was not hardened may leave a core file. */
static void test_core(void **state)
{
    const struct tmx_doctor_subject s = { .program = "tmx-broker" };
    struct rlimit before, all;
    struct tmx_findings to = fresh();
    assert_int_equal(getrlimit(RLIMIT_CORE, &before), 0);
    doctor_core(&s, &to);
    expect_one(TMX_FINDING_CRITICAL, before.rlim_cur > 0 ? "may leave core files" : "can be dumped");
    all = before;
    all.rlim_cur = all.rlim_max;
    if (all.rlim_max > 0 && setrlimit(RLIMIT_CORE, &all) == 0) {
        to = fresh();
        doctor_core(&s, &to);
        expect_one(TMX_FINDING_CRITICAL, "a daemon started from here may leave core files");
        const struct tmx_doctor_subject running = { .program = "tmx-broker", .pid = getpid() };
        to = fresh();
        doctor_core(&running, &to);
        expect_one(TMX_FINDING_CRITICAL, "the running daemon may leave core files");
        (void)!setrlimit(RLIMIT_CORE, &before);
    }
}

/* The units we install are fine; without one of their lines they are not. */
static void test_units(void **state)
{
    static const char *const units[] = { "tmx-broker.service.in", "tmx-node@.service.in" };
    static const char *const lines[] = { "NoNewPrivileges=yes", "LimitCORE=0", "ProtectSystem=strict", "CapabilityBoundingSet=\n",
                                         "RestartPreventExitStatus=64 74 78", "SystemCallFilter=@system-service" };
    for (size_t i = 0; i < TMX_N(units); i++) {
        char path[512], text[8192] = "";
        (void)snprintf(path, sizeof(path), "%s/%s", getenv("TMX_UNITS"), units[i]);
        FILE *f = fopen(path, "re");
        assert_non_null(f);
        assert_true(fread(text, 1, sizeof(text) - 1, f) > 1000);
        fclose(f);
        struct tmx_findings to = fresh();
        tmx_doctor_judge_unit(path, text, &to);
        expect_one(TMX_FINDING_OK, "confines it");
        for (size_t k = 0; k < TMX_N(lines); k++) {
            char *at = strstr(text, lines[k]);
            assert_non_null(at);
            char first = *at;
            *at = '#';
            to = fresh();
            tmx_doctor_judge_unit(path, text, &to);
            expect_one(TMX_FINDING_WARNING, "lacks it");
            *at = first;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_run),       cmocka_unit_test(test_time_is_up), cmocka_unit_test(test_clock), cmocka_unit_test(test_mounts),
        cmocka_unit_test(test_sync),      cmocka_unit_test(test_libraries),  cmocka_unit_test(test_core),  cmocka_unit_test(test_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
