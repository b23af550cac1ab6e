/* SPDX-License-Identifier: Apache-2.0
 * The journal of the disk spool: the turns since LMDB's last commit, so that a turn costs one synced write instead of
 * LMDB's two syncs and the pages it would copy. LMDB commits when the journal is used up (a checkpoint), and at close.
 *
 * The file is written full of zeros once, but for its first block, which says whose journal it is; then records go
 * behind that, from the start again after each checkpoint. Nothing is allocated while it is used. A record starts at a
 * multiple of TMX_JOURNAL_BLOCK:
 *   digest 16   SipHash-128 of the header's rest, keyed with the spool's key as the other one is
 *   salt 16     of the checkpoint behind which the journal goes on: it stands in LMDB's own rows too
 *   turn u64, size u32, n u32
 *   digest 16   of the operations: read only behind a good header, so that looking for later turns takes one pass
 *   n operations: kind u8, table u8, key size u16, value size u32, key, value
 * What follows a record and has not its salt or not the next turn's number is left over from before. The key never leaves
 * the spool: else a value made for it could look like a record.
 */
#pragma once

#include <tmx/spool.h>

#define TMX_JOURNAL_BLOCK 4096u
#define TMX_JOURNAL_SALT 16u
#define TMX_JOURNAL_KEY 16u
#define TMX_JOURNAL_BYTES_MAX (8u << 20)
#define TMX_JOURNAL_BYTES_MIN (64u << 10)

struct tmx_journal {
    int fd;                             /* O_DSYNC: what pwrite wrote is durable */
    uint64_t size;                      /* of the file */
    uint64_t at;                        /* where the next record goes */
    uint8_t key[TMX_JOURNAL_KEY];       /* set these two before it is opened */
    uint8_t salt[TMX_JOURNAL_SALT];
    uint8_t *record;                    /* the turn's, as far as it is applied */
    size_t room;                        /* of `record` */
    size_t used;
    uint32_t ops;
    bool too_large;                     /* the turn does not fit into what is left */
};

/* A journal without a turn at `path`, durable but for its name. `capacity` is that of the spool. */
int tmx_journal_create(const char *path, uint64_t capacity, const uint8_t key[TMX_JOURNAL_KEY]) TMX_MUST_CHECK;
/* -EBADMSG: that is none, or one of another key. */
int tmx_journal_open(struct tmx_journal *j, const char *path) TMX_MUST_CHECK;
void tmx_journal_close(struct tmx_journal *j);

/* A turn: begin, add each operation, then write it down or, where that says -EFBIG, checkpoint. */
void tmx_journal_begin(struct tmx_journal *j);
int tmx_journal_add(struct tmx_journal *j, const struct tmx_op *op) TMX_MUST_CHECK;
int tmx_journal_write(struct tmx_journal *j, uint64_t turn) TMX_MUST_CHECK;
/* After a checkpoint with this salt: from the start again. */
void tmx_journal_restart(struct tmx_journal *j, const uint8_t salt[TMX_JOURNAL_SALT]);

/* Hands the turns behind `turn` to `take`, in order, as far as they were written; *ret_turn is the last of them. -EBADMSG:
 * a later turn is there but not the one before it, so that something durable is damaged or belongs to another spool. */
int tmx_journal_replay(struct tmx_journal *j, uint64_t turn, int (*take)(void *context, const struct tmx_op *op),
                       void *context, uint64_t *ret_turn) TMX_MUST_CHECK;
