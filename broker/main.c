/* SPDX-License-Identifier: Apache-2.0
 * tmx-broker: argv, commands, exit codes.
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

__attribute__((visibility("default"))) const char *argp_program_version = "tmx-broker " TMX_VERSION;

static const char doc[] =
    "The broker of a TMX federation: routes, keeps and acknowledges sealed transit messages.\v"
    "Commands:\n"
    "  init       create the spool of a new broker\n"
    "  restore    replace a lost or old spool: begins a new shard of the log\n"
    "  new-shard  go on in a new shard of the log, as it is done every year\n"
    "  serve-log  show the log of an old spool to auditors: tmx-audit export\n"
    "  doctor     look at the configuration and the host, and say what to do\n"
    "  run        serve, in the foreground (the default)\n"
    "\n"
    "Exit status: 0 stopped in good order, 1 failed, 64 usage, 74 storage error (do\n"
    "not restart by itself), 78 configuration.";

enum { OPT_CHECK = 256, OPT_CHECK_ALL, OPT_SHOW, OPT_PRINT, OPT_CHECKPOINT, OPT_ARCHIVE, OPT_UNCOSIGNED, OPT_SPOOL, OPT_RUN, OPT_JSON };

static const struct argp_option options[] = {
    { "config", 'c', "FILE", 0, "Configuration (default /etc/tmx/tmx-broker.conf)", 0 },
    { "check", OPT_CHECK_ALL, NULL, 0, "Check the configuration and all it names, and exit: 0 good, 1 warnings, 2 critical", 0 },
    { "check-config", OPT_CHECK, NULL, 0, "Check the configuration alone and exit", 0 },
    { "show-config", OPT_SHOW, NULL, 0, "Print the configuration in effect and where each value is from, and exit", 0 },
    { "print-config", OPT_PRINT, NULL, 0, "Print a commented sample configuration and exit", 0 },
    { "checkpoint", OPT_CHECKPOINT, "FILE", 0, "restore: last known checkpoint of the old shard", 0 },
    { "archive", OPT_ARCHIVE, "DIR", 0, "new-shard: where the old spool goes (default: beside it, with the shard's name)", 0 },
    { "uncosigned", OPT_UNCOSIGNED, NULL, 0, "new-shard: although no quorum of witnesses has cosigned the last head", 0 },
    { "spool", OPT_SPOOL, "DIR", 0, "serve-log: the old spool", 0 },
    { "json", OPT_JSON, NULL, 0, "doctor: print one JSON document", 0 },
    { "run", OPT_RUN, "DIR", 0, "serve-log: folder of the control socket", 0 },
    { 0 },
};

struct arguments {
    const char *config, *command, *checkpoint, *archive, *spool, *run;
    bool check, check_all, show, json, uncosigned;
};

static bool is_command(const char *arg)
{
    static const char *const commands[] = { "init", "restore", "new-shard", "serve-log", "doctor", "run" };
    for (size_t i = 0; i < TMX_N(commands); i++) {
        if (strcmp(arg, commands[i]) == 0) {
            return true;
        }
    }
    return false;
}

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
    case OPT_CHECKPOINT:
        a->checkpoint = arg;
        return 0;
    case OPT_ARCHIVE:
        a->archive = arg;
        return 0;
    case OPT_UNCOSIGNED:
        a->uncosigned = true;
        return 0;
    case OPT_SPOOL:
        a->spool = arg;
        return 0;
    case OPT_RUN:
        a->run = arg;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num > 0 || !is_command(arg)) {
            argp_error(state, "unknown command '%s': init, restore, new-shard, serve-log, doctor or run", arg);
        }
        a->command = arg;
        return 0;
    case ARGP_KEY_END:
        if (strcmp(a->command, "serve-log") == 0 && (a->spool == NULL || a->run == NULL)) {
            argp_error(state, "serve-log needs --spool DIR and --run DIR");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int serve(struct daemon *d, struct broker_keys *keys)
{
    struct tmx_broker_config c = { .shard = d->settings.shard, .queue_max = d->settings.queue_max,
                                   .retention_ms = d->settings.retention_ms,
                                   .late_ms = d->settings.late_ms };
    int code = settings_keys(&d->settings, keys, &c.authority);
    code = code != 0 ? code : spool_open(&d->settings, &d->spool);
    if (code != 0) {
        return code;
    }
    char error[512];
    if (tmx_operators_load(d->settings.operators, d->settings.operators_key, &d->operators, error, sizeof(error)) < 0) {
        fprintf(stderr, "tmx-broker: %s\n", error);
        return TMX_EXIT_CONFIG;
    }
    struct tmx_spool_mark mark;
    tmx_spool_lmdb_mark(d->spool, &mark);
    c.generation = mark.generation;
    c.log_secret = keys->log_secret;
    memcpy(c.log_public, keys->log_public, sizeof(c.log_public));
    uint8_t *file = NULL;
    size_t size = 0;
    if (tmx_startup_file("tmx-broker", d->settings.directory, TMX_DIRECTORY_MAX, "directory", &file, &size) != 0) {
        return TMX_EXIT_CONFIG;
    }
    c.directory = TMX_BYTES(file, size);
    int r = tmx_broker_new(d->spool, &c, tmx_clock_mono_ms(), tmx_clock_wall_us(), &d->broker);
    if (r < 0) {
        fprintf(stderr, "tmx-broker: cannot start from %s: %s%s\n", d->settings.spool, strerror(-r),
                r == -EINVAL ? " (the directory or log.key does not fit the shard)" : "");
        free(file);
        return r == -EINVAL ? TMX_EXIT_CONFIG : TMX_EXIT_STORAGE;
    }
    d->install.file = file;   /* the configured one counts when it is later */
    d->install.size = size;
    char path[4096];
    (void)mkdir(d->settings.run, 0750);
    snprintf(path, sizeof(path), "%s/%s", d->settings.run, TMX_CONTROL_SOCKET);
    r = tmx_control_new(path, &d->control);
    if (r < 0) {
        fprintf(stderr, "tmx-broker: control socket %s: %s\n", path, strerror(-r));
        return 1;
    }
    r = tmx_series_new(&d->series);
    if (r < 0) {
        fprintf(stderr, "tmx-broker: %s\n", strerror(-r));
        return 1;
    }
    code = http_open(d);
    return code != 0 ? code : daemon_run(d);
}

