/* SPDX-License-Identifier: Apache-2.0
 * tmxctl: the operators' command for a broker and for a node alike. It asks the daemon over its control socket; the
 * only file it reads is the status a daemon left behind.
 */
#include <argp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tmx/clock.h>
#include <tmx/control.h>
#include <tmx/locale.h>
#include <tmx/text.h>

#include "ping.h"
#include "screen.h"
#include "timeline.h"
#include "trace.h"

#define TIMEOUT_MS 10000u
#define ARGUMENTS_MAX 5u
#define FOLDER_DEFAULT "/run/tmx-broker"

enum { EXIT_OK, EXIT_WARNING, EXIT_CRITICAL, EXIT_UNKNOWN, EXIT_USAGE = 64 };
enum { EXIT_REFUSED = 1 };

static const struct command {
    const char *words[2]; /* as typed and as asked */
    const char *argument; /* "ID"; "[MEMBER]" when it may be left out; several with spaces; NULL = none */
    bool attach;          /* the last argument is a file that goes along */
    bool is_id;
    bool (*show)(const json_t *reply);
    const char *help;
} commands[] = {
    { { "status" }, NULL, false, false, show_status, "how it is: health, problems, log, spool, queues" },
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
    { { "release" }, "ID", false, true, show_done, "(node) offer a held message again" },
    { { "misbehaviour" }, NULL, false, false, show_misbehaviour, "(node) the proof of what did not fit the log" },
    { { "trust" }, NULL, false, false, show_done, "(node) link again after it was looked into" },
    { { "witness", "request" }, "NAME", false, false, show_witness_request, "(broker) what to ask a witness without link" },
    { { "witness", "reply" }, "NAME STATUS FILE", true, false, show_witness_reply, "(broker) what it answered" },
    { { "reload" }, NULL, false, false, show_done, "read configuration and directory, as SIGHUP" },
};

static struct arguments {
    const char *folder; /* of the daemon; NULL with --socket */
    const char *socket;
    const char *kind; /* "broker", "node", "daemon" */
    const char *authority; /* NULL: as the daemon is configured */
    struct trace trace;
    bool json;
    size_t n;
    const char *words[ARGUMENTS_MAX];
} arg = { .folder = FOLDER_DEFAULT, .kind = "broker" };

/* argp looks for it by name */
__attribute__((visibility("default"))) const char *argp_program_version = "tmxctl " TMX_VERSION;

enum { OPTION_MEMBER = 256, OPTION_TYPE, OPTION_OUTCOME, OPTION_COUNT };

