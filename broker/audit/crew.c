/* SPDX-License-Identifier: Apache-2.0
 * A ring of bundles: threads take the next number, fill its slot, and the caller empties the slots in their order.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "crew.h"
#include "export_dir.h"

struct slot {
    bool ready;
    struct tmx_bundle bundle;
};

struct member {
    struct tmx_crew *crew;
    struct tmx_audit_preparer *preparer;
    pthread_t thread;
};

struct tmx_crew {
    int fd;
    uint64_t size;
    uint64_t total; /* bundles */
    unsigned jobs;
    unsigned running;
    struct member members[CREW_JOBS_MAX];
    size_t n_slots;
    struct slot *slots;
    pthread_mutex_t lock;  /* what is below, and `ready` */
    pthread_cond_t room;   /* a slot was emptied, or it ends */
    pthread_cond_t filled; /* a slot was filled */
    uint64_t taken;        /* the next number for a thread */
    uint64_t given;        /* the next number for the caller */
    bool holds;            /* the caller still has the bundle before that */
    bool ends;
};

static void load(const struct tmx_crew *c, struct tmx_audit_preparer *preparer, struct tmx_bundle *b)
{
    struct tmx_export_name name = { .entries = true, .n = b->n, .width = b->width };
    char path[EXPORT_PATH_MAX];
    struct tmx_reader r;
    bool failed = false;
    size_t size;

    tmx_export_path(&name, path);
    b->error = tmx_export_read(c->fd, path, EXPORT_BUNDLE_MAX, &b->data, &size);
    if (b->error < 0) {
        return;
    }
    r = tmx_reader_init(TMX_BYTES(b->data, size));
    while (b->entries < b->width && tmx_export_next_entry(&r, &b->entry[b->entries], &failed)) {
        tmx_audit_prepare(preparer, b->entry[b->entries], &b->prepared[b->entries]);
        b->entries++;
    }
    b->whole = b->entries == b->width && tmx_reader_done(&r);
}

static struct slot *slot_of(struct tmx_crew *c, uint64_t n)
{
    return &c->slots[n % c->n_slots];
}

static void begin(const struct tmx_crew *c, struct tmx_bundle *b, uint64_t n)
{
    const uint64_t left = c->size - n * TMX_TILE_WIDTH;

    free(b->data);
    b->n = n;
    b->width = left < TMX_TILE_WIDTH ? (unsigned)left : TMX_TILE_WIDTH;
    b->error = 0;
    b->whole = false;
    b->entries = 0;
    b->data = NULL;
}

static void *work(void *arg)
{
    struct member *m = arg;
    struct tmx_crew *c = m->crew;

    pthread_mutex_lock(&c->lock);
    while (!c->ends && c->taken < c->total) {
        /* The slot of a number is free once the caller is done with the number that had it before. */
        if (c->taken >= c->given - (c->holds ? 1 : 0) + c->n_slots) {
            pthread_cond_wait(&c->room, &c->lock);
            continue;
        }
        const uint64_t n = c->taken++;
        struct slot *s = slot_of(c, n);

        pthread_mutex_unlock(&c->lock);
        begin(c, &s->bundle, n);
        load(c, m->preparer, &s->bundle);
        pthread_mutex_lock(&c->lock);
        s->ready = true;
        pthread_cond_signal(&c->filled);
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

const struct tmx_bundle *tmx_crew_next(struct tmx_crew *c)
{
    struct slot *s;

    if (c->given == c->total) {
        return NULL;
    }
    s = slot_of(c, c->given);
    if (c->jobs == 1) {
        begin(c, &s->bundle, c->given++);
        load(c, c->members[0].preparer, &s->bundle);
        return &s->bundle;
    }
    pthread_mutex_lock(&c->lock);
    if (c->holds) {
        c->holds = false;
        pthread_cond_broadcast(&c->room);
    }
    while (!s->ready) {
        pthread_cond_wait(&c->filled, &c->lock);
    }
    s->ready = false;
    c->given++;
    c->holds = true;
    pthread_mutex_unlock(&c->lock);
    return &s->bundle;
}

static int start(struct tmx_crew *c, tmx_audit_directory_fn *directory, void *ctx)
{
    for (unsigned i = 0; i < c->jobs; i++) {
        struct member *m = &c->members[i];
        int r;

        m->crew = c;
        r = tmx_audit_preparer_new(directory, ctx, &m->preparer);
        if (r < 0) {
            return r;
        }
        if (c->jobs > 1) {
            r = pthread_create(&m->thread, NULL, work, m);
            if (r != 0) {
                return -r;
            }
            c->running++;
        }
    }
    return 0;
}

int tmx_crew_new(int export_fd, uint64_t first, uint64_t size, unsigned jobs, tmx_audit_directory_fn *directory, void *ctx,
                 struct tmx_crew **ret_crew)
{
    struct tmx_crew *c = calloc(1, sizeof *c);
    int r;

    assert(jobs >= 1 && jobs <= CREW_JOBS_MAX);
    if (c == NULL) {
        return -ENOMEM;
    }
    c->fd = export_fd;
    c->size = size;
    c->total = (size + TMX_TILE_WIDTH - 1) / TMX_TILE_WIDTH;
    c->taken = c->given = first;
    c->jobs = jobs;
    c->n_slots = 2u * jobs;
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->room, NULL);
    pthread_cond_init(&c->filled, NULL);
    c->slots = calloc(c->n_slots, sizeof c->slots[0]);
    r = c->slots == NULL ? -ENOMEM : start(c, directory, ctx);
    if (r < 0) {
        tmx_crew_free(c);
        return r;
    }
    *ret_crew = c;
    return 0;
}

struct tmx_crew *tmx_crew_free(struct tmx_crew *c)
{
    if (c == NULL) {
        return NULL;
    }
    pthread_mutex_lock(&c->lock);
    c->ends = true;
    pthread_cond_broadcast(&c->room);
    pthread_mutex_unlock(&c->lock);
    for (unsigned i = 0; i < c->running; i++) {
        pthread_join(c->members[i].thread, NULL);
    }
    for (unsigned i = 0; i < c->jobs; i++) {
        tmx_audit_preparer_free(c->members[i].preparer);
    }
    for (size_t i = 0; c->slots != NULL && i < c->n_slots; i++) {
        free(c->slots[i].bundle.data);
    }
    free(c->slots);
    pthread_cond_destroy(&c->filled);
    pthread_cond_destroy(&c->room);
    pthread_mutex_destroy(&c->lock);
    free(c);
    return NULL;
}
