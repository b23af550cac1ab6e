/* SPDX-License-Identifier: Apache-2.0
 * tmx receive, ack, refuse: messages out of the node's inbox. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tmx/limits.h>
#include <tmx/text.h>

#include "cli.h"
#include "file.h"
#include "out.h"

#define BATCH_MAX 16u   /* messages of one request: they are held in memory */
#define REASON_MAX 768u

enum { OPT_MAX = 0x200, OPT_WAIT, OPT_TO, OPT_ACK, OPT_LEASE, OPT_TYPE, OPT_REASON, OPT_CODE };

static const struct argp_option receive_options[] = {
    { "max", OPT_MAX, "N", 0, "At most so many messages (default: 64; with --to -: 1)", 0 },
    { "wait", OPT_WAIT, "SECONDS", 0, "Wait so long for a first message (default: not at all)", 0 },
    { "to", OPT_TO, "DIR|-", 0,
      "Write payloads to files in this folder (default: the current one), or to standard output", 0 },
    { "ack", OPT_ACK, NULL, 0, "Acknowledge each message once its file is on disk", 0 },
    { "lease", OPT_LEASE, "DURATION", 0, "How long the messages stay reserved (default: the node's, 1m)", 0 },
    { "type", OPT_TYPE, "CODE", 0, "Only messages of this type (may be given again)", 0 },
    { 0 },
};

static uint32_t arg_max, arg_lease_ms;
static uint64_t arg_wait_s;
static const char *arg_folder = ".";
static bool arg_ack;
static const char *arg_types[TMX_RECIPIENTS_MAX];
static size_t arg_n_types;

