/* SPDX-License-Identifier: Apache-2.0
 * tmx send: files into the node's outbox. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <tmx/text.h>

#include "cli.h"
#include "compose.h"
#include "file.h"
#include "out.h"

#define REASON_MAX 768u
#define BAR_WIDTH 30
#define BATCH_BYTES (32u << 20)   /* of payloads in memory; one more of 20 MiB may come on top */

enum { OPT_TO = 0x200, OPT_TYPE, OPT_MRN, OPT_LRN, OPT_ID, OPT_CORRELATION, OPT_PRIORITY, OPT_EXPIRES, OPT_REFERENCE,
       OPT_MEDIA_TYPE, OPT_REPLACES };

static const struct argp_option options[] = {
    { "to", OPT_TO, "MEMBER[,MEMBER…]", 0, "Recipients (default: messageRecipient of the XML)", 0 },
    { "type", OPT_TYPE, "CODE", 0, "Message type, such as CD001C (messageType)", 0 },
    { "mrn", OPT_MRN, "MRN", 0, "Movement reference number (MRN)", 0 },
    { "lrn", OPT_LRN, "LRN", 0, "Local reference number (LRN)", 0 },
    { "business-id", OPT_ID, "ID", 0, "The message's own id (messageIdentification)", 0 },
    { "correlation", OPT_CORRELATION, "ID", 0, "The id of the message this one answers (correlationIdentifier)", 0 },
    { "priority", OPT_PRIORITY, "1-9", 0, "9 is the most urgent (default: 4)", 0 },
    { "expires", OPT_EXPIRES, "DURATION", 0, "Not to be delivered later than this from now: 12h, 7d (at most 30d)", 0 },
    { "reference", OPT_REFERENCE, "REF", 0,
      "Your own reference: the same again is the same message (default: messageIdentification, else a digest)", 0 },
    { "replaces", OPT_REPLACES, "ID", 0,
      "The id of the message that this one is sent instead of, after its outcome (the reference is then a digest)", 0 },
    { "media-type", OPT_MEDIA_TYPE, "TYPE", 0,
      "What the payload is (application/xml for XML). Another type than XML: the file is not looked into", 0 },
    { 0 },
};

static struct compose_options arg_compose;
static uint8_t arg_replaces[TMX_ID_SIZE];
static char **arg_paths;
static size_t arg_n_paths;

