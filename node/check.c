/* SPDX-License-Identifier: Apache-2.0
 * tmx-node --check: the configuration, and everything it names.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include <tmx/clock.h>
#include <tmx/identifier.h>
#include <tmx/inspect.h>
#include <tmx/text.h>

#include "daemon.h"

#define SAY(i, key, ...) tmx_inspect_say(i, (i)->section, key, __VA_ARGS__)

static bool lists(Tmx__MemberKey *const *keys, size_t n, const uint8_t public[32])
{
    for (size_t k = 0; k < n; k++) {
        if (!keys[k]->revoked && tmx_bytes_eq(tmx_pb(keys[k]->key), TMX_BYTES(public, 32))) {
            return true;
        }
    }
    return false;
}

/* A key file against what the directory says of this member. */
static void check_listed(const struct tmx_inspection *i, const char *name, const Tmx__Member *m, bool listed)
{
    if (m != NULL && !listed) {
        SAY(i, "keys", TMX_FINDING_CRITICAL, "have it admitted (tmx-authority request), or bring the listed one back",
            "%s.key is not among this member's valid keys in the directory", name);
    }
}

static void check_keys(const struct tmx_inspection *i, const Tmx__Member *m)
{
    char path[4096];
    uint8_t public[32];
    if (tmx_inspect_key(i, "signing", "signing", public)) {
        check_listed(i, "signing", m, m != NULL && lists(m->signing_keys, m->n_signing_keys, public));
    }
    if (tmx_inspect_key(i, "curve", "curve", public)) {
        check_listed(i, "curve", m, m != NULL && lists(m->curve_keys, m->n_curve_keys, public));
    }
    if (tmx_inspect_key(i, "last-resort", "last-resort", public)) {
        check_listed(i, "last-resort", m, m != NULL && tmx_bytes_eq(tmx_pb(m->last_resort_key), TMX_BYTES_OF(public)));
    }
    (void)tmx_inspect_key(i, "archive", "archive", public);
    (void)tmx_inspect_key(i, "label", "label", public);
    (void)snprintf(path, sizeof(path), "%s/witness.key", tmx_config_string(i->config, "node", "keys"));
    if (access(path, F_OK) == 0) {   /* it may be elsewhere: then this node is no witness */
        if (tmx_inspect_key(i, "witness", "witness", public)) {
            check_listed(i, "witness", m, m != NULL && lists(m->witness_keys, m->n_witness_keys, public));
        }
    } else if (m != NULL && m->n_witness_keys > 0) {
        SAY(i, "keys", TMX_FINDING_WARNING, "bring witness.key back if this node is to cosign",
            "the directory lists a witness key, but there is no witness.key: this node cosigns nothing");
    }
}

/* NULL: what is said of it is said. */
static const Tmx__Member *check_member(const struct tmx_inspection *i, const struct tmx_directory *d)
{
    const char *code = tmx_config_string(i->config, "node", "member");
    if (code == NULL) {
        return NULL;
    }
    if (!tmx_member_valid(tmx_bytes_str(code))) {
        SAY(i, "member", TMX_FINDING_CRITICAL, "write the code as it is in the directory", "'%s' is no member code: 2 to 8 of A-Z and 0-9", code);
        return NULL;
    }
    const Tmx__Member *m = d != NULL ? tmx_directory_member(d, tmx_bytes_str(code)) : NULL;
    if (d != NULL && m == NULL) {
        SAY(i, "member", TMX_FINDING_CRITICAL, "correct the code, or have the member admitted (tmx-authority admit)",
            "the directory lists no member %s", code);
    } else if (m != NULL && m->status != TMX__MEMBER_STATUS__MEMBER_ACTIVE) {
        SAY(i, "member", TMX_FINDING_CRITICAL, "ask the federation authority", "%s is %s", code,
            m->status == TMX__MEMBER_STATUS__MEMBER_SUSPENDED ? "suspended: it may not submit" : "revoked");
    }
    bool gate = false;
    for (size_t k = 0; d != NULL && k < tmx_directory_pb(d)->n_gates; k++) {
        gate = gate || tmx_bytes_eq(tmx_pb(tmx_directory_pb(d)->gates[k]->member), tmx_bytes_str(code));
    }
    if (m != NULL && !gate) {
        SAY(i, "member", TMX_FINDING_CRITICAL, "have one added (tmx-authority add-gate)", "the directory lists no gate for %s", code);
    }
    return m;
}

static void check_catalogue(const struct tmx_inspection *i)
{
    const char *path = tmx_config_string(i->config, "node", "catalogue");
    uint8_t *data;
    size_t size;
    char reason[256];
    unsigned line = 0;
    struct tmx_catalogue *catalogue;
    if (path == NULL) {
        return;
    }
    int r = tmx_startup_file("", path, TMX_CATALOGUE_MAX, NULL, &data, &size);
    if (r < 0) {
        SAY(i, "catalogue", TMX_FINDING_CRITICAL, "put the federation's catalogue there, or correct the path", "%s: %s", path, strerror(-r));
        return;
    }
    r = tmx_catalogue_parse(TMX_BYTES(data, size), &catalogue, &line, reason, sizeof(reason));
    free(data);
    if (r != 0) {
        SAY(i, "catalogue", TMX_FINDING_CRITICAL, "put the federation's catalogue there", "%s:%u: %s", path, line, reason);
        return;
    }
    SAY(i, "catalogue", TMX_FINDING_OK, NULL, "version %s, %zu types", tmx_catalogue_version(catalogue), tmx_catalogue_count(catalogue));
    tmx_catalogue_free(catalogue);
}

