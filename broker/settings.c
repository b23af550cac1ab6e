/* SPDX-License-Identifier: Apache-2.0
 * tmx-broker.conf and the files it names.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tmx/keyfile.h>
#include <tmx/log.h>
#include <tmx/startup.h>

#include "daemon.h"

#define LATE_MAX_MS 86400000u
#define RETENTION_MAX_MS (UINT64_C(100) * 366 * 24 * 3600 * 1000)   /* leaf time and this stay far from the end of numbers */

static const char *const levels[] = { TMX_LOG_LEVELS, NULL };

static const struct tmx_config_section sections[] = { { "broker", false, "The broker of a federation." } };

static const struct tmx_config_key keys[] = {
    { "broker", "directory", TMX_CONFIG_PATH, true, NULL, 0, 0, NULL,
      "Signed member directory a new spool starts with; read again on SIGHUP." },
    { "broker", "authority", TMX_CONFIG_PATH, true, NULL, 0, 0, NULL,
      "Public keys of the federation authority (authority.pub): who may sign a directory." },
    { "broker", "keys", TMX_CONFIG_PATH, true, NULL, 0, 0, NULL, "Folder of log.key and gate-MEMBER.key." },
    { "broker", "shard", TMX_CONFIG_STRING, true, NULL, 1, TMX_SHARD_MAX, NULL,
      "Shard of the log this spool writes; log.key must be the key the directory lists for it." },
    { "broker", "spool", TMX_CONFIG_PATH, true, NULL, 0, 0, NULL, "Folder of the spool, on a local ext4 or XFS." },
    { "broker", "capacity", TMX_CONFIG_SIZE, false, "64 GiB", 1u << 20, 0, NULL, "Size reserved for the spool." },
    { "broker", "marker", TMX_CONFIG_PATH, true, NULL, 0, 0, NULL,
      "File outside the spool that remembers how far it was, so that an old copy is noticed." },
    { "broker", "run", TMX_CONFIG_PATH, true, NULL, 0, 0, NULL, "Folder of the control socket and status.json." },
    { "broker", "http", TMX_CONFIG_STRING, false, NULL, 9, 64, NULL,
      "Loopback address and port of the status page and of metrics: 127.0.0.1:9570; unset: none." },
    { "broker", "gate_program", TMX_CONFIG_PATH, false, NULL, 0, 0, NULL,
      "The tmx-gate program; unset: the installed one." },
    { "broker", "gate_memory", TMX_CONFIG_SIZE, false, "256 MiB", 32u << 20, 0, NULL, "Memory cap of a gate." },
    { "broker", "queue_max", TMX_CONFIG_NUMBER, false, "1000000", 1, 0, NULL,
      "Messages queued for a destination at which senders get no further window for it." },
    { "broker", "high_water", TMX_CONFIG_NUMBER, false, "80", 5, 90, NULL,
      "Percent of the spool's capacity at which admission stops; deliveries, reports and the log go on." },
    { "broker", "late", TMX_CONFIG_DURATION, false, "20 min", 1000, LATE_MAX_MS, NULL,
      "A delivery that has waited so long for its recipient's node is late: status and checks warn of it." },
    { "broker", "retention", TMX_CONFIG_DURATION, false, "0 s", 0, RETENTION_MAX_MS, NULL,
      "How long a sealed container is kept after the last outcome of its message; above the high-water mark the oldest go earlier." },
    { "broker", "operators", TMX_CONFIG_PATH, false, NULL, 0, 0, NULL,
      "The operators and their rights, signed by the installation's key; read again on SIGHUP. Without it nobody may act." },
    { "broker", "operators_key", TMX_CONFIG_STRING, false, NULL, 0, 0, NULL,
      "Verifier key of the installation: the only one that may sign the file of operators." },
    { "broker", "log_level", TMX_CONFIG_STRING, false, "info", 0, 0, levels, "Lines above this level are not written." },
};

static const struct tmx_config_schema schema = { sections, TMX_N(sections), keys, TMX_N(keys) };

