/* SPDX-License-Identifier: Apache-2.0
 * Actions: first what they would be about, and the line that does it; with --yes they are signed and asked for.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <tmx/help.h>
#include <tmx/text.h>

#include "actions.h"
#include "ask.h"
#include "check.h"
#include "commands.h"
#include "screen.h"
#include "signer.h"


static const struct verb {
    const char *name, *argument, *help;
} verbs[] = {
    { "pause", "MEMBER", "let deliveries to a member wait" },
    { "resume", "MEMBER", "send them again" },
    { "drain", "", "take nothing new; what was taken goes on" },
    { "admit", "", "take in again" },
    { "hold", "[ID...]", "let single deliveries wait" },
    { "release", "[ID...]", "send what was held" },
    { "retry", "MEMBER | ID...", "send what has no answer now" },
    { "requeue", "MEMBER | ID...", "(broker) the same" },
    { "replay", "[ID...]", "(node) offer what an application took again" },
    { "disconnect", "MEMBER", "end its session; its node opens another" },
    { "reload", "", "read configuration and directory, as SIGHUP" },
    { "trust", "", "(node) link again after it was looked into" },
    { "propose", "expire|lose [ID...]", "have another operator end deliveries" },
    { "approve", "PROPOSAL", "end what another operator proposed" },
    { "withdraw", "PROPOSAL", "take a proposal back" },
    { "proposals", "", "what waits for another operator" },
    { "operations", "", "what operators did last" },
    { "operators", "", "who they are, and their rights" },
    { "operators key", "NAME FILE", "make a key, and print its public half" },
    { "operators sign", "FILE KEY", "sign a list of operators" },
};

static struct {
    bool yes, expected, passphrase;
    uint64_t expect;
    const char *reason, *key, *installation;
    struct action_filter filter;
    int argc;
    char **argv;
} given;

error_t action_option(int key, char *value, struct argp_state *state)
{
    struct action_filter *f = &given.filter;
    f->given = f->given || key == OPT_TO || key == OPT_FROM || key == OPT_OLDER || key == OPT_TYPE;
    switch (key) {
    case OPT_YES:
        given.yes = true;
        return 0;
    case OPT_EXPECT:
        given.expected = true;
        if (!tmx_parse_u64(tmx_bytes_str(value), UINT32_MAX, &given.expect)) {
            argp_error(state, "--expect takes a number");
        }
        return 0;
    case OPT_REASON:
        given.reason = value;
        return 0;
    case OPT_TO:
        f->to = value;
        return 0;
    case OPT_FROM:
        f->from = value;
        return 0;
    case OPT_OLDER:
        if (!check_duration(value, &f->older_ms)) {
            argp_error(state, "`%s' is no time: 90s, 20m, 4h or 30d", value);
        }
        return 0;
    case OPT_TYPE:
        f->type = value;
        return 0;
    case OPT_KEY:
        given.key = value;
        return 0;
    case OPT_INSTALLATION:
        given.installation = value;
        return 0;
    case OPT_PASSPHRASE:
        given.passphrase = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

void action_typed(int argc, char **argv)
{
    given.argc = argc;
    given.argv = calloc((size_t)argc + 1, sizeof(*given.argv));
    for (int i = 0; given.argv != NULL && i < argc; i++) {
        given.argv[i] = argv[i];
    }
}

void action_help(FILE *out)
{
    fprintf(out, "\nWith an operator's own key; without --yes they only say what they would do:\n");
    for (size_t i = 0; i < TMX_N(verbs); i++) {
        char words[64];
        (void)snprintf(words, sizeof(words), "%s %s", verbs[i].name, verbs[i].argument);
        tmx_help_row(out, HELP_COLUMN, words, verbs[i].help);
    }
}

bool action_is(const char *word)
{
    enum tmx_action action;
    if (tmx_action_find(tmx_bytes_str(word), &action) && tmx_action_by_two(action)) {
        return true;   /* typed alone it is told how */
    }
    for (size_t i = 0; i < TMX_N(verbs); i++) {
        if (strcmp(word, verbs[i].name) == 0) {
            return true;
        }
    }
    return false;
}

