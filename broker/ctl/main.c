/* SPDX-License-Identifier: Apache-2.0
 * tmxctl: the operators' command for a broker and for a node alike. It asks the daemon over its control socket; the
 * only file it reads is the status a daemon left behind.
 *
 *   ask.c         the way to a daemon               watch.c        the status on the whole terminal
 *   screen.c      texts, tables, colours            check.c, check_facts.c   one question of a monitoring system
 *   status.c, destinations.c, pace.c   the status   lists.c        the other screens
 */
#include <argp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tmx/control.h>
#include <tmx/locale.h>
#include <tmx/text.h>

#include "actions.h"
#include "check.h"
#include "ping.h"
#include "screen.h"
#include "timeline.h"
#include "trace.h"
#include "watch.h"

#define ARGUMENTS_MAX 130u
#define FOLDER_DEFAULT "/run/tmx-broker"

static struct arguments {
    struct daemon_at at;
    bool json;
    unsigned watch_s; /* 0: once */
    struct check_limits limits;
    const char *authority; /* NULL: as the daemon is configured */
    struct trace trace;
    size_t n;
    const char *words[ARGUMENTS_MAX];
} arg = { .at = { .folder = FOLDER_DEFAULT, .kind = "broker" } };

/* Of a row whose answer is shown by more than one function: main looks at it. */
static bool show_check(const json_t *reply)
{
    return json_is_object(reply);
}

static const struct command {
    const char *words[2]; /* as typed and as asked */
    const char *argument; /* "ID"; "[MEMBER]" when it may be left out; several with spaces; NULL = none */
    bool attach;          /* the last argument is a file that goes along */
    bool is_id;
    bool (*show)(const json_t *reply);
    const char *help;
} commands[] = {
    { { "status" }, NULL, false, false, show_status, "how it is: health, problems, log, spool, queues" },
    { { "check" }, "QUESTION", false, false, show_check, "one question, one line, one exit code" },
    { { "peers" }, NULL, false, false, show_peers, "the members: status, link, feed, prekeys" },
    { { "queue" }, "[MEMBER]", false, false, show_queue, "what waits, for everybody or message by message" },
    { { "message" }, "ID", false, true, show_message, "one message: deliveries, signed timeline" },
    { { "why" }, "MEMBER|MESSAGE", false, false, show_why, "why something does not go on, and what mends it" },
    { { "ping" }, "MEMBER", false, false, show_ping, "(node) a probe there and back: is the way open, what each hop takes" },
    { { "trace" }, "[FROM]", false, false, show_trace, "what happens, a line each, until it is interrupted" },
    { { "directory", "show" }, NULL, false, false, show_directory, "the directory in force" },
    { { "directory", "install" }, "FILE", true, false, show_installed, "verify, log and pass on a new directory" },
    { { "anchor", "show" }, NULL, false, false, show_text, "(broker) the head of the log to be time-stamped" },
    { { "anchor", "install" }, "SIZE FILE", true, false, show_anchored, "(broker) log a time-stamp token over that head" },
    { { "misbehaviour" }, NULL, false, false, show_misbehaviour, "(node) the proof of what did not fit the log" },
    { { "witness", "request" }, "NAME", false, false, show_witness_request, "(broker) what to ask a witness without link" },
    { { "witness", "reply" }, "NAME STATUS FILE", true, false, show_witness_reply, "(broker) what it answered" },
};

/* argp looks for it by name */
__attribute__((visibility("default"))) const char *argp_program_version = "tmxctl " TMX_VERSION;

enum { OPT_MAX_AGE = 256, OPT_WITHIN, OPTION_AUTHORITY, OPTION_MEMBER, OPTION_OUTCOME, OPTION_COUNT };