static const struct argp_option options[] = {
    { "broker", 'b', "DIR", 0, "The broker whose run folder is DIR (default " FOLDER_DEFAULT ")", 0 },
    { "node", 'n', "DIR", 0, "The node whose run folder is DIR", 0 },
    { "socket", 's', "PATH", 0, "The daemon with this control socket", 0 },
    { "json", 'j', NULL, 0, "Print the daemon's answer as it came", 0 },
    { "authority", 'a', "FILE", 0, "Verify under these keys of the authority (default: the daemon's)", 0 },
    { "member", OPTION_MEMBER, "CODE", 0, "Trace: only what is from or for this member", 1 },
    { "type", OPTION_TYPE, "TYPE", 0, "Trace: only messages of this type", 1 },
    { "outcome", OPTION_OUTCOME, "WHAT", 0, "Trace: only accepted, arrived, delivered, refused, expired, exception or rejected ones", 1 },
    { "count", OPTION_COUNT, "N", 0, "Trace: end after so many lines", 1 },
    { 0 },
};

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    switch (key) {
    case 'b':
    case 'n':
        arg.folder = value;
        arg.socket = NULL;
        arg.kind = key == 'b' ? "broker" : "node";
        return 0;
    case 's':
        arg.socket = value;
        arg.folder = NULL;
        arg.kind = "daemon";
        return 0;
    case OPTION_MEMBER:
        arg.trace.member = value;
        return 0;
    case OPTION_TYPE:
        arg.trace.type = value;
        return 0;
    case OPTION_OUTCOME:
        arg.trace.outcome = value;
        return 0;
    case OPTION_COUNT:
        if (!tmx_parse_u64(tmx_bytes_str(value), UINT32_MAX, &arg.trace.count) || arg.trace.count == 0) {
            argp_error(state, "--count: %s is not a number of lines", value);
        }
        return 0;
    case 'a':
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
        return ARGP_ERR_UNKNOWN;
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
    fprintf(f, "\nExit status of status and why: 0 ok, 1 warning, 2 critical, 3 unknown.\n"
               "Of the others: 0 done, 1 refused, 3 no answer; of message 2: not verified. Wrong usage: 64.\n");
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

/* The folder's file `name`, or with --socket the socket itself. */
static const char *path_of(const char *name, char path[4096])
{
    if (arg.folder == NULL) {
        return arg.socket;
    }
    (void)snprintf(path, 4096, "%s/%s", arg.folder, name);
    return path;
}

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

static const char *why_not(int error)
{
    switch (error) {
    case -ENOENT:
        return "there is no such socket: it is not running, or its run folder is another one";
    case -ECONNREFUSED:
        return "nobody listens: it is not running";
    case -EACCES:
    case -EPERM:
        return "you may not: operators are the group of that socket";
    case -ETIMEDOUT:
        return "no answer in 10 s: it hangs, or others keep it busy";
    case -EBADMSG:
        return "its answer breaks off or is no JSON object";
    case -EMSGSIZE:
        return "the question or the answer is too large";
    default:
        return strerror(-error);
    }
}

static int ask(const struct command *c, size_t first, json_t **ret_reply)
{
    char path[4096];
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
    const char *socket = path_of(TMX_CONTROL_SOCKET, path);
    int r = tmx_control_call(socket, words, n, attachment, TIMEOUT_MS, ret_reply);
    if (r < 0) {
        fprintf(stderr, "tmxctl: the %s at %s: %s\n", arg.kind, socket, why_not(r));
    }
    return r;
}

/* ---- answers ---- */

static void print_json(const json_t *reply)
{
    (void)json_dumpf(reply, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    printf("\n");
}

static int broken(void)
{
    fprintf(stderr, "tmxctl: the answer is incomplete: %s (the %s may be of another version; --json shows what came)\n",
            screen_fault(), arg.kind);
    return EXIT_UNKNOWN;
}

static int health_code(const json_t *reply)
{
    const char *health = text_of(reply, "health");
    return strcmp(health, "ok") == 0         ? EXIT_OK
           : strcmp(health, "warning") == 0  ? EXIT_WARNING
           : strcmp(health, "critical") == 0 ? EXIT_CRITICAL
                                             : EXIT_UNKNOWN;
}

/* The status the daemon last wrote, when it cannot be asked. */
static int show_snapshot(void)
{
    char path[4096];
    json_t *s = arg.folder != NULL ? json_load_file(path_of(TMX_CONTROL_SNAPSHOT, path), 0, NULL) : NULL;
    if (!json_is_object(s)) {
        json_decref(s);
        return EXIT_UNKNOWN;
    }
    uint64_t now_ms = tmx_clock_wall_ms();
    uint64_t at_ms = u64_of(s, "at_ms");
    bool good = true;
    if (arg.json) {
        json_object_set_new(s, "stale", json_true());
        print_json(s);
    } else {
        printf("%s: as of %s UTC, %s ago\n", painted("STALE"), time_of(s, "at_ms"),
               duration_text(now_ms > at_ms ? now_ms - at_ms : 0));
        good = show_status(s);
    }
    json_decref(s);
    return good ? EXIT_UNKNOWN : broken();
}

static int show_reply(const struct command *c, const json_t *reply)
{
    bool status = c->show == show_status;
    if (arg.json) {
        print_json(reply);
    }
    if (json_object_get(reply, "error") != NULL) {
        fprintf(stderr, "tmxctl: the %s says: %s", arg.kind, text_of(reply, "error"));
        if (json_object_get(reply, "code") != NULL) {
            fprintf(stderr, " (%s)", text_of(reply, "code"));
        }
        fprintf(stderr, "\n");
        return status ? EXIT_UNKNOWN : EXIT_REFUSED;
    }
    if (!arg.json && !c->show(reply)) {
        return broken();
    }
    return status || c->show == show_why ? health_code(reply) : EXIT_OK;
}

int main(int argc, char **argv)
{
    if (!tmx_locale_utf8("tmxctl")) {
        return EXIT_UNKNOWN;
    }
    argp_err_exit_status = EXIT_USAGE;
    argp_parse(&argp, argc, argv, 0, NULL, NULL);
    size_t first = 0;
    json_t *reply = NULL;
    const struct command *c = find_command(&first);
    if (c->show == show_trace) {
        char path[4096];
        arg.trace.json = arg.json;
        arg.trace.from = first < arg.n ? arg.words[first] : NULL;
        arg.trace.kind = arg.kind;
        return trace_run(&arg.trace, path_of(TMX_CONTROL_SOCKET, path), TIMEOUT_MS);
    }
    if (ask(c, first, &reply) < 0) {
        return c->show == show_status ? show_snapshot() : EXIT_UNKNOWN;
    }
    if (c->show == show_message && json_object_get(reply, "error") == NULL) {
        char path[4096];
        timeline_add(reply, path_of(TMX_CONTROL_SOCKET, path), arg.words[first], arg.authority, TIMEOUT_MS);
    }
    if (c->show == show_ping && show_ping(reply)) {
        char path[4096];
        int answered = ping_follow(reply, path_of(TMX_CONTROL_SOCKET, path), arg.authority, TIMEOUT_MS, arg.json);
        json_decref(reply);
        return answered;
    }
    int code = show_reply(c, reply);
    code = code == EXIT_OK && !timeline_verified(reply) ? EXIT_CRITICAL : code;
    json_decref(reply);
    return code;
}
