/* SPDX-License-Identifier: Apache-2.0
 * tmx-node: argv, commands, exit codes.
 */
#include <argp.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <tmx/clock.h>
#include <tmx/log.h>
#include <tmx/notify.h>

#include "daemon.h"

__attribute__((visibility("default"))) const char *argp_program_version = "tmx-node " TMX_VERSION;

static const char doc[] =
    "The node of one member: seals and signs its messages, keeps and hands over what it receives.\v"
    "Commands:\n"
    "  init       create the spool of a new node\n"
    "  restore    take up an older copy of the spool, or an empty one after a loss\n"
    "  doctor     look at the configuration and the host, and say what to do\n"
    "  run        serve, in the foreground (the default)\n"
    "\n"
    "Exit status: 0 stopped in good order, 1 failed, 64 usage, 74 storage error (do\n"
    "not restart by itself), 78 configuration.";

enum { OPT_CHECK = 256, OPT_CHECK_ALL, OPT_SHOW, OPT_PRINT, OPT_JSON };

static const struct argp_option options[] = {
    { "config", 'c', "FILE", 0, "Configuration (default /etc/tmx/tmx-node.conf)", 0 },
    { "check", OPT_CHECK_ALL, NULL, 0, "Check the configuration and all it names, and exit: 0 good, 1 warnings, 2 critical", 0 },
    { "check-config", OPT_CHECK, NULL, 0, "Check the configuration alone and exit", 0 },
    { "json", OPT_JSON, NULL, 0, "doctor: print one JSON document", 0 },
    { "show-config", OPT_SHOW, NULL, 0, "Print the configuration in effect and where each value is from, and exit", 0 },
    { "print-config", OPT_PRINT, NULL, 0, "Print a commented sample configuration and exit", 0 },
    { 0 },
};

