/* SPDX-License-Identifier: Apache-2.0
 * What an export holds beside the log: the directories, the witness policy, the schema.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tmx/directory.h>
#include <tmx/text.h>

#include "directories.h"
#include "export_dir.h"
#include "export_parts.h"
#include "schema.h"

#define ARENA (12u * TMX_DIRECTORY_MAX)

static int write_directory(struct tmx_export_job *j, uint64_t serial, struct tmx_bytes file)
{
    char path[EXPORT_PATH_MAX];
    int r;

    snprintf(path, sizeof path, "directories/%llu", (unsigned long long)serial);
    r = tmx_export_put(j->fd, path, file);
    return r == -EEXIST ? tmx_export_fail(j, r, "the broker's %s differs from the one in the export here: keep both", path)
           : r < 0      ? tmx_export_fail(j, r, "cannot write %s", path)
                        : 0;
}

/* The directory of this serial or the next higher one; *ret_serial 0: there is none. */
static int ask_directory(struct tmx_export_job *j, uint64_t from, uint64_t *ret_serial, struct tmx_bytes *ret_file)
{
    char number[24];
    const char *const words[] = { "log-directory", number };
    struct tmx_bytes file;
    json_t *reply;
    const json_t *serial;
    int r;

    snprintf(number, sizeof number, "%llu", (unsigned long long)from);
    r = tmx_export_ask(j, words, TMX_N(words), &reply, &file);
    if (r < 0) {
        return r;
    }
    serial = json_object_get(reply, "serial");
    *ret_serial = (uint64_t)json_integer_value(serial);
    if (!json_is_integer(serial) || (*ret_serial > 0 && *ret_serial < from) || *ret_serial > INT64_MAX ||
        file.size > TMX_DIRECTORY_MAX || (file.size > 0) != (*ret_serial > 0)) {
        r = tmx_export_fail(j, -EBADMSG, "a directory from the broker is malformed");
    }
    if (r < 0 || *ret_serial == 0) {
        tmx_export_forget(file);
    } else {
        *ret_file = file;
    }
    json_decref(reply);
    return r;
}

int tmx_export_directories(struct tmx_export_job *j, struct tmx_bytes *ret_newest)
{
    struct tmx_bytes newest = TMX_BYTES_NULL;
    struct tmx_bytes file = TMX_BYTES_NULL;
    uint64_t serial = 0;
    unsigned n = 0;
    int r;

    do {
        r = ask_directory(j, serial + 1, &serial, &file);
        if (r == 0 && serial > 0) {
            tmx_export_forget(newest);
            newest = file;
            r = write_directory(j, serial, newest);
        }
    } while (r == 0 && serial > 0 && ++n <= AUDIT_DIRECTORIES_MAX);
    if (r == 0 && (newest.size == 0 || n > AUDIT_DIRECTORIES_MAX)) {
        r = tmx_export_fail(j, -EBADMSG, "the broker gave %s", n == 0 ? "no directory" : "more directories than can be read");
    }
    if (r < 0) {
        tmx_export_forget(newest);
        return r;
    }
    *ret_newest = newest;
    return 0;
}

/* The policy as that directory has it. Whether the authority signed it, who verifies the export asks. */
static int find_policy(struct tmx_bytes file, struct tmx_arena *arena, struct tmx_bytes *ret_policy)
{
    const Tmx__SignedDirectory *s;
    const Tmx__Directory *d;

    if (tmx_codec_unpack(&tmx__signed_directory__descriptor, file, TMX_DIRECTORY_MAX, arena, &s) != TMX_CODEC_OK ||
        tmx_codec_unpack(&tmx__directory__descriptor, tmx_pb(s->directory), TMX_DIRECTORY_MAX, arena, &d) !=
            TMX_CODEC_OK) {
        return -EBADMSG;
    }
    *ret_policy = tmx_pb(d->witness_policy);
    return 0;
}

/* As the file must be now, whatever it was: it may change with every directory. */
static int write_text(struct tmx_export_job *j, const char *path, struct tmx_bytes text)
{
    int r = tmx_export_put(j->fd, path, text);

    if (r == -EEXIST) {
        r = tmx_export_write(j->fd, path, text);
    }
    return r < 0 ? tmx_export_fail(j, r, "cannot write %s", path) : 0;
}

static int write_policy(struct tmx_export_job *j, struct tmx_bytes newest)
{
    struct tmx_arena arena;
    struct tmx_bytes policy;
    int r = tmx_arena_init(&arena, ARENA);

    if (r < 0) {
        return tmx_export_fail(j, r, "out of memory");
    }
    r = find_policy(newest, &arena, &policy);
    if (r < 0) {
        r = tmx_export_fail(j, r, "the newest directory from the broker is none");
    } else if (policy.size > 0) {
        r = write_text(j, "policy", policy);
    } else if (j->base >= 0 && faccessat(j->base, "policy", F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
        r = tmx_export_fail(j, -EEXIST, "the earlier export has a policy, which is in force no more: export everything");
    } else if (unlinkat(j->fd, "policy", 0) < 0 && errno != ENOENT) {
        r = tmx_export_fail(j, -errno, "cannot take away the policy, which is in force no more");
    }
    tmx_arena_deinit(&arena);
    return r;
}

int tmx_export_texts(struct tmx_export_job *j, struct tmx_bytes newest)
{
    int r = write_policy(j, newest);

    if (r == 0) {
        r = write_text(j, "proto/audit.proto", tmx_bytes_str(tmx_schema_audit));
    }
    return r == 0 ? write_text(j, "proto/envelope.proto", tmx_bytes_str(tmx_schema_envelope)) : r;
}
