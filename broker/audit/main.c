/* SPDX-License-Identifier: Apache-2.0
 * tmx-audit: the auditors' command. Verifying needs public keys and an export, nothing of the exchange.
 */
#include <argp.h>
#include <sodium.h>
#include <string.h>

#include <tmx/text.h>

#include "check.h"
#include "export.h"
#include "summary.h"

#define EXIT_OK 0
#define EXIT_FAILED 1
#define EXIT_USAGE 64

/* Found by libc by its name. */
__attribute__((visibility("default"))) const char *argp_program_version = "tmx-audit " TMX_VERSION;

static const char doc[] =
    "Exports the log of a broker, and checks an export offline, with public keys only.\v"
    "export asks a running broker over its control socket and writes a directory of tiles (c2sp.org/tlog-tiles). An "
    "earlier export of the same log is continued; one that the broker now contradicts is left as it is.\n\n"
    "verify recomputes the tree from the entries, compares every tile, verifies the checkpoint, the directories and "
    "every signature, and replays the rules of the log (proto/README.md, LOG-6).\n\n"
    "The authority file holds the keys of the federation authority, obtained from it and not from the export: a line "
    "\"threshold K\", then one key per line (name+id+base64).\n\n"
    "Exit status: 0 done, or everything holds; 1 it does not, or could not be done; 64 usage.";

enum option_key {
    OPTION_AUTHORITY = 0x100,
    OPTION_JSON,
    OPTION_SOCKET,
};

static const struct argp_option options[] = {
    { "authority", OPTION_AUTHORITY, "FILE", 0, "keys of the federation authority (verify)", 0 },
    { "json", OPTION_JSON, NULL, 0, "print one JSON document (verify)", 0 },
    { "socket", OPTION_SOCKET, "PATH", 0, "the broker's control socket (export)", 0 },
    { 0 },
};

struct arguments {
    const char *command;
    const char *dir;
    const char *authority;
    const char *socket;
    bool json;
};

static const char *const commands[] = { "export", "verify" };

static void check_arguments(const struct arguments *a, struct argp_state *state)
{
    bool known = false;

    if (a->command == NULL) {
        argp_error(state, "a command is missing: export or verify");
    }
    for (size_t i = 0; i < TMX_N(commands); i++) {
        known = known || strcmp(a->command, commands[i]) == 0;
    }
    if (!known) {
        const char *near = tmx_nearest(a->command, commands, TMX_N(commands));

        argp_error(state, near == NULL ? "unknown command \"%s\"" : "unknown command \"%s\": did you mean \"%s\"?",
                   a->command, near);
    }
    if (a->dir == NULL) {
        argp_error(state, "the directory of the export is missing");
    }
    if (strcmp(a->command, "export") == 0) {
        if (a->socket == NULL) {
            argp_error(state, "--socket PATH is missing: where the broker answers");
        }
        if (a->authority != NULL || a->json) {
            argp_error(state, "--authority and --json belong to verify");
        }
        return;
    }
    if (a->socket != NULL) {
        argp_error(state, "--socket belongs to export: verify asks nobody");
    }
    if (a->authority == NULL) {
        argp_error(state, "--authority FILE is missing: an export cannot vouch for its own keys");
    }
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;

    switch (key) {
    case OPTION_AUTHORITY:
        a->authority = arg;
        return 0;
    case OPTION_JSON:
        a->json = true;
        return 0;
    case OPTION_SOCKET:
        a->socket = arg;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num >= 2) {
            argp_error(state, "too many arguments: \"%s\"", arg);
        }
        *(state->arg_num == 0 ? &a->command : &a->dir) = arg;
        return 0;
    case ARGP_KEY_END:
        check_arguments(a, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int verify(const struct arguments *a)
{
    struct tmx_check *c;
    const char *what;
    bool ok;
    int r = tmx_check_export(a->dir, a->authority, &c, &what);

    if (r < 0) {
        fprintf(stderr, "tmx-audit: %s: %s\n", what, strerror(-r));
        return EXIT_FAILED;
    }
    ok = tmx_audit_ok(tmx_check_audit(c));
    if (a->json) {
        r = tmx_summary_json(c, stdout);
    } else {
        tmx_summary_print(c, stdout);
    }
    tmx_check_free(c);
    if (r < 0 || fflush(stdout) != 0) {
        fprintf(stderr, "tmx-audit: cannot write the result\n");
        return EXIT_FAILED;
    }
    return ok ? EXIT_OK : EXIT_FAILED;
}

static int export(const struct arguments *a)
{
    struct tmx_checkpoint head;
    char why[EXPORT_WHY_MAX];
    int r = tmx_export_run(a->socket, a->dir, &head, why);

    if (r < 0) {
        fprintf(stderr, "tmx-audit: %s: %s\n", why, strerror(-r));
        return EXIT_FAILED;
    }
    printf("%s: %llu entries\n", head.origin, (unsigned long long)head.size);
    return fflush(stdout) == 0 ? EXIT_OK : EXIT_FAILED;
}

int main(int argc, char **argv)
{
    static const struct argp argp = { options, parse, "export DIR --socket PATH\nverify DIR --authority FILE",
                                      doc,     NULL,  NULL,
                                      NULL };
    struct arguments a = { .json = false };

    argp_err_exit_status = EXIT_USAGE;
    if (argp_parse(&argp, argc, argv, 0, NULL, &a) != 0) {
        return EXIT_USAGE;
    }
    if (sodium_init() < 0) {
        fprintf(stderr, "tmx-audit: the cryptographic library does not start\n");
        return EXIT_FAILED;
    }
    return strcmp(a.command, "export") == 0 ? export(&a) : verify(&a);
}
