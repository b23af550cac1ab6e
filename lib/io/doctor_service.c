/* SPDX-License-Identifier: Apache-2.0
 * The doctor's check of the service: is there a unit, and does it still confine the daemon?
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor_parts.h"
#include "files.h"

#define UNIT_MAX (64u << 10)

/* Lines of deploy/systemd without which a fault costs more. */
static const struct {
    const char *line, *why;
} wanted[] = {
    { "RestartPreventExitStatus=64 74 78", "after a storage error it would be restarted on a disk that lies" },
    { "LimitCORE=0", "a crash would leave keys in a core file" },
    { "CapabilityBoundingSet=", "it would keep privileges it does not need" },
    { "NoNewPrivileges=yes", "it could gain privileges" },
    { "ProtectSystem=strict", "it could write outside its folders" },
    { "SystemCallFilter=@system-service", "all system calls would be open to it" },
};

static bool has_line(const char *text, const char *line)
{
    size_t size = strlen(line);
    for (const char *at = text; at != NULL && *at != '\0'; at = strchr(at, '\n'), at += at != NULL) {
        if (strncmp(at, line, size) == 0 && (at[size] == '\n' || at[size] == '\0')) {
            return true;
        }
    }
    return false;
}

void tmx_doctor_judge_unit(const char *path, const char *text, struct tmx_findings *to)
{
    size_t missing = 0;
    for (size_t i = 0; i < TMX_N(wanted); i++) {
        char remedy[128];
        if (!has_line(text, wanted[i].line)) {
            (void)snprintf(remedy, sizeof(remedy), "put the line %s back (systemctl edit)", wanted[i].line);
            tmx_finding(to, TMX_FINDING_WARNING, "service", remedy, "%s lacks it: %s", path, wanted[i].why);
            missing++;
        }
    }
    if (missing == 0) {
        tmx_finding(to, TMX_FINDING_OK, "service", NULL, "%s confines it", path);
    }
}

void doctor_service(const struct tmx_doctor_subject *s, struct tmx_findings *to)
{
    static const char *const folders[] = { "/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system",
                                           "/usr/lib/systemd/system", "/lib/systemd/system" };
    char path[TMX_PATH_MAX];
    char *text = calloc(1, UNIT_MAX + 1);
    size_t size = 0, i = 0;
    int r = -ENOENT;
    if (access("/run/systemd/system", F_OK) != 0) {
        tmx_finding(to, TMX_FINDING_OK, "service", NULL, "systemd does not run here: who starts %s has to restart and confine it", s->program);
        free(text);
        return;
    }
    for (; text != NULL && r == -ENOENT && i < TMX_N(folders); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", folders[i], s->unit);
        r = tmx_read_file(path, (uint8_t *)text, UNIT_MAX, &size);
    }
    if (r < 0) {
        tmx_finding(to, TMX_FINDING_WARNING, "service", "install the unit, then systemctl enable it", "%s: %s", s->unit,
                    r == -ENOENT ? "there is no such unit" : strerror(-r));
    } else {
        text[size] = '\0';
        tmx_doctor_judge_unit(path, text, to);
    }
    free(text);
}
