/* SPDX-License-Identifier: Apache-2.0
 * tmx-audit: the auditors' command. Verifying needs public keys and an export, nothing of the exchange.
 */
#include <argp.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <tmx/text.h>

#include "commands.h"
#include "compromise.h"
#include "crew.h"

/* Found by libc by its name. */
__attribute__((visibility("default"))) const char *argp_program_version = "tmx-audit " TMX_VERSION;

static const char doc[] =
    "Exports the log of a broker, and checks an export offline, with public keys only.\v"
    "export asks a running broker over its control socket and writes a directory of tiles (c2sp.org/tlog-tiles). An "
    "earlier export of the same log, or one that was interrupted, is continued from where it ended; one that the broker now "
    "contradicts is left as it is. With --since only what is new goes into DIR, to be copied over the earlier export. SHA256 "
    "lists the files; --sign signs the list, for signify -C.\n\n"
    "verify recomputes the tree from the entries, compares every tile, verifies the checkpoint, the directories and "
    "every signature, and replays the rules of the log (proto/README.md, LOG-6).\n\n"
    "fold asks a running broker what it holds, continues the export, and says whether that is what the log gives, or which "
    "row of the broker's state is the first that is not.\n\n"
    "prove writes the proof that an entry is in the log, for others' tools (c2sp.org/tlog-proof). compare says whether two "
    "exports, or an export and a checkpoint, are one history, and writes the proof of a fork when they are not; "
    "of the exports of a shard and of the one before it, whether the one begins with the last head of the other.\n\n"
    "export --format prints the log of an export to be read, as far as --from, --to, --member, --type and --outcome choose. "
    "gaps says whether a number of a sender to a recipient is missing. reconcile says what two members sent each other in "
    "a time and what became of it; with --format, each delivery. report says for every member, message type and interval "
    "of time how much was accepted, delivered, refused, late, and what is open: as tables, as JSON, and as a page with "
    "plots that needs no network.\n\n"
    "compromise says what a key has touched between two places of the log, --from and --to: messages, reports and prekeys that are "
    "signed with it, heads that are cosigned, messages that may have been sealed to it or come over it; and the line that revokes it. "
    "With --socket what is new is taken from the broker first.\n\n"
    "verify-evidence needs no export: it checks a file about one message (tmx evidence), and says who sent what to whom, what "
    "became of it, and what is not proved. verify-misbehaviour says what the proof is worth that a node kept when the broker showed "
    "it what does not fit (or that compare wrote): status 0 when it proves that the log signed two histories. keygen makes a key for --sign.\n\n"
    "prune takes away bundles of old entries; their hashes stay, and so does what belongs to a delivery without outcome.\n\n"
    "The authority file holds the keys of the federation authority, obtained from it and not from the export: a line "
    "\"threshold K\", then one key per line (name+id+base64).\n\n"
    "Exit status: 0 done, or everything holds; 1 it does not, or could not be done; 64 usage.";

static const struct argp_option options[] = {
    { "ask", OPTION_KEY(OPTION_ASK), "PATH", 0,
      "ask the node or broker with this control socket which prekeys its containers are sealed to (compromise)", 0 },
    { "authority", OPTION_KEY(OPTION_AUTHORITY), "FILE", 0, "keys of the federation authority", 0 },
    { "before", OPTION_KEY(OPTION_BEFORE), "TIME|INDEX", 0, "take away bundles that end before this time, or this entry (prune)", 0 },
    { "container", OPTION_KEY(OPTION_CONTAINER), "FILE", 0, "the sealed container, when it came beside the bundle", 0 },
    { "directory", OPTION_KEY(OPTION_DIRECTORY), "FILE", 0,
      "a signed directory that lists the log; FILE.directory beside the proof when not given (verify-misbehaviour)", 0 },
    { "format", OPTION_KEY(OPTION_FORMAT), "csv|jsonl", 0, "print the log to be read, a line for each entry and recipient", 0 },
    { "from", OPTION_KEY(OPTION_FROM), "TIME", 0, "only from this time on: 2026-11-24 or 2026-11-24T10:00:00Z (compromise: or entry)", 0 },
    { "html", OPTION_KEY(OPTION_HTML), "FILE", 0, "also write the report as a page that needs nothing else", 0 },
    { "jobs", OPTION_KEY(OPTION_JOBS), "N", 0, "on so many threads (verify, fold, prune); as many as there are processors", 0 },
    { "json", OPTION_KEY(OPTION_JSON), NULL, 0, "print one JSON document", 0 },
    { "late", OPTION_KEY(OPTION_LATE), "TIME", 0, "an outcome is late when it comes more than this after acceptance (20m)", 0 },
    { "member", OPTION_KEY(OPTION_MEMBER), "CODE", 0, "only what this member signed, sent or receives", 0 },
    { "out", OPTION_KEY(OPTION_OUT), "FILE", 0, "where the proof goes", 0 },
    { "outcome", OPTION_KEY(OPTION_OUTCOME), "WORD", 0,
      "only this: accepted, arrived, delivered, refused, expired, exception or rejected", 0 },
    { "payload-out", OPTION_KEY(OPTION_PAYLOAD_OUT), "FILE", 0, "where the payload goes, when the bundle discloses it", 0 },
    { "sign", OPTION_KEY(OPTION_SIGN), "KEYFILE", 0, "sign the list of the export's files with this key (keygen makes one)", 0 },
    { "signed-by", OPTION_KEY(OPTION_SIGNED_BY), "FILE", 0, "the list of files must be signed with this public key (verify)", 0 },
    { "since", OPTION_KEY(OPTION_SINCE), "DIR", 0, "only what is new since this earlier export, to be laid over a copy of it", 0 },
    { "socket", OPTION_KEY(OPTION_SOCKET), "PATH", 0, "the broker's control socket", 0 },
    { "to", OPTION_KEY(OPTION_TO), "TIME", 0, "only before this time (compromise: or entry)", 0 },
    { "tsa", OPTION_KEY(OPTION_TSA), "FILE", 0, "verify time-stamp tokens, by these certificates of their authorities (verify)", 0 },
    { "type", OPTION_KEY(OPTION_TYPE), "TYPE", 0, "only messages of this type", 0 },
    { 0 },
};

