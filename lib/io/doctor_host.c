/* SPDX-License-Identifier: Apache-2.0
 * The doctor's checks of clock, entropy, limits and memory. See tmx/doctor.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tmx/clock.h>
#include <tmx/control.h>
#include <tmx/text.h>

#include "doctor_parts.h"

#define OFF_MAX_US 1000000       /* a synchronised clock may be off by so much */
#define AHEAD_MAX_MS 60000u      /* of what this installation wrote before the clock is behind */
#define LOCK_BYTES (64u << 10)   /* more than all keys of a daemon */
#define HOST_PATH_MAX 4200u

/* ---- clock ---- */

void tmx_doctor_judge_clock(int state, const struct timex *t, struct tmx_findings *to)
{
    static const char *const remedy = "run chrony or systemd-timesyncd (timedatectl): admission and expiry stop when the clock departs from "
                                      "most members' by 5 minutes";
    if (state < 0) {
        tmx_finding(to, TMX_FINDING_WARNING, "clock", remedy, "the kernel does not say whether it is synchronised: %s", strerror(errno));
    } else if (state == TIME_ERROR || (t->status & STA_UNSYNC) != 0) {
        tmx_finding(to, TMX_FINDING_WARNING, "clock", remedy, "not synchronised: nobody disciplines it");
    } else if (t->maxerror > OFF_MAX_US) {
        tmx_finding(to, TMX_FINDING_WARNING, "clock", remedy, "synchronised, but it may be off by %ld ms", t->maxerror / 1000);
    } else {
        tmx_finding(to, TMX_FINDING_OK, "clock", NULL, "synchronised, off by %ld us at most", t->maxerror);
    }
}

/* The latest time at which this installation wrote one of its files. */
static uint64_t written_ms(const struct tmx_doctor_subject *s)
{
    char paths[3][HOST_PATH_MAX] = { "", "", "" };
    uint64_t latest = 0;
    (void)snprintf(paths[0], HOST_PATH_MAX, "%s", s->marker != NULL ? s->marker : "");
    (void)snprintf(paths[1], HOST_PATH_MAX, "%s/journal", s->spool != NULL ? s->spool : "");
    (void)snprintf(paths[2], HOST_PATH_MAX, "%s/" TMX_CONTROL_SNAPSHOT, s->run != NULL ? s->run : "");
    for (size_t i = 0; i < TMX_N(paths); i++) {
        struct stat st;
        if (stat(paths[i], &st) == 0 && st.st_mtim.tv_sec > 0 && (uint64_t)st.st_mtim.tv_sec * 1000 > latest) {
            latest = (uint64_t)st.st_mtim.tv_sec * 1000;
        }
    }
    return latest;
}

void doctor_clock(const struct tmx_doctor_subject *s, struct tmx_findings *to)
{
    static const char *const remedy = "set the clock right before the daemon runs: what it signs carries this time";
    struct timex t = { .modes = 0 };
    uint64_t now = tmx_clock_wall_us() / 1000, written = written_ms(s);
    char now_text[TMX_TIME_TEXT_SIZE], then[TMX_TIME_TEXT_SIZE];
    tmx_time_text(now, now_text);
    tmx_doctor_judge_clock(adjtimex(&t), &t, to);
    if (s->issued_ms > now) {
        tmx_time_text(s->issued_ms, then);
        tmx_finding(to, TMX_FINDING_CRITICAL, "clock", remedy, "it is %s here, but the directory was signed at %s", now_text, then);
    }
    if (written > now + AHEAD_MAX_MS) {
        tmx_time_text(written, then);
        tmx_finding(to, TMX_FINDING_CRITICAL, "clock", remedy, "it went back: it is %s, but files of this spool were written at %s", now_text,
                    then);
    } else if (written > 0) {
        tmx_finding(to, TMX_FINDING_OK, "clock", NULL, "not behind what was written before");
    }
}

/* ---- entropy ---- */

void doctor_entropy(const struct tmx_doctor_subject *s, struct tmx_findings *to)
{
    uint8_t drawn[32];
    (void)s;
    if (getrandom(drawn, sizeof(drawn), GRND_NONBLOCK) == (ssize_t)sizeof(drawn)) {
        tmx_finding(to, TMX_FINDING_OK, "entropy", NULL, "the kernel's generator is seeded");
    } else {
        tmx_finding(to, TMX_FINDING_CRITICAL, "entropy", "give the machine a source (virtio-rng, rng-tools); keys made before are not to be used",
                    "the kernel's generator gives nothing: %s", strerror(errno));
    }
}

/* ---- limits ---- */

/* Of the running daemon, or what one would get that is started from here. */
static bool limit_of(const struct tmx_doctor_subject *s, enum __rlimit_resource what, rlim_t *ret_soft, const char **ret_whose)
{
    struct rlimit l;
    if (s->pid > 0 && prlimit(s->pid, what, NULL, &l) == 0) {
        *ret_whose = "the running daemon";
    } else if (getrlimit(what, &l) == 0) {
        *ret_whose = "a daemon started from here";
    } else {
        return false;
    }
    *ret_soft = l.rlim_cur;
    return true;
}