const char *action_nearest(const char *word)
{
    const char *names[TMX_N(verbs)];
    for (size_t i = 0; i < TMX_N(verbs); i++) {
        names[i] = verbs[i].name;
    }
    return tmx_nearest(word, names, TMX_N(names));
}

bool action_refused(const json_t *reply)
{
    if (json_object_get(reply, "error") == NULL) {
        return false;
    }
    fprintf(stderr, "tmxctl: %s", text_of(reply, "error"));
    if (json_object_get(reply, "code") != NULL) {
        fprintf(stderr, " (%s)", text_of(reply, "code"));
    }
    fprintf(stderr, "\n");
    return true;
}

/* ---- asking ---- */

/* As a shell reads it. */
static void print_word(const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./=:,+@";
    if (*word != '\0' && word[strspn(word, plain)] == '\0') {
        printf(" %s", word);
        return;
    }
    printf(" '");
    for (const char *c = word; *c != '\0'; c++) {
        *c == '\'' ? (void)printf("'\\''") : (void)putchar(*c);
    }
    printf("'");
}

/* The line that does what was only looked at. */
static void print_line(size_t n, bool deliveries)
{
    printf("\nNothing was done. To do it:\n ");
    for (int i = 0; i < given.argc && given.argv != NULL; i++) {
        print_word(i == 0 ? "tmxctl" : given.argv[i]);
    }
    printf("%s --yes", given.reason == NULL ? " --reason '...'" : "");
    if (deliveries) {
        printf(" --expect %zu", n);
    }
    printf("\n");
}

static void say_done(const json_t *reply)
{
    printf("done: %s", text_of(reply, "done"));
    if (u64_of(reply, "index") > 0) {
        printf(", entry %s of the log", number_of(reply, "index"));
    }
    if (u64_of(reply, "deliveries") > 0) {
        printf(", deliveries: %s", number_of(reply, "deliveries"));
    }
    printf("\n");
}

static int ask_one(struct tmx_operation *op, bool json)
{
    struct signer s;
    json_t *reply = NULL;
    int code = signer_load(&s, given.key, given.installation);
    code = code != EXIT_OK ? code : signer_ask(&s, op, given.reason, &reply);
    if (code == EXIT_OK) {
        json ? print_json(reply) : say_done(reply);
    }
    signer_end(&s);
    json_decref(reply);
    return code;
}

/* The next TMX_OPERATION_TARGETS_MAX deliveries at most, from *at on. */
static void take_targets(struct tmx_operation *op, const struct action_targets *t, size_t *at)
{
    for (op->n_targets = 0; *at < t->n && op->n_targets < TMX_OPERATION_TARGETS_MAX; ++*at) {
        const json_t *row = json_array_get(t->rows, *at);
        struct tmx_operation_delivery *d = &op->targets[op->n_targets++];
        const char *id = json_string_value(json_object_get(row, "id")), *to = json_string_value(json_object_get(row, "recipient"));
        if (id == NULL || !tmx_parse_id(tmx_bytes_str(id), d->id) || to == NULL || strlen(to) > TMX_MEMBER_MAX) {
            usage("the answer of the daemon is not understood");
        }
        memcpy(d->recipient, to, strlen(to) + 1);
    }
}

/* In as many signed requests as it takes, each done as a whole or not at all; the first that is refused ends it. */
static int ask_in_parts(struct tmx_operation *op, const struct action_targets *t, bool json)
{
    struct signer s;
    size_t done = 0;
    int code = signer_load(&s, given.key, given.installation);
    for (size_t at = 0; code == EXIT_OK && at < t->n;) {
        json_t *reply = NULL;
        take_targets(op, t, &at);
        code = signer_ask(&s, op, given.reason, &reply);
        if (code == EXIT_OK) {
            json ? print_json(reply) : say_done(reply);
            done = at;
        } else if (done > 0) {
            fprintf(stderr, "tmxctl: %zu of %zu deliveries are done; look again for the others\n", done, t->n);
        }
        json_decref(reply);
    }
    signer_end(&s);
    return code;
}