#define LATE_DEFAULT_MS 1200000u /* 20 minutes */
#define LATE_MAX 1000000u        /* of any unit */

#define OPTIONS_TIME (OPTION_FROM | OPTION_TO)
#define OPTIONS_FILTER (OPTIONS_TIME | OPTION_MEMBER | OPTION_TYPE | OPTION_OUTCOME)

struct command {
    const char *name;
    const char *operands[OPERANDS_MAX]; /* what each is */
    uint64_t required;                  /* of OPTION_… */
    uint64_t allowed;
    int (*run)(const struct arguments *a);
};

static const struct command commands[] = {
    { "export",
      { "the directory of the export" },
      0,
      OPTION_SOCKET | OPTION_SINCE | OPTION_SIGN | OPTION_FORMAT | OPTION_AUTHORITY | OPTIONS_FILTER,
      tmx_run_export },
    { "verify",
      { "the directory of the export" },
      OPTION_AUTHORITY,
      OPTION_AUTHORITY | OPTION_JSON | OPTION_JOBS | OPTION_SIGNED_BY | OPTION_TSA,
      tmx_run_verify },
    { "fold",
      { "the directory of the export" },
      OPTION_AUTHORITY | OPTION_SOCKET,
      OPTION_AUTHORITY | OPTION_SOCKET | OPTION_SIGN | OPTION_JOBS | OPTION_JSON,
      tmx_run_fold },
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
    { "gaps", { "the directory of the export" }, OPTION_AUTHORITY, OPTION_AUTHORITY | OPTION_JSON, tmx_run_gaps },
    { "reconcile",
      { "the directory of the export", "the code of a member", "the code of the other member" },
      OPTION_AUTHORITY,
      OPTION_AUTHORITY | OPTION_JSON | OPTION_FORMAT | OPTIONS_TIME,
      tmx_run_reconcile },
    { "report",
      { "the directory of the export" },
      OPTION_AUTHORITY,
      OPTION_AUTHORITY | OPTION_JSON | OPTIONS_TIME | OPTION_MEMBER | OPTION_LATE | OPTION_HTML,
      tmx_run_report },
    { "compromise",
      { "the directory of the export", "the key or its id" },
      OPTION_AUTHORITY,
      OPTION_AUTHORITY | OPTION_JSON | OPTION_FORMAT | OPTION_SOCKET | OPTION_ASK | OPTION_SIGN | OPTIONS_TIME | OPTION_INDEX,
      tmx_run_compromise },
    { "verify-evidence",
      { "the evidence bundle" },
      OPTION_AUTHORITY,
      OPTION_AUTHORITY | OPTION_JSON | OPTION_CONTAINER | OPTION_PAYLOAD_OUT,
      tmx_run_verify_evidence },
    { "verify-misbehaviour",
      { "the proof of misbehaviour" },
      OPTION_AUTHORITY,
      OPTION_AUTHORITY | OPTION_JSON | OPTION_DIRECTORY,
      tmx_run_verify_misbehaviour },
    { "keygen", { "the key file to be made" }, 0, 0, tmx_run_keygen },
    { "prune",
      { "the directory of the export" },
      OPTION_AUTHORITY | OPTION_BEFORE,
      OPTION_AUTHORITY | OPTION_BEFORE | OPTION_SIGN | OPTION_JOBS,
      tmx_run_prune },
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

/* export asks the broker, or prints what is there, or both. */
static void check_export(const struct arguments *a, struct argp_state *state)
{
    const uint64_t reading = OPTION_FORMAT | OPTION_AUTHORITY | OPTIONS_FILTER;

    if (a->command->run != tmx_run_export) {
        return;
    }
    if ((a->given & (OPTION_SOCKET | OPTION_FORMAT)) == 0) {
        argp_error(state, "export: --socket PATH is missing: where the broker answers (or --format, to read what is "
                          "exported already)");
    }
    if ((a->given & (OPTION_SIGN | OPTION_SINCE)) != 0 && (a->given & OPTION_SOCKET) == 0) {
        argp_error(state, "export: --sign and --since belong to --socket: they are about what is taken from the broker");
    }
    if ((a->given & OPTION_SINCE) != 0 && (a->given & OPTION_FORMAT) != 0) {
        argp_error(state, "export: --format reads a whole log: lay what is new over the earlier export first");
    }
    if ((a->given & reading) != 0 && (a->given & OPTION_FORMAT) == 0) {
        argp_error(state, "export: --authority and what chooses lines belong to --format");
    }
    if ((a->given & OPTION_FORMAT) != 0 && a->authority == NULL) {
        argp_error(state, "export: --format needs --authority FILE: an export cannot vouch for its own keys");
    }
}

static void check_arguments(const struct arguments *a, struct argp_state *state)
{
    const struct command *c = a->command;

    if (c == NULL) {
        argp_error(state, "a command is missing: export, verify, fold, prove, compare, gaps, reconcile, report, compromise, verify-evidence, "
                          "verify-misbehaviour, keygen or prune");
        return;
    }
    if (a->n_operands < TMX_N(c->operands) && c->operands[a->n_operands] != NULL) {
        argp_error(state, "%s: %s is missing", c->name, c->operands[a->n_operands]);
    }
    if ((c->required & ~a->given & OPTION_AUTHORITY) != 0) {
        argp_error(state, "%s: --authority FILE is missing: what is checked cannot vouch for its own keys", c->name);
    }
    if ((c->required & ~a->given & OPTION_SOCKET) != 0) {
        argp_error(state, "%s: --socket PATH is missing: where the broker answers", c->name);
    }
    if ((c->required & ~a->given & OPTION_BEFORE) != 0) {
        argp_error(state, "%s: --before TIME or INDEX is missing: how far to prune", c->name);
    }
    check_export(a, state);
    if ((a->given & ~c->allowed & OPTION_INDEX) != 0) {
        argp_error(state, "%s: --from and --to take a time: write 2026-11-24 or 2026-11-24T10:00:00Z", c->name);
    }
    for (const struct argp_option *o = options; o->name != NULL; o++) {
        if ((a->given & ~c->allowed & UINT64_C(1) << (o->key - OPTION_FIRST)) != 0) {
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

static uint64_t take_time(const char *option, const char *arg, struct argp_state *state)
{
    uint64_t ms = 0;

    if (!tmx_parse_time(tmx_bytes_str(arg), &ms)) {
        argp_error(state, "%s: \"%s\" is no time: write 2026-11-24 or 2026-11-24T10:00:00Z", option, arg);
    }
    return ms;
}

/* The same of --from and --to, which may be an index. */
static void take_place(struct arguments *a, const char *option, const char *arg, uint64_t *index, uint64_t *ms, struct argp_state *state)
{
    if (!tmx_compromise_place(arg, index, ms)) {
        (void)take_time(option, arg, state);   /* says what is wrong */
    }
    a->given |= *ms == 0 ? OPTION_INDEX : 0;
}

/* A number is an index, anything else a time. */
static void take_before(struct arguments *a, const char *arg, struct argp_state *state)
{
    if (!tmx_parse_u64(tmx_bytes_str(arg), UINT64_MAX, &a->before_index)) {
        a->before_ms = take_time("--before", arg, state);
    }
}

/* "20m": a number and s, m, h or d. */
static uint64_t take_late(const char *arg, struct argp_state *state)
{
    static const char units[] = "smhd";
    static const uint64_t unit_ms[] = { 1000, 60000, 3600000, 86400000 };
    const size_t digits = strspn(arg, "0123456789");
    const char *unit = arg[digits] == '\0' || arg[digits + 1] != '\0' ? NULL : strchr(units, arg[digits]);
    uint64_t n = 0;

    if (unit == NULL || !tmx_parse_u64(TMX_BYTES(arg, digits), LATE_MAX, &n) || n == 0) {
        argp_error(state, "--late: \"%s\" is no duration: write 90s, 20m, 2h or 3d", arg);
        return 0;
    }
    return n * unit_ms[unit - units];
}

static const char *take_outcome(const char *arg, struct argp_state *state)
{
    size_t n = 0;
    const char *near;

    for (; tmx_audit_outcomes[n] != NULL; n++) {
        if (strcmp(arg, tmx_audit_outcomes[n]) == 0) {
            return arg;
        }
    }
    near = tmx_nearest(arg, tmx_audit_outcomes, n);
    argp_error(state, near == NULL ? "--outcome: there is none \"%s\"" : "--outcome: there is none \"%s\": did you mean \"%s\"?",
               arg, near);
    return NULL;
}

static unsigned take_jobs(const char *arg, struct argp_state *state)
{
    uint64_t jobs = 0;

    if (!tmx_parse_u64(tmx_bytes_str(arg), CREW_JOBS_MAX, &jobs) || jobs == 0) {
        argp_error(state, "--jobs: \"%s\" is no number from 1 to %u", arg, CREW_JOBS_MAX);
    }
    return (unsigned)jobs;
}

/* As many threads as there are processors to run them. */
static unsigned processors(void)
{
    const long n = sysconf(_SC_NPROCESSORS_ONLN);

    return n < 1 ? 1 : n > (long)CREW_JOBS_MAX ? CREW_JOBS_MAX : (unsigned)n;
}

static void take_option(uint64_t option, struct arguments *a, char *arg, struct argp_state *state)
{
    a->given |= option;
    switch (option) {
    case OPTION_AUTHORITY:
        a->authority = arg;
        break;
    case OPTION_SOCKET:
        a->socket = arg;
        break;
    case OPTION_ASK:
        a->ask = arg;
        break;
    case OPTION_OUT:
        a->out = arg;
        break;
    case OPTION_CONTAINER:
        a->container = arg;
        break;
    case OPTION_PAYLOAD_OUT:
        a->payload_out = arg;
        break;
    case OPTION_SINCE:
        a->since = arg;
        break;
    case OPTION_DIRECTORY:
        a->directory = arg;
        break;
    case OPTION_SIGN:
        a->sign = arg;
        break;
    case OPTION_SIGNED_BY:
        a->signed_by = arg;
        break;
    case OPTION_TSA:
        a->tsa = arg;
        break;
    case OPTION_FORMAT:
        if (!tmx_readable_parse(arg, &a->format)) {
            argp_error(state, "--format: csv or jsonl, not \"%s\"", arg);
        }
        break;
    case OPTION_FROM:
        take_place(a, "--from", arg, &a->from_index, &a->filter.from_ms, state);
        break;
    case OPTION_TO:
        take_place(a, "--to", arg, &a->to_index, &a->filter.to_ms, state);
        break;
    case OPTION_HTML:
        a->html = arg;
        break;
    case OPTION_LATE:
        a->late_ms = take_late(arg, state);
        break;
    case OPTION_BEFORE:
        take_before(a, arg, state);
        break;
    case OPTION_JOBS:
        a->jobs = take_jobs(arg, state);
        break;
    case OPTION_MEMBER:
        a->filter.member = arg;
        break;
    case OPTION_TYPE:
        a->filter.message_type = arg;
        break;
    case OPTION_OUTCOME:
        a->filter.outcome = take_outcome(arg, state);
        break;
    default: /* OPTION_JSON has no argument */
        break;
    }
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;
    const bool is_option = key >= OPTION_FIRST && key < OPTION_FIRST + 64;

    if (is_option) {
        take_option(UINT64_C(1) << (key - OPTION_FIRST), a, arg, state);
        return 0;
    }
    switch (key) {
    case ARGP_KEY_ARG:
        take_operand(a, arg, state);
        return 0;
    case ARGP_KEY_END:
        check_arguments(a, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int main(int argc, char **argv)
{
    static const struct argp argp = { options, parse,
                                      "export DIR --socket PATH\nverify DIR --authority FILE\n"
                                      "fold DIR --socket PATH --authority FILE\n"
                                      "prove DIR INDEX --authority FILE\ncompare A B --authority FILE\n"
                                      "gaps DIR --authority FILE\nreconcile DIR MEMBER MEMBER --authority FILE\n"
                                      "report DIR --authority FILE\ncompromise DIR KEY --authority FILE\nverify-evidence FILE --authority FILE\n"
                                      "verify-misbehaviour FILE --authority FILE\nkeygen KEYFILE\n"
                                      "prune DIR --before TIME --authority FILE",
                                      doc, NULL, NULL, NULL };
    struct arguments a = { .command = NULL, .jobs = processors(), .late_ms = LATE_DEFAULT_MS, .to_index = UINT64_MAX };

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
