/* SPDX-License-Identifier: Apache-2.0
 * tmx-node init and restore: the only ways a spool comes to be, or an older copy of one is taken up again.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon.h"

static int create(const struct settings *s, uint64_t generation)
{
    int r = tmx_spool_lmdb_create(s->spool, s->capacity_bytes, generation, "node");
    if (r < 0) {
        fprintf(stderr, "tmx-node: spool %s: %s%s\n", s->spool, strerror(-r),
                r == -EEXIST ? ": there is one already; it is never replaced" : "");
        return r == -EEXIST ? 1 : TMX_EXIT_STORAGE;
    }
    struct tmx_spool_mark mark = { generation, 0 };
    r = tmx_spool_marker_write(s->marker, mark);
    if (r < 0) {
        fprintf(stderr, "tmx-node: marker %s: %s\n", s->marker, strerror(-r));
        return TMX_EXIT_STORAGE;
    }
    printf("spool %s created: generation %llu\n", s->spool, (unsigned long long)generation);
    return 0;
}

int setup_init(const struct settings *s)
{
    struct node_keys keys;
    struct tmx_authority authority;
    struct tmx_catalogue *catalogue = NULL;
    struct tmx_spool_mark before;
    int code = settings_keys(s, &keys);
    code = code != 0 ? code : tmx_startup_authority("tmx-node", s->authority, &authority);
    code = code != 0 ? code : settings_catalogue(s, &catalogue);
    tmx_catalogue_free(catalogue);
    if (code != 0) {
        return code;
    }
    if (tmx_spool_marker_read(s->marker, &before) != TMX_MARKER_E_NONE) {
        fprintf(stderr, "tmx-node: there was a spool before (marker %s): one that was lost or put back from a copy is\n"
                        "  taken up with tmx-node restore --config FILE\n", s->marker);
        return 1;
    }
    return create(s, 1);
}

/* What is at the spool's place (an older copy, or nothing) starts a new generation; the node then reads the log again
 * before it signs anything (NODE-10). */
int setup_restore(const struct settings *s)
{
    struct tmx_spool_mark before;
    int r = tmx_spool_marker_read(s->marker, &before);
    if (r != TMX_MARKER_OK) {
        fprintf(stderr, "tmx-node: marker %s: %s: a new node begins with tmx-node init\n", s->marker,
                r == TMX_MARKER_E_NONE ? "missing" : strerror(-r));
        return 1;
    }
    char error[512] = "";
    struct tmx_spool *spool = NULL;
    r = tmx_spool_lmdb_open_but(s->spool, s->capacity_bytes, "node", TMX_NODE_SPARED, &spool, error, sizeof(error));
    if (r == -ENOENT) {
        int code = create(s, before.generation + 1);
        if (code == 0) {
            printf("it is empty: what this node had sent and received is read again from the log\n");
        }
        return code;
    }
    if (r < 0) {
        fprintf(stderr, "tmx-node: %s\n", error);
        return TMX_EXIT_STORAGE;
    }
    r = tmx_spool_lmdb_set_generation(spool, before.generation + 1);
    struct tmx_spool_mark mark;
    tmx_spool_lmdb_mark(spool, &mark);
    tmx_spool_close(spool);
    if (r < 0) {
        fprintf(stderr, "tmx-node: spool %s: %s\n", s->spool, strerror(-r));
        return TMX_EXIT_STORAGE;
    }
    printf("spool %s taken up as generation %llu: at its next start the node reads the log again before it signs\n",
           s->spool, (unsigned long long)mark.generation);
    return 0;
}