int main(int argc, char **argv)
{
    static const struct argp argp = { options, parse, "[COMMAND]", doc, NULL, NULL, NULL };
    struct arguments a = { .config = "/etc/tmx/tmx-broker.conf", .command = "run" };
    argp_err_exit_status = TMX_EXIT_USAGE;
    argp_parse(&argp, argc, argv, 0, NULL, &a);
    tmx_startup_harden();
    static struct daemon d;
    static struct broker_keys keys;
    if (sodium_init() < 0 || tmx_signals_open(&d.signals) < 0) {
        fprintf(stderr, "tmx-broker: cannot start\n");
        return 1;
    }
    if (strcmp(a.command, "serve-log") == 0) {
        return serve_log(a.spool, a.run, d.signals);
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
        code = setup_restore(&d.settings, a.checkpoint);
    } else if (strcmp(a.command, "new-shard") == 0) {
        code = setup_new_shard(&d.settings, a.archive, a.uncosigned);
    } else {
        tmx_startup_lock(&keys, sizeof(keys));
        code = serve(&d, &keys);
    }
    free(d.install.file);
    tmx_http_free(d.http);
    tmx_control_free(d.control);
    tmx_series_free(d.series);
    tmx_broker_free(d.broker);
    tmx_spool_close(d.spool);
    settings_free(&d.settings);
    tmx_startup_unlock(&keys, sizeof(keys));
    return code;
}
