/* SPDX-License-Identifier: Apache-2.0
 * tmx movement, message, list, events, info: what the node knows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tmx/limits.h>
#include <tmx/text.h>

#include "cli.h"
#include "out.h"

static const char *arg_name;   /* the one argument of movement and message */

static error_t parse_one(int key, char *arg, struct argp_state *state)
{
    const char **const slots[] = { &arg_name };

    switch (key) {
    case ARGP_KEY_ARG:
        return cli_take_argument(slots, TMX_N(slots), arg) ? 0 : ARGP_ERR_UNKNOWN;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "an argument is missing");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* "601 refused: wrong office", as much of it as there is. */
static void note_cell(struct libscols_line *line, size_t column, const struct tmx_client_step *s)
{
    if (s->code != 0) {
        out_cell(line, column, "%u %s%s%s", s->code, tmx_client_code_name(s->code), s->text[0] != '\0' ? ": " : "",
                 s->text);
    } else {
        out_cell(line, column, "%s", s->text);
    }
}

/* One step of one message, for the order of a movement. */
struct moment {
    const struct tmx_client_message *message;
    const struct tmx_client_step *step;
    size_t order;   /* as the node gave them: breaks ties of time */
};

static int by_time(const void *a, const void *b)
{
    const struct moment *x = a, *y = b;

    if (x->step->time_ms != y->step->time_ms) {
        return x->step->time_ms < y->step->time_ms ? -1 : 1;
    }
    return x->order < y->order ? -1 : 1;
}

/* Whom a step concerns: one recipient, or all of the message. */
static void to_cell(struct libscols_line *line, size_t column, const struct moment *m)
{
    char all[TMX_RECIPIENTS_MAX * (TMX_MEMBER_MAX + 1) + 1] = "";
    struct tmx_writer w = tmx_writer_init(all, sizeof(all) - 1);

    for (size_t i = 0; i < m->message->n_deliveries; i++) {
        tmx_write_fmt(&w, "%s%s", i > 0 ? "," : "", m->message->deliveries[i].recipient);
    }
    out_cell(line, column, "%s→%s", m->message->sender, m->step->recipient[0] != '\0' ? m->step->recipient : all);
}

static void print_moments(const struct moment *moments, size_t n)
{
    static const struct out_column columns[] = { { "TIME", false }, { "", false },   { "TYPE", false },
                                                 { "FROM→TO", false }, { "STEP", false }, { "BY", false },
                                                 { "LOG", true },   { "VERIFIED", false }, { "REASON", false } };
    struct libscols_table *table = out_table(columns, TMX_N(columns));

    for (size_t i = 0; i < n; i++) {
        const struct tmx_client_step *s = moments[i].step;
        struct libscols_line *line = out_line(table);
        out_cell(line, 0, "%s", out_time(s->time_ms));
        out_cell(line, 1, "%s", moments[i].message->direction == TMX_CLIENT_SENT ? "sent" : "received");
        out_cell(line, 2, "%s", moments[i].message->message_type);
        to_cell(line, 3, &moments[i]);
        out_cell(line, 4, "%s", s->what);
        out_mood(line, 4, s->what);
        out_cell(line, 5, "%s", s->who);
        if (s->shard[0] != '\0') {
            out_cell(line, 6, "%s/%lu", s->shard, (unsigned long)s->index);
        }
        out_cell(line, 7, "%s", out_tick(s->verified));
        if (s == moments[i].message->steps && moments[i].message->replaces != NULL) {
            out_cell(line, 8, "replaces %s", out_id(moments[i].message->replaces));   /* no reason is given for a first step */
        } else {
            note_cell(line, 8, s);
        }
    }
    out_finish(table);
}

static int print_steps(const struct tmx_client_messages *list)
{
    size_t n = 0;

    for (size_t i = 0; i < list->n_messages; i++) {
        n += list->messages[i].n_steps;
    }
    struct moment *moments = calloc(n > 0 ? n : 1, sizeof(*moments));
    if (moments == NULL) {
        cli_error("no memory");
        return EXIT_FAILED;
    }
    n = 0;
    for (size_t i = 0; i < list->n_messages; i++) {
        for (size_t j = 0; j < list->messages[i].n_steps; j++, n++) {
            moments[n] = (struct moment){ &list->messages[i], &list->messages[i].steps[j], n };
        }
    }
    qsort(moments, n, sizeof(*moments), by_time);
    print_moments(moments, n);
    free(moments);
    return 0;
}

static int print_json(const struct tmx_client_messages *list)
{
    for (size_t i = 0; i < list->n_messages; i++) {
        out_json(out_json_message(&list->messages[i]));
    }
    return 0;
}

static int run_movement(struct cli *cli)
{
    const struct tmx_client_messages *list;

    int r = tmx_client_movement(cli->client, arg_name, &list);
    if (r != 0) {
        return cli_failed(cli, r, arg_name);
    }
    int code = cli->json ? print_json(list) : print_steps(list);
    if (list->n_messages == 0) {
        cli_note("%s: this node sent and received no message of this movement", arg_name);
    } else if (list->more) {
        cli_note("There are more messages of this movement than the node shows at once.");
    }
    tmx_client_free(list);
    return code;
}

const struct command command_movement = {
    .name = "movement",
    .arguments = "MRN",
    .summary = "Shows the timeline of a movement: its messages, both ways",
    .details = "LOG is the place in the broker's log (shard/index); VERIFIED says whether this node has verified that "
               "leaf.",
    .parse = parse_one,
    .run = run_movement,
};

static void print_message(const struct tmx_client_message *m)
{
    static const struct out_column columns[] = { { "TO", false }, { "SEQ", true }, { "STATE", false } };
    struct libscols_table *table = out_table(columns, TMX_N(columns));

    out_pair("id", "%s", out_id(m->message_id));
    out_pair("direction", "%s", m->direction == TMX_CLIENT_SENT ? "sent" : "received");
    out_pair("type", "%s", m->message_type);
    out_pair("from", "%s", m->sender);
    out_pair("reference", "%s", m->reference);
    out_pair("mrn", "%s", m->mrn);
    out_pair("lrn", "%s", m->lrn);
    out_pair("business id", "%s", m->business_id);
    out_pair("answers", "%s", m->business_correlation);
    out_pair("answers (tmx)", "%s", m->correlation_id != NULL ? out_id(m->correlation_id) : "");
    out_pair("replaces", "%s", m->replaces != NULL ? out_id(m->replaces) : "");
    out_pair("priority", "%u", m->priority);
    out_pair("sent", "%s", out_time(m->sent_ms));
    out_pair("expires", "%s", out_time(m->expires_ms));
    out_pair("payload bytes", "%lu", (unsigned long)m->payload_bytes);
    printf("\n");
    for (size_t i = 0; i < m->n_deliveries; i++) {
        struct libscols_line *line = out_line(table);
        out_cell(line, 0, "%s", m->deliveries[i].recipient);
        out_cell(line, 1, "%lu", (unsigned long)m->deliveries[i].seq);
        out_cell(line, 2, "%s", m->deliveries[i].state);
        out_mood(line, 2, m->deliveries[i].state);
    }
    out_finish(table);
    printf("\n");
}

static int run_message(struct cli *cli)
{
    const struct tmx_client_messages *list;
    uint8_t id[16];
    bool by_id = tmx_parse_id(tmx_bytes_str(arg_name), id);

    int r = tmx_client_message(cli->client, by_id ? id : NULL, arg_name, &list);
    if (r != 0) {
        return cli_failed(cli, r, arg_name);
    }
    if (!cli->json) {
        for (size_t i = 0; i < list->n_messages; i++) {
            print_message(&list->messages[i]);
        }
    }
    int code = cli->json ? print_json(list) : print_steps(list);
    tmx_client_free(list);
    return code;
}

const struct command command_message = {
    .name = "message",
    .arguments = "ID | REFERENCE",
    .summary = "Shows one message with its deliveries and steps",
    .parse = parse_one,
    .run = run_message,
};

enum { OPT_OPEN = 0x200, OPT_SENT, OPT_RECEIVED, OPT_MAX, OPT_AFTER_ID, OPT_AFTER, OPT_FOLLOW };

static const struct argp_option list_options[] = {
    { "open", OPT_OPEN, NULL, 0, "Only messages with a delivery that has no outcome yet", 0 },
    { "sent", OPT_SENT, NULL, 0, "Only messages this node sent", 0 },
    { "received", OPT_RECEIVED, NULL, 0, "Only messages this node received", 0 },
    { "max", OPT_MAX, "N", 0, "At most so many, the newest (default: 50, at most 1000)", 0 },
    { "after", OPT_AFTER_ID, "ID", 0, "Continue after this message", 0 },
    { 0 },
};

static bool arg_open, arg_sent, arg_received;
static uint32_t arg_max;
static const char *arg_after_text;
static uint8_t arg_after_id[16];

static error_t parse_list(int key, char *arg, struct argp_state *state)
{
    switch (key) {
    case OPT_OPEN:
        arg_open = true;
        return 0;
    case OPT_SENT:
        arg_sent = true;
        return 0;
    case OPT_RECEIVED:
        arg_received = true;
        return 0;
    case OPT_MAX:
        arg_max = (uint32_t)cli_number(state, "--max", arg, 1, TMX_CLIENT_LIST_MAX);
        return 0;
    case OPT_AFTER_ID:
        arg_after_text = arg;
        cli_id(state, "--after", arg, arg_after_id);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void list_line(struct libscols_table *table, const struct tmx_client_message *m)
{
    struct libscols_line *line = out_line(table);
    char to[1024], states[1024];
    struct tmx_writer w = tmx_writer_init(to, sizeof(to) - 1), v = tmx_writer_init(states, sizeof(states) - 1);

    memset(to, 0, sizeof(to));
    memset(states, 0, sizeof(states));
    for (size_t i = 0; i < m->n_deliveries; i++) {
        tmx_write_fmt(&w, "%s%s", i > 0 ? "," : "", m->deliveries[i].recipient);
        if (i == 0 || strcmp(m->deliveries[i].state, m->deliveries[i - 1].state) != 0) {
            tmx_write_fmt(&v, "%s%s", i > 0 ? "," : "", m->deliveries[i].state);
        }
    }
    out_cell(line, 0, "%s", out_id(m->message_id));
    out_cell(line, 1, "%s", m->direction == TMX_CLIENT_SENT ? "sent" : "received");
    out_cell(line, 2, "%s", m->message_type);
    out_cell(line, 3, "%s→%s", m->sender, to);
    out_cell(line, 4, "%s", m->mrn);
    out_cell(line, 5, "%s", out_time(m->sent_ms));
    out_cell(line, 6, "%s", states);
    out_mood(line, 6, states);
}

static int run_list(struct cli *cli)
{
    static const struct out_column columns[] = { { "ID", false },  { "", false },     { "TYPE", false },
                                                 { "FROM→TO", false }, { "MRN", false }, { "SENT", false },
                                                 { "STATE", false } };
    enum tmx_client_direction direction = arg_sent == arg_received ? TMX_CLIENT_BOTH
                                          : arg_sent               ? TMX_CLIENT_SENT
                                                                   : TMX_CLIENT_RECEIVED;
    const struct tmx_client_messages *list;

    int r = tmx_client_list(cli->client, direction, arg_open, arg_max != 0 ? arg_max : 50,
                            arg_after_text != NULL ? arg_after_id : NULL, &list);
    if (r != 0) {
        return cli_failed(cli, r, "list");
    }
    if (cli->json) {
        print_json(list);
    } else {
        struct libscols_table *table = out_table(columns, TMX_N(columns));
        for (size_t i = 0; i < list->n_messages; i++) {
            list_line(table, &list->messages[i]);
        }
        out_finish(table);
    }
    if (list->more) {
        cli_note("There may be more: go on with --after %s", out_id(list->next));
    }
    tmx_client_free(list);
    return 0;
}

const struct command command_list = {
    .name = "list",
    .arguments = "",
    .summary = "Lists messages, the newest first",
    .options = list_options,
    .parse = parse_list,
    .run = run_list,
};

static const struct argp_option events_options[] = {
    { "after", OPT_AFTER, "CURSOR", 0, "Those after this one (default: from the first)", 0 },
    { "follow", OPT_FOLLOW, NULL, 0, "Go on as they happen, until interrupted", 0 },
    { 0 },
};

static uint64_t arg_cursor;
static bool arg_follow;

static error_t parse_events(int key, char *arg, struct argp_state *state)
{
    switch (key) {
    case OPT_AFTER:
        arg_cursor = cli_number(state, "--after", arg, 0, INT64_MAX);
        return 0;
    case OPT_FOLLOW:
        arg_follow = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static json_t *event_json(const struct tmx_client_event *e)
{
    return json_pack("{s:I s:o s:o s:o s:o s:o}", "cursor", (json_int_t)e->cursor, "id", out_json_id(e->message_id),
                     "reference", out_json_text(e->reference), "mrn", out_json_text(e->mrn), "type",
                     out_json_text(e->message_type), "step", out_json_step(&e->step));
}

static void event_line(struct libscols_table *table, const struct tmx_client_event *e)
{
    struct libscols_line *line = out_line(table);

    out_cell(line, 0, "%lu", (unsigned long)e->cursor);
    out_cell(line, 1, "%s", out_time(e->step.time_ms));
    out_cell(line, 2, "%s", out_id(e->message_id));
    out_cell(line, 3, "%s", e->message_type);
    out_cell(line, 4, "%s", e->mrn);
    out_cell(line, 5, "%s", e->step.what);
    out_mood(line, 5, e->step.what);
    out_cell(line, 6, "%s", e->step.recipient);
    out_cell(line, 7, "%s", e->step.who);
    note_cell(line, 8, &e->step);
}

static int run_events(struct cli *cli)
{
    static const struct out_column columns[] = { { "CURSOR", true }, { "TIME", false }, { "ID", false },
                                                 { "TYPE", false },  { "MRN", false },  { "STEP", false },
                                                 { "TO", false },    { "BY", false },   { "REASON", false } };
    const struct tmx_client_events *list;
    bool more = true;

    while (more) {
        int r = tmx_client_events(cli->client, arg_cursor, TMX_CLIENT_EVENTS_MAX,
                                  arg_follow ? TMX_CLIENT_WAIT_MS_MAX : 0, &list);
        if (r != 0) {
            return cli_failed(cli, r, "events");
        }
        struct libscols_table *table = out_table(columns, TMX_N(columns));
        for (size_t i = 0; i < list->n_events; i++) {
            if (cli->json) {
                out_json(event_json(&list->events[i]));
            } else {
                event_line(table, &list->events[i]);
            }
        }
        out_finish(table);
        more = arg_follow || list->next > arg_cursor;
        arg_cursor = list->next;
        tmx_client_free(list);
        if (fflush(stdout) != 0) {
            return EXIT_FAILED;   /* main says why */
        }
    }
    return 0;
}

const struct command command_events = {
    .name = "events",
    .arguments = "",
    .summary = "Shows every step of every message, as the node learned it",
    .options = events_options,
    .parse = parse_events,
    .run = run_events,
};

static int run_info(struct cli *cli)
{
    const struct tmx_client_info *info;
    char members[TMX_MEMBERS_MAX * (TMX_MEMBER_MAX + 1) + 1] = "";
    struct tmx_writer w = tmx_writer_init(members, sizeof(members) - 1);

    int r = tmx_client_info(cli->client, &info);
    if (r != 0) {
        return cli_failed(cli, r, "info");
    }
    if (cli->json) {
        json_t *all = json_array();
        for (size_t i = 0; i < info->n_members; i++) {
            json_array_append_new(all, out_json_text(info->members[i]));
        }
        out_json(json_pack("{s:o s:o s:o s:o s:b s:I}", "member", out_json_text(info->member), "federation",
                           out_json_text(info->federation), "software", out_json_text(info->software), "members", all,
                           "linked", info->linked, "catalogue_version", (json_int_t)info->catalogue_version));
    } else {
        for (size_t i = 0; i < info->n_members; i++) {
            tmx_write_fmt(&w, "%s%s", i > 0 ? " " : "", info->members[i]);
        }
        out_pair("member", "%s", info->member);
        out_pair("federation", "%s", info->federation);
        out_pair("software", "%s", info->software);
        out_pair("members", "%s", members);
        out_pair("broker", "%s", info->linked ? "linked" : "not linked: messages wait in the outbox");
        out_pair("catalogue", "%lu", (unsigned long)info->catalogue_version);
    }
    tmx_client_free(info);
    return 0;
}

const struct command command_info = {
    .name = "info",
    .arguments = "",
    .summary = "Shows whose node this is, its peers and its link",
    .run = run_info,
};