static const struct argp_option options[] = {
    { "broker", 'b', "DIR", 0, "The broker whose run folder is DIR (default " FOLDER_DEFAULT ")", 0 },
    { "node", 'n', "DIR", 0, "The node whose run folder is DIR", 0 },
    { "socket", 's', "PATH", 0, "The daemon with this control socket", 0 },
    { "json", 'j', NULL, 0, "Print the daemon's answer as it came", 0 },
    { "all", 'a', NULL, 0, "Of status: destinations that are well, too, and all counters", 0 },
    { "watch", 'w', "SECONDS", OPTION_ARG_OPTIONAL, "Of status: again and again, on the whole terminal (default: every 2)", 0 },
    { "max-age", OPT_MAX_AGE, "TIME", 0, "Of check backlog: what waits longer is too old (default: the broker's own limit)", 0 },
    { "within", OPT_WITHIN, "TIME", 0, "Of check keys and directory: what ends within it ends soon (default: 30d)", 0 },
    { "authority", OPTION_AUTHORITY, "FILE", 0, "Of message and ping: verify under these keys of the authority (default: the daemon's)", 0 },
    { "member", OPTION_MEMBER, "CODE", 0, "Of trace: only what is from or for this member; --type: of this message type", 0 },
    { "outcome", OPTION_OUTCOME, "WHAT", 0, "Of trace: only accepted, arrived, delivered, refused, expired, exception or rejected ones", 0 },
    { "count", OPTION_COUNT, "N", 0, "Of trace: end after so many lines", 0 },
    ACTION_OPTIONS
    { 0 },
};

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    uint64_t number;
    switch (key) {
    case 'b':
    case 'n':
        arg.at = (struct daemon_at){ .folder = value, .kind = key == 'b' ? "broker" : "node" };
        screen_where_is(key == 'b' ? "--broker" : "--node", value);
        return 0;
    case 's':
        arg.at = (struct daemon_at){ .socket = value, .kind = "daemon" };
        screen_where_is("--socket", value);
        return 0;
    case 'a':
        screen_all = true;
        return 0;
    case 'w':
        if (value != NULL && (!tmx_parse_u64(tmx_bytes_str(value), 3600, &number) || number == 0)) {
            argp_error(state, "--watch: a number of seconds, 1 to 3600");
        }
        arg.watch_s = value != NULL ? (unsigned)number : WATCH_SECONDS;
        return 0;
    case OPT_MAX_AGE:
    case OPT_WITHIN:
        if (!check_duration(value, key == OPT_MAX_AGE ? &arg.limits.max_age_ms : &arg.limits.within_ms)) {
            argp_error(state, "`%s' is no time: 90s, 20m, 4h or 30d", value);
        }
        return 0;
    case OPT_TYPE:
        arg.trace.type = value;
        return action_option(key, value, state);
    case OPTION_MEMBER:
        arg.trace.member = value;
        return 0;
    case OPTION_OUTCOME:
        arg.trace.outcome = value;
        return 0;
    case OPTION_COUNT:
        if (!tmx_parse_u64(tmx_bytes_str(value), UINT32_MAX, &arg.trace.count) || arg.trace.count == 0) {
            argp_error(state, "--count: %s is not a number of lines", value);
        }
        return 0;
    case OPTION_AUTHORITY:
        arg.authority = value;
        return 0;
    case 'j':
        arg.json = true;
        return 0;
    case ARGP_KEY_ARG:
        if (arg.n == ARGUMENTS_MAX) {
            argp_error(state, "too many arguments");
        }
        arg.words[arg.n++] = value;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which command?");
        return 0;
    default:
        return action_option(key, value, state);
    }
}

/* The commands' help, after the options'. */
static char *filter_help(int key, const char *text, void *input)
{
    if (key != ARGP_KEY_HELP_POST_DOC) {
        return (char *)(uintptr_t)text;
    }
    char *out = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&out, &size);
    if (f == NULL) {
        return (char *)(uintptr_t)text;
    }
    fprintf(f, "Commands:\n");
    for (size_t i = 0; i < TMX_N(commands); i++) {
        const struct command *c = &commands[i];
        char words[64];
        (void)snprintf(words, sizeof(words), "%s%s%s%s%s", c->words[0], c->words[1] != NULL ? " " : "",
                       c->words[1] != NULL ? c->words[1] : "", c->argument != NULL ? " " : "",
                       c->argument != NULL ? c->argument : "");
        fprintf(f, "  %-24s %s\n", words, c->help);
    }
    action_help(f);
    fprintf(f, "\nQuestions of check:");
    for (const struct question *q = check_questions; q->name != NULL; q++) {
        fprintf(f, " %s", q->name);
    }
    fprintf(f, "\n\nExit status of status, check and why: 0 ok, 1 warning, 2 critical, 3 unknown.\n"
               "Of the others: 0 done, 1 refused, 3 no answer; of message and ping 2: not verified. Wrong usage: 64.\n");
    fclose(f);
    return out;
}

static const struct argp argp = {
    options, parse_option, "COMMAND [ARGUMENT]", "Looks after a TMX broker or node.\v", NULL, filter_help, NULL,
};

static _Noreturn void usage(const char *fmt, ...) TMX_PRINTF(1, 2);

static _Noreturn void usage(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fprintf(stderr, "tmxctl: ");
    vfprintf(stderr, fmt, args);
    fprintf(stderr, "\nTry `tmxctl --help'.\n");
    va_end(args);
    exit(EXIT_USAGE);
}

