/* SPDX-License-Identifier: Apache-2.0
 * What operators do with tmxctl: what it would be about, and with --yes the signed request. Exit codes as in main.c: 0 done, or
 * shown; 1 refused; 3 no answer; 64 wrong usage.
 */
#pragma once

#include <argp.h>
#include <stdio.h>

#include <jansson.h>

#include <tmx/bytes.h>
#include <tmx/operator.h>

enum { OPT_YES = 300, OPT_EXPECT, OPT_REASON, OPT_TO, OPT_OLDER, OPT_TYPE, OPT_KEY, OPT_FROM, OPT_INSTALLATION, OPT_PASSPHRASE };
#define ACTION_OPTIONS                                                                                                \
    { "yes", OPT_YES, NULL, 0, "Do it; without it an action only says what it would be about", 1 },                  \
    { "expect", OPT_EXPECT, "N", 0, "... if it is about N deliveries, as it was when it was looked at", 1 },         \
    { "reason", OPT_REASON, "TEXT", 0, "Why: kept with who asked it, where the daemon is", 1 },                      \
    { "to", OPT_TO, "MEMBER", 0, "Deliveries to this member", 1 },                                                   \
    { "from", OPT_FROM, "MEMBER", 0, "Deliveries from this member", 1 },                                             \
    { "older-than", OPT_OLDER, "TIME", 0, "Deliveries that were accepted so long ago: 90s, 20m, 1h, 3d", 1 },        \
    { "type", OPT_TYPE, "T", 0, "Deliveries of this message type", 1 },                                              \
    { "key", OPT_KEY, "FILE", 0, "The operator's own key (default $TMX_OPERATOR_KEY, ~/.config/tmx/operator.key)", 1 }, \
    { "installation", OPT_INSTALLATION, "NAME", 0, "The one it is for, unless the key's file says it", 1 },          \
    { "passphrase", OPT_PASSPHRASE, NULL, 0, "Of operators key: seal it; asked for at the terminal", 1 },

error_t action_option(int key, char *value, struct argp_state *state);
/* Keeps what was typed, for the line that says how to do it. */
void action_typed(int argc, char **argv);
void action_help(FILE *out);
bool action_is(const char *word);
const char *action_nearest(const char *word);
int action_run(const char *const *words, size_t n, bool json);
/* `ping` as an operator's action: asked for by --reason or --yes; the reply is that of the request of this name. */
bool action_signs_ping(void);
int action_ping(const char *member, json_t **ret_reply);

/* main.c */
/* What was asked for: "broker", "node", or "daemon", which may be either. */
const char *action_kind(void);
/* Asks the daemon of the command line; negative errno, and why is said. */
int action_ask(const char *const *words, size_t n, struct tmx_bytes attachment, json_t **ret_reply) TMX_MUST_CHECK;

/* Between actions.c and actions_about.c */
struct action_filter {
    const char *to, *from, *type;   /* NULL = any */
    uint64_t older_ms;
    bool given;              /* any of them */
};

/* Deliveries, each {"id", "recipient", …}. */
struct action_targets {
    json_t *rows;
    size_t n;
};

/* Every one that passes the filter and that the action may be about, or those of the messages with these ids ("-": from standard
 * input). False: said why; *ret_code is the exit code. */
bool action_gather(enum tmx_action action, const char *const *ids, size_t n_ids, const struct action_filter *filter,
                   struct action_targets *ret_targets, int *ret_code);
/* What an action about no delivery would meet. The same. */
bool action_look(enum tmx_action action, const char *member, int *ret_code);
void action_show_rows(const struct action_targets *targets);
/* The daemon's error, on stderr; true when there is one. */
bool action_refused(const json_t *reply);

/* operators.c */
/* A new key is for `installation` alone, when that is not NULL, and sealed with a passphrase that is asked for. */
int operators_command(const char *const *words, size_t n, const char *installation, bool passphrase, bool json);
