/* SPDX-License-Identifier: Apache-2.0
 * tmx-authority: which commands there are, and what they take.
 */
#include <argp.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tmx/help.h>
#include <tmx/locale.h>
#include <tmx/text.h>

#include "authority.h"

#define EXIT_USAGE 64
#define HELP_COLUMN 24u

/* Found by libc by its name. */
__attribute__((visibility("default"))) const char *argp_program_version = "tmx-authority " TMX_VERSION;

enum option_key {
    OPTION_DIR = 0x100,
    OPTION_FEDERATION,
    OPTION_MEMBER,
    OPTION_NAME,
    OPTION_KEYS_DIR,
    OPTION_KEYS,
    OPTION_THRESHOLD,
    OPTION_VALID_DAYS,
    OPTION_OUT,
    OPTION_SHARD,
    OPTION_GATE,
    OPTION_TYPES,
    OPTION_ROLES,
    OPTION_FROM,
    OPTION_UNTIL,
    OPTION_SINCE,
    OPTION_KEY_ID,
    OPTION_KEY_FILE,
    OPTION_AUTHORITY,
    OPTION_IN_FORCE,
    OPTION_VKEYS,
    OPTION_JSON,
    OPTION_PASSPHRASE,
};

#define DIR_OPTION { "dir", OPTION_DIR, "DIR", 0, "the authority's folder (default: the current one)", 0 }

static const struct argp_option init_options[] = {
    { "federation", OPTION_FEDERATION, "NAME", 0, "name of the federation (required)", 0 },
    { "keys", OPTION_KEYS, "N", 0, "how many authority keys there are (required)", 0 },
    { "threshold", OPTION_THRESHOLD, "K", 0, "how many of them sign (required)", 0 },
    { "valid-days", OPTION_VALID_DAYS, "D", 0, "how long a directory is valid (default: 365)", 0 },
    { "passphrase", OPTION_PASSPHRASE, NULL, 0, "seal each key with a passphrase, which its holder types", 0 },
    { 0 },
};
static const struct argp_option request_options[] = {
    { "member", OPTION_MEMBER, "CODE", 0, "member code (required)", 0 },
    { "name", OPTION_NAME, "TEXT", 0, "name of the administration (required)", 0 },
    { "keys", OPTION_KEYS_DIR, "DIR", 0, "folder of its private keys; those missing are created (required)", 0 },
    { "out", OPTION_OUT, "FILE", 0, "the request (required)", 0 },
    { 0 },
};
static const struct argp_option broker_options[] = {
    { "federation", OPTION_FEDERATION, "NAME", 0, "name of the federation (required)", 0 },
    { "shard", OPTION_SHARD, "NAME", 0, "name of the log's shard, as 2026a (required)", 0 },
    { "keys", OPTION_KEYS_DIR, "DIR", 0, "folder of its private keys; those missing are created (required)", 0 },
    { "gate", OPTION_GATE, "MEMBER=tcp://HOST:PORT", 0, "where a member connects; repeated", 0 },
    { "out", OPTION_OUT, "FILE", 0, "the public halves (default: broker.pub in the key folder)", 0 },
    { 0 },
};
static const struct argp_option admit_options[] = {
    DIR_OPTION,
    { "types", OPTION_TYPES, "LIST", 0, "message types the member may send (default: all)", 0 },
    { "roles", OPTION_ROLES, "LIST", 0, "its roles", 0 },
    { "from", OPTION_FROM, "DATE", 0, "member from (default: now)", 0 },
    { "until", OPTION_UNTIL, "DATE", 0, "member until (default: open)", 0 },
    { 0 },
};
static const struct argp_option revoke_options[] = {
    DIR_OPTION,
    { "key", OPTION_KEY_ID, "ID", 0, "revoke only this key, by the id that show prints", 0 },
    { "compromised-since", OPTION_SINCE, "SHARD:INDEX", 0, "evidence after this place in the log is doubtful", 0 },
    { 0 },
};
static const struct argp_option dir_options[] = { DIR_OPTION, { 0 } };
static const struct argp_option sign_options[] = {
    DIR_OPTION,
    { "key", OPTION_KEY_FILE, "FILE", 0, "an authority key; repeated (required)", 0 },
    { "out", OPTION_OUT, "FILE", 0, "the signed directory (default: directory.tmx in the folder)", 0 },
    { "valid-days", OPTION_VALID_DAYS, "D", 0, "how long it is valid (default: as the one before)", 0 },
    { 0 },
};
static const struct argp_option show_options[] = {
    DIR_OPTION,
    { "authority", OPTION_AUTHORITY, "FILE", 0, "check it against these pinned keys (authority.pub)", 0 },
    { "in-force", OPTION_IN_FORCE, "FILE", 0, "check it as the successor of this directory", 0 },
    { "vkeys", OPTION_VKEYS, NULL, 0, "print the keys that sign, for other verifiers; needs --authority", 0 },
    { "json", OPTION_JSON, NULL, 0, "print one JSON document", 0 },
    { 0 },
};

