/* SPDX-License-Identifier: Apache-2.0
 * tmx-node.conf and the files it names.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tmx/identifier.h>
#include <tmx/keyfile.h>
#include <tmx/log.h>
#include <tmx/startup.h>
#include <tmx/text.h>

#include "daemon.h"

static const char *const levels[] = { TMX_LOG_LEVELS, NULL };
static const char *const verbs[] = { "submit", "collect", "query", NULL };

static const struct tmx_config_section sections[] = {
    { "node", false, "The node of one member." },
    { "application", true, "A national application that connects over the network." },
};

static const struct tmx_config_key keys[] = {
    { "node", "member", TMX_CONFIG_STRING, true, NULL, 2, TMX_MEMBER_MAX, NULL, "Code of the member, as in the directory." },
    { "node", "directory", TMX_CONFIG_PATH, true, NULL, 0, 0, NULL,
      "Signed member directory a new spool starts with; read again on SIGHUP." },
    { "node", "authority", TMX_CONFIG_PATH, true, NULL, 0, 0, NULL,
      "Public keys of the federation authority (authority.pub): who may sign a directory." },
    { "node", "keys", TMX_CONFIG_PATH, true, NULL, 0, 0, NULL,
      "Folder of the member's keys, made by tmx-authority request." },
    { "node", "spool", TMX_CONFIG_PATH, true, NULL, 0, 0, NULL, "Folder of the spool, on a local ext4 or XFS." },
    { "node", "capacity", TMX_CONFIG_SIZE, false, "16 GiB", 1u << 20, 0, NULL, "Size reserved for the spool." },
    { "node", "high_water", TMX_CONFIG_NUMBER, false, "80", 5, 90, NULL,
      "Percent of the spool's capacity at which submissions are refused; deliveries stop half way above it." },
    { "node", "marker", TMX_CONFIG_PATH, true, NULL, 0, 0, NULL,
      "File outside the spool that remembers how far it was, so that an old copy is noticed." },
    { "node", "run", TMX_CONFIG_PATH, true, NULL, 0, 0, NULL, "Folder of the control socket and status.json." },
    { "node", "http", TMX_CONFIG_STRING, false, NULL, 9, 64, NULL,
      "Loopback address and port of the status page and of metrics: 127.0.0.1:9571; unset: none." },
    { "node", "catalogue", TMX_CONFIG_PATH, true, NULL, 0, 0, NULL, "Message catalogue; read again on SIGHUP." },
    { "node", "endpoint", TMX_CONFIG_STRING, true, NULL, 7, 200, NULL,
      "Where local applications connect: ipc://PATH; its folder and mode say who may." },
    { "node", "listen", TMX_CONFIG_STRING, false, NULL, 7, 200, NULL,
      "Where remote applications connect: tcp://ADDRESS:PORT, with CURVE; unset: nowhere." },
    { "node", "expiry", TMX_CONFIG_DURATION, false, "7 d", 1000, TMX_EXPIRY_MAX_MS, NULL,
      "Expiry of a submission that names none." },
    { "node", "late", TMX_CONFIG_DURATION, false, "20 min", 1000, 86400000, NULL,
      "What was submitted and has not arrived at its recipient's node for so long is late: status and checks warn of it." },
    { "node", "retention", TMX_CONFIG_DURATION, false, "30 d", 0, 0, NULL,
      "How long payloads are kept after the last outcome." },
    { "node", "operators", TMX_CONFIG_PATH, false, NULL, 0, 0, NULL,
      "The operators and their rights, signed by the installation's key; read again on SIGHUP. Without it nobody may act." },
    { "node", "operators_key", TMX_CONFIG_STRING, false, NULL, 0, 0, NULL,
      "Verifier key of the installation: the only one that may sign the file of operators." },
    { "node", "log_level", TMX_CONFIG_STRING, false, "info", 0, 0, levels, "Lines above this level are not written." },
    { "application", "key", TMX_CONFIG_STRING, true, NULL, 44, 44, NULL, "Its CURVE public key, base64." },
    { "application", "verbs", TMX_CONFIG_LIST, false, "submit collect query", 0, 0, verbs, "What it may do." },
    { "application", "types", TMX_CONFIG_LIST, false, NULL, 0, 0, NULL, "Message types it may handle; unset: all." },
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

int settings_load(const char *path, struct settings *ret_settings)
{
    struct tmx_config_errors errors;
    struct tmx_config *c;
    int r = tmx_config_load(path, &schema, &errors, &c);
    if (r != 0) {
        fprintf(stderr, "%s", r < 0 ? "tmx-node: out of memory\n" : errors.text);
        return TMX_EXIT_CONFIG;
    }
    struct settings s = { .config = c,
                          .path = path,
                          .member = tmx_config_string(c, "node", "member"),
                          .directory = tmx_config_string(c, "node", "directory"),
                          .authority = tmx_config_string(c, "node", "authority"),
                          .keys = tmx_config_string(c, "node", "keys"),
                          .spool = tmx_config_string(c, "node", "spool"),
                          .marker = tmx_config_string(c, "node", "marker"),
                          .run = tmx_config_string(c, "node", "run"),
                          .http = tmx_config_string(c, "node", "http"),
                          .catalogue = tmx_config_string(c, "node", "catalogue"),
                          .endpoint = tmx_config_string(c, "node", "endpoint"),
                          .listen = tmx_config_string(c, "node", "listen"),
                          .operators = tmx_config_string(c, "node", "operators"),
                          .operators_key = tmx_config_string(c, "node", "operators_key"),
                          .capacity_bytes = tmx_config_u64(c, "node", "capacity"),
                          .high_water_percent = tmx_config_u64(c, "node", "high_water"),
                          .expiry_ms = tmx_config_u64(c, "node", "expiry"),
                          .late_ms = tmx_config_u64(c, "node", "late"),
                          .retention_ms = tmx_config_u64(c, "node", "retention") };
    if (!tmx_member_valid(tmx_bytes_str(s.member))) {
        fprintf(stderr, "%s: member = %s: a member code is 2 to 8 of A-Z and 0-9\n", path, s.member);
        tmx_config_free(c);
        return TMX_EXIT_CONFIG;
    }
    if (s.http != NULL && !tmx_http_address_valid(s.http)) {
        fprintf(stderr, "%s: http = %s: it has to be a loopback address and a port, as 127.0.0.1:9571\n", path, s.http);
        tmx_config_free(c);
        return TMX_EXIT_CONFIG;
    }
    enum tmx_log_level level;
    if (tmx_log_parse_level(tmx_config_string(c, "node", "log_level"), &level)) {
        tmx_log_set_level(level);
    }
    *ret_settings = s;
    return 0;
}

void settings_free(struct settings *s)
{
    s->config = tmx_config_free(s->config);
}

int settings_catalogue(const struct settings *s, struct tmx_catalogue **ret_catalogue)
{
    uint8_t *data;
    size_t size;
    char reason[256];
    unsigned line = 0;
    if (tmx_startup_file("tmx-node", s->catalogue, TMX_CATALOGUE_MAX, "catalogue", &data, &size) != 0) {
        return TMX_EXIT_CONFIG;
    }
    int r = tmx_catalogue_parse(TMX_BYTES(data, size), ret_catalogue, &line, reason, sizeof(reason));
    free(data);
    if (r != 0) {
        fprintf(stderr, "%s:%u: %s\n", s->catalogue, line, reason);
        return TMX_EXIT_CONFIG;
    }
    return 0;
}

static int key_load(const struct settings *s, const char *name, const char *purpose, uint8_t public[32], uint8_t *secret,
                    size_t size)
{
    char path[4096], error[512];
    snprintf(path, sizeof(path), "%s/%s.key", s->keys, name);
    if (tmx_keyfile_load(path, purpose, public, secret, size, error, sizeof(error)) != 0) {
        fprintf(stderr, "tmx-node: %s\n", error);
        return TMX_EXIT_CONFIG;
    }
    return 0;
}

int settings_keys(const struct settings *s, struct node_keys *k)
{
    uint8_t none[32];
    int r = key_load(s, "signing", "signing", k->sign_public, k->sign_secret, sizeof(k->sign_secret));
    r = r != 0 ? r : key_load(s, "curve", "curve", k->curve.public, k->curve.secret, sizeof(k->curve.secret));
    r = r != 0 ? r : key_load(s, "last-resort", "last-resort", k->last_resort_public, k->last_resort_secret,
                              sizeof(k->last_resort_secret));
    r = r != 0 ? r : key_load(s, "archive", "archive", none, k->archive, sizeof(k->archive));
    r = r != 0 ? r : key_load(s, "label", "label", none, k->label, sizeof(k->label));
    char path[4096];
    snprintf(path, sizeof(path), "%s/witness.key", s->keys);
    k->witness = access(path, F_OK) == 0;   /* it may be elsewhere: then this node is no witness */
    return r != 0 || !k->witness
               ? r
               : key_load(s, "witness", "witness", k->witness_public, k->witness_secret, sizeof(k->witness_secret));
}

