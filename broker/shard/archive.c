/* SPDX-License-Identifier: Apache-2.0
 * The log in a spool that nobody serves, read without the core: starting it would write. For what begins a new shard after
 * it, and for auditors of old ones.
 */
#include <stdlib.h>
#include <string.h>

#include <tmx/code.h>
#include <tmx/codec.h>
#include <tmx/envelope.h>

#include "archive.h"
#include "directory.pb-c.h"

#define ARENA (4u << 20)   /* a directory, unpacked */

static int meta(struct tmx_spool *spool, const char *name, struct tmx_bytes *ret_value)
{
    int r = tmx_spool_get(spool, TMX_T_META, tmx_bytes_str(name), ret_value);
    return r < 0 ? r : r == TMX_SPOOL_E_NONE ? -ENOENT : 0;
}

static bool note_read(struct tmx_bytes note, struct tmx_checkpoint *ret_head)
{
    struct tmx_bytes text, lines;
    return tmx_note_split(note, &text, &lines) && tmx_checkpoint_parse(text, ret_head);
}

static int state_read(struct tmx_spool *spool, struct archive *a)
{
    struct tmx_bytes value;
    struct tmx_row_state row;
    int r = meta(spool, "state", &value);
    if (r < 0) {
        return r == -ENOENT ? -EBADMSG : r;
    }
    if (!tmx_row_state_get(value, &row) || row.checkpoint.size > sizeof(a->checkpoint) ||
        !note_read(row.checkpoint, &a->head) || a->head.size != row.size) {
        return -EBADMSG;
    }
    memcpy(a->shard, row.shard.data, row.shard.size);
    memcpy(a->checkpoint, row.checkpoint.data, row.checkpoint.size);
    a->checkpoint_size = row.checkpoint.size;
    a->halted = row.halted;
    return 0;
}

static int first_read(struct tmx_spool *spool, struct archive *a, struct tmx_arena *arena)
{
    static const uint8_t first[8];
    struct tmx_bytes value;
    Tmx__LogEntry *e;
    int r = tmx_spool_get(spool, TMX_T_LOG, TMX_BYTES_OF(first), &value);
    if (r < 0) {
        return r;
    }
    if (r > 0 || tmx_entry_parse(value, arena, &e) != TMX_CODE_OK) {
        return -EBADMSG;
    }
    return e->text.len == 0 || note_read(tmx_pb(e->text), &a->before) ? 0 : -EBADMSG;
}

/* Nobody believes it for standing here: only who had to cosign is taken from it. */
static int directory_read(struct tmx_spool *spool, struct archive *a, struct tmx_arena *arena, struct tmx_policy *policy)
{
    struct tmx_bytes file;
    Tmx__SignedDirectory *d;
    Tmx__Directory *body;
    const char *why;
    int r = meta(spool, "directory", &file);
    if (r < 0) {
        return r == -ENOENT ? -EBADMSG : r;
    }
    if (tmx_codec_unpack(&tmx__signed_directory__descriptor, file, TMX_DIRECTORY_MAX, arena, &d) != TMX_CODEC_OK ||
        tmx_codec_unpack(&tmx__directory__descriptor, tmx_pb(d->directory), TMX_DIRECTORY_MAX, arena, &body) != TMX_CODEC_OK ||
        body->federation.len > TMX_FEDERATION_MAX) {
        return -EBADMSG;
    }
    memcpy(a->federation, body->federation.data, body->federation.len);
    a->directory_serial = body->serial;
    a->directory_expires_ms = body->expires_ms;
    if (body->witness_policy.len > 0 && tmx_policy_parse(tmx_pb(body->witness_policy), policy, &why) != 0) {
        return -EBADMSG;
    }
    a->witnesses = (unsigned)policy->n_witnesses;
    return 0;
}

/* The newest that was kept; it counts when that policy's quorum has cosigned it. */
static int cosigned_read(struct tmx_spool *spool, struct archive *a, const struct tmx_policy *policy)
{
    struct tmx_bytes note;
    int r = meta(spool, "cosigned", &note);
    if (r < 0 || a->witnesses == 0) {
        return r == -ENOENT ? 0 : r;
    }
    if (note.size > sizeof(a->cosigned) || !note_read(note, &a->cosigned_head) ||
        !tmx_policy_check(policy, note, &a->quorum) || !a->quorum.reached) {
        a->quorum = (struct tmx_quorum){ 0 };
        a->cosigned_head.size = 0;
        return 0;
    }
    memcpy(a->cosigned, note.data, note.size);
    a->cosigned_size = note.size;
    return 0;
}

int archive_read(struct tmx_spool *spool, struct archive *ret_archive)
{
    struct tmx_arena arena;
    struct tmx_policy *policy = calloc(1, sizeof(*policy));
    *ret_archive = (struct archive){ .witnesses = 0 };
    if (policy == NULL || tmx_arena_init(&arena, ARENA) != 0) {
        free(policy);
        return -ENOMEM;
    }
    int r = state_read(spool, ret_archive);
    r = r < 0 ? r : first_read(spool, ret_archive, &arena);
    r = r < 0 ? r : directory_read(spool, ret_archive, &arena, policy);
    r = r < 0 ? r : cosigned_read(spool, ret_archive, policy);
    tmx_arena_deinit(&arena);
    free(policy);
    return r;
}

bool archive_head_cosigned(const struct archive *a)
{
    return a->witnesses == 0 || (a->cosigned_size > 0 && a->cosigned_head.size == a->head.size &&
                                 tmx_hash_eq(&a->cosigned_head.root, &a->head.root));
}
