/* SPDX-License-Identifier: Apache-2.0
 * Contract: commands.h. Most commands are one question and one screen; the others have a function of their own.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <tmx/control.h>
#include <tmx/help.h>
#include <tmx/text.h>

#include "actions.h"
#include "commands.h"
#include "ping.h"
#include "screen.h"
#include "timeline.h"
#include "watch.h"

struct command {
    const char *words[2]; /* as typed and as asked */
    const char *argument; /* "ID"; "[MEMBER]" when it may be left out; several with spaces; NULL = none */
    enum {
        ATTACH = 1, /* the last argument is a file that goes along */
        EMPTY = 2,  /* which may be empty */
        IS_ID = 4,
    } flags;
    /* NULL: it is asked and shown. `argument`: what was typed, NULL when there is none. */
    int (*run)(const struct command *c, const char *argument);
    bool (*show)(const json_t *reply);
    const char *help;
};

static int run_status(const struct command *c, const char *argument);
static int run_check(const struct command *c, const char *argument);
static int run_message(const struct command *c, const char *argument);
static int run_why(const struct command *c, const char *argument);
static int run_ping(const struct command *c, const char *argument);
static int run_trace(const struct command *c, const char *argument);
static int run_compromise(const struct command *c, const char *argument);

static const struct command commands[] = {
    { { "status" }, NULL, 0, run_status, NULL, "how it is: health, problems, log, spool, queues" },
    { { "check" }, "QUESTION", 0, run_check, NULL, "one question, one line, one exit code" },
    { { "peers" }, NULL, 0, NULL, show_peers, "the members: status, link, feed, prekeys" },
    { { "queue" }, "[MEMBER]", 0, NULL, show_queue, "what waits, for everybody or message by message" },
    { { "message" }, "ID", IS_ID, run_message, show_message, "one message: deliveries, signed timeline" },
    { { "why" }, "MEMBER|MESSAGE", 0, run_why, show_why, "why something does not go on, and what mends it" },
    { { "ping" }, "MEMBER", 0, run_ping, show_ping, "(node) a probe there and back: is the way open, and what does each hop take" },
    { { "trace" }, "[FROM]", 0, run_trace, NULL, "what happens, a line each, until it is interrupted" },
    { { "compromise" }, "KEY", 0, run_compromise, NULL, "every message that a stolen key has touched" },
    { { "directory", "show" }, NULL, 0, NULL, show_directory, "the directory in force" },
    { { "directory", "install" }, "FILE", ATTACH, NULL, show_installed, "verify, log and pass on a new directory" },
    { { "anchor", "show" }, NULL, 0, NULL, show_text, "(broker) the head of the log to be time-stamped" },
    { { "anchor", "install" }, "SIZE FILE", ATTACH, NULL, show_anchored, "(broker) log a time-stamp token over that head" },
    { { "misbehaviour" }, NULL, 0, NULL, show_misbehaviour, "(node) the proof of what did not fit the log" },
    { { "witness", "request" }, "NAME", 0, NULL, show_witness_request, "(broker) what to ask a witness without link" },
    { { "witness", "reply" }, "NAME STATUS FILE", ATTACH | EMPTY, NULL, show_witness_reply, "(broker) what it answered" },
};

/* ---- finding one ---- */

_Noreturn void usage(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fprintf(stderr, "tmxctl: ");
    vfprintf(stderr, fmt, args);
    fprintf(stderr, "\nTry `tmxctl --help'.\n");
    va_end(args);
    exit(EXIT_USAGE);
}

static _Noreturn void unknown_command(const char *word)
{
    const char *names[TMX_N(commands)];
    for (size_t i = 0; i < TMX_N(commands); i++) {
        names[i] = commands[i].words[0];
        if (commands[i].words[1] != NULL && strcmp(word, commands[i].words[0]) == 0) {
            usage("`%s' must be followed by %s", word, strcmp(word, "witness") == 0 ? "request or reply" : "show or install");
        }
    }
    const char *near = tmx_nearest(word, names, TMX_N(names));
    near = near != NULL ? near : action_nearest(word);
    if (near != NULL) {
        usage("there is no command `%s'; did you mean `%s'?", word, near);
    }
    usage("there is no command `%s'", word);
}