void doctor_limits(const struct tmx_doctor_subject *s, struct tmx_findings *to)
{
    const char *whose;
    char remedy[160];
    rlim_t files;
    if (!limit_of(s, RLIMIT_NOFILE, &files, &whose)) {
        tmx_finding(to, TMX_FINDING_WARNING, "limits", "ulimit -n", "cannot be read: %s", strerror(errno));
        return;
    }
    (void)snprintf(remedy, sizeof(remedy), "LimitNOFILE=%llu in the unit, or ulimit -n %llu before starting it",
                   (unsigned long long)s->files_unit, (unsigned long long)s->files_unit);
    if (files < s->files) {
        tmx_finding(to, TMX_FINDING_CRITICAL, "limits", remedy, "%s may open %llu files, it needs %llu", whose, (unsigned long long)files,
                    (unsigned long long)s->files);
    } else if (files < s->files_unit) {
        tmx_finding(to, TMX_FINDING_WARNING, "limits", remedy, "%s may open %llu files; with more connections than that a gate cannot accept",
                    whose, (unsigned long long)files);
    } else {
        tmx_finding(to, TMX_FINDING_OK, "limits", NULL, "%s may open %llu files", whose, (unsigned long long)files);
    }
}

/* ---- memory ---- */

/* A swap device or file whose pages are written as they are: the first that is not a dm-crypt one. */
static bool swaps_in_clear(char ret_name[128])
{
    FILE *f = fopen("/proc/swaps", "re");
    char line[512], path[512], uuid[64];
    bool clear = false;
    while (f != NULL && !clear && fgets(line, sizeof(line), f) != NULL) {
        if (line[0] != '/') {
            continue;   /* the heading */
        }
        line[strcspn(line, " \t")] = '\0';
        const char *device = strrchr(line, '/') + 1;
        (void)snprintf(path, sizeof(path), "/sys/block/%.100s/dm/uuid", device);
        FILE *u = fopen(path, "re");
        bool crypt = u != NULL && fgets(uuid, sizeof(uuid), u) != NULL && strncmp(uuid, "CRYPT-", 6) == 0;
        clear = !crypt && strncmp(device, "zram", 4) != 0;
        (void)snprintf(ret_name, 128, "%.127s", line);
        if (u != NULL) {
            fclose(u);
        }
    }
    if (f != NULL) {
        fclose(f);
    }
    return clear;
}

/* Of the running daemon: how much it has locked. False: the kernel does not say. */
static bool locked_kib(pid_t pid, unsigned long *ret_kib)
{
    char path[64], line[256];
    bool found = false;
    (void)snprintf(path, sizeof(path), "/proc/%ld/status", (long)pid);
    FILE *f = fopen(path, "re");
    while (f != NULL && !found && fgets(line, sizeof(line), f) != NULL) {
        found = sscanf(line, "VmLck: %lu kB", ret_kib) == 1;
    }
    if (f != NULL) {
        fclose(f);
    }
    return found;
}

static void doctor_locked(const struct tmx_doctor_subject *s, struct tmx_findings *to)
{
    unsigned long kib;
    if (s->pid == 0 || !locked_kib(s->pid, &kib)) {
        return;
    }
    if (kib > 0) {
        tmx_finding(to, TMX_FINDING_OK, "memory", NULL, "the running daemon has %lu KiB locked", kib);
    } else {
        tmx_finding(to, TMX_FINDING_WARNING, "memory", "LimitMEMLOCK=64M in the unit, or ulimit -l; then restart it",
                    "the running daemon has locked nothing: its keys can get into swap");
    }
}

void doctor_memory(const struct tmx_doctor_subject *s, struct tmx_findings *to)
{
    char name[128], remedy[160];
    const char *whose = "";
    rlim_t bytes = 0;
    void *page = mmap(NULL, LOCK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool locked = page != MAP_FAILED && mlock(page, LOCK_BYTES) == 0;
    int error = errno;
    (void)limit_of(s, RLIMIT_MEMLOCK, &bytes, &whose);
    if (locked) {
        tmx_finding(to, TMX_FINDING_OK, "memory", NULL, "pages can be locked");
    } else {
        tmx_finding(to, TMX_FINDING_WARNING, "memory", "LimitMEMLOCK=64M in the unit, or ulimit -l", "%u KiB cannot be locked: %s (limit %llu KiB)",
                    LOCK_BYTES >> 10, strerror(error), (unsigned long long)bytes >> 10);
    }
    doctor_locked(s, to);
    if (swaps_in_clear(name)) {
        (void)snprintf(remedy, sizeof(remedy), "encrypt it with a random key (crypttab), or swapoff %.100s", name);
        tmx_finding(to, TMX_FINDING_WARNING, "memory", remedy, "swap in clear: keys in memory can get on the disk");
    } else {
        tmx_finding(to, TMX_FINDING_OK, "memory", NULL, "no swap in clear");
    }
}

void doctor_core(const struct tmx_doctor_subject *s, struct tmx_findings *to)
{
    static const char *const remedy = "LimitCORE=0 in the unit: a core file holds keys";
    const char *whose;
    rlim_t size = 0;
    if (!limit_of(s, RLIMIT_CORE, &size, &whose) || size > 0) {
        tmx_finding(to, TMX_FINDING_CRITICAL, "core", remedy, "%s may leave core files", whose);
    } else if (s->pid == 0 && prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0) {
        tmx_finding(to, TMX_FINDING_CRITICAL, "core", remedy, "a process started from here can be dumped");
    } else {
        tmx_finding(to, TMX_FINDING_OK, "core", NULL, "%s leaves no core files", whose);
    }
}
