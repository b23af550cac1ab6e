/* SPDX-License-Identifier: Apache-2.0
 * Directories of an export, and the keys they list.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tmx/text.h>

#include "directories.h"
#include "export_dir.h"

#define AUTHORITY_FILE_MAX 8192u

struct tmx_audit_directories {
    size_t n;
    struct tmx_directory *list[AUDIT_DIRECTORIES_MAX]; /* ascending by serial */
};

struct load {
    struct tmx_audit_directories *directories;
    int fd;
    const struct tmx_authority *pinned;
    tmx_audit_directories_fault_fn *fault;
    void *ctx;
    size_t n_serials;
    uint64_t serials[AUDIT_DIRECTORIES_MAX];
};

int tmx_audit_authority(const char *file, struct tmx_authority *ret_authority, const char **ret_what)
{
    uint8_t *data;
    size_t size;
    int r = tmx_export_read(AT_FDCWD, file, AUTHORITY_FILE_MAX, &data, &size);

    if (r < 0) {
        *ret_what = "cannot read the authority file";
        return r;
    }
    if (!tmx_authority_parse(TMX_BYTES(data, size), ret_authority)) {
        *ret_what = "the authority file is not one: \"threshold K\", then one key per line";
        r = -EINVAL;
    }
    free(data);
    return r;
}

static int compare_serials(const void *a, const void *b)
{
    const uint64_t left = *(const uint64_t *)a;
    const uint64_t right = *(const uint64_t *)b;

    return (left > right) - (left < right);
}

/* The serials for which the export has a file. */
static void list_serials(struct load *l)
{
    const int fd = openat(l->fd, "directories", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);

    if (dir == NULL) {
        l->fault(l->ctx, "the export has no folder \"directories\"");
        if (fd >= 0) {
            close(fd);
        }
        return;
    }
    for (const struct dirent *d = readdir(dir); d != NULL && l->n_serials < AUDIT_DIRECTORIES_MAX; d = readdir(dir)) {
        uint64_t serial;

        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0) {
            continue;
        }
        if (tmx_parse_u64(tmx_bytes_str(d->d_name), UINT64_MAX, &serial)) {
            l->serials[l->n_serials++] = serial;
        } else {
            l->fault(l->ctx, "directories holds a file that is no serial");
        }
    }
    closedir(dir);
    qsort(l->serials, l->n_serials, sizeof l->serials[0], compare_serials);
}

static void fault(struct load *l, const char *path, const char *what)
{
    char text[200];

    snprintf(text, sizeof text, "%s: %s", path, what);
    l->fault(l->ctx, text);
}

int tmx_audit_directories_add(struct tmx_audit_directories *all, struct tmx_bytes file,
                              const struct tmx_authority *pinned, const struct tmx_directory **ret_directory)
{
    const struct tmx_directory *before = all->n == 0 ? NULL : all->list[all->n - 1];
    struct tmx_directory *d = NULL;
    int r;

    assert(all->n < AUDIT_DIRECTORIES_MAX);
    r = tmx_directory_load(file, pinned, before, &d);
    if (r == TMX_DIRECTORY_OK) {
        all->list[all->n++] = d;
        *ret_directory = d;
    }
    return r;
}

static int load_one(struct load *l, uint64_t serial)
{
    struct tmx_audit_directories *all = l->directories;
    const struct tmx_directory *d;
    char path[EXPORT_PATH_MAX];
    uint8_t *data;
    size_t size;
    int r;

    snprintf(path, sizeof path, "directories/%llu", (unsigned long long)serial);
    r = tmx_export_read(l->fd, path, TMX_DIRECTORY_MAX, &data, &size);
    if (r < 0) {
        fault(l, path, strerror(-r));
        return 0;
    }
    r = tmx_audit_directories_add(all, TMX_BYTES(data, size), l->pinned, &d);
    free(data);
    if (r < 0) {
        return r;
    }
    if (r != TMX_DIRECTORY_OK) {
        fault(l, path, tmx_directory_error_text(r));
    } else if (tmx_directory_serial(d) != serial) {
        fault(l, path, "it holds another serial");
        tmx_directory_free(all->list[--all->n]);
    }
    return 0;
}

int tmx_audit_directories_load(int export_fd, const struct tmx_authority *pinned,
                               tmx_audit_directories_fault_fn *on_fault, void *ctx,
                               struct tmx_audit_directories **ret_directories)
{
    struct load *l = calloc(1, sizeof *l);
    struct tmx_audit_directories *all = tmx_audit_directories_new();
    int r = l == NULL || all == NULL ? -ENOMEM : 0;

    if (r == 0) {
        *l = (struct load){
            .directories = all, .fd = export_fd, .pinned = pinned, .fault = on_fault, .ctx = ctx
        };
        list_serials(l);
    }
    for (size_t i = 0; r == 0 && i < l->n_serials; i++) {
        r = load_one(l, l->serials[i]);
    }
    free(l);
    if (r < 0) {
        tmx_audit_directories_free(all);
        return r;
    }
    *ret_directories = all;
    return 0;
}

struct tmx_audit_directories *tmx_audit_directories_new(void)
{
    return calloc(1, sizeof(struct tmx_audit_directories));
}

struct tmx_audit_directories *tmx_audit_directories_free(struct tmx_audit_directories *d)
{
    if (d != NULL) {
        for (size_t i = 0; i < d->n; i++) {
            tmx_directory_free(d->list[i]);
        }
        free(d);
    }
    return NULL;
}

size_t tmx_audit_directories_count(const struct tmx_audit_directories *d)
{
    return d->n;
}

const struct tmx_directory *tmx_audit_directories_at(const struct tmx_audit_directories *d, size_t i)
{
    assert(i < d->n);
    return d->list[i];
}

const struct tmx_directory *tmx_audit_directories_find(const struct tmx_audit_directories *d, uint64_t serial)
{
    for (size_t i = d->n; i-- > 0;) {
        if (tmx_directory_serial(d->list[i]) == serial) {
            return d->list[i];
        }
    }
    return NULL;
}

const struct tmx_directory *tmx_audit_directories_newest(const struct tmx_audit_directories *d)
{
    return d->n == 0 ? NULL : d->list[d->n - 1];
}

const struct tmx_verify_key *tmx_audit_log_key(const struct tmx_audit_directories *d, const char *origin)
{
    for (size_t i = d->n; i-- > 0;) {
        const struct tmx_verify_key *key = tmx_directory_log_key(d->list[i], tmx_audit_shard(origin));

        if (key != NULL) {
            return key;
        }
    }
    return NULL;
}

struct tmx_bytes tmx_audit_shard(const char *origin)
{
    const char *slash = strrchr(origin, '/');

    return slash == NULL || strlen(slash + 1) > TMX_SHARD_MAX ? TMX_BYTES_NULL : tmx_bytes_str(slash + 1);
}
