/* SPDX-License-Identifier: Apache-2.0
 * Runs the checks of the doctor and shows what they find. See tmx/doctor.h.
 */
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tmx/clock.h>
#include <tmx/control.h>

#include "doctor_parts.h"

#define ASK_MS 1000u   /* the daemon whether it runs */

const struct tmx_doctor_check *tmx_doctor_checks(size_t *ret_n)
{
    static const struct tmx_doctor_check checks[] = {
        { "clock", doctor_clock },   { "entropy", doctor_entropy }, { "limits", doctor_limits }, { "memory", doctor_memory },
        { "core", doctor_core },     { "disk", doctor_disk },       { "sync", doctor_sync },     { "ports", doctor_ports },
        { "files", doctor_files },   { "libraries", doctor_libraries }, { "service", doctor_service },
    };
    *ret_n = TMX_N(checks);
    return checks;
}

void tmx_doctor_describe(const struct tmx_config *c, const char *section, struct tmx_doctor_subject *s)
{
    static const char *const words[] = { "status" };
    char path[4096];
    json_t *status;
    s->keys = tmx_config_string(c, section, "keys");
    s->spool = tmx_config_string(c, section, "spool");
    s->marker = tmx_config_string(c, section, "marker");
    s->run = tmx_config_string(c, section, "run");
    s->capacity = tmx_config_u64(c, section, "capacity");
    (void)snprintf(path, sizeof(path), "%s/" TMX_CONTROL_SOCKET, s->run != NULL ? s->run : "");
    if (tmx_control_call(path, words, TMX_N(words), TMX_BYTES_NULL, ASK_MS, &status) == 0) {
        s->pid = (pid_t)json_integer_value(json_object_get(status, "pid"));
        json_decref(status);
    }
}

bool tmx_doctor_http(const struct tmx_config *c, const char *section, char ret_endpoint[TMX_ENDPOINT_MAX + 1],
                     struct tmx_doctor_port *ret_port)
{
    const char *http = tmx_config_string(c, section, "http");
    if (http == NULL) {
        return false;
    }
    (void)snprintf(ret_endpoint, TMX_ENDPOINT_MAX + 1, "tcp://%s", http);
    *ret_port = (struct tmx_doctor_port){ "the status page", ret_endpoint, true };
    return true;
}

/* ---- one check in a process of its own ---- */

/* Findings are smaller than what a pipe takes at once: whole or not at all. */
_Static_assert(sizeof(struct tmx_finding) <= 4096, "PIPE_BUF");

static void send_finding(void *ctx, const struct tmx_finding *f)
{
    const int *fd = ctx;
    (void)!write(*fd, f, sizeof(*f));
}

static _Noreturn void look(const struct tmx_doctor_check *check, const struct tmx_doctor_subject *s, pid_t parent, int fd)
{
    struct tmx_findings to = { .take = send_finding, .ctx = &fd };
    sigset_t empty;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) {
        _exit(1);
    }
    (void)sigemptyset(&empty);
    (void)sigprocmask(SIG_SETMASK, &empty, NULL);
    check->look(s, &to);
    _exit(0);
}

/* Takes findings until the check ends (true) or its time is up. */
static bool receive(const char *name, int fd, uint64_t until_ms, struct tmx_findings *to)
{
    for (;;) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        struct tmx_finding f;
        uint64_t now = tmx_clock_mono_ms();
        if (now >= until_ms || poll(&p, 1, (int)(until_ms - now)) == 0) {
            return false;
        }
        ssize_t n = read(fd, &f, sizeof(f));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n != (ssize_t)sizeof(f)) {
            return true;
        }
        (void)snprintf(f.subject, sizeof(f.subject), "%s", name);
        tmx_finding_take(to, &f);
    }
}

static void run_check(const struct tmx_doctor_check *check, const struct tmx_doctor_subject *s, uint64_t limit_ms,
                      struct tmx_findings *to)
{
    static const char *const remedy = "look at what it asks: a disk, a mount or a name service that hangs";
    int ends[2], status = 0;
    if (pipe2(ends, O_CLOEXEC) < 0) {
        tmx_finding(to, TMX_FINDING_CRITICAL, check->name, NULL, "cannot be looked at: %s", strerror(errno));
        return;
    }
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        close(ends[0]);
        look(check, s, parent, ends[1]);
    }
    close(ends[1]);
    if (pid < 0) {
        tmx_finding(to, TMX_FINDING_CRITICAL, check->name, NULL, "cannot be looked at: %s", strerror(errno));
    } else if (!receive(check->name, ends[0], tmx_clock_mono_ms() + limit_ms, to)) {
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, &status, WNOHANG);   /* one that the kernel holds does not end before that lets go */
        tmx_finding(to, TMX_FINDING_CRITICAL, check->name, remedy, "did not end within %llu ms", (unsigned long long)limit_ms);
    } else {
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
        }
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            tmx_finding(to, TMX_FINDING_CRITICAL, check->name, NULL, "the check itself failed");
        }
    }
    close(ends[0]);
}

