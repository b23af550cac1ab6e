/* SPDX-License-Identifier: Apache-2.0
 * tmx: the national user's command. Finds the command in the table, opens the client, runs it. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tmx/keyfile.h>
#include <tmx/locale.h>
#include <tmx/text.h>

#include "cli.h"

static const struct command *const commands[] = {
    &command_send,    &command_receive, &command_ack,    &command_refuse, &command_movement,
    &command_message, &command_evidence, &command_list,    &command_events, &command_info,
};

/* argp's own name for it, which it must be able to see */
__attribute__((visibility("default"))) const char *argp_program_version = "tmx " TMX_VERSION;

enum { OPT_CURVE = 0x100, OPT_SERVER_KEY, OPT_TIMEOUT, OPT_JSON, OPT_NODE };

static const struct argp_option global_options[] = {
    { "node", OPT_NODE, "ENDPOINT", 0, "The node (default: $TMX_NODE, then " CLI_ENDPOINT_DEFAULT ")", -2 },
    { "curve-keys", OPT_CURVE, "DIR", 0, "Own key for a tcp:// node: DIR/curve.key", -2 },
    { "server-key", OPT_SERVER_KEY, "B64", 0, "The node's public key for a tcp:// node", -2 },
    { "timeout", OPT_TIMEOUT, "DURATION", 0, "How long to wait for the node (default: 10s)", -2 },
    { "json", OPT_JSON, NULL, 0, "One JSON object per line instead of tables", -2 },
    { 0 },
};

void cli_error(const char *fmt, ...)
{
    char sentence[1024], safe[1536];
    va_list args;

    va_start(args, fmt);
    vsnprintf(sentence, sizeof(sentence), fmt, args);
    va_end(args);
    tmx_printable(tmx_bytes_str(sentence), safe, sizeof(safe));
    fprintf(stderr, "tmx: %s\n", safe);
}

void cli_note(const char *fmt, ...)
{
    char sentence[1024], safe[1536];
    va_list args;

    va_start(args, fmt);
    vsnprintf(sentence, sizeof(sentence), fmt, args);
    va_end(args);
    tmx_printable(tmx_bytes_str(sentence), safe, sizeof(safe));
    fprintf(stderr, "%s\n", safe);
}

int cli_failed(const struct cli *cli, int r, const char *what)
{
    const char *text = tmx_client_error_text(cli->client);

    if (r > 0) {
        cli_error("%s: %s (%s)", what, text, tmx_client_code_name((unsigned)r));
        return EXIT_FAILED;
    }
    cli_error("%s: %s", what, text);
    return r == -ETIMEDOUT ? EXIT_UNREACHABLE : EXIT_FAILED;
}

uint64_t cli_number(struct argp_state *state, const char *what, const char *text, uint64_t min, uint64_t max)
{
    uint64_t value = 0;

    if (!tmx_parse_u64(tmx_bytes_str(text), max, &value) || value < min) {
        argp_error(state, "%s must be a number from %lu to %lu", what, (unsigned long)min, (unsigned long)max);
    }
    return value;
}

uint64_t cli_duration_ms(struct argp_state *state, const char *what, const char *text, uint64_t max_ms)
{
    static const struct unit {
        char letter;
        uint64_t ms;
    } units[] = { { 's', 1000 }, { 'm', 60000 }, { 'h', 3600000 }, { 'd', 86400000 } };
    size_t size = strlen(text);
    uint64_t value = 0;

    for (size_t i = 0; i < TMX_N(units) && size > 1; i++) {
        if (text[size - 1] == units[i].letter &&
            tmx_parse_u64(TMX_BYTES(text, size - 1), max_ms / units[i].ms, &value) && value > 0) {
            return value * units[i].ms;
        }
    }
    argp_error(state, "%s must be a duration such as 30s, 5m, 12h or 7d, at most %lu s", what,
               (unsigned long)(max_ms / 1000));
    return 0;
}

void cli_id(struct argp_state *state, const char *what, const char *text, uint8_t ret_id[16])
{
    if (!tmx_parse_id(tmx_bytes_str(text), ret_id)) {
        argp_error(state, "%s must be 32 hexadecimal digits, as `tmx receive` and `tmx list` print it", what);
    }
}

bool cli_take_argument(const char **const *slots, size_t n, const char *arg)
{
    for (size_t i = 0; i < n; i++) {
        if (*slots[i] == NULL) {
            *slots[i] = arg;
            return true;
        }
    }
    return false;
}

