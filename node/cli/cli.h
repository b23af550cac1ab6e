/* SPDX-License-Identifier: Apache-2.0
 * The frame of `tmx`: what every command has, and how commands are told apart. One file per group of commands. */
#pragma once

#include <argp.h>
#include <jansson.h>
#include <tmx/client.h>
#include <tmx/err.h>

/* Exit codes; usage is that of argp and sysexits.h. */
enum { EXIT_FAILED = 1, EXIT_UNREACHABLE = 2, EXIT_BAD_USAGE = 64 };

#define CLI_ENDPOINT_DEFAULT "ipc:///run/tmx-node/application.sock"

/* What may stand before and after the command's name. */
struct cli {
    const char *endpoint;
    const char *curve_dir;
    const char *server_key;   /* base64 */
    uint32_t timeout_ms;
    bool json;
    struct tmx_client *client;
};

struct command {
    const char *name;
    const char *arguments;            /* as in the usage line */
    const char *summary;              /* one line in `tmx --help`, the head of its own */
    const char *details;              /* the rest of its own help, or NULL */
    const struct argp_option *options;
    argp_parser_t parse;              /* its options and arguments, or NULL */
    int (*run)(struct cli *cli);      /* the exit code */
};

extern const struct command command_send, command_receive, command_ack, command_refuse, command_movement,
    command_message, command_evidence, command_list, command_events, command_info;

/* Prints the client's error for a call that gave r, with `what` it was about, and returns the exit code for it. */
int cli_failed(const struct cli *cli, int r, const char *what);
/* "error: …" on stderr, safe to print. */
void cli_error(const char *fmt, ...) TMX_PRINTF(1, 2);
void cli_note(const char *fmt, ...) TMX_PRINTF(1, 2);

/* For option parsers: exits with usage when the text is no such value. */
uint64_t cli_number(struct argp_state *state, const char *what, const char *text, uint64_t min, uint64_t max);
uint64_t cli_duration_ms(struct argp_state *state, const char *what, const char *text, uint64_t max_ms);
void cli_id(struct argp_state *state, const char *what, const char *text, uint8_t ret_id[16]);
/* Takes the next argument into one of `slots` (NULL-filled at the start); false when all are taken. */
bool cli_take_argument(const char **const *slots, size_t n, const char *arg);
