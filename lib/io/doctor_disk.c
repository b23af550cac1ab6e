/* SPDX-License-Identifier: Apache-2.0
 * The doctor's checks of the disk under the spool. See tmx/doctor.h.
 */
#include <fcntl.h>
#include <linux/stat.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "doctor_parts.h"
#include "files.h"

#define MOUNTINFO_MAX (1u << 20)
#define SYNCS_MAX 16u
#define SYNC_TIME_US 1000000u
#define SYNC_BYTES 4096u
#define SLOW_US 20000u        /* a turn is one synced write: 50 turns a second */
#define TOO_SLOW_US 100000u

/* The folder the spool is in: it may be made still. */
static bool folder_of(const struct tmx_doctor_subject *s, char ret_folder[TMX_PATH_MAX])
{
    const char *slash = s->spool != NULL ? strrchr(s->spool, '/') : NULL;
    if (s->spool == NULL || strlen(s->spool) >= TMX_PATH_MAX) {
        return false;
    }
    (void)snprintf(ret_folder, TMX_PATH_MAX, "%.*s", slash == NULL ? 1 : slash == s->spool ? 1 : (int)(slash - s->spool),
                   slash == NULL ? "." : s->spool);
    return true;
}

/* ---- which file system, mounted how ---- */

bool tmx_doctor_find_mount(const char *mountinfo, uint64_t id, char ret_type[32], char ret_options[256])
{
    for (const char *line = mountinfo; line != NULL && *line != '\0'; line = strchr(line, '\n'), line += line != NULL) {
        char *end;
        if (strtoull(line, &end, 10) != id) {
            continue;
        }
        size_t size = strcspn(line, "\n");
        const char *dash = memmem(line, size, " - ", 3);   /* behind the optional fields: type, source, options */
        if (dash == NULL || sscanf(dash + 3, "%31s %*s %255s", ret_type, ret_options) != 2) {
            return false;
        }
        return true;
    }
    return false;
}

static bool has_option(const char *options, const char *option)
{
    size_t size = strlen(option);
    for (const char *at = options; at != NULL; at = strchr(at, ','), at += at != NULL) {
        if (strncmp(at, option, size) == 0 && (at[size] == ',' || at[size] == '\0')) {
            return true;
        }
    }
    return false;
}

void tmx_doctor_judge_mount(const char *type, const char *options, struct tmx_findings *to)
{
    static const char *const good[] = { "ext4", "xfs" };
    static const char *const lost[] = { "tmpfs", "ramfs" };
    static const char *const move = "move the spool to a local ext4 or XFS";
    static const char *const unsafe[] = { "nobarrier", "barrier=0" };
    bool known = false;
    for (size_t i = 0; i < TMX_N(good); i++) {
        known = known || strcmp(type, good[i]) == 0;
    }
    if (strcmp(type, lost[0]) == 0 || strcmp(type, lost[1]) == 0) {
        tmx_finding(to, TMX_FINDING_CRITICAL, "disk", move, "the spool is on %s: in memory, gone when the machine stops", type);
    } else if (!known) {
        tmx_finding(to, TMX_FINDING_WARNING, "disk", move,
                    "the spool is on %s: whether what is synced is on a disk, and locks hold, is only known of ext4 and XFS", type);
    } else {
        tmx_finding(to, TMX_FINDING_OK, "disk", NULL, "the spool is on %s", type);
    }
    for (size_t i = 0; i < TMX_N(unsafe); i++) {
        if (has_option(options, unsafe[i])) {
            tmx_finding(to, TMX_FINDING_CRITICAL, "disk", "mount it without that option", "mounted with %s: a power cut loses what was acknowledged",
                        unsafe[i]);
        }
    }
}

static void look_at_mount(const char *folder, struct tmx_findings *to)
{
    char *text = malloc(MOUNTINFO_MAX + 1);
    struct statx x;
    size_t size = 0;
    char type[32], options[256];
    if (text != NULL && tmx_read_file("/proc/self/mountinfo", (uint8_t *)text, MOUNTINFO_MAX, &size) == 0) {
        text[size] = '\0';
    }
    if (text == NULL || size == 0 || statx(AT_FDCWD, folder, 0, STATX_MNT_ID, &x) != 0 || (x.stx_mask & STATX_MNT_ID) == 0 ||
        !tmx_doctor_find_mount(text, x.stx_mnt_id, type, options)) {
        tmx_finding(to, TMX_FINDING_WARNING, "disk", "look with findmnt whether it is a local ext4 or XFS", "which file system %s is on is not known",
                    folder);
    } else {
        tmx_doctor_judge_mount(type, options, to);
    }
    free(text);
}

