/* SPDX-License-Identifier: Apache-2.0
 * Contract: compromise.h. A broker's log is exported first; a node has none, but containers: of it an export has to be there already.
 */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tmx/control.h>

#include "compromise.h"
#include "compromise_print.h"
#include "export.h"
#include "progress.h"
#include "screen.h"

static int complain(const char *why)
{
    fprintf(stderr, "tmxctl: %s\n", why);
    return EXIT_REFUSED;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

/* Copies the path of the authority's keys that the daemon itself trusts. */
static int find_authority(const struct compromise *c, const struct daemon_at *at, char ret_path[4096])
{
    json_t *reply = NULL;
    int r = c->authority == NULL ? ask_daemon(at, (const char *[]){ "directory", "show" }, 2, TMX_BYTES_NULL, ASK_TIMEOUT_MS, &reply) : 0;
    if (r < 0) {
        ask_why(stderr, at, r);
        return EXIT_UNKNOWN;
    }
    const char *named = json_string_value(json_object_get(reply, "authority"));
    const char *path = c->authority != NULL ? c->authority : named;
    (void)snprintf(ret_path, 4096, "%s", path != NULL ? path : "");
    json_decref(reply);
    return path != NULL ? EXIT_OK : complain("the daemon does not say where the authority's keys are: name them with --authority");
}

/* What is new, for a terminal with a bar. A node has no log: then the export is read as it is. */
static int take_log(const struct compromise *c, const struct daemon_at *at, const char *socket, const char *dir)
{
    struct tmx_progress progress = tmx_progress_begin();
    const struct tmx_export_order order = { .socket = socket, .dir = dir, .progress = tmx_progress_step, .progress_ctx = &progress };
    struct tmx_checkpoint head;
    bool uncosigned = false;
    char why[EXPORT_WHY_MAX];
    if (strcmp(at->kind, "node") == 0) {
        return c->dir != NULL ? EXIT_OK : complain("a node has no log: name an export of it with --export");
    }
    int r = tmx_export_run(&order, &head, &uncosigned, why);
    tmx_progress_end(&progress);
    if (r < 0) {
        fprintf(stderr, "tmxctl: %s: %s\n", why, strerror(-r));
        return EXIT_REFUSED;
    }
    if (uncosigned) {
        fprintf(stderr, "tmxctl: the head is signed by the log alone: no quorum of witnesses has cosigned it yet\n");
    }
    return EXIT_OK;
}

static int print(const struct compromise *c, const char *dir, const char *authority, const char *socket)
{
    struct tmx_compromise found = { .to_index = UINT64_MAX, .ask = tmx_compromise_ask, .ask_ctx = (void *)(uintptr_t)socket };
    struct tmx_history h;
    char why[HISTORY_WHY_MAX];
    if ((c->from != NULL && !tmx_compromise_place(c->from, &found.from_index, &found.from_ms)) ||
        (c->to != NULL && !tmx_compromise_place(c->to, &found.to_index, &found.to_ms))) {
        return complain("--from and --to take an entry of the log or a time: 4711, 2026-11-24 or 2026-11-24T10:00:00Z");
    }
    if (tmx_history_open_export(dir, authority, &h, why) < 0) {
        return complain(why);
    }
    int r = tmx_compromise_print(&h, c->key, &found, c->json ? COMPROMISE_JSON : COMPROMISE_TABLE, why);
    tmx_history_close(&h);
    return r < 0 ? complain(why) : EXIT_OK;
}

int compromise_run(const struct compromise *c, const struct daemon_at *at)
{
    const char *tmp = getenv("TMPDIR");
    char authority[4096], path[4096], own[4096] = "";
    const char *socket = daemon_path(at, TMX_CONTROL_SOCKET, path);
    int code = find_authority(c, at, authority);
    if (code != EXIT_OK) {
        return code;
    }
    (void)snprintf(own, sizeof(own), "%s/tmxctl-XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (c->dir == NULL && mkdtemp(own) == NULL) {
        fprintf(stderr, "tmxctl: %s: %s\n", own, strerror(errno));
        return EXIT_REFUSED;
    }
    const char *dir = c->dir != NULL ? c->dir : own;
    code = take_log(c, at, socket, dir);
    code = code == EXIT_OK ? print(c, dir, authority, socket) : code;
    if (c->dir == NULL) {
        (void)nftw(own, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    }
    return code;
}
