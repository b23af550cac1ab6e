/* SPDX-License-Identifier: Apache-2.0
 * Opening the broker's spool: only the one its marker knows as the latest.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon.h"

int spool_open(const struct settings *s, struct tmx_spool **ret_spool)
{
    char error[512] = "", next[4096];
    struct stat st;
    /* A spoilt container is its message's loss: its digest is in the log, and its sender has it still. A spoilt reason of a refusal is
     * that reason's alone. */
    const uint64_t spared = UINT64_C(1) << TMX_T_CONTAINER | UINT64_C(1) << TMX_T_ATTACHMENT;
    int r = tmx_spool_lmdb_open_but(s->spool, s->capacity_bytes, "broker", spared, ret_spool, error, sizeof(error));
    if (r < 0) {
        fprintf(stderr, "tmx-broker: %s\n", error);
        spool_next_path(s, next, sizeof(next));
        if (r == -ENOENT && lstat(next, &st) == 0) {
            fprintf(stderr, "  a new shard was begun in %s and not put in place: go on with: tmx-broker new-shard --config FILE\n",
                    next);
        } else if (r == -ENOENT) {
            fprintf(stderr, "  a new broker begins with: tmx-broker init --config FILE\n"
                            "  a lost spool is replaced with: tmx-broker restore --config FILE\n");
        }
        return r == -EBUSY ? 1 : TMX_EXIT_STORAGE;
    }
    struct tmx_spool_mark mark;
    tmx_spool_lmdb_mark(*ret_spool, &mark);
    r = tmx_spool_marker_check(s->marker, mark);
    if (r == TMX_MARKER_E_OLD) {
        fprintf(stderr, "tmx-broker: the spool %s is older than its marker %s: it is a copy from an earlier time.\n"
                        "  Its log was continued since; starting it would contradict what was signed.\n"
                        "  Replace it with: tmx-broker restore --config FILE (in a new shard)\n", s->spool, s->marker);
        return 1;
    }
    if (r != TMX_MARKER_OK) {
        fprintf(stderr, "tmx-broker: marker %s: %s. Without it an old copy of the spool could not be told.\n"
                        "  If you are sure that this spool is the latest, write it again with: tmx-broker restore\n",
                s->marker, r == TMX_MARKER_E_NONE ? "missing" : strerror(-r));
        return 1;
    }
    return 0;
}

void spool_next_path(const struct settings *s, char *ret_path, size_t size)
{
    snprintf(ret_path, size, "%s.next", s->spool);
}
