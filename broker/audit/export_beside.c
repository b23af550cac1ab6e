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

/* Writes each, and keeps the newest. */
static int take_directories(struct tmx_export_job *j, const json_t *list, uint8_t newest[TMX_DIRECTORY_MAX],
                            size_t *ret_size)
{
    static uint8_t file[TMX_DIRECTORY_MAX];
    json_int_t highest = 0;
    size_t size;
    int r = 0;

    for (size_t i = 0; r == 0 && i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        const json_t *text = json_object_get(item, "file");
        const json_int_t serial = json_integer_value(json_object_get(item, "serial"));

        if (serial < 1 || !json_is_string(text) ||
            !tmx_unbase64(TMX_BYTES(json_string_value(text), json_string_length(text)), file, sizeof file, &size)) {
            return tmx_export_fail(j, -EBADMSG, "a directory from the broker is malformed");
        }
        r = write_directory(j, (uint64_t)serial, TMX_BYTES(file, size));
        if (serial > highest) {
            highest = serial;
            memcpy(newest, file, size);
            *ret_size = size;
        }
    }
    return r;
}

int tmx_export_directories(struct tmx_export_job *j, struct tmx_bytes *ret_newest)
{
    static const char *const words[] = { "directories" };
    uint8_t *newest;
    size_t size = 0;
    json_t *reply;
    int r = tmx_export_ask(j, words, TMX_N(words), &reply);

    if (r < 0) {
        return r;
    }
    newest = malloc(TMX_DIRECTORY_MAX);
    if (newest == NULL) {
        r = tmx_export_fail(j, -ENOMEM, "out of memory");
    } else if (json_array_size(json_object_get(reply, "directories")) == 0) {
        r = tmx_export_fail(j, -EBADMSG, "the broker gave no directory");
    } else {
        r = take_directories(j, json_object_get(reply, "directories"), newest, &size);
    }
    json_decref(reply);
    if (r < 0) {
        free(newest);
        return r;
    }
    *ret_newest = TMX_BYTES(newest, size);
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
