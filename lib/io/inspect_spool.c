/* SPDX-License-Identifier: Apache-2.0
 * What the configurations of both daemons name: spool, marker, run folder, HTTP endpoint. See tmx/inspect.h.
 */
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <tmx/answer.h>
#include <tmx/control.h>
#include <tmx/http.h>
#include <tmx/spool_lmdb.h>

#include "files.h"
#include "inspect_parts.h"

/* The folder that holds `path`. */
static void parent_of(const char *path, char ret_folder[TMX_PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    size_t size = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
    (void)snprintf(ret_folder, TMX_PATH_MAX, "%.*s", slash == NULL ? 1 : (int)size, slash == NULL ? "." : path);
}

/* Whether something can be made at `path`; says why not. */
static bool can_make(const struct tmx_inspection *i, const char *key, const char *path)
{
    char folder[TMX_PATH_MAX], remedy[TMX_PATH_MAX + 64];
    parent_of(path, folder);
    if (access(folder, W_OK | X_OK) == 0) {
        return true;
    }
    int error = errno;
    (void)snprintf(remedy, sizeof(remedy), error == ENOENT ? "make the folder %s, owned by the daemon's user" : "let the daemon's user write in %s",
                   folder);
    inspect_say(i, key, TMX_FINDING_CRITICAL, remedy, "%s: %s", folder, strerror(error));
    return false;
}

/* -ENOENT: there is none yet. */
static int look_at_spool(const struct tmx_inspection *i, const char *path, const char *role)
{
    char error[512] = "", remedy[TMX_PATH_MAX + 64];
    struct stat st;
    int r = tmx_spool_lmdb_check(path, tmx_config_u64(i->config, i->section, "capacity"), role, error, sizeof(error));
    if (r == -ENOENT) {
        return r;
    }
    if (stat(path, &st) == 0 && (st.st_mode & 077) != 0) {
        (void)snprintf(remedy, sizeof(remedy), "chmod 0700 %s", path);
        inspect_say(i, "spool", TMX_FINDING_WARNING, remedy, "%s has mode %04o: others get at who sends to whom", path,
                    (unsigned)(st.st_mode & 07777));
    }
    if (r == -EBUSY) {
        inspect_say(i, "spool", TMX_FINDING_OK, NULL, "in use by a running %s, which has checked it: not looked into", i->program);
    } else if (r < 0) {
        inspect_say(i, "spool", TMX_FINDING_CRITICAL,
                    r == -EPROTO   ? "run the version of the program that wrote it, or a later one"
                    : r == -EINVAL ? "correct the path: two daemons never share a spool"
                    : r == -EACCES ? "run this as the daemon's user"
                                   : "look at the disk; a lost spool is replaced with the command restore",
                    "%s", error);
    } else {
        inspect_say(i, "spool", TMX_FINDING_OK, NULL, "%s is a whole spool of a %s", path, role);
    }
    return r == -EBUSY ? 0 : r;
}

void tmx_inspect_spool(const struct tmx_inspection *i, const char *role)
{
    const char *spool = tmx_config_string(i->config, i->section, "spool");
    const char *marker = tmx_config_string(i->config, i->section, "marker");
    struct tmx_spool_mark mark;
    char remedy[TMX_PATH_MAX + 96];
    if (spool == NULL || marker == NULL || tmx_config_u64(i->config, i->section, "capacity") == 0) {
        return;
    }
    size_t size = strlen(spool);
    if (strncmp(marker, spool, size) == 0 && marker[size] == '/') {
        inspect_say(i, "marker", TMX_FINDING_CRITICAL, "put it outside, on another disk if there is one",
                    "the marker is inside the spool: it would be old when the spool is");
    }
    int there = look_at_spool(i, spool, role);
    int known = tmx_spool_marker_read(marker, &mark);
    if (known < 0) {
        inspect_say(i, "marker", TMX_FINDING_CRITICAL, "let the daemon's user read it, or bring it back from a copy", "%s: %s", marker,
                    known == -EBADMSG ? "not a marker" : strerror(-known));
    } else if (known == TMX_MARKER_E_NONE && there == -ENOENT) {
        (void)snprintf(remedy, sizeof(remedy), "%s init --config %s", i->program, i->path);
        if (can_make(i, "spool", spool) && can_make(i, "marker", marker)) {
            inspect_say(i, "spool", TMX_FINDING_WARNING, remedy, "%s: there is no spool yet", spool);
        }
    } else if (known == TMX_MARKER_E_NONE) {
        inspect_say(i, "marker", TMX_FINDING_CRITICAL, "correct the path, or bring the marker back: without it an old copy of the spool could not be told",
                    "%s: missing, but there is a spool", marker);
    } else if (there == -ENOENT) {
        (void)snprintf(remedy, sizeof(remedy), "correct the path, or replace what is lost: %s restore --config %s", i->program, i->path);
        inspect_say(i, "spool", TMX_FINDING_CRITICAL, remedy, "%s: missing, but its marker says that there was one", spool);
    } else if (can_make(i, "marker", marker)) {   /* it is replaced */
        inspect_say(i, "marker", TMX_FINDING_OK, NULL, "generation %llu", (unsigned long long)mark.generation);
    }
}

void tmx_inspect_run(const struct tmx_inspection *i)
{
    const char *run = tmx_config_string(i->config, i->section, "run");
    struct sockaddr_un address;
    struct stat st;
    if (run == NULL) {
        return;
    }
    if (strlen(run) + sizeof("/" TMX_CONTROL_SOCKET) > sizeof(address.sun_path)) {
        inspect_say(i, "run", TMX_FINDING_CRITICAL, "choose a shorter folder, as /run/tmx-broker",
                    "the control socket in %s would be longer than the %zu bytes a socket's path may have", run,
                    sizeof(address.sun_path) - 1);
    } else if (stat(run, &st) < 0) {
        if (can_make(i, "run", run)) {
            inspect_say(i, "run", TMX_FINDING_OK, NULL, "%s will be made", run);
        }
    } else if (!S_ISDIR(st.st_mode) || access(run, W_OK | X_OK) < 0) {
        inspect_say(i, "run", TMX_FINDING_CRITICAL, "make it a folder that the daemon's user may write in", "%s: %s", run,
                    S_ISDIR(st.st_mode) ? strerror(errno) : "not a folder");
    } else if ((st.st_mode & 02) != 0) {
        inspect_say(i, "run", TMX_FINDING_CRITICAL, "chmod o-w, so that nobody else can put a socket there",
                    "%s has mode %04o: anybody could answer in the daemon's place", run, (unsigned)(st.st_mode & 07777));
    } else {
        inspect_say(i, "run", TMX_FINDING_OK, NULL, "%s", run);
    }
}

void tmx_inspect_http(const struct tmx_inspection *i)
{
    const char *address = tmx_config_string(i->config, i->section, "http");
    if (address != NULL && !tmx_http_address_valid(address)) {
        inspect_say(i, "http", TMX_FINDING_CRITICAL, "http = 127.0.0.1:9570, and a tunnel for who is elsewhere",
                    "%s is not a loopback address with a port", address);
    }
}

void tmx_inspect_operators(const struct tmx_inspection *i)
{
    static struct tmx_operators operators;
    const char *path = tmx_config_string(i->config, i->section, "operators");
    const char *key = tmx_config_string(i->config, i->section, "operators_key");
    char error[512] = "";
    if (path == NULL && key == NULL) {
        return;   /* then nobody may act, as is said to who tries */
    }
    if (tmx_operators_load(path, key, &operators, error, sizeof(error)) < 0) {
        inspect_say(i, "operators", TMX_FINDING_CRITICAL, "have the list signed by the key of operators_key, or correct the path", "%s", error);
    } else {
        inspect_say(i, "operators", TMX_FINDING_OK, NULL, "%s", path);
    }
}
