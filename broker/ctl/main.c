/* SPDX-License-Identifier: Apache-2.0
 * tmxctl: the operators' command for a broker and for a node alike. It asks the daemon over its control socket; the
 * only file of a daemon that it reads is the status one left behind.
 *
 *   commands.c      the commands that look          watch.c        the status on the whole terminal
 *   ask.c           the way to a daemon             check.c, check_facts.c   one question of a monitoring system
 *   screen.c        texts, tables, colours          timeline.c, ping.c, trace.c   messages: signed steps, probes, events
 *   status.c, destinations.c, pace.c   the status   compromise.c   what a key has touched
 *   lists.c, why.c  the other screens               actions.c, actions_about.c, operators.c   what operators do
 */
#include <argp.h>
#include <stdlib.h>
#include <string.h>

#include <tmx/locale.h>
#include <tmx/text.h>

#include "actions.h"
#include "commands.h"
#include "screen.h"
#include "watch.h"

#define FOLDER_DEFAULT "/run/tmx-broker"

struct arguments arguments = { .at = { .folder = FOLDER_DEFAULT, .kind = "broker" } };

/* argp looks for it by name */
__attribute__((visibility("default"))) const char *argp_program_version = "tmxctl " TMX_VERSION;

enum { OPTION_MAX_AGE = 256, OPTION_WITHIN, OPTION_AUTHORITY, OPTION_MEMBER, OPTION_OUTCOME, OPTION_COUNT, OPTION_EXPORT };

/* In groups with a heading each; those of actions are group 1. */
static const struct argp_option options[] = {
    { "broker", 'b', "DIR", 0, "The broker whose run folder is DIR (default " FOLDER_DEFAULT ")", 0 },
    { "node", 'n', "DIR", 0, "The node whose run folder is DIR", 0 },
    { "socket", 's', "PATH", 0, "The daemon with this control socket", 0 },
    { "json", 'j', NULL, 0, "Print the daemon's answer as it came", 0 },
    { NULL, 0, NULL, 0, "Of actions:", 1 },
    ACTION_OPTIONS
    { NULL, 0, NULL, 0, "Of status:", -6 },
    { "all", 'a', NULL, 0, "Destinations that are well, too, and all counters", -6 },
    { "watch", 'w', "SECONDS", OPTION_ARG_OPTIONAL, "Again and again, on the whole terminal (default: every 2)", -6 },
    { NULL, 0, NULL, 0, "Of check:", -5 },
    { "max-age", OPTION_MAX_AGE, "TIME", 0, "backlog: what waits longer is too old (default: the daemon's own limit)", -5 },
    { "within", OPTION_WITHIN, "TIME", 0, "keys, directory: what ends within it ends soon (default: 30d)", -5 },
    { NULL, 0, NULL, 0, "Of message, ping and compromise:", -4 },
    { "authority", OPTION_AUTHORITY, "FILE", 0, "Verify under these keys of the authority (default: the daemon's)", -4 },
    { NULL, 0, NULL, 0, "Of trace (and --type, of this message type):", -3 },
    { "member", OPTION_MEMBER, "CODE", 0, "Only what is from or for this member", -3 },
    { "outcome", OPTION_OUTCOME, "WHAT", 0, "Only accepted, arrived, delivered, refused, expired, exception or rejected ones", -3 },
    { "count", OPTION_COUNT, "N", 0, "End after so many lines", -3 },
    { NULL, 0, NULL, 0, "Of compromise (and --from, --to: from this entry of the log or time on, before this one):", -2 },
    { "export", OPTION_EXPORT, "DIR", 0, "Keep the export of the log there, or continue it", -2 },
    { 0 },
};

static void take_daemon(const char *option, struct daemon_at at, const char *value)
{
    arguments.at = at;
    screen_where_is(option, value);
}