static error_t parse_receive(int key, char *arg, struct argp_state *state)
{
    switch (key) {
    case OPT_MAX:
        arg_max = (uint32_t)cli_number(state, "--max", arg, 1, 1000000);
        return 0;
    case OPT_WAIT:
        arg_wait_s = cli_number(state, "--wait", arg, 0, 86400);
        return 0;
    case OPT_TO:
        arg_folder = arg;
        return 0;
    case OPT_ACK:
        arg_ack = true;
        return 0;
    case OPT_LEASE:
        arg_lease_ms = (uint32_t)cli_duration_ms(state, "--lease", arg, TMX_LEASE_MAX_MS);
        return 0;
    case OPT_TYPE:
        if (arg_n_types == TMX_N(arg_types)) {
            argp_error(state, "more than %zu types", TMX_N(arg_types));
        }
        arg_types[arg_n_types++] = arg;
        return 0;
    case ARGP_KEY_END:
        if (strcmp(arg_folder, "-") == 0 && (arg_max > 1 || arg_ack)) {
            argp_error(state,
                       "with --to - one message is received, and it is acknowledged with `tmx ack' when it is safe");
        }
        if (arg_max == 0) {
            arg_max = strcmp(arg_folder, "-") == 0 ? 1 : 64;
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

struct receiving {
    struct cli *cli;
    struct libscols_table *table;
    size_t n_received, n_failed;
};

/* Never the name the sender gave: only ids become file names. */
static void name_file(const struct tmx_client_leased *m, char *ret_name, size_t capacity)
{
    bool xml = strcmp(m->media_type, "application/xml") == 0 || strcmp(m->media_type, "text/xml") == 0;

    snprintf(ret_name, capacity, "%s%s", out_id(m->message_id), xml ? ".xml" : "");
}

static void report(struct receiving *rc, const struct tmx_client_leased *m, const char *file, bool acknowledged)
{
    if (rc->cli->json) {
        json_t *o = json_pack("{s:o s:o s:o s:o s:o s:o s:o s:o s:o}", "id", out_json_id(m->message_id), "token",
                              out_json_id(m->token), "from", out_json_text(m->sender), "type",
                              out_json_text(m->message_type), "mrn", out_json_text(m->mrn), "lrn",
                              out_json_text(m->lrn), "business_id", out_json_text(m->business_id),
                              "business_correlation", out_json_text(m->business_correlation), "correlation_id",
                              out_json_id(m->correlation_id));
        json_t *p = json_pack("{s:i s:o s:o s:o s:o s:o s:b s:o s:I s:o s:b s:o}", "priority", (int)m->priority, "sent",
                              out_json_time(m->sent_ms), "accepted", out_json_time(m->accepted_ms), "expires",
                              out_json_time(m->expires_ms), "media_type", out_json_text(m->media_type), "file_name",
                              out_json_text(m->file_name), "redelivered", m->redelivered, "lease_until",
                              out_json_time(m->lease_until_ms), "payload_bytes", (json_int_t)m->payload_bytes, "file",
                              out_json_text(file), "acknowledged", acknowledged, "replaces",
                              out_json_id(m->replaces));
        json_object_update(o, p);
        json_decref(p);
        out_json(o);
        return;
    }
    struct libscols_line *line = out_line(rc->table);
    out_cell(line, 0, "%s", out_id(m->message_id));
    out_cell(line, 1, "%s", acknowledged ? "acknowledged" : out_id(m->token));
    out_cell(line, 2, "%s", m->sender);
    out_cell(line, 3, "%s", m->message_type);
    out_cell(line, 4, "%s", m->mrn);
    out_cell(line, 5, "%zu", m->payload_bytes);
    out_cell(line, 6, "%s%s", file, m->redelivered ? " (redelivered)" : "");
}

/* On disk first, acknowledged after. 0, or the client's error. */
static int take_one(struct receiving *rc, const struct tmx_client_leased *m)
{
    char name[TMX_ID_TEXT_SIZE + 4], path[4096], reason[REASON_MAX];

    name_file(m, name, sizeof(name));
    if (file_store(arg_folder, name, TMX_BYTES(m->payload, m->payload_bytes), reason, sizeof(reason)) ==
        FILE_E_FAILED) {
        cli_error("%s: %s; the message is offered again when its lease has passed", out_id(m->message_id), reason);
        rc->n_failed++;
        return 0;
    }
    int r = arg_ack ? tmx_client_ack(rc->cli->client, m->message_id, m->token) : 0;
    if (r != 0) {
        rc->n_failed++;
        cli_failed(rc->cli, r, out_id(m->message_id));
    }
    snprintf(path, sizeof(path), "%s/%s", arg_folder, name);
    report(rc, m, path, arg_ack && r == 0);
    return r < 0 ? r : 0;
}

/* The payload goes to standard output, what identifies it to standard error. */
static void pour(struct receiving *rc, const struct tmx_client_leased *m)
{
    fwrite(m->payload, 1, m->payload_bytes, stdout);
    cli_note("%s %s %s %s %s", out_id(m->message_id), out_id(m->token), m->sender, m->message_type, m->mrn);
    rc->n_received++;
}

static int take_batch(struct receiving *rc, const struct tmx_client_leases *leases)
{
    int r = 0;

    for (size_t i = 0; i < leases->n_messages && r == 0; i++) {
        if (strcmp(arg_folder, "-") == 0) {
            pour(rc, &leases->messages[i]);
        } else {
            rc->n_received++;
            r = take_one(rc, &leases->messages[i]);
        }
    }
    return r;
}

static int run_receive(struct cli *cli)
{
    static const struct out_column columns[] = { { "ID", false },  { "TOKEN", false }, { "FROM", false },
                                                 { "TYPE", false }, { "MRN", false },  { "BYTES", true },
                                                 { "FILE", false } };
    struct receiving rc = { .cli = cli, .table = out_table(columns, TMX_N(columns)) };
    const struct tmx_client_leases *leases;
    uint64_t wait_ms = arg_wait_s * 1000;
    char reason[REASON_MAX];
    bool more = true;
    int r = 0;

    if (strcmp(arg_folder, "-") != 0 && file_check_folder(arg_folder, reason, sizeof(reason)) != FILE_OK) {
        cli_error("%s; nothing was received: make it, or name another with --to", reason);
        out_finish(rc.table);
        return EXIT_FAILED;
    }

    while (more && r == 0 && rc.n_failed == 0 && rc.n_received < arg_max) {
        uint32_t left = arg_max - (uint32_t)rc.n_received;
        uint32_t wait = wait_ms < TMX_CLIENT_WAIT_MS_MAX ? (uint32_t)wait_ms : TMX_CLIENT_WAIT_MS_MAX;
        r = tmx_client_lease(cli->client, left < BATCH_MAX ? left : BATCH_MAX, arg_lease_ms, wait, arg_types,
                             arg_n_types, &leases);
        if (r != 0) {
            rc.n_failed++;
            cli_failed(cli, r, "receive");
            break;
        }
        bool none = leases->n_messages == 0;
        r = take_batch(&rc, leases);
        tmx_client_free(leases);
        wait_ms = none ? wait_ms - wait : 0;   /* only a first message is waited for */
        more = !none || wait_ms > 0;
    }
    out_finish(rc.table);
    if (rc.n_received == 0 && rc.n_failed == 0 && !cli->json) {
        cli_note("no message");
    }
    return r == -ETIMEDOUT ? EXIT_UNREACHABLE : rc.n_failed > 0 ? EXIT_FAILED : 0;
}

const struct command command_receive = {
    .name = "receive",
    .arguments = "",
    .summary = "Collects messages and writes their payloads to files",
    .details = "A received message is reserved (leased) under a token until it is acknowledged or refused; otherwise "
               "it is offered again later. Files are named by the message's id, are on disk before anything is said, and "
               "overwrite nothing.",
    .options = receive_options,
    .parse = parse_receive,
    .run = run_receive,
};

static const struct argp_option refuse_options[] = {
    { "reason", OPT_REASON, "TEXT", 0, "Why, for the sender's eyes only (required)", 0 },
    { "code", OPT_CODE, "N", 0, "Reason code, 601 (refused) to 699 (default: 601)", 0 },
    { 0 },
};

static const char *arg_id_text, *arg_token_text;
static uint8_t arg_id[16], arg_token[16];
static const char *arg_reason;
static uint32_t arg_code = 601;

static error_t parse_answer(int key, char *arg, struct argp_state *state)
{
    const char **const slots[] = { &arg_id_text, &arg_token_text };

    switch (key) {
    case ARGP_KEY_ARG:
        return cli_take_argument(slots, TMX_N(slots), arg) ? 0 : ARGP_ERR_UNKNOWN;
    case ARGP_KEY_END:
        if (arg_token_text == NULL) {
            argp_error(state, "the message's id and token are needed, as `tmx receive' printed them");
        } else {
            cli_id(state, "ID", arg_id_text, arg_id);
            cli_id(state, "TOKEN", arg_token_text, arg_token);
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse_refuse(int key, char *arg, struct argp_state *state)
{
    switch (key) {
    case OPT_REASON:
        arg_reason = arg;
        return 0;
    case OPT_CODE:
        arg_code = (uint32_t)cli_number(state, "--code", arg, 601, 699);
        return 0;
    case ARGP_KEY_END:
        if (arg_reason == NULL || arg_reason[0] == '\0' || strlen(arg_reason) > TMX_REASON_MAX) {
            argp_error(state, "--reason is needed: 1 to %u bytes that tell the sender why", TMX_REASON_MAX);
        }
        return parse_answer(key, arg, state);
    default:
        return parse_answer(key, arg, state);
    }
}

static int answered(struct cli *cli, int r, const char *outcome)
{
    if (r != 0) {
        return cli_failed(cli, r, out_id(arg_id));
    }
    if (cli->json) {
        out_json(json_pack("{s:o s:s}", "id", out_json_id(arg_id), "outcome", outcome));
    } else {
        printf("%s: %s\n", out_id(arg_id), outcome);
    }
    return 0;
}

static int run_ack(struct cli *cli)
{
    return answered(cli, tmx_client_ack(cli->client, arg_id, arg_token), "acknowledged");
}

static int run_refuse(struct cli *cli)
{
    return answered(cli, tmx_client_refuse(cli->client, arg_id, arg_token, arg_code, arg_reason), "refused");
}

const struct command command_ack = {
    .name = "ack",
    .arguments = "ID TOKEN",
    .summary = "Acknowledges a received message: it is safe here (CoD)",
    .details = "The sender gets a signed confirmation that this administration's application took the message.",
    .parse = parse_answer,
    .run = run_ack,
};

const struct command command_refuse = {
    .name = "refuse",
    .arguments = "ID TOKEN --reason TEXT",
    .summary = "Refuses a received message for good, with a reason",
    .details = "The sender gets a signed refusal. The reason travels sealed; nobody between reads it.",
    .options = refuse_options,
    .parse = parse_refuse,
    .run = run_refuse,
};