static unsigned verbs_of(const struct tmx_config *c, const char *section)
{
    size_t n;
    const char *const *list = tmx_config_list(c, section, "verbs", &n);
    unsigned v = 0;
    for (size_t i = 0; i < n; i++) {
        v |= strcmp(list[i], "submit") == 0    ? (unsigned)TMX_NODE_VERB_SUBMIT
             : strcmp(list[i], "collect") == 0 ? (unsigned)TMX_NODE_VERB_COLLECT
                                               : (unsigned)TMX_NODE_VERB_QUERY;
    }
    return v;
}

int settings_applications(const struct settings *s, struct node_applications *ret_applications)
{
    struct node_applications *a = ret_applications;
    const char *name, *section;
    a->n = 0;
    for (size_t i = 0; (section = tmx_config_named(s->config, "application", i, &name)) != NULL; i++) {
        size_t size, n;
        if (a->n == TMX_NODE_APPLICATIONS_MAX || strlen(name) > TMX_MEMBER_MAX ||
            !tmx_unbase64(tmx_bytes_str(tmx_config_string(s->config, section, "key")), a->admits[a->n].key, 32, &size) ||
            size != 32) {
            fprintf(stderr, "%s: [%s]: key is not 32 bytes of base64, the name is longer than %u, or more than %u of them\n",
                    s->path, section, TMX_MEMBER_MAX, TMX_NODE_APPLICATIONS_MAX);
            return TMX_EXIT_CONFIG;
        }
        struct tmx_node_application *app = &a->list[a->n];
        snprintf(app->name, sizeof(app->name), "%s", name);
        snprintf(a->admits[a->n].member, sizeof(a->admits[a->n].member), "%s", name);
        app->verbs = verbs_of(s->config, section);
        const char *const *types = tmx_config_list(s->config, section, "types", &n);
        app->n_types = n < TMX_NODE_APPLICATION_TYPES_MAX ? n : TMX_NODE_APPLICATION_TYPES_MAX;
        for (size_t k = 0; k < app->n_types; k++) {
            snprintf(app->types[k], sizeof(app->types[k]), "%s", types[k]);
        }
        a->n++;
    }
    return 0;
}
