/* SPDX-License-Identifier: Apache-2.0
 * tmx-broker --check: the configuration, and everything it names.
 */
#include <string.h>
#include <unistd.h>

#include <tmx/clock.h>
#include <tmx/inspect.h>

#include "daemon.h"

#define SAY(i, key, ...) tmx_inspect_say(i, (i)->section, key, __VA_ARGS__)

static void check_gate_program(const struct tmx_inspection *i)
{
    const char *path = settings_gate_program(i->config);
    if (access(path, X_OK) == 0) {
        SAY(i, "gate_program", TMX_FINDING_OK, NULL, "%s", path);
    } else {
        SAY(i, "gate_program", TMX_FINDING_CRITICAL, "install tmx-gate, or set gate_program", "%s: %s", path, strerror(errno));
    }
}

/* The log key is that of the shard; without a directory only the file is looked at. */
static void check_log_key(const struct tmx_inspection *i, const struct tmx_directory *d)
{
    const char *shard = tmx_config_string(i->config, "broker", "shard");
    uint8_t public[32];
    if (!tmx_inspect_key(i, "log", "log", public) || d == NULL || shard == NULL) {
        return;
    }
    const struct tmx_verify_key *listed = tmx_directory_log_key(d, tmx_bytes_str(shard));
    if (listed == NULL) {
        SAY(i, "shard", TMX_FINDING_CRITICAL, "correct the name, or have the log key added (tmx-authority add-log)",
            "the directory lists no log '%s'", shard);
    } else if (memcmp(listed->key, public, sizeof(public)) != 0) {
        SAY(i, "keys", TMX_FINDING_CRITICAL, "bring back the log.key of this shard, or set shard to the one it is for",
            "log.key is not the key the directory lists for shard %s", shard);
    } else {
        SAY(i, "shard", TMX_FINDING_OK, NULL, "log.key is the key of shard %s", shard);
    }
}

static void check_gates(const struct tmx_inspection *i, const struct tmx_directory *d)
{
    const Tmx__Directory *pb = tmx_directory_pb(d);
    for (size_t k = 0; k < pb->n_gates; k++) {
        const Tmx__Gate *gate = pb->gates[k];
        const Tmx__Member *m = tmx_directory_member(d, tmx_pb(gate->member));
        char name[sizeof("gate-") + TMX_MEMBER_MAX];
        uint8_t public[32];
        if (m == NULL || m->status == TMX__MEMBER_STATUS__MEMBER_REVOKED) {
            continue;
        }
        (void)snprintf(name, sizeof(name), "gate-%.*s", (int)gate->member.len, (const char *)gate->member.data);
        if (tmx_inspect_key(i, name, "gate", public) && !tmx_bytes_eq(tmx_pb(gate->curve_key), TMX_BYTES_OF(public))) {
            SAY(i, "keys", TMX_FINDING_CRITICAL, "bring back the key file, or have the gate's new key signed (tmx-authority add-gate)",
                "%s.key is not the key the directory lists for it: the member cannot link", name);
        }
    }
    if (pb->n_gates == 0) {
        SAY(i, "directory", TMX_FINDING_WARNING, "tmx-authority add-gate", "it lists no gate: no member can link");
    }
}

void check_look(const char *path, struct tmx_findings *to)
{
    struct tmx_config *c = tmx_inspect_config(path, settings_schema(), to);
    struct tmx_inspection i = { to, c, path, "broker", "tmx-broker", tmx_clock_wall_us() / 1000 };
    struct tmx_authority authority;
    struct tmx_directory *d = NULL;
    if (c != NULL) {
        check_gate_program(&i);
        if (tmx_inspect_authority(&i, &authority)) {
            (void)tmx_inspect_directory(&i, &authority, &d);
        }
        if (tmx_inspect_keys(&i)) {
            check_log_key(&i, d);
            if (d != NULL) {
                check_gates(&i, d);
            }
        }
        tmx_inspect_spool(&i, "broker");
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
