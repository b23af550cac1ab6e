/* SPDX-License-Identifier: Apache-2.0
 * What of an entry can be found out by itself: its hash, and whether its signature verifies. BAT-4
 */
#include <stdlib.h>

#include <tmx/code.h>

#include "state.h"

struct tmx_audit_preparer {
    tmx_audit_directory_fn *directory;
    void *ctx;
    struct tmx_arena arena; /* of one entry */
    struct tmx_batch_cache batches_seen;
};

int tmx_audit_preparer_new(tmx_audit_directory_fn *directory, void *ctx, struct tmx_audit_preparer **ret_preparer)
{
    struct tmx_audit_preparer *p = calloc(1, sizeof *p);

    if (p == NULL || tmx_arena_init(&p->arena, AUDIT_ARENA_SIZE) < 0) {
        free(p);
        return -ENOMEM;
    }
    p->directory = directory;
    p->ctx = ctx;
    *ret_preparer = p;
    return 0;
}

struct tmx_audit_preparer *tmx_audit_preparer_free(struct tmx_audit_preparer *p)
{
    if (p != NULL) {
        tmx_arena_deinit(&p->arena);
        free(p);
    }
    return NULL;
}

static enum tmx_audit_verdict verdict(struct tmx_audit_preparer *p, const Tmx__LogEntry *e,
                                      struct tmx_audit_prepared *prepared)
{
    const struct tmx_directory *d = p->directory(p->ctx, e->directory_serial);
    const struct tmx_verify_key *key;
    struct tmx_signature signature;

    if (!tmx_signature_from_pb(e->signature, &signature)) {
        return AUDIT_MALFORMED_SIGNATURE;
    }
    prepared->key_id = signature.key_id;
    prepared->batch_no = signature.batch_no;
    prepared->batch_size = signature.size;
    if (d == NULL) {
        return AUDIT_NO_DIRECTORY;
    }
    key = tmx_directory_signing_key(d, tmx_pb(e->member), signature.key_id);
    if (key == NULL) {
        return AUDIT_NO_KEY;
    }
    if (!tmx_batch_verify_root(tmx_pb(e->body), &signature, key, &p->batches_seen, &prepared->batch_root)) {
        return AUDIT_BAD_SIGNATURE;
    }
    return AUDIT_GOOD_SIGNATURE;
}

void tmx_audit_prepare(struct tmx_audit_preparer *p, struct tmx_bytes entry, struct tmx_audit_prepared *ret_prepared)
{
    Tmx__LogEntry *e;

    *ret_prepared = (struct tmx_audit_prepared){ .leaf = tmx_merkle_leaf(entry), .verdict = AUDIT_UNSIGNED };
    tmx_arena_reset(&p->arena);
    if (tmx_entry_parse(entry, &p->arena, &e) == TMX_CODE_OK && e->signature != NULL) {
        ret_prepared->verdict = verdict(p, e, ret_prepared);
    }
}
