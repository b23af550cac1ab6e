/* SPDX-License-Identifier: Apache-2.0
 * Proofs of misbehaviour as files, in the folder `proofs` beside the spool (LINK-6). Named by when it came, not by a number
 * of the spool: an older copy of one counts again. Beside each the directory in force, which holds the log's key.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tmx/log.h>

#include "daemon.h"

static void folder_of(const struct daemon *d, char ret_path[PROOF_PATH_MAX])
{
    char spool[PROOF_PATH_MAX];
    snprintf(spool, sizeof(spool), "%s", d->settings.spool);
    for (size_t n = strlen(spool); n > 1 && spool[n - 1] == '/'; n--) {
        spool[n - 1] = '\0';
    }
    char *slash = strrchr(spool, '/');
    if (slash == NULL) {
        snprintf(ret_path, PROOF_PATH_MAX, "proofs");
        return;
    }
    *slash = '\0';
    snprintf(ret_path, PROOF_PATH_MAX, "%s/proofs", spool);
}

void proofs_path(const struct daemon *d, const struct tmx_node_misbehaviour_view *v, char ret_path[PROOF_PATH_MAX])
{
    char folder[PROOF_PATH_MAX - 64];
    folder_of(d, ret_path);
    snprintf(folder, sizeof(folder), "%s", ret_path);
    snprintf(ret_path, PROOF_PATH_MAX, "%s/misbehaviour-%llu", folder, (unsigned long long)v->at_ms);
}

bool proofs_newest(struct daemon *d, struct tmx_node_misbehaviour_view *ret_view)
{
    struct tmx_node_misbehaviour_view v = { .number = 0 };
    while (tmx_node_misbehaviour(d->node, v.number + 1, &v)) {
    }
    return v.number > 0 && tmx_node_misbehaviour(d->node, v.number, ret_view);   /* again: each look ends the one before */
}

/* The directory first: where the proof is, both are. */
static int write_one(const struct daemon *d, const char *path, struct tmx_bytes file)
{
    char folder[PROOF_PATH_MAX], beside[PROOF_PATH_MAX + 16];
    folder_of(d, folder);
    snprintf(beside, sizeof(beside), "%s.directory", path);
    if (mkdir(folder, 0700) < 0 && errno != EEXIST) {
        return -errno;
    }
    int r = tmx_startup_keep(beside, tmx_directory_file(tmx_node_directory(d->node)));
    return r < 0 ? r : tmx_startup_keep(path, file);
}

void proofs_write(struct daemon *d)
{
    struct tmx_node_misbehaviour_view v = { .number = 0 };
    char path[PROOF_PATH_MAX];
    int r = 0;
    while (r == 0 && tmx_node_misbehaviour(d->node, v.number + 1, &v)) {
        proofs_path(d, &v, path);
        if (access(path, F_OK) == 0) {
            continue;
        }
        r = write_one(d, path, v.file);
        if (r == 0) {
            tmx_log_text(TMX_LOG_WARNING, "misbehaviour.written", "%s", path);
        } else if (!d->proof_unwritten) {
            tmx_log_text(TMX_LOG_ERROR, "misbehaviour.unwritten", "%s: %s", path, strerror(-r));
        }
    }
    d->proof_unwritten = r < 0;
}
