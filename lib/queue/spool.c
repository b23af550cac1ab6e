/* SPDX-License-Identifier: Apache-2.0
 * The spool's front: checks what callers must never get wrong (sizes, tables, the order begin, apply, commit),
 * the same for every implementation, and hands over to it.
 */
#include <tmx/spool.h>

static void check_key(uint8_t table, struct tmx_bytes key)
{
    assert(table < TMX_TABLES_MAX);
    assert(key.data != NULL && key.size >= 1 && key.size <= TMX_KEY_MAX);
}

static void check_op(const struct tmx_op *op)
{
    check_key(op->table, op->key);
    switch (op->kind) {
    case TMX_OP_INSERT:
    case TMX_OP_UPDATE:
    case TMX_OP_PUT:
        assert(op->value.size <= TMX_CONTAINER_MAX);
        assert(op->value.data != NULL || op->value.size == 0);
        return;
    case TMX_OP_DELETE:
        assert(op->value.size == 0);
        return;
    }
    assert(false);
}

int tmx_spool_get(struct tmx_spool *s, uint8_t table, struct tmx_bytes key, struct tmx_bytes *ret_value)
{
    check_key(table, key);
    return s->vtable->get(s, table, key, ret_value);
}

int tmx_spool_seek(struct tmx_spool *s, uint8_t table, struct tmx_bytes from, struct tmx_bytes *ret_key,
                   struct tmx_bytes *ret_value)
{
    check_key(table, from);
    return s->vtable->seek(s, table, from, ret_key, ret_value);
}

int tmx_spool_stored(struct tmx_spool *s, uint8_t table, struct tmx_bytes key, struct tmx_bytes *ret_value)
{
    check_key(table, key);
    return s->vtable->stored(s, table, key, ret_value);
}

int tmx_spool_begin(struct tmx_spool *s)
{
    assert(!s->in_turn);
    int r = s->vtable->begin(s);
    s->in_turn = r == 0;
    return r;
}

int tmx_spool_apply(struct tmx_spool *s, const struct tmx_op *ops, size_t n)
{
    assert(s->in_turn);
    for (size_t i = 0; i < n; i++) {
        check_op(&ops[i]);
    }
    return s->vtable->apply(s, ops, n);
}

int tmx_spool_commit(struct tmx_spool *s)
{
    assert(s->in_turn);
    s->in_turn = false;
    return s->vtable->commit(s);
}

int tmx_spool_stat(struct tmx_spool *s, struct tmx_spool_stat *ret_stat)
{
    return s->vtable->stat(s, ret_stat);
}

struct tmx_spool *tmx_spool_close(struct tmx_spool *s)
{
    if (s != NULL) {
        s->vtable->close(s);
    }
    return NULL;
}
