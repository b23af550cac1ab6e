/* SPDX-License-Identifier: Apache-2.0
 * The doctor's check of permissions and owners: who can read the keys, who can put something else in their place.
 */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "doctor_parts.h"
#include "files.h"

#define KEYS_MAX 1024u   /* of a folder */

struct look {
    struct tmx_findings *to;
    uid_t user;     /* the daemon's */
    size_t n_bad, n_files;
};

static void bad(struct look *l, enum tmx_finding_severity severity, const char *remedy, const char *path, const char *what)
{
    char text[TMX_PATH_MAX + 64];
    (void)snprintf(text, sizeof(text), "%s %s", remedy, path);
    tmx_finding(l->to, severity, "files", text, "%s: %s", path, what);
    l->n_bad++;
}

/* A file of one owner that nobody else gets at. */
static void look_at_secret(struct look *l, const char *path)
{
    struct stat st;
    if (lstat(path, &st) != 0) {
        return;   /* what is missing is --check's */
    }
    l->n_files++;
    if ((st.st_mode & 077) != 0) {
        bad(l, TMX_FINDING_CRITICAL, S_ISDIR(st.st_mode) ? "chmod 0700" : "chmod 0400", path, "others than its owner can get at it");
    }
    if (st.st_uid != l->user) {
        char chown_to[32], what[64];
        (void)snprintf(chown_to, sizeof(chown_to), "chown %u", (unsigned)l->user);
        (void)snprintf(what, sizeof(what), "belongs to user %u, the daemon is user %u", (unsigned)st.st_uid, (unsigned)l->user);
        bad(l, TMX_FINDING_CRITICAL, chown_to, path, what);
    }
}

/* A folder others may look into. One that anybody writes in is another's where names are not kept for their owners. */
static void look_at_folder(struct look *l, const char *path)
{
    struct stat st;
    if (stat(path, &st) == 0 && (st.st_mode & 02) != 0 && (st.st_mode & S_ISVTX) == 0) {
        bad(l, TMX_FINDING_CRITICAL, "chmod o-w", path, "everybody can replace what is in it");
    }
}

/* Every folder above `path`. */
static void look_above(struct look *l, const char *path)
{
    char *real = realpath(path, NULL);
    for (char *slash = real != NULL ? strrchr(real, '/') : NULL; slash != NULL && slash != real; slash = strrchr(real, '/')) {
        *slash = '\0';
        look_at_folder(l, real);
    }
    free(real);
}

static void look_at_keys(struct look *l, const char *folder)
{
    DIR *dir = opendir(folder);
    char path[TMX_PATH_MAX];
    unsigned n = 0;
    for (const struct dirent *d = dir != NULL ? readdir(dir) : NULL; d != NULL && n < KEYS_MAX; d = readdir(dir), n++) {
        size_t size = strlen(d->d_name);
        if (size > 4 && strcmp(d->d_name + size - 4, ".key") == 0 &&
            snprintf(path, sizeof(path), "%s/%s", folder, d->d_name) < (int)sizeof(path)) {
            look_at_secret(l, path);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
}

void doctor_files(const struct tmx_doctor_subject *s, struct tmx_findings *to)
{
    struct look l = { .to = to, .user = geteuid() };
    struct stat st;
    if (s->spool != NULL && stat(s->spool, &st) == 0) {
        l.user = st.st_uid;
        look_at_secret(&l, s->spool);
        look_above(&l, s->spool);
    }
    if (s->keys != NULL) {
        look_at_folder(&l, s->keys);
        look_above(&l, s->keys);
        look_at_keys(&l, s->keys);
    }
    if (s->run != NULL) {
        look_at_folder(&l, s->run);
    }
    if (s->config != NULL && stat(s->config, &st) == 0 && (st.st_mode & 02) != 0) {
        bad(&l, TMX_FINDING_CRITICAL, "chmod o-w", s->config, "everybody can change the configuration");
    }
    if (l.n_bad == 0) {
        tmx_finding(to, TMX_FINDING_OK, "files", NULL, "keys and spool are their owner's alone (%zu looked at)", l.n_files);
    }
}
