/* SPDX-License-Identifier: Apache-2.0
 * tmx-audit: the auditors' command. Verifying needs public keys and an export, nothing of the exchange.
 */
#include <argp.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include <tmx/text.h>

#include "commands.h"

/* Found by libc by its name. */
__attribute__((visibility("default"))) const char *argp_program_version = "tmx-audit " TMX_VERSION;

static const char doc[] =
    "Exports the log of a broker, and checks an export offline, with public keys only.\v"
    "export asks a running broker over its control socket and writes a directory of tiles (c2sp.org/tlog-tiles). An "
    "earlier export of the same log is continued; one that the broker now contradicts is left as it is.\n\n"
    "verify recomputes the tree from the entries, compares every tile, verifies the checkpoint, the directories and "
    "every signature, and replays the rules of the log (proto/README.md, LOG-6).\n\n"
    "prove writes the proof that an entry is in the log, for others' tools (c2sp.org/tlog-proof). compare says whether two "
    "exports, or an export and a checkpoint, are one history, and writes the proof of a fork when they are not.\n\n"
    "The authority file holds the keys of the federation authority, obtained from it and not from the export: a line "
    "\"threshold K\", then one key per line (name+id+base64).\n\n"
    "Exit status: 0 done, or everything holds; 1 it does not, or could not be done; 64 usage.";

static const struct argp_option options[] = {
    { "authority", OPTION_AUTHORITY, "FILE", 0, "keys of the federation authority (verify, prove, compare)", 0 },
    { "json", OPTION_JSON, NULL, 0, "print one JSON document (verify, compare)", 0 },
    { "out", OPTION_OUT, "FILE", 0, "where the proof goes (prove, compare)", 0 },
    { "socket", OPTION_SOCKET, "PATH", 0, "the broker's control socket (export)", 0 },
    { 0 },
};

struct command {
    const char *name;
    const char *operands[2]; /* what each is */
    unsigned required;       /* enum option_key */
    unsigned allowed;
    int (*run)(const struct arguments *a);
};

static const struct command commands[] = {
    { "export", { "the directory of the export" }, OPTION_SOCKET, OPTION_SOCKET, tmx_run_export },
    { "verify", { "the directory of the export" }, OPTION_AUTHORITY, OPTION_AUTHORITY | OPTION_JSON, tmx_run_verify },
    { "prove",
      { "the directory of the export", "the index of the entry" },
      OPTION_AUTHORITY,
      OPTION_AUTHORITY | OPTION_OUT,
      tmx_run_prove },
    { "compare",
      { "an export or a checkpoint", "the other export or checkpoint" },
      OPTION_AUTHORITY,
      OPTION_AUTHORITY | OPTION_JSON | OPTION_OUT,
      tmx_run_compare },
};

static const struct command *find_command(const char *name, struct argp_state *state)
{
    const char *names[TMX_N(commands)];
    const char *near;

    for (size_t i = 0; i < TMX_N(commands); i++) {
        if (strcmp(name, commands[i].name) == 0) {
            return &commands[i];
        }
        names[i] = commands[i].name;
    }
    near = tmx_nearest(name, names, TMX_N(names));
    argp_error(state, near == NULL ? "unknown command \"%s\"" : "unknown command \"%s\": did you mean \"%s\"?", name,
               near);
    return NULL;
}

static void check_arguments(const struct arguments *a, struct argp_state *state)
{
    const struct command *c = a->command;

    if (c == NULL) {
        argp_error(state, "a command is missing: export, verify, prove or compare");
        return;
    }
    if (a->n_operands < TMX_N(c->operands) && c->operands[a->n_operands] != NULL) {
        argp_error(state, "%s: %s is missing", c->name, c->operands[a->n_operands]);
    }
    if ((c->required & ~a->given & OPTION_SOCKET) != 0) {
        argp_error(state, "%s: --socket PATH is missing: where the broker answers", c->name);
    }
    if ((c->required & ~a->given & OPTION_AUTHORITY) != 0) {
        argp_error(state, "%s: --authority FILE is missing: an export cannot vouch for its own keys", c->name);
    }
    for (const struct argp_option *o = options; o->name != NULL; o++) {
        if ((a->given & ~c->allowed & (unsigned)o->key) != 0) {
            argp_error(state, "%s has no option --%s", c->name, o->name);
        }
    }
}

static void take_operand(struct arguments *a, char *arg, struct argp_state *state)
{
    if (a->command == NULL) {
        a->command = find_command(arg, state);
    } else if (a->n_operands < TMX_N(a->operands) && a->command->operands[a->n_operands] != NULL) {
        a->operands[a->n_operands++] = arg;
    } else {
        argp_error(state, "too many arguments: \"%s\"", arg);
    }
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;

    switch (key) {
    case OPTION_AUTHORITY:
        a->authority = arg;
        break;
    case OPTION_JSON:
        break;
    case OPTION_SOCKET:
        a->socket = arg;
        break;
    case OPTION_OUT:
        a->out = arg;
        break;
    case ARGP_KEY_ARG:
        take_operand(a, arg, state);
        return 0;
    case ARGP_KEY_END:
        check_arguments(a, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    a->given |= (unsigned)key;
    return 0;
}

int main(int argc, char **argv)
{
    static const struct argp argp = { options, parse,
                                      "export DIR --socket PATH\nverify DIR --authority FILE\n"
                                      "prove DIR INDEX --authority FILE\ncompare A B --authority FILE",
                                      doc, NULL, NULL, NULL };
    struct arguments a = { .command = NULL };

    argp_err_exit_status = EXIT_USAGE;
    if (argp_parse(&argp, argc, argv, 0, NULL, &a) != 0) {
        return EXIT_USAGE;
    }
    if (sodium_init() < 0) {
        fprintf(stderr, "tmx-audit: the cryptographic library does not start\n");
        return EXIT_FAILED;
    }
    return a.command->run(&a);
}