static _Noreturn void unknown_command(void)
{
    const char *names[TMX_N(commands)];
    for (size_t i = 0; i < TMX_N(commands); i++) {
        names[i] = commands[i].words[0];
        if (commands[i].words[1] != NULL && strcmp(arg.words[0], commands[i].words[0]) == 0) {
            usage("`%s' must be followed by %s", arg.words[0],
                  strcmp(arg.words[0], "witness") == 0 ? "request or reply" : "show or install");
        }
    }
    const char *near = tmx_nearest(arg.words[0], names, TMX_N(names));
    near = near != NULL ? near : action_nearest(arg.words[0]);
    if (near != NULL) {
        usage("there is no command `%s'; did you mean `%s'?", arg.words[0], near);
    }
    usage("there is no command `%s'", arg.words[0]);
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

/* The command, and where its arguments begin. Does not return when there is something wrong with them. */
static const struct command *find_command(size_t *ret_first)
{
    for (size_t i = 0; i < TMX_N(commands); i++) {
        const struct command *c = &commands[i];
        size_t n = c->words[1] != NULL ? 2 : 1;
        if (arg.n < n || strcmp(arg.words[0], c->words[0]) != 0 || (n == 2 && strcmp(arg.words[1], c->words[1]) != 0)) {
            continue;
        }
        bool optional = c->argument != NULL && c->argument[0] == '[';
        size_t given = arg.n - n;
        uint8_t id[TMX_ID_SIZE];
        size_t wanted = arguments_of(c);
        if (given > wanted) {
            usage("`%s' takes %s", c->words[n - 1], wanted > 1 ? c->argument : wanted == 1 ? "one argument" : "no argument");
        }
        if (given < wanted && !optional) {
            usage("`%s' needs its %s", c->words[n - 1], c->argument);
        }
        if (given == 1 && c->is_id && !tmx_parse_id(tmx_bytes_str(arg.words[n]), id)) {
            usage("`%s' is not a message id: 32 hexadecimal digits, with or without dashes", arg.words[n]);
        }
        *ret_first = n;
        return c;
    }
    unknown_command();
}

/* ---- asking ---- */

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
    int r = ask_daemon(&arg.at, words, n, attachment, ASK_TIMEOUT_MS, ret_reply);
    if (r < 0) {
        ask_why(stderr, &arg.at, r);
    }
    return r;
}

static int ask(const struct command *c, size_t first, json_t **ret_reply)
{
    const char *words[2 + ARGUMENTS_MAX];
    size_t n = 0;
    struct tmx_bytes attachment = TMX_BYTES_NULL;
    words[n++] = c->words[0];
    if (c->words[1] != NULL) {
        words[n++] = c->words[1];
    }
    for (size_t i = first; i + (c->attach ? 1 : 0) < arg.n; i++) {
        words[n++] = arg.words[i];
    }
    if (c->attach) {
        attachment = read_attachment(arg.words[arg.n - 1], c->show == show_witness_reply);
    }
    return action_ask(words, n, attachment, ret_reply);
}

/* ---- answers ---- */

static int show_reply(const struct command *c, const json_t *reply)
{
    if (arg.json) {
        print_json(reply);
    }
    if (json_object_get(reply, "error") != NULL) {
        fprintf(stderr, "tmxctl: the %s says: %s", arg.at.kind, text_of(reply, "error"));
        if (json_object_get(reply, "code") != NULL) {
            fprintf(stderr, " (%s)", text_of(reply, "code"));
        }
        fprintf(stderr, "\n");
        return EXIT_REFUSED;
    }
    if (!arg.json && !c->show(reply)) {
        return screen_broken(stderr, arg.at.kind);
    }
    return c->show == show_why ? health_code(reply) : EXIT_OK;
}

/* Commands that are more than a question and a screen. */
static bool run_own(const struct command *c, size_t first, int *ret_code)
{
    if (c->show == show_check) {
        *ret_code = check_run(&arg.at, arg.words[first], &arg.limits);
    } else if (c->show == show_status) {
        *ret_code = arg.watch_s > 0 ? watch_run(&arg.at, arg.watch_s) : status_run(&arg.at, arg.json, stderr);
    } else if (c->show == show_trace) {
        char path[4096];
        arg.trace.json = arg.json;
        arg.trace.from = first < arg.n ? arg.words[first] : NULL;
        arg.trace.kind = arg.at.kind;
        *ret_code = trace_run(&arg.trace, daemon_path(&arg.at, TMX_CONTROL_SOCKET, path), ASK_TIMEOUT_MS);
    } else {
        return false;
    }
    return true;
}

/* What is verified here besides: the signed timeline; and of a probe what became of it. */
static int show_verified(const struct command *c, size_t first, json_t *reply)
{
    char path[4096];
    const char *socket = daemon_path(&arg.at, TMX_CONTROL_SOCKET, path);
    if (c->show == show_ping && show_ping(reply)) {
        return ping_follow(reply, socket, arg.authority, ASK_TIMEOUT_MS, arg.json);
    }
    if (c->show == show_message && json_object_get(reply, "error") == NULL) {
        timeline_add(reply, socket, arg.words[first], arg.authority, ASK_TIMEOUT_MS);
    }
    int code = show_reply(c, reply);
    return code == EXIT_OK && !timeline_verified(reply) ? EXIT_CRITICAL : code;
}

int main(int argc, char **argv)
{
    if (!tmx_locale_utf8("tmxctl")) {
        return EXIT_UNKNOWN;
    }
    argp_err_exit_status = EXIT_USAGE;
    action_typed(argc, argv);
    argp_parse(&argp, argc, argv, 0, NULL, NULL);
    if (action_is(arg.words[0])) {
        return action_run(arg.words, arg.n, arg.json);
    }
    size_t first = 0;
    json_t *reply = NULL;
    const struct command *c = find_command(&first);
    int code;
    if (run_own(c, first, &code)) {
        return code;
    }
    if (ask(c, first, &reply) < 0) {
        return EXIT_UNKNOWN;
    }
    code = show_verified(c, first, reply);
    json_decref(reply);
    return code;
}