struct arguments {
    const char *config, *command;
    bool check, check_all, show, json;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;
    switch (key) {
    case 'c':
        a->config = arg;
        return 0;
    case OPT_CHECK:
        a->check = true;
        return 0;
    case OPT_CHECK_ALL:
        a->check_all = true;
        return 0;
    case OPT_JSON:
        a->json = true;
        return 0;
    case OPT_SHOW:
        a->show = true;
        return 0;
    case OPT_PRINT:
        settings_print();
        exit(0);
    case ARGP_KEY_ARG:
        if (state->arg_num > 0 || (strcmp(arg, "init") != 0 && strcmp(arg, "restore") != 0 && strcmp(arg, "doctor") != 0 && strcmp(arg, "run") != 0)) {
            argp_error(state, "unknown command '%s': init, restore, doctor or run", arg);
        }
        a->command = arg;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* *ret_rebuild: the spool is a new generation, or older than its marker knows: the log is read again first. */
static int spool_open(struct daemon *d, bool *ret_rebuild)
{
    const struct settings *s = &d->settings;
    char error[512] = "";
    int r = tmx_spool_lmdb_open_but(s->spool, s->capacity_bytes, "node", TMX_NODE_SPARED, &d->spool, error, sizeof(error));
    if (r < 0) {
        fprintf(stderr, "tmx-node: %s\n", error);
        if (r == -ENOENT) {
            fprintf(stderr, "  a new node begins with: tmx-node init --config FILE\n"
                            "  a lost spool is replaced with: tmx-node restore --config FILE\n");
        }
        return r == -EBUSY ? 1 : TMX_EXIT_STORAGE;
    }
    struct tmx_spool_mark mark, seen = { 0, 0 };
    tmx_spool_lmdb_mark(d->spool, &mark);
    r = tmx_spool_marker_check(s->marker, mark);
    if (r == TMX_MARKER_E_OLD) {
        fprintf(stderr, "tmx-node: the spool %s is older than its marker %s: it is a copy from an earlier time.\n"
                        "  Take it up with: tmx-node restore --config FILE\n", s->spool, s->marker);
        return 1;
    }
    if (r != TMX_MARKER_OK) {
        fprintf(stderr, "tmx-node: marker %s: %s. Without it an old copy of the spool could not be told.\n", s->marker,
                r == TMX_MARKER_E_NONE ? "missing" : strerror(-r));
        return 1;
    }
    r = tmx_spool_marker_read(s->marker, &seen);
    *ret_rebuild = r == TMX_MARKER_OK && mark.generation > seen.generation;
    return 0;
}

static int serve(struct daemon *d)
{
    static struct tmx_node_config c;
    tmx_startup_lock(&d->keys, sizeof(d->keys));
    int code = settings_keys(&d->settings, &d->keys);
    code = code != 0 ? code : tmx_startup_authority("tmx-node", d->settings.authority, &c.authority);
    code = code != 0 ? code : settings_catalogue(&d->settings, &d->catalogue);
    char error[512];
    if (code == 0 && tmx_operators_load(d->settings.operators, d->settings.operators_key, &d->operators, error, sizeof(error)) < 0) {
        fprintf(stderr, "tmx-node: %s\n", error);
        code = TMX_EXIT_CONFIG;
    }
    code = code != 0 ? code : settings_applications(&d->settings, &d->applications);
    code = code != 0 ? code : spool_open(d, &c.rebuild);
    uint8_t *file = NULL;
    size_t size = 0;
    if (code == 0 && tmx_startup_file("tmx-node", d->settings.directory, TMX_DIRECTORY_MAX, "directory", &file, &size) != 0) {
        code = TMX_EXIT_CONFIG;
    }
    if (code != 0) {
        return code;
    }
    struct tmx_spool_mark mark;
    tmx_spool_lmdb_mark(d->spool, &mark);
    c.member = tmx_bytes_str(d->settings.member);
    c.signing_secret = d->keys.sign_secret;
    memcpy(c.signing_public, d->keys.sign_public, sizeof(c.signing_public));
    c.witness_secret = d->keys.witness ? d->keys.witness_secret : NULL;
    memcpy(c.witness_public, d->keys.witness_public, sizeof(c.witness_public));
    c.last_resort_secret = d->keys.last_resort_secret;
    c.archive_key = d->keys.archive;
    c.label_key = d->keys.label;
    c.generation = mark.generation;
    c.directory = TMX_BYTES(file, size);
    c.catalogue = d->catalogue;
    c.expiry_ms = d->settings.expiry_ms;
    c.retention_ms = d->settings.retention_ms;
    c.late_ms = d->settings.late_ms;
    c.n_applications = d->applications.n;
    c.applications = d->applications.list;
    uint8_t entropy[32];
    tmx_entropy(entropy);
    int r = tmx_node_new(d->spool, &c, tmx_clock_mono_ms(), tmx_clock_wall_us(), entropy, &d->node);
    free(file);
    if (r < 0) {
        fprintf(stderr, "tmx-node: cannot start from %s: %s%s\n", d->settings.spool, strerror(-r),
                r == -EINVAL    ? " (the directory does not verify, or does not list this member with signing.key)"
                : r == -EBADMSG ? ": the disk damaged a record that a node cannot be without.\n"
                                  "  Move the spool away, put a copy of it in its place if there is one, and take that up: tmx-node restore --config FILE"
                                : "");
        return r == -EINVAL ? TMX_EXIT_CONFIG : TMX_EXIT_STORAGE;
    }
    char path[4096];
    (void)mkdir(d->settings.run, 0750);
    snprintf(path, sizeof(path), "%s/%s", d->settings.run, TMX_CONTROL_SOCKET);
    r = tmx_control_new(path, &d->control);
    if (r < 0) {
        fprintf(stderr, "tmx-node: control socket %s: %s\n", path, strerror(-r));
        return 1;
    }
    r = tmx_series_new(&d->series);
    if (r < 0) {
        fprintf(stderr, "tmx-node: %s\n", strerror(-r));
        return 1;
    }
    code = http_open(d);
    return code != 0 ? code : daemon_run(d);
}

int main(int argc, char **argv)
{
    static const struct argp argp = { options, parse, "[COMMAND]", doc, NULL, NULL, NULL };
    struct arguments a = { .config = "/etc/tmx/tmx-node.conf", .command = "run" };
    argp_err_exit_status = TMX_EXIT_USAGE;
    argp_parse(&argp, argc, argv, 0, NULL, &a);
    tmx_startup_harden();
    static struct daemon d;
    if (sodium_init() < 0 || tmx_signals_open(&d.signals) < 0) {
        fprintf(stderr, "tmx-node: cannot start\n");
        return 1;
    }
    if (a.check_all) {
        return check_config(a.config);
    }
    if (strcmp(a.command, "doctor") == 0) {
        return doctor(a.config, a.json);
    }
    int code = settings_load(a.config, &d.settings);
    if (code == 0 && a.show) {
        tmx_config_show(d.settings.config, a.config, stdout);
    }
    if (code != 0 || a.check || a.show) {
        return code;
    }
    if (strcmp(a.command, "init") == 0) {
        code = setup_init(&d.settings);
    } else if (strcmp(a.command, "restore") == 0) {
        code = setup_restore(&d.settings);
    } else {
        code = serve(&d);
    }
    free(d.install.file);
    tmx_http_free(d.http);
    tmx_control_free(d.control);
    tmx_series_free(d.series);
    tmx_node_free(d.node);
    tmx_spool_close(d.spool);
    tmx_catalogue_free(d.catalogue);
    settings_free(&d.settings);
    tmx_startup_unlock(&d.keys, sizeof(d.keys));
    return code;
}