enum argument { NONE, OPTIONAL, REQUIRED };

static const struct command {
    const char *name;
    const char *arguments;
    enum argument argument;
    const char *doc;
    const struct argp_option *options;
    int required[5];   /* options, 0 ends */
    int (*run)(struct tool *t);
} commands[] = {
    { "init", "DIR", REQUIRED, "Creates a federation: the authority's keys and an empty draft.", init_options,
      { OPTION_FEDERATION, OPTION_KEYS, OPTION_THRESHOLD }, run_init },
    { "request", "", NONE, "For a member: creates its keys and a request for admission.", request_options,
      { OPTION_MEMBER, OPTION_NAME, OPTION_KEYS_DIR, OPTION_OUT }, run_request },
    { "broker-keys", "", NONE, "For the broker: creates the keys of the log and the gates.", broker_options,
      { OPTION_FEDERATION, OPTION_SHARD, OPTION_KEYS_DIR }, run_broker_keys },
    { "admit", "REQUEST", REQUIRED, "Admits a member, or adds the new keys of one.", admit_options, { 0 }, run_admit },
    { "suspend", "CODE", REQUIRED, "The member may collect, not submit.", dir_options, { 0 }, run_suspend },
    { "reinstate", "CODE", REQUIRED, "Ends a suspension.", dir_options, { 0 }, run_reinstate },
    { "revoke", "CODE", REQUIRED, "Shuts a member out, or revokes one of its keys.", revoke_options, { 0 },
      run_revoke },
    { "add-log", "FILE", REQUIRED, "Lists the log's key of a broker.pub.", dir_options, { 0 }, run_add_log },
    { "add-gate", "FILE", REQUIRED, "Lists the gates of a broker.pub.", dir_options, { 0 }, run_add_gate },
    { "catalogue", "FILE", REQUIRED, "Records version and digest of the message catalogue.", dir_options, { 0 },
      run_catalogue },
    { "policy", "FILE", REQUIRED, "Records the witness policy.", dir_options, { 0 }, run_policy },
    { "policy-majority", "", NONE, "Records a policy: more than half of the members' witness keys.", dir_options, { 0 },
      run_policy_majority },
    { "authority", "FILE", REQUIRED, "Changes the authority's keys to those of an authority.pub.", dir_options, { 0 },
      run_authority },
    { "renew", "", NONE, "The same content again under the next serial, for another term.", dir_options, { 0 },
      run_renew },
    { "sign", "", NONE, "Signs the draft; adds to the signatures of the same draft in --out.", sign_options,
      { OPTION_KEY_FILE }, run_sign },
    { "show", "[FILE]", OPTIONAL, "Prints a directory; without FILE the draft, once it is signed the signed one.", show_options, { 0 }, run_show },
};

struct parse {
    struct tool *tool;
    const struct command *command;
    uint64_t given;   /* bits of option_key */
};

static uint64_t number(const char *text, uint64_t max, const char *option, struct argp_state *state)
{
    uint64_t value = 0;
    if (!tmx_parse_u64(tmx_bytes_str(text), max, &value) || value == 0) {
        argp_error(state, "--%s %s: a number from 1 to %llu is needed", option, text, (unsigned long long)max);
    }
    return value;
}

/* Options that only keep their text. */
static const char **text_of(struct tool *t, int key)
{
    switch (key) {
    case OPTION_DIR:
        return &t->dir;
    case OPTION_FEDERATION:
        return &t->federation;
    case OPTION_MEMBER:
        return &t->member;
    case OPTION_NAME:
        return &t->name;
    case OPTION_KEYS_DIR:
        return &t->keys_dir;
    case OPTION_OUT:
        return &t->out;
    case OPTION_SHARD:
        return &t->shard;
    case OPTION_TYPES:
        return &t->types;
    case OPTION_ROLES:
        return &t->roles;
    case OPTION_FROM:
        return &t->from;
    case OPTION_UNTIL:
        return &t->until;
    case OPTION_SINCE:
        return &t->since;
    case OPTION_KEY_ID:
        return &t->key_id;
    case OPTION_AUTHORITY:
        return &t->authority;
    case OPTION_IN_FORCE:
        return &t->in_force;
    default:
        return NULL;
    }
}