/* ---- room ---- */

static uint64_t allocated(const char *folder, const char *name)
{
    char path[TMX_PATH_MAX];
    struct stat st;
    return tmx_join_path(path, folder, name) == 0 && stat(path, &st) == 0 ? (uint64_t)st.st_blocks * 512 : 0;
}

static void look_at_room(const struct tmx_doctor_subject *s, const char *folder, struct tmx_findings *to)
{
    struct statvfs v;
    if (statvfs(folder, &v) != 0) {
        tmx_finding(to, TMX_FINDING_CRITICAL, "disk", "make the folder, or correct `spool`", "%s: %s", folder, strerror(errno));
        return;
    }
    uint64_t there = allocated(s->spool, "/data.mdb");
    uint64_t free_bytes = (uint64_t)v.f_bavail * v.f_frsize;
    uint64_t missing = s->capacity > there ? s->capacity - there : 0;
    if (free_bytes < missing) {
        tmx_finding(to, TMX_FINDING_CRITICAL, "disk", "make room, or set a smaller `capacity`",
                    "%" PRIu64 " MiB are free, but %" PRIu64 " MiB of the spool's capacity are not reserved yet", free_bytes >> 20, missing >> 20);
    } else {
        tmx_finding(to, TMX_FINDING_OK, "disk", NULL, "%" PRIu64 " MiB free, %" PRIu64 " MiB of the capacity still to be reserved", free_bytes >> 20,
                    missing >> 20);
    }
}

void doctor_disk(const struct tmx_doctor_subject *s, struct tmx_findings *to)
{
    char folder[TMX_PATH_MAX];
    if (folder_of(s, folder)) {
        look_at_mount(folder, to);
        look_at_room(s, folder, to);
    }
}

/* ---- how long a synced write takes ---- */

static uint64_t now_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* A file that has no name, where the file system can do that; otherwise for a moment. */
static int open_unnamed(const char *folder)
{
    char path[TMX_PATH_MAX];
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || tmx_join_path(path, folder, "/tmx-doctor-XXXXXX") < 0) {
        return fd;
    }
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0) {
        (void)unlink(path);
    }
    return fd;
}

void tmx_doctor_judge_sync(uint64_t median_us, uint64_t max_us, size_t n, struct tmx_findings *to)
{
    static const char *const remedy = "a disk with a power-loss-protected cache; look who else writes to this one (iostat -x 1)";
    enum tmx_finding_severity severity = median_us >= TOO_SLOW_US ? TMX_FINDING_CRITICAL
                                         : median_us >= SLOW_US   ? TMX_FINDING_WARNING
                                                                  : TMX_FINDING_OK;
    tmx_finding(to, severity, "sync", severity == TMX_FINDING_OK ? NULL : remedy, "a synced write takes %.2f ms (median of %zu), %.2f ms at most",
                (double)median_us / 1000, n, (double)max_us / 1000);
}

void doctor_sync(const struct tmx_doctor_subject *s, struct tmx_findings *to)
{
    static const uint8_t block[SYNC_BYTES];
    uint64_t took[SYNCS_MAX];
    char folder[TMX_PATH_MAX];
    size_t n = 0;
    if (!folder_of(s, folder)) {
        return;
    }
    int fd = open_unnamed(folder);
    uint64_t begin = now_us();
    bool good = fd >= 0;
    while (good && n < SYNCS_MAX && now_us() - begin < SYNC_TIME_US) {
        uint64_t before = now_us();
        good = pwrite(fd, block, sizeof(block), (off_t)(n * sizeof(block))) == (ssize_t)sizeof(block) && fdatasync(fd) == 0;
        took[n] = now_us() - before;
        n += good ? 1 : 0;
    }
    if (!good) {
        tmx_finding(to, TMX_FINDING_CRITICAL, "sync", "run this as the daemon's user; look at the disk (dmesg)", "%s: cannot write and sync: %s", folder,
                    strerror(errno));
    } else {
        qsort(took, n, sizeof(took[0]), compare);
        tmx_doctor_judge_sync(took[n / 2], took[n - 1], n, to);
    }
    if (fd >= 0) {
        close(fd);
    }
}
