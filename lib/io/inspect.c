/* SPDX-License-Identifier: Apache-2.0
 * What the configurations of both daemons name: authority, directory, keys. See tmx/inspect.h.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include <tmx/inspect.h>
#include <tmx/keyfile.h>
#include <tmx/text.h>

#include "files.h"
#include "inspect_parts.h"

#define AUTHORITY_FILE_MAX 65536u
#define EXPIRES_SOON_MS (UINT64_C(14) * 86400000)

void tmx_inspect_say(const struct tmx_inspection *i, const char *section, const char *key,
                     enum tmx_finding_severity severity, const char *remedy, const char *fmt, ...)
{
    char subject[TMX_PATH_MAX + 16], text[sizeof(((struct tmx_finding *)NULL)->says)];
    unsigned line = tmx_config_line(i->config, section, key);
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (line > 0) {
        (void)snprintf(subject, sizeof(subject), "%s:%u", i->path, line);
    } else {
        (void)snprintf(subject, sizeof(subject), "%s", i->path);
    }
    tmx_finding(i->to, severity, subject, remedy, "%s: %s", key, text);
}

/* "FILE:LINE: what is wrong and what is allowed" */
static void config_error(struct tmx_findings *to, const char *path, const char *line, size_t size)
{
    char subject[TMX_PATH_MAX + 16];
    size_t name = strlen(path) < size ? strlen(path) : size;
    if (name < size && line[name] == ':') {
        size_t digits = strspn(line + name + 1, "0123456789");
        name += digits > 0 ? 1 + digits : 0;
    }
    size_t skip = name + (size - name >= 2 ? 2 : size - name);
    (void)snprintf(subject, sizeof(subject), "%.*s", (int)name, line);
    tmx_finding(to, TMX_FINDING_CRITICAL, subject, NULL, "%.*s", (int)(size - skip), line + skip);
}

struct tmx_config *tmx_inspect_config(const char *path, const struct tmx_config_schema *schema, struct tmx_findings *to)
{
    static struct tmx_config_errors errors;
    struct tmx_config *c = NULL;
    int r = tmx_config_look(path, schema, &errors, &c);
    if (r < 0) {
        tmx_finding(to, TMX_FINDING_CRITICAL, path, NULL, "%s", strerror(-r));
        return NULL;
    }
    size_t n = 0;
    for (const char *at = errors.text, *end; (end = strchr(at, '\n')) != NULL; at = end + 1, n++) {
        config_error(to, path, at, (size_t)(end - at));
    }
    if (errors.n > n) {
        tmx_finding(to, TMX_FINDING_CRITICAL, path, NULL, "%zu more lines are wrong", errors.n - n);
    }
    return c;
}

/* malloc'ed; NULL: a finding was made of it, or the key is unset. */
static uint8_t *read_named(const struct tmx_inspection *i, const char *key, size_t max, size_t *ret_size)
{
    const char *path = tmx_config_string(i->config, i->section, key);
    uint8_t *data = path != NULL ? malloc(max) : NULL;
    int r = data == NULL ? -ENOMEM : tmx_read_file(path, data, max, ret_size);
    if (r == 0) {
        return data;
    }
    free(data);
    if (path != NULL) {
        inspect_say(i, key, TMX_FINDING_CRITICAL,
                    r == -ENOENT ? "put the file there, or correct the path"
                    : r == -EFBIG ? "this is another file: correct the path"
                                  : "let the daemon's user read it",
                    "%s: %s", path, strerror(-r));
    }
    return NULL;
}

bool tmx_inspect_authority(const struct tmx_inspection *i, struct tmx_authority *ret_authority)
{
    size_t size;
    uint8_t *data = read_named(i, "authority", AUTHORITY_FILE_MAX, &size);
    bool good = data != NULL && tmx_authority_parse(TMX_BYTES(data, size), ret_authority);
    if (data != NULL && !good) {
        inspect_say(i, "authority", TMX_FINDING_CRITICAL, "take authority.pub from the federation authority, by a trusted way",
                    "%s is not a file of authority keys", tmx_config_string(i->config, i->section, "authority"));
    } else if (good) {
        inspect_say(i, "authority", TMX_FINDING_OK, NULL, "%u keys, %u have to sign", ret_authority->n, ret_authority->threshold);
    }
    free(data);
    return good;
}