static void want_reason(void)
{
    if (given.reason == NULL) {
        usage("--reason TEXT is missing: why it is done");
    }
    if (!tmx_operation_reason_ok(tmx_bytes_str(given.reason))) {
        usage("--reason takes one line of at most %u bytes", TMX_OPERATION_REASON_MAX);
    }
}

/* About deliveries: by ids, or by a filter. */
static int about_deliveries(struct tmx_operation *op, enum tmx_action action, const char *const *ids, size_t n, bool json)
{
    struct action_targets t;
    int code;
    if (n == 0 && !given.filter.given) {
        usage("about which deliveries? ids, - for ids on standard input, or --to, --from, --older-than, --type");
    }
    if (!action_gather(action, ids, n, &given.filter, &t, &code)) {
        return code;
    }
    if (json && !given.yes) {
        print_json(t.rows);
    } else if (!given.yes && t.n > 0) {
        printf("%s would be about %zu %s", tmx_action_name(action), t.n, t.n == 1 ? "delivery" : "deliveries");
        if (t.n > TMX_OPERATION_TARGETS_MAX) {
            printf(", in %zu requests, each of which is done as a whole or not at all", (t.n - 1) / TMX_OPERATION_TARGETS_MAX + 1);
        }
        printf("\n");
        action_show_rows(&t);
    }
    code = EXIT_OK;
    if (given.yes && given.expected && given.expect != t.n) {
        fprintf(stderr, "tmxctl: nothing was done: it is about %zu deliveries now, not %llu: look again (target-changed)\n", t.n,
                (unsigned long long)given.expect);
        code = EXIT_REFUSED;
    } else if (t.n == 0) {
        fprintf(stderr, "tmxctl: no delivery is meant\n");
        code = EXIT_REFUSED;
    } else if (given.yes) {
        want_reason();
        code = ask_in_parts(op, &t, json);
    } else if (!json) {
        print_line(t.n, true);
    }
    json_decref(t.rows);
    return code;
}

static int about_member(struct tmx_operation *op, const char *member, bool json)
{
    int code;
    if (member != NULL && strlen(member) > TMX_MEMBER_MAX) {
        usage("`%s' is no member", member);
    }
    (void)snprintf(op->member, sizeof(op->member), "%s", member != NULL ? member : "");
    if (given.filter.given) {
        usage("`%s' takes no --to, --from, --older-than or --type", tmx_action_name(op->action));
    }
    if (given.yes) {
        want_reason();
        return ask_one(op, json);
    }
    if (!action_look(op->action, member, &code)) {
        return code;
    }
    print_line(0, false);
    return EXIT_OK;
}

static int about_proposal(struct tmx_operation *op, const char *text, bool json)
{
    json_t *reply = NULL, *row, *found = NULL;
    size_t i, size = 0;
    if (!tmx_parse_u64(tmx_bytes_str(text), UINT64_MAX, &op->proposal)) {
        usage("`%s' is no proposal: tmxctl proposals lists them", text);
    }
    if (action_ask((const char *[]){ "proposals" }, 1, TMX_BYTES_NULL, &reply) < 0) {
        return EXIT_UNKNOWN;
    }
    json_array_foreach(json_object_get(reply, "proposals"), i, row)
    {
        found = u64_of(row, "index") == op->proposal ? row : found;
    }
    const char *digest = json_string_value(json_object_get(found, "digest"));
    int code = EXIT_OK;
    if (digest == NULL || !tmx_unbase64(tmx_bytes_str(digest), op->proposal_digest, sizeof(op->proposal_digest), &size)) {
        if (!action_refused(reply)) {
            fprintf(stderr, "tmxctl: no proposal %s is open: tmxctl proposals lists them (no-proposal)\n", text);
        }
        code = EXIT_REFUSED;
    } else if (given.yes) {
        want_reason();
        size_t n = json_array_size(json_object_get(found, "deliveries"));
        if (given.expected && given.expect != n) {
            fprintf(stderr, "tmxctl: nothing was done: it is about %zu deliveries: look again (target-changed)\n", n);
            code = EXIT_REFUSED;
        } else {
            code = ask_one(op, json);
        }
    } else {
        struct action_targets t = { .rows = json_object_get(found, "deliveries") };
        t.n = json_array_size(t.rows);
        printf("%s proposes to %s %zu %s: %s\n", text_of(found, "by"), text_of(found, "of"), t.n, t.n == 1 ? "delivery" : "deliveries",
               text_of(found, "reason"));
        action_show_rows(&t);
        print_line(t.n, true);
    }
    json_decref(reply);
    return code;
}

