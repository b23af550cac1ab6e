/* SPDX-License-Identifier: Apache-2.0
 * `tmx-audit verify-misbehaviour`: what a node's proof of misbehaviour, or the proof of a fork, is worth. LINK-6, LOG-8
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tmx/misbehaviour.h>
#include <tmx/text.h>

#include "commands.h"
#include "export_dir.h"

static const char *const verdicts[] = {
    [TMX_VERDICT_FORK] = "fork",
    [TMX_VERDICT_UNPROVED] = "unproved",
    [TMX_VERDICT_UNSIGNED] = "unsigned",
    [TMX_VERDICT_FITS] = "fits",
};

static const char *says(const struct tmx_misbehaviour *m, enum tmx_misbehaviour_verdict v)
{
    switch (v) {
    case TMX_VERDICT_FORK:
        return "FORK: the log signed two histories, and this file proves it";
    case TMX_VERDICT_UNSIGNED:
        return "unsigned: the log did not sign what is shown as its head; that proves nothing of it";
    case TMX_VERDICT_FITS:
        return "fits: everything in this file is of one history; it shows no misbehaviour";
    case TMX_VERDICT_UNPROVED:
        break;
    }
    return m->kind == TMX_MISBEHAVIOUR_NOT_INCLUDED
               ? "unproved: the path does not lead from the entry to the head, but nobody signed what does not fit"
               : "unproved: the log signed these heads, and the proof does not lead from one to the other, but nobody signed that; "
                 "tmx-audit compare with an export says whether they are of one history";
}

static int complain_of(const char *path, const char *what)
{
    fprintf(stderr, "tmx-audit: %s: %s\n", path, what);
    return EXIT_FAILED;
}

/* The signed directory that goes with the file, checked with the authority's keys. */
static int open_directory(const struct arguments *a, struct tmx_directory **ret_directory)
{
    struct tmx_authority authority;
    const char *what;
    char beside[4096];
    const char *path = a->directory;
    uint8_t *file;
    size_t size;
    int r = tmx_audit_authority(a->authority, &authority, &what);

    if (r < 0) {
        return tmx_audit_complain(what);
    }
    if (path == NULL) {
        snprintf(beside, sizeof beside, "%s.directory", a->operands[0]);
        path = beside;
    }
    r = tmx_export_read(AT_FDCWD, path, TMX_DIRECTORY_MAX, &file, &size);
    if (r < 0) {
        return complain_of(path, "the signed directory that lists the log cannot be read: name it with --directory FILE");
    }
    r = tmx_directory_load(TMX_BYTES(file, size), &authority, NULL, ret_directory);
    free(file);
    return r == 0 ? EXIT_OK : complain_of(path, r < 0 ? "out of memory" : tmx_directory_error_text(r));
}

static void print_head(struct tmx_bytes note, const struct tmx_verify_key *key)
{
    struct tmx_checkpoint c;
    char root[TMX_BASE64_SIZE(TMX_HASH_SIZE)];

    if (note.size > 0 && tmx_checkpoint_verify(note, key, &c)) {
        tmx_base64(TMX_BYTES_OF(c.root.b), root);
        printf("head        %" PRIu64 " entries, root %s\n", c.size, root);
    }
}

static int show(const struct arguments *a, const struct tmx_misbehaviour *m, const struct tmx_verify_key *key)
{
    const enum tmx_misbehaviour_verdict v = tmx_misbehaviour_judge(m, key);
    int r = 0;

    if ((a->given & OPTION_JSON) != 0) {
        r = tmx_audit_print_json(
            json_pack("{s:s, s:s, s:s}", "verdict", verdicts[v], "origin", key->name, "says", says(m, v)));
    } else {
        printf("log         %s\n", key->name);
        print_head(m->first, key);
        print_head(m->second, key);
        if (m->kind == TMX_MISBEHAVIOUR_NOT_INCLUDED) {
            printf("entry       %" PRIu64 ", %zu bytes\n", m->index, m->entry.size);
        }
        printf("verdict     %s\n", says(m, v));
    }
    if (r < 0 || fflush(stdout) != 0) {
        return tmx_audit_complain("cannot write the result");
    }
    return v == TMX_VERDICT_FORK ? EXIT_OK : EXIT_FAILED;
}

int tmx_run_verify_misbehaviour(const struct arguments *a)
{
    static struct tmx_misbehaviour_room room;
    struct tmx_misbehaviour m;
    struct tmx_directory *directory = NULL;
    const struct tmx_verify_key *key;
    char origin[TMX_KEYNAME_MAX + 1];
    uint8_t *file;
    size_t size;
    int r = tmx_export_read(AT_FDCWD, a->operands[0], TMX_MISBEHAVIOUR_MAX, &file, &size);

    if (r < 0) {
        return complain_of(a->operands[0], r == -EFBIG ? "larger than a proof of misbehaviour can be" : strerror(-r));
    }
    if (!tmx_misbehaviour_parse(TMX_BYTES(file, size), &room, &m)) {
        r = complain_of(a->operands[0], "this is no proof of misbehaviour (tmx-fork@v1 or tmx-misbehaviour@v1): it shows nothing");
    } else if (!tmx_misbehaviour_origin(&m, origin)) {
        r = complain_of(a->operands[0], "there is no head of a log in it: it shows nothing");
    } else {
        r = open_directory(a, &directory);
    }
    if (directory != NULL) {
        key = tmx_directory_origin_key(directory, origin);
        r = key == NULL ? complain_of(a->operands[0], "the directory does not list the log it is about") : show(a, &m, key);
    }
    tmx_directory_free(directory);
    free(file);
    return r;
}