static error_t parse_global(int key, char *arg, struct argp_state *state)
{
    struct cli *cli = state->input;

    switch (key) {
    case OPT_NODE:
        cli->endpoint = arg;
        return 0;
    case OPT_CURVE:
        cli->curve_dir = arg;
        return 0;
    case OPT_SERVER_KEY:
        cli->server_key = arg;
        return 0;
    case OPT_TIMEOUT:
        cli->timeout_ms = (uint32_t)cli_duration_ms(state, "--timeout", arg, 3600000);
        return 0;
    case OPT_JSON:
        cli->json = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp global_argp = { .options = global_options, .parser = parse_global };
static const struct argp_child global_child[] = { { &global_argp, 0, NULL, 0 }, { 0 } };

static const struct command *chosen;
static int chosen_at;   /* its place in argv */

static error_t parse_command(int key, char *arg, struct argp_state *state)
{
    if (key == ARGP_KEY_INIT) {
        state->child_inputs[0] = state->input;
        return 0;
    }
    return chosen->parse != NULL ? chosen->parse(key, arg, state) : ARGP_ERR_UNKNOWN;
}

/* Up to the command's name, which ends this parse. */
static error_t parse_top(int key, char *arg, struct argp_state *state)
{
    const char *names[TMX_N(commands)];

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = state->input;
        return 0;
    case ARGP_KEY_ARG:
        for (size_t i = 0; i < TMX_N(commands); i++) {
            names[i] = commands[i]->name;
            if (strcmp(arg, names[i]) == 0) {
                chosen = commands[i];
            }
        }
        if (chosen == NULL) {
            const char *near = tmx_nearest(arg, names, TMX_N(names));
            argp_error(state, near != NULL ? "there is no command `%s'; did you mean `%s'?"
                                           : "there is no command `%s'", arg, near);
        }
        chosen_at = state->next - 1;
        state->next = state->argc;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "a command is missing");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static char *list_commands(int key, const char *text, void *input)
{
    char list[2048];
    struct tmx_writer w = TMX_WRITER_OF(list);

    if (key != ARGP_KEY_HELP_POST_DOC) {
        return (char *)(uintptr_t)text;
    }
    tmx_write_fmt(&w, "Commands:\n");
    for (size_t i = 0; i < TMX_N(commands); i++) {
        tmx_write_fmt(&w, "  %-9s %s\n", commands[i]->name, commands[i]->summary);
    }
    tmx_write_fmt(&w, "\n`tmx COMMAND --help' says more. Exit status: 0 done, 1 refused or failed,\n"
                      "2 node not reachable, 64 wrong usage.");
    struct tmx_bytes all = tmx_written(&w);
    return strndup((const char *)all.data, all.size);
}

static int open_client(struct cli *cli)
{
    uint8_t public[32], secret[32], server[32];
    struct tmx_client_options options = { .timeout_ms = cli->timeout_ms };
    char path[4096], why[1024];
    size_t size;

    if ((cli->curve_dir != NULL) != (cli->server_key != NULL)) {
        cli_error("--curve-keys and --server-key belong together");
        return EXIT_BAD_USAGE;
    }
    if (cli->curve_dir != NULL) {
        if (!tmx_unbase64(tmx_bytes_str(cli->server_key), server, sizeof(server), &size) || size != sizeof(server)) {
            cli_error("--server-key must be 32 bytes in base64");
            return EXIT_BAD_USAGE;
        }
        snprintf(path, sizeof(path), "%s/curve.key", cli->curve_dir);
        if (tmx_keyfile_load(path, "curve", public, secret, sizeof(secret), why, sizeof(why)) < 0) {
            cli_error("%s", why);
            return EXIT_FAILED;
        }
        options.public_key = public;
        options.secret_key = secret;
        options.server_key = server;
    }
    int r = tmx_client_open(cli->endpoint, &options, &cli->client);
    explicit_bzero(secret, sizeof(secret));
    if (r == -EINVAL) {
        cli_error("%s is not an endpoint for this: ipc:///PATH without keys, or tcp://HOST:PORT with --curve-keys and "
                  "--server-key", cli->endpoint);
        return EXIT_BAD_USAGE;
    }
    if (r < 0) {
        cli_error("cannot open %s: %s", cli->endpoint, strerror(-r));
        return EXIT_FAILED;
    }
    return 0;
}

/* Everything that was printed must have reached its file or pipe. */
static int close_output(int code)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        cli_error("cannot write the output: %s", strerror(errno));
        return EXIT_FAILED;
    }
    return code;
}

int main(int argc, char **argv)
{
    const char *node = getenv("TMX_NODE");
    struct cli cli = { .endpoint = node != NULL && node[0] != '\0' ? node : CLI_ENDPOINT_DEFAULT };
    const struct argp top = { .parser = parse_top, .args_doc = "COMMAND …",
                              .doc = "Exchanges transit messages with other customs administrations through the own "
                                     "node.\v ",
                              .children = global_child, .help_filter = list_commands };
    char name[32], doc[4096];

    if (!tmx_locale_utf8("tmx")) {
        return EXIT_FAILED;
    }
    argp_parse(&top, argc, argv, ARGP_IN_ORDER, NULL, &cli);
    snprintf(name, sizeof(name), "tmx %s", chosen->name);
    snprintf(doc, sizeof(doc), "%s%s%s", chosen->summary, chosen->details != NULL ? "\v" : "",
             chosen->details != NULL ? chosen->details : "");
    const struct argp own = { .options = chosen->options, .parser = parse_command, .args_doc = chosen->arguments,
                              .doc = doc, .children = global_child };
    argv[chosen_at] = name;
    argp_parse(&own, argc - chosen_at, argv + chosen_at, 0, NULL, &cli);

    int code = open_client(&cli);
    if (code == 0) {
        code = chosen->run(&cli);
    }
    tmx_client_close(cli.client);
    return close_output(code);
}
