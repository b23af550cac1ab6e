/* SPDX-License-Identifier: Apache-2.0
 * What an auditor checks of the entries of a log, in their order: LOG-6 and the rules it refers to. Pure: no file,
 * no clock. Keeps state per message, pair and batch, never an entry.
 *
 * A broken rule is a fault: counted per class, the first of each class described. The check goes on after it.
 */
#pragma once

#include <tmx/directory.h>
#include <tmx/envelope.h>

#define AUDIT_KINDS 16u /* enum Tmx__EntryKind, 0..15 */
#define AUDIT_NO_INDEX UINT64_MAX

#define AUDIT_CLASSES(X)                                                                                               \
    X(FORMAT, "format", "an entry is not a canonical entry of its kind")                                               \
    X(TIME, "time", "time falls along the log")                                                                        \
    X(SHARD, "shard", "the shard does not begin as it must")                                                           \
    X(DIRECTORY, "directory", "a directory is missing, wrong or not the one in force")                                 \
    X(SIGNATURE, "signature", "a signature does not verify under the directory the entry names")                       \
    X(BATCH, "batch", "one batch number was signed over two roots")                                                    \
    X(IDENTITY, "identity", "the entry is not about what its body says, or a message id comes twice")                  \
    X(ADMISSION, "admission", "a member takes part who may not")                                                       \
    X(SEQUENCE, "sequence", "the numbers of a pair have a gap or repeat")                                              \
    X(REFERENCE, "reference", "an entry names an acceptance that is not there or is another")                          \
    X(STATE, "state", "a delivery does what its state does not allow")                                                 \
    X(SEEN, "seen", "a signer was shown a head that is not of this log")                                               \
    X(ENTRIES, "entries", "an entry bundle is missing or malformed")                                                   \
    X(TILE, "tile", "a tile differs from what the entries give")                                                       \
    X(CHECKPOINT, "checkpoint", "a checkpoint is not as the log and its witnesses signed it")                          \
    X(ROOT, "root", "the tree of the entries is not the one a checkpoint signs")                                       \
    X(ANCHOR, "anchor", "a time anchor is not as its entry says, or its token does not verify")                        \
    X(SUMS, "sums", "a file is not as the list SHA256 has it")                                                         \
    X(PRUNED, "pruned", "a bundle of entries that are pruned is there: pruning broke off")

enum tmx_audit_class {
#define X(name, text, meaning) AUDIT_##name,
    AUDIT_CLASSES(X)
#undef X
        AUDIT_N_CLASSES
};
const char *tmx_audit_kind_name(unsigned kind); /* of enum Tmx__EntryKind, as the auditor's commands write it */
const char *tmx_audit_class_name(enum tmx_audit_class c);
const char *tmx_audit_class_meaning(enum tmx_audit_class c);

struct tmx_audit_fault {
    uint64_t count;
    uint64_t index; /* entry of the first one; AUDIT_NO_INDEX when it is not about an entry */
    char text[200];
};

struct tmx_audit_summary {
    uint64_t entries; /* checked, from the one on where the audit began */
    uint64_t kinds[AUDIT_KINDS];
    uint64_t first_ms;
    uint64_t last_ms;
    uint64_t deliveries;
    uint64_t arrived;     /* open, with a CoA */
    uint64_t queued;      /* open, without */
    uint64_t outcomes[6]; /* enum Tmx__Outcome; the broker's expiries and exceptions included */
    struct tmx_checkpoint follows;   /* the last head of the shard before, as leaf 0 names it; size 0: none */
    unsigned follows_witnesses;      /* of the policy in force at leaf 0 */
    struct tmx_quorum follows_quorum;
    struct tmx_audit_fault faults[AUDIT_N_CLASSES];
};

/* NULL when the export has no valid directory of that serial. */
typedef const struct tmx_directory *tmx_audit_directory_fn(void *ctx, uint64_t serial);
/* The root of the first `size` entries, size <= the entries checked so far. False when it cannot be had. */
typedef bool tmx_audit_root_fn(void *ctx, uint64_t size, struct tmx_hash *ret_root);

/* What of an entry does not depend on those before it: any order and any thread will do, with a preparer each. It is
 * also most of the work. */
