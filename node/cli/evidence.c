/* SPDX-License-Identifier: Apache-2.0
 * tmx evidence: everything the node keeps to prove what became of one message, in one file.
 */
#include <stdio.h>
#include <string.h>

#include <tmx/text.h>

#include "cli.h"
#include "file.h"
#include "out.h"

enum { OPT_OUT = 0x300, OPT_WITHOUT_CONTAINER, OPT_DISCLOSE };

static const struct argp_option options[] = {
    { "out", OPT_OUT, "FILE", 0, "Where to write it (default: ID.evidence); an existing file is never replaced", 0 },
    { "without-container", OPT_WITHOUT_CONTAINER, NULL, 0, "Leave the sealed container out: its digest is in the evidence", 0 },
    { "disclose", OPT_DISCLOSE, NULL, 0,
      "With the content key: who has the file can then read this message, and no other", 0 },
    { 0 },
};

static const char *arg_message, *arg_out;
static bool arg_without_container, arg_disclose;

static error_t parse(int key, char *arg, struct argp_state *state)
{
    const char **const slots[] = { &arg_message };

    switch (key) {
    case OPT_OUT:
        arg_out = arg;
        return 0;
    case OPT_WITHOUT_CONTAINER:
        arg_without_container = true;
        return 0;
    case OPT_DISCLOSE:
        arg_disclose = true;
        return 0;
    case ARGP_KEY_ARG:
        return cli_take_argument(slots, TMX_N(slots), arg) ? 0 : ARGP_ERR_UNKNOWN;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "a message id or reference is missing");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* The name the file gets: of --out, or after the message. */
static bool place(const char *message, char *ret_folder, char *ret_name, size_t capacity)
{
    const char *slash = arg_out == NULL ? NULL : strrchr(arg_out, '/');
    const char *name = arg_out == NULL ? message : slash == NULL ? arg_out : slash + 1;
    size_t folder = slash == NULL ? 0 : (size_t)(slash - arg_out);
    int n = snprintf(ret_name, capacity, "%s%s", name, arg_out == NULL ? ".evidence" : "");

    if (n < 1 || (size_t)n >= capacity || folder >= capacity || strchr(ret_name, '/') != NULL) {
        return false;
    }
    snprintf(ret_folder, capacity, "%.*s", slash == NULL ? 1 : folder == 0 ? 1 : (int)folder,
             slash == NULL ? "." : folder == 0 ? "/" : arg_out);
    return true;
}

static int run(struct cli *cli)
{
    const struct tmx_client_evidence *e;
    char folder[4096], name[4096], reason[512];
    uint8_t id[16];
    bool by_id = tmx_parse_id(tmx_bytes_str(arg_message), id);

    if (!place(arg_message, folder, name, sizeof(name))) {
        cli_error("%s: no name for a file: give one with --out", arg_out == NULL ? arg_message : arg_out);
        return 64;
    }
    if (file_check_folder(folder, reason, sizeof(reason)) != FILE_OK) {
        cli_error("%s", reason);
        return 1;
    }
    int r = tmx_client_evidence(cli->client, by_id ? id : NULL, arg_message, !arg_without_container, arg_disclose, &e);
    if (r != 0) {
        return cli_failed(cli, r, arg_message);
    }
    int stored = file_store(folder, name, TMX_BYTES(e->bundle, e->bundle_bytes), reason, sizeof(reason));
    int code = stored == FILE_OK || stored == FILE_E_EXISTS ? 0 : 1;
    if (code != 0) {
        cli_error("%s", reason);
    } else if (cli->json) {
        json_t *j = json_pack("{ss sI sI sb sb}", "file", arg_out != NULL ? arg_out : name, "bytes",
                              (json_int_t)e->bundle_bytes, "leaves", (json_int_t)e->leaves, "container", e->container,
                              "disclosed", e->disclosed);
        out_json(j);
    } else {
        printf("%s: %u entries of the log%s%s\n", arg_out != NULL ? arg_out : name, e->leaves,
               e->container ? ", the sealed container" : "", e->disclosed ? ", its content key" : "");
        if (arg_disclose && !e->disclosed) {
            cli_note("the content key is not here any more: it went with the payload");
        }
    }
    tmx_client_free(e);
    return code;
}

const struct command command_evidence = {
    .name = "evidence",
    .arguments = "ID | REFERENCE",
    .summary = "Writes the evidence of one message into a file",
    .details = "The file holds every entry of the log about the message that this node has verified, with its proof, the signed "
               "heads and directories behind it, and the sealed container while the node has it. Anybody who has the keys of "
               "the federation authority checks it, with nothing else: tmx-audit verify-evidence FILE --authority KEYS.",
    .options = options,
    .parse = parse,
    .run = run,
};