/* Options that only keep their text. */
static const char **text_of(int key)
{
    switch (key) {
    case OPT_TO:
        return &arg_compose.to;
    case OPT_TYPE:
        return &arg_compose.type;
    case OPT_MRN:
        return &arg_compose.mrn;
    case OPT_LRN:
        return &arg_compose.lrn;
    case OPT_ID:
        return &arg_compose.business_id;
    case OPT_CORRELATION:
        return &arg_compose.correlation;
    case OPT_REFERENCE:
        return &arg_compose.reference;
    case OPT_MEDIA_TYPE:
        return &arg_compose.media_type;
    default:
        return NULL;
    }
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    const char **text = text_of(key);

    if (text != NULL) {
        *text = arg;
        return 0;
    }
    switch (key) {
    case OPT_PRIORITY:
        arg_compose.priority = (uint32_t)cli_number(state, "--priority", arg, 1, TMX_PRIORITY_MAX);
        return 0;
    case OPT_EXPIRES:
        arg_compose.lasts_ms = cli_duration_ms(state, "--expires", arg, TMX_EXPIRY_MAX_MS);
        return 0;
    case OPT_REPLACES:
        cli_id(state, "--replaces", arg, arg_replaces);
        arg_compose.replaces = arg_replaces;
        return 0;
    case ARGP_KEY_ARGS:
        arg_paths = state->argv + state->next;
        arg_n_paths = (size_t)(state->argc - state->next);
        return 0;
    case ARGP_KEY_END:
        if (arg_n_paths == 0) {
            argp_error(state, "a file is missing (- is standard input)");
        }
        if (arg_n_paths > 1 && (arg_compose.reference != NULL || arg_compose.business_id != NULL || arg_compose.replaces != NULL)) {
            argp_error(state, "--reference, --business-id and --replaces name one message, but %zu files are given", arg_n_paths);
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

struct failure {
    const char *path;
    char reason[REASON_MAX + 64];   /* a sentence and a code */
};

struct sending {
    struct cli *cli;
    const struct tmx_client_info *info;
    struct failure *failures;   /* room for every file */
    size_t n_failures;
    size_t n_sent, n_known;
    bool unreachable;
    bool bar;
};

static void fail(struct sending *s, const char *path, const char *reason)
{
    struct failure *f = &s->failures[s->n_failures++];

    f->path = path;
    snprintf(f->reason, sizeof(f->reason), "%s", reason);
}

static void draw_bar(const struct sending *s, size_t done)
{
    int filled = (int)(done * BAR_WIDTH / arg_n_paths);

    if (s->bar) {
        fprintf(stderr, "\r[%.*s%*s] %zu/%zu%s", filled, "##############################", BAR_WIDTH - filled, "", done,
                arg_n_paths, done == arg_n_paths ? "\n" : "");
    }
}

static void report_sent(struct sending *s, const char *path, const struct draft *d,
                        const struct tmx_client_submitted *submitted)
{
    const struct tmx_client_submission *m = &d->submission;

    *(submitted->duplicate ? &s->n_known : &s->n_sent) += 1;
    if (s->cli->json) {
        json_t *to = json_array();
        for (size_t i = 0; i < m->n_recipients; i++) {
            json_array_append_new(to, out_json_text(m->recipients[i]));
        }
        out_json(json_pack("{s:o s:o s:o s:b s:o s:o s:o}", "file", out_json_text(path), "id",
                           out_json_id(submitted->message_id), "reference", out_json_text(m->reference), "duplicate",
                           submitted->duplicate, "type", out_json_text(m->message_type), "to", to, "mrn",
                           out_json_text(m->mrn != NULL ? m->mrn : "")));
        return;
    }
    if (s->bar) {
        return;   /* the sum follows the bar */
    }
    char name[512], reference[3 * TMX_REFERENCE_MAX + 1];
    tmx_printable(tmx_bytes_str(path), name, sizeof(name));
    tmx_printable(tmx_bytes_str(m->reference), reference, sizeof(reference));
    printf(submitted->duplicate ? "%s: already sent as %s (reference %s)\n" : "%s: sent as %s (reference %s)\n", name,
           out_id(submitted->message_id), reference);
}

/* Files under way at once, and their drafts. */
struct batch {
    size_t n, bytes;
    const char *paths[TMX_CLIENT_SUBMISSIONS_MAX];
    struct draft drafts[TMX_CLIENT_SUBMISSIONS_MAX];
    struct tmx_client_submission submissions[TMX_CLIENT_SUBMISSIONS_MAX];
    struct tmx_client_result results[TMX_CLIENT_SUBMISSIONS_MAX];
};

/* Reads and composes one file into the batch, or notes why not. */
static int batch_add(struct sending *s, struct batch *b, const char *path)
{
    char reason[REASON_MAX];
    struct tmx_bytes payload;
    struct draft *d = &b->drafts[b->n];

    if (file_read(path, TMX_PAYLOAD_MAX, &payload, reason, sizeof(reason)) != FILE_OK) {
        fail(s, path, reason);
        return 0;
    }
    int r = compose(&arg_compose, s->info->member, path, payload, d, reason, sizeof(reason));
    if (r != COMPOSE_OK) {
        if (r == COMPOSE_E_REFUSED) {
            fail(s, path, reason);
        }
        free((void *)(uintptr_t)payload.data);
        return r == COMPOSE_E_REFUSED ? 0 : r;
    }
    b->submissions[b->n] = d->submission;
    b->paths[b->n++] = path;
    b->bytes += payload.size;
    return 0;
}

/* What was read is submitted, and forgotten. */
static void batch_send(struct sending *s, struct batch *b)
{
    if (b->n > 0) {
        s->unreachable = tmx_client_submit_many(s->cli->client, b->submissions, b->n, b->results) == -ETIMEDOUT;
    }
    for (size_t i = 0; i < b->n; i++) {
        const struct tmx_client_result *result = &b->results[i];
        if (result->r == 0) {
            report_sent(s, b->paths[i], &b->drafts[i], &result->submitted);
        } else {
            char reason[REASON_MAX + 64];
            snprintf(reason, sizeof(reason), result->r > 0 ? "%s (%s)" : "%s", result->error,
                     result->r > 0 ? tmx_client_code_name((unsigned)result->r) : "");
            fail(s, b->paths[i], reason);
        }
        free((void *)(uintptr_t)b->submissions[i].payload);
    }
    b->n = b->bytes = 0;
}

/* What failed, at the end, where it is seen. */
static int finish(const struct sending *s)
{
    if (arg_n_paths > 1 && !s->cli->json) {
        fflush(stdout);
        cli_note("%zu sent, %zu already sent before, %zu failed", s->n_sent, s->n_known, s->n_failures);
    }
    for (size_t i = 0; i < s->n_failures; i++) {
        cli_error("%s: %s", strcmp(s->failures[i].path, "-") == 0 ? "standard input" : s->failures[i].path,
                  s->failures[i].reason);
    }
    return s->unreachable ? EXIT_UNREACHABLE : s->n_failures > 0 ? EXIT_FAILED : 0;
}

static int run(struct cli *cli)
{
    struct timespec now;
    struct sending s = { .cli = cli, .bar = arg_n_paths > 1 && !cli->json && isatty(STDERR_FILENO) };

    int r = tmx_client_info(cli->client, &s.info);
    if (r != 0) {
        return cli_failed(cli, r, "send");
    }
    clock_gettime(CLOCK_REALTIME, &now);
    arg_compose.now_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    s.failures = calloc(arg_n_paths, sizeof(*s.failures));
    struct batch *b = calloc(1, sizeof(*b));
    r = s.failures == NULL || b == NULL ? -ENOMEM : 0;
    for (size_t i = 0; i < arg_n_paths && r == 0; i++) {
        if (s.unreachable) {
            fail(&s, arg_paths[i], "not tried: the node is not reachable");
            continue;
        }
        r = batch_add(&s, b, arg_paths[i]);
        if (b->n == TMX_CLIENT_SUBMISSIONS_MAX || b->bytes >= BATCH_BYTES) {
            batch_send(&s, b);
            draw_bar(&s, i + 1);
        }
    }
    if (r == 0) {
        batch_send(&s, b);
    }
    draw_bar(&s, arg_n_paths);
    if (r < 0) {
        cli_error("%s", strerror(-r));
    }
    int code = r < 0 ? EXIT_FAILED : finish(&s);
    free(b);
    free(s.failures);
    tmx_client_free(s.info);
    return code;
}

const struct command command_send = {
    .name = "send",
    .arguments = "FILE… | -",
    .summary = "Sends files to other administrations",
    .details = "An NCTS message in XML says itself what it is and where it goes; options serve other payloads, and an "
               "option that contradicts the XML is an error. The file travels byte for byte. A message is sent when "
               "the node has it on disk; sending the same one again does not send it twice. Several recipients in --to are "
               "allowed when the XML names one of them, and always for the broadcasts CD071C and CD971C.",
    .options = options,
    .parse = parse,
    .run = run,
};