enum tmx_audit_verdict {
    AUDIT_UNSIGNED,
    AUDIT_MALFORMED_SIGNATURE,
    AUDIT_NO_DIRECTORY, /* to verify with */
    AUDIT_NO_KEY,       /* active in that directory */
    AUDIT_BAD_SIGNATURE,
    AUDIT_GOOD_SIGNATURE,
};
struct tmx_audit_prepared {
    struct tmx_hash leaf;
    enum tmx_audit_verdict verdict;
    uint32_t key_id;
    uint64_t batch_no;
    uint32_t batch_size;
    struct tmx_hash batch_root; /* of a good signature */
};
struct tmx_audit_preparer;
/* `directory` is called on the thread that prepares. -ENOMEM. */
int tmx_audit_preparer_new(tmx_audit_directory_fn *directory, void *ctx,
                           struct tmx_audit_preparer **ret_preparer) TMX_MUST_CHECK;
struct tmx_audit_preparer *tmx_audit_preparer_free(struct tmx_audit_preparer *p);
void tmx_audit_prepare(struct tmx_audit_preparer *p, struct tmx_bytes entry, struct tmx_audit_prepared *ret_prepared);

struct tmx_audit;
/* `shard` as in the checkpoint's origin; hash_key keys the tables. -ENOMEM. */
int tmx_audit_new(struct tmx_bytes shard, const uint8_t hash_key[16], tmx_audit_directory_fn *directory,
                  tmx_audit_root_fn *root, void *ctx, struct tmx_audit **ret_audit) TMX_MUST_CHECK;
struct tmx_audit *tmx_audit_free(struct tmx_audit *a);
/* Before the first entry: it is the one at `index`, and of those before it nothing is known. What only they could tell is
 * taken as it first appears. LOG-10 */
void tmx_audit_begin_at(struct tmx_audit *a, uint64_t index);
/* Before the first entry: one that stayed of those before it, at `index`, ascending; of a kind that tells of which directory was in
 * force or which head is anchored. It must be proved to be in the log. -ENOMEM. */
int tmx_audit_kept(struct tmx_audit *a, uint64_t index, struct tmx_bytes entry) TMX_MUST_CHECK;
/* The next entry, prepared by a preparer with the same directories. -ENOMEM. */
int tmx_audit_next(struct tmx_audit *a, struct tmx_bytes entry, const struct tmx_audit_prepared *prepared)
    TMX_MUST_CHECK;
/* Both at once. -ENOMEM. */
int tmx_audit_entry(struct tmx_audit *a, struct tmx_bytes entry) TMX_MUST_CHECK;
/* Notes a fault found elsewhere, at `index` or AUDIT_NO_INDEX. */
void tmx_audit_fault(struct tmx_audit *a, enum tmx_audit_class c, uint64_t index, const char *fmt, ...)
    TMX_PRINTF(4, 5);
const struct tmx_audit_summary *tmx_audit_result(const struct tmx_audit *a);
bool tmx_audit_ok(const struct tmx_audit *a);
/* The serial of the directory in force after the first `size` entries; 0: the log does not say. */
uint64_t tmx_audit_directory_at(const struct tmx_audit *a, uint64_t size);
/* The first entry from `from` on that stays when it is pruned; false: there is none. LOG-10 */
bool tmx_audit_next_kept(const struct tmx_audit *a, uint64_t from, uint64_t *ret_index);
/* A head that an entry anchors in time. LOG-9 */
struct tmx_audit_anchor {
    uint64_t size;
    uint64_t index; /* of its entry */
    uint8_t digest[TMX_HASH_SIZE]; /* of the token */
};
/* Ascending by size, and by index. */
const struct tmx_audit_anchor *tmx_audit_anchors(const struct tmx_audit *a, size_t *ret_n);
/* The first entry that was checked of all that are about a delivery without outcome, and the message; false: there is none. */
bool tmx_audit_first_open(const struct tmx_audit *a, uint64_t *ret_index, uint8_t ret_id[TMX_ID_SIZE]);
/* The members that signed something, ascending by code: start with *at = 0; false at the end. */
bool tmx_audit_next_member(const struct tmx_audit *a, size_t *at, const char **ret_code, uint64_t *ret_signed);
