/* SPDX-License-Identifier: Apache-2.0
 * The log in a spool that nobody serves, as it was left: archive.c.
 */
#pragma once

#include <tmx/policy.h>
#include <tmx/spool.h>

#include "broker.h"

struct archive {
    char shard[TMX_SHARD_MAX + 1];
    char federation[TMX_FEDERATION_MAX + 1];
    bool halted;                               /* it was shown a head beyond its tree */
    struct tmx_checkpoint before;              /* that leaf 0 names: last of the shard before; size 0: none */
    struct tmx_checkpoint head;                /* the last signed one */
    uint8_t checkpoint[TMX_CHECKPOINT_MAX];
    size_t checkpoint_size;
    uint64_t directory_serial, directory_expires_ms;   /* of the directory in force */
    unsigned witnesses;                        /* of its policy; 0: it asks for none */
    struct tmx_checkpoint cosigned_head;       /* size 0: none that the quorum has cosigned */
    struct tmx_quorum quorum;
    uint8_t cosigned[TMX_NOTE_MAX];            /* with all lines */
    size_t cosigned_size;
};

/* No turn is open. -EBADMSG: this is no broker's log; -ENOMEM, -EIO. */
int archive_read(struct tmx_spool *spool, struct archive *ret_archive) TMX_MUST_CHECK;
/* Exactly the last head has the quorum's cosignatures; or none are asked for. */
bool archive_head_cosigned(const struct archive *a);