void tmx_doctor_run(const struct tmx_doctor_check *checks, size_t n, const struct tmx_doctor_subject *s, uint64_t check_ms,
                    uint64_t all_ms, struct tmx_findings *to)
{
    uint64_t end = tmx_clock_mono_ms() + all_ms;
    for (size_t i = 0; i < n; i++) {
        uint64_t now = tmx_clock_mono_ms();
        uint64_t left = now < end ? end - now : 0;
        if (left == 0) {
            tmx_finding(to, TMX_FINDING_WARNING, checks[i].name, "see to what took the time, then ask again", "not looked at: the time is up");
            continue;
        }
        run_check(&checks[i], s, left < check_ms ? left : check_ms, to);
    }
}

/* ---- showing ---- */

static void print_line(void *ctx, const struct tmx_finding *f)
{
    FILE *out = ctx;
    fprintf(out, "%-8s  %-10s %s%s%s\n", tmx_finding_word(f->severity), f->subject, f->says, f->remedy[0] != '\0' ? "; do: " : "",
            f->remedy);
    (void)fflush(out);   /* each as it comes: the next may take its time */
}

static void add_json(void *ctx, const struct tmx_finding *f)
{
    json_t *o = json_pack("{s:s, s:s, s:s}", "check", f->subject, "severity", tmx_finding_word(f->severity), "says", f->says);
    if (f->remedy[0] != '\0') {
        (void)json_object_set_new(o, "remedy", json_string(f->remedy));
    }
    (void)json_array_append_new(ctx, o);
}

static void look_at_config(const struct tmx_doctor_subject *s, void (*config)(const char *path, struct tmx_findings *to),
                           struct tmx_findings *to)
{
    struct tmx_findings found = { .take = tmx_finding_ignore };
    char remedy[512];
    config(s->config, &found);
    size_t critical = found.n[TMX_FINDING_CRITICAL], warnings = found.n[TMX_FINDING_WARNING];
    if (critical + warnings == 0) {
        tmx_finding(to, TMX_FINDING_OK, "config", NULL, "%s and what it names are good", s->config);
        return;
    }
    (void)snprintf(remedy, sizeof(remedy), "%s --check --config %s", s->program, s->config);
    tmx_finding(to, critical > 0 ? TMX_FINDING_CRITICAL : TMX_FINDING_WARNING, "config", remedy, "%s and what it names: %zu critical, %zu warnings",
                s->config, critical, warnings);
}

int tmx_doctor_command(const struct tmx_doctor_subject *s, bool json, void (*config)(const char *path, struct tmx_findings *to))
{
    json_t *list = json_array();
    struct tmx_findings to = { .take = json ? add_json : print_line, .ctx = json ? (void *)list : (void *)stdout };
    size_t n;
    const struct tmx_doctor_check *checks = tmx_doctor_checks(&n);
    look_at_config(s, config, &to);
    tmx_doctor_run(checks, n, s, TMX_DOCTOR_CHECK_MS, TMX_DOCTOR_MS, &to);
    if (!json) {
        json_decref(list);
        return tmx_findings_end(&to, stdout, "nothing to be done");
    }
    json_t *document = json_pack("{s:i, s:s, s:I, s:I, s:I, s:I, s:o}", "version", 1, "program", s->program, "at_ms",
                                 (json_int_t)(tmx_clock_wall_us() / 1000), "critical", (json_int_t)to.n[TMX_FINDING_CRITICAL],
                                 "warnings", (json_int_t)to.n[TMX_FINDING_WARNING], "ok", (json_int_t)to.n[TMX_FINDING_OK],
                                 "findings", list);
    bool written = document != NULL && json_dumpf(document, stdout, JSON_COMPACT) == 0 && fputc('\n', stdout) != EOF;
    json_decref(document);
    return !written || to.n[TMX_FINDING_CRITICAL] > 0 ? 2 : to.n[TMX_FINDING_WARNING] > 0 ? 1 : 0;
}
