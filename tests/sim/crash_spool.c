/* SPDX-License-Identifier: Apache-2.0
 * The spool of a process that may die at a commit: what it answers then ends the process, as a failed commit does.
 */
#include "sim.h"

static int crash_begin(struct tmx_spool *base)
{
    struct sim_spool *s = (struct sim_spool *)base;
    return s->inner->vtable->begin(s->inner);
}

static int crash_apply(struct tmx_spool *base, const struct tmx_op *ops, size_t n)
{
    struct sim_spool *s = (struct sim_spool *)base;
    return s->inner->vtable->apply(s->inner, ops, n);
}

static int crash_commit(struct tmx_spool *base)
{
    struct sim_spool *s = (struct sim_spool *)base;
    if (s->crash == CRASH_BEFORE_COMMIT) {
        return -ECANCELED;
    }
    int r = s->inner->vtable->commit(s->inner);
    return s->crash == CRASH_AFTER_COMMIT ? -ECANCELED : r;
}

static int crash_get(struct tmx_spool *base, uint8_t table, struct tmx_bytes key, struct tmx_bytes *ret_value)
{
    struct sim_spool *s = (struct sim_spool *)base;
    return s->inner->vtable->get(s->inner, table, key, ret_value);
}

static int crash_seek(struct tmx_spool *base, uint8_t table, struct tmx_bytes from, struct tmx_bytes *ret_key,
                      struct tmx_bytes *ret_value)
{
    struct sim_spool *s = (struct sim_spool *)base;
    return s->inner->vtable->seek(s->inner, table, from, ret_key, ret_value);
}

static int crash_stored(struct tmx_spool *base, uint8_t table, struct tmx_bytes key, struct tmx_bytes *ret_value)
{
    struct sim_spool *s = (struct sim_spool *)base;
    return s->inner->vtable->stored(s->inner, table, key, ret_value);
}

static int crash_stat(struct tmx_spool *base, struct tmx_spool_stat *ret_stat)
{
    struct sim_spool *s = (struct sim_spool *)base;
    return s->inner->vtable->stat(s->inner, ret_stat);
}

static void crash_close(struct tmx_spool *base)
{
    (void)base;   /* the world owns it */
}

static const struct tmx_spool_vtable crash_vtable = { crash_begin, crash_apply, crash_commit, crash_get,
                                                      crash_seek,  crash_stored, crash_stat,  crash_close };

void sim_spool_init(struct sim_spool *s)
{
    s->base.vtable = &crash_vtable;
    int r = tmx_spool_ram_new(&s->inner);
    assert(r == 0);
}