static void check_required(const struct parse *p, struct argp_state *state)
{
    for (const int *key = p->command->required; *key != 0; key++) {
        for (const struct argp_option *o = p->command->options; o->name != NULL; o++) {
            if (o->key == *key && (p->given & (1ull << (*key - OPTION_DIR))) == 0) {
                argp_error(state, "--%s %s is missing", o->name, o->arg);
            }
        }
    }
    if (p->command->argument == REQUIRED && p->tool->argument == NULL) {
        argp_error(state, "%s is missing", p->command->arguments);
    }
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct parse *p = state->input;
    struct tool *t = p->tool;
    const char **text = text_of(t, key);
    if (key >= OPTION_DIR && key <= OPTION_JSON) {
        p->given |= 1ull << (key - OPTION_DIR);
    }
    if (text != NULL) {
        *text = argument;
        return 0;
    }
    switch (key) {
    case OPTION_KEYS:
        t->keys = number(argument, TMX_AUTHORITY_KEYS_MAX, "keys", state);
        return 0;
    case OPTION_THRESHOLD:
        t->threshold = number(argument, TMX_AUTHORITY_KEYS_MAX, "threshold", state);
        return 0;
    case OPTION_VALID_DAYS:
        t->valid_days = number(argument, 3660, "valid-days", state);
        return 0;
    case OPTION_PASSPHRASE:
        t->passphrase = true;
        return 0;
    case OPTION_JSON:
        t->json = true;
        return 0;
    case OPTION_VKEYS:
        t->vkeys = true;
        return 0;
    case OPTION_KEY_FILE:
        if (t->n_key_files == TMX_N(t->key_files)) {
            argp_error(state, "too many --key");
        }
        t->key_files[t->n_key_files++] = argument;
        return 0;
    case OPTION_GATE:
        if (t->n_gates == TMX_N(t->gates)) {
            argp_error(state, "too many --gate");
        }
        t->gates[t->n_gates++] = argument;
        return 0;
    case ARGP_KEY_ARG:
        if (p->command->argument == NONE || t->argument != NULL) {
            argp_error(state, "'%s' is too much", argument);
        }
        t->argument = argument;
        return 0;
    case ARGP_KEY_END:
        check_required(p, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct command *find_command(const char *name)
{
    const char *names[TMX_N(commands)];
    for (size_t i = 0; i < TMX_N(commands); i++) {
        names[i] = commands[i].name;
        if (strcmp(name, names[i]) == 0) {
            return &commands[i];
        }
    }
    const char *near = tmx_nearest(name, names, TMX_N(names));
    fail("'%s' is not a command: %s%s%s", name, near != NULL ? "did you mean '" : "see 'tmx-authority --help",
         near != NULL ? near : "", "'?");
    return NULL;
}

static void print_help(void)
{
    puts("Usage: tmx-authority COMMAND [OPTION...]\n"
         "Creates a federation, admits, suspends and revokes its members, signs its\n"
         "directory. Offline: files only.\n\n"
         "Commands:");
    for (size_t i = 0; i < TMX_N(commands); i++) {
        char words[64];
        snprintf(words, sizeof(words), "%s %s", commands[i].name, commands[i].arguments);
        tmx_help_row(stdout, HELP_COLUMN, words, commands[i].doc);
    }
    puts("\n'tmx-authority COMMAND --help' lists its options.\n"
         "Exit status: 0 done, 1 not done, 64 usage.");
}

int main(int argc, char **argv)
{
    struct tool tool = { .dir = "." };
    char name[64];
    if (!tmx_locale_utf8("tmx-authority")) {
        return 1;
    }
    if (argc < 2) {
        fail("a command is missing: see 'tmx-authority --help'");
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        print_help();
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts(argp_program_version);
        return 0;
    }
    const struct command *command = find_command(argv[1]);
    if (command == NULL) {
        return EXIT_USAGE;
    }
    snprintf(name, sizeof(name), "tmx-authority %s", command->name);
    argv[1] = name;
    struct parse parse = { .tool = &tool, .command = command };
    struct argp argp = { command->options, parse_option, command->arguments, command->doc, NULL, NULL, NULL };
    argp_parse(&argp, argc - 1, argv + 1, 0, NULL, &parse);
    if (sodium_init() < 0 || tmx_arena_init(&tool.arena, TOOL_ARENA_SIZE) < 0) {
        return fail("cannot start: no entropy or no memory");
    }
    int status = command->run(&tool);
    tmx_arena_deinit(&tool.arena);
    if (fflush(stdout) != 0) {
        return fail("the output cannot be written");
    }
    return status;
}
