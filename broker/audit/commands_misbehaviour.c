/* SPDX-License-Identifier: Apache-2.0
 * `tmx-audit verify-misbehaviour`: what a node's proof of misbehaviour, or the proof of a fork, is worth. LINK-6,
 * LINK-12, LOG-8
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
#include "seen.h"

static const char *const verdicts[] = {
    [TMX_VERDICT_FORK] = "fork",
    [TMX_VERDICT_FORK_SEEN] = "fork-seen",
    [TMX_VERDICT_UNPROVED] = "unproved",
    [TMX_VERDICT_UNSIGNED] = "unsigned",
    [TMX_VERDICT_FITS] = "fits",
};

static const char *says(const struct tmx_misbehaviour *m, enum tmx_misbehaviour_verdict v)
{
    switch (v) {
    case TMX_VERDICT_FORK:
        return "FORK: the log signed two histories, and this file proves it";
    case TMX_VERDICT_FORK_SEEN:
        return "FORK-SEEN: the log took in a message whose sender signed that it was shown another history than the log has: it "
               "showed two, or did not refuse what no member can have seen; either breaks its rules, and this file proves it. That "
               "the log signed the other head, too, its sender can show";
    case TMX_VERDICT_UNSIGNED:
        return "unsigned: the log did not sign what is shown as its head; that proves nothing of it";
    case TMX_VERDICT_FITS:
        return "fits: everything in this file is of one history; it shows no misbehaviour";
    case TMX_VERDICT_UNPROVED:
        break;
    }
    if (m->kind == TMX_MISBEHAVIOUR_NOT_AS_SEEN) {
        return m->seen.size == 0
                   ? "unproved: the entry is no message whose sender signed with an active key what it had seen of this log"
                   : "unproved: the sender signed what it had seen, but what is here does not show that the log took this in and has "
                     "another history; an export that begins with that head says whether it has";
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

/* What the sender signed that it had seen, and what the log has there. */
struct seen_words {
    char id[TMX_ID_TEXT_SIZE];
    char root[TMX_BASE64_SIZE(TMX_HASH_SIZE)];
    char history[TMX_BASE64_SIZE(TMX_HASH_SIZE)];   /* empty: the file does not show it */
};

static struct seen_words words_of(const struct tmx_misbehaviour *m, const struct tmx_verify_key *key,
                                  const struct tmx_seen_claim *claim)
{
    struct seen_words w = { .history = "" };
    struct tmx_hash root;

    tmx_id_text(claim->message_id, w.id);
    tmx_base64(TMX_BYTES_OF(m->seen.root.b), w.root);
    if (tmx_misbehaviour_history(m, key, &root)) {
        tmx_base64(TMX_BYTES_OF(root.b), w.history);
    }
    return w;
}

static void print_seen(const struct tmx_misbehaviour *m, const struct tmx_verify_key *key, const struct tmx_seen_claim *claim)
{
    const struct seen_words w = words_of(m, key, claim);

    printf("message     %s of %s\n", w.id, claim->sender);
    printf("seen        %s signed that it was shown %" PRIu64 " entries, root %s\n", claim->sender, m->seen.size, w.root);
    if (m->seen.size > m->index) {
        printf("history     the message is entry %" PRIu64 " itself: there were not so many before it\n", m->index);
    } else if (w.history[0] != '\0') {
        printf("history     the log has for so many entries the root %s\n", w.history);
    } else {
        printf("history     what came does not show which root the log has for so many entries\n");
    }
}

static json_t *seen_json(const struct tmx_misbehaviour *m, const struct tmx_verify_key *key, const struct tmx_seen_claim *claim)
{
    const struct seen_words w = words_of(m, key, claim);

    return json_pack("{s:s, s:s, s:I, s:I, s:s, s:s*}", "sender", claim->sender, "message", w.id, "index", (json_int_t)m->index,
                     "size", (json_int_t)m->seen.size, "root", w.root, "history", w.history[0] != '\0' ? w.history : NULL);
}

static int show(const struct arguments *a, const struct tmx_misbehaviour *m, const struct tmx_verify_key *key,
                const struct tmx_seen_claim *claim)
{
    const enum tmx_misbehaviour_verdict v = tmx_misbehaviour_judge(m, key);
    int r = 0;

    if ((a->given & OPTION_JSON) != 0) {
        r = tmx_audit_print_json(json_pack("{s:s, s:s, s:s, s:o*}", "verdict", verdicts[v], "origin", key->name, "says", says(m, v),
                                           "seen", m->seen.size > 0 ? seen_json(m, key, claim) : NULL));
    } else {
        printf("log         %s\n", key->name);
        print_head(m->first, key);
        print_head(m->second, key);
        if (m->entry.size > 0) {
            printf("entry       %" PRIu64 ", %zu bytes\n", m->index, m->entry.size);
        }
        if (m->seen.size > 0) {
            print_seen(m, key, claim);
        }
        printf("verdict     %s\n", says(m, v));
    }
    if (r < 0 || fflush(stdout) != 0) {
        return tmx_audit_complain("cannot write the result");
    }
    return v == TMX_VERDICT_FORK || v == TMX_VERDICT_FORK_SEEN ? EXIT_OK : EXIT_FAILED;
}

static int judge(const struct arguments *a, struct tmx_misbehaviour *m, const struct tmx_directory *directory, const char *origin)
{
    const struct tmx_verify_key *key = tmx_directory_origin_key(directory, origin);
    struct tmx_seen_claim claim = { .sender = "" };

    if (key == NULL) {
        return complain_of(a->operands[0], "the directory does not list the log it is about");
    }
    if (m->kind == TMX_MISBEHAVIOUR_NOT_AS_SEEN && tmx_seen_claim(m, directory, &claim) < 0) {
        return tmx_audit_complain("out of memory");
    }
    return show(a, m, key, &claim);
}

int tmx_run_verify_misbehaviour(const struct arguments *a)
{
    static struct tmx_misbehaviour_room room;
    struct tmx_misbehaviour m;
    struct tmx_directory *directory = NULL;
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
        r = judge(a, &m, directory, origin);
    }
    tmx_directory_free(directory);
    free(file);
    return r;
}
