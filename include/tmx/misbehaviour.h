/* SPDX-License-Identifier: Apache-2.0
 * What came of a log and does not fit it, as a file for others: `tmx-fork@v1` (LOG-8) where what the log signed proves by
 * itself that it has two histories, otherwise `tmx-misbehaviour@v1` (LINK-6, LINK-12).
 */
#pragma once

#include <tmx/note.h>

enum tmx_misbehaviour_kind {
    TMX_MISBEHAVIOUR_FORK,             /* two signed heads that no one history has */
    TMX_MISBEHAVIOUR_NOT_CONSISTENT,   /* two heads, and a proof that does not lead from the first to the second */
    TMX_MISBEHAVIOUR_NOT_SIGNED,       /* bytes that came as a head, and that the log did not sign */
    TMX_MISBEHAVIOUR_NOT_INCLUDED,     /* an entry that its path does not lead to the head */
    TMX_MISBEHAVIOUR_NOT_AS_SEEN,      /* a message in the log, whose sender has seen another head than the log has */
};

/* Whatever came is cut one byte (or hash) behind what could fit: the file has a bound, and what is too long stays so. */
#define TMX_MISBEHAVIOUR_PROOF_MAX (2u * TMX_TREE_DEPTH_MAX * TMX_HASH_SIZE + TMX_HASH_SIZE)
#define TMX_MISBEHAVIOUR_ENTRY_MAX (TMX_ENTRY_MAX + 1u)
#define TMX_MISBEHAVIOUR_MAX (2u * TMX_NOTE_MAX + 40960u)

/* Everything is borrowed. */
struct tmx_misbehaviour {
    enum tmx_misbehaviour_kind kind;
    struct tmx_bytes first, second;   /* signed heads, the shorter first; NOT_CONSISTENT: `second` alone may be there;
                                       * NOT_SIGNED: the head held, or empty, and what came; with an entry: `first` alone */
    struct tmx_bytes proof;           /* hashes as they came; FORK: none for heads of one size; NOT_AS_SEEN: from the head
                                       * seen to `first` */
    bool has_root;
    struct tmx_hash root;             /* what the longer history is said to have for the size of the shorter: FORK of two
                                       * sizes: always; otherwise as it came */
    uint64_t index;                   /* NOT_INCLUDED, NOT_AS_SEEN: of the entry, and its path */
    struct tmx_bytes entry, path;
    struct {
        uint64_t size;
        struct tmx_hash root;
    } seen;                           /* NOT_AS_SEEN: what the message says, when its sender signed it; who can read entries
                                       * fills it in (it is in the entry). size 0: nothing */
};

/* Takes the root that came; one that is not whole is left out. */
void tmx_misbehaviour_root(struct tmx_misbehaviour *m, struct tmx_bytes root);

/* What is wrong with a head that came beside the one that is held (empty: none), and with the proof that came with it. A
 * fork is recognised, also by the root that the proof leads from: the proof holds it, or it is `root` (empty: none came).
 * `key`: of the log. */
struct tmx_misbehaviour tmx_misbehaviour_heads(const struct tmx_verify_key *key, struct tmx_bytes held,
                                               struct tmx_bytes shown, struct tmx_bytes proof, struct tmx_bytes root);

void tmx_misbehaviour_write(const struct tmx_misbehaviour *m, struct tmx_writer *w);

/* Room for what is base64 in the file. */
struct tmx_misbehaviour_room {
    uint8_t proof[TMX_MISBEHAVIOUR_PROOF_MAX], path[TMX_MISBEHAVIOUR_PROOF_MAX], bytes[TMX_NOTE_MAX];
};
/* False: it is not exactly such a file. The result borrows from the file and the room. */
bool tmx_misbehaviour_parse(struct tmx_bytes file, struct tmx_misbehaviour_room *room,
                            struct tmx_misbehaviour *ret_misbehaviour) TMX_MUST_CHECK;
/* The name of the log it is about: the first line of a head in it; false when it holds none. */
bool tmx_misbehaviour_origin(const struct tmx_misbehaviour *m, char ret_origin[TMX_KEYNAME_MAX + 1]) TMX_MUST_CHECK;

enum tmx_misbehaviour_verdict {
    TMX_VERDICT_FORK,       /* proved: the log has signed two histories */
    TMX_VERDICT_FORK_SEEN,  /* proved: it took in a message whose sender signed that it was shown another history */
    TMX_VERDICT_UNPROVED,   /* what is signed may be of one history; what does not fit, nobody signed */
    TMX_VERDICT_UNSIGNED,   /* the log did not sign what is shown as its head */
    TMX_VERDICT_FITS,       /* no misbehaviour: everything fits */
};
enum tmx_misbehaviour_verdict tmx_misbehaviour_judge(const struct tmx_misbehaviour *m, const struct tmx_verify_key *key)
    TMX_MUST_CHECK;
/* NOT_AS_SEEN: the root that the log has for as many entries as the sender has seen; false: the file does not show it. */
bool tmx_misbehaviour_history(const struct tmx_misbehaviour *m, const struct tmx_verify_key *key, struct tmx_hash *ret_root)
    TMX_MUST_CHECK;
