/* SPDX-License-Identifier: Apache-2.0
 * Every file of an export, in order.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "export_dir.h"

#define WALK_DEPTH_MAX 12u
#define WALK_PATH_MAX (EXPORT_PATH_MAX + 256u)

/* A folder's name ends in a slash: so the order of names is that of paths. */
struct name {
    char *text;
    size_t layer; /* index of the export it is in */
};

struct names {
    size_t n;
    size_t room;
    struct name *list;
};

struct walk {
    const int *dir_fds;
    size_t n;
    tmx_export_file_fn *fn;
    void *ctx;
};

static void free_names(struct names *names)
{
    for (size_t i = 0; i < names->n; i++) {
        free(names->list[i].text);
    }
    free(names->list);
}

static int add_name(struct names *names, const char *text, bool folder, size_t layer)
{
    char *copy;

    if (names->n == names->room) {
        const size_t room = names->room == 0 ? 64 : 2 * names->room;
        struct name *list = realloc(names->list, room * sizeof list[0]);

        if (list == NULL) {
            return -ENOMEM;
        }
        names->list = list;
        names->room = room;
    }
    if (asprintf(&copy, "%s%s", text, folder ? "/" : "") < 0) {
        return -ENOMEM;
    }
    names->list[names->n++] = (struct name){ .text = copy, .layer = layer };
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    const struct name *left = a;
    const struct name *right = b;
    const int order = strcmp(left->text, right->text);

    return order != 0 ? order : (left->layer > right->layer) - (left->layer < right->layer);
}

static bool is_folder(int fd, const struct dirent *d)
{
    struct stat st;

    return d->d_type == DT_DIR ||
           (d->d_type == DT_UNKNOWN && fstatat(fd, d->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode));
}

/* What one of the exports has in a folder; *ret_found when it has the folder. */
static int list_folder(const struct walk *w, size_t layer, const char *folder, unsigned depth, struct names *names,
                       bool *ret_found)
{
    const int fd = openat(w->dir_fds[layer], folder[0] == '\0' ? "." : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    int r = 0;

    if (dir == NULL) {
        r = errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
        if (fd >= 0) {
            close(fd);
        }
        return r;
    }
    *ret_found = true;
    for (const struct dirent *d = readdir(dir); r == 0 && d != NULL; d = readdir(dir)) {
        if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0) {
            const bool deeper = depth < WALK_DEPTH_MAX && strlen(folder) + strlen(d->d_name) < EXPORT_PATH_MAX;

            r = add_name(names, d->d_name, deeper && is_folder(fd, d), layer);
        }
    }
    closedir(dir);
    return r;
}

static int walk(const struct walk *w, const char *folder, unsigned depth);

/* `prefix` is empty or ends in a slash. */
static int visit(const struct walk *w, const char *prefix, const struct name *name, unsigned depth)
{
    char path[WALK_PATH_MAX];
    const int size = snprintf(path, sizeof path, "%s%s", prefix, name->text);

    if (size < 0 || (size_t)size >= sizeof path) {
        return -ENAMETOOLONG;
    }
    return tmx_export_is_folder(path) ? walk(w, path, depth + 1) : w->fn(w->ctx, w->dir_fds[name->layer], path);
}

static int walk(const struct walk *w, const char *folder, unsigned depth)
{
    struct names names = { .n = 0 };
    bool found = false;
    int r = 0;

    for (size_t i = 0; r == 0 && i < w->n; i++) {
        r = list_folder(w, i, folder, depth, &names, &found);
    }
    if (r == 0 && !found) {
        r = -ENOENT;
    }
    if (r == 0 && names.n == 0) {
        r = w->fn(w->ctx, w->dir_fds[w->n - 1], folder);
    }
    if (names.n > 1) {
        qsort(names.list, names.n, sizeof names.list[0], compare_names);
    }
    for (size_t i = 0; r == 0 && i < names.n; i++) {
        if (i + 1 == names.n || strcmp(names.list[i].text, names.list[i + 1].text) != 0) {
            r = visit(w, folder, &names.list[i], depth);
        }
    }
    free_names(&names);
    return r;
}

bool tmx_export_is_folder(const char *path)
{
    const size_t size = strlen(path);

    return size == 0 || path[size - 1] == '/';
}

int tmx_export_walk(const int *dir_fds, size_t n, const char *folder, tmx_export_file_fn *fn, void *ctx)
{
    const struct walk w = { .dir_fds = dir_fds, .n = n, .fn = fn, .ctx = ctx };
    char prefix[EXPORT_PATH_MAX];

    snprintf(prefix, sizeof prefix, "%s%s", folder, folder[0] == '\0' ? "" : "/");
    return walk(&w, prefix, 0);
}