/* A delivery without CoA never leaves its queue; so the field's word for putting it back there is `retry`. */
static bool find_action(const char *word, enum tmx_action *ret_action)
{
    return tmx_action_find(tmx_bytes_str(strcmp(word, "requeue") == 0 ? "retry" : word), ret_action);
}

/* Not asked in vain of the wrong daemon. */
static void want_place(const char *word, enum tmx_action action)
{
    const char *kind = action_kind();
    bool requeue = strcmp(word, "requeue") == 0;
    if (strcmp(kind, "broker") == 0 && !tmx_action_at_broker(action)) {
        usage("`%s' is an action of a node: tmxctl --node DIR %s", word, word);
    }
    if (strcmp(kind, "node") == 0 && (!tmx_action_at_node(action) || requeue)) {
        usage("`%s' is an action of the broker: tmxctl --broker DIR %s%s", word, word, requeue ? "; of a node it is `retry' or `replay'" : "");
    }
}

bool action_signs_ping(void)
{
    return given.reason != NULL || given.yes;
}

int action_ping(const char *member, json_t **ret_reply)
{
    struct tmx_operation op = { .action = TMX_ACTION_PING };
    struct signer s;
    want_place("ping", op.action);
    want_reason();
    if (!given.yes || strlen(member) > TMX_MEMBER_MAX) {
        usage(given.yes ? "`%s' is no member" : "ping %s is signed with --yes", member);
    }
    memcpy(op.member, member, strlen(member) + 1);
    int code = signer_load(&s, given.key, given.installation);
    code = code != EXIT_OK ? code : signer_ask(&s, &op, given.reason, ret_reply);
    signer_end(&s);
    return code;
}

int action_run(const char *const *words, size_t n, bool json)
{
    struct tmx_operation op = { .action = TMX_ACTION_NONE };
    if (!find_action(words[0], &op.action)) {
        return operators_command(words, n, given.installation, given.passphrase, json);
    }
    want_place(words[0], op.action);
    switch (tmx_action_target(op.action)) {
    case TMX_TARGET_NONE:
        if (n != 1) {
            usage("`%s' takes no argument", words[0]);
        }
        return about_member(&op, NULL, json);
    case TMX_TARGET_MEMBER:
        if (n != 2) {
            usage("`%s' needs its MEMBER", words[0]);
        }
        return about_member(&op, words[1], json);
    case TMX_TARGET_EITHER:
        return n == 2 && strlen(words[1]) <= TMX_MEMBER_MAX && strcmp(words[1], "-") != 0
                   ? about_member(&op, words[1], json)
                   : about_deliveries(&op, op.action, words + 1, n - 1, json);
    case TMX_TARGET_PROPOSAL:
        if (n != 2) {
            usage("`%s' needs its PROPOSAL", words[0]);
        }
        return about_proposal(&op, words[1], json);
    case TMX_TARGET_ACTION:
        if (n < 2 || !tmx_action_find(tmx_bytes_str(words[1]), &op.of) || !tmx_action_by_two(op.of)) {
            usage("`propose' is followed by `expire' or `lose'");
        }
        return about_deliveries(&op, op.of, words + 2, n - 2, json);
    case TMX_TARGET_DELIVERIES:
        break;
    }
    if (tmx_action_by_two(op.action)) {
        usage("`%s' is proposed: tmxctl propose %s", words[0], words[0]);
    }
    return about_deliveries(&op, op.action, words + 1, n - 1, json);
}