/* How many words its name has: 1 or 2; 0 when it is not what was typed. */
static size_t is_typed(const struct command *c)
{
    const struct arguments *a = &arguments;
    if (strcmp(a->words[0], c->words[0]) != 0) {
        return 0;
    }
    return c->words[1] == NULL ? 1 : a->n > 1 && strcmp(a->words[1], c->words[1]) == 0 ? 2 : 0;
}

/* How many arguments it takes. */
static size_t arguments_of(const struct command *c)
{
    size_t n = c->argument != NULL ? 1 : 0;
    for (const char *s = c->argument; s != NULL && *s != '\0'; s++) {
        n += *s == ' ' ? 1 : 0;
    }
    return n;
}

static void want_arguments(const struct command *c, size_t first)
{
    const char *name = c->words[first - 1];
    bool optional = c->argument != NULL && c->argument[0] == '[';
    size_t given = arguments.n - first, wanted = arguments_of(c);
    uint8_t id[TMX_ID_SIZE];
    if (given > wanted) {
        usage("`%s' takes %s", name, wanted > 1 ? c->argument : wanted == 1 ? "one argument" : "no argument");
    }
    if (given < wanted && !optional) {
        usage("`%s' needs its %s", name, c->argument);
    }
    if ((c->flags & IS_ID) != 0 && !tmx_parse_id(tmx_bytes_str(arguments.words[first]), id)) {
        usage("`%s' is not a message id: 32 hexadecimal digits, with or without dashes", arguments.words[first]);
    }
}

/* ---- asking, and the answer ---- */

/* Ends the program when the file cannot be taken. */
static struct tmx_bytes read_attachment(const char *path, bool may_be_empty)
{
    static uint8_t file[TMX_CONTROL_ATTACHMENT_MAX + 1];
    FILE *f = fopen(path, "re");
    size_t n = f != NULL ? fread(file, 1, sizeof(file), f) : 0;
    const char *why = f == NULL || ferror(f) ? strerror(errno)
                      : n == 0 && !may_be_empty ? "it is empty"
                      : n == sizeof(file)    ? "it is too large"
                                             : NULL;
    if (f != NULL) {
        fclose(f);
    }
    if (why != NULL) {
        fprintf(stderr, "tmxctl: %s: %s\n", path, why);
        exit(EXIT_REFUSED);
    }
    return TMX_BYTES(file, n);
}

int action_ask(const char *const *words, size_t n, struct tmx_bytes attachment, json_t **ret_reply)
{
    int r = ask_daemon(&arguments.at, words, n, attachment, ASK_TIMEOUT_MS, ret_reply);
    if (r < 0) {
        ask_why(stderr, &arguments.at, r);
    }
    return r;
}

const char *action_kind(void)
{
    return arguments.at.kind;
}

/* What was typed, but for the file that goes along. */
static int ask(const struct command *c, json_t **ret_reply)
{
    struct tmx_bytes attachment = TMX_BYTES_NULL;
    size_t n = arguments.n;
    if ((c->flags & ATTACH) != 0) {
        attachment = read_attachment(arguments.words[--n], (c->flags & EMPTY) != 0);
    }
    return action_ask(arguments.words, n, attachment, ret_reply);
}

static int show_reply(const struct command *c, const json_t *reply)
{
    if (arguments.json) {
        print_json(reply);
    }
    if (json_object_get(reply, "error") != NULL) {
        fprintf(stderr, "tmxctl: the %s says: %s", arguments.at.kind, text_of(reply, "error"));
        if (json_object_get(reply, "code") != NULL) {
            fprintf(stderr, " (%s)", text_of(reply, "code"));
        }
        fprintf(stderr, "\n");
        return EXIT_REFUSED;
    }
    return arguments.json || c->show(reply) ? EXIT_OK : screen_broken(stderr, arguments.at.kind);
}