static uint64_t take_number(const char *option, const char *value, uint64_t max, struct argp_state *state, const char *of)
{
    uint64_t number = 0;
    if (!tmx_parse_u64(tmx_bytes_str(value), max, &number) || number == 0) {
        argp_error(state, "%s: %s is not a number of %s", option, value, of);
    }
    return number;
}

static void take_time(const char *value, uint64_t *ret_ms, struct argp_state *state)
{
    if (!check_duration(value, ret_ms)) {
        argp_error(state, "`%s' is no time: 90s, 20m, 4h or 30d", value);
    }
}

static void take_word(const char *word, struct argp_state *state)
{
    if (arguments.n == ARGUMENTS_MAX) {
        argp_error(state, "too many arguments");
    }
    arguments.words[arguments.n++] = word;
}

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    struct arguments *a = &arguments;
    switch (key) {
    case 'b':
        take_daemon("--broker", (struct daemon_at){ .folder = value, .kind = "broker" }, value);
        return 0;
    case 'n':
        take_daemon("--node", (struct daemon_at){ .folder = value, .kind = "node" }, value);
        return 0;
    case 's':
        take_daemon("--socket", (struct daemon_at){ .socket = value, .kind = "daemon" }, value);
        return 0;
    case 'j':
        a->json = true;
        return 0;
    case 'a':
        screen_all = true;
        return 0;
    case 'w':
        a->watch_s = value == NULL ? WATCH_SECONDS : (unsigned)take_number("--watch", value, 3600, state, "seconds, 1 to 3600");
        return 0;
    case OPTION_MAX_AGE:
        take_time(value, &a->limits.max_age_ms, state);
        return 0;
    case OPTION_WITHIN:
        take_time(value, &a->limits.within_ms, state);
        return 0;
    case OPTION_AUTHORITY:
        a->authority = value;
        return 0;
    case OPTION_MEMBER:
        a->trace.member = value;
        return 0;
    case OPTION_OUTCOME:
        a->trace.outcome = value;
        return 0;
    case OPTION_COUNT:
        a->trace.count = take_number("--count", value, UINT32_MAX, state, "lines");
        return 0;
    case OPT_FROM:
        a->compromise.from = value;
        return action_option(key, value, state);
    case OPTION_EXPORT:
        a->compromise.dir = value;
        return 0;
    case OPT_TO:
        a->compromise.to = value;
        return action_option(key, value, state);
    case OPT_TYPE:
        a->trace.type = value;
        return action_option(key, value, state);
    case ARGP_KEY_ARG:
        take_word(value, state);
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
    char *out = NULL;
    size_t size = 0;
    FILE *f = key == ARGP_KEY_HELP_POST_DOC ? open_memstream(&out, &size) : NULL;
    (void)input;
    if (f == NULL) {
        return (char *)(uintptr_t)text;
    }
    fprintf(f, "Commands:\n");
    commands_help(f);
    action_help(f);
    fprintf(f, "\nQuestions of check:");
    for (const struct question *q = check_questions; q->name != NULL; q++) {
        fprintf(f, " %s", q->name);
    }
    fprintf(f, "\n\nExit status of status, check and why: 0 ok, 1 warning, 2 critical, 3 unknown.\n"
               "Of the others: 0 done, 1 refused, 3 no answer; of message and ping 2: not\n"
               "verified. Wrong usage: 64.\n");
    fclose(f);
    return out;
}

static const struct argp argp = {
    options, parse_option, "COMMAND [ARGUMENT]", "Looks after a TMX broker or node.\v", NULL, filter_help, NULL,
};

int main(int argc, char **argv)
{
    if (!tmx_locale_utf8("tmxctl")) {
        return EXIT_UNKNOWN;
    }
    argp_err_exit_status = EXIT_USAGE;
    action_typed(argc, argv);
    argp_parse(&argp, argc, argv, 0, NULL, NULL);
    return action_is(arguments.words[0]) ? action_run(arguments.words, arguments.n, arguments.json) : command_run();
}