static void check_endpoints(const struct tmx_inspection *i)
{
    static const char ipc[] = "ipc://";
    const char *local = tmx_config_string(i->config, "node", "endpoint");
    const char *remote = tmx_config_string(i->config, "node", "listen");
    struct sockaddr_un address;
    const char *path = local != NULL && strncmp(local, ipc, sizeof(ipc) - 1) == 0 ? local + sizeof(ipc) - 1 : NULL;
    char folder[4096];
    if (local != NULL && (path == NULL || path[0] != '/')) {
        SAY(i, "endpoint", TMX_FINDING_CRITICAL, "write ipc:///PATH", "'%s' is no socket file: ipc:// and an absolute path", local);
    } else if (local != NULL && strlen(path) >= sizeof(address.sun_path)) {
        SAY(i, "endpoint", TMX_FINDING_CRITICAL, "choose a shorter path", "the path has %zu bytes, a socket's may have %zu", strlen(path),
            sizeof(address.sun_path) - 1);
    } else if (local != NULL) {
        (void)snprintf(folder, sizeof(folder), "%.*s", (int)(strrchr(path, '/') - path + 1), path);
        if (access(folder, W_OK | X_OK) < 0) {
            SAY(i, "endpoint", TMX_FINDING_CRITICAL, "make the folder, with the group of the applications (tmpfiles.d)", "%s: %s", folder,
                strerror(errno));
        }
    }
    if (remote != NULL && (strncmp(remote, "tcp://", 6) != 0 || strchr(remote + 6, ':') == NULL)) {
        SAY(i, "listen", TMX_FINDING_CRITICAL, "write tcp://ADDRESS:PORT", "'%s' is no address and port", remote);
    }
}

static void check_applications(const struct tmx_inspection *i)
{
    const char *name, *section;
    size_t n = 0;
    for (; (section = tmx_config_named(i->config, "application", n, &name)) != NULL; n++) {
        const char *key = tmx_config_string(i->config, section, "key");
        uint8_t public[33];
        size_t size;
        if (key != NULL && (!tmx_unbase64(tmx_bytes_str(key), public, 32, &size) || size != 32)) {
            tmx_inspect_say(i, section, "key", TMX_FINDING_CRITICAL, "write the application's public key as 44 characters of base64",
                            "[%s] it is not 32 bytes of base64", section);
        }
        if (strlen(name) > TMX_MEMBER_MAX) {
            tmx_inspect_say(i, section, "key", TMX_FINDING_CRITICAL, "choose a shorter name", "[%s] a name has at most %u characters",
                            section, TMX_MEMBER_MAX);
        }
    }
    if (n > TMX_NODE_APPLICATIONS_MAX) {
        SAY(i, "listen", TMX_FINDING_CRITICAL, "take some away", "%zu applications, at most %u", n, TMX_NODE_APPLICATIONS_MAX);
    }
    bool listens = tmx_config_is_set(i->config, "node", "listen");
    if (n > 0 && !listens) {
        SAY(i, "listen", TMX_FINDING_WARNING, "set listen, or take the sections away",
            "unset, but there are %zu applications: they cannot connect", n);
    } else if (n == 0 && listens) {
        SAY(i, "listen", TMX_FINDING_WARNING, "add a section [application NAME], or take listen away", "set, but no application may connect");
    }
}

void check_look(const char *path, struct tmx_findings *to)
{
    struct tmx_config *c = tmx_inspect_config(path, settings_schema(), to);
    struct tmx_inspection i = { to, c, path, "node", "tmx-node", tmx_clock_wall_us() / 1000 };
    struct tmx_authority authority;
    struct tmx_directory *d = NULL;
    if (c != NULL) {
        if (tmx_inspect_authority(&i, &authority)) {
            (void)tmx_inspect_directory(&i, &authority, &d);
        }
        const Tmx__Member *m = check_member(&i, d);
        if (tmx_inspect_keys(&i)) {
            check_keys(&i, m);
        }
        check_catalogue(&i);
        check_endpoints(&i);
        check_applications(&i);
        tmx_inspect_spool(&i, "node");
        tmx_inspect_run(&i);
        tmx_inspect_http(&i);
        tmx_inspect_operators(&i);
    }
    tmx_directory_free(d);
    tmx_config_free(c);
}

int check_config(const char *path)
{
    struct tmx_findings to = { .take = tmx_finding_print_bad, .ctx = stdout };
    check_look(path, &to);
    return tmx_findings_end(&to, stdout, "configuration is good");
}