static const char *socket_path(void)
{
    static char path[4096];
    return daemon_path(&arguments.at, TMX_CONTROL_SOCKET, path);
}

/* ---- each ---- */

static int run_plain(const struct command *c)
{
    json_t *reply = NULL;
    int code = ask(c, &reply) < 0 ? EXIT_UNKNOWN : show_reply(c, reply);
    json_decref(reply);
    return code;
}

static int run_status(const struct command *c, const char *argument)
{
    const struct arguments *a = &arguments;
    (void)c;
    (void)argument;
    return a->watch_s > 0 ? watch_run(&a->at, a->watch_s) : status_run(&a->at, a->json, stderr);
}

static int run_check(const struct command *c, const char *argument)
{
    (void)c;
    return check_run(&arguments.at, argument, &arguments.limits);
}

static int run_why(const struct command *c, const char *argument)
{
    json_t *reply = NULL;
    (void)argument;
    int code = ask(c, &reply) < 0 ? EXIT_UNKNOWN : show_reply(c, reply);
    code = code == EXIT_OK ? health_code(reply) : code;
    json_decref(reply);
    return code;
}

/* With its signed timeline, which is verified here. */
static int run_message(const struct command *c, const char *argument)
{
    json_t *reply = NULL;
    if (ask(c, &reply) < 0) {
        return EXIT_UNKNOWN;
    }
    if (json_object_get(reply, "error") == NULL) {
        timeline_add(reply, socket_path(), argument, arguments.authority, ASK_TIMEOUT_MS);
    }
    int code = show_reply(c, reply);
    code = code == EXIT_OK && !timeline_verified(reply) ? EXIT_CRITICAL : code;
    json_decref(reply);
    return code;
}

/* And what became of the probe. */
static int run_ping(const struct command *c, const char *argument)
{
    json_t *reply = NULL;
    if (action_signs_ping()) {
        int refused = action_ping(argument, &reply);
        if (refused != EXIT_OK) {
            json_decref(reply);
            return refused;
        }
    } else if (ask(c, &reply) < 0) {
        return EXIT_UNKNOWN;
    }
    int code = show_ping(reply) ? ping_follow(reply, socket_path(), arguments.authority, ASK_TIMEOUT_MS, arguments.json)
                                : show_reply(c, reply);
    json_decref(reply);
    return code;
}

static int run_trace(const struct command *c, const char *argument)
{
    struct trace trace = arguments.trace;
    (void)c;
    trace.json = arguments.json;
    trace.from = argument;
    trace.kind = arguments.at.kind;
    return trace_run(&trace, socket_path(), ASK_TIMEOUT_MS);
}

static int run_compromise(const struct command *c, const char *argument)
{
    struct compromise compromise = arguments.compromise;
    (void)c;
    compromise.key = argument;
    compromise.authority = arguments.authority;
    compromise.json = arguments.json;
    return compromise_run(&compromise, &arguments.at);
}

int command_run(void)
{
    for (size_t i = 0; i < TMX_N(commands); i++) {
        const struct command *c = &commands[i];
        size_t first = is_typed(c);
        if (first > 0) {
            want_arguments(c, first);
            return c->run != NULL ? c->run(c, first < arguments.n ? arguments.words[first] : NULL) : run_plain(c);
        }
    }
    unknown_command(arguments.words[0]);
}

/* ---- help ---- */

void commands_help(FILE *out)
{
    for (size_t i = 0; i < TMX_N(commands); i++) {
        const struct command *c = &commands[i];
        char words[64];
        (void)snprintf(words, sizeof(words), "%s%s%s%s%s", c->words[0], c->words[1] != NULL ? " " : "",
                       c->words[1] != NULL ? c->words[1] : "", c->argument != NULL ? " " : "",
                       c->argument != NULL ? c->argument : "");
        tmx_help_row(out, HELP_COLUMN, words, c->help);
    }
}