bool tmx_inspect_directory(const struct tmx_inspection *i, const struct tmx_authority *authority,
                           struct tmx_directory **ret_directory)
{
    static const char *const renew = "have the federation authority sign a new one (tmx-authority sign)";
    const char *path = tmx_config_string(i->config, i->section, "directory");
    size_t size;
    uint8_t *data = read_named(i, "directory", TMX_DIRECTORY_MAX, &size);
    struct tmx_directory *d = NULL;
    int r = data == NULL ? -ENOMEM : tmx_directory_load(TMX_BYTES(data, size), authority, NULL, &d);
    free(data);
    if (data == NULL) {
        return false;
    }
    if (r != 0) {
        inspect_say(i, "directory", TMX_FINDING_CRITICAL, "check that directory and authority are those of this federation", "%s: %s",
                    path, r < 0 ? strerror(-r) : tmx_directory_error_text(r));
        return false;
    }
    uint64_t expires = tmx_directory_pb(d)->expires_ms;
    char until[TMX_TIME_TEXT_SIZE];
    tmx_time_text(expires, until);
    if (tmx_directory_expired(d, i->now_ms)) {
        inspect_say(i, "directory", TMX_FINDING_CRITICAL, renew, "serial %llu expired at %s: nothing new is signed or admitted",
                    (unsigned long long)tmx_directory_serial(d), until);
    } else {
        bool soon = expires - i->now_ms < EXPIRES_SOON_MS;
        inspect_say(i, "directory", soon ? TMX_FINDING_WARNING : TMX_FINDING_OK, soon ? renew : NULL, "serial %llu, until %s",
                    (unsigned long long)tmx_directory_serial(d), until);
    }
    *ret_directory = d;
    return true;
}

bool inspect_daemon_user(const struct tmx_inspection *i, uid_t *ret_uid)
{
    const char *spool = tmx_config_string(i->config, i->section, "spool");
    struct stat st;
    *ret_uid = geteuid();
    if (spool != NULL && stat(spool, &st) == 0) {
        *ret_uid = st.st_uid;
    }
    return *ret_uid == geteuid();
}

bool tmx_inspect_keys(const struct tmx_inspection *i)
{
    const char *path = tmx_config_string(i->config, i->section, "keys");
    struct stat st;
    char remedy[TMX_PATH_MAX + 32];
    if (path == NULL) {
        return false;
    }
    if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode)) {
        inspect_say(i, "keys", TMX_FINDING_CRITICAL, "make the keys with tmx-authority, or correct the path", "%s: %s", path,
                    errno != 0 ? strerror(errno) : "not a folder");
        return false;
    }
    if ((st.st_mode & 022) != 0) {
        (void)snprintf(remedy, sizeof(remedy), "chmod 0700 %s", path);
        inspect_say(i, "keys", TMX_FINDING_CRITICAL, remedy, "%s has mode %04o: others can put their keys in place of yours", path,
                    (unsigned)(st.st_mode & 07777));
    }
    return true;
}

/* Read, but will the daemon's user read it? Root reads everything. */
static bool key_owned(const struct tmx_inspection *i, const char *path)
{
    struct stat st;
    uid_t user;
    char remedy[TMX_PATH_MAX + 32];
    (void)inspect_daemon_user(i, &user);
    if (stat(path, &st) < 0 || st.st_uid == user) {
        return true;
    }
    (void)snprintf(remedy, sizeof(remedy), "chown %u %s", (unsigned)user, path);
    inspect_say(i, "keys", TMX_FINDING_CRITICAL, remedy, "%s belongs to user %u, the spool to user %u: its daemon cannot read it", path,
                (unsigned)st.st_uid, (unsigned)user);
    return false;
}

bool tmx_inspect_key(const struct tmx_inspection *i, const char *name, const char *purpose, uint8_t ret_public[32])
{
    char path[TMX_PATH_MAX], error[512], remedy[TMX_PATH_MAX + 96];
    uint8_t secret[TMX_KEYFILE_SECRET_MAX];
    int n = snprintf(path, sizeof(path), "%s/%s.key", tmx_config_string(i->config, i->section, "keys"), name);
    if (n < 0 || (size_t)n >= sizeof(path)) {
        inspect_say(i, "keys", TMX_FINDING_CRITICAL, "choose a shorter path", "the path of %s.key is too long", name);
        return false;
    }
    int r = tmx_keyfile_load(path, purpose, ret_public, secret, tmx_keyfile_secret_size(purpose), error, sizeof(error));
    sodium_memzero(secret, sizeof(secret));
    if (r == 0) {
        if (!key_owned(i, path)) {
            return false;
        }
        inspect_say(i, "keys", TMX_FINDING_OK, NULL, "%s.key is a key for '%s'", name, purpose);
        return true;
    }
    (void)snprintf(remedy, sizeof(remedy),
                   r == -EPERM    ? "chmod 0400 %s; have the key replaced if anybody may have read it"
                   : r == -EACCES ? "chown %s to the daemon's user"
                   : r == -ENOENT ? "bring %s back from where its copy is kept, or have a new key admitted (tmx-authority)"
                                  : "put the right file at %s",
                   path);
    inspect_say(i, "keys", TMX_FINDING_CRITICAL, remedy, "%s", error);
    return false;
}
