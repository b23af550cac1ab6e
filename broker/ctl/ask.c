/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <tmx/control.h>

#include "ask.h"

const char *daemon_path(const struct daemon_at *at, const char *name, char path[4096])
{
    if (at->folder == NULL) {
        return at->socket;
    }
    (void)snprintf(path, 4096, "%s/%s", at->folder, name);
    return path;
}

const char *ask_why_not(int error)
{
    switch (error) {
    case -ENOENT:
        return "there is no such socket: it is not running, or its run folder is another one";
    case -ECONNREFUSED:
        return "nobody listens: it is not running";
    case -EACCES:
    case -EPERM:
        return "you may not: operators are the group of that socket";
    case -ETIMEDOUT:
        return "no answer in time: it hangs, or others keep it busy";
    case -EBADMSG:
        return "its answer breaks off or is no JSON object";
    case -EMSGSIZE:
        return "the question or the answer is too large";
    default:
        return strerror(-error);
    }
}

int ask_daemon(const struct daemon_at *at, const char *const *words, size_t n, struct tmx_bytes attachment,
               uint64_t timeout_ms, json_t **ret_reply)
{
    char path[4096];
    return tmx_control_call(daemon_path(at, TMX_CONTROL_SOCKET, path), words, n, attachment, timeout_ms, ret_reply);
}

void ask_why(FILE *out, const struct daemon_at *at, int error)
{
    char path[4096];
    fprintf(out, "tmxctl: the %s at %s: %s\n", at->kind, daemon_path(at, TMX_CONTROL_SOCKET, path), ask_why_not(error));
}

json_t *ask_snapshot(const struct daemon_at *at)
{
    char path[4096];
    json_t *s = at->folder != NULL ? json_load_file(daemon_path(at, TMX_CONTROL_SNAPSHOT, path), 0, NULL) : NULL;
    if (!json_is_object(s)) {
        json_decref(s);
        return NULL;
    }
    return s;
}