const struct tmx_config_schema *settings_schema(void)
{
    return &schema;
}

void settings_print(void)
{
    tmx_config_print(&schema, stdout);
}

/* Beside this program in a build tree; else where it is installed. */
static const char *gate_default(void)
{
    static char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
    char *slash = n > 0 ? strrchr(path, '/') : NULL;
    if (slash == NULL || (size_t)(slash - path) + sizeof("/gate/tmx-gate") > sizeof(path)) {
        return TMX_GATE_PROGRAM;
    }
    memcpy(slash, "/gate/tmx-gate", sizeof("/gate/tmx-gate"));
    return access(path, X_OK) == 0 ? path : TMX_GATE_PROGRAM;
}

const char *settings_gate_program(const struct tmx_config *c)
{
    const char *path = tmx_config_string(c, "broker", "gate_program");
    return path != NULL ? path : gate_default();
}

int settings_load(const char *path, struct settings *ret_settings)
{
    struct tmx_config_errors errors;
    struct tmx_config *c;
    int r = tmx_config_load(path, &schema, &errors, &c);
    if (r != 0) {
        fprintf(stderr, "%s", r < 0 ? "tmx-broker: out of memory\n" : errors.text);
        return TMX_EXIT_CONFIG;
    }
    struct settings s = { .path = path,
                          .config = c,
                          .directory = tmx_config_string(c, "broker", "directory"),
                          .authority = tmx_config_string(c, "broker", "authority"),
                          .keys = tmx_config_string(c, "broker", "keys"),
                          .shard = tmx_config_string(c, "broker", "shard"),
                          .spool = tmx_config_string(c, "broker", "spool"),
                          .marker = tmx_config_string(c, "broker", "marker"),
                          .run = tmx_config_string(c, "broker", "run"),
                          .http = tmx_config_string(c, "broker", "http"),
                          .operators = tmx_config_string(c, "broker", "operators"),
                          .operators_key = tmx_config_string(c, "broker", "operators_key"),
                          .capacity_bytes = tmx_config_u64(c, "broker", "capacity"),
                          .gate_memory_bytes = tmx_config_u64(c, "broker", "gate_memory"),
                          .queue_max = tmx_config_u64(c, "broker", "queue_max"),
                          .high_water_percent = tmx_config_u64(c, "broker", "high_water"),
                          .late_ms = tmx_config_u64(c, "broker", "late"),
                          .retention_ms = tmx_config_u64(c, "broker", "retention") };
    s.gate_program = settings_gate_program(c);
    if (access(s.gate_program, X_OK) != 0) {
        fprintf(stderr, "tmx-broker: no program %s: set gate_program in %s\n", s.gate_program, path);
        tmx_config_free(c);
        return TMX_EXIT_CONFIG;
    }
    if (s.http != NULL && !tmx_http_address_valid(s.http)) {
        fprintf(stderr, "%s: http = %s: it has to be a loopback address and a port, as 127.0.0.1:9570\n", path, s.http);
        tmx_config_free(c);
        return TMX_EXIT_CONFIG;
    }
    enum tmx_log_level level;
    if (tmx_log_parse_level(tmx_config_string(c, "broker", "log_level"), &level)) {
        tmx_log_set_level(level);
    }
    *ret_settings = s;
    return 0;
}

void settings_free(struct settings *s)
{
    s->config = tmx_config_free(s->config);
}

int settings_keys(const struct settings *s, struct broker_keys *ret_keys, struct tmx_authority *ret_authority)
{
    char path[4096], error[512];
    snprintf(path, sizeof(path), "%s/log.key", s->keys);
    if (tmx_keyfile_load(path, "log", ret_keys->log_public, ret_keys->log_secret, sizeof(ret_keys->log_secret), error,
                         sizeof(error)) != 0) {
        fprintf(stderr, "tmx-broker: %s\n", error);
        return TMX_EXIT_CONFIG;
    }
    return tmx_startup_authority("tmx-broker", s->authority, ret_authority);
}
